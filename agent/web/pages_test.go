package web

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// language sets the language of the laptop's pages.
func (f *fixture) language(lang string) {
	f.t.Helper()
	if _, err := f.laptop.SetDevice(f.t.Context(), func(d *store.Device) { d.Language = lang }); err != nil {
		f.t.Fatal(err)
	}
}

// Every page there is, of every type, in both languages.
func TestEveryPage(t *testing.T) {
	f := newFixture(t, true, firstVillage, secondVillage).enter()
	f.quarrel(f.house(2))
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.Office }); err != nil {
		t.Fatal(err)
	}
	h := f.house(0).id.String()
	paths := []string{
		"/", "/find", f.sought("/find", "王"), f.sought("/find", "nobody"), "/find?for=visit", "/find?show=due", "/find?village=" + string(secondVillage.Code),
		"/find?s=unknown", "/household/" + h, "/household/" + h + "?visits=all&moved=1&done=1", "/conflicts", "/conflicts?moved=1", "/bundles", "/sync", "/sync?asked=1", "/records", "/me", "/settings",
		"/household/" + f.house(2).id.String() + "?saved=household/" + f.house(2).id.String(),
	}
	for _, ft := range form.Builtin().Forms() {
		if ft.Type == noticeType {
			paths = append(paths, "/notices") // they are read, and written at the office
			continue
		}
		paths = append(paths, "/records/"+string(ft.Type), f.sought("/records/"+string(ft.Type), "x"), "/record/"+string(ft.Type)+"/new",
			"/record/"+string(ft.Type)+"/new?household="+h+"&village="+string(firstVillage.Code))
		n := 0
		err := f.laptop.Each("", ft.Type, func(r store.Record) bool {
			paths = append(paths, "/record/"+string(ft.Type)+"/"+r.Key.ID.String(), "/record/"+string(ft.Type)+"/"+r.Key.ID.String()+"/edit")
			n++
			return n < 2
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, lang := range []string{"zh", "en"} {
		f.language(lang)
		for _, path := range paths {
			a := f.get(path)
			if a.status != 200 || strings.Contains(a.body, "⟦") || strings.Contains(a.body, "%!") {
				t.Errorf("%s in %s: %d %s", path, lang, a.status, regexp.MustCompile(`.{0,40}(⟦|%!).{0,40}`).FindString(a.body))
			}
		}
		for path, want := range map[string]int{
			"/nowhere": 404, "/household/x": 404, "/household/" + record.ID{1}.String(): 404, "/record/nothing/" + h: 404,
			"/record/visit/" + h: 404, "/records/nothing": 404, "/record/nothing/new": 404, "/record/visit/" + h + "/edit": 404, "/draft/x": 410,
		} {
			if a := f.get(path); a.status != want || strings.Contains(a.body, "⟦") || !strings.Contains(a.body, `href="`+f.site.root+`/"`) {
				t.Errorf("%s in %s: %d, want %d", path, lang, a.status, want)
			}
		}
	}
}

// What people write is text on every page, whatever it looks like.
func TestMarkupInRecords(t *testing.T) {
	f := newFixture(t, true).enter()
	const evil = `<script>alert(1)</script>"><img src=x onerror=alert(2)>`
	h := f.house(0)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"head_name": evil, "group_name": evil + "2"})
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"head_name": evil + "3"})
	f.pull()
	visit := f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": h.id.String(), "findings": evil, "visit_date": "2025-01-08", "needs": evil})
	a := f.get("/record/visit/new?household=" + h.id.String())
	f.post(a.path+"/keep", url.Values{"_end": {"1"}, "_serial": {"1"}, "f.household": {h.id.String()}, "f.findings": {evil}, "f.follow_up": {evil}})
	for _, path := range []string{
		"/", "/find", f.sought("/find", evil), "/household/" + h.id.String(), "/record/household/" + h.id.String(), "/record/visit/" + visit.String(),
		"/records/visit", f.sought("/records/household", evil), "/conflicts", a.path, "/record/household/" + h.id.String() + "/edit", "/sync",
		"/household/" + h.id.String() + "?saved=visit/" + visit.String(), "/household/" + h.id.String() + "?saved=" + url.QueryEscape(evil),
	} {
		got := f.get(path)
		if got.status != 200 || strings.Contains(got.body, "<script>") || strings.Contains(got.body, "<img") {
			t.Errorf("%s: %d, markup comes through: %v", path, got.status, strings.Contains(got.body, "<script>"))
		}
	}
}

// filled is a visit's form, complete.
func filled(h *house) url.Values {
	return url.Values{
		"_end": {"1"}, "f.household": {h.id.String()}, "f.visit_date": {"2025-01-09"}, "f.visit_mode": {"home"}, "f.visit_result": {"met"},
		"f.visit_purpose": {"routine", "verify"}, "f.findings": {"看了新修的灶台，\r\n老人身体还好"}, "f.satisfaction": {"very"},
	}
}

