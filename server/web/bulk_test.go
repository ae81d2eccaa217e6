package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/server/review"
	"zhucun/shared/identity"
)

var ticks = regexp.MustCompile(`name="item" value="([^"]+)"`)

// items are the decisions that a preview offers.
func (a answer) items() (list []string) {
	for _, m := range ticks.FindAllStringSubmatch(a.body, -1) {
		list = append(list, m[1])
	}
	return list
}

// A rule decides exactly what was shown and ticked; what moved meanwhile is left out and
// named; the batch is undone, but for what was followed by something.
func TestBulk(t *testing.T) {
	f := newFixture(t, small...)
	keys := f.pile(small[0].Code, 6)
	v := f.as("office")
	page := v.get("/bulk?rule=newer")
	if n := len(page.items()); n != 0 || !strings.Contains(page.body, "看了 6 条，没有这条规则能定的") {
		t.Fatalf("of values written in one moment %d are called newer", n)
	}
	page = v.get("/bulk?rule=role.first_secretary")
	items := page.items()
	if len(items) != 6 {
		t.Fatalf("%d items: %s", len(items), page.body)
	}
	form := url.Values{"rule": {"role.first_secretary"}, "reason": {"以书记的为准"}, "item": items[:5]}
	if a := v.post("/bulk", page, url.Values{"rule": {"role.first_secretary"}, "item": items}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := v.post("/bulk", page, url.Values{"rule": {"role.king"}, "reason": {"x"}, "item": items}); a.status != http.StatusBadRequest {
		t.Errorf("a role that is none: %d", a.status)
	}
	// Somebody decides one of them while the preview is open.
	var moved string
	one := f.as("office")
	queue := one.get("/conflicts")
	for i := range 6 {
		d, dots := disputeForm(t, queue, i)
		if strings.Contains(items[1], d.Get("id")) {
			moved = d.Get("id")
			one.post("/decide", queue, with(d, "take", dots[0], "reason", "我先定"))
		}
	}
	a := v.post("/bulk", page, form)
	if a.status != http.StatusOK || !strings.Contains(a.body, "定了 4 条") || !strings.Contains(a.body, "有 1 条跳过了") || !strings.Contains(a.body, moved) {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if n := len(f.waiting()); n != 1 {
		t.Errorf("%d wait; want the one that was not ticked", n)
	}
	for _, k := range keys {
		if strings.Contains(items[1]+items[5], k.ID.String()) {
			continue
		}
		if got, _ := f.get(k).View.Fields["group_name"].Text(); got != "上屋组" {
			t.Errorf("%s is %q", k.ID, got)
		}
	}
	// One is changed since: the rest of the batch is undone, and that one named.
	id := strings.Fields(items[0])[1]
	for _, k := range keys {
		if k.ID.String() == id {
			l := f.laptop("杜旺火", identity.TeamMember, k.Village)
			l.send(k.Village, l.change(k, f.get(k).State, map[string]string{"group_name": "中屋组"}))
		}
	}
	m := regexp.MustCompile(`name="bulk" value="([^"]+)"`).FindStringSubmatch(a.body)
	if a = v.post("/bulk/undo", a, url.Values{"bulk": {m[1]}}); a.status != http.StatusOK || !strings.Contains(a.body, "撤回了 3 条") || !strings.Contains(a.body, "有 1 条跳过了") {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if n := len(f.waiting()); n != 4 {
		t.Errorf("%d wait", n)
	}
	if a := v.post("/bulk/undo", a, url.Values{"bulk": {m[1]}}); !strings.Contains(a.body, "撤回了 0 条") {
		t.Error("undone twice")
	}
	if n := f.verify(); n != 0 {
		t.Errorf("%d faults", n)
	}
}

// Each row is a rule, and what it takes of what waits.
func TestRules(t *testing.T) {
	f := filled(t)
	house, other := f.first(small[0].Code, "household", 0), f.first(small[0].Code, "household", 2)
	f.quarrel(house) // main_cause by the secretary, a minute before the member; a proposal of the member's
	a, b := f.laptop("宋芬娥", identity.FirstSecretary), f.laptop("杜旺火", identity.TeamMember)
	f.pass(time.Minute)
	x, y := a.change(other.Key, other.State, map[string]string{"main_cause": ""}), b.change(other.Key, other.State, map[string]string{"main_cause": "缺资金", "exit_year": "2019"})
	if other.View.Fields["exit_year"] != "" {
		t.Fatal("the household has exited")
	}
	a.send(other.Village, x)
	b.send(other.Village, y)
	v := f.as("office")
	for _, tt := range []struct {
		rule string
		n    int
		says string
	}{
		{"newer", 1, "<strong>缺技术</strong>"},
		{"filled", 1, "<strong>缺资金</strong>"},
		{"role.team_member", 0, ""}, // two values of the one role
		{"role.village_clerk", 0, ""},
		{"empty", 1, "<strong>2019</strong>"},
		{"propose.team_member", 2, "<strong>2019</strong>"},
		{"propose.first_secretary", 0, ""},
	} {
		page := v.get("/bulk?rule=" + tt.rule)
		if n := len(page.items()); n != tt.n || !strings.Contains(page.body, tt.says) {
			t.Errorf("%s: %d items, with %q: %v\n%s", tt.rule, n, tt.says, strings.Contains(page.body, tt.says), page.items())
		}
	}
	if a := v.get("/bulk?rule=nonsense"); a.status != http.StatusBadRequest {
		t.Errorf("a rule that is none: %d", a.status)
	}
}

// However much waits, a preview and a batch are bounded.
func TestBulkBound(t *testing.T) {
	f := newFixture(t, small...)
	f.pile(small[0].Code, review.MaxBulk+30)
	v := f.as("office")
	page := v.get("/bulk?rule=role.team_member")
	items := page.items()
	if len(items) != review.MaxBulk || !strings.Contains(page.body, "后面还有") {
		t.Fatalf("%d items", len(items))
	}
	if a := v.post("/bulk", page, url.Values{"rule": {"role.team_member"}, "reason": {"r"}, "item": append(items, items[0])}); a.status != http.StatusBadRequest {
		t.Errorf("one more than may be: %d", a.status)
	}
	if a := v.post("/bulk", page, url.Values{"rule": {"role.team_member"}, "reason": {"r"}, "item": items}); !strings.Contains(a.body, "定了 200 条") {
		t.Errorf("%d", a.status)
	}
	if page = v.get("/bulk?rule=role.team_member"); len(page.items()) != 30 {
		t.Errorf("%d are left", len(page.items()))
	}
}
