package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"zhucun/server/export"
	"zhucun/server/review"
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

// listView is a list as somebody asked for it.
type listView struct {
	form    *form.Form
	ask     store.Browse
	text    string
	life    string
	values  map[string]string    // chosen by field
	spans   map[string][2]string // from and to, by field
	chosen  []string             // columns, none for the usual ones
	first   []*form.Field
	more    []*form.Field
	refs    []refFilter
	columns []*form.Field
	store.Listing
	count  int
	exact  bool
	next   string
	begun  bool // not the first page
	report store.Report
	// villages tells that the rows are of several.
	villages bool
	saved    []store.SavedView
	said     string
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
	v, err := p.readList(f, p.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	if p.r.Method == http.MethodGet && !v.begun && p.wordy(v) {
		return goTo(v.href(p)) // what a form leaves empty is not kept in the address
	}
	return w.showList(p, v)
}

func (w *Site) showList(p *page, v *listView) (reply, error) {
	p.title, p.at = v.form.Title.In(p.lang), records
	for _, fd := range p.filterFields(v.form) {
		if value := v.values[fd.Name]; value != "" && fd.Refers != "" {
			v.refs = append(v.refs, refFilter{fd, value, p.named(v.ask.Village, fd.Refers, value, 1)})
		}
	}
	v.filters(p)
	v.columns = p.columnsOf(v.form, v.values)
	if len(v.chosen) > 0 {
		v.columns = p.chosenColumns(v.form, v.chosen)
	}
	err := w.fill(p, v)
	var bad *store.ConditionError
	if errors.As(err, &bad) {
		return reply{}, errAsked
	} else if err != nil {
		return reply{}, err
	}
	if v.Next != (store.Place{}) {
		v.next = address("/records/"+string(v.form.Type), append(v.query(), "after", writePlace(v.Next))...)
	}
	if v.saved, err = w.store.SavedViews(p.ctx, p.account.Login, v.form.Type, p.shares()); err != nil {
		return reply{}, err
	}
	return show(listPage(p, v))
}

// fill reads the page of the list.
func (w *Site) fill(p *page, v *listView) (err error) {
	if v.Listing, err = w.store.Browse(p.ctx, v.ask); err != nil {
		return err
	}
	if v.count, v.exact, err = w.store.Count(p.ctx, v.ask, listCount); err != nil {
		return err
	}
	if v.report, err = w.store.Reported(p.ctx, v.ask.Village); err != nil {
		return err
	}
	v.villages = v.ask.Village == "" && len(p.known) > 1
	return p.gather(v.Rows)
}

// filters sorts the fields that have conditions: required choices first, and whatever is
// asked for at once in sight.
func (v *listView) filters(p *page) {
	for _, fd := range p.filterFields(v.form) {
		choice := len(fd.Choices) > 0
		asked := v.values[fd.Name] != "" || v.spans[fd.Name] != [2]string{}
		switch {
		case fd.Refers != "" || !choice && !spanned(fd) && !worded(fd):
		case asked, choice && fd.Required && len(v.first) < firstFilters:
			v.first = append(v.first, fd)
		default:
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

func (v *listView) href(p *page) string {
	return address("/records/"+string(v.form.Type), v.query()...)
}

// file is where the list can be fetched as a file.
func (v *listView) file(format export.Format) string {
	return address("/export/"+string(v.form.Type), append(v.query(), "format", string(format))...)
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
	if !v.exact {
		return p.T("list.many", number(v.count))
	}
	return p.T("list.count", number(v.count))
}

// download sends a list as a file, masked as on the pages.
func (w *Site) download(p *page) (reply, error) {
	if p.fromElsewhere() {
		return goTo("/records/" + fileName(p.r.PathValue("type")))
	}
	return w.sendList(p, p.r.URL.Query(), nil)
}

// downloadInFull sends a list with its masked fields in full, once the reason is in the
// audit.
func (w *Site) downloadInFull(p *page) (reply, error) {
	q, err := url.ParseQuery(p.r.PostForm.Get("query"))
	if err != nil {
		return reply{}, errAsked
	}
	q.Set("format", p.r.PostForm.Get("format"))
	reason := strings.TrimSpace(p.r.PostForm.Get("reason"))
	if reason == "" || len([]rune(reason)) > review.MaxWhy {
		return reply{}, errAsked
	}
	return w.sendList(p, q, &export.Unmask{Who: p.account.Login, Reason: reason})
}

func (w *Site) sendList(p *page, q url.Values, unmask *export.Unmask) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	gcj := q.Get("format") == "geojson-gcj02"
	if gcj {
		q.Set("format", string(export.GeoJSON))
	}
	format, err := export.ParseFormat(q.Get("format"))
	if err != nil {
		return reply{}, errAsked
	}
	o, name, err := w.order(p, f, q)
	if err != nil {
		return reply{}, err
	}
	o.Format, o.GCJ02, o.Unmask = format, gcj, unmask
	kind := map[export.Format]string{export.CSV: "text/csv; charset=utf-8", export.JSONL: "application/jsonl", export.GeoJSON: "application/geo+json",
		export.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}[format]
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
	return out.send(kind, name+"."+string(format))
}

// order asks for what a list shows, and names the file. What is wrong with a condition is
// found before anything is noted or written.
func (w *Site) order(p *page, f *form.Form, q url.Values) (o export.Order, name string, err error) {
	name = string(f.Type)
	if q.Get("ledger") != "" {
		v, err := p.readLedger(f.Type, q)
		if err != nil {
			return o, "", err
		}
		return export.Order{Lang: p.lang, Query: v.order(p)}, name + "-" + p.now.Format("20060102-1504"), nil
	}
	v, err := p.readList(f, q)
	if err != nil {
		return o, "", err
	}
	o = export.Order{Lang: p.lang, Query: store.Query{Type: f.Type, Where: v.ask.Where, Text: v.text, Shows: v.ask.Shows}}
	if code := v.ask.Village; code != "" {
		o.Query.Villages, name = []record.Village{code}, name+"-"+fileName(string(code))
	}
	ask := v.ask
	ask.Limit, ask.After, ask.Text = 1, store.Place{}, ""
	var bad *store.ConditionError
	if _, err := w.store.Browse(p.ctx, ask); errors.As(err, &bad) {
		return o, "", errAsked
	}
	return o, name + "-" + p.now.Format("20060102-1504"), nil
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
