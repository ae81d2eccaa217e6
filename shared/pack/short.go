package pack

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// A Chinese character takes three bytes in UTF-8, of which a compressor must
// store two and learn that the third is always there. Before packing, messages
// are therefore rewritten byte by byte:
//
//	00–7F      itself
//	80–D1 xx   the character U+4E00 + 256·(b−80) + xx, up to U+9FFF
//	D2–FD      one of the characters of frequent
//	FE xx      the byte xx
//	FF n …     n bytes as they are, n an unsigned varint
//
// It works on any bytes, text or not, and costs a byte where it gains none.
const (
	firstHan  = 0x4E00
	lastHan   = 0x9FFF
	hanByte   = 0x80
	shortByte = 0xD2
	oneByte   = 0xFE
	runByte   = 0xFF
)

// frequent are the characters of one byte: punctuation first, then what notes
// about households are full of. The format has them in this order for ever.
var frequent = [oneByte - shortByte]rune([]rune("，。、；：？！（）“”的一了不在有人是到来年月日家村户组元上下大小里个子老要没他这去说好"))

var shortOf = func() map[rune]byte {
	m := make(map[rune]byte, len(frequent))
	for i, r := range frequent {
		m[r] = byte(shortByte + i)
	}
	return m
}()

// short gives how many bytes at the start of b are rewritten, and appends them
// so to dst; 0 where b begins with neither ASCII nor such a character.
func short(dst, b []byte) (int, []byte) {
	if b[0] < 0x80 {
		return 1, append(dst, b[0])
	}
	r, n := utf8.DecodeRune(b)
	if n != 3 {
		return 0, dst
	}
	if r >= firstHan && r <= lastHan || r >= 0x2000 {
		if c, ok := shortOf[r]; ok {
			return 3, append(dst, c)
		}
	}
	if r >= firstHan && r <= lastHan {
		r -= firstHan
		return 3, append(dst, byte(hanByte+r>>8), byte(r))
	}
	return 0, dst
}

// isText tells whether b begins with enough text to end a run of other bytes:
// two characters, or eight letters or digits. Fewer come about by chance.
func isText(b []byte) bool {
	var scratch [2]byte
	for weight := 0; weight < 8 && len(b) > 0; {
		n, _ := short(scratch[:0], b)
		if n == 0 {
			return false
		}
		weight += 1 + n/3*3
		b = b[n:]
	}
	return true
}

// Shorten appends src, rewritten, to dst.
func Shorten(dst, src []byte) []byte {
	for len(src) > 0 {
		n, more := short(dst, src)
		if n > 0 {
			src, dst = src[n:], more
			continue
		}
		n = 1
		for n < len(src) && !isText(src[n:]) {
			n++
		}
		if n == 1 {
			dst = append(dst, oneByte)
		} else {
			dst = binary.AppendUvarint(append(dst, runByte), uint64(n))
		}
		dst, src = append(dst, src[:n]...), src[n:]
	}
	return dst
}

var errShort = errors.New("cut off within a character")

// Lengthen appends to dst what Shorten made src of; at most limit bytes, beyond
// which the error is ErrTooLarge.
func Lengthen(dst, src []byte, limit int) ([]byte, error) {
	for i := 0; i < len(src); {
		if len(dst) > limit {
			return nil, ErrTooLarge
		}
		b := src[i]
		i++
		switch {
		case b < hanByte:
			dst = append(dst, b)
		case b < shortByte:
			if i == len(src) {
				return nil, errShort
			}
			dst = utf8.AppendRune(dst, firstHan+rune(b-hanByte)<<8+rune(src[i]))
			i++
		case b < oneByte:
			dst = utf8.AppendRune(dst, frequent[b-shortByte])
		default:
			n, k := uint64(1), 0
			if b == runByte {
				n, k = binary.Uvarint(src[i:])
			}
			if k < 0 || b == runByte && k == 0 || n > uint64(len(src)-i-k) {
				return nil, errShort
			}
			i += k
			dst = append(dst, src[i:i+int(n)]...)
			i += int(n)
		}
	}
	if len(dst) > limit {
		return nil, ErrTooLarge
	}
	return dst, nil
}
