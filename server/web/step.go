package web

import (
	"errors"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/shared/flow"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// stepBar says where a record stands, and what whoever looks may do with it next.
type stepBar struct {
	state, due, late, owner string
	field                   string // that names who answers for it
	next                    []flow.Step
	notes                   bool   // one of them wants a reason
	shown                   string // the marks of what it was taken on
	self                    bool   // whoever looks answers for it, and may not close it
}

// roles of whoever is in, in the order in which they count.
func (p *page) asWriter() []identity.Role {
	var list []identity.Role
	for _, r := range writingRoles {
		if hasRole(p.account.Roles, r) {
			list = append(list, r)
		}
	}
	return list
}

// steps gives the bar of a record; nil where its type has none.
func (p *page) steps(rec *store.Record) *stepBar {
	f, w := p.site.forms.Form(rec.Type), flow.Of(rec.Type)
	if f == nil || w == nil || f.Field(w.State) == nil || f.Field(w.Due) == nil || rec.View.Erased || rec.View.Void {
		return nil
	}
	b := &stepBar{field: w.Owner}
	b.state, b.due, b.late = p.standing(f, w, rec.View.Fields)
	b.owner, _ = rec.View.Fields[w.Owner].Text()
	if p.may(access.Edit) {
		from, _ := rec.View.Fields[w.State].Text()
		b.next = w.Next(p.asWriter(), from)
	}
	b.next = slices.DeleteFunc(b.next, func(s flow.Step) bool {
		own := w.Self(s.To, p.account.Login, b.owner)
		b.self = b.self || own
		return own
	})
	b.notes = slices.ContainsFunc(b.next, func(s flow.Step) bool { return s.Note })
	var marks []string
	for _, name := range review.StepFields(w) {
		marks = append(marks, name+":"+review.Mark(rec.State, name))
	}
	b.shown = strings.Join(marks, " ")
	return b
}

// takeStep brings a record into its next state.
func (w *Site) takeStep(p *page) (reply, error) {
	rec, err := w.recordKey(p)
	if err != nil {
		return reply{}, err
	}
	get := p.r.PostForm.Get
	err = w.review.Step(p.ctx, review.Step{Village: rec.Village, Record: rec.ID, To: get("to"), Shown: printsOf(get("_shown")), Note: strings.TrimSpace(get("note")),
		Today: p.today(), Who: p.account.Login, Roles: p.asWriter()})
	var moved *review.MovedError
	var refused *merge.Refusal
	said := "step"
	switch {
	case errors.As(err, &moved):
		said = "moved"
	case errors.Is(err, review.ErrReason):
		said = "note"
	case errors.Is(err, review.ErrLong):
		said = "reason"
	case errors.Is(err, review.ErrSelf):
		said = "self"
	case errors.Is(err, review.ErrVoid), errors.Is(err, store.ErrErased):
		said = "gone"
	case errors.Is(err, review.ErrStep), errors.Is(err, review.ErrForm), errors.As(err, &refused):
		return reply{}, errRole
	case err != nil:
		return reply{}, err
	}
	return goTo(address(href(record.Key{Village: rec.Village, ID: rec.ID}), "said", said))
}
