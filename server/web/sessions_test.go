package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/server/store"
)

var endButtons = regexp.MustCompile(`name="end" value="([^"]+)" aria-label`)

// in tells whether a visitor still is.
func (v *visitor) in() bool { return strings.HasPrefix(v.get("/me").path, "/me") }

// One sees where one is signed in, and ends one of these or all others; nobody ends
// somebody else's, and what is ended stays so.
func TestOwnSessions(t *testing.T) {
	f := newFixture(t, small...)
	here, there, third, leader := f.as("office"), f.as("office"), f.as("office"), f.as("leader")
	page := here.get("/me")
	ends := endButtons.FindAllStringSubmatch(page.body, -1)
	if len(ends) != 2 || strings.Count(page.body, texts["session.this"].zh) != 1 || strings.Count(page.body, "127.0.0.1") != 3 {
		t.Fatalf("%d others are listed\n%s", len(ends), page.body)
	}
	list, err := f.store.Sessions(t.Context(), "office")
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, s := range list {
		if strings.Contains(page.body, s.ID) {
			t.Error("the page has what lies in the table")
		}
	}
	leader.post("/me/sessions", leader.get("/me"), url.Values{"end": {ends[0][1]}})
	if !there.in() || !third.in() {
		t.Error("a leader ends an office's session")
	}
	here.post("/me/sessions", page, url.Values{"end": {ends[0][1]}})
	if here.in() != true || there.in() == third.in() {
		t.Errorf("one was to end: %v, %v", there.in(), third.in())
	}
	fourth := f.as("office")
	if a := here.post("/me/sessions", here.get("/me"), url.Values{"end": {"others"}}); !strings.Contains(a.body, texts["session.ended"].zh) || strings.Contains(a.body, `value="others"`) {
		t.Error("it does not say that they ended")
	}
	if !here.in() || there.in() || third.in() || fourth.in() || !leader.in() {
		t.Error("all others of the office were to end, and only these")
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "signout", Limit: 9})
	if err != nil || len(notes) != 2 || notes[0].Who != "office" || notes[0].Subject != "2" || notes[1].Subject != "1" {
		t.Errorf("the audit has %+v, %v", notes, err)
	}
	// One that nobody has used for an hour opens nothing and is not listed.
	idle := f.as("office")
	f.pass(40 * time.Minute)
	here.get("/me")
	f.pass(40 * time.Minute)
	if body := here.get("/me").body; len(endButtons.FindAllString(body, -1)) != 0 || idle.in() {
		t.Error("a session that has ended is listed")
	}
}

// A request that is under way while its session is ended does not bring it back.
func TestSessionStaysEnded(t *testing.T) {
	f := newFixture(t, small...)
	v := f.as("office")
	f.pass(2 * time.Minute) // so that the request notes that somebody is there
	u, _ := url.Parse(f.server.URL)
	r, _ := http.NewRequest(http.MethodGet, f.server.URL+"/me", nil)
	for _, c := range v.http.Jar.Cookies(u) {
		r.AddCookie(c)
	}
	r.RemoteAddr = "127.0.0.1:1"
	p, err := f.site.page(nil, r)
	if err != nil || !p.in() {
		t.Fatal(err)
	}
	list, err := f.store.Sessions(t.Context(), "office")
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := f.store.DropSession(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := p.keep(discard{}); err != nil {
		t.Fatal(err)
	}
	if list, err := f.store.Sessions(t.Context(), ""); err != nil || len(list) != 0 || v.in() {
		t.Errorf("it is back: %+v, %v", list, err)
	}
}

type discard struct{ http.ResponseWriter }

func (discard) Header() http.Header { return http.Header{} }

// An administrator sees how many browsers each account is signed in with, and ends them
// all; others do not see it. Ended are they by another password too.
func TestAccountSessions(t *testing.T) {
	f := newFixture(t, small...)
	admin, one, two, leader := f.as("admin"), f.as("office"), f.as("office"), f.as("leader")
	open := func(of string) int {
		t.Helper()
		_, row, _ := strings.Cut(admin.get("/accounts").body, `<th scope="row">`+of+`</th>`)
		n, err := strconv.Atoi(regexp.MustCompile(`<td class="n">(\d+)</td>`).FindStringSubmatch(row)[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if o, l := open("office"), open("leader"); o != 2 || l != 1 {
		t.Errorf("the office has %d, the leader %d", o, l)
	}
	if body := one.get("/accounts").body; strings.Contains(body, texts["session.open"].zh) || strings.Contains(body, "/accounts/signout") {
		t.Error("the office sees who is signed in")
	}
	admin.post("/accounts/signout", admin.get("/accounts"), url.Values{"login": {"office"}})
	if one.in() || two.in() || !leader.in() || !admin.in() || open("office") != 0 {
		t.Errorf("the office is signed in %d times", open("office"))
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "signouts", Limit: 9})
	if err != nil || len(notes) != 1 || notes[0].Who != "admin" || notes[0].Subject != "office" {
		t.Errorf("the audit has %+v, %v", notes, err)
	}
	if err := f.access.SetPassword(t.Context(), "leader", password+"2"); err != nil {
		t.Fatal(err)
	}
	if n := open("leader"); n != 0 {
		t.Errorf("the leader is signed in %d times with the old password", n)
	}
}

func TestBrowserOf(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0": "Edge/Windows",
		"Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0 Safari/537.36 360SE":                       "360 浏览器/Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0":                                                    "Firefox/Linux",
		"Mozilla/5.0 (Linux; Android 13; V2) AppleWebKit/537.36 Chrome/111 Mobile Safari/537.36 MicroMessenger/8.0":                 "微信/Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Mobile Safari/604.1":                   "Safari/iPhone",
		"curl/8": "", "": "",
	} {
		if got := browserOf(agent); got != want {
			t.Errorf("%s is %q, want %q", agent, got, want)
		}
	}
}

// What is said of sessions fits, in both languages.
func TestSessionsFit(t *testing.T) {
	f := newFixture(t, small...)
	f.as("admin")
	f.as("office")
	ctx := browser(t)
	signInBy(t, ctx, f, "admin")
	for _, lang := range []string{"zh", "en"} {
		for _, width := range []int64{1366, 360} {
			for name, path := range map[string]string{"me-sessions": "/me", "accounts-sessions": "/accounts"} {
				do(t, ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(f.server.URL+path))
				looks(t, ctx, strings.Join([]string{name, lang, strconv.Itoa(int(width))}, "-"))
			}
		}
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}
