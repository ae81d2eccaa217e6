package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

var (
	bucketFrontier   = []byte("frontier")
	bucketOwn        = []byte("own")
	bucketSeed       = []byte("seed")
	bucketRefers     = []byte("refers")
	bucketReview     = []byte("review")
	bucketQuarantine = []byte("quarantine")
	bucketReceipt    = []byte("receipt")
	bucketStage      = []byte("stage")

	keyPlace = []byte("place")
)

// place is where the laptop stands in a village's feed.
type place struct {
	Epoch  wire.Epoch `cbor:"0,keyasint"`
	Cursor uint64     `cbor:"1,keyasint"`
	// Staged is where the staged pages end, StagedEpoch whose they are, StagedFeed how
	// far the feed went when the last was made. Staging tells that there are some.
	Staging     bool       `cbor:"2,keyasint,omitempty"`
	Staged      uint64     `cbor:"3,keyasint,omitempty"`
	StagedEpoch wire.Epoch `cbor:"4,keyasint,omitempty"`
	StagedFeed  uint64     `cbor:"26,keyasint,omitempty"`
	// Live tells that the staged pages are part of the village but not all of
	// them are joined with the records yet; Before and Behind are the two
	// frontiers to join them under.
	Live   bool                     `cbor:"6,keyasint,omitempty"`
	Before map[record.Stream]uint64 `cbor:"7,keyasint,omitempty"`
	Behind map[record.Stream]uint64 `cbor:"8,keyasint,omitempty"`
	// Overrules tells that they say how records stand, whatever is here (rejudge.go).
	Overrules bool `cbor:"30,keyasint,omitempty"`
	// Counts are kept so that a status reads no records.
	Records     map[record.Type]uint64 `cbor:"9,keyasint,omitempty"`
	Conflicts   uint64                 `cbor:"10,keyasint,omitempty"` // registers that have some
	Proposals   uint64                 `cbor:"12,keyasint,omitempty"` // registers that have some
	Quarantined uint64                 `cbor:"11,keyasint,omitempty"`
	// Renewed is when it last showed that one of the laptop's streams had gone on
	// elsewhere, ms since 1970, corrected; 0 is never.
	Renewed int64 `cbor:"13,keyasint,omitempty"`
	// Missing counts entries that the laptop had written, by its own note, and that
	// are not in the store.
	Missing uint64 `cbor:"14,keyasint,omitempty"`
	// Ahead has the streams of others of which the laptop had more, from an epoch
	// that was left, than the server has now, with what the server has: its records
	// know that much, and the laptop's the frontier.
	Ahead map[record.Stream]uint64 `cbor:"16,keyasint,omitempty"`
	// LostSince is when that was found, ms since 1970, corrected; LostTold that it was
	// sent for review since (lost.go).
	LostSince int64 `cbor:"23,keyasint,omitempty"`
	LostTold  bool  `cbor:"24,keyasint,omitempty"`
	// Anew tells that the store was made anew (rebuild.go) and has not been given all
	// of the village again: what it holds are own changes alone. Told tells that what
	// was to be sent has been, as far as the server takes it, and the pages come now.
	Anew bool `cbor:"20,keyasint,omitempty"`
	Told bool `cbor:"21,keyasint,omitempty"`
	// Saved counts the changes in the bucket salvage.
	Saved uint64 `cbor:"22,keyasint,omitempty"`
	// Denied tells that by the last answer the village is not the laptop's any more.
	Denied bool `cbor:"25,keyasint,omitempty"`
	// Accepted and Rejected count the verdicts that hold, Unseen those of the rejected
	// that nobody has seen yet.
	Accepted uint64 `cbor:"27,keyasint,omitempty"`
	Rejected uint64 `cbor:"28,keyasint,omitempty"`
	Unseen   uint64 `cbor:"29,keyasint,omitempty"`
}

