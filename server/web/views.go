package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// maxViewName bounds the name of a saved view, in characters.
const maxViewName = 30

// shares tells whether whoever is in has what others at the office share: those who see
// all that there is.
func (p *page) shares() bool {
	return access.May(p.account.Roles, access.SeeRecords) && hasRole(p.account.Roles, identity.Office)
}

func hasRole(roles []identity.Role, r identity.Role) bool {
	for _, x := range roles {
		if x == r {
			return true
		}
	}
	return false
}

// saveView keeps a list under a name.
func (w *Site) saveView(p *page) (reply, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	if f == nil {
		return reply{}, errNowhere
	}
	get := p.r.PostForm.Get
	q, err := url.ParseQuery(get("query"))
	if err != nil {
		return reply{}, errAsked
	}
	if code := record.Village(q.Get("village")); code != "" {
		if known, err := p.isKnown(code); err != nil || !known {
			return reply{}, cmp.Or[error](err, errVillage)
		}
	}
	q.Del("after")
	v, err := p.readList(f, q)
	if err != nil {
		return reply{}, err
	}
	name := strings.TrimSpace(get("name"))
	if name == "" || len([]rune(name)) > maxViewName {
		v.said = p.T("view.name.bad", maxViewName)
	} else {
		err = w.store.SaveView(p.ctx, store.SavedView{Login: p.account.Login, Type: f.Type, Name: name, Query: v.rawQuery(p), Shared: get("shared") != "" && p.shares()})
		if errors.Is(err, store.ErrViews) {
			v.said, err = p.T("view.full"), nil
		}
		if err != nil {
			return reply{}, err
		}
	}
	if v.said != "" {
		p.still = true
		a, err := w.showList(p, v)
		a.status = http.StatusUnprocessableEntity
		return a, err
	}
	return goTo(v.href(p))
}

// dropView forgets one of one's own.
func (w *Site) dropView(p *page) (reply, error) {
	if err := w.store.DropView(p.ctx, p.account.Login, p.r.PathValue("id")); err != nil {
		return reply{}, err
	}
	to := p.r.PostForm.Get("back")
	if !local(to) {
		to = "/records"
	}
	return goTo(to)
}

// viewHref is where a saved view leads.
func viewHref(v store.SavedView) string {
	if v.Query == "" {
		return "/records/" + string(v.Type)
	}
	return "/records/" + string(v.Type) + "?" + v.Query
}

// now gives the saved view that the list is, nil where it is none.
func (v *listView) now(p *page) *store.SavedView {
	for i := range v.saved {
		if viewHref(v.saved[i]) == v.href(p) {
			return &v.saved[i]
		}
	}
	return nil
}

// viewName is what a view is called, with whose it is where it is another's.
func (p *page) viewName(v store.SavedView) string {
	if v.Login == p.account.Login {
		return v.Name
	}
	return p.T("view.of", v.Name, v.Login)
}

// rawQuery is what the list was asked for, as an address has it.
func (v *listView) rawQuery(p *page) string {
	_, q, _ := strings.Cut(v.href(p), "?")
	return q
}
