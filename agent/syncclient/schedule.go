package syncclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zhucun/agent/store"
)

// When Run syncs.
const (
	afterSave  = 2 * time.Second  // what people type in one go travels together
	afterMove  = 3 * time.Second  // up to so much later than that where the network changed, by each for itself
	afterNews  = time.Second      // what the office does in one go too
	regularly  = 5 * time.Minute  // and up to a quarter more, as all pauses
	sparingly  = time.Hour        // on battery or a metered link, where the laptop is set quiet
	lookAround = 5 * time.Second  // for a changed network where the system does not tell, and whether the data file is where it was
	firstPause = 10 * time.Second // after a failure, half to one and a half of it; doubled with each further one
	longPause  = 15 * time.Minute
	attempt    = 10 * time.Minute // the longest that one sync may go on
	never      = 365 * 24 * time.Hour
)

// Now asks a running schedule to sync at once.
func (c *Client) Now() {
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

// schedule is what Run goes by.
type schedule struct {
	c     *Client
	due   time.Time
	timer *time.Timer
	// plain says that the next sync is for something that happened: it does not wait
	// for news.
	plain    bool
	failures int
	vain     int // waits in a row that ended in a failure at once
	sparing  bool
	network  []string
	// moving tells that the network has changed and no sync begun since; up and down
	// what had gone over the connections by then.
	moving   bool
	up, down int64
}

// sooner brings the next sync forward and never puts it off: somebody who saves
// every second would else put it off for ever.
func (s *schedule) sooner(pause time.Duration) {
	s.plain = true
	if at := time.Now().Add(pause); at.Before(s.due) {
		s.due = at
		s.timer.Reset(pause)
	}
}

// moved is that the network is another one: what was measured of the link holds no
// more, and its connections lead nowhere. Laptops of one place see it at once.
func (s *schedule) moved() {
	s.c.http.HTTPClient.CloseIdleConnections()
	s.c.forget()
	s.failures, s.vain = 0, 0
	if !s.sparing {
		s.moving = true
		s.up, s.down = s.c.count.read()
		s.sooner(afterSave + rand.N(afterMove))
	}
	s.c.letGo()
}

// busy is that another sync is due while one goes on. One that waits for news, or until
// it tries again, is to go on; one that hangs on a network that is gone, to end.
func (s *schedule) busy() {
	up, down := s.c.count.read()
	if s.moving && up == s.up && down == s.down {
		s.c.giveUp()
	}
	s.moving = false
	s.c.letGo()
	select {
	case s.c.hurry <- struct{}{}:
	default:
	}
}

// Run syncs until ctx ends: at the start, after a save, when the network
// changed, when asked, and every few minutes; on a good link the server is asked to
// say when there is something new. It returns when nothing of it is left running.
func (c *Client) Run(ctx context.Context) {
	defer c.http.HTTPClient.CloseIdleConnections()
	var others sync.WaitGroup
	defer others.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	moved := make(chan struct{}, 1)
	var polls atomic.Bool
	others.Go(func() {
		err := c.moves(ctx, func() {
			select {
			case moved <- struct{}{}:
			default:
			}
		})
		if err != nil && ctx.Err() == nil {
			c.log.Debug("the system does not tell of changes of the network", "error", err)
			polls.Store(true)
		}
	})
	s := &schedule{c: c, due: time.Now(), timer: time.NewTimer(0), network: addresses()}
	defer s.timer.Stop()
	look := time.NewTicker(lookAround)
	defer look.Stop()
	changed := c.store.Changed()
	ended := make(chan outcome, 1)
	// A sync goes on, and it may wait for news.
	busy, waits := false, false
	for {
		saves := changed
		if busy && !waits {
			saves = nil // it takes them with it, or they are found when it has ended
		}
		select {
		case <-ctx.Done():
			return
		case <-saves:
			changed = c.store.Changed()
			if c.waiting() && !s.sparing {
				s.sooner(afterSave)
			}
		case <-c.nudge:
			s.sooner(0)
		case <-moved:
			s.moved()
		case <-look.C:
			c.store.Look()
			s.look(ctx, polls.Load())
		case <-s.timer.C:
			if busy {
				s.busy()
				continue
			}
			wait := time.Duration(0)
			if !s.plain {
				wait = c.link.wait()
			}
			if wait > 0 && c.quiet() {
				wait = 0
			}
			busy, waits, s.plain, s.moving, s.due = true, wait > 0, false, false, time.Now().Add(never)
			others.Go(func() { ended <- c.background(ctx, wait) })
		case o := <-ended:
			busy = false
			if !waits {
				// The sync's own changes are no reason for another.
				changed = c.store.Changed()
			}
			// What was asked for meanwhile comes no later for it.
			if at := time.Now().Add(s.pause(&o)); at.Before(s.due) {
				s.due = at
			}
			s.timer.Reset(max(0, time.Until(s.due)))
		}
	}
}

// look looks for what nobody tells: another network where the system does not, and
// whether the laptop is to spare.
func (s *schedule) look(ctx context.Context, polls bool) {
	if polls {
		if now := addresses(); !slices.Equal(now, s.network) {
			s.network = now
			s.moved()
		}
	}
	quiet := s.c.quiet()
	if quiet {
		s.c.letGo()
	}
	before := s.sparing
	s.sparing = quiet && s.c.spares(ctx)
	if before && !s.sparing {
		s.sooner(afterSave)
	}
}

// pause is how long after a sync the next one is due, by what came of it.
func (s *schedule) pause(o *outcome) time.Duration {
	c := s.c
	c.mu.Lock()
	next, left := c.next, time.Until(c.earliest)
	c.mu.Unlock()
	pause := regularly
	var p patience
	switch {
	case errors.Is(o.err, errLetGo):
		pause = afterSave
	case errors.Is(o.err, errCut):
		return spread(firstPause)
	case errors.As(o.err, &p): // asked for now, or a while ago
		c.link.failed()
		// How far behind what a server asked for was drawn when it did.
		return max(left, 0)
	case errors.Is(o.err, store.ErrNotEnrolled):
	case o.err != nil:
		c.log.Info("sync failed", "error", o.err)
		pause = spread(min(firstPause<<min(s.failures, 10), longPause))
		s.failures++
		if s.sparing {
			pause = sparingly
		}
		return pause
	default:
		s.failures = 0
		switch {
		case o.listens && o.wait == 0:
			s.vain++
		case o.listens:
			s.vain = 0
		}
		switch {
		case next > 0:
			pause = next
		case s.sparing:
			pause = sparingly
		case c.written(): // saved while it ran
			pause = afterSave
		case c.quiet():
		case o.news && o.wait > 0, c.link.held(o):
			pause = afterNews
		case !o.asks && c.link.good():
			return 0 // the next asks to wait, and so does not come round by this
		case o.listens && o.wait == 0 && c.link.promising():
			pause = spread(min(firstPause<<min(s.vain-1, 10), regularly))
		case o.wait == 0 && c.link.promising():
			return spread(firstPause)
		}
	}
	return pause + rand.N(pause/4+1)
}

// spread is half to one and a half of d: laptops that lost their server at the same
// moment must not all come back at the same moment, nor together the next time.
func spread(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// waiting tells whether there is something to send.
func (c *Client) waiting() bool {
	st, err := c.store.Status()
	return err == nil && (st.Pending > 0 || st.Blobs > 0 || st.Originals.Files > 0)
}

// written tells whether there are records to send: files that cannot be read wait for
// ever.
func (c *Client) written() bool {
	st, err := c.store.Status()
	return err == nil && st.Pending > 0
}
