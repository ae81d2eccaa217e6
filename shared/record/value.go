package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Value is one answer as canonical JSON text: no space, object keys sorted,
// numbers written out in plain decimals without trailing zeros, strings with
// the escapes that JSON demands and no others. "" is no value at all; Null is
// a field that somebody cleared.
type Value string

// The values that need no making.
const (
	Null  Value = "null"
	True  Value = "true"
	False Value = "false"
)

// maxDigits bounds a number's digits before and after the point, so that 1e999999
// does not become a megabyte of zeros.
const maxDigits = 40

// maxDepth bounds the nesting of a value.
const maxDepth = 8

// ErrValue says that a text is not JSON, or JSON that no field can hold:
// nested deeper than 8, or a number of more than 40 digits.
var ErrValue = errors.New("value cannot be read")

// ParseValue brings any JSON text into canonical form. Text that is not UTF-8
// is refused: to replace what cannot be read would change it silently.
func ParseValue(raw []byte) (Value, error) {
	if !utf8.Valid(raw) {
		return "", fmt.Errorf("%w: not UTF-8", ErrValue)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		return "", fmt.Errorf("%w: %w", ErrValue, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return "", fmt.Errorf("%w: more than one value", ErrValue)
	}
	var b strings.Builder
	if err := write(&b, x, 0); err != nil {
		return "", err
	}
	return Value(b.String()), nil
}

// Text is the value of a text, code or date.
func Text(s string) Value {
	var b strings.Builder
	writeString(&b, s)
	return Value(b.String())
}

// Set is the value of several codes whose order means nothing: sorted, none
// twice.
func Set(codes []string) Value {
	codes = slices.Clone(codes)
	slices.Sort(codes)
	return List(slices.Compact(codes))
}

// List is the value of several texts in their order.
func List(items []string) Value {
	var b strings.Builder
	b.WriteByte('[')
	for i, c := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(&b, c)
	}
	b.WriteByte(']')
	return Value(b.String())
}

// Number is the value of a decimal as a person types it: 12, -0.50, 1.2e3.
func Number(s string) (Value, error) {
	n, err := decimal(s)
	return Value(n), err
}

// Bool is the value of an element of a multiple choice.
func Bool(b bool) Value {
	if b {
		return True
	}
	return False
}

// Canonical tells whether v is what ParseValue would have made of it.
func (v Value) Canonical() bool {
	if v == True || v == False || v == Null || v.plainText() {
		return true
	}
	w, err := ParseValue([]byte(v))
	return err == nil && w == v
}

// plainText tells a quoted text in which nothing needs an escape: most of what
// people write, told without taking it apart (a third of the time in which a
// server takes a change went into that).
func (v Value) plainText() bool {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return false
	}
	for i := 1; i < len(v)-1; i++ {
		if c := v[i]; c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(string(v))
}

// IsNull tells a cleared field. An empty list is a cleared multiple choice.
func (v Value) IsNull() bool { return v == Null || v == "[]" || v == `""` }

// Text gives the string that v holds; ok is false for every other kind.
func (v Value) Text() (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	inner := string(v[1 : len(v)-1])
	if !strings.Contains(inner, `\`) {
		return inner, true
	}
	return s, json.Unmarshal([]byte(v), &s) == nil
}

// Texts gives the strings that v holds: those of a list, or the one string.
// Other kinds give none.
func (v Value) Texts() []string {
	if s, ok := v.Text(); ok {
		return []string{s}
	}
	var l []string
	if len(v) == 0 || v[0] != '[' || json.Unmarshal([]byte(v), &l) != nil {
		return nil
	}
	return l
}

// Number gives v's number as plain decimal text; ok is false for every other
// kind.
func (v Value) Number() (s string, ok bool) {
	if len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
		return string(v), true
	}
	return "", false
}

// MarshalJSON gives v itself, so that a record prints as what it holds.
func (v Value) MarshalJSON() ([]byte, error) {
	if v == "" {
		return []byte("null"), nil
	}
	return []byte(v), nil
}

// UnmarshalJSON brings what it reads into canonical form.
func (v *Value) UnmarshalJSON(raw []byte) error {
	w, err := ParseValue(raw)
	*v = w
	return err
}

func write(b *strings.Builder, x any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrValue, maxDepth)
	}
	switch x := x.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(string(Bool(x)))
	case string:
		writeString(b, x)
	case json.Number:
		s, err := decimal(x.String())
		if err != nil {
			return err
		}
		b.WriteString(s)
	case []any:
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := write(b, e, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, k)
			b.WriteByte(':')
			if err := write(b, x[k], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	}
	return nil
}

// writeString escapes what RFC 8259 section 7 demands and nothing else.
func writeString(b *strings.Builder, s string) {
	const hexDigits = "0123456789abcdef"
	b.WriteByte('"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(s[start:i])
		start = i + 1
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteString(`\u00`)
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	b.WriteString(s[start:])
	b.WriteByte('"')
}

// decimal writes a number out without exponent, leading or trailing zeros.
func decimal(s string) (string, error) {
	bad := fmt.Errorf("%w: %q is not a number", ErrValue, clip(s))
	rest, neg := strings.CutPrefix(s, "-")
	mantissa, exp := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa = rest[:i]
		sign, digits := 1, rest[i+1:]
		switch {
		case strings.HasPrefix(digits, "-"):
			sign, digits = -1, digits[1:]
		case strings.HasPrefix(digits, "+"):
			digits = digits[1:]
		}
		if digits == "" || len(digits) > 3 || !allDigits(digits) {
			return "", bad
		}
		for _, c := range digits {
			exp = exp*10 + int(c-'0')
		}
		exp *= sign
	}
	whole, frac, point := strings.Cut(mantissa, ".")
	if !allDigits(whole) || !allDigits(frac) || whole == "" || point && frac == "" || len(whole) > maxDigits || len(frac) > maxDigits {
		return "", bad
	}
	digits, at := whole+frac, len(whole)+exp
	if at > 2*maxDigits || at < -maxDigits {
		return "", bad
	}
	if at < 0 {
		digits, at = strings.Repeat("0", -at)+digits, 0
	}
	if at > len(digits) {
		digits += strings.Repeat("0", at-len(digits))
	}
	whole, frac = strings.TrimLeft(digits[:at], "0"), strings.TrimRight(digits[at:], "0")
	if len(whole) > maxDigits || len(frac) > maxDigits {
		return "", bad
	}
	if whole == "" {
		whole = "0"
	}
	if frac != "" {
		whole += "." + frac
	}
	if neg && whole != "0" {
		whole = "-" + whole
	}
	return whole, nil
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
