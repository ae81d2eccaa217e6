package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
)

// edits measures 500 edits of one field each on their way from one laptop to
// another, up and down, beside what zstd -19 makes of the least that says the
// same: [id, field, value, time], a line each.
func edits(ctx context.Context, b *bench) (err error) {
	s := makeSet(1, 1, 1000, -1)
	_, laptops, done, err := b.pair(ctx, "edits", s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	// Twice each: what the first one left to say is not of the edits.
	for _, l := range []*rig.Laptop{laptops[0], laptops[1], laptops[0], laptops[1]} {
		if _, _, err := b.counted(ctx, l); err != nil {
			return err
		}
	}
	// Every other household gets what another one of the same kind of data has: a
	// phone, a name, a remark of the lengths that people write.
	other := makeSet(2, 1, 1000, -1)
	fields := []string{"phone", "head_name", "main_income", "house_risk"}
	wrote := map[string][2]any{}
	var edited []dataset.Record
	for i := 0; len(edited) < 500; i++ {
		h, like := s.records[2*i], other.records[2*i]
		field := fields[i%len(fields)]
		value := like.Fields.Get(field)
		if value == nil || value == h.Fields.Get(field) {
			field, value = "phone", fmt.Sprintf("139%08d", 7919*i%100_000_000)
		}
		wrote[h.ID] = [2]any{field, value}
		edited = append(edited, dataset.Record{Village: h.Village, Type: h.Type, ID: h.ID, Fields: dataset.Fields{{Name: field, Value: value}}})
	}
	if _, err := laptops[0].DoWith(ctx, bytes.NewReader(lines(edited)), "put", "household"); err != nil {
		return err
	}
	var least bytes.Buffer
	err = rig.Each(ctx, &laptops[0].Program, func(h struct {
		ID      string
		Updated string `json:"updated_at"`
	}) error {
		if w, ok := wrote[h.ID]; ok {
			line, err := json.Marshal([]any{h.ID, w[0], w[1], h.Updated})
			least.Write(append(line, '\n'))
			return err
		}
		return nil
	}, "list", "household")
	if err != nil {
		return err
	}
	limit, err := zstd19(ctx, least.Bytes())
	if err != nil {
		return err
	}
	for i, way := range []string{"up", "down"} {
		c, sync, err := b.counted(ctx, laptops[i])
		if err != nil {
			return err
		}
		if n := max(sync.Pushed, sync.Pulled); n != uint64(len(edited)) {
			return fmt.Errorf("%d edits went %s, not %d", n, way, len(edited))
		}
		b.add(result{What: "500 edits from laptop to laptop, " + way + " ÷ zstd -19 of [id, field, value, time]", Value: float64(c.Up+c.Down) / float64(limit), Target: 1.3,
			Beside: fmt.Sprintf("%d B up, %d B down, zstd -19 %d B of %d, %d trips", c.Up, c.Down, limit, least.Len(), c.Turns)})
	}
	return nil
}
