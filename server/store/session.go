package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Session is what is known of a browser that is signed in. Its ID is a hash of what the
// browser holds; from it nobody gets that.
type Session struct {
	ID      string
	Login   string // "" until everything that the door asks for is given
	Stamp   string // of the account when it began; where that is another by now it has ended
	Began   time.Time
	Seen    time.Time // when somebody last did something, to the minute
	Address string
	Browser string
	Ends    time.Time
}

// Session gives what was kept under a session's id; false where there is none
// or it has run out.
func (s *Store) Session(ctx context.Context, id string) (body []byte, ok bool, err error) {
	err = s.look(ctx, func(t *tx) error {
		return t.row(`SELECT body FROM session WHERE session_id = $1 AND expires_at > $2`, id, s.now()).Scan(&body)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return body, err == nil, err
}

// BeginSession keeps a new session until it ends, and drops those that have run out.
func (s *Store) BeginSession(ctx context.Context, n Session, body []byte) error {
	return s.change(ctx, func(t *tx) error {
		if err := t.exec(`DELETE FROM session WHERE expires_at <= $1`, s.now()); err != nil {
			return err
		}
		return t.exec(`INSERT INTO session(session_id, body, expires_at, login, stamp, began, seen, address, browser) VALUES($1, $2, $3, $4, $5, $6, $6, $7, $8)`,
			n.ID, body, n.Ends.UnixMilli(), n.Login, n.Stamp, s.now(), n.Address, n.Browser)
	})
}

// PutSession keeps what has changed in a session. One that somebody has ended meanwhile
// stays ended: a request that was under way must not bring it back.
func (s *Store) PutSession(ctx context.Context, n Session, body []byte) error {
	return s.change(ctx, func(t *tx) error {
		return t.exec(`UPDATE session SET body = $2, expires_at = $3, seen = $4, address = $5, browser = $6 WHERE session_id = $1`,
			n.ID, body, n.Ends.UnixMilli(), n.Seen.UnixMilli(), n.Address, n.Browser)
	})
}

// Sessions gives the sessions of an account that have not run out, or with "" of all
// accounts, the last used first.
func (s *Store) Sessions(ctx context.Context, login string) ([]Session, error) {
	var list []Session
	err := s.look(ctx, func(t *tx) error {
		list = nil
		return t.rows(func(r *sql.Rows) error {
			var n Session
			var began, seen, ends int64
			err := r.Scan(&n.ID, &n.Login, &n.Stamp, &began, &seen, &n.Address, &n.Browser, &ends)
			n.Began, n.Seen, n.Ends = time.UnixMilli(began), time.UnixMilli(seen), time.UnixMilli(ends)
			list = append(list, n)
			return err
		}, `SELECT session_id, login, stamp, began, seen, address, browser, expires_at FROM session
			WHERE login <> '' AND (login = $1 OR $1 = '') AND expires_at > $2 ORDER BY seen DESC, session_id`, login, s.now())
	})
	return list, err
}

// DropSession ends a session; one that is not there is ended already.
func (s *Store) DropSession(ctx context.Context, id string, notes ...*Note) error {
	return s.DropSessions(ctx, []string{id}, notes...)
}

// DropSessions ends sessions.
func (s *Store) DropSessions(ctx context.Context, ids []string, notes ...*Note) error {
	return s.change(ctx, func(t *tx) error {
		for _, id := range ids {
			if err := t.exec(`DELETE FROM session WHERE session_id = $1`, id); err != nil {
				return err
			}
		}
		return t.note(s, s.Now(), notes...)
	})
}
