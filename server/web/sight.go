package web

import (
	"maps"

	"zhucun/server/store"
	"zhucun/shared/record"
)

// hides tells whether a register of a type of records is out of sight.
func (p *page) hides(t record.Type, path record.Path) bool {
	return p.sight.Hides(p.site.forms.Form(t), path)
}

// hide takes from a row what is out of sight.
func (p *page) hide(row *store.Row) {
	maps.DeleteFunc(row.Fields, func(name string, _ record.Value) bool { return p.hides(row.Type, record.Path(name)) })
}

// hideIn takes from a record what is out of sight, before anything is made of it:
// what is not there no part of the page can show.
func (p *page) hideIn(rec *store.Record) {
	p.sight.Hide(p.site.forms.Form(rec.Type), rec)
}
