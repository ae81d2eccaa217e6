package syncclient

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// host is where the servers of these tests are said to be: as long as
// "localhost", so that requests by both names are of one size.
const host = "zhucun.cn"

// chain is a certificate for host and, as its end, one of key's own. The same
// key always gives the same ones: the system's are read once a process.
func chain(t *testing.T, key ed25519.PrivateKey) tls.Certificate {
	t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's key"},
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := *ca
	leaf.SerialNumber, leaf.Subject, leaf.DNSNames = big.NewInt(2), pkix.Name{CommonName: host}, []string{host}
	leaf.IsCA, leaf.KeyUsage = false, x509.KeyUsageDigitalSignature
	own := ed25519.NewKeyFromSeed([]byte("the seed of a certificate, of 32"))
	c := tls.Certificate{PrivateKey: own}
	for _, p := range []struct {
		c   *x509.Certificate
		key any
	}{{&leaf, own.Public()}, {ca, key.Public()}} {
		der, err := x509.CreateCertificate(nil, p.c, ca, p.key, key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificate = append(c.Certificate, der)
	}
	return c
}

// secured is a server behind the chain of key.
func secured(t *testing.T, key ed25519.PrivateKey, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{chain(t, key)}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// connects is a proxy that leads every CONNECT with that user to addr.
func connects(t *testing.T, addr string) *url.URL {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Authorization") != "" {
			t.Errorf("the proxy was asked to %s %s, %v", r.Method, r.RequestURI, r.Header)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("li:geheim")) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		up, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { io.Copy(up, conn); up.Close() }()
		go func() { io.Copy(conn, up); conn.Close() }()
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("li", "geheim")
	return u
}

// trust makes the system trust a chain, where it asks the environment and has
// not been asked before.
func trust(t *testing.T, c tls.Certificate) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[1]}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: host}); err != nil {
		t.Log("this system cannot be made to trust a test:", err)
	}
}

// Each row is who is at the other end, directly or behind a proxy. Whoever has
// not the code's key learns nothing, not even the laptop's token, and can have
// nothing stored.
func TestPin(t *testing.T) {
	stranger := ed25519.NewKeyFromSeed([]byte("a stranger's seed, of 32 bytes.."))
	trust(t, chain(t, stranger))
	tests := []struct {
		name  string
		key   ed25519.PrivateKey
		proxy bool
		want  error
	}{
		{"our server", serverKey, false, nil},
		{"our server behind a proxy", serverKey, true, nil},
		{"a stranger whom the system trusts", stranger, false, errPin},
		{"such a stranger behind a proxy", stranger, true, errPin},
	}
	var size int64
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s *store.Store
			asked := false
			srv := secured(t, tt.key, func(w http.ResponseWriter, r *http.Request) {
				asked = true
				m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
				if err != nil {
					t.Error(err)
					return
				}
				reply(w, acknowledge(t, s, m))
			})
			at, err := url.Parse(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			name := "localhost:"
			if tt.proxy {
				name = host + ":"
			}
			var c *Client
			c, s = laptop(t, "https://"+name+at.Port())
			if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Pin = identity.PinOf(serverKey.Public().(ed25519.PublicKey)) }); err != nil {
				t.Fatal(err)
			}
			c.ways = by(nil)
			if tt.proxy {
				c.ways = by(connects(t, srv.Listener.Addr().String()))
			}
			t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
			visit(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := c.Once(ctx); !errors.Is(err, tt.want) || asked != (tt.want == nil) {
				t.Fatalf("Once: %v, want %v; asked: %v", err, tt.want, asked)
			}
			if tt.want != nil {
				return
			}
			// Counted is what is said inside of TLS, however it goes there.
			c.http.HTTPClient.CloseIdleConnections()
			r, err := c.Once(ctx)
			n := r.BytesUp + r.BytesDown
			if size == 0 {
				size = n
			}
			if err != nil || n > 500 || n < size-8 || n > size+8 {
				t.Errorf("%+v, %v; want about %d bytes", r, err, size)
			}
		})
	}
}

// A proxy that refuses, one that does not understand, and one of a kind that is not
// known, are a line that is down: the work waits.
func TestProxyRefuses(t *testing.T) {
	refuses := connects(t, "")
	refuses.User = nil
	for _, proxy := range []*url.URL{refuses, {Scheme: "socks5", Host: refuses.Host}, {Scheme: "https", Host: refuses.Host}} {
		c, s := laptop(t, "https://"+host)
		c.ways = by(proxy)
		visit(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := c.Once(ctx); !errors.Is(err, errNoAnswer) || pending(t, s) != 1 {
			t.Errorf("%s: %v, %d pending", proxy, err, pending(t, s))
		}
		cancel()
	}
}

// A second code is for the key that it names, also where a connection to the
// first one's is still open.
func TestPinOfSecondCode(t *testing.T) {
	stranger := ed25519.NewKeyFromSeed([]byte("a stranger's seed, of 32 bytes.."))
	asked := 0
	srv := secured(t, stranger, func(w http.ResponseWriter, r *http.Request) {
		asked++
		io.Copy(io.Discard, r.Body)
		b, err := wire.Encode(&wire.Fault{Code: wire.FaultCode}, wire.Quick)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusForbidden)
		w.Write(b)
	})
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := New(s, "test", slog.New(slog.DiscardHandler))
	t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
	for _, tt := range []struct {
		key  ed25519.PrivateKey
		want error
	}{{stranger, ErrBadCode}, {serverKey, errPin}} {
		code := identity.Code{URL: srv.URL, Pin: identity.PinOf(tt.key.Public().(ed25519.PublicKey))}
		if _, err := c.Enrol(t.Context(), code.String()); !errors.Is(err, tt.want) || asked != 1 {
			t.Errorf("Enrol: %v, want %v; asked %d times", err, tt.want, asked)
		}
	}
}
