package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"zhucun/server/access"
	"zhucun/server/store"
)

// How long a session lasts: at most, and without anybody doing anything.
const (
	sessionLife = 12 * time.Hour
	sessionIdle = 60 * time.Minute
	// A session that is used is noted once in this time, not at every page: a
	// note is a write.
	sessionNote = time.Minute
	// halfLife is how long there is to enter the code, or to set one up, after the
	// password.
	halfLife = 10 * time.Minute
	maxBody  = 1 << 20
)

// What a session holds.
const (
	keyLogin  = "login"
	keyStamp  = "stamp"  // access.Stamp: a new password ends it
	keySeen   = "seen"   // ms since 1970
	keyPassed = "passed" // the second factor
	keyFactor = "factor" // a secret that is being set up, sealed
	keyDrift  = "drift"  // how many steps the code was off, until a page has said it
)

// newSessions gives the manager of sessions over the store.
func newSessions(s *store.Store) *scs.SessionManager {
	// Not scs.New: it begins with a store in memory whose goroutine would stay.
	return &scs.SessionManager{Store: sessionStore{s}, Codec: scs.GobCodec{}, Lifetime: sessionLife, HashTokenInStore: true}
}

// sessionStore keeps the sessions of scs in the store.
type sessionStore struct{ s *store.Store }

func (k sessionStore) FindCtx(ctx context.Context, id string) ([]byte, bool, error) {
	return k.s.Session(ctx, id)
}

// sessionOf is what a commit says of the session beside its content.
type sessionOf struct {
	store.Session
	begins bool // it is a new one
}

type sessionOfKey struct{}

func (k sessionStore) CommitCtx(ctx context.Context, id string, body []byte, ends time.Time) error {
	n, _ := ctx.Value(sessionOfKey{}).(sessionOf)
	n.ID, n.Ends = id, ends
	if n.begins {
		return k.s.BeginSession(ctx, n.Session, body)
	}
	return k.s.PutSession(ctx, n.Session, body)
}

func (k sessionStore) DeleteCtx(ctx context.Context, id string) error {
	return k.s.DropSession(ctx, id)
}

// The three below are the interface of scs for stores without a context.
func (k sessionStore) Find(id string) ([]byte, bool, error) {
	return k.FindCtx(context.Background(), id)
}
func (k sessionStore) Delete(id string) error { return k.DeleteCtx(context.Background(), id) }
func (k sessionStore) Commit(id string, body []byte, ends time.Time) error {
	return k.CommitCtx(context.Background(), id, body, ends)
}

// formKey is what the tokens of forms are made with. It follows from the
// server's key, so that a restart does not spoil a form somebody is filling in.
func formKey(s *store.Store) []byte {
	mac := hmac.New(sha256.New, s.Key.Seed())
	mac.Write([]byte("zhucun office form token 1"))
	return mac.Sum(nil)
}

// secure tells whether the browser came over TLS, here or at a proxy before us.
func (w *Site) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(w.opt.URL, "https:")
}

// cookie makes a cookie of this site; with TLS its name keeps other hosts from
// setting it.
func (w *Site) cookie(r *http.Request, name, value string, age time.Duration) *http.Cookie {
	c := &http.Cookie{Name: w.cookieName(r, name), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: w.secure(r)}
	if c.MaxAge = int(age.Seconds()); age <= 0 {
		c.MaxAge = -1
	}
	return c
}

func (w *Site) cookieName(r *http.Request, name string) string {
	if w.secure(r) {
		return "__Host-zhucun-" + name
	}
	return "zhucun-" + name
}

func (w *Site) cookieValue(r *http.Request, name string) string {
	if c, err := r.Cookie(w.cookieName(r, name)); err == nil {
		return c.Value
	}
	return ""
}

// guest is who a session belongs to.
type guest struct {
	account store.Account
	// lacks is what is still to be done before it opens anything: needCode,
	// needFactor, or "".
	lacks string
}

// What a session that has passed the password only may need: a code, or a second
// factor where the account must have one.
const (
	needCode   = "code"
	needFactor = "factor"
)

// in tells whether somebody is signed in.
func (g *guest) in() bool { return g.account.Login != "" && g.lacks == "" }

