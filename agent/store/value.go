package store

import (
	"fmt"

	"zhucun/shared/pack"
)

// Values that hold what people wrote (records, journal entries, staged pages,
// drafts) begin with a byte that says how they lie in the file.
const (
	asIs   = 0
	packed = 1 // package pack
)

// maxValue bounds a value, in bytes: a record is some kilobytes.
const maxValue = 8 << 20

// wrap appends plain to dst as it lies in the file: packed, unless that gains
// nothing. A visit takes half, and a list of all visits half of the file's pages.
func wrap(dst, plain []byte) []byte {
	at := len(dst)
	dst = pack.Append(append(dst, packed), plain, pack.Fast)
	if len(dst) > at+1+len(plain) {
		dst = append(append(dst[:at], asIs), plain...)
	}
	return dst
}

// unwrap gives what wrap took. It is not to be changed: it may be the file's own.
func unwrap(raw []byte) ([]byte, error) {
	if len(raw) > 0 && raw[0] == asIs {
		return raw[1:], nil
	}
	if len(raw) > 0 && raw[0] == packed {
		plain, err := pack.Open(raw[1:], maxValue)
		if err == nil {
			return plain, nil
		}
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil, fmt.Errorf("%w: a value of no known kind", ErrDamaged)
}
