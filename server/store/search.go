package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"zhucun/shared/form"
	"zhucun/shared/pinyin"
	"zhucun/shared/record"
)

// keyKind is how a field's value becomes keys.
type keyKind int

const (
	keyName   keyKind = iota // a name: characters, pinyin, initials
	keyWord                  // itself
	keyNumber                // itself, and its last four
	keyTail                  // the last four of a number that is masked, marked as such
)

// keyedField is a field by which records of its type are looked for.
type keyedField struct {
	name string
	kind keyKind
}

// keyed are the types that are looked for by keys, and by which fields.
var keyed = map[record.Type][]keyedField{
	"household": {{"head_name", keyName}, {"household_no", keyNumber}, {"phone", keyNumber}, {"group_name", keyWord}},
	"person":    {{"full_name", keyName}, {"id_number", keyTail}},
	"team_post": {{"person_name", keyName}, {"phone", keyNumber}, {"unit", keyWord}},
	"project":   {{"project_name", keyName}, {"project_no", keyNumber}},
	"village":   {{"village_name", keyName}, {"village_code", keyNumber}},
}

// keyedTypes are the types that have keys, sorted.
var keyedTypes = slices.Sorted(maps.Keys(keyed))

// searchFormula changes whenever keys must be made anew.
const searchFormula = "search 2"

// tailMark begins the keys of what not everybody sees, with the field's name: the last four
// characters of masked numbers, and whatever is hidden from some. Nobody types it, and who
// may not see the field is not shown what it finds.
const tailMark = "#"

// maxWord bounds a key and a word that is looked for, in characters.
const maxWord = 40

// keyField is such a field as the form that holds has it.
type keyField struct {
	*form.Field
	kind keyKind
	mark string // begins its keys; "" where everybody sees it
}

// keyFields gives the fields by which a type is looked for. What an edition masks is found
// by its end from then on, or digit by digit the whole number would come out.
func (s *Store) keyFields(t record.Type) (list []keyField) {
	f := s.forms.Form(t)
	if f == nil {
		return nil
	}
	for _, k := range keyed[t] {
		fd := f.Field(k.name)
		if fd == nil {
			continue
		}
		x := keyField{Field: fd, kind: k.kind}
		if fd.Masked {
			x.kind = keyTail
		}
		if x.kind == keyTail || len(fd.Hidden) > 0 {
			x.mark = tailMark + fd.Name + " "
		}
		list = append(list, x)
	}
	return list
}

// searchBy names what keys are made by.
func (s *Store) searchBy() string {
	var b strings.Builder
	b.WriteString(searchFormula)
	for _, t := range keyedTypes {
		for _, k := range s.keyFields(t) {
			fmt.Fprint(&b, " ", t, ".", k.Name, " ", k.kind, k.mark)
		}
	}
	return b.String()
}

