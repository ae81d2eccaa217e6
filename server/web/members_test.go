package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Each row of a fault is told with all that was answered; then the household is split, on
// what was shown, and the new one joins the old one again.
func TestMembersPages(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	house := f.first(small[0].Code, "household", 0)
	family, err := f.review.Family(t.Context(), house.Village, house.ID)
	if err != nil || len(family.People) < 3 {
		t.Fatalf("the family is %+v, %v", family, err)
	}
	path := href(house.Key) + "/members"
	page := as.get(path + "?do=split")
	to := attr(page.body, "to")
	fresh, err := record.ParseID(to)
	if err != nil || page.status != 200 {
		t.Fatalf("the first page: %d, %v", page.status, err)
	}
	form := url.Values{"do": {"split"}, "mark": {family.Mark}, "to": {to}}
	post := func(step string, set ...string) answer {
		t.Helper()
		form.Set("step", step)
		for i := 0; i < len(set); i += 2 {
			form.Set(set[i], set[i+1])
		}
		return as.post(path, page, form)
	}
	told := func(a answer, words string) {
		t.Helper()
		if a.status != 422 || !strings.Contains(a.body, words) {
			t.Errorf("%s: %d", words, a.status)
		}
	}
	told(post("who"), "还没有选人")
	for _, x := range family.People {
		form.Add("who", x.ID.String())
	}
	told(post("who"), "全家都选上了")
	var goes *record.ID
	for _, x := range family.People {
		if relation, _ := x.View.Fields["relation"].Text(); relation != "head" {
			goes = &x.ID
			break
		}
	}
	const kept, unkept = `name="keep" value="1" checked`, `name="keep" value="1">`
	if a := post("who", "who", goes.String()); a.status != 200 || !strings.Contains(a.body, `name="date"`) || !strings.Contains(a.body, kept) {
		t.Fatalf("the second page: %d", a.status)
	}
	told(post("details", "date", "昨天", "group", "新屋组", "reason", "成家另过"), "日期没有看懂")
	told(post("details", "date", "2024-11-05", "reason", " "), "还没有写原因")
	if a := post("details", "reason", "成家另过", "date", "昨天"); !strings.Contains(a.body, unkept) {
		t.Error("the box is ticked again by itself")
	}
	form.Set("back", "who")
	if a := post("details", "keep", "1"); !strings.Contains(a.body, `type="hidden" name="keep" value="1"`) {
		t.Error("the box is forgotten on the way back")
	}
	form.Del("back")
	if a := post("details", "date", "2024-11-05", "keep", "1"); a.status != 200 || !strings.Contains(a.body, "就这样改") {
		t.Fatalf("the third page: %d", a.status)
	}
	l := f.laptop("宋芬娥", identity.FirstSecretary, house.Village)
	l.send(house.Village, l.change(house.Key, house.State, map[string]string{"phone": "13912345678"}))
	told(post("check"), "刚刚有了变化")
	told(post("check", "mark", ""), "刚刚有了变化") // nothing was shown
	family, err = f.review.Family(t.Context(), house.Village, house.ID)
	if err != nil {
		t.Fatal(err)
	}
	a := post("check", "mark", family.Mark)
	key := record.Key{Village: house.Village, Type: "household", ID: fresh}
	if a.status != 200 || !strings.HasPrefix(a.path, href(key)) || !strings.Contains(a.body, "已改好") {
		t.Fatalf("split: %d at %s", a.status, a.path)
	}
	person := f.get(record.Key{Village: house.Village, Type: "person", ID: *goes})
	made := f.get(key)
	if status := house.View.Fields["poverty_status"]; status == "" || made.View.Fields["poverty_status"] != status {
		t.Errorf("it is registered as %s, it was %s", made.View.Fields["poverty_status"], status)
	}
	if person.View.Fields["household"] != record.Text(to) || person.View.Fields["relation"] != `"head"` || made.View.Fields["head_name"] != person.View.Fields["full_name"] || made.View.Fields["group_name"] != `"新屋组"` {
		t.Errorf("split it reads %+v, %+v", made.View.Fields, person.View.Fields)
	}
	// Sent once more it does nothing.
	told(post("check"), "刚刚有了变化")
	// And back.
	family, err = f.review.Family(t.Context(), house.Village, fresh)
	if err != nil {
		t.Fatal(err)
	}
	path = href(key) + "/members"
	page = as.get(path + "?do=join")
	form = url.Values{"do": {"join"}, "mark": {family.Mark}, "to": {house.ID.String()}, "date": {"2024-11-06"}, "reason": {"分错了"}, "rel." + goes.String(): {"son"}}
	if a := post("check"); a.status != 200 || !strings.HasPrefix(a.path, href(house.Key)) || !f.get(key).View.Void {
		t.Errorf("joined: %d at %s", a.status, a.path)
	}
	if f.get(person.Key).View.Fields["household"] != record.Text(house.ID.String()) {
		t.Error("who joined is not there")
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}

// The pages fit, in both languages.
func TestMembersFit(t *testing.T) {
	f := filled(t)
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	for n, lang := range []string{"zh", "en"} {
		house, other := f.first(small[0].Code, "household", n), f.first(small[0].Code, "household", n+2)
		shot := func(name string) { inBoth(t, ctx, "members-"+name+"-"+lang) }
		do(t, ctx, chromedp.Navigate(f.server.URL+href(house.Key)), chromedp.Click("a[href='"+href(house.Key)+"/members?do=move']"))
		until(t, ctx, "!!document.getElementById('who-1')")
		do(t, ctx, chromedp.Click("#who-1"), chromedp.SetValue("#to", other.ID.String()))
		shot("who")
		do(t, ctx, chromedp.Click("#members button.main"))
		until(t, ctx, "!!document.getElementById('reason')")
		js[any](t, ctx, "document.querySelectorAll('select[name^=\"rel.\"]').forEach(function (s) { s.value = 'other'; })")
		js[any](t, ctx, "document.querySelectorAll('input[name=stay]').forEach(function (r) { r.checked = true; })")
		do(t, ctx, chromedp.SetValue("#reason", "投靠亲戚"))
		shot("details")
		do(t, ctx, chromedp.Click("#members button.main"))
		until(t, ctx, "!!document.querySelector('#members table')")
		shot("check")
		do(t, ctx, chromedp.Click("#members button.main"))
		until(t, ctx, "location.pathname === '"+href(other.Key)+"'")
		if lang == "zh" {
			shot("done")
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}
