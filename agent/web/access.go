package web

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a-h/templ"

	"zhucun/shared/form"
)

// LinkLife is how long a link works once it was made.
const LinkLife = 10 * time.Minute

const (
	// sessionLife is how long a session lives when nobody uses it.
	sessionLife = 30 * 24 * time.Hour
	maxSessions = 32
	maxLinks    = 64
	maxBody     = 8 << 20
)

const sessionsFile = "web-sessions"

// doors knows who may come in: links that were not used yet, and the hashes of
// the sessions that were opened by one. Time in here is how long the agent has
// been running: a clock that is set right must not throw out whoever is in the
// middle of a form. Wall time counts only for what an earlier run left behind.
type doors struct {
	mu       sync.Mutex
	wall     func() time.Time
	uptime   func() time.Duration
	file     string
	links    map[string]link // by hash
	key      []byte          // of the data folder: the token comes of it
	sessions []session
	idle     atomic.Int64 // ns that a session may lie unused before it is asked again
}

type link struct {
	until time.Duration
	used  bool
}

type session struct {
	Hash string    `json:"hash"` // hex of SHA-256 of the secret
	Used time.Time `json:"used"` // to within a day
	used time.Duration
	// seen is when the last request came, by the wall: the time since the start
	// stands still while a laptop sleeps. Zero for one of an earlier run.
	seen time.Time
	// open tells that whoever has it gave the passphrase, and was not away since.
	open bool
	// as is who gave the PIN in it, and was not away since.
	as string
}

// doorsFile is what lies in the data folder.
type doorsFile struct {
	Key      []byte    `json:"key"`
	Sessions []session `json:"sessions"`
}

// newDoors reads the sessions of an earlier run. A file that cannot be read is
// no session: people ask for another link.
func newDoors(dir string, wall func() time.Time) *doors {
	start := time.Now()
	d := &doors{wall: wall, uptime: func() time.Duration { return time.Since(start) }, file: filepath.Join(dir, sessionsFile), links: map[string]link{}}
	d.idle.Store(int64(idleLock))
	var left doorsFile
	if raw, err := os.ReadFile(d.file); err == nil && json.Unmarshal(raw, &left) == nil && len(left.Key) == 32 {
		d.key, d.sessions = left.Key, left.Sessions
	} else {
		d.key = random()
	}
	d.sessions = slices.DeleteFunc(d.sessions, func(s session) bool { return wall().Sub(s.Used) > sessionLife })
	return d
}

// random is 256 bits.
func random() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

func secret() string { return base64.RawURLEncoding.EncodeToString(random()) }

func hashOf(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

func (d *doors) mint() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.uptime()
	for k, l := range d.links {
		if now > l.until || len(d.links) >= maxLinks {
			delete(d.links, k)
		}
	}
	k := secret()
	d.links[hashOf(k)] = link{until: now + LinkLife}
	return k
}

var (
	errLink = errors.New("the link is unknown or too old")
	errUsed = errors.New("the link was used")
)

// enter uses up a link and gives the secret of a new session. Sessions stand
// beside each other: the one used longest ago goes when there are too many.
func (d *doors) enter(k string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, known := d.links[hashOf(k)]
	now := d.uptime()
	switch {
	case !known || now > l.until:
		return "", errLink
	case l.used:
		return "", errUsed
	}
	l.used = true
	d.links[hashOf(k)] = l
	s := secret()
	d.sessions = append(d.sessions, session{Hash: hashOf(s), Used: d.wall(), used: now, seen: d.wall()})
	slices.SortStableFunc(d.sessions, func(a, b session) int { return cmp.Compare(a.used, b.used) })
	if n := len(d.sessions) - maxSessions; n > 0 {
		d.sessions = d.sessions[n:]
	}
	return s, d.write()
}

func (d *doors) write() error {
	raw, err := json.Marshal(doorsFile{d.key, d.sessions})
	if err != nil {
		return err
	}
	tmp := d.file + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.file)
}

// find gives the session of that secret, nil when there is none.
func (d *doors) find(secret string) *session {
	if secret == "" {
		return nil
	}
	h := []byte(hashOf(secret))
	i := slices.IndexFunc(d.sessions, func(s session) bool { return hmac.Equal([]byte(s.Hash), h) })
	if i < 0 || d.uptime()-d.sessions[i].used > sessionLife {
		return nil
	}
	return &d.sessions[i]
}

