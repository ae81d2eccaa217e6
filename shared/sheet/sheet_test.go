package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

const (
	relsType = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	rootRels = `<Relationships><Relationship Id="a" Type="` + relsType + `/officeDocument" Target="/xl/workbook.xml"/></Relationships>`
	bookRels = `<Relationships><Relationship Id="r1" Type="` + relsType + `/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="` + relsType + `/sharedStrings" Target="/xl/sharedStrings.xml"/><Relationship Id="r3" Type="` + relsType + `/styles" Target="styles.xml"/></Relationships>`
	bookXML  = `<workbook xmlns:r="x"><sheets><sheet name="表一" sheetId="1" r:id="r1"/></sheets></workbook>`
)

// parts are those of a workbook, by name; what is not given is plain.
type parts map[string]string

func (p parts) zip(t testing.TB) []byte {
	t.Helper()
	all := parts{"_rels/.rels": rootRels, "xl/workbook.xml": bookXML, "xl/_rels/workbook.xml.rels": bookRels, "xl/sharedStrings.xml": "<sst/>", "xl/styles.xml": "<styleSheet/>", "xl/worksheets/sheet1.xml": "<worksheet><sheetData/></worksheet>"}
	for k, v := range p {
		all[k] = v
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for k, v := range all {
		w, err := z.Create(k)
		if err == nil {
			_, err = io.WriteString(w, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read gives the rows of the first sheet, each in one line.
func read(t testing.TB, raw []byte) (lines []string, err error) {
	t.Helper()
	b, err := Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	merges, hidden, err := b.Sheets[0].Shape(t.Context())
	if err != nil {
		return nil, err
	}
	for _, h := range hidden {
		lines = append(lines, fmt.Sprintf("hidden %s-%s", Letter(h.From), Letter(h.To)))
	}
	err = b.Sheets[0].Rows(t.Context(), merges, func(r *Row) error {
		var cells []string
		for _, c := range r.Cells {
			s := fmt.Sprintf("%s=%s", Letter(c.Col), c.Text)
			if c.Kind != Text {
				s += "#" + []string{"", "number", "bool", "fault", "void", "broken"}[c.Kind]
			}
			if c.Look != (Look{}) {
				s += fmt.Sprintf("%v", c.Look)
			}
			if c.Spread {
				s += "^"
			}
			cells = append(cells, s)
		}
		line := fmt.Sprintf("%d: %s", r.N, strings.Join(cells, " "))
		if r.Hidden {
			line = "(" + line + ")"
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

// Each row is what some program writes, and how it is read.
func TestSheets(t *testing.T) {
	sheet := func(data string) parts {
		return parts{"xl/worksheets/sheet1.xml": "<worksheet>" + data + "</worksheet>"}
	}
	with := func(p parts, name, text string) parts { p[name] = text; return p }
	shared := `<sst><si><t>户主</t></si><si><r><t>李</t></r><r><rPr><b/></rPr><t xml:space="preserve"> 大山</t></r><rPh sb="0" eb="1"><t>リ</t></rPh></si><si><t>一_x000D_二_x005F_x</t></si></sst>`
	styles := `<styleSheet><numFmts><numFmt numFmtId="176" formatCode="yyyy&quot;年&quot;m&quot;月&quot;"/><numFmt numFmtId="177" formatCode="0!.0000"/><numFmt numFmtId="178" formatCode="000000"/><numFmt numFmtId="179" formatCode="#,##0.00_ ;[Red]\-#,##0.00"/><numFmt numFmtId="180" formatCode="h:mm"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="176"/><xf numFmtId="177"/><xf numFmtId="178"/><xf numFmtId="10"/><xf numFmtId="179"/><xf numFmtId="180"/></cellXfs></styleSheet>`
	tests := []struct {
		name string
		p    parts
		want []string
		err  error
	}{
		{"cells and rows without their names", sheet(`<sheetData><row><c t="inlineStr"><is><t>甲</t></is></c><c><v>2</v></c></row><row r="5"><c r="C5"><v>3</v></c><c><v>4</v></c></row></sheetData>`), []string{"1: A=甲 B=2#number", "5: C=3#number D=4#number"}, nil},
		{"shared texts", with(sheet(`<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v>9</v></c></row></sheetData>`), "xl/sharedStrings.xml", shared), []string{"1: A=户主 B=李 大山 C=一\r二_x D=#broken"}, nil},
		{"looks of numbers", with(sheet(`<sheetData><row r="1"><c r="A1" s="1"><v>1</v></c><c r="B1" s="2"><v>1</v></c><c r="C1" s="3"><v>1</v></c><c r="D1" s="4"><v>1</v></c><c r="E1" s="5"><v>1</v></c><c r="F1" s="6"><v>1</v></c><c r="G1" s="7"><v>1</v></c><c r="H1" s="99"><v>1</v></c></row></sheetData>`), "xl/styles.xml", styles),
			[]string{"1: A=1#number{true false false 0} B=1#number{true false false 0} C=1#number{false false true 0} D=1#number{false false false 6} E=1#number{false true false 0} F=1#number G=1#number H=1#number"}, nil},
		{"prefixes", parts{"xl/worksheets/sheet1.xml": `<x:worksheet xmlns:x="y"><x:cols><x:col min="2" max="3" hidden="1"/></x:cols><x:sheetData><x:row r="1" hidden="true"><x:c r="A1" t="str"><x:f>B1</x:f><x:v>甲</x:v></x:c></x:row></x:sheetData><x:mergeCells><x:mergeCell ref="A1:A2"/></x:mergeCells></x:worksheet>`}, []string{"hidden B-C", "(1: A=甲)"}, nil},
		{"kinds", sheet(`<sheetData><row r="1"><c r="A1" t="b"><v>1</v></c><c r="B1" t="e"><v>#N/A</v></c><c r="C1"><f>1</f></c><c r="D1" t="str"><f>1</f><v></v></c><c r="E1" t="d"><v>2017-05-23T00:00:00</v></c><c r="F1" t="str"><f>1</f></c></row></sheetData>`), []string{"1: A=TRUE#bool B=#N/A#fault C=#void E=2017-05-23T00:00:00 F=#void"}, nil},
		{"merged down, over a hidden row", sheet(`<sheetData><row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row><row r="2" hidden="1"><c r="B2"><v>3</v></c></row><row r="3"><c r="B3"><v>4</v></c></row><row r="4"><c r="B4"><v>5</v></c></row></sheetData><mergeCells><mergeCell ref="A1:A3"/></mergeCells>`), []string{"1: A=1#number B=2#number", "(2: A=1#number^ B=3#number)", "3: A=1#number^ B=4#number", "4: B=5#number"}, nil},
		{"empty cells", sheet(`<sheetData><row r="1"><c r="A1" s="3"/><c r="B1" t="s"/></row><row r="2"/></sheetData>`), []string{"1: B=#broken"}, nil},
		{"no rows", sheet(``), nil, nil},
		{"letters that XML has to spell", sheet(`<sheetData><row r="1"><c t="inlineStr"><is><t>a&lt;b&amp;&#x4e2d;<![CDATA[<row>]]></t></is></c></row></sheetData>`), []string{"1: A=a<b&中<row>"}, nil},
		{"data without an end", parts{"xl/worksheets/sheet1.xml": `<worksheet><sheetData><row r="1"><c><v>1</v></c></row>`}, nil, errDamaged},
		{"rows that go back", sheet(`<sheetData><row r="2"><c><v>1</v></c></row><row r="1"><c><v>1</v></c></row></sheetData>`), []string{"2: A=1#number"}, errDamaged},
		{"cells that go back", sheet(`<sheetData><row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row></sheetData>`), nil, errDamaged},
		{"a row too far down", sheet(`<sheetData><row r="1048576"><c><v>1</v></c></row></sheetData>`), nil, errRows},
		{"a cell too far right", sheet(`<sheetData><row r="1"><c r="XFD1"><v>1</v></c></row></sheetData>`), nil, errWide},
		{"names for what is not there", parts{"xl/worksheets/sheet1.xml": `<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet><sheetData><row r="1"><c t="str"><v>&a;</v></c></row></sheetData></worksheet>`}, nil, errDamaged},
		{"a sheet that is not there", parts{"xl/_rels/workbook.xml.rels": strings.ReplaceAll(bookRels, "sheet1", "sheet2")}, nil, errDamaged},
		{"a sheet outside", parts{"xl/_rels/workbook.xml.rels": strings.ReplaceAll(bookRels, `Target="worksheets`, `TargetMode="External" Target="http://x`)}, nil, errKind},
		{"a document", parts{"_rels/.rels": strings.ReplaceAll(rootRels, "xl/workbook.xml", "word/document.xml")}, nil, errKind},
		{"a book of charts", parts{"xl/_rels/workbook.xml.rels": strings.ReplaceAll(bookRels, "/worksheet\"", "/chartsheet\"")}, nil, errKind},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(t, tt.p.zip(t))
			if !errors.Is(err, tt.err) || strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("read\n%s\n%v\nwant\n%s\n%v", strings.Join(got, "\n"), err, strings.Join(tt.want, "\n"), tt.err)
			}
		})
	}
}

// endless gives n bytes of one kind.
type endless struct {
	n    int
	with string
}

func (e *endless) Read(b []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(e.with) <= len(b) && e.n > 0 {
		n += copy(b[n:], e.with)
		e.n -= len(e.with)
	}
	return n, nil
}

// Files that unpack to more than any table has are refused, in little memory.
func TestBombs(t *testing.T) {
	sst := "<sst/>"
	bomb := func(part, before, with string, n int, after string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, text := range map[string]string{"_rels/.rels": rootRels, "xl/workbook.xml": bookXML, "xl/_rels/workbook.xml.rels": bookRels, "xl/sharedStrings.xml": sst, "xl/styles.xml": "<styleSheet/>", "xl/worksheets/sheet1.xml": "<worksheet/>"} {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if name != part {
				io.WriteString(w, text)
				continue
			}
			io.WriteString(w, before)
			io.CopyBuffer(w, &endless{n, with}, make([]byte, max(32<<10, len(with))))
			io.WriteString(w, after)
		}
		z.Close()
		return b.Bytes()
	}
	// A part that says that it is small, and is not.
	lying := func() []byte {
		b := bomb("xl/worksheets/sheet1.xml", "<worksheet>", " ", maxPart+maxPart/8, "</worksheet>")
		for i := 0; ; i++ {
			at := bytes.Index(b[i:], []byte("PK\x01\x02"))
			if at < 0 {
				return b
			}
			if i += at; binary.LittleEndian.Uint32(b[i+24:]) > maxPart {
				binary.LittleEndian.PutUint32(b[i+24:], 1000)
			}
		}
	}
	many := func() []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := range 30_000 {
			z.Create(fmt.Sprintf("xl/%d.xml", i))
		}
		z.Close()
		return b.Bytes()
	}
	const page, rowed = "xl/worksheets/sheet1.xml", "<worksheet><sheetData><row>"
	// sharing is a row of cells of the one text that there is, in pieces.
	sharing := func(piece, cells int) func() []byte {
		return func() []byte {
			sst = "<sst><si>" + strings.Repeat("<r><t>"+strings.Repeat("a", piece)+"</t></r>", 20) + "</si></sst>"
			defer func() { sst = "<sst/>" }()
			const c = `<c t="s"><v>0</v></c>`
			return bomb(page, rowed, c, cells*len(c), "</row></sheetData></worksheet>")
		}
	}
	text := func(before, with string, n int) func() []byte {
		return func() []byte { return []byte(before + strings.Repeat(with, n/len(with))) }
	}
	// Each row of it has a text that is merged into all below it.
	spreading := func() []byte {
		var rows, merges strings.Builder
		for i := 1; i <= 400; i++ {
			fmt.Fprintf(&rows, `<row><c r="%s%d" t="str"><v>%s</v></c></row>`, Letter(i), i, strings.Repeat("a", 1<<19))
			fmt.Fprintf(&merges, `<mergeCell ref="%[1]s%[2]d:%[1]s999"/>`, Letter(i), i)
		}
		return parts{page: "<worksheet><sheetData>" + rows.String() + "</sheetData><mergeCells>" + merges.String() + "</mergeCells></worksheet>"}.zip(t)
	}
	million := strings.Repeat("a", 900_000)
	blanks := `<c><v>1` + strings.Repeat(" ", 900_000) + `</v></c>`
	pieces := strings.Repeat("a", 9_000) + "<!---->"
	tests := []struct {
		name string
		make func() []byte
		err  error
		mb   int64 // of memory at most
	}{
		{"a shared text in pieces", sharing(900_000, 20), errBomb, 48},
		{"a row of one shared text", sharing(50_000, 500), errBomb, 32},
		{"a row of many texts", func() []byte {
			c := `<c t="str"><v>` + million + `</v></c>`
			return bomb(page, rowed, c, 200*len(c), "</row></sheetData></worksheet>")
		}, errBomb, 32},
		{"a row of numbers among blanks", func() []byte { return bomb(page, rowed, blanks, 200*len(blanks), "</row></sheetData></worksheet>") }, errBomb, 32},
		{"a row without end", func() []byte {
			return bomb(page, rowed, "<c><v>1</v></c>", 15*3_000_000, "</row></sheetData></worksheet>")
		}, errWide, 16},
		{"a value in pieces", func() []byte {
			return bomb(page, rowed+"<c><v>", pieces, 6_000*len(pieces), "</v></c></row></sheetData></worksheet>")
		}, errBomb, 16},
		{"a text in pieces", func() []byte {
			return bomb(page, rowed+`<c t="inlineStr"><is><t>`, pieces, 6_000*len(pieces), "</t></is></c></row></sheetData></worksheet>")
		}, errBomb, 16},
		{"texts merged over many rows", spreading, errBomb, 96},
		{"a .csv of one row", text("", "a,", 6_000_000), errWide, 16},
		{"a .csv of one row of empty cells", text("", ",", 30_000_000), errWide, 16},
		{"a .csv of one long row", text("a,b\n", "一二三四五 ", 30_000_000), errBomb, 48},
		{"a .csv of one row of long cells", text("a,b\n", million+",", 30_000_000), errBomb, 64},
		{"a .csv with one quotation mark", text("a,b\n\"", "a,b\n", 30_000_000), nil, 64},
		{"a .csv with a mark in the wrong place", text("a,b\na\"", ",b", 30_000_000), errBomb, 64},
		{"a sheet of blanks", func() []byte { return bomb("xl/worksheets/sheet1.xml", "<worksheet>", " ", maxPart, "</worksheet>") }, errBomb, 200},
		{"a sheet that lies of its size", lying, errDamaged, 200},
		{"rows without end", func() []byte {
			return bomb("xl/worksheets/sheet1.xml", "<worksheet><sheetData>", "<row><c><v>1</v></c></row>", 27*MaxRows, "</sheetData></worksheet>")
		}, errRows, 200},
		{"one text", func() []byte {
			return bomb("xl/worksheets/sheet1.xml", "<worksheet><sheetData><row><c t=\"str\"><v>", "啊", 4<<20, "</v></c></row></sheetData></worksheet>")
		}, errBomb, 200},
		{"one name", func() []byte { return bomb("xl/worksheets/sheet1.xml", "<worksheet ", "a", 4<<20, "/>") }, errBomb, 200},
		{"shared texts", func() []byte {
			return bomb("xl/sharedStrings.xml", "<sst>", "<si><t>啊啊啊啊啊啊啊啊</t></si>", maxStrings, "</sst>")
		}, errBomb, 200},
		{"merged ranges", func() []byte {
			return bomb("xl/worksheets/sheet1.xml", "<worksheet><sheetData/><mergeCells>", `<mergeCell ref="A1:A2"/>`, 24*(maxMerges+1), "</mergeCells></worksheet>")
		}, errBomb, 200},
		{"parts", many, errBomb, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := tt.make()
			if len(raw) > MaxFile {
				t.Fatalf("%d bytes are no bomb", len(raw))
			}
			// All that is free goes back, or what an earlier one took would hide this one's.
			debug.FreeOSMemory()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := read(t, raw)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, tt.err) {
				t.Errorf("%v; want %v", err, tt.err)
			}
			held := int64(after.HeapSys-after.HeapReleased) - int64(before.HeapSys-before.HeapReleased)
			if held > tt.mb<<20 {
				t.Errorf("%d MB of memory for %d KB", held>>20, len(raw)>>10)
			}
			t.Logf("%d MB of memory for %d KB", held>>20, len(raw)>>10)
		})
	}
	if _, err := Open(bytes.NewReader(nil), MaxFile+1); !errors.Is(err, errLarge) {
		t.Errorf("a file too large: %v", err)
	}
}

// Memory does not grow with the rows: a hundred thousand take no more than what their
// shared texts come to.
func TestManyRows(t *testing.T) {
	const rows = 100_000
	var sheet, shared strings.Builder
	shared.WriteString("<sst>")
	sheet.WriteString("<worksheet><sheetData>")
	for i := range rows {
		fmt.Fprintf(&shared, "<si><t>李大山%06d</t></si>", i)
		fmt.Fprintf(&sheet, `<row r="%d"><c r="A%d" t="s"><v>%d</v></c>`, i+1, i+1, i)
		for c := 2; c <= 6; c++ {
			fmt.Fprintf(&sheet, `<c r="%s%d"><v>%d</v></c>`, Letter(c), i+1, i*c)
		}
		sheet.WriteString("</row>")
	}
	shared.WriteString("</sst>")
	sheet.WriteString("</sheetData></worksheet>")
	raw := parts{"xl/worksheets/sheet1.xml": sheet.String(), "xl/sharedStrings.xml": shared.String()}.zip(t)
	sheet.Reset()
	shared.Reset()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, most := m.HeapAlloc, uint64(0)
	b, err := Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := b.Sheets[0].Rows(t.Context(), nil, func(r *Row) error {
		if n++; n%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	}); err != nil || n != rows {
		t.Fatalf("%d rows, %v", n, err)
	}
	if held := int64(most) - int64(base); held > 8<<20 {
		t.Errorf("%d KB are held", held>>10)
	}
}

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, "结果<1>", []int{8, 20}, []string{"行", "=说明"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][]string{{"2", "=1+1"}, {"", " 好\n<&>\x01"}, {"+8", strings.Repeat("长", maxCell+5)}} {
		if err := w.Row(r...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := read(t, b.Bytes())
	want := []string{"1: A=行 B==说明", "2: A=2 B==1+1", "3: B= 好\n<&>\ufffd#broken", "4: A=+8 B=" + strings.Repeat("长", maxCell-1) + "…"}
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%.300q, %v", got, err)
	}
}

// What is read of any bytes is within bounds and in order.
func sound(t *testing.T, raw []byte) {
	b, err := Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return
	}
	for _, s := range b.Sheets {
		merges, _, err := s.Shape(t.Context())
		if err != nil {
			continue
		}
		last := 0
		s.Rows(t.Context(), merges, func(r *Row) error {
			if r.N <= last || r.N > MaxRows || r.Err != nil && len(r.Cells) > 0 {
				t.Fatalf("row %d after %d", r.N, last)
			}
			last = r.N
			col := 0
			for _, c := range r.Cells {
				if c.Col <= col || c.Col > MaxColumns {
					t.Fatalf("column %d after %d", c.Col, col)
				}
				col = c.Col
			}
			return nil
		})
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(parts{}.zip(f))
	f.Add([]byte("户编号,组\n\"a\",b\n"))
	f.Add([]byte("\xff\xfea\x00,\x00"))
	f.Add([]byte("\xbb\xa7,\xd6\xf7\n"))
	f.Add([]byte("\xd0\xcf\x11\xe0"))
	f.Fuzz(func(t *testing.T, raw []byte) { sound(t, raw) })
}

func FuzzSheet(f *testing.F) {
	f.Add(`<worksheet><cols><col min="1" max="2" hidden="1"/></cols><sheetData><row r="1"><c r="A1" t="s" s="1"><v>0</v></c><c r="B1"><f>1</f></c></row></sheetData><mergeCells><mergeCell ref="A1:B3"/></mergeCells></worksheet>`,
		`<sst><si><r><t>a</t></r><rPh><t>b</t></rPh></si></sst>`, `<styleSheet><numFmts><numFmt numFmtId="200" formatCode="0!.0"/></numFmts><cellXfs><xf numFmtId="14"/><xf numFmtId="200"/></cellXfs></styleSheet>`)
	f.Fuzz(func(t *testing.T, sheet, shared, styles string) {
		sound(t, parts{"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": shared, "xl/styles.xml": styles}.zip(t))
	})
}

// What ends and had not begun says nothing of the text that follows.
func TestStrayPhonetic(t *testing.T) {
	var r run
	r.end("rPh")
	r.start("t")
	if err := r.data([]byte("李大山")); err != nil || string(r.text) != "李大山" {
		t.Errorf("%q, %v", r.text, err)
	}
	r.start("rPh")
	if err := r.data([]byte("リ")); err != nil || string(r.text) != "李大山" {
		t.Errorf("%q, %v", r.text, err)
	}
}
