package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Select asks for rows of a form's table.
type Select struct {
	Type record.Type
	// Villages are those to look in; none means all.
	Villages []record.Village
	// Fields are those whose values the rows have.
	Fields []*form.Field
	// Shows tells the fields that whoever asks may see, nil is all: what is to be looked at
	// in the others marks no row.
	Shows  func(*form.Field) bool
	Filter *Test
	// Order is by what the rows come; village and id decide between equals, and alone where
	// there is none. What is not there comes before everything else.
	Order []Order
	After *Mark
	// Skip leaves out so many of the first.
	Skip  int
	Limit int
	// Patience is how long further villages are looked in where the order is theirs: a page
	// may be short, even empty, and say that there is more.
	Patience time.Duration
}

// Order is one step of an order.
type Order struct {
	Operand
	Down bool
}

// Mark is the place of a row in an order. Values are those that it was ordered by.
type Mark struct {
	Village record.Village
	ID      string
	Values  []any
}

// afterAll is behind every id of a village.
const afterAll = "~"

// Selected is a row.
type Selected struct {
	Village, ID, Life, Authors string
	Created, Updated           int64 // milliseconds
	Marked                     bool
	Values                     []record.Value // of Select.Fields
	// Conflicts and Proposals are the registers of which several values stand, or another
	// one is proposed.
	Conflicts, Proposals []record.Path
}

// Select gives a page of rows, all of one moment, and where the next one begins, nil when
// this is the last. The error may be a *ConditionError.
func (s *Store) Select(ctx context.Context, q Select) (rows []Selected, next *Mark, err error) {
	p := s.tables()[q.Type]
	if p == nil {
		return nil, nil, ErrNotFound
	}
	err = s.look(ctx, func(t *tx) error {
		t.from = nil // not to keep every question that was ever asked
		villages, err := t.villagesOf(q.Villages)
		if err != nil {
			return err
		}
		r := &selecting{ctx: ctx, s: s, t: t, p: p, Select: q}
		if len(q.Order) > 0 {
			next, err = r.ordered(villages)
		} else {
			next, err = r.plain(villages)
		}
		rows = r.rows
		return err
	})
	return rows, next, err
}

// SelectCount gives how many rows a Select has, whatever its place and limit.
func (s *Store) SelectCount(ctx context.Context, q Select) (n int, err error) {
	p := s.tables()[q.Type]
	if p == nil {
		return 0, ErrNotFound
	}
	err = s.look(ctx, func(t *tx) error {
		t.from = nil
		villages, err := t.villagesOf(q.Villages)
		if err != nil {
			return err
		}
		r := &selecting{ctx: ctx, s: s, t: t, p: p, Select: q}
		for _, v := range villages {
			m, err := r.count(v)
			if err != nil {
				return err
			}
			n += m
		}
		return nil
	})
	return n, err
}

func (t *tx) villagesOf(only []record.Village) ([]record.Village, error) {
	all, err := t.villages()
	if len(only) > 0 {
		all = slices.DeleteFunc(all, func(v record.Village) bool { return !slices.Contains(only, v) })
	}
	return all, err
}

// selecting is a Select at work in one transaction.
type selecting struct {
	ctx context.Context
	s   *Store
	t   *tx
	p   *table
	Select
	rows []Selected
}

// where gives the condition of a village, whose code is the first argument.
func (r *selecting) where(v record.Village) (*compiler, string, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, "", err
	}
	c := &compiler{p: r.p, hidden: hiddenOf(r.p.form, r.Shows), args: []any{string(v)}}
	text := "f.village_id = $1"
	if r.Filter != nil {
		test, err := c.test(*r.Filter)
		if err != nil {
			return nil, "", err
		}
		text += " AND " + test
	}
	return c, text, nil
}

func (r *selecting) count(v record.Village) (n int, err error) {
	c, where, err := r.where(v)
	if err != nil {
		return 0, err
	}
	return n, r.t.row(fmt.Sprintf(`SELECT count(*) FROM %s f WHERE %s`, quote(r.p.name), where), c.args...).Scan(&n)
}

