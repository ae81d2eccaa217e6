package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Field is one value of a record: a string, a []string of codes or ids, a
// float64, or a [2]float64 of longitude and latitude.
type Field struct {
	Name  string
	Value any
}

// Fields are in the order in which they are written.
type Fields []Field

// Get returns the value of a field, nil when it is not there.
func (f Fields) Get(name string) any {
	for _, x := range f {
		if x.Name == name {
			return x.Value
		}
	}
	return nil
}

// Text returns the value of a text field, "" when it is not there.
func (f Fields) Text(name string) string {
	s, _ := f.Get(name).(string)
	return s
}

// Map returns the fields by name, for a reader that has no use for the order.
func (f Fields) Map() map[string]any {
	m := make(map[string]any, len(f))
	for _, x := range f {
		m[x.Name] = x.Value
	}
	return m
}

// MarshalJSON writes an object with its members in the order of f.
func (f Fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, x := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", x.Name)
		switch v := x.Value.(type) {
		case float64:
			b.WriteString(decimal(v))
		case [2]float64:
			fmt.Fprintf(&b, "[%s,%s]", decimal(v[0]), decimal(v[1]))
		default:
			if err := enc.Encode(v); err != nil {
				return nil, fmt.Errorf("field %s: %w", x.Name, err)
			}
			b.Truncate(b.Len() - 1) // the encoder's newline
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// decimal always has a point: a reader that guesses types from the first
// lines would otherwise find integers in some and decimals in others.
func decimal(x float64) string {
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if x == float64(int64(x)) {
		s += ".0"
	}
	return s
}
