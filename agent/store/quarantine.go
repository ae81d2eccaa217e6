package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Shown gives a record's state as people see it: with quarantined own changes on
// it. It is what a form that is opened now replaces.
func (s *Store) Shown(t record.Type, id record.ID) (shown merge.State, err error) {
	err = s.view(func(x *tx) error {
		v, k, err := x.find(t, id)
		if err != nil {
			return err
		}
		tc, st, _, err := v.load(k.Type, id)
		if err != nil {
			return err
		}
		shown, _, err = v.shown(k, tc, st)
		return err
	})
	return shown, err
}

// Aside is an own change that the server set aside.
type Aside struct {
	journal.Quarantined
	Dot    record.Dot
	Change record.Change
	// Verdict is what the office decided on it, nil while it has not. Seen tells of one
	// that was rejected that somebody here has seen why.
	Verdict *journal.Verdict
	Seen    bool
}

// Rejected tells whether it waits for somebody here to see why it was rejected.
func (a *Aside) Rejected() bool { return a.Verdict != nil && !a.Verdict.Accepted && !a.Seen }

// Open tells whether it waits for the office, or for somebody here.
func (a *Aside) Open() bool { return a.Verdict == nil || a.Rejected() }

// Asides gives the changes of a record that the server set aside, the oldest first.
func (s *Store) Asides(t record.Type, id record.ID) (list []Aside, err error) {
	err = s.view(func(x *tx) error {
		v, k, err := x.find(t, id)
		if err != nil {
			return err
		}
		tc, _, _, err := v.load(k.Type, id)
		if err != nil {
			return err
		}
		asides, err := v.asides(id)
		if err != nil || len(asides) == 0 {
			return err
		}
		own, err := v.ownChanges(tc, func(touch) bool { return true })
		for _, o := range own {
			if a := asides[o.touch]; a != nil {
				a.Dot, a.Change = record.Dot{Stream: o.Stream, Seq: o.Seq}, o.entry.change()
				list = append(list, *a)
			}
		}
		return err
	})
	return list, err
}

// asides gives what the server and the office say of the changes of a record that were
// set aside.
func (v *village) asides(id record.ID) (map[touch]*Aside, error) {
	set := map[touch]*Aside{}
	return set, v.quarantineOf(id, func(own touch) error {
		a, key := new(Aside), quarantineKey(id, own)
		if _, err := v.t.s.getSealed(v.b.Bucket(bucketQuarantine), quarantineAt(key), key, &a.Quarantined); err != nil {
			return err
		}
		set[own] = a
		r, err := v.ruling(key)
		if r != nil {
			a.Verdict, a.Seen = &r.Verdict, r.seen
		}
		return err
	})
}

// open tells whether something that was set aside of a record waits, for the office or
// for somebody here.
func (v *village) open(id record.ID) (some bool, err error) {
	asides, err := v.asides(id)
	for _, a := range asides {
		some = some || a.Open()
	}
	return some, err
}

func quarantineAt(key []byte) slot { return slotOf("quarantine", key) }

// quarantineKey names an own change that was set aside: record, stream, number.
func quarantineKey(id record.ID, t touch) []byte {
	return append(append(append(make([]byte, 0, 40), id[:]...), t.Stream[:]...), number(t.Seq)...)
}

func (v *village) quarantineOf(id record.ID, yield func(touch) error) error {
	c := v.b.Bucket(bucketQuarantine).Cursor()
	for k, _ := c.Seek(id[:]); bytes.HasPrefix(k, id[:]); k, _ = c.Next() {
		if len(k) != 40 {
			return fmt.Errorf("%w: quarantine", ErrDamaged)
		}
		if err := yield(touch{Stream: record.Stream(k[16:32]), Seq: binary.BigEndian.Uint64(k[32:])}); err != nil {
			return err
		}
	}
	return nil
}

// shown gives a record's state as people see it, and tells whether something on
// it was quarantined.
func (v *village) shown(k record.Key, tc touched, s merge.State) (merge.State, bool, error) {
	if !tc.Quarantined {
		return s, false, nil
	}
	return v.withQuarantined(k, tc, s)
}

// withQuarantined puts the quarantined own changes on a record's state, as far as
// no later own change has replaced them, and tells whether any of them shows.
func (v *village) withQuarantined(k record.Key, tc touched, s merge.State) (shown merge.State, some bool, err error) {
	var set []touch
	if err := v.quarantineOf(k.ID, func(t touch) error {
		over, err := v.overruled(quarantineKey(k.ID, t))
		if !over {
			set = append(set, t)
		}
		return err
	}); err != nil || len(set) == 0 {
		return s, false, err
	}
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return s, false, err
	}
	left, err := v.left(k.ID, own)
	if err != nil {
		return s, false, err
	}
	replaced := observed(left)
	for _, o := range own {
		if !slices.Contains(set, o.touch) {
			continue
		}
		d := record.Dot{Stream: o.Stream, Seq: o.Seq}
		c := o.entry.change()
		c.Body = slices.DeleteFunc(c.Body, func(w record.Write) bool { return replaced[w.Path][d] })
		if len(c.Body) == 0 {
			continue
		}
		// Where a restored server had lost it, it is pending again.
		stream := v.owns[o.Stream]
		some = some || stream != nil && o.Seq <= stream.Acked.Seq
		if c.Body = slices.DeleteFunc(c.Body, func(w record.Write) bool { return lives(s, w.Path, d) }); len(c.Body) == 0 {
			continue
		}
		s = merge.Apply(s, nil, merge.Applied{Dot: d, At: clock.Time(c.Time), Unmeasured: true, Author: c.Author}, c.Body)
	}
	return s, some, nil
}

// lives tells whether what a change wrote in a place stands there.
func lives(s merge.State, p record.Path, d record.Dot) bool {
	return slices.ContainsFunc(s[p].Siblings, func(sib merge.Sibling) bool { return sib.Dot == d })
}

// observed gives what changes replace.
func observed(own []ownChange) map[record.Path]map[record.Dot]bool {
	replaced := map[record.Path]map[record.Dot]bool{}
	for _, o := range own {
		for _, w := range o.entry.Body {
			for _, d := range w.Observed {
				if replaced[w.Path] == nil {
					replaced[w.Path] = map[record.Dot]bool{}
				}
				replaced[w.Path][record.Dot{Stream: d.Stream, Seq: d.Seq}] = true
			}
		}
	}
	return replaced
}

// ownChange is one of the laptop's own changes to a record.
type ownChange struct {
	touch
	entry *entry
}

// ownChanges gives the laptop's own changes to a record, the oldest first, back
// to the first of which more is false.
func (v *village) ownChanges(tc touched, more func(touch) bool) (list []ownChange, err error) {
	for t := tc.Last; t.Seq > 0 && more(t); {
		e, err := v.entry(t.Stream, t.Seq)
		if err != nil {
			return nil, err
		}
		list = append(list, ownChange{t, e})
		t = e.Before
	}
	slices.Reverse(list)
	return list, nil
}
