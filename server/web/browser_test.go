package web

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// js gives what an expression comes to in the page.
func js[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to come true of a page that is all there.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && ("+expression+")"))
		if err == nil && v {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
			t.Fatalf("never came true: %s (%v)\n%s", expression, err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func signInBy(t *testing.T, ctx context.Context, f *fixture, login string) {
	t.Helper()
	do(t, ctx, chromedp.Navigate(f.server.URL+"/signin"),
		chromedp.SetValue("#login", login), chromedp.SetValue("#password", password), chromedp.Click("form[action='/signin'] button"))
	until(t, ctx, "location.pathname !== '/signin'")
}

// A person signs in, finds the conflict, cannot decide without a reason,
// decides, and the record says so.
func TestDecideInTheBrowser(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	until(t, ctx, "location.pathname === '/'")
	do(t, ctx, chromedp.Click("#nav a[href='/conflicts']"))
	until(t, ctx, "location.pathname === '/conflicts'")
	do(t, ctx, chromedp.Navigate(f.server.URL+"/conflicts?type=household")) // the made-up data has a visit that may be two
	until(t, ctx, "document.querySelectorAll('.dispute').length === 2")
	take := `Array.from(document.querySelectorAll("button[name=take]")).find(function (b) { return (b.getAttribute("aria-label") || "").indexOf("缺技术") >= 0; })`
	js[any](t, ctx, take+".click()")
	until(t, ctx, "document.querySelector('#queue-outcome').innerText.includes('请先写明理由') && document.querySelectorAll('.dispute').length === 2")
	if n := len(f.waiting()); n != 2 {
		t.Fatalf("decided without a reason: %d wait", n)
	}
	// Enter in the reason decides nothing either.
	reason := `[id$="main-cause-reason"], [id$="main_cause-reason"]`
	do(t, ctx, chromedp.SendKeys(reason, "村里核实过\r"))
	if n := len(f.waiting()); n != 2 {
		t.Fatalf("the key Enter decided: %d wait", n)
	}
	js[any](t, ctx, take+".click()")
	until(t, ctx, "document.querySelectorAll('.dispute').length === 1 && !!document.querySelector('.notice.done')")
	do(t, ctx, chromedp.Click("#queue-outcome .notice.done a"))
	until(t, ctx, "document.body.innerText.indexOf('理由：村里核实过') >= 0")
	if v, _ := f.get(house.Key).View.Fields["main_cause"].Text(); v != "skill" {
		t.Errorf("main_cause is %q", v)
	}
}

// The team is asked without touching the mouse, and what it answered is put away so.
func TestAskByKeyboard(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	do(t, ctx, chromedp.Navigate(f.server.URL+"/conflicts?kind=conflict"))
	tabTo := func(is string) {
		t.Helper()
		for range 60 {
			if js[bool](t, ctx, "(function (e) { return !!("+is+"); })(document.activeElement)") {
				return
			}
			do(t, ctx, chromedp.KeyEvent(kb.Tab))
		}
		t.Fatalf("Tab never comes to %s", is)
	}
	tabTo("e.matches('summary') && e.parentNode.id.endsWith('-ask')")
	do(t, ctx, chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	until(t, ctx, "document.activeElement.name === 'words'")
	do(t, ctx, chromedp.KeyEvent("药费还是手艺？"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "document.querySelector('#queue-outcome .notice.done').textContent.includes('已问') && !document.querySelector('.dispute')")
	f.laptop("宋芬娥", identity.FirstSecretary, house.Village).answer(f.get(house.Key), "main_cause", `"illness"`, "看了病历")
	do(t, ctx, chromedp.Navigate(f.server.URL+"/conflicts?kind=answer"))
	until(t, ctx, "document.querySelector('.dispute').innerText.includes('看了病历')")
	tabTo("e.matches('.dispute button[value=close]')")
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "document.querySelector('#queue-outcome').innerText.includes('已收起') && !document.querySelector('.dispute')")
}

// An open list shows what arrives, without being touched; a page with a form
// that somebody is filling in waits until they ask.
func TestLiveInTheBrowser(t *testing.T) {
	f := filled(t)
	watching, done := context.WithCancel(context.Background())
	defer done()
	go f.store.Watch(watching)
	house := f.first(small[0].Code, "household", 0)
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	do(t, ctx, chromedp.Navigate(f.server.URL+"/conflicts?type=household"))
	until(t, ctx, "document.querySelectorAll('.dispute').length === 0")
	js[any](t, ctx, "window.same = true")
	f.quarrel(house)
	until(t, ctx, "document.querySelectorAll('.dispute').length === 2")
	until(t, ctx, "window.same === true && /2/.test((document.querySelector(\"#nav a[href='/conflicts'] .count\") || document.body.firstChild).textContent)")
	// Somebody types a reason while more comes in.
	do(t, ctx, chromedp.SendKeys(".dispute input[name=reason]", "正在写"))
	f.quarrel(f.first(small[0].Code, "household", 2))
	until(t, ctx, "!!document.querySelector('.news')")
	if n := js[int](t, ctx, "document.querySelectorAll('.dispute').length"); n != 2 {
		t.Errorf("the page changed under a form: %d", n)
	}
	if v := js[string](t, ctx, "document.querySelector('.dispute input[name=reason]').value"); v != "正在写" {
		t.Errorf("what was typed is %q", v)
	}
	do(t, ctx, chromedp.Click(".news button"))
	until(t, ctx, "document.querySelectorAll('.dispute').length === 4 && !document.querySelector('.news')")
	// The scroll stays where it is.
	do(t, ctx, chromedp.Navigate(f.server.URL+"/records/visit"))
	js[any](t, ctx, "window.scrollTo(0, 400)")
	at := js[float64](t, ctx, "window.scrollY")
	version := js[string](t, ctx, "document.body.dataset.version")
	f.quarrel(f.first(small[0].Code, "household", 4))
	until(t, ctx, "document.body.dataset.version !== '"+version+"'")
	if now := js[float64](t, ctx, "window.scrollY"); now != at || at == 0 {
		t.Errorf("scrolled from %v to %v", at, now)
	}
}

// pictures is a folder for pictures of every page, for whoever wants to look:
// ZHUCUN_PICTURES=/tmp/pages go test ./server/web -run Fit
var pictures = os.Getenv("ZHUCUN_PICTURES")

// Every page fits the widths that people have, in both languages.
func TestPagesFit(t *testing.T) {
	var f *fixture
	if pictures == "" {
		f = filled(t)
	} else {
		f = large(t, "2000", "6000")
	}
	v := f.codes()[0]
	house := f.first(v, "household", 0)
	f.quarrel(house)
	f.quarrel(f.first(v, "household", 3))
	f.ask(house, "main_cause", "两位说的不一样：他家是因病，还是缺手艺？请当面问一问再定。")
	answered := f.first(v, "household", 3)
	f.ask(answered, "main_cause", "到底是哪一个原因？")
	f.laptop("宋芬娥", identity.FirstSecretary, v).answer(f.get(answered.Key), "main_cause", `"illness"`, "看过病历，去年住院两次，花了三万多。")
	f.stray(f.first(v, "household", 1))
	if _, err := f.access.Revoke(t.Context(), f.laptop("刘专干", identity.VillageClerk, f.codes()[1]).device.ID); err != nil {
		t.Fatal(err)
	}
	f.laptop("王书记", identity.FirstSecretary, f.codes()...).hear(20*24*time.Hour, store.Contact{Agent: "0.9", Pending: 31, Assigned: 1, Offset: (50 * time.Hour).Milliseconds()})
	f.laptop("赵会计", identity.VillageClerk, f.codes()[1]).hear(time.Hour, store.Contact{Agent: "0.10", Assigned: 1})
	f.laptop("钱队员", identity.TeamMember, f.codes()[1])
	visit := f.first(v, "visit", 0)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	issue, inspection := f.ledgered()
	draft := filepath.Join(t.TempDir(), "visit.xlsx")
	if err := os.WriteFile(draft, edited(t, f, map[string]string{"答应办的事": "承诺事项", "string-length(.) <= 200": "string-length(.) <= 300", "date|follow_up": "text|follow_up"}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	pages := []struct{ name, path string }{
		{"signin", "/signin"}, {"overview", "/"}, {"records", "/records"}, {"households", "/records/household"},
		{"visits", "/records/visit"}, {"persons", "/records/person?village=" + string(v)}, {"visits-of", "/records/visit?village=" + string(v) + "&w.household=" + house.ID.String()},
		{"record-household", href(house.Key)}, {"record-visit", href(visit.Key)},
		{"ledger", "/ledger"}, {"ledger-task", "/ledger/task"}, {"ledger-project", "/ledger/project"}, {"ledger-inspection", "/ledger/inspection"}, {"record-issue", href(issue)}, {"record-inspection", href(inspection)}, {"issue-new", "/records/issue/new?village=" + string(v)},
		{"coverage", "/coverage?month=2024-12"}, {"overdue", "/overdue"},
		{"leaders", "/leaders?month=2024-12"}, {"figures", "/figures/" + string(v) + "?month=2024-12"}, {"charts", "/charts?month=2024-12"}, {"charts-village", "/charts?month=2024-12&village=" + string(v)}, {"conflicts", "/conflicts"}, {"quarantine", "/quarantine"},
		{"forms", "/forms"}, {"form-visit", "/forms/visit"}, {"draft", ""}, {"devices", "/devices"}, {"devices-new", "/devices/new"}, {"laptop", "/devices/" + string(f.laptops["杜旺火"].device.ID)}, {"laptop-revoked", "/devices/" + string(f.laptops["刘专干"].device.ID)}, {"accounts", "/accounts"}, {"interfaces", "/interfaces"}, {"audit", "/audit"}, {"bundles", "/bundles"}, {"map", "/map?month=2024-12"}, {"map-village", "/map?month=2024-12&village=" + string(v)}, {"backup", "/backup"}, {"settings", "/settings"}, {"help", "/help"}, {"me", "/me"}, {"nowhere", "/nowhere"}, {"code", ""},
	}
	in := false
	for _, lang := range []string{"zh", "en"} {
		for _, pg := range pages {
			switch {
			case pg.name == "signin" && in:
				continue
			case pg.name != "signin" && !in:
				signInBy(t, ctx, f, "主任")
				in = true
			}
			if pg.name == "draft" {
				do(t, ctx, chromedp.Navigate(f.server.URL+"/forms"), chromedp.SetUploadFiles("#file", []string{draft}), chromedp.Click("form[action='/forms/look'] button"))
				until(t, ctx, "!!document.querySelector('#differences')")
			} else if pg.name == "code" {
				do(t, ctx, chromedp.Navigate(f.server.URL+"/devices/new"), chromedp.SendKeys("#name", "王队员"),
					chromedp.Click("input[name=village]"), chromedp.Click("form[action='/devices/code'] button"))
				until(t, ctx, "!!document.querySelector('.qr')")
			} else {
				do(t, ctx, chromedp.Navigate(f.server.URL+pg.path))
			}
			inBoth(t, ctx, pg.name+"-"+lang)
		}
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}

// The pages of the second factor fit too, from the password to the page after.
func TestFactorFit(t *testing.T) {
	f := newFixture(t, small...)
	if err := f.access.SetFactorRoles(t.Context(), []identity.Role{identity.Leader}, "厅领导"); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	press := func(form, code string) {
		t.Helper()
		do(t, ctx, chromedp.SetValue("#code", code), chromedp.Click("form[action='"+form+"'] button"))
	}
	for _, lang := range []string{"zh", "en"} {
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"wide", 1366, 768}, {"narrow", 360, 740}} {
			if err := f.access.DropFactor(t.Context(), "admin", "leader", ""); err != nil {
				t.Fatal(err)
			}
			seen := func(name string) { t.Helper(); looks(t, ctx, strings.Join([]string{name, lang, size.name}, "-")) }
			do(t, ctx, chromedp.EmulateViewport(size.width, size.height))
			signInBy(t, ctx, f, "leader")
			if lang == "en" && size.name == "wide" {
				js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
				until(t, ctx, "document.documentElement.lang === 'en'")
			}
			until(t, ctx, "location.pathname === '/factor' && !!document.querySelector('.qr')")
			p := f.phone(answer{body: js[string](t, ctx, "document.querySelector('main').innerHTML")})
			seen("factor")
			press("/factor", p.code(0).Get("code"))
			until(t, ctx, "document.querySelectorAll('.recovery li').length === 10")
			seen("recovery")
			do(t, ctx, chromedp.Navigate(f.server.URL+"/me"))
			seen("me-factor")
			js[any](t, ctx, "document.querySelector(\"form[action='/signout'] button\").click()")
			until(t, ctx, "location.pathname === '/signin'")
			f.pass(2 * time.Minute)
			signInBy(t, ctx, f, "leader")
			press("/signin/code", "000000")
			until(t, ctx, "!!document.querySelector('.notice.bad')")
			seen("second")
			press("/signin/code", p.code(30*time.Second).Get("code"))
			until(t, ctx, "location.pathname === '/leaders' && !!document.querySelector('.drift')")
			seen("drift")
			js[any](t, ctx, "document.querySelector(\"form[action='/signout'] button\").click()")
			until(t, ctx, "location.pathname === '/signin'")
		}
	}
}

// inBoth looks at the page that is open in a narrow window and in a wide one, which it
// leaves.
func inBoth(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, chromedp.EmulateViewport(360, 740))
	looks(t, ctx, name+"-narrow")
	do(t, ctx, chromedp.EmulateViewport(1366, 768))
	looks(t, ctx, name+"-wide")
}

// looks tells that a page fits its window and that everything on it has a name,
// and takes a picture of it for whoever wants one.
func looks(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	if over := js[string](t, ctx, overflowing); over != "" {
		t.Errorf("%s is wider than the window:\n%s", name, over)
	}
	if bad := js[string](t, ctx, unlabelled); bad != "" {
		t.Errorf("%s: without a name:\n%s", name, bad)
	}
	if pictures != "" {
		picture(t, ctx, name)
	}
	// It sees the same in both languages but for the words.
	if !strings.HasSuffix(name, "en-narrow") {
		accessible(t, ctx, name)
	}
}

// overflowing lists what sticks out of the window; tables scroll by themselves.
const overflowing = `(function () {
	var w = document.documentElement.clientWidth, out = [];
	document.querySelectorAll("main *, header *").forEach(function (e) {
		var r = e.getBoundingClientRect();
		if (r.width && r.right > w + 1 && !e.closest(".hear, .skip, .scroll")) out.push(e.tagName + "." + e.className + " " + Math.round(r.right) + " " + e.textContent.slice(0, 30));
	});
	if (document.documentElement.scrollWidth > w + 1) out.push("the page scrolls sideways");
	return out.slice(0, 5).join("\n");
})()`

// unlabelled lists the controls, links and images that have no name to be read
// out, ids that stand twice, and labels of nothing.
const unlabelled = `(function () {
	var out = [], seen = {};
	document.querySelectorAll("input:not([type=hidden]), select, textarea").forEach(function (e) {
		if (e.getAttribute("aria-hidden") || e.hidden) return;
		if (!(e.labels && e.labels.length && e.labels[0].textContent.trim()) && !e.getAttribute("aria-label")) out.push("no label: " + e.outerHTML.slice(0, 120));
	});
	document.querySelectorAll("a, button").forEach(function (e) { if (!e.textContent.trim() && !e.getAttribute("aria-label")) out.push("no text: " + e.outerHTML.slice(0, 120)); });
	document.querySelectorAll("[id]").forEach(function (e) { var id = e.getAttribute("id"); if (seen[id]) out.push("twice: " + id); seen[id] = true; });
	document.querySelectorAll("label[for]").forEach(function (e) { if (!document.getElementById(e.htmlFor)) out.push("label of nothing: " + e.htmlFor); });
	if (document.querySelectorAll("h1").length !== 1) out.push("h1: " + document.querySelectorAll("h1").length);
	return out.slice(0, 8).join("\n");
})()`

// picture takes one of the page as far as it goes, to a limit.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, name+".png"), png, 0o666); err != nil {
		t.Fatal(err)
	}
}
