package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Row is a record as its projection has it: enough for a line of a list.
type Row struct {
	record.Key
	Life    string
	Updated clock.Time
	Fields  map[string]record.Value
	marks   string // as the column has them
}

// Marked tells that something about the record is to be looked at, in a field that whoever
// asks may see.
func (r *Row) Marked(f *form.Form, shows func(*form.Field) bool) bool {
	return marked(r.marks, hiddenOf(f, shows))
}

// Order says by which field a type's list is ordered, "" where it is the time
// of the last change, and whether the largest comes first.
func (s *Store) Order(t record.Type) (field string, down bool) {
	p := s.tables()[t]
	if p == nil {
		return "", true
	}
	name, down := p.order()
	if name == "updated_at" {
		return "", true
	}
	return name, down
}

// order finds what people look for first: the latest date or year, then the
// number, then the name.
func (p *table) order() (column string, down bool) {
	for _, kind := range []form.Kind{form.Date, form.Integer} {
		for _, name := range p.form.Titles {
			if fd := p.form.Field(name); fd != nil && fd.Kind == kind {
				return name, true
			}
		}
	}
	for _, names := range [][]string{p.form.Key, p.form.Titles} {
		for _, name := range names {
			if fd := p.form.Field(name); fd != nil && fd.Kind == form.Text && !fd.Many() && !fd.Masked {
				return name, false
			}
		}
	}
	return "updated_at", true
}

func (p *table) columns() string {
	names := []string{"f.village_id", "f.record_id", "f.life", "f.updated_at", "f.marks"}
	for _, fd := range p.fields {
		names = append(names, "f."+quote(fd.Name))
	}
	return strings.Join(names, ", ")
}

func (p *table) scan(r interface{ Scan(...any) error }) (Row, error) {
	row := Row{Fields: make(map[string]record.Value, len(p.fields))}
	row.Type = p.form.Type
	var id, marks string
	var updated int64
	values := make([]any, len(p.fields))
	into := []any{&row.Village, &id, &row.Life, &updated, &marks}
	for i := range values {
		into = append(into, &values[i])
	}
	if err := r.Scan(into...); err != nil {
		return row, err
	}
	row.Updated, row.marks = milli(updated), marks
	for i, fd := range p.fields {
		if v := fromColumn(fd, values[i]); v != "" {
			row.Fields[fd.Name] = v
		}
	}
	var err error
	row.ID, err = record.ParseID(id)
	return row, err
}

// fromColumn gives the value that column wrote.
func fromColumn(fd *form.Field, v any) record.Value {
	switch v := v.(type) {
	case int64:
		return record.Value(strconv.FormatInt(v, 10))
	case float64:
		return record.Value(strconv.FormatFloat(v, 'f', -1, 64))
	case []byte:
		return fromColumn(fd, string(v))
	case string:
		if fd.Many() || fd.Kind == form.Geopoint {
			return record.Value(v)
		}
		return record.Text(v)
	}
	return ""
}

// placeOf gives the ordering value of a row as a Place tells it.
func (p *table) placeOf(name string, r Row) string {
	if name == "updated_at" {
		return strconv.FormatInt(r.Updated.Milli(), 10)
	}
	v := r.Fields[name]
	if text, ok := v.Text(); ok {
		return text
	}
	return string(v)
}

// place reads an ordering value that a Place told.
func (p *table) place(name, value string) (any, error) {
	if name != "updated_at" && columnType(p.form.Field(name)) == "TEXT" {
		return value, nil
	}
	return strconv.ParseFloat(value, 64)
}

// Rows gives those of the records of a village that are there, by id.
func (s *Store) Rows(ctx context.Context, v record.Village, typ record.Type, ids ...record.ID) (map[record.ID]Row, error) {
	p := s.tables()[typ]
	found := make(map[record.ID]Row, len(ids))
	if p == nil || len(ids) == 0 {
		return found, nil
	}
	return found, s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			row, err := p.scan(r)
			found[row.ID] = row
			return err
		}, fmt.Sprintf("SELECT %s FROM %s f WHERE f.village_id = $1 AND %s", p.columns(), quote(p.name), s.engine.Among("f.record_id", 2)), v, texts(ids))
	})
}

