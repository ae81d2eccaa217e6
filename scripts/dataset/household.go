package dataset

import (
	"fmt"
	"time"
)

// Code lists in the order in which zipf prefers them. A code stands several
// times where several things people say (a two-storey house, a brick house)
// have the same code.
var (
	attributes  = []string{"general", "general", "dibao", "wubao"}
	statuses    = []string{"exited", "unexited", "returned"}
	causeCodes  = []string{"illness", "disability", "schooling", "labour", "skill", "capital", "disaster", "transport", "land", "water", "motivation"}
	houses      = []string{"adobe", "brick_wood", "brick_concrete", "brick_concrete", "rc", "rc", "adobe", "other", "bamboo", "other", "rc", "other"}
	houseRisks  = []string{"a", "a", "a", "b", "b", "c", "d"}
	waters      = []string{"tap", "protected", "protected", "unprotected", "tap", "rain", "surface", "unprotected", "bottled"}
	roads       = []string{"cement", "asphalt", "gravel", "dirt", "gravel", "none", "dirt", "none"}
	healths     = []string{"healthy", "chronic", "serious", "disabled", "chronic", "healthy"}
	educations  = []string{"primary", "junior", "illiterate", "senior", "senior", "college", "university"}
	occupations = []occupation{
		{"ordinary", "none"},
		{"ordinary", "county"},
		{"ordinary", "province"},
		{"skilled", "outside"},
		{"weak", "township"},
		{"none", "none"},
		{"none", "none"},
		{"skilled", "county"},
		{"ordinary", "none"},
		{"weak", "none"},
	}
)

type occupation struct{ labour, place string }

type household struct {
	village *village
	id      string
	status  string
	fields  Fields
	members []Record
}

func (h *household) records() []Record {
	return append([]Record{{h.village.Code, "household", h.id, h.fields}}, h.members...)
}

// makeHousehold makes the household with this number, counted from 1 within
// its village.
func makeHousehold(r *draw, v *village, no int) *household {
	h := &household{village: v, id: named(householdSpace, "%s/%d", v.label, no), status: zipf(r, statuses, 0.9, 1)}

	clan := zipf(r, v.clans, 1.1, 1)
	head := h.addMember(r, "head", clan, r.between(28, 82))
	if r.chance(0.68) {
		h.addMember(r, "spouse", randomSurname(r), r.between(25, 80))
	}
	for range zipf(r, []int{1, 2, 0, 3, 4}, 0.8, 1) {
		h.addMember(r, "other", clan, r.between(1, 38))
	}
	for range zipf(r, []int{0, 1, 2}, 1, 1) {
		h.addMember(r, "other", clan, r.between(62, 94))
	}

	main, others := splitCauses(shuffled(r, causeCodes)[:zipf(r, []int{1, 2, 3}, 1, 1)])
	water := zipf(r, waters, 1.0, 1)
	safe := "yes"
	if water == "unprotected" || water == "surface" {
		safe = "no"
	}
	h.fields = Fields{
		{"household_no", fmt.Sprintf("%s%04d", v.Code, no)},
		{"group_name", pick(r, v.hamlets) + "组"},
		{"head_name", head},
		{"phone", phone(r)},
		{"poverty_attr", pick(r, attributes)},
		{"poverty_status", h.status},
		{"registered_date", date(firstDay.AddDate(0, 0, r.between(0, 120)))},
		{"main_cause", main},
		{"house_structure", zipf(r, houses, 0.8, 1)},
		{"house_risk", pick(r, houseRisks)},
		{"water_source", water},
		{"water_safe", safe},
		{"power_living", "yes"},
		{"road_type", zipf(r, roads, 0.9, 1)},
		{"arable_mu", float64(r.between(0, 89)) / 10},
		{"helper_name", pick(r, v.team).name},
	}
	if len(others) > 0 {
		h.fields = append(h.fields, Field{"other_causes", others})
	}
	return h
}

// splitCauses returns the main cause and the others, never nil.
func splitCauses(causes []string) (main string, others []string) {
	return causes[0], append([]string{}, causes[1:]...)
}

// addMember adds a person and returns the name.
func (h *household) addMember(r *draw, relation, surname string, age int) string {
	sex := randomSex(r)
	name := personName(r, surname, sex)
	born := firstDay.Add(-time.Duration(age*365+r.between(0, 364)) * 24 * time.Hour)
	education, school := schooling(r, age)
	work := occupation{"none", "none"} // too young, at school, or too old
	if age >= 18 && age <= 78 {
		work = zipf(r, occupations, 0.8, 1)
	}
	f := Fields{
		{"household", h.id},
		{"full_name", name},
		{"sex", sex},
		{"birth_date", date(born)},
		{"relation", relation},
		{"ethnicity", "01"},
		{"school", school},
		{"health", []string{zipf(r, healths, 1.5, 1)}},
		{"labour", work.labour},
		{"work_place", work.place},
		{"medical_ins", "yes"},
	}
	if education != "" {
		f = append(f, Field{"education", education})
	}
	h.members = append(h.members, Record{h.village.Code, "person", named(recordSpace, "person/%s/%d", h.id, len(h.members)), f})
	return name
}

// schooling returns the education of who has left school, and the school of
// who has not.
func schooling(r *draw, age int) (education, school string) {
	switch {
	case age < 6:
		return "", "preschool"
	case age < 12:
		return "", "primary"
	case age < 15:
		return "", "junior"
	case age < 22:
		switch r.between(1, 4) {
		case 1:
			return "", "senior"
		case 2:
			return "", "university"
		default:
			return "senior", "none"
		}
	default:
		return zipf(r, educations, 1.2, 1), "none"
	}
}
