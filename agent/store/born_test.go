package store

import (
	"slices"
	"testing"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// A visit's needs and gaps become issues in the visitor's name, each once however often
// the form is saved; the form that brings them is not asked for anything more.
func TestNeedsBecomeIssues(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	house := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大山", "group_name", "三组")}).Key
	visit := Edit{Type: "visit", Author: "李队员", Issues: true, Fields: fields(
		"household", house.ID.String(), "visit_date", "2017-05-20", "findings", "屋顶漏雨", "needs", "想修屋顶", "follow_up", "2017-06-01")}
	visit.Fields["gaps"] = record.Set([]string{"water", "food"})
	done := save(t, s, visit)
	needs := record.DerivedID(done.Key.ID, "needs")
	want := map[record.ID]string{
		needs: "李大山（三组）：想修屋顶",
		record.DerivedID(done.Key.ID, "gaps/water"): "李大山（三组）：未保障项：饮水",
		record.DerivedID(done.Key.ID, "gaps/food"):  "李大山（三组）：未保障项：吃",
	}
	if len(done.Born) != len(want) {
		t.Fatalf("%d issues were born", len(done.Born))
	}
	for id, words := range want {
		r := read(t, s, record.Key{Type: issueType, ID: id})
		for name, text := range map[string]string{
			"description": words, "found_date": "2017-05-20", "issue_status": "open", "severity": "1", "issue_source": "visit", "owner": "李队员", "due_date": "2017-06-01",
		} {
			if r.View.Fields[name] != record.Text(text) {
				t.Errorf("%s of %q: %s", name, words, r.View.Fields[name])
			}
		}
		if !slices.Equal(r.View.Authors, []string{"李队员"}) || r.View.Source != Onsite {
			t.Errorf("made by %v, %s", r.View.Authors, r.View.Source)
		}
		// What the office decides is proposed, not said.
		if !slices.Equal(r.View.Proposed, []string{"due_date", "issue_source", "owner"}) {
			t.Errorf("proposed: %v", r.View.Proposed)
		}
	}
	water := read(t, s, record.Key{Type: issueType, ID: record.DerivedID(done.Key.ID, "gaps/water")})
	if got := water.View.Fields["topics"].Texts(); !slices.Equal(got, []string{"water"}) {
		t.Errorf("topics of the gap: %v", got)
	}

	again := Edit{Type: "visit", ID: done.Key.ID, Author: "李队员", Issues: true, Fields: fields("findings", "屋顶漏雨，已报")}
	if d := save(t, s, again); len(d.Born) != 0 {
		t.Errorf("what was not touched gave birth to %v", d.Born)
	}
	// Words that are mended are mended there too, unless somebody went on with them.
	again.Fields = fields("needs", "想修屋顶和灶台")
	if d := save(t, s, again); len(d.Born) != 1 || read(t, s, record.Key{Type: issueType, ID: needs}).View.Fields["description"] != `"李大山（三组）：想修屋顶和灶台"` {
		t.Error("what was mended is not mended in the issue")
	}
	save(t, s, Edit{Type: issueType, ID: needs, Author: "李队员", Fields: fields("description", "屋顶要修，住建所已看")})
	again.Fields = fields("needs", "想修屋顶")
	if d := save(t, s, again); len(d.Born) != 0 || read(t, s, record.Key{Type: issueType, ID: needs}).View.Fields["description"] != `"屋顶要修，住建所已看"` {
		t.Error("what somebody wrote in the issue is written over")
	}
	// What comes from elsewhere comes with its own.
	visit.Issues = false
	if d := save(t, s, visit); len(d.Born) != 0 {
		t.Errorf("an import gave birth to %v", d.Born)
	}
}

// A child of school age who is not at school is an issue; so is what a day's log asks
// for. Who may not write issues saves all the same.
func TestOtherAnswersBecomeIssues(t *testing.T) {
	child := Edit{Type: "person", Issues: true, Fields: fields("full_name", "李婷", "birth_date", "2007-03-01", "school", "dropout")}
	s := enrolled(t, identity.TeamMember)
	done := save(t, s, child)
	if len(done.Born) != 1 {
		t.Fatalf("born: %v", done.Born)
	}
	r := read(t, s, done.Born[0])
	if r.View.Fields["description"] != `"李婷：在校状况：义务教育辍学"` || !slices.Equal(r.View.Fields["topics"].Texts(), []string{"education"}) || r.View.Fields["found_date"] != `"2017-05-23"` {
		t.Errorf("the issue has %v", r.View.Fields)
	}
	log := save(t, s, Edit{Type: "work_log", Issues: true, Fields: fields("log_date", "2017-05-22", "content", "陪同勘察水渠的走向", "help_needed", "请水利站派人")})
	if len(log.Born) != 1 || read(t, s, log.Born[0]).View.Fields["issue_source"] != `"self"` {
		t.Errorf("born: %v", log.Born)
	}
	clerk := enrolled(t, identity.VillageClerk)
	if done := save(t, clerk, child); !done.Changed || len(done.Born) != 0 {
		t.Errorf("a clerk's save: %+v", done)
	}
}
