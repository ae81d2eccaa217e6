package web

import (
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// page is one request with what every page shows.
type page struct {
	site       *Site
	r          *http.Request
	ctx        context.Context // with the session
	lang       form.Lang
	account    store.Account
	half       guest // who has given the password and lacks something
	sight      access.Sight
	begins     bool              // a new session does, with this request
	doorCookie *http.Cookie      // a new cookie of the door
	parts      *multipart.Reader // of an upload, what has not been read yet
	now        time.Time         // Beijing
	title      string
	at         string // the area that this page is in
	// still tells a page that does not look again by itself, refused one that
	// says that what was asked for cannot be had.
	still, refused bool
	// works tells a page that is worked through by keys.
	works bool
	// draws tells that the page has charts or a map.
	draws   bool
	drift   int    // how many steps the code of this sign-in was off
	version string // what the data was when the page was made
	// known are the villages by code, waiting what waits in them.
	known   []store.Village
	waiting map[record.Village]store.Waiting
	names   names
	people  map[identity.Device]store.Device
	laptops []store.Device
	writers map[record.Village]map[record.Stream]identity.Device
}

// beijing is the zone of all times that people read.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

func escape(s string) string { return url.QueryEscape(s) }

// liveHeader is on requests that a page makes by itself.
const liveHeader = "X-Zhucun-Live"

func (p *page) byItself() bool { return p.r.Header.Get(liveHeader) != "" }

// in tells whether somebody is signed in.
func (p *page) in() bool { return p.account.Login != "" }

// settle says whose page it is.
func (p *page) settle(g guest) {
	p.account, p.half = g.account, guest{}
	if g.lacks != "" {
		p.account, p.half = store.Account{}, g
	}
	p.sight = access.SightOf(&p.account)
}

// page gathers what a page needs. It gives a page that can show an error even
// where it fails.
func (w *Site) page(rw http.ResponseWriter, r *http.Request) (*page, error) {
	p := &page{site: w, r: r, ctx: r.Context(), now: w.store.Now().In(beijing)}
	if w.cookieValue(r, "language") == "en" {
		p.lang = form.En
	}
	limit := int64(maxBody)
	if uploads(r) {
		limit = maxUpload
	}
	r.Body = http.MaxBytesReader(rw, r.Body, limit)
	ctx, who, err := w.enter(r)
	if err != nil {
		p.ctx = nil
		return p, err
	}
	p.ctx = ctx
	if who.account.Login != "" {
		p.ctx = store.By(ctx, who.account.Login)
	}
	p.settle(who)
	if !p.in() {
		return p, nil
	}
	p.seen()
	// The version comes first: what changes while the page is made is shown by
	// the next one.
	if p.version, err = w.store.Version(ctx); err != nil {
		return p, err
	}
	if p.known, err = w.store.Villages(ctx); err != nil {
		return p, err
	}
	p.known = slices.DeleteFunc(p.known, func(v store.Village) bool { return !p.sight.Reaches(v.Code) })
	if p.may(access.Decide) {
		p.waiting, err = w.store.Waiting(ctx)
	}
	return p, err
}

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

// may tells whether whoever is signed in may do it.
// cares tells whether what keeps the whole going is in a menu of its own: for who has more
// to do than that.
func (p *page) cares() bool {
	care, work := 0, 0
	for _, a := range areas {
		if p.may(a.action) && a.care {
			care++
		} else if p.may(a.action) {
			work++
		}
	}
	return care > 1 && work > 0
}

// caring tells that the page is one of those.
func (p *page) caring() bool {
	for _, a := range areas {
		if a.care && a.name == p.at {
			return true
		}
	}
	return false
}

func (p *page) may(a access.Action) bool { return access.May(p.account.Roles, a) }

func (p *page) writer() merge.Writer {
	return merge.Writer{Author: p.account.Login, Role: identity.Office}
}

// village is the name of a village, its code where it has not been entered.
func (p *page) village(code record.Village) string {
	if i, there := p.find(code); there {
		return p.known[i].Name
	}
	return string(code)
}

// find looks for a village among those that the page may tell of.
func (p *page) find(code record.Village) (int, bool) {
	return slices.BinarySearchFunc(p.known, code, func(v store.Village, code record.Village) int {
		return strings.Compare(string(v.Code), string(code))
	})
}

// asked reads a village from the address; "" is all, but for who sees only one.
func (p *page) asked(name string) record.Village {
	if v := p.r.URL.Query().Get(name); v != "" {
		return record.Village(v)
	}
	return p.sight.Village
}

// isKnown tells a village that was entered or of which there is anything.
func (p *page) isKnown(code record.Village) (bool, error) {
	if p.entered(code) || !p.sight.Reaches(code) {
		return p.sight.Reaches(code), nil
	}
	heads, err := p.site.store.Heads(p.ctx)
	return slices.ContainsFunc(heads, func(h store.Head) bool { return h.Village == code }), err
}

// count of what waits, by kind, over all villages.
func (p *page) toDecide() int {
	n := 0
	for _, w := range p.waiting {
		n += w.Conflicts + w.Proposals
	}
	return n
}

func (p *page) toSort() int {
	n := 0
	for _, w := range p.waiting {
		n += w.Quarantined
	}
	return n
}

// day shows a date, 2017-05-23, without the year where it is this one.
func (p *page) day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	if t.Year() == p.now.Year() {
		return p.T("day.short", int(t.Month()), t.Day(), t.Format("Jan"))
	}
	return p.T("day.long", t.Year(), int(t.Month()), t.Day(), t.Format("Jan"))
}

