package web

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// lines of a list on one page; maxCell is how many characters of an answer it shows.
const (
	pageLines = 50
	maxCell   = 60
)

// listView is a page of a list of records of one type.
type listView struct {
	form    *form.Form
	listing listing
	q       string
	terms   terms
	filters []filter
	about   []aboutLine // records that the list is about
	heads   []head
	rows    []listRow
	total   int
	from    int // the place of the first line, from 1
	sums    []sumLine
	write   bool
	before  string // the addresses of the pages before and after, if there are any
	after   string
	records int // of the type, whatever was asked for
}

// head is the heading of a column.
type head struct {
	label  string
	number bool
}

// listRow is a record in a list.
type listRow struct {
	recordLine
	cells []cell
}

// cell is one answer in a list.
type cell struct {
	text string
	late string // its day is past: how long
}

// filter is one question by which a list is narrowed down.
type filter struct {
	name, label string
	options     []option
}

// aboutLine is a record that a list is narrowed down to, and the list without that.
type aboutLine struct{ title, href, all string }

// sumLine is a sum in words.
type sumLine struct{ label, text string }

// terms are what an address asks a list for. Nothing in it is a person's word but under
// the number of a search.
type terms struct {
	query   url.Values
	words   []string
	village record.Village
	year    string
	month   string // 01
	codes   map[string]string
	refs    map[string]record.ID
	state   string // open, late or over, of a duty
}

const (
	dutyOpen = "open"
	dutyLate = "late"
	dutyOver = "over"
)

// terms reads an address, and leaves out what it does not know.
func (w *Site) terms(p *page, f *form.Form, l listing) terms {
	q := p.r.URL.Query()
	a := terms{query: url.Values{}, codes: map[string]string{}, refs: map[string]record.ID{}}
	keep := func(name, value string) string {
		if value != "" {
			a.query.Set(name, value)
		}
		return value
	}
	if words := w.searches.words(q.Get("s")); words != "" {
		keep("s", q.Get("s"))
		a.words = strings.Fields(strings.ToLower(words))
	}
	if v := q.Get("village"); slices.ContainsFunc(p.device.Assigned.Villages, func(x wire.Village) bool { return string(x.Code) == v }) {
		a.village = record.Village(keep("village", v))
	}
	if y := q.Get("year"); l.day != "" && len(y) == 4 {
		if _, err := strconv.Atoi(y); err == nil {
			a.year = keep("year", y)
		}
	}
	if n, err := strconv.Atoi(q.Get("month")); err == nil && n >= 1 && n <= 12 && a.year != "" && l.dated(f) {
		a.month = keep("month", two(n))
	}
	for _, name := range l.choices {
		if _, ok := f.Field(name).Choice(q.Get(name)); ok {
			a.codes[name] = keep(name, q.Get(name))
		}
	}
	for _, fd := range f.Fields {
		if id, err := record.ParseID(q.Get(fd.Name)); err == nil && fd.Refers != "" {
			a.refs[fd.Name] = id
			keep(fd.Name, id.String())
		}
	}
	if s := q.Get("state"); l.duty.day != "" && slices.Contains([]string{dutyOpen, dutyLate, dutyOver}, s) {
		a.state = keep("state", s)
	}
	return a
}

