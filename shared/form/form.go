package form

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"zhucun/shared/record"
)

// Policy says how a field's values merge when several people gave one.
type Policy uint8

const (
	Latest Policy = iota // the value last given; the others stay visible
	Union                // every element that somebody gave
	Max                  // the highest number, or the code furthest down its list
	Review               // all are kept until a person decides
	Owner                // the roles in Form.Owners decide; others propose
	Author               // the record's author decides; others propose
)

var policies = [...]string{"latest", "union", "max", "review", "owner", "author"}

// String gives the policy as the column merge spells it.
func (p Policy) String() string { return nameIn(policies[:], int(p)) }

// ParsePolicy reads what String wrote.
func ParsePolicy(s string) (Policy, error) {
	if i := slices.Index(policies[:], s); i >= 0 {
		return Policy(i), nil
	}
	return 0, fmt.Errorf("merge: %q is none of %s", s, strings.Join(policies[:], ", "))
}

// Kind is the sort of answer a field takes.
type Kind uint8

const (
	Text Kind = iota // under the policy Union: several names, a set
	Integer
	Decimal
	Date
	SelectOne
	SelectMultiple
	Geopoint // [lon, lat]
	Image    // a set of file names
	Calculate
	RefOne // the id of a record of type Refers
	RefMultiple
)

// kinds has XLSForm's spelling of each kind. A select is followed by its list,
// a reference by the type's name and ".csv".
var kinds = [...]string{"text", "integer", "decimal", "date", "select_one", "select_multiple", "geopoint", "image", "calculate",
	"select_one_from_file", "select_multiple_from_file"}

// String gives the kind as the column type spells it.
func (k Kind) String() string { return nameIn(kinds[:], int(k)) }

func nameIn(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}

// Lang is a language that labels come in.
type Lang uint8

const (
	Zh Lang = iota
	En
)

// Label is what a person reads.
type Label struct{ Zh, En string }

// In gives the label in l, or in the other language where l has none.
func (l Label) In(lang Lang) string {
	if lang == En && l.En != "" || l.Zh == "" {
		return l.En
	}
	return l.Zh
}

// Choice is one code of a list. Under the policy Max a code with Review beside
// another goes to review: it says nothing about how far things have come.
type Choice struct {
	Name   string
	Label  Label
	Review bool
}

// list is a code list with the ways to find a code in it.
type list struct {
	choices []Choice
	byName  map[string]int
	// byWord finds a code by its labels and other spellings, folded; -1 marks
	// a word that two codes share.
	byWord map[string]int
}

// Field is one question of a form.
type Field struct {
	Name   string
	Kind   Kind
	List   string      // the choice list of a select
	Refers record.Type // the type that RefOne and RefMultiple name
	Label  Label
	Hint   Label
	// Section is the heading of the part of the form that begins with the field; empty
	// where none does.
	Section Label
	// Required asks for an answer where the field is relevant and RequiredWhen,
	// if there is one, holds.
	Required     bool
	RequiredWhen *Expr
	Relevant     *Expr // nil: always
	Constraint   *Expr // nil: none
	// Calculation gives a Calculate field its value, and any other field the
	// value to offer while it has none.
	Calculation *Expr
	// Issue tells that the answer gives rise to an issue.
	Issue *Expr
	// Message says what the constraint asks for.
	Message Label
	Policy  Policy
	// Placed tells of an Image that where a photo was taken stays in it.
	Placed bool
	// Offline tells of an Image that laptops fetch its files by themselves.
	Offline bool
	// Receipt fields hold days, and are what laptops write of themselves in records that
	// are not theirs to write: that it was read here, not by whom.
	Receipt bool
	// Masked fields show their last four characters only.
	Masked bool
	// Hidden names the roles whose devices never get the field.
	Hidden  []string
	Choices []Choice
	// Also are the headings, beside its labels, under which tables have the field.
	Also []string
	Row  int // in the form's file, the header being row 1

	list       *list
	numbered   bool  // the constraint is id_number(.)
	missing    Label // the text of the mark "required"
	off        Label // the text of the mark "relevance"
	broken     Label // the text of the mark "constraint"
	unreadable Label // the text of the mark "value"
}

