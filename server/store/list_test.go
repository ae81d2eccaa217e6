package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/edition"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// all reads a list page by page, and gives a field of each row.
func (o *office) all(q store.Browse, field string) (rows []string, pages int) {
	o.t.Helper()
	for pages = 1; ; pages++ {
		l, err := o.Browse(o.t.Context(), q)
		if err != nil {
			o.t.Fatal(err)
		}
		if len(l.Rows) > q.Limit {
			o.t.Fatalf("%d rows on a page of %d", len(l.Rows), q.Limit)
		}
		for _, r := range l.Rows {
			text, ok := r.Fields[field].Text()
			if !ok {
				text = string(r.Fields[field])
			}
			rows = append(rows, text)
		}
		if l.Next == (store.Place{}) {
			return rows, pages
		}
		if pages > 500 {
			o.t.Fatal("the pages have no end")
		}
		q.After = l.Next
	}
}

// Each row is what somebody types into the search of a list and whom it finds, in the
// order of villages.
func TestSearch(t *testing.T) {
	o := newOffice(t, "甲", "乙")
	house := o.put("甲", "household", "household_no=3699990000010001 head_name=王小明 group_name=三组 phone=13800138000")
	o.put("乙", "household", "household_no=3699990000020002 head_name=王小梅 group_name=一组")
	o.put("乙", "household", "head_name=单雄信 group_name=三组")
	o.put("甲", "person", "full_name=李小梅 id_number=11010519491231002X")
	o.put("乙", "person", "full_name=王芳 id_number=440524188001010014")
	o.put("甲", "visit", "household="+house.String()+" visit_date=2017-05-02 findings=灶台已改好")
	o.put("甲", "issue", "description=房屋漏雨 issue_status=open")
	hidden := func(fd *form.Field) bool { return fd.Name != "id_number" }
	tests := []struct {
		typ   record.Type
		text  string
		shows func(*form.Field) bool
		want  string
	}{
		{"household", "王", nil, "王小梅 王小明"},
		{"household", "王小明", nil, "王小明"},
		{"household", "小", nil, "王小梅 王小明"},
		{"household", "明", nil, ""}, // the last character alone finds nobody
		{"household", "小梅", nil, "王小梅"},
		{"household", "wangxiao", nil, "王小梅 王小明"},
		{"household", "WXM", nil, "王小梅 王小明"},
		{"household", "ｗｘｍ", nil, "王小梅 王小明"},
		{"household", "wangxm", nil, "王小梅 王小明"},
		{"household", "xiaoming", nil, "王小明"},
		{"household", "shan", nil, "单雄信"},
		{"household", "danx", nil, "单雄信"},
		{"household", "三组", nil, "单雄信 王小明"},
		{"household", "王 三组", nil, "王小明"},
		{"household", "三组，wxm", nil, "王小明"},
		{"household", "3699990000010001", nil, "王小明"},
		{"household", "0002", nil, "王小梅"},
		{"household", "138001", nil, "王小明"},
		{"household", "李", nil, ""},
		{"household", "%", nil, ""},
		{"household", "'", nil, ""},
		{"household", "#", nil, ""},
		{"household", "\"\\_", nil, ""},
		{"person", "lxm", nil, "李小梅"},
		{"person", "002x", nil, "李小梅"},
		{"person", "002X", nil, "李小梅"},
		{"person", "11010519491231002x", nil, "李小梅"},
		{"person", "11010519491231999002X", nil, ""}, // another with the same end
		{"person", "1101", nil, ""},                  // the beginning of a masked number finds nobody
		{"person", "#002x", hidden, ""},
		{"person", "002x", hidden, ""},
		{"person", "11010519491231002X", hidden, ""},
		{"person", "李", hidden, "李小梅"},
		{"visit", "wxm", nil, "灶台已改好"},
		{"visit", "梅", nil, ""},
		{"issue", "漏雨", nil, "房屋漏雨"},
		{"issue", "雨 漏", nil, "房屋漏雨"},
		{"issue", "房%雨", nil, "房屋漏雨"}, // two words
		{"issue", "墙", nil, ""},
	}
	field := map[record.Type]string{"household": "head_name", "person": "full_name", "visit": "findings", "issue": "description"}
	for _, tt := range tests {
		q := store.Browse{Type: tt.typ, Text: tt.text, Shows: tt.shows, Limit: 1}
		got, _ := o.all(q, field[tt.typ])
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.typ, tt.text, got, tt.want)
		}
		n, exact, err := o.Count(t.Context(), q, 10)
		if n != len(got) || !exact || err != nil {
			t.Errorf("%s %q: counted %d, %v, %v", tt.typ, tt.text, n, exact, err)
		}
		// In one village, what is of it.
		q.Village = "甲"
		here, _ := o.all(q, field[tt.typ])
		if strings.HasPrefix(tt.want, "王小梅") && !slices.Equal(here, got[1:]) && tt.want != "王小梅" {
			t.Errorf("%s %q in one village: %q", tt.typ, tt.text, here)
		}
	}
}

