package review

import (
	"context"
	"errors"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Saying is a word about two records of a village: that they are one, which joins them,
// that they are not, or neither, which undoes what was said.
type Saying struct {
	Village record.Village
	// Kept is the one that stands where they are one (merge.Keeps), Other the one that is
	// withdrawn then.
	Kept, Other record.ID
	Word        merge.Likeness
	// Take has, where they are one, the fields in which something else is to stand than
	// the kept record says: canonical values, Null for nothing.
	Take map[string]record.Value
	// ShownKept and ShownOther are all the changes whose values the person was shown.
	ShownKept, ShownOther []record.Dot
	Reason                string
	By                    merge.Writer
}

// ErrPair says that two records cannot be said to be one: they are of two types, or one
// record.
var ErrPair = errors.New("these are not two records of one type")

// Say takes a word about two records, in both. Joined, the kept record gets what was
// chosen, the other is void, and each names the other; nothing of either is lost.
// ErrDecided where one of them says something else than was shown, ErrPair, ErrForm,
// store.ErrNotFound, a *merge.Refusal.
func (r *Review) Say(ctx context.Context, s Saying) error {
	if !merge.Keeps(s.Kept, s.Other) {
		return ErrPair
	}
	return r.store.Desk(ctx, s.Village, func(desk *store.Desk) error {
		kept, err := desk.Record(s.Kept)
		if err != nil {
			return err
		}
		other, err := desk.Record(s.Other)
		if err != nil {
			return err
		}
		f := r.store.Forms().Form(kept.Type)
		switch {
		case kept.Type != other.Type:
			return ErrPair
		case f == nil:
			return ErrForm
		case !slices.Equal(kept.State.Dots(), record.SortDots(slices.Clone(s.ShownKept))), !slices.Equal(other.State.Dots(), record.SortDots(slices.Clone(s.ShownOther))):
			return ErrDecided
		}
		var one, two [][]record.Write
		act := "same"
		switch s.Word {
		case merge.Same:
			if kept.View.Void || other.View.Void {
				return ErrDecided
			}
			taken, err := merge.Compose(f, kept.State, kept.State.Authors(), s.By, s.Take)
			if err != nil {
				return err
			}
			one = append(one, taken)
			two = append(two, []record.Write{{Path: record.Life, Value: other.State.Void(s.Reason), Observed: other.State.Observed(record.Life)}})
		case merge.Apart:
			act = "apart"
		default:
			act = "unsame"
			if one, two, err = r.part(desk, f, kept, other, s.By); err != nil {
				return err
			}
		}
		value := map[merge.Likeness]record.Value{merge.Same: record.True, merge.Apart: record.False, merge.Unsaid: record.Null}[s.Word]
		for _, x := range []struct {
			rec, of *store.Record
			bodies  [][]record.Write
		}{{kept, other, one}, {other, kept, two}} {
			link := record.Same.Element(x.of.ID.String())
			if len(x.bodies) == 0 {
				x.bodies = append(x.bodies, nil)
			}
			x.bodies[0] = append(x.bodies[0], record.Write{Path: link, Value: value, Observed: x.rec.State.Observed(link)})
			for _, body := range x.bodies {
				record.SortBody(body)
				if err := merge.Permit(f, x.rec.Type, x.rec.State, s.By, body); err != nil {
					return err
				}
				if _, err := desk.Write(change(x.rec.ID, x.rec.Type, s.By, s.Reason, body)); err != nil {
					return err
				}
			}
		}
		desk.Note(store.Note{Act: act, Subject: subject(kept.Type, kept.ID) + " " + other.ID.String(), Reason: s.Reason})
		return nil
	})
}

// part gives the changes that undo a join: what the changes that said so wrote into either
// record goes back to what stood before, where nobody has written since. What was against
// each other then is so again, each value with the name of whoever had written it.
func (r *Review) part(desk *store.Desk, f *form.Form, kept, other *store.Record, by merge.Writer) (one, two [][]record.Write, err error) {
	for _, x := range []struct {
		rec, of *store.Record
		into    *[][]record.Write
	}{{kept, other, &one}, {other, kept, &two}} {
		for _, said := range x.rec.State[record.Same.Element(x.of.ID.String())].Siblings {
			if said.Value != record.True {
				continue
			}
			before, err := desk.Before(x.rec.ID, said.Dot)
			if err != nil {
				return nil, nil, err
			}
			var both record.Path // the register that was taken back together with its proposals
			for _, p := range wroteAlone(x.rec.State, said.Dot) {
				if p.IsProposal() && p.Standing() == both {
					continue
				}
				changes, whole, err := takeBack(f, x.rec.State, before, by, p, said.Dot)
				if err != nil {
					return nil, nil, err
				}
				if whole {
					both = p.Standing()
				}
				for i, body := range changes {
					if i == len(*x.into) {
						*x.into = append(*x.into, nil)
					}
					(*x.into)[i] = append((*x.into)[i], body...)
				}
			}
		}
	}
	return one, two, nil
}

// wroteAlone gives the registers, in order, in which stands what a change wrote and nothing
// else.
func wroteAlone(s merge.State, d record.Dot) (list []record.Path) {
	for p, reg := range s {
		if !p.Links() && p != record.Source && len(reg.Siblings) == 1 && reg.Siblings[0].Dot == d {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// takeBack gives the changes by which a register shows again what it showed before; whole
// tells that its proposals do so too.
func takeBack(f *form.Form, s, before merge.State, by merge.Writer, p record.Path, d record.Dot) (changes [][]record.Write, whole bool, err error) {
	if len(before.Claims(p)) > 0 {
		changes, err := merge.TakeBack(f, s, before, by, p, d)
		if !errors.Is(err, merge.ErrNotLive) {
			return changes, true, err
		}
		// Beside it somebody has proposed something since, which stays.
	}
	write := record.Write{Path: p, Value: record.Null, Observed: []record.Dot{d}}
	if _, element := p.Field(); element != "" {
		write.Value = record.False
	}
	if p == record.Life {
		write.Value = merge.Alive
	}
	for _, sib := range before[p].Siblings {
		write.Value = sib.Value
		changes = append(changes, []record.Write{write})
	}
	if len(changes) == 0 {
		changes = [][]record.Write{{write}}
	}
	return changes, false, nil
}
