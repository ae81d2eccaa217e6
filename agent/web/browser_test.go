package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zhucun/agent/backup"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/shared/record"
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
	deadline := time.Now().Add(15 * time.Second)
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

// keys presses keys where the focus is.
func keys(t *testing.T, ctx context.Context, pressed ...string) {
	t.Helper()
	for _, k := range pressed {
		do(t, ctx, chromedp.KeyEvent(k))
	}
}

// tabTo presses Tab until the focus is where the expression, of the focused
// element e, says.
func tabTo(t *testing.T, ctx context.Context, is string) {
	t.Helper()
	for range 80 {
		if js[bool](t, ctx, "(function (e) { return !!("+is+"); })(document.activeElement)") {
			return
		}
		keys(t, ctx, kb.Tab)
	}
	t.Fatalf("Tab never comes to %s; it is at %s", is, js[string](t, ctx, "document.activeElement.outerHTML.slice(0, 200)"))
}

// enterBy opens a session in the tab.
func enterBy(t *testing.T, ctx context.Context, f *fixture) {
	t.Helper()
	do(t, ctx, chromedp.Navigate(f.base+f.site.Link()))
	until(t, ctx, "location.pathname.slice(25) === '/' && document.readyState === 'complete'")
}

// A visit from the first page to "saved" without touching the mouse. Besides what is
// typed it takes ten keys: one on the button, one behind the search, two for each of
// three questions, two to save.
func TestVisitByKeyboard(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(4)
	ctx := browser(t)
	enterBy(t, ctx, f)

	keys(t, ctx, kb.Tab)
	if at := js[string](t, ctx, "document.activeElement.className"); at != "skip" {
		t.Errorf("the first Tab comes to %q, not to the way past the menu", at)
	}
	tabTo(t, ctx, "e.textContent === '记一次走访'")
	pressed := 0
	press := func(list ...string) {
		t.Helper()
		keys(t, ctx, list...)
		pressed += len(list)
	}
	press(kb.Enter)
	until(t, ctx, "location.pathname.slice(25) === '/find' && document.activeElement.id === 'q'")

	// The list follows as one types; Enter takes the only one that is left.
	do(t, ctx, chromedp.KeyEvent(h.phone[6:]))
	until(t, ctx, "document.querySelectorAll('#results .line').length === 1 && location.search.includes('s=')")
	press(kb.Enter)
	until(t, ctx, "!!document.getElementById('entry')")
	if got := js[string](t, ctx, "document.getElementById('f-household').value"); got != h.id.String() {
		t.Errorf("the form is about %s", got)
	}

	// The first question without an answer has the focus. Those that do not apply are
	// not asked; an answer brings them.
	hidden := func(name string) bool {
		return js[bool](t, ctx, "document.querySelector('[data-field="+name+"]').hidden")
	}
	at := func(name string) {
		t.Helper()
		until(t, ctx, "document.activeElement.name === 'f."+name+"'")
	}
	at("visit_mode")
	if !hidden("satisfaction") {
		t.Error("satisfaction is asked before it is known who was met")
	}
	press("1", kb.Enter)
	at("visit_result")
	press("1", kb.Enter)
	at("visit_purpose")
	until(t, ctx, "!document.querySelector('[data-field=satisfaction]').hidden")
	press("1", kb.Enter)
	at("findings")

	// What looks wrong is said while typing, and taken back.
	do(t, ctx, chromedp.KeyEvent("灶台"))
	until(t, ctx, "document.getElementById('f-findings-say').textContent.includes('5到1000字')")
	do(t, ctx, chromedp.KeyEvent("已经修好，老人身体还好"))
	until(t, ctx, "document.getElementById('f-findings-say').textContent === ''")
	until(t, ctx, "document.getElementById('missing').textContent.includes('都填了')")

	// What cannot be read stays, is marked and has the focus.
	save := chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(kb.ModifierCtrl))
	tabTo(t, ctx, "e.name === 'f.follow_up'")
	do(t, ctx, chromedp.KeyEvent("下个月"), save)
	until(t, ctx, "document.activeElement.name === 'f.follow_up' && document.activeElement.value === '下个月' && !!document.querySelector('.notice.bad') && document.readyState === 'complete'")
	if got := js[string](t, ctx, "document.getElementById('f-findings').value"); got != "灶台已经修好，老人身体还好" {
		t.Errorf("what was typed elsewhere: %q", got)
	}
	do(t, ctx, chromedp.KeyEvent("a", chromedp.KeyModifiers(kb.ModifierCtrl)), chromedp.KeyEvent("20250209"), save)
	pressed += 2
	until(t, ctx, "location.pathname.slice(25) === '/household/"+h.id.String()+"' && document.querySelector('.banner').textContent.includes('已保存在这台电脑上')")
	if pressed != 10 {
		t.Errorf("a visit takes %d keys besides what is typed", pressed)
	}
	if got := js[string](t, ctx, "document.querySelector('.timeline').innerText"); !strings.Contains(got, "灶台已经修好，老人身体还好") || !strings.Contains(got, "未送出") {
		t.Errorf("the household shows %s", got)
	}
	if got := f.house2(h.id).last; got != "2025-01-09" {
		t.Errorf("last visit %s", got)
	}
	r := f.record(visitType, f.lastOf(h.id, "灶台已经修好，老人身体还好").String())
	if r.View.Fields["visit_mode"] != `"home"` || r.View.Fields["visit_result"] != `"met"` || r.View.Fields["visit_purpose"] != `["routine"]` {
		t.Errorf("the visit has %v", r.View.Fields)
	}
}

