package page

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"zhucun/shared/record"
)

// The kinds of a value. A writer takes the first that gives the same bytes again.
const (
	kindJSON   = iota // text: anything
	kindNull          // null
	kindTrue          // true
	kindFalse         // false
	kindText          // text: what is between quotes
	kindKnown         // number: the same as one of the path's short texts before
	kindID            // number: the id of a record, in quotes
	kindDay           // signed: a date in quotes, days since the path's last
	kindPlace         // two signed: [lon,lat] in 10⁻⁶ degrees, from the path's last about the same record
	kindDigits        // signed: 13 to 17 digits in quotes, from the path's last
	kindNumber        // signed: a number without a point, and behind it those of 1 to maxDecimals decimals
)

const (
	maxDecimals = 8
	// Texts of at most maxKnown bytes are known again, so many of a path.
	maxKnown = 64
	maxTexts = 1 << 12
	// The times of changes have a counter and a mark in their lowest bits.
	countBits = 17
	// How ids are written: version 7, the others of RFC 9562 by their version, and
	// what is not of that.
	clockID   = 7
	strangeID = 16
	// degree is the unit in which places are told.
	degree = 1_000_000
)

// last is what the values of a path are told from.
type last struct {
	day, digits int64
	place       [2]int64
	places      map[record.ID][2]int64
}

// near gives the place from which the next one is told: the last one about the same
// record, which is what the value before it refers to (a visit's household).
func (l *last) near(about record.ID) [2]int64 {
	if at, ok := l.places[about]; ok {
		return at
	}
	return l.place
}

func (l *last) put(about record.ID, at [2]int64) {
	if l.places == nil {
		l.places = map[record.ID][2]int64{}
	}
	l.place, l.places[about] = at, at
}

// column is what stands under one path.
type column struct {
	parts [eachColumn][]byte
	known table[string]
	last
}

func (c *column) kind(k byte) { c.parts[kinds] = append(c.parts[kinds], k) }

func (c *column) number(n uint64) { c.parts[numbers] = binary.AppendUvarint(c.parts[numbers], n) }

func (c *column) signed(n int64) { c.parts[numbers] = appendSigned(c.parts[numbers], n) }

func (c *column) text(s []byte) { c.parts[texts] = appendText(c.parts[texts], s) }

// pick writes which elements the registers are.
func (c *column) pick(w *writer, registers []register) {
	c.parts[picks] = binary.AppendUvarint(c.parts[picks], uint64(len(registers)))
	for _, r := range registers {
		_, name, _ := element(r.path)
		c.parts[picks] = binary.AppendUvarint(c.parts[picks], uint64(w.element(name)))
	}
}

// pack writes a value; about is the last record that the values of its record
// referred to.
func (c *column) pack(v []byte, w *writer, about *record.ID) {
	switch string(v) {
	case "null":
		c.kind(kindNull)
		return
	case "true":
		c.kind(kindTrue)
		return
	case "false":
		c.kind(kindFalse)
		return
	}
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		c.packText(v[1:len(v)-1], w, about)
		return
	}
	if at, ok := placeOf(v); ok {
		near := c.near(*about)
		c.kind(kindPlace)
		c.signed(at[0] - near[0])
		c.signed(at[1] - near[1])
		c.put(*about, at)
		return
	}
	if n, decimals, ok := numberOf(v); ok {
		c.kind(kindNumber + byte(decimals))
		c.signed(n)
		return
	}
	c.kind(kindJSON)
	c.text(v)
}

