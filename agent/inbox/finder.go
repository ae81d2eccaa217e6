package inbox

import (
	"slices"
	"strings"
	"unicode"

	"zhucun/agent/store"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// finder finds the records of a type by what tells them apart. It knows those that were
// here when it was made.
type finder struct {
	form  *form.Form
	names []string // of the fields by which it finds
	recs  []candidate
	by    map[string]map[string][]int // field -> value -> places in recs
}

// candidate is a record that may be meant.
type candidate struct {
	id      record.ID
	village record.Village
	values  map[string]string
	authors []string
}

// same makes spellings of one word equal: space and width.
func same(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case unicode.IsSpace(r), r == '\u200b':
			return -1
		}
		return r
	}, s)
}

// sameValue is a value as values are compared.
func sameValue(v record.Value) string {
	if s, ok := v.Text(); ok {
		return same(s)
	}
	return string(v)
}

func newFinder(s *store.Store, f *form.Form) (*finder, error) {
	x := &finder{form: f, by: map[string]map[string][]int{}}
	for _, names := range append([][]string{f.Key}, f.Alike...) {
		x.names = append(x.names, names...)
	}
	for _, fd := range table.Tells(f) {
		x.names = append(x.names, fd.Name)
	}
	slices.Sort(x.names)
	x.names = slices.Compact(x.names)
	for _, n := range x.names {
		x.by[n] = map[string][]int{}
	}
	err := s.Each("", f.Type, func(r store.Record) bool {
		if r.View.Void {
			return true
		}
		c := candidate{id: r.Key.ID, village: r.Key.Village, values: map[string]string{}}
		if f.Authored {
			c.authors = r.View.Authors
		}
		for _, n := range x.names {
			if v := sameValue(r.View.Fields[n]); v != "" && r.View.Fields[n] != "" {
				c.values[n] = v
				x.by[n][v] = append(x.by[n][v], len(x.recs))
			}
		}
		x.recs = append(x.recs, c)
		return true
	})
	return x, err
}

// all gives the records of a village that have every one of the values.
func (x *finder) all(v record.Village, values map[string]string) []*candidate {
	var least []int
	first := true
	for n, value := range values {
		if at := x.by[n][value]; first || len(at) < len(least) {
			least, first = at, false
		}
	}
	var out []*candidate
	for _, i := range least {
		c := &x.recs[i]
		if c.village != v {
			continue
		}
		fits := true
		for n, value := range values {
			fits = fits && c.values[n] == value
		}
		if fits {
			out = append(out, c)
		}
	}
	return out
}

// refer finds the record that a reference means. hints are what the row says of it, by
// field; "" is the reference itself: an id, or whatever tells the record.
func (x *finder) refer(v record.Village, hints map[string]string) (record.ID, error) {
	told := map[string]string{}
	for n, text := range hints {
		if n != "" {
			told[n] = same(text)
		}
	}
	direct := strings.TrimSpace(hints[""])
	if id, err := record.ParseID(direct); err == nil && !id.IsZero() {
		return id, nil
	}
	found := map[record.ID]bool{}
	if direct != "" {
		for _, fd := range table.Tells(x.form) {
			with := map[string]string{fd.Name: same(direct)}
			for n, text := range told {
				if n != fd.Name {
					with[n] = text
				}
			}
			for _, c := range x.all(v, with) {
				found[c.id] = true
			}
		}
	} else {
		for _, c := range x.all(v, told) {
			found[c.id] = true
		}
	}
	var said []string
	for _, fd := range table.Tells(x.form) {
		if text := strings.TrimSpace(hints[fd.Name]); text != "" {
			said = append(said, fd.Label.Zh+" "+text)
		}
	}
	if direct != "" {
		said = append([]string{direct}, said...)
	}
	what := strings.Join(said, "，")
	switch len(found) {
	case 0:
		return record.ID{}, wrong("“%[2]s”里没有 %[1]s。请核对，或先导入那一张表", "there is no %[1]s among %[3]s; check it, or import that table first", what, x.form.Title.Zh, x.form.Title.En)
	case 1:
		for id := range found {
			return id, nil
		}
	}
	return record.ID{}, wrong("“%[2]s”里有 %[4]d 条都是 %[1]s，分不清是哪一条。请加一列%[5]s", "%[4]d records among %[3]s are %[1]s, and which is meant cannot be told; add a column that tells it (%[6]s)", what, x.form.Title.Zh, x.form.Title.En, len(found), table.Tells(x.form)[0].Label.Zh, table.Tells(x.form)[0].Label.En)
}

