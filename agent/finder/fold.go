package finder

import (
	"strings"
	"unicode"

	"zhucun/shared/pinyin"
)

func isDigit(r rune) bool  { return '0' <= r && r <= '9' }
func isLetter(r rune) bool { return 'a' <= r && r <= 'z' }
func inWord(r rune) bool {
	return isDigit(r) || isLetter(r) || r >= 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// code gives the letters and digits of a number as they are compared.
func code(s string) string {
	return strings.Map(func(r rune) rune {
		if r = pinyin.Fold(r); isDigit(r) || isLetter(r) {
			return r
		}
		return -1
	}, s)
}

// maxWords and maxLength bound what is looked for at once.
const (
	maxWords  = 8
	maxLength = 40
)

// word is one of those that are looked for.
type word struct {
	runes  []rune
	code   string // the same, where it is only digits and letters
	digits bool   // only digits, or an ID number's with the X at its end
	latin  bool   // only letters
	grams  []uint32
	exact  bool // what has the grams has the word
}

// words takes apart what somebody typed. What two input methods put between words
// divides them; everything that is found has all of them.
func words(typed string) []word {
	var out []word
	for _, part := range strings.FieldsFunc(typed, func(r rune) bool { return !inWord(pinyin.Fold(r)) && !pinyin.Joins(r) }) {
		runes := pinyin.Called(part)
		if len(runes) == 0 || len(out) == maxWords {
			continue
		}
		w := word{runes: runes[:min(len(runes), maxLength)], exact: true}
		digits, letters := 0, 0
		for _, r := range w.runes {
			digits += boolInt(isDigit(r))
			letters += boolInt(isLetter(r))
		}
		n := len(w.runes)
		if digits+letters == n {
			w.code = string(w.runes)
		}
		w.digits = digits == n || n > 1 && digits == n-1 && w.runes[n-1] == 'x'
		w.latin = letters == n
		if !w.digits {
			w.grams = gramsOf(nil, w.runes)
			w.exact = n == 2 && basic(w.runes[0]) && basic(w.runes[1])
		}
		out = append(out, w)
	}
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A gram is two characters of a word that stand side by side, in one number. Two digits
// are none: what they are found by is numbers, and every text is full of them.

// basic tells the characters that a gram has as they are. Rare ones beyond share the
// numbers of the private ones.
func basic(r rune) bool { return r < 0xe000 || r > 0xf8ff && r < 0x10000 }

func half(r rune) uint32 {
	if basic(r) {
		return uint32(r)
	}
	return 0xe000 + uint32(r)%0x1900
}

// gramsOf adds the grams of a text to list.
func gramsOf(list []uint32, text []rune) []uint32 {
	before := rune(0)
	for _, r := range text {
		if !inWord(r) {
			r = 0
		}
		if before != 0 && r != 0 && !(isDigit(before) && isDigit(r)) {
			list = append(list, half(before)<<16|half(r))
		}
		before = r
	}
	return list
}
