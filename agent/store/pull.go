package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Taken is what came of one answer for one village.
type Taken struct {
	Acknowledged uint64 // own changes that now have a receipt
	Records      uint64 // records that came
	// More tells that another round is due: the feed goes on, the page is asked for
	// again, something written again is to be sent, or it is to be asked how records
	// stand of which something was set aside.
	More bool
	// Rewound tells that the server lacks entries it had acknowledged; they are
	// pending again.
	Rewound bool
	// Renewed tells that the server has another history of one of this laptop's
	// streams, and that what it lacks was written again, in a new one.
	Renewed bool
	// Denied tells that the laptop may no longer have the village: what it wrote
	// there is taken, and nothing more comes.
	Denied bool
}

// foldBatch is how many staged records one transaction joins.
const foldBatch = 200

// Take takes a village's part of an answer: receipts, and the next page of its
// feed. Pages before the last are set aside; with the last one they all become
// part of the village together with its frontier and cursor.
func (s *Store) Take(ctx context.Context, p *wire.Pull) (Taken, error) {
	return s.take(ctx, p, false)
}

// TakeLate is Take for an answer that was long on its way, while newer ones may
// have come: what it refuses is not so any more, and of another epoch it may be
// older than the laptop's.
func (s *Store) TakeLate(ctx context.Context, p *wire.Pull) (Taken, error) {
	q := *p
	q.Refused = nil
	return s.take(ctx, &q, true)
}

func (s *Store) take(ctx context.Context, p *wire.Pull, old bool) (taken Taken, err error) {
	// What an earlier series left to join comes first.
	if err := s.Fold(ctx, p.Village); err != nil {
		return taken, err
	}
	unreadable := readable(p)
	err = s.update(ctx, true, func(t *tx) error {
		taken = Taken{Records: uint64(len(p.Records)), More: p.More}
		if unreadable != nil {
			taken = Taken{}
		}
		if here, err := t.knows(p.Village); err != nil || !here {
			// The laptop has let it go since it asked.
			taken = Taken{}
			return err
		}
		v, err := t.village(p.Village)
		if err != nil {
			return err
		}
		if old && v.over(p) {
			// The server may have lost since what this acknowledges.
			taken = Taken{}
			return nil
		}
		if p.Denied {
			// No page comes with it, so nothing to expect: receipts alone.
			taken = Taken{Denied: true}
			if err := v.dropAside(); err != nil {
				return err
			}
		}
		late := !p.Denied && !v.expects(p)
		if late {
			// To an older question. What it acknowledges is proved all the same; what
			// it says beside that comes again with the answer to the question of now.
			taken = Taken{}
		} else if err := v.begin(p, &taken); err != nil {
			return err
		}
		back := !late && v.place.Denied && !p.Denied
		if !late && v.place.Denied != p.Denied {
			v.place.Denied, v.dirty = p.Denied, true
		}
		for i := range p.Receipts {
			r := &p.Receipts[i]
			if late && len(r.Quarantined) > 0 {
				// The record is to be shown as it stands without what is quarantined,
				// and the page that says how is not taken. Those behind it in the
				// stream wait with it.
				continue
			}
			n, err := v.acknowledge(r)
			if err != nil {
				return err
			}
			taken.Acknowledged += n
		}
		v.backed(p.Backed)
		if late {
			return nil
		}
		for _, r := range p.Refused {
			if err := v.refused(r, &taken); err != nil {
				return err
			}
		}
		if v.cut {
			v.cut, taken.Renewed = false, true
			if err := v.renew(); err != nil {
				return err
			}
		}
		if p.Denied && v.place.Anew {
			// Nothing of it comes any more: what was saved goes as it is.
			taken.More = v.place.Saved > 0
			return v.fetched()
		}
		if p.Denied || unreadable != nil {
			return nil
		}
		if taken.Renewed {
			taken.More = true
			// What is here has other names now, and the page is asked for again.
			return nil
		}
		if v.disputed(p) || !v.proves(p.Without) || v.place.Anew && len(p.Without) > 0 {
			taken.Records, taken.More = 0, taken.Acknowledged > 0
			if v.place.Anew {
				// Whether it is the laptop's turn still: not where the server took nothing.
				taken.More = taken.More || len(p.Without) > 0
				v.place.Told, v.dirty = taken.Acknowledged == 0 && len(p.Without) > 0, true
			}
			return nil
		}
		if err := v.stage(p); err != nil {
			return err
		}
		if err := v.rule(p); err != nil {
			return err
		}
		settles := v.settle(p.Receipts)
		if p.More {
			return nil
		}
		if err := v.flip(p); err != nil {
			return err
		}
		// Where more is to be settled, or it could not be asked for until now, another
		// round is due.
		if settles || back || taken.Acknowledged > 0 {
			taken.More = v.unsettled()
		}
		return nil
	})
	if err == nil {
		err = unreadable
	}
	if err != nil {
		return taken, err
	}
	again, err := s.fold(ctx, p.Village)
	taken.More = taken.More || again
	return taken, err
}

