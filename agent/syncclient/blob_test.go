package syncclient

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"zhucun/agent/store"
)

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
