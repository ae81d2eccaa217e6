package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// householdView is a household with what belongs to it.
type householdView struct {
	*recordView
	due      due
	known    bool // whether due is
	todos    []todo
	issues   []issueLine
	people   []person
	size     int // of people, without those who have left
	visits   []visit
	total    int     // of all visits
	void     int     // of them
	joint    []*pair // of visits that may be one
	incomes  *years
	measures []measure
	photos   []dated
	rest     []related
	all      bool
}

// pageLink is another page, by its words.
type pageLink struct{ href, words string }

// issueLine is an issue that a record of the household gave rise to.
type issueLine struct {
	recordLine
	words, status, due string
	late, closed       bool
}

type person struct {
	recordLine
	relation, born, health, school, work string
	age                                  int // -1 where nobody knows
	left                                 string
}

type visit struct {
	recordLine
	day, how, by, findings, needs, promised, again string
	photos                                         []photo
	future                                         bool // its date has not come
}

// years are the household's incomes, a column each, the latest last.
type years struct {
	heads []yearHead
	rows  []yearRow
	write bool
	form  *form.Form
}

type yearHead struct {
	recordLine
	year string
}

type yearRow struct {
	label  string
	values []string
	sum    bool // worked out of the others
}

// measure is one support measure.
type measure struct {
	recordLine
	year, kind, detail, amount, status, confirmed string
}

// dated is a photo with the day that it is of.
type dated struct {
	photo
	day string
}

// related are the other records of a household, by type.
type related struct {
	form  *form.Form
	lines []recordLine
	write bool
}

// How much a household's page shows at first.
const (
	maxVisits = 3
	maxYears  = 4
	maxPhotos = 12
)

func (w *Site) household(p *page) (reply, error) {
	id, err := record.ParseID(p.r.PathValue("id"))
	if err != nil {
		return reply{}, errNowhere
	}
	r, err := w.store.Get(householdType, id)
	if err != nil {
		return reply{}, err
	}
	v := &householdView{recordView: w.view(p, r), all: p.r.URL.Query().Get("visits") == "all"}
	if v.asides, err = w.asides(p, &r); err != nil {
		return reply{}, err
	}
	snap, err := p.snapshot()
	if err != nil {
		return reply{}, err
	}
	if h := snap.byID(id); h != nil {
		v.due, v.known = snap.dueOf(h, p.counted()), h.active && p.doubt() == ""
		one := &snapshot{houses: []*house{h}}
		v.todos = one.todos(p.counted())
	}
	if v.banner, err = w.bannerOf(p); err != nil {
		return reply{}, err
	}
	if err := w.belongings(p, v, id); err != nil {
		return reply{}, err
	}
	// What somebody should look at stands first and takes the whole width.
	slices.SortStableFunc(v.rows, func(a, b row) int { return boolInt(b.pressing()) - boolInt(a.pressing()) })
	p.title, p.at = v.title, "find"
	return show(householdPage(p, v))
}

// referring gives the records of a type that refer to a record.
func (w *Site) referring(id record.ID, t record.Type) (found []store.Record, err error) {
	err = w.store.Referring(id, t, func(r store.Record) bool { found = append(found, r); return true })
	return found, err
}

// belongings gathers the records that refer to the household.
func (w *Site) belongings(p *page, v *householdView, id record.ID) error {
	v.photos = w.datedPhotos(p, v.photos, &v.Record, "photos", "")
	for _, f := range w.forms.Forms() {
		if !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.Refers == householdType }) {
			continue
		}
		found, err := w.referring(id, f.Type)
		if err != nil {
			return err
		}
		issues, err := w.issueLines(p, v.title, found, p.shownOf)
		if err != nil {
			return err
		}
		v.issues = append(v.issues, issues...)
		switch f.Type {
		case personType:
			w.people(p, f, v, found)
		case visitType:
			v.visits = w.visits(p, f, found, p.shownOf)
			v.joint = w.pairs(p, found, record.ID{})
			v.datedBy(p, found)
			for i := range found {
				v.photos = w.datedPhotos(p, v.photos, &found[i], "photos", "visit_date")
			}
		case incomeType:
			v.incomes = w.years(p, f, found, maxYears, p.shownOf)
		case measureType:
			v.measures = w.measures(p, f, found, p.shownOf)
			for i := range found {
				v.photos = w.datedPhotos(p, v.photos, &found[i], "photos", "confirmed_date")
			}
		default:
			rel := related{form: f, write: p.may(f) && f.Field("household") != nil}
			slices.SortFunc(found, func(a, b store.Record) int { return cmp.Compare(b.View.Updated, a.View.Updated) })
			for _, r := range found {
				rel.lines = append(rel.lines, w.line(p, &r))
			}
			if len(rel.lines) > 0 || rel.write {
				v.rest = append(v.rest, rel)
			}
		}
	}
	v.total = len(v.visits)
	for _, one := range v.visits {
		v.void += boolInt(one.void)
	}
	if !v.all {
		v.visits = v.visits[:min(maxVisits, len(v.visits))]
	}
	slices.SortStableFunc(v.photos, func(a, b dated) int { return strings.Compare(b.day, a.day) })
	slices.SortStableFunc(v.issues, openFirst)
	return nil
}