// Many tells a field whose value is a set, JSON array in canonical form.
func (fd *Field) Many() bool {
	return fd.Kind == SelectMultiple || fd.Kind == RefMultiple || fd.Kind == Image || fd.Kind == Text && fd.Policy == Union
}

// IDNumber tells a field that holds an identity number.
func (fd *Field) IDNumber() bool { return fd.numbered }

// Choice finds a code of the field's list.
func (fd *Field) Choice(code string) (Choice, bool) {
	if fd.list == nil {
		return Choice{}, false
	}
	i, ok := fd.list.byName[code]
	if !ok {
		return Choice{}, false
	}
	return fd.list.choices[i], true
}

// HiddenFrom tells whether devices of role must not get the field.
func (fd *Field) HiddenFrom(role string) bool { return slices.Contains(fd.Hidden, role) }

// Form is what one record type asks.
type Form struct {
	Type    record.Type
	Version uint64
	Title   Label
	// Group is where menus list the form.
	Group Choice
	// Key names the fields that tell one record of a village from another in
	// real life, none where nothing does; where Authored, so does the author.
	Key      []string
	Authored bool
	// Alike lists sets of fields: records of one village that agree in all of
	// one such set, none of them empty (and in the author where Authored), are
	// probably the same.
	Alike [][]string
	// Titles are the fields that make the line by which a person knows a record.
	Titles []string
	// Writers are the roles that may create and change records, Owners those
	// that decide fields with the policy Owner.
	Writers, Owners []string
	Fields          []*Field

	byName map[string]*Field
}

// Field finds a field by name; nil when unknown.
func (f *Form) Field(name string) *Field { return f.byName[name] }

// PathField finds the field that a register belongs to: of "phone", of the
// proposals "phone~", of the element "topics/road". It is nil for the system's
// own registers, for an unknown field, and for an element of a field that is
// not kept by elements.
func (f *Form) PathField(p record.Path) *Field {
	name, element := p.Field()
	fd := f.byName[name]
	if fd != nil && element != "" && (fd.Policy != Union || !fd.Many()) {
		return nil
	}
	return fd
}

// MayWrite tells whether role may create and change records of the type.
func (f *Form) MayWrite(role string) bool { return slices.Contains(f.Writers, role) }

// Owns tells whether role decides the fields with the policy Owner.
func (f *Form) Owns(role string) bool { return slices.Contains(f.Owners, role) }

// OfAuthor tells a form with fields that only a record's author fills in.
func (f *Form) OfAuthor() bool {
	return slices.ContainsFunc(f.Fields, func(fd *Field) bool { return fd.Policy == Author })
}

// Nearest gives the field name closest to a misspelt one, for "did you mean";
// "" when none is near.
func (f *Form) Nearest(name string) string {
	names := make([]string, len(f.Fields))
	for i, fd := range f.Fields {
		names[i] = fd.Name
	}
	return nearest(name, names)
}

// Set is the forms that hold, with their code lists. What they are may be replaced at
// any time; a form that was taken out of it stays as it was.
type Set struct{ now atomic.Pointer[content] }

// content is the forms of one release or edition.
type content struct {
	forms  []*Form
	byType map[record.Type]*Form
	lists  map[string]*list
}

// Copy gives a set of its own with the same forms.
func (s *Set) Copy() *Set {
	c := new(Set)
	c.now.Store(s.now.Load())
	return c
}

// Become has the set hold the forms of another.
func (s *Set) Become(other *Set) { s.now.Store(other.now.Load()) }

// Form finds the form of a record type; nil when unknown.
func (s *Set) Form(t record.Type) *Form { return s.now.Load().byType[t] }

// Forms gives every form in the order of settings.csv. The slice is the
// caller's; what it points to is shared and must not be changed.
func (s *Set) Forms() []*Form { return slices.Clone(s.now.Load().forms) }

// Nearest gives the record type closest to a misspelt one; "" when none is near.
func (s *Set) Nearest(t string) string {
	forms := s.now.Load().forms
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = string(f.Type)
	}
	return nearest(t, names)
}

// Choices gives a code list in its order; nil when unknown.
func (s *Set) Choices(name string) []Choice {
	if l := s.now.Load().lists[name]; l != nil {
		return slices.Clone(l.choices)
	}
	return nil
}
