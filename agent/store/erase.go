package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// A record that the office has erased by law says so in its state. What this
// laptop holds of it goes then: from the state by the join, what waits of its own
// included, and from its own journal here. Such an entry keeps everything but its
// body; it can still be sent, and the chain still verifies.

// erased tells an own change whose body was erased; every other has one.
func (e *entry) erased() bool { return len(e.Body) == 0 }

// secret is what the bodies of a run of own entries are hashed with: one seed, or
// where a body of the run was erased one Body for each entry.
type secret struct {
	seed   journal.Seed
	bodies []journal.Body
	first  uint64 // the run's first entry
	end    uint64 // the first behind it
}

// read reads a run's secret as it lies sealed: the seed, or a list of salts (16
// bytes) and hashes of erased bodies (32).
func (s *secret) read(plain []byte) error {
	if len(plain) == len(s.seed) {
		s.seed = journal.Seed(plain)
		return nil
	}
	var list [][]byte
	if err := decMode.Unmarshal(plain, &list); err != nil || len(list) == 0 {
		return errors.Join(errors.New("neither a seed nor a list"), err)
	}
	for _, x := range list {
		switch len(x) {
		case len(journal.Salt{}):
			s.bodies = append(s.bodies, journal.Body{Salt: journal.Salt(x)})
		case len(journal.Hash{}):
			s.bodies = append(s.bodies, journal.Body{Erased: true, Hash: journal.Hash(x)})
		default:
			return errors.New("neither a salt nor a hash")
		}
	}
	s.end = min(s.end, s.first+uint64(len(s.bodies)))
	return nil
}

// give puts into a segment, which lies within the run, what its bodies are hashed
// with.
func (s *secret) give(seg *journal.Segment) error {
	if s.bodies == nil {
		seg.Seed = s.seed
		return nil
	}
	from := seg.From - s.first
	seg.Bodies = s.bodies[from : from+uint64(len(seg.Changes))]
	for i := range seg.Changes {
		if seg.Erased(i) != (len(seg.Changes[i].Body) == 0) {
			return fmt.Errorf("%w: journal %s, entry %d: erased or not", ErrDamaged, seg.Stream, seg.From+uint64(i))
		}
		if seg.Erased(i) {
			seg.Changes[i].Body = nil
		}
	}
	return nil
}

// settle leaves of the state of a record that was erased nothing but that. What
// this laptop wrote and nobody has seen yet goes as well: the server will not keep
// it.
func settle(s merge.State) merge.State {
	if !s.Erased() {
		return s
	}
	return merge.State{record.Life: s[record.Life]}
}

// erase takes the bodies of the laptop's own changes to a record out of its
// journal, and drops the drafts of it.
func (v *village) erase(id record.ID, tc touched) error {
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return err
	}
	for _, o := range own {
		if o.entry.erased() {
			continue
		}
		if err := v.eraseRun(o.Stream, o.Seq, id); err != nil {
			return err
		}
	}
	if _, err := v.see(id, func(touch) bool { return true }); err != nil {
		return err
	}
	var drop [][]byte
	b := v.t.Bucket(bucketDraft)
	if err := b.ForEach(func(k, raw []byte) error {
		d, err := v.t.s.openDraft(string(k), raw)
		if err == nil && d.Record == id {
			drop = append(drop, bytes.Clone(k))
		}
		return err
	}); err != nil {
		return err
	}
	for _, k := range drop {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// eraseRun erases a record's changes in the run that holds an entry: the others of
// the run keep their salts, and its seed is gone. New entries begin another run.
func (v *village) eraseRun(s record.Stream, seq uint64, id record.ID) error {
	run, err := v.secret(s, seq)
	if err != nil {
		return err
	}
	o := v.owns[s]
	first := max(run.first, o.Base.Seq+1) // nothing before it is here
	seg := &journal.Segment{Stream: s, From: first}
	var entries []*entry
	for n := first; n < run.end && n <= o.Head.Seq; n++ {
		raw := v.log(s).Get(number(n))
		if raw == nil {
			return fmt.Errorf("%w: journal %s lacks entry %d", ErrDamaged, s, n)
		}
		e, _, err := v.openEntry(s, n, raw)
		if err != nil {
			return fmt.Errorf("journal %s, entry %d: %w", s, n, err)
		}
		entries, seg.Changes = append(entries, e), append(seg.Changes, e.change())
	}
	if err := run.give(seg); err != nil {
		return err
	}
	seg = seg.Erase(func(i int) bool { return seg.Changes[i].Record == id })
	list := make([][]byte, len(seg.Bodies))
	for i, b := range seg.Bodies {
		if list[i] = b.Salt[:]; b.Erased {
			list[i] = b.Hash[:]
		}
		if e := entries[i]; b.Erased && !e.erased() {
			n := first + uint64(i)
			e.Body = nil
			if err := v.t.s.putSealed(v.log(s), entryAt(s, n), number(n), e); err != nil {
				return err
			}
		}
	}
	if first != run.first {
		if err := v.b.Bucket(bucketSeed).Delete(binary.BigEndian.AppendUint64(bytes.Clone(s[:]), run.first)); err != nil {
			return err
		}
	}
	key := binary.BigEndian.AppendUint64(bytes.Clone(s[:]), first)
	if err := v.t.s.putSealed(v.b.Bucket(bucketSeed), seedAt(key), key, list); err != nil {
		return err
	}
	if o.Seeded == run.first {
		o.Seeded, v.dirty = 0, true
	}
	return nil
}
