package web

import (
	"maps"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// hides tells whether a register of a type of records is out of sight.
func (p *page) hides(t record.Type, path record.Path) bool {
	if path == record.Life || path == record.Source || path.Links() {
		return false
	}
	f := p.site.forms.Form(t)
	if f == nil {
		return !p.sight.Shows(nil)
	}
	return !p.sight.Shows(f.PathField(path))
}

// hide takes from a row what is out of sight.
func (p *page) hide(row *store.Row) {
	maps.DeleteFunc(row.Fields, func(name string, _ record.Value) bool { return p.hides(row.Type, record.Path(name)) })
}

// hideIn takes from a record what is out of sight, before anything is made of it:
// what is not there no part of the page can show.
func (p *page) hideIn(rec *store.Record) {
	hidden := func(path record.Path) bool { return p.hides(rec.Type, path) }
	maps.DeleteFunc(rec.State, func(path record.Path, _ merge.Register) bool { return hidden(path) })
	maps.DeleteFunc(rec.View.Fields, func(name string, _ record.Value) bool { return hidden(record.Path(name)) })
	for _, claims := range []map[record.Path][]merge.Sibling{rec.View.Conflicts, rec.View.Proposals, rec.View.Others} {
		maps.DeleteFunc(claims, func(path record.Path, _ []merge.Sibling) bool { return hidden(path) })
	}
	maps.DeleteFunc(rec.View.Questions, func(path record.Path, _ *merge.Question) bool { return hidden(path.Asking()) })
	rec.View.Proposed = slices.DeleteFunc(rec.View.Proposed, func(name string) bool { return hidden(record.Path(name)) })
}
