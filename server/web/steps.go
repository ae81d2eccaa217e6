package web

import (
	"net/netip"
	"net/url"
	"strings"

	"zhucun/server/access"
	"zhucun/server/store"
)

// The first steps stand on the first page of the office and of administrators until they
// are done, or somebody has put them away.

// step is one of them.
type step struct {
	done bool
	name string // its texts: "steps.NAME", and what to do
	do   string
	to   string // where; "" where it is done elsewhere
	link string
}

// metaStepsAway and metaSettingsSeen keep that the steps were put away, and that somebody
// has looked through the settings.
const (
	metaStepsAway    = "steps_away"
	metaSettingsSeen = "settings_seen"
)

// steps gives what is to be done first; nothing where all is, or nobody wants to see it.
func (w *Site) steps(p *page) ([]step, error) {
	if !p.may(access.Devices) {
		return nil, nil
	}
	away, err := w.store.Meta(p.ctx, metaStepsAway)
	if err != nil || away != nil {
		return nil, err
	}
	seen, err := w.store.Meta(p.ctx, metaSettingsSeen)
	if err != nil {
		return nil, err
	}
	devices, err := p.devices()
	if err != nil {
		return nil, err
	}
	made, err := w.store.Backups(p.ctx)
	if err != nil {
		return nil, err
	}
	good := false
	for _, b := range made {
		good = good || b.Good()
	}
	list := []step{
		{done: w.reachable(), name: p.T("steps.address"), do: p.T("steps.address.do", w.opt.URL), to: "/settings", link: p.T("nav.settings")},
		{done: len(p.known) > 0, name: p.T("steps.villages"), do: p.T("steps.villages.do")},
		{done: p.account.Factor.IsSet(), name: p.T("steps.factor"), do: p.T("steps.factor.do"), to: "/me", link: p.T("me.title")},
		{done: seen != nil, name: p.T("steps.settings"), do: p.T("steps.settings.do"), to: "/settings", link: p.T("nav.settings")},
		{done: len(devices) > 0, name: p.T("steps.laptop"), do: p.T("steps.laptop.do"), to: "/devices/new", link: p.T("device.issue")},
		{done: len(made) > 0, name: p.T("steps.backup"), do: p.T("steps.backup.do")},
		{done: good, name: p.T("steps.tried"), do: p.T("steps.tried.do")},
	}
	if p.may(access.Backups) {
		for i := range list[5:] {
			list[5+i].to, list[5+i].link = "/backup", p.T("backup.title")
		}
	}
	for _, s := range list {
		if !s.done {
			return list, nil
		}
	}
	return nil, nil
}

// putStepsAway hides the steps for everybody.
func (w *Site) putStepsAway(p *page) (reply, error) {
	err := w.store.SetMeta(p.ctx, metaStepsAway, []byte{1}, &store.Note{Act: "stepsaway"})
	if err != nil {
		return reply{}, err
	}
	return goTo(home(p.account.Roles))
}

// sawSettings notes once that somebody has looked through the settings.
func (w *Site) sawSettings(p *page) error {
	seen, err := w.store.Meta(p.ctx, metaSettingsSeen)
	if err != nil || seen != nil {
		return err
	}
	return w.store.SetMeta(p.ctx, metaSettingsSeen, []byte{1})
}

// reachable tells whether laptops elsewhere can open the server's address, as far as the
// address tells.
func (w *Site) reachable() bool {
	u, err := url.Parse(w.opt.URL)
	if err != nil || u.Hostname() == "" || strings.EqualFold(u.Hostname(), "localhost") {
		return false
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return !a.IsLoopback() && !a.IsUnspecified()
	}
	return true
}

func doneSteps(list []step) int {
	n := 0
	for _, s := range list {
		if s.done {
			n++
		}
	}
	return n
}
