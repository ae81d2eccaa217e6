package web

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"zhucun/shared/figure"
	"zhucun/shared/form"
)

// attendanceSheet is the attendance of a village's team in a month on paper.
type attendanceSheet struct {
	paper
	job[struct{}]
	month  month
	people []attendanceOf
	legend []entryOf // sign and what it says
	leaves []entryOf // whose leave, and of which days
}

// attendanceOf is one person on the sheet: a sign for every half day, and the days.
type attendanceOf struct {
	name, role string
	signs      [2][]string // morning and afternoon, by day
	days       []string    // of each status, in the order of the legend
	required   string
	rate       string
}

// signsOf are the signs of half days: they stand in every Chinese font, and are told apart
// in black and white.
var signsOf = map[string]string{"present": "√", "duty": "○", "leave": "△", "rest": "◇", "absent": "×"}

// notHeld is the sign of a day outside somebody's post.
const notHeld = "／"

func signOf(c form.Choice, lang form.Lang) string {
	return cmp.Or(signsOf[c.Name], string([]rune(c.Label.In(lang))[:1]))
}

// printAttendance prints the sheet of a month, which may be one to come, to be written on.
func (w *Site) printAttendance(p *page) (reply, error) {
	p.onPapers()
	code, m, err := p.someMonth()
	if err != nil {
		return reply{}, err
	}
	people, err := w.rota(code, m, p.counted())
	if err != nil {
		return reply{}, err
	}
	s := &attendanceSheet{paper: paper{what: p.T("print.attendance"), village: p.place(code), period: p.monthName(m)}, month: m}
	s.title, s.back, s.how = s.what, pageLink{"/print", p.T("print.back")}, p.T("print.attendance.how")
	f := w.forms.Form(attendanceType)
	choices := f.Field("attend").Choices
	for _, c := range choices {
		s.legend = append(s.legend, entryOf{signOf(c, p.lang), c.Label.In(p.lang)})
	}
	s.legend = append(s.legend, entryOf{notHeld, p.T("print.attendance.out")})
	for _, o := range people {
		s.people = append(s.people, s.person(p, w, f, o))
		s.leaves = append(s.leaves, s.leavesOf(p, w, f, o)...)
	}
	return w.papers(p, s.title, attendancePage(p, s))
}

func (s *attendanceSheet) person(p *page, w *Site, f *form.Form, o *onPost) attendanceOf {
	choices := f.Field("attend").Choices
	role, _ := w.forms.Form(teamType).Field("team_role").Choice(o.Role)
	one := attendanceOf{name: o.Name, role: role.Label.In(p.lang)}
	if o.known() {
		s.use(&o.post)
	} else {
		one.name = w.label(p, teamType, o.Post)
	}
	for half := range one.signs {
		for d := range o.halves {
			h, sign := &o.halves[d][half], ""
			switch i := slices.IndexFunc(choices, func(c form.Choice) bool { return c.Name == h.status }); {
			case i >= 0:
				sign = signOf(choices[i], p.lang)
			case h.noted():
				sign = h.status[:1]
			case o.known() && !o.held(d+1):
				sign = notHeld
			}
			if h.noted() {
				s.use(&h.record)
			}
			if h.unsure {
				s.unsure = true
				sign += p.T("print.star")
			}
			one.signs[half] = append(one.signs[half], sign)
		}
	}
	one.days = make([]string, len(choices))
	if !o.known() {
		return one
	}
	one.required = inDays(o.Required)
	if !o.noted() {
		return one // to be written by hand
	}
	counted := map[string]float64{"present": o.Present, "duty": o.Duty, "leave": o.Leave, "rest": o.Resting, "absent": o.Missing}
	for i, c := range choices {
		one.days[i] = inDays(counted[c.Name])
	}
	one.rate = p.T("print.norate")
	if percent, ok := o.Rate().Percent(); ok {
		one.rate = strconv.FormatFloat(percent, 'f', 1, 64) + "%"
	}
	return one
}

// inDays shows a number of days, of which a half is the least, to a tenth.
func inDays(n float64) string {
	if n == float64(int(n)) {
		return strconv.Itoa(int(n))
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

// leavesOf says of somebody's leaves what the sheet has no room for.
func (s *attendanceSheet) leavesOf(p *page, w *Site, f *form.Form, o *onPost) (out []entryOf) {
	for d := range o.halves {
		var last entryOf
		for half, h := range o.halves[d] {
			if h.status != "leave" {
				continue
			}
			kind, by := s.onPaper(p, f, &h.record, "leave_type"), s.onPaper(p, f, &h.record, "approver")
			c, _ := f.Field("half_day").Choice(halves[half])
			when := p.day(s.month.date(d+1)) + c.Label.In(p.lang)
			e := entryOf{o.Name, p.T("print.leave", when, cmp.Or(kind, p.T("print.unsaid")), cmp.Or(by, p.T("print.unsaid")))}
			if whole := p.T("print.leave", p.day(s.month.date(d+1)), cmp.Or(kind, p.T("print.unsaid")), cmp.Or(by, p.T("print.unsaid"))); half == 1 && last.value == whole {
				out[len(out)-1].value = whole
				continue
			} else if half == 0 {
				last.value = whole
			}
			out = append(out, e)
		}
	}
	if o.LeaveOfYear > figure.LeaveOfYear {
		out = append(out, entryOf{o.Name, p.T("print.leave.year", inDays(o.LeaveOfYear), strconv.Itoa(figure.LeaveOfYear))})
	}
	return out
}

// weekday is the sign of a day's.
func (s *attendanceSheet) weekday(p *page, n int) string {
	t, err := time.Parse(time.DateOnly, s.month.date(n))
	if err != nil {
		return ""
	}
	return string([]rune(p.T("print.weekdays"))[t.Weekday()])
}
