package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Token lets a program read, as an account of its role would.
type Token struct {
	ID   string
	Name string
	Hash []byte
	Role identity.Role
	// Villages are those that it reads; none means all that its role sees.
	Villages []record.Village
	// Unmask tells that it may ask for numbers in full, each time with a reason.
	Unmask  bool
	Created time.Time
	Expires time.Time
	Revoked time.Time // zero while it is not
	// Used is the day on which it was last used, "" before.
	Used string
}

// Works tells a token that is neither revoked nor too old.
func (k *Token) Works(now time.Time) bool { return k.Revoked.IsZero() && now.Before(k.Expires) }

const tokenColumns = `token_id, name, hash, role, villages, unmask, created, expires, revoked, used`

func scanToken(r interface{ Scan(...any) error }) (Token, error) {
	var k Token
	var villages []byte
	var created, expires, revoked int64
	if err := r.Scan(&k.ID, &k.Name, &k.Hash, &k.Role, &villages, &k.Unmask, &created, &expires, &revoked, &k.Used); err != nil {
		return k, err
	}
	k.Created, k.Expires = time.UnixMilli(created), time.UnixMilli(expires)
	if revoked > 0 {
		k.Revoked = time.UnixMilli(revoked)
	}
	return k, json.Unmarshal(villages, &k.Villages)
}

// AddToken enters a token. ErrTaken: another one that works has its name.
func (s *Store) AddToken(ctx context.Context, k Token, notes ...*Note) error {
	villages, err := json.Marshal(append([]record.Village{}, k.Villages...))
	if err != nil {
		return err
	}
	unmask := 0
	if k.Unmask {
		unmask = 1
	}
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`INSERT INTO token(token_id, name, hash, role, villages, unmask, created, expires)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM token WHERE name = $2 AND revoked = 0 AND expires > $7)`,
			k.ID, k.Name, k.Hash, string(k.Role), string(villages), unmask, k.Created.UnixMilli(), k.Expires.UnixMilli())
		if err == nil && n == 0 {
			err = ErrTaken
		}
		if err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
}

// Tokens lists the tokens, the newest first.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	var list []Token
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			k, err := scanToken(r)
			list = append(list, k)
			return err
		}, `SELECT `+tokenColumns+` FROM token ORDER BY created DESC, token_id`)
	})
	return list, err
}

// TokenByHash finds a token, revoked ones too. ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (Token, error) {
	var k Token
	err := s.look(ctx, func(t *tx) (err error) {
		k, err = scanToken(t.row(`SELECT `+tokenColumns+` FROM token WHERE hash = $1`, hash))
		return err
	})
	return k, found(err)
}

// ErrEnded says that the token was revoked before.
var ErrEnded = errors.New("the token is revoked already")

// RevokeToken ends a token, named by its id or, of one that works, by its name, and gives
// it. ErrNotFound, ErrEnded.
func (s *Store) RevokeToken(ctx context.Context, name string, notes ...*Note) (Token, error) {
	var k Token
	err := s.change(ctx, func(t *tx) (err error) {
		now := s.Now()
		k, err = scanToken(t.row(`SELECT `+tokenColumns+` FROM token WHERE token_id = $1 OR name = $1 ORDER BY revoked, created DESC LIMIT 1`, name))
		switch {
		case err != nil:
			return err
		case !k.Revoked.IsZero():
			return ErrEnded
		}
		k.Revoked = now
		for _, n := range notes {
			n.Subject = k.Name
		}
		if err := t.exec(`UPDATE token SET revoked = $2 WHERE token_id = $1`, k.ID, now.UnixMilli()); err != nil {
			return err
		}
		return t.note(s, now, notes...)
	})
	return k, found(err)
}

// TokenUsed notes the day on which a token was last used.
func (s *Store) TokenUsed(ctx context.Context, id, day string) error {
	return s.change(ctx, func(t *tx) error {
		return t.exec(`UPDATE token SET used = $2 WHERE token_id = $1 AND used < $2`, id, day)
	})
}
