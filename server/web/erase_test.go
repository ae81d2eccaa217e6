package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Whoever is an administrator and may see the record finds the button, is warned,
// and must give the grounds and a tick; then nothing of it is shown any more.
func TestErase(t *testing.T) {
	f := filled(t)
	house := f.first(small[0].Code, "household", 0)
	const canary = "13800004471"
	l := f.laptop("后来人", identity.FirstSecretary, small[0].Code)
	l.send(small[0].Code, l.change(house.Key, house.State, map[string]string{"phone": canary}))
	house = f.get(house.Key)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	page, form := href(house.Key), `action="`+href(house.Key)+`/erase"`
	if a := f.as("office").get(page); strings.Contains(a.body, form) {
		t.Error("the office alone has the button")
	}
	v := f.as("主任")
	a := v.get(page)
	if !strings.Contains(a.body, form) || !strings.Contains(a.body, "不能恢复") || !strings.Contains(a.body, canary) {
		t.Error("no button, no warning, or nothing to erase")
	}
	for _, row := range []url.Values{{}, {"reason": {"依法"}}, {"reason": {" "}, "sure": {"1"}}} {
		v.post(page+"/erase", a, row)
		if f.get(house.Key).View.Erased {
			t.Fatalf("erased with %v", row)
		}
	}
	a = v.post(page+"/erase", a, url.Values{"reason": {"依法〔2020〕1号"}, "sure": {"1"}})
	if a.status != http.StatusOK || !strings.Contains(a.body, "内容已由办公室依法擦除：依法〔2020〕1号") || strings.Contains(a.body, form) {
		t.Errorf("erased: %d\n%s", a.status, a.body)
	}
	for _, path := range []string{page, "/records/household?village=" + string(small[0].Code), "/audit"} {
		if a := v.get(path); strings.Contains(a.body, canary) {
			t.Errorf("it is still on %s", path)
		}
	}
	notes, err := f.store.Audits(t.Context(), store.AuditQuery{Act: "erase", Limit: 9})
	if err != nil || len(notes) != 1 || notes[0].Who != "主任" || notes[0].Subject != "household "+house.ID.String() {
		t.Errorf("audit %+v, %v", notes, err)
	}
	// What a laptop writes on is shown with its reason, and cannot be accepted.
	l.send(small[0].Code, l.change(house.Key, house.State, map[string]string{"phone": "13900004471"}))
	q := v.get("/quarantine")
	list, err := f.store.Quarantine(t.Context())
	if err != nil || len(list) != 1 || strings.Contains(q.body, "13900004471") || list[0].Reason != store.ReasonErased || !strings.Contains(q.body, "这条记录的内容已由办公室依法擦除") {
		t.Fatalf("quarantine %+v, %v", list, err)
	}
	ask := url.Values{"id": {list[0].Dot.String()}, "reason": {"r"}, "do": {"accept"}}
	if a := v.post("/quarantine", q, ask); a.status != http.StatusConflict || !strings.Contains(a.body, "已依法擦除，不能接受") {
		t.Errorf("accepted: %d", a.status)
	}
	ask.Set("do", "reject")
	if a := v.post("/quarantine", q, ask); a.status != http.StatusOK {
		t.Errorf("rejected: %d", a.status)
	}
}

// What two visits that were joined say stands in both: whoever erases one is led to the
// other before and after, whichever it is, until that is erased as well.
func TestEraseJoined(t *testing.T) {
	f := filled(t)
	if err := f.access.AddAccount(t.Context(), "主任", password, []identity.Role{identity.Office, identity.Admin}, ""); err != nil {
		t.Fatal(err)
	}
	v, l, village := f.as("主任"), f.laptop("杜旺火", identity.FirstSecretary, small[0].Code), small[0].Code
	const said = "那里可能也有它的文字"
	join := func(from int) (kept, other *store.Record) {
		t.Helper()
		kept, other = f.first(village, "visit", from), f.first(village, "visit", from+1)
		say := func(r, of *store.Record, fields map[string]string) record.Change {
			c := l.change(r.Key, r.State, fields)
			c.Body = append(c.Body, record.Write{Path: record.Same.Element(of.ID.String()), Value: record.True})
			record.SortBody(c.Body)
			return c
		}
		text, _ := other.View.Fields["findings"].Text()
		l.send(village, say(kept, other, map[string]string{"findings": "一起去的。" + text}), say(other, kept, nil))
		return f.get(kept.Key), f.get(other.Key)
	}
	erase := func(r *store.Record) answer {
		t.Helper()
		page := href(r.Key)
		return v.post(page+"/erase", v.get(page), url.Values{"reason": {"依法"}, "sure": {"1"}})
	}
	leads := func(when string, a answer, to *store.Record, want bool) {
		t.Helper()
		_, told, _ := strings.Cut(a.body, said)
		told, _, _ = strings.Cut(told, "</p>")
		if got := strings.Contains(told, `href="`+href(to.Key)+`"`); got != want || strings.Contains(a.body, said) != want {
			t.Errorf("%s: led to the other one: %v, want %v", when, got, want)
		}
	}

	for i, name := range []string{"the one that is kept", "the other"} {
		first, second := join(2 * i)
		if i == 1 {
			first, second = second, first
		}
		leads(name+", before", v.get(href(first.Key)), second, true)
		leads(name+", whoever may not erase", f.as("office").get(href(first.Key)), second, false)
		leads(name+", erased", erase(first), second, true)
		leads(name+", the page later", v.get(href(first.Key)), second, true)
		leads(name+", the other before", v.get(href(second.Key)), first, false)
		leads(name+", both erased", erase(second), first, false)
		leads(name+", when both are", v.get(href(first.Key)), second, false)
	}
	alone := f.first(village, "visit", 6)
	leads("one that was joined with none", erase(alone), alone, false)

	// Of records that say it on one side alone the commands are told as well.
	kept, other := join(8)
	l.send(village, record.Change{Record: other.ID, Type: "visit", Author: l.author, Form: 1, Time: uint64(f.wall.Load()) << 16,
		Body: []record.Write{{Path: record.Same.Element(kept.ID.String()), Value: record.Null, Observed: other.State.Observed(record.Same.Element(kept.ID.String()))}}})
	if len(f.get(other.Key).State.Joined()) != 0 {
		t.Fatal("the other one says it still")
	}
	e, err := f.review.Erase(t.Context(), "visit", other.ID, "依法", merge.Writer{Author: "主任", Role: identity.Office})
	if err != nil || len(e.Joined) != 1 || e.Joined[0] != kept.ID {
		t.Errorf("told of %v, %v; want %v", e.Joined, err, kept.ID)
	}
	if e, err = f.review.Erase(t.Context(), "visit", kept.ID, "依法", merge.Writer{Author: "主任", Role: identity.Office}); err != nil || len(e.Joined) != 0 {
		t.Errorf("told of %v, %v, which is erased", e.Joined, err)
	}
}
