package figure

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// The village of the tests, a record a line: type, a letter for the id, then fields.
// 杨 is not poor; 赵 exited last year, 钱 and 周 this year, 孙 and 李 are poor.
const bamboo = `
village a data_year=2016 population=500 target_exit_year=2019
village b data_year=2017 population=400 nv25=4 nv25_paved=3 collective_income=52000.5 clinic=yes culture_room=yes broadband=no target_exit_year=2018
team_post s person_name=王 team_role=first_secretary unit=公路局 start_date=2017-03-16
team_post t person_name=李 team_role=member unit=公路局 start_date=2016-01-01 end_date=2017-05-10
household Z head_name=赵 poverty_attr=general poverty_status=exited exit_year=2016 registered_date=2014-01-01 main_cause=illness house_risk=b water_safe=yes power_living=yes
household Q head_name=钱 poverty_attr=general poverty_status=exited exit_year=2017 registered_date=2014-01-01 main_cause=water house_risk=a water_safe=yes power_living=yes
household S head_name=孙 poverty_attr=dibao poverty_status=unexited registered_date=2014-01-01 main_cause=land house_risk=c water_safe=yes power_living=yes
household L head_name=李 poverty_attr=general poverty_status=new registered_date=2017-04-30 house_risk=b water_safe=yes
household @ head_name=周 poverty_attr=general poverty_status=exited exit_year=2017 registered_date=2014-01-01 main_cause=water house_risk=a water_safe=yes power_living=yes
household Y head_name=杨 poverty_attr=non_poor house_risk=d water_safe=no power_living=no
person 1 household=Z relation=head id_number=369999195001010010
person 2 household=Q relation=head id_number=369999195001010029
person 3 household=Q relation=spouse id_number=369999195001010037
person 4 household=S relation=head id_number=369999195001010045
person 5 household=S relation=son birth_date=2017-01-01
person 6 household=S relation=father change_type=death id_number=369999195001010045
person 7 household=L relation=head id_number=369999195001010053
person 8 household=L relation=spouse id_number=369999195001010053
person ! household=@ relation=head id_number=369999195001010061
person # household=@ relation=head id_number=36999919500101007X
income 9 household=Z year=2016 wage=20000 business_cost=0 members=1
income A household=Q year=2016 wage=6000 members=2
income B household=Q year=2017 wage=9000.5 business=1000 business_cost=500 members=2
income C household=S year=2016 dibao_income=3000 members=2
income $ household=@ year=2016 wage=2000 members=2
income ( household=@ year=2017 wage=6000 members=2
exit_check ) household=@ year=2017 income=yes food=yes clothing=yes water=yes education=yes medical=yes housing=yes household_signed=yes
exit_check D household=Q year=2017 income=yes food=yes clothing=yes water=yes education=yes medical=yes housing=yes household_signed=yes
measure E household=S year=2017 measure_type=industry confirmed_date=2017-05-20
measure F household=S year=2017 measure_type=job
measure * household=S year=2017 measure_type=credit confirmed_date=2017-06-02
measure G household=S year=2016 measure_type=job
visit H household=Z visit_date=2017-05-03 visit_mode=home visit_result=met knows_measures=yes satisfaction=very
visit I household=Z visit_date=2017-05-04 visit_mode=field visit_result=proxy
visit J household=S visit_date=2017-05-05 visit_mode=phone visit_result=met knows_measures=no satisfaction=fair
visit K household=Q visit_date=2017-04-12 visit_mode=home visit_result=met knows_measures=yes
visit M household=Y visit_date=2017-05-06 visit_mode=home visit_result=met satisfaction=satisfied
visit + household=@ visit_date=2017-05-30 visit_mode=home visit_result=met
project N approved=100000 invested=40000 plan_end=2017-05-30 stage=started indicators=n2
project O approved=50000 invested=50000 plan_end=2017-04-01 stage=completed
project P approved=1000 plan_end=2017-01-01 stage=stopped
fund , project=N fund_source=county direction=received amount=60000 fund_date=2017-04-01 doc_no=1
fund ' project=N fund_source=county direction=paid amount=50000.5 fund_date=2017-04-01 doc_no=2 payee=某公司
fund U project=N fund_source=county direction=paid amount=20000 fund_date=2017-04-03 doc_no=3 payee=某公司
fund V project=N fund_source=county direction=returned amount=20000 fund_date=2017-04-04 doc_no=4
fund W project=N fund_source=sponsor direction=paid amount=9000 fund_date=2017-04-05 doc_no=5
issue X issue_status=closed found_date=2017-05-01 due_date=2017-05-20 closed_date=2017-05-18
issue - issue_status=closed found_date=2017-05-01 due_date=2017-05-20 closed_date=2017-06-05
issue c issue_status=doing found_date=2017-05-01 due_date=2017-05-20
issue d issue_status=open found_date=2017-05-01 due_date=2017-06-20
indicator_value e year=2017 indicator=n6 value=yes
indicator_value f year=2017 indicator=n9 value=49999.99
indicator_value g year=2017 indicator=n7 value=yes
indicator_value h year=2017 indicator=n7 value=no
inspection i inspect_date=2017-05-09
inspection_sample j inspection=i household=S knows_measures=yes satisfaction=unsatisfied
`

