package merge

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// change is one entry of a history: what it wrote, and its place.
type change struct {
	Applied
	body []record.Write
}

// history is everything that several streams ever wrote to one record.
type history map[record.Stream][]change

// replica is what one holder of the record knows: some prefix of each stream.
type replica struct {
	s State
	f Frontier
}

func (r *replica) apply(c change) {
	r.s = Apply(r.s, r.f, c.Applied, c.body)
	f := Frontier{}
	for k, v := range r.f {
		f[k] = v
	}
	f[c.Dot.Stream] = c.Dot.Seq
	r.f = f
}

func (r *replica) join(o replica) {
	r.s = Join(r.s, r.f, o.s, o.f)
	f := Frontier{}
	for _, g := range []Frontier{r.f, o.f} {
		for k, v := range g {
			f[k] = max(f[k], v)
		}
	}
	r.f = f
}

// oracle says what a holder of exactly the changes up to f must have: in each
// register what was written there and is named by none of these changes.
func (h history) oracle(f Frontier) State {
	type place struct {
		p record.Path
		d record.Dot
	}
	replaced := map[place]bool{}
	for stream, cs := range h {
		for _, c := range cs[:f[stream]] {
			for _, w := range c.body {
				for _, d := range w.Observed {
					replaced[place{w.Path, d}] = true
				}
			}
		}
	}
	s := State{}
	for stream, cs := range h {
		for _, c := range cs[:f[stream]] {
			for _, w := range c.body {
				if !replaced[place{w.Path, c.Dot}] {
					r := s[w.Path]
					r.Siblings = append(r.Siblings, Sibling{c.Dot, w.Value, c.At, c.Unmeasured, c.Author})
					s[w.Path] = r
				}
			}
		}
	}
	for p, r := range s {
		slices.SortFunc(r.Siblings, func(a, b Sibling) int { return a.Dot.Compare(b.Dot) })
		s[p] = r
	}
	for pd := range replaced {
		if !f.Covers(pd.d) {
			r := s[pd.p]
			r.Cloud = record.SortDots(append(r.Cloud, pd.d))
			s[pd.p] = r
		}
	}
	return s
}

var paths = []record.Path{"phone", "group_name", "topics/road", "poverty_status~"}

// genHistory lets a few replicas write, exchange and re-order at will, and
// gives the history and the replicas that came of it. Exchange is by states
// (join) and by single changes (apply), so that clouds come about.
func genHistory(t *rapid.T) (history, []replica) {
	h := history{}
	rs := make([]replica, rapid.IntRange(2, 4).Draw(t, "replicas"))
	for i := range rs {
		rs[i] = replica{State{}, Frontier{}}
	}
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		i := rapid.IntRange(0, len(rs)-1).Draw(t, "who")
		r := &rs[i]
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0, 1: // write, replacing all or some of what it sees
			stream := record.Stream{byte(i + 1)}
			n := uint64(len(h[stream]) + 1)
			c := change{Applied: Applied{Dot: record.Dot{Stream: stream, Seq: n}, At: clock.Time(rapid.IntRange(0, 5).Draw(t, "at")), Author: "王"}}
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 1, 3, rapid.ID).Draw(t, "paths") {
				w := record.Write{Path: p, Value: record.Text(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "value"))}
				for _, d := range r.s.Observed(p) {
					if rapid.IntRange(0, 3).Draw(t, "shown") > 0 {
						w.Observed = append(w.Observed, d)
					}
				}
				c.body = append(c.body, w)
			}
			record.SortBody(c.body)
			h[stream] = append(h[stream], c)
			r.apply(c)
		case 2: // take the other's whole state
			r.join(rs[rapid.IntRange(0, len(rs)-1).Draw(t, "from")])
		default: // take one next change of some stream, whoever wrote it
			j := byte(rapid.IntRange(1, len(rs)).Draw(t, "stream"))
			s := record.Stream{j}
			if n := r.f[s]; n < uint64(len(h[s])) {
				r.apply(h[s][n])
			}
		}
	}
	return h, rs
}

func equal(a, b State) bool { return bytes.Equal(a.Encode(), b.Encode()) }

// Whatever is written and exchanged in whatever order: every replica has what
// the oracle says for the changes it knows.
func TestReplicasEqualOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, rs := genHistory(t)
		for i, r := range rs {
			if want := h.oracle(r.f); !equal(r.s, want) {
				t.Fatalf("replica %d at %v has\n%v\nwant\n%v", i, r.f, r.s, want)
			}
		}
	})
}

func TestJoinLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, rs := genHistory(t)
		a, b := rs[0], rs[1]
		c := rs[len(rs)-1]
		join := func(x, y replica) replica { x.join(y); return x }
		if x, y := join(a, b), join(b, a); !equal(x.s, y.s) {
			t.Fatalf("not commutative: %v and %v", x.s, y.s)
		}
		if x, y := join(join(a, b), c), join(a, join(b, c)); !equal(x.s, y.s) {
			t.Fatalf("not associative: %v and %v", x.s, y.s)
		}
		if x := join(a, a); !equal(x.s, a.s) {
			t.Fatalf("not idempotent: %v from %v", x.s, a.s)
		}
		// Joining and applying agree: the missing changes one by one give what
		// the joined states give.
		x, y := join(a, b), a
		for s, n := range b.f {
			for y.f[s] < n {
				y.apply(h[s][y.f[s]])
			}
		}
		if !equal(x.s, y.s) {
			t.Fatalf("joining gives %v, applying %v", x.s, y.s)
		}
	})
}

// Every accepted value is live, or named in an accepted change.
func TestNothingLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, rs := genHistory(t)
		for _, r := range rs {
			for stream, cs := range h {
				for _, c := range cs[:r.f[stream]] {
					for _, w := range c.body {
						if slices.Contains(r.s.Observed(w.Path), c.Dot) || named(h, r.f, w.Path, c.Dot) {
							continue
						}
						t.Fatalf("%v of %v is gone and nobody named it", c.Dot, w.Path)
					}
				}
			}
		}
	})
}

func named(h history, f Frontier, p record.Path, d record.Dot) bool {
	for stream, cs := range h {
		for _, c := range cs[:f[stream]] {
			for _, w := range c.body {
				if w.Path == p && slices.Contains(w.Observed, d) {
					return true
				}
			}
		}
	}
	return false
}

// A time that the server measured replaces the author's own on every replica.
func TestMeasuredTimeWins(t *testing.T) {
	d := record.Dot{Stream: record.Stream{1}, Seq: 1}
	body := []record.Write{{Path: "phone", Value: `"1"`}}
	own := replica{State{}, Frontier{}}
	own.apply(change{Applied{d, 99, true, "王"}, body})
	server := replica{State{}, Frontier{}}
	server.apply(change{Applied{d, 50, false, "王"}, body})
	a, b := own, server
	a.join(server)
	b.join(own)
	if !equal(a.s, server.s) || !equal(b.s, server.s) || !equal(own.s.Measure(d, 50), server.s) {
		t.Errorf("got %v, %v and %v, want %v", a.s, b.s, own.s.Measure(d, 50), server.s)
	}
}

func TestEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, rs := genHistory(t)
		for _, r := range rs {
			got, err := Decode(r.s.Encode())
			if err != nil || !reflect.DeepEqual(got, r.s) {
				t.Fatalf("got %#v, %v\nwant %#v", got, err, r.s)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	s := Apply(State{}, Frontier{}, Applied{Dot: record.Dot{Seq: 1}, At: 7, Author: "王"}, []record.Write{
		{Path: "findings", Value: `"a"`, Observed: []record.Dot{{Stream: record.Stream{2}, Seq: 9}}}, {Path: "phone", Value: record.Null},
	})
	f.Add(s.Encode())
	f.Add(State{}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err == nil && !bytes.Equal(s.Encode(), b) {
			t.Errorf("%x read and written gives %x", b, s.Encode())
		}
	})
}

// The server's measure of a change replaces another one, or the author's own; what
// it has not measured, and what it has not, stays.
func TestDated(t *testing.T) {
	at := func(seq uint64, ms int64, unmeasured bool) Sibling {
		return Sibling{Dot: record.Dot{Stream: record.Stream{1}, Seq: seq}, At: clock.At0(ms), Unmeasured: unmeasured}
	}
	ours := State{"a": {Siblings: []Sibling{at(1, 10, false), at(2, 10, true), at(3, 10, false), at(4, 10, false)}}, "b": {Siblings: []Sibling{at(1, 10, false)}}}
	theirs := State{"a": {Siblings: []Sibling{at(1, 20, false), at(2, 20, false), at(3, 20, true)}}}
	before := ours.Encode()
	got := ours.Dated(theirs)
	want := State{"a": {Siblings: []Sibling{at(1, 20, false), at(2, 20, false), at(3, 10, false), at(4, 10, false)}}, "b": {Siblings: []Sibling{at(1, 10, false)}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !bytes.Equal(ours.Encode(), before) {
		t.Error("the state was changed")
	}
}
