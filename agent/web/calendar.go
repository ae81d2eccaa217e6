package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/shared/record"
)

// calendarView is a month of work logs.
type calendarView struct {
	monthly
	weeks [][]calendarDay
	total int
	write bool
}

// monthly is the month and the village of a page, and where others of it are.
type monthly struct {
	path    string // of the page
	month   month
	village record.Village
	today   string // "" while it is in doubt
}

// calendarDay is a day of the calendar; those of other months have no number.
type calendarDay struct {
	n       int
	date    string
	weekday time.Weekday
	today   bool
	write   string // where somebody writes of this day
	mine    bool   // that it is there already
	logs    []calendarLog
	more    int // that are not shown
}

// calendarLog is a log of a day, in short.
type calendarLog struct{ href, who, what, words string }

// maxDayLogs is how many logs of a day the calendar shows.
const maxDayLogs = 4

// monthly reads which month and village an address asks for: this month and the first
// village where it says nothing.
func (p *page) monthly(path string) (monthly, error) {
	q := p.r.URL.Query()
	m := monthly{path: path, today: p.counted()}
	assigned, err := p.device.Village(record.Village(cmp.Or(q.Get("village"), p.firstVillage())))
	if err != nil {
		return m, errAsked
	}
	m.village = assigned.Code
	var ok bool
	if m.month, ok = monthOf(cmp.Or(q.Get("month"), p.today)); !ok {
		return m, errAsked
	}
	return m, nil
}

func (p *page) firstVillage() string {
	if len(p.device.Assigned.Villages) == 0 {
		return ""
	}
	return string(p.device.Assigned.Villages[0].Code)
}

// at is the address of the page for another month.
func (m *monthly) at(of month, village record.Village) string {
	return m.path + "?" + url.Values{"month": {string(of)}, "village": {string(village)}}.Encode()
}

// paper is the address of the month on paper.
func (m *monthly) paper() string {
	sheets := map[string]string{"/month/work_log": "/print/log", "/month/attendance": "/print/attendance"}
	return sheets[m.path] + "?" + url.Values{"month": {string(m.month)}, "village": {string(m.village)}}.Encode()
}

// list is the address of the list of a type's records of the month.
func (m *monthly) list(t record.Type) string {
	return "/records/" + string(t) + "?" + url.Values{"year": {string(m.month[:4])}, "month": {string(m.month[5:])}, "village": {string(m.village)}}.Encode()
}

// name is what the month is called.
func (m *monthly) name(p *page) string {
	t := m.month.first()
	return p.T("month.name", t.Year(), int(t.Month()), t.Month().String())
}

// over tells a day that has come; every day, where nobody knows which one it is.
func (m *monthly) over(date string) bool { return m.today == "" || date <= m.today }

// weekdayWord is the short name of a day of the week.
func (p *page) weekdayWord(d time.Weekday) string {
	return p.T([...]string{"month.sun", "month.mon", "month.tue", "month.wed", "month.thu", "month.fri", "month.sat"}[d])
}

// week is the days of the week, Monday first.
var week = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}

// calendar shows a month of work logs. A day without any is empty, and no more is said of
// it.
func (w *Site) calendar(p *page) (reply, error) {
	f := w.forms.Form(logType)
	m, err := p.monthly("/month/work_log")
	if err != nil {
		return reply{}, err
	}
	p.title, p.at = p.T("month.log"), "records"
	v := &calendarView{monthly: m, write: p.may(f)}
	logs, err := w.logs(m.village, m.month)
	if err != nil {
		return reply{}, err
	}
	v.total = len(logs)
	row := make([]calendarDay, slices.Index(week, m.month.first().Weekday()))
	for n := 1; n <= m.month.days(); n++ {
		d := calendarDay{n: n, date: m.month.date(n), weekday: m.month.first().AddDate(0, 0, n-1).Weekday()}
		d.today = d.date == m.today
		if v.write && m.over(d.date) {
			d.write = "/record/work_log/new?" + url.Values{"log_date": {d.date}, "village": {string(m.village)}}.Encode()
		}
		for i := range logs {
			l := &logs[i]
			if l.date != d.date {
				continue
			}
			href := "/record/work_log/" + l.Key.ID.String()
			if v.write && slices.Contains(l.View.Authors, p.author) {
				d.write, d.mine = href+"/edit", true
			}
			if len(d.logs) == maxDayLogs {
				d.more++
				continue
			}
			d.logs = append(d.logs, calendarLog{href, l.author, p.shownOf(f, &l.Record, "activities"), clip(p.shownOf(f, &l.Record, "content"), 40)})
		}
		if row = append(row, d); len(row) == 7 {
			v.weeks, row = append(v.weeks, row), nil
		}
	}
	if len(row) > 0 {
		v.weeks = append(v.weeks, append(row, make([]calendarDay, 7-len(row))...))
	}
	return show(calendarPage(p, v))
}

// attendanceView is a month of attendance.
type attendanceView struct {
	monthly
	people []*onPost
	days   []calendarDay
	last   int // the number of the last day that counts
	write  bool
	noted  int // half days just saved
}

// attendance shows who was where in a month, by half days.
func (w *Site) attendance(p *page) (reply, error) {
	m, err := p.monthly("/month/attendance")
	if err != nil {
		return reply{}, err
	}
	p.title, p.at = p.T("month.attendance"), "records"
	v := &attendanceView{monthly: m, write: p.may(w.forms.Form(attendanceType))}
	v.noted, _ = strconv.Atoi(p.r.URL.Query().Get("noted"))
	if v.people, err = w.rota(m.village, m.month, m.today); err != nil {
		return reply{}, err
	}
	v.last = m.month.at(m.month.period(m.today).To)
	for n := 1; n <= m.month.days(); n++ {
		d := calendarDay{n: n, date: m.month.date(n), weekday: m.month.first().AddDate(0, 0, n-1).Weekday()}
		d.today = d.date == m.today
		if v.write && m.over(d.date) {
			d.write = m.dayPath(d.date)
		}
		v.days = append(v.days, d)
	}
	return show(rotaPage(p, v))
}

func (m *monthly) dayPath(date string) string {
	return "/attendance/day?" + url.Values{"day": {date}, "village": {string(m.village)}}.Encode()
}

// served counts the days of the month that somebody is on post, as far as it goes.
func (v *attendanceView) served(o *onPost) int {
	if o.from == 0 {
		return 0
	}
	return max(0, min(o.to, v.last)-o.from+1)
}

// nameOf is the name of whoever holds a post.
func (p *page) nameOf(o *onPost) string {
	if o.Name != "" {
		return o.Name
	}
	return p.site.label(p, teamType, o.Post)
}

// daysWord is a number of days, or of half days.
func daysWord(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// requiredWord is the days that somebody is to be there, to a tenth.
func requiredWord(n float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
}

// rateWord is somebody's attendance in percent; a dash where none is required.
func rateWord(o *onPost) string {
	r := o.Rate()
	n, ok := r.Percent()
	if !ok {
		return "—"
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + "%"
}

// attendWord is the short word for what is noted of half a day.
func (p *page) attendWord(h *halfDay) string {
	switch h.status {
	case "present":
		return p.T("attend.present")
	case "duty":
		return p.T("attend.duty")
	case "leave":
		return p.T("attend.leave")
	case "rest":
		return p.T("attend.rest")
	case "absent":
		return p.T("attend.absent")
	}
	return h.status
}

// statusWord is the same in full.
func (p *page) statusWord(code string) string {
	if c, ok := p.site.forms.Form(attendanceType).Field("attend").Choice(code); ok {
		return c.Label.In(p.lang)
	}
	return code
}
