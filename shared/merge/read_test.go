package merge

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// thing is a form with a field for each policy.
var thing = func() *form.Form {
	set, err := form.Load(form.Tables{
		"settings.csv": []byte("form_id,version,title::中文 (zh),title::English (en),group,key,alike,titles,writers,owners\n" +
			"thing,1,物,Thing,all,,,note,team_member first_secretary township_office office,township_office office\n"),
		"choices.csv": []byte("list_name,name,label::中文 (zh),label::English (en),also,merge\n" +
			"form_group,all,全,All,,\n" +
			"role,team_member,队员,Member,,\nrole,first_secretary,书记,Secretary,,\nrole,township_office,镇,Township,,\nrole,office,厅,Office,,\n" +
			"tag,road,路,Road,,\ntag,water,水,Water,,\ntag,power,电,Power,,\n" +
			"level,planned,计划,Planned,,\nlevel,doing,进行,Doing,,\nlevel,done,完成,Done,,\nlevel,stopped,终止,Stopped,,review\n"),
		"thing.csv": []byte("type,name,label::中文 (zh),label::English (en),required,constraint,merge\n" +
			"text,note,注,Note,,,latest\n" +
			"select_multiple tag,tags,类,Tags,,,union\n" +
			"select_one level,level,度,Level,,,max\n" +
			"decimal,amount,额,Amount,,,max\n" +
			"text,group,组,Group,,,review\n" +
			"select_multiple tag,causes,因,Causes,,,review\n" +
			"text,status,态,Status,,,owner\n" +
			"text,story,事,Story,,,author\n"),
	})
	if err != nil {
		panic(err)
	}
	return set.Form("thing")
}()

// Who writes, and each one's stream. 王 and 李 are of the team, 镇 and 厅 own.
var people = map[string]struct {
	role   identity.Role
	stream record.Stream
}{
	"王": {identity.TeamMember, record.Stream{1}},
	"李": {identity.TeamMember, record.Stream{2}},
	"赵": {identity.FirstSecretary, record.Stream{3}},
	"镇": {identity.TownshipOffice, record.Stream{4}},
	"厅": {identity.Office, record.Stream{5}},
}

func writer(name string) Writer { return Writer{name, people[name].role} }

