package access

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Cost is what checking a password costs by Argon2id: how often it goes over how many
// KiB, in how many lanes. It is kept with each password, so that it can be raised for
// new ones.
type Cost struct {
	Passes, Memory uint32
	Lanes          uint8
}

// Safe is RFC 9106's second recommendation.
var Safe = Cost{Passes: 3, Memory: 64 << 10, Lanes: 4}

const (
	argonSalt = 16
	argonKey  = 32
)

// kept is a password's hash as it is written down.
func (c Cost) kept(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Passes, c.Lanes, b64(salt), b64(key))
}

// hash gives a password as it is kept. ErrBusy.
func (a *Access) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(a.random, salt); err != nil {
		return "", err
	}
	key, err := a.derive(ctx, password, salt, a.Cost, argonKey)
	return a.Cost.kept(salt, key), err
}

// How many passwords are checked at once, and how many may wait for that: some
// seconds' worth. Checking one takes 64 MB.
const (
	maxHashing = 2
	maxQueued  = 16
)

// ErrBusy says that too many passwords wait to be checked.
var ErrBusy = errors.New("too many passwords are being checked; try again in some seconds")

func (a *Access) derive(ctx context.Context, password string, salt []byte, c Cost, n uint32) ([]byte, error) {
	select {
	case a.queue <- struct{}{}:
		defer func() { <-a.queue }()
	default:
		return nil, ErrBusy
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Lanes, n), nil
}

// matches tells whether the password is the one of which hash made secret.
// ErrBusy.
func (a *Access) matches(ctx context.Context, secret, password string) (bool, error) {
	var version int
	var c Cost
	parts := strings.Split(secret, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, nil
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &c.Memory, &c.Passes, &c.Lanes); err != nil || version != argon2.Version || c.Passes == 0 || c.Lanes == 0 || c.Memory > 1<<20 {
		return false, nil
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(key) == 0 {
		return false, nil
	}
	given, err := a.derive(ctx, password, salt, c, uint32(len(key)))
	return subtle.ConstantTimeCompare(key, given) == 1, err
}

// nobody is a password's hash that no password has, so that an unknown login
// takes as long as a known one.
func (a *Access) nobody() string {
	return a.Cost.kept(make([]byte, argonSalt), make([]byte, argonKey))
}

// ErrSignIn says that login or password is wrong; which, nobody is told.
var ErrSignIn = errors.New("login or password is wrong")

// WaitError says that after wrong passwords the next attempt must wait.
type WaitError struct{ For time.Duration }

func (e *WaitError) Error() string {
	return fmt.Sprintf("too many wrong passwords or codes; try again in %d seconds", int(e.For.Seconds())+1)
}

// SignIn checks a password that came from an address. ErrSignIn, *WaitError,
// ErrBusy.
func (a *Access) SignIn(ctx context.Context, from netip.Addr, login, password string) (store.Account, error) {
	from, byAddress := site(from)
	if byAddress {
		if wait := a.addresses.begin(from.String(), a.now()); wait > 0 {
			return store.Account{}, a.refuse(ctx, login, &WaitError{wait})
		}
	}
	// No account is called that; it would be remembered, and may be a megabyte.
	if plainName(login) != nil {
		return store.Account{}, a.refuse(ctx, "", ErrSignIn)
	}
	if wait := a.logins.begin(login, a.now()); wait > 0 {
		a.addresses.back(from.String())
		return store.Account{}, a.refuse(ctx, login, &WaitError{wait})
	}
	account, err := a.store.Account(ctx, login)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Account{}, err
	}
	secret := a.nobody()
	if err == nil {
		secret = account.Secret
	}
	right, busy := a.matches(ctx, secret, password)
	switch {
	case busy != nil:
		// It was not looked at, and does not count.
		a.logins.back(login)
		a.addresses.back(from.String())
		return store.Account{}, busy
	case !right || err != nil:
		return store.Account{}, a.refuse(ctx, login, ErrSignIn)
	}
	a.logins.forget(login)
	a.addresses.forget(from.String())
	return account, nil
}

// site gives what counts as one address: with IPv6 a network is one
// subscriber's. Behind a proxy on this machine everybody has the same address,
// which says nothing.
func site(a netip.Addr) (netip.Addr, bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsLoopback() {
		return a, false
	}
	if a.Is6() {
		p, _ := a.Prefix(64) // never fails: 64 of 128
		a = p.Addr()
	}
	return a, true
}

// slower remembers wrong passwords, in memory: a restart of the server forgives
// them, and nobody restarts it a thousand times a night. So many attempts are
// free; from then on the wait doubles, up to the longest.
type slower struct {
	free    int
	longest time.Duration
	sync.Mutex
	missed map[string]missed
}

type missed struct {
	times int
	next  time.Time
}

// For a login the wait stays short: whoever mistypes waits little. For an
// address it grows longer, so that whoever goes on guessing for others' logins
// keeps them out one minute in ten; but an office may share one, and mistypes
// more often.
const (
	freeLogin, longestLogin     = 4, time.Minute
	freeAddress, longestAddress = 20, 10 * time.Minute
	// A code has six digits and three of them fit: at four guesses and then one in
	// a quarter of an hour, one in some thousand days is right. Only who knows the
	// password can make the account's owner wait for this.
	freeCode, longestCode = 4, 15 * time.Minute
	maxTracked            = 10000
)

