package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
)

// What is set on the page is what laptops are told, and the page says who set it when.
func TestSettings(t *testing.T) {
	f := newFixture(t, small...)
	office := f.as("office")
	if body := office.get("/settings").body; strings.Count(body, texts["settings.never"].zh) != 5 || !strings.Contains(body, texts["settings.changes.none"].zh) {
		t.Error("something is said to have been changed")
	}
	device := f.laptop("宋芬娥", identity.FirstSecretary, small[0].Code).device
	post := func(path string, form url.Values) answer {
		t.Helper()
		return office.post(path, office.get("/settings"), form)
	}
	if a := post("/devices/offline", url.Values{"days": {"45"}}); !strings.Contains(a.body, texts["settings.done"].zh) {
		t.Errorf("%d: it does not say that it is saved", a.status)
	}
	post("/settings/photos", url.Values{"side": {"1200"}, "quality": {"70"}, "originals": {"1"}})
	as, err := f.access.Assignment(t.Context(), &device)
	if err != nil || as.OfflineDays != 45 || as.PhotoSide != 1200 || as.PhotoQuality != 70 || !as.Originals {
		t.Errorf("a laptop is told %+v, %v", as, err)
	}
	page := office.get("/settings").body
	for _, want := range []string{`value="45"`, `value="1200"`, `value="70"`, " checked", "最近由 office 改于今天 09:30", "1200 70 originals"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for path, form := range map[string]url.Values{"/devices/offline": {"days": {"x"}}, "/settings/photos": {"side": {"100"}, "quality": {"70"}}} {
		if a := post(path, form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "notice bad") {
			t.Errorf("%s takes %v: %d", path, form, a.status)
		}
	}
	if p, err := f.access.Photos(t.Context()); err != nil || p != (access.Photos{Side: 1200, Quality: 70, Originals: true}) {
		t.Errorf("photos are %+v, %v", p, err)
	}
}

// The first steps are said to be done when they are, and are gone with the last of them,
// or when somebody puts them away; who cannot do them does not see them.
func TestFirstSteps(t *testing.T) {
	f := newFixture(t)
	admin, office := f.as("admin"), f.as("office")
	open := func(v *visitor, path string) int {
		t.Helper()
		body := v.get(path).body
		if !strings.Contains(body, texts["steps.title"].zh) {
			return -1
		}
		return strings.Count(body, texts["steps.open"].zh)
	}
	want := func(n int) {
		t.Helper()
		if a, o := open(admin, "/devices"), open(office, "/"); a != n || o != n {
			t.Errorf("to do are %d for the administrator, %d for the office, want %d", a, o, n)
		}
	}
	want(7)
	if n := open(office, "/devices"); n != -1 {
		t.Error("they stand in two places")
	}
	if body := office.get("/").body; strings.Contains(body, `href="/backup"`) {
		t.Error("the office is led to a page that it may not see")
	}
	if err := f.access.AddVillage(t.Context(), small[0]); err != nil {
		t.Fatal(err)
	}
	want(6)
	office.get("/settings")
	want(5)
	f.laptop("宋芬娥", identity.FirstSecretary, small[0].Code)
	want(4)
	f.backups.Make("admin")
	want(3)
	list, err := f.store.Backups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.backups.result.Faults = 1
	f.backups.Try("admin", list[0])
	want(3)
	f.backups.result.Faults = 0
	f.backups.Try("admin", list[0])
	want(2)
	f.site.opt.URL = "http://office.test:8440" // with https the cookies of this test were none
	want(1)
	if err := f.store.ChangeAccount(t.Context(), "office", func(a *store.Account) error { a.Factor = store.Factor{Secret: []byte{1}}; return nil }); err != nil {
		t.Fatal(err)
	}
	if n := open(admin, "/devices"); n != 1 {
		t.Errorf("the administrator has %d", n)
	}
	admin.post("/steps/away", admin.get("/devices"), nil)
	if n := open(admin, "/devices"); n != -1 {
		t.Error("they are not away")
	}
}

// An address is known to be out of reach only where it says so.
func TestReachable(t *testing.T) {
	for at, want := range map[string]bool{"https://127.0.0.1:8440": false, "https://[::1]:8440": false, "https://localhost": false, "http://0.0.0.0:80": false, "": false, "::": false,
		"https://office.example.cn": true, "https://192.168.1.9:8440": true, "https://[2001:db8::1]": true} {
		w := &Site{opt: Options{URL: at}}
		if w.reachable() != want {
			t.Errorf("%s is reachable: %v", at, !want)
		}
	}
}

// Help says of each page that somebody may go to what it is for, and of no other.
func TestHelp(t *testing.T) {
	f := newFixture(t, small...)
	for _, r := range []identity.Role{identity.Office, identity.Leader, identity.Admin, identity.Inspector, identity.SponsorUnit} {
		if _, err := f.store.Account(t.Context(), string(r)); err != nil {
			f.account(r)
		}
		v := f.as(string(r))
		a := v.get("/help")
		if a.status != http.StatusOK || !strings.Contains(v.get("/me").body, `href="/help"`) {
			t.Errorf("%s gets %d, or is not led there", r, a.status)
		}
		_, main, _ := strings.Cut(a.body, "<main")
		for _, area := range areas {
			if may := access.May([]identity.Role{r}, area.action); strings.Contains(main, `href="`+area.path+`"`) != may {
				t.Errorf("%s may see %s: %v, and help says otherwise", r, area.path, may)
			}
		}
		for _, ask := range asks {
			if may := access.May([]identity.Role{r}, ask.action); strings.Contains(main, texts[ask.id].zh) != may {
				t.Errorf("%s is told %s: %v", r, ask.id, !may)
			}
		}
	}
	for _, area := range areas {
		if _, there := texts["help."+area.name]; !there {
			t.Errorf("help says nothing of %s", area.name)
		}
	}
	for _, ask := range asks {
		if _, there := texts[ask.id+".do"]; !there {
			t.Errorf("%s has no answer", ask.id)
		}
	}
}

// The pages of help and settings and the first steps fit, in both languages.
func TestCareFit(t *testing.T) {
	f := newFixture(t, small...)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	if err := f.access.SetOfflineDays(t.Context(), "主任", 30); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	signInBy(t, ctx, f, "主任")
	for _, lang := range []string{"zh", "en"} {
		for _, width := range []int64{1366, 360} {
			for name, path := range map[string]string{"settings": "/settings", "steps": "/", "help": "/help", "audit-days": "/audit?from=2025-01-01&until=2025-01-09"} {
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
