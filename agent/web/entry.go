package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	if d.Values == nil {
		d.Values = map[string][]string{}
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
	return fd.Typed(e.view.Fields[fd.Name])
}

// Besides what was typed, a draft's values say which window of the browser
// wrote a field last, the number of each window's last keep, and what a window
// wrote of a field that another one had written meanwhile.
const (
	byKey   = "_by."
	atKey   = "_at."
	alsoKey = "_also."
)

// take takes from a page what somebody changed on it. The page says what stood
// in its controls when it was loaded (or last kept): a field that still says
// so is left alone, for another window of the same form may have filled it in
// since. Where both wrote, the draft keeps both, and take names the field.
// Pages that do not say what stood are taken whole.
func (e *entry) take(values map[string][]string) (both []string) {
	window := first(values["_window"])
	stood := stoodOf(first(values["_stood"]))
	for _, fd := range e.form.Fields {
		if fd.Kind == form.Calculate {
			continue
		}
		typed, stands := fd.Posted(values), e.typed[fd.Name]
		was, told := stood[fd.Name]
		also := alsoKey + fd.Name + "." + window
		delete(e.draft.Values, also)
		switch {
		case fd.SameTyped(typed, stands), told && fd.Print(typed) == was && e.writer(fd) != window:
			continue
		case told && e.writer(fd) != window && fd.Print(stands) != was:
			e.draft.Values[also] = typed
			both = append(both, fd.Name)
			continue
		}
		e.put(fd, typed, window)
	}
	e.read()
	return both
}

// put writes a field into the draft; what is as it was when the form was opened
// is not kept as typed.
func (e *entry) put(fd *form.Field, typed []string, window string) {
	if typed == nil {
		typed = []string{}
	}
	e.typed[fd.Name] = typed
	e.draft.Values[fd.Name] = typed
	if base := e.base(fd); fd.SameTyped(typed, base) {
		e.typed[fd.Name] = base
		delete(e.draft.Values, fd.Name)
	}
	e.draft.Values[byKey+fd.Name] = []string{window}
}

// writer is the window that wrote a field last.
func (e *entry) writer(fd *form.Field) string { return first(e.draft.Values[byKey+fd.Name]) }

// also gives what other windows wrote of a field.
func (e *entry) also(fd *form.Field) (all [][]string) {
	for _, key := range slices.Sorted(maps.Keys(e.draft.Values)) {
		if strings.HasPrefix(key, alsoKey+fd.Name+".") {
			all = append(all, e.draft.Values[key])
		}
	}
	return all
}

// stood tells, for a page, what stands in its controls: a short print of each.
func (e *entry) stood() string {
	var b strings.Builder
	for _, fd := range e.form.Fields {
		fmt.Fprintf(&b, "%s:%s ", fd.Name, fd.Print(e.typed[fd.Name]))
	}
	return b.String()
}

// stoodNow is what the page is to say from now on, after take: what it sent,
// where the draft took it, and what it said before where it did not.
func (e *entry) stoodNow(values map[string][]string) string {
	was := stoodOf(first(values["_stood"]))
	var b strings.Builder
	for _, fd := range e.form.Fields {
		typed := fd.Posted(values)
		if fd.SameTyped(typed, e.typed[fd.Name]) {
			was[fd.Name] = fd.Print(typed)
		}
		fmt.Fprintf(&b, "%s:%s ", fd.Name, was[fd.Name])
	}
	return b.String()
}

func stoodOf(text string) map[string]string {
	stood := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, print, _ := strings.Cut(word, ":")
		stood[name] = print
	}
	return stood
}

// read makes values of what was typed.
func (e *entry) read() {
	e.touched, e.unread = map[string]record.Value{}, map[string]form.Label{}
	e.now = map[string]record.Value{}
	for name, v := range e.view.Fields {
		e.now[name] = v
	}
	for _, fd := range e.form.Fields {
		if fd.Kind == form.Calculate || fd.SameTyped(e.typed[fd.Name], e.base(fd)) {
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

// parse reads what a control holds.
func (e *entry) parse(fd *form.Field, typed []string) (record.Value, error) {
	return fd.ReadTyped(typed, e.view.Fields[fd.Name])
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
		Author: e.draft.Author, Shown: e.shown, Draft: e.draft.ID, Issues: true,
	}
	if !e.fresh() {
		return edit
	}
	// A new record bears the id of its draft, so that a form that is sent twice
	// makes one record; that of a household with a number, or of a post, is for the store to find.
	if id, err := record.ParseID(e.draft.ID); err == nil && !store.Numbered(e.form.Type, e.touched) {
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
