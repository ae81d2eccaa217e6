package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"zhucun/shared/record"
)

// The keys by which records are found, and how many of each type a village has, are kept
// under the feed number that they are of, as figures are: no delivery pays for them.
// Whoever looks for something, and KeepLists ahead of them, brings them up to date.

// behindSearch is a village whose keys are of before its last changes.
type behindSearch struct {
	village record.Village
	known   bool
	of      uint64
}

// listsBehind gives the villages whose keys are not of now.
func (s *Store) listsBehind(ctx context.Context, only record.Village) (list []behindSearch, err error) {
	where, args := "", []any(nil)
	if only != "" {
		where, args = " AND h.village_id = $1", []any{only}
	}
	return list, s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var b behindSearch
			var of int64
			err := r.Scan(&b.village, &of)
			b.known, b.of = of >= 0, uint64(max(of, 0))
			list = append(list, b)
			return err
		}, `SELECT h.village_id, coalesce(s.feed, -1) FROM village_head h LEFT JOIN search_head s ON s.village_id = h.village_id
			WHERE (s.feed IS NULL OR s.feed <> h.feed)`+where+` ORDER BY h.village_id`, args...)
	})
}

// keepTurn is how long one transaction brings keys up to date before others may write.
const keepTurn = 100 * time.Millisecond

// keepLists brings keys and counts up to date, of one village or all, for so long, and gives how many
// villages are behind still.
func (s *Store) keepLists(ctx context.Context, only record.Village, patience time.Duration) (behind int, err error) {
	list, err := s.listsBehind(ctx, only)
	began := time.Now()
	for err == nil && len(list) > 0 && time.Since(began) < patience {
		if err := ctx.Err(); err != nil {
			return len(list), err
		}
		done := 0
		err = s.change(ctx, func(t *tx) error {
			done = 0
			for turn := time.Now(); done < len(list) && (done == 0 || time.Since(turn) < keepTurn && time.Since(began) < patience); done++ {
				if err := s.keepVillage(t, list[done]); err != nil {
					return fmt.Errorf("keys of %s: %w", list[done].village, err)
				}
			}
			return nil
		})
		list = list[done:]
	}
	return len(list), err
}

// manyChanges is from how many changed records on a village's keys are all made anew.
const manyChanges = 200

// keepVillage brings one village up to date, under the lock of whoever writes.
func (s *Store) keepVillage(t *tx, b behindSearch) error {
	if err := s.holds(t); err != nil {
		return err // a key must not be made by what was shown before
	}
	var feed uint64
	if err := t.row(`SELECT feed FROM village_head WHERE village_id = $1`, b.village).Scan(&feed); err != nil {
		return err
	}
	changed, types := map[record.Type][]record.ID{}, map[record.Type]bool{}
	n := 0
	if b.known {
		if err := t.rows(func(r *sql.Rows) error {
			var id string
			var typ record.Type
			if err := r.Scan(&id, &typ); err != nil {
				return err
			}
			types[typ] = true
			if keyed[typ] == nil {
				return nil
			}
			rid, err := record.ParseID(id)
			changed[typ] = append(changed[typ], rid)
			n++
			return err
		}, `SELECT record_id, type FROM record WHERE village_id = $1 AND feed > $2`, b.village, b.of); err != nil {
			return err
		}
	}
	anew := !b.known || n > manyChanges
	if anew {
		if err := t.exec(`DELETE FROM search_key WHERE village_id = $1`, b.village); err != nil {
			return err
		}
	}
	for _, typ := range keyedTypes {
		ids := changed[typ]
		if !anew && len(ids) == 0 {
			continue
		}
		if err := s.keepKeys(t, b.village, typ, ids, anew); err != nil {
			return err
		}
	}
	for typ, p := range s.tables() {
		if b.known && !types[typ] {
			continue
		}
		if err := t.exec(`INSERT INTO type_count(village_id, type, records, void) SELECT $1, $2, count(*), count(*) - count(CASE WHEN life = 'alive' THEN 1 END) FROM `+quote(p.name)+` WHERE village_id = $1
			ON CONFLICT(village_id, type) DO UPDATE SET records = excluded.records, void = excluded.void`, b.village, typ); err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO search_head(village_id, feed) VALUES($1, $2) ON CONFLICT(village_id) DO UPDATE SET feed = excluded.feed`, b.village, int64(feed))
}

// keepKeys writes the keys of some records of a type, or of all.
func (s *Store) keepKeys(t *tx, v record.Village, typ record.Type, ids []record.ID, all bool) error {
	p := s.tables()[typ]
	if p == nil {
		return nil
	}
	columns := make([]string, 0, len(keyed[typ]))
	for _, k := range keyed[typ] {
		columns = append(columns, "coalesce("+quote(k.name)+", '')")
	}
	where, args := "", []any{v}
	if !all {
		list := texts(ids)
		if err := t.exec(`DELETE FROM search_key WHERE village_id = $1 AND type = $3 AND `+s.engine.Among("record_id", 2), v, list, typ); err != nil {
			return err
		}
		where, args = " AND "+s.engine.Among("record_id", 2), append(args, list)
	}
	type row struct {
		id     string
		values map[string]string
	}
	var rows []row
	if err := t.rows(func(r *sql.Rows) error {
		x := row{values: make(map[string]string, len(columns))}
		cells := make([]string, len(columns))
		into := []any{&x.id}
		for i := range cells {
			into = append(into, &cells[i])
		}
		err := r.Scan(into...)
		for i, k := range keyed[typ] {
			x.values[k.name] = cells[i]
		}
		rows = append(rows, x)
		return err
	}, `SELECT record_id, `+strings.Join(columns, ", ")+` FROM `+quote(p.name)+` WHERE village_id = $1`+where, args...); err != nil {
		return err
	}
	for _, x := range rows {
		for _, word := range s.keysOf(typ, x.values) {
			if err := t.exec(`INSERT INTO search_key(village_id, type, word, record_id) VALUES($1, $2, $3, $4)`, v, typ, word, x.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// eraseKeys takes away what finds a record.
func (t *tx) eraseKeys(v record.Village, id record.ID) error {
	return t.exec(`DELETE FROM search_key WHERE village_id = $1 AND record_id = $2`, v, id.String())
}

// KeepLists brings keys and counts up to date ahead of whoever asks for them, until ctx
// ends.
func (s *Store) KeepLists(ctx context.Context) {
	s.keep(ctx, keeper{failed: "lists were not brought up to date", turn: func(ctx context.Context) (int, error) { return s.keepLists(ctx, "", figuresGo) }})
}
