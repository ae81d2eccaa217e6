package merge

import (
	"slices"

	"zhucun/shared/record"
)

// ApplyInPlace is Apply for whoever alone holds the state and applies many
// changes to it: copied for each, a record of thousands of registers takes time
// for all of them where one is touched. The registers themselves are made anew,
// so that copies of the state, Apply's among them, keep what they say.
func (s State) ApplyInPlace(f Frontier, a Applied, body []record.Write) {
	for _, w := range body {
		old := s[w.Path]
		r := Register{Siblings: make([]Sibling, 0, len(old.Siblings)+1)}
		for _, sib := range old.Siblings {
			if _, replaced := slices.BinarySearchFunc(w.Observed, sib.Dot, record.Dot.Compare); !replaced {
				r.Siblings = append(r.Siblings, sib)
			}
		}
		if !old.seen(f, a.Dot) {
			r.Siblings = append(r.Siblings, Sibling{a.Dot, w.Value, a.At, a.Unmeasured, a.Author})
			slices.SortFunc(r.Siblings, func(x, y Sibling) int { return x.Dot.Compare(y.Dot) })
		}
		for _, d := range slices.Concat(old.Cloud, w.Observed) {
			if !f.Covers(d) && d != a.Dot {
				r.Cloud = append(r.Cloud, d)
			}
		}
		r.Cloud = record.SortDots(r.Cloud)
		s.Set(w.Path, r)
	}
}

// SkipInPlace is for a change that came and is not applied: nothing has to remember any
// more that it was replaced, since the frontier says so. It tells whether something had.
func (s State) SkipInPlace(d record.Dot) (some bool) {
	for p, r := range s {
		if i, found := slices.BinarySearchFunc(r.Cloud, d, record.Dot.Compare); found {
			r.Cloud = slices.Delete(slices.Clone(r.Cloud), i, i+1)
			s.Set(p, r)
			some = true
		}
	}
	return some
}