// lastOf gives the visit of a household at which that was found.
func (f *fixture) lastOf(house record.ID, findings string) (found record.ID) {
	f.laptop.Referring(house, visitType, noted(func(id record.ID, text string) {
		if text == findings {
			found = id
		}
	}))
	return found
}

// What was typed outlives the tab, without a pause before it closes, and the
// agent.
func TestDraftSurvives(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(2)
	ctx := browser(t)
	enterBy(t, ctx, f)
	other := tab(t, ctx)
	do(t, other, chromedp.Navigate(f.at+"/record/visit/new?household="+h.id.String()))
	draft := js[string](t, other, "location.pathname.slice(25)")
	do(t, other, chromedp.SendKeys(chromedp.ID("f-findings"), "写到一半"))
	until(t, other, "document.getElementById('kept').textContent.includes('草稿已存')")
	do(t, other, chromedp.SendKeys(chromedp.ID("f-needs"), "想修水井"), chromedp.Navigate("about:blank"))
	if err := chromedp.Cancel(other); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		d, err := f.laptop.Draft(strings.TrimPrefix(draft, "/draft/"))
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Values["needs"]) == 1 && d.Values["needs"][0] == "想修水井" {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("the draft has %v", d.Values)
		}
	}

	f.restart()
	do(t, ctx, chromedp.Navigate(f.at+"/"))
	if got := js[string](t, ctx, "document.querySelector('.lines').innerText"); !strings.Contains(got, h.name) || !strings.Contains(got, "写到一半") {
		t.Errorf("the first page shows %s", got)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("a[href$='"+draft+"']")))
	until(t, ctx, "!!document.getElementById('entry')")
	got := js[[]string](t, ctx, "[document.getElementById('f-findings').value, document.getElementById('f-needs').value]")
	if got[0] != "写到一半" || got[1] != "想修水井" {
		t.Errorf("the form has %q", got)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("#entry [type=submit]")))
	until(t, ctx, "!!document.querySelector('.banner')")
	if ds, err := f.laptop.Drafts(); err != nil || len(ds) != 0 {
		t.Errorf("drafts left: %v, %v", ds, err)
	}
}

// Two people wrote different things; one decides, in the other language.
func TestConflictDecided(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(1)
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/record/household/"+h.id.String()+"/edit"))
	// Meanwhile the office writes, and a sync brings it.
	f.wall.Add(60_000)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"group_name": "坳背第一村民小组"})
	f.pull()
	f.wall.Add(60_000)
	do(t, ctx, chromedp.SetValue(chromedp.ID("f-group_name"), "坳背第二村民小组"), chromedp.Click(chromedp.CSS("#entry [type=submit]")))
	until(t, ctx, "!!document.querySelector('.banner')")
	if got := js[string](t, ctx, "document.querySelector('.profile').innerText"); !strings.Contains(got, "宋芬娥 写的是“坳背第一村民小组”") {
		t.Errorf("the household shows %s", got)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("a[href$='/conflicts']")))
	until(t, ctx, "document.querySelectorAll('.claim').length === 2")
	if got := js[string](t, ctx, "Array.from(document.querySelectorAll('mark')).map(function (m) { return m.textContent; }).join()"); got != "一,二" {
		t.Errorf("marked as different: %s", got)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("button[name=language]")))
	until(t, ctx, "document.documentElement.lang === 'en' && location.pathname.slice(25) === '/conflicts' && document.querySelector('h1').textContent === 'To decide'")
	do(t, ctx, chromedp.Click(chromedp.CSS(".claim:first-child button")))
	until(t, ctx, "location.search === '?done=1' && document.querySelectorAll('.claim').length === 0")
	r, err := f.laptop.Get(householdType, h.id)
	if err != nil || r.View.Fields["group_name"] != `"坳背第一村民小组"` {
		t.Errorf("group %s, %v", r.View.Fields["group_name"], err)
	}
}

