package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A server that was restored from a backup lacks what others had written since. Who
// wrote it brings it again, with the next sync. What nobody brings (the office's own
// decisions, the work of a laptop that is gone) is still here: after a while it is
// sent for review, in its author's name, and the office takes it in or not.

// lostGrace is how long others have to bring it themselves, in ms.
const lostGrace = int64(14 * 24 * time.Hour / time.Millisecond)

// lostBatch is how many records one transaction looks through.
const lostBatch = 200

// TellLost writes what a restored server still lacks of others after lostGrace into
// this laptop's streams, to be sent for review, and gives how many changes it wrote.
// It is for after a sync, which has told what the server lacks.
func (s *Store) TellLost(ctx context.Context) (told int, err error) {
	type at struct {
		code record.Village
		typ  record.Type
		id   record.ID
	}
	var due []record.Village
	if err := s.view(func(t *tx) error {
		d, err := t.dev()
		if err != nil {
			return err
		}
		clk, err := t.time()
		if err != nil {
			return err
		}
		for _, a := range d.Assigned.Villages {
			v, err := t.village(a.Code)
			if err != nil {
				return err
			}
			if v != nil && v.lacks(s.opt.Wall()+clk.Skew) {
				due = append(due, a.Code)
			}
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for _, code := range due {
		var found []at
		for _, f := range s.forms.Forms() {
			if err := s.Each(code, f.Type, func(r Record) bool {
				found = append(found, at{code, f.Type, r.Key.ID})
				return true
			}); err != nil {
				return told, err
			}
		}
		for batch := range slices.Chunk(found, lostBatch) {
			n := 0
			if err := s.update(ctx, true, func(t *tx) error {
				n = 0
				v, err := t.village(code)
				if err != nil {
					return err
				}
				for _, x := range batch {
					k, err := v.tellLost(record.Key{Village: code, Type: x.typ, ID: x.id})
					if err != nil {
						return err
					}
					n += k
				}
				return nil
			}); err != nil {
				return told, err
			}
			told += n
		}
		// One that is cut off before goes on: what was told is this laptop's own then.
		if err := s.update(ctx, false, func(t *tx) error {
			v, err := t.village(code)
			if err == nil {
				v.place.LostTold, v.dirty = true, true
			}
			return err
		}); err != nil {
			return told, err
		}
	}
	return told, nil
}

// lacks tells whether the server lacks what this laptop has of others, and has had
// long enough to be given it.
func (v *village) lacks(now int64) bool {
	pl := &v.place
	return len(pl.Ahead) > 0 && !pl.LostTold && pl.LostSince > 0 && now-pl.LostSince > lostGrace && !pl.Staging && !pl.Live
}

// lost tells whether the server lacks a change of another's.
func (v *village) lost(d record.Dot) bool {
	has, ahead := v.place.Ahead[d.Stream]
	return ahead && d.Seq > has && d.Seq <= v.frontier[d.Stream]
}

// tellLost writes what a record holds of lost changes again, each as one, in its
// author's name and with its time.
func (v *village) tellLost(k record.Key) (told int, err error) {
	tc, state, found, err := v.stored(k.Type, k.ID)
	if err != nil || !found {
		return 0, err
	}
	changes := map[record.Dot]*record.Change{}
	for p, r := range state {
		for _, sib := range r.Siblings {
			if !v.lost(sib.Dot) || slices.ContainsFunc(r.Siblings, func(other merge.Sibling) bool { return other.Value == sib.Value && !v.lost(other.Dot) }) {
				continue // somebody says the same
			}
			c := changes[sib.Dot]
			if c == nil {
				c = &record.Change{Record: k.ID, Type: k.Type, Time: uint64(sib.At), Author: sib.Author}
				if f := v.t.s.forms.Form(k.Type); f != nil {
					c.Form = f.Version
				}
				c.SetLost()
				changes[sib.Dot] = c
			}
			c.Body = append(c.Body, record.Write{Path: p, Value: sib.Value, Observed: []record.Dot{sib.Dot}})
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(changes), record.Dot.Compare) {
		c := changes[d]
		record.SortBody(c.Body)
		stream, o, err := v.ownStream()
		if err != nil {
			return 0, err
		}
		own := record.Dot{Stream: stream, Seq: o.Head.Seq + 1}
		state = merge.Apply(state, v.frontier, merge.Applied{Dot: own, At: clock.Time(c.Time), Unmeasured: true, Author: c.Author}, c.Body)
		if _, err := v.append(c, tc.Last); err != nil {
			return 0, err
		}
		tc.Last = touch{Stream: own.Stream, Seq: own.Seq}
		if err := v.store(k, tc, state); err != nil {
			return 0, err
		}
		told++
	}
	return told, nil
}
