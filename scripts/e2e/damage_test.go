package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// One bit of what holds the data file together is wrong: the next command makes the
// store anew by itself and goes on, the damaged file stays, and after a sync laptop and
// office have everything that was ever saved, each once. Some of it had been delivered.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	rnd := rand.New(rand.NewPCG(1, 1))
	put := func(n int) {
		t.Helper()
		var input strings.Builder
		for i := range n {
			fmt.Fprintf(&input, "{\"findings\":\"第%d条走访：%s\"}\n", i, prose(rnd, 200))
		}
		if r, err := w.command(input.String(), nil, "zhucun-agent", "put", "visit", "--data", "a"); err != nil || r.code != 0 {
			t.Fatal(err, r)
		}
	}
	put(60)
	w.must(t, "zhucun-agent", "sync", "--data", "a")
	// Several commits, so that pages become free, and are listed so.
	put(60)
	put(60)
	ids := func(program, data string) []string {
		t.Helper()
		var ids []string
		for _, l := range lines(w.must(t, program, "list", "visit", "--data", data, "--json")) {
			id, _, err := at(l, ".id")
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}
	image := func(from, to string) {
		t.Helper()
		if err := os.RemoveAll(w.path(to)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(w.path(to), os.DirFS(w.path(from))); err != nil {
			t.Fatal(err)
		}
	}
	want := ids("zhucun-agent", "a")
	image("a", "image")
	image("home", "image-home")
	whole, err := os.ReadFile(w.path("a/records.db"))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd = rand.New(rand.NewPCG(seed, 0))
	// The two pages that say where everything is, and the heads of pages. What
	// stands within them has checksums, which the store's own tests look at.
	// One of the two tells of the last commit, the other of the one before.
	places := []int{38, 4096 + 38}
	for range 5 {
		places = append(places, rnd.IntN(2*4096), rnd.IntN(len(whole)/4096)*4096+rnd.IntN(16))
	}
	anew := 0
	for _, place := range places {
		image("image", "a")
		image("image-home", "home")
		damaged := slices.Clone(whole)
		damaged[place] ^= 1 << rnd.IntN(8)
		if err := os.WriteFile(w.path("a/records.db"), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := w.command("", nil, "zhucun-agent", "put", "visit", "findings=损坏以后写的走访记录", "--data", "a")
		if err != nil || r.code != 0 || strings.Contains(r.err, "goroutine") {
			t.Fatalf("byte %d: %v %s", place, err, r)
		}
		id, _, err := at(r.out, ".id")
		if err != nil {
			t.Fatal(err)
		}
		if asides, err := filepath.Glob(w.path("a/records.db.damaged-*")); err != nil {
			t.Fatal(err)
		} else if len(asides) > 0 {
			anew++
			if !strings.Contains(r.err, filepath.Base(asides[0])) {
				t.Errorf("byte %d: nobody is told: %s", place, r.err)
			}
			if kept, err := os.ReadFile(asides[0]); err != nil || string(kept) != string(damaged) {
				t.Errorf("byte %d: the damaged file is not kept as it was: %v", place, err)
			}
			if out := w.must(t, "zhucun-agent", "status", "--data", "a", "--json"); !strings.Contains(out, `"rebuilt":{`) || !strings.Contains(out, `"fetching":true`) {
				t.Errorf("byte %d: %s", place, out)
			}
		}
		want = append(want, id)
		slices.Sort(want)
		w.must(t, "zhucun-agent", "sync", "--data", "a")
		if got := ids("zhucun-agent", "a"); !slices.Equal(got, want) {
			t.Errorf("byte %d: the laptop has %d visits, want %d", place, len(got), len(want))
		}
		if got := ids("zhucun-server", "office"); !slices.Equal(got, want) {
			t.Errorf("byte %d: the office has %d visits, want %d", place, len(got), len(want))
		}
		if out := w.must(t, "zhucun-agent", "status", "--data", "a", "--json"); !strings.Contains(out, `"pending":0`) || strings.Contains(out, `"fetching":true`) {
			t.Errorf("byte %d: %s", place, out)
		}
		if out := w.must(t, "zhucun-agent", "verify", "--data", "a", "--json"); !strings.Contains(out, `"ok":true`) {
			t.Errorf("byte %d: %s", place, out)
		}
		w.must(t, "zhucun-server", "verify", "--data", "office")
	}
	if anew == 0 {
		t.Error("no flip did any harm")
	}
	t.Logf("%d of %d flips made a store anew", anew, len(places))
}
