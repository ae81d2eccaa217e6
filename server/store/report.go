package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// The rules of the reports, as conditions on the projections. The households
// that count are those that are or were poor; a visit counts where somebody of
// the household was met at home or in the field.
const (
	countedHousehold = `h.life = 'alive' AND h.poverty_status IN ('new', 'unexited', 'pre_exit', 'exited', 'returned')`
	countedVisit     = `v.life = 'alive' AND v.visit_mode IN ('home', 'field') AND v.visit_result IN ('met', 'proxy')`
)

// The days after which a household's visit is overdue, and seriously so.
const (
	OverdueAfter = 31
	SeriousAfter = 62
)

// Fresh says how far a report's data of a village goes.
type Fresh struct {
	Village record.Village
	Feed    uint64
	// Package is when the last delivery from a laptop came in; zero when none
	// did.
	Package clock.Time
}

// Report is what every report says of itself: when it was read, and how far
// the data of each village goes, by code.
type Report struct {
	At    time.Time
	Fresh []Fresh
}

// Of gives how far the data of a village goes.
func (r *Report) Of(v record.Village) Fresh {
	if i := slices.IndexFunc(r.Fresh, func(f Fresh) bool { return f.Village == v }); i >= 0 {
		return r.Fresh[i]
	}
	return Fresh{Village: v}
}

func (s *Store) report(t *tx) (Report, error) {
	r := Report{At: s.Now()}
	if err := t.rows(func(rows *sql.Rows) error {
		var f Fresh
		err := rows.Scan(&f.Village, &f.Feed)
		r.Fresh = append(r.Fresh, f)
		return err
	}, `SELECT village_id, feed FROM village_head ORDER BY village_id`); err != nil {
		return r, err
	}
	for i := range r.Fresh {
		f := &r.Fresh[i]
		var received int64
		err := t.row(`SELECT s.received FROM segment s JOIN stream t ON t.village_id = s.village_id AND t.stream_id = s.stream_id
			WHERE s.village_id = $1 AND t.device_id <> $2 ORDER BY s.log DESC LIMIT 1`, f.Village, OfficeDevice).Scan(&received)
		if err == nil {
			f.Package = milli(received)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return r, err
		}
	}
	return r, nil
}

// Coverage is the visit coverage of some months.
type Coverage struct {
	Report
	Months []string // 2017-05
	Rows   []CoverageRow
}

// CoverageRow is a village: how many households count now, and how many of
// them had a counted visit in each month.
type CoverageRow struct {
	Village    record.Village
	Households int
	Covered    []int
	// Visits are the counted visits to those households in each month.
	Visits []int
}

// Percent of covered among households; false where there is nothing to divide
// by.
func Percent(covered, households int) (float64, bool) {
	if households == 0 {
		return 0, false
	}
	return 100 * float64(covered) / float64(households), true
}

// Coverage reports on months (2017-05, in their order). Which households count
// is decided by their status now: what it was in the month is not kept apart.
func (s *Store) Coverage(ctx context.Context, months []string) (Coverage, error) {
	c := Coverage{Months: months}
	if len(months) == 0 {
		return c, errors.New("coverage of no months")
	}
	after, err := time.Parse("2006-01", slices.Max(months))
	if err != nil {
		return c, fmt.Errorf("month %q: %w", months, err)
	}
	err = s.look(ctx, func(t *tx) (err error) {
		if c.Report, err = s.report(t); err != nil {
			return err
		}
		at := map[record.Village]int{}
		for i, f := range c.Fresh {
			at[f.Village] = i
			c.Rows = append(c.Rows, CoverageRow{Village: f.Village, Covered: make([]int, len(months)), Visits: make([]int, len(months))})
		}
		if err := t.rows(func(r *sql.Rows) error {
			var v record.Village
			var n int
			if err := r.Scan(&v, &n); err != nil {
				return err
			}
			if i, ok := at[v]; ok {
				c.Rows[i].Households = n
			}
			return nil
		}, `SELECT h.village_id, count(*) FROM form_household h WHERE `+countedHousehold+` GROUP BY h.village_id`); err != nil {
			return err
		}
		return t.rows(func(r *sql.Rows) error {
			var v record.Village
			var month string
			var households, visits int
			if err := r.Scan(&v, &month, &households, &visits); err != nil {
				return err
			}
			i, ok := at[v]
			if m := slices.Index(months, month); ok && m >= 0 {
				c.Rows[i].Covered[m], c.Rows[i].Visits[m] = households, visits
			}
			return nil
		}, `SELECT v.village_id, substr(v.visit_date, 1, 7) AS month, count(DISTINCT v.household), count(*)
			FROM form_visit v JOIN form_household h ON h.village_id = v.village_id AND h.record_id = v.household
			WHERE `+countedVisit+` AND `+countedHousehold+` AND v.visit_date >= $1 AND v.visit_date < $2
			GROUP BY v.village_id, substr(v.visit_date, 1, 7)`,
			slices.Min(months)+"-01", after.AddDate(0, 1, 0).Format("2006-01-02"))
	})
	return c, err
}

