package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// twinsOf enters somebody twice in a village, and gives both, the one that is kept first.
func (f *fixture) twinsOf(v record.Village, home string) (kept, other record.Key) {
	f.t.Helper()
	l := f.laptop("登记员", identity.Office)
	kept = record.Key{Village: v, Type: "person", ID: record.ID{0: 1, 6: 0x70, 8: 0x80}}
	other = record.Key{Village: v, Type: "person", ID: record.ID{0: 2, 6: 0x70, 8: 0x80}}
	f.pass(time.Minute)
	l.send(v, l.change(kept, nil, map[string]string{"household": home, "full_name": "钟小宝", "birth_date": "2019-05-01", "sex": "男", "education": "小学", "work_months": "3"}),
		l.change(other, nil, map[string]string{"household": home, "full_name": "钟小宝", "birth_date": "2019-05-01", "id_number": "11010519491231002X", "education": "初中", "work_months": "5"}))
	return kept, other
}

var saws = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// twinForm gives the fields of the first two records that are side by side on a page.
func twinForm(t *testing.T, a answer) url.Values {
	t.Helper()
	i := strings.Index(a.body, `action="/same"`)
	for i >= 0 && !strings.Contains(a.body[i:min(len(a.body), i+3000)], `name="saw"`) {
		next := strings.Index(a.body[i+1:], `action="/same"`)
		if next < 0 {
			i = -1
			break
		}
		i += 1 + next
	}
	if i < 0 {
		t.Fatalf("no two records side by side\n%s", a.body)
	}
	values := url.Values{}
	part, _, _ := strings.Cut(a.body[i:], "</form>")
	for _, m := range saws.FindAllStringSubmatch(part, -1) {
		values.Set(m[1], m[2])
	}
	return values
}

