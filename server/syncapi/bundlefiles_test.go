package syncapi

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zhucun/shared/blob"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// loaded is a bundle with files in it, of which content has the bytes; before the files
// it has one message.
func (l *laptop) loaded(content map[[32]byte][]byte, p wire.Push, files ...bundle.File) []byte {
	l.h.Helper()
	server := l.h.key.Public().(ed25519.PublicKey)
	b := &bundle.Bundle{Device: l.who.Device, Server: server, Serial: 1, Made: time.Now().UnixMilli(), Files: files}
	m := &wire.Sync{Version: wire.Version, Villages: []wire.Push{p}, Assigned: l.serial}
	packed, err := wire.EncodeSync(m, wire.Thrifty)
	l.h.ok(err)
	wire.SetClock(packed, b.Made)
	size, err := wire.Size(m)
	l.h.ok(err)
	b.Add(bundle.Part{Message: packed, Size: size})
	var file bytes.Buffer
	_, err = bundle.Write(&file, b, identity.BundleOf, l.key, server, func(f bundle.File) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[f.Sum])), nil
	})
	l.h.ok(err)
	return file.Bytes()
}

func whole(content map[[32]byte][]byte, v record.Village, b []byte, of ...blob.Hash) bundle.File {
	f := bundle.File{Village: v, Hash: sha256.Sum256(b), Kind: "jpg", Size: int64(len(b)), Sum: sha256.Sum256(b), Of: of}
	content[f.Sum] = b
	return f
}

func little(content map[[32]byte][]byte, v record.Village, of blob.Hash, b []byte) bundle.File {
	f := bundle.File{Mode: bundle.Small, Village: v, Hash: of, Kind: "jpg", Size: int64(len(b)), Sum: sha256.Sum256(b)}
	content[f.Sum] = b
	return f
}

// held gives what the reply says of the village's files, by hash.
func (l *laptop) held(reply []byte) (receipts map[blob.Hash]blob.Receipt, smalls []blob.Hash) {
	l.h.Helper()
	receipts = map[blob.Hash]blob.Receipt{}
	for _, a := range l.open(reply) {
		for _, f := range a.Files {
			if f.Village != village || f.Epoch != l.h.s.Epoch() {
				l.h.Errorf("of %s in the epoch %x", f.Village, f.Epoch)
			}
			for _, r := range f.Receipts {
				receipts[r.Hash] = r
			}
			smalls = append(smalls, f.Smalls...)
		}
	}
	return receipts, smalls
}

