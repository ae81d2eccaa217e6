package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// The queue is one page of all that waits for the office. Without a script it is a list
// of forms. With one a decision is sent behind the page and the next thing comes up:
// what the server then answers is a piece of a page, an outcome.

// queueRows is how many things one page of the queue shows.
const queueRows = 15

// queueHeader is on requests that the queue makes behind its page.
const queueHeader = "X-Zhucun-Queue"

// fetched tells a request that the queue made behind its page.
func (p *page) fetched() bool { return p.r.Header.Get(queueHeader) != "" }

// queueKinds are the sorts of things in the queue, in the order of its filter.
var queueKinds = []store.Kind{store.Conflict, store.Proposal, store.Twin, store.Joint, store.Clash, store.Answer, store.Question, store.Held, store.After}

type queueView struct {
	ask    store.QueueQuery
	total  int
	counts []queueCount
	types  []*form.Form
	fields []*form.Field
	things []thing
	next   string // the place where the next page begins
	report store.Report
	// What has just been done: the address of the record, the decision to take back, or
	// one of saids.
	done, said string
	undo       *review.Taken
	unsay      []string // two records of which something was said
}

// queueCount is how many things of a kind wait.
type queueCount struct {
	kind  store.Kind
	count int
}

// thing is one thing of the queue; one of its parts is set.
type thing struct {
	store.Waits
	dispute *dispute
	asked   *asked
	held    *quarantined
	late    *lateThing
	twin    *twin
}

// lateThing is a record that was written to after its month was closed.
type lateThing struct {
	key          record.Key
	title, month string
	who, when    string
	sets         []set
}

// queueAsked reads what a queue's address asks for.
func (p *page) queueAsked(q url.Values) (store.QueueQuery, error) {
	ask := store.QueueQuery{Village: record.Village(q.Get("village")), Kind: store.Kind(q.Get("kind")), Type: record.Type(q.Get("type")),
		Path: record.Path(q.Get("field")), Who: strings.TrimSpace(q.Get("who")), Limit: queueRows}
	if ask.Village == "" {
		ask.Village = p.sight.Village
	}
	if text := q.Get("after"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(raw, &ask.After) != nil {
			return ask, errAsked
		}
	}
	return ask, nil
}

