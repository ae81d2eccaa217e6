package store

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A stream goes on in one place only. Where the laptop can no longer be sure that
// it is this place (it was restored from an older image, copied, or its data
// folder moved), new entries go to a new stream, and what the server does not
// take of the old one is written again into the new.

// retire makes the next entry begin a new stream. What waits of the old one is
// still sent as it is: if the server has it already, or lacks it and nothing
// else, there is nothing to write again.
func (v *village) retire() {
	if o := v.owns[v.writing]; o != nil {
		o.Writing, v.dirty = false, true
	}
	v.writing = record.Stream{}
}

// unsure tells whether entries wait in a stream that nothing is written to any
// more. Those of the next stream must not leave before the server has said what
// it makes of them: they may name as replaced what at the server is another
// branch's.
func (v *village) unsure() bool {
	for s, o := range v.owns {
		if s != v.writing && o.Head.Seq > o.Acked.Seq {
			return true
		}
	}
	return false
}

// renew writes everything that the server has not acknowledged again, into a new
// stream, with author and time kept. Everything that named the old changes names
// the new ones: later changes, the records, what forms were opened on. The old
// streams end where the server acknowledged them, so that what it has behind
// that, from the other life of this laptop, comes in as anybody else's.
func (v *village) renew() error {
	type waiting struct {
		old  record.Dot
		time uint64
	}
	var again []waiting
	for s, o := range v.owns {
		for seq := o.Acked.Seq + 1; seq <= o.Head.Seq; seq++ {
			e, err := v.entry(s, seq)
			if err != nil {
				return err
			}
			again = append(again, waiting{record.Dot{Stream: s, Seq: seq}, e.Time})
		}
		// One that is known to have gone on elsewhere is like anybody else's, and the
		// records have what it says.
		if v.frontier[s] <= o.Head.Seq {
			v.frontier[s], v.moved[s] = o.Acked.Seq, true
		}
		o.Head, o.Sent, o.Bundled = o.Acked, min(o.Sent, o.Acked.Seq), min(o.Bundled, o.Acked.Seq)
		v.dirty = true
	}
	// The clock gives them the order in which they were written.
	slices.SortFunc(again, func(a, b waiting) int { return cmp.Or(cmp.Compare(a.time, b.time), a.old.Compare(b.old)) })
	v.retire()

	names := map[record.Dot]record.Dot{}
	gone := map[touch]touch{} // erased: there is nothing to write again
	set := map[record.Dot]bool{}
	touches := map[record.Key]bool{}
	for _, w := range again {
		e, err := v.entry(w.old.Stream, w.old.Seq)
		if err != nil {
			return err
		}
		// What was set aside in a life of the server that was lost waits like the rest.
		if key := quarantineKey(e.Record, touch{Stream: w.old.Stream, Seq: w.old.Seq}); v.b.Bucket(bucketQuarantine).Get(key) != nil {
			set[w.old] = true
			if err := v.noAside(key); err != nil {
				return err
			}
		}
		for before, dropped := gone[e.Before]; dropped; before, dropped = gone[e.Before] {
			e.Before = before
		}
		if e.erased() {
			gone[touch{Stream: w.old.Stream, Seq: w.old.Seq}] = e.Before
			touches[record.Key{Village: v.code, Type: e.Type, ID: e.Record}] = true
			if err := v.log(w.old.Stream).Delete(number(w.old.Seq)); err != nil {
				return err
			}
			continue
		}
		c := e.renamed(names)
		before := e.Before
		if d, renamed := names[record.Dot{Stream: before.Stream, Seq: before.Seq}]; renamed {
			before = touch{Stream: d.Stream, Seq: d.Seq}
		}
		if names[w.old], err = v.append(&c, before); err != nil {
			return err
		}
		touches[record.Key{Village: v.code, Type: c.Type, ID: c.Record}] = true
		if err := v.log(w.old.Stream).Delete(number(w.old.Seq)); err != nil {
			return err
		}
	}
	for k := range touches {
		tc, s, found, err := v.stored(k.Type, k.ID)
		if err != nil {
			return err
		}
		for before, dropped := gone[tc.Last]; dropped; before, dropped = gone[tc.Last] {
			tc.Last = before
		}
		if d, renamed := names[record.Dot{Stream: tc.Last.Stream, Seq: tc.Last.Seq}]; renamed {
			tc.Last = touch{Stream: d.Stream, Seq: d.Seq}
		}
		if !found {
			continue
		}
		if s = s.Rename(names); tc.Quarantined && !s.Erased() {
			if s, err = v.putBackIn(tc, s, names, set); err != nil {
				return err
			}
		}
		if err := v.store(k, tc, s); err != nil {
			return err
		}
	}
	return v.renameDrafts(names)
}

// putBackIn puts those of the renamed own changes to a record that had been set aside on
// its state: they are shown from there now.
func (v *village) putBackIn(tc touched, s merge.State, names map[record.Dot]record.Dot, set map[record.Dot]bool) (merge.State, error) {
	was := map[record.Dot]bool{}
	for old, now := range names {
		was[now] = set[old]
	}
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return nil, err
	}
	for i, o := range own {
		d := record.Dot{Stream: o.Stream, Seq: o.Seq}
		if !was[d] {
			continue
		}
		f := maps.Clone(v.frontier)
		f[d.Stream] = d.Seq - 1
		a := merge.Applied{Dot: d, At: clock.Time(o.entry.Time), Unmeasured: true, Author: o.entry.Author}
		s = putIn(s, f, a, o.entry.change().Body, observed(own[i+1:]))
	}
	return s, nil
}

// renamed gives the change with what it names under its new name.
func (e *entry) renamed(names map[record.Dot]record.Dot) record.Change {
	c := e.change()
	for i, x := range c.Body {
		for j, d := range x.Observed {
			x.Observed[j] = cmp.Or(names[d], d)
		}
		if x.Path == record.Life {
			c.Body[i].Value = merge.RenameSeen(x.Value, names)
		}
	}
	record.SortBody(c.Body)
	return c
}

// renameDrafts lets open forms replace under its new name what they were opened
// on.
func (v *village) renameDrafts(names map[record.Dot]record.Dot) error {
	b := v.t.Bucket(bucketDraft)
	changed := map[string]Draft{}
	err := b.ForEach(func(k, raw []byte) error {
		d, err := v.t.s.openDraft(string(k), raw)
		if err != nil || d.Village != v.code {
			return err
		}
		shown, err := d.Shown()
		if err != nil {
			return err
		}
		if state := shown.Rename(names).Encode(); len(d.State) > 0 && !bytes.Equal(state, d.State) {
			d.State = state
			changed[string(k)] = d
		}
		return nil
	})
	for _, k := range slices.Sorted(maps.Keys(changed)) {
		if err == nil {
			err = v.t.s.putDraft(v.t, changed[k])
		}
	}
	return err
}

// note keeps when a stream was seen to have gone on elsewhere.
func (v *village) note() error {
	clk, err := v.t.time()
	if err != nil {
		return err
	}
	v.place.Renewed, v.dirty = v.t.s.opt.Wall()+clk.Skew, true
	return nil
}

// elsewhere looks at the server's heads of own streams: one that goes on behind
// what this laptop ever wrote there was written by its other life.
func (v *village) elsewhere(heads map[record.Stream]uint64) bool {
	found := false
	for s, o := range v.owns {
		if heads[s] > o.Head.Seq {
			found = true
			if s == v.writing {
				v.retire()
			}
		}
	}
	return found
}
