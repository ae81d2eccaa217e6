package syncapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// do asks for something of the files, as a laptop.
func (l *laptop) do(method, path string, body []byte, header ...string) (*http.Response, []byte) {
	l.h.Helper()
	if !strings.HasPrefix(path, "/v1/") {
		path = wire.BlobPath + string(village) + path
	}
	r, err := http.NewRequest(method, l.h.server.URL+path, bytes.NewReader(body))
	l.h.ok(err)
	r.Header.Set("Authorization", "Bearer "+l.who.Token)
	r.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	l.h.ok(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	l.h.ok(err)
	return resp, b
}

// announce begins a file and gives where it goes to.
func (l *laptop) announce(content []byte, meta string) string {
	l.h.Helper()
	resp, b := l.do("POST", "", nil, "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", meta)
	if resp.StatusCode != http.StatusCreated {
		l.h.Fatalf("announced: %d %s", resp.StatusCode, b)
	}
	return resp.Header.Get("Location")
}

func (l *laptop) patch(at string, offset int, part []byte, header ...string) *http.Response {
	l.h.Helper()
	resp, _ := l.do("PATCH", at, part, append([]string{"Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.Itoa(offset)}, header...)...)
	return resp
}

func pair(key, value string) string {
	return key + " " + base64.StdEncoding.EncodeToString([]byte(value))
}

func picture(n int) []byte {
	return append([]byte{0xff, 0xd8, 0xff, 0xe0}, bytes.Repeat([]byte(fmt.Sprint("照片", n)), 2000)...)
}

// upload brings a whole file and gives its name.
func (l *laptop) upload(content []byte) string {
	l.h.Helper()
	h := blob.Hash(sha256.Sum256(content))
	at := l.announce(content, pair("hash", h.String())+","+pair("filename", "IMG_1.JPG"))
	resp := l.patch(at, 0, content)
	r := blob.ReadHeader(h, resp.Header.Get(wire.BlobReceipt))
	if resp.StatusCode != http.StatusNoContent || !r.Proves(l.h.key.Public().(ed25519.PublicKey), h, uint64(len(content))) {
		l.h.Fatalf("%d, %+v", resp.StatusCode, r)
	}
	return blob.Name(h, "jpg")
}

// A file comes in pieces over a line that is cut, is receipted once it is whole, and
// given out to the laptops of its village alone.
func TestBlob(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	content := picture(1)
	hash := blob.Hash(sha256.Sum256(content))
	at := a.announce(content, pair("hash", hash.String())+","+pair("filename", "IMG_20170523.JPG"))

	// The line is cut in the middle of a part: what came is kept.
	conn, err := net.Dial("tcp", h.server.Listener.Addr().String())
	h.ok(err)
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n", at, a.who.Token, len(content))
	conn.Write(content[:5000])
	time.Sleep(50 * time.Millisecond)
	conn.Close()
	offset := 0
	for deadline := time.Now().Add(10 * time.Second); offset < 5000; time.Sleep(10 * time.Millisecond) {
		resp, _ := a.do("HEAD", at, nil)
		offset, _ = strconv.Atoi(resp.Header.Get("Upload-Offset"))
		if resp.Header.Get("Upload-Length") != strconv.Itoa(len(content)) || resp.Header.Get("Cache-Control") != "no-store" || time.Now().After(deadline) {
			t.Fatalf("after the cut: %v", resp.Header)
		}
	}
	if offset != 5000 {
		t.Fatalf("%d bytes are kept", offset)
	}
	if resp := a.patch(at, 4000, content[4000:]); resp.StatusCode != http.StatusConflict {
		t.Errorf("at another place: %d", resp.StatusCode)
	}
	if resp := a.patch(at, 5000, append(content[5000:], 'x')); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("more than there is: %d", resp.StatusCode)
	}
	if resp := b.patch(at, 5000, content[5000:]); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another laptop's: %d", resp.StatusCode)
	}
	name := "/" + blob.Name(hash, "jpg")
	if resp, _ := b.do("GET", name, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("half of it is given out: %d", resp.StatusCode)
	}
	resp := a.patch(at, 5000, content[5000:])
	r := blob.ReadHeader(hash, resp.Header.Get(wire.BlobReceipt))
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Upload-Offset") != strconv.Itoa(len(content)) || !r.Proves(h.key.Public().(ed25519.PublicKey), hash, uint64(len(content))) {
		t.Fatalf("%d, %v", resp.StatusCode, resp.Header)
	}
	if r.Proves(h.key.Public().(ed25519.PublicKey), hash, uint64(len(content)-1)) || r.Proves(h.key.Public().(ed25519.PublicKey), blob.Hash{}, uint64(len(content))) {
		t.Error("the receipt proves what is not")
	}

	// Given out whole, in part, and as a small picture.
	if resp, got := b.do("GET", name, nil); resp.StatusCode != 200 || !bytes.Equal(got, content) || resp.Header.Get("Content-Type") != "image/jpeg" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(got), resp.Header)
	}
	if resp, got := b.do("GET", name, nil, "Range", "bytes=5000-"); resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, content[5000:]) {
		t.Errorf("a part: %d, %d bytes", resp.StatusCode, len(got))
	}
	if resp, _ := b.do("GET", name+wire.BlobThumbnail, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a small one that never came: %d", resp.StatusCode)
	}
	if resp, _ := a.do("PUT", name+wire.BlobThumbnail, []byte("<script>")); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a small one that is none: %d", resp.StatusCode)
	}
	small := picture(2)[:500]
	if resp, _ := a.do("PUT", name+wire.BlobThumbnail, small); resp.StatusCode != http.StatusNoContent {
		t.Errorf("a small one: %d", resp.StatusCode)
	}
	if resp, got := b.do("GET", name+wire.BlobThumbnail, nil); resp.StatusCode != 200 || !bytes.Equal(got, small) {
		t.Errorf("the small one: %d, %d bytes", resp.StatusCode, len(got))
	}

	// Who has the village is told that it is there; nobody of another village is.
	m, err := wire.Encode(&wire.BlobAsk{Version: wire.Version, Hashes: []blob.Hash{{1}, hash}}, wire.Quick)
	h.ok(err)
	held := new(wire.BlobsHeld)
	if _, body := b.do("POST", wire.BlobsAsked, m); wire.Unmarshal(body, 1<<16, held) != nil || len(held.Receipts) != 1 || held.Receipts[0].Hash != hash {
		t.Errorf("asked for: %+v", held)
	}
	for _, path := range []string{wire.BlobPath + "2" + name, wire.BlobPath + "2" + wire.BlobsAsked, wire.BlobPath + "999" + name} {
		method := "GET"
		if strings.HasSuffix(path, wire.BlobsAsked) {
			method = "POST"
		}
		if resp, _ := b.do(method, path, m); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s: %d", method, path, resp.StatusCode)
		}
	}
	// A laptop that was revoked brings what it still has, and is given nothing.
	_, err = h.a.Revoke(context.Background(), a.who.Device)
	h.ok(err)
	if resp, _ := a.do("GET", name, nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("to a revoked laptop: %d", resp.StatusCode)
	}
	if files, err := h.s.VerifyBlobs(context.Background(), func(f store.Fault) { t.Errorf("verify: %+v", f) }); files != 1 || err != nil {
		t.Errorf("%d files, %v", files, err)
	}
}

