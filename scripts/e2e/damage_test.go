package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// One bit of what holds the data file together is wrong: every command ends by itself with
// a sentence or its answer, none with a trace, and nothing that was saved before
// is overwritten by what is saved after.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	var input strings.Builder
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		fmt.Fprintf(&input, "{\"findings\":\"第%d条走访：%s\"}\n", i, prose(rnd, 200))
	}
	// Several commits, so that pages become free, and are listed so.
	for range 3 {
		if r, err := w.command(input.String(), nil, "zhucun-agent", "put", "visit", "--data", "a"); err != nil || r.code != 0 {
			t.Fatal(err, r)
		}
	}
	file := w.path("a/records.db")
	visits := w.must(t, "zhucun-agent", "list", "visit", "--data", "a", "--json")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd = rand.New(rand.NewPCG(seed, 0))
	refused := 0
	// The two pages that say where everything is, and the heads of pages. What
	// stands within them has checksums, which the store's own tests look at.
	var places []int
	for range 5 {
		places = append(places, rnd.IntN(2*4096), rnd.IntN(len(whole)/4096)*4096+rnd.IntN(16))
	}
	for _, at := range places {
		damaged := []byte(string(whole))
		damaged[at] ^= 1 << rnd.IntN(8)
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		ended := func(args ...string) result {
			t.Helper()
			r, err := w.command("", nil, append([]string{"zhucun-agent"}, append(args, "--data", "a")...)...)
			if err != nil || r.code > 1 || strings.Contains(r.err, "goroutine") || r.code == 1 && len(lines(r.err)) != 1 {
				t.Fatalf("byte %d: %v ended with %v %s", at, args, err, r)
			}
			return r
		}
		if put := ended("put", "visit", "findings=损坏以后写的走访记录"); put.code != 0 {
			refused++
			ended("status")
			ended("list", "visit")
			if r := ended("verify", "--json"); r.code != 1 || !strings.Contains(r.out, `"ok":false`) {
				t.Errorf("byte %d: put is refused and verify says %s", at, r)
			}
			continue
		}
		// What is there is what was there, but for what a lost commit held.
		r := ended("list", "visit", "--json")
		if r.code != 0 {
			continue
		}
		for _, l := range lines(r.out) {
			if !strings.Contains(visits, l) && !strings.Contains(l, "损坏以后写的") {
				if v := ended("verify"); v.code == 0 {
					t.Errorf("byte %d: %s is another than it was, and verify finds nothing", at, l)
				}
			}
		}
		if ended("verify").code == 0 && len(lines(r.out)) <= len(lines(visits)) {
			if s := ended("status", "--json"); !strings.Contains(s.out, `"missing"`) {
				t.Errorf("byte %d: %d visits of %d, and nobody is told: %s", at, len(lines(r.out)), len(lines(visits))+1, s.out)
			}
		}
	}
	t.Logf("%d of %d flips were refused", refused, len(places))
}
