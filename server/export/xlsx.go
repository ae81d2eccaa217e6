package export

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// maxSheetRows is how many rows a sheet may have; what is more goes on in another.
var maxSheetRows = 1_048_576

// workbook writes records as rows of an .xlsx while they come: nothing of it is kept.
type workbook struct {
	zip    *zip.Writer
	sheet  io.Writer
	line   bytes.Buffer
	form   *form.Form
	full   bool
	sheets int
	rows   int // of the sheet
}

// The styles of cells, by their place in styles.xml.
const (
	styleText = 1 // kept as text whatever it looks like
	styleDay  = 2
	styleHead = 3
)

const sheetSpace = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`

func newWorkbook(w io.Writer, f *form.Form, full bool) *workbook {
	return &workbook{zip: zip.NewWriter(w), form: f, full: full}
}

func (b *workbook) part(name string) error {
	var err error
	b.sheet, err = b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	return err
}

// begin begins a sheet with its headings.
func (b *workbook) begin() error {
	b.sheets++
	if err := b.part(fmt.Sprintf("xl/worksheets/sheet%d.xml", b.sheets)); err != nil {
		return err
	}
	b.rows = 0
	if _, err := io.WriteString(b.sheet, xml.Header+`<worksheet `+sheetSpace+`><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>`); err != nil {
		return err
	}
	b.line.WriteString("<row>")
	for _, head := range []string{"村代码", "编号", "状态", "最近改动"} {
		b.text(head, styleHead)
	}
	for _, fd := range b.form.Fields {
		b.text(fd.Label.Zh, styleHead)
	}
	b.text("只有建议的", styleHead)
	b.text("说法不一的", styleHead)
	return b.end()
}

func (b *workbook) end() error {
	b.line.WriteString("</row>")
	b.rows++
	_, err := b.line.WriteTo(b.sheet)
	return err
}

// text writes a cell that is a text: it is no formula, whatever it begins with.
func (b *workbook) text(s string, style int) {
	if s == "" {
		b.line.WriteString("<c/>")
		return
	}
	fmt.Fprintf(&b.line, `<c t="inlineStr" s="%d"><is><t xml:space="preserve">`, style)
	xml.EscapeText(&b.line, []byte(s)) // what XML cannot say becomes U+FFFD
	b.line.WriteString("</t></is></c>")
}

func (b *workbook) number(s string) { fmt.Fprintf(&b.line, `<c><v>%s</v></c>`, s) }

// day writes a date as the number of days that workbooks count.
func (b *workbook) day(s string) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1901 || t.Year() > 9999 {
		b.text(s, styleText)
		return
	}
	days := int(t.Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Hours() / 24)
	fmt.Fprintf(&b.line, `<c s="%d"><v>%d</v></c>`, styleDay, days)
}

// row writes a record; nil the headings alone.
func (b *workbook) row(rec *store.Record) error {
	if b.sheets == 0 || b.rows >= maxSheetRows {
		if b.sheets > 0 {
			if err := b.endSheet(); err != nil {
				return err
			}
		}
		if err := b.begin(); err != nil {
			return err
		}
	}
	if rec == nil {
		return nil
	}
	b.line.WriteString("<row>")
	life := "有效"
	if rec.View.Void {
		life = "已作废"
	}
	b.text(string(rec.Village), styleText)
	b.text(rec.ID.String(), styleText)
	b.text(life, styleText)
	b.text(rec.View.Updated.Std().In(beijing).Format("2006-01-02 15:04"), styleText)
	var calculated map[string]record.Value
	for _, fd := range b.form.Fields {
		v := rec.View.Fields[fd.Name]
		if fd.Kind == form.Calculate {
			if calculated == nil {
				calculated = b.form.Calculate(rec.View.Fields, store.Day(rec.View.Updated))
			}
			v = calculated[fd.Name]
		}
		if fd.Masked && !b.full && v != "" {
			v = merge.Masked(v)
		}
		cell := plain(fd, v)
		switch {
		case len(fd.Choices) > 0 && cell != "":
			b.text(fd.Show(v, form.Zh), styleText)
		case numeric(fd.Kind) && number.MatchString(cell):
			b.number(cell)
		case fd.Kind == form.Date && cell != "":
			b.day(cell)
		default:
			b.text(cell, styleText)
		}
	}
	b.text(strings.Join(b.labels(rec.View.Proposed), "、"), styleText)
	b.text(strings.Join(b.labels(contested(&rec.View)), "、"), styleText)
	return b.end()
}

// beijing is the zone of the times that people read.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

func (b *workbook) labels(names []string) []string {
	labels := make([]string, len(names))
	for i, name := range names {
		labels[i] = name
		if fd := b.form.Field(name); fd != nil {
			labels[i] = fd.Label.Zh
		}
	}
	return labels
}

func (b *workbook) endSheet() error {
	_, err := io.WriteString(b.sheet, "</sheetData></worksheet>")
	return err
}

// codes writes the sheet of what the coded fields may say.
func (b *workbook) codes() error {
	if err := b.part(fmt.Sprintf("xl/worksheets/sheet%d.xml", b.sheets+1)); err != nil {
		return err
	}
	if _, err := io.WriteString(b.sheet, xml.Header+`<worksheet `+sheetSpace+`><sheetData>`); err != nil {
		return err
	}
	line := func(style int, cells ...string) error {
		b.line.WriteString("<row>")
		for _, c := range cells {
			b.text(c, style)
		}
		return b.end()
	}
	if err := line(styleHead, "字段", "字段名", "代码", "含义"); err != nil {
		return err
	}
	for _, fd := range b.form.Fields {
		for _, c := range fd.Choices {
			if err := line(styleText, fd.Label.Zh, fd.Name, c.Name, c.Label.Zh); err != nil {
				return err
			}
		}
	}
	return b.endSheet()
}

// close ends the workbook: what holds its parts together comes last.
func (b *workbook) close() error {
	if b.sheets == 0 {
		if err := b.row(nil); err != nil {
			return err
		}
	}
	if err := b.endSheet(); err != nil {
		return err
	}
	if err := b.codes(); err != nil {
		return err
	}
	var types, rels, sheets strings.Builder
	for i := 1; i <= b.sheets+1; i++ {
		name := b.form.Title.Zh
		switch {
		case i > b.sheets:
			name = "代码表"
		case i > 1:
			name += " " + strconv.Itoa(i)
		}
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`, i)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet%d.xml"/>`, i, i)
		fmt.Fprintf(&sheets, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, name, i, i)
	}
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>` + types.String() + `</Types>`},
		{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + rels.String() + `<Relationship Id="rIdS" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook ` + sheetSpace + ` xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/styles.xml", `<styleSheet ` + sheetSpace + `><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts><fonts count="2"><font><sz val="11"/><name val="宋体"/></font><font><b/><sz val="11"/><name val="宋体"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/><xf numFmtId="49" applyNumberFormat="1"/><xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="49" fontId="1" applyNumberFormat="1" applyFont="1"/></cellXfs></styleSheet>`},
	} {
		if err := b.part(part.name); err != nil {
			return err
		}
		if _, err := io.WriteString(b.sheet, xml.Header+part.text); err != nil {
			return err
		}
	}
	return b.zip.Close()
}
