package form

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"zhucun/shared/record"
)

// Shape is how a page asks a field: laptops and office ask alike.
type Shape string

// The shapes.
const (
	Line   Shape = "line"   // one line of text, also numbers and places
	Prose  Shape = "prose"  // several lines
	Day    Shape = "date"   // a line with a calendar beside it
	Radio  Shape = "radio"  // one of a few
	Choose Shape = "choose" // one of many
	Checks Shape = "checks" // several
	Files  Shape = "files"  // names of pictures
	Result Shape = "result" // worked out, not asked
)

// maxRadios is up to how many choices are all shown.
const maxRadios = 8

// Shape is how the field is asked.
func (fd *Field) Shape() Shape {
	switch fd.Kind {
	case Calculate:
		return Result
	case Image:
		return Files
	case Date:
		return Day
	case SelectMultiple, RefMultiple:
		return Checks
	case RefOne:
		return Choose
	case SelectOne:
		if len(fd.Choices) <= maxRadios {
			return Radio
		}
		return Choose
	case Text:
		// What one person tells in own words takes several lines; names and
		// numbers, which somebody decides or a rule describes, take one.
		if fd.Policy == Author || fd.Policy == Latest && fd.Constraint == nil {
			return Prose
		}
	}
	return Line
}

// Typed gives a value as the field's control holds it. Of a masked field that is nothing:
// its control is for another value.
func (fd *Field) Typed(v record.Value) []string {
	if fd.Masked || v == "" || v.IsNull() {
		return nil
	}
	if fd.Kind == Text && fd.Many() {
		return []string{strings.Join(v.Texts(), "、")}
	}
	if fd.Kind == Geopoint {
		return []string{strings.ReplaceAll(strings.Trim(string(v), "[]"), ",", ", ")}
	}
	if texts := v.Texts(); texts != nil {
		return texts
	}
	return []string{string(v)}
}

// Cleared stands for a masked field that is to be cleared: its empty control means that
// nothing was typed.
const Cleared = "\x00erase"

// Posted is what a page's control of the field holds: f.NAME, and erase.NAME where a
// masked one is to be cleared.
func (fd *Field) Posted(values map[string][]string) []string {
	var typed []string
	for _, t := range values["f."+fd.Name] {
		t = strings.ReplaceAll(t, "\r\n", "\n")
		if fd.Kind == Image {
			typed = append(typed, strings.Split(t, "\n")...)
		} else {
			typed = append(typed, t)
		}
	}
	typed = slices.DeleteFunc(typed, func(t string) bool { return t == "" })
	if values["erase."+fd.Name] != nil && len(typed) == 0 {
		typed = []string{Cleared}
	}
	return typed
}

// plain is what a control holds as a browser gives it back: a line loses its breaks,
// several lines have them all alike. Choices have no order.
func (fd *Field) plain(typed []string) []string {
	out := make([]string, len(typed))
	for i, t := range typed {
		switch fd.Shape() {
		case Prose:
			out[i] = strings.ReplaceAll(strings.ReplaceAll(t, "\r\n", "\n"), "\r", "\n")
		case Line, Day:
			out[i] = strings.NewReplacer("\r", "", "\n", "").Replace(t)
		default:
			out[i] = t
		}
	}
	if fd.Many() {
		slices.Sort(out)
	}
	return out
}

// SameTyped tells whether a control holds what it held.
func (fd *Field) SameTyped(a, b []string) bool { return slices.Equal(fd.plain(a), fd.plain(b)) }

// Print is short for what a control holds: a page says by it what stood there.
func (fd *Field) Print(typed []string) string {
	h := fnv.New64a()
	for _, t := range fd.plain(typed) {
		h.Write([]byte(t))
		h.Write([]byte{0})
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// ReadTyped reads what a control holds, where stood was the field's value before: codes of another version
// of the form that stood there stay. A *ValueError says what cannot be read.
func (fd *Field) ReadTyped(typed []string, stood record.Value) (record.Value, error) {
	if len(typed) == 0 || typed[0] == Cleared {
		return record.Null, nil
	}
	if fd.Kind == Text && fd.Many() || !fd.Many() && len(fd.Choices) == 0 && fd.Kind != RefOne {
		return fd.CanonText(typed[0])
	}
	if !fd.Many() {
		return fd.Canon(json.RawMessage(record.Text(typed[0])))
	}
	var known, foreign []string
	for _, t := range typed {
		if _, listed := fd.Choice(t); len(fd.Choices) > 0 && !listed && slices.Contains(stood.Texts(), t) {
			foreign = append(foreign, t)
		} else {
			known = append(known, t)
		}
	}
	v, err := fd.Canon(json.RawMessage(record.List(known)))
	if err != nil || len(foreign) == 0 {
		return v, err
	}
	return record.Set(append(v.Texts(), foreign...)), nil
}
