package syncclient

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// office is a server that knows how to wait. It keeps a request until news comes, its
// time is up, or something on the way has cut it.
type office struct {
	t     *testing.T
	store *store.Store
	news  chan struct{}
	cuts  time.Duration // what is on the way; 0 is nothing
	slow  time.Duration // before every answer
	fails atomic.Bool   // every request is cut off
	hangs atomic.Bool   // none is answered
	hasty bool          // it does not know how to wait
	ahead atomic.Int64  // of the laptop's clock, in ms
	// What the laptop's system says: that it is to spare, and of the network.
	spares atomic.Bool
	tells  atomic.Value // func()
	mu     sync.Mutex
	asked  []asked
}

// asked is one request as the office got it.
type asked struct {
	at    time.Time
	wait  time.Duration
	sends bool
	cut   bool
	size  int64
	named bool
}

func (o *office) serve(_ int, w http.ResponseWriter, r *http.Request) bool {
	m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
	if err != nil {
		o.t.Error(err)
		return false
	}
	a := asked{at: time.Now(), wait: time.Duration(m.Wait) * time.Second, size: r.ContentLength, named: r.Header.Get(wire.BodyHeader) != ""}
	for _, p := range m.Villages {
		a.sends = a.sends || len(p.Segments) > 0
	}
	o.mu.Lock()
	o.asked = append(o.asked, a)
	i := len(o.asked) - 1
	o.mu.Unlock()
	time.Sleep(o.slow)
	if o.fails.Load() {
		cut(w)
		return true
	}
	if o.hangs.Load() {
		<-r.Context().Done()
		return true
	}
	answer := acknowledge(o.t, o.store, m)
	answer.Time += o.ahead.Load()
	if !a.sends {
		answer.Villages = nil
	}
	if a.wait > 0 && !o.hasty {
		cuts := make(<-chan time.Time)
		if o.cuts > 0 {
			cuts = time.After(o.cuts)
		}
		select {
		case <-r.Context().Done():
			return true
		case <-o.news:
			answer.Assigned = &wire.Assignment{Serial: m.Assigned + 1, Villages: []wire.Village{{Code: village}}, Profiles: []string{"王"}}
		case <-time.After(a.wait):
		case <-cuts:
			o.mu.Lock()
			o.asked[i].cut = true
			o.mu.Unlock()
			cut(w)
			return true
		}
		answer.Time = time.Now().UnixMilli() + o.ahead.Load()
	}
	reply(w, answer)
	return true
}

// moved is that the laptop's system tells of another network.
func (o *office) moved() { o.tells.Load().(func())() }

// since gives what was asked since at.
func (o *office) since(at time.Time) (list []asked) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.asked {
		if !a.at.Before(at) {
			list = append(list, a)
		}
	}
	return list
}

// with runs a test with a laptop whose server is the office.
func (o *office) with(t *testing.T, test func(t *testing.T, c *Client, s *store.Store)) {
	t.Helper()
	bubble(t, o.serve, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		o.t, o.store, o.news = t, s, make(chan struct{})
		c.spares = func(context.Context) bool { return o.spares.Load() }
		c.moves = func(ctx context.Context, moved func()) error {
			o.tells.Store(moved)
			<-ctx.Done()
			return nil
		}
		test(t, c, s)
	})
}

// waiting runs test with a laptop that waits for news.
func waiting(t *testing.T, o *office, test func(t *testing.T, c *Client, s *store.Store)) {
	t.Helper()
	o.with(t, func(t *testing.T, c *Client, s *store.Store) {
		running(t, c)
		time.Sleep(time.Minute)
		synctest.Wait()
		test(t, c, s)
	})
}

// On a good link the laptop waits: for hours with a request each hundred seconds, which
// is no failure, nor shown as work; and what is new is here at once.
func TestWaitsForNews(t *testing.T) {
	o := &office{}
	waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
		begun := time.Now()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		list := o.since(begun)
		if n := len(list); n < 100 || n > 110 {
			t.Errorf("%d requests in three hours", n)
		}
		for _, a := range list {
			if a.wait != longestWait {
				t.Fatalf("it is asked to wait %v", a.wait)
			}
		}
		if st := c.State(); st.Running || st.Problem != nil || st.LastSuccess < s.Now()-2*longestWait.Milliseconds() {
			t.Errorf("it is shown as %+v", st)
		}
		if skew, err := s.Skew(); err != nil || skew < -20 || skew > 20 {
			t.Errorf("its clock is moved by %d ms, %v", skew, err)
		}
		// Somebody sets the laptop's clock back an hour.
		const hour = 3_600_000
		o.ahead.Store(hour)
		time.Sleep(2 * longestWait)
		if skew, err := s.Skew(); err != nil || skew < hour-20 || skew > hour+20 {
			t.Errorf("it lacks %d ms as far as the laptop knows, %v; want %d", skew, err, hour)
		}
		for range 3 {
			d, err := s.Device()
			if err != nil {
				t.Fatal(err)
			}
			at := time.Now()
			o.news <- struct{}{}
			for {
				if now, err := s.Device(); err != nil {
					t.Fatal(err)
				} else if now.Assigned.Serial > d.Assigned.Serial {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(at); took > 100*time.Millisecond {
				t.Errorf("news came after %v", took)
			}
			time.Sleep(3 * time.Second) // and it waits again
		}
	})
}

