package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"zhucun/shared/identity"
)

// Limits. What keeps to them in Add is taken by Open.
const (
	// MaxFile is the size of a file in bytes. It is held in memory whole, by old
	// laptops too.
	MaxFile = 32 << 20
	// MaxParts is how many messages a file has.
	MaxParts = 256
	// maxRatio bounds what all messages come to when they are unpacked, as a
	// multiple of what they are; allowance is added, so that few messages may be
	// one text written a thousand times.
	maxRatio  = 64
	allowance = 32 << 20
	// maxNote is the size of a note.
	maxNote = 64 << 10
)

// Ext is what the names of files end with. Mail and messengers leave it alone:
// nothing opens it, and nothing takes it for a program or an archive.
const Ext = ".zcb"

// Name is a name for a file that says nothing about it; random is any text as
// crypto/rand gives it.
func Name(random string) string { return "zhucun-" + strings.ToLower(random[:8]) + Ext }

// Numbered is the name of the n-th of several files that were made at once.
func Numbered(name string, n int) string {
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + strconv.Itoa(n) + ext
}

// Bundle is what a file says: a bundle's purpose is identity.BundleOf, a reply's
// identity.ReplyOf.
type Bundle struct {
	Device identity.Device   // from or for whom
	Server ed25519.PublicKey // for or from whom
	// Serial counts a device's bundles; a reply has that of the bundle it answers.
	Serial uint64
	// Made is when, ms since 1970, by the sender's clock as far as he could correct
	// it.
	Made int64
	// Fault is why there is nothing more for the device, a code of a wire.Fault;
	// empty as a rule.
	Fault string
	Parts []Part
	// Files are what it has beside the messages, or asks for; in a reply, small pictures.
	Files []File
	// Smalls is how many bytes of small pictures a bundle asks for, of the records that
	// come with the reply.
	Smalls uint64
}

// Part is one message, packed, and how many bytes it has when it is unpacked.
type Part struct {
	Message []byte
	Size    int
}

// Add adds a message; false where a file would then be over the limits.
func (b *Bundle) Add(p Part) bool {
	all := append(b.Parts[:len(b.Parts):len(b.Parts)], p)
	packed, err := within(all)
	if err != nil || packed > MaxFile-maxNote-overhead {
		return false
	}
	b.Parts = all
	return true
}

// within tells how long the messages are, or that they are over the limits.
func within(parts []Part) (packed int, err error) {
	sums := make([]sum, len(parts))
	for i, p := range parts {
		sums[i] = sum{Packed: uint64(len(p.Message)), Size: uint64(p.Size)}
	}
	return withinSums(sums)
}

// withinSums is within for what a note says of them.
func withinSums(parts []sum) (packed int, err error) {
	unpacked := 0
	for _, s := range parts {
		// Numbers that somebody else has written down.
		if s.Packed > MaxFile || s.Size > MaxFile*maxRatio || len(parts) > MaxParts {
			return 0, ErrTooLarge
		}
		packed, unpacked = packed+int(s.Packed), unpacked+int(s.Size)
	}
	if packed > MaxFile || unpacked > maxRatio*packed+allowance {
		return 0, ErrTooLarge
	}
	return packed, nil
}

// note is what the signature covers.
type note struct {
	Device identity.Device `cbor:"0,keyasint"`
	Server []byte          `cbor:"1,keyasint"`
	Serial uint64          `cbor:"2,keyasint"`
	Made   int64           `cbor:"3,keyasint"`
	Fault  string          `cbor:"4,keyasint,omitempty"`
	Parts  []sum           `cbor:"5,keyasint,omitempty"`
	Files  []named         `cbor:"6,keyasint,omitempty"`
	Smalls uint64          `cbor:"7,keyasint,omitempty"`
}

// sum stands for one message.
type sum struct {
	_            struct{} `cbor:",toarray"`
	Packed, Size uint64
	Hash         [sha256.Size]byte
}

var (
	encMode, _ = cbor.CoreDetEncOptions().EncMode()
	decMode    = decoder(MaxParts)
	filesMode  = decoder(MaxFiles)
)

func decoder(elements int) cbor.DecMode {
	m, _ := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  4,
		MaxArrayElements: elements,
		MaxMapPairs:      64,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode()
	return m
}

// A file begins with these bytes, the version among them.
var magic = [4]byte{'Z', 'C', 'B', 1}

// suite names the way of encryption: HPKE with X25519, HKDF-SHA256 and
// ChaCha20-Poly1305, to identity keys.
const suite = 1

