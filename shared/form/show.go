package form

import (
	"strings"

	"zhucun/shared/record"
)

// Show gives a value as a person reads it: codes by their labels, sets with 、
// (in English a comma) between, a place as longitude and latitude, masked
// fields by their last four characters. An unknown code shows as it is, and so
// does whatever cannot be read.
func (fd *Field) Show(v record.Value, l Lang) string {
	if v == "" || v.IsNull() {
		return ""
	}
	var s string
	switch v[0] {
	case '"':
		s, _ = v.Text()
		s = fd.word(s, l)
	case 't':
		s = Label{"是", "yes"}.In(l) // an element of a set by itself
	case 'f':
		s = Label{"否", "no"}.In(l)
	case '[':
		if fd.Kind == Geopoint {
			s = strings.ReplaceAll(strings.Trim(string(v), "[]"), ",", ", ")
			break
		}
		words := v.Texts()
		if words == nil {
			s = string(v)
			break
		}
		for i, w := range words {
			words[i] = fd.word(w, l)
		}
		s = strings.Join(words, Label{"、", ", "}.In(l))
	default:
		s = string(v)
	}
	if fd.Masked {
		return Mask(s)
	}
	return s
}

// word gives the label of a code, anything else as it is.
func (fd *Field) word(s string, l Lang) string {
	if c, ok := fd.Choice(s); ok {
		return c.Label.In(l)
	}
	return s
}

// Mask shows the last four characters of s, nothing of a text that short, and
// not how long it is.
func Mask(s string) string {
	r := []rune(s)
	if len(r) <= 4 {
		return "****"
	}
	return "****" + string(r[len(r)-4:])
}
