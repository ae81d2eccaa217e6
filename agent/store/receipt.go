package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// acknowledge takes a receipt: it proves what the server has, and gives the
// times that everybody reads.
func (v *village) acknowledge(r *journal.Receipt) (uint64, error) {
	o := v.owns[r.Stream]
	if o == nil || r.Seq <= o.Acked.Seq || r.Seq > o.Head.Seq || r.From > o.Acked.Seq+1 {
		// Known, or about something this laptop never wrote: it proves nothing new.
		return 0, nil
	}
	d, err := v.t.dev()
	if err != nil {
		return 0, err
	}
	hash, err := v.hashAt(r.Stream, o, r.Seq)
	if err != nil {
		return 0, err
	}
	if !r.Proves(d.Server, hash) {
		// Of another history of this stream, or of nothing: a refusal tells.
		return 0, nil
	}
	entries := make([]*entry, 0, r.Seq-r.From+1)
	times := make([]uint64, 0, cap(entries))
	for seq := r.From; seq <= r.Seq; seq++ {
		e, err := v.entry(r.Stream, seq)
		if err != nil {
			return 0, err
		}
		entries, times = append(entries, e), append(times, e.Time)
	}
	ats := r.Ats(times)
	for i, e := range entries {
		tc, s, found, err := v.load(e.Type, e.Record)
		if err != nil {
			return 0, err
		}
		if !found {
			continue
		}
		dot := record.Dot{Stream: r.Stream, Seq: r.From + uint64(i)}
		if s, err = v.took(r, dot, e, tc, s.Measure(dot, ats[i]), ats[i]); err != nil {
			return 0, err
		}
		if err := v.store(record.Key{Village: v.code, Type: e.Type, ID: e.Record}, tc, s); err != nil {
			return 0, err
		}
	}
	for _, q := range r.Quarantined {
		if q.Seq < r.From || q.Seq > r.Seq {
			continue
		}
		e := entries[q.Seq-r.From]
		tc, s, _, err := v.load(e.Type, e.Record)
		if err != nil {
			return 0, err
		}
		tc.Quarantined = true
		if s = settle(s); s.Erased() {
			// Written on by somebody who did not know, or did not mind.
			if err := v.erase(e.Record, tc); err != nil {
				return 0, err
			}
		}
		k := record.Key{Village: v.code, Type: e.Type, ID: e.Record}
		if err := v.store(k, tc, s); err != nil {
			return 0, err
		}
		if !s.Erased() {
			if err := v.referAlone(k, e); err != nil {
				return 0, err
			}
		}
		key := quarantineKey(e.Record, touch{Stream: r.Stream, Seq: q.Seq})
		if v.b.Bucket(bucketQuarantine).Get(key) == nil { // else the server had said so before it lost it
			v.place.Quarantined++
		}
		if err := v.t.s.putSealed(v.b.Bucket(bucketQuarantine), quarantineAt(key), key, q); err != nil {
			return 0, err
		}
	}
	if err := v.dropReceipts(r); err != nil {
		return 0, err
	}
	key := append(r.Stream[:], number(r.Seq)...)
	if err := v.t.s.putSealed(v.b.Bucket(bucketReceipt), receiptAt(key), key, r); err != nil {
		return 0, err
	}
	if len(r.Quarantined) > 0 && !o.Unsettled {
		o.Unsettled, o.Settled = true, o.Acked.Seq
	}
	n := r.Seq - o.Acked.Seq
	o.Acked = journal.Head{Seq: r.Seq, Hash: hash}
	o.Sent = max(o.Sent, r.Seq)
	v.dirty = true
	return n, v.forgetRuns()
}

