package dataset

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sort"
)

// draw is a source of chance. All it gives rests on the raw output of PCG,
// whose definition is fixed, so that a seed printed years ago still makes the
// same data.
type draw struct {
	src    *rand.PCG
	curves map[curve][]float64
}

type curve struct {
	n    int
	s, q float64
}

// newDraw returns the source for one part of the data.
func newDraw(seed uint64, part string) *draw {
	h := fnv.New64a()
	h.Write([]byte(part))
	return &draw{src: rand.NewPCG(seed, h.Sum64()), curves: map[curve][]float64{}}
}

// float is in [0, 1).
func (r *draw) float() float64 { return float64(r.src.Uint64()>>11) / (1 << 53) }

// between is in [a, b].
func (r *draw) between(a, b int) int { return a + int(r.float()*float64(b-a+1)) }

func (r *draw) chance(p float64) bool { return r.float() < p }

// normal is the sum of twelve draws, which never strays further than six
// deviations: no rare outlier makes a place on the other side of the globe.
func (r *draw) normal(mean, deviation float64) float64 {
	sum := -6.0
	for range 12 {
		sum += r.float()
	}
	return mean + deviation*sum
}

func pick[T any](r *draw, xs []T) T { return xs[r.between(0, len(xs)-1)] }

// pickRune is pick from the characters of a string.
func pickRune(r *draw, s string) rune { return pick(r, []rune(s)) }

func shuffled[T any](r *draw, xs []T) []T {
	out := append([]T(nil), xs...)
	for k := len(out) - 1; k > 0; k-- {
		j := r.between(0, k)
		out[k], out[j] = out[j], out[k]
	}
	return out
}

// zipf picks an element with a weight of 1/(position+q)^s: the larger s, the
// more the first ones prevail; the larger q, the less the very first.
func zipf[T any](r *draw, xs []T, s, q float64) T { return xs[r.zipfIndex(len(xs), s, q)] }

func (r *draw) zipfIndex(n int, s, q float64) int {
	key := curve{n, s, q}
	sums, ok := r.curves[key]
	if !ok {
		total := 0.0
		for i := range n {
			total += math.Pow(float64(i)+q, -s)
			sums = append(sums, total)
		}
		r.curves[key] = sums
	}
	x := r.float() * sums[n-1]
	return min(sort.SearchFloat64s(sums, x), n-1)
}