// However long a request that waits is, how long it stood is not how fast the link is;
// one that is cut off goes on nowhere, and none shows as work. Another network is
// measured anew.
func TestWaitMeasuresNothing(t *testing.T) {
	for name, cuts := range map[string]time.Duration{"whole": 0, "cut at once": 5 * time.Second, "cut late": time.Minute} {
		t.Run(name, func(t *testing.T) {
			o := &office{cuts: cuts}
			o.with(t, func(t *testing.T, c *Client, s *store.Store) {
				saveVisits(t, s, 100)
				if _, err := c.Once(t.Context()); err != nil {
					t.Fatal(err)
				}
				a := wire.Assignment{Serial: 99, Villages: []wire.Village{{Code: village}}, Profiles: []string{"王"}}
				for range 300 {
					a.Villages = append(a.Villages, wire.Village{Code: record.Village(crand.Text())})
				}
				if err := s.Assign(t.Context(), a); err != nil {
					t.Fatal(err)
				}
				type known struct{ up, down flow }
				before := known{c.up, c.down}
				if before.up.took == 0 {
					t.Fatal("nothing is measured")
				}
				running(t, c)
				for range 30 {
					time.Sleep(time.Minute)
					if st := c.State(); st.Running || st.Problem != nil {
						t.Errorf("it shows as %+v", st)
					}
				}
				waits, longest := 0, int64(0)
				for _, a := range o.since(time.Time{}) {
					if a.wait > 0 {
						waits++
						longest = max(longest, a.size)
						if a.named {
							t.Error("a request that waits has a name")
						}
					}
				}
				if waits == 0 || longest < max(telling, nameFrom) {
					t.Fatalf("%d requests wait, the longest of %d bytes", waits, longest)
				}
				c.mu.Lock()
				after := known{c.up, c.down}
				c.mu.Unlock()
				if rate(after.up) < rate(before.up)/2 || after.up.budget() < before.up.budget() || after.down.budget() < before.down.budget() {
					t.Errorf("of %+v became %+v", before, after)
				}
				o.moved()
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				c.mu.Lock()
				defer c.mu.Unlock()
				if c.up != (flow{most: guess}) || c.down != (flow{most: guess}) {
					t.Errorf("in another network it takes the link for %+v", c.up)
				}
			})
		})
	}
}

// Nor is what a wait brings, receipts and records.
func TestNewsMeasuresNothing(t *testing.T) {
	for _, waited := range []bool{false, true} {
		c := &Client{up: flow{most: guess}, down: flow{most: guess}, course: course{left: map[record.Village]wire.Rest{}}}
		begin := time.Now().Add(-longestWait)
		at := &span{waited: waited, passage: passage{up: telling, down: telling, upTook: longestWait, downTook: time.Second, first: time.Now()}}
		rest := wire.Rest{Records: 7, Bytes: 700}
		answer := &wire.Synced{Villages: []wire.Pull{{Village: village, More: true, Rest: &rest, Records: []wire.State{{State: make([]byte, guess)}}}}}
		c.passed(&load{size: guess, changes: 1}, answer, at, 1)
		c.came(1, 1, begin, at)
		if still := c.up == (flow{most: guess}) && c.down == (flow{most: guess}) && c.course.sending == (effort{}); still != waited {
			t.Errorf("waited: %v, known of the link: %+v, %+v, %+v", waited, c.up, c.down, c.course.sending)
		}
		if c.course.left[village] != rest || !c.course.Heard {
			t.Errorf("that more is to come is forgotten: %+v", c.course)
		}
	}
}

func rate(f flow) float64 { return f.line / f.took }

