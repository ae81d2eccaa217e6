package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"zhucun/shared/pack"
)

// A message that is mixed (package pack) is first split: its byte strings, which are
// keys, ids and signatures that nothing packs, lie behind the rest as they are, and a
// string that was there before is only named. What is left is the message's CBOR with
//
//	5B n      behind what is known: a byte string of n ids of 16 bytes, each of which
//	          follows, with its head or named
//	5C        a byte string that is itself CBOR, which follows
//	5D n      the n-th byte string before, the last is 0; those of the past count
//	5E        a byte string of more than maxNoise bytes, a state: made short, as a text
//	a text    made short, its length that of the short one
//	a byte string of minString bytes and more: its head
const (
	parted    = 0x5B
	nested    = 0x5C
	again     = 0x5D
	longer    = 0x5E
	minString = 6
	maxNoise  = 64
	maxDepth  = 16
	idSize    = 16
)

// splitter takes a message apart, or puts it together.
type splitter struct {
	strings [][]byte // all that came so far, those of the past first
	plain   []byte
	noise   []byte
	ids     bool // strings of several ids are taken apart
}

var errSplit = errors.New("a message that is not split")

// head reads the head of one CBOR item: its kind, its number, and how long it is; 0 where
// it is none that our encoder writes.
func head(b []byte) (kind byte, n uint64, size int) {
	if len(b) == 0 {
		return 0, 0, 0
	}
	kind, info := b[0]>>5, b[0]&31
	if info < 24 {
		return kind, uint64(info), 1
	}
	size = 1 << (info - 24)
	if info > 27 || len(b) <= size {
		return 0, 0, 0
	}
	var full [8]byte
	copy(full[8-size:], b[1:1+size])
	n = binary.BigEndian.Uint64(full[:])
	// As short as can be, so that it is written so again; a simple value of one byte and
	// floats are none of ours.
	if kind == 7 || n < 24 || size > 1 && n>>(4*size) == 0 {
		return 0, 0, 0
	}
	return kind, n, size + 1
}

func appendHead(b []byte, kind byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, kind<<5|byte(n))
	case n < 1<<8:
		return append(b, kind<<5|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, kind<<5|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, kind<<5|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, kind<<5|27), n)
}

// split takes one item off b; nil where it is not ours.
func (s *splitter) split(b []byte, depth int) (rest []byte, ok bool) {
	kind, n, size := head(b)
	if size == 0 || depth > maxDepth {
		return nil, false
	}
	whole := b
	b = b[size:]
	switch kind {
	case 2, 3:
		if n > uint64(len(b)) {
			return nil, false
		}
		x := b[:n]
		b = b[n:]
		if kind == 3 {
			short := pack.Shorten(nil, x)
			s.plain = append(appendHead(s.plain, 3, uint64(len(short))), short...)
			return b, true
		}
		if len(x) < minString {
			s.plain = append(appendHead(s.plain, 2, n), x...)
			return b, true
		}
		if s.named(x) || s.ids && s.part(x) {
			return b, true
		}
		if x[0]>>5 == 5 || x[0]>>5 == 4 {
			mark := *s
			s.plain = append(s.plain, nested)
			if rest, ok := s.split(x, depth+1); ok && len(rest) == 0 {
				return b, true
			}
			*s = mark
		}
		s.strings = append(s.strings, x)
		if len(x) > maxNoise {
			short := pack.Shorten(nil, x)
			s.plain = append(appendHead(append(s.plain, longer), 2, uint64(len(short))), short...)
			return b, true
		}
		s.plain = appendHead(s.plain, 2, n)
		s.noise = append(s.noise, x...)
		return b, true
	case 4, 5:
		s.plain = append(s.plain, whole[:size]...)
		if kind == 5 {
			n *= 2
		}
		for range n {
			if b, ok = s.split(b, depth+1); !ok {
				return nil, false
			}
		}
		return b, true
	case 6:
		return nil, false
	}
	s.plain = append(s.plain, whole[:size]...)
	return b, true
}

// named names x where it was there before.
func (s *splitter) named(x []byte) bool {
	for i := range min(len(s.strings), 256) {
		if bytes.Equal(s.strings[len(s.strings)-1-i], x) {
			s.plain = append(s.plain, again, byte(i))
			return true
		}
	}
	return false
}

// part takes a string of several ids apart, where one of them was there before.
func (s *splitter) part(x []byte) bool {
	n := len(x) / idSize
	known := func(id []byte) bool {
		return slices.ContainsFunc(s.strings[max(0, len(s.strings)-256):], func(y []byte) bool { return bytes.Equal(id, y) })
	}
	if n < 2 || n > 255 || len(x)%idSize != 0 || !slices.ContainsFunc(slices.Collect(slices.Chunk(x, idSize)), known) {
		return false
	}
	s.plain = append(s.plain, parted, byte(n))
	for id := range slices.Chunk(x, idSize) {
		if !s.named(id) {
			s.strings = append(s.strings, id)
			s.plain = appendHead(s.plain, 2, idSize)
			s.noise = append(s.noise, id...)
		}
	}
	return true
}

