package inbox

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// batch is how many rows one transaction takes, and fewer where they come to
// MaxLine bytes: what it changes of the data file is in memory until it ends.
const batch = 250

// What a report keeps of bad rows: the first so many, of each so many bytes. A
// file of the wrong kind may have a million of them.
const (
	maxBad     = 1000
	maxBadText = 600
)

// Report is what came of a file, row by row for those that were not taken.
type Report struct {
	Rows    int `json:"rows"`    // rows that are not empty
	New     int `json:"new"`     // records that came into being
	Changed int `json:"changed"` // records that were changed
	Same    int `json:"same"`    // rows that said nothing new
	// Since counts rows that were taken before and whose records say otherwise by now:
	// they were changed since, and stay as they are.
	Since    int   `json:"since,omitempty"`
	NotTaken int   `json:"not_taken"` // rows that were not taken
	Bad      []Bad `json:"bad"`       // the first 1,000 of these
}

// Bad is a row that was not taken. Line counts from 1.
type Bad struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

func (r *Report) bad(line int, text string) {
	r.NotTaken++
	if len(r.Bad) == maxBad {
		return
	}
	if short := cut(text, maxBadText); short != text {
		text = short + "…"
	}
	r.Bad = append(r.Bad, Bad{line, text})
}

// LineOptions are for lines that do not say it themselves.
type LineOptions struct {
	Type    record.Type // empty when each says its own
	Village record.Village
	Author  string
	Lang    form.Lang
	Preview bool // tells what would come of it, and changes nothing
}

// JSONL takes the JSON lines of r: those that can be taken are, the others are
// in the report.
// The error is a *RowError when r is not text at all, else one that ended the
// work before the end of the file; what the report says of new and changed
// records is on disk even then.
func JSONL(ctx context.Context, s *store.Store, forms *form.Set, o LineOptions, r io.Reader) (Report, error) {
	rep := Report{Bad: []Bad{}}
	d, err := s.Device()
	if err != nil {
		return rep, err
	}
	if !d.Enrolled() {
		return rep, store.ErrNotEnrolled
	}
	br := bufio.NewReaderSize(r, 64<<10)
	if start, err := br.Peek(startSize); err != nil && err != io.EOF {
		return rep, err
	} else if !isText(start) {
		return rep, wrong("这个文件不是 UTF-8 文本，一行也没有收。请另存为 UTF-8 编码的 .jsonl 再试", "This file is not UTF-8 text and no row of it was taken. Save it as .jsonl in UTF-8 and try again")
	}
	var rows []store.Row
	var lines []int
	size := 0
	flush := func() error {
		save := s.SaveRows
		if o.Preview {
			save = s.TryRows
		}
		saved, errs, err := save(ctx, rows)
		if err != nil {
			return err
		}
		for i, sv := range saved {
			switch {
			case errs[i] != nil:
				rep.bad(lines[i], Say(errs[i], o.Lang))
			case sv.Created:
				rep.New++
			case sv.Changed:
				rep.Changed++
			case sv.Since:
				rep.Since++
			default:
				rep.Same++
			}
		}
		clear(rows)
		rows, lines, size = rows[:0], lines[:0], 0
		return nil
	}
	err = Lines(br, 1, func(n int, text []byte, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var long *RowError
		if err != nil && !errors.As(err, &long) {
			return err
		}
		rep.Rows++
		var edit store.Edit
		if err == nil {
			edit, err = Line(forms, o.Type, text)
		}
		if err != nil {
			rep.bad(n, Say(err, o.Lang))
			return nil
		}
		own := edit.Author
		if own == "" {
			edit.Author = o.Author
		}
		if edit.Village == "" {
			edit.Village = o.Village
		}
		edit.Source = store.Import
		row := store.Row{Edit: edit, Hash: hash(d.Numbers, edit.Type, text)}
		if v, err := d.Village(edit.Village); err == nil && edit.ID.IsZero() && edit.Void == "" && !edit.Revive {
			row.Edit.Village = v.Code
			row.Made = made(&d, forms, &row.Edit, own, 1)
		}
		rows = append(rows, row)
		lines = append(lines, n)
		if size += len(text); len(rows) < batch && size < MaxLine {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	slices.SortFunc(rep.Bad, func(a, b Bad) int { return cmp.Compare(a.Line, b.Line) })
	return rep, err
}
