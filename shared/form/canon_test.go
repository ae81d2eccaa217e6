package form

import (
	"errors"
	"strings"
	"testing"

	"zhucun/shared/record"
)

const (
	post1 = "5bb59743-fda8-5c74-aa9f-02d899e7ca64"
	post2 = "3e01d6e3-6209-50da-a685-050fbe7aeb8c"
)

func field(t testing.TB, path string) *Field {
	t.Helper()
	form, name, _ := strings.Cut(path, ".")
	if f := Builtin().Form(record.Type(form)); f != nil && f.Field(name) != nil {
		return f.Field(name)
	}
	t.Fatalf("no field %s", path)
	return nil
}

// Each row is a JSON value as a program may give it, and what is recorded; a
// want that begins with "!" is part of the reason for a refusal.
func TestCanon(t *testing.T) {
	tests := []struct{ field, in, want string }{
		{"household.head_name", `"王小明"`, `"王小明"`},
		{"visit.findings", `" 两行\n文字 "`, `" 两行\n文字 "`},
		{"visit.findings", `"a\r\nb\rc"`, `"a\nb\nc"`},
		{"household.head_name", `" \u3000"`, `null`},
		{"household.head_name", `""`, `null`},
		{"household.head_name", `null`, `null`},
		{"household.phone", `13900000000`, `"13900000000"`},
		{"household.head_name", `true`, `!takes a text`},
		{"household.head_name", `["王"]`, `!takes a text`},
		{"household.head_name", `{"a":1}`, `!takes a text`},
		{"household.head_name", `"a\u0000b"`, `!control character`},
		{"household.head_name", `"a`, `!not a JSON value`},
		{"household.head_name", `"` + strings.Repeat("a", maxText+1) + `"`, `!too long`},

		{"household.arable_mu", `3.20`, `3.2`},
		{"household.arable_mu", `"3.20"`, `3.2`},
		{"household.arable_mu", `1.5e1`, `15`},
		{"household.arable_mu", `-0`, `0`},
		{"household.arable_mu", `"三亩"`, `!is not a number`},
		{"household.arable_mu", `[3]`, `!takes a number`},
		{"household.arable_mu", `true`, `!takes a number`},
		{"household.exit_year", `"2018"`, `2018`},
		{"household.exit_year", `2018.0`, `2018`},
		{"household.exit_year", `2018.5`, `!not a whole number`},
		{"household.exit_year", `12345678901234567890`, `!too long`},

		{"visit.visit_date", `"2017-05-23"`, `"2017-05-23"`},
		{"visit.visit_date", `"2017-5-3"`, `"2017-05-03"`},
		{"visit.visit_date", `"2017-02-29"`, `!not a date`},
		{"visit.visit_date", `20170523`, `!takes a date`},
		{"visit.visit_date", `"2017-05-23T14:00:00+08:00"`, `!not a date`},

		{"household.main_cause", `"illness"`, `"illness"`},
		{"household.main_cause", `"ilness"`, `!unknown code ilness; did you mean illness`},
		{"household.main_cause", `"因病"`, `!did you mean illness`},
		{"household.main_cause", `"xyz"`, `!there are: illness disability`},
		{"household.main_cause", `["illness"]`, `!takes one code`},
		{"village.clinic", `true`, `"yes"`},
		{"household.main_cause", `true`, `!takes one code`},
		{"issue.severity", `2`, `"2"`},
		{"person.ethnicity", `"1"`, `"01"`},
		{"person.ethnicity", `1`, `"01"`},
		{"person.ethnicity", `"01"`, `"01"`},

		{"person.health", `["serious","chronic","serious"]`, `["chronic","serious"]`},
		{"person.health", `"serious chronic"`, `["chronic","serious"]`},
		{"person.health", `[]`, `null`},
		{"person.health", `["",null]`, `null`},
		{"person.health", `["serious",null,1]`, `!unknown code 1`},
		{"person.health", `[""]`, `null`},
		{"person.health", `["ill"]`, `!unknown code ill`},
		{"person.health", `[["serious"]]`, `!takes a list`},

		{"visit.household", `"` + post1 + `"`, `"` + post1 + `"`},
		{"visit.household", `"` + strings.ToUpper(post1) + `"`, `"` + post1 + `"`},
		{"visit.household", `"王家"`, `!not a record id`},
		{"visit.household", `"00000000-0000-0000-0000-000000000000"`, `!not a record id`},
		{"visit.household", `7`, `!takes the id`},
		{"visit.visitors", `["` + post1 + `","` + post2 + `"]`, `["` + post2 + `","` + post1 + `"]`},
		{"visit.visitors", `"` + post1 + ` ` + post2 + `"`, `["` + post2 + `","` + post1 + `"]`},

		{"visit.location", `[114.212892,29.122874]`, `[114.212892,29.122874]`},
		{"visit.location", `["114.20","29.1"]`, `[114.2,29.1]`},
		{"visit.location", `"[114.2, 29.1]"`, `[114.2,29.1]`},
		{"visit.location", `[29.1,114.2]`, `!longitude first`},
		{"visit.location", `[114.2]`, `!takes [longitude`},
		{"visit.location", `[181,0]`, `!within`},
		{"visit.location", `[180,-90]`, `[180,-90]`},
		{"visit.location", `{"lat":1,"lon":2}`, `!takes [longitude`},

		{"visit.photos", `["b.jpg","a b.jpg","b.jpg"]`, `["a b.jpg","b.jpg"]`},
		{"visit.photos", `"a b.jpg"`, `["a b.jpg"]`},
		{"visit.photos", `["../../etc/passwd"]`, `!cannot be a name`},
		{"visit.photos", `["a.jpg~"]`, `!cannot be a name`},
		{"inspection.inspector", `"张三、李四"`, `["张三","李四"]`},
		{"inspection.inspector", `["李四"]`, `["李四"]`},

		{"person.id_number", `"11010519491231002x"`, `"11010519491231002X"`},
		{"person.id_number", `"110105 19491231 002X"`, `"11010519491231002X"`},
		{"person.id_number", `"-"`, `null`},
		{"income.per_capita_net", `5`, `!leave it out`},
		{"income.per_capita_net", `"5"`, `!leave it out`},
		{"income.per_capita_net", `null`, `null`},
	}
	for _, tt := range tests {
		fd := field(t, tt.field)
		got, err := fd.Canon([]byte(tt.in))
		checkCanon(t, fd, tt.field+" "+clip(tt.in), tt.want, got, err)
	}
}

