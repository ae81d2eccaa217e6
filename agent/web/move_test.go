package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/record"
)

// guided is a guided change as its pages come.
type guided struct {
	*fixture
	path string
	page answer
}

func (f *fixture) guided(h *house, do string) *guided {
	path := "/household/" + h.id.String() + "/members"
	return &guided{f, path, f.get(path + "?do=" + do)}
}

// next answers the page that is shown and goes on.
func (g *guided) next(answers ...string) *guided {
	g.t.Helper()
	form := formOf(g.t, strings.Replace(g.page.body, `<form class="sheet narrow move"`, `<form id="entry"`, 1))
	for i := 0; i < len(answers); i += 2 {
		if i < 2 || answers[i] != answers[i-2] {
			form.Del(answers[i])
		}
		form.Add(answers[i], answers[i+1])
	}
	g.page = g.post(g.path, form)
	return g
}

// at tells which step is shown, and what it complains of.
func (g *guided) at(step, fault string) *guided {
	g.t.Helper()
	if !strings.Contains(g.page.body, `<li aria-current="step">`+texts["move.step."+step].zh+`</li>`) {
		g.t.Fatalf("%s is not at %s: %s", g.path, step, bare(g.page.body))
	}
	if has := strings.Contains(g.page.body, `class="notice bad"`); has != (fault != "") || !strings.Contains(g.page.body, fault) {
		g.t.Errorf("%s complains not of %q: %s", step, fault, bare(g.page.body))
	}
	return g
}

// family gives the people of a household: by what they are to the head, and all ids.
func (f *fixture) family(house record.ID) (by map[string]string, ids []string) {
	by = map[string]string{}
	f.laptop.Referring(house, personType, func(r store.Record) bool {
		relation, _ := r.View.Fields["relation"].Text()
		by[relation] = r.Key.ID.String()
		ids = append(ids, r.Key.ID.String())
		return true
	})
	return by, ids
}

func (f *fixture) is(id, name string) string {
	text, _ := f.record(personType, id).View.Fields[name].Text()
	return text
}

// Some split off: they are of a new household, which is registered as the old one, and
// nothing of the old one is lost; records keep their ids.
func TestSplit(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	by, ids := f.family(h.id)
	visits := len(f.visitsOf(h.id))
	if len(ids) != 3 || by["head"] == "" || by["spouse"] == "" || by["other"] == "" {
		t.Fatalf("the family is %v", by)
	}
	households := f.count(householdType)
	g := f.guided(h, doSplit).at("who", "").next().at("who", "还没有选人")
	g.next("who", by["head"], "who", by["spouse"], "who", by["other"]).at("who", "全家都选上了")
	g.next("who", by["spouse"], "who", by["other"]).at("heads", "").next().at("heads", "还没有选新的户主")
	g.next("head", by["spouse"]).at("details", "")
	g.next("group", "新屋组", "date", "昨天傍晚").at("details", "日期没有看懂")
	g.next("date", "2025-01-05").at("details", "还没有选")
	g.next("rel."+by["other"], "daughter").at("check", "")
	if n := f.count(householdType); n != households || f.is(by["spouse"], "household") != h.id.String() {
		t.Fatal("something was written before the last step")
	}
	g.next("back", "details").at("details", "")
	g.next().at("check", "")
	g.next()
	if !strings.HasPrefix(g.page.path, "/household/") || !strings.Contains(g.page.path, "saved=household/") {
		t.Fatalf("it leads to %s", g.page.path)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(g.page.path, "/household/"), "?")
	r := f.record(householdType, id)
	name, _ := f.record(personType, by["spouse"]).View.Fields["full_name"].Text()
	old := f.record(householdType, h.id.String())
	for field, want := range map[string]record.Value{
		"head_name": record.Text(name), "group_name": `"新屋组"`, "main_cause": old.View.Fields["main_cause"], "poverty_attr": old.View.Fields["poverty_attr"], "helper_name": old.View.Fields["helper_name"],
	} {
		if r.View.Fields[field] != want {
			t.Errorf("the new household's %s is %s, not %s", field, r.View.Fields[field], want)
		}
	}
	if !slices.Contains(r.View.Proposed, "poverty_attr") {
		t.Error("a member of the team has registered a household")
	}
	if r.View.Fields["household_no"] != "" {
		t.Error("the new household has the old one's number")
	}
	for id, want := range map[string][2]string{by["spouse"]: {"head", "split"}, by["other"]: {"daughter", "split"}} {
		if f.is(id, "household") != r.Key.ID.String() || f.is(id, "relation") != want[0] || f.is(id, "change_type") != want[1] || f.is(id, "change_date") != "2025-01-05" {
			t.Errorf("%s: %v", id, f.record(personType, id).View.Fields)
		}
	}
	if f.is(by["head"], "household") != h.id.String() || f.is(by["head"], "change_type") != "" || len(f.visitsOf(h.id)) != visits {
		t.Error("the old household has lost something")
	}
	if page := bare(sectionOf(t, g.page.body, "people")); !strings.Contains(page, "家庭成员 2 人") {
		t.Errorf("the new household's page: %s", page)
	}
	// The same page sent once more does nothing.
	again := f.post(g.path, url.Values{"do": {doSplit}, "step": {"check"}, "_seen": {"1"}})
	if !strings.Contains(again.path, "moved=1") || f.count(householdType) != households+1 {
		t.Errorf("sent again: %s, %d households", again.path, f.count(householdType))
	}
}

