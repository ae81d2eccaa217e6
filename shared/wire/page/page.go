package page

import (
	"bytes"
	"encoding/binary"
	"errors"

	"zhucun/shared/pack"
	"zhucun/shared/record"
)

// Record is one record of a page.
type Record struct {
	ID    record.ID
	Type  record.Type
	State []byte // merge.State.Encode, or what a later release has in its place
}

// The errors of Read.
var (
	// ErrDamaged: the bytes are no page.
	ErrDamaged = errors.New("a page whose columns do not fit each other")
	// ErrTooLarge: the page comes to more than the reader takes.
	ErrTooLarge = pack.ErrTooLarge
	// ErrLayout: it is laid out in a way of a later release.
	ErrLayout = errors.New("a page of another release")
)

// Layout is the one way of laying a page out that there is.
const Layout = 1

// The columns of a page beside those of its paths.
const (
	colForm     = iota // of each record its form, counted from 1 as they come up; 0 is a new one
	colForms           // the new forms
	colTypes           // texts: types
	colPaths           // texts: paths, of elements up to the "/"
	colElements        // texts: elements, and behind each a "/"; nothing where it is an id
	colElement         // the ids among the elements
	colAuthors         // texts: authors
	colKind            // of each record how its id is written
	colMilli           // of ids that a clock made: milliseconds since the last of them
	colRandom          // the random bits of ids, which nothing packs
	colOthers          // ids that values and elements name and no record has, 16 bytes each
	colStreams         // streams, 16 bytes each
	colStream          // of each change its stream
	colSeq             // its number, from the one after the last of that stream
	colTime            // its time: milliseconds since the last
	colCount           // what stands beside the milliseconds, from the last
	colAuthor          // its author
	colCloud           // dots of clouds
	colRaw             // what is no state, as it is
	fixedColumns
)

// What a page names at most: paths, and authors, elements and short texts together. A
// record with which it would be more travels as it is.
const (
	maxPaths  = 1 << 12
	maxThings = 1 << 18
)

// A path has four columns more, in the order of the paths.
const (
	kinds      = iota // of each value how it is written (column.go)
	numbers           // what of it is a number
	texts             // what of it is a text
	picks             // of elements: how many of them, then which
	eachColumn        // how many these are
)

// How a column lies in the page.
type way byte

const (
	asNumbers way = iota // packed as it is
	asText               // made short, then packed
	asNoise              // not packed: it would not shrink
)

func wayOf(i int) way {
	switch {
	case i == colRandom || i == colOthers || i == colStreams:
		return asNoise
	case i == colTypes || i == colPaths || i == colElements || i == colAuthors,
		i >= fixedColumns && (i-fixedColumns)%eachColumn == texts:
		return asText
	}
	return asNumbers
}

// A text ends with a byte 0. Where it has one itself, that is written as 1 1, and a
// byte 1 as 1 2: canonical values have neither.
func appendText(col, s []byte) []byte {
	if !bytes.ContainsFunc(s, func(r rune) bool { return r <= 1 }) {
		return append(append(col, s...), 0)
	}
	for _, b := range s {
		if b <= 1 {
			col = append(col, 1)
			b++
		}
		col = append(col, b)
	}
	return append(col, 0)
}

func appendSigned(b []byte, d int64) []byte {
	return binary.AppendUvarint(b, uint64(d)<<1^uint64(d>>63))
}

// cursor reads a column, or a state. After the first fault all it gives is empty.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() { c.bad, c.b = true, nil }

// number reads a number, written as short as can be.
func (c *cursor) number() uint64 {
	n, k := binary.Uvarint(c.b)
	if k <= 0 || k > 1 && c.b[k-1] == 0 {
		c.fail()
		return 0
	}
	c.b = c.b[k:]
	return n
}

func (c *cursor) signed() int64 {
	n := c.number()
	return int64(n>>1) ^ -int64(n&1)
}

// count reads how many things of at least size bytes follow.
func (c *cursor) count(size int) int {
	n := c.number()
	if n > uint64(len(c.b)/size) {
		c.fail()
		return 0
	}
	return int(n)
}

func (c *cursor) take(n int) []byte {
	if len(c.b) < n {
		c.fail()
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) stream() (s record.Stream) {
	copy(s[:], c.take(len(s)))
	return s
}

// text reads what appendText wrote.
func (c *cursor) text() []byte {
	i := bytes.IndexByte(c.b, 0)
	if i < 0 {
		c.fail()
		return nil
	}
	s := c.b[:i:i]
	c.b = c.b[i+1:]
	if bytes.IndexByte(s, 1) < 0 {
		return s
	}
	var plain []byte
	for len(s) > 0 {
		b := s[0]
		if s = s[1:]; b == 1 {
			if len(s) == 0 || s[0] != 1 && s[0] != 2 {
				c.fail()
				return nil
			}
			b, s = s[0]-1, s[1:]
		}
		plain = append(plain, b)
	}
	return plain
}
