package cli

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// A laptop that comes back to the same server goes on with its session; with one that
// was started anew it begins anew.
func TestSessionsGoOn(t *testing.T) {
	k, err := makeKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cache := tls.NewLRUClientSessionCache(1)
	serve := func() string {
		agents, pages, err := k.certificates([]string{"127.0.0.1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		secure := tls.NewListener(l, tlsConfig(agents, pages, false))
		go func() {
			for {
				conn, err := secure.Accept()
				if err != nil {
					return
				}
				go func() {
					io.WriteString(conn, "x") // what follows the ticket
					conn.Close()
				}()
			}
		}()
		return l.Addr().String()
	}
	goesOn := func(addr string) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		d := tls.Dialer{Config: &tls.Config{ServerName: "127.0.0.1", InsecureSkipVerify: true, ClientSessionCache: cache}}
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		return conn.(*tls.Conn).ConnectionState().DidResume
	}
	first := serve()
	if goesOn(first) || !goesOn(first) || !goesOn(first) {
		t.Error("sessions do not go on")
	}
	if goesOn(serve()) {
		t.Error("a session outlives its server: the key of its ticket lies somewhere")
	}
}
