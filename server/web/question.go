package web

import (
	"errors"
	"net/http"
	"strings"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// asked is a question of the office, as its pages show it.
type asked struct {
	*merge.Question
	key          record.Key
	path         record.Path
	title, label string // of the record and of the field
	when         string
	answers      []answered
	// settled is what stands where somebody decided without answering.
	settled *answered
	// again tells that the answers contradict each other.
	again bool
}

// answered is one decision.
type answered struct{ author, when, value, words string }

func (q *asked) anchor() string {
	return "q-" + string(q.key.Village) + "-" + q.key.ID.String() + "-" + strings.NewReplacer("/", "-", "_", "-").Replace(string(q.path))
}

// questionOf makes what is shown of a question about a register; nil where there is none
// that the office has to look at.
func (p *page) questionOf(rec *store.Record, path record.Path) *asked {
	q := rec.View.Questions[path]
	if q == nil || !q.Open() {
		return nil
	}
	row := rowOf(rec)
	a := &asked{Question: q, key: rec.Key, path: path, title: p.label(&row), label: p.pathName(rec.Type, path)}
	if q.At > 0 {
		a.when = p.when(q.At)
	}
	for _, one := range q.Answers {
		a.answers = append(a.answers, answered{one.Author, p.when(one.At), p.pathText(rec.Key, path, one.Value), one.Words})
	}
	a.again = q.State == merge.Answered && len(rec.View.Conflicts[path]) > 0
	if standing := rec.State[path].Siblings; q.State == merge.Settled && len(standing) > 0 {
		s := standing[len(standing)-1]
		a.settled = &answered{author: s.Author, when: p.when(s.At), value: p.pathText(rec.Key, path, s.Value)}
	}
	return a
}

// maxNamed is how many of those who may answer are named.
const maxNamed = 4

// asking adds to a dispute what was asked about it and who would answer.
func (w *Site) asking(p *page, rec *store.Record, d *dispute) error {
	if d.question = p.questionOf(rec, d.path); d.question != nil && d.question.State != merge.Asked {
		d.question = nil // it stands above
	}
	devices, err := p.devices()
	if err != nil {
		return err
	}
	names := w.review.Answerers(devices, rec, d.path)
	d.who = p.list(names[:min(len(names), maxNamed)])
	if len(names) > maxNamed {
		d.who = p.T("ask.who.more", d.who, len(names))
	}
	return nil
}

// ask sends a dispute back to the village as a question, or takes a question back.
func (w *Site) ask(p *page) (reply, error) {
	get := p.r.PostForm.Get
	id, err := record.ParseID(get("id"))
	if err != nil {
		return reply{}, errAsked
	}
	a := review.Asking{Village: record.Village(get("village")), Record: id, Path: record.Path(get("path")), Words: strings.TrimSpace(get("words")), By: p.writer()}
	if a.Shown, err = dotsOf(get("shown")); err != nil {
		return reply{}, errAsked
	}
	rec, err := w.store.Record(p.ctx, a.Village, a.Record)
	if err != nil {
		return reply{}, err
	}
	done := "asked"
	if get("do") == "close" {
		done = "closed"
		if _, err = w.review.Close(p.ctx, a); errors.Is(err, review.ErrNothing) {
			err = nil // somebody else has just done it
		}
	} else {
		if a.Path == record.Life {
			a.Shown = nil // void is said of the whole record, and asked about as it stands
		}
		_, err = w.review.Ask(p.ctx, a)
	}
	mistake := func(unread string) (reply, error) {
		rec, err := w.store.Record(p.ctx, a.Village, a.Record)
		if err != nil {
			return reply{}, err
		}
		m, err := w.dispute(p, rec, a.Path, get("kind"))
		if err != nil {
			return reply{}, err
		}
		m.words, m.unread = get("words"), unread
		return w.mistaken(p, m)
	}
	waits := len(rec.View.Conflicts[a.Path.Standing()])+len(rec.View.Proposals[a.Path.Standing()]) > 0
	switch {
	case errors.Is(err, merge.ErrWords):
		return mistake(p.T("ask.nowords"))
	case errors.Is(err, review.ErrDecided) && waits:
		return mistake(p.T("ask.moved"))
	case errors.Is(err, review.ErrDecided), errors.Is(err, review.ErrNothing):
		return w.decided(p, rec, a.Path)
	case errors.Is(err, review.ErrForm):
		return reply{}, &fault{http.StatusConflict, "error.form", "error.form.next"}
	case err != nil:
		return reply{}, err
	}
	if p.fetched() {
		row := rowOf(rec)
		return w.outcome(p, 0, &outcome{title: p.label(&row), href: href(rec.Key), field: p.pathName(rec.Type, a.Path), said: p.T("said." + done)})
	}
	return goTo(withDone(p.back(), "said", done))
}

// saids are what the queue may say was just done.
var saids = []string{"asked", "closed", "undone", "seen", "held", "join", "apart"}
