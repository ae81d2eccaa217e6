package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/google/uuid"

	"zhucun/shared/record"
)

// SavedView is what somebody looks for again and again: a list by name. It is an address
// and holds no records.
type SavedView struct {
	ID     string
	Login  string // whose it is
	Type   record.Type
	Name   string
	Query  string // of the address
	Shared bool   // others at the office have it too
}

// maxViews is how many views of one type an account may keep.
const maxViews = 30

// ErrViews says that an account keeps as many views as it may.
var ErrViews = errors.New("too many saved views")

const viewColumns = `view_id, login, type, name, query, shared`

// SavedViews gives the views of a type that an account has, and where shared those that
// others share, by name.
func (s *Store) SavedViews(ctx context.Context, login string, t record.Type, shared bool) (list []SavedView, err error) {
	others := 0
	if shared {
		others = 1
	}
	return list, s.look(ctx, func(t2 *tx) error {
		return t2.rows(func(r *sql.Rows) error {
			var v SavedView
			err := r.Scan(&v.ID, &v.Login, &v.Type, &v.Name, &v.Query, &v.Shared)
			list = append(list, v)
			return err
		}, `SELECT `+viewColumns+` FROM saved_view WHERE type = $2 AND (login = $1 OR shared = 1 AND $3 = 1) ORDER BY name, login`, login, t, others)
	})
}

// SaveView keeps a view; one of the same account, type and name takes its place. ErrViews.
func (s *Store) SaveView(ctx context.Context, v SavedView) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	shared := 0
	if v.Shared {
		shared = 1
	}
	return s.change(ctx, func(t *tx) error {
		if err := t.exec(`DELETE FROM saved_view WHERE login = $1 AND type = $2 AND name = $3`, v.Login, v.Type, v.Name); err != nil {
			return err
		}
		n := 0
		if err := t.row(`SELECT count(*) FROM saved_view WHERE login = $1 AND type = $2`, v.Login, v.Type).Scan(&n); err != nil {
			return err
		}
		if n >= maxViews {
			return ErrViews
		}
		return t.exec(`INSERT INTO saved_view(`+viewColumns+`) VALUES($1, $2, $3, $4, $5, $6)`, id.String(), v.Login, v.Type, v.Name, v.Query, shared)
	})
}

// DropView forgets a view of an account. ErrNotFound: it has none of that id.
func (s *Store) DropView(ctx context.Context, login, id string) error {
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`DELETE FROM saved_view WHERE view_id = $1 AND login = $2`, id, login)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}
