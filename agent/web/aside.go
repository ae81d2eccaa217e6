package web

import (
	"slices"

	"zhucun/agent/store"
	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// reason says why a change was set aside, and what the office decided since.
func (p *page) reason(a *store.Aside) string {
	x := a.Verdict
	switch {
	case x == nil:
		return store.Reason(a.Reason, p.lang)
	case x.Accepted:
		return p.T("aside.accepted", x.By, p.moment(x.At.Milli()))
	}
	return p.T("aside.rejected", x.By, p.moment(x.At.Milli()), x.Why)
}

// asideLine is a change that waits for the office, or for somebody here to see why it
// was rejected.
type asideLine struct {
	dot      string
	rejected bool
	why      string
	event
}

// asides gives the changes of a record that were set aside and wait.
func (w *Site) asides(p *page, r *store.Record) (list []asideLine, err error) {
	if r.Way != merge.Quarantined || r.Gone {
		return nil, nil
	}
	all, err := w.store.Asides(r.Key.Type, r.Key.ID)
	for i := range all {
		if a := &all[i]; a.Open() {
			set := map[record.Path]record.Value{}
			for _, x := range a.Change.Body {
				set[x.Path] = x.Value
			}
			ev := merge.Event{At: clock.Time(a.Change.Time), Author: a.Change.Author, Set: set, Erased: len(set) == 0}
			list = append(list, asideLine{a.Dot.String(), a.Rejected(), p.reason(a), w.event(p, w.forms.Form(r.Key.Type), ev)})
		}
	}
	return list, err
}

// anyRejected tells whether something waits for somebody here.
func anyRejected(list []asideLine) bool {
	return slices.ContainsFunc(list, func(a asideLine) bool { return a.rejected })
}

// see notes that somebody has seen why these changes were rejected.
func (w *Site) see(p *page, k record.Key, names []string) error {
	var dots []record.Dot
	for _, name := range names {
		d, err := record.ParseDot(name)
		if err != nil {
			return err
		}
		dots = append(dots, d)
	}
	_, err := w.store.Seen(p.r.Context(), k.Type, k.ID, dots...)
	return err
}
