package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"zhucun/shared/record"
)

// Bundle is a file that the laptop made.
type Bundle struct {
	Serial  uint64 `cbor:"0,keyasint"`
	Name    string `cbor:"1,keyasint"` // the file's, without its folder
	Made    int64  `cbor:"2,keyasint"` // ms since 1970, corrected
	Bytes   int    `cbor:"3,keyasint"`
	Changes uint64 `cbor:"4,keyasint"`
	// Answered is when the reply to it was made; 0 while none has come.
	Answered int64 `cbor:"5,keyasint,omitempty"`
	// Has are the runs of own changes in it.
	Has []Run `cbor:"6,keyasint,omitempty"`
	// Files counts the photos and other files in it, Brings says which they are.
	Files  int      `cbor:"7,keyasint,omitempty"`
	Brings []Brings `cbor:"8,keyasint,omitempty"`
	// Sum is the file's hash; zero of those that earlier releases made.
	Sum [sha256.Size]byte `cbor:"9,keyasint,omitzero"`

	// Fate is told by what the store knows now, and not kept.
	Fate Fate `cbor:"-"`
}

// Run is the own changes of one stream behind After, up to Last.
type Run struct {
	_           struct{} `cbor:",toarray"`
	Village     record.Village
	Stream      record.Stream
	After, Last uint64
}

// Brings are files of a village: the first half of each one's hash, one behind the other.
type Brings struct {
	_       struct{} `cbor:",toarray"`
	Village record.Village
	Targets []byte
}

// Fate is what became of the changes in a bundle, by the receipts that are here.
// What is in none of the three still waits.
type Fate struct {
	Delivered   uint64
	Quarantined uint64
	// Renewed are those that were written again, in a new stream: they go with a
	// later bundle or sync, whatever becomes of this file.
	Renewed uint64
	// FilesWaiting counts the files that have no receipt.
	FilesWaiting int
}

// Done tells that the server has everything in it that was still to be brought.
func (b *Bundle) Done() bool {
	return b.Changes+uint64(b.Files) > 0 && b.Waiting() == 0 && b.Fate.FilesWaiting == 0
}

// Waiting counts the changes in it of which nothing is known yet.
func (b *Bundle) Waiting() uint64 {
	return b.Changes - min(b.Changes, b.Fate.Delivered+b.Fate.Quarantined+b.Fate.Renewed)
}

// maxBundles is how many of the bundles that were made are remembered, the newest.
// The newest has everything that waits.
const maxBundles = 100

// Bundled notes that a file has all of out. It is on the road, and no more is
// known of it: everything in it waits for its receipts as before.
func (s *Store) Bundled(ctx context.Context, b Bundle, out []Outgoing) error {
	return s.update(ctx, true, func(t *tx) error {
		b.Has = nil
		for _, o := range out {
			if len(o.sent) == 0 {
				continue
			}
			v, err := t.village(o.Push.Village)
			if err != nil {
				return err
			}
			for stream, head := range o.sent {
				b.carries(Run{Village: o.Push.Village, Stream: stream, After: o.after[stream], Last: head.Seq})
				if own := v.owns[stream]; own != nil && head.Seq <= own.Head.Seq && head.Seq > own.Bundled {
					own.Bundled, v.dirty = head.Seq, true
				}
			}
		}
		made, err := t.CreateBucketIfNotExists(bucketBundle)
		if err != nil {
			return err
		}
		key := number(b.Serial)
		if err := s.putSealed(made, bundleAt(key), key, b); err != nil {
			return err
		}
		var old [][]byte
		c := made.Cursor()
		n := 0
		for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
			if n++; n > maxBundles {
				old = append(old, slices.Clone(k))
			}
		}
		for _, k := range old {
			if err := made.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// carries adds a run, to the one that it goes on from where there is one.
func (b *Bundle) carries(r Run) {
	for i := range b.Has {
		if h := &b.Has[i]; h.Village == r.Village && h.Stream == r.Stream && h.Last == r.After {
			h.Last = r.Last
			return
		}
	}
	b.Has = append(b.Has, r)
}

// Answered notes that the reply to a bundle was taken, and when that was made.
func (s *Store) Answered(ctx context.Context, serial uint64, made int64) error {
	return s.update(ctx, false, func(t *tx) error {
		list := t.Bucket(bucketBundle)
		if list == nil {
			return nil
		}
		key := number(serial)
		var b Bundle
		// One of so long ago that it is forgotten is no error.
		if found, err := s.getSealed(list, bundleAt(key), key, &b); !found || err != nil || b.Answered >= made {
			return err
		}
		b.Answered = made
		return s.putSealed(list, bundleAt(key), key, b)
	})
}

func bundleAt(key []byte) slot { return slotOf("bundle", key) }

func (s *Store) openBundle(key, raw []byte) (b Bundle, err error) {
	if err := s.openSealed(bundleAt(key), raw, &b); err != nil {
		return b, fmt.Errorf("bundle %x: %w", key, err)
	}
	return b, nil
}

// Bundles gives the bundles that the laptop made, the last one first, and what
// became of each.
func (s *Store) Bundles() (bs []Bundle, err error) {
	err = s.view(func(t *tx) error {
		list := t.Bucket(bucketBundle)
		if list == nil {
			return nil
		}
		aside := map[record.Village][]touch{}
		c := list.Cursor()
		for k, raw := c.Last(); k != nil; k, raw = c.Prev() {
			b, err := s.openBundle(k, raw)
			if err != nil {
				return err
			}
			for _, r := range b.Has {
				if err := t.fate(r, aside, &b.Fate); err != nil {
					return err
				}
			}
			for _, f := range b.Brings {
				if b.Fate.FilesWaiting, err = t.waitingOf(f, b.Fate.FilesWaiting); err != nil {
					return err
				}
			}
			bs = append(bs, b)
		}
		return nil
	})
	return bs, err
}

// fate adds what became of a run. aside has the quarantined changes of the
// villages that were looked at.
func (t *tx) fate(r Run, aside map[record.Village][]touch, f *Fate) error {
	v, err := t.village(r.Village)
	if err != nil || v == nil {
		return err
	}
	o := v.owns[r.Stream]
	if o == nil {
		return nil
	}
	list, known := aside[r.Village]
	if !known {
		c := v.b.Bucket(bucketQuarantine).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) != 40 {
				return fmt.Errorf("%w: quarantine", ErrDamaged)
			}
			if r, err := v.ruling(k); err != nil {
				return err
			} else if r != nil && r.Accepted {
				continue
			}
			list = append(list, touch{Stream: record.Stream(k[16:32]), Seq: binary.BigEndian.Uint64(k[32:])})
		}
		aside[r.Village] = list
	}
	proven := min(o.Acked.Seq, r.Last)
	n := proven - min(r.After, proven)
	for _, q := range list {
		if q.Stream == r.Stream && q.Seq > r.After && q.Seq <= proven {
			f.Quarantined++
			n--
		}
	}
	f.Delivered += n
	if kept := max(r.After, o.Head.Seq, proven); kept < r.Last {
		f.Renewed += r.Last - kept
	}
	return nil
}