// took puts a change back on its record that the server had set aside in a life of its
// data that was lost, and has taken in this one: it came before its receipt of then.
// What a later own change has replaced stays replaced.
func (v *village) took(r *journal.Receipt, d record.Dot, e *entry, tc touched, s merge.State, at clock.Time) (merge.State, error) {
	b, key := v.b.Bucket(bucketQuarantine), quarantineKey(e.Record, touch{Stream: d.Stream, Seq: d.Seq})
	if b.Get(key) == nil || slices.ContainsFunc(r.Quarantined, func(q journal.Quarantined) bool { return q.Seq == d.Seq }) {
		return s, nil
	}
	own, err := v.ownChanges(tc, func(t touch) bool { return t.Stream != d.Stream || t.Seq > d.Seq })
	if err != nil {
		return nil, err
	}
	later, err := v.left(e.Record, own)
	if err != nil {
		return nil, err
	}
	f := maps.Clone(v.frontier)
	f[d.Stream] = d.Seq - 1
	s = putIn(s, f, merge.Applied{Dot: d, At: at, Author: e.Author}, e.change().Body, observed(later))
	return s, v.noAside(key)
}

// putIn puts a change back on a state that may have parts of it; replaced is what has
// been written in its place since.
func putIn(s merge.State, f merge.Frontier, a merge.Applied, body []record.Write, replaced map[record.Path]map[record.Dot]bool) merge.State {
	missing := slices.DeleteFunc(slices.Clone(body), func(w record.Write) bool { return lives(s, w.Path, a.Dot) })
	s = merge.Apply(s, f, a, missing)
	for _, w := range body {
		if reg := s[w.Path]; replaced[w.Path][a.Dot] {
			reg.Siblings = slices.DeleteFunc(slices.Clone(reg.Siblings), func(sib merge.Sibling) bool { return sib.Dot == a.Dot })
			s.Set(w.Path, reg)
		}
	}
	return s
}

// noAside forgets that a change was set aside, and what was decided on it.
func (v *village) noAside(key []byte) error {
	b := v.b.Bucket(bucketQuarantine)
	if b.Get(key) == nil {
		return nil
	}
	v.place.Quarantined--
	v.dirty = true
	if err := b.Delete(key); err != nil {
		return err
	}
	if verdicts := v.b.Bucket(bucketVerdict); verdicts != nil {
		if err := verdicts.Delete(key); err != nil {
			return err
		}
	}
	return v.ruled()
}

