package store

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"zhucun/shared/form"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// scanBatch is how many records a scan reads from one moment.
const scanBatch = 200

// scan calls yield with the records that step makes of what stands under the
// prefix in a village's bucket, village by village, until yield returns false;
// with an empty code it goes through all villages. Some hundred are read at a
// time, and nothing is held while yield runs: whoever is slow to take them, such
// as a pager, or reads more of the store meanwhile, would otherwise keep a commit
// that must enlarge the file waiting, and with it everybody.
func (s *Store) scan(code record.Village, open func(*village) *bbolt.Bucket, prefix []byte, step func(v *village, key, value []byte) (Record, error), yield func(Record) bool) error {
	var codes []record.Village
	if err := s.view(func(x *tx) error {
		codes = x.villageCodes()
		return nil
	}); err != nil {
		return err
	}
	for _, c := range codes {
		if code != "" && c != code {
			continue
		}
		last := prefix
		for more := true; more; {
			var batch []Record
			err := s.view(func(x *tx) error {
				more = false
				v, err := x.village(c)
				if v == nil || err != nil {
					return err
				}
				b := open(v)
				if b == nil {
					return nil
				}
				cur := b.Cursor()
				k, raw := cur.Seek(last)
				if len(last) > len(prefix) && bytes.Equal(k, last) {
					k, raw = cur.Next()
				}
				for ; k != nil && bytes.HasPrefix(k, prefix); k, raw = cur.Next() {
					if len(batch) == scanBatch {
						more = true
						return nil
					}
					s.read(x.Tx, len(raw))
					r, err := step(v, k, raw)
					if err != nil {
						return err
					}
					batch, last = append(batch, r), bytes.Clone(k)
				}
				return nil
			})
			if err != nil {
				return err
			}
			for _, r := range batch {
				if !yield(r) {
					return nil
				}
			}
		}
	}
	return nil
}

// Each calls yield with every record of a type, village by village, in the
// order of their ids, until yield returns false. With an empty village it goes
// through all. Records that come meanwhile may be among them or not.
func (s *Store) Each(code record.Village, t record.Type, yield func(Record) bool) error {
	open := func(v *village) *bbolt.Bucket { return v.b.Bucket(recordBucket(t)) }
	return s.scan(code, open, nil, func(v *village, k, raw []byte) (Record, error) {
		tc, st, err := v.unpackRecord(t, record.ID(k), raw)
		if err == nil && v.place.Live {
			st, _, err = v.joined(t, record.ID(k), tc, st)
		}
		if err != nil {
			return Record{}, err
		}
		return v.read(record.Key{Village: v.code, Type: t, ID: record.ID(k)}, tc, st)
	}, func(r Record) bool { return r.Gone || yield(r) })
}

// Referring calls yield with every record of type t that refers to the record
// target, in the order of their ids, until yield returns false.
func (s *Store) Referring(target record.ID, t record.Type, yield func(Record) bool) error {
	prefix := append(append(append([]byte{}, target[:]...), t...), 0)
	open := func(v *village) *bbolt.Bucket { return v.b.Bucket(bucketRefers) }
	f := s.forms.Form(t)
	return s.scan("", open, prefix, func(v *village, k, _ []byte) (Record, error) {
		return v.mustLoad(t, record.ID(k[len(prefix):]))
	}, func(r Record) bool {
		// Of what was set aside the list may have more than is true by now.
		return !refersTo(f, r.View, target) || yield(r)
	})
}

// refersTo tells whether a record refers to target, as it is shown.
func refersTo(f *form.Form, view merge.View, target record.ID) bool {
	return f != nil && slices.ContainsFunc(f.Fields, func(fd *form.Field) bool {
		return (fd.Kind == form.RefOne || fd.Kind == form.RefMultiple) && slices.ContainsFunc(view.Fields[fd.Name].Texts(), func(text string) bool {
			id, err := record.ParseID(text)
			return err == nil && id == target
		})
	})
}

// Reviews calls yield with every record that has conflicts or proposals, until
// yield returns false.
func (s *Store) Reviews(yield func(Record) bool) error {
	open := func(v *village) *bbolt.Bucket { return v.b.Bucket(bucketReview) }
	return s.scan("", open, nil, func(v *village, k, kind []byte) (Record, error) {
		t, _, _, err := readWaits(kind)
		if err != nil || len(k) != 16 {
			return Record{}, fmt.Errorf("%w: review list", ErrDamaged)
		}
		return v.mustLoad(t, record.ID(k))
	}, yield)
}

// Stuck calls yield with every record of which something that was set aside waits, for
// the office or for somebody here to see why it was rejected, until yield returns false.
func (s *Store) Stuck(yield func(Record) bool) error {
	open := func(v *village) *bbolt.Bucket { return v.b.Bucket(bucketQuarantine) }
	var last record.ID
	return s.scan("", open, nil, func(v *village, k, _ []byte) (Record, error) {
		id := record.ID(k[:16])
		for _, t := range v.types() {
			if v.b.Bucket(recordBucket(t)).Get(id[:]) != nil {
				return v.mustLoad(t, id)
			}
		}
		return Record{}, fmt.Errorf("%w: what was set aside of %s is of no record", ErrDamaged, id)
	}, func(r Record) bool {
		again := r.Key.ID == last
		last = r.Key.ID
		return again || r.Gone || r.Way != merge.Quarantined || yield(r)
	})
}

// mustLoad gives a record that another bucket names.
func (v *village) mustLoad(t record.Type, id record.ID) (Record, error) {
	tc, st, found, err := v.load(t, id)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s %s is named and not there", ErrDamaged, t, id)
	}
	if err != nil {
		return Record{}, err
	}
	return v.read(record.Key{Village: v.code, Type: t, ID: id}, tc, st)
}
