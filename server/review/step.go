package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Step is that somebody at the office brings a record into its next state.
type Step struct {
	Village record.Village
	Record  record.ID
	To      string
	// Shown is the Mark of the fields StepFields as they were shown.
	Shown map[string]string
	Note  string // what becomes the reason of the change
	Today string // the day in Beijing, for a field that tells when it was reached
	Who   string
	Roles []identity.Role // in the order in which they are to count
}

// The errors of a Step.
var (
	// ErrStep: whoever asks may not bring the record from its state into that one.
	ErrStep = errors.New("this step is not for this role")
	// ErrSelf: who closes is who answers for it.
	ErrSelf = errors.New("whoever answers for it may not close it")
)

// StepFields are those on which a step is taken as they were shown.
func StepFields(w *flow.Flow) []string { return []string{w.State, w.Owner} }

// checkStep tells whether the roles may bring a record of a form into a state, and as
// which of them. ErrStep, ErrSelf, ErrReason.
func checkStep(w *flow.Flow, view *merge.View, roles []identity.Role, who, to, note string) (identity.Role, error) {
	from, _ := view.Fields[w.State].Text()
	if from == "" {
		from = flow.Any // of a record without a state the office says one
	}
	step, as, ok := w.Step(roles, from, to)
	if !ok {
		return "", ErrStep
	}
	owner, _ := view.Fields[w.Owner].Text()
	if w.Self(to, who, owner) {
		return "", ErrSelf
	}
	if step.Note && strings.TrimSpace(note) == "" {
		return "", ErrReason
	}
	return as, nil
}

// Step takes a step of a record's flow on what was shown, and notes it in the audit.
// ErrForm: the type has no flow; ErrStep, ErrSelf, ErrReason, ErrLong, ErrVoid, *MovedError,
// store.ErrErased, store.ErrNotFound, a *merge.Refusal.
func (r *Review) Step(ctx context.Context, q Step) error {
	if utf8.RuneCountInString(q.Note) > MaxWhy {
		return ErrLong
	}
	return r.store.Desk(ctx, q.Village, func(desk *store.Desk) error {
		rec, err := desk.Record(q.Record)
		if err != nil {
			return err
		}
		f, w := r.store.Forms().Form(rec.Type), flow.Of(rec.Type)
		if w == nil {
			return ErrForm
		}
		if err := editable(f, rec); err != nil {
			return err
		}
		if !slices.ContainsFunc(w.Steps, func(s flow.Step) bool {
			return slices.ContainsFunc(q.Roles, func(r identity.Role) bool { return slices.Contains(s.Roles, r) })
		}) {
			return ErrStep // whatever has moved
		}
		if err := unmoved(rec, q.Shown, slices.Values(StepFields(w))); err != nil {
			return err
		}
		as, err := checkStep(w, &rec.View, q.Roles, q.Who, q.To, q.Note)
		if err != nil {
			return err
		}
		fields := map[string]record.Value{w.State: record.Text(q.To)}
		if w.Closed != "" {
			switch was := rec.View.Fields[w.Closed]; {
			case q.To == w.Verified:
				fields[w.Closed] = record.Text(q.Today)
			case was != "" && !was.IsNull():
				fields[w.Closed] = record.Null
			}
		}
		by := merge.Writer{Author: q.Who, Role: as}
		body, err := compose(f, rec, by, fields)
		if err != nil {
			return err
		}
		from, _ := rec.View.Fields[w.State].Text()
		desk.Note(store.Note{Act: "step", Subject: subject(rec.Type, rec.ID) + " " + from + " → " + q.To, Reason: q.Note})
		_, err = desk.Write(change(rec.ID, rec.Type, by, q.Note, body))
		return err
	})
}

// editStates holds an edit to the steps of the record's flow where it touches the state.
func editStates(rec *store.Record, e *Edit) error {
	w := flow.Of(rec.Type)
	if w == nil {
		return nil
	}
	to, touched := e.Fields[w.State]
	state, _ := to.Text()
	if from, _ := rec.View.Fields[w.State].Text(); !touched || state == from {
		return nil // that one of several values stands is a decision and no step
	}
	_, err := checkStep(w, &rec.View, []identity.Role{e.By.Role}, e.By.Author, state, e.Reason)
	return err
}