// disputed tells whether the page goes behind what the laptop has receipts for in
// a stream of which it has entries without: then two changes may bear one name,
// and the page waits until the server has taken the laptop's or refused them.
func (v *village) disputed(p *wire.Pull) bool {
	for _, h := range slices.Concat(p.Heads, p.Own) {
		if o := v.owns[h.Stream]; o != nil && o.Head.Seq > o.Acked.Seq && h.Seq > o.Acked.Seq {
			return true
		}
	}
	return false
}

// proves tells whether the laptop has receipts for what the server left out of a
// page as the laptop's own.
func (v *village) proves(without []wire.StreamHead) bool {
	for _, h := range without {
		if o := v.owns[h.Stream]; o == nil || o.Acked.Seq < h.Seq {
			return false
		}
	}
	return true
}

// readable tells whether this release can read all records of a page. What it
// cannot read it must not pass by, or it would never come again.
func readable(p *wire.Pull) error {
	for i := range p.Records {
		r := &p.Records[i]
		if _, err := merge.Decode(r.State); err != nil || r.Type == "" || len(r.Type) > 64 || r.ID.IsZero() {
			return fmt.Errorf("%w: %s %s", ErrUnreadable, r.Type, r.ID)
		}
	}
	return nil
}

// ErrUnreadable says that the server sent a record that this release cannot
// read. Receipts that came with it are taken.
var ErrUnreadable = errors.New("the server sent a record that cannot be read")

// over tells an old answer of a life of the server's data that is over, or may be:
// of any other than the one that the laptop last heard of.
func (v *village) over(p *wire.Pull) bool {
	pl := &v.place
	last := pl.Epoch
	if pl.Staging {
		last = pl.StagedEpoch
	}
	return p.Epoch != last && last != (wire.Epoch{})
}

// begin takes notice of the first answer of another epoch: what the server now
// has of the laptop's own streams is all that it has, and everything behind that
// goes again. It begins the series of pages that will replace the old epoch's.
func (v *village) begin(p *wire.Pull, taken *Taken) error {
	pl := &v.place
	if p.Epoch == pl.Epoch || pl.Staging && p.Epoch == pl.StagedEpoch {
		return nil
	}
	has := map[record.Stream]uint64{}
	for _, h := range p.Heads {
		has[h.Stream] = h.Seq
	}
	for s, o := range v.owns {
		if has[s] >= o.Acked.Seq {
			continue
		}
		taken.Rewound = true
		if err := v.setBack(s, o, has[s]); err != nil {
			return err
		}
	}
	if err := v.clearStage(); err != nil {
		return err
	}
	pl.Staging, pl.Staged, pl.StagedFeed, pl.StagedEpoch, v.dirty = true, 0, 0, p.Epoch, true
	if p.Denied {
		// No page will come, and the epoch is left all the same.
		pl.Epoch, pl.Cursor, pl.Staging = p.Epoch, 0, false
		if err := v.ruled(); err != nil {
			return err
		}
	}
	return v.t.Bucket(bucketMeta).Delete(keyAsked)
}

