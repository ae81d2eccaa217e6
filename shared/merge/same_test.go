package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/form"
	"zhucun/shared/record"
)

// drawVisit makes a visit as somebody may have written it.
func drawVisit(t *rapid.T, who string) map[string]record.Value {
	fields := map[string]record.Value{}
	words := rapid.SampledFrom([]string{"", "屋顶漏雨", "想修水井", "屋顶", "老人腿脚不便\n要人照看", "a", "水井：已修"})
	for _, name := range []string{"findings", "needs", "promised"} {
		if s := words.Draw(t, who+name); s != "" {
			fields[name] = record.Text(s)
		}
	}
	for _, name := range []string{"visitors", "photos", "visit_purpose"} {
		if set := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"one", "two", "three"}), rapid.ID).Draw(t, who+name); len(set) > 0 {
			fields[name] = record.Set(set)
		}
	}
	for _, name := range []string{"satisfaction", "visit_mode"} {
		if s := rapid.SampledFrom([]string{"", "very", "fair"}).Draw(t, who+name); s != "" {
			fields[name] = record.Text(s)
		}
	}
	return fields
}

// Joining two visits loses nothing that was written, is done when it was done once, and
// parts again into what there was.
func TestUniteLosesNothing(t *testing.T) {
	f := form.Builtin().Form("visit")
	a, b := record.ID{1}, record.ID{2}
	rapid.Check(t, func(t *rapid.T) {
		author := func(who string, fields map[string]record.Value) []record.Write {
			body := []record.Write{{Path: record.Source, Value: record.Text("onsite")}}
			more, err := Compose(f, State{}, nil, Writer{Author: who, Role: "team_member"}, fields)
			if err != nil {
				t.Fatal(err)
			}
			body = append(body, more...)
			record.SortBody(body)
			return body
		}
		n := uint64(0)
		frontier := Frontier{}
		apply := func(s State, who string, body []record.Write) State {
			n++
			frontier[record.Stream{1}] = n - 1
			return Apply(s, frontier, Applied{Dot: record.Dot{Stream: record.Stream{1}, Seq: n}, At: 1, Author: who}, body)
		}
		fa, fb := drawVisit(t, "杜旺火"), drawVisit(t, "曹彤倩")
		sa, sb := apply(State{}, "杜旺火", author("杜旺火", fa)), apply(State{}, "曹彤倩", author("曹彤倩", fb))
		was, other := Read(f, sa), Read(f, sb)

		joiner := Writer{Author: rapid.SampledFrom([]string{"杜旺火", "曹彤倩", "王书记"}).Draw(t, "joiner"), Role: "first_secretary"}
		body, err := Compose(f, sa, sa.Authors(), joiner, Unite(f, was, other))
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, record.Write{Path: samePath(b), Value: record.True})
		record.SortBody(body)
		if err := Permit(f, f.Type, sa, joiner, body); err != nil {
			t.Fatalf("what joins is refused: %v", err)
		}
		joined := apply(sa, joiner.Author, body)
		view := Read(f, joined)

		reads := func(name string) string {
			all := []string{string(view.Fields[name])}
			for _, s := range view.Proposals[record.Path(name)] {
				all = append(all, string(s.Value))
			}
			return strings.Join(all, " ")
		}
		for _, fields := range []map[string]record.Value{fa, fb} {
			for _, name := range []string{"findings", "needs", "promised"} {
				if text, ok := fields[name].Text(); ok && !strings.Contains(reads(name), strings.Trim(string(record.Text(text)), `"`)) {
					t.Fatalf("%s: %q is lost; it reads %s", name, text, reads(name))
				}
			}
			for _, name := range []string{"visitors", "photos", "visit_purpose"} {
				for _, e := range fields[name].Texts() {
					if !slices.Contains(view.Fields[name].Texts(), e) {
						t.Fatalf("%s: %s is lost", name, e)
					}
				}
			}
		}
		if owns := slices.Contains(view.Authors, joiner.Author); owns {
			if again := Unite(f, view, other); len(again) > 0 {
				t.Fatalf("joined once more it changes %v", again)
			}
		}
		if LikenessOf(joined, a, sb, b) != Same || LikenessOf(sb, b, joined, a) != Same {
			t.Fatal("it does not say that they are the same")
		}

		body, err = Compose(f, joined, joined.Authors(), joiner, Part(f, joined, other, b))
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, record.Write{Path: samePath(b), Value: record.Null, Observed: joined.Observed(samePath(b))})
		record.SortBody(body)
		parted := apply(joined, joiner.Author, body)
		if now := Read(f, parted); fmt.Sprint(now.Fields) != fmt.Sprint(was.Fields) || len(now.Proposals) > 0 || LikenessOf(parted, a, sb, b) != Unsaid {
			t.Fatalf("parted it reads\n%v %v, before\n%v", now.Fields, now.Proposals, was.Fields)
		}
	})
}

