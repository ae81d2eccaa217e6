package web

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/a-h/templ"

	"zhucun/agent/drive"
	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// Syncer is the background sync as the pages see it. State tells how it stands
// and does not block; Now asks for a sync soon and returns at once, also when
// one is under way or the laptop is not enrolled.
type Syncer interface {
	State() SyncState
	Now()
	Bundler
	Enroller
}

// SyncState is how the sync stands.
type SyncState struct {
	// Success and Attempt are when a sync last ended well and when one was last
	// tried, in corrected time (store.Store.Now); zero when never.
	Success, Attempt time.Time
	// Problem is why the last attempt failed and what to do next, as sentences
	// for people; empty when it went well.
	Problem form.Label
	Busy    bool // one is under way
	// Progress says how far that is, Percent how much of it is done; -1 while nobody
	// knows.
	Progress form.Label
	Percent  int
	Online   bool // the server answered last time
}

// Options are what a site takes from outside; the zero value is the machine's.
type Options struct {
	Log *slog.Logger
	// Clock is the machine's time, for links, sessions and nothing else: what
	// people read goes by the store's corrected one.
	Clock   func() time.Time
	Version string
	// Gate is who may come in; nil makes one of the store's folder, without a lock.
	Gate *Gate
	// Shrink makes photos small; nil does it in this process.
	Shrink inbox.Shrinker
	// Holds is told how many bytes the lists and the index of households take, as they
	// grow, and 0 when they are let go of. It may be nil.
	Holds func(bytes int)
	// Backups keeps copies of the data on another drive; nil where nobody does.
	Backups Backups
	// Free tells how much is free on a folder's disk; nil asks the system.
	Free func(folder string) (uint64, error)
}

// Site serves the pages over one store.
type Site struct {
	store *store.Store
	sync  Syncer
	opt   Options
	forms *form.Set
	*Gate
	cache *cache
	mux   *http.ServeMux
	// saving lets one save of a form pass at a time, so that a second click finds
	// that the first one did it. It guards ended: drafts that are no more, by id.
	saving   sync.Mutex
	searches searches
	ended    map[string]ended
	work     work
	tries    tries
	report   shownReport
	checks   time.Duration // how long a check of the data may take
	held     held
	settled  settled
}

// New makes the pages of a store.
func New(s *store.Store, syncer Syncer, opt Options) *Site {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	if opt.Shrink == nil {
		opt.Shrink = inbox.InProcess
	}
	if opt.Free == nil {
		opt.Free = drive.Free
	}
	w := &Site{store: s, sync: syncer, opt: opt, forms: s.Forms(), Gate: opt.Gate, mux: http.NewServeMux(), ended: map[string]ended{}, tries: tries{last: map[string]time.Duration{}}, checks: checkTime}
	if w.Gate == nil {
		w.Gate = NewGate(s.Dir(), nil, opt)
	}
	w.lapsed.Store(new(func() (int, bool) {
		days, lapsed, err := s.Lapsed()
		return days, lapsed && err == nil
	}))
	if x, err := s.Settings(); err == nil {
		w.doors.idle.Store(int64(x.IdleFor()))
	}
	w.cache = newCache(s, w.forms)
	w.cache.shut = w.Gate.shut
	if opt.Holds != nil {
		w.cache.grown = opt.Holds
	}
	w.routes()
	return w
}

// Handler serves everything. It must be served by an http.Server, which tells
// it the address that listens.
func (w *Site) Handler() http.Handler { return w.guard(http.StripPrefix(w.root, w.mux), w.spoken) }

// spoken is the language that was chosen on the pages.
func (w *Site) spoken() form.Lang {
	d, err := w.store.Device()
	if err != nil {
		return form.Zh
	}
	return language(d.Language)
}

