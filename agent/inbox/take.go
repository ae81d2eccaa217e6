package inbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// maxLine bounds one row, in bytes.
const maxLine = 1 << 20

// batch is how many rows one transaction takes.
const batch = 500

// Report is what came of a file, row by row for those that were not taken.
type Report struct {
	Rows    int   `json:"rows"`    // rows that are not empty
	New     int   `json:"new"`     // records that came into being
	Changed int   `json:"changed"` // records that were changed
	Same    int   `json:"same"`    // rows that said nothing new
	Bad     []Bad `json:"bad"`
}

// Bad is a row that was not taken. Line counts from 1.
type Bad struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// JSONL takes the JSON lines of r: those that can be taken are, the others are
// in the report. t is the type of the rows, or empty when each says its own.
// The error is one that ended the work before the end of the file; what the
// report counts is on disk even then.
func JSONL(ctx context.Context, s *store.Store, forms *form.Set, t record.Type, author string, lang form.Lang, r io.Reader) (Report, error) {
	rep := Report{Bad: []Bad{}}
	d, err := s.Device()
	if err != nil {
		return rep, err
	}
	if !d.Enrolled() {
		return rep, store.ErrNotEnrolled
	}
	var rows []store.Row
	var lines []int
	flush := func() error {
		saved, errs, err := s.SaveRows(ctx, rows)
		if err != nil {
			return err
		}
		for i, sv := range saved {
			switch {
			case errs[i] != nil:
				rep.Bad = append(rep.Bad, Bad{lines[i], Say(errs[i], lang)})
			case sv.Created:
				rep.New++
			case sv.Changed:
				rep.Changed++
			default:
				rep.Same++
			}
		}
		rows, lines = rows[:0], lines[:0]
		return nil
	}
	n := 0
	err = eachLine(r, func(line []byte, tooLong bool) error {
		n++
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); len(line) == 0 && !tooLong {
			return nil
		}
		rep.Rows++
		if tooLong {
			rep.Bad = append(rep.Bad, Bad{n, form.Label{Zh: "这一行超过 1 MB", En: "this line is longer than 1 MB"}.In(lang)})
			return nil
		}
		edit, err := Line(forms, t, line)
		if err != nil {
			rep.Bad = append(rep.Bad, Bad{n, Say(err, lang)})
			return nil
		}
		if edit.Author == "" {
			edit.Author = author
		}
		edit.Source = store.Import
		rows = append(rows, store.Row{Edit: edit, Hash: hash(d.Numbers, edit.Type, line)})
		lines = append(lines, n)
		if len(rows) < batch {
			return nil
		}
		return flush()
	})
	if err == nil || !errors.Is(err, errFlush) {
		if ferr := flush(); err == nil {
			err = ferr
		}
	}
	return rep, err
}

var errFlush = errors.New("rows could not be saved")

// eachLine calls f with every line of r, however long; of one beyond maxLine it
// gives none.
func eachLine(r io.Reader, f func(line []byte, tooLong bool) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	long := false
	for {
		part, err := br.ReadSlice('\n')
		if len(line)+len(part) <= maxLine {
			line = append(line, part...)
		} else {
			long = true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read line: %w", err)
		}
		if len(line) > 0 || long {
			if ferr := f(bytes.TrimRight(line, "\r\n"), long); ferr != nil {
				return fmt.Errorf("%w: %w", errFlush, ferr)
			}
		}
		if err == io.EOF {
			return nil
		}
		line, long = line[:0], false
	}
}
