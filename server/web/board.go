package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// boardRows is how many laptops a page of the board shows.
const boardRows = 50

// clockOff is from where on a laptop's clock is listed as wrong: the days that people
// write down with it are.
const clockOff = 24 * time.Hour

// boardLine is a laptop as the board shows it.
type boardLine struct {
	store.Laptop
	contact contact
	// old tells a program older than the newest that any laptop has, numbered one whose
	// version can be compared at all.
	old, numbered bool
	number        [3]int
}

// told tells a laptop of which the server knows what it was told.
func (l *boardLine) told() bool { return l.Heard() && l.Assigned > 0 }

// behind tells a laptop that has not yet taken its newest assignment: villages, people,
// forms, rules and settings.
func (l *boardLine) behind() bool { return l.told() && l.Assigned < l.Serial }

// clockBad tells a clock that is a day or more off.
func (l *boardLine) clockBad() bool { return l.Heard() && l.Offset.Abs() >= clockOff }

// lowRoom is from where on a laptop's disk is listed as nearly full: there its own page
// warns too.
const lowRoom = 512 << 20

// full tells a laptop whose disk is nearly full.
func (l *boardLine) full() bool { return l.Room > 0 && l.Room < lowRoom }

// boardAsk is what is asked of the board; it is in the address.
type boardAsk struct {
	village record.Village
	text    string
	only    string // one of boardStates
	days    int    // from which on a laptop is silent
	sort    string
	down    bool
	after   string // the place where the page before ended
}

type boardView struct {
	boardAsk
	all    int // that are asked for, on all pages
	rows   []boardLine
	counts map[string]int // by state
	newest string
	next   string
	// codes wait to be used.
	codes    []store.Code
	restored *store.Restored // waits to be confirmed
	steps    []step
}

// boardStates are what the board can be narrowed to. A laptop that was never heard of is
// in none of those that say something bad of it: nothing is known.
var boardStates = []struct {
	name string
	has  func(*boardAsk, *boardLine) bool
}{
	{"used", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() }},
	{"silent", func(a *boardAsk, l *boardLine) bool { return !l.Revoked() && l.Heard() && l.contact.days >= a.days }},
	{"never", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() && !l.Heard() }},
	{"backlog", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() && l.Heard() && l.Pending > 0 }},
	{"clock", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() && l.clockBad() }},
	{"full", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() && l.full() }},
	{"old", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() && l.old }},
	{"behind", func(_ *boardAsk, l *boardLine) bool { return !l.Revoked() && l.behind() }},
	{"quarantine", func(_ *boardAsk, l *boardLine) bool { return l.Quarantined > 0 }},
	{"revoked", func(_ *boardAsk, l *boardLine) bool { return l.Revoked() }},
}

// boardSorts are the columns that order the board, each by a key that sorts as text;
// known is false where there is nothing to order by: those come last either way.
var boardSorts = map[string]func(*page, *boardLine) (key string, known bool){
	"people":     func(p *page, l *boardLine) (string, bool) { return l.Name, true },
	"village":    func(p *page, l *boardLine) (string, bool) { return p.villages(l.Villages), len(l.Villages) > 0 },
	"seen":       func(p *page, l *boardLine) (string, bool) { return sortable(l.Seen.UnixMilli()), l.Heard() },
	"backlog":    func(p *page, l *boardLine) (string, bool) { return sortable(int64(l.Pending)), l.Heard() },
	"clock":      func(p *page, l *boardLine) (string, bool) { return sortable(int64(l.Offset.Abs())), l.Heard() },
	"room":       func(p *page, l *boardLine) (string, bool) { return sortable(int64(l.Room)), l.Room > 0 },
	"version":    func(p *page, l *boardLine) (string, bool) { return fmt.Sprintf("%09d", l.number), l.numbered },
	"forms":      func(p *page, l *boardLine) (string, bool) { return sortable(lag(l)), l.told() },
	"quarantine": func(p *page, l *boardLine) (string, bool) { return sortable(int64(l.Quarantined)), true },
}

// boardDown are the columns whose largest comes first.
var boardDown = []string{"backlog", "clock", "forms", "quarantine"}

func sortable(n int64) string { return fmt.Sprintf("%019d", max(n, 0)) }

// lag is how many assignments a laptop is behind.
func lag(l *boardLine) int64 { return int64(l.Serial - min(l.Serial, l.Assigned)) }

