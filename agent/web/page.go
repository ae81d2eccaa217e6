package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// page is one request with what every page shows.
type page struct {
	site   *Site
	r      *http.Request
	lang   form.Lang
	device store.Device
	author string // who is at the laptop
	people map[string]store.Profile
	proven string // who has given his PIN
	// stranger is who the browser says is there, and has not given his PIN.
	stranger string
	token    string
	status   store.Status
	now      time.Time                          // corrected, Beijing
	today    string                             // 2017-05-23
	snap     *snapshot                          // see snapshot
	unsure   *string                            // see doubt
	lowers   map[told]string                    // see lower
	files    func() (map[blob.Hash]bool, error) // those that are not delivered, read once
	labels   map[record.ID]string               // titles of records that others name
	title    string
	// refused tells a page that says that what was asked for cannot be had.
	refused bool
	papers  bool   // days and moments are written in full
	at      string // the entry of the menu that this page is under
	again   string // the page to go on to in a few seconds where no script runs
}

func language(s string) form.Lang {
	if s == "en" {
		return form.En
	}
	return form.Zh
}

// page gathers what a page needs. It gives a page that can show an error even
// where it fails.
func (w *Site) page(r *http.Request) (*page, error) {
	p := &page{site: w, r: r, token: w.doors.token(), now: time.UnixMilli(w.store.Now()).In(beijing), files: sync.OnceValues(w.store.WaitingBlobs)}
	p.today = p.now.Format(time.DateOnly)
	var err error
	if p.device, err = w.store.Device(); err != nil {
		return p, err
	}
	p.lang = language(p.device.Language)
	if p.status, err = w.store.Status(); err != nil {
		return p, err
	}
	if p.people, err = w.store.Profiles(); err != nil {
		return p, err
	}
	p.author, p.proven = p.who(), w.doors.proven(w.sessionOf(r))
	if p.author != "" && !p.signs(p.author) {
		p.stranger = p.author
	} else if l := p.people[p.author].Language; l != "" {
		p.lang = language(l)
	}
	return p, nil
}

// snapshot is the store as the lists of this page know it: one for the whole
// page, so that all of it says the same and waits once.
func (p *page) snapshot() (*snapshot, error) {
	if p.snap != nil {
		return p.snap, nil
	}
	var err error
	p.snap, err = p.site.cache.get(p.today, p.typing())
	return p.snap, err
}

// typing tells a request that somebody sends by typing: it waits for nothing.
func (p *page) typing() bool { return p.r.Method == http.MethodPost && p.r.PostForm.Get("part") != "" }

// wholly is snapshot for a page that has nothing to say before the store has been read: it
// waits for that.
func (p *page) wholly() (snap *snapshot, err error) {
	p.snap, err = p.site.cache.all(p.r.Context(), p.today)
	return p.snap, err
}

// A corrected clock that lies before what is here already, or this long after
// it, is not believed: a battery has died, or somebody mistyped the year.
const (
	behindAtMost = 24 * time.Hour
	aheadAtMost  = 365 * 24 * time.Hour
)

// fetched names the villages that come anew from the office, after the data file was
// damaged: until they are here nothing that is missing means anything.
func (p *page) fetched() string {
	var names []string
	for _, v := range p.status.Villages {
		if v.Anew {
			names = append(names, p.villageName(v.Code))
		}
	}
	return strings.Join(names, p.T("list.between"))
}

// outdated tells that the office has published what this program cannot read.
func (p *page) outdated() bool {
	if !p.known() {
		return false
	}
	_, unread, err := p.site.store.Edition()
	return unread && err == nil
}

// rebuilt tells what became of a data file that was damaged.
func (p *page) rebuilt() string {
	r := p.status.Rebuilt
	if r.At == 0 {
		return ""
	}
	said := p.T("rebuilt.done", p.moment(r.At), r.Aside, r.Saved)
	if r.Missing > 0 {
		said = p.T("rebuilt.missing", p.moment(r.At), r.Aside, r.Saved, r.Missing)
	}
	if r.Unchosen {
		said += p.T("rebuilt.unchosen")
	}
	return said
}

// doubt says why today's date cannot be right, or that the records that are counted by it
// have not been read yet; it is empty when nothing speaks against it. Until it is, nothing
// is counted by it and no answer begun with it.
func (p *page) doubt() string {
	if p.unsure != nil {
		return *p.unsure
	}
	why := ""
	if snap, err := p.snapshot(); err == nil && snap.unread {
		why = p.T("reading.doubt", p.site.cache.percent())
	} else if err == nil {
		last, id := p.lastContact(), "clock.sync"
		if newest := snap.newest.Milli(); newest > last {
			last, id = newest, "clock.record"
		}
		if off := p.now.Sub(time.UnixMilli(last)); last > 0 && (off < -behindAtMost || off > aheadAtMost) {
			why = p.T(id, p.date(p.now), p.date(time.UnixMilli(last).In(beijing)))
		}
	}
	p.unsure = &why
	return why
}

// later says when what cannot be counted now will be.
func (p *page) later() string {
	if snap, err := p.snapshot(); err == nil && snap.unread {
		return p.T("reading.later")
	}
	return p.T("clock.later")
}

// counted is the day that days are counted up to; empty while it is in doubt.
func (p *page) counted() string {
	if p.doubt() != "" {
		return ""
	}
	return p.today
}

// date shows a day with its year.
func (p *page) date(t time.Time) string {
	return p.T("day.long", t.Year(), int(t.Month()), t.Day(), t.Format("Jan"))
}

// url is the address of a page of this site.
func (p *page) url(path string) templ.SafeURL { return templ.SafeURL(p.site.root + path) }

