package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"zhucun/shared/flow"
	"zhucun/shared/record"
)

// FlowQuery asks for valid records of a type that goes through states (package flow), by
// the day on which they are due; those without one come last.
type FlowQuery struct {
	Type     record.Type
	Villages []record.Village // none means all
	States   []string         // none means all
	// Before is a day: only what was due before it and is not done; "" is no matter.
	Before string
	Where  []Condition
	After  Place // where the page before ended
	Limit  int
}

// noDue stands for the day of what is never due.
const noDue = "9999-12-31"

// flowOf gives the flow of a table's records; nil where they have none, or the office has
// taken its fields out of the form.
func (p *table) flowOf() *flow.Flow {
	w := flow.Of(p.form.Type)
	if w == nil || p.form.Field(w.State) == nil || p.form.Field(w.Due) == nil {
		return nil
	}
	return w
}

// flowKeys are the columns of the index by which records of a flow are listed.
func flowKeys(w *flow.Flow, alias string) (state, due string) {
	return fmt.Sprintf("coalesce(%s%s, '')", alias, quote(w.State)), fmt.Sprintf("coalesce(%s%s, '%s')", alias, quote(w.Due), noDue)
}

// indexFlow makes it.
func (p *table) indexFlow(t *tx) error {
	w := p.flowOf()
	if w == nil {
		return nil
	}
	state, due := flowKeys(w, "")
	return t.exec(fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s(%s, %s, village_id, record_id, life)`, quote(p.name+"_flow"), quote(p.name), state, due))
}

// course is one FlowQuery at work in one transaction.
type course struct {
	s     *Store
	t     *tx
	p     *table
	w     *flow.Flow
	q     FlowQuery
	until time.Time
}

func (s *Store) course(q FlowQuery) (*course, error) {
	p := s.tables()[q.Type]
	if p == nil || p.flowOf() == nil {
		return nil, ErrNotFound
	}
	c := &course{s: s, p: p, w: p.flowOf(), q: q}
	if len(q.States) == 0 {
		c.q.States = append(c.q.States, "")
		for _, choice := range p.form.Field(c.w.State).Choices {
			c.q.States = append(c.q.States, choice.Name)
		}
	}
	if q.Before != "" {
		c.q.States = slices.DeleteFunc(slices.Clone(c.q.States), func(state string) bool { return !c.w.Open(state) })
	}
	return c, nil
}

// where gives the conditions of the query but for its states; in a few villages the index
// of the states is left alone, as each has less than a state has in all.
func (c *course) where(a *params) ([]string, error) {
	where := []string{"f.life = 'alive'"}
	_, due := flowKeys(c.w, "f.")
	if c.q.Before != "" {
		where = append(where, due+" < "+a.add(c.q.Before))
	}
	if len(c.q.Villages) > 0 {
		where = append(where, c.s.engine.Among("f.village_id", len(a.args)+1))
		a.add(listOf(c.q.Villages))
	}
	for _, cond := range c.q.Where {
		test, args, err := c.p.condition(cond, len(a.args)+1)
		if err != nil {
			return nil, err
		}
		where, a.args = append(where, test), append(a.args, args...)
	}
	return where, nil
}

// Flowing gives a page of records in their states. Where little of much fits, it ends when
// its time is up: the page is Partial then and Next goes on. ErrNotFound: the type has no
// states. The error may be a *ConditionError.
func (s *Store) Flowing(ctx context.Context, q FlowQuery) (l Listing, err error) {
	c, err := s.course(q)
	if err != nil {
		return l, err
	}
	err = s.look(ctx, func(t *tx) error {
		t.from = nil
		c.t, c.until = t, time.Now().Add(browseFor)
		l = Listing{}
		if len(q.Villages) > 0 {
			return c.inVillages(&l)
		}
		return c.everywhere(&l)
	})
	return l, err
}

func (c *course) place(r *Row) Place {
	due, _ := r.Fields[c.w.Due].Text()
	return Place{Value: cmp.Or(due, noDue), Village: r.Village, ID: r.ID.String()}
}

// beyond gives the condition of what comes after a place.
func (c *course) beyond(at Place, a *params) string {
	_, due := flowKeys(c.w, "f.")
	return fmt.Sprintf("(%s, f.village_id, f.record_id) > (%s, %s, %s)", due, a.add(at.Value), a.add(at.Village), a.add(at.ID))
}

func (c *course) read(where []string, limit int, a *params) (rows []Row, err error) {
	_, due := flowKeys(c.w, "f.")
	return rows, c.t.rows(func(r *sql.Rows) error {
		row, err := c.p.scan(r)
		rows = append(rows, row)
		return err
	}, fmt.Sprintf(`SELECT %s FROM %s f WHERE %s ORDER BY %s, f.village_id, f.record_id LIMIT %d`,
		c.p.columns(), quote(c.p.name), strings.Join(where, " AND "), due, limit), a.args...)
}

// inVillages reads a page of a few villages, whose records are sorted as they are read.
func (c *course) inVillages(l *Listing) error {
	a := &params{}
	where, err := c.where(a)
	if err != nil {
		return err
	}
	where = append(where, c.among(a))
	if c.q.After != (Place{}) {
		where = append(where, c.beyond(c.q.After, a))
	}
	if l.Rows, err = c.read(where, c.q.Limit+1, a); err != nil {
		return err
	}
	if len(l.Rows) > c.q.Limit {
		l.Rows = l.Rows[:c.q.Limit]
		l.Next = c.place(&l.Rows[c.q.Limit-1])
	}
	return nil
}

// among gives the condition on the state by which no index is chosen.
func (c *course) among(a *params) string {
	n := len(a.args) + 1
	a.add(listOf(c.q.States))
	return c.s.engine.Among(fmt.Sprintf("('' || coalesce(f.%s, ''))", quote(c.w.State)), n)
}

// stretchOf reads what a state has behind a place, at most so many rows of those that are looked
// at in one go; ends tells how far it looked, the zero Place to the end.
func (c *course) stretchOf(state string, after Place, limit int) (rows []Row, end Place, err error) {
	a := &params{}
	where, err := c.where(a)
	if err != nil {
		return nil, end, err
	}
	key, due := flowKeys(c.w, "f.")
	base := []string{key + " = " + a.add(state)}
	if after != (Place{}) {
		base = append(base, c.beyond(after, a))
	}
	if len(c.q.Where) > 0 {
		b := &params{}
		inner := []string{key + " = " + b.add(state)}
		if after != (Place{}) {
			inner = append(inner, c.beyond(after, b))
		}
		err := c.t.row(fmt.Sprintf(`SELECT %s, f.village_id, f.record_id FROM %s f WHERE %s ORDER BY %s, f.village_id, f.record_id LIMIT 1 OFFSET %d`,
			due, quote(c.p.name), strings.Join(inner, " AND "), due, window-1), b.args...).Scan(&end.Value, &end.Village, &end.ID)
		if err != nil && err != sql.ErrNoRows {
			return nil, end, err
		}
		if err == nil {
			base = append(base, fmt.Sprintf("(%s, f.village_id, f.record_id) <= (%s, %s, %s)", due, a.add(end.Value), a.add(end.Village), a.add(end.ID)))
		}
	}
	if rows, err = c.read(append(base, where...), limit, a); err != nil {
		return nil, end, err
	}
	if len(rows) == limit {
		end = c.place(&rows[limit-1])
	}
	return rows, end, nil
}

// lane is what was read of one state.
type lane struct {
	rows []Row
	end  Place // how far it was looked at
	last bool  // it was looked at to its end
}

// everywhere reads a page of all villages: each state along its part of the index, and of
// what they have the earliest.
func (c *course) everywhere(l *Listing) error {
	lanes := make([]lane, len(c.q.States))
	look := func(n *lane, state string) (err error) {
		n.rows, n.end, err = c.stretchOf(state, n.end, c.q.Limit+1)
		n.last = n.end == Place{}
		return err
	}
	// Each is looked at once, however long that takes: a page that came to nothing would
	// go on where it began.
	for i := range lanes {
		lanes[i].end = c.q.After
		if err := look(&lanes[i], c.q.States[i]); err != nil {
			return err
		}
	}
	for len(l.Rows) <= c.q.Limit {
		next := -1
		for i := range lanes {
			n := &lanes[i]
			for len(n.rows) == 0 && !n.last {
				if time.Now().After(c.until) {
					c.cutShort(l, lanes)
					return nil
				}
				if err := look(n, c.q.States[i]); err != nil {
					return err
				}
			}
			if len(n.rows) > 0 && (next < 0 || before(c.place(&n.rows[0]), c.place(&lanes[next].rows[0]))) {
				next = i
			}
		}
		if next < 0 {
			return nil
		}
		l.Rows, lanes[next].rows = append(l.Rows, lanes[next].rows[0]), lanes[next].rows[1:]
	}
	l.Rows = l.Rows[:c.q.Limit]
	l.Next = c.place(&l.Rows[c.q.Limit-1])
	return nil
}

// cutShort ends a page where its time is up: with what all states were looked at up to.
func (c *course) cutShort(l *Listing, lanes []lane) {
	l.Partial = true
	for i := range lanes {
		if n := &lanes[i]; !n.last && (l.Next == (Place{}) || before(n.end, l.Next)) {
			l.Next = n.end
		}
	}
	var more []Row
	for _, n := range lanes {
		for _, r := range n.rows {
			if !before(l.Next, c.place(&r)) {
				more = append(more, r)
			}
		}
	}
	slices.SortFunc(more, func(a, b Row) int { return compare(c.place(&a), c.place(&b)) })
	if l.Rows = append(l.Rows, more...); len(l.Rows) > c.q.Limit {
		l.Rows = l.Rows[:c.q.Limit]
		l.Next = c.place(&l.Rows[c.q.Limit-1])
	}
}

// compare orders places as FlowQuery lists.
func compare(a, b Place) int {
	return cmp.Or(strings.Compare(a.Value, b.Value), strings.Compare(string(a.Village), string(b.Village)), strings.Compare(a.ID, b.ID))
}

func before(a, b Place) bool { return compare(a, b) < 0 }

// listOf gives texts as the condition Among takes them.
func listOf[T ~string](list []T) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // a list of texts
	}
	return string(b)
}

// FlowCount is how many records are in a state: N, or that many and more.
type FlowCount struct {
	State string
	N     int
	More  bool
}

// FlowCounts counts the records of a query by state, each up to limit, and of those that
// are not done how many were due before the day.
func (s *Store) FlowCounts(ctx context.Context, q FlowQuery, day string, limit int) (states []FlowCount, late FlowCount, err error) {
	q.States, q.Before, q.After = nil, "", Place{}
	c, err := s.course(q)
	if err != nil {
		return nil, late, err
	}
	err = s.look(ctx, func(t *tx) error {
		t.from = nil
		c.t, c.until = t, time.Now().Add(browseFor)
		states, late = nil, FlowCount{}
		for _, state := range c.q.States {
			n := FlowCount{State: state}
			if n.N, n.More, err = c.count(state, "", limit); err != nil {
				return err
			}
			states = append(states, n)
			if !c.w.Open(state) {
				continue
			}
			k, more, err := c.count(state, day, limit)
			if err != nil {
				return err
			}
			late.N, late.More = late.N+k, late.More || more
		}
		if late.N > limit {
			late.N, late.More = limit, true
		}
		return nil
	})
	return states, late, err
}

// count counts the records in a state, those due before a day where one is given.
func (c *course) count(state, day string, limit int) (n int, more bool, err error) {
	a := &params{}
	q := c.q
	q.Before = day
	where, err := (&course{s: c.s, p: c.p, w: c.w, q: q}).where(a)
	if err != nil {
		return 0, false, err
	}
	key, _ := flowKeys(c.w, "f.")
	switch {
	case len(c.q.Villages) > 0:
		one := *c
		one.q.States = []string{state}
		where = append(where, one.among(a))
	case len(c.q.Where) > 0:
		return c.countLong(state, day, limit)
	default:
		where = append(where, key+" = "+a.add(state))
	}
	err = c.t.row(fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 FROM %s f WHERE %s LIMIT %d) AS some`, quote(c.p.name), strings.Join(where, " AND "), limit+1), a.args...).Scan(&n)
	return min(n, limit), n > limit, err
}

