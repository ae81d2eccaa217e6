package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// ledgered fills the ledger of the first village, and gives an issue and an inspection.
func (f *fixture) ledgered() (issue, inspection record.Key) {
	f.t.Helper()
	for _, x := range [][]string{
		{"issue", "open", "description", "李家坪水井浑浊，十一户改喝河水", "due_date", "2025-01-20", "severity", "3"},
		{"issue", "doing", "description", "贫困户档案三份缺签字", "due_date", "2025-01-02", "owner", "杜旺火"},
		{"issue", "closed", "description", "公示栏没有更新", "due_date", "2024-12-10"},
		{"task", "doing"}, {"task", "planned", "target", "培训种植户两期", "due", "2024-12-31"},
		{"project", "started"}, {"project", "idea", "project_name", "村卫生室改造", "plan_end", "2025-09-30"},
	} {
		more := map[string]string{}
		for i := 2; i < len(x); i += 2 {
			more[x[i]] = x[i+1]
		}
		f.begun(record.Type(x[0]), x[1], more)
	}
	issue = f.begun("issue", "submitted", nil)
	v := small[0].Code
	l := f.laptop("登记员", identity.Office, v)
	inspection = record.Key{Village: v, Type: "inspection", ID: record.ID{0: 0xfd, 6: 0x70, 8: 0x80}}
	l.send(v, l.change(inspection, nil, map[string]string{"inspect_date": "2025-01-05", "inspector": "周督查、吴督查", "inspect_mode": "surprise", "on_post": "2", "findings": "队员在岗，台账齐全，个别户不知晓措施。", "issues": issue.ID.String()}))
	for i, x := range [][2]string{{"yes", "very"}, {"no", "fair"}, {"yes", "satisfied"}} {
		k := record.Key{Village: v, Type: "inspection_sample", ID: record.ID{0: 0xfc, 1: byte(i), 6: 0x70, 8: 0x80}}
		l.send(v, l.change(k, nil, map[string]string{"inspection": inspection.ID.String(), "knows_measures": x[0], "satisfaction": x[1]}))
	}
	return issue, inspection
}

var ledgerRows = regexp.MustCompile(`(?s)<tr><th scope="row"><a href="[^"]*">([^<]*)</a>`)

// listed gives the titles of a ledger's lines.
func (a answer) listed() string {
	var words []string
	for _, m := range ledgerRows.FindAllStringSubmatch(a.body, -1) {
		words = append(words, m[1])
	}
	return strings.Join(words, "|")
}

