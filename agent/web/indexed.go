package web

import (
	"zhucun/agent/finder"
	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// find takes into an index by what a record is found.
func (c *cache) find(x *finder.Index, r *store.Record, gone bool) {
	if gone || r.View.Void {
		if r.Key.Type == householdType || r.Key.Type == personType || r.Key.Type == visitType {
			x.Drop(r.Key.ID)
		}
		return
	}
	switch r.Key.Type {
	case personType:
		x.PutPeople(c.person(r))
	case visitType:
		x.PutVisits(c.visit(r))
	}
}

// person is somebody as the index takes them.
func (c *cache) person(r *store.Record) finder.Person {
	text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
	house, _ := record.ParseID(text("household"))
	return finder.Person{ID: r.Key.ID, House: house, Name: text("full_name"), Number: text("id_number")}
}

// visit is one with its texts.
func (c *cache) visit(r *store.Record) finder.Visit {
	house, _ := record.ParseID(first(r.View.Fields["household"].Texts()))
	return finder.Visit{ID: r.Key.ID, House: house, Texts: c.texts(r)}
}

// texts are what was written in a record in words of somebody's own.
func (c *cache) texts(r *store.Record) (texts []string) {
	for _, fd := range c.forms.Form(r.Key.Type).Fields {
		if t, ok := r.View.Fields[fd.Name].Text(); ok && t != "" && fd.Kind == form.Text && !fd.Masked {
			texts = append(texts, t)
		}
	}
	return texts
}

// found is a household as the index takes it.
func (h *house) found() finder.House {
	return finder.House{ID: h.id, Village: h.village, Name: h.name, Group: h.group, Phone: h.phone, No: h.no}
}
