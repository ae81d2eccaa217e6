package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// dispute is one register that waits for a decision.
type dispute struct {
	key    record.Key
	fd     *form.Field // nil for the system's own registers
	path   record.Path
	title  string // of the record
	label  string // of the field
	claims []claim
	only   string // who decides, where this person does not
	seen   string
	place  place
	// question is what the office asks about it; nil where it does not.
	question *question
	// both is what all say together, where that can be had; words how it reads.
	both      record.Value
	bothWords string
	// other is the control for a value that nobody gave; nil where there is none.
	other *control
	// unread says why the value typed last could not be read, words what was to go
	// with the answer.
	unread, words string
	clears        bool // it may be decided that nothing is to stand
	first         bool // where the keyboard is
	sought        bool // a household was looked for
}

// question is what the office asks, as pages show it.
type question struct {
	author, when, words string
	moved               bool
}

// place is where in a list of disputes a page is.
type place struct {
	from int    // counted from 0
	show string // asked, mine, theirs; "" all
	typ  record.Type
	at   int // the dispute that the keyboard is at, of those on the page
}

// query tells the place in an address.
func (l place) query(more ...string) string {
	q := url.Values{}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if l.from > 0 {
		q.Set("from", strconv.Itoa(l.from))
	}
	if l.show != "" {
		q.Set("show", l.show)
	}
	if l.typ != "" {
		q.Set("kind", string(l.typ))
	}
	if l.at > 0 {
		q.Set("at", strconv.Itoa(l.at))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// placeOf reads where a list was left.
func placeOf(get func(string) string) place {
	natural := func(name string) int {
		n, err := strconv.Atoi(get(name))
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	return place{from: natural("from"), show: get("show"), typ: record.Type(get("kind")), at: natural("at")}
}

// retry is a decision that was asked for and not taken: what was typed, and
// what stands in its way.
type retry struct {
	at     string // the dispute's anchor
	typed  []string
	said   string // the words that were to go with it
	words  string // what was typed, as people read it
	unread string
	moved  string // why the dispute is no longer what was shown
	sought bool   // a household was looked for, and nothing is decided yet
	done   bool   // the page shows it again
}

// seenRegister names what a page shows of one dispute: what else changed in the
// record does not matter to it.
func seenRegister(s merge.State, path record.Path) string {
	if path.System() {
		return seenOf(s)
	}
	part := merge.State{}
	p := path.Standing()
	for _, p := range []record.Path{p, p.Proposal(), p.Asking(), p.Asking().Proposal()} {
		if r, there := s[p]; there {
			part[p] = r
		}
	}
	return seenOf(part)
}

// anchor is the dispute's place on the page.
func (d *dispute) anchor() string { return anchorOf(d.key.ID, d.path) }

func anchorOf(id record.ID, path record.Path) string {
	return "d-" + id.String() + "-" + strings.NewReplacer("/", "-", "~", "").Replace(string(path))
}

// home is the page of the record that the dispute is about.
func (d *dispute) home() string { return (&recordLine{key: d.key}).href() }

// waiting gives what waits for this person's decision, what the office asks about
// first, and what for others'. What others have only to confirm, and nobody
// contradicts, is told on the record.
func (w *Site) waiting(p *page) (mine, others []wait, err error) {
	snap, err := p.snapshot()
	if err != nil {
		return nil, nil, err
	}
	list := snap.waits
	if snap.unread {
		if err := w.store.Reviews(func(r store.Record) bool {
			list = append(list, waitsOf(w.forms.Form(r.Key.Type), &r)...)
			return true
		}); err != nil {
			return nil, nil, err
		}
	}
	for _, o := range list {
		if p.mayOnlyPropose(w.forms.Form(o.key.Type), authored(o.authors), o.path) == "" {
			mine = append(mine, o)
		} else if !o.lone {
			others = append(others, o)
		}
	}
	slices.SortStableFunc(mine, func(a, b wait) int { return boolInt(b.asked) - boolInt(a.asked) })
	return mine, others, nil
}

// authored is a record of which no more is known than who created it.
func authored(names []string) merge.State {
	var r merge.Register
	for _, name := range names {
		r.Siblings = append(r.Siblings, merge.Sibling{Author: name})
	}
	return merge.State{record.Source: r}
}

// disputes gives the decisions that wait, as the page shows them. What was
// decided meanwhile is left out.
func (w *Site) disputes(p *page, waits []wait) ([]*dispute, error) {
	var out []*dispute
	for _, o := range waits {
		r, err := w.store.Get(o.key.Type, o.key.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(r.View.Conflicts[o.path])+len(r.View.Proposals[o.path]) > 0 {
			d, err := w.dispute(p, &r, o.path)
			if err != nil {
				return nil, err
			}
			out = append(out, d)
		}
	}
	return out, nil
}

func (w *Site) dispute(p *page, r *store.Record, path record.Path) (*dispute, error) {
	f := w.forms.Form(r.Key.Type)
	d := &dispute{key: r.Key, fd: f.PathField(path), path: path, title: w.titleOf(p, r), label: p.pathLabel(f, path), seen: seenRegister(r.State, path)}
	d.only = p.mayOnlyPropose(f, r.State, path)
	d.clears = d.fd != nil && !d.fd.Required
	if q := r.View.Questions[path]; q != nil && q.State == merge.Asked {
		d.question = &question{q.Author, p.toldAt(q.At.Milli()), q.Words, q.Moved}
	}
	told, err := w.teller(p, r, path)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.View.Conflicts[path]) > 0:
		d.claims = told.claims(f, r.View.Conflicts[path], false)
		// The last one written is what the pages show meanwhile.
		d.claims[len(d.claims)-1].shown = path != record.Life
	case len(r.State[path].Siblings) > 0:
		// What stands is one side of a proposal's question.
		standing := r.State[path].Siblings
		d.claims = told.claims(f, standing[len(standing)-1:], false)
		d.claims[0].shown = true
	}
	d.claims = append(d.claims, told.claims(f, r.View.Proposals[path], true)...)
	if d.fd != nil {
		highlight(d.claims)
	}
	if _, element := path.Field(); d.fd != nil && element == "" && d.only == "" {
		d.other = w.otherControl(p, d, r.Key.Village)
		if d.both = both(d.fd, d.claims); d.both != "" {
			d.bothWords = p.shown(d.fd, d.both)
		}
	}
	return d, nil
}

// both gives what all the claims say together: the union of sets that are kept whole,
// and one text behind the other where somebody tells in own words. Of names, numbers
// and codes only one can be right; "" there.
func both(fd *form.Field, claims []claim) record.Value {
	var said []string
	n := 0
	for _, c := range claims {
		if c.raw.IsNull() {
			continue
		}
		n++
		switch one, ok := c.raw.Text(); {
		case fd.Many():
			said = append(said, c.raw.Texts()...)
		case ok && fd.Shape() == prose && !slices.Contains(said, one):
			said = append(said, one)
		default:
			return ""
		}
	}
	switch {
	case n < 2:
		return ""
	case !fd.Many():
		all, err := fd.Canon(text(strings.Join(said, "\n")))
		if err != nil {
			return ""
		}
		return all
	}
	all := record.Set(said)
	// One that has all the others in it is taken by itself.
	if slices.ContainsFunc(claims, func(c claim) bool { return c.raw == all }) {
		return ""
	}
	return all
}

// otherControl asks for a value that nobody gave.
func (w *Site) otherControl(p *page, d *dispute, v record.Village) *control {
	fd := d.fd
	c := &control{fd: fd, id: d.anchor() + "-other", name: "value", shape: fd.Shape(), label: d.label, asked: true}
	switch {
	case len(fd.Choices) > 0:
		c.options = choicesOf(fd, nil, p.lang)
	case fd.Kind == form.RefOne || fd.Kind == form.RefMultiple:
		var err error
		if c.options, c.more, err = w.targets(p, fd, v, nil); err != nil {
			return nil
		}
		c.village, c.filter = v, c.more
	}
	return c
}

// maxDisputes is how many decisions one page asks for.
const maxDisputes = 20

// conflictsView is a page of what waits.
type conflictsView struct {
	disputes []*dispute
	place    place
	to, all  int // the end of the page's part of the list, and how long that is
	tabs     []pick
	types    []pick
	again    retry
	last     *decided   // what was decided last, and can be taken back
	recent   []*decided // the ones before
	back     string     // what became of the wish to take one back
}

// pick is one way to narrow the list.
type pick struct {
	label, href string
	count       int
	on          bool
}

func (w *Site) conflicts(p *page) (reply, error) {
	return w.showConflicts(p, http.StatusOK, retry{})
}

func (w *Site) showConflicts(p *page, status int, again retry) (reply, error) {
	p.title, p.at = p.T("nav.conflicts"), "conflicts"
	mine, others, err := w.waiting(p)
	if err != nil {
		return reply{}, err
	}
	v := &conflictsView{place: placeOf(p.r.FormValue), again: again}
	list := v.narrow(p, mine, others)
	if v.all = len(list); v.place.from >= v.all {
		v.place.from = max(0, v.all-1) / maxDisputes * maxDisputes
	}
	v.to = min(v.place.from+maxDisputes, v.all)
	if v.disputes, err = w.disputes(p, list[v.place.from:v.to]); err != nil {
		return reply{}, err
	}
	for i, d := range v.disputes {
		d.place = v.place
		d.place.at = i
		if d.anchor() == again.at && d.other != nil {
			d.unread, d.words, d.sought, v.again.done = again.unread, again.said, again.sought, true
			d.other.looks = houseWords(p, d.fd.Name)
			d.other.fill(again.typed)
		}
	}
	v.focus()
	if v.last, v.recent, err = w.takeable(p); err != nil {
		return reply{}, err
	}
	if b := p.r.URL.Query().Get("back"); p.r.Method == http.MethodGet && slices.Contains(backs, b) {
		v.back = p.T("back." + b)
	}
	return reply{status: status, body: conflictsPage(p, v)}, nil
}

// focus puts the keyboard on the dispute that was asked again, or on the one that has
// taken the place of what was decided.
func (v *conflictsView) focus() {
	var at *dispute
	for i, d := range v.disputes {
		if d.only != "" {
			continue
		}
		if v.again.at != "" && d.anchor() == v.again.at {
			at = d
			break
		}
		if at == nil || i <= v.place.at {
			at = d
		}
	}
	if at != nil {
		at.first = true
	}
}

// The parts of what waits.
const (
	showAsked  = "asked"
	showMine   = "mine"
	showTheirs = "theirs"
)

// narrow gives the part of the list that is asked for, and the ways to others.
func (v *conflictsView) narrow(p *page, mine, others []wait) []wait {
	asked := slices.DeleteFunc(slices.Clone(mine), func(o wait) bool { return !o.asked })
	parts := []struct {
		show string
		list []wait
	}{{"", slices.Concat(mine, others)}, {showAsked, asked}, {showMine, mine}, {showTheirs, others}}
	list := parts[0].list
	if !slices.ContainsFunc(parts, func(x struct {
		show string
		list []wait
	}) bool {
		return x.show == v.place.show
	}) {
		v.place.show = ""
	}
	for _, x := range parts {
		on := x.show == v.place.show
		if on {
			list = x.list
		}
		if on || len(x.list) > 0 {
			v.tabs = append(v.tabs, pick{p.T("pick." + cmp.Or(x.show, "all")), "/conflicts" + place{show: x.show}.query(), len(x.list), on})
		}
	}
	count := map[record.Type]int{}
	for _, o := range list {
		count[o.key.Type]++
	}
	if len(count) < 2 && (v.place.typ == "" || count[v.place.typ] == len(list)) {
		return list
	}
	v.types = append(v.types, pick{p.T("pick.any"), "/conflicts" + place{show: v.place.show}.query(), len(list), v.place.typ == ""})
	for _, f := range p.site.forms.Forms() {
		if n, on := count[f.Type], f.Type == v.place.typ; n > 0 || on {
			v.types = append(v.types, pick{f.Title.In(p.lang), "/conflicts" + place{show: v.place.show, typ: f.Type}.query(), n, on})
		}
	}
	if v.place.typ == "" || p.site.forms.Form(v.place.typ) == nil {
		v.place.typ = ""
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(o wait) bool { return o.key.Type != v.place.typ })
}

// decide settles a dispute as the page asks, if it is still what the page
// showed.
func (w *Site) decide(p *page) (reply, error) {
	body := p.r.PostForm
	id, err := record.ParseID(body.Get("id"))
	path := record.Path(body.Get("path"))
	if err != nil {
		return reply{}, errAsked
	}
	r, err := w.store.Get(record.Type(body.Get("type")), id)
	if err != nil {
		return reply{}, err
	}
	f := w.forms.Form(r.Key.Type)
	typed := slices.DeleteFunc(slices.Clone(body["value"]), func(t string) bool { return strings.TrimSpace(t) == "" })
	again := retry{at: anchorOf(r.Key.ID, path), typed: typed, said: body.Get("words")}
	if body.Get("_seen") != seenRegister(r.State, path) {
		again.moved = p.movedOn(&r, path)
		if fd := f.PathField(path); fd != nil && len(typed) > 0 {
			again.words = w.typedWords(p, &entry{form: f, view: r.View}, fd, typed)
			again.unread = again.moved
		}
		return w.showConflicts(p, http.StatusConflict, again)
	}
	if seeks(p) {
		again.sought = true
		return w.showConflicts(p, http.StatusOK, again)
	}
	d := store.Decision{Record: id, Path: path, Author: p.author, Shown: r.State, Words: body.Get("words")}
	fd := f.PathField(path)
	switch {
	case body.Get("take") != "":
		if d.Take, err = record.ParseDot(body.Get("take")); err != nil {
			return reply{}, errAsked
		}
	case fd == nil:
		return reply{}, errAsked
	case body.Get("both") != "":
		one, err := w.dispute(p, &r, path)
		if err != nil {
			return reply{}, err
		}
		if d.Value = one.both; d.Value == "" {
			return reply{}, errAsked
		}
	default:
		e := &entry{form: f, view: r.View}
		if body.Get("clear") != "" {
			typed = nil
		}
		d.Value, err = e.parse(fd, typed)
		var bad *form.ValueError
		switch {
		case errors.As(err, &bad):
			again.unread = bad.Reason.In(p.lang)
			return w.showConflicts(p, http.StatusUnprocessableEntity, again)
		case err != nil:
			return reply{}, err
		case d.Value.IsNull() && body.Get("clear") == "":
			again.unread = p.T("conflict.nothing")
			return w.showConflicts(p, http.StatusUnprocessableEntity, again)
		}
	}
	saved, err := w.store.Decide(p.r.Context(), d)
	if errors.Is(err, merge.ErrWords) {
		again.unread = p.T("ask.long")
		return w.showConflicts(p, http.StatusUnprocessableEntity, again)
	}
	if err == nil {
		w.settled.add(&decided{saved: saved, path: path, by: p.author})
	}
	to := placeOf(body.Get)
	return w.decided(r.Key, err, "/conflicts"+to.query("done", "1"), "/conflicts"+to.query("moved", "1"))
}

// movedOn says why a decision is not taken: what was shown is not what is there.
func (p *page) movedOn(r *store.Record, path record.Path) string {
	if len(r.View.Conflicts[path])+len(r.View.Proposals[path]) > 0 {
		return p.T("record.moved")
	}
	standing := r.State[path].Siblings
	if len(standing) == 0 || path == record.Life {
		return p.T("ask.over")
	}
	last := standing[len(standing)-1]
	return p.T("ask.settled", last.Author, p.toldAt(last.At.Milli()), p.pathValue(p.site.forms.Form(r.Key.Type), path, last.Value))
}
