package form

import (
	"bytes"
	"embed"
	"encoding/csv"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Tables are the files that a set is made of, by their names: what Load reads.
type Tables map[string][]byte

//go:embed data/*.csv
var data embed.FS

var builtinTables = sync.OnceValue(func() Tables {
	t := Tables{}
	files, err := fs.Glob(data, "data/*.csv")
	for _, name := range files {
		if err == nil {
			t[strings.TrimPrefix(name, "data/")], err = data.ReadFile(name)
		}
	}
	if err != nil {
		panic(err)
	}
	return t
})

var builtin = sync.OnceValue(func() *Set {
	s, err := Load(builtinTables())
	if err != nil {
		panic(err)
	}
	return s
})

// Builtin gives the forms that the program was built with, read once. A
// mistake in them panics; the tests load every one.
func Builtin() *Set { return builtin() }

// BuiltinTables gives what they are made of.
func BuiltinTables() Tables { return maps.Clone(builtinTables()) }

// With gives the tables with others laid over them: a form's table, a form's row in the
// settings, and a code list take the place of what was there; the headings of a form that
// was replaced stay where its fields still have none by that name. The error is a *Mistake.
func (t Tables) With(over Tables) (Tables, error) {
	out := Tables{}
	maps.Copy(out, t)
	for name, raw := range over {
		switch name {
		case settingsFile, choicesFile, headingsFile:
		default:
			out[name] = raw
		}
	}
	for file, key := range map[string][]string{settingsFile: {"form_id"}, choicesFile: {"list_name"}, headingsFile: {"form_id", "field"}} {
		if _, ok := over[file]; !ok {
			continue
		}
		merged, err := lay(t, over, file, key)
		if err != nil {
			return nil, err
		}
		out[file] = merged
	}
	if _, ok := out[headingsFile]; !ok {
		return out, nil
	}
	return out, out.trimHeadings(over)
}

// lay puts the rows of one file over those of another with the same key. What is new
// stands behind the others, and of code lists what is replaced as well: the rows of the
// upper file are the last ones then, in their order.
func lay(under, over Tables, file string, key []string) ([]byte, error) {
	columns := columnsOf[file]
	new, err := readTable(over, file, columns)
	if err != nil {
		return nil, err
	}
	if _, ok := under[file]; !ok {
		return over[file], nil
	}
	old, err := readTable(under, file, columns)
	if err != nil {
		return nil, err
	}
	of := func(r *row) string {
		var k strings.Builder
		for _, c := range key {
			k.WriteString(r.get(c) + " ")
		}
		return k.String()
	}
	replaced := map[string][]*row{}
	for _, r := range new.rows {
		replaced[of(r)] = append(replaced[of(r)], r)
	}
	var rows []*row
	for _, r := range old.rows {
		switch with, ok := replaced[of(r)]; {
		case !ok:
			rows = append(rows, r)
		case with != nil && file != choicesFile:
			rows = append(rows, with...)
			replaced[of(r)] = nil
		}
	}
	for _, r := range new.rows {
		if replaced[of(r)] != nil {
			rows = append(rows, r)
		}
	}
	return write(columns, rows), nil
}

// trimHeadings takes the headings out that the new tables of forms have no field for, or
// use as the name of another.
func (t Tables) trimHeadings(over Tables) error {
	h, err := readTable(t, headingsFile, columnsOf[headingsFile])
	if err != nil {
		return err
	}
	for name := range over {
		if columnsOf[name] != nil {
			continue
		}
		f, err := readTable(t, name, fieldColumns)
		if err != nil {
			return err
		}
		h.rows = slices.DeleteFunc(h.rows, func(r *row) bool {
			return r.get("form_id")+".csv" == name && !slices.ContainsFunc(f.rows, func(fd *row) bool { return fd.get("name") == r.get("field") })
		})
		for _, r := range h.rows {
			if r.get("form_id")+".csv" != name {
				continue
			}
			words := slices.DeleteFunc(r.words("also"), func(w string) bool {
				return slices.ContainsFunc(f.rows, func(fd *row) bool {
					return fd.get("name") == w || fd.get("label::中文 (zh)") == w || fd.get("label::English (en)") == w
				})
			})
			r.cells["also"] = strings.Join(words, " ")
		}
	}
	t[headingsFile] = write(columnsOf[headingsFile], h.rows)
	return nil
}

// write gives a table as a file.
func write(columns []string, rows []*row) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	line := make([]string, len(columns))
	_ = w.Write(columns) // into memory
	for _, r := range rows {
		for i, c := range columns {
			line[i] = r.get(c)
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.Bytes()
}
