package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Record is a record as it is stored, and as it reads.
type Record struct {
	record.Key
	// Feed is the feed number of its last change.
	Feed  uint64
	State merge.State
	View  merge.View
}

// Query asks for records of one type.
type Query struct {
	Type record.Type
	// Villages are those to look in; none means all.
	Villages []record.Village
	// Where are the conditions that all must hold.
	Where []Condition
	// Text is what they are looked for by, as in a list; Shows tells the fields by which
	// that may be, nil is all.
	Text  string
	Shows func(*form.Field) bool
	// Limit bounds the answer; 0 means no bound.
	Limit int
}

// Condition wants a field to hold a value: to be it, or where the field is a
// set to have it among its elements. The value is what CanonText takes. Of dates and
// numbers it may also want the least or the largest.
type Condition struct {
	Field, Value string
	Than         Than
	// Among are, where there are any, the codes of which the field is to have one; ""
	// stands for none.
	Among []string
}

// Than is how a field stands to the value of a Condition.
type Than string

// Beside being it.
const (
	AtLeast Than = ">="
	AtMost  Than = "<="
)

// errSpan: only dates and numbers have a least and a largest.
var errSpan = errors.New("only dates and numbers have a least and a largest value")

// ConditionError says that a condition cannot be asked.
type ConditionError struct {
	Field string
	// Near is the field that was perhaps meant.
	Near string
	Err  error // what is wrong with the value, nil when the field is unknown
}

func (e *ConditionError) Error() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Near != "":
		return fmt.Sprintf("there is no field %q; did you mean %s?", e.Field, e.Near)
	}
	return fmt.Sprintf("there is no field %q", e.Field)
}

func (e *ConditionError) Unwrap() error { return e.Err }

// Records gives the records that a query asks for, by village and id, all as
// of one moment. The record is valid until the next one is asked for.
func (s *Store) Records(ctx context.Context, q Query) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		if q.Text = strings.TrimSpace(q.Text); q.Text != "" {
			// All of it, however long that takes: nothing may be missing in silence.
			if _, err := s.keepLists(ctx, "", time.Hour); err != nil {
				yield(nil, err)
				return
			}
		}
		text, args, err := s.compile(q)
		if err != nil {
			yield(nil, err)
			return
		}
		stopped := false
		err = s.look(ctx, func(t *tx) error {
			if len(q.Where) > 0 || q.Text != "" {
				t.from = nil // not to keep every question that was ever asked
			}
			villages := q.Villages
			if len(villages) == 0 {
				var err error
				if villages, err = t.villages(); err != nil {
					return err
				}
			}
			n := 0
			for _, v := range villages {
				err := t.rows(func(r *sql.Rows) error {
					rec, err := s.scan(r)
					if err != nil {
						return err
					}
					if n++; !yield(rec, nil) || n == q.Limit {
						stopped = true
						return errEnough
					}
					return ctx.Err()
				}, text, append([]any{v}, args...)...)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

func (t *tx) villages() ([]record.Village, error) {
	var list []record.Village
	err := t.rows(func(r *sql.Rows) error {
		var v record.Village
		err := r.Scan(&v)
		list = append(list, v)
		return err
	}, `SELECT village_id FROM village_head ORDER BY village_id`)
	return list, err
}

const recordColumns = `r.village_id, r.record_id, r.type, r.feed, r.state`

func (s *Store) scan(r interface{ Scan(...any) error }) (*Record, error) {
	var rec Record
	var id string
	var state []byte
	if err := r.Scan(&rec.Village, &id, &rec.Type, &rec.Feed, &state); err != nil {
		return nil, err
	}
	var err error
	if rec.ID, err = record.ParseID(id); err != nil {
		return nil, err
	}
	if rec.State, err = merge.Decode(state); err != nil {
		return nil, fmt.Errorf("record %s: %w", id, err)
	}
	rec.View = merge.Read(s.forms.Form(rec.Type), rec.State)
	return &rec, nil
}

// compile gives the statement for one village, whose code is its first
// parameter.
func (s *Store) compile(q Query) (string, []any, error) {
	p := s.tables()[q.Type]
	if p == nil {
		if len(q.Where) > 0 {
			return "", nil, &ConditionError{Field: q.Where[0].Field}
		}
		return `SELECT ` + recordColumns + ` FROM record r WHERE r.village_id = $1 AND r.type = $2 ORDER BY r.record_id`, []any{q.Type}, nil
	}
	text := `SELECT ` + recordColumns + ` FROM ` + quote(p.name) + ` f JOIN record r ON r.village_id = f.village_id AND r.record_id = f.record_id
		WHERE f.village_id = $1`
	var args []any
	for _, c := range q.Where {
		test, more, err := p.condition(c, len(args)+2)
		if err != nil {
			return "", nil, err
		}
		text, args = text+" AND "+test, append(args, more...)
	}
	if q.Text != "" {
		shows := q.Shows
		if shows == nil {
			shows = func(*form.Field) bool { return true }
		}
		a := &params{args: append([]any{nil}, args...)} // the first is the village
		test, _ := s.textTest(p, q.Text, shows, a)
		text, args = text+" AND "+test, a.args[1:]
	}
	return text + ` ORDER BY f.record_id`, args, nil
}

// condition gives the test of one condition, whose parameters are numbered from
// n, and its arguments.
func (p *table) condition(c Condition, n int) (string, []any, error) {
	if c.Field == "life" || c.Field == "author" {
		return fmt.Sprintf("f.%s = $%d", c.Field, n), []any{c.Value}, nil
	}
	fd := p.form.Field(c.Field)
	if fd == nil {
		return "", nil, &ConditionError{Field: c.Field, Near: p.form.Nearest(c.Field)}
	}
	name := "f." + quote(fd.Name)
	if len(c.Among) > 0 {
		var places []string
		var args []any
		for _, code := range c.Among {
			places, args = append(places, fmt.Sprintf("$%d", n+len(args))), append(args, code)
		}
		return fmt.Sprintf("coalesce(%s, '') IN (%s)", name, strings.Join(places, ", ")), args, nil
	}
	if c.Than != "" {
		v, err := fd.CanonText(c.Value)
		if err == nil && (c.Than != AtLeast && c.Than != AtMost || fd.Kind != form.Date && fd.Kind != form.Integer && fd.Kind != form.Decimal || column(fd, v) == nil) {
			err = errSpan
		}
		if err != nil {
			return "", nil, &ConditionError{Field: c.Field, Err: err}
		}
		return fmt.Sprintf("%s %s $%d", name, c.Than, n), []any{column(fd, v)}, nil
	}
	if strings.TrimSpace(c.Value) == "" {
		return name + " IS NULL", nil, nil
	}
	if fd.Kind == form.Calculate {
		v, err := record.Number(c.Value)
		if err != nil {
			return "", nil, &ConditionError{Field: c.Field, Err: err}
		}
		return fmt.Sprintf("%s = $%d", name, n), []any{column(fd, v)}, nil
	}
	v, err := fd.CanonText(c.Value)
	if err != nil {
		return "", nil, &ConditionError{Field: c.Field, Err: err}
	}
	if !fd.Many() {
		return fmt.Sprintf("%s = $%d", name, n), []any{column(fd, v)}, nil
	}
	// A set is kept as its JSON, in which an element stands in quotes.
	var tests []string
	var args []any
	for _, element := range v.Texts() {
		tests = append(tests, fmt.Sprintf(`%s LIKE $%d ESCAPE '\'`, name, n+len(args)))
		args = append(args, "%"+likeText.Replace(string(record.Text(element)))+"%")
	}
	return strings.Join(tests, " AND "), args, nil
}

// likeText makes of a text the pattern that matches it.
var likeText = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// Get finds a record by type and id, in whatever village. ErrNotFound.
func (s *Store) Get(ctx context.Context, typ record.Type, id record.ID) (*Record, error) {
	return s.Find(ctx, id, typ)
}

// Find finds a record by its id, of any type where none is given. A record that
// is in several villages is given where it lives, or else where it was changed last.
// ErrNotFound.
func (s *Store) Find(ctx context.Context, id record.ID, types ...record.Type) (*Record, error) {
	var best *Record
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			rec, err := s.scan(r)
			if err != nil {
				return err
			}
			if len(types) > 0 && !slices.Contains(types, rec.Type) {
				return nil
			}
			if best == nil || best.standing() < rec.standing() || best.standing() == rec.standing() && best.View.Updated < rec.View.Updated {
				best = rec
			}
			return nil
		}, `SELECT `+recordColumns+` FROM record r WHERE r.record_id = $1 AND r.village_id IN (SELECT village_id FROM village_head)`, id.String())
	})
	if err == nil && best == nil {
		err = ErrNotFound
	}
	return best, err
}

