package web

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// entry is a form that somebody is filling in: its draft, the record as it was
// when the form was opened, and what has been typed since.
type entry struct {
	form  *form.Form
	draft store.Draft
	shown merge.State
	view  merge.View
	// typed holds what stands in every control, by field.
	typed map[string][]string
	// touched holds the values of the fields that differ from what was shown,
	// now all values with them, and unread why a field could not be read.
	touched map[string]record.Value
	now     map[string]record.Value
	unread  map[string]form.Label
}

// entry makes the form of a draft.
func (w *Site) entry(d store.Draft) (*entry, error) {
	f := w.forms.Form(d.Type)
	if f == nil {
		return nil, errNowhere
	}
	e := &entry{form: f, draft: d, typed: map[string][]string{}}
	var err error
	if e.shown, err = d.Shown(); err != nil {
		return nil, err
	}
	e.view = merge.Read(f, e.shown)
	for _, fd := range f.Fields {
		e.typed[fd.Name] = e.base(fd)
		if typed, there := d.Values[fd.Name]; there {
			e.typed[fd.Name] = typed
		}
	}
	e.read()
	return e, nil
}

// fresh tells a form for a record that is to be created.
func (e *entry) fresh() bool { return e.draft.Record.IsZero() }

// base is what stood in a field's control when the form was opened. Of a
// masked field nothing does: its control is for another value.
func (e *entry) base(fd *form.Field) []string {
	v := e.view.Fields[fd.Name]
	if fd.Masked || v == "" || v.IsNull() {
		return nil
	}
	return rawOf(fd, v)
}

// rawOf gives a value as its control holds it.
func rawOf(fd *form.Field, v record.Value) []string {
	if fd.Kind == form.Text && fd.Many() {
		return []string{strings.Join(v.Texts(), "、")}
	}
	if fd.Kind == form.Geopoint {
		return []string{strings.ReplaceAll(strings.Trim(string(v), "[]"), ",", ", ")}
	}
	if texts := v.Texts(); texts != nil {
		return texts
	}
	return []string{string(v)}
}

// erase stands for a masked field that is to be cleared: its empty control
// means that nothing was typed.
const erase = "\x00erase"

// take reads what the browser sent for every field into the draft.
func (e *entry) take(values map[string][]string) {
	e.draft.Values = map[string][]string{}
	for _, fd := range e.form.Fields {
		if fd.Kind == form.Calculate {
			continue
		}
		var typed []string
		for _, t := range values["f."+fd.Name] {
			t = strings.ReplaceAll(t, "\r\n", "\n")
			if fd.Kind == form.Image {
				typed = append(typed, strings.Split(t, "\n")...)
			} else {
				typed = append(typed, t)
			}
		}
		typed = slices.DeleteFunc(typed, func(t string) bool { return t == "" })
		if values["erase."+fd.Name] != nil && len(typed) == 0 {
			typed = []string{erase}
		}
		e.typed[fd.Name] = typed
		if !same(fd, typed, e.base(fd)) {
			if typed == nil {
				typed = []string{}
			}
			e.draft.Values[fd.Name] = typed
		}
	}
	e.read()
}

// same tells whether a control holds what it held.
func same(fd *form.Field, a, b []string) bool {
	if fd.Many() {
		a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	}
	return slices.Equal(a, b)
}

// read makes values of what was typed.
func (e *entry) read() {
	e.touched, e.unread = map[string]record.Value{}, map[string]form.Label{}
	e.now = map[string]record.Value{}
	for name, v := range e.view.Fields {
		e.now[name] = v
	}
	for _, fd := range e.form.Fields {
		if fd.Kind == form.Calculate || same(fd, e.typed[fd.Name], e.base(fd)) {
			continue
		}
		v, err := e.parse(fd, e.typed[fd.Name])
		var bad *form.ValueError
		if errors.As(err, &bad) {
			e.unread[fd.Name] = bad.Reason
			delete(e.now, fd.Name)
			continue
		}
		if v.IsNull() {
			delete(e.now, fd.Name)
		} else {
			e.now[fd.Name] = v
		}
		if was := e.view.Fields[fd.Name]; v != was && !(v.IsNull() && (was == "" || was.IsNull())) {
			e.touched[fd.Name] = v
		}
	}
}

// parse reads what a control holds. Codes of another version of the form that
// stood there already stay.
func (e *entry) parse(fd *form.Field, typed []string) (record.Value, error) {
	if len(typed) == 0 || typed[0] == erase {
		return record.Null, nil
	}
	if fd.Kind == form.Text && fd.Many() || !fd.Many() && len(fd.Choices) == 0 && fd.Kind != form.RefOne {
		return fd.CanonText(typed[0])
	}
	if !fd.Many() {
		return fd.Canon(text(typed[0]))
	}
	var known, foreign []string
	stood := e.view.Fields[fd.Name].Texts()
	for _, t := range typed {
		if _, listed := fd.Choice(t); len(fd.Choices) > 0 && !listed && slices.Contains(stood, t) {
			foreign = append(foreign, t)
		} else {
			known = append(known, t)
		}
	}
	v, err := fd.Canon(json.RawMessage(record.List(known)))
	if err != nil || len(foreign) == 0 {
		return v, err
	}
	return record.Set(append(v.Texts(), foreign...)), nil
}

func text(s string) json.RawMessage { return json.RawMessage(record.Text(s)) }

// remarks says of each field what a person should look at, and which required
// ones are empty.
func (e *entry) remarks(p *page) (marks map[string][]string, missing []string) {
	marks = map[string][]string{}
	for _, m := range e.form.Check(e.now, p.today) {
		name, _ := m.Path.Field()
		if m.Code == form.MarkRequired {
			if _, bad := e.unread[name]; !bad {
				missing = append(missing, name)
			}
			continue
		}
		marks[name] = append(marks[name], m.Text.In(p.lang))
	}
	return marks, missing
}

// asked tells the fields that are to be on the screen: those that apply, and
// those that have an answer although they do not.
func (e *entry) asked(today string) map[string]bool {
	asked := e.form.Relevant(e.now, today)
	for _, fd := range e.form.Fields {
		if len(e.typed[fd.Name]) > 0 {
			asked[fd.Name] = true
		}
	}
	return asked
}

// edit is the save that the form asks for.
func (e *entry) edit(today string) store.Edit {
	edit := store.Edit{
		Village: e.draft.Village, Type: e.draft.Type, ID: e.draft.Record, Fields: e.touched,
		Author: e.draft.Author, Shown: e.shown, Draft: e.draft.ID,
	}
	if !e.fresh() {
		return edit
	}
	// A new record bears the id of its draft, so that a form that is sent twice
	// makes one record; a household's is for the store to find by its number.
	if id, err := record.ParseID(e.draft.ID); err == nil && e.form.Type != householdType {
		edit.ID = id
	}
	edit.Source = store.Onsite
	if day, _ := e.now["visit_date"].Text(); e.form.Type == visitType {
		if days, ok := daysBetween(day, today); ok && days > backfillDays {
			edit.Source = store.Backfill
		}
	}
	return edit
}

// backfillDays is how late a visit may be entered and still count as recorded on
// the spot.
const backfillDays = 7
