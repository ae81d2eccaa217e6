package web

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// The first page of every list is there in a tenth of a second with 2,000
// households and 20,000 visits. The limit here is wider: other tests run beside.
func TestFirstPageIsQuick(t *testing.T) {
	if testing.Short() {
		t.Log("the large office takes half a minute to fill; left out with -short")
		return
	}
	begun := time.Now()
	f := large(t, "2000", "20000")
	t.Logf("filled in %s", time.Since(begun).Round(time.Millisecond))
	for n := range 40 {
		f.quarrel(f.first(f.codes()[n%6], "household", n))
	}
	v := f.as("office")
	house := f.first(f.codes()[0], "household", 0)
	const limit = 400 * time.Millisecond
	for _, path := range []string{"/", "/records", "/records/household", "/records/person", "/records/visit", "/records/team_post",
		"/records/visit?village=" + string(house.Village), "/records/visit?q=%E7%8E%8B", "/records/visit?w.visit_mode=home", href(house.Key),
		"/coverage?month=2024-12", "/overdue", "/conflicts", "/quarantine", "/devices"} {
		var took []time.Duration
		for range 7 {
			begun := time.Now()
			if a := v.get(path); a.status != http.StatusOK {
				t.Fatalf("%s: %d", path, a.status)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		t.Logf("%-50s %s (slowest %s)", path, took[3].Round(100*time.Microsecond), took[6].Round(100*time.Microsecond))
		if took[3] > limit {
			t.Errorf("%s took %s", path, took[3])
		}
	}
}
