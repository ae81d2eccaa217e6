package export_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/shared/sheet"
)

// drawn is a template as departments draw them: a title, headings, an empty row with
// looks, and what is signed below.
func drawn(t *testing.T, headings ...string) []byte {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	bold, err := book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		t.Fatal(err)
	}
	errs := []error{book.SetCellStr("Sheet1", "A1", "某县贫困户登记表"), book.MergeCell("Sheet1", "A1", "E1"), book.SetCellStr("Sheet1", "A4", "填表人：")}
	for i, h := range headings {
		at, _ := excelize.CoordinatesToCellName(i+1, 2)
		below, _ := excelize.CoordinatesToCellName(i+1, 3)
		errs = append(errs, book.SetCellStr("Sheet1", at, h), book.SetCellStyle("Sheet1", below, below, bold))
	}
	var b bytes.Buffer
	if err := errors.Join(append(errs, book.Write(&b))...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A template is filled under its headings, in its looks; what stands below moves down.
func TestFill(t *testing.T) {
	o := newOffice(t)
	o.put("person", 1, map[string]string{"full_name": "李大", "id_number": "369999196001011233", "birth_date": "1960-01-01"},
		map[string]string{"full_name": "=HYPERLINK(\"http://x\")", "sex": "female"}, map[string]string{"full_name": "王二"})
	template := drawn(t, "序号", "行政村", "姓 名", "${id_number}", "性别", "备注栏")
	read := func(unmask *export.Unmask) [][]string {
		t.Helper()
		var b bytes.Buffer
		n, err := o.export.Fill(t.Context(), &b, template, export.Order{Query: store.Query{Type: "person"}, Unmask: unmask})
		if err != nil || n != 3 {
			t.Fatal(n, err)
		}
		book, err := excelize.OpenReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		defer book.Close()
		rows, err := book.GetRows("Sheet1")
		if err != nil {
			t.Fatal(err)
		}
		if f, err := book.GetCellFormula("Sheet1", "C4"); f != "" || err != nil {
			t.Errorf("what somebody wrote is a formula: %q, %v", f, err)
		}
		first, _ := book.GetCellStyle("Sheet1", "C3")
		last, _ := book.GetCellStyle("Sheet1", "C5")
		if first == 0 || first != last {
			t.Errorf("styles %d and %d", first, last)
		}
		return rows
	}
	rows := read(nil)
	if len(rows) != 6 || !slices.Equal(rows[1], []string{"序号", "行政村", "姓 名", "${id_number}", "性别", "备注栏"}) ||
		rows[2][0] != "1" || rows[2][1] != "试验村" || rows[2][2] != "李大" || strings.Contains(rows[2][3], "1960") || !strings.HasSuffix(rows[2][3], "1233") ||
		rows[3][4] != "女" || rows[4][2] != "王二" || rows[5][0] != "填表人：" {
		t.Errorf("%q", rows)
	}
	if rows := read(&export.Unmask{Who: "办公室", Reason: "上报"}); rows[2][3] != "369999196001011233" {
		t.Errorf("in full: %q", rows)
	}
	notes, err := o.Audits(t.Context(), store.AuditQuery{Limit: 10})
	if err != nil || len(notes) != 2 || notes[0].Act != "export" || notes[0].Reason != "上报" || notes[1].Act != "masked" {
		t.Errorf("%+v, %v", notes, err)
	}
}

// What is no template, names no field, or would take too much is refused, and nothing is
// noted.
func TestFillRefuses(t *testing.T) {
	o := newOffice(t)
	o.put("person", 1, map[string]string{"full_name": "李大"})
	order := export.Order{Query: store.Query{Type: "person"}}
	var bad *sheet.Error
	if _, err := o.export.Fill(t.Context(), new(bytes.Buffer), []byte("%PDF-1.4"), order); !errors.As(err, &bad) {
		t.Errorf("a PDF: %v", err)
	}
	if _, err := o.export.Fill(t.Context(), new(bytes.Buffer), drawn(t, "甲", "乙"), order); !errors.Is(err, export.ErrTemplate) {
		t.Errorf("no field: %v", err)
	}
	if _, err := o.export.Fill(t.Context(), new(bytes.Buffer), drawn(t, "姓名"), export.Order{Query: order.Query, Unmask: &export.Unmask{Who: "x"}}); !errors.Is(err, export.ErrReason) {
		t.Errorf("no reason: %v", err)
	}
	if notes, err := o.Audits(t.Context(), store.AuditQuery{Limit: 10}); err != nil || len(notes) > 0 {
		t.Errorf("%+v, %v", notes, err)
	}
	for i := range 51 {
		var many []map[string]string
		for j := range 100 {
			many = append(many, map[string]string{"full_name": fmt.Sprint("人", i, j)})
		}
		o.put("person", byte(10+i), many...)
	}
	if _, err := o.export.Fill(t.Context(), new(bytes.Buffer), drawn(t, "姓名"), order); !errors.Is(err, export.ErrMany) {
		t.Errorf("too many: %v", err)
	}
}
