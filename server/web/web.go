package web

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/alexedwards/scs/v2"
	"github.com/klauspost/compress/gzhttp"

	"zhucun/server/access"
	"zhucun/server/export"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/server/syncapi"
	"zhucun/shared/form"
	"zhucun/shared/identity"
)

// Options are what a site takes from outside.
type Options struct {
	// URL gives the server's address as laptops and browsers know it:
	// enrolment codes tell it, and where it is https cookies are Secure.
	URL string
	// Spool is the folder of what is written before it is sent or taken, empty for the
	// system's.
	Spool   string
	Log     *slog.Logger // nil: none
	Version string
	// Backups makes the server's backups; nil where nobody does.
	Backups Backups
}

// Site serves the office's pages over one store.
type Site struct {
	store    *store.Store
	access   *access.Access
	review   *review.Review
	export   *export.Export
	forms    *form.Set
	opt      Options
	sessions *scs.SessionManager
	key      []byte // of form tokens
	mux      *http.ServeMux
	// stall and liveStall limit how long nothing may move.
	stall, liveStall time.Duration
	// closing is closed when the server goes down, so that pages that wait for
	// news do not hold it up.
	closing chan struct{}
	close   sync.Once
	// door takes uploaded bundles, uploads bounds how many at once.
	door    *syncapi.Handler
	uploads chan struct{}
	// comes bounds how many uploads are on their way at once; room tells of a disk how
	// much is free and how much there is.
	comes   chan struct{}
	room    func(dir string) (free, all uint64, err error)
	replies replies
}

// New makes the pages of a store.
func New(s *store.Store, a *access.Access, r *review.Review, opt Options) *Site {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	w := &Site{store: s, access: a, review: r, export: export.New(s, a), forms: s.Forms(), opt: opt, key: formKey(s),
		sessions: newSessions(s), mux: http.NewServeMux(), stall: stall, liveStall: liveStall, closing: make(chan struct{}),
		door: syncapi.New(s, a), uploads: make(chan struct{}, maxUploads), comes: make(chan struct{}, maxComing), room: Room}
	w.clearSpools()
	w.routes()
	return w
}

// Handler serves everything.
func (w *Site) Handler() http.Handler {
	pages := gzhttp.GzipHandler(w.mux)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		protect(rw.Header())
		w.limitBody(rw, r)
		if r.URL.Path == livePath {
			w.live(rw, r) // compressed, events would wait for more
			return
		}
		pages.ServeHTTP(w.limitAnswer(rw), r)
	})
}

// Close lets go of the pages that wait for news.
func (w *Site) Close() { w.close.Do(func() { close(w.closing) }) }

// door is the action of what everybody may ask for; the others are access's.
const door access.Action = ""

// The areas of the site.
const (
	overview    = "overview"
	records     = "records"
	ledgerArea  = "ledger"
	noticeArea  = "notices"
	leaders     = "leaders"
	coverage    = "coverage"
	conflicts   = "conflicts"
	quarantine  = "quarantine"
	devices     = "devices"
	bundles     = "bundles"
	formList    = "forms"
	accounts    = "accounts"
	interfaces  = "interfaces"
	backups     = "backup"
	settings    = "settings"
	auditReport = "audit"
)

// areas are the menu, with the action that each is for; the first that an account
// may go to is its home.
var areas = []struct {
	name, path string
	action     access.Action
	// care tells what keeps the whole going, and is in a menu of its own where there is
	// more.
	care bool
}{
	{overview, "/", access.SeeWork, false},
	{records, "/records", access.SeeRecords, false},
	{ledgerArea, ledgerPath, access.SeeRecords, false},
	{noticeArea, noticesPath, access.Notify, false},
	{leaders, "/leaders", access.SeeTotals, false},
	{coverage, "/coverage", access.SeeTotals, false},
	{conflicts, "/conflicts", access.Decide, false},
	{quarantine, "/quarantine", access.Decide, false},
	{devices, "/devices", access.Devices, true},
	{bundles, bundlesPath, access.Bundles, true},
	{formList, formsPath, access.SeeForms, true},
	{accounts, "/accounts", access.SeeAccounts, true},
	{interfaces, interfacesPath, access.Interfaces, true},
	{backups, "/backup", access.Backups, true},
	{settings, "/settings", access.Devices, true},
	{auditReport, "/audit", access.SeeAudit, true},
}

// home is where an account begins.
func home(roles []identity.Role) string {
	for _, a := range areas {
		if access.May(roles, a.action) {
			return a.path
		}
	}
	return "/me"
}