// expects tells whether the page follows what the laptop has: it begins there, or
// before and goes further. One that is older than what came since would be joined
// as if it were of now, and take that away. Of a series no page is older than those
// before it: a record that was changed between the two would be in neither. And its
// heads count from where the series began, or from before.
func (v *village) expects(p *wire.Pull) bool {
	pl := &v.place
	at := pl.Cursor
	switch {
	case pl.Staging && p.Epoch == pl.StagedEpoch:
		begun := pl.Cursor
		if pl.Epoch != pl.StagedEpoch {
			begun = 0
		}
		// A server that is older than these two says neither.
		if known := p.Feed > 0 || !p.More; known && p.Made() < pl.StagedFeed || pl.StagedFeed > 0 && known && p.Since() > begun {
			return false
		}
		at = pl.Staged
	case p.Epoch == pl.Epoch && !pl.Staging:
	default:
		return p.From == 0
	}
	return p.From == at || p.From < at && at < p.Cursor
}

// stage sets a page aside. A page behind the series under way begins a new one.
func (v *village) stage(p *wire.Pull) error {
	pl := &v.place
	if !pl.Staging {
		if err := v.clearStage(); err != nil {
			return err
		}
		pl.Staging, pl.StagedEpoch = true, p.Epoch
	}
	b := v.b.Bucket(bucketStage)
	had := v.had(p)
	for i := range p.Records {
		r := &p.Records[i]
		key := stageKey(r.Type, r.ID)
		raw, err := v.t.s.wrap(v.stageAt(key), append(bytes.Clone(had), r.State...))
		if err != nil {
			return err
		}
		if err := b.Put(key, raw); err != nil {
			return err
		}
	}
	pl.Staged, pl.StagedFeed, v.dirty = p.Cursor, p.Made(), true
	return nil
}

// had writes how far the server had the laptop's own streams when it made a page: a
// number, then stream (16 bytes) and number of each. It stands before every staged
// state, which knows so much and not more of them. For what others change meanwhile
// the record comes again in a later page, for the laptop's own it does not.
func (v *village) had(p *wire.Pull) []byte {
	own := slices.DeleteFunc(slices.Clone(p.Own), func(h wire.StreamHead) bool { return v.owns[h.Stream] == nil })
	b := binary.AppendUvarint(nil, uint64(len(own)))
	for _, h := range own {
		b = binary.AppendUvarint(append(b, h.Stream[:]...), h.Seq)
	}
	return b
}

// staged reads what had and a state make, and gives the frontier of the state.
func (v *village) staged(plain []byte) (merge.State, merge.Frontier, error) {
	bad := fmt.Errorf("%w: a staged record", ErrDamaged)
	n, k := binary.Uvarint(plain)
	if k <= 0 {
		return nil, nil, bad
	}
	plain = plain[k:]
	had := map[record.Stream]uint64{}
	for range n {
		if len(plain) < 17 {
			return nil, nil, bad
		}
		seq, k := binary.Uvarint(plain[16:])
		if k <= 0 {
			return nil, nil, bad
		}
		had[record.Stream(plain[:16])] = seq
		plain = plain[16+k:]
	}
	f := merge.Frontier{} // Behind is nil where a page came of which nobody's stream is known
	maps.Copy(f, v.place.Behind)
	for s, o := range v.owns {
		// A stream that went on elsewhere is like anybody else's. Of the others this
		// page counts alone: the last one of the series may be older, or newer.
		if f[s] <= o.Head.Seq {
			f[s] = min(had[s], o.Acked.Seq)
		}
	}
	theirs, err := merge.Decode(plain)
	if err != nil {
		return nil, nil, bad
	}
	return theirs, f, nil
}

