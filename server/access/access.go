package access

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Access decides over a store.
type Access struct {
	// Cost is that of new passwords: Safe, but in tests of other things.
	Cost Cost

	store  *store.Store
	now    func() time.Time
	random io.Reader
	// logins and addresses slow down who gives wrong passwords, codes who gives wrong
	// codes of a login.
	logins, addresses, codes slower
	// hashing bounds the memory of passwords being checked at once, queue how many
	// wait for that.
	hashing, queue chan struct{}
	numbers        sync.Mutex
	number         []byte
	refused        refusals
	read           reads
}

// New gives the access to a store; clock and randomness are the store's.
func New(s *store.Store) *Access {
	return &Access{
		Cost: Safe, store: s, now: s.Now, random: s.Random,
		logins: slower{free: freeLogin, longest: longestLogin}, addresses: slower{free: freeAddress, longest: longestAddress},
		codes:   slower{free: freeCode, longest: longestCode},
		hashing: make(chan struct{}, maxHashing), queue: make(chan struct{}, maxHashing+maxQueued),
	}
}

// NameError says why a name, login or village cannot be taken. It reads as a
// sentence.
type NameError struct{ Zh, En string }

func (e *NameError) Error() string { return e.En }

// CheckName tells whether somebody can be called that, by the rules for people
// on laptops.
func (a *Access) CheckName(ctx context.Context, name string) error {
	if err := plainName(name); err != nil {
		return err
	}
	_, err := a.store.Account(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return &NameError{"“" + name + "”是办公室账号的登录名，请用姓名全称或加上村名", name + " is the login of an account; use the full name or add the village"}
}

func plainName(name string) error {
	switch {
	case strings.TrimSpace(name) != name || name == "":
		return &NameError{"姓名不能为空，前后不能有空格", "a name must not be empty or begin or end with a space"}
	case utf8.RuneCountInString(name) > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return &NameError{"姓名最多64个字，不能含换行等控制字符", "a name has at most 64 characters and no control characters"}
	}
	return nil
}

// Numbers is the key of the ids that official numbers give, drawn once for the
// whole system.
func (a *Access) Numbers(ctx context.Context) ([]byte, error) {
	a.numbers.Lock()
	defer a.numbers.Unlock()
	if a.number != nil {
		return a.number, nil
	}
	const key = "numbers"
	b, err := a.store.Meta(ctx, key)
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = make([]byte, 32)
		if _, err := io.ReadFull(a.random, b); err != nil {
			return nil, err
		}
		if err := a.store.SetMeta(ctx, key, b); err != nil {
			return nil, err
		}
	}
	a.number = b
	return b, nil
}

// Laptop is what an enrolment code is for.
type Laptop struct {
	Villages []record.Village
	Role     identity.Role
	Name     string
	TTL      time.Duration
	// URL and Pin are what the code tells of the server.
	URL string
	Pin identity.Pin
}

// TTL is how long a code works unless somebody says otherwise.
const TTL = 72 * time.Hour

// NewCode makes an enrolment code. What cannot be is refused with a *NameError.
func (a *Access) NewCode(ctx context.Context, l Laptop) (identity.Code, error) {
	c := identity.Code{URL: l.URL, Pin: l.Pin}
	if err := a.CheckName(ctx, l.Name); err != nil {
		return c, err
	}
	if !slices.Contains(identity.Field, l.Role) {
		return c, &NameError{fmt.Sprintf("“%s”不是电脑可用的角色，应为 %s 之一", l.Role, rolesText()), fmt.Sprintf("%q is no role for a laptop; it is one of %s", l.Role, rolesText())}
	}
	if err := a.checkVillages(ctx, l.Villages); err != nil {
		return c, err
	}
	if l.TTL <= 0 {
		return c, &NameError{"有效期必须大于零", "a code must be good for longer than no time"}
	}
	if _, err := io.ReadFull(a.random, c.ID[:]); err != nil {
		return c, err
	}
	if _, err := io.ReadFull(a.random, c.Secret[:]); err != nil {
		return c, err
	}
	hash := sha256.Sum256(c.Secret[:])
	now := a.now()
	return c, a.store.AddCode(ctx, store.Code{ID: fmt.Sprintf("%x", c.ID), SecretHash: hash[:], Role: l.Role, Name: l.Name, Villages: l.Villages,
		Created: now, Expires: now.Add(l.TTL)}, &store.Note{Act: "code", Subject: l.Name + " " + string(l.Role) + " " + codes(l.Villages)})
}

