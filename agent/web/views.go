package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// todayView is the first page.
type todayView struct {
	dues     []due // the most pressing
	total    int   // of all that are due
	alarms   int
	coverage []coverage
	drafts   []draftLine
	joint    []*pair // of visits that may be one
	joints   bool    // there are more
	// theirDrafts counts those of colleagues, by name.
	theirDrafts map[string]int
	todos       []todo // the most pressing
	todo        int    // of all that are to be done
	mine        int    // conflicts that this person may decide
	theirs      int
	first       []*dispute
	asked       []*dispute // the first that the office asks about
	questions   int        // of all of those
	delivery    delivery
	houses      int
	notices     []noticeView // that the village has still to read
}

// delivery is what is on its way, in words and numbers.
type delivery struct {
	state   SyncState
	waiting []undelivered
	oldest  int64 // ms since 1970; 0 when nothing waits
	// stuck counts what the office has to decide on, rejected what somebody here has to
	// see.
	stuck, rejected int
}

// maxDues is how many households the first page lists, maxTodos how many promises and
// issues.
const (
	maxDues  = 8
	maxTodos = 6
)

func (w *Site) today(p *page) (reply, error) {
	p.title, p.at = p.T("nav.today"), "today"
	if !p.device.Enrolled() {
		return reply{}, store.ErrNotEnrolled
	}
	snap, err := p.snapshot()
	if err != nil {
		return reply{}, err
	}
	v := &todayView{houses: len(snap.houses), delivery: w.delivery(snap, p)}
	v.dues = snap.dues(p.counted())
	v.total = len(v.dues)
	for _, d := range v.dues {
		if d.level() == alarm {
			v.alarms++
		}
	}
	v.dues = v.dues[:min(maxDues, len(v.dues))]
	all := snap.todos(p.counted())
	v.todo = len(all)
	if p.doubt() == "" {
		v.todos = pressing(all)
	}
	for _, a := range p.device.Assigned.Villages {
		if p.doubt() != "" {
			break
		}
		v.coverage = append(v.coverage, snap.coverage(a.Code, a.Name, p.today))
	}
	notices, err := w.eachNotice(p)
	if err != nil {
		return reply{}, err
	}
	v.notices = slices.DeleteFunc(notices, func(n noticeView) bool { return !n.unread() })
	if v.drafts, v.theirDrafts, err = w.draftLines(p); err != nil {
		return reply{}, err
	}
	if v.joint, v.joints, err = w.twice(p, snap); err != nil {
		return reply{}, err
	}
	mine, others, err := w.waiting(p)
	if err != nil {
		return reply{}, err
	}
	v.mine, v.theirs = len(mine), len(others)
	asked := slices.DeleteFunc(slices.Clone(mine), func(o wait) bool { return !o.asked })
	v.questions = len(asked)
	if v.asked, err = w.disputes(p, asked[:min(3, len(asked))]); err != nil {
		return reply{}, err
	}
	v.asked = slices.DeleteFunc(v.asked, func(d *dispute) bool { return d.question == nil })
	// What is asked stands above; here what waits besides.
	rest := mine[len(asked):]
	if v.first, err = w.disputes(p, rest[:min(3, len(rest))]); err != nil {
		return reply{}, err
	}
	if snap.unread {
		return reply{body: todayPage(p, v), again: "/"}, nil
	}
	return show(todayPage(p, v))
}

func (w *Site) delivery(s *snapshot, p *page) delivery {
	d := delivery{state: w.sync.State(), waiting: s.pending, stuck: int(p.status.Quarantined - p.status.Rejected), rejected: int(p.status.Rejected)}
	if p.status.Pending > 0 {
		d.oldest = s.oldest.Milli()
	}
	if d.oldest == 0 && p.status.Saved > 0 {
		d.oldest = p.status.Rebuilt.At // they are in no record yet
	}
	return d
}

// lastContact is when the office was last reached, in ms since 1970; 0 for never.
func (p *page) lastContact() int64 {
	if at := p.site.sync.State().Success; !at.IsZero() {
		return at.UnixMilli()
	}
	return p.device.LastSync
}

// lastSync says when the office was last reached.
func (d *delivery) lastSync(p *page) string {
	last := p.lastContact()
	if last == 0 {
		return p.T("sync.never")
	}
	return p.T("sync.last", p.moment(last))
}

// skew is what the machine's clock is off, in ms.
func (p *page) skew() int64 {
	ms, err := p.site.store.Skew()
	if err != nil {
		return 0
	}
	return ms
}

// kindGroup is a group of record types in the menu of all records.
type kindGroup struct {
	name  string
	kinds []kindLine
}

type kindLine struct {
	form  *form.Form
	count int
	write bool
}

func (w *Site) kinds(p *page) (reply, error) {
	p.title, p.at = p.T("nav.records"), "records"
	snap, err := p.wholly()
	if err != nil {
		return reply{}, err
	}
	var groups []kindGroup
	for _, f := range w.forms.Forms() {
		if f.Type == noticeType {
			continue // they have a page of their own
		}
		name := f.Group.Label.In(p.lang)
		i := slices.IndexFunc(groups, func(g kindGroup) bool { return g.name == name })
		if i < 0 {
			i, groups = len(groups), append(groups, kindGroup{name: name})
		}
		if k := (kindLine{f, snap.counts[f.Type], p.may(f)}); k.count > 0 || k.write {
			groups[i].kinds = append(groups[i].kinds, k)
		}
	}
	return show(kindsPage(p, slices.DeleteFunc(groups, func(g kindGroup) bool { return len(g.kinds) == 0 })))
}