// own finds the record that a row of the finder's type is about: by its key, or, where
// the row or the record lacks that, by what makes records probably the same. The zero
// id is one that is not here. key names what it was found by, the same for rows that
// are about the same record; "" for rows that nothing tells.
func (x *finder) own(v record.Village, author string, fields map[string]record.Value) (id record.ID, key string, err error) {
	f := x.form
	if len(f.Key) == 0 {
		return id, "", nil
	}
	keyed := x.values(f.Key, fields)
	if keyed != nil {
		found := x.all(v, keyed)
		if f.Authored {
			found = slices.DeleteFunc(found, func(c *candidate) bool { return !slices.Contains(c.authors, author) })
		}
		switch len(found) {
		case 1:
			return found[0].id, x.key(v, f.Key, keyed), nil
		case 0:
		default:
			return id, "", wrong("这里已有 %[1]d 条 %[2]s 相同的记录，分不清是哪一条。请先在网页上合并", "%[1]d records here have the same %[3]s, and which is meant cannot be told; join them on the page first", len(found), x.labels(f.Key, form.Zh), x.labels(f.Key, form.En))
		}
	}
	if f.Authored {
		return id, x.key(v, f.Key, keyed), nil
	}
	for _, names := range f.Alike {
		values := x.values(names, fields)
		if values == nil || slices.Equal(names, f.Key) {
			continue
		}
		found := x.all(v, values)
		if keyed != nil {
			// One that bears another key is another one.
			found = slices.DeleteFunc(found, func(c *candidate) bool { return x.bears(c, f.Key) })
		}
		k := x.key(v, names, values)
		if keyed != nil {
			k = x.key(v, f.Key, keyed)
		}
		switch len(found) {
		case 0:
			if keyed == nil {
				key = k
			}
		case 1:
			return found[0].id, k, nil
		default:
			return id, "", wrong("这里已有 %[1]d 条 %[2]s 相同的记录，分不清是哪一条。请加一列%[4]s", "%[1]d records here have the same %[3]s, and which is meant cannot be told; add a column %[5]s", len(found), x.labels(names, form.Zh), x.labels(names, form.En), x.labels(f.Key, form.Zh), x.labels(f.Key, form.En))
		}
	}
	if keyed != nil {
		key = x.key(v, f.Key, keyed)
	}
	return id, key, nil
}

// bears tells a record that has a whole key.
func (x *finder) bears(c *candidate, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return c.values[n] == "" })
}

// values gives the fields of those names; nil where one is missing.
func (x *finder) values(names []string, fields map[string]record.Value) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		v := fields[n]
		if v == "" || v.IsNull() {
			return nil
		}
		out[n] = sameValue(v)
	}
	return out
}

func (x *finder) key(v record.Village, names []string, values map[string]string) string {
	if values == nil {
		return ""
	}
	parts := []string{string(v)}
	for _, n := range names {
		parts = append(parts, n, values[n])
	}
	return strings.Join(parts, "\x00")
}

func (x *finder) labels(names []string, lang form.Lang) string {
	var out []string
	for _, n := range names {
		out = append(out, x.form.Field(n).Label.In(lang))
	}
	return strings.Join(out, form.Label{Zh: "、", En: ", "}.In(lang))
}
