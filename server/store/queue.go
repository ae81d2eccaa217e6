package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// The queue is all that waits for a person at the office, village by village: first what
// the records say, the oldest first, then records that may be the same, then what is in
// quarantine. It is read page by page
// from a place on, so that what is decided meanwhile shifts nothing.

// QueueQuery asks for a page of the queue. Empty fields ask for all; without a kind
// what the team is asked about is left out, and so are the questions: they wait for
// somebody else.
type QueueQuery struct {
	Village record.Village
	Kind    Kind
	Type    record.Type
	Path    record.Path
	// Who is a name of whose values wait.
	Who string
	// After is where the page before ended.
	After QueuePlace
	Limit int
}

// QueuePlace is the place of something in the queue.
type QueuePlace struct {
	Village record.Village
	Part    int // 0 what records say, 1 pairs of records, 2 quarantine
	Since   uint64
	ID      string
	Path    record.Path
	Kind    Kind
}

// Waits is one thing that waits.
type Waits struct {
	Review
	Place QueuePlace
	// Quarantined is the entry where it is one that is in quarantine.
	Quarantined *Quarantined
	// Pair is set where it is two records that may be the same.
	Pair *Pair
}

// QueueCount is how many things of one sort wait in a village.
type QueueCount struct {
	Village record.Village
	Kind    Kind
	Type    record.Type
	Path    record.Path // "" in quarantine
	// Asked are those about which the team is asked.
	Asked bool
	Count int
}

// fits tells whether a query asks for such.
func (q *QueueQuery) fits(c QueueCount) bool {
	return (q.Village == "" || q.Village == c.Village) && (q.Type == "" || q.Type == c.Type) && (q.Path == "" || q.Path == c.Path) && q.ofKind(c)
}

func (q *QueueQuery) ofKind(c QueueCount) bool {
	if c.Asked && c.Kind != Question {
		return false // it is shown as the question
	}
	return q.Kind == c.Kind || q.Kind == "" && c.Kind != Question
}

// Sum gives how many of the counted things a query asks for.
func (q *QueueQuery) Sum(counts []QueueCount) int {
	n := 0
	for _, c := range counts {
		if q.fits(c) {
			n += c.Count
		}
	}
	return n
}

// pairPatience is how long whoever asks waits for pairs that are still to be found.
const pairPatience = 30 * time.Millisecond

// Queue gives a page of the queue and the counts of all that waits of whom the query
// asks for. The page ends the queue where it is not full.
func (s *Store) Queue(ctx context.Context, q QueueQuery) (page []Waits, counts []QueueCount, err error) {
	if _, err := s.keepPairs(ctx, q.Village, pairPatience); err != nil {
		return nil, nil, err
	}
	err = s.look(ctx, func(t *tx) error {
		page = nil
		if counts, err = t.queueCounts(q); err != nil {
			return err
		}
		type part struct {
			village record.Village
			part    int
		}
		var parts []part
		for _, c := range counts {
			if q.fits(c) {
				parts = append(parts, part{c.Village, partOf(c.Kind)})
			}
		}
		slices.SortFunc(parts, func(a, b part) int { return cmp.Or(cmp.Compare(a.village, b.village), a.part-b.part) })
		for _, p := range slices.Compact(parts) {
			if c := cmp.Or(cmp.Compare(p.village, q.After.Village), p.part-q.After.Part); q.After != (QueuePlace{}) && c < 0 {
				continue
			}
			read := []func(record.Village, QueueQuery, int) ([]Waits, error){t.queuedReviews, t.queuedPairs, t.queuedEntries}[p.part]
			more, err := read(p.village, q, q.Limit-len(page))
			if err != nil {
				return err
			}
			if page = append(page, more...); len(page) >= q.Limit {
				return nil
			}
		}
		return nil
	})
	return page, counts, err
}

// The parts of the queue of a village.
const (
	partReviews = iota
	partPairs
	partHeld
)

func partOf(k Kind) int {
	switch k {
	case Held:
		return partHeld
	case Twin, Joint, Clash:
		return partPairs
	}
	return partReviews
}

