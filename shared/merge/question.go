package merge

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// A question of the office about a register that waits for a decision is a register
// of the same record, record.Path.Asking, which the office alone writes; what those
// answer who decide stands beside it, as a proposal stands beside an owner's field.
// So it is a signed change like every other: delivered with receipts, the same
// whatever the order, kept by releases that know nothing of it, and erased with its
// record. A record type of its own would have outlived what it asks about where
// that is erased, a directive of the sync is in no log and no bundle, and what a
// change carries beside its body (record.Change.Extra) is in no state, of which
// alone laptops hear.
//
// The answer is the decision: one change writes both. What a question says of
// itself is how it reads in the record's state: it waits while its register waits
// and nobody has answered; it is settled where somebody decided without it.

// Question is what the office asked about a register last.
type Question struct {
	// ID names it: the change that asked. Others that asked at the same time, each
	// behind a copy of the server, are read with it and are not shown.
	ID     record.Dot
	Author string
	At     clock.Time
	Words  string
	// About are the changes whose values were against each other when it was asked.
	About []record.Dot
	State QuestionState
	// Moved tells of a question that is open that the values are others by now.
	Moved bool
	// Closed tells that the office does not ask any more, By and ClosedAt who said so:
	// it was withdrawn, or its answers were seen.
	Closed   bool
	By       string
	ClosedAt clock.Time
	// Answers are the decisions that answered it: several where people did apart.
	Answers []Answer
	seen    []record.Dot
}

// Answer is a decision that answered a question, with what was said to it.
type Answer struct {
	Dot    record.Dot
	Author string
	At     clock.Time
	Value  record.Value
	Words  string
}

// QuestionState is what has become of a question.
type QuestionState string

// The states of a question.
const (
	Asked     QuestionState = "asked"     // it waits for an answer
	Answered  QuestionState = "answered"  // somebody's decision answered it
	Settled   QuestionState = "settled"   // nothing waits there any more, and nobody answered
	Withdrawn QuestionState = "withdrawn" // the office takes it back
)

// Open tells whether the question is for the office to look at: it waits, or what has
// become of it was not seen.
func (q *Question) Open() bool {
	return !q.Closed || slices.ContainsFunc(q.Answers, func(a Answer) bool { return !slices.Contains(q.seen, a.Dot) })
}

// asked is the value of a question.
type asked struct {
	About  []string `json:"about"`
	Closed bool     `json:"closed,omitempty"`
	Of     string   `json:"of,omitempty"`
	Seen   []string `json:"seen,omitempty"`
	Words  string   `json:"words"`
}

// answer is the value beside a question: an answer, or what was taken back.
type answer struct {
	Back  []Told       `json:"back,omitempty"`
	Of    string       `json:"of,omitempty"`
	Value record.Value `json:"value,omitempty"`
	Words string       `json:"words,omitempty"`
}

// Told is a value that somebody put back, and who had written it, and when, before it
// was decided against.
type Told struct {
	Author string       `json:"author"`
	At     clock.Time   `json:"at"`
	Value  record.Value `json:"value"`
}

// MaxWords bounds a question and an answer, in characters.
const MaxWords = 500

// ErrWords says that a question has no words, or that it or an answer has too many.
var ErrWords = errors.New("a question has 1 to 500 characters, an answer at most 500")

// ErrOpen says that this very question waits for an answer already.
var ErrOpen = errors.New("this has been asked already")

// Ask gives the write by which w asks about the register p of a record that reads as
// s. ErrNothing where nothing waits there, ErrOpen, ErrWords, a *Refusal.
func Ask(f *form.Form, s State, w Writer, p record.Path, words string) (record.Write, error) {
	p = p.Standing()
	v := Read(f, s)
	words = strings.TrimSpace(words)
	n := utf8.RuneCountInString(words)
	q := v.Questions[p]
	about := dots(s.Claims(p))
	switch {
	case w.Role != identity.Office:
		return record.Write{}, &Refusal{RefusedOwner, p.Asking(), w, ""}
	case n == 0 || n > MaxWords || !utf8.ValidString(words):
		return record.Write{}, ErrWords
	case !v.waits(p):
		return record.Write{}, ErrNothing
	case q != nil && q.State == Asked && q.Words == words && !q.Moved:
		return record.Write{}, ErrOpen
	}
	return record.Write{Path: p.Asking(), Value: valueOf(asked{About: texts(about), Words: words}), Observed: s.Observed(p.Asking())}, nil
}

