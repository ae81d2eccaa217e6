package web

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Somebody looks for a household by its initials, opens it, changes one answer, and the page
// says so; meanwhile a laptop writes another, which stays. Then its record is declared void.
func TestFindAndEditInTheBrowser(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	l := f.laptop("宋芬娥", identity.FirstSecretary, house.Village)
	l.send(house.Village, l.change(house.Key, house.State, map[string]string{"head_name": "单小曾"}))
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	do(t, ctx, chromedp.Click("#nav a[href='/records']"))
	until(t, ctx, "document.activeElement.id === 'q'")
	do(t, ctx, chromedp.SendKeys("#q", "sxz\r"))
	until(t, ctx, "location.search === '?q=sxz'")
	do(t, ctx, chromedp.Click("a[href='"+href(house.Key)+"']"))
	until(t, ctx, "document.querySelector('h1').innerText.indexOf('单小曾') >= 0")
	do(t, ctx, chromedp.Click("a[href='"+href(house.Key)+"/edit']"))
	until(t, ctx, "!!document.getElementById('f-group_name')")
	shown := f.get(house.Key)
	do(t, ctx, chromedp.SetValue("#f-group_name", "河西组"))
	l.send(house.Village, l.change(house.Key, shown.State, map[string]string{"phone": "13912345678"}))
	do(t, ctx, chromedp.SetValue("#edit-reason", "已核实"), chromedp.Click("#edit button.main"))
	until(t, ctx, "location.search === '?said=edited' && document.querySelector('.notice.done').innerText.indexOf('已保存') >= 0")
	now := f.get(house.Key).View.Fields
	if now["group_name"] != record.Text("河西组") || now["phone"] != record.Text("13912345678") {
		t.Errorf("the group is %s, the phone %s", now["group_name"], now["phone"])
	}
	last := f.entries(house.Key)[0].Change
	if len(last.Body) != 1 || last.Author != "office" {
		t.Errorf("written: %+v", last)
	}
	do(t, ctx, chromedp.Click("#life summary"), chromedp.SendKeys("#life-reason", "重复录入"), chromedp.Click("#life button"))
	until(t, ctx, "document.querySelector('.title .void').innerText.indexOf('重复录入') >= 0")
	if !f.get(house.Key).View.Void {
		t.Error("it is not void")
	}
}

// The pages of records fit, in both languages.
func TestRecordsFit(t *testing.T) {
	f := filled(t)
	v := f.codes()[0]
	house, person := f.first(v, "household", 0), f.first(v, "person", 0)
	f.quarrel(house)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	for _, view := range []store.SavedView{{Login: "主任", Type: "household", Name: "饮水不安全", Query: "w.water_safe=no"}, {Login: "office", Type: "household", Name: "三组未脱贫户", Query: "q=三组", Shared: true}} {
		if err := f.store.SaveView(t.Context(), view); err != nil {
			t.Fatal(err)
		}
	}
	ctx := browser(t)
	signInBy(t, ctx, f, "主任")
	for _, lang := range []string{"zh", "en"} {
		for _, pg := range []struct{ name, path, open string }{
			{"kinds", "/records", ""}, {"found", "/records?q=%E7%8E%8B", ""}, {"list", "/records/household", ""},
			{"list-more", "/records/household?w.water_safe=no&sort=head_name&from.arable_mu=1", "#more-filters, #columns, #save-view"},
			{"record", href(house.Key), ""}, {"edit-household", href(house.Key) + "/edit", ""}, {"edit-person", href(person.Key) + "/edit", "#apart"},
		} {
			do(t, ctx, chromedp.Navigate(f.server.URL+pg.path))
			if pg.open != "" {
				js[any](t, ctx, "document.querySelectorAll('"+pg.open+"').forEach(function (d) { d.open = true; })")
			}
			inBoth(t, ctx, strings.Join([]string{"records", pg.name, lang}, "-"))
		}
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}
