package store

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"runtime/debug"

	"golang.org/x/crypto/argon2"
)

// Profile is what one of the people of this laptop has chosen.
type Profile struct {
	Language string `cbor:"0,keyasint,omitempty"` // of the pages; empty is the laptop's
	Size     string `cbor:"1,keyasint,omitempty"` // of type: "", "large" or "huge"
	Pin      *pin   `cbor:"2,keyasint,omitempty"`
	// Misses counts the wrong PINs since the last right one.
	Misses int `cbor:"3,keyasint,omitempty"`
}

// HasPin tells whether the profile asks for a PIN.
func (p *Profile) HasPin() bool { return p.Pin != nil }

// pin is a PIN as it is kept: what it comes to, and how.
type pin struct {
	Salt   []byte `cbor:"0,keyasint"`
	Passes uint32 `cbor:"1,keyasint"`
	Memory uint32 `cbor:"2,keyasint"` // KiB
	Sum    []byte `cbor:"3,keyasint"`
}

// A PIN's digits, and what one try of it costs: it is sealed with all else, so that the
// cost only has to keep it from being read out of a store that is open.
const (
	MinPin    = 4
	MaxPin    = 12
	pinPasses = 4
	pinMemory = 9 << 10
)

// ErrPin says that what is to be a PIN is none: 4 to 12 digits, not all alike.
var ErrPin = errors.New("a PIN has 4 to 12 digits, not all alike")

func (p *pin) stretch(digits string) []byte {
	defer debug.FreeOSMemory() // an agent has little
	return argon2.IDKey([]byte(digits), p.Salt, p.Passes, p.Memory, 1, 32)
}

func goodPin(digits string) bool {
	alike := true
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
		alike = alike && digits[i] == digits[0]
	}
	return len(digits) >= MinPin && len(digits) <= MaxPin && !alike
}

var (
	keyProfiles = []byte("profiles")
	profilesAt  = slotOf("profiles")
)

// profiles reads what people have chosen. What of it cannot be read is not worth a stop:
// languages are chosen anew, and PINs are a courtesy.
func (t *tx) profiles() (map[string]*Profile, error) {
	all := map[string]*Profile{}
	_, err := t.s.getSealed(t.Bucket(bucketMeta), profilesAt, keyProfiles, &all)
	return all, err
}

// Profile gives what somebody has chosen; the zero value where nothing is.
func (s *Store) Profile(name string) (p Profile, err error) {
	err = s.view(func(t *tx) error {
		all, err := t.profiles()
		if x := all[name]; x != nil {
			p = *x
		}
		return err
	})
	return p, err
}

// Profiles gives it of everybody.
func (s *Store) Profiles() (all map[string]Profile, err error) {
	all = map[string]Profile{}
	err = s.view(func(t *tx) error {
		has, err := t.profiles()
		for name, p := range has {
			all[name] = *p
		}
		return err
	})
	return all, err
}

// SetProfile changes what somebody has chosen.
func (s *Store) SetProfile(ctx context.Context, name string, change func(*Profile)) error {
	return s.update(ctx, false, func(t *tx) error {
		all, err := t.profiles()
		if err != nil {
			return err
		}
		p := all[name]
		if p == nil {
			p = new(Profile)
			all[name] = p
		}
		change(p)
		return s.putSealed(t.Bucket(bucketMeta), profilesAt, keyProfiles, all)
	})
}

// SetPin makes digits somebody's PIN; with none there is no PIN any more. ErrPin.
func (s *Store) SetPin(ctx context.Context, name, digits string) error {
	if digits == "" {
		return s.SetProfile(ctx, name, func(p *Profile) { p.Pin, p.Misses = nil, 0 })
	}
	if !goodPin(digits) {
		return ErrPin
	}
	n := &pin{Salt: make([]byte, 16), Passes: pinPasses, Memory: pinMemory}
	rand.Read(n.Salt)
	n.Sum = n.stretch(digits)
	return s.SetProfile(ctx, name, func(p *Profile) { p.Pin, p.Misses = n, 0 })
}

// TryPin tells whether digits are somebody's PIN. A try is counted as a miss before it is
// looked at, so that an agent that is killed in between gives none away.
func (s *Store) TryPin(ctx context.Context, name, digits string) (right bool, err error) {
	var kept pin
	if err := s.SetProfile(ctx, name, func(p *Profile) {
		if p.Pin != nil {
			p.Misses++
			kept = *p.Pin
		}
	}); err != nil {
		return false, err
	}
	if kept.Sum == nil || len(digits) > MaxPin || subtle.ConstantTimeCompare(kept.stretch(digits), kept.Sum) != 1 {
		return false, nil
	}
	return true, s.SetProfile(ctx, name, func(p *Profile) { p.Misses = 0 })
}
