package cli

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"zhucun/agent/picture"
	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// savedVisit saves a visit on a closed store, and gives its id.
func savedVisit(t *testing.T, dir string) string {
	t.Helper()
	code, out, said := cmd(t, "", "put", "visit", "findings=walked", "--data", dir)
	id := strings.Split(out, `"`)
	if code != 0 || len(id) != 5 {
		t.Fatalf("exit status %d, printed %q, said %q", code, out, said)
	}
	return id[3]
}

// Each row is an attach that cannot be: it says why in one line, and nothing is kept
// that would be delivered.
func TestAttachFails(t *testing.T) {
	dir := laptopAt(t)
	id := savedVisit(t, dir)
	file, empty := filepath.Join(dir, "a.txt"), filepath.Join(dir, "empty.txt")
	for name, text := range map[string]string{file: secret, empty: ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const none = "0192d3a4-0000-7000-8000-000000000001"
	for _, tt := range []struct {
		line string
		want int
		said string
	}{
		{"attach", exitUsage, "Usage: zhucun-agent attach RECORD FILE…"},
		{"attach " + id, exitUsage, "Usage: zhucun-agent attach RECORD FILE…"},
		{"attach nonsense " + file, exitUsage, `"nonsense" is not a record id`},
		{"attach " + none + " " + file, exitFailed, "There is no record " + none + "; check its id, or sync first\n"},
		{"attach " + id + " " + file + " --field findings", exitFailed, "Name one of these with --field: photos"},
		{"attach " + id + " " + file + " --author 张三", exitFailed, "张三 is not registered on this laptop"},
		{"attach " + id + " " + file + " " + empty, exitFailed, "The file is empty"},
		{"attach " + id + " " + file + " " + dir, exitFailed, "is not a regular file"},
		{"attach " + id + " " + file + " " + file + "x", exitFailed, "There is no such file"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			code, _, said := cmd(t, "", append(strings.Fields(tt.line), "--data", dir)...)
			if code != tt.want || !strings.Contains(said, tt.said) || strings.Count(said, "\n") != 1 {
				t.Errorf("exit status %d, said %q; want %d, %q", code, said, tt.want, tt.said)
			}
			if _, out, _ := cmd(t, "", "blob", "list", "--data", dir); out != "There are no files.\n" {
				t.Errorf("kept is %q", out)
			}
		})
	}
}

// On a wipe the files go as well, unless a store that was set aside may need them:
// their names tell what was in them.
func TestWipeTakesFiles(t *testing.T) {
	for _, aside := range []string{"", storeFile + ".damaged-20261126-1", storeFile + ".replaced-20261126-1"} {
		t.Run(aside, func(t *testing.T) { wipesFiles(t, aside) })
	}
}

func wipesFiles(t *testing.T, aside string) {
	dir := filepath.Join(t.TempDir(), "[a]*") // no pattern, though it looks like one
	if runtime.GOOS == "windows" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if aside != "" {
		if err := os.WriteFile(filepath.Join(dir, aside), []byte("sealed"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := keyOf(t, dir)
	s, err := store.Open(dir, store.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.ID, d.Token = "device", "token" }); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "ab"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blobs", "ab", "abcd"), []byte("sealed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if wiped, err := s.Wipe(t.Context()); err != nil || !wiped {
		t.Fatal(wiped, err)
	}
	if err := (&call{data: dir, log: slog.New(slog.DiscardHandler)}).dispose(s); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{storeFile: false, "blobs": aside != "", aside: true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is left: %v, want %v", name, err == nil, want)
		}
	}
}

// blob fetch has the agent that runs fetch at once.
func TestFetchNudges(t *testing.T) {
	asked := make(chan time.Time, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		raw, err := wire.Encode(&wire.Fault{Code: wire.FaultRevoked}, wire.Quick)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusForbidden) // and the next try is 5 s off at least
		w.Write(raw)
		asked <- time.Now()
	}))
	t.Cleanup(srv.Close)
	a := laptop(t)
	name := blob.Name(blob.Hash(sha256.Sum256([]byte(secret))), "jpg")
	if _, err := a.store.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"photos": record.Set([]string{name})}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) { d.URL = srv.URL }); err != nil {
		t.Fatal(err)
	}
	go a.sync.Run(t.Context())
	<-asked
	time.Sleep(300 * time.Millisecond)
	c := &call{in: strings.NewReader(""), out: io.Discard, err: io.Discard, lang: form.En, args: []string{"blob", "fetch", name}, live: a, data: a.dir, log: slog.New(slog.DiscardHandler)}
	if code := c.run(t.Context()); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	select {
	case <-asked:
	case <-time.After(afterFetch):
		t.Error("the server is not asked")
	}
}

// afterFetch is less than what a save waits for others.
const afterFetch = 1500 * time.Millisecond

// That a picture is too large is told by the process that looked at it.
func TestShrinkerSaysHuge(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	copy(raw[bytes.Index(raw, []byte{0xff, 0xc0})+5:], []byte{0x7f, 0xff, 0x7f, 0xff})
	for name, tt := range map[string]struct {
		raw  []byte
		huge bool
	}{"huge": {raw, true}, "no picture": {[]byte(secret), false}} {
		if _, err := shrinker(t.Context(), tt.raw, picture.Options{}); !errors.Is(err, picture.ErrForeign) || errors.Is(err, picture.ErrHuge) != tt.huge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Colleagues' files are listed as well, of which nothing has come but their names.
func TestListedElsewhere(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) {
		d.ID, d.Token, d.Numbers = "device", "token", make([]byte, 32)
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: "369999000001", Name: "李寨村"}}, Role: identity.Office, Profiles: []string{"王"}}
	}); err != nil {
		t.Fatal(err)
	}
	known, other := blob.Hash{1}, blob.Hash{2}
	for range 2 {
		photos := record.Set([]string{blob.Name(known, "jpg"), blob.Name(other, "jpg")})
		if _, err := s.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"photos": photos}}); err != nil {
			t.Fatal(err)
		}
	}
	a := &agent{store: s, forms: form.Builtin()}
	list, err := a.elsewhere(map[blob.Hash]bool{known: true})
	if err != nil || len(list) != 1 || list[0].Hash != other || list[0].FileName() != blob.Name(other, "jpg") {
		t.Errorf("%+v, %v", list, err)
	}
}
