package web

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"

	"zhucun/agent/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A visit that several people made together is easily written down twice. Two of one
// household and day are shown to somebody, who says that they are one, which joins them,
// or that they are two; both can be taken back, and neither is asked again, here or on
// another laptop that has heard of it.

// pair is two visits of one household and day. The one that is kept where they are one
// is the same for everybody.
type pair struct {
	kept, other store.Record
	said        merge.Likeness
	voids       bool // this person may declare the other void
}

// pairOf puts two records of visits together, whichever comes first.
func (w *Site) pairOf(p *page, a, b store.Record) *pair {
	if !merge.Keeps(a.Key.ID, b.Key.ID) {
		a, b = b, a
	}
	f := w.forms.Form(visitType)
	life := []record.Write{{Path: record.Life, Observed: b.State.Observed(record.Life)}}
	return &pair{
		kept: a, other: b, said: merge.LikenessOf(a.State, a.Key.ID, b.State, b.Key.ID),
		voids: merge.Permit(f, visitType, b.State, p.writer(), life) == nil,
	}
}

// open tells a pair about which this person has something to say: nobody has said
// whether they are one, or they are and the other is still to be withdrawn.
func (x *pair) open() bool {
	if x.kept.View.Void || x.other.View.Void {
		return false
	}
	return x.said == merge.Unsaid || x.said == merge.Same && x.voids
}

// path is the address of the page on which a pair is shown.
func (x *pair) path() string {
	return "/visits/joint?" + url.Values{"a": {x.kept.Key.ID.String()}, "b": {x.other.Key.ID.String()}}.Encode()
}

// day is the day of both.
func (x *pair) day() string { return dayOf(&x.kept, "visit_date") }

// seen names what the page shows of both.
func (x *pair) seen() string { return seenOf(x.kept.State) + seenOf(x.other.State) }

