package pinyin

import (
	"slices"
	"unicode"
)

// Fold gives a character as it is compared: the wide digits and letters of Chinese input
// methods as plain ones, large letters as small ones. A text keeps its length by it.
func Fold(r rune) rune {
	switch {
	case r >= '！' && r <= '～':
		r -= '！' - '!'
	case r == '\u3000':
		return ' '
	case r == 'ü' || r == 'Ü':
		return 'v'
	}
	if r < 0x80 {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	if r >= firstRead { // nothing there has a large and a small form, but wide letters
		return r
	}
	return unicode.ToLower(r)
}

// Folded gives a text as runes that are compared.
func Folded(s string) []rune {
	out := make([]rune, 0, len(s)/2)
	for _, r := range s {
		out = append(out, Fold(r))
	}
	return out
}

// Joins tells the characters that stand within a name and that nobody types: 买买提·吐尔逊.
func Joins(r rune) bool { return r == '·' || r == '•' || r == '・' || r == '\'' || r == '’' }

// Called gives a name as it is compared: without what only stands between its parts.
func Called(name string) []rune {
	return slices.DeleteFunc(Folded(name), func(r rune) bool { return Joins(r) || unicode.IsSpace(r) })
}
