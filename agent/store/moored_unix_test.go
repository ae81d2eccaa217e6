//go:build unix

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// The data file is removed while it is open. What was saved before and after is in the
// one that is put back: with the next save, or when the agent ends.
func TestRemovedWhileOpen(t *testing.T) {
	for _, saved := range []bool{true, false} {
		s := enrolled(t, identity.TeamMember)
		keys := []record.Key{save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key}
		if err := os.Remove(filepath.Join(s.Dir(), fileName)); err != nil {
			t.Fatal(err)
		}
		if saved {
			keys = append(keys, save(t, s, Edit{Type: "visit", Fields: fields("findings", "后来写的")}).Key)
			healed(t, s)
			keys = append(keys, save(t, s, Edit{Type: "visit", Fields: fields("findings", "放回以后写的")}).Key)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.Dir(), Options{Key: make([]byte, KeySize), NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			read(t, again, k)
		}
		soundNow(t, again)
		if left, _ := filepath.Glob(filepath.Join(s.Dir(), halfBackup)); len(left) > 0 {
			t.Errorf("it left %v", left)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Nothing is saved for long, and the power goes: it was looked at before.
func TestRemovedWhileIdle(t *testing.T) {
	s, k, _ := away(t, Options{})
	s.Look()
	path := filepath.Join(s.Dir(), fileName)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil && s.trouble() == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is not put back")
		}
	}
	// As the disk has it now, without the agent ending.
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, Options{Key: make([]byte, KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	read(t, again, k)
}

// Another file comes to its name. Both are kept, nothing more is acknowledged, and the
// person is told.
func TestReplacedWhileOpen(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key
	path := filepath.Join(s.Dir(), fileName)
	if err := os.WriteFile(path+".other", []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".other", path); err != nil {
		t.Fatal(err)
	}
	_, err := s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "后来写的")})
	if !errors.Is(err, ErrReplaced) || !strings.Contains(Sentence(err, form.En), "replaced by another") {
		t.Errorf("it says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "another" {
		t.Errorf("the other file is %q, %v", raw, err)
	}
	aside, err := filepath.Glob(path + ".replaced-*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("%v, %v", aside, err)
	}
	if err := os.Rename(aside[0], path); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.Dir(), Options{Key: make([]byte, KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	read(t, again, k)
}

// away removes the data file of an open store with a visit in it.
func away(t *testing.T, opt Options) (s *Store, k record.Key, reopened func() *Store) {
	t.Helper()
	dir := t.TempDir()
	opt.Key = make([]byte, KeySize)
	s, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token, d.Server, d.Numbers = "device", "token", make([]byte, 32), []byte("numbers")
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: identity.TeamMember, Profiles: []string{"王书记"}}
	}); err != nil {
		t.Fatal(err)
	}
	k = save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key
	if err := os.Remove(filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	return s, k, func() *Store {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		again, err := Open(dir, Options{Key: opt.Key, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { again.Close() })
		return again
	}
}

// A copy cannot be made at once. Nothing is acknowledged, nothing is closed, and it is
// tried again: until it is there, and once more when the agent ends.
func TestPutBackLater(t *testing.T) {
	defer func(a, b time.Duration) { lockWait, putAgain = a, b }(lockWait, putAgain)
	lockWait = 20 * time.Millisecond
	for _, ends := range []bool{false, true} {
		putAgain = 20 * time.Millisecond
		if ends {
			putAgain = time.Hour
		}
		s, k, reopened := away(t, Options{NoSync: true})
		unlock, err := lockFolder(s.Dir())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "后来写的")})
		if !errors.Is(err, ErrAdrift) || !strings.Contains(Sentence(err, form.En), "Do not stop the agent") || strings.Contains(Sentence(err, form.En), "\n") {
			t.Errorf("it says %v", err)
		}
		unlock()
		if !ends {
			healed(t, s)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "放回以后写的")})
		}
		read(t, reopened(), k)
	}
}

// The disk fails while the file has no name: the one handle is not closed before a copy
// has it.
func TestRemovedAndDiskError(t *testing.T) {
	var bad atomic.Bool
	s, k, reopened := away(t, Options{Flush: func() error {
		if bad.Swap(false) {
			return errors.New("input/output error")
		}
		return nil
	}})
	bad.Store(true)
	if _, err := s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "后来写的")}); !errors.Is(err, ErrDisk) {
		t.Error(err)
	}
	healed(t, s)
	read(t, reopened(), k)
}

// Whoever starts another agent while the copy is being made waits for it.
func TestRemovedAndOpenedElsewhere(t *testing.T) {
	s, k, reopened := away(t, Options{NoSync: true})
	if err := s.update(ctx, false, func(x *tx) error { return x.Bucket(bucketMeta).Put([]byte("pad"), make([]byte, 64<<20)) }); err != nil {
		t.Fatal(err)
	}
	healed(t, s)
	if err := os.Remove(filepath.Join(s.Dir(), fileName)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			if made, _ := filepath.Glob(filepath.Join(s.Dir(), halfBackup)); len(made) > 0 {
				break
			}
		}
		other, err := Open(s.Dir(), Options{Key: make([]byte, KeySize), NoSync: true})
		if err == nil {
			err = other.Close()
		}
		done <- err
	}()
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "后来写的")})
	if err := <-done; err != nil && !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
	healed(t, s)
	read(t, reopened(), k)
}

// A store that is being made anew while a commit ends has not been replaced by others.
func TestMadeAnewWhileSaving(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	var arm atomic.Bool
	var s *Store
	s = noted(t, dir, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{Key: make([]byte, KeySize), Flush: func() error {
		if !arm.Swap(false) {
			return nil
		}
		is, _ := os.Stat(path)
		_ = s.breaks(ErrDamaged) // a reader has met a damaged page
		for now, err := os.Stat(path); err != nil || os.SameFile(is, now); now, err = os.Stat(path) {
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	arm.Store(true)
	_, _ = s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	healed(t, s)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "后来写的")})
	if aside, _ := filepath.Glob(path + ".replaced-*"); len(aside) > 0 {
		t.Errorf("it took its own for another's: %v", aside)
	}
}

// A folder that has another name takes its files with it.
func TestFolderRenamedWhileOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, nil)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := s.update(ctx, false, func(x *tx) error { return nil }); err != nil {
		t.Error(err)
	}
	for range 2 { // and closing twice is no error
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The file is removed while the store is being opened: whoever opens it is told, and
// the next time finds all of it.
func TestRemovedWhileOpening(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")}).Key
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(leases, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		os.Remove(n)
	}
	once := true
	opt := Options{Key: make([]byte, KeySize), Leases: leases, Fault: func() error {
		if once {
			once = false
			return os.Remove(filepath.Join(dir, fileName))
		}
		return nil
	}}
	if s, err := Open(dir, opt); !errors.Is(err, ErrAdrift) || once {
		t.Errorf("%v, %v, removed: %v", s, err, !once)
	}
	s, err = Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	read(t, s, k)
}
