package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Delivery is what one device signed for one village, however it came here.
type Delivery struct {
	Village record.Village
	// From is the device that signed, as the server knows it.
	From Device
	// Segments are encoded by journal.Segment.Encode, those of a stream in order.
	Segments [][]byte
	// Runs and Found say how wrong the device's clock was: its settings as it
	// tells them, and in milliseconds what the server found just now.
	Runs  []clock.Run
	Found int64
	// Proofs are the server's own receipts, of an earlier life of its data.
	Proofs []journal.Receipt
	// Own are the device's streams with all that it holds of them, where it said so
	// knowing of this life of the data.
	Own []wire.Own
	// Received is the server's time when the delivery began to arrive.
	Received clock.Time
}

// Taken is what became of a delivery. Receipts are read with a page.
type Taken struct {
	// Entries counts what is newly in the log, Quarantined those of them that
	// were not applied.
	Entries, Quarantined int
	Refused              []wire.Refused
	// Agreed says for each stream up to which entry the device and the log are now
	// known to say the same.
	Agreed map[record.Stream]uint64
}

// The reasons for which an entry is quarantined, beside the codes of a
// merge.Refusal. They travel in receipts.
const (
	ReasonRevoked = "revoked" // the device was revoked
	ReasonVillage = "village" // the village is not the device's, or unknown
	ReasonAuthor  = "author"  // nobody of that name is registered on the device
	ReasonType    = "type"    // the record is there, and of another type
	ReasonUnseen  = "unseen"  // it replaces what its author cannot have seen
	ReasonFull    = "full"    // the record would have more than a record may have
	ReasonLost    = "lost"    // another's words, which a server that was restored lacks
)

// What a record may have: registers, and in one of them values that live beside
// each other or are awaited. People come to hundreds and to a handful; each
// change to what is beyond would take everybody's time.
const (
	maxRegisters = 4096
	maxSiblings  = 1024
)

// turn is how long a delivery keeps the lock before it lets others have theirs,
// but for the segment that it is at.
const turn = 250 * time.Millisecond

// Take puts a delivery into the log and applies it. It may be repeated: what
// is in the log already is skipped. So may one that failed on the way, of which
// some segments are in the log then.
func (s *Store) Take(ctx context.Context, d Delivery) (Taken, error) {
	segments := make([]incoming, len(d.Segments))
	for i, raw := range d.Segments {
		segments[i].raw = raw
		segments[i].seg, segments[i].err = journal.Decode(raw)
	}
	p := &sender{Device: d.From, runs: d.Runs, found: d.Found, proofs: d.Proofs, own: d.Own}
	var all Taken
	for len(segments) > 0 {
		var taken Taken
		var rest []incoming
		if err := s.change(ctx, func(t *tx) error {
			rest = segments
			known, err := t.known(&d)
			if err != nil {
				return err
			}
			if !known {
				b := &batch{s: s, t: t, village: d.Village, received: d.Received}
				for ; len(rest) > 0; rest = rest[1:] {
					in := rest[0]
					if in.seg == nil {
						in.seg = &journal.Segment{}
					}
					if err := b.refuse(p, in, in.seg.Stream, in.seg.From, wire.RefusedVillage); err != nil {
						return err
					}
				}
				taken = b.taken
				return nil
			}
			b, err := s.lock(t, d.Village, d.Received)
			if err != nil {
				return err
			}
			b.delivered = d.Received
			for begun := s.Now(); len(rest) > 0 && (len(rest) == len(segments) || s.Now().Sub(begun) < turn); rest = rest[1:] {
				if err := b.take(p, rest[0]); err != nil {
					return err
				}
			}
			taken = b.taken
			return b.flush()
		}); err != nil {
			return Taken{}, err
		}
		if taken.Entries > 0 {
			s.notice.raise()
		}
		segments = rest
		all.Entries += taken.Entries
		all.Quarantined += taken.Quarantined
		all.Refused = append(all.Refused, taken.Refused...)
		for stream, seq := range taken.Agreed {
			if all.Agreed == nil {
				all.Agreed = map[record.Stream]uint64{}
			}
			all.Agreed[stream] = max(all.Agreed[stream], seq)
		}
	}
	return all, nil
}

// incoming is a segment as it came: its bytes, and what they say.
type incoming struct {
	raw []byte
	seg *journal.Segment
	err error
}

