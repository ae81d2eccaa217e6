package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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
	// Marked tells that something about the record is to be looked at.
	Marked bool
	Fields map[string]record.Value
}

// Browse asks for a page of a list.
type Browse struct {
	Type    record.Type
	Village record.Village // "" means all
	Where   []Condition
	// Text must be in one of the title fields, or in a title field of the
	// records that they name.
	Text string
	// After is where the page before ended; the zero Place begins at the top.
	After Place
	Limit int
}

// Place is a row's place in the order of a list.
type Place struct {
	Value   string
	Village record.Village
	ID      string
}

// Order says by which field a type's list is ordered, "" where it is the time
// of the last change, and whether the largest comes first.
func (s *Store) Order(t record.Type) (field string, down bool) {
	p := s.tables[t]
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
	row.Updated, row.Marked = milli(updated), marks != "[]"
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

// Browse gives a page of a list in its order, and the place where the next one
// begins; the zero Place when this is the last. Records without a value to
// order by come last. The error may be a *ConditionError.
//
// Each village is asked by itself and gives as many rows as the page holds: a
// statement that names one village goes to one node, and to an index where the
// ordering column has one.
func (s *Store) Browse(ctx context.Context, q Browse) (rows []Row, next Place, err error) {
	p := s.tables[q.Type]
	if p == nil {
		return nil, next, ErrNotFound
	}
	name, down := p.order()
	err = s.look(ctx, func(t *tx) error {
		t.from = nil // not to keep every question that was ever asked
		villages := []record.Village{q.Village}
		if q.Village == "" {
			var err error
			if villages, err = t.villages(); err != nil {
				return err
			}
		}
		for _, empty := range []bool{false, true} {
			if len(rows) > q.Limit || empty && name == "updated_at" || !empty && q.After != (Place{}) && q.After.Value == "" {
				continue
			}
			var part []Row
			for _, v := range villages {
				more, err := s.browseOne(t, p, q, v, empty)
				if err != nil {
					return err
				}
				part = append(part, more...)
			}
			slices.SortFunc(part, func(a, b Row) int {
				c := p.compare(name, a, b)
				if down {
					c = -c
				}
				return c
			})
			rows = append(rows, part...)
		}
		return nil
	})
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		last := rows[q.Limit-1]
		next = Place{Value: p.placeOf(name, last), Village: last.Village, ID: last.ID.String()}
	}
	return rows, next, err
}

