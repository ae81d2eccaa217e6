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

// connecting is the longest that it may take until a connection is there,
// proxy and handshake included. Without it a line gone silent would hold a sync
// until its end, and its connection for good.
const connecting = time.Minute

// transport is HTTP over connections that are counted and pinned. The laptop's
// clock does not matter to it: a certificate's dates are not looked at, its key
// is.
func (c *Client) transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.reach(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return counted{conn, c.count}, nil
		},
		// Of proxies reach knows: net/http would pass over this where there is one, and
		// trust everybody whom the system trusts.
		DialTLSContext:        c.secure,
		MaxIdleConnsPerHost:   1,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		DisableCompression:    true,
	}
}

// secure gives a connection to whoever has the key that the enrolment code
// named, and to nobody else.
func (c *Client) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	d, err := c.store.Device()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	session := &sessions{c, addr, d.Pin}
	conn, err := c.shake(ctx, network, addr, d.Pin, session)
	if errors.Is(err, errForgotten) {
		session.Put("", nil)
		conn, err = c.shake(ctx, network, addr, d.Pin, session)
	}
	if err != nil {
		return nil, err
	}
	return counted{conn, c.count}, nil
}

// errForgotten says that the server does not go on with the session, as one that was
// started anew.
var errForgotten = errors.New("the server has forgotten the session")

// shake makes a connection. Of the bytes of a handshake more than half are for keys
// that a computer to come could not find out (ML-KEM). A session that goes on has its
// secret from such keys, and does with the short ones; where the server has forgotten
// it the connection is given up, before anything is said.
func (c *Client) shake(ctx context.Context, network, addr string, pin identity.Pin, session *sessions) (net.Conn, error) {
	raw, err := c.reach(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(addr)
	config := &tls.Config{
		ServerName:         host,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // pinned verifies instead, a session that goes on too
		VerifyConnection:   pinned(pin),
		ClientSessionCache: session,
	}
	if _, goesOn := session.Get(host); goesOn {
		config.CurvePreferences = []tls.CurveID{tls.X25519}
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, unsecured(err)
	}
	if conn.ConnectionState().Version < tls.VersionTLS13 {
		session.Put("", nil) // it would give its connections up to whoever learns its secret later
	}
	if config.CurvePreferences != nil && !conn.ConnectionState().DidResume {
		raw.Close()
		return nil, errForgotten
	}
	return conn, nil
}

// unsecured says what a handshake failed by: whoever answers in plain HTTP where TLS
// is spoken is none of ours.
func unsecured(err error) error {
	var other tls.RecordHeaderError
	if errors.As(err, &other) && string(other.RecordHeader[:]) == "HTTP/" {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return err
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
