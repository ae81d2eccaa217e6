package journal

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Hash is an entry's hash, SHA-256. The zero Hash stands before the first
// entry of a stream.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Head is the last entry of a stream as somebody knows it; Seq 0 is a stream
// without entries.
type Head struct {
	_    struct{} `cbor:",toarray"`
	Seq  uint64
	Hash Hash
}

// Seed is what the salts of a run of entries are derived from.
type Seed [16]byte

// salt of the entry seq.
func (s Seed) salt(seq uint64) Salt {
	mac := hmac.New(sha256.New, s[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, seq))
	return Salt(mac.Sum(nil))
}

// Segment is a run of one stream's entries, numbered from From.
type Segment struct {
	Stream record.Stream
	// From is the number of the first entry, counted from 1.
	From uint64
	// Incarnation is the stream's: with the device's key and the village it
	// proves the stream's name.
	Incarnation identity.Incarnation
	Seed        Seed
	// Bodies are in the place of the seed where bodies were erased, one for each of
	// Changes; nil in an ordinary segment.
	Bodies  []Body
	Changes []record.Change
	// Sig is the device's signature over the head: the stream, the number and
	// the hash of the last entry.
	Sig []byte
}

// Last is the number of the segment's last entry.
func (s *Segment) Last() uint64 { return s.From + uint64(len(s.Changes)) - 1 }

// The errors of a segment that may not be taken.
var (
	// ErrGap: the segment does not begin where the stream ends.
	ErrGap = errors.New("segment does not continue the stream")
	// ErrForged: the stream or the signature is not the key's.
	ErrForged = errors.New("segment is not signed by the device")
	// ErrDamaged: a change breaks the format's own rules.
	ErrDamaged = errors.New("segment is damaged")
)

// Hashes gives the hash of each entry, where prev is the hash of the entry
// before the first.
func (s *Segment) Hashes(prev Hash) []Hash {
	hashes := make([]Hash, len(s.Changes))
	for i := range s.Changes {
		prev = EntryHash(s.Stream, s.From+uint64(i), prev, &s.Changes[i], s.body(i))
		hashes[i] = prev
	}
	return hashes
}

// Seal signs the segment, whose last entry has the given hash.
func (s *Segment) Seal(key ed25519.PrivateKey, last Hash) {
	s.Sig = identity.Sign(key, identity.SegmentHead, headMessage(s.Stream, s.Last(), last))
}

// Open checks that the segment continues head in village and is signed by key,
// and gives the hashes of its entries. The errors are ErrGap, ErrForged and
// ErrDamaged.
func (s *Segment) Open(key ed25519.PublicKey, village record.Village, head Head) ([]Hash, error) {
	if len(s.Changes) == 0 || s.From == 0 || s.Last() < s.From {
		return nil, fmt.Errorf("%w: no entries", ErrDamaged)
	}
	if s.From != head.Seq+1 {
		return nil, fmt.Errorf("%w: it begins with %d, the stream ends with %d", ErrGap, s.From, head.Seq)
	}
	if identity.StreamOf(key, string(village), s.Incarnation) != s.Stream {
		return nil, fmt.Errorf("%w: the stream is another device's or another village's", ErrForged)
	}
	if len(s.Bodies) > 0 && len(s.Bodies) != len(s.Changes) {
		return nil, fmt.Errorf("%w: %d entries and %d bodies", ErrDamaged, len(s.Changes), len(s.Bodies))
	}
	for i := range s.Changes {
		if s.Erased(i) {
			continue
		}
		if err := record.CheckBody(s.Changes[i].Body); err != nil {
			return nil, fmt.Errorf("%w: entry %d: %w", ErrDamaged, s.From+uint64(i), err)
		}
	}
	hashes := s.Hashes(head.Hash)
	if !identity.Verify(key, identity.SegmentHead, headMessage(s.Stream, s.Last(), hashes[len(hashes)-1]), s.Sig) {
		return nil, ErrForged
	}
	return hashes, nil
}

// After gives the part of the segment behind entry seq; the signature stays
// good for it. It is empty when the segment ends there.
func (s *Segment) After(seq uint64) *Segment {
	rest := *s
	if seq >= s.From {
		n := min(seq-s.From+1, uint64(len(s.Changes)))
		rest.Changes, rest.From = s.Changes[n:], seq+1
		if len(s.Bodies) > 0 {
			rest.Bodies = s.Bodies[n:]
		}
	}
	return &rest
}

