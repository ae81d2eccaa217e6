package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"zhucun/server/export"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Limits of a list.
const (
	listRows = 50
	// A list that is filtered is counted up to here: beyond, counting would take
	// longer than showing it.
	listCount = 1000
	// firstFilters are the choice fields that a list offers at once; the others
	// are a click away.
	firstFilters = 3
	fewColumns   = 5
)

type kindsView struct {
	groups []kindGroup
}

type kindGroup struct {
	title string
	kinds []kind
}

type kind struct {
	form  *form.Form
	count int
}

// kinds lists the types of records with how many there are.
func (w *Site) kinds(p *page) (reply, error) {
	p.title, p.at = p.T("nav.records"), records
	v := &kindsView{}
	counts, err := w.store.TypeCounts(p.ctx)
	if p.sight.Village != "" {
		counts, err = w.store.Counts(p.ctx, p.sight.Village)
	}
	if err != nil {
		return reply{}, err
	}
	for _, f := range w.forms.Forms() {
		title := f.Group.Label.In(p.lang)
		i := slices.IndexFunc(v.groups, func(g kindGroup) bool { return g.title == title })
		if i < 0 {
			i = len(v.groups)
			v.groups = append(v.groups, kindGroup{title: title})
		}
		v.groups[i].kinds = append(v.groups[i].kinds, kind{f, counts[f.Type]})
	}
	return show(kindsPage(p, v))
}

type listView struct {
	form    *form.Form
	ask     store.Browse
	text    string
	life    string
	values  map[string]string // chosen by field
	first   []*form.Field
	more    []*form.Field
	refs    []refFilter
	columns []*form.Field
	rows    []store.Row
	count   int
	next    string
	begun   bool // not the first page
	report  store.Report
	// villages tells that the rows are of several.
	villages bool
}

// refFilter is a condition that a link brought: the records that name another.
type refFilter struct {
	field *form.Field
	value string
	label string
}

func (w *Site) list(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	p.title, p.at = f.Title.In(p.lang), records
	v := &listView{form: f, values: map[string]string{}}
	q := p.r.URL.Query()
	v.ask = store.Browse{Type: f.Type, Village: p.asked("village"), Text: q.Get("q"), Limit: listRows}
	v.text, v.life = q.Get("q"), q.Get("life")
	if v.life == "alive" || v.life == "void" {
		v.ask.Where = append(v.ask.Where, store.Condition{Field: "life", Value: v.life})
	}
	for _, fd := range p.filterFields(f) {
		value := q.Get("w." + fd.Name)
		if value == "" {
			continue
		}
		v.values[fd.Name] = value
		v.ask.Where = append(v.ask.Where, store.Condition{Field: fd.Name, Value: value})
		if fd.Refers != "" {
			v.refs = append(v.refs, refFilter{fd, value, p.named(v.ask.Village, fd.Refers, value, 1)})
		}
	}
	v.filters(p)
	v.columns = p.columnsOf(f, v.values)
	if after := q.Get("after"); after != "" {
		if err := readPlace(after, &v.ask.After); err != nil {
			return reply{}, errAsked
		}
		v.begun = true
	}
	next, err := w.fill(p, v)
	var bad *store.ConditionError
	if errors.As(err, &bad) {
		return reply{}, errAsked
	} else if err != nil {
		return reply{}, err
	}
	if next != (store.Place{}) {
		v.next = address("/records/"+string(f.Type), append(v.query(), "after", writePlace(next))...)
	}
	return show(listPage(p, v))
}

// fill reads the page of the list.
func (w *Site) fill(p *page, v *listView) (next store.Place, err error) {
	if v.rows, next, err = w.store.Browse(p.ctx, v.ask); err != nil {
		return next, err
	}
	limit := listCount
	if len(v.ask.Where) == 0 && v.ask.Text == "" {
		limit = math.MaxInt32 // an index has it
	}
	if v.count, err = w.store.Count(p.ctx, v.ask, limit); err != nil {
		return next, err
	}
	if v.report, err = w.store.Reported(p.ctx, v.ask.Village); err != nil {
		return next, err
	}
	v.villages = v.ask.Village == "" && len(p.known) > 1
	return next, p.gather(v.rows)
}

// filters sorts the choice fields: required ones first, and whatever is chosen
// at once in sight.
func (v *listView) filters(p *page) {
	for _, fd := range p.filterFields(v.form) {
		if len(fd.Choices) == 0 {
			continue
		}
		if len(v.first) < firstFilters && fd.Required || v.values[fd.Name] != "" {
			v.first = append(v.first, fd)
		} else {
			v.more = append(v.more, fd)
		}
	}
}