// The head moves to a household that is here: those who stay get another one.
func TestMoveAway(t *testing.T) {
	f := newFixture(t, true).enter()
	h, to := f.house(0), f.house(1)
	by, _ := f.family(h.id)
	g := f.guided(h, doMove).next("who", by["head"]).at("where", "").next().at("where", "还没有选去哪一户")
	g.next("to", to.id.String()).at("heads", "").next("stay", by["spouse"]).at("details", "")
	g.next("reason", "marry_in", "rel."+by["head"], "daughter_in_law", "rel."+by["other"], "son").at("check", "")
	if f.family(to.id); !strings.Contains(g.page.body, to.title()) {
		t.Error("the page to check does not name the household")
	}
	g.next()
	if f.is(by["head"], "household") != to.id.String() || f.is(by["head"], "relation") != "daughter_in_law" || f.is(by["head"], "change_type") != "marry_in" {
		t.Errorf("who moved: %v", f.record(personType, by["head"]).View.Fields)
	}
	name, _ := f.record(personType, by["spouse"]).View.Fields["full_name"].Text()
	if f.is(by["spouse"], "relation") != "head" || f.is(by["spouse"], "change_type") != "" || f.is(by["other"], "relation") != "son" || f.record(householdType, h.id.String()).View.Fields["head_name"] != record.Text(name) {
		t.Error("those who stay have no head, or not the one that was chosen")
	}
}

// A household joins another: all go, and its end is the township's to confirm.
func TestJoin(t *testing.T) {
	f := newFixture(t, true).enter()
	h, to := f.house(0), f.house(1)
	by, ids := f.family(h.id)
	g := f.guided(h, doJoin).at("where", "").next("to", to.id.String()).at("details", "")
	g.next("rel."+by["head"], "other", "rel."+by["spouse"], "other", "rel."+by["other"], "other").at("check", "").next()
	for _, id := range ids {
		if f.is(id, "household") != to.id.String() || f.is(id, "change_type") != "move_in" {
			t.Errorf("who joined: %v", f.record(personType, id).View.Fields)
		}
	}
	r := f.record(householdType, h.id.String())
	proposals := r.View.Proposals["poverty_status"]
	if r.View.Void || r.View.Fields["poverty_status"] == `"cancelled"` || len(proposals) != 1 || proposals[0].Value != `"cancelled"` {
		t.Errorf("the household that ended: void %t, %v", r.View.Void, proposals)
	}
}

// Another head: what the others are to the new one follows where it can.
func TestAnotherHead(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	by, _ := f.family(h.id)
	f.entered("/record/person/"+by["other"]+"/edit", "f.relation", "daughter")
	g := f.guided(h, doHead).at("heads", "").next("head", by["spouse"]).at("details", "")
	// Somebody writes meanwhile: nothing is done on what was shown before.
	stale := *g
	f.set(f.laptop, "曹彤倩", personType, f.record(personType, by["other"]).Key.ID, map[string]string{"work_place": "县内"})
	if stale.next(); !strings.Contains(stale.page.path, "moved=1") || !strings.Contains(stale.page.body, "刚刚有了变化") {
		t.Errorf("it leads to %s", stale.page.path)
	}
	f.guided(h, doHead).next("head", by["spouse"]).at("details", "").next().at("check", "").next()
	name, _ := f.record(personType, by["spouse"]).View.Fields["full_name"].Text()
	if f.is(by["head"], "relation") != "spouse" || f.is(by["spouse"], "relation") != "head" || f.is(by["other"], "relation") != "daughter" || f.record(householdType, h.id.String()).View.Fields["head_name"] != record.Text(name) {
		t.Errorf("the family: %s %s %s", f.is(by["head"], "relation"), f.is(by["spouse"], "relation"), f.is(by["other"], "relation"))
	}
}

func (f *fixture) visitsOf(house record.ID) (ids []record.ID) {
	f.laptop.Referring(house, visitType, noted(func(id record.ID, _ string) { ids = append(ids, id) }))
	return ids
}
