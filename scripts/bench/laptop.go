package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

// memory measures an agent with 2,000 households and 20,000 visits: how soon it
// answers, and what it has in memory at its tasks.
func memory(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("memory")
	if err != nil {
		return err
	}
	defer done()
	s := makeSet(1, 1, 2000, 20000)
	srv, err := office(ctx, r, s.villages...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Stop()) }()
	l, err := r.Laptop(ctx, srv, "laptop", "甲", identity.Office, s.villages...)
	if err != nil {
		return err
	}
	defer l.Close()
	name, err := file(r.Dir, s.records)
	if err != nil {
		return err
	}
	// peak says what the agent had in memory while it did something.
	peak := func(l *rig.Laptop, what string, do func() error) error {
		if err := l.ClearPeak(); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
		m, err := l.Memory()
		if err != nil {
			return err
		}
		b.add(result{What: "agent memory, 22,000 records, " + what, Value: float64(m.Peak) / mb, Unit: "MB", Target: 40,
			Beside: fmt.Sprintf("at the end %d MB, %d MB without file pages", m.Resident/mb, m.Own/mb)})
		return nil
	}
	if err := l.Run(ctx, ""); err != nil {
		return err
	}
	if err := peak(l, "importing them", func() error { _, err := l.Import(ctx, name); return err }); err != nil {
		return err
	}
	if err := peak(l, "sending them", func() error {
		_, err := l.Sync(ctx, 5*time.Minute)
		if st, serr := l.Status(ctx); serr != nil || st.Delivered != uint64(len(s.records)) {
			err = errors.Join(err, serr, fmt.Errorf("%d changes are delivered of %d, %d pending", st.Delivered, len(s.records), st.Pending))
		}
		return err
	}); err != nil {
		return err
	}
	if err := l.Stop(); err != nil {
		return err
	}
	second, err := r.Laptop(ctx, srv, "empty", "乙", identity.Office, s.villages...)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := second.Run(ctx, ""); err != nil {
		return err
	}
	if err := peak(second, "taking them", func() error { _, err := second.Sync(ctx, 5*time.Minute); return err }); err != nil {
		return err
	}
	st, err := second.Status(ctx)
	if err != nil {
		return err
	}
	if st.Records != uint64(len(s.records)) {
		b.faults = append(b.faults, fmt.Sprintf("sync ended well, and the laptop that was empty has %d records of %d", st.Records, len(s.records)))
	}
	if err := second.Stop(); err != nil {
		return err
	}

	var ready, cpu []time.Duration
	for range 7 {
		start := time.Now()
		if err := l.Run(ctx, ""); err != nil {
			return err
		}
		if _, err := l.Status(ctx); err != nil {
			return err
		}
		ready = append(ready, time.Since(start))
		used, err := l.CPU()
		if err != nil {
			return err
		}
		cpu = append(cpu, used)
		if err := l.Stop(); err != nil {
			return err
		}
	}
	slices.Sort(ready)
	slices.Sort(cpu)
	b.add(result{What: "agent start to first answer, 22,000 records", Value: ready[len(ready)/2].Seconds(), Unit: "s", Target: 0.5,
		Beside: fmt.Sprintf("median of %d, the longest %.2f s", len(ready), ready[len(ready)-1].Seconds())})
	b.add(result{What: "agent CPU to the first answer, 22,000 records", Value: cpu[len(cpu)/2].Seconds(), Unit: "s", Target: 0.1,
		Beside: fmt.Sprintf("median of %d, the most %.2f s; with the child that looks through the file first", len(cpu), cpu[len(cpu)-1].Seconds())})

	if err := l.Run(ctx, ""); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"after the start", func() error { _, err := l.Status(ctx); return err }},
		{"listing visits", func() error { _, err := l.Do(ctx, "list", "visit", "--json"); return err }},
		{"looking for a text", func() error { _, err := l.Do(ctx, "list", "visit", "--text", "水管", "--json"); return err }},
		{"a sync of nothing", func() error { _, err := l.Sync(ctx, time.Minute); return err }},
		{"verify", func() error { _, err := l.Do(ctx, "verify"); return err }},
	} {
		if err := peak(l, step.what, step.do); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// saves measures single saves, each on disk before the next, beside commits of
// the same bytes to a bare bbolt file.
func saves(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("saves")
	if err != nil {
		return err
	}
	defer done()
	s := makeSet(3, 1, 100, 2000)
	s.records = slices.DeleteFunc(s.records, func(r dataset.Record) bool { return r.Type != "visit" })
	srv, err := office(ctx, r, s.villages...)
	if err != nil {
		return err
	}
	l, err := r.Laptop(ctx, srv, "laptop", "甲", identity.Office, s.villages...)
	if err != nil {
		return errors.Join(err, srv.Stop())
	}
	defer l.Close()
	// Without a server, or the sync would compete for the disk.
	if err := srv.Stop(); err != nil {
		return err
	}
	if err := l.Run(ctx, ""); err != nil {
		return err
	}
	db, err := bbolt.Open(filepath.Join(r.Dir, "bare.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer db.Close()
	const rounds, each = 5, 100
	var ours, bare []float64
	for i := range rounds {
		part := s.records[i*each : (i+1)*each]
		t, err := saveEach(ctx, l, part)
		if err != nil {
			return err
		}
		ours = append(ours, each/t.Seconds())
		start := time.Now()
		for _, r := range part {
			err := db.Update(func(tx *bbolt.Tx) error {
				k, err := tx.CreateBucketIfNotExists([]byte("record"))
				if err != nil {
					return err
				}
				return k.Put([]byte(r.ID), lines([]dataset.Record{r}))
			})
			if err != nil {
				return err
			}
		}
		bare = append(bare, each/time.Since(start).Seconds())
	}
	slices.Sort(ours)
	slices.Sort(bare)
	b.add(result{What: "durable single saves ÷ bare bbolt commits of the same bytes", Value: ours[rounds/2] / bare[rounds/2], Target: 0.6, More: true,
		Beside: fmt.Sprintf("%.0f against %.0f a second, medians of %d rounds", ours[rounds/2], bare[rounds/2], rounds)})
	return nil
}

// saveEach saves records one at a time: the next is written when the last one's
// id has come back.
func saveEach(ctx context.Context, l *rig.Laptop, records []dataset.Record) (time.Duration, error) {
	in, give := io.Pipe()
	take, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := l.DoThrough(ctx, in, out, "put", "visit")
		out.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	ids := bufio.NewReader(take)
	var start time.Time
	for i, r := range records {
		if i == 1 {
			start = time.Now() // the first pays for starting the command
		}
		if _, err := give.Write(lines([]dataset.Record{r})); err != nil {
			return 0, err
		}
		id, err := ids.ReadBytes('\n')
		if err != nil {
			return 0, err
		}
		if !bytes.Contains(id, []byte(r.ID)) {
			return 0, fmt.Errorf("saved %s and was told %s", r.ID, id)
		}
	}
	took := time.Since(start)
	give.Close()
	return took * time.Duration(len(records)) / time.Duration(len(records)-1), <-ended
}
