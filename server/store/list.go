package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Browse asks for a page of a list.
type Browse struct {
	Type    record.Type
	Village record.Village // "" means all
	// Villages are, of all, those that are meant; none means all.
	Villages []record.Village
	Where    []Condition
	// Text is what somebody looks for: every word of it must be found, as search.go says.
	Text string
	// Shows tells the fields that whoever asks may see; nil is all. By others nothing is
	// found.
	Shows func(*form.Field) bool
	// Sort is the field, or updated_at, to order by, and Down whether the largest comes
	// first; "" is the order of the type.
	Sort string
	Down bool
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

// villageEnd stands for the end of a village in a Place.
const villageEnd = "end"

// Listing is a page of a list.
type Listing struct {
	Rows []Row
	// Next is where the next page begins; the zero Place when this is the last.
	Next Place
	// Partial tells that the time was up before the page was full. Next goes on looking.
	Partial bool
	// Behind is how many villages are not looked through yet as of their last changes.
	Behind int
	// Unsorted tells that there is too much to be ordered as was asked: it is in the
	// type's own order.
	Unsorted bool
}

// keepFor is how long whoever looks for something brings keys up to date before.
const keepFor = 300 * time.Millisecond

var (
	// browseFor is how long a page looks for what fits before it shows what there is.
	browseFor = 30 * time.Millisecond
	// window is how many rows are looked at in one go where few may fit.
	window = 2_000
)

// sortable is up to how many records a list of all villages is ordered by any column; for
// the type's own order there is an index.
const sortable = 20_000

// order is by what a list is ordered.
type order struct {
	name string
	down bool
	own  bool // of the type
}

func (o order) way() string {
	if o.down {
		return " DESC"
	}
	return ""
}

func (o order) after() string {
	if o.down {
		return "<"
	}
	return ">"
}

// all is whether records without a value are none.
func (o order) all() bool { return o.name == "updated_at" }

// orderOf gives the order of a list, and whether it is not the one that was asked for.
func (s *Store) orderOf(t *tx, p *table, q Browse, byVillage bool) (o order, unsorted bool, err error) {
	o.name, o.down = p.order()
	o.own = true
	if q.Sort == "" {
		return o, false, nil
	}
	if q.Sort == o.name {
		o.down = q.Down
		return o, false, nil
	}
	if fd := p.form.Field(q.Sort); q.Sort != "updated_at" && (fd == nil || fd.Many() || fd.Masked || fd.Kind == form.Geopoint) {
		return o, false, &ConditionError{Field: q.Sort, Near: p.form.Nearest(q.Sort)}
	}
	if q.Village == "" {
		n := 0
		if byVillage {
			n = sortable + 1
		} else if err := t.row(fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d) AS some", quote(p.name), sortable+1)).Scan(&n); err != nil {
			return o, false, err
		}
		if n > sortable {
			return o, true, nil
		}
	}
	return order{name: q.Sort, down: q.Down}, false, nil
}

// Browse gives a page of a list in its order. Records without a value to order by come
// last. The error may be a *ConditionError.
//
// A list of all villages goes along the index of its order and looks at what is there, a
// window at a time; what is looked for by keys is listed village by village, each in its
// order. Neither takes longer than a page may: what is left is looked through when
// somebody asks for more.
func (s *Store) Browse(ctx context.Context, q Browse) (l Listing, err error) {
	p := s.tables()[q.Type]
	if p == nil {
		return l, ErrNotFound
	}
	if q.Shows == nil {
		q.Shows = func(*form.Field) bool { return true }
	}
	q.Text = strings.TrimSpace(q.Text)
	byKeys := q.Text != "" && s.byKeys(p)
	if byKeys {
		if l.Behind, err = s.keepLists(ctx, q.Village, keepFor); err != nil {
			return l, err
		}
	}
	behind := l.Behind
	err = s.look(ctx, func(t *tx) error {
		t.from = nil // not to keep every question that was ever asked
		o, unsorted, err := s.orderOf(t, p, q, byKeys)
		if err != nil {
			return err
		}
		b := browsing{s: s, t: t, p: p, q: q, o: o, until: time.Now().Add(browseFor)}
		switch {
		case q.Village != "":
			b.rows, err = b.village(q.Village, q.After, q.Limit+1)
		case byKeys:
			err = b.villages()
		default:
			err = b.everywhere()
		}
		l = b.listing()
		l.Unsorted, l.Behind = unsorted, behind
		return err
	})
	return l, err
}

