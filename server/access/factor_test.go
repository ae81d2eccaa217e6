package access

import (
	"bytes"
	"context"
	"encoding/base32"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// The rows of RFC 6238, appendix B, for SHA-1, by their last six digits.
func TestCode(t *testing.T) {
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := code([]byte("12345678901234567890"), at/factorStep); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// phone holds the secret of a login, and has a clock of its own.
type phone struct {
	t      *testing.T
	d      *desk
	secret []byte
}

func (p *phone) code(ahead time.Duration) string {
	return code(p.secret, p.d.now.Add(ahead).Unix()/factorStep)
}

// newPhone makes the account admin with a second factor, and gives its recovery
// codes.
func newPhone(t *testing.T) (*phone, []string) {
	t.Helper()
	d, ctx := newDesk(t), context.Background()
	if err := d.AddAccount(ctx, "admin", "long enough", []identity.Role{identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	sealed, err := d.NewFactor("admin")
	if err != nil {
		t.Fatal(err)
	}
	text, address, err := d.FactorText("admin", sealed)
	if err != nil || !strings.HasPrefix(address, "otpauth://totp/") || !strings.Contains(address, "secret="+text) {
		t.Fatalf("%s, %s, %v", text, address, err)
	}
	p := &phone{t: t, d: d}
	if p.secret, err = base32.StdEncoding.DecodeString(text); err != nil || len(p.secret) != factorSecret {
		t.Fatalf("%d bytes, %v", len(p.secret), err)
	}
	if _, err := d.SetFactor(ctx, "admin", sealed, p.code(5*time.Minute)); !errors.Is(err, ErrSignIn) {
		t.Errorf("set up by a wrong code: %v", err)
	}
	recovery, err := d.SetFactor(ctx, "admin", sealed, p.code(0))
	if err != nil || len(recovery) != recoveryCodes {
		t.Fatalf("%d recovery codes, %v", len(recovery), err)
	}
	// What is kept opens nothing by itself.
	acc, err := d.s.Account(ctx, "admin")
	if err != nil || bytes.Contains(acc.Factor.Secret, p.secret) {
		t.Errorf("the secret is kept in clear, %v", err)
	}
	for _, h := range acc.Factor.Recovery {
		for _, c := range recovery {
			if bytes.Contains(h, []byte(c)) || bytes.Contains(h, []byte(bare(c))) {
				t.Error("a recovery code is kept in clear")
			}
		}
	}
	if _, _, err := d.FactorText("other", sealed); err == nil {
		t.Error("the secret of one login opens for another")
	}
	d.now = d.now.Add(10 * time.Minute)
	return p, recovery
}

// Each row is how far a phone is ahead, and what its code comes to.
func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		ahead time.Duration
		drift int
		err   error
	}{
		{0, 0, nil},
		{-30 * time.Second, -1, nil},
		{30 * time.Second, 1, nil},
		{-60 * time.Second, 0, ErrSignIn},
		{60 * time.Second, 0, ErrSignIn},
		{24 * time.Hour, 0, ErrSignIn},
	} {
		p, _ := newPhone(t)
		got, err := p.d.EnterCode(context.Background(), lan, "admin", p.code(tt.ahead))
		if !errors.Is(err, tt.err) || got.Drift != tt.drift {
			t.Errorf("ahead %v: %+v, %v", tt.ahead, got, err)
		}
	}
}

// A code is taken once, in whatever way it is sent again, and so is a recovery
// code; what is older than the last one taken is not taken at all.
func TestOnce(t *testing.T) {
	p, recovery := newPhone(t)
	ctx := context.Background()
	c := p.code(0)
	// At once, from many places: one of them.
	var wg sync.WaitGroup
	ok := make(chan bool, 8)
	for range cap(ok) {
		wg.Go(func() {
			_, err := p.d.EnterCode(ctx, lan, "admin", c)
			ok <- err == nil
		})
	}
	wg.Wait()
	close(ok)
	times := 0
	for good := range ok {
		if good {
			times++
		}
	}
	if times != 1 {
		t.Errorf("one code was taken %d times", times)
	}
	p.d.now = p.d.now.Add(time.Hour)
	for _, row := range []struct {
		name, given string
		err         error
	}{
		{"the next", p.code(0)[:3] + " " + p.code(0)[3:], nil},
		{"it again", p.code(0), ErrUsed},
		{"the one before", p.code(-30 * time.Second), ErrUsed},
		{"the one after, in wide digits", strings.Map(func(r rune) rune { return r - '0' + '０' }, p.code(30*time.Second)), nil},
		{"a recovery code", strings.ToUpper(recovery[3]), nil},
		{"it again", recovery[3], ErrSignIn},
		{"another", strings.ReplaceAll(recovery[0], "-", ""), nil},
		{"nothing", "", ErrSignIn},
	} {
		if _, err := p.d.EnterCode(ctx, lan, "admin", row.given); !errors.Is(err, row.err) {
			t.Errorf("%s: %v, want %v", row.name, err, row.err)
		}
		p.d.codes.forget("admin")
	}
	acc, err := p.d.s.Account(ctx, "admin")
	notes, err2 := p.d.s.Audits(ctx, store.AuditQuery{Act: "recovery", Limit: 10})
	if err != nil || err2 != nil || len(acc.Factor.Recovery) != recoveryCodes-2 || len(notes) != 2 || notes[0].Act != "recovery" {
		t.Errorf("%d recovery codes are left, audit %+v, %v, %v", len(acc.Factor.Recovery), notes, err, err2)
	}
	if _, err := p.d.EnterCode(ctx, lan, "nobody", "123456"); !errors.Is(err, ErrSignIn) {
		t.Errorf("nobody's code: %v", err)
	}
}

// Wrong codes wait longer and longer, to a quarter of an hour, and the right
// password in between forgives none; the right code must wait too, and then
// forgives. So must recovery codes, and many logins from one address.
func TestCodesWait(t *testing.T) {
	p, recovery := newPhone(t)
	ctx := context.Background()
	guesses, longest, since := 0, time.Duration(0), p.d.now
	for p.d.now.Sub(since) < 24*time.Hour {
		_, err := p.d.EnterCode(ctx, netip.IPv6Loopback(), "admin", "no")
		var wait *WaitError
		switch {
		case errors.As(err, &wait):
			longest = max(longest, wait.For)
			p.d.now = p.d.now.Add(wait.For)
		case errors.Is(err, ErrSignIn):
			guesses++
		default:
			t.Fatal(err)
		}
		if guesses%40 == 0 {
			if _, err := p.d.SignIn(ctx, netip.IPv6Loopback(), "admin", "long enough"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if longest != longestCode || guesses > 120 {
		t.Errorf("%d guesses in a day, at most %v apart", guesses, longest)
	}
	p.d.EnterCode(ctx, lan, "admin", "no")
	for _, given := range []string{p.code(0), recovery[0]} {
		var wait *WaitError
		if _, err := p.d.EnterCode(ctx, lan, "admin", given); !errors.As(err, &wait) {
			t.Errorf("the right code need not wait: %v", err)
		}
	}
	p.d.now = p.d.now.Add(longestCode)
	for range 2 * freeCode {
		if _, err := p.d.EnterCode(ctx, lan, "admin", p.code(0)); err != nil {
			t.Errorf("the right codes: %v", err)
		}
		p.d.now = p.d.now.Add(factorStep * time.Second)
	}
	// From one address, for one login after the other.
	var wait *WaitError
	for i := range 3 * freeAddress {
		if _, err := p.d.EnterCode(ctx, lan, strings.Repeat("x", i+1), "no"); errors.As(err, &wait) {
			return
		}
	}
	t.Error("an address may guess for ever")
}

// A second factor that is taken away is gone with its recovery codes, audited,
// and what sessions hold on to changes; so it does with a password and by signing
// out.
func TestStamp(t *testing.T) {
	p, recovery := newPhone(t)
	ctx := context.Background()
	seen := map[string]bool{}
	look := func(what string) {
		t.Helper()
		acc, err := p.d.s.Account(ctx, "admin")
		if err != nil {
			t.Fatal(err)
		}
		if s := Stamp(&acc); seen[s] {
			t.Errorf("%s: sessions from before go on", what)
		} else {
			seen[s] = true
		}
	}
	look("at first")
	for what, do := range map[string]func() error{
		"a password": func() error { return p.d.SetPassword(ctx, "admin", "another one") },
		"signed out": func() error { return p.d.SignOut(ctx, "admin") },
		"no factor":  func() error { return p.d.DropFactor(ctx, "boss", "admin", "lost") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		look(what)
	}
	if _, err := p.d.EnterCode(ctx, lan, "admin", recovery[0]); !errors.Is(err, ErrSignIn) {
		t.Errorf("a recovery code of a factor that is gone: %v", err)
	}
	notes, err := p.d.s.Audits(ctx, store.AuditQuery{Act: "nofactor", Limit: 1})
	if err != nil || len(notes) != 1 || notes[0].Act != "nofactor" || notes[0].Who != "boss" || notes[0].Subject != "admin" || notes[0].Reason != "lost" {
		t.Errorf("audit %+v, %v", notes, err)
	}
	for what, err := range map[string]error{"dropped": p.d.DropFactor(ctx, "boss", "nobody", ""), "signed out": p.d.SignOut(ctx, "nobody")} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody %s: %v", what, err)
		}
	}
}
