package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// dispute is something that waits for a decision, with all that is said of it.
type dispute struct {
	key    record.Key
	path   record.Path
	kind   string // conflict, proposal, other
	title  string // of the record
	label  string // of the field
	claims []claim
	shown  []string // the changes that were shown
	since  string
	why    string      // it waits
	place  string      // in the queue
	field  *form.Field // what another value is entered by; nil where none can be
	masked bool
	left   string // the village that the record has moved to
	// question is what the office has asked about it, who those who may answer.
	question *asked
	who      string
	// value, reason, words and unread are what was typed and could not be taken.
	value, reason, words, unread string
}

// claim is one of the values.
type claim struct {
	dot, value string
	// take is what the button says: the change whose value shall stand, or for
	// _life alive or void, as what speaks for one of them may be any change.
	take                string
	author, when, where string
	again               string // who put it back after it had been decided against
	proposal, standing  bool
	told                *merge.Told // whom a change that put it back names
}

func (d *dispute) anchor() string {
	return "d-" + string(d.key.Village) + "-" + d.key.ID.String() + "-" + strings.NewReplacer("/", "-", "_", "-").Replace(string(d.path))
}

// dispute makes what is shown of a register of a record.
func (w *Site) dispute(p *page, rec *store.Record, path record.Path, kind string) (*dispute, error) {
	row := rowOf(rec)
	d := &dispute{key: rec.Key, path: path, kind: kind, title: p.label(&row), label: p.pathName(rec.Type, path)}
	shown := rec.State.Dots() // void is said of the whole record
	if path != record.Life {
		shown = nil
		for _, c := range rec.State.Claims(path) {
			shown = append(shown, c.Dot)
		}
	}
	for _, dot := range shown {
		d.shown = append(d.shown, dot.String())
	}
	standing := rec.State[path].Siblings
	switch kind {
	case string(store.Proposal):
		for _, c := range standing {
			d.claims = append(d.claims, w.claim(p, rec, path, c, false, true))
		}
		for _, c := range rec.View.Proposals[path] {
			d.claims = append(d.claims, w.claim(p, rec, path, c, true, false))
		}
	case "other":
		for _, c := range slices.Concat(rec.View.Others[path], last(standing, rec.View.Others[path])) {
			d.claims = append(d.claims, w.claim(p, rec, path, c, false, rec.View.Fields[string(path)] == c.Value))
		}
	default:
		for _, c := range rec.View.Conflicts[path] {
			d.claims = append(d.claims, w.claim(p, rec, path, c, false, false))
		}
		for _, c := range rec.View.Proposals[path] {
			d.claims = append(d.claims, w.claim(p, rec, path, c, true, false))
		}
	}
	if f := w.forms.Form(rec.Type); f != nil {
		if _, element := path.Field(); element == "" {
			d.field = f.PathField(path)
		}
	}
	if d.field != nil {
		d.masked = d.field.Masked
		if d.field.Refers != "" || d.field.Kind == form.Image {
			d.field = nil // such are taken, not typed
		}
	}
	if rec.View.Left != "" {
		d.left = p.village(rec.View.Left)
	}
	if kind != "other" {
		d.why = p.because(rec, path, kind)
		if err := w.asking(p, rec, d); err != nil {
			return nil, err
		}
	}
	return d, p.places(rec, d)
}

// last gives the standing value beside those that the policy put behind it.
func last(standing, others []merge.Sibling) []merge.Sibling {
	for _, s := range slices.Backward(standing) {
		if !slices.ContainsFunc(others, func(o merge.Sibling) bool { return o.Value == s.Value }) {
			return []merge.Sibling{s}
		}
	}
	return nil
}