func (t *tx) queueCounts(q QueueQuery) (counts []QueueCount, err error) {
	where, args := "", []any{}
	if q.Village != "" {
		where, args = ` WHERE village_id = $1`, append(args, q.Village)
	}
	if q.Who != "" {
		args = append(args, whoPattern(q.Who))
		where += fmt.Sprintf(` %s who LIKE $%d ESCAPE '\'`, and(where), len(args))
	}
	add := func(r *sql.Rows) error {
		var c QueueCount
		err := r.Scan(&c.Village, &c.Kind, &c.Type, &c.Path, &c.Asked, &c.Count)
		counts = append(counts, c)
		return err
	}
	if err := t.rows(add, `SELECT village_id, kind, type, path, asked, count(*) FROM review`+where+` GROUP BY village_id, kind, type, path, asked`, args...); err != nil {
		return nil, err
	}
	if err := t.rows(add, `SELECT village_id, kind, type, '', 0, count(*) FROM pair`+where+` GROUP BY village_id, kind, type`, args...); err != nil {
		return nil, err
	}
	where, args = ` WHERE decided = ''`, []any{Held}
	if q.Village != "" {
		args = append(args, q.Village)
		where += fmt.Sprintf(` AND village_id = $%d`, len(args))
	}
	if q.Who != "" {
		args = append(args, q.Who)
		where += fmt.Sprintf(` AND author = $%d`, len(args))
	}
	return counts, t.rows(add, `SELECT village_id, $1, type, '', 0, count(*) FROM quarantine`+where+` GROUP BY village_id, type`, args...)
}

func and(where string) string {
	if where == "" {
		return "WHERE"
	}
	return "AND"
}

func whoPattern(name string) string {
	return "%\n" + likeText.Replace(strings.ReplaceAll(name, "\n", " ")) + "\n%"
}

// queuedReviews reads what waits in a village's records.
func (t *tx) queuedReviews(v record.Village, q QueueQuery, limit int) (list []Waits, err error) {
	where, args := `r.village_id = $1`, []any{v}
	test := func(text string, values ...any) {
		var numbers []any
		for _, value := range values {
			args = append(args, value)
			numbers = append(numbers, len(args))
		}
		where += " AND " + fmt.Sprintf(text, numbers...)
	}
	if q.Kind == "" {
		test(`r.kind <> $%d`, Question)
	} else {
		test(`r.kind = $%d`, q.Kind)
	}
	if q.Kind != Question {
		test(`r.asked = 0`)
	}
	if q.Type != "" {
		test(`r.type = $%d`, q.Type)
	}
	if q.Path != "" {
		test(`r.path = $%d`, q.Path)
	}
	if q.Who != "" {
		test(`r.who LIKE $%d ESCAPE '\'`, whoPattern(q.Who))
	}
	if a := q.After; a.Village == v && a.Part == partReviews {
		test(`(r.since_feed, r.record_id, r.path, r.kind) > ($%d, $%d, $%d, $%d)`, a.Since, a.ID, a.Path, a.Kind)
	}
	return list, t.rows(func(r *sql.Rows) error {
		w, err := scanReview(v, r)
		list = append(list, Waits{Review: w, Place: QueuePlace{Village: v, Since: w.SinceFeed, ID: w.ID.String(), Path: w.Path, Kind: w.Kind}})
		return err
	}, fmt.Sprintf(`SELECT %s FROM review r WHERE %s ORDER BY r.since_feed, r.record_id, r.path, r.kind LIMIT %d`, reviewColumns, where, limit), args...)
}

// queuedEntries reads what is in quarantine of a village.
func (t *tx) queuedEntries(v record.Village, q QueueQuery, limit int) (list []Waits, err error) {
	where, args := `village_id = $1 AND decided = ''`, []any{v}
	test := func(column string, value any) {
		args = append(args, value)
		where += fmt.Sprintf(` AND %s = $%d`, column, len(args))
	}
	if q.Type != "" {
		test("type", q.Type)
	}
	if q.Who != "" {
		test("author", q.Who)
	}
	if a := q.After; a.Village == v && a.Part == partHeld {
		dot, err := record.ParseDot(a.ID)
		if err != nil {
			return nil, err
		}
		args = append(args, int64(a.Since), dot.Stream[:], int64(dot.Seq))
		where += fmt.Sprintf(` AND (received, stream_id, seq) > ($%d, $%d, $%d)`, len(args)-2, len(args)-1, len(args))
	}
	return list, t.rows(func(r *sql.Rows) error {
		one, err := scanQuarantined(r)
		list = append(list, Waits{
			Review:      Review{Village: v, ID: one.Record, Type: one.Type, Kind: Held, Since: one.Received},
			Place:       QueuePlace{Village: v, Part: partHeld, Since: uint64(one.Received.Milli()), ID: one.Dot.String(), Kind: Held},
			Quarantined: &one,
		})
		return err
	}, fmt.Sprintf(`SELECT %s FROM quarantine WHERE %s ORDER BY received, stream_id, seq LIMIT %d`, quarantineColumns, where, limit), args...)
}

// Writers tells of which device each stream of a village is.
func (s *Store) Writers(ctx context.Context, v record.Village) (map[record.Stream]identity.Device, error) {
	list := map[record.Stream]identity.Device{}
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var id []byte
			var w identity.Device
			err := r.Scan(&id, &w)
			list[record.Stream(id)] = w
			return err
		}, `SELECT stream_id, device_id FROM stream WHERE village_id = $1`, v)
	})
	return list, err
}