// Where things are in a file.
const (
	atSuite   = 4
	atSize    = 5
	atSum     = 13
	atKey     = 29 // HPKE's encapsulated key
	atSealed  = 61
	overhead  = atSealed + 4 + ed25519.SignatureSize + 16
	purposeOf = "zhucun bundle file 1"
)

// The errors of Check and Open.
var (
	// ErrForeign: not a file of this kind.
	ErrForeign = errors.New("this is not a bundle")
	// ErrRelease: a file of a later release.
	ErrRelease = errors.New("the bundle is of a later release")
	// ErrPartial: the end is missing.
	ErrPartial = errors.New("the bundle was only partly copied")
	// ErrDamaged: it is not as its sender wrote it.
	ErrDamaged = errors.New("the bundle is damaged")
	// ErrOther: whole, and for somebody else.
	ErrOther = errors.New("the bundle is for somebody else")
	// ErrForged: not signed by whom it says it is from.
	ErrForged = errors.New("the bundle is not from whom it says")
	// ErrTooLarge: over the limits.
	ErrTooLarge = errors.New("the bundle is too large")
)

// Check tells whether a file is whole and as it was written: as much as whoever
// carries it can tell.
func Check(file []byte) error {
	n := min(len(file), len(magic))
	switch {
	case len(file) > MaxFile:
		return ErrTooLarge
	case n == 0 || !bytes.Equal(file[:min(n, 3)], magic[:min(n, 3)]):
		return ErrForeign
	case len(file) > atSuite && (file[3] != magic[3] || file[atSuite] != suite):
		return ErrRelease
	case len(file) < atSealed:
		return ErrPartial
	}
	if size := binary.BigEndian.Uint64(file[atSize:]); uint64(len(file)) < size {
		return fmt.Errorf("%w: %d of %d bytes are there", ErrPartial, len(file), size)
	}
	if checksum(file) != [16]byte(file[atSum:]) {
		return ErrDamaged
	}
	return nil
}

// Read gives a file that is whole and as it was written; the errors are Check's.
// It takes what its beginning says that it has, and not the memory for more: what is
// not a file of this kind, or says to be too large, is not read any further.
func Read(r io.Reader) ([]byte, error) {
	file := make([]byte, atSealed)
	n, err := io.ReadFull(r, file)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return nil, Check(file[:n])
	case err != nil:
		return nil, err
	}
	if err := Check(file); errors.Is(err, ErrForeign) || errors.Is(err, ErrRelease) {
		return nil, err
	}
	size := binary.BigEndian.Uint64(file[atSize:])
	if size > MaxFile {
		return nil, ErrTooLarge
	}
	// One byte more tells a file that goes on.
	whole := make([]byte, max(size, atSealed)+1)
	n, err = io.ReadFull(io.MultiReader(bytes.NewReader(file), r), whole)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return whole[:n], Check(whole[:n])
}

// checksum is over all of a file but itself.
func checksum(file []byte) [16]byte {
	h := sha256.New()
	h.Write(file[:atSum])
	h.Write(file[atKey:])
	return [16]byte(h.Sum(nil))
}

// headOf is a file's beginning up to its size, which the encryption covers too.
func headOf(magic [4]byte, size int64) []byte {
	return binary.BigEndian.AppendUint64(append(magic[:], suite), uint64(size))
}

// letter gives the note, of at most so many bytes, and how long it is with what goes
// around it and with the messages.
func (b *Bundle) letter(most int) (said []byte, content int64, err error) {
	n := note{Device: b.Device, Server: b.Server, Serial: b.Serial, Made: b.Made, Fault: b.Fault, Smalls: b.Smalls}
	packed, err := within(b.Parts)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range b.Parts {
		n.Parts = append(n.Parts, sum{Packed: uint64(len(p.Message)), Size: uint64(p.Size), Hash: sha256.Sum256(p.Message)})
	}
	for _, f := range b.Files {
		n.Files = append(n.Files, f.named())
	}
	if said, err = encMode.Marshal(n); err != nil {
		return nil, 0, fmt.Errorf("encode bundle: %w", err)
	}
	if len(said) > most || len(b.Files) > MaxFiles {
		return nil, 0, ErrTooLarge
	}
	return said, int64(4 + len(said) + ed25519.SignatureSize + packed), nil
}

