package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// The figures of a village are a function of its records, so they are kept under the
// number of its last change (feed), and count until that has moved. No delivery pays
// for them: whoever asks, and Watch ahead of them, works out those that are behind.

// FigureTable is the figures of villages in one period.
type FigureTable struct {
	Report
	Period figure.Period
	Rows   []FigureRow // by code
	// Behind is how many villages have changed since, or are not worked out yet.
	Behind int
}

// FigureRow is a village.
type FigureRow struct {
	Fresh
	figure.Figures
	// Known tells that there are figures, perhaps of before the last changes.
	Known bool
	// Of is the feed number that they are of, Until their last day.
	Of    uint64
	Until string
	// Closed is when the month was closed, zero while it is not. Then the figures are
	// those of that moment: what was merged later changes nothing about them.
	Closed clock.Time
	Login  string // who closed it
}

// After tells that something was merged after the month was closed.
func (r *FigureRow) After() bool { return r.Closed != 0 && r.Feed > r.Of }

// behind tells that the figures are to be worked out, as of a day.
func (r *FigureRow) behind(day string) bool {
	return r.Closed == 0 && (!r.Known || r.Of != r.Feed || r.Until != day)
}

// FigureQuery asks for figures of some months or years.
type FigureQuery struct {
	Periods []figure.Period
	// Village is the only one that is asked for; "" is all.
	Village record.Village
	// Closed asks for what was closed, of months that are closed.
	Closed bool
	// Patience is how long villages are worked out anew that have changed since theirs
	// were, and twenty times as long those of which there is nothing yet. Of the others
	// the tables have what was before, and say how many they are.
	Patience time.Duration
}

// Figures gives the figures of some months or years, a table each, all as of one moment.
func (s *Store) Figures(ctx context.Context, q FigureQuery) ([]FigureTable, error) {
	of := q.Periods
	tables := make([]FigureTable, len(of))
	type place struct{ table, row int }
	var made []place
	err := s.look(ctx, func(t *tx) error {
		made = nil
		rep, err := s.report(t)
		if err != nil {
			return err
		}
		if q.Village != "" {
			rep.Fresh = slices.DeleteFunc(rep.Fresh, func(f Fresh) bool { return f.Village != q.Village })
		}
		for i, p := range of {
			tables[i] = FigureTable{Report: rep, Period: p}
			if tables[i].Rows, err = t.keptFigures(rep, p, q); err != nil {
				return err
			}
		}
		began := time.Now()
		for row, f := range rep.Fresh {
			var v *figure.Village
			for i := range tables {
				r := &tables[i].Rows[row]
				if !r.behind(of[i].To) {
					continue
				}
				most := q.Patience
				if !r.Known {
					most *= 20
				}
				if v == nil && time.Since(began) >= most {
					tables[i].Behind++
					continue
				}
				if v == nil {
					if err := ctx.Err(); err != nil {
						return err
					}
					if v, err = s.villageFigures(t, f.Village); err != nil {
						return err
					}
				}
				r.Figures, r.Known, r.Of, r.Until = v.Of(of[i]), true, r.Feed, of[i].To
				made = append(made, place{i, row})
			}
		}
		return nil
	})
	if err != nil || len(made) == 0 {
		return tables, err
	}
	return tables, s.change(ctx, func(t *tx) error {
		for _, m := range made {
			if err := t.keepFigures(of[m.table], &tables[m.table].Rows[m.row]); err != nil {
				return err
			}
		}
		return nil
	})
}

// KeepFigures works out the figures of this month ahead of whoever asks for them, and
// once a minute those of the year before it, until ctx ends.
func (s *Store) KeepFigures(ctx context.Context) {
	var trend time.Time // when it was all there
	day := ""
	s.keep(ctx, keeper{failed: "figures were not worked out", turn: func(ctx context.Context) (behind int, err error) {
		today := Day(clock.At0(s.now()))
		p, err := figure.MonthOf(today[:len("2017-05")], today)
		if err != nil {
			return 0, err
		}
		tables, err := s.Figures(ctx, FigureQuery{Periods: []figure.Period{p}, Patience: figuresGo})
		if err != nil {
			return 0, err
		}
		behind = tables[0].Behind
		if behind == 0 && time.Since(trend) >= time.Minute {
			if behind, err = s.keepTrend(ctx, today); err != nil {
				return behind, err
			}
			if behind == 0 {
				trend = time.Now()
			}
		}
		if day != today {
			day = today
			err = s.forgetFigures(ctx)
		}
		return behind, err
	}})
}