func TestRecordAVisit(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	a := f.get("/record/visit/new?household=" + h.id.String())
	draft := strings.TrimPrefix(a.path, "/draft/")
	for _, want := range []string{`value="2025-01-09"`, `<option value="` + h.id.String() + `" selected>`, "checked> <span>杜旺火（队员）"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("an empty form lacks %s", want)
		}
	}
	if strings.Contains(f.get("/").body, draft) {
		t.Error("a form that nobody typed in is listed as a draft")
	}

	// Kept as typed, with what is wrong said in the page's language.
	values := filled(h)
	values.Set("_serial", "1")
	values.Set("f.findings", "灶台")
	values.Set("f.follow_up", "哪天")
	values.Del("f.visit_result")
	got := f.post(a.path+"/keep", values)
	var k kept
	if err := json.Unmarshal([]byte(got.body), &k); err != nil || got.status != 200 {
		t.Fatalf("%d %v: %s", got.status, err, got.body)
	}
	if k.Unread["follow_up"] == "" || !slices.Contains(k.Marks["findings"], "走访情况：5到1000字") || k.Asked["satisfaction"] != true || k.Asked["knows_team"] || k.Missing[0][1] != "走访人" {
		t.Errorf("kept: %+v", k)
	}
	if body := f.get("/").body; !strings.Contains(body, draft) || !strings.Contains(body, "灶台") {
		t.Error("the draft is not on the first page")
	}
	// One that was overtaken on its way changes nothing.
	if got = f.post(a.path+"/keep", url.Values{"_end": {"1"}, "_serial": {"1"}, "f.findings": {"旧的"}}); got.status != http.StatusConflict {
		t.Errorf("overtaken: %d", got.status)
	}
	if got = f.post(a.path+"/keep", url.Values{"_serial": {"9"}, "f.findings": {"断了"}}); got.status != http.StatusBadRequest {
		t.Errorf("cut short: %d", got.status)
	}
	if d, err := f.laptop.Draft(draft); err != nil || d.Values["findings"][0] != "灶台" {
		t.Errorf("draft %v, %v", d.Values, err)
	}

	// What cannot be read comes back with everything else as typed.
	got = f.post(a.path+"/save", values)
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `value="哪天"`) || !strings.Contains(got.body, ">\n灶台</textarea>") || !strings.Contains(got.body, "aria-invalid") {
		t.Errorf("unreadable: %d", got.status)
	}
	n := f.count(visitType)

	// What is short or missing does not keep anybody from saving.
	values.Del("f.follow_up")
	got = f.post(a.path+"/save", values)
	want := "/household/" + h.id.String() + "?saved=visit/" + draft
	if got.status != 200 || got.path != want {
		t.Fatalf("saved: %d %s, want %s", got.status, got.path, want)
	}
	for _, words := range []string{"已保存在这台电脑上", "还没送到办公室", "走访情况：5到1000字", "/record/visit/" + draft + "/edit"} {
		if !strings.Contains(got.body, words) {
			t.Errorf("after the save: no %s", words)
		}
	}
	// A second click, and a late keep, make no second visit and no draft.
	if again := f.post(a.path+"/save", values); again.path != want {
		t.Errorf("again: %d %s", again.status, again.path)
	}
	if late := f.post(a.path+"/keep", values); late.status != http.StatusGone {
		t.Errorf("a late keep: %d", late.status)
	}
	if f.count(visitType) != n+1 {
		t.Errorf("%d visits, want %d", f.count(visitType), n+1)
	}
	if ds, err := f.laptop.Drafts(); err != nil || len(ds) != 0 {
		t.Errorf("drafts left: %v %v", ds, err)
	}
	id, _ := record.ParseID(draft)
	r, err := f.laptop.Get(visitType, id)
	if err != nil || r.View.Source != store.Onsite || r.View.Fields["visit_purpose"] != `["routine","verify"]` || f.sync.asked == 0 {
		t.Errorf("%v %v, sync asked %d times", r.View, err, f.sync.asked)
	}
	// Nobody was said to have been met, so the household is as unvisited as before.
	if got := f.house2(h.id).last; got != h.last {
		t.Errorf("last visit %s, was %s", got, h.last)
	}
}

func (f *fixture) count(t record.Type) (n int) {
	f.t.Helper()
	if err := f.laptop.Each("", t, func(store.Record) bool { n++; return true }); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// house2 is a household as the lists know it now.
func (f *fixture) house2(id record.ID) *house {
	f.t.Helper()
	return f.snapshot().byID(id)
}

// A visit of long ago is a backfill, and the lists know it at once.
func TestBackfill(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	a := f.get("/record/visit/new?household=" + h.id.String())
	values := filled(h)
	values.Set("f.visit_date", "2024年12月30日")
	f.post(a.path+"/save", values)
	// From the page's own note, not from a new reading.
	f.site.cache.mu.Lock()
	noted := f.site.cache.snap
	f.site.cache.mu.Unlock()
	if got := noted.byID(h.id).last; got != "2024-12-30" {
		t.Errorf("last visit %s", got)
	}
	id, _ := record.ParseID(strings.TrimPrefix(a.path, "/draft/"))
	if r, err := f.laptop.Get(visitType, id); err != nil || r.View.Source != store.Backfill {
		t.Errorf("source %q, %v", r.View.Source, err)
	}
}

// What arrived while a form was open is not overwritten unseen.
func TestEditReplacesWhatWasShown(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	a := f.get("/record/household/" + h.id.String() + "/edit")
	f.wall.Add(60_000)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"main_cause": "因学", "house_area": "88"})
	f.pull()
	f.restart()

	form := formOf(t, a.body)
	form.Set("f.main_cause", "skill")
	f.wall.Add(60_000)
	got := f.post(a.path+"/save", form)
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r, err := f.laptop.Get(householdType, h.id)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.View.Conflicts["main_cause"]) != 2 || r.View.Fields["house_area"] != "88" {
		t.Errorf("conflicts %v, area %v", r.View.Conflicts, r.View.Fields["house_area"])
	}
	events, err := f.laptop.History(householdType, h.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		if ev.Author == "杜旺火" && len(ev.Set) != 1 {
			t.Errorf("wrote %v, want the one field that was touched", ev.Set)
		}
	}
	body := f.get("/household/" + h.id.String()).body
	if !strings.Contains(body, "宋芬娥 写的是“因学”") {
		t.Error("the household does not tell of the other value")
	}
}

// opened is the page of a form as a browser has it: where it is and what it
// would send.
func (f *fixture) opened(path string) (string, url.Values) {
	f.t.Helper()
	a := f.get(path)
	return a.path, formOf(f.t, a.body)
}

func (f *fixture) record(t record.Type, id string) store.Record {
	f.t.Helper()
	parsed, err := record.ParseID(id)
	if err != nil {
		f.t.Fatal(err)
	}
	r, err := f.laptop.Get(t, parsed)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// with is a form with answers put in.
func with(form url.Values, answers ...string) url.Values {
	out := maps.Clone(form)
	for i := 0; i < len(answers); i += 2 {
		out[answers[i]] = []string{answers[i+1]}
	}
	return out
}

// A form that was open when a new link made a new session is kept and saved.
func TestFormOutlivesItsSession(t *testing.T) {
	f := newFixture(t, true).enter()
	path, form := f.opened("/record/visit/new?household=" + f.house(1).id.String())
	f.enter()
	if a := f.post(path+"/keep", with(form, "_serial", "1", "f.findings", "又点了一次图标以后写的")); a.status != 200 {
		t.Errorf("keep: %d", a.status)
	}
	if a := f.post(path+"/save", with(form, "_serial", "2", "f.findings", "又点了一次图标以后写的")); !strings.Contains(a.path, "saved=") {
		t.Errorf("save: %d %s", a.status, a.path)
	}
}

// Without the script a form is sent to a session that has ended: it stays on the
// page that says so, and goes through from there.
func TestSentToNoSession(t *testing.T) {
	f := newFixture(t, true).enter()
	path, form := f.opened("/record/visit/new?household=" + f.house(1).id.String())
	f.up.Add(int64(sessionLife + time.Hour))
	const text = "过期以后写的，\"两行\"\r\n第二行"
	a := f.post(path+"/save", with(form, "f.findings", text))
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "没有丢") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.enter()
	_, body, _ := strings.Cut(a.body, "<form ")
	if b := f.post(path+"/save", formOf(t, `<form id="entry"`+body)); !strings.Contains(b.path, "saved=") {
		t.Errorf("again: %d %s", b.status, b.path)
	}
	if r := f.record(visitType, strings.TrimPrefix(path, "/draft/")); first(r.View.Fields["findings"].Texts()) != strings.ReplaceAll(text, "\r", "") {
		t.Errorf("saved %s", r.View.Fields["findings"])
	}
}

