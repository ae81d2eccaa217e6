package web

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// team gives the ids of the posts of the first village, by name.
func (f *fixture) team() map[string]record.ID {
	f.t.Helper()
	team := map[string]record.ID{}
	f.laptop.Each(firstVillage.Code, teamType, func(r store.Record) bool {
		name, _ := r.View.Fields["person_name"].Text()
		team[name] = r.Key.ID
		return true
	})
	return team
}

// dayForm is what the page of a day's attendance sends when nobody touches it.
func (f *fixture) dayForm(date string) (string, url.Values) {
	f.t.Helper()
	path := "/attendance/day?day=" + date + "&village=" + string(firstVillage.Code)
	a := f.get(path)
	if a.status != 200 {
		f.t.Fatalf("%s: %d", path, a.status)
	}
	values := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="(hidden|radio)"[^>]* name="([^"]*)" value="([^"]*)"( checked)?`).FindAllStringSubmatch(a.body, -1) {
		if m[2] != "_token" && (m[1] == "hidden" || m[4] != "") {
			values.Set(m[2], m[3])
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)">(.*?)</select>`).FindAllStringSubmatch(a.body, -1) {
		if chosen := regexp.MustCompile(`value="([^"]*)" selected`).FindStringSubmatch(m[2]); chosen != nil {
			values.Set(m[1], chosen[1])
		}
	}
	return path, values
}