// sender is who signed a delivery and what is known of its clock.
type sender struct {
	Device
	runs  []clock.Run
	found int64
	// proofs are receipts for what is sent, from before the data was restored.
	proofs []journal.Receipt
	own    []wire.Own
	// office is the server itself, which writes in other people's names and
	// everywhere.
	office bool
}

// stream is a row of the table stream.
type stream struct {
	id          record.Stream
	device      identity.Device
	key         []byte
	number      uint64
	incarnation identity.Incarnation
	head        journal.Head
	at          clock.Time
	feed        uint64
	moved       bool
	// rewound tells that the server had more of it in an earlier life.
	rewound bool
}

// take puts one segment into the log and applies its entries.
func (b *batch) take(p *sender, in incoming) error {
	if in.err != nil {
		return b.refuse(p, in, record.Stream{}, 0, wire.RefusedDamaged)
	}
	seg := in.seg
	st := b.streams[seg.Stream]
	switch {
	case identity.StreamOf(p.Key, string(b.village), seg.Incarnation) != seg.Stream:
		return b.refuse(p, in, seg.Stream, seg.From, wire.RefusedForged)
	case st == nil:
		st = &stream{id: seg.Stream, device: p.ID, key: p.Key, number: uint64(len(b.streams) + 1), incarnation: seg.Incarnation, rewound: b.s.anew && !p.office}
	}
	if seg.From > st.head.Seq+1 {
		return b.refuse(p, in, seg.Stream, seg.From, wire.RefusedGap)
	}
	rest := seg
	if seg.From <= st.head.Seq {
		same, err := b.overlaps(st, seg)
		if err != nil {
			return err
		}
		if !same {
			return b.refuse(p, in, seg.Stream, seg.From, wire.RefusedFork)
		}
		if rest = seg.After(st.head.Seq); len(rest.Changes) == 0 {
			b.agree(seg)
			return nil
		}
	}
	hashes, err := rest.Open(p.Key, b.village, st.head)
	switch {
	case errors.Is(err, journal.ErrDamaged):
		return b.refuse(p, in, seg.Stream, seg.From, wire.RefusedDamaged)
	case err != nil && st.head.Seq > 0:
		// The stream is the device's, and the signature covers what comes
		// before: most likely that is not what is here. The device brings it
		// again in a new stream, and nothing is lost either way.
		return b.refuse(p, in, seg.Stream, seg.From, wire.RefusedFork)
	case err != nil:
		return b.refuse(p, in, seg.Stream, seg.From, wire.RefusedForged)
	}
	b.agree(seg)
	raw := in.raw
	if rest != seg || raw == nil {
		raw = rest.Encode()
	}
	return b.append(p, st, rest, hashes[len(hashes)-1], raw)
}

func (b *batch) agree(seg *journal.Segment) {
	if b.taken.Agreed == nil {
		b.taken.Agreed = map[record.Stream]uint64{}
	}
	b.taken.Agreed[seg.Stream] = max(b.taken.Agreed[seg.Stream], seg.Last())
}

// overlaps tells whether the segment, which begins at or below the stream's
// head, says what the log says as far as both go.
func (b *batch) overlaps(st *stream, seg *journal.Segment) (bool, error) {
	before, err := b.hashAt(st, seg.From-1)
	if err != nil {
		return false, err
	}
	last := min(seg.Last(), st.head.Seq)
	stored, err := b.hashAt(st, last)
	if err != nil {
		return false, err
	}
	return seg.Hashes(before)[last-seg.From] == stored, nil
}

// hashAt gives the hash of an entry that is in the log.
func (b *batch) hashAt(st *stream, seq uint64) (journal.Hash, error) {
	var hash journal.Hash
	switch seq {
	case 0:
		return hash, nil
	case st.head.Seq:
		return st.head.Hash, nil
	}
	return b.s.hashAt(b.t, b.village, st.id, seq)
}

