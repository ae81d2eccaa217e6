package store

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"

	"zhucun/shared/clock"
	"zhucun/shared/escrow"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Device is who this laptop is. Before it is enrolled only Key, and Code while
// an enrolment is under way, are set.
type Device struct {
	Key      []byte          `cbor:"0,keyasint"` // Ed25519 seed, 32 bytes
	Code     string          `cbor:"1,keyasint,omitempty"`
	ID       identity.Device `cbor:"2,keyasint"`
	Token    string          `cbor:"3,keyasint"`
	URL      string          `cbor:"4,keyasint"`
	Pin      identity.Pin    `cbor:"5,keyasint"`
	Server   []byte          `cbor:"6,keyasint"`
	Numbers  []byte          `cbor:"7,keyasint"`
	Assigned wire.Assignment `cbor:"8,keyasint"`
	LastSync int64           `cbor:"9,keyasint"` // ms since 1970, the server's time
	Language string          `cbor:"10,keyasint"`
	Bundles  uint64          `cbor:"11,keyasint,omitempty"` // how many it has made
	// Escrowed is the life of the server's data in which it keeps the data key.
	Escrowed wire.Epoch `cbor:"12,keyasint,omitempty"`
	// Wiped tells that everything is to be removed from here, as the office ordered.
	Wiped bool `cbor:"13,keyasint,omitempty"`
	// Published tells that what the office has published came with the assignment and was
	// kept: by a program before that it was not.
	Published bool `cbor:"21,keyasint,omitempty"`
	// Takes is what the server has said that it takes (wire.Synced.Takes).
	Takes uint64 `cbor:"20,keyasint,omitempty"`
}

// Enrolled tells whether the laptop belongs to a server.
func (d *Device) Enrolled() bool { return d.ID != "" }

// Serial is that of the assignment that the device has, with what the office has
// published; 0 where it is to come again.
func (d *Device) Serial() uint64 {
	if !d.Published {
		return 0
	}
	return d.Assigned.Serial
}

// Private is the device's signing key.
func (d *Device) Private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(d.Key) }

// Village gives the assigned village of that code, or the only one when code
// is empty.
func (d *Device) Village(code record.Village) (wire.Village, error) {
	vs := d.Assigned.Villages
	if code == "" && len(vs) == 1 {
		return vs[0], nil
	}
	var codes []string
	for _, v := range vs {
		if v.Code == code {
			return v, nil
		}
		codes = append(codes, string(v.Code)+" "+v.Name)
	}
	if code == "" {
		return wire.Village{}, said(ErrVillage, "这台电脑有几个村，要用 --village 指明是哪个村：%[1]s", "This laptop has several villages; name one with --village: %[1]s", strings.Join(codes, ", "))
	}
	return wire.Village{}, said(ErrVillage, "这台电脑没有村 %[1]s，有的是：%[2]s。要增加请联系办公室", "This laptop does not have village %[1]s; it has %[2]s. The office can add it", code, strings.Join(codes, ", "))
}

// Author gives the profile of that name, or the first when name is empty.
func (d *Device) Author(name string) (string, error) {
	ps := d.Assigned.Profiles
	if name == "" && len(ps) > 0 {
		return ps[0], nil
	}
	if slices.Contains(ps, name) {
		return name, nil
	}
	return "", said(ErrAuthor, "%[1]s 没有在这台电脑上登记，登记的有：%[2]s。请办公室添加", "%[1]s is not registered on this laptop; registered are %[2]s. The office can add people", name, strings.Join(ps, ", "))
}

// The errors of Device and of what needs it.
var (
	ErrNotEnrolled = errors.New("this laptop is not enrolled yet; run: zhucun-agent enrol CODE")
	ErrVillage     = errors.New("unknown village")
	ErrAuthor      = errors.New("unknown author")
)

func newID() (record.ID, error) {
	id, err := uuid.NewV7()
	return record.ID(id), err
}

var deviceAt = slotOf("device")

// dev reads the device once a transaction.
func (t *tx) dev() (*Device, error) {
	if t.device == nil {
		d := new(Device)
		if _, err := t.s.getSealed(t.Bucket(bucketMeta), deviceAt, keyDevice, d); err != nil {
			return nil, err
		}
		t.device = d
	}
	return t.device, nil
}

// Device gives who this laptop is. It is not an error not to be enrolled.
func (s *Store) Device() (d Device, err error) {
	err = s.view(func(t *tx) error {
		p, err := t.dev()
		if err == nil {
			d = *p
		}
		return err
	})
	return d, err
}

