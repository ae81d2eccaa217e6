package web

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

// phone makes the codes of a secret as it stands on a page.
type phone struct {
	f      *fixture
	secret []byte
}

var secretText = regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`)

func (f *fixture) phone(a answer) *phone {
	f.t.Helper()
	m := secretText.FindStringSubmatch(a.body)
	if m == nil {
		f.t.Fatalf("no secret on %s: %d\n%s", a.path, a.status, a.body)
	}
	secret, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		f.t.Fatal(err)
	}
	return &phone{f, secret}
}

// code is what the phone shows, with its clock ahead of the server's.
func (p *phone) code(ahead time.Duration) url.Values {
	mac := hmac.New(sha1.New, p.secret)
	binary.Write(mac, binary.BigEndian, p.f.now().Add(ahead).Unix()/30)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[19]&0xf:]) & 0x7fffffff
	return url.Values{"code": {fmt.Sprintf("%06d", n%1000000)}}
}

var recoveryText = regexp.MustCompile(`<code>([a-z2-7-]{19})</code>`)

// secure sets up a second factor for whoever is in.
func (v *visitor) secure() (*phone, []string) {
	v.f.t.Helper()
	a := v.post("/me/factor", v.get("/me"), url.Values{"do": {"set"}, "password": {password}})
	p := v.f.phone(a)
	if a.path != "/factor" || !strings.Contains(a.body, `class="qr"`) {
		v.f.t.Errorf("led to %s, without a picture", a.path)
	}
	wrong := p.code(time.Hour)
	if a = v.post("/factor", a, wrong); a.status != http.StatusUnauthorized || !strings.Contains(a.body, "09:") {
		v.f.t.Errorf("a wrong code: %d, without the clock", a.status)
	}
	if again := v.f.phone(a); string(again.secret) != string(p.secret) {
		v.f.t.Error("a wrong code changes the secret")
	}
	a = v.post("/factor", a, p.code(0))
	var codes []string
	for _, m := range recoveryText.FindAllStringSubmatch(a.body, -1) {
		codes = append(codes, m[1])
	}
	if len(codes) != 10 {
		v.f.t.Fatalf("%d recovery codes\n%s", len(codes), a.body)
	}
	v.f.pass(time.Minute)
	return p, codes
}

// With a second factor the password opens one page, under a session that the code
// then replaces.
func TestSecondFactor(t *testing.T) {
	f := filled(t)
	v, other := f.as("office"), f.as("office")
	u, _ := url.Parse(f.server.URL)
	before := cookieOf(v, u)
	p, recovery := v.secure()
	if cookieOf(v, u) == before {
		t.Error("setting up the factor kept the session's token")
	}
	if a := v.get("/me"); a.path != "/me" || !strings.Contains(a.body, "还剩 10 个恢复码") {
		t.Errorf("whoever set it up is at %s", a.path)
	}
	if a := other.get("/me"); !strings.HasPrefix(a.path, "/signin") {
		t.Error("another session outlived the new factor")
	}
	// The password alone.
	half := f.visitor()
	a := half.post("/signin", half.get("/signin"), url.Values{"login": {"office"}, "password": {password}, "to": {"/records/visit"}})
	if a.path != "/signin/code?to=%2Frecords%2Fvisit" || a.status != 200 {
		t.Fatalf("the password led to %s, %d", a.path, a.status)
	}
	token, stolen := cookieOf(half, u), f.visitor()
	stolen.http.Jar.SetCookies(u, half.http.Jar.Cookies(u))
	house := f.first(small[0].Code, "household", 0).Key
	for pattern, row := range promises(f, house, house, "x") {
		if row.who == "door" {
			continue
		}
		before := f.everything()
		if strings.HasPrefix(pattern, "POST") {
			half.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			a = half.post(row.path, half.get("/signin/code"), row.form)
		} else {
			half.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			a = half.get(row.path)
		}
		half.http.CheckRedirect = nil
		if row.path == livePath {
			if a.status != http.StatusUnauthorized {
				t.Errorf("news after the password: %d", a.status)
			}
		} else if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/signin/code") {
			t.Errorf("%s after the password: %d to %s", pattern, a.status, to)
		}
		if f.everything() != before || strings.Contains(a.body, small[0].Name) {
			t.Errorf("%s does something after the password", pattern)
		}
	}
	// Nor can it set up a factor of its own.
	if a := half.get("/factor"); !strings.HasPrefix(a.path, "/signin/code") {
		t.Errorf("the setting up is open to the password: %s", a.path)
	}
	if a := half.post("/factor", half.get("/signin/code"), p.code(0)); !strings.HasPrefix(a.path, "/signin/code") {
		t.Errorf("the setting up is open to the password: %s", a.path)
	}
	// The code.
	door := half.get("/signin/code?to=/records/visit")
	if a = half.post("/signin/code", door, url.Values{"code": {"000000"}}); a.status != http.StatusUnauthorized || !strings.Contains(a.body, "服务器的时钟现在是 09:3") {
		t.Errorf("a wrong code: %d, without the clock\n%s", a.status, a.body)
	}
	right := p.code(0)
	right.Set("to", "/records/visit")
	if a = half.post("/signin/code", door, right); a.path != "/records/visit" || a.status != 200 || strings.Contains(a.body, "属于") {
		t.Errorf("the code led to %s, %d", a.path, a.status)
	}
	if now := cookieOf(half, u); now == token || now == "" {
		t.Error("the code kept the session's token")
	}
	if a := stolen.get("/me"); !strings.HasPrefix(a.path, "/signin?") {
		t.Errorf("the token from before the code opens %s", a.path)
	}
	// The same code again, and the phone ahead, and behind.
	for _, row := range []struct {
		name         string
		wait, ahead  time.Duration
		status       int
		says, unsays string
	}{
		{"again", 0, 0, http.StatusUnauthorized, "已经用过", "属于"},
		{"ahead", 10 * time.Minute, 30 * time.Second, 200, "手机比服务器快", ""},
		{"behind", 10 * time.Minute, -30 * time.Second, 200, "手机比服务器慢", ""},
		{"far ahead", 10 * time.Minute, 5 * time.Minute, http.StatusUnauthorized, "服务器的时钟现在是", "属于"},
	} {
		f.pass(row.wait)
		n := f.visitor()
		a := n.post("/signin/code", n.signIn("office", password), p.code(row.ahead))
		if a.status != row.status || !strings.Contains(a.body, row.says) || row.unsays != "" && strings.Contains(a.body, row.unsays) {
			t.Errorf("%s: %d at %s, without %q", row.name, a.status, a.path, row.says)
		}
		if row.status == 200 {
			if a = n.get("/me"); strings.Contains(a.body, row.says) {
				t.Errorf("%s: said again", row.name)
			}
		}
	}
	// A recovery code, once, is said where one sees how many are left.
	n := f.visitor()
	if a = n.post("/signin/code", n.signIn("office", password), url.Values{"code": {recovery[0]}}); a.path != "/me" || !strings.Contains(a.body, "还剩 9 个恢复码") {
		t.Errorf("the recovery code led to %s", a.path)
	}
	n = f.visitor()
	if a = n.post("/signin/code", n.signIn("office", password), url.Values{"code": {recovery[0]}}); a.status != http.StatusUnauthorized {
		t.Errorf("the recovery code again: %d", a.status)
	}
	// Wrong codes wait.
	for range 6 {
		a = n.post("/signin/code", n.get("/signin/code"), url.Values{"code": {"000000"}})
	}
	if a.status != http.StatusTooManyRequests || !strings.Contains(a.body, "秒") {
		t.Errorf("after many wrong codes: %d", a.status)
	}
	// Whoever does not go on in time begins anew.
	n = f.visitor()
	n.signIn("office", password)
	f.pass(halfLife + time.Second)
	if a := n.get("/signin/code"); a.path != "/signin" {
		t.Errorf("after %v the code is still asked for at %s", halfLife, a.path)
	}
}

// Changing one's factor takes the password and a code; dropping it too.
func TestChangeFactor(t *testing.T) {
	f := newFixture(t, small...)
	v := f.as("admin")
	if a := v.post("/me/factor", v.get("/me"), url.Values{"do": {"set"}, "password": {"wrong"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("begun by a wrong password: %d", a.status)
	}
	if a := v.get("/factor"); a.path != "/me" {
		t.Errorf("begun without a password: %s", a.path)
	}
	p, _ := v.secure()
	for name, tt := range map[string]struct {
		do, password string
		code         url.Values
		status       int
	}{
		"dropped without a code":      {"drop", password, nil, 422},
		"dropped by a wrong code":     {"drop", password, p.code(time.Hour), 422},
		"changed without a code":      {"set", password, nil, 422},
		"dropped by a wrong password": {"drop", "wrong", p.code(0), 422},
	} {
		form := url.Values{"do": {tt.do}, "password": {tt.password}, "code": tt.code["code"]}
		if a := v.post("/me/factor", v.get("/me"), form); a.status != tt.status {
			t.Errorf("%s: %d", name, a.status)
		}
		f.pass(time.Minute)
	}
	if acc, err := f.store.Account(t.Context(), "admin"); err != nil || !acc.Factor.IsSet() {
		t.Fatalf("the factor is gone, %v", err)
	}
	f.pass(20 * time.Minute)
	// Another phone; the old one works until the new one has shown its code.
	a := v.post("/me/factor", v.get("/me"), url.Values{"do": {"set"}, "password": {password}, "code": p.code(0)["code"]})
	newer := f.phone(a)
	if string(newer.secret) == string(p.secret) {
		t.Error("the new secret is the old one")
	}
	f.pass(time.Minute)
	if n := f.visitor(); n.post("/signin/code", n.signIn("admin", password), p.code(0)).status != 200 {
		t.Error("the old phone does not work before the new one is confirmed")
	}
	v.post("/factor", v.get("/factor"), newer.code(0))
	f.pass(time.Minute)
	if n := f.visitor(); n.post("/signin/code", n.signIn("admin", password), p.code(0)).status == 200 {
		t.Error("the old phone works on")
	}
	form := newer.code(0)
	form.Set("do", "drop")
	form.Set("password", password)
	if a = v.post("/me/factor", v.get("/me"), form); a.path != "/me" || !strings.Contains(a.body, "还没有设置") {
		t.Errorf("dropped: %d at %s", a.status, a.path)
	}
	if a := f.visitor().signIn("admin", password); a.path != "/devices" {
		t.Errorf("after it was dropped the password leads to %s", a.path)
	}
}

// A role that must have a second factor gets no page before it has one; an
// administrator resets a lost one, and both are in the audit.
func TestRequired(t *testing.T) {
	f := newFixture(t, small...)
	admin, leader := f.as("admin"), f.as("leader")
	if a := admin.post("/accounts/require", admin.get("/accounts"), url.Values{"role": {"leader", "king"}}); a.path != "/accounts" || a.status != 200 {
		t.Fatalf("%d at %s", a.status, a.path)
	}
	if roles, err := f.access.FactorRoles(t.Context()); err != nil || len(roles) != 1 || roles[0] != identity.Leader {
		t.Errorf("required of %v, %v", roles, err)
	}
	if a := f.as("office").get("/"); a.path != "/" {
		t.Errorf("the office must have one too: %s", a.path)
	}
	// Who is in already must as well.
	a := leader.get("/coverage")
	if a.path != "/factor?to=%2Fcoverage" || strings.Contains(a.body, small[0].Name) {
		t.Fatalf("a session from before is at %s", a.path)
	}
	fresh := f.visitor()
	a = fresh.post("/signin", fresh.get("/signin"), url.Values{"login": {"leader"}, "password": {password}, "to": {"/coverage"}})
	for _, path := range []string{"/coverage", "/me", "/signin/code"} {
		if got := fresh.get(path); !strings.HasPrefix(got.path, "/factor") {
			t.Errorf("%s without a factor: %s", path, got.path)
		}
	}
	p := f.phone(a)
	form := p.code(0)
	form.Set("to", "/coverage")
	if a = fresh.post("/factor", a, form); len(recoveryText.FindAllString(a.body, -1)) != 10 || !strings.Contains(a.body, `href="/coverage"`) {
		t.Errorf("set up: %d\n%s", a.status, a.body)
	}
	if a = fresh.get("/coverage"); a.status != 200 || a.path != "/coverage" {
		t.Errorf("once it is set up: %d at %s", a.status, a.path)
	}
	f.pass(time.Minute)
	drop := p.code(0)
	drop.Set("do", "drop")
	drop.Set("password", password)
	if a = fresh.post("/me/factor", fresh.get("/me"), drop); a.status != 422 || !strings.Contains(a.body, "不能取消") {
		t.Errorf("dropped: %d", a.status)
	}
	// Lost.
	if a = admin.post("/accounts/factor", admin.get("/accounts"), url.Values{"login": {"leader"}}); a.status != 200 {
		t.Errorf("reset: %d", a.status)
	}
	if a = fresh.get("/coverage"); !strings.HasPrefix(a.path, "/signin?") {
		t.Errorf("the session outlived the reset: %s", a.path)
	}
	if a = f.visitor().signIn("leader", password); !strings.HasPrefix(a.path, "/factor") {
		t.Errorf("after the reset the password leads to %s", a.path)
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Limit: 9})
	var acts []string
	for _, n := range notes {
		if n.Act == "signin" || n.Who == store.Itself {
			continue
		}
		acts = append(acts, n.Who+" "+n.Act+" "+n.Subject)
	}
	if got := strings.Join(acts, "; "); err != nil || got != "admin nofactor leader; leader factor leader; admin require 厅领导" {
		t.Errorf("audit: %s, %v", got, err)
	}
	if a = admin.get("/audit"); !strings.Contains(a.body, "取消第二重验证") {
		t.Error("the audit's page does not say it")
	}
}

// Signing out everywhere ends every session of the account and nobody else's.
func TestSignOutEverywhere(t *testing.T) {
	f := newFixture(t, small...)
	a, b, other := f.as("office"), f.as("office"), f.as("admin")
	if got := a.post("/me/signout", a.get("/me"), nil); got.path != "/signin" {
		t.Errorf("led to %s", got.path)
	}
	for _, v := range []*visitor{a, b} {
		if got := v.get("/me"); !strings.HasPrefix(got.path, "/signin") {
			t.Error("a session outlived it")
		}
	}
	if got := other.get("/me"); got.path != "/me" {
		t.Error("another account was signed out")
	}
}
