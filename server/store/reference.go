package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Village is a village as the office entered it.
type Village struct {
	Code     record.Village
	Name     string
	Township string
	Created  time.Time
}

// Device is a laptop that was enrolled.
type Device struct {
	ID        identity.Device
	Key       ed25519.PublicKey
	TokenHash []byte
	// Name is whom it was enrolled for, the first of Profiles.
	Name     string
	Role     identity.Role
	Profiles []string
	Villages []record.Village
	// Serial rises with every change of the above.
	Serial     uint64
	Agent      string // the agent's version when it was enrolled
	RevokedAt  time.Time
	EnrolledAt time.Time
}

// Revoked tells a device that may no longer take part.
func (d *Device) Revoked() bool { return !d.RevokedAt.IsZero() }

// Account is somebody who signs in at the office.
type Account struct {
	ID     string
	Login  string
	Secret string // argon2id, with its parameters
	Roles  []identity.Role
	// Village is the only one that the account is for, "" where it is for all.
	Village record.Village
	Factor  Factor
	// SignOuts is how often it was signed out everywhere.
	SignOuts int64
	Created  time.Time
}

// Factor is what checks an account's second factor; the zero Factor is none.
type Factor struct {
	Secret   []byte   `json:"secret,omitempty"`   // sealed
	Step     int64    `json:"step,omitempty"`     // the last that a code was taken of
	Recovery [][]byte `json:"recovery,omitempty"` // hashes of the codes that are left
}

// IsSet tells an account that has a second factor.
func (f *Factor) IsSet() bool { return len(f.Secret) > 0 }

// Code is an enrolment code, without its secret.
type Code struct {
	ID         string
	SecretHash []byte
	Role       identity.Role
	Name       string
	Villages   []record.Village
	Created    time.Time
	Expires    time.Time
	Misses     int
	UsedBy     identity.Device // "" until it was used
	UsedAt     time.Time
}

// ErrTaken says that the name or code is there already.
var ErrTaken = errors.New("already taken")

// The writes below take the notes that they leave in the audit: both are there or
// neither. A function that is given may fill them in.

// AddVillage enters a village. ErrTaken: its code is there already.
func (s *Store) AddVillage(ctx context.Context, v Village, notes ...*Note) error {
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`INSERT INTO village(village_id, name, township, created) VALUES($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			v.Code, v.Name, v.Township, v.Created.UnixMilli())
		if err == nil && n == 0 {
			err = ErrTaken
		}
		if err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO village_head(village_id) VALUES($1) ON CONFLICT DO NOTHING`, v.Code); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
}

// Villages lists the villages by code.
func (s *Store) Villages(ctx context.Context) ([]Village, error) {
	var list []Village
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var v Village
			var created int64
			err := r.Scan(&v.Code, &v.Name, &v.Township, &created)
			v.Created = time.UnixMilli(created)
			list = append(list, v)
			return err
		}, `SELECT village_id, name, township, created FROM village ORDER BY village_id`)
	})
	return list, err
}

// Head is how far a village's feed has come.
type Head struct {
	Village record.Village
	Feed    uint64
}

// Heads gives the feed of every village that anything is stored of, by code.
func (s *Store) Heads(ctx context.Context) ([]Head, error) {
	var list []Head
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var h Head
			err := r.Scan(&h.Village, &h.Feed)
			list = append(list, h)
			return err
		}, `SELECT village_id, feed FROM village_head ORDER BY village_id`)
	})
	return list, err
}

const deviceColumns = `device_id, pubkey, token_hash, name, role, profiles, villages, serial, agent, revoked_at, enrolled_at`

func scanDevice(r interface{ Scan(...any) error }) (Device, error) {
	var d Device
	var key, profiles, villages []byte
	var revoked sql.NullInt64
	var enrolled int64
	if err := r.Scan(&d.ID, &key, &d.TokenHash, &d.Name, &d.Role, &profiles, &villages, &d.Serial, &d.Agent, &revoked, &enrolled); err != nil {
		return d, err
	}
	d.Key, d.EnrolledAt = key, time.UnixMilli(enrolled)
	if revoked.Valid {
		d.RevokedAt = time.UnixMilli(revoked.Int64)
	}
	return d, errors.Join(json.Unmarshal(profiles, &d.Profiles), json.Unmarshal(villages, &d.Villages))
}

// Device finds a device by its id. ErrNotFound.
func (s *Store) Device(ctx context.Context, id identity.Device) (Device, error) {
	return s.device(ctx, `device_id = $1`, id)
}

// DeviceByToken finds a device by the hash of its token. ErrNotFound.
func (s *Store) DeviceByToken(ctx context.Context, hash []byte) (Device, error) {
	return s.device(ctx, `token_hash = $1`, hash)
}

// DeviceByKey finds a device by its key. ErrNotFound.
func (s *Store) DeviceByKey(ctx context.Context, key ed25519.PublicKey) (Device, error) {
	return s.device(ctx, `pubkey = $1`, []byte(key))
}