// Close gives the write by which the office says that it does not ask any more, or has
// seen the answers. ErrNothing where nothing is open.
func Close(f *form.Form, s State, p record.Path) (record.Write, error) {
	p = p.Standing()
	v := Read(f, s)
	q := v.Questions[p]
	if q == nil || !q.Open() {
		return record.Write{}, ErrNothing
	}
	value := asked{About: texts(q.About), Closed: true, Of: q.ID.String(), Words: q.Words}
	for _, a := range q.Answers {
		value.Seen = append(value.Seen, a.Dot.String())
	}
	return record.Write{Path: p.Asking(), Value: valueOf(value), Observed: s.Observed(p.Asking())}, nil
}

// Answer adds to the body of a decision on p for v, which was taken on the state shown,
// that it answers the question that waits there; words go with it. Without a question
// there is nothing to add.
func (s State) Answer(f *form.Form, p record.Path, v record.Value, words string, body []record.Write) ([]record.Write, error) {
	p = p.Standing()
	view := Read(f, s)
	q := view.Questions[p]
	if q == nil || q.State != Asked {
		return body, nil
	}
	words = strings.TrimSpace(words)
	if utf8.RuneCountInString(words) > MaxWords || !utf8.ValidString(words) {
		return nil, ErrWords
	}
	if p == record.Life && v != Alive {
		v = record.Text("void") // why is beside it
	}
	value := valueOf(answer{Of: q.ID.String(), Value: v, Words: words})
	beside := p.Asking().Proposal()
	body = append(body, record.Write{Path: beside, Value: value, Observed: s.Observed(beside)})
	record.SortBody(body)
	return body, nil
}

// waits tells whether a person is asked to decide on p.
func (v *View) waits(p record.Path) bool { return len(v.Conflicts[p])+len(v.Proposals[p]) > 0 }

// readQuestions makes the questions of a view that is otherwise complete.
func (v *View) readQuestions(s State) {
	for p, r := range s {
		about, ok := p.Asked()
		if !ok || p.IsProposal() || len(r.Siblings) == 0 {
			continue
		}
		q := readQuestion(r)
		if q == nil {
			continue
		}
		for _, sib := range s[p.Proposal()].Siblings {
			if a := readAnswer(sib.Value); a.Of == q.ID.String() {
				q.Answers = append(q.Answers, Answer{sib.Dot, sib.Author, sib.At, a.Value, a.Words})
			}
		}
		slices.SortFunc(q.Answers, func(a, b Answer) int {
			return Sibling{Dot: a.Dot, At: a.At}.after(Sibling{Dot: b.Dot, At: b.At})
		})
		switch {
		case len(q.Answers) > 0:
			q.State = Answered
		case q.Closed:
			q.State = Withdrawn
		case !v.waits(about):
			q.State = Settled
		default:
			q.State = Asked
			q.Moved = !slices.Equal(record.SortDots(dots(s.Claims(about))), q.About)
		}
		if v.Questions == nil {
			v.Questions = map[record.Path]*Question{}
		}
		v.Questions[about] = q
	}
}

// readQuestion gives the question that was asked last; nil where a later release says
// something else there.
func readQuestion(r Register) *Question {
	for _, sib := range slices.SortedFunc(slices.Values(r.Siblings), func(a, b Sibling) int { return b.after(a) }) {
		var x asked
		if json.Unmarshal([]byte(sib.Value), &x) != nil || x.Words == "" {
			continue
		}
		q := &Question{ID: sib.Dot, Author: sib.Author, At: sib.At, Words: x.Words, About: parseDots(x.About), Closed: x.Closed, seen: parseDots(x.Seen)}
		if x.Closed {
			q.By, q.ClosedAt, q.Author, q.At = sib.Author, sib.At, "", 0
			q.ID, _ = record.ParseDot(x.Of)
		}
		return q
	}
	return nil
}

func readAnswer(v record.Value) (a answer) {
	if strings.HasPrefix(string(v), "{") && json.Unmarshal([]byte(v), &a) != nil {
		return answer{}
	}
	return a
}

// Saying is what one value of a question's register, or of the answers beside it, says.
type Saying struct {
	Kind  string
	Words string
}