// A save of what was saved already is no other save; one that brings something
// else is opened again on what was saved, and nothing of it is lost or written
// unasked.
func TestSavedTwice(t *testing.T) {
	for _, restart := range []bool{false, true} {
		f := newFixture(t, true).enter()
		h := f.house(1)
		tests := []struct{ name, open, field, first, second string }{
			{"a visit", "/record/visit/new?household=" + h.id.String(), "f.findings", "第一次写的内容", "第一次写的内容，退回来又补了一段"},
			{"a household", "/record/household/" + h.id.String() + "/edit", "f.group_name", "坳背组", "坳背第二组"},
			{"what is only proposed", "/record/household/" + h.id.String() + "/edit", "f.helper_name", "王帮扶", "李帮扶"},
			{"a new household", "/record/household/new", "f.head_name", "王新户", "王新户户"},
		}
		for _, tt := range tests {
			path, form := f.opened(tt.open)
			once := f.post(path+"/save", with(form, tt.field, tt.first))
			if !strings.Contains(once.path, "saved=") {
				t.Fatalf("%s: %d %s", tt.name, once.status, once.path)
			}
			if restart {
				f.restart()
			}
			n := f.count(visitType) + f.count(householdType)
			if again := f.post(path+"/save", with(form, tt.field, tt.first)); again.path != once.path {
				t.Errorf("%s, the same again: %d %s", tt.name, again.status, again.path)
			}
			// Meanwhile somebody else wrote another answer: the old screen says nothing of it.
			_, saved, _ := strings.Cut(once.path, "saved=")
			kind, id, _ := strings.Cut(saved, "/")
			f.wall.Add(60_000)
			if kind == "household" {
				f.set(f.laptop, "曹彤倩", householdType, f.record(householdType, id).Key.ID, map[string]string{"house_area": "88"})
			}
			a := f.post(path+"/save", with(form, "_serial", "1", tt.field, tt.second))
			if !strings.HasPrefix(a.path, "/draft/") || !strings.Contains(a.body, tt.second) || !strings.Contains(a.body, "没有丢") {
				t.Fatalf("%s, more: %d %s", tt.name, a.status, a.path)
			}
			b := f.post(strings.TrimSuffix(a.path, "?why=late")+"/save", formOf(t, a.body))
			if !strings.HasSuffix(b.path, "saved="+saved) || f.count(visitType)+f.count(householdType) != n {
				t.Errorf("%s, more, saved: %d %s", tt.name, b.status, b.path)
			}
			r := f.record(record.Type(kind), id)
			if !strings.Contains(fmt.Sprint(r.View.Fields, r.View.Proposals), tt.second) || kind == "household" && r.View.Fields["house_area"] != "88" {
				t.Errorf("%s: %v %v", tt.name, r.View.Fields, r.View.Proposals)
			}
		}
	}
}

// What is written on a page whose draft was saved elsewhere is kept all the
// same; what was on its way before the save is not.
func TestKeptAfterTheSave(t *testing.T) {
	f := newFixture(t, true).enter()
	path, form := f.opened("/record/visit/new?household=" + f.house(1).id.String())
	_, other := f.opened(path)
	f.post(path+"/save", with(form, "_serial", "3", "f.findings", "写完的全文"))
	if a := f.post(path+"/keep", with(form, "_serial", "2", "f.findings", "写完的")); a.status != http.StatusGone {
		t.Errorf("a late keep: %d", a.status)
	}
	a := f.post(path+"/keep", with(other, "_serial", "1", "f.needs", "想修水井"))
	var k kept
	if err := json.Unmarshal([]byte(a.body), &k); err != nil || !strings.HasPrefix(k.To, f.site.root+"/draft/") {
		t.Fatalf("another window: %d %s", a.status, a.body)
	}
	_, again := f.opened(strings.TrimPrefix(k.To, f.site.root))
	if again.Get("f.needs") != "想修水井" || again.Get("f.findings") != "写完的全文" {
		t.Errorf("opened on what was saved: %v", again)
	}
	// Thrown away is thrown away, but for who then presses Save.
	path, form = f.opened("/record/visit/new?household=" + f.house(1).id.String())
	f.post(path+"/drop", nil)
	if a := f.post(path+"/keep", with(form, "_serial", "1", "f.needs", "想修水井")); a.status != http.StatusGone {
		t.Errorf("keep of what was thrown away: %d", a.status)
	}
	if a := f.post(path+"/save", with(form, "_serial", "2", "f.needs", "想修水井")); !strings.Contains(a.body, "想修水井") || !strings.Contains(a.path, "why=late") {
		t.Errorf("save of what was thrown away: %d %s", a.status, a.path)
	}
}

