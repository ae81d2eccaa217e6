package merge

import (
	"testing"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Each row is what somebody wants to write in a notice of the office's.
func TestReceipts(t *testing.T) {
	f := form.Builtin().Form("notice")
	there := State{record.Source: {Siblings: []Sibling{{Dot: record.Dot{Seq: 1}, Value: record.Text("onsite"), Author: "办公室"}}}}
	day := record.Write{Path: "read_on/2017-05-23", Value: record.True}
	for _, tt := range []struct {
		name  string
		state State
		by    Writer
		body  []record.Write
		may   bool
	}{
		{"that it was read", there, Writer{"", identity.TeamMember}, []record.Write{day}, true},
		{"the same, by a clerk's laptop", there, Writer{"", identity.VillageClerk}, []record.Write{day}, true},
		{"with a name", there, Writer{"王队员", identity.TeamMember}, []record.Write{day}, false},
		{"by the office, of a village", there, Writer{"办公室", identity.Office}, []record.Write{day}, false},
		{"of a notice that is not there", State{}, Writer{"", identity.TeamMember}, []record.Write{day}, false},
		{"and something else", there, Writer{"", identity.TeamMember}, []record.Write{day, {Path: "title", Value: record.Text("改")}}, false},
		{"as a proposal", there, Writer{"", identity.TeamMember}, []record.Write{{Path: "read_on~", Value: record.Text("2017-05-23")}}, false},
		{"no day", there, Writer{"", identity.TeamMember}, []record.Write{{Path: "read_on/王队员", Value: record.True}}, false},
		{"that it was not", there, Writer{"", identity.TeamMember}, []record.Write{{Path: day.Path, Value: record.False}}, false},
		{"in place of another", there, Writer{"", identity.TeamMember}, []record.Write{{Path: day.Path, Value: record.True, Observed: []record.Dot{{Seq: 1}}}}, false},
		{"nothing", there, Writer{"", identity.TeamMember}, nil, false},
		{"the title", there, Writer{"王队员", identity.FirstSecretary}, []record.Write{{Path: "title", Value: record.Text("改")}}, false},
		{"another title, proposed", there, Writer{"王队员", identity.FirstSecretary}, []record.Write{{Path: "title~", Value: record.Text("改")}}, false},
		{"a notice of its own", State{}, Writer{"王队员", identity.FirstSecretary}, []record.Write{{Path: "title", Value: record.Text("通知")}, {Path: record.Source, Value: record.Text("onsite")}}, false},
		{"a notice", State{}, Writer{"办公室", identity.Office}, []record.Write{{Path: "title", Value: record.Text("通知")}, {Path: record.Source, Value: record.Text("onsite")}}, true},
	} {
		if err := Permit(f, "notice", tt.state, tt.by, tt.body); (err == nil) != tt.may {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// Two laptops of a village say so apart: it was read when the first did.
	two := State{record.Source: there[record.Source],
		"read_on/2017-05-24": {Siblings: []Sibling{{Dot: record.Dot{Seq: 2}, Value: record.True}}},
		"read_on/2017-05-23": {Siblings: []Sibling{{Dot: record.Dot{Seq: 3}, Value: record.True}}}}
	if on := ReadOn(f, Read(f, two).Fields); on != "2017-05-23" || Receipt(f, two, "2017-05-25") != nil {
		t.Errorf("read on %q, and again", on)
	}
	if body := Receipt(f, there, "2017-05-23"); Permit(f, "notice", there, Writer{"", identity.TeamMember}, body) != nil || len(body) != 1 {
		t.Errorf("%v", body)
	}
}