// dropReceipts removes those of an earlier life of the server for a part of what r is
// for: they date and judge it otherwise.
func (v *village) dropReceipts(r *journal.Receipt) error {
	b := v.b.Bucket(bucketReceipt)
	var old [][]byte
	c := b.Cursor()
	for k, raw := c.Seek(append(r.Stream[:], number(r.From)...)); len(k) == 24 && record.Stream(k[:16]) == r.Stream && binary.BigEndian.Uint64(k[16:]) < r.Seq; k, raw = c.Next() {
		var o journal.Receipt
		if err := v.t.s.openSealed(receiptAt(k), raw, &o); err != nil {
			return fmt.Errorf("receipt of %s: %w", r.Stream, err)
		}
		if o.From >= r.From {
			old = append(old, bytes.Clone(k))
		}
	}
	for _, k := range old {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// forgetRuns lets the clock drop the settings that no pending change was made
// under.
func (v *village) forgetRuns() error {
	clk, err := v.t.time()
	if err != nil {
		return err
	}
	oldest := clk.Last + 1
	for _, code := range v.t.villageCodes() {
		w, err := v.t.village(code)
		if err != nil {
			return err
		}
		for s, o := range w.owns {
			if o.Acked.Seq == o.Head.Seq {
				continue
			}
			e, err := w.entry(s, o.Acked.Seq+1)
			if err != nil {
				return err
			}
			oldest = min(oldest, clock.Time(e.Time))
		}
	}
	clk.Forget(oldest)
	return nil
}

// refused notes what a refused segment says about the server: a gap below what
// it had acknowledged means that it lost entries, which then go again.
func (v *village) refused(r wire.Refused, taken *Taken) error {
	o := v.owns[r.Stream]
	switch {
	case o == nil:
	case r.Code == wire.RefusedFork && o.Head.Seq > o.Acked.Seq:
		taken.Renewed = true
		if err := v.note(); err != nil {
			return err
		}
		return v.renew()
	case r.Code == wire.RefusedGap && r.Head < o.Acked.Seq:
		taken.Rewound = true
		return v.setBack(r.Stream, o, r.Head)
	}
	return nil
}

// setBack makes an own stream pending again behind an entry.
func (v *village) setBack(s record.Stream, o *own, seq uint64) error {
	v.t.anew = true
	if err := v.recall(s, max(seq, o.Base.Seq), o.Acked.Seq); err != nil {
		return err
	}
	if seq < o.Base.Seq {
		// What it lost is not here either: what is here goes on without.
		o.Acked, v.cut = o.Base, true
		o.Unsettled, o.SettledAside = false, 0
		o.Backed, v.dirty = min(o.Backed, seq), true
		return nil
	}
	o.Acked = journal.Head{}
	hash, err := v.hashAt(s, o, seq)
	if err != nil {
		return err
	}
	o.Acked, o.Backed, v.dirty = journal.Head{Seq: seq, Hash: hash}, min(o.Backed, seq), true
	o.Unsettled, o.SettledAside = o.Unsettled && o.Settled < seq, min(o.SettledAside, seq)
	return nil
}

// recall tells the clock how entries behind one, as far as another, were dated. A receipt
// that goes with them says so too, where it is for just those that the server lacks.
func (v *village) recall(s record.Stream, behind, upTo uint64) error {
	clk, err := v.t.time()
	if err != nil {
		return err
	}
	// A stretch of timestamps that one correction is good for.
	var first, last clock.Time
	var correction int64
	end := func() {
		if last > 0 {
			clk.Recall(first, last, correction)
		}
	}
	c := v.b.Bucket(bucketReceipt).Cursor()
	for k, raw := c.Seek(append(s[:], number(behind+1)...)); len(k) == 24 && record.Stream(k[:16]) == s; k, raw = c.Next() {
		var r journal.Receipt
		if err := v.t.s.openSealed(receiptAt(k), raw, &r); err != nil {
			return fmt.Errorf("receipt of %s: %w", s, err)
		}
		if r.From > upTo {
			break
		}
		if r.From <= v.owns[s].Base.Seq {
			continue // of some of what it dated nothing is here
		}
		var times []uint64
		for seq := r.From; seq <= r.Seq; seq++ {
			e, err := v.entry(s, seq)
			if err != nil {
				return err
			}
			times = append(times, e.Time)
		}
		for i, at := range r.Ats(times) {
			if seq := r.From + uint64(i); seq <= behind || seq > upTo {
				continue
			}
			t := clock.Time(times[i])
			found := at.Milli() - t.Milli()
			if d := found - correction; last == 0 || d < -clock.Noise || d > clock.Noise {
				end()
				first, correction = t, found
			}
			last = t
		}
	}
	end()
	return nil
}

// backed notes how far own streams are in a backup of the server's.
func (v *village) backed(heads []wire.StreamHead) {
	for _, h := range heads {
		if o := v.owns[h.Stream]; o != nil {
			if n := min(h.Seq, o.Acked.Seq); n > o.Backed {
				o.Backed, v.dirty = n, true
			}
		}
	}
}

// settle notes that a page that is set aside says how the records stand of which its
// receipts set changes aside, be they known already; some tells that there were such.
func (v *village) settle(receipts []journal.Receipt) (some bool) {
	for i := range receipts {
		r := &receipts[i]
		o := v.owns[r.Stream]
		if o == nil || !o.Unsettled {
			continue
		}
		if at := max(o.Settled, o.SettledAside); r.From <= at+1 && r.Seq > at {
			o.SettledAside, some = r.Seq, true
		}
	}
	return some
}

// settled makes what the pages that were set aside say part of the village.
func (v *village) settled() {
	for _, o := range v.owns {
		if o.SettledAside > 0 {
			o.Settled, o.SettledAside = max(o.Settled, o.SettledAside), 0
			o.Unsettled = o.Settled < o.Acked.Seq
		}
	}
}

// unsettled tells whether a page has still to say how records stand.
func (v *village) unsettled() bool {
	for _, o := range v.owns {
		if o.Unsettled {
			return true
		}
	}
	return false
}

func receiptAt(key []byte) slot { return slotOf("receipt", key) }