// shownOf gives a field of a record as people read it, "" where it is empty.
func (p *page) shownOf(f *form.Form, r *store.Record, name string) string {
	if v := r.View.Fields[name]; f.Field(name) != nil && v != "" && !v.IsNull() {
		return p.shown(f.Field(name), v)
	}
	return ""
}

// sayer gives an answer of a record as people read it, "" where there is none.
type sayer func(f *form.Form, r *store.Record, name string) string

// issueLines gives the issues that records of the household with that title gave rise to.
func (w *Site) issueLines(p *page, title string, found []store.Record, say sayer) (out []issueLine, err error) {
	f := w.forms.Form(issueType)
	for i := range found {
		for _, path := range w.forms.Form(found[i].Key.Type).Issues(found[i].View.Fields, p.today) {
			made, err := w.store.Issues(found[i].Key.ID, path)
			if err != nil {
				return nil, err
			}
			for j := range made {
				r := &made[j]
				words := strings.TrimPrefix(say(f, r, "description"), title+"：")
				due, _ := r.View.Fields["due_date"].Text()
				status, _ := r.View.Fields["issue_status"].Text()
				l := issueLine{recordLine: w.line(p, r), words: words, status: say(f, r, "issue_status"), due: say(f, r, "due_date"), closed: status == "closed" || r.View.Void}
				l.late = due != "" && due < p.counted() && !l.closed
				out = append(out, l)
			}
		}
	}
	return out, nil
}

// openFirst puts the issues that are not closed first, then the ones changed last.
func openFirst(a, b issueLine) int {
	return cmp.Or(boolInt(a.closed)-boolInt(b.closed), cmp.Compare(b.updated, a.updated))
}

// people lists the household's people: the head, then the oldest first, then those
// who have left.
func (w *Site) people(p *page, f *form.Form, v *householdView, found []store.Record) {
	for i := range found {
		m := w.person(p, f, &found[i])
		v.size += boolInt(!m.void && m.left == "")
		v.people = append(v.people, m)
	}
	head := f.Field("relation")
	first := ""
	if c, ok := head.Choice("head"); ok {
		first = c.Label.In(p.lang)
	}
	slices.SortStableFunc(v.people, func(a, b person) int {
		return cmp.Or(boolInt(a.left != "" || a.void)-boolInt(b.left != "" || b.void), boolInt(b.relation == first)-boolInt(a.relation == first), cmp.Compare(b.age, a.age))
	})
}

// sizeOf counts who is of a household.
func (w *Site) sizeOf(id record.ID) (n int, err error) {
	found, err := w.referring(id, personType)
	for i := range found {
		n += boolInt(!found[i].View.Void && !hasLeft(&found[i]))
	}
	return n, err
}

// hasLeft tells somebody who is of the household no more.
func hasLeft(r *store.Record) bool {
	change, _ := r.View.Fields["change_type"].Text()
	return figure.Gone(change)
}

func (w *Site) person(p *page, f *form.Form, r *store.Record) person {
	text := func(name string) string { return p.shownOf(f, r, name) }
	one := person{recordLine: w.line(p, r), relation: text("relation"), health: text("health"), school: text("school"), work: text("work_place"), age: -1}
	if hasLeft(r) {
		one.left = text("change_type")
	}
	if days, ok := daysBetween(bornOn(f, r, p.today), p.today); ok {
		one.age = days * 100 / 36525
		one.born = p.T("person.age", one.age)
	}
	return one
}

// bornOn is somebody's date of birth: as written, or as the ID number has it.
func bornOn(f *form.Form, r *store.Record, today string) string {
	born := r.View.Fields["birth_date"]
	if born == "" || born.IsNull() {
		born = f.Calculate(r.View.Fields, today)["birth_date"]
	}
	day, _ := born.Text()
	return day
}

// visits lists visits, the latest first.
func (w *Site) visits(p *page, f *form.Form, found []store.Record, say sayer) []visit {
	day := func(r store.Record) string { d, _ := r.View.Fields["visit_date"].Text(); return d }
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b store.Record) int {
		return cmp.Or(strings.Compare(day(b), day(a)), cmp.Compare(b.View.Created, a.View.Created))
	})
	var out []visit
	for _, r := range found {
		text := func(name string) string { return say(f, &r, name) }
		var how []string
		for _, name := range []string{"visit_mode", "visit_result"} {
			if t := text(name); t != "" {
				how = append(how, t)
			}
		}
		out = append(out, visit{
			recordLine: w.line(p, &r), day: text("visit_date"), how: strings.Join(how, p.T("list.between")), by: text("visitors"),
			findings: text("findings"), photos: w.photos(p, f.Field("photos"), r.View.Fields["photos"]), needs: text("needs"), promised: text("promised"), again: text("follow_up"),
			future: p.counted() != "" && day(r) > p.today,
		})
	}
	return out
}