// tester is what *testing.T and *rapid.T have in common here.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// holder is somebody's copy of the record, and the time of the next save.
type holder struct {
	replica
	now clock.Time
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

// value reads a value as the rows below have it: a number, a-b-c for a set, -
// for a cleared field, else a text.
func value(name, s string) record.Value {
	switch {
	case s == "-":
		return record.Null
	case s == "[]":
		return "[]"
	case name == "tags" || name == "causes":
		return record.Set(strings.Split(s, "-"))
	case number(s):
		return record.Value(s)
	}
	return record.Text(s)
}

// save makes the saves of a script, one after the other on this copy: "王
// note=a tags=road-water | 李@7 note=b", at the next time or the one given. new
// creates the record, void=reason and alive are said of it; a path with ! is
// written directly, whatever the policy, and replaces what the copy has there,
// with !! nothing.
func (h *holder) save(t tester, script string) {
	t.Helper()
	for step := range strings.SplitSeq(script, " | ") {
		if strings.TrimSpace(step) == "" {
			continue
		}
		words := strings.Fields(step)
		name, at, given := strings.Cut(words[0], "@")
		if people[name].stream == (record.Stream{}) {
			t.Fatalf("nobody is called %s", name)
		}
		h.now++
		if given {
			n, err := strconv.Atoi(at)
			if err != nil {
				t.Fatal(err)
			}
			h.now = clock.Time(n)
		}
		edits := map[string]record.Value{}
		authors := h.s.Authors()
		var body []record.Write
		for _, w := range words[1:] {
			key, text, _ := strings.Cut(w, "=")
			switch {
			case key == "new":
				body = append(body, record.Write{Path: record.Source, Value: `"onsite"`})
				authors = nil
			case key == "void":
				body = append(body, record.Write{Path: record.Life, Value: h.s.Void(text), Observed: h.s.Observed(record.Life)})
			case key == "alive":
				body = append(body, record.Write{Path: record.Life, Value: Alive, Observed: h.s.Observed(record.Life)})
			case strings.HasSuffix(key, "!!"):
				body = append(body, record.Write{Path: record.Path(strings.TrimSuffix(key, "!!")), Value: value("", text)})
			case strings.HasSuffix(key, "!"):
				p := record.Path(strings.TrimSuffix(key, "!"))
				body = append(body, record.Write{Path: p, Value: value("", text), Observed: h.s.Observed(p)})
			default:
				edits[key] = value(key, text)
			}
		}
		composed, err := Compose(thing, h.s, authors, writer(name), edits)
		if err != nil {
			t.Fatal(err)
		}
		h.write(name, append(body, composed...))
	}
}

// write applies a body as name's next change.
func (h *holder) write(name string, body []record.Write) {
	record.SortBody(body)
	stream := people[name].stream
	h.apply(change{Applied{Dot: record.Dot{Stream: stream, Seq: h.f[stream] + 1}, At: h.now, Author: name}, body})
}

func newHolder() holder { return holder{replica{State{}, Frontier{}}, 0} }

// apart makes the saves of base on one copy, and those of a and b on two copies
// of that; it gives what everybody has after the next sync.
func apart(t tester, base, a, b string) holder {
	t.Helper()
	one := newHolder()
	one.save(t, base)
	two, start := one, one.f
	two.now += 10 // b is later than a
	one.save(t, a)
	two.save(t, b)
	for stream, n := range one.f {
		if m := two.f[stream]; n > start[stream] && m > start[stream] {
			t.Fatal("one person writes on both sides: that is a fork, not a merge")
		}
	}
	first, second := one.replica, two.replica
	first.join(two.replica)
	second.join(one.replica)
	if !equal(first.s, second.s) {
		t.Fatalf("the two sides differ:\n%v\n%v", first.s, second.s)
	}
	return holder{first, two.now}
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

func show(p record.Path, v record.Value) string {
	switch {
	case v.IsNull():
		return "-"
	case p == record.Life && v != Alive:
		return "void"
	case v[0] == '[':
		return strings.Join(v.Texts(), "-")
	}
	return quoted.ReplaceAllString(string(v), "$1")
}

func showFields(v View) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(v.Fields)) {
		s := name + "=" + show("", v.Fields[name])
		if slices.Contains(v.Proposed, name) {
			s += "?"
		}
		out = append(out, s)
	}
	if v.Void {
		out = append(out, "void:"+v.Reason)
	}
	return strings.Join(out, " ")
}

func showClaims(m map[record.Path][]Sibling) string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(m)) {
		var values []string
		for _, s := range m[p] {
			values = append(values, show(p, s.Value))
		}
		out = append(out, string(p)+"="+strings.Join(values, ","))
	}
	return strings.Join(out, " ")
}

