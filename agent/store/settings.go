package store

import (
	"context"
	"time"
)

// Settings are what was chosen for this laptop, whoever is at it.
type Settings struct {
	// Idle is for how many minutes the pages may lie unused before they ask again who is
	// there; 0 is 15.
	Idle int `cbor:"0,keyasint,omitempty"`
	// PhotoSide is how many points the longer side of a photo has at most, where the
	// office would take larger ones; 0 is as the office says. NoOriginals tells that
	// originals are not kept although the office would take them.
	PhotoSide   int  `cbor:"1,keyasint,omitempty"`
	NoOriginals bool `cbor:"2,keyasint,omitempty"`
	// Drive is where backups go by themselves.
	Drive Drive `cbor:"3,keyasint,omitempty"`
}

// Drive is a folder, mostly of another drive, that was chosen for backups. It is known
// again by a file of its own name that lies in it, wherever the drive then is.
type Drive struct {
	ID   string `cbor:"0,keyasint,omitempty"` // empty while none is chosen
	Path string `cbor:"1,keyasint,omitempty"` // where it was last seen
	// Auto tells that a backup is made by itself when the drive appears.
	Auto bool `cbor:"2,keyasint,omitempty"`
	// Since is when it was chosen, Last when the last backup there was good, Tried when
	// one was last begun, ms since 1970, corrected; Fault is why that failed, a code of
	// package backup.
	Since int64  `cbor:"3,keyasint,omitempty"`
	Last  int64  `cbor:"4,keyasint,omitempty"`
	Tried int64  `cbor:"5,keyasint,omitempty"`
	Fault string `cbor:"6,keyasint,omitempty"`
	// Made are the names of the backups that this store made there, or began, in their
	// order: by the drive alone two laptops that one image was put on look alike.
	Made []string `cbor:"7,keyasint,omitempty"`
}

// idleMinutes is how long it is where nobody chose.
const idleMinutes = 15

// IdleFor is for how long the pages may lie unused.
func (s *Settings) IdleFor() time.Duration {
	if s.Idle == 0 {
		return idleMinutes * time.Minute
	}
	return time.Duration(s.Idle) * time.Minute
}

var (
	keySettings = []byte("settings")
	settingsAt  = slotOf("settings")
)

// Settings gives what was chosen for this laptop.
func (s *Store) Settings() (x Settings, err error) {
	err = s.view(func(t *tx) error {
		_, err := s.getSealed(t.Bucket(bucketMeta), settingsAt, keySettings, &x)
		return err
	})
	return x, err
}

// SetSettings changes that.
func (s *Store) SetSettings(ctx context.Context, change func(*Settings)) error {
	return s.update(ctx, false, func(t *tx) error {
		var x Settings
		if _, err := s.getSealed(t.Bucket(bucketMeta), settingsAt, keySettings, &x); err != nil {
			return err
		}
		change(&x)
		return s.putSealed(t.Bucket(bucketMeta), settingsAt, keySettings, x)
	})
}