// route is one address with what must be allowed to whoever asks for it.
type route struct {
	pattern string
	action  access.Action
	handle  handler
}

func (w *Site) all() []route {
	return []route{
		{"GET /signin", door, w.signInPage},
		{"POST /signin", door, w.signIn},
		{"GET /signin/code", door, w.codePage},
		{"POST /signin/code", door, w.enterCode},
		{"GET /factor", door, w.factorPage},
		{"POST /factor", door, w.setFactor},
		{"POST /language", door, w.setLanguage},
		{"POST /signout", access.Own, w.signOut},
		{"GET /help", access.Own, w.help},
		{"GET /me", access.Own, w.me},
		{"POST /me", access.Own, w.setPassword},
		{"POST /me/factor", access.Own, w.changeFactor},
		{"POST /me/signout", access.Own, w.signOutEverywhere},
		{"POST /me/sessions", access.Own, w.endSessions},
		{"GET /{$}", access.SeeWork, w.overview},
		{"GET /records", access.SeeRecords, w.kinds},
		{"GET /records/{type}", access.SeeRecords, w.list},
		{"POST /records/{type}/views", access.SeeRecords, w.saveView},
		{"POST /views/{id}/drop", access.SeeRecords, w.dropView},
		{"GET /records/{type}/new", access.Edit, w.createPage},
		{"POST /records/{type}/new", access.Edit, w.create},
		{"GET /export/{type}", access.Export, w.download},
		{"POST /export/{type}/full", access.Unmask, w.downloadInFull},
		{"POST /export/{type}/template", access.Export, w.fillTemplate},
		{"GET /record/{village}/{id}", access.SeeRecords, w.record},
		{"GET /blob/{village}/{name}", access.SeeRecords, w.file},
		{"GET /blob/{village}/{name}/small", access.SeeRecords, w.smallFile},
		{"POST /record/{village}/{id}/full", access.Unmask, w.recordInFull},
		{"GET /record/{village}/{id}/edit", access.Edit, w.editPage},
		{"POST /record/{village}/{id}/edit", access.Edit, w.saveEdit},
		{"POST /record/{village}/{id}/life", access.Edit, w.setLife},
		{"GET /record/{village}/{id}/members", access.Edit, w.members},
		{"POST /record/{village}/{id}/members", access.Edit, w.members},
		{"GET /record/{village}/{id}/transfer", access.Transfer, w.transfer},
		{"POST /record/{village}/{id}/transfer", access.Transfer, w.transfer},
		{"POST /record/{village}/{id}/step", access.Edit, w.takeStep},
		{"POST /record/{village}/{id}/reply", access.Edit, w.replyIssue},
		{"GET /leave", access.Edit, w.leave},
		{"POST /leave", access.Edit, w.approveLeave},
		{"GET /notices", access.Notify, w.notices},
		{"POST /notices", access.Notify, w.sendNotice},
		{"GET /notices/new", access.Notify, w.newNotice},
		{"GET /notices/{no}", access.Notify, w.notice},
		{"POST /notices/{no}/send", access.Notify, w.sendFurther},
		{"POST /notices/{no}/withdraw", access.Notify, w.withdrawNotice},
		{"GET /ledger", access.SeeRecords, w.issueLedger},
		{"GET /ledger/{type}", access.SeeRecords, w.ledger},
		{"GET /record/{village}/{id}/files/{name}", access.SeeRecords, w.viewFile},
		{"POST /record/{village}/{id}/erase", access.Erase, w.eraseRecord},
		{"GET /leaders", access.SeeTotals, w.leaders},
		{"GET /leaders.xlsx", access.SeeTotals, w.leadersFile},
		{"POST /leaders/close", access.CloseMonth, w.closeMonth},
		{"GET /figures/{village}", access.SeeTotals, w.figures},
		{"GET /charts", access.SeeTotals, w.charts},
		{"GET /map", access.SeeTotals, w.mapOf},
		{"GET /coverage", access.SeeTotals, w.coverage},
		{"GET /overdue", access.SeeRecords, w.overdue},
		{"GET /conflicts", access.Decide, w.conflicts},
		{"POST /decide", access.Decide, w.decide},
		{"POST /ask", access.Ask, w.ask},
		{"POST /undo", access.Decide, w.undo},
		{"POST /late", access.Decide, w.lateSeen},
		{"POST /same", access.Decide, w.same},
		{"GET /across", access.Decide, w.across},
		{"GET /bulk", access.Decide, w.bulk},
		{"POST /bulk", access.Decide, w.decideBulk},
		{"POST /bulk/undo", access.Decide, w.undoBulk},
		{"GET /quarantine", access.Decide, w.quarantine},
		{"POST /quarantine", access.Decide, w.decideQuarantine},
		{"GET /devices", access.Devices, w.board},
		{"GET /devices/new", access.Devices, w.enrolPage},
		{"GET /devices/{id}", access.Devices, w.laptop},
		{"POST /devices/code", access.Devices, w.newCode},
		{"POST /devices/{id}/lost", access.Devices, w.lost},
		{"POST /devices/{id}/lost/file", access.Export, w.lostFile},
		{"POST /devices/{id}/revoke", access.Devices, w.revoke},
		{"POST /devices/{id}/regrant", access.Devices, w.regrant},
		{"POST /devices/{id}/profile", access.Devices, w.addProfile},
		{"POST /devices/{id}/recover", access.Devices, w.recover},
		{"POST /devices/offline", access.Devices, w.setOffline},
		{"POST /restored", access.Devices, w.confirmRestored},
		{"GET /bundles", access.Bundles, w.bundles},
		{"POST /bundles", access.Bundles, w.takeBundle},
		{"GET /bundles/{id}", access.Bundles, w.bundle},
		{"GET /bundles/{id}/reply", access.Bundles, w.bundleReply},
		{"GET /forms", access.SeeForms, w.formsPage},
		{"GET /forms/{type}", access.SeeForms, w.formFields},
		{"GET /forms/{type}/workbook", access.SeeForms, w.formFile},
		{"POST /forms/look", access.Publish, w.lookForms},
		{"POST /forms/publish", access.Publish, w.publish},
		{"GET /accounts", access.SeeAccounts, w.accounts},
		{"POST /accounts", access.SetAccounts, w.addAccount},
		{"POST /accounts/password", access.SetAccounts, w.resetPassword},
		{"POST /accounts/factor", access.SetAccounts, w.resetFactor},
		{"POST /accounts/signout", access.SetAccounts, w.endAccountSessions},
		{"POST /accounts/require", access.SetAccounts, w.requireFactor},
		{"GET /interfaces", access.Interfaces, w.interfaces},
		{"POST /interfaces/token", access.Interfaces, w.addToken},
		{"POST /interfaces/token/{id}/revoke", access.Interfaces, w.revokeToken},
		{"POST /interfaces/webhook", access.Interfaces, w.addWebhook},
		{"POST /interfaces/webhook/{id}/resume", access.Interfaces, w.resumeWebhook},
		{"POST /interfaces/webhook/{id}/remove", access.Interfaces, w.removeWebhook},
		{"GET /settings", access.Devices, w.settingsPage},
		{"POST /settings/photos", access.Devices, w.setPhotos},
		{"POST /steps/away", access.Devices, w.putStepsAway},
		{"GET /backup", access.Backups, w.backupPage},
		{"POST /backup", access.Backups, w.makeBackup},
		{"POST /backup/try", access.Backups, w.tryBackup},
		{"POST /backup/file", access.Backups, w.backupFile},
		{"GET /audit", access.SeeAudit, w.audit},
		{"/", access.Own, w.nowhere},
	}
}

