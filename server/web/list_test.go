package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/identity"
)

var rowLink = regexp.MustCompile(`<th scope="row"><a href="([^"]+)"`)

// rowsOf gives where the rows of a page lead.
func rowsOf(a answer) (to []string) {
	for _, m := range rowLink.FindAllStringSubmatch(a.body, -1) {
		to = append(to, m[1])
	}
	return to
}

// A household is found by its head's name however it is typed, on the first page and in
// the list; by the last four of a number only by who may see the number.
func TestFinding(t *testing.T) {
	f := filled(t)
	f.account(identity.Inspector)
	f.account(identity.SponsorUnit)
	v := small[0].Code
	person, house := f.first(v, "person", 0), f.first(v, "household", 0)
	l := f.laptop("宋芬娥", identity.FirstSecretary, v)
	l.send(v, l.change(person.Key, person.State, map[string]string{"id_number": "11010519491231002X", "full_name": "单小曾"}),
		l.change(house.Key, house.State, map[string]string{"head_name": "单小曾"}))
	visitors := map[string]*visitor{"office": f.as("office"), "inspector": f.as("inspector"), "sponsor_unit": f.as("sponsor_unit")}
	finds := func(who, path string, want ...string) {
		t.Helper()
		a := visitors[who].get(path)
		if a.status != http.StatusOK {
			t.Fatalf("%s at %s: %d", who, path, a.status)
		}
		got := rowsOf(a)
		for _, to := range want {
			if !strings.Contains(strings.Join(got, " "), to) {
				t.Errorf("%s at %s: %q lacks %s", who, path, got, to)
			}
		}
		if len(want) == 0 && len(got) > 0 {
			t.Errorf("%s at %s: %q", who, path, got)
		}
	}
	for _, typed := range []string{"单小曾", "shanxiaozeng", "danxiaoceng", "sxz", "SXZ", "shanxz", "单小", "小曾"} {
		finds("office", "/records?q="+url.QueryEscape(typed), href(person.Key), href(house.Key))
		finds("office", "/records/household?q="+url.QueryEscape(typed), href(house.Key))
		finds("inspector", "/records/household?village="+string(v)+"&q="+url.QueryEscape(typed), href(house.Key))
	}
	for _, typed := range []string{"002x", "11010519491231002X"} {
		finds("office", "/records/person?q="+typed, href(person.Key))
		finds("sponsor_unit", "/records/person?q="+typed, href(person.Key))
		finds("inspector", "/records/person?q="+typed)
		finds("inspector", "/records?q="+typed)
	}
	finds("office", "/records/person?q=1101051949")
	// The sponsor unit finds nobody of another village.
	away := f.first(small[1].Code, "household", 0)
	name, _ := away.View.Fields["head_name"].Text()
	for _, to := range rowsOf(visitors["sponsor_unit"].get("/records?q=" + url.QueryEscape(name))) {
		if strings.Contains(to, string(small[1].Code)) {
			t.Errorf("the sponsor unit finds %s", to)
		}
	}
	if body := visitors["office"].get("/records?q=" + url.QueryEscape("没有这个人")).body; !strings.Contains(body, "没有找到“没有这个人”") {
		t.Error("who is not there is not told")
	}
}

// Each row is an address of a list and how it is answered: nothing that is out of range is
// taken for something else.
func TestListParameters(t *testing.T) {
	f := filled(t)
	f.account(identity.Inspector)
	as, inspector := f.as("office"), f.as("inspector")
	for _, tt := range []struct {
		query  string
		status int
	}{
		{"", 200},
		{"?life=alive", 200},
		{"?life=dead", 400},
		{"?q=" + strings.Repeat("%E7%8E%8B", 200), 200},
		{"?q=" + strings.Repeat("%E7%8E%8B", 201), 400},
		{"?q=%00%27%22%25", 200},
		{"?village=369999999999", 404},
		{"?w.poverty_attr=nonsense", 400},
		{"?w.arable_mu=many", 400},
		{"?from.registered_date=2016-01-01&to.registered_date=2016-12-31", 200},
		{"?from.registered_date=2016-13-01", 400},
		{"?to.arable_mu=x", 400},
		{"?from.arable_mu=-1&to.arable_mu=100000", 200},
		{"?from.head_name=a", 200}, // no span: no condition
		{"?sort=head_name&down=1", 200},
		{"?sort=registered_date", 200},
		{"?sort=updated_at", 200},
		{"?sort=bank_account", 400},
		{"?sort=photos", 400},
		{"?sort=nothing", 400},
		{"?sort=head_name&down=2", 400},
		{"?c=head_name&c=phone&c=nothing", 200},
		{"?after=nonsense", 400},
		{"?after=" + strings.Repeat("A", 3000), 400},
		{"?after=" + writePlace(store.Place{Value: "x", Village: "y", ID: "z"}), 200},
	} {
		if a := as.get("/records/household" + tt.query); a.status != tt.status {
			t.Errorf("%s: %d, want %d", tt.query, a.status, tt.status)
		}
	}
	if a := as.get("/records/nothing"); a.status != 404 {
		t.Errorf("a type that is none: %d", a.status)
	}
	if a := as.get("/records?q=" + strings.Repeat("a", 201)); a.status != 400 {
		t.Errorf("too long: %d", a.status)
	}
	// What is hidden neither sorts nor shows nor is a condition.
	if a := inspector.get("/records/person?sort=health"); a.status != 400 {
		t.Errorf("an inspector orders by health: %d", a.status)
	}
	if a := inspector.get("/records/person?c=health&c=id_number&c=full_name"); strings.Contains(a.body, "健康状况") || strings.Contains(a.body, "证件号") {
		t.Error("an inspector chooses hidden columns")
	}
	// What a form leaves empty is not kept in the address.
	if a := as.get("/records/household?q=&village=&life=alive&w.poverty_attr=&c=head_name&c=group_name"); a.path != "/records/household?life=alive&c=group_name&c=head_name" {
		t.Errorf("it leads to %s", a.path)
	}
}

