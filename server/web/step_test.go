package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// promisedSteps is who may bring what from where to where at the office, written down
// apart from the table that the site asks: roles, and ! where it takes a reason. What is
// not here is for the office alone, with a reason.
var promisedSteps = map[string]string{
	"issue open doing":             "office",
	"issue open submitted":         "office",
	"issue doing submitted":        "office",
	"issue submitted closed":       "office inspector",
	"issue submitted returned":     "office inspector !",
	"issue returned doing":         "office",
	"issue returned submitted":     "office",
	"issue closed open":            "office inspector !",
	"task planned doing":           "office",
	"task doing done":              "office",
	"task done confirmed":          "office",
	"project idea approved":        "office",
	"project approved tendered":    "office",
	"project approved started":     "office",
	"project tendered started":     "office",
	"project started completed":    "office",
	"project completed accepted":   "office",
	"project accepted transferred": "office",
}

// begun writes a record of a type in a state from a laptop of the office, in the first village.
func (f *fixture) begun(t record.Type, state string, more map[string]string) record.Key {
	f.t.Helper()
	v := small[0].Code
	l := f.laptop("登记员", identity.Office, v)
	fields := map[record.Type]map[string]string{
		"issue":   {"description": "三组入户路被山洪冲断", "owner": "宋芬娥", "severity": "2", "found_date": "2024-12-01", "due_date": "2024-12-20", "issue_source": "self", "topics": "road", "issue_status": state},
		"task":    {"target": "硬化入户路1.2公里", "owner": "宋芬娥", "due": "2025-06-30", "year": "2025", "task_status": state},
		"project": {"project_name": "水厂扩建", "owner_unit": "水务站", "plan_end": "2024-11-30", "approved": "120000", "project_type": "water", "content": "扩建", "stage": state},
	}[t]
	for name, value := range more {
		fields[name] = value
	}
	f.n++
	k := record.Key{Village: v, Type: t, ID: record.ID{0: 0xfe, 1: byte(f.n >> 8), 2: byte(f.n), 6: 0x70, 8: 0x80}}
	l.send(v, l.change(k, nil, fields))
	return k
}

var stateField = map[record.Type]string{"issue": "issue_status", "task": "task_status", "project": "stage"}

func (f *fixture) state(k record.Key) string {
	s, _ := f.get(k).View.Fields[stateField[k.Type]].Text()
	return s
}

var shownMarks = regexp.MustCompile(`name="_shown" value="([^"]+)"`)

