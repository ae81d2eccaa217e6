package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"zhucun/server/access"
	"zhucun/server/odata"
	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// table is an entity set, and where its values come from.
type table struct {
	odata.Set
	form *form.Form // nil: of villages
	// of has for each property the field that it shows, nil for the record's own.
	of     []*form.Field
	masked map[string]bool
}

// column is a property to be written, with the place of its field among Selected.Values.
type column struct {
	*odata.Property
	field *form.Field
	at    int
}

// villagesSet is the name of the table of villages.
const villagesSet = "villages"

// tables are those that a token sees.
func (a *API) tables(q *request, full bool) []*table {
	list := []*table{villageTable()}
	if q.reader.May(access.SeeRecords) {
		for _, f := range a.store.Forms().Forms() {
			list = append(list, tableOf(q, f, full))
		}
	}
	return list
}

func (a *API) table(q *request, name string, full bool) *table {
	if name == villagesSet {
		return villageTable()
	}
	f := a.store.Forms().Form(record.Type(name))
	if f == nil {
		return nil
	}
	return tableOf(q, f, full)
}

func villageTable() *table {
	at := func(name string, kind odata.Kind, says string) odata.Property {
		return odata.Property{Name: name, Kind: kind, Says: says, Column: store.Operand{Column: name}}
	}
	t := &table{Set: odata.Set{Name: villagesSet, Says: "村一览", Properties: []odata.Property{at("code", odata.String, "村代码"), at("name", odata.String, "村名"),
		at("township", odata.String, "乡镇"), at("feed", odata.Int, "最后一次变动的序号"), at("delivered_at", odata.Moment, "电脑最近一次送来数据")}}}
	t.Properties[0].Key = true
	return t
}

// tableOf makes the table of a form, of what the token sees.
func tableOf(q *request, f *form.Form, full bool) *table {
	t := &table{Set: odata.Set{Name: string(f.Type), Says: f.Title.Zh}, form: f, masked: map[string]bool{}}
	add := func(name string, kind odata.Kind, says string, by store.Operand, fd *form.Field) {
		t.Properties = append(t.Properties, odata.Property{Name: name, Kind: kind, Says: says, Column: by})
		t.of = append(t.of, fd)
	}
	own := func(name string, kind odata.Kind, says string) {
		add(name, kind, says, store.Operand{Column: name}, nil)
	}
	none := store.Operand{}
	own(store.VillageColumn, odata.String, "村代码")
	own(store.IDColumn, odata.ID, "记录编号")
	t.Properties[0].Key, t.Properties[1].Key = true, true
	add("village_label", odata.String, "村", none, nil)
	for _, fd := range f.Fields {
		if !q.reader.Sight.Shows(fd) {
			continue
		}
		by := store.Operand{Column: fd.Name}
		if fd.Masked && !full {
			t.masked[fd.Name] = true
			by = none
		}
		says := fd.Label.Zh
		switch {
		case fd.Masked:
			// Whatever it is: of a number or a place too only the end may be told.
			add(fd.Name, odata.String, says, by, fd)
		case fd.Kind == form.Geopoint:
			add(fd.Name+"_longitude", odata.Double, says+"（经度）", none, fd)
			add(fd.Name+"_latitude", odata.Double, says+"（纬度）", none, fd)
			continue
		case fd.Many():
			add(fd.Name, odata.String, says, by, fd)
		case fd.Kind == form.Integer:
			add(fd.Name, odata.Int, says, by, fd)
		case fd.Kind == form.Decimal, fd.Kind == form.Calculate:
			add(fd.Name, odata.Double, says, by, fd)
		case fd.Kind == form.Date:
			add(fd.Name, odata.Date, says, by, fd)
		case fd.Kind == form.RefOne:
			add(fd.Name, odata.ID, says, by, fd)
		default:
			add(fd.Name, odata.String, says, by, fd)
		}
		if len(fd.Choices) > 0 {
			label := none
			if !fd.Many() && by != none {
				label = store.Operand{Column: fd.Name, Label: true}
			}
			add(fd.Name+"_label", odata.String, says+"（文字）", label, fd)
		}
	}
	own(store.LifeColumn, odata.String, "alive 有效，void 已作废")
	own(store.AuthorColumn, odata.String, "填写人")
	own(store.CreatedColumn, odata.Moment, "建立时间")
	own(store.UpdatedColumn, odata.Moment, "最近修改时间")
	own(store.AttendedColumn, odata.Boolean, "有需要注意的地方")
	add("conflicts", odata.String, "有几个不同值、等待决定的字段", none, nil)
	add("proposals", odata.String, "有修改建议的字段", none, nil)
	return t
}

// columns gives where the values of properties come from.
func (t *table) columns(of []*odata.Property) []column {
	var list []column
	places := 0
	for _, p := range of {
		c := column{Property: p}
		for i := range t.Properties {
			if &t.Properties[i] == p && t.of != nil {
				c.field = t.of[i]
			}
		}
		if c.field != nil {
			c.at = places
			places++
		}
		list = append(list, c)
	}
	return list
}

