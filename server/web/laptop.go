package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/identity"
)

// laptopPath is the page of a laptop.
func laptopPath(id identity.Device) string { return "/devices/" + escape(string(id)) }

type laptopView struct {
	laptop boardLine
	newest string // version
	said   string // why what was asked could not be done
}

func (w *Site) laptop(p *page) (reply, error) {
	return w.showLaptop(p, identity.Device(p.r.PathValue("id")), 0, "")
}

// readLaptop gives one laptop as it stands. store.ErrNotFound.
func (w *Site) readLaptop(p *page, id identity.Device) (*laptopView, error) {
	list, err := w.store.Laptops(p.ctx)
	if err != nil {
		return nil, err
	}
	all, newest := lines(list, p.now)
	i := slices.IndexFunc(all, func(l boardLine) bool { return l.ID == id })
	if i < 0 {
		return nil, store.ErrNotFound
	}
	return &laptopView{laptop: all[i], newest: newest}, nil
}

func (w *Site) showLaptop(p *page, id identity.Device, status int, said string) (reply, error) {
	v, err := w.readLaptop(p, id)
	if err != nil {
		return reply{}, err
	}
	p.title, p.at, v.said = p.T("device.of", p.list(v.laptop.Profiles)), devices, said
	p.still = p.still || said != ""
	return reply{status: status, body: laptopPage(p, v)}, nil
}

func (w *Site) revoke(p *page) (reply, error) {
	id := identity.Device(p.r.PathValue("id"))
	if p.r.PostForm.Get("sure") == "" {
		return w.showLaptop(p, id, http.StatusUnprocessableEntity, p.T("device.sure"))
	}
	_, err := w.access.Revoke(p.ctx, id)
	if said := p.sentence(err); said != "" {
		return w.showLaptop(p, id, http.StatusConflict, said)
	} else if err != nil {
		return reply{}, err
	}
	return goTo(laptopPath(id))
}

func (w *Site) regrant(p *page) (reply, error) {
	id := identity.Device(p.r.PathValue("id"))
	_, err := w.access.Regrant(p.ctx, id)
	if said := p.sentence(err); said != "" {
		return w.showLaptop(p, id, http.StatusConflict, said)
	} else if err != nil {
		return reply{}, err
	}
	return goTo(laptopPath(id))
}

func (w *Site) addProfile(p *page) (reply, error) {
	id := identity.Device(p.r.PathValue("id"))
	_, err := w.access.AddProfile(p.ctx, id, strings.TrimSpace(p.r.PostForm.Get("name")))
	if said := p.sentence(err); said != "" {
		return w.showLaptop(p, id, http.StatusUnprocessableEntity, said)
	} else if err != nil {
		return reply{}, err
	}
	return goTo(laptopPath(id))
}

type recoverView struct {
	people string
	code   string
}

// recover shows a laptop's recovery code, this once.
func (w *Site) recover(p *page) (reply, error) {
	id := identity.Device(p.r.PathValue("id"))
	code, err := w.access.Recover(p.ctx, p.account.Login, id, strings.TrimSpace(p.r.PostForm.Get("reason")))
	switch {
	case errors.Is(err, access.ErrReason):
		return w.showLaptop(p, id, http.StatusUnprocessableEntity, p.T("recover.why"))
	case errors.Is(err, access.ErrNoEscrow):
		return w.showLaptop(p, id, http.StatusConflict, p.T("recover.none"))
	case err != nil:
		return reply{}, err
	}
	d, err := w.store.Device(p.ctx, id)
	if err != nil {
		return reply{}, err
	}
	p.title, p.at, p.still = p.T("recover.title"), devices, true
	return show(recoverPage(p, &recoverView{people: p.list(d.Profiles), code: code}))
}
