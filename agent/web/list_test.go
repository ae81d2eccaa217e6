package web

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// What a listing names is in the form, is of the kind that it is used as, and there is
// nothing masked, nor anything that some role must not see, among its columns.
func TestListingsFitTheForms(t *testing.T) {
	for typ := range listings {
		if form.Builtin().Form(typ) == nil {
			t.Errorf("a listing of %s, which has no form", typ)
		}
	}
	for _, f := range form.Builtin().Forms() {
		l, known := listings[f.Type]
		if !known {
			t.Errorf("%s has no listing", f.Type)
			continue
		}
		field := func(name string, kinds ...form.Kind) {
			fd := f.Field(name)
			if fd == nil {
				t.Errorf("%s has no field %s", f.Type, name)
			} else if len(kinds) > 0 && !slices.Contains(kinds, fd.Kind) {
				t.Errorf("%s: %s is %s", f.Type, name, fd.Kind)
			}
		}
		if len(l.columns) == 0 || len(l.columns) > maxColumns {
			t.Errorf("%s: %d columns", f.Type, len(l.columns))
		}
		for _, name := range l.columns {
			if strings.HasPrefix(name, "_") {
				continue
			}
			field(name)
			if fd := f.Field(name); fd.Masked || len(fd.Hidden) > 0 {
				t.Errorf("%s: the list shows %s", f.Type, name)
			}
		}
		if l.day != "" {
			field(l.day, form.Date, form.Integer)
		}
		for _, name := range l.choices {
			field(name, form.SelectOne, form.SelectMultiple)
		}
		if l.duty.day != "" {
			field(l.duty.day, form.Date)
			field(l.duty.state, form.SelectOne)
			for _, code := range l.duty.over {
				if _, ok := f.Field(l.duty.state).Choice(code); !ok {
					t.Errorf("%s: no state %s", f.Type, code)
				}
			}
		}
		for _, s := range l.sums {
			if s.field != "" {
				field(s.field, form.Decimal, form.Integer)
			}
			if s.by != "" {
				field(s.by, form.SelectOne, form.SelectMultiple)
			}
		}
	}
}

// listed gives the rows of a list's page, each as its words.
func listed(body string) (rows []string) {
	table := regexp.MustCompile(`(?s)<tbody>.*?</tbody>`).FindString(body)
	for _, tr := range regexp.MustCompile(`(?s)<tr.*?</tr>`).FindAllString(table, -1) {
		rows = append(rows, bare(tr))
	}
	return rows
}

// role makes the laptop that of somebody with another role.
func (f *fixture) role(r identity.Role) {
	f.t.Helper()
	if _, err := f.laptop.SetDevice(f.t.Context(), func(d *store.Device) { d.Assigned.Role = r }); err != nil {
		f.t.Fatal(err)
	}
}

// books writes projects with their money, issues and attendance, and gives the project
// that is late.
func (f *fixture) books() record.ID {
	f.t.Helper()
	f.role(identity.Office)
	add := func(t record.Type, fields map[string]string) record.ID {
		f.wall.Add(1000)
		return f.set(f.laptop, "杜旺火", t, record.ID{}, fields)
	}
	done := add("project", map[string]string{"project_name": "通组路", "project_type": "road", "stage": "completed", "plan_end": "2024-06-30", "approved": "300000.5", "invested": "280000"})
	late := add("project", map[string]string{"project_name": "饮水工程", "project_type": "water", "stage": "started", "plan_end": "2024-12-30", "approved": "120000", "invested": "60000"})
	add("project", map[string]string{"project_name": "光伏电站", "project_type": "pv", "stage": "approved", "plan_end": "2025-09-01", "approved": "80000"})
	for i, one := range []struct {
		project           record.ID
		day, way, n, from string
	}{{late, "2024-03-01", "received", "100000", "county"}, {late, "2024-05-02", "paid", "40000.25", "county"}, {late, "2024-11-20", "paid", "20000", "county"}, {done, "2023-08-01", "received", "300000", "province"}} {
		add("fund", map[string]string{"project": one.project.String(), "fund_date": one.day, "direction": one.way, "amount": one.n, "fund_source": one.from, "doc_no": fmt.Sprintf("赣财〔%d〕号", i), "payee": "石城建筑队"})
	}
	return late
}

