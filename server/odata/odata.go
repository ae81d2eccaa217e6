package odata

import (
	"fmt"
	"strings"

	"zhucun/server/store"
)

// Kind is the type of a property.
type Kind string

// The kinds.
const (
	String  Kind = "Edm.String"
	Int     Kind = "Edm.Int64"
	Double  Kind = "Edm.Double"
	Date    Kind = "Edm.Date"
	Moment  Kind = "Edm.DateTimeOffset"
	ID      Kind = "Edm.Guid"
	Boolean Kind = "Edm.Boolean"
)

// Property is a column of a table.
type Property struct {
	Name string
	Kind Kind
	// Says is what it is, for people.
	Says string
	// Column is what is asked of the store; the zero Operand of a property by which nothing
	// can be asked or ordered.
	Column store.Operand
	// Key tells one of those that name a row.
	Key bool
}

// Set is a table.
type Set struct {
	Name       string
	Says       string
	Properties []Property
}

// Property finds a property; nil where there is none.
func (s *Set) Property(name string) *Property {
	for i := range s.Properties {
		if s.Properties[i].Name == name {
			return &s.Properties[i]
		}
	}
	return nil
}

// Error says what is wrong with an option, in one sentence.
type Error struct {
	Zh, En string
	// Missing tells what OData has and this does not.
	Missing bool
}

func (e *Error) Error() string { return e.En }

func wrong(zh, en string, args ...any) error {
	return &Error{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...)}
}

func missing(zh, en string, args ...any) error {
	return &Error{Zh: fmt.Sprintf(zh, args...), En: fmt.Sprintf(en, args...), Missing: true}
}

// Bounds of what is read.
const (
	maxText  = 8000 // bytes of an option
	maxTests = 100
	maxDepth = 40
	maxIn    = 500 // values of one list
	maxOrder = 8
)

// ParseSelect reads $select. No text is all properties.
func ParseSelect(s *Set, text string) ([]*Property, error) {
	var list []*Property
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name := strings.TrimSpace(part)
		if name == "*" || strings.TrimSpace(text) == "" {
			list = nil
			for i := range s.Properties {
				list = append(list, &s.Properties[i])
			}
			return list, nil
		}
		p := s.Property(name)
		if p == nil {
			return nil, unknown(s, name)
		}
		if !seen[name] {
			seen[name] = true
			list = append(list, p)
		}
	}
	return list, nil
}

func unknown(s *Set, name string) error {
	return wrong("%s 没有属性 %s", "%s has no property %s", s.Name, clip(name))
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// ParseOrder reads $orderby.
func ParseOrder(s *Set, text string) ([]store.Order, error) {
	if len(text) > maxText {
		return nil, wrong("$orderby 太长", "$orderby is too long")
	}
	var list []store.Order
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
			return nil, wrong("$orderby 应如 head_name,updated_at desc", "$orderby is like head_name,updated_at desc")
		}
		p := s.Property(words[0])
		if p == nil {
			return nil, unknown(s, words[0])
		}
		if p.Column == (store.Operand{}) {
			return nil, wrong("不能按 %s 排序", "Nothing can be ordered by %s", p.Name)
		}
		list = append(list, store.Order{Operand: p.Column, Down: len(words) == 2 && words[1] == "desc"})
	}
	if len(list) > maxOrder {
		return nil, wrong("$orderby 最多 %d 项", "$orderby has at most %d properties", maxOrder)
	}
	return list, nil
}
