package syncclient

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// depot is a server's part for files over a line of so many bytes a second: it has some
// of its own, and takes others.
type depot struct {
	t    *testing.T
	rate int64
	has  map[blob.Hash][]byte
	on   []*upload
	took map[blob.Hash]blob.Receipt // what was brought
	// backed is when a backup was made, ms since 1970; asked counts of how many files it
	// was asked whether it has them, and silent says that it does not answer that.
	backed int64
	asked  int
	silent bool
}

// upload is a file on its way to a depot.
type upload struct {
	hash     blob.Hash
	at, size int64
}

func (f *depot) passes(n int64) { time.Sleep(time.Duration(n) * time.Second / time.Duration(f.rate)) }

func (f *depot) serve(_ int, w http.ResponseWriter, r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, wire.BlobPath)
	if !ok {
		return false
	}
	w.Header().Set("Tus-Resumable", "1.0.0")
	village, name, _ := strings.Cut(rest, "/")
	switch {
	case r.Method == http.MethodPost && "/"+name == wire.BlobsAsked:
		body, err := io.ReadAll(r.Body)
		ask := new(wire.BlobAsk)
		if err := errors.Join(err, wire.Unmarshal(body, wire.MaxRequest, ask)); err != nil {
			f.t.Error(err)
		}
		f.asked += len(ask.Hashes)
		if f.silent {
			w.WriteHeader(http.StatusBadGateway)
			break
		}
		held := &wire.BlobsHeld{Version: wire.Version, Backed: f.backed}
		for _, h := range ask.Hashes {
			if has, ok := f.took[h]; ok {
				held.Receipts = append(held.Receipts, has)
			}
		}
		reply(w, held)
	case r.Method == http.MethodPost:
		u := new(upload)
		_, meta, _ := strings.Cut(strings.Split(r.Header.Get("Upload-Metadata"), ",")[0], " ")
		if text, err := base64.StdEncoding.DecodeString(meta); err == nil {
			u.hash, _ = blob.ParseHash(string(text))
		}
		u.size, _ = strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
		w.Header().Set("Location", wire.BlobPath+village+"/"+strconv.Itoa(len(f.on)))
		f.on = append(f.on, u)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPatch:
		f.passes(r.ContentLength)
		i, _ := strconv.Atoi(name)
		u := f.on[i]
		u.at += r.ContentLength
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.at, 10))
		if u.at == u.size {
			has := blob.Receipt{Hash: u.hash, Size: uint64(u.size), Received: clock.At0(time.Now().UnixMilli())}
			has.Seal(serverKey)
			f.took[u.hash] = has
			w.Header().Set(wire.BlobReceipt, has.Header())
		}
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(name, wire.BlobThumbnail):
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		h, _, _ := blob.ParseName(name)
		var from, to int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
			f.t.Error(err)
		}
		to = min(to+1, len(f.has[h]))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(f.has[h])))
		w.WriteHeader(http.StatusPartialContent)
		w.(http.Flusher).Flush()
		f.passes(int64(to - from))
		w.Write(f.has[h][from:to])
	default:
		f.t.Errorf("%s %s", r.Method, r.URL.Path)
	}
	return true
}

// While files are carried, what is said to be left is left, the time too, and the bar
// goes forward only.
func TestFilesLeft(t *testing.T) {
	const rate = 10_000 // bytes a second
	long := func(fill byte, n int) []byte { return bytes.Repeat([]byte{fill}, n) }
	f := &depot{t: t, rate: rate, has: map[blob.Hash][]byte{}, took: map[blob.Hash]blob.Receipt{}}
	bubble(t, f.serve, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		d, err := s.Device()
		if err != nil {
			t.Fatal(err)
		}
		village := d.Assigned.Villages[0].Code
		all := int64(0)
		for fill, n := range map[byte]int{'a': 500_000, 'b': 500_000} {
			if _, err := s.AddBlob(t.Context(), village, store.BlobNote{Kind: "jpg"}, long(fill, n), nil); err != nil {
				t.Fatal(err)
			}
			all += int64(n)
		}
		// A visit shows two that are at the server.
		var names []string
		for _, fill := range []byte{'c', 'd'} {
			b := long(fill, 500_000)
			h := blob.Hash(sha256.Sum256(b))
			f.has[h] = b
			names = append(names, blob.Name(h, "jpg"))
			all += int64(len(b))
		}
		if _, err := s.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"photos": record.Value(`["` + strings.Join(names, `","`) + `"]`)}}); err != nil {
			t.Fatal(err)
		}
		for h := range f.has {
			if err := s.Want(t.Context(), h, "jpg"); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error, 1)
		begun := time.Now()
		go func() {
			_, err := c.Once(t.Context())
			ended <- err
		}()
		type said struct {
			after time.Duration
			Progress
			words string
			share float64
		}
		var heard []said
		for done := false; !done; {
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
				done = true
			case <-time.After(time.Second):
				p := c.State().Progress
				share, _ := p.Share()
				heard = append(heard, said{time.Since(begun), p, p.Words(form.Zh), share})
			}
		}
		took := time.Since(begun)
		timed, shares := 0, 0.0
		for _, h := range heard {
			if h.Files == 0 {
				continue
			}
			if h.share < shares {
				t.Errorf("after %v the bar goes back from %v to %v", h.after, shares, h.share)
			}
			shares = h.share
			if left := h.UpLeft + h.DownLeft; left > 0 {
				// What passes is known when a part has: about eight seconds of the line.
				if real := all - int64(h.after/time.Second)*rate; left < real-rate || left > real+14*rate {
					t.Errorf("after %v %d bytes are said to be left, %d are", h.after, left, real)
				}
			}
			if h.Left > 0 {
				timed++
				if real := took - h.after; h.Left < real-2*time.Second || h.Left > real+14*time.Second {
					t.Errorf("after %v %v are said to be left, %v are", h.after, h.Left, real)
				}
				if !strings.Contains(h.words, "张照片等文件（") || !strings.Contains(h.words, "约需") {
					t.Errorf("it is told %q", h.words)
				}
			}
		}
		if timed < len(heard)*3/4 || shares < 0.9 || len(heard) < 150 {
			t.Errorf("of %d times that it was asked, %d said how long it takes; the bar came to %v", len(heard), timed, shares)
		}
		if p := c.State().Progress; p.Files != 0 || p.Left != 0 {
			t.Errorf("in the end: %+v", p)
		}
	})
}
