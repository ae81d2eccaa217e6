package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Outgoing is what one request carries for one village.
type Outgoing struct {
	Push wire.Push
	// Left counts the own changes that are to follow in later requests.
	Left uint64
	// sent is how far each stream goes with it, after behind what, fresh that one of
	// them never went so far.
	sent    map[record.Stream]journal.Head
	after   map[record.Stream]uint64
	fresh   bool
	entries uint64
	size    int
}

// Outgoing gives for each assigned village, and for each where work still waits
// from when it was, what is to be sent, at most budget
// bytes of entries in all (at least one entry where there is one). Nothing is
// written: that it has left, Sent notes.
func (s *Store) Outgoing(ctx context.Context, budget int) (out []Outgoing, err error) {
	err = s.Parts(ctx, budget, func(part []Outgoing) (bool, error) {
		out = part
		return false, nil
	})
	return out, err
}

// Entries counts the own changes that it carries.
func (o *Outgoing) Entries() uint64 { return o.entries }

// Size is how many of the budget's bytes they take.
func (o *Outgoing) Size() int { return o.size }

// Parts gives all that is to be sent to each: a first part as Outgoing gives it,
// which may have no entries, and then what comes behind it, until each says that
// it wants no more. Nothing is held meanwhile: each may take its time, and what is
// saved then comes with a later part.
func (s *Store) Parts(ctx context.Context, budget int, each func([]Outgoing) (more bool, err error)) error {
	sent := map[record.Stream]journal.Head{}
	for first := true; ; first = false {
		var part []Outgoing
		var entries int
		err := s.view(func(t *tx) (err error) {
			part, entries, err = t.outgoing(sent, budget)
			return err
		})
		if err != nil || entries == 0 && !first {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if more, err := each(part); err != nil || !more || entries == 0 {
			return err
		}
	}
}

// outgoing gives what comes behind sent, and notes there how far it goes.
func (t *tx) outgoing(sent map[record.Stream]journal.Head, budget int) (out []Outgoing, segments int, err error) {
	d, err := t.dev()
	if err != nil {
		return nil, 0, err
	}
	codes, err := t.syncedVillages(d)
	if err != nil {
		return nil, 0, err
	}
	villages := make([]*village, len(codes))
	waiting := 0
	for i, code := range codes {
		v, err := t.village(code)
		if err != nil {
			return nil, 0, err
		}
		villages[i] = v
		if v.pending() > 0 {
			waiting++
		}
	}
	left := budget
	for i, v := range villages {
		if v == nil {
			out = append(out, Outgoing{Push: wire.Push{Village: codes[i]}})
			continue
		}
		// Each gets its share, and what those before it left: one whose entries
		// the server refuses does not keep the others'.
		share := left / max(waiting, 1)
		left -= share
		if v.pending() > 0 {
			waiting--
		}
		o, err := v.outgoing(d, sent, &share)
		if err != nil {
			return nil, 0, err
		}
		left += share
		for stream, head := range o.sent {
			sent[stream] = head
		}
		segments += len(o.Push.Segments)
		out = append(out, o)
	}
	return out, segments, nil
}

// Sent notes that a request with all of out has left.
func (s *Store) Sent(ctx context.Context, out []Outgoing) error {
	if !slices.ContainsFunc(out, func(o Outgoing) bool { return o.fresh }) {
		return nil
	}
	return s.update(ctx, true, func(t *tx) error {
		for _, o := range out {
			v, err := t.village(o.Push.Village)
			if err != nil {
				return err
			}
			for s, head := range o.sent {
				if own := v.owns[s]; own != nil && head.Seq > own.Sent {
					own.Sent, v.dirty = head.Seq, true
				}
			}
		}
		return nil
	})
}

// syncedVillages gives the assigned villages, and those of earlier assignments
// of which the server has not acknowledged all.
func (t *tx) syncedVillages(d *Device) ([]record.Village, error) {
	var codes []record.Village
	for _, a := range d.Assigned.Villages {
		codes = append(codes, a.Code)
	}
	for _, code := range t.villageCodes() {
		if slices.Contains(codes, code) {
			continue
		}
		v, err := t.village(code)
		if err != nil {
			return nil, err
		}
		asked, err := t.stillAsked(v, d)
		if err != nil {
			return nil, err
		}
		if asked {
			codes = append(codes, code)
		}
	}
	return codes, nil
}

// stillAsked tells whether the server is asked about a village of an earlier
// assignment: while it lacks something, when it may have lost something, as the
// other villages have learned (of a backup older than the last, what was in that
// too), and about its backups.
func (t *tx) stillAsked(v *village, d *Device) (bool, error) {
	if v.pending() > 0 {
		return true, nil
	}
	for _, a := range d.Assigned.Villages {
		w, err := t.village(a.Code)
		if err != nil {
			return false, err
		}
		if w != nil && w.place.Epoch != v.place.Epoch && w.place.Epoch != (wire.Epoch{}) {
			return true, nil
		}
	}
	if v.safe() {
		return false, nil
	}
	return t.asksBacked()
}

// keyAsked is when the server was last asked about its backups, ms since 1970,
// corrected.
var keyAsked = []byte("asked")

// askPause is how long the laptop waits before it asks again, in milliseconds.
const askPause = 24 * 3600 * 1000

// today tells whether what is noted under key was less than askPause ago.
func (t *tx) today(key []byte) (bool, error) {
	var last int64
	if _, err := get(t.Bucket(bucketMeta), key, &last); err != nil {
		return false, err
	}
	clk, err := t.time()
	if err != nil {
		return false, err
	}
	now := t.s.opt.Wall() + clk.Skew
	return last <= now && now < last+askPause, nil
}

// asksBacked tells whether it is time to ask the server what is in a backup.
func (t *tx) asksBacked() (bool, error) {
	if asked, err := t.today(keyAsked); asked || err != nil {
		return false, err
	}
	for _, code := range t.villageCodes() {
		v, err := t.village(code)
		if err != nil {
			return false, err
		}
		for _, o := range v.owns {
			if o.Acked.Seq > o.Backed {
				return true, nil
			}
		}
	}
	return false, nil
}

// AsksBacked tells whether a sync that leaves now asks what is in a backup of the
// server's: at most once a day, after the server was restored at once, and only
// where there is something to learn.
func (s *Store) AsksBacked() (asks bool, err error) {
	err = s.view(func(t *tx) error {
		asks, err = t.asksBacked()
		return err
	})
	return asks, err
}

// AskedBacked notes that the server has answered that.
func (s *Store) AskedBacked(ctx context.Context) error { return s.asked(ctx, keyAsked) }

// asked notes under key that something was asked now.
func (s *Store) asked(ctx context.Context, key []byte) error {
	return s.update(ctx, false, func(t *tx) error {
		clk, err := t.time()
		if err != nil {
			return err
		}
		return put(t.Bucket(bucketMeta), key, t.s.opt.Wall()+clk.Skew)
	})
}

// Backed tells whether everything that the laptop wrote in a village is in a
// backup of the server's: until then nothing of it may be removed here.
func (s *Store) Backed(code record.Village) (all bool, err error) {
	err = s.view(func(t *tx) error {
		v, err := t.village(code)
		all = v.safe()
		return err
	})
	return all, err
}

// safe tells whether all own entries are in a backup.
func (v *village) safe() bool {
	if v == nil {
		return true
	}
	for _, o := range v.owns {
		if o.Head.Seq > o.Backed {
			return false
		}
	}
	return true
}

// pending counts the own changes without a receipt.
func (v *village) pending() uint64 {
	if v == nil {
		return 0
	}
	return v.waiting() + v.place.Saved
}

// waiting counts those of them that are in a stream.
func (v *village) waiting() (n uint64) {
	for _, o := range v.owns {
		n += o.Head.Seq - o.Acked.Seq
	}
	return n
}

// unsent counts those that no request has had yet.
func (v *village) unsent() (n uint64) {
	for _, o := range v.owns {
		n += o.Head.Seq - max(o.Acked.Seq, min(o.Sent, o.Head.Seq))
	}
	return n
}

func (v *village) outgoing(d *Device, behind map[record.Stream]journal.Head, left *int) (Outgoing, error) {
	p := wire.Push{Village: v.code, Epoch: v.place.Epoch, Cursor: v.place.Cursor}
	if v.place.Staging {
		p.After = v.place.Staged
		if v.place.StagedEpoch != v.place.Epoch {
			p.Epoch, p.Cursor = v.place.StagedEpoch, 0
		}
	}
	out := Outgoing{Push: p, sent: map[record.Stream]journal.Head{}, after: map[record.Stream]uint64{}}
	for _, s := range v.streams() {
		o := v.owns[s]
		if v.place.Anew && (v.place.Told || v.place.Staged > 0 || v.waiting() == 0) {
			// Of a stream that is named the server leaves out what the laptop had
			// receipts for, and that is not here any more. So what waits goes first, and
			// then everything comes.
			continue
		}
		acked := o.Acked.Seq
		if o.Unsettled && !v.place.Denied && v.unsent() == 0 {
			// With the receipts comes how the records stand that they speak of. While
			// some are to come for the first time they go first; for what was sent and
			// got none, as something that the server never takes, nobody waits.
			acked = min(acked, max(o.Settled, o.SettledAside))
		}
		if o.Head.Seq == acked && !v.place.Staging {
			// As a rule the cursor is past all of it: the server has nothing to say
			// of this stream, and need not be told again what to leave out.
			continue
		}
		out.Push.Streams = append(out.Push.Streams, wire.Own{Stream: s, Head: o.Head.Seq, Acked: acked})
		head, begun := behind[s]
		if !begun {
			head = o.Acked
		}
		begin := head.Seq
		for head.Seq < o.Head.Seq && *left > 0 && (s != v.writing || !v.unsure()) {
			upTo, room := uint64(1<<62), *left
			proof, err := v.proof(s, head.Seq+1)
			if err != nil {
				return out, err
			}
			if proof != nil {
				upTo, room = proof.Seq, max(room, provedRun)
			}
			seg, last, size, err := v.segment(s, o, head, room, upTo)
			if err != nil {
				return out, err
			}
			seg.Seal(d.Private(), last.Hash)
			if proof != nil && proof.Proves(d.Server, last.Hash) {
				out.Push.Proofs = append(out.Push.Proofs, *proof)
			}
			out.Push.Segments = append(out.Push.Segments, seg.Encode())
			*left -= size
			out.size += size
			head = last
		}
		if head.Seq > begin {
			out.sent[s], out.after[s] = head, begin
			out.entries += head.Seq - begin
			out.fresh = out.fresh || head.Seq > o.Sent
		}
		out.Left += o.Head.Seq - head.Seq
	}
	return out, nil
}

// streams gives the village's own streams in order.
func (v *village) streams() []record.Stream {
	var ss []record.Stream
	for s := range v.owns {
		ss = append(ss, s)
	}
	slices.SortFunc(ss, func(a, b record.Stream) int { return slices.Compare(a[:], b[:]) })
	return ss
}

// provedRun is how many bytes of entries go together, whatever the budget, where
// the server had them before it lost them: their receipt is good for all of them
// only.
const provedRun = 128 << 10

// proof gives the receipt that the server gave for entries from seq on in an earlier
// life of its data; nil where it never had them.
func (v *village) proof(s record.Stream, seq uint64) (*journal.Receipt, error) {
	c := v.b.Bucket(bucketReceipt).Cursor()
	k, raw := c.Seek(append(s[:], number(seq)...))
	if len(k) != 24 || record.Stream(k[:16]) != s {
		return nil, nil
	}
	r := new(journal.Receipt)
	if err := v.t.s.openSealed(receiptAt(k), raw, r); err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", s, err)
	}
	if r.From != seq {
		return nil, nil
	}
	return r, nil
}

