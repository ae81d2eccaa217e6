package sheet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// file is a .csv: UTF-8 with or without its mark, UTF-16 with it, or GB18030, which
// has GBK and GB 2312 in it. Between the cells are commas, tabs or semicolons.
type file struct {
	r      io.ReaderAt
	size   int64
	decode func() transform.Transformer
	comma  rune
}

func openText(r io.ReaderAt, size int64) (*Book, error) {
	f := &file{r: r, size: size}
	if err := f.find(); err != nil {
		return nil, err
	}
	return &Book{Sheets: []*Sheet{{read: f}}}, nil
}

// find finds out how the file is written.
func (f *file) find() error {
	in := io.NewSectionReader(f.r, 0, f.size)
	var mark [3]byte
	n, _ := in.ReadAt(mark[:], 0)
	switch start := mark[:n]; {
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		f.decode = func() transform.Transformer {
			return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()
		}
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		f.decode = func() transform.Transformer { return unicode.UTF8BOM.NewDecoder() }
	default:
		sound, err := isUTF8(in)
		if err != nil {
			return err
		}
		f.decode = func() transform.Transformer { return unicode.UTF8.NewDecoder() }
		if !sound {
			f.decode = func() transform.Transformer { return simplifiedchinese.GB18030.NewDecoder() }
		}
	}
	// What holds most of the first lines apart is what stands between the cells.
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f.text(), head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	if bytes.IndexByte(head, 0) >= 0 {
		return errKind
	}
	lost := bytes.Count(head, []byte(string(utf8.RuneError)))
	if lost*10 > utf8.RuneCount(head) {
		return errKind
	}
	f.comma = ','
	most := 0
	for _, c := range ",\t;" {
		if n := bytes.Count(head, []byte(string(c))); n > most {
			f.comma, most = c, n
		}
	}
	return nil
}

// text gives the file in UTF-8.
func (f *file) text() io.Reader {
	return transform.NewReader(io.NewSectionReader(f.r, 0, f.size), f.decode())
}

func isUTF8(r io.Reader) (bool, error) {
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		n += kept
		b := buf[:n]
		for len(b) > 0 {
			c, size := utf8.DecodeRune(b)
			if c == utf8.RuneError && size == 1 {
				if err == nil && !utf8.FullRune(b) {
					break // the rest of it comes
				}
				return false, nil
			}
			b = b[size:]
		}
		kept = copy(buf, b)
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

func (f *file) shape(context.Context) ([]Merge, []Span, error) { return nil, nil, nil }

func (f *file) rows(ctx context.Context, yield func(*Row) error) error {
	g := &guard{r: f.text(), comma: byte(f.comma), line: 1, start: 1}
	r := csv.NewReader(bufio.NewReaderSize(g, 64<<10))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = f.comma, -1, true
	var row Row
	for {
		cells, err := r.Read()
		var bad *csv.ParseError
		switch {
		case err == io.EOF:
			return nil
		case err == errOpen:
			return yield(&Row{N: g.start, Err: wrong(`这一行太长（超过 %d MB），多半有一个引号（"）没有配对，从这里起都没有读。请在 Excel 里改好再试`, `this row is over %d MB long; a quotation mark (") in it probably has no other one, and nothing from here on was read; mend it in Excel`, maxRow>>20)})
		case errors.As(err, &bad) && bad.StartLine < bad.Line:
			// The reader went on over lines in search of the other one.
			row = Row{N: bad.StartLine, Err: wrong(`这一行里有一个引号（"）没有配对，从这里到第 %d 行都没有读。请在 Excel 里改好再试`, `a quotation mark (") in this row has no other one, and nothing from here to line %d was read; mend it in Excel`, bad.Line)}
		case errors.As(err, &bad):
			row = Row{N: bad.StartLine, Err: wrong(`这一行里的引号（"）不配对，没有读。请在 Excel 里改好再试`, `the quotation marks (") in this row do not go together, and it was not read; mend it in Excel`)}
		case err != nil:
			return err
		default:
			n, _ := r.FieldPos(0)
			row = Row{N: n, Cells: row.Cells[:0]}
			for i, text := range cells {
				if strings.TrimSpace(text) == "" {
					continue
				}
				if i >= MaxColumns {
					return errWide
				}
				c := Cell{Col: i + 1, Text: strings.Clone(text)}
				switch {
				case len(text) > maxToken:
					return errBomb
				case strings.ContainsRune(text, utf8.RuneError):
					c.Kind = Broken
				case faults[text]:
					c.Kind = Fault
				}
				row.Cells = append(row.Cells, c)
			}
		}
		if err := yield(&row); err != nil {
			return err
		}
	}
}

// guard ends a .csv at a row of more fields or bytes than one may have. The reader of
// rows behind it holds a row whole, some forty bytes for every field, before anybody can
// count them. Where a row ends is as that one has it.
type guard struct {
	r      io.Reader
	comma  byte
	at     spot
	fields int // commas of the row so far
	bytes  int // the same of bytes
	line   int
	start  int // the line that the row began in
	err    error
}

// spot is where in a row the next byte stands.
type spot uint8

const (
	ahead  spot = iota // of a field
	plain              // in a field without quotation marks
	quoted             // between quotation marks
	after              // behind the second of them, or the first of two that stand for one
	lost               // in a line whose marks do not go together, which is read no further
)

// errOpen is a row too long that is in a quoted field.
var errOpen = errors.New("quoted field without end")

func (g *guard) Read(b []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.r.Read(b)
	for i, c := range b[:n] {
		g.take(c)
		if g.err != nil {
			return i, g.err
		}
	}
	g.err = err
	return n, err
}

func (g *guard) take(c byte) {
	g.bytes++
	if c == '\n' {
		g.line++
	}
	switch {
	case g.at == quoted:
		if c == '"' {
			g.at = after
		}
	case c == '\n':
		g.at, g.fields, g.bytes, g.start = ahead, 0, 0, g.line
	case g.at == lost:
	case c == g.comma:
		g.at = ahead
		g.fields++
	case c == '"' && g.at != plain:
		g.at = quoted
	case c == '"', g.at == after:
		g.at = lost // or at the line's end, behind a \r
	default:
		g.at = plain
	}
	switch {
	case g.fields >= maxFields:
		g.err = errWide
	case g.bytes > maxRow && g.at == quoted:
		g.err = errOpen
	case g.bytes > maxRow:
		g.err = errBomb
	}
}

// faults are what a formula's error is written as.
var faults = map[string]bool{"#REF!": true, "#N/A": true, "#VALUE!": true, "#DIV/0!": true, "#NAME?": true, "#NULL!": true, "#NUM!": true, "#SPILL!": true, "#CALC!": true}