func placeText(at store.QueuePlace) string {
	raw, err := json.Marshal(at)
	if err != nil {
		panic(err) // texts and numbers
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// href is where the queue is asked for from a place on.
func (v *queueView) href(place string) string {
	return address("/conflicts", "village", string(v.ask.Village), "kind", string(v.ask.Kind), "type", string(v.ask.Type), "field", string(v.ask.Path), "who", v.ask.Who, "after", place)
}

// ofKind is the queue of one kind, from its beginning.
func (v *queueView) ofKind(kind store.Kind) string {
	some := *v
	some.ask.Kind = kind
	return some.href("")
}

// bulkHref leads to deciding by a rule among what is asked for.
func (v *queueView) bulkHref() string {
	rule := review.Newer
	if v.ask.Kind == store.Proposal {
		rule = review.FillsEmpty
	}
	return address("/bulk", "rule", string(rule), "village", string(v.ask.Village), "type", string(v.ask.Type), "field", string(v.ask.Path), "who", v.ask.Who)
}

// all is how much waits of every kind.
func (v *queueView) all() int {
	n := 0
	for _, c := range v.counts {
		if c.kind != store.Question {
			n += c.count
		}
	}
	return n
}

// here is where this page can be asked for again.
func (v *queueView) here() string {
	if v.ask.After == (store.QueuePlace{}) {
		return v.href("")
	}
	return v.href(placeText(v.ask.After))
}

func (w *Site) conflicts(p *page) (reply, error) { return w.queue(p, nil) }

// queue shows what waits; mistaken takes the place of the dispute that it is about.
func (w *Site) queue(p *page, mistaken *dispute) (reply, error) {
	p.title, p.at, p.works = p.T("nav.conflicts"), conflicts, true
	q := p.r.URL.Query()
	v := &queueView{done: q.Get("done"), said: q.Get("said")}
	var err error
	if v.ask, err = p.queueAsked(q); err != nil {
		return reply{}, err
	}
	if text := q.Get("undo"); text != "" {
		v.unsay = parseTwin(text)
	}
	if text := q.Get("undo"); text != "" && v.unsay == nil {
		if v.undo, err = parseTaken(text); err != nil {
			return reply{}, errAsked
		}
	}
	waits, counts, err := w.store.Queue(p.ctx, v.ask)
	if err != nil {
		return reply{}, err
	}
	v.count(p, counts)
	if len(waits) == queueRows {
		v.next = placeText(waits[len(waits)-1].Place)
	}
	for _, x := range waits {
		one, err := w.thing(p, x)
		if errors.Is(err, store.ErrNotFound) {
			continue // decided while we looked
		} else if err != nil {
			return reply{}, err
		}
		v.things = append(v.things, one)
	}
	if v.report, err = w.store.Reported(p.ctx, v.ask.Village); err != nil {
		return reply{}, err
	}
	v.report.Fresh = slices.DeleteFunc(v.report.Fresh, func(f store.Fresh) bool {
		return !slices.ContainsFunc(v.things, func(x thing) bool { return x.Village == f.Village })
	})
	if mistaken != nil {
		p.still = true
		v.things = slices.DeleteFunc(v.things, func(x thing) bool { return x.dispute != nil && x.dispute.anchor() == mistaken.anchor() })
		v.things = slices.Insert(v.things, 0, thing{dispute: mistaken})
		return reply{status: http.StatusUnprocessableEntity, body: queuePage(p, v)}, nil
	}
	return show(queuePage(p, v))
}

// count makes the filters of what waits.
func (v *queueView) count(p *page, counts []store.QueueCount) {
	v.total = v.ask.Sum(counts)
	some := v.ask
	for _, some.Kind = range queueKinds {
		v.counts = append(v.counts, queueCount{some.Kind, some.Sum(counts)})
	}
	some = v.ask
	some.Type, some.Path = "", ""
	for _, f := range p.site.forms.Forms() {
		some.Type = f.Type
		if some.Sum(counts) > 0 || f.Type == v.ask.Type {
			v.types = append(v.types, f)
		}
	}
	f := p.site.forms.Form(v.ask.Type)
	if f == nil {
		return
	}
	some.Type = f.Type
	for _, fd := range f.Fields {
		some.Path = record.Path(fd.Name)
		if some.Sum(counts) > 0 || some.Path == v.ask.Path {
			v.fields = append(v.fields, fd)
		}
	}
}

// thing makes what is shown of something that waits.
func (w *Site) thing(p *page, x store.Waits) (thing, error) {
	one := thing{Waits: x}
	if x.Quarantined != nil {
		held, err := w.quarantined(p, *x.Quarantined)
		one.held = &held
		return one, err
	}
	if x.Pair != nil {
		two, err := w.twin(p, x.Village, x.Kind, x.Pair.Record, x.Pair.Other)
		if err == nil {
			two.place = placeText(x.Place)
		}
		one.twin = two
		return one, err
	}
	rec, err := w.store.Record(p.ctx, x.Village, x.ID)
	if err != nil {
		return one, err
	}
	switch x.Kind {
	case store.Answer:
		if one.asked = p.questionOf(rec, x.Path); one.asked == nil {
			return one, store.ErrNotFound
		}
		return one, nil
	case store.After:
		one.late, err = w.late(p, rec, string(x.Path), x.SinceFeed)
		return one, err
	}
	kind := x.Kind
	if kind == store.Question {
		kind = store.Conflict
		if len(rec.View.Conflicts[x.Path]) == 0 {
			kind = store.Proposal
		}
	}
	if one.dispute, err = w.dispute(p, rec, x.Path, string(kind)); err != nil {
		return one, err
	}
	if len(one.dispute.claims) == 0 {
		return one, store.ErrNotFound
	}
	one.dispute.since = p.when(x.Since)
	one.dispute.place = placeText(x.Place)
	return one, nil
}

// because says in a sentence why something waits for a person.
func (p *page) because(rec *store.Record, path record.Path, kind string) string {
	var names []string
	for _, c := range rec.View.Conflicts[path] {
		if !slices.Contains(names, c.Author) {
			names = append(names, c.Author)
		}
	}
	var fd *form.Field
	if f := p.site.forms.Form(rec.Type); f != nil {
		fd = f.PathField(path)
	}
	switch {
	case kind == string(store.Proposal):
		for _, c := range rec.View.Proposals[path] {
			if !slices.Contains(names, c.Author) {
				names = append(names, c.Author)
			}
		}
		id := "because.owner"
		if fd != nil && fd.Policy == form.Author {
			id = "because.author"
		}
		if len(rec.State[path].Siblings) == 0 {
			id = map[string]string{"because.owner": "because.owner.new", "because.author": "because.author.new"}[id]
		}
		return p.T(id, p.list(names))
	case path == record.Life:
		return p.T("because.life")
	case slices.ContainsFunc(rec.State[path].Siblings, func(s merge.Sibling) bool { return s.Value.IsNull() }):
		return p.T("because.cleared", p.list(names))
	case len(names) == 1:
		return p.T("because.alone", names[0])
	case fd == nil:
		return p.T("because.unknown", p.list(names))
	}
	return p.T("because.review", p.list(names))
}

// back is where a form of the queue leads when it is done.
func (p *page) back() string {
	if back := p.r.PostForm.Get("back"); local(back) {
		return back
	}
	return "/conflicts"
}

// mistaken shows a form again that lacks something.
func (w *Site) mistaken(p *page, d *dispute) (reply, error) {
	if p.fetched() {
		return reply{status: http.StatusUnprocessableEntity, body: disputeBox(p, d, p.back())}, nil
	}
	return w.queue(p, d)
}

// outcome is what became of something that was sent behind the page.
type outcome struct {
	title, href, field, value string
	said                      string        // a sentence instead of the field
	taken                     *review.Taken // to take it back
	late                      *decidedView  // somebody else was quicker
	twin                      *twin         // of which something was said
	left                      int
	back                      string
}

// undoPath is where it is taken back.
func (o *outcome) undoPath() templ.SafeURL {
	if o.twin != nil {
		return "/same"
	}
	return "/undo"
}

// outcome shows one, with how much is left of what the queue is asked for.
func (w *Site) outcome(p *page, status int, o *outcome) (reply, error) {
	o.back = p.back()
	at, err := url.Parse(o.back)
	if err != nil {
		return reply{}, errAsked
	}
	ask, err := p.queueAsked(at.Query())
	if err != nil {
		return reply{}, err
	}
	ask.Limit = 0
	_, counts, err := w.store.Queue(p.ctx, ask)
	if err != nil {
		return reply{}, err
	}
	o.left = ask.Sum(counts)
	return reply{status: status, body: outcomeLine(p, o)}, nil
}

// takenText and parseTaken carry a decision in an address.
func takenText(t review.Taken) string {
	return strings.Join([]string{string(t.Village), t.Record.String(), string(t.Path), t.Dot.String()}, " ")
}

func parseTaken(text string) (*review.Taken, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 4 {
		return nil, errAsked
	}
	id, err := record.ParseID(parts[1])
	if err != nil {
		return nil, err
	}
	dot, err := record.ParseDot(parts[3])
	return &review.Taken{Village: record.Village(parts[0]), Record: id, Path: record.Path(parts[2]), Dot: dot}, err
}

// undo takes a decision back.
func (w *Site) undo(p *page) (reply, error) {
	t, err := parseTaken(p.r.PostForm.Get("taken"))
	if err != nil {
		return reply{}, errAsked
	}
	err = w.review.Undo(p.ctx, *t, p.T("undo.reason"), p.writer())
	late := errors.Is(err, review.ErrDecided) || errors.Is(err, review.ErrNothing)
	if err != nil && !late {
		return reply{}, err
	}
	rec, err := w.store.Record(p.ctx, t.Village, t.Record)
	if err != nil {
		return reply{}, err
	}
	switch {
	case late:
		return w.decided(p, rec, t.Path)
	case !p.fetched():
		return goTo(withDone(p.back(), "said", "undone"))
	}
	kind := store.Conflict
	if len(rec.View.Conflicts[t.Path]) == 0 {
		kind = store.Proposal
	}
	d, err := w.dispute(p, rec, t.Path, string(kind))
	if err != nil {
		return reply{}, err
	}
	return show(disputeBox(p, d, p.back()))
}

// withDone gives an address with what was just done, in the place of what it said
// before.
func withDone(back string, done ...string) string {
	to, _, _ := strings.Cut(back, "#")
	path, query, _ := strings.Cut(to, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(part, "="); name != "" && name != "done" && name != "said" && name != "undo" {
			kept = append(kept, part)
		}
	}
	for i := 0; i < len(done); i += 2 {
		kept = append(kept, done[i]+"="+escape(done[i+1]))
	}
	return path + "?" + strings.Join(kept, "&")
}