// byKeys tells whether a text is looked for in a type by keys.
func (s *Store) byKeys(p *table) bool {
	self, refs := s.finds(p)
	return self || len(refs) > 0
}

// browsing is a page in the making.
type browsing struct {
	s     *Store
	t     *tx
	p     *table
	q     Browse
	o     order
	until time.Time
	rows  []Row
	at    Place // how far it came where the time was up
}

func (b *browsing) listing() Listing {
	l := Listing{Rows: b.rows, Next: b.at, Partial: b.at != Place{}}
	if len(l.Rows) > b.q.Limit {
		l.Rows = l.Rows[:b.q.Limit]
		l.Partial, l.Next = false, b.place(l.Rows[b.q.Limit-1])
	}
	return l
}

func (b *browsing) place(last Row) Place {
	return Place{Value: b.p.placeOf(b.o.name, last), Village: last.Village, ID: last.ID.String()}
}

func (b *browsing) full() bool { return len(b.rows) > b.q.Limit }

func (b *browsing) late() bool { return time.Now().After(b.until) }

// village reads what a village has of a page.
func (b *browsing) village(v record.Village, after Place, limit int) (rows []Row, err error) {
	if after.ID == villageEnd {
		return nil, nil
	}
	began := after != Place{}
	key := "f." + quote(b.o.name)
	for _, empty := range []bool{false, true} {
		if len(rows) >= limit || empty && b.o.all() || !empty && began && after.Value == "" {
			continue
		}
		a := &params{args: []any{v}}
		where, err := b.s.listed(b.p, b.q, a)
		if err != nil {
			return nil, err
		}
		where = append(where, "f.village_id = $1")
		sort := fmt.Sprintf("%s%s, f.record_id%s", key, b.o.way(), b.o.way())
		if empty {
			where, sort = append(where, key+" IS NULL"), "f.record_id"+b.o.way()
			if began && after.Value == "" {
				where = append(where, fmt.Sprintf("f.record_id %s %s", b.o.after(), a.add(after.ID)))
			}
		} else {
			where = append(where, key+" IS NOT NULL")
			if began {
				value, err := b.p.place(b.o.name, after.Value)
				if err != nil {
					return nil, &ConditionError{Field: b.o.name, Err: err}
				}
				where = append(where, fmt.Sprintf("(%s, f.record_id) %s (%s, %s)", key, b.o.after(), a.add(value), a.add(after.ID)))
			}
			if b.q.Text != "" {
				// The few that hold a text are found by what they name, not by
				// walking all of them in their order.
				sort = fmt.Sprintf("coalesce(%s, NULL)%s, f.record_id%s", key, b.o.way(), b.o.way())
			}
		}
		// Which rows comes first, what is in them second: sorting whole rows costs
		// ten times as much.
		err = b.t.rows(func(r *sql.Rows) error {
			row, err := b.p.scan(r)
			rows = append(rows, row)
			return err
		}, fmt.Sprintf(`SELECT %s FROM %s f WHERE f.village_id = $1 AND f.record_id IN
			(SELECT f.record_id FROM %s f WHERE %s ORDER BY %s LIMIT %d) ORDER BY %s`,
			b.p.columns(), quote(b.p.name), quote(b.p.name), strings.Join(where, " AND "), sort, limit-len(rows), sort), a.args...)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// villages reads a page village by village, of those that have what is looked for.
func (b *browsing) villages() error {
	list, err := b.having()
	if err != nil {
		return err
	}
	for i, v := range list {
		after := Place{}
		if v == b.q.After.Village {
			after = b.q.After
		}
		rows, err := b.village(v, after, b.q.Limit+1-len(b.rows))
		if err != nil {
			return err
		}
		if b.rows = append(b.rows, rows...); b.full() {
			return nil
		}
		if i < len(list)-1 && b.late() {
			b.at = Place{Village: v, ID: villageEnd}
			return nil
		}
	}
	return nil
}

// having gives the villages that may have what is looked for, from where the page before
// ended.
func (b *browsing) having() (list []record.Village, err error) {
	a := &params{}
	from := ">= " + a.add(b.q.After.Village)
	if b.q.After.ID == villageEnd {
		from = from[:1] + from[2:]
	}
	test := b.s.villageTest(b.p, b.q.Text, b.q.Shows, a)
	return list, b.t.rows(func(r *sql.Rows) error {
		var v record.Village
		err := r.Scan(&v)
		list = append(list, v)
		return err
	}, `SELECT h.village_id FROM village_head h WHERE h.village_id `+from+` AND `+test+` ORDER BY h.village_id`, a.args...)
}

// everywhere reads a page along the order of all villages.
func (b *browsing) everywhere() error {
	for _, empty := range []bool{false, true} {
		after := b.q.After
		inEmpty := after != Place{} && after.Value == ""
		if b.full() || empty && b.o.all() || !empty && inEmpty {
			continue
		}
		if empty && !inEmpty {
			after = Place{}
		}
		for {
			w, err := b.window(empty, after)
			if err != nil {
				return err
			}
			if err := b.t.rows(func(r *sql.Rows) error {
				row, err := b.p.scan(r)
				b.rows = append(b.rows, row)
				return err
			}, fmt.Sprintf(`SELECT %s FROM %s f WHERE %s ORDER BY %s LIMIT %d`, b.p.columns(), quote(b.p.name), w.where, w.sort, b.q.Limit+1-len(b.rows)), w.args...); err != nil {
				return err
			}
			if b.full() || w.end == (Place{}) {
				break
			}
			if after = w.end; b.late() {
				b.at = w.end
				return nil
			}
		}
	}
	return nil
}

// stretch is what is looked at in one go, and where it ends; the zero Place where that is
// the end of the list.
type stretch struct {
	where, sort string
	args        []any
	end         Place
}

// window gives the next stretch of a list behind a place: the rows with a value to order
// by, or those without one (empty).
func (b *browsing) window(empty bool, after Place) (w stretch, err error) {
	key, a := "f."+quote(b.o.name), &params{}
	keys, place := []string{key, "f.village_id", "f.record_id"}, func(at Place) ([]string, error) {
		value, err := b.p.place(b.o.name, at.Value)
		if err != nil {
			return nil, &ConditionError{Field: b.o.name, Err: err}
		}
		return []string{a.add(value), a.add(at.Village), a.add(at.ID)}, nil
	}
	where := []string{key + " IS NOT NULL"}
	if empty {
		where, keys = []string{key + " IS NULL"}, keys[1:]
		place = func(at Place) ([]string, error) { return []string{a.add(at.Village), a.add(at.ID)}, nil }
	}
	bound := func(than string, at Place) error {
		values, err := place(at)
		where = append(where, fmt.Sprintf("(%s) %s (%s)", strings.Join(keys, ", "), than, strings.Join(values, ", ")))
		return err
	}
	if after != (Place{}) {
		if err := bound(b.o.after(), after); err != nil {
			return w, err
		}
	}
	w.sort = strings.Join(keys, b.o.way()+", ") + b.o.way()
	// Conditions on what the list is ordered by make the stretch itself.
	var rest []Condition
	for _, c := range b.q.Where {
		if c.Field != b.o.name || empty {
			rest = append(rest, c)
			continue
		}
		test, args, err := b.p.condition(c, len(a.args)+1)
		if err != nil {
			return w, err
		}
		where, a.args = append(where, test), append(a.args, args...)
	}
	if b.o.own && (len(rest) > 0 || b.q.Text != "" || len(b.q.Villages) > 0) {
		at := Place{}
		var value any
		into := []any{&value, &at.Village, &at.ID}
		columns := "NULL, " + strings.Join(keys[len(keys)-2:], ", ")
		if !empty {
			columns = strings.Join(keys, ", ")
		}
		err := b.t.row(fmt.Sprintf(`SELECT %s FROM %s f WHERE %s ORDER BY %s LIMIT 1 OFFSET %d`, columns, quote(b.p.name), strings.Join(where, " AND "), w.sort, window-1), a.args...).Scan(into...)
		switch {
		case err == nil:
			at.Value = placeText(value)
			w.end = at
			if err := bound(b.o.upTo(), at); err != nil {
				return w, err
			}
		case err != sql.ErrNoRows:
			return w, err
		}
	}
	q := b.q
	q.Where = rest
	more, err := b.s.listed(b.p, q, a)
	w.where, w.args = strings.Join(append(where, more...), " AND "), a.args
	return w, err
}

// upTo is up to a place.
func (o order) upTo() string {
	if o.down {
		return ">="
	}
	return "<="
}

// placeText gives an ordering value as a Place tells it.
func placeText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// Count gives how many rows a list has, at most limit; exact tells that there are no more.
func (s *Store) Count(ctx context.Context, q Browse, limit int) (n int, exact bool, err error) {
	p := s.tables()[q.Type]
	if p == nil {
		return 0, false, ErrNotFound
	}
	if q.Shows == nil {
		q.Shows = func(*form.Field) bool { return true }
	}
	q.Text, q.After = strings.TrimSpace(q.Text), Place{}
	if len(q.Where) == 0 && q.Text == "" && q.Village == "" && len(q.Villages) == 0 {
		counts, err := s.TypeCounts(ctx)
		return counts[q.Type], true, err
	}
	byKeys := q.Text != "" && s.byKeys(p)
	behind := 0
	if byKeys {
		if behind, err = s.keepLists(ctx, q.Village, keepFor); err != nil {
			return 0, false, err
		}
	}
	err = s.look(ctx, func(t *tx) error {
		t.from = nil
		n, exact = 0, behind == 0
		o := order{own: true}
		o.name, o.down = p.order()
		b := browsing{s: s, t: t, p: p, q: q, o: o, until: time.Now().Add(browseFor)}
		done := func(more int) bool {
			if n += more; n > limit {
				n, exact = limit, false
				return true
			}
			return false
		}
		if q.Village != "" {
			more, err := b.countIn(q.Village, limit+1)
			done(more)
			return err
		}
		if byKeys {
			return b.countVillages(done, func() { exact = false }, limit+1)
		}
		for _, empty := range []bool{false, true} {
			if empty && b.o.all() {
				continue
			}
			for after := (Place{}); ; {
				w, err := b.window(empty, after)
				if err != nil {
					return err
				}
				more := 0
				if err := t.row(fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 FROM %s f WHERE %s ORDER BY %s LIMIT %d) AS some`, quote(p.name), w.where, w.sort, limit+1-n), w.args...).Scan(&more); err != nil {
					return err
				}
				if done(more) {
					return nil
				}
				if after = w.end; after == (Place{}) {
					break
				}
				if b.late() {
					exact = false
					return nil
				}
			}
		}
		return nil
	})
	return n, exact, err
}

func (b *browsing) countIn(v record.Village, limit int) (n int, err error) {
	a := &params{args: []any{v}}
	where, err := b.s.listed(b.p, b.q, a)
	if err != nil {
		return 0, err
	}
	where = append(where, "f.village_id = $1")
	return n, b.t.row(fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s f WHERE %s LIMIT %d) AS some", quote(b.p.name), strings.Join(where, " AND "), limit), a.args...).Scan(&n)
}

func (b *browsing) countVillages(done func(int) bool, late func(), limit int) error {
	list, err := b.having()
	if err != nil {
		return err
	}
	for i, v := range list {
		more, err := b.countIn(v, limit)
		if err != nil || done(more) {
			return err
		}
		if i < len(list)-1 && b.late() {
			late()
			return nil
		}
	}
	return nil
}

// listed gives the conditions of a list but for its village, which is parameter 1 where a
// text is looked for by keys.
func (s *Store) listed(p *table, q Browse, a *params) ([]string, error) {
	var where []string
	for _, c := range q.Where {
		test, args, err := p.condition(c, len(a.args)+1)
		if err != nil {
			return nil, err
		}
		where, a.args = append(where, test), append(a.args, args...)
	}
	if len(q.Villages) > 0 {
		where = append(where, s.engine.Among("f.village_id", len(a.args)+1))
		a.add(listOf(q.Villages))
	}
	if q.Text != "" {
		test, _ := s.textTest(p, q.Text, q.Shows, a)
		where = append(where, test)
	}
	return where, nil
}