// Overdue are the households whose visit is overdue on a day.
type Overdue struct {
	Report
	On   string // 2017-05-23
	Rows []OverdueRow
}

// OverdueRow is a household whose visit is overdue.
type OverdueRow struct {
	record.Key
	Head, Group, Status string
	// Last is the day of its last counted visit, "" when there was none; From is
	// the day that the days count from.
	Last, From string
	Days       int
}

// Overdue lists the households of a village (all where it is "") that are
// overdue on a day: more than OverdueAfter days after the last counted visit,
// the registration and the team's arrival, whichever was last. The longest
// come first. A household of which none of these is known is not in it.
func (s *Store) Overdue(ctx context.Context, on string, village record.Village) (Overdue, error) {
	o := Overdue{On: on}
	day, err := time.Parse(time.DateOnly, on)
	if err != nil {
		return o, fmt.Errorf("day %q: %w", on, err)
	}
	limit := day.AddDate(0, 0, -OverdueAfter).Format(time.DateOnly)
	err = s.look(ctx, func(t *tx) (err error) {
		if o.Report, err = s.report(t); err != nil {
			return err
		}
		for _, f := range o.Fresh {
			if village != "" && f.Village != village {
				continue
			}
			rows, err := s.overdue(t, f.Village, on, limit)
			if err != nil {
				return err
			}
			for _, row := range rows {
				from, err := time.Parse(time.DateOnly, row.From)
				if err != nil {
					continue // nothing to count from
				}
				if row.Days = int(day.Sub(from) / (24 * time.Hour)); row.Days > OverdueAfter {
					o.Rows = append(o.Rows, row)
				}
			}
		}
		return nil
	})
	slices.SortStableFunc(o.Rows, func(a, b OverdueRow) int {
		if a.Days != b.Days {
			return b.Days - a.Days
		}
		return slices.Compare([]byte(string(a.Village)+a.Group+a.Head), []byte(string(b.Village)+b.Group+b.Head))
	})
	return o, err
}

// overdue gives the households of a village that had no counted visit from
// limit to on and were not registered since. Those that had one are found by the
// index on dates, so that the others alone need their last visit looked up.
func (s *Store) overdue(t *tx, v record.Village, on, limit string) ([]OverdueRow, error) {
	came := ""
	if err := t.row(`SELECT coalesce(min(start_date), '') FROM form_team_post WHERE village_id = $1 AND life = 'alive'`, v).Scan(&came); err != nil || came >= limit {
		return nil, err
	}
	recent := map[string]bool{}
	if err := t.rows(func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		recent[id] = true
		return err
	}, `SELECT DISTINCT v.household FROM form_visit v WHERE v.village_id = $1 AND v.visit_date >= $2 AND v.visit_date <= $3 AND v.household IS NOT NULL AND `+countedVisit,
		v, limit, on); err != nil {
		return nil, err
	}
	var rows []OverdueRow
	var ids []record.ID
	if err := t.rows(func(r *sql.Rows) error {
		row := OverdueRow{Key: record.Key{Village: v, Type: "household"}}
		var id string
		err := r.Scan(&id, &row.Head, &row.Group, &row.Status, &row.From)
		if err != nil || recent[id] {
			return err
		}
		row.From = max(row.From, came)
		row.ID, err = record.ParseID(id)
		rows, ids = append(rows, row), append(ids, row.ID)
		return err
	}, `SELECT h.record_id, coalesce(h.head_name, ''), coalesce(h.group_name, ''), h.poverty_status, coalesce(h.registered_date, '')
		FROM form_household h WHERE h.village_id = $1 AND `+countedHousehold+` AND (h.registered_date IS NULL OR h.registered_date < $2)`, v, limit); err != nil {
		return nil, err
	}
	last := map[string]string{}
	if err := t.rows(func(r *sql.Rows) error {
		var id, day string
		err := r.Scan(&id, &day)
		last[id] = day
		return err
	}, `SELECT v.household, max(v.visit_date) FROM form_visit v WHERE v.village_id = $1 AND `+s.engine.Among("v.household", 2)+`
		AND v.visit_date <= $3 AND `+countedVisit+` GROUP BY v.household`, v, texts(ids), on); err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Last = last[rows[i].ID.String()]
		rows[i].From = max(rows[i].From, rows[i].Last)
	}
	return rows, nil
}

