package finder

import "strings"

// groupNo is which of a village's groups a name or a word means, where it says so by a
// number: 第三组, 三组, 3组 and ３小组 are one to whoever looks for it, and villages write
// theirs as they like.
type groupNo struct {
	n    int    // 0 for none
	unit string // "" in a word that names none
}

// units are what groups are called, by what is typed for it.
var units = []struct{ typed, unit string }{
	{"村民小组", "组"}, {"村民组", "组"}, {"小组", "组"}, {"组", "组"}, {"生产队", "队"}, {"队", "队"}, {"社", "社"},
}

// numbered reads a name or a word as it is compared.
func numbered(runes []rune) groupNo {
	s, g := string(runes), groupNo{}
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.typed); ok {
			s, g.unit = rest, u.unit
			break
		}
	}
	g.n = numeral([]rune(strings.TrimPrefix(s, "第")))
	return g
}

// means tells whether a word names the group.
func (word groupNo) means(g groupNo) bool {
	return word.n > 0 && word.n == g.n && g.unit != "" && (word.unit == "" || word.unit == g.unit)
}

// maxGroup is the largest number that is taken for that of a group.
const maxGroup = 99

// numeral reads a number as people write those of groups: 3, 03, 三, 十二, 二十; 0 for none.
func numeral(s []rune) (n int) {
	if len(s) == 0 || len(s) > 3 {
		return 0
	}
	if isDigit(s[0]) {
		for _, r := range s {
			if !isDigit(r) {
				return 0
			}
			n = 10*n + int(r-'0')
		}
		if n > maxGroup {
			return 0
		}
		return n
	}
	tens, ones, ten := 0, 0, false
	for _, r := range s {
		switch d := digitOf(r); {
		case r == '十' && !ten:
			tens, ones, ten = max(ones, 1), 0, true
		case d > 0 && ones == 0:
			ones = d
		default:
			return 0
		}
	}
	return 10*tens + ones
}

// digitOf gives what a Chinese digit stands for; 0 for none.
func digitOf(r rune) int {
	for i, d := range []rune("一二三四五六七八九") {
		if r == d {
			return i + 1
		}
	}
	return 0
}