// SetDevice changes the device under change; the key is made if there is none. What comes
// with a new assignment of the office's publications holds from then on.
func (s *Store) SetDevice(ctx context.Context, change func(*Device)) (d Device, err error) {
	err = s.publish(ctx, func(t *tx) error {
		p, err := t.dev()
		if err != nil {
			return err
		}
		serial, had := p.Assigned.Serial, p.Published
		if len(p.Key) == 0 {
			p.Key = make([]byte, ed25519.SeedSize)
			if _, err := io.ReadFull(s.opt.Rand, p.Key); err != nil {
				return err
			}
		}
		change(p)
		if raw := p.Assigned.Edition; p.Assigned.Serial != serial || p.Published && !had || len(raw) > 0 {
			p.Assigned.Edition, p.Published = nil, true
			if err := t.take(raw); err != nil {
				return err
			}
		}
		d = *p
		if err := t.placeLoose(p); err != nil {
			return err
		}
		return s.putSealed(t.Bucket(bucketMeta), deviceAt, keyDevice, p)
	})
	return d, err
}

// believed is how far ahead of the last contact a clock is believed, in ms: one
// that says more was set wrong, or its battery has died.
const believed = 365 * 24 * 3600 * 1000

// Lapsed tells whether the laptop was out of contact for longer than the office
// allows, and for how many days. What was written since counts as well, so that a
// clock set back before it does not help; one held still does.
func (s *Store) Lapsed() (days int, lapsed bool, err error) {
	err = s.view(func(t *tx) error {
		d, err := t.dev()
		if err != nil || !d.Enrolled() || d.Assigned.OfflineDays == 0 || d.LastSync == 0 {
			return err
		}
		c, err := t.time()
		if err != nil {
			return err
		}
		now := s.opt.Wall() + c.Skew
		if now-d.LastSync > believed {
			now = d.LastSync
		}
		since := max(now, c.Last.Milli()) - d.LastSync
		days = int(since / (24 * 3600 * 1000))
		lapsed = since <= believed && since > int64(d.Assigned.OfflineDays)*24*3600*1000
		return nil
	})
	return days, lapsed, err
}

// EscrowDue tells whether the server has yet to be handed the data key: it never
// was, or has begun anew from a backup since.
func (s *Store) EscrowDue() (due bool, err error) {
	err = s.view(func(t *tx) error {
		d, err := t.dev()
		if err != nil || !d.Enrolled() {
			return err
		}
		due = d.Escrowed == wire.Epoch{}
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			due = due || v.place.Epoch != wire.Epoch{} && v.place.Epoch != d.Escrowed
		}
		return nil
	})
	return due, err
}

// Escrow gives the data key as the server alone can open it.
func (s *Store) Escrow() (sealed []byte, err error) {
	d, err := s.Device()
	if err != nil {
		return nil, err
	}
	return escrow.Seal(s.opt.Key, d.ID, d.Server)
}

// Clock gives the clock's reading and its runs for a sync that leaves now.
func (s *Store) Clock() (read clock.Time, runs []clock.Run, err error) {
	err = s.view(func(t *tx) error {
		c, err := t.time()
		if err != nil {
			return err
		}
		now := *c
		read, runs = now.Read(s.opt.Wall()), slices.Clone(now.Runs)
		return nil
	})
	return read, runs, err
}

// Dated is Clock for what will be long on its way: it also gives the server's
// time of the reading, ms since 1970, as far as the laptop knows.
func (s *Store) Dated() (read clock.Time, now int64, runs []clock.Run, err error) {
	err = s.view(func(t *tx) error {
		c, err := t.time()
		if err != nil {
			return err
		}
		at := *c
		wall := s.opt.Wall()
		read = at.Read(wall)
		now, runs = wall+at.Skew, slices.Clone(at.Runs)
		return nil
	})
	return read, now, runs, err
}

// Skew is what must be added to the machine's clock to have the server's, in
// milliseconds, as last measured.
func (s *Store) Skew() (ms int64, err error) {
	err = s.view(func(t *tx) error {
		c, err := t.time()
		if err == nil {
			ms = c.Skew
		}
		return err
	})
	return ms, err
}

// Now is the corrected time, in ms since 1970: for screens and for rules like
// "not in the future".
func (s *Store) Now() int64 {
	skew, err := s.Skew()
	if err != nil {
		skew = 0
	}
	return s.opt.Wall() + skew
}

// Measure takes the server's time for the moment at which the machine's clock
// stood at wall, both in ms since 1970.
func (s *Store) Measure(ctx context.Context, server, wall int64) error {
	return s.update(ctx, false, func(t *tx) error {
		c, err := t.time()
		if err != nil {
			return err
		}
		c.Measure(server, wall)
		d, err := t.dev()
		if err != nil {
			return err
		}
		d.LastSync = server
		return s.putSealed(t.Bucket(bucketMeta), deviceAt, keyDevice, d)
	})
}

// Wall is the machine's own clock, ms since 1970.
func (s *Store) Wall() int64 { return s.opt.Wall() }
