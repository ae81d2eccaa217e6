package store

import "zhucun/shared/record"

// Changed gives a channel that is closed at the next commit that changes
// records.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Mark is a place in the order in which the records of an open store change. The zero
// Mark is before all of it.
type Mark struct{ changed, moved, begun uint64 }

// News is what has changed since a mark.
type News struct {
	// Keys are the records that were stored or removed, the oldest change first; one may
	// be named several times.
	Keys []record.Key
	// Moved tells that some records may have come further on their way, or be set aside,
	// without having changed: those that were not delivered, and those that show files.
	Moved bool
	// All tells that more has changed than is known, and Keys are not all of it.
	All bool
}

// maxFeed is how many changes are remembered, the latest.
const maxFeed = 8192

// feed is what the store remembers of its latest changes.
type feed struct {
	now  Mark
	keys []record.Key // the last of them is the change now.changed
}

// Since tells what has changed since a mark, and the mark of now. Whoever then reads the
// records reads them as they were then, or later.
func (s *Store) Since(m Mark) (News, Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.feed.now
	n.begun++ // the zero Mark is of no store's life
	missed := n.changed - m.changed
	if m.begun != n.begun || missed > uint64(len(s.feed.keys)) {
		return News{All: true, Moved: true}, n
	}
	return News{Keys: append([]record.Key(nil), s.feed.keys[uint64(len(s.feed.keys))-missed:]...), Moved: m.moved != n.moved}, n
}

// tells notes what a transaction has changed, once it is on disk.
func (s *Store) tells(t *tx) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.feed
	f.now.changed += uint64(len(t.changed))
	f.keys = append(f.keys, t.changed...)
	if over := len(f.keys) - maxFeed; over > maxFeed/2 {
		f.keys = append([]record.Key(nil), f.keys[over:]...)
	}
	if t.moved {
		f.now.moved++
	}
	if t.anew {
		f.now.begun++
	}
}

// Counts gives how many records of each type there are.
func (s *Store) Counts() (counts map[record.Type]int, err error) {
	counts = map[record.Type]int{}
	err = s.view(func(x *tx) error {
		for _, code := range x.villageCodes() {
			v, err := x.village(code)
			if err != nil {
				return err
			}
			for t, n := range v.place.Records {
				counts[t] += int(n)
			}
		}
		return nil
	})
	return counts, err
}

// Reading calls do with what gives records as they are at one moment, quicker than Get
// where several are wanted one after the other. do must not take long, nor ask the store
// for anything else: whoever saves may have to wait for its end.
func (s *Store) Reading(do func(get func(record.Type, record.ID) (Record, error)) error) error {
	return s.view(func(x *tx) error {
		return do(x.get)
	})
}
