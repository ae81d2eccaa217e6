package web

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// accounted adds to the small villages what charts are made of beside visits: funds of the
// first, issues of both, a check of an indicator.
func (f *fixture) accounted() {
	f.t.Helper()
	v, w := small[0].Code, small[1].Code
	l := f.laptop("登记员", identity.Office, f.codes()...)
	n := byte(0)
	put := func(v record.Village, typ record.Type, fields map[string]string) record.ID {
		n++
		id := record.ID{1: 9, 2: n, 6: 0x70, 8: 0x80}
		l.send(v, l.change(record.Key{Village: v, Type: typ, ID: id}, nil, fields))
		return id
	}
	project := put(v, "project", map[string]string{"project_name": "机耕路", "approved": "300000"}).String()
	for _, m := range []string{
		"county received 120000 2024-03-01", "county paid 50000.5 2024-05-01", "county paid 90000 2024-12-31", "province received 1000 2024-11-30",
		"donation received 5000 2025-01-02",
	} {
		w := strings.Fields(m)
		put(v, "fund", map[string]string{"project": project, "fund_source": w[0], "direction": w[1], "amount": w[2], "fund_date": w[3]})
	}
	for _, m := range []string{"open 2024-02-03 2024-08-01", "open 2024-11-03 2024-12-10", "open 2024-12-03 2025-02-01", "closed 2024-06-03 2024-10-01 2024-11-09"} {
		w := strings.Fields(m)
		fields := map[string]string{"issue_status": w[0], "found_date": w[1], "due_date": w[2]}
		if len(w) > 3 {
			fields["closed_date"] = w[3]
		}
		put(v, "issue", fields)
	}
	put(w, "issue", map[string]string{"issue_status": "open", "found_date": "2024-12-20"})
	put(v, "indicator_value", map[string]string{"year": "2024", "indicator": "n6", "value": "yes"})
}

// tableOf gives the cells of a chart's table, a line a row.
func tableOf(t *testing.T, body, chart string) []string {
	t.Helper()
	_, section, ok := strings.Cut(body, `id="chart-`+chart+`"`)
	if !ok {
		t.Fatalf("there is no chart of %s", chart)
	}
	section, _, _ = strings.Cut(section, "</section>")
	_, section, _ = strings.Cut(section, "<tbody>")
	var list []string
	for _, row := range strings.Split(section, "</tr>") {
		var cells []string
		for _, m := range regexp.MustCompile(`(?s)<t[hd][^>]*>(.*?)</t[hd]>`).FindAllStringSubmatch(row, -1) {
			cells = append(cells, strings.TrimSpace(m[1]))
		}
		if len(cells) > 0 {
			list = append(list, strings.Join(cells, " "))
		}
	}
	return list
}

