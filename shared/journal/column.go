package journal

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"zhucun/shared/record"
)

// names numbers the ids in a segment: first those of the records that it
// changes, then the others that its values refer to.
type names struct {
	own, others table[record.ID]
}

// of gives the number of an id. All of own must be known before.
func (t *names) of(id record.ID) uint32 {
	if k, ok := t.own.at[id]; ok {
		return k
	}
	return uint32(len(t.own.items)) + t.others.of(id)
}

// pack writes a text that is an id as its number.
func (t *names) pack(s string) any {
	if len(s) == 36 {
		if id, err := record.ParseID(s); err == nil && id.String() == s {
			return t.of(id)
		}
	}
	return s
}

// idList is what names has become on the other side.
type idList []record.ID

func (e *encoded) ids() idList {
	ids := make(idList, len(e.IDs)/16, (len(e.IDs)+len(e.Others))/16)
	for i := range ids {
		for col := range 16 {
			ids[i][col] = e.IDs[col*len(ids)+i]
		}
	}
	for o := e.Others; len(o) > 0; o = o[16:] {
		ids = append(ids, record.ID(o[:16]))
	}
	return ids
}

// text reads what names.pack wrote.
func (l idList) text(x any) (string, bool) {
	switch x := x.(type) {
	case string:
		return x, true
	case uint64:
		if x < uint64(len(l)) {
			return l[x].String(), true
		}
	}
	return "", false
}

// column is the values under one path in the order in which they were written.
// Dates and places are told by their distance from the one before them, which
// starts as nothing.
type column struct {
	values []any
	day    int64
	place  [2]int64
}

// pack appends a value in the shortest of these forms, each told from the
// others by its CBOR type:
//
//	null, true, false   themselves
//	text                text, or an unsigned number if it is a record's id
//	date                [days since the date before, the first since 1970]
//	place               [difference of longitude, of latitude], in 10⁻⁶ degrees
//	anything else       bytes: its JSON
func (c *column) pack(v record.Value, ids *names) {
	c.values = append(c.values, c.packed(v, ids))
}

func (c *column) packed(v record.Value, ids *names) any {
	switch v {
	case record.Null:
		return nil
	case record.True:
		return true
	case record.False:
		return false
	}
	if at, ok := place(v); ok {
		d := []int64{at[0] - c.place[0], at[1] - c.place[1]}
		c.place = at
		return d
	}
	s, ok := v.Text()
	if !ok || record.Text(s) != v {
		return []byte(v)
	}
	if day, ok := dayOf(s); ok {
		d := []int64{day - c.day}
		c.day = day
		return d
	}
	return ids.pack(s)
}

// unpack takes the first value off the column.
func (c *column) unpack(ids idList) (record.Value, error) {
	if len(c.values) == 0 {
		return "", errColumns
	}
	x := c.values[0]
	c.values = c.values[1:]
	switch x := x.(type) {
	case nil:
		return record.Null, nil
	case bool:
		return record.Bool(x), nil
	case []byte:
		return record.Value(x), nil
	case []any:
		var d [2]int64
		for i := range x {
			n, ok := signed(x[i])
			if !ok || i >= len(d) {
				return "", errKind
			}
			d[i] = n
		}
		switch len(x) {
		case 1:
			if c.day += d[0]; c.day < minDay || c.day > maxDay {
				return "", errKind
			}
			return record.Text(time.Unix(c.day*86400, 0).UTC().Format(time.DateOnly)), nil
		case 2:
			for i := range c.place {
				if c.place[i] += d[i]; c.place[i] < -1000*degree || c.place[i] > 1000*degree {
					return "", errKind
				}
			}
			return placeText(c.place), nil
		}
	default:
		if s, ok := ids.text(x); ok {
			return record.Text(s), nil
		}
	}
	return "", errKind
}

var errKind = errors.New("a value of no kind")

func signed(x any) (int64, bool) {
	switch x := x.(type) {
	case uint64:
		return int64(x), x < 1<<62
	case int64:
		return x, x > -1<<62
	}
	return 0, false
}

// The days of the years 0000 to 9999, counted from 1970.
var (
	minDay = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
	maxDay = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix() / 86400
)

// dayOf gives the day of a date such as 2017-05-23.
func dayOf(s string) (int64, bool) {
	if len(s) != len(time.DateOnly) || s[4] != '-' {
		return 0, false
	}
	t, err := time.Parse(time.DateOnly, s)
	return t.Unix() / 86400, err == nil && t.Format(time.DateOnly) == s
}

// degree is the unit in which places are told.
const degree = 1_000_000

// place reads [lon,lat] of at most six decimals each, as placeText writes it.
func place(v record.Value) (at [2]int64, ok bool) {
	lon, lat, comma := strings.Cut(string(v), ",")
	lon, open := strings.CutPrefix(lon, "[")
	lat, closed := strings.CutSuffix(lat, "]")
	if !comma || !open || !closed || len(v) > 40 {
		return at, false
	}
	for i, s := range []string{lon, lat} {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || x < -1000 || x > 1000 {
			return at, false
		}
		if x *= degree; x < 0 {
			at[i] = int64(x - 0.5)
		} else {
			at[i] = int64(x + 0.5)
		}
	}
	return at, placeText(at) == v
}

func placeText(at [2]int64) record.Value {
	b := []byte{'['}
	for i, x := range at {
		if i > 0 {
			b = append(b, ',')
		}
		if x < 0 {
			b, x = append(b, '-'), -x
		}
		b = strconv.AppendInt(b, x/degree, 10)
		if rest := x % degree; rest != 0 {
			digits := strconv.FormatInt(degree+rest, 10)[1:]
			b = append(append(b, '.'), strings.TrimRight(digits, "0")...)
		}
	}
	return record.Value(append(b, ']'))
}
