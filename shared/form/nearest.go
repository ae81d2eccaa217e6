package form

import "strings"

// nearest gives the word that s most probably misspells: the first with the
// fewest letters to change, put in, take out or swap, at most one in three. ""
// when none is that near.
func nearest(s string, words []string) string {
	s = fold(s)
	if s == "" || len(s) > 100 {
		return ""
	}
	best, least := "", len([]rune(s))
	for _, w := range words {
		f := fold(w)
		n := distance([]rune(s), []rune(f))
		// One word that begins the other is near however long the rest is.
		if n > 1 && len(s) >= 4 && (strings.HasPrefix(f, s) || strings.HasPrefix(s, f) && len(f) >= 4) {
			n = 1
		}
		if n < least && n*3 <= max(len([]rune(s)), len([]rune(f))) {
			best, least = w, n
		}
	}
	return best
}

// distance counts the changes of one letter, swaps included, between a and b.
func distance(a, b []rune) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