// Each row is one record seen on two laptops: what both had, what each made of
// it, a before b, and what everyone reads after the next sync: the fields (? is
// only proposed), what a person must decide, what is proposed, and what the
// policy put behind.
func TestRead(t *testing.T) {
	tests := []struct{ name, base, a, b, fields, conflicts, proposals, others string }{
		{"nothing", "王 new", "", "", "", "", "", ""},
		{"different fields, both kept", "王 new note=a group=g", "王 note=b", "李 group=h", "group=h note=b", "", "", ""},
		// Under every policy equal answers given apart are one value.
		{"equal answers", "王 new note=a group=g level=planned story=s", "王 note=b group=h level=done story=t", "李 note=b group=h level=done", "group=h level=done note=b story=t", "", "", ""},

		{"latest: the later is shown, the other can be taken back", "王 new note=a", "王 note=b", "李 note=c", "note=c", "", "", "note=b"},
		{"latest: by time, not by arrival", "王 new note=a", "王@9 note=b", "李@3 note=c", "note=b", "", "", "note=c"},
		{"latest: the same instant, by dot", "王 new note=a", "李@5 note=c", "王@5 note=b", "note=c", "", "", "note=b"},
		{"latest: replaced values are gone", "王 new note=a", "王 note=b | 李 note=c", "", "note=c", "", "", ""},
		{"latest: cleared beside an edit", "王 new note=a", "王 note=-", "李 note=b", "note=b", "note=-,b", "", ""},
		{"latest: an edit before the clearing", "王 new note=a", "王 note=b", "李 note=-", "", "note=b,-", "", ""},
		{"cleared on both sides", "王 new note=a", "王 note=-", "李 note=-", "", "", "", ""},
		// Clearing is an edit; an old copy does not bring the value back.
		{"cleared against untouched", "王 new note=a group=g", "王 note=-", "李 group=h", "group=h", "", "", ""},
		{"other ways of saying nothing", "王 new note=a", "王 note!=[]", "李 note=-", "", "", "", ""},

		{"union: both add", "王 new tags=road", "王 tags=road-water", "李 tags=road-power", "tags=power-road-water", "", "", ""},
		{"union: one adds, one takes out another", "王 new tags=road-water", "王 tags=road-water-power", "李 tags=road", "tags=power-road", "", "", ""},
		{"union: adding wins over taking out", "王 new tags=road", "王 tags=- | 王 tags=road", "李 tags=-", "tags=road", "", "", ""},
		{"union: taken out on both sides", "王 new tags=road", "王 tags=-", "李 tags=-", "", "", "", ""},
		{"union: all out beside one in", "王 new tags=road-water", "王 tags=-", "李 tags=road-water-power", "tags=power", "", "", ""},
		{"union: a set kept whole by an earlier form", `王 new tags!!=road`, "王 tags=road-water", "", "tags=road-water", "", "", ""},
		{"union: taken out of a set kept whole", `王 new tags!!=road`, "王 tags=water", "", "tags=water", "", "", ""},

		{"max: the highest number", "王 new amount=9", "王 amount=12", "李 amount=10.5", "amount=12", "", "", "amount=10.5"},
		{"max: the code furthest on", "王 new level=planned", "王 level=done", "李 level=doing", "level=done", "", "", "level=doing"},
		{"max: both behind where it was", "王 new level=done", "王 level=planned", "李 level=doing", "level=doing", "", "", "level=planned"},
		{"max: stopped says nothing of how far", "王 new level=planned", "王 level=done", "李 level=stopped", "level=stopped", "level=done,stopped", "", ""},
		{"max: stopped on both sides", "王 new level=planned", "王 level=stopped", "李 level=stopped", "level=stopped", "", "", ""},
		{"max: cleared beside an edit", "王 new amount=9", "王 amount=12", "李 amount=-", "", "amount=12,-", "", ""},
		{"max: a code of another release", "王 new level=planned", "王 level=done", "李 level=sold", "level=sold", "level=done,sold", "", ""},
		{"max: a number among codes", "王 new level=planned", "王 level=done", "李 level!=7", "level=7", "level=done,7", "", ""},
		{"max: a text among numbers", "王 new amount=1", "王 amount=2", "李 amount!=many", "amount=many", "amount=2,many", "", ""},

		{"review: both kept, the later is provisional", "王 new group=g", "王 group=h", "李 group=i", "group=i", "group=h,i", "", ""},
		{"review: cleared beside an edit", "王 new group=g", "王 group=-", "李 group=h", "group=h", "group=-,h", "", ""},
		{"review: a set is one value", "王 new causes=road", "王 causes=road-water", "李 causes=power", "causes=power", "causes=road-water,power", "", ""},
		// The conflict holds distinct values, each as it was last given.
		{"review: three people, two values", "王 new group=g", "王 group=h | 赵 group=i", "李 group=i", "group=i", "", "", ""},

		{"owner: alone and marked where nothing stands", "王 new", "王 status=poor", "", "status=poor?", "", "status=poor", ""},
		{"owner: beside what stands", "王 new | 镇 status=poor", "王 status=exited", "", "status=poor", "", "status=exited", ""},
		{"owner: two propose", "王 new | 镇 status=poor", "王 status=exited", "李 status=new", "status=poor", "", "status=exited,new", ""},
		{"owner: two propose where nothing stands", "王 new", "王 status=exited", "李 status=new", "status=new?", "", "status=exited,new", ""},
		{"owner: a second proposer who has seen the first", "王 new | 镇 status=poor", "王 status=exited | 李 status=new", "", "status=poor", "", "status=exited,new", ""},
		{"owner: a proposer changes his mind", "王 new | 镇 status=poor", "王 status=exited | 王 status=new", "", "status=poor", "", "status=new", ""},
		{"owner: a proposer takes it back", "王 new | 镇 status=poor", "王 status=exited | 王 status=poor", "", "status=poor", "", "", ""},
		{"owner: one takes back, another does not", "王 new | 镇 status=poor", "王 status=exited | 李 status=new | 王 status=poor", "", "status=poor", "", "status=new", ""},
		{"owner: to clear is a proposal", "王 new | 镇 status=poor", "王 status=-", "", "status=poor", "", "status=-", ""},
		{"owner: clearing somebody's proposal says so", "王 new", "王 status=poor | 李 status=-", "", "status=poor?", "", "status=poor,-", ""},
		{"owner: taken back where nothing stood", "王 new", "王 status=poor | 王 status=-", "", "", "", "", ""},
		{"owner: proposing what stands", "王 new | 镇 status=poor", "王 status=poor", "李 status=poor", "status=poor", "", "", ""},
		{"owner: decided as proposed", "王 new | 王 status=poor", "镇 status=poor", "", "status=poor", "", "", ""},
		{"owner: decided otherwise", "王 new | 王 status=poor", "镇 status=exited", "", "status=exited", "", "", ""},
		{"owner: decided that nothing stands", "王 new | 镇 status=new | 王 status=poor", "镇 status=-", "", "", "", "", ""},
		// What the owner had not seen is still to be answered.
		{"owner: a proposal beside the decision", "王 new | 王 status=poor", "镇 status=exited", "李 status=new", "status=exited", "", "status=new", ""},
		{"owner: a new proposal after the decision", "王 new | 王 status=poor | 镇 status=exited", "王 status=poor", "", "status=exited", "", "status=poor", ""},
		{"owner: a later decision answers the earlier answer", "王 new | 王 status=poor | 镇 status=exited", "厅 status=new", "", "status=new", "", "", ""},
		{"owner: two owners apart", "王 new | 王 status=poor", "镇 status=exited", "厅 status=new", "status=new", "status=exited,new", "", ""},

		{"author: his own edit", "王 new story=s", "王 story=t", "", "story=t", "", "", ""},
		{"author: another's is a proposal", "王 new story=s", "李 story=t", "", "story=s", "", "story=t", ""},
		{"author: the author takes it up", "王 new story=s | 李 story=t", "王 story=t", "", "story=t", "", "", ""},
		{"author: the office may decide", "王 new story=s | 李 story=t", "厅 story=u", "", "story=u", "", "", ""},
		{"author: another's beside the author's edit", "王 new story=s", "王 story=t", "李 story=u", "story=t", "", "story=u", ""},

		{"unknown field: both kept", "王 new mood!=good", "王 mood!=bad", "李 mood!=fair", "mood=fair", "mood=bad,fair", "", ""},
		{"unknown elements are a set", "王 new", "王 moods/good!=x", "李 moods/bad!=x", "", "", "", ""},
		// An element must not stand in the place of a field that has none.
		{"element of a field without elements", "王 new | 镇 status=poor", "李 status/rich!=yes", "", "status=poor status/rich=yes", "", "", ""},
		{"proposal for an element", "王 new tags=road", "王 tags/water~!=yes", "李 tags/power~!=yes", "tags=road tags/power=yes? tags/water=yes?", "", "tags/power=yes tags/water=yes", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Read(thing, apart(t, tt.base, tt.a, tt.b).s)
			got := []string{showFields(v), showClaims(v.Conflicts), showClaims(v.Proposals), showClaims(v.Others)}
			want := []string{tt.fields, tt.conflicts, tt.proposals, tt.others}
			if !slices.Equal(got, want) {
				t.Errorf("fields, conflicts, proposals, others:\ngot  %q\nwant %q", got, want)
			}
		})
	}
}

