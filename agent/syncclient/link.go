package syncclient

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A link is good when the last trips were quick and none failed. On a good link the
// server is asked to keep its answer until there is something to say, so that the
// office's word is here in a moment.
const (
	quick = time.Second // from the end of a request to the beginning of its answer
	trips = 2           // so many of them in a row
	// The longest that the server is asked to wait, less than the transport waits for
	// an answer (transport), and the shortest that is worth it.
	longestWait  = 100 * time.Second
	shortestWait = 20 * time.Second
	// held is how much of a wait must have passed where it brought nothing: a server
	// that answers before does not know how to wait, or cannot.
	held = shortestWait / 2
	// firstTrial is after how many whole waits a longer one is tried; twice as many
	// after each one that was cut.
	firstTrial = 8
	lastTrial  = 1024
)

// link is what is known of the way to the server, in this network.
type link struct {
	mu    sync.Mutex
	swift int // quick trips in a row
	// length is how long the server is asked to wait; 0 while whatever is on the way
	// cuts even the shortest.
	length       time.Duration
	whole, trial int // waits since it last changed, and how many are to come before a longer one
}

// forget begins anew, in another network.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swift, l.length, l.whole, l.trial = 0, longestWait, 0, firstTrial
}

// trip notes how long an answer took.
func (l *link) trip(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.swift++; d > quick {
		l.swift = 0
	}
}

// failed notes that none came.
func (l *link) failed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swift = 0
}

// wait is for how long the server is to be asked to wait, 0 for not at all.
func (l *link) wait() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.swift < trips {
		return 0
	}
	if l.length == 0 {
		// Syncs without a wait count here, so that one is tried again some day.
		if l.whole++; l.whole < l.trial {
			return 0
		}
		l.length, l.whole = shortestWait, 0
	}
	return l.length
}

// promising tells that another trip at once is worth it, to know whether the link is
// good, or that it is.
func (l *link) promising() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.swift > 0 && l.length > 0
}

// good tells that the server can be asked to wait at once.
func (l *link) good() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.swift >= trips && l.length > 0
}

// held tells whether a request was kept waiting, and that it may be so again at once.
func (l *link) held(o *outcome) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.wait == 0 || o.held < min(held, o.wait/2) {
		return false
	}
	if o.held < o.wait*9/10 {
		return true
	}
	if l.whole++; l.whole >= l.trial && l.length < longestWait {
		l.length, l.whole = min(2*l.length, longestWait), 0
	}
	return true
}

// cut notes that something on the way ended a wait after so long, as a proxy does to
// what it takes for dead. The next is shorter, and of what has held a longer one is
// tried ever more rarely.
func (l *link) cut(after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole, l.trial = 0, min(2*l.trial, lastTrial)
	if l.length = min(l.length, after*3/4).Truncate(time.Second); l.length < shortestWait {
		l.length = 0
	}
	l.swift = trips - 1 // whether the link still stands the next trip tells
}

// outcome is what came of a sync of the schedule.
type outcome struct {
	err     error
	asks    bool          // it was to ask the server to wait
	listens bool          // and did: there was nothing to say
	wait    time.Duration // that the server was asked for
	held    time.Duration // that it took to answer that
	news    bool          // what came was something
}

// What ends a wait. Neither is a failure.
var (
	errLetGo = errors.New("something else is to be done than wait for news")
	errCut   = errors.New("the wait for news was cut off on the way")
)

// letGo ends the wait for news, where one is going on.
func (c *Client) letGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listens != nil {
		c.listens()
	}
}

// holding marks the requests that wait.
type holding struct{}

// listen makes a context for a request that waits, which letGo ends.
func (c *Client) listen(ctx context.Context) (waits context.Context, done func()) {
	waits, cancel := context.WithCancel(context.WithValue(ctx, holding{}, true))
	set := func(f context.CancelFunc) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.listens = f
	}
	set(cancel)
	return waits, func() {
		set(nil)
		cancel()
	}
}