// segment makes an unsigned segment of the entries behind head: those under one
// seed, none behind upTo, at most about budget bytes, at least one.
func (v *village) segment(s record.Stream, o *own, head journal.Head, budget int, upTo uint64) (*journal.Segment, journal.Head, int, error) {
	run, err := v.secret(s, head.Seq+1)
	if err != nil {
		return nil, head, 0, err
	}
	seg := &journal.Segment{Stream: s, From: head.Seq + 1, Incarnation: o.Incarnation}
	size := 0
	c := v.log(s).Cursor()
	k, raw := c.Seek(number(seg.From))
	for ; k != nil && size < budget && len(seg.Changes) < journal.MaxEntries; k, raw = c.Next() {
		if len(k) != 8 {
			return nil, head, 0, fmt.Errorf("%w: journal %s", ErrDamaged, s)
		}
		seq := binary.BigEndian.Uint64(k)
		if seq >= run.end || seq > upTo {
			break
		}
		if seq != seg.From+uint64(len(seg.Changes)) {
			return nil, head, 0, fmt.Errorf("%w: journal %s jumps to entry %d", ErrDamaged, s, seq)
		}
		v.t.s.read(v.t.Tx, len(raw))
		e, n, err := v.openEntry(s, seq, raw)
		if err != nil {
			return nil, head, 0, fmt.Errorf("journal %s, entry %d: %w", s, seq, err)
		}
		seg.Changes = append(seg.Changes, e.change())
		size += n
	}
	if len(seg.Changes) == 0 {
		return nil, head, 0, fmt.Errorf("%w: journal %s lacks entry %d", ErrDamaged, s, seg.From)
	}
	if err := run.give(seg); err != nil {
		return nil, head, 0, err
	}
	hashes := seg.Hashes(head.Hash)
	return seg, journal.Head{Seq: seg.Last(), Hash: hashes[len(hashes)-1]}, size, nil
}

