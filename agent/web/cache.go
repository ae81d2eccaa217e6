package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"zhucun/agent/finder"
	"zhucun/agent/store"
	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/figure"
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
	ahead   string // the first day of visits after that
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
	newest   clock.Time                // when the latest change was made
	houses   []*house                  // by village, group, name
	ids      []*house                  // the same by id
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
	// unread tells that the store is being read for the first time and that nothing
	// can be said yet.
	unread bool
}

// byID gives a household; nil where there is none, or a void one.
func (s *snapshot) byID(id record.ID) *house {
	if i, ok := slices.BinarySearchFunc(s.ids, id, (*house).compareID); ok {
		return s.ids[i]
	}
	return nil
}

func (h *house) compareID(id record.ID) int { return bytes.Compare(h.id[:], id[:]) }

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

// cache keeps a snapshot and an index of the households, and catches up with the store
// when somebody asks. All of it is read once; after that what has changed is. Both take
// a moment on a large store, so a page waits for them only so long and is then made of
// what there is, on which this laptop's own saves are noted.
type cache struct {
	store    *store.Store
	forms    *form.Set
	patience time.Duration
	first    time.Duration // the same while nothing has been read
	hurry    time.Duration // the same for whoever is typing
	// grown is told how many bytes are held, while they become many.
	grown func(held int)
	// shut tells that the pages are locked, for everybody. Nothing is kept then.
	shut  func() bool
	every time.Duration // how often that is looked at, while anything is kept

	mu      sync.Mutex
	day     string // the last that was asked for
	snap    *snapshot
	index   *finder.Index
	err     error           // of the last reading
	stale   <-chan struct{} // closed when snap is no longer what the store holds
	reading chan struct{}   // closed when the reading under way ends; nil when none is
	begun   time.Time       // when it began
	own     bool            // the last change is this laptop's own and noted already
	whole   bool            // the reading under way is of the whole store
	noted   []record.Key    // since it began
	mark    store.Mark      // what of the store's changes is in snap
	waiting map[record.ID]undeliveredAt
	life    int         // how often all was forgotten
	guard   *time.Timer // looks whether the pages are locked

	read, total atomic.Int64 // how far a reading of the whole is, in records
	reads       atomic.Int64 // records that were read for good, for tests
}

// undeliveredAt is a record that has changes without receipt, and its last change.
type undeliveredAt struct {
	t  record.Type
	at clock.Time
}

// patience is how long a page waits for what has changed, firstPatience for the first
// reading, and hurry what is shown at every key.
const (
	patience      = 300 * time.Millisecond
	firstPatience = 2 * time.Second
	hurry         = 15 * time.Millisecond
)

func newCache(s *store.Store, forms *form.Set) *cache {
	return &cache{store: s, forms: forms, patience: patience, first: firstPatience, hurry: hurry, index: finder.New(), grown: func(int) {}, shut: func() bool { return false }, every: time.Minute}
}

// watch lets go of everything soon after the pages were locked. c.mu is held.
func (c *cache) watch() {
	if c.guard == nil {
		c.guard = time.AfterFunc(c.every, func() {
			shut := c.shut()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.guard = nil
			if shut {
				c.forget()
			} else {
				c.watch()
			}
		})
	}
}

// get gives a snapshot for a day, 2017-05-23. Whoever is typing waits hardly at all.
func (c *cache) get(today string, typing bool) (*snapshot, error) {
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
		c.watch()
		c.reading, c.begun = make(chan struct{}), time.Now()
		go c.refresh(c.reading, c.life)
	}
	reading, patience := c.reading, c.patience
	switch {
	case c.snap == nil:
		if patience = max(0, c.first-time.Since(c.begun)); typing {
			patience = min(patience, c.hurry)
		}
	case c.own:
		patience = 0
	case typing:
		patience = c.hurry
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
	if c.snap == nil && c.err == nil {
		return &snapshot{today: today, form: c.forms.Form(householdType), unread: true}, nil
	}
	return c.snap, c.err
}