// What one laptop's village has, and another's too, lies there once; each knows its own.
func TestBlobOfTwoVillages(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	_, err := access.New(h.s).Assign(context.Background(), b.who.Device, []record.Village{"2"})
	h.ok(err)
	content := picture(1)
	hash := blob.Hash(sha256.Sum256(content))
	a.upload(content)
	m, err := wire.Encode(&wire.BlobAsk{Version: wire.Version, Hashes: []blob.Hash{hash}}, wire.Quick)
	h.ok(err)
	held := new(wire.BlobsHeld)
	if _, body := b.do("POST", wire.BlobPath+"2"+wire.BlobsAsked, m); wire.Unmarshal(body, 1<<16, held) != nil || len(held.Receipts) != 0 {
		t.Errorf("whoever knows a hash is told that the file is in another village: %+v", held)
	}
	resp, _ := b.do("POST", wire.BlobPath+"2", nil, "Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", pair("hash", hash.String()))
	if resp := b.patch(resp.Header.Get("Location"), 0, content); resp.StatusCode != http.StatusNoContent {
		t.Errorf("%d", resp.StatusCode)
	}
	if files, err := h.s.VerifyBlobs(context.Background(), func(f store.Fault) { t.Errorf("verify: %+v", f) }); files != 1 || err != nil {
		t.Errorf("%d files, %v", files, err)
	}
}

