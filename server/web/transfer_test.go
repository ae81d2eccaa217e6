package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// transferring is the form of a page of a transfer, filled in.
func transferring(to record.Village, reason, step, mark string) url.Values {
	return url.Values{"to": {string(to)}, "reason": {reason}, "step": {step}, "mark": {mark}}
}

// A household moves by its pages: what lacks is said, what goes is shown, what came since
// is told, and both records name each other then.
func TestTransferPages(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	here, there := small[0].Code, small[1].Code
	house := f.first(here, "household", 0)
	path := href(house.Key) + "/transfer"
	moved := record.Key{Village: there, Type: house.Type, ID: house.ID}
	page := as.get(path)
	if page.status != 200 || !strings.Contains(page.body, small[1].Name) || strings.Contains(page.body, `value="`+string(here)+`"`) {
		t.Fatalf("the first page: %d", page.status)
	}
	for lack, values := range map[string]url.Values{"还没有选村": transferring("", "搬迁", "where", ""), "还没有写原因": transferring(there, " ", "where", ""), "最多": transferring(there, strings.Repeat("长", 200), "where", "")} {
		if a := as.post(path, page, values); a.status != 422 || !strings.Contains(a.body, lack) {
			t.Errorf("%s: %d", lack, a.status)
		}
	}
	check := as.post(path, page, transferring(there, "易地搬迁", "where", ""))
	mark := attr(check.body, "mark")
	if check.status != 200 || mark == "" || !strings.Contains(check.body, " 1 条") {
		t.Fatalf("the second page: %d, mark %q", check.status, mark)
	}
	// A laptop writes before it is confirmed.
	l := f.laptop("宋芬娥", identity.FirstSecretary, here)
	l.send(here, l.change(house.Key, house.State, map[string]string{"phone": "13912345678"}))
	if a := as.post(path, check, transferring(there, "易地搬迁", "check", mark)); a.status != 422 || !strings.Contains(a.body, "刚刚有了变化") || f.get(house.Key).View.Void {
		t.Errorf("what changed since: %d", a.status)
	} else {
		check, mark = a, attr(a.body, "mark")
	}
	if a := as.post(path, check, transferring(there, "易地搬迁", "check", mark)); a.status != 200 || !strings.HasPrefix(a.path, href(moved)) || !strings.Contains(a.body, "已迁到这个村") || !strings.Contains(a.body, "迁回去") {
		t.Fatalf("moved: %d at %s", a.status, a.path)
	}
	old := as.get(href(house.Key))
	if !strings.Contains(old.body, "已迁往"+small[1].Name) || !strings.Contains(old.body, href(moved)) || strings.Contains(old.body, "恢复") || strings.Contains(old.body, "带到") {
		t.Error("the page that was left")
	}
	if f.get(moved).View.Fields["phone"] != `"13912345678"` {
		t.Error("what came in between is not there")
	}
	// Written late: the queue says why, and offers to take it along.
	l.send(here, l.change(house.Key, house.State, map[string]string{"group_name": "河东组"}))
	queue := as.get("/conflicts?village=" + string(here))
	if !strings.Contains(queue.body, "带到"+small[1].Name) || strings.Contains(queue.body, `value="alive"`) {
		t.Error("the queue does not offer to take it along")
	}
	if a := as.get(href(house.Key)); strings.Count(a.body, "带到"+small[1].Name) != 1 {
		t.Error("the page that was left does not tell of what came late")
	}
	page = as.get(path)
	check = as.post(path, page, transferring("", "补报", "where", ""))
	if a := as.post(path, check, transferring("", "补报", "check", attr(check.body, "mark"))); a.status != 200 || f.get(moved).View.Fields["group_name"] != `"河东组"` || len(f.get(house.Key).View.Conflicts) > 0 {
		t.Errorf("taken along: %d, %+v", a.status, f.get(house.Key).View)
	}
	if a := as.get(path); a.path != href(house.Key) {
		t.Errorf("nothing is left to move, and it shows %s", a.path)
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}

// attr gives the value of a hidden field.
func attr(body, name string) string {
	_, rest, _ := strings.Cut(body, `name="`+name+`" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// The pages fit, in both languages, and lead from one to the other.
func TestTransferFit(t *testing.T) {
	f := filled(t)
	here, there := small[0].Code, small[1].Code
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	for n, lang := range []string{"zh", "en"} {
		house := f.first(here, "household", n)
		f.quarrel(house)
		moved := record.Key{Village: there, Type: house.Type, ID: house.ID}
		shot := func(name string) { inBoth(t, ctx, "transfer-"+name+"-"+lang) }
		do(t, ctx, chromedp.Navigate(f.server.URL+href(house.Key)), chromedp.Click("a[href='"+href(house.Key)+"/transfer']"))
		until(t, ctx, "!!document.getElementById('to')")
		do(t, ctx, chromedp.SetValue("#to", string(there)), chromedp.SetValue("#reason", "易地扶贫搬迁到镇上"))
		shot("where")
		do(t, ctx, chromedp.Click("#transfer button.main"))
		until(t, ctx, "!!document.querySelector('#transfer input[name=mark]')")
		shot("check")
		do(t, ctx, chromedp.Click("#transfer button.main"))
		until(t, ctx, "location.pathname === '"+href(moved)+"'")
		shot("entered")
		l := f.laptop("宋芬娥"+lang, identity.FirstSecretary, here)
		l.send(here, l.change(house.Key, house.State, map[string]string{"group_name": "河东组"}))
		do(t, ctx, chromedp.Navigate(f.server.URL+href(house.Key)))
		shot("left")
		do(t, ctx, chromedp.Click("#disputes .notice a.button"))
		until(t, ctx, "!!document.getElementById('reason')")
		shot("late")
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}
