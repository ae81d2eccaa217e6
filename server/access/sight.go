package access

import (
	"maps"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Hides tells whether a register of a form's records is out of sight; f is nil of a type
// that no form has.
func (s Sight) Hides(f *form.Form, path record.Path) bool {
	if path == record.Life || path == record.Left || path == record.Source || path.Links() {
		return false
	}
	if f == nil {
		return !s.Shows(nil)
	}
	return !s.Shows(f.PathField(path))
}

// Hide takes from a record what is out of sight, before anything is made of it: what is
// not there nobody can show.
func (s Sight) Hide(f *form.Form, rec *store.Record) {
	hidden := func(path record.Path) bool { return s.Hides(f, path) }
	maps.DeleteFunc(rec.State, func(path record.Path, _ merge.Register) bool { return hidden(path) })
	maps.DeleteFunc(rec.View.Fields, func(name string, _ record.Value) bool { return hidden(record.Path(name)) })
	for _, claims := range []map[record.Path][]merge.Sibling{rec.View.Conflicts, rec.View.Proposals, rec.View.Others} {
		maps.DeleteFunc(claims, func(path record.Path, _ []merge.Sibling) bool { return hidden(path) })
	}
	maps.DeleteFunc(rec.View.Questions, func(path record.Path, _ *merge.Question) bool { return hidden(path.Asking()) })
	rec.View.Proposed = slices.DeleteFunc(rec.View.Proposed, func(name string) bool { return hidden(record.Path(name)) })
}

// HideEntry takes from a change of a record what is out of sight.
func (s Sight) HideEntry(f *form.Form, e *store.Entry) {
	e.Change.Body = slices.DeleteFunc(e.Change.Body, func(w record.Write) bool { return s.Hides(f, w.Path) })
}
