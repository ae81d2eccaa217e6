package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

var leaveMarks = regexp.MustCompile(`name="leave" value="([^"]+)"`)

// away notes half a day of leave in the first village.
func (f *fixture) away(person, day, half, kind string) record.Key {
	f.t.Helper()
	l := f.laptop("登记员", identity.Office, small[0].Code)
	f.n++
	k := record.Key{Village: small[0].Code, Type: "attendance", ID: record.ID{0: 0xf9, 1: byte(f.n >> 8), 2: byte(f.n), 6: 0x70, 8: 0x80}}
	l.send(k.Village, l.change(k, nil, map[string]string{"person": person, "work_date": day, "half_day": half, "attend": "leave", "leave_type": kind}))
	return k
}

// Leave of up to three days is not the sponsor unit's to approve, longer leave is; what was
// noted meanwhile makes it another leave, and it is shown again.
func TestLeave(t *testing.T) {
	f := newFixture(t, small...)
	v := small[0].Code
	l := f.laptop("登记员", identity.Office, v)
	post := func(n byte, name string) string {
		k := record.Key{Village: v, Type: "team_post", ID: record.ID{0: 0xfa, 1: n, 6: 0x70, 8: 0x80}}
		l.send(v, l.change(k, nil, map[string]string{"person_name": name, "team_role": "member"}))
		return k.ID.String()
	}
	away := func(person, day, half string) record.Key { return f.away(person, day, half, "sick") }
	short, long := post(1, "宋芬娥"), post(2, "杜旺火")
	half := away(short, "2025-01-06", "am")
	var keys []record.Key
	for _, day := range []string{"2025-01-02", "2025-01-03", "2025-01-06", "2025-01-07"} { // over a weekend
		keys = append(keys, away(long, day, "am"), away(long, day, "pm"))
	}
	f.account(identity.SponsorUnit)
	f.account(identity.Inspector)
	sponsor := f.as("sponsor_unit")
	page := sponsor.get("/leave")
	leave := leaveMarks.FindAllStringSubmatch(page.body, -1)
	if len(leave) != 1 || !strings.Contains(page.body, "4 天") || !strings.Contains(page.body, "0.5 天") || !strings.Contains(page.body, "由乡镇扶贫办批准") {
		t.Fatalf("%v\n%s", leave, page.body)
	}
	given := url.Values{"in": {string(v)}, "leave": {leave[0][1]}}
	inspector := f.as("inspector")
	if a := inspector.post("/leave", inspector.get("/me"), given); a.status != http.StatusForbidden || !strings.Contains(a.body, texts["error.role"].zh) {
		t.Errorf("an inspector approves: %d", a.status)
	}
	// The half day is the township's, and the office may; its page gives the sponsor unit no more.
	for _, m := range leaveMarks.FindAllStringSubmatch(f.as("office").get("/leave").body, -1) {
		if m[1] == leave[0][1] {
			continue
		}
		if a := sponsor.post("/leave", page, url.Values{"in": {string(v)}, "leave": {m[1]}}); a.status != http.StatusConflict || f.get(keys[0]).View.Fields["approver"] != "" || f.get(half).View.Fields["approver"] != "" {
			t.Errorf("half a day: %d", a.status)
		}
	}
	keys = append(keys, away(long, "2025-01-08", "am"))
	if a := sponsor.post("/leave", page, given); a.status != http.StatusConflict || !strings.Contains(a.body, texts["leave.moved"].zh) {
		t.Errorf("it has become longer: %d", a.status)
	}
	page = sponsor.get("/leave")
	given.Set("leave", leaveMarks.FindStringSubmatch(page.body)[1])
	if a := sponsor.post("/leave", page, given); !strings.Contains(a.body, texts["leave.done"].zh) || strings.Contains(a.body, "杜旺火") {
		t.Error("not approved\n", a.body)
	}
	for _, k := range keys {
		if got := f.get(k).View; got.Fields["approver"] != record.Text("sponsor_unit") || len(got.Proposals) > 0 {
			t.Errorf("%+v", got)
		}
	}
}

// Leave of several kinds is one leave, by whose length is who approves it, and each kind is
// shown; a half day that two records say counts once.
func TestLeaveKinds(t *testing.T) {
	f := newFixture(t, small...)
	const person = "fa000000-0000-7000-8000-000000000000"
	for _, x := range [][3]string{
		{"2025-01-06", "am", "sick"}, {"2025-01-06", "pm", "sick"}, {"2025-01-06", "pm", "sick"}, {"2025-01-07", "am", "sick"},
		{"2025-01-07", "pm", "personal"}, {"2025-01-08", "am", "personal"}, {"2025-01-08", "pm", "personal"},
	} {
		f.away(person, x[0], x[1], x[2])
	}
	f.account(identity.SponsorUnit)
	office := f.as("office")
	page := office.get("/leave")
	for _, want := range []string{"病假（1月6日 至 1月7日）", "事假（1月7日 至 1月8日）", `<td class="n">3 天</td>`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("no %q", want)
		}
	}
	if sponsor := f.as("sponsor_unit").get("/leave"); leaveMarks.MatchString(sponsor.body) {
		t.Error("six half days of which one is said twice are more than three days")
	}
	f.away(person, "2025-01-09", "am", "annual")
	if sponsor := f.as("sponsor_unit").get("/leave"); len(leaveMarks.FindAllString(sponsor.body, -1)) != 1 || leaveMarks.FindString(office.get("/leave").body) == "" {
		t.Error("longer leave of three kinds is not the sponsor unit's")
	}
}

// Each row is what becomes of a half day after the page was opened: nothing of the leave is
// approved, as it is not what was shown.
func TestLeaveMoved(t *testing.T) {
	const person = "fa000000-0000-7000-8000-000000000000"
	for _, tt := range []struct {
		name string
		last map[string]string // nil: void
	}{
		{"another kind", map[string]string{"leave_type": "事假"}},
		{"another day", map[string]string{"work_date": "2025-01-04"}},
		{"the other half of a day", map[string]string{"half_day": "下午"}},
		{"no leave", map[string]string{"attend": "驻村"}},
		{"approved by somebody", map[string]string{"approver": "乡镇"}},
		{"void", nil},
	} {
		f := newFixture(t, small...)
		first, last := f.away(person, "2025-01-06", "am", "sick"), f.away(person, "2025-01-07", "am", "sick")
		office := f.as("office")
		page := office.get("/leave")
		m := leaveMarks.FindStringSubmatch(page.body)
		if m == nil {
			t.Fatal(tt.name, "no leave")
		}
		f.pass(time.Minute)
		if tt.last == nil {
			form := office.get(href(last))
			office.post(href(last)+"/life", form, url.Values{"do": {"void"}, "reason": {"记错"}, "feed": {strconv.FormatUint(f.get(last).Feed, 10)}})
		} else {
			l := f.laptop("登记员", identity.Office, small[0].Code)
			l.send(last.Village, l.change(last, f.get(last).State, tt.last))
		}
		before := len(f.entries(last))
		a := office.post("/leave", page, url.Values{"in": {string(last.Village)}, "leave": {m[1]}})
		if a.status != http.StatusConflict || !strings.Contains(a.body, texts["leave.moved"].zh) {
			t.Errorf("%s: %d", tt.name, a.status)
		}
		if f.get(first).View.Fields["approver"] != "" || len(f.entries(last)) != before {
			t.Errorf("%s: approved", tt.name)
		}
	}
}