// join takes one item off plain and appends it to out, at most limit bytes.
func (s *splitter) join(out []byte, depth, limit int) ([]byte, error) {
	if depth > maxDepth || len(s.plain) == 0 {
		return nil, errSplit
	}
	switch s.plain[0] {
	case nested:
		s.plain = s.plain[1:]
		inner, err := s.join(nil, depth+1, limit-len(out))
		if err != nil {
			return nil, err
		}
		return append(appendHead(out, 2, uint64(len(inner))), inner...), nil
	case parted:
		if !s.ids || len(s.plain) < 2 || s.plain[1] < 2 {
			return nil, errSplit
		}
		n := int(s.plain[1])
		s.plain = s.plain[2:]
		var ids []byte
		for range n {
			if len(s.plain) == 0 || s.plain[0] != again && s.plain[0] != 2<<5|idSize {
				return nil, errSplit
			}
			id, err := s.join(nil, depth+1, limit)
			if err != nil {
				return nil, err
			}
			if len(id) != 1+idSize {
				return nil, errSplit
			}
			ids = append(ids, id[1:]...)
		}
		if out = append(appendHead(out, 2, uint64(len(ids))), ids...); len(out) > limit {
			return nil, ErrTooLarge
		}
		return out, nil
	case again:
		if len(s.plain) < 2 || int(s.plain[1]) >= len(s.strings) {
			return nil, errSplit
		}
		x := s.strings[len(s.strings)-1-int(s.plain[1])]
		s.plain = s.plain[2:]
		out = append(appendHead(out, 2, uint64(len(x))), x...)
		if len(out) > limit {
			return nil, ErrTooLarge
		}
		return out, nil
	}
	short := s.plain[0] == longer
	if short {
		s.plain = s.plain[1:]
	}
	kind, n, size := head(s.plain)
	if size == 0 || kind == 6 || short && kind != 2 {
		return nil, errSplit
	}
	first := s.plain[:size]
	s.plain = s.plain[size:]
	var err error
	switch kind {
	case 2:
		if short {
			x, err := s.short(n, limit-len(out))
			if err != nil {
				return nil, err
			}
			s.strings = append(s.strings, x)
			out = append(appendHead(out, 2, uint64(len(x))), x...)
			break
		}
		from := &s.noise
		if n < minString {
			from = &s.plain
		}
		if n > uint64(len(*from)) {
			return nil, errSplit
		}
		x := (*from)[:n]
		if *from = (*from)[n:]; n >= minString {
			s.strings = append(s.strings, x)
		}
		out = append(append(out, first...), x...)
	case 3:
		text, err := s.short(n, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(appendHead(out, 3, uint64(len(text))), text...)
	case 4, 5:
		if kind == 5 {
			n *= 2
		}
		out = append(out, first...)
		for range n {
			if out, err = s.join(out, depth+1, limit); err != nil {
				return nil, err
			}
		}
	default:
		out = append(out, first...)
	}
	if len(out) > limit {
		return nil, ErrTooLarge
	}
	return out, nil
}

// short takes n bytes that were made short off plain.
func (s *splitter) short(n uint64, limit int) ([]byte, error) {
	if n > uint64(len(s.plain)) {
		return nil, errSplit
	}
	short := s.plain[:n]
	s.plain = s.plain[n:]
	return pack.Lengthen(nil, short, max(limit, 0))
}

// past gives what both sides know of a message that came before: its strings, and how
// it is built.
func past(raw []byte) splitter {
	var s splitter
	if rest, ok := s.split(raw, 0); !ok || len(rest) > 0 {
		return splitter{}
	}
	s.noise = nil
	return s
}

// appendMixed splits raw, mixes it and appends it to dst; before is the CBOR of a
// message that the reader has. It is false where that is not for raw.
func appendMixed(dst, raw, before []byte) ([]byte, bool) { return past(before).appendMixed(dst, raw) }

func (p splitter) appendMixed(dst, raw []byte) ([]byte, bool) {
	if len(raw) > maxMixed {
		return dst, false
	}
	s := splitter{strings: slices.Clip(p.strings), ids: p.ids}
	rest, ok := s.split(raw, 0)
	if !ok || len(rest) > 0 || len(s.plain) > pack.MaxMixed {
		return dst, false
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.noise)))
	dst = append(dst, s.noise...)
	return pack.AppendMixed(dst, s.plain, p.plain), true
}

// maxMixed bounds what is mixed, in bytes of CBOR.
const maxMixed = 8 << 10

// openMixed gives the CBOR of what appendMixed made, at most limit bytes.
func openMixed(packed, before []byte, limit int) ([]byte, error) {
	return past(before).openMixed(packed, limit)
}

func (p splitter) openMixed(packed []byte, limit int) ([]byte, error) {
	n, k := binary.Uvarint(packed)
	if k <= 0 || n > uint64(len(packed)-k) {
		return nil, errSplit
	}
	limit = min(limit, maxMixed)
	s := splitter{strings: slices.Clip(p.strings), ids: p.ids, noise: packed[k : k+int(n)]}
	var err error
	if s.plain, err = pack.OpenMixed(packed[k+int(n):], p.plain, 2*limit); err != nil {
		return nil, err
	}
	raw, err := s.join(make([]byte, 0, min(2*len(packed), limit)), 0, limit)
	if err == nil && len(s.plain)+len(s.noise) > 0 {
		err = errSplit
	}
	return raw, err
}

// Bones is what of a message is mixed, behind another that the reader has: what the
// models are made of.
func Bones(message, before any) ([]byte, error) {
	var p splitter
	if before != nil {
		raw, err := encMode.Marshal(before)
		if err != nil {
			return nil, err
		}
		p = past(raw)
	}
	raw, err := encMode.Marshal(message)
	if err != nil {
		return nil, err
	}
	s := splitter{strings: slices.Clip(p.strings)}
	s.split(raw, 0)
	return s.plain, nil
}
