package web

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// recordView is one record on the page.
type recordView struct {
	store.Record
	way     string // see page.wayOf
	form    *form.Form
	title   string
	rows    []row
	unknown []row // answers that this version's form does not ask
	marks   []string
	history []event
	asides  []asideLine
	write   bool
	voids   bool   // may declare it void
	seen    string // what the page shows, for a decision about it
	// banner tells what was just saved.
	banner *banner
}

// row is one field of a record.
type row struct {
	fd     *form.Field
	path   record.Path
	label  string
	value  string
	photos []photo
	empty  bool
	by     string // who wrote it, and when
	marks  []string
	// others are values that stand behind the one shown; takeable when this
	// person may take them back.
	others   []claim
	takeable bool
	// doubts are the contradicting values or proposals; lone says that the value
	// shown is itself the one proposal there is.
	doubts []claim
	lone   bool
	only   string
}

// pressing tells a row about which there is more to say than its value.
func (r *row) pressing() bool { return len(r.marks)+len(r.doubts)+len(r.others) > 0 }

// claim is one value somebody gave.
type claim struct {
	dot, author, when, value string
	parts                    []part // of the value, those that differ marked
	proposal                 bool
	shown                    bool // the pages show it until somebody has decided
}

// event is one change in a record's history.
type event struct {
	author, when, device string
	sets                 []row
	aside                string // that it was set aside, and what came of it
}

// seenOf names what a page shows of a record, so that a decision about it can
// tell whether it changed.
func seenOf(s merge.State) string {
	h := fnv.New64a()
	h.Write(s.Encode())
	return fmt.Sprintf("%016x", h.Sum64())
}

// view makes the page's view of a record.
func (w *Site) view(p *page, r store.Record) *recordView {
	f := w.forms.Form(r.Key.Type)
	v := &recordView{Record: r, form: f, title: w.titleOf(p, &r), write: p.may(f), seen: seenOf(r.State), way: p.wayOf(f, &r)}
	v.voids = merge.Permit(f, f.Type, r.State, p.writer(), []record.Write{{Path: record.Life, Observed: r.State.Observed(record.Life)}}) == nil
	marks := map[record.Path][]string{}
	for _, m := range r.View.Marks(f, p.today, p.lang, w.store.Exists) {
		name, _ := m.Path.Field()
		marks[record.Path(name)] = append(marks[record.Path(name)], m.Text)
		v.marks = append(v.marks, w.markLine(p, f, name, m.Text))
	}
	calculated := f.Calculate(r.View.Fields, p.today)
	for _, fd := range f.Fields {
		path := record.Path(fd.Name)
		value := r.View.Fields[fd.Name]
		if fd.Kind == form.Calculate {
			value = calculated[fd.Name]
		}
		row := row{fd: fd, path: path, label: fd.Label.In(p.lang), value: p.shown(fd, value), marks: marks[path]}
		row.empty, row.photos = value == "" || value.IsNull(), w.photos(p, fd, value)
		row.by = p.by(latest(r.State, path, value))
		row.only = p.mayOnlyPropose(f, r.State, path)
		row.others, row.takeable = p.claims(fd, r.View.Others[path], false), row.only == "" && v.write
		// The last of the contradicting values is the one that is shown.
		if sides := r.View.Conflicts[path]; len(sides) > 0 {
			row.doubts = p.claims(fd, sides[:len(sides)-1], false)
		}
		if row.lone = lone(&r.View, path); !row.lone {
			row.doubts = append(row.doubts, p.claims(fd, r.View.Proposals[path], true)...)
		}
		v.rows = append(v.rows, row)
	}
	for name, value := range r.View.Fields {
		if f.Field(name) == nil {
			v.unknown = append(v.unknown, row{path: record.Path(name), label: name, value: p.shown(nil, value), by: p.by(latest(r.State, record.Path(name), value))})
		}
	}
	slices.SortFunc(v.unknown, func(a, b row) int { return cmp.Compare(a.path, b.path) })
	return v
}