// Two windows of one form: each keeps what it wrote; where both wrote, both
// texts stay and are shown before anything is saved.
func TestTwoWindows(t *testing.T) {
	f := newFixture(t, true).enter()
	path, a := f.opened("/record/visit/new?household=" + f.house(1).id.String())
	_, b := f.opened(path)
	draft := func() map[string][]string {
		d, err := f.laptop.Draft(strings.TrimPrefix(path, "/draft/"))
		if err != nil {
			t.Fatal(err)
		}
		return d.Values
	}
	f.post(path+"/keep", with(a, "_serial", "1", "f.findings", "甲窗口写的走访情况"))
	var k kept
	json.Unmarshal([]byte(f.post(path+"/keep", with(b, "_serial", "1", "f.needs", "乙窗口")).body), &k)
	if d := draft(); first(d["findings"]) != "甲窗口写的走访情况" || first(d["needs"]) != "乙窗口" || !k.Newer || len(k.Also) > 0 {
		t.Errorf("different fields: %v, %+v", d, k)
	}
	json.Unmarshal([]byte(f.post(path+"/keep", with(b, "_serial", "2", "f.needs", "乙窗口", "f.findings", "乙也写")).body), &k)
	if d := draft(); first(d["findings"]) != "甲窗口写的走访情况" || !strings.Contains(k.Also["findings"], "甲窗口写的走访情况") {
		t.Errorf("one field: %v, %+v", d, k)
	}
	// What A takes back itself is taken back.
	f.post(path+"/keep", with(a, "_serial", "2"))
	if d := draft(); first(d["findings"]) != "" {
		t.Errorf("taken back: %v", d)
	}
	f.post(path+"/keep", with(a, "_serial", "3", "f.findings", "甲窗口写的"))
	n := f.count(visitType)
	got := f.post(path+"/save", with(b, "_serial", "3", "f.needs", "乙窗口", "f.findings", "乙也写了"))
	if f.count(visitType) != n || !strings.Contains(got.path, "why=both") || !strings.Contains(got.body, "甲窗口写的</textarea>") || !strings.Contains(got.body, "另一个窗口里写的是：“乙也写了”") {
		t.Fatalf("a save over another's text: %d %s", got.status, got.path)
	}
	got = f.post(path+"/save", with(formOf(t, got.body), "f.findings", "甲窗口写的，乙也写了"))
	r := f.record(visitType, strings.TrimPrefix(path, "/draft/"))
	if r.View.Fields["findings"] != `"甲窗口写的，乙也写了"` || r.View.Fields["needs"] != `"乙窗口"` {
		t.Errorf("saved: %s %v", got.path, r.View.Fields)
	}
}

// formOf reads the values that a browser would send of the page's form.
func formOf(t *testing.T, body string) url.Values {
	t.Helper()
	_, body, ok := strings.Cut(body, `<form id="entry"`)
	if !ok {
		t.Fatal("no form on the page")
	}
	body, _, _ = strings.Cut(body, "</form>")
	v := url.Values{}
	attr := func(tag, name string) string {
		m := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	for _, tag := range regexp.MustCompile(`<input [^>]*>`).FindAllString(body, -1) {
		if kind := attr(tag, "type"); (kind == "radio" || kind == "checkbox") && !strings.Contains(tag, " checked") {
			continue
		}
		v.Add(attr(tag, "name"), attr(tag, "value"))
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea ([^>]*)>(.*?)</textarea>`).FindAllStringSubmatch(body, -1) {
		// As browsers do, the first line break is left out.
		v.Add(attr(m[1], "name"), html.UnescapeString(strings.TrimPrefix(m[2], "\n")))
	}
	for _, m := range regexp.MustCompile(`(?s)<select ([^>]*)>(.*?)</select>`).FindAllStringSubmatch(body, -1) {
		value := ""
		if o := regexp.MustCompile(`<option value="([^"]*)" selected>`).FindStringSubmatch(m[2]); o != nil {
			value = o[1]
		}
		v.Add(attr(m[1], "name"), value)
	}
	return v
}

// Opening and saving a form of every type without touching it writes nothing.
func TestUntouched(t *testing.T) {
	f := newFixture(t, true).enter()
	f.quarrel(f.house(1))
	h := f.house(1)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"bank_account": "6222020000001234", "fuel": "柴草、电", "location": "116.3,25.8", "photos": "a.jpg、b 2.jpg"})
	f.wall.Add(1000)
	// A cell of a workbook may have several lines where the form asks for one.
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"group_name": "坳背组\n（原三组）", "helper_name": "张三\r\n李四"})
	f.set(f.office, "宋芬娥", visitType, f.lastVisitOf(h), map[string]string{"findings": "\n一行\r二行\r\n "})
	f.pull()
	for _, path := range []string{"/record/household/" + h.id.String(), "/record/visit/" + f.lastVisitOf(h).String()} {
		a := f.get(path + "/edit")
		if strings.Contains(a.body, "6222020000001234") {
			t.Error("a masked answer is on the page in full")
		}
		got := f.post(a.path+"/save", asBrowsers(formOf(t, a.body)))
		if got.status != 200 || !strings.Contains(got.path, "same=") || !strings.Contains(got.body, "没有改动") {
			t.Errorf("%s: %d %s", path, got.status, got.path)
		}
	}
}

// asBrowsers gives a form as browsers send it: a control of one line has no
// breaks, one of several has CRLF.
func asBrowsers(form url.Values) url.Values {
	for name, texts := range form {
		fd := formField(name)
		for i, t := range texts {
			t = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(t)
			if fd != nil && fd.Shape() != prose {
				t = strings.ReplaceAll(t, "\n", "")
			}
			texts[i] = strings.ReplaceAll(t, "\n", "\r\n")
		}
	}
	return form
}

func formField(name string) *form.Field {
	for _, t := range []record.Type{householdType, visitType} {
		if fd := form.Builtin().Form(t).Field(strings.TrimPrefix(name, "f.")); fd != nil {
			return fd
		}
	}
	return nil
}