// hashAt computes the hash of an own entry from the last one known before it.
func (v *village) hashAt(s record.Stream, o *own, seq uint64) (journal.Hash, error) {
	head := o.Base
	if o.Acked.Seq <= seq {
		head = o.Acked
	}
	if seq < head.Seq {
		return journal.Hash{}, fmt.Errorf("%w: journal %s does not go back to entry %d", ErrDamaged, s, seq)
	}
	for head.Seq < seq {
		_, last, _, err := v.segment(s, o, head, 64<<10, seq)
		if err != nil {
			return journal.Hash{}, err
		}
		head = last
	}
	return head.Hash, nil
}

// Status counts what is on its way.
type Status struct {
	Pending     uint64 // own changes without a receipt
	Sent        uint64 // those of them that went into a request
	Bundled     uint64 // those of them that are in a bundle, and in no request yet
	Delivered   uint64 // own changes with one
	Quarantined uint64 // own changes that the server set aside, and that still wait for somebody
	Rejected    uint64 // those of them that the office rejected, and nobody here has seen why
	Conflicts   uint64 // registers that have conflicts
	Proposals   uint64 // registers that have proposals
	Records     uint64
	// Renewed is when it last showed that a stream of the laptop's might have gone
	// on elsewhere (an older image, a copy), ms since 1970, corrected; 0 is never.
	Renewed int64
	// Missing counts entries that the laptop had written and that are not here: the
	// store is an older image, or the disk lost them. The server may have them.
	Missing uint64
	// Blobs counts the files that are still to be brought to the server, BlobBytes what
	// they come to. Originals are counted apart.
	Blobs     int
	BlobBytes int64
	Originals Amount
	Rebuilt   Rebuilt
	Saved     uint64 // of the pending, those that are in no record until the server has said what it has
	Villages  []VillageStatus
}

