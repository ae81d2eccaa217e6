package web

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// house is what the lists keep of a household: some hundred bytes.
type house struct {
	id      record.ID
	village record.Village
	name    string
	group   string
	phone   string
	no      string
	active  bool   // one that visits are owed to
	since   string // the day it was registered
	last    string // the day of the last counted visit, up to the snapshot's day
	visits  int    // without void ones
	way     string // of its own record, as withFiles tells it
	review  bool   // somebody has to decide on it
	promise promise
	recent  []dayVisit // those of late
}

// title is the line by which people know the household.
func (h *house) title() string {
	switch {
	case h.name == "" && h.group == "":
		return h.no
	case h.group == "":
		return h.name
	}
	return h.name + "（" + h.group + "）"
}

// undelivered counts the records of a type that have changes without receipt.
type undelivered struct {
	form  *form.Form
	count int
}

// snapshot is what the lists know of the store at one moment.
type snapshot struct {
	today    string
	newest   clock.Time // when the latest change was made
	houses   []*house   // by village, group, name
	byID     map[record.ID]*house
	files    map[blob.Hash]bool        // those that are not delivered
	form     *form.Form                // of households
	started  map[record.Village]string // the first day of the village's team
	counts   map[record.Type]int
	pending  []undelivered
	oldest   clock.Time // of the records with pending changes, the last change that lies furthest back
	stuck    []record.Key
	rejected []record.Key // the same of what was rejected and is to be seen
	waits    []wait
	duties   []openDuty // the most pressing first
	open     int        // how many there are
}

// wait is one register that waits for a decision, and who created the record.
type wait struct {
	key     record.Key
	path    record.Path
	authors []string
	lone    bool // one proposal, and nothing that stands against it
	asked   bool // the office asks about it
}

// waitsOf gives what waits in a record, in the order of its form.
func waitsOf(f *form.Form, r *store.Record) []wait {
	if f == nil || len(r.View.Conflicts)+len(r.View.Proposals) == 0 {
		return nil
	}
	var out []wait
	for _, m := range []map[record.Path][]merge.Sibling{r.View.Conflicts, r.View.Proposals} {
		for path := range m {
			if !slices.ContainsFunc(out, func(o wait) bool { return o.path == path }) {
				q := r.View.Questions[path]
				out = append(out, wait{r.Key, path, r.View.Authors, lone(&r.View, path), q != nil && q.State == merge.Asked})
			}
		}
	}
	slices.SortFunc(out, func(a, b wait) int { return fieldAt(f, a.path) - fieldAt(f, b.path) })
	return out
}

// maxListed bounds the lists of single records that a snapshot keeps.
const maxListed = 200

// cache makes a snapshot anew when somebody asks after the store has changed.
// On a large store that takes a moment, so a page waits for it only so long and
// is then made from the one before, on which this laptop's own saves are noted.
type cache struct {
	store    *store.Store
	forms    *form.Set
	patience time.Duration

	mu      sync.Mutex
	day     string // the last that was asked for
	snap    *snapshot
	err     error           // of the last reading
	stale   <-chan struct{} // closed when snap is no longer what the store holds
	reading chan struct{}   // closed when the reading under way ends; nil when none is
	own     bool            // the last change is this laptop's own and noted already
	noted   []record.Key    // since the reading under way began
}

// patience is how long a page waits for a new snapshot while there is an old
// one.
const patience = 300 * time.Millisecond

func newCache(s *store.Store, forms *form.Set) *cache {
	return &cache{store: s, forms: forms, patience: patience}
}

// get gives a snapshot for a day, 2017-05-23.
func (c *cache) get(today string) (*snapshot, error) {
	c.mu.Lock()
	c.day = today
	if c.snap != nil && c.snap.today == today {
		select {
		case <-c.stale:
		default:
			defer c.mu.Unlock()
			return c.snap, nil
		}
	}
	if c.reading == nil {
		c.reading, c.noted = make(chan struct{}), nil
		go c.refresh(c.reading, today)
	}
	reading, patience := c.reading, c.patience
	switch {
	case c.snap == nil:
		patience = time.Hour
	case c.own:
		patience = 0
	}
	c.mu.Unlock()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case <-reading:
	case <-enough.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snap, c.err
}

