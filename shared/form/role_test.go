package form

import (
	"testing"

	"zhucun/shared/identity"
)

// Every role has a name in both languages.
func TestRoleLabel(t *testing.T) {
	for _, r := range identity.Roles {
		if l := Builtin().RoleLabel(r); l.Zh == "" || l.Zh == string(r) || l.En == "" || l.En == string(r) && r != identity.Inspector {
			t.Errorf("%s has no name: %+v", r, l)
		}
	}
	if l := Builtin().RoleLabel("mayor"); l.Zh != "mayor" || l.En != "mayor" {
		t.Errorf("of a later release: %+v", l)
	}
}