// Pages in an order have all records once, from the smallest to the largest and back.
func TestListOrder(t *testing.T) {
	f := filled(t)
	as := f.as("office")
	next := regexp.MustCompile(`<p class="pager">.*?href="([^"]+)"`)
	walk := func(path string) (all []string) {
		for range 20 {
			a := as.get(path)
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d", path, a.status)
			}
			all = append(all, rowsOf(a)...)
			m := next.FindStringSubmatch(a.body)
			if m == nil {
				return all
			}
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		t.Fatal("no end")
		return nil
	}
	up, down := walk("/records/visit?sort=visit_mode"), walk("/records/visit?sort=visit_mode&down=1")
	seen := map[string]bool{}
	for _, to := range up {
		seen[to] = true
	}
	if len(up) != 260 || len(seen) != 260 || len(down) != 260 || up[0] != down[259] {
		t.Errorf("%d, %d different, %d back", len(up), len(seen), len(down))
	}
	if n := len(walk("/records/visit?from.visit_date=2024-01-01&to.visit_date=2024-06-30")); n == 0 || n >= 260 {
		t.Errorf("half a year has %d visits", n)
	}
}

// A list is saved by name, for oneself or the office; nobody removes another's, and what an
// inspector saves asks nothing that is hidden.
func TestSavedViews(t *testing.T) {
	f := filled(t)
	f.account(identity.Inspector)
	if err := f.access.AddAccount(t.Context(), "second", password, []identity.Role{identity.Office}, ""); err != nil {
		t.Fatal(err)
	}
	as, other, inspector := f.as("office"), f.as("second"), f.as("inspector")
	list := as.get("/records/household?w.water_safe=no&sort=head_name")
	save := func(v *visitor, name, query, shared string) answer {
		return v.post("/records/household/views", v.get("/me"), url.Values{"name": {name}, "query": {query}, "shared": {shared}})
	}
	if !strings.Contains(list.body, `name="query" value="sort=head_name`) && !strings.Contains(list.body, `value="w.water_safe=no&amp;sort=head_name"`) {
		t.Error("the list cannot be saved")
	}
	if a := save(as, "缺水户", "w.water_safe=no&sort=head_name&after=x&c=phone", "1"); a.status != 200 || !strings.Contains(a.body, ">缺水户</a>") {
		t.Errorf("saved: %d", a.status)
	}
	save(as, "我的", "life=alive", "")
	if body := other.get("/records/household").body; !strings.Contains(body, ">缺水户（office）</a>") || strings.Contains(body, ">我的") {
		t.Error("another at the office has not what is shared, or what is not")
	}
	if body := other.get("/records/person").body; strings.Contains(body, "缺水户") {
		t.Error("it is a list of households")
	}
	if body := inspector.get("/records/household").body; strings.Contains(body, "缺水户") {
		t.Error("an inspector has what the office shares")
	}
	save(inspector, "健康", "w.poverty_attr=dibao", "1")
	if body := as.get("/records/household").body; strings.Contains(body, ">健康") {
		t.Error("an inspector shares")
	}
	views, err := f.store.SavedViews(t.Context(), "office", "household", true)
	if err != nil || len(views) != 2 {
		t.Fatalf("%+v, %v", views, err)
	}
	for _, v := range views {
		if strings.Contains(v.Query, "after") {
			t.Errorf("%s has a page: %s", v.Name, v.Query)
		}
		if a := other.post("/views/"+v.ID+"/drop", other.get("/me"), nil); a.status != http.StatusNotFound {
			t.Errorf("another removes %s: %d", v.Name, a.status)
		}
	}
	for _, tt := range []struct {
		name, query string
		status      int
	}{
		{"", "life=alive", 422}, {strings.Repeat("长", 31), "life=alive", 422}, {"x", "life=dead", 400}, {"x", "%zz", 400}, {"x", "village=1", 404},
	} {
		if a := save(as, tt.name, tt.query, ""); a.status != tt.status {
			t.Errorf("%q %q: %d, want %d", tt.name, tt.query, a.status, tt.status)
		}
	}
	for i := range 30 {
		save(as, strings.Repeat("n", i%30+1)+string(rune('a'+i)), "life=alive", "")
	}
	if a := save(as, "一个更多", "life=alive", ""); a.status != 422 || !strings.Contains(a.body, "存得太多了") {
		t.Errorf("without end: %d", a.status)
	}
	for _, v := range views {
		if a := as.post("/views/"+v.ID+"/drop", as.get("/me"), url.Values{"back": {"//evil.example"}}); a.path != "/records" {
			t.Errorf("removed: leads to %s", a.path)
		}
	}
	if body := other.get("/records/household").body; strings.Contains(body, "缺水户") {
		t.Error("what is removed is there still")
	}
}