// Each row is one record, declared void on one side: what everybody reads of
// its life afterwards.
func TestLife(t *testing.T) {
	tests := []struct{ name, base, a, b, want, conflicts string }{
		{"void, and nobody wrote", "王 new note=a", "王 void=twice", "", "note=a void:twice", ""},
		{"void beside an edit", "王 new note=a", "王 void=twice", "李 note=b", "note=b", "_life=void,alive"},
		{"an edit before the void", "王 new note=a", "李 note=b", "王 void=twice", "note=b", "_life=alive,void"},
		{"void beside a proposal", "王 new note=a", "镇 void=twice", "李 status=poor", "note=a status=poor?", "_life=void,alive"},
		{"void on both sides", "王 new note=a", "王 void=twice", "李 void=moved", "note=a void:moved", ""},
		// Each saw the other's edit or made his own: between them all was seen.
		{"void on both sides, an edit on one", "王 new note=a", "王 note=b | 王 void=twice", "李 void=moved", "note=b void:moved", ""},
		{"void and edited in one save", "王 new note=a", "王 note=b void=twice", "", "note=b void:twice", ""},
		{"edit after void", "王 new note=a | 王 void=twice", "李 note=b", "", "note=b", "_life=void,alive"},
		{"alive again", "王 new note=a | 王 void=twice", "李 alive", "", "note=a", ""},
		{"alive beside void again", "王 new note=a | 王 void=twice", "李 alive", "王 void=really", "note=a", "_life=alive,void"},
		{"created apart beside void", "王 new note=a", "王 void=twice", "李 new note!!=a", "note=a", "_life=void,alive"},
		{"a life of another release is no death", "王 new note=a _life!=asleep", "", "", "note=a", ""},
		{"a life of another release beside void", "王 new note=a", "王 void=twice", "李 _life!=asleep", "note=a", "_life=void,alive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := apart(t, tt.base, tt.a, tt.b)
			v := Read(thing, h.s)
			if got := showFields(v); got != tt.want || showClaims(v.Conflicts) != tt.conflicts {
				t.Fatalf("got %q, conflicts %q; want %q, %q", got, showClaims(v.Conflicts), tt.want, tt.conflicts)
			}
			// Whatever there is to decide can be decided either way, and then stays.
			for _, claim := range v.Conflicts[record.Life] {
				value, err := h.s.Choose(thing, record.Life, claim.Dot, "")
				if err != nil {
					t.Fatal(err)
				}
				body, err := Decide(thing, h.s, writer("厅"), record.Life, value)
				if err != nil {
					t.Fatal(err)
				}
				decided := h
				decided.write("厅", body)
				v := Read(thing, decided.s)
				if want := claim.Value != Alive; v.Void != want || len(v.Conflicts) > 0 || want && v.Reason == "" {
					t.Errorf("decided for %s: void %v for %q, conflicts %q", show(record.Life, claim.Value), v.Void, v.Reason, showClaims(v.Conflicts))
				}
			}
		})
	}
}

