package web

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// No form without its token, and none from elsewhere, does anything.
func TestForms(t *testing.T) {
	f := newFixture(t, small...)
	v := f.as("office")
	page := v.get("/devices")
	form := url.Values{"name": {"王队员"}, "role": {"team_member"}, "village": {string(small[0].Code)}, "_token": {page.token()}}
	other := f.as("office").get("/devices").token()
	tests := []struct {
		name   string
		change func(*http.Request, url.Values)
		status int
	}{
		{"as the page sends it", func(*http.Request, url.Values) {}, 200},
		{"without a token", func(_ *http.Request, v url.Values) { v.Del("_token") }, 403},
		{"with another session's", func(_ *http.Request, v url.Values) { v.Set("_token", other) }, 403},
		{"with one that is none", func(_ *http.Request, v url.Values) { v.Set("_token", "x") }, 403},
		{"from another site", func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"from another site, by its own word", func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values := mapsClone(form)
			r, err := http.NewRequest(http.MethodPost, f.server.URL+"/devices/code", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", f.server.URL)
			tt.change(r, values)
			body := values.Encode()
			r, err = http.NewRequest(http.MethodPost, f.server.URL+"/devices/code", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", f.server.URL)
			tt.change(r, values)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			before, _ := f.store.Codes(t.Context())
			a := v.do(r)
			after, _ := f.store.Codes(t.Context())
			if a.status != tt.status || (len(after) > len(before)) != (tt.status == 200) {
				t.Errorf("%d, %d codes more; want %d", a.status, len(after)-len(before), tt.status)
			}
		})
	}
	// No page changes anything when it is only looked at.
	for _, path := range []string{"/devices/code", "/decide", "/signout", "/accounts/password"} {
		if a := v.get(path); a.status == 200 {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
}

func TestSession(t *testing.T) {
	t.Run("cookies and headers", func(t *testing.T) {
		f := newFixture(t, small...)
		v := f.visitor()
		door := v.get("/signin")
		v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		a := v.post("/signin", door, url.Values{"login": {"office"}, "password": {password}})
		if a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
			t.Fatalf("%d %s", a.status, a.header.Get("Location"))
		}
		cookie := a.header.Get("Set-Cookie")
		for _, want := range []string{"zhucun-office=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="} {
			if !strings.Contains(cookie, want) {
				t.Errorf("cookie %q lacks %s", cookie, want)
			}
		}
		if strings.Contains(cookie, "Secure") {
			t.Errorf("cookie %q is Secure without TLS: the browser would not send it", cookie)
		}
		h := v.get("/").header
		for name, want := range map[string]string{"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %q lacks %s", name, h.Get(name), want)
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
	})
	t.Run("behind TLS", func(t *testing.T) {
		f := newFixture(t, small...)
		f.site.opt.URL = "https://office.test"
		v := f.visitor()
		if c := v.get("/signin").header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-zhucun-door=") || !strings.Contains(c, "Secure") {
			t.Errorf("cookie %q", c)
		}
	})
	t.Run("a planted session is worth nothing", func(t *testing.T) {
		f := newFixture(t, small...)
		v := f.as("admin")
		u, _ := url.Parse(f.server.URL)
		before := cookieOf(v, u)
		v.post("/signin", v.get("/me"), url.Values{"login": {"office"}, "password": {password}})
		if after := cookieOf(v, u); after == before || after == "" {
			t.Errorf("the session kept its token %q over the sign-in", before)
		}
		old := f.visitor()
		old.http.Jar.SetCookies(u, []*http.Cookie{{Name: "zhucun-office", Value: before}})
		if a := old.get("/me"); !strings.HasPrefix(a.path, "/signin") {
			t.Error("the session from before the sign-in still works")
		}
	})
	t.Run("idle, used, and at its end", func(t *testing.T) {
		f := newFixture(t, small...)
		v := f.as("office")
		for range 3 {
			f.pass(sessionIdle - time.Minute)
			if a := v.get("/me"); a.path != "/me" {
				t.Fatalf("ended while in use: %s", a.path)
			}
		}
		f.pass(sessionIdle + time.Minute)
		if a := v.get("/me"); !strings.HasPrefix(a.path, "/signin") {
			t.Error("an idle session still works")
		}
		v = f.as("office")
		for range 13 {
			f.pass(sessionIdle - time.Minute)
			v.get("/me")
		}
		if a := v.get("/me"); !strings.HasPrefix(a.path, "/signin") {
			t.Error("a session works beyond its end")
		}
	})
	t.Run("what a page asks for by itself keeps nothing alive", func(t *testing.T) {
		f := newFixture(t, small...)
		v := f.as("office")
		for i := range 4 {
			f.pass(sessionIdle / 3)
			r, _ := http.NewRequest(http.MethodGet, f.server.URL+"/me", nil)
			r.Header.Set(liveHeader, "1")
			if a := v.do(r); (a.status == http.StatusOK) != (i < 3) {
				t.Errorf("round %d: %d", i, a.status)
			}
		}
	})
	t.Run("signed out", func(t *testing.T) {
		f := newFixture(t, small...)
		v := f.as("office")
		u, _ := url.Parse(f.server.URL)
		kept := cookieOf(v, u)
		if a := v.post("/signout", v.get("/me"), nil); a.path != "/signin" {
			t.Errorf("led to %s", a.path)
		}
		v.http.Jar.SetCookies(u, []*http.Cookie{{Name: "zhucun-office", Value: kept}})
		if a := v.get("/me"); !strings.HasPrefix(a.path, "/signin") {
			t.Error("the session works after it was signed out")
		}
	})
	t.Run("a new password ends the others", func(t *testing.T) {
		f := newFixture(t, small...)
		a, b := f.as("office"), f.as("office")
		if got := a.post("/me", a.get("/me"), url.Values{"old": {password}, "new": {"another password"}, "again": {"another password"}}); got.path != "/me?done=1" {
			t.Fatalf("%s\n%s", got.path, got.body)
		}
		if got := a.get("/me"); got.path != "/me" {
			t.Error("whoever changed the password is out")
		}
		if got := b.get("/me"); !strings.HasPrefix(got.path, "/signin") {
			t.Error("another session outlived the password")
		}
	})
	t.Run("where one wanted to go", func(t *testing.T) {
		f := newFixture(t, small...)
		for to, want := range map[string]string{"/records/visit?q=a": "/records/visit?q=a", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/", "": "/"} {
			v := f.visitor()
			if a := v.post("/signin", v.get("/signin"), url.Values{"login": {"office"}, "password": {password}, "to": {to}}); a.path != want {
				t.Errorf("to %q led to %s; want %s", to, a.path, want)
			}
		}
	})
	t.Run("wrong passwords", func(t *testing.T) {
		f := newFixture(t, small...)
		v := f.visitor()
		var last answer
		for range 6 {
			last = v.signIn("office", "wrong")
		}
		if last.status != http.StatusTooManyRequests || !strings.Contains(last.body, "秒") {
			t.Errorf("%d\n%s", last.status, last.body)
		}
		if a := v.signIn("nobody", "wrong"); a.status != http.StatusUnauthorized {
			t.Errorf("an unknown login: %d", a.status)
		}
	})
}

// Errors of the server's become pages that say what to do.
func TestFailed(t *testing.T) {
	f := newFixture(t, small...)
	for i, tt := range []struct {
		err    error
		status int
		says   string
	}{
		{access.ErrBusy, http.StatusServiceUnavailable, "过几秒再试"},
		{store.ErrNotFound, http.StatusNotFound, "没有找到"},
		{io.ErrUnexpectedEOF, http.StatusInternalServerError, "服务器没有做成"},
	} {
		path := fmt.Sprintf("/failed/%d", i)
		f.site.mux.HandleFunc("GET "+path, f.site.serve(door, func(*page) (reply, error) { return reply{}, fmt.Errorf("deeper: %w", tt.err) }))
		if a := f.visitor().get(path); a.status != tt.status || !strings.Contains(a.body, tt.says) {
			t.Errorf("%v: %d, without %q", tt.err, a.status, tt.says)
		}
	}
}

func cookieOf(v *visitor, u *url.URL) string {
	for _, c := range v.http.Jar.Cookies(u) {
		if c.Name == "zhucun-office" {
			return c.Value
		}
	}
	return ""
}

// What people write is text on every page.
func TestMarkupIsText(t *testing.T) {
	f := newFixture(t, small...)
	const nasty = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	l := f.laptop("杜旺火", identity.Office, small[0].Code)
	k := record.Key{Village: small[0].Code, Type: "household", ID: record.ID{1, 6: 0x70, 8: 0x80}}
	l.send(k.Village, l.change(k, nil, map[string]string{"head_name": nasty, "group_name": nasty}))
	rec := f.get(k)
	f.quarrelIn(rec, "group_name", nasty+"甲", nasty+"乙")
	f.stray(rec)
	v := f.as("office")
	for _, path := range []string{"/", "/records/household", href(k), "/conflicts", "/quarantine", "/overdue?on=2030-01-01", "/records/household?q=" + url.QueryEscape(nasty)} {
		a := v.get(path)
		if a.status != 200 || strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img src=x") {
			t.Errorf("%s: %d, markup in it", path, a.status)
		}
	}
	if a := v.get(href(k)); !strings.Contains(a.body, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the text is not on the record's page")
	}
}

