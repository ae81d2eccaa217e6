package review

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/form"
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

// courseOf is the flow of a form's records; nil where they have none, or the office has taken
// the state out of the form.
func courseOf(f *form.Form) *flow.Flow {
	if w := flow.Of(f.Type); w != nil && f.Field(w.State) != nil {
		return w
	}
	return nil
}

// passage is that somebody brings a record, which may be new, from one state into another.
type passage struct {
	form     *form.Form
	flow     *flow.Flow
	from, to string
	// owners are who answered for the record, and who is to: neither verifies, or whoever
	// closes it would only have to name somebody else.
	owners []record.Value
	who    string
	roles  []identity.Role
	note   string
}

// check tells whether the roles may, and as which of them. ErrStep, ErrSelf, ErrReason.
func (t passage) check() (identity.Role, error) {
	if _, known := t.form.Field(t.flow.State).Choice(t.to); !known {
		return "", ErrStep // it would be in no list
	}
	if t.from == "" {
		t.from = flow.Any // of a record without a state the office says one
	}
	step, as, ok := t.flow.Step(t.roles, t.from, t.to)
	if !ok {
		return "", ErrStep
	}
	for _, v := range t.owners {
		if owner, _ := v.Text(); t.flow.Self(t.to, t.who, owner) {
			return "", ErrSelf
		}
	}
	if step.Note && strings.TrimSpace(t.note) == "" {
		return "", ErrReason
	}
	return as, nil
}

// closing puts the day on which a record was closed to its new state: figures of months that
// are over count by it. Whoever closes may have given another one; what is open has none.
func (t passage) closing(fields map[string]record.Value, stood record.Value, today string) {
	name := t.flow.Closed
	if name == "" || t.form.Field(name) == nil {
		return
	}
	some := func(v record.Value) bool { return v != "" && !v.IsNull() }
	switch {
	case t.to == t.flow.Verified && !some(fields[name]):
		fields[name] = record.Text(today)
	case t.to == t.flow.Verified:
	case some(stood):
		fields[name] = record.Null
	default:
		delete(fields, name)
	}
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
		f := r.store.Forms().Form(rec.Type)
		if err := editable(f, rec); err != nil {
			return err
		}
		w := courseOf(f)
		if w == nil {
			return ErrForm
		}
		if !slices.ContainsFunc(w.Steps, func(s flow.Step) bool {
			return slices.ContainsFunc(q.Roles, func(r identity.Role) bool { return slices.Contains(s.Roles, r) })
		}) {
			return ErrStep // whatever has moved
		}
		if err := unmoved(rec, q.Shown, slices.Values(StepFields(w))); err != nil {
			return err
		}
		from, _ := rec.View.Fields[w.State].Text()
		t := passage{f, w, from, q.To, []record.Value{rec.View.Fields[w.Owner]}, q.Who, q.Roles, q.Note}
		as, err := t.check()
		if err != nil {
			return err
		}
		fields := map[string]record.Value{w.State: record.Text(q.To)}
		t.closing(fields, rec.View.Fields[w.Closed], q.Today)
		by := merge.Writer{Author: q.Who, Role: as}
		body, err := compose(f, rec, by, fields)
		if err != nil {
			return err
		}
		desk.Note(store.Note{Act: "step", Subject: subject(rec.Type, rec.ID) + " " + from + " → " + q.To, Reason: q.Note})
		_, err = desk.Write(change(rec.ID, rec.Type, by, q.Note, body))
		return err
	})
}

// editStates holds an edit to the steps of the record's flow where it touches the state, and
// gives what it writes.
func editStates(f *form.Form, rec *store.Record, e *Edit) (map[string]record.Value, error) {
	w := courseOf(f)
	if w == nil {
		return e.Fields, nil
	}
	to, touched := e.Fields[w.State]
	from, _ := rec.View.Fields[w.State].Text()
	state, _ := to.Text()
	if !touched || state == from {
		return e.Fields, nil // that one of several values stands is a decision and no step
	}
	t := passage{f, w, from, state, []record.Value{rec.View.Fields[w.Owner], e.Fields[w.Owner]}, e.By.Author, []identity.Role{e.By.Role}, e.Reason}
	if _, err := t.check(); err != nil {
		return nil, err
	}
	fields := maps.Clone(e.Fields)
	t.closing(fields, rec.View.Fields[w.Closed], e.Today)
	return fields, nil
}

// beginStates holds a new record to the steps of its flow: it begins in the first state, also
// where none is said, and in another one only for whoever may bring every record there. It
// gives what is written.
func beginStates(f *form.Form, c *Create) (map[string]record.Value, error) {
	w := courseOf(f)
	if w == nil {
		return c.Fields, nil
	}
	fields := maps.Clone(c.Fields)
	to, _ := fields[w.State].Text()
	if to == "" {
		to = f.Field(w.State).Choices[0].Name
		fields[w.State] = record.Text(to)
	}
	t := passage{f, w, "", to, []record.Value{fields[w.Owner]}, c.By.Author, []identity.Role{c.By.Role}, c.Reason}
	if to != f.Field(w.State).Choices[0].Name {
		if _, err := t.check(); err != nil {
			return nil, err
		}
	}
	t.closing(fields, "", c.Today)
	return fields, nil
}