// segmentHashes gives the hashes of the entries of the segment that has one of a
// stream's, and which is the first.
func (s *Store) segmentHashes(t *tx, village record.Village, stream record.Stream, seq uint64) (first uint64, hashes []journal.Hash, err error) {
	var before, body []byte
	if err := t.row(`SELECT first_seq, before_hash, body FROM segment WHERE village_id = $1 AND stream_id = $2 AND last_seq >= $3 ORDER BY last_seq LIMIT 1`,
		village, stream[:], seq).Scan(&first, &before, &body); err != nil {
		return 0, nil, err
	}
	seg, err := s.unpack(body)
	if err != nil {
		return 0, nil, err
	}
	hashes = seg.Hashes(journal.Hash(before))
	if seq < first || seq-first >= uint64(len(hashes)) {
		return 0, nil, fmt.Errorf("entry %d of stream %s is not in the log", seq, stream)
	}
	return first, hashes, nil
}

// hashAt gives the hash of an entry of a stream's log, without reading more of it than
// that takes.
func (s *Store) hashAt(t *tx, village record.Village, stream record.Stream, seq uint64) (journal.Hash, error) {
	var hash journal.Hash
	var first, last uint64
	var before, end []byte
	if err := t.row(`SELECT first_seq, last_seq, before_hash, last_hash FROM segment
		WHERE village_id = $1 AND stream_id = $2 AND last_seq >= $3 ORDER BY last_seq LIMIT 1`,
		village, stream[:], seq).Scan(&first, &last, &before, &end); err != nil {
		return hash, err
	}
	if seq == last {
		copy(hash[:], end)
		return hash, nil
	}
	copy(hash[:], before)
	if seq < first {
		return hash, nil
	}
	first, hashes, err := s.segmentHashes(t, village, stream, seq)
	if err != nil {
		return hash, err
	}
	return hashes[seq-first], nil
}

// known tells whether the office has entered the delivery's village, or assigned
// it to the device. Of others nothing is made: whoever is enrolled could else
// fill every list with villages.
func (t *tx) known(d *Delivery) (bool, error) {
	if slices.Contains(d.From.Villages, d.Village) {
		return true, nil
	}
	var n int
	err := t.row(`SELECT count(*) FROM village_head WHERE village_id = $1`, d.Village).Scan(&n)
	return n > 0, err
}

// What is set aside of a device's in a village of its own, and in all others
// together: bytes of segments, and segments.
const (
	maxAsideBytes = 8 << 20
	maxAsides     = 1000
)

