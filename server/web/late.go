package web

import (
	"errors"
	"net/http"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/record"
)

// late makes what is shown of a record that was written to after its month was closed:
// what was written since it is on the list.
func (w *Site) late(p *page, rec *store.Record, month string, since uint64) (*lateThing, error) {
	row := rowOf(rec)
	l := &lateThing{key: rec.Key, title: p.label(&row), month: month}
	history, err := w.store.History(p.ctx, rec.Village, rec.ID)
	if err != nil {
		return nil, err
	}
	if len(history) > 0 {
		e := &history[0]
		l.who, l.when = e.Change.Author, p.when(e.At)
		l.sets, _ = w.sets(p, &recordView{rec: rec, form: w.forms.Form(rec.Type)}, e, nil)
	}
	return l, nil
}

// lateSeen takes one off the list.
func (w *Site) lateSeen(p *page) (reply, error) {
	get := p.r.PostForm.Get
	id, err := record.ParseID(get("id"))
	if err != nil {
		return reply{}, errAsked
	}
	village := record.Village(get("village"))
	rec, err := w.store.Record(p.ctx, village, id)
	if err != nil {
		return reply{}, err
	}
	status := 0
	if err := w.review.Seen(p.ctx, village, id, get("month")); errors.Is(err, review.ErrDecided) {
		status = http.StatusConflict
	} else if err != nil {
		return reply{}, err
	}
	if p.fetched() {
		row := rowOf(rec)
		return w.outcome(p, status, &outcome{title: p.label(&row), href: href(rec.Key), said: p.T("late.done")})
	}
	return goTo(withDone(p.back(), "said", "seen"))
}
