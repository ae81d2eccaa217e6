package flow

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"sync"

	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Flow is how records of a type go on. The names are fields of its form.
type Flow struct {
	Type              record.Type
	State, Due, Owner string
	Done              []string
	// Verified is the state that whoever answers for the record may not write, "" where
	// there is none, and Closed the field with the day on which it was written.
	Verified, Closed string
	Steps            []Step
}

// Step is one way from a state to another.
type Step struct {
	From, To string // Any is every state
	Roles    []identity.Role
	Note     bool // only with a reason
	Say      form.Label
}

// Any stands for every state in a Step.
const Any = "*"

//go:embed data/*.csv
var data embed.FS

var flows = sync.OnceValue(func() map[record.Type]*Flow {
	all, err := load()
	if err != nil {
		panic(err)
	}
	return all
})

// Of gives the flow of a type; nil where it has none.
func Of(t record.Type) *Flow { return flows()[t] }

func load() (map[record.Type]*Flow, error) {
	all := map[record.Type]*Flow{}
	lines, err := read("flows.csv", 7)
	if err != nil {
		return nil, err
	}
	for _, c := range lines {
		all[record.Type(c[0])] = &Flow{Type: record.Type(c[0]), State: c[1], Due: c[2], Owner: c[3], Done: strings.Fields(c[4]), Verified: c[5], Closed: c[6]}
	}
	if lines, err = read("steps.csv", 7); err != nil {
		return nil, err
	}
	for i, c := range lines {
		f := all[record.Type(c[0])]
		if f == nil || c[1] == "" || c[2] == "" || c[3] == "" || (c[5] == "") != (c[6] == "") {
			return nil, fmt.Errorf("steps.csv row %d: no flow of that type, or a cell is empty", i+2)
		}
		s := Step{From: c[1], To: c[2], Note: c[4] == "yes", Say: form.Label{Zh: c[5], En: c[6]}}
		for _, r := range strings.Fields(c[3]) {
			s.Roles = append(s.Roles, identity.Role(r))
		}
		f.Steps = append(f.Steps, s)
	}
	return all, nil
}

// read gives the rows of a table behind its header.
func read(name string, columns int) ([][]string, error) {
	raw, err := data.ReadFile("data/" + name)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.FieldsPerRecord = columns
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return lines[1:], nil
}

// Step finds how whoever has the roles may bring a record from one state into another:
// with the first of the roles that may. ok is false where nobody of them may.
func (f *Flow) Step(roles []identity.Role, from, to string) (s Step, as identity.Role, ok bool) {
	if from == to || to == "" {
		return s, "", false
	}
	for _, s := range f.Steps {
		if s.From != from && s.From != Any || s.To != to && s.To != Any {
			continue
		}
		for _, r := range roles {
			if slices.Contains(s.Roles, r) {
				return s, r, true
			}
		}
	}
	return s, "", false
}

// Next gives the steps that whoever has the roles is offered in a state.
func (f *Flow) Next(roles []identity.Role, from string) (list []Step) {
	for _, s := range f.Steps {
		if s.From == from && s.Say.Zh != "" && slices.ContainsFunc(roles, func(r identity.Role) bool { return slices.Contains(s.Roles, r) }) {
			list = append(list, s)
		}
	}
	return list
}

// Open tells a state in which something is still to be done.
func (f *Flow) Open(state string) bool { return !slices.Contains(f.Done, state) }

// Self tells whether a state was written by whoever answers for the record: somebody else
// should have.
func (f *Flow) Self(state, by, owner string) bool {
	return f.Verified != "" && state == f.Verified && name(by) != "" && name(by) == name(owner)
}

// name is how names are compared: as people write them, spaces or not.
func name(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
