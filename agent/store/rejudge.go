package store

import (
	"errors"
	"maps"
	"slices"

	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A server that was restored from a backup judges anew what it had taken in the life
// that was lost, where its author has no receipt: it may set aside what others have from
// it by then. Once the stream has come as far again, a record is what the server says of
// it, and what the laptop wrote itself. A join would take away the change that is not
// there any more, and what that had replaced as well, which is there again.

// judged gives the entries that are judged now, by a last page that says how far each
// stream has come: had is how far the server had it for what is here. whole tells that
// the pages are all of the village.
type judged struct {
	v     *village
	whole bool
	had   map[record.Stream]uint64
}

// judges tells what the pages that a flip takes judge; before has the streams of others
// of which the server lacked some until now. It is nil where they judge nothing anew.
func (v *village) judges(whole bool, before map[record.Stream]uint64) *judged {
	j := &judged{v, whole, before}
	for s := range v.frontier {
		if j.some(s) {
			return j
		}
	}
	return nil
}

// some tells whether of a stream of another's something is judged.
func (j *judged) some(s record.Stream) bool {
	if o := j.v.owns[s]; o != nil && j.v.frontier[s] <= o.Head.Seq {
		return false
	}
	has, ahead := j.had[s]
	return j.whole || ahead && j.v.place.Behind[s] > has
}

// judges tells whether a change is among those that are judged.
func (j *judged) judges(d record.Dot) bool {
	if o := j.v.owns[d.Stream]; o != nil && d.Seq <= o.Head.Seq {
		return false
	}
	if d.Seq > j.v.place.Behind[d.Stream] {
		return false
	}
	has, ahead := j.had[d.Stream]
	return j.whole || ahead && d.Seq > has
}

// sweep looks for records that have something judged and are in no page: of those the
// server has nothing but what the laptop wrote.
func (j *judged) sweep() error {
	v := j.v
	stage := v.b.Bucket(bucketStage)
	for _, typ := range v.types() {
		var found []record.ID
		if err := v.b.Bucket(recordBucket(typ)).ForEach(func(k, raw []byte) error {
			id := record.ID(k)
			if stage.Get(stageKey(typ, id)) != nil {
				return nil
			}
			v.t.s.read(v.t.Tx, len(raw))
			_, s, err := v.unpackRecord(typ, id, raw)
			if err != nil {
				return err
			}
			for _, d := range s.Dots() {
				if j.judges(d) {
					found = append(found, id)
					break
				}
			}
			return nil
		}); err != nil {
			return err
		}
		for _, id := range found {
			if err := j.without(record.Key{Village: v.code, Type: typ, ID: id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// without makes a record what it is where the server has nothing of others of it.
func (j *judged) without(k record.Key) error {
	v := j.v
	tc, ours, _, err := v.stored(k.Type, k.ID)
	if err != nil {
		return err
	}
	// It may have what is the laptop's own, which comes in no page.
	f := maps.Clone(merge.Frontier(v.place.Behind))
	for s := range v.owns {
		delete(f, s)
	}
	s, err := v.stands(k.ID, tc, ours, merge.State{}, f)
	if err != nil {
		return err
	}
	if len(s) > 0 || tc.Last.Seq > 0 {
		return v.store(k, tc, s)
	}
	return v.remove(k, ours)
}

// remove takes a record of which nothing is left from the village.
func (v *village) remove(k record.Key, was merge.State) error {
	f := v.t.s.forms.Form(k.Type)
	view := merge.Read(f, was)
	if err := errors.Join(v.refer(f, k, view, merge.View{}), v.show(f, k, view, merge.View{}, false), v.review(k, merge.View{})); err != nil {
		return err
	}
	v.t.changed = append(v.t.changed, k)
	v.place.Records[k.Type]--
	v.dirty = true
	return v.b.Bucket(recordBucket(k.Type)).Delete(k.ID[:])
}

// stands gives a record as the server has it, in a state of frontier f: with the own
// changes that it has not had, and with those of others that it lacks altogether, which
// stand for what they had replaced.
func (v *village) stands(id record.ID, tc touched, ours, theirs merge.State, f merge.Frontier) (merge.State, error) {
	has := maps.Clone(f)
	s, err := v.rebuild(tc, theirs, f)
	if err != nil {
		return nil, err
	}
	before := merge.Frontier(v.place.Before)
	next := make(merge.State, len(s))
	for p, r := range s {
		r.Cloud = slices.DeleteFunc(slices.Clone(r.Cloud), before.Covers)
		next.Set(p, r)
	}
	for p, r := range ours {
		is := next[p]
		lacks := slices.DeleteFunc(slices.Clone(r.Siblings), func(sib merge.Sibling) bool {
			return !v.lacking(sib.Dot, has) || lives(next, p, sib.Dot) || slices.Contains(s[p].Cloud, sib.Dot)
		})
		if len(lacks) == 0 && !slices.ContainsFunc(s[p].Cloud, func(d record.Dot) bool { return before.Covers(d) && v.lacking(d, has) }) {
			continue
		}
		is.Siblings = append(lacks, slices.DeleteFunc(slices.Clone(is.Siblings), func(sib merge.Sibling) bool {
			return !lives(ours, p, sib.Dot) && before.Covers(sib.Dot) && !v.pendsAgain(id, sib.Dot)
		})...)
		slices.SortFunc(is.Siblings, func(a, b merge.Sibling) int { return a.Dot.Compare(b.Dot) })
		next.Set(p, is)
	}
	return next, nil
}

// lacking tells of a change that is here whether the server has not got it, and no
// journal of this laptop's either.
func (v *village) lacking(d record.Dot, has merge.Frontier) bool {
	if o := v.owns[d.Stream]; o != nil && d.Seq <= o.Head.Seq {
		return d.Seq <= o.Base.Seq && !has.Covers(d)
	}
	return d.Seq > v.place.Behind[d.Stream]
}

// pendsAgain tells of an own change whether it was set aside in a life of the server that
// was lost, and waits for its word again: until then it is part of the record.
func (v *village) pendsAgain(id record.ID, d record.Dot) bool {
	o := v.owns[d.Stream]
	return o != nil && d.Seq > o.Acked.Seq && d.Seq <= o.Head.Seq &&
		v.b.Bucket(bucketQuarantine).Get(quarantineKey(id, touch{Stream: d.Stream, Seq: d.Seq})) != nil
}
