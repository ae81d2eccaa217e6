package syncclient

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"zhucun/agent/store"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// A line that dies in the middle of answers is asked for smaller ones, down to
// the least, and not for larger ones before one of that size has come.
func TestSmallerPages(t *testing.T) {
	var mu sync.Mutex
	var budgets []uint64
	const cuts = 6
	dies := func(n int, w http.ResponseWriter, r *http.Request) bool {
		m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		budgets = append(budgets, m.Budget)
		if n <= cuts {
			w.Header().Set("Content-Length", "100000")
			io.WriteString(w, "ZC\xB7")
			return true
		}
		reply(w, &wire.Synced{Version: wire.Version, Time: time.Now().UnixMilli()})
		return true
	}
	bubble(t, dies, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range 2 {
			if _, err := c.Once(ctx); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		want := []uint64{guess}
		for b := uint64(guess / 2); len(want) <= cuts+1; b = max(b/2, minBudget) {
			want = append(want, b)
		}
		if !slices.Equal(budgets, want) {
			t.Errorf("asked for %d, want %d", budgets, want)
		}
	})
}

// sent is one message over a link of the property below.
type sent struct {
	budget  int
	content int
	took    time.Duration
	cut     bool
}

// carry brings so much content over a link of so many bytes a second, with that
// round trip, on which content packs to a part of it and whose every connection
// lives for life, 0 for ever. It gives up after 10,000 messages.
func carry(f *flow, content int, rate float64, trip, life time.Duration, packs float64) (all []sent, done bool) {
	age := time.Duration(0)
	for len(all) < 10_000 {
		n := min(f.budget(), content)
		line := int64(float64(n)*packs) + 400
		took := trip + time.Duration(float64(line)/rate*float64(time.Second))
		if life > 0 && age+took > life {
			all = append(all, sent{f.budget(), n, life - age, true})
			f.cut(n)
			age = 0
			continue
		}
		all = append(all, sent{f.budget(), n, took, false})
		age += took
		f.through(n)
		f.measured(n, line, took)
		if content -= n; content == 0 {
			return all, true
		}
	}
	return all, false
}

// On any link everything gets through where the least message does within half a
// connection's life; once something is measured no message takes longer than a
// frame, but for the least; a cut costs at most one; none is below the floor.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := float64(rapid.IntRange(1_000, 20_000_000).Draw(t, "bytes a second"))
		trip := time.Duration(rapid.IntRange(1, 1500).Draw(t, "ms there and back")) * time.Millisecond
		packs := float64(rapid.IntRange(10, 100).Draw(t, "packs to %")) / 100
		content := rapid.IntRange(1, 20<<20).Draw(t, "content")
		least := trip + time.Duration((minBudget*packs+400)/rate*float64(time.Second))
		life := time.Duration(0)
		if rapid.Bool().Draw(t, "dies") {
			life = max(30*time.Second, 2*least)
		}
		if rate < 20_000 {
			content = min(content, 2<<20)
		}
		f := &flow{most: guess}
		all, done := carry(f, content, rate, trip, life, packs)
		if !done {
			t.Fatalf("not through after %d messages", len(all))
		}
		measured := false
		for i, m := range all {
			if m.budget < minBudget {
				t.Errorf("message %d may have %d bytes", i, m.budget)
			}
			if measured && m.took > frame+frame/10+trip && m.content > minBudget {
				t.Errorf("message %d of %d bytes takes %v", i, m.content, m.took)
			}
			measured = measured || !m.cut && float64(m.content)*packs > telling
			if i > 0 && m.cut && all[i-1].cut && m.content > max(all[i-1].content/2, minBudget) {
				t.Errorf("after a cut at %d bytes %d are tried", all[i-1].content, m.content)
			}
		}
	})
}

