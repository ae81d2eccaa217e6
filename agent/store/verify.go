package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Report is what a verification found.
type Report struct {
	Records uint64   `json:"records"`
	Entries uint64   `json:"entries"`
	Faults  []string `json:"faults"`
}

// maxFaults bounds a report of a store that is damaged all over.
const maxFaults = 100

// Verify reads everything: the file's own structure, every own stream's chain
// against its head, the server's receipts and verdicts for it, and every record's state and review mark. It
// changes nothing. The file's structure is left out where it was just inspected
// (Inspect), which a process of its own can survive.
func (s *Store) Verify(inspected bool) (r Report, err error) {
	return s.VerifyWithin(context.Background(), inspected)
}

// VerifyWithin is Verify that ends with ctx, between two records: the report is then of
// what was read until then, and the error the context's.
func (s *Store) VerifyWithin(ctx context.Context, inspected bool) (r Report, err error) {
	r.Faults = []string{}
	fault := func(format string, args ...any) {
		if len(r.Faults) < maxFaults {
			r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
		}
	}
	// The file's structure is looked at in the writer's turn: bbolt counts pages by
	// its list of free ones, which a commit beside would be changing.
	if !inspected {
		if err := s.update(ctx, false, func(t *tx) error {
			t.check(func(e error) { fault("data file: %v", e) })
			return errLooked
		}); !errors.Is(err, errLooked) {
			return r, err
		}
	}
	err = s.view(func(t *tx) error {
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				fault("village %s: %v", code, err)
				continue
			}
			for _, s := range v.streams() {
				if err := ctx.Err(); err != nil {
					return err
				}
				o := v.owns[s]
				if o.Acked.Seq > o.Head.Seq {
					fault("village %s: stream %s is acknowledged beyond its end", code, s)
				}
				whole := *o
				whole.Acked = whole.Base
				hash, err := v.hashAt(s, &whole, o.Head.Seq)
				if err != nil || hash != o.Head.Hash {
					fault("village %s: the chain of stream %s does not lead to its head: %v", code, s, err)
				}
				if hash, err = v.hashAt(s, &whole, min(o.Acked.Seq, o.Head.Seq)); err != nil || hash != o.Acked.Hash {
					fault("village %s: stream %s was acknowledged with another history: %v", code, s, err)
				}
				v.verifyReceipts(s, &whole, o.Acked.Seq, fault)
				r.Entries += o.Head.Seq - min(o.Base.Seq, o.Head.Seq)
			}
			v.verifyVerdicts(fault)
			for _, typ := range v.types() {
				n, err := v.verifyRecords(ctx, typ, fault)
				if r.Records += n; err != nil {
					return err
				}
			}
		}
		return nil
	})
	return r, err
}

// verifyReceipts looks at the server's receipts for a stream's entries, up to the last
// that is acknowledged: each must be signed by the server over the hash of the very
// entry, and together they must leave none out.
func (v *village) verifyReceipts(s record.Stream, whole *own, acked uint64, fault func(string, ...any)) {
	d, err := v.t.dev()
	if err != nil {
		fault("the device: %v", err)
		return
	}
	head, end := whole.Base, whole.Base.Seq
	c := v.b.Bucket(bucketReceipt).Cursor()
	for k, raw := c.Seek(s[:]); len(k) == 24 && record.Stream(k[:16]) == s; k, raw = c.Next() {
		var r journal.Receipt
		if err := v.t.s.openSealed(receiptAt(k), raw, &r); err != nil {
			fault("village %s: a receipt for stream %s: %v", v.code, s, err)
			continue
		}
		if r.Seq > acked {
			continue // the server went back to before it, and will say so anew
		}
		from := *whole
		from.Acked = head
		hash, err := v.hashAt(s, &from, r.Seq)
		if err != nil || r.Stream != s || !r.Proves(d.Server, hash) {
			fault("village %s: the receipt for entry %d of stream %s is not the server's: %v", v.code, r.Seq, s, err)
			continue
		}
		head = journal.Head{Seq: r.Seq, Hash: hash}
		end = max(end, r.Seq)
	}
	// Those of a store that was damaged may be among what was lost.
	if again, err := v.t.rebuilt(); err == nil && end < acked && again.At == 0 {
		fault("village %s: stream %s is acknowledged to entry %d, by receipts to %d", v.code, s, acked, end)
	}
}

// errLooked ends a transaction that has changed nothing.
var errLooked = errors.New("nothing to commit")

func (v *village) verifyRecords(ctx context.Context, typ record.Type, fault func(string, ...any)) (n uint64, err error) {
	entries := map[record.Dot]*entry{} // the own changes that a record names, each read once
	c := v.b.Bucket(recordBucket(typ)).Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		n++
		clear(entries)
		if len(k) != 16 {
			fault("village %s: a %s without an id", v.code, typ)
			continue
		}
		v.t.s.read(v.t.Tx, len(raw))
		tc, s, err := v.unpackRecord(typ, record.ID(k), raw)
		if err != nil {
			fault("%s %s: %v", typ, record.ID(k), err)
			continue
		}
		if _, state, _ := v.openRecord(typ, record.ID(k), raw); !bytes.Equal(s.Encode(), state) {
			fault("%s %s: not written as this release writes it", typ, record.ID(k))
		}
		if tc.Last.Seq > 0 {
			if _, err := v.entry(tc.Last.Stream, tc.Last.Seq); err != nil {
				fault("%s %s: %v", typ, record.ID(k), err)
			}
		}
		for p, r := range s {
			for _, sib := range r.Siblings {
				if !sib.Value.Canonical() {
					fault("%s %s: %s holds what cannot be read", typ, record.ID(k), p)
				}
				if sib.Dot.Seq > v.frontier[sib.Dot.Stream] {
					fault("%s %s: %s holds change %s from beyond the frontier", typ, record.ID(k), p, sib.Dot)
				}
				if !v.wrote(entries, sib.Dot, record.Key{Type: typ, ID: record.ID(k)}, p, sib.Value) {
					fault("%s %s: %s is not as change %s wrote it", typ, record.ID(k), p, sib.Dot)
				}
			}
		}
		view := merge.Read(v.t.s.forms.Form(typ), s)
		if waits := len(view.Conflicts)+len(view.Proposals) > 0; waits != (v.b.Bucket(bucketReview).Get(k) != nil) {
			fault("%s %s: waits for a person: %v, but is not listed so", typ, record.ID(k), waits)
		}
	}
	if n != v.place.Records[typ] {
		fault("village %s: %d records of type %s, counted as %d", v.code, n, typ, v.place.Records[typ])
	}
	return n, nil
}

// wrote tells whether what a record has of an own change is what the journal has,
// which is chained as the record is not. A stream that went on elsewhere may have
// another change of the same name there. What is read of the journal stays in entries.
func (v *village) wrote(entries map[record.Dot]*entry, d record.Dot, k record.Key, p record.Path, value record.Value) bool {
	o := v.owns[d.Stream]
	if o == nil || d.Seq <= o.Base.Seq || d.Seq > o.Head.Seq || !o.Writing && d.Seq > o.Acked.Seq {
		return true
	}
	e := entries[d]
	if e == nil {
		var err error
		if e, err = v.entry(d.Stream, d.Seq); err != nil {
			return false
		}
		entries[d] = e
	}
	return e.Type == k.Type && e.Record == k.ID &&
		slices.ContainsFunc(e.Body, func(w write) bool { return w.Path == p && w.Value == value })
}
