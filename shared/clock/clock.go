package clock

import (
	"fmt"
	"time"
)

// Time is a hybrid logical timestamp: milliseconds since 1970 UTC in the upper
// 48 bits, a counter in the lower 16. Times sort as numbers.
type Time uint64

// At0 is the time of the given milliseconds since 1970 UTC; times before 1970
// are 1970.
func At0(milli int64) Time {
	if milli < 0 {
		return 0
	}
	return Time(milli) << 16
}

// Milli gives the milliseconds since 1970 UTC.
func (t Time) Milli() int64 { return int64(t >> 16) }

// Std gives the wall time of t, in UTC.
func (t Time) Std() time.Time { return time.UnixMilli(t.Milli()).UTC() }

// String gives t as RFC 3339 in UTC with milliseconds.
func (t Time) String() string { return t.Std().Format("2006-01-02T15:04:05.000Z") }

// MarshalText gives String, or nothing for no time.
func (t Time) MarshalText() ([]byte, error) {
	if t == 0 {
		return nil, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads what MarshalText wrote; the counter is not in it.
func (t *Time) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*t = 0
		return nil
	}
	s, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("%q is not a time: %w", b, err)
	}
	*t = At0(s.UnixMilli())
	return nil
}

// shift moves t by so many milliseconds and keeps the counter.
func (t Time) shift(milli int64) Time {
	m := t.Milli() + milli
	if m < 0 {
		return 0
	}
	return Time(m)<<16 | t&0xffff
}

// Limits in milliseconds.
const (
	// Ahead is how far in the future a remote time may lie and still be
	// absorbed.
	Ahead = 24 * 3600 * 1000
	// Noise is the difference between two clocks that At and Measure leave
	// alone: the way of a request over a bad link takes that long.
	Noise = 5 * 1000
	// backward and forward bound how far a wall clock may move between two
	// looks at it: a minute back is a time service at work, a laptop may lie in
	// a drawer for a year, and everything beyond is a clock that was set.
	backward = 60 * 1000
	forward  = 400 * 24 * 3600 * 1000
	// MaxRuns bounds the memory of a clock that jumps at every start, and what it
	// tells; the oldest are forgotten, their changes are then dated as they were
	// stamped.
	MaxRuns = 32
)

// Run is a stretch of timestamps made under one setting of the wall clock:
// those from From to the next run. Correction is what must be added, in
// milliseconds, as far as it was ever measured.
type Run struct {
	From       Time  `cbor:"0,keyasint"`
	Correction int64 `cbor:"1,keyasint"`
}

// Clock is what a device remembers of the time, stored with every change that
// it stamps. The zero Clock is a new device's.
type Clock struct {
	// Last is the largest time given or absorbed.
	Last Time `cbor:"0,keyasint"`
	// Offset is added to the wall clock to get the time that is stamped, and
	// Skew to get the server's time as last measured, both in milliseconds.
	Offset int64 `cbor:"1,keyasint"`
	Skew   int64 `cbor:"2,keyasint"`
	// Wall is the wall clock when it was last looked at.
	Wall int64 `cbor:"3,keyasint"`
	// Runs are the stretches since the last one the server has had all of; the
	// last run is the one under way.
	Runs []Run `cbor:"4,keyasint,omitempty"`
	// Since is where the run under way began, also where no others are known any more.
	Since Time `cbor:"5,keyasint,omitempty"`
}

// look notices a jump of the wall clock and starts a new run at it.
func (c *Clock) look(wall int64) {
	if c.Wall != 0 && (wall < c.Wall-backward || wall > c.Wall+forward) {
		c.Offset += c.Wall - wall
		c.Skew += c.Wall - wall
		c.begin()
	}
	c.Wall = wall
}

// begin starts a new run after everything stamped so far.
func (c *Clock) begin() {
	if len(c.Runs) == 0 {
		c.Runs = append(c.Runs, Run{})
	}
	c.Since = c.Last + 1
	c.Runs = append(c.Runs, Run{From: c.Since})
	if n := len(c.Runs) - MaxRuns; n > 0 {
		c.Runs = append(c.Runs[:0], c.Runs[n:]...)
	}
}

