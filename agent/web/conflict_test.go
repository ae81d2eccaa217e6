package web

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// box gives what the page of what waits says of one dispute; "" where it is not there.
func (f *fixture) box(page string, id record.ID, path record.Path) string {
	f.t.Helper()
	_, rest, there := strings.Cut(f.get(page).body, `id="`+anchorOf(id, path)+`"`)
	if !there {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "</section>")
	return rest
}

// readOut is what people read in a piece of a page.
func readOut(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " "))), " ")
}

// hiddenFields are those of a form.
func hiddenFields(page string) url.Values {
	v := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// questioned is a household about which people wrote different things, the office asks,
// and something has just been decided.
func (f *fixture) questioned(h *house) {
	f.t.Helper()
	f.wall.Add(-3 * 24 * 3600 * 1000)
	f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "visit_date": "2025-01-06", "visit_result": "proxy", "findings": "见到女儿，说父亲住院"})
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"other_causes": "缺劳力", "house_structure": "竹草"})
	f.wall.Add(24 * 3600 * 1000)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"other_causes": "缺资金", "house_structure": "其他"})
	f.wall.Add(2 * 24 * 3600 * 1000)
	f.pull()
	f.ask(record.Key{Village: firstVillage.Code, Type: householdType, ID: h.id}, "main_cause", "两位说的不一样：他家是因病，还是缺手艺？请当面问一问再定。")
	body := f.enter().box("/conflicts", h.id, "house_structure")
	take := regexp.MustCompile(`name="take" value="([^"]*)"`).FindStringSubmatch(body)[1]
	f.post("/decide", with(hiddenFields(body), "take", take))
}

// Whoever decides reads who wrote what, when, where, and on the day of which visit.
func TestStory(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	visit := f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "visit_date": "2025-01-09", "visit_result": "proxy", "findings": "见到女儿，说父亲住院"})
	f.quarrel(h)
	group := readOut(f.box("/conflicts", h.id, "group_name"))
	for _, want := range []string{"宋芬娥 今天 09:31 写的", "您 今天 09:32 写的，在这台电脑上", "1月9日走访（见到家人）", "页面上暂用"} {
		if !strings.Contains(group, want) {
			t.Errorf("without %q: %s", want, group)
		}
	}
	if body := f.box("/conflicts", h.id, "group_name"); !strings.Contains(body, "/record/visit/"+visit.String()) {
		t.Error("the visit is not to be looked at")
	}
	// Two days later it is told by the day of the week.
	f.wall.Add(2 * 24 * 3600 * 1000)
	if got := readOut(f.box("/conflicts", h.id, "group_name")); !strings.Contains(got, "您 星期四 09:32 写的") {
		t.Errorf("after two days: %s", got)
	}
	// To the other person at this laptop it was not she who wrote it.
	r := f.record(householdType, h.id.String())
	p := &page{site: f.site, author: "曹彤倩", today: "2025-01-11", device: store.Device{}}
	d, err := f.site.dispute(p, &r, "group_name")
	if err != nil || d.claims[1].story != "杜旺火 星期四 09:32 写的，在这台电脑上" {
		t.Errorf("told %+v, %v", d, err)
	}
	// What came from a table is told so.
	f.wall.Add(60_000)
	id := f.set(f.laptop, "杜旺火", householdType, record.ID{}, map[string]string{"household_no": "369999000001990001", "head_name": "王大"})
	if _, err := f.office.Save(t.Context(), store.Edit{Village: firstVillage.Code, Type: householdType, ID: id, Author: "宋芬娥", Source: store.Import, Fields: map[string]record.Value{"head_name": `"王太"`}}); err != nil {
		t.Fatal(err)
	}
	f.pull()
	if got := readOut(f.box("/conflicts", id, "head_name")); !strings.Contains(got, "来自导入的表格") || !strings.Contains(got, "建这条记录时") {
		t.Errorf("of a table: %s", got)
	}
}