type made struct {
	of     record.Type
	id     record.ID
	fields map[string]record.Value
}

// idOf makes an id of a letter.
func idOf(letter string) record.ID { return record.ID{0: letter[0], 6: 0x40, 8: 0x80} }

var numbers = strings.Fields("data_year population target_exit_year nv25 nv25_paved collective_income exit_year year wage business business_cost dibao_income members approved invested amount")

// parse reads records as above; a value of one letter is a reference, unless a list
// of codes has it.
func parse(t interface{ Fatal(...any) }, text string) []made {
	var list []made
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		m := made{record.Type(words[0]), idOf(words[1]), map[string]record.Value{}}
		for _, w := range words[2:] {
			name, value, _ := strings.Cut(w, "=")
			switch {
			case slices.Contains(numbers, name):
				n, err := record.Number(value)
				if err != nil {
					t.Fatal(err)
				}
				m.fields[name] = n
			case name == "indicators":
				m.fields[name] = record.Set([]string{value})
			case slices.Contains([]string{"household", "project", "inspection", "person"}, name):
				m.fields[name] = record.Text(idOf(value).String())
			default:
				m.fields[name] = record.Text(value)
			}
		}
		list = append(list, m)
	}
	return list
}

// halves are half days of somebody, from a day of May on.
func halves(t interface{ Fatal(...any) }, n int, who, attend string, from int) []made {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "attendance x person=%s work_date=2017-05-%02d half_day=%s attend=%s\n", who, from+i/2, []string{"am", "pm"}[i%2], attend)
	}
	list := parse(t, b.String())
	for i := range list {
		list[i].id[1], list[i].id[2], list[i].id[3] = who[0], attend[0], byte(i)
	}
	return list
}

func village(list []made) *Village {
	v := New(Builtin())
	for _, m := range list {
		v.Add(m.of, m.id, m.fields)
	}
	return v
}

