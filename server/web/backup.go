package web

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"zhucun/server/access"
	"zhucun/server/store"
)

// Backups makes the server's backups and tries them, one thing at a time, beside whatever
// else the server does. What it has made and tried it notes in the store.
type Backups interface {
	// Make begins a backup in the name of an account, Try to try one that was made. They
	// give false where something is under way already, and do not wait for the end.
	Make(who string) bool
	Try(who string, b store.Backup) bool
	// Job tells what is under way, or how the last thing since the start ended.
	Job() BackupJob
	// Open gives the file of one; fs.ErrNotExist where it is no longer there, or another.
	Open(b store.Backup) (*os.File, error)
	// Folder is where backups are made.
	Folder() string
}

// BackupJob is what is done about backups.
type BackupJob struct {
	Under  bool
	Since  time.Time // zero: nothing since the start
	Tries  time.Time // the backup that is tried; zero where one is made
	Failed bool
}

// A backup is old after so many days, and a trial of one.
const (
	backupDays = 7
	tryDays    = 30
)

type backupView struct {
	list   []store.Backup
	job    BackupJob
	folder string
	none   bool // nobody makes backups here
	files  bool // may be fetched
	said   string
	here   map[int64]bool // which have their file, by when they were made
}

func (w *Site) backupPage(p *page) (reply, error) { return w.showBackups(p, 0, "") }

func (w *Site) showBackups(p *page, status int, said string) (reply, error) {
	p.title, p.at, p.still = p.T("backup.title"), backups, true
	v := &backupView{said: said, none: w.opt.Backups == nil, files: p.may(access.Unmask), here: map[int64]bool{}}
	var err error
	if v.list, err = w.store.Backups(p.ctx); err != nil {
		return reply{}, err
	}
	if !v.none {
		v.job, v.folder = w.opt.Backups.Job(), w.opt.Backups.Folder()
		for _, b := range v.list {
			f, err := w.opt.Backups.Open(b)
			if err == nil {
				err = f.Close()
			}
			v.here[b.Made.UnixMilli()] = err == nil
		}
	}
	return reply{status: status, body: backupsPage(p, v)}, nil
}

// makeBackup begins one.
func (w *Site) makeBackup(p *page) (reply, error) {
	if w.opt.Backups == nil || !w.opt.Backups.Make(p.account.Login) {
		return w.showBackups(p, http.StatusConflict, p.T("backup.busy"))
	}
	return goTo("/backup")
}

// chosenBackup is the one that a form is of.
func (w *Site) chosenBackup(p *page) (store.Backup, error) {
	made := p.r.PostForm.Get("made")
	list, err := w.store.Backups(p.ctx)
	for _, b := range list {
		if strconv.FormatInt(b.Made.UnixMilli(), 10) == made {
			return b, nil
		}
	}
	return store.Backup{}, errors.Join(err, errGone)
}

// tryBackup begins to try one.
func (w *Site) tryBackup(p *page) (reply, error) {
	b, err := w.chosenBackup(p)
	if err != nil {
		return reply{}, err
	}
	if w.opt.Backups == nil || !w.opt.Backups.Try(p.account.Login, b) {
		return w.showBackups(p, http.StatusConflict, p.T("backup.busy"))
	}
	return goTo("/backup")
}

// backupFile gives the file of a backup for a reason. All households are in it, in full,
// and the server's keys: who may not see these does not get it.
func (w *Site) backupFile(p *page) (reply, error) {
	if !p.may(access.Unmask) {
		return reply{}, errRole
	}
	reason := strings.TrimSpace(p.r.PostForm.Get("reason"))
	if reason == "" {
		return w.showBackups(p, http.StatusUnprocessableEntity, p.T("conflict.noreason"))
	}
	b, err := w.chosenBackup(p)
	if err != nil {
		return reply{}, err
	}
	if w.opt.Backups == nil {
		return reply{}, errGone
	}
	f, err := w.opt.Backups.Open(b)
	if errors.Is(err, fs.ErrNotExist) {
		return w.showBackups(p, http.StatusNotFound, p.T("backup.gone"))
	} else if err != nil {
		return reply{}, err
	}
	name := filepath.Base(b.File)
	if err := w.access.Audit(p.ctx, store.Note{Act: "backupfile", Subject: name, Reason: reason}); err != nil {
		return reply{}, errors.Join(err, f.Close())
	}
	return reply{send: func(rw http.ResponseWriter) error {
		h := rw.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="`+plainName(name)+`"`)
		h.Set("Content-Length", strconv.FormatInt(b.Bytes, 10))
		h.Set(gzhttp.HeaderNoCompression, "1") // it is compressed
		n, err := io.Copy(rw, f)
		if err == nil && n != b.Bytes {
			err = io.ErrUnexpectedEOF
		}
		return errors.Join(err, f.Close())
	}}, nil
}

// plainName is a file's name as headers take it.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, name)
}

// old tells a day that is too many days ago, or never was.
func (p *page) old(t time.Time, days int) bool {
	return t.IsZero() || p.now.Sub(t) > time.Duration(days)*24*time.Hour
}

// backupWarning says what is wrong about how the server is backed up, in one sentence; ""
// where nothing is.
func (p *page) backupWarning(list []store.Backup) string {
	if len(list) == 0 {
		return p.T("backup.never")
	}
	if p.old(list[0].Made, backupDays) {
		return p.T("backup.old", p.moment(list[0].Made), backupDays)
	}
	for _, b := range list {
		switch {
		case b.Tested.IsZero():
			continue
		case !b.Good():
			return p.T("backup.bad", p.moment(b.Made))
		case p.old(b.Tested, tryDays):
			return p.T("backup.tried.old", p.moment(b.Tested), tryDays)
		}
		return ""
	}
	return p.T("backup.untried")
}

// triedText says what trying a backup gave.
func (p *page) triedText(b *store.Backup) string {
	r := &b.Result
	switch {
	case b.Tested.IsZero():
		return p.T("backup.try.never")
	case r.Failed != "":
		return p.T("backup.failed."+r.Failed, p.moment(b.Tested))
	case r.Faults > 0:
		return p.T("backup.try.faults", p.moment(b.Tested), number(r.Faults))
	}
	return p.T("backup.try.good", p.moment(b.Tested), number(r.Villages), number(r.Records), number(r.Changes), number(r.Files))
}

// jobText says what is under way, or how the last thing ended.
func (p *page) jobText(j *BackupJob) string {
	under, done, failed := "backup.making", "backup.making.done", "backup.making.failed"
	if !j.Tries.IsZero() {
		under, done, failed = "backup.trying", "backup.trying.done", "backup.trying.failed"
	}
	switch {
	case j.Under:
		return p.T(under, p.span(max(1, int(p.now.Sub(j.Since)/time.Minute))))
	case j.Failed:
		return p.T(failed)
	}
	return p.T(done)
}