// Every kind of field is asked, filled in, kept and read back.
func TestEveryKind(t *testing.T) {
	f := newFixture(t, true, firstVillage).enter()
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.Office }); err != nil {
		t.Fatal(err)
	}
	h := f.house(0)
	tests := []struct {
		t      record.Type
		fields url.Values
		want   map[string]string
	}{
		{householdType, url.Values{
			"f.head_name": {" 张三 "}, "f.phone": {"１３８００１３８０００"}, "f.location": {"116.30001, 25.83"}, "f.arable_mu": {"1,234.50"},
			"f.main_cause": {"illness"}, "f.other_causes": {"skill", "land"}, "f.bank_account": {"6222 0200"}, "f.photos": {"一.jpg\r\n二 2.jpg\r\n"}, "f.registered_date": {"2017/5/3"},
		}, map[string]string{
			"head_name": `" 张三 "`, "phone": `"１３８００１３８０００"`, "location": "[116.30001,25.83]", "arable_mu": "1234.5", "main_cause": `"illness"`,
			"other_causes": `["land","skill"]`, "photos": `["一.jpg","二 2.jpg"]`, "registered_date": `"2017-05-03"`,
		}},
		{"income", url.Values{"f.household": {h.id.String()}, "f.year": {"2024"}, "f.wage": {"12000"}, "f.members": {"4"}},
			map[string]string{"household": `"` + h.id.String() + `"`, "year": "2024", "members": "4"}},
		{"inspection", url.Values{"f.inspector": {"王一、李二"}, "f.on_post": {"3"}, "f.inspect_mode": {"surprise"}}, map[string]string{"inspector": `["李二","王一"]`, "on_post": "3", "inspect_mode": `"surprise"`}},
		{"project", url.Values{"f.project_name": {"路"}, "f.beneficiaries": {f.house(1).id.String(), h.id.String()}, "f.stage": {"started"}}, map[string]string{"stage": `"started"`}},
	}
	for _, tt := range tests {
		t.Run(string(tt.t), func(t *testing.T) {
			a := f.get("/record/" + string(tt.t) + "/new")
			values := formOf(t, a.body)
			for k, v := range tt.fields {
				values[k] = v
			}
			got := f.post(a.path+"/keep", url.Values(mapsClone(values, "_serial", "1")))
			if got.status != 200 {
				t.Fatalf("keep: %d %s", got.status, got.body)
			}
			again := formOf(t, f.get(a.path).body)
			for k, v := range tt.fields {
				if k == "f.photos" {
					continue // named one by one by now
				}
				typed := strings.Join(v, "|")
				kept := strings.Join(again[k], "|")
				if len(v) > 1 {
					slices.Sort(v)
					kept = strings.Join(slices.Sorted(slices.Values(again[k])), "|")
					typed = strings.Join(v, "|")
				}
				if kept != typed {
					t.Errorf("%s: typed %q, kept %q", k, typed, kept)
				}
			}
			if got = f.post(a.path+"/save", again); got.status != 200 {
				t.Fatalf("save: %d", got.status)
			}
			m := regexp.MustCompile(`saved=` + string(tt.t) + `/([0-9a-f-]{36})`).FindStringSubmatch(got.path)
			if m == nil {
				t.Fatalf("saved where? %s", got.path)
			}
			id, err := record.ParseID(m[1])
			if err != nil {
				t.Fatal(err)
			}
			r, err := f.laptop.Get(tt.t, id)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				fd := form.Builtin().Form(tt.t).Field(name)
				canon, err := fd.Canon(json.RawMessage(want))
				if strings.Contains(want, "１") || strings.Contains(want, " 张") {
					canon, err = fd.CanonText(tt.fields.Get("f." + name))
				}
				if err != nil || r.View.Fields[name] != canon {
					t.Errorf("%s: %s, want %s (%v)", name, r.View.Fields[name], canon, err)
				}
			}
		})
	}
}

func mapsClone(v url.Values, k, text string) url.Values {
	out := url.Values{k: {text}}
	for k2, texts := range v {
		if k2 != k {
			out[k2] = texts
		}
	}
	return out
}

func TestMasked(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	account := func() record.Value {
		r, err := f.laptop.Get(householdType, h.id)
		if err != nil {
			t.Fatal(err)
		}
		return r.View.Fields["bank_account"]
	}
	save := func(key, value string) {
		t.Helper()
		a := f.get("/record/household/" + h.id.String() + "/edit")
		values := formOf(t, a.body)
		if key != "" {
			values.Set(key, value)
		}
		if got := f.post(a.path+"/save", values); got.status != 200 {
			t.Fatalf("%d", got.status)
		}
	}
	save("f.bank_account", "6222020000001234")
	if account() != `"6222020000001234"` {
		t.Fatalf("account %s", account())
	}
	for _, path := range []string{"/household/" + h.id.String(), "/record/household/" + h.id.String(), "/record/household/" + h.id.String() + "/edit"} {
		if body := f.get(path).body; strings.Contains(body, "6222020000001234") || !strings.Contains(body, "****1234") {
			t.Errorf("%s: shown in full, or not at all", path)
		}
	}
	save("", "")
	save("f.phone", "13800138000")
	if account() != `"6222020000001234"` {
		t.Errorf("another edit changed the account to %s", account())
	}
	save("erase.bank_account", "1")
	if account() != "" {
		t.Errorf("erased: %s", account())
	}
}

