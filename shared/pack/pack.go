package pack

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// dictionary is what both sides have before the first message: the bones of the
// messages and phrases of the field, and how often which byte follows. It is a
// dictionary of zstd, made by scripts/dictionary.
//
//go:embed dictionary.bin
var dictionary []byte

// Dictionary names the built-in dictionary: four bytes of the hash of its
// content, which it carries itself, as does everything packed with it.
var Dictionary = binary.LittleEndian.Uint32(dictionary[4:8])

// Max bounds what Open gives, in bytes.
const Max = 64 << 20

// Effort says how hard Append tries.
type Effort int

const (
	// Fast is for a record on the disk: 40 µs for a visit.
	Fast Effort = iota
	// Fair is for messages.
	Fair
)

// window is no larger than what has to be seen, since it is memory: with the
// dictionary an encoder takes 1 MB.
const window = 128 << 10

// encoders are made when first needed and kept.
var encoders = [...]func() *zstd.Encoder{
	// What lies on a disk for years has a checksum, four bytes: nobody else looks at
	// it before it is read again.
	Fast: sync.OnceValue(func() *zstd.Encoder {
		return encoder(zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	}),
	Fair: sync.OnceValue(func() *zstd.Encoder { return encoder() }),
}

// encoder makes one of zstd's fastest level: with the dictionary the next one packs no
// better, and takes three times as much memory.
func encoder(more ...zstd.EOption) *zstd.Encoder {
	opts := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderDict(dictionary),
	}
	enc, err := zstd.NewWriter(nil, append(opts, more...)...)
	if err != nil {
		panic(err) // constant options
	}
	return enc
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderDicts(dictionary), zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(Max), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // constant options
	}
	return d
})

// Append packs plain and appends it to dst.
func Append(dst, plain []byte, e Effort) []byte {
	return AppendShort(dst, Shorten(make([]byte, 0, len(plain)), plain), e)
}

// AppendShort is Append for what Shorten has rewritten already.
func AppendShort(dst, short []byte, e Effort) []byte { return encoders[e]().EncodeAll(short, dst) }

// The errors of Open and Unzip, beside those of bytes that are damaged.
var (
	// ErrTooLarge: what was packed is larger than the reader takes.
	ErrTooLarge = errors.New("what was packed is too large")
	// ErrDictionary: it is packed with a dictionary of another release.
	ErrDictionary = errors.New("packed with a dictionary of another release")
)

// Open gives what Append packed, at most limit bytes (and never more than Max).
func Open(packed []byte, limit int) ([]byte, error) {
	limit = min(limit, Max)
	// What was made short may have become twice as long by it: Shorten.
	short, err := Unzip(packed, min(2*limit, Max))
	if err != nil {
		return nil, err
	}
	return Lengthen(make([]byte, 0, min(2*len(short), limit)), short, limit)
}

// Unzip gives what a frame of zstd holds, with the dictionary or without one:
// at most limit bytes, and in no more memory.
func Unzip(frame []byte, limit int) ([]byte, error) {
	// The decoder keeps to the room it is given; left to itself a few bytes would
	// get all the memory that there may be.
	plain, err := decoder().DecodeAll(frame, make([]byte, 0, Size(frame, limit)))
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, ErrTooLarge
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return nil, ErrDictionary
	}
	return plain, err
}

// unsaid is how much a frame holds at most that does not say how much: our
// writers say it from there on.
const unsaid = 255

// Size gives how many bytes a frame of zstd says that it holds, at most limit;
// 0 where it is no frame.
func Size(frame []byte, limit int) int {
	var h zstd.Header
	switch err := h.Decode(frame); {
	case err != nil:
		return 0
	case !h.HasFCS:
		return min(unsaid, limit)
	case h.FrameContentSize > uint64(limit):
		return limit
	}
	return int(h.FrameContentSize)
}
