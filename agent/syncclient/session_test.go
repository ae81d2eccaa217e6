package syncclient

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// wired counts the bytes below TLS.
type wired struct {
	net.Conn
	n *atomic.Int64
}

func (w wired) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.n.Add(int64(n))
	return n, err
}

func (w wired) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.n.Add(int64(n))
	return n, err
}

// counting has a client's bytes below TLS counted.
func counting(c *Client) *atomic.Int64 {
	n, dial := new(atomic.Int64), c.dial
	c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return wired{conn, n}, err
	}
	return n
}

func pinOf(key ed25519.PrivateKey) identity.Pin {
	return identity.PinOf(key.Public().(ed25519.PublicKey))
}

func pin(t *testing.T, s *store.Store, key ed25519.PrivateKey) {
	t.Helper()
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Pin = pinOf(key) }); err != nil {
		t.Fatal(err)
	}
}

// takes is a server that takes everything, and notes whether the last connection went
// on with a session.
func takes(t *testing.T, s **store.Store, resumed *atomic.Bool) http.HandlerFunc {
	h, _ := good(t, s, func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		resumed.Store(r.TLS.DidResume)
		return false
	})
	return h
}

// A second connection goes on with the session of the first, and so does that of an
// agent that was started anew; which is fewer bytes.
func TestSessionGoesOn(t *testing.T) {
	var s *store.Store
	var resumed atomic.Bool
	srv := secured(t, serverKey, takes(t, &s, &resumed))
	c, s := laptop(t, srv.URL)
	pin(t, s, serverKey)
	var sizes []int64
	for i, again := range []func(){func() {}, c.http.HTTPClient.CloseIdleConnections, func() {
		c = New(s, "test", slog.New(slog.DiscardHandler))
		t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
	}} {
		again()
		n := counting(c)
		if _, err := c.Once(t.Context()); err != nil || resumed.Load() != (i > 0) {
			t.Fatalf("sync %d: %v; it went on with a session: %v", i, err, resumed.Load())
		}
		sizes = append(sizes, n.Load())
	}
	t.Logf("bytes below TLS: %d", sizes)
	if sizes[1] > sizes[0]*2/3 || sizes[2] > sizes[0]*2/3 {
		t.Errorf("bytes below TLS: %d; want the later ones less than two thirds", sizes)
	}
}

// Each row is a session that is kept, and what of it is not as the laptop's server is
// now. It is not gone on with; and where it is the stranger's own, under our server's
// name, the pin holds all the same.
func TestSessionOfAnother(t *testing.T) {
	stranger := ed25519.NewKeyFromSeed([]byte("a stranger's seed, of 32 bytes.."))
	tests := []struct {
		name     string
		answers  ed25519.PrivateKey
		kept     func(of, now store.Session) store.Session
		want     error
		goesOn   bool
		presents bool // a session is offered to who answers
	}{
		{"as it was kept", serverKey, func(of, _ store.Session) store.Session { return of }, nil, true, true},
		{"with another address", serverKey, func(of, _ store.Session) store.Session { of.Address = "zhucun.cn:443"; return of }, nil, false, false},
		{"with another key", serverKey, func(of, _ store.Session) store.Session { of.Pin = pinOf(stranger); return of }, nil, false, false},
		{"that cannot be read", serverKey, func(of, _ store.Session) store.Session { of.State = of.State[:9]; return of }, nil, false, false},
		{"the stranger's own under our server's name", stranger, func(of, now store.Session) store.Session {
			of.Pin, of.Address = now.Pin, now.Address
			return of
		}, errPin, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s *store.Store
			var resumed, asked atomic.Bool
			good := takes(t, &s, &resumed)
			srv := secured(t, tt.answers, func(w http.ResponseWriter, r *http.Request) { asked.Store(true); good(w, r) })
			c, s := laptop(t, srv.URL)
			// A session with who answers, as whoever trusts that key begins it.
			pin(t, s, tt.answers)
			if _, err := c.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
			of, err := s.Session()
			if err != nil || len(of.Ticket) == 0 {
				t.Fatalf("no session was kept: %v", err)
			}
			pin(t, s, serverKey)
			now := store.Session{Address: srv.Listener.Addr().String(), Pin: pinOf(serverKey)}
			if err := s.SetSession(t.Context(), tt.kept(of, now)); err != nil {
				t.Fatal(err)
			}
			asked.Store(false)
			c = New(s, "test", slog.New(slog.DiscardHandler))
			t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
			if _, offered := (&sessions{c, now.Address, now.Pin}).Get(""); offered != tt.presents {
				t.Errorf("it is offered: %v", offered)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := c.Once(ctx); !errors.Is(err, tt.want) || asked.Load() != (tt.want == nil) || tt.want == nil && resumed.Load() != tt.goesOn {
				t.Errorf("Once: %v, want %v; asked: %v, it went on: %v", err, tt.want, asked.Load(), resumed.Load())
			}
		})
	}
}

