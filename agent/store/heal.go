package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"zhucun/shared/record"
)

// After an error of the disk in a commit nothing is tried again on the same handle:
// the system reports such an error once, takes the pages for clean, and may from then
// on show what the disk does not have. So the file is closed, what the system keeps
// of it is let go of, it is inspected as it is on the disk and opened anew; what it
// lacks of what had been promised is told. The same is done where what is read was
// damaged: then the store is made anew (rebuild.go).

// ErrAnew says that the store is damaged and is being made anew.
var ErrAnew = errors.New("the data file is being made anew")

// ErrStopped says that it could not be opened anew, or not for long.
var ErrStopped = errors.New("nothing is written any more")

// handle is the open file. Whoever reads holds it meanwhile; one who began goes on
// reading although nothing is written any more, and the file is closed once nobody
// reads.
type handle struct {
	mu      sync.Mutex
	changed sync.Cond
	db      *bbolt.DB   // nil while there is none
	is      os.FileInfo // which file that is
	copied  os.FileInfo // the copy of it that was put back (moored.go)
	readers int
	err     error // why there will be none
}

func newHandle(db *bbolt.DB, is os.FileInfo) *handle {
	h := &handle{db: db, is: is}
	h.changed.L = &h.mu
	return h
}

func (h *handle) hold() (*bbolt.DB, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.db == nil && h.err == nil {
		h.changed.Wait()
	}
	if h.err != nil {
		return nil, h.err
	}
	h.readers++
	return h.db, nil
}

func (h *handle) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers--; h.readers == 0 {
		h.changed.Broadcast()
	}
}

// take gives the file to close, once nobody reads.
func (h *handle) take() *bbolt.DB {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.readers > 0 {
		h.changed.Wait()
	}
	db := h.db
	h.db = nil
	return db
}

// give lets readers go on: with a file, or with why there is none.
func (h *handle) give(db *bbolt.DB, is os.FileInfo, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.db, h.is, h.copied, h.err = db, is, nil, err
	h.changed.Broadcast()
}

// healPauses are how long is waited before each try.
var healPauses = []time.Duration{0, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}

// breaks ends writing until the store is healed. Whoever finds it broken first has it
// healed, except while it is being closed: whoever opens it next does that.
func (s *Store) breaks(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil && !s.opened {
		return err // whoever opens it decides
	}
	if s.broken == nil && s.closed {
		s.broken = err
	}
	if s.broken == nil {
		if errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrAnew, err)
		}
		s.broken = err
		s.healing.Go(s.heal)
	}
	return s.broken
}

// ends ends writing for good.
func (s *Store) ends(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = fmt.Errorf("%w: %w", ErrStopped, err)
	return s.broken
}

// trouble gives why nothing is written, nil where something is.
func (s *Store) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// heal opens the file anew, as often as healPauses says.
func (s *Store) heal() {
	why := s.trouble()
	damaged := errors.Is(why, ErrDamaged)
	// Where a store that was just made anew is damaged again, it is not by the disk's
	// doing, and would be so for ever. It can still be read.
	if damaged && s.anewLately() {
		s.ends(why)
		return
	}
	// What has no name would be gone with the handle.
	for s.adrift() {
		_, err := s.moor()
		if errors.Is(err, ErrReplaced) {
			s.ends(err)
			return
		}
		if err == nil || errors.Is(err, ErrDamaged) {
			break
		}
		select {
		case <-s.stopping:
			return // Close tries once more
		case <-time.After(putAgain):
		}
	}
	if old := s.file.take(); old != nil {
		old.Close() // whatever it says: nothing is expected of it any more
	}
	// A copy that was just made of what was open and well needs no inspection.
	copied := errors.Is(why, ErrAdrift)
	var err error
	for _, pause := range healPauses {
		if pause > 0 { // one try there is even where the agent is to end
			select {
			case <-s.stopping:
				s.file.give(nil, nil, ErrClosed)
				return
			case <-time.After(pause):
			}
		}
		if err = s.reopen(damaged, copied); err == nil {
			return
		}
		damaged, copied = damaged || errors.Is(err, ErrDamaged), false
	}
	s.file.give(nil, nil, s.ends(err))
}

// anewLately tells that the store was made anew within the hour.
func (s *Store) anewLately() bool {
	st, err := s.Status()
	return err == nil && st.Rebuilt.At > 0 && s.opt.Wall()-st.Rebuilt.At < time.Hour.Milliseconds()
}

// reopen opens the file anew and lets everybody go on. One that is known to be sound is
// not inspected.
func (s *Store) reopen(damaged, sound bool) error {
	path := filepath.Join(s.dir, fileName)
	seen, err := os.Stat(path)
	if err != nil {
		return err
	}
	forget(path)
	if !damaged && !sound {
		inspect := s.opt.Inspect
		if inspect == nil {
			inspect = Inspect
		}
		if err = inspect(s.dir); err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		damaged = err != nil
	}
	var db *bbolt.DB
	var is os.FileInfo
	if !damaged {
		if db, is, err = openFile(path, s.opt); err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	if db == nil {
		if _, err := Rebuild(s.dir, s.opt, seen); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if db, is, err = openFile(path, s.opt); err != nil {
			return err
		}
	}
	if err := errors.Join(s.recall(db), s.holdAs(db)); err != nil {
		return errors.Join(err, db.Close())
	}
	s.mu.Lock()
	s.broken = nil
	s.feed.now.begun++
	s.openings++
	s.mu.Unlock()
	s.file.give(db, is, nil)
	s.announce()
	return nil
}

// recall compares what the file has of the own streams with what had been committed.
// Where something is missing the streams may not go on: there may be who has seen
// their entries. A store that was made anew has told of it already.
func (s *Store) recall(db *bbolt.DB) (err error) {
	defer damaged(&err)
	defer faulting()()
	var missing map[record.Village]uint64
	err = db.View(func(btx *bbolt.Tx) error {
		t := &tx{Tx: btx, s: s}
		heads, err := t.heads()
		if err != nil {
			return err
		}
		r, err := t.rebuilt()
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.At == s.rebuiltAt {
			missing, err = t.missing(s.heads, heads)
		}
		s.heads, s.rebuiltAt = heads, r.At
		return err
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return db.Update(func(btx *bbolt.Tx) error {
		t := &tx{Tx: btx, s: s}
		if err := t.lacks(missing); err != nil {
			return err
		}
		return t.flush()
	})
}

// lacks notes that entries are missing, and has the next ones go to new streams.
func (t *tx) lacks(missing map[record.Village]uint64) error {
	codes := t.villageCodes()
	for code := range missing {
		if !slices.Contains(codes, code) {
			codes = append(codes, code) // all of it is
		}
	}
	for _, code := range codes {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		if len(v.owns) == 0 && missing[code] == 0 {
			continue
		}
		v.place.Missing += missing[code]
		v.retire()
		if err := v.note(); err != nil {
			return err
		}
	}
	return nil
}

// commits notes how far the own streams go on disk.
func (s *Store) commits(villages map[record.Village]*village) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range villages {
		for stream, o := range v.owns {
			s.heads[stream.String()] = reach{v.code, o.Head.Seq, o.Acked.Seq}
		}
	}
}