func (w *Site) routes() {
	for pattern, h := range map[string]handler{
		"GET /{$}":                      w.today,
		"GET " + welcomePath:            w.welcome,
		"POST " + welcomePath:           w.enrol,
		"GET /todo":                     w.todo,
		"GET /find":                     w.find,
		"POST /find":                    w.look,
		"GET /household/{id}":           w.household,
		"GET /household/{id}/members":   w.members,
		"POST /household/{id}/members":  w.members,
		"GET /records":                  w.kinds,
		"GET /print":                    w.printPage,
		"GET /print/card":               w.printCards,
		"GET /print/file":               w.printDossiers,
		"GET /print/form/{type}":        w.printForms,
		"GET /print/issues":             w.printLedger,
		"GET /print/log":                w.printLogs,
		"GET /print/attendance":         w.printAttendance,
		"GET /records/{type}":           w.list,
		"POST /records/{type}":          w.lookList,
		"GET /record/{type}/{id}":       w.record,
		"GET /record/{type}/{id}/edit":  w.edit,
		"GET /record/{type}/new":        w.begin,
		"POST /record/{type}/{id}":      w.act,
		"GET /draft/{id}":               w.resume,
		"POST /draft/{id}/keep":         w.keep,
		"POST /draft/{id}/save":         w.save,
		"POST /draft/{id}/drop":         w.drop,
		"POST /draft/{id}/file/{field}": w.addFile,
		"GET /blob/{name}":              w.file,
		"GET /blob/{name}/small":        w.smallFile,
		"POST /blob/{name}/fetch":       w.fetchFile,
		"GET /village":                  w.village,
		"GET /notices":                  w.notices,
		"GET /notices/{id}":             w.notice,
		"POST /notices/{id}":            w.readNotice,
		"GET /notices/{id}/file/{name}": w.noticeFile,
		"GET /month/work_log":           w.calendar,
		"GET /month/attendance":         w.attendance,
		"GET /attendance/day":           w.attendDay,
		"POST /attendance/day":          w.noteDay,
		"GET /visits/joint":             w.joint,
		"POST /visits/joint":            w.sayJoint,
		"GET /conflicts":                w.conflicts,
		"POST /decide":                  w.decide,
		"POST /takeback":                w.takeBack,
		"GET /sync":                     w.syncPage,
		"POST /sync":                    w.syncNow,
		"GET /sync/progress":            w.syncProgress,
		"GET /bundles":                  w.bundles,
		"POST /bundles":                 w.makeBundle,
		"POST " + takePath:              w.takeBundle,
		"GET /bundles/progress":         w.progress,
		"GET /bundles/file/{name}":      w.madeFile,
		"GET /bundles/reply/{name}":     w.replyFile,
		"GET /import":                   w.importPage,
		"POST /import":                  w.decideImport,
		"POST " + importPath:            w.uploadTable,
		"POST /import/open":             w.openWaiting,
		"GET /import/progress":          w.importProgress,
		"GET /import/report/{id}":       w.importReport,
		"GET /me":                       w.me,
		"POST /me":                      w.setMe,
		"GET /settings":                 w.settings,
		"POST /settings":                w.setSettings,
		"GET " + backupPath:             w.backupPage,
		"GET /help":                     w.helpPage,
		"GET /diagnosis":                w.diagnosisPage,
		"GET /diagnosis/file":           w.diagnosisFile,
		"GET /lock":                     w.lockPage,
		"POST /lock":                    w.setLock,
		"/":                             w.nowhere,
	} {
		w.mux.HandleFunc(pattern, w.serve(h))
	}
	w.mux.HandleFunc("GET /assets/{hash}/{name}", serveAsset)
}

// handler answers one request; what it returns is written by Site.serve.
type handler func(*page) (reply, error)

// reply is what a handler wants written: a page, a way to another one, data for
// the script, or a file.
type reply struct {
	body   templ.Component
	status int // 0 is 200
	to     string
	data   any
	cookie *http.Cookie
	again  string // the page to go on to in a few seconds
	here   string // the address of what the script asked for
	send   func(http.ResponseWriter)
}

