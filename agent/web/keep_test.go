package web

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/shared/record"
)

// typeIn adds to a text as somebody does who types.
func typeIn(field, text string) string {
	return `(function (e) { e.value += "` + text + `"; e.dispatchEvent(new Event("input", {bubbles: true})); return true; })(document.getElementById("` + field + `"))`
}

const (
	keptNow  = "document.getElementById('kept').textContent.includes('草稿已存')"
	notKept  = "document.getElementById('kept').className === 'bad'"
	pressed  = "(setTimeout(function () { document.querySelector('#entry [type=submit]').click(); }, 0), true)"
	wentBack = "(setTimeout(function () { history.back(); }, 0), true)"
)

// drafted gives what a draft holds of a field.
func drafted(t *testing.T, f *fixture, path, field string) string {
	t.Helper()
	d, err := f.laptop.Draft(strings.TrimPrefix(path, "/draft/"))
	if err != nil {
		t.Fatal(err)
	}
	return first(d.Values[field])
}

// The icon is clicked again, or the session has ended, while a form is open in
// another tab: it goes on by itself.
func TestIconAgain(t *testing.T) {
	f := newFixture(t, true)
	a := browser(t)
	enterBy(t, a, f)
	do(t, a, chromedp.Navigate(f.at+"/record/visit/new?household="+f.house(1).id.String()))
	draft := js[string](t, a, "location.pathname.slice(25)")
	b := tab(t, a)
	enterBy(t, b, f)
	js[bool](t, a, typeIn("f-findings", "又点了一次图标，"))
	until(t, a, keptNow)

	f.up.Add(int64(sessionLife + time.Hour))
	js[bool](t, a, typeIn("f-findings", "过期以后写的"))
	until(t, a, notKept+" && document.getElementById('kept').textContent.includes('要重新打开驻村通')")
	js[bool](t, a, pressed)
	until(t, a, "document.getElementById('kept').textContent.startsWith('没有保存。')")
	enterBy(t, b, f)
	until(t, a, keptNow)
	if got := drafted(t, f, draft, "findings"); got != "又点了一次图标，过期以后写的" {
		t.Errorf("the draft has %q", got)
	}
	js[bool](t, a, pressed)
	until(t, a, "!!document.querySelector('.banner')")
}