// Stand is how a village stands: how much is there and how far it goes.
type Stand struct {
	Fresh
	Households, Persons, Visits, Records int
	Waiting                              Waiting
}

// Stands gives how every village stands, by code.
func (s *Store) Stands(ctx context.Context) ([]Stand, Report, error) {
	var list []Stand
	var rep Report
	waiting, err := s.Waiting(ctx)
	if err != nil {
		return nil, rep, err
	}
	err = s.look(ctx, func(t *tx) (err error) {
		if rep, err = s.report(t); err != nil {
			return err
		}
		at := map[record.Village]*Stand{}
		list = make([]Stand, len(rep.Fresh))
		for i, f := range rep.Fresh {
			list[i] = Stand{Fresh: f, Waiting: waiting[f.Village]}
			at[f.Village] = &list[i]
		}
		for typ, p := range s.tables {
			if err := t.rows(func(r *sql.Rows) error {
				var v record.Village
				var n int
				if err := r.Scan(&v, &n); err != nil {
					return err
				}
				st := at[v]
				if st == nil {
					return nil
				}
				switch typ {
				case "household":
					st.Households = n
				case "person":
					st.Persons = n
				case "visit":
					st.Visits = n
				}
				st.Records += n
				return nil
			}, `SELECT village_id, count(*) FROM `+quote(p.name)+` GROUP BY village_id`); err != nil {
				return err
			}
		}
		return nil
	})
	return list, rep, err
}

// Delivered is how far the work of a device on a village has come in.
type Delivered struct {
	Village record.Village
	Device  identity.Device
	// Until is the time of the last change that came in.
	Until   clock.Time
	Changes uint64
}

// Delivered gives how far the work of every device has come in.
func (s *Store) Delivered(ctx context.Context) ([]Delivered, error) {
	var list []Delivered
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var d Delivered
			var at int64
			err := r.Scan(&d.Village, &d.Device, &at, &d.Changes)
			d.Until = clock.Time(at)
			list = append(list, d)
			return err
		}, `SELECT village_id, device_id, max(at), sum(head_seq) FROM stream GROUP BY village_id, device_id ORDER BY village_id, device_id`)
	})
	return list, err
}

// Reported gives how far the data of a village goes; of all where it is "".
func (s *Store) Reported(ctx context.Context, village record.Village) (Report, error) {
	var r Report
	err := s.look(ctx, func(t *tx) (err error) {
		r, err = s.report(t)
		return err
	})
	if village != "" {
		r.Fresh = slices.DeleteFunc(r.Fresh, func(f Fresh) bool { return f.Village != village })
	}
	return r, err
}

// TypeCounts gives how many records of each type there are.
func (s *Store) TypeCounts(ctx context.Context) (map[record.Type]int, error) {
	counts := map[record.Type]int{}
	return counts, s.look(ctx, func(t *tx) error {
		for typ, p := range s.tables {
			var n int
			if err := t.row(`SELECT count(*) FROM ` + quote(p.name)).Scan(&n); err != nil {
				return err
			}
			counts[typ] = n
		}
		return nil
	})
}