// figuresKept is for how many days figures are kept that were worked out for a month
// which somebody looked at; of older ones they are worked out again.
const figuresKept = 400

func (s *Store) forgetFigures(ctx context.Context) error {
	before := s.Now().AddDate(0, 0, -figuresKept)
	return s.change(ctx, func(t *tx) error {
		return t.exec(`DELETE FROM figure WHERE village_id IN (SELECT village_id FROM village_head) AND until < $1`, Day(clock.At0(before.UnixMilli())))
	})
}

// keepFigures keeps what was worked out: of two who did, what the one who saw more made.
func (t *tx) keepFigures(p figure.Period, r *FigureRow) error {
	body, err := cbor.Marshal(&r.Figures)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO figure(village_id, period, until, feed, body) VALUES($1, $2, $3, $4, $5)
		ON CONFLICT(village_id, period) DO UPDATE SET until = excluded.until, feed = excluded.feed, body = excluded.body
		WHERE figure.feed < excluded.feed OR figure.feed = excluded.feed AND figure.until < excluded.until`,
		r.Village, p.Name, p.To, r.Of, body)
}

// keptFigures gives a row for each village of the report, with what is kept of it.
func (t *tx) keptFigures(rep Report, p figure.Period, q FigureQuery) ([]FigureRow, error) {
	list := make([]FigureRow, len(rep.Fresh))
	at := make(map[record.Village]*FigureRow, len(list))
	for i, f := range rep.Fresh {
		list[i].Fresh = f
		at[f.Village] = &list[i]
	}
	where, args := "", []any{p.Name}
	if q.Village != "" {
		where, args = ` AND village_id = $2`, append(args, q.Village)
	}
	var code record.Village
	var until string
	var body []byte
	var of uint64
	if err := t.rows(func(r *sql.Rows) error {
		err := r.Scan(&code, &until, &of, &body)
		if row := at[code]; err == nil && row != nil && cbor.Unmarshal(body, &row.Figures) == nil {
			row.Known, row.Of, row.Until = true, of, until
		}
		return err
	}, `SELECT village_id, until, feed, body FROM figure WHERE period = $1`+where, args...); err != nil {
		return nil, err
	}
	if !q.Closed {
		return list, nil
	}
	return list, t.rows(func(r *sql.Rows) error {
		var ms int64
		var login string
		if err := r.Scan(&code, &of, &ms, &login, &body); err != nil {
			return err
		}
		row := at[code]
		if row == nil {
			return nil
		}
		row.Figures, row.Known, row.Of, row.Until, row.Closed, row.Login = figure.Figures{}, true, of, p.To, milli(ms), login
		if err := cbor.Unmarshal(body, &row.Figures); err != nil {
			return fmt.Errorf("what was closed of %s in %s: %w", code, p.Name, err)
		}
		return nil
	}, `SELECT village_id, feed, closed_at, login, body FROM closing WHERE month = $1`+where, args...)
}

// VillageFigures gives what the figures of a village are made of, to ask who is behind
// a figure. It is of one moment.
func (s *Store) VillageFigures(ctx context.Context, code record.Village) (v *figure.Village, err error) {
	err = s.look(ctx, func(t *tx) (err error) {
		v, err = s.villageFigures(t, code)
		return err
	})
	return v, err
}

func (s *Store) villageFigures(t *tx, code record.Village) (*figure.Village, error) {
	v := figure.New(s.rules.Load())
	apart, err := s.apart(t, code)
	if err != nil {
		return nil, err
	}
	needs := figure.Needs()
	for _, typ := range slices.Sorted(maps.Keys(needs)) {
		p := s.tables()[typ]
		fields := make([]*form.Field, len(needs[typ]))
		cells := make([]any, len(fields))
		var id string
		into := []any{&id}
		columns := []string{"record_id"}
		for i, name := range needs[typ] {
			fields[i] = p.form.Field(name)
			columns = append(columns, quote(name))
			into = append(into, &cells[i])
		}
		values := make(map[string]record.Value, len(fields))
		if err := t.rows(func(r *sql.Rows) error {
			if err := r.Scan(into...); err != nil {
				return err
			}
			rid, err := record.ParseID(id)
			if err != nil {
				return err
			}
			clear(values)
			for i, fd := range fields {
				if value := asRead(fd, cells[i]); value != "" {
					values[fd.Name] = value
				}
			}
			if typ == figure.Contested.Type && len(apart[id]) > 0 {
				v.AddApart(typ, rid, values, figure.Contested.Field, apart[id])
			} else {
				v.Add(typ, rid, values)
			}
			return nil
		}, `SELECT `+strings.Join(columns, ", ")+` FROM `+quote(p.name)+` WHERE village_id = $1 AND life = 'alive'`, code); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return v, nil
}

// apart gives what people wrote apart of the field of which that counts, by record.
func (s *Store) apart(t *tx, code record.Village) (map[string][]record.Value, error) {
	of := figure.Contested
	said := map[string][]record.Value{}
	err := t.rows(func(r *sql.Rows) error {
		var id string
		var raw []byte
		if err := r.Scan(&id, &raw); err != nil {
			return err
		}
		state, err := merge.Decode(raw)
		if err != nil {
			return fmt.Errorf("record %s: %w", id, err)
		}
		view := merge.Read(s.forms.Form(of.Type), state)
		for _, side := range view.Conflicts[record.Path(of.Field)] {
			said[id] = append(said[id], side.Value)
		}
		return nil
	}, `SELECT r.record_id, r.state FROM review w JOIN record r ON r.village_id = w.village_id AND r.record_id = w.record_id
		WHERE w.village_id = $1 AND w.type = $2 AND w.path = $3 AND w.kind = $4`, code, of.Type, of.Field, Conflict)
	return said, err
}

// asRead gives the value that column made a cell of; "" for none.
func asRead(fd *form.Field, cell any) record.Value {
	switch x := cell.(type) {
	case int64:
		return record.Value(strconv.FormatInt(x, 10))
	case float64:
		v, err := record.Number(strconv.FormatFloat(x, 'f', -1, 64))
		if err != nil {
			return ""
		}
		return v
	case string:
		if fd.Many() || fd.Kind == form.Geopoint {
			return record.Value(x)
		}
		return record.Text(x)
	}
	return ""
}

// ErrNotOver says that a month cannot be closed before it is over, ErrClosed that it
// was closed before.
var (
	ErrNotOver = errors.New("the month is not over")
	ErrClosed  = errors.New("the month is closed")
)

// CloseMonth keeps the figures of a month as they are now, for good: what is merged later
// changes nothing about them. It gives how many villages there are; those in which the
// month was closed before stay as they were, and where it was in all that is ErrClosed.
func (s *Store) CloseMonth(ctx context.Context, month, login string, notes ...*Note) (villages int, err error) {
	now := s.Now()
	today := Day(clock.At0(now.UnixMilli()))
	p, err := figure.MonthOf(month, today)
	if err != nil {
		return 0, err
	}
	if !p.Whole() || p.To >= today {
		return 0, ErrNotOver
	}
	// Ahead of the transaction, in which everybody waits.
	if _, err := s.Figures(ctx, FigureQuery{Periods: []figure.Period{p}, Patience: time.Hour}); err != nil {
		return 0, err
	}
	err = s.change(ctx, func(t *tx) error {
		villages = 0
		rep, err := s.report(t)
		if err != nil {
			return err
		}
		rows, err := t.keptFigures(rep, p, FigureQuery{Closed: true})
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			if r.Closed != 0 {
				continue
			}
			if r.behind(p.To) {
				v, err := s.villageFigures(t, r.Village)
				if err != nil {
					return err
				}
				r.Figures = v.Of(p)
			}
			body, err := cbor.Marshal(&r.Figures)
			if err != nil {
				return err
			}
			if err := t.exec(`INSERT INTO closing(village_id, month, feed, closed_at, login, body) VALUES($1, $2, $3, $4, $5, $6)`,
				r.Village, month, r.Feed, now.UnixMilli(), login, body); err != nil {
				return err
			}
			villages++
		}
		if villages == 0 {
			return ErrClosed
		}
		return t.note(s, now, notes...)
	})
	return villages, err
}
