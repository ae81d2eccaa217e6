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

// A state is written by steps, by forms and with new records; whichever way it is, the same
// rules hold.

var newIDs = regexp.MustCompile(`name="_id" value="([^"]+)"`)

// makes sends the form of a new issue in the first village.
func (v *visitor) makes(fields url.Values) (a answer, k record.Key) {
	v.f.t.Helper()
	const path = "/records/issue/new?village=369999000001"
	page := v.get(path)
	m := newIDs.FindStringSubmatch(page.body)
	if m == nil {
		v.f.t.Fatalf("no form: %d", page.status)
	}
	fields = mapsClone(fields)
	fields.Set("_id", m[1])
	fields.Set("f.description", "漏雨")
	id, _ := record.ParseID(m[1])
	return v.post(path, page, fields), record.Key{Village: small[0].Code, Type: "issue", ID: id}
}

// Each row is in which state somebody begins an issue, and what stands; "" where nothing does.
func TestCreateStates(t *testing.T) {
	f := newFixture(t, small...)
	f.account(identity.Inspector)
	f.account(identity.SponsorUnit)
	for _, tt := range []struct{ who, state, owner, reason, closed, said, want string }{
		{"inspector", "open", "", "", "", "", "open "},
		{"inspector", "", "", "", "", "", "open "}, // or it would be in no list
		{"inspector", "open", "", "", "2024-12-01", "", "open "},
		{"inspector", "closed", "", "", "", "create.state", ""},
		{"inspector", "closed", "", "好了", "", "create.state", ""},
		{"inspector", "submitted", "", "好了", "", "create.state", ""},
		{"office", "closed", "", "", "", "step.note", ""},
		{"office", "closed", "", "补录", "", "", "closed 2025-01-09"},
		{"office", "closed", "", "补录", "2024-12-01", "", "closed 2024-12-01"},
		{"office", "closed", "office", "补录", "", "step.self", ""},
		{"office", "open", "office", "", "", "", "open "},
		{"office", "doing", "", "", "", "step.note", ""},
		{"office", "doing", "", "补录", "", "", "doing "},
	} {
		a, k := f.as(tt.who).makes(url.Values{"f.issue_status": {tt.state}, "f.owner": {tt.owner}, "reason": {tt.reason}, "f.closed_date": {tt.closed}})
		if tt.want == "" {
			if _, err := f.store.Record(t.Context(), k.Village, k.ID); err == nil || a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, texts[tt.said].zh) {
				t.Errorf("%+v: %d, %v", tt, a.status, err)
			}
			continue
		}
		if _, err := f.store.Record(t.Context(), k.Village, k.ID); err != nil {
			t.Errorf("%+v: %d, %v", tt, a.status, err)
			continue
		}
		day, _ := f.get(k).View.Fields["closed_date"].Text()
		if got := f.state(k) + " " + day; got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	// A sponsor unit makes none: it is not offered, and refused.
	v := f.as("sponsor_unit")
	if strings.Contains(v.get("/ledger").body, "/records/issue/new") {
		t.Error("a sponsor unit is offered to make an issue")
	}
	a := v.post("/records/issue/new?village=369999000001", v.get("/me"), url.Values{"_id": {"0190a000-0000-7000-8000-000000000001"}, "f.description": {"x"}, "f.issue_status": {"open"}})
	if a.status != http.StatusForbidden || !strings.Contains(a.body, texts["error.role"].zh) {
		t.Errorf("a sponsor unit makes an issue: %d", a.status)
	}
}

// edits sends the form of a record back with some of it touched.
func (v *visitor) edits(k record.Key, touched url.Values) answer {
	v.f.t.Helper()
	page := v.get(href(k) + "/edit")
	stood := ""
	for name := range touched {
		if field, is := strings.CutPrefix(name, "f."); is {
			stood += field + ":x "
		}
	}
	touched = mapsClone(touched)
	touched.Set("_stood", stood)
	touched.Set("_shown", page.marksOf())
	return v.post(href(k)+"/edit", page, touched)
}

