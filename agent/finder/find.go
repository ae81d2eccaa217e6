package finder

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"

	"zhucun/shared/pinyin"
	"zhucun/shared/record"
)

// Query is what somebody looks for.
type Query struct {
	Words string // as typed; without any every household is found
	// Villages are the laptop's, its own first: of what is found equally well theirs
	// come first.
	Villages []record.Village
	// Village and Group restrict it to one, where they are given.
	Village record.Village
	Group   *string
	// From is the Next of the result before, for what comes then; Count is how many are
	// asked for.
	From, Count int
}

// Hit is a household that was found.
type Hit struct {
	House
	// People are those of the household by whom it was found.
	People []Member
	// Excerpts are from visits in which the words were found that are nowhere else.
	Excerpts []Excerpt
}

// Member is somebody of a household; Tail says that it was by the ID number.
type Member struct {
	Name   string
	Number bool
}

// Excerpt is a piece of a visit's text, with the words that were looked for marked.
type Excerpt struct {
	Visit record.ID
	Parts []Part
}

// Part is a piece of a text.
type Part struct {
	Text   string
	Marked bool
}

// Result is some of what was found, the best first.
type Result struct {
	Hits  []Hit
	Total int
	// About says that Total may be too high: a word of three characters and more is
	// looked for by two at a time, and the texts have been read only of those that are
	// here.
	About bool
	Next  int // From of what comes behind; 0 when nothing does
}

// How well a word fits a household, the best first. Of each pair the first is of the
// head, the second of somebody else.
const (
	rankSame   = 0
	rankBegins = 2
	rankSounds = 4
	rankStarts = 6
	rankNumber = 8 // the end of a number
	rankInside = 9
	rankGroup  = 11
	rankDigits = 12 // elsewhere in a number
	rankText   = 13
	unfound    = 0xff
)

var rankOf = [...]uint8{same: rankSame, begins: rankBegins, sounds: rankSounds, starts: rankStarts, inside: rankInside}

// found is what one word found, by household.
type found struct {
	rank   []uint8
	who    []uint32 // the bearer, none where it was not by one
	visits []uint32 // those that have the word, or may have it
}

var spareFound = sync.Pool{New: func() any { return new(found) }}

func (f *found) clear(houses int) {
	if cap(f.rank) < houses {
		f.rank, f.who = make([]uint8, houses), make([]uint32, houses)
	}
	f.rank, f.who, f.visits = f.rank[:houses], f.who[:houses], f.visits[:0]
	for i := range f.rank {
		f.rank[i] = unfound
	}
}

func (f *found) note(house uint32, rank uint8, who uint32) {
	if rank < f.rank[house] {
		f.rank[house], f.who[house] = rank, who
	}
}

// maxReads is how many visits are read for one result: to find the words in them, and to
// leave out those that do not have them after all.
const maxReads = 40

// Find gives households that have every one of the words: in the name of the head or
// of somebody else, in a number, in the group, or in the text of a visit. read gives the
// texts of a visit as they are now, none where it is no more.
func (x *Index) Find(q Query, read func(visit record.ID) []string) Result {
	x.settled()
	defer x.mu.RUnlock()
	list := words(q.Words)
	if len(list) == 0 && strings.TrimSpace(q.Words) != "" {
		return Result{}
	}
	by := make([]*found, len(list))
	for i := range list {
		by[i] = spareFound.Get().(*found)
		defer spareFound.Put(by[i])
		by[i].clear(len(x.houses))
		x.look(&list[i], by[i])
	}
	houses, doubtful := x.sort(q, list, by)
	res := Result{Total: len(houses)}
	at := min(max(q.From, 0), len(houses))
	last := min(at+q.Count, len(houses))
	reads := 0
	// Those that are asked for; behind them, as long as there is something to be read,
	// others are only counted.
	candidates := x.candidates(list, by, houses[at:min(at+q.Count+maxReads, len(houses))])
	checked := func(at int) (hit Hit, ok bool) {
		return x.hit(houses[at], list, by, candidates, func(v uint32) []string { reads++; return read(x.visitID[v]) })
	}
	for ; at < len(houses) && len(res.Hits) < q.Count && reads < maxReads; at++ {
		hit, ok := checked(at)
		if !ok {
			res.Total--
			last = min(last+1, len(houses))
			continue
		}
		res.Hits = append(res.Hits, hit)
	}
	if at < len(houses) {
		res.Next = at
	}
	if doubtful && q.From == 0 {
		for ; at < len(houses) && at < last+maxReads && reads < maxReads; at++ {
			if _, ok := checked(at); !ok {
				res.Total--
			}
		}
	}
	res.About = doubtful && (at < len(houses) || q.From > 0)
	return res
}

