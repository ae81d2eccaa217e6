package page

import (
	"bytes"
	"encoding/binary"
	"slices"

	"zhucun/shared/pack"
	"zhucun/shared/record"
	"zhucun/shared/wire/blocksort"
)

// table gives each distinct thing a number in the order of its appearance.
type table[T comparable] struct{ at map[T]uint32 }

func (t *table[T]) has(x T) bool { _, ok := t.at[x]; return ok }

func (t *table[T]) of(x T) (k uint32, isNew bool) {
	if k, ok := t.at[x]; ok {
		return k, false
	}
	if t.at == nil {
		t.at = map[T]uint32{}
	}
	k = uint32(len(t.at))
	t.at[x] = k
	return k, true
}

// A state taken apart. What its numbers mean does not matter here.
type (
	state struct {
		changes   []change
		registers []register
	}
	change struct {
		dot
		at     uint64
		author []byte
	}
	dot struct {
		stream record.Stream
		seq    uint64
	}
	register struct {
		path     []byte
		siblings []sibling
		cloud    []dot
	}
	sibling struct {
		change uint64 // its place in the list of changes
		value  []byte
	}
)

// stateVersion is the form of states that is known here.
const stateVersion = 1

// parse takes a state apart; false where it is of another form.
func (s *state) parse(b []byte) bool {
	s.changes, s.registers = s.changes[:0], s.registers[:0]
	if len(b) == 0 || b[0] != stateVersion {
		return false
	}
	c := cursor{b: b[1:]}
	for range c.count(19) {
		s.changes = append(s.changes, change{c.dot(), c.number(), c.take(c.count(1))})
	}
	for range c.count(3) {
		r := register{path: c.take(c.count(1))}
		for range c.count(2) {
			r.siblings = append(r.siblings, sibling{c.number(), c.take(c.count(1))})
		}
		for range c.count(17) {
			r.cloud = append(r.cloud, c.dot())
		}
		s.registers = append(s.registers, r)
	}
	return !c.bad && len(c.b) == 0
}

func (c *cursor) dot() dot { return dot{c.stream(), c.number()} }

// writer fills the columns.
type writer struct {
	fixed    [fixedColumns][]byte
	columns  []*column
	forms    table[string]
	types    table[record.Type]
	paths    table[string]
	elements table[string]
	authors  table[string]
	streams  table[record.Stream]
	others   table[record.ID]
	own      map[record.ID]uint32 // the page's records
	n, size  int                  // how many they are, and their states' bytes
	known    int                  // short texts of all paths
	random   bits
	made     int64    // of the last id that a clock made
	next     []uint64 // of each stream the number after the last
	milli    int64
	count    int64
	state    state
	form     []byte
}

// Append lays records out and appends the page, packed, to dst.
func Append(dst []byte, records []Record) []byte {
	w := fill(records)
	return w.pack(dst, w.size)
}

func fill(records []Record) *writer {
	w := &writer{n: len(records), own: make(map[record.ID]uint32, len(records))}
	for i := range records {
		if _, twice := w.own[records[i].ID]; !twice {
			w.own[records[i].ID] = uint32(i)
		}
	}
	for i := range records {
		w.id(records[i].ID)
		w.record(&records[i])
		w.size += len(records[i].State)
	}
	w.fixed[colRandom] = w.random.b
	return w
}

func (w *writer) number(col int, n uint64) { w.fixed[col] = binary.AppendUvarint(w.fixed[col], n) }

func (w *writer) signed(col int, n int64) { w.fixed[col] = appendSigned(w.fixed[col], n) }

func (w *writer) text(col int, s string) { w.fixed[col] = appendText(w.fixed[col], []byte(s)) }

// id writes a record's id: how, then its bits, less those that how tells. The time of
// one that a clock made is told from that of the last.
func (w *writer) id(id record.ID) {
	hi, lo := binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:])
	if lo>>62 != 2 {
		w.fixed[colKind] = append(w.fixed[colKind], strangeID)
		w.random.write(hi, 64)
		w.random.write(lo, 64)
		return
	}
	version := byte(hi >> 12 & 15)
	w.fixed[colKind] = append(w.fixed[colKind], version)
	if made := int64(hi >> 16); version == clockID {
		w.signed(colMilli, made-w.made)
		w.made = made
	} else {
		w.random.write(hi>>16, 48)
	}
	w.random.write(hi, 12)
	w.random.write(lo, 62)
}

// ref gives the number of an id: the record's, or behind those that of another.
func (w *writer) ref(id record.ID) uint64 {
	if k, ok := w.own[id]; ok {
		return uint64(k)
	}
	k, isNew := w.others.of(id)
	if isNew {
		w.fixed[colOthers] = append(w.fixed[colOthers], id[:]...)
	}
	return uint64(w.n) + uint64(k)
}

func (w *writer) stream(s record.Stream) uint32 {
	k, isNew := w.streams.of(s)
	if isNew {
		w.fixed[colStreams] = append(w.fixed[colStreams], s[:]...)
		w.next = append(w.next, 1)
	}
	return k
}

func (w *writer) path(p []byte) uint32 {
	k, isNew := w.paths.of(string(p))
	if isNew {
		w.text(colPaths, string(p))
		w.columns = append(w.columns, new(column))
	}
	return k
}

// element splits a path into the one whose column it belongs to, which ends in "/",
// and the element that it names there.
func element(p []byte) (path, name []byte, ok bool) {
	if i := bytes.IndexByte(p, '/'); i >= 0 {
		return p[:i+1], p[i+1:], true
	}
	return p, nil, false
}