// Whoever changes a name is found by the new one at once, and not by the old; who is
// erased is not found at all, nor is anything of it left in the table of keys.
func TestSearchFollows(t *testing.T) {
	o := newOffice(t, "甲")
	id := o.put("甲", "household", "head_name=王小明 group_name=三组")
	find := func(text string) []string {
		got, _ := o.all(store.Browse{Type: "household", Text: text, Limit: 5}, "head_name")
		return got
	}
	if got := find("wxm"); len(got) != 1 {
		t.Fatalf("%q", got)
	}
	if err := o.Desk(t.Context(), "甲", func(d *store.Desk) error {
		rec, err := d.Record(id)
		if err != nil {
			return err
		}
		_, err = d.Write(record.Change{Record: id, Type: "household", Author: "办公室",
			Body: []record.Write{{Path: "head_name", Value: record.Text("李雷"), Observed: rec.State.Observed("head_name")}}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := find("wxm"); len(got) != 0 {
		t.Errorf("the old name finds %q", got)
	}
	if got := find("ll"); !slices.Equal(got, []string{"李雷"}) {
		t.Errorf("the new name finds %q", got)
	}
	if err := o.Desk(t.Context(), "甲", func(d *store.Desk) error { _, err := d.Erase(id, "admin", "依法"); return err }); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"ll", "三组", "李雷"} {
		if got := find(text); len(got) != 0 {
			t.Errorf("what was erased is found by %s: %q", text, got)
		}
	}
}

// However little is looked at in one go, and whatever the time, all pages together have
// all rows once, in their order; dates and numbers have a least and a largest.
func TestWindows(t *testing.T) {
	o := newOffice(t, "甲", "乙", "丙")
	for i := range 40 {
		v := []record.Village{"甲", "乙", "丙"}[i%3]
		mode := []string{"home", "phone", "field", "office"}[i%4]
		day := fmt.Sprintf("visit_date=2017-05-%02d ", 1+i/3)
		if i%10 == 9 {
			day = ""
		}
		o.put(v, "visit", day+"visit_mode="+mode)
	}
	whole := func(q store.Browse) []string {
		q.Limit = 100
		rows, _ := o.all(q, "visit_date")
		return rows
	}
	tests := []struct {
		name  string
		where []store.Condition
		want  int
	}{
		{"everything", nil, 40},
		{"some", []store.Condition{{Field: "visit_mode", Value: "home"}}, 10},
		{"few", []store.Condition{{Field: "visit_mode", Value: "home"}, {Field: "visit_date", Value: "2017-05-03"}}, 1},
		{"none", []store.Condition{{Field: "visit_mode", Value: "video"}}, 0},
		{"from a day", []store.Condition{{Field: "visit_date", Value: "2017-05-11", Than: store.AtLeast}}, 9},
		{"a span", []store.Condition{{Field: "visit_date", Value: "2017-05-03", Than: store.AtLeast}, {Field: "visit_date", Value: "2017-05-04", Than: store.AtMost}, {Field: "visit_mode", Value: "home"}}, 1},
	}
	for _, tt := range tests {
		want := whole(store.Browse{Type: "visit", Where: tt.where})
		if len(want) != tt.want {
			t.Errorf("%s: %d rows, want %d: %q", tt.name, len(want), tt.want, want)
		}
		days := slices.DeleteFunc(slices.Clone(want), func(d string) bool { return d == "" })
		if !slices.IsSortedFunc(days, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("%s: not in order: %q", tt.name, want)
		}
		for _, rows := range []int{1, 2, 7, 1000} {
			for _, limit := range []int{1, 3, 50} {
				for _, long := range []time.Duration{-time.Second, time.Minute} { // no time at all: a window a page
					back := store.SetWindow(rows, long)
					got, pages := o.all(store.Browse{Type: "visit", Where: tt.where, Limit: limit}, "visit_date")
					n, exact, err := o.Count(t.Context(), store.Browse{Type: "visit", Where: tt.where}, 100)
					back()
					if !slices.Equal(got, want) {
						t.Errorf("%s, windows of %d, pages of %d: %q, want %q", tt.name, rows, limit, got, want)
					}
					if long < 0 && rows == 1 && limit == 50 && tt.want < 10 && len(tt.where) == 1 && tt.where[0].Field == "visit_mode" && pages < 20 {
						t.Errorf("%s: no page ended for want of time", tt.name)
					}
					if err != nil || n > len(want) || exact && n != len(want) || long > 0 && !exact {
						t.Errorf("%s: counted %d of %d, exact %v, %v", tt.name, n, len(want), exact, err)
					}
				}
			}
		}
	}
	// The other way round, by any column, and what cannot be asked.
	if got, _ := o.all(store.Browse{Type: "visit", Sort: "visit_date", Limit: 3}, "visit_date"); got[0] != "2017-05-01" || len(got) != 40 || got[39] != "" {
		t.Errorf("from the first day: %q", got)
	}
	if got, _ := o.all(store.Browse{Type: "visit", Sort: "visit_mode", Down: true, Limit: 3}, "visit_mode"); got[0] != "phone" || got[39] != "field" || len(got) != 40 {
		t.Errorf("by mode: %q", got)
	}
	if got, _ := o.all(store.Browse{Type: "visit", Sort: "visit_mode", Village: "甲", Limit: 3}, "visit_mode"); !slices.IsSorted(got) || len(got) != 14 {
		t.Errorf("by mode in one village: %q", got)
	}
	for _, q := range []store.Browse{
		{Type: "visit", Sort: "nothing"}, {Type: "visit", Sort: "photos"}, {Type: "visit", Sort: "location"}, {Type: "household", Sort: "bank_account"},
		{Type: "visit", Where: []store.Condition{{Field: "visit_mode", Value: "home", Than: store.AtLeast}}},
		{Type: "visit", Where: []store.Condition{{Field: "visit_date", Value: "yesterday", Than: store.AtLeast}}},
		{Type: "visit", Where: []store.Condition{{Field: "visit_date", Value: "", Than: store.AtMost}}},
		{Type: "visit", Where: []store.Condition{{Field: "visit_date", Value: "2017-05-01", Than: "; DROP"}}},
		{Type: "income", After: store.Place{Value: "nonsense", Village: "甲", ID: "x"}},
	} {
		q.Limit = 5
		var bad *store.ConditionError
		if _, err := o.Browse(t.Context(), q); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// Villages that are searched one after the other give everything once, whatever the time.
func TestSearchPages(t *testing.T) {
	var villages []record.Village
	for i := range 9 {
		villages = append(villages, record.Village(fmt.Sprintf("36999900000%d", i)))
	}
	o := newOffice(t, villages...)
	for i := range 30 {
		o.put(villages[i*i%9], "household", fmt.Sprintf("head_name=王%d号 group_name=三组", i))
	}
	for _, limit := range []int{1, 4, 100} {
		for _, long := range []time.Duration{-time.Second, time.Minute} {
			back := store.SetWindow(5, long)
			got, _ := o.all(store.Browse{Type: "household", Text: "wang", Limit: limit}, "head_name")
			back()
			slices.Sort(got)
			if len(slices.Compact(got)) != 30 {
				t.Errorf("pages of %d: %d of 30", limit, len(got))
			}
		}
	}
}

// Counts of types follow what changes.
func TestTypeCounts(t *testing.T) {
	o := newOffice(t, "甲", "乙")
	for i := range 5 {
		o.put([]record.Village{"甲", "乙"}[i%2], "household", "head_name=王一 group_name=三组")
		counts, err := o.TypeCounts(t.Context())
		if err != nil || counts["household"] != i+1 {
			t.Errorf("%d households, want %d; %v", counts["household"], i+1, err)
		}
	}
}

// What an edition masks is not found digit by digit, and what it hides not by those from
// whom it is hidden.
func TestSearchOfWhatIsMaskedLater(t *testing.T) {
	o := newOffice(t, "甲")
	o.put("甲", "household", "head_name=王小明 group_name=三组 phone=13800138000")
	inspector := func(fd *form.Field) bool { return !fd.HiddenFrom("inspector") }
	finds := func(when, text string, shows func(*form.Field) bool, want bool) {
		t.Helper()
		for _, v := range []record.Village{"", "甲"} {
			l, err := o.Browse(t.Context(), store.Browse{Type: "household", Village: v, Text: text, Shows: shows, Limit: 10})
			if err != nil || len(l.Rows) == 1 != want {
				t.Errorf("%s: %q finds %d in %q, %v", when, text, len(l.Rows), v, err)
			}
		}
	}
	for _, text := range []string{"13800138000", "138", "8000", "三组", "王小明"} {
		finds("before", text, inspector, true)
	}
	raw := form.BuiltinTables()["household.csv"]
	for from, to := range map[string]string{"with 1,latest,,,,\n": "with 1,latest,yes,,,\n", "group,,,yes,,,,,review,,,,\n": "group,,,yes,,,,,review,,inspector,,\n"} {
		raw = bytes.Replace(raw, []byte(from), []byte(to), 1)
	}
	next, err := new(edition.Edition).Next(form.Tables{"household.csv": raw}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Publish(t.Context(), next, "office", ""); err != nil {
		t.Fatal(err)
	}
	f := o.Forms().Form("household")
	if !f.Field("phone").Masked || !f.Field("group_name").HiddenFrom("inspector") {
		t.Fatal("the edition does not mask and hide")
	}
	for text, want := range map[string][2]bool{"13800138000": {}, "138": {}, "8000": {true, true}, "三组": {true, false}, "王小明": {true, true}} {
		finds("office", text, nil, want[0])
		finds("inspector", text, inspector, want[1])
	}
}

// How a village stands counts what is valid; what is void is there all the same.
func TestStandsOfVoid(t *testing.T) {
	o := newOffice(t, "甲", "乙")
	stand := func(valid, all int) {
		t.Helper()
		stands, _, err := o.Stands(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(stands, func(s store.Stand) bool { return s.Village == "甲" })
		if i < 0 || stands[i].Households != valid || stands[i].All.Households != all || stands[i].Records != valid {
			t.Errorf("%+v, want %d of %d", stands, valid, all)
		}
	}
	o.put("乙", "household", "head_name=王一 group_name=三组")
	for i := range 2 {
		o.put("甲", "household", "head_name=王一 group_name=三组")
		stand(i+1, i+1)
	}
	o.put("甲", "household", "head_name=王一 group_name=三组 void=")
	stand(2, 3)
}