// A fast link has large messages at once: the bytes of a first upload are not to
// grow. A slow one never has.
func TestFastAndSlow(t *testing.T) {
	all, _ := carry(&flow{most: guess}, 10<<20, 10e6, 20*time.Millisecond, 0, 0.25)
	if len(all) > 13 || all[2].content != maxBudget {
		t.Errorf("%d messages over a fast link, the third of %d bytes", len(all), all[2].content)
	}
	all, _ = carry(&flow{most: guess}, 1<<20, 8000, 600*time.Millisecond, 30*time.Second, 0.22)
	if len(all) > 8 {
		t.Errorf("%d messages over 64 kbit/s: %v", len(all), all)
	}
}

// throttled is a connection on which bytes leave at a rate, so many a second, in
// time that is only told (testing/synctest).
type throttled struct {
	net.Conn
	rate int
	up   *atomic.Int64
}

func (c *throttled) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), 1<<8)]
		time.Sleep(time.Duration(len(part)) * time.Second / time.Duration(c.rate))
		m, err := c.Conn.Write(part)
		c.up.Add(int64(m))
		if n += m; err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// keeper is a server that keeps what has come of a request, as ours does, unless a
// proxy before it passes whole requests on only.
type keeper struct {
	proxy bool
	mu    sync.Mutex
	name  string
	begin []byte
	whole bool
	once  atomic.Int64 // bytes of requests that came whole
}

func (k *keeper) ask(_ int, w http.ResponseWriter, r *http.Request) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := r.Header.Get(wire.BodyHeader)
	if r.ContentLength == 0 && !k.proxy {
		has := "0"
		if k.name == name && k.whole {
			has = wire.WholeBody
		} else if k.name == name {
			has = strconv.Itoa(len(k.begin))
		}
		w.Header().Set(wire.FromHeader, has)
		return true
	}
	body, err := io.ReadAll(r.Body)
	if from, _ := strconv.Atoi(r.Header.Get(wire.FromHeader)); from > 0 {
		body = slices.Concat(body[:wire.Uncounted], k.begin[:from], body[wire.Uncounted:])
	}
	k.name, k.whole = name, err == nil
	k.begin = body[min(wire.Uncounted, len(body)):]
	if err != nil {
		return true
	}
	k.once.Add(int64(len(body)))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return false
}

// Visits get through a link of 16 kbit/s that dies each 30 seconds. A server that
// keeps what has come gets the rest; where it does not, or a proxy keeps it, one
// frame goes again at most. What is said of how far they are is so.
func TestLinkThatDies(t *testing.T) {
	t.Run("server", func(t *testing.T) { linkThatDies(t, &keeper{}, 1<<10) })
	t.Run("proxy", func(t *testing.T) { linkThatDies(t, &keeper{proxy: true}, deadRate*int64(frame/time.Second)*11/10) })
}

const deadRate = 2000

// linkThatDies allows so many bytes to go again with each cut.
func linkThatDies(t *testing.T, k *keeper, each int64) {
	const rate, life, visits = deadRate, 30 * time.Second, 1500
	once := &k.once
	bubble(t, k.ask, func(t *testing.T, c *Client, s *store.Store, n *atomic.Int32) {
		saveVisits(t, s, visits)
		var up atomic.Int64
		var cuts atomic.Int32
		dial := c.dial
		c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err == nil {
				end := time.AfterFunc(life, func() { cuts.Add(1); conn.Close() })
				t.Cleanup(func() { end.Stop() })
				conn = &throttled{conn, rate, &up}
			}
			return conn, err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begin := time.Now()
		var said []Progress
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if _, err := c.Once(ctx); err != nil {
				t.Error(err)
			}
		}()
		for over := false; !over; {
			select {
			case <-ended:
				over = true
			case <-time.After(time.Second):
				p := c.State().Progress
				if p.Heard && p.ToSend > 0 && p.Sent > 0 {
					said = append(said, p)
				}
			}
		}
		took := time.Since(begin)
		if pending(t, s) != 0 {
			t.Error("not all is through")
		}
		again := up.Load() - once.Load() - 200*int64(n.Load()) // without the heads
		if most := int64(cuts.Load()) * each; cuts.Load() < 2 || again > most {
			t.Errorf("%d bytes went again in %d cuts, more than %d", again, cuts.Load(), most)
		}
		if floor := time.Duration(once.Load()) * time.Second / rate; took > 2*floor {
			t.Errorf("it took %v where the bytes alone take %v", took, floor)
		}
		for i, p := range said {
			if p.Sent+p.ToSend != visits {
				t.Errorf("%d sent and %d to send of %d", p.Sent, p.ToSend, visits)
			}
			if i > 0 && said[i-1].Sent > p.Sent {
				t.Errorf("%d sent, then %d", said[i-1].Sent, p.Sent)
			}
		}
		if len(said) < 10 {
			t.Fatalf("said only %d times", len(said))
		}
		// In the middle the guess is within a factor of three.
		p, left := said[len(said)/2], took/2
		if p.Left < left/3 || p.Left > 3*left {
			t.Errorf("half way it says that %v are left, of %v", p.Left, took)
		}
		t.Logf("%v for %d bytes in %d requests, %d cuts, %d bytes again; half way %+v", took, once.Load(), n.Load(), cuts.Load(), again, p)
		c.http.HTTPClient.CloseIdleConnections()
	})
}

