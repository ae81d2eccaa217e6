package web

import (
	"slices"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/record"
)

// workLog is somebody's log of a month on paper.
type workLog struct {
	paper
	author string
	days   []workDay
}

// workDay is one day of it.
type workDay struct{ day, weekday, aspects, activities, content, help string }

// minDays is how many lines a log has, empty ones to write on among them.
const minDays = 10

// spare gives the lines that are left to write on.
func (l *workLog) spare() []struct{} { return make([]struct{}, max(0, minDays-len(l.days))) }

// printLogs prints the work logs of a month in a village: somebody's, or everybody's one
// after the other.
func (w *Site) printLogs(p *page) (reply, error) {
	p.onPapers()
	code, m, err := p.someMonth()
	if err != nil {
		return reply{}, err
	}
	q := p.r.URL.Query()
	author := w.searches.words(q.Get("s"))
	if q.Get("s") != "" && author == "" {
		return reply{}, errAsked // a number of an earlier run: not to be taken for everybody
	}
	logs, err := w.logs(code, m)
	if err != nil {
		return reply{}, err
	}
	var people [][]dayLog
	for _, one := range logs {
		if author != "" && one.author != author {
			continue
		}
		if n := len(people); n == 0 || people[n-1][0].author != one.author {
			people = append(people, nil)
		}
		people[len(people)-1] = append(people[len(people)-1], one)
	}
	if len(people) == 0 {
		people = [][]dayLog{nil} // to be written by hand
	}
	j := &job[*workLog]{title: p.T("print.log"), how: p.T("print.log.how", len(people)), back: pageLink{"/print", p.T("print.back")}}
	each(j, people, func(list []dayLog) (*workLog, error) { return w.workLog(p, code, m, author, list), nil })
	return w.papers(p, j.title, logsPage(p, j))
}

func (w *Site) workLog(p *page, code record.Village, m month, author string, list []dayLog) *workLog {
	l := &workLog{paper: paper{what: p.T("print.log"), village: p.place(code), period: p.monthName(m)}, author: author}
	f := w.forms.Form(logType)
	for i := range list {
		r := &list[i].Record
		l.author = list[i].author
		l.use(r)
		say := func(name string) string { return l.onPaper(p, f, r, name) }
		one := workDay{aspects: say("aspects"), activities: say("activities"), content: say("content"), help: say("help_needed"), day: say("log_date")}
		if t, err := time.Parse(time.DateOnly, list[i].date); err == nil {
			one.weekday = p.T("weekday." + t.Format("Mon"))
		}
		l.days = append(l.days, one)
	}
	return l
}

// monthName shows a month with its year.
func (p *page) monthName(m month) string {
	t := m.first()
	return p.T("print.month", t.Year(), int(t.Month()), t.Format("January"))
}

// someMonth is the village and the month that an address names; this month where it
// names none.
func (p *page) someMonth() (record.Village, month, error) {
	code, err := p.someVillage()
	if err != nil {
		return "", "", err
	}
	asked := p.r.URL.Query().Get("month")
	if asked == "" {
		asked = p.today
	}
	m, ok := monthOf(asked)
	if !ok {
		return "", "", errAsked
	}
	return code, m, nil
}

// writers are those whose logs may be asked for by name: who is at this laptop, and who
// is or was of the team.
func (w *Site) writers(p *page) ([]string, error) {
	names := slices.Clone(p.device.Assigned.Profiles)
	err := w.store.Each("", teamType, func(r store.Record) bool {
		if name, ok := r.View.Fields["person_name"].Text(); ok && !r.View.Void {
			names = append(names, name)
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names), err
}
