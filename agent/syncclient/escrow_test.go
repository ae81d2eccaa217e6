package syncclient

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/escrow"
	"zhucun/shared/wire"
)

// The key of the data is handed in once in each life of the server's data, sealed
// to the server, and a server that does not take it hinders no sync.
func TestHandIn(t *testing.T) {
	var kept []byte
	asked, takes, life := 0, false, epoch
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.EscrowPath {
			reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli(), Villages: []wire.Pull{{Village: village, Epoch: life}}})
			return
		}
		asked++
		if !takes {
			http.NotFound(w, r)
			return
		}
		m := new(wire.Escrow)
		if err := decode(r.Body, nil, m); err != nil {
			t.Error(err)
		}
		kept = m.Sealed
		reply(w, &wire.Escrowed{Epoch: life})
	}))
	defer srv.Close()
	c, s := laptop(t, srv.URL)
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Escrowed = wire.Epoch{} }); err != nil {
		t.Fatal(err)
	}
	for i, row := range []struct {
		takes bool
		life  wire.Epoch
		asked int
	}{
		{false, epoch, 1}, {true, epoch, 2}, {true, epoch, 2}, {true, wire.Epoch{2}, 3}, {true, wire.Epoch{2}, 3},
	} {
		takes, life = row.takes, row.life
		if _, err := c.Once(t.Context()); err != nil {
			t.Fatalf("sync %d: %v", i, err)
		}
		if asked != row.asked {
			t.Errorf("sync %d: it was handed in %d times, want %d", i, asked, row.asked)
		}
	}
	if key, err := escrow.Open(kept, "device", serverKey); err != nil || !bytes.Equal(key, make([]byte, store.KeySize)) {
		t.Errorf("what the server has opens as %x, %v", key, err)
	}
}