// plain goes through the villages in their order.
func (r *selecting) plain(villages []record.Village) (*Mark, error) {
	begun, skip := time.Now(), r.Skip
	var at *Mark
	for _, v := range villages {
		from := ""
		if r.After != nil {
			if v < r.After.Village {
				continue
			}
			if v == r.After.Village {
				if from = r.After.ID; from == afterAll {
					continue
				}
			}
		}
		if at != nil && (len(r.rows) == r.Limit || skip == 0 && time.Since(begun) > r.Patience) {
			return at, r.marks()
		}
		if skip > 0 && from == "" {
			n, err := r.count(v)
			if err != nil {
				return nil, err
			}
			if n <= skip {
				skip, at = skip-n, &Mark{Village: v, ID: afterAll}
				continue
			}
		}
		c, where, err := r.where(v)
		if err != nil {
			return nil, err
		}
		where += " AND f.record_id > " + c.arg(from)
		full := false
		if err := r.read(v, where, fmt.Sprintf("ORDER BY f.record_id LIMIT %d", r.Limit-len(r.rows)+1+skip), c.args, func(row Selected) {
			switch {
			case skip > 0:
				skip--
			case len(r.rows) == r.Limit:
				full = true
			default:
				r.rows = append(r.rows, row)
			}
		}); err != nil {
			return nil, err
		}
		at = &Mark{Village: v, ID: afterAll}
		if full && len(r.rows) > 0 {
			last := r.rows[len(r.rows)-1]
			return &Mark{Village: v, ID: last.ID}, r.marks()
		}
	}
	return nil, r.marks()
}

// read reads the rows of a village.
func (r *selecting) read(v record.Village, where, rest string, args []any, each func(Selected)) error {
	columns := []string{"f.record_id", "f.life", "f.author", "f.created_at", "f.updated_at", "f.marks"}
	cells := make([]any, len(r.Fields))
	var row Selected
	var marks string
	hidden := hiddenOf(r.p.form, r.Shows)
	into := []any{&row.ID, &row.Life, &row.Authors, &row.Created, &row.Updated, &marks}
	for i, fd := range r.Fields {
		columns, into = append(columns, "f."+quote(fd.Name)), append(into, &cells[i])
	}
	return r.t.rows(func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		made := row
		made.Village, made.Marked = string(v), marked(marks, hidden)
		made.Values = make([]record.Value, len(cells))
		for i, fd := range r.Fields {
			made.Values[i] = fromColumn(fd, cells[i])
		}
		each(made)
		return nil
	}, fmt.Sprintf(`SELECT %s FROM %s f WHERE %s %s`, strings.Join(columns, ", "), quote(r.p.name), where, rest), args...)
}

// marks adds to the rows what waits for a person in them.
func (r *selecting) marks() error {
	at := map[[2]string]*Selected{}
	ids := map[string][]string{}
	for i := range r.rows {
		row := &r.rows[i]
		at[[2]string{row.Village, row.ID}] = row
		ids[row.Village] = append(ids[row.Village], row.ID)
	}
	for v, list := range ids {
		among, err := json.Marshal(list)
		if err != nil {
			return err
		}
		if err := r.t.rows(func(rows *sql.Rows) error {
			var id, kind string
			var path record.Path
			if err := rows.Scan(&id, &path, &kind); err != nil {
				return err
			}
			row := at[[2]string{v, id}]
			switch Kind(kind) {
			case Conflict:
				row.Conflicts = append(row.Conflicts, path)
			case Proposal:
				row.Proposals = append(row.Proposals, path)
			}
			return nil
		}, `SELECT record_id, path, kind FROM review WHERE village_id = $1 AND `+r.s.engine.Among("record_id", 2)+` ORDER BY record_id, path`, v, string(among)); err != nil {
			return err
		}
	}
	return nil
}

