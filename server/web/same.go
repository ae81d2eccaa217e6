package web

import (
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/alike"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// twin is two records side by side, of which somebody is to say whether they are one.
type twin struct {
	kind        store.Kind
	kept, other *store.Record
	titles      [2]string
	wrote       [2]string
	why         []string // the reasons, each in words
	said        merge.Likeness
	rows        []twinRow
	names       [2]int // how many records name each
	place       string
	reason      string
	unread      string
}

// twinRow is a field with both answers.
type twinRow struct {
	name, label string
	values      [2]string
	differ      bool
	both        bool // both can stand together
	takes       string
}

// The answers that can be taken where two differ.
const (
	takeKept  = "kept"
	takeOther = "other"
	takeBoth  = "both"
)

// both tells whether there is a field of which both answers can stand.
func (d *twin) both() bool {
	return slices.ContainsFunc(d.rows, func(r twinRow) bool { return r.both })
}

func (d *twin) anchor() string {
	return "t-" + string(d.kept.Village) + "-" + d.kept.ID.String() + "-" + d.other.ID.String()
}

func dotsText(dots []record.Dot) string {
	var list []string
	for _, d := range dots {
		list = append(list, d.String())
	}
	return strings.Join(list, " ")
}

// twin puts two records side by side.
func (w *Site) twin(p *page, village record.Village, kind store.Kind, kept, other record.ID) (*twin, error) {
	d := &twin{kind: kind}
	var err error
	if d.kept, err = w.store.Record(p.ctx, village, kept); err != nil {
		return nil, err
	}
	if d.other, err = w.store.Record(p.ctx, village, other); err != nil {
		return nil, err
	}
	f := w.forms.Form(d.kept.Type)
	if f == nil || d.kept.Type != d.other.Type || !merge.Keeps(kept, other) {
		return nil, errAsked
	}
	d.said = merge.LikenessOf(d.kept.State, kept, d.other.State, other)
	_, why := alike.Compare(d.kept.Type, d.kept.View.Fields, d.other.View.Fields)
	for _, r := range why {
		id := "alike."
		d.why = append(d.why, p.T(id+r.Code))
	}
	united := merge.Unite(f, d.kept.View, d.other.View)
	for i, rec := range []*store.Record{d.kept, d.other} {
		row := rowOf(rec)
		if err := p.gather([]store.Row{row}); err != nil {
			return nil, err
		}
		d.titles[i] = p.label(&row)
		d.wrote[i] = p.T("twin.wrote", p.list(rec.View.Authors), p.when(rec.View.Created))
		named, err := w.store.Referring(p.ctx, rec.Key, 0)
		if err != nil {
			return nil, err
		}
		for _, n := range named {
			d.names[i] += n.Count
		}
	}
	for _, fd := range f.Fields {
		a, b := d.kept.View.Fields[fd.Name], d.other.View.Fields[fd.Name]
		if fd.Kind == form.Calculate || a == "" && b == "" {
			continue
		}
		r := twinRow{name: fd.Name, label: fd.Label.In(p.lang), differ: a != b, takes: takeKept}
		r.both = r.differ && a != "" && b != "" && (fd.Many() || d.kept.Type == "visit" && fd.Kind == form.Text && len(fd.Choices) == 0)
		for i, value := range []record.Value{a, b} {
			if value != "" {
				r.values[i] = p.pathText(d.kept.Key, record.Path(fd.Name), value)
			}
		}
		switch _, both := united[fd.Name]; {
		case both && a == "":
			r.takes = takeOther
		case both && r.both:
			r.takes = takeBoth
		}
		if len(d.kept.View.Conflicts[record.Path(fd.Name)])+len(d.kept.View.Proposals[record.Path(fd.Name)]) > 0 {
			r.differ, r.both = false, false // that is decided by itself
		}
		d.rows = append(d.rows, r)
	}
	return d, nil
}

// because says why the two are shown.
func (d *twin) because(p *page) string {
	id := "because.twin"
	switch {
	case d.kind == store.Clash:
		id = "because.clash"
	case d.said == merge.Same:
		id = "because.joined"
	case d.kind == store.Joint:
		id = "because.joint"
	}
	return p.T(id, p.list(d.why))
}

// same takes what somebody says of two records.
func (w *Site) same(p *page) (reply, error) {
	get := p.r.PostForm.Get
	s := review.Saying{Village: record.Village(get("village")), Reason: strings.TrimSpace(get("reason")), By: p.writer(), Take: map[string]record.Value{}}
	var err error
	if s.Kept, err = record.ParseID(get("kept")); err != nil {
		return reply{}, errAsked
	}
	if s.Other, err = record.ParseID(get("other")); err != nil {
		return reply{}, errAsked
	}
	if s.ShownKept, err = dotsOf(get("saw")); err != nil {
		return reply{}, errAsked
	}
	if s.ShownOther, err = dotsOf(get("sawother")); err != nil {
		return reply{}, errAsked
	}
	d, err := w.twin(p, s.Village, store.Kind(get("kind")), s.Kept, s.Other)
	if err != nil {
		return reply{}, err
	}
	said := ""
	switch get("do") {
	case "join":
		s.Word, said = merge.Same, "twin.joined"
		w.choose(p, d, s.Take)
	case "apart":
		s.Word, said = merge.Apart, "twin.apart"
	case "undo":
		s.Word, s.Reason = merge.Unsaid, p.T("undo.reason")
		s.ShownKept, s.ShownOther = d.kept.State.Dots(), d.other.State.Dots()
	default:
		return reply{}, errAsked
	}
	if s.Reason == "" {
		return w.mistakenTwin(p, d, p.T("conflict.noreason"))
	}
	err = w.review.Say(p.ctx, s)
	switch {
	case errors.Is(err, review.ErrDecided):
		return w.mistakenTwin(p, d, p.T("twin.moved"))
	case errors.Is(err, review.ErrPair):
		return reply{}, errAsked
	case errors.Is(err, review.ErrForm):
		return reply{}, &fault{http.StatusConflict, "error.form", "error.form.next"}
	case err != nil:
		return reply{}, err
	}
	// The list is to know of it before it is shown again.
	if err := w.store.FindPairs(p.ctx, s.Village); err != nil {
		return reply{}, err
	}
	if s.Word == merge.Unsaid {
		if !p.fetched() {
			return goTo(withDone(p.back(), "said", "undone"))
		}
		again, err := w.twin(p, s.Village, d.kind, s.Kept, s.Other)
		if err != nil {
			return reply{}, err
		}
		return show(twinBox(p, again, p.back()))
	}
	if p.fetched() {
		return w.outcome(p, 0, &outcome{title: d.titles[0], href: href(d.kept.Key), said: p.T(said), twin: d})
	}
	return goTo(withDone(p.back(), "said", get("do"), "undo", strings.Join([]string{string(s.Village), s.Kept.String(), s.Other.String(), string(d.kind)}, " ")))
}

// choose reads which answers are to stand.
func (w *Site) choose(p *page, d *twin, take map[string]record.Value) {
	f := w.forms.Form(d.kept.Type)
	united := merge.Unite(f, d.kept.View, d.other.View)
	for i := range d.rows {
		r := &d.rows[i]
		if !r.differ {
			continue
		}
		switch chosen := p.r.PostForm.Get("f." + r.name); chosen {
		case takeOther:
			r.takes = chosen
			if take[r.name] = d.other.View.Fields[r.name]; take[r.name] == "" {
				take[r.name] = record.Null
			}
		case takeBoth:
			if v, both := united[r.name]; both && r.both {
				r.takes, take[r.name] = chosen, v
			}
		case takeKept:
			r.takes = chosen
		}
	}
}

// mistakenTwin shows two records again, of which nothing was said.
func (w *Site) mistakenTwin(p *page, d *twin, unread string) (reply, error) {
	d.reason, d.unread = strings.TrimSpace(p.r.PostForm.Get("reason")), unread
	body := twinBox(p, d, p.back())
	if !p.fetched() {
		p.title, p.at, p.still, p.works = p.T("nav.conflicts"), conflicts, true, true
		body = twinPage(p, d)
	}
	return reply{status: http.StatusUnprocessableEntity, body: body}, nil
}

// takens are the answers that can be taken of a field.
func (r *twinRow) takens() []string {
	if r.both {
		return []string{takeKept, takeOther, takeBoth}
	}
	return []string{takeKept, takeOther}
}

// parseTwin reads two records that an address names as just decided on.
func parseTwin(text string) []string {
	parts := strings.Fields(text)
	if len(parts) != 4 || !slices.Contains([]store.Kind{store.Twin, store.Joint, store.Clash}, store.Kind(parts[3])) {
		return nil
	}
	return parts
}

// acrossLine is two records of two villages that bear one number.
type acrossLine struct {
	titles, villages, hrefs [2]string
	why                     string
}

// across lists the records of different villages that bear one number.
func (w *Site) across(p *page) (reply, error) {
	p.title, p.at, p.still = p.T("across.title"), conflicts, true
	after, err := hex.DecodeString(p.r.URL.Query().Get("after"))
	if err != nil || len(after) > 64 {
		return reply{}, errAsked
	}
	found, next, err := w.store.Across(p.ctx, after)
	if err != nil {
		return reply{}, err
	}
	var list []acrossLine
	for _, x := range found {
		var l acrossLine
		var fields [2]alike.Fields
		for i, k := range []record.Key{x.A, x.B} {
			rec, err := w.store.Record(p.ctx, k.Village, k.ID)
			if err != nil {
				return reply{}, err
			}
			row := rowOf(rec)
			l.titles[i], l.villages[i], l.hrefs[i], fields[i] = p.label(&row), p.village(k.Village), href(k), rec.View.Fields
		}
		_, why := alike.Compare(x.A.Type, fields[0], fields[1])
		var words []string
		for _, r := range why {
			id := "alike."
			words = append(words, p.T(id+r.Code))
		}
		l.why = p.list(words)
		list = append(list, l)
	}
	return show(acrossPage(p, list, len(after) > 0, address("/across", "after", hex.EncodeToString(next))))
}
