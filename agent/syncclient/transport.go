package syncclient

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"zhucun/shared/identity"
)

// counter counts what goes over the connections: HTTP requests and answers
// whole, headers included, before TLS.
type counter struct{ up, down atomic.Int64 }

func (c *counter) reset() {
	c.up.Store(0)
	c.down.Store(0)
}

func (c *counter) read() (up, down int64) { return c.up.Load(), c.down.Load() }

// counted is a connection whose bytes are counted, above TLS where there is
// TLS.
type counted struct {
	net.Conn
	c *counter
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.c.down.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.c.up.Add(int64(n))
	return n, err
}

// errPin says that whoever answered does not have the key that the enrolment
// code named.
var errPin = errors.New("the server's key is not the one of the enrolment code; nothing was sent to it")

// transport is HTTP over connections that are counted and pinned. The laptop's
// clock does not matter to it: a certificate's dates are not looked at, its key
// is.
func (c *Client) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 20 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return counted{conn, c.count}, nil
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			d, err := c.store.Device()
			if err != nil {
				return nil, err
			}
			raw, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			host, _, _ := net.SplitHostPort(addr)
			conn := tls.Client(raw, &tls.Config{
				ServerName:         host,
				MinVersion:         tls.VersionTLS12,
				InsecureSkipVerify: true, // pinned verifies instead
				VerifyConnection:   pinned(d.Pin),
			})
			if err := conn.HandshakeContext(ctx); err != nil {
				raw.Close()
				return nil, err
			}
			return counted{conn, c.count}, nil
		},
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   1,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		DisableCompression:    true,
	}
}

// pinned accepts a chain whose first certificate is signed by the Ed25519 key
// of that pin, which is the last one's.
func pinned(pin identity.Pin) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		chain := s.PeerCertificates
		if len(chain) < 2 {
			return errPin
		}
		ca := chain[len(chain)-1]
		key, ok := ca.PublicKey.(ed25519.PublicKey)
		if !ok || identity.PinOf(key) != pin {
			return errPin
		}
		for i := range len(chain) - 1 {
			if err := chain[i].CheckSignatureFrom(chain[i+1]); err != nil {
				return fmt.Errorf("%w (%w)", errPin, err)
			}
		}
		return nil
	}
}

// plain says in few words why a connection failed.
func plain(err error) error {
	var dns *net.DNSError
	var u *url.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nobody answers at its address")
	case errors.As(err, &dns):
		return errors.New("its name cannot be found")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("it took too long")
	case errors.As(err, &u):
		return u.Err
	}
	return err
}
