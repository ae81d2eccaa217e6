package clock

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const (
	hour = 3600 * 1000
	day  = 24 * hour
	year = 365 * day
	t0   = int64(1495500000000) // 2017-05-23
)

// stamped is a change stamped by a laptop at a true time.
type stamped struct {
	true int64
	time Time
}

// A laptop's wall clock differs from true time by a skew that jumps at will.
// Whatever it does: timestamps rise, and the times that the server makes of
// them lie between the sync before and the receipt, in the order of writing.
func TestLaptopWithAWildClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Clock
		now, skew := t0, rapid.Int64Range(-10*year, 10*year).Draw(t, "skew")
		c.Measure(now, now+skew)
		var pending []stamped
		var last, floor Time
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now += rapid.Int64Range(1, 3*day).Draw(t, "pass")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				skew = rapid.Int64Range(-10*year, 10*year).Draw(t, "skew")
			case 1:
				receipt := At0(now)
				found := now - c.Read(now+skew).Milli()
				for _, p := range pending {
					at := At(p.time, Correction(p.time, c.Runs, found), floor, receipt)
					if at < floor || at > receipt && at != floor {
						t.Fatalf("at %v outside %v..%v", at, floor, receipt)
					}
					floor = at
				}
				pending = pending[:0]
				c.Measure(now, now+skew)
				c.Forget(c.Last + 1)
			default:
				got := c.Now(now + skew)
				if got <= last {
					t.Fatalf("%v after %v", got, last)
				}
				last = got
				pending = append(pending, stamped{now, got})
			}
		}
	})
}

// Each row is a laptop whose clock jumped while it was offline: Monday's save
// came before the jump, Wednesday's after, and the sync is on Friday.
func TestJumpBetweenSyncs(t *testing.T) {
	tests := []struct {
		name string
		jump int64
		// how far Wednesday's time may be off, in milliseconds: the jump itself
		// takes as long as nobody looked at the clock
		within int64
	}{
		{"no jump", 0, 1},
		{"battery died: ten years back", -10 * year, 2*day + 1},
		{"set ten years ahead", 10 * year, 2*day + 1},
		{"an hour back", -hour, 2*day + 1},
		{"an hour ahead", hour, 2*day + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Clock
			c.Measure(t0, t0)
			monday := c.Now(t0 + day)
			wednesday := c.Now(t0 + 3*day + tt.jump)
			friday := t0 + 5*day
			found := friday - c.Read(friday+tt.jump).Milli()
			at := At(monday, Correction(monday, c.Runs, found), 0, At0(friday))
			// Monday's save keeps its time when the jump could be seen: one that is
			// shorter than the time the laptop was off looks like a longer rest.
			seen := tt.jump == 0 || tt.jump < -2*day || tt.jump > forward
			if d := at.Milli() - (t0 + day); seen && (d < -1 || d > 1) {
				t.Errorf("Monday's save is dated %v, off by %d ms", at, d)
			}
			at = At(wednesday, Correction(wednesday, c.Runs, found), at, At0(friday))
			if d := at.Milli() - (t0 + 3*day); d < -tt.within || d > tt.within {
				t.Errorf("Wednesday's save is dated %v, off by %d ms", at, d)
			}
		})
	}
}

func TestObserve(t *testing.T) {
	var c Clock
	c.Now(t0)
	c.Observe(At0(t0+hour), t0)
	if got := c.Now(t0); got <= At0(t0+hour) {
		t.Errorf("Now = %v, not after the observed time", got)
	}
	// Two days ahead is recorded elsewhere, never absorbed.
	c.Observe(At0(t0+2*day), t0)
	if got := c.Now(t0); got > At0(t0+2*hour) {
		t.Errorf("Now = %v was dragged ahead", got)
	}
}

// A clock found far ahead goes on in its own time and is corrected at each
// sync, so that later changes do not freeze at one moment.
func TestFarAheadGoesOn(t *testing.T) {
	var c Clock
	c.Now(t0 + 10*year)
	c.Measure(t0, t0+10*year)
	var floor Time
	for i := range int64(5) {
		now := t0 + i*day
		time := c.Now(now + 10*year)
		now += hour
		found := now - c.Read(now+10*year).Milli()
		at := At(time, Correction(time, c.Runs, found), floor, At0(now))
		if d := at.Milli() - (now - hour); d < -1 || d > 1 {
			t.Errorf("day %d: dated %v, off by %d ms", i, at, d)
		}
		floor = at
	}
}

// What was found of stretches of timestamps is found again, and of no others, wherever
// they lie between those of now.
func TestRecall(t *testing.T) {
	const end, now = 60, int64(100_000)
	rapid.Check(t, func(t *rapid.T) {
		c := Clock{Since: 1}
		for range rapid.IntRange(0, 4).Draw(t, "runs") {
			c.Runs = append(c.Runs, Run{From: c.Since, Correction: 10_000 * rapid.Int64Range(1, 6).Draw(t, "correction")})
			c.Since += Time(rapid.Uint64Range(1, 8).Draw(t, "length"))
		}
		if len(c.Runs) > 0 {
			c.Runs = append(c.Runs, Run{From: c.Since})
			c.Forget(Time(rapid.Uint64Range(0, uint64(c.Since)).Draw(t, "oldest")))
		}
		want := make([]int64, end)
		for at := range want {
			want[at] = Correction(Time(at), c.Runs, now)
		}
		recalled := map[Time]bool{}
		for range rapid.IntRange(1, 4).Draw(t, "stretches") {
			first := Time(rapid.Uint64Range(1, 40).Draw(t, "first"))
			last := first + Time(rapid.Uint64Range(0, 8).Draw(t, "more"))
			found := 10_000 * rapid.Int64Range(7, 9).Draw(t, "found")
			c.Recall(first, last, found)
			for at := first; at <= last && at < c.Since; at++ {
				want[at], recalled[at] = found, true
			}
		}
		for at := range Time(end) {
			got := Correction(at, c.Runs, now)
			// What nobody knows any more of the time before is as it was stamped, or as now.
			forgotten := !recalled[at] && want[at] == now && at < c.Since
			if got != want[at] && !(forgotten && got == 0) {
				t.Fatalf("%d is corrected by %d, not %d: %v, since %d", at, got, want[at], c.Runs, c.Since)
			}
		}
		if !slices.IsSortedFunc(c.Runs, func(a, b Run) int { return cmp.Compare(a.From, b.From) }) {
			t.Fatalf("not in order: %v", c.Runs)
		}
	})
}
