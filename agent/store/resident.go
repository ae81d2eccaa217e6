package store

import (
	"time"

	"go.etcd.io/bbolt"
)

// residentStep is how many bytes of values are read before the file's pages are
// let go of again. The system brings in up to sixteen pages for each that is
// asked for, so that a multiple of it is in memory by then.
const residentStep = 1 << 20

// read counts bytes read from the file within transaction t, and lets go of its
// pages when they have become many. bbolt reads through a mapping: whoever goes
// through all records would have the whole file in memory, beside what the
// system keeps of it anyway.
func (s *Store) read(t *bbolt.Tx, n int) {
	if s.walked.Add(int64(n)) > residentStep {
		s.walked.Store(0)
		s.letGo(t)
	}
}

// letGo lets go of the file's pages. The transaction, which must be open, keeps
// the mapping where it is.
func (s *Store) letGo(t *bbolt.Tx) { release(t.DB().Info().Data, uintptr(t.Size())) }

// check calls fault with what bbolt finds wrong with the structure of its file.
// It touches every page, so they are let go of meanwhile.
func (t *tx) check(fault func(error)) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	found := t.Check()
	for {
		select {
		case err, more := <-found:
			if !more {
				t.s.letGo(t.Tx)
				return
			}
			fault(err)
		case <-tick.C:
			t.s.letGo(t.Tx)
		}
	}
}
