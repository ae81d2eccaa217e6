package merge

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/record"
)

// A state that a whole stream was applied to in place is what Apply makes of it
// change by change, and no copy of it changes on the way.
func TestApplyInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, rs := genHistory(t)
		for _, r := range rs {
			own := Apply(r.s, r.f, Applied{}, nil)
			type version struct {
				s    State
				want []byte
			}
			var kept []version
			for stream, cs := range h {
				for _, c := range cs[r.f[stream]:] {
					next := Apply(r.s, r.f, c.Applied, c.body)
					kept = append(kept, version{r.s, r.s.Encode()}, version{next, next.Encode()})
					own.ApplyInPlace(r.f, c.Applied, c.body)
					if r.apply(c); !equal(own, r.s) || !equal(next, r.s) {
						t.Fatalf("in place %v, want %v", own, r.s)
					}
				}
			}
			for _, v := range kept {
				if string(v.s.Encode()) != string(v.want) {
					t.Fatalf("a copy reads %v and was %x", v.s, v.want)
				}
			}
		}
	})
}

// A change costs what it touches, however much the record has.
func TestApplyInPlaceCopiesNothing(t *testing.T) {
	s := State{}
	for i := range 4096 {
		s.ApplyInPlace(nil, Applied{Dot: record.Dot{Seq: 1}}, []record.Write{{Path: record.Path(fmt.Sprint("x", i)), Value: "0"}})
	}
	body := []record.Write{{Path: "x7", Value: "1", Observed: []record.Dot{{Seq: 1}}}}
	if n := testing.AllocsPerRun(10, func() { s.ApplyInPlace(nil, Applied{Dot: record.Dot{Seq: 2}}, body) }); n > 10 {
		t.Errorf("%v allocations for one register", n)
	}
}