// A month of work logs has each on its day, days without any say nothing, and a day leads
// to where one writes: to a new log, or to one's own that is there.
func TestMonthOfLogs(t *testing.T) {
	f := newFixture(t, true).enter()
	log := func(who, day, words string) record.ID {
		return f.set(f.laptop, who, logType, record.ID{}, map[string]string{"log_date": day, "content": words, "activities": "产业"})
	}
	mine := log("杜旺火", "2025-01-06", "陪同技术员看了两户茶园，约好周三打药")
	theirs := log("曹彤倩", "2025-01-07", "到镇里开例会，领回新的明白卡")
	log("曹彤倩", "2024-12-31", "整理档案，补齐上个月的走访记录")
	body := f.get("/month/work_log").body
	got := bare(body)
	if !contains(got, "2025年1月", "共 2 条", "陪同技术员", "到镇里开例会") || strings.Contains(got, "整理档案") {
		t.Errorf("January: %s", got)
	}
	for day, want := range map[string]string{
		"2025-01-06": "/record/work_log/" + mine.String() + "/edit", "2025-01-07": "/record/work_log/new?log_date=2025-01-07&amp;village=" + string(firstVillage.Code),
		"2025-01-09": "/record/work_log/new?log_date=2025-01-09&amp;",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s does not lead to %s", day, want)
		}
	}
	if strings.Contains(body, "log_date=2025-01-10") || !strings.Contains(body, "/record/work_log/"+theirs.String()+`"`) {
		t.Error("a day to come is offered, or a colleague's log is not")
	}
	if got := bare(f.get("/month/work_log?month=2024-12").body); !contains(got, "2024年12月", "整理档案", "共 1 条") {
		t.Errorf("December: %s", got)
	}
	// Both months lead to themselves on paper.
	for page, paper := range map[string]string{"/month/work_log?month=2024-12": "/print/log", "/month/attendance?month=2024-12": "/print/attendance"} {
		to := paper + "?month=2024-12&village=" + string(firstVillage.Code)
		if a := f.get(to); !strings.Contains(f.get(page).body, strings.ReplaceAll(to, "&", "&amp;")) || a.status != 200 || !strings.Contains(a.body, "2024年12月") {
			t.Errorf("%s does not lead to its paper, %d", page, a.status)
		}
	}
	if page := f.get("/record/work_log/new?log_date=2025-01-03&village=" + string(firstVillage.Code)).body; !strings.Contains(page, `name="f.log_date" value="2025-01-03"`) {
		t.Error("the form of a day does not begin with that day")
	}
	for _, path := range []string{"/month/work_log?month=x", "/month/attendance?month=2025-13", "/month/attendance?village=369999000009", "/attendance/day?day=2025-02-30", "/attendance/day"} {
		if a := f.get(path); a.status != 400 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// Everybody's day is noted at once: each half day a record of its own, under an id that
// every laptop gives it; what is noted already is changed and not noted anew.
func TestDayOfAttendance(t *testing.T) {
	f := newFixture(t, true).enter()
	team := f.team()
	du, cao := team["杜旺火"], team["曹彤倩"]
	path, values := f.dayForm("2025-01-08")
	values.Set("am."+du.String(), "present")
	values.Set("pm."+du.String(), "duty")
	values.Set("am."+cao.String(), "leave")
	values.Set("leave."+cao.String(), "sick")
	if a := f.post(path, values); !strings.Contains(a.path, "noted=3") || !contains(bare(a.body), "已记下 3 个半天") {
		t.Fatalf("three half days: %s", a.path)
	}
	id, ok := store.NumberedID(device(t, f), firstVillage.Code, attendanceType, map[string]record.Value{"person": record.Text(cao.String()), "work_date": `"2025-01-08"`, "half_day": `"am"`})
	r := f.record(attendanceType, id.String())
	if !ok || r.View.Fields["attend"] != `"leave"` || r.View.Fields["leave_type"] != `"sick"` || r.View.Authors[0] != "杜旺火" {
		t.Errorf("half a day of leave: %v", r.View.Fields)
	}

	// The kind of leave stays through a look at the page, and can be changed by itself.
	leave := func(what, half, want string) {
		t.Helper()
		r := f.record(attendanceType, halfOf(t, f, cao, "2025-01-08", half).String())
		if got, _ := r.View.Fields["leave_type"].Text(); r.View.Fields["attend"] != `"leave"` || got != want {
			t.Errorf("%s: %v, want leave of the kind %s", what, r.View.Fields, want)
		}
	}
	path, values = f.dayForm("2025-01-08")
	if a := f.post(path, values); !strings.Contains(a.path, "noted=0") {
		t.Errorf("a page that nobody touched: %s", a.path)
	}
	leave("nothing touched", "am", "sick")
	path, values = f.dayForm("2025-01-08")
	values.Set("leave."+cao.String(), "personal")
	f.post(path, values)
	leave("another kind", "am", "personal")
	// With one press for all that are left it is each one's own kind.
	path, values = f.dayForm("2025-01-06")
	values.Set("rest", "leave")
	values.Set("leave."+cao.String(), "sick")
	values.Set("leave."+du.String(), "personal")
	f.post(path, values)
	for who, want := range map[record.ID]string{cao: `"sick"`, du: `"personal"`} {
		for _, half := range halves {
			if r := f.record(attendanceType, halfOf(t, f, who, "2025-01-06", half).String()); r.View.Fields["attend"] != `"leave"` || string(r.View.Fields["leave_type"]) != want {
				t.Errorf("leave for everybody: %v, want %s", r.View.Fields, want)
			}
		}
	}

	// The same half day noted by hand, and by the page again, is the same record.
	path, values = f.dayForm("2025-01-08")
	values.Set("am."+cao.String(), "present")
	f.post(path, values)
	f.set(f.laptop, "曹彤倩", attendanceType, record.ID{}, map[string]string{"person": cao.String(), "work_date": "2025-01-08", "half_day": "am", "attend": "驻村"})
	n := 0
	f.laptop.Each("", attendanceType, func(r store.Record) bool {
		if r.View.Fields["work_date"] == `"2025-01-08"` {
			n++
		}
		return true
	})
	if r := f.record(attendanceType, id.String()); n != 3 || r.View.Fields["attend"] != `"present"` || r.View.Fields["leave_type"] != "" || len(r.View.Conflicts) > 0 {
		t.Errorf("%d records, %v, to decide %v", n, r.View.Fields, r.View.Conflicts)
	}

	// Apart, two laptops meet in it: what differs waits for a decision.
	f.set(f.office, "宋芬娥", attendanceType, record.ID{}, map[string]string{"person": du.String(), "work_date": "2025-01-07", "half_day": "pm", "attend": "缺勤"})
	path, values = f.dayForm("2025-01-07")
	values.Set("pm."+du.String(), "present")
	f.post(path, values)
	f.pull()
	met, _ := store.NumberedID(device(t, f), firstVillage.Code, attendanceType, map[string]record.Value{"person": record.Text(du.String()), "work_date": `"2025-01-07"`, "half_day": `"pm"`})
	if r := f.record(attendanceType, met.String()); len(r.View.Conflicts["attend"]) != 2 {
		t.Errorf("written apart: %v, to decide %v", r.View.Fields, r.View.Conflicts)
	}
	if body := f.get("/month/attendance").body; !strings.Contains(body, "half-unsure") {
		t.Error("the month does not mark what waits for a decision")
	}

	// What changed since the page was opened is shown, with what was chosen, before it is saved.
	path, values = f.dayForm("2025-01-08")
	f.wall.Add(60_000)
	f.set(f.laptop, "曹彤倩", attendanceType, id, map[string]string{"attend": "休息"})
	values.Set("pm."+cao.String(), "duty")
	a := f.post(path, values)
	if !contains(bare(a.body), "这一天刚刚有了新内容") || !regexp.MustCompile(`name="pm.`+cao.String()+`" value="duty" checked`).MatchString(a.body) {
		t.Error("a day that has changed is saved unseen, or what was chosen is gone")
	}

	// One press for all the others; a void half day comes back.
	if _, err := f.laptop.Save(t.Context(), store.Edit{Type: attendanceType, ID: id, Author: "杜旺火", Void: "记错了"}); err != nil {
		t.Fatal(err)
	}
	path, values = f.dayForm("2025-01-08")
	values.Set("rest", "present")
	f.post(path, values)
	if r := f.record(attendanceType, id.String()); r.View.Void || r.View.Fields["attend"] != `"present"` || len(r.View.Conflicts) > 0 {
		t.Errorf("void and noted again: void %v, %v, to decide %v", r.View.Void, r.View.Fields, r.View.Conflicts)
	}
	if r := f.record(attendanceType, halfOf(t, f, du, "2025-01-08", "pm").String()); r.View.Fields["attend"] != `"duty"` {
		t.Error("what was noted is changed with the others")
	}
	values.Set("am."+du.String(), "nonsense")
	if a := f.post(path, values); a.status != 400 {
		t.Errorf("a status that is none: %d", a.status)
	}
	f.role(identity.Inspector)
	if a := f.get(path); a.status != 403 {
		t.Errorf("an inspector opens a day: %d", a.status)
	}
	if a := f.get("/month/attendance"); a.status != 200 || strings.Contains(a.body, "/attendance/day?") {
		t.Error("an inspector does not see the month, or is asked to fill it in")
	}
}

func device(t *testing.T, f *fixture) *store.Device {
	t.Helper()
	d, err := f.laptop.Device()
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// halfOf is the id of half a day.
func halfOf(t *testing.T, f *fixture, who record.ID, day, half string) record.ID {
	t.Helper()
	id, _ := store.NumberedID(device(t, f), firstVillage.Code, attendanceType, map[string]record.Value{"person": record.Text(who.String()), "work_date": record.Text(day), "half_day": record.Text(half)})
	return id
}

// The rate of a month and the numbers that it comes from, worked out by hand: December
// 2024 has 31 days, all of them on post, so 20 are required. 17 whole days and 3 mornings
// in the village are 18.5; 92.5%. January goes to the 9th: 20×9÷31 is 5.8; 3 days are
// 51.7%. Seven whole days would be more than 100% and are not.
func TestRateOfAMonth(t *testing.T) {
	f := newFixture(t, true).enter()
	team := f.team()
	du, cao := team["杜旺火"].String(), team["曹彤倩"].String()
	note := func(who, day string, halves map[string]string) {
		for half, status := range halves {
			f.set(f.laptop, "杜旺火", attendanceType, record.ID{}, map[string]string{"person": who, "work_date": day, "half_day": half, "attend": status})
		}
	}
	whole := map[string]string{"am": "present", "pm": "present"}
	for n := 1; n <= 17; n++ {
		note(du, fmt.Sprintf("2024-12-%02d", n), whole)
	}
	for n := 18; n <= 20; n++ {
		note(du, fmt.Sprintf("2024-12-%02d", n), map[string]string{"am": "present", "pm": "duty"})
	}
	note(du, "2024-12-23", map[string]string{"am": "leave", "pm": "leave"})
	note(du, "2024-12-24", map[string]string{"am": "absent", "pm": "rest"})
	for n := 1; n <= 3; n++ {
		note(du, fmt.Sprintf("2025-01-%02d", n), whole)
	}
	for n := 1; n <= 7; n++ {
		note(cao, fmt.Sprintf("2025-01-%02d", n), whole)
	}
	row := func(month, name string) string {
		body := f.get("/month/attendance?month=" + month).body
		_, body, _ = strings.Cut(body, "合计（天）")
		for _, r := range listed(body) {
			if strings.HasPrefix(r, name) {
				return r
			}
		}
		return ""
	}
	for _, tt := range []struct{ month, name, want string }{
		{"2024-12", "杜旺火", "杜旺火 18.5（37 个半天） 1.5 1 0.5 0.5 20（20×31÷31） 92.5%"},
		{"2025-01", "杜旺火", "杜旺火 3（6 个半天） 0 0 0 0 5.8（20×9÷31） 51.7%"},
		{"2025-01", "曹彤倩", "曹彤倩 7（14 个半天） 0 0 0 0 5.8（20×9÷31） 100.0%"},
		{"2024-12", "曹彤倩", "曹彤倩 0（0 个半天） 0 0 0 0 20（20×31÷31） 0.0%"},
	} {
		if got := row(tt.month, tt.name); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.month, got, tt.want)
		}
	}
}

