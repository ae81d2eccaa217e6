package web

import (
	"slices"
	"strconv"
	"time"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/agent/vault"
)

// settingsView is the page of all that can be chosen on this laptop.
type settingsView struct {
	// done is the part that was just changed, where the one in which something is wrong.
	done, where, wrong string
	said               string // what was done in that part
	quiet              bool
	chosen             store.Settings
	way                vault.Way // empty where there is no lock
	sides              []int     // that photos may have, the office's first
	delivery           delivery
	backup             *backupView // nil where there are none
	storage            *storageView
}

// parts of the page, by their places on it.
const (
	partWho    = "who"
	partLook   = "look"
	partSync   = "sync"
	partPhoto  = "photo"
	partLock   = "lock"
	partBackup = "backup"
	partStore  = "store"
)

// parts are those that there are on this laptop, in their order.
func (v *settingsView) parts() []string {
	list := []string{partWho, partLook, partSync, partPhoto, partLock}
	if v.backup != nil {
		list = append(list, partBackup)
	}
	return append(list, partStore)
}

// idleChoices are the minutes after which the pages ask again who is there.
var idleChoices = []int{5, 15, 30, 60}

// sizes of type, by the names that the style has for them.
var sizes = []string{"", "large", "huge"}

// photoSides are the sides of photos that a laptop may choose where the office takes
// larger ones.
var photoSides = []int{1600, 1200, 900}

func (w *Site) settings(p *page) (reply, error) {
	v := &settingsView{done: p.r.URL.Query().Get("done")}
	return w.showSettings(p, v, 0)
}

func (w *Site) showSettings(p *page, v *settingsView, status int) (reply, error) {
	p.title, p.at = p.T("set.title"), "settings"
	var err error
	if v.chosen, err = w.store.Settings(); err != nil {
		return reply{}, err
	}
	if v.quiet, err = w.store.Quiet(); err != nil {
		return reply{}, err
	}
	if w.lock != nil {
		v.way = w.lock.Way()
	}
	side := inbox.OfficeSide(&p.device)
	v.sides = append([]int{side}, slices.DeleteFunc(slices.Clone(photoSides), func(n int) bool { return n >= side })...)
	snap, err := p.wholly()
	if err != nil {
		return reply{}, err
	}
	v.delivery, v.backup = w.delivery(snap, p), w.backupView(p, &v.chosen)
	if v.storage, err = w.storageView(); err != nil {
		return reply{}, err
	}
	return reply{status: status, body: settingsPage(p, v)}, nil
}

// setSettings changes one part of the page, or does what a button of it says.
func (w *Site) setSettings(p *page) (reply, error) {
	body, v := p.r.PostForm, &settingsView{}
	v.where = body.Get("part")
	done, err := false, error(nil)
	switch v.where {
	case partWho:
		done, err = w.setPin(p, v)
	case partLook:
		if size := body.Get("size"); slices.Contains(sizes, size) {
			err = w.store.SetProfile(p.r.Context(), p.author, func(x *store.Profile) { x.Size = size })
		}
		if l := body.Get("language"); err == nil && (l == "zh" || l == "en") {
			err = w.speak(p, l)
		}
		done = err == nil
	case partSync:
		err = w.store.SetQuiet(p.r.Context(), body.Get("quiet") == "1")
		done = err == nil
	case partPhoto:
		done, err = w.setPhotos(p)
	case partLock:
		done, err = w.setIdle(p)
	case partBackup:
		var to reply
		if to, done, err = w.setBackup(p, v); err == nil && to.to != "" {
			return to, nil
		}
	case partStore:
		done, err = w.clean(p, v)
	default:
		return reply{}, errAsked
	}
	if err != nil {
		return reply{}, err
	}
	if !done {
		return w.told(p, v)
	}
	return goTo("/settings?done=" + v.where + "#" + v.where)
}

func (w *Site) setPhotos(p *page) (bool, error) {
	side, err := strconv.Atoi(p.r.PostForm.Get("side"))
	if err != nil || side != 0 && !slices.Contains(photoSides, side) {
		return false, errAsked
	}
	err = w.store.SetSettings(p.r.Context(), func(x *store.Settings) {
		x.PhotoSide, x.NoOriginals = side, p.device.Assigned.Originals && p.r.PostForm.Get("originals") == ""
	})
	return err == nil, err
}

// setIdle changes how long the pages may lie unused, or locks them now.
func (w *Site) setIdle(p *page) (bool, error) {
	if p.r.PostForm.Get("do") == "now" {
		w.doors.shut()
		return true, nil
	}
	minutes, err := strconv.Atoi(p.r.PostForm.Get("idle"))
	if err != nil || !slices.Contains(idleChoices, minutes) {
		return false, errAsked
	}
	err = w.store.SetSettings(p.r.Context(), func(x *store.Settings) { x.Idle = minutes })
	if err == nil {
		w.doors.idle.Store(int64(time.Duration(minutes) * time.Minute))
	}
	return err == nil, err
}

// asks tells whether the pages have anything to ask after a while: a passphrase, or a PIN.
func (v *settingsView) asks(p *page) bool {
	if v.way == vault.Passphrase {
		return true
	}
	for _, x := range p.people {
		if x.HasPin() {
			return true
		}
	}
	return false
}