// keysOf gives the keys of a record, given its values by field.
func (s *Store) keysOf(t record.Type, values map[string]string) []string {
	var keys []string
	for _, k := range s.keyFields(t) {
		add := func(key string) {
			if key = k.mark + key; key != k.mark && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		v := values[k.Name]
		switch k.kind {
		case keyName:
			for _, key := range pinyin.Keys(v) {
				add(key)
			}
		case keyWord:
			add(clipWord(string(pinyin.Called(v))))
		case keyNumber:
			n := code(v)
			if add(n); len(n) > 4 {
				add(n[len(n)-4:])
			}
		case keyTail:
			if n := code(v); len(n) >= 4 {
				add(n[len(n)-4:])
			}
		}
	}
	return keys
}

// code gives the letters and digits of a number as they are compared.
func code(s string) string {
	return strings.Map(func(r rune) rune {
		if r = pinyin.Fold(r); r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, clipWord(s))
}

func clipWord(s string) string {
	if utf8.RuneCountInString(s) <= maxWord {
		return s
	}
	return string([]rune(s)[:maxWord])
}

// Bounds of what somebody looks for.
const (
	maxWords = 6
	minWhole = 15 // characters of an identity number that is given whole
)

// wordsOf takes apart what somebody typed: every word must be found.
func wordsOf(text string) []string {
	var words []string
	for _, part := range strings.FieldsFunc(text, func(r rune) bool {
		r = pinyin.Fold(r)
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !pinyin.Joins(r)
	}) {
		if w := clipWord(string(pinyin.Called(part))); w != "" && len(words) < maxWords {
			words = append(words, w)
		}
	}
	return words
}

// numericWord tells a word that may be the end of a number.
func numericWord(w string) bool {
	n := strings.TrimSuffix(w, "x")
	return n != "" && strings.Trim(n, "0123456789") == ""
}

// params gathers the arguments of a statement.
type params struct{ args []any }

func (p *params) add(v any) string {
	p.args = append(p.args, v)
	return fmt.Sprintf("$%d", len(p.args))
}

// end is behind every text that begins with a word.
const end = "\U0010FFFF"

// keyTest tests that column names a record of a type that a word finds, in the village that is
// parameter 1.
func (s *Store) keyTest(t record.Type, column, word string, shows func(*form.Field) bool, a *params) string {
	ranges := func(word string) string {
		return fmt.Sprintf("k.word >= %s AND k.word < %s", a.add(word), a.add(word+end))
	}
	one := func(test string) string {
		return fmt.Sprintf("%s IN (SELECT k.record_id FROM search_key k WHERE k.village_id = $1 AND k.type = '%s' AND %s)", column, t, test)
	}
	tests := []string{one(ranges(word))}
	for _, k := range s.keyFields(t) {
		switch {
		case k.mark == "" || !shows(k.Field):
		case k.kind != keyTail:
			tests = append(tests, one(ranges(k.mark+word)))
		case !numericWord(word):
		case len(word) <= 4:
			tests = append(tests, one(ranges(k.mark+word)))
		case len(word) >= minWhole:
			// The whole number finds whose it is, and nobody else with the same end.
			tests = append(tests, fmt.Sprintf("(%s AND %s IN (SELECT w.record_id FROM %s w WHERE w.village_id = $1 AND lower(w.%s) = %s))",
				one(ranges(k.mark+word[len(word)-4:])), column, quote("form_"+string(t)), quote(k.Name), a.add(word)))
		}
	}
	return "(" + strings.Join(tests, " OR ") + ")"
}

// finds are the types by whose keys records of a type are found: the type itself, and what
// its title names.
func (s *Store) finds(p *table) (self bool, refs []*form.Field) {
	_, self = keyed[p.form.Type]
	for _, name := range p.form.Titles {
		if fd := p.form.Field(name); fd != nil && fd.Kind == form.RefOne && keyed[fd.Refers] != nil {
			refs = append(refs, fd)
		}
	}
	return self, refs
}

// textTest tests that a row of a type, f, is found by every word of a text. keys says that
// it is by keys, which wants the village to be parameter 1.
func (s *Store) textTest(p *table, text string, shows func(*form.Field) bool, a *params) (test string, keys bool) {
	self, refs := s.finds(p)
	var all []string
	for _, word := range wordsOf(text) {
		var tests []string
		if self {
			tests = append(tests, s.keyTest(p.form.Type, "f.record_id", word, shows, a))
		}
		for _, fd := range refs {
			if shows(fd) {
				tests = append(tests, s.keyTest(fd.Refers, "f."+quote(fd.Name), word, shows, a))
			}
		}
		if !self && len(refs) == 0 {
			for _, fd := range p.fields {
				if fd.Kind == form.Text && !fd.Many() && !fd.Masked && shows(fd) {
					tests = append(tests, fmt.Sprintf(`f.%s LIKE %s ESCAPE '\'`, quote(fd.Name), a.add("%"+likeText.Replace(word)+"%")))
				}
			}
		}
		if len(tests) == 0 {
			tests = []string{"1 = 0"} // there is nothing to find it by
		}
		all = append(all, "("+strings.Join(tests, " OR ")+")")
	}
	if len(all) == 0 {
		all = []string{"1 = 0"} // signs alone find nothing
	}
	return strings.Join(all, " AND "), self || len(refs) > 0
}

// villageTest tests that a village, h, has something that a text may find.
func (s *Store) villageTest(p *table, text string, shows func(*form.Field) bool, a *params) string {
	self, refs := s.finds(p)
	var types []record.Type
	if self {
		types = append(types, p.form.Type)
	}
	for _, fd := range refs {
		if shows(fd) && !slices.Contains(types, fd.Refers) {
			types = append(types, fd.Refers)
		}
	}
	var all []string
	for _, word := range wordsOf(text) {
		var tests []string
		for _, t := range types {
			has := func(word string) {
				tests = append(tests, fmt.Sprintf("EXISTS (SELECT 1 FROM search_key k WHERE k.village_id = h.village_id AND k.type = '%s' AND k.word >= %s AND k.word < %s)",
					t, a.add(word), a.add(word+end)))
			}
			has(word)
			for _, k := range s.keyFields(t) {
				switch {
				case k.mark == "" || !shows(k.Field):
				case k.kind != keyTail || numericWord(word) && len(word) <= 4:
					has(k.mark + word)
				case numericWord(word) && len(word) >= minWhole:
					has(k.mark + word[len(word)-4:])
				}
			}
		}
		if len(tests) == 0 {
			return "1 = 0"
		}
		all = append(all, "("+strings.Join(tests, " OR ")+")")
	}
	if len(all) == 0 {
		return "1 = 0"
	}
	return strings.Join(all, " AND ")
}
