package merge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// ask, close and answer make changes on a copy, as the office and a laptop make them.
func (h *holder) ask(t tester, p record.Path, words string) record.Dot {
	t.Helper()
	write, err := Ask(thing, h.s, writer("厅"), p, words)
	if err != nil {
		t.Fatal(err)
	}
	return h.next("厅", []record.Write{write})
}

func (h *holder) close(t tester, p record.Path) {
	t.Helper()
	write, err := Close(thing, h.s, p)
	if err != nil {
		t.Fatal(err)
	}
	h.next("厅", []record.Write{write})
}

func (h *holder) answer(t tester, who string, p record.Path, v record.Value, words string) record.Dot {
	t.Helper()
	body, err := Decide(thing, h.s, writer(who), p, v)
	if err == nil {
		body, err = h.s.Answer(thing, p, v, words, body)
	}
	if err == nil {
		err = Permit(thing, "thing", h.s, writer(who), body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h.next(who, body)
}

func (h *holder) takeBack(t tester, who string, before State, p record.Path, d record.Dot) {
	t.Helper()
	changes, err := TakeBack(thing, h.s, before, writer(who), p, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range changes {
		h.next(who, body)
	}
}

func (h *holder) next(who string, body []record.Write) record.Dot {
	h.now++
	h.write(who, body)
	return record.Dot{Stream: people[who].stream, Seq: h.f[people[who].stream]}
}

func (h *holder) take(t tester, from *holder) {
	t.Helper()
	h.join(from.replica)
	h.now = max(h.now, from.now)
}

// tell gives what a record says of the question about p.
func tell(s State, p record.Path) string {
	v := Read(thing, s)
	q := v.Questions[p]
	if q == nil {
		return "none"
	}
	out := q.Words + " " + string(q.State)
	if q.Moved {
		out += " moved"
	}
	if q.Open() {
		out += " open"
	}
	for _, a := range q.Answers {
		out += fmt.Sprintf(" %s:%s(%s)", a.Author, show(p, a.Value), a.Words)
	}
	return out
}

// Each row is what happens to a contradiction about group, of 王 and 李, and what is
// read of the question about it then.
func TestQuestion(t *testing.T) {
	ask := func(t tester, h *holder) { h.ask(t, "group", "哪一组？") }
	tests := []struct {
		name   string
		do     func(t tester, h *holder)
		want   string
		fields string
		left   string
	}{
		{"asked", ask, "哪一组？ asked open", "group=i", "group=h,i"},
		{"answered", func(t tester, h *holder) {
			ask(t, h)
			h.answer(t, "赵", "group", `"h"`, " 问过户主 ")
		}, "哪一组？ answered open 赵:h(问过户主)", "group=h", ""},
		{"answered and seen", func(t tester, h *holder) {
			ask(t, h)
			h.answer(t, "赵", "group", `"h"`, "")
			h.close(t, "group")
		}, "哪一组？ answered 赵:h()", "group=h", ""},
		{"withdrawn", func(t tester, h *holder) {
			ask(t, h)
			h.close(t, "group")
		}, "哪一组？ withdrawn", "group=i", "group=h,i"},
		{"withdrawn and asked again", func(t tester, h *holder) {
			ask(t, h)
			h.close(t, "group")
			h.ask(t, "group", "到底哪一组？")
		}, "到底哪一组？ asked open", "group=i", "group=h,i"},
		{"other words are another question in its place", func(t tester, h *holder) {
			ask(t, h)
			h.ask(t, "group", "到底哪一组？")
		}, "到底哪一组？ asked open", "group=i", "group=h,i"},
		// Somebody whose release knows no questions, or who saved the form.
		{"decided without it", func(t tester, h *holder) {
			ask(t, h)
			h.save(t, "赵 group=k")
		}, "哪一组？ settled open", "group=k", ""},
		{"another value came in", func(t tester, h *holder) {
			other := *h
			ask(t, h)
			other.now += 5
			other.write("镇", []record.Write{{Path: "group", Value: `"m"`}})
			h.take(t, &other)
		}, "哪一组？ asked moved open", "group=m", "group=h,i,m"},
		{"answered apart, with the same", func(t tester, h *holder) {
			ask(t, h)
			other := *h
			h.answer(t, "赵", "group", `"h"`, "一")
			other.now += 5
			other.answer(t, "李", "group", `"h"`, "二")
			h.take(t, &other)
		}, "哪一组？ answered open 赵:h(一) 李:h(二)", "group=h", ""},
		{"answered apart, with others", func(t tester, h *holder) {
			ask(t, h)
			other := *h
			h.answer(t, "赵", "group", `"h"`, "")
			other.now += 5
			other.answer(t, "李", "group", `"i"`, "")
			h.take(t, &other)
		}, "哪一组？ answered open 赵:h() 李:i()", "group=i", "group=h,i"},
		// The answer was given before the laptop could know: it is to be seen all the same.
		{"withdrawn while it is answered", func(t tester, h *holder) {
			ask(t, h)
			other := *h
			h.close(t, "group")
			other.answer(t, "赵", "group", `"h"`, "户口本")
			h.take(t, &other)
		}, "哪一组？ answered open 赵:h(户口本)", "group=h", ""},
		{"asked otherwise while it is answered", func(t tester, h *holder) {
			ask(t, h)
			other := *h
			h.ask(t, "group", "到底哪一组？")
			other.answer(t, "赵", "group", `"h"`, "")
			h.take(t, &other)
		}, "到底哪一组？ settled open", "group=h", ""},
		{"the answer taken back", func(t tester, h *holder) {
			ask(t, h)
			before := h.s
			h.takeBack(t, "赵", before, "group", h.answer(t, "赵", "group", `"h"`, ""))
		}, "哪一组？ asked moved open", "group=i", "group=h,i"},
		{"asked twice at once, behind two copies of the server", func(t tester, h *holder) {
			ask(t, h)
			h.now++
			h.write("镇", []record.Write{{Path: record.Path("group").Asking(), Value: `{"about":[],"words":"二"}`}})
			h.answer(t, "赵", "group", `"h"`, "")
		}, "二 answered open 赵:h()", "group=h", ""},
		{"a question of a later release", func(t tester, h *holder) {
			h.write("厅", []record.Write{{Path: record.Path("group").Asking(), Value: `["?"]`}})
		}, "none", "group=i", "group=h,i"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := apart(t, "王 new group=g", "王 group=h", "李 group=i")
			tt.do(t, &h)
			v := Read(thing, h.s)
			if got := tell(h.s, "group"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := showFields(v); got != tt.fields {
				t.Errorf("the record reads %q, want %q", got, tt.fields)
			}
			if got := showClaims(v.Conflicts); got != tt.left {
				t.Errorf("%q waits, want %q", got, tt.left)
			}
		})
	}
}

// Who may ask, and what.
func TestAsk(t *testing.T) {
	h := apart(t, "王 new group=g note=a | 镇 status=poor", "王 group=h status=exited", "李 group=i")
	long := strings.Repeat("问", MaxWords+1)
	for _, tt := range []struct {
		name, who string
		path      record.Path
		words     string
		want      error
	}{
		{"a contradiction", "厅", "group", "哪一组？", nil},
		{"a proposal, by its own register", "厅", "status~", "真的吗？", nil},
		{"nothing waits there", "厅", "note", "?", ErrNothing},
		{"no words", "厅", "group", " ", ErrWords},
		{"too many", "厅", "group", long, ErrWords},
		{"what is no text", "厅", "group", "\xff", ErrWords},
	} {
		if _, err := Ask(thing, h.s, writer(tt.who), tt.path, tt.words); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	var refusal *Refusal
	for _, who := range []string{"王", "赵", "镇"} {
		if _, err := Ask(thing, h.s, writer(who), "group", "?"); !errors.As(err, &refusal) {
			t.Errorf("%s asks: %v", who, err)
		}
	}
	h.ask(t, "group", "哪一组？")
	if _, err := Ask(thing, h.s, writer("厅"), "group", "哪一组？"); !errors.Is(err, ErrOpen) {
		t.Errorf("asked twice: %v", err)
	}
	if _, err := h.s.Answer(thing, "group", `"h"`, long, nil); !errors.Is(err, ErrWords) {
		t.Errorf("a long answer: %v", err)
	}
	if body, err := h.s.Answer(thing, "note", `"h"`, "", nil); err != nil || body != nil {
		t.Errorf("where nobody asked: %v, %v", body, err)
	}
	if _, err := Close(thing, h.s, "status"); !errors.Is(err, ErrNothing) {
		t.Errorf("withdrawn what was not asked: %v", err)
	}
}

// Nobody but the office asks, and whoever may not decide does not answer, whatever a
// laptop sends.
func TestPermitQuestions(t *testing.T) {
	h := apart(t, "王 new group=g story=s | 镇 status=poor", "王 group=h status=exited", "李 group=i")
	h.ask(t, "group", "哪一组？")
	question := record.Write{Path: record.Path("group").Asking(), Value: `{"about":[],"words":"汇款到哪？"}`}
	beside := func(p record.Path) record.Write {
		return record.Write{Path: p.Asking().Proposal(), Value: `{"of":"x","words":"好"}`}
	}
	for _, tt := range []struct {
		name, who string
		body      []record.Write
		may       bool
	}{
		{"the office asks", "厅", []record.Write{question}, true},
		{"the team asks", "王", []record.Write{question}, false},
		{"the township asks", "镇", []record.Write{question}, false},
		{"about a field of a later form", "王", []record.Write{{Path: record.Path("mood").Asking(), Value: question.Value}}, false},
		{"with a decision", "赵", []record.Write{question, {Path: "group", Value: `"h"`}}, false},
		{"an answer with its decision", "赵", []record.Write{beside("group"), {Path: "group", Value: `"h"`}}, true},
		{"an answer without", "赵", []record.Write{beside("group")}, false},
		{"with another decision", "赵", []record.Write{beside("group"), {Path: "note", Value: `"h"`}}, false},
		{"where the township decides", "王", []record.Write{beside("status"), {Path: "status", Value: `"new"`}}, false},
		{"by the township", "镇", []record.Write{beside("status"), {Path: "status", Value: `"new"`}}, true},
		{"where the author decides", "李", []record.Write{beside("story"), {Path: "story", Value: `"t"`}}, false},
		{"by the author", "王", []record.Write{beside("story"), {Path: "story", Value: `"t"`, Observed: h.s.Observed("story")}}, true},
		{"beside a proposal", "王", []record.Write{beside("status"), {Path: "status~", Value: `"new"`}}, false},
	} {
		if err := Permit(thing, "thing", h.s, writer(tt.who), tt.body); (err == nil) != tt.may {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := Permit(nil, "dream", h.s, writer(tt.who), tt.body[:1]); tt.who != "厅" && err == nil {
			t.Errorf("%s, of a type of a later release: permitted", tt.name)
		}
	}
}

// A question neither is an edit that speaks for a record's life, nor hides from a void
// that nobody saw it; and it does not make the record a new one.
func TestQuestionIsNoEdit(t *testing.T) {
	h := apart(t, "王 new group=g", "王 group=h", "李 group=i")
	updated := Read(thing, h.s).Updated
	asked := h
	asked.ask(t, "group", "哪一组？")
	if got := Read(thing, asked.s).Updated; got != updated {
		t.Errorf("updated %v, was %v", got, updated)
	}
	h.now += 5
	h.save(t, "王 void=重复")
	h.take(t, &asked)
	if v := Read(thing, h.s); !v.Void || len(v.Conflicts[record.Life]) > 0 {
		t.Errorf("void beside a question reads %+v", v)
	}
}

// Each row is a contradiction, a decision, and that decision taken back: everything
// reads as before, and who had written it.
func TestTakeBack(t *testing.T) {
	for _, tt := range []struct {
		name, base, a, b, who string
		path                  record.Path
		value                 record.Value
		told                  string
	}{
		{"review", "王 new group=g", "王 group=h", "李 group=i", "赵", "group", `"k"`, "h王 i李"},
		{"cleared beside an edit", "王 new note=a", "王 note=-", "李 note=c", "李", "note", `"c"`, "-王 c李"},
		{"of three", "王 new level=planned", "王 level=done", "李 level=stopped | 李 group=i", "王", "level", `"doing"`, "done王 stopped李"},
		{"a proposal", "王 new | 镇 status=poor", "王 status=exited", "李 status=new", "镇", "status", `"new"`, "exited王 new李 poor镇"},
		{"what nobody had decided before", "王 new", "王 status=exited", "李 status=new", "镇", "status", `"new"`, "exited王 new李"},
		{"to the author", "王 new story=s", "李 story=t", "赵 story=u", "王", "story", `"t"`, "s王 t李 u赵"},
		{"void", "王 new note=a", "王 void=重复", "李 note=b", "王", record.Life, Alive, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := apart(t, tt.base, tt.a, tt.b)
			before := h.s
			was := Read(thing, before)
			d := h.answer(t, tt.who, tt.path, tt.value, "")
			if v := Read(thing, h.s); v.waits(tt.path) {
				t.Fatal("it is not decided")
			}
			h.takeBack(t, tt.who, before, tt.path, d)
			is := Read(thing, h.s)
			for what, pair := range map[string][2]string{
				"fields": {showFields(was), showFields(is)}, "conflicts": {showClaims(was.Conflicts), showClaims(is.Conflicts)}, "proposals": {showClaims(was.Proposals), showClaims(is.Proposals)},
			} {
				if what == "conflicts" && tt.path == record.Life {
					pair[0] = "_life=alive,void" // the void is the later one now
				}
				if was, is := strings.ReplaceAll(pair[0], "?", ""), pair[1]; tt.name == "what nobody had decided before" && what == "fields" {
					continue // it stands empty now, and the proposals beside it
				} else if was != is {
					t.Errorf("%s: %q, was %q", what, is, was)
				}
			}
			var told []string
			for _, x := range h.s.Told(tt.path) {
				told = append(told, show(tt.path, x.Value)+x.Author)
			}
			slices.Sort(told)
			if got := strings.Join(told, " "); got != tt.told {
				t.Errorf("told %q, want %q", got, tt.told)
			}
			// And again: who wrote it first is not forgotten.
			again := h.s
			h.takeBack(t, tt.who, again, tt.path, h.answer(t, tt.who, tt.path, tt.value, ""))
			if len(h.s.Told(tt.path)) < len(told) {
				t.Errorf("taken back twice: %v", h.s.Told(tt.path))
			}
		})
	}
}

// Once something has followed there is nothing to take back.
func TestTakeBackTooLate(t *testing.T) {
	h := apart(t, "王 new group=g", "王 group=h", "李 group=i")
	before := h.s
	other := h
	d := h.answer(t, "赵", "group", `"h"`, "")
	after := h
	after.save(t, "李 group=k")
	other.now += 9
	other.answer(t, "李", "group", `"i"`, "")
	beside := h
	beside.take(t, &other)
	for name, s := range map[string]State{"an edit": after.s, "another's decision": beside.s, "all gone": {}} {
		if _, err := TakeBack(thing, s, before, writer("赵"), "group", d); !errors.Is(err, ErrNotLive) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Questions are asked, answered, withdrawn and answers taken back on copies that
// exchange what they have at will: in the end all copies are equal, in whatever order
// it came; every question and answer that was made is live or was replaced by somebody
// who saw it; none waits where nothing waits, or where it is answered; and nobody was
// shown an answer that nobody gave.
func TestQuestionsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := apart(t, "王 new group=g note=a | 镇 status=poor", "王 group=h status=exited", "李 group=i status=new")
		names := []string{"王", "李", "赵", "镇", "厅"}
		copies := map[string]*holder{}
		for _, name := range names {
			c := base
			copies[name] = &c
		}
		all := map[record.Dot][]record.Write{}
		made := map[string]bool{} // answers
		note := func(who string, before Frontier, bodies ...[]record.Write) {
			for i, body := range bodies {
				all[record.Dot{Stream: people[who].stream, Seq: before[people[who].stream] + 1 + uint64(i)}] = body
			}
		}
		write := func(who string, bodies ...[]record.Write) {
			h := copies[who]
			for _, body := range bodies {
				record.SortBody(body)
			}
			note(who, h.f, bodies...)
			for _, body := range bodies {
				if err := Permit(thing, "thing", h.s, writer(who), body); err != nil {
					t.Fatalf("%s: %v", who, err)
				}
				h.next(who, body)
			}
		}
		type taken struct {
			path   record.Path
			before State
			dot    record.Dot
		}
		last := map[string]taken{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			who := rapid.SampledFrom(names).Draw(t, "who")
			h := copies[who]
			h.now += clock.Time(rapid.IntRange(0, 2).Draw(t, "later"))
			p := rapid.SampledFrom([]record.Path{"group", "status"}).Draw(t, "path")
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0, 1:
				if one, err := Ask(thing, h.s, writer(who), p, rapid.SampledFrom([]string{"一", "二"}).Draw(t, "words")); err == nil {
					write(who, []record.Write{one})
				} else if who == "厅" && !errors.Is(err, ErrNothing) && !errors.Is(err, ErrOpen) {
					t.Fatal(err)
				}
			case 2:
				if who != "厅" {
					continue
				}
				if one, err := Close(thing, h.s, p); err == nil {
					write(who, []record.Write{one})
				}
			case 3, 4:
				claims := h.s.Claims(p)
				v := rapid.SampledFrom(claims).Draw(t, "value").Value
				view := Read(thing, h.s)
				body, err := Decide(thing, h.s, writer(who), p, v)
				if err != nil || !view.waits(p) {
					continue
				}
				words := fmt.Sprint(who, len(all))
				if body, err = h.s.Answer(thing, p, v, words, body); err != nil {
					t.Fatal(err)
				}
				made[words] = true
				before := h.s
				write(who, body)
				last[who] = taken{p, before, record.Dot{Stream: people[who].stream, Seq: h.f[people[who].stream]}}
			case 5:
				if x, ok := last[who]; ok {
					changes, err := TakeBack(thing, h.s, x.before, writer(who), x.path, x.dot)
					delete(last, who)
					if err == nil {
						write(who, changes...)
						if is := Read(thing, h.s); !is.waits(x.path) {
							t.Fatal("taken back, and nothing waits")
						}
					} else if !errors.Is(err, ErrNotLive) {
						t.Fatal(err)
					}
				}
			default:
				h.take(t, copies[rapid.SampledFrom(names).Draw(t, "from")])
			}
		}
		order := rapid.Permutation(names).Draw(t, "order")
		one, two := *copies[order[0]], *copies[order[4]]
		for i := range order {
			one.take(t, copies[order[i]])
			two.take(t, copies[order[4-i]])
		}
		if !equal(one.s, two.s) {
			t.Fatalf("the order matters:\n%v\n%v", one.s, two.s)
		}
		named := map[string]bool{}
		for _, body := range all {
			for _, w := range body {
				for _, d := range w.Observed {
					named[string(w.Path)+d.String()] = true
				}
			}
		}
		for d, body := range all {
			for _, w := range body {
				if !slices.Contains(one.s.Observed(w.Path), d) && !named[string(w.Path)+d.String()] {
					t.Fatalf("%s of %s is gone, and nobody replaced it", w.Path, d)
				}
			}
		}
		v := Read(thing, one.s)
		for _, p := range slices.Sorted(maps.Keys(v.Questions)) {
			q := v.Questions[p]
			if q.State == Asked && (!v.waits(p) || q.Closed || len(q.Answers) > 0) || q.State == Answered && len(q.Answers) == 0 || q.State == Settled && v.waits(p) {
				t.Fatalf("%s: %+v", p, q)
			}
			for _, a := range q.Answers {
				if !made[a.Words] {
					t.Fatalf("nobody answered %+v", a)
				}
				if one.s[p].Siblings == nil || all[a.Dot] == nil {
					t.Fatalf("an answer without a decision: %+v", a)
				}
			}
		}
	})
}

// Whatever lies where questions lie is read: a question with words and a known state,
// or none, and printed as JSON.
func FuzzQuestion(f *testing.F) {
	f.Add([]byte(`{"about":["01000000000000000000000000000000:2"],"words":"哪一组？"}`), []byte(`{"of":"05000000000000000000000000000000:1","value":"h","words":"一"}`))
	f.Add([]byte(`{"about":[],"closed":true,"of":"05000000000000000000000000000000:1","seen":["x"],"words":"?"}`), []byte(`{"back":[{"at":"2025-01-09T10:00:00.000Z","author":"王","value":["a"]}]}`))
	f.Add([]byte(`[1]`), []byte(`null`))
	f.Fuzz(func(t *testing.T, question, answer []byte) {
		q, err := record.ParseValue(question)
		a, aerr := record.ParseValue(answer)
		if err != nil || aerr != nil {
			return
		}
		h := apart(t, "王 new group=g", "王 group=h", "李 group=i")
		p := record.Path("group").Asking()
		h.next("厅", []record.Write{{Path: p, Value: q}})
		h.next("赵", []record.Write{{Path: p.Proposal(), Value: a}})
		v := Read(thing, h.s)
		h.s.Told("group")
		if is := v.Questions["group"]; is != nil && (is.Words == "" || !slices.Contains([]QuestionState{Asked, Answered, Settled, Withdrawn}, is.State)) {
			t.Errorf("%s reads %+v", q, is)
		}
		if _, err := json.Marshal(v.JSON(record.Key{}, Delivered, nil)); err != nil {
			t.Error(err)
		}
		// And the office asks and closes over it.
		h.ask(t, "group", "?")
		h.close(t, "group")
	})
}
