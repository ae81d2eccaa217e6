package web

import (
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/shared/identity"
)

// widths are the windows that people have, the usual one last.
var widths = []struct {
	name          string
	width, height int64
}{{"narrow", 360, 740}, {"wide", 1366, 768}}

// pageShown is a page to be looked at, by a name for its picture.
type pageShown struct{ name, path string }

// lookOver opens pages in every language and width, and tells what is wrong with them.
func (f *fixture) lookOver(t *testing.T, pages ...pageShown) {
	t.Helper()
	ctx := browser(t)
	enterBy(t, ctx, f)
	for _, lang := range []string{"zh", "en"} {
		f.language(lang)
		for _, pg := range pages {
			do(t, ctx, chromedp.Navigate(f.at+pg.path))
			fitsBoth(t, ctx, pg.name, lang)
		}
	}
}

func TestListsFit(t *testing.T) {
	f := newFixture(t, true, firstVillage, secondVillage)
	late := f.books()
	f.lookOver(t, pageShown{"list-projects", "/records/project"}, pageShown{"list-funds", "/records/fund?year=2024&project=" + late.String()},
		pageShown{"list-visits", "/records/visit?year=2024"}, pageShown{"list-people", "/records/person"}, pageShown{"list-nothing", "/records/project?state=over&project_type=pv"},
		pageShown{"list-empty", "/records/task"}, pageShown{"project", "/record/project/" + late.String()})
}

// A project's money is written from the project's page, is in its list, narrowed down by
// the keyboard, and is changed.
func TestMoneyIsWrittenAndFound(t *testing.T) {
	f := newFixture(t, true)
	late := f.books()
	f.role(identity.FirstSecretary)
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/record/project/"+late.String()), chromedp.Click(chromedp.CSS("a[href$='/record/fund/new?project="+late.String()+"']")))
	until(t, ctx, "!!document.getElementById('entry')")
	for _, name := range []string{"amount", "doc_no", "payee"} {
		do(t, ctx, chromedp.SetValue(chromedp.ID("f-"+name), map[string]string{"amount": "12800", "doc_no": "石财〔2025〕3号", "payee": "宏达建筑"}[name]))
	}
	do(t, ctx, chromedp.SetValue(chromedp.ID("f-fund_date"), "2025-01-07"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("[name='f.direction'][value=paid]").checked = true; document.querySelector("[name='f.fund_source']").value = "county"; undefined`),
		chromedp.Click(chromedp.CSS("#entry [type=submit]")))
	until(t, ctx, "!!document.querySelector('.banner')")

	do(t, ctx, chromedp.Navigate(f.at+"/records/fund"))
	if got := js[string](t, ctx, "document.querySelector('.entries tbody tr').innerText"); !contains(got, "1月7日", "饮水工程", "12,800", "石财〔2025〕3号") {
		t.Errorf("the newest is %s", got)
	}
	do(t, ctx, chromedp.SetValue(chromedp.ID("by-year"), "2025"), chromedp.Click(chromedp.CSS(".filters button")))
	until(t, ctx, "location.search.includes('year=2025') && document.querySelectorAll('.entries tbody tr').length === 1")
	if got := js[string](t, ctx, "document.querySelector('.sums').innerText"); !contains(got, "支付", "12,800") {
		t.Errorf("the sums are %s", got)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS(".entries tbody a")))
	until(t, ctx, "!!document.querySelector('.answers')")
	do(t, ctx, chromedp.Click(chromedp.CSS(".actions a.main")))
	until(t, ctx, "!!document.getElementById('entry')")
	do(t, ctx, chromedp.SetValue(chromedp.ID("f-amount"), "13800"), chromedp.Click(chromedp.CSS("#entry [type=submit]")))
	until(t, ctx, "!!document.querySelector('.banner')")
	do(t, ctx, chromedp.Navigate(f.at+"/record/project/"+late.String()))
	if got := js[string](t, ctx, "document.querySelector('.sums').innerText"); !contains(got, "73,800.25") {
		t.Errorf("the project's sums are %s", got)
	}
}