// refuse tells the device that a segment was not taken. What it alone cannot
// mend is set aside whole, once, for people to look at: the oldest, as much as
// there is room for. The device keeps it in any case.
func (b *batch) refuse(p *sender, in incoming, stream record.Stream, from uint64, code string) error {
	var head uint64
	if st := b.streams[stream]; st != nil && bytes.Equal(st.key, p.Key) {
		head = st.head.Seq
	}
	b.taken.Refused = append(b.taken.Refused, wire.Refused{Stream: stream, From: from, Code: code, Head: head})
	if code == wire.RefusedGap {
		return nil
	}
	place := b.village
	if !slices.Contains(p.Villages, b.village) {
		place = "" // one for all, or the room would be as large as the list of villages
	}
	if b.asides == 0 {
		if err := b.t.row(`SELECT count(*), coalesce(sum(size), 0) FROM setaside WHERE village_id = $1 AND device_id = $2`,
			place, p.ID).Scan(&b.asides, &b.asideBytes); err != nil {
			return err
		}
	}
	if b.asides >= maxAsides || b.asideBytes+len(in.raw) > maxAsideBytes {
		return nil
	}
	changes, raw := 0, in.raw
	if in.seg != nil {
		changes = len(in.seg.Changes)
		if b.records != nil {
			ids := make([]record.ID, changes)
			for i := range in.seg.Changes {
				ids[i] = in.seg.Changes[i].Record
			}
			if err := b.load(ids); err != nil {
				return err
			}
			if stripped := eraseRecord(in.seg, b.erasedIn); stripped != in.seg {
				raw = stripped.Encode()
			}
		}
	}
	hash := sha256.Sum256(in.raw)
	n, err := b.t.affect(`INSERT INTO setaside(village_id, stream_id, first_seq, hash, device_id, reason, received, body, claimed, size, changes)
		VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		place, stream[:], from, hash[:], p.ID, code, b.received.Milli(), b.s.pack(raw), b.village, len(in.raw), changes)
	if n > 0 {
		b.asides, b.asideBytes = b.asides+1, b.asideBytes+len(in.raw)
	}
	return err
}

// append applies the entries of a segment that continues its stream and writes
// it to the log.
func (b *batch) append(p *sender, st *stream, seg *journal.Segment, last journal.Hash, raw []byte) error {
	b.streams[st.id] = st
	times := make([]uint64, len(seg.Changes))
	ids := make([]record.ID, len(seg.Changes))
	for i := range seg.Changes {
		times[i], ids[i] = seg.Changes[i].Time, seg.Changes[i].Record
	}
	if err := b.load(ids); err != nil {
		return err
	}
	receipt := journal.Receipt{Stream: st.id, From: seg.From, Seq: seg.Last(), Received: b.received, Floor: st.at, Runs: corrections(times, p.runs, p.found)}
	proof := b.proof(p, seg, last)
	if proof != nil {
		receipt.Received, receipt.Runs = proof.Received, proof.Runs
	}
	// Whoever names as replaced what is still to come of it may have had it from here,
	// with a receipt or before one came.
	shown := proof != nil || st.rewound
	st.rewound = proof != nil || st.rewound && !(slices.ContainsFunc(p.own, func(o wire.Own) bool { return o.Stream == st.id && o.Head == seg.Last() }) && b.ends(p, st))
	ats := receipt.Ats(times)
	if stripped := eraseRecord(seg, b.erasedIn); stripped != seg {
		seg, raw = stripped, stripped.Encode()
	}
	for i := range seg.Changes {
		c, dot := &seg.Changes[i], record.Dot{Stream: st.id, Seq: seg.From + uint64(i)}
		w := b.records[c.Record]
		if seg.Erased(i) && !w.state.Erased() {
			// Its device has erased it: there is nothing to apply.
			b.frontier[st.id] = dot.Seq
			continue
		}
		reason, detail := b.judged(proof, p, w, c, dot.Seq)
		if reason == "" && !p.office && overfull(w.state, c.Body) {
			reason = ReasonFull
		}
		if reason != "" {
			receipt.Quarantined = append(receipt.Quarantined, journal.Quarantined{Seq: dot.Seq, Reason: reason, Detail: detail})
			if err := b.quarantine(p, dot, c, reason, detail); err != nil {
				return err
			}
			if w.state.SkipInPlace(dot) || shown {
				// Others may have had it from an earlier life, as taken.
				b.tellAgain(w)
			}
		} else {
			b.apply(st, w, merge.Applied{Dot: dot, At: ats[i], Author: c.Author}, c)
		}
		b.frontier[st.id] = dot.Seq
	}
	b.taken.Entries += len(seg.Changes)
	b.taken.Quarantined += len(receipt.Quarantined)
	receipt.Seal(b.s.Key, last)
	kept, err := cbor.Marshal(receipt)
	if err != nil {
		return err
	}
	b.log++
	before := st.head.Hash
	st.head, st.at, st.moved = journal.Head{Seq: seg.Last(), Hash: last}, ats[len(ats)-1], true
	return b.t.exec(`INSERT INTO segment(village_id, stream_id, last_seq, first_seq, log, received, before_hash, last_hash, receipt, body)
		VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		b.village, st.id[:], receipt.Seq, receipt.From, b.log, receipt.Received.Milli(), before[:], last[:], kept, b.s.pack(raw))
}

// proof gives the receipt by which the server in an earlier life took this very
// segment; nil where there is none.
func (b *batch) proof(p *sender, seg *journal.Segment, last journal.Hash) *journal.Receipt {
	for i := range p.proofs {
		r := &p.proofs[i]
		if r.Stream == seg.Stream && r.From == seg.From && r.Seq == seg.Last() && r.Proves(b.s.Key.Public().(ed25519.PublicKey), last) {
			return r
		}
	}
	return nil
}

// judged is judge for an entry that may have been judged in an earlier life: what
// was right then stands, for others have seen it.
func (b *batch) judged(proof *journal.Receipt, p *sender, w *working, c *record.Change, seq uint64) (reason, detail string) {
	switch {
	case proof == nil:
		return b.judge(p, w, c)
	case w.state.Erased():
		return ReasonErased, "" // since then
	}
	for _, q := range proof.Quarantined {
		if q.Seq == seq {
			return q.Reason, q.Detail
		}
	}
	if w.typ != "" && w.typ != c.Type {
		return ReasonType, string(w.typ)
	}
	return "", ""
}

