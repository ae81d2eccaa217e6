package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"zhucun/agent/backup"
	"zhucun/agent/drive"
	"zhucun/agent/store"
)

// Backups are the copies of the laptop's data on another drive: backup.Keeper says what
// each method does.
type Backups interface {
	State() backup.State
	Places() []backup.Place
	Choose(ctx context.Context, folder string, auto bool) error
	Forget(ctx context.Context) error
	Start(ctx context.Context) error
	Overdue() int
}

// backupView is the part of the settings about backups.
type backupView struct {
	drive  store.Drive
	places []backup.Place
	fault  string // why the last one failed
	typed  string // the folder that was typed
}

func (w *Site) backupView(p *page, x *store.Settings) *backupView {
	if w.opt.Backups == nil {
		return nil
	}
	v := &backupView{drive: x.Drive, fault: backup.OfFault(x.Drive.Fault).In(p.lang), typed: p.r.PostForm.Get("folder")}
	v.places = w.opt.Backups.Places()
	return v
}

// setBackup chooses where backups go, makes one, or does without.
func (w *Site) setBackup(p *page, v *settingsView) (reply, bool, error) {
	body, keep := p.r.PostForm, w.opt.Backups
	if keep == nil {
		return reply{}, false, errAsked
	}
	err := error(nil)
	switch body.Get("do") {
	case "choose":
		folder := body.Get("place")
		if folder == "" {
			folder = strings.TrimSpace(body.Get("folder"))
		}
		if folder == "" {
			v.wrong = p.T("backup.nofolder")
			return reply{}, false, nil
		}
		if err = keep.Choose(p.r.Context(), folder, body.Get("auto") != ""); err == nil {
			err = keep.Start(p.r.Context())
		}
	case "now":
		err = keep.Start(p.r.Context())
	case "forget":
		err = keep.Forget(p.r.Context())
		if err == nil {
			return reply{}, true, nil
		}
	default:
		return reply{}, false, errAsked
	}
	if words, ok := backup.Sentence(err); ok && !errors.Is(err, backup.ErrBusy) {
		if v.wrong = words.In(p.lang); errors.Is(err, backup.ErrNone) {
			v.wrong = p.T("backup.nofolder")
		}
		return reply{}, false, nil
	}
	if err != nil && !errors.Is(err, backup.ErrBusy) {
		return reply{}, false, err
	}
	return reply{to: backupPath}, true, nil
}

const backupPath = "/settings/backup"

// backupPage follows a backup that is being made, and then goes back.
func (w *Site) backupPage(p *page) (reply, error) {
	if w.opt.Backups == nil {
		return reply{}, errNowhere
	}
	st := w.opt.Backups.State()
	if !st.Busy {
		return goTo("/settings?done=" + partBackup + "#" + partBackup)
	}
	p.title, p.at = p.T("set.backup"), "settings"
	return reply{body: backupBusyPage(p, &st), again: backupPath}, nil
}

// percent is how much of a backup is written.
func percent(st *backup.State) int {
	if st.Of == 0 {
		return 0
	}
	return int(100 * st.Done / st.Of)
}

// overdue is for how many days no backup was made, where a drive was chosen for that.
func (p *page) overdue() int {
	if p.site.opt.Backups == nil {
		return 0
	}
	return p.site.opt.Backups.Overdue()
}

// low tells how many bytes are free on the disk of the data, where those are few.
func (p *page) low() (free int64, low bool) {
	n, err := p.site.opt.Free(p.site.store.Dir())
	return int64(min(n, 1<<62)), err == nil && drive.Low(n)
}

// storageView is the part of the settings about the disk.
type storageView struct {
	store.Usage
	free  int64
	known bool // it is known how much is free
	low   bool
	dir   string
}

// row is a line of it: what takes room, and how much.
type storageRow struct {
	id    string
	bytes int64
}

func (v *storageView) rows() (list []storageRow) {
	for _, r := range []storageRow{
		{"data", v.Data}, {"own", v.Own}, {"originals", v.Originals}, {"others", v.Others}, {"previews", v.Previews},
		{"bundles", v.Bundles}, {"courier", v.Courier}, {"inbox", v.Inbox}, {"aside", v.Aside},
	} {
		if r.bytes > 0 {
			list = append(list, r)
		}
	}
	return list
}

func (w *Site) storageView() (*storageView, error) {
	u, err := w.store.Usage()
	if err != nil {
		return nil, err
	}
	v := &storageView{Usage: u, dir: w.store.Dir()}
	if n, err := w.opt.Free(v.dir); err == nil {
		v.free, v.known, v.low = int64(min(n, 1<<62)), true, drive.Low(n)
	}
	return v, nil
}

// clean makes room: of what the office has, and nothing else.
func (w *Site) clean(p *page, v *settingsView) (bool, error) {
	files, bytes, err := w.store.DropOthers(p.r.Context())
	if err == nil {
		v.said = p.T("store.cleaned", files, p.size(bytes))
	}
	return false, err
}

// told shows the settings after something was done that they say more of.
func (w *Site) told(p *page, v *settingsView) (reply, error) {
	status := http.StatusUnprocessableEntity
	if v.wrong == "" {
		status = http.StatusOK
	}
	return w.showSettings(p, v, status)
}
