package web

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// offers gives the files that no record shows yet, those first that are of the day that
// the form is about, or have in their name whom it is about: a visit is offered the
// photos of its day and household, whatever else was dropped in meanwhile.
func (w *Site) offers(p *page, e *entry, loose []store.Blob) []option {
	day, names := "", []string(nil)
	for _, fd := range e.form.Fields {
		switch v := e.now[fd.Name]; {
		case fd.Kind == form.Date && day == "":
			day, _ = v.Text() // the first asks when it was
		case fd.Kind == form.RefOne && v != "":
			names = append(names, w.calledBy(fd.Refers, v)...)
		}
	}
	type offer struct {
		option
		fits int
	}
	var list []offer
	for _, b := range loose {
		name := b.FileName()
		o := offer{option: option{value: name, label: cmp.Or(b.Name, name)}}
		called := strings.Join(strings.Fields(b.Name), "")
		if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(called, n) }) {
			o.fits += 2
		}
		// The camera's time has no zone: its day is the one that it shows.
		if day != "" && b.Taken != 0 && time.UnixMilli(b.Taken).UTC().Format(time.DateOnly) == day {
			o.fits++
			o.label = p.T("photo.day", o.label)
		}
		list = append(list, o)
	}
	slices.SortStableFunc(list, func(a, b offer) int { return b.fits - a.fits })
	out := make([]option, len(list))
	for i, o := range list {
		out[i] = o.option
		if i < maxLoose {
			out[i].photo = w.photo(p, o.value, o.label)
		}
	}
	return out
}

// calledBy gives the names by which people know a record; of one character none.
func (w *Site) calledBy(t record.Type, v record.Value) []string {
	f := w.forms.Form(t)
	text, _ := v.Text()
	id, err := record.ParseID(text)
	if f == nil || err != nil {
		return nil
	}
	r, err := w.store.Get(t, id)
	if err != nil {
		return nil // it may not have come yet
	}
	var names []string
	for _, name := range append(slices.Clone(f.Key), f.Titles[0]) {
		if s, ok := r.View.Fields[name].Text(); ok && utf8.RuneCountInString(s) > 1 && f.Field(name).Kind == form.Text {
			names = append(names, s)
		}
	}
	return names
}