// The office's question stands on the first page and with what it asks about; the
// answer is the decision, and says so.
func TestQuestionAnswered(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.quarrel(h)
	k := record.Key{Village: firstVillage.Code, Type: householdType, ID: h.id}
	f.ask(k, "group_name", "到底叫哪个组？<问户主>")
	home := readOut(f.get("/").body)
	if !strings.Contains(home, "办公室在问 到底叫哪个组？<问户主>") {
		t.Errorf("the first page: %s", home)
	}
	body := f.box("/conflicts?show=asked", h.id, "group_name")
	if got := readOut(body); !strings.Contains(got, "办公室的 陈科长 今天 09:32问： 到底叫哪个组？<问户主>") || f.box("/conflicts?show=asked", h.id, "main_cause") != "" {
		t.Errorf("what is asked: %s", got)
	}
	if kinds := f.get("/conflicts?kind=visit").body; strings.Contains(kinds, "main_cause") || !strings.Contains(kinds, "kind=household") {
		t.Error("narrowed to visits, the list has households, or no way back")
	}
	form := hiddenFields(body)
	take := regexp.MustCompile(`name="take" value="([^"]*)"`).FindStringSubmatch(body)[1]
	long := strings.Repeat("长", merge.MaxWords+1)
	if a := f.post("/decide", with(form, "take", take, "words", long)); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, long) {
		t.Errorf("too many words: %d", a.status)
	}
	if a := f.post("/decide", with(form, "take", take, "words", "户主说的")); a.status != http.StatusOK || !strings.Contains(a.path, "done=1") {
		t.Fatalf("%d %s", a.status, a.path)
	}
	r := f.record(householdType, h.id.String())
	q := r.View.Questions["group_name"]
	if q == nil || q.State != merge.Answered || q.Answers[0].Author != "杜旺火" || q.Answers[0].Words != "户主说的" || q.Answers[0].Value != `"坳背组"` {
		t.Errorf("answered: %+v", q)
	}
	if got := readOut(f.get("/").body); strings.Contains(got, "办公室在问") {
		t.Errorf("the first page still asks: %s", got)
	}
	if got := readOut(f.get("/record/household/" + h.id.String()).body); !strings.Contains(got, "户主说的") || !strings.Contains(got, "组（办公室的问题）") {
		t.Errorf("the history: %s", got)
	}
	// Answered from another page of before, it is told what stands.
	if a := f.post("/decide", with(form, "take", take)); a.status != http.StatusConflict || !strings.Contains(readOut(a.body), "这一处已经定了：杜旺火 今天 09:32 写的是“坳背组”") {
		t.Errorf("answered twice: %d", a.status)
	}
	// Taken back, the question waits again.
	number := regexp.MustCompile(`name="decision" value="(\d+)"`).FindStringSubmatch(f.get("/conflicts").body)
	if number == nil {
		t.Fatal("it cannot be taken back")
	}
	if a := f.post("/takeback", url.Values{"decision": {number[1]}}); !strings.Contains(a.body, "已撤回，这一处又等人定了") {
		t.Errorf("taken back: %s", a.path)
	}
	if got := readOut(f.box("/conflicts?show=asked", h.id, "group_name")); !strings.Contains(got, "到底叫哪个组") || !strings.Contains(got, "宋芬娥 今天 09:31 写的，杜旺火 今天 09:32 放了回来") && !strings.Contains(got, "宋芬娥 今天 09:31 写的，您 今天 09:32 放了回来") {
		t.Errorf("taken back, it reads %s", got)
	}
	// Withdrawn while the page is open: it is shown again without it.
	form = hiddenFields(f.box("/conflicts", h.id, "group_name"))
	f.ask(k, "group_name", "")
	if a := f.post("/decide", with(form, "value", "坳背大组")); a.status != http.StatusConflict || !strings.Contains(a.body, "坳背大组") {
		t.Errorf("withdrawn meanwhile: %d", a.status)
	}
	if got := readOut(f.box("/conflicts", h.id, "group_name")); got == "" || strings.Contains(got, "到底叫哪个组") {
		t.Errorf("withdrawn: %s", got)
	}
}

