package backup

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var files = map[string]string{"zhucun.db": strings.Repeat("数据", 200), "keys/identity.key": "secret"}

// small is a backup of the files.
func small(t testing.TB, names ...string) []byte {
	h := Header{Made: 1_500_000_000_000, Epoch: [8]byte{1}, Engine: "sqlite", Version: "0", Server: make([]byte, 32)}
	for _, n := range names {
		h.Files = append(h.Files, File{Name: n, Size: int64(len(files[n]))})
	}
	var b bytes.Buffer
	if err := Write(&b, h, func(name string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(files[name])), nil }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackInto(t *testing.T, b []byte) (string, Header, error) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h, err := Unpack(bytes.NewReader(b), int64(len(b)), root)
	return dir, h, err
}

// What was written comes out as it was, and nobody else may read it.
func TestUnpack(t *testing.T) {
	b := small(t, "zhucun.db", "keys/identity.key")
	h, err := Check(bytes.NewReader(b), int64(len(b)))
	if err != nil || h.Engine != "sqlite" || h.Made != 1_500_000_000_000 || len(h.Files) != 2 {
		t.Fatalf("%+v, %v", h, err)
	}
	dir, again, err := unpackInto(t, b)
	if err != nil || again.Epoch != h.Epoch {
		t.Fatalf("%+v, %v", again, err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v, %v", name, info.Mode(), err)
		}
	}
}

// refused tells an error that is the file's.
func refused(err error) bool {
	return errors.Is(err, ErrForeign) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrRelease) || errors.Is(err, ErrLaptop)
}

// Every byte flipped, every truncation and everything appended is refused, by the
// check and by unpacking alike.
func TestDamage(t *testing.T) {
	b := small(t, "zhucun.db", "keys/identity.key")
	both := func(what string, at int, b []byte) {
		t.Helper()
		if _, err := Check(bytes.NewReader(b), int64(len(b))); !refused(err) {
			t.Errorf("%s at %d: checked with %v", what, at, err)
		}
		if _, _, err := unpackInto(t, b); !refused(err) {
			t.Errorf("%s at %d: unpacked with %v", what, at, err)
		}
	}
	for i := range b {
		for _, bit := range []byte{1, 0x80} {
			c := bytes.Clone(b)
			c[i] ^= bit
			both("flipped", i, c)
		}
		both("cut", i, b[:i])
	}
	both("appended", len(b), append(bytes.Clone(b), 0))
}

func TestForeign(t *testing.T) {
	for text, want := range map[string]error{
		"":                                     ErrForeign,
		"SQLite format 3\x00 and what follows": ErrForeign,
		"zhucun backup 3\n" + strings.Repeat("x", 80): ErrRelease,
		"zhucun backup 2\n" + strings.Repeat("x", 80): ErrLaptop,
		"zhucun backup 1\n":                           ErrDamaged,
	} {
		if _, err := Check(strings.NewReader(text), int64(len(text))); !refused(err) || len(text) > 40 && !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", text, err, want)
		}
	}
	// Nor is one of a laptop written over by one of the server.
	for text, want := range map[string]bool{"zhucun backup 1\nx": true, "zhucun backup 3\nx": true, "zhucun backup 2\nx": false, "photo": false} {
		if Begins([]byte(text)) != want {
			t.Errorf("%q begins a backup of a server: %v", text, !want)
		}
	}
}

// A backup that somebody made up writes nowhere but into the folder.
func TestNames(t *testing.T) {
	for _, name := range []string{"../x", "/x", "a/../../x", `..\x`, `c:x`, "", ".", "keys/../../x"} {
		if _, _, err := unpackInto(t, small(t, name)); err == nil {
			t.Errorf("%q was unpacked", name)
		}
	}
}
