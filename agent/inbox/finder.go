package inbox

import (
	"hash/maphash"
	"slices"
	"strings"
	"unicode"

	"zhucun/agent/store"
	"zhucun/agent/table"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// finder finds the records of a type by what tells them apart. It knows those that were
// here when it was made. Of each value it keeps a hash, under a seed of its own: some
// fifty bytes a record, where the texts would take a laptop's memory.
type finder struct {
	form     *form.Form
	names    []string // of the fields by which it finds, sorted
	order    []string // the same as the form has them: its key first
	seed     maphash.Seed
	villages []record.Village
	recs     []candidate
	// marks has for each record the hash of each field, 0 for none; by has for each
	// field the last record with a hash, and next the one before that, counted from 1.
	marks []uint64
	by    []map[uint64]int32
	next  [][]int32
	// authors are those of the records, where they are part of the key.
	authors map[int32][]string
}

// candidate is a record that may be meant.
type candidate struct {
	id      record.ID
	village uint16
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
	x := &finder{form: f, seed: maphash.MakeSeed(), authors: map[int32][]string{}}
	for _, names := range append([][]string{f.Key}, f.Alike...) {
		x.names = append(x.names, names...)
	}
	for _, fd := range table.Tells(f) {
		x.names = append(x.names, fd.Name)
	}
	x.order = slices.Clone(x.names)
	slices.Sort(x.names)
	x.names = slices.Compact(x.names)
	x.by, x.next = make([]map[uint64]int32, len(x.names)), make([][]int32, len(x.names))
	for i := range x.names {
		x.by[i] = map[uint64]int32{}
	}
	err := s.Each("", f.Type, func(r store.Record) bool {
		if r.View.Void {
			return true
		}
		v := slices.Index(x.villages, r.Key.Village)
		if v < 0 {
			v, x.villages = len(x.villages), append(x.villages, r.Key.Village)
		}
		x.recs = append(x.recs, candidate{r.Key.ID, uint16(v)})
		n := int32(len(x.recs))
		if f.Authored {
			x.authors[n-1] = r.View.Authors
		}
		for i, name := range x.names {
			m := uint64(0)
			if v := r.View.Fields[name]; v != "" && !v.IsNull() {
				m = x.mark(sameValue(v))
			}
			x.marks = append(x.marks, m)
			x.next[i] = append(x.next[i], x.by[i][m])
			if m != 0 {
				x.by[i][m] = n
			}
		}
		return true
	})
	return x, err
}

// mark is a value as it is kept; never 0.
func (x *finder) mark(value string) uint64 { return maphash.String(x.seed, value) | 1 }

// all gives the records of a village that have every one of the values, by their places
// in recs.
func (x *finder) all(v record.Village, values map[string]string) []int32 {
	village := slices.Index(x.villages, v)
	if village < 0 || len(values) == 0 {
		return nil
	}
	want := make([]uint64, len(x.names))
	first := -1
	for name, value := range values {
		i, there := slices.BinarySearch(x.names, name)
		if !there {
			return nil
		}
		want[i] = x.mark(value)
		// A key is rarer than a name, and that than a group: the fewer are gone through.
		if first < 0 || slices.Index(x.order, name) < slices.Index(x.order, x.names[first]) {
			first = i
		}
	}
	var out []int32
	for at := x.by[first][want[first]]; at > 0; at = x.next[first][at-1] {
		n := at - 1
		fits := int(x.recs[n].village) == village
		for i, m := range want {
			fits = fits && (m == 0 || x.marks[int(n)*len(x.names)+i] == m)
		}
		if fits {
			out = append(out, n)
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
				found[x.recs[c].id] = true
			}
		}
	} else {
		for _, c := range x.all(v, told) {
			found[x.recs[c].id] = true
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
			found = slices.DeleteFunc(found, func(n int32) bool { return !slices.Contains(x.authors[n], author) })
		}
		switch len(found) {
		case 1:
			return x.recs[found[0]].id, x.key(v, f.Key, keyed), nil
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
			found = slices.DeleteFunc(found, func(n int32) bool { return x.bears(n, f.Key) })
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
			return x.recs[found[0]].id, k, nil
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
func (x *finder) bears(n int32, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		i, _ := slices.BinarySearch(x.names, name)
		return x.marks[int(n)*len(x.names)+i] == 0
	})
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