// What a bundle brings is as if it had been uploaded, however often it is taken; its
// reply has the receipts, also of what it only asks for.
func TestBundleFiles(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	content := map[[32]byte][]byte{}
	photo, original := whole(content, village, picture(1)), whole(content, village, picture(22), sha256.Sum256(picture(1)))
	elsewhere := whole(content, "2", picture(3))
	small := little(content, village, photo.Hash, picture(0)[:9000])
	before := picture(4)
	l.upload(before)
	asked := bundle.File{Mode: bundle.Asked, Village: village, Hash: sha256.Sum256(before), Kind: "jpg"}
	missing := bundle.File{Mode: bundle.Asked, Village: village, Hash: blob.Hash{7}, Kind: "jpg"}
	notHis := bundle.File{Mode: bundle.Asked, Village: "2", Hash: asked.Hash, Kind: "jpg"}
	file := l.loaded(content, wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(1)}},
		small, photo, elsewhere, original, asked, missing, notHis)
	for i := range 3 {
		taken := h.take(file)
		entries, files := 1, 2
		if i > 0 {
			entries, files = 0, 0
		}
		if taken.Entries != entries || taken.Files != files || taken.FilesLeft != 1 {
			t.Errorf("time %d: %+v", i, taken)
		}
		receipts, smalls := l.held(taken.Reply)
		if len(receipts) != 3 || len(smalls) != 1 || smalls[0] != photo.Hash {
			t.Errorf("time %d: receipts for %d files, and %d small ones", i, len(receipts), len(smalls))
		}
		for _, f := range []bundle.File{photo, original, {Hash: asked.Hash, Size: int64(len(before))}} {
			if r := receipts[f.Hash]; !r.Proves(h.key.Public().(ed25519.PublicKey), f.Hash, uint64(f.Size)) {
				t.Errorf("time %d: no receipt for a file", i)
			}
		}
	}
	for _, f := range []bundle.File{photo, original} {
		r, err := h.s.Files.Open(f.Hash)
		h.ok(err)
		got, err := io.ReadAll(r)
		r.Close()
		if b, berr := h.s.Blob(t.Context(), village, f.Hash); err != nil || !bytes.Equal(got, content[f.Sum]) || berr != nil || b.Device != l.who.Device || b.Kind != "jpg" {
			t.Errorf("%d bytes, %+v, %v", len(got), b, errors.Join(err, berr))
		}
	}
	if _, err := h.s.Files.Size(elsewhere.Hash); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file for a village that is not the laptop's: %v", err)
	}
	if got, err := h.s.Thumbnail(t.Context(), village, photo.Hash); err != nil || !bytes.Equal(got, content[small.Sum]) {
		t.Errorf("the small picture: %d bytes, %v", len(got), err)
	}
	if list, err := h.s.Originals(t.Context(), village, photo.Hash); err != nil || len(list) != 1 || list[0].Hash != original.Hash {
		t.Errorf("the original: %v, %v", list, err)
	}
	if left, err := os.ReadDir(filepath.Join(h.dir, "coming")); err != nil || len(left) != 0 {
		t.Errorf("left on the way: %v, %v", left, err)
	}
	// One that is damaged here comes again with the same bundle.
	at := filepath.Join(h.dir, photo.Hash.String()[:2], photo.Hash.String())
	h.ok(os.Truncate(at, 9))
	if taken := h.take(file); taken.Files != 1 {
		t.Errorf("again what was damaged: %+v", taken)
	}
	if info, err := os.Stat(at); err != nil || info.Size() != photo.Size {
		t.Errorf("%v, %v", info, err)
	}
}

// What cannot be kept is no reason to lose the rest: the text is taken, the reply is made,
// and it has no receipt for the file.
func TestBundleFilesNotKept(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	content := map[[32]byte][]byte{}
	photo := whole(content, village, picture(1))
	page := little(content, village, photo.Hash, []byte("<script>"))
	file := l.loaded(content, wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(1)}}, page, photo)
	coming := filepath.Join(h.dir, "coming")
	h.ok(os.Remove(coming))
	h.ok(os.WriteFile(coming, nil, 0o600)) // no folder: nothing can be written
	taken := h.take(file)
	if receipts, smalls := l.held(taken.Reply); taken.Entries != 1 || taken.Files != 0 || taken.FilesLeft != 2 || len(receipts)+len(smalls) != 0 {
		t.Errorf("%+v, receipts %v, small ones %v", taken, receipts, smalls)
	}
	h.ok(os.Remove(coming))
	h.ok(os.Mkdir(coming, 0o700))
	if taken := h.take(file); taken.Entries != 0 || taken.Files != 1 || taken.FilesLeft != 1 {
		t.Errorf("once there is room: %+v", taken)
	}
	if _, err := h.s.Thumbnail(t.Context(), village, photo.Hash); err == nil {
		t.Error("a page is kept as a small picture")
	}
}

// A revoked laptop's files come with its last work, and are receipted.
func TestBundleFilesOfRevoked(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	content := map[[32]byte][]byte{}
	photo := whole(content, village, picture(1))
	file := l.loaded(content, wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(1)}}, photo)
	_, err := h.a.Revoke(t.Context(), l.who.Device)
	h.ok(err)
	taken := h.take(file)
	if receipts, _ := l.held(taken.Reply); taken.Files != 1 || taken.Quarantined != 1 || len(receipts) != 1 {
		t.Errorf("%+v", taken)
	}
}

