package web

import (
	"math"
	"testing"

	"zhucun/shared/record"
)

// A month's attendance has everybody who was on post then, and whoever else something
// is noted of; what was noted twice and differently is told.
func TestRota(t *testing.T) {
	f := newFixture(t, true)
	posts := map[string]record.ID{}
	for _, o := range f.rota("2024-12") {
		posts[o.Name] = o.Post
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
		people[o.Name] = o
		order = append(order, o.Name)
	}
	if len(order) != 6 || order[0] != "宋芬娥" || people["闫凤香"] != nil {
		t.Errorf("on the sheet: %v", order)
	}
	if o := people["杜旺火"]; o.halves[1][0].status != "present" || o.halves[1][1].status != "duty" || o.halves[30][1].status != "present" || o.Present != 1 || o.Duty != 0.5 || o.Missing != 0 || o.Required != 20 {
		t.Errorf("杜旺火: %+v", o.Attendance)
	}
	// What is shown of a half day that was noted twice is what is counted.
	if o := people["周文"]; !o.halves[2][0].unsure || o.Present == o.Resting || (o.halves[2][0].status == "present") != (o.Present == 0.5) {
		t.Errorf("of what was noted twice stands %q, unsure %v, present for %v", o.halves[2][0].status, o.halves[2][0].unsure, o.Present)
	}
	if h := people["杜旺火"].halves[1][0]; h.unsure {
		t.Error("what was noted once is unsure")
	}
	if o := people["刘琴贞"]; o.held(16) || !o.held(17) || !o.held(31) || o.Required != 20*15./31 {
		t.Errorf("刘琴贞 is on post from %d to %d, %v days are required", o.from, o.to, o.Required)
	}
	if o := people["黄运昌"]; o.held(1) || o.Present != 0.5 || o.Required != 0 {
		t.Errorf("黄运昌, who had left: %+v", o.Attendance)
	}

	// The month that is under way counts as far as it has come, one to come as a whole.
	for m, want := range map[month]float64{"2025-01": 20 * 9. / 31, "2025-02": 20} {
		if o := f.rota(m)[0]; math.Abs(o.Required-want) > 1e-9 {
			t.Errorf("%s: %v days are required, want %v", m, o.Required, want)
		}
	}
}

// Of somebody whose post is not here the half days stand on the sheet, without figures.
func TestRotaWithoutPost(t *testing.T) {
	f := newFixture(t, false)
	f.set(f.laptop, "杜旺火", attendanceType, record.ID{}, map[string]string{"person": nobody, "work_date": "2024-12-02", "half_day": "pm", "attend": "duty"})
	people := f.rota("2024-12")
	if len(people) != 1 || people[0].known() || people[0].Post.String() != nobody || people[0].halves[1][1].status != "duty" {
		t.Errorf("on the sheet: %+v", people)
	}
}

// nobody is the id of nothing that is here.
const nobody = "0190a5e6-1111-7000-8000-00000000aaaa"

func (f *fixture) rota(m month) []*onPost {
	f.t.Helper()
	people, err := f.site.rota(firstVillage.Code, m, f.today())
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
