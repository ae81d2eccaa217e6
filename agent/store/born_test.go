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
	// Taken out and asked for in other words while the first is open: that is two.
	again.Fields = fields("needs", "")
	save(t, s, again)
	again.Fields = fields("needs", "想装水表")
	if d := save(t, s, again); len(d.Born) != 1 || d.Born[0].ID == needs {
		t.Errorf("what is asked for in other words is in no issue: %v", d.Born)
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

// What is asked for again once its issue is closed or void is not lost: it is the next
// issue of that answer, of the same id on every laptop.
func TestAskedForAgain(t *testing.T) {
	end := map[string]Edit{
		"closed": {Fields: fields("issue_status", "closed")},
		"void":   {Void: "重复"},
	}
	for name, end := range end {
		t.Run(name, func(t *testing.T) {
			var laptops [2][]record.ID
			visit, _ := record.ParseID("01890000-0000-7000-8000-000000000001")
			for i := range laptops {
				s := enrolled(t, identity.FirstSecretary)
				e := Edit{Type: "visit", ID: visit, Issues: true, Fields: fields("findings", "屋顶漏雨", "needs", "想修屋顶")}
				e.Fields["gaps"] = record.Set([]string{"water"})
				for _, k := range save(t, s, e).Born {
					done := end
					done.Type, done.ID = issueType, k.ID
					save(t, s, done)
				}
				// In other words; and what was taken out, in the same words.
				e.Fields = fields("needs", "又漏了，想修屋顶", "gaps", "")
				born := save(t, s, e).Born
				e.Fields = map[string]record.Value{"gaps": record.Set([]string{"water"})}
				born = append(born, save(t, s, e).Born...)
				if len(born) != 2 {
					t.Fatalf("born: %v", born)
				}
				for j, path := range []record.Path{"needs", "gaps/water"} {
					laptops[i] = append(laptops[i], born[j].ID)
					made, err := s.Issues(visit, path)
					if err != nil || len(made) != 2 || made[1].Key.ID != born[j].ID || made[1].View.Void || made[1].View.Fields["issue_status"] != `"open"` {
						t.Fatalf("issues of %s: %v, %v", path, made, err)
					}
					if !made[0].settled() || made[0].View.Fields["description"] == made[1].View.Fields["description"] && path == "needs" {
						t.Error("what was settled was written over")
					}
				}
				if d := save(t, s, Edit{Type: "visit", ID: visit, Issues: true, Fields: fields("findings", "屋顶又漏雨")}); len(d.Born) != 0 {
					t.Errorf("what was not touched gave birth to %v", d.Born)
				}
			}
			if !slices.Equal(laptops[0], laptops[1]) {
				t.Errorf("two laptops made %v", laptops)
			}
		})
	}
}
