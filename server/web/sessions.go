package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
)

// openSession is a browser that somebody is signed in with, as they see it.
type openSession struct {
	store.Session
	handle string // names it in a form
	this   bool
}

// handle names a session in a form. What lies in the table goes to no page.
func (w *Site) handle(id string) string {
	mac := hmac.New(sha256.New, w.key)
	mac.Write([]byte("session\x00" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// hashed is how a session's token is kept.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// isOpen tells a session that still opens pages: one under another password or second
// factor, or that nobody has used for an hour, lies in the table and does not.
func (w *Site) isOpen(s *store.Session, account *store.Account) bool {
	return s.Stamp == access.Stamp(account) && w.store.Now().Sub(s.Seen) <= sessionIdle
}

// mySessions lists the open sessions of whoever is in, this one first.
func (w *Site) mySessions(p *page) ([]openSession, error) {
	list, err := w.store.Sessions(p.ctx, p.account.Login)
	if err != nil {
		return nil, err
	}
	var open []openSession
	this := hashed(w.sessions.Token(p.ctx))
	for _, s := range list {
		o := openSession{s, w.handle(s.ID), s.ID == this}
		switch {
		case o.this:
			open = slices.Insert(open, 0, o)
		case w.isOpen(&s, &p.account):
			open = append(open, o)
		}
	}
	return open, nil
}

// openByAccount counts the open sessions of each account.
func (w *Site) openByAccount(p *page, accounts []store.Account) (map[string]int, error) {
	list, err := w.store.Sessions(p.ctx, "")
	count := map[string]int{}
	for _, s := range list {
		i := slices.IndexFunc(accounts, func(a store.Account) bool { return a.Login == s.Login })
		if i >= 0 && w.isOpen(&s, &accounts[i]) {
			count[s.Login]++
		}
	}
	return count, err
}

// endSessions ends one of one's own sessions, or all but this.
func (w *Site) endSessions(p *page) (reply, error) {
	end := p.r.PostForm.Get("end")
	open, err := w.mySessions(p)
	if err != nil {
		return reply{}, err
	}
	var ids []string
	for _, s := range open {
		if !s.this && (end == "others" || end == s.handle) {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 { // it has ended by itself
		return goTo("/me#sessions")
	}
	if err := w.store.DropSessions(p.ctx, ids, &store.Note{Act: "signout", Subject: strconv.Itoa(len(ids))}); err != nil {
		return reply{}, err
	}
	return goTo("/me?ended=1#sessions")
}

// endAccountSessions ends all sessions of somebody else's account.
func (w *Site) endAccountSessions(p *page) (reply, error) {
	login := p.r.PostForm.Get("login")
	if login == p.account.Login {
		return goTo("/me#sessions")
	}
	if err := w.access.SignOut(p.ctx, login); err != nil {
		return reply{}, err
	}
	return goTo("/accounts")
}

// Browsers and systems as they call themselves, the more particular first: every browser
// also calls itself what it descends from.
var browsers, systems = [][2]string{
	{"MicroMessenger", "微信"}, {"DingTalk", "钉钉"}, {"QQBrowser", "QQ 浏览器"}, {"MetaSr", "搜狗浏览器"}, {"360SE", "360 浏览器"}, {"360EE", "360 浏览器"},
	{"UBrowser", "UC 浏览器"}, {"UCBrowser", "UC 浏览器"}, {"HuaweiBrowser", "华为浏览器"}, {"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"Edge/", "Edge"}, {"OPR/", "Opera"},
	{"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Chromium/", "Chromium"}, {"Safari/", "Safari"}, {"Trident/", "Internet Explorer"},
}, [][2]string{
	{"OpenHarmony", "HarmonyOS"}, {"HarmonyOS", "HarmonyOS"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"},
	{"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// browserOf says in two words what browser there is on which system. Of the long line that
// a browser says of itself no more is kept.
func browserOf(agent string) string {
	of := func(list [][2]string) string {
		for _, b := range list {
			if strings.Contains(agent, b[0]) {
				return b[1]
			}
		}
		return ""
	}
	b, s := of(browsers), of(systems)
	if b == "" && s == "" {
		return ""
	}
	return b + "/" + s
}

// browserText says it in a sentence.
func (p *page) browserText(of string) string {
	b, s, _ := strings.Cut(of, "/")
	switch {
	case b != "" && s != "":
		return p.T("session.browser", b, s)
	case b+s != "":
		return b + s
	}
	return p.T("session.browser.unknown")
}