// ordered gives a page in an order of its own: each village is asked for as many of its
// first as may come into it, and the rows themselves are read at the end.
func (r *selecting) ordered(villages []record.Village) (*Mark, error) {
	most := r.Skip + r.Limit + 1
	var best []Mark
	for _, v := range villages {
		c, where, err := r.where(v)
		if err != nil {
			return nil, err
		}
		columns, orders := []string{"f.record_id"}, []string{}
		for _, o := range r.Order {
			text, err := c.operand(o.Operand)
			if err != nil {
				return nil, err
			}
			columns = append(columns, text)
			// Engines differ in where they put what is not there.
			if o.Down {
				orders = append(orders, text+" IS NULL", text+" DESC")
			} else {
				orders = append(orders, text+" IS NOT NULL", text)
			}
		}
		if r.After != nil {
			where += " AND " + r.behind(c, v, columns[1:])
		}
		if err := r.t.rows(func(rows *sql.Rows) error {
			m := Mark{Village: v, Values: make([]any, len(r.Order))}
			into := []any{&m.ID}
			for i := range m.Values {
				into = append(into, &m.Values[i])
			}
			err := rows.Scan(into...)
			best = append(best, m)
			return err
		}, fmt.Sprintf(`SELECT %s FROM %s f WHERE %s ORDER BY %s, f.record_id LIMIT %d`, strings.Join(columns, ", "), quote(r.p.name), where, strings.Join(orders, ", "), most), c.args...); err != nil {
			return nil, err
		}
		if len(best) > most {
			slices.SortFunc(best, r.compare)
			best = best[:most]
		}
	}
	slices.SortFunc(best, r.compare)
	best = best[min(r.Skip, len(best)):]
	more := len(best) > r.Limit
	if more {
		best = best[:r.Limit]
	}
	if err := r.fetch(best); err != nil {
		return nil, err
	}
	if !more || len(best) == 0 {
		return nil, r.marks()
	}
	return &best[len(best)-1], r.marks()
}

// behind gives the condition that a row of a village comes behind the mark.
func (r *selecting) behind(c *compiler, v record.Village, columns []string) string {
	text := "1 = 0"
	switch cmp.Compare(v, r.After.Village) {
	case 0:
		text = "f.record_id > " + c.arg(r.After.ID)
	case 1:
		text = "1 = 1"
	}
	for i := len(columns) - 1; i >= 0; i-- {
		col, o := columns[i], r.Order[i]
		value := r.After.Values[i]
		switch {
		case value == nil && o.Down:
			text = fmt.Sprintf("(%s IS NULL AND %s)", col, text)
		case value == nil:
			text = fmt.Sprintf("(%s IS NOT NULL OR %s)", col, text)
		case o.Down:
			n := c.arg(value)
			text = fmt.Sprintf("(%s IS NULL OR %s < %s OR (%s = %s AND %s))", col, col, n, col, n, text)
		default:
			n := c.arg(value)
			text = fmt.Sprintf("(%s > %s OR (%s = %s AND %s))", col, n, col, n, text)
		}
	}
	return text
}

func (r *selecting) compare(a, b Mark) int {
	for i, o := range r.Order {
		c := CompareValues(a.Values[i], b.Values[i])
		if o.Down {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.Village, b.Village), cmp.Compare(a.ID, b.ID))
}

// CompareValues orders what columns hold as the database does; nil comes first, a truth
// value is 0 or 1.
func CompareValues(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(btoi(a != nil), btoi(b != nil))
	}
	x, numeric := number(a)
	y, both := number(b)
	if numeric && both {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		return float64(btoi(v)), true
	}
	return math.NaN(), false
}

// fetch reads the rows of marks, in their order.
func (r *selecting) fetch(of []Mark) error {
	ids := map[record.Village][]string{}
	for _, m := range of {
		ids[m.Village] = append(ids[m.Village], m.ID)
	}
	found := make(map[[2]string]Selected, len(of))
	for v, list := range ids {
		among, err := json.Marshal(list)
		if err != nil {
			return err
		}
		if err := r.read(v, "f.village_id = $1 AND "+r.s.engine.Among("f.record_id", 2), "", []any{string(v), string(among)}, func(row Selected) {
			found[[2]string{row.Village, row.ID}] = row
		}); err != nil {
			return err
		}
	}
	for _, m := range of {
		row, there := found[[2]string{string(m.Village), m.ID}]
		if !there {
			return errors.New("a row is gone within its transaction")
		}
		r.rows = append(r.rows, row)
	}
	return nil
}