// quarrelIn makes two laptops write different things in a field.
func (f *fixture) quarrelIn(rec *store.Record, field, one, two string) {
	a, b := f.laptop("宋芬娥", identity.FirstSecretary, rec.Village), f.laptop("杜旺火", identity.TeamMember, rec.Village)
	f.pass(time.Minute)
	x, y := a.change(rec.Key, rec.State, map[string]string{field: one}), b.change(rec.Key, rec.State, map[string]string{field: two})
	a.send(rec.Village, x)
	b.send(rec.Village, y)
}

// Every page is there in both languages, without a text that is missing.
func TestEveryPage(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	f.stray(f.first(small[0].Code, "household", 1))
	visit := f.first(small[0].Code, "visit", 0)
	tests := []struct{ path, zh, en string }{
		{"/", "总览", "Overview"},
		{"/records", "台账", "Records"},
		{"/records/household", "贫困户台账", "Households"},
		{"/records/visit?village=" + string(small[0].Code), "入户走访", "Household visits"},
		{"/records/person", "家庭成员", "Household members"},
		{href(house.Key), "改动经过", "History"},
		{href(visit.Key), "改动经过", "History"},
		{"/coverage?month=2025-01", "走访覆盖率", "Visit coverage"},
		{"/overdue", "超期未走访", "Overdue visits"},
		{"/conflicts", "用这个", "Take this"},
		{"/quarantine", "接受，记入", "Accept"},
		{"/devices", "发放登记码", "Issue an enrolment code"},
		{"/accounts", "全部账号", "All accounts"},
		{"/audit", "审计", "Audit"},
		{"/me", "修改密码", "Change the password"},
		{"/nowhere", "没有这个页面", "There is no such page"},
	}
	zh, en := f.as("office"), f.as("office").english()
	for _, tt := range tests {
		for lang, v := range map[string]*visitor{"zh-CN": zh, "en": en} {
			a := v.get(tt.path)
			want := tt.zh
			if lang == "en" {
				want = tt.en
			}
			if !strings.Contains(a.body, want) || !strings.Contains(a.body, `<html lang="`+lang+`">`) || strings.Contains(a.body, "⟦") || strings.Contains(a.body, "%!") {
				t.Errorf("%s in %s: %d, without %q, or with a text missing", tt.path, lang, a.status, want)
			}
		}
	}
}

