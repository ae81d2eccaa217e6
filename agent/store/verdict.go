package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// What the office decides on a change that was set aside comes with the pages, signed
// (journal.Verdict). It is put aside with them and becomes part of the village with the
// last: a change that was accepted leaves its author's screen in the moment in which its
// new name is there. One that was rejected stays on it until somebody at the laptop has
// seen why. Verdicts of an earlier life of the server's data hold no more: those that it
// still knows come again.

var (
	bucketVerdict       = []byte("verdict")
	bucketStagedVerdict = []byte("stage/verdict")
)

// ruling is a verdict as it is stored: whether somebody has seen it and the epoch, which
// are read without opening it, and the verdict, sealed with them.
type ruling struct {
	seen  bool
	epoch wire.Epoch
	journal.Verdict
}

const rulingHead = 1 + len(wire.Epoch{})

func (r *ruling) head() []byte {
	b := make([]byte, 1, rulingHead)
	if r.seen {
		b[0] |= 1
	}
	if r.Accepted {
		b[0] |= 2
	}
	return append(b, r.epoch[:]...)
}

func rulingAt(key, head []byte) slot { return slotOf("verdict", key, head) }

// peek reads the head of a stored verdict: whether it holds, and what it says.
func (v *village) peek(raw []byte) (holds, accepted, seen bool, err error) {
	if len(raw) < rulingHead {
		return false, false, false, fmt.Errorf("%w: a verdict", ErrDamaged)
	}
	return wire.Epoch(raw[1:rulingHead]) == v.place.Epoch, raw[0]&2 != 0, raw[0]&1 != 0, nil
}

// overruled tells whether nothing of a set-aside change is to be shown any more: it was
// accepted, or rejected and that was seen.
func (v *village) overruled(key []byte) (bool, error) {
	b := v.b.Bucket(bucketVerdict)
	if b == nil {
		return false, nil
	}
	raw := b.Get(key)
	if raw == nil {
		return false, nil
	}
	holds, accepted, seen, err := v.peek(raw)
	return holds && (accepted || seen), err
}

// ruling opens the verdict on a set-aside change; nil where none holds.
func (v *village) ruling(key []byte) (*ruling, error) {
	b := v.b.Bucket(bucketVerdict)
	if b == nil || b.Get(key) == nil {
		return nil, nil
	}
	raw := b.Get(key)
	holds, _, _, err := v.peek(raw)
	if err != nil || !holds {
		return nil, err
	}
	return v.openRuling(key, raw)
}

func (v *village) openRuling(key, raw []byte) (*ruling, error) {
	if len(raw) < rulingHead {
		return nil, fmt.Errorf("%w: a verdict", ErrDamaged)
	}
	r := &ruling{seen: raw[0]&1 != 0, epoch: wire.Epoch(raw[1:])}
	return r, v.t.s.openSealed(rulingAt(key, raw[:rulingHead]), raw[rulingHead:], &r.Verdict)
}

func (v *village) putRuling(bucket, key []byte, r *ruling) error {
	b, err := v.b.CreateBucketIfNotExists(bucket)
	if err != nil {
		return err
	}
	plain, err := encMode.Marshal(&r.Verdict)
	if err != nil {
		return err
	}
	head := r.head()
	raw, err := v.t.s.wrap(rulingAt(key, head), plain)
	if err != nil {
		return err
	}
	return b.Put(key, append(head, raw...))
}

// rule notes the verdicts of a page that is set aside. Each must be the server's, on the
// very entry that is here; of what is not here there is nothing to tell.
func (v *village) rule(p *wire.Pull) error {
	d, err := v.t.dev()
	if err != nil {
		return err
	}
	list := slices.Clone(p.Verdicts)
	slices.SortFunc(list, alongStreams)
	var chain chained
	for _, r := range list {
		o := v.owns[r.Stream]
		if o == nil || r.Seq <= o.Base.Seq || r.Seq > o.Head.Seq {
			continue
		}
		if hash, err := chain.at(v, r.Stream, r.Seq); err != nil {
			return err
		} else if !r.Proves(d.Server, hash) {
			continue
		}
		e, err := v.entry(r.Stream, r.Seq)
		if err != nil {
			return err
		}
		key := quarantineKey(e.Record, touch{Stream: r.Stream, Seq: r.Seq})
		if err := v.putRuling(bucketStagedVerdict, key, &ruling{seen: e.erased(), epoch: p.Epoch, Verdict: r}); err != nil {
			return err
		}
	}
	return nil
}

// alongStreams orders verdicts as chained takes their entries.
func alongStreams(a, b journal.Verdict) int {
	return cmp.Or(bytes.Compare(a.Stream[:], b.Stream[:]), cmp.Compare(a.Seq, b.Seq))
}

// chained computes hashes of own entries, going on from the last where it can.
type chained struct {
	stream record.Stream
	head   journal.Head
}