// line writes a row as JSON, its properties in their order.
func (t *table) line(columns []column, row *store.Selected, names map[record.Village]string, q *request) []byte {
	var b bytes.Buffer
	for i := range columns {
		c := &columns[i]
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(quoted(c.Name) + ":")
		if c.field != nil {
			b.WriteString(t.cell(c, row.Values[c.at]))
			continue
		}
		switch c.Name {
		case store.VillageColumn:
			b.WriteString(quoted(row.Village))
		case "village_label":
			b.WriteString(quoted(cmp.Or(names[record.Village(row.Village)], row.Village)))
		case store.IDColumn:
			b.WriteString(quoted(row.ID))
		case store.LifeColumn:
			b.WriteString(quoted(row.Life))
		case store.AuthorColumn:
			b.WriteString(quoted(row.Authors))
		case store.CreatedColumn:
			b.WriteString(momentOf(row.Created))
		case store.UpdatedColumn:
			b.WriteString(momentOf(row.Updated))
		case store.AttendedColumn:
			if row.Marked {
				b.WriteString("true")
			} else {
				b.WriteString("false")
			}
		case "conflicts":
			b.WriteString(t.paths(row.Conflicts, q))
		case "proposals":
			b.WriteString(t.paths(row.Proposals, q))
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

// paths names the fields of registers that are in sight.
func (t *table) paths(of []record.Path, q *request) string {
	var list []string
	for _, p := range of {
		if q.reader.Sight.Hides(t.form, p) {
			continue
		}
		name, _ := p.Field()
		if p == record.Life {
			name = store.LifeColumn
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return "null"
	}
	return quoted(strings.Join(list, ";"))
}

// cell gives a field's value as its property has it; null too for what is none of its kind.
func (t *table) cell(c *column, v record.Value) string {
	if v == "" || v.IsNull() {
		return "null"
	}
	fd := c.field
	text, isText := v.Text()
	switch c.Kind {
	case odata.Int, odata.Double:
		if fd.Kind == form.Geopoint {
			var at []json.Number
			if json.Unmarshal([]byte(v), &at) != nil || len(at) != 2 {
				return "null"
			}
			if strings.HasSuffix(c.Name, "_longitude") {
				return at[0].String()
			}
			return at[1].String()
		}
		return string(v)
	case odata.Date:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "null"
		}
		return quoted(text)
	case odata.ID:
		id, err := record.ParseID(text)
		if err != nil {
			return "null"
		}
		return quoted(id.String())
	}
	words := []string{text}
	if !isText {
		if words = v.Texts(); words == nil {
			words = []string{string(v)}
		}
	}
	for i, w := range words {
		if strings.HasSuffix(c.Name, "_label") && c.Name != fd.Name {
			if ch, known := fd.Choice(w); known {
				words[i] = ch.Label.Zh
			}
		}
		if t.masked[fd.Name] {
			words[i] = form.Mask(w)
		}
	}
	return quoted(strings.Join(words, ";"))
}

func momentOf(ms int64) string {
	if ms == 0 {
		return "null"
	}
	return quoted(clock.At0(ms).String())
}

func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(strings.ToValidUTF8(s, string(utf8.RuneError))); err != nil {
		panic(err) // a text
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// names gives what villages are called.
func (a *API) names(q *request) (map[record.Village]string, error) {
	list, err := a.store.Villages(q.Context())
	names := make(map[record.Village]string, len(list))
	for _, v := range list {
		names[v.Code] = v.Name
	}
	return names, err
}

// villagePage is page for the table of villages: there are some thousand at most, and they
// are sorted out here.
func (a *API) villagePage(q *request, r *reading) (count int, lines [][]byte, next string, err error) {
	all, err := a.villageList(q)
	if err != nil {
		return 0, nil, "", err
	}
	var failed error
	value := func(v *village) func(store.Operand) any {
		return func(o store.Operand) any {
			var x any
			switch o.Column {
			case "code":
				x = string(v.Code)
			case "name":
				x = v.Name
			case "township":
				x = v.Township
			case "feed":
				x = int64(v.Feed)
			case "delivered_at":
				if v.Delivered != 0 {
					x = v.Delivered.Milli()
				}
			}
			return o.Made(x)
		}
	}
	if r.filter != nil {
		all = slices.DeleteFunc(all, func(v village) bool { return !r.filter.Holds(value(&v)) })
	}
	slices.SortStableFunc(all, func(x, y village) int {
		for _, o := range r.order {
			c := store.CompareValues(value(&x)(o.Operand), value(&y)(o.Operand))
			if o.Down {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return cmp.Compare(x.Code, y.Code)
	})
	count = len(all)
	if r.after != nil {
		// All of them are sorted anew; whoever was the last is found again.
		i := slices.IndexFunc(all, func(v village) bool { return v.Code == r.after.Village })
		all = all[i+1:]
	}
	all = all[min(r.skip, len(all)):]
	if r.top >= 0 {
		all = all[:min(r.top, len(all))]
	}
	more := len(all) > r.page
	if more {
		all = all[:r.page]
	}
	for i := range all {
		var b bytes.Buffer
		for n, p := range r.chosen {
			b.WriteByte("{,"[min(n, 1)])
			b.WriteString(quoted(p.Name) + ":")
			switch x := value(&all[i])(p.Column).(type) {
			case nil:
				b.WriteString("null")
			case string:
				b.WriteString(quoted(x))
			case int64:
				if p.Kind == odata.Moment {
					b.WriteString(momentOf(x))
				} else {
					raw, err := json.Marshal(x)
					failed = cmp.Or(failed, err)
					b.Write(raw)
				}
			}
		}
		b.WriteByte('}')
		lines = append(lines, b.Bytes())
	}
	if more && !r.key {
		left := r.top
		if left >= 0 {
			left -= len(all)
		}
		last := &all[len(all)-1]
		at := &store.Mark{Village: last.Code}
		for _, o := range r.order {
			at.Values = append(at.Values, value(last)(o.Operand))
		}
		next, err = a.nextLink(q, r, at, left)
	}
	return count, lines, next, cmp.Or(failed, err)
}
