package web

import (
	"strings"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// names gives the lines by which people know records, and keeps what it has
// looked up for the length of a page.
type names struct {
	rows map[record.Key]*store.Row // nil: it is not there
}

// gather looks up what the rows' references name, and what those name in
// their titles, in a few statements; what is out of sight goes from the rows.
func (p *page) gather(rows []store.Row) error {
	for i := range rows {
		p.hide(&rows[i])
	}
	for range 2 {
		type group struct {
			village record.Village
			typ     record.Type
		}
		missing := map[group][]record.ID{}
		for i := range rows {
			f := p.site.forms.Form(rows[i].Type)
			if f == nil {
				continue
			}
			for _, fd := range f.Fields {
				if fd.Refers == "" {
					continue
				}
				for _, text := range rows[i].Fields[fd.Name].Texts() {
					id, err := record.ParseID(text)
					k := record.Key{Village: rows[i].Village, Type: fd.Refers, ID: id}
					if _, known := p.names.rows[k]; err == nil && !known {
						missing[group{k.Village, k.Type}] = append(missing[group{k.Village, k.Type}], id)
						p.names.put(k, nil)
					}
				}
			}
		}
		rows = nil
		for g, ids := range missing {
			found, err := p.site.store.Rows(p.ctx, g.village, g.typ, ids...)
			if err != nil {
				return err
			}
			for _, row := range found {
				p.hide(&row)
				p.names.put(row.Key, &row)
				rows = append(rows, row)
			}
		}
	}
	return nil
}

func (n *names) put(k record.Key, row *store.Row) {
	if n.rows == nil {
		n.rows = map[record.Key]*store.Row{}
	}
	n.rows[k] = row
}

// lookup finds one record.
func (p *page) lookup(k record.Key) *store.Row {
	if row, known := p.names.rows[k]; known {
		return row
	}
	found, err := p.site.store.Rows(p.ctx, k.Village, k.Type, k.ID)
	if err != nil {
		p.site.opt.Log.Error("record not read", "id", k.ID, "error", err)
	}
	row, there := found[k.ID]
	if !there {
		p.names.put(k, nil)
		return nil
	}
	p.hide(&row)
	p.names.put(k, &row)
	return &row
}

// label is the line by which people know a record.
func (p *page) label(row *store.Row) string { return p.titled(row, 2) }

func (p *page) titled(row *store.Row, depth int) string {
	f := p.site.forms.Form(row.Type)
	if f == nil {
		return row.ID.String()
	}
	var words []string
	for _, name := range f.Titles {
		fd := f.Field(name)
		if fd == nil || row.Fields[name] == "" || fd.Refers != "" && depth == 0 {
			continue
		}
		if word := p.fieldText(row.Village, fd, row.Fields[name], depth-1); word != "" {
			words = append(words, clip(word, 40))
		}
	}
	if len(words) == 0 {
		return p.T("record.unnamed", f.Title.In(p.lang))
	}
	return strings.Join(words, " ")
}

// fieldText shows a value of a field, references by what they name.
func (p *page) fieldText(v record.Village, fd *form.Field, value record.Value, depth int) string {
	if fd.Refers == "" {
		if fd.Kind == form.Date {
			if s, ok := value.Text(); ok {
				return s
			}
		}
		return fd.Show(value, p.lang)
	}
	var words []string
	for _, text := range value.Texts() {
		words = append(words, p.named(v, fd.Refers, text, depth))
	}
	return p.list(words)
}

// named is what a reference names.
func (p *page) named(v record.Village, typ record.Type, text string, depth int) string {
	id, err := record.ParseID(text)
	if err != nil {
		return text
	}
	if row := p.lookup(record.Key{Village: v, Type: typ, ID: id}); row != nil {
		return p.titled(row, max(depth, 0))
	}
	return p.T("record.away", id.String()[:8])
}

// pathText shows a value of a register.
func (p *page) pathText(k record.Key, path record.Path, value record.Value) string {
	if f := p.site.forms.Form(k.Type); f != nil && path != record.Life && !value.IsNull() {
		if fd := f.PathField(path); fd != nil {
			return p.fieldText(k.Village, fd, value, 2)
		}
	}
	if path == record.Source {
		if s, ok := value.Text(); ok && (s == "onsite" || s == "backfill" || s == "import") {
			return p.T("source." + s)
		}
	}
	if to, ok := value.Text(); ok && path == record.Left {
		return p.village(record.Village(to))
	}
	if _, other := path.Field(); path.Links() && other != "" {
		id := "same.yes"
		switch value {
		case record.False:
			id = "same.no"
		case record.Null:
			id = "same.back"
		}
		return p.T(id, p.named(k.Village, k.Type, other, 1))
	}
	return p.site.review.Show(k.Type, path, value, p.lang)
}

// pathName is what a register is called.
func (p *page) pathName(t record.Type, path record.Path) string {
	switch path {
	case record.Source:
		return p.T("source")
	}
	if path.Links() {
		return p.T("same")
	}
	if _, asked := path.Asked(); asked {
		return p.site.review.Field(t, path, p.lang)
	}
	name := p.site.review.Field(t, path.Standing(), p.lang)
	if f := p.site.forms.Form(t); f != nil {
		if fd := f.PathField(path); fd != nil {
			name = fd.Label.In(p.lang)
			if _, element := path.Field(); element != "" {
				name = p.T("element", name, fd.Show(record.Text(element), p.lang))
			}
		}
	}
	if path.IsProposal() {
		name = p.T("proposed", name)
	}
	return name
}

// row gives a record as a line of a list has it.
func rowOf(rec *store.Record) store.Row {
	r := store.Row{Key: rec.Key, Life: "alive", Updated: rec.View.Updated, Fields: rec.View.Fields}
	if rec.View.Void {
		r.Life = "void"
	}
	return r
}

// href is where a record is shown.
func href(k record.Key) string { return "/record/" + escape(string(k.Village)) + "/" + k.ID.String() }
