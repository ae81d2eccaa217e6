package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A Sync request has the device's clock in front of the packed message, eight
// bytes, milliseconds since 1970, big endian: it is set anew for every attempt,
// so that a request that failed for half a minute is not mistaken for a clock
// that is half a minute slow.
const clockSize = 8

// EncodeSync gives the bytes of a request; SetClock completes them.
func EncodeSync(m *Sync, e Effort) ([]byte, error) {
	raw, err := encMode.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	m.keep(raw)
	head := make([]byte, clockSize, 64+len(raw)/2)
	if m.behind = false; e == Mixed {
		packed, ok := appendBehind(append(append(head, magic[:]...), packKnown), raw, m.known)
		if m.behind = ok; ok {
			return packed, nil
		}
	}
	return append(head, encode(raw, nil, e)...), nil
}

// keep keeps what the answer is mixed behind: of a long request nothing, on both sides.
func (m *Sync) keep(raw []byte) {
	if m.raw = nil; m.Reads >= ReadsMixed && len(raw) <= maxMixed {
		m.raw = raw
	}
}

// Answer gives the bytes of the server's answer to a request: mixed behind it where the
// device reads that and both are short. known tells that the server keeps what is known
// of the device from now on.
func Answer(to *Sync, m *Synced, known bool) ([]byte, error) {
	switch {
	case known && to.Reads >= ReadsKnown && !to.behind:
		m.Takes = TakesKnown
	case to.Reads >= ReadsMixed && !to.mixed:
		m.Takes = TakesShort
	}
	if len(to.raw) == 0 {
		return Encode(m, Quick)
	}
	raw, err := encMode.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	if len(raw) > maxMixed {
		return encode(raw, nil, Quick), nil
	}
	return encode(raw, to.raw, Mixed), nil
}

// DecodeAnswer is Decode for an answer to a request that EncodeSync has encoded.
func DecodeAnswer(r io.Reader, limit int64, to *Sync, message any) error {
	packed, err := read(r, limit)
	if err != nil {
		return err
	}
	var before []byte
	if to != nil {
		before = to.raw
	}
	_, err = unmarshal(packed, before, MaxUnpacked, decMode, message)
	return err
}

// SetClock sets the clock in a request that EncodeSync made.
func SetClock(request []byte, ms int64) {
	binary.BigEndian.PutUint64(request, uint64(ms))
}

// Uncounted is the part of a request that has no name: it is another one each time.
const Uncounted = clockSize

// BodyName names a request that EncodeSync made, whatever its clock says.
func BodyName(request []byte) string {
	h := sha256.Sum256(request[clockSize:])
	return base64.RawURLEncoding.EncodeToString(h[:16])
}

// UnmarshalSync reads a request from its bytes, at most limit when they are
// unpacked, and tells how many they then were. find gives what is known of the device by
// a name; nil knows nothing. The errors are Decode's, and ErrForgotten.
func UnmarshalSync(request []byte, limit int, find func(KnownName) Known) (m *Sync, unpacked int, err error) {
	if len(request) < clockSize {
		return nil, 0, ErrForeign
	}
	m = new(Sync)
	body := request[clockSize:]
	var k Known
	if behind := append(magic[:], packKnown); bytes.HasPrefix(body, behind) {
		var raw []byte
		if raw, k, err = openBehind(body[len(behind):], find, limit); errors.Is(err, ErrForgotten) || errors.Is(err, ErrTooLarge) {
			return nil, 0, err
		} else if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		body = append(append(magic[:], packPlain), raw...)
	}
	raw, err := unmarshal(body, nil, limit, requestMode, m)
	if err != nil {
		return nil, 0, err
	}
	unpacked = len(raw)
	m.keep(raw)
	m.known, m.behind = k, k != nil
	m.mixed = m.behind || request[clockSize+len(magic)] == packMixed
	m.Clock = int64(binary.BigEndian.Uint64(request))
	return m, unpacked, nil
}

// DecodeSync reads a request of at most limit bytes, for whoever trusts the
// sender: it is at most MaxUnpacked bytes when it is unpacked.
func DecodeSync(r io.Reader, limit int64) (*Sync, error) {
	request, err := read(r, limit)
	if err != nil {
		return nil, err
	}
	m, _, err := UnmarshalSync(request, MaxUnpacked, nil)
	return m, err
}

// SyncSize bounds how many bytes a request comes to when it is unpacked, without
// doing it; limit where that cannot be told.
func SyncSize(request []byte, limit int) int {
	if len(request) <= clockSize+len(magic) {
		return 0
	}
	body := request[clockSize+len(magic):]
	return unpacked(body[0], body[1:], limit)
}