// recordLine is a record in a list.
type recordLine struct {
	key     record.Key
	title   string
	updated int64
	way     string
	void    bool
	left    bool // it has moved to another village
	review  bool
}

func (w *Site) line(p *page, r *store.Record) recordLine {
	return recordLine{
		key: r.Key, title: w.titleOf(p, r), updated: r.View.Updated.Milli(), way: p.wayOf(w.forms.Form(r.Key.Type), r), void: r.View.Void, left: r.View.Left != "",
		review: reviewed(r),
	}
}

// voidWord says of a record that it is void, or that it has moved to another village.
func (p *page) voidWord(left bool) string {
	if left {
		return p.T("life.left")
	}
	return p.T("life.void")
}

// gone tells that the record is of another village now.
func (v *recordView) gone() bool { return v.View.Void && v.View.Left != "" }

// reviewed tells whether a record waits for somebody's decision.
func reviewed(r *store.Record) bool { return len(r.View.Conflicts)+len(r.View.Proposals) > 0 }

// told is a value of a field.
type told struct {
	fd *form.Field
	v  record.Value
}

// lower is a value as people read it, in small letters. Values of which there
// are few are put into words once a page: of 20,000 visits a handful are new.
func (p *page) lower(fd *form.Field, v record.Value) string {
	switch {
	case fd.Kind == form.Text && !fd.Masked:
		return strings.ToLower(strings.Join(v.Texts(), "、"))
	case len(fd.Choices) == 0 && fd.Refers == "" && fd.Kind != form.Date:
		return strings.ToLower(p.shown(fd, v))
	}
	a := told{fd, v}
	s, known := p.lowers[a]
	if !known {
		if p.lowers == nil {
			p.lowers = map[told]string{}
		}
		s = strings.ToLower(p.shown(fd, v))
		p.lowers[a] = s
	}
	return s
}

// matches tells whether every word is in one of the record's answers. Of masked
// ones only what may be shown is searched.
func (w *Site) matches(p *page, f *form.Form, r *store.Record, words []string) bool {
	for _, word := range words {
		if !slices.ContainsFunc(f.Fields, func(fd *form.Field) bool {
			v := r.View.Fields[fd.Name]
			return v != "" && !v.IsNull() && strings.Contains(p.lower(fd, v), word)
		}) {
			return false
		}
	}
	return true
}

// syncView is the page of what has been delivered.
type syncView struct {
	delivery
	villages []villageLine
	stuck    []stuckLine
	rejected []stuckLine
	// originals of photos that lie here, and those of them that are not at the office.
	originals, late store.Amount
	off             int // minutes that the machine's clock is behind; negative ahead
}

// stuckLine is a record with changes that the office set aside, and why.
type stuckLine struct {
	recordLine
	why string
}

type villageLine struct {
	name                                   string
	pending, delivered, quarantined, total uint64
}

// noticeable is how many minutes a clock must be off to be told of.
const noticeable = 5

func (w *Site) syncPage(p *page) (reply, error) {
	p.title, p.at = p.T("nav.sync"), "sync"
	snap, err := p.wholly()
	if err != nil {
		return reply{}, err
	}
	v := &syncView{delivery: w.delivery(snap, p)}
	if v.originals, v.late, err = w.store.Originals(); err != nil {
		return reply{}, err
	}
	for _, s := range p.status.Villages {
		v.villages = append(v.villages, villageLine{p.villageName(s.Code), s.Pending, s.Delivered, s.Quarantined, s.Records})
	}
	for _, k := range slices.Concat(snap.rejected, snap.stuck) {
		r, err := w.store.Get(k.Type, k.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return reply{}, err
		}
		if err != nil || r.Gone || r.Way != merge.Quarantined {
			continue // decided on, or seen, since the snapshot
		}
		asides, err := w.store.Asides(k.Type, k.ID)
		if err != nil {
			return reply{}, err
		}
		l := stuckLine{recordLine: w.line(p, &r)}
		for i := range asides {
			if a := &asides[i]; a.Open() {
				if why := p.reason(a); !strings.Contains(l.why, why) {
					l.why += why
				}
			}
		}
		if r.Rejected {
			v.rejected = append(v.rejected, l)
		} else {
			v.stuck = append(v.stuck, l)
		}
	}
	if off := int((time.Duration(p.skew()) * time.Millisecond).Minutes()); off > noticeable || off < -noticeable {
		v.off = off
	}
	if v.state.Busy || p.r.URL.Query().Get("asked") != "" {
		p.again = "/sync"
	}
	return show(syncPage(p, v))
}

// syncProgress tells the script how far the sync is that is under way.
func (w *Site) syncProgress(p *page) (reply, error) {
	st := w.sync.State()
	return reply{data: map[string]any{"busy": st.Busy, "text": st.Progress.In(p.lang), "percent": st.Percent, "waiting": p.status.Pending}}, nil
}

func (w *Site) syncNow(p *page) (reply, error) {
	w.sync.Now()
	return goTo("/sync?asked=1")
}

// me is the page of who is at the laptop and in which language.

// backTo lets a form lead back to a page of this site and to no other.
func backTo(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.Contains(path, `\`) {
		return "/"
	}
	return u.RequestURI()
}
