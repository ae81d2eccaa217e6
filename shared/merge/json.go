package merge

import (
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// JSON is a record as commands and interfaces print it.
type JSON struct {
	Village   record.Village          `json:"village"`
	Type      record.Type             `json:"type"`
	ID        string                  `json:"id"`
	Fields    map[string]record.Value `json:"fields"`
	Conflicts map[record.Path][]Claim `json:"conflicts"`
	Proposals map[record.Path][]Claim `json:"proposals"`
	Others    map[record.Path][]Claim `json:"others,omitempty"`
	// Questions are what the office asked about registers, with the answers.
	Questions map[record.Path]*Asking `json:"questions,omitempty"`
	Marks     []Mark                  `json:"marks"`
	State     string                  `json:"state"`
	Bundled   bool                    `json:"in_bundle,omitempty"` // of "sent": in a bundle, and in no request yet
	Rejected  bool                    `json:"rejected,omitempty"`  // of "quarantined": the office decided against it, and nobody there has seen why
	Life      string                  `json:"life"`
	Erased    bool                    `json:"erased,omitempty"`
	Reason    string                  `json:"reason,omitempty"`
	Left      record.Village          `json:"left,omitempty"` // the village that it has moved to
	Source    string                  `json:"source,omitempty"`
	Authors   []string                `json:"authors,omitempty"`
	CreatedAt clock.Time              `json:"created_at,omitzero"`
	UpdatedAt clock.Time              `json:"updated_at"`
	History   []Event                 `json:"history,omitempty"`
}

// Claim is one live value and who holds it.
type Claim struct {
	Value  record.Value `json:"value"`
	Dot    string       `json:"dot"`
	Author string       `json:"author"`
	At     clock.Time   `json:"at"`
}

// Waiting is one register that waits for a person, as commands list it.
type Waiting struct {
	Village record.Village `json:"village"`
	Type    record.Type    `json:"type"`
	ID      string         `json:"id"`
	Record  string         `json:"record"` // the id again, under the name that resolve gives it
	Path    record.Path    `json:"path"`
	Kind    string         `json:"kind"` // conflict or proposal
	Title   string         `json:"title"`
	// Value is what is shown meanwhile, Values what there is to choose from.
	Value  record.Value `json:"value"`
	Values []Claim      `json:"values"`
	// Since is when it began to wait, where that is known.
	Since string `json:"since,omitempty"`
	// Question is what the office asked about it, if anything.
	Question *Asking `json:"question,omitempty"`
	// MayDecide tells whether whoever asks may decide it.
	MayDecide bool `json:"may_decide"`
}

// Asking is a question of the office, as commands and interfaces print it.
type Asking struct {
	ID     string        `json:"id"`
	Words  string        `json:"words"`
	Author string        `json:"author,omitempty"`
	At     clock.Time    `json:"at,omitzero"`
	State  QuestionState `json:"state"`
	// Moved: of one that waits, the values are others than when it was asked.
	Moved   bool    `json:"moved,omitempty"`
	Closed  bool    `json:"closed,omitempty"`
	Answers []Reply `json:"answers,omitempty"`
}

// Reply is the answer to a question: the value that was decided for, and the words
// that went with it.
type Reply struct {
	Claim
	Words string `json:"words,omitempty"`
}

// JSON gives the question as it is printed; nil is none.
func (q *Question) JSON() *Asking {
	if q == nil {
		return nil
	}
	j := &Asking{ID: q.ID.String(), Words: q.Words, Author: q.Author, At: q.At, State: q.State, Moved: q.Moved, Closed: q.Closed}
	for _, a := range q.Answers {
		j.Answers = append(j.Answers, Reply{Claim{a.Value, a.Dot.String(), a.Author, a.At}, a.Words})
	}
	return j
}

// Mark is something about a record that a person should look at.
type Mark struct {
	Path record.Path `json:"path"`
	Code string      `json:"code"`
	Text string      `json:"text"`
}

// Event is one change of a record's history, newest first in a list.
type Event struct {
	Dot    string                       `json:"dot"`
	At     clock.Time                   `json:"at"`
	Author string                       `json:"author"`
	Device string                       `json:"device,omitempty"`
	Set    map[record.Path]record.Value `json:"set"`
	// Erased tells a change whose content was erased by law.
	Erased bool `json:"erased,omitempty"`
	// Aside is there where the server set the change aside.
	Aside *Aside `json:"set_aside,omitempty"`
}

// The decisions on a change that was set aside.
const (
	Accepted = "accepted"
	Rejected = "rejected"
)

// Aside is why a change was set aside, and what the office decided on it since: ""
// while it has not.
type Aside struct {
	Reason   string     `json:"reason"`
	Detail   string     `json:"detail,omitempty"`
	Decision string     `json:"decision,omitempty"`
	By       string     `json:"by,omitempty"`
	Why      string     `json:"why,omitempty"`
	At       clock.Time `json:"at,omitzero"`
}

// The states of a record on its way, as a laptop knows them from receipts. At
// the server every record is delivered.
const (
	Local       = "local"
	Sent        = "sent"
	Delivered   = "delivered"
	Quarantined = "quarantined"
)

// JSON gives the record as it is printed.
func (v *View) JSON(k record.Key, state string, marks []Mark) JSON {
	j := JSON{
		Village: k.Village, Type: k.Type, ID: k.ID.String(), Fields: v.Fields,
		Conflicts: claims(v.Conflicts), Proposals: claims(v.Proposals), Marks: marks,
		State: state, Life: "alive", Erased: v.Erased, Reason: v.Reason, Left: v.Left, Source: v.Source, Authors: v.Authors, CreatedAt: v.Created, UpdatedAt: v.Updated,
	}
	if len(v.Others) > 0 {
		j.Others = claims(v.Others)
	}
	for p, q := range v.Questions {
		if j.Questions == nil {
			j.Questions = map[record.Path]*Asking{}
		}
		j.Questions[p] = q.JSON()
	}
	if v.Void {
		j.Life = "void"
	}
	if j.Marks == nil {
		j.Marks = []Mark{}
	}
	return j
}

func claims(m map[record.Path][]Sibling) map[record.Path][]Claim {
	out := make(map[record.Path][]Claim, len(m))
	for p, siblings := range m {
		for _, s := range siblings {
			value := s.Value
			if p == record.Life && value != Alive {
				value = record.Text("void")
			}
			out[p] = append(out[p], Claim{value, s.Dot.String(), s.Author, s.At})
		}
	}
	return out
}

// MarkVerifier is the mark of a state that somebody else should have written.
const MarkVerifier = "verifier"

// Marks gives what is to be looked at in a record: what its form finds missing
// or broken, states that somebody else should have written, values that are only proposed, and references to records that
// exists does not find. today is the date in Beijing, 2017-05-23.
func (v *View) Marks(f *form.Form, today string, lang form.Lang, exists func(record.Type, record.ID) bool) []Mark {
	if f == nil {
		return []Mark{{Code: "unknown_type", Text: form.Label{Zh: "本版本不认识这种记录", En: "This release does not know this type of record"}.In(lang)}}
	}
	if v.Erased {
		return nil // nobody can fill in what is missing
	}
	var marks []Mark
	for _, m := range f.Check(v.Fields, today) {
		marks = append(marks, Mark{m.Path, m.Code, m.Text.In(lang)})
	}
	for _, name := range v.Self {
		marks = append(marks, Mark{record.Path(name), MarkVerifier, form.Label{Zh: "核验人就是责任人，应由别人核验", En: "Closed by the very person who answers for it; somebody else should verify"}.In(lang)})
	}
	for _, name := range v.Proposed {
		marks = append(marks, Mark{record.Path(name), "proposed", form.Label{Zh: "只是建议，尚待确认", En: "Only proposed, not yet confirmed"}.In(lang)})
	}
	if exists == nil {
		return marks
	}
	for _, fd := range f.Fields {
		if fd.Kind != form.RefOne && fd.Kind != form.RefMultiple {
			continue
		}
		for _, text := range v.Fields[fd.Name].Texts() {
			if id, err := record.ParseID(text); err != nil || !exists(fd.Refers, id) {
				marks = append(marks, Mark{record.Path(fd.Name), "dangling", form.Label{Zh: "所指的记录这里还没有", En: "The record it refers to is not here yet"}.In(lang)})
				break
			}
		}
	}
	return marks
}
