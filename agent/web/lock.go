package web

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"zhucun/agent/vault"
	"zhucun/shared/escrow"
	"zhucun/shared/form"
)

// idleLock is how long a page may lie unused before it asks for the passphrase,
// where there is one, and who is there, where nobody chose otherwise.
const idleLock = 15 * time.Minute

// Lock is what the data is locked by. Way tells what unlocks it. Unlock checks a
// passphrase: vault.ErrWrong when it is another. Set makes fresh the passphrase,
// none where it is empty; old is the one until then, where there is one:
// vault.ErrWrong, vault.ErrShort. Recover does so by the office's recovery code:
// escrow.ErrCode, vault.ErrWrong where the code is another laptop's,
// vault.ErrShort. Owns tells whether a word is the passphrase, where there is one, or
// such a code, and changes nothing: vault.ErrWrong, escrow.ErrCode.
type Lock interface {
	Way() vault.Way
	Unlock(passphrase []byte) error
	Set(old, fresh []byte) error
	Recover(code string, fresh []byte) error
	Owns(word []byte) error
}

// Gate is who may come in: sessions, and the lock.
type Gate struct {
	doors *doors
	root  string // the path under which all pages but /open are
	lock  Lock   // nil where there is none
	log   *slog.Logger
	// waiting tells that the data is still locked, for everybody.
	waiting atomic.Bool
	// lapsed tells for how many days the laptop was out of contact, where that is
	// longer than the office allows; nil while the data is locked.
	lapsed atomic.Pointer[func() (int, bool)]
}

// NewGate makes the gate of a data folder. lock may be nil.
func NewGate(dir string, lock Lock, opt Options) *Gate {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	d := newDoors(dir, opt.Clock)
	return &Gate{doors: d, root: d.root(), lock: lock, log: opt.Log}
}

// Link gives the path and query of a link that opens the pages once, within ten
// minutes.
func (g *Gate) Link() string { return "/open?k=" + g.doors.mint() }

// Wait serves what there is before the data is unlocked: the door, and the lock.
// Open ends that.
func (g *Gate) Wait(lang form.Lang) http.Handler {
	g.waiting.Store(true)
	spoken := func() form.Lang { return lang }
	return g.guard(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Refresh", "1")
		g.door(rw, r, spoken, http.StatusOK, "lock.opening", "lock.opening.next")
	}), spoken)
}

// Open lets in those who gave the passphrase.
func (g *Gate) Open() { g.waiting.Store(false) }

// locked tells whether whoever asks must give the passphrase first.
func (g *Gate) locked(r *http.Request) bool {
	if g.lock == nil {
		return false
	}
	// Without a passphrase the pages stay open for as long as there is contact.
	if g.doors.isOpen(g.sessionOf(r)) && (g.lock.Way() == vault.Passphrase || g.waiting.Load()) {
		return false
	}
	if g.waiting.Load() || g.lock.Way() == vault.Passphrase {
		return true
	}
	if _, lapsed := g.outOfContact(); lapsed {
		return true
	}
	g.doors.unlock(g.sessionOf(r))
	return false
}

// outOfContact tells whether the laptop was out of contact for longer than the
// office allows, and for how many days.
func (g *Gate) outOfContact() (days int, lapsed bool) {
	if f := g.lapsed.Load(); f != nil {
		return (*f)()
	}
	return 0, false
}

// contacts tells the one thing that is done on a page that is locked for want of
// contact.
func (g *Gate) contacts(r *http.Request) bool {
	_, lapsed := g.outOfContact()
	return lapsed && g.lock.Way() != vault.Passphrase && r.Method == http.MethodPost && r.URL.Path == g.root+"/sync"
}

// isOpen tells whether a session needs no passphrase now.
func (d *doors) isOpen(secret string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.find(secret)
	return s != nil && s.open
}

// shut tells that nobody may come in but who gives a passphrase first: what is kept of
// the data for the pages may go.
func (g *Gate) shut() bool {
	if g.lock == nil {
		return false
	}
	if g.lock.Way() != vault.Passphrase {
		_, lapsed := g.outOfContact()
		return lapsed
	}
	return !g.doors.anyOpen()
}

// anyOpen tells whether there is a session that needs no passphrase now.
func (d *doors) anyOpen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.uptime()
	return slices.ContainsFunc(d.sessions, func(s session) bool {
		return s.open && max(now-s.used, d.wall().Sub(s.seen)) <= time.Duration(d.idle.Load())
	})
}

// unlock opens a session.
func (d *doors) unlock(secret string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.find(secret); s != nil {
		s.open = true
	}
}