// with is the address of the same list with another answer to one question.
func (a *terms) with(t record.Type, name, value string) string {
	q := url.Values{}
	for k, v := range a.query {
		q[k] = v
	}
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	to := "/records/" + string(t)
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// narrow tells a list that does not have all records of its type.
func (a *terms) narrow() bool { return len(a.query) > 0 }

// dated tells whether the day of a listing is a date, and not a year.
func (l *listing) dated(f *form.Form) bool { return l.day != "" && f.Field(l.day).Kind == form.Date }

// dayOf is the day, or the year, that a record is of.
func dayOf(r *store.Record, name string) string {
	v := r.View.Fields[name]
	if n, ok := v.Number(); ok {
		return n
	}
	t, _ := v.Text()
	return t
}

// two gives a month as dates have it.
func two(n int) string { return strconv.Itoa(n + 100)[1:] }

// takes tells whether a record is one of those asked for, but for its year and month.
func (a *terms) takes(l listing, r *store.Record, today string) bool {
	for name, code := range a.codes {
		if !slices.Contains(r.View.Fields[name].Texts(), code) {
			return false
		}
	}
	for name, id := range a.refs {
		if !slices.Contains(r.View.Fields[name].Texts(), id.String()) {
			return false
		}
	}
	if a.state == "" {
		return true
	}
	open := l.open(r)
	switch day := dayOf(r, l.duty.day); a.state {
	case dutyOpen:
		return open
	case dutyLate:
		return open && day != "" && day < today
	}
	return !open
}

// open tells a record that is still to be seen to.
func (l *listing) open(r *store.Record) bool {
	state, _ := r.View.Fields[l.duty.state].Text()
	return l.duty.day != "" && !r.View.Void && !slices.Contains(l.duty.over, state)
}

// place is what puts records in the order of their list: of two the smaller comes
// first. It is made of days, numbers and the record's id alone, for addresses have it.
func (l *listing) place(r *store.Record) string {
	key := ""
	if l.duty.day != "" {
		day := dayOf(r, l.duty.day)
		if open := l.open(r); open && day != "" {
			key = "0" + day
		} else if open {
			key = "1"
		} else {
			key = "2" + backwards(day)
		}
	} else if l.day != "" {
		key = backwards(dayOf(r, l.day))
	}
	return key + "." + backwards(strconv.FormatInt(r.View.Created.Milli(), 10)) + "." + r.Key.ID.String()
}

// backwards gives a text of digits that sorts the other way round, and before nothing.
func backwards(digits string) string {
	if digits == "" {
		return "~"
	}
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return '9' - c + '0'
		}
		return c
	}, digits)
}

// placed is a record with its place.
type placed struct {
	store.Record
	place string
}

// window keeps those records of a list that one page shows, whatever there are: the
// first behind a place, or the last before one.
type window struct {
	after, before string
	kept          []placed
	earlier       int // records that stand before all that a page behind after has
	later         int // and those from before on
}

func (x *window) take(r placed) {
	switch {
	case x.after != "" && r.place <= x.after:
		x.earlier++
		return
	case x.before != "" && r.place >= x.before:
		x.later++
		return
	}
	x.kept = append(x.kept, r)
	if len(x.kept) >= 4*pageLines {
		x.cut()
	}
}

