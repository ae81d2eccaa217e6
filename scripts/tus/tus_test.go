package tus

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"zhucun/server/access"
	files "zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/syncapi"
	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

const village = record.Village("369999000001")

// office serves files to one laptop, whose token it gives.
func office(t *testing.T) (url, token string, s *store.Store) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, dir := context.Background(), t.TempDir()
	kept, err := files.Open(filepath.Join(dir, "blobs"))
	ok(err)
	t.Cleanup(func() { kept.Close() })
	_, key, err := ed25519.GenerateKey(nil)
	ok(err)
	s, err = sqlite.Open(ctx, filepath.Join(dir, "zhucun.db"), store.Options{Key: key, Now: time.Now, Random: rand.Reader, Files: kept})
	ok(err)
	t.Cleanup(func() { s.Close() })
	a := access.New(s)
	ok(a.AddVillage(ctx, store.Village{Code: village, Name: "清源村"}))
	door := syncapi.New(s, a)
	mux := http.NewServeMux()
	mux.Handle("/", door)
	mux.Handle(wire.BlobPath, syncapi.NewBlobs(door))
	server := httptest.NewUnstartedServer(nil)
	server.Config = syncapi.Server(mux, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	code, err := a.NewCode(ctx, access.Laptop{Villages: []record.Village{village}, Role: identity.TeamMember, Name: "王队员", TTL: time.Hour, URL: "http://x"})
	ok(err)
	public, _, err := ed25519.GenerateKey(nil)
	ok(err)
	m, err := wire.Encode(&wire.Enrol{Version: wire.Version, Code: code.ID, Secret: code.Secret, Key: public, Agent: "test"}, wire.Quick)
	ok(err)
	resp, err := http.Post(server.URL+wire.EnrolPath, "", bytes.NewReader(m))
	ok(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ok(err)
	var who wire.Enrolled
	ok(wire.Unmarshal(body, 1<<20, &who))
	return server.URL, who.Token, s
}

// The stock client of the protocol's authors uploads a file to us: stopped in the
// middle, taken up again where it was; another is given up.
func TestStockClient(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing; scripts/test installs it", program)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "upload.mjs"} {
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(program string, args ...string) []byte {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = dir
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s%s", program, args, err, out, said.Bytes())
		}
		return out
	}
	run("npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")

	content := bytes.Repeat([]byte("一张照片的内容"), 40_000)
	file := filepath.Join(dir, "IMG_0001.JPG")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	url, token, s := office(t)
	var got struct {
		Stopped int
		Same    bool
		Name    string
		Given   string
	}
	out := run("node", "upload.mjs", url+wire.BlobPath+string(village), token, file)
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h := blob.Hash(sha256.Sum256(content))
	if got.Stopped == 0 || got.Stopped >= len(content) || !got.Same || got.Name != blob.Name(h, "jpg") {
		t.Errorf("%s", out)
	}
	b, err := s.Blob(t.Context(), village, h)
	if err != nil || b.Size != int64(len(content)) {
		t.Errorf("%+v, %v", b, err)
	}
	if n, err := s.VerifyBlobs(t.Context(), func(f store.Fault) { t.Error(f) }); n != 1 || err != nil {
		t.Errorf("%d files, %v", n, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, got.Given, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Tus-Resumable", "1.0.0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("what was given up is still there: %d", resp.StatusCode)
	}
}