// Back after a save, and going on there.
func TestBackAfterSave(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(1)
	ctx := browser(t)
	enterBy(t, ctx, f)
	for _, open := range []string{"/record/visit/new?household=" + h.id.String(), "/record/household/" + h.id.String() + "/edit"} {
		field := map[bool]string{true: "f-findings", false: "f-group_name"}[strings.Contains(open, "visit")]
		do(t, ctx, chromedp.Navigate(f.at+open))
		js[bool](t, ctx, typeIn(field, "先写的"))
		js[bool](t, ctx, pressed)
		until(t, ctx, "!!document.querySelector('.banner')")
		js[bool](t, ctx, wentBack)
		// The form that was saved does not come back as if it were open.
		until(t, ctx, "!!document.querySelector('.banner') && performance.getEntriesByType('navigation')[0].type !== 'navigate'")
	}

	// A browser that keeps pages alive brings it back without asking.
	do(t, ctx, chromedp.Navigate(f.at+"/record/visit/new?household="+h.id.String()))
	alive := js[string](t, ctx, "location.pathname.slice(25)")
	_, form := f.enter().opened(alive)
	f.post(alive+"/save", with(form, "f.findings", "别处存的"))
	js[bool](t, ctx, "window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
	until(t, ctx, "!!document.querySelector('.banner')")

	// Two tabs of one form: A goes on after B saved it.
	do(t, ctx, chromedp.Navigate(f.at+"/record/visit/new?household="+h.id.String()))
	draft := js[string](t, ctx, "location.pathname.slice(25)")
	b := tab(t, ctx)
	do(t, b, chromedp.Navigate(f.at+draft))
	js[bool](t, b, typeIn("f-findings", "乙写的"))
	js[bool](t, b, pressed)
	until(t, b, "!!document.querySelector('.banner')")
	js[bool](t, ctx, typeIn("f-needs", "甲后来写的"))
	until(t, ctx, keptNow+" && location.pathname.slice(25) !== '"+draft+"'")
	js[bool](t, ctx, pressed)
	until(t, ctx, "!!document.querySelector('.banner')")
	id, _ := record.ParseID(strings.TrimPrefix(draft, "/draft/"))
	if r, err := f.laptop.Get(visitType, id); err != nil || r.View.Fields["findings"] != `"乙写的"` || r.View.Fields["needs"] != `"甲后来写的"` {
		t.Errorf("%v %v", r.View.Fields, err)
	}
}

// Two tabs write in one field: both texts are on the page of who writes later.
func TestTwoTabs(t *testing.T) {
	f := newFixture(t, true)
	a := browser(t)
	enterBy(t, a, f)
	do(t, a, chromedp.Navigate(f.at+"/record/visit/new?household="+f.house(1).id.String()))
	draft := js[string](t, a, "location.pathname.slice(25)")
	b := tab(t, a)
	do(t, b, chromedp.Navigate(f.at+draft))
	js[bool](t, a, typeIn("f-findings", "甲写的走访情况"))
	until(t, a, keptNow)
	js[bool](t, b, typeIn("f-needs", "乙窗口"))
	until(t, b, keptNow+" && !!document.querySelector('#kept a')")
	if got := drafted(t, f, draft, "findings") + drafted(t, f, draft, "needs"); got != "甲写的走访情况乙窗口" {
		t.Errorf("the draft has %q", got)
	}
	js[bool](t, b, typeIn("f-findings", "乙也写"))
	until(t, b, "document.querySelector('[data-field=findings] .say').textContent.includes('甲写的走访情况')")
	js[bool](t, b, pressed)
	until(t, b, "location.search === '?why=both' && document.querySelector('.notice a').hash === '#f-findings' && document.querySelector('[data-field=findings]').textContent.includes('乙也写') && document.getElementById('f-findings').value === '甲写的走访情况'")
	// A has nothing new to say, and saves what it sees.
	js[bool](t, a, typeIn("f-findings", "，完"))
	until(t, a, keptNow)
	js[bool](t, a, pressed)
	until(t, a, "!!document.querySelector('.banner')")
}

// The agent dies while somebody types. Whatever they do meanwhile, the text
// stays in the page until it is in the draft.
func TestAgentDies(t *testing.T) {
	f := newFixture(t, true)
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/record/visit/new?household="+f.house(1).id.String()))
	draft := js[string](t, ctx, "location.pathname.slice(25)")
	js[bool](t, ctx, typeIn("f-findings", "第一句，"))
	until(t, ctx, keptNow)

	f.stop()
	// They turn to another window to start it again.
	js[bool](t, ctx, typeIn("f-findings", "停了以后写的，"))
	js[bool](t, ctx, "(Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true}), document.dispatchEvent(new Event('visibilitychange')), true)")
	until(t, ctx, notKept)
	f.restart()
	until(t, ctx, keptNow)
	if got := drafted(t, f, draft, "findings"); got != "第一句，停了以后写的，" {
		t.Errorf("turned away: the draft has %q", got)
	}

	// They press Save.
	f.stop()
	js[bool](t, ctx, typeIn("f-findings", "又停了"))
	js[bool](t, ctx, pressed)
	until(t, ctx, notKept+" && document.getElementById('kept').textContent.startsWith('没有保存。')")
	if got := js[string](t, ctx, "location.pathname.slice(25) + document.getElementById('f-findings').value"); got != draft+"第一句，停了以后写的，又停了" {
		t.Errorf("saved to nobody: %s", got)
	}
	f.restart()
	until(t, ctx, keptNow)
	js[bool](t, ctx, pressed)
	until(t, ctx, "!!document.querySelector('.banner')")
	id, _ := record.ParseID(strings.TrimPrefix(draft, "/draft/"))
	if r, err := f.laptop.Get(visitType, id); err != nil || r.View.Fields["findings"] != `"第一句，停了以后写的，又停了"` {
		t.Errorf("%v %v", r.View.Fields, err)
	}
}

// A line break in an answer that is asked on one line survives an edit of
// another answer.
func TestLineBreakUntouched(t *testing.T) {
	f := newFixture(t, true)
	h := f.house(1)
	ctx := browser(t)
	enterBy(t, ctx, f)
	f.wall.Add(1000)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"group_name": "坳背组\n（原三组）", "helper_name": "张三\n李四"})
	f.pull()
	do(t, ctx, chromedp.Navigate(f.at+"/record/household/"+h.id.String()+"/edit"))
	do(t, ctx, chromedp.SetValue(chromedp.ID("f-phone"), "13700137000"), chromedp.Click(chromedp.CSS("#entry [type=submit]")))
	until(t, ctx, "!!document.querySelector('.banner')")
	r, err := f.laptop.Get(householdType, h.id)
	if err != nil || r.View.Fields["group_name"] != `"坳背组\n（原三组）"` || len(r.View.Proposals) > 0 || r.View.Fields["phone"] != `"13700137000"` {
		t.Errorf("%v %v %v", r.View.Fields["group_name"], r.View.Proposals, err)
	}
}

// The box that filters a long list of choices takes none back and makes none.
func TestFilterKeepsTheChoice(t *testing.T) {
	f := newFixture(t, true)
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/record/person/new?household="+f.house(1).id.String()))
	filter := func(q string) string {
		return js[string](t, ctx, `(function () {
			var b = document.querySelector("[data-field=relation] .filter");
			b.value = "`+q+`";
			b.dispatchEvent(new Event("input", {bubbles: true}));
			return document.getElementById("f-relation").value;
		})()`)
	}
	filter("之")
	js[bool](t, ctx, "(document.getElementById('f-relation').value = 'son', document.getElementById('f-relation').dispatchEvent(new Event('change', {bubbles: true})), true)")
	for _, q := range []string{"之女", "户主", ""} {
		if got := filter(q); got != "son" {
			t.Errorf("filter %q: %q is chosen", q, got)
		}
	}
	do(t, ctx, chromedp.Navigate(f.at+"/record/person/new?household="+f.house(1).id.String()))
	if got := filter("户主"); got != "" {
		t.Errorf("the only hit chose itself: %q", got)
	}
	do(t, ctx, chromedp.SendKeys(chromedp.CSS("[data-field=relation] .filter"), "\r"))
	if got := js[string](t, ctx, "document.getElementById('f-relation').value"); got != "head" {
		t.Errorf("Enter took %q", got)
	}
}