// A server that is busy just when it is asked what it has, or when the rest comes, is
// waited for: nothing of what it has goes again.
func TestGoesOnAfterBusy(t *testing.T) {
	k := &keeper{}
	var first, asked, rests, all int
	ask := func(n int, w http.ResponseWriter, r *http.Request) bool {
		busy := false
		switch {
		case r.ContentLength == 0:
			asked++
			busy = asked == 1
		case r.Header.Get(wire.FromHeader) != "":
			rests++
			busy = rests == 1
		case first == 0:
			first = int(r.ContentLength)
			k.name, k.begin = r.Header.Get(wire.BodyHeader), make([]byte, first/2)
			if _, err := io.ReadFull(r.Body, k.begin); err != nil {
				t.Error(err)
			}
			k.begin = k.begin[wire.Uncounted:]
			cut(w)
			return true
		default:
			all++
		}
		if busy {
			w.Header().Set("Retry-After", "20")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return k.ask(n, w, r)
	}
	bubble(t, ask, func(t *testing.T, c *Client, s *store.Store, _ *atomic.Int32) {
		saveVisits(t, s, 60)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := c.Once(ctx); err != nil {
			t.Error(err)
		}
		if asked != 3 || rests != 2 || all != 0 || pending(t, s) != 0 {
			t.Errorf("%d questions, %d times the rest, %d times all, %d pending", asked, rests, all, pending(t, s))
		}
		c.http.HTTPClient.CloseIdleConnections()
	})
}

// A request that came whole, whose answer was lost, does not go again: what the
// server said to it is fetched by one that carries nothing.
func TestCameWhole(t *testing.T) {
	var s *store.Store
	var said *wire.Synced
	var carried []int
	ask := func(n int, w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength == 0 {
			w.Header().Set(wire.FromHeader, wire.WholeBody)
			return true
		}
		m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
		if err != nil {
			t.Error(err)
		}
		carried = append(carried, len(m.Villages[0].Segments))
		if said == nil {
			said = acknowledge(t, s, m)
			cut(w)
			return true
		}
		reply(w, said)
		return true
	}
	bubble(t, ask, func(t *testing.T, c *Client, laptop *store.Store, n *atomic.Int32) {
		s = laptop
		saveVisits(t, s, 200)
		if _, err := c.Once(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(carried, []int{1, 0}) || n.Load() != 3 || pending(t, s) != 0 {
			t.Errorf("requests with %d segments, %d with the question, %d pending", carried, n.Load(), pending(t, s))
		}
		c.http.HTTPClient.CloseIdleConnections()
	})
}

// saveVisits saves visits that do not pack well.
func saveVisits(t *testing.T, s *store.Store, n int) {
	t.Helper()
	words := rand.New(rand.NewPCG(1, 2))
	for range n {
		var text []rune
		for range 60 {
			text = append(text, 0x4E00+rune(words.IntN(3000)))
		}
		if _, err := s.Save(t.Context(), store.Edit{Type: "visit", Fields: map[string]record.Value{"findings": record.Text(string(text))}}); err != nil {
			t.Fatal(err)
		}
	}
}