func (w *Site) routes() {
	for _, r := range w.all() {
		w.mux.HandleFunc(r.pattern, w.serve(r.action, r.handle))
	}
	w.mux.HandleFunc("GET /assets/{hash}/{name}", serveAsset)
}

// handler answers one request; what it returns is written by Site.serve.
type handler func(*page) (reply, error)

// reply is what a handler wants written: a page, a way to another one, or a
// download.
type reply struct {
	body   templ.Component
	status int // 0 is 200
	to     string
	cookie *http.Cookie
	// send writes anything else, with its own headers.
	send func(http.ResponseWriter) error
}

func show(c templ.Component) (reply, error) { return reply{body: c}, nil }
func goTo(path string) (reply, error)       { return reply{to: path}, nil }

// fault is an error that is the asker's: what happened and what to do next, by
// their ids in the table of texts.
type fault struct {
	status     int
	what, next string
}

func (f *fault) Error() string { return f.what }

var (
	errNowhere = &fault{http.StatusNotFound, "error.nowhere", "error.nowhere.next"}
	errGone    = &fault{http.StatusNotFound, "error.gone", "error.gone.next"}
	errVillage = &fault{http.StatusNotFound, "error.village", "error.village.next"}
	errRole    = &fault{http.StatusForbidden, "error.role", "error.role.next"}
	errAsked   = &fault{http.StatusBadRequest, "error.asked", "error.asked.next"}
	errReply   = &fault{http.StatusNotFound, "error.reply", "error.reply.next"}
	errLeft    = &fault{http.StatusConflict, "error.left", "error.left.next"}
	errFull    = &fault{http.StatusInsufficientStorage, "error.full", "error.full.next"}
	errBusy    = &fault{http.StatusServiceUnavailable, "error.busy", "error.busy.next"}
	errCross   = &fault{http.StatusForbidden, "error.cross", "error.cross.next"}
)