// To say that a record is the same as another is no edit: a void that did not see it
// stands.
func TestSaidBesideVoid(t *testing.T) {
	f := form.Builtin().Form("visit")
	made := []record.Write{{Path: record.Source, Value: record.Text("onsite")}}
	s := Apply(State{}, Frontier{}, Applied{Dot: record.Dot{Stream: record.Stream{1}, Seq: 1}, Author: "杜旺火"}, made)
	void := Apply(s, Frontier{{1}: 1}, Applied{Dot: record.Dot{Stream: record.Stream{1}, Seq: 2}, Author: "杜旺火"}, []record.Write{{Path: record.Life, Value: s.Void("同一次")}})
	both := Apply(void, Frontier{{1}: 2}, Applied{Dot: record.Dot{Stream: record.Stream{2}, Seq: 1}, Author: "曹彤倩"}, []record.Write{{Path: samePath(record.ID{9}), Value: record.True}})
	if v := Read(f, both); !v.Void || len(v.Conflicts) > 0 {
		t.Errorf("void %v, to decide %v", v.Void, v.Conflicts)
	}
	edited := Apply(void, Frontier{{1}: 2}, Applied{Dot: record.Dot{Stream: record.Stream{2}, Seq: 1}, Author: "曹彤倩"}, []record.Write{{Path: "needs", Value: record.Text("想修水井")}})
	if v := Read(f, edited); v.Void || len(v.Conflicts) != 1 {
		t.Errorf("an edit beside a void: void %v, to decide %v", v.Void, v.Conflicts)
	}
}

// What two people said differently is asked again, and what one took back is unsaid.
func TestSaid(t *testing.T) {
	a, b := record.ID{1}, record.ID{2}
	sib := func(vs ...record.Value) State {
		var r Register
		for i, v := range vs {
			r.Siblings = append(r.Siblings, Sibling{Dot: record.Dot{Seq: uint64(i + 1)}, Value: v})
		}
		return State{samePath(b): r}
	}
	for _, tt := range []struct {
		s    State
		want Likeness
	}{{State{}, Unsaid}, {sib(record.True), Same}, {sib(record.False), Apart}, {sib(record.True, record.False), Unsaid}, {sib(record.Null), Unsaid}, {sib(record.Null, record.True), Same}} {
		if got := LikenessOf(tt.s, a, State{}, b); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.s, got, tt.want)
		}
	}
	// What a join united stands in both, though somebody says that they are two.
	for _, tt := range []struct {
		s    State
		want []record.ID
	}{{State{}, nil}, {sib(record.True), []record.ID{b}}, {sib(record.False), nil}, {sib(record.Null), nil}, {sib(record.True, record.False), []record.ID{b}}} {
		if got := tt.s.Joined(); !slices.Equal(got, tt.want) {
			t.Errorf("%v: joined with %v, want %v", tt.s, got, tt.want)
		}
	}
	if !Keeps(a, b) || Keeps(b, a) {
		t.Error("which is kept depends on who asks")
	}
}

// What waits for somebody's decision is not decided by a join, nor by undoing one; and a
// text whose other half was mended since stays as it is.
func TestJoinDecidesNothing(t *testing.T) {
	f := form.Builtin().Form("visit")
	text := func(s string) map[string]record.Value { return map[string]record.Value{"findings": record.Text(s)} }
	kept := View{Fields: text("屋顶漏雨"), Authors: []string{"杜旺火"}}
	other := View{Fields: text("想修水井"), Authors: []string{"曹彤倩"}}
	if to := Unite(f, kept, other)["findings"]; to != record.Text("屋顶漏雨\n曹彤倩：想修水井") {
		t.Fatalf("joined it is %s", to)
	}
	proposed := kept
	proposed.Proposals = map[record.Path][]Sibling{"findings": {{Value: record.Text("屋顶塌了")}}}
	if changed := Unite(f, proposed, other); len(changed) > 0 {
		t.Errorf("beside a proposal it writes %v", changed)
	}

	id := record.ID{2}
	joined := func(more ...Sibling) State {
		dot := record.Dot{Stream: record.Stream{1}, Seq: 2}
		return State{
			"findings":   {Siblings: append([]Sibling{{Dot: dot, Value: record.Text("屋顶漏雨\n曹彤倩：想修水井")}}, more...)},
			samePath(id): {Siblings: []Sibling{{Dot: dot, Value: record.True}}},
		}
	}
	if own := Part(f, joined(), other, id)["findings"]; own != record.Text("屋顶漏雨") {
		t.Errorf("parted it is %s", own)
	}
	mended := View{Fields: text("想修两口水井"), Authors: []string{"曹彤倩"}}
	if changed := Part(f, joined(), mended, id); len(changed) > 0 {
		t.Errorf("parted from what was mended since it writes %v", changed)
	}
	beside := Sibling{Dot: record.Dot{Stream: record.Stream{3}, Seq: 1}, Value: record.Text("屋顶好了")}
	if changed := Part(f, joined(beside), other, id); len(changed) > 0 {
		t.Errorf("parted beside another value it writes %v", changed)
	}
}
