package web

import (
	"errors"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// teller tells how the values of one register came about.
type teller struct {
	w      *Site
	p      *page
	r      *store.Record
	path   record.Path
	told   map[merge.Sibling]merge.Told // what a decision that was taken back had replaced
	visits []store.Record               // of the household that the record is of
}

// teller gathers what is known about the values under path.
func (w *Site) teller(p *page, r *store.Record, path record.Path) (*teller, error) {
	t := &teller{w: w, p: p, r: r, path: path, told: r.State.Told(path)}
	house := r.Key.ID
	if r.Key.Type != householdType {
		var err error
		if house, err = record.ParseID(first(r.View.Fields["household"].Texts())); err != nil {
			return t, nil
		}
	}
	if r.Key.Type == visitType {
		return t, nil // it is the visit itself
	}
	var err error
	if t.visits, err = w.referring(house, visitType); errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return t, err
}

func (t *teller) claims(f *form.Form, siblings []merge.Sibling, proposal bool) []claim {
	var out []claim
	for _, s := range siblings {
		c := claim{dot: s.Dot.String(), author: s.Author, when: t.p.toldAt(s.At.Milli()), value: t.p.pathValue(f, t.path, s.Value), proposal: proposal, raw: s.Value}
		t.tell(&c, s)
		out = append(out, c)
	}
	return out
}

// tell says who wrote a value, when, where and from what, as far as it is known: a
// change says neither its laptop nor its visit, so no more is claimed than that it was
// written here, or on the day of a visit.
func (t *teller) tell(c *claim, s merge.Sibling) {
	p := t.p
	who, at := s.Author, s.At.Milli()
	if back, again := t.told[s]; again {
		who, at = back.Author, back.At.Milli()
		c.author, c.when = who, p.toldAt(at)
		c.story = p.T("tell.put", p.you(who), p.toldAt(at), p.you(s.Author), p.toldAt(s.At.Milli()))
	} else {
		var parts []string
		own := t.w.store.Wrote(t.r.Key.Village, s.Dot)
		switch {
		case own:
			parts = append(parts, p.T("tell.here"))
		case who == p.author:
			parts = append(parts, p.T("tell.there"))
		}
		for _, first := range t.r.State[record.Source].Siblings {
			if first.Dot != s.Dot {
				continue
			}
			if how, _ := first.Value.Text(); how == store.Import {
				parts = append(parts, p.T("tell.import"))
			} else {
				parts = append(parts, p.T("tell.first"))
			}
		}
		c.story = p.T("tell.wrote", p.you(who), c.when)
		if len(parts) > 0 {
			c.story = p.T("tell.more", c.story, strings.Join(parts, p.T("tell.between")))
		}
	}
	if v := visitOf(t.visits, who, at); v != nil {
		day, _ := v.View.Fields["visit_date"].Text()
		met := p.shownOf(t.w.forms.Form(visitType), v, "visit_result")
		if met == "" {
			met = p.T("tell.met")
		}
		c.from = &pageLink{"/record/visit/" + v.Key.ID.String(), p.T("tell.visit", p.day(day), met)}
	}
}

// you names somebody to whoever reads.
func (p *page) you(name string) string {
	if name == p.author {
		return p.T("tell.you")
	}
	return name
}

// toldAt says when something was, in ms since 1970, as people tell it: of the last
// days by the day of the week.
func (p *page) toldAt(ms int64) string {
	t := time.UnixMilli(ms).In(beijing)
	if days, ok := daysBetween(t.Format(time.DateOnly), p.today); ok && days >= 2 && days < 7 {
		return p.T("tell.day", p.T("weekday."+t.Format("Mon")), t.Format("15:04"))
	}
	return p.moment(ms)
}
