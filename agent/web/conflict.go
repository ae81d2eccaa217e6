package web

import (
	"errors"
	"net/http"
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
	from   int // where the page that shows it begins
	// other is the control for a value that nobody gave; nil where there is none.
	other *control
	// unread says why the value typed last could not be read.
	unread string
	clears bool // it may be decided that nothing is to stand
}

// retry is a decision that was asked for and not taken: what was typed, and
// what stands in its way.
type retry struct {
	at     string // the dispute's anchor
	typed  []string
	words  string // what was typed, as people read it
	unread string
	moved  bool // the dispute is no longer what was shown
	done   bool // the page shows it again
}

// seenRegister names what a page shows of one dispute: what else changed in the
// record does not matter to it.
func seenRegister(s merge.State, path record.Path) string {
	if path.System() {
		return seenOf(s)
	}
	part := merge.State{}
	for _, p := range []record.Path{path.Standing(), path.Standing().Proposal()} {
		if r, there := s[p]; there {
			part[p] = r
		}
	}
	return seenOf(part)
}

// anchor is the dispute's place on the page.
func (d *dispute) anchor() string {
	return "d-" + d.key.ID.String() + "-" + strings.NewReplacer("/", "-", "~", "").Replace(string(d.path))
}

// home is the page of the record that the dispute is about.
func (d *dispute) home() string {
	if d.key.Type == householdType {
		return "/household/" + d.key.ID.String()
	}
	return "/record/" + string(d.key.Type) + "/" + d.key.ID.String()
}

// waiting gives what waits for this person's decision, and what for others'. What
// others have only to confirm, and nobody contradicts, is told on the record.
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
			out = append(out, w.dispute(p, &r, o.path))
		}
	}
	return out, nil
}

func (w *Site) dispute(p *page, r *store.Record, path record.Path) *dispute {
	f := w.forms.Form(r.Key.Type)
	d := &dispute{key: r.Key, fd: f.PathField(path), path: path, title: w.titleOf(p, r), label: p.pathLabel(f, path), seen: seenRegister(r.State, path)}
	d.only = p.mayOnlyPropose(f, r.State, path)
	d.clears = d.fd != nil && !d.fd.Required
	switch {
	case len(r.View.Conflicts[path]) > 0:
		d.claims = w.pathClaims(p, f, path, r.View.Conflicts[path], false)
		// The last one written is what the pages show meanwhile.
		d.claims[len(d.claims)-1].shown = path != record.Life
	case len(r.State[path].Siblings) > 0:
		// What stands is one side of a proposal's question.
		standing := r.State[path].Siblings
		d.claims = w.pathClaims(p, f, path, standing[len(standing)-1:], false)
		d.claims[0].shown = true
	}
	d.claims = append(d.claims, w.pathClaims(p, f, path, r.View.Proposals[path], true)...)
	if d.fd != nil {
		highlight(d.claims)
	}
	if _, element := path.Field(); d.fd != nil && element == "" && d.only == "" {
		d.other = w.otherControl(p, d, r.Key.Village)
	}
	return d
}

func (w *Site) pathClaims(p *page, f *form.Form, path record.Path, siblings []merge.Sibling, proposal bool) []claim {
	var out []claim
	for _, s := range siblings {
		out = append(out, claim{dot: s.Dot.String(), author: s.Author, when: p.moment(s.At.Milli()), value: p.pathValue(f, path, s.Value), proposal: proposal})
	}
	return out
}

// otherControl asks for a value that nobody gave.
func (w *Site) otherControl(p *page, d *dispute, v record.Village) *control {
	fd := d.fd
	c := &control{fd: fd, id: d.anchor() + "-other", name: "value", shape: shapeOf(fd), label: d.label, asked: true}
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

// span is the part of a list that a page shows: from (counted from 0) up to but
// not including to, of all.
type span struct{ from, to, all int }

func (w *Site) conflicts(p *page) (reply, error) {
	return w.showConflicts(p, http.StatusOK, retry{})
}

func (w *Site) showConflicts(p *page, status int, again retry) (reply, error) {
	p.title, p.at = p.T("nav.conflicts"), "conflicts"
	mine, others, err := w.waiting(p)
	if err != nil {
		return reply{}, err
	}
	list := slices.Concat(mine, others)
	from, err := strconv.Atoi(p.r.FormValue("from"))
	if err != nil || from < 0 || from >= len(list) {
		from = 0
	}
	ds, err := w.disputes(p, list[from:min(from+maxDisputes, len(list))])
	if err != nil {
		return reply{}, err
	}
	for _, d := range ds {
		d.from = from
		if d.anchor() == again.at && d.other != nil {
			d.unread, again.done = again.unread, true
			d.other.fill(again.typed)
		}
	}
	return reply{status: status, body: conflictsPage(p, ds, again, span{from, min(from+maxDisputes, len(list)), len(list)})}, nil
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
	typed := slices.DeleteFunc(slices.Clone(body["value"]), func(t string) bool { return strings.TrimSpace(t) == "" })
	d := dispute{key: r.Key, path: path}
	again := retry{at: d.anchor(), typed: typed}
	if body.Get("_seen") != seenRegister(r.State, path) {
		again.moved, again.unread = true, p.T("record.moved")
		f := w.forms.Form(r.Key.Type)
		if fd := f.PathField(path); fd != nil && len(typed) > 0 {
			again.words = w.typedWords(p, &entry{form: f, view: r.View}, fd, typed)
		}
		return w.showConflicts(p, http.StatusConflict, again)
	}
	var take record.Dot
	var value record.Value
	if t := body.Get("take"); t != "" {
		if take, err = record.ParseDot(t); err != nil {
			return reply{}, errAsked
		}
	} else {
		fd := w.forms.Form(r.Key.Type).PathField(path)
		if fd == nil {
			return reply{}, errAsked
		}
		e := &entry{form: w.forms.Form(r.Key.Type), view: r.View}
		if body.Get("clear") != "" {
			typed = nil
		}
		value, err = e.parse(fd, typed)
		var bad *form.ValueError
		switch {
		case errors.As(err, &bad):
			again.unread = bad.Reason.In(p.lang)
			return w.showConflicts(p, http.StatusUnprocessableEntity, again)
		case err != nil:
			return reply{}, err
		case value.IsNull() && body.Get("clear") == "":
			again.unread = p.T("conflict.nothing")
			return w.showConflicts(p, http.StatusUnprocessableEntity, again)
		}
	}
	_, err = w.store.Decide(p.r.Context(), store.Decision{Record: id, Path: path, Take: take, Value: value, Author: p.author, Shown: r.State})
	from := ""
	if n, err := strconv.Atoi(body.Get("from")); err == nil && n > 0 {
		from = "&from=" + strconv.Itoa(n)
	}
	return w.decided(r.Key, err, "/conflicts?done=1"+from, "/conflicts?moved=1"+from)
}
