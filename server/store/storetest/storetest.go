package storetest

import (
	"testing"
)

// Run runs the suite on stores that open makes.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*World)
	}{
		{"applied", applied},
		{"continuation", continuation},
		{"clock", clocks},
		{"quarantine", quarantines},
		{"stray", strays},
		{"bounds", bounds},
		{"turns", turns},
		{"rollback", rollback},
		{"panic", panics},
		{"skip", skips},
		{"images", images},
		{"what it had when the page was made", had},
		{"paging", paging},
		{"epoch", epochs},
		{"hidden", hidden},
		{"standing", standing},
		{"feed", feeds},
		{"desk", desks},
		{"accept", accepts},
		{"verdicts", verdicts},
		{"quarantine list", quarantineList},
		{"review", reviews},
		{"query", queries},
		{"reference", references},
		{"audit", auditChain},
		{"audit together", auditTogether},
		{"erase", erases},
		{"erase stray", erasesStray},
		{"erased by laptops", erasedByLaptops},
		{"fresh", fresh},
		{"contact", contact},
		{"notice", notices},
		{"move", moves},
		{"move, edited late", movesLate},
		{"move around", movesAround},
		{"move, forged", movesForged},
		{"move, photos", movesPhotos},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := NewWorld(t, open)
			test.run(w)
			w.Whole()
		})
	}
}
