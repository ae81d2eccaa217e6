package merge

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// showBody writes a body as path=value, with ×n where it replaces n values.
func showBody(body []record.Write) string {
	var out []string
	for _, w := range body {
		out = append(out, string(w.Path)+"="+show(w.Path, w.Value)+strings.Repeat("×", len(w.Observed)))
	}
	return strings.Join(out, " ")
}

// Each row is a record as it was shown, a save, and what the save writes: only
// what changes (× is a value that it replaces).
func TestCompose(t *testing.T) {
	tests := []struct{ name, base, a, b, save, want string }{
		{"first value", "王 new", "", "", "李 note=a", "note=a"},
		{"another value", "王 new note=a", "", "", "李 note=b", "note=b×"},
		{"the same value", "王 new note=a amount=3 group=g tags=road-water causes=water-road story=s", "", "", "王 note=a amount=3 group=g tags=water-road causes=road-water story=s", ""},
		{"clearing", "王 new note=a", "", "", "李 note=-", "note=-×"},
		{"clearing what is not there", "王 new", "", "", "李 note=- tags=- amount=- status=- story=-", ""},
		{"clearing what is cleared", "王 new note=a | 王 note=-", "", "", "李 note=-", ""},

		// What latest and max put behind stays when a form is saved again.
		{"latest: what is shown", "王 new note=a", "王 note=b", "李 note=c", "王 note=c", ""},
		{"latest: taken back", "王 new note=a", "王 note=b", "李 note=c", "王 note=b", "note=b××"},
		{"max: what is shown", "王 new amount=1", "王 amount=5", "李 amount=3", "王 amount=5", ""},
		{"max: corrected downward", "王 new amount=1", "王 amount=5", "李 amount=3", "王 amount=2", "amount=2××"},
		{"max: stopped is decided by giving it", "王 new level=planned", "王 level=done", "李 level=stopped", "王 level=stopped", "level=stopped××"},
		{"review: decided by giving the provisional value", "王 new group=g", "王 group=h", "李 group=i", "王 group=i", "group=i××"},
		{"review: equal answers need no decision", "王 new group=g", "王 group=h", "李 group=h", "王 group=h", ""},

		{"union: one in, one out", "王 new tags=road-water", "", "", "李 tags=water-power", "tags/power=true tags/road=false×"},
		{"union: in again", "王 new tags=road | 王 tags=-", "", "", "李 tags=road", "tags/road=true×"},
		{"union: contested and in, stays in", "王 new tags=road", "王 tags=- | 王 tags=road", "李 tags=-", "王 tags=road", ""},
		{"union: contested and taken out", "王 new tags=road", "王 tags=- | 王 tags=road", "李 tags=-", "王 tags=-", "tags/road=false××"},
		{"union: out of a set kept whole", "王 new tags!!=road", "", "", "李 tags=-", "tags/road=false"},

		{"owner sets", "王 new", "", "", "镇 status=poor", "status=poor"},
		{"team proposes", "王 new | 镇 status=poor", "", "", "王 status=exited", "status~=exited"},
		{"team gives what stands", "王 new | 镇 status=poor", "", "", "王 status=poor", ""},
		{"team proposes the same again", "王 new | 镇 status=poor | 王 status=exited", "", "", "王 status=exited", ""},
		{"team proposes otherwise", "王 new | 镇 status=poor | 王 status=exited", "", "", "王 status=new", "status~=new×"},
		{"team takes back", "王 new | 镇 status=poor | 王 status=exited", "", "", "王 status=poor", "status~=poor×"},
		{"beside another's proposal", "王 new | 镇 status=poor | 王 status=exited", "", "", "李 status=new", "status~=new"},
		{"where only a proposal is shown", "王 new status=exited", "", "", "李 status=exited", ""},
		{"where only a proposal is shown, otherwise", "王 new status=exited", "", "", "李 status=new", "status~=new"},
		{"owner confirms a proposal", "王 new status=exited", "", "", "镇 status=exited", "status=exited status~=exited×"},
		{"owner clears what is only proposed", "王 new status=exited", "", "", "镇 status=-", "status=- status~=-×"},
		{"owner answers two", "王 new | 镇 status=poor | 王 status=exited | 李 status=new", "", "", "镇 status=new", "status=new× status~=new××"},
		// A form saved for another field leaves the proposals for a decision.
		{"owner saves what stands", "王 new | 镇 status=poor | 王 status=exited", "", "", "镇 status=poor note=x", "note=x"},
		{"owner settles two owners", "王 new", "镇 status=poor", "厅 status=exited", "镇 status=exited", "status=exited××"},

		{"author edits", "王 new story=s", "", "", "王 story=t", "story=t×"},
		{"not the author", "王 new story=s", "", "", "李 story=t", "story~=t"},
		{"the office in the author's place", "王 new story=s", "", "", "厅 story=t", "story=t×"},
		{"the township is no author", "王 new story=s", "", "", "镇 story=t", "story~=t"},
		// Each writes in the place of his own; between them the office decides.
		{"co-creators both may", "", "王 new story=s", "李 new story=t", "李 story=u", "story=u×"},
		{"a third may not", "", "王 new story=s", "李 new story=t", "赵 story=u", "story~=u"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := apart(t, tt.base, tt.a, tt.b)
			words := strings.Fields(tt.save)
			edits := map[string]record.Value{}
			for _, w := range words[1:] {
				key, text, _ := strings.Cut(w, "=")
				edits[key] = value(key, text)
			}
			body, err := Compose(thing, h.s, h.s.Authors(), writer(words[0]), edits)
			if err != nil {
				t.Fatal(err)
			}
			if got := showBody(body); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(body) > 0 {
				if err := record.CheckBody(body); err != nil {
					t.Error(err)
				}
				// What the agent composes the server permits.
				if err := Permit(thing, "thing", h.s, writer(words[0]), body); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestComposeRefuses(t *testing.T) {
	var refusal *Refusal
	_, err := Compose(thing, State{}, nil, Writer{"督", identity.Inspector}, map[string]record.Value{"note": `"a"`})
	if !errors.As(err, &refusal) || refusal.Code != RefusedRole {
		t.Errorf("an inspector: %v, want %s", err, RefusedRole)
	}
	if _, err := Compose(thing, State{}, nil, writer("王"), map[string]record.Value{"nota": `"a"`}); err == nil {
		t.Error("an unknown field was taken")
	}
	if _, err := Compose(nil, State{}, nil, writer("王"), nil); err == nil {
		t.Error("a record without a form was edited")
	}
}

// Each row is one write to a record that 王 created, on which 王 has proposed a
// status, by somebody of each role (王 himself, 李 of his team, the first
// secretary, the township, the office, an inspector, a leader): y permits it, o
// and a are refused as the owner's and the author's, r for the role.
func TestPermit(t *testing.T) {
	who := []Writer{writer("王"), writer("李"), writer("赵"), writer("镇"), writer("厅"), {"督", identity.Inspector}, {"长", identity.Leader}}
	h := newHolder()
	h.save(t, "王 new note=a story=s | 镇 status=poor | 王 status=exited")
	seen := func(p record.Path) []record.Dot { return h.s.Observed(p) }
	tests := []struct {
		name  string
		write record.Write
		want  string
	}{
		{"latest", record.Write{Path: "note", Value: `"b"`, Observed: seen("note")}, "yyyyyrr"},
		{"union", record.Write{Path: "tags/road", Value: record.True}, "yyyyyrr"},
		{"max", record.Write{Path: "amount", Value: `7`}, "yyyyyrr"},
		{"review", record.Write{Path: "group", Value: `"g"`}, "yyyyyrr"},
		{"owner", record.Write{Path: "status", Value: `"new"`, Observed: seen("status")}, "oooyyrr"},
		{"owner, seen by nobody", record.Write{Path: "status", Value: `"new"`}, "oooyyrr"},
		{"a proposal", record.Write{Path: "status~", Value: `"new"`}, "yyyyyrr"},
		// Nobody but the owner answers for another.
		{"in place of the team's proposal", record.Write{Path: "status~", Value: `"new"`, Observed: seen("status~")}, "yooyyrr"},
		{"author", record.Write{Path: "story", Value: `"t"`, Observed: seen("story")}, "yaaayrr"},
		{"a proposal to the author", record.Write{Path: "story~", Value: `"t"`}, "yyyyyrr"},
		{"life", record.Write{Path: record.Life, Value: h.s.Void("twice")}, "yayyyrr"},
		// The creation stays whose it was.
		{"in place of the author", record.Write{Path: record.Source, Value: `"onsite"`, Observed: seen(record.Source)}, "aaaaarr"},
		{"unknown field", record.Write{Path: "mood", Value: `"good"`}, "yyyyyrr"},
		{"an element of the owner's field", record.Write{Path: "status/x", Value: record.True}, "yyyyyrr"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, w := range who {
				var refusal *Refusal
				switch err := Permit(thing, "thing", h.s, w, []record.Write{tt.write}); {
				case err == nil:
					got += "y"
				case errors.As(err, &refusal):
					got += refusal.Code[:1]
					if refusal.Writer != w || refusal.Code != RefusedRole && refusal.Path != tt.write.Path {
						t.Errorf("%v does not say who and what", refusal)
					}
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Who creates a record, apart or together with others, is its author at once;
// a change that replaces something creates nothing.
func TestPermitCreation(t *testing.T) {
	source := record.Write{Path: record.Source, Value: `"onsite"`}
	story := record.Write{Path: "story", Value: `"t"`}
	h := newHolder()
	h.save(t, "王 new story=s")
	over := story
	over.Observed = h.s.Observed("story")
	both := apart(t, "王 new story=s", "李 new", "")
	tests := []struct {
		name string
		s    State
		body []record.Write
		want string
	}{
		{"new", State{}, []record.Write{source, story}, ""},
		{"created apart", h.s, []record.Write{source, story}, ""},
		{"no creation", h.s, []record.Write{story}, RefusedAuthor},
		{"claimed in order to overwrite", h.s, []record.Write{source, over}, RefusedAuthor},
		{"claimed before, in order to overwrite", both.s, []record.Write{over}, RefusedAuthor},
		{"beside the other's", both.s, []record.Write{story}, ""},
		{"claimed before, in order to void", both.s, []record.Write{{Path: record.Life, Value: both.s.Void("twice")}}, RefusedAuthor},
		{"of an unknown author", State{"note": h.s["story"]}, []record.Write{story}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			var refusal *Refusal
			if errors.As(Permit(thing, "thing", tt.s, writer("李"), tt.body), &refusal) {
				got = refusal.Code
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	// A type of a later release: who writes it is not known here.
	if err := Permit(nil, "dream", State{}, Writer{"督", identity.Inspector}, []record.Write{story}); err != nil {
		t.Errorf("unknown type: %v", err)
	}
}

// Each row is a contradiction, a decision by somebody, and what everybody reads
// then.
func TestDecide(t *testing.T) {
	tests := []struct{ name, base, a, b, who, path, value, fields, left string }{
		{"review", "王 new group=g", "王 group=h", "李 group=i", "赵", "group", "h", "group=h", ""},
		{"review, by neither value", "王 new group=g", "王 group=h", "李 group=i", "王", "group", "k", "group=k", ""},
		{"review, by nothing", "王 new group=g", "王 group=h", "李 group=i", "王", "group", "-", "", ""},
		{"latest taken back", "王 new note=a", "王 note=b", "李 note=c", "王", "note", "b", "note=b", ""},
		{"owner takes a proposal", "王 new | 镇 status=poor", "王 status=exited", "李 status=new", "镇", "status~", "exited", "status=exited", ""},
		{"owner keeps what stands", "王 new | 镇 status=poor", "王 status=exited", "", "厅", "status", "poor", "status=poor", ""},
		{"team may not", "王 new | 镇 status=poor", "王 status=exited", "", "王", "status", "exited", "refused owner", ""},
		{"author takes a proposal", "王 new story=s", "李 story=t", "", "王", "story", "t", "story=t", ""},
		{"another may not", "王 new story=s", "李 story=t", "", "李", "story", "t", "refused author", ""},
		{"nor one of two authors", "", "王 new story=s", "李 new story=t", "李", "story", "t", "refused author", ""},
		{"but the office", "", "王 new story=s", "李 new story=t", "厅", "story", "t", "story=t", ""},
		{"nothing there", "王 new", "", "", "厅", "status", "x", "refused nothing", ""},
		{"who created it", "王 new", "", "", "厅", "_source", "import", "refused author", ""},
		// An element of a set is in or out: there is nothing to choose from.
		{"an element", "王 new tags=road", "", "", "厅", "tags/road", "road", "refused nothing", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := apart(t, tt.base, tt.a, tt.b)
			body, err := Decide(thing, h.s, writer(tt.who), record.Path(tt.path), value("", tt.value))
			got := ""
			var refusal *Refusal
			switch {
			case errors.As(err, &refusal):
				got = "refused " + refusal.Code
			case errors.Is(err, ErrNothing):
				got = "refused nothing"
			case err != nil:
				t.Fatal(err)
			default:
				h.write(tt.who, body)
				v := Read(thing, h.s)
				got = showFields(v)
				if left := showClaims(v.Conflicts) + showClaims(v.Proposals) + showClaims(v.Others); left != "" {
					t.Errorf("still to decide: %s", left)
				}
			}
			if got != tt.fields {
				t.Errorf("got %q, want %q", got, tt.fields)
			}
		})
	}
	if _, err := Decide(nil, State{"mood": Register{Siblings: []Sibling{{Dot: record.Dot{Seq: 1}, Value: `1`}}}}, writer("厅"), "mood", `2`); err != nil {
		t.Errorf("a record of an unknown type cannot be decided: %v", err)
	}
}

// A decision answers what was shown and nothing else.
func TestDecisionOnOldView(t *testing.T) {
	h := newHolder()
	h.save(t, "王 new group=g | 镇 status=poor | 王 status=exited")
	shown := h
	h.save(t, "李 group=h status=new")
	body, err := Decide(thing, shown.s, writer("镇"), "status", `"exited"`)
	if err != nil {
		t.Fatal(err)
	}
	h.write("镇", body)
	v := Read(thing, h.s)
	if got := showFields(v) + " / " + showClaims(v.Proposals); got != "group=h status=exited / status=new" {
		t.Errorf("got %s", got)
	}
}

func TestChoose(t *testing.T) {
	h := apart(t, "王 new group=g | 镇 status=poor", "王 group=h status=exited", "李 group=i status=new")
	dot := func(p record.Path, v record.Value) record.Dot {
		for _, sib := range h.s[p].Siblings {
			if sib.Value == v {
				return sib.Dot
			}
		}
		t.Fatalf("%s has no value %s", p, v)
		return record.Dot{}
	}
	before := dot("group", `"h"`)
	tests := []struct {
		name  string
		path  record.Path
		take  record.Dot
		value record.Value
		want  record.Value
	}{
		{"a live value", "group", before, "", `"h"`},
		{"a proposal", "status", dot("status~", `"new"`), "", `"new"`},
		{"a proposal, by its own register", "status~", dot("status~", `"exited"`), "", `"exited"`},
		{"what stands", "status", dot("status", `"poor"`), "", `"poor"`},
		{"a value given", "group", record.Dot{}, `"k"`, `"k"`},
		{"one of another register", "group", dot("status", `"poor"`), "", ""},
		{"alive", record.Life, record.Dot{}, Alive, Alive},
		{"void for a reason", record.Life, record.Dot{}, `"twice"`, h.s.Void("twice")},
		{"a life that nobody claims", record.Life, before, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h.s.Choose(thing, tt.path, tt.take, tt.value)
			if got != tt.want || (tt.want == "") != errors.Is(err, ErrNotLive) {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
	// Meanwhile somebody else has decided.
	h.save(t, "赵 group=k")
	if _, err := h.s.Choose(thing, "group", before, ""); !errors.Is(err, ErrNotLive) {
		t.Errorf("a replaced value: %v, want ErrNotLive", err)
	}
}

// genScript saves at random on a copy, by anybody.
func genScript(t *rapid.T, h *holder, steps int) {
	for range rapid.IntRange(0, steps).Draw(t, "steps") {
		words := []string{rapid.SampledFrom([]string{"王", "李", "赵", "镇", "厅"}).Draw(t, "who")}
		for name, v := range genEdits(t) {
			if v == record.Null {
				words = append(words, name+"=-")
			} else {
				words = append(words, name+"="+show("", v))
			}
		}
		slices.Sort(words[1:])
		h.save(t, strings.Join(words, " "))
	}
}

func genEdits(t *rapid.T) map[string]record.Value {
	values := map[string][]record.Value{
		"note": {record.Null, `"a"`, `"b"`}, "tags": {record.Null, `["road"]`, `["power","road"]`, `["water"]`}, "level": {record.Null, `"done"`, `"stopped"`, `"doing"`},
		"amount": {record.Null, `1`, `2`}, "group": {record.Null, `"g"`, `"h"`}, "causes": {record.Null, `["road"]`}, "status": {record.Null, `"poor"`, `"exited"`},
		"story": {record.Null, `"s"`, `"t"`},
	}
	edits := map[string]record.Value{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(values))), 0, 4, rapid.ID).Draw(t, "fields") {
		edits[name] = rapid.SampledFrom(values[name]).Draw(t, name)
	}
	return edits
}

// genMerged draws what a few people made of a record together and apart.
func genMerged(t *rapid.T) holder {
	h := newHolder()
	h.save(t, "王 new note=a story=s")
	genScript(t, &h, 4)
	// Each writes on one copy only, or the streams would fork.
	copies := map[string]*holder{}
	for _, name := range []string{"王", "李", "镇"} {
		c := h
		if rapid.Bool().Draw(t, name) {
			edits := genEdits(t)
			body, err := Compose(thing, c.s, c.s.Authors(), writer(name), edits)
			if err != nil {
				t.Fatal(err)
			}
			if len(body) > 0 {
				c.now += clock.Time(rapid.IntRange(0, 9).Draw(t, "later"))
				c.write(name, body)
			}
		}
		copies[name] = &c
	}
	for _, name := range []string{"王", "李", "镇"} {
		h.join(copies[name].replica)
		h.now = max(h.now, copies[name].now)
	}
	return h
}

// Who may set a field reads afterwards what he asked for, with nothing left to
// decide in the fields that he set.
func TestComposeGivesWhatWasAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := genMerged(t)
		edits := genEdits(t)
		before := Read(thing, h.s)
		body, err := Compose(thing, h.s, h.s.Authors(), writer("厅"), edits)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > 0 {
			h.now++
			h.write("厅", body)
		}
		after := Read(thing, h.s)
		for name, want := range edits {
			if got, ok := after.Fields[name]; ok && got != want || !ok && want != record.Null {
				t.Fatalf("asked for %s=%s, %v gives %s", name, want, showBody(body), showFields(after))
			}
			if len(after.Conflicts[record.Path(name)]) > 0 {
				t.Fatalf("asked for %s=%s, still in conflict: %s", name, want, showClaims(after.Conflicts))
			}
		}
		// And everything else is as it was.
		for name := range before.Fields {
			if _, asked := edits[name]; !asked && before.Fields[name] != after.Fields[name] {
				t.Fatalf("nobody asked for %s, and it became %s", name, after.Fields[name])
			}
		}
		// To save the same again changes nothing.
		again, err := Compose(thing, h.s, h.s.Authors(), writer("厅"), edits)
		if err != nil || len(again) > 0 {
			t.Fatalf("the same again writes %s, %v", showBody(again), err)
		}
	})
}

// Whoever does not own a field changes what it shows only where nothing stands,
// and finds his own word among the proposals.
func TestProposerChangesNothingThatStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := genMerged(t)
		before := Read(thing, h.s)
		want := rapid.SampledFrom([]record.Value{record.Null, `"poor"`, `"exited"`, `"new"`}).Draw(t, "status")
		body, err := Compose(thing, h.s, h.s.Authors(), writer("赵"), map[string]record.Value{"status": want})
		if err != nil {
			t.Fatal(err)
		}
		shown := before
		if len(body) > 0 {
			h.now++
			h.write("赵", body)
			shown = Read(thing, h.s)
		}
		stands := len(h.s["status"].Siblings) > 0
		if stands && before.Fields["status"] != shown.Fields["status"] {
			t.Fatalf("a proposal changed what stands from %s to %s", before.Fields["status"], shown.Fields["status"])
		}
		said := shown.shows("status", want)
		for _, m := range []map[record.Path][]Sibling{shown.Conflicts, shown.Proposals} {
			said = said || slices.ContainsFunc(m["status"], func(s Sibling) bool { return sameValue(s.Value, want) })
		}
		if !said {
			t.Fatalf("status=%s is nowhere to be seen: %s, proposals %s", want, showFields(shown), showClaims(shown.Proposals))
		}
		// What the others propose is still there, unless all now say: nothing.
		for _, sib := range before.Proposals["status"] {
			if sib.Value.IsNull() && shown.shows("status", record.Null) {
				continue
			}
			if sib.Author != "赵" && !slices.ContainsFunc(shown.Proposals["status"], func(s Sibling) bool { return sameValue(s.Value, sib.Value) }) {
				t.Fatalf("the proposal %s of %s is gone", sib.Value, sib.Author)
			}
		}
	})
}

// A save on a form that was opened long ago replaces nothing that it did not
// show.
func TestComposeReplacesOnlyWhatWasShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := genMerged(t)
		shown := h.s
		genScript(t, &h, 5)
		name := rapid.SampledFrom([]string{"王", "李", "镇", "厅"}).Draw(t, "saver")
		body, err := Compose(thing, shown, shown.Authors(), writer(name), genEdits(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(body) == 0 {
			return
		}
		before := h.s
		h.now++
		h.write(name, body)
		for p, r := range before {
			for _, sib := range r.Siblings {
				if !slices.Contains(shown.Observed(p), sib.Dot) && !slices.Contains(h.s.Observed(p), sib.Dot) {
					t.Fatalf("%s=%s by %s was not shown, and %s replaced it", p, sib.Value, sib.Author, showBody(body))
				}
			}
		}
	})
}
