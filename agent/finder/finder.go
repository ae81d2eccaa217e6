package finder

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"zhucun/shared/pinyin"
	"zhucun/shared/record"
)

// House is what a household is found by.
type House struct {
	ID      record.ID
	Village record.Village
	Name    string // its head's
	Group   string
	Phone   string
	No      string
}

// compare orders households as lists have them.
func (h *House) compare(o *House) int {
	return cmp.Or(cmp.Compare(h.Village, o.Village), cmp.Compare(h.Group, o.Group), cmp.Compare(h.Name, o.Name), cmp.Compare(h.No, o.No), slices.Compare(h.ID[:], o.ID[:]))
}

// Person is what somebody of a household is found by. Of the ID number the last four
// characters are kept, and a hash under a key that is drawn anew for every index.
type Person struct {
	ID, House record.ID
	Name      string
	Number    string
}

// Visit is a visit to a household with the texts that were written about it.
type Visit struct {
	ID, House record.ID
	Texts     []string
}

type house struct {
	House
	head uint32 // its bearer; none while the household is not here
}

func (h *house) here() bool { return h.head != none }

// group is one of a village's, or of several that are called alike.
type group struct {
	name  string
	chars []uint32
	no    groupNo
}

// Index is what households are found by. Its methods may be called by several at once.
type Index struct {
	// writing lets one writer at a time change what is below, which it may read
	// without mu.
	writing sync.Mutex
	mu      sync.RWMutex
	seed    maphash.Seed

	houses  []house
	houseAt map[record.ID]uint32
	order   []uint32 // of the households that are here
	// numbers has the phone and the number of each household in order, each behind a
	// space; numbersAt where those of each begin.
	numbers   []byte
	numbersAt []uint32
	sorted    bool // order and numbers are so
	ordered   bool // order is

	groups    []group
	groupAt   map[string]uint32
	groupOf   []uint32 // of each household
	villages  []record.Village
	villageOf []uint16

	names   names
	bearers []bearer
	free    []uint32 // bearers that are no more
	people  map[record.ID]uint32
	tail    []uint32 // the first bearer by the last four of the number

	visitAt    map[record.ID]uint32
	visitID    []record.ID
	visitHouse []uint32 // none where the visit is no more, or stands further on
	dead       int
	open       []text
	segments   []*segment
}

// New makes an index of nothing.
func New() *Index {
	x := &Index{
		seed: maphash.MakeSeed(), houseAt: map[record.ID]uint32{}, groupAt: map[string]uint32{}, names: newNames(),
		people: map[record.ID]uint32{}, tail: make([]uint32, tails), visitAt: map[record.ID]uint32{}, sorted: true, ordered: true,
	}
	for i := range x.tail {
		x.tail[i] = none
	}
	return x
}

// slot gives the number of a household, which may not have come yet.
func (x *Index) slot(id record.ID) uint32 {
	at, known := x.houseAt[id]
	if !known {
		at = uint32(len(x.houses))
		x.houses = append(x.houses, house{House: House{ID: id}, head: none})
		x.groupOf, x.villageOf = append(x.groupOf, 0), append(x.villageOf, 0)
		x.houseAt[id] = at
	}
	return at
}

// Put adds households, or says how they are now. To add many at once is cheaper.
func (x *Index) Put(list ...House) {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range list {
		h := list[i]
		at := x.slot(h.ID)
		if x.houses[at].here() && x.houses[at].House == h {
			continue
		}
		x.leave(at)
		g, known := x.groupAt[h.Group]
		if !known {
			g = uint32(len(x.groups))
			name := pinyin.Called(h.Group)
			x.groups = append(x.groups, group{h.Group, x.names.alphabet.of(name), numbered(name)})
			x.groupAt[h.Group] = g
		}
		v := slices.Index(x.villages, h.Village)
		if v < 0 {
			v, x.villages = len(x.villages), append(x.villages, h.Village)
		}
		x.groupOf[at], x.villageOf[at] = g, uint16(v)
		x.houses[at] = house{House: h, head: x.bear(bearer{house: at, tail: noTail}, h.Name)}
		x.sorted = false
		if len(list) > few || !x.ordered {
			x.order, x.ordered = append(x.order, at), false
			continue
		}
		i, _ := slices.BinarySearchFunc(x.order, at, func(a, b uint32) int { return x.houses[a].compare(&x.houses[b].House) })
		x.order = slices.Insert(x.order, i, at)
	}
}