func headMessage(stream record.Stream, seq uint64, hash Hash) []byte {
	b := append([]byte(nil), stream[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	return append(b, hash[:]...)
}

// digest writes what is hashed: each part with its length before it, so that
// no two contents give the same bytes.
type digest []byte

func (d *digest) number(n uint64) { *d = binary.AppendUvarint(*d, n) }

func (d *digest) text(s string) {
	d.number(uint64(len(s)))
	*d = append(*d, s...)
}

// EntryHash is SHA-256 over the entry's name, its predecessor's hash, what the
// change says of itself, and its body's hash (DESIGN.md).
func EntryHash(stream record.Stream, seq uint64, prev Hash, c *record.Change, body Hash) Hash {
	d := make(digest, 0, 256)
	d.text("zhucun entry 1")
	d = append(d, stream[:]...)
	d.number(seq)
	d = append(d, prev[:]...)
	d = append(d, c.Record[:]...)
	d.text(string(c.Type))
	d.number(c.Time)
	d.text(c.Author)
	d.number(c.Form)
	d.text(string(c.Extra))
	d = append(d, body[:]...)
	return sha256.Sum256(d)
}

// BodyHash is SHA-256 over the salt of entry seq and the body.
func BodyHash(seed Seed, seq uint64, body []record.Write) Hash { return bodyHash(seed.salt(seq), body) }

func bodyHash(salt Salt, body []record.Write) Hash {
	d := make(digest, 0, 1024)
	d = append(d, salt[:]...)
	for _, w := range body {
		d.text(string(w.Path))
		d.text(string(w.Value))
		d.number(uint64(len(w.Observed)))
		for _, o := range w.Observed {
			d = append(d, o.Stream[:]...)
			d.number(o.Seq)
		}
	}
	return sha256.Sum256(d)
}

// Quarantined is an entry that was taken but may not be applied.
type Quarantined struct {
	_   struct{} `cbor:",toarray"`
	Seq uint64
	// Reason is one of the Reason codes, Detail names what it is about.
	Reason string
	Detail string
}

// Receipt says that the server has the entries From to Seq of a stream durably,
// and what it made of their times: for each, clock.At with the correction that
// Runs gives, Floor and Received.
type Receipt struct {
	_           struct{} `cbor:",toarray"`
	Stream      record.Stream
	From, Seq   uint64
	Received    clock.Time
	Floor       clock.Time
	Runs        []clock.Run
	Quarantined []Quarantined
	// Sig is the server's signature over all of the above and the hash of the
	// entry Seq. The hash is not in the receipt: the device knows what it wrote.
	Sig []byte
}

// Cut makes the receipt one for the entries to seq only, to be sealed anew. Their
// times stay what they were.
func (r *Receipt) Cut(seq uint64) {
	r.Seq = seq
	r.Quarantined = slices.DeleteFunc(slices.Clone(r.Quarantined), func(q Quarantined) bool { return q.Seq > seq })
}

// Seal signs the receipt for an entry of that hash.
func (r *Receipt) Seal(key ed25519.PrivateKey, hash Hash) {
	r.Sig = identity.Sign(key, identity.ReceiptOf, r.message(hash))
}

// Proves tells whether the server of that key acknowledged the entry Seq with
// that hash.
func (r *Receipt) Proves(key ed25519.PublicKey, hash Hash) bool {
	return r.From > 0 && r.From <= r.Seq && identity.Verify(key, identity.ReceiptOf, r.message(hash), r.Sig)
}

func (r *Receipt) message(hash Hash) []byte {
	d := make(digest, 0, 128)
	d = append(d, r.Stream[:]...)
	d.number(r.From)
	d.number(r.Seq)
	d = append(d, hash[:]...)
	d.number(uint64(r.Received))
	d.number(uint64(r.Floor))
	d.number(uint64(len(r.Runs)))
	for _, run := range r.Runs {
		d.number(uint64(run.From))
		d.number(uint64(run.Correction))
	}
	d.number(uint64(len(r.Quarantined)))
	for _, q := range r.Quarantined {
		d.number(q.Seq)
		d.text(q.Reason)
		d.text(q.Detail)
	}
	return d
}

// Ats gives the times that everybody reads for the changes of a run of entries
// under this receipt, in their order.
func (r *Receipt) Ats(times []uint64) []clock.Time {
	ats, floor := make([]clock.Time, len(times)), r.Floor
	for i, t := range times {
		t := clock.Time(t)
		var found int64
		if n := len(r.Runs); n > 0 {
			found = r.Runs[n-1].Correction
		}
		floor = clock.At(t, clock.Correction(t, r.Runs, found), floor, r.Received)
		ats[i] = floor
	}
	return ats
}
