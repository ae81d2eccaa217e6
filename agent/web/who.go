package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/shared/escrow"
)

// The people of a laptop: each is chosen by name, and may have a PIN. That keeps a
// colleague from writing in somebody's name by mistake or for fun; it locks nothing away,
// and the pages say so. Whoever knows the laptop's passphrase, or has the office's code
// for it, gives a name its first PIN and takes a forgotten one away: else anybody who
// chooses a colleague's name could shut him out of it. Another PIN is set by whoever knows
// the one before.

// tries are the wrong PINs since the agent began.
type tries struct {
	mu   sync.Mutex // also: one PIN is tried at a time, which takes memory
	last map[string]time.Duration
}

// pinWait is how long nobody can try again after so many wrong PINs.
func pinWait(misses int) time.Duration {
	waits := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}
	if misses < 3 {
		return 0
	}
	return waits[min(misses-3, len(waits)-1)]
}

// tryPin tells whether digits are somebody's PIN, or how long nobody can try. The misses
// outlive the agent, and the clock is how long it has been running: setting a clock helps
// nobody, and after a restart the wait begins anew.
func (w *Site) tryPin(p *page, name, digits string) (right bool, wait time.Duration, err error) {
	w.tries.mu.Lock()
	defer w.tries.mu.Unlock()
	has, err := w.store.Profile(name)
	if err != nil {
		return false, 0, err
	}
	if left := pinWait(has.Misses) - (w.doors.uptime() - w.tries.last[name]); left > 0 {
		return false, left, nil
	}
	if right, err = w.store.TryPin(p.r.Context(), name, digits); !right && err == nil {
		w.tries.last[name] = w.doors.uptime()
		wait = pinWait(has.Misses + 1)
	}
	return right, wait, err
}

// proven is who gave the right PIN in a session, and was not away since.
func (d *doors) proven(secret string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.find(secret); s != nil {
		return s.as
	}
	return ""
}

func (d *doors) prove(secret, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.find(secret); s != nil {
		s.as = name
	}
}

// shut asks everybody again who has come in.
func (d *doors) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.sessions {
		d.sessions[i].open, d.sessions[i].as = false, ""
	}
}

// signs tells whether what is written in this session may carry that name.
func (p *page) signs(name string) bool {
	if !slices.Contains(p.device.Assigned.Profiles, name) {
		return false
	}
	has := p.people[name]
	return !has.HasPin() || name == p.proven
}

// signers are the names that it may carry.
func (p *page) signers() (names []string) {
	for _, name := range p.device.Assigned.Profiles {
		if p.signs(name) {
			names = append(names, name)
		}
	}
	return names
}

// who is the profile that the browser last chose, or the laptop's first.
func (p *page) who() string {
	if c, err := p.r.Cookie(whoCookie(p.r)); err == nil {
		if name, err := url.QueryUnescape(c.Value); err == nil && slices.Contains(p.device.Assigned.Profiles, name) {
			return name
		}
	}
	name, _ := p.device.Author("")
	return name
}

func whoCookie(r *http.Request) string { return cookieName(r) + "-who" }

func (p *page) chosen(name string) *http.Cookie {
	return &http.Cookie{
		Name: whoCookie(p.r), Value: url.QueryEscape(name), Path: p.site.root + "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(sessionLife.Seconds()),
	}
}

// whoView is the page on which somebody says who he is.
type whoView struct {
	wrong     string
	forgotten string // whose PIN is to be taken away
	n         int    // which of the profiles that is
}

// ask is what there is while it is not known who is at the laptop. What somebody filled
// in is on its way stays on the page that is shown instead.
func (w *Site) ask(p *page) (reply, error) {
	if p.r.Method == http.MethodPost {
		return reply{send: func(rw http.ResponseWriter) {
			w.write(rw, p.r, http.StatusLocked, doorPage(p, "pin.title", "pin.resend"))
		}}, nil
	}
	p.title = p.T("me.who")
	return reply{status: http.StatusLocked, body: whoPage(p, &whoView{})}, nil
}