func (c *cache) refresh(done chan struct{}, today string) {
	defer close(done)
	// Taken before reading: a change that comes meanwhile makes it stale again.
	stale := c.store.Changed()
	snap, err := c.read(today)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading, c.err = nil, err; err != nil {
		return
	}
	c.snap, c.stale, c.own = snap, stale, len(c.noted) > 0
	for _, k := range c.noted {
		c.apply(k)
	}
}

// note takes a record that was just saved here into the snapshot there is.
func (c *cache) note(k record.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noted = append(c.noted, k)
	c.own = true
	if c.snap != nil {
		c.apply(k)
	}
}

// apply replaces the snapshot by one with the record as it is now. Others may
// be reading the old one, so nothing of it is changed.
func (c *cache) apply(k record.Key) {
	r, err := c.store.Get(k.Type, k.ID)
	if err != nil {
		return // the next reading says why
	}
	old := c.snap
	s := *old
	s.today = c.day // a visit of today counts though the snapshot is of yesterday
	if s.oldest == 0 && r.Way != merge.Delivered {
		s.oldest = r.View.Updated
	}
	if f := c.forms.Form(k.Type); !slices.ContainsFunc(s.pending, func(u undelivered) bool { return u.form == f }) {
		s.pending = append(slices.Clip(s.pending), undelivered{f, 1})
	}
	// What still waits keeps its place: somebody works through the list.
	at := slices.IndexFunc(s.waits, func(o wait) bool { return o.key == k })
	if at < 0 {
		at = len(s.waits)
	}
	s.waits = slices.DeleteFunc(slices.Clone(s.waits), func(o wait) bool { return o.key == k })
	s.waits = slices.Insert(s.waits, at, waitsOf(c.forms.Form(k.Type), &r)...)
	if _, due := duties[k.Type]; due {
		s.forget(r.Key.ID)
		s.takeDuty(&r)
		s.sortDuties()
	}
	about := k.ID
	if k.Type == visitType {
		about, _ = record.ParseID(first(r.View.Fields["household"].Texts()))
	}
	if k.Type == visitType && old.byID[about] != nil || k.Type == householdType {
		s.rehouse(c.store, about)
	}
	c.snap = &s
}

// forget takes a duty out.
func (s *snapshot) forget(id record.ID) {
	was := len(s.duties)
	s.duties = slices.DeleteFunc(slices.Clone(s.duties), func(d openDuty) bool { return d.key.ID == id })
	s.open -= was - len(s.duties)
}

// rehouse reads one household and its visits anew.
func (s *snapshot) rehouse(from *store.Store, id record.ID) {
	s.houses = slices.DeleteFunc(slices.Clone(s.houses), func(h *house) bool { return h.id == id })
	s.byID = maps.Clone(s.byID)
	delete(s.byID, id)
	if r, err := from.Get(householdType, id); err == nil {
		s.take(&r)
		from.Referring(id, visitType, func(v store.Record) bool { s.take(&v); return true })
	}
	s.sort()
}