// compare orders two rows as the database does, the smallest first.
func (p *table) compare(name string, a, b Row) int {
	c := 0
	if name == "updated_at" {
		c = cmp.Compare(a.Updated, b.Updated)
	} else if x, y := p.placeOf(name, a), p.placeOf(name, b); columnType(p.form.Field(name)) == "TEXT" {
		c = cmp.Compare(x, y)
	} else {
		n, _ := strconv.ParseFloat(x, 64)
		m, _ := strconv.ParseFloat(y, 64)
		c = cmp.Compare(n, m)
	}
	return cmp.Or(c, cmp.Compare(a.Village, b.Village), cmp.Compare(a.ID.String(), b.ID.String()))
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

// browseOne reads what one village has of a page: of the records that have a
// value to order by, or of those that do not (empty).
func (s *Store) browseOne(t *tx, p *table, q Browse, v record.Village, empty bool) (rows []Row, err error) {
	q.Village = v
	where, args, err := s.listed(p, q)
	if err != nil {
		return nil, err
	}
	name, down := p.order()
	way, after := "", ">"
	if down {
		way, after = " DESC", "<"
	}
	key := "f." + quote(name)
	begins := q.After != (Place{}) && (q.After.Value == "") == empty
	// Where the page before ended in another village, this one is behind that
	// place from the same value on, or only from the next.
	passed := (v < q.After.Village) != down
	switch {
	case empty:
		where += " AND " + key + " IS NULL"
		if begins && v != q.After.Village && passed {
			return nil, nil
		}
		if begins && v == q.After.Village {
			args = append(args, q.After.ID)
			where += fmt.Sprintf(" AND f.record_id %s $%d", after, len(args))
		}
		key = "f.record_id"
	default:
		where += " AND " + key + " IS NOT NULL"
		if !begins {
			break
		}
		value, err := p.place(name, q.After.Value)
		if err != nil {
			return nil, &ConditionError{Field: name, Err: err}
		}
		args = append(args, value)
		switch {
		case v == q.After.Village:
			args = append(args, q.After.ID)
			where += fmt.Sprintf(" AND (%s, f.record_id) %s ($%d, $%d)", key, after, len(args)-1, len(args))
		case passed:
			where += fmt.Sprintf(" AND %s %s $%d", key, after, len(args))
		default:
			where += fmt.Sprintf(" AND %s %s= $%d", key, after, len(args))
		}
	}
	order := key
	if q.Text != "" && !empty {
		// The few that hold a text are found by what they name, not by walking
		// all of them in their order.
		order = "coalesce(" + key + ", NULL)"
	}
	// Which rows comes first, what is in them second: sorting whole rows costs
	// ten times as much.
	err = t.rows(func(r *sql.Rows) error {
		row, err := p.scan(r)
		rows = append(rows, row)
		return err
	}, fmt.Sprintf(`SELECT %s FROM %s f WHERE f.village_id = $1 AND f.record_id IN
		(SELECT f.record_id FROM %s f WHERE %s ORDER BY %s%s, f.record_id%s LIMIT %d)`,
		p.columns(), quote(p.name), quote(p.name), where, order, way, way, q.Limit+1), args...)
	return rows, err
}

// place reads an ordering value that a Place told.
func (p *table) place(name, value string) (any, error) {
	if name != "updated_at" && columnType(p.form.Field(name)) == "TEXT" {
		return value, nil
	}
	return strconv.ParseFloat(value, 64)
}

// Count gives how many rows a list has, at most limit.
func (s *Store) Count(ctx context.Context, q Browse, limit int) (n int, err error) {
	p := s.tables[q.Type]
	if p == nil {
		return 0, ErrNotFound
	}
	err = s.look(ctx, func(t *tx) error {
		t.from = nil
		villages := []record.Village{q.Village}
		if q.Village == "" {
			var err error
			if villages, err = t.villages(); err != nil {
				return err
			}
		}
		for _, q.Village = range villages {
			where, args, err := s.listed(p, q)
			if err != nil {
				return err
			}
			more := 0
			if err := t.row(fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s f WHERE %s LIMIT %d) AS some", quote(p.name), where, limit-n), args...).Scan(&more); err != nil {
				return err
			}
			if n += more; n >= limit {
				break
			}
		}
		return nil
	})
	return n, err
}

// listed gives the condition of a list in its village, which is parameter 1,
// and the arguments.
func (s *Store) listed(p *table, q Browse) (string, []any, error) {
	where, args := "f.village_id = $1", []any{q.Village}
	for _, c := range q.Where {
		test, more, err := p.condition(c, len(args)+1)
		if err != nil {
			return "", nil, err
		}
		where, args = where+" AND "+test, append(args, more...)
	}
	if text := strings.TrimSpace(q.Text); text != "" {
		args = append(args, "%"+likeText.Replace(text)+"%")
		if test := s.textTest(p, "f", len(args), 1); test != "" {
			where += " AND (" + test + ")"
		}
	}
	return where, args, nil
}

// textTest looks for the text in parameter n among the title fields.
func (s *Store) textTest(p *table, alias string, n, depth int) string {
	var tests []string
	for _, name := range p.form.Titles {
		fd := p.form.Field(name)
		switch {
		case fd == nil || fd.Masked || fd.Many():
		case fd.Kind == form.Text:
			tests = append(tests, fmt.Sprintf(`%s.%s LIKE $%d ESCAPE '\'`, alias, quote(name), n))
		case fd.Kind == form.RefOne && depth > 0 && s.tables[fd.Refers] != nil:
			other := s.tables[fd.Refers]
			if inner := s.textTest(other, "g", n, depth-1); inner != "" {
				tests = append(tests, fmt.Sprintf(`%s.%s IN (SELECT g.record_id FROM %s g WHERE g.village_id = $1 AND (%s))`,
					alias, quote(name), quote(other.name), inner))
			}
		}
	}
	return strings.Join(tests, " OR ")
}

// Rows gives those of the records of a village that are there, by id.
func (s *Store) Rows(ctx context.Context, v record.Village, typ record.Type, ids ...record.ID) (map[record.ID]Row, error) {
	p := s.tables[typ]
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
				p := s.tables[f.Type]
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
