package help

import (
	"slices"
	"strings"
	"testing"

	"zhucun/shared/form"
)

// Both languages have the same topics, with the same links, and each is whole.
func TestBothLanguages(t *testing.T) {
	links := func(x Topic) (all []string) {
		for _, b := range x.Blocks {
			for _, line := range b.Lines {
				for _, s := range line {
					if s.To != "" {
						all = append(all, s.To)
					}
				}
			}
		}
		return all
	}
	steps := func(x Topic) (n int) {
		for _, b := range x.Blocks {
			if b.Steps {
				n += len(b.Lines)
			}
		}
		return n
	}
	zh, en := Topics(form.Zh), Topics(form.En)
	var ids []string
	for i, x := range zh {
		if i >= len(en) || en[i].ID != x.ID {
			t.Fatalf("%s is not the %d. topic in English", x.ID, i+1)
		}
		y := en[i]
		if x.Title == "" || y.Title == "" || len(x.Blocks) < 2 || len(x.Blocks) != len(y.Blocks) {
			t.Errorf("%s: %q with %d parts, %q with %d", x.ID, x.Title, len(x.Blocks), y.Title, len(y.Blocks))
		}
		if a, b := links(x), links(y); !slices.Equal(a, b) {
			t.Errorf("%s: leads to %q in Chinese, to %q in English", x.ID, a, b)
		}
		if steps(x) != steps(y) || steps(x) == 0 {
			t.Errorf("%s: %d steps in Chinese, %d in English", x.ID, steps(x), steps(y))
		}
		ids = append(ids, x.ID)
	}
	if len(en) != len(zh) {
		t.Errorf("%d topics in Chinese, %d in English", len(zh), len(en))
	}
	for _, need := range []string{"visit", "delivered", "conflict", "usb", "photos", "import", "laptop", "passphrase", "print", "clock", "ask"} {
		if !slices.Contains(ids, need) {
			t.Errorf("nothing is said of %s", need)
		}
	}
	for _, x := range slices.Concat(zh, en) {
		for _, to := range links(x) {
			if id, here := strings.CutPrefix(to, "#"); here && !slices.Contains(ids, id) {
				t.Errorf("%s: leads to %s, which is no topic", x.ID, to)
			}
		}
	}
}

func TestRead(t *testing.T) {
	got := read("# a One thing\nFirst [here](/x), then.\n\n1. do\n2. and [that](#b)\n\nEnd.\n")
	if len(got) != 1 || got[0].ID != "a" || got[0].Title != "One thing" || len(got[0].Blocks) != 3 || !got[0].Blocks[1].Steps || len(got[0].Blocks[1].Lines) != 2 {
		t.Fatalf("%+v", got)
	}
	if want := []Span{{"First ", ""}, {"here", "/x"}, {", then.", ""}}; !slices.Equal(got[0].Blocks[0].Lines[0], want) {
		t.Errorf("%+v", got[0].Blocks[0])
	}
}