func TestDecide(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.quarrel(h)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"helper_name": "王帮扶"})
	forms := func(path record.Path) []url.Values {
		t.Helper()
		body := f.get("/conflicts").body
		i := strings.Index(body, `id="d-`+h.id.String()+"-"+string(path)+`"`)
		if i < 0 {
			return nil
		}
		body, _, _ = strings.Cut(body[i:], "</section>")
		// One for each value that can be taken, and one for another.
		v := url.Values{}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			v.Set(m[1], strings.ReplaceAll(m[2], "&#43;", "+"))
		}
		var out []url.Values
		for _, m := range regexp.MustCompile(`<button class="button" name="take" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			out = append(out, with(v, "take", m[1]))
		}
		if out != nil {
			out = append(out, v)
		}
		return out
	}
	fields := func() merge.View {
		t.Helper()
		r, err := f.laptop.Get(householdType, h.id)
		if err != nil {
			t.Fatal(err)
		}
		return r.View
	}
	if body := f.get("/conflicts").body; !strings.Contains(body, "只有乡镇扶贫办或厅扶贫办能定") || len(forms("helper_name")) != 0 {
		t.Error("a team member is offered what only the township decides")
	}
	group := forms("group_name")
	if len(group) != 3 {
		t.Fatalf("%d forms for the group", len(group))
	}
	// Take the office's.
	if a := f.post("/decide", group[0]); !strings.Contains(a.path, "done=1") || fields().Fields["group_name"] != `"坳背组"` || len(fields().Conflicts["group_name"]) != 0 {
		t.Errorf("%s: %v", a.path, fields().Conflicts)
	}
	// The page that is still open elsewhere shows what is no longer so; what was
	// written on it is not lost.
	if a := f.post("/decide", group[1]); a.status != http.StatusConflict || fields().Fields["group_name"] != `"坳背组"` {
		t.Errorf("a decision on what was shown before: %d", a.status)
	}
	if a := f.post("/decide", with(group[2], "value", "我写的第三个说法")); a.status != http.StatusConflict || !strings.Contains(a.body, "我写的第三个说法") {
		t.Errorf("another value for what was decided: %d", a.status)
	}
	// Another value, by its code; nothing is no value.
	other := forms("main_cause")[2]
	other.Del("take")
	other.Set("value", "")
	old := maps.Clone(other)
	// Something else in the record is no matter; a third value is.
	f.wall.Add(60_000)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"house_area": "88"})
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"main_cause": "因学"})
	if a := f.post("/decide", other); a.status != http.StatusUnprocessableEntity {
		t.Errorf("after another field changed: %d", a.status)
	}
	f.pull()
	if a := f.post("/decide", with(old, "value", "land")); a.status != http.StatusConflict || !strings.Contains(a.body, `<option value="land" selected>`) {
		t.Errorf("after a third value came: %d", a.status)
	}
	other = forms("main_cause")[len(forms("main_cause"))-1]
	other.Del("take")
	other.Set("value", "")
	if a := f.post("/decide", other); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an empty decision: %d", a.status)
	}
	other.Set("value", "disaster")
	f.post("/decide", other)
	if fields().Fields["main_cause"] != `"disaster"` || len(fields().Conflicts) != 0 {
		t.Errorf("%v", fields().Fields["main_cause"])
	}
	// That nothing is to stand is a decision too, where the form allows it.
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"main_cause": "因病", "arable_mu": "3", "house_structure": "砖混"})
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"house_structure": "土坯"})
	f.pull()
	none := forms("house_structure")
	if none == nil || !strings.Contains(f.get("/conflicts").body, "都不要，定为空") {
		t.Fatal("nothing to decide about the house's structure")
	}
	empty := with(none[len(none)-1], "clear", "1", "value", "")
	empty.Del("take")
	if f.post("/decide", empty); fields().Fields["house_structure"] != "" || len(fields().Conflicts) != 0 {
		t.Errorf("decided for nothing: %v %v", fields().Fields["house_structure"], fields().Conflicts)
	}
	// The phone was settled by time; the other number can be taken back.
	body := f.get("/record/household/" + h.id.String()).body
	m := regexp.MustCompile(`name="dot" value="([^"]+)"`).FindStringSubmatch(body)
	seen := regexp.MustCompile(`name="_seen" value="([^"]+)"`).FindStringSubmatch(body)
	if m == nil || fields().Fields["phone"] != `"13900139000"` {
		t.Fatalf("phone %s", fields().Fields["phone"])
	}
	f.post("/record/household/"+h.id.String(), url.Values{"do": {"take"}, "path": {"phone"}, "dot": {m[1]}, "_seen": {seen[1]}})
	if fields().Fields["phone"] != `"13800138000"` {
		t.Errorf("taken back: %s", fields().Fields["phone"])
	}
	// Deciding for others is refused even when asked by hand.
	r, err := f.laptop.Get(householdType, h.id)
	if err != nil {
		t.Fatal(err)
	}
	a := f.post("/decide", url.Values{"type": {"household"}, "id": {h.id.String()}, "path": {"helper_name"}, "_seen": {seenRegister(r.State, "helper_name")}, "take": {r.State["helper_name~"].Siblings[0].Dot.String()}})
	if a.status != http.StatusForbidden {
		t.Errorf("a decision that is the township's: %d", a.status)
	}
}

func TestVoid(t *testing.T) {
	f := newFixture(t, true).enter()
	// Another's visit is not for a team member to declare void, nor offered so.
	others, err := f.laptop.Get(visitType, f.lastVisitOf(f.house(0)))
	if err != nil {
		t.Fatal(err)
	}
	path := "/record/visit/" + others.Key.ID.String()
	if a := f.post(path, url.Values{"do": {"void"}, "_seen": {seenOf(others.State)}, "reason": {"记错了户"}}); a.status != http.StatusForbidden || strings.Contains(f.get(path).body, "作废原因") {
		t.Errorf("another's visit, void: %d", a.status)
	}
	id := f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": f.house(0).id.String(), "visit_date": "2024-01-09", "findings": "老人身体好"})
	path = "/record/visit/" + id.String()
	seen := func() string {
		return regexp.MustCompile(`name="_seen" value="([^"]+)"`).FindStringSubmatch(f.get(path).body)[1]
	}
	if a := f.post(path, url.Values{"do": {"void"}, "_seen": {seen()}, "reason": {" "}}); !strings.Contains(a.body, "请写明为什么作废") {
		t.Error("void without a reason")
	}
	if a := f.post(path, url.Values{"do": {"void"}, "_seen": {"old"}, "reason": {"记错了户"}}); !strings.Contains(a.body, `name="reason" value="记错了户"`) {
		t.Errorf("the record moved: the reason is lost")
	}
	f.post(path, url.Values{"do": {"void"}, "_seen": {seen()}, "reason": {"记错了户"}})
	if r, err := f.laptop.Get(visitType, id); err != nil || !r.View.Void || !strings.Contains(f.get(path).body, "记错了户") {
		t.Errorf("not void: %v", err)
	}
	f.post(path, url.Values{"do": {"revive"}, "_seen": {seen()}})
	if r, err := f.laptop.Get(visitType, id); err != nil || r.View.Void {
		t.Errorf("still void: %v", err)
	}
}

func TestRolesSeeWhatTheyMayDo(t *testing.T) {
	f := newFixture(t, true).enter()
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.VillageClerk }); err != nil {
		t.Fatal(err)
	}
	if body := f.get("/").body; strings.Contains(body, "记一次走访") {
		t.Error("a village clerk is offered visits")
	}
	if a := f.get("/record/visit/new"); a.status != http.StatusForbidden {
		t.Errorf("a clerk's visit: %d", a.status)
	}
}

func TestWhoAndLanguage(t *testing.T) {
	f := newFixture(t, true).enter()
	if a := f.post("/me", url.Values{"language": {"en"}, "back": {"/find?s=x"}}); a.path != "/find?s=x" || !strings.Contains(a.body, "Households") {
		t.Errorf("%s", a.path)
	}
	if d, err := f.laptop.Device(); err != nil || d.Language != "en" {
		t.Errorf("language %q, %v", d.Language, err)
	}
	f.post("/me", url.Values{"who": {"曹彤倩"}, "language": {"zh"}})
	if !strings.Contains(f.get("/").body, ">曹彤倩</a>") {
		t.Error("the person did not change")
	}
	f.post("/me", url.Values{"who": {"somebody"}})
	if !strings.Contains(f.get("/").body, ">曹彤倩</a>") {
		t.Error("somebody who is not registered")
	}
}

func TestSearch(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(4)
	look := func(q string) string { return f.get(f.sought("/find", q)).body }
	link := "/household/" + h.id.String()
	for _, q := range []string{h.name, string([]rune(h.name)[:2]), h.phone, h.phone[7:], h.no, h.no[8:], h.name + " " + h.group, strings.Map(func(r rune) rune { return r - '0' + '０' }, h.phone[5:])} {
		if a := look(q); !strings.Contains(a, link) {
			t.Errorf("%q does not find %s", q, h.title())
		}
	}
	if a := look("查无此人"); strings.Contains(a, `class="line"`) {
		t.Error("nobody is found")
	}
}

