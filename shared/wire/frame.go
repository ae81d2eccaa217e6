package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"zhucun/shared/pack"
	"zhucun/shared/wire/blocksort"
)

// magic opens every message; its last byte is the version.
var magic = [4]byte{'Z', 'C', 0xB7, Version}

// The ways a body is packed: one byte after magic.
const (
	packPlain = 0 // CBOR
	packZstd  = 1 // zstd of CBOR
	packDict  = 2 // zstd, with the dictionary, of CBOR made short
	packSort  = 3 // bzip2 of CBOR made short
	packMixed = 4 // mixed CBOR (split.go)
	packKnown = 5 // mixed CBOR behind what is known (known.go)
)

var (
	encMode, _ = cbor.CoreDetEncOptions().EncMode()
	decMode, _ = cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  12,
		MaxArrayElements: 1 << 18,
		MaxMapPairs:      1 << 16,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode()
	// requestMode is for what laptops send, whose lists are short. In a list of
	// empty things a byte becomes thirty in memory, and lists are within lists.
	requestMode, _ = cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  12,
		MaxArrayElements: maxList,
		MaxMapPairs:      1 << 8,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode()
)

// maxList bounds the lists in a request: villages, a village's streams and
// segments, the settings of a clock.
const maxList = 1 << 10

// Effort says how hard a writer tries to make a message small.
type Effort int

const (
	// Quick is for the server: hundreds of laptops wait.
	Quick Effort = iota
	// Thrifty is for the laptop: the link is what is short.
	Thrifty
	// Mixed is for a short message to whoever has said that it reads that: half a
	// millisecond on either side. A longer one is Thrifty.
	Mixed
)

// small is the size of a shortened message below which the dictionary pays:
// longer ones bring enough of their own past.
const small = 24 << 10

// either is the size from which both are tried: where each change is of one field, most
// is ids, and of those the dictionary knows nothing.
const either = 4 << 10

// quick is for a server's long answers; its memory is 8 MB, made when first
// needed and kept.
var quick = sync.OnceValue(func() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // constant options
	}
	return enc
})

// Encode gives the bytes of a message: one of this package's structs.
func Encode(message any, e Effort) ([]byte, error) {
	raw, err := encMode.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return encode(raw, nil, e), nil
}

// encode packs a message's CBOR; before is that of a message which the reader has.
func encode(raw, before []byte, e Effort) []byte {
	head := append(make([]byte, 0, 64+len(raw)/2), magic[:]...)
	if e == Quick && len(raw) >= 2*small {
		return quick().EncodeAll(raw, append(head, packZstd))
	}
	if e == Mixed {
		if packed, ok := appendMixed(append(head, packMixed), raw, before); ok {
			return packed
		}
	}
	packed := append(head, packDict)
	if e == Quick {
		packed = pack.Append(packed, raw, pack.Fair)
	} else if short := pack.Shorten(make([]byte, 0, len(raw)), raw); len(short) >= small {
		packed = blocksort.Append(append(head, packSort), short)
	} else {
		packed = pack.AppendShort(packed, short, pack.Fair)
		if len(short) >= either {
			if sorted := blocksort.Append(append(bytes.Clone(head), packSort), short); len(sorted) < len(packed) {
				packed = sorted
			}
		}
	}
	if len(packed) >= len(head)+1+len(raw) {
		packed = append(append(head, packPlain), raw...)
	}
	return packed
}

// Plain gives what Encode packs with the dictionary, which is made from that.
func Plain(message any) ([]byte, error) {
	raw, err := encMode.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return pack.Shorten(make([]byte, 0, len(raw)), raw), nil
}

// Size tells how many bytes a message has before it is packed, pages in rows.
func Size(message any) (int, error) {
	raw, err := encMode.Marshal(message)
	if err != nil {
		return 0, fmt.Errorf("encode message: %w", err)
	}
	n := len(raw)
	if m, ok := message.(*Synced); ok {
		n += m.size()
	}
	return n, nil
}

// The errors of Decode.
var (
	// ErrForeign: the bytes are not a message of ours, but a portal's page or
	// another server's.
	ErrForeign = errors.New("not a message of this system")
	// ErrTooLarge: the message is larger than the reader takes.
	ErrTooLarge = pack.ErrTooLarge
	// ErrRelease: the message is of another version, or packed with a dictionary of
	// another release.
	ErrRelease = errors.New("message of another release")
	// ErrMessage: the message is cut off or damaged.
	ErrMessage = errors.New("message damaged")
)

// Decode reads one message of at most limit bytes from r into message, a
// pointer to one of this package's structs; it is at most MaxUnpacked bytes when
// it is unpacked.
func Decode(r io.Reader, limit int64, message any) error {
	packed, err := read(r, limit)
	if err != nil {
		return err
	}
	return Unmarshal(packed, MaxUnpacked, message)
}

func read(r io.Reader, limit int64) ([]byte, error) {
	packed, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if int64(len(packed)) > limit {
		return nil, ErrTooLarge
	}
	return packed, nil
}

// Unmarshal reads one message from its bytes, at most limit when they are
// unpacked.
func Unmarshal(packed []byte, limit int, message any) error {
	_, err := unmarshal(packed, nil, limit, decMode, message)
	return err
}

// unmarshal also gives the CBOR; before is that of a message that the sender has.
func unmarshal(packed, before []byte, limit int, mode cbor.DecMode, message any) ([]byte, error) {
	const version = len(magic) - 1
	switch {
	case len(packed) < len(magic)+1 || !bytes.Equal(packed[:version], magic[:version]):
		return nil, ErrForeign
	case packed[version] != Version:
		return nil, ErrRelease
	}
	body, err := unpack(packed[len(magic)], packed[len(magic)+1:], before, limit)
	if err == nil {
		err = mode.Unmarshal(body, message)
	}
	if m, ok := message.(*Synced); ok && err == nil {
		return body, m.rows(limit - len(body))
	}
	switch {
	case err == nil, errors.Is(err, ErrTooLarge):
		return body, err
	case errors.Is(err, pack.ErrDictionary):
		return body, ErrRelease
	}
	return body, fmt.Errorf("%w: %w", ErrMessage, err)
}

// unpack gives the CBOR of a body, at most limit bytes. On the way there it may
// be twice that: made short, bytes that are no text take two each.
func unpack(how byte, body, before []byte, limit int) ([]byte, error) {
	var err error
	switch how {
	case packPlain:
		if len(body) > limit {
			return nil, ErrTooLarge
		}
		return body, nil
	case packDict:
		return pack.Open(body, limit)
	case packZstd:
		return pack.Unzip(body, limit)
	case packMixed:
		return openMixed(body, before, limit)
	case packSort:
		body, err = blocksort.Unpack(body, limit)
	default:
		return nil, fmt.Errorf("packed in an unknown way, %d", how)
	}
	if err != nil {
		return nil, err
	}
	return pack.Lengthen(make([]byte, 0, min(2*len(body), limit)), body, limit)
}

// unpacked bounds what unpack gives, without unpacking; limit where the body
// does not tell.
func unpacked(how byte, body []byte, limit int) int {
	switch how {
	case packPlain:
		return min(len(body), limit)
	case packZstd:
		return pack.Size(body, limit)
	case packDict:
		return min(pack.Size(body, limit)*3, limit) // a byte may be a character
	case packMixed, packKnown:
		return min(maxMixed, limit)
	}
	return limit
}