// lone tells whether what a field shows is one proposal and nothing else: that
// need not be said beside it once more.
func lone(v *merge.View, path record.Path) bool {
	return len(v.Proposals[path]) == 1 && slices.Contains(v.Proposed, string(path))
}

// markLine is a mark with the name of its field, where its text does not say it.
func (w *Site) markLine(p *page, f *form.Form, name, text string) string {
	if fd := f.Field(name); fd != nil && !strings.HasPrefix(text, fd.Label.In(p.lang)) {
		return p.T("mark.field", fd.Label.In(p.lang), text)
	}
	return text
}

// latest gives the change by which a field has the value that is shown.
func latest(s merge.State, path record.Path, v record.Value) (found merge.Sibling) {
	for p, r := range s {
		name, element := p.Field()
		if name != string(path) {
			continue
		}
		for _, sib := range r.Siblings {
			if (sib.Value == v || element != "" && sib.Value == record.True) && sib.At >= found.At {
				found = sib
			}
		}
	}
	return found
}

// by says who wrote something and when.
func (p *page) by(s merge.Sibling) string {
	if s.Author == "" {
		return ""
	}
	return p.T("by", s.Author, p.moment(s.At.Milli()))
}

func (p *page) claims(fd *form.Field, siblings []merge.Sibling, proposal bool) []claim {
	var out []claim
	for _, s := range siblings {
		out = append(out, claim{dot: s.Dot.String(), author: s.Author, when: p.moment(s.At.Milli()), value: p.shown(fd, s.Value), proposal: proposal})
	}
	return out
}

// record shows any record, with its history.
func (w *Site) record(p *page) (reply, error) {
	f, id, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	r, err := w.store.Get(f.Type, id)
	if err != nil {
		return reply{}, err
	}
	v := w.view(p, r)
	if v.asides, err = w.asides(p, &r); err != nil {
		return reply{}, err
	}
	events, err := w.store.History(f.Type, id)
	if err != nil {
		return reply{}, err
	}
	for _, ev := range events {
		v.history = append(v.history, w.event(p, f, ev))
	}
	if v.banner, err = w.bannerOf(p); err != nil {
		return reply{}, err
	}
	p.title, p.at = v.title, "records"
	if f.Type == householdType {
		p.at = "find"
	}
	return show(recordPage(p, v))
}

func (w *Site) event(p *page, f *form.Form, ev merge.Event) event {
	out := event{author: ev.Author, when: p.moment(ev.At.Milli()), device: ev.Device}
	for path, value := range ev.Set {
		if path == record.Source {
			continue
		}
		out.sets = append(out.sets, row{path: path, label: p.pathLabel(f, path), value: p.pathValue(f, path, value)})
	}
	if ev.Erased {
		out.sets = []row{{label: p.T("event.content"), value: p.T("event.erased")}}
	}
	if a := ev.Aside; a != nil {
		switch a.Decision {
		case merge.Accepted:
			out.aside = p.T("aside.accepted", a.By, p.moment(a.At.Milli()))
		case merge.Rejected:
			out.aside = p.T("aside.rejected", a.By, p.moment(a.At.Milli()), a.Why)
		default:
			out.aside = p.T("aside.waits", store.Reason(a.Reason, p.lang))
		}
	}
	slices.SortFunc(out.sets, func(a, b row) int {
		return cmp.Or(cmp.Compare(fieldAt(f, a.path), fieldAt(f, b.path)), cmp.Compare(a.path, b.path))
	})
	return out
}

func fieldAt(f *form.Form, path record.Path) int {
	name, _ := path.Field()
	return slices.IndexFunc(f.Fields, func(fd *form.Field) bool { return fd.Name == name })
}

