package wire

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

// magic opens every message.
var magic = [4]byte{'Z', 'C', 0xB7, Version}

// dictionary is what both sides have before the first message: phrases of the
// field and the bones of the messages. Its name on the line is its hash.
//
//go:embed dictionary.bin
var dictionary []byte

// The ways a body is packed: one byte after magic.
const (
	packPlain = 0
	packZstd  = 1
	packDict  = 2
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
)

// DictionaryID names the built-in dictionary: the first four bytes of its
// SHA-256, big endian.
var DictionaryID = func() uint32 {
	sum := sha256.Sum256(dictionary)
	return binary.BigEndian.Uint32(sum[:])
}()

// Effort says how hard a writer tries to make a message small.
type Effort int

const (
	// Quick is for the server: hundreds of laptops wait.
	Quick Effort = iota
	// Thrifty is for the laptop: the link is what is short.
	Thrifty
)

// small is the size below which the dictionary pays: longer messages bring
// enough of their own past.
const small = 64 << 10

func level(e Effort) zstd.EncoderLevel {
	if e == Thrifty {
		return zstd.SpeedBestCompression
	}
	return zstd.SpeedDefault
}

// encoders are made when first needed and kept: one for each effort, with and
// without the dictionary.
var encoders [2][2]struct {
	sync.Once
	*zstd.Encoder
}

func encoder(e Effort, withDictionary bool) *zstd.Encoder {
	i := 0
	if withDictionary {
		i = 1
	}
	enc := &encoders[e][i]
	enc.Do(func() {
		opts := []zstd.EOption{zstd.WithEncoderLevel(level(e)), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true)}
		if withDictionary {
			opts = append(opts, zstd.WithEncoderDictRaw(DictionaryID, dictionary), zstd.WithWindowSize(256<<10))
		} else {
			opts = append(opts, zstd.WithWindowSize(4<<20))
		}
		var err error
		if enc.Encoder, err = zstd.NewWriter(nil, opts...); err != nil {
			panic(err) // constant options
		}
	})
	return enc.Encoder
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(DictionaryID, dictionary), zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(MaxUnpacked), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		panic(err) // constant options
	}
	return d
})

// Encode gives the bytes of a message: one of this package's structs.
func Encode(message any, e Effort) ([]byte, error) {
	raw, err := encMode.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	packed := append(make([]byte, 0, 64+len(raw)/2), magic[:]...)
	if len(raw) < small {
		packed = binary.BigEndian.AppendUint32(append(packed, packDict), DictionaryID)
	} else {
		packed = append(packed, packZstd)
	}
	packed = encoder(e, len(raw) < small).EncodeAll(raw, packed)
	if len(packed) >= len(magic)+1+len(raw) {
		packed = append(append(packed[:len(magic)], packPlain), raw...)
	}
	return packed, nil
}

// The errors of Decode.
var (
	// ErrForeign: the bytes are not a message of ours, but a portal's page or
	// another server's.
	ErrForeign = errors.New("not a message of this system")
	// ErrTooLarge: the message is larger than the reader takes.
	ErrTooLarge = errors.New("message too large")
	// ErrDictionary: the message is packed with a dictionary of another release.
	ErrDictionary = errors.New("message needs a dictionary of another release")
	// ErrMessage: the message is cut off or damaged.
	ErrMessage = errors.New("message damaged")
)

// Decode reads one message of at most limit bytes from r into message, a
// pointer to one of this package's structs.
func Decode(r io.Reader, limit int64, message any) error {
	packed, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if int64(len(packed)) > limit {
		return ErrTooLarge
	}
	return Unmarshal(packed, message)
}

// Unmarshal reads one message from its bytes.
func Unmarshal(packed []byte, message any) error {
	if len(packed) < len(magic)+1 || !bytes.Equal(packed[:len(magic)], magic[:]) {
		return ErrForeign
	}
	how, body := packed[len(magic)], packed[len(magic)+1:]
	var err error
	switch how {
	case packPlain:
	case packDict:
		if len(body) < 4 {
			return ErrMessage
		}
		if binary.BigEndian.Uint32(body) != DictionaryID {
			return ErrDictionary
		}
		body = body[4:]
		fallthrough
	case packZstd:
		if body, err = decoder().DecodeAll(body, nil); errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return ErrTooLarge
		}
	default:
		return ErrMessage
	}
	if err == nil {
		err = decMode.Unmarshal(body, message)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return nil
}

// Plain gives what Encode packs: what a dictionary is made from.
func Plain(message any) ([]byte, error) {
	raw, err := encMode.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return shorten(make([]byte, 0, len(raw)), raw), nil
}
