package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// A year of months is twelve times as many kept figures as a month, and most of them are
// what they were the last time. What a trend is made of stays in memory, under what the
// figures are of: only those that changed are read.

// Trend is what of the figures of villages is looked at over months.
type Trend struct {
	Report
	Months []TrendMonth
}

// TrendMonth is a month of it.
type TrendMonth struct {
	figure.Period
	Rows   []TrendRow // as Report.Fresh
	Behind int        // as in FigureTable
}

// TrendRow is a village in a month. Of one that is not Known nothing is worked out yet.
type TrendRow struct {
	Coverage figure.Ratio  `json:"coverage"`
	Issues   figure.Issues `json:"issues"`
	Known    bool          `json:"-"`
}

// trends are the rows that were read, as long as the rules stay what they are.
type trends struct {
	sync.Mutex
	rules *figure.Rules
	kept  map[trendKey]trendKept
}

type trendKey struct {
	village record.Village
	period  string
	closing bool // among what is kept of closed months
}

func (k trendKey) in(closing bool) trendKey {
	k.closing = closing
	return k
}

type trendKept struct {
	of    trendOf
	until string
	row   TrendRow
}

// trendOf is what figures are of.
type trendOf struct {
	feed   uint64
	closed int64 // when, 0 while it is not
}

// trendsKept bounds how many rows are kept: two years of all villages of a province.
const trendsKept = 80_000

// Trend gives figures over months, in their order. Closed and Patience are as for Figures;
// all villages are looked at.
func (s *Store) Trend(ctx context.Context, q FigureQuery) (Trend, error) {
	var out Trend
	type place struct {
		month int
		row   FigureRow
	}
	var made []place
	rules := s.rules.Load()
	err := s.look(ctx, func(t *tx) error {
		made = nil
		rep, err := s.report(t)
		if err != nil {
			return err
		}
		out = Trend{Report: rep, Months: make([]TrendMonth, len(q.Periods))}
		kept, err := s.keptTrends(t, rules, q)
		if err != nil {
			return err
		}
		for m, p := range q.Periods {
			out.Months[m] = TrendMonth{Period: p, Rows: make([]TrendRow, len(rep.Fresh))}
		}
		began := time.Now()
		for i, f := range rep.Fresh {
			var v *figure.Village
			for m, p := range q.Periods {
				month := &out.Months[m]
				k, known := kept[trendKey{village: f.Village, period: p.Name}]
				month.Rows[i] = k.row
				if k.of.closed != 0 || known && k.of.feed == f.Feed && k.until == p.To {
					continue
				}
				most := q.Patience
				if !known {
					most *= 20
				}
				if v == nil && time.Since(began) >= most {
					month.Behind++
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
				row := FigureRow{Fresh: f, Figures: v.Of(p), Known: true, Of: f.Feed, Until: p.To}
				month.Rows[i] = TrendRow{row.Coverage, row.Issues, true}
				made = append(made, place{m, row})
			}
		}
		return nil
	})
	if err != nil || len(made) == 0 {
		return out, err
	}
	return out, s.change(ctx, func(t *tx) error {
		for i := range made {
			if err := t.keepFigures(q.Periods[made[i].month], &made[i].row); err != nil {
				return err
			}
		}
		return nil
	})
}

// keptTrends gives what is kept of the months, closed ones as they were then.
func (s *Store) keptTrends(t *tx, rules *figure.Rules, q FigureQuery) (map[trendKey]trendKept, error) {
	asked := map[string]bool{}
	first, last := "", ""
	for _, p := range q.Periods {
		asked[p.Name] = true
		if first == "" || p.Name < first {
			first = p.Name
		}
		last = max(last, p.Name)
	}
	s.trends.Lock()
	defer s.trends.Unlock()
	if s.trends.rules != rules || len(s.trends.kept) > trendsKept {
		s.trends.rules, s.trends.kept = rules, map[trendKey]trendKept{}
	}
	found := make(map[trendKey]trendKept, len(s.trends.kept))
	for _, table := range []struct {
		heads, body string
		closing     bool
	}{
		{`SELECT village_id, period, until, feed, 0 FROM figure WHERE period BETWEEN $1 AND $2`,
			`SELECT body FROM figure WHERE village_id = $1 AND period = $2`, false},
		{`SELECT village_id, month, '', feed, closed_at FROM closing WHERE month BETWEEN $1 AND $2`,
			`SELECT body FROM closing WHERE village_id = $1 AND month = $2`, true},
	} {
		if table.closing && !q.Closed {
			continue
		}
		var missing []trendKey
		if err := t.rows(func(r *sql.Rows) error {
			var k trendKey
			var now trendKept
			if err := r.Scan(&k.village, &k.period, &now.until, &now.of.feed, &now.of.closed); err != nil || !asked[k.period] {
				return err
			}
			if was, ok := s.trends.kept[k.in(table.closing)]; ok && was.of == now.of && was.until == now.until {
				now.row = was.row
			} else {
				missing = append(missing, k)
			}
			found[k] = now
			return nil
		}, table.heads, first, last); err != nil {
			return nil, err
		}
		for _, k := range missing {
			var body []byte
			now := found[k]
			if err := t.row(table.body, k.village, k.period).Scan(&body); err != nil {
				return nil, err
			}
			err := cbor.Unmarshal(body, &now.row)
			if err != nil && table.closing {
				return nil, fmt.Errorf("what was closed of %s in %s: %w", k.village, k.period, err)
			} else if err != nil {
				delete(found, k)
				continue
			}
			now.row.Known = true
			found[k] = now
			s.trends.kept[k.in(table.closing)] = now
		}
	}
	return found, nil
}

// trendMonths is how many months are kept ahead of whoever asks, up to this one.
const trendMonths = 12

// keepTrend works out the last months ahead, and says how many are behind.
func (s *Store) keepTrend(ctx context.Context, today string) (behind int, err error) {
	first, err := time.Parse("2006-01", today[:len("2017-05")])
	if err != nil {
		return 0, err
	}
	q := FigureQuery{Patience: figuresGo / 20}
	for i := range trendMonths {
		p, err := figure.MonthOf(first.AddDate(0, i-trendMonths+1, 0).Format("2006-01"), today)
		if err != nil {
			return 0, err
		}
		q.Periods = append(q.Periods, p)
	}
	trend, err := s.Trend(ctx, q)
	for _, m := range trend.Months {
		behind += m.Behind
	}
	return behind, err
}