// Each row is what happens while the laptop waits, and how soon the next request comes
// then, which waits for nothing.
func TestWaitEnds(t *testing.T) {
	tests := []struct {
		name     string
		does     func(t *testing.T, o *office, c *Client)
		from, to time.Duration
		sends    bool
	}{
		{"a save", func(t *testing.T, o *office, _ *Client) { visit(t, o.store) }, afterSave, afterSave + 100*time.Millisecond, true},
		{"somebody who asks", func(_ *testing.T, _ *office, c *Client) { c.Now() }, 0, 100 * time.Millisecond, false},
		{"another network", func(_ *testing.T, o *office, _ *Client) { o.moved() }, afterSave, afterSave + afterMove, false},
		{"a sync by hand", func(t *testing.T, _ *office, c *Client) {
			if _, err := c.Once(t.Context()); err != nil {
				t.Error(err)
			}
		}, 0, 100 * time.Millisecond, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &office{}
			waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
				if list := o.since(time.Time{}); list[len(list)-1].wait == 0 {
					t.Fatal("it does not wait")
				}
				at := time.Now()
				tt.does(t, o, c)
				time.Sleep(time.Minute)
				synctest.Wait()
				list := o.since(at.Add(time.Nanosecond))
				if tt.from == 0 {
					list = o.since(at)
				}
				if len(list) == 0 {
					t.Fatal("nothing comes")
				}
				if first := list[0]; first.wait != 0 || first.sends != tt.sends || first.at.Sub(at) < tt.from || first.at.Sub(at) > tt.to {
					t.Errorf("the next comes after %v: %+v", first.at.Sub(at), first)
				}
				if last := list[len(list)-1]; last.wait == 0 {
					t.Error("and then it waits no more")
				}
				if st := c.State(); st.Problem != nil || pending(t, s) != 0 {
					t.Errorf("%+v, %d pending", st, pending(t, s))
				}
			})
		})
	}
}

// Who has saved hears of news again as soon as that is there.
func TestListensAgain(t *testing.T) {
	o := &office{}
	waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
		for range 5 {
			visit(t, s)
			begun := time.Now()
			for pending(t, s) > 0 && time.Since(begun) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			list := o.since(begun)
			if n := len(list); n != 2 || !list[0].sends || list[1].wait != longestWait {
				t.Fatalf("a save leads to %+v", list)
			}
			time.Sleep(20 * time.Second)
		}
	})
}

// Where asking to wait leads to nothing, or is cut off at once, a save still makes no
// more than a few requests.
func TestListensInVain(t *testing.T) {
	for name, o := range map[string]*office{"answered at once": {hasty: true}, "cut at once": {cuts: time.Nanosecond}} {
		t.Run(name, func(t *testing.T) {
			waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
				begun := time.Now()
				for range 10 {
					visit(t, s)
					time.Sleep(10 * time.Minute)
				}
				list := o.since(begun)
				t.Logf("%d requests", len(list))
				if n := len(list); n < 20 || n > 200 {
					t.Errorf("%d requests in 100 minutes", n)
				}
			})
		})
	}
}

// Stop ends a wait at once.
func TestWaitStops(t *testing.T) {
	o := &office{}
	o.with(t, func(t *testing.T, c *Client, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan time.Time, 1)
		go func() {
			c.Run(ctx)
			ended <- time.Now()
		}()
		time.Sleep(time.Minute)
		if list := o.since(time.Time{}); list[len(list)-1].wait == 0 {
			t.Fatal("it does not wait")
		}
		at := time.Now()
		cancel()
		if took := (<-ended).Sub(at); took > 0 {
			t.Errorf("it goes on for %v", took)
		}
	})
}

// A proxy cuts what stands still for a minute. The laptop comes to wait less, and to
// try longer ever more rarely; nobody is told of a failure.
func TestProxyCuts(t *testing.T) {
	o := &office{cuts: time.Minute}
	waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
		begun := time.Now()
		for range 24 * 60 {
			time.Sleep(time.Minute)
			if p := c.State().Problem; p != nil {
				t.Fatal(p)
			}
		}
		cuts, late := 0, 0
		for _, a := range o.since(begun) {
			if a.cut {
				if cuts++; a.at.Sub(begun) > 8*time.Hour {
					late++
				}
			} else if a.wait > o.cuts {
				t.Errorf("a wait of %v was not cut", a.wait)
			}
		}
		t.Logf("%d of %d requests of a day were cut, %d in its last 16 hours", cuts, len(o.since(begun)), late)
		if cuts < 2 || cuts > 12 || late > 2 {
			t.Errorf("%d were cut, %d late", cuts, late)
		}
	})
}

// Something on the way cuts everything within seconds, or the link is slow: there is
// no waiting, and the timer goes on as ever.
func TestNoWaiting(t *testing.T) {
	for name, o := range map[string]*office{"cut at once": {cuts: 12 * time.Second}, "slow": {slow: 2 * quick}} {
		t.Run(name, func(t *testing.T) {
			waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
				time.Sleep(10 * time.Minute)
				begun := time.Now()
				time.Sleep(5 * time.Hour)
				list := o.since(begun)
				waits := 0
				for _, a := range list {
					if a.wait > 0 {
						waits++
					}
				}
				if waits > 4 || len(list) < 45 || len(list) > 80 || name == "slow" && waits > 0 {
					t.Errorf("%d requests in five hours, %d of them wait", len(list), waits)
				}
			})
		})
	}
}