// few is how many households are put in their places one by one; of more all are sorted
// when somebody looks for one.
const few = 8

// leave takes a household out of the lists.
func (x *Index) leave(at uint32) {
	h := &x.houses[at]
	if !h.here() {
		return
	}
	if i := slices.Index(x.order, at); i >= 0 {
		x.order, x.sorted = slices.Delete(x.order, i, i+1), false
	}
	x.unbear(h.head)
	h.head = none
}

// settled sees to it that the households are in their order. It holds mu for reading
// when it returns.
func (x *Index) settled() {
	x.mu.RLock()
	for !x.sorted {
		x.mu.RUnlock()
		x.mu.Lock()
		if !x.ordered {
			slices.SortFunc(x.order, func(a, b uint32) int { return x.houses[a].compare(&x.houses[b].House) })
		}
		if !x.sorted {
			x.list()
		}
		x.sorted, x.ordered = true, true
		x.mu.Unlock()
		x.mu.RLock()
	}
}

// list writes the numbers of the households.
func (x *Index) list() {
	x.numbers, x.numbersAt = x.numbers[:0], x.numbersAt[:0]
	for _, at := range x.order {
		x.numbersAt = append(x.numbersAt, uint32(len(x.numbers)))
		for _, n := range [...]string{x.houses[at].Phone, x.houses[at].No} {
			x.numbers = append(append(x.numbers, ' '), code(n)...)
		}
	}
	x.numbers = append(x.numbers, ' ')
}

// bear adds somebody with a name.
func (x *Index) bear(b bearer, called string) uint32 {
	var at uint32
	if n := len(x.free); n > 0 {
		at, x.free = x.free[n-1], x.free[:n-1]
	} else {
		at = uint32(len(x.bearers))
		x.bearers = append(x.bearers, bearer{})
	}
	b.name = x.names.of(called)
	n := &x.names.list[b.name]
	b.sameName, n.bearer = n.bearer, at
	if b.sameTail = none; b.tail != noTail {
		b.sameTail, x.tail[b.tail] = x.tail[b.tail], at
	}
	x.bearers[at] = b
	return at
}

// unbear takes somebody out.
func (x *Index) unbear(at uint32) {
	b := &x.bearers[at]
	for p := &x.names.list[b.name].bearer; *p != none; p = &x.bearers[*p].sameName {
		if *p == at {
			*p = b.sameName
			break
		}
	}
	if b.tail != noTail {
		for p := &x.tail[b.tail]; *p != none; p = &x.bearers[*p].sameTail {
			if *p == at {
				*p = b.sameTail
				break
			}
		}
	}
	x.free = append(x.free, at)
}

// PutPeople adds people, or says how they are now.
func (x *Index) PutPeople(list ...Person) {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range list {
		p := &list[i]
		number := code(p.Number)
		b := bearer{house: x.slot(p.House), tail: tailOf(number), person: true, sum: x.sum(number)}
		if at, known := x.people[p.ID]; known {
			x.unbear(at)
		}
		x.people[p.ID] = x.bear(b, p.Name)
	}
}

func (x *Index) sum(number string) uint32 { return uint32(maphash.String(x.seed, number)) }

// Drop takes a household, a person or a visit out.
func (x *Index) Drop(ids ...record.ID) {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range ids {
		if at, known := x.houseAt[id]; known {
			x.leave(at)
		}
		if at, known := x.people[id]; known {
			x.unbear(at)
			delete(x.people, id)
		}
		x.unvisit(id)
	}
}

func (x *Index) unvisit(id record.ID) {
	if at, known := x.visitAt[id]; known {
		x.visitHouse[at] = none
		x.dead++
		delete(x.visitAt, id)
	}
}

// PutVisits adds visits, or says how they are now.
func (x *Index) PutVisits(list ...Visit) {
	x.writing.Lock()
	defer x.writing.Unlock()
	texts := make([]text, 0, len(list))
	for i := range list {
		var grams []uint32
		for _, t := range list[i].Texts {
			grams = gramsOf(grams, pinyin.Folded(t))
		}
		slices.Sort(grams)
		texts = append(texts, text{grams: slices.Clone(slices.Compact(grams))})
	}
	x.mu.Lock()
	for i := range list {
		v := &list[i]
		x.unvisit(v.ID)
		at := uint32(len(x.visitID))
		x.visitID, x.visitHouse = append(x.visitID, v.ID), append(x.visitHouse, x.slot(v.House))
		x.visitAt[v.ID] = at // without a word too: it is asked whose it was (Visited)
		if texts[i].visit = at; len(texts[i].grams) > 0 {
			x.open = append(x.open, texts[i])
		}
	}
	x.mu.Unlock()
	x.seal()
}