// A bundle that a courier brings in parts is taken when it is whole, by nobody else, and
// as often as he asks.
func TestCourierInParts(t *testing.T) {
	h := newHouse(t)
	l, courier, other := h.laptop("王队员"), h.laptop("李队员"), h.laptop("张队员")
	content := map[[32]byte][]byte{}
	photo := whole(content, village, picture(1))
	file := l.loaded(content, wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(1)}}, photo)
	resp, body := courier.do("POST", wire.BlobPath+wire.BundleUploads, nil, "Upload-Length", strconv.Itoa(len(file)))
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("announced: %d %s", resp.StatusCode, body)
	}
	to := resp.Header.Get("Location")
	id := to[strings.LastIndexByte(to, '/')+1:]
	ask := func(who *laptop) (*http.Response, []byte) {
		t.Helper()
		return who.do("POST", wire.BundlePath, nil, wire.BundleUpload, id)
	}
	if resp := courier.patch(to, 0, file[:1000]); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the first part: %d", resp.StatusCode)
	}
	if resp, _ := ask(courier); resp.StatusCode != http.StatusConflict {
		t.Errorf("before it is whole: %d", resp.StatusCode)
	}
	if resp, _ := courier.do("HEAD", to, nil); resp.Header.Get("Upload-Offset") != "1000" {
		t.Errorf("it goes on at %s", resp.Header.Get("Upload-Offset"))
	}
	if resp := other.patch(to, 1000, file[1000:]); resp.StatusCode != http.StatusNotFound {
		t.Errorf("by another laptop: %d", resp.StatusCode)
	}
	if resp := courier.patch(to, 1000, file[1000:]); resp.StatusCode != http.StatusNoContent || resp.Header.Get(wire.BlobReceipt) != "" {
		t.Errorf("the rest: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := ask(other); resp.StatusCode != http.StatusNotFound {
		t.Errorf("asked by another laptop: %d", resp.StatusCode)
	}
	for range 2 {
		resp, reply := ask(courier)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("asked: %d %s", resp.StatusCode, reply)
		}
		if receipts, _ := l.held(reply); len(receipts) != 1 {
			t.Errorf("receipts: %v", receipts)
		}
	}
	if resp, _ := courier.do("DELETE", to, nil); resp.StatusCode != http.StatusNoContent {
		t.Errorf("given up: %d", resp.StatusCode)
	}
	if resp, _ := ask(courier); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after that: %d", resp.StatusCode)
	}
	// What is none is said so, as of one that comes at once.
	resp, _ = courier.do("POST", wire.BlobPath+wire.BundleUploads, nil, "Upload-Length", "9", "Upload-Metadata", pair("filename", "x"))
	to = resp.Header.Get("Location")
	id = to[strings.LastIndexByte(to, '/')+1:]
	courier.patch(to, 0, []byte("no bundle"))
	f := new(wire.Fault)
	if resp, body := ask(courier); resp.StatusCode != http.StatusBadRequest || wire.Unmarshal(body, 1<<16, f) != nil || f.Code != wire.FaultBundle {
		t.Errorf("no bundle: %d, %+v", resp.StatusCode, f)
	}
	for size, want := range map[string]int{"0": http.StatusRequestEntityTooLarge, strconv.Itoa(bundle.MaxSize + 1): http.StatusRequestEntityTooLarge, strconv.Itoa(bundle.MaxSize): http.StatusCreated} {
		if resp, _ := courier.do("POST", wire.BlobPath+wire.BundleUploads, nil, "Upload-Length", size); resp.StatusCode != want {
			t.Errorf("of %s bytes: %d", size, resp.StatusCode)
		}
	}
	// The newest of many stay.
	if resp, _ := courier.do("HEAD", to, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("of two: %d", resp.StatusCode)
	}
	courier.do("POST", wire.BlobPath+wire.BundleUploads, nil, "Upload-Length", "9")
	if resp, _ := courier.do("HEAD", to, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the oldest of three: %d", resp.StatusCode)
	}
	_, err := h.a.Revoke(t.Context(), courier.who.Device)
	h.ok(err)
	if resp, _ := courier.do("POST", wire.BlobPath+wire.BundleUploads, nil, "Upload-Length", "9"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a revoked courier: %d", resp.StatusCode)
	}
	if resp, _ := l.do("GET", wire.BlobPath+wire.BundleUploads+"/"+base64.RawURLEncoding.EncodeToString(file[:9]), nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("given out: %d", resp.StatusCode)
	}
}
