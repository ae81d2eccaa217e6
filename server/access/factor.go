package access

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// The second factor is RFC 6238 as every authenticator has it: SHA-1, six digits,
// a code for each step of 30 seconds. The step before and the step after are
// taken too, for clocks that differ.
const (
	factorStep   = 30
	factorDigits = 6
	factorSecret = 20
	// recoveryCodes are how many are given out at once.
	recoveryCodes = 10
)

// code gives the code of a step.
func code(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%0*d", factorDigits, binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// fits tells of which step near now a code is, and how many steps that is from
// now.
func (a *Access) fits(secret []byte, given string) (step int64, drift int, ok bool) {
	now := a.now().Unix() / factorStep
	for _, d := range []int{0, -1, 1} {
		if hmac.Equal([]byte(code(secret, now+int64(d))), []byte(given)) {
			return now + int64(d), d, true
		}
	}
	return 0, 0, false
}

// key for a purpose. It follows from the server's own, which is not in the
// database: a copy of that gives nobody's codes.
func (a *Access) key(purpose string) []byte {
	mac := hmac.New(sha256.New, a.store.Key.Seed())
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

func (a *Access) sealer() (cipher.AEAD, error) {
	block, err := aes.NewCipher(a.key("zhucun second factor 1"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// NewFactor draws the secret of a second factor for a login, sealed. It counts
// once SetFactor has taken it.
func (a *Access) NewFactor(login string) ([]byte, error) {
	s, err := a.sealer()
	if err != nil {
		return nil, err
	}
	b := make([]byte, s.NonceSize()+factorSecret)
	if _, err := io.ReadFull(a.random, b); err != nil {
		return nil, err
	}
	nonce, secret := b[:s.NonceSize()], b[s.NonceSize():]
	return s.Seal(bytes.Clone(nonce), nonce, secret, []byte(login)), nil
}

func (a *Access) openFactor(login string, sealed []byte) ([]byte, error) {
	s, err := a.sealer()
	if err != nil {
		return nil, err
	}
	if len(sealed) < s.NonceSize() {
		return nil, errors.New("the second factor is damaged")
	}
	secret, err := s.Open(nil, sealed[:s.NonceSize()], sealed[s.NonceSize():], []byte(login))
	if err != nil {
		return nil, fmt.Errorf("open the second factor of %s: %w", login, err)
	}
	return secret, nil
}

// FactorText gives the secret as authenticators take it: as a text to type, and
// as the address that a QR code has.
func (a *Access) FactorText(login string, sealed []byte) (text, address string, err error) {
	secret, err := a.openFactor(login, sealed)
	if err != nil {
		return "", "", err
	}
	text = base32.StdEncoding.EncodeToString(secret)
	const issuer = "驻村通"
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + login, RawQuery: url.Values{"secret": {text}, "issuer": {issuer}}.Encode()}
	return text, u.String(), nil
}

// SetFactor gives an account the second factor that a code shows to be in
// somebody's hands, and new recovery codes in clear, this once. ErrSignIn: the
// code does not fit; store.ErrNotFound.
func (a *Access) SetFactor(ctx context.Context, login string, sealed []byte, given string) ([]string, error) {
	secret, err := a.openFactor(login, sealed)
	if err != nil {
		return nil, err
	}
	step, _, ok := a.fits(secret, bare(given))
	if !ok {
		return nil, ErrSignIn
	}
	f := store.Factor{Secret: sealed, Step: step}
	var clear []string
	for range recoveryCodes {
		c, err := a.NewPassword()
		if err != nil {
			return nil, err
		}
		clear, f.Recovery = append(clear, c), append(f.Recovery, a.recovery(login, c))
	}
	return clear, a.store.ChangeAccount(ctx, login, func(acc *store.Account) error {
		acc.Factor = f
		return nil
	}, &store.Note{Who: login, Act: "factor", Subject: login})
}

// recovery is how a recovery code is kept. It has 80 random bits: one that can be
// computed fast is as hard to guess.
func (a *Access) recovery(login, given string) []byte {
	mac := hmac.New(sha256.New, a.key("zhucun recovery code 1"))
	mac.Write([]byte(login + "\x00" + bare(given)))
	return mac.Sum(nil)
}

// bare is a code without what people put in to read it.
func bare(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-' || r == '\u3000':
			return -1
		case r >= '０' && r <= '９': // of a Chinese keyboard
			return r - '０' + '0'
		}
		return r
	}, s))
}

// ErrUsed says that a code was right and has been taken before.
var ErrUsed = errors.New("the code was taken before; wait for the next")