func (c *cache) read(today string) (*snapshot, error) {
	files, err := c.store.WaitingBlobs()
	if err != nil {
		return nil, err
	}
	s := &snapshot{today: today, byID: map[record.ID]*house{}, started: map[record.Village]string{}, counts: map[record.Type]int{}, files: files, form: c.forms.Form(householdType)}
	// Households first: visits are counted for those that are here.
	forms := c.forms.Forms()
	slices.SortStableFunc(forms, func(a, b *form.Form) int {
		return cmp.Compare(boolInt(b.Type == householdType), boolInt(a.Type == householdType))
	})
	for _, f := range forms {
		waiting := 0
		err := c.store.Each("", f.Type, func(r store.Record) bool {
			s.counts[f.Type]++
			s.newest = max(s.newest, r.View.Updated)
			switch r.Way {
			case merge.Local, merge.Sent:
				waiting++
				if s.oldest == 0 || r.View.Updated < s.oldest {
					s.oldest = r.View.Updated
				}
			case merge.Quarantined:
				list := &s.stuck
				if r.Rejected {
					list = &s.rejected
				}
				if len(*list) < maxListed {
					*list = append(*list, r.Key)
				}
			}
			s.waits = append(s.waits, waitsOf(f, &r)...)
			s.take(&r)
			return true
		})
		if err != nil {
			return nil, err
		}
		if waiting > 0 {
			s.pending = append(s.pending, undelivered{f, waiting})
		}
	}
	s.sort()
	s.sortDuties()
	return s, nil
}

func (s *snapshot) sort() {
	slices.SortFunc(s.houses, func(a, b *house) int {
		return cmp.Or(cmp.Compare(a.village, b.village), cmp.Compare(a.group, b.group), cmp.Compare(a.name, b.name), cmp.Compare(a.no, b.no))
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// take notes what the lists need of a record.
func (s *snapshot) take(r *store.Record) {
	text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
	switch r.Key.Type {
	case householdType:
		if r.View.Void {
			return
		}
		h := &house{
			id: r.Key.ID, village: r.Key.Village, name: text("head_name"), group: text("group_name"),
			phone: text("phone"), no: text("household_no"), active: owedVisits(r.View.Fields), since: text("registered_date"),
			way: withFiles(s.form, r, s.files), review: reviewed(r),
		}
		s.houses = append(s.houses, h)
		s.byID[h.id] = h
	case visitType:
		id, err := record.ParseID(text("household"))
		if h := s.byID[id]; err == nil && h != nil && !r.View.Void {
			h.visits++
			h.late(r, s.today)
			h.promised(r, s.today)
			if day := text("visit_date"); countedVisit(r.View.Fields) && day > h.last && day <= s.today {
				h.last = day
			}
		}
	case issueType, taskType:
		s.takeDuty(r)
	case teamType:
		if day := text("start_date"); day != "" && !r.View.Void && (s.started[r.Key.Village] == "" || day < s.started[r.Key.Village]) {
			s.started[r.Key.Village] = day
		}
	}
}

// search gives the households that have every word of q in name, group, phone
// or number; those whose name begins with it, or whose numbers end in it, first.
func (s *snapshot) search(q string) []*house {
	words := strings.Fields(strings.ToLower(strings.Map(narrow, q)))
	if len(words) == 0 {
		return s.houses
	}
	type hit struct {
		h    *house
		rank int
	}
	var hits []hit
	for _, h := range s.houses {
		rank := 0
		for _, w := range words {
			r := 0
			switch {
			case h.name == w:
				r = 0
			case strings.HasPrefix(h.name, w):
				r = 1
			case strings.HasSuffix(h.phone, w), strings.HasSuffix(h.no, w):
				r = 2
			case strings.Contains(strings.ToLower(h.name), w):
				r = 3
			case strings.Contains(strings.ToLower(h.group), w):
				r = 4
			case strings.Contains(h.phone, w), strings.Contains(strings.ToLower(h.no), w):
				r = 5
			default:
				r = -1
			}
			if r < 0 {
				rank = -1
				break
			}
			rank += r
		}
		if rank >= 0 {
			hits = append(hits, hit{h, rank})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return a.rank - b.rank })
	found := make([]*house, len(hits))
	for i, h := range hits {
		found[i] = h.h
	}
	return found
}

// narrow turns the wide digits and letters of Chinese input methods into plain
// ones.
func narrow(r rune) rune {
	switch {
	case r >= '！' && r <= '～':
		return r - '！' + '!'
	case r == '\u3000':
		return ' '
	}
	return r
}
