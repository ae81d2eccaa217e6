package store

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

type publicKey = ed25519.PublicKey

// touched is what the store knows of a record beside its state: the laptop's
// own last change to it, and whether some of its own changes are quarantined.
type touched struct {
	Last        touch
	Quarantined bool
}

func recordBucket(t record.Type) []byte { return append([]byte("record/"), t...) }

// A stored record: a byte of flags, the own last change if there is one
// (stream 16 bytes, number 8), the state, sealed with the former.
const (
	flagTouched     = 1
	flagQuarantined = 2
)

func (v *village) packRecord(k record.Key, t touched, s merge.State) ([]byte, error) {
	var flags byte
	if t.Last.Seq > 0 {
		flags |= flagTouched
	}
	if t.Quarantined {
		flags |= flagQuarantined
	}
	b := []byte{flags}
	if t.Last.Seq > 0 {
		b = append(append(b, t.Last.Stream[:]...), number(t.Last.Seq)...)
	}
	raw, err := v.t.s.wrap(v.recordAt(k.Type, k.ID, b), s.Encode())
	return append(b, raw...), err
}

func (v *village) recordAt(t record.Type, id record.ID, head []byte) slot {
	return slotOf("record", []byte(v.code), []byte(t), id[:], head)
}

func (v *village) unpackRecord(typ record.Type, id record.ID, raw []byte) (t touched, s merge.State, err error) {
	t, plain, err := v.openRecord(typ, id, raw)
	if err != nil {
		return t, nil, err
	}
	if s, err = merge.Decode(plain); err != nil {
		return t, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return t, s, nil
}

// openRecord gives the state's bytes.
func (v *village) openRecord(typ record.Type, id record.ID, raw []byte) (t touched, state []byte, err error) {
	bad := fmt.Errorf("%w: a record", ErrDamaged)
	if len(raw) == 0 {
		return t, nil, bad
	}
	flags, head := raw[0], 1
	t.Quarantined = flags&flagQuarantined != 0
	if flags&flagTouched != 0 {
		if head += 24; len(raw) < head {
			return t, nil, bad
		}
		t.Last = touch{Stream: record.Stream(raw[1:17]), Seq: binary.BigEndian.Uint64(raw[17:25])}
	}
	state, err = v.t.s.unwrap(v.recordAt(typ, id, raw[:head]), raw[head:])
	return t, state, err
}

// load gives a record as it is now: with what came in pages that are part of the
// village but not yet joined into it. found is false when there is none.
func (v *village) load(t record.Type, id record.ID) (tc touched, s merge.State, found bool, err error) {
	if tc, s, found, err = v.stored(t, id); err != nil || !v.place.Live {
		return tc, s, found, err
	}
	joined, staged, err := v.joined(t, id, tc, s)
	return tc, joined, found || staged, err
}

// stored gives a record's state as it is in its bucket.
func (v *village) stored(t record.Type, id record.ID) (tc touched, s merge.State, found bool, err error) {
	b := v.b.Bucket(recordBucket(t))
	if b == nil {
		return v.touchedBefore(id), merge.State{}, false, nil
	}
	raw := b.Get(id[:])
	v.t.s.touch(v.t.Tx, 1)
	if raw == nil {
		return v.touchedBefore(id), merge.State{}, false, nil
	}
	tc, s, err = v.unpackRecord(t, id, raw)
	return tc, s, true, err
}

// store writes a record's state and what is derived from it: who refers to
// whom, and whether it waits for a person.
func (v *village) store(k record.Key, tc touched, s merge.State) error {
	b, err := v.b.CreateBucketIfNotExists(recordBucket(k.Type))
	if err != nil {
		return err
	}
	v.t.s.touch(v.t.Tx, 4)
	v.t.changed = append(v.t.changed, k)
	b.FillPercent = 0.9 // most ids are made by a clock: pages fill from the end
	f := v.t.s.forms.Form(k.Type)
	_, old, found, err := v.stored(k.Type, k.ID)
	if err != nil {
		return err
	}
	if !found {
		if v.place.Records == nil {
			v.place.Records = map[record.Type]uint64{}
		}
		v.place.Records[k.Type]++
		v.dirty = true
	}
	was, is := merge.Read(f, old), merge.Read(f, s)
	if tc.Quarantined && !s.Erased() {
		was = merge.View{} // what was set aside is still found where its author put it
	}
	if err := errors.Join(v.refer(f, k, was, is), v.show(f, k, was, is, s.Erased())); err != nil {
		return err
	}
	if err := v.review(k, is); err != nil {
		return err
	}
	raw, err := v.packRecord(k, tc, s)
	if err != nil {
		return err
	}
	return b.Put(k.ID[:], raw)
}

// waits is what stands under an id in the bucket review: how many registers of
// the record have conflicts and how many proposals, as varints, and its type.
func waits(t record.Type, conflicts, proposals int) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(conflicts)), uint64(proposals))
	return append(b, t...)
}