// Every formula, worked out by hand for May 2017.
func TestFiguresByHand(t *testing.T) {
	list := parse(t, bamboo)
	for _, h := range []struct {
		n           int
		who, attend string
		from        int
	}{{31, "s", "present", 1}, {3, "s", "duty", 17}, {2, "s", "leave", 19}, {20, "t", "present", 1}} {
		list = append(list, halves(t, h.n, h.who, h.attend, h.from)...)
	}
	p, err := MonthOf("2017-05", "2017-07-01")
	if err != nil {
		t.Fatal(err)
	}
	if p != (Period{"2017-05", "2017-05-01", "2017-05-31"}) || !p.Whole() {
		t.Fatalf("May is %v", p)
	}
	f := village(list).Of(p)
	var got strings.Builder
	say := func(what string, v ...any) { fmt.Fprintf(&got, what+"\n", v...) }
	rate := func(r Ratio) string {
		percent, ok := r.Percent()
		if !ok {
			return "—"
		}
		return fmt.Sprintf("%.2f of %.2f = %.2f%%", r.Part, r.Of, percent)
	}
	r := f.Register
	say("register %d/%d exited %d/%d remaining %d/%d", r.Households, r.Persons, r.Exited, r.ExitedPersons, r.Remaining, r.RemainingPersons)
	say("headcount %s", rate(r.Headcount))
	say("coverage %s", rate(f.Coverage))
	say("overdue %d, %d", f.Overdue, f.Serious)
	say("attendance %s duty %.1f leave %.1f", rate(f.Posts.Rate), f.Posts.Duty, f.Posts.Leave)
	say("projects %d late %d completion %s payment %s", f.Projects.Number, f.Projects.Late, rate(f.Projects.Completion), rate(f.Projects.Payment))
	for _, x := range f.Sources {
		say("from %q %.2f paid %.2f", x.Code, x.Received, x.Paid)
	}
	say("issues %d overdue %d closure %s", f.Issues.Open, f.Issues.Overdue, rate(f.Issues.Closure))
	say("visits %s, %s", rate(f.Visits.Awareness), rate(f.Visits.Satisfaction))
	say("samples %s, %s", rate(f.Samples.Awareness), rate(f.Samples.Satisfaction))
	net, _ := f.Net.Each()
	say("net %.2f", net)
	for i, name := range []string{"target", "project", "fund", "measure", "outcome"} {
		say("%s %s", name, rate(f.Precision[i]))
	}
	overall, _ := f.Overall()
	say("overall %.2f", overall)
	for _, i := range f.Exit {
		say("%s %s %q %t %s", i.Code, i.State, i.Value, i.Checked, i.Measured)
	}
	say("%s %s", f.Sponsor, f.Target)
	want := `register 5/9 exited 3/5 remaining 2/4
headcount 4.00 of 400.00 = 1.00%
coverage 2.00 of 5.00 = 40.00%
overdue 2, 1
attendance 21.95 of 26.45 = 82.99% duty 1.5 leave 1.0
projects 3 late 1 completion 90000.00 of 151000.00 = 59.60% payment 59000.50 of 60000.00 = 98.33%
from "county" 60000.00 paid 50000.50
from "sponsor" 0.00 paid 9000.00
issues 3 overdue 2 closure 1.00 of 3.00 = 33.33%
visits 1.00 of 2.00 = 50.00%, 2.00 of 3.00 = 66.67%
samples 1.00 of 1.00 = 100.00%, 0.00 of 1.00 = 0.00%
net 4428.57
target 3.00 of 5.00 = 60.00%
project 1.00 of 3.00 = 33.33%
fund 1.00 of 3.00 = 33.33%
measure 1.00 of 3.00 = 33.33%
outcome 1.00 of 2.00 = 50.00%
overall 42.00
n1 met "1" false met
n2 unmet "75" false unmet
n3 met "0" false met
n4 pending "" false pending
n5 unmet "1" false unmet
n6 met "yes" true unmet
n7 pending "" true met
n8 pending "" false pending
n9 unmet "49999.99" true met
公路局 2018
`
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

// What people wrote apart of one check leaves the indicator open, whichever of it is shown
// for the time being; where all of it says the same, it counts.
func TestCheckedApart(t *testing.T) {
	for _, tt := range []struct {
		shown string
		apart []string
		want  State
		value string
	}{
		{"yes", nil, Met, "yes"},
		{"yes", []string{"yes", "no"}, Pending, ""},
		{"no", []string{"yes", "no"}, Pending, ""},
		{"51000", []string{"51000", "49000"}, Pending, ""},
		{"yes", []string{"51000", "yes"}, Met, "yes"},
	} {
		v := New(Builtin())
		var apart []record.Value
		for _, s := range tt.apart {
			apart = append(apart, record.Text(s))
		}
		fields := map[string]record.Value{"year": "2017", "indicator": record.Text("n9"), "value": record.Text(tt.shown)}
		v.AddApart("indicator_value", idOf("a"), fields, "value", apart)
		if got := v.Indicators("2017")[8]; got.State != tt.want || got.Value != tt.value {
			t.Errorf("%s, apart %q: %s %q, want %s %q", tt.shown, tt.apart, got.State, got.Value, tt.want, tt.value)
		}
		if fields["value"] != record.Text(tt.shown) {
			t.Error("what was passed was changed")
		}
	}
}

// The days of a household count from the last of three days, one that lies ahead too.
func TestSince(t *testing.T) {
	for _, tt := range []struct {
		last, registered, came, from string
		passed                       int
	}{
		{"2017-05-01", "2016-01-01", "2015-01-01", "2017-05-01", 31},
		{"", "2017-05-31", "2015-01-01", "2017-05-31", 1},
		{"2017-05-01", "", "2017-06-01", "2017-06-01", 0},
		{"2017-05-01", "", "2017-06-08", "2017-06-08", 0},
		{"2017-05-01", "2071-01-01", "", "2071-01-01", 0},
		{"", "", "", "", 0},
	} {
		if from, passed := Since(tt.last, tt.registered, tt.came, "2017-06-01"); from != tt.from || passed != tt.passed {
			t.Errorf("%q %q %q: %d from %q, want %d from %q", tt.last, tt.registered, tt.came, passed, from, tt.passed, tt.from)
		}
	}
}

// What is not known has no rate; nothing is met by nobody having looked.
func TestNothingKnown(t *testing.T) {
	p, err := YearOf("2017", "2017-05-31")
	if err != nil {
		t.Fatal(err)
	}
	f := New(Builtin()).Of(p)
	for name, r := range map[string]Ratio{
		"headcount": f.Register.Headcount, "coverage": f.Coverage, "attendance": f.Posts.Rate, "completion": f.Projects.Completion,
		"payment": f.Projects.Payment, "closure": f.Issues.Closure, "awareness": f.Visits.Awareness, "satisfaction": f.Samples.Satisfaction, "net": f.Net,
		"target": f.Precision[Target], "project": f.Precision[Project], "fund": f.Precision[Fund], "measure": f.Precision[Measure], "outcome": f.Precision[Outcome],
	} {
		if percent, ok := r.Percent(); ok {
			t.Errorf("%s of nothing is %v%%", name, percent)
		}
	}
	if mean, ok := f.Overall(); ok {
		t.Errorf("the mean of no rates is %v", mean)
	}
	for _, i := range f.Exit {
		if i.State != Pending {
			t.Errorf("%s is %s though nothing is known", i.Code, i.State)
		}
	}
}

// Whatever the order in which records are told, the figures are the same; and what is
// dated after the period changes nothing.
func TestOrderAndLaterDays(t *testing.T) {
	base := slices.Concat(parse(t, bamboo), halves(t, 9, "s", "present", 1), halves(t, 9, "s", "leave", 1))
	p := Period{From: "2017-04-01", To: "2017-05-31"}
	dated := map[record.Type]string{"visit": "visit_date", "attendance": "work_date", "fund": "fund_date", "issue": "found_date", "inspection": "inspect_date", "measure": "confirmed_date"}
	rapid.Check(t, func(t *rapid.T) {
		list := slices.Clone(base)
		// Some records twice, under other ids: as two laptops have them.
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(base)-1), 0, 8).Draw(t, "twice") {
			m := base[i]
			m.id[1] ^= byte(rapid.IntRange(1, 255).Draw(t, "id"))
			if m.of == "income" {
				m.fields = maps.Clone(m.fields)
				m.fields["wage"] = "1"
			}
			if m.of != "household" && m.of != "project" && m.of != "team_post" {
				list = append(list, m)
			}
		}
		want := text(t, village(list).Of(p))
		if got := text(t, village(rapid.Permutation(list).Draw(t, "order")).Of(p)); got != want {
			t.Fatalf("in another order\n%s\nare\n%s", want, got)
		}
		i := rapid.IntRange(0, len(base)-1).Draw(t, "later")
		m := base[i]
		name, ok := dated[m.of]
		if !ok {
			return
		}
		later := made{m.of, m.id, maps.Clone(m.fields)}
		later.id[2] ^= 1
		later.fields[name] = record.Text("2017-06-01")
		delete(later.fields, "closed_date")
		if m.of == "measure" {
			later.fields["year"] = "2018"
		}
		if got := text(t, village(append(list, later)).Of(p)); got != want {
			t.Fatalf("with a %s of June\n%s\nis\n%s", m.of, want, got)
		}
	})
}

