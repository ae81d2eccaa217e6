package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A commit that takes ever more memory ends the process, and the file is looked at
// before it is opened again.
func TestStuck(t *testing.T) {
	dir := t.TempDir()
	stuck := make(chan struct{})
	s, err := Open(dir, Options{Key: make([]byte, KeySize), NoSync: true, Stuck: func() { close(stuck) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file := filepath.Join(dir, fileName)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	var grown [][]byte
	err = s.update(ctx, false, func(*tx) error {
		for range maxGrown>>20 + 8 {
			grown = append(grown, make([]byte, 1<<20))
		}
		select {
		case <-stuck:
		case <-time.After(20 * time.Second):
			t.Error("nobody notices")
		}
		return errLooked
	})
	if err != errLooked || len(grown) == 0 {
		t.Error(err)
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().After(old.Add(time.Minute)) {
		t.Errorf("the file would pass as untouched: %v, %v", info.ModTime(), err)
	}
	// One that is only slow goes on.
	if err := s.update(ctx, false, func(*tx) error { time.Sleep(3 * watched); return nil }); err != nil {
		t.Error(err)
	}
}

// One whose first pages are destroyed under it does not wait for locks that nobody
// holds.
func TestJammed(t *testing.T) {
	dir := t.TempDir()
	stuck := make(chan struct{}, 9)
	s, err := Open(dir, Options{Key: make([]byte, KeySize), NoSync: true, Stuck: func() { stuck <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 2*os.Getpagesize()), 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	go s.Status() // the process ends here; what it would do behind that is nobody's
	select {
	case <-stuck:
	case <-time.After(20 * time.Second):
		t.Error("it waits for ever")
	}
}
