package web

import (
	"strings"
	"unicode"
)

// part is a piece of a text; marked where another text differs from it.
type part struct {
	text   string
	marked bool
}

// maxCompared bounds the work of a comparison, in pairs of words.
const maxCompared = 1 << 20

// highlight marks in the first two texts what the other does not have.
func highlight(claims []claim) {
	if len(claims) < 2 {
		return
	}
	claims[0].parts, claims[1].parts = compare(claims[0].value, claims[1].value)
}

// compare cuts two texts into parts that they share and parts that they do not.
// It gives none where the texts have little in common: to mark nearly all of
// both would tell nobody anything.
func compare(a, b string) (pa, pb []part) {
	wa, wb := words(a), words(b)
	if len(wa) < 4 || len(wb) < 4 || len(wa)*len(wb) > maxCompared {
		return nil, nil
	}
	// common[i][j] is the length of the longest common run of wa[i:] and wb[j:].
	common := make([][]int32, len(wa)+1)
	for i := range common {
		common[i] = make([]int32, len(wb)+1)
	}
	for i := len(wa) - 1; i >= 0; i-- {
		for j := len(wb) - 1; j >= 0; j-- {
			if wa[i] == wb[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	if int(common[0][0])*3 < min(len(wa), len(wb)) {
		return nil, nil
	}
	i, j := 0, 0
	for i < len(wa) || j < len(wb) {
		switch {
		case i < len(wa) && j < len(wb) && wa[i] == wb[j]:
			pa, pb = add(pa, wa[i], false), add(pb, wb[j], false)
			i, j = i+1, j+1
		case j == len(wb) || i < len(wa) && common[i+1][j] >= common[i][j+1]:
			pa = add(pa, wa[i], true)
			i++
		default:
			pb = add(pb, wb[j], true)
			j++
		}
	}
	return pa, pb
}

func add(parts []part, word string, marked bool) []part {
	if n := len(parts); n > 0 && parts[n-1].marked == marked {
		parts[n-1].text += word
		return parts
	}
	return append(parts, part{word, marked})
}

// words cuts a text into single characters, but keeps together what is written
// together in Latin letters and digits.
func words(s string) []string {
	var out []string
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			out = append(out, run.String())
			run.Reset()
		}
	}
	for _, r := range s {
		if r < unicode.MaxLatin1 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			run.WriteRune(r)
			continue
		}
		flush()
		out = append(out, string(r))
	}
	flush()
	return out
}
