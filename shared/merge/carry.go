package merge

import (
	"cmp"
	"maps"
	"regexp"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// A record that moves to another village goes on there under the same id, in changes with
// other names. Two villages know one record as two replicas know it, once its changes are
// called by where they were first written; to carry it is Join under these names.

// Held is a record as one village has it. First names every change of the record that
// the village has, applied or replaced since, by where it was first written. Seen are
// those that were replaced before it came here: they were not brought, and must not come
// back from where they still stand.
type Held struct {
	Village record.Village
	State   State
	First   map[record.Dot]record.Origin
	Seen    map[record.Origin]bool
}

// NewHeld gives a record as a village has it, of which no change was ever carried.
func NewHeld(v record.Village, s State, dots []record.Dot) Held {
	h := Held{Village: v, State: s, First: make(map[record.Dot]record.Origin, len(dots))}
	for _, d := range dots {
		h.First[d] = record.Origin{Village: v, Dot: d}
	}
	return h
}

// Carried is a change to be written where a record goes: what of change From is live
// where it comes from and not known there, with the time and the author of that.
type Carried struct {
	From   record.Dot
	First  record.Origin
	At     clock.Time
	Author string
	Body   []record.Write
}

// Carry gives the changes by which a village comes to hold what another one holds of a
// record, in the order of their times: every live value that it does not know, which
// replaces there what it has replaced where it comes from, and no other. The n-th of them
// is to be named names(n). What was written to it there meanwhile stays beside it.
//
// Whether the record has left a village is of that village and is not carried; Return says
// what ends it.
func Carry(from, to Held, names func(n int) record.Dot) []Carried {
	there := make(map[record.Origin]record.Dot, len(to.First))
	for d, o := range to.First {
		there[o] = d
	}
	known := maps.Clone(from.Seen)
	if known == nil {
		known = map[record.Origin]bool{}
	}
	for _, o := range from.First {
		known[o] = true
	}
	away := from.State.parting()
	byDot := map[record.Dot]*Carried{}
	for p, r := range from.State {
		if p == record.Left {
			continue
		}
		live := map[record.Origin]bool{}
		for _, sib := range r.Siblings {
			live[from.First[sib.Dot]] = true
		}
		var replaced []record.Dot
		for _, sib := range to.State[p].Siblings {
			if o := to.First[sib.Dot]; known[o] && !live[o] && p != record.Source {
				replaced = append(replaced, sib.Dot)
			}
		}
		for _, sib := range r.Siblings {
			first := from.First[sib.Dot]
			if _, is := there[first]; is || to.Seen[first] || p == record.Life && away[sib.Dot] {
				continue
			}
			c := byDot[sib.Dot]
			if c == nil {
				c = &Carried{From: sib.Dot, First: first, At: sib.At, Author: sib.Author}
				byDot[sib.Dot] = c
			}
			c.Body = append(c.Body, record.Write{Path: p, Value: sib.Value, Observed: slices.Clone(replaced)})
		}
	}
	list := slices.SortedFunc(maps.Values(byDot), func(a, b *Carried) int {
		return cmp.Or(cmp.Compare(a.At, b.At), a.From.Compare(b.From))
	})
	called := map[record.Dot]record.Dot{}
	for d, o := range from.First {
		if now, is := there[o]; is {
			called[d] = now
		}
	}
	for i, c := range list {
		called[c.From] = names(i)
	}
	out := make([]Carried, len(list))
	for i, c := range list {
		for j := range c.Body {
			c.Body[j].Value = renameSaid(c.Body[j].Path, c.Body[j].Value, called)
		}
		record.SortBody(c.Body)
		out[i] = *c
	}
	return out
}

// Saw gives the changes whose values a value of _life saw that declares the record void.
func Saw(v record.Value) map[record.Dot]bool {
	dots := map[record.Dot]bool{}
	for _, text := range readDeath(v).Saw {
		if d, err := record.ParseDot(text); err == nil {
			dots[d] = true
		}
	}
	return dots
}

// parting gives the changes by which the record left its village.
func (s State) parting() map[record.Dot]bool {
	dots := map[record.Dot]bool{}
	for _, sib := range s[record.Left].Siblings {
		if !sib.Value.IsNull() {
			dots[sib.Dot] = true
		}
	}
	return dots
}

// ended tells whether somebody declared the record void otherwise than by its leaving.
func (s State) ended() bool {
	away := s.parting()
	return slices.ContainsFunc(s[record.Life].Siblings, func(sib Sibling) bool { return !away[sib.Dot] && readDeath(sib.Value).Void })
}

// Leave gives the writes by which a record leaves a village for another one: void here,
// as of all that s, which was carried, says. What s does not have speaks for its life
// still, and goes to review.
func (s State) Leave(to record.Village, reason string) []record.Write {
	body := []record.Write{
		{Path: record.Left, Value: record.Text(string(to)), Observed: s.Observed(record.Left)},
		{Path: record.Life, Value: s.Void(reason), Observed: s.Observed(record.Life)},
	}
	record.SortBody(body)
	return body
}

// Return gives the writes by which a record lives again in a village that it had left;
// none where it had not. s is the record there with all that was carried back, from where
// it was: void there, it stays void.
func (s State) Return(from State) []record.Write {
	away := s.parting()
	if len(away) == 0 {
		return nil
	}
	var voids []Sibling
	var gone []record.Dot
	for _, sib := range s[record.Life].Siblings {
		switch {
		case away[sib.Dot]:
			gone = append(gone, sib.Dot)
		case readDeath(sib.Value).Void:
			voids = append(voids, sib)
		}
	}
	life := record.Write{Path: record.Life, Value: Alive, Observed: gone}
	if len(voids) > 0 && from.ended() {
		last := slices.MaxFunc(voids, Sibling.after)
		life.Value, life.Observed = last.Value, append(gone, last.Dot)
	}
	body := []record.Write{{Path: record.Left, Value: record.Null, Observed: s.Observed(record.Left)}, life}
	record.SortBody(body)
	return body
}

// dotText is how a value of the system's names a change.
var dotText = regexp.MustCompile(`[0-9a-f]{32}:[0-9]+`)

// renameSaid gives a value of the system's that names changes by their other names.
func renameSaid(p record.Path, v record.Value, names map[record.Dot]record.Dot) record.Value {
	if _, asked := p.Asked(); p != record.Life && !asked {
		return v
	}
	return record.Value(dotText.ReplaceAllStringFunc(string(v), func(text string) string {
		if d, err := record.ParseDot(text); err == nil {
			return cmp.Or(names[d], d).String()
		}
		return text
	}))
}