func (s *Store) device(ctx context.Context, where string, arg any) (Device, error) {
	var d Device
	err := s.look(ctx, func(t *tx) (err error) {
		d, err = scanDevice(t.row(`SELECT `+deviceColumns+` FROM device WHERE `+where, arg))
		return err
	})
	return d, found(err)
}

// found gives ErrNotFound for no row.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// SetForLaptops sets a value of the table meta that goes to laptops with their
// assignment, and has each be told anew.
func (s *Store) SetForLaptops(ctx context.Context, key string, value []byte, notes ...*Note) error {
	err := s.change(ctx, func(t *tx) error {
		if err := t.setMeta(key, value); err != nil {
			return err
		}
		if err := t.exec(`UPDATE device SET serial = serial + 1 WHERE revoked_at IS NULL`); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	if err == nil {
		s.notice.raise()
	}
	return err
}

// SetEscrow keeps the key of a device's data, sealed. ErrNotFound.
func (s *Store) SetEscrow(ctx context.Context, id identity.Device, sealed []byte) error {
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`UPDATE device SET escrow = $2 WHERE device_id = $1`, id, sealed)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Escrow gives what SetEscrow kept. ErrNotFound where that is nothing.
func (s *Store) Escrow(ctx context.Context, id identity.Device) ([]byte, error) {
	var sealed []byte
	err := s.look(ctx, func(t *tx) error {
		return t.row(`SELECT escrow FROM device WHERE device_id = $1 AND escrow IS NOT NULL`, id).Scan(&sealed)
	})
	return sealed, found(err)
}

// Devices lists all devices in the order in which they were enrolled.
func (s *Store) Devices(ctx context.Context) ([]Device, error) {
	var list []Device
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			d, err := scanDevice(r)
			list = append(list, d)
			return err
		}, `SELECT `+deviceColumns+` FROM device ORDER BY enrolled_at, device_id`)
	})
	return list, err
}

// ChangeDevice lets change alter a device's name, role, people, villages or
// revocation and raises its serial. ErrNotFound; or the error of change.
func (s *Store) ChangeDevice(ctx context.Context, id identity.Device, change func(*Device) error, notes ...*Note) (Device, error) {
	var d Device
	err := s.change(ctx, func(t *tx) (err error) {
		if d, err = scanDevice(t.row(`SELECT `+deviceColumns+` FROM device WHERE device_id = $1`, id)); err != nil {
			return err
		}
		if err := change(&d); err != nil {
			return err
		}
		d.Serial++
		if err := t.putDevice(&d); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	if err == nil {
		s.notice.raise()
	}
	return d, found(err)
}

func (t *tx) putDevice(d *Device) error {
	profiles, villages, err := lists(d.Profiles, d.Villages)
	if err != nil {
		return err
	}
	var revoked any
	if d.Revoked() {
		revoked = d.RevokedAt.UnixMilli()
	}
	return t.exec(`INSERT INTO device(`+deviceColumns+`) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT(device_id) DO UPDATE SET name = excluded.name, role = excluded.role, profiles = excluded.profiles,
		villages = excluded.villages, serial = excluded.serial, revoked_at = excluded.revoked_at`,
		d.ID, []byte(d.Key), d.TokenHash, d.Name, d.Role, profiles, villages, d.Serial, d.Agent, revoked, d.EnrolledAt.UnixMilli())
}

func lists[A, B any](a []A, b []B) (x, y string, err error) {
	p, err1 := json.Marshal(slices.Concat([]A{}, a))
	q, err2 := json.Marshal(slices.Concat([]B{}, b))
	return string(p), string(q), errors.Join(err1, err2)
}

const codeColumns = `code_id, secret_hash, role, name, villages, created, expires_at, misses, used_by, used_at`

func scanCode(r interface{ Scan(...any) error }) (Code, error) {
	var c Code
	var villages []byte
	var created, expires int64
	var by sql.NullString
	var at sql.NullInt64
	if err := r.Scan(&c.ID, &c.SecretHash, &c.Role, &c.Name, &villages, &created, &expires, &c.Misses, &by, &at); err != nil {
		return c, err
	}
	c.Created, c.Expires, c.UsedBy = time.UnixMilli(created), time.UnixMilli(expires), identity.Device(by.String)
	if at.Valid {
		c.UsedAt = time.UnixMilli(at.Int64)
	}
	return c, json.Unmarshal(villages, &c.Villages)
}

// AddCode keeps a new enrolment code.
func (s *Store) AddCode(ctx context.Context, c Code, notes ...*Note) error {
	villages, err := json.Marshal(c.Villages)
	if err != nil {
		return err
	}
	return s.change(ctx, func(t *tx) error {
		if err := t.exec(`INSERT INTO code(code_id, secret_hash, role, name, villages, created, expires_at) VALUES($1, $2, $3, $4, $5, $6, $7)`,
			c.ID, c.SecretHash, c.Role, c.Name, string(villages), c.Created.UnixMilli(), c.Expires.UnixMilli()); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
}

// Codes lists the enrolment codes, the newest first.
func (s *Store) Codes(ctx context.Context) ([]Code, error) {
	var list []Code
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			c, err := scanCode(r)
			list = append(list, c)
			return err
		}, `SELECT `+codeColumns+` FROM code ORDER BY created DESC, code_id`)
	})
	return list, err
}