// readWaits reads what waits gave.
func readWaits(raw []byte) (t record.Type, conflicts, proposals uint64, err error) {
	conflicts, n := binary.Uvarint(raw)
	if n > 0 {
		var m int
		if proposals, m = binary.Uvarint(raw[n:]); m > 0 && len(raw) > n+m {
			return record.Type(raw[n+m:]), conflicts, proposals, nil
		}
	}
	return "", 0, 0, fmt.Errorf("%w: review list", ErrDamaged)
}

// review lists the record among those that wait for a person, or no longer.
func (v *village) review(k record.Key, view merge.View) error {
	b := v.b.Bucket(bucketReview)
	conflicts, proposals := len(view.Conflicts), len(view.Proposals)
	var want []byte
	if conflicts+proposals > 0 {
		want = waits(k.Type, conflicts, proposals)
	}
	has := b.Get(k.ID[:])
	if bytes.Equal(has, want) {
		return nil
	}
	if has != nil {
		_, c, p, err := readWaits(has)
		if err != nil {
			return err
		}
		v.place.Conflicts -= c
		v.place.Proposals -= p
	}
	v.place.Conflicts += uint64(conflicts)
	v.place.Proposals += uint64(proposals)
	v.dirty = true
	if want == nil {
		return b.Delete(k.ID[:])
	}
	return b.Put(k.ID[:], want)
}