// What only the township decides is not asked of a member of the team.
func TestQuestionForOthers(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"helper_name": "王帮扶"})
	f.ask(record.Key{Village: firstVillage.Code, Type: householdType, ID: h.id}, "helper_name", "换人了吗？")
	if got := readOut(f.get("/").body); strings.Contains(got, "换人了吗") {
		t.Error("the first page asks who may not answer")
	}
	if got := readOut(f.box("/conflicts", h.id, "helper_name")); !strings.Contains(got, "换人了吗") || strings.Contains(got, "用这个") {
		t.Errorf("the proposal: %s", got)
	}
	// On the township's laptop it is the first thing there.
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.TownshipOffice }); err != nil {
		t.Fatal(err)
	}
	if got := readOut(f.get("/").body); !strings.Contains(got, "办公室在问 换人了吗？") {
		t.Errorf("the township's first page: %s", got)
	}
}

// A decision is taken back while nothing has followed, and not after.
func TestTakenBack(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.quarrel(h)
	decide := func(path record.Path) string {
		t.Helper()
		body := f.box("/conflicts", h.id, path)
		take := regexp.MustCompile(`name="take" value="([^"]*)"`).FindStringSubmatch(body)[1]
		f.wall.Add(60_000)
		f.post("/decide", with(hiddenFields(body), "take", take))
		return regexp.MustCompile(`name="decision" value="(\d+)"`).FindStringSubmatch(f.get("/conflicts").body)[1]
	}
	group, cause := decide("group_name"), decide("main_cause")
	if page := readOut(f.get("/conflicts").body); !strings.Contains(page, "主要致贫原因定为“因病”") || !strings.Contains(page, "之前定的 1 处，还能撤回") {
		t.Errorf("the page says %s", page)
	}
	// Somebody writes over one of them.
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"main_cause": "因学"})
	if a := f.post("/takeback", url.Values{"decision": {cause}}); !strings.Contains(a.body, "撤不回了") {
		t.Errorf("%s", a.path)
	}
	if a := f.post("/takeback", url.Values{"decision": {group}}); !strings.Contains(a.body, "已撤回") {
		t.Errorf("%s", a.path)
	}
	r := f.record(householdType, h.id.String())
	if len(r.View.Conflicts["group_name"]) != 2 || r.View.Fields["main_cause"] != `"schooling"` || len(r.View.Conflicts["main_cause"]) > 0 {
		t.Errorf("%v %v", r.View.Conflicts, r.View.Fields["main_cause"])
	}
	for _, again := range []string{group, "99"} {
		if a := f.post("/takeback", url.Values{"decision": {again}}); !strings.Contains(a.body, "撤不回了") {
			t.Errorf("twice: %s", a.path)
		}
	}
	if a := f.post("/takeback", url.Values{"decision": {"x"}}); a.status != http.StatusBadRequest {
		t.Errorf("nonsense: %d", a.status)
	}
}

// Sets can be had together, and what somebody told in own words; names cannot.
func TestBoth(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.quarrel(h)
	f.wall.Add(60_000)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"other_causes": "缺劳力"})
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"other_causes": "缺资金"})
	f.pull()
	if strings.Contains(f.box("/conflicts", h.id, "group_name"), `name="both"`) {
		t.Error("two names of a group at once")
	}
	body := f.box("/conflicts", h.id, "other_causes")
	if !strings.Contains(readOut(body), "都要") {
		t.Fatalf("not both: %s", readOut(body))
	}
	f.post("/decide", with(hiddenFields(body), "both", "1"))
	if got := f.record(householdType, h.id.String()).View; got.Fields["other_causes"] != `["capital","labour"]` || len(got.Conflicts["other_causes"]) > 0 {
		t.Errorf("both: %v", got.Fields["other_causes"])
	}
	d := []claim{{raw: `"老人身体好"`}, {raw: `"儿子回来了"`}, {raw: record.Null}}
	if got := both(f.site.forms.Form(visitType).Field("findings"), d); got != `"老人身体好\n儿子回来了"` {
		t.Errorf("both texts: %s", got)
	}
	causes := f.site.forms.Form(householdType).Field("other_causes")
	if got := both(causes, []claim{{raw: `["labour"]`}, {raw: `["capital","labour"]`}}); got != "" {
		t.Errorf("one has the other in it: %s", got)
	}
}

