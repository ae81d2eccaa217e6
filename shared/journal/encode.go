package journal

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/record"
)

// encoded is a segment in columns: what the entries have in common stands once,
// and like stands beside like, which a compressor turns into far less than the
// same entries one after the other. DESIGN.md describes each column.
type encoded struct {
	Stream      []byte            `cbor:"0,keyasint"`
	From        uint64            `cbor:"1,keyasint"`
	Incarnation []byte            `cbor:"2,keyasint"`
	Seed        []byte            `cbor:"3,keyasint"`
	Sig         []byte            `cbor:"4,keyasint"`
	IDs         []byte            `cbor:"5,keyasint"`
	Types       []string          `cbor:"6,keyasint"`
	Authors     []string          `cbor:"7,keyasint"`
	Paths       []string          `cbor:"8,keyasint"`
	Streams     []byte            `cbor:"9,keyasint,omitempty"`
	Shapes      [][]uint32        `cbor:"10,keyasint"`
	Record      []uint32          `cbor:"11,keyasint"`
	Type        []uint32          `cbor:"12,keyasint"`
	Author      []uint32          `cbor:"13,keyasint"`
	Form        []uint64          `cbor:"14,keyasint"`
	Milli       []int64           `cbor:"15,keyasint"`
	Count       []uint32          `cbor:"16,keyasint"`
	Shape       []uint32          `cbor:"17,keyasint"`
	Values      [][]any           `cbor:"18,keyasint"`
	Observed    []uint64          `cbor:"19,keyasint,omitempty"`
	Extra       map[uint32][]byte `cbor:"20,keyasint,omitempty"`
	Others      []byte            `cbor:"21,keyasint,omitempty"`
	Elements    []any             `cbor:"22,keyasint,omitempty"`
	Picks       []uint32          `cbor:"23,keyasint,omitempty"`
	Salts       []byte            `cbor:"24,keyasint,omitempty"`
	Erased      []uint32          `cbor:"25,keyasint,omitempty"`
	Hashes      []byte            `cbor:"26,keyasint,omitempty"`
}

var (
	encMode, _ = cbor.CoreDetEncOptions().EncMode()
	decMode, _ = cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  6,
		MaxArrayElements: maxValues,
		MaxMapPairs:      MaxEntries,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode()
)

// Limits of one segment. Decode refuses what is beyond them, so that no message
// makes the reader take more memory than some multiple of its own size. A
// change may well touch thousands of registers: a project lists every household
// that it serves.
const (
	MaxEntries = 4096
	maxWrites  = 1 << 16
	maxValues  = 1 << 20
)

// table gives each distinct thing a number in the order of its appearance.
type table[T comparable] struct {
	at    map[T]uint32
	items []T
}

func (t *table[T]) of(x T) uint32 {
	if i, ok := t.at[x]; ok {
		return i
	}
	if t.at == nil {
		t.at = map[T]uint32{}
	}
	i := uint32(len(t.items))
	t.at[x] = i
	t.items = append(t.items, x)
	return i
}

// element splits a path into the column that it belongs to and the element
// that it names there. The columns of elements, and no others, end in "/".
func element(p record.Path) (column record.Path, name string, ok bool) {
	if i := strings.IndexByte(string(p), '/'); i >= 0 {
		return p[:i+1], string(p[i+1:]), true
	}
	return p, "", false
}

// Encode gives the segment's bytes.
func (s *Segment) Encode() []byte {
	e := encoded{Stream: s.Stream[:], From: s.From, Incarnation: s.Incarnation[:], Seed: s.Seed[:], Sig: s.Sig}
	e.bodies(s)
	var (
		ids      names
		types    table[record.Type]
		authors  table[string]
		paths    table[record.Path]
		elements table[string]
		streams  table[record.Stream]
		shapes   table[string]
		columns  []column
		last     int64
	)
	for i := range s.Changes {
		n := len(ids.own.items)
		k := ids.own.of(s.Changes[i].Record)
		if int(k) == n {
			e.Record = append(e.Record, 0)
		} else {
			e.Record = append(e.Record, k+1)
		}
	}
	for i := range s.Changes {
		c := &s.Changes[i]
		e.Type = append(e.Type, types.of(c.Type))
		e.Author = append(e.Author, authors.of(c.Author))
		e.Form = append(e.Form, c.Form)
		milli := int64(c.Time >> 16)
		e.Milli = append(e.Milli, milli-last)
		e.Count = append(e.Count, uint32(c.Time&0xffff))
		last = milli
		var shape []uint32
		count := -1 // where the elements of the last column in shape are counted
		for j, w := range c.Body {
			name, el, isElement := element(w.Path)
			p := paths.of(name)
			if int(p) == len(columns) {
				columns = append(columns, column{})
			}
			if again := isElement && count >= 0 && shape[len(shape)-1] == p; !again {
				shape, count = append(shape, p), -1
				if isElement {
					count = len(e.Picks)
					e.Picks = append(e.Picks, 0)
				}
			}
			if isElement {
				e.Picks[count]++
				e.Picks = append(e.Picks, elements.of(el))
			}
			columns[p].pack(w.Value, &ids)
			if len(w.Observed) > 0 {
				e.Observed = append(e.Observed, uint64(i), uint64(j), uint64(len(w.Observed)))
				for _, o := range w.Observed {
					e.Observed = append(e.Observed, uint64(streams.of(o.Stream)), o.Seq)
				}
			}
		}
		n := len(shapes.items)
		k := shapes.of(fmt.Sprint(shape))
		if int(k) == n {
			e.Shapes = append(e.Shapes, shape)
		}
		e.Shape = append(e.Shape, k)
		if len(c.Extra) > 0 {
			if e.Extra == nil {
				e.Extra = map[uint32][]byte{}
			}
			e.Extra[uint32(i)] = c.Extra
		}
	}
	for _, el := range elements.items {
		e.Elements = append(e.Elements, ids.pack(el))
	}
	e.IDs = packIDs(ids.own.items)
	for _, id := range ids.others.items {
		e.Others = append(e.Others, id[:]...)
	}
	for _, t := range types.items {
		e.Types = append(e.Types, string(t))
	}
	e.Authors = authors.items
	for i, p := range paths.items {
		e.Paths = append(e.Paths, string(p))
		e.Values = append(e.Values, columns[i].values)
	}
	for _, s := range streams.items {
		e.Streams = append(e.Streams, s[:]...)
	}
	b, err := encMode.Marshal(e)
	if err != nil {
		panic(err) // a struct of numbers, texts and bytes
	}
	return b
}