// look notes what one word finds.
func (x *Index) look(w *word, f *found) {
	if !w.digits {
		x.names.like(w, func(id uint32, l likeness) {
			for at := x.names.list[id].bearer; at != none; at = x.bearers[at].sameName {
				b := &x.bearers[at]
				f.note(b.house, rankOf[l]+uint8(boolInt(b.person)), at)
			}
		})
	}
	if w.code != "" {
		x.number(w, f)
	}
	groups, some, no := make([]bool, len(x.groups)), false, numbered(w.runes)
	for i, s := 0, x.names.speller(w.runes); i < len(x.groups); i++ {
		groups[i] = s.like(x.groups[i].chars) != unlike || no.means(x.groups[i].no)
		some = some || groups[i]
	}
	if some {
		for i, g := range x.groupOf {
			if groups[g] {
				f.note(uint32(i), rankGroup, none)
			}
		}
	}
	if len(w.grams) > 0 {
		x.having(w.grams, func(v uint32) {
			f.visits = append(f.visits, v)
			f.note(x.visitHouse[v], rankText, none)
		})
	}
}

// From partOf characters on a word may be a part of a phone or of a household's number:
// less is in nearly all of them. From endsWith on its end is told from the middle of it.
const (
	partOf   = 3
	endsWith = 4
)

// number looks for a word in ID numbers, phones and numbers of households.
func (x *Index) number(w *word, f *found) {
	if w.digits {
		from, to := tailRange(w.code)
		for tail := from; tail < to; tail++ {
			for at := x.tail[tail]; at != none; at = x.bearers[at].sameTail {
				rank := uint8(rankDigits)
				if to == from+1 {
					rank = rankNumber
				}
				f.note(x.bearers[at].house, rank, at)
			}
		}
	}
	// A whole number, as it is copied from elsewhere.
	if tail := tailOf(w.code); len(w.code) > 4 && tail != noTail {
		sum := x.sum(w.code)
		for at := x.tail[tail]; at != none; at = x.bearers[at].sameTail {
			if x.bearers[at].sum == sum {
				f.note(x.bearers[at].house, rankNumber, at)
			}
		}
	}
	x.phones(w, f)
}

// phones looks for a word in phones and numbers of households.
func (x *Index) phones(w *word, f *found) {
	pattern := []byte(w.code)
	if len(w.code) < partOf {
		pattern = []byte(" " + w.code + " ")
	}
	for at, i := 0, 0; ; {
		k := bytes.Index(x.numbers[at:], pattern)
		if k < 0 {
			return
		}
		at += k
		for i+1 < len(x.numbersAt) && int(x.numbersAt[i+1]) <= at {
			i++
		}
		rank := uint8(rankDigits)
		if end := at + len(pattern); len(w.code) < partOf || x.numbers[end] == ' ' && (len(w.code) >= endsWith || x.numbers[at-1] == ' ') {
			rank = rankNumber
		}
		f.note(x.order[i], rank, none)
		at++
		if rank == rankNumber && i+1 < len(x.numbersAt) {
			at = int(x.numbersAt[i+1])
		}
	}
}

// sort gives the households that every word found, the best first; doubtful says that
// some may not have a word.
func (x *Index) sort(q Query, list []word, by []*found) (houses []uint32, doubtful bool) {
	// Of each village how far behind its households stand, none where they are not asked
	// for.
	standing := make([]uint32, len(x.villages))
	for i, v := range x.villages {
		if standing[i] = uint32(slices.Index(q.Villages, v)); standing[i] == none {
			standing[i] = uint32(len(q.Villages))
		}
		if q.Village != "" && v != q.Village {
			standing[i] = none
		}
	}
	group := none
	if q.Group != nil {
		var known bool
		if group, known = x.groupAt[*q.Group]; !known {
			return nil, false
		}
	}
	type one struct{ house, rank uint32 }
	var all []one
	unsure := slices.ContainsFunc(list, func(w word) bool { return !w.exact })
	most := uint32(0)
next:
	for _, at := range x.order {
		behind := standing[x.villageOf[at]]
		if behind == none || group != none && x.groupOf[at] != group {
			continue
		}
		rank := uint32(0)
		for i, f := range by {
			r := f.rank[at]
			if r == unfound {
				continue next
			}
			rank += uint32(r)
			doubtful = doubtful || unsure && r == rankText && !list[i].exact
		}
		rank = rank*uint32(len(q.Villages)+1) + behind
		most = max(most, rank)
		all = append(all, one{at, rank})
	}
	// They are in their order already: it is kept among those that fit equally well.
	to := make([]int, most+2)
	for _, o := range all {
		to[o.rank+1]++
	}
	for i := range to[1:] {
		to[i+1] += to[i]
	}
	houses = make([]uint32, len(all))
	for _, o := range all {
		houses[to[o.rank]] = o.house
		to[o.rank]++
	}
	return houses, doubtful
}

