package export

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// byteOrderMark makes spreadsheets read the file as UTF-8.
const byteOrderMark = "\ufeff"

func clockNow(s *store.Store) clock.Time { return clock.At0(s.Now().UnixMilli()) }

// rows writes a record as a row, the header before the first; nil writes the
// header alone.
func rows(w io.Writer, f *form.Form, o Order) func(*store.Record) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	begun := false
	var row []string
	return func(rec *store.Record) error {
		if !begun {
			begun = true
			if _, err := io.WriteString(w, byteOrderMark); err != nil {
				return err
			}
			if err := out.Write(header(f)); err != nil {
				return err
			}
		}
		if rec != nil {
			row = cells(row[:0], f, rec, o.Unmask != nil)
			if err := out.Write(row); err != nil {
				return err
			}
		}
		return out.Error()
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
	return names
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
			v = masked(v)
		}
		row = append(row, text(plain(fd, v)))
		if len(fd.Choices) > 0 {
			row = append(row, text(fd.Show(v, form.Zh)))
		}
	}
	return row
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

// formulas are the characters with which a formula may begin, in the
// spreadsheets that people have.
const formulas = "=+-@\t\r\n＝＋－＠"

// text makes sure that a cell is taken for what it says. A line break is one
// character in all cells: the writer would drop a lone carriage return.
func text(s string) string {
	if s == "" {
		return ""
	}
	if strings.Contains(s, "\r") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	if first, _ := utf8.DecodeRuneInString(s); strings.ContainsRune(formulas, first) && !number.MatchString(s) {
		return "'" + s
	}
	return s
}
