package web

import (
	"cmp"
	"slices"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// The types that the pages know by name; all others they know from the forms.
const (
	householdType  record.Type = "household"
	personType     record.Type = "person"
	visitType      record.Type = "visit"
	teamType       record.Type = store.PostType
	incomeType     record.Type = "income"
	measureType    record.Type = "measure"
	issueType      record.Type = "issue"
	taskType       record.Type = "task"
	logType        record.Type = "work_log"
	attendanceType record.Type = "attendance"
	projectType    record.Type = "project"
	fundType       record.Type = "fund"
	inspectionType record.Type = "inspection"
	sampleType     record.Type = "inspection_sample"
	noticeType     record.Type = "notice"
	replyType      record.Type = "issue_reply"
)

// soonDays is after how many days without a visit a household is due one soon; when it
// is overdue the figures say.
const soonDays = 25

// countedVisit tells the visits by which a household counts as visited.
func countedVisit(fields map[string]record.Value) bool {
	mode, _ := fields["visit_mode"].Text()
	result, _ := fields["visit_result"].Text()
	return figure.Counted(mode, result)
}

// beijing is the zone of every day and hour on the pages.
var beijing = time.FixedZone("CST", 8*3600)

// daysBetween counts the days from one date to another; ok is false when one of
// them is none.
func daysBetween(from, to string) (days int, ok bool) {
	a, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return 0, false
	}
	b, err := time.Parse(time.DateOnly, to)
	if err != nil {
		return 0, false
	}
	return int(b.Sub(a).Hours() / 24), true
}

// due is a household with the days since it was last seen to.
type due struct {
	*house
	days  int
	never bool   // no counted visit at all
	from  string // the day that the days run from; "" where none is known
	by    since  // what was on it
}

// since is what the days of a household run from: the last of these.
type since int

const (
	sinceVisit since = iota
	sinceRegistered
	sinceTeam // came to the village
)

// level is how pressing a visit is.
type level int

const (
	fine level = iota
	soon
	overdue
	alarm
)

func (d due) level() level {
	switch {
	case d.days > figure.SeriousAfter:
		return alarm
	case d.days > figure.OverdueAfter:
		return overdue
	case d.days >= soonDays:
		return soon
	}
	return fine
}

// dueOf counts the days since h was last visited, or since it or the team came, as the
// office does.
func (s *snapshot) dueOf(h *house, today string) due {
	d := due{house: h, never: h.last == ""}
	from := []string{h.last, h.since, s.started[h.village]}
	d.from, d.days = figure.Since(from[0], from[1], from[2], today)
	d.by = since(slices.Index(from, d.from))
	return d
}

// dues gives the households that are due a visit soon or overdue, the most
// pressing first.
func (s *snapshot) dues(today string) []due {
	var out []due
	for _, h := range s.houses {
		if d := s.dueOf(h, today); h.active && d.level() > fine {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b due) int { return cmp.Compare(b.days, a.days) })
	return out
}

// coverage counts a village's active households and those visited this month.
type coverage struct {
	village string
	visited int
	active  int
}

func (s *snapshot) coverage(v record.Village, name, today string) coverage {
	c := coverage{village: name}
	for _, h := range s.houses {
		if h.village != v || !h.active {
			continue
		}
		c.active++
		if len(h.last) == len(today) && h.last[:7] == today[:7] {
			c.visited++
		}
	}
	return c
}

// percent is the share of households visited; only for active > 0.
func (c coverage) percent() int { return 100 * c.visited / c.active }
