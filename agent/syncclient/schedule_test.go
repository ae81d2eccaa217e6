package syncclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/wire"
)

// A save every second goes with the others of two seconds, and waits for no
// pause between them; and the timer goes on beside them.
func TestSavesAllDay(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *Client, s *store.Store, n *atomic.Int32) {
		running(t, c)
		for range 60 {
			visit(t, s)
			time.Sleep(time.Second)
		}
		if asked := n.Load(); asked < 20 || asked > 40 || pending(t, s) > 3 {
			t.Errorf("%d requests in a minute of saves, %d pending", asked, pending(t, s))
		}
	})
}

// What a busy server asked for is waited out by the schedule, whatever happens
// meanwhile. A person who asks for a sync gets one, and what the server says to
// that counts from then on.
func TestServerBusy(t *testing.T) {
	const pause = 100 * time.Second
	var mu sync.Mutex
	var at []time.Time
	busy := func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		w.Header().Set("Retry-After", "100")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	bubble(t, busy, func(t *testing.T, c *Client, s *store.Store, n *atomic.Int32) {
		running(t, c)
		for range 200 {
			visit(t, s)
			time.Sleep(7 * time.Second)
			c.Now()
		}
		before := n.Load()
		if _, err := c.Once(t.Context()); !errors.As(err, new(patience)) || n.Load() != before+1 {
			t.Errorf("Once: %v, after %d requests", err, n.Load()-before)
		}
		time.Sleep(2 * pause)
		mu.Lock()
		defer mu.Unlock()
		if len(at) < 10 {
			t.Errorf("%d requests in 25 minutes", len(at))
		}
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap > pause*5/4 || gap < pause && i != int(before) {
				t.Errorf("request %d after %v", i, gap)
			}
		}
	})
}

// Each row is what a person's sync meets, how long the person has, and what
// comes of it.
func TestOnceWaits(t *testing.T) {
	tests := []struct {
		name     string
		after    string
		wait     time.Duration
		requests int32
		took     time.Duration
		arrives  bool
	}{
		{"there is time", "20", time.Minute, 2, 20 * time.Second, true},
		{"there is none", "70", time.Minute, 1, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			busy := func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n == 1 {
					w.Header().Set("Retry-After", tt.after)
					w.WriteHeader(http.StatusTooManyRequests)
				}
				return n == 1
			}
			bubble(t, busy, func(t *testing.T, c *Client, s *store.Store, n *atomic.Int32) {
				visit(t, s)
				ctx, cancel := context.WithTimeout(t.Context(), tt.wait)
				defer cancel()
				begin := time.Now()
				r, err := c.Once(ctx)
				if took := time.Since(begin); took != tt.took || n.Load() != tt.requests || (err == nil) != tt.arrives || (r.Pending == 0) != tt.arrives {
					t.Errorf("%v, %d requests, %+v, %v", took, n.Load(), r, err)
				}
			})
		})
	}
}

// A server may say when it wants to be asked next, but no later than in an hour. One
// that says nothing, and does not know how to wait, is asked three times: whether the
// link is good, and that once.
func TestNextPoll(t *testing.T) {
	for next, want := range map[uint64]time.Duration{0: regularly, 20: 20 * time.Second, 1 << 20: maxRetryAfter, 1 << 60: maxRetryAfter} {
		says := func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli(), Next: next})
			return true
		}
		bubble(t, says, func(t *testing.T, c *Client, _ *store.Store, n *atomic.Int32) {
			running(t, c)
			time.Sleep(want - time.Second)
			early := n.Load()
			time.Sleep(want/4 + 2*time.Second)
			first := int32(1)
			if next == 0 {
				first = 3
				time.Sleep(2 * firstPause * 3 / 2) // between those
			}
			if early != first || n.Load() != first+1 {
				t.Errorf("next %d: %d requests before %v, %d after", next, early, want, n.Load())
			}
		})
	}
}

// A line gone silent in the handshake is given up, and so is its connection.
func TestSilentLine(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.URL = "https://" + host }); err != nil {
			t.Fatal(err)
		}
		var open atomic.Int32
		c.dial = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			open.Add(1)
			go func() {
				io.Copy(io.Discard, far)
				open.Add(-1)
			}()
			return near, nil
		}
		for _, proxy := range []*url.URL{nil, {Scheme: "http", Host: "proxy.cn:3128"}} {
			c.ways = by(proxy)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				c.post(ctx, store.Device{URL: "https://" + host}, wire.SyncPath, &wire.Sync{}, new(wire.Synced), new(Report))
				close(ended)
			}()
			time.Sleep(5 * time.Minute)
			select {
			case <-ended:
			default:
				t.Errorf("by %v: it still waits", proxy)
			}
			cancel()
			<-ended
			synctest.Wait()
			if open.Load() > 0 {
				t.Errorf("by %v: %d connections left", proxy, open.Load())
			}
		}
	})
}

// Those who failed together, or were sent away together, do not come back together: by
// each pause they are further apart, and never before what a server asked for.
func TestSpread(t *testing.T) {
	const many = 200
	c, _ := laptop(t, "http://"+host)
	// apart tells how far apart so many draws are; all are from least to most.
	apart := func(name string, least, most time.Duration, draw func() time.Duration) {
		first, last := most, least
		for range many {
			d := draw()
			if d < least || d > most {
				t.Errorf("%s: %v, want %v to %v", name, d, least, most)
			}
			first, last = min(first, d), max(last, d)
		}
		if last-first < (most-least)*3/4 {
			t.Errorf("%s: all within %v of %v", name, last-first, most-least)
		}
	}
	for failures, mean := range []time.Duration{firstPause, 2 * firstPause, 4 * firstPause, 8: longPause, 80: longPause} {
		if mean > 0 {
			apart("after failures", mean/2, mean*3/2, func() time.Duration {
				return (&schedule{c: c, failures: failures}).pause(&outcome{err: errNoAnswer})
			})
		}
	}
	apart("after a cut", firstPause/2, firstPause*3/2, func() time.Duration { return (&schedule{c: c}).pause(&outcome{err: errCut}) })
	apart("by the timer", regularly, regularly*5/4, func() time.Duration { return (&schedule{c: c}).pause(&outcome{}) })
	for _, after := range []string{"20", "200", "2000"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		c, _ := laptop(t, srv.URL)
		asked, err := time.ParseDuration(after + "s")
		if err != nil {
			t.Fatal(err)
		}
		apart("after "+after, asked-time.Second, asked*5/4, func() time.Duration {
			if _, err := c.Once(t.Context()); !errors.As(err, new(patience)) {
				t.Error(err)
			}
			return (&schedule{c: c}).pause(&outcome{err: patience{asked}})
		})
		srv.Close()
	}
}
