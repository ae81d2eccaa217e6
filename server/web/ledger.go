package web

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// The ledger is what is to be done, by the day on which it is due: issues, tasks, projects,
// and the inspections from which issues come.

const (
	ledgerPath = "/ledger"
	// ledgerCount is up to where a state is counted: beyond, counting would take longer
	// than showing.
	ledgerCount = 1000
)

// ledgerKind is a type with what its list shows and can be narrowed by.
type ledgerKind struct {
	typ     record.Type
	title   string // the column that leads to the record
	columns []string
	filters []string // choices, and texts that many share
}

var ledgerKinds = []ledgerKind{
	{"issue", "description", []string{"owner", "severity", "issue_source"}, []string{"severity", "issue_source", "owner"}},
	{"task", "target", []string{"owner", "year"}, []string{"owner"}},
	{"project", "project_name", []string{"owner_unit", "approved", "invested"}, []string{"project_type", "owner_unit"}},
	{"inspection", "inspect_date", []string{"inspector", "inspect_mode", "on_post"}, []string{"inspect_mode"}},
}

// ledgerView is a list as somebody asked for it.
type ledgerView struct {
	kind     *ledgerKind
	form     *form.Form
	flow     *flow.Flow // nil: nothing to bring forward
	village  record.Village
	township string
	state    string // "" what is to be done, "all", or a state
	late     bool
	values   map[string]string
	query    store.FlowQuery

	filters, columns []*form.Field
	townships        []string
	states           []store.FlowCount
	open, overdue    store.FlowCount
	rows             []ledgerRow
	next             string
	partial, begun   bool
	report           store.Report
}

// ledgerRow is a line of the list.
type ledgerRow struct {
	store.Row
	state, due, late string
	tally            inspected
	money            store.FundSum
}

func (w *Site) issueLedger(p *page) (reply, error) { return w.showLedger(p, "issue") }

func (w *Site) ledger(p *page) (reply, error) {
	return w.showLedger(p, record.Type(p.r.PathValue("type")))
}