// corrections gives the runs that a receipt tells, so that the device makes the
// same times of its timestamps. A clock that was right leaves none.
func corrections(times []uint64, runs []clock.Run, found int64) []clock.Run {
	if !slices.ContainsFunc(times, func(t uint64) bool { return clock.Correction(clock.Time(t), runs, found) != 0 }) {
		return nil
	}
	if len(runs) == 0 {
		return []clock.Run{{Correction: found}}
	}
	runs = slices.Clone(runs)
	runs[len(runs)-1].Correction = found
	return runs
}

// ends tells whether a stream is the last that its device has. Where it has gone on in
// another, the end of this one may be what others saw in an earlier life, under names
// that the device itself has given up.
func (b *batch) ends(p *sender, st *stream) bool {
	if slices.ContainsFunc(p.own, func(o wire.Own) bool { return o.Stream != st.id }) {
		return false
	}
	for _, other := range b.streams {
		if other.device == p.ID && other.number > st.number {
			return false
		}
	}
	return true
}

// judge says why an entry may not be applied; the empty reason is that it may.
func (b *batch) judge(p *sender, w *working, c *record.Change) (reason, detail string) {
	switch {
	case p.Revoked():
		return ReasonRevoked, ""
	case !p.office && !slices.Contains(p.Villages, b.village):
		return ReasonVillage, string(b.village)
	case !p.office && c.Lost():
		return ReasonLost, ""
	case !p.office && !slices.Contains(p.Profiles, c.Author) && (c.Author != "" || !merge.Receipts(b.s.forms.Form(c.Type), c.Body)):
		return ReasonAuthor, clip(c.Author)
	case w.state.Erased():
		return ReasonErased, ""
	case w.typ != "" && w.typ != c.Type:
		return ReasonType, string(w.typ)
	case !p.office && slices.ContainsFunc(c.Body, servers):
		return merge.RefusedOwner, string(c.Body[slices.IndexFunc(c.Body, servers)].Path)
	}
	if path, unseen := b.unseen(p, c.Body); unseen {
		return ReasonUnseen, clip(string(path))
	}
	var r *merge.Refusal
	if errors.As(merge.Permit(b.s.forms.Form(c.Type), c.Type, w.state, merge.Writer{Author: c.Author, Role: p.Role}, c.Body), &r) {
		return r.Code, clip(string(r.Path))
	}
	return "", ""
}

// servers tells a write of what every replica obeys, and only the server says: that a
// record was erased, or has left its village.
func servers(x record.Write) bool {
	return x.Path == record.Left || x.Path == record.Life && merge.Erases(x.Value)
}

// unseen tells whether a body names as replaced what another device has yet to
// send. What a laptop has of others it has from here, so that it cannot have seen
// it: to let it pass would make the other's words vanish as they come. A stream
// that is not known here yet may be the laptop's own next one, and of one of which
// a restored server has lost the end it may have seen that.
func (b *batch) unseen(p *sender, body []record.Write) (record.Path, bool) {
	for _, w := range body {
		for _, d := range w.Observed {
			if st := b.streams[d.Stream]; st != nil && d.Seq > b.frontier[d.Stream] && !st.rewound && !bytes.Equal(st.key, p.Key) {
				return w.Path, true
			}
		}
	}
	return "", false
}

// overfull tells whether a record in state s would have more than it may have
// after a change.
func overfull(s merge.State, body []record.Write) bool {
	registers := len(s)
	for _, w := range body {
		r, there := s[w.Path]
		if !there {
			registers++
		}
		if registers > maxRegisters || len(r.Siblings)+len(r.Cloud)+len(w.Observed) >= maxSiblings {
			return true
		}
	}
	return false
}

// MaxReason bounds the reason of a decision on a quarantined entry, in characters: so
// much of it goes to the laptop.
const MaxReason = 200

// clip keeps what others wrote from making a row as long as they like.
func clip(s string) string {
	if r := []rune(s); len(r) > MaxReason {
		return string(r[:MaxReason])
	}
	return s
}

func (b *batch) quarantine(p *sender, dot record.Dot, c *record.Change, reason, detail string) error {
	return b.t.exec(`INSERT INTO quarantine(village_id, stream_id, seq, device_id, reason, detail, record_id, type, author, received)
		VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		b.village, dot.Stream[:], dot.Seq, p.ID, reason, detail, c.Record.String(), c.Type, c.Author, b.received.Milli())
}