// The charts say what the figures say, by hand where that is short: the funds and issues
// are those of accounted as of the end of December.
func TestCharts(t *testing.T) {
	f := filled(t)
	f.accounted()
	leader := f.as("leader")
	page := leader.get("/charts?month=2024-12")
	if page.status != http.StatusOK {
		t.Fatalf("a leader gets %d", page.status)
	}
	if got, want := strings.Join(tableOf(t, page.body, "funds"), "\n"), "省 1,000 0 1,000\n县 120,000 140,000.50 0"; got != want {
		t.Errorf("the funds are\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(page.body, "付出比到账多 2.0 万元") {
		t.Error("nobody says that more was paid than came in")
	}
	issues := tableOf(t, page.body, "issues")
	if got, want := strings.Join(issues[7:], "\n"), "2024年8月 2 1 0 / 1\n2024年9月 2 1 —\n2024年10月 2 2 0 / 1\n2024年11月 2 1 —\n2024年12月 4 2 0 / 1"; got != want {
		t.Errorf("the issues are\n%s\nwant\n%s", got, want)
	}
	if got, want := tableOf(t, page.body, "indicators")[5], "1 0 1"; !strings.HasSuffix(got, " "+want) {
		t.Errorf("n6 is %s, want %s", got, want)
	}
	month, err := figure.MonthOf("2024-07", "2025-01-09")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := f.store.Figures(t.Context(), store.FigureQuery{Periods: []figure.Period{month}, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	a, b := tables[0].Rows[0].Coverage, tables[0].Rows[1].Coverage
	want := fmt.Sprintf("2024年7月 %s %v %v", percent(a.And(b)), a.Part+b.Part, a.Of+b.Of)
	if got := tableOf(t, page.body, "coverage"); len(got) != chartMonths || got[6] != want || a.Of == 0 {
		t.Errorf("coverage is %q, want %q", got, want)
	}
	one := leader.get("/charts?month=2024-12&village=" + string(small[1].Code))
	if got := tableOf(t, one.body, "coverage"); got[6] != want+" "+percent(b) {
		t.Errorf("with the second village it is %q, want %q", got[6], want+" "+percent(b))
	}
	if !strings.Contains(one.body, "还没有资金记录") {
		t.Error("the second village has funds")
	}
	if got := tableOf(t, one.body, "issues"); got[11] != "2024年12月 1 0 —" {
		t.Errorf("the issues of the second village: %q", got[11])
	}
	for _, name := range f.teams {
		if strings.Contains(page.body+one.body, name) {
			t.Errorf("a leader sees the name %s", name)
		}
	}
	f.account(identity.SponsorUnit)
	sponsor := f.as("sponsor_unit")
	own := sponsor.get("/charts?month=2024-12")
	if strings.Contains(own.body, small[1].Name) || tableOf(t, own.body, "coverage")[6] != fmt.Sprintf("2024年7月 %s %v %v", percent(a), a.Part, a.Of) {
		t.Errorf("a sponsor unit's own coverage: %q", tableOf(t, own.body, "coverage"))
	}
	for path, want := range map[string]int{"/charts?month=2024-13": 400, "/charts?month=2025-02": 400, "/charts?village=x": 404, "/charts?village=" + string(small[1].Code): 404} {
		if a := sponsor.get(path); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
}

// What came in beyond the sources that are known is of no known source, not nothing.
func TestUnsourced(t *testing.T) {
	f := newFixture(t)
	p := &page{site: f.site}
	sum := figure.Figures{Sources: []figure.Source{{Code: "city", Received: 30, Paid: 10}}}
	sum.Projects.Payment = figure.Ratio{Part: 10, Of: 50}
	got := chartSources(p, sum)
	if len(got) != 2 || got[0].name != "市" || got[1].Received != 20 || got[1].Paid != 0 || got[1].name != "来源不明" {
		t.Errorf("%+v", got)
	}
	sum.Projects.Payment.Of = 30
	if got := chartSources(p, sum); len(got) != 1 {
		t.Errorf("all is sourced: %+v", got)
	}
}

// A line has no point where there is no rate, and never leaves its plane.
func TestChartLines(t *testing.T) {
	v := &chartsView{columns: []chartColumn{{known: true, coverage: figure.Ratio{Part: 1, Of: 2}}, {coverage: figure.Ratio{Part: 1, Of: 2}}, {known: true},
		{known: true, coverage: figure.Ratio{Part: 2, Of: 2}}, {known: true, coverage: figure.Ratio{Part: 0, Of: 2}}}}
	if got, want := v.path(all), "M54.3 103M164.3 24L201 182"; got != want {
		t.Errorf("the line is %s, want %s", got, want)
	}
	for n, want := range map[int]int{0: 5, 5: 5, 6: 10, 11: 20, 21: 50, 99: 100, 201: 500} {
		if got := nice(n); got != want {
			t.Errorf("the scale of %d ends at %d, want %d", n, got, want)
		}
	}
	for r, want := range map[figure.Ratio]string{{}: "", {Part: 999, Of: 1000}: "99", {Part: 1, Of: 1000}: "1", {Part: 0, Of: 3}: "0", {Part: 3, Of: 3}: "100"} {
		if got := whole(r); got != want {
			t.Errorf("%v is %s, want %s", r, got, want)
		}
	}
}

// The charts fit, are accessible and lie in the plane in both languages.
func TestChartsFit(t *testing.T) {
	f := filled(t)
	f.accounted()
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	for _, lang := range []string{"zh", "en"} {
		for _, width := range []int64{1366, 360} {
			for name, path := range map[string]string{"charts": "/charts?month=2024-12", "charts-one": "/charts?month=2024-12&village=" + string(small[0].Code)} {
				do(t, ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(f.server.URL+path))
				looks(t, ctx, fmt.Sprintf("%s-%s-%d", name, lang, width))
				if out := js[string](t, ctx, `Array.from(document.querySelectorAll(".plane text")).filter(function (e) {
					const a = e.getBoundingClientRect(), b = e.ownerSVGElement.getBoundingClientRect();
					return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
				}).map(function (e) { return e.textContent; }).join(", ")`); out != "" {
					t.Errorf("outside of the plane: %s", out)
				}
			}
		}
		if lang == "zh" {
			js[any](t, ctx, "document.querySelector(\"form[action='/language'] button\").click()")
			until(t, ctx, "document.documentElement.lang === 'en'")
		}
	}
}
