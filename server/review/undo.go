package review

import (
	"context"
	"errors"

	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Taken names a decision that was taken, to be undone.
type Taken struct {
	Village record.Village
	Record  record.ID
	Path    record.Path
	Dot     record.Dot
}

// Undo takes a decision back: what was against each other is so again, each value with
// the name of whoever had written it. It is a change like every other and is in the
// record's history. ErrDecided where something has followed, ErrNothing where the change
// decided nothing there, ErrForm, store.ErrNotFound, a *merge.Refusal.
func (r *Review) Undo(ctx context.Context, t Taken, reason string, by merge.Writer) error {
	return r.store.Desk(ctx, t.Village, func(desk *store.Desk) error { return r.undo(desk, t, reason, by) })
}

func (r *Review) undo(desk *store.Desk, t Taken, reason string, by merge.Writer) error {
	t.Path = t.Path.Standing()
	rec, err := desk.Record(t.Record)
	if err != nil {
		return err
	}
	f := r.store.Forms().Form(rec.Type)
	if f == nil {
		return ErrForm
	}
	before, err := desk.Before(t.Record, t.Dot)
	if err != nil {
		return err
	}
	if len(before.Claims(t.Path)) == 0 {
		return ErrNothing
	}
	changes, err := merge.TakeBack(f, rec.State, before, by, t.Path, t.Dot)
	if errors.Is(err, merge.ErrNotLive) {
		return ErrDecided
	} else if err != nil {
		return err
	}
	desk.Note(store.Note{Act: "undo", Subject: subject(rec.Type, rec.ID) + " " + string(t.Path), Reason: reason})
	for _, body := range changes {
		if _, err := desk.Write(change(rec.ID, rec.Type, by, reason, body)); err != nil {
			return err
		}
	}
	return nil
}

// Seen notes that the office has seen what was written to a record after its month was
// closed. ErrDecided, store.ErrNotFound.
func (r *Review) Seen(ctx context.Context, v record.Village, id record.ID, month string) error {
	return r.store.Desk(ctx, v, func(desk *store.Desk) error {
		rec, err := desk.Record(id)
		if err != nil {
			return err
		}
		desk.Note(store.Note{Act: "late", Subject: subject(rec.Type, rec.ID) + " " + month})
		return desk.Seen(id, month)
	})
}
