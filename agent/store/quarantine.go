package store

import (
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Shown gives a record's state as people see it: with quarantined own changes on
// it. It is what a form that is opened now replaces.
func (s *Store) Shown(t record.Type, id record.ID) (shown merge.State, err error) {
	err = s.view(func(x *tx) error {
		v, k, err := x.find(t, id)
		if err != nil {
			return err
		}
		tc, st, _, err := v.load(k.Type, id)
		if err != nil {
			return err
		}
		if shown = st; tc.Quarantined {
			shown, err = v.withQuarantined(k, st)
		}
		return err
	})
	return shown, err
}

// Quarantined gives the server's reasons for setting changes of a record aside,
// in the order of the changes.
func (s *Store) Quarantined(t record.Type, id record.ID) (reasons []journal.Quarantined, err error) {
	err = s.view(func(x *tx) error {
		v, _, err := x.find(t, id)
		if err != nil {
			return err
		}
		return v.quarantineOf(id, func(own touch) error {
			var q journal.Quarantined
			key := append(append(append([]byte{}, id[:]...), own.Stream[:]...), number(own.Seq)...)
			if _, err := get(v.b.Bucket(bucketQuarantine), key, &q); err != nil {
				return err
			}
			reasons = append(reasons, q)
			return nil
		})
	})
	return reasons, err
}