// readBoard reads what is asked of the board. errAsked.
func readBoard(q url.Values) (boardAsk, error) {
	a := boardAsk{village: record.Village(q.Get("village")), text: strings.TrimSpace(q.Get("q")), only: q.Get("only"),
		days: silentDays, sort: q.Get("sort"), down: q.Get("down") != "", after: q.Get("after")}
	if s := q.Get("days"); s != "" {
		var err error
		if a.days, err = strconv.Atoi(s); err != nil || a.days < 1 || a.days > 3650 {
			return a, errAsked
		}
	}
	if a.only == "" {
		a.only = "used"
	}
	if a.sort == "" {
		a.sort, a.down = "seen", false
	}
	known := slices.ContainsFunc(boardStates, func(s struct {
		name string
		has  func(*boardAsk, *boardLine) bool
	}) bool {
		return s.name == a.only
	})
	if boardSorts[a.sort] == nil || !known || len(a.text) > 200 || len(a.after) > 500 {
		return a, errAsked
	}
	return a, nil
}

// href is the board's address; without the place it begins at the top.
func (a *boardAsk) href() string {
	days, sort, down, only := "", "", "", ""
	if a.days != silentDays {
		days = strconv.Itoa(a.days)
	}
	if a.sort != "seen" || a.down {
		sort = a.sort
	}
	if a.down {
		down = "1"
	}
	if a.only != "used" {
		only = a.only
	}
	return address("/devices", "village", string(a.village), "q", a.text, "only", only, "days", days, "sort", sort, "down", down, "after", a.after)
}

// narrowed is the board's address with another state.
func (a boardAsk) narrowed(only string) string {
	a.only, a.after = only, ""
	return a.href()
}

// sorted is the board's address ordered by a column, the other way round where it is already.
func (a boardAsk) sorted(by string) string {
	if a.after = ""; a.sort == by {
		a.down = !a.down
	} else {
		a.sort, a.down = by, slices.Contains(boardDown, by)
	}
	return a.href()
}

// way is how the board is ordered by a column, as aria-sort has it; "" where it is not.
func (a *boardAsk) way(by string) string {
	switch {
	case a.sort != by:
		return ""
	case a.down:
		return "descending"
	}
	return "ascending"
}

// some tells that the board is narrowed by more than a state.
func (a *boardAsk) some() bool { return a.village != "" || a.text != "" || a.days != silentDays }

// lines judges laptops; newest is the newest version among those in use, "" where none
// can be compared.
func lines(list []store.Laptop, now time.Time) (all []boardLine, newest string) {
	all = make([]boardLine, len(list))
	var top [3]int
	for i, l := range list {
		b := boardLine{Laptop: l, contact: contact{device: l.Device, seen: l.Seen, pending: l.Pending, offset: l.Offset, heard: l.Heard()}}
		b.contact.judge(now)
		if b.Heard() {
			b.number, b.numbered = versionNumber(b.Version)
		}
		if b.numbered && !b.Revoked() && slices.Compare(b.number[:], top[:]) > 0 {
			top, newest = b.number, b.Version
		}
		all[i] = b
	}
	for i := range all {
		all[i].old = all[i].numbered && slices.Compare(all[i].number[:], top[:]) < 0
	}
	return all, newest
}

// versionNumber reads a version such as 0.12 or v1.2.3; others cannot be compared.
func versionNumber(s string) (n [3]int, ok bool) {
	parts := strings.Split(strings.TrimPrefix(s, "v"), ".")
	if len(parts) > len(n) {
		return n, false
	}
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 24)
		if err != nil {
			return n, false
		}
		n[i] = int(v)
	}
	return n, true
}

// has tells whether a laptop is of the village and for the person asked for.
func (a *boardAsk) has(l *boardLine) bool {
	return (a.village == "" || slices.Contains(l.Villages, a.village)) &&
		(a.text == "" || string(l.ID) == a.text || slices.ContainsFunc(l.Profiles, func(name string) bool { return strings.Contains(name, a.text) }))
}

// place is where a laptop stands in the order of the board.
func (p *page) place(a *boardAsk, l *boardLine) boardPlace {
	key, known := boardSorts[a.sort](p, l)
	return boardPlace{!known, key, l.ID}
}

type boardPlace struct {
	unknown bool
	key     string
	id      identity.Device
}

