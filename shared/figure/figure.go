package figure

import (
	"bytes"
	"maps"
	"math"
	"strconv"
	"strings"

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

// Needs are the record types that figures are made of, and which of their fields: more
// may be passed to Add, and changes nothing.
func Needs() map[record.Type][]string {
	needs := map[record.Type][]string{}
	for _, r := range readers {
		needs[r.of] = strings.Fields(r.fields)
	}
	return needs
}

// Formulas is counted up with every change to a formula: what was worked out by an
// earlier one is to be worked out anew.
const Formulas = 3

var readers = []struct {
	of     record.Type
	read   func(*Village, record.ID, answers)
	fields string
}{
	{"village", (*Village).addProfile, "data_year target_exit_year clinic culture_room broadband waste_service population nv25 nv25_paved collective_income"},
	{"team_post", (*Village).addPost, "person_name team_role unit start_date end_date"},
	{"attendance", (*Village).addAttendance, "person work_date half_day attend"},
	{"household", (*Village).addHousehold, "poverty_status registered_date exit_year main_cause poverty_attr house_risk water_safe power_living"},
	{"person", (*Village).addPerson, "household relation id_number birth_date change_type"},
	{"income", (*Village).addIncome, "household year wage business property dibao_income pension_income eco_income other_transfer business_cost members"},
	{"exit_check", (*Village).addExitCheck, "household year income food clothing water education medical housing household_signed"},
	{"measure", (*Village).addMeasure, "year confirmed_date"},
	{"visit", (*Village).addVisit, "household visit_date visit_mode visit_result knows_measures satisfaction"},
	{"project", (*Village).addProject, "approved invested plan_end stage indicators beneficiaries"},
	{"fund", (*Village).addFund, "project fund_source direction amount fund_date doc_no payee"},
	{"issue", (*Village).addIssue, "issue_status found_date due_date closed_date"},
	{"indicator_value", (*Village).addTally, "year indicator value"},
	{"inspection", (*Village).addInspection, "inspect_date"},
	{"inspection_sample", (*Village).addSample, "inspection knows_measures satisfaction"},
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

// AddApart is Add for a record of which people wrote a field apart and nobody has decided
// yet: values are what each of them wrote. What was checked of an indicator counts as far
// as all of them say the same; elsewhere the value that fields has counts.
func (v *Village) AddApart(t record.Type, id record.ID, fields map[string]record.Value, field string, values []record.Value) {
	v.Add(t, id, fields)
	if t != Contested.Type || field != Contested.Field {
		return
	}
	said := maps.Clone(fields)
	for _, value := range values {
		said[field] = value
		v.Add(t, id, said)
	}
}

// Contested is the one field of which it counts what people wrote apart (AddApart).
var Contested = struct {
	Type  record.Type
	Field string
}{"indicator_value", "value"}

// Figures are those of one village in one period.
type Figures struct {
	Register Register `json:"register"`
	Coverage Ratio    `json:"coverage"` // households with a counted visit, of those that count
	Met      int      `json:"met"`      // the counted visits to these
	Overdue  int      `json:"overdue"`  // households, more than OverdueAfter days
	Serious  int      `json:"serious"`  // of them, more than SeriousAfter
	Posts    Posts    `json:"posts"`
	Projects Projects `json:"projects"`
	// Sources are where the money came from. A month that was closed before they were
	// worked out has none: what Projects.Payment has beyond them is of no known source.
	Sources   []Source        `json:"sources"`
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
		Posts:     v.attendance(p),
		Projects:  v.projectsOf(p),
		Sources:   v.sourcesOf(p),
		Issues:    v.issuesOf(p),
		Visits:    v.told(p),
		Samples:   v.sampled(p),
		Net:       v.net(before(p.Year())),
		Precision: v.precision(p),
		Exit:      v.Indicators(p.Year()),
		Sponsor:   v.sponsor(p.To),
	}
	f.Coverage, f.Met = v.coverage(p)
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
	f.Met += o.Met
	f.Overdue += o.Overdue
	f.Serious += o.Serious
	f.Posts = f.Posts.and(o.Posts)
	f.Projects = f.Projects.and(o.Projects)
	f.Sources = andSources(f.Sources, o.Sources)
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
