package sim

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	agentstore "zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/server/access"
	serverstore "zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/syncapi"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// mast is the network of a county inside of one process: it is up or down.
type mast struct {
	up    atomic.Bool
	conns chan net.Conn
	ended chan struct{}
	mu    sync.Mutex
	open  map[net.Conn]bool
	moved []func()
}

func (m *mast) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if !m.up.Load() {
		return nil, net.ErrClosed
	}
	near, far := net.Pipe()
	m.mu.Lock()
	m.open[near] = true
	m.mu.Unlock()
	select {
	case m.conns <- far:
		return near, nil
	case <-m.ended:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func (m *mast) moves(ctx context.Context, moved func()) error {
	m.mu.Lock()
	m.moved = append(m.moved, moved)
	m.mu.Unlock()
	<-ctx.Done()
	return nil
}

// falls cuts every connection.
func (m *mast) falls() {
	m.up.Store(false)
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.open {
		c.Close()
	}
	clear(m.open)
}

// stands is that all see the network again, in one moment.
func (m *mast) stands() {
	m.up.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, moved := range m.moved {
		moved()
	}
}

func (m *mast) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}

func (m *mast) Close() error   { return nil }
func (m *mast) Addr() net.Addr { return &net.UnixAddr{Name: "mast"} }

// A county's laptops lose their network for an hour and get it back in one moment,
// each with work to send, from a server that serves four at once and takes its time.
// Nobody is served later than it takes to serve all, and they do not come back together
// again and again.
func TestCountyComesBack(t *testing.T) {
	const (
		laptops = 200
		of      = 4 // a village
		slots   = 4
		takes   = 200 * time.Millisecond // of the server, for one request
		pace    = int(slots * time.Second / takes)
	)
	dir := t.TempDir()
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		ok := func(err error) {
			if err != nil {
				t.Helper()
				t.Fatal(err)
			}
		}
		var slow atomic.Int64
		now := func() time.Time {
			// The last look at the clock before an answer, when nothing is held.
			pc, _, _, _ := runtime.Caller(1)
			if strings.HasSuffix(runtime.FuncForPC(pc).Name(), "Handler).exchange") {
				time.Sleep(time.Duration(slow.Load()))
			}
			return time.Now()
		}
		key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		server, err := sqlite.Open(ctx, filepath.Join(dir, "server.db"), serverstore.Options{Key: key, Now: now, Random: rand.NewChaCha8([32]byte{})})
		ok(err)
		defer server.Close()
		a := access.New(server)
		at := func(laptop int) record.Village { return record.Village(fmt.Sprintf("3699990%05d", laptop/of)) }
		for i := 0; i < laptops; i += of {
			ok(a.AddVillage(ctx, serverstore.Village{Code: at(i), Name: "试验村", Created: time.Now()}))
		}
		door := syncapi.New(server, a)
		door.Limit(slots)
		m := &mast{conns: make(chan net.Conn), ended: make(chan struct{}), open: map[net.Conn]bool{}}
		m.up.Store(true)
		// What is asked, by second; and a machine that takes its time.
		var mu sync.Mutex
		asked, refused := map[int64]int{}, map[int64]int{}
		far := syncapi.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := &told{ResponseWriter: w}
			second := time.Now().Unix()
			door.ServeHTTP(s, r)
			mu.Lock()
			defer mu.Unlock()
			asked[second]++
			if s.status == http.StatusServiceUnavailable {
				refused[second]++
			}
		}), slog.New(slog.DiscardHandler))
		go far.Serve(m)
		var stores []*agentstore.Store
		var running sync.WaitGroup
		run, stop := context.WithCancel(ctx)
		defer func() {
			stop()
			running.Wait()
			close(m.ended)
			far.Close()
			time.Sleep(time.Minute) // what is answered yet
			for _, s := range stores {
				s.Close()
			}
		}()
		for i := range laptops {
			s, err := agentstore.Open(filepath.Join(dir, fmt.Sprint("laptop", i)), agentstore.Options{Key: make([]byte, agentstore.KeySize), NoSync: true})
			ok(err)
			stores = append(stores, s)
			c := syncclient.New(s, "sim", slog.New(slog.DiscardHandler))
			c.Apart(m.dial, m.moves)
			code, err := a.NewCode(ctx, access.Laptop{Villages: []record.Village{at(i)}, Role: identity.TeamMember, Name: fmt.Sprint("队员", i), TTL: time.Hour, URL: "http://zhucun.cn", Pin: identity.PinOf(key.Public().(ed25519.PublicKey))})
			ok(err)
			_, err = c.Enrol(ctx, code.String())
			ok(err)
			running.Go(func() { c.Run(run) })
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		m.falls()
		for _, s := range stores {
			_, err := s.Save(ctx, agentstore.Edit{Type: "visit", Fields: map[string]record.Value{"findings": `"断网时写下的"`}})
			ok(err)
		}
		time.Sleep(time.Hour)
		mu.Lock()
		clear(asked)
		clear(refused)
		mu.Unlock()
		back := time.Now()
		slow.Store(int64(takes))
		m.stands()
		left := laptops
		for left > 0 && time.Since(back) < time.Hour {
			time.Sleep(time.Second)
			left = 0
			for _, s := range stores {
				st, err := s.Status()
				ok(err)
				left += int(min(st.Pending, 1))
			}
		}
		took := time.Since(back)
		slow.Store(0)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		all, no, most := 0, 0, 0
		var seconds []int
		for s := range int64(took/time.Second) + 1 {
			n := asked[back.Unix()+s]
			all, no = all+n, no+refused[back.Unix()+s]
			seconds = append(seconds, n)
			// The first seconds are the laptops' own spreading.
			if s > 6 {
				most = max(most, n)
			}
		}
		t.Logf("%d laptops were done in %v, at %d a second: %d requests, %d of them refused; by second %v", laptops, took, pace, all, no, seconds)
		if left > 0 || took > 2*time.Minute {
			t.Errorf("%d are left after %v", left, took)
		}
		if most > 3*pace {
			t.Errorf("%d come in one second, after the first that did", most)
		}
		if no > 3*laptops {
			t.Errorf("%d were refused", no)
		}
		if slices.Max(seconds[:7]) < pace {
			t.Error("they never came together: there was nothing to spread")
		}
	})
}

// told is an answer whose status is looked at.
type told struct {
	http.ResponseWriter
	status int
}

func (s *told) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *told) Unwrap() http.ResponseWriter { return s.ResponseWriter }
