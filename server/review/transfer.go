package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Transfer is that somebody at the office moves a record, with all that is of it, to
// another village.
type Transfer struct {
	From, To record.Village
	Record   record.ID
	// Shown is the mark of the baggage as it was shown; "" is as it is now.
	Shown  string
	Reason string // must not be empty
	By     merge.Writer
}

// Transferred is what a transfer moved.
type Transferred struct {
	store.Transfer
	// Types counts the records by type, Files the files that went along.
	Types map[record.Type]int
	Files int
}

// The errors of transfers.
var (
	// ErrSameVillage: it is there already.
	ErrSameVillage = errors.New("it is of that village already")
	// ErrLeft: the record has moved to another village, where it is decided on.
	ErrLeft = errors.New("the record has moved to another village")
)

// tries is how often all that has come in meanwhile is brought after it, before what is
// still to come is left for review.
const tries = 5

// Transfer moves a record. What it writes it writes in two villages one after the other;
// where it is cut off FinishTransfers goes on. ErrReason, ErrLong, ErrVillage,
// ErrSameVillage, store.ErrMoved, store.ErrNotFound, store.ErrOtherType.
func (r *Review) Transfer(ctx context.Context, t Transfer) (Transferred, error) {
	var done Transferred
	x, err := r.beginTransfer(ctx, t)
	if err != nil {
		return done, err
	}
	return r.finish(ctx, x)
}

func (r *Review) beginTransfer(ctx context.Context, t Transfer) (x store.Transfer, err error) {
	t.Reason = strings.TrimSpace(t.Reason)
	switch {
	case t.Reason == "":
		return x, ErrReason
	case utf8.RuneCountInString(t.Reason) > store.MaxReason:
		return x, ErrLong
	case t.From == t.To:
		return x, ErrSameVillage
	}
	villages, err := r.store.Villages(ctx)
	if err != nil {
		return x, err
	}
	i := slices.IndexFunc(villages, func(v store.Village) bool { return v.Code == t.To })
	if i < 0 {
		return x, ErrVillage
	}
	rec, err := r.store.Record(ctx, t.From, t.Record)
	if err != nil {
		return x, err
	}
	// Every laptop of the village reads it, and old ones know no more than this.
	x = store.Transfer{Record: t.Record, From: t.From, To: t.To, Login: t.By.Author, Reason: "迁往" + villages[i].Name + "：" + t.Reason}
	return r.store.BeginTransfer(ctx, x, t.Shown, store.Note{Act: "transfer", Subject: subject(rec.Type, rec.ID) + " " + string(t.From) + " " + string(t.To), Reason: t.Reason})
}

// Behind gives a village from which the record has moved to where it is, and in which
// something of it was written since; "" where there is none.
func (r *Review) Behind(ctx context.Context, rec *store.Record) (record.Village, error) {
	others, err := r.store.Elsewhere(ctx, rec.Village, rec.ID)
	for _, o := range others {
		if err != nil || o.View.Left != rec.Village {
			continue
		}
		var bag *store.Baggage
		if bag, err = r.store.Baggage(ctx, o.Village, "", rec.ID); err == nil && len(bag.Records) > 0 {
			return o.Village, nil
		}
	}
	return "", err
}

// FinishTransfers finishes what was begun and cut off. What cannot be finished is told by
// failed and keeps nothing else from being.
func (r *Review) FinishTransfers(ctx context.Context, failed func(store.Transfer, error)) error {
	open, err := r.store.OpenTransfers(ctx)
	if err != nil {
		return err
	}
	for _, x := range open {
		if _, err := r.finish(store.By(ctx, store.Itself), x); err != nil {
			failed(x, err)
		}
	}
	return nil
}

// FollowFiles sees to it that files which came since a record moved have gone after it:
// each does by itself, unless the server ends just then.
func (r *Review) FollowFiles(ctx context.Context, failed func(store.Transfer, error)) error {
	gone, err := r.store.TransfersFrom(ctx)
	for _, x := range gone {
		if ctx.Err() == nil && r.store.Now().Sub(x.Begun) < followFor {
			if err := r.store.FollowFiles(ctx, x); err != nil {
				failed(x, err)
			}
		}
	}
	return err
}

// followFor is how long after a transfer a laptop may still bring photos of before.
const followFor = 400 * 24 * time.Hour

// finish enters what is to move and has it leave, again where something came in between.
func (r *Review) finish(ctx context.Context, x store.Transfer) (Transferred, error) {
	done := Transferred{Transfer: x, Types: map[record.Type]int{}}
	went := map[record.ID]bool{}
	for n := 1; ; n++ {
		bag, err := r.store.Baggage(ctx, x.From, x.To, x.Record)
		if err != nil {
			return done, err
		}
		if err := r.enter(ctx, x, bag); err != nil {
			return done, err
		}
		for i := range bag.Records {
			if k := bag.Records[i].Key; !went[k.ID] {
				went[k.ID] = true
				done.Types[k.Type]++
			}
		}
		done.Files, done.Records = max(done.Files, bag.Files()), len(went)
		if err := r.eraseEntered(ctx, x); err != nil {
			return done, err
		}
		left, err := r.leave(ctx, x, bag, len(went), n >= tries)
		if left || err != nil {
			return done, err
		}
	}
}

func (r *Review) enter(ctx context.Context, x store.Transfer, bag *store.Baggage) error {
	if len(bag.Records) == 0 {
		return nil
	}
	return r.store.Desk(ctx, x.To, func(desk *store.Desk) error {
		_, err := desk.Enter(x, bag)
		return err
	})
}

// leave gives false where more has come in, or something was erased, which is to be seen
// to first; last: what has come in goes to review.
func (r *Review) leave(ctx context.Context, x store.Transfer, bag *store.Baggage, n int, last bool) (left bool, err error) {
	err = r.store.Desk(ctx, x.From, func(desk *store.Desk) error {
		same, erased, err := desk.Same(bag)
		if left = err == nil && (same || last && !erased); !left {
			return err
		}
		if err := desk.Leave(x, bag); err != nil {
			return err
		}
		return desk.EndTransfer(x, n)
	})
	return left, err
}

// eraseEntered erases what was erased by law while it was on its way: whoever did it saw
// it in one village, and it has come into the other since.
func (r *Review) eraseEntered(ctx context.Context, x store.Transfer) error {
	list, err := r.store.Entered(ctx, x)
	for _, k := range list {
		if err != nil {
			return err
		}
		was, failed := r.store.Record(ctx, x.From, k.ID)
		if failed != nil || !was.View.Erased {
			err = failed
			continue
		}
		_, err = r.Erase(ctx, k.Type, k.ID, was.View.Reason, merge.Writer{Author: x.Login})
	}
	return err
}
