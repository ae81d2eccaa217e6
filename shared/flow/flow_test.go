package flow

import (
	"slices"
	"testing"

	"zhucun/shared/form"
	"zhucun/shared/identity"
)

// Every name in the tables is one of the forms and lists that the program has: a step that
// was misspelt would be offered to nobody.
func TestTables(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for typ, f := range all {
		fm := form.Builtin().Form(typ)
		if fm == nil || fm.Field(f.State) == nil || fm.Field(f.Due) == nil || fm.Field(f.Owner) == nil || fm.Field(f.Due).Kind != form.Date {
			t.Fatalf("%s: %+v", typ, f)
		}
		if f.Closed != "" && fm.Field(f.Closed) == nil {
			t.Errorf("%s: no field %s", typ, f.Closed)
		}
		known := func(state string) bool {
			_, ok := fm.Field(f.State).Choice(state)
			return ok
		}
		for _, d := range append(slices.Clone(f.Done), f.Verified) {
			if d != "" && !known(d) {
				t.Errorf("%s: no state %q", typ, d)
			}
		}
		seen := map[[2]string]bool{}
		for _, s := range f.Steps {
			if s.From != Any && !known(s.From) || s.To != Any && !known(s.To) || s.From == s.To && s.From != Any || seen[[2]string{s.From, s.To}] {
				t.Errorf("%s: step %s → %s", typ, s.From, s.To)
			}
			seen[[2]string{s.From, s.To}] = true
			for _, r := range s.Roles {
				if !slices.Contains(identity.Roles, r) {
					t.Errorf("%s: no role %q", typ, r)
				}
				if r != identity.Office && !fm.MayWrite(string(r)) {
					t.Errorf("%s: %s may take the step %s → %s and not write the record", typ, r, s.From, s.To)
				}
			}
		}
		// Whatever state a record is in, somebody can bring it on.
		for _, c := range fm.Field(f.State).Choices {
			for _, to := range fm.Field(f.State).Choices {
				if _, _, ok := f.Step([]identity.Role{identity.Office}, c.Name, to.Name); ok != (c.Name != to.Name) {
					t.Errorf("%s: the office, %s → %s: %v", typ, c.Name, to.Name, ok)
				}
			}
		}
	}
}

// Each row is somebody who wrote a state, and who answers for the record.
func TestSelf(t *testing.T) {
	f := Of("issue")
	for _, tt := range []struct {
		state, by, owner string
		want             bool
	}{
		{"closed", "王书记", "王书记", true},
		{"closed", "王 书记", "王书记 ", true},
		{"closed", "Wang", "wang", true},
		{"closed", "李队员", "王书记", false},
		{"submitted", "王书记", "王书记", false},
		{"closed", "", "", false},
	} {
		if got := f.Self(tt.state, tt.by, tt.owner); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if Of("household") != nil || Of("task").Self("done", "a", "a") {
		t.Error("a rule where there is none")
	}
}

// The more exact row counts, and the first role that it allows.
func TestStep(t *testing.T) {
	f := Of("issue")
	s, as, ok := f.Step([]identity.Role{identity.Leader, identity.Inspector, identity.Office}, "submitted", "closed")
	if !ok || as != identity.Inspector || s.Note || s.Say.En != "Verified; close" {
		t.Errorf("%+v %s %v", s, as, ok)
	}
	if s, as, ok = f.Step([]identity.Role{identity.Office}, "open", "closed"); !ok || !s.Note || s.Say.Zh != "" || as != identity.Office {
		t.Errorf("%+v %s %v", s, as, ok)
	}
	if _, _, ok = f.Step([]identity.Role{identity.Inspector}, "open", "closed"); ok {
		t.Error("an inspector closes what nobody has worked on")
	}
	if len(f.Next([]identity.Role{identity.SponsorUnit}, "submitted")) != 0 || len(f.Next([]identity.Role{identity.Inspector}, "submitted")) != 2 {
		t.Error("steps that are offered")
	}
}

// Up to three days of leave the township approves, longer leave the sponsor unit.
func TestApproves(t *testing.T) {
	for _, tt := range []struct {
		role identity.Role
		half int
		want bool
	}{
		{identity.TownshipOffice, 6, true}, {identity.TownshipOffice, 7, false}, {identity.SponsorUnit, 6, false}, {identity.SponsorUnit, 7, true},
		{identity.Office, 1, true}, {identity.Office, 60, true}, {identity.FirstSecretary, 1, false}, {identity.Inspector, 60, false},
	} {
		if got := Approves(tt.role, tt.half); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
