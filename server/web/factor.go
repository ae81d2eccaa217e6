package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/boombuler/barcode/qr"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
)

// refusal says why a password or a code was not taken; wrong is what is said of
// one that is wrong. "" is any other error.
func (p *page) refusal(err error, wrong string) (status int, said string) {
	var wait *access.WaitError
	switch {
	case errors.As(err, &wait):
		return http.StatusTooManyRequests, p.T("signin.wait", int(wait.For.Seconds())+1)
	case errors.Is(err, access.ErrUsed):
		return http.StatusUnauthorized, p.T("factor.used")
	case errors.Is(err, access.ErrSignIn) && wrong == "factor.wrong":
		return http.StatusUnauthorized, p.T(wrong, p.clock())
	case errors.Is(err, access.ErrSignIn):
		return http.StatusUnauthorized, p.T(wrong)
	}
	return 0, ""
}

// clock is the server's, for people to compare with theirs.
func (p *page) clock() string { return p.now.Format("15:04:05") }

// again opens a new session for whoever is in, after something about the account
// has changed.
func (w *Site) again(p *page, passed bool) error {
	login := p.account.Login
	if !p.in() {
		login = p.half.account.Login
	}
	account, err := w.store.Account(p.ctx, login)
	if err != nil {
		return err
	}
	return w.begin(p, account, passed)
}

func (w *Site) codePage(p *page) (reply, error) {
	return w.showCode(p, 0, p.r.URL.Query().Get("to"), "")
}

func (w *Site) showCode(p *page, status int, to, said string) (reply, error) {
	if p.half.lacks != needCode {
		return goTo(address(p.next(), "to", to))
	}
	p.title, p.still = p.T("factor.enter"), true
	return reply{status: status, body: secondPage(p, to, said)}, nil
}

// enterCode lets in who has given the password and now gives the code.
func (w *Site) enterCode(p *page) (reply, error) {
	to, login := p.r.PostForm.Get("to"), p.half.account.Login
	if p.half.lacks != needCode {
		return goTo(address(p.next(), "to", to))
	}
	passed, err := w.access.EnterCode(p.ctx, p.from(), login, p.r.PostForm.Get("code"))
	if status, said := p.refusal(err, "factor.wrong"); said != "" {
		return w.showCode(p, status, to, said)
	} else if err != nil {
		return reply{}, err
	}
	if err := w.access.SignedIn(p.ctx, login); err != nil {
		return reply{}, err
	}
	if err := w.again(p, true); err != nil {
		return reply{}, err
	}
	if passed.Drift != 0 {
		w.opt.Log.Warn("a code fitted another time than this machine's; see whether its clock is right", "login", login, "seconds", 30*passed.Drift)
		w.sessions.Put(p.ctx, keyDrift, passed.Drift)
	}
	if passed.Recovery {
		return goTo("/me") // it says how many are left
	}
	return w.goOn(p, to)
}

// factorView is a second factor being set up.
type factorView struct {
	text, address string
	qr            string
	size          int
	said, to      string
	must          bool
}

func (w *Site) factorPage(p *page) (reply, error) {
	return w.showFactor(p, 0, &factorView{to: p.r.URL.Query().Get("to")})
}

// setter is who sets up a second factor: whoever is in and has given the password
// for it, or must have one to come in.
func (p *page) setter() (login string, sealed []byte) {
	switch {
	case p.in():
		login = p.account.Login
	case p.half.lacks == needFactor:
		login = p.half.account.Login
	default:
		return "", nil
	}
	return login, p.site.sessions.GetBytes(p.ctx, keyFactor)
}

func (w *Site) showFactor(p *page, status int, v *factorView) (reply, error) {
	login, sealed := p.setter()
	switch {
	case login == "":
		return goTo(address(p.next(), "to", v.to))
	case sealed == nil && p.in():
		return goTo("/me")
	case sealed == nil:
		var err error
		if sealed, err = w.access.NewFactor(login); err != nil {
			return reply{}, err
		}
		w.sessions.Put(p.ctx, keyFactor, sealed)
	}
	var err error
	if v.text, v.address, err = w.access.FactorText(login, sealed); err != nil {
		return reply{}, err
	}
	if v.qr, v.size, err = qrPath(v.address, qr.Auto); err != nil {
		return reply{}, err
	}
	p.title, p.at, p.still, v.must = p.T("factor.title"), "me", true, !p.in()
	return reply{status: status, body: factorPage(p, v)}, nil
}

