package sheet

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Writer writes an .xlsx of one sheet, row by row. Every cell is a text; one that looks
// like a formula is marked as a text as well, so that it stays one when somebody goes
// through it with the Enter key.
type Writer struct {
	z   *zip.Writer
	w   *bufio.Writer
	row int
	err error
}

// The styles of a written sheet.
const (
	styleText = iota
	styleQuoted
	styleHead
)

// NewWriter begins a sheet with columns of these widths, in characters, and its first
// row, which stays in sight.
func NewWriter(w io.Writer, name string, widths []int, head []string) (*Writer, error) {
	x := &Writer{z: zip.NewWriter(w)}
	var esc strings.Builder
	xml.EscapeText(&esc, []byte(name))
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>`},
		{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="` + esc.String() + `" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`},
		{"xl/styles.xml", `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="2"><font><sz val="11"/><name val="宋体"/></font><font><b/><sz val="11"/><name val="宋体"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
			`<cellXfs count="3"><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf><xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs></styleSheet>`},
	} {
		if err := x.part(part.name, part.text); err != nil {
			return nil, err
		}
	}
	sheet, err := x.z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		return nil, err
	}
	x.w = bufio.NewWriter(sheet)
	x.put(xml.Header + `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>`)
	for i, n := range widths {
		x.put(fmt.Sprintf(`<col min="%d" max="%d" width="%d" customWidth="1"/>`, i+1, i+1, n))
	}
	x.put("</cols><sheetData>")
	return x, x.write(head, styleHead)
}

func (x *Writer) part(name, text string) error {
	w, err := x.z.Create(name)
	if err == nil {
		_, err = io.WriteString(w, xml.Header+text)
	}
	return err
}

func (x *Writer) put(s string) {
	if _, err := x.w.WriteString(s); x.err == nil {
		x.err = err
	}
}

// Row writes a row.
func (x *Writer) Row(cells ...string) error { return x.write(cells, styleText) }

func (x *Writer) write(cells []string, style int) error {
	x.row++
	x.put(fmt.Sprintf(`<row r="%d">`, x.row))
	for i, text := range cells {
		if text == "" {
			continue
		}
		s := style
		if s == styleText && looksActive(text) {
			s = styleQuoted
		}
		x.put(fmt.Sprintf(`<c r="%s%d" s="%d" t="inlineStr"><is><t xml:space="preserve">`, Letter(i+1), x.row, s))
		if err := xml.EscapeText(x.w, []byte(cut(text))); x.err == nil {
			x.err = err
		}
		x.put("</t></is></c>")
	}
	x.put("</row>")
	return x.err
}

// maxCell is how many characters a cell may have.
const maxCell = 32_767

func cut(s string) string {
	if len(s) <= maxCell {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > maxCell-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// looksActive tells a text that would be a formula where somebody typed it.
func looksActive(s string) bool {
	c, _ := utf8.DecodeRuneInString(s)
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", c)
}

// Close ends the sheet. What it was written to stays open.
func (x *Writer) Close() error {
	x.put("</sheetData></worksheet>")
	if x.err != nil {
		return x.err
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	return x.z.Close()
}