func TestReadEnvelope(t *testing.T) {
	h := apart(t, "", "王@20 new note=a", "李@10 new note=b")
	v := Read(thing, h.s)
	if v.Source != "onsite" || v.Created != 10 || v.Updated != 20 || !slices.Equal(v.Authors, []string{"李", "王"}) {
		t.Errorf("got source %q, created %d, updated %d, authors %q", v.Source, v.Created, v.Updated, v.Authors)
	}
	// Without a form every contradiction is a person's to decide.
	v = Read(nil, apart(t, "王 new note=a tags=road", "王 note=b", "李 note=c tags=road-water").s)
	if got := showFields(v) + " / " + showClaims(v.Conflicts); got != "note=c tags=road-water / note=b,c" {
		t.Errorf("without a form: %s", got)
	}
	if j := v.JSON(record.Key{}, Delivered, nil); j.Conflicts == nil || j.Proposals == nil || j.Marks == nil || j.Others != nil {
		t.Errorf("conflicts, proposals and marks are always there, others where there are some: %+v", j)
	}
	marks := v.Marks(nil, "2017-05-23", form.En, nil)
	if len(marks) != 1 || marks[0].Code != "unknown_type" {
		t.Errorf("marks %v", marks)
	}
}

// genState draws a state that no honest history need have led to.
func genState(t *rapid.T) State {
	paths := []record.Path{"note", "tags", "tags/road", "tags/water", "level", "amount", "group", "status", "status~", "status/x", "story", "story~",
		"mood", "mood/a", "mood~", "tags/road~", "_life", "_source", "_same", "~", "/", "a~~"}
	values := []record.Value{record.Null, record.True, record.False, `"a"`, `"b"`, `"done"`, `"stopped"`, `"alive"`, `""`, `[]`, `["road"]`, `["power","road"]`,
		`7`, `12.5`, `[114.2,29.1]`, `{"reason":"r","saw":["01000000000000000000000000000000:1"],"void":true}`, `{"void":true}`, `{"void":"x"}`}
	// A change has one time and one author wherever it wrote.
	changes := map[record.Dot]Sibling{}
	s := State{}
	for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 0, 8, rapid.ID).Draw(t, "paths") {
		var r Register
		for stream := range byte(4) {
			for range rapid.IntRange(0, 2).Draw(t, "siblings") {
				d := record.Dot{Stream: record.Stream{stream}, Seq: uint64(len(r.Siblings) + 1)}
				sib, known := changes[d]
				if !known {
					sib = Sibling{Dot: d, At: clock.Time(rapid.IntRange(0, 3).Draw(t, "at")), Author: rapid.SampledFrom([]string{"王", "李"}).Draw(t, "author")}
					changes[d] = sib
				}
				sib.Value = rapid.SampledFrom(values).Draw(t, "value")
				r.Siblings = append(r.Siblings, sib)
			}
		}
		if rapid.IntRange(0, 5).Draw(t, "cloud") == 0 {
			r.Cloud = []record.Dot{{Stream: record.Stream{9}, Seq: 1}}
		}
		s.Set(p, r)
	}
	return s
}

