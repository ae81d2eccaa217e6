package alike

import (
	"slices"
	"strings"

	"zhucun/shared/pinyin"
	"zhucun/shared/record"
)

// Probable is the score from which on two records are shown to somebody.
const Probable = 50

// Reason is why two records may be the same, or may not. Code names it for people.
type Reason struct {
	Code  string
	Score int
}

// The codes of reasons.
const (
	Number      = "number"      // the same ID number
	OtherNumber = "othernumber" // both have one, and they differ
	Register    = "register"    // the same number in the register
	OtherNo     = "otherno"
	Name        = "name"
	Sound       = "sound" // written otherwise, read alike
	OtherName   = "othername"
	Group       = "group"
	OtherGroup  = "othergroup"
	Birth       = "birth"
	OtherBirth  = "otherbirth"
	Household   = "household" // people of one household
	Phone       = "phone"
	Visit       = "visit" // of one household and day
)

// Types are those whose records are compared.
var Types = []record.Type{"household", "person", "visit"}

// Fields are the answers of a record.
type Fields map[string]record.Value

func (f Fields) text(name string) string {
	s, _ := f[name].Text()
	return strings.TrimSpace(s)
}

// number gives an ID or register number as it is compared.
func (f Fields) number(name string) string {
	return strings.Map(func(r rune) rune {
		if r = pinyin.Fold(r); r == ' ' || r == '-' {
			return -1
		}
		return r
	}, f.text(name))
}

func (f Fields) called(name string) string { return string(pinyin.Called(f.text(name))) }

// sound gives how a name is read, each character in its usual way.
func (f Fields) sound(name string) string {
	var out []string
	for _, r := range pinyin.Called(f.text(name)) {
		read := string(r)
		for s := range pinyin.Readings(r) {
			read = s
			break
		}
		out = append(out, read)
	}
	return strings.Join(out, " ")
}

// Key is what records share that may be the same. A wide one is looked for in other
// villages too.
type Key struct {
	Text string
	Wide bool
}

// Keys gives the keys of a record.
func Keys(t record.Type, f Fields) (keys []Key) {
	add := func(wide bool, kind string, parts ...string) {
		if !slices.Contains(parts, "") {
			keys = append(keys, Key{kind + "\x00" + strings.Join(parts, "\x00"), wide})
		}
	}
	switch t {
	case "household":
		add(true, "no", f.number("household_no"))
		add(false, "head", f.sound("head_name"), f.text("group_name"))
		add(false, "tel", f.sound("head_name"), f.number("phone"))
	case "person":
		add(true, "id", f.number("id_number"))
		add(false, "born", f.sound("full_name"), f.text("birth_date"))
		add(false, "home", f.sound("full_name"), f.text("household"))
	case "visit":
		add(false, "visit", f.text("household"), f.text("visit_date"))
	}
	return keys
}

// Compare scores two records of one type, with the reasons.
func Compare(t record.Type, a, b Fields) (score int, why []Reason) {
	add := func(code string, points int) {
		score += points
		why = append(why, Reason{code, points})
	}
	// Both have an answer, and it is the same or not.
	same := func(x, y, code string, points int, other string, less int) {
		switch {
		case x == "" || y == "":
		case x == y:
			add(code, points)
		case other != "":
			add(other, less)
		}
	}
	name := func(field string) {
		switch x, y := a.called(field), b.called(field); {
		case x == "" || y == "":
		case x == y:
			add(Name, 35)
		case a.sound(field) == b.sound(field):
			add(Sound, 30)
		default:
			add(OtherName, -20)
		}
	}
	switch t {
	case "household":
		same(a.number("household_no"), b.number("household_no"), Register, 85, OtherNo, -25)
		name("head_name")
		same(a.text("group_name"), b.text("group_name"), Group, 25, OtherGroup, -10)
		same(a.number("phone"), b.number("phone"), Phone, 20, "", 0)
	case "person":
		same(a.number("id_number"), b.number("id_number"), Number, 90, OtherNumber, -50)
		name("full_name")
		same(a.text("birth_date"), b.text("birth_date"), Birth, 25, OtherBirth, -15)
		same(a.text("household"), b.text("household"), Household, 20, "", 0)
	case "visit":
		if h, d := a.text("household"), a.text("visit_date"); h != "" && d != "" && h == b.text("household") && d == b.text("visit_date") {
			add(Visit, 60)
		}
	}
	return score, why
}
