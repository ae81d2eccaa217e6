package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"zhucun/server/access"
	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/record"
)

// leadersView is the table that leaders are shown: one line a village, and all
// together.
type leadersView struct {
	store.FigureTable
	rows       []store.FigureRow
	sum        figure.Figures
	next, prev string
	// open is how many villages the month is not closed in, after in how many
	// something came later.
	open, after int
	over        bool // the month is
	closable    bool
}

func figuresHref(v record.Village, month string) string {
	return address("/figures/"+escape(string(v)), "month", month)
}

func leadersHref(month string) string { return address("/leaders", "month", month) }

func (w *Site) leadersOf(p *page, patience time.Duration) (*leadersView, error) {
	month, err := p.askedMonth()
	if err != nil {
		return nil, err
	}
	tables, err := w.store.Figures(p.ctx, store.FigureQuery{Periods: []figure.Period{month}, Village: p.sight.Village, Closed: true, Patience: patience})
	if err != nil {
		return nil, err
	}
	v := &leadersView{FigureTable: tables[0], prev: later(month.Name, -1), next: later(month.Name, 1)}
	v.over = month.Whole() && month.To < p.today()
	for _, r := range v.Rows {
		if !p.sight.Reaches(r.Village) {
			continue
		}
		v.rows = append(v.rows, r)
		v.sum = v.sum.And(r.Figures)
		if r.Closed == 0 {
			v.open++
		}
		if r.After() {
			v.after++
		}
	}
	v.closable = v.over && v.open > 0 && p.may(access.CloseMonth)
	return v, nil
}

func (w *Site) leaders(p *page) (reply, error) {
	p.title, p.at = p.T("leaders.title"), leaders
	v, err := w.leadersOf(p, patience)
	if err != nil {
		return reply{}, err
	}
	return show(leadersPage(p, v))
}

// leadersFile gives the table as a workbook.
func (w *Site) leadersFile(p *page) (reply, error) {
	if p.fromElsewhere() {
		return goTo(leadersHref(""))
	}
	// A file goes on without the page that says what is still being worked out.
	v, err := w.leadersOf(p, time.Minute)
	if err != nil {
		return reply{}, err
	}
	sheet := export.Leaders{Title: p.T("leaders.of", p.month(v.Period.Name)), Note: p.leadersNote(v), Sum: p.T("sum"), Of: v.sum}
	for _, c := range leadersColumns {
		sheet.Columns = append(sheet.Columns, p.T("leaders."+c))
	}
	for _, r := range v.rows {
		sheet.Rows = append(sheet.Rows, export.LeadersRow{Village: p.village(r.Village), Last: stamp(r.Package), Figures: r.Figures})
	}
	out, err := w.newSpool(0)
	if err != nil {
		return reply{}, err
	}
	if err := sheet.Write(out); err != nil {
		return reply{}, errors.Join(err, out.Close())
	}
	return out.send("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", fmt.Sprintf("leaders-%s.xlsx", v.Period.Name))
}

// leadersColumns are the columns of the table, by what follows "leaders." in their texts.
var leadersColumns = []string{"village", "sponsor", "households", "persons", "exited", "remaining", "headcount", "coverage", "overdue", "attendance",
	"projects", "completion", "payment", "open", "late", "indicators", "precision", "target", "package"}

// leadersNote says of when the table is.
func (p *page) leadersNote(v *leadersView) string {
	note := p.cutoff(v.At)
	if v.over && v.open == 0 && len(v.rows) > 0 {
		note += " " + p.T("leaders.closed", p.when(v.rows[0].Closed), v.rows[0].Login)
	}
	return note
}

// closeMonth keeps the figures of a month for good.
func (w *Site) closeMonth(p *page) (reply, error) {
	month := p.r.PostFormValue("month")
	if _, err := figure.MonthOf(month, p.today()); err != nil {
		return reply{}, errAsked
	}
	switch _, err := w.store.CloseMonth(p.ctx, month, p.account.Login, &store.Note{Act: "close", Subject: month}); {
	case errors.Is(err, store.ErrNotOver):
		return reply{}, &fault{http.StatusBadRequest, "leaders.notover", "leaders.notover.next"}
	case errors.Is(err, store.ErrClosed):
		return reply{}, &fault{http.StatusConflict, "leaders.twice", "leaders.twice.next"}
	case err != nil:
		return reply{}, err
	}
	return goTo(leadersHref(month))
}

// figuresView is one village in a month.
type figuresView struct {
	store.FigureTable
	row        store.FigureRow
	next, prev string
	posts      []figure.Attendance // where persons may be seen
}

