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
	return f == nil || w.Role == identity.Office || f.MayWrite(string(w.Role))
}

// owns tells whether the writer may set the standing value of the field, where
// authors are those who created the record. Where the author has left for good,
// the office decides.
func (w Writer) owns(f *form.Form, policy form.Policy, authors []string) bool {
	switch policy {
	case form.Owner:
		return w.Role == identity.Office || f.Owns(string(w.Role))
	case form.Author:
		return len(authors) == 0 || slices.Contains(authors, w.Author) || w.Role == identity.Office
	}
	return true
}

// replaces tells whether the writer may put its value in the place of those that
// write observes in s. Under the policy author nobody but the office replaces
// another's value: what two people wrote who both created the record stays until
// the office decides, so that to join a record's authors late gains nothing.
func (w Writer) replaces(policy form.Policy, s State, write record.Write) bool {
	return policy != form.Author || w.Role == identity.Office || s.own(write, w.Author)
}

// voids tells whether the writer may declare a record of the form void, or live
// again. One that has fields of its author's is for its only author to withdraw;
// the first secretary answers for all of the team's.
func (w Writer) voids(f *form.Form, authors []string) bool {
	return !f.OfAuthor() || w.owns(f, form.Owner, nil) || w.Role == identity.FirstSecretary ||
		!slices.ContainsFunc(authors, func(a string) bool { return a != w.Author })
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
// before; a change that replaces something creates nothing. The answer to a question
// is for whoever may decide what was asked about, together with that.
func Permit(f *form.Form, t record.Type, s State, w Writer, body []record.Write) error {
	if w.Author == "" && len(s.Authors()) > 0 && Receipts(f, body) {
		return nil
	}
	if !w.writes(f) {
		return &Refusal{RefusedRole, "", w, t}
	}
	authors := s.Authors()
	creates := !slices.ContainsFunc(body, func(x record.Write) bool { return len(x.Observed) > 0 })
	for _, write := range body {
		if write.Path != record.Source {
			continue
		}
		if len(write.Observed) > 0 {
			return &Refusal{RefusedAuthor, write.Path, w, t}
		}
		if creates {
			authors = append(authors, w.Author)
		}
	}
	for _, write := range body {
		about, ok := write.Path.Asked()
		// Only the office asks; what stands beside goes with a decision on the same, which
		// is looked at below.
		decides := write.Path.IsProposal() && slices.ContainsFunc(body, func(x record.Write) bool { return x.Path == about })
		if ok && !decides && w.Role != identity.Office {
			return &Refusal{RefusedOwner, write.Path, w, t}
		}
	}
	if f == nil {
		return nil
	}
	for _, write := range body {
		if write.Path == record.Life && !w.voids(f, authors) {
			return &Refusal{RefusedAuthor, write.Path, w, t}
		}
		fd := f.PathField(write.Path)
		switch {
		case fd == nil:
			continue
		case fd.Receipt: // that is for the villages to say
		case write.Path.IsProposal():
			if w.owns(f, fd.Policy, authors) || s.own(write, w.Author) {
				continue
			}
		case w.owns(f, fd.Policy, authors) && w.replaces(fd.Policy, s, write):
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

// own tells whether all live values that a write replaces are author's.
func (s State) own(write record.Write, author string) bool {
	return !slices.ContainsFunc(s[write.Path].Siblings, func(sib Sibling) bool {
		return sib.Author != author && slices.Contains(write.Observed, sib.Dot)
	})
}

// by gives the dots of author's values under p.
func (s State) by(author string, p record.Path) []record.Dot {
	var ds []record.Dot
	for _, sib := range s[p].Siblings {
		if sib.Author == author {
			ds = append(ds, sib.Dot)
		}
	}
	return ds
}

// Compose gives the writes by which w sets the fields of edits (canonical
// values, Null clears) on a record of these authors that was shown in the state
// shown; without authors the record is w's own. What is shown as it should be is
// not touched, except that to give the provisional value of a conflict decides
// it: pass only what the person changed. A field that w does not own is
// proposed. A multiple choice under union is written element by element, only
// those that change.
func Compose(f *form.Form, shown State, authors []string, w Writer, edits map[string]record.Value) ([]record.Write, error) {
	if f == nil {
		return nil, errors.New("a record of an unknown type cannot be edited")
	}
	if !w.writes(f) {
		return nil, &Refusal{RefusedRole, "", w, f.Type}
	}
	var body []record.Write
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
		case !stands(fd, shown, p, v):
			for _, write := range stand(shown, p, v) {
				if write.Path == p && !w.replaces(fd.Policy, shown, write) {
					// Beside the other author's value, in the place of the own one.
					write.Observed = shown.by(w.Author, p)
				}
				body = append(body, write)
			}
		}
	}
	record.SortBody(body)
	return body, nil
}

// stands tells whether v is what the field shows, with nothing to decide. What
// the policies latest and max put behind it stays there: to save a form again
// throws nothing away. Proposals are left for a decision.
func stands(fd *form.Field, shown State, p record.Path, v record.Value) bool {
	view := View{Fields: map[string]record.Value{}}
	if siblings := shown[p].Siblings; len(siblings) > 0 {
		view.settle(p, fd, distinct(siblings))
	} else if view.propose(p.Proposal(), shown[p.Proposal()], shown); len(view.Proposals) > 0 {
		return false // only proposed: the owner's word confirms or clears it
	}
	return len(view.Conflicts) == 0 && view.shows(p, v)
}

// shows tells whether v is the value in Fields, Null being none.
func (v *View) shows(p record.Path, value record.Value) bool {
	shown, ok := v.Fields[string(p)]
	return ok && shown == value || !ok && value.IsNull()
}

// stand sets the standing value and answers the proposals that were shown with
// it.
func stand(shown State, p record.Path, v record.Value) []record.Write {
	body := []record.Write{{Path: p, Value: v, Observed: shown.Observed(p)}}
	if proposals := shown.Observed(p.Proposal()); len(proposals) > 0 {
		body = append(body, record.Write{Path: p.Proposal(), Value: v, Observed: proposals})
	}
	return body
}

// propose writes beside the standing value what w thinks should stand. It
// replaces only the proposer's own earlier proposal: those of others are the
// owner's to answer. To propose what stands takes the earlier one back.
func propose(shown State, p record.Path, w Writer, v record.Value) []record.Write {
	proposals := shown[p.Proposal()]
	write := record.Write{Path: p.Proposal(), Value: v, Observed: shown.by(w.Author, p.Proposal())}
	own := slices.DeleteFunc(slices.Clone(proposals.Siblings), func(sib Sibling) bool { return sib.Author != w.Author })
	standing := distinct(shown[p].Siblings)
	view := View{Fields: map[string]record.Value{}}
	view.propose(p.Proposal(), proposals, shown)
	switch own = distinct(own); {
	// It is what w has proposed.
	case len(own) == 1 && sameValue(own[0].Value, v):
		return nil
	case len(own) > 0:
	// It is what stands or, where nothing does, what is shown in its place.
	case len(standing) == 1 && sameValue(standing[0].Value, v), len(standing) == 0 && view.shows(p, v):
		return nil
	}
	return []record.Write{write}
}

func composeSet(shown State, p record.Path, v record.Value) []record.Write {
	var body []record.Write
	want := v.Texts()
	for _, code := range want {
		if e := p.Element(code); !holds(shown[e]) {
			body = append(body, record.Write{Path: e, Value: record.True, Observed: shown.Observed(e)})
		}
	}
	leave := func(code string) {
		e := p.Element(code)
		if !slices.Contains(want, code) && !slices.ContainsFunc(body, func(w record.Write) bool { return w.Path == e }) {
			body = append(body, record.Write{Path: e, Value: record.False, Observed: shown.Observed(e)})
		}
	}
	for e, r := range shown {
		if name, code := e.Field(); name == string(p) && code != "" && !e.IsProposal() && holds(r) {
			leave(code)
		}
	}
	// A set that an earlier form kept whole.
	for _, sib := range distinct(shown[p].Siblings) {
		for _, code := range sib.Value.Texts() {
			if len(shown[p.Element(code)].Siblings) == 0 {
				leave(code)
			}
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
// error is ErrNothing where no value was shown, and for an element of a set, which
// is in or out and has nothing to choose from; a *Refusal when w may not decide
// it. For _life v is Alive or what Void made.
func Decide(f *form.Form, shown State, w Writer, p record.Path, v record.Value) ([]record.Write, error) {
	p = p.Standing()
	_, element := p.Field()
	inSet := element != "" && f != nil && f.PathField(p) != nil
	if inSet || len(shown[p].Siblings) == 0 && len(shown[p.Proposal()].Siblings) == 0 {
		return nil, ErrNothing
	}
	body := stand(shown, p, v)
	var t record.Type
	if f != nil {
		t = f.Type
	}
	if err := Permit(f, t, shown, w, body); err != nil {
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
