package figure

import (
	"bytes"
	"math"
	"strconv"

	"zhucun/shared/record"
)

// Village is what the figures need of the records of one village.
type Village struct {
	rules *Rules

	profiles    []profile
	posts       map[record.ID]*post
	halves      map[half]held
	households  map[record.ID]*household
	persons     []person
	incomes     map[yearOf]income
	checks      map[yearOf]bool
	measures    []measure
	visits      []visit
	projects    map[record.ID]*project
	funds       []fund
	issues      []issue
	tallies     []tally
	inspections map[record.ID]string // the day
	samples     []sample
}

// New gives a village of which nothing is known yet.
func New(rules *Rules) *Village {
	return &Village{
		rules: rules,
		posts: map[record.ID]*post{}, halves: map[half]held{},
		households: map[record.ID]*household{}, incomes: map[yearOf]income{}, checks: map[yearOf]bool{},
		projects: map[record.ID]*project{}, inspections: map[record.ID]string{},
	}
}

// Types are the record types that figures are made of.
func Types() []record.Type {
	types := make([]record.Type, 0, len(readers))
	for _, r := range readers {
		types = append(types, r.of)
	}
	return types
}

var readers = []struct {
	of   record.Type
	read func(*Village, record.ID, answers)
}{
	{"village", (*Village).addProfile},
	{"team_post", (*Village).addPost},
	{"attendance", (*Village).addAttendance},
	{"household", (*Village).addHousehold},
	{"person", (*Village).addPerson},
	{"income", (*Village).addIncome},
	{"exit_check", (*Village).addExitCheck},
	{"measure", (*Village).addMeasure},
	{"visit", (*Village).addVisit},
	{"project", (*Village).addProject},
	{"fund", (*Village).addFund},
	{"issue", (*Village).addIssue},
	{"indicator_value", (*Village).addTally},
	{"inspection", (*Village).addInspection},
	{"inspection_sample", (*Village).addSample},
}

// Add takes a record into account: once each, those that are not void, in any order.
// Fields are its values as they read, by name. What is of another type counts for
// nothing.
func (v *Village) Add(t record.Type, id record.ID, fields map[string]record.Value) {
	for _, r := range readers {
		if r.of == t {
			r.read(v, id, fields)
			return
		}
	}
}

// Figures are those of one village in one period.
type Figures struct {
	Register  Register        `json:"register"`
	Coverage  Ratio           `json:"coverage"` // households with a counted visit, of those that count
	Overdue   int             `json:"overdue"`  // households, more than OverdueAfter days
	Serious   int             `json:"serious"`  // of them, more than SeriousAfter
	Posts     Posts           `json:"posts"`
	Projects  Projects        `json:"projects"`
	Issues    Issues          `json:"issues"`
	Visits    Opinion         `json:"visits"`  // as told to those who visit
	Samples   Opinion         `json:"samples"` // as told to inspectors
	Net       Ratio           `json:"net"`     // yuan of net income and members, in the year before
	Precision [5]Ratio        `json:"precision"`
	Exit      []IndicatorMade `json:"exit"`
	Sponsor   string          `json:"sponsor"`
	Target    string          `json:"target"` // year, "" where none is set
}

// Of gives the figures of a period.
func (v *Village) Of(p Period) Figures {
	f := Figures{
		Register:  v.register(p),
		Coverage:  v.coverage(p),
		Posts:     v.attendance(p),
		Projects:  v.projectsOf(p),
		Issues:    v.issuesOf(p),
		Visits:    v.told(p),
		Samples:   v.sampled(p),
		Net:       v.net(before(p.Year())),
		Precision: v.precision(p),
		Exit:      v.Indicators(p.Year()),
		Sponsor:   v.sponsor(p.To),
	}
	for _, o := range v.Overdue(p.To) {
		f.Overdue++
		if o.Days > SeriousAfter {
			f.Serious++
		}
	}
	if pr := v.profile(p.Year()); pr != nil {
		f.Target = pr.target
	}
	return f
}

// And gives the figures of both together; a sponsor and a target year have only
// single villages, and indicators are counted.
func (f Figures) And(o Figures) Figures {
	f.Register = f.Register.and(o.Register)
	f.Coverage = f.Coverage.And(o.Coverage)
	f.Overdue += o.Overdue
	f.Serious += o.Serious
	f.Posts = f.Posts.and(o.Posts)
	f.Projects = f.Projects.and(o.Projects)
	f.Issues = f.Issues.and(o.Issues)
	f.Visits = f.Visits.and(o.Visits)
	f.Samples = f.Samples.and(o.Samples)
	f.Net = f.Net.And(o.Net)
	for i := range f.Precision {
		f.Precision[i] = f.Precision[i].And(o.Precision[i])
	}
	f.Exit, f.Sponsor, f.Target = nil, "", ""
	return f
}

// Overall is the mean of those of the five precisions that have a rate, in percent;
// false where none has.
func (f *Figures) Overall() (float64, bool) { return mean(f.Precision[:]) }

// answers are a record's values as they read.
type answers map[string]record.Value

// text gives a text, a code, a date or a reference; "" where there is none.
func (a answers) text(name string) string {
	s, _ := a[name].Text()
	return s
}

func (a answers) id(name string) record.ID {
	id, err := record.ParseID(a.text(name))
	if err != nil {
		return record.ID{}
	}
	return id
}

// number gives a number; false where there is none.
func (a answers) number(name string) (float64, bool) {
	s, ok := a[name].Number()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// year gives a year as text, so that years and days compare; "" where there is none.
func (a answers) year(name string) string {
	s, _ := a[name].Number()
	return s
}

// fen gives an amount of money in fen, so that sums are exact; 0 where there is none.
func (a answers) fen(name string) int64 {
	n, _ := a.number(name)
	return int64(math.Round(n * 100))
}

func yuan(fen int64) float64 { return float64(fen) / 100 }

// yearOf is one year of a household.
type yearOf struct {
	household record.ID
	year      string
}

// compare puts ids in an order that is the same everywhere.
func compare(a, b record.ID) int { return bytes.Compare(a[:], b[:]) }
