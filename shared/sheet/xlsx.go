package sheet

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// book is an .xlsx: a zip of parts in XML (ECMA-376), of which few matter here.
type book struct {
	parts   map[string]*zip.File
	strings texts
	looks   []Look // by the number of a cell's style
}

// listing lets a zip's list of parts be read, and no more: it has one part for every
// 46 bytes, and all of them are held.
type listing struct {
	r    io.ReaderAt
	left int
}

func (l *listing) ReadAt(b []byte, at int64) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errBomb
	}
	return l.r.ReadAt(b, at)
}

func openBook(r io.ReaderAt, size int64) (*Book, error) {
	l := &listing{r, maxListing}
	z, err := zip.NewReader(l, size)
	if err != nil {
		return nil, damaged(err)
	}
	l.left = 1 << 62
	b := &book{parts: map[string]*zip.File{}}
	for _, f := range z.File {
		name := path.Clean("/" + strings.ReplaceAll(f.Name, `\`, "/"))[1:]
		if f.Flags&1 != 0 {
			return nil, errLocked
		}
		if key := strings.ToLower(name); b.parts[key] == nil {
			b.parts[key] = f
		}
	}
	main := "xl/workbook.xml"
	types, err := b.relations("_rels/.rels", "")
	if err != nil {
		return nil, err
	}
	for _, rel := range types {
		if strings.HasSuffix(rel.kind, "/officeDocument") {
			main = rel.target
		}
	}
	if b.part(main) == nil || !strings.HasSuffix(strings.ToLower(main), ".xml") {
		return nil, errKind // a document of another program, or a binary workbook
	}
	rels, err := b.relations(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	if err != nil {
		return nil, err
	}
	for _, rel := range rels {
		switch {
		case strings.HasSuffix(rel.kind, "/sharedStrings"):
			err = b.readStrings(rel.target)
		case strings.HasSuffix(rel.kind, "/styles"):
			err = b.readStyles(rel.target)
		}
		if err != nil {
			return nil, err
		}
	}
	return b.readBook(main, rels)
}

// damaged makes the plain error of what went wrong while reading a part, unless it is
// one already or is not the file's fault.
func damaged(err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errDamaged
}

func (b *book) part(name string) *zip.File {
	return b.parts[strings.ToLower(strings.TrimPrefix(name, "/"))]
}

// stream gives the tokens of a part, of at most so many bytes.
type stream struct {
	r      *bufio.Reader
	left   int64
	token  int
	before byte // the last byte but one
	last   byte
	over   bool // it was cut off at a limit
	xml    *xml.Decoder
	close  io.Closer
}

func (b *book) stream(name string, most int64) (*stream, error) {
	f := b.part(name)
	if f == nil {
		return nil, errDamaged
	}
	if f.UncompressedSize64 > uint64(most) {
		return nil, errBomb
	}
	r, err := f.Open()
	if err != nil {
		return nil, errDamaged
	}
	s := &stream{r: bufio.NewReaderSize(r, 64<<10), left: most, close: r}
	s.decode()
	return s, nil
}

// decode reads on from where the stream is.
func (s *stream) decode() {
	s.xml = xml.NewDecoder(s)
	s.xml.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return nil, errDamaged }
}

func (s *stream) Read([]byte) (int, error) { panic("a decoder reads byte by byte") }

// ReadByte is what the decoder reads by; a part that does not end, or a token that does
// not, ends here.
func (s *stream) ReadByte() (byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	s.left--
	s.token++
	if s.over = s.left < 0 || s.token > maxToken; s.over {
		return 0, errBomb
	}
	s.before, s.last = s.last, c
	return c, nil
}

// next gives the next token; io.EOF at the end.
func (s *stream) next() (xml.Token, error) {
	s.token = 0
	t, err := s.xml.RawToken()
	switch {
	case s.over:
		return nil, errBomb // what the decoder says of it may be anything
	case err == io.EOF:
		return nil, io.EOF
	}
	return t, damaged(err)
}

// open tells a start tag just read that has an end tag of its own.
func (s *stream) open() bool { return s.before != '/' }

// skip passes over what is inside an element that was just opened, and its end tag.
func (s *stream) skip(name string) error {
	for {
		part, err := s.r.ReadSlice('<')
		if s.left -= int64(len(part)); s.left < 0 {
			return errBomb
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return errDamaged
		}
		// Its end tag, with whatever prefix.
		tag, err := s.r.Peek(1)
		if err != nil {
			return errDamaged
		}
		if tag[0] != '/' {
			continue
		}
		head, _ := s.r.Peek(64)
		end := bytes.IndexByte(head, '>')
		if end < 0 {
			continue
		}
		n := bytes.TrimSpace(head[1:end])
		if i := bytes.IndexByte(n, ':'); i >= 0 {
			n = n[i+1:]
		}
		if string(n) == name {
			s.r.Discard(end + 1)
			s.left -= int64(end + 1)
			s.decode()
			return nil
		}
	}
}

// tokens gives what stands in a part of at most so many bytes, until an error.
func (b *book) tokens(name string, most int64) iter.Seq2[xml.Token, error] {
	return func(yield func(xml.Token, error) bool) {
		s, err := b.stream(name, most)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.close.Close()
		for {
			t, err := s.next()
			if err == io.EOF || !yield(t, err) || err != nil {
				return
			}
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// flag tells an attribute of the kind xsd:boolean that is true.
func flag(e xml.StartElement, name string) bool {
	v := attr(e, name)
	return v == "1" || v == "true"
}

type relation struct{ id, kind, target string }

// relations reads to which parts another one leads, from a folder; none where there is
// no such list.
func (b *book) relations(name, from string) ([]relation, error) {
	if b.part(name) == nil {
		return nil, nil
	}
	var rels []relation
	for t, err := range b.tokens(name, maxSmall) {
		if err != nil {
			return nil, err
		}
		if e, ok := t.(xml.StartElement); ok && e.Name.Local == "Relationship" && attr(e, "TargetMode") != "External" {
			target := attr(e, "Target")
			if !strings.HasPrefix(target, "/") {
				target = path.Join(from, target)
			}
			rels = append(rels, relation{attr(e, "Id"), attr(e, "Type"), strings.TrimPrefix(path.Clean("/"+target), "/")})
		}
	}
	return rels, nil
}

func (b *book) readBook(main string, rels []relation) (*Book, error) {
	out := &Book{}
	since1904 := false
	for t, err := range b.tokens(main, maxSmall) {
		if err != nil {
			return nil, err
		}
		e, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case e.Name.Local == "workbookPr":
			since1904 = flag(e, "date1904")
		case e.Name.Local == "sheet":
			if len(out.Sheets) == MaxSheets {
				return nil, errSheets
			}
			id := attr(e, "id")
			i := slices.IndexFunc(rels, func(r relation) bool { return r.id == id })
			if i < 0 || !strings.HasSuffix(rels[i].kind, "/worksheet") {
				continue // a chart, or a dialog
			}
			state := attr(e, "state")
			out.Sheets = append(out.Sheets, &Sheet{Name: attr(e, "name"), Hidden: state != "" && state != "visible", read: &page{b, rels[i].target}})
		}
	}
	for _, sh := range out.Sheets {
		sh.Since1904 = since1904
	}
	if len(out.Sheets) == 0 {
		return nil, errKind
	}
	return out, nil
}

// texts are the texts that cells share, in one piece of memory. A cell's is a part of
// it, however many have the same: a copy for each would make of a small file as much as
// one likes.
type texts struct {
	all  strings.Builder
	ends []uint32
}

func (t *texts) get(i int) (string, bool) {
	if i < 0 || i >= len(t.ends) {
		return "", false
	}
	from := uint32(0)
	if i > 0 {
		from = t.ends[i-1]
	}
	return t.all.String()[from:t.ends[i]], true
}

func (b *book) readStrings(name string) error {
	var in run
	for t, err := range b.tokens(name, maxStrings) {
		if err != nil {
			return err
		}
		switch e := t.(type) {
		case xml.StartElement:
			in.start(e.Name.Local)
		case xml.CharData:
			if err := in.data(e); err != nil {
				return err
			}
		case xml.EndElement:
			if in.end(e.Name.Local); e.Name.Local == "si" {
				b.strings.all.WriteString(plainText(in.take()))
				b.strings.ends = append(b.strings.ends, uint32(b.strings.all.Len()))
			}
		}
	}
	return nil
}

// run gathers a text that may be in several pieces of different looks, without what
// says how it is read out.
type run struct {
	text     []byte
	in       bool
	phonetic int
}

func (r *run) start(name string) {
	switch name {
	case "t":
		r.in = true
	case "rPh":
		r.phonetic++
	}
}

func (r *run) end(name string) {
	switch name {
	case "t":
		r.in = false
	case "rPh":
		r.phonetic = max(r.phonetic-1, 0) // one that began before the text did
	}
}

// data takes a piece; the pieces together are no longer than one may be.
func (r *run) data(c xml.CharData) error {
	if !r.in || r.phonetic != 0 {
		return nil
	}
	if len(r.text)+len(c) > maxToken {
		return errBomb
	}
	r.text = append(r.text, c...)
	return nil
}

func (r *run) take() string {
	s := string(r.text)
	r.text = r.text[:0]
	return s
}

// plainText takes back what XML has no sign for: _x000D_ stands for a carriage return.
func plainText(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && len(s) >= i+7 && s[i+1] == 'x' && s[i+6] == '_' {
			if n, err := strconv.ParseUint(s[i+2:i+6], 16, 16); err == nil && utf8.ValidRune(rune(n)) {
				b.WriteRune(rune(n))
				i += 6
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// page is a sheet of a book.
type page struct {
	b    *book
	name string
}

func (p *page) shape(ctx context.Context) (merges []Merge, hidden []Span, err error) {
	s, err := p.b.stream(p.name, maxPart)
	if err != nil {
		return nil, nil, err
	}
	defer s.close.Close()
	for {
		t, err := s.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, nil, err
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "col":
			from, _ := strconv.Atoi(attr(e, "min"))
			to, _ := strconv.Atoi(attr(e, "max"))
			if flag(e, "hidden") && from > 0 && len(hidden) < MaxColumns {
				hidden = append(hidden, Span{from, to})
			}
		case "sheetData":
			if s.open() {
				if err := s.skip("sheetData"); err != nil {
					return nil, nil, err
				}
			}
		case "mergeCell":
			if len(merges) == maxMerges {
				return nil, nil, errBomb
			}
			from, to, ok := strings.Cut(attr(e, "ref"), ":")
			left, top, a := place(from)
			right, bottom, b := place(to)
			if ok && a && b && top <= bottom && left <= right {
				merges = append(merges, Merge{top, left, bottom, right})
			}
		}
	}
	slices.SortFunc(merges, func(a, b Merge) int { return cmp.Or(cmp.Compare(a.Top, b.Top), cmp.Compare(a.Left, b.Left)) })
	return merges, hidden, nil
}

// place reads the name of a cell, B12.
func place(s string) (col, row int, ok bool) {
	s = strings.ReplaceAll(s, "$", "")
	i := 0
	for ; i < len(s) && i < 4; i++ {
		c := s[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			break
		}
		col = col*26 + int(c-'A') + 1
	}
	row, err := strconv.Atoi(s[i:])
	return col, row, i > 0 && err == nil && row > 0
}

func (p *page) rows(ctx context.Context, yield func(*Row) error) error {
	s, err := p.b.stream(p.name, maxPart)
	if err != nil {
		return err
	}
	defer s.close.Close()
	var (
		r       Row
		in      run
		c       Cell
		style   int
		kind    string
		formula bool
		value   []byte
		inValue bool
		valued  bool
		at      int  // the last cell's column
		held    int  // bytes of the row's texts
		within  bool // of the sheet's data
	)
	for {
		t, err := s.next()
		if err == io.EOF && within {
			return errDamaged
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch e := t.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "sheetData":
				within = true
			case "row":
				if !within {
					continue
				}
				n, err := strconv.Atoi(attr(e, "r"))
				if err != nil {
					n = r.N + 1
				}
				if n <= r.N {
					return errDamaged
				}
				r = Row{N: n, Hidden: flag(e, "hidden"), Cells: r.Cells[:0]}
				at, held = 0, 0
			case "c":
				col, _, ok := place(attr(e, "r"))
				if !ok {
					col = at + 1
				}
				if col <= at {
					return errDamaged
				}
				valued = false
				at, c, kind, formula, value = col, Cell{Col: col}, attr(e, "t"), false, value[:0]
				style, _ = strconv.Atoi(attr(e, "s"))
				in.text = in.text[:0]
			case "f":
				formula = true
			case "v":
				inValue, valued = true, true
			default:
				in.start(e.Name.Local)
			}
		case xml.CharData:
			if !inValue {
				if err := in.data(e); err != nil {
					return err
				}
				continue
			}
			if len(value)+len(e) > maxToken {
				return errBomb
			}
			value = append(value, e...)
		case xml.EndElement:
			switch e.Name.Local {
			case "v":
				inValue = false
			case "c":
				if !within {
					continue
				}
				if kind == "inlineStr" {
					c.Text = plainText(in.take())
				} else {
					c.Text = string(value)
				}
				// What fill cuts off at a number's ends is held with it.
				written := len(c.Text)
				if !p.b.fill(&c, kind, style, formula && !valued) {
					continue
				}
				// Both are told here and not of the whole row, which may have no end.
				if c.Col > MaxColumns {
					return errWide
				}
				if held += max(written, len(c.Text)); held > maxRow {
					return errBomb
				}
				r.Cells = append(r.Cells, c)
			case "row":
				if !within {
					continue
				}
				if err := yield(&r); err != nil {
					return err
				}
			case "sheetData":
				// What stands below the data is read with the shape.
				return nil
			default:
				in.end(e.Name.Local)
			}
		}
	}
}

// fill makes of what is written of a cell what it holds; false for a cell that is
// empty.
// empty tells a formula without a value.
func (b *book) fill(c *Cell, kind string, style int, empty bool) bool {
	if empty && c.Text == "" {
		c.Kind = Void
		return true
	}
	switch kind {
	case "s":
		i, err := strconv.Atoi(strings.TrimSpace(c.Text))
		text, ok := b.strings.get(i)
		if err != nil || !ok {
			c.Kind, c.Text = Broken, ""
			return true
		}
		c.Text = text
	case "str", "inlineStr":
		if kind == "str" {
			c.Text = plainText(c.Text)
		}
	case "b":
		c.Kind = Bool
		c.Text = map[bool]string{true: "TRUE", false: "FALSE"}[strings.TrimSpace(c.Text) == "1" || strings.EqualFold(strings.TrimSpace(c.Text), "true")]
		return true
	case "e":
		c.Kind = Fault
		return true
	case "d": // a day as 2017-05-23T00:00:00
	default:
		if c.Text = strings.TrimSpace(c.Text); c.Text == "" {
			return false
		}
		c.Kind = Number
		if style >= 0 && style < len(b.looks) {
			c.Look = b.looks[style]
		}
		return true
	}
	if !utf8.ValidString(c.Text) || strings.ContainsRune(c.Text, utf8.RuneError) {
		c.Kind = Broken
	}
	return strings.TrimSpace(c.Text) != ""
}
