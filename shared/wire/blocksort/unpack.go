package blocksort

import (
	"bytes"
	"compress/bzip2"
	"io"
	"slices"

	"zhucun/shared/pack"
)

// Unpack gives what Append packed, at most limit bytes, beyond which the error is
// pack.ErrTooLarge; memory is taken as it comes.
func Unpack(packed []byte, limit int) ([]byte, error) {
	r := bzip2.NewReader(bytes.NewReader(packed))
	plain := make([]byte, 0, min(4*len(packed)+bytes.MinRead, limit)+1)
	for {
		if len(plain) == cap(plain) {
			// One byte more than may be: it tells what is too large.
			plain = slices.Grow(plain, min(cap(plain), limit+1-len(plain)))
		}
		n, err := r.Read(plain[len(plain):cap(plain)])
		switch plain = plain[:len(plain)+n]; {
		case len(plain) > limit:
			return nil, pack.ErrTooLarge
		case err == io.EOF:
			return plain, nil
		case err != nil:
			return nil, err
		}
	}
}