// Of a file that was found damaged a laptop is told that it is not here, and brings it
// again; its receipt then is later than the backups that do not have it.
func TestBlobLost(t *testing.T) {
	h := newHouse(t)
	a := h.laptop("王队员")
	content := picture(1)
	hash := blob.Hash(sha256.Sum256(content))
	a.upload(content)
	first, err := h.s.Blob(t.Context(), village, hash)
	h.ok(err)
	f, err := h.s.Files.Open(hash)
	h.ok(err)
	name := f.Name()
	f.Close()
	bad := append(bytes.Clone(content[:len(content)-8]), "damaged!"...)
	h.ok(os.WriteFile(name, bad, 0o600))
	time.Sleep(2 * time.Millisecond)
	n := 0
	if _, err := h.s.VerifyBlobs(t.Context(), func(store.Fault) { n++ }); n != 1 || err != nil {
		t.Fatalf("%d faults, %v", n, err)
	}
	m, err := wire.Encode(&wire.BlobAsk{Version: wire.Version, Hashes: []blob.Hash{hash}}, wire.Quick)
	h.ok(err)
	held := new(wire.BlobsHeld)
	if _, body := a.do("POST", wire.BlobsAsked, m); wire.Unmarshal(body, 1<<16, held) != nil || len(held.Receipts) != 0 {
		t.Errorf("damaged: %+v", held)
	}
	a.upload(content)
	held = new(wire.BlobsHeld)
	if _, body := a.do("POST", wire.BlobsAsked, m); wire.Unmarshal(body, 1<<16, held) != nil || len(held.Receipts) != 1 || held.Receipts[0].Received <= first.Receipt.Received {
		t.Errorf("brought again: %+v, first %+v", held, first.Receipt)
	}
	if r := held.Receipts; len(r) == 1 && !r[0].Proves(h.key.Public().(ed25519.PublicKey), hash, uint64(len(content))) {
		t.Error("the receipt proves nothing")
	}
}

// What is brought as the original of a photo is tied to it, also where it is here already
// and only asked about; what is no hash ties nothing.
func TestOriginalBrought(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	small, raw := picture(1), picture(22)
	photo, original := blob.Hash(sha256.Sum256(small)), blob.Hash(sha256.Sum256(raw))
	tied := func() (names []blob.Hash) {
		list, err := h.s.Originals(t.Context(), village, photo)
		h.ok(err)
		for _, b := range list {
			names = append(names, b.Hash)
		}
		return names
	}
	at := l.announce(raw, pair("hash", original.String())+","+pair("filename", "IMG_1.JPG")+","+pair("original", photo.String()))
	if got := tied(); len(got) != 0 {
		t.Errorf("before it is here: %v", got)
	}
	l.patch(at, 0, raw[:100])
	l.patch(at, 100, raw[100:])
	if got := tied(); len(got) != 1 || got[0] != original {
		t.Errorf("tied: %v", got)
	}
	other := picture(333)
	h2 := blob.Hash(sha256.Sum256(other))
	l.upload(other)
	m, err := wire.Encode(&wire.BlobAsk{Version: wire.Version, Hashes: []blob.Hash{photo, h2}, Of: [][]blob.Hash{nil, {photo}}}, wire.Quick)
	h.ok(err)
	held := new(wire.BlobsHeld)
	if _, body := l.do("POST", wire.BlobsAsked, m); wire.Unmarshal(body, 1<<16, held) != nil || len(held.Receipts) != 1 {
		t.Errorf("asked: %+v", held)
	}
	if got := tied(); len(got) != 2 {
		t.Errorf("tied: %v", got)
	}
	if of, err := h.s.OriginalOf(t.Context(), village, h2); err != nil || len(of) != 1 || of[0] != photo {
		t.Errorf("of %v, %v", of, err)
	}
	for _, bad := range []string{"abc", strings.Repeat(photo.String()+" ", wire.MaxOf+1)} {
		if resp, _ := l.do("POST", "", nil, "Upload-Length", "9", "Upload-Metadata", pair("original", bad)); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%d of %q", resp.StatusCode, bad)
		}
	}
	m, err = wire.Encode(&wire.BlobAsk{Version: wire.Version, Hashes: []blob.Hash{photo}, Of: [][]blob.Hash{nil, {photo}}}, wire.Quick)
	h.ok(err)
	if resp, _ := l.do("POST", wire.BlobsAsked, m); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("more originals than files: %d", resp.StatusCode)
	}
}

