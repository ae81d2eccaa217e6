package syncapi

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Limits on how many requests are served at once, and what is said to the others.
const (
	// maxServed is how many requests that have arrived are worked on, or wait for
	// others that are; whoever comes then is to come back.
	maxServed = 256
	// The least and the most that it is told to wait.
	shortWait = 10 * time.Second
	longWait  = 30 * time.Minute
	// What serving one takes of the server's time, where nothing is known of it, and
	// between what bounds it is believed.
	guess, quickest, slowestServed = 20 * time.Millisecond, time.Millisecond, time.Second
	// weight is how much the last request counts in the mean.
	weight = 0.05
)

// busy knows how many requests are served, and has those who are not stand in line:
// each is told to come back when those before it will have been served. So the more
// come the longer they wait, and a county that comes back at once does not come back
// at once again.
type busy struct {
	mu     sync.Mutex
	most   int
	served int
	took   time.Duration // mean time that one is served
	end    time.Time     // of the line
}

// full tells whether a request has to come back.
func (b *busy) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served >= b.most
}

// enter counts a request as served until leave.
func (b *busy) enter() (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.served++
	begun := time.Now()
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.served--
		b.took += time.Duration(weight * float64(time.Since(begun)-b.took))
	}
}

// place gives a place at the end of the line: in how many seconds to come back.
func (b *busy) place(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	// By Little's law: so many at once, each for so long.
	each := min(max(b.took/time.Duration(b.most), quickest), slowestServed)
	if first := now.Add(shortWait); b.end.Before(first) {
		b.end = first
	}
	wait := b.end.Sub(now)
	if wait > longWait {
		// The line is as long as it gets: whoever comes now comes somewhere in its
		// second half.
		wait = longWait/2 + rand.N(longWait/2)
	} else {
		b.end = b.end.Add(each)
	}
	return int((wait + time.Second - 1) / time.Second)
}