func (c *chained) at(v *village, s record.Stream, seq uint64) (journal.Hash, error) {
	from := *v.owns[s]
	if c.stream != s || c.head.Seq > seq || c.head.Seq < from.Base.Seq {
		c.stream, c.head = s, from.Base
	}
	from.Acked = c.head
	hash, err := v.hashAt(s, &from, seq)
	if err == nil {
		c.head = journal.Head{Seq: seq, Hash: hash}
	}
	return hash, err
}

// rules makes the verdicts that were set aside part of the village.
func (v *village) rules() error {
	b := v.b.Bucket(bucketStagedVerdict)
	if b == nil {
		return v.ruled()
	}
	var keys [][]byte
	if err := b.ForEach(func(k, _ []byte) error {
		keys = append(keys, bytes.Clone(k))
		return nil
	}); err != nil {
		return err
	}
	for _, key := range keys {
		now, err := v.openRuling(key, b.Get(key))
		if err != nil {
			return err
		}
		if old := v.b.Bucket(bucketVerdict); old != nil && old.Get(key) != nil {
			// A restored server says again what somebody may have seen.
			before, err := v.openRuling(key, old.Get(key))
			if err != nil {
				return err
			}
			now.seen = now.seen || before.seen && before.Accepted == now.Accepted && before.At == now.At && before.By == now.By && before.Why == now.Why
		}
		if err := v.putRuling(bucketVerdict, key, now); err != nil {
			return err
		}
	}
	if err := v.ruled(); err != nil {
		return err
	}
	// What its author has replaced by now nobody has to be told of.
	var last record.ID
	for _, key := range keys {
		id := record.ID(key[:16])
		if id == last {
			continue
		}
		last = id
		e, err := v.entry(record.Stream(key[16:32]), binary.BigEndian.Uint64(key[32:]))
		if err != nil {
			return err
		}
		tc, _, _, err := v.stored(e.Type, id)
		if err != nil {
			return err
		}
		if err := v.seeReplaced(id, tc); err != nil {
			return err
		}
	}
	return v.dropRules()
}

// dropRules drops the verdicts that are set aside.
func (v *village) dropRules() error {
	if v.b.Bucket(bucketStagedVerdict) == nil {
		return nil
	}
	return v.b.DeleteBucket(bucketStagedVerdict)
}

// ruled counts the verdicts that hold, of changes that are known to be set aside.
func (v *village) ruled() error {
	accepted, rejected, unseen, err := v.count()
	if pl := &v.place; err == nil && (pl.Accepted != accepted || pl.Rejected != rejected || pl.Unseen != unseen) {
		pl.Accepted, pl.Rejected, pl.Unseen, v.dirty = accepted, rejected, unseen, true
	}
	return err
}

func (v *village) count() (accepted, rejected, unseen uint64, err error) {
	b, set := v.b.Bucket(bucketVerdict), v.b.Bucket(bucketQuarantine)
	if b == nil {
		return 0, 0, 0, nil
	}
	return accepted, rejected, unseen, b.ForEach(func(k, raw []byte) error {
		holds, yes, seen, err := v.peek(raw)
		switch {
		case err != nil || !holds || set.Get(k) == nil:
			return err
		case yes:
			accepted++
			return nil
		case !seen:
			unseen++
		}
		rejected++
		return nil
	})
}

// rejected tells whether a change to a record was rejected and nobody has seen why.
func (v *village) rejected(id record.ID) (bool, error) {
	b := v.b.Bucket(bucketVerdict)
	if b == nil {
		return false, nil
	}
	c := b.Cursor()
	for k, raw := c.Seek(id[:]); bytes.HasPrefix(k, id[:]); k, raw = c.Next() {
		holds, accepted, seen, err := v.peek(raw)
		if err != nil || holds && !accepted && !seen {
			return err == nil, err
		}
	}
	return false, nil
}

// see notes that the rejections of changes to a record were seen, where which says so.
func (v *village) see(id record.ID, which func(touch) bool) (n int, err error) {
	b := v.b.Bucket(bucketVerdict)
	if b == nil {
		return 0, nil
	}
	var list []*ruling
	c := b.Cursor()
	for k, raw := c.Seek(id[:]); bytes.HasPrefix(k, id[:]); k, raw = c.Next() {
		holds, _, _, err := v.peek(raw)
		if err != nil {
			return 0, err
		}
		if !holds {
			continue
		}
		r, err := v.openRuling(k, raw)
		if err != nil {
			return 0, err
		}
		if !r.Accepted && !r.seen && which(touch{Stream: r.Stream, Seq: r.Seq}) {
			list = append(list, r)
		}
	}
	for _, r := range list {
		r.seen = true
		if err := v.putRuling(bucketVerdict, quarantineKey(id, touch{Stream: r.Stream, Seq: r.Seq}), r); err != nil {
			return 0, err
		}
	}
	return len(list), v.ruled()
}

