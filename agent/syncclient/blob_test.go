package syncclient

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/blob"
)

// An original gives way to a photo that is added while it is on its way, and to records;
// one that cannot be read keeps nobody waiting.
func TestOriginalGivesWay(t *testing.T) {
	c, s := laptop(t, "http://127.0.0.1:1")
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	add := func(content string, of ...blob.Hash) store.Blob {
		t.Helper()
		b, err := s.AddBlob(t.Context(), d.Assigned.Villages[0].Code, store.BlobNote{Kind: "jpg", Of: of}, []byte(content), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	done := func(b store.Blob) {
		t.Helper()
		if err := s.Mark(t.Context(), b.Village, b.Hash, func(b *store.Blob) { b.Delivered = true }); err != nil {
			t.Fatal(err)
		}
	}
	photo := add("photo")
	done(photo)
	original := add("the photo as it came", photo.Hash)
	if err := c.first(&original); err != nil {
		t.Errorf("alone: %v", err)
	}
	next := add("another photo")
	if err := c.first(&original); !errors.Is(err, errPhotos) {
		t.Errorf("with a photo waiting: %v", err)
	}
	if err := c.first(&next); err != nil {
		t.Errorf("the photo itself: %v", err)
	}
	if err := s.Mark(t.Context(), next.Village, next.Hash, func(b *store.Blob) { b.Damaged = true }); err != nil {
		t.Fatal(err)
	}
	if err := c.first(&original); err != nil {
		t.Errorf("with one that cannot be read: %v", err)
	}
	visit(t, s)
	if err := c.first(&original); !errors.Is(err, errText) {
		t.Errorf("with a record waiting: %v", err)
	}
}

// A file that cannot be read is not announced: the server expects only so many, and
// gives up the oldest, which may be half here.
func TestUnreadNotAnnounced(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer srv.Close()
	c, s := laptop(t, srv.URL)
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.AddBlob(t.Context(), d.Assigned.Villages[0].Code, store.BlobNote{Kind: "pdf"}, []byte("%PDF"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.bring(t.Context(), &d, &b, new(Report)); err == nil || asked.Load() != 1 {
		t.Errorf("one that can be read: asked %d times, %v", asked.Load(), err)
	}
	if err := os.RemoveAll(filepath.Join(s.Dir(), "blobs")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.bring(t.Context(), &d, &b, new(Report)); !errors.Is(err, fs.ErrNotExist) || asked.Load() != 1 {
		t.Errorf("one that is gone: asked %d times, %v", asked.Load(), err)
	}
}

// What the office lost before a backup had it comes again from here, within a day and
// without anybody's asking. Whatever is in a backup is asked for no more, and the other
// syncs of a day take one trip.
func TestOfficeLosesFile(t *testing.T) {
	f := &depot{t: t, rate: 1 << 20, took: map[blob.Hash]blob.Receipt{}}
	bubble(t, f.serve, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		d, err := s.Device()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Once(t.Context()); err != nil { // which tells it the epoch
			t.Fatal(err)
		}
		without, err := c.Once(t.Context())
		nothing := without.BytesUp + without.BytesDown
		if err != nil || without.RoundTrips != 1 {
			t.Fatalf("%+v, %v", without, err)
		}
		var all []store.Blob
		for _, text := range []string{"%PDF first", "%PDF second"} {
			b, err := s.AddBlob(t.Context(), d.Assigned.Villages[0].Code, store.BlobNote{Kind: "pdf"}, []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
		// sync is one, which asks about so many files and brings so many.
		sync := func(what string, asks, brings int) {
			t.Helper()
			f.asked = 0
			r, err := c.Once(t.Context())
			if err != nil || f.asked != asks || r.Files != brings || asks == 0 && (r.RoundTrips != 1 || r.BytesUp+r.BytesDown != nothing) {
				t.Errorf("%s: asked about %d, %+v, %v; want %d and %d files", what, f.asked, r, err, asks, brings)
			}
			if st, err := s.Status(); err != nil || st.Blobs > 0 || len(f.took) != len(all) {
				t.Errorf("%s: %d wait, the office has %d; %v", what, st.Blobs, len(f.took), err)
			}
		}
		sync("two are new", 2, 2)
		sync("nothing happened", 0, 0)
		time.Sleep(20 * time.Hour)
		delete(f.took, all[0].Hash)
		f.took[blob.Hash{}] = blob.Receipt{} // somebody else's
		sync("before a day has passed", 0, 0)
		delete(f.took, blob.Hash{})
		time.Sleep(5 * time.Hour)
		f.silent = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		c.Once(ctx) // and so it is asked again
		cancel()
		f.silent = false
		sync("the day after", 2+1, 1) // and, before it goes, about the one
		sync("and then", 0, 0)
		f.backed = time.Now().UnixMilli()
		time.Sleep(25 * time.Hour)
		sync("there is a backup", 2, 0)
		time.Sleep(25 * time.Hour)
		sync("all is in it", 0, 0)
		if _, err := s.AddBlob(t.Context(), d.Assigned.Villages[0].Code, store.BlobNote{Kind: "pdf"}, []byte("%PDF third"), nil); err != nil {
			t.Fatal(err)
		}
		all = append(all, store.Blob{})
		sync("another", 1, 1)
		time.Sleep(25 * time.Hour)
		sync("of that alone it is asked", 1, 0)
	})
}

// Of ever more files without a backup only so many are asked for a day, not always the
// same.
func TestManyWithoutBackup(t *testing.T) {
	f := &depot{t: t, rate: 1 << 20, took: map[blob.Hash]blob.Receipt{}}
	bubble(t, f.serve, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		d, err := s.Device()
		if err != nil {
			t.Fatal(err)
		}
		const many = maxMissed * 3 / 2
		for i := range many {
			if _, err := s.AddBlob(t.Context(), d.Assigned.Villages[0].Code, store.BlobNote{Kind: "pdf"}, []byte{byte(i), byte(i >> 8)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := c.Once(t.Context()); err != nil || r.Files != many {
			t.Fatalf("%+v, %v", r, err)
		}
		clear(f.took)
		for days := 0; len(f.took) < many; days++ {
			time.Sleep(25 * time.Hour)
			f.asked = 0
			if _, err := c.Once(t.Context()); err != nil || f.asked > 2*maxMissed || days > 20 {
				t.Fatalf("after %d days the office has %d of %d; asked about %d; %v", days, len(f.took), many, f.asked, err)
			}
		}
	})
}
