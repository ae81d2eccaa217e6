package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Laptop is a device as it was last heard of, over all of its villages.
type Laptop struct {
	Device
	// Seen is zero where it was never heard of; what follows is then not known.
	Seen    time.Time
	Pending uint64
	// Offset is the server's clock less the laptop's.
	Offset time.Duration
	// Version is the program's.
	Version string
	// Assigned is the serial of the assignment that it has; 0: not known.
	Assigned uint64
	// Room is how many bytes are free on its disk, about; 0: not known.
	Room uint64
	// Quarantined counts what came from it and waits for a decision.
	Quarantined int
	// Had are villages that it was heard of for and that are its no longer.
	Had []record.Village
}

// Heard tells a laptop that was heard of.
func (l *Laptop) Heard() bool { return !l.Seen.IsZero() }

// Ordered gives when a revoked laptop was last ordered to empty itself; zero where it
// was not yet. A revoked laptop is heard of for nothing else.
func (l *Laptop) Ordered() time.Time {
	if l.Revoked() && l.Seen.After(l.RevokedAt) {
		return l.Seen
	}
	return time.Time{}
}

// Laptops gives every device as it stands, in the order of enrolment: three statements,
// however many there are.
func (s *Store) Laptops(ctx context.Context) ([]Laptop, error) {
	devices, err := s.Devices(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := s.Contacts(ctx)
	if err != nil {
		return nil, err
	}
	list, at := make([]Laptop, len(devices)), map[identity.Device]int{}
	for i, d := range devices {
		list[i], at[d.ID] = Laptop{Device: d}, i
	}
	for _, c := range heard {
		i, known := at[c.Device]
		if !known {
			continue
		}
		l := &list[i]
		if !slices.Contains(l.Villages, c.Village) {
			l.Had = append(l.Had, c.Village)
		}
		switch {
		case c.Seen.After(l.Seen):
			l.Seen, l.Pending, l.Offset = c.Seen, c.Pending, time.Duration(c.Offset)*time.Millisecond
			l.Version, l.Assigned, l.Room = cmp.Or(c.Agent, l.Version), c.Assigned, cmp.Or(c.Room, l.Room)
			continue
		case c.Seen.Equal(l.Seen):
			l.Pending = max(l.Pending, c.Pending)
		}
		l.Version, l.Room = cmp.Or(l.Version, c.Agent), cmp.Or(l.Room, c.Room)
	}
	err = s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			var d identity.Device
			var n int
			err := r.Scan(&d, &n)
			if i, known := at[d]; known {
				list[i].Quarantined = n
			}
			return err
		}, `SELECT device_id, count(*) FROM quarantine WHERE decided = '' GROUP BY device_id`)
	})
	for i := range list {
		slices.Sort(list[i].Had)
	}
	return list, err
}
