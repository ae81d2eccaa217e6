package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"zhucun/shared/blob"
	"zhucun/shared/wire"
)

// backedUp gives a backup of a small store, and what it is of.
func backedUp(t testing.TB) (raw []byte, s *Store) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID = "device"
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: code}}, Profiles: []string{"王书记"}}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddBlob(ctx, code, BlobNote{Kind: "jpg"}, []byte("一张照片"), []byte("小的")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup")
	n, err := s.Backup(file, []byte(`{"id":"vault"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(file); err != nil || int64(len(raw)) != n {
		t.Fatalf("%d bytes, %d said: %v", len(raw), n, err)
	}
	return raw, s
}

// A backup says whose it is, and gives the store that it was made of; one of which a
// bit is another, that is cut off or goes on is refused, wherever that is, and before
// anything is touched.
func TestBackupIsWholeOrNothing(t *testing.T) {
	raw, s := backedUp(t)
	dir := t.TempDir()
	opt := Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }}
	head, aside, err := Restore(dir, opt, bytes.NewReader(raw), func(h Head) error {
		if string(h.Vault) != `{"id":"vault"}` || h.Made != t0 {
			t.Errorf("%+v", h)
		}
		return nil
	})
	if err != nil || aside != "" || head.Made != t0 {
		t.Fatal(head, aside, err)
	}
	r := open(t, dir, nil)
	want, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	if d, err := r.Device(); err != nil || d.ID != want.ID || !bytes.Equal(d.Key, want.Key) {
		t.Errorf("%+v, %v", d, err)
	}
	photo := blob.Hash(sha256.Sum256([]byte("一张照片")))
	if b, err := readBlob(r, photo, 0); err != nil || string(b) != "一张照片" {
		t.Errorf("the photo is %q, %v", b, err)
	}
	if b, err := r.SmallBlob(photo); err != nil || string(b) != "小的" {
		t.Errorf("the small one is %q, %v", b, err)
	}
	// Somebody has it open.
	if _, _, err := Restore(dir, opt, bytes.NewReader(raw), func(Head) error { return nil }); !errors.Is(err, ErrInUse) {
		t.Errorf("beside an agent: %v", err)
	}
	bad := bytes.Clone(raw)
	for i := range raw {
		bad[i] ^= 1 << rand.IntN(8)
		if _, err := ReadBackup(bytes.NewReader(bad), io.Discard, nil); !errors.Is(err, ErrBackup) {
			t.Fatalf("byte %d: %v", i, err)
		}
		bad[i] = raw[i]
	}
	for i := 0; i < len(raw); i += 1 + rand.IntN(64) {
		if _, err := ReadBackup(bytes.NewReader(raw[:i]), io.Discard, nil); !errors.Is(err, ErrBackup) {
			t.Fatalf("cut off behind byte %d: %v", i, err)
		}
	}
	if _, err := ReadBackup(bytes.NewReader(append(bad, 0)), io.Discard, nil); !errors.Is(err, ErrBackup) {
		t.Errorf("with a byte behind it: %v", err)
	}
	file := filepath.Join(dir, fileName)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(dir, opt, bytes.NewReader(raw[:len(raw)-1]), func(Head) error {
		t.Error("something is done before it is known to be whole")
		return nil
	}); !errors.Is(err, ErrBackup) {
		t.Error(err)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, before) {
		t.Errorf("the store was touched: %v", err)
	}
	names, err := filepath.Glob(file + ".re*")
	if err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// A backup is of one moment, while others save, and what is saved is not held up.
func TestBackupBesideSaves(t *testing.T) {
	s := enrolled(t, "team_member")
	var stop atomic.Bool
	var saved atomic.Int64
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil && !stop.Load() {
			err = fill(s, 20)
			saved.Add(20)
		}
		done <- err
	}()
	for range 5 {
		was := saved.Load()
		file := filepath.Join(t.TempDir(), "backup")
		if _, err := s.Backup(file, nil, nil); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if _, _, err := Restore(dir, Options{Key: make([]byte, KeySize)}, f, func(Head) error { return nil }); err != nil {
			t.Fatal(err)
		}
		f.Close()
		r := open(t, dir, nil)
		if rep, err := r.Verify(false); err != nil || len(rep.Faults) > 0 || int64(rep.Entries) < was {
			t.Fatalf("%d entries of %d and more, %v, %v", rep.Entries, was, rep.Faults, err)
		}
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What a backup that was killed left in the data folder goes when the store is opened
// next, and not before: he who has it open may be writing it.
func TestKilledBackupLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := noted(t, dir, "")
	image, err := s.image(t.TempDir(), halfBackup)
	if err != nil {
		t.Fatal(err)
	}
	image.Close()
	if _, err := Open(dir, Options{Key: make([]byte, KeySize)}); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	if _, err := os.Stat(image.Name()); err != nil {
		t.Errorf("beside an agent: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	noted(t, dir, "")
	if left, err := filepath.Glob(filepath.Join(dir, ".zhucun-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What is no backup is refused, whatever it is, and takes no more memory than its
// head may.
func FuzzReadBackup(f *testing.F) {
	raw, _ := backedUp(f)
	f.Add(raw)
	f.Add(raw[:40])
	f.Add([]byte(backupMagic + "ÿÿÿÿ"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var db bytes.Buffer
		head, err := ReadBackup(bytes.NewReader(raw), &db, nil)
		if err == nil && (head.Made == 0 || db.Len() > len(raw)) {
			t.Errorf("%+v, %d bytes", head, db.Len())
		}
	})
}

// Whatever the file holds, to read what is left of it comes to an end, and gives
// nothing that was not sealed under the key.
func FuzzDig(f *testing.F) {
	_, s := backedUp(f)
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, fileName))
	if err != nil {
		f.Fatal(err)
	}
	for range 20 {
		bad := bytes.Clone(raw)
		for range 8 {
			bad[rand.IntN(len(bad))] = byte(rand.IntN(256))
		}
		f.Add(bad)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		found, err := dig(file, s.seal, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		found.decide(nil)
		if found.device != nil && found.device.ID != "device" {
			t.Errorf("%+v", found.device)
		}
	})
}
