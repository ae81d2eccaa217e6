package page

import (
	"encoding/binary"
	"fmt"
	"slices"

	"zhucun/shared/pack"
	"zhucun/shared/record"
	"zhucun/shared/wire/blocksort"
)

// Size gives how many bytes the states of a page say that they come to.
func Size(page []byte) int {
	c := cursor{b: page}
	if c.byte() != Layout {
		return 0
	}
	c.number()
	return int(min(c.number(), 1<<31-1))
}

// slack is what the columns of a page of few records may have beyond what the records
// come to.
const slack = 4 << 10

// Read gives the records of a page whose states come to at most limit bytes. The
// errors are ErrDamaged, ErrTooLarge and ErrLayout.
func Read(page []byte, limit int) ([]Record, error) {
	r, n, err := open(page, limit)
	if err != nil {
		return nil, err
	}
	records := make([]Record, n)
	out := make([]byte, 0, min(r.size, 16*len(page)+slack))
	for i := range records {
		if records[i].ID = r.id(); r.random.bad || r.fixed[colKind].bad || r.fixed[colMilli].bad {
			return nil, ErrDamaged
		}
		r.own[i] = records[i].ID
	}
	for i := range records {
		from := len(out)
		if out, err = r.record(out, &records[i]); err != nil {
			return nil, err
		}
		// Whatever out moves to, what is there stays.
		records[i].State = out[from:len(out):len(out)]
	}
	if len(out) != r.size || !r.done() {
		return nil, ErrDamaged
	}
	return records, nil
}

// reader takes what it gives from the columns.
type reader struct {
	size     int // what the states come to
	fixed    [fixedColumns]cursor
	columns  []readColumn
	forms    [][]byte
	types    []record.Type
	paths    [][]byte
	elements [][]byte
	authors  [][]byte
	own      []record.ID
	random   bitReader
	made     int64
	next     []uint64
	milli    int64
	count    int64
	things   int // authors, elements and short texts
	scratch  []byte
}

// readColumn is what stands under one path.
type readColumn struct {
	parts [eachColumn]cursor
	known [][]byte
	last
}