// By the keyboard alone: a digit for each half day, then Enter.
func TestDayByKeyboard(t *testing.T) {
	f := newFixture(t, true)
	f.set(f.laptop, "杜旺火", logType, record.ID{}, map[string]string{"log_date": "2025-01-06", "content": "陪同技术员看了两户茶园，约好周三打药", "activities": "产业"})
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/month/attendance"), chromedp.Click(chromedp.CSS(".rota a[href*='day=2025-01-08']")))
	until(t, ctx, "document.activeElement.type === 'radio'")
	people := js[int](t, ctx, "document.querySelectorAll('.day-person').length")
	for range 2 * people {
		keys(t, ctx, "1")
	}
	keys(t, ctx, "\r")
	until(t, ctx, "location.search.includes('noted="+fmt.Sprint(2*people)+"')")
	if got := js[int](t, ctx, "document.querySelectorAll('.rota .half-present').length"); got != 2*people || people < 2 {
		t.Errorf("%d half days of %d people are noted", got, people)
	}
	f.lookOver(t, pageShown{"month-logs", "/month/work_log"}, pageShown{"month-attendance", "/month/attendance"}, pageShown{"attendance-day", "/attendance/day?day=2025-01-08"}, pageShown{"attendance-nobody", "/month/attendance?month=2020-01"})
}
