package xlsform

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"

	"github.com/xuri/excelize/v2"

	"zhucun/shared/edition"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// WriteForm writes a form as it holds under an edition: what Read reads again without a
// difference. It is false where there is no such form.
func WriteForm(w io.Writer, e *edition.Edition, typ record.Type) (bool, error) {
	set, _, err := e.Load()
	if err != nil {
		return false, err
	}
	f := set.Form(typ)
	if f == nil {
		return false, nil
	}
	tables, err := form.BuiltinTables().With(e.Forms)
	if err != nil {
		return false, err
	}
	var lists []string
	for _, fd := range f.Fields {
		lists = append(lists, fd.List)
	}
	return true, write(w, []page{
		{survey, rows(tables[string(typ)+".csv"], nil)},
		{choices, rows(tables[choices+".csv"], func(r []string) bool { return slices.Contains(lists, r[0]) })},
		{settings, rows(tables[settings+".csv"], func(r []string) bool { return r[0] == string(typ) })},
	})
}

// WriteRules writes all code lists, the exit lines and the indicators as they hold.
func WriteRules(w io.Writer, e *edition.Edition) error {
	tables, err := form.BuiltinTables().With(e.Forms)
	if err != nil {
		return err
	}
	rules := figure.BuiltinTables()
	for name, raw := range e.Rules {
		rules[name] = raw
	}
	return write(w, []page{
		{choices, rows(tables[choices+".csv"], nil)},
		{exitLines, rows(rules[exitLines+".csv"], nil)},
		{indicators, rows(rules[indicators+".csv"], nil)},
	})
}

// page is one sheet: its first row are the columns.
type page struct {
	name string
	rows [][]string
}

func headOf(raw []byte) []string {
	head, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff")))).Read()
	if err != nil {
		return nil
	}
	return head
}

// rows gives the header and those rows that are wanted.
func rows(raw []byte, want func([]string) bool) [][]string {
	out := [][]string{headOf(raw)}
	for _, r := range table(raw) {
		if want == nil || want(r) {
			out = append(out, r)
		}
	}
	return out
}

func write(w io.Writer, pages []page) error {
	book := excelize.NewFile()
	defer book.Close()
	head, err := book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, NumFmt: 49})
	if err != nil {
		return err
	}
	text, err := book.NewStyle(&excelize.Style{NumFmt: 49, Alignment: &excelize.Alignment{Vertical: "top", WrapText: true}})
	if err != nil {
		return err
	}
	for i, p := range pages {
		if i == 0 {
			err = book.SetSheetName("Sheet1", p.name)
		} else {
			_, err = book.NewSheet(p.name)
		}
		if err != nil {
			return err
		}
		s, err := book.NewStreamWriter(p.name)
		if err != nil {
			return err
		}
		if err := s.SetColWidth(1, len(p.rows[0]), 18); err != nil {
			return err
		}
		if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
			return err
		}
		for n, r := range p.rows {
			style := text
			if n == 0 {
				style = head
			}
			cells := make([]any, len(r))
			for j, c := range r {
				cells[j] = excelize.Cell{StyleID: style, Value: c}
			}
			at, err := excelize.CoordinatesToCellName(1, n+1)
			if err != nil {
				return err
			}
			if err := s.SetRow(at, cells); err != nil {
				return err
			}
		}
		if err := s.Flush(); err != nil {
			return err
		}
	}
	return book.Write(w)
}
