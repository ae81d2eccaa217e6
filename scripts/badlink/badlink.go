package badlink

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Weather is how the link is. The zero value is a link that only counts.
type Weather struct {
	Down bool // nobody gets through; connections that are open are cut

	Delay    time.Duration // each way
	UpBits   int           // bits per second from the client; 0 is no limit
	DownBits int           // bits per second to the client

	// A connection is cut after so long and after so many bytes both ways
	// together; 0 is never. Spread, 0 to 1, varies both by seed: with 0.5 they
	// are between half and one and a half of it.
	CutAfter time.Duration
	CutBytes int64
	Spread   float64
	// After a cut the link refuses everybody for so long.
	Refuse time.Duration
}

// Counts is what passed. All of it only grows until Reset.
type Counts struct {
	Up   int64 `json:"up"`   // bytes from the client
	Down int64 `json:"down"` // bytes to the client
	// Turns are round trips: how often the client spoke after it was answered,
	// or first on a connection. Over plain HTTP each is a request.
	Turns       int `json:"turns"`
	Connections int `json:"connections"` // that got through
	Refused     int `json:"refused"`
	Cuts        int `json:"cuts"`
}

// Link is one proxy.
type Link struct {
	target   string
	seed     uint64
	listener net.Listener
	work     sync.WaitGroup
	up, down pace

	mu      sync.Mutex
	weather Weather
	counts  Counts
	opened  uint64 // connections there ever were, for the seed
	shut    time.Time
	open    map[*pair]struct{}
	closed  bool
}

// New opens a link to target (host:port) on a free port of loopback.
func New(target string, seed uint64, w Weather) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open link to %s: %w", target, err)
	}
	k := &Link{target: target, seed: seed, listener: l, weather: w, open: map[*pair]struct{}{}}
	k.work.Go(k.accept)
	return k, nil
}

// Addr is where clients connect, host:port.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Set changes the weather. Connections that are open keep their time of life,
// unless the link goes down.
func (l *Link) Set(w Weather) {
	l.mu.Lock()
	l.weather = w
	l.shut = time.Time{}
	var cut []*pair
	if w.Down {
		for p := range l.open {
			cut = append(cut, p)
		}
	}
	l.mu.Unlock()
	for _, p := range cut {
		p.cut()
	}
}

// Counts tells what has passed since the last Reset.
func (l *Link) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Reset starts counting anew and gives what there was.
func (l *Link) Reset() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	l.counts = Counts{}
	return c
}

// Close cuts every connection and ends the link.
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	err := l.listener.Close()
	l.Set(Weather{Down: true})
	l.work.Wait()
	return err
}

func (l *Link) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.work.Go(func() { l.carry(c.(*net.TCPConn)) })
	}
}

// carry takes one connection through its life.
func (l *Link) carry(client *net.TCPConn) {
	p := &pair{link: l, client: client, ended: make(chan struct{})}
	l.mu.Lock()
	if l.closed || l.weather.Down || time.Now().Before(l.shut) {
		l.counts.Refused++
		l.mu.Unlock()
		reset(client)
		return
	}
	w := l.weather
	n := l.opened
	l.opened++
	l.counts.Connections++
	l.open[p] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.open, p)
		l.mu.Unlock()
	}()

	c, err := net.Dial("tcp", l.target)
	if err != nil {
		reset(client)
		return
	}
	if !p.connected(c.(*net.TCPConn)) { // the link went down meanwhile
		return
	}
	chance := rand.New(rand.NewPCG(l.seed, n))
	vary := 1 + w.Spread*(2*chance.Float64()-1)
	if w.CutAfter > 0 {
		t := time.AfterFunc(time.Duration(float64(w.CutAfter)*vary), p.cut)
		defer t.Stop()
	}
	if w.CutBytes > 0 {
		p.left = max(1, int64(float64(w.CutBytes)*vary))
		p.limited = true
	}
	var both sync.WaitGroup
	both.Go(func() { p.stream(p.server, p.client, &l.up, true) })
	both.Go(func() { p.stream(p.client, p.server, &l.down, false) })
	both.Wait()
	p.close()
}

// reset ends a connection as a lost signal does.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// pace spaces bytes out to a rate.
type pace struct {
	mu   sync.Mutex
	free time.Time // when the link is free again
}

// slot gives the time when n bytes, starting now, have gone out.
func (p *pace) slot(n, bits int) time.Time {
	now := time.Now()
	if bits <= 0 {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) * 8 / float64(bits) * float64(time.Second)))
	return p.free
}

// pair is a connection and its other half.
type pair struct {
	link           *Link
	client, server *net.TCPConn
	ended          chan struct{}

	// Under link.mu.
	over    bool
	spoke   bool // the last bytes came from the client
	limited bool
	left    int64 // bytes until the cut
}

// connected notes the server's half. It tells whether the pair still lives.
func (p *pair) connected(c *net.TCPConn) bool {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	if p.over {
		reset(c)
		return false
	}
	p.server = c
	return true
}

// cut ends both halves as a lost signal does, and shuts the link for a while.
func (p *pair) cut() {
	l := p.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.over {
		return
	}
	l.counts.Cuts++
	if l.weather.Refuse > 0 {
		l.shut = time.Now().Add(l.weather.Refuse)
	}
	p.end()
}

// close ends what the two ends have ended.
func (p *pair) close() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	if !p.over {
		p.end()
	}
}

func (p *pair) end() {
	p.over = true
	close(p.ended)
	reset(p.client)
	if p.server != nil {
		reset(p.server)
	}
}

// The largest piece that travels as one, and how many may be under way: what a
// modem buffers.
const (
	piece    = 8 << 10
	underway = 16
)

// stream carries bytes one way until that way ends.
func (p *pair) stream(to, from *net.TCPConn, pace *pace, up bool) {
	type parcel struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan parcel, underway)
	var writer sync.WaitGroup
	writer.Go(func() {
		for x := range pieces {
			if wait := time.Until(x.due); wait > 0 {
				select {
				case <-time.After(wait):
				case <-p.ended:
				}
			}
			select {
			case <-p.ended:
				continue
			default:
			}
			if !up {
				// Before the client can answer, or its turn would be missed.
				p.count(len(x.data), false)
			}
			if _, err := to.Write(x.data); err != nil {
				p.close()
			}
		}
	})
	for {
		l := p.link
		l.mu.Lock()
		w := l.weather
		l.mu.Unlock()
		bits := w.DownBits
		if up {
			bits = w.UpBits
		}
		size := piece
		if bits > 0 {
			// A slow link passes small pieces, or it would stall between them.
			size = min(piece, max(256, bits/8/20))
		}
		b := make([]byte, size)
		n, err := from.Read(b)
		if n > 0 {
			if up {
				p.count(n, true)
			}
			pieces <- parcel{pace.slot(n, bits).Add(w.Delay), b[:n]}
		}
		if err != nil {
			close(pieces)
			writer.Wait()
			if err == io.EOF {
				to.CloseWrite()
			} else {
				p.close()
			}
			return
		}
	}
}

// count adds what passed on the client's side, and cuts when it was too much.
func (p *pair) count(n int, up bool) {
	l := p.link
	l.mu.Lock()
	if up {
		l.counts.Up += int64(n)
		if !p.spoke {
			l.counts.Turns++
		}
	} else {
		l.counts.Down += int64(n)
	}
	p.spoke = up
	cut := false
	if p.limited {
		p.left -= int64(n)
		cut = p.left <= 0
	}
	l.mu.Unlock()
	if cut {
		p.cut()
	}
}