// Each row is one household and when it is due, on 9 January 2025.
func TestDue(t *testing.T) {
	tests := []struct {
		name               string
		last, since, start string
		days               int
		want               level
		by                 since
	}{
		{"visited today", "2025-01-09", "2020-01-01", "", 0, fine, sinceVisit},
		{"visited 24 days ago", "2024-12-16", "", "", 24, fine, sinceVisit},
		{"soon", "2024-12-15", "", "", 25, soon, sinceVisit},
		{"31 days are within", "2024-12-09", "", "", 31, soon, sinceVisit},
		{"32 are not", "2024-12-08", "", "", 32, overdue, sinceVisit},
		{"62 days", "2024-11-08", "", "", 62, overdue, sinceVisit},
		{"63 days", "2024-11-07", "", "", 63, alarm, sinceVisit},
		{"never, but registered lately", "", "2025-01-01", "2024-01-01", 8, fine, sinceRegistered},
		{"never, and the team came lately", "", "2019-01-01", "2024-12-20", 20, fine, sinceTeam},
		{"visited, and registered since", "2024-01-01", "2024-12-20", "2023-01-01", 20, fine, sinceRegistered},
		{"visited, and the team came since", "2024-01-01", "2019-01-01", "2024-12-08", 32, overdue, sinceTeam},
		{"nothing is known", "", "", "", 0, fine, sinceVisit},
		// A day that lies ahead counts as it does at the office, and never backwards.
		{"registered in the future", "", "2052-01-01", "2024-11-07", 0, fine, sinceRegistered},
		{"the team comes next week", "2024-11-07", "", "2025-01-16", 0, fine, sinceTeam},
	}
	for _, tt := range tests {
		h := &house{last: tt.last, since: tt.since}
		s := &snapshot{started: map[record.Village]string{"": tt.start}}
		if d := s.dueOf(h, "2025-01-09"); d.days != tt.days || d.level() != tt.want || d.by != tt.by {
			t.Errorf("%s: %d days, level %d, since %d; want %d, %d, %d", tt.name, d.days, d.level(), d.by, tt.days, tt.want, tt.by)
		}
	}
}

// What a household's days count from is said where it is no visit, with its day; it is
// the latest of visit, registration and the team's arrival, as the office counts.
func TestDueSaysSince(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	from := func(days int) string {
		return time.UnixMilli(f.laptop.Now()).In(beijing).AddDate(0, 0, -days).Format(time.DateOnly)
	}
	f.set(f.office, "系统", householdType, h.id, map[string]string{"registered_date": from(1), "poverty_status": "unexited"})
	f.set(f.office, "系统", householdType, record.ID{}, map[string]string{"head_name": "新识别", "registered_date": from(400), "poverty_status": "new"})
	f.pull()
	if body := bare(f.get("/household/" + h.id.String()).body); !strings.Contains(body, "1 天 从识别那天（") || strings.Contains(body, "1 天前 ") {
		t.Errorf("visited, and registered yesterday: %s", body)
	}
	if body := bare(f.get("/").body); !strings.Contains(body, "还没有走访过 400 天 超过两个月 从识别那天（") {
		t.Errorf("never visited, and registered long ago: %s", body)
	}
}

// A visit dated in the future is no visit yet, and a void one never was; both
// are shown and marked.
func TestVisitsThatDoNotCount(t *testing.T) {
	f := newFixture(t, true).enter()
	n := 0
	for !f.house(n).active || f.house(n).visits == 0 {
		n++
	}
	id := f.house(n).id
	visit := func(day string) record.ID {
		f.wall.Add(1000)
		return f.set(f.laptop, "杜旺火", visitType, record.ID{}, map[string]string{"household": id.String(), "visit_date": day, "visit_mode": "入户", "visit_result": "见到户主"})
	}
	visit("2025-01-08")
	covered := func() int {
		return f.snapshot().coverage(firstVillage.Code, "", f.today()).visited
	}
	before, visits := covered(), f.house2(id).visits
	visit("2025-02-08")
	visit("2052-01-08")
	if h := f.house2(id); h.last != "2025-01-08" || h.visits != visits+2 || covered() != before {
		t.Errorf("with visits of the future: last %s, %d visits, %d covered; before %d and %d", h.last, h.visits, covered(), visits, before)
	}
	if body := f.get("/household/" + id.String()).body; strings.Count(body, "日期还没到") != 2 || strings.Contains(body, "-30 天") {
		t.Error("the household's page does not mark them")
	}
	// The page's own note of a save counts as a new reading does.
	path, form := f.opened("/record/visit/new?household=" + id.String())
	f.post(path+"/save", with(form, "f.visit_date", "2052-02-02", "f.visit_mode", "home", "f.visit_result", "met"))
	if h := f.house2(id); h.last != "2025-01-08" {
		t.Errorf("noted: %s", h.last)
	}
	void := visit("2025-01-09")
	visits = f.house2(id).visits
	if _, err := f.laptop.Save(t.Context(), store.Edit{Type: visitType, ID: void, Author: "杜旺火", Void: "记错"}); err != nil {
		t.Fatal(err)
	}
	if h := f.house2(id); h.visits != visits-1 || h.last != "2025-01-08" {
		t.Errorf("void: %d visits, last %s", h.visits, h.last)
	}
	if body := f.get("/household/" + id.String()).body; !strings.Contains(body, "另有 1 次作废") {
		t.Error("the household's page counts a void visit")
	}
	// One that was to somebody else, without a word by which it could be found.
	moved := visit("2025-01-09")
	if h := f.house2(id); h.last != "2025-01-09" {
		t.Errorf("before it is moved: %s", h.last)
	}
	f.wall.Add(1000)
	f.set(f.laptop, "杜旺火", visitType, moved, map[string]string{"household": f.house(n + 1).id.String()})
	if h := f.house2(id); h.last != "2025-01-08" || h.visits != visits-1 {
		t.Errorf("moved to another household: last %s, %d visits, want %d", h.last, h.visits, visits-1)
	}
	// The day comes.
	f.wall.Add((31 * 24 * time.Hour).Milliseconds())
	if h := f.house2(id); h.last != "2025-02-08" {
		t.Errorf("a month later: %s", h.last)
	}
}

