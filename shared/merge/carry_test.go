package merge

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// settlement is a record in one village: its state, and by where they were first written
// all changes that it has, or had replaced before they came.
type settlement struct {
	Held
	f Frontier
}

func settle(v record.Village) *settlement {
	return &settlement{Held: Held{Village: v, State: State{}, First: map[record.Dot]record.Origin{}, Seen: map[record.Origin]bool{}}, f: Frontier{}}
}

// write applies a change of one of the village's streams, which replaces some of what is
// live there.
func (s *settlement) apply(a Applied, first record.Origin, body []record.Write) {
	s.State = Apply(s.State, s.f, a, body)
	s.f[a.Dot.Stream] = a.Dot.Seq
	s.First[a.Dot] = first
}

// take brings a record that another village has.
func (s *settlement) take(from *settlement) {
	server := record.Stream{s.Village[0], 9}
	seq := s.f[server]
	for n, c := range Carry(from.Held, s.Held, func(n int) record.Dot { return record.Dot{Stream: server, Seq: seq + 1 + uint64(n)} }) {
		s.apply(Applied{Dot: record.Dot{Stream: server, Seq: seq + 1 + uint64(n)}, At: c.At, Author: c.Author}, c.First, c.Body)
	}
	maps.Copy(s.Seen, from.Seen)
	for _, o := range from.First {
		s.Seen[o] = true
	}
}

// Wherever a record goes, and whatever is written to it in any of the villages meanwhile:
// each of them shows what it would had all of them been one, of what it has heard of.
func TestCarryIsJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		villages := []*settlement{settle("1"), settle("2"), settle("3")}
		type write struct {
			first    record.Origin
			value    record.Value
			replaces []record.Origin
		}
		written := map[record.Path][]write{}
		heard := []map[record.Origin]bool{{}, {}, {}}
		check := func(i int) {
			v := villages[i]
			for _, p := range paths {
				replaced := map[record.Origin]bool{}
				for _, w := range written[p] {
					if heard[i][w.first] {
						for _, o := range w.replaces {
							replaced[o] = true
						}
					}
				}
				want := map[record.Origin]record.Value{}
				for _, w := range written[p] {
					if heard[i][w.first] && !replaced[w.first] {
						want[w.first] = w.value
					}
				}
				got := map[record.Origin]record.Value{}
				for _, sib := range v.State[p].Siblings {
					got[v.First[sib.Dot]] = sib.Value
				}
				if len(v.State[p].Siblings) != len(got) || !maps.Equal(got, want) {
					t.Fatalf("village %s has under %s %v, not %v", v.Village, p, got, want)
				}
			}
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			i := rapid.IntRange(0, 2).Draw(t, "where")
			v := villages[i]
			if j := rapid.IntRange(0, 2).Draw(t, "from"); j != i && rapid.Bool().Draw(t, "moves") {
				v.take(villages[j])
				maps.Copy(heard[i], heard[j])
				check(i)
				if again := Carry(villages[j].Held, v.Held, func(int) record.Dot { return record.Dot{} }); len(again) > 0 {
					t.Fatalf("brought again it writes %v", again)
				}
				continue
			}
			stream := record.Stream{v.Village[0], byte(rapid.IntRange(0, 1).Draw(t, "laptop"))}
			d := record.Dot{Stream: stream, Seq: v.f[stream] + 1}
			first := record.Origin{Village: v.Village, Dot: d}
			var body []record.Write
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 1, 3, rapid.ID).Draw(t, "paths") {
				w := record.Write{Path: p, Value: record.Text(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "value"))}
				o := write{first: first, value: w.Value}
				for _, sib := range v.State[p].Siblings {
					if rapid.IntRange(0, 3).Draw(t, "shown") > 0 {
						w.Observed = append(w.Observed, sib.Dot)
						o.replaces = append(o.replaces, v.First[sib.Dot])
					}
				}
				body = append(body, w)
				written[p] = append(written[p], o)
			}
			record.SortBody(body)
			v.apply(Applied{Dot: d, At: clock.Time(rapid.IntRange(0, 5).Draw(t, "at")), Author: "王"}, first, body)
			heard[i][first] = true
			check(i)
		}
	})
}