// columnsOf gives the columns of a type's list: title and key fields, what is
// filtered by, and while there is room the required choices.
func (p *page) columnsOf(f *form.Form, values map[string]string) []*form.Field {
	var list []*form.Field
	add := func(fd *form.Field) {
		if fd != nil && p.sight.Shows(fd) && !slices.Contains(list, fd) {
			list = append(list, fd)
		}
	}
	for _, name := range slices.Concat(f.Titles, f.Key) {
		add(f.Field(name))
	}
	for _, fd := range f.Fields {
		if values[fd.Name] != "" && len(fd.Choices) > 0 {
			add(fd)
		}
	}
	for _, fd := range f.Fields {
		if len(list) < fewColumns && fd.Required && (len(fd.Choices) > 0 || fd.Kind == form.Date) {
			add(fd)
		}
	}
	return list
}

// query gives what the list was asked for, as pairs.
func (v *listView) query() []string {
	list := []string{"village", string(v.ask.Village), "q", v.text, "life", v.life}
	for _, fd := range v.form.Fields {
		if value := v.values[fd.Name]; value != "" {
			list = append(list, "w."+fd.Name, value)
		}
	}
	return list
}

func (v *listView) href(p *page) string {
	return address("/records/"+string(v.form.Type), v.query()...)
}

// file is where the list can be fetched as a file; the search does not go
// along.
func (v *listView) file(format export.Format) string {
	list := slices.Clone(v.query())
	list[3] = ""
	return address("/export/"+string(v.form.Type), append(list, "format", string(format))...)
}

func writePlace(at store.Place) string {
	b, err := json.Marshal(at)
	if err != nil {
		panic(err) // a struct of texts
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func readPlace(s string, at *store.Place) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, at)
}

// cell shows a field in a list.
func (p *page) cell(row *store.Row, fd *form.Field) string {
	return clip(p.fieldText(row.Village, fd, row.Fields[fd.Name], 1), 42)
}

// numeric tells columns of figures.
func numeric(fd *form.Field) bool {
	return fd.Kind == form.Integer || fd.Kind == form.Decimal || fd.Kind == form.Calculate
}

// countText says how long a list is.
func (p *page) countText(v *listView) string {
	if v.count == listCount && (len(v.ask.Where) > 0 || v.ask.Text != "") {
		return p.T("list.many", number(listCount))
	}
	return p.T("list.count", number(v.count))
}

// download sends a list as a file, masked as on the pages.
func (w *Site) download(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	if p.fromElsewhere() {
		return goTo("/records/" + string(f.Type))
	}
	q := p.r.URL.Query()
	format, err := export.ParseFormat(q.Get("format"))
	if err != nil {
		return reply{}, errAsked
	}
	o := export.Order{Format: format, Lang: p.lang, Query: store.Query{Type: f.Type}}
	name := string(f.Type)
	if v := p.asked("village"); v != "" {
		o.Query.Villages, name = []record.Village{v}, name+"-"+fileName(string(v))
	}
	if life := q.Get("life"); life == "alive" || life == "void" {
		o.Query.Where = append(o.Query.Where, store.Condition{Field: "life", Value: life})
	}
	for _, fd := range p.filterFields(f) {
		if value := q.Get("w." + fd.Name); value != "" {
			if _, err := fd.CanonText(value); err != nil {
				return reply{}, errAsked
			}
			o.Query.Where = append(o.Query.Where, store.Condition{Field: fd.Name, Value: value})
		}
	}
	kind := "text/csv; charset=utf-8"
	if format == export.JSONL {
		kind = "application/jsonl"
	}
	out, err := w.newSpool(0)
	if err != nil {
		return reply{}, err
	}
	var bad *store.ConditionError
	if _, err := w.export.Write(p.ctx, out, o); errors.As(err, &bad) {
		return reply{}, errors.Join(errAsked, out.Close())
	} else if err != nil {
		return reply{}, errors.Join(err, out.Close())
	}
	return out.send(kind, fmt.Sprintf("%s-%s.%s", name, p.now.Format("20060102-1504"), format))
}

// fromElsewhere tells that a page elsewhere led here. It would have a file put on the
// disk, and could tell by its window, which a download leaves empty, that somebody is
// signed in.
func (p *page) fromElsewhere() bool {
	site := p.r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, s)
}
