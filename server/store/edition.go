package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"zhucun/shared/edition"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Published is an edition that the office has published.
type Published struct {
	Number uint64
	At     time.Time
	By     string // an account's login
	Note   string
}

// ErrPublished says that another edition was published meanwhile.
var ErrPublished = errors.New("another edition was published meanwhile")

// hold has forms and rules hold from here on.
func (s *Store) hold(number uint64, forms *form.Set, rules *figure.Rules) {
	made := map[record.Type]*table{}
	for _, f := range forms.Forms() {
		made[f.Type] = newTable(f)
	}
	s.forms.Become(forms)
	s.rules.Store(rules)
	s.made.Store(&made)
	s.edition.Store(number)
}

// tables are the forms' tables.
func (s *Store) tables() map[record.Type]*table { return *s.made.Load() }

// Rules are the exit lines and indicators that hold.
func (s *Store) Rules() *figure.Rules { return s.rules.Load() }

// Edition gives what the office has published last, of no number where it has not.
func (s *Store) Edition(ctx context.Context) (e *edition.Edition, err error) {
	err = s.look(ctx, func(t *tx) (err error) {
		e, _, err = t.edition(0)
		return err
	})
	return e, err
}

// EditionAsSent gives the same in the bytes that go to laptops.
func (s *Store) EditionAsSent(ctx context.Context) (raw []byte, err error) {
	err = s.look(ctx, func(t *tx) (err error) {
		_, raw, err = t.edition(0)
		return err
	})
	return raw, err
}

// EditionOf gives one that was published. ErrNotFound.
func (s *Store) EditionOf(ctx context.Context, number uint64) (e *edition.Edition, err error) {
	err = s.look(ctx, func(t *tx) (err error) {
		if e, _, err = t.edition(number); err == nil && e.Number != number {
			err = ErrNotFound
		}
		return err
	})
	return e, err
}

// edition reads an edition, the last for 0; one of no number where there is none.
func (t *tx) edition(number uint64) (*edition.Edition, []byte, error) {
	var raw []byte
	err := t.row(`SELECT content FROM edition WHERE number = $1 OR $1 = 0 ORDER BY number DESC LIMIT 1`, int64(number)).Scan(&raw)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, err
	}
	e, err := edition.Decode(raw)
	return e, raw, err
}

// Editions lists what was published, the last first.
func (s *Store) Editions(ctx context.Context) (list []Published, err error) {
	err = s.look(ctx, func(t *tx) error {
		list = nil
		return t.rows(func(r *sql.Rows) error {
			var p Published
			var at int64
			if err := r.Scan(&p.Number, &at, &p.By, &p.Note); err != nil {
				return err
			}
			p.At = time.UnixMilli(at)
			list = append(list, p)
			return nil
		}, `SELECT number, made_at, made_by, note FROM edition ORDER BY number DESC`)
	})
	return list, err
}

// holdNewest has the edition that was published last hold, whoever has published it, and
// tells whether that is another than held before.
func (s *Store) holdNewest(ctx context.Context) (other bool, err error) {
	s.holding.Lock()
	defer s.holding.Unlock()
	var number uint64
	if err := s.look(ctx, func(t *tx) error {
		return t.row(`SELECT coalesce(max(number), 0) FROM edition`).Scan(&number)
	}); err != nil || number == s.edition.Load() {
		return false, err
	}
	e, err := s.Edition(ctx)
	if err != nil {
		return false, err
	}
	forms, rules, err := e.Load()
	if err != nil {
		return false, fmt.Errorf("edition %d: %w", e.Number, err)
	}
	s.hold(e.Number, forms, rules)
	return true, nil
}

// Publish has an edition hold from here on, at the office and, from their next sync on, on
// laptops. ErrPublished where it does not come behind the last one; a *form.Mistake.
func (s *Store) Publish(ctx context.Context, e *edition.Edition, by, note string) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	forms, _, err := e.Load()
	if err != nil {
		return err
	}
	raw, err := e.Encode()
	if err != nil {
		return err
	}
	err = s.change(ctx, func(t *tx) error {
		t.from = nil // the schema changes
		last, _, err := t.edition(0)
		if err != nil {
			return err
		}
		if last.Number+1 != e.Number {
			return ErrPublished
		}
		if err := t.exec(`INSERT INTO edition(number, made_at, made_by, note, content) VALUES($1, $2, $3, $4, $5)`, int64(e.Number), s.now(), by, note, raw); err != nil {
			return err
		}
		for _, f := range forms.Forms() {
			if _, err := s.makeTable(t, newTable(f)); err != nil {
				return fmt.Errorf("%s: %w", f.Type, err)
			}
		}
		if err := t.exec(`UPDATE device SET serial = serial + 1 WHERE revoked_at IS NULL`); err != nil {
			return err
		}
		if err := t.setMeta(metaDerive, []byte(fmt.Sprint(e.Number))); err != nil {
			return err
		}
		return t.note(s, s.Now(), &Note{Who: by, Act: "publish", Subject: fmt.Sprint(e.Number), Reason: note})
	})
	if err != nil {
		return err
	}
	// The columns are there. Rows that were made without them follow, though nobody waits
	// for it any more. It may hold already, and another after it, where somebody wrote
	// meanwhile.
	ctx = context.WithoutCancel(ctx)
	if _, err := s.holdNewest(ctx); err != nil {
		return err
	}
	s.notice.raise()
	return s.follow(ctx)
}

