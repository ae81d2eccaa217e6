package merge

import (
	"cmp"
	"maps"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// Sibling is one live value of a register: the dot of the change that wrote it,
// when, and who.
type Sibling struct {
	Dot   record.Dot
	Value record.Value
	// At is the time that everybody reads. While the server has not measured
	// it, it is the author's own and Unmeasured is set.
	At         clock.Time
	Unmeasured bool
	Author     string
}

// after orders siblings by time, then dot: the order in which the policy
// "latest" sees them.
func (s Sibling) after(t Sibling) int {
	if c := cmp.Compare(s.At, t.At); c != 0 {
		return c
	}
	return s.Dot.Compare(t.Dot)
}

// Register holds the live values under one path, sorted by dot, and the dots
// that were named as replaced before their changes arrived (Cloud, sorted).
type Register struct {
	Siblings []Sibling
	Cloud    []record.Dot
}

// State is a record as one replica knows it. The zero State is a record of
// which nothing is known. States are values: no function here changes one that
// it was given.
type State map[record.Path]Register

// Frontier says for each stream of a village up to which number its changes
// have been applied.
type Frontier map[record.Stream]uint64

// Covers tells whether the change d is among the applied ones.
func (f Frontier) Covers(d record.Dot) bool { return d.Seq <= f[d.Stream] }

// seen tells whether a replica of this frontier and register knows of d, as a
// live value or as a replaced one.
func (r Register) seen(f Frontier, d record.Dot) bool {
	if f.Covers(d) {
		return true
	}
	_, found := slices.BinarySearchFunc(r.Cloud, d, record.Dot.Compare)
	return found
}

// Applied is one change as it is applied: its dot and the time and author that
// its values get.
type Applied struct {
	Dot        record.Dot
	At         clock.Time
	Unmeasured bool
	Author     string
}

// Apply gives the state after one more change, where f is the village's
// frontier before it. The caller sees to it that the change is the next of its
// stream: a.Dot.Seq = f[a.Dot.Stream]+1.
func Apply(s State, f Frontier, a Applied, body []record.Write) State {
	next := make(State, len(s)+len(body))
	maps.Copy(next, s)
	next.ApplyInPlace(f, a, body)
	return next
}

// Set makes a register what it is now. One that says nothing is kept out of the state,
// so that equal knowledge is equal, and what Encode gives can be read.
func (s State) Set(p record.Path, r Register) {
	if len(r.Siblings) == 0 && len(r.Cloud) == 0 {
		delete(s, p)
		return
	}
	s[p] = r
}

// Join gives what two replicas know together: a of a replica whose village
// frontier is fa, b of one whose frontier is fb. A value that one holds and the
// other has seen but no longer holds was replaced, and goes.
func Join(a State, fa Frontier, b State, fb Frontier) State {
	joined := make(State, max(len(a), len(b)))
	for p, ra := range a {
		joined.Set(p, joinRegister(ra, fa, b[p], fb))
	}
	for p, rb := range b {
		if _, both := a[p]; !both {
			joined.Set(p, joinRegister(Register{}, fa, rb, fb))
		}
	}
	return joined
}

func joinRegister(a Register, fa Frontier, b Register, fb Frontier) Register {
	var r Register
	i, j := 0, 0
	for i < len(a.Siblings) || j < len(b.Siblings) {
		c := -1
		switch {
		case i == len(a.Siblings):
			c = 1
		case j < len(b.Siblings):
			c = a.Siblings[i].Dot.Compare(b.Siblings[j].Dot)
		}
		switch {
		case c < 0:
			if !b.seen(fb, a.Siblings[i].Dot) {
				r.Siblings = append(r.Siblings, a.Siblings[i])
			}
			i++
		case c > 0:
			if !a.seen(fa, b.Siblings[j].Dot) {
				r.Siblings = append(r.Siblings, b.Siblings[j])
			}
			j++
		default:
			r.Siblings = append(r.Siblings, same(a.Siblings[i], b.Siblings[j]))
			i++
			j++
		}
	}
	for _, d := range slices.Concat(a.Cloud, b.Cloud) {
		if !fa.Covers(d) && !fb.Covers(d) {
			r.Cloud = append(r.Cloud, d)
		}
	}
	r.Cloud = record.SortDots(r.Cloud)
	return r
}

// same joins two copies of one change's value. They differ at most in time: a
// measured time replaces the author's own, and where two epochs of a server
// measured it the earlier stands.
func same(a, b Sibling) Sibling {
	if a.Unmeasured != b.Unmeasured {
		if a.Unmeasured {
			return b
		}
		return a
	}
	if b.At < a.At {
		return b
	}
	return a
}

// Measure gives the state with the time that everybody reads for the values of
// the change d.
func (s State) Measure(d record.Dot, at clock.Time) State {
	next := maps.Clone(s)
	for p, r := range s {
		for i, sib := range r.Siblings {
			if sib.Dot == d && (sib.At != at || sib.Unmeasured) {
				r.Siblings = slices.Clone(r.Siblings)
				r.Siblings[i].At, r.Siblings[i].Unmeasured = at, false
				next[p] = r
			}
		}
	}
	return next
}

// Dated gives the state with the times that by, which is the server's, has measured
// for the same changes: a server restored from a backup may have measured one anew,
// and what it says now everybody reads.
func (s State) Dated(by State) State {
	next := maps.Clone(s)
	for p, r := range s {
		measured := by[p].Siblings
		for i, sib := range r.Siblings {
			j, found := slices.BinarySearchFunc(measured, sib.Dot, func(m Sibling, d record.Dot) int { return m.Dot.Compare(d) })
			if !found || measured[j].Unmeasured || measured[j].At == sib.At && !sib.Unmeasured {
				continue
			}
			r.Siblings = slices.Clone(r.Siblings)
			r.Siblings[i].At, r.Siblings[i].Unmeasured = measured[j].At, false
			next[p] = r
		}
	}
	return next
}

// Rename gives the state with other names for some changes: as it would be if
// those had been written under them.
func (s State) Rename(names map[record.Dot]record.Dot) State {
	next := make(State, len(s))
	for p, r := range s {
		r.Siblings, r.Cloud = slices.Clone(r.Siblings), slices.Clone(r.Cloud)
		for i, sib := range r.Siblings {
			r.Siblings[i].Dot = cmp.Or(names[sib.Dot], sib.Dot)
			if p == record.Life {
				r.Siblings[i].Value = RenameSeen(sib.Value, names)
			}
		}
		for i, d := range r.Cloud {
			r.Cloud[i] = cmp.Or(names[d], d)
		}
		slices.SortFunc(r.Siblings, func(x, y Sibling) int { return x.Dot.Compare(y.Dot) })
		r.Cloud = record.SortDots(r.Cloud)
		next[p] = r
	}
	return next
}

// Observed gives the dots of the values under path, as a person is shown them.
func (s State) Observed(p record.Path) []record.Dot {
	var ds []record.Dot
	for _, sib := range s[p].Siblings {
		ds = append(ds, sib.Dot)
	}
	return ds
}

// Dots gives the dots of all values of the record, sorted.
func (s State) Dots() []record.Dot {
	var ds []record.Dot
	for p := range s {
		ds = append(ds, s.Observed(p)...)
	}
	return record.SortDots(ds)
}
