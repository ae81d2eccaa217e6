package access

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
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
	d.Cost = Cost{Passes: 1, Memory: 8, Lanes: 1}
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
	if err := d.AddAccount(ctx, "admin", "long enough", []identity.Role{identity.Admin}, ""); err != nil {
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
	if err := d.AddAccount(ctx, "李队员", "long enough", nil, ""); !errors.As(err, &bad) {
		t.Errorf("a login that is a person's name: %v", err)
	}
	// A code keeps its name while it works.
	d.code(t, "周处长")
	if err := d.AddAccount(ctx, "周处长", "long enough", nil, ""); !errors.As(err, &bad) {
		t.Errorf("a login that a code was issued for: %v", err)
	}
	d.now = d.now.Add(2 * time.Hour)
	if err := d.AddAccount(ctx, "周处长", "long enough", nil, ""); err != nil {
		t.Errorf("once the code is too old: %v", err)
	}
	if err := d.AddAccount(ctx, "x", "short", nil, ""); !errors.As(err, &bad) {
		t.Errorf("a short password: %v", err)
	}
	sponsor := []identity.Role{identity.SponsorUnit}
	for _, row := range []struct {
		roles   []identity.Role
		village record.Village
	}{{sponsor, ""}, {sponsor, "1"}, {[]identity.Role{identity.Office}, "369999000001"}, {nil, "369999000001"}} {
		if err := d.AddAccount(ctx, "派出单位", "long enough", row.roles, row.village); !errors.As(err, &bad) {
			t.Errorf("an account of %v for village %q: %v", row.roles, row.village, err)
		}
	}
	if err := d.AddAccount(ctx, "派出单位", "long enough", sponsor, "369999000001"); err != nil {
		t.Errorf("a sponsor unit's account: %v", err)
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

var lan = netip.MustParseAddr("10.0.0.1")

func TestSignIn(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	d.Cost = New(d.s).Cost
	password, err := d.NewPassword()
	if err != nil || len(password) != 19 {
		t.Fatal(password, err)
	}
	if err := d.AddAccount(ctx, "admin", password, []identity.Role{identity.Admin, identity.Office}, ""); err != nil {
		t.Fatal(err)
	}
	a, err := d.SignIn(ctx, lan, "admin", password)
	if err != nil || !slices.Contains(a.Roles, identity.Office) || !strings.HasPrefix(a.Secret, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Fatalf("%+v, %v", a, err)
	}
	// Guesses wait longer and longer, whether there is such a login or not.
	for _, login := range []string{"admin", "nobody"} {
		waited := 0
		for range 6 {
			_, err := d.SignIn(ctx, lan, login, "guess")
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
		_, err = d.SignIn(ctx, lan, "admin", password)
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
	if _, err := d.SignIn(ctx, lan, "admin", password); !errors.Is(err, ErrSignIn) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := d.SignIn(ctx, lan, "admin", "another one"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := d.SetPassword(ctx, "nobody", "another one"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody's password: %v", err)
	}
}

// Each row is two addresses: whether whoever guesses from the first for one login
// after the other must wait, and whether the second must with it.
func TestSignInByAddress(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	guesses := 0
	guess := func(from string) (wait time.Duration) {
		guesses++
		_, err := d.SignIn(ctx, netip.MustParseAddr(from), strconv.Itoa(guesses), "guess")
		var w *WaitError
		if errors.As(err, &w) {
			return w.For
		} else if !errors.Is(err, ErrSignIn) {
			t.Error(err)
		}
		return 0
	}
	for _, tt := range []struct {
		first, second string
		wait, both    bool
	}{
		{"10.0.0.1", "10.0.0.1", true, true},
		{"10.0.0.2", "10.0.0.3", true, false},
		{"10.0.0.4", "::ffff:10.0.0.4", true, true},
		{"2001:db8::1", "2001:db8::ffff:1", true, true},
		{"2001:db8:0:2::1", "2001:db8:0:3::1", true, false},
		{"127.0.0.1", "127.0.0.1", false, false}, // a proxy: it is everybody's
		{"::1", "::1", false, false},
	} {
		for range 10 + 2*freeAddress {
			d.now = d.now.Add(guess(tt.first))
		}
		guess(tt.first)
		if (guess(tt.first) == longestAddress) != tt.wait || (guess(tt.second) > 0) != tt.both {
			t.Errorf("%+v", tt)
		}
	}
	// What can be nobody's login is not remembered.
	before := len(d.logins.missed)
	if _, err := d.SignIn(ctx, netip.IPv6Loopback(), strings.Repeat("王", 65), "guess"); !errors.Is(err, ErrSignIn) || len(d.logins.missed) != before {
		t.Errorf("a login of 65 characters: %v, %d remembered", err, len(d.logins.missed)-before)
	}
	// Who must wait for a login gets no nearer to waiting for the address.
	for range 3 * freeAddress {
		d.SignIn(ctx, netip.MustParseAddr("10.0.0.9"), "admin", "guess")
	}
	if guess("10.0.0.9") > 0 {
		t.Error("the address waits for what was not checked")
	}
}

// Passwords wait for each other in a short queue. Who is turned away, or gives
// up, has not guessed.
func TestSignInQueue(t *testing.T) {
	d := newDesk(t)
	for range maxHashing {
		d.hashing <- struct{}{}
		d.queue <- struct{}{}
	}
	ctx, giveUp := context.WithCancel(context.Background())
	ended := make(chan error)
	for i := range maxQueued {
		go func() {
			_, err := d.SignIn(ctx, lan, strconv.Itoa(i), "guess")
			ended <- err
		}()
	}
	for len(d.queue) < cap(d.queue) {
		time.Sleep(time.Millisecond)
	}
	for range 2 * freeAddress {
		if _, err := d.SignIn(ctx, lan, "office", "guess"); !errors.Is(err, ErrBusy) {
			t.Fatalf("beyond the queue: %v", err)
		}
	}
	giveUp()
	for range maxQueued {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("gave up: %v", err)
		}
	}
	for range maxHashing {
		<-d.hashing
		<-d.queue
	}
	for _, login := range []string{"office", "0"} {
		if _, err := d.SignIn(context.Background(), lan, login, "guess"); !errors.Is(err, ErrSignIn) {
			t.Errorf("%s afterwards: %v", login, err)
		}
	}
}

// What no password made matches none.
func TestMatches(t *testing.T) {
	d := newDesk(t)
	for _, secret := range []string{"", "$argon2id$", "$argon2id$v=19$m=0,t=0,p=0$$", "$argon2id$v=19$m=9999999,t=1,p=1$AAAA$AAAA", "$bcrypt$v=19$m=8,t=1,p=1$AAAA$AAAA", d.nobody()} {
		if ok, err := d.matches(context.Background(), secret, ""); ok || err != nil {
			t.Errorf("%q is matched, %v", secret, err)
		}
	}
}

// Each row is the roles of an account, whether it sees the village that it is
// for, another one, a field that is hidden from inspectors, the account at the bank, and
// a field that no form has.
func TestSightOf(t *testing.T) {
	bank := form.Builtin().Form("household").Field("bank_account")
	hidden := &form.Field{Name: "health", Hidden: []string{"inspector"}}
	for _, tt := range []struct {
		roles                               []identity.Role
		own, another, health, bank, unknown bool
	}{
		{[]identity.Role{identity.Office}, true, true, true, true, true},
		{[]identity.Role{identity.Leader}, true, true, true, true, true},
		{[]identity.Role{identity.Inspector}, true, true, false, false, false},
		{[]identity.Role{identity.SponsorUnit}, true, false, true, true, false},
		// More roles never open what one of them closes, but for the office's.
		{[]identity.Role{identity.SponsorUnit, identity.Leader}, true, false, true, true, false},
		{[]identity.Role{identity.SponsorUnit, identity.Inspector}, true, true, false, false, false},
		{[]identity.Role{identity.Inspector, identity.Leader, identity.Admin}, true, true, false, false, false},
		{[]identity.Role{identity.Inspector, identity.SponsorUnit, identity.Office}, true, true, true, true, true},
	} {
		s := SightOf(&store.Account{Roles: tt.roles, Village: "1"})
		if s.Reaches("1") != tt.own || s.Reaches("2") != tt.another || s.Shows(hidden) != tt.health || s.Shows(bank) != tt.bank || s.Shows(nil) != tt.unknown || !s.Shows(&form.Field{Name: "name"}) {
			t.Errorf("%v: %+v", tt.roles, s)
		}
	}
}