// all is get when the whole store has been read.
func (c *cache) all(ctx context.Context, today string) (*snapshot, error) {
	for {
		snap, err := c.get(today, false)
		if err != nil || !snap.unread {
			return snap, err
		}
		c.mu.Lock()
		reading := c.reading
		c.mu.Unlock()
		if reading == nil {
			continue
		}
		select {
		case <-reading:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// finder gives the index of the households, and how far the reading of the whole store
// is that it comes of, in percent; 100 when it has all.
func (c *cache) finder() (*finder.Index, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snap != nil && !c.whole {
		return c.index, 100
	}
	return c.index, c.percent()
}

// percent tells how far a reading of the whole is, up to 99.
func (c *cache) percent() int {
	return int(min(99, 100*c.read.Load()/max(1, c.total.Load())))
}

// forget lets go of all that is kept of the store. c.mu is held.
func (c *cache) forget() {
	c.snap, c.index, c.waiting, c.noted, c.mark = nil, finder.New(), nil, nil, store.Mark{}
	c.life++
	c.reading, c.whole, c.own = nil, false, false // whoever is reading finds that it is for nothing
	c.grown(0)
}

// chunk is how many changed records are taken in at once: whoever asks for a page
// meanwhile waits for no more.
const chunk = 32

// refresh takes in what has changed, or all of it.
func (c *cache) refresh(done chan struct{}, life int) {
	defer close(done)
	// Taken before reading: a change that comes meanwhile makes it stale again.
	stale := c.store.Changed()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != life {
		return
	}
	news, mark := c.store.Since(c.mark)
	var err error
	if c.snap == nil || news.All || c.day < c.snap.today {
		err = c.readAnew(mark, life)
	} else {
		err = c.catchUp(news, mark, life)
	}
	if c.life != life {
		return
	}
	if c.err = err; err == nil {
		c.stale, c.own = stale, false
	}
	c.reading = nil
}

// readAnew reads the whole store. c.mu is held, and let go of while it reads.
func (c *cache) readAnew(mark store.Mark, life int) error {
	c.whole, c.noted, c.index = true, nil, finder.New()
	index, today := c.index, c.day
	c.mu.Unlock()
	snap, waiting, err := c.readAll(today, index, life)
	c.mu.Lock()
	if c.life != life {
		return nil
	}
	noted := c.noted
	c.whole, c.noted = false, nil
	if err != nil {
		return err
	}
	c.snap, c.waiting, c.mark = snap, waiting, mark
	return c.apply(noted, nil)
}

// catchUp takes in what has changed since the mark. c.mu is held, but for moments between.
func (c *cache) catchUp(news store.News, mark store.Mark, life int) error {
	files, err := c.store.WaitingBlobs()
	if err != nil {
		return err
	}
	counts, err := c.store.Counts()
	if err != nil {
		return err
	}
	s := *c.snap
	fewer, later := !maps.Equal(files, s.files), s.today != c.day
	s.files, s.counts, s.today = files, counts, c.day
	c.snap = &s
	keys := news.Keys
	var again []record.ID
	for _, h := range s.houses {
		// A visit counts from its day on, and some things only so long; what is not
		// delivered may be now.
		if h.ahead != "" && h.ahead <= s.today || later && h.past(s.today) || (news.Moved || fewer) && h.way != merge.Delivered {
			again = append(again, h.id)
		}
	}
	if news.Moved {
		keys = slices.Concat(keys, s.stuck, s.rejected)
	}
	seen := map[record.Key]bool{}
	keys = slices.DeleteFunc(slices.Clone(keys), func(k record.Key) bool {
		again := seen[k]
		seen[k] = true
		return again
	})
	for len(keys)+len(again) > 0 {
		k, h := keys[:min(chunk, len(keys))], again[:min(chunk, len(again))]
		if err := c.apply(k, h); err != nil {
			return err
		}
		keys, again = keys[len(k):], again[len(h):]
		c.mu.Unlock()
		c.mu.Lock()
		if c.life != life {
			return nil
		}
	}
	c.mark = mark
	return nil
}

// note takes a record that was just saved here into what there is.
func (c *cache) note(k record.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.whole {
		c.noted = append(c.noted, k)
	}
	c.own = true
	if c.snap != nil {
		if err := c.apply([]record.Key{k}, nil); err != nil {
			return // the next reading says why
		}
	}
}

// apply replaces the snapshot by one with records, and households with their visits, as
// they are now. Others may be reading the old one, so nothing of it is changed.
func (c *cache) apply(keys []record.Key, houses []record.ID) error {
	s := *c.snap
	s.today = c.day // a visit of today counts though the snapshot is of yesterday
	again := map[record.ID]bool{}
	for _, id := range houses {
		again[id] = true
	}
	team := false
	for _, k := range keys {
		r, err := c.store.Get(k.Type, k.ID)
		gone := errors.Is(err, store.ErrNotFound) || err == nil && r.Gone
		if err != nil && !gone {
			return err
		}
		c.reads.Add(1)
		r.Key = k
		// What still waits keeps its place: somebody works through the list.
		place := slices.IndexFunc(s.waits, func(o wait) bool { return o.key == k })
		s.forget(k)
		c.keep(&r, gone)
		switch k.Type {
		case householdType:
			again[k.ID] = true
		case visitType:
			if id, known := c.index.Visited(k.ID); known {
				again[id] = true
			}
			if id, err := record.ParseID(first(r.View.Fields["household"].Texts())); err == nil {
				again[id] = true
			}
		case teamType:
			team = true
		}
		c.find(c.index, &r, gone)
		if gone {
			continue
		}
		s.newest = max(s.newest, r.View.Updated)
		if place < 0 {
			place = len(s.waits)
		}
		s.waits = slices.Insert(s.waits, place, waitsOf(c.forms.Form(k.Type), &r)...)
		s.list(&r)
		if _, due := duties[k.Type]; due {
			s.takeDuty(&r)
		}
	}
	s.sortDuties()
	if team {
		s.started = map[record.Village]string{}
		if err := c.store.Each("", teamType, func(r store.Record) bool { s.take(&r); return true }); err != nil {
			return err
		}
	}
	if len(again) > 0 {
		s.houses, s.ids = slices.Clone(s.houses), slices.Clone(s.ids)
	}
	for id := range again {
		if err := c.rehouse(&s, id); err != nil {
			return err
		}
	}
	s.pending, s.oldest = c.undelivered()
	c.snap = &s
	return nil
}

// forget takes a record out of the short lists.
func (s *snapshot) forget(k record.Key) {
	without := func(list []record.Key) []record.Key {
		return slices.DeleteFunc(slices.Clone(list), func(o record.Key) bool { return o == k })
	}
	s.stuck, s.rejected = without(s.stuck), without(s.rejected)
	s.waits = slices.DeleteFunc(slices.Clone(s.waits), func(o wait) bool { return o.key == k })
	was := len(s.duties)
	s.duties = slices.DeleteFunc(slices.Clone(s.duties), func(d openDuty) bool { return d.key.ID == k.ID })
	s.open -= was - len(s.duties)
}

// list puts a record among those that the office set aside, if it is.
func (s *snapshot) list(r *store.Record) {
	if r.Way == merge.Quarantined {
		list := &s.stuck
		if r.Rejected {
			list = &s.rejected
		}
		if len(*list) < maxListed {
			*list = append(*list, r.Key)
		}
	}
}

// keep notes whether a record waits to be delivered.
func (c *cache) keep(r *store.Record, gone bool) {
	if !gone && (r.Way == merge.Local || r.Way == merge.Sent) {
		c.waiting[r.Key.ID] = undeliveredAt{r.Key.Type, r.View.Updated}
	} else {
		delete(c.waiting, r.Key.ID)
	}
}

// undelivered counts what waits by type, and gives when the last change was made that
// lies furthest back.
func (c *cache) undelivered() (list []undelivered, oldest clock.Time) {
	counts := map[record.Type]int{}
	for _, u := range c.waiting {
		counts[u.t]++
		if oldest == 0 || u.at < oldest {
			oldest = u.at
		}
	}
	for _, f := range c.forms.Forms() {
		if n := counts[f.Type]; n > 0 {
			list = append(list, undelivered{f, n})
		}
	}
	return list, oldest
}

// compare orders households as lists show them.
func (h *house) compare(o *house) int {
	return cmp.Or(cmp.Compare(h.village, o.village), cmp.Compare(h.group, o.group), cmp.Compare(h.name, o.name), cmp.Compare(h.no, o.no), bytes.Compare(h.id[:], o.id[:]))
}

// rehouse reads one household and its visits anew, into lists that are nobody else's.
func (c *cache) rehouse(s *snapshot, id record.ID) error {
	i, there := slices.BinarySearchFunc(s.ids, id, (*house).compareID)
	if there {
		at, _ := slices.BinarySearchFunc(s.houses, s.ids[i], (*house).compare)
		s.houses, s.ids = slices.Delete(s.houses, at, at+1), slices.Delete(s.ids, i, i+1)
	}
	r, err := c.store.Get(householdType, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (r.Gone || r.View.Void) {
		return nil
	}
	if err != nil {
		return err
	}
	h := s.houseOf(&r)
	if err := c.store.Referring(id, visitType, func(v store.Record) bool { c.reads.Add(1); h.visited(&v, s.today); return true }); err != nil {
		return err
	}
	at, _ := slices.BinarySearchFunc(s.houses, h, (*house).compare)
	s.houses, s.ids = slices.Insert(s.houses, at, h), slices.Insert(s.ids, i, h)
	c.index.Put(h.found())
	return nil
}

// batch is how many records go into the index at once.
const batch = 256

// readAll reads the whole store, and puts it into an index.
func (c *cache) readAll(today string, x *finder.Index, life int) (*snapshot, map[record.ID]undeliveredAt, error) {
	files, err := c.store.WaitingBlobs()
	if err != nil {
		return nil, nil, err
	}
	counts, err := c.store.Counts()
	if err != nil {
		return nil, nil, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	c.read.Store(0)
	c.total.Store(int64(total))
	s := &snapshot{today: today, started: map[record.Village]string{}, counts: map[record.Type]int{}, files: files, form: c.forms.Form(householdType)}
	waiting := map[record.ID]undeliveredAt{}
	// Households first, then their people: visits are counted for those that are here,
	// and whoever looks for somebody meanwhile does so by name as a rule.
	forms := c.forms.Forms()
	first := func(f *form.Form) int { return -2*boolInt(f.Type == householdType) - boolInt(f.Type == personType) }
	slices.SortStableFunc(forms, func(a, b *form.Form) int { return first(a) - first(b) })
	var people []finder.Person
	var visits []finder.Visit
	flush := func() {
		if len(people) > 0 {
			x.PutPeople(people...)
		}
		if len(visits) > 0 {
			x.PutVisits(visits...)
		}
		people, visits = people[:0], visits[:0]
	}
	for _, f := range forms {
		over := false
		err := c.store.Each("", f.Type, func(r store.Record) bool {
			c.reads.Add(1)
			if c.read.Add(1)%4096 == 0 {
				c.mu.Lock()
				over = c.life != life
				c.mu.Unlock()
				c.grown(x.Size() + len(s.ids)*houseSize + len(waiting)*waitSize)
			}
			s.counts[f.Type]++
			s.newest = max(s.newest, r.View.Updated)
			if r.Way == merge.Local || r.Way == merge.Sent {
				waiting[r.Key.ID] = undeliveredAt{f.Type, r.View.Updated}
			}
			s.list(&r)
			s.waits = append(s.waits, waitsOf(f, &r)...)
			s.take(&r)
			switch {
			case r.View.Void:
			case f.Type == personType:
				people = append(people, c.person(&r))
			case f.Type == visitType:
				visits = append(visits, c.visit(&r))
			}
			if len(people)+len(visits) >= batch {
				flush()
			}
			return !over
		})
		if err != nil || over {
			return nil, nil, err
		}
		flush()
		if f.Type == householdType {
			found := make([]finder.House, len(s.houses))
			for i, h := range s.houses {
				found[i] = h.found()
			}
			x.Put(found...)
			slices.SortFunc(s.ids, func(a, b *house) int { return bytes.Compare(a.id[:], b.id[:]) })
		}
	}
	slices.SortFunc(s.houses, (*house).compare)
	s.sortDuties()
	counted := &cache{forms: c.forms, waiting: waiting}
	s.pending, s.oldest = counted.undelivered()
	c.grown(x.Size() + len(s.ids)*houseSize + len(waiting)*waitSize)
	return s, waiting, nil
}

// About how many bytes a household takes in the lists, and a record that waits.
const (
	houseSize = 450
	waitSize  = 48
)

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
		if !r.View.Void {
			h := s.houseOf(r)
			s.houses, s.ids = append(s.houses, h), append(s.ids, h)
		}
	case visitType:
		if id, err := record.ParseID(text("household")); err == nil {
			if h := s.byID(id); h != nil {
				h.visited(r, s.today)
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

// houseOf is a household without its visits.
func (s *snapshot) houseOf(r *store.Record) *house {
	text := func(name string) string { t, _ := r.View.Fields[name].Text(); return t }
	return &house{
		id: r.Key.ID, village: r.Key.Village, name: text("head_name"), group: few(text("group_name")),
		phone: text("phone"), no: text("household_no"), active: figure.Active(text("poverty_status")), since: few(text("registered_date")),
		way: withFiles(s.form, r, s.files), review: reviewed(r),
	}
}

// few gives a text that many have as the one that all have.
func few(text string) string { return unique.Make(text).Value() }

// visited takes a visit into account.
func (h *house) visited(r *store.Record, today string) {
	if r.View.Void {
		return
	}
	h.visits++
	h.late(r, today)
	h.promised(r, today)
	day, _ := r.View.Fields["visit_date"].Text()
	if day > today && (h.ahead == "" || day < h.ahead) {
		h.ahead = few(day)
	}
	if countedVisit(r.View.Fields) && day > h.last && day <= today {
		h.last = few(day)
	}
}
