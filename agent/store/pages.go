package store

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// A damaged file is read here with plain reads at places that are checked, and
// not with bbolt, which follows whatever number it finds: through a mapping, in
// which a wrong one ends the process, or round in a circle.
//
// Why this may be done in the agent's own process: a walk takes each page once
// and goes no deeper than maxDepth, a scan goes once through the pages in order,
// nothing larger than maxElement is ever asked memory for, what is read beyond pages
// is bounded in all, and every place is compared with what was read before it is
// looked at.
//
// The format is bbolt's, which has not changed since 2014. A page:
//
//	number 8, kind 2, count 2, overflow 4 (how many pages follow and belong to it)
//	count elements of 16 bytes, each with where its key lies, from itself on:
//	  of a leaf    flags 4, place 4, key size 4, value size 4; the value is behind the key
//	  of a branch  place 4, key size 4, page 8
//
// Numbers are little endian on every machine that the agent is built for.

const (
	branchPage = 0x01
	leafPage   = 0x02
	bucketLeaf = 0x01

	pageHead    = 16
	elementSize = 16
	bucketHead  = 16 // of a bucket's value: root page 8 (0: the page is behind this), sequence 8

	maxDepth   = 32
	maxElement = maxValue + 1<<16
)

// pages are a store's file, damaged or not.
type pages struct {
	f    io.ReaderAt
	size int64
	page int64
	// long is how much may still be read of values that go beyond their page: where
	// every element says so, the file would be read as often as it has elements.
	long int64
	// metas are the readable pages that say where everything is, the newest first.
	metas []meta
}

type meta struct{ root, tx uint64 }

func readPages(f *os.File) (*pages, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p := &pages{f: f, size: info.Size(), page: int64(os.Getpagesize()), long: 8*info.Size() + 8*maxElement}
	// The second stands where the first page ends, and how large that is may be what
	// the first cannot tell any more.
	for at := int64(0); at <= 64<<10; at = max(2*at, 1<<10) {
		if m, page, ok := p.metaAt(at); ok && (at == 0 || at == page) {
			p.page = page
			p.metas = append(p.metas, m)
		}
	}
	slices.SortStableFunc(p.metas, func(a, b meta) int {
		if a.tx > b.tx {
			return -1
		}
		return 1
	})
	return p, nil
}

func (p *pages) metaAt(at int64) (m meta, page int64, ok bool) {
	const magic, version = 0xED0CDAED, 2
	raw := make([]byte, pageHead+64)
	if n, _ := p.f.ReadAt(raw, at); n < len(raw) {
		return m, 0, false
	}
	raw = raw[pageHead:]
	sum := fnv.New64a()
	sum.Write(raw[:56])
	page = int64(binary.LittleEndian.Uint32(raw[8:]))
	if binary.LittleEndian.Uint32(raw) != magic || binary.LittleEndian.Uint32(raw[4:]) != version ||
		binary.LittleEndian.Uint64(raw[56:]) != sum.Sum64() || page < 1<<10 || page > 64<<10 {
		return m, 0, false
	}
	return meta{root: binary.LittleEndian.Uint64(raw[16:]), tx: binary.LittleEndian.Uint64(raw[48:])}, page, true
}

// element is one of a page: a leaf's, or a branch's, whose value is nil.
type element struct {
	bucket     bool
	key, value []byte
	at         int64 // of the value in the file
	child      uint64
}

// count is how many pages there are.
func (p *pages) count() uint64 { return uint64(p.size / p.page) }

