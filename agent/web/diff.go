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

// highlight marks in texts what others do not have: in each what the first does not, and
// in the first what the second does not.
func highlight(claims []claim) {
	for i := len(claims) - 1; i > 0; i-- {
		claims[0].parts, claims[i].parts = compare(claims[0].value, claims[i].value)
	}
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
	var runs []run
	i, j := 0, 0
	for i < len(wa) || j < len(wb) {
		same := i < len(wa) && j < len(wb) && wa[i] == wb[j]
		if n := len(runs); n == 0 || runs[n-1].same != same {
			runs = append(runs, run{same: same})
		}
		r := &runs[len(runs)-1]
		switch {
		case same:
			r.a, r.b = append(r.a, wa[i]), append(r.b, wb[j])
			i, j = i+1, j+1
		case j == len(wb) || i < len(wa) && common[i+1][j] >= common[i][j+1]:
			r.a = append(r.a, wa[i])
			i++
		default:
			r.b = append(r.b, wb[j])
			j++
		}
	}
	for _, r := range gather(runs) {
		pa, pb = add(pa, strings.Join(r.a, ""), !r.same), add(pb, strings.Join(r.b, ""), !r.same)
	}
	return pa, pb
}

// run is a stretch that two texts share, or in which they differ.
type run struct {
	a, b []string
	same bool
}

// gather takes in between two differences what is shared only by chance: a stretch that
// is no longer than the change on either side of it. Written without spaces, two
// sentences share a character here and there, and marks that skip those cut words in
// pieces.
func gather(runs []run) []run {
	out := runs[:0:0]
	for i, r := range runs {
		n := len(out)
		chance := r.same && i > 0 && i < len(runs)-1 && len(r.a) <= min(out[n-1].size(), runs[i+1].size()) && len(r.a) <= maxChance
		switch {
		case chance:
			out[n-1].a, out[n-1].b = append(out[n-1].a, r.a...), append(out[n-1].b, r.b...)
		case n > 0 && !r.same && !out[n-1].same:
			out[n-1].a, out[n-1].b = append(out[n-1].a, r.a...), append(out[n-1].b, r.b...)
		default:
			out = append(out, r)
		}
	}
	return out
}

// maxChance is the longest stretch, in words, that is taken to be shared by chance.
const maxChance = 2

func (r run) size() int { return max(len(r.a), len(r.b)) }

func add(parts []part, word string, marked bool) []part {
	if word == "" {
		return parts
	}
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
