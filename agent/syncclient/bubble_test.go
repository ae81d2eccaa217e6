package syncclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"zhucun/agent/store"
)

// pipes is a network inside of one process, so that a test of minutes takes
// none (testing/synctest).
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// bubble runs a test on a clock that stands still while anybody works, and
// jumps when all wait. ask is the n-th request, as for good.
func bubble(t *testing.T, ask func(n int, w http.ResponseWriter, r *http.Request) bool, test func(t *testing.T, c *Client, s *store.Store, n *atomic.Int32)) {
	t.Helper()
	// What is made once a process may not be made in there.
	var warm *store.Store
	srv, _ := server(t, &warm, nil)
	c, warm := laptop(t, srv.URL)
	visit(t, warm)
	if _, err := c.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var s *store.Store
		h, n := good(t, &s, ask)
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		far := &http.Server{Handler: h}
		go far.Serve(p)
		defer far.Close()
		var c *Client
		c, s = laptop(t, "http://"+host)
		c.dial = p.dial
		c.moves = func(context.Context, func()) error { return errors.ErrUnsupported }
		test(t, c, s, n)
	})
}

// running runs the schedule until the test ends, in a bubble.
func running(t *testing.T, c *Client) {
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		synctest.Wait() // a request under way would look like a bad one
		cancel()
		<-ended
	})
}
