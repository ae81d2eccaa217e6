package syncclient

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zhucun/agent/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const village = record.Village("369999000001")

var serverKey = ed25519.NewKeyFromSeed([]byte("a server's seed of 32 bytes, 012"))

// enrol makes a device one of the server at url.
func enrol(url string) func(*store.Device) {
	return func(d *store.Device) {
		d.ID, d.Token, d.URL, d.Server = "device", "token", url, serverKey.Public().(ed25519.PublicKey)
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: village}}, Role: identity.TeamMember, Profiles: []string{"王"}}
		d.Escrowed = epoch
	}
}

// epoch is that of the servers of these tests.
var epoch = wire.Epoch{1}

// laptop is a client with a store that is enrolled at url.
func laptop(t *testing.T, url string) (*Client, *store.Store) {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(t.Context(), enrol(url)); err != nil {
		t.Fatal(err)
	}
	c := New(s, "test", slog.New(slog.DiscardHandler))
	c.ways = by(nil)
	t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
	return c, s
}

func visit(t *testing.T, s *store.Store) {
	t.Helper()
	if _, err := s.Save(context.Background(), store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": `"屋顶漏雨"`}}); err != nil {
		t.Fatal(err)
	}
}

// taken is what the servers of these tests have: the hash of each segment's last
// entry.
var taken sync.Map

// acknowledge answers a request as a server does that takes everything.
func acknowledge(t *testing.T, s *store.Store, m *wire.Sync) *wire.Synced {
	d, err := s.Device()
	if err != nil {
		t.Error(err)
	}
	a := &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli()}
	for _, p := range m.Villages {
		pull := wire.Pull{Village: p.Village, Epoch: epoch, Cursor: p.Cursor + 1, From: p.Cursor}
		if p.Epoch != pull.Epoch {
			pull.From = 0
		}
		for _, raw := range p.Segments {
			seg, err := journal.Decode(raw)
			if err != nil {
				t.Error(err)
				continue
			}
			head := journal.Head{Seq: seg.From - 1}
			if hash, ok := taken.Load(record.Dot{Stream: seg.Stream, Seq: head.Seq}); ok {
				head.Hash = hash.(journal.Hash)
			}
			hashes, err := seg.Open(d.Private().Public().(ed25519.PublicKey), p.Village, head)
			if err != nil {
				t.Error(err)
				continue
			}
			taken.Store(record.Dot{Stream: seg.Stream, Seq: seg.Last()}, hashes[len(hashes)-1])
			r := journal.Receipt{Stream: seg.Stream, From: seg.From, Seq: seg.Last(), Received: clock.At0(time.Now().UnixMilli())}
			r.Seal(serverKey, hashes[len(hashes)-1])
			pull.Receipts = append(pull.Receipts, r)
			pull.Heads = append(pull.Heads, wire.StreamHead{Stream: seg.Stream, Seq: seg.Last()})
		}
		a.Villages = append(a.Villages, pull)
	}
	return a
}

func reply(w http.ResponseWriter, m any) {
	b, err := wire.Encode(m, wire.Quick)
	if err != nil {
		panic(err)
	}
	w.Write(b)
}

// good is a server that takes the n-th request as the test says and all others
// as it should.
func good(t *testing.T, s **store.Store, odd func(n int, w http.ResponseWriter, r *http.Request) bool) (http.HandlerFunc, *atomic.Int32) {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1))
		if odd != nil && odd(i, w, r) {
			return
		}
		if r.ContentLength == 0 { // a question that it does not know
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		reply(w, acknowledge(t, *s, m))
	}, &n
}

// server is good on loopback.
func server(t *testing.T, s **store.Store, odd func(n int, w http.ResponseWriter, r *http.Request) bool) (*httptest.Server, *atomic.Int32) {
	h, n := good(t, s, odd)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv, n
}

func pending(t *testing.T, s *store.Store) uint64 {
	t.Helper()
	st, err := s.Status()
	if err != nil {
		t.Fatal(err)
	}
	return st.Pending
}

