package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/pack"
	"zhucun/shared/wire"
)

// holding tells which files of a folder hold the canary, as it is or in a packed
// segment that a table has.
func holding(t *testing.T, file string) (where []string) {
	t.Helper()
	files, err := filepath.Glob(file + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(storetest.Canary)) {
			where = append(where, filepath.Base(name))
		}
		// Segments lie packed; small ones whole on one page. Packed, the canary is
		// as good as there.
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			if i < 0 {
				break
			}
			at += i
			for end := at + 13; end <= min(at+3000, len(b)); end++ {
				if raw, err := pack.Unzip(b[at:end], wire.MaxUnpacked); err == nil && bytes.Contains(raw, []byte(storetest.Canary)) {
					where = append(where, filepath.Base(name)+" (packed)")
					break
				}
			}
			at++
		}
	}
	return where
}

// After an erasure no byte of it is in the database's files: not in the tables, not
// in what they no longer use, not in the log.
func TestErasedBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zhucun.db")
	w := storetest.NewWorld(t, func(tb testing.TB, o store.Options) *store.Store {
		s, err := Open(context.Background(), file, o)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	})
	u := storetest.NewBurden(w)
	if len(holding(t, file)) == 0 {
		t.Fatal("the canary was never there")
	}
	// Somebody reads as of before: the log cannot be emptied yet, and that is told.
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reading, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRow(`SELECT count(*) FROM record`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Erase(storetest.ID(1)); err != nil {
		t.Fatal(err)
	}
	if done, err := w.Forget(t.Context()); done || err != nil {
		t.Errorf("beside a reader it is forgotten: %v, %v", done, err)
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if done, err := w.Forget(t.Context()); !done || err != nil {
		t.Errorf("it is not forgotten: %v, %v", done, err)
	}
	if where := holding(t, file); len(where) != 0 {
		t.Errorf("the canary is still in %v", where)
	}
	u.WriteOn()
	if list, err := w.SetAsides(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("set aside: %+v, %v", list, err)
	}
	if where := holding(t, file); len(where) != 0 {
		t.Errorf("written on, the canary is in %v", where)
	}
	if done, err := w.Forget(t.Context()); !done || err != nil {
		t.Errorf("with nothing to forget: %v, %v", done, err)
	}
	w.Whole()
}