// Each row is a text as a person types it, in a table, a page or a command.
func TestCanonText(t *testing.T) {
	tests := []struct{ field, in, want string }{
		{"household.head_name", "  王小明　", `"王小明"`},
		{"visit.findings", "a\r\nb", `"a\nb"`},
		{"household.head_name", "", `null`},
		{"household.head_name", "[王]", `"[王]"`},
		{"household.head_name", "\xff", `!not UTF-8`},

		{"household.arable_mu", "１２.５", `12.5`},
		{"household.arable_mu", "1,234.50", `1234.5`},
		{"household.arable_mu", "12,34", `!is not a number`},
		{"household.arable_mu", ".5", `0.5`},
		{"household.arable_mu", "+5", `5`},
		{"household.arable_mu", "-", `!is not a number`},
		{"household.exit_year", "2018年", `!is not a number`},

		{"visit.visit_date", "2017/5/3", `"2017-05-03"`},
		{"visit.visit_date", "2017.5.3", `"2017-05-03"`},
		{"visit.visit_date", "2017年5月3日", `"2017-05-03"`},
		{"visit.visit_date", "20170503", `"2017-05-03"`},
		{"visit.visit_date", "2017-05-03 00:00:00", `"2017-05-03"`},
		{"visit.visit_date", "２０１７-5-3", `"2017-05-03"`},
		{"visit.visit_date", "17-5-3", `!not a date`},
		{"visit.visit_date", "0217-05-03", `!not a date`},
		{"visit.visit_date", "昨天", `!not a date`},

		{"household.main_cause", "因病", `"illness"`},
		{"household.main_cause", "Lack of Land", `"land"`},
		{"visit.visit_purpose", "Follow up", `["follow_up"]`},
		{"household.main_cause", "缺劳动力", `"labour"`},
		{"household.poverty_attr", "poor, on dibao", `"dibao"`},
		{"village.clinic", "有", `"yes"`},
		{"village.clinic", "Y", `"yes"`},
		{"person.ethnicity", "汉", `"01"`},
		{"person.ethnicity", "汉族", `"01"`},
		{"person.relation", "儿子", `"son"`},
		{"team_post.team_role", "first secretary", `"first_secretary"`},
		{"team_post.team_role", "第一书计", `!did you mean first_secretary (第一书记)`},

		{"person.health", "大病、残疾", `["disabled","serious"]`},
		{"person.health", "serious,chronic", `["chronic","serious"]`},
		{"person.health", "serious  chronic", `["chronic","serious"]`},
		{"person.health", `["残疾"]`, `["disabled"]`},
		{"person.health", "chronic illness", `["chronic"]`},
		{"person.health", "chronic illness, disabled", `["chronic","disabled"]`},
		{"person.health", "，", `null`},
		{"person.health", "健康 很", `!unknown code 很`},

		{"visit.visitors", post1 + "," + post2, `["` + post2 + `","` + post1 + `"]`},
		{"visit.location", "[114.2,29.1]", `[114.2,29.1]`},
		{"visit.location", "114.2, 29.1", `[114.2,29.1]`},
		{"visit.location", "29.1 114.2 0 0", `[114.2,29.1]`},
		{"visit.location", "29.1 114.2", `[114.2,29.1]`},
		{"visit.location", "114.2 29.1", `!longitude first`},
		{"visit.location", "29.1", `!takes [longitude`},
		{"visit.photos", "IMG 001.jpg, b.jpg", `["IMG 001.jpg","b.jpg"]`},
		{"inspection.inspector", "Li Wei/张三", `["Li Wei","张三"]`},
	}
	for _, tt := range tests {
		fd := field(t, tt.field)
		got, err := fd.CanonText(tt.in)
		checkCanon(t, fd, tt.field+" "+tt.in, tt.want, got, err)
	}
}