func (v *village) stageAt(key []byte) slot { return slotOf("stage", []byte(v.code), key) }

func stageKey(t record.Type, id record.ID) []byte { return append(append([]byte{}, id[:]...), t...) }

// dropAside gives up a series of pages that will have no last one.
func (v *village) dropAside() error {
	pl := &v.place
	if !pl.Staging {
		return nil
	}
	if pl.Epoch != pl.StagedEpoch {
		pl.Epoch, pl.Cursor = pl.StagedEpoch, 0
	}
	pl.Staging, pl.Staged, v.dirty = false, 0, true
	return errors.Join(v.ruled(), v.clearStage())
}

func (v *village) clearStage() error {
	for _, o := range v.owns {
		o.SettledAside = 0
	}
	if err := v.dropRules(); err != nil {
		return err
	}
	if k, _ := v.b.Bucket(bucketStage).Cursor().First(); k == nil {
		return nil
	}
	if err := v.b.DeleteBucket(bucketStage); err != nil {
		return err
	}
	_, err := v.b.CreateBucket(bucketStage)
	return err
}

// flip makes the staged pages part of the village: frontier, cursor and epoch
// move in this transaction, the records are joined behind it (Fold).
func (v *village) flip(p *wire.Pull) error {
	pl := &v.place
	pl.Before = maps.Clone(v.frontier)
	pl.Behind = map[record.Stream]uint64{}
	whole := p.Epoch != pl.Epoch || pl.Cursor == 0
	if !whole {
		pl.Behind = maps.Clone(v.frontier)
		maps.Copy(pl.Behind, pl.Ahead)
		for s, o := range v.owns {
			if v.frontier[s] <= o.Head.Seq { // else it went on elsewhere
				pl.Behind[s] = o.Acked.Seq
			}
		}
	}
	for _, h := range p.Heads {
		pl.Behind[h.Stream] = h.Seq
	}
	if v.elsewhere(pl.Behind) {
		if err := v.note(); err != nil {
			return err
		}
	}
	j := v.judges(whole, pl.Ahead)
	for s, n := range pl.Behind {
		v.advance(s, n)
	}
	clk, err := v.t.time()
	if err != nil {
		return err
	}
	pl.Ahead = nil
	for s, n := range v.frontier {
		if o := v.owns[s]; pl.Behind[s] < n && (o == nil || n > o.Head.Seq) {
			if pl.Ahead == nil {
				pl.Ahead = map[record.Stream]uint64{}
			}
			pl.Ahead[s] = pl.Behind[s]
		}
	}
	switch {
	case pl.Ahead == nil:
		pl.LostSince, pl.LostTold = 0, false
	case pl.LostSince == 0 || p.Epoch != pl.Epoch:
		pl.LostSince, pl.LostTold = v.t.s.opt.Wall()+clk.Skew, false
	}
	pl.Epoch, pl.Cursor = p.Epoch, p.Cursor
	pl.Staging, pl.Live, v.dirty = false, true, true
	v.settled()
	if pl.Overrules = j != nil; pl.Overrules {
		if err := j.sweep(); err != nil {
			return err
		}
	}
	return v.rules()
}

// Fold joins the staged records of a village that are live with what the laptop
// has, some hundred a transaction, so that saves go on meanwhile and memory
// stays small. It does nothing when there are none, and goes on where a crash
// interrupted it.
func (s *Store) Fold(ctx context.Context, code record.Village) error {
	_, err := s.fold(ctx, code)
	return err
}