func (w *Site) claim(p *page, rec *store.Record, path record.Path, c merge.Sibling, proposal, standing bool) claim {
	cl := claim{dot: c.Dot.String(), value: p.pathText(rec.Key, path, c.Value), author: c.Author, when: p.when(c.At), proposal: proposal, standing: standing}
	if told, again := rec.State.Told(path)[c]; again {
		cl.told = &told
	}
	switch cl.take = cl.dot; {
	case path != record.Life:
	case c.Value == merge.Alive:
		cl.take = "alive"
	default:
		cl.take = "void"
	}
	return cl
}

// places adds from which device each value came, and of one that was put back who had
// written it first: whom the change names, where he did write that there.
func (p *page) places(rec *store.Record, d *dispute) error {
	writers, err := p.writersOf(rec.Village)
	if err != nil {
		return err
	}
	var history []store.Entry // of which nobody asks unless something was put back
	for i := range d.claims {
		c := &d.claims[i]
		if dot, err := record.ParseDot(c.dot); err == nil {
			c.where = p.device(writers[dot.Stream])
		}
		if c.told != nil {
			if history == nil {
				if history, err = p.site.store.History(p.ctx, rec.Village, rec.ID); err != nil {
					return err
				}
			}
			for _, e := range history {
				if wrote(e, d.path, *c.told) {
					c.author, c.when, c.again = c.told.Author, p.when(e.At), p.T("ask.back", c.author, c.when)
					break
				}
			}
		}
	}
	return nil
}

// wrote tells whether an entry is what somebody says that somebody had written.
func wrote(e store.Entry, path record.Path, told merge.Told) bool {
	return e.Change.Author == told.Author && slices.ContainsFunc(e.Change.Body, func(w record.Write) bool {
		return (w.Path == path || w.Path == path.Proposal()) && w.Value == told.Value
	})
}

// disputesOf lists what waits in a record, and what can be taken back.
func (w *Site) disputesOf(p *page, v *recordView) error {
	for _, k := range []struct {
		kind  string
		paths map[record.Path][]merge.Sibling
		into  *[]*dispute
	}{{string(store.Conflict), v.rec.View.Conflicts, &v.disputes}, {string(store.Proposal), v.rec.View.Proposals, &v.disputes}, {"other", v.rec.View.Others, &v.others}} {
		for _, path := range sortedPaths(k.paths) {
			if k.kind == string(store.Proposal) && len(v.rec.View.Conflicts[path]) > 0 {
				continue // shown with the conflict
			}
			d, err := w.dispute(p, v.rec, path, k.kind)
			if err != nil {
				return err
			}
			*k.into = append(*k.into, d)
		}
	}
	return nil
}

