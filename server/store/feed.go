package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"zhucun/shared/record"
)

// Feed asks for records of one type in the order in which the villages changed them last,
// village by village.
type Feed struct {
	Type record.Type
	// Villages are those to look in, by code; none means all.
	Villages []record.Village
	Where    []Condition
	// Since leaves out what was last written at or before a time, in milliseconds.
	Since int64
	// After is where the page before ended; the zero FeedPlace begins at the first.
	After FeedPlace
	Limit int
	// Patience is how long further villages are looked in: a page of which the conditions
	// let little through may be short, even empty, and say that there is more.
	Patience time.Duration
}

// FeedPlace is a place in the feeds of villages: everything of the villages before, and
// of this one up to a number.
type FeedPlace struct {
	Village record.Village
	Feed    uint64
}

// Feed gives a page, the place where the next one begins, and whether there may be more
// now. The page is of one moment; what changes later comes again, further on. The error
// may be a *ConditionError.
func (s *Store) Feed(ctx context.Context, q Feed) (list []*Record, next FeedPlace, more bool, err error) {
	p := s.tables()[q.Type]
	if p == nil {
		return nil, q.After, false, ErrNotFound
	}
	text := `SELECT ` + recordColumns + ` FROM record r JOIN ` + quote(p.name) + ` f ON f.village_id = r.village_id AND f.record_id = r.record_id
		WHERE r.village_id = $1 AND f.village_id = $1 AND r.type = $2 AND r.feed > $3 AND f.updated_at > $4`
	args := []any{nil, string(q.Type), nil, q.Since}
	if q.Since == 0 {
		args[3] = int64(-1 << 62)
	}
	for _, c := range q.Where {
		test, values, err := p.condition(c, len(args)+1)
		if err != nil {
			return nil, q.After, false, err
		}
		text, args = text+" AND "+test, append(args, values...)
	}
	text += fmt.Sprintf(` ORDER BY r.feed LIMIT %d`, q.Limit+1)
	next = q.After
	err = s.look(ctx, func(t *tx) error {
		if len(q.Where) > 0 {
			t.from = nil // not to keep every question that was ever asked
		}
		rep, err := s.report(t)
		if err != nil {
			return err
		}
		begun, looked := time.Now(), false
		for _, head := range rep.Fresh {
			v := head.Village
			if v < next.Village || len(q.Villages) > 0 && !slices.Contains(q.Villages, v) {
				continue
			}
			from := uint64(0)
			if v == q.After.Village {
				// Where nothing is left of it, it is no step forward either.
				if from = q.After.Feed; from >= head.Feed {
					continue
				}
			}
			if len(list) == q.Limit || looked && time.Since(begun) > q.Patience {
				more = true
				return nil
			}
			looked = true
			args[0], args[2] = string(v), int64(from)
			next = FeedPlace{v, max(from, head.Feed)}
			if err := t.rows(func(r *sql.Rows) error {
				if len(list) == q.Limit {
					more = true
					return nil
				}
				rec, err := s.scan(r)
				if err == nil {
					list = append(list, rec)
				}
				return err
			}, text, args...); err != nil {
				return err
			}
			if more {
				next.Feed = list[len(list)-1].Feed
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return list, next, more, err
}
