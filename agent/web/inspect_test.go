package web

import (
	"regexp"
	"strings"
	"testing"

	"zhucun/shared/identity"
)

// An inspector's laptop writes inspections and the households that were sampled on them,
// from the inspection's page, and finds both; it writes no records of the team. A team
// reads them and writes none.
func TestInspectorsLaptop(t *testing.T) {
	f := newFixture(t, true).enter()
	f.role(identity.Inspector)
	h, other := f.house(0), f.house(1)
	inspection := f.entered("/record/inspection/new", "f.inspect_date", "2025-01-08", "f.inspector", "刘核、周督", "f.inspect_mode", "surprise", "f.on_post", "2", "f.findings", "台账齐全，抽查两户")
	id := regexp.MustCompile(`saved=inspection/([0-9a-f-]{36})`).FindStringSubmatch(inspection.path)[1]
	page := f.get("/record/inspection/" + id).body
	link := "/record/inspection_sample/new?inspection=" + id
	if !strings.Contains(page, link) {
		t.Fatal("the page of an inspection does not lead to a sample")
	}
	for _, house := range []*house{h, other} {
		f.entered(link, "f.household", house.id.String(), "f.knows_team", "yes", "f.knows_measures", "no", "f.satisfaction", "very", "f.record_matches", "yes")
	}
	page = f.get("/record/inspection/" + id).body
	if rows := listed(page); !contains(bare(page), "督查抽查户 2 条") || len(rows) == 0 || !contains(bare(page), h.name, other.name) {
		t.Errorf("the inspection shows %q", rows)
	}
	if rows := listed(f.get("/records/inspection_sample?inspection=" + id + "&satisfaction=very").body); len(rows) != 2 {
		t.Errorf("samples in their list: %q", rows)
	}
	if rows := listed(f.get("/records/inspection?year=2025").body); len(rows) != 1 || !contains(rows[0], "刘核", "暗访", "台账齐全") {
		t.Errorf("inspections: %q", rows)
	}
	for _, path := range []string{"/record/visit/new", "/record/work_log/new", "/record/project/new", "/attendance/day?day=2025-01-08"} {
		if a := f.get(path); a.status != 403 {
			t.Errorf("an inspector gets %d at %s", a.status, path)
		}
	}
	f.role(identity.TeamMember)
	if a := f.get(link); a.status != 403 {
		t.Errorf("a member gets %d at %s", a.status, link)
	}
	if page := f.get("/record/inspection/" + id).body; strings.Contains(page, link) || !strings.Contains(page, h.name) {
		t.Error("a member is asked to sample, or does not see what was sampled")
	}
}