func (w *Site) showLedger(p *page, t record.Type) (reply, error) {
	v, err := p.readLedger(t, p.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	p.title, p.at = p.T("ledger"), ledgerArea
	var l store.Listing
	if v.flow != nil {
		if v.states, v.overdue, err = w.store.FlowCounts(p.ctx, v.query, p.today(), ledgerCount); err == nil {
			l, err = w.store.Flowing(p.ctx, v.query)
		}
	} else {
		q := v.query
		l, err = w.store.Browse(p.ctx, store.Browse{Type: t, Villages: q.Villages, Where: append(q.Where, store.Condition{Field: "life", Value: "alive"}), After: q.After, Limit: q.Limit})
	}
	var bad *store.ConditionError
	if errors.As(err, &bad) {
		return reply{}, errAsked
	} else if err != nil {
		return reply{}, err
	}
	v.sumUp()
	if v.report, err = w.store.Reported(p.ctx, v.village); err != nil {
		return reply{}, err
	}
	if err := p.gather(l.Rows); err != nil {
		return reply{}, err
	}
	for _, r := range l.Rows {
		line := ledgerRow{Row: r}
		if v.flow != nil {
			line.state, line.due, line.late = p.standing(v.form, v.flow, r.Fields)
		}
		switch t {
		case "inspection":
			line.tally, err = w.tally(p, r.Key, r.Fields)
		case "project":
			line.money, err = w.store.FundSum(p.ctx, r.Key)
		}
		if err != nil {
			return reply{}, err
		}
		v.rows = append(v.rows, line)
	}
	if l.Next != (store.Place{}) {
		v.next = v.href("after", writePlace(l.Next))
	}
	v.partial = l.Partial
	return show(ledgerPage(p, v))
}

// readLedger reads what the list is asked for: state, late, village, township, w.FIELD and
// after. errNowhere: there is no such list; errAsked.
func (p *page) readLedger(t record.Type, q url.Values) (*ledgerView, error) {
	i := slices.IndexFunc(ledgerKinds, func(k ledgerKind) bool { return k.typ == t })
	f := p.site.forms.Form(t)
	if i < 0 || f == nil {
		return nil, errNowhere
	}
	v := &ledgerView{kind: &ledgerKinds[i], form: f, flow: flow.Of(t), village: p.sight.Village, township: q.Get("township"), state: q.Get("state"), late: q.Get("late") != "", values: map[string]string{}}
	if code := q.Get("village"); code != "" {
		v.village = record.Village(code)
	}
	if !p.sight.Reaches(v.village) || v.flow != nil && (f.Field(v.flow.State) == nil || f.Field(v.flow.Due) == nil) {
		return nil, errNowhere
	}
	v.query = store.FlowQuery{Type: t, Limit: listRows}
	v.places(p)
	for _, name := range v.kind.filters {
		fd := f.Field(name)
		if fd == nil || !p.sight.Shows(fd) {
			continue
		}
		v.filters = append(v.filters, fd)
		if value := strings.TrimSpace(q.Get("w." + name)); value != "" {
			v.values[name] = value
			v.query.Where = append(v.query.Where, store.Condition{Field: name, Value: value})
		}
	}
	for _, name := range v.kind.columns {
		if fd := f.Field(name); fd != nil && p.sight.Shows(fd) {
			v.columns = append(v.columns, fd)
		}
	}
	if v.flow != nil {
		if err := v.among(p); err != nil {
			return nil, err
		}
	}
	if after := q.Get("after"); after != "" {
		if err := readPlace(after, &v.query.After); err != nil {
			return nil, errAsked
		}
		v.begun = true
	}
	return v, nil
}

// places narrows the query to the villages that are meant, and lists the townships.
func (v *ledgerView) places(p *page) {
	for _, known := range p.known {
		if known.Township != "" && !slices.Contains(v.townships, known.Township) {
			v.townships = append(v.townships, known.Township)
		}
		if v.township != "" && known.Township == v.township && (v.village == "" || v.village == known.Code) {
			v.query.Villages = append(v.query.Villages, known.Code)
		}
	}
	slices.Sort(v.townships)
	switch {
	case v.township != "" && len(v.query.Villages) == 0:
		v.query.Villages = []record.Village{""} // of no village
	case v.township == "" && v.village != "":
		v.query.Villages = []record.Village{v.village}
	}
}

// among narrows the query to the states that are meant.
func (v *ledgerView) among(p *page) error {
	choices := v.form.Field(v.flow.State).Choices
	switch known := slices.ContainsFunc(choices, func(c form.Choice) bool { return c.Name == v.state }); {
	case v.state == "":
		v.query.States = v.openStates()
	case v.state == "all":
	case known:
		v.query.States = []string{v.state}
	default:
		return errAsked
	}
	if v.late {
		v.query.Before = p.today()
	}
	return nil
}

// openStates are those in which something is to be done; none is one.
func (v *ledgerView) openStates() []string {
	open := []string{""}
	for _, c := range v.form.Field(v.flow.State).Choices {
		if v.flow.Open(c.Name) {
			open = append(open, c.Name)
		}
	}
	return open
}

// sumUp adds what is to be done up, and leaves states out that no record is in.
func (v *ledgerView) sumUp() {
	for _, s := range v.states {
		if v.flow.Open(s.State) {
			v.open.N, v.open.More = v.open.N+s.N, v.open.More || s.More
		}
	}
}

func (v *ledgerView) path() string { return ledgerPath + "/" + string(v.kind.typ) }

// pairs gives what the list is asked for, but for its state and page.
func (v *ledgerView) pairs() []string {
	list := []string{"village", string(v.village), "township", v.township}
	for _, fd := range v.filters {
		list = append(list, "w."+fd.Name, v.values[fd.Name])
	}
	return list
}

// narrowed is the same list of other states; with late, what of it is overdue.
func (v *ledgerView) narrowed(state string, late bool) string {
	list := append(v.pairs(), "state", state)
	if late {
		list = append(list, "late", "1")
	}
	return address(v.path(), list...)
}

func (v *ledgerView) href(more ...string) string {
	list := append(v.pairs(), "state", v.state)
	if v.late {
		list = append(list, "late", "1")
	}
	return address(v.path(), append(list, more...)...)
}

func (v *ledgerView) some() bool { return len(v.values) > 0 || v.township != "" || v.village != "" }

// file is where the list can be fetched as a file.
func (v *ledgerView) file(format export.Format) string {
	list := append(v.pairs(), "ledger", "1", "state", v.state)
	if v.late {
		list = append(list, "late", "1")
	}
	return address("/export/"+string(v.kind.typ), append(list, "format", string(format))...)
}

// order asks the export for what the list shows.
func (v *ledgerView) order(p *page) store.Query {
	q := store.Query{Type: v.kind.typ, Villages: v.query.Villages, Where: append(slices.Clone(v.query.Where), store.Condition{Field: "life", Value: "alive"}), Shows: p.sight.Shows}
	if v.flow == nil {
		return q
	}
	states := v.query.States
	if v.late {
		yesterday := p.now.AddDate(0, 0, -1).Format(time.DateOnly)
		q.Where = append(q.Where, store.Condition{Field: v.flow.Due, Value: yesterday, Than: store.AtMost})
		if v.state == "all" {
			states = v.openStates()
		} else if v.state != "" && !v.flow.Open(v.state) {
			q.Villages = []record.Village{""} // what is done is not overdue
		}
	}
	if len(states) > 0 {
		q.Where = append(q.Where, store.Condition{Field: v.flow.State, Among: states})
	}
	return q
}

// standing says in which state a record is, when it is due, and how late it is.
func (p *page) standing(f *form.Form, w *flow.Flow, fields map[string]record.Value) (state, due, late string) {
	code, _ := fields[w.State].Text()
	state = p.stateName(f, w, code)
	day, _ := fields[w.Due].Text()
	if due = p.T("ledger.nodue"); day != "" {
		due = p.day(day)
	}
	if n := daysLate(day, p.today()); n > 0 && w.Open(code) {
		late = p.T("ledger.late", strconv.Itoa(n))
	}
	return state, due, late
}

func (p *page) stateName(f *form.Form, w *flow.Flow, code string) string {
	if code == "" {
		return p.T("ledger.nostate")
	}
	if c, ok := f.Field(w.State).Choice(code); ok {
		return c.Label.In(p.lang)
	}
	return code
}

// daysLate is how many days a day is over; 0 where it is not, or is none.
func daysLate(day, today string) int {
	due, err1 := time.Parse(time.DateOnly, day)
	now, err2 := time.Parse(time.DateOnly, today)
	if err1 != nil || err2 != nil || !due.Before(now) {
		return 0
	}
	return int(now.Sub(due).Hours() / 24)
}

// counted says a number of which no more was counted.
func (p *page) counted(c store.FlowCount) string {
	if c.More {
		return p.T("ledger.more", number(c.N))
	}
	return number(c.N)
}