func show(c templ.Component) (reply, error) { return reply{body: c}, nil }
func goTo(path string) (reply, error)       { return reply{to: path}, nil }

// fault is an error that is the asker's: what happened and what to do next, by
// their ids in the table of texts.
type fault struct {
	status     int
	what, next string
	say        string // instead of next: a sentence that is in no table of ours
}

func (f *fault) Error() string { return f.what }

var (
	errNowhere    = &fault{status: http.StatusNotFound, what: "error.nowhere", next: "error.nowhere.next"}
	errGone       = &fault{status: http.StatusNotFound, what: "error.gone", next: "error.gone.next"}
	errErased     = &fault{status: http.StatusGone, what: "error.erased", next: "error.erased.next"}
	errJointGone  = &fault{status: http.StatusGone, what: "joint.gone", next: "joint.gone.next"}
	errRole       = &fault{status: http.StatusForbidden, what: "error.role", next: "error.role.next"}
	errNoBundle   = &fault{status: http.StatusNotFound, what: "error.bundle", next: "error.bundle.next"}
	errUnenrolled = &fault{status: http.StatusConflict, what: "error.unenrolled", next: "error.unenrolled.next"}
	errAsked      = &fault{status: http.StatusBadRequest, what: "error.asked", next: "error.asked.next"}
)

func (w *Site) nowhere(*page) (reply, error) { return reply{}, errNowhere }

// serve runs a handler and writes its reply; it is the one place where an error
// becomes a page.
func (w *Site) serve(h handler) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		p, err := w.page(r)
		var a reply
		switch {
		case err != nil:
		case p.fresh() && r.Method == http.MethodGet && r.URL.Path != welcomePath:
			a.to = welcomePath
		case p.stranger != "" && r.URL.Path != "/me":
			a, err = w.ask(p)
		default:
			a, err = h(p)
		}
		if err != nil {
			a = w.failed(p, r, err)
		}
		if a.cookie != nil {
			http.SetCookie(rw, a.cookie)
		}
		switch {
		case a.to != "":
			http.Redirect(rw, r, w.root+a.to, http.StatusSeeOther)
		case a.send != nil:
			a.send(rw)
		case a.data != nil:
			writeData(rw, a)
		default:
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
			if a.again != "" {
				rw.Header().Set("Refresh", "4; url="+w.root+a.again)
			}
			if a.here != "" {
				rw.Header().Set("Zhucun-Here", w.root+a.here)
			}
			if a.status != 0 {
				rw.WriteHeader(a.status)
			}
			if err := a.body.Render(r.Context(), rw); err != nil && r.Context().Err() == nil {
				w.opt.Log.Error("page not written", "path", r.URL.Path, "error", err)
			}
		}
	}
}

// failed turns an error into a page with one sentence and the next step.
func (w *Site) failed(p *page, r *http.Request, err error) reply {
	var f *fault
	switch {
	case errors.As(err, &f):
	case errors.Is(err, store.ErrNotFound):
		f = errGone
	case errors.Is(err, store.ErrNotEnrolled) && r.Method == http.MethodGet:
		return reply{to: welcomePath}
	case errors.Is(err, store.ErrNotEnrolled):
		f = errUnenrolled
	default:
		w.opt.Log.Error("request failed", "path", r.URL.Path, "error", err)
		f = &fault{status: http.StatusInternalServerError, what: "error.failed", next: "error.failed.next"}
		if say := store.Sentence(err, p.lang); say != err.Error() {
			f.say = say
		}
	}
	p.title, p.refused = p.T(f.what), f.status < http.StatusInternalServerError
	return reply{status: f.status, body: faultPage(p, f)}
}

// recordKey reads type and id of a record from the path.
func (w *Site) recordKey(p *page) (*form.Form, record.ID, error) {
	f := w.forms.Form(record.Type(p.r.PathValue("type")))
	id, err := record.ParseID(p.r.PathValue("id"))
	if f == nil || err != nil {
		return nil, id, errNowhere
	}
	return f, id, nil
}
