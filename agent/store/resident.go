package store

import (
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// bbolt reads through a mapping of its file: whoever goes through all records would have
// the whole file in memory, beside what the system keeps of it anyway. The system brings
// in up to sixteen pages for each that is asked for.
const (
	// residentLook is after how many bytes, by guess, it is looked how many there are;
	// residentStep is from how many on they are let go of.
	residentLook = 1 << 20
	residentStep = 2 << 20
	spread       = 16       // bytes that may come with each of values read in their order
	around       = 64 << 10 // bytes that may come with a value that is looked up
)

// residence is how many bytes of files may have come into memory since it was looked, and
// how many there were when they were let go of.
type residence struct{ come, without atomic.Int64 }

// read counts bytes of values read in their order within transaction t, and lets go of
// the file's pages when they have become many.
func (s *Store) read(t *bbolt.Tx, n int) { s.mapped(t, spread*n) }

// touch counts places of the file that were looked up or are written to.
func (s *Store) touch(t *bbolt.Tx, places int) { s.mapped(t, around*places) }

func (s *Store) mapped(t *bbolt.Tx, n int) {
	if s.pages.come.Add(int64(n)) > residentLook {
		s.pages.come.Store(0)
		s.spare(t)
	}
}

// spare lets go of the file's pages where many have come. Transaction t must be open: it
// keeps the mapping where it is.
func (s *Store) spare(t *bbolt.Tx) {
	if resident() > s.pages.without.Load()+residentStep {
		release(t.DB().Info().Data, uintptr(t.Size()))
		s.pages.without.Store(resident())
	}
}

// check calls fault with what bbolt finds wrong with the structure of its file.
// It touches every page, so they are let go of meanwhile.
func (t *tx) check(fault func(error)) {
	tick := time.NewTicker(time.Millisecond / 4)
	defer tick.Stop()
	found := t.Check()
	for {
		select {
		case err, more := <-found:
			if !more {
				t.s.spare(t.Tx)
				return
			}
			fault(err)
		case <-tick.C:
			t.s.spare(t.Tx)
		}
	}
}
