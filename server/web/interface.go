package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// interfacesPath is where programs are let in and told.
const interfacesPath = "/interfaces"

// tokenDays are what a token can be good for, in days.
var tokenDays = []int{30, 90, 365, 1095}

type interfacesView struct {
	tokens   []store.Token
	webhooks []store.Webhook
	said     string
	token    access.NewToken // as it was filled in
	hook     access.NewWebhook
	// made is a token or a secret, shown once, and of whom.
	made, of string
	secret   bool
	base     string
}

func (w *Site) interfaces(p *page) (reply, error) { return w.showInterfaces(p, 0, &interfacesView{}) }

func (w *Site) showInterfaces(p *page, status int, v *interfacesView) (reply, error) {
	p.title, p.at = p.T("nav.interfaces"), interfaces
	p.still = p.still || v.said != "" || v.made != ""
	v.base = strings.TrimSuffix(w.opt.URL, "/")
	if v.token.Days == 0 {
		v.token.Days = access.TokenDays
	}
	var err error
	if v.tokens, err = w.store.Tokens(p.ctx); err != nil {
		return reply{}, err
	}
	if v.webhooks, err = w.store.Webhooks(p.ctx); err != nil {
		return reply{}, err
	}
	return reply{status: status, body: interfacesPage(p, v)}, nil
}

// addToken makes a token, which is shown once.
func (w *Site) addToken(p *page) (reply, error) {
	get := p.r.PostForm
	n := access.NewToken{Name: strings.TrimSpace(get.Get("name")), Role: identity.Role(get.Get("role")), Unmask: get.Get("unmask") != "", Villages: chosen(get["village"])}
	n.Days, _ = strconv.Atoi(get.Get("days")) // what is no number is refused as 0 days
	token, k, err := w.access.AddToken(p.ctx, n)
	said := p.sentence(err)
	if errors.Is(err, store.ErrTaken) {
		said = p.T("token.taken")
	}
	if said != "" {
		return w.showInterfaces(p, http.StatusUnprocessableEntity, &interfacesView{said: said, token: n})
	} else if err != nil {
		return reply{}, err
	}
	return w.showInterfaces(p, 0, &interfacesView{made: token, of: k.Name})
}

func (w *Site) revokeToken(p *page) (reply, error) {
	if _, err := w.access.RevokeToken(p.ctx, p.r.PathValue("id")); err != nil && !errors.Is(err, store.ErrEnded) {
		return reply{}, err
	}
	return goTo(interfacesPath)
}

// addWebhook enters an address, whose secret is shown once.
func (w *Site) addWebhook(p *page) (reply, error) {
	get := p.r.PostForm
	n := access.NewWebhook{URL: strings.TrimSpace(get.Get("url")), Villages: chosen(get["village"])}
	for _, t := range get["type"] {
		n.Types = append(n.Types, record.Type(t))
	}
	secret, h, err := w.access.AddWebhook(p.ctx, n)
	if said := p.sentence(err); said != "" {
		return w.showInterfaces(p, http.StatusUnprocessableEntity, &interfacesView{said: said, hook: n})
	} else if err != nil {
		return reply{}, err
	}
	return w.showInterfaces(p, 0, &interfacesView{made: secret, of: access.HostOf(&h), secret: true})
}

func (w *Site) resumeWebhook(p *page) (reply, error) {
	_, err := w.access.ResumeWebhook(p.ctx, p.r.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return goTo(interfacesPath)
}

func (w *Site) removeWebhook(p *page) (reply, error) {
	_, err := w.access.RemoveWebhook(p.ctx, p.r.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return goTo(interfacesPath)
}

func chosen(codes []string) []record.Village {
	var list []record.Village
	for _, c := range codes {
		if c != "" {
			list = append(list, record.Village(c))
		}
	}
	return list
}

// tokenState says until when a token works.
func (p *page) tokenState(k *store.Token) string {
	switch {
	case !k.Revoked.IsZero():
		return p.T("token.revoked")
	case !k.Works(p.now):
		return p.T("token.old")
	}
	return p.T("token.until", p.day(k.Expires.In(beijing).Format("2006-01-02")))
}

// tokenSees says which villages a token reads.
func (p *page) tokenSees(k *store.Token) string {
	words := p.villages(k.Villages)
	if len(k.Villages) == 0 {
		words = p.T("token.all")
		if k.Role == identity.Admin {
			words = p.T("token.none")
		}
	}
	if k.Unmask {
		words += p.T("list.between") + p.T("token.full")
	}
	return words
}

// tokenUsed says on which day a token was last used.
func (p *page) tokenUsed(k *store.Token) string {
	if k.Used == "" {
		return p.T("moment.never")
	}
	return p.day(k.Used)
}

// webhookState says how sending to an address stands.
func (p *page) webhookState(h *store.Webhook) string {
	why := p.T("webhook.status", h.Said)
	if _, known := texts["webhook.said."+h.Said]; known {
		why = p.T("webhook.said." + h.Said)
	}
	switch {
	case !h.Paused.IsZero():
		return p.T("webhook.paused", why)
	case h.Tries > 0:
		return p.T("webhook.failing", why, h.Tries, p.moment(h.Next))
	}
	return p.T("webhook.well")
}

// webhookOf says what an address is told of.
func (p *page) webhookOf(h *store.Webhook) string {
	words := []string{}
	for _, t := range h.Types {
		if f := p.site.store.Forms().Form(t); f != nil {
			words = append(words, f.Title.In(p.lang))
		}
	}
	if len(words) == 0 {
		words = []string{p.T("webhook.types.all")}
	}
	if len(h.Villages) > 0 {
		words = append(words, p.villages(h.Villages))
	}
	return p.list(words)
}

// webhookPath is what comes behind the host of an address.
func webhookPath(h *store.Webhook) string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return u.RequestURI()
}