func (w *Site) me(p *page) (reply, error) {
	p.title, p.at = p.T("me.who"), "me"
	v := &whoView{n: -1}
	if n, err := strconv.Atoi(p.r.URL.Query().Get("forgotten")); err == nil && n >= 0 && n < len(p.device.Assigned.Profiles) {
		v.n, v.forgotten = n, p.device.Assigned.Profiles[n]
	}
	return show(whoPage(p, v))
}

// setMe changes who is at the laptop, or the language.
func (w *Site) setMe(p *page) (reply, error) {
	p.title, p.at = p.T("me.who"), "me"
	body := p.r.PostForm
	if l := body.Get("language"); l == "zh" || l == "en" {
		if err := w.speak(p, l); err != nil {
			return reply{}, err
		}
	}
	to := backTo(body.Get("back"))
	who := body.Get("who")
	has := p.people[who]
	switch {
	case !slices.Contains(p.device.Assigned.Profiles, who):
		return goTo(to)
	case p.signs(who):
		return reply{to: to, cookie: p.chosen(who)}, nil
	case body.Get("word") != "":
		if err := w.opens(body.Get("word")); err != nil {
			return p.who422(&whoView{wrong: p.T(ownFault(err)), n: slices.Index(p.device.Assigned.Profiles, who), forgotten: who})
		}
		if err := w.store.SetPin(p.r.Context(), who, ""); err != nil {
			return reply{}, err
		}
		return reply{to: to, cookie: p.chosen(who)}, nil
	case !has.HasPin():
		return goTo(to)
	}
	right, wait, err := w.tryPin(p, who, body.Get("pin"))
	switch {
	case err != nil:
		return reply{}, err
	case right:
		w.doors.prove(w.sessionOf(p.r), who)
		return reply{to: to, cookie: p.chosen(who)}, nil
	}
	return p.who422(&whoView{wrong: p.pinFault(wait)})
}

func (p *page) who422(v *whoView) (reply, error) {
	return reply{status: http.StatusUnprocessableEntity, body: whoPage(p, v)}, nil
}

// pinFault says that a PIN was wrong, or that nobody can try for a while.
func (p *page) pinFault(wait time.Duration) string {
	if wait > 0 {
		return p.T("pin.wait", syncclient.Span(wait, p.lang))
	}
	return p.T("pin.wrong")
}

// speak makes a language that of whoever is at the laptop, and of the pages on which
// nobody has said who that is.
func (w *Site) speak(p *page, lang string) error {
	if p.stranger == "" && p.author != "" {
		if err := w.store.SetProfile(p.r.Context(), p.author, func(x *store.Profile) { x.Language = lang }); err != nil {
			return err
		}
	}
	_, err := w.store.SetDevice(p.r.Context(), func(d *store.Device) { d.Language = lang })
	return err
}

// opens tells whether a word is the laptop's passphrase, or the office's code for it.
func (w *Site) opens(word string) error {
	if w.lock == nil {
		return vault.ErrWrong
	}
	return w.lock.Owns([]byte(word))
}

func ownFault(err error) string {
	if errors.Is(err, vault.ErrWrong) || errors.Is(err, vault.ErrLocked) || errors.Is(err, escrow.ErrCode) {
		return "pin.word.wrong"
	}
	return "lock.failed"
}

// setPin gives whoever is at the laptop a PIN, another, or none.
func (w *Site) setPin(p *page, v *settingsView) (bool, error) {
	body, has := p.r.PostForm, p.people[p.author]
	if has.HasPin() {
		right, wait, err := w.tryPin(p, p.author, body.Get("old"))
		if err != nil {
			return false, err
		}
		if !right {
			v.wrong = p.pinFault(wait)
			return false, nil
		}
	}
	fresh := body.Get("fresh")
	switch {
	case body.Get("do") == "remove":
		fresh = ""
	case fresh == "" || fresh != body.Get("again"):
		v.wrong = p.T("pin.twice")
		return false, nil
	}
	if fresh != "" && !has.HasPin() {
		if err := w.opens(body.Get("word")); err != nil {
			v.wrong = p.T(ownFault(err))
			return false, nil
		}
	}
	err := w.store.SetPin(p.r.Context(), p.author, fresh)
	if errors.Is(err, store.ErrPin) {
		v.wrong = p.T("pin.form")
		return false, nil
	}
	if err == nil {
		w.doors.prove(w.sessionOf(p.r), p.author)
	}
	return err == nil, err
}