// pairs gives those of the visits of a household about which this person has something
// to say, the latest first; of one visit alone where it is named.
func (w *Site) pairs(p *page, visits []store.Record, of record.ID) (out []*pair) {
	if !p.may(w.forms.Form(visitType)) {
		return nil
	}
	for i := range visits {
		for j := range visits[:i] {
			a, b := visits[i], visits[j]
			day := dayOf(&a, "visit_date")
			if a.View.Void || b.View.Void || day == "" || day != dayOf(&b, "visit_date") || !of.IsZero() && a.Key.ID != of && b.Key.ID != of {
				continue
			}
			if x := w.pairOf(p, a, b); x.open() {
				out = append(out, x)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *pair) int { return cmp.Compare(b.day(), a.day()) })
	return out
}

// jointDays is up to how many days back the first page looks for visits that were
// written twice; a household's page looks at all.
const jointDays = 62

// dayVisit is what a household keeps of a visit of late.
type dayVisit struct {
	id    record.ID
	day   string
	apart []record.ID // those that somebody has said to be others
}

// late keeps a visit, unless it is long past.
func (h *house) late(r *store.Record, today string) {
	day := dayOf(r, "visit_date")
	if days, ok := daysBetween(day, today); !ok || days > jointDays {
		return
	}
	v := dayVisit{id: r.Key.ID, day: few(day)}
	for _, id := range r.State.Others() {
		if r.State.LikenessTo(id) == merge.Apart {
			v.apart = append(v.apart, id)
		}
	}
	h.recent = append(h.recent, v)
}

// past tells whether a household keeps visits that are not of late any more.
func (h *house) past(today string) bool {
	return slices.ContainsFunc(h.recent, func(v dayVisit) bool {
		days, ok := daysBetween(v.day, today)
		return !ok || days > jointDays
	})
}

// maxPairs is how many pairs the first page shows.
const maxPairs = 3

// twice gives the pairs of late visits that may be one, the latest first, up to the bound
// of the first page, and tells whether there are more.
func (w *Site) twice(p *page, s *snapshot) (out []*pair, more bool, err error) {
	if !p.may(w.forms.Form(visitType)) {
		return nil, false, nil
	}
	type two struct{ a, b dayVisit }
	var found []two
	for _, h := range s.houses {
		for i, a := range h.recent {
			for _, b := range h.recent[:i] {
				if a.day == b.day && !slices.Contains(a.apart, b.id) && !slices.Contains(b.apart, a.id) {
					found = append(found, two{a, b})
				}
			}
		}
	}
	slices.SortStableFunc(found, func(x, y two) int { return cmp.Compare(y.a.day, x.a.day) })
	for _, x := range found {
		a, err := w.store.Get(visitType, x.a.id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, false, err
		}
		b, berr := w.store.Get(visitType, x.b.id)
		if berr != nil && !errors.Is(berr, store.ErrNotFound) {
			return nil, false, berr
		}
		if err != nil || berr != nil || a.Gone || b.Gone {
			continue // gone since the lists were read
		}
		if pr := w.pairOf(p, a, b); pr.open() {
			if len(out) == maxPairs {
				return out, true, nil
			}
			out = append(out, pr)
		}
	}
	return out, false, nil
}

// jointView is the page of two visits side by side.
type jointView struct {
	*pair
	title string
	rows  []jointRow
}

// jointRow is one question with both answers and what they come to together.
type jointRow struct {
	label, kept, other, both string
	differ                   bool // both cannot be: the kept visit's stays
}

func (w *Site) pairAsked(p *page, values url.Values) (*pair, error) {
	var two [2]store.Record
	for i, name := range []string{"a", "b"} {
		id, err := record.ParseID(values.Get(name))
		if err != nil {
			return nil, errAsked
		}
		two[i], err = w.store.Get(visitType, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && (two[i].Gone || two[i].View.Erased) {
			return nil, errJointGone
		}
		if err != nil {
			return nil, err
		}
	}
	if two[0].Key.ID == two[1].Key.ID || two[0].Key.Village != two[1].Key.Village || two[0].Key.Type != visitType || two[1].Key.Type != visitType {
		return nil, errAsked
	}
	return w.pairOf(p, two[0], two[1]), nil
}

// joint shows two visits.
func (w *Site) joint(p *page) (reply, error) {
	f := w.forms.Form(visitType)
	if !p.may(f) {
		return reply{}, errRole
	}
	x, err := w.pairAsked(p, p.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	v := &jointView{pair: x, title: w.label(p, householdType, houseOf(&x.kept))}
	united := merge.Unite(f, x.kept.View, x.other.View)
	for _, fd := range f.Fields {
		if fd.Name == "household" || fd.Name == "visit_date" {
			continue // they are why the two are shown
		}
		r := jointRow{label: fd.Label.In(p.lang), kept: p.shownOf(f, &x.kept, fd.Name), other: p.shownOf(f, &x.other, fd.Name)}
		if r.both = r.kept; united[fd.Name] != "" {
			r.both = p.shown(fd, united[fd.Name])
		}
		r.differ = r.kept != r.other && r.both == r.kept && r.other != "" && fd.Shape() != prose && !fd.Many()
		if r.kept+r.other != "" {
			v.rows = append(v.rows, r)
		}
	}
	p.title, p.at = p.T("joint.title"), "find"
	return show(jointPage(p, v))
}

// houseOf is the household of a record; zero where it names none.
func houseOf(r *store.Record) record.ID {
	id, _ := record.ParseID(first(r.View.Fields["household"].Texts()))
	return id
}

// writers names who wrote a record.
func (p *page) writers(r *store.Record) string {
	return strings.Join(r.View.Authors, p.T("list.between"))
}

// What somebody says of a pair.
const (
	sayJoin  = "join"
	sayApart = "apart"
	sayUndo  = "undo"
)

// sayJoint takes what somebody says of two visits.
func (w *Site) sayJoint(p *page) (reply, error) {
	x, err := w.pairAsked(p, p.r.PostForm)
	if err != nil {
		return reply{}, err
	}
	if p.r.PostForm.Get("_seen") != x.seen() {
		return goTo(x.path() + "&moved=1")
	}
	edits, err := w.say(p, x, p.r.PostForm.Get("do"))
	if err != nil {
		return reply{}, err
	}
	if _, err := w.saved(p, edits...); err != nil {
		return reply{}, err
	}
	return goTo("/record/visit/" + x.kept.Key.ID.String() + "?done=1")
}

// say gives the saves by which a word about a pair is kept: that they are one unites
// both in the kept one and withdraws the other, as far as this person may.
func (w *Site) say(p *page, x *pair, word string) ([]store.Edit, error) {
	f := w.forms.Form(visitType)
	edit := func(r, of *store.Record, said record.Value) store.Edit {
		return store.Edit{Type: visitType, ID: r.Key.ID, Author: p.author, Shown: r.State, Same: map[record.ID]record.Value{of.Key.ID: said}}
	}
	var kept, other store.Edit
	switch word {
	case sayJoin:
		kept, other = edit(&x.kept, &x.other, record.True), edit(&x.other, &x.kept, record.True)
		kept.Fields = merge.Unite(f, x.kept.View, x.other.View)
		if x.voids && !x.other.View.Void {
			other.Void = p.T("joint.reason", x.day(), p.writers(&x.kept))
		}
	case sayApart:
		kept, other = edit(&x.kept, &x.other, record.False), edit(&x.other, &x.kept, record.False)
	case sayUndo:
		kept, other = edit(&x.kept, &x.other, record.Null), edit(&x.other, &x.kept, record.Null)
		kept.Fields = merge.Part(f, x.kept.State, x.other.View, x.other.Key.ID)
		other.Revive = x.other.View.Void && x.said == merge.Same
	default:
		return nil, errAsked
	}
	return []store.Edit{kept, other}, nil
}

// sameLine is another record of which was said whether it is the same.
type sameLine struct {
	*pair
	recordLine
	kept bool // the other one is
	undo bool // this person may take it back
}

// record is the other one.
func (l *sameLine) record() *store.Record {
	if l.kept {
		return &l.pair.kept
	}
	return &l.other
}

// sames gives the visits of which something was said in one.
func (w *Site) sames(p *page, r *store.Record) (out []sameLine, err error) {
	if r.Key.Type != visitType {
		return nil, nil
	}
	for _, id := range r.State.Others() {
		o, err := w.store.Get(visitType, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		x := w.pairOf(p, *r, o)
		if x.said == merge.Unsaid {
			continue
		}
		l := sameLine{pair: x, recordLine: w.line(p, &o), kept: x.kept.Key.ID == id}
		l.undo = p.may(w.forms.Form(visitType)) && (x.said == merge.Apart || x.voids)
		out = append(out, l)
	}
	return out, nil
}