func (w *Site) nowhere(*page) (reply, error) { return reply{}, errNowhere }

// serve runs a handler and writes its reply; it is the one place where an error
// becomes a page.
func (w *Site) serve(to access.Action, h handler) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		p, err := w.page(rw, r)
		var a reply
		if err == nil {
			a, err = w.pass(p, to, h)
		}
		if err != nil {
			a = w.failed(p, err)
		}
		if !p.in() {
			p.secret() // the cookie of the door goes out before the page that needs it
		}
		if a.body != nil && p.in() && !p.byItself() {
			p.drift = w.sessions.PopInt(p.ctx, keyDrift)
		}
		if err := p.keep(rw); err != nil {
			w.opt.Log.Error("session not kept", "error", err)
		}
		if a.cookie != nil {
			http.SetCookie(rw, a.cookie)
		}
		switch {
		case a.to != "":
			http.Redirect(rw, r, a.to, http.StatusSeeOther)
			return
		case a.send != nil:
			err = a.send(rw)
		default:
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
			if a.status != 0 {
				rw.WriteHeader(a.status)
			}
			err = a.body.Render(r.Context(), rw)
		}
		if err != nil {
			if r.Context().Err() == nil {
				w.opt.Log.Error("page not written", "path", r.URL.Path, "error", err)
			}
			// Ended in order, what was sent would look whole.
			panic(http.ErrAbortHandler)
		}
	}
}

// pass lets a request through that may go where it wants to.
func (w *Site) pass(p *page, to access.Action, h handler) (reply, error) {
	// A file is not read for somebody who may not upload; who that is, is said below.
	unread := uploads(p.r) && !(p.in() && access.May(p.account.Roles, to))
	if p.r.Method != http.MethodGet && p.r.Method != http.MethodHead && !unread {
		if err := p.checkForm(); err != nil {
			return reply{}, err
		}
	}
	if to != door {
		switch {
		case !p.in():
			return w.toSignIn(p)
		case !p.may(to):
			if p.r.URL.Path == "/" && p.r.Method == http.MethodGet {
				return goTo(home(p.account.Roles))
			}
			return reply{}, errRole
		}
		// An empty list would say that there is nothing.
		if v := p.asked("village"); v != "" {
			if known, err := p.isKnown(v); err != nil {
				return reply{}, err
			} else if !known {
				return reply{}, errVillage
			}
		}
	}
	return h(p)
}

// failed turns an error into a page with one sentence and the next step.
func (w *Site) failed(p *page, err error) reply {
	var f *fault
	switch {
	case errors.As(err, &f):
	case errors.Is(err, store.ErrNotFound):
		f = errGone
	case errors.Is(err, access.ErrBusy):
		f = errBusy
	default:
		if p.r.Context().Err() == nil {
			w.opt.Log.Error("request failed", "path", p.r.URL.Path, "error", err)
		}
		f = &fault{http.StatusInternalServerError, "error.failed", "error.failed.next"}
		if w.store.Again(err) {
			f = errBusy
		}
	}
	p.title, p.refused = p.T(f.what), f.status < http.StatusInternalServerError
	p.still = true
	return reply{status: f.status, body: faultPage(p, f)}
}

// protect sets the headers of every answer.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Not no-referrer: browsers that send no Sec-Fetch-Site would then send
	// their own forms with the origin "null".
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// address makes an address of a path and its query.
func address(to string, query ...string) string {
	sep := "?"
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			to += sep + escape(query[i]) + "=" + escape(query[i+1])
			sep = "&"
		}
	}
	return to
}

// local tells an address on this site from one that leads elsewhere.
func local(to string) bool {
	return strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.ContainsAny(to, "\\\r\n\t")
}