// A list has the newest first, or what is most pressing, with sums of all that is asked
// for, and each way of asking leaves out what is not meant.
func TestLists(t *testing.T) {
	f := newFixture(t, true).enter()
	late := f.books()
	f.role(identity.FirstSecretary)

	body := f.get("/records/project").body
	rows := listed(body)
	if len(rows) != 3 || !strings.HasPrefix(rows[0], "饮水工程") || !strings.Contains(rows[0], "过了 10 天") || !strings.HasPrefix(rows[1], "光伏电站") || strings.Contains(rows[1], "过了") || !strings.HasPrefix(rows[2], "通组路") || strings.Contains(rows[2], "过了") {
		t.Errorf("projects:\n%s", strings.Join(rows, "\n"))
	}
	if got := bare(body); !strings.Contains(got, "批复金额 500,000.5 完成投资 340,000") {
		t.Errorf("the sums of projects are wrong: %s", got)
	}
	for query, want := range map[string][]string{
		"?state=late": {"饮水工程"}, "?state=over": {"通组路"}, "?state=open": {"饮水工程", "光伏电站"}, "?project_type=pv": {"光伏电站"},
		"?project_type=pv&state=over": nil, "?project_type=nothing": {"饮水工程", "光伏电站", "通组路"}, "?state=late&village=369999000009": {"饮水工程"},
	} {
		rows := listed(f.get("/records/project" + query).body)
		if len(rows) != len(want) {
			t.Errorf("%s: %q", query, rows)
			continue
		}
		for i, row := range rows {
			if !strings.HasPrefix(row, want[i]) {
				t.Errorf("%s: %q", query, rows)
			}
		}
	}

	// Money by direction, of all and of one project in one year.
	if got := bare(f.get("/records/fund").body); !strings.Contains(got, "到账 400,000 支付 60,000.25") {
		t.Errorf("the sums of funds: %s", got)
	}
	body = f.get("/records/fund?year=2024&month=11&project=" + late.String()).body
	if rows := listed(body); len(rows) != 1 || !strings.HasPrefix(rows[0], "2024年11月20日") || !strings.Contains(bare(body), "只看： 饮水工程") || strings.Contains(bare(body), "到账 1") {
		t.Errorf("funds of one project in November: %q", rows)
	}
	if !strings.Contains(body, "/record/fund/new?project="+late.String()) {
		t.Error("what is new in the list of a project's money is not of that project")
	}
	if rows := listed(f.get("/records/fund?direction=paid").body); len(rows) != 2 || !strings.HasPrefix(rows[0], "2024年11月20日") {
		t.Errorf("payments: %q", rows)
	}

	// A project has its money on its page and in the list, and is late on both.
	if rows := listed(f.get("/records/project").body); !strings.Contains(rows[0], "120,000 100,000 60,000.25") {
		t.Errorf("a project in the list: %s", rows[0])
	}
	body = f.get("/record/project/" + late.String()).body
	if got := bare(body); !strings.Contains(got, "过了 10 天") || !strings.Contains(got, "资金 3 条 到账 100,000 支付 60,000.25") || strings.Contains(got, "300,000") || !strings.Contains(body, "/record/fund/new?project="+late.String()) {
		t.Errorf("the page of a project: %s", got)
	}

	// What is void is still there, marked, and counts in no sum.
	var paid record.ID
	f.laptop.Each("", "fund", func(r store.Record) bool {
		if r.View.Fields["amount"] == "20000" {
			paid = r.Key.ID
		}
		return true
	})
	if _, err := f.laptop.Save(t.Context(), store.Edit{Type: "fund", ID: paid, Author: "杜旺火", Void: "记重了"}); err != nil {
		t.Fatal(err)
	}
	if got := bare(f.get("/records/fund").body); !strings.Contains(got, "到账 400,000 支付 40,000.25") || !strings.Contains(got, "2024年11月20日 已作废") {
		t.Errorf("a void payment: %s", got)
	}
}