// moment shows a time as people say it.
func (p *page) moment(t time.Time) string {
	if t.IsZero() || t.UnixMilli() == 0 {
		return p.T("moment.never")
	}
	t = t.In(beijing)
	at := t.Format("15:04")
	switch days := midnight(p.now).Sub(midnight(t)) / (24 * time.Hour); days {
	case 0:
		return p.T("moment.today", at)
	case 1:
		return p.T("moment.yesterday", at)
	}
	return p.T("moment.other", p.day(t.Format(time.DateOnly)), at)
}

func (p *page) when(t clock.Time) string { return p.moment(t.Std()) }

// midnight at which a time's day began.
func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

func (p *page) month(month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return p.T("month", t.Year(), int(t.Month()), t.Format("Jan"))
}

// role names a role.
func (p *page) role(r identity.Role) string { return p.site.forms.RoleLabel(r).In(p.lang) }

func (p *page) roles(list []identity.Role) string {
	var words []string
	for _, r := range list {
		words = append(words, p.role(r))
	}
	return strings.Join(words, p.T("list.between"))
}

func (p *page) list(words []string) string { return strings.Join(words, p.T("list.between")) }

func (p *page) villages(codes []record.Village) string {
	var words []string
	for _, v := range codes {
		words = append(words, p.village(v))
	}
	return p.list(words)
}

// devices gives all devices; a page reads them once.
func (p *page) devices() ([]store.Device, error) {
	if p.people == nil {
		list, err := p.site.store.Devices(p.ctx)
		if err != nil {
			return nil, err
		}
		p.laptops, p.people = list, map[identity.Device]store.Device{}
		for _, d := range list {
			p.people[d.ID] = d
		}
	}
	return p.laptops, nil
}

// writersOf tells whose each stream of a village is; a page reads that once.
func (p *page) writersOf(v record.Village) (map[record.Stream]identity.Device, error) {
	if list, known := p.writers[v]; known {
		return list, nil
	}
	list, err := p.site.store.Writers(p.ctx, v)
	if p.writers == nil {
		p.writers = map[record.Village]map[record.Stream]identity.Device{}
	}
	p.writers[v] = list
	return list, err
}

// device says whose a device is.
func (p *page) device(id identity.Device) string {
	if id == "" {
		return "" // of a receipt nobody is told whose laptop it was
	}
	if id == store.OfficeDevice {
		return p.T("device.office")
	}
	if _, err := p.devices(); err != nil {
		p.site.opt.Log.Error("devices not read", "error", err)
	}
	if d, known := p.people[id]; known {
		return p.T("device.of", d.Name)
	}
	return p.T("device.unknown", clip(string(id), 6))
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// number writes a count with thousands apart.
func number[N ~int | ~uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// filterFields are the fields of a form by which lists can be filtered.
func (p *page) filterFields(f *form.Form) []*form.Field {
	return slices.DeleteFunc(slices.Clone(f.Fields), func(fd *form.Field) bool { return fd.Masked || !p.sight.Shows(fd) })
}