// begin counts an attempt as wrong until forget; it gives how long it must
// wait first. Counting before the check keeps a hundred attempts at once from
// all being the first.
func (s *slower) begin(key string, now time.Time) time.Duration {
	s.Lock()
	defer s.Unlock()
	m := s.missed[key]
	if wait := m.next.Sub(now); wait > 0 {
		return wait
	}
	if s.missed == nil || len(s.missed) >= maxTracked {
		s.missed = map[string]missed{}
	}
	if m.times++; m.times >= s.free {
		m.next = now.Add(min(time.Second<<min(m.times-s.free, 10), s.longest))
	}
	s.missed[key] = m
	return 0
}

// back takes an attempt back that begin has counted.
func (s *slower) back(key string) {
	s.Lock()
	defer s.Unlock()
	if m := s.missed[key]; m.times > 0 {
		s.missed[key] = missed{times: m.times - 1}
	}
}

func (s *slower) forget(key string) {
	s.Lock()
	defer s.Unlock()
	delete(s.missed, key)
}

// AddAccount enters an account; the sponsor unit's is for a village, others are
// for none. store.ErrTaken, ErrBusy, a *NameError.
func (a *Access) AddAccount(ctx context.Context, login, password string, roles []identity.Role, village record.Village) error {
	if err := plainName(login); err != nil {
		return err
	}
	if strings.HasPrefix(login, ByToken) {
		return &NameError{"登录名不能以 token: 开头", "a login does not begin with token:"} // the audit would take it for a program
	}
	for _, r := range roles {
		if !slices.Contains(identity.Roles, r) {
			return &NameError{fmt.Sprintf("没有“%s”这个角色", r), fmt.Sprintf("there is no role %q", r)}
		}
	}
	if slices.Contains(roles, identity.SponsorUnit) != (village != "") {
		return &NameError{"派出单位的账号要选一个村，其他角色不选", "an account of a sponsor unit is for one village, others for none"}
	}
	if village != "" {
		if err := a.checkVillages(ctx, []record.Village{village}); err != nil {
			return err
		}
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	secret, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	if err := a.checkLogin(ctx, login); err != nil {
		return err
	}
	id, err := uuid.NewV7FromReader(a.random)
	if err != nil {
		return err
	}
	made := store.Account{ID: id.String(), Login: login, Secret: secret, Roles: roles, Village: village, Created: a.now()}
	return a.store.AddAccount(ctx, made, &store.Note{Act: accountMade, Subject: subjectOf(&made)})
}

// accountMade is the audit's word for an account that somebody made.
const accountMade = "account"

// subjectOf is how the audit names an account that is made: what it may do stands with it,
// and never changes.
func subjectOf(a *store.Account) string {
	names := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		names[i] = string(r)
	}
	return strings.TrimSpace(a.Login + " " + strings.Join(names, ",") + " " + string(a.Village))
}

// CheckAccounts tells of every account that may do something else than what the audit says
// it was made for, or that nobody made: whoever writes in the data file makes himself one
// so. Passwords and second factors are no matter of the audit, which says only that they
// were set.
func (a *Access) CheckAccounts(ctx context.Context, report func(form.Label)) error {
	accounts, err := a.store.Accounts(ctx)
	if err != nil {
		return err
	}
	notes, err := a.store.Audits(ctx, store.AuditQuery{Limit: math.MaxInt32, Act: accountMade})
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for i := range notes {
		made[notes[i].Subject] = true
	}
	for i := range accounts {
		acc := &accounts[i]
		if made[subjectOf(acc)] {
			continue
		}
		report(form.Label{Zh: "账号 " + acc.Login + " 的角色或村与审计里新建它时的不一致", En: "the account " + acc.Login + " has other roles, or another village, than the audit says it was made with"})
	}
	return nil
}

// checkLogin refuses a login that is somebody's name on a laptop, or will be
// when a code that was issued is used.
func (a *Access) checkLogin(ctx context.Context, login string) error {
	devices, err := a.store.Devices(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(devices, func(d store.Device) bool { return slices.Contains(d.Profiles, login) }) {
		return &NameError{"“" + login + "”是电脑上登记的姓名，登录名请另取", login + " is the name of a person on a laptop; choose another login"}
	}
	codes, err := a.store.Codes(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(codes, func(c store.Code) bool { return c.Name == login && c.UsedBy == "" && a.works(&c) }) {
		return &NameError{"已给“" + login + "”发了登记码，登录名请另取", "a code was issued for " + login + "; choose another login"}
	}
	return nil
}

// SetPassword changes a password. store.ErrNotFound, ErrBusy, a *NameError.
func (a *Access) SetPassword(ctx context.Context, login, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	secret, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	return a.store.ChangeAccount(ctx, login, func(acc *store.Account) error {
		acc.Secret = secret
		return nil
	}, &store.Note{Act: "password", Subject: login})
}

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < 8 || len(password) > 1024 {
		return &NameError{"密码至少8个字符", "a password has at least 8 characters"}
	}
	return nil
}

// NewPassword makes a password that can be read aloud: 80 random bits.
func (a *Access) NewPassword() (string, error) {
	b := make([]byte, 10)
	if _, err := io.ReadFull(a.random, b); err != nil {
		return "", err
	}
	s := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:], nil
}
