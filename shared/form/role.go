package form

import "zhucun/shared/identity"

// roleList is the code list of the roles.
const roleList = "role"

// RoleLabel is what people call a role: that of the code list "role". One of a
// later release is shown as it is.
func (s *Set) RoleLabel(r identity.Role) Label {
	for _, c := range s.Choices(roleList) {
		if c.Name == string(r) {
			return c.Label
		}
	}
	return Label{Zh: string(r), En: string(r)}
}
