package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"maps"
	"slices"
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

// Changed gives a channel that is closed at the next change of anything that is
// stored; while Watch runs also after contacts, some seconds later. Take the
// channel, look, then wait: nothing is missed.
func (s *Store) Changed() <-chan struct{} {
	s.notice.Lock()
	defer s.notice.Unlock()
	return s.notice.next
}

// Contacts are announced and written at most so often, in seconds: each makes
// every open page anew, and a write of its own. So often is looked whether the
// audit is still to be signed today, and whether something erased is to be forgotten.
const (
	announcePause = 10
	writePause    = 60
	signPause     = 60
)

// Watch announces the changes that other processes make, and contacts, until
// ctx ends: it looks once a second. Contacts are written on the way, and the
// audit's end is signed once a day; what was erased is forgotten.
func (s *Store) Watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	signed := signPause
	var behind late
	for announced, written := announcePause, writePause; ; announced, written, signed = announced+1, written+1, signed+1 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if signed >= signPause {
			signed = 0
			if err := s.SignAudit(ctx, false); err != nil {
				s.Log.Error("the audit was not signed", "error", err)
			}
			if _, err := s.Forget(ctx); err != nil {
				s.Log.Error("what was erased is not yet gone from the files", "error", err)
			}
		}
		if announced >= announcePause && s.heard.announce() {
			announced = 0
		}
		if written >= writePause && s.heard.some() {
			written = 0
			if err := s.FlushContacts(ctx); err != nil {
				s.Log.Error("contacts were not written", "error", err)
			}
		}
		if err := s.catchUp(ctx, &behind); err != nil {
			s.Log.Error("what the office has published does not hold yet", "error", err)
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

// fingerprint changes with every feed, every device, every decision on what is
// in quarantine, and the contacts that were announced.
func (s *Store) fingerprint(ctx context.Context) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = s.look(ctx, func(t *tx) error {
		var devices, serials, villages, feeds, open int64
		if err := t.row(`SELECT count(*), coalesce(sum(serial), 0) FROM device`).Scan(&devices, &serials); err != nil {
			return err
		}
		if err := t.row(`SELECT count(*), coalesce(sum(feed), 0) FROM village_head`).Scan(&villages, &feeds); err != nil {
			return err
		}
		// What comes in moves the feed, what is decided makes these fewer.
		if err := t.row(`SELECT count(*) FROM quarantine WHERE decided = ''`).Scan(&open); err != nil {
			return err
		}
		fmt.Fprintln(h, devices, serials, villages, feeds, open, s.edition.Load(), s.heard.told())
		return nil
	})
	h.Sum(sum[:0])
	return sum, err
}

// Standing gives how far every village's feed goes, and a number that moves with
// every device's serial: what a laptop that waits for news waits for.
func (s *Store) Standing(ctx context.Context) (feeds map[record.Village]uint64, serials int64, err error) {
	feeds = map[record.Village]uint64{}
	err = s.look(ctx, func(t *tx) error {
		if err := t.row(`SELECT coalesce(sum(serial), 0) FROM device`).Scan(&serials); err != nil {
			return err
		}
		return t.rows(func(r *sql.Rows) error {
			var v record.Village
			var feed uint64
			err := r.Scan(&v, &feed)
			feeds[v] = feed
			return err
		}, `SELECT village_id, feed FROM village_head`)
	})
	return feeds, serials, err
}

// Serials gives the serial of every device.
func (s *Store) Serials(ctx context.Context) (map[identity.Device]uint64, error) {
	serials := map[identity.Device]uint64{}
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var d identity.Device
			var n uint64
			err := r.Scan(&d, &n)
			serials[d] = n
			return err
		}, `SELECT device_id, serial FROM device`)
	})
	return serials, err
}

// Contact is what a device told of itself when it was last heard of. Of its version and its
// disk it does not speak each time: what it said before counts.
type Contact struct {
	Village record.Village
	Device  identity.Device
	Seen    time.Time
	Pending uint64
	// Offset is the server's clock less the device's, in milliseconds.
	Offset int64
	Agent  string // the agent's version; "": not told
	// Assigned is the serial of the assignment that the device has; 0: not known.
	Assigned uint64
	// Room is how many bytes are free on the device's disk, about; 0: not known.
	Room uint64
}