// A form that closes or reopens does what the step does: neither who answered for it nor who
// is to may close it, and the day is written, and taken away.
func TestEditStates(t *testing.T) {
	f := newFixture(t, small...)
	office := f.as("office")
	closed := func(k record.Key) string {
		day, _ := f.get(k).View.Fields["closed_date"].Text()
		return f.state(k) + " " + day
	}
	k := f.begun("issue", "submitted", nil)
	for _, owner := range []string{"office", "Office"} {
		if a := office.edits(k, url.Values{"f.issue_status": {"closed"}, "f.owner": {owner}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, texts["step.self"].zh) || closed(k) != "submitted " {
			t.Errorf("closed by whoever is to answer for it: %d, %s", a.status, closed(k))
		}
	}
	own := f.begun("issue", "submitted", map[string]string{"owner": "office"})
	if a := office.edits(own, url.Values{"f.issue_status": {"closed"}, "f.owner": {"宋芬娥"}}); a.status != http.StatusUnprocessableEntity || closed(own) != "submitted " {
		t.Errorf("closed by whoever answered for it: %d, %s", a.status, closed(own))
	}
	f.pass(time.Minute)
	if office.edits(k, url.Values{"f.issue_status": {"closed"}, "f.owner": {"李四"}}); closed(k) != "closed 2025-01-09" {
		t.Error(closed(k))
	}
	f.pass(time.Minute)
	if office.edits(k, url.Values{"f.issue_status": {"open"}, "reason": {"又漏了"}}); closed(k) != "open " {
		t.Error(closed(k))
	}
	f.pass(24 * time.Hour)
	office = f.as("office")
	if office.edits(k, url.Values{"f.issue_status": {"closed"}, "reason": {"修好了"}}); closed(k) != "closed 2025-01-10" {
		t.Error(closed(k))
	}
	// And so does the step back.
	f.pass(time.Minute)
	page := office.get(href(k))
	if office.post(href(k)+"/step", page, url.Values{"to": {"open"}, "_shown": {page.marksOf()}, "note": {"又断了"}}); closed(k) != "open " {
		t.Error(closed(k))
	}
	// A state that the form does not have nobody writes.
	for _, to := range []string{"garbage", "", "*"} {
		a := office.post(href(k)+"/step", page, url.Values{"to": {to}, "_shown": {office.get(href(k)).marksOf()}, "note": {"r"}})
		if a.status != http.StatusForbidden || f.state(k) != "open" {
			t.Errorf("a step to %q: %d, %s", to, a.status, f.state(k))
		}
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}

// A sponsor unit writes what it gave and what it replies, and nothing else by forms: neither
// the leave that is not its to approve, nor an issue.
func TestSponsorForms(t *testing.T) {
	f := newFixture(t, small...)
	v := small[0].Code
	l := f.laptop("登记员", identity.Office, v)
	k := record.Key{Village: v, Type: "attendance", ID: record.ID{0: 0xf9, 6: 0x70, 8: 0x80}}
	l.send(v, l.change(k, nil, map[string]string{"work_date": "2025-01-06", "half_day": "am", "attend": "leave", "leave_type": "sick"}))
	f.account(identity.SponsorUnit)
	sponsor := f.as("sponsor_unit")
	for _, key := range []record.Key{k, f.begun("issue", "open", nil)} {
		page := sponsor.get(href(key))
		if page.status != http.StatusOK || strings.Contains(page.body, `/edit"`) || strings.Contains(page.body, `/life"`) {
			t.Errorf("%s: %d, a form is offered", key.Type, page.status)
		}
		if a := sponsor.get(href(key) + "/edit"); a.status != http.StatusForbidden {
			t.Errorf("%s: the form is shown: %d", key.Type, a.status)
		}
		before := len(f.entries(key))
		marks := f.as("office").get(href(key) + "/edit").marksOf()
		for name, value := range map[string]string{"approver": "sponsor_unit", "attend": "present", "severity": "3", "action": "x"} {
			a := sponsor.post(href(key)+"/edit", page, url.Values{"f." + name: {value}, "_stood": {name + ":x"}, "_shown": {marks}})
			if a.status != http.StatusForbidden || !strings.Contains(a.body, texts["error.role"].zh) {
				t.Errorf("%s, %s: %d", key.Type, name, a.status)
			}
		}
		a := sponsor.post(href(key)+"/life", page, url.Values{"do": {"void"}, "reason": {"r"}, "feed": {strconv.FormatUint(f.get(key).Feed, 10)}})
		if a.status != http.StatusForbidden || len(f.entries(key)) != before || f.get(key).View.Void {
			t.Errorf("%s: a sponsor unit wrote: %d", key.Type, a.status)
		}
	}
}

// What is done to a record that has been declared void meanwhile is not said to be done.
func TestVoidMeanwhile(t *testing.T) {
	f := newFixture(t, small...)
	k := f.begun("issue", "submitted", nil)
	v := f.as("office")
	page, form := v.get(href(k)), v.get(href(k)+"/edit")
	f.pass(time.Minute)
	if v.post(href(k)+"/life", page, url.Values{"do": {"void"}, "reason": {"记重了"}, "feed": {strconv.FormatUint(f.get(k).Feed, 10)}}); !f.get(k).View.Void {
		t.Fatal("not void")
	}
	before := len(f.entries(k))
	for name, a := range map[string]answer{
		"step":  v.post(href(k)+"/step", page, url.Values{"to": {"closed"}, "_shown": {page.marksOf()}}),
		"edit":  v.post(href(k)+"/edit", form, url.Values{"f.severity": {"3"}, "_stood": {"severity:x"}, "_shown": {form.marksOf()}}),
		"reply": v.post(href(k)+"/reply", page, url.Values{"_id": {"0190a000-0000-7000-8000-000000000001"}, "content": {"好"}}),
	} {
		if !strings.Contains(a.body, `<p class="notice" role="status">`+texts["edit.said.gone"].zh) || strings.Contains(a.body, texts["edit.said.void"].zh) {
			t.Errorf("%s: %d %s", name, a.status, a.path)
		}
	}
	if len(f.entries(k)) != before {
		t.Error("something was written")
	}
}
