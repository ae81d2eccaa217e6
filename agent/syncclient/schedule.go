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
	regularly  = 5 * time.Minute  // with jitter
	lookAround = 5 * time.Second  // for a changed network
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
	failures := 0
	var earliest time.Time // what a busy server asked for
	due := time.NewTimer(0)
	defer due.Stop()
	look := time.NewTicker(lookAround)
	defer look.Stop()
	network := addresses()
	for {
		changed := c.store.Changed()
		select {
		case <-ctx.Done():
			return
		case <-changed:
			st, err := c.store.Status()
			if err != nil || st.Pending == 0 {
				continue
			}
			due.Reset(max(afterSave, time.Until(earliest)))
			continue
		case <-c.nudge:
		case <-look.C:
			now := addresses()
			if slices.Equal(now, network) {
				continue
			}
			network = now
			failures = 0
			due.Reset(max(afterSave, time.Until(earliest)))
			continue
		case <-due.C:
		}
		r, err := c.background(ctx)
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
			if r.Pending > 0 { // saved while it ran
				pause = afterSave
			}
		case errors.As(err, &p):
			pause, earliest = p.after, time.Now().Add(p.after)
		case errors.Is(err, store.ErrNotEnrolled):
		default:
			c.log.Info("sync failed", "error", err)
			pause = min(firstPause<<min(failures, 10), longPause)
			failures++
		}
		due.Reset(pause*4/5 + rand.N(pause*2/5+1))
	}
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
