package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
)

// written is what the two laptops write on one household.
type written struct{ mine, theirs [2]string } // a field and its value

// apart measures what becomes of edits to 1,000 households on two laptops that
// do not see each other: half of them to the same field, by turns one that a
// person must decide on and one of which the later value counts; half to
// different ones.
func apart(ctx context.Context, b *bench) (err error) {
	s := makeSet(1, 1, 1000, -1)
	srv, laptops, done, err := b.pair(ctx, "apart", s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	for _, l := range laptops {
		if _, _, err := b.counted(ctx, l); err != nil {
			return err
		}
	}
	wrote := map[string]written{}
	var edits [2][]dataset.Record
	for i, h := range s.records {
		var w written
		switch i % 4 {
		case 0: // a person decides
			w = written{[2]string{"group_name", "甲组"}, [2]string{"group_name", "乙组"}}
		case 2: // the later one counts
			w = written{[2]string{"phone", fmt.Sprintf("128%08d", i)}, [2]string{"phone", fmt.Sprintf("129%08d", i)}}
		default:
			w = written{[2]string{"phone", fmt.Sprintf("128%08d", i)}, [2]string{"group_name", "乙组"}}
		}
		wrote[h.ID] = w
		for j, x := range [][2]string{w.mine, w.theirs} {
			edits[j] = append(edits[j], dataset.Record{Village: h.Village, Type: h.Type, ID: h.ID, Fields: dataset.Fields{{Name: x[0], Value: x[1]}}})
		}
	}
	for j, l := range laptops {
		if _, err := l.DoWith(ctx, bytes.NewReader(lines(edits[j])), "put", "household"); err != nil {
			return err
		}
	}
	for _, l := range []*rig.Laptop{laptops[0], laptops[1], laptops[0]} {
		if _, _, err := b.counted(ctx, l); err != nil {
			return err
		}
	}
	for _, side := range []struct {
		name string
		p    *rig.Program
	}{{"the office", &srv.Program}, {"one laptop", &laptops[0].Program}, {"the other", &laptops[1].Program}} {
		lost, merged, shown, err := count(ctx, side.p, wrote)
		if err != nil {
			return err
		}
		in := " (" + side.name + ")"
		b.add(result{What: "1,000 households edited apart: values lost" + in, Value: float64(lost), Beside: "must be 0"})
		b.add(result{What: "1,000 households edited apart: merged" + in, Value: float64(merged), Target: 500, More: true})
		b.add(result{What: "1,000 households edited apart: both shown" + in, Value: float64(shown), Target: 500, More: true})
		if lost > 0 {
			b.faults = append(b.faults, fmt.Sprintf("%d values were lost at %s", lost, side.name))
		}
	}
	return nil
}

// count looks for both values of every household: standing, in conflict, or
// beside the one that counts.
func count(ctx context.Context, p *rig.Program, wrote map[string]written) (lost, merged, shown int, err error) {
	seen := 0
	err = rig.Each(ctx, p, func(r rig.Record) error {
		w, ok := wrote[r.ID]
		if !ok {
			return fmt.Errorf("household %s was never made", r.ID)
		}
		seen++
		visible := 0
		for _, x := range [][2]string{w.mine, w.theirs} {
			claimed := func(c rig.Claim) bool { return c.Value == x[1] }
			if r.Fields[x[0]] == x[1] || slices.ContainsFunc(r.Conflicts[x[0]], claimed) || slices.ContainsFunc(r.Others[x[0]], claimed) {
				visible++
			}
		}
		lost += 2 - visible
		same := w.mine[0] == w.theirs[0]
		switch {
		case visible < 2:
		case same:
			shown++
		case len(r.Conflicts) == 0:
			merged++
		default:
			raw, _ := json.Marshal(r.Conflicts)
			return fmt.Errorf("household %s: edits to different fields are in conflict: %s", r.ID, raw)
		}
		return nil
	}, "list", "household")
	if err == nil && seen != len(wrote) {
		err = fmt.Errorf("%d households of %d are listed", seen, len(wrote))
	}
	return lost, merged, shown, err
}
