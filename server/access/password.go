package access

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// The cost of checking a password: RFC 9106, second recommendation. It is kept
// with each password, so that it can be raised for new ones.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonSalt    = 16
	argonKey     = 32
)

// hash gives a password as it is kept.
func (a *Access) hash(password string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(a.random, salt); err != nil {
		return "", err
	}
	key := a.derive(password, salt, argonTime, argonMemory, argonThreads, argonKey)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64(salt), b64(key)), nil
}

func (a *Access) derive(password string, salt []byte, time, memory uint32, threads uint8, n uint32) []byte {
	a.hashing <- struct{}{}
	defer func() { <-a.hashing }()
	return argon2.IDKey([]byte(password), salt, time, memory, threads, n)
}

// matches tells whether the password is the one of which hash made secret.
func (a *Access) matches(secret, password string) bool {
	var version int
	var m, t uint32
	var p uint8
	parts := strings.Split(secret, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version || t == 0 || p == 0 || m > 1<<20 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(key) == 0 {
		return false
	}
	return subtle.ConstantTimeCompare(key, a.derive(password, salt, t, m, p, uint32(len(key)))) == 1
}

// nobody is a password's hash that no password has, so that an unknown login
// takes as long as a known one.
var nobody = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
	base64.RawStdEncoding.EncodeToString(make([]byte, argonSalt)), base64.RawStdEncoding.EncodeToString(make([]byte, argonKey)))

// ErrSignIn says that login or password is wrong; which, nobody is told.
var ErrSignIn = errors.New("login or password is wrong")

// WaitError says that after wrong passwords the next attempt must wait.
type WaitError struct{ For time.Duration }

func (e *WaitError) Error() string {
	return fmt.Sprintf("too many wrong passwords; try again in %d seconds", int(e.For.Seconds())+1)
}

// SignIn checks a password. ErrSignIn, *WaitError.
func (a *Access) SignIn(ctx context.Context, login, password string) (store.Account, error) {
	if wait := a.slow.begin(login, a.now()); wait > 0 {
		return store.Account{}, &WaitError{wait}
	}
	account, err := a.store.Account(ctx, login)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Account{}, err
	}
	secret := nobody
	if err == nil {
		secret = account.Secret
	}
	if !a.matches(secret, password) || err != nil {
		return store.Account{}, ErrSignIn
	}
	a.slow.forget(login)
	return account, nil
}

// slower remembers wrong passwords, in memory: a restart of the server forgives
// them, and nobody restarts it a thousand times a night.
type slower struct {
	sync.Mutex
	missed map[string]missed
}

type missed struct {
	times int
	next  time.Time
}

// Four attempts are free; from then on the wait doubles, up to a minute: whoever
// mistypes waits little, whoever guesses for others' logins cannot lock them out
// for long.
const (
	free       = 4
	longest    = time.Minute
	maxTracked = 10000
)

// begin counts an attempt as wrong until forget; it gives how long it must
// wait first. Counting before the check keeps a hundred attempts at once from
// all being the first.
func (s *slower) begin(login string, now time.Time) time.Duration {
	s.Lock()
	defer s.Unlock()
	m := s.missed[login]
	if wait := m.next.Sub(now); wait > 0 {
		return wait
	}
	if s.missed == nil || len(s.missed) >= maxTracked {
		s.missed = map[string]missed{}
	}
	if m.times++; m.times >= free {
		m.next = now.Add(min(time.Second<<min(m.times-free, 10), longest))
	}
	s.missed[login] = m
	return 0
}

func (s *slower) forget(login string) {
	s.Lock()
	defer s.Unlock()
	delete(s.missed, login)
}

// AddAccount enters an account. store.ErrTaken, a *NameError.
func (a *Access) AddAccount(ctx context.Context, login, password string, roles []identity.Role) error {
	if err := plainName(login); err != nil {
		return err
	}
	for _, r := range roles {
		if !slices.Contains(identity.Roles, r) {
			return &NameError{fmt.Sprintf("没有“%s”这个角色", r), fmt.Sprintf("there is no role %q", r)}
		}
	}
	devices, err := a.store.Devices(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(devices, func(d store.Device) bool { return slices.Contains(d.Profiles, login) }) {
		return &NameError{"“" + login + "”是电脑上登记的姓名，登录名请另取", login + " is the name of a person on a laptop; choose another login"}
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	secret, err := a.hash(password)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7FromReader(a.random)
	if err != nil {
		return err
	}
	return a.store.AddAccount(ctx, store.Account{ID: id.String(), Login: login, Secret: secret, Roles: roles, Created: a.now()})
}

// SetPassword changes a password. store.ErrNotFound, a *NameError.
func (a *Access) SetPassword(ctx context.Context, login, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	secret, err := a.hash(password)
	if err != nil {
		return err
	}
	return a.store.SetSecret(ctx, login, secret)
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