// in tells whether secret is that of an open session, and notes that it was
// used.
func (d *doors) in(secret string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, now := d.find(secret), d.uptime()
	if s == nil {
		return false
	}
	if away := max(now-s.used, d.wall().Sub(s.seen)); away > time.Duration(d.idle.Load()) {
		s.open, s.as = false, ""
	}
	s.used, s.seen = now, d.wall()
	if since := d.wall().Sub(s.Used); since > 24*time.Hour || since < -24*time.Hour {
		s.Used = d.wall()
		d.write() // one that fails costs a link after the next restart, no more
	}
	return true
}

// token is what every form carries, to prove that one of these pages sent it. It
// is the data folder's and not the session's: a form that was open when a new
// link made a new session is still to be kept and saved.
func (d *doors) token() string { return d.derive("form token 2") }

// root is the path under which the pages are. Browsers send the cookies of a
// host to all its ports, so that a program of another user on another port would
// be given the session's by any link that leads there: they send them only for
// the cookie's path, and this one nobody else knows.
func (d *doors) root() string { return "/" + d.derive("path 1") }

// derive makes 144 bits of the folder's key.
func (d *doors) derive(what string) string {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte("zhucun " + what))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// listening gives the port that took the request, and false when that is not
// loopback.
func listening(r *http.Request) (port string, ok bool) {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if addr == nil || !addr.IP.IsLoopback() {
		return "", false
	}
	_, port, err := net.SplitHostPort(addr.String())
	return port, err == nil
}

// here tells whether the request names this very listener. A page elsewhere
// that points its own name at 127.0.0.1 names itself.
func here(r *http.Request) bool {
	port, ok := listening(r)
	if !ok {
		return false
	}
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		if r.Host == net.JoinHostPort(host, port) || port == "80" && strings.Trim(r.Host, "[]") == host {
			return true
		}
	}
	return false
}

// inside tells the paths of the pages. It takes the same time for every path:
// nobody is to find out this one by trying.
func (g *Gate) inside(path string) bool {
	n := len(g.root) + 1
	return len(path) >= n && hmac.Equal([]byte(path[:n]), []byte(g.root+"/"))
}

func cookieName(r *http.Request) string {
	port, _ := listening(r)
	return "zhucun-" + port
}

// sessionOf gives the secret of an open session that the request has, or "". There
// may be other cookies of its name: whatever listens on another port of this host
// may set some, which must not throw anybody out.
func (g *Gate) sessionOf(r *http.Request) string {
	for _, c := range r.CookiesNamed(cookieName(r)) {
		if g.doors.in(c.Value) {
			return c.Value
		}
	}
	return ""
}

// foreign tells a request that a page of somebody else's brings about, a reading
// one too: to a browser the pages on other ports of this host are of the same
// site, so that it sends the cookie along, and opening a form makes a draft.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// policy is the Content-Security-Policy of every page but the one at the door.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard lets a request through to next that comes to this address, from a
// session that is not locked, and, where it changes something, from one of the
// session's pages. lang is the language of what it says itself.
func (g *Gate) guard(next http.Handler, lang func() form.Lang) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: browsers that send no Sec-Fetch-Site would then send
		// their own forms with the origin "null".
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !here(r):
			g.door(rw, r, lang, http.StatusMisdirectedRequest, "door.host", "door.host.next")
		case r.URL.Path == "/open":
			g.open(rw, r, lang)
		// Before the session is looked for: that would count as use of it.
		case !g.inside(r.URL.Path), foreign(r) && r.Method != http.MethodPost:
			g.door(rw, r, lang, http.StatusForbidden, "door.closed", "door.closed.next")
		case cross.Check(r) != nil:
			g.door(rw, r, lang, http.StatusForbidden, "door.cross", "door.cross.next")
		case g.sessionOf(r) == "" && r.Method == http.MethodPost && !g.uploads(r):
			// What somebody filled in is on its way: it stays on the page that is shown
			// instead, to be sent again.
			r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
			if err := r.ParseForm(); err != nil {
				g.door(rw, r, lang, http.StatusBadRequest, "door.body", "door.body.next")
				return
			}
			g.door(rw, r, lang, http.StatusForbidden, "door.closed", "door.again")
		case g.sessionOf(r) == "":
			g.door(rw, r, lang, http.StatusForbidden, "door.closed", "door.closed.next")
		case g.uploads(r) && g.locked(r):
			// The file is still where it was: only the page that asks for it is shown.
			to := "/bundles"
			if strings.HasSuffix(r.URL.Path, importPath) {
				to = "/import"
			}
			http.Redirect(rw, r, g.root+to, http.StatusSeeOther)
		case g.uploads(r):
			if g.receive(rw, r, lang) {
				next.ServeHTTP(rw, r)
			}
		default:
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
				if err := r.ParseForm(); err != nil {
					g.door(rw, r, lang, http.StatusBadRequest, "door.body", "door.body.next")
					return
				}
				if !hmac.Equal([]byte(r.PostForm.Get("_token")), []byte(g.doors.token())) {
					g.door(rw, r, lang, http.StatusForbidden, "door.cross", "door.cross.next")
					return
				}
			}
			if g.locked(r) && !g.contacts(r) {
				g.atLock(rw, r, lang)
				return
			}
			next.ServeHTTP(rw, r)
		}
	})
}