// All that waits is worked through without touching the mouse: one key each, the next at
// once, one back, one in own words, the office's question first, with a word to it.
func TestDecideByKeyboard(t *testing.T) {
	f := newFixture(t, true)
	a, b := f.house(0), f.house(3)
	if a.id.String() > b.id.String() {
		a, b = b, a // in the order of the list
	}
	f.quarrel(a)
	f.quarrel(b)
	k := record.Key{Village: firstVillage.Code, Type: householdType, ID: b.id}
	f.ask(k, "main_cause", "哪一个是主要的？")
	ctx := browser(t)
	enterBy(t, ctx, f)
	tabTo(t, ctx, "e.matches('.questions a')")
	keys(t, ctx, kb.Enter)
	at := func(id record.ID, path record.Path) {
		t.Helper()
		until(t, ctx, "document.readyState === 'complete' && !!document.activeElement && document.activeElement.id === '"+anchorOf(id, path)+"'")
	}
	value := func(id record.ID, name string) string {
		return string(f.record(householdType, id.String()).View.Fields[name])
	}
	at(b.id, "main_cause")
	keys(t, ctx, "w")
	until(t, ctx, "document.activeElement.name === 'words'")
	do(t, ctx, chromedp.KeyEvent("1月看过病历 1"))
	keys(t, ctx, kb.Escape)
	at(b.id, "main_cause")
	keys(t, ctx, "1")
	at(a.id, "group_name")
	if got := value(b.id, "main_cause"); got != `"illness"` {
		t.Errorf("the first: %s", got)
	}
	if q := f.record(householdType, b.id.String()).View.Questions["main_cause"]; q.State != merge.Answered || q.Answers[0].Words != "1月看过病历 1" {
		t.Errorf("answered %+v", q)
	}
	// One further and back again.
	keys(t, ctx, "n")
	at(a.id, "main_cause")
	keys(t, ctx, "p")
	at(a.id, "group_name")
	keys(t, ctx, "2")
	at(a.id, "main_cause")
	if got := value(a.id, "group_name"); got != `"坳背村民小组"` {
		t.Errorf("the second: %s", got)
	}
	keys(t, ctx, "u")
	until(t, ctx, "document.body.innerText.includes('已撤回')")
	if got := f.record(householdType, a.id.String()).View; len(got.Conflicts["group_name"]) != 2 {
		t.Errorf("taken back: %v", got.Conflicts)
	}
	at(a.id, "group_name")
	keys(t, ctx, "o")
	until(t, ctx, "document.activeElement.name === 'value'")
	do(t, ctx, chromedp.KeyEvent("坳背2组"))
	keys(t, ctx, kb.Enter)
	at(a.id, "main_cause")
	if got := value(a.id, "group_name"); got != `"坳背2组"` {
		t.Errorf("in own words: %s", got)
	}
	keys(t, ctx, "2")
	at(b.id, "group_name")
	keys(t, ctx, "9", "x", "1")
	until(t, ctx, "document.querySelectorAll('.dispute').length === 0 && document.readyState === 'complete'")
	if got := value(b.id, "group_name"); got != `"坳背组"` {
		t.Errorf("the last: %s", got)
	}
	if n := len(f.snapshot().waits); n != 0 {
		t.Errorf("%d wait", n)
	}
}