func checkCanon(t *testing.T, fd *Field, what, want string, got record.Value, err error) {
	t.Helper()
	reason, refused := strings.CutPrefix(want, "!")
	if !refused {
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", what, got, err, want)
		}
		return
	}
	var bad *ValueError
	if !errors.As(err, &bad) || bad.Field != fd.Name || !strings.Contains(bad.Reason.En, reason) || bad.Reason.Zh == "" || got != "" {
		t.Errorf("%s: got %s, %v; want a refusal with %q", what, got, err, reason)
	}
}

func TestCanonRefusesALargeSet(t *testing.T) {
	codes := strings.Repeat("a,", maxSet) + "a"
	if _, err := field(t, "visit.photos").CanonText(codes); err == nil {
		t.Error("too many pictures were taken")
	}
}

func TestShow(t *testing.T) {
	tests := []struct {
		field  string
		v      record.Value
		zh, en string
	}{
		{"household.head_name", `"王小明"`, "王小明", "王小明"},
		{"household.main_cause", `"land"`, "缺土地", "lack of land"},
		{"household.main_cause", `"flood"`, "flood", "flood"},
		{"person.health", `["chronic","serious"]`, "长期慢性病、大病", "chronic illness, serious illness"},
		{"issue.topics", `true`, "是", "yes"},
		{"household.arable_mu", `3.2`, "3.2", "3.2"},
		{"visit.visit_date", `"2017-05-23"`, "2017-05-23", "2017-05-23"},
		{"visit.location", `[114.2,29.1]`, "114.2, 29.1", "114.2, 29.1"},
		{"person.id_number", `"11010519491231002X"`, "****002X", "****002X"},
		{"household.bank_account", `"1234"`, "****", "****"},
		{"household.head_name", `null`, "", ""},
		{"person.health", ``, "", ""},
		// From a newer form.
		{"household.main_cause", `{"a":1}`, `{"a":1}`, `{"a":1}`},
		{"person.health", `[1]`, `[1]`, `[1]`},
	}
	for _, tt := range tests {
		fd := field(t, tt.field)
		if zh, en := fd.Show(tt.v, Zh), fd.Show(tt.v, En); zh != tt.zh || en != tt.en {
			t.Errorf("%s %s shows %q, %q; want %q, %q", tt.field, tt.v, zh, en, tt.zh, tt.en)
		}
	}
}

// What a field takes is canonical, and is taken again as it is, both as JSON
// and, where it is a text, as text; a refusal has its reason in two languages.
func FuzzCanon(f *testing.F) {
	for _, s := range []string{
		`"王"`, `12.50`, `"1,234"`, `["a","b"]`, `"2017/5/3"`, `[114.2,29.1]`, `" a , b~/c "`, `true`, `"serious 残疾"`, `因病、缺水`, `29 114 0 0`,
		`"` + post1 + `"`, "a\r\nb", `"\ud800"`, `{"a":[1]}`, `11010519491231002x`, `1e40`, `-0.0`, "２０１７年５月３日", `["[\"a\"]"]`, "[", "ß-ı",
	} {
		f.Add(s)
	}
	var fields []*Field
	seen := map[string]bool{}
	for _, form := range Builtin().Forms() {
		for _, fd := range form.Fields {
			kind := fd.Kind.String() + fd.List + fd.Policy.String()
			if fd.numbered {
				kind += " id"
			}
			if !seen[kind] {
				seen[kind] = true
				fields = append(fields, fd)
			}
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, fd := range fields {
			for i, read := range []func() (record.Value, error){
				func() (record.Value, error) { return fd.Canon([]byte(s)) },
				func() (record.Value, error) { return fd.CanonText(s) },
			} {
				v, err := read()
				if err != nil {
					var bad *ValueError
					if !errors.As(err, &bad) || bad.Reason.Zh == "" || bad.Reason.En == "" || strings.Contains(bad.Error(), "%!") && !strings.Contains(s, "%") || v != "" {
						t.Fatalf("%s %q: %s, %v", fd.Name, s, v, err)
					}
					continue
				}
				if !v.Canonical() || v == "[]" || v == `""` || v != record.Null && !fd.fits(v) {
					t.Fatalf("%s %q: %s is not canonical", fd.Name, s, v)
				}
				if again, err := fd.Canon([]byte(v)); err != nil || again != v {
					t.Fatalf("%s %q: %s, then %s, %v", fd.Name, s, v, again, err)
				}
				text, ok := v.Text()
				if again, err := fd.CanonText(text); ok && i == 1 && (err != nil || again != v) {
					t.Fatalf("%s %q: %s, then from text %s, %v", fd.Name, s, v, again, err)
				}
				fd.Show(v, Zh)
			}
		}
	})
}
