package dataset

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// visitDays is how long the visits go on.
const visitDays = 700

// kind is an occasion of a visit.
type kind struct {
	mode     string
	purposes []string
}

// Occasions and scores in the order in which zipf prefers them.
var (
	kinds = []kind{
		{"home", []string{"routine"}},
		{"home", []string{"relief"}},
		{"home", []string{"verify"}},
		{"home", []string{"follow_up"}},
		{"home", []string{"policy"}},
		{"field", []string{"measure"}},
		{"home", []string{"verify", "income"}},
		{"phone", []string{"routine"}},
		{"home", []string{"routine", "verify"}},
		{"home", []string{"exit"}},
	}
	scores = []int{4, 5, 3, 2, 1}
)

func satisfaction(score int) string {
	return []string{"unsatisfied", "unsatisfied", "fair", "satisfied", "very"}[score-1]
}

type visit struct {
	village                   *village
	household                 *household
	id                        string
	day                       time.Time
	visitors                  []string
	kind                      kind
	score                     int
	lat, lng                  float64
	findings, needs, promised string
	followUp                  string
}

// eachVisit makes n visits, one day after the other, in order of their ids.
func eachVisit(r *draw, n int, villages []*village, each func(*visit) error) error {
	villages = inhabited(villages)
	var perDay [visitDays]int
	for range n {
		perDay[r.between(0, visitDays-1)]++
	}
	for day, count := range perDay {
		visits := make([]*visit, count)
		for i := range visits {
			visits[i] = makeVisit(r, pick(r, villages), firstDay.AddDate(0, 0, day))
		}
		slices.SortFunc(visits, func(a, b *visit) int { return cmp.Compare(a.id, b.id) })
		for _, v := range visits {
			if err := each(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeVisit(r *draw, place *village, day time.Time) *visit {
	first := r.between(0, len(place.team)-1)
	others := slices.Delete(slices.Clone(place.team), first, first+1)
	visitors := []string{place.team[first].id}
	for _, p := range shuffled(r, others)[:zipf(r, []int{1, 0, 2}, 0.8, 1)] {
		visitors = append(visitors, p.id)
	}
	// Ten hours from midnight UTC, which is from eight in the morning there.
	created := day.Add(time.Duration(r.between(0, 10*3600*1000-1)) * time.Millisecond)
	v := &visit{
		village:   place,
		household: zipf(r, place.households, 0.25, 30),
		id:        uuid7(r, created),
		day:       day,
		visitors:  visitors,
		kind:      zipf(r, kinds, 1.0, 1),
		score:     zipf(r, scores, 1.0, 1),
		lat:       micro(place.lat + r.normal(0, 0.012)),
		lng:       micro(place.lng + r.normal(0, 0.012)),
	}
	w := place.team[first].writer
	v.findings = w.note(r, 60, 300)
	if r.chance(0.55) {
		v.needs = w.need(r, 120)
	}
	if r.chance(0.5) {
		v.promised = w.promise(r, 120)
	}
	if r.chance(0.45) {
		v.followUp = date(day.AddDate(0, 0, r.between(3, 60)))
	}
	return v
}

// micro rounds to six places, a tenth of a metre.
func micro(degrees float64) float64 { return math.Round(degrees*1e6) / 1e6 }

func (v *visit) record() Record {
	knows := "no"
	if v.score > 2 {
		knows = "yes"
	}
	f := Fields{
		{"household", v.household.id},
		{"visit_date", date(v.day)},
		{"visitors", v.visitors},
		{"visit_mode", v.kind.mode},
		{"visit_result", "met"},
		{"visit_purpose", v.kind.purposes},
		{"findings", v.findings},
		{"knows_team", "yes"},
		{"knows_measures", knows},
		{"satisfaction", satisfaction(v.score)},
		{"location", [2]float64{v.lng, v.lat}},
	}
	for _, x := range []struct{ name, text string }{{"needs", v.needs}, {"promised", v.promised}, {"follow_up", v.followUp}} {
		if x.text != "" {
			f = append(f, Field{x.name, x.text})
		}
	}
	return Record{v.village.Code, "visit", v.id, f}
}