// A list of any length is shown page by page: every record once, forwards and back.
func TestListPages(t *testing.T) {
	f := newFixture(t, true).enter()
	var want []string
	err := f.laptop.Each("", visitType, func(r store.Record) bool {
		want = append(want, "/record/visit/"+r.Key.ID.String()+`"`)
		return true
	})
	if err != nil || len(want) <= 2*pageLines {
		t.Fatalf("%d visits, %v: too few for three pages", len(want), err)
	}
	link := regexp.MustCompile(`rel="(prev|next)" href="([^"]*)"`)
	seen := map[string]int{}
	path, back, pages := "/records/visit", "", 0
	var last string
	for path != "" {
		body := f.get(path).body
		if rows := listed(body); len(rows) > pageLines {
			t.Fatalf("%d lines on a page", len(rows))
		}
		for _, w := range want {
			seen[w] += strings.Count(body, w)
		}
		path, last = "", path
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			to := strings.TrimPrefix(strings.ReplaceAll(m[2], "&amp;", "&"), f.site.root)
			if m[1] == "next" {
				path = to
			} else {
				back = to
			}
		}
		pages++
	}
	for w, n := range seen {
		if n != 1 {
			t.Errorf("%s is on %d pages", w, n)
		}
	}
	if len(seen) != len(want) || pages != (len(want)+pageLines-1)/pageLines {
		t.Errorf("%d of %d visits on %d pages", len(seen), len(want), pages)
	}
	// Back from the last page is the page before it, whole.
	body := f.get(back).body
	if rows := listed(body); len(rows) != pageLines || !strings.Contains(body, strings.ReplaceAll(last, "&", "&amp;")) {
		t.Errorf("back from %s to %s: %d lines", last, back, len(listed(body)))
	}
	from := fmt.Sprintf("第 %d–%d 条，共 %d 条", (pages-2)*pageLines+1, (pages-1)*pageLines, len(want))
	if !strings.Contains(bare(body), from) {
		t.Errorf("the page before the last does not say %s", from)
	}
}

// Addresses have codes, days and ids, and never what somebody typed.
func TestListAddresses(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(4)
	a := f.post("/records/visit?year=2024&visit_mode=home", url.Values{"q": {h.name}})
	if !strings.Contains(a.path, "visit_mode=home") || !strings.Contains(a.path, "year=2024") || !strings.Contains(a.path, "s=") || strings.Contains(a.path, url.QueryEscape(h.name)) {
		t.Errorf("a search within a filter leads to %s", a.path)
	}
	for _, row := range listed(a.body) {
		if !strings.Contains(row, h.name) || !strings.Contains(row, "2024年") || !strings.Contains(row, "入户") {
			t.Errorf("found: %s", row)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		if to, err := url.QueryUnescape(m[1]); err != nil || regexp.MustCompile(`\p{Han}`).MatchString(to) {
			t.Errorf("an address with words: %s", to)
		}
	}
}

// What cannot be: a list without any record says what to do, by whom.
func TestEmptyLists(t *testing.T) {
	f := newFixture(t, false).enter()
	if body := f.get("/records/work_log").body; !strings.Contains(body, "点“新建”写第一条") || !strings.Contains(body, "/record/work_log/new") {
		t.Error("an empty list does not say how to begin")
	}
	if body := f.get("/records/project").body; strings.Contains(body, "/record/project/new") || !strings.Contains(body, "同步以后会出现在这里") {
		t.Error("somebody who may not write projects is asked to")
	}
	f.set(f.laptop, "杜旺火", "work_log", record.ID{}, map[string]string{"log_date": "2025-01-08", "content": "陪同县里来的技术员看了两户的茶园", "activities": "产业"})
	if body := f.get("/records/work_log?year=2023").body; !strings.Contains(body, "没有符合这些条件的记录") || strings.Contains(body, "茶园") {
		t.Error("a list in which nothing fits does not say so")
	}
}

// The seven assurances of an exit check are told in one column: how many are met, which
// are not, and which nobody answered.
func TestExitChecksAreTold(t *testing.T) {
	f := newFixture(t, true).enter()
	f.role(identity.FirstSecretary)
	h := f.house(0)
	fields := map[string]string{"household": h.id.String(), "year": "2024", "income": "yes", "food": "yes", "clothing": "yes", "water": "no", "education": "yes", "medical": "yes", "household_signed": "no", "verifier": "王核查"}
	f.set(f.laptop, "杜旺火", "exit_check", record.ID{}, fields)
	if rows := listed(f.get("/records/exit_check?household=" + h.id.String()).body); len(rows) != 1 || !strings.Contains(rows[0], "5/7 达标 · 未达标：饮水 · 没填：住房") {
		t.Errorf("the check is told as %q", rows)
	}
	if rows := listed(f.get("/records/exit_check?household=" + f.house(1).id.String()).body); len(rows) != 0 {
		t.Errorf("of another household: %q", rows)
	}
}

// contains tells whether a text has all the words.
func contains(text string, words ...string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}
