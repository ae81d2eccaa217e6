package web

import (
	"testing"

	"zhucun/shared/record"
)

// Each row is a person on post for some of a month's days, with what was noted of half
// days; the rate is what DOMAIN's rule gives: present half days ÷ 2, of 20 × days on
// post ÷ days of the month.
func TestAttendanceRate(t *testing.T) {
	tests := []struct {
		name     string
		month    month
		from, to int
		noted    map[string]int // half days, by status
		required int            // hundredths of a day
		rate     int            // tenths of a percent, -1 for none
	}{
		{"a whole month, all that is asked", "2024-12", 1, 31, map[string]int{"present": 40}, 2000, 1000},
		{"more counts no more", "2024-12", 1, 31, map[string]int{"present": 62}, 2000, 1000},
		{"a half day is half a day", "2024-12", 1, 31, map[string]int{"present": 35}, 2000, 875},
		{"away on duty is shown and not counted", "2024-12", 1, 31, map[string]int{"present": 20, "duty": 20}, 2000, 500},
		{"came in the middle of it", "2024-11", 16, 30, map[string]int{"present": 15}, 1000, 750},
		{"a short month", "2023-02", 1, 14, map[string]int{"present": 14}, 1000, 700},
		{"rounded to a tenth", "2024-12", 1, 31, map[string]int{"present": 1}, 2000, 25},
		{"one day on post", "2024-12", 31, 31, map[string]int{"present": 1}, 65, 775},
		{"nobody knows when on post", "2024-12", 0, 0, map[string]int{"present": 9}, 0, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &onPost{from: tt.from, to: tt.to, halves: make([][2]halfDay, tt.month.days())}
			at := 0
			for status, n := range tt.noted {
				for range n {
					o.halves[at/2][at%2].status = status
					at++
				}
			}
			rate, ok := o.rate()
			if !ok {
				rate = -1
			}
			if rate != tt.rate || o.required() != tt.required {
				t.Errorf("rate %d of %d; want %d of %d", rate, o.required(), tt.rate, tt.required)
			}
		})
	}
}

// A month's attendance has everybody who was on post then, and whoever else something
// is noted of; what was noted twice and differently is the later one, and told.
func TestRota(t *testing.T) {
	f := newFixture(t, true)
	posts := map[string]record.ID{}
	for _, o := range f.rota("2024-12") {
		name, _ := o.post.View.Fields["person_name"].Text()
		posts[name] = o.id
	}
	if len(posts) != 7 {
		t.Fatalf("on post: %v", posts)
	}
	note := func(name, date, half, attend string) {
		t.Helper()
		f.wall.Add(60_000)
		f.set(f.office, "宋芬娥", attendanceType, record.ID{}, map[string]string{"person": posts[name].String(), "work_date": date, "half_day": half, "attend": attend})
	}
	note("杜旺火", "2024-12-02", "am", "present")
	note("杜旺火", "2024-12-02", "pm", "duty")
	note("杜旺火", "2024-12-31", "pm", "present")
	note("杜旺火", "2025-01-01", "am", "absent")
	note("周文", "2024-12-03", "am", "present")
	note("周文", "2024-12-03", "am", "rest")
	note("黄运昌", "2024-12-04", "am", "present")
	f.set(f.office, "宋芬娥", teamType, posts["黄运昌"], map[string]string{"end_date": "2024-11-30"})
	f.set(f.office, "宋芬娥", teamType, posts["闫凤香"], map[string]string{"end_date": "2024-11-30"})
	f.set(f.office, "宋芬娥", teamType, posts["刘琴贞"], map[string]string{"start_date": "2024-12-17"})
	f.pull()

	people := map[string]*onPost{}
	var order []string
	for _, o := range f.rota("2024-12") {
		name, _ := o.post.View.Fields["person_name"].Text()
		people[name] = o
		order = append(order, name)
	}
	if len(order) != 6 || order[0] != "宋芬娥" || order[5] != "黄运昌" || people["闫凤香"] != nil {
		t.Errorf("on the sheet: %v", order)
	}
	if o := people["杜旺火"]; o.halves[1][0].status != "present" || o.halves[1][1].status != "duty" || o.halves[30][1].status != "present" || o.count("present") != 2 || o.count("absent") != 0 {
		t.Errorf("杜旺火: %v", o.halves)
	}
	if h := people["周文"].halves[2][0]; h.status != "rest" || !h.unsure {
		t.Errorf("of what was noted twice stands %q, unsure %v", h.status, h.unsure)
	}
	if h := people["杜旺火"].halves[1][0]; h.unsure {
		t.Error("what was noted once is unsure")
	}
	if o := people["刘琴贞"]; o.from != 17 || o.to != 31 {
		t.Errorf("刘琴贞 is on post from %d to %d", o.from, o.to)
	}
	if o := people["黄运昌"]; o.inPost() != 0 || o.count("present") != 1 {
		t.Errorf("黄运昌, who had left, is on post for %d days, present for %d halves", o.inPost(), o.count("present"))
	}
}

func (f *fixture) rota(m month) []*onPost {
	f.t.Helper()
	people, err := f.site.rota(firstVillage.Code, m)
	if err != nil {
		f.t.Fatal(err)
	}
	return people
}

func TestLogsOfMonth(t *testing.T) {
	f := newFixture(t, true)
	for _, l := range [][2]string{{"杜旺火", "2024-12-31"}, {"杜旺火", "2024-12-01"}, {"周文", "2024-12-15"}, {"杜旺火", "2024-11-30"}, {"杜旺火", "2025-01-01"}} {
		f.set(f.office, l[0], logType, record.ID{}, map[string]string{"log_date": l[1], "content": "到坳背组看了水渠和秧田"})
	}
	f.pull()
	logs, err := f.site.logs(firstVillage.Code, "2024-12")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range logs {
		got = append(got, l.author+" "+l.date)
	}
	want := []string{"周文 2024-12-15", "杜旺火 2024-12-01", "杜旺火 2024-12-31"}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("logs %v, want %v", got, want)
	}
}

func TestMonth(t *testing.T) {
	for s, want := range map[string]bool{"2024-02": true, "2024-02-29": true, "2024-13": false, "": false, "二月": false} {
		if _, ok := monthOf(s); ok != want {
			t.Errorf("%q is a month: %v", s, ok)
		}
	}
	m, _ := monthOf("2024-02-11")
	if m.days() != 29 || m.date(29) != "2024-02-29" || m.at("2024-02-09") != 9 || m.at("2024-03-01") != 0 || m.at("2023-02-01") != 0 || m.add(-2) != "2023-12" || m.add(11) != "2025-01" {
		t.Errorf("%s has %d days, the last %s", m, m.days(), m.date(29))
	}
}
