package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"zhucun/shared/blob"
)

func open(t *testing.T) (*Files, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blobs")
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, dir
}

// A file that comes in pieces, cut and taken up again, has its name once it is whole.
func TestPieces(t *testing.T) {
	f, _ := open(t)
	content := bytes.Repeat([]byte("照片"), 5000)
	h := blob.Hash(sha256.Sum256(content))
	size := int64(len(content))
	cut := errors.New("cut")
	n, err := f.Append("1", 0, size, io.MultiReader(bytes.NewReader(content[:7000]), iotest.ErrReader(cut)), nil)
	if n != 7000 || !errors.Is(err, cut) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if _, err := f.Append("1", 6000, size, bytes.NewReader(content[6000:]), nil); !errors.Is(err, ErrOffset) {
		t.Errorf("at another place: %v", err)
	}
	if _, err := f.Open(h); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of it has the name: %v", err)
	}
	bad := errors.New("not as it was sent")
	if n, err := f.Append("1", 7000, size, bytes.NewReader(content[7000:9000]), func() error { return bad }); n != 0 || !errors.Is(err, bad) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if at, err := f.Arrived("1"); at != 7000 || err != nil {
		t.Errorf("%d have come, %v", at, err)
	}
	// More than it was to be is not taken.
	if n, err := f.Append("1", 7000, size, bytes.NewReader(append(content[7000:], "more"...)), nil); n != size-7000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	other := blob.Hash{1}
	if _, err := f.Finish("1", &other); !errors.Is(err, ErrContent) {
		t.Errorf("under another name: %v", err)
	}
	if got, err := f.Finish("1", &h); got != h || err != nil {
		t.Fatal(got, err)
	}
	file, err := f.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// Verify finds what is not what its name says.
func TestVerify(t *testing.T) {
	f, dir := open(t)
	content := []byte("一张照片")
	h := blob.Hash(sha256.Sum256(content))
	if err := f.Put(h, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(h, bytes.NewReader(content)); err != nil {
		t.Fatal("once more:", err)
	}
	if err := f.Put(blob.Hash{1}, bytes.NewReader(content)); !errors.Is(err, ErrContent) {
		t.Errorf("under another name: %v", err)
	}
	faults := func() (list []blob.Hash) {
		n, err := f.Verify(context.Background(), func(h blob.Hash) { list = append(list, h) })
		if n != 1 || err != nil {
			t.Fatalf("%d files, %v", n, err)
		}
		return list
	}
	if list := faults(); len(list) != 0 {
		t.Errorf("sound, and %v", list)
	}
	if err := os.WriteFile(filepath.Join(dir, h.String()[:2], h.String()), []byte("一张照x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list := faults(); len(list) != 1 || list[0] != h {
		t.Errorf("changed, and %v", list)
	}
}

// Only what is not what its name says is put aside, and none of it is written over.
func TestAside(t *testing.T) {
	f, dir := open(t)
	content := []byte("一张照片")
	h := blob.Hash(sha256.Sum256(content))
	if err := f.Put(h, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, h.String()[:2], h.String())
	if name, err := f.Aside(h); name != "" || err != nil {
		t.Errorf("a sound one: %q, %v", name, err)
	}
	for _, harm := range []string{"一张照x", "一张照y"} {
		if err := os.WriteFile(at, []byte(harm), 0o600); err != nil {
			t.Fatal(err)
		}
		name, err := f.Aside(h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != harm || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// What cannot be read may be sound tomorrow.
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if name, err := f.Aside(h); name != "" || err == nil {
		t.Errorf("one that cannot be read: %q, %v", name, err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Error(err)
	}
}

// What comes from outside becomes no path.
func TestNames(t *testing.T) {
	f, dir := open(t)
	for _, id := range []string{"../../x", "/etc/x", "..", ""} {
		f.Append(id, 0, 4, bytes.NewReader([]byte("x")), nil)
	}
	for _, p := range []string{"x", "../x", "../../x"} {
		if _, err := os.Stat(filepath.Join(dir, p)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", p, err)
		}
	}
}

// What was given up long ago goes; what is under way stays.
func TestSweep(t *testing.T) {
	f, dir := open(t)
	for _, id := range []string{"old", "new"} {
		if _, err := f.Append(id, 0, 9, bytes.NewReader([]byte("x")), nil); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, coming, "old"), long, long); err != nil {
		t.Fatal(err)
	}
	if err := f.Sweep(time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int64{"old": 0, "new": 1} {
		if n, err := f.Arrived(id); n != want || err != nil {
			t.Errorf("%s: %d, %v", id, n, err)
		}
	}
}