// Record finds a record of a village. ErrNotFound.
func (s *Store) Record(ctx context.Context, v record.Village, id record.ID) (*Record, error) {
	var rec *Record
	err := s.look(ctx, func(t *tx) (err error) {
		rec, err = s.scan(t.row(`SELECT `+recordColumns+` FROM record r WHERE r.village_id = $1 AND r.record_id = $2`, v, id.String()))
		return err
	})
	return rec, found(err)
}

// JSON gives a record as commands and interfaces print it, with all its marks
// as of now.
func (s *Store) JSON(ctx context.Context, r *Record, lang form.Lang) (merge.JSON, error) {
	var failed error
	marks := r.View.Marks(s.forms.Form(r.Type), Day(milli(s.now())), lang, func(typ record.Type, id record.ID) bool {
		there, err := s.Exists(ctx, r.Village, typ, id)
		failed = errors.Join(failed, err)
		return there
	})
	return r.View.JSON(r.Key, merge.Delivered, marks), failed
}

// Exists tells whether a record is there: in the village, or in another one.
func (s *Store) Exists(ctx context.Context, v record.Village, typ record.Type, id record.ID) (bool, error) {
	n := 0
	err := s.look(ctx, func(t *tx) error {
		if err := t.row(`SELECT count(*) FROM record WHERE village_id = $1 AND record_id = $2 AND type = $3`, v, id.String(), typ).Scan(&n); err != nil || n > 0 {
			return err
		}
		return t.row(`SELECT count(*) FROM record WHERE record_id = $1 AND type = $2 AND village_id IN (SELECT village_id FROM village_head)`,
			id.String(), typ).Scan(&n)
	})
	return n > 0, err
}

// Counts gives how many records of each type a village has.
func (s *Store) Counts(ctx context.Context, v record.Village) (map[record.Type]int, error) {
	counts := map[record.Type]int{}
	err := s.look(ctx, func(t *tx) error {
		for typ, p := range s.tables() {
			var n int
			if err := t.row(`SELECT count(*) FROM `+quote(p.name)+` WHERE village_id = $1`, v).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				counts[typ] = n
			}
		}
		return nil
	})
	return counts, err
}
