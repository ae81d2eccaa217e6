package store

import (
	"context"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

var (
	keyQuiet   = []byte("quiet")
	keySession = []byte("session")
	keyKnown   = []byte("known")

	sessionAt = slotOf("session")
	knownAt   = slotOf("known")
)

// Quiet tells whether the laptop spares its battery and metered links.
func (s *Store) Quiet() (quiet bool, err error) {
	err = s.view(func(t *tx) error {
		_, err := get(t.Bucket(bucketMeta), keyQuiet, &quiet)
		return err
	})
	return quiet, err
}

// SetQuiet sets that.
func (s *Store) SetQuiet(ctx context.Context, quiet bool) error {
	return s.update(ctx, false, func(t *tx) error { return put(t.Bucket(bucketMeta), keyQuiet, quiet) })
}

// Session is a TLS session with the server of that pin at that address, which the
// next connection may go on with.
type Session struct {
	Address string       `cbor:"0,keyasint"`
	Pin     identity.Pin `cbor:"1,keyasint"`
	Ticket  []byte       `cbor:"2,keyasint"`
	State   []byte       `cbor:"3,keyasint"` // tls.SessionState.Bytes
	At      int64        `cbor:"4,keyasint"` // when it was begun, ms since 1970 of the machine's clock
}

// Session gives the session that was kept last; an empty one where none was.
func (s *Store) Session() (session Session, err error) {
	err = s.view(func(t *tx) error {
		_, err := s.getSealed(t.Bucket(bucketMeta), sessionAt, keySession, &session)
		return err
	})
	return session, err
}

// SetSession keeps a session instead of the last.
func (s *Store) SetSession(ctx context.Context, session Session) error {
	return s.update(ctx, false, func(t *tx) error { return s.putSealed(t.Bucket(bucketMeta), sessionAt, keySession, session) })
}

// Known gives what the server knows of the laptop by its last request (wire.Known); nil
// where nothing was kept.
func (s *Store) Known() (known wire.Known, err error) {
	err = s.view(func(t *tx) error {
		_, err := s.getSealed(t.Bucket(bucketMeta), knownAt, keyKnown, &known)
		return err
	})
	return known, err
}

// SetKnown keeps that instead of the last; nil keeps nothing.
func (s *Store) SetKnown(ctx context.Context, known wire.Known) error {
	return s.update(ctx, false, func(t *tx) error {
		if known == nil {
			return t.Bucket(bucketMeta).Delete(keyKnown)
		}
		return s.putSealed(t.Bucket(bucketMeta), knownAt, keyKnown, known)
	})
}