// pictures is a folder for pictures of every page, for whoever wants to look:
// ZHUCUN_PICTURES=/tmp/pages go test ./agent/web -run Fit
var pictures = os.Getenv("ZHUCUN_PICTURES")

// Every page fits the widths that people have, in both languages, and says
// nothing on the console.
func TestPagesFit(t *testing.T) {
	f := newFixture(t, true)
	f.site.lock = &fakeLock{way: vault.Unprotected}
	f.site.opt.Backups = &fakeBackups{overdue: 9, places: []backup.Place{{Folder: `E:\zhucun-backup`, Free: 14 << 30}}}
	house, quarrelled, refused := f.house(0), f.house(3), f.house(6)
	_, server := f.rejected(refused.id)
	f.quarrel(quarrelled)
	f.set(f.laptop, "杜旺火", householdType, quarrelled.id, map[string]string{"poverty_attr": "低保贫困户"})
	f.questioned(quarrelled)
	f.livedIn(house)
	seenIn := f.house(7)
	shot := f.lastVisitOf(seenIn)
	f.illustrate(shot)
	ctx := browser(t)
	enterBy(t, ctx, f)

	do(t, ctx, chromedp.Navigate(f.at+"/record/visit/new?household="+house.id.String()))
	draft := js[string](t, ctx, "location.pathname.slice(25)")
	if a := f.enter().add(draft+"/file/photos", f.site.doors.token(), "IMG_1.JPG", pictureOf(t, 60)); a.status != 200 {
		t.Fatal(a.status)
	}
	do(t, ctx, chromedp.SendKeys(chromedp.ID("f-findings"), "查看了灶间改造进度，屋顶瓦片已补齐"), chromedp.Sleep(time.Second))
	do(t, ctx, chromedp.Navigate(f.at+"/record/household/"+quarrelled.id.String()+"/edit"))
	edit := js[string](t, ctx, "location.pathname.slice(25)")
	visit := "/record/visit/" + f.lastVisitOf(house).String()
	// Another window wrote in the same place.
	_, window := f.enter().opened(draft)
	f.post(draft+"/keep", with(window, "_serial", "1", "_stood", strings.ReplaceAll(window.Get("_stood"), "findings:", "findings:x"), "f.findings", "灶间已改好，屋顶还差几片瓦"))

	// A bundle that was answered, one that was not, and a colleague's.
	bundles := func(f *fixture) *outcome {
		made, err := f.sync.Make(t.Context(), syncclient.Carry{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &outcome{made: made}
	}
	collect := func(path string, change func([]byte) []byte) string {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.sync.Collect(t.Context(), bytes.NewReader(change(file)), nil)
		if err != nil {
			t.Fatal(err)
		}
		return f.site.work.keep(&outcome{taken: &got})
	}
	answered := bundles(f).made[0]
	f.set(f.laptop, "杜旺火", householdType, f.house(4).id, map[string]string{"phone": "13900139004"})
	taken := collect(answered.File, func(b []byte) []byte { return server.answer(t, f.laptop, b) })
	waiting := bundles(f)
	made := f.site.work.keep(waiting)
	several := f.site.work.keep(&outcome{made: []syncclient.Exported{waiting.made[0], waiting.made[0]}})
	f.set(f.laptop, "杜旺火", householdType, f.house(5).id, map[string]string{"phone": "13900139005"})
	other := newFixture(t, false)
	carried := collect(bundles(other).made[0].File, func(b []byte) []byte { return b })
	for _, dir := range []string{"replies", "refused"} {
		if err := os.WriteFile(filepath.Join(f.dir, "courier", dir, "0123456789abcdef.zcb"), make([]byte, 90<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// A page may take steps from its address on: what to do, then what is true when it
	// is there.
	type shown struct {
		name, path string
		then       [][2]string
	}
	next := "document.querySelector('.move .main').click()"
	split := [][2]string{
		{"document.querySelectorAll('[name=who]').forEach(function (e, i) { e.checked = i > 0; }); " + next, "!!document.querySelector('[name=head]')"},
		{"document.querySelector('[name=head]').checked = true; " + next, "!!document.getElementById('date')"},
	}
	check := append(slices.Clone(split), [2]string{"document.querySelectorAll('.move select').forEach(function (e) { e.selectedIndex = 3; }); " + next, "!!document.querySelector('.move table')"})
	at := "/household/" + house.id.String() + "/members"
	pages := []shown{
		{name: "today", path: "/"}, {name: "todo", path: "/todo"}, {name: "find", path: "/find"}, {name: "find-visit", path: "/find?for=visit&s=" + f.site.searches.keep("何")}, {name: "due", path: "/find?show=due"},
		{name: "household", path: "/household/" + house.id.String()}, {name: "household-quarrel", path: "/household/" + quarrelled.id.String()},
		{name: "household-photos", path: "/household/" + seenIn.id.String()}, {name: "record-photos", path: "/record/visit/" + shot.String()},
		{name: "household-rejected", path: "/household/" + refused.id.String()}, {name: "record-rejected", path: "/record/household/" + refused.id.String()},
		{name: "visit", path: draft}, {name: "both", path: draft + "?why=both"}, {name: "edit", path: edit}, {name: "record", path: visit}, {name: "record-household", path: "/record/household/" + quarrelled.id.String()},
		{name: "saved", path: "/household/" + house.id.String() + "?saved=household/" + quarrelled.id.String()},
		{name: "conflicts", path: "/conflicts"}, {name: "sync", path: "/sync"}, {name: "bundles", path: "/bundles"}, {name: "bundles-made", path: "/bundles?done=" + made}, {name: "bundles-several", path: "/bundles?done=" + several}, {name: "bundles-carried", path: "/bundles?done=" + carried}, {name: "bundles-taken", path: "/bundles?done=" + taken}, {name: "records", path: "/records"}, {name: "list", path: "/records/person"}, {name: "me", path: "/me"}, {name: "me-forgotten", path: "/me?forgotten=1"}, {name: "settings", path: "/settings"}, {name: "help", path: "/help"}, {name: "diagnosis", path: "/diagnosis"}, {name: "lock", path: "/lock"}, {name: "nowhere", path: "/nowhere"},
		{name: "members", path: at}, {name: "members-who", path: at + "?do=split"}, {name: "members-where", path: at + "?do=join"}, {name: "members-details", path: at + "?do=split", then: split}, {name: "members-check", path: at + "?do=split", then: check},
	}
	for _, lang := range []string{"zh", "en"} {
		if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Language = lang }); err != nil {
			t.Fatal(err)
		}
		for _, pg := range append(pages, shown{name: "today-clock", path: "/"}, shown{name: "visit-clock", path: "/record/visit/new?household=" + house.id.String()}) {
			f.wall.Store(morning.UnixMilli())
			if strings.HasSuffix(pg.name, "-clock") {
				f.wall.Store(morning.AddDate(-10, 0, 0).UnixMilli())
			}
			do(t, ctx, chromedp.Navigate(f.at+pg.path))
			for _, step := range pg.then {
				do(t, ctx, chromedp.Evaluate[chromedp.Void](step[0]))
				until(t, ctx, "document.readyState === 'complete' && "+step[1])
			}
			fitsBoth(t, ctx, pg.name, lang)
		}
	}
}

// fitsBoth looks at the page that is open in a narrow window and in a wide one, which it
// leaves.
func fitsBoth(t *testing.T, ctx context.Context, name, lang string) {
	t.Helper()
	for _, size := range widths {
		do(t, ctx, chromedp.EmulateViewport(size.width, size.height))
		fits(t, ctx, name, lang, size.name)
	}
}

// fits tells what is wrong with the page that is shown: what is wider than the window,
// has no name, or is hard to use.
func fits(t *testing.T, ctx context.Context, name, lang, size string) {
	t.Helper()
	if over := js[string](t, ctx, `(function () {
		var w = document.documentElement.clientWidth, out = [];
		document.querySelectorAll("main *, header *").forEach(function (e) {
			var r = e.getBoundingClientRect();
			if (r.width && r.right > w + 1 && !e.closest(".hear, .skip, .steps-nav")) out.push(e.tagName + "." + e.className + " " + Math.round(r.right) + " " + e.textContent.slice(0, 30));
		});
		return out.slice(0, 5).join("\n");
	})()`); over != "" {
		t.Errorf("%s %s %s is wider than the window:\n%s", name, lang, size, over)
	}
	if wide := js[bool](t, ctx, "document.documentElement.scrollWidth > document.documentElement.clientWidth"); wide {
		t.Errorf("%s %s %s scrolls sideways", name, lang, size)
	}
	if bad := js[string](t, ctx, unlabelled); bad != "" {
		t.Errorf("%s %s: without a name:\n%s", name, lang, bad)
	}
	if pictures != "" {
		picture(t, ctx, strings.Join([]string{name, lang, size}, "-"), name == "visit")
	}
	// What axe-core looks at is the same in both languages but for the words.
	if lang == "en" && size == "narrow" {
		return
	}
	if bad := accessible(t, ctx); bad != "" {
		t.Errorf("%s %s %s:\n%s", name, lang, size, bad)
	}
}

// axe is axe-core, which knows what makes a page hard to use for whoever does not see
// it, or does not hear, or has no mouse.
var axe = sync.OnceValue(func() string {
	f, err := os.Open("testdata/axe-core/axe.min.js.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return string(script)
})

// accessible gives what axe-core finds serious or critical on the page.
func accessible(t *testing.T, ctx context.Context) string {
	t.Helper()
	do(t, ctx, chromedp.Evaluate[chromedp.Void](axe()+"; undefined"), chromedp.Evaluate[chromedp.Void](`window.found = null; axe.run(document, { resultTypes: ["violations"] }).then(function (r) {
		window.found = r.violations.filter(function (v) { return v.impact === "serious" || v.impact === "critical"; }).map(function (v) {
			return v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map(function (n) { return "    " + n.html.slice(0, 160) + " " + (n.any.concat(n.all)[0] || {}).message; }).join("\n");
		}).join("\n");
	}).catch(function (e) { window.found = String(e); }); undefined`))
	until(t, ctx, "window.found !== null")
	return js[string](t, ctx, "window.found")
}

// unlabelled lists the controls, links and images that have no name to be read
// out, ids that stand twice, and labels of nothing.
const unlabelled = `(function () {
	var out = [], seen = {};
	document.querySelectorAll("input:not([type=hidden]), select, textarea").forEach(function (e) {
		if (e.getAttribute("aria-hidden") || e.hidden) return;
		if (!(e.labels && e.labels.length && e.labels[0].textContent.trim()) && !e.getAttribute("aria-label")) out.push("no label: " + e.outerHTML.slice(0, 120));
	});
	document.querySelectorAll("a, button").forEach(function (e) { if (!e.textContent.trim() && !e.getAttribute("aria-label") && !e.querySelector("img[alt]:not([alt=''])")) out.push("no text: " + e.outerHTML.slice(0, 120)); });
	document.querySelectorAll("[id]").forEach(function (e) { if (seen[e.id]) out.push("twice: " + e.id); seen[e.id] = true; });
	document.querySelectorAll("label[for]").forEach(function (e) { if (!document.getElementById(e.htmlFor)) out.push("label of nothing: " + e.htmlFor); });
	document.querySelectorAll("[aria-describedby]").forEach(function (e) { e.getAttribute("aria-describedby").split(" ").forEach(function (id) { if (!document.getElementById(id)) out.push("described by nothing: " + id); }); });
	if (document.querySelectorAll("h1").length !== 1) out.push("h1: " + document.querySelectorAll("h1").length);
	return out.slice(0, 8).join("\n");
})()`

// picture takes one of the whole page, or of what the window shows.
func picture(t *testing.T, ctx context.Context, name string, window bool) {
	t.Helper()
	take := chromedp.FullScreenshot(100)
	if window {
		take = chromedp.CaptureScreenshot()
	}
	png, err := chromedp.Run(ctx, take)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, name+".png"), png, 0o666); err != nil {
		t.Fatal(err)
	}
}