// pathLabel names a register: its field, the element where it is one of a set,
// and whether it holds proposals.
func (p *page) pathLabel(f *form.Form, path record.Path) string {
	switch path {
	case record.Life:
		return p.T("path.life")
	case record.Same:
		return p.T("path.same")
	}
	name, element := path.Field()
	label := name
	if fd := f.Field(name); fd != nil {
		label = fd.Label.In(p.lang)
		if element != "" {
			label = p.T("path.element", label, p.shown(fd, record.Text(element)))
		}
	}
	if path.IsProposal() {
		return p.T("path.proposal", label)
	}
	return label
}

// pathValue shows what one register holds.
func (p *page) pathValue(f *form.Form, path record.Path, v record.Value) string {
	if path == record.Life {
		if v == merge.Alive {
			return p.T("life.alive")
		}
		if merge.Erases(v) {
			return p.T("life.erased")
		}
		return p.T("life.void")
	}
	name, element := path.Field()
	switch {
	case element == "":
		return p.shown(f.Field(name), v)
	case v == record.True:
		return p.T("value.yes")
	}
	return p.T("value.no")
}

// banner is what the page after a save says first.
type banner struct {
	title   string
	way     string
	marks   []string
	edit    string // where to mend what the marks say
	same    bool   // nothing had changed
	visited record.Type
	issues  []recordLine // that the answers gave rise to
}

func (w *Site) bannerOf(p *page) (*banner, error) {
	q := p.r.URL.Query()
	t, text, ok := strings.Cut(q.Get("saved")+q.Get("same"), "/")
	id, err := record.ParseID(text)
	if !ok || err != nil {
		return nil, nil
	}
	r, err := w.store.Get(record.Type(t), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := w.view(p, r)
	b := &banner{title: v.title, way: v.way, marks: v.marks, edit: "/record/" + t + "/" + text + "/edit", same: q.Get("same") != "", visited: r.Key.Type}
	b.issues, err = w.issuesOf(p, &r)
	return b, err
}

// issuesOf gives the issues that a record's answers gave rise to.
func (w *Site) issuesOf(p *page, r *store.Record) (lines []recordLine, err error) {
	f := w.forms.Form(r.Key.Type)
	if f == nil {
		return nil, nil
	}
	for _, path := range f.Issues(r.View.Fields, p.today) {
		issue, err := w.store.Get(issueType, record.DerivedID(r.Key.ID, path))
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			lines = append(lines, w.line(p, &issue))
		}
	}
	return lines, nil
}

// householdView is a household with what belongs to it.
type householdView struct {
	*recordView
	due    due
	known  bool // whether due is
	people []person
	visits []visit
	total  int // of all visits
	void   int // of them
	rest   []related
	all    bool
}

type person struct {
	recordLine
	relation, born, school, work string
}

type visit struct {
	recordLine
	day, how, by, findings, needs, promised string
	photos                                  []photo
	future                                  bool // its date has not come
}

// related are the other records of a household, by type.
type related struct {
	form  *form.Form
	lines []recordLine
	write bool
}