// own is what the laptop knows of a stream of its own.
type own struct {
	Incarnation identity.Incarnation `cbor:"0,keyasint"`
	// Head is the last entry written, Acked the last one with a receipt, Sent the
	// last one that went into a request.
	// Bundled is the last one that went into a bundle.
	Head    journal.Head `cbor:"1,keyasint"`
	Acked   journal.Head `cbor:"2,keyasint"`
	Sent    uint64       `cbor:"3,keyasint"`
	Bundled uint64       `cbor:"7,keyasint,omitempty"`
	// Base is the last entry that is not here: nothing before it is, since a store was
	// damaged. All of it was acknowledged.
	Base journal.Head `cbor:"9,keyasint"`
	// Seeded is the first entry under the newest seed.
	Seeded uint64 `cbor:"5,keyasint"`
	// Writing tells the stream that new entries go to.
	Writing bool `cbor:"6,keyasint"`
	// Backed is the last entry that is in a backup of the server's.
	Backed uint64 `cbor:"8,keyasint,omitempty"`
	// Unsettled tells that receipts behind Settled set changes aside, and that no page
	// has said how the records stand without them. SettledAside is Settled by the pages
	// that are set aside.
	Unsettled    bool   `cbor:"10,keyasint,omitempty"`
	Settled      uint64 `cbor:"11,keyasint,omitempty"`
	SettledAside uint64 `cbor:"12,keyasint,omitempty"`
}

// village is one village's data within a transaction; what changed of the small
// things is written at its end.
type village struct {
	t        *tx
	code     record.Village
	b        *bbolt.Bucket
	place    place
	frontier merge.Frontier
	moved    map[record.Stream]bool // frontier entries to write
	owns     map[record.Stream]*own
	writing  record.Stream
	dirty    bool // place and owns changed
	cut      bool // the server lost entries of an own stream that are not here either
}