// UseCode lets judge decide on the use of an enrolment code, under its lock. A
// device that judge gives is enrolled and the code used up, which is noted; with miss the code
// counts one more attempt with a wrong secret. ErrNotFound; or judge's error,
// which does not undo the miss.
func (s *Store) UseCode(ctx context.Context, id string, judge func(c Code, holder *Device) (d *Device, miss bool, err error), notes ...*Note) error {
	var refusal error
	err := s.change(ctx, func(t *tx) error {
		// The update takes the lock before the row is read.
		if err := t.exec(`UPDATE code SET misses = misses WHERE code_id = $1`, id); err != nil {
			return err
		}
		c, err := scanCode(t.row(`SELECT `+codeColumns+` FROM code WHERE code_id = $1`, id))
		if err != nil {
			return err
		}
		var holder *Device
		if c.UsedBy != "" {
			d, err := scanDevice(t.row(`SELECT `+deviceColumns+` FROM device WHERE device_id = $1`, c.UsedBy))
			if err != nil {
				return err
			}
			holder = &d
		}
		d, miss, err := judge(c, holder)
		refusal = err
		switch {
		case miss:
			return t.exec(`UPDATE code SET misses = misses + 1 WHERE code_id = $1`, id)
		case err != nil || d == nil:
			return nil
		}
		if err := t.putDevice(d); err != nil {
			return err
		}
		if err := t.exec(`UPDATE code SET used_by = $2, used_at = $3 WHERE code_id = $1`, id, d.ID, d.EnrolledAt.UnixMilli()); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	return errors.Join(refusal, found(err))
}

const accountColumns = `account_id, login, secret, roles, village, factor, signouts, created`

func scanAccount(r interface{ Scan(...any) error }) (Account, error) {
	var a Account
	var roles, factor []byte
	var created int64
	if err := r.Scan(&a.ID, &a.Login, &a.Secret, &roles, &a.Village, &factor, &a.SignOuts, &created); err != nil {
		return a, err
	}
	a.Created = time.UnixMilli(created)
	return a, errors.Join(json.Unmarshal(roles, &a.Roles), json.Unmarshal(factor, &a.Factor))
}

// AddAccount enters an account. ErrTaken: the login is there already.
func (s *Store) AddAccount(ctx context.Context, a Account, notes ...*Note) error {
	roles, err := json.Marshal(a.Roles)
	if err != nil {
		return err
	}
	factor, err := json.Marshal(a.Factor)
	if err != nil {
		return err
	}
	return s.change(ctx, func(t *tx) error {
		n, err := t.affect(`INSERT INTO account(`+accountColumns+`) VALUES($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			a.ID, a.Login, a.Secret, string(roles), a.Village, string(factor), a.SignOuts, a.Created.UnixMilli())
		if err == nil && n == 0 {
			err = ErrTaken
		}
		if err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
}

// ChangeAccount changes an account's password, second factor or sign-outs by what
// they are in the same transaction: of two who use up the same thing one is told.
// ErrNotFound, and the errors of change, after which nothing has changed.
func (s *Store) ChangeAccount(ctx context.Context, login string, change func(*Account) error, notes ...*Note) error {
	var refusal error
	err := s.change(ctx, func(t *tx) error {
		refusal = nil
		// The update takes the lock before the row is read.
		if err := t.exec(`UPDATE account SET signouts = signouts WHERE login = $1`, login); err != nil {
			return err
		}
		a, err := scanAccount(t.row(`SELECT `+accountColumns+` FROM account WHERE login = $1`, login))
		if err != nil {
			return err
		}
		if refusal = change(&a); refusal != nil {
			return nil
		}
		factor, err := json.Marshal(a.Factor)
		if err != nil {
			return err
		}
		if err := t.exec(`UPDATE account SET secret = $2, factor = $3, signouts = $4 WHERE login = $1`, login, a.Secret, string(factor), a.SignOuts); err != nil {
			return err
		}
		return t.note(s, s.Now(), notes...)
	})
	return errors.Join(refusal, found(err))
}

// Account finds an account by its login. ErrNotFound.
func (s *Store) Account(ctx context.Context, login string) (Account, error) {
	var a Account
	err := s.look(ctx, func(t *tx) (err error) {
		a, err = scanAccount(t.row(`SELECT `+accountColumns+` FROM account WHERE login = $1`, login))
		return err
	})
	return a, found(err)
}

// Accounts lists the accounts by login.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	var list []Account
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			a, err := scanAccount(r)
			list = append(list, a)
			return err
		}, `SELECT `+accountColumns+` FROM account ORDER BY login`)
	})
	return list, err
}
