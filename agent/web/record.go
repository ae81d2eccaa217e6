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
	issues  []recordLine // that its answers gave rise to
	parts   []*listView  // that belong to it
	sames   []sameLine   // of which was said whether they are the same
	late    string       // by how much it is past its day
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
	by     string        // who wrote it, and when
	last   merge.Sibling // the same, as it is kept
	from   *pageLink     // the visit of that day
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
	// story tells how the value came about, from the visit of that day, if there was one.
	story string
	from  *pageLink
	raw   record.Value
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
		worked, offered := calculated[fd.Name]
		if offered {
			value = worked
		}
		row := row{fd: fd, path: path, label: fd.Label.In(p.lang), value: p.shown(fd, value), marks: marks[path]}
		row.empty, row.photos = value == "" || value.IsNull(), w.photos(p, fd, value)
		row.last = latest(r.State, path, value)
		if row.by = p.by(row.last); offered && fd.Kind != form.Calculate {
			row.by = p.T("by.worked")
		}
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
	if v.issues, err = w.issuesOf(p, &r); err != nil {
		return reply{}, err
	}
	if v.parts, err = w.parts(p, r.Key); err != nil {
		return reply{}, err
	}
	v.late = p.late(listingOf(f), &r)
	if v.sames, err = w.sames(p, &r); err != nil {
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
	if id, err := record.ParseID(cmp.Or(v.house(), id.String())); err == nil && f.Type != visitType {
		visits, err := w.referring(id, visitType)
		if err != nil {
			return reply{}, err
		}
		v.datedBy(p, visits)
	}
	p.title, p.at = v.title, "records"
	if f.Type == householdType {
		p.at = "find"
	}
	return show(recordPage(p, v))
}

func (w *Site) event(p *page, f *form.Form, ev merge.Event) event {
	out := event{author: ev.Author, when: p.moment(ev.At.Milli()), device: ev.Device}
	members := map[record.Path][2][]string{} // of a set: those that came to it, and those that left
	for path, value := range ev.Set {
		if path == record.Source {
			continue
		}
		if name, element := path.Field(); element != "" && f.Field(name) != nil {
			of := record.Path(name)
			if path.IsProposal() {
				of = of.Proposal()
			}
			m, which := members[of], boolInt(value != record.True)
			m[which] = append(m[which], element)
			members[of] = m
			continue
		}
		out.sets = append(out.sets, row{path: path, label: p.pathLabel(f, path), value: p.pathValue(f, path, value)})
	}
	for path, m := range members {
		name, _ := path.Field()
		fd := f.Field(name)
		came, left := "", ""
		if len(m[0]) > 0 {
			came = p.shown(fd, record.Set(m[0]))
		}
		if len(m[1]) > 0 {
			left = p.T("event.left", p.shown(fd, record.Set(m[1])))
		}
		if came != "" && left != "" {
			came += p.T("event.and")
		}
		out.sets = append(out.sets, row{path: path, label: p.pathLabel(f, path), value: came + left})
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
	case record.Left:
		return p.T("path.left")
	}
	if about, asked := path.Asked(); asked && path.IsProposal() {
		return p.T("ask.path.answer", p.pathLabel(f, about))
	} else if asked {
		return p.T("ask.path", p.pathLabel(f, about))
	}
	name, element := path.Field()
	if path.Links() {
		return p.T("path.same")
	}
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
	if _, asked := path.Asked(); asked {
		switch said := merge.Said(path, v); {
		case said.Kind == merge.SaidClosed:
			return p.T("ask.said.closed", said.Words)
		case said.Kind == merge.SaidBack:
			return p.T("ask.said.back")
		case said.Words == "":
			return p.T("ask.said.answer")
		default:
			return said.Words
		}
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
	paper   string // where it is printed
	same    bool   // nothing had changed
	visited record.Type
	joint   []*pair      // with another visit of that day
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
	b := &banner{title: v.title, way: v.way, marks: v.marks, edit: "/record/" + t + "/" + text + "/edit", paper: "/print/form/" + t + "?id=" + text, same: q.Get("same") != "", visited: r.Key.Type}
	if house := houseOf(&r); r.Key.Type == visitType && !house.IsZero() {
		visits, err := w.referring(house, visitType)
		if err != nil {
			return nil, err
		}
		b.joint = w.pairs(p, visits, r.Key.ID)
	}
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
		made, err := w.store.Issues(r.Key.ID, path)
		if err != nil {
			return nil, err
		}
		for i := range made {
			lines = append(lines, w.line(p, &made[i]))
		}
	}
	return lines, nil
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
