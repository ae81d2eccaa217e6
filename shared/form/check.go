package form

import (
	"slices"
	"strings"

	"zhucun/shared/record"
)

// The codes of marks.
const (
	MarkRequired   = "required"      // relevant, required, and not answered
	MarkConstraint = "constraint"    // answered, but not as the constraint asks
	MarkRelevance  = "relevance"     // answered, though other answers rule it out
	MarkField      = "unknown_field" // no such field in this version of the form
	MarkCode       = "unknown_code"  // no such code in this version of the list
	MarkValue      = "value"         // not the kind of value that the field takes
)

// Mark is something about a record that a person should look at. It keeps
// nobody from saving.
type Mark struct {
	Path record.Path
	Code string
	Text Label
}

// Check gives the marks of a record whose registers resolve to values, by
// field name, in the order of the form. today is the date in Beijing where the
// checking is done. Records from another version of the form are marked, never
// refused.
func (f *Form) Check(values map[string]record.Value, today string) []Mark {
	var marks []Mark
	e := env{values: f.withCalculated(values, today), today: today}
	known := 0
	for _, fd := range f.Fields {
		v, there := values[fd.Name]
		if there {
			known++
		}
		e.self = v
		relevant := fd.Relevant == nil || fd.Relevant.holds(&e)
		if v == "" || v.IsNull() {
			if fd.Required && relevant && (fd.RequiredWhen == nil || fd.RequiredWhen.holds(&e)) {
				marks = append(marks, Mark{record.Path(fd.Name), MarkRequired, fd.missing})
			}
			continue
		}
		switch {
		case fd.Kind == Calculate: // nobody answers it
		case !fd.fits(v):
			marks = append(marks, Mark{record.Path(fd.Name), MarkValue, fd.unreadable})
			continue
		case fd.list != nil:
			marks = fd.unknownCodes(marks, v)
		}
		if !relevant {
			marks = append(marks, Mark{record.Path(fd.Name), MarkRelevance, fd.off})
		}
		if fd.Constraint != nil && !fd.Constraint.holds(&e) {
			marks = append(marks, Mark{record.Path(fd.Name), MarkConstraint, fd.brokenBy(v)})
		}
	}
	if known == len(values) {
		return marks
	}
	return append(marks, f.unknownFields(values)...)
}

// unknownFields marks answers to questions of another version, by name.
func (f *Form) unknownFields(values map[string]record.Value) []Mark {
	var marks []Mark
	for name, v := range values {
		if f.byName[name] != nil || v == "" || v.IsNull() || strings.HasPrefix(name, "_") {
			continue
		}
		marks = append(marks, Mark{record.Path(name), MarkField, Label{
			name + "：本版表单没有这一项（可能来自更新的版本）", name + ": not in this version of the form (perhaps from a newer one)",
		}})
	}
	slices.SortFunc(marks, func(a, b Mark) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return marks
}

// unknownCodes marks each code that the field's list lacks; under the policy
// Union each at its own register.
func (fd *Field) unknownCodes(marks []Mark, v record.Value) []Mark {
	mark := func(code string) {
		if _, ok := fd.list.byName[code]; ok {
			return
		}
		path := record.Path(fd.Name)
		if fd.Many() && fd.Policy == Union {
			path = path.Element(code)
		}
		marks = append(marks, Mark{path, MarkCode, Label{
			fd.Label.Zh + "：本版选项中没有“" + clip(code) + "”（可能来自更新的版本）",
			fd.Label.En + ": no option " + clip(code) + " in this version (perhaps from a newer one)",
		}})
	}
	if s, ok := v.Text(); ok {
		mark(s)
	} else {
		eachText(v, mark)
	}
	return marks
}

// brokenBy says what is wrong with v, as exactly as is known.
func (fd *Field) brokenBy(v record.Value) Label {
	if fd.numbered {
		if s, ok := v.Text(); ok {
			if p := checkID(s); p != idGood {
				return Label{fd.Label.Zh + "：" + problems[p].Zh, fd.Label.En + ": " + problems[p].En}
			}
		}
	}
	return fd.broken
}

// fits tells whether v has the shape of the field's values.
func (fd *Field) fits(v record.Value) bool {
	switch c := v[0]; {
	case fd.Many() || fd.Kind == Geopoint:
		return c == '['
	case fd.Kind == Integer:
		return (isDigit(c) || c == '-') && strings.IndexByte(string(v), '.') < 0
	case fd.Kind == Decimal:
		return isDigit(c) || c == '-'
	case fd.Kind == Date:
		_, ok := readDate(strings.Trim(string(v), `"`))
		return c == '"' && len(v) == 12 && ok
	case fd.Kind == RefOne:
		return c == '"' && len(v) == 38
	default:
		return c == '"'
	}
}

// Relevant tells of each field whether its question applies.
func (f *Form) Relevant(values map[string]record.Value, today string) map[string]bool {
	e := env{values: f.withCalculated(values, today), today: today}
	out := make(map[string]bool, len(f.Fields))
	for _, fd := range f.Fields {
		e.self = values[fd.Name]
		out[fd.Name] = fd.Relevant == nil || fd.Relevant.holds(&e)
	}
	return out
}

// Calculate gives the values of the calculate fields, and for every other
// field with a calculation what to offer while it has no answer (the birth
// date that the identity number carries). Fields whose calculation comes to
// nothing are left out.
func (f *Form) Calculate(values map[string]record.Value, today string) map[string]record.Value {
	out := map[string]record.Value{}
	e := env{values: f.withCalculated(values, today), today: today}
	for _, fd := range f.Fields {
		if fd.Calculation == nil {
			continue
		}
		e.self = values[fd.Name]
		if fd.Kind != Calculate && e.self != "" && !e.self.IsNull() {
			continue
		}
		x := fd.Calculation.root.eval(&e)
		if v := x.value(); !v.IsNull() {
			out[fd.Name] = v
		}
	}
	return out
}

// withCalculated adds the values of the calculate fields for expressions that
// use them; most forms have none.
func (f *Form) withCalculated(values map[string]record.Value, today string) map[string]record.Value {
	copied := false
	for _, fd := range f.Fields {
		if fd.Kind != Calculate {
			continue
		}
		if !copied {
			own := make(map[string]record.Value, len(values)+1)
			for k, v := range values {
				own[k] = v
			}
			values, copied = own, true
		}
		x := fd.Calculation.root.eval(&env{values: values, today: today})
		values[fd.Name] = x.value()
	}
	return values
}

// Issues gives the registers of a record that give rise to an issue: one for
// a field, one for each element of a multiple choice. The issue's id derives
// from the record's and the register.
func (f *Form) Issues(values map[string]record.Value, today string) []record.Path {
	var paths []record.Path
	e := env{values: f.withCalculated(values, today), today: today}
	for _, fd := range f.Fields {
		v := values[fd.Name]
		if fd.Issue == nil || v == "" || v.IsNull() {
			continue
		}
		if e.self = v; !fd.Issue.holds(&e) {
			continue
		}
		if !fd.Many() {
			paths = append(paths, record.Path(fd.Name))
			continue
		}
		eachText(v, func(code string) { paths = append(paths, record.Path(fd.Name).Element(code)) })
	}
	return paths
}