// Each row is a village in an address and what the pages that ask for one say.
func TestUnknownVillage(t *testing.T) {
	f := filled(t)
	// Something came from it, and it has no name.
	l := f.laptop("杜旺火", identity.TeamMember, small[0].Code)
	var err error
	if l.device, err = f.store.ChangeDevice(t.Context(), l.device.ID, func(d *store.Device) error {
		d.Villages = append(d.Villages, "369999000009")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	l.send("369999000009", l.change(record.Key{Village: "369999000009", Type: "household", ID: record.ID{1, 6: 0x70, 8: 0x80}}, nil, map[string]string{"head_name": "王大山"}))
	v := f.as("office")
	for _, tt := range []struct {
		village string
		status  int
	}{{"", 200}, {string(small[1].Code), 200}, {"369999000009", 200}, {"NOSUCH", 404}, {" ", 404}} {
		for _, path := range []string{"/records/household?", "/export/household?format=csv&", "/overdue?", "/conflicts?", "/quarantine?"} {
			a := v.get(path + "village=" + url.QueryEscape(tt.village))
			if a.status != tt.status || (tt.status == 404) != strings.Contains(a.body, "没有这个村") {
				t.Errorf("%s of village %q: %d, want %d", path, tt.village, a.status, tt.status)
			}
		}
	}
}

// All assets are where pages say, and may be kept for ever.
func TestAssets(t *testing.T) {
	f := newFixture(t, small...)
	v := f.visitor()
	for name := range assets {
		a := v.get(assetPath(name))
		if a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "immutable") || a.body == "" {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
	}
	if a := v.get("/assets/0000000000000000/zhucun.css"); a.status != 404 {
		t.Errorf("with another hash: %d", a.status)
	}
}

func ExampleSite() {
	fmt.Println(address("/records/visit", "village", "369999000001", "q", "", "life", "void"))
	// Output: /records/visit?village=369999000001&life=void
}

// A restored server says so where laptops are looked after, until somebody confirms;
// the note of it names them.
func TestRestoredNotice(t *testing.T) {
	f := filled(t)
	v := f.as("office")
	if a := v.get("/"); strings.Contains(a.body, "备份恢复过") {
		t.Error("nothing was restored")
	}
	made := f.now().Add(-time.Hour)
	if _, err := f.store.Restore(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	if a := v.get("/"); !strings.HasPrefix(a.path, "/signin") {
		t.Errorf("a session of before goes on at %s", a.path)
	}
	v = f.as("office")
	for _, path := range []string{"/", "/devices"} {
		a := v.get(path)
		if !strings.Contains(a.body, "备份恢复过") || !strings.Contains(a.body, "登记码都已作废") {
			t.Errorf("%s says nothing of it", path)
		}
		if en := f.as("office").english().get(path); !strings.Contains(en.body, "must be revoked again") {
			t.Errorf("%s says nothing of it in English", path)
		}
	}
	a := v.post("/restored", v.get("/devices"), url.Values{"back": {"//elsewhere.example"}})
	if a.path != "/devices" || strings.Contains(a.body, "备份恢复过") {
		t.Errorf("confirmed, and at %s", a.path)
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "restored", Limit: 1})
	if err != nil || len(notes) != 1 || notes[0].Who != "office" || notes[0].Act != "restored" {
		t.Errorf("noted %+v, %v", notes, err)
	}
	v.post("/restored", v.get("/devices"), nil)
	if again, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "restored", Limit: 1}); err != nil || again[0].Number != notes[0].Number {
		t.Errorf("nothing was there to confirm, and is noted: %+v, %v", again, err)
	}
}
