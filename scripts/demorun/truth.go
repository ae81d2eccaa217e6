package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// truth is what was put in: what the office should hold in the end. It knows
// nothing of how that came there.
type truth struct {
	records map[string]map[string]*expected // by type and id
	open    map[string][]string             // id and path of a conflict left open -> its values
}

type expected struct {
	village string
	fields  map[string]any
}

func newTruth() *truth {
	return &truth{map[string]map[string]*expected{}, map[string][]string{}}
}

// add notes a record as it was made.
func (t *truth) add(r dataset.Record) error {
	raw, err := json.Marshal(r.Fields)
	if err != nil {
		return err
	}
	e := &expected{village: r.Village}
	if err := json.Unmarshal(raw, &e.fields); err != nil {
		return err
	}
	if t.records[r.Type] == nil {
		t.records[r.Type] = map[string]*expected{}
	}
	t.records[r.Type][r.ID] = e
	return nil
}

// set notes that a field was changed.
func (t *truth) set(typ, id, field string, value any) { t.records[typ][id].fields[field] = value }

// leave notes a conflict that nobody decides.
func (t *truth) leave(id, path string, values ...string) {
	slices.Sort(values)
	t.open[id+" "+path] = values
}

// count tells how many records there are of a type, or of all.
func (t *truth) count(typ string) (n int) {
	for name, m := range t.records {
		if typ == "" || name == typ {
			n += len(m)
		}
	}
	return n
}

// errWrong says that a check failed; what differs was printed.
var errWrong = errors.New("a check failed")

// mostSaid bounds what is said of differences of one kind.
const mostSaid = 10

// faults collects what differs.
type faults struct {
	n    int
	said []string
}

func (f *faults) add(format string, args ...any) {
	if f.n++; f.n <= mostSaid {
		f.said = append(f.said, fmt.Sprintf(format, args...))
	}
}

func (f *faults) err() error {
	if f.n == 0 {
		return nil
	}
	if f.n > mostSaid {
		f.said = append(f.said, fmt.Sprintf("… and %d more", f.n-mostSaid))
	}
	return errors.New(strings.Join(f.said, "\n"))
}

// compare holds what a program lists of a type against what was put in.
func (t *truth) compare(ctx context.Context, p *rig.Program, typ string) error {
	var f faults
	seen := map[string]bool{}
	frm := form.Builtin().Form(record.Type(typ))
	err := rig.Each(ctx, p, func(r rig.Record) error {
		name := typ + " " + r.ID
		want := t.records[typ][r.ID]
		switch {
		case want == nil:
			f.add("%s: nobody made it", name)
			return nil
		case seen[r.ID]:
			f.add("%s: listed twice", name)
			return nil
		}
		seen[r.ID] = true
		if r.Village != want.village {
			f.add("%s: in village %s, not %s", name, r.Village, want.village)
		}
		if r.Life != "alive" {
			f.add("%s: it is %s", name, r.Life)
		}
		for field, value := range want.fields {
			if !same(value, r.Fields[field]) && !t.isOpen(r.ID, field) {
				f.add("%s: %s is %v, not %v", name, field, r.Fields[field], value)
			}
		}
		for field := range r.Fields {
			if _, put := want.fields[field]; put {
				continue
			}
			if fd := frm.Field(field); fd == nil || fd.Kind != form.Calculate && fd.Calculation == nil {
				f.add("%s: %s is %v, and nobody wrote that", name, field, r.Fields[field])
			}
		}
		for path, claims := range r.Conflicts {
			var values []string
			for _, c := range claims {
				values = append(values, fmt.Sprint(c.Value))
			}
			slices.Sort(values)
			if want := t.open[r.ID+" "+path]; !slices.Equal(values, want) {
				f.add("%s: %s has the values %v to decide on, not %v", name, path, values, want)
			}
		}
		for open, values := range t.open {
			if id, path, _ := strings.Cut(open, " "); id == r.ID && len(r.Conflicts[path]) == 0 {
				f.add("%s: %s should wait for a decision between %v", name, path, values)
			}
		}
		for path := range r.Proposals {
			f.add("%s: %s is only proposed", name, path)
		}
		return nil
	}, "list", typ)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(t.records[typ])) {
		if !seen[id] {
			f.add("%s %s: not there", typ, id)
		}
	}
	return f.err()
}

func (t *truth) isOpen(id, path string) bool { return t.open[id+" "+path] != nil }

// same compares values as JSON has them. Codes of a multiple choice have no
// order.
func same(a, b any) bool { return reflect.DeepEqual(unordered(a), unordered(b)) }

func unordered(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	var texts []string
	for _, x := range list {
		s, ok := x.(string)
		if !ok {
			return v // a place: its two numbers have an order
		}
		texts = append(texts, s)
	}
	slices.Sort(texts)
	return texts
}

// replica is what one program shows of villages: type and id -> what it shows.
func replica(ctx context.Context, p *rig.Program, village string) (map[string]string, error) {
	all := map[string]string{}
	for _, f := range form.Builtin().Forms() {
		err := rig.Each(ctx, p, func(r rig.Record) error {
			for name := range r.Fields {
				if fd := f.Field(name); fd != nil && fd.Kind == form.Calculate {
					delete(r.Fields, name)
				}
			}
			for _, m := range []map[string][]rig.Claim{r.Conflicts, r.Proposals, r.Others} {
				for _, claims := range m {
					slices.SortFunc(claims, func(a, b rig.Claim) int { return strings.Compare(a.Dot, b.Dot) })
				}
			}
			raw, err := json.Marshal([]any{r.Village, r.Fields, r.Conflicts, r.Proposals, r.Others, r.Life})
			all[r.Type+" "+r.ID] = string(raw)
			return err
		}, "list", string(f.Type), "--village", village)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// differ says where a laptop shows something else than the office.
func differ(office, laptop map[string]string) error {
	var f faults
	for _, name := range slices.Sorted(maps.Keys(office)) {
		if got, ok := laptop[name]; !ok {
			f.add("%s: not on the laptop", name)
		} else if got != office[name] {
			f.add("%s: the laptop shows %s, the office %s", name, got, office[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(laptop)) {
		if _, ok := office[name]; !ok {
			f.add("%s: on the laptop only", name)
		}
	}
	return f.err()
}
