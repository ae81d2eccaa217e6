package sheet

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Kind is what a cell holds.
type Kind uint8

const (
	Text   Kind = iota
	Number      // Text is its digits, or 1.2E+18 as it lies in the file
	Bool        // Text is TRUE or FALSE
	Fault       // a formula came to an error; Text is its name, such as #REF!
	Void        // a formula of which the file does not have what it comes to
	Broken      // characters that were lost before
)

// Look is what a number's format makes of it.
type Look struct {
	Date    bool // it is shown as a day
	Percent bool // it is shown times a hundred
	Scaled  bool // it is shown divided, such as by ten thousand
	Pad     int  // it is shown with zeros before it, in so many digits
}

// Cell is one cell that is not empty.
type Cell struct {
	Col  int // from 1
	Kind Kind
	Text string
	Look Look
	// Spread tells that the value stands here because the cell is merged with the one
	// above that has it.
	Spread bool
}

// Row is a row that is not empty. Its cells are the caller's until the next.
type Row struct {
	N      int // from 1; of a .csv the line
	Hidden bool
	Cells  []Cell
	// Err says that the row cannot be read, an *Error; it has no cells then.
	Err error
}

// Merge is a range of cells that are one.
type Merge struct{ Top, Left, Bottom, Right int }

// Sheet is one table of cells.
type Sheet struct {
	Name   string
	Hidden bool
	// Since1904 tells that days are counted from 1904 on.
	Since1904 bool

	read source
}

// source is where a sheet's rows come from.
type source interface {
	// shape reads what stands around the rows: what is merged, top to bottom, and
	// which columns are hidden.
	shape(ctx context.Context) (merges []Merge, hidden []Span, err error)
	rows(ctx context.Context, yield func(*Row) error) error
}

// Span is columns From to To.
type Span struct{ From, To int }

// Book is an open file. What it was opened on must stay until it is read.
type Book struct{ Sheets []*Sheet }

// Open opens a file by what is in it, whatever it is called. The error is an *Error
// for what is no table that can be read.
func Open(r io.ReaderAt, size int64) (*Book, error) {
	if size > MaxFile {
		return nil, errLarge
	}
	start := make([]byte, min(size, 4<<10))
	if _, err := r.ReadAt(start, 0); err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case len(start) == 0:
		return nil, errEmpty
	case bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0")):
		// Both a workbook of the old kind and one that is locked are of this kind; the
		// second has a part of this name.
		locked, err := contains(r, size, utf16le("EncryptedPackage"))
		if err != nil {
			return nil, err
		}
		if locked {
			return nil, errLocked
		}
		return nil, errOld
	case bytes.HasPrefix(start, []byte("PK")):
		return openBook(r, size)
	case bytes.HasPrefix(start, []byte("%PDF")), bytes.HasPrefix(start, []byte("\xff\xd8")), bytes.HasPrefix(start, []byte("\x89PNG")), bytes.HasPrefix(start, []byte("Rar!")), bytes.HasPrefix(start, []byte("7z\xbc")):
		return nil, errKind
	case isMarkup(start):
		return nil, errKind
	}
	return openText(r, size)
}

// isMarkup tells a web page, or a workbook of 2003 in XML, which programs of old
// write under the name .xls.
func isMarkup(start []byte) bool {
	s := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\ufeff")), " \r\n\t"))
	for _, p := range []string{"<html", "<!doctype", "<?xml", "<table", "<head", "<meta"} {
		if bytes.HasPrefix(s, []byte(p)) {
			return true
		}
	}
	return false
}

func utf16le(s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return b
}

// contains looks for word in a file.
func contains(r io.ReaderAt, size int64, word []byte) (bool, error) {
	buf := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(buf) - len(word)) {
		n, err := r.ReadAt(buf, at)
		if bytes.Contains(buf[:n], word) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// Shape gives the ranges that are merged, from the top down, and the columns that are
// hidden.
func (s *Sheet) Shape(ctx context.Context) ([]Merge, []Span, error) {
	return s.read.shape(ctx)
}

// ErrStop is what yield gives when it wants no more rows.
var ErrStop = errors.New("enough rows")

// Rows calls yield with every row that has anything in it, from the top down. A cell
// that is merged with those below it stands in every row of them, if merges are given.
// What yield returns ends the walk; ErrStop does so without an error.
func (s *Sheet) Rows(ctx context.Context, merges []Merge, yield func(*Row) error) error {
	sp := spreader{merges: merges}
	err := s.read.rows(ctx, func(r *Row) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.N > MaxRows {
			return errRows
		}
		if r.Err == nil {
			if n := len(r.Cells); n > 0 && r.Cells[n-1].Col > MaxColumns {
				return errWide
			}
			if sp.spread(r); sp.held() > maxRow {
				return errBomb
			}
			if len(r.Cells) == 0 {
				return nil
			}
		}
		return yield(r)
	})
	if err == ErrStop {
		return nil
	}
	return err
}

// spreader repeats what stands in a merged range in each of its rows. Rows that have
// nothing of their own are not seen, and get nothing.
type spreader struct {
	merges []Merge
	active []spreading // by column
	cells  []Cell
}

type spreading struct {
	bottom int
	cell   Cell
}

func (sp *spreader) spread(r *Row) {
	if len(sp.merges) == 0 && len(sp.active) == 0 {
		return
	}
	// What is over goes; what begins here is put in its column's place.
	live := sp.active[:0]
	for _, a := range sp.active {
		if a.bottom >= r.N {
			live = append(live, a)
		}
	}
	sp.active = live
	old := len(live)
	for len(sp.merges) > 0 && sp.merges[0].Top <= r.N {
		m := sp.merges[0]
		sp.merges = sp.merges[1:]
		if m.Top < r.N || m.Bottom == m.Top {
			continue
		}
		for _, c := range r.Cells {
			if c.Col == m.Left && len(sp.active) < MaxColumns {
				c.Spread = true
				sp.active = append(sp.active, spreading{m.Bottom, c})
			}
		}
	}
	if old == 0 {
		return
	}
	sp.cells = append(sp.cells[:0], r.Cells...)
	for _, a := range sp.active[:old] {
		i := 0
		for i < len(sp.cells) && sp.cells[i].Col < a.cell.Col {
			i++
		}
		if i < len(sp.cells) && sp.cells[i].Col == a.cell.Col {
			continue // something stands there all the same
		}
		sp.cells = append(sp.cells, Cell{})
		copy(sp.cells[i+1:], sp.cells[i:])
		sp.cells[i] = a.cell
	}
	r.Cells = sp.cells
}

// held is how many bytes the texts come to that are kept for the rows below.
func (sp *spreader) held() (n int) {
	for _, a := range sp.active {
		n += len(a.cell.Text)
	}
	return n
}

// Letter names a column as spreadsheets do.
func Letter(col int) string {
	var b []byte
	for ; col > 0; col = (col - 1) / 26 {
		b = append([]byte{byte('A' + (col-1)%26)}, b...)
	}
	return string(b)
}