func (w *writer) element(name []byte) uint32 {
	k, isNew := w.elements.of(string(name))
	if !isNew {
		return k
	}
	if id, ok := idOf(name); ok {
		w.text(colElements, "")
		w.number(colElement, w.ref(id))
	} else {
		w.text(colElements, string(name)+"/")
	}
	return k
}

func (w *writer) record(r *Record) {
	typ, isNew := w.types.of(r.Type)
	if isNew {
		w.text(colTypes, string(r.Type))
	}
	f := binary.AppendUvarint(w.form[:0], uint64(typ))
	s := &w.state
	if !s.parse(r.State) || !w.fits(s) {
		w.shape(append(f, 0))
		w.number(colRaw, uint64(len(r.State)))
		w.fixed[colRaw] = append(w.fixed[colRaw], r.State...)
		return
	}
	for _, c := range s.changes {
		w.change(c)
	}
	// A form is the type, how many changes and one, then for each path its number and
	// one, how many siblings, the change of each, how many dots in the cloud; then 0.
	// Elements of one path that follow each other alike stand once.
	f = binary.AppendUvarint(f, uint64(len(s.changes))+1)
	var about record.ID
	for i := 0; i < len(s.registers); {
		name, _, isElement := element(s.registers[i].path)
		p := w.path(name)
		begin := len(f)
		f = s.registers[i].form(binary.AppendUvarint(f, uint64(p)+1))
		n := 1
		if isElement {
			for i+n < len(s.registers) && w.like(&s.registers[i+n], name, p, f[begin:]) {
				n++
			}
			w.columns[p].pick(w, s.registers[i:i+n])
		}
		for _, r := range s.registers[i : i+n] {
			for _, sib := range r.siblings {
				w.columns[p].pack(sib.value, w, &about)
			}
			for _, d := range r.cloud {
				w.number(colCloud, uint64(w.stream(d.stream)))
				w.number(colCloud, d.seq)
			}
		}
		i += n
	}
	w.form = append(f, 0)
	w.shape(w.form)
}

// fits tells whether the page can name what is new in a state.
func (w *writer) fits(s *state) bool {
	things, paths := len(w.authors.at)+len(w.elements.at)+w.known+len(s.changes), len(w.columns)
	for i := range s.registers {
		things += 1 + len(s.registers[i].siblings)
		if name, _, _ := element(s.registers[i].path); !w.paths.has(string(name)) {
			paths++
		}
	}
	return things <= maxThings && paths <= maxPaths
}

// shape writes the form of a record.
func (w *writer) shape(f []byte) {
	k, isNew := w.forms.of(string(f))
	if !isNew {
		w.number(colForm, uint64(k)+1)
		return
	}
	w.number(colForm, 0)
	w.fixed[colForms] = append(w.fixed[colForms], f...)
}

// form appends what the form says of a register behind its path.
func (r *register) form(f []byte) []byte {
	f = binary.AppendUvarint(f, uint64(len(r.siblings)))
	for _, sib := range r.siblings {
		f = binary.AppendUvarint(f, sib.change)
	}
	return binary.AppendUvarint(f, uint64(len(r.cloud)))
}

// like tells whether a register is one more element of the path of number p, with
// the form f.
func (w *writer) like(r *register, name []byte, p uint32, f []byte) bool {
	var scratch [64]byte
	return bytes.HasPrefix(r.path, name) && bytes.Equal(r.form(binary.AppendUvarint(scratch[:0], uint64(p)+1)), f)
}

func (w *writer) change(c change) {
	k := w.stream(c.stream)
	w.number(colStream, uint64(k))
	w.signed(colSeq, int64(c.seq-w.next[k]))
	w.next[k] = c.seq + 1
	milli, count := int64(c.at>>countBits), int64(c.at&(1<<countBits-1))
	w.signed(colTime, milli-w.milli)
	w.signed(colCount, count-w.count)
	w.milli, w.count = milli, count
	a, isNew := w.authors.of(string(c.author))
	if isNew {
		w.text(colAuthors, string(c.author))
	}
	w.number(colAuthor, uint64(a))
}

// pack writes the page of records that come to size bytes.
func (w *writer) pack(dst []byte, size int) []byte {
	cols := slices.Clip(w.fixed[:])
	for _, c := range w.columns {
		cols = append(cols, c.parts[:]...)
	}
	total := 0
	for _, c := range cols {
		total += len(c)
	}
	var noise, body []byte
	head := binary.AppendUvarint(nil, uint64(len(w.columns)))
	body = make([]byte, 0, total+total/8)
	for i, c := range cols {
		switch wayOf(i) {
		case asNoise:
			head = binary.AppendUvarint(head, uint64(len(c)))
			noise = append(noise, c...)
		case asText:
			from := len(body)
			body = pack.Shorten(body, c)
			head = binary.AppendUvarint(head, uint64(len(body)-from))
		default:
			head = binary.AppendUvarint(head, uint64(len(c)))
			body = append(body, c...)
		}
	}
	dst = append(dst, Layout)
	for _, n := range []int{w.n, size, len(head), len(noise), len(body)} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	dst = append(append(dst, head...), noise...)
	return blocksort.Append(dst, body)
}

// bits packs bits, the highest of a byte first.
type bits struct {
	b    []byte
	left uint // of the last byte
}

// write writes the n lowest bits of x.
func (b *bits) write(x uint64, n uint) {
	for n > 0 {
		if b.left == 0 {
			b.b, b.left = append(b.b, 0), 8
		}
		k := min(n, b.left)
		n, b.left = n-k, b.left-k
		b.b[len(b.b)-1] |= byte(x>>n&(1<<k-1)) << b.left
	}
}
