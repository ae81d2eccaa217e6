package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The files that WriteFiles makes.
const (
	VillagesFile = "record-villages.jsonl"
	RecordsFile  = "records.jsonl"
	ChangesFile  = "changes.jsonl"
)

// Lines writes one JSON object a line, in UTF-8 that is not escaped.
type Lines struct {
	buf *bufio.Writer
	enc *json.Encoder
	n   int
}

// NewLines returns a writer to w; the caller must Flush it.
func NewLines(w io.Writer) *Lines {
	l := &Lines{buf: bufio.NewWriterSize(w, 1<<16)}
	l.enc = json.NewEncoder(l.buf)
	l.enc.SetEscapeHTML(false)
	return l
}

// Write appends one line.
func (l *Lines) Write(v any) error {
	l.n++
	return l.enc.Encode(v)
}

// Count returns how many lines were written.
func (l *Lines) Count() int { return l.n }

// Flush passes on what is still held.
func (l *Lines) Flush() error { return l.buf.Flush() }

// WriteVillages writes the village lines.
func (d *Data) WriteVillages(w io.Writer) error { return writeAll(w, d.Villages) }

// WriteRecords writes the record lines.
func (d *Data) WriteRecords(w io.Writer) error { return writeAll(w, d.Records) }

// WriteChanges writes the change lines.
func (d *Data) WriteChanges(w io.Writer) error { return writeAll(w, d.Changes) }

func writeAll[T any](w io.Writer, rows []T) error {
	l := NewLines(w)
	for _, row := range rows {
		if err := l.Write(row); err != nil {
			return err
		}
	}
	return l.Flush()
}

// Counts says how many lines each file has.
type Counts struct{ Villages, Records, Changes int }

// WriteFiles makes the three files of a set in dir, which is made if missing,
// without holding the set in memory. On an error the files are incomplete.
func WriteFiles(dir string, o Options) (Counts, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return Counts{}, fmt.Errorf("make %s: %w", dir, err)
	}
	var files []*os.File
	var lines []*Lines
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, name := range []string{VillagesFile, RecordsFile, ChangesFile} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return Counts{}, fmt.Errorf("make data set: %w", err)
		}
		files, lines = append(files, f), append(lines, NewLines(f))
	}
	err := Walk(o, Sink{
		Village: func(v Village) error { return lines[0].Write(v) },
		Record:  func(r Record) error { return lines[1].Write(r) },
		Change:  func(c Change) error { return lines[2].Write(c) },
	})
	for i, l := range lines {
		err = errors.Join(err, l.Flush(), files[i].Close())
	}
	if err != nil {
		return Counts{}, fmt.Errorf("write data set in %s: %w", dir, err)
	}
	return Counts{lines[0].Count(), lines[1].Count(), lines[2].Count()}, nil
}
