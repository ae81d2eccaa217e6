package form

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"zhucun/shared/record"
)

const today = "2020-06-30"

// filled gives a record of each type below that has nothing to be marked.
func filled(form record.Type) map[string]record.Value {
	switch form {
	case "visit":
		return map[string]record.Value{
			"household": `"` + post1 + `"`, "visit_date": `"2020-06-01"`, "visitors": `["` + post2 + `"]`, "visit_mode": `"home"`,
			"visit_result": `"met"`, "visit_purpose": `["routine","verify"]`, "findings": `"走访了解近期生产生活情况"`, "knows_team": `"yes"`,
			"knows_measures": `"yes"`, "satisfaction": `"very"`, "location": "[114.2,29.1]", "photos": `["a.jpg","b.jpg"]`,
			"follow_up": `"2020-07-01"`, "gaps": `["housing","water"]`, "policies_told": `["credit"]`, "needs": `"危房"`, "promised": `"联系镇里"`,
		}
	case "household":
		return map[string]record.Value{
			"group_name": `"孙家边组"`, "head_name": `"姚荣"`, "phone": `"12695488873"`, "poverty_attr": `"general"`, "poverty_status": `"exited"`,
			"registered_date": `"2016-02-11"`, "exit_year": `2018`, "main_cause": `"illness"`, "other_causes": `["land","skill"]`, "house_risk": `"a"`,
			"water_safe": `"yes"`, "power_living": `"yes"`, "road_type": `"gravel"`, "arable_mu": `3.2`, "helper_name": `"徐军"`, "fuel": `["coal"]`,
		}
	case "person":
		return map[string]record.Value{
			"household": `"` + post1 + `"`, "full_name": `"王小"`, "id_number": `"11010519491231002X"`, "sex": `"female"`, "birth_date": `"1949-12-31"`,
			"relation": `"mother"`, "ethnicity": `"01"`, "school": `"none"`, "education": `"primary"`, "health": `["chronic"]`, "labour": `"weak"`,
			"work_place": `"none"`, "medical_ins": `"yes"`, "work_months": `0`,
		}
	case "village":
		return map[string]record.Value{
			"village_code": `"369999000001"`, "data_year": `2017`, "village_name": `"李寨村"`, "township": `"太小港镇"`, "county": `"某县"`,
			"village_type": `"poor"`, "households": `320`, "population": `1200`, "nv25": `6`, "nv25_paved": `6`, "target_exit_year": `2018`,
		}
	case "inspection":
		return map[string]record.Value{
			"inspect_date": `"2020-06-01"`, "inspector": `["张三","李四"]`, "inspect_mode": `"surprise"`, "on_post": `3`, "findings": `"在岗"`,
		}
	case "fund":
		return map[string]record.Value{
			"project": `"` + post1 + `"`, "fund_source": `"county"`, "direction": `"paid"`, "amount": `100.5`, "doc_no": `"县财〔2018〕3号"`,
			"fund_date": `"2018-03-01"`, "payee": `"某合作社"`,
		}
	}
	return map[string]record.Value{}
}

