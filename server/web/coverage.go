package web

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"zhucun/server/store"
	"zhucun/shared/record"
)

// coverageMonths is how many months the table of coverage has.
const coverageMonths = 6

type coverageView struct {
	store.Coverage
	month       string
	before, now int // places of the month before and the month itself
	next, prev  string
	sum         store.CoverageRow
}

func (w *Site) coverage(p *page) (reply, error) {
	p.title, p.at = p.T("coverage.title"), coverage
	month := p.r.URL.Query().Get("month")
	if month == "" {
		month = p.now.Format("2006-01")
	}
	first, err := time.Parse("2006-01", month)
	if err != nil || first.Year() < 1900 || first.Year() > 2200 {
		return reply{}, errAsked
	}
	var months []string
	for i := range coverageMonths {
		months = append(months, first.AddDate(0, i-coverageMonths+1, 0).Format("2006-01"))
	}
	v := &coverageView{month: month, now: coverageMonths - 1, before: coverageMonths - 2}
	v.prev, v.next = first.AddDate(0, -1, 0).Format("2006-01"), first.AddDate(0, 1, 0).Format("2006-01")
	if v.Coverage, err = w.store.Coverage(p.ctx, months); err != nil {
		return reply{}, err
	}
	v.Rows = slices.DeleteFunc(v.Rows, func(r store.CoverageRow) bool { return !p.sight.Reaches(r.Village) })
	v.sum = store.CoverageRow{Covered: make([]int, coverageMonths), Visits: make([]int, coverageMonths)}
	for _, r := range v.Rows {
		v.sum.Households += r.Households
		for i := range months {
			v.sum.Covered[i] += r.Covered[i]
			v.sum.Visits[i] += r.Visits[i]
		}
	}
	return show(coveragePage(p, v))
}

// percent shows covered among households; an empty denominator is a dash. What
// is not all is never rounded up to all.
func percent(covered, households int) string {
	f, ok := store.Percent(covered, households)
	if !ok {
		return "—"
	}
	if covered < households {
		f = min(f, 99.9)
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + "%"
}

// bar is how wide the bar of a percentage is, of 100.
func bar(covered, households int) string {
	f, _ := store.Percent(covered, households)
	return strconv.Itoa(int(f))
}

// overdueRows is how many households one page lists.
const overdueRows = 100

type overdueView struct {
	store.Overdue
	village  record.Village
	sums     []overdueSum
	total    overdueSum
	rows     []store.OverdueRow
	from     int
	statuses map[string]string
}

type overdueSum struct {
	village       record.Village
	count, severe int
}

func (v *overdueView) href(village record.Village, from int) string {
	n := ""
	if from > 0 {
		n = strconv.Itoa(from)
	}
	return address("/overdue", "on", v.On, "village", string(village), "from", n)
}

func (w *Site) overdue(p *page) (reply, error) {
	p.title, p.at = p.T("overdue.title"), coverage
	q := p.r.URL.Query()
	on := q.Get("on")
	if on == "" {
		on = p.now.Format(time.DateOnly)
	}
	if _, err := time.Parse(time.DateOnly, on); err != nil {
		return reply{}, errAsked
	}
	v := &overdueView{village: p.asked("village"), statuses: map[string]string{}}
	var err error
	if v.Overdue, err = w.store.Overdue(p.ctx, on, p.sight.Village); err != nil {
		return reply{}, err
	}
	for _, f := range v.Fresh {
		if !p.sight.Reaches(f.Village) {
			continue
		}
		s := overdueSum{village: f.Village}
		for _, r := range v.Rows {
			if r.Village == f.Village {
				s.count++
				if r.Days > store.SeriousAfter {
					s.severe++
				}
			}
		}
		v.sums = append(v.sums, s)
		v.total.count += s.count
		v.total.severe += s.severe
	}
	v.rows = v.Rows
	if v.village != "" {
		v.rows = slices.DeleteFunc(slices.Clone(v.Rows), func(r store.OverdueRow) bool { return r.Village != v.village })
	}
	v.from, _ = strconv.Atoi(q.Get("from"))
	if v.from < 0 || v.from >= len(v.rows) {
		v.from = 0
	}
	for _, c := range w.forms.Choices("poverty_status") {
		v.statuses[c.Name] = c.Label.In(p.lang)
	}
	return show(overduePage(p, v))
}

// page is the part of the list that is shown.
func (v *overdueView) page() []store.OverdueRow {
	return v.rows[v.from:min(v.from+overdueRows, len(v.rows))]
}

// fresh says in one line how far the data of a village goes.
func (p *page) fresh(f store.Fresh) string {
	if f.Package == 0 {
		return p.T("fresh.none")
	}
	return p.T("fresh", p.when(f.Package))
}

// cutoff says of when a report is.
func (p *page) cutoff(at time.Time) string {
	return p.T("cutoff", at.In(beijing).Format("2006-01-02 15:04"))
}

func feed(n uint64) string { return fmt.Sprintf("#%d", n) }