// The protocol's own rules.
func TestTus(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	content := picture(1)
	resp, _ := l.do("OPTIONS", "", nil)
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Tus-Version") != "1.0.0" || resp.Header.Get("Tus-Extension") != "creation,checksum,expiration,termination" || resp.Header.Get("Tus-Max-Size") == "" {
		t.Errorf("OPTIONS: %d %v", resp.StatusCode, resp.Header)
	}
	for name, tt := range map[string]struct {
		header []string
		want   int
	}{
		"another version":       {[]string{"Tus-Resumable", "0.2.2", "Upload-Length", "9"}, http.StatusPreconditionFailed},
		"no length":             {[]string{"Upload-Length", ""}, http.StatusBadRequest},
		"a length below 0":      {[]string{"Upload-Length", "-1"}, http.StatusBadRequest},
		"too long":              {[]string{"Upload-Length", strconv.Itoa(wire.MaxBlob + 1)}, http.StatusRequestEntityTooLarge},
		"metadata not Base64":   {[]string{"Upload-Length", "9", "Upload-Metadata", "filename ???"}, http.StatusBadRequest},
		"metadata twice":        {[]string{"Upload-Length", "9", "Upload-Metadata", "a,a"}, http.StatusBadRequest},
		"a hash that is none":   {[]string{"Upload-Length", "9", "Upload-Metadata", pair("hash", "abc")}, http.StatusBadRequest},
		"a key without a value": {[]string{"Upload-Length", "9", "Upload-Metadata", "is_confidential"}, http.StatusCreated},
	} {
		if resp, _ := l.do("POST", "", nil, tt.header...); resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, tt.want)
		}
	}
	at := l.announce(content, "")
	if resp, _ := l.do("PATCH", at, content, "Content-Type", "text/plain", "Upload-Offset", "0"); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("another type: %d", resp.StatusCode)
	}
	sum := sha1.Sum(content[:100])
	if resp := l.patch(at, 0, content[:100], "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(sum[1:])); resp.StatusCode != 460 {
		t.Errorf("a wrong checksum: %d", resp.StatusCode)
	}
	if resp, _ := l.do("HEAD", at, nil); resp.Header.Get("Upload-Offset") != "0" {
		t.Errorf("what came with it is kept: %v", resp.Header)
	}
	if resp := l.patch(at, 0, content[:100], "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(sum[:])); resp.StatusCode != http.StatusNoContent || resp.Header.Get("Upload-Expires") == "" {
		t.Errorf("a right checksum: %d %v", resp.StatusCode, resp.Header)
	}
	if resp := l.patch(at, 100, content[100:], "Upload-Checksum", "md5 AAAA"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown checksum: %d", resp.StatusCode)
	}
	if resp, _ := l.do("POST", at, content[100:], "X-HTTP-Method-Override", "PATCH", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "100"); resp.StatusCode != http.StatusNoContent || resp.Header.Get("Zhucun-Name") == "" {
		t.Errorf("by another method: %d", resp.StatusCode)
	}
	if resp, _ := l.do("HEAD", at, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after it is whole: %d", resp.StatusCode)
	}
	at = l.announce(content, pair("hash", strings.Repeat("ab", 32)))
	if resp := l.patch(at, 0, content); resp.StatusCode != 460 {
		t.Errorf("not what its name says: %d", resp.StatusCode)
	}
	at = l.announce(content, "")
	l.patch(at, 0, content[:9])
	if resp, _ := l.do("DELETE", at, nil); resp.StatusCode != http.StatusNoContent {
		t.Errorf("given up: %d", resp.StatusCode)
	}
	if resp := l.patch(at, 9, content[9:]); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after it was given up: %d", resp.StatusCode)
	}
	// Of one laptop's many the oldest are given up.
	first := l.announce(content, "")
	for range maxUploads {
		l.announce(content, "")
	}
	if resp, _ := l.do("HEAD", first, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the first of %d: %d", maxUploads+1, resp.StatusCode)
	}
	if resp, _ := l.do("OPTIONS", "", nil, "Authorization", "Bearer nobody"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("OPTIONS of nobody: %d", resp.StatusCode)
	}
	if resp, _ := l.do("POST", "", nil, "Authorization", "Bearer nobody", "Upload-Length", "9"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("of nobody: %d", resp.StatusCode)
	}
}

// A laptop whose line died comes back while its last request still stands open: it goes
// on at once.
func TestBlobTakenUpAgain(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	content := picture(1)
	at := l.announce(content, "")
	conn, err := net.Dial("tcp", h.server.Listener.Addr().String())
	h.ok(err)
	defer conn.Close()
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n", at, l.who.Token, len(content))
	conn.Write(content[:3000]) // and no more comes, and nobody says so
	begun := time.Now()
	offset := -1
	for status := 0; status != http.StatusNoContent; {
		resp, _ := l.do("HEAD", at, nil)
		offset, _ = strconv.Atoi(resp.Header.Get("Upload-Offset"))
		status = l.patch(at, offset, content[offset:]).StatusCode
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("after ten seconds: %d at %d", status, offset)
		}
	}
	if offset != 3000 {
		t.Errorf("it goes on at %d", offset)
	}
}
