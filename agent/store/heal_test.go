package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// healed waits until the store has opened its file anew.
func healed(t *testing.T, s *Store) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); s.trouble() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it stays broken: %v", s.trouble())
		}
	}
}

// After an error of the disk the file is closed and opened anew, and what it then has
// is what counts. Each row is what is found on the disk.
func TestDiskErrorHeals(t *testing.T) {
	tests := []struct {
		name string
		// found is given the store's file when it was closed, and its image from before
		// the last save.
		found   func(t *testing.T, file string, image []byte) error
		missing uint64
		anew    bool
		visits  int
	}{
		// What was said not to be saved may be there: whoever looks sees it.
		{"everything", func(*testing.T, string, []byte) error { return nil }, 0, false, 4},
		{"less than was promised", func(t *testing.T, file string, image []byte) error {
			if err := os.WriteFile(file, image, 0o600); err != nil {
				t.Fatal(err)
			}
			return nil
		}, 1, false, 2},
		{"a damaged file", func(*testing.T, string, []byte) error { return ErrDamaged }, 0, true, 4},
		{"an unreadable one, once", func() func(*testing.T, string, []byte) error {
			first := true
			return func(*testing.T, string, []byte) error {
				if first {
					first = false
					return errors.New("input/output error")
				}
				return nil
			}
		}(), 0, false, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, leases, wall := t.TempDir(), t.TempDir(), t0
			file := filepath.Join(dir, fileName)
			var image []byte
			var broken error
			first := noted(t, dir, leases)
			save(t, first, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return wall }, NoSync: true, Leases: leases,
				Flush:   func() error { return broken },
				Inspect: func(string) error { return tt.found(t, file, image) }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			before := writing(t, s)
			if image, err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "水管坏了吗")})
			broken = errors.New("input/output error")
			_, err = s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "磁盘出错时写的")})
			if !errors.Is(err, ErrDisk) || !strings.Contains(Sentence(err, form.Zh), "磁盘在保存时出错") {
				t.Fatalf("%v", err)
			}
			broken = nil
			healed(t, s)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "路修好了没有")})
			st, err := s.Status()
			if err != nil || st.Missing != tt.missing || (st.Rebuilt.At > 0) != tt.anew {
				t.Errorf("missing %d, %+v, %v", st.Missing, st.Rebuilt, err)
			}
			if same := writing(t, s) == before; same != (tt.missing == 0) {
				t.Errorf("the old stream goes on: %v", same)
			}
			n := 0
			if err := s.Each(code, "visit", func(Record) bool { n++; return true }); err != nil || n != tt.visits {
				t.Errorf("%d visits, want %d: %v", n, tt.visits, err)
			}
			if r, err := s.Verify(false); err != nil || len(r.Faults) > 0 {
				t.Errorf("%v, %v", r.Faults, err)
			}
		})
	}
}

// Whoever reads while the disk fails goes on reading what he began, and what he reads
// after that comes from the file that was opened anew.
func TestReadersOutliveTheFile(t *testing.T) {
	s := enrolled(t, "team_member")
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	var old *bbolt.DB
	err := s.view(func(x *tx) error {
		s.breaks(ErrDisk)
		time.Sleep(50 * time.Millisecond)
		if s.trouble() == nil {
			t.Error("the file was closed under a reader")
		}
		old = x.DB()
		// One who reads within a reading is not kept waiting for ever.
		_, err := s.Device()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	healed(t, s)
	if err := s.view(func(x *tx) error {
		if x.DB() == old {
			t.Error("it is the old file")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// A value that is not as it was written, in a file that is otherwise whole, is found
// by whoever reads it; he is told, and finds the store made anew. One that is found
// damaged again at once is left as it is.
func TestDamagedValueHeals(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key
	hurt := func() {
		t.Helper()
		if err := s.update(ctx, false, func(t *tx) error {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			b := v.b.Bucket(recordBucket("visit"))
			raw := append([]byte(nil), b.Get(k.ID[:])...)
			raw[len(raw)-1] ^= 1
			return b.Put(k.ID[:], raw)
		}); err != nil {
			t.Fatal(err)
		}
	}
	hurt()
	_, err := s.Get("visit", k.ID)
	if !errors.Is(err, ErrAnew) || !strings.Contains(Sentence(err, form.En), "made anew") {
		t.Fatal(err)
	}
	healed(t, s)
	r := read(t, s, k)
	if r.View.Fields["findings"] != record.Text("屋顶漏雨了") {
		t.Errorf("it reads %v", r.View.Fields)
	}
	st, err := s.Status()
	if err != nil || st.Pending != 1 || st.Rebuilt.Saved != 1 || !st.Villages[0].Anew {
		t.Errorf("%+v, %v", st, err)
	}
	aside, err := filepath.Glob(filepath.Join(dir, "records.db.damaged-*"))
	if err != nil || len(aside) != 1 {
		t.Errorf("%v, %v", aside, err)
	}
	hurt()
	if _, err := s.Get("visit", k.ID); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	for end := time.Now().Add(10 * time.Second); !errors.Is(s.trouble(), ErrStopped); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(s.trouble())
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "records.db.damaged-*")); len(aside) != 1 {
		t.Errorf("made anew again and again: %v", aside)
	}
}

// written waits until the note knows of the last commit.
func written(t *testing.T, s *Store) {
	t.Helper()
	var last uint64
	if err := s.view(func(x *tx) error { last = uint64(x.ID()); return nil }); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if l, _ := readNote(s.seal, s.dir, s.opt.Leases); l != nil && l.Commit == last {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the note is not written")
		}
	}
}

// Damage that shows while the store is being closed is left to whoever opens it next:
// nothing is opened any more, and the note does not call the file sound.
func TestDamagedWhileClosing(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	written(t, s) // nobody reads any more
	db, err := s.file.hold()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyClock, []byte("no clock")) }); err != nil {
		t.Fatal(err)
	}
	s.file.leave()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.healing.Wait()
	if err := s.view(func(*tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("it can still be read: %v", err)
	}
	if aside, err := filepath.Glob(filepath.Join(dir, "records.db.damaged-*")); err != nil || len(aside) > 0 {
		t.Errorf("made anew after it was closed: %v, %v", aside, err)
	}
	free, err := lockStore(dir)
	if err != nil {
		t.Fatalf("it is open: %v", err)
	}
	free()
	if Untouched(dir, leases) {
		t.Error("the next one need not inspect it")
	}
}