func (v *village) refer(f *form.Form, k record.Key, was, is merge.View) error {
	if f == nil {
		return nil
	}
	b := v.b.Bucket(bucketRefers)
	for _, fd := range f.Fields {
		if fd.Kind != form.RefOne && fd.Kind != form.RefMultiple || was.Fields[fd.Name] == is.Fields[fd.Name] {
			continue
		}
		for _, text := range was.Fields[fd.Name].Texts() {
			if id, err := record.ParseID(text); err == nil {
				if err := b.Delete(referKey(id, k)); err != nil {
					return err
				}
			}
		}
	}
	for _, fd := range f.Fields {
		if fd.Kind != form.RefOne && fd.Kind != form.RefMultiple || was.Fields[fd.Name] == is.Fields[fd.Name] {
			continue
		}
		for _, text := range is.Fields[fd.Name].Texts() {
			if id, err := record.ParseID(text); err == nil {
				if err := b.Put(referKey(id, k), nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// referAlone lists what an own change refers to, though something else may stand: it
// was set aside, and its author still looks for it there.
func (v *village) referAlone(k record.Key, e *entry) error {
	c := e.change()
	s := merge.Apply(merge.State{}, nil, merge.Applied{Dot: record.Dot{Seq: 1}, Author: c.Author}, c.Body)
	f := v.t.s.forms.Form(k.Type)
	return v.refer(f, k, merge.View{}, merge.Read(f, s))
}

func referKey(target record.ID, from record.Key) []byte {
	key := append(append([]byte{}, target[:]...), from.Type...)
	return append(append(key, 0), from.ID[:]...)
}

// Record is a record as the store has it.
type Record struct {
	Key   record.Key
	State merge.State
	View  merge.View
	// Way is how far its changes have come: merge.Local, Sent, Delivered or
	// Quarantined. Bundled tells of Sent that it is in a bundle, and in no request
	// yet.
	Way     string
	Bundled bool
	// Rejected tells of Quarantined that the office rejected a change, and that nobody
	// here has seen why.
	Rejected bool
	// Gone tells that nothing is left of it: all of it had been set aside and was
	// rejected, and somebody has seen why. It is in no list, and has its history.
	Gone bool
}

// read makes the record that people see of what is stored: with quarantined
// own changes on it, so that nobody's work disappears from the screen.
func (v *village) read(k record.Key, tc touched, s merge.State) (Record, error) {
	r := Record{Key: k, State: s, Way: merge.Delivered}
	if tc.Last.Seq > 0 {
		o := v.owns[tc.Last.Stream]
		switch {
		case o == nil:
			return r, fmt.Errorf("%w: no own stream %s", ErrDamaged, tc.Last.Stream)
		case tc.Last.Seq <= o.Acked.Seq:
		case tc.Last.Seq <= o.Sent:
			r.Way = merge.Sent
		case tc.Last.Seq <= o.Bundled:
			r.Way, r.Bundled = merge.Sent, true
		default:
			r.Way = merge.Local
		}
	}
	s, set, err := v.shown(k, tc, s)
	if err == nil && tc.Quarantined && s.Erased() {
		// Nothing of it shows, and all the same it waits for the office.
		set, err = v.open(k.ID)
	}
	if err != nil {
		return r, err
	}
	if set {
		r.Way = merge.Quarantined
		if r.Rejected, err = v.rejected(k.ID); err != nil {
			return r, err
		}
	} else if tc.Quarantined && len(s) == 0 {
		r.Way, r.Gone = merge.Quarantined, true
	}
	r.View = merge.Read(v.t.s.forms.Form(k.Type), s)
	return r, nil
}

// ErrNotFound says that there is no such record.
var ErrNotFound = errors.New("no such record")

// Get gives one record by type and id; with an empty type, of any type.
func (s *Store) Get(t record.Type, id record.ID) (r Record, err error) {
	err = s.view(func(x *tx) error {
		r, err = x.get(t, id)
		return err
	})
	return r, err
}

// get is Get within a transaction.
func (t *tx) get(typ record.Type, id record.ID) (Record, error) {
	v, k, err := t.find(typ, id)
	if err != nil {
		return Record{}, err
	}
	tc, st, _, err := v.load(k.Type, id)
	if err != nil {
		return Record{}, err
	}
	return v.read(k, tc, st)
}

// find tells which village and type a record is of.
func (t *tx) find(typ record.Type, id record.ID) (*village, record.Key, error) {
	for _, code := range t.villageCodes() {
		v, err := t.village(code)
		if err != nil {
			return nil, record.Key{}, err
		}
		types := []record.Type{typ}
		if typ == "" {
			types = v.types()
		}
		for _, typ := range types {
			t.s.touch(t.Tx, 1)
			if b := v.b.Bucket(recordBucket(typ)); b != nil && b.Get(id[:]) != nil {
				return v, record.Key{Village: code, Type: typ, ID: id}, nil
			}
		}
	}
	return nil, record.Key{}, fmt.Errorf("%w: %s %s", ErrNotFound, typ, id)
}

// types gives the types of which the village has records.
func (v *village) types() []record.Type {
	var types []record.Type
	c := v.b.Cursor()
	prefix := []byte("record/")
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		types = append(types, record.Type(k[len(prefix):]))
	}
	return types
}

// Wrote tells whether a change of a village was written on this laptop.
func (s *Store) Wrote(code record.Village, d record.Dot) (own bool) {
	err := s.view(func(x *tx) error {
		v, err := x.village(code)
		own = err == nil && v.owns[d.Stream] != nil
		return err
	})
	return own && err == nil
}

// Exists tells whether a record is here.
func (s *Store) Exists(t record.Type, id record.ID) (found bool) {
	err := s.view(func(x *tx) error {
		_, _, err := x.find(t, id)
		return err
	})
	return err == nil
}