// village opens the data of a village, making it when the transaction writes.
// In a reading transaction it is nil for a village of which nothing is stored.
func (t *tx) village(code record.Village) (*village, error) {
	if v := t.villages[code]; v != nil {
		return v, nil
	}
	root := t.Bucket(bucketVillage)
	b := root.Bucket([]byte(code))
	if b == nil {
		if !t.Writable() {
			return nil, nil
		}
		var err error
		if b, err = root.CreateBucket([]byte(code)); err != nil {
			return nil, err
		}
		for _, name := range [][]byte{bucketFrontier, bucketOwn, bucketSeed, bucketRefers, bucketReview, bucketQuarantine, bucketReceipt, bucketStage} {
			if _, err := b.CreateBucket(name); err != nil {
				return nil, err
			}
		}
	}
	v := &village{t: t, code: code, b: b, frontier: merge.Frontier{}, moved: map[record.Stream]bool{}, owns: map[record.Stream]*own{}}
	if _, err := get(b, keyPlace, &v.place); err != nil {
		return nil, err
	}
	err := b.Bucket(bucketFrontier).ForEach(func(k, n []byte) error {
		if len(k) != 16 || len(n) != 8 {
			return fmt.Errorf("%w: frontier of %s", ErrDamaged, code)
		}
		v.frontier[record.Stream(k)] = binary.BigEndian.Uint64(n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = b.Bucket(bucketOwn).ForEach(func(k, raw []byte) error {
		o := new(own)
		if len(k) != 16 || decMode.Unmarshal(raw, o) != nil {
			return fmt.Errorf("%w: own stream of %s", ErrDamaged, code)
		}
		v.owns[record.Stream(k)] = o
		if o.Writing {
			v.writing = record.Stream(k)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if t.villages == nil {
		t.villages = map[record.Village]*village{}
	}
	t.villages[code] = v
	return v, nil
}

// villageCodes gives the villages of which something is stored.
func (t *tx) villageCodes() []record.Village {
	var codes []record.Village
	c := t.Bucket(bucketVillage).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		codes = append(codes, record.Village(k))
	}
	return codes
}

// knows tells whether the laptop has something of a village, or is to have it.
func (t *tx) knows(code record.Village) (bool, error) {
	if t.Bucket(bucketVillage).Bucket([]byte(code)) != nil {
		return true, nil
	}
	d, err := t.dev()
	if err != nil {
		return false, err
	}
	_, err = d.Village(code)
	return err == nil, nil
}

func (v *village) flush() error {
	if !v.dirty {
		return nil
	}
	if err := put(v.b, keyPlace, v.place); err != nil {
		return err
	}
	f := v.b.Bucket(bucketFrontier)
	for s := range v.moved {
		if err := f.Put(s[:], number(v.frontier[s])); err != nil {
			return err
		}
	}
	b := v.b.Bucket(bucketOwn)
	for s, o := range v.owns {
		if err := put(b, s[:], o); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the frontier of a stream; it never goes back.
func (v *village) advance(s record.Stream, seq uint64) {
	if seq > v.frontier[s] {
		v.frontier[s] = seq
		v.moved[s] = true
		v.dirty = true
	}
}

// ownStream gives the stream that new entries go to, and begins one if there
// is none.
func (v *village) ownStream() (record.Stream, *own, error) {
	if o := v.owns[v.writing]; o != nil {
		return v.writing, o, nil
	}
	d, err := v.t.dev()
	if err != nil {
		return record.Stream{}, nil, err
	}
	o := &own{Writing: true}
	if _, err := io.ReadFull(v.t.s.opt.Rand, o.Incarnation[:]); err != nil {
		return record.Stream{}, nil, err
	}
	s := record.Stream(identity.StreamOf(d.Private().Public().(publicKey), string(v.code), o.Incarnation))
	v.owns[s], v.writing, v.dirty = o, s, true
	return s, o, nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// log is the bucket of a stream's entries; nil when there is none.
func (v *village) log(s record.Stream) *bbolt.Bucket {
	return v.b.Bucket(append([]byte("log/"), s[:]...))
}

// entry is a change of this laptop's own in its journal.
type entry struct {
	_      struct{} `cbor:",toarray"`
	Record record.ID
	Type   record.Type
	Time   uint64
	Author string
	Form   uint64
	Extra  []byte
	Body   []write
	// Before is the own change of the same record before this one.
	Before touch
}

type write struct {
	_        struct{} `cbor:",toarray"`
	Path     record.Path
	Value    record.Value
	Observed []dot
}

type dot struct {
	_      struct{} `cbor:",toarray"`
	Stream record.Stream
	Seq    uint64
}

// touch names an own change; Seq 0 is none.
type touch = dot

func (e *entry) change() record.Change {
	c := record.Change{Record: e.Record, Type: e.Type, Time: e.Time, Author: e.Author, Form: e.Form, Extra: e.Extra}
	c.Body = make([]record.Write, len(e.Body))
	for i, w := range e.Body {
		c.Body[i] = record.Write{Path: w.Path, Value: w.Value}
		for _, d := range w.Observed {
			c.Body[i].Observed = append(c.Body[i].Observed, record.Dot{Stream: d.Stream, Seq: d.Seq})
		}
	}
	return c
}

func entryOf(c *record.Change, before touch) entry {
	e := entry{Record: c.Record, Type: c.Type, Time: c.Time, Author: c.Author, Form: c.Form, Extra: c.Extra, Before: before}
	e.Body = make([]write, len(c.Body))
	for i, w := range c.Body {
		e.Body[i] = write{Path: w.Path, Value: w.Value}
		for _, d := range w.Observed {
			e.Body[i].Observed = append(e.Body[i].Observed, dot{Stream: d.Stream, Seq: d.Seq})
		}
	}
	return e
}

// entry reads one own change.
func (v *village) entry(s record.Stream, seq uint64) (*entry, error) {
	b := v.log(s)
	if b == nil {
		return nil, fmt.Errorf("%w: no journal %s", ErrDamaged, s)
	}
	v.t.s.touch(v.t.Tx, 1)
	raw := b.Get(number(seq))
	if raw == nil {
		return nil, fmt.Errorf("%w: journal %s lacks entry %d", ErrDamaged, s, seq)
	}
	e, _, err := v.openEntry(s, seq, raw)
	if err != nil {
		return nil, fmt.Errorf("journal %s, entry %d: %w", s, seq, err)
	}
	return e, nil
}

func entryAt(s record.Stream, seq uint64) slot { return slotOf("log", s[:], number(seq)) }

// openEntry reads an own change as it lies in the file, and gives its size.
func (v *village) openEntry(s record.Stream, seq uint64, raw []byte) (e *entry, size int, err error) {
	plain, err := v.t.s.unwrap(entryAt(s, seq), raw)
	if err != nil {
		return nil, 0, err
	}
	e = new(entry)
	if err := decMode.Unmarshal(plain, e); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return e, len(plain), nil
}

// seedRun is how many entries share one seed.
const seedRun = 1024

func seedAt(key []byte) slot { return slotOf("seed", key) }

// secret gives what the bodies of the run of an entry are hashed with.
func (v *village) secret(s record.Stream, seq uint64) (*secret, error) {
	c := v.b.Bucket(bucketSeed).Cursor()
	key := append(s[:], number(seq)...)
	k, raw := c.Seek(key)
	if k == nil || string(k) != string(key) {
		k, raw = c.Prev()
	}
	if len(k) != 24 || record.Stream(k[:16]) != s {
		return nil, fmt.Errorf("%w: no seed for entry %d", ErrDamaged, seq)
	}
	run := &secret{first: binary.BigEndian.Uint64(k[16:]), end: 1 << 62}
	plain, err := v.t.s.unwrap(seedAt(k), raw)
	if err != nil {
		return nil, fmt.Errorf("the seed for entry %d: %w", seq, err)
	}
	if k, _ := c.Next(); len(k) == 24 && record.Stream(k[:16]) == s {
		run.end = binary.BigEndian.Uint64(k[16:])
	}
	if err := run.read(plain); err != nil || seq >= run.end {
		return nil, errors.Join(fmt.Errorf("%w: the seed for entry %d", ErrDamaged, seq), err)
	}
	return run, nil
}

// append writes a change behind the laptop's stream, beginning one where there is
// none to go on with.
func (v *village) append(c *record.Change, before touch) (record.Dot, error) {
	if d, err := v.t.dev(); err != nil {
		return record.Dot{}, err
	} else if d.Wiped {
		return record.Dot{}, ErrWiped
	}
	s, o, err := v.ownStream()
	if err != nil {
		return record.Dot{}, err
	}
	seq := o.Head.Seq + 1
	if o.Seeded == 0 || seq >= o.Seeded+seedRun {
		var seed journal.Seed
		if _, err := io.ReadFull(v.t.s.opt.Rand, seed[:]); err != nil {
			return record.Dot{}, err
		}
		key := append(s[:], number(seq)...)
		raw, err := v.t.s.wrap(seedAt(key), seed[:])
		if err != nil {
			return record.Dot{}, err
		}
		if err := v.b.Bucket(bucketSeed).Put(key, raw); err != nil {
			return record.Dot{}, err
		}
		o.Seeded = seq
	}
	run, err := v.secret(s, seq)
	if err != nil {
		return record.Dot{}, err
	}
	o.Head = journal.Head{Seq: seq, Hash: journal.EntryHash(s, seq, o.Head.Hash, c, journal.BodyHash(run.seed, seq, c.Body))}
	log, err := v.b.CreateBucketIfNotExists(append([]byte("log/"), s[:]...))
	if err != nil {
		return record.Dot{}, err
	}
	log.FillPercent = 0.95
	if err := v.t.s.putSealed(log, entryAt(s, seq), number(seq), entryOf(c, before)); err != nil {
		return record.Dot{}, err
	}
	v.advance(s, seq)
	v.dirty = true
	return record.Dot{Stream: s, Seq: seq}, nil
}

// write appends a new change and applies it to the record's state before it.
func (v *village) write(k record.Key, before merge.State, touched touched, c *record.Change) (merge.State, error) {
	clk, err := v.t.time()
	if err != nil {
		return nil, err
	}
	if touched.Quarantined {
		if err := v.widen(k.ID, touched, c.Body); err != nil {
			return nil, err
		}
	}
	at := clk.Now(v.t.s.opt.Wall())
	c.Time = uint64(at)
	s, o, err := v.ownStream()
	if err != nil {
		return nil, err
	}
	d := record.Dot{Stream: s, Seq: o.Head.Seq + 1}
	after := merge.Apply(before, v.frontier, merge.Applied{Dot: d, At: at, Unmeasured: true, Author: c.Author}, c.Body)
	if _, err := v.append(c, touched.Last); err != nil {
		return nil, err
	}
	touched.Last = touch{Stream: d.Stream, Seq: d.Seq}
	if err := v.store(k, touched, after); err != nil {
		return nil, err
	}
	return after, v.seeReplaced(k.ID, touched)
}