func cut(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// later is a message of the next version.
func later(m any) []byte {
	b, err := wire.Encode(m, wire.Quick)
	if err != nil {
		panic(err)
	}
	b[len("ZC\xB7")]++
	return b
}

// Each row is what stands between the laptop and its server, what the sync says
// of it, and whether the work arrives.
func TestWhatAnswers(t *testing.T) {
	portal := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the portal's page was asked to %s, with %v", r.Method, r.Header)
	}))
	t.Cleanup(portal.Close)
	portal.Config.ErrorLog = log.New(io.Discard, "", 0)
	tests := []struct {
		name    string
		odd     func(n int, w http.ResponseWriter, r *http.Request) bool
		want    error
		arrives bool
	}{
		{"the server", nil, nil, true},
		{"a line cut twice", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n <= 2 {
				cut(w)
			}
			return n <= 2
		}, nil, true},
		{"an answer cut off", func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 1 {
				w.Header().Set("Content-Length", "5000")
				w.Write([]byte{'Z', 'C', 0xB7, 1, 0})
			}
			return n == 1
		}, nil, true},
		{"a server that fails once", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return n == 1
		}, nil, true},
		{"a portal", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			io.WriteString(w, "<html>请登录网络</html>")
			return true
		}, ErrForeign, false},
		{"a portal that forbids", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "<html>log in</html>", http.StatusForbidden)
			return true
		}, ErrForeign, false},
		{"revoked", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			b, _ := wire.Encode(&wire.Fault{Code: wire.FaultRevoked}, wire.Quick)
			w.WriteHeader(http.StatusForbidden)
			w.Write(b)
			return true
		}, ErrRevoked, false},
		{"a server of a later release", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Write(later(&wire.Synced{Version: wire.Version + 1}))
			return true
		}, ErrUnfit, false},
		{"a server of a later release that refuses", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadRequest)
			w.Write(later(&wire.Fault{Code: wire.FaultVersion}))
			return true
		}, ErrUnfit, false},
		{"a refusal cut off", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				b, _ := wire.Encode(&wire.Fault{Code: wire.FaultRevoked}, wire.Quick)
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(http.StatusForbidden)
				w.Write(b[:len(b)-3])
			}
			return n == 1
		}, nil, true},
		{"a proxy that waited too long for the request", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				http.Error(w, "<html>408 Request Time-out</html>", http.StatusRequestTimeout)
			}
			return n == 1
		}, nil, true},
		{"a proxy that finds the request too large", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				http.Error(w, "<html>413 Request Entity Too Large</html>", http.StatusRequestEntityTooLarge)
			}
			return n == 1
		}, nil, true},
		{"a portal that leads to its page", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", portal.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}, ErrForeign, false},
		{"a server that takes nothing", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli()})
			return true
		}, errNoAdvance, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s *store.Store
			srv, _ := server(t, &s, tt.odd)
			var c *Client
			c, s = laptop(t, srv.URL)
			visit(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := c.Once(ctx)
			if !errors.Is(err, tt.want) {
				t.Errorf("Once: %v, want %v", err, tt.want)
			}
			if arrived := pending(t, s) == 0; arrived != tt.arrives {
				t.Errorf("arrived: %v", arrived)
			}
		})
	}
}

// A server that asks for patience is not asked again within a sync that has no
// end, and the wait is what it said, but never more than an hour.
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "86400": time.Hour, "": time.Minute, "soon": time.Minute, "-3": time.Minute} {
		var s *store.Store
		srv, n := server(t, &s, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		var c *Client
		c, s = laptop(t, srv.URL)
		_, err := c.Once(t.Context())
		var p patience
		if !errors.As(err, &p) || p.after != want || n.Load() != 1 {
			t.Errorf("Retry-After %q: %v after %d requests, want %v after 1", header, err, n.Load(), want)
		}
	}
}

// With nothing to say a sync is one trip of some hundred bytes.
func TestNothingToSay(t *testing.T) {
	var s *store.Store
	srv, _ := server(t, &s, nil)
	var c *Client
	c, s = laptop(t, srv.URL)
	if _, err := c.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := c.Once(t.Context())
	if err != nil || r.RoundTrips != 1 || r.BytesUp+r.BytesDown > 500 {
		t.Errorf("%+v, %v; want one trip and at most 500 bytes", r, err)
	}
}

// The schedule syncs after a save, and stops at once with a request under way.
func TestRun(t *testing.T) {
	var s *store.Store
	hang := make(chan struct{})
	srv, n := server(t, &s, func(i int, w http.ResponseWriter, r *http.Request) bool {
		if i < 3 {
			return false
		}
		select { // the third request is never answered
		case <-hang:
		case <-r.Context().Done():
		}
		return true
	})
	var c *Client
	c, s = laptop(t, srv.URL)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(ended)
	}()
	until := func(what string, ok func() bool) {
		t.Helper()
		for range 200 {
			if ok() {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("never: %s", what)
	}
	until("a first sync", func() bool { return n.Load() >= 1 })
	visit(t, s)
	until("the save delivered by itself", func() bool { return pending(t, s) == 0 })
	visit(t, s)
	until("a request under way", func() bool { return n.Load() >= 3 })
	begin := time.Now()
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("Run goes on after its context ended")
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("Run took %v to stop", d)
	}
	close(hang)
	if pending(t, s) != 1 {
		t.Error("the unanswered change is not pending")
	}
}

// Nobody answers: the sync ends with its context and nothing is lost.
func TestNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c, s := laptop(t, "http://"+addr)
	visit(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Once(ctx); !errors.Is(err, errNoAnswer) || pending(t, s) != 1 {
		t.Errorf("Once: %v, %d pending", err, pending(t, s))
	}
}

// A request says how much is free on the disk of the data, coarsely, and nothing where the
// system does not tell.
func TestSaysRoom(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := New(s, "test", slog.New(slog.DiscardHandler))
	for _, row := range []struct {
		free uint64
		err  error
		want uint64
	}{{0, nil, 1}, {130 << 20, nil, 2}, {9<<30 + 1, nil, 9 << 30 / wire.RoomUnit}, {9<<30 + 900<<20, nil, 9 << 30 / wire.RoomUnit}, {1 << 30, errors.New("no"), 0}} {
		asked := ""
		c.room = func(dir string) (uint64, uint64, error) {
			asked = dir
			return row.free, 100 << 30, row.err
		}
		if m := c.request(&store.Device{}, nil, nil); m.Room != row.want || asked != s.Dir() {
			t.Errorf("%d free, %v: says %d of %s, want %d", row.free, row.err, m.Room, asked, row.want)
		}
	}
	if now := New(s, "test", slog.New(slog.DiscardHandler)).request(&store.Device{}, nil, nil); now.Room == 0 {
		t.Error("this system does not tell")
	}
}