// codes lists villages in a note.
func codes(villages []record.Village) string {
	list := make([]string, len(villages))
	for i, v := range villages {
		list[i] = string(v)
	}
	return strings.Join(list, ",")
}

// of names a device in a note.
func of(d *store.Device) string { return string(d.ID) + " " + d.Name }

func rolesText() string {
	var names []string
	for _, r := range identity.Field {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

func (a *Access) checkVillages(ctx context.Context, codes []record.Village) error {
	known, err := a.store.Villages(ctx)
	if err != nil {
		return err
	}
	for i, code := range codes {
		if !slices.ContainsFunc(known, func(v store.Village) bool { return v.Code == code }) {
			return &NameError{fmt.Sprintf("没有代码为“%s”的村，请先用 village add 添加", code), fmt.Sprintf("there is no village %q; add it first with village add", code)}
		}
		if slices.Contains(codes[:i], code) {
			return &NameError{fmt.Sprintf("村“%s”写了两次", code), fmt.Sprintf("village %q is there twice", code)}
		}
	}
	if len(codes) == 0 {
		return &NameError{"至少要有一个村", "at least one village is needed"}
	}
	return nil
}

// ErrCode says that an enrolment code is unknown, used, too old or burnt. Which
// of these it is nobody is told who does not hold the code.
var ErrCode = errors.New("the code does not work: unknown, used, too old, or tried too often; ask the office for a new one")

// burnt is how many wrong secrets a code survives.
const burnt = 5

// works tells a code that is neither burnt nor too old.
func (a *Access) works(c *store.Code) bool { return c.Misses < burnt && !a.now().After(c.Expires) }

// Enrol brings a laptop in by its code. ErrCode.
func (a *Access) Enrol(ctx context.Context, m *wire.Enrol) (wire.Enrolled, error) {
	var answer wire.Enrolled
	if len(m.Key) != 32 {
		return answer, ErrCode
	}
	numbers, err := a.Numbers(ctx)
	if err != nil {
		return answer, err
	}
	id := make([]byte, 16)
	if _, err := io.ReadFull(a.random, id); err != nil {
		return answer, err
	}
	// Its name then begins with a letter: one that begins with a hyphen would be
	// an option on every command line.
	id[0] &= 0x7f
	known, err := a.store.DeviceByKey(ctx, m.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return answer, err
	}
	var device store.Device
	note := store.Note{Act: "enrolled"}
	now := a.now()
	hash := sha256.Sum256(m.Secret[:])
	err = a.store.UseCode(ctx, fmt.Sprintf("%x", m.Code), func(c store.Code, holder *store.Device) (*store.Device, bool, error) {
		switch {
		case !a.works(&c):
			return nil, false, ErrCode
		case !hmac.Equal(c.SecretHash, hash[:]):
			return nil, true, ErrCode
		case holder != nil:
			// Used: by the same key it may be repeated.
			if device = *holder; !hmac.Equal(holder.Key, m.Key) || holder.Revoked() {
				return nil, false, ErrCode
			}
			return nil, false, nil
		case known.ID != "":
			return nil, false, ErrCode
		}
		device = store.Device{
			ID: identity.Device(base64.RawURLEncoding.EncodeToString(id)), Key: m.Key, Name: c.Name, Role: c.Role,
			Profiles: []string{c.Name}, Villages: c.Villages, Serial: 1, Agent: agentName(m.Agent), EnrolledAt: now,
		}
		device.TokenHash = hashToken(a.token(device.ID))
		note.Who, note.Subject = c.Name, of(&device)
		return &device, false, nil
	}, &note)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrCode) {
		return answer, ErrCode
	} else if err != nil {
		return answer, err
	}
	answer = wire.Enrolled{Device: device.ID, Token: a.token(device.ID), Server: a.store.Key.Public().(ed25519.PublicKey), Numbers: numbers, Time: now.UnixMilli()}
	answer.Assigned, err = a.Assignment(ctx, &device)
	return answer, err
}

// agentName gives what a laptop says of its agent, where that can be kept.
func agentName(s string) string {
	if len(s) > 64 || !utf8.ValidString(s) {
		return "?"
	}
	return s
}

// token of a device. It follows from the server's key, so that an enrolment
// that is repeated gives the same one and does not lock out who had it first.
func (a *Access) token(id identity.Device) string {
	mac := hmac.New(sha256.New, a.store.Key.Seed())
	mac.Write([]byte("zhucun device token 1\x00" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Device finds the device of a token, revoked ones too. store.ErrNotFound.
func (a *Access) Device(ctx context.Context, token string) (store.Device, error) {
	return a.store.DeviceByToken(ctx, hashToken(token))
}

// Assignment says what a device may do, as it is told.
func (a *Access) Assignment(ctx context.Context, d *store.Device) (wire.Assignment, error) {
	known, err := a.store.Villages(ctx)
	if err != nil {
		return wire.Assignment{}, err
	}
	days, err := a.OfflineDays(ctx)
	if err != nil {
		return wire.Assignment{}, err
	}
	photos, err := a.Photos(ctx)
	if err != nil {
		return wire.Assignment{}, err
	}
	published, err := a.store.EditionAsSent(ctx)
	if err != nil {
		return wire.Assignment{}, err
	}
	as := wire.Assignment{Serial: d.Serial, Edition: published, Role: d.Role, Profiles: d.Profiles, OfflineDays: uint64(days), PhotoSide: uint64(photos.Side), PhotoQuality: uint64(photos.Quality), Originals: photos.Originals}
	for _, code := range d.Villages {
		v := wire.Village{Code: code}
		if i := slices.IndexFunc(known, func(v store.Village) bool { return v.Code == code }); i >= 0 {
			v.Name, v.Township = known[i].Name, known[i].Township
		}
		as.Villages = append(as.Villages, v)
	}
	return as, nil
}

// ErrRevoked says that the device is revoked already.
var ErrRevoked = errors.New("the device is revoked already")

// ErrGranted says that the device is not revoked.
var ErrGranted = errors.New("the device is not revoked")

// Regrant takes a revoked device in again. What it sent meanwhile stays in
// quarantine until somebody decides; one that was emptied by then has nothing and
// needs a code. store.ErrNotFound, ErrGranted.
func (a *Access) Regrant(ctx context.Context, id identity.Device) (store.Device, error) {
	note := store.Note{Act: "regrant"}
	return a.store.ChangeDevice(ctx, id, func(d *store.Device) error {
		if !d.Revoked() {
			return ErrGranted
		}
		d.RevokedAt = time.Time{}
		note.Subject = of(d)
		return nil
	}, &note)
}

// Revoke takes a device out: it reads nothing more, and what it still sends is
// kept in quarantine. store.ErrNotFound, ErrRevoked.
func (a *Access) Revoke(ctx context.Context, id identity.Device) (store.Device, error) {
	note := store.Note{Act: "revoke"}
	return a.store.ChangeDevice(ctx, id, func(d *store.Device) error {
		if d.Revoked() {
			return ErrRevoked
		}
		d.RevokedAt = a.now()
		note.Subject = of(d)
		return nil
	}, &note)
}

// AddProfile registers one more person on a device. store.ErrNotFound, a
// *NameError.
func (a *Access) AddProfile(ctx context.Context, id identity.Device, name string) (store.Device, error) {
	if err := a.CheckName(ctx, name); err != nil {
		return store.Device{}, err
	}
	note := store.Note{Act: "profile"}
	return a.store.ChangeDevice(ctx, id, func(d *store.Device) error {
		if slices.Contains(d.Profiles, name) {
			return &NameError{"“" + name + "”已登记在这台电脑上", name + " is registered on this laptop already"}
		}
		d.Profiles = append(d.Profiles, name)
		note.Subject = string(d.ID) + " " + name
		return nil
	}, &note)
}

// Assign gives a device other villages. store.ErrNotFound, a *NameError.
func (a *Access) Assign(ctx context.Context, id identity.Device, villages []record.Village) (store.Device, error) {
	if err := a.checkVillages(ctx, villages); err != nil {
		return store.Device{}, err
	}
	note := store.Note{Act: "assign"}
	return a.store.ChangeDevice(ctx, id, func(d *store.Device) error {
		note.Subject = of(d) + " " + codes(d.Villages) + " → " + codes(villages)
		d.Villages = villages
		return nil
	}, &note)
}

// AddVillage enters a village. store.ErrTaken, a *NameError.
func (a *Access) AddVillage(ctx context.Context, v store.Village) error {
	if !villageCode(string(v.Code)) {
		return &NameError{"村代码由1至32个字母、数字或短横组成，通常是12位统计用区划代码", "a village code has 1 to 32 letters, digits and dashes, as a rule the 12 digits of the statistical code"}
	}
	if err := plainName(v.Name); err != nil {
		return err
	}
	v.Created = a.now()
	return a.store.AddVillage(ctx, v, &store.Note{Act: "village", Subject: string(v.Code) + " " + v.Name})
}

func villageCode(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	})
}
