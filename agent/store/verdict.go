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
// (journal.Verdict), and holds once the laptop has the feed as far: a change that was
// accepted leaves its author's screen in the moment in which its new name is there. One
// that was rejected stays on it until somebody at the laptop has seen why. Verdicts of
// an earlier life of the server's data hold no more: those that it still knows come
// again.

var bucketVerdict = []byte("verdict")

// ruling is a verdict as it is stored: whether somebody has seen it, the epoch and the
// number in the feed, which are read without opening it, and the verdict, sealed with
// them.
type ruling struct {
	seen  bool
	epoch wire.Epoch
	journal.Verdict
}

const rulingHead = 1 + len(wire.Epoch{}) + 8

func (r *ruling) head() []byte {
	b := make([]byte, 1, rulingHead)
	if r.seen {
		b[0] |= 1
	}
	if r.Accepted {
		b[0] |= 2
	}
	return append(append(b, r.epoch[:]...), number(r.Feed)...)
}

func rulingAt(key, head []byte) slot { return slotOf("verdict", key, head) }

// peek reads the head of a stored verdict: whether it holds, and what it says.
func (v *village) peek(raw []byte) (holds, accepted, seen bool, err error) {
	if len(raw) < rulingHead {
		return false, false, false, fmt.Errorf("%w: a verdict", ErrDamaged)
	}
	n := 1 + len(wire.Epoch{})
	holds = wire.Epoch(raw[1:n]) == v.place.Epoch && binary.BigEndian.Uint64(raw[n:]) <= v.place.Cursor
	return holds, raw[0]&2 != 0, raw[0]&1 != 0, nil
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

func (v *village) putRuling(key []byte, r *ruling) error {
	b, err := v.b.CreateBucketIfNotExists(bucketVerdict)
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
	slices.SortFunc(list, func(a, b journal.Verdict) int {
		return cmp.Or(bytes.Compare(a.Stream[:], b.Stream[:]), cmp.Compare(a.Seq, b.Seq))
	})
	var at journal.Head // how far the stream under way has been read
	for i, r := range list {
		o := v.owns[r.Stream]
		if o == nil || r.Seq <= o.Base.Seq || r.Seq > o.Head.Seq {
			continue
		}
		if i == 0 || list[i-1].Stream != r.Stream || at.Seq < o.Base.Seq {
			at = o.Base
		}
		from := *o
		if from.Acked = at; r.Seq > at.Seq {
			hash, err := v.hashAt(r.Stream, &from, r.Seq)
			if err != nil {
				return err
			}
			at = journal.Head{Seq: r.Seq, Hash: hash}
		}
		if r.Seq != at.Seq || !r.Proves(d.Server, at.Hash) {
			continue
		}
		e, err := v.entry(r.Stream, r.Seq)
		if err != nil {
			return err
		}
		now := &ruling{seen: e.erased(), epoch: p.Epoch, Verdict: r}
		key := quarantineKey(e.Record, touch{Stream: r.Stream, Seq: r.Seq})
		if b := v.b.Bucket(bucketVerdict); b != nil && b.Get(key) != nil {
			// A restored server says again what somebody may have seen.
			before, err := v.openRuling(key, b.Get(key))
			if err != nil {
				return err
			}
			now.seen = now.seen || before.seen && before.Accepted == r.Accepted && before.At == r.At && before.By == r.By && before.Why == r.Why
		}
		if err := v.putRuling(key, now); err != nil {
			return err
		}
	}
	return nil
}

// ruled counts the verdicts that hold.
func (v *village) ruled() error {
	accepted, rejected, unseen := uint64(0), uint64(0), uint64(0)
	if b := v.b.Bucket(bucketVerdict); b != nil {
		c := b.Cursor()
		for k, raw := c.First(); k != nil; k, raw = c.Next() {
			holds, yes, seen, err := v.peek(raw)
			switch {
			case err != nil:
				return err
			case !holds:
			case yes:
				accepted++
			case seen:
				rejected++
			default:
				rejected++
				unseen++
			}
		}
	}
	if pl := &v.place; pl.Accepted != accepted || pl.Rejected != rejected || pl.Unseen != unseen {
		pl.Accepted, pl.Rejected, pl.Unseen, v.dirty = accepted, rejected, unseen, true
	}
	return nil
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
		if err := v.putRuling(quarantineKey(id, touch{Stream: r.Stream, Seq: r.Seq}), r); err != nil {
			return 0, err
		}
	}
	return len(list), v.ruled()
}

// seeReplaced notes as seen the rejections of which nothing shows any more, since the
// laptop has written something else in their place.
func (v *village) seeReplaced(id record.ID, tc touched) error {
	if v.place.Unseen == 0 || !tc.Quarantined {
		return nil
	}
	own, err := v.ownChanges(tc, func(touch) bool { return true })
	if err != nil {
		return err
	}
	replaced := observed(own)
	_, err = v.see(id, func(t touch) bool {
		i := slices.IndexFunc(own, func(o ownChange) bool { return o.touch == t })
		return i >= 0 && !slices.ContainsFunc(own[i].entry.Body, func(w write) bool {
			return !replaced[w.Path][record.Dot{Stream: t.Stream, Seq: t.Seq}]
		})
	})
	return err
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
	heads := map[record.Stream]journal.Head{}
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
	slices.SortFunc(list, func(a, b journal.Verdict) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, r := range list {
		o := v.owns[r.Stream]
		if o == nil || r.Seq <= o.Base.Seq {
			continue // the store was damaged since
		}
		from := *o
		from.Acked = o.Base
		if h := heads[r.Stream]; h.Seq > o.Base.Seq {
			from.Acked = h
		}
		hash, err := v.hashAt(r.Stream, &from, r.Seq)
		if err != nil || !r.Proves(d.Server, hash) {
			fault("village %s: the verdict on entry %d of stream %s is not the server's: %v", v.code, r.Seq, r.Stream, err)
			continue
		}
		heads[r.Stream] = journal.Head{Seq: r.Seq, Hash: hash}
	}
}