func (x boardPlace) compare(y boardPlace, down bool) int {
	if x.unknown != y.unknown {
		if x.unknown {
			return 1
		}
		return -1
	}
	by := 0
	if !x.unknown {
		by = strings.Compare(x.key, y.key)
	}
	if down {
		by = -by
	}
	return cmp.Or(by, strings.Compare(string(x.id), string(y.id)))
}

func (x boardPlace) String() string {
	if x.unknown {
		return "~" + string(x.id)
	}
	return string(x.id) + "~" + x.key
}

func readBoardPlace(s string) (boardPlace, error) {
	id, key, ok := strings.Cut(s, "~")
	switch {
	case !ok:
		return boardPlace{}, errAsked
	case id == "":
		return boardPlace{unknown: true, id: identity.Device(key)}, nil
	}
	return boardPlace{key: key, id: identity.Device(id)}, nil
}

// board lists the laptops as they were last heard of.
func (w *Site) board(p *page) (reply, error) {
	p.title, p.at = p.T("nav.devices"), devices
	ask, err := readBoard(p.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	v := &boardView{boardAsk: ask, counts: map[string]int{}}
	var after boardPlace
	if v.after != "" {
		if after, err = readBoardPlace(v.after); err != nil {
			return reply{}, err
		}
	}
	list, err := w.store.Laptops(p.ctx)
	if err != nil {
		return reply{}, err
	}
	all, newest := lines(list, p.now)
	v.newest = newest
	type placed struct {
		place boardPlace
		line  *boardLine
	}
	var found []placed
	for i := range all {
		l := &all[i]
		if !v.has(l) {
			continue
		}
		for _, s := range boardStates {
			if !s.has(&v.boardAsk, l) {
				continue
			}
			v.counts[s.name]++
			if s.name == v.only {
				found = append(found, placed{p.place(&v.boardAsk, l), l})
			}
		}
	}
	v.all = len(found)
	slices.SortFunc(found, func(a, b placed) int { return a.place.compare(b.place, v.down) })
	for i, f := range found {
		if v.after != "" && f.place.compare(after, v.down) <= 0 {
			continue
		}
		if len(v.rows) == boardRows {
			next := v.boardAsk
			next.after = found[i-1].place.String()
			v.next = next.href()
			break
		}
		v.rows = append(v.rows, *f.line)
	}
	if v.steps, err = w.steps(p); err != nil {
		return reply{}, err
	}
	if v.restored, err = w.store.Restored(p.ctx); err != nil {
		return reply{}, err
	}
	if v.codes, err = w.openCodes(p); err != nil {
		return reply{}, err
	}
	return show(boardPage(p, v))
}

// clockText says how a laptop's clock stands.
func (p *page) clockText(l *boardLine) string {
	if !l.Heard() {
		return p.T("board.unknown")
	}
	if said := p.skewed(&l.contact); said != "" {
		return said
	}
	return p.T("board.clock.fine")
}

// roomText says how much is free on a laptop's disk.
func (p *page) roomText(l *boardLine) string {
	switch {
	case l.Room == 0:
		return p.T("board.unknown")
	case l.Room < 1<<30:
		return p.T("board.room.mb", l.Room>>20)
	}
	return p.T("board.room.gb", float64(l.Room)/(1<<30))
}

// formsText says whether a laptop has the forms and settings that are in force.
func (p *page) formsText(l *boardLine) string {
	switch {
	case !l.told():
		return p.T("board.unknown")
	case l.behind():
		return p.T("board.behind")
	}
	return p.T("board.current")
}

// stateText says of a revoked laptop whether it was ordered to empty itself.
func (p *page) stateText(l *store.Laptop) string {
	if at := l.Ordered(); !at.IsZero() {
		return p.T("laptop.ordered", p.moment(at))
	}
	return p.T("laptop.unordered")
}

// fewVillages names the villages of a laptop, of many the first two.
func (p *page) fewVillages(list []record.Village) string {
	if len(list) <= 3 {
		return p.villages(list)
	}
	return p.T("board.villages", p.villages(list[:2]), len(list))
}

// boardState names a state of boardStates.
func (p *page) boardState(v *boardView, name string) string {
	if name == "silent" {
		return p.T("board.only.silent", v.days)
	}
	return p.T("board.only." + name)
}
