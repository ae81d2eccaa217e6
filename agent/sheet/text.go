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
	r := csv.NewReader(bufio.NewReaderSize(f.text(), 64<<10))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = f.comma, -1, true
	var row Row
	for {
		cells, err := r.Read()
		var bad *csv.ParseError
		switch {
		case err == io.EOF:
			return nil
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

// faults are what a formula's error is written as.
var faults = map[string]bool{"#REF!": true, "#N/A": true, "#VALUE!": true, "#DIV/0!": true, "#NAME?": true, "#NULL!": true, "#NUM!": true, "#SPILL!": true, "#CALC!": true}
