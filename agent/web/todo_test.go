package web

import (
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// entered opens a form, answers some of it and saves.
func (f *fixture) entered(path string, answers ...string) answer {
	f.t.Helper()
	at, body := f.opened(path)
	a := f.post(at+"/save", with(body, answers...))
	if !strings.Contains(a.path, "saved=") {
		f.t.Fatalf("%s is not saved: %d %s", path, a.status, a.path)
	}
	return a
}

// What was promised on a visit stands on the first page with its day, until the next
// visit at which somebody is met; needs are issues at once, until they are closed.
func TestPromisesAndIssues(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(4)
	new := "/record/visit/new?household=" + h.id.String()
	a := f.entered(new, "f.visit_mode", "home", "f.visit_result", "met", "f.findings", "灶台已经修好了",
		"f.promised", "带合作医疗的表来", "f.follow_up", "2025-01-12", "f.needs", "想修水井")
	if !strings.Contains(a.body, "诉求已列入") || !strings.Contains(a.body, "想修水井</a>") {
		t.Error("the page after the save does not tell of the issue")
	}
	var issue record.ID
	f.laptop.Referring(h.id, visitType, noted(func(id record.ID, findings string) {
		if findings == "灶台已经修好了" {
			issue = record.DerivedID(id, "needs")
		}
	}))
	if body := f.get("/record/visit/" + f.lastOf(h.id, "灶台已经修好了").String()).body; !strings.Contains(bare(body), "由此产生的问题 "+h.title()+"：想修水井") {
		t.Error("the visit does not tell of its issue")
	}
	if r := f.record(issueType, issue.String()); r.View.Fields["description"] != record.Text(h.title()+"：想修水井") || r.Way != merge.Local {
		t.Errorf("the issue has %v, %s", r.View.Fields, r.Way)
	}
	if strings.Contains(f.get("/").body, "等别人定") {
		t.Error("what the office has to confirm of a new issue is told as a contradiction")
	}
	section := func() string {
		t.Helper()
		_, rest, _ := strings.Cut(f.get("/").body, "要办的事</h2>")
		list, _, _ := strings.Cut(rest, "</section>")
		return list
	}
	for _, words := range []string{"还有 3 天", "答应：带合作医疗的表来", "想修水井"} {
		if !strings.Contains(section(), words) {
			t.Errorf("the first page lacks %s", words)
		}
	}
	if body := f.get(new).body; !strings.Contains(body, "上次（1月9日）答应：带合作医疗的表来") {
		t.Error("the form of the next visit does not remind of it")
	}
	f.wall.Add(5 * 24 * 3600_000)
	if !strings.Contains(section(), "过了 2 天") {
		t.Error("what is past its day is not told")
	}
	if body := f.get("/todo").body; !strings.Contains(body, "已过期") || !strings.Contains(body, "带合作医疗的表来") {
		t.Error("the page of all that is to be done lacks it")
	}
	// Nobody at home settles nothing; who was met does, if only by telephone.
	f.entered(new, "f.visit_mode", "home", "f.visit_result", "absent", "f.findings", "家里没有人在")
	if !strings.Contains(section(), "带合作医疗的表来") {
		t.Error("a visit to nobody settled what was promised")
	}
	f.entered(new, "f.visit_mode", "phone", "f.visit_result", "met", "f.findings", "表已经在电话里说清")
	if strings.Contains(section(), "带合作医疗的表来") {
		t.Error("a later visit does not settle what was promised")
	}
	f.entered("/record/issue/"+issue.String()+"/edit", "f.issue_status", "closed")
	if strings.Contains(section(), "想修水井") {
		t.Error("a closed issue is still to be done")
	}

	// A task of the year is to be done until it is.
	task := f.set(f.office, "宋芬娥", taskType, record.ID{}, map[string]string{"year": "2025", "target": "修通三组入户路", "owner": "宋芬娥", "due": "2025-01-16", "task_status": "doing"})
	f.pull()
	f.snapshot()
	if !strings.Contains(section(), "修通三组入户路") {
		t.Error("a task is not among what is to be done")
	}
	f.set(f.office, "宋芬娥", taskType, task, map[string]string{"task_status": "done"})
	f.pull()
	f.snapshot()
	if strings.Contains(section(), "修通三组入户路") {
		t.Error("a task that is done is still to be done")
	}
}

// The list of open issues is bounded, and says so; the most pressing are in it.
func TestManyIssues(t *testing.T) {
	s := &snapshot{}
	for i := range 3 * maxDuties {
		due := "2025-01-0" + string(rune('1'+i%9))
		if i == 3*maxDuties-1 {
			due = "2024-01-01"
		}
		s.takeDuty(issueDue(due))
	}
	s.sortDuties()
	if s.open != 3*maxDuties || len(s.duties) != maxDuties || s.duties[0].due != "2024-01-01" || s.duties[maxDuties-1].due > "2025-01-05" {
		t.Errorf("%d open, %d kept, from %s to %s", s.open, len(s.duties), s.duties[0].due, s.duties[len(s.duties)-1].due)
	}
}

// A year of work at one household, for the pages that show it.
func (f *fixture) livedIn(h *house) {
	f.t.Helper()
	house := h.id.String()
	for _, y := range []struct{ year, wage, business, dibao string }{{"2022", "18000", "4200.5", "3600"}, {"2023", "23500", "6100", "3840"}, {"2024", "31200", "5800", ""}} {
		f.set(f.office, "宋芬娥", "income", record.ID{}, map[string]string{
			"household": house, "year": y.year, "wage": y.wage, "business": y.business, "property": "0", "dibao_income": y.dibao,
			"pension_income": "1320", "eco_income": "412.6", "other_transfer": "0", "business_cost": "2100", "members": "3",
		})
	}
	for _, m := range [][]string{
		{"2024", "housing", "C级危房改造，换瓦、加固山墙", "14000", "done", "2024-11-02"},
		{"2024", "education", "小学寄宿生生活补助", "1000", "confirmed", "2024-09-20"},
		{"2023", "industry", "发放脐橙苗120株", "1800", "doing", ""},
	} {
		fields := map[string]string{"household": house, "year": m[0], "measure_type": m[1], "detail": m[2], "amount": m[3], "status": m[4]}
		if m[5] != "" {
			fields["confirmed_date"] = m[5]
		}
		f.set(f.office, "宋芬娥", "measure", record.ID{}, fields)
	}
	f.set(f.office, "宋芬娥", issueType, record.ID{}, map[string]string{
		"description": "三组入户路被山洪冲断20米", "issue_source": "self", "topics": "road", "severity": "2", "owner": "宋芬娥", "found_date": "2024-12-20", "due_date": "2025-01-06", "issue_status": "doing",
	})
	f.pull()
}

// noted gives a store's visits by id and what was found.
func noted(yield func(id record.ID, findings string)) func(store.Record) bool {
	return func(r store.Record) bool {
		text, _ := r.View.Fields["findings"].Text()
		yield(r.Key.ID, text)
		return true
	}
}

// issueDue is an open issue with a day.
func issueDue(day string) *store.Record {
	return &store.Record{Key: record.Key{Type: issueType}, View: merge.View{Fields: map[string]record.Value{"issue_status": record.Text("open"), "due_date": record.Text(day)}}}
}
