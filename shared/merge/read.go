package merge

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"zhucun/shared/clock"
	"zhucun/shared/flow"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// View is a record as a person reads it: one value a field, and beside it what
// the field's policy could not or need not settle.
type View struct {
	// Fields holds the value of each field that has one: by name, a multiple
	// choice as its sorted set. A cleared field is not in it.
	Fields map[string]record.Value
	// Conflicts holds, for each register that a person must decide, its distinct
	// values in the order in which they were written. The provisional one is in
	// Fields.
	Conflicts map[record.Path][]Sibling
	// Proposals holds what others than the owner of a field propose for it.
	Proposals map[record.Path][]Sibling
	// Others holds the values that the policies latest and max put behind the
	// one in Fields. They can be taken back.
	Others map[record.Path][]Sibling
	// Self lists the fields whose value stands by the word of whoever it should be kept
	// from: an issue that was closed by the very person who answers for it.
	Self []string
	// Proposed lists the fields whose value in Fields is only a proposal, since
	// nothing stands yet.
	Proposed []string
	// Questions holds, for each register about which the office has asked, what it
	// asked last and what became of it.
	Questions map[record.Path]*Question
	// Void tells a record that somebody declared void, and why; Erased one whose
	// content the office has erased, which is void as well.
	Void   bool
	Erased bool
	Reason string
	// Left is the village that the record has moved to; "" where it has not. It is void
	// here then, and what waited for a decision waits there. Where something here speaks
	// for its life still, that alone is a conflict.
	Left record.Village
	// Authors are those who created the record, apart or together.
	Authors []string
	// Source is how the record came about, Created when, Updated its last change.
	Source           string
	Created, Updated clock.Time
}

// Waits tells whether there is anything to choose from under a path: conflicting
// values, proposals, or values that a policy has put behind another.
func (v *View) Waits(p record.Path) bool {
	p = p.Standing()
	return len(v.Conflicts[p])+len(v.Proposals[p])+len(v.Others[p]) > 0
}

// Read gives the view of s by the policies of f. Without a form (the type is
// of a later release), and for fields that f does not know, every contradiction
// is a conflict.
func Read(f *form.Form, s State) View {
	v := View{Fields: make(map[string]record.Value, len(s))}
	var sets map[string][]string
	questions := false
	for p, r := range s {
		if _, about := p.Asked(); about {
			questions = true
			continue // what is asked about a record says nothing of it
		}
		for _, sib := range r.Siblings {
			v.Updated = max(v.Updated, sib.At)
		}
		if len(r.Siblings) == 0 {
			continue
		}
		if p.System() {
			v.system(p, r, s)
			continue
		}
		if p.IsProposal() {
			v.propose(p, r, s)
			continue
		}
		if name, codes, ok := members(f, s, p, r); ok {
			if sets == nil {
				sets = map[string][]string{}
			}
			sets[name] = append(sets[name], codes...)
			continue
		}
		var fd *form.Field
		if f != nil {
			fd = f.Field(string(p))
		}
		v.settle(p, fd, distinct(r.Siblings))
	}
	for name, codes := range sets {
		if len(codes) > 0 {
			v.Fields[name] = record.Set(codes)
		}
	}
	if v.Left != "" {
		v.leave(s)
	}
	if questions {
		v.readQuestions(s)
	}
	if f != nil {
		v.self(flow.Of(f.Type), s)
	}
	return v
}

// self finds a state that was written by whoever answers for the record, where that is
// for somebody else.
func (v *View) self(w *flow.Flow, s State) {
	if w == nil || w.Verified == "" {
		return
	}
	state, _ := v.Fields[w.State].Text()
	owner, _ := v.Fields[w.Owner].Text()
	for _, sib := range s[record.Path(w.State)].Siblings {
		if sib.Value == v.Fields[w.State] && w.Self(state, sib.Author, owner) {
			v.Self = []string{w.State}
			return
		}
	}
}

// members gives the elements that register p adds to the set of a field; ok is
// false for a register that is no part of a set, such as an element of a field
// that f does not keep by elements: it must not stand in the field's place. Under
// the policy union whoever adds an element wins over whoever takes it out
// unseen. A set that an earlier form kept whole counts as far as its elements
// have no registers of their own.
func members(f *form.Form, s State, p record.Path, r Register) (name string, codes []string, ok bool) {
	name, element := p.Field()
	var fd *form.Field
	if f != nil {
		fd = f.Field(name)
	}
	switch union := fd != nil && fd.Policy == form.Union && fd.Many(); {
	case element != "" && (union || fd == nil && len(s[record.Path(name)].Siblings) == 0):
		if holds(r) {
			codes = []string{element}
		}
		return name, codes, true
	case element == "" && union:
		for _, sib := range r.Siblings {
			for _, code := range sib.Value.Texts() {
				if len(s[p.Element(code)].Siblings) == 0 {
					codes = append(codes, code)
				}
			}
		}
		return name, codes, true
	}
	return "", nil, false
}

