package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
)

// settingActs are what the audit calls it when somebody changed what is set here.
var settingActs = []string{"offline", "photos", "require", "publish"}

// settingsShown is how many changes the page lists.
const settingsShown = 20

type settingsView struct {
	said    string
	done    bool
	offline int
	photos  access.Photos
	require []identity.Role
	changes []store.Audit
}

// last gives the latest change of one thing.
func (v *settingsView) last(act string) *store.Audit {
	for i := range v.changes {
		if v.changes[i].Act == act {
			return &v.changes[i]
		}
	}
	return nil
}

func (w *Site) settingsPage(p *page) (reply, error) {
	if err := w.sawSettings(p); err != nil {
		return reply{}, err
	}
	return w.showSettings(p, 0, &settingsView{done: p.r.URL.Query().Has("done")})
}

func (w *Site) showSettings(p *page, status int, v *settingsView) (reply, error) {
	p.title, p.at, p.still = p.T("nav.settings"), settings, true
	var err error
	if v.offline, err = w.access.OfflineDays(p.ctx); err != nil {
		return reply{}, err
	}
	if v.photos, err = w.access.Photos(p.ctx); err != nil {
		return reply{}, err
	}
	if v.require, err = w.access.FactorRoles(p.ctx); err != nil {
		return reply{}, err
	}
	for _, act := range settingActs {
		list, err := w.store.Audits(p.ctx, store.AuditQuery{Act: act, Limit: settingsShown})
		if err != nil {
			return reply{}, err
		}
		v.changes = append(v.changes, list...)
	}
	slices.SortFunc(v.changes, func(a, b store.Audit) int { return int(b.Number) - int(a.Number) })
	v.changes = v.changes[:min(len(v.changes), settingsShown)]
	return reply{status: status, body: settingsOf(p, v)}, nil
}

// setOffline sets when laptops lock themselves.
func (w *Site) setOffline(p *page) (reply, error) {
	return w.set(p, w.access.SetOfflineDays(p.ctx, p.account.Login, numberTyped(p.r.PostForm.Get("days"))))
}

// setPhotos sets what laptops make of photos.
func (w *Site) setPhotos(p *page) (reply, error) {
	get := p.r.PostForm.Get
	return w.set(p, w.access.SetPhotos(p.ctx, p.account.Login, access.Photos{Side: numberTyped(get("side")), Quality: numberTyped(get("quality")), Originals: get("originals") != ""}))
}

// set says how setting something ended.
func (w *Site) set(p *page, err error) (reply, error) {
	if said := p.sentence(err); said != "" {
		return w.showSettings(p, http.StatusUnprocessableEntity, &settingsView{said: said})
	} else if err != nil {
		return reply{}, err
	}
	return goTo("/settings?done=1")
}

// numberTyped reads a whole number; what is none is one that nothing takes.
func numberTyped(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return -1
	}
	return n
}

// changedText says who last changed something, and when.
func (p *page) changedText(a *store.Audit) string {
	if a == nil {
		return p.T("settings.never")
	}
	return p.T("settings.changed", p.actor(a.Who), p.moment(a.At))
}
