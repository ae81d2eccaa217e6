package merge

import "zhucun/shared/record"

// Contradicts tells whether it was said of two records both that they are the same and
// that they are not: two people did so who had not heard of each other.
func Contradicts(a State, aID record.ID, b State, bID record.ID) bool {
	same, apart := false, false
	for _, r := range []Register{a[samePath(bID)], b[samePath(aID)]} {
		for _, sib := range r.Siblings {
			same = same || sib.Value == record.True
			apart = apart || sib.Value == record.False
		}
	}
	return same && apart
}
