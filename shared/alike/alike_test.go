package alike

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/record"
)

func fields(pairs ...string) Fields {
	f := Fields{}
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i]] = record.Text(pairs[i+1])
	}
	return f
}

// Each row is two records, and whether somebody is to look at them.
func TestProbable(t *testing.T) {
	person := func(name, id, born, home string) Fields {
		return fields("full_name", name, "id_number", id, "birth_date", born, "household", home)
	}
	const one, two = "369999196001010018", "369999199502030025"
	for _, tt := range []struct {
		name string
		typ  record.Type
		a, b Fields
		want bool
	}{
		{"one number, whatever else", "person", person("王大山", one, "1960-01-01", "x"), person("王小海", one, "1961-01-01", "y"), true},
		{"a number with spaces and a small x", "person", person("", "11010519491231002X", "", ""), person("", "110105 19491231 002x", "", ""), true},
		{"a name and the day of birth", "person", person("王大山", one, "1960-01-01", "x"), person("王大山", "", "1960-01-01", "y"), true},
		{"a name that sounds alike, and the day", "person", person("张伟", "", "1960-01-01", "x"), person("章伟", "", "1960-01-01", "y"), true},
		{"a newborn, entered twice", "person", person("王小宝", "", "2019-05-01", "x"), person("王小宝", "", "2019-05-02", "x"), false},
		{"a newborn, the day not known to one", "person", person("王小宝", "", "2019-05-01", "x"), person("王小宝", "", "", "x"), true},
		{"twins", "person", person("王大宝", "", "2019-05-01", "x"), person("王小宝", "", "2019-05-01", "x"), false},
		{"other numbers", "person", person("王大山", one, "1960-01-01", "x"), person("王大山", two, "1960-01-01", "x"), false},
		{"a name alone", "person", person("王大山", "", "", "x"), person("王大山", "", "", "y"), false},
		{"head and group", "household", fields("head_name", "李大山", "group_name", "三组"), fields("head_name", "李大山", "group_name", "三组"), true},
		{"head that sounds alike, and group", "household", fields("head_name", "李大山", "group_name", "三组"), fields("head_name", "黎大山", "group_name", "三组"), true},
		{"head in another group", "household", fields("head_name", "李大山", "group_name", "三组"), fields("head_name", "李大山", "group_name", "四组"), false},
		{"one number in the register", "household", fields("household_no", "1001", "head_name", "李大山"), fields("household_no", "1001", "head_name", "李四"), true},
		{"two numbers in the register", "household", fields("household_no", "1001", "head_name", "李大山", "group_name", "三组"), fields("household_no", "1002", "head_name", "李大山", "group_name", "三组"), false},
		{"a visit, entered twice", "visit", fields("household", "x", "visit_date", "2019-05-01"), fields("household", "x", "visit_date", "2019-05-01"), true},
		{"visits of two days", "visit", fields("household", "x", "visit_date", "2019-05-01"), fields("household", "x", "visit_date", "2019-05-02"), false},
		{"nothing", "person", Fields{}, Fields{}, false},
	} {
		score, why := Compare(tt.typ, tt.a, tt.b)
		if (score >= Probable) != tt.want {
			t.Errorf("%s: %d %v", tt.name, score, why)
		}
	}
}

// Whatever somebody is to look at shares a key; the order of the two changes nothing; the
// reasons add up.
func TestKeysFind(t *testing.T) {
	some := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(values, "")) }
	draw := map[string]*rapid.Generator[string]{
		"household_no": some("1001", "1002"), "head_name": some("李大山", "黎大山", "王五"), "group_name": some("三组", "四组"), "phone": some("13800138000", "13900139000"),
		"full_name": some("张伟", "章伟", "李娜"), "id_number": some("369999196001010018", "369999199502030025"), "birth_date": some("1960-01-01", "1995-02-03"),
		"household": some("x", "y"), "visit_date": some("2019-05-01", "2019-05-02"),
	}
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(Types).Draw(t, "type")
		two := [2]Fields{{}, {}}
		for i := range two {
			for _, name := range []string{"household_no", "head_name", "group_name", "phone", "full_name", "id_number", "birth_date", "household", "visit_date"} {
				two[i][name] = record.Text(draw[name].Draw(t, name))
			}
		}
		score, why := Compare(typ, two[0], two[1])
		if again, other := Compare(typ, two[1], two[0]); again != score || !slices.Equal(why, other) {
			t.Fatalf("%d %v, the other way round %d %v", score, why, again, other)
		}
		sum := 0
		for _, r := range why {
			sum += r.Score
		}
		if sum != score {
			t.Fatalf("%v add up to %d, not %d", why, sum, score)
		}
		shares := slices.ContainsFunc(Keys(typ, two[0]), func(k Key) bool { return slices.Contains(Keys(typ, two[1]), k) })
		if score >= Probable && !shares {
			t.Fatalf("%d %v without a key", score, why)
		}
	})
}