// countLong counts what fits of a state, a stretch at a time, until the time is up.
func (c *course) countLong(state, day string, limit int) (n int, more bool, err error) {
	one := *c
	one.q.Before = day
	for at := (Place{}); ; {
		rows, end, err := one.stretchOf(state, at, limit+1-n)
		if err != nil {
			return 0, false, err
		}
		if n += len(rows); n > limit {
			return limit, true, nil
		}
		if end == (Place{}) {
			return n, false, nil
		}
		if at = end; time.Now().After(c.until) {
			return n, true, nil
		}
	}
}

// FundSum is what of a project's money was allotted, came in, was paid and went back, in yuan.
type FundSum struct{ Allocated, Received, Paid, Returned float64 }

// FundSum adds up the valid funds of a project.
func (s *Store) FundSum(ctx context.Context, project record.Key) (sum FundSum, err error) {
	p := s.tables()["fund"]
	if p == nil || p.form.Field("project") == nil || p.form.Field("direction") == nil || p.form.Field("amount") == nil {
		return sum, nil
	}
	into := map[string]*float64{"allocated": &sum.Allocated, "received": &sum.Received, "paid": &sum.Paid, "returned": &sum.Returned}
	err = s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var direction string
			var amount float64
			err := r.Scan(&direction, &amount)
			if n := into[direction]; n != nil {
				*n = amount
			}
			return err
		}, `SELECT coalesce(direction, ''), coalesce(sum(amount), 0) FROM form_fund WHERE village_id = $1 AND project = $2 AND life = 'alive' GROUP BY 1`, project.Village, project.ID.String())
	})
	return sum, err
}