// Each row changes one answer of a record that has no marks; "" takes it out.
func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		form  record.Type
		field string
		value record.Value
		want  string // path:code, in order
	}{
		{"nothing to mark", "visit", "findings", `"走访了解生产"`, ""},
		{"nothing to mark", "household", "phone", "", ""},
		{"nothing to mark", "person", "change_type", "null", ""},
		{"nothing to mark", "village", "location", "", ""},
		{"nothing to mark", "inspection", "issues", "[]", ""},
		{"nothing to mark", "fund", "voucher", "", ""},

		{"required and missing", "visit", "visit_mode", "", "visit_mode:required"},
		{"required and cleared", "visit", "visit_mode", "null", "visit_mode:required"},
		{"required, no element left", "visit", "visitors", "[]", "visitors:required"},
		{"required where relevant", "household", "registered_date", "", "registered_date:required"},
		{"only offered where relevant", "visit", "satisfaction", "", ""},
		// What hangs on a missing answer is not asked for.
		{"relevance unknown", "household", "poverty_attr", "", "poverty_attr:required poverty_status:relevance registered_date:relevance main_cause:relevance"},
		{"never required", "visit", "location", "", ""},

		{"answers ruled out", "visit", "visit_result", `"absent"`, "knows_team:relevance knows_measures:relevance satisfaction:relevance"},
		{"exit year of one not exited", "household", "poverty_status", `"unexited"`, "exit_year:relevance"},
		{"payee of money not paid", "fund", "direction", `"received"`, "payee:relevance"},
		{"student's education", "person", "school", `"primary"`, "education:relevance"},

		{"future date", "visit", "visit_date", `"2020-07-01"`, "visit_date:constraint"},
		{"today", "visit", "visit_date", `"2020-06-30"`, ""},
		{"before the visit", "visit", "follow_up", `"2020-05-01"`, "follow_up:constraint"},
		{"nothing to compare with", "visit", "visit_date", "", "visit_date:required"},
		{"four characters", "visit", "findings", `"走访了解"`, "findings:constraint"},
		{"1001 characters", "visit", "findings", record.Text(strings.Repeat("走", 1001)), "findings:constraint"},
		{"1000 characters", "visit", "findings", record.Text(strings.Repeat("走", 1000)), ""},
		{"ten photos", "visit", "photos", `["0","1","2","3","4","5","6","7","8","9"]`, "photos:constraint"},
		{"ten digits", "household", "phone", `"1269548887"`, "phone:constraint"},
		{"three other causes", "household", "other_causes", `["land","skill","water"]`, "other_causes:constraint"},
		{"the main cause again", "household", "other_causes", `["illness","land"]`, "other_causes:constraint"},
		{"below 0", "household", "arable_mu", "-0.5", "arable_mu:constraint"},
		{"0", "household", "arable_mu", "0", ""},
		{"four fuels", "household", "fuel", `["coal","gas","lpg","oil"]`, "fuel:constraint"},
		{"healthy and ill", "person", "health", `["chronic","healthy"]`, "health:constraint"},
		{"thirteen months", "person", "work_months", "13", "work_months:constraint"},
		{"more paved than there are", "village", "nv25_paved", "7", "nv25_paved:constraint"},
		{"no count to compare with", "village", "nv25", "", ""},
		{"year out of range", "village", "data_year", "2013", "data_year:constraint"},
		{"eleven digits", "village", "village_code", `"36999900000"`, "village_code:constraint"},
		{"paid nothing", "fund", "amount", "0", "amount:constraint"},

		{"checksum", "person", "id_number", `"110105194912310021"`, "id_number:constraint"},
		{"another sex than the number's", "person", "sex", `"male"`, "sex:constraint"},
		{"another birth date", "person", "birth_date", `"1949-12-30"`, "birth_date:constraint"},
		{"sex from the number", "person", "sex", "", ""},
		{"birth date from the number", "person", "birth_date", "", ""},
		{"no number", "person", "id_number", "", "id_number:required"},

		{"code of a newer list", "household", "main_cause", `"flood"`, "main_cause:unknown_code"},
		{"one code of a set", "visit", "visit_purpose", `["census","routine"]`, "visit_purpose/census:unknown_code"},
		{"one code of a set under review", "person", "health", `["chronic","tired"]`, "health:unknown_code"},
		{"field of a newer form", "household", "solar_panel", `"yes"`, "solar_panel:unknown_field"},
		{"field of a newer form, cleared", "household", "solar_panel", "null", ""},
		{"the system's register", "household", "_life", `"alive"`, ""},
		{"text for a number", "household", "arable_mu", `"much"`, "arable_mu:value"},
		{"fraction for a whole number", "village", "nv25", "6.5", "nv25:value"},
		{"text for a set", "visit", "visit_purpose", `"routine"`, "visit_purpose:value"},
		{"no date", "visit", "follow_up", `"2020-13-01"`, "follow_up:value"},
		{"number for a text", "visit", "findings", "123456", "findings:value"},
		{"text for a place", "visit", "location", `"here"`, "location:value"},
		{"text for an id", "visit", "household", `"home"`, "household:value"},
	}
	for _, tt := range tests {
		t.Run(string(tt.form)+" "+tt.field+" "+tt.name, func(t *testing.T) {
			values := filled(tt.form)
			if values[tt.field] = tt.value; tt.value == "" {
				delete(values, tt.field)
			}
			before := maps.Clone(values)
			if got := marked(t, tt.form, values); got != tt.want {
				t.Errorf("marks %q; want %q", got, tt.want)
			}
			if !maps.Equal(before, values) {
				t.Error("the check changed the record")
			}
		})
	}
}

