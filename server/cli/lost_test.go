package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/storetest"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// open does something with the data folder that the commands are run on.
func (s *shell) open(do func(*server) error) {
	s.Helper()
	c := &call{data: s.data, out: &bytes.Buffer{}, err: &bytes.Buffer{}, now: time.Now, log: slog.New(slog.DiscardHandler)}
	if err := c.with(s.Context(), do); err != nil {
		s.Fatal(err)
	}
}

// bring is a laptop that brings a file of the village.
func (s *server) bring(ctx context.Context, content []byte) (blob.Hash, error) {
	h := blob.Hash(sha256.Sum256(content))
	if err := s.store.Files.Put(h, bytes.NewReader(content)); err != nil {
		return h, err
	}
	_, err := s.store.TakeBlob(ctx, store.Blob{Village: "369999000001", Hash: h, Kind: "jpg", Size: int64(len(content)), Device: "d"})
	return h, err
}

// show writes a record that shows a file.
func (s *server) show(ctx context.Context, n int, h blob.Hash) error {
	return s.store.Desk(ctx, "369999000001", func(d *store.Desk) error {
		c := storetest.New("visit", storetest.ID(n), map[record.Path]record.Value{record.Path("photos").Element(blob.Name(h, "jpg")): record.Bool(true)})
		c.Author = "admin"
		_, err := d.Write(c)
		return err
	})
}

// backed tells whether a laptop that asks about a file lets it go: it is here, and came
// before the last backup.
func (s *shell) backed(h blob.Hash) (held, backed bool) {
	s.open(func(o *server) error {
		b, err := o.store.Blob(s.Context(), "369999000001", h)
		if err != nil {
			return err
		}
		size, err := o.store.Files.Size(h)
		held = err == nil && size == b.Size
		at, err := o.store.FilesBacked(s.Context())
		backed = !at.IsZero() && b.Receipt.Received.Milli() <= at.UnixMilli()
		return err
	})
	return held, backed
}