// Each row is a record in the village that it leaves and in the one where it goes, and how
// it reads there: void, with what against each other.
func TestReturn(t *testing.T) {
	d := func(n byte, seq uint64) record.Dot { return record.Dot{Stream: record.Stream{n}, Seq: seq} }
	said := func(dot record.Dot, v record.Value, at clock.Time) Register {
		return Register{Siblings: []Sibling{{Dot: dot, Value: v, At: at, Author: "王"}}}
	}
	home := State{"phone": said(d(1, 1), `"1"`, 1)}
	left := maps.Clone(home)
	for _, w := range home.Leave("2", "迁走") {
		left[w.Path] = said(d(9, 1), w.Value, 2)
	}
	held := func(s State, dots ...record.Dot) Held { return NewHeld("1", s, dots) }
	ended := State{"phone": said(d(2, 1), `"1"`, 1), record.Life: said(d(2, 2), State{"phone": said(d(2, 1), `"1"`, 1)}.Void("不住了"), 3)}
	late := maps.Clone(left)
	late[record.Life] = Register{Siblings: append(slices.Clone(left[record.Life].Siblings), Sibling{Dot: d(3, 1), Value: home.Void("重复"), At: 4, Author: "李"})}
	edited := maps.Clone(left)
	edited["group_name"] = said(d(3, 1), `"三组"`, 4)
	alive := State{"phone": said(d(2, 1), `"1"`, 1)}
	for _, tt := range []struct {
		name     string
		back     State
		there    State
		void     bool
		conflict bool
	}{
		{"it had not left", alive, home, false, false},
		{"it comes back", alive, left, false, false},
		{"void where it was, it stays void", ended, left, true, false},
		{"declared void here by whoever did not know", alive, late, false, true},
		{"edited here by whoever did not know", alive, edited, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := Held{Village: "2", State: tt.back, First: map[record.Dot]record.Origin{d(2, 1): {Village: "1", Dot: d(1, 1)}, d(2, 2): {Village: "2", Dot: d(2, 2)}}}
			to := held(tt.there, d(1, 1), d(9, 1), d(3, 1))
			s, f := tt.there, Frontier{record.Stream{1}: 1, record.Stream{9}: 1, record.Stream{3}: 1}
			names := func(n int) record.Dot { return d(8, uint64(n+1)) }
			for n, c := range Carry(from, to, names) {
				s = Apply(s, f, Applied{Dot: names(n), At: c.At, Author: c.Author}, c.Body)
				f[names(n).Stream]++
			}
			if body := s.Return(tt.back); len(body) > 0 {
				s = Apply(s, f, Applied{Dot: d(9, 2), At: 9, Author: "厅"}, body)
			}
			v := Read(nil, s)
			if v.Void != tt.void || len(v.Conflicts[record.Life]) > 0 != tt.conflict || v.Left != "" || v.Fields["phone"] != `"1"` {
				t.Errorf("it reads %+v", v)
			}
		})
	}
}

// A record that has left reads so: void, and nothing of it waits here. What is written to
// it by whoever did not know does.
func TestLeft(t *testing.T) {
	a, b := record.Dot{Stream: record.Stream{1}, Seq: 1}, record.Dot{Stream: record.Stream{2}, Seq: 1}
	s := State{"head_name": {Siblings: []Sibling{{Dot: a, Value: `"王二"`}, {Dot: b, Value: `"王三"`}}}}
	if v := Read(nil, s); len(v.Conflicts) != 1 {
		t.Fatalf("it reads %+v", v)
	}
	f := Frontier{a.Stream: 1, b.Stream: 1}
	office := record.Dot{Stream: record.Stream{9}, Seq: 1}
	s = Apply(s, f, Applied{Dot: office, At: 5}, s.Leave("2", "迁走"))
	f[office.Stream] = 1
	if v := Read(nil, s); !v.Void || v.Left != "2" || v.Reason != "迁走" || len(v.Conflicts) != 0 {
		t.Errorf("having left it reads %+v", v)
	}
	s = Apply(s, f, Applied{Dot: record.Dot{Stream: a.Stream, Seq: 2}, At: 6}, []record.Write{{Path: "phone", Value: `"2"`}})
	if v := Read(nil, s); !v.Void || v.Left != "2" || len(v.Conflicts[record.Life]) != 2 {
		t.Errorf("with a late edit it reads %+v", v)
	}
	s = Apply(s, f, Applied{Dot: record.Dot{Stream: a.Stream, Seq: 3}, At: 7}, []record.Write{{Path: record.Life, Value: Alive, Observed: s.Observed(record.Life)}})
	if v := Read(nil, s); !v.Void || len(v.Conflicts[record.Life]) != 1 {
		t.Errorf("made valid again it reads %+v", v)
	}
}
