package access

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// desk is an access with one village, and its clock.
type desk struct {
	*Access
	s   *store.Store
	now time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{now: time.UnixMilli(1_500_000_000_000)}
	s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "zhucun.db"), store.Options{
		Key: ed25519.NewKeyFromSeed(make([]byte, 32)), Now: func() time.Time { return d.now }, Random: rand.NewChaCha8([32]byte{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	d.s, d.Access = s, New(s)
	if err := d.AddVillage(context.Background(), store.Village{Code: "369999000001", Name: "清源村", Township: "和平镇"}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) code(t *testing.T, name string) *wire.Enrol {
	t.Helper()
	c, err := d.NewCode(context.Background(), Laptop{Villages: []record.Village{"369999000001"}, Role: identity.TeamMember, Name: name, TTL: time.Hour, URL: "https://x"})
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Enrol{Code: c.ID, Secret: c.Secret, Key: key(name)}
}

func key(name string) ed25519.PublicKey {
	seed := make([]byte, 32)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

func TestEnrol(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	m := d.code(t, "王队员")
	e, err := d.Enrol(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Device) != 22 || e.Token == "" || len(e.Numbers) != 32 || e.Time != d.now.UnixMilli() ||
		e.Assigned.Villages[0] != (wire.Village{Code: "369999000001", Name: "清源村", Township: "和平镇"}) ||
		!slices.Equal(e.Assigned.Profiles, []string{"王队员"}) || e.Assigned.Serial != 1 || e.Assigned.Role != identity.TeamMember {
		t.Errorf("the answer is %+v", e)
	}
	if got, err := d.Device(ctx, e.Token); err != nil || got.ID != e.Device {
		t.Errorf("the token finds %+v, %v", got, err)
	}
	if _, err := d.Device(ctx, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no token: %v", err)
	}
	// A lost answer: the same laptop asks again and gets the same.
	again, err := d.Enrol(ctx, m)
	if err != nil || again.Device != e.Device || again.Token != e.Token {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	if list, err := d.s.Devices(ctx); err != nil || len(list) != 1 {
		t.Errorf("devices %+v, %v", list, err)
	}
	second := d.code(t, "李队员")
	b, err := d.Enrol(ctx, second)
	if err != nil || !slices.Equal(b.Numbers, e.Numbers) || b.Token == e.Token {
		t.Errorf("the second laptop: %+v, %v", b, err)
	}
}

// Each row is an attempt that must fail.
func TestEnrolRefused(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	used := d.code(t, "王队员")
	if _, err := d.Enrol(ctx, used); err != nil {
		t.Fatal(err)
	}
	burnt := d.code(t, "张队员")
	for range 5 {
		wrong := *burnt
		wrong.Secret[0]++
		if _, err := d.Enrol(ctx, &wrong); !errors.Is(err, ErrCode) {
			t.Errorf("a wrong secret: %v", err)
		}
	}
	for name, m := range map[string]*wire.Enrol{
		"used by another key":    {Code: used.Code, Secret: used.Secret, Key: key("x")},
		"repeated, wrong secret": {Code: used.Code, Key: used.Key},
		"unknown":                {Code: [8]byte{1}, Key: key("x")},
		"burnt":                  burnt,
		"a key that is none":     {Code: d.code(t, "甲").Code, Key: []byte{1}},
		"a laptop that is in":    {Code: d.code(t, "乙").Code, Secret: d.code(t, "乙").Secret, Key: used.Key},
		"expired":                d.code(t, "丙"),
		"repeated, but too late": used,
	} {
		before := d.now
		if name == "expired" || strings.HasPrefix(name, "repeated, but") {
			d.now = d.now.Add(2 * time.Hour)
		}
		if _, err := d.Enrol(ctx, m); !errors.Is(err, ErrCode) {
			t.Errorf("%s: %v", name, err)
		}
		d.now = before
	}
	list, err := d.s.Devices(ctx)
	if err != nil || len(list) != 1 {
		t.Errorf("devices %+v, %v", list, err)
	}
	// A laptop that was revoked does not come back by its old code.
	if _, err := d.Revoke(ctx, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Enrol(ctx, used); !errors.Is(err, ErrCode) {
		t.Errorf("revoked: %v", err)
	}
	if _, err := d.Revoke(ctx, list[0].ID); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked twice: %v", err)
	}
}

// Each row is something to be called, or to be enrolled for, that cannot be.
func TestNames(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	if err := d.AddAccount(ctx, "admin", "long enough", []identity.Role{identity.Admin}); err != nil {
		t.Fatal(err)
	}
	good := Laptop{Villages: []record.Village{"369999000001"}, Role: identity.TeamMember, Name: "王队员", TTL: time.Hour}
	for name, change := range map[string]func(*Laptop){
		"a login":           func(l *Laptop) { l.Name = "admin" },
		"no name":           func(l *Laptop) { l.Name = "" },
		"a space":           func(l *Laptop) { l.Name = " 王" },
		"a line break":      func(l *Laptop) { l.Name = "王\n李" },
		"too long":          func(l *Laptop) { l.Name = strings.Repeat("王", 65) },
		"an office role":    func(l *Laptop) { l.Role = identity.Admin },
		"no village":        func(l *Laptop) { l.Villages = nil },
		"an unknown one":    func(l *Laptop) { l.Villages = []record.Village{"1"} },
		"the village twice": func(l *Laptop) { l.Villages = append(l.Villages, l.Villages[0]) },
		"no time":           func(l *Laptop) { l.TTL = 0 },
	} {
		l := good
		l.Villages = slices.Clone(l.Villages)
		change(&l)
		var bad *NameError
		if _, err := d.NewCode(ctx, l); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e, err := d.Enrol(ctx, d.code(t, "王队员"))
	if err != nil {
		t.Fatal(err)
	}
	// The same person on a second laptop, and a second person on the first.
	if _, err := d.Enrol(ctx, func() *wire.Enrol { m := d.code(t, "王队员"); m.Key = key("second"); return m }()); err != nil {
		t.Errorf("the same name again: %v", err)
	}
	if dev, err := d.AddProfile(ctx, e.Device, "李队员"); err != nil || dev.Serial != 2 || len(dev.Profiles) != 2 {
		t.Errorf("a second person: %+v, %v", dev, err)
	}
	var bad *NameError
	for _, name := range []string{"李队员", "admin"} {
		if _, err := d.AddProfile(ctx, e.Device, name); !errors.As(err, &bad) {
			t.Errorf("%s on the laptop: %v", name, err)
		}
	}
	if err := d.AddAccount(ctx, "李队员", "long enough", nil); !errors.As(err, &bad) {
		t.Errorf("a login that is a person's name: %v", err)
	}
	if err := d.AddAccount(ctx, "x", "short", nil); !errors.As(err, &bad) {
		t.Errorf("a short password: %v", err)
	}
	if _, err := d.Assign(ctx, e.Device, []record.Village{"1"}); !errors.As(err, &bad) {
		t.Errorf("assigned to nowhere: %v", err)
	}
	if _, err := d.Revoke(ctx, "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody revoked: %v", err)
	}
	for _, code := range []record.Village{"", "3 6", "三六", record.Village(strings.Repeat("1", 33))} {
		if err := d.AddVillage(ctx, store.Village{Code: code, Name: "村"}); !errors.As(err, &bad) {
			t.Errorf("village %q: %v", code, err)
		}
	}
}

func TestSignIn(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	password, err := d.NewPassword()
	if err != nil || len(password) != 19 {
		t.Fatal(password, err)
	}
	if err := d.AddAccount(ctx, "admin", password, []identity.Role{identity.Admin, identity.Office}); err != nil {
		t.Fatal(err)
	}
	a, err := d.SignIn(ctx, "admin", password)
	if err != nil || !slices.Contains(a.Roles, identity.Office) || !strings.HasPrefix(a.Secret, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Fatalf("%+v, %v", a, err)
	}
	// Guesses wait longer and longer, whether there is such a login or not.
	for _, login := range []string{"admin", "nobody"} {
		waited := 0
		for range 6 {
			_, err := d.SignIn(ctx, login, "guess")
			var wait *WaitError
			if errors.As(err, &wait) {
				waited++
				d.now = d.now.Add(wait.For)
			} else if !errors.Is(err, ErrSignIn) {
				t.Errorf("%s: %v", login, err)
			}
		}
		if waited == 0 {
			t.Errorf("%s: nobody had to wait", login)
		}
	}
	// The right password must wait too, and then it forgives.
	for range 2 {
		_, err = d.SignIn(ctx, "admin", password)
		var wait *WaitError
		if errors.As(err, &wait) {
			d.now = d.now.Add(wait.For)
		}
	}
	if err != nil {
		t.Error(err)
	}
	if err := d.SetPassword(ctx, "admin", "another one"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignIn(ctx, "admin", password); !errors.Is(err, ErrSignIn) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := d.SignIn(ctx, "admin", "another one"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := d.SetPassword(ctx, "nobody", "another one"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody's password: %v", err)
	}
}

// What no password made matches none.
func TestMatches(t *testing.T) {
	d := newDesk(t)
	for _, secret := range []string{"", "$argon2id$", "$argon2id$v=19$m=0,t=0,p=0$$", "$argon2id$v=19$m=9999999,t=1,p=1$AAAA$AAAA", "$bcrypt$v=19$m=8,t=1,p=1$AAAA$AAAA", nobody} {
		if d.matches(secret, "") {
			t.Errorf("%q is matched", secret)
		}
	}
}