// marksOf is what a page says that it showed.
func (a answer) marksOf() string {
	if m := shownMarks.FindStringSubmatch(a.body); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// Who may bring which record from which state to which other, for every role, type and
// pair of states: with a reason, and without one where that is needed.
func TestSteps(t *testing.T) {
	f := newFixture(t, small...)
	visitors := map[identity.Role]*visitor{}
	for _, r := range identity.Roles {
		if _, err := f.store.Account(t.Context(), string(r)); err != nil {
			f.account(r)
		}
		visitors[r] = f.as(string(r))
	}
	for typ, field := range stateField {
		choices := form.Builtin().Form(typ).Field(field).Choices
		for _, from := range choices {
			for _, to := range choices {
				if from.Name == to.Name {
					continue
				}
				promised, named := promisedSteps[fmt.Sprintf("%s %s %s", typ, from.Name, to.Name)]
				if !named {
					promised = "office !"
				}
				words := strings.Fields(promised)
				k := f.begun(typ, from.Name, nil)
				// Whoever sees the page has its marks; the others are given them.
				office := visitors[identity.Office].get(href(k) + "/edit")
				marks := url.Values{"to": {to.Name}, "_shown": {office.marksOf()}}
				for _, r := range identity.Roles {
					if to.Name != choices[0].Name && to.Name != choices[1].Name && !access.May([]identity.Role{r}, access.Edit) {
						continue // once is enough for who edits nothing
					}
					may := slices.Contains(words, string(r))
					v := visitors[r]
					page := v.get("/me")
					if !may {
						marks.Set("note", "理由")
						if a := v.post(href(k)+"/step", page, marks); a.status != http.StatusForbidden || f.state(k) != from.Name {
							t.Errorf("%s brings %s from %s to %s: %d, %s", r, typ, from.Name, to.Name, a.status, f.state(k))
						}
						continue
					}
					// The bar offers it, or nobody does.
					one := f.begun(typ, from.Name, nil)
					shown := v.get(href(one))
					if offered := strings.Contains(shown.body, `name="to" value="`+to.Name+`"`); named && !offered {
						t.Errorf("%s is not offered %s from %s to %s", r, typ, from.Name, to.Name)
					}
					step := url.Values{"to": {to.Name}, "_shown": {v.get(href(one) + "/edit").marksOf()}}
					if slices.Contains(words, "!") {
						if a := v.post(href(one)+"/step", page, step); f.state(one) != from.Name || !strings.Contains(a.body, texts["edit.said.note"].zh) {
							t.Errorf("%s, %s from %s to %s without a reason: %s", r, typ, from.Name, to.Name, f.state(one))
						}
						step.Set("note", "理由")
					}
					if a := v.post(href(one)+"/step", page, step); a.status != http.StatusOK || f.state(one) != to.Name {
						t.Errorf("%s, %s from %s to %s: %d, %s", r, typ, from.Name, to.Name, a.status, f.state(one))
					}
				}
			}
		}
	}
	if n := f.verify(); n > 0 {
		t.Errorf("%d faults", n)
	}
}

// A step is taken on what was shown: the second of two people is told, and nothing of the
// first one's is lost. It is noted, and the day of closing is written with it.
func TestStepMoved(t *testing.T) {
	f := newFixture(t, small...)
	k := f.begun("issue", "submitted", nil)
	f.account(identity.Inspector)
	one, two := f.as("office"), f.as("inspector")
	first, second := one.get(href(k)), two.get(href(k))
	if !strings.Contains(first.body, "超期 20 天") {
		t.Error("the page does not say how late it is")
	}
	f.pass(time.Minute)
	if a := one.post(href(k)+"/step", first, url.Values{"to": {"closed"}, "_shown": {first.marksOf()}}); !strings.Contains(a.body, texts["edit.said.step"].zh) {
		t.Fatal(a.status)
	}
	f.pass(time.Minute)
	if a := two.post(href(k)+"/step", second, url.Values{"to": {"returned"}, "_shown": {second.marksOf()}, "note": {"没修好"}}); !strings.Contains(a.body, texts["edit.said.moved"].zh) {
		t.Error("the second is not told")
	}
	rec := f.get(k)
	if f.state(k) != "closed" || rec.View.Fields["closed_date"] != record.Text("2025-01-09") || len(rec.View.Conflicts) > 0 {
		t.Errorf("%+v", rec.View)
	}
	if a := one.get("/audit?act=step"); !strings.Contains(a.body, "submitted → closed") {
		t.Error("the step is not in the audit")
	}
	// Opened again it has no such day.
	f.pass(time.Minute)
	shown := two.get(href(k))
	two.post(href(k)+"/step", shown, url.Values{"to": {"open"}, "_shown": {shown.marksOf()}, "note": {"路又断了"}})
	if f.state(k) != "open" {
		t.Error(f.state(k))
	}
	if a := one.get(href(k)); !strings.Contains(a.body, "路又断了") {
		t.Error("the reason is not in the history")
	}
}

// Whoever answers for an issue does not close it, neither by the step nor by editing; what
// a laptop wrote so stands, and is marked.
func TestStepSelf(t *testing.T) {
	f := newFixture(t, small...)
	k := f.begun("issue", "submitted", map[string]string{"owner": "Office"})
	v := f.as("office")
	page := v.get(href(k))
	if strings.Contains(page.body, `value="closed"`) || !strings.Contains(page.body, texts["step.self"].zh) {
		t.Error("it is offered to whoever answers for it")
	}
	v.post(href(k)+"/step", page, url.Values{"to": {"closed"}, "_shown": {page.marksOf()}})
	if f.state(k) != "submitted" {
		t.Error("closed by whoever answers for it")
	}
	edit := v.get(href(k) + "/edit")
	if a := v.post(href(k)+"/edit", edit, url.Values{"f.issue_status": {"closed"}, "reason": {"好了"}, "_stood": {"issue_status:x"}, "_shown": {edit.marksOf()}}); a.status != http.StatusUnprocessableEntity || f.state(k) != "submitted" {
		t.Errorf("%d, %s", a.status, f.state(k))
	}
	other := f.begun("issue", "submitted", nil)
	edit = v.get(href(other) + "/edit")
	if a := v.post(href(other)+"/edit", edit, url.Values{"f.issue_status": {"open"}, "_stood": {"issue_status:x"}, "_shown": {edit.marksOf()}}); a.status != http.StatusUnprocessableEntity || f.state(other) != "submitted" {
		t.Errorf("back without a reason: %d, %s", a.status, f.state(other))
	}
	secretary := f.laptop("宋芬娥", identity.FirstSecretary, small[0].Code)
	if taken := secretary.send(other.Village, secretary.change(other, f.get(other).State, map[string]string{"issue_status": "已销号"})); taken.Quarantined > 0 {
		t.Fatal("refused from a laptop")
	}
	if a := v.get(href(other)); f.state(other) != "closed" || !strings.Contains(a.body, "核验人就是责任人") {
		t.Error("it is not marked")
	}
}