// years puts incomes side by side, the latest of them. A row in which all are empty is
// left out.
func (w *Site) years(p *page, f *form.Form, found []store.Record, most int, say sayer) *years {
	y := &years{form: f, write: p.may(f)}
	found = slices.DeleteFunc(found, func(r store.Record) bool { return r.View.Void })
	slices.SortStableFunc(found, func(a, b store.Record) int {
		return strings.Compare(p.shownOf(f, &a, "year"), p.shownOf(f, &b, "year"))
	})
	found = found[max(0, len(found)-most):]
	for i := range found {
		y.heads = append(y.heads, yearHead{w.line(p, &found[i]), say(f, &found[i], "year")})
	}
	for _, fd := range f.Fields {
		if fd.Name == "year" || fd.Kind != form.Decimal && fd.Kind != form.Integer && fd.Kind != form.Calculate {
			continue
		}
		one, some := yearRow{label: fd.Label.In(p.lang), sum: fd.Kind == form.Calculate}, false
		for i := range found {
			value := say(f, &found[i], fd.Name)
			if v := f.Calculate(found[i].View.Fields, p.today)[fd.Name]; fd.Kind == form.Calculate && v != "" {
				value = p.shown(fd, v)
			}
			one.values = append(one.values, value)
			some = some || value != ""
		}
		if some {
			y.rows = append(y.rows, one)
		}
	}
	return y
}

// measures lists support measures, the latest year first.
func (w *Site) measures(p *page, f *form.Form, found []store.Record, say sayer) (out []measure) {
	for i := range found {
		text := func(name string) string { return say(f, &found[i], name) }
		out = append(out, measure{
			recordLine: w.line(p, &found[i]), year: text("year"), kind: text("measure_type"), detail: text("detail"), amount: text("amount"),
			status: text("status"), confirmed: text("confirmed_date"),
		})
	}
	slices.SortStableFunc(out, func(a, b measure) int {
		return cmp.Or(boolInt(a.void)-boolInt(b.void), strings.Compare(b.year, a.year), strings.Compare(a.kind, b.kind))
	})
	return out
}

// datedPhotos adds the photos of a record that can be seen here, of the day that one of
// its fields gives; the others stand where they were added.
func (w *Site) datedPhotos(p *page, list []dated, r *store.Record, field, day string) []dated {
	f := w.forms.Form(r.Key.Type)
	at, ok := r.View.Fields[day].Text()
	if !ok {
		at = time.UnixMilli(r.View.Created.Milli()).In(beijing).Format(time.DateOnly)
	}
	if r.View.Void || f.Field(field) == nil {
		return list
	}
	for _, x := range w.photos(p, f.Field(field), r.View.Fields[field]) {
		if x.img != "" {
			list = append(list, dated{x, at})
		}
	}
	return list
}

// sameVisit is how far apart the save of a visit and of what was learnt on it lie at
// most, in ms.
const sameVisit = 12 * 3600 * 1000

// datedBy names beside each answer the visit of the household that whoever wrote it
// made on that day, or entered about then: a change does not say on which visit
// something was learnt, so no more than that is claimed.
func (v *recordView) datedBy(p *page, visits []store.Record) {
	for i := range v.rows {
		last := v.rows[i].last
		if last.Author == "" {
			continue
		}
		if best := visitOf(visits, last.Author, last.At.Milli()); best != nil {
			day, _ := best.View.Fields["visit_date"].Text()
			v.rows[i].from = &pageLink{"/record/visit/" + best.Key.ID.String(), p.T("by.visit", p.day(day))}
		}
	}
}

// visitOf gives the one of visits that somebody made on the day of a time, in ms, or
// entered about then; nil where there is none.
func visitOf(visits []store.Record, author string, at int64) (best *store.Record) {
	for i := range visits {
		x := &visits[i]
		day, _ := x.View.Fields["visit_date"].Text()
		near := abs(x.View.Created.Milli()-at) <= sameVisit || day == time.UnixMilli(at).In(beijing).Format(time.DateOnly)
		if x.View.Void || !near || !slices.Contains(x.View.Authors, author) {
			continue
		}
		if best == nil || abs(x.View.Created.Milli()-at) < abs(best.View.Created.Milli()-at) {
			best = x
		}
	}
	return best
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
