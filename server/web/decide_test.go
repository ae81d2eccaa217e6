package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// disputeForm gives the fields of the n-th dispute on a page, and the dots of its
// claims.
func disputeForm(t *testing.T, a answer, n int) (url.Values, []string) {
	t.Helper()
	parts := strings.Split(a.body, `<form class="dispute"`)
	if len(parts) <= n+1 {
		t.Fatalf("%d disputes on the page", len(parts)-1)
	}
	values := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(parts[n+1], -1) {
		values.Set(m[1], m[2])
	}
	var dots []string
	for _, m := range regexp.MustCompile(`name="take" value="([0-9a-f]+:[0-9]+)"`).FindAllStringSubmatch(parts[n+1], -1) {
		dots = append(dots, m[1])
	}
	return values, dots
}

func with(values url.Values, pairs ...string) url.Values {
	out := mapsClone(values)
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

func TestDecide(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrel(house)
	v := f.as("office")
	if err := f.access.AddAccount(t.Context(), "second", password, []identity.Role{identity.Office}, ""); err != nil {
		t.Fatal(err)
	}
	other := f.as("second")
	page := v.get("/conflicts?kind=conflict")
	form, dots := disputeForm(t, page, 0)
	if len(dots) != 2 {
		t.Fatalf("claims %v", dots)
	}
	theirs := other.get("/conflicts?kind=conflict")
	stale, _ := disputeForm(t, theirs, 0)

	if a := v.post("/decide", page, with(form, "take", dots[0])); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "请先写明理由") {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := v.post("/decide", page, with(form, "take", "value", "value", "没有这一项", "reason", "试")); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "试") {
		t.Errorf("a value that cannot be read: %d", a.status)
	}
	// A third person's value, given with a reason.
	if a := v.post("/decide", page, with(form, "take", "value", "value", "schooling", "reason", "村里核实")); a.status != 200 || !strings.Contains(a.path, "done=") {
		t.Fatalf("%d %s\n%s", a.status, a.path, a.body)
	}
	if got, _ := f.get(house.Key).View.Fields["main_cause"].Text(); got != "schooling" {
		t.Errorf("main_cause is %q", got)
	}
	// The second is told what the first decided.
	a := other.post("/decide", theirs, with(stale, "take", dots[1], "reason", "我看是另一个"))
	for _, want := range []string{"已经有人定了", "office", "因学", "村里核实"} {
		if a.status != http.StatusConflict || !strings.Contains(a.body, want) {
			t.Errorf("the second decider: %d, without %q", a.status, want)
		}
	}
	// The proposal is refused: the standing value is taken again.
	page = v.get("/conflicts?kind=proposal")
	form, dots = disputeForm(t, page, 0)
	if a := v.post("/decide", page, with(form, "take", dots[0], "reason", "维持")); a.status != 200 {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if n := len(f.waiting()); n != 0 {
		t.Errorf("%d still wait", n)
	}
	// What a rule put behind is taken back from the record's page.
	page = v.get(href(house.Key))
	form, dots = disputeForm(t, page, 0)
	if form.Get("kind") != "other" || form.Get("path") != "phone" {
		t.Fatalf("%v", form)
	}
	if a := v.post("/decide", page, with(form, "take", dots[0], "reason", "打通了")); a.status != 200 || !strings.HasPrefix(a.path, href(house.Key)) {
		t.Fatalf("%d %s", a.status, a.path)
	}
	if got, _ := f.get(house.Key).View.Fields["phone"].Text(); got != "13800138000" {
		t.Errorf("phone is %q", got)
	}
	if faults := f.verify(); faults != 0 {
		t.Errorf("%d faults", faults)
	}
}

// A value that came in while the page was open is not decided away.
func TestDecideUnseen(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	f.quarrelIn(house, "group_name", "坳背组", "新屋组")
	v := f.as("office")
	page := v.get("/conflicts")
	form, dots := disputeForm(t, page, 0)
	third := f.laptop("刘专干", identity.VillageClerk, house.Village)
	third.send(house.Village, third.change(house.Key, house.State, map[string]string{"group_name": "塘角组"}))
	if a := v.post("/decide", page, with(form, "take", dots[0], "reason", "核实")); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	if rec := f.get(house.Key); len(rec.View.Conflicts["group_name"]) != 2 {
		t.Errorf("conflicts %v; want what was decided against what nobody had seen", rec.View.Conflicts)
	}
}

// Void is said of what was on the page: an edit that came in while it was open
// speaks for the record again. Each row is what was decided, with or without
// such an edit, and how the record then stands.
func TestDecideVoid(t *testing.T) {
	for _, tt := range []struct {
		take          string
		late          bool
		void, waiting bool
	}{
		{"void", false, true, false},
		{"void", true, false, true},
		{"alive", false, false, false},
		{"alive", true, false, false},
	} {
		f := filled(t)
		house := f.first(small[0].Code, "household", 0)
		a, b, c := f.laptop("宋芬娥", identity.FirstSecretary, house.Village), f.laptop("杜旺火", identity.TeamMember, house.Village), f.laptop("刘专干", identity.VillageClerk, house.Village)
		edit := b.change(house.Key, house.State, map[string]string{"phone": "13900139000"})
		void := a.change(house.Key, house.State, nil)
		void.Body = []record.Write{{Path: record.Life, Value: house.State.Void("重复登记")}}
		a.send(house.Village, void)
		b.send(house.Village, edit)
		v := f.as("office")
		page := v.get("/conflicts")
		form, _ := disputeForm(t, page, 0)
		if tt.late {
			c.send(house.Village, c.change(house.Key, f.get(house.Key).State, map[string]string{"phone": "13700137000"}))
		}
		if a := v.post("/decide", page, with(form, "take", tt.take, "reason", "核实")); a.status != 200 {
			t.Fatalf("%+v: %d\n%s", tt, a.status, a.body)
		}
		view := f.get(house.Key).View
		if view.Void != tt.void || (len(view.Conflicts[record.Life]) > 0) != tt.waiting {
			t.Errorf("%+v: void %v, conflicts %v", tt, view.Void, view.Conflicts)
		}
		if a := v.post("/decide", page, with(form, "take", "", "reason", "核实")); a.status != http.StatusBadRequest {
			t.Errorf("neither void nor alive: %d", a.status)
		}
		if tt.waiting != strings.Contains(v.get("/conflicts?kind=conflict").body, `class="dispute"`) {
			t.Errorf("%+v: the page does not show what waits", tt)
		}
	}
}

func TestQuarantine(t *testing.T) {
	f := filled(t)
	one, two := f.first(small[0].Code, "household", 0), f.first(small[0].Code, "household", 1)
	f.stray(one)
	f.stray(two)
	v := f.as("office")
	page := v.get("/quarantine")
	if !strings.Contains(page.body, "没有在这台电脑上登记") {
		t.Error("the page does not say why")
	}
	first, _ := disputeForm(t, page, 0)
	second, _ := disputeForm(t, page, 1)
	if a := v.post("/quarantine", page, with(first, "do", "accept")); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := v.post("/quarantine", page, with(first, "do", "reject", "reason", strings.Repeat("长", 201))); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "理由最多 200 个字") {
		t.Errorf("a reason that the laptop would get cut: %d", a.status)
	}
	if a := v.post("/quarantine", page, with(first, "do", "accept", "reason", "是本人")); a.status != 200 {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if a := v.post("/quarantine", page, with(second, "do", "reject", "reason", "查无此人")); a.status != 200 {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if a := v.post("/quarantine", page, with(second, "do", "accept", "reason", "再看")); a.status != http.StatusConflict || !strings.Contains(a.body, "查无此人") {
		t.Errorf("the second decider: %d", a.status)
	}
	names := map[string]bool{}
	for _, r := range []record.Key{one.Key, two.Key} {
		name, _ := f.get(r).View.Fields["group_name"].Text()
		names[name] = true
	}
	if !names["新屋组"] || len(names) != 2 {
		t.Errorf("groups %v; want one of them changed", names)
	}
	if a := v.get("/quarantine"); !strings.Contains(a.body, "隔离区是空的") {
		t.Error("the quarantine is not empty")
	}
}

// Masked fields show four characters everywhere, in full only for a reason, and
// that is in the audit.
func TestMasked(t *testing.T) {
	f := filled(t)
	const account = "6228480402564890018"
	house := f.first(small[0].Code, "household", 0)
	l := f.laptop("登记员", identity.Office)
	l.send(house.Village, l.change(house.Key, house.State, map[string]string{"bank_account": account}))
	f.quarrelIn(f.get(house.Key), "bank_account", account[:18]+"1", account[:18]+"2")
	v := f.as("office")
	record := v.get(href(house.Key))
	for _, path := range []string{href(house.Key), "/conflicts", "/export/household?format=csv", "/export/household?format=jsonl", "/export/household?format=jsonl&w.bank_account=" + account} {
		if a := v.get(path); strings.Contains(a.body, account[:10]) {
			t.Errorf("%s shows the number", path)
		}
	}
	// Nor can a number be guessed: lists are not filtered by it.
	if a := v.get("/records/household?w.bank_account=1"); !strings.Contains(a.body, "共 36 条") {
		t.Error("a list is filtered by a masked field")
	}
	if a := v.post(href(house.Key)+"/full", record, url.Values{"reason": {" "}}); strings.Contains(a.body, account[:10]) {
		t.Error("shown in full without a reason")
	}
	a := v.post(href(house.Key)+"/full", record, url.Values{"reason": {"发放补助核对"}})
	if !strings.Contains(a.body, account) {
		t.Errorf("not shown in full: %d", a.status)
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "view", Limit: 5})
	if err != nil || len(notes) != 1 || notes[0].Who != "office" || notes[0].Reason != "发放补助核对" || !strings.Contains(notes[0].Subject, house.ID.String()) {
		t.Errorf("audit %+v, %v", notes, err)
	}
}

func TestDevicesAndAccounts(t *testing.T) {
	f := newFixture(t, small...)
	l := f.laptop("杜旺火", identity.TeamMember, small[0].Code)
	v := f.as("admin")
	page := v.get("/devices")
	a := v.post("/devices/code", page, url.Values{"name": {"王队员"}, "role": {"team_member"}, "village": {string(small[0].Code)}, "ttl": {"24"}})
	m := regexp.MustCompile(`<code>(ZC1-[A-Z2-7-]+)</code>`).FindStringSubmatch(a.body)
	if m == nil || !strings.Contains(a.body, "<path d=\"M") {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if c, err := identity.ParseCode(m[1]); err != nil || c.URL != "http://127.0.0.1" {
		t.Errorf("code %+v, %v", c, err)
	}
	if a := v.post("/devices/code", page, url.Values{"name": {"office"}, "role": {"team_member"}, "village": {string(small[0].Code)}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "登录名") {
		t.Errorf("a login as a name: %d", a.status)
	}
	path := "/devices/" + string(l.device.ID)
	v.post(path+"/profile", page, url.Values{"name": {"曹彤倩"}})
	if a := v.post(path+"/revoke", page, nil); a.status != http.StatusUnprocessableEntity {
		t.Errorf("revoked without a sure hand: %d", a.status)
	}
	v.post(path+"/revoke", page, url.Values{"sure": {"1"}})
	d, err := f.store.Device(t.Context(), l.device.ID)
	if err != nil || len(d.Profiles) != 2 || !d.Revoked() {
		t.Errorf("%+v, %v", d, err)
	}

	page = v.get("/accounts")
	a = v.post("/accounts", page, url.Values{"login": {"张处"}, "role": {"leader"}})
	made := regexp.MustCompile(`<code>([a-z2-7-]+)</code>`).FindStringSubmatch(a.body)
	if made == nil {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if a := f.visitor().signIn("张处", made[1]); a.path != "/leaders" {
		t.Errorf("the new leader came to %s", a.path)
	}
	if a := v.post("/accounts", page, url.Values{"login": {"张处"}, "role": {"leader"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("the same account twice: %d", a.status)
	}
	if a := v.post("/accounts", page, url.Values{"login": {"李处"}, "role": {"team_member"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an account with a role that has no pages: %d", a.status)
	}
}

// A list leads through all records once, page by page.
func TestPaging(t *testing.T) {
	f := filled(t)
	v := f.as("office")
	for _, typ := range []string{"visit", "person", "household", "team_post"} {
		seen := map[string]int{}
		next := "/records/" + typ
		for next != "" {
			a := v.get(next)
			for _, m := range regexp.MustCompile(`<th scope="row"><a href="(/record/[^"]+)"`).FindAllStringSubmatch(a.body, -1) {
				seen[m[1]]++
			}
			m := regexp.MustCompile(`<p class="pager"><a class="button" href="([^"]+)"`).FindStringSubmatch(a.body)
			if next = ""; m != nil {
				next = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		counts, err := f.store.TypeCounts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != counts[record.Type(typ)] {
			t.Errorf("%s: %d of %d seen", typ, len(seen), counts[record.Type(typ)])
		}
		for path, n := range seen {
			if n > 1 {
				t.Errorf("%s: %s twice", typ, path)
			}
		}
	}
	house := f.first(small[0].Code, "household", 3)
	name, _ := house.View.Fields["head_name"].Text()
	for path, want := range map[string]string{
		"/records/household?q=" + url.QueryEscape(name):                                                       href(house.Key),
		"/records/visit?q=" + url.QueryEscape(name):                                                           name,
		"/records/person?village=" + string(house.Village) + "&w.household=" + house.ID.String():              name,
		"/records/household?w.poverty_status=nonsense":                                                        "没有看懂这个请求",
		"/records/household?life=void":                                                                        "没有符合条件的记录",
		"/records/visit?after=" + "bm9uc2Vuc2U":                                                               "没有看懂这个请求",
		"/records/household?village=" + string(house.Village) + "&w.poverty_attr=non_poor&q=%25_%5C%27%22%3B": "没有符合条件的记录",
	} {
		if a := v.get(path); !strings.Contains(a.body, want) {
			t.Errorf("%s: without %q", path, want)
		}
	}
}
