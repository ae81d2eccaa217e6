package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/identity"
	"zhucun/shared/record"
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
	i, there := slices.BinarySearchFunc(r.Fresh, v, func(f Fresh, v record.Village) int { return strings.Compare(string(f.Village), string(v)) })
	if !there {
		return Fresh{Village: v}
	}
	return r.Fresh[i]
}

func (s *Store) report(t *tx) (Report, error) {
	r := Report{At: s.Now()}
	return r, t.rows(func(rows *sql.Rows) error {
		var f Fresh
		var delivered int64
		err := rows.Scan(&f.Village, &f.Feed, &delivered)
		if delivered > 0 {
			f.Package = milli(delivered)
		}
		r.Fresh = append(r.Fresh, f)
		return err
	}, `SELECT village_id, feed, delivered FROM village_head ORDER BY village_id`)
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
	figure.Overdue
	Head, Group, Status string
}

// Overdue lists the households of some villages that are overdue on a day, the longest
// first.
func (s *Store) Overdue(ctx context.Context, on string, villages ...record.Village) (Overdue, error) {
	o := Overdue{On: on}
	if _, err := time.Parse(time.DateOnly, on); err != nil {
		return o, fmt.Errorf("day %q: %w", on, err)
	}
	err := s.look(ctx, func(t *tx) (err error) {
		o.Rows = nil
		if o.Report, err = s.report(t); err != nil {
			return err
		}
		for _, code := range villages {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := s.villageFigures(t, code)
			if err != nil {
				return err
			}
			at := map[string]int{}
			var ids []record.ID
			for _, due := range v.Overdue(on) {
				at[due.Household.String()] = len(o.Rows)
				ids = append(ids, due.Household)
				o.Rows = append(o.Rows, OverdueRow{Key: record.Key{Village: code, Type: "household", ID: due.Household}, Overdue: due})
			}
			var id, head, group, status string
			if err := t.rows(func(r *sql.Rows) error {
				err := r.Scan(&id, &head, &group, &status)
				if i, ok := at[id]; ok {
					o.Rows[i].Head, o.Rows[i].Group, o.Rows[i].Status = head, group, status
				}
				return err
			}, `SELECT h.record_id, coalesce(h.head_name, ''), coalesce(h.group_name, ''), h.poverty_status
				FROM form_household h WHERE h.village_id = $1 AND `+s.engine.Among("h.record_id", 2), code, texts(ids)); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortStableFunc(o.Rows, func(a, b OverdueRow) int {
		return cmp.Or(cmp.Compare(b.Days, a.Days), cmp.Compare(a.Village, b.Village), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Head, b.Head))
	})
	return o, err
}

// Stand is how a village stands: how much is valid there, how much there is with what is
// void, and how far it goes.
type Stand struct {
	Fresh
	Amounts
	All     Amounts
	Waiting Waiting
}

// Amounts is how many records there are.
type Amounts struct{ Households, Persons, Visits, Records int }

func (a *Amounts) add(typ record.Type, n int) {
	switch typ {
	case "household":
		a.Households += n
	case "person":
		a.Persons += n
	case "visit":
		a.Visits += n
	}
	a.Records += n
}

// Stands gives how every village stands, by code.
func (s *Store) Stands(ctx context.Context) ([]Stand, Report, error) {
	var list []Stand
	var rep Report
	waiting, err := s.Waiting(ctx)
	if err != nil {
		return nil, rep, err
	}
	behind, err := s.keepLists(ctx, "", keepFor)
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
		count := func(r *sql.Rows) error {
			var v record.Village
			var typ record.Type
			var all, void int
			if err := r.Scan(&v, &typ, &all, &void); err != nil {
				return err
			}
			if st := at[v]; st != nil {
				st.add(typ, all-void)
				st.All.add(typ, all)
			}
			return nil
		}
		if behind == 0 {
			return t.rows(count, `SELECT village_id, type, records, void FROM type_count`)
		}
		for typ, p := range s.tables() {
			if err := t.rows(count, `SELECT village_id, `+literal(string(typ))+`, count(*), count(*) - count(CASE WHEN life = 'alive' THEN 1 END) FROM `+quote(p.name)+` GROUP BY village_id`); err != nil {
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

// TypeCounts gives how many records of each type there are, as they were counted village
// by village when something in it had changed.
func (s *Store) TypeCounts(ctx context.Context) (map[record.Type]int, error) {
	behind, err := s.keepLists(ctx, "", keepFor)
	if err != nil {
		return nil, err
	}
	counts := map[record.Type]int{}
	return counts, s.look(ctx, func(t *tx) error {
		if behind > 0 {
			for typ, p := range s.tables() {
				var n int
				if err := t.row(`SELECT count(*) FROM ` + quote(p.name)).Scan(&n); err != nil {
					return err
				}
				counts[typ] = n
			}
			return nil
		}
		return t.rows(func(r *sql.Rows) error {
			var typ record.Type
			var n int
			err := r.Scan(&typ, &n)
			counts[typ] = n
			return err
		}, `SELECT type, sum(records) FROM type_count GROUP BY type`)
	})
}