// seeReplaced notes as seen the rejections of which nothing shows any more, since
// something else was written here in their place.
func (v *village) seeReplaced(id record.ID, tc touched) error {
	if v.place.Unseen == 0 || !tc.Quarantined {
		return nil
	}
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return err
	}
	left, err := v.left(id, own)
	if err != nil {
		return err
	}
	replaced := observed(left)
	_, err = v.see(id, func(t touch) bool {
		i := slices.IndexFunc(own, func(o ownChange) bool { return o.touch == t })
		return i >= 0 && !slices.ContainsFunc(own[i].entry.Body, func(w write) bool {
			return !replaced[w.Path][record.Dot{Stream: t.Stream, Seq: t.Seq}]
		})
	})
	return err
}

// reasonUnseen is the server's reason for setting aside what names as replaced what its
// author cannot have seen: a later change must not name it again.
const reasonUnseen = "unseen"

// widen lets writes that replace what was set aside replace as well what that had
// replaced, and its new name where it was accepted: whoever saw the one had seen these.
func (v *village) widen(id record.ID, tc touched, body []record.Write) error {
	set, err := v.asides(id)
	if err != nil || len(set) == 0 {
		return err
	}
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return err
	}
	for i := range body {
		w := &body[i]
		for j := 0; j < len(w.Observed); j++ {
			d := touch{Stream: w.Observed[j].Stream, Seq: w.Observed[j].Seq}
			a, at := set[d], slices.IndexFunc(own, func(o ownChange) bool { return o.touch == d })
			if a == nil || at < 0 || a.Reason == reasonUnseen {
				continue
			}
			var more []record.Dot
			for _, x := range own[at].entry.change().Body {
				if x.Path == w.Path {
					more = x.Observed
				}
			}
			if a.Verdict != nil && !a.Verdict.Issued.IsZero() {
				more = append(more, a.Verdict.Issued)
			}
			for _, m := range more {
				if !slices.Contains(w.Observed, m) {
					w.Observed = append(w.Observed, m)
				}
			}
		}
		w.Observed = record.SortDots(w.Observed)
	}
	return nil
}

// left leaves out of own changes to a record those that were rejected, and of which
// somebody has seen why: what they had replaced is not replaced.
func (v *village) left(id record.ID, own []ownChange) ([]ownChange, error) {
	b := v.b.Bucket(bucketVerdict)
	if b == nil {
		return own, nil
	}
	var left []ownChange
	for _, o := range own {
		if raw := b.Get(quarantineKey(id, o.touch)); raw != nil {
			holds, accepted, seen, err := v.peek(raw)
			if err != nil {
				return nil, err
			}
			if holds && seen && !accepted {
				continue
			}
		}
		left = append(left, o)
	}
	return left, nil
}

// Seen notes that somebody has seen why these changes to a record were rejected. They
// leave the record then, and stay in its history. It gives how many that were.
func (s *Store) Seen(ctx context.Context, t record.Type, id record.ID, changes ...record.Dot) (n int, err error) {
	err = s.update(ctx, true, func(x *tx) error {
		v, _, err := x.find(t, id)
		if err != nil {
			return err
		}
		n, err = v.see(id, func(c touch) bool { return slices.Contains(changes, record.Dot{Stream: c.Stream, Seq: c.Seq}) })
		return err
	})
	return n, err
}

// verifyVerdicts looks at the verdicts: each must be the server's, on the entry that it
// names.
func (v *village) verifyVerdicts(fault func(string, ...any)) {
	b := v.b.Bucket(bucketVerdict)
	d, err := v.t.dev()
	if b == nil || err != nil {
		return // what is wrong with the device is told with the receipts
	}
	if accepted, rejected, unseen, err := v.count(); err != nil || accepted != v.place.Accepted || rejected != v.place.Rejected || unseen != v.place.Unseen {
		fault("village %s: %d accepted, %d rejected, %d of them unseen, counted as %d, %d, %d: %v", v.code, accepted, rejected, unseen, v.place.Accepted, v.place.Rejected, v.place.Unseen, err)
	}
	var list []journal.Verdict
	c := b.Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		r, err := v.openRuling(k, raw)
		if err != nil || len(k) != 40 || !bytes.Equal(k[16:], quarantineKey(record.ID{}, touch{Stream: r.Stream, Seq: r.Seq})[16:]) {
			fault("village %s: a verdict: %v", v.code, err)
			continue
		}
		list = append(list, r.Verdict)
	}
	slices.SortFunc(list, alongStreams)
	var chain chained
	for _, r := range list {
		o := v.owns[r.Stream]
		if o == nil || r.Seq <= o.Base.Seq || r.Seq > o.Head.Seq {
			continue // the store was damaged since, or it has another name now
		}
		if hash, err := chain.at(v, r.Stream, r.Seq); err != nil || !r.Proves(d.Server, hash) {
			fault("village %s: the verdict on entry %d of stream %s is not the server's: %v", v.code, r.Seq, r.Stream, err)
		}
	}
}