// maxVisits is how many visits a household's page shows at first.
const maxVisits = 3

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
	if h := snap.byID[id]; h != nil {
		v.due, v.known = snap.dueOf(h, p.today), h.active && p.doubt() == ""
	}
	if v.banner, err = w.bannerOf(p); err != nil {
		return reply{}, err
	}
	for _, f := range w.forms.Forms() {
		refers := slices.ContainsFunc(f.Fields, func(fd *form.Field) bool { return fd.Refers == householdType })
		if !refers {
			continue
		}
		var found []store.Record
		if err := w.store.Referring(id, f.Type, func(r store.Record) bool { found = append(found, r); return true }); err != nil {
			return reply{}, err
		}
		switch f.Type {
		case personType:
			for _, m := range found {
				v.people = append(v.people, w.person(p, f, &m))
			}
		case visitType:
			v.visits = w.visits(p, f, found)
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
	// What somebody should look at stands first and takes the whole width.
	slices.SortStableFunc(v.rows, func(a, b row) int { return boolInt(b.pressing()) - boolInt(a.pressing()) })
	p.title, p.at = v.title, "find"
	return show(householdPage(p, v))
}

func (w *Site) person(p *page, f *form.Form, r *store.Record) person {
	text := func(name string) string {
		if v := r.View.Fields[name]; v != "" && !v.IsNull() {
			return p.shown(f.Field(name), v)
		}
		return ""
	}
	one := person{recordLine: w.line(p, r), relation: text("relation"), school: text("school"), work: text("work_place")}
	if born, ok := r.View.Fields["birth_date"].Text(); ok && len(born) == 10 {
		if days, ok := daysBetween(born, p.today); ok {
			one.born = p.T("person.age", days*100/36525)
		}
	}
	return one
}

// visits lists visits, the latest first.
func (w *Site) visits(p *page, f *form.Form, found []store.Record) []visit {
	day := func(r store.Record) string { d, _ := r.View.Fields["visit_date"].Text(); return d }
	slices.SortFunc(found, func(a, b store.Record) int {
		return cmp.Or(strings.Compare(day(b), day(a)), cmp.Compare(b.View.Created, a.View.Created))
	})
	var out []visit
	for _, r := range found {
		text := func(name string) string {
			if v := r.View.Fields[name]; v != "" && !v.IsNull() {
				return p.shown(f.Field(name), v)
			}
			return ""
		}
		var how []string
		for _, name := range []string{"visit_mode", "visit_result"} {
			if t := text(name); t != "" {
				how = append(how, t)
			}
		}
		out = append(out, visit{
			recordLine: w.line(p, &r), day: text("visit_date"), how: strings.Join(how, p.T("list.between")), by: text("visitors"),
			findings: text("findings"), photos: w.photos(p, f.Field("photos"), r.View.Fields["photos"]), needs: text("needs"), promised: text("promised"), future: p.counted() != "" && day(r) > p.today,
		})
	}
	return out
}

// act voids a record, revives it, or takes back a value that stands behind
// another; each only if the record is still what the page showed.
func (w *Site) act(p *page) (reply, error) {
	f, id, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	r, err := w.store.Get(f.Type, id)
	if err != nil {
		return reply{}, err
	}
	body := p.r.PostForm
	here := "/record/" + string(f.Type) + "/" + id.String()
	reason := strings.TrimSpace(body.Get("reason"))
	moved := here + "?moved=1"
	if reason != "" {
		moved += "&s=" + w.searches.keep(clip(reason, 500)) + "#void"
	}
	if body.Get("_seen") != seenOf(r.State) {
		return goTo(moved)
	}
	switch body.Get("do") {
	case "void":
		if reason == "" {
			return goTo(here + "?why=1#void")
		}
		_, err = w.store.Save(p.r.Context(), store.Edit{Type: f.Type, ID: id, Author: p.author, Shown: r.State, Void: reason})
	case "revive":
		_, err = w.store.Save(p.r.Context(), store.Edit{Type: f.Type, ID: id, Author: p.author, Shown: r.State, Revive: true})
	case "take":
		var dot record.Dot
		if dot, err = record.ParseDot(body.Get("dot")); err == nil {
			_, err = w.store.Decide(p.r.Context(), store.Decision{Record: id, Path: record.Path(body.Get("path")), Take: dot, Author: p.author, Shown: r.State})
		}
	case "seen":
		err = w.see(p, r.Key, body["aside"])
	default:
		return reply{}, errAsked
	}
	return w.decided(r.Key, err, here+"?done=1", moved)
}

// decided leads on after a decision, or back to where it was asked when the
// record had changed meanwhile.
func (w *Site) decided(k record.Key, err error, done, moved string) (reply, error) {
	var refusal *merge.Refusal
	switch {
	case errors.As(err, &refusal):
		return reply{}, errRole
	case errors.Is(err, merge.ErrNotLive), errors.Is(err, merge.ErrNothing):
		return goTo(moved)
	case errors.Is(err, record.ErrDot):
		return reply{}, errAsked
	case err != nil:
		return reply{}, err
	}
	w.cache.note(k)
	w.sync.Now()
	return goTo(done)
}