// Each row is a laptop that is set quiet: how many requests of what kind it makes in
// five hours, with a save every half hour.
func TestQuiet(t *testing.T) {
	tests := []struct {
		name     string
		spares   bool
		least    int
		most     int
		together time.Duration // the least between two of them
	}{
		{"plugged in", false, 50, 80, 0},
		{"on battery", true, 3, 5, sparingly},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &office{}
			waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
				o.spares.Store(tt.spares)
				if err := s.SetQuiet(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2*time.Hour + 7*time.Second) // what was due before
				begun := time.Now()
				for range 10 {
					visit(t, s)
					time.Sleep(30 * time.Minute)
				}
				list := o.since(begun)
				for i, a := range list {
					if a.wait > 0 {
						t.Error("it waits")
					}
					if i > 0 && a.at.Sub(list[i-1].at) < tt.together {
						t.Errorf("two within %v", a.at.Sub(list[i-1].at))
					}
				}
				if len(list) < tt.least || len(list) > tt.most {
					t.Errorf("%d requests in five hours", len(list))
				}
				// A person's goes, and what waited goes when there is nothing to spare.
				visit(t, s)
				time.Sleep(10 * time.Second)
				before := len(o.since(begun))
				c.Now()
				time.Sleep(time.Second)
				if len(o.since(begun)) != before+1 {
					t.Error("a person's sync does not go")
				}
				visit(t, s)
				o.spares.Store(false)
				time.Sleep(10 * time.Second)
				if pending(t, s) > 0 {
					t.Error("plugged in, it keeps what it has")
				}
			})
		})
	}
}

// The system's word of another network leads to a sync in a few seconds, each laptop's
// at another moment, and ends the pauses that failures had led to.
func TestNetworkChange(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 5 {
		o := &office{}
		o.fails.Store(true)
		o.with(t, func(t *testing.T, c *Client, _ *store.Store) {
			running(t, c)
			time.Sleep(3*time.Hour + rand.N(15*time.Minute))
			o.fails.Store(false)
			now := time.Now()
			o.moved()
			o.moved()
			time.Sleep(time.Minute)
			synctest.Wait()
			list := o.since(now)
			if len(list) == 0 {
				t.Fatal("it led to nothing")
			}
			took := list[0].at.Sub(now)
			// It may have been about to try again.
			if seen[took] = true; took > afterSave+afterMove {
				t.Errorf("it led to a sync after %v", took)
			}
			if c.State().Problem != nil {
				t.Error(c.State().Problem)
			}
		})
	}
	if len(seen) < 3 {
		t.Errorf("all come together: %v", seen)
	}
}

// A request that hangs on the network that is gone is given up, and a person who asks
// has not to wait for the next try.
func TestHangsOnNetwork(t *testing.T) {
	o := &office{}
	waiting(t, o, func(t *testing.T, c *Client, s *store.Store) {
		o.hangs.Store(true)
		visit(t, s)
		time.Sleep(afterSave + time.Second)
		synctest.Wait()
		o.hangs.Store(false)
		at := time.Now()
		o.moved()
		for pending(t, s) > 0 && time.Since(at) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(at); took > afterSave+afterMove+100*time.Millisecond {
			t.Errorf("it went after %v", took)
		}

		o.fails.Store(true)
		visit(t, s)
		time.Sleep(5 * time.Minute) // by now it tries twice a minute
		o.fails.Store(false)
		at = time.Now()
		c.Now()
		for pending(t, s) > 0 && time.Since(at) < time.Hour {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(at); took > time.Second {
			t.Errorf("it went after %v", took)
		}
	})
}

// Where the system does not tell, it is looked.
func TestNetworkUntold(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *Client, _ *store.Store, _ *atomic.Int32) {
		c.moves = func(context.Context, func()) error { return errors.ErrUnsupported }
		s := &schedule{c: c, due: time.Now().Add(never), timer: time.NewTimer(never), network: []string{"another"}}
		defer s.timer.Stop()
		s.look(t.Context(), false)
		if time.Until(s.due) < time.Hour {
			t.Error("it is looked where the system tells")
		}
		s.look(t.Context(), true)
		if left := time.Until(s.due); left < afterSave || left > afterSave+afterMove {
			t.Errorf("another network leads to a sync in %v", left)
		}
	})
}
