package figure

import (
	"cmp"
	"slices"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// The days after which a household's visit is overdue, and seriously so.
const (
	OverdueAfter = 31
	SeriousAfter = 62
)

// Active tells whether a household counts in the figures: whether it is or was poor,
// by its poverty status.
func Active(status string) bool { return Poor(status) || status == "exited" }

// Poor tells whether a household is poor as yet or again, by its poverty status.
func Poor(status string) bool {
	return slices.Contains([]string{"new", "unexited", "pre_exit", "returned"}, status)
}

// Gone tells whether somebody has left the household, by the reason of change.
func Gone(change string) bool {
	return slices.Contains([]string{"death", "marry_out", "move_out", "prison"}, change)
}

// Counted tells whether a visit counts, by its mode and result: whether somebody of
// the household was met at home or in the field.
func Counted(mode, result string) bool {
	return (mode == "home" || mode == "field") && (result == "met" || result == "proxy")
}

type household struct {
	status, registered, exitYear string
	cause, attr                  string
	risk, water, power           string
}

func (v *Village) addHousehold(id record.ID, a answers) {
	v.households[id] = &household{
		status: a.text("poverty_status"), registered: a.text("registered_date"), exitYear: a.year("exit_year"),
		cause: a.text("main_cause"), attr: a.text("poverty_attr"),
		risk: a.text("house_risk"), water: a.text("water_safe"), power: a.text("power_living"),
	}
}

// active gives the household if it counts; nil otherwise.
func (v *Village) active(id record.ID) *household {
	if h := v.households[id]; h != nil && Active(h.status) {
		return h
	}
	return nil
}

// profile is a year of the village itself.
type profile struct {
	id                  record.ID
	year, target        string
	population          float64
	populated           bool
	hamlets, paved      float64
	hamlet, pave        bool
	income              float64
	earned              bool
	clinic, culture     string
	broadband, disposal string
}

func (v *Village) addProfile(id record.ID, a answers) {
	p := profile{id: id, year: a.year("data_year"), target: a.year("target_exit_year"),
		clinic: a.text("clinic"), culture: a.text("culture_room"), broadband: a.text("broadband"), disposal: a.text("waste_service")}
	p.population, p.populated = a.number("population")
	p.hamlets, p.hamlet = a.number("nv25")
	p.paved, p.pave = a.number("nv25_paved")
	p.income, p.earned = a.number("collective_income")
	v.profiles = append(v.profiles, p)
}

// profile gives the newest one up to a year; nil where there is none.
func (v *Village) profile(year string) *profile {
	var newest *profile
	for i := range v.profiles {
		p := &v.profiles[i]
		if p.year > year {
			continue
		}
		if newest == nil || cmp.Or(cmp.Compare(p.year, newest.year), compare(newest.id, p.id)) > 0 {
			newest = p
		}
	}
	return newest
}

type person struct {
	household record.ID
	head      bool
	number    string
	birth     record.Value
	valid     bool // the number, where there is one
}

func (v *Village) addPerson(_ record.ID, a answers) {
	if Gone(a.text("change_type")) {
		return
	}
	p := person{household: a.id("household"), head: a.text("relation") == "head", number: a.text("id_number"), birth: a["birth_date"]}
	p.valid = form.GoodID(p.number)
	v.persons = append(v.persons, p)
}

type income struct {
	id      record.ID
	net     int64 // fen
	members float64
}

// addIncome keeps one record of a year, that with the lesser id.
func (v *Village) addIncome(id record.ID, a answers) {
	of := yearOf{a.id("household"), a.year("year")}
	if before, ok := v.incomes[of]; ok && compare(before.id, id) < 0 {
		return
	}
	members, _ := a.number("members")
	net := -a.fen("business_cost")
	for _, name := range []string{"wage", "business", "property", "dibao_income", "pension_income", "eco_income", "other_transfer"} {
		net += a.fen(name)
	}
	v.incomes[of] = income{id, net, members}
}

// Register is who is poor.
type Register struct {
	Households       int   `json:"households"` // that count: poor, or exited
	Persons          int   `json:"persons"`    // of these
	Exited           int   `json:"exited"`     // households
	ExitedPersons    int   `json:"exited_persons"`
	Remaining        int   `json:"remaining"` // households that are poor as yet or again
	RemainingPersons int   `json:"remaining_persons"`
	Headcount        Ratio `json:"headcount"` // the persons remaining, of the registered population
}

func (v *Village) register(p Period) Register {
	var r Register
	for _, h := range v.households {
		switch {
		case h.status == "exited":
			r.Exited++
		case Poor(h.status):
			r.Remaining++
		}
	}
	for _, ps := range v.persons {
		switch h := v.households[ps.household]; {
		case h == nil:
		case h.status == "exited":
			r.ExitedPersons++
		case Poor(h.status):
			r.RemainingPersons++
		}
	}
	r.Households, r.Persons = r.Exited+r.Remaining, r.ExitedPersons+r.RemainingPersons
	if pr := v.profile(p.Year()); pr != nil && pr.populated {
		r.Headcount = Ratio{float64(r.RemainingPersons), pr.population}
	}
	return r
}

func (r Register) and(o Register) Register {
	return Register{r.Households + o.Households, r.Persons + o.Persons, r.Exited + o.Exited, r.ExitedPersons + o.ExitedPersons,
		r.Remaining + o.Remaining, r.RemainingPersons + o.RemainingPersons, r.Headcount.And(o.Headcount)}
}

// net gives the net income and the members of the households that count, in a year.
func (v *Village) net(year string) Ratio {
	var fen int64
	members := 0.0
	for of, in := range v.incomes {
		if of.year == year && in.members > 0 && v.active(of.household) != nil {
			fen, members = fen+in.net, members+in.members
		}
	}
	return Ratio{yuan(fen), members}
}

type visit struct {
	household    record.ID
	date         string
	counted      bool
	measures     string // whether they know them
	satisfaction string
}

func (v *Village) addVisit(_ record.ID, a answers) {
	v.visits = append(v.visits, visit{a.id("household"), a.text("visit_date"), Counted(a.text("visit_mode"), a.text("visit_result")),
		a.text("knows_measures"), a.text("satisfaction")})
}

// coverage gives the households with a counted visit in the period, of those that
// count, and how many visits these were.
func (v *Village) coverage(p Period) (r Ratio, visits int) {
	seen := map[record.ID]bool{}
	for _, vi := range v.visits {
		if vi.counted && p.has(vi.date) && v.active(vi.household) != nil {
			seen[vi.household] = true
			visits++
		}
	}
	for _, h := range v.households {
		if Active(h.status) {
			r.Of++
		}
	}
	r.Part = float64(len(seen))
	return r, visits
}

// Overdue is a household whose visit is overdue.
type Overdue struct {
	Household record.ID
	Last      string // the day of its last counted visit, "" where there was none
	From      string // the day that the days count from
	Days      int
}

// Since gives the day that a household's days count from, and how many have passed on a
// day: the last of its last counted visit, its registration and the team's arrival, each
// of which may be "". One that lies ahead counts too, and no days have passed: whoever is
// to be visited from next week on is not overdue today. Without any of them from is "".
func Since(last, registered, came, on string) (from string, passed int) {
	from = max(last, registered, came)
	return from, max(0, days(from, on)-1) // days counts both ends
}

// Overdue gives the households that are overdue on a day: more than OverdueAfter days
// after the day that theirs count from (Since). The longest come first. A household of
// which no such day is known is not among them.
func (v *Village) Overdue(on string) []Overdue {
	came := ""
	for _, p := range v.posts {
		if p.start != "" && (came == "" || p.start < came) {
			came = p.start
		}
	}
	last := map[record.ID]string{}
	for _, vi := range v.visits {
		if vi.counted && vi.date <= on {
			last[vi.household] = max(last[vi.household], vi.date)
		}
	}
	var list []Overdue
	for id, h := range v.households {
		o := Overdue{Household: id, Last: last[id]}
		if o.From, o.Days = Since(o.Last, h.registered, came, on); Active(h.status) && o.Days > OverdueAfter {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b Overdue) int { return cmp.Or(cmp.Compare(b.Days, a.Days), compare(a.Household, b.Household)) })
	return list
}

// identified tells whether a person's number is valid, or need not be there on a day: by
// the form's rule for newborns.
func (p *person) identified(on string) bool {
	if p.number != "" {
		return p.valid
	}
	marks := form.Builtin().Form("person").Check(map[string]record.Value{"birth_date": p.birth}, on)
	return !slices.ContainsFunc(marks, func(m form.Mark) bool { return m.Path == "id_number" })
}