// packIDs writes ids one byte column after the other: of ids that a clock made
// the first columns hardly change.
func packIDs(ids []record.ID) []byte {
	b := make([]byte, 0, 16*len(ids))
	for col := range 16 {
		for i := range ids {
			b = append(b, ids[i][col])
		}
	}
	return b
}

var errColumns = errors.New("its columns do not fit each other")

// Decode reads what Encode wrote. Whatever else it is given it refuses with
// ErrDamaged.
func Decode(b []byte) (*Segment, error) {
	var e encoded
	if err := decMode.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s, err := e.segment()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

func (e *encoded) segment() (*Segment, error) {
	n := len(e.Record)
	s := &Segment{From: e.From, Changes: make([]record.Change, n), Sig: e.Sig}
	if n == 0 || n > MaxEntries || e.From == 0 || e.From > math.MaxInt64 ||
		len(e.Type) != n || len(e.Author) != n || len(e.Form) != n || len(e.Milli) != n || len(e.Count) != n || len(e.Shape) != n ||
		len(e.Stream) != 16 || len(e.Incarnation) != 16 || len(e.IDs)%16 != 0 || len(e.Others)%16 != 0 ||
		len(e.Streams)%16 != 0 || len(e.Values) != len(e.Paths) {
		return nil, errColumns
	}
	copy(s.Stream[:], e.Stream)
	copy(s.Incarnation[:], e.Incarnation)
	ids := e.ids()
	elements := make([]string, len(e.Elements))
	for i, x := range e.Elements {
		var ok bool
		if elements[i], ok = ids.text(x); !ok {
			return nil, errColumns
		}
	}
	columns := make([]column, len(e.Values))
	for i := range columns {
		columns[i].values = e.Values[i]
	}
	picks := e.Picks
	pick := func() uint32 {
		if len(picks) == 0 {
			return math.MaxUint32
		}
		k := picks[0]
		picks = picks[1:]
		return k
	}
	var last int64
	var known uint32
	for i := range n {
		c := &s.Changes[i]
		rec := e.Record[i]
		if rec == 0 {
			known++
			rec = known
		}
		if int(rec) > len(e.IDs)/16 || int(e.Type[i]) >= len(e.Types) || int(e.Author[i]) >= len(e.Authors) ||
			int(e.Shape[i]) >= len(e.Shapes) || e.Count[i] > 0xffff {
			return nil, errColumns
		}
		if last += e.Milli[i]; last < 0 || last >= 1<<48 {
			return nil, errors.New("a time out of range")
		}
		c.Record, c.Type, c.Author, c.Form = ids[rec-1], record.Type(e.Types[e.Type[i]]), e.Authors[e.Author[i]], e.Form[i]
		c.Time, c.Extra = uint64(last)<<16|uint64(e.Count[i]), e.Extra[uint32(i)]
		shape := e.Shapes[e.Shape[i]]
		c.Body = make([]record.Write, 0, min(len(shape), maxWrites))
		for _, p := range shape {
			if int(p) >= len(e.Paths) {
				return nil, errColumns
			}
			count, path := uint32(1), e.Paths[p]
			isElement := strings.HasSuffix(path, "/")
			if isElement {
				count = pick()
			}
			if int(count) > len(columns[p].values) || len(c.Body)+int(count) > maxWrites {
				return nil, errColumns
			}
			for range count {
				w := record.Write{Path: record.Path(path)}
				if isElement {
					k := pick()
					if int(k) >= len(elements) {
						return nil, errColumns
					}
					w.Path += record.Path(elements[k])
				}
				var err error
				if w.Value, err = columns[p].unpack(ids); err != nil {
					return nil, err
				}
				c.Body = append(c.Body, w)
			}
		}
	}
	if err := e.observed(s.Changes); err != nil {
		return nil, err
	}
	return s, e.readBodies(s)
}

func (e *encoded) observed(changes []record.Change) error {
	for o := e.Observed; len(o) > 0; {
		if len(o) < 3 || o[0] >= uint64(len(changes)) || o[1] >= uint64(len(changes[o[0]].Body)) || o[2] == 0 || o[2] > uint64(len(o)-3)/2 {
			return errColumns
		}
		w := &changes[o[0]].Body[o[1]]
		k := int(o[2])
		if w.Observed != nil {
			return errColumns
		}
		for j := range k {
			at := 16 * o[3+2*j]
			if o[3+2*j] >= uint64(len(e.Streams)/16) {
				return errColumns
			}
			w.Observed = append(w.Observed, record.Dot{Stream: record.Stream(e.Streams[at : at+16]), Seq: o[4+2*j]})
		}
		o = o[3+2*k:]
	}
	return nil
}
