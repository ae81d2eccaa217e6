package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/scripts/badlink"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

const village = "369999000001"

// world is an office and two laptops of one village, all with their pages open.
type world struct {
	t      *testing.T
	ctx    context.Context
	server *rig.Server
	a, b   *rig.Laptop
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	bin := t.TempDir()
	for _, side := range []string{"server", "agent"} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(bin, "zhucun-"+side), "zhucun/"+side)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", side, err, out)
		}
	}
	r := &rig.Rig{Dir: t.TempDir(), Bin: bin, Lang: "zh"}
	w := &world{t: t, ctx: ctx}
	var err error
	if w.server, err = r.Server(ctx, "office"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.server.Do(ctx, "village", "add", village, "李寨村"); err != nil {
		t.Fatal(err)
	}
	if err := r.Serve(ctx, w.server, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, w.server.Stop()) })
	for _, l := range []struct {
		to     **rig.Laptop
		name   string
		person string
		role   identity.Role
	}{{&w.a, "laptop1", "王书记", identity.FirstSecretary}, {&w.b, "laptop2", "李队员", identity.TeamMember}} {
		if *l.to, err = r.Laptop(ctx, w.server, l.name, l.person, l.role, village); err != nil {
			t.Fatal(err)
		}
		laptop := *l.to
		if err := laptop.Run(ctx, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { end(t, laptop.Close()) })
	}
	return w
}

func end(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// lines takes the network away from both laptops, or gives it back.
func (w *world) lines(up bool) {
	for _, l := range []*rig.Laptop{w.a, w.b} {
		l.Link.Set(badlink.Weather{Down: !up})
	}
}

// put saves a record on a laptop by command.
func (w *world) put(l *rig.Laptop, args ...string) string {
	w.t.Helper()
	out, err := l.Do(w.ctx, append([]string{"put"}, args...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	var saved struct{ ID string }
	if err := json.Unmarshal(out, &saved); err != nil {
		w.t.Fatal(err)
	}
	return saved.ID
}

// sync has a laptop sync now: after a time without a network it would wait for
// its own next try.
func (w *world) sync(ls ...*rig.Laptop) {
	w.t.Helper()
	for _, l := range ls {
		if _, err := l.Sync(w.ctx, time.Minute); err != nil {
			w.t.Fatal(err)
		}
	}
}

// chromium starts a browser. The office's certificate is its own: a person
// would be asked once whether to trust it.
func (w *world) chromium(more ...chromedp.ExecAllocatorOption) context.Context {
	w.t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(w.t.TempDir()), chromedp.NoSandbox, chromedp.WindowSize(1366, 768),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "zh-CN"), chromedp.Flag("ignore-certificate-errors", true))
	ctx, cancel := chromedp.NewExecAllocator(w.ctx, append(opts, more...)...)
	w.t.Cleanup(cancel)
	// The first tab is the browser; the others are opened beside it.
	ctx, cancel = chromedp.NewContext(ctx)
	w.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		w.t.Fatal(err)
	}
	return ctx
}

// tab is one page of one side.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
}

func (w *world) tab(browser context.Context, base string) *tab {
	w.t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	w.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		w.t.Fatal(err)
	}
	return &tab{w.t, ctx, base}
}

// laptopTab opens a laptop's page by its one-use link.
func (w *world) laptopTab(browser context.Context, l *rig.Laptop) *tab {
	w.t.Helper()
	var opened struct{ Link string }
	if err := l.JSON(w.ctx, &opened, "open", "--print"); err != nil {
		w.t.Fatal(err)
	}
	p := w.tab(browser, "")
	p.do(chromedp.Navigate(opened.Link))
	p.until("!!document.querySelector('main') && document.readyState === 'complete'")
	// The pages are under a path that only the link tells.
	at, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("location.href"))
	if err != nil {
		w.t.Fatal(err)
	}
	p.base = strings.TrimSuffix(at, "/")
	return p
}

// officeTab signs in at the office.
func (w *world) officeTab(browser context.Context) *tab {
	w.t.Helper()
	p := w.tab(browser, w.server.URL)
	p.open("/")
	p.until("!!document.querySelector('input[name=password]')")
	p.do(chromedp.SetValue("input[name=login]", w.server.Login), chromedp.SetValue("input[name=password]", w.server.Password), chromedp.Click("form[action='/signin'] button"))
	p.until("location.pathname === '/' && !document.querySelector('input[name=password]')")
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) open(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.base + path))
}