// fold is Fold, and tells whether it wrote again what was saved of a damaged store.
func (s *Store) fold(ctx context.Context, code record.Village) (again bool, err error) {
	for {
		left := false
		if err := s.view(func(t *tx) error {
			v, err := t.village(code)
			if v != nil {
				left = v.place.Live
			}
			return err
		}); err != nil || !left {
			return again, err
		}
		err = s.update(ctx, true, func(t *tx) error {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			for range foldBatch {
				k, _ := v.b.Bucket(bucketStage).Cursor().First()
				if k == nil {
					v.place.Live, v.place.Before, v.place.Behind = false, nil, nil
					v.dirty = true
					if v.place.Anew {
						again = v.place.Saved > 0
						return v.fetched()
					}
					return nil
				}
				k = bytes.Clone(k)
				if err := v.foldOne(record.Type(k[16:]), record.ID(k[:16])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return again, err
		}
	}
}

// foldOne joins one live staged record. A save that comes between flip and fold
// calls it first: a change must be applied to what its frontier says is there.
func (v *village) foldOne(t record.Type, id record.ID) error {
	if !v.place.Live {
		return nil
	}
	tc, ours, _, err := v.stored(t, id)
	if err != nil {
		return err
	}
	s, staged, err := v.joined(t, id, tc, ours)
	if err != nil || !staged {
		return err
	}
	if err := v.observe(s); err != nil {
		return err
	}
	if err := v.store(record.Key{Village: v.code, Type: t, ID: id}, tc, s); err != nil {
		return err
	}
	if s.Erased() {
		if err := v.erase(id, tc); err != nil {
			return err
		}
	}
	return v.b.Bucket(bucketStage).Delete(stageKey(t, id))
}

// joined gives what a live staged record makes of the laptop's own state of it;
// staged is false, and the state ours, when there is none.
func (v *village) joined(t record.Type, id record.ID, tc touched, ours merge.State) (s merge.State, staged bool, err error) {
	key := stageKey(t, id)
	raw := v.b.Bucket(bucketStage).Get(key)
	if raw == nil {
		return ours, false, nil
	}
	plain, err := v.t.s.unwrap(v.stageAt(key), raw)
	if err != nil {
		return nil, true, err
	}
	theirs, behind, err := v.staged(plain)
	if err != nil {
		return nil, true, err
	}
	if tc.Quarantined || v.place.Anew || v.place.Overrules {
		s, err = v.stands(id, tc, ours, theirs, behind)
		return settle(s), true, err
	}
	return settle(merge.Join(ours.Dated(theirs), merge.Frontier(v.place.Before), theirs, behind)), true, nil
}

// rebuild gives the server's state of a record and the own changes that it has not had.
// Where some were quarantined a join would not do: what a quarantined change had
// replaced here still stands there.
func (v *village) rebuild(tc touched, theirs merge.State, f merge.Frontier) (merge.State, error) {
	later, err := v.ownChanges(tc, func(t touch) bool { return t.Seq > f[t.Stream] })
	if err != nil {
		return nil, err
	}
	s := theirs
	for _, o := range later {
		c, d := o.entry.change(), record.Dot{Stream: o.Stream, Seq: o.Seq}
		a := merge.Applied{Dot: d, At: clock.Time(c.Time), Unmeasured: true, Author: c.Author}
		if own := v.owns[o.Stream]; own != nil && o.Seq <= own.Acked.Seq {
			// The server has had it since, and has dated it, or set it aside.
			if v.b.Bucket(bucketQuarantine).Get(quarantineKey(o.entry.Record, o.touch)) != nil {
				continue
			}
			if a.At, err = v.at(d, o.entry); err != nil {
				return nil, err
			}
			a.Unmeasured = false
		}
		s = merge.Apply(s, f, a, c.Body)
		f[d.Stream] = d.Seq
	}
	return s, nil
}

// observe lets the clock learn of the times in a record that came.
func (v *village) observe(s merge.State) error {
	clk, err := v.t.time()
	if err != nil {
		return err
	}
	for _, r := range s {
		for _, sib := range r.Siblings {
			if !sib.Unmeasured && sib.At > clk.Last {
				clk.Observe(sib.At, v.t.s.opt.Wall())
			}
		}
	}
	return nil
}