// The kinds of a Saying.
const (
	SaidQuestion = "question"
	SaidClosed   = "closed"
	SaidAnswer   = "answer"
	SaidBack     = "back"
)

// Said reads a value under p, for whoever shows a record's history.
func Said(p record.Path, v record.Value) Saying {
	if p.IsProposal() {
		a := readAnswer(v)
		if a.Of == "" {
			return Saying{SaidBack, ""}
		}
		return Saying{SaidAnswer, a.Words}
	}
	var q asked
	if json.Unmarshal([]byte(v), &q) != nil {
		q = asked{}
	}
	if q.Closed {
		return Saying{SaidClosed, q.Words}
	}
	return Saying{SaidQuestion, q.Words}
}

// Told gives the values that somebody put back under p when a decision was taken back,
// and who had written them.
func (s State) Told(p record.Path) map[Sibling]Told {
	p = p.Standing()
	var told map[Sibling]Told
	for _, note := range s[p.Asking().Proposal()].Siblings {
		back := readAnswer(note.Value).Back
		for _, t := range back {
			for _, sib := range s.Claims(p) {
				// They were written anew with the note and right behind it.
				if sib.Dot.Stream == note.Dot.Stream && sib.Dot.Seq >= note.Dot.Seq && sib.Dot.Seq-note.Dot.Seq < uint64(len(back)) && sameValue(sib.Value, t.Value) {
					if told == nil {
						told = map[Sibling]Told{}
					}
					told[sib] = t
				}
			}
		}
	}
	return told
}

// TakeBack gives the changes, one after the other, by which w undoes its decision d on
// p: everything is shown again that was shown before. s is the record now, and before
// what the decision was taken on. ErrNotLive where something else has followed.
func TakeBack(f *form.Form, s, before State, w Writer, p record.Path, d record.Dot) ([][]record.Write, error) {
	p = p.Standing()
	registers := []record.Path{p, p.Proposal()}
	for _, r := range registers {
		for _, sib := range s[r].Siblings {
			if sib.Dot != d {
				return nil, ErrNotLive
			}
		}
	}
	if len(s[p].Siblings) == 0 || s.Erased() {
		return nil, ErrNotLive
	}
	told := before.Told(p)
	var note answer
	var changes [][]record.Write
	put := func(i int, w record.Write) {
		if i == len(changes) {
			changes = append(changes, nil)
		}
		changes[i] = append(changes[i], w)
	}
	for _, r := range registers {
		values := distinct(before[r].Siblings)
		if len(values) == 0 && len(s[r].Siblings) > 0 {
			values = []Sibling{{Value: record.Null}} // nothing stood, and nothing is to stand
		}
		for i, sib := range values {
			put(i, record.Write{Path: r, Value: sib.Value, Observed: []record.Dot{d}})
			t, again := told[sib]
			if !again {
				t = Told{sib.Author, sib.At, sib.Value}
			}
			if t.Author != "" && p != record.Life {
				note.Back = append(note.Back, t)
			}
		}
	}
	beside := p.Asking().Proposal()
	if observed := s.Observed(beside); len(note.Back) > 0 || slices.Contains(observed, d) {
		put(0, record.Write{Path: beside, Value: valueOf(note), Observed: observed})
	}
	var t record.Type
	if f != nil {
		t = f.Type
	}
	for _, body := range changes {
		record.SortBody(body)
		if err := Permit(f, t, s, w, body); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func valueOf(x any) record.Value {
	raw, err := json.Marshal(x)
	if err != nil {
		panic(err) // texts and canonical values
	}
	v, err := record.ParseValue(raw)
	if err != nil {
		panic(err)
	}
	return v
}

func dots(siblings []Sibling) []record.Dot {
	ds := make([]record.Dot, len(siblings))
	for i, sib := range siblings {
		ds[i] = sib.Dot
	}
	return ds
}

func texts(ds []record.Dot) []string {
	list := make([]string, len(ds))
	for i, d := range ds {
		list[i] = d.String()
	}
	return list
}

// parseDots reads what texts wrote, sorted.
func parseDots(list []string) []record.Dot {
	var ds []record.Dot
	for _, text := range list {
		if d, err := record.ParseDot(text); err == nil {
			ds = append(ds, d)
		}
	}
	return record.SortDots(ds)
}
