package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/record"
)

// ledger is the list of a village's issues on paper.
type ledger struct {
	paper
	job[*ledgerLine]
	total, open, over int
	days              string // which days it is of, as asked for
}

// ledgerLine is an issue in the ledger.
type ledgerLine struct {
	no, found, source, topics, words, severity, owner, due, action, status, closed string
	over                                                                           int // days past its day, while it is open
}

// printLedger prints the issues of a village: those that are open or all, found from one
// day to another.
func (w *Site) printLedger(p *page) (reply, error) {
	p.onPapers()
	code, err := p.someVillage()
	if err != nil {
		return reply{}, err
	}
	q := p.r.URL.Query()
	all := q.Get("show") == "all"
	from, err := w.typedDay(q.Get("from"))
	if err != nil {
		return reply{}, err
	}
	to, err := w.typedDay(q.Get("to"))
	if err != nil {
		return reply{}, err
	}
	l := &ledger{paper: paper{what: p.T("print.ledger"), village: p.place(code), period: p.asOf()}}
	l.title, l.back = l.what, pageLink{"/print", p.T("print.back")}
	l.days = p.T("print.ledger.open")
	if all {
		l.days = p.T("print.ledger.all")
	}
	if from != "" {
		l.days += p.T("print.from", p.day(from))
	}
	if to != "" {
		l.days += p.T("print.to", p.day(to))
	}
	// Which they are is kept, and each is read when it is written.
	type place struct {
		key  record.Key
		due  string
		over bool
	}
	var places []place
	err = w.store.Each(code, issueType, func(r store.Record) bool {
		text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
		closed, found := text("issue_status") == "closed", text("found_date")
		if r.View.Void || closed && !all || from != "" && found < from || to != "" && found > to {
			return true
		}
		l.total++
		l.open += boolInt(!closed)
		l.over += boolInt(!closed && daysPast(text("due_date"), p.counted()) > 0)
		places = append(places, place{r.Key, text("due_date"), closed})
		return true
	})
	if err != nil {
		return reply{}, err
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(boolInt(a.over)-boolInt(b.over), byDay(a.due, b.due))
	})
	l.how = p.T("print.ledger.how", l.total)
	each(&l.job, places, func(at place) (*ledgerLine, error) { return w.ledgerLine(p, l, at.key) })
	return w.papers(p, l.title, ledgerPage(p, l))
}

func (w *Site) ledgerLine(p *page, l *ledger, k record.Key) (*ledgerLine, error) {
	r, err := w.store.Get(k.Type, k.ID)
	if err != nil {
		return nil, err
	}
	l.use(&r)
	f := w.forms.Form(issueType)
	say := func(name string) string { return l.onPaper(p, f, &r, name) }
	one := &ledgerLine{
		no: say("issue_no"), found: say("found_date"), source: say("issue_source"), topics: say("topics"), words: say("description"), severity: say("severity"),
		owner: say("owner"), due: say("due_date"), action: say("action"), status: say("issue_status"), closed: say("closed_date"),
	}
	due, _ := r.View.Fields["due_date"].Text()
	if status, _ := r.View.Fields["issue_status"].Text(); status != "closed" {
		one.over = daysPast(due, p.counted())
	}
	return one, nil
}

// daysPast counts the days since a day; 0 where it has not passed, or where nobody knows.
func daysPast(day, today string) int {
	n, _ := daysBetween(day, today)
	return max(0, n)
}

var errDay = &fault{status: http.StatusBadRequest, what: "print.unread", next: "print.unread.next"}

// typedDay reads a day as people write it; "" where none is written.
func (w *Site) typedDay(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", nil
	}
	v, err := w.forms.Form(issueType).Field("found_date").CanonText(s)
	if err != nil {
		return "", errDay
	}
	day, _ := v.Text()
	return day, nil
}
