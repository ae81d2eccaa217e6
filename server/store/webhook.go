package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"zhucun/shared/record"
)

// Webhook is an address that is told which records have changed.
type Webhook struct {
	ID     string
	URL    string
	Secret []byte // sealed
	// Types and Villages are what it is told of; none means all.
	Types    []record.Type
	Villages []record.Village
	Created  time.Time
	// Paused is since when nothing is sent to it, zero while it is.
	Paused time.Time
	// Failing is since when it has not taken anything, zero where it takes what comes; Tries
	// is how often it was tried since, Next when it is tried again, Said what was the matter.
	Failing time.Time
	Tries   int
	Next    time.Time
	Said    string
	// Delivered is when it last took something.
	Delivered time.Time
}

const webhookColumns = `webhook_id, url, secret, types, villages, created, paused, failing, tries, next, said, delivered`

func scanWebhook(r interface{ Scan(...any) error }) (Webhook, error) {
	var h Webhook
	var types, villages []byte
	var created, paused, failing, next, delivered int64
	if err := r.Scan(&h.ID, &h.URL, &h.Secret, &types, &villages, &created, &paused, &failing, &h.Tries, &next, &h.Said, &delivered); err != nil {
		return h, err
	}
	for _, at := range []struct {
		ms   int64
		into *time.Time
	}{{created, &h.Created}, {paused, &h.Paused}, {failing, &h.Failing}, {next, &h.Next}, {delivered, &h.Delivered}} {
		if at.ms > 0 {
			*at.into = time.UnixMilli(at.ms)
		}
	}
	return h, errors.Join(json.Unmarshal(types, &h.Types), json.Unmarshal(villages, &h.Villages))
}

// AddWebhook enters an address. It is told of what changes from now on.
func (s *Store) AddWebhook(ctx context.Context, h Webhook, notes ...*Note) error {
	types, villages, err := lists(h.Types, h.Villages)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(t *tx) error {
		if err := t.exec(`INSERT INTO webhook(webhook_id, url, secret, types, villages, created) VALUES($1, $2, $3, $4, $5, $6)`,
			h.ID, h.URL, h.Secret, types, villages, h.Created.UnixMilli()); err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO webhook_place(village_id, webhook_id, feed) SELECT village_id, $1, feed FROM village_head`, h.ID); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	if err == nil {
		s.notice.raise()
	}
	return err
}

// Webhooks lists the addresses in the order in which they were entered.
func (s *Store) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list []Webhook
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			h, err := scanWebhook(r)
			list = append(list, h)
			return err
		}, `SELECT `+webhookColumns+` FROM webhook ORDER BY created, webhook_id`)
	})
	return list, err
}

// ChangeWebhook changes how sending to an address stands. ErrNotFound.
func (s *Store) ChangeWebhook(ctx context.Context, id string, change func(*Webhook), notes ...*Note) (Webhook, error) {
	var h Webhook
	err := s.change(ctx, func(t *tx) (err error) {
		if h, err = scanWebhook(t.row(`SELECT `+webhookColumns+` FROM webhook WHERE webhook_id = $1`, id)); err != nil {
			return err
		}
		change(&h)
		ms := func(t time.Time) int64 { return max(0, t.UnixMilli()) } // of the zero time 0
		if err := t.exec(`UPDATE webhook SET paused = $2, failing = $3, tries = $4, next = $5, said = $6, delivered = $7 WHERE webhook_id = $1`,
			id, ms(h.Paused), ms(h.Failing), h.Tries, ms(h.Next), h.Said, ms(h.Delivered)); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	return h, found(err)
}

// RemoveWebhook takes an address out, and gives it. ErrNotFound.
func (s *Store) RemoveWebhook(ctx context.Context, id string, notes ...*Note) (Webhook, error) {
	var h Webhook
	err := s.change(ctx, func(t *tx) (err error) {
		if h, err = scanWebhook(t.row(`SELECT `+webhookColumns+` FROM webhook WHERE webhook_id = $1`, id)); err != nil {
			return err
		}
		if err := t.exec(`DELETE FROM webhook WHERE webhook_id = $1`, id); err != nil {
			return err
		}
		if err := t.exec(`DELETE FROM webhook_place WHERE webhook_id = $1 AND village_id IN (SELECT village_id FROM village_head)`, id); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	return h, found(err)
}

// Behind are the villages that have changed since an address was last told of them, by
// code; at most limit.
func (s *Store) Behind(ctx context.Context, h *Webhook, limit int) ([]record.Village, error) {
	var list []record.Village
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var v record.Village
			err := r.Scan(&v)
			if (len(h.Villages) == 0 || slices.Contains(h.Villages, v)) && len(list) < limit {
				list = append(list, v)
			}
			return err
		}, `SELECT h.village_id FROM village_head h LEFT JOIN webhook_place p ON p.village_id = h.village_id AND p.webhook_id = $1
			WHERE h.feed > coalesce(p.feed, 0) ORDER BY h.village_id`, h.ID)
	})
	return list, err
}

// Untold are the records of a village that an address is to be told of next, in the order
// of the feed, and the numbers between which they lie. There may be none, where only
// others have changed.
type Untold struct {
	Village     record.Village
	After, Till uint64
	Records     []*Record
}

// Untold gives what of a village an address is to be told next: at most limit changes.
func (s *Store) Untold(ctx context.Context, h *Webhook, v record.Village, limit int) (Untold, error) {
	u := Untold{Village: v}
	err := s.look(ctx, func(t *tx) error {
		u.Records = nil
		if err := t.row(`SELECT h.feed, coalesce(p.feed, 0) FROM village_head h LEFT JOIN webhook_place p ON p.village_id = h.village_id AND p.webhook_id = $2
			WHERE h.village_id = $1`, v, h.ID).Scan(&u.Till, &u.After); err != nil {
			return err
		}
		n := 0
		return t.rows(func(r *sql.Rows) error {
			rec, err := s.scan(r)
			if err != nil {
				return err
			}
			if len(h.Types) == 0 || slices.Contains(h.Types, rec.Type) {
				u.Records = append(u.Records, rec)
			}
			if n++; n == limit {
				u.Till = rec.Feed
				return errEnough
			}
			return nil
		}, `SELECT `+recordColumns+` FROM record r WHERE r.village_id = $1 AND r.feed > $2 ORDER BY r.feed`, v, int64(u.After))
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return u, err
}

// Told notes that an address knows what was untold. It only ever goes on.
func (s *Store) Told(ctx context.Context, h *Webhook, u Untold) error {
	return s.change(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO webhook_place(village_id, webhook_id, feed) SELECT $1, webhook_id, $3 FROM webhook WHERE webhook_id = $2
			ON CONFLICT(village_id, webhook_id) DO UPDATE SET feed = excluded.feed WHERE webhook_place.feed < excluded.feed`, string(u.Village), h.ID, int64(u.Till))
	})
}
