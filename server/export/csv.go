package export

import (
	"bytes"
	"encoding/csv"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// byteOrderMark makes spreadsheets read the file as UTF-8.
const byteOrderMark = "\ufeff"

func clockNow(s *store.Store) clock.Time { return clock.At0(s.Now().UnixMilli()) }

// rows writes a record as a row, the header before the first; nil writes the
// header alone.
func rows(w io.Writer, f *form.Form, o Order) func(*store.Record) error {
	// A row is made first, and then its end: asked for CRLF, the writer of csv
	// would put it for every line break in a cell as well.
	var line bytes.Buffer
	out := csv.NewWriter(&line)
	write := func(row []string) error {
		line.Reset()
		out.Write(row)
		if out.Flush(); out.Error() != nil {
			return out.Error()
		}
		line.Truncate(line.Len() - len("\n"))
		line.WriteString("\r\n")
		_, err := line.WriteTo(w)
		return err
	}
	begun := false
	var row []string
	return func(rec *store.Record) error {
		if !begun {
			begun = true
			if _, err := io.WriteString(w, byteOrderMark); err != nil {
				return err
			}
			if err := write(header(f)); err != nil {
				return err
			}
		}
		if rec == nil {
			return nil
		}
		row = cells(row[:0], f, rec, o.Unmask != nil)
		return write(row)
	}
}

func header(f *form.Form) []string {
	names := []string{"village", "id", "life", "updated_at"}
	for _, fd := range f.Fields {
		names = append(names, fd.Name)
		if len(fd.Choices) > 0 {
			names = append(names, fd.Name+"_label")
		}
	}
	return append(names, "proposed", "conflicts")
}

func cells(row []string, f *form.Form, rec *store.Record, full bool) []string {
	life := "alive"
	if rec.View.Void {
		life = "void"
	}
	row = append(row, text(string(rec.Village)), rec.ID.String(), life, rec.View.Updated.String())
	var calculated map[string]record.Value
	for _, fd := range f.Fields {
		v := rec.View.Fields[fd.Name]
		if fd.Kind == form.Calculate {
			if calculated == nil {
				calculated = f.Calculate(rec.View.Fields, store.Day(rec.View.Updated))
			}
			v = calculated[fd.Name]
		}
		if fd.Masked && !full && v != "" {
			v = merge.Masked(v)
		}
		cell := plain(fd, v)
		if !numeric(fd.Kind) || !number.MatchString(cell) {
			cell = text(cell)
		}
		row = append(row, cell)
		if len(fd.Choices) > 0 {
			row = append(row, text(fd.Show(v, form.Zh)))
		}
	}
	return append(row, strings.Join(rec.View.Proposed, ";"), strings.Join(contested(&rec.View), ";"))
}

// contested names the fields in conflict as the header does: an element of a
// multiple choice by its field, the void beside an edit by life.
func contested(v *merge.View) []string {
	var names []string
	for p := range v.Conflicts {
		name, _ := p.Field()
		if p == record.Life {
			name = "life"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// plain gives a value as a cell holds it.
func plain(fd *form.Field, v record.Value) string {
	if v == "" || v.IsNull() {
		return ""
	}
	if fd.Kind == form.Geopoint {
		return strings.Trim(string(v), "[]")
	}
	if s, ok := v.Text(); ok {
		return s
	}
	if words := v.Texts(); words != nil {
		return strings.Join(words, ";")
	}
	return string(v)
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// numeric tells the kinds whose values are calculated with.
func numeric(k form.Kind) bool { return k == form.Integer || k == form.Decimal || k == form.Calculate }

// formulas are the characters with which a formula may begin, in the
// spreadsheets that people have.
const formulas = "=+-@\t\r\n＝＋－＠"

// text makes sure that a cell is taken for what it says.
func text(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune(formulas, first) {
		return "'" + s
	}
	return s
}