// seal makes segments of what is open, once it is much. Nobody who looks for something
// waits for that: what is made takes the place of what it was made of at the end.
func (x *Index) seal() {
	for len(x.open) >= openTexts {
		s := sealed(x.open[:openTexts])
		x.mu.Lock()
		x.open = slices.Clone(x.open[openTexts:])
		x.segments = append(x.segments, s)
		x.mu.Unlock()
		for {
			n := len(x.segments)
			from := n - 4
			if from < 0 || x.segments[from].size() != x.segments[n-1].size() || 4*len(x.segments[n-1].visits) > maxSegment {
				break
			}
			x.replace(from, n, merged(x.segments[from:], x.live))
		}
	}
	// Where much of it is no more, what is there is written anew, one segment at a time.
	if x.dead > openTexts && 4*x.dead > len(x.visitID) {
		for i, s := range x.segments {
			x.replace(i, i+1, merged([]*segment{s}, x.live))
		}
		x.renumber()
	}
}

func (x *Index) live(visit uint32) bool { return x.visitHouse[visit] != none }

func (x *Index) replace(from, to int, by *segment) {
	list := slices.Concat(x.segments[:from:from], []*segment{by}, x.segments[to:])
	x.mu.Lock()
	x.segments = list
	x.mu.Unlock()
}

// renumber gives the visits that are left numbers without gaps.
func (x *Index) renumber() {
	x.mu.Lock()
	defer x.mu.Unlock()
	to := make([]uint32, len(x.visitID))
	n := uint32(0)
	for i := range x.visitID {
		if to[i] = none; x.visitHouse[i] != none {
			to[i] = n
			x.visitID[n], x.visitHouse[n] = x.visitID[i], x.visitHouse[i]
			x.visitAt[x.visitID[n]] = n
			n++
		}
	}
	x.visitID, x.visitHouse = slices.Clone(x.visitID[:n]), slices.Clone(x.visitHouse[:n])
	for _, s := range x.segments {
		for i, v := range s.visits {
			s.visits[i] = to[v]
		}
	}
	x.open = slices.DeleteFunc(x.open, func(t text) bool { return to[t.visit] == none })
	for i := range x.open {
		x.open[i].visit = to[x.open[i].visit]
	}
	x.dead = 0
}

// having calls yield with every visit that has all the grams.
func (x *Index) having(grams []uint32, yield func(visit uint32)) {
	for _, s := range x.segments {
		s.having(grams, func(v uint32) {
			if x.visitHouse[v] != none {
				yield(v)
			}
		})
	}
	for i := range x.open {
		t := &x.open[i]
		if x.visitHouse[t.visit] != none && !slices.ContainsFunc(grams, func(g uint32) bool {
			_, has := slices.BinarySearch(t.grams, g)
			return !has
		}) {
			yield(t.visit)
		}
	}
}

// Group is how many households of a village are in one of its groups.
type Group struct {
	Name  string
	Count int
}

// Groups counts a village's households by group, in their order.
func (x *Index) Groups(v record.Village) []Group {
	x.settled()
	defer x.mu.RUnlock()
	from, _ := slices.BinarySearchFunc(x.order, v, func(at uint32, v record.Village) int { return strings.Compare(string(x.houses[at].Village), string(v)) })
	var out []Group
	for _, at := range x.order[from:] {
		h := &x.houses[at]
		if h.Village != v {
			break
		}
		if n := len(out); n == 0 || out[n-1].Name != h.Group {
			out = append(out, Group{Name: h.Group})
		}
		out[len(out)-1].Count++
	}
	return out
}

// Visited tells which household a visit was to.
func (x *Index) Visited(visit record.ID) (house record.ID, known bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, known := x.visitAt[visit]
	if !known {
		return house, false
	}
	return x.houses[x.visitHouse[at]].ID, true
}

// Size is about how many bytes the index takes.
func (x *Index) Size() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := len(x.numbers) + len(x.tail)*4 + len(x.houses)*200 + len(x.bearers)*52 + len(x.names.list)*140 + len(x.visitID)*52
	for _, s := range x.segments {
		n += len(s.bytes) + 8*len(s.first) + 4*len(s.visits)
	}
	for _, t := range x.open {
		n += 32 + 4*len(t.grams)
	}
	return n
}
