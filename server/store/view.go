package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"zhucun/shared/merge"
	"zhucun/shared/pinyin"
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

// eraseViews drops the saved views, anybody's, that look for a record by what is erased of
// it, or are called by that, and gives how many: what they looked for is no more. A view
// that looks for somebody else of the same name goes with them.
func (t *tx) eraseViews(s *Store, typ record.Type, state merge.State) (n int, err error) {
	said := s.namesOf(typ, state)
	if len(said) == 0 {
		return 0, nil
	}
	var drop []string
	if err := t.rows(func(r *sql.Rows) error {
		var v SavedView
		err := r.Scan(&v.ID, &v.Login, &v.Type, &v.Name, &v.Query, &v.Shared)
		q, bad := url.ParseQuery(v.Query)
		texts := wordsOf(v.Name)
		for name, values := range q {
			if name == "q" || strings.HasPrefix(name, "w.") {
				for _, text := range values {
					texts = append(texts, wordsOf(text)...)
				}
			}
		}
		if bad != nil || slices.ContainsFunc(texts, said.names) {
			drop = append(drop, v.ID)
		}
		return err
	}, `SELECT `+viewColumns+` FROM saved_view`); err != nil {
		return 0, err
	}
	for _, id := range drop {
		if err := t.exec(`DELETE FROM saved_view WHERE view_id = $1`, id); err != nil {
			return 0, err
		}
	}
	return len(drop), nil
}

// names are the texts by which somebody is known: whole ones, as they are looked for.
type names map[string]bool

// namesOf gives those that a record says, with all that stands beside each other in it.
func (s *Store) namesOf(typ record.Type, state merge.State) names {
	said := names{}
	f := s.forms.Form(typ)
	if f == nil {
		return said
	}
	kinds := map[string]keyKind{}
	for _, k := range keyed[typ] {
		kinds[k.name] = k.kind
	}
	for path, reg := range state {
		fd := f.PathField(path)
		if fd == nil {
			continue
		}
		kind, looked := kinds[fd.Name]
		if looked && kind == keyWord || !looked && !fd.Masked {
			continue
		}
		for _, sib := range reg.Siblings {
			text, _ := sib.Value.Text()
			if looked && kind == keyName {
				for _, key := range pinyin.Keys(text) {
					said[key] = true
				}
				continue
			}
			if n := code(text); len(n) > 4 {
				said[n], said[n[len(n)-4:]] = true, true
			}
		}
	}
	return said
}

// names tells a word that is one of the names, or has one of two characters or more in it
// that are no letters: what is written around a name names it all the same.
func (n names) names(word string) bool {
	if n[word] {
		return utf8.RuneCountInString(word) > 1
	}
	for name := range n {
		if r, size := utf8.DecodeRuneInString(name); r >= utf8.RuneSelf && len(name) > size && strings.Contains(word, name) {
			return true
		}
	}
	return false
}
