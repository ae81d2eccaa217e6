package review

import (
	"context"
	"errors"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// MaxBulk is how many decisions are taken together.
const MaxBulk = 200

// Rule chooses a value by itself where it can tell. Whoever uses one is shown what it
// chose before anything is decided.
type Rule string

// The rules. Those of proposals are ByRole with the kind proposal, and FillsEmpty.
const (
	Newer      Rule = "newer"  // of a conflict the value that was written last
	Filled     Rule = "filled" // where somebody cleared what somebody else filled in: the value
	ByRole     Rule = "role"   // what was written on laptops of one role, where that is one value
	FillsEmpty Rule = "empty"  // a proposal alone, where nothing stands yet
	Proposed   Rule = "propose"
)

// Of tells on which kind of what waits a rule decides.
func (r Rule) Of() store.Kind {
	if r == FillsEmpty || r == Proposed {
		return store.Proposal
	}
	return store.Conflict
}

// Choose gives what a rule takes under a register of a record; false where it cannot
// tell. roleOf gives the role of the laptop that wrote a change.
func (r Rule) Choose(rec *store.Record, path record.Path, role identity.Role, roleOf func(record.Dot) identity.Role) (take merge.Sibling, ok bool) {
	if path == record.Life {
		return take, false // whether a record is void is looked at one by one
	}
	var from []merge.Sibling
	switch r {
	case Newer, Filled, ByRole:
		if len(rec.View.Conflicts[path]) == 0 || len(rec.View.Proposals[path]) > 0 {
			return take, false
		}
		from = slices.Clone(rec.View.Conflicts[path])
	case FillsEmpty, Proposed:
		if len(rec.View.Proposals[path]) == 0 || len(rec.View.Conflicts[path]) > 0 {
			return take, false
		}
		from = slices.Clone(rec.View.Proposals[path])
	}
	switch r {
	case Newer:
		last := from[len(from)-1]
		if len(from) > 1 && from[len(from)-2].At == last.At {
			return take, false // at the same time: neither is the newer
		}
		return last, true
	case Filled:
		all := len(from)
		from = slices.DeleteFunc(from, func(s merge.Sibling) bool { return s.Value.IsNull() })
		if len(from) == all {
			return take, false
		}
	case ByRole, Proposed:
		all := rec.State.Claims(path)
		from = slices.DeleteFunc(from, func(s merge.Sibling) bool {
			return !slices.ContainsFunc(all, func(c merge.Sibling) bool { return c.Value == s.Value && roleOf(c.Dot) == role })
		})
	case FillsEmpty:
		if slices.ContainsFunc(rec.State[path].Siblings, func(s merge.Sibling) bool { return !s.Value.IsNull() }) {
			return take, false
		}
	}
	if len(from) != 1 || r == FillsEmpty && from[0].Value.IsNull() {
		return take, false
	}
	return from[0], true
}

// Skipped is a decision of a bulk that was not taken, or not undone, and why: ErrDecided,
// ErrNothing, ErrForm, store.ErrNotFound or a *merge.Refusal.
type Skipped struct {
	Village record.Village
	Record  record.ID
	Path    record.Path
	Why     error
}

// skips tells the errors for which one decision is left out, and not all.
func skips(err error) bool {
	var refusal *merge.Refusal
	for _, is := range []error{ErrDecided, ErrNothing, ErrForm, ErrLeft, store.ErrNotFound, store.ErrErased} {
		if errors.Is(err, is) {
			return true
		}
	}
	return errors.As(err, &refusal)
}

// DecideAll takes decisions together, those of one village in one transaction, each as
// Decide does: on what was shown. What has moved since is left out and told. It gives
// the bulk's name.
func (r *Review) DecideAll(ctx context.Context, rule, reason string, by merge.Writer, list []Decision) (id string, decided int, skipped []Skipped, err error) {
	if len(list) > MaxBulk {
		return "", 0, nil, errors.New("too many at once")
	}
	if id, err = r.store.BeginBulk(ctx, store.Bulk{Login: by.Author, Rule: rule, Reason: reason}); err != nil {
		return "", 0, nil, err
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Decision) int { return compareVillages(a.Village, b.Village) })
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(d Decision) bool { return d.Village != list[0].Village })
		if n < 0 {
			n = len(list)
		}
		var left []Skipped
		done := 0
		err := r.store.Desk(ctx, list[0].Village, func(desk *store.Desk) error {
			left, done = nil, 0
			for i, d := range list[:n] {
				d.Reason, d.By = reason, by
				dot, err := r.decide(desk, d)
				if skips(err) {
					left = append(left, Skipped{d.Village, d.Record, d.Path, err})
					continue
				} else if err != nil {
					return err
				}
				done++
				if err := desk.Bulked(id, store.BulkItem{Nth: i, Record: d.Record, Path: d.Path, Dot: dot}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return id, decided, skipped, err
		}
		decided, skipped = decided+done, append(skipped, left...)
		list = list[n:]
	}
	return id, decided, skipped, nil
}

func compareVillages(a, b record.Village) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// UndoAll undoes the decisions of a bulk that stand still. What has been followed by
// something stays and is told. store.ErrNotFound.
func (r *Review) UndoAll(ctx context.Context, id, reason string, by merge.Writer) (undone int, skipped []Skipped, err error) {
	list, err := r.store.BulkItems(ctx, id)
	for err == nil && len(list) > 0 {
		n := slices.IndexFunc(list, func(b store.BulkItem) bool { return b.Village != list[0].Village })
		if n < 0 {
			n = len(list)
		}
		var left []Skipped
		done := 0
		err = r.store.Desk(ctx, list[0].Village, func(desk *store.Desk) error {
			left, done = nil, 0
			for _, b := range list[:n] {
				err := r.undo(desk, Taken{b.Village, b.Record, b.Path, b.Dot}, reason, by)
				if skips(err) {
					left = append(left, Skipped{b.Village, b.Record, b.Path, err})
					continue
				} else if err != nil {
					return err
				}
				done++
				if err := desk.Unbulked(id, b.Nth); err != nil {
					return err
				}
			}
			return nil
		})
		undone, skipped = undone+done, append(skipped, left...)
		list = list[n:]
	}
	return undone, skipped, err
}