// cut sorts what is kept, and leaves out what the page has no room for.
func (x *window) cut() {
	slices.SortFunc(x.kept, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	over := len(x.kept) - pageLines
	switch {
	case over <= 0:
	case x.before != "":
		x.earlier += over
		x.kept = slices.Delete(x.kept, 0, over)
	default:
		x.later += over
		clear(x.kept[pageLines:])
		x.kept = x.kept[:pageLines]
	}
}

func (w *Site) list(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	if f.Type == noticeType {
		return goTo("/notices")
	}
	p.title, p.at = f.Title.In(p.lang), "records"
	l := listingOf(f)
	q := p.r.URL.Query()
	v := &listView{form: f, listing: l, q: w.searches.words(q.Get("s")), write: p.may(f), terms: w.terms(p, f, l)}
	x := window{after: q.Get("after"), before: q.Get("before")}
	err := w.lines(p, v, x, func(yield func(store.Record) bool) error { return w.store.Each(v.terms.village, f.Type, yield) })
	if err != nil {
		return reply{}, err
	}
	return show(listPage(p, v))
}

// partTypes are the types whose records belong to one of another type and are listed on
// its page.
var partTypes = map[record.Type][]record.Type{projectType: {fundType}, inspectionType: {sampleType}, issueType: {replyType}}

// parts gives the records that belong to a record, as lists of their first page.
func (w *Site) parts(p *page, k record.Key) (out []*listView, err error) {
	for _, t := range partTypes[k.Type] {
		f := w.forms.Form(t)
		l := listingOf(f)
		v := &listView{form: f, listing: l, write: p.may(f), terms: terms{query: url.Values{}, refs: map[string]record.ID{}}}
		for _, fd := range f.Fields {
			if fd.Refers == k.Type {
				v.terms.refs[fd.Name] = k.ID
				v.terms.query.Set(fd.Name, k.ID.String())
				v.listing.columns = slices.DeleteFunc(slices.Clone(l.columns), func(name string) bool { return name == fd.Name })
			}
		}
		err := w.lines(p, v, window{}, func(yield func(store.Record) bool) error { return w.store.Referring(k.ID, t, yield) })
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// lines fills in a page of a list of the records that each gives.
func (w *Site) lines(p *page, v *listView, x window, each func(func(store.Record) bool) error) error {
	l, a := v.listing, v.terms
	years := map[string]bool{}
	totals := newTotals(v.form, l.sums)
	err := each(func(r store.Record) bool {
		v.records++
		if !a.takes(l, &r, p.counted()) || len(a.words) > 0 && !w.matches(p, v.form, &r, a.words) {
			return true
		}
		if l.day != "" {
			day := dayOf(&r, l.day)
			if len(day) >= 4 {
				years[day[:4]] = true
			}
			if a.year != "" && !strings.HasPrefix(day, a.year) || a.month != "" && !strings.HasPrefix(day, a.year+"-"+a.month) {
				return true
			}
		}
		v.total++
		totals.take(&r)
		x.take(placed{r, l.place(&r)})
		return true
	})
	if err != nil {
		return err
	}
	x.cut()
	v.from = x.earlier + 1
	for i := range x.kept {
		v.rows = append(v.rows, w.row(p, v.form, l, &x.kept[i].Record))
	}
	if n := len(x.kept); n > 0 {
		if x.earlier > 0 {
			v.before = a.with(v.form.Type, "before", x.kept[0].place)
		}
		if x.later > 0 {
			v.after = a.with(v.form.Type, "after", x.kept[n-1].place)
		}
	}
	v.sums = totals.lines(p)
	for _, name := range l.columns {
		v.heads = append(v.heads, p.head(v.form, name))
	}
	for _, name := range slices.Sorted(maps.Keys(a.refs)) {
		fd := v.form.Field(name)
		line := recordLine{key: record.Key{Type: fd.Refers, ID: a.refs[name]}}
		v.about = append(v.about, aboutLine{w.label(p, fd.Refers, a.refs[name]), line.href(), a.with(v.form.Type, name, "")})
	}
	v.filters = p.filters(v, years)
	return nil
}

// row is a record as its list shows it.
func (w *Site) row(p *page, f *form.Form, l listing, r *store.Record) listRow {
	row := listRow{recordLine: w.line(p, r)}
	for i, name := range l.columns {
		c := cell{text: clip(p.cell(f, name, r), maxCell)}
		if i == 0 && c.text == "" {
			c.text = row.title
		}
		if name == l.duty.day {
			c.late = p.late(l, r)
		}
		row.cells = append(row.cells, c)
	}
	return row
}

// late says by how much a record is past its day; "" where it is not.
func (p *page) late(l listing, r *store.Record) string {
	if p.counted() == "" || !l.open(r) {
		return ""
	}
	if days, ok := daysBetween(dayOf(r, l.duty.day), p.counted()); ok && days > 0 {
		return p.T("list.late", days)
	}
	return ""
}

// head is the heading of a column.
func (p *page) head(f *form.Form, name string) head {
	switch name {
	case colAuthors:
		return head{label: p.T("form.author")}
	case colAssured:
		return head{label: p.T("list.assured")}
	case colReceived:
		return head{p.T("list.received"), true}
	case colPaid:
		return head{p.T("list.paid"), true}
	}
	fd := f.Field(name)
	return head{fd.Label.In(p.lang), (fd.Kind == form.Decimal || fd.Kind == form.Integer || fd.Kind == form.Calculate) && !strings.Contains(name, "year")}
}

// cell is what a column says of a record.
func (p *page) cell(f *form.Form, name string, r *store.Record) string {
	switch name {
	case colAuthors:
		return strings.Join(r.View.Authors, p.T("list.between"))
	case colAssured:
		return p.assured(f, r)
	case colReceived:
		return p.money(r.Key.ID, "received")
	case colPaid:
		return p.money(r.Key.ID, "paid")
	}
	fd := f.Field(name)
	if fd.Kind == form.Calculate {
		if v := f.Calculate(r.View.Fields, p.today)[name]; v != "" && !v.IsNull() {
			return p.shown(fd, v)
		}
		return ""
	}
	return strings.ReplaceAll(p.shownOf(f, r, name), "\n", " ")
}

// money is what a project's funds of one direction come to.
func (p *page) money(project record.ID, direction string) string {
	t := newTotals(p.site.forms.Form(fundType), []sum{{field: "amount", by: "direction"}})
	if err := p.site.store.Referring(project, fundType, func(r store.Record) bool { t.take(&r); return true }); err != nil {
		return "" // the list of funds says why
	}
	if n, there := t.of[0][direction]; there {
		return n.String()
	}
	return ""
}

// assured says what an exit check found of the seven assurances, which are the fields of
// its form that are named as the codes of the list.
func (p *page) assured(f *form.Form, r *store.Record) string {
	all, yes := 0, 0
	var no, open []string
	for _, c := range p.site.forms.Choices("assurance") {
		fd := f.Field(c.Name)
		if fd == nil {
			continue
		}
		all++
		switch answer, _ := r.View.Fields[c.Name].Text(); answer {
		case "yes":
			yes++
		case "no":
			no = append(no, c.Label.In(p.lang))
		default:
			open = append(open, c.Label.In(p.lang))
		}
	}
	parts := []string{p.T("list.assured.count", yes, all)}
	if len(no) > 0 {
		parts = append(parts, p.T("list.assured.no", strings.Join(no, p.T("list.between"))))
	}
	if len(open) > 0 {
		parts = append(parts, p.T("list.assured.open", strings.Join(open, p.T("list.between"))))
	}
	return strings.Join(parts, p.T("list.dot"))
}

// filters are the questions by which a list is narrowed down. What somebody asked for is
// among the answers though no record has it.
func (p *page) filters(v *listView, years map[string]bool) []filter {
	l, a := v.listing, v.terms
	var out []filter
	add := func(name, label, chosen string, options ...option) {
		fl := filter{name: name, label: label, options: []option{{label: p.T("list.all"), chosen: chosen == ""}}}
		for _, o := range options {
			o.chosen = o.value == chosen
			fl.options = append(fl.options, o)
		}
		out = append(out, fl)
	}
	if p.manyVillages() {
		var options []option
		for _, x := range p.device.Assigned.Villages {
			options = append(options, option{value: string(x.Code), label: x.Name})
		}
		add("village", p.T("sync.village"), string(a.village), options...)
	}
	if l.day != "" {
		if a.year != "" {
			years[a.year] = true
		}
		var options []option
		for _, y := range slices.Backward(slices.Sorted(maps.Keys(years))) {
			options = append(options, option{value: y, label: y})
		}
		add("year", p.T("list.year"), a.year, options...)
		if l.dated(v.form) && a.year != "" {
			options = nil
			for n := 1; n <= 12; n++ {
				options = append(options, option{value: two(n), label: p.monthWord(n)})
			}
			add("month", p.T("list.month"), a.month, options...)
		}
	}
	if l.duty.day != "" {
		options := []option{{value: dutyOpen, label: p.T("list.open")}, {value: dutyLate, label: p.T("list.overdue")}, {value: dutyOver, label: p.T("list.over")}}
		if p.counted() == "" {
			options = slices.Delete(options, 1, 2)
		}
		add("state", p.T("list.state"), a.state, options...)
	}
	for _, name := range l.choices {
		fd := v.form.Field(name)
		var options []option
		for _, c := range fd.Choices {
			options = append(options, option{value: c.Name, label: c.Label.In(p.lang)})
		}
		add(name, fd.Label.In(p.lang), a.codes[name], options...)
	}
	return out
}

// hidden are the answers that the filters carry along: they have no question of their
// own.
func (v *listView) hidden() (out []option) {
	for _, name := range slices.Sorted(maps.Keys(v.terms.query)) {
		if !slices.ContainsFunc(v.filters, func(fl filter) bool { return fl.name == name }) {
			out = append(out, option{label: name, value: v.terms.query.Get(name)})
		}
	}
	return out
}

// fresh is the address of a new record, of what the list is about.
func (v *listView) fresh() string {
	q := url.Values{}
	for name, id := range v.terms.refs {
		q.Set(name, id.String())
	}
	if v.terms.village != "" {
		q.Set("village", string(v.terms.village))
	}
	to := "/record/" + string(v.form.Type) + "/new"
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// monthWord is the name of a month.
func (p *page) monthWord(n int) string { return p.T("list.month.name", n, time.Month(n).String()) }

// order says in which order the list is.
func (v *listView) order(p *page) string {
	switch {
	case v.listing.duty.day != "":
		return p.T("list.order.duty")
	case v.listing.day != "":
		return p.T("list.order.day")
	}
	return p.T("list.order.made")
}