// settle applies the field's policy to the distinct values, oldest first.
func (v *View) settle(p record.Path, fd *form.Field, values []Sibling) {
	last := values[len(values)-1]
	if len(values) > 1 {
		policy := form.Review
		if fd != nil {
			policy = fd.Policy
		}
		cleared := slices.ContainsFunc(values, func(s Sibling) bool { return s.Value.IsNull() })
		switch {
		// Clearing beside an edit goes to review under every policy.
		case cleared:
			put(&v.Conflicts, p, values)
		case policy == form.Latest:
			put(&v.Others, p, values[:len(values)-1])
		case policy == form.Max:
			if top, ok := largest(fd, values); ok {
				last = values[top]
				put(&v.Others, p, slices.Concat(values[:top], values[top+1:]))
				break
			}
			put(&v.Conflicts, p, values)
		default:
			put(&v.Conflicts, p, values)
		}
	}
	if !last.Value.IsNull() {
		v.Fields[string(p)] = last.Value
	}
}

// propose shows what is proposed for a field, beside the standing value or,
// where nothing stands yet, alone and marked. A proposal is what its author
// thinks should stand; where that stands, alone or beside other values, there is
// nothing to show.
func (v *View) propose(p record.Path, r Register, s State) {
	name := string(p.Standing())
	standing := distinct(s[p.Standing()].Siblings)
	var proposals []Sibling
	last := record.Null
	for _, sib := range distinct(r.Siblings) {
		if slices.ContainsFunc(standing, func(s Sibling) bool { return sameValue(s.Value, sib.Value) }) {
			continue
		}
		proposals = append(proposals, sib)
		if !sib.Value.IsNull() {
			last = sib.Value
		}
	}
	// To propose that nothing should stand where nothing does is no proposal,
	// unless somebody else proposes something.
	if len(proposals) == 0 || len(standing) == 0 && last == record.Null {
		return
	}
	put(&v.Proposals, p.Standing(), proposals)
	if len(standing) == 0 {
		v.Fields[name] = last
		at, _ := slices.BinarySearch(v.Proposed, name)
		v.Proposed = slices.Insert(v.Proposed, at, name)
	}
}

// sameValue tells whether two values say the same: there are several ways of saying
// nothing.
func sameValue(a, b record.Value) bool { return a == b || a.IsNull() && b.IsNull() }

func (v *View) system(p record.Path, r Register, s State) {
	switch p {
	case record.Source:
		first := slices.MinFunc(r.Siblings, Sibling.after)
		v.Created = first.At
		v.Source, _ = first.Value.Text()
		v.Authors = authors(r)
	case record.Life:
		v.life(r, s)
	case record.Left:
		to, _ := slices.MaxFunc(r.Siblings, Sibling.after).Value.Text()
		v.Left = record.Village(to)
	}
}

// Authors gives those who created the record, sorted.
func (s State) Authors() []string { return authors(s[record.Source]) }