// after gives a contact that came after another one.
func (c Contact) after(old Contact) Contact {
	c.Agent, c.Room = cmp.Or(c.Agent, old.Agent), cmp.Or(c.Room, old.Room)
	return c
}

// contacts are kept in memory until FlushContacts: a sync that finds nothing
// new must not write.
type contacts struct {
	sync.Mutex
	fresh map[contactKey]Contact
	// said counts the announcements; more says that there is something to announce.
	said int
	more bool
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

// announce makes the contacts since the last time part of the fingerprint; false
// where there was none.
func (c *contacts) announce() bool {
	c.Lock()
	defer c.Unlock()
	if !c.more {
		return false
	}
	c.said, c.more = c.said+1, false
	return true
}

func (c *contacts) told() int {
	c.Lock()
	defer c.Unlock()
	return c.said
}

// note keeps contacts that are newer than what is kept.
func (c *contacts) note(list ...Contact) {
	c.Lock()
	defer c.Unlock()
	if c.fresh == nil {
		c.fresh = map[contactKey]Contact{}
	}
	for _, x := range list {
		k := contactKey{x.Village, x.Device}
		if old := c.fresh[k]; x.Seen.Before(old.Seen) {
			c.fresh[k] = old.after(x)
		} else {
			c.fresh[k] = x.after(old)
		}
	}
}

// Heard notes a contact.
func (s *Store) Heard(c Contact) {
	s.heard.note(c)
	s.heard.Lock()
	defer s.heard.Unlock()
	s.heard.more = true
}

// FlushContacts writes the noted contacts, village by village. Those that were
// not written are kept for the next time.
func (s *Store) FlushContacts(ctx context.Context) error {
	s.heard.Lock()
	fresh := slices.SortedFunc(maps.Values(s.heard.fresh), func(a, b Contact) int {
		return cmp.Or(cmp.Compare(a.Village, b.Village), cmp.Compare(a.Device, b.Device))
	})
	s.heard.fresh = nil
	s.heard.Unlock()
	for len(fresh) > 0 {
		n := slices.IndexFunc(fresh, func(c Contact) bool { return c.Village != fresh[0].Village })
		if n < 0 {
			n = len(fresh)
		}
		err := s.change(ctx, func(t *tx) error {
			for _, c := range fresh[:n] {
				if err := t.exec(`INSERT INTO contact(village_id, device_id, seen_at, pending, clock_offset, agent, assigned, room) VALUES($1, $2, $3, $4, $5, $6, $7, $8)
					ON CONFLICT(village_id, device_id) DO UPDATE SET seen_at = excluded.seen_at, pending = excluded.pending,
					clock_offset = excluded.clock_offset, agent = CASE WHEN excluded.agent = '' THEN contact.agent ELSE excluded.agent END,
					assigned = excluded.assigned, room = CASE WHEN excluded.room = 0 THEN contact.room ELSE excluded.room END`,
					c.Village, c.Device, c.Seen.UnixMilli(), c.Pending, c.Offset, c.Agent, c.Assigned, int64(c.Room)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.heard.note(fresh...)
			return fmt.Errorf("write contacts: %w", err)
		}
		fresh = fresh[n:]
	}
	return nil
}

// Contacts gives the last contact of every device with every village.
func (s *Store) Contacts(ctx context.Context) ([]Contact, error) {
	last := map[contactKey]Contact{}
	err := s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var c Contact
			var seen int64
			err := r.Scan(&c.Village, &c.Device, &seen, &c.Pending, &c.Offset, &c.Agent, &c.Assigned, &c.Room)
			c.Seen = time.UnixMilli(seen)
			last[contactKey{c.Village, c.Device}] = c
			return err
		}, `SELECT village_id, device_id, seen_at, pending, clock_offset, agent, assigned, room FROM contact`)
	})
	if err != nil {
		return nil, err
	}
	s.heard.Lock()
	defer s.heard.Unlock()
	for k, c := range s.heard.fresh {
		last[k] = c.after(last[k])
	}
	list := make([]Contact, 0, len(last))
	for _, c := range last {
		list = append(list, c)
	}
	return list, nil
}
