package web

import (
	"slices"
	"strings"
	"time"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// How many days a laptop may be silent before the page says so, and before it
// says so loudly.
const (
	quietDays  = 4
	silentDays = 14
)

// contact is a laptop's dealings with one village.
type contact struct {
	village  record.Village
	device   store.Device
	seen     time.Time // zero: never
	pending  uint64
	until    clock.Time // of the last change that came in
	offset   time.Duration
	level    string // fine, quiet, silent, never, revoked
	days     int
	heard    bool
	received uint64
}

// contacts lists the laptops by village, those first that need attention.
func (w *Site) contacts(p *page) ([]contact, error) {
	devices, err := w.store.Devices(p.ctx)
	if err != nil {
		return nil, err
	}
	heard, err := w.store.Contacts(p.ctx)
	if err != nil {
		return nil, err
	}
	came, err := w.store.Delivered(p.ctx)
	if err != nil {
		return nil, err
	}
	type key struct {
		village record.Village
		device  identity.Device
	}
	last := map[key]store.Contact{}
	for _, c := range heard {
		last[key{c.Village, c.Device}] = c
	}
	until := map[key]store.Delivered{}
	for _, d := range came {
		until[key{d.Village, d.Device}] = d
	}
	var list []contact
	for _, d := range devices {
		for _, v := range d.Villages {
			k := key{v, d.ID}
			c := contact{village: v, device: d, until: until[k].Until, received: until[k].Changes}
			if h, ok := last[k]; ok {
				c.seen, c.pending, c.offset, c.heard = h.Seen, h.Pending, time.Duration(h.Offset)*time.Millisecond, true
			}
			c.judge(p.now)
			list = append(list, c)
		}
	}
	order := []string{"never", "silent", "quiet", "fine", "revoked"}
	slices.SortStableFunc(list, func(a, b contact) int {
		if n := strings.Compare(string(a.village), string(b.village)); n != 0 {
			return n
		}
		if n := slices.Index(order, a.level) - slices.Index(order, b.level); n != 0 {
			return n
		}
		return a.seen.Compare(b.seen)
	})
	return list, nil
}

func (c *contact) judge(now time.Time) {
	switch {
	case c.device.Revoked():
		c.level = "revoked"
	case c.seen.IsZero():
		c.level = "never"
	default:
		c.days = int(midnight(now).Sub(midnight(c.seen.In(beijing))) / (24 * time.Hour))
		switch {
		case c.days >= silentDays:
			c.level = "silent"
		case c.days >= quietDays:
			c.level = "quiet"
		default:
			c.level = "fine"
		}
	}
}

// levelText says how a laptop's contact stands.
func (p *page) levelText(c *contact) string {
	if c.level == "quiet" || c.level == "silent" {
		return p.T("contact."+c.level, c.days)
	}
	return p.T("contact." + c.level)
}

// skewed says that a laptop's clock is wrong, or nothing.
func (p *page) skewed(c *contact) string {
	minutes := int(c.offset / time.Minute)
	switch {
	case minutes >= 2:
		return p.T("clock.slow", p.span(minutes))
	case minutes <= -2:
		return p.T("clock.fast", p.span(-minutes))
	}
	return ""
}

func (p *page) span(minutes int) string {
	switch {
	case minutes >= 2*24*60:
		return p.T("span.days", minutes/(24*60))
	case minutes >= 120:
		return p.T("span.hours", minutes/60)
	}
	return p.T("span.minutes", minutes)
}

type overviewView struct {
	stands   []store.Stand
	sum      store.Stand
	report   store.Report
	contacts []contact
	restored *store.Restored // waits to be confirmed
	steps    []step
}

func (w *Site) overview(p *page) (reply, error) {
	p.title, p.at = p.T("overview.title"), overview
	v := &overviewView{}
	var err error
	if v.stands, v.report, err = w.store.Stands(p.ctx); err != nil {
		return reply{}, err
	}
	for _, s := range v.stands {
		v.sum.Households += s.Households
		v.sum.Persons += s.Persons
		v.sum.Visits += s.Visits
		v.sum.Records += s.Records
		v.sum.Waiting.Conflicts += s.Waiting.Conflicts
		v.sum.Waiting.Proposals += s.Waiting.Proposals
		v.sum.Waiting.Quarantined += s.Waiting.Quarantined
		v.sum.Waiting.SetAside += s.Waiting.SetAside
	}
	if v.contacts, err = w.contacts(p); err != nil {
		return reply{}, err
	}
	if v.restored, err = w.store.Restored(p.ctx); err != nil {
		return reply{}, err
	}
	if v.steps, err = w.steps(p); err != nil {
		return reply{}, err
	}
	return show(overviewPage(p, v))
}

// loud tells a laptop that needs attention.
func (c *contact) loud() bool { return c.level == "never" || c.level == "silent" || c.level == "quiet" }

// split gives those that need attention, or the others.
func (v *overviewView) split(loud bool) []contact {
	return slices.DeleteFunc(slices.Clone(v.contacts), func(c contact) bool { return c.loud() != loud })
}

// few tells a list that need not be folded.
func (v *overviewView) few() bool { return len(v.contacts) <= 12 }

// machines counts the laptops of a list that has one a line for each village.
func (v *overviewView) machines(list []contact) int {
	seen := map[identity.Device]bool{}
	for _, c := range list {
		seen[c.device.ID] = true
	}
	return len(seen)
}

func (v *overviewView) troubled() int { return v.machines(v.split(true)) }