// Read gives every state a view, does not change the state, and sees no order
// in the siblings or in the map.
func TestReadIsPureTotalAndUnordered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genState(t)
		f := rapid.SampledFrom([]*form.Form{thing, nil}).Draw(t, "form")
		before := fmt.Sprint(s)
		want := fmt.Sprintf("%+v", Read(f, s))
		for range 4 {
			mixed := State{}
			for _, p := range slices.Sorted(maps.Keys(s)) {
				r := s[p]
				r.Siblings = rapid.Permutation(r.Siblings).Draw(t, "order")
				mixed[p] = r
			}
			if got := fmt.Sprintf("%+v", Read(f, mixed)); got != want {
				t.Fatalf("another order of the same siblings reads\n%s\nnot\n%s", got, want)
			}
		}
		if fmt.Sprint(s) != before {
			t.Fatal("reading changed the state")
		}
		// Every live value is told: shown, or among what is beside it.
		v := Read(f, s)
		for p, r := range s {
			name, element := p.Field()
			if p.System() || p.IsProposal() || element != "" || f != nil && f.Field(name) != nil && f.Field(name).Policy == form.Union {
				continue
			}
			for _, sib := range r.Siblings {
				told := v.Fields[string(p)] == sib.Value || sib.Value.IsNull() && len(distinct(r.Siblings)) == 1
				for _, m := range []map[record.Path][]Sibling{v.Conflicts, v.Others} {
					told = told || slices.ContainsFunc(m[p], func(s Sibling) bool { return sameValue(s.Value, sib.Value) })
				}
				if !told {
					t.Fatalf("%s=%s is live and nowhere in %+v", p, sib.Value, v)
				}
			}
		}
	})
}

// What the office has erased is void, for good, whatever somebody writes beside it;
// whoever does not know the word reads a void record.
func TestErased(t *testing.T) {
	for _, tt := range []struct{ name, base, a, b, want string }{
		{"erased", "", "", "", "void:bylaw"},
		{"beside an edit", "王 new note=a", "", "李 note=b", "note=b void:bylaw"},
		{"beside a void", "王 new note=a", "", "李 void=twice", "note=a void:bylaw"},
		{"beside a life", "王 new note=a | 王 void=twice", "", "李 alive", "note=a void:bylaw"},
	} {
		h := apart(t, tt.base, tt.a, tt.b)
		h.write("厅", []record.Write{{Path: record.Life, Value: Erasure("bylaw")}})
		v := Read(thing, h.s)
		if got := showFields(v); got != tt.want || !v.Erased || !h.s.Erased() || len(v.Conflicts[record.Life]) != 0 {
			t.Errorf("%s: %q, %+v; want %q", tt.name, got, v, tt.want)
		}
	}
	if h := apart(t, "王 new note=a | 王 void=twice", "", ""); h.s.Erased() || Read(thing, h.s).Erased {
		t.Error("a void record counts as erased")
	}
	if Erases(Alive) || Erases(record.Null) || Erases(`{"erased":true,"reason":"","saw":[]}`) || !Erases(Erasure("")) {
		t.Error("what erases is read wrongly")
	}
}