// What a backup finds damaged or missing is named, set aside and not in it; the rest is.
func TestBackupLost(t *testing.T) {
	dir := t.TempDir()
	s := &shell{T: t, data: filepath.Join(dir, "data"), lang: form.En}
	s.must("init")
	s.must("village", "add", "369999000001", "清源村")
	var hashes []blob.Hash
	contents := [][]byte{[]byte("a damaged photo"), []byte("a missing photo"), []byte("a sound photo")}
	s.open(func(o *server) error {
		for i, content := range contents {
			if err := o.show(t.Context(), i+1, sha256.Sum256(content)); err != nil {
				return err
			}
			h, err := o.bring(t.Context(), content)
			if err != nil {
				return err
			}
			hashes = append(hashes, h)
		}
		return nil
	})
	at := func(h blob.Hash) string { return filepath.Join(s.data, blobsFolder, h.String()[:2], h.String()) }
	bad := []byte("a d@m@ged photo")
	if err := os.WriteFile(at(hashes[0]), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(at(hashes[1])); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.zsb")
	// As if two minutes later: what came in the last one counts with the next backup.
	later := func(args ...string) (string, string, int) {
		var o, e bytes.Buffer
		c := &call{out: &o, err: &e, lang: form.En, now: func() time.Time { return time.Now().Add(2 * time.Minute) }, log: slog.New(slog.DiscardHandler)}
		status := c.run(t.Context(), append([]string{"--data", s.data}, args...))
		return o.String(), e.String(), status
	}
	out, errs, status := later("backup", file)
	if status != 1 || !strings.Contains(errs, "do not count") || strings.Count(out, "\n") != 2 {
		t.Errorf("%d, %q, %q", status, out, errs)
	}
	for i, says := range []string{"is damaged", "is missing"} {
		if line := blob.Name(hashes[i], "jpg") + " " + says + ", village 369999000001, visit " + storetest.ID(i+1).String(); !strings.Contains(out, line) {
			t.Errorf("%q does not say %q", out, line)
		}
	}
	for i, want := range [][2]bool{{false, false}, {false, false}, {true, true}} {
		if held, backed := s.backed(hashes[i]); held != want[0] || backed != want[1] {
			t.Errorf("file %d: held %v, backed %v", i, held, backed)
		}
	}
	if got, err := os.ReadFile(filepath.Join(s.data, blobsFolder, "damaged", hashes[0].String())); err != nil || !bytes.Equal(got, bad) {
		t.Errorf("what is left of it: %q, %v", got, err)
	}

	// Restored, the sound one is there and the damaged takes nobody's place.
	other := &shell{T: t, data: filepath.Join(dir, "other"), lang: form.En}
	if out := other.must("restore", file); !strings.Contains(out, "1 files of the backup were damaged") {
		t.Errorf("restore says %q", out)
	}
	for i, want := range []bool{false, false, true} {
		if held, _ := other.backed(hashes[i]); held != want {
			t.Errorf("restored file %d: held %v", i, held)
		}
	}

	// The laptop brings it again: it is in no backup until the next.
	s.open(func(o *server) error {
		for _, content := range contents[:2] {
			if _, err := o.bring(t.Context(), content); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range 2 {
		if held, backed := s.backed(hashes[i]); !held || backed {
			t.Errorf("brought again, file %d: held %v, backed %v", i, held, backed)
		}
	}
	var j backupJSON
	if err := json.Unmarshal([]byte(s.must("backup", file, "--json")), &j); err != nil || len(j.Lost) != 0 {
		t.Errorf("%+v, %v", j, err)
	}
}

// What verify finds damaged is asked for again as well, and is no fault of the data's.
func TestVerifyLost(t *testing.T) {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data"), lang: form.En}
	s.must("init")
	s.must("village", "add", "369999000001", "清源村")
	var h blob.Hash
	content := []byte("a photo")
	s.open(func(o *server) (err error) {
		if err := o.show(t.Context(), 1, sha256.Sum256(content)); err != nil {
			return err
		}
		h, err = o.bring(t.Context(), content)
		return err
	})
	if err := os.WriteFile(filepath.Join(s.data, blobsFolder, h.String()[:2], h.String()), []byte("a ph0t0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := s.run("verify"); status != 1 || !strings.Contains(out, "is damaged") || !strings.Contains(errs, "add them again") {
		t.Errorf("%d, %q, %q", status, out, errs)
	}
	if held, _ := s.backed(h); held {
		t.Error("it counts as here")
	}
	s.lang = form.Zh
	if out, _, _ := s.run("verify"); !strings.Contains(out, "缺失\n") || strings.Contains(out, "missing") {
		t.Errorf("in Chinese: %s", out)
	}
	s.lang = form.En
	s.open(func(o *server) error { _, err := o.bring(t.Context(), content); return err })
	s.must("verify")

	before := time.Now().Add(-2 * time.Minute)
	if err := os.Chtimes(filepath.Join(s.data, blobsFolder, h.String()[:2], h.String()), before, before); err != nil {
		t.Fatal(err)
	}
	// Erased, it goes at once, with what was set aside of it.
	s.must("erase", "visit", storetest.ID(1).String(), "--reason", "依法")
	left, err := filepath.Glob(filepath.Join(s.data, blobsFolder, "*", h.String()+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// A file that two records show stays until both are erased; one that came since its
// village last noted it stays for its hour.
func TestEraseFiles(t *testing.T) {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data"), lang: form.En}
	s.must("init")
	s.must("village", "add", "369999000001", "清源村")
	var shared, fresh blob.Hash
	s.open(func(o *server) (err error) {
		for n, content := range map[int]string{1: "shared", 2: "shared", 3: "fresh"} {
			if err := o.show(t.Context(), n, sha256.Sum256([]byte(content))); err != nil {
				return err
			}
		}
		if shared, err = o.bring(t.Context(), []byte("shared")); err != nil {
			return err
		}
		fresh, err = o.bring(t.Context(), []byte("fresh"))
		return err
	})
	at := func(h blob.Hash) string { return filepath.Join(s.data, blobsFolder, h.String()[:2], h.String()) }
	soon := time.Now().Add(10 * time.Second)
	if err := os.Chtimes(at(fresh), soon, soon); err != nil {
		t.Fatal(err)
	}
	s.must("erase", "visit", storetest.ID(3).String(), "--reason", "依法")
	if _, err := os.Stat(at(fresh)); err != nil {
		t.Errorf("the fresh one: %v", err)
	}
	for n, left := range []bool{true, false} {
		s.must("erase", "visit", storetest.ID(n+1).String(), "--reason", "依法")
		if _, err := os.Stat(at(shared)); (err == nil) != left {
			t.Errorf("after %d were erased: %v", n+1, err)
		}
	}
}

// What comes of a record after it was erased by law is not taken: the photo again, and its
// original for the first time. One that another record shows too is, for that one.
func TestErasedFilesStayGone(t *testing.T) {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data"), lang: form.En}
	s.must("init")
	s.must("village", "add", "369999000001", "清源村")
	var gone, shown blob.Hash
	s.open(func(o *server) (err error) {
		if gone, err = o.bring(t.Context(), []byte("gone")); err == nil {
			err = o.show(t.Context(), 1, gone)
		}
		if err == nil {
			shown, err = o.bring(t.Context(), []byte("shown"))
		}
		for n := range 2 {
			if err == nil {
				err = o.show(t.Context(), n+2, shown)
			}
		}
		return err
	})
	for _, n := range []int{1, 2} {
		s.must("erase", "visit", storetest.ID(n).String(), "--reason", "依法")
	}
	s.open(func(o *server) error {
		if _, err := o.bring(t.Context(), []byte("gone")); !errors.Is(err, store.ErrErasedFile) {
			t.Errorf("the photo again: %v", err)
		}
		original := func(content string, of ...blob.Hash) error {
			h := blob.Hash(sha256.Sum256([]byte(content)))
			_, err := o.store.TakeBlob(t.Context(), store.Blob{Village: "369999000001", Hash: h, Kind: "jpg", Size: int64(len(content)), Device: "d", Of: of})
			return err
		}
		if err := original("its original", gone); !errors.Is(err, store.ErrErasedFile) {
			t.Errorf("its original: %v", err)
		}
		if err := original("that of both", gone, shown); err != nil {
			t.Errorf("the original of both: %v", err)
		}
		if of, err := o.store.Originals(t.Context(), "369999000001", gone); err != nil || len(of) != 0 {
			t.Errorf("the erased photo has the originals %v, %v", of, err)
		}
		return nil
	})
}
