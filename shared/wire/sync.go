package wire

import (
	"encoding/binary"
	"io"
)

// A Sync request has the device's clock in front of the packed message, eight
// bytes, milliseconds since 1970, big endian: it is set anew for every attempt,
// so that a request that failed for half a minute is not mistaken for a clock
// that is half a minute slow.
const clockSize = 8

// EncodeSync gives the bytes of a request; SetClock completes them.
func EncodeSync(m *Sync, e Effort) ([]byte, error) {
	packed, err := Encode(m, e)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, clockSize), packed...), nil
}

// SetClock sets the clock in a request that EncodeSync made.
func SetClock(request []byte, ms int64) {
	binary.BigEndian.PutUint64(request, uint64(ms))
}

// DecodeSync reads a request of at most limit bytes. The errors are Decode's.
func DecodeSync(r io.Reader, limit int64) (*Sync, error) {
	var clock [clockSize]byte
	if _, err := io.ReadFull(r, clock[:]); err != nil {
		return nil, ErrForeign
	}
	m := new(Sync)
	if err := Decode(r, limit, m); err != nil {
		return nil, err
	}
	m.Clock = int64(binary.BigEndian.Uint64(clock[:]))
	return m, nil
}