// enter finds the session of a request and whose it is. A session that has
// ended, whose account is gone, has another password or second factor or was
// signed out everywhere, is nobody's.
func (w *Site) enter(r *http.Request) (context.Context, guest, error) {
	ctx, err := w.sessions.Load(r.Context(), w.cookieValue(r, "office"))
	if err != nil {
		return r.Context(), guest{}, fmt.Errorf("session: %w", err)
	}
	login := w.sessions.GetString(ctx, keyLogin)
	if login == "" {
		return ctx, guest{}, nil
	}
	account, err := w.store.Account(ctx, login)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ctx, guest{}, err
	}
	idle := w.store.Now().Sub(time.UnixMilli(w.sessions.GetInt64(ctx, keySeen)))
	if err != nil || idle > sessionIdle || w.sessions.GetString(ctx, keyStamp) != access.Stamp(&account) {
		return ctx, guest{}, w.sessions.Destroy(ctx)
	}
	lacks, err := w.lacks(ctx, &account, w.sessions.GetBool(ctx, keyPassed))
	return ctx, guest{account, lacks}, err
}

// lacks says what an account needs that has given its password, and may have
// passed the second factor.
func (w *Site) lacks(ctx context.Context, account *store.Account, passed bool) (string, error) {
	if account.Factor.IsSet() {
		if passed {
			return "", nil
		}
		return needCode, nil
	}
	must, err := w.access.MustHaveFactor(ctx, account)
	if must {
		return needFactor, err
	}
	return "", err
}

// seen notes that somebody is there. What a page asks for by itself does not
// count.
func (p *page) seen() {
	s, now := p.site.sessions, p.site.store.Now()
	if p.in() && !p.byItself() && now.Sub(time.UnixMilli(s.GetInt64(p.ctx, keySeen))) > sessionNote {
		s.Put(p.ctx, keySeen, now.UnixMilli())
	}
}

// sessionOf is what somebody can see of this session in the list of theirs.
func (p *page) sessionOf() sessionOf {
	n := store.Session{Login: p.account.Login, Stamp: access.Stamp(&p.account), Address: p.from().Unmap().String(), Browser: browserOf(p.r.UserAgent()),
		Seen: time.UnixMilli(p.site.sessions.GetInt64(p.ctx, keySeen))}
	return sessionOf{n, p.begins}
}

// keep writes what has changed in the session, and its cookie.
func (p *page) keep(rw http.ResponseWriter) error {
	if p.doorCookie != nil {
		http.SetCookie(rw, p.doorCookie)
	}
	if p.ctx == nil {
		return nil
	}
	s := p.site.sessions
	switch s.Status(p.ctx) {
	case scs.Modified:
		token, ends, err := s.Commit(context.WithValue(p.ctx, sessionOfKey{}, p.sessionOf()))
		if err != nil {
			return err
		}
		http.SetCookie(rw, p.site.cookie(p.r, "office", token, ends.Sub(p.site.store.Now())))
	case scs.Destroyed:
		http.SetCookie(rw, p.site.cookie(p.r, "office", "", 0))
	}
	return nil
}

// secret is what the tokens of the page's forms depend on: the session, or for
// somebody who is not in a cookie of the door.
func (p *page) secret() string {
	if p.in() {
		return p.site.sessions.Token(p.ctx)
	}
	if s := p.site.cookieValue(p.r, "door"); s != "" {
		return s
	}
	if p.doorCookie == nil {
		p.doorCookie = p.site.cookie(p.r, "door", rand.Text(), sessionLife)
	}
	return p.doorCookie.Value
}

func (p *page) tokenSum() []byte {
	mac := hmac.New(sha256.New, p.site.key)
	mac.Write([]byte(p.secret()))
	return mac.Sum(nil)[:16]
}

// token is what the forms of a page carry. It reads differently on every page:
// compressed beside what others can make the page say, a constant could be
// guessed from the length.
func (p *page) token() string {
	b := make([]byte, 32)
	rand.Read(b[:16]) // never fails: crypto/rand ends the program instead
	subtle.XORBytes(b[16:], b[:16], p.tokenSum())
	return base64.RawURLEncoding.EncodeToString(b)
}

var cross = http.NewCrossOriginProtection()