func text(t *rapid.T, f Figures) string {
	raw, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// The rate of two villages is that of their households, not the mean of two rates.
func TestTogether(t *testing.T) {
	a := Figures{Coverage: Ratio{1, 2}, Overdue: 1, Target: "2018", Sponsor: "公路局"}
	b := Figures{Coverage: Ratio{8, 8}, Overdue: 2}
	a.Sources, b.Sources = []Source{{"county", 100, 50}}, []Source{{"central", 7, 0}, {"county", 20, 10}}
	c := a.And(b)
	if want := []Source{{"central", 7, 0}, {"county", 120, 60}}; !reflect.DeepEqual(c.Sources, want) || a.Sources[0].Received != 100 {
		t.Errorf("the sources together: %+v", c.Sources)
	}
	if percent, _ := c.Coverage.Percent(); percent != 90 || c.Overdue != 3 || c.Target != "" || c.Sponsor != "" {
		t.Errorf("together: %+v", c)
	}
}

func TestPeriods(t *testing.T) {
	for _, tt := range []struct {
		make        func(string, string) (Period, error)
		what, today string
		want        Period
	}{
		{MonthOf, "2017-02", "2018-01-01", Period{"2017-02", "2017-02-01", "2017-02-28"}},
		{MonthOf, "2016-02", "2016-02-29", Period{"2016-02", "2016-02-01", "2016-02-29"}},
		{MonthOf, "2017-05", "2017-05-01", Period{"2017-05", "2017-05-01", "2017-05-01"}},
		{MonthOf, "2017-06", "2017-05-31", Period{}},
		{MonthOf, "2017-13", "2017-05-31", Period{}},
		{MonthOf, "", "2017-05-31", Period{}},
		{YearOf, "2017", "2017-05-31", Period{"2017", "2017-01-01", "2017-05-31"}},
		{YearOf, "17", "2017-05-31", Period{}},
	} {
		got, err := tt.make(tt.what, tt.today)
		if (err != nil) != (tt.want == Period{}) || err == nil && got != tt.want {
			t.Errorf("%s by %s is %v, %v; want %v", tt.what, tt.today, got, err, tt.want)
		}
	}
}

// The line of later years is the last one; before the first there is none.
func TestLine(t *testing.T) {
	for year, want := range map[string]float64{"2016": 3146, "2017": 3335, "2020": 4000, "2026": 4000} {
		if got, ok := Builtin().line(year); !ok || got != want {
			t.Errorf("the line of %s is %v, %t; want %v", year, got, ok, want)
		}
	}
	if got, ok := Builtin().line("2015"); ok {
		t.Errorf("2015 has a line: %v", got)
	}
}

// What is not among the needs changes no figure, and every need is a field of its form.
func TestNeeds(t *testing.T) {
	list := slices.Concat(parse(t, bamboo), halves(t, 9, "s", "present", 1))
	p := Period{From: "2017-05-01", To: "2017-05-31"}
	want := village(list).Of(p)
	needs := Needs()
	for i, m := range list {
		list[i].fields = maps.Clone(m.fields)
		maps.DeleteFunc(list[i].fields, func(name string, _ record.Value) bool { return !slices.Contains(needs[m.of], name) })
	}
	if got := village(list).Of(p); !reflect.DeepEqual(got, want) {
		t.Errorf("by the needs alone: %+v, want %+v", got, want)
	}
	for of, names := range needs {
		f := form.Builtin().Form(of)
		if f == nil {
			t.Errorf("there is no form %s", of)
			continue
		}
		for _, name := range names {
			if f.Field(name) == nil {
				t.Errorf("%s has no field %s", of, name)
			}
		}
	}
}