// Each row is a list as somebody asks for it, and what it shows.
func TestLedger(t *testing.T) {
	f := newFixture(t, small...)
	f.ledgered()
	f.account(identity.SponsorUnit)
	const broken, well, files = "三组入户路被山洪冲断", "李家坪水井浑浊，十一户改喝河水", "贫困户档案三份缺签字"
	tests := []struct{ who, path, want string }{
		{"office", "/ledger", broken + "|" + files + "|" + well},
		{"sponsor_unit", "/ledger", broken + "|" + files + "|" + well},
		{"office", "/ledger?state=closed", "公示栏没有更新"},
		{"office", "/ledger?state=all", "公示栏没有更新|" + broken + "|" + files + "|" + well},
		{"office", "/ledger?late=1", broken + "|" + files},
		{"office", "/ledger?late=1&state=doing", files},
		{"office", "/ledger?w.severity=3", well},
		{"office", "/ledger?w.owner=%E6%9D%9C%E6%97%BA%E7%81%AB", files},
		{"office", "/ledger?village=369999000002", ""},
		{"office", "/ledger?township=" + url.QueryEscape(small[0].Township), broken + "|" + files + "|" + well},
		{"office", "/ledger?township=" + url.QueryEscape(small[1].Township), ""},
		{"office", "/ledger?township=nowhere", ""},
		{"office", "/ledger/task", "培训种植户两期|硬化入户路1.2公里"},
		{"office", "/ledger/project", "水厂扩建|村卫生室改造"},
		{"office", "/ledger/inspection", "2025-01-05"},
	}
	for _, tt := range tests {
		a := f.as(tt.who).get(tt.path)
		if a.status != http.StatusOK || a.listed() != tt.want {
			t.Errorf("%s %s: %d %q, want %q", tt.who, tt.path, a.status, a.listed(), tt.want)
		}
	}
	office := f.as("office")
	a := office.get("/ledger")
	for _, want := range []string{"未完成 <strong>3</strong>", "超期 <strong>2</strong>", "待核验 <strong>1</strong>", "已销号 <strong>1</strong>", "退回 <strong>0</strong>", "超期 20 天", "超期 7 天"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %q", want)
		}
	}
	if a := office.get("/ledger/inspection"); !strings.Contains(a.body, "1 个，未完成 1 个，超期 1 个") {
		t.Error("what came of the inspection is not said")
	}
	// What is exported is what is listed.
	for path, want := range map[string]string{
		"ledger=1": broken + well + files, "ledger=1&late=1": broken + files, "ledger=1&state=closed": "公示栏没有更新", "ledger=1&late=1&state=closed": "", "ledger=1&village=369999000002": "",
	} {
		a := office.get("/export/issue?format=jsonl&" + path)
		n := 0
		for _, words := range []string{broken, well, files, "公示栏没有更新"} {
			if strings.Contains(want, words) != strings.Contains(a.body, words) {
				t.Errorf("%s: %q in the file: %v", path, words, !strings.Contains(want, words))
			} else if strings.Contains(want, words) {
				n++
			}
		}
		if lines := strings.Count(a.body, "\n"); lines != n {
			t.Errorf("%s: %d lines, want %d", path, lines, n)
		}
	}
	if f.as("sponsor_unit").get("/ledger?village=369999000002").status != http.StatusNotFound {
		t.Error("the sponsor unit sees another village")
	}
	for _, path := range []string{"/ledger?state=later", "/ledger?after=x"} {
		if a := office.get(path); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := office.get("/ledger/household"); a.status != http.StatusNotFound {
		t.Errorf("households have a ledger: %d", a.status)
	}
}

// An inspector enters an inspection, the households that were sampled, and the issues that
// came of it; a form that is sent twice makes one record.
func TestInspectorEnters(t *testing.T) {
	f := newFixture(t, small...)
	f.account(identity.Inspector)
	v := f.as("inspector")
	if a := v.get("/ledger/inspection"); !strings.Contains(a.body, `href="/records/inspection/new"`) {
		t.Fatal("no way to enter one")
	}
	if a := v.get("/records/inspection/new"); !strings.Contains(a.body, `name="village"`) || strings.Contains(a.body, `name="_id"`) {
		t.Error("the village is not asked for first")
	}
	page := v.get("/records/inspection/new?village=369999000001")
	id := regexp.MustCompile(`name="_id" value="([^"]+)"`).FindStringSubmatch(page.body)[1]
	if !strings.Contains(page.body, `value="2025-01-09"`) || !strings.Contains(page.body, `value="inspector"`) {
		t.Error("what is known is not offered")
	}
	answers := url.Values{"_id": {id}, "f.inspect_date": {"2025-01-09"}, "f.inspector": {"inspector"}, "f.inspect_mode": {"planned"}, "f.on_post": {"two"}, "f.findings": {"都在岗"}}
	if a := v.post("/records/inspection/new?village=369999000001", page, answers); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "都在岗") {
		t.Errorf("what cannot be read: %d", a.status)
	}
	answers.Set("f.on_post", "2")
	a := v.post("/records/inspection/new?village=369999000001", page, answers)
	again := v.post("/records/inspection/new?village=369999000001", page, answers)
	if !strings.Contains(a.path, id) || again.path != a.path || !strings.Contains(a.body, texts["edit.said.created"].zh) {
		t.Fatalf("%d %s", a.status, a.path)
	}
	parsed, _ := record.ParseID(id)
	k := record.Key{Village: small[0].Code, Type: "inspection", ID: parsed}
	if n := len(f.entries(k)); n != 1 {
		t.Errorf("%d changes", n)
	}
	add := regexp.MustCompile(`href="(/records/issue/new[^"]+)"`).FindStringSubmatch(v.get(href(k)).body)
	if add == nil {
		t.Fatal("no way to add an issue")
	}
	to := strings.ReplaceAll(add[1], "&amp;", "&")
	page = v.get(to)
	issue := regexp.MustCompile(`name="_id" value="([^"]+)"`).FindStringSubmatch(page.body)[1]
	f.pass(time.Minute)
	a = v.post(to, page, url.Values{"_id": {issue}, "f.description": {"两户不知晓措施"}, "f.issue_source": {"inspection"}, "f.issue_status": {"open"}, "f.topics": {"awareness"}, "f.severity": {"1"}, "f.owner": {"宋芬娥"}, "f.found_date": {"2025-01-09"}, "f.due_date": {"2025-01-01"}})
	if !strings.Contains(a.path, issue) || !strings.Contains(a.body, "不能早于发现日期") {
		t.Fatalf("%d %s: an issue with a broken rule is saved and marked", a.status, a.path)
	}
	if got := f.get(k).View.Fields["issues"].Texts(); len(got) != 1 || got[0] != issue {
		t.Errorf("the inspection names %v", got)
	}
	if a := v.get(href(k)); !strings.Contains(a.body, "两户不知晓措施") || !strings.Contains(a.body, "待整改") {
		t.Error("its page does not show the issue and its state")
	}
	// What is not its to make it does not make.
	for _, typ := range []string{"task", "project", "household", "visit"} {
		if a := v.post("/records/"+typ+"/new?village=369999000001", page, url.Values{"_id": {"0190a000-0000-7000-8000-000000000009"}, "f.target": {"x"}}); a.status != http.StatusForbidden {
			t.Errorf("an inspector makes a %s: %d", typ, a.status)
		}
	}
	office := f.as("office")
	page = office.get("/records/task/new?village=369999000002")
	task := regexp.MustCompile(`name="_id" value="([^"]+)"`).FindStringSubmatch(page.body)[1]
	office.post("/records/task/new?village=369999000002", page, url.Values{"_id": {task}, "f.target": {"通自来水"}, "f.year": {"2025"}, "f.owner": {"王书记"}, "f.due": {"2025-12-31"}, "f.task_status": {"planned"}})
	if a := office.get("/ledger/task"); a.listed() != "通自来水" {
		t.Error(a.listed())
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}