// checkForm reads a form and makes sure that it comes from a page of this
// session.
func (p *page) checkForm() error {
	if cross.Check(p.r) != nil {
		return errCross
	}
	read := p.r.ParseForm
	if uploads(p.r) {
		read = p.begin
	}
	if err := read(); err != nil {
		return errAsked
	}
	b, err := base64.RawURLEncoding.DecodeString(p.r.PostForm.Get("_token"))
	if err != nil || len(b) != 32 {
		return errCross
	}
	subtle.XORBytes(b[16:], b[:16], b[16:])
	if !hmac.Equal(b[16:], p.tokenSum()) {
		return errCross
	}
	return nil
}

// toSignIn sends somebody who is not in to the door, and remembers where they
// wanted to go.
func (w *Site) toSignIn(p *page) (reply, error) {
	if p.byItself() {
		return reply{}, &fault{http.StatusUnauthorized, "error.out", "error.out.next"}
	}
	to := ""
	if p.r.Method == http.MethodGet {
		if to = p.r.URL.RequestURI(); to == "/" {
			to = ""
		}
	}
	return goTo(address(p.next(), "to", to))
}

// next is the door that is still closed.
func (p *page) next() string {
	switch p.half.lacks {
	case needCode:
		return "/signin/code"
	case needFactor:
		return "/factor"
	}
	return "/signin"
}

func (w *Site) signInPage(p *page) (reply, error) {
	if p.in() {
		return goTo(home(p.account.Roles))
	}
	p.title, p.still = p.T("signin.title"), true
	return show(signInPage(p, p.r.URL.Query().Get("to"), "", ""))
}

func (w *Site) signIn(p *page) (reply, error) {
	login, to := strings.TrimSpace(p.r.PostForm.Get("login")), p.r.PostForm.Get("to")
	p.title, p.still = p.T("signin.title"), true
	account, err := w.access.SignIn(p.ctx, p.from(), login, p.r.PostForm.Get("password"))
	if status, said := p.refusal(err, "signin.wrong"); said != "" {
		return reply{status: status, body: signInPage(p, to, login, said)}, nil
	} else if err != nil {
		return reply{}, err
	}
	lacks, err := w.lacks(p.ctx, &account, false)
	if err != nil {
		return reply{}, err
	}
	if lacks == "" {
		if err := w.access.SignedIn(p.ctx, account.Login); err != nil {
			return reply{}, err
		}
	}
	if err := w.begin(p, account, false); err != nil {
		return reply{}, err
	}
	if !p.in() {
		return goTo(address(p.next(), "to", to))
	}
	return w.goOn(p, to)
}

// goOn leads whoever has come in to where they wanted to go.
func (w *Site) goOn(p *page, to string) (reply, error) {
	if u, err := url.Parse(to); err != nil || !local(to) || u.Host != "" {
		to = home(p.account.Roles)
	}
	return goTo(to)
}

// from is the address that a request came from.
func (p *page) from() netip.Addr {
	a, _ := netip.ParseAddrPort(p.r.RemoteAddr)
	return a.Addr()
}

// begin opens a session under a new token, at the password and again once the
// second factor is passed: a token that somebody planted, or saw before, is worth
// nothing.
func (w *Site) begin(p *page, account store.Account, passed bool) error {
	lacks, err := w.lacks(p.ctx, &account, passed)
	if err != nil {
		return err
	}
	p.settle(guest{account, lacks})
	p.begins = true
	life := sessionLife
	if lacks != "" {
		life = halfLife
	}
	if err := w.sessions.Clear(p.ctx); err != nil {
		return err
	}
	if err := w.sessions.RenewToken(p.ctx); err != nil {
		return err
	}
	w.sessions.SetDeadline(p.ctx, w.store.Now().Add(life))
	w.sessions.Put(p.ctx, keyLogin, account.Login)
	w.sessions.Put(p.ctx, keyStamp, access.Stamp(&account))
	w.sessions.Put(p.ctx, keyPassed, passed)
	w.sessions.Put(p.ctx, keySeen, w.store.Now().UnixMilli())
	return nil
}

func (w *Site) signOut(p *page) (reply, error) {
	if err := w.sessions.Destroy(p.ctx); err != nil {
		return reply{}, err
	}
	return goTo("/signin")
}

func (w *Site) setLanguage(p *page) (reply, error) {
	to := p.r.PostForm.Get("back")
	if !local(to) {
		to = "/"
	}
	lang := "zh"
	if p.r.PostForm.Get("language") == "en" {
		lang = "en"
	}
	return reply{to: to, cookie: w.cookie(p.r, "language", lang, 365*24*time.Hour)}, nil
}
