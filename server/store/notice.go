package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// notice wakes those who wait for a change.
type notice struct {
	sync.Mutex
	next chan struct{}
	last [sha256.Size]byte // what Watch saw last
}

func (n *notice) init() { n.next = make(chan struct{}) }

func (n *notice) raise() {
	n.Lock()
	defer n.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}

// Changed gives a channel that is closed at the next change of anything that
// is stored. Take the channel, look, then wait: nothing is missed.
func (s *Store) Changed() <-chan struct{} {
	s.notice.Lock()
	defer s.notice.Unlock()
	return s.notice.next
}

// pause is how long contacts wait at least between two writings.
const pause = 60 // seconds

// Watch announces the changes that other processes make, until ctx ends: it
// looks once a second. Contacts are written on the way, at most once a minute.
func (s *Store) Watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for written := pause; ; written++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if written >= pause && s.heard.some() {
			written = 0
			if err := s.FlushContacts(ctx); err != nil {
				s.Log.Error("contacts were not written", "error", err)
			}
		}
		now, err := s.fingerprint(ctx)
		if err != nil {
			s.Log.Error("could not look for changes", "error", err)
			continue
		}
		if now != s.notice.last {
			s.notice.last = now
			s.notice.raise()
		}
	}
}

// fingerprint changes with every feed and every device.
func (s *Store) fingerprint(ctx context.Context) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = s.look(ctx, func(t *tx) error {
		var a, b, c, d int64
		if err := t.row(`SELECT count(*), coalesce(sum(serial), 0) FROM device`).Scan(&a, &b); err != nil {
			return err
		}
		if err := t.row(`SELECT count(*), coalesce(sum(feed), 0) FROM village_head`).Scan(&c, &d); err != nil {
			return err
		}
		fmt.Fprintln(h, a, b, c, d)
		return nil
	})
	h.Sum(sum[:0])
	return sum, err
}

// Contact is what a device told of itself when it was last heard of.
type Contact struct {
	Village record.Village
	Device  identity.Device
	Seen    time.Time
	Pending uint64
	// Offset is the server's clock less the device's, in milliseconds.
	Offset int64
	Agent  string
}

// contacts are kept in memory until FlushContacts: a sync that finds nothing
// new must not write.
type contacts struct {
	sync.Mutex
	fresh map[contactKey]Contact
}

type contactKey struct {
	village record.Village
	device  identity.Device
}

func (c *contacts) some() bool {
	c.Lock()
	defer c.Unlock()
	return len(c.fresh) > 0
}

// Heard notes a contact.
func (s *Store) Heard(c Contact) {
	s.heard.Lock()
	defer s.heard.Unlock()
	if s.heard.fresh == nil {
		s.heard.fresh = map[contactKey]Contact{}
	}
	s.heard.fresh[contactKey{c.Village, c.Device}] = c
}

// FlushContacts writes the noted contacts.
func (s *Store) FlushContacts(ctx context.Context) error {
	s.heard.Lock()
	fresh := s.heard.fresh
	s.heard.fresh = nil
	s.heard.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	return s.change(ctx, func(t *tx) error {
		for _, c := range fresh {
			if err := t.exec(`INSERT INTO contact(village_id, device_id, seen_at, pending, clock_offset, agent) VALUES($1, $2, $3, $4, $5, $6)
				ON CONFLICT(village_id, device_id) DO UPDATE SET seen_at = excluded.seen_at, pending = excluded.pending,
				clock_offset = excluded.clock_offset, agent = excluded.agent`,
				c.Village, c.Device, c.Seen.UnixMilli(), c.Pending, c.Offset, c.Agent); err != nil {
				return err
			}
		}
		return nil
	})
}

// Contacts gives the last contact of every device with every village.
func (s *Store) Contacts(ctx context.Context) ([]Contact, error) {
	last := map[contactKey]Contact{}
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var c Contact
			var seen int64
			err := r.Scan(&c.Village, &c.Device, &seen, &c.Pending, &c.Offset, &c.Agent)
			c.Seen = time.UnixMilli(seen)
			last[contactKey{c.Village, c.Device}] = c
			return err
		}, `SELECT village_id, device_id, seen_at, pending, clock_offset, agent FROM contact`)
	})
	if err != nil {
		return nil, err
	}
	s.heard.Lock()
	defer s.heard.Unlock()
	for k, c := range s.heard.fresh {
		last[k] = c
	}
	list := make([]Contact, 0, len(last))
	for _, c := range last {
		list = append(list, c)
	}
	return list, nil
}
