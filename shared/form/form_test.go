package form

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zhucun/shared/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every record type has its form, every form all of its fields: a row lost
// from a table would lose an answer in silence. The village is in the envelope.
func TestForms(t *testing.T) {
	want := []struct {
		form   record.Type
		fields int
	}{
		{"village", 22}, {"team_post", 6}, {"household", 30}, {"person", 18}, {"income", 13}, {"measure", 9}, {"visit", 17},
		{"work_log", 6}, {"attendance", 6}, {"project", 14}, {"fund", 8}, {"issue", 12}, {"inspection", 6}, {"inspection_sample", 6},
		{"support_item", 5}, {"education", 6}, {"task", 5}, {"exit_check", 11}, {"indicator_value", 5},
		{"issue_reply", 5}, {"notice", 12},
	}
	forms := Builtin().Forms()
	if len(forms) != len(want) {
		t.Errorf("%d forms; want %d", len(forms), len(want))
	}
	for i, w := range want {
		if i < len(forms) && (forms[i].Type != w.form || len(forms[i].Fields) != w.fields) {
			t.Errorf("form %d: %s with %d fields; want %s with %d", i, forms[i].Type, len(forms[i].Fields), w.form, w.fields)
		}
		f := Builtin().Form(w.form)
		if f == nil {
			t.Errorf("no form %s", w.form)
			continue
		}
		if f.Field("village") != nil {
			t.Errorf("%s asks for its village", w.form)
		}
	}
	if Builtin().Form("hosehold") != nil {
		t.Error("a form for an unknown type")
	}
}

func TestChoices(t *testing.T) {
	want := map[string]int{
		"yes_no": 2, "sex": 2, "village_type": 3, "team_role": 3, "poverty_attr": 4, "poverty_status": 6, "cause": 13, "house_structure": 6,
		"house_risk": 6, "water_source": 7, "road_type": 5, "fuel": 9, "toilet": 3, "relocation": 4, "relation": 21, "ethnicity": 57,
		"education": 6, "school": 9, "health": 4, "labour": 5, "work_place": 5, "person_change": 9, "measure_type": 19, "task_status": 5,
		"visit_mode": 5, "visit_result": 5, "visit_purpose": 8, "satisfaction": 4, "assurance": 7, "aspect": 4, "fu_type": 4, "activity": 12,
		"half_day": 2, "attend": 5, "leave_type": 4, "project_type": 17, "project_stage": 8, "fund_source": 10, "direction": 4,
		"support_type": 4, "issue_source": 5, "topic": 16, "severity": 3, "issue_status": 5, "inspect_mode": 4, "indicator": 9,
		"role": 9, "form_group": 6, "notice_kind": 2, "notice_state": 3,
	}
	for list, n := range want {
		if got := len(Builtin().Choices(list)); got != n {
			t.Errorf("list %s has %d codes; want %d", list, got, n)
		}
	}
	if got := len(builtin().now.Load().lists); got != len(want) {
		t.Errorf("%d lists; want %d", got, len(want))
	}
	for _, list := range []string{"task_status", "project_stage"} {
		for _, c := range Builtin().Choices(list) {
			if c.Review != (c.Name == "stopped") {
				t.Errorf("%s/%s: review is %t", list, c.Name, c.Review)
			}
		}
	}
}

// The dump holds everything the forms say, to be read in the difference.
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, f := range Builtin().Forms() {
		fmt.Fprintf(&b, "%s %d %s / %s\n  group %s, key %s, author %t, alike %s, title %s\n  writers %s; owners %s\n", f.Type, f.Version,
			f.Title.Zh, f.Title.En, f.Group.Name, f.Key, f.Authored, f.Alike, f.Titles, f.Writers, f.Owners)
		for _, fd := range f.Fields {
			if fd.Section != (Label{}) {
				fmt.Fprintf(&b, "  -- %s / %s\n", fd.Section.Zh, fd.Section.En)
			}
			fmt.Fprintf(&b, "  %d %s %s", fd.Row, fd.Name, fd.Kind)
			if fd.List+string(fd.Refers) != "" {
				fmt.Fprintf(&b, " %s", fd.List+string(fd.Refers))
			}
			if fd.Kind != Calculate {
				fmt.Fprintf(&b, " %s", fd.Policy)
			}
			fmt.Fprintf(&b, ": %s / %s", fd.Label.Zh, fd.Label.En)
			if fd.Required && fd.RequiredWhen == nil {
				b.WriteString("; required")
			}
			for _, p := range []struct {
				name string
				expr *Expr
			}{
				{"required", fd.RequiredWhen},
				{"relevant", fd.Relevant},
				{"constraint", fd.Constraint},
				{"calculation", fd.Calculation},
				{"issue", fd.Issue},
			} {
				if p.expr != nil {
					fmt.Fprintf(&b, "; %s %s", p.name, p.expr)
				}
			}
			if fd.Masked {
				b.WriteString("; masked")
			}
			if len(fd.Hidden) > 0 {
				fmt.Fprintf(&b, "; hidden %s", fd.Hidden)
			}
			b.WriteByte('\n')
		}
	}
	golden := filepath.Join("testdata", "forms.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("forms differ from %s; read the difference after -update", golden)
	}
}

