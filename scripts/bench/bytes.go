package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"zhucun/scripts/badlink"
	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

// set is some of the made-up data.
type set struct {
	villages []string
	records  []dataset.Record
}

// households and visits of so many villages, and of no other type: what the
// targets are about.
func makeSet(seed uint64, villages, households, visits int) set {
	d := dataset.Generate(dataset.Options{Seed: seed, Villages: villages, Households: households, Visits: visits, Changes: -1})
	var s set
	for _, v := range d.Villages {
		s.villages = append(s.villages, v.Code)
	}
	for _, r := range d.Records {
		if r.Type == "household" || r.Type == "visit" {
			s.records = append(s.records, r)
		}
	}
	return s
}

func lines(records []dataset.Record) []byte {
	var b bytes.Buffer
	w := dataset.NewLines(&b)
	for _, r := range records {
		if err := w.Write(r); err != nil {
			panic(err) // into memory
		}
	}
	w.Flush()
	return b.Bytes()
}

// file writes records for an import.
func file(dir string, records []dataset.Record) (string, error) {
	name := filepath.Join(dir, "records.jsonl")
	return name, os.WriteFile(name, lines(records), 0o600)
}

// zstd19 is how many bytes zstd -19 makes of it.
func zstd19(ctx context.Context, raw []byte) (int64, error) {
	c := exec.CommandContext(ctx, "zstd", "-19", "-q", "-c", "-T1")
	c.Stdin = bytes.NewReader(raw)
	var out counter
	c.Stdout = &out
	err := c.Run()
	return int64(out), err
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

var _ io.Writer = new(counter)

// office makes a server with villages, which serves.
func office(ctx context.Context, r rig.Rig, villages ...string) (*rig.Server, error) {
	s, err := r.Server(ctx, "office")
	if err != nil {
		return nil, err
	}
	for _, v := range villages {
		if _, err := s.Do(ctx, "village", "add", v, v); err != nil {
			return nil, err
		}
	}
	return s, r.Serve(ctx, s, "")
}

// counted syncs and gives what passed, by the link and not by the agent; if the
// two disagree, that is a fault.
func (b *bench) counted(ctx context.Context, l *rig.Laptop) (badlink.Counts, rig.Synced, error) {
	l.Link.Reset()
	s, err := l.Sync(ctx, 5*time.Minute)
	if err != nil {
		return badlink.Counts{}, s, err
	}
	c := l.Link.Counts()
	if c.Up != s.BytesUp || c.Down != s.BytesDown || c.Turns != s.RoundTrips {
		b.faults = append(b.faults, fmt.Sprintf("%s says %d bytes up, %d down, %d round trips; its link counted %d, %d, %d",
			filepath.Base(l.Data), s.BytesUp, s.BytesDown, s.RoundTrips, c.Up, c.Down, c.Turns))
	}
	return c, s, nil
}

// noop measures a sync of nothing, with little and with much stored.
func noop(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("noop")
	if err != nil {
		return err
	}
	defer done()
	s := makeSet(1, 1, 2000, 18000)
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
	stored := 0
	for _, upTo := range []int{200, 20_000} {
		name, err := file(r.Dir, s.records[stored:upTo])
		if err != nil {
			return err
		}
		if _, err := l.Import(ctx, name); err != nil {
			return err
		}
		stored = upTo
		if _, _, err := b.counted(ctx, l); err != nil {
			return err
		}
		if _, _, err := b.counted(ctx, l); err != nil { // what the first one left to say
			return err
		}
		c, _, err := b.counted(ctx, l)
		if err != nil {
			return err
		}
		b.add(result{What: fmt.Sprintf("nothing changed, %d records: bytes both ways", stored), Value: float64(c.Up + c.Down), Unit: "B", Target: 250,
			Beside: fmt.Sprintf("%d up, %d down", c.Up, c.Down)})
		b.add(result{What: fmt.Sprintf("nothing changed, %d records: round trips", stored), Value: float64(c.Turns), Target: 1})
	}
	return nil
}

// upload measures a first upload, one visit more, and an empty laptop that takes
// it all; and what the first costs the server.
func upload(ctx context.Context, b *bench) error {
	for _, villages := range []int{6, 1} {
		if err := b.uploadOf(ctx, villages); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) uploadOf(ctx context.Context, villages int) (err error) {
	r, done, err := b.dir("upload")
	if err != nil {
		return err
	}
	defer done()
	in := fmt.Sprintf(" (%d villages)", villages)
	if villages == 1 {
		in = " (1 village)"
	}
	s := makeSet(1, villages, 1000, 10000)
	raw := lines(s.records)
	limit, err := zstd19(ctx, raw)
	if err != nil {
		return err
	}
	plain, err := b.plain(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer plain.close()
	gzipped, plainCPU, err := plain.post(ctx, raw)
	if err != nil {
		return err
	}

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
	if _, err := l.Import(ctx, name); err != nil {
		return err
	}
	before, err := srv.CPU()
	if err != nil {
		return err
	}
	c, sync, err := b.counted(ctx, l)
	if err != nil {
		return err
	}
	after, err := srv.CPU()
	if err != nil {
		return err
	}
	if sync.Pushed != uint64(len(s.records)) {
		return fmt.Errorf("%d changes were taken of %d", sync.Pushed, len(s.records))
	}
	per := func(d time.Duration) float64 { return d.Seconds() * 10_000 / float64(len(s.records)) }
	b.add(result{What: "first upload, 1,000 households + 10,000 visits ÷ zstd -19" + in, Value: float64(c.Up+c.Down) / float64(limit), Target: 1.10,
		Beside: fmt.Sprintf("gzip once %.2f; %d KB up, %d B down, zstd -19 %d KB, %d trips", float64(gzipped)/float64(limit), c.Up/kb, c.Down, limit/kb, c.Turns)})
	b.add(result{What: "server CPU per 10,000 changes" + in, Value: per(after - before), Unit: "s", Target: 0.6,
		Beside: fmt.Sprintf("plain inserts %.2f s", per(plainCPU))})

	second, err := r.Laptop(ctx, srv, "empty", "乙", identity.Office, s.villages...)
	if err != nil {
		return err
	}
	defer second.Close()
	if c, sync, err = b.counted(ctx, second); err != nil {
		return err
	}
	if sync.Pulled != uint64(len(s.records)) {
		return fmt.Errorf("the empty laptop took %d records of %d", sync.Pulled, len(s.records))
	}
	b.add(result{What: "an empty laptop takes it ÷ zstd -19" + in, Value: float64(c.Up+c.Down) / float64(limit), Target: 1.15,
		Beside: fmt.Sprintf("%d B up, %d KB down, %d trips", c.Up, c.Down/kb, c.Turns)})

	return b.single(ctx, l, plain, s, in)
}

// single measures visits that go one at a time: of average length, and not of
// the set that is there.
func (b *bench) single(ctx context.Context, l *rig.Laptop, plain *plain, s set, in string) error {
	const n = 20
	more := makeSet(2, len(s.villages), 200, 2000)
	more.records = slices.DeleteFunc(more.records, func(r dataset.Record) bool { return r.Type != "visit" })
	mean := len(lines(more.records)) / len(more.records)
	far := func(r dataset.Record) int {
		d := len(lines([]dataset.Record{r})) - mean
		return max(d, -d)
	}
	slices.SortStableFunc(more.records, func(x, y dataset.Record) int { return cmp.Compare(far(x), far(y)) })
	// Who visits is of the first set: a team that is known there.
	teams := map[string]any{}
	for _, r := range s.records {
		if r.Type == "visit" && teams[r.Village] == nil {
			teams[r.Village] = r.Fields.Get("visitors")
		}
	}
	var sum, up, most, turns, gzipped int64
	for _, v := range more.records[:n] {
		for i := range v.Fields {
			if v.Fields[i].Name == "visitors" {
				v.Fields[i].Value = teams[v.Village]
			}
		}
		one := lines([]dataset.Record{v})
		if _, err := l.DoWith(ctx, bytes.NewReader(one), "put", "visit"); err != nil {
			return err
		}
		c, _, err := b.counted(ctx, l)
		if err != nil {
			return err
		}
		sum, up = sum+c.Up+c.Down, up+c.Up
		most = max(most, c.Up+c.Down)
		turns = max(turns, int64(c.Turns))
		g, _, err := plain.post(ctx, one)
		if err != nil {
			return err
		}
		gzipped += g
	}
	b.add(result{What: fmt.Sprintf("one new visit of %d B, mean of %d: bytes both ways", mean, n) + in, Value: float64(sum) / n, Unit: "B", Target: 650,
		Beside: fmt.Sprintf("gzip %d B; %d up, %d down, most %d", gzipped/n, up/n, (sum-up)/n, most)})
	b.add(result{What: "one new visit: round trips" + in, Value: float64(turns), Target: 1})
	return nil
}
