package syncclient

import (
	"io"
	"sync/atomic"
	"time"
)

// A request and an answer each take so long of the link at most, as far as it has
// been measured: what a cut makes go again is one of them.
const frame = 8 * time.Second

// How much one request carries, in bytes of entries before compression, and how
// much of records the server may answer with. Less than the least would mostly be
// signatures and headers. Twice as much as the most would make a first upload 7%
// smaller, and take 20 MB more to pack. guess is for a link that nothing is known
// of: two seconds of 64 kbit/s.
const (
	minBudget = 16 << 10
	guess     = 64 << 10
	maxBudget = 1 << 20
)

// telling is how many bytes tell how fast a link is: a shorter message measures
// the round trip.
const telling = 4 << 10

// flow is one direction of the link, and what is known of it: how many bytes of
// messages it took how long to pass, and how many bytes of content they were, the
// newest exchanges counting most.
type flow struct {
	line, took, content float64 // bytes, seconds, bytes
	// most bounds the next message whatever was measured: it grows with each one
	// that got through and shrinks with each that did not.
	most int
	// wary since something was cut off, until a message is as long as measured.
	wary bool
}

// measured takes notice of a message that got through: so many bytes of content,
// which were so many on the line, in so much time.
func (f *flow) measured(content int, line int64, took time.Duration) {
	if line < telling || content < 1 {
		return
	}
	f.line = f.line/2 + float64(line)
	f.content = f.content/2 + float64(content)
	f.took = f.took/2 + max(took, time.Microsecond).Seconds()
}

// through tells that a message of that content came to its end. A short one says
// nothing of long ones.
func (f *flow) through(content int) {
	if content < f.most/4 {
		return
	}
	if f.wary {
		f.most = min(2*f.most, maxBudget)
		f.wary = f.most < f.fits()
		return
	}
	f.most = min(8*f.most, maxBudget)
}

// cut tells that one of that budget did not.
func (f *flow) cut(budget int) {
	f.most, f.wary = max(budget/2, minBudget), true
}

// packed is how many bytes on the line one of content comes to.
func (f *flow) packed() float64 {
	if f.content == 0 {
		return 0
	}
	return f.line / f.content
}

// fits is how much content goes into a frame.
func (f *flow) fits() int {
	if f.took == 0 {
		return maxBudget
	}
	return int(min(max(f.content/f.took*frame.Seconds(), minBudget), maxBudget))
}

// budget is how much content the next message may have.
func (f *flow) budget() int { return min(f.most, f.fits()) }

// passage is what passed of an exchange, and when.
type passage struct {
	begun, answered  bool  // the request's body has begun to leave, the answer to come
	up, down         int64 // bytes of the two messages
	upTook, downTook time.Duration
	first            time.Time // when the answer began
}

// timingKey is of an exchange's context.
type timingKey struct{}

// timing measures an exchange. The last attempt counts.
type timing struct {
	base         time.Time
	size         int
	begun        atomic.Bool
	left, answer atomic.Int64 // since base, in ns
	read         int64
}

func newTiming(size int) *timing { return &timing{base: time.Now(), size: size} }

func (t *timing) leaves() {
	t.begun.Store(true)
	t.left.Store(int64(time.Since(t.base)))
}

func (t *timing) answered() { t.answer.Store(int64(time.Since(t.base))) }

// watch counts what is read of an answer.
func (t *timing) watch(r io.Reader) io.Reader { return &arriving{r, t} }

type arriving struct {
	io.Reader
	t *timing
}

func (w *arriving) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.t.read += int64(n)
	return n, err
}

// passage gives what was measured once the answer has been read.
func (t *timing) passage() passage {
	answer := time.Duration(t.answer.Load())
	return passage{
		begun: t.begun.Load(), answered: true, up: int64(t.size), down: t.read, first: t.base.Add(answer),
		upTook: answer - time.Duration(t.left.Load()), downTook: time.Since(t.base) - answer,
	}
}