// head reads a page's head. It is false for a page that is not there or that is
// another than it should be.
func (p *pages) head(id uint64) (kind, count uint16, ok bool) {
	raw := make([]byte, pageHead)
	if id >= p.count() {
		return 0, 0, false
	}
	if n, _ := p.f.ReadAt(raw, int64(id)*p.page); n < len(raw) {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint16(raw[8:]), binary.LittleEndian.Uint16(raw[10:]), binary.LittleEndian.Uint64(raw) == id
}

// elements reads a page. It tells whether all elements could be read; those that
// could are given. With count < 0 the page's own head is not believed: the place of
// the first key says how many elements stand before it.
func (p *pages) elements(id uint64, kind uint16, count int) (es []element, all bool) {
	base := int64(id) * p.page
	raw := make([]byte, p.page)
	if n, _ := p.f.ReadAt(raw, base); n < len(raw) {
		return nil, false
	}
	if count < 0 {
		count = int(binary.LittleEndian.Uint16(raw[10:]))
		if first := binary.LittleEndian.Uint32(raw[pageHead+4:]); first%elementSize == 0 && first/elementSize < 1<<16 {
			count = max(count, int(first/elementSize))
		}
		count = min(count, (len(raw)-pageHead)/elementSize)
	}
	if pageHead+count*elementSize > len(raw) {
		// bbolt fits more than two elements into every page that it divides, and the
		// list of them never leaves the first.
		long := make([]byte, pageHead+count*elementSize)
		if n, _ := p.f.ReadAt(long, base); n < len(long) {
			return nil, false
		}
		raw = long
	}
	read := func(at, n int64) []byte {
		if at < 0 || n < 0 || n > maxElement || base+at+n > p.size {
			return nil
		}
		if at+n <= int64(len(raw)) {
			return raw[at : at+n : at+n]
		}
		if p.long -= n; p.long < 0 {
			return nil
		}
		b := make([]byte, n)
		if m, _ := p.f.ReadAt(b, base+at); m < len(b) {
			return nil
		}
		return b
	}
	return parse(raw, base, kind, count, read)
}

// inline reads the page that lies within a bucket's value, which begins at base.
func inline(value []byte, base int64) (es []element, all bool) {
	if len(value) < bucketHead+pageHead {
		return nil, false
	}
	raw := value[bucketHead:]
	count := int(binary.LittleEndian.Uint16(raw[10:]))
	if binary.LittleEndian.Uint16(raw[8:]) != leafPage || pageHead+count*elementSize > len(raw) {
		count, all = (len(raw)-pageHead)/elementSize, false
	} else {
		all = true
	}
	es, whole := parse(raw, base+bucketHead, leafPage, count, func(at, n int64) []byte {
		if at < 0 || n < 0 || at+n > int64(len(raw)) {
			return nil
		}
		return raw[at : at+n : at+n]
	})
	return es, all && whole
}

func parse(raw []byte, base int64, kind uint16, count int, read func(at, n int64) []byte) (es []element, all bool) {
	all = true
	for i := range count {
		at := int64(pageHead + i*elementSize)
		el := raw[at : at+elementSize]
		var e element
		if kind == branchPage {
			e.key = read(at+int64(binary.LittleEndian.Uint32(el)), int64(binary.LittleEndian.Uint32(el[4:])))
			e.child = binary.LittleEndian.Uint64(el[8:])
		} else {
			k, v := int64(binary.LittleEndian.Uint32(el[8:])), int64(binary.LittleEndian.Uint32(el[12:]))
			place := at + int64(binary.LittleEndian.Uint32(el[4:]))
			e.bucket = binary.LittleEndian.Uint32(el)&bucketLeaf != 0
			e.key, e.value, e.at = read(place, k), read(place+k, v), base+place+k
			all = all && e.value != nil
		}
		if e.key == nil || e.value == nil && kind != branchPage {
			all = false
			continue
		}
		es = append(es, e)
	}
	return es, all
}

// walker goes through the tree that a meta page leads to.
type walker struct {
	p    *pages
	seen map[uint64]bool
	// yield is given every value with the names of the buckets on the way to it.
	yield func(path [][]byte, e element)
	torn  bool // some page could not be read
}

func (w *walker) page(path [][]byte, id uint64, depth int) {
	if depth > maxDepth || w.seen[id] {
		w.torn = true
		return
	}
	w.seen[id] = true
	kind, count, ok := w.p.head(id)
	if !ok || kind != branchPage && kind != leafPage {
		w.torn = true
		return
	}
	es, all := w.p.elements(id, kind, int(count))
	w.torn = w.torn || !all
	for _, e := range es {
		if kind == branchPage {
			w.page(path, e.child, depth+1)
			continue
		}
		w.leaf(path, e, depth)
	}
}

func (w *walker) leaf(path [][]byte, e element, depth int) {
	if !e.bucket {
		w.yield(path, e)
		return
	}
	if len(e.value) < bucketHead {
		w.torn = true
		return
	}
	inner := append(slices.Clone(path), e.key)
	if root := binary.LittleEndian.Uint64(e.value); root != 0 {
		w.page(inner, root, depth+1)
		return
	}
	es, all := inline(e.value, e.at)
	w.torn = w.torn || !all
	if depth >= maxDepth {
		w.torn = true
		return
	}
	for _, e := range es {
		w.leaf(inner, e, depth+1)
	}
}

// walk goes through the tree of a meta page, and tells whether all of it could be
// read.
func (p *pages) walk(m meta, yield func(path [][]byte, e element)) (whole bool) {
	w := &walker{p: p, seen: map[uint64]bool{}, yield: yield}
	w.page(nil, m.root, 0)
	return !w.torn
}

// scan takes every page for a leaf, whatever its head says. Most of what it gives
// is nothing, and of what is something, some is of long ago.
func (p *pages) scan(yield func(e element)) {
	for id := uint64(2); id < p.count(); id++ {
		es, _ := p.elements(id, leafPage, -1)
		for _, e := range es {
			p.scanned(e, yield, 0)
		}
	}
}

func (p *pages) scanned(e element, yield func(e element), depth int) {
	yield(e)
	if len(e.value) >= bucketHead+pageHead && binary.LittleEndian.Uint64(e.value) == 0 && depth < maxDepth {
		es, _ := inline(e.value, e.at)
		for _, e := range es {
			p.scanned(e, yield, depth+1)
		}
	}
}