// A date that cannot be right is said, and nothing goes by it.
func TestWrongClock(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(1)
	wall := f.wall.Load()
	for _, tt := range []struct {
		years  int
		synced bool
		want   string
	}{
		{-10, true, "现在是2015年1月9日，可最后一次联系上办公室是2025年1月9日"},
		{10, true, "现在是2035年1月9日，可最后一次联系上办公室是2025年1月9日"},
		{-10, false, "现在是2015年1月9日，可这里最新的内容是 2025年"},
		{10, false, "现在是2035年1月9日，可这里最新的内容是 2025年"},
		{0, true, ""},
	} {
		f.wall.Store(time.UnixMilli(wall).AddDate(tt.years, 0, 0).UnixMilli())
		f.sync.state = SyncState{}
		if tt.synced {
			f.sync.state.Success = morning.Add(-time.Hour)
		}
		path, form := f.opened("/record/visit/new?household=" + h.id.String())
		for _, page := range []string{"/", "/sync", path} {
			body := f.get(page).body
			if got := strings.Contains(body, "日期好像不对"); got != (tt.want != "") || !strings.Contains(body, tt.want) {
				t.Errorf("%+d years, %s: said %v", tt.years, page, got)
			}
		}
		if got := form.Get("f.visit_date"); (got == "") != (tt.want != "") {
			t.Errorf("%+d years: begun with %q", tt.years, got)
		}
		today := f.get("/").body
		if got := strings.Contains(today, "日期改准以后再算"); got != (tt.want != "") || tt.want != "" && (strings.Contains(today, "近期没有到期的农户") || strings.Contains(today, "已走访 ")) {
			t.Errorf("%+d years: counted all the same", tt.years)
		}
		if !strings.Contains(today, "<h1>"+f.date()) {
			t.Errorf("%+d years: the year is not in the heading", tt.years)
		}
	}
}

func (f *fixture) date() string {
	d := time.UnixMilli(f.laptop.Now()).In(beijing)
	return fmt.Sprintf("%d年%d月%d日", d.Year(), d.Month(), d.Day())
}

// "All delivered" is said when all is, and of nothing else.
func TestDeliveryWords(t *testing.T) {
	f := newFixture(t, false)
	for _, tt := range []struct {
		pending, quarantined uint64
		files                int
		want                 string
	}{
		{0, 0, 0, "写下的都已送到办公室。"},
		{0, 1, 0, "1 处改动办公室暂未收下，请看送达情况。其余都已送到办公室。"},
		{2, 0, 0, "2 处改动还没送到"},
		{2, 1, 0, "1 处改动办公室暂未收下，请看送达情况。2 处改动还没送到"},
		{0, 0, 2, "2 张照片或文件还没送到办公室。"},
		{0, 1, 2, "1 处改动办公室暂未收下，请看送达情况。2 张照片或文件还没送到办公室。"},
		{2, 0, 1, "1 张照片或文件还没送到办公室。2 处改动还没送到"},
	} {
		p := &page{site: f.site, status: store.Status{Pending: tt.pending, Quarantined: tt.quarantined, Blobs: tt.files}, now: morning, today: "2025-01-09"}
		var b strings.Builder
		if err := deliveryWords(p, &delivery{stuck: int(tt.quarantined), oldest: morning.UnixMilli()}).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(b.String(), ""); !strings.HasPrefix(text, tt.want) || tt.files > 0 && strings.Contains(text, "都已送到") {
			t.Errorf("%d pending, %d set aside: %s", tt.pending, tt.quarantined, text)
		}
	}
}

// Who may only propose reads a proposal once, and is not sent to decide it.
func TestOwnProposal(t *testing.T) {
	f := newFixture(t, true).enter()
	path, form := f.opened("/record/household/new")
	a := f.post(path+"/save", with(form, "f.head_name", "王小二", "f.poverty_attr", "general"))
	text := func(body string) string {
		_, body, _ = strings.Cut(body, `<dl class="profile">`)
		return regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, "")
	}
	if body := text(a.body); strings.Contains(body, "建议“一般贫困户”") || strings.Count(body, "只是建议，尚待确认") != 1 || strings.Contains(body, "去定下来") {
		t.Errorf("the household shows %s", body)
	}
	id := strings.TrimPrefix(strings.Split(a.path, "?")[0], "/household/")
	edit := f.get("/record/household/" + id + "/edit").body
	if formOf(t, edit).Get("f.poverty_attr") != "general" || !strings.Contains(edit, "现在填的只是建议") {
		t.Error("the form does not hold the proposal")
	}
	// Beside what stands, the township is waited for; whoever decides is led there.
	other := f.house(0).id
	f.set(f.office, "宋芬娥", householdType, other, map[string]string{"helper_name": "李帮扶"})
	f.pull()
	f.set(f.laptop, "杜旺火", householdType, other, map[string]string{"helper_name": "王帮扶"})
	if body := f.get("/household/" + other.String()).body; !strings.Contains(body, "等乡镇或办公室定") || strings.Contains(body, "去定下来") {
		t.Error("who may not decide is sent to decide")
	}
	if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.Role = identity.Office }); err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{id, other.String()} {
		if !strings.Contains(f.get("/household/"+h).body, "去定下来") {
			t.Errorf("who decides is not led there: %s", h)
		}
	}
}

func TestCompare(t *testing.T) {
	mark := func(parts []part) string {
		var b strings.Builder
		for _, p := range parts {
			if p.marked {
				fmt.Fprintf(&b, "[%s]", p.text)
			} else {
				b.WriteString(p.text)
			}
		}
		return b.String()
	}
	tests := []struct{ a, b, wantA, wantB string }{
		{"屋顶漏雨已补瓦", "屋顶漏水已补好瓦", "屋顶漏[雨]已补瓦", "屋顶漏[水]已补[好]瓦"},
		{"电话 13800138000 已核", "电话 13900139000 已核", "电话 [13800138000] 已核", "电话 [13900139000] 已核"},
		// What two sentences share by chance between two differences is part of one.
		{"户主在县城打工，年底才回来", "户主到省外打零工，年底才回来", "户主[在县城打]工，年底才回来", "户主[到省外打零]工，年底才回来"},
		{"因病", "缺技术", "", ""},                 // too short to mark
		{"完全不同的一句话", "another story", "", ""}, // nothing in common
	}
	for _, tt := range tests {
		a, b := compare(tt.a, tt.b)
		if mark(a) != tt.wantA || mark(b) != tt.wantB {
			t.Errorf("%q %q: %q %q, want %q %q", tt.a, tt.b, mark(a), mark(b), tt.wantA, tt.wantB)
		}
	}
}
