package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/sheet"
)

// MaxFilled is how many records a template takes: it is held in memory whole.
const MaxFilled = 5000

// The errors of Fill.
var (
	// ErrTemplate says that no row of the template names fields.
	ErrTemplate = errors.New("no row of the template names fields of this form")
	// ErrMany says that there are more records than a template takes.
	ErrMany = errors.New("more records than a template takes")
)

// maxTemplate bounds what a template unpacks to, in bytes; nothing of it is put on a disk.
const maxTemplate = 32 << 20

// headRows is how many rows from the top may be the one that names the fields.
const headRows = 40

// Fill writes records into a workbook that a department has drawn: under the row of its
// first sheet whose cells name the most fields, by their names (also as ${name}), labels or
// other headings. 序号 is filled with numbers, 村 and 乡镇 with those of the record's
// village. A row takes the looks of the first one under the headings; what stands below
// moves down. What is masked is masked as in Write. ErrTemplate, ErrMany, a *sheet.Error,
// or what Write gives.
func (e *Export) Fill(ctx context.Context, w io.Writer, template []byte, o Order) (int, error) {
	f := e.store.Forms().Form(o.Query.Type)
	if f == nil {
		return 0, store.ErrNotFound
	}
	if o.Unmask != nil && (strings.TrimSpace(o.Unmask.Reason) == "" || o.Unmask.Who == "") {
		return 0, ErrReason
	}
	name, head, columns, err := headings(ctx, f, template)
	if err != nil {
		return 0, err
	}
	places, err := e.places(ctx)
	if err != nil {
		return 0, err
	}
	book, err := excelize.OpenReader(bytes.NewReader(template), excelize.Options{UnzipSizeLimit: maxTemplate, UnzipXMLSizeLimit: maxTemplate})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	defer book.Close()
	note := store.Note{Act: "masked", Subject: subject(f, o.Query)}
	if o.Unmask != nil {
		note.Who, note.Act, note.Reason = o.Unmask.Who, "export", o.Unmask.Reason
	}
	var rows [][]any
	for rec, err := range e.store.Records(ctx, o.Query) {
		if err != nil {
			return 0, err
		}
		if len(rows) == MaxFilled {
			return 0, ErrMany
		}
		rows = append(rows, answers(f, columns, rec, len(rows)+1, places, o.Unmask != nil))
	}
	// Before the first byte.
	if err := e.access.Audit(ctx, note); err != nil {
		return 0, err
	}
	if err := fill(book, name, head, columns, rows); err != nil {
		return 0, err
	}
	_, err = book.WriteTo(w)
	return len(rows), err
}

// filled is what a column of a template is filled with.
type filled struct {
	col   int
	field *form.Field // nil of what is not the record's
	what  string      // 序号, 村 or 乡镇 then
}

// headings finds the row that names the fields, of the first sheet.
func headings(ctx context.Context, f *form.Form, template []byte) (name string, row int, columns []filled, err error) {
	book, err := sheet.Open(bytes.NewReader(template), int64(len(template)))
	if err != nil {
		return "", 0, nil, err
	}
	first := book.Sheets[0]
	err = first.Rows(ctx, nil, func(r *sheet.Row) error {
		if r.N > headRows {
			return sheet.ErrStop
		}
		var found []filled
		fields := 0
		for _, c := range r.Cells {
			if x, ok := named(f, c.Text); ok {
				x.col = c.Col
				found = append(found, x)
				if x.field != nil {
					fields++
				}
			}
		}
		if fields > 0 && len(found) > len(columns) {
			row, columns = r.N, found
		}
		return nil
	})
	if err == nil && len(columns) == 0 {
		err = ErrTemplate
	}
	return first.Name, row, columns, err
}

// named finds what a heading stands for.
func named(f *form.Form, text string) (filled, bool) {
	word := strings.NewReplacer(" ", "", "\n", "", "\r", "", "\u3000", "", "*", "").Replace(strings.TrimSpace(text))
	if inner, ok := strings.CutPrefix(word, "${"); ok {
		word = strings.TrimSuffix(inner, "}")
	}
	switch word {
	case "":
		return filled{}, false
	case "序号", "村", "村名", "行政村", "乡镇":
		if f.Field(word) == nil {
			return filled{what: word}, true
		}
	}
	for _, fd := range f.Fields {
		also := append([]string{fd.Name, fd.Label.Zh, strings.ReplaceAll(fd.Label.En, " ", "")}, fd.Also...)
		for _, a := range also {
			if strings.EqualFold(a, word) {
				return filled{field: fd}, true
			}
		}
	}
	return filled{}, false
}

// places gives the names of the villages.
func (e *Export) places(ctx context.Context) (map[record.Village]store.Village, error) {
	list, err := e.store.Villages(ctx)
	places := map[record.Village]store.Village{}
	for _, v := range list {
		places[v.Code] = v
	}
	return places, err
}

func answers(f *form.Form, columns []filled, rec *store.Record, n int, places map[record.Village]store.Village, full bool) []any {
	row := make([]any, len(columns))
	var calculated map[string]record.Value
	for i, c := range columns {
		switch {
		case c.what == "序号":
			row[i] = n
		case c.what == "乡镇":
			row[i] = places[rec.Village].Township
		case c.field == nil:
			row[i] = places[rec.Village].Name
		default:
			v := rec.View.Fields[c.field.Name]
			if c.field.Kind == form.Calculate {
				if calculated == nil {
					calculated = f.Calculate(rec.View.Fields, store.Day(rec.View.Updated))
				}
				v = calculated[c.field.Name]
			}
			if c.field.Masked && !full && v != "" {
				v = merge.Masked(v)
			}
			text := plain(c.field, v)
			if len(c.field.Choices) > 0 && text != "" {
				text = c.field.Show(v, form.Zh)
			}
			row[i] = text
			if number, err := strconv.ParseFloat(text, 64); err == nil && numeric(c.field.Kind) {
				row[i] = number
			}
		}
	}
	return row
}

// fill puts the rows under the headings.
func fill(book *excelize.File, name string, head int, columns []filled, rows [][]any) error {
	if len(rows) > 1 {
		if err := book.InsertRows(name, head+2, len(rows)-1); err != nil {
			return err
		}
	}
	for i, c := range columns {
		first, err := excelize.CoordinatesToCellName(c.col, head+1)
		if err != nil {
			return err
		}
		looks, err := book.GetCellStyle(name, first)
		if err != nil {
			return err
		}
		for n, row := range rows {
			at, err := excelize.CoordinatesToCellName(c.col, head+1+n)
			if err != nil {
				return err
			}
			switch v := row[i].(type) {
			case string:
				err = book.SetCellStr(name, at, v)
			default:
				err = book.SetCellValue(name, at, v)
			}
			if err == nil {
				err = book.SetCellStyle(name, at, at, looks)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
