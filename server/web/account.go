package web

import (
	"net/http"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// given are the roles that an account can have: those that have pages.
var given = []identity.Role{identity.Office, identity.Leader, identity.Inspector, identity.SponsorUnit, identity.Admin}

type accountsView struct {
	accounts []store.Account
	said     string
	login    string
	roles    []identity.Role
	village  record.Village
	// password is a new one, shown once, and of whom.
	password, of string
	// open is how many sessions each account has.
	open map[string]int
	// required are the roles that must have a second factor.
	required []identity.Role
}

func (w *Site) accounts(p *page) (reply, error) { return w.showAccounts(p, 0, &accountsView{}) }

func (w *Site) showAccounts(p *page, status int, v *accountsView) (reply, error) {
	p.title, p.at = p.T("nav.accounts"), accounts
	p.still = p.still || v.said != "" || v.password != ""
	var err error
	if v.accounts, err = w.store.Accounts(p.ctx); err != nil {
		return reply{}, err
	}
	if v.required, err = w.access.FactorRoles(p.ctx); err != nil {
		return reply{}, err
	}
	if p.may(access.SetAccounts) {
		if v.open, err = w.openByAccount(p, v.accounts); err != nil {
			return reply{}, err
		}
	}
	return reply{status: status, body: accountsPage(p, v)}, nil
}

// addAccount enters an account with a password that is shown once.
func (w *Site) addAccount(p *page) (reply, error) {
	v := &accountsView{login: strings.TrimSpace(p.r.PostForm.Get("login")), village: record.Village(p.r.PostForm.Get("village"))}
	for _, r := range p.r.PostForm["role"] {
		if slices.Contains(given, identity.Role(r)) {
			v.roles = append(v.roles, identity.Role(r))
		}
	}
	if len(v.roles) == 0 {
		v.said = p.T("account.norole")
		return w.showAccounts(p, http.StatusUnprocessableEntity, v)
	}
	password, err := w.access.NewPassword()
	if err != nil {
		return reply{}, err
	}
	err = w.access.AddAccount(p.ctx, v.login, password, v.roles, v.village)
	if said := p.sentence(err); said != "" {
		v.said = said
		return w.showAccounts(p, http.StatusUnprocessableEntity, v)
	} else if err != nil {
		return reply{}, err
	}
	return w.showAccounts(p, 0, &accountsView{password: password, of: v.login})
}

// resetPassword gives an account a new password; its sessions end.
func (w *Site) resetPassword(p *page) (reply, error) {
	login := p.r.PostForm.Get("login")
	password, err := w.access.NewPassword()
	if err != nil {
		return reply{}, err
	}
	if login == p.account.Login {
		return goTo("/me")
	}
	if err := w.access.SetPassword(p.ctx, login, password); err != nil {
		return reply{}, err
	}
	return w.showAccounts(p, 0, &accountsView{password: password, of: login})
}

type meView struct {
	said string
	done bool
	must bool // a second factor
	open []openSession
}

func (w *Site) me(p *page) (reply, error) {
	return w.showMe(p, 0, &meView{done: p.r.URL.Query().Has("done")})
}

func (w *Site) showMe(p *page, status int, v *meView) (reply, error) {
	p.title, p.at, p.still = p.T("me.title"), "me", true
	var err error
	if v.must, err = w.access.MustHaveFactor(p.ctx, &p.account); err != nil {
		return reply{}, err
	}
	if v.open, err = w.mySessions(p); err != nil {
		return reply{}, err
	}
	return reply{status: status, body: mePage(p, v)}, nil
}

// setPassword changes one's own password; every other session ends.
func (w *Site) setPassword(p *page) (reply, error) {
	get := p.r.PostForm.Get
	if get("new") != get("again") {
		return w.showMe(p, http.StatusUnprocessableEntity, &meView{said: p.T("me.differ")})
	}
	if _, err := w.access.SignIn(p.ctx, p.from(), p.account.Login, get("old")); err != nil {
		return w.refuseMe(p, err, "me.wrong")
	}
	err := w.access.SetPassword(p.ctx, p.account.Login, get("new"))
	if said := p.sentence(err); said != "" {
		return w.showMe(p, http.StatusUnprocessableEntity, &meView{said: said})
	} else if err != nil {
		return reply{}, err
	}
	if err := w.again(p, w.sessions.GetBool(p.ctx, keyPassed)); err != nil {
		return reply{}, err
	}
	return goTo("/me?done=1")
}
