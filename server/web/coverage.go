package web

import (
	"fmt"
	"strconv"
	"time"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// coverageMonths is how many months the table of coverage has.
const coverageMonths = 6

// patience is how long a page works out figures of villages that have changed. Six are
// done by then; of thousands some are shown as of before, and the page says so.
const patience = 100 * time.Millisecond

type coverageView struct {
	store.FigureTable
	months     []figure.Period
	next, prev string
	rows       []coverageRow
	sum        coverageRow
}

// coverageRow is a village in each of the months, the last of which is the one asked
// for.
type coverageRow struct {
	store.Fresh
	months []figure.Figures
	known  bool
}

func (r *coverageRow) now() figure.Figures      { return r.months[len(r.months)-1] }
func (r *coverageRow) before() []figure.Figures { return r.months[:len(r.months)-1] }

func (w *Site) coverage(p *page) (reply, error) {
	p.title, p.at = p.T("coverage.title"), coverage
	month, err := p.askedMonth()
	if err != nil {
		return reply{}, err
	}
	v := &coverageView{prev: later(month.Name, -1), next: later(month.Name, 1)}
	for i := range coverageMonths - 1 {
		before, err := figure.MonthOf(later(month.Name, i-coverageMonths+1), p.today())
		if err != nil {
			return reply{}, err
		}
		v.months = append(v.months, before)
	}
	v.months = append(v.months, month)
	tables, err := w.store.Figures(p.ctx, store.FigureQuery{Periods: v.months, Village: p.sight.Village, Closed: true, Patience: patience})
	if err != nil {
		return reply{}, err
	}
	v.FigureTable = tables[len(tables)-1]
	v.sum.months = make([]figure.Figures, len(v.months))
	for i, f := range v.Fresh {
		if !p.sight.Reaches(f.Village) {
			continue
		}
		row := coverageRow{Fresh: f, known: v.Rows[i].Known}
		for m := range tables {
			row.months = append(row.months, tables[m].Rows[i].Figures)
			v.sum.months[m] = v.sum.months[m].And(row.months[m])
		}
		v.rows = append(v.rows, row)
	}
	return show(coveragePage(p, v))
}

// askedMonth reads the month from the address: this one where it names none.
func (p *page) askedMonth() (figure.Period, error) {
	name := p.r.URL.Query().Get("month")
	if name == "" {
		name = p.now.Format("2006-01")
	}
	month, err := figure.MonthOf(name, p.today())
	if err != nil || name < "1900-01" {
		return month, errAsked
	}
	return month, nil
}

func (p *page) today() string { return p.now.Format(time.DateOnly) }

// later gives the month that is some months after another, or before it.
func later(month string, months int) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return t.AddDate(0, months, 0).Format("2006-01")
}

// percent shows a rate; what has nothing to be divided by is a dash. What is not all
// is never rounded up to all, nor what is something down to nothing.
func percent(r figure.Ratio) string {
	f, ok := r.Percent()
	if !ok {
		return "—"
	}
	if r.Part < r.Of {
		f = min(f, 99.9)
	}
	if r.Part > 0 {
		f = max(f, 0.1)
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + "%"
}

// bar is how wide the bar of a rate is, of 100.
func bar(r figure.Ratio) string {
	f, _ := r.Percent()
	return strconv.Itoa(int(min(f, 100)))
}

// overdueRows is how many households one page lists.
const overdueRows = 100

// manyVillages is from how many villages on the households of all together are not
// listed: each village has to be looked through.
const manyVillages = 12

type overdueView struct {
	store.Overdue
	village  record.Village
	many     bool // a village is to be chosen first
	sums     []overdueSum
	total    overdueSum
	behind   int
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
		on = p.today()
	}
	if _, err := time.Parse(time.DateOnly, on); err != nil {
		return reply{}, errAsked
	}
	v := &overdueView{village: p.asked("village"), statuses: map[string]string{}}
	heads, err := w.store.Heads(p.ctx)
	if err != nil {
		return reply{}, err
	}
	var villages []record.Village
	for _, h := range heads {
		if p.sight.Reaches(h.Village) && (v.village == "" || v.village == h.Village) {
			villages = append(villages, h.Village)
		}
	}
	v.many = len(villages) > manyVillages
	if v.many {
		on, villages = p.today(), nil
	}
	if v.Overdue, err = w.store.Overdue(p.ctx, on, villages...); err != nil {
		return reply{}, err
	}
	if v.many {
		err = w.sumsToday(p, v)
	} else {
		v.sum(villages)
	}
	if err != nil {
		return reply{}, err
	}
	v.rows = v.Rows
	v.from, _ = strconv.Atoi(q.Get("from"))
	if v.from < 0 || v.from >= len(v.rows) {
		v.from = 0
	}
	for _, c := range w.forms.Choices("poverty_status") {
		v.statuses[c.Name] = c.Label.In(p.lang)
	}
	return show(overduePage(p, v))
}

// sum counts the households of each village that are listed.
func (v *overdueView) sum(villages []record.Village) {
	for _, code := range villages {
		s := overdueSum{village: code}
		for _, r := range v.Rows {
			if r.Village == code {
				s.count++
				if r.Days > figure.SeriousAfter {
					s.severe++
				}
			}
		}
		v.add(s)
	}
}

// sumsToday takes the counts from the figures of this month.
func (w *Site) sumsToday(p *page, v *overdueView) error {
	month, err := figure.MonthOf(p.now.Format("2006-01"), p.today())
	if err != nil {
		return err
	}
	tables, err := w.store.Figures(p.ctx, store.FigureQuery{Periods: []figure.Period{month}, Patience: patience})
	if err != nil {
		return err
	}
	v.behind = tables[0].Behind
	for _, r := range tables[0].Rows {
		if p.sight.Reaches(r.Village) {
			v.add(overdueSum{r.Village, r.Overdue, r.Serious})
		}
	}
	return nil
}

func (v *overdueView) add(s overdueSum) {
	v.sums = append(v.sums, s)
	v.total.count += s.count
	v.total.severe += s.severe
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

// freshLines is of how many villages a page says one by one how far their data goes.
const freshLines = 30

// freshAll says it of many in one line.
func (p *page) freshAll(r *store.Report) string {
	lately, before, never := 0, 0, 0
	for _, f := range r.Fresh {
		switch {
		case f.Package == 0:
			never++
		case r.At.Sub(f.Package.Std()) < silentDays*24*time.Hour:
			lately++
		default:
			before++
		}
	}
	return p.T("fresh.all", len(r.Fresh), silentDays, lately, before, never)
}

// cutoff says of when a report is.
func (p *page) cutoff(at time.Time) string {
	return p.T("cutoff", at.In(beijing).Format("2006-01-02 15:04"))
}

func feed(n uint64) string { return fmt.Sprintf("#%d", n) }