func marked(t *testing.T, form record.Type, values map[string]record.Value) string {
	t.Helper()
	var got []string
	for _, m := range Builtin().Form(form).Check(values, today) {
		if m.Text.Zh == "" || m.Text.En == "" {
			t.Errorf("%s: a mark without text", m.Path)
		}
		got = append(got, string(m.Path)+":"+m.Code)
	}
	return strings.Join(got, " ")
}

// A household that is not poor is asked nothing about poverty; a newborn may
// wait for its identity number, but is asked for sex and birth date.
func TestCheckDependent(t *testing.T) {
	house := filled("household")
	house["poverty_attr"] = `"non_poor"`
	for _, name := range []string{"poverty_status", "registered_date", "exit_year", "main_cause", "other_causes"} {
		delete(house, name)
	}
	if got := marked(t, "household", house); got != "" {
		t.Errorf("marks on a household that is not poor: %s", got)
	}

	person := filled("person")
	delete(person, "id_number")
	delete(person, "education")
	person["birth_date"], person["school"] = `"2020-01-05"`, `"preschool"`
	if got := marked(t, "person", person); got != "" {
		t.Errorf("marks on a newborn: %s", got)
	}
	delete(person, "birth_date")
	delete(person, "sex")
	if got := marked(t, "person", person); got != "id_number:required sex:required birth_date:required" {
		t.Errorf("marks on a person of whom nothing is known: %s", got)
	}
}

// Every required answer of every form is asked for, and nothing else is marked
// on an empty record.
func TestCheckEmpty(t *testing.T) {
	for _, f := range Builtin().Forms() {
		relevant := f.Relevant(nil, today)
		if len(relevant) != len(f.Fields) {
			t.Errorf("%s: relevance of %d fields", f.Type, len(relevant))
		}
		var want []string
		for _, fd := range f.Fields {
			if fd.Required && relevant[fd.Name] {
				want = append(want, fd.Name+":required")
			}
		}
		if got := marked(t, f.Type, nil); got != strings.Join(want, " ") {
			t.Errorf("%s: marks %q; want %q", f.Type, got, want)
		}
	}
}

// The text of a mark on an identity number says what is wrong with it, and
// does not quote it.
func TestCheckID(t *testing.T) {
	tests := []struct {
		number string
		want   idState
	}{
		{"11010519491231002X", idGood},
		{"11010519491231002x", idGood},
		{"440524188001010014", idDate}, // good but for a birth in 1880
		{"110105194912310021", idSum},
		{"11010519490231002X", idDate},
		{"11010519491231002", idLength},
		{"1101051949123100AX", idChars},
		{"11010519491231002Y", idChars},
		{"110105194912310000", idRuined},
		{"1.10105E+17", idRuined},
		{"11010519491231002X43", idGood},
		{"11010519491231002X43B1", idGood},
		{"11010519491231002X83", idCard},
		{"11010519491231002X45", idCard},
		{"11010519491231002X43C1", idCard},
		{"369999198503070019", idSum},
		{"", idLength},
		{"王", idLength},
		{"王王王王王王", idChars},
	}
	for _, tt := range tests {
		if got := checkID(tt.number); got != tt.want {
			t.Errorf("checkID(%s) = %d; want %d", tt.number, got, tt.want)
		}
		if tt.want == idGood || tt.number == "" {
			continue
		}
		values := filled("person")
		values["id_number"] = record.Text(tt.number)
		for _, m := range Builtin().Form("person").Check(values, today) {
			if m.Path == "id_number" && (!strings.HasSuffix(m.Text.Zh, problems[tt.want].Zh) || strings.Contains(m.Text.En, tt.number)) {
				t.Errorf("%s: mark %s", tt.number, m.Text.En)
			}
		}
	}
	// The area code is never looked up: synthetic data use an unassigned one.
	for c := range "0123456789X" {
		if checkID("36999919850307001"+"0123456789X"[c:c+1]) == idGood {
			return
		}
	}
	t.Error("no check digit makes a number of area 369999 good")
}

