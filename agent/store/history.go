package store

import (
	"cmp"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// History gives the changes of a record that this laptop knows: its own, and
// those whose values are live. Newest first.
func (s *Store) History(t record.Type, id record.ID) (events []merge.Event, err error) {
	err = s.view(func(x *tx) error {
		v, k, err := x.find(t, id)
		if err != nil {
			return err
		}
		tc, st, _, err := v.load(k.Type, id)
		if err != nil {
			return err
		}
		events, err = v.history(id, tc, st)
		return err
	})
	return events, err
}

// history reads the own changes of a record and adds those of others whose
// values are live.
func (v *village) history(id record.ID, tc touched, s merge.State) ([]merge.Event, error) {
	set, err := v.asides(id)
	if err != nil {
		return nil, err
	}
	asides := map[record.Dot]*merge.Aside{}
	at := map[record.Dot]merge.Sibling{}
	sets := map[record.Dot]map[record.Path]record.Value{}
	erased := map[record.Dot]bool{}
	for p, r := range s {
		for _, sib := range r.Siblings {
			at[sib.Dot] = sib
			if sets[sib.Dot] == nil {
				sets[sib.Dot] = map[record.Path]record.Value{}
			}
			sets[sib.Dot][p] = sib.Value
		}
	}
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return nil, err
	}
	for _, o := range own {
		d := record.Dot{Stream: o.Stream, Seq: o.Seq}
		sib, live := at[d]
		if !live {
			sib = merge.Sibling{Dot: d, Author: o.entry.Author}
			if sib.At, err = v.at(d, o.entry); err != nil {
				return nil, err
			}
		}
		if a := set[o.touch]; a != nil {
			asides[d] = a.Event()
			if x := a.Verdict; x != nil && !x.Issued.IsZero() {
				// The same change under its new name.
				delete(at, x.Issued)
			}
		}
		at[d], erased[d] = sib, o.entry.erased()
		sets[d] = map[record.Path]record.Value{}
		for _, w := range o.entry.Body {
			sets[d][w.Path] = w.Value
		}
	}
	events := make([]merge.Event, 0, len(at))
	for d, sib := range at {
		events = append(events, merge.Event{Dot: d.String(), At: sib.At, Author: sib.Author, Set: sets[d], Erased: erased[d], Aside: asides[d]})
	}
	slices.SortFunc(events, func(a, b merge.Event) int {
		if c := cmp.Compare(b.At, a.At); c != 0 {
			return c
		}
		return cmp.Compare(b.Dot, a.Dot)
	})
	return events, nil
}

// Event gives it as a history tells it.
func (a *Aside) Event() *merge.Aside {
	e := &merge.Aside{Reason: a.Reason, Detail: a.Detail}
	if x := a.Verdict; x != nil {
		if e.Decision, e.By, e.Why, e.At = merge.Rejected, x.By, x.Why, x.At; x.Accepted {
			e.Decision = merge.Accepted
		}
	}
	return e
}

// at gives the time of an own change that everybody reads: its receipt's, or the
// laptop's own while there is none.
func (v *village) at(d record.Dot, e *entry) (clock.Time, error) {
	c := v.b.Bucket(bucketReceipt).Cursor()
	k, _ := c.Seek(append(d.Stream[:], number(d.Seq)...))
	if len(k) != 24 || record.Stream(k[:16]) != d.Stream {
		return clock.Time(e.Time), nil
	}
	var r journal.Receipt
	if _, err := v.t.s.getSealed(v.b.Bucket(bucketReceipt), receiptAt(k), k, &r); err != nil || r.From > d.Seq {
		return clock.Time(e.Time), err
	}
	var times []uint64
	for seq := r.From; seq <= d.Seq; seq++ {
		e, err := v.entry(d.Stream, seq)
		if err != nil {
			return 0, err
		}
		times = append(times, e.Time)
	}
	ats := r.Ats(times)
	return ats[len(ats)-1], nil
}
