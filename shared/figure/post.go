package figure

import (
	"cmp"
	"slices"

	"zhucun/shared/record"
)

// Required is how many days a month somebody is to be in the village.
const Required = 20

// LeaveOfYear is how many days of leave a year somebody may take before it is marked.
const LeaveOfYear = 30

type post struct {
	name, role, unit string
	start, end       string
}

func (v *Village) addPost(id record.ID, a answers) {
	v.posts[id] = &post{a.text("person_name"), a.text("team_role"), a.text("unit"), a.text("start_date"), a.text("end_date")}
}

// within gives the part of a period in which the post is held, in days.
func (p *post) within(of Period) int {
	end := of.To
	if p.end != "" {
		end = min(end, p.end)
	}
	return days(max(of.From, p.start), end)
}

// half is half a day of somebody.
type half struct {
	post       record.ID
	date, half string
}

// held is what is recorded of it; of two records the one with the lesser id counts.
type held struct {
	id     record.ID
	attend string
}

func (v *Village) addAttendance(id record.ID, a answers) {
	k := half{a.id("person"), a.text("work_date"), a.text("half_day")}
	if k.date == "" || k.half == "" {
		return
	}
	if h, ok := v.halves[k]; !ok || compare(id, h.id) < 0 {
		v.halves[k] = held{id, a.text("attend")}
	}
}

// Attendance is that of one person in a period, in days; half a day is 0.5.
type Attendance struct {
	Post                                   record.ID
	Name, Role, Unit                       string
	Present, Duty, Leave, Resting, Missing float64
	// Required is 20 days of each whole month in post, and of others a part.
	Required float64
	// LeaveOfYear is the leave from the year's first day to the period's last.
	LeaveOfYear float64
}

// Rate is the attendance, at most all that is required, of what is required: min(100,
// 100 × attendance ÷ required) in percent.
func (a *Attendance) Rate() Ratio { return Ratio{min(a.Present, a.Required), a.Required} }

// Attendance gives the attendance of everybody who was in post in the period or of
// whom any is recorded in it: first secretaries first, then by name.
func (v *Village) Attendance(p Period) []Attendance {
	byPost := map[record.ID]*Attendance{}
	for id, po := range v.posts {
		a := &Attendance{Post: id, Name: po.name, Role: po.role, Unit: po.unit}
		p.months(func(part Period, of int) { a.Required += Required * float64(po.within(part)) / float64(of) })
		byPost[id] = a
	}
	recorded := map[record.ID]bool{}
	year := Period{From: p.Year() + "-01-01", To: p.To}
	for k, h := range v.halves {
		a := byPost[k.post]
		if a == nil {
			continue
		}
		if h.attend == "leave" && year.has(k.date) {
			a.LeaveOfYear += 0.5
		}
		if !p.has(k.date) {
			continue
		}
		recorded[k.post] = true
		switch h.attend {
		case "present":
			a.Present += 0.5
		case "duty":
			a.Duty += 0.5
		case "leave":
			a.Leave += 0.5
		case "rest":
			a.Resting += 0.5
		case "absent":
			a.Missing += 0.5
		}
	}
	var list []Attendance
	for id, a := range byPost {
		if a.Required > 0 || recorded[id] {
			list = append(list, *a)
		}
	}
	slices.SortFunc(list, func(a, b Attendance) int {
		return cmp.Or(cmp.Compare(rank(a.Role), rank(b.Role)), cmp.Compare(a.Name, b.Name), compare(a.Post, b.Post))
	})
	return list
}

// rank puts roles of a team in their order.
func rank(role string) int {
	if i := slices.Index([]string{"first_secretary", "leader", "member"}, role); i >= 0 {
		return i
	}
	return 3
}

// Posts is the attendance of a team.
type Posts struct {
	Rate   Ratio   `json:"rate"` // days, what anybody was there beyond what is required not counted
	Duty   float64 `json:"duty"` // days
	Leave  float64 `json:"leave"`
	Marked int     `json:"marked"` // people with more leave in the year than LeaveOfYear
}

func (v *Village) attendance(p Period) Posts {
	var t Posts
	for _, a := range v.Attendance(p) {
		t.Rate = t.Rate.And(a.Rate())
		t.Duty += a.Duty
		t.Leave += a.Leave
		if a.LeaveOfYear > LeaveOfYear {
			t.Marked++
		}
	}
	return t
}

func (t Posts) and(o Posts) Posts {
	return Posts{t.Rate.And(o.Rate), t.Duty + o.Duty, t.Leave + o.Leave, t.Marked + o.Marked}
}

// sponsor gives the unit of whoever is first secretary on a day, else of the last one
// before it; "" where there was none.
func (v *Village) sponsor(on string) string {
	var best *post
	for _, p := range v.posts {
		if p.role != "first_secretary" || p.start > on {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(p.start, best.start), cmp.Compare(p.unit, best.unit)) > 0 {
			best = p
		}
	}
	if best == nil {
		return ""
	}
	return best.unit
}