// Seal gives the file that brings b, which has no files in it, to whoever has the
// identity key to. Of the files that it asks for only the first go in.
func Seal(b *Bundle, p identity.Purpose, from ed25519.PrivateKey, to ed25519.PublicKey) ([]byte, error) {
	asking := *b
	asking.Files = b.Files[:min(len(b.Files), maxAsked)]
	said, content, err := asking.letter(maxNote)
	if err != nil {
		return nil, err
	}
	size := atSealed + 16 + int(content)
	if size > MaxFile {
		return nil, ErrTooLarge
	}
	plain := binary.BigEndian.AppendUint32(make([]byte, 0, size-atSealed-16), uint32(len(said)))
	plain = append(append(plain, said...), identity.Sign(from, p, said)...)
	for _, p := range b.Parts {
		plain = append(plain, p.Message...)
	}
	key, err := identity.Receiver(to)
	if err != nil {
		return nil, err
	}
	enc, sender, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(purposeOf))
	if err != nil {
		return nil, fmt.Errorf("seal bundle: %w", err)
	}
	file := append(append(headOf(magic, int64(size)), make([]byte, atKey-atSum)...), enc...)
	sealed, err := sender.Seal(file[:atSum], plain)
	if err != nil {
		return nil, fmt.Errorf("seal bundle: %w", err)
	}
	file = append(file, sealed...)
	s := checksum(file)
	copy(file[atSum:], s[:])
	return file, nil
}

// Open gives what a file says to whoever has the identity key to. Whom it is from
// sender looks up by what the file says, and may refuse; only then is the
// signature checked.
func Open(file []byte, p identity.Purpose, to ed25519.PrivateKey, sender func(*Bundle) (ed25519.PublicKey, error)) (*Bundle, error) {
	if err := Check(file); err != nil {
		return nil, err
	}
	key, err := identity.Opener(to)
	if err != nil {
		return nil, err
	}
	r, err := hpke.NewRecipient(file[atKey:atSealed], key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(purposeOf))
	if err != nil {
		return nil, ErrOther
	}
	plain, err := r.Open(file[:atSum], file[atSealed:])
	if err != nil {
		return nil, ErrOther
	}
	return read(plain, p, sender)
}

// read takes apart what was encrypted. Whoever knows our key, which is no secret,
// may have written what he liked there.
func read(plain []byte, p identity.Purpose, sender func(*Bundle) (ed25519.PublicKey, error)) (*Bundle, error) {
	if len(plain) < 4 {
		return nil, ErrDamaged
	}
	n := binary.BigEndian.Uint32(plain)
	if plain = plain[4:]; n > maxNote || uint64(len(plain)) < uint64(n)+ed25519.SignatureSize {
		return nil, ErrDamaged
	}
	said, sig, rest := plain[:n], plain[n:n+ed25519.SignatureSize], plain[n+ed25519.SignatureSize:]
	b, told, err := readNote(said, decMode)
	if err != nil {
		return nil, err
	}
	packed := uint64(0)
	for _, s := range told.Parts {
		if packed += s.Packed; s.Packed > uint64(len(rest)) || packed > uint64(len(rest)) {
			return nil, ErrDamaged
		}
	}
	if packed < uint64(len(rest)) {
		return nil, ErrDamaged
	}
	for _, f := range b.Files {
		if f.Mode != Asked {
			return nil, ErrDamaged
		}
	}
	if _, err := withinSums(told.Parts); err != nil {
		return nil, err
	}
	from, err := sender(b)
	if err != nil {
		return nil, err
	}
	if !identity.Verify(from, p, said, sig) {
		return nil, ErrForged
	}
	if err := b.fill(rest, told); err != nil {
		return nil, err
	}
	return b, nil
}

// readNote reads a note, and gives what it says of the messages beside the rest.
func readNote(said []byte, mode cbor.DecMode) (*Bundle, *note, error) {
	told := new(note)
	if err := mode.Unmarshal(said, told); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	b := &Bundle{Device: told.Device, Server: told.Server, Serial: told.Serial, Made: told.Made, Fault: told.Fault, Smalls: told.Smalls}
	for i := range told.Files {
		f, ok := told.Files[i].file()
		if !ok {
			return nil, nil, fmt.Errorf("%w: what it says of a file", ErrDamaged)
		}
		b.Files = append(b.Files, f)
	}
	return b, told, nil
}

// fill gives b the messages, if they are those of which the note tells.
func (b *Bundle) fill(messages []byte, told *note) error {
	for _, s := range told.Parts {
		m := messages[:s.Packed]
		if sha256.Sum256(m) != s.Hash {
			return ErrForged
		}
		b.Parts, messages = append(b.Parts, Part{m, int(s.Size)}), messages[s.Packed:]
	}
	return nil
}