// T gives a text of the table in the page's language.
func (p *page) T(id string, args ...any) string {
	t, known := texts[id]
	if !known {
		return "⟦" + id + "⟧"
	}
	words := t.zh
	if p.lang == form.En {
		words = t.en
	}
	if len(args) == 0 {
		return words
	}
	return fmt.Sprintf(words, args...)
}

func (p *page) code() string {
	if p.lang == form.En {
		return "en"
	}
	return "zh-CN"
}

// may tells whether the laptop's role may create and change records of a type.
func (p *page) may(f *form.Form) bool {
	// Notices are written where they are sent from, on the office's own page.
	return f.Type != noticeType && merge.Permit(f, f.Type, nil, p.writer(), nil) == nil
}

func (p *page) writer() merge.Writer {
	return merge.Writer{Author: p.author, Role: p.device.Assigned.Role}
}

// mine counts what waits for this person's decision.
func (p *page) mine() int {
	if p.status.Conflicts+p.status.Proposals == 0 {
		return 0
	}
	mine, _, err := p.site.waiting(p)
	if err != nil {
		return 0 // the page itself says why
	}
	return len(mine)
}

// villageName is the name of a village, its code where it is not assigned.
func (p *page) villageName(code record.Village) string {
	for _, v := range p.device.Assigned.Villages {
		if v.Code == code {
			return v.Name
		}
	}
	return string(code)
}

// manyVillages tells whether lists must say which village a line is of.
func (p *page) manyVillages() bool { return len(p.device.Assigned.Villages) > 1 }

// villages names what the laptop is for.
func (p *page) villages() string {
	var names []string
	for i, v := range p.device.Assigned.Villages {
		if i == 3 {
			names = append(names, "…")
			break
		}
		names = append(names, v.Name)
	}
	return strings.Join(names, p.T("list.between"))
}

// day shows a date, 2017-05-23, without the year where it is this one; papers, which are
// read in other years and have narrow columns, show it as it is.
func (p *page) day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil || p.papers {
		return date
	}
	if t.Year() == p.now.Year() {
		return p.T("day.short", int(t.Month()), t.Day(), t.Format("Jan"))
	}
	return p.date(t)
}

// moment shows a time, in ms since 1970.
func (p *page) moment(ms int64) string {
	t := time.UnixMilli(ms).In(beijing)
	clock := t.Format("15:04")
	if p.papers {
		return t.Format("2006-01-02 15:04")
	}
	switch days, _ := daysBetween(t.Format(time.DateOnly), p.today); days {
	case 0:
		return p.T("moment.today", clock)
	case 1:
		return p.T("moment.yesterday", clock)
	}
	return p.T("moment.other", p.day(t.Format(time.DateOnly)), clock)
}

// back is the address of this page, or of the one that a POST was made from.
func (p *page) back() string {
	path := p.r.URL.Path
	switch {
	case p.refused: // what was asked for may be anything, and is not to stand on the page
	case p.r.Method == http.MethodGet:
		return p.r.URL.RequestURI()
	case strings.HasPrefix(path, "/draft/"):
		return strings.TrimSuffix(path, "/save")
	case strings.HasSuffix(path, "/members"):
		return path
	case path == "/attendance/day":
		return "/month/attendance"
	case path == "/decide", path == "/takeback":
		return "/conflicts"
	case path == "/settings":
		return path
	case strings.HasPrefix(path, "/bundles"):
		return "/bundles"
	case strings.HasPrefix(path, "/import"):
		return "/import"
	}
	return "/"
}

// wanted is where whoever says who he is goes on to.
func (p *page) wanted() string {
	if p.r.Method == http.MethodGet && p.r.URL.Path != "/me" {
		return p.r.URL.RequestURI()
	}
	return "/"
}

// known tells that the laptop belongs to an office, and who is at it.
func (p *page) known() bool { return !p.fresh() && p.stranger == "" }

// typeSize is how large the type is on the pages of whoever is there.
func (p *page) typeSize() string { return p.people[p.author].Size }

// weekday is the name of today's.
func (p *page) weekday() string { return p.T("weekday." + p.now.Format("Mon")) }

// way says how far a record's changes have come.
func (p *page) way(way string) string { return p.T("way." + way) }

// wayOf is how far a record's changes have come, as the pages tell it: merge.Local,
// Sent, Delivered or Quarantined, or bundled or rejected.
func wayOf(r *store.Record) string {
	switch {
	case r.Bundled:
		return bundled
	case r.Rejected:
		return rejected
	}
	return r.Way
}

// filesWait is of a record that is delivered without a file that it shows.
const filesWait = "files"

// withFiles is how far a record has come with the files that it shows, where waiting are
// those that are not delivered.
func withFiles(f *form.Form, r *store.Record, waiting map[blob.Hash]bool) string {
	way := wayOf(r)
	if way == merge.Delivered && len(waiting) > 0 && store.ShowsAny(f, r.View, waiting) {
		return filesWait
	}
	return way
}

// wayOf is that of a record on this page. Where the files cannot be told, it is not said
// that they are delivered.
func (p *page) wayOf(f *form.Form, r *store.Record) string {
	if p.status.Blobs == 0 {
		return wayOf(r)
	}
	waiting, err := p.files()
	if way := wayOf(r); err != nil && way == merge.Delivered {
		return filesWait
	}
	return withFiles(f, r, waiting)
}

// rejected is of what the office rejected, while nobody here has seen why.
const rejected = "rejected"

// bundled is of what is in a bundle and on no other way: not delivered.
const bundled = "bundled"

func writeData(rw http.ResponseWriter, a reply) {
	raw, err := json.Marshal(a.data)
	if err != nil {
		http.Error(rw, "", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	if a.status != 0 {
		rw.WriteHeader(a.status)
	}
	rw.Write(raw)
}
