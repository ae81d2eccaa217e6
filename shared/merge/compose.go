package merge

import (
	"errors"
	"fmt"
	"slices"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Writer is who writes: a person's name and role.
type Writer struct {
	Author string
	Role   identity.Role
}

// writes tells whether the role may write records of the form. The office may
// write everything.
func (w Writer) writes(f *form.Form) bool {
	return f == nil || w.Role == identity.Office || slices.Contains(f.Writers, string(w.Role))
}

// owns tells whether the writer may set the standing value of the field, where
// authors are those who created the record. Where the author has left for good,
// the office decides.
func (w Writer) owns(f *form.Form, policy form.Policy, authors []string) bool {
	switch policy {
	case form.Owner:
		return w.Role == identity.Office || slices.Contains(f.Owners, string(w.Role))
	case form.Author:
		return len(authors) == 0 || slices.Contains(authors, w.Author) || w.Role == identity.Office
	}
	return true
}

// Refusal says why a change may not be made. Code is stable and travels in
// receipts; the rest is for people.
type Refusal struct {
	Code   string
	Path   record.Path
	Writer Writer
	Type   record.Type
}

// The codes of a Refusal.
const (
	RefusedRole   = "role"
	RefusedOwner  = "owner"
	RefusedAuthor = "author"
)

func (r *Refusal) Error() string {
	switch r.Code {
	case RefusedOwner:
		return fmt.Sprintf("%s may only propose %s: the township or the office decides it", r.Writer.Author, r.Path)
	case RefusedAuthor:
		return fmt.Sprintf("%s may only propose %s: the record's author decides it", r.Writer.Author, r.Path)
	}
	return fmt.Sprintf("%s (%s) may not write records of type %s", r.Writer.Author, r.Writer.Role, r.Type)
}

// Permit tells whether w may make the change body to the record in state s: nil
// or a *Refusal. The server asks it for every entry, whatever the client
// claims. The author of a record is whoever created it, in this change or
// before.
func Permit(f *form.Form, t record.Type, s State, w Writer, body []record.Write) error {
	if !w.writes(f) {
		return &Refusal{RefusedRole, "", w, t}
	}
	if f == nil {
		return nil
	}
	authors := s.Authors()
	for _, write := range body {
		if write.Path == record.Source {
			authors = append(authors, w.Author)
		}
	}
	for _, write := range body {
		fd := f.PathField(write.Path)
		if fd == nil || write.Path.IsProposal() || w.owns(f, fd.Policy, authors) {
			continue
		}
		code := RefusedOwner
		if fd.Policy == form.Author {
			code = RefusedAuthor
		}
		return &Refusal{code, write.Path, w, t}
	}
	return nil
}

// Compose gives the writes by which w sets the fields of edits (canonical
// values, Null clears) on a record of these authors that was shown in the state
// shown; without authors the record is w's own. What is as it should be is not touched; a field that w does not own is proposed. A
// multiple choice under union is written element by element, only those that
// change.
func Compose(f *form.Form, shown State, authors []string, w Writer, edits map[string]record.Value) ([]record.Write, error) {
	var body []record.Write
	if !w.writes(f) {
		return nil, &Refusal{RefusedRole, "", w, f.Type}
	}
	for name, v := range edits {
		fd := f.Field(name)
		if fd == nil {
			return nil, fmt.Errorf("form %s has no field %q", f.Type, name)
		}
		if v.IsNull() {
			v = record.Null
		}
		p := record.Path(name)
		switch {
		case fd.Policy == form.Union && fd.Many():
			body = append(body, composeSet(shown, p, v)...)
		case !w.owns(f, fd.Policy, authors):
			body = append(body, propose(shown, p, w, v)...)
		default:
			if values := distinct(shown[p].Siblings); len(values) == 0 && v == record.Null ||
				len(values) == 1 && (values[0].Value == v || v == record.Null && values[0].Value.IsNull()) {
				// It stands already. Proposals are left for a decision.
				continue
			}
			body = append(body, stand(shown, p, v)...)
		}
	}
	record.SortBody(body)
	return body, nil
}

// stand sets the standing value and answers the proposals that were shown with
// it.
func stand(shown State, p record.Path, v record.Value) []record.Write {
	body := []record.Write{{Path: p, Value: v, Observed: shown.Observed(p)}}
	if proposals := shown.Observed(p.Proposal()); len(proposals) > 0 {
		body = append(body, record.Write{Path: p.Proposal(), Value: record.Null, Observed: proposals})
	}
	return body
}

// propose writes beside the standing value. It replaces only the proposer's own
// earlier proposal: those of others are the owner's to answer.
func propose(shown State, p record.Path, w Writer, v record.Value) []record.Write {
	var own []record.Dot
	var last record.Value
	for _, sib := range shown[p.Proposal()].Siblings {
		if sib.Author == w.Author {
			own, last = append(own, sib.Dot), sib.Value
		}
	}
	standing := distinct(shown[p].Siblings)
	switch {
	case len(own) == 1 && last == v, len(own) == 0 && v == record.Null && len(standing) == 0:
		return nil
	case len(standing) == 1 && standing[0].Value == v:
		if len(own) == 0 || len(own) == 1 && last == record.Null {
			return nil
		}
		v = record.Null
	}
	return []record.Write{{Path: p.Proposal(), Value: v, Observed: own}}
}

func composeSet(shown State, p record.Path, v record.Value) []record.Write {
	var body []record.Write
	want := v.Texts()
	for _, code := range want {
		if e := p.Element(code); !holds(shown[e]) {
			body = append(body, record.Write{Path: e, Value: record.True, Observed: shown.Observed(e)})
		}
	}
	for e, r := range shown {
		if name, code := e.Field(); name == string(p) && code != "" && !e.IsProposal() && holds(r) && !slices.Contains(want, code) {
			body = append(body, record.Write{Path: e, Value: record.False, Observed: shown.Observed(e)})
		}
	}
	return body
}

func holds(r Register) bool {
	return slices.ContainsFunc(r.Siblings, func(s Sibling) bool { return s.Value == record.True })
}

// ErrNothing says that there is nothing to decide under a path.
var ErrNothing = errors.New("nothing to decide there")

// Decide gives the writes by which w settles the register p: v becomes its only
// value, and everything that was shown, proposals among it, is replaced. The
// error is a *Refusal when w may not decide it. For _life v is Alive or what
// Void made.
func Decide(f *form.Form, shown State, w Writer, p record.Path, v record.Value) ([]record.Write, error) {
	p = p.Standing()
	if len(shown[p].Siblings) == 0 && len(shown[p.Proposal()].Siblings) == 0 {
		return nil, ErrNothing
	}
	body := stand(shown, p, v)
	if err := Permit(f, f.Type, shown, w, body); err != nil {
		return nil, err
	}
	record.SortBody(body)
	return body, nil
}

// Choose gives the value to decide for: that of the change take, or else value,
// which for _life is "alive" or the reason for which the record is void. What
// take names must be live.
func (s State) Choose(f *form.Form, p record.Path, take record.Dot, value record.Value) (record.Value, error) {
	p = p.Standing()
	if take.IsZero() {
		if p == record.Life && value != Alive {
			reason, _ := value.Text()
			return s.Void(reason), nil
		}
		return value, nil
	}
	if p == record.Life {
		v := Read(f, s)
		for _, sib := range v.Conflicts[p] {
			if sib.Dot == take && sib.Value == Alive {
				return Alive, nil
			}
			if sib.Dot == take {
				return s.Void(v.Reason), nil
			}
		}
		return "", ErrNotLive
	}
	for _, sib := range s.Claims(p) {
		if sib.Dot == take {
			return sib.Value, nil
		}
	}
	return "", ErrNotLive
}

// ErrNotLive says that a value that was to be taken has been replaced
// meanwhile.
var ErrNotLive = errors.New("that value has been replaced meanwhile; look at the record again")

// Claims gives everything that is shown under a path to whoever decides: its
// live values, then the proposals.
func (s State) Claims(p record.Path) []Sibling {
	p = p.Standing()
	return slices.Concat(s[p].Siblings, s[p.Proposal()].Siblings)
}