func (w *Site) figures(p *page) (reply, error) {
	code := record.Village(p.r.PathValue("village"))
	if known, err := p.isKnown(code); err != nil || !known {
		return reply{}, errors.Join(err, errNowhere)
	}
	p.title, p.at = p.village(code), leaders
	month, err := p.askedMonth()
	if err != nil {
		return reply{}, err
	}
	tables, err := w.store.Figures(p.ctx, store.FigureQuery{Periods: []figure.Period{month}, Village: code, Closed: true, Patience: patience})
	if err != nil {
		return reply{}, err
	}
	v := &figuresView{FigureTable: tables[0], prev: later(month.Name, -1), next: later(month.Name, 1)}
	for _, r := range v.Rows {
		if r.Village == code {
			v.row = r
		}
	}
	if p.may(access.SeeRecords) {
		village, err := w.store.VillageFigures(p.ctx, code)
		if err != nil {
			return reply{}, err
		}
		v.posts = village.Attendance(month)
	}
	return show(figuresPage(p, v))
}

// amount shows yuan, without fen where there are none.
func amount(yuan float64) string {
	fen := int64(math.Round(yuan * 100)) // ten times 0.1 come to less than 1
	sign := ""
	if fen < 0 {
		fen, sign = -fen, "-"
	}
	whole := sign + number(int(fen/100))
	if fen%100 == 0 {
		return whole
	}
	return whole + fmt.Sprintf(".%02d", fen%100)
}

// halfDays shows days, of which there are halves.
func halfDays(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }

// days1 shows days with one decimal, as required days are.
func days1(d float64) string { return strconv.FormatFloat(d, 'f', 1, 64) }

// met counts the indicators that are met.
func met(list []figure.IndicatorMade) string {
	if len(list) == 0 {
		return "—"
	}
	n := 0
	for _, i := range list {
		if i.State == figure.Met {
			n++
		}
	}
	return fmt.Sprintf("%d/%d", n, len(list))
}

// overall shows the mean of the five precisions.
func overall(f *figure.Figures) string {
	mean, ok := f.Overall()
	if !ok {
		return "—"
	}
	return percent(figure.Ratio{Part: mean, Of: 100})
}

// parts shows what a rate is made of.
func parts(r figure.Ratio) string {
	if r.Of == 0 {
		return ""
	}
	return number(int(r.Part)) + " / " + number(int(r.Of))
}

func money(p *page, r figure.Ratio) string {
	if r.Of == 0 && r.Part == 0 {
		return ""
	}
	return p.T("figures.yuan", amount(r.Part), amount(r.Of))
}

// netIncome shows yuan a head.
func netIncome(r figure.Ratio) string {
	yuan, ok := r.Each()
	if !ok {
		return "—"
	}
	return amount(float64(int64(yuan + 0.5)))
}

func yearBefore(p figure.Period) string {
	year, err := strconv.Atoi(p.Year())
	if err != nil {
		return ""
	}
	return strconv.Itoa(year - 1)
}

// leaveMark says how many people were on leave for longer than a year allows.
func leaveMark(p *page, people int) string {
	if people == 0 {
		return ""
	}
	return p.T("figures.leave.marked", number(people), figure.LeaveOfYear)
}

// indicator names an exit indicator as the code list does.
func (p *page) indicator(code string) string {
	for _, c := range p.site.forms.Choices("indicator") {
		if c.Name == code {
			return c.Label.In(p.lang)
		}
	}
	return code
}

// indicatorValue says what an indicator was judged by.
func (p *page) indicatorValue(i figure.IndicatorMade) string {
	switch {
	case i.State == figure.Pending && i.Checked:
		return p.T("figures.contradict")
	case i.State == figure.Pending:
		return p.T("figures.notrecorded")
	case i.Value == "yes" || i.Value == "no":
		return p.T("figures.checked")
	case i.Figure == "broadband" || i.Figure == "waste_service":
		return p.T("figures.byrecord")
	case i.Checked:
		return p.T("figures.checked.value", p.T("figures.of."+i.Figure, plain(i.Value)))
	}
	return p.T("figures.of."+i.Figure, plain(i.Value))
}

// plain shows a number with two decimals at most.
func plain(value string) string {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return value
	}
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
}

// stamp shows a time on paper, where today is another day soon.
func stamp(t clock.Time) string {
	if t == 0 {
		return "—"
	}
	return t.Std().In(beijing).Format(time.DateOnly)
}