// open takes a page apart into its columns, and tells how many records it has.
func open(page []byte, limit int) (*reader, int, error) {
	c := cursor{b: page}
	if c.byte() != Layout {
		return nil, 0, ErrLayout
	}
	n, size, heads, noises, bodies := c.number(), c.number(), c.number(), c.number(), c.number()
	// A record has nine random bytes in its id.
	if c.bad || heads > uint64(len(c.b)) || noises > uint64(len(c.b))-heads || n > noises/9 {
		return nil, 0, ErrDamaged
	}
	// The columns of what is laid out at all are shorter than it, or little longer.
	if size > uint64(limit) || bodies > 2*uint64(limit)+slack {
		return nil, 0, ErrTooLarge
	}
	head, noise := cursor{b: c.take(int(heads))}, cursor{b: c.take(int(noises))}
	plain, err := blocksort.Unpack(c.b, int(bodies))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	body := cursor{b: plain}
	paths := head.count(1)
	if paths > maxPaths {
		return nil, 0, ErrDamaged
	}
	r := &reader{size: int(size), columns: make([]readColumn, paths), own: make([]record.ID, n)}
	room := 2*limit + slack
	for i := range fixedColumns + eachColumn*len(r.columns) {
		col := &cursor{}
		if i < fixedColumns {
			col = &r.fixed[i]
		} else {
			col = &r.columns[(i-fixedColumns)/eachColumn].parts[(i-fixedColumns)%eachColumn]
		}
		from := &body
		if wayOf(i) == asNoise {
			from = &noise
		}
		size := head.number()
		if size > uint64(len(from.b)) {
			return nil, 0, ErrDamaged
		}
		if col.b = from.take(int(size)); wayOf(i) == asText {
			if col.b, err = pack.Lengthen(make([]byte, 0, min(2*len(col.b), room)), col.b, room); err != nil {
				return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			room -= len(col.b)
		}
	}
	if head.bad || len(head.b)+len(noise.b)+len(body.b) > 0 || len(r.fixed[colOthers].b)%16 != 0 || len(r.fixed[colStreams].b)%16 != 0 {
		return nil, 0, ErrDamaged
	}
	r.random.b = r.fixed[colRandom].b
	r.next = slices.Repeat([]uint64{1}, len(r.fixed[colStreams].b)/16)
	for r.fixed[colTypes].more() && len(r.types) < int(n) {
		r.types = append(r.types, record.Type(r.fixed[colTypes].text()))
	}
	r.paths, r.authors = r.fixed[colPaths].all(), r.fixed[colAuthors].all()
	if r.things = len(r.authors); len(r.paths) != len(r.columns) || r.things > maxThings || len(r.fixed[colKind].b) != int(n) {
		return nil, 0, ErrDamaged
	}
	return r, int(n), nil
}

func (c *cursor) more() bool { return len(c.b) > 0 && !c.bad }

func (c *cursor) all() (list [][]byte) {
	for c.more() && len(list) <= maxThings {
		list = append(list, c.text())
	}
	return list
}

// done tells whether every column was read to its end, and nothing beyond.
func (r *reader) done() bool {
	for i := range r.fixed {
		switch c := &r.fixed[i]; i {
		case colRandom, colOthers, colStreams: // read in their places
		default:
			if c.bad || len(c.b) > 0 {
				return false
			}
		}
	}
	for i := range r.columns {
		for _, c := range r.columns[i].parts {
			if c.bad || len(c.b) > 0 {
				return false
			}
		}
	}
	return !r.random.bad && len(r.random.b) == 0
}

func (r *reader) id() (id record.ID) {
	var hi, lo uint64
	switch kind := r.fixed[colKind].byte(); {
	case kind == strangeID:
		hi, lo = r.random.read(64), r.random.read(64)
	case kind > strangeID:
		r.fixed[colKind].fail()
	default:
		if kind == clockID {
			r.made += r.fixed[colMilli].signed()
			hi = uint64(r.made)
		} else {
			hi = r.random.read(48)
		}
		hi = hi<<16 | uint64(kind)<<12 | r.random.read(12)
		lo = 2<<62 | r.random.read(62)
	}
	binary.BigEndian.PutUint64(id[:], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id
}

// ref gives the id of a number.
func (r *reader) ref(n uint64) (id record.ID, ok bool) {
	if n < uint64(len(r.own)) {
		return r.own[n], true
	}
	others := r.fixed[colOthers].b
	if n -= uint64(len(r.own)); n >= uint64(len(others)/16) {
		return id, false
	}
	return record.ID(others[16*n:]), true
}

// nextForm gives the form of the next record.
func (r *reader) nextForm() ([]byte, bool) {
	k := r.fixed[colForm].number()
	if k > 0 {
		if k > uint64(len(r.forms)) {
			return nil, false
		}
		return r.forms[k-1], true
	}
	c := &r.fixed[colForms]
	begin := c.b
	c.number()
	if c.number() > 0 {
		for c.number() > 0 {
			for range c.count(1) {
				c.number()
			}
			c.number()
		}
	}
	if c.bad {
		return nil, false
	}
	f := begin[:len(begin)-len(c.b)]
	r.forms = append(r.forms, f)
	return f, true
}

// record appends the state of the next record to out.
func (r *reader) record(out []byte, rec *Record) ([]byte, error) {
	raw, ok := r.nextForm()
	if !ok {
		return nil, ErrDamaged
	}
	f := cursor{b: raw}
	if typ := f.number(); typ < uint64(len(r.types)) {
		rec.Type = r.types[typ]
	} else {
		return nil, ErrDamaged
	}
	n := f.number()
	if n == 0 {
		c := &r.fixed[colRaw]
		state := c.take(c.count(1))
		if c.bad || len(out)+len(state) > r.size {
			return nil, ErrDamaged
		}
		return append(out, state...), nil
	}
	out = binary.AppendUvarint(append(out, stateVersion), n-1)
	for range n - 1 {
		if out, ok = r.change(out); !ok || len(out) > r.size {
			return nil, ErrDamaged
		}
	}
	var about record.ID
	var registers uint64
	regs := r.scratch[:0]
	for {
		p := f.number()
		if p == 0 {
			break
		}
		if p > uint64(len(r.paths)) {
			return nil, ErrDamaged
		}
		form := f
		col, path := &r.columns[p-1], r.paths[p-1]
		isElement := len(path) > 0 && path[len(path)-1] == '/'
		count := uint64(1)
		if isElement {
			if count = col.parts[picks].number(); count == 0 {
				return nil, ErrDamaged
			}
		}
		for range count {
			f = form
			if isElement {
				name, ok := r.element(col.parts[picks].number())
				if !ok {
					return nil, ErrDamaged
				}
				regs = binary.AppendUvarint(regs, uint64(len(path)+len(name)))
				regs = append(append(regs, path...), name...)
			} else {
				regs = binary.AppendUvarint(regs, uint64(len(path)))
				regs = append(regs, path...)
			}
			if regs, ok = r.register(regs, &f, col, &about, r.size-len(out)); !ok {
				return nil, ErrDamaged
			}
		}
		registers += count
	}
	r.scratch = regs
	out = binary.AppendUvarint(out, registers)
	if len(out)+len(regs) > r.size {
		return nil, ErrDamaged
	}
	return append(out, regs...), nil
}

// change appends the next change.
func (r *reader) change(out []byte) ([]byte, bool) {
	k, author := r.fixed[colStream].number(), r.fixed[colAuthor].number()
	if k >= uint64(len(r.next)) || author >= uint64(len(r.authors)) {
		return nil, false
	}
	seq := r.next[k] + uint64(r.fixed[colSeq].signed())
	r.next[k] = seq + 1
	r.milli += r.fixed[colTime].signed()
	r.count += r.fixed[colCount].signed()
	if r.fixed[colStream].bad || r.fixed[colAuthor].bad || r.fixed[colSeq].bad || r.fixed[colTime].bad || r.fixed[colCount].bad ||
		r.milli < 0 || r.milli >= 1<<(64-countBits) || r.count < 0 || r.count >= 1<<countBits {
		return nil, false
	}
	out = r.stream(out, k)
	out = binary.AppendUvarint(out, seq)
	out = binary.AppendUvarint(out, uint64(r.milli)<<countBits|uint64(r.count))
	name := r.authors[author]
	return append(binary.AppendUvarint(out, uint64(len(name))), name...), true
}

func (r *reader) stream(out []byte, k uint64) []byte {
	return append(out, r.fixed[colStreams].b[16*k:16*k+16]...)
}

// register appends what stands behind a path, of the form that f goes through.
func (r *reader) register(out []byte, f *cursor, col *readColumn, about *record.ID, most int) ([]byte, bool) {
	siblings := f.number()
	out = binary.AppendUvarint(out, siblings)
	ok := true
	for range siblings {
		out = binary.AppendUvarint(out, f.number())
		if out, ok = col.unpack(out, r, about); !ok || len(out) > most {
			return nil, false
		}
	}
	dots := f.number()
	out = binary.AppendUvarint(out, dots)
	for range dots {
		k := r.fixed[colCloud].number()
		seq := r.fixed[colCloud].number()
		if r.fixed[colCloud].bad || k >= uint64(len(r.next)) || len(out) > most {
			return nil, false
		}
		out = binary.AppendUvarint(r.stream(out, k), seq)
	}
	return out, len(out) <= most
}

// element gives the element of a number.
func (r *reader) element(k uint64) ([]byte, bool) {
	for k >= uint64(len(r.elements)) {
		c := &r.fixed[colElements]
		if r.things++; !c.more() || r.things > maxThings {
			return nil, false
		}
		name := c.text()
		if n := len(name); n > 0 {
			if name[n-1] != '/' {
				return nil, false
			}
			name = name[:n-1]
		} else {
			id, ok := r.ref(r.fixed[colElement].number())
			if !ok || r.fixed[colElement].bad {
				return nil, false
			}
			name = []byte(id.String())
		}
		r.elements = append(r.elements, name)
	}
	return r.elements[k], true
}

// unpack appends the path's next value, its length first.
func (c *readColumn) unpack(out []byte, r *reader, about *record.ID) ([]byte, bool) {
	num := &c.parts[numbers]
	// Room for the length of a short value, which most are.
	from := len(out)
	out = append(out, 0)
	switch kind := c.parts[kinds].byte(); kind {
	case kindNull:
		out = append(out, "null"...)
	case kindTrue:
		out = append(out, "true"...)
	case kindFalse:
		out = append(out, "false"...)
	case kindJSON, kindText:
		s := c.parts[texts].text()
		if kind == kindJSON {
			out = append(out, s...)
			break
		}
		if len(s) <= maxKnown && len(c.known) < maxTexts {
			if r.things++; r.things > maxThings {
				return nil, false
			}
			c.known = append(c.known, s)
		}
		out = quoted(out, s)
	case kindKnown:
		k := num.number()
		if k >= uint64(len(c.known)) {
			return nil, false
		}
		out = quoted(out, c.known[k])
	case kindID:
		id, ok := r.ref(num.number())
		if !ok {
			return nil, false
		}
		*about = id
		out = quoted(out, []byte(id.String()))
	case kindDay:
		if c.day += num.signed(); c.day < minDay || c.day > maxDay {
			return nil, false
		}
		out = append(appendDay(append(out, '"'), c.day), '"')
	case kindPlace:
		at := c.near(*about)
		for i := range at {
			if at[i] += num.signed(); at[i] > 1000*degree || at[i] < -1000*degree {
				return nil, false
			}
		}
		c.put(*about, at)
		out = appendPlace(out, at)
	case kindDigits:
		c.digits += num.signed()
		out = append(appendNumber(append(out, '"'), c.digits, 0), '"')
	default:
		if kind > kindNumber+maxDecimals {
			return nil, false
		}
		out = appendNumber(out, num.signed(), int(kind-kindNumber))
	}
	if c.parts[kinds].bad || c.parts[texts].bad || num.bad {
		return nil, false
	}
	n := len(out) - from - 1
	if n < 0x80 {
		out[from] = byte(n)
		return out, true
	}
	var size [binary.MaxVarintLen64]byte
	return slices.Replace(out, from, from+1, size[:binary.PutUvarint(size[:], uint64(n))]...), true
}

func quoted(out, s []byte) []byte { return append(append(append(out, '"'), s...), '"') }

// bitReader reads what bits wrote.
type bitReader struct {
	b    []byte
	left uint // of the byte before b
	last byte
	bad  bool
}

func (b *bitReader) read(n uint) (x uint64) {
	for n > 0 {
		if b.left == 0 {
			if len(b.b) == 0 {
				b.bad = true
				return 0
			}
			b.last, b.b, b.left = b.b[0], b.b[1:], 8
		}
		k := min(n, b.left)
		b.left -= k
		x = x<<k | uint64(b.last>>b.left&(1<<k-1))
		n -= k
	}
	return x
}
