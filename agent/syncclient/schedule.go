package syncclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"zhucun/agent/store"
)

// When Run syncs.
const (
	afterSave  = 2 * time.Second  // what people type in one go travels together
	regularly  = 5 * time.Minute  // and up to a quarter more, as all pauses
	lookAround = 5 * time.Second  // for a changed network, and whether the data file is where it was
	firstPause = 10 * time.Second // after a failure; doubled with each further one
	longPause  = 15 * time.Minute
	attempt    = 10 * time.Minute // the longest that one sync may go on
)

// Now asks a running schedule to sync at once.
func (c *Client) Now() {
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

// Run syncs until ctx ends: at the start, after a save, when the network
// changed, when asked, and every few minutes. It returns when nothing of it is
// left running.
func (c *Client) Run(ctx context.Context) {
	defer c.http.HTTPClient.CloseIdleConnections()
	failures := 0
	due := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	// sooner brings the next sync forward and never puts it off: somebody who
	// saves every second would else put it off for ever.
	sooner := func(pause time.Duration) {
		if at := time.Now().Add(pause); at.Before(due) {
			due = at
			timer.Reset(pause)
		}
	}
	look := time.NewTicker(lookAround)
	defer look.Stop()
	network := addresses()
	changed := c.store.Changed()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			changed = c.store.Changed()
			if c.waiting() {
				sooner(afterSave)
			}
			continue
		case <-c.nudge:
			sooner(0)
			continue
		case <-look.C:
			c.store.Look()
			now := addresses()
			if slices.Equal(now, network) {
				continue
			}
			network = now
			failures = 0
			sooner(afterSave)
			continue
		case <-timer.C:
		}
		err := c.background(ctx)
		// The sync's own changes are no reason for another.
		changed = c.store.Changed()
		pause := regularly
		c.mu.Lock()
		if c.next > 0 {
			pause = c.next
		}
		c.mu.Unlock()
		var p patience
		switch {
		case err == nil:
			failures = 0
			if st, err := c.store.Status(); err == nil && st.Pending > 0 { // saved while it ran
				pause = afterSave
			}
		case errors.As(err, &p): // asked for now, or a while ago
			pause = p.after
		case errors.Is(err, store.ErrNotEnrolled):
		default:
			c.log.Info("sync failed", "error", err)
			pause = min(firstPause<<min(failures, 10), longPause)
			failures++
		}
		// Jitter never comes before what a server asked for.
		pause += rand.N(pause/4 + 1)
		due = time.Now().Add(pause)
		timer.Reset(pause)
	}
}

// waiting tells whether there is something to send.
func (c *Client) waiting() bool {
	st, err := c.store.Status()
	return err == nil && (st.Pending > 0 || st.Blobs > 0)
}

// addresses tells one network from another.
func addresses() []string {
	as, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var l []string
	for _, a := range as {
		l = append(l, a.String())
	}
	slices.Sort(l)
	return l
}
