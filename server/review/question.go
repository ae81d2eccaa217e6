package review

import (
	"context"
	"errors"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Asking sends something that waits for a decision back as a question: whoever may
// decide it in the village is asked, and the answer is the decision.
type Asking struct {
	Village record.Village
	Record  record.ID
	Path    record.Path
	Words   string
	// Shown are the changes whose values whoever asks was shown; none means those that
	// stand now.
	Shown []record.Dot
	By    merge.Writer
}

// Ask asks. What was asked in the same words and waits for its answer is not asked
// again: the change that did so is given. ErrDecided where other values stand than were
// shown, ErrNothing, ErrForm, merge.ErrWords, store.ErrNotFound, a *merge.Refusal. The
// words are in no note of the audit: they may say what somebody is asked about, and
// are to go with the record where it is erased.
func (r *Review) Ask(ctx context.Context, a Asking) (record.Dot, error) {
	a.Path = a.Path.Standing()
	return r.question(ctx, "ask", a, func(rec *store.Record) (record.Write, error) {
		if len(a.Shown) > 0 {
			var stand []record.Dot
			for _, c := range rec.State.Claims(a.Path) {
				stand = append(stand, c.Dot)
			}
			if !slices.Equal(record.SortDots(stand), record.SortDots(slices.Clone(a.Shown))) {
				return record.Write{}, ErrDecided
			}
		}
		return merge.Ask(r.store.Forms().Form(rec.Type), rec.State, a.By, a.Path, a.Words)
	})
}

// Close takes a question back, or notes that its answers were seen. ErrNothing where
// none is open, and as Ask.
func (r *Review) Close(ctx context.Context, a Asking) (record.Dot, error) {
	a.Path = a.Path.Standing()
	return r.question(ctx, "unask", a, func(rec *store.Record) (record.Write, error) {
		return merge.Close(r.store.Forms().Form(rec.Type), rec.State, a.Path)
	})
}

func (r *Review) question(ctx context.Context, act string, a Asking, make func(*store.Record) (record.Write, error)) (record.Dot, error) {
	var dot record.Dot
	err := r.store.Desk(ctx, a.Village, func(desk *store.Desk) error {
		rec, err := desk.Record(a.Record)
		if err != nil {
			return err
		}
		if r.store.Forms().Form(rec.Type) == nil {
			return ErrForm
		}
		write, err := make(rec)
		if errors.Is(err, merge.ErrOpen) {
			dot = rec.View.Questions[a.Path].ID
			return nil
		} else if err != nil {
			return err
		}
		desk.Note(store.Note{Act: act, Subject: subject(rec.Type, rec.ID) + " " + string(a.Path)})
		dot, err = desk.Write(change(rec.ID, rec.Type, a.By, "", []record.Write{write}))
		return err
	})
	return dot, err
}

// Answerers gives those of the people at laptops who may answer a question about a
// register: who may decide it, in the record's village.
func (r *Review) Answerers(devices []store.Device, rec *store.Record, path record.Path) []string {
	f, path := r.store.Forms().Form(rec.Type), path.Standing()
	var names []string
	for _, d := range devices {
		if d.Revoked() || !slices.Contains(d.Villages, rec.Village) {
			continue
		}
		for _, name := range d.Profiles {
			write := record.Write{Path: path, Observed: rec.State.Observed(path)}
			if merge.Permit(f, rec.Type, rec.State, merge.Writer{Author: name, Role: d.Role}, []record.Write{write}) == nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
