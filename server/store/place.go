package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"

	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// Point is a place in WGS-84.
type Point struct{ Lon, Lat float64 }

// point reads what a column of a geopoint holds; false where that is none on earth.
func point(cell string) (Point, bool) {
	var at [2]float64
	if json.Unmarshal([]byte(cell), &at) != nil || math.Abs(at[0]) > 180 || math.Abs(at[1]) > 90 {
		return Point{}, false
	}
	return Point{at[0], at[1]}, true
}

// VillagePlaces gives where villages are, as their latest profile that says so has it.
func (s *Store) VillagePlaces(ctx context.Context) (map[record.Village]Point, error) {
	var places map[record.Village]Point
	err := s.look(ctx, func(t *tx) error {
		places = map[record.Village]Point{}
		var code record.Village
		var cell string
		return t.rows(func(r *sql.Rows) error {
			err := r.Scan(&code, &cell)
			if at, ok := point(cell); ok {
				places[code] = at
			}
			return err
		}, `SELECT village_id, location FROM form_village WHERE life = 'alive' AND location IS NOT NULL ORDER BY data_year, record_id`)
	})
	return places, err
}

// HousePlace is where a household is, and when it was visited.
type HousePlace struct {
	ID   record.ID
	Head string
	Point
	Known  bool   // there is a place
	Counts bool   // in the village's coverage
	Last   string // day of the last counted visit up to the day asked for, "" without one
}

// HousePlaces gives the households of a village: where each was entered, or else where the
// last counted visit with a place was.
func (s *Store) HousePlaces(ctx context.Context, code record.Village, until string) ([]HousePlace, error) {
	var list []HousePlace
	err := s.look(ctx, func(t *tx) error {
		list = nil
		at := map[string]int{}
		own := map[string]bool{}
		if err := t.rows(func(r *sql.Rows) error {
			var id, head, status, cell string
			if err := r.Scan(&id, &head, &status, &cell); err != nil {
				return err
			}
			h := HousePlace{Head: head, Counts: figure.Active(status)}
			var err error
			if h.ID, err = record.ParseID(id); err != nil {
				return err
			}
			h.Point, h.Known = point(cell)
			own[id] = h.Known
			at[id] = len(list)
			list = append(list, h)
			return nil
		}, `SELECT record_id, coalesce(head_name, ''), coalesce(poverty_status, ''), coalesce(location, '') FROM form_household
			WHERE village_id = $1 AND life = 'alive' ORDER BY record_id`, code); err != nil {
			return err
		}
		var id, day, mode, result, cell string
		if err := t.rows(func(r *sql.Rows) error {
			if err := r.Scan(&id, &day, &mode, &result, &cell); err != nil {
				return err
			}
			i, ok := at[id]
			if !ok {
				return nil
			}
			if !figure.Counted(mode, result) {
				return nil // what was telephoned was not there
			}
			list[i].Last = day
			if there, ok := point(cell); ok && !own[id] {
				list[i].Point, list[i].Known = there, true
			}
			return nil
		}, `SELECT household, visit_date, coalesce(visit_mode, ''), coalesce(visit_result, ''), coalesce(location, '') FROM form_visit
			WHERE village_id = $1 AND life = 'alive' AND household IS NOT NULL AND visit_date <= $2 ORDER BY visit_date, record_id`, code, until); err != nil {
			return fmt.Errorf("visits: %w", err)
		}
		return nil
	})
	return list, err
}
