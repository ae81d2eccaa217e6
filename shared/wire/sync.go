package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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

// Uncounted is the part of a request that has no name: it is another one each time.
const Uncounted = clockSize

// BodyName names a request that EncodeSync made, whatever its clock says.
func BodyName(request []byte) string {
	h := sha256.Sum256(request[clockSize:])
	return base64.RawURLEncoding.EncodeToString(h[:16])
}

// UnmarshalSync reads a request from its bytes, at most limit when they are
// unpacked, and tells how many they then were. The errors are Decode's.
func UnmarshalSync(request []byte, limit int) (m *Sync, unpacked int, err error) {
	if len(request) < clockSize {
		return nil, 0, ErrForeign
	}
	m = new(Sync)
	if unpacked, err = unmarshal(request[clockSize:], limit, requestMode, m); err != nil {
		return nil, 0, err
	}
	m.Clock = int64(binary.BigEndian.Uint64(request))
	return m, unpacked, nil
}

// DecodeSync reads a request of at most limit bytes, for whoever trusts the
// sender: it is at most MaxUnpacked bytes when it is unpacked.
func DecodeSync(r io.Reader, limit int64) (*Sync, error) {
	request, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if int64(len(request)) > limit {
		return nil, ErrTooLarge
	}
	m, _, err := UnmarshalSync(request, MaxUnpacked)
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