// open uses up a link. It answers with a page that leads on, not with a
// redirect: where the link was clicked in another program's page the browser
// would not send the new cookie along.
func (g *Gate) open(rw http.ResponseWriter, r *http.Request, lang func() form.Lang) {
	if r.Method != http.MethodGet {
		g.door(rw, r, lang, http.StatusMethodNotAllowed, "door.link", "door.link.next")
		return
	}
	// Only whoever sees the answer uses a link up: not a browser that fetches ahead,
	// nor a page that has it for an image. Old browsers do not tell.
	if to := r.Header.Get("Sec-Fetch-Dest"); to != "" && to != "document" || strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") {
		g.door(rw, r, lang, http.StatusForbidden, "door.link", "door.link.next")
		return
	}
	s, err := g.doors.enter(r.URL.Query().Get("k"))
	switch {
	case errors.Is(err, errUsed):
		g.log.Warn("a link to the pages was used twice")
		g.door(rw, r, lang, http.StatusForbidden, "door.used", "door.used.next")
	case errors.Is(err, errLink):
		g.door(rw, r, lang, http.StatusForbidden, "door.link", "door.link.next")
	case err != nil:
		g.log.Error("session not kept", "error", err)
		g.door(rw, r, lang, http.StatusInternalServerError, "error.failed", "error.failed.next")
	default:
		// Without an age: a browser counts that by a clock that may be set right
		// meanwhile. How long the session lives is for the doors to say.
		http.SetCookie(rw, &http.Cookie{Name: cookieName(r), Value: s, Path: g.root + "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		rw.Header().Set("Refresh", "0; url="+g.root+"/")
		g.door(rw, r, lang, http.StatusOK, "door.open", "")
	}
}

// door writes a page for somebody who is not in: nothing of the store is on it
// but the language.
func (g *Gate) door(rw http.ResponseWriter, r *http.Request, lang func() form.Lang, status int, what, next string) {
	p := &page{site: &Site{Gate: g}, r: r, lang: lang()}
	g.write(rw, r, status, doorPage(p, what, next))
}

// write writes a page that stands alone.
func (g *Gate) write(rw http.ResponseWriter, r *http.Request, status int, body templ.Component) {
	h := sha256.Sum256([]byte(doorStyle))
	rw.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(h[:])+"'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	if err := body.Render(r.Context(), rw); err != nil && r.Context().Err() == nil {
		g.log.Error("page not written", "path", r.URL.Path, "error", err)
	}
}

// doorStyle is the style of the page at the door, which may not load any.
const doorStyle = `body{margin:12vh auto;max-width:34rem;padding:0 1.25rem;font:1.125rem/1.8 "PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif;color:#1f1d18;background:#fbfaf6}h1{font-size:1.5rem;border-top:4px solid #1d5b4b;padding-top:1.5rem}a{color:#1d5b4b}form{margin:1.5rem 0}label{display:block;margin-top:.75rem}input:not([type=hidden]){display:block;box-sizing:border-box;width:100%;max-width:24rem;padding:.6rem .75rem;font:inherit;border:1px solid #8b8676;border-radius:4px;background:#fff}button{margin-top:1rem;padding:.5rem 1.5rem;font:inherit;border:0;border-radius:4px;color:#fff;background:#1d5b4b;cursor:pointer}summary{margin-top:3rem;color:#1d5b4b;cursor:pointer}.bad{color:#a1260d}`