// Referring is the records of one type that name a record in one field.
type Referring struct {
	Form  *form.Form
	Field *form.Field
	Count int
	Rows  []Row // the first of them, in the order of the type's list
}

// Referring gives what in the record's village names it, at most limit records
// a field.
func (s *Store) Referring(ctx context.Context, k record.Key, limit int) ([]Referring, error) {
	var list []Referring
	err := s.look(ctx, func(t *tx) error {
		for _, f := range s.forms.Forms() {
			for _, fd := range f.Fields {
				if fd.Refers != k.Type || fd.Kind != form.RefOne && fd.Kind != form.RefMultiple {
					continue
				}
				p := s.tables()[f.Type]
				test, arg := fmt.Sprintf("f.%s = $2", quote(fd.Name)), k.ID.String()
				if fd.Many() {
					test, arg = fmt.Sprintf("f.%s LIKE $2", quote(fd.Name)), "%"+arg+"%"
				}
				name, down := p.order()
				way := ""
				if down {
					way = " DESC"
				}
				r := Referring{Form: f, Field: fd}
				if err := t.rows(func(rows *sql.Rows) error {
					row, err := p.scan(rows)
					if r.Count++; len(r.Rows) < limit {
						r.Rows = append(r.Rows, row)
					}
					return err
				}, fmt.Sprintf("SELECT %s FROM %s f WHERE f.village_id = $1 AND %s ORDER BY f.%s%s, f.record_id%s", p.columns(), quote(p.name), test, quote(name), way, way),
					k.Village, arg); err != nil {
					return err
				}
				if r.Count > 0 {
					list = append(list, r)
				}
			}
		}
		return nil
	})
	return list, err
}

// Waiting is how much waits for a person in a village.
type Waiting struct{ Conflicts, Proposals, Quarantined, SetAside int }

// Sum of all that waits.
func (w Waiting) Sum() int { return w.Conflicts + w.Proposals + w.Quarantined + w.SetAside }

// Waiting gives how much waits, by village; villages where nothing does are
// not in it.
func (s *Store) Waiting(ctx context.Context) (map[record.Village]Waiting, error) {
	found := map[record.Village]Waiting{}
	err := s.look(ctx, func(t *tx) error {
		count := func(add func(*Waiting, string, int), text string) error {
			return t.rows(func(r *sql.Rows) error {
				var v record.Village
				var kind string
				var n int
				if err := r.Scan(&v, &kind, &n); err != nil {
					return err
				}
				w := found[v]
				add(&w, kind, n)
				found[v] = w
				return nil
			}, text)
		}
		return errors.Join(
			count(func(w *Waiting, kind string, n int) {
				switch Kind(kind) {
				case Conflict:
					w.Conflicts = n
				case Proposal:
					w.Proposals = n
				}
			}, `SELECT village_id, kind, count(*) FROM review GROUP BY village_id, kind`),
			count(func(w *Waiting, _ string, n int) { w.Quarantined = n },
				`SELECT village_id, '', count(*) FROM quarantine WHERE decided = '' GROUP BY village_id`),
			count(func(w *Waiting, _ string, n int) { w.SetAside = n },
				`SELECT place, '', count(*) FROM (SELECT CASE WHEN village_id = '' THEN claimed ELSE village_id END AS place FROM setaside) AS s GROUP BY place`))
	})
	return found, err
}

// Version is a short text that changes with everything that Changed tells of:
// what a page was made of, for whoever asks whether it must be made anew.
func (s *Store) Version(ctx context.Context) (string, error) {
	sum, err := s.fingerprint(ctx)
	return hex.EncodeToString(sum[:8]), err
}
