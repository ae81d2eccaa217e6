package syncclient

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/bundle"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// addFile adds a file of so many bytes that are like no others.
func addFile(t *testing.T, s *store.Store, size int, small bool, of ...blob.Hash) store.Blob {
	t.Helper()
	content := make([]byte, size)
	rand.Read(content)
	var picture []byte
	if small {
		picture = []byte("\xff\xd8\xff\xe0" + rand.Text())
	}
	b, err := s.AddBlob(t.Context(), village, store.BlobNote{Kind: "jpg", Of: of}, content, picture)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inFile opens what the laptop wrote as the server does, and gives which files are in it,
// in their order, and which it asks for.
func inFile(t *testing.T, s *store.Store, path string) (b *bundle.Opened, has, asks []bundle.File) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	b, err = bundle.OpenFile(f, identity.BundleOf, serverKey, func(*bundle.Bundle) (ed25519.PublicKey, error) {
		return d.Private().Public().(ed25519.PublicKey), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range b.Files {
		if f.Mode == bundle.Asked {
			asks = append(asks, f)
		} else {
			has = append(has, f)
		}
	}
	n := 0
	if err := b.EachFile(func(f bundle.File, r io.Reader) error {
		n++
		_, err := io.Copy(io.Discard, r)
		return err
	}); err != nil || n != len(has) {
		t.Fatalf("%d of %d files, %v", n, len(has), err)
	}
	return b, has, asks
}

// What waits goes behind the records: small pictures, photos, originals, as far as they
// fit; of the others it is asked whether the server has them.
func TestExportFiles(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	visit(t, s)
	photo := addFile(t, s, 300<<10, true)
	original := addFile(t, s, 2<<20, false, photo.Hash)
	large := addFile(t, s, 21<<20, false)
	another := addFile(t, s, 100<<10, true)
	done := addFile(t, s, 1000, true)
	if err := s.Mark(t.Context(), village, done.Hash, func(b *store.Blob) { b.Delivered, b.SmallSent = true, true }); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	made, err := c.Export(t.Context(), filepath.Join(dir, "a.zcb"), Carry{}, nil)
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	e := made[0]
	if e.Files != 3 || e.FilesLeft != 1 || e.FilesLeftBytes != 21<<20 || e.Changes != 1 || e.Bytes > Mailed {
		t.Errorf("%+v", e)
	}
	b, has, asks := inFile(t, s, e.File)
	var order []string
	for _, f := range has {
		of := ""
		if len(f.Of) > 0 {
			of = " of a photo"
		}
		order = append(order, fmt.Sprint(f.Mode, of))
	}
	if got := strings.Join(order, ", "); got != "1, 1, 0, 0, 0 of a photo" {
		t.Errorf("in this order: %s", got)
	}
	if len(asks) != 1 || asks[0].Hash != large.Hash || len(b.Parts) != 1 {
		t.Errorf("asks for %+v, %d messages", asks, len(b.Parts))
	}
	bs, err := s.Bundles()
	if err != nil || bs[0].Files != 3 || bs[0].Fate.FilesWaiting != 3 {
		t.Errorf("%+v, %v", bs, err)
	}
	if st, err := s.Status(); err != nil || st.Blobs != 3 || st.Originals.Files != 1 || st.Pending != 1 {
		t.Errorf("something counts as delivered: %+v, %v", st, err)
	}

	// None of them: as every server takes it, and it asks for all.
	made, err = c.Export(t.Context(), filepath.Join(dir, "b.zcb"), Carry{Files: FilesNone}, nil)
	if err != nil || len(made) != 1 || made[0].Files != 0 || made[0].FilesLeft != 4 {
		t.Fatalf("%+v, %v", made, err)
	}
	raw, err := os.ReadFile(made[0].File)
	if err != nil || raw[3] != 1 {
		t.Errorf("of version %d, %v", raw[3], err)
	}
	if _, has, asks := inFile(t, s, made[0].File); len(has) != 0 || len(asks) != 4 {
		t.Errorf("has %+v, asks for %+v", has, asks)
	}

	// All of them, in files of a size: each once, each file with where the laptop stands,
	// and each asks for what is in the others.
	made, err = c.Export(t.Context(), filepath.Join(dir, "c.zcb"), Carry{Files: FilesAll, Size: 22 << 20}, nil)
	if err != nil || len(made) != 2 {
		t.Fatalf("%+v, %v", made, err)
	}
	seen := map[blob.Hash]int{}
	for i, e := range made {
		b, has, asks := inFile(t, s, e.File)
		for _, f := range has {
			if f.Mode == bundle.Whole {
				seen[f.Hash]++
			}
		}
		if len(b.Parts) != 1 || e.Files+len(asks) != 4 || e.Bytes > 22<<20 || e.Serial != b.Serial || e.Changes != uint64(1-i) {
			t.Errorf("file %d: %+v, %d messages, asks for %d", i+1, e, len(b.Parts), len(asks))
		}
		m, _, err := wire.UnmarshalSync(b.Parts[0].Message, b.Parts[0].Size, nil)
		if err != nil || len(m.Villages) != 1 || len(m.Villages[0].Streams) != 1 || len(m.Villages[0].Segments) != 1-i {
			t.Errorf("file %d says %+v, %v", i+1, m, err)
		}
	}
	for _, b := range []store.Blob{photo, original, large, another} {
		if seen[b.Hash] != 1 {
			t.Errorf("a file is in %d bundles", seen[b.Hash])
		}
	}
	if last := made[1]; last.FilesLeft != 0 {
		t.Errorf("%+v", last)
	}
	// One that is larger than what was asked for stays, and keeps none of the others.
	made, err = c.Export(t.Context(), filepath.Join(dir, "d.zcb"), Carry{Files: FilesAll, Size: 5 << 20}, nil)
	if err != nil || len(made) != 1 || made[0].Files != 3 || made[0].FilesLeft != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	// What it says that one wants is enough, and a MB less is not.
	wants := made[0].FilesSize
	for less, left := range []int{0, 1} {
		made, err := c.Export(t.Context(), filepath.Join(dir, fmt.Sprint("d", less, ".zcb")), Carry{Files: FilesAll, Size: wants - int64(less)<<20}, nil)
		if err != nil || made[len(made)-1].FilesLeft != left {
			t.Errorf("of %d bytes: %+v, %v", wants, made, err)
		}
	}
	for _, size := range []int64{-1, 100, MinSize - 1, bundle.MaxSize + 1} {
		if made, err := c.Export(t.Context(), filepath.Join(dir, "e.zcb"), Carry{Size: size}, nil); err == nil {
			t.Errorf("of %d bytes: %+v", size, made)
		}
	}
}

// A file that cannot be read is left out and named as damaged; everything else goes, and
// it is not said to be in the bundle.
func TestExportUnread(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	visit(t, s)
	good, bad, gone := addFile(t, s, 200<<10, true), addFile(t, s, 200<<10, true), addFile(t, s, 1000, true)
	at := func(b store.Blob, end string) string { return filepath.Join(s.Dir(), "blobs", b.Hash.String()+end) }
	raw, err := os.ReadFile(at(bad, ""))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-9] ^= 1 // in its last piece: it shows when most of it is written
	if err := os.WriteFile(at(bad, ""), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	// It goes while the bundle is made, and its small picture is none.
	list, err := c.waitingFiles()
	if err != nil || len(list) != 6 {
		t.Fatalf("%d wait, %v", len(list), err)
	}
	if err := os.Remove(at(gone, "")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	made, err := c.Export(t.Context(), filepath.Join(dir, "a.zcb"), Carry{}, nil)
	if err != nil || len(made) != 1 || made[0].Files != 1 || made[0].Unread != 1 || made[0].Changes != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	_, has, _ := inFile(t, s, made[0].File)
	whole := 0
	for _, f := range has {
		if f.Mode == bundle.Whole {
			whole++
			if f.Hash != good.Hash {
				t.Error("another file is in it")
			}
		}
	}
	if whole != 1 {
		t.Errorf("%d files are in it", whole)
	}
	if b, err := s.Blob(bad.Hash); err != nil || !b.Damaged {
		t.Errorf("it is not known as damaged: %+v, %v", b, err)
	}
	if bs, err := s.Bundles(); err != nil || bs[0].Files != 1 {
		t.Errorf("%+v, %v", bs, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("half a file was left: %v, %v", left, err)
	}
}

// The reply makes delivered what it has receipts for, once the village is here.
func TestReplyFiles(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	visit(t, s)
	one, two := addFile(t, s, 1000, true), addFile(t, s, 2000, false)
	if _, err := c.Export(t.Context(), t.TempDir(), Carry{}, nil); err != nil {
		t.Fatal(err)
	}
	receipt := blob.Receipt{Hash: one.Hash, Size: uint64(one.Size), Received: clock.At0(time.Now().UnixMilli())}
	receipt.Seal(serverKey)
	forged := blob.Receipt{Hash: two.Hash, Size: uint64(two.Size), Received: receipt.Received, Sig: receipt.Sig}
	held := wire.HeldFiles{Village: village, Epoch: epoch, Receipts: []blob.Receipt{receipt, forged}, Smalls: []blob.Hash{one.Hash}}
	out, err := s.Outgoing(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	answer := acknowledge(t, s, &wire.Sync{Villages: []wire.Push{out[0].Push}})
	answer.Files = []wire.HeldFiles{held}
	file := sealedReply(t, s, time.Now().UnixMilli(), answer)
	for want := 1; want >= 0; want-- {
		got, err := c.Collect(t.Context(), bytes.NewReader(file), nil)
		if err != nil || got.Files != want || got.FilesPending != 1 || got.Pending != 0 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if b, err := s.Blob(two.Hash); err != nil || b.Delivered {
		t.Errorf("delivered by another's receipt: %+v, %v", b, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir(), comingIn)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A bundle with files is handed on in parts, goes on where a cut left it, also after the
// agent was restarted, and is brought anew where the server has forgotten it.
func TestDeliverInParts(t *testing.T) {
	owner, so := laptop(t, "http://127.0.0.1:1")
	visit(t, so)
	addFile(t, so, 900<<10, true)
	made, err := owner.Export(t.Context(), t.TempDir(), Carry{}, nil)
	if err != nil || made[0].Files != 1 {
		t.Fatal(made, err)
	}
	file, err := os.ReadFile(made[0].File)
	if err != nil {
		t.Fatal(err)
	}
	good := sealedReply(t, so, 1, &wire.Synced{Time: 1})
	var come []byte
	var announced, parts, cut, sent int
	var forgotten bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const to = wire.BlobPath + wire.BundleUploads
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Tus-Resumable", "1.0.0")
		switch {
		case r.URL.Path == to && r.Method == http.MethodPost:
			announced++
			come = nil
			if r.Header.Get("Upload-Length") != strconv.Itoa(len(file)) {
				t.Errorf("announced with %s bytes", r.Header.Get("Upload-Length"))
			}
			w.Header().Set("Location", to+"/abc")
			w.WriteHeader(http.StatusCreated)
		case r.URL.Path == to+"/abc" && r.Method == http.MethodHead && forgotten:
			forgotten = false
			http.NotFound(w, r)
		case r.URL.Path == to+"/abc" && r.Method == http.MethodHead:
			w.Header().Set("Upload-Offset", strconv.Itoa(len(come)))
		case r.URL.Path == to+"/abc" && r.Method == http.MethodPatch:
			if parts++; parts == cut {
				come = append(come, body[:len(body)/2]...) // half of it got there
				panic(http.ErrAbortHandler)
			}
			if at := r.Header.Get("Upload-Offset"); at != strconv.Itoa(len(come)) {
				t.Errorf("a part at %s of %d", at, len(come))
			}
			come = append(come, body...)
			sent += len(body)
			w.Header().Set("Upload-Offset", strconv.Itoa(len(come)))
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == to+"/abc" && r.Method == http.MethodDelete:
			come = nil
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == wire.BundlePath:
			if r.Header.Get(wire.BundleUpload) != "abc" || len(body) != 0 || !bytes.Equal(come, file) {
				t.Errorf("asked for %s with %d bytes, when %d of %d have come", r.Header.Get(wire.BundleUpload), len(body), len(come), len(file))
			}
			w.Write(good)
		default:
			reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli()})
		}
	}))
	t.Cleanup(srv.Close)
	for _, tt := range []struct {
		name      string
		cut       int
		forgotten bool
		announced int
	}{{"at once", 0, false, 1}, {"cut", 3, false, 1}, {"cut, and forgotten", 3, true, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			come, announced, parts, cut, sent, forgotten = nil, 0, 0, tt.cut, 0, false
			c, s := laptop(t, srv.URL)
			if got, err := c.Collect(t.Context(), bytes.NewReader(file), nil); err != nil || !got.Carried {
				t.Fatalf("%+v, %v", got, err)
			}
			if tt.cut > 0 {
				if r, err := c.Once(t.Context()); err == nil || r.Carried != 0 {
					t.Errorf("cut, and %+v, %v", r, err)
				}
				forgotten = tt.forgotten
				// As after a restart: nothing is known but what is on disk.
				c = New(s, "test", c.log)
				t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
			}
			r, err := c.Once(t.Context())
			b, cerr := c.Courier()
			if err != nil || cerr != nil || r.Carried != 1 || len(b.Waiting) != 0 || len(b.Replies) != 1 || announced != tt.announced {
				t.Fatalf("%+v, %v; %+v, announced %d times", r, err, b, announced)
			}
			if got, err := os.ReadFile(b.Replies[0].Path); err != nil || !bytes.Equal(got, good) {
				t.Errorf("the reply is not as the server wrote it: %v", err)
			}
			if most := len(file) + len(file)/2; !tt.forgotten && sent > most {
				t.Errorf("%d bytes went for %d", sent, len(file))
			}
			left, err := filepath.Glob(filepath.Join(s.Dir(), courierDir, "*.upload"))
			if err != nil || len(left) != 0 || come != nil {
				t.Errorf("left: %v here, %d bytes there, %v", left, len(come), err)
			}
		})
	}
	// What is spoilt or cut is not carried.
	c, _ := laptop(t, srv.URL)
	for _, n := range []int{10, 1000, len(file) - 1} {
		if _, err := c.Collect(t.Context(), bytes.NewReader(file[:n]), nil); err == nil {
			t.Errorf("%d of %d bytes are carried", n, len(file))
		}
		bad := bytes.Clone(file)
		bad[n] ^= 1
		if _, err := c.Collect(t.Context(), bytes.NewReader(bad), nil); err == nil {
			t.Errorf("with byte %d changed it is carried", n)
		}
	}
	if b, err := c.Courier(); err != nil || len(b.Waiting) != 0 {
		t.Errorf("%+v, %v", b, err)
	}
}
