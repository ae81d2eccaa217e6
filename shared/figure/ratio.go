package figure

// Ratio is a part of something. The zero Ratio is of nothing and has no rate.
type Ratio struct {
	Part float64 `json:"part"`
	Of   float64 `json:"of"`
}

// Percent gives the part in percent; false where there is nothing to divide by.
func (r Ratio) Percent() (float64, bool) {
	if r.Of == 0 {
		return 0, false
	}
	return 100 * r.Part / r.Of, true
}

// Each gives the part for each of what it is of, such as yuan a head; false where
// there is nothing to divide by.
func (r Ratio) Each() (float64, bool) {
	if r.Of == 0 {
		return 0, false
	}
	return r.Part / r.Of, true
}

// And gives the ratio of both together.
func (r Ratio) And(o Ratio) Ratio { return Ratio{r.Part + o.Part, r.Of + o.Of} }

// count takes one more into account, which is part of it or not.
func (r *Ratio) count(part bool) {
	r.Of++
	if part {
		r.Part++
	}
}

// mean gives the mean of those percents that there are; false where there is none.
func mean(ratios []Ratio) (float64, bool) {
	sum, n := 0.0, 0
	for _, r := range ratios {
		if p, ok := r.Percent(); ok {
			sum, n = sum+p, n+1
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}