// A server that was started anew has forgotten the session: the laptop begins anew, with
// keys that a computer to come cannot find out, before it says anything.
func TestSessionForgotten(t *testing.T) {
	var s *store.Store
	var resumed atomic.Bool
	var curve atomic.Uint32
	good := takes(t, &s, &resumed)
	srv := secured(t, serverKey, func(w http.ResponseWriter, r *http.Request) {
		curve.Store(uint32(r.TLS.CurveID))
		good(w, r)
	})
	c, s := laptop(t, srv.URL)
	pin(t, s, serverKey)
	for i, want := range []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.X25519MLKEM768, tls.X25519} {
		if i == 2 {
			srv.TLS.SetSessionTicketKeys([][32]byte{{1}})
		}
		c.http.HTTPClient.CloseIdleConnections()
		if r, err := c.Once(t.Context()); err != nil || r.RoundTrips != 1 || resumed.Load() != (i%2 == 1) || tls.CurveID(curve.Load()) != want {
			t.Errorf("sync %d: %v, %d trips; it went on: %v, with %v; want %v", i, err, r.RoundTrips, resumed.Load(), tls.CurveID(curve.Load()), want)
		}
	}
}

// A session is written once in some hours, not with every connection.
func TestSessionIsWrittenRarely(t *testing.T) {
	var s *store.Store
	var resumed atomic.Bool
	srv := secured(t, serverKey, takes(t, &s, &resumed))
	c, s := laptop(t, srv.URL)
	pin(t, s, serverKey)
	var kept []byte
	for i := range 5 {
		c.http.HTTPClient.CloseIdleConnections()
		if i == 4 {
			c.session.kept.At -= keepSession.Milliseconds()
		}
		if _, err := c.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		now, err := s.Session()
		if err != nil {
			t.Fatal(err)
		}
		if fresh := string(kept) != string(now.Ticket); fresh != (i == 0 || i == 4) {
			t.Errorf("sync %d: it was written: %v", i, fresh)
		}
		kept = now.Ticket
	}
}

// What HTTP/2 would cost: see doc.go.
func TestOneRequestInHTTP2(t *testing.T) {
	size := func(protocols func(*http.Protocols)) (first, second int64) {
		var s *store.Store
		h, _ := good(t, &s, func(_ int, w http.ResponseWriter, r *http.Request) bool {
			// As the server answers one who is told nothing.
			w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
			reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli()})
			return true
		})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := new(http.Protocols)
		protocols(p)
		srv := &http.Server{Handler: h, Protocols: p}
		go srv.Serve(l)
		t.Cleanup(func() { srv.Close() })
		c, s := laptop(t, "http://"+l.Addr().String())
		c.http.HTTPClient.Transport.(*http.Transport).Protocols = p
		for _, n := range []*int64{&first, &second} {
			r, err := c.Once(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			*n = r.BytesUp + r.BytesDown
		}
		c.http.HTTPClient.CloseIdleConnections()
		return first, second
	}
	one, again := size(func(p *http.Protocols) { p.SetHTTP1(true) })
	two, twice := size(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	t.Logf("HTTP/1.1 %d bytes, and %d on the same connection; HTTP/2 %d and %d", one, again, two, twice)
	if one >= two || one > 250 {
		t.Errorf("HTTP/1.1 %d bytes, HTTP/2 %d: the choice was made where it was the smaller, and at most 250", one, two)
	}
}