func (c *column) packText(s []byte, w *writer, about *record.ID) {
	if id, ok := idOf(s); ok {
		*about = id
		c.kind(kindID)
		c.number(w.ref(id))
		return
	}
	if day, ok := dayOf(s); ok {
		c.kind(kindDay)
		c.signed(day - c.day)
		c.day = day
		return
	}
	if n, ok := digitsOf(s); ok {
		c.kind(kindDigits)
		c.signed(n - c.digits)
		c.digits = n
		return
	}
	if len(s) <= maxKnown {
		k, ok := c.known.at[string(s)]
		if ok {
			c.kind(kindKnown)
			c.number(uint64(k))
			return
		}
		if len(c.known.at) < maxTexts {
			c.known.of(string(s))
			w.known++
		}
	}
	c.kind(kindText)
	c.text(s)
}

// idOf reads a text that is an id as we write them.
func idOf(s []byte) (id record.ID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	var digits [32]byte
	n := 0
	for i, b := range s {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
		case b >= 'A' && b <= 'F':
			return id, false
		default:
			digits[n] = b
			n++
		}
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}

// The days of the years 0000 to 9999, counted from 1970.
var (
	minDay = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
	maxDay = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix() / 86400
)

func appendDay(b []byte, day int64) []byte {
	return time.Unix(day*86400, 0).UTC().AppendFormat(b, time.DateOnly)
}

func dayOf(s []byte) (int64, bool) {
	if len(s) != len(time.DateOnly) || s[4] != '-' {
		return 0, false
	}
	t, err := time.Parse(time.DateOnly, string(s))
	day := t.Unix() / 86400
	var scratch [16]byte
	return day, err == nil && string(appendDay(scratch[:0], day)) == string(s)
}

// digitsOf reads a number that is long enough to be one of a register, where each
// follows the last, and shorter than an identity card's, where none does.
func digitsOf(s []byte) (int64, bool) {
	if len(s) < 13 || len(s) > 17 || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(s), 10, 64)
	return n, err == nil
}

// numberOf reads a number with its decimals.
func numberOf(v []byte) (n int64, decimals int, ok bool) {
	if len(v) == 0 || len(v) > 17 {
		return 0, 0, false
	}
	whole, part, _ := strings.Cut(string(v), ".")
	n, err := strconv.ParseInt(whole+part, 10, 64)
	if err != nil || len(part) > maxDecimals {
		return 0, 0, false
	}
	var scratch [32]byte
	return n, len(part), string(appendNumber(scratch[:0], n, len(part))) == string(v)
}

func appendNumber(b []byte, n int64, decimals int) []byte {
	u := uint64(n)
	if n < 0 {
		b, u = append(b, '-'), -u
	}
	unit := uint64(1)
	for range decimals {
		unit *= 10
	}
	b = strconv.AppendUint(b, u/unit, 10)
	if decimals > 0 {
		from := len(b)
		b = strconv.AppendUint(b, unit+u%unit, 10)
		b[from] = '.' // in place of the unit's 1
	}
	return b
}

// placeOf reads [lon,lat] of at most six decimals each.
func placeOf(v []byte) (at [2]int64, ok bool) {
	if len(v) < 5 || len(v) > 40 || v[0] != '[' || v[len(v)-1] != ']' {
		return at, false
	}
	lon, lat, comma := strings.Cut(string(v[1:len(v)-1]), ",")
	if !comma {
		return at, false
	}
	for i, s := range []string{lon, lat} {
		x, decimals, ok := numberOf([]byte(s))
		if !ok || decimals > 6 || x > 1000*degree || x < -1000*degree {
			return at, false
		}
		for ; decimals < 6; decimals++ {
			x *= 10
		}
		if at[i] = x; x > 1000*degree || x < -1000*degree {
			return at, false
		}
	}
	var scratch [64]byte
	return at, string(appendPlace(scratch[:0], at)) == string(v)
}

func appendPlace(b []byte, at [2]int64) []byte {
	b = append(b, '[')
	for i, x := range at {
		if i > 0 {
			b = append(b, ',')
		}
		decimals := 6
		for ; decimals > 0 && x%10 == 0; decimals-- {
			x /= 10
		}
		b = appendNumber(b, x, decimals)
	}
	return append(b, ']')
}
