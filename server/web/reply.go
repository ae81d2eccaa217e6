package web

import (
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A reply to an issue is a record of its own that names the issue (DOMAIN: what is the
// author's is appended to). In the issue itself there is no place where two could stand
// beside each other: "action" is the latest word, so that a sponsor unit's reply would put
// the village's own behind it, and what is proposed waits for a decision, which a reply
// does not ask for.
const replyType record.Type = "issue_reply"

// maxThread bounds the replies that the page of an issue shows.
const maxThread = 200

// thread is what was said to an issue.
type thread struct {
	replies []saidReply
	id      string // of the next one; "" where whoever looks may not reply
	all     string // where the rest is
}

// saidReply is one reply.
type saidReply struct{ who, when, words, href string }

// thread gives what was said to an issue, in its order.
func (w *Site) thread(p *page, rec *store.Record) (*thread, error) {
	f := w.forms.Form(replyType)
	if rec.Type != "issue" || f == nil {
		return nil, nil
	}
	t := &thread{}
	var fields []*form.Field
	for _, name := range []string{"reply_date", "unit", "content"} {
		fd := f.Field(name)
		if fd == nil || !p.sight.Shows(fd) {
			return nil, nil
		}
		fields = append(fields, fd)
	}
	rows, next, err := w.store.Select(p.ctx, store.Select{Type: replyType, Villages: []record.Village{rec.Village}, Fields: fields, Limit: maxThread,
		Order: []store.Order{{Operand: store.Operand{Column: store.CreatedColumn}}},
		Filter: &store.Test{Op: store.OpAnd, Tests: []store.Test{
			{Op: store.OpEqual, Left: store.Operand{Column: "issue"}, Values: []any{rec.ID.String()}},
			{Op: store.OpEqual, Left: store.Operand{Column: store.LifeColumn}, Values: []any{"alive"}},
		}}})
	if err != nil {
		return nil, err
	}
	if next != nil {
		t.all = address("/records/"+string(replyType), "village", string(rec.Village), "w.issue", rec.ID.String())
	}
	for _, r := range rows {
		day, _ := r.Values[0].Text()
		unit, _ := r.Values[1].Text()
		words, _ := r.Values[2].Text()
		who := r.Authors
		if unit != "" {
			who = p.T("reply.of", unit, r.Authors)
		}
		t.replies = append(t.replies, saidReply{who, p.day(day), words, "/record/" + escape(r.Village) + "/" + r.ID})
	}
	if _, may := p.editor(f); may && !rec.View.Void && !rec.View.Erased {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		t.id = id.String()
	}
	return t, nil
}

// replyIssue writes a reply to an issue.
func (w *Site) replyIssue(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	f := w.forms.Form(replyType)
	by, ok := p.editor(f)
	if !ok || rec.Type != "issue" {
		return reply{}, errRole
	}
	if rec.View.Void || rec.View.Erased {
		return goTo(address(href(rec.Key), "said", "gone"))
	}
	id, err := record.ParseID(p.r.PostForm.Get("_id"))
	if err != nil {
		return reply{}, errAsked
	}
	words := strings.TrimSpace(strings.ReplaceAll(p.r.PostForm.Get("content"), "\r\n", "\n"))
	unit := strings.TrimSpace(p.r.PostForm.Get("unit"))
	if words == "" || len([]rune(words)) > review.MaxWhy || len([]rune(unit)) > 60 {
		return goTo(address(href(rec.Key), "said", "reply.bad") + "#thread")
	}
	c := review.Create{Village: rec.Village, Type: replyType, Record: id, By: by, Fields: map[string]record.Value{
		"issue": record.Text(rec.ID.String()), "reply_date": record.Text(p.today()), "content": record.Text(words)}}
	if unit != "" {
		c.Fields["unit"] = record.Text(unit)
	}
	var refused *merge.Refusal
	if err := w.review.Create(p.ctx, c); errors.As(err, &refused) {
		return reply{}, errRole
	} else if err != nil {
		return reply{}, err
	}
	return goTo(address(href(rec.Key), "said", "reply") + "#thread")
}

// withoutThread takes the replies out of what names a record: they stand in its thread.
func (v *recordView) withoutThread() {
	if v.thread != nil {
		v.links = slices.DeleteFunc(v.links, func(l link) bool { return l.typ == replyType })
	}
}
