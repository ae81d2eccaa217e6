package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"zhucun/shared/record"
)

// Bulk is decisions that somebody took together by a rule. What they decided stands in
// the log like every other decision; here is only which they were, so that they can be
// undone together.
type Bulk struct {
	ID      string
	At      time.Time
	Login   string
	Rule    string
	Reason  string
	Decided int
	Undone  int
}

// BulkItem is one of the decisions.
type BulkItem struct {
	Village record.Village
	Nth     int
	Record  record.ID
	Path    record.Path
	Dot     record.Dot
}

// BeginBulk names a bulk before its decisions are taken.
func (s *Store) BeginBulk(ctx context.Context, b Bulk) (id string, err error) {
	u, err := uuid.NewV7FromReader(s.Random)
	if err != nil {
		return "", err
	}
	return u.String(), s.change(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO bulk_head(bulk_id, at, login, rule, reason, decided) VALUES($1, $2, $3, $4, $5, 0)`, u.String(), s.now(), b.Login, b.Rule, b.Reason)
	})
}

// Bulks gives the last bulks of which something was decided, the last first.
func (s *Store) Bulks(ctx context.Context, limit int) (list []Bulk, err error) {
	err = s.look(ctx, func(t *tx) error {
		list = nil
		if err := t.rows(func(r *sql.Rows) error {
			var b Bulk
			var at int64
			err := r.Scan(&b.ID, &at, &b.Login, &b.Rule, &b.Reason)
			b.At = milli(at).Std()
			list = append(list, b)
			return err
		}, `SELECT bulk_id, at, login, rule, reason FROM bulk_head ORDER BY bulk_id DESC LIMIT $1`, limit); err != nil {
			return err
		}
		for i := range list {
			b := &list[i]
			if err := t.row(`SELECT count(*), coalesce(sum(undone), 0) FROM bulk WHERE bulk_id = $1 AND village_id IN (SELECT village_id FROM village_head)`, b.ID).
				Scan(&b.Decided, &b.Undone); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// BulkItems gives the decisions of a bulk that are not undone, by village, the last
// first. ErrNotFound where there is no such bulk.
func (s *Store) BulkItems(ctx context.Context, id string) (list []BulkItem, err error) {
	err = s.look(ctx, func(t *tx) error {
		list = nil
		var n int
		if err := t.row(`SELECT count(*) FROM bulk_head WHERE bulk_id = $1`, id).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return t.rows(func(r *sql.Rows) error {
			var b BulkItem
			var text string
			var stream []byte
			if err := r.Scan(&b.Village, &b.Nth, &text, &b.Path, &stream, &b.Dot.Seq); err != nil {
				return err
			}
			copy(b.Dot.Stream[:], stream)
			id, err := record.ParseID(text)
			b.Record = id
			list = append(list, b)
			return err
		}, `SELECT village_id, nth, record_id, path, stream_id, seq FROM bulk WHERE bulk_id = $1 AND undone = 0
			AND village_id IN (SELECT village_id FROM village_head) ORDER BY village_id, nth DESC`, id)
	})
	return list, err
}

// Bulked notes a decision as one of a bulk.
func (d *Desk) Bulked(id string, b BulkItem) error {
	return d.b.t.exec(`INSERT INTO bulk(village_id, bulk_id, nth, record_id, path, stream_id, seq) VALUES($1, $2, $3, $4, $5, $6, $7)`,
		d.b.village, id, b.Nth, b.Record.String(), b.Path, b.Dot.Stream[:], b.Dot.Seq)
}

// Unbulked notes that a decision of a bulk is undone. ErrDecided where it was before.
func (d *Desk) Unbulked(id string, nth int) error {
	n, err := d.b.t.affect(`UPDATE bulk SET undone = 1 WHERE village_id = $1 AND bulk_id = $2 AND nth = $3 AND undone = 0`, d.b.village, id, nth)
	return errors.Join(err, map[bool]error{true: ErrDecided}[err == nil && n == 0])
}