// Constraints of built-in forms say in both languages what they ask for, and
// every field of a title line, key or duplicate search can be shown.
func TestLabels(t *testing.T) {
	for _, f := range Builtin().Forms() {
		for _, fd := range f.Fields {
			if fd.Constraint != nil && (fd.Message.Zh == "" || fd.Message.En == "") {
				t.Errorf("%s.%s: a constraint without message", f.Type, fd.Name)
			}
			if (fd.Kind == SelectOne || fd.Kind == SelectMultiple) && len(fd.Choices) == 0 {
				t.Errorf("%s.%s: no choices", f.Type, fd.Name)
			}
		}
	}
}

func TestPathField(t *testing.T) {
	tests := []struct {
		form record.Type
		path record.Path
		want string
	}{
		{"issue", "topics/road", "topics"},
		{"issue", "topics", "topics"},
		{"household", "phone", "phone"},
		{"household", "phone~", "phone"},
		{"household", "helper_name~", "helper_name"},
		{"inspection", "inspector/王五", "inspector"},
		{"visit", "photos/a.jpg", "photos"},
		{"visit", "location", "location"},
		// Not kept by elements.
		{"household", "phone/1", ""},
		{"household", "other_causes/land", ""},
		{"household", "_life", ""},
		{"household", "colour", ""},
	}
	for _, tt := range tests {
		got := ""
		if fd := Builtin().Form(tt.form).PathField(tt.path); fd != nil {
			got = fd.Name
		}
		if got != tt.want {
			t.Errorf("%s %s: field %q; want %q", tt.form, tt.path, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	tests := []struct{ in, want string }{
		{"visit_dat", "visit_date"},
		{"Visit-Date", "visit_date"},
		{"findngs", "findings"},
		{"photo", "photos"},
		{"satisfation", "satisfaction"},
		{"colour", ""},
		{"", ""},
		{strings.Repeat("x", 1000), ""},
	}
	for _, tt := range tests {
		if got := Builtin().Form("visit").Nearest(tt.in); got != tt.want {
			t.Errorf("Nearest(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
	if got := Builtin().Nearest("houshold"); got != "household" {
		t.Errorf("nearest type is %q", got)
	}
}

func TestRoles(t *testing.T) {
	tests := []struct {
		form        record.Type
		role        string
		write, owns bool
	}{
		{"household", "team_member", true, false},
		{"household", "village_clerk", true, false},
		{"household", "township_office", true, true},
		{"household", "inspector", false, false},
		{"team_post", "team_member", false, false},
		{"team_post", "first_secretary", true, false},
		{"inspection", "inspector", true, false},
		{"inspection", "first_secretary", false, false},
		{"issue", "inspector", true, false},
		{"attendance", "sponsor_unit", true, true},
		{"project", "leader", false, false},
	}
	for _, tt := range tests {
		f := Builtin().Form(tt.form)
		if f.MayWrite(tt.role) != tt.write || f.Owns(tt.role) != tt.owns {
			t.Errorf("%s by %s: writes %t, owns %t; want %t, %t", tt.form, tt.role, f.MayWrite(tt.role), f.Owns(tt.role), tt.write, tt.owns)
		}
	}
	person := Builtin().Form("person")
	if !person.Field("health").HiddenFrom("inspector") || person.Field("health").HiddenFrom("office") {
		t.Error("health is hidden from the inspector, and from nobody else")
	}
}

// Each row is a role and whether its laptops get the masked fields of all forms:
// who looks after households needs ID and bank numbers, who looks at them does not.
func TestMaskedIsHidden(t *testing.T) {
	masked := 0
	for _, tt := range []struct {
		role string
		gets bool
	}{
		{"team_member", true},
		{"first_secretary", true},
		{"village_clerk", true},
		{"township_office", true},
		{"office", true},
		{"sponsor_unit", false},
		{"inspector", false},
	} {
		for _, f := range Builtin().Forms() {
			for _, fd := range f.Fields {
				if !fd.Masked {
					continue
				}
				masked++
				if fd.HiddenFrom(tt.role) == tt.gets {
					t.Errorf("%s: %s.%s, got %t, want %t", tt.role, f.Type, fd.Name, !tt.gets, tt.gets)
				}
			}
		}
	}
	if masked != 2*7 {
		t.Errorf("%d rows; two fields are masked", masked)
	}
}
