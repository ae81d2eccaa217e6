package web

import (
	"net/url"
	"slices"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// What the address of a list says: q what is looked for, life, village; w.FIELD the value of
// a field, from.FIELD and to.FIELD the least and the largest; c the columns; sort and down
// the order; after where the page before ended. What is out of the asker's sight is no
// condition: the answer would tell it.

// maxColumns is how many columns somebody may choose.
const maxColumns = 24

// readList reads what a list is asked for. errAsked: it cannot be.
func (p *page) readList(f *form.Form, q url.Values) (*listView, error) {
	v := &listView{form: f, values: map[string]string{}, spans: map[string][2]string{}}
	v.ask = store.Browse{Type: f.Type, Village: p.sight.Village, Text: strings.TrimSpace(q.Get("q")), Shows: p.sight.Shows, Limit: listRows}
	if code := q.Get("village"); code != "" {
		v.ask.Village = record.Village(code)
	}
	if v.text = v.ask.Text; len([]rune(v.text)) > maxText {
		return nil, errAsked
	}
	switch v.life = q.Get("life"); v.life {
	case "":
	case "alive", "void":
		v.ask.Where = append(v.ask.Where, store.Condition{Field: "life", Value: v.life})
	default:
		return nil, errAsked
	}
	for _, fd := range p.filterFields(f) {
		if value := q.Get("w." + fd.Name); value != "" {
			v.values[fd.Name] = value
			v.ask.Where = append(v.ask.Where, store.Condition{Field: fd.Name, Value: value})
		}
		if !spanned(fd) {
			continue
		}
		span := [2]string{q.Get("from." + fd.Name), q.Get("to." + fd.Name)}
		for i, than := range []store.Than{store.AtLeast, store.AtMost} {
			if span[i] != "" {
				v.spans[fd.Name] = span
				v.ask.Where = append(v.ask.Where, store.Condition{Field: fd.Name, Value: span[i], Than: than})
			}
		}
	}
	for _, fd := range f.Fields {
		if slices.Contains(q["c"], fd.Name) && p.sight.Shows(fd) && len(v.chosen) < maxColumns {
			v.chosen = append(v.chosen, fd.Name)
		}
	}
	if slices.EqualFunc(p.columnsOf(f, v.values), v.chosen, func(fd *form.Field, name string) bool { return slices.Contains(v.chosen, fd.Name) }) {
		v.chosen = nil // the usual ones
	}
	if sort := q.Get("sort"); sort != "" {
		if fd := f.Field(sort); sort != "updated_at" && (fd == nil || !p.sorts(fd)) {
			return nil, errAsked
		}
		v.ask.Sort = sort
	}
	switch q.Get("down") {
	case "":
	case "1":
		v.ask.Down = v.ask.Sort != ""
	default:
		return nil, errAsked
	}
	if after := q.Get("after"); after != "" {
		if err := readPlace(after, &v.ask.After); err != nil {
			return nil, errAsked
		}
		v.begun = true
	}
	return v, nil
}

// wordy tells an address that says more than it needs to.
func (p *page) wordy(v *listView) bool {
	q := p.r.URL.Query()
	for _, values := range q {
		if slices.Contains(values, "") {
			return true
		}
	}
	return len(q["c"]) > 0 && len(v.chosen) == 0
}

// query gives what the list was asked for, as pairs, but for the page.
func (v *listView) query() []string {
	list := []string{"village", string(v.ask.Village), "q", v.text, "life", v.life}
	for _, fd := range v.form.Fields {
		list = append(list, "w."+fd.Name, v.values[fd.Name], "from."+fd.Name, v.spans[fd.Name][0], "to."+fd.Name, v.spans[fd.Name][1])
	}
	for _, name := range v.chosen {
		list = append(list, "c", name)
	}
	list = append(list, "sort", v.ask.Sort)
	if v.ask.Down {
		list = append(list, "down", "1")
	}
	return list
}

// some tells whether the list is asked for with more than its village.
func (v *listView) some() bool {
	return v.text != "" || v.life != "" || len(v.values)+len(v.spans)+len(v.chosen) > 0 || v.ask.Sort != ""
}

// spanned tells the fields that have a least and a largest.
func spanned(fd *form.Field) bool {
	return fd.Kind == form.Date || fd.Kind == form.Integer || fd.Kind == form.Decimal
}

// worded tells the texts that many records may share, which one may ask for as a whole.
func worded(fd *form.Field) bool {
	return fd.Kind == form.Text && !fd.Many() && fd.Policy != form.Author && !(fd.Policy == form.Latest && fd.Constraint == nil)
}

// sorts tells the fields that lists can be ordered by.
func (p *page) sorts(fd *form.Field) bool {
	return p.sight.Shows(fd) && !fd.Masked && !fd.Many() && fd.Kind != form.Geopoint && fd.Refers == ""
}

// chosenColumns gives columns by their names, those that are titles first.
func (p *page) chosenColumns(f *form.Form, names []string) []*form.Field {
	var list []*form.Field
	for _, name := range slices.Concat(f.Titles, names) {
		fd := f.Field(name)
		if fd != nil && p.sight.Shows(fd) && slices.Contains(names, name) && !slices.Contains(list, fd) {
			list = append(list, fd)
		}
	}
	return list
}

// sortHref is where the list is ordered by a column, and the other way round where it is
// already.
func (v *listView) sortHref(p *page, name string) string {
	was := v.ask
	defer func() { v.ask = was }()
	own, down := p.site.store.Order(v.form.Type)
	if own == "" {
		own = "updated_at"
	}
	now := was.Sort
	if now == "" {
		now = own
	} else {
		down = was.Down
	}
	v.ask.Sort = name
	if v.ask.Down = name == "updated_at"; now == name {
		v.ask.Down = !down
	}
	return v.href(p)
}

// sorted says how the list is ordered by a column, as aria-sort has it; "" where it is not.
func (v *listView) sorted(p *page, name string) string {
	own, down := p.site.store.Order(v.form.Type)
	if own == "" {
		own = "updated_at"
	}
	if v.ask.Sort != "" && !v.Unsorted {
		own, down = v.ask.Sort, v.ask.Down
	}
	switch {
	case own != name:
		return ""
	case down:
		return "descending"
	}
	return "ascending"
}

// spanType is the control of a span's ends.
func spanType(fd *form.Field) string {
	if fd.Kind == form.Date {
		return "date"
	}
	return "number"
}

// placed and masked tell forms that have a place, and those with numbers that are masked.
func (v *listView) placed() bool {
	return slices.ContainsFunc(v.form.Fields, func(fd *form.Field) bool { return fd.Kind == form.Geopoint })
}

func (v *listView) masked() bool {
	return slices.ContainsFunc(v.form.Fields, func(fd *form.Field) bool { return fd.Masked })
}