// follow makes what is derived from records as the forms that hold read them, and drops
// figures that were worked out by other rules.
func (s *Store) follow(ctx context.Context) error {
	if was, err := s.Meta(ctx, "schema"); err != nil {
		return err
	} else if string(was) == s.schema() {
		return s.change(ctx, s.derivedAll)
	}
	if err := s.makeTables(ctx); err != nil {
		return fmt.Errorf("make the tables of the forms: %w", err)
	}
	return s.begin(ctx)
}

// errOther says that another edition holds by now than this process has.
var errOther = errors.New("another edition holds by now")

// holds tells, under the lock of whoever writes, whether the forms that are held here are
// those that hold: what is written by others would be derived by them, and found by nobody
// who looks by the new ones. errOther.
func (s *Store) holds(t *tx) error {
	var number uint64
	err := t.row(`SELECT coalesce(max(number), 0) FROM edition`).Scan(&number)
	if err == nil && number != s.edition.Load() {
		err = errOther
	}
	return err
}

// metaDerive is there, with an edition's number, from when it was published until what is
// derived by its forms has been made.
const metaDerive = "derive"

// derivedAll notes that all is derived by the edition that is held.
func (s *Store) derivedAll(t *tx) error {
	return t.exec(`DELETE FROM meta WHERE key = $1 AND value = $2`, metaDerive, []byte(fmt.Sprint(s.edition.Load())))
}

// takeOver is how long whoever published has for that before others look to it: a command
// may have died on the way. Where it only takes long, both make the same.
const takeOver = 10 * time.Second

// late is an edition by which something is still to be derived, and since when that is known.
type late struct {
	number uint64
	since  time.Time
}

// catchUp has an edition hold that another process has published. Whoever has published it
// makes the rows of before anew, and since then nothing is written by other forms (holds);
// where that does not come to its end it is done here.
func (s *Store) catchUp(ctx context.Context, l *late) error {
	if _, err := s.holdNewest(ctx); err != nil {
		return err
	}
	of, err := s.Meta(ctx, metaDerive)
	if err != nil {
		return err
	}
	number := s.edition.Load()
	if string(of) != fmt.Sprint(number) {
		*l = late{}
		return nil
	}
	if l.number != number {
		*l = late{number, s.Now()}
	}
	if s.Now().Sub(l.since) < takeOver || !s.publishing.TryLock() {
		return nil
	}
	defer s.publishing.Unlock()
	s.Log.Warn("what the office has published was left half done, and is finished here", "edition", number)
	if err := s.follow(ctx); err != nil {
		return err
	}
	s.notice.raise()
	return nil
}

// derived is how many records are derived anew in one transaction.
const derived = 500

// deriveAnew makes the rows of some forms' tables from a village's records, and what their
// records show and have waiting.
func (s *Store) deriveAnew(ctx context.Context, v record.Village, stale []*table) error {
	for _, p := range stale {
		if err := s.change(ctx, func(t *tx) error { return p.clear(t, s, v) }); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for after, last := "", ""; ; after = last {
			if err := s.change(ctx, func(t *tx) (err error) {
				last, err = s.derive(t, p, v, after)
				return err
			}); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if last == "" {
				break
			}
		}
	}
	return nil
}

// derive does so for the next records behind one, and gives the last of them; "" for none.
func (s *Store) derive(t *tx, p *table, v record.Village, after string) (last string, err error) {
	b, err := s.lock(t, v, milli(s.now()))
	if err != nil {
		return "", err
	}
	var ids []record.ID
	err = t.rows(func(r *sql.Rows) error {
		if err := r.Scan(&last); err != nil {
			return err
		}
		id, err := record.ParseID(last)
		ids = append(ids, id)
		return err
	}, `SELECT record_id FROM record WHERE village_id = $1 AND type = $2 AND record_id > $3 ORDER BY record_id LIMIT $4`, v, p.form.Type, after, derived)
	if err != nil {
		return "", err
	}
	if b.load(ids) != nil {
		// One cannot be read: Verify reports it, here it must not stop the start.
		clear(b.records)
		for _, id := range ids {
			_ = b.load([]record.ID{id})
		}
	}
	for _, id := range ids {
		if w := b.records[id]; w.stored {
			b.touched = append(b.touched, w)
		}
	}
	waiting, err := b.waiting()
	if err != nil {
		return "", err
	}
	for _, w := range b.touched {
		if err := b.derive(p, w, waiting[w.id.String()]); err != nil {
			return "", err
		}
	}
	return last, nil
}