// VillageStatus is the same for one village.
type VillageStatus struct {
	Code        record.Village
	Pending     uint64
	Bundled     uint64
	Delivered   uint64
	Quarantined uint64
	Rejected    uint64
	Conflicts   uint64
	Proposals   uint64
	Records     uint64
	Backed      uint64 // own changes that are in a backup of the server's
	// Anew tells that the village is fetched again from the server, and is not all
	// here yet.
	Anew bool
	// Denied tells that by the last answer the village is not the laptop's any more:
	// it was taken from it, or the laptop was revoked.
	Denied  bool
	Streams []OwnStatus
}

// OwnStatus is one of the laptop's streams; Writing tells the one that new
// entries go to.
type OwnStatus struct {
	Stream      record.Stream
	Head, Acked uint64
	Writing     bool
}

// Status counts without reading one record.
func (s *Store) Status() (st Status, err error) {
	err = s.view(func(t *tx) (err error) {
		if st.Rebuilt, err = t.rebuilt(); err != nil {
			return err
		}
		st.Saved = t.loose()
		st.Pending = st.Saved
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			vs := VillageStatus{Code: code}
			for _, s := range v.streams() {
				o := v.owns[s]
				vs.Pending += o.Head.Seq - o.Acked.Seq
				st.Sent += max(o.Sent, o.Acked.Seq) - o.Acked.Seq
				if from := max(o.Acked.Seq, o.Sent); o.Bundled > from {
					vs.Bundled += o.Bundled - from
				}
				vs.Delivered += o.Acked.Seq
				vs.Backed += o.Backed
				vs.Streams = append(vs.Streams, OwnStatus{s, o.Head.Seq, o.Acked.Seq, o.Writing})
			}
			vs.Pending += v.place.Saved
			st.Saved += v.place.Saved
			vs.Anew, vs.Denied = v.place.Anew, v.place.Denied
			pl := &v.place
			waiting := pl.Quarantined - min(pl.Quarantined, pl.Accepted+pl.Rejected)
			vs.Quarantined, vs.Rejected = waiting+pl.Unseen, pl.Unseen
			vs.Delivered -= min(vs.Delivered, waiting+pl.Rejected)
			vs.Conflicts, vs.Proposals = v.place.Conflicts, v.place.Proposals
			for _, n := range v.place.Records {
				vs.Records += n
			}
			files, originals, err := v.undelivered()
			if err != nil {
				return err
			}
			st.Blobs, st.BlobBytes = st.Blobs+files.Files, st.BlobBytes+files.Bytes
			st.Originals.Files, st.Originals.Bytes = st.Originals.Files+originals.Files, st.Originals.Bytes+originals.Bytes
			st.Renewed = max(st.Renewed, v.place.Renewed)
			st.Missing += v.place.Missing
			st.Villages = append(st.Villages, vs)
			st.Pending += vs.Pending
			st.Bundled += vs.Bundled
			st.Delivered += vs.Delivered
			st.Quarantined += vs.Quarantined
			st.Rejected += vs.Rejected
			st.Conflicts += vs.Conflicts
			st.Proposals += vs.Proposals
			st.Records += vs.Records
		}
		return nil
	})
	return st, err
}

// Assign takes the office's new assignment.
func (s *Store) Assign(ctx context.Context, a wire.Assignment) error {
	_, err := s.SetDevice(ctx, func(d *Device) { d.Assigned, d.Published = a, true })
	return err
}