// until waits for an expression to come true in the page.
func (p *tab) until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		v, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](expression))
		if err == nil && v {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
			p.t.Fatalf("never came true: %s (%v)\n%s", expression, err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// shows waits until the page's text holds all the words.
func (p *tab) shows(words ...string) {
	p.t.Helper()
	for _, word := range words {
		p.until(fmt.Sprintf("document.body.innerText.includes(%q)", word))
	}
}

// fill answers a question of a form: the choice of that code, or a text.
func (p *tab) fill(name, value string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`(function (name, value) {
		var all = Array.from(document.getElementsByName("f." + name));
		if (!all.length) return false;
		var one = all.find(function (e) { return e.value === value && (e.type === "radio" || e.type === "checkbox"); });
		if (one) { if (!one.checked) one.click(); return true; }
		all[0].focus();
		all[0].value = value;
		all[0].dispatchEvent(new Event("input", {bubbles: true}));
		all[0].dispatchEvent(new Event("change", {bubbles: true}));
		return true;
	})(%q, %q)`, name, value))
}

// save presses the form's button and waits for the page that says so.
func (p *tab) save() {
	p.t.Helper()
	p.do(chromedp.Click("#entry button.main, #entry [name=save], #entry .save button"))
	p.until("!!document.querySelector('.banner')")
}

// A visit recorded on the page with no network is at the office, whole, soon
// after there is one; the office's page shows it without being loaded again.
func TestVisitReachesTheOffice(t *testing.T) {
	w := newWorld(t)
	household := w.put(w.a, "household", "head_name=李大山", "group_name=三组")
	w.sync(w.a)
	browser := w.chromium()
	office := w.officeTab(browser)
	office.open("/records/visit")
	laptop := w.laptopTab(browser, w.a)

	w.lines(false)
	laptop.open("/record/visit/new?household=" + household)
	laptop.until("!!document.getElementById('entry')")
	laptop.fill("visit_mode", "home")
	laptop.fill("visit_result", "met")
	laptop.fill("visit_purpose", "routine")
	laptop.fill("findings", "屋顶漏雨，老人腿脚不便")
	laptop.fill("promised", "下周带瓦匠来看")
	laptop.save()
	laptop.shows("已保存在这台电脑上")
	// What has left on a line that is down is not delivered for it.
	laptop.until("document.body.innerText.includes('未送出') || document.body.innerText.includes('等办公室回执')")

	w.lines(true)
	laptop.open("/sync")
	w.sync(w.a)
	laptop.open("/household/" + household)
	laptop.shows("屋顶漏雨", "已送达")
	// No click and no loading: the office's list is live.
	office.shows("李大山")
	office.do(chromedp.Click("main table tbody a"))
	office.shows("屋顶漏雨，老人腿脚不便", "下周带瓦匠来看", "王书记")
}

// Two laptops change one field apart: both values are on every page, the office
// decides one, a laptop another, and everybody reads the decision.
func TestContradictionDecidedOnEitherSide(t *testing.T) {
	w := newWorld(t)
	id := w.put(w.a, "household", "head_name=李大", "group_name=三组", "house_risk=a")
	w.sync(w.a, w.b)
	browser := w.chromium()
	a, b, office := w.laptopTab(browser, w.a), w.laptopTab(browser, w.b), w.officeTab(browser)

	w.lines(false)
	for _, side := range []struct {
		p            *tab
		group, house string
	}{{a, "四组", "c"}, {b, "五组", "d"}} {
		side.p.open("/record/household/" + id + "/edit")
		side.p.until("!!document.getElementById('entry')")
		side.p.fill("group_name", side.group)
		side.p.fill("house_risk", side.house)
		side.p.save()
	}
	w.lines(true)
	w.sync(w.a, w.b, w.a)

	office.open("/conflicts?kind=conflict")
	office.shows("四组", "五组", "王书记", "李队员", "C级", "D级")
	b.open("/conflicts")
	b.shows("四组", "五组", "C级", "D级")

	// The office takes the fourth group.
	decide := func(p *tab, value string) {
		t.Helper()
		p.until(fmt.Sprintf(`(function () {
			var b = Array.from(document.querySelectorAll("button[name=take]")).find(function (b) { return (b.getAttribute("aria-label") || "").includes(%q); });
			if (!b) return false;
			var reason = b.form.querySelector("[name=reason]");
			if (reason) reason.value = "与村里核对过";
			b.click();
			return true;
		})()`, value))
	}
	decide(office, "四组")
	office.until("!Array.from(document.querySelectorAll('button[name=take]')).some(function (b) { return (b.getAttribute('aria-label') || '').includes('五组'); })")
	// The laptop takes D.
	decide(b, "D级")
	b.until("location.search.includes('done=1')")
	w.sync(w.b, w.a)

	for name, l := range map[string]*rig.Laptop{"A": w.a, "B": w.b} {
		var r rig.Record
		if err := l.JSON(w.ctx, &r, "get", "household", id); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.Fields["group_name"], r.Fields["house_risk"], len(r.Conflicts)); !strings.Contains(got, "四组") || !strings.Contains(got, "d") || len(r.Conflicts) > 0 {
			t.Errorf("laptop %s has %s", name, got)
		}
	}
	a.open("/household/" + id)
	a.shows("四组", "D级")
	office.open("/record/" + village + "/" + id)
	office.shows("四组", "D级", "五组") // what was not taken stays in the history
}