func sortedPaths(m map[record.Path][]merge.Sibling) []record.Path {
	var list []record.Path
	for p := range m {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

// decide settles a dispute.
func (w *Site) decide(p *page) (reply, error) {
	get := p.r.PostForm.Get
	id, err := record.ParseID(get("id"))
	if err != nil {
		return reply{}, errAsked
	}
	d := review.Decision{Village: record.Village(get("village")), Record: id, Path: record.Path(get("path")), Reason: strings.TrimSpace(get("reason")), By: p.writer()}
	if d.Shown, err = dotsOf(get("shown")); err != nil {
		return reply{}, errAsked
	}
	rec, err := w.store.Record(p.ctx, d.Village, d.Record)
	if err != nil {
		return reply{}, err
	}
	mistake := func(unread string) (reply, error) {
		m, err := w.dispute(p, rec, d.Path, get("kind"))
		if err != nil {
			return reply{}, err
		}
		if len(m.claims) == 0 {
			return w.decided(p, rec, d.Path)
		}
		m.value, m.reason, m.unread = strings.Join(p.r.PostForm["value"], ";"), d.Reason, unread
		return w.mistaken(p, m)
	}
	if d.Reason == "" {
		return mistake(p.T("conflict.noreason"))
	}
	switch take := get("take"); {
	case d.Path == record.Life:
		if take != "alive" && take != "void" {
			return reply{}, errAsked
		}
		if d.Value, err = w.review.Parse(rec.Type, d.Path, take); err != nil {
			return reply{}, err
		}
	case take != "" && take != "value":
		if d.Take, err = record.ParseDot(take); err != nil {
			return reply{}, errAsked
		}
	default:
		text := strings.Join(p.r.PostForm["value"], ";")
		if strings.TrimSpace(text) == "" && get("clear") == "" {
			return mistake(p.T("conflict.novalue"))
		}
		var bad *form.ValueError
		if d.Value, err = w.review.Parse(rec.Type, d.Path, text); errors.As(err, &bad) {
			return mistake(bad.Reason.In(p.lang))
		} else if err != nil {
			return reply{}, err
		}
	}
	dot, err := w.review.Decide(p.ctx, d)
	switch {
	case errors.Is(err, review.ErrDecided), errors.Is(err, review.ErrNothing):
		return w.decided(p, rec, d.Path)
	case errors.Is(err, review.ErrLeft):
		return reply{}, errLeft
	case errors.Is(err, review.ErrForm):
		return reply{}, &fault{http.StatusConflict, "error.form", "error.form.next"}
	case err != nil:
		return reply{}, err
	}
	taken := review.Taken{Village: d.Village, Record: d.Record, Path: d.Path, Dot: dot}
	if !p.fetched() {
		return goTo(withDone(p.back(), "done", href(rec.Key), "undo", takenText(taken)))
	}
	now, err := w.store.Record(p.ctx, d.Village, d.Record)
	if err != nil {
		return reply{}, err
	}
	row := rowOf(now)
	o := &outcome{taken: &taken, title: p.label(&row), href: href(rec.Key), field: p.pathName(rec.Type, d.Path), value: p.stands(now, d.Path)}
	return w.outcome(p, 0, o)
}

// dotsOf reads changes that a form names.
func dotsOf(text string) (dots []record.Dot, err error) {
	for _, s := range strings.Fields(text) {
		dot, err := record.ParseDot(s)
		if err != nil {
			return nil, err
		}
		dots = append(dots, dot)
	}
	return dots, nil
}

// stands shows what stands under a register.
func (p *page) stands(rec *store.Record, path record.Path) string {
	value := rec.View.Fields[string(path)]
	switch {
	case path == record.Life && rec.View.Void:
		value = record.Text("void")
	case path == record.Life:
		value = merge.Alive
	case value == "":
		value = record.Null
	}
	return p.pathText(rec.Key, path, value)
}

// decided tells the second of two people what the first decided.
func (w *Site) decided(p *page, rec *store.Record, path record.Path) (reply, error) {
	now, err := w.store.Record(p.ctx, rec.Village, rec.ID)
	if err != nil {
		return reply{}, err
	}
	history, err := w.store.History(p.ctx, rec.Village, rec.ID)
	if err != nil {
		return reply{}, err
	}
	v := &decidedView{key: rec.Key, field: p.pathName(rec.Type, path), value: p.pathText(rec.Key, path, now.View.Fields[string(path)])}
	row := rowOf(now)
	v.title = p.label(&row)
	for _, e := range history {
		i := slices.IndexFunc(e.Change.Body, func(w record.Write) bool { return w.Path == path })
		if i < 0 {
			continue
		}
		v.value = p.pathText(rec.Key, path, e.Change.Body[i].Value)
		v.who, v.when, v.reason = e.Change.Author, p.when(e.At), e.Change.Reason()
		break
	}
	if p.fetched() {
		return w.outcome(p, http.StatusConflict, &outcome{title: v.title, href: href(rec.Key), field: v.field, value: v.value, late: v})
	}
	p.title, p.at, p.still = p.T("decided.title"), conflicts, true
	return reply{status: http.StatusConflict, body: decidedPage(p, v)}, nil
}

type decidedView struct {
	key                            record.Key
	title, field, value, who, when string
	reason                         string
}
