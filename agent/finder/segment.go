package finder

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// text is what is kept of a visit until it is in a segment: its grams, each once, in
// their order.
type text struct {
	visit uint32
	grams []uint32
}

// segment says which visits have which gram. It is made once and never changed: a visit
// that is written anew stands in a later one. The grams are listed in their order, in
// blocks of so many; of each block the first gram and its place are in memory as
// numbers, the rest is bytes:
//
//	the gram, less the one before; how many bytes follow; the places in visits, each less
//	the one before
type segment struct {
	visits []uint32 // by their place
	first  []uint32
	at     []uint32
	bytes  []byte
}

const block = 16

// sealed makes a segment of texts.
func sealed(texts []text) *segment {
	s := &segment{}
	n := 0
	for _, t := range texts {
		n += len(t.grams)
	}
	pairs := make([]uint64, 0, n)
	for i, t := range texts {
		s.visits = append(s.visits, t.visit)
		for _, g := range t.grams {
			pairs = append(pairs, uint64(g)<<32|uint64(i))
		}
	}
	slices.Sort(pairs)
	w := writer{s: s}
	var places []uint32
	for len(pairs) > 0 {
		g := uint32(pairs[0] >> 32)
		places = places[:0]
		for len(pairs) > 0 && uint32(pairs[0]>>32) == g {
			places = append(places, uint32(pairs[0]))
			pairs = pairs[1:]
		}
		w.add(g, places)
	}
	s.bytes = slices.Clip(slices.Clone(s.bytes))
	return s
}

// writer writes a segment's grams in their order.
type writer struct {
	s      *segment
	n      int
	before uint32
	buf    []byte
}

func (w *writer) add(gram uint32, places []uint32) {
	if len(places) == 0 {
		return
	}
	s := w.s
	if w.n%block == 0 {
		s.first, s.at = append(s.first, gram), append(s.at, uint32(len(s.bytes)))
		w.before = gram
	}
	w.n++
	s.bytes = binary.AppendUvarint(s.bytes, uint64(gram-w.before))
	w.before = gram
	w.buf = w.buf[:0]
	before := uint32(0)
	for _, p := range places {
		w.buf = binary.AppendUvarint(w.buf, uint64(p-before))
		before = p
	}
	s.bytes = binary.AppendUvarint(s.bytes, uint64(len(w.buf)))
	s.bytes = append(s.bytes, w.buf...)
}

// cursor goes through a segment's grams in their order.
type cursor struct {
	s      *segment
	n      int // how many were read
	rest   []byte
	gram   uint32
	places []byte
}

// next reads the next gram; false behind the last.
func (c *cursor) next() bool {
	if len(c.rest) == 0 {
		return false
	}
	if c.n%block == 0 {
		c.gram = c.s.first[c.n/block]
	}
	c.n++
	add, k := binary.Uvarint(c.rest)
	c.rest = c.rest[k:]
	c.gram += uint32(add)
	size, k := binary.Uvarint(c.rest)
	c.places, c.rest = c.rest[k:k+int(size)], c.rest[k+int(size):]
	return true
}

// places reads the places that follow a gram.
func places(list []uint32, raw []byte) []uint32 {
	p := uint32(0)
	for len(raw) > 0 {
		if b := raw[0]; b < 0x80 {
			p += uint32(b)
			raw = raw[1:]
		} else {
			add, k := binary.Uvarint(raw)
			p += uint32(add)
			raw = raw[k:]
		}
		list = append(list, p)
	}
	return list
}

// find gives the places of a gram as they are written; nil for none.
func (s *segment) find(gram uint32) []byte {
	i, exact := slices.BinarySearch(s.first, gram)
	if !exact {
		i--
	}
	if i < 0 {
		return nil
	}
	c := cursor{s: s, n: i * block, rest: s.bytes[s.at[i]:]}
	for range block {
		if !c.next() || c.gram > gram {
			return nil
		}
		if c.gram == gram {
			return c.places
		}
	}
	return nil
}

// having calls yield with every visit that has all the grams.
func (s *segment) having(grams []uint32, yield func(visit uint32)) {
	lists := make([][]byte, len(grams))
	for i, g := range grams {
		if lists[i] = s.find(g); lists[i] == nil {
			return
		}
	}
	slices.SortFunc(lists, func(a, b []byte) int { return len(a) - len(b) })
	found := places(nil, lists[0])
	var other []uint32
	for _, raw := range lists[1:] {
		other = places(other[:0], raw)
		i := 0
		found = slices.DeleteFunc(found, func(p uint32) bool {
			for i < len(other) && other[i] < p {
				i++
			}
			return i == len(other) || other[i] != p
		})
	}
	for _, p := range found {
		yield(s.visits[p])
	}
}

// merged makes one segment of several, without the visits that are no more.
func merged(list []*segment, live func(visit uint32) bool) *segment {
	out := &segment{}
	to := make([][]uint32, len(list)) // where each visit of each goes
	const nowhere = ^uint32(0)
	size := 0
	for i, s := range list {
		size += len(s.bytes)
		to[i] = make([]uint32, len(s.visits))
		for p, v := range s.visits {
			if to[i][p] = nowhere; live(v) {
				to[i][p] = uint32(len(out.visits))
				out.visits = append(out.visits, v)
			}
		}
	}
	out.visits = slices.Clip(out.visits)
	out.bytes = make([]byte, 0, size)
	cursors := make([]cursor, len(list))
	more := make([]bool, len(list))
	for i, s := range list {
		cursors[i] = cursor{s: s, rest: s.bytes}
		more[i] = cursors[i].next()
	}
	w := writer{s: out}
	var read, kept []uint32
	for {
		gram, any := uint32(0), false
		for i := range cursors {
			if more[i] && (!any || cursors[i].gram < gram) {
				gram, any = cursors[i].gram, true
			}
		}
		if !any {
			break
		}
		kept = kept[:0]
		for i := range cursors {
			if !more[i] || cursors[i].gram != gram {
				continue
			}
			read = places(read[:0], cursors[i].places)
			for _, p := range read {
				if t := to[i][p]; t != nowhere {
					kept = append(kept, t)
				}
			}
			more[i] = cursors[i].next()
		}
		w.add(gram, kept)
	}
	return out
}

// Segments are merged four of about a size at a time, up to so many visits: what a merge
// needs for a moment is bounded by that, and not by how many there are.
const (
	openTexts  = 2048
	maxSegment = 32 << 10
)

// size tells segments that are merged with each other.
func (s *segment) size() int { return bits.Len(uint(len(s.visits))) / 2 }
