package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/crypto/chacha20poly1305"

	"zhucun/shared/pack"
)

// KeySize is the size of a store's data key, in bytes.
const KeySize = chacha20poly1305.KeySize

// ErrKey says that the store was sealed with another key.
var ErrKey = errors.New("the store is sealed with another key")

// What says anything about anybody lies in the file sealed: XChaCha20-Poly1305
// under the store's data key. A sealed value is
//
//	1, nonce (24 random bytes), box
//
// and what is in the box begins with a byte that says how it goes on. A value is
// sealed for its place: who can write to the file but has not the key may take a
// value away, and cannot put another in its stead.
const sealed = 1

const (
	asIs   = 0
	packed = 1 // package pack
)

// maxValue bounds a value, in bytes: a record is some kilobytes.
const maxValue = 8 << 20

// slot names where a value lies: its kind, and the names on the way to it.
type slot []byte

func slotOf(kind string, names ...[]byte) slot {
	p := slot(kind)
	for _, n := range names {
		p = append(binary.AppendUvarint(p, uint64(len(n))), n...)
	}
	return p
}

// wrap gives plain as it lies in the file: packed, unless that gains nothing, and
// sealed. A visit takes half of itself, and a list of all visits half of the
// file's pages.
func (s *Store) wrap(at slot, plain []byte) ([]byte, error) {
	return wrap(s.seal, s.opt.Rand, at, plain)
}

func wrap(seal cipher.AEAD, random io.Reader, at slot, plain []byte) ([]byte, error) {
	body := pack.Append([]byte{packed}, plain, pack.Fast)
	if len(body) > 1+len(plain) {
		body = append([]byte{asIs}, plain...)
	}
	raw := make([]byte, 1+chacha20poly1305.NonceSizeX, 1+chacha20poly1305.NonceSizeX+len(body)+chacha20poly1305.Overhead)
	raw[0] = sealed
	if _, err := io.ReadFull(random, raw[1:]); err != nil {
		return nil, err
	}
	return seal.Seal(raw, raw[1:], body, at), nil
}

// unwrap gives what wrap took.
func (s *Store) unwrap(at slot, raw []byte) ([]byte, error) {
	return unwrap(s.seal, at, raw)
}

func unwrap(seal cipher.AEAD, at slot, raw []byte) ([]byte, error) {
	if len(raw) < 1+chacha20poly1305.NonceSizeX || raw[0] != sealed {
		return nil, fmt.Errorf("%w: a value of no known kind", ErrDamaged)
	}
	nonce, box := raw[1:1+chacha20poly1305.NonceSizeX], raw[1+chacha20poly1305.NonceSizeX:]
	body, err := seal.Open(nil, nonce, box, at)
	if err != nil || len(body) == 0 {
		return nil, fmt.Errorf("%w: a value is not as it was written", ErrDamaged)
	}
	switch body[0] {
	case asIs:
		return body[1:], nil
	case packed:
		plain, err := pack.Open(body[1:], maxValue)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w: a value of no known kind", ErrDamaged)
}

// putSealed is put for what says anything about anybody.
func (s *Store) putSealed(b *bbolt.Bucket, at slot, key []byte, x any) error {
	plain, err := encMode.Marshal(x)
	if err != nil {
		return err
	}
	raw, err := s.wrap(at, plain)
	if err != nil {
		return err
	}
	return b.Put(key, raw)
}

// getSealed is get for what putSealed wrote.
func (s *Store) getSealed(b *bbolt.Bucket, at slot, key []byte, x any) (bool, error) {
	raw := b.Get(key)
	if raw == nil {
		return false, nil
	}
	return true, s.openSealed(at, raw, x)
}

func (s *Store) openSealed(at slot, raw []byte, x any) error {
	plain, err := s.unwrap(at, raw)
	if err != nil {
		return err
	}
	if err := decMode.Unmarshal(plain, x); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// checkOf tells the right key from a wrong one, and says nothing about either.
func checkOf(key []byte) []byte {
	sum := sha256.Sum256(append([]byte("zhucun data key 1\x00"), key...))
	return sum[:8]
}

// Fits tells whether key is that of the store in dir. Of one that is damaged it may
// not be able to tell.
func Fits(dir string, key []byte) (fits bool) {
	defer func() {
		if recover() != nil {
			fits = false
		}
	}()
	defer faulting()()
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, &bbolt.Options{Timeout: 300 * time.Millisecond, ReadOnly: true})
	if err != nil {
		return false
	}
	defer db.Close()
	db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		fits = meta != nil && bytes.Equal(meta.Get(keyCheck), checkOf(key))
		return nil
	})
	return fits
}

func sealer(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a data key of %d bytes instead of %d", len(key), KeySize)
	}
	return chacha20poly1305.NewX(key)
}
