package export

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Format is how records are written.
type Format string

// The formats.
const (
	JSONL   Format = "jsonl"
	CSV     Format = "csv"
	XLSX    Format = "xlsx"
	GeoJSON Format = "geojson"
)

// Formats lists them.
var Formats = []Format{JSONL, CSV, XLSX, GeoJSON}

// FormatError says that there is no such format.
type FormatError struct{ Name string }

func (e *FormatError) Error() string {
	return fmt.Sprintf("there is no format %q; there are %s", e.Name, Names(", "))
}

// Names lists the formats in one text.
func Names(between string) string {
	var names []string
	for _, f := range Formats {
		names = append(names, string(f))
	}
	return strings.Join(names, between)
}

// ParseFormat reads the name of a format. *FormatError.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats, f) {
		return f, nil
	}
	return "", &FormatError{name}
}

// Export writes the records of a store.
type Export struct {
	store  *store.Store
	access *access.Access
}

// New gives the export of a store.
func New(s *store.Store, a *access.Access) *Export { return &Export{s, a} }

// Order is what is to be written.
type Order struct {
	Format Format
	Query  store.Query
	// Unmask asks for masked fields in full; nil leaves them masked.
	Unmask *Unmask
	// GCJ02 asks for places as maps made in China have them, in a geojson.
	GCJ02 bool
	// Lang is the language of marks; labels in a csv are Chinese.
	Lang form.Lang
}

// Unmask says who takes masked fields out, and why.
type Unmask struct{ Who, Reason string }

// ErrReason says that masked fields were asked for without a reason.
var ErrReason = fmt.Errorf("masked fields are written in full only for a reason")

// Write writes the records and gives how many there were. ErrReason,
// store.ErrNotFound: there is no such type; or a *store.ConditionError.
func (e *Export) Write(ctx context.Context, w io.Writer, o Order) (int, error) {
	f := e.store.Forms().Form(o.Query.Type)
	if f == nil {
		return 0, store.ErrNotFound
	}
	if o.Unmask != nil {
		if strings.TrimSpace(o.Unmask.Reason) == "" || o.Unmask.Who == "" {
			return 0, ErrReason
		}
	}
	// Before the first byte.
	note := store.Note{Act: "masked", Subject: subject(f, o.Query)}
	if o.Unmask != nil {
		note.Who, note.Act, note.Reason = o.Unmask.Who, "export", o.Unmask.Reason
	}
	if err := e.access.Audit(ctx, note); err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	put := e.lines(ctx, out, f, o)
	end := func() error { return nil }
	switch o.Format {
	case CSV:
		put = rows(out, f, o)
	case XLSX:
		b := newWorkbook(out, f, o.Unmask != nil)
		put, end = b.row, b.close
	case GeoJSON:
		x := newFeatures(out, f, o.Unmask != nil, o.GCJ02)
		put, end = x.row, x.close
	}
	n := 0
	for rec, err := range e.store.Records(ctx, o.Query) {
		if err != nil {
			return n, err
		}
		if err := put(rec); err != nil {
			return n, err
		}
		n++
	}
	if n == 0 && o.Format == CSV {
		if err := put(nil); err != nil {
			return 0, err
		}
	}
	if err := end(); err != nil {
		return n, err
	}
	return n, out.Flush()
}

// subject says in the audit what was taken out. Whoever reads the audit may see
// no household's data: an ID or bank number that was asked for is masked in it,
// and so is the value of a field that is none, which may be a mistyped one.
func subject(f *form.Form, q store.Query) string {
	s := string(q.Type)
	for _, v := range q.Villages {
		s += " " + string(v)
	}
	for _, c := range q.Where {
		value := c.Value
		if fd := f.Field(c.Field); fd == nil && c.Field != "life" && c.Field != "author" || fd != nil && fd.Masked {
			value = form.Mask(value)
		}
		than := "="
		if c.Than != "" {
			than = string(c.Than)
		}
		s += " " + c.Field + than + value
	}
	if q.Text != "" {
		s += " ?" // what was looked for may be somebody's name
	}
	return s
}

// lines writes a record as one line of JSON.
func (e *Export) lines(ctx context.Context, w io.Writer, f *form.Form, o Order) func(*store.Record) error {
	encode := json.NewEncoder(w)
	encode.SetEscapeHTML(false)
	there := presence{e: e, ctx: ctx}
	today := store.Day(clockNow(e.store))
	return func(rec *store.Record) error {
		there.village = rec.Village
		j := rec.View.JSON(rec.Key, merge.Delivered, rec.View.Marks(f, today, o.Lang, there.exists))
		if there.err != nil {
			return there.err
		}
		if o.Unmask == nil {
			j.Mask(f)
		}
		return encode.Encode(j)
	}
}

// presence remembers which records are there: most references are to the same
// few. It forgets all when it has grown to limit.
type presence struct {
	e       *Export
	ctx     context.Context
	village record.Village
	known   map[presenceKey]bool
	err     error
}

type presenceKey struct {
	village record.Village
	typ     record.Type
	id      record.ID
}

// limit of what presence remembers: some 10 MB.
const limit = 100_000

func (p *presence) exists(typ record.Type, id record.ID) bool {
	k := presenceKey{p.village, typ, id}
	if there, known := p.known[k]; known {
		return there
	}
	there, err := p.e.store.Exists(p.ctx, p.village, typ, id)
	if err != nil {
		p.err = err
		return true
	}
	if p.known == nil || len(p.known) >= limit {
		p.known = map[presenceKey]bool{}
	}
	p.known[k] = there
	return there
}
