package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
)

// open makes a store in a folder of its own.
func open(tb testing.TB, o store.Options) *store.Store {
	tb.Helper()
	return openAt(filepath.Join(tb.TempDir(), "zhucun.db"))(tb, o)
}

// openAt opens the store of a file.
func openAt(file string) storetest.Open {
	return func(tb testing.TB, o store.Options) *store.Store {
		tb.Helper()
		s, err := Open(context.Background(), file, o)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	}
}

func TestStore(t *testing.T) { storetest.Run(t, open) }

// What holds of backups and of what is restored from them.
func TestRestores(t *testing.T) {
	storetest.Restores(storetest.NewWorld(t, open), func(w *storetest.World, file string) *store.Store {
		s, err := Open(context.Background(), file, w.Options())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}

// Whatever is changed in the file behind the store's back Verify finds.
func TestVerifyFinds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	w := storetest.NewWorld(t, openAt(file))
	storetest.Fill(w)
	w.Whole()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run := func(text string) {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(text, err)
		}
	}
	for _, tt := range [][2]string{
		{"record", `state = zeroblob(3)`},
		{"record", `type = 'task'`},
		{"record", `trail = x'0101'`},
		{"record", `feed = feed + 1000`},
		{"record", `feed_seq = feed_seq + 1`},
		{"record", `record_id = '00000000-0000-7000-8000-000000000000' WHERE type = 'visit'`},
		{"form_household", `phone = '2'`},
		{"form_household", `marks = '[]'`},
		{"form_household", `record_id = record_id || '1'`},
		{"review", `path = 'phone'`},
		{"quarantine", `reason = 'role'`},
		{"quarantine", `seq = seq + 1`},
		{"stream", `head_seq = head_seq + 1`},
		{"stream", `at = at + 1`},
		{"stream", `incarnation = zeroblob(16)`},
		{"village_head", `log = log + 1`},
		{"segment", `log = log + 100`},
		{"segment", `last_hash = zeroblob(32)`},
		{"segment", `before_hash = zeroblob(32) WHERE log = 2`},
		{"segment", `body = zeroblob(9)`},
		{"segment", `receipt = (SELECT max(receipt) FROM segment)`},
	} {
		table := tt[0]
		run(`CREATE TABLE kept AS SELECT * FROM ` + table)
		run(`UPDATE ` + table + ` SET ` + tt[1])
		if sum, err := w.Verify(context.Background(), func(store.Fault) {}); err != nil || sum.Faults == 0 {
			t.Errorf("%s with %s: %d faults, %v", table, tt[1], sum.Faults, err)
		}
		run(`DELETE FROM ` + table)
		run(`INSERT INTO ` + table + ` SELECT * FROM kept`)
		run(`DROP TABLE kept`)
		w.Whole()
	}
}

// What the office publishes, by a process and beside another.
func TestEditions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	at := openAt(file)
	w := storetest.NewWorld(t, at)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	storetest.Editions(w, func() *store.Store { return at(t, w.Options()) }, func(table, column string) (n int) {
		if err := db.QueryRow(`SELECT count(*) FROM "` + table + `" WHERE "` + column + `" IS NOT NULL`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	})
	w.Whole()
}

func TestHalfPublished(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	at := openAt(file)
	storetest.HalfPublished(storetest.NewWorld(t, at), func(o store.Options) *store.Store { return at(t, o) })
}

// A command beside a running server: both write the same village in turn, and
// the server comes to know.
func TestTwoProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	another := openAt(file)
	w := storetest.NewWorld(t, another)
	storetest.Fill(w)
	beside := another(t, w.Options())
	if beside.Epoch() != w.Epoch() {
		t.Errorf("epochs %x and %x", w.Epoch(), beside.Epoch())
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go w.Watch(ctx)
	var both sync.WaitGroup
	for _, s := range []*store.Store{w.Store, beside} {
		both.Go(func() {
			for range 20 {
				if err := storetest.Decide(s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	// What this process itself wrote is announced already; wait for news of the
	// other one.
	changed := w.Changed()
	if err := storetest.Decide(beside); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("the server does not learn what another process wrote")
	}
	w.Whole()
}

// A file of an older form gets the new columns, filled.
func TestFormsGrow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	var s *store.Store
	w := storetest.NewWorld(t, func(tb testing.TB, o store.Options) *store.Store {
		var err error
		if s, err = Open(context.Background(), file, o); err != nil {
			tb.Fatal(err)
		}
		return s
	})
	storetest.Fill(w)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`ALTER TABLE form_household DROP COLUMN phone`, `UPDATE meta SET value = 'older' WHERE key IN ('schema', 'form_household')`,
		`DROP TABLE form_visit`, `DELETE FROM meta WHERE key = 'form_visit'`} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Store, err = Open(context.Background(), file, w.Options()); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Whole()
}
