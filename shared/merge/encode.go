package merge

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"unicode/utf8"

	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// A state in bytes, as both sides store it and pages carry it:
//
//	state    = 1, changes, registers
//	changes  = n, n × (stream 16 bytes, seq, at<<1 | unmeasured, author)
//	registers= n, n × (path, siblings, cloud), sorted by path
//	siblings = n, n × (index into changes, value)
//	cloud    = n, n × (stream 16 bytes, seq)
//
// All numbers are unsigned varints, texts have their length before them. Most
// records have a few changes and a value in each register, so a value costs
// its path, its text and three bytes. It is written by hand because every
// list, merge and page reads it: a general encoding took six times as long.

const stateVersion = 1

// Encode gives the state's bytes: equal states give equal bytes.
func (s State) Encode() []byte {
	type change struct {
		dot    record.Dot
		at     uint64
		author string
	}
	paths := make([]record.Path, 0, len(s))
	var changes []change
	find := func(sib Sibling) (int, bool) {
		return slices.BinarySearchFunc(changes, sib.Dot, func(c change, d record.Dot) int { return c.dot.Compare(d) })
	}
	size := 0
	for p, r := range s {
		paths = append(paths, p)
		size += len(p) + 4
		for _, sib := range r.Siblings {
			size += len(sib.Value) + 4
			if i, found := find(sib); !found {
				at := uint64(sib.At) << 1
				if sib.Unmeasured {
					at |= 1
				}
				changes = slices.Insert(changes, i, change{sib.Dot, at, sib.Author})
				size += 40 + len(sib.Author)
			}
		}
		size += 26 * len(r.Cloud)
	}
	slices.SortFunc(paths, cmp.Compare[record.Path])
	b := make([]byte, 0, size+16)
	b = append(b, stateVersion)
	b = binary.AppendUvarint(b, uint64(len(changes)))
	for _, c := range changes {
		b = appendDot(b, c.dot)
		b = binary.AppendUvarint(b, c.at)
		b = appendText(b, c.author)
	}
	b = binary.AppendUvarint(b, uint64(len(paths)))
	for _, p := range paths {
		r := s[p]
		b = appendText(b, string(p))
		b = binary.AppendUvarint(b, uint64(len(r.Siblings)))
		for _, sib := range r.Siblings {
			i, _ := find(sib)
			b = binary.AppendUvarint(b, uint64(i))
			b = appendText(b, string(sib.Value))
		}
		b = binary.AppendUvarint(b, uint64(len(r.Cloud)))
		for _, d := range r.Cloud {
			b = appendDot(b, d)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendDot(b []byte, d record.Dot) []byte {
	return binary.AppendUvarint(append(b, d.Stream[:]...), d.Seq)
}

// ErrState says that bytes are not a state in the one form that Encode gives.
var ErrState = errors.New("the record's state is damaged")

// reader takes a state's bytes apart; after the first fault everything it gives
// is empty.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || k > 1 && r.b[k-1] == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return n
}

// count reads how many things of at least size bytes follow.
func (r *reader) count(size int) int {
	n := r.number()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) text() string {
	n := r.count(1)
	s := string(r.b[:n])
	r.b = r.b[n:]
	if !utf8.ValidString(s) {
		r.bad = true
	}
	return s
}

func (r *reader) dot() (d record.Dot) {
	if len(r.b) < 17 {
		r.bad, r.b = true, nil
		return d
	}
	copy(d.Stream[:], r.b)
	r.b = r.b[16:]
	d.Seq = r.number()
	r.bad = r.bad || d.Seq == 0
	return d
}

// Decode reads what Encode wrote and refuses everything else with ErrState.
func Decode(b []byte) (State, error) {
	if len(b) == 0 || b[0] != stateVersion {
		return nil, ErrState
	}
	r := &reader{b: b[1:]}
	changes := make([]Sibling, r.count(19))
	for i := range changes {
		changes[i].Dot = r.dot()
		at := r.number()
		changes[i].At, changes[i].Unmeasured = clock.Time(at>>1), at&1 == 1
		changes[i].Author = r.text()
		if i > 0 && changes[i-1].Dot.Compare(changes[i].Dot) >= 0 {
			return nil, ErrState
		}
	}
	n := r.count(3)
	s := make(State, n)
	used := make([]bool, len(changes))
	var last record.Path
	for range n {
		p := record.Path(r.text())
		reg := Register{}
		if k := r.count(2); k > 0 {
			reg.Siblings = make([]Sibling, k)
		}
		before := -1
		for i := range reg.Siblings {
			c := r.number()
			if c >= uint64(len(changes)) || int(c) <= before {
				return nil, ErrState
			}
			before = int(c)
			used[c] = true
			reg.Siblings[i] = changes[c]
			reg.Siblings[i].Value = record.Value(r.text())
		}
		if k := r.count(17); k > 0 {
			reg.Cloud = make([]record.Dot, k)
		}
		for i := range reg.Cloud {
			if reg.Cloud[i] = r.dot(); i > 0 && reg.Cloud[i-1].Compare(reg.Cloud[i]) >= 0 {
				return nil, ErrState
			}
		}
		if r.bad || p <= last || len(reg.Siblings) == 0 && len(reg.Cloud) == 0 {
			return nil, ErrState
		}
		last = p
		s[p] = reg
	}
	if r.bad || len(r.b) > 0 || slices.Contains(used, false) {
		return nil, ErrState
	}
	return s, nil
}
