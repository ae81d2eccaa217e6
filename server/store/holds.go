package store

import (
	"strings"
	"unicode/utf8"
)

// Holds tells whether a row meets the test, whose values get gives: what a statement made
// of the test tells too.
func (t *Test) Holds(get func(Operand) any) bool {
	switch t.Op {
	case OpAnd:
		for i := range t.Tests {
			if !t.Tests[i].Holds(get) {
				return false
			}
		}
		return true
	case OpOr:
		for i := range t.Tests {
			if t.Tests[i].Holds(get) {
				return true
			}
		}
		return false
	case OpNot:
		return !t.Tests[0].Holds(get)
	}
	v := get(t.Left)
	same := func(x any) bool {
		if v == nil || x == nil {
			return v == nil && x == nil
		}
		return CompareValues(v, x) == 0
	}
	switch t.Op {
	case OpEqual:
		return same(t.Values[0])
	case OpUnequal:
		return !same(t.Values[0])
	case OpIn:
		for _, x := range t.Values {
			if same(x) {
				return true
			}
		}
		return false
	}
	if v == nil || t.Values[0] == nil {
		return false
	}
	text, _ := v.(string)
	part, _ := t.Values[0].(string)
	switch c := CompareValues(v, t.Values[0]); t.Op {
	case OpGreater:
		return c > 0
	case OpAtLeast:
		return c >= 0
	case OpLess:
		return c < 0
	case OpAtMost:
		return c <= 0
	case OpContains:
		return strings.Contains(text, part)
	case OpStartsWith:
		return strings.HasPrefix(text, part)
	case OpEndsWith:
		return strings.HasSuffix(text, part)
	}
	return false
}

// Made gives what the operand's call makes of its column's value.
func (o Operand) Made(v any) any {
	text, is := v.(string)
	if !is || o.Call == "" {
		return v
	}
	part := func(from, to int) any {
		n := int64(0)
		for _, c := range text[min(from, len(text)):min(to, len(text))] {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int64(c-'0')
		}
		return n
	}
	switch o.Call {
	case "tolower":
		return ascii(text, 'A', 'Z', 'a'-'A')
	case "toupper":
		return ascii(text, 'a', 'z', 'A'-'a')
	case "trim":
		return strings.Trim(text, " ")
	case "length":
		return int64(utf8.RuneCountInString(text))
	case "year":
		return part(0, 4)
	case "month":
		return part(5, 7)
	case "day":
		return part(8, 10)
	}
	return v
}

// ascii moves the letters from to to; those of other alphabets stay, as the database has it.
func ascii(s string, from, to rune, by int) string {
	return strings.Map(func(r rune) rune {
		if r >= from && r <= to {
			return r + rune(by)
		}
		return r
	}, s)
}
