package sim

import (
	"sync"
	"testing"
)

// One seed is one trace, to the byte: two plays in folders and with templates of
// their own, while others are played, give the same hash, and another seed another.
func TestSameSeedSameTrace(t *testing.T) {
	t.Parallel()
	const seeds, plays = 2, 2
	for _, l := range legs {
		t.Run(l.name, func(t *testing.T) {
			var hash [seeds][plays]string
			var all sync.WaitGroup
			for p := range plays {
				dir := fast(t)
				tmpl := template(t, dir)
				all.Go(func() {
					for i := range hash {
						// One of the two begins at the other end.
						n := i
						if p > 0 {
							n = seeds - 1 - i
						}
						var err error
						if hash[n][p], err = play(dir, *seed+uint64(n), *steps, tmpl, l); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			seen := map[string]bool{}
			for n, h := range hash {
				if h[0] != h[1] {
					t.Errorf("seed %d gives %s and %s", *seed+uint64(n), h[0], h[1])
				}
				if seen[h[0]] {
					t.Errorf("seed %d gives the trace of another", *seed+uint64(n))
				}
				seen[h[0]] = true
			}
		})
	}
}