// Somebody who was entered twice is found, joined with what was chosen of each, and parted
// again as if nothing had been.
func TestTwins(t *testing.T) {
	f := filled(t)
	v := f.as("office")
	if a := f.pairs(v, "/conflicts?kind=twin"); strings.Contains(a.body, `name="saw"`) {
		t.Fatalf("there are some before any was entered\n%s", a.body)
	}
	home := f.first(small[0].Code, "household", 0)
	kept, other := f.twinsOf(small[0].Code, home.ID.String())
	before := [2]map[string]record.Value{f.get(kept).View.Fields, f.get(other).View.Fields}
	page := f.pairs(v, "/conflicts?kind=twin")
	for _, want := range []string{"这两条可能是同一个：姓名相同、出生日期相同、同一户", "****002X", "小学", "初中"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("side by side: without %q", want)
		}
	}
	form := twinForm(t, page)
	choice := with(form, "do", "join", "f.education", "other", "f.id_number", "other", "f.work_months", "kept", "f.sex", "kept")
	if a := v.post("/same", page, choice); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := v.post("/same", page, with(choice, "reason", "问过", "saw", "01000000000000000000000000000000:1")); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "您看的时候有人改过") {
		t.Errorf("of what was not shown: %d", a.status)
	}
	a := v.post("/same", page, with(choice, "reason", "问过家里"))
	if a.status != http.StatusOK || !strings.Contains(a.body, "已合并") || strings.Contains(a.body, `name="saw"`) {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	now := f.get(kept).View
	for name, want := range map[string]string{"education": `"junior"`, "id_number": `"11010519491231002X"`, "work_months": "3", "sex": `"male"`} {
		if string(now.Fields[name]) != want {
			t.Errorf("%s is %s, want %s", name, now.Fields[name], want)
		}
	}
	if gone := f.get(other).View; !gone.Void || gone.Reason != "问过家里" {
		t.Errorf("the other is %+v", gone)
	}
	if said := merge.LikenessOf(f.get(kept).State, kept.ID, f.get(other).State, other.ID); said != merge.Same {
		t.Errorf("said %v", said)
	}
	// The history says so in a sentence that names the other one, and so once it is undone.
	title := regexp.MustCompile(`<h1[^>]*>\s*([^<]+?)\s*<`).FindStringSubmatch(v.get(href(other)).body)[1]
	said := func(what string) {
		t.Helper()
		if body := v.get(href(kept)).body; !strings.Contains(body, what) || strings.Contains(body, "同一对象") {
			t.Errorf("%q is not said:\n%s", what, body)
		}
	}
	said("和“" + title + "”是同一个，合并为一条")
	// Taken back, both say what they said before.
	undo := url.Values{"village": {form.Get("village")}, "kept": {form.Get("kept")}, "other": {form.Get("other")}, "kind": {"twin"}, "do": {"undo"}, "back": {"/conflicts?kind=twin"}}
	if a = v.post("/same", a, undo); a.status != http.StatusOK || !strings.Contains(a.body, `name="saw"`) {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	said("和“" + title + "”是不是同一个，撤回了")
	for i, k := range []record.Key{kept, other} {
		rec := f.get(k)
		if rec.View.Void || len(rec.View.Conflicts) > 0 {
			t.Errorf("%d after the undo: %+v", i, rec.View)
		}
		for name := range rec.View.Fields {
			if rec.View.Fields[name] != before[i][name] {
				t.Errorf("%d: %s is %s, was %s", i, name, rec.View.Fields[name], before[i][name])
			}
		}
		if len(rec.View.Fields) != len(before[i]) {
			t.Errorf("%d: %d fields, were %d", i, len(rec.View.Fields), len(before[i]))
		}
	}
	// Said to be two, they are not shown again, whatever is changed.
	page = f.pairs(v, "/conflicts?kind=twin")
	if a := v.post("/same", page, with(twinForm(t, page), "do", "apart", "reason", "是两姐妹")); a.status != http.StatusOK || strings.Contains(a.body, `name="saw"`) {
		t.Fatalf("apart: %d", a.status)
	}
	l := f.laptop("登记员", identity.Office)
	l.send(kept.Village, l.change(kept, f.get(kept).State, map[string]string{"work_months": "9"}))
	if a := f.pairs(v, "/conflicts?kind=twin"); strings.Contains(a.body, `name="saw"`) {
		t.Error("asked again")
	}
	if n := f.verify(); n != 0 {
		t.Errorf("%d faults", n)
	}
}

// Two who said the opposite of each other without having heard it are told to the office.
func TestClash(t *testing.T) {
	f := filled(t)
	home := f.first(small[0].Code, "household", 0)
	kept, other := f.twinsOf(small[0].Code, home.ID.String())
	f.laptop("登记员", identity.Office)
	say := func(name string, of, than record.Key, v record.Value) {
		l := f.laptop(name, identity.FirstSecretary, of.Village)
		l.send(of.Village, record.Change{Record: of.ID, Type: "person", Author: name, Body: []record.Write{{Path: record.Same.Element(than.ID.String()), Value: v}}})
	}
	say("宋芬娥", kept, other, record.True)
	say("杜旺火", other, kept, record.False)
	v := f.as("office")
	page := f.pairs(v, "/conflicts?kind=clash")
	if !strings.Contains(page.body, "有人说这两条是同一个，另有人没看到，说不是") {
		t.Fatalf("not told\n%s", page.body)
	}
	if a := v.post("/same", page, with(twinForm(t, page), "do", "apart", "reason", "核实是两人")); a.status != http.StatusOK {
		t.Fatalf("%d", a.status)
	}
	if said := merge.LikenessOf(f.get(kept).State, kept.ID, f.get(other).State, other.ID); said != merge.Apart {
		t.Errorf("said %v", said)
	}
	if a := f.pairs(v, "/conflicts?type=person"); strings.Contains(a.body, `name="saw"`) {
		t.Error("it waits still")
	}
}

// A visit that two people entered is joined with the words of both.
func TestJointAtTheOffice(t *testing.T) {
	f := filled(t)
	visit := f.first(small[0].Code, "visit", 0)
	house, _ := visit.View.Fields["household"].Text()
	day, _ := visit.View.Fields["visit_date"].Text()
	l := f.laptop("杜旺火", identity.TeamMember, visit.Village)
	again := record.Key{Village: visit.Village, Type: "visit", ID: record.ID{0: 0xff, 6: 0x70, 8: 0x80}}
	l.send(visit.Village, l.change(again, nil, map[string]string{"household": house, "visit_date": day, "findings": "另一个人记的话"}))
	v := f.as("office")
	page := f.pairs(v, "/conflicts?kind=joint&who="+url.QueryEscape("杜旺火"))
	form := twinForm(t, page)
	if a := v.post("/same", page, with(form, "do", "join", "reason", "一起去的", "f.findings", "both")); a.status != http.StatusOK {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	words, _ := f.get(record.Key{Village: visit.Village, Type: "visit", ID: mustID(t, form.Get("kept"))}).View.Fields["findings"].Text()
	old, _ := visit.View.Fields["findings"].Text()
	if !strings.Contains(words, "另一个人记的话") || !strings.Contains(words, old) {
		t.Errorf("the visit says %q", words)
	}
}

// pairs gives a page once all pairs are found.
func (f *fixture) pairs(v *visitor, path string) answer {
	f.t.Helper()
	if err := f.store.FindPairs(f.t.Context(), ""); err != nil {
		f.t.Fatal(err)
	}
	return v.get(path)
}

func mustID(t *testing.T, text string) record.ID {
	t.Helper()
	id, err := record.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Somebody who is in two villages under one number is shown to the office.
func TestAcross(t *testing.T) {
	f := filled(t)
	l := f.laptop("登记员", identity.Office)
	for i, v := range []record.Village{small[0].Code, small[1].Code} {
		home := f.first(v, "household", 0)
		k := record.Key{Village: v, Type: "person", ID: record.ID{0: byte(1 + i), 6: 0x70, 8: 0x80}}
		l.send(v, l.change(k, nil, map[string]string{"household": home.ID.String(), "full_name": "钟小宝", "id_number": "11010519491231002X"}))
	}
	v := f.as("office")
	a := f.pairs(v, "/across")
	if !strings.Contains(a.body, "证件号相同") || !strings.Contains(a.body, small[0].Name) || strings.Contains(a.body, "11010519491231002X") {
		t.Errorf("%d\n%s", a.status, a.body)
	}
}

// By keys: the first button joins, u takes it back.
func TestTwinsByKeys(t *testing.T) {
	f := filled(t)
	home := f.first(small[0].Code, "household", 0)
	_, other := f.twinsOf(small[0].Code, home.ID.String())
	f.pairs(f.as("office"), "/conflicts")
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	do(t, ctx, chromedp.Navigate(f.server.URL+"/conflicts?kind=twin"))
	until(t, ctx, "document.querySelectorAll('.dispute').length === 1")
	inBoth(t, ctx, "twins-zh")
	js[any](t, ctx, "document.getElementById('queue-reason').value = '核实'; document.activeElement.blur()")
	do(t, ctx, chromedp.KeyEvent("1"))
	until(t, ctx, "document.getElementById('queue-outcome').innerText.includes('已合并') && !document.querySelector('.dispute')")
	if !f.get(other).View.Void {
		t.Fatal("not joined")
	}
	do(t, ctx, chromedp.KeyEvent("u"))
	until(t, ctx, "document.querySelectorAll('.dispute').length === 1")
	if f.get(other).View.Void {
		t.Error("not parted")
	}
}
