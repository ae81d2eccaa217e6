package web

import (
	"fmt"
	"math"
	"strconv"

	"zhucun/server/store"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// Charts are drawn by the server, as SVG: they need no script, print sharply and weigh a
// few kilobytes. Shapes and hatching tell things apart, numbers stand beside what is drawn,
// and a table of all of them beneath.

// chartMonths is how many months a chart goes over.
const chartMonths = 12

type chartsView struct {
	store.Trend
	month      figure.Period
	village    record.Village
	alone      bool // there is no other village in sight
	next, prev string
	columns    []chartColumn
	sources    []chartSource
	// most is the longest bar among the sources, in yuan.
	most    float64
	exit    []chartIndicator
	behind  int
	unknown int // villages of which nothing is worked out for the month
	of      int // villages that are in it
}

// chartColumn is a month.
type chartColumn struct {
	month    string
	known    bool // something is
	all      bool // all villages are
	coverage figure.Ratio
	one      figure.Ratio // of the village that was chosen
	issues   figure.Issues
}

func (c *chartColumn) intime() int { return c.issues.Open - c.issues.Overdue }

// chartSource is a source of funds. What was paid beyond what came in is drawn too.
type chartSource struct {
	figure.Source
	name string
}

// chartIndicator counts the villages by how an exit indicator stands.
type chartIndicator struct {
	name                string
	met, unmet, pending int
}

func (i *chartIndicator) all() int { return i.met + i.unmet + i.pending }

func chartsHref(v record.Village, month string) string {
	return address("/charts", "month", month, "village", string(v))
}

func (w *Site) charts(p *page) (reply, error) {
	p.title, p.at, p.draws = p.T("charts.title"), leaders, true
	month, err := p.askedMonth()
	if err != nil {
		return reply{}, err
	}
	v := &chartsView{month: month, village: p.asked("village"), prev: later(month.Name, -1), next: later(month.Name, 1), alone: p.sight.Village != ""}
	var months []figure.Period
	for i := range chartMonths {
		m, err := figure.MonthOf(later(month.Name, i-chartMonths+1), p.today())
		if err != nil {
			return reply{}, err
		}
		months = append(months, m)
	}
	if v.Trend, err = w.store.Trend(p.ctx, store.FigureQuery{Periods: months, Closed: true, Patience: patience}); err != nil {
		return reply{}, err
	}
	v.read(p)
	// The trend has worked out what there was time for.
	tables, err := w.store.Figures(p.ctx, store.FigureQuery{Periods: []figure.Period{month}, Village: v.village, Closed: true})
	if err != nil {
		return reply{}, err
	}
	v.readMonth(p, tables[0])
	return show(chartsPage(p, v))
}

// read takes the columns out of the trend.
func (v *chartsView) read(p *page) {
	for _, m := range v.Months {
		c := chartColumn{month: m.Name, all: true}
		for i, r := range m.Rows {
			village := v.Fresh[i].Village
			if !p.sight.Reaches(village) {
				continue
			}
			c.coverage = c.coverage.And(r.Coverage)
			if v.village == village {
				c.one = r.Coverage
			}
			if v.village != "" && v.village != village {
				continue
			}
			c.all = c.all && r.Known
			c.known = c.known || r.Known
			c.issues.Open += r.Issues.Open
			c.issues.Overdue += r.Issues.Overdue
			c.issues.Closure = c.issues.Closure.And(r.Issues.Closure)
		}
		v.behind = max(v.behind, m.Behind)
		v.columns = append(v.columns, c)
	}
}

// readMonth takes the funds and the indicators out of the figures of the month.
func (v *chartsView) readMonth(p *page, table store.FigureTable) {
	var sum figure.Figures
	at := map[string]int{}
	for _, r := range table.Rows {
		if !p.sight.Reaches(r.Village) {
			continue
		}
		v.of++
		if !r.Known {
			v.unknown++
			continue
		}
		sum = sum.And(r.Figures)
		for _, i := range r.Exit {
			n, ok := at[i.Code]
			if !ok {
				n = len(v.exit)
				at[i.Code] = n
				v.exit = append(v.exit, chartIndicator{name: p.indicator(i.Code)})
			}
			switch e := &v.exit[n]; i.State {
			case figure.Met:
				e.met++
			case figure.Unmet:
				e.unmet++
			default:
				e.pending++
			}
		}
	}
	v.sources = chartSources(p, sum)
	for _, s := range v.sources {
		v.most = max(v.most, s.Received, s.Paid)
	}
}

// chartSources names the sources in the order of their code list, and puts what is of
// no known source at the end.
func chartSources(p *page, sum figure.Figures) []chartSource {
	var list []chartSource
	rest := figure.Source{Received: sum.Projects.Payment.Of, Paid: sum.Projects.Payment.Part}
	left := map[string]figure.Source{}
	for _, s := range sum.Sources {
		left[s.Code] = s
	}
	for _, c := range p.site.forms.Choices("fund_source") {
		if s, ok := left[c.Name]; ok {
			list = append(list, chartSource{s, c.Label.In(p.lang)})
			rest.Received -= s.Received
			rest.Paid -= s.Paid
		}
	}
	if math.Abs(rest.Received) >= .005 || math.Abs(rest.Paid) >= .005 {
		list = append(list, chartSource{rest, p.T("charts.unsourced")})
	}
	return list
}

// The plane of the charts over months, in units of their viewBox.
const (
	chartWidth, chartHeight = 480, 220
	chartLeft, chartRight   = 36, 4
	chartTop, chartFoot     = 24, 38
)

// column gives the middle of a month.
func column(i int) float64 {
	step := float64(chartWidth-chartLeft-chartRight) / chartMonths
	return chartLeft + step*(float64(i)+.5)
}

// height gives where a value is, of a scale's end.
func height(value, end float64) float64 {
	return chartHeight - chartFoot - value/end*(chartHeight-chartFoot-chartTop)
}

// at writes a place or a length.
func at(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// nice gives the end of a scale of whole numbers: the least of 5, 10, 20, 50 and so on
// that has room.
func nice(most int) int {
	for ten := 1; ; ten *= 10 {
		for _, n := range []int{5, 10, 20} {
			if n*ten >= most {
				return n * ten
			}
		}
	}
}

// openEnd is the end of the scale of open issues.
func (v *chartsView) openEnd() int {
	most := 0
	for _, c := range v.columns {
		most = max(most, c.issues.Open)
	}
	return nice(most)
}

// path draws a line through the months that have a rate; where one has none it is broken.
func (v *chartsView) path(rate func(*chartColumn) figure.Ratio) string {
	d, pen := "", "M"
	for i := range v.columns {
		f, ok := v.rate(i, rate)
		if !ok {
			pen = "M"
			continue
		}
		d += fmt.Sprintf("%s%s %s", pen, at(column(i)), at(height(f, 100)))
		pen = "L"
	}
	return d
}

func (v *chartsView) rate(i int, rate func(*chartColumn) figure.Ratio) (float64, bool) {
	c := &v.columns[i]
	if !c.known {
		return 0, false
	}
	f, ok := rate(c).Percent()
	return min(f, 100), ok
}

func all(c *chartColumn) figure.Ratio { return c.coverage }
func one(c *chartColumn) figure.Ratio { return c.one }

// named gives the rate that has its numbers beside its line: of two lines that of the
// village, for which somebody has asked.
func (v *chartsView) named() func(*chartColumn) figure.Ratio {
	if v.village != "" && !v.alone {
		return one
	}
	return all
}

// whole shows a rate without decimals: beside a point there is no room for more. What is
// not all is not 100, nor what is something 0.
func whole(r figure.Ratio) string {
	f, ok := r.Percent()
	switch {
	case !ok:
		return ""
	case r.Part < r.Of:
		f = min(f, 99)
	}
	if r.Part > 0 {
		f = max(f, 1)
	}
	return strconv.Itoa(int(math.Round(f)))
}

// short shows a month under its column: the year with the first and with January.
func (v *chartsView) short(i int) (month, year string) {
	m := v.columns[i].month
	n, _ := strconv.Atoi(m[5:])
	if i == 0 || n == 1 {
		year = m[:4]
	}
	return strconv.Itoa(n), year
}

// length gives how long a bar of a value is, of a scale's end, in units of width.
func length(value, end, width float64) string {
	if end <= 0 || value <= 0 {
		return "0"
	}
	return at(max(value/end*width, 1))
}

// unpaid is what came in and has not gone out.
func (s *chartSource) unpaid() float64 { return max(0, s.Received-s.Paid) }

// wan shows yuan as they are spoken of: ten thousands from there on.
func (p *page) wan(yuan float64) string {
	if math.Abs(yuan) < 10_000 {
		return p.T("charts.yuan", amount(yuan))
	}
	if p.code() == "en" {
		return p.T("charts.yuan", amount(math.Round(yuan)))
	}
	return p.T("charts.wan", strconv.FormatFloat(yuan/10_000, 'f', 1, 64))
}

// chartOf says what the charts are of.
func (v *chartsView) chartOf(p *page) string {
	if v.village == "" {
		return p.T("charts.all")
	}
	return p.village(v.village)
}

// last is the month that was asked for.
func (v *chartsView) last() *chartColumn {
	return &v.columns[len(v.columns)-1]
}

// two tells that a village is shown beside all of them.
func (v *chartsView) two() bool { return v.village != "" && !v.alone }

// allName is what the line of everything in sight is called.
func (v *chartsView) allName(p *page) string {
	if v.alone {
		return p.village(v.village)
	}
	return p.T("charts.all")
}

// plane is the viewBox of the charts over months.
var plane = fmt.Sprintf("0 0 %d %d", chartWidth, chartHeight)

// barHalf is half the width of a column.
const barHalf = 12.0

// level gives where a number of issues is.
func (v *chartsView) level(n int) float64 { return height(float64(n), float64(v.openEnd())) }

// closure shows how many of the issues that were due in a month were closed.
func (v *chartsView) closure(i figure.Issues) string {
	if i.Closure.Of == 0 {
		return "—"
	}
	return parts(i.Closure)
}

// none says that there is nothing, or that it is not known yet.
func (v *chartsView) none(p *page, id string) string {
	if v.unknown == v.of {
		return p.T("figures.unknown")
	}
	return p.T(id)
}

// said gives the villages of an indicator in words; of one village how it stands.
func (i *chartIndicator) said(p *page) string {
	if i.all() == 1 {
		switch {
		case i.met == 1:
			return p.T("figures.met")
		case i.unmet == 1:
			return p.T("figures.unmet")
		}
		return p.T("figures.pending")
	}
	return p.T("charts.indicator.line", number(i.met), number(i.unmet), number(i.pending))
}

// part gives how long the bar of some villages is, from where it begins behind others.
func (i *chartIndicator) part(n int) string {
	return at(float64(n) / float64(i.all()) * 478)
}

func (i *chartIndicator) from(n int) string {
	return at(1 + float64(n)/float64(i.all())*478)
}

func (v *chartsView) indicatorsTitle(p *page) string {
	if v.village != "" {
		return p.T("charts.indicators.one")
	}
	return p.T("charts.indicators")
}