func authors(r Register) []string {
	var names []string
	for _, sib := range r.Siblings {
		names = append(names, sib.Author)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Alive is the value of _life of a record that was void and is no longer.
const Alive = record.Value(`"alive"`)

// death is the value of _life of a void record: why, and every value that was
// shown to whoever declared it void. Erased says that the office has erased the
// record's content by law; whoever does not know the word reads that it is void.
type death struct {
	Erased bool     `json:"erased,omitempty"`
	Reason string   `json:"reason"`
	Saw    []string `json:"saw"`
	Void   bool     `json:"void"`
}

// Erasure is the value of _life of a record whose content the office has erased.
// It saw nothing: there is nothing left to see.
func Erasure(reason string) record.Value {
	return death{Erased: true, Reason: reason, Void: true, Saw: []string{}}.value()
}

// Erases tells whether a value of _life says that the record was erased.
func Erases(v record.Value) bool {
	d := readDeath(v)
	return d.Void && d.Erased
}

// Erased tells a record whose content the office has erased. Nothing that is
// written to it counts any more.
func (s State) Erased() bool {
	return slices.ContainsFunc(s[record.Life].Siblings, func(sib Sibling) bool { return Erases(sib.Value) })
}

// Void is the value of _life that declares the record void; s is the record as
// it was shown.
func (s State) Void(reason string) record.Value {
	d := death{Reason: reason, Void: true, Saw: []string{}}
	for _, dot := range s.Dots() {
		d.Saw = append(d.Saw, dot.String())
	}
	return d.value()
}

func (d death) value() record.Value {
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // a struct of texts
	}
	v, err := record.ParseValue(raw)
	if err != nil {
		panic(err)
	}
	return v
}

// RenameSeen gives a value of _life that tells by their other names what was
// seen; every other value as it is.
func RenameSeen(v record.Value, names map[record.Dot]record.Dot) record.Value {
	d := readDeath(v)
	if !d.Void {
		return v
	}
	for i, text := range d.Saw {
		if dot, err := record.ParseDot(text); err == nil {
			d.Saw[i] = cmp.Or(names[dot], dot).String()
		}
	}
	return d.value()
}

// readDeath gives what a value of _life says of death; of every other value
// Void is false.
func readDeath(v record.Value) death {
	var d death
	if !strings.HasPrefix(string(v), "{") || json.Unmarshal([]byte(v), &d) != nil {
		return death{}
	}
	return d
}

// life settles whether the record is void. A void beside an edit that whoever
// declared it had not seen goes to review, and until then the record lives.
func (v *View) life(r Register, s State) {
	saw := map[string]bool{}
	var voids, alive []Sibling
	for _, sib := range r.Siblings {
		d := readDeath(sib.Value)
		if !d.Void {
			sib.Value = Alive
			alive = append(alive, sib)
			continue
		}
		voids = append(voids, sib)
		saw[sib.Dot.String()] = true // what the same save wrote elsewhere
		for _, dot := range d.Saw {
			saw[dot] = true
		}
	}
	if len(voids) == 0 {
		return
	}
	for p, other := range s {
		if p.Links() || p == record.Left {
			continue // to say that it is the same as another, or that it moved, is no edit of it
		}
		_, about := p.Asked() // and speaks for no life either
		for _, sib := range other.Siblings {
			if p != record.Life && !about && !saw[sib.Dot.String()] {
				sib.Value = Alive
				alive = append(alive, sib)
			}
		}
	}
	last := slices.MaxFunc(voids, Sibling.after)
	if s.Erased() {
		// What somebody writes who does not know yet does not bring it back.
		voids = slices.DeleteFunc(voids, func(sib Sibling) bool { return !Erases(sib.Value) })
		v.Erased, v.Void, v.Reason = true, true, readDeath(slices.MaxFunc(voids, Sibling.after).Value).Reason
		return
	}
	v.Reason = readDeath(last.Value).Reason
	if v.Void = len(alive) == 0; !v.Void {
		claims := []Sibling{slices.MaxFunc(alive, Sibling.after), last}
		slices.SortFunc(claims, Sibling.after)
		put(&v.Conflicts, record.Life, claims)
	}
}

// leave settles what a record that has moved to another village shows where it was: it
// does not live twice, whatever was written to it by whoever did not know.
func (v *View) leave(s State) {
	waits := v.Conflicts[record.Life]
	if !v.Void && len(waits) == 0 {
		waits = distinct(s[record.Life].Siblings) // made valid again, where it is not any more
	}
	v.Void, v.Conflicts, v.Proposals = true, nil, nil
	if len(waits) > 0 {
		put(&v.Conflicts, record.Life, waits)
	}
}

// distinct gives one sibling a value, the last written of each, oldest first.
// Two ways of saying nothing are one value.
func distinct(siblings []Sibling) []Sibling {
	if len(siblings) < 2 {
		return siblings
	}
	sorted := slices.SortedFunc(slices.Values(siblings), func(a, b Sibling) int { return b.after(a) })
	var values []Sibling
	for _, sib := range sorted {
		if !slices.ContainsFunc(values, func(v Sibling) bool {
			return sameValue(v.Value, sib.Value)
		}) {
			values = append(values, sib)
		}
	}
	slices.Reverse(values)
	return values
}

// largest gives the place of the largest value by the order of the field's
// codes or as numbers; ok is false when one of them has no place in that order
// or is a code that a person must weigh (a project stopped on one laptop and
// completed on the other).
func largest(fd *form.Field, values []Sibling) (top int, ok bool) {
	best := -1.0
	for i, sib := range values {
		var rank float64
		if code, isText := sib.Value.Text(); isText && len(fd.Choices) > 0 {
			at := slices.IndexFunc(fd.Choices, func(c form.Choice) bool { return c.Name == code })
			if at < 0 || fd.Choices[at].Review {
				return 0, false
			}
			rank = float64(at)
		} else if n, isNumber := sib.Value.Number(); isNumber && len(fd.Choices) == 0 {
			var err error
			if rank, err = strconv.ParseFloat(n, 64); err != nil {
				return 0, false
			}
		} else {
			return 0, false
		}
		if i == 0 || rank >= best {
			best, top = rank, i
		}
	}
	return top, true
}

func put(m *map[record.Path][]Sibling, p record.Path, values []Sibling) {
	if *m == nil {
		*m = map[record.Path][]Sibling{}
	}
	(*m)[p] = values
}