// Passed is how somebody passed the second factor.
type Passed struct {
	// Drift is how many steps the code was ahead of this machine's clock.
	Drift int
	// Recovery tells that it was a recovery code, Left how many there still are.
	Recovery bool
	Left     int
}

// EnterCode takes a code, or a recovery code, that came from an address, after
// the password was right; each is taken once. Use of a recovery code is audited.
// ErrSignIn, ErrUsed, *WaitError.
func (a *Access) EnterCode(ctx context.Context, from netip.Addr, login, given string) (Passed, error) {
	var p Passed
	from, byAddress := site(from)
	if byAddress {
		if wait := a.addresses.begin(from.String(), a.now()); wait > 0 {
			return p, a.refuse(ctx, login, &WaitError{wait})
		}
	}
	if wait := a.codes.begin(login, a.now()); wait > 0 {
		a.addresses.back(from.String())
		return p, a.refuse(ctx, login, &WaitError{wait})
	}
	note := store.Note{Who: login, Subject: login}
	err := a.store.ChangeAccount(ctx, login, func(acc *store.Account) (err error) {
		if p, err = a.take(acc, bare(given)); p.Recovery {
			note.Act = "recovery"
		}
		return err
	}, &note)
	if errors.Is(err, store.ErrNotFound) {
		err = ErrSignIn
	}
	if err != nil {
		return Passed{}, a.refuse(ctx, login, err)
	}
	a.codes.forget(login)
	a.addresses.forget(from.String())
	return p, nil
}

// take uses up a code of an account.
func (a *Access) take(acc *store.Account, given string) (Passed, error) {
	if !acc.Factor.IsSet() {
		return Passed{}, ErrSignIn
	}
	secret, err := a.openFactor(acc.Login, acc.Factor.Secret)
	if err != nil {
		return Passed{}, err
	}
	if step, drift, ok := a.fits(secret, given); ok {
		if step <= acc.Factor.Step {
			return Passed{}, ErrUsed
		}
		acc.Factor.Step = step
		return Passed{Drift: drift}, nil
	}
	hash := a.recovery(acc.Login, given)
	left := slices.DeleteFunc(slices.Clone(acc.Factor.Recovery), func(h []byte) bool { return hmac.Equal(h, hash) })
	if len(left) == len(acc.Factor.Recovery) {
		return Passed{}, ErrSignIn
	}
	acc.Factor.Recovery = left
	return Passed{Recovery: true, Left: len(left)}, nil
}

// DropFactor takes an account's second factor away, for who or in whose place,
// and why. store.ErrNotFound.
func (a *Access) DropFactor(ctx context.Context, who, login, reason string) error {
	err := a.store.ChangeAccount(ctx, login, func(acc *store.Account) error {
		acc.Factor = store.Factor{}
		return nil
	}, &store.Note{Who: who, Act: "nofactor", Subject: login, Reason: reason})
	if err == nil {
		a.codes.forget(login)
	}
	return err
}

// metaFactor keeps the roles that must have a second factor.
const metaFactor = "factor_roles"

// FactorRoles are the roles that must have a second factor.
func (a *Access) FactorRoles(ctx context.Context) ([]identity.Role, error) {
	b, err := a.store.Meta(ctx, metaFactor)
	if err != nil || b == nil {
		return nil, err
	}
	var roles []identity.Role
	return roles, json.Unmarshal(b, &roles)
}

// SetFactorRoles says which roles must have a second factor; called is what the
// audit calls them.
func (a *Access) SetFactorRoles(ctx context.Context, roles []identity.Role, called string) error {
	b, err := json.Marshal(roles)
	if err != nil {
		return err
	}
	return a.store.SetMeta(ctx, metaFactor, b, &store.Note{Act: "require", Subject: called})
}

// MustHaveFactor tells whether an account needs a second factor.
func (a *Access) MustHaveFactor(ctx context.Context, acc *store.Account) (bool, error) {
	roles, err := a.FactorRoles(ctx)
	return slices.ContainsFunc(roles, func(r identity.Role) bool { return slices.Contains(acc.Roles, r) }), err
}

// SignOut ends all sessions of an account. store.ErrNotFound.
func (a *Access) SignOut(ctx context.Context, login string) error {
	return a.store.ChangeAccount(ctx, login, func(acc *store.Account) error {
		acc.SignOuts++
		return nil
	}, &store.Note{Act: "signouts", Subject: login})
}

// Stamp is what the sessions of an account hold on to: it changes with the
// password and the second factor, and when all of them shall end.
func Stamp(acc *store.Account) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%x\x00%d", acc.Secret, acc.Factor.Secret, acc.SignOuts)
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}
