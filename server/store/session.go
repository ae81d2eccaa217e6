package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Session gives what was kept under a session's id; false where there is none
// or it has run out. The id is a hash of what the browser holds.
func (s *Store) Session(ctx context.Context, id string) (body []byte, ok bool, err error) {
	err = s.look(ctx, func(t *tx) error {
		return t.row(`SELECT body FROM session WHERE session_id = $1 AND expires_at > $2`, id, s.now()).Scan(&body)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return body, err == nil, err
}

// PutSession keeps a session until it ends, and drops those that have run out.
func (s *Store) PutSession(ctx context.Context, id string, body []byte, ends time.Time) error {
	return s.change(ctx, func(t *tx) error {
		if err := t.exec(`DELETE FROM session WHERE expires_at <= $1`, s.now()); err != nil {
			return err
		}
		return t.exec(`INSERT INTO session(session_id, body, expires_at) VALUES($1, $2, $3)
			ON CONFLICT(session_id) DO UPDATE SET body = excluded.body, expires_at = excluded.expires_at`, id, body, ends.UnixMilli())
	})
}

// DropSession ends a session; one that is not there is ended already.
func (s *Store) DropSession(ctx context.Context, id string) error {
	return s.change(ctx, func(t *tx) error { return t.exec(`DELETE FROM session WHERE session_id = $1`, id) })
}