func TestCalculate(t *testing.T) {
	income := map[string]record.Value{
		"wage": "10000.10", "business": "5000", "property": "0", "dibao_income": "0", "pension_income": "1200", "eco_income": "300",
		"other_transfer": "0", "business_cost": "1500.05", "members": "4",
	}
	f := Builtin().Form("income")
	if got := f.Calculate(income, today)["per_capita_net"]; got != "3750.01" {
		t.Errorf("per-capita net income %s", got)
	}
	for _, v := range []record.Value{"", "0", `"x"`} {
		income["members"] = v
		if got := f.Calculate(income, today); len(got) != 0 {
			t.Errorf("divided by %q: %v", v, got)
		}
	}

	// The identity number offers what it carries, and contradicts nobody.
	person := Builtin().Form("person")
	values := map[string]record.Value{"id_number": `"11010519491231002X"`}
	got := person.Calculate(values, today)
	if got["sex"] != `"female"` || got["birth_date"] != `"1949-12-31"` || len(got) != 2 {
		t.Errorf("offered %v", got)
	}
	values["sex"] = `"male"`
	if got = person.Calculate(values, today); got["sex"] != "" || len(got) != 1 {
		t.Errorf("offered %v", got)
	}
}

// A calculated value counts in the expressions of other fields.
func TestCalculatedInExpressions(t *testing.T) {
	s, err := Load(small())
	if err != nil {
		t.Fatal(err)
	}
	f := s.Form("house")
	e, err := parse("${twice} > 5", func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	f.Field("stage").Relevant = e
	if r := f.Relevant(map[string]record.Value{"a": "3"}, today); !r["stage"] {
		t.Error("twice 3 is not above 5")
	}
	if r := f.Relevant(map[string]record.Value{"a": "2"}, today); r["stage"] {
		t.Error("twice 2 is above 5")
	}
}

func TestIssues(t *testing.T) {
	tests := []struct {
		form   record.Type
		values map[string]record.Value
		want   []record.Path
	}{
		{"visit", filled("visit"), []record.Path{"needs", "gaps/housing", "gaps/water"}},
		{"visit", map[string]record.Value{"needs": "null", "gaps": "[]"}, nil},
		{"work_log", map[string]record.Value{"help_needed": `"缺水泥"`}, []record.Path{"help_needed"}},
		{"person", map[string]record.Value{"school": `"dropout"`, "birth_date": `"2008-01-01"`}, []record.Path{"school"}},
		{"person", map[string]record.Value{"school": `"dropout"`, "birth_date": `"2003-01-01"`}, nil},
		{"person", map[string]record.Value{"school": `"junior"`, "birth_date": `"2008-01-01"`}, nil},
	}
	for _, tt := range tests {
		if got := Builtin().Form(tt.form).Issues(tt.values, today); !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: issues of %v; want %v", tt.form, tt.values, got, tt.want)
		}
	}
}

// The server checks every record that it merges: below 20 µs.
func BenchmarkCheck(b *testing.B) {
	for _, form := range []record.Type{"visit", "household", "person"} {
		b.Run(string(form), func(b *testing.B) {
			f, values := Builtin().Form(form), filled(form)
			b.ReportAllocs()
			for b.Loop() {
				if marks := f.Check(values, today); len(marks) > 0 {
					b.Fatal(marks)
				}
			}
		})
	}
}

func BenchmarkCanon(b *testing.B) {
	f := Builtin().Form("visit")
	raw := map[string][]byte{}
	for name, v := range filled("visit") {
		raw[name] = []byte(v)
	}
	b.ReportAllocs()
	for b.Loop() {
		for name, v := range raw {
			if _, err := f.Field(name).Canon(v); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// No amount is below zero: of each that is, in whatever form, people are told.
func TestAmount(t *testing.T) {
	n := 0
	for _, f := range Builtin().Forms() {
		for _, fd := range f.Fields {
			if fd.Kind != Decimal {
				continue
			}
			n++
			for value, want := range map[record.Value]bool{`-0.01`: true, `-100`: true, `0.01`: false} {
				told := slices.ContainsFunc(f.Check(map[string]record.Value{fd.Name: value}, today), func(m Mark) bool {
					return m.Path == record.Path(fd.Name) && m.Code == MarkConstraint
				})
				if told != want {
					t.Errorf("%s: %s is %s: told %v, want %v", f.Type, fd.Name, value, told, want)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d amounts", n)
	}
}