// candidates gives, of households, the visits in which each word may be that is nowhere
// else.
func (x *Index) candidates(list []word, by []*found, houses []uint32) map[uint32][][]uint32 {
	out := map[uint32][][]uint32{}
	for i, f := range by {
		some := false
		for _, h := range houses {
			if f.rank[h] == rankText {
				if some = true; out[h] == nil {
					out[h] = make([][]uint32, len(list))
				}
			}
		}
		if !some {
			continue
		}
		for _, v := range f.visits {
			if h := x.visitHouse[v]; out[h] != nil && f.rank[h] == rankText {
				out[h][i] = append(out[h][i], v)
			}
		}
	}
	return out
}

// hit says by what a household was found; ok is false when a word is not in the texts of
// its visits after all.
func (x *Index) hit(house uint32, list []word, by []*found, candidates map[uint32][][]uint32, read func(visit uint32) []string) (hit Hit, ok bool) {
	hit.House = x.houses[house].House
	shown := map[uint32]bool{}
	for i, f := range by {
		switch {
		case f.rank[house] == rankText:
			e, visit, ok := x.excerpt(list, i, candidates[house][i], shown, read)
			if !ok {
				return hit, false
			}
			if !shown[visit] {
				hit.Excerpts = append(hit.Excerpts, e)
			}
			shown[visit] = true
		case f.who[house] != none && x.bearers[f.who[house]].person:
			m := Member{x.names.list[x.bearers[f.who[house]].name].text, f.rank[house] == rankNumber || f.rank[house] == rankDigits}
			if !slices.Contains(hit.People, m) {
				hit.People = append(hit.People, m)
			}
		}
	}
	return hit, true
}

// excerpt finds a word in the latest of visits that has it, in one that is shown already
// if that does.
func (x *Index) excerpt(list []word, i int, visits []uint32, shown map[uint32]bool, read func(visit uint32) []string) (e Excerpt, visit uint32, ok bool) {
	visits = slices.Clone(visits)
	slices.SortFunc(visits, func(a, b uint32) int {
		return cmp.Or(boolInt(shown[b])-boolInt(shown[a]), slices.Compare(x.visitID[b][:], x.visitID[a][:]))
	})
	for _, v := range visits {
		for _, t := range read(v) {
			if at := index(pinyin.Folded(t), list[i].runes); at >= 0 {
				return Excerpt{x.visitID[v], cut(t, list, at)}, v, true
			}
		}
	}
	return e, 0, false
}

// index tells where a word is in a text; -1 for nowhere.
func index(text, word []rune) int {
	for at := 0; at+len(word) <= len(text); at++ {
		if text[at] == word[0] && slices.Equal(text[at:at+len(word)], word) {
			return at
		}
	}
	return -1
}

// How much of a text an excerpt has, before the word and from it on; a rest of up to spare
// characters is not left out.
const (
	before = 12
	behind = 40
	spare  = 4
)

// cut gives the piece of a text around a place, with every word marked that is in it.
func cut(t string, list []word, at int) []Part {
	text := []rune(t)
	from, to := max(0, at-before), min(len(text), at+behind)
	if from <= spare {
		from = 0
	}
	if len(text)-to <= spare {
		to = len(text)
	}
	marked := make([]bool, len(text))
	fold := pinyin.Folded(t)
	for i := range list {
		w := list[i].runes
		for p := from; len(list[i].grams) > 0 && p+len(w) <= len(text) && p < to; p++ {
			if slices.Equal(fold[p:p+len(w)], w) {
				to = max(to, p+len(w))
				for k := range w {
					marked[p+k] = true
				}
			}
		}
	}
	var out []Part
	if from > 0 {
		out = append(out, Part{Text: "…"})
	}
	for p := from; p < to; {
		end := p
		for end < to && marked[end] == marked[p] {
			end++
		}
		out = append(out, Part{string(text[p:end]), marked[p]})
		p = end
	}
	if to < len(text) {
		out = append(out, Part{Text: "…"})
	}
	return out
}