// Now gives the next timestamp; wall is the wall clock in milliseconds since
// 1970.
func (c *Clock) Now(wall int64) Time {
	c.look(wall)
	c.Last = max(c.Last+1, At0(wall+c.Offset))
	return c.Last
}

// Read gives the clock's reading without stamping anything: what a sync tells
// the server so that it can measure.
func (c *Clock) Read(wall int64) Time {
	c.look(wall)
	return At0(wall + c.Offset)
}

// Observe makes every later Now return more than t, unless t lies more than
// Ahead beyond this clock.
func (c *Clock) Observe(t Time, wall int64) {
	c.look(wall)
	if t.Milli() <= wall+c.Offset+Ahead {
		c.Last = max(c.Last, t)
	}
}

// Measure takes the server's time, in milliseconds, for the moment when the
// wall clock stood at wall. What was stamped in the run under way gets the
// difference as its correction. A clock that has stamped more than Ahead in the
// future goes on stamping as before, corrected by the server at each sync: to set it
// back would repeat timestamps.
func (c *Clock) Measure(server, wall int64) {
	c.look(wall)
	c.Skew = server - wall
	change := c.Skew - c.Offset
	if -Noise < change && change < Noise || c.Last > At0(wall+c.Skew+Ahead) {
		return
	}
	if len(c.Runs) == 0 {
		c.Runs = append(c.Runs, Run{})
	}
	c.Runs[len(c.Runs)-1].Correction = change
	c.Offset = c.Skew
	c.begin()
}

// Forget drops the runs that ended before oldest, the time of the oldest
// change the server has not acknowledged (the next one's when there is none).
func (c *Clock) Forget(oldest Time) {
	for len(c.Runs) > 1 && c.Runs[1].From <= oldest {
		c.Runs = c.Runs[1:]
	}
	if len(c.Runs) == 1 {
		c.Runs = nil
	}
}

// Recall says again what was once found of the timestamps from first to last, in
// milliseconds: a server that was restored lacks changes that it had dated, and they go
// to it again. What was stamped in the run under way is found as it always is.
func (c *Clock) Recall(first, last Time, correction int64) {
	if last = min(last, c.Since-1); c.Since == 0 || last < first {
		return
	}
	if len(c.Runs) == 0 {
		c.Runs = []Run{{From: c.Since}}
	}
	after := Run{From: last + 1}
	var runs []Run
	for _, r := range c.Runs {
		if r.From < first {
			runs = append(runs, r)
		}
		if r.From <= after.From {
			after.Correction = r.Correction
		}
	}
	runs = append(runs, Run{From: first, Correction: correction})
	if after.From < c.Since {
		runs = append(runs, after)
	}
	for _, r := range c.Runs {
		if r.From > after.From || r.From == c.Since {
			runs = append(runs, r)
		}
	}
	c.Runs = runs[max(0, len(runs)-MaxRuns):]
}

// Correction gives what must be added to t, in milliseconds: the measured
// correction of its run, or for the last run, and where no runs are told, the
// difference found in this sync (the server's time minus Read's). Differences
// within Noise are none.
func Correction(t Time, runs []Run, found int64) int64 {
	correction := found
	for i, r := range runs {
		if r.From > t {
			break
		}
		if correction = found; i < len(runs)-1 {
			correction = r.Correction
		}
	}
	if -Noise < correction && correction < Noise {
		return 0
	}
	return correction
}

// At is the time of a change that everybody reads: its own timestamp t with
// the correction added (milliseconds), never before floor, the At of the
// change before it in its stream, and never after receipt, the server's time
// when it took the change. Where the two contradict each other the floor
// holds, so that a stream's times never go back.
func At(t Time, correction int64, floor, receipt Time) Time {
	return max(floor, min(t.shift(correction), receipt))
}