// atLock answers whoever must give the passphrase first. What somebody filled in
// is on its way stays on the page that is shown instead.
func (g *Gate) atLock(rw http.ResponseWriter, r *http.Request, lang func() form.Lang) {
	p := &page{site: &Site{Gate: g}, r: r, lang: lang(), token: g.doors.token()}
	back := backTo(cmp.Or(r.PostForm.Get("back"), strings.TrimPrefix(r.URL.RequestURI(), g.root)))
	var err error
	switch {
	case r.Method != http.MethodPost:
	case r.URL.Path == g.root+"/unlock":
		err = g.lock.Unlock([]byte(r.PostForm.Get("passphrase")))
	case r.URL.Path == g.root+"/recover":
		if fresh := r.PostForm.Get("fresh"); fresh == "" || fresh != r.PostForm.Get("again") {
			err = errTwice
		} else {
			err = g.lock.Recover(r.PostForm.Get("code"), []byte(fresh))
		}
	default:
		g.write(rw, r, http.StatusLocked, doorPage(p, "lock.title", "lock.resend"))
		return
	}
	if r.Method == http.MethodPost && err == nil {
		g.doors.unlock(g.sessionOf(r))
		if strings.HasPrefix(back, "/unlock") || strings.HasPrefix(back, "/recover") {
			back = "/"
		}
		http.Redirect(rw, r, g.root+back, http.StatusSeeOther)
		return
	}
	if err != nil {
		g.log.Warn("not unlocked", "error", err)
	}
	v := g.unlockView(p, err)
	if !v.passphrase && r.URL.Query().Get("asked") != "" {
		rw.Header().Set("Refresh", "4; url="+g.root+"/sync?asked=1") // a sync is under way
	}
	g.write(rw, r, http.StatusLocked, unlockPage(p, back, v))
}

// unlockView is the page that asks for a passphrase, or says that the laptop was
// out of contact for too long.
type unlockView struct {
	passphrase bool   // there is one
	how, wrong string // what to do, and what was wrong, "" for nothing
	recover    bool   // the part for a recovery code is open
}

func (g *Gate) unlockView(p *page, err error) unlockView {
	v := unlockView{passphrase: true, how: p.T("lock.how")}
	if fault := lockFault(err); fault != "" {
		v.wrong = p.T(fault)
		v.recover = fault == "lock.code" || fault == "lock.twice" || fault == "lock.short"
	}
	if days, lapsed := g.outOfContact(); lapsed && g.lock.Way() != vault.Passphrase {
		v.passphrase, v.recover, v.how = false, true, p.T("lock.lapsed", days)
	}
	return v
}

// errTwice says that a new passphrase was not given twice alike.
var errTwice = errors.New("the new passphrase was not typed twice alike")

// lockFault gives the text that says what was wrong; "" for nothing.
func lockFault(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errTwice):
		return "lock.twice"
	case errors.Is(err, vault.ErrShort):
		return "lock.short"
	case errors.Is(err, escrow.ErrCode):
		return "lock.code"
	case errors.Is(err, vault.ErrWrong), errors.Is(err, vault.ErrLocked):
		return "lock.wrong"
	}
	return "lock.failed"
}

// bare tells that nothing but the system's own rights keeps the data from others.
func (p *page) bare() bool { return p.site.lock != nil && p.site.lock.Way() == vault.Unprotected }

// lockView is the page of the lock.
type lockView struct {
	way   vault.Way
	done  bool
	wrong string // what was wrong, an id of texts
}

func (w *Site) lockPage(p *page) (reply, error) {
	p.title, p.at = p.T("lock.page"), "settings"
	if w.lock == nil {
		return reply{}, errNowhere
	}
	return show(lockPage(p, &lockView{way: w.lock.Way(), done: p.r.URL.Query().Get("done") != ""}))
}

// setLock sets the passphrase, or does without one.
func (w *Site) setLock(p *page) (reply, error) {
	if w.lock == nil {
		return reply{}, errNowhere
	}
	body := p.r.PostForm
	fresh, err := body.Get("fresh"), error(nil)
	switch {
	case body.Get("do") == "remove":
		err = w.lock.Set([]byte(body.Get("old")), nil)
	case fresh == "" || fresh != body.Get("again"):
		err = errTwice
	default:
		err = w.lock.Set([]byte(body.Get("old")), []byte(fresh))
	}
	if err == nil {
		w.doors.unlock(w.sessionOf(p.r))
		return goTo("/lock?done=1")
	}
	p.title, p.at = p.T("lock.page"), "settings"
	return reply{status: http.StatusUnprocessableEntity, body: lockPage(p, &lockView{way: w.lock.Way(), wrong: lockFault(err)})}, nil
}