// A sponsor unit replies to an issue of its village; the reply stands beside what the
// village wrote, and replaces nothing of it.
func TestReply(t *testing.T) {
	f := newFixture(t, small...)
	k := f.begun("issue", "doing", map[string]string{"action": "已联系水利局"})
	f.account(identity.SponsorUnit)
	v := f.as("sponsor_unit")
	page := v.get(href(k))
	id := regexp.MustCompile(`name="_id" value="([^"]+)"`).FindStringSubmatch(page.body)
	if id == nil {
		t.Fatal("no place to reply")
	}
	for _, words := range []string{" ", strings.Repeat("长", 501)} {
		if a := v.post(href(k)+"/reply", page, url.Values{"_id": {id[1]}, "content": {words}}); !strings.Contains(a.body, texts["edit.said.reply.bad"].zh) {
			t.Errorf("%d characters are a reply", len([]rune(words)))
		}
	}
	said := url.Values{"_id": {id[1]}, "content": {"我厅安排5万元，\n三月到位。"}, "unit": {"水利厅"}}
	v.post(href(k)+"/reply", page, said)
	a := v.post(href(k)+"/reply", page, said)
	if n := strings.Count(a.body, "我厅安排5万元"); n != 1 || !strings.Contains(a.body, "水利厅（sponsor_unit）") || !strings.Contains(a.body, "已联系水利局") {
		t.Errorf("%d times on the page\n%s", n, a.body)
	}
	if rec := f.get(k); rec.View.Fields["action"] != record.Text("已联系水利局") || len(rec.View.Proposals)+len(rec.View.Conflicts) > 0 {
		t.Errorf("%+v", rec.View)
	}
	other := f.laptop("登记员", identity.Office, f.codes()...)
	away := record.Key{Village: small[1].Code, Type: "issue", ID: record.ID{0: 0xfb, 6: 0x70, 8: 0x80}}
	other.send(away.Village, other.change(away, nil, map[string]string{"description": "别村的"}))
	if a := v.post(href(away)+"/reply", page, said); a.status != http.StatusNotFound {
		t.Errorf("in another village: %d", a.status)
	}
}