// setFactor takes the first code, and shows the recovery codes, this once.
func (w *Site) setFactor(p *page) (reply, error) {
	to := p.r.PostForm.Get("to")
	login, sealed := p.setter()
	if sealed == nil {
		return w.showFactor(p, 0, &factorView{to: to})
	}
	codes, err := w.access.SetFactor(p.ctx, login, sealed, p.r.PostForm.Get("code"))
	if status, said := p.refusal(err, "factor.wrong"); said != "" {
		return w.showFactor(p, status, &factorView{to: to, said: said})
	} else if err != nil {
		return reply{}, err
	}
	if !p.in() {
		if err := w.access.SignedIn(p.ctx, login); err != nil {
			return reply{}, err
		}
	}
	if err := w.again(p, true); err != nil {
		return reply{}, err
	}
	p.title, p.at, p.still = p.T("factor.done"), "me", true
	if !local(to) {
		to = "/me"
	}
	return show(recoveryPage(p, codes, to))
}

// refuseMe says on one's own page why a password or code was not taken.
func (w *Site) refuseMe(p *page, err error, wrong string) (reply, error) {
	status, said := p.refusal(err, wrong)
	if said == "" {
		return reply{}, err
	}
	if status == http.StatusUnauthorized {
		status = http.StatusUnprocessableEntity // whoever asks is in
	}
	return w.showMe(p, status, &meView{said: said})
}

// changeFactor begins to set up one's second factor, or drops it, for who gives
// the password and, where there is one, a code.
func (w *Site) changeFactor(p *page) (reply, error) {
	get, login := p.r.PostForm.Get, p.account.Login
	if _, err := w.access.SignIn(p.ctx, p.from(), login, get("password")); err != nil {
		return w.refuseMe(p, err, "me.wrong")
	}
	if p.account.Factor.IsSet() {
		if _, err := w.access.EnterCode(p.ctx, p.from(), login, get("code")); err != nil {
			return w.refuseMe(p, err, "factor.wrong")
		}
	}
	switch get("do") {
	case "set":
		sealed, err := w.access.NewFactor(login)
		if err != nil {
			return reply{}, err
		}
		w.sessions.Put(p.ctx, keyFactor, sealed)
		return goTo("/factor")
	case "drop":
		if must, err := w.access.MustHaveFactor(p.ctx, &p.account); err != nil {
			return reply{}, err
		} else if must {
			return w.showMe(p, http.StatusUnprocessableEntity, &meView{said: p.T("factor.must")})
		}
		if err := w.access.DropFactor(p.ctx, login, login, ""); err != nil {
			return reply{}, err
		}
		if err := w.again(p, false); err != nil {
			return reply{}, err
		}
		return goTo("/me")
	}
	return reply{}, errAsked
}

// signOutEverywhere ends every session of the account, this one too.
func (w *Site) signOutEverywhere(p *page) (reply, error) {
	if err := w.access.SignOut(p.ctx, p.account.Login); err != nil {
		return reply{}, err
	}
	return w.signOut(p)
}

// resetFactor takes somebody's lost second factor away; their sessions end.
func (w *Site) resetFactor(p *page) (reply, error) {
	login := p.r.PostForm.Get("login")
	if login == p.account.Login {
		return goTo("/me")
	}
	if err := w.access.DropFactor(p.ctx, p.account.Login, login, ""); err != nil {
		return reply{}, err
	}
	return goTo("/accounts")
}

// requireFactor says which roles must have a second factor. Who has none sets one
// up before the next page.
func (w *Site) requireFactor(p *page) (reply, error) {
	var roles []identity.Role
	for _, r := range given {
		if slices.Contains(p.r.PostForm["role"], string(r)) {
			roles = append(roles, r)
		}
	}
	if err := w.access.SetFactorRoles(p.ctx, roles, p.roles(roles)); err != nil {
		return reply{}, err
	}
	return goTo("/accounts")
}

// driftText says that the clocks of the server and a phone differ.
func (p *page) driftText() string {
	if p.drift > 0 {
		return p.T("factor.ahead", p.clock())
	}
	return p.T("factor.behind", p.clock())
}

// fours puts a space after every fourth character, for typing.
func fours(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// factorState says how an account's second factor stands.
func (p *page) factorState(a *store.Account) string {
	if a.Factor.IsSet() {
		return p.T("factor.on")
	}
	return p.T("factor.off")
}
