package blob

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Hash is the SHA-256 of a file's content.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 64 hexadecimal digits, in lower case.
func ParseHash(s string) (h Hash, ok bool) {
	if len(s) != 2*len(h) || strings.ToLower(s) != s {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// Name is what a record calls a file: its hash, a dot and its kind.
func Name(h Hash, kind string) string { return h.String() + "." + kind }

// ParseName takes a name apart; ok is false for what is not one.
func ParseName(name string) (h Hash, kind string, ok bool) {
	digits, kind, dot := strings.Cut(name, ".")
	h, ok = ParseHash(digits)
	return h, kind, ok && dot && Kind("."+kind) == kind
}

// MaxKind bounds what kind a file is, in letters.
const MaxKind = 8

// Kind gives the kind of a file by its name's end: jpg, heic, pdf; "bin" where that
// is not up to MaxKind letters or digits.
func Kind(name string) string {
	i := strings.LastIndexByte(name, '.')
	kind := strings.ToLower(name[i+1:])
	if i < 0 || kind == "" || len(kind) > MaxKind || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "bin"
	}
	if kind == "jpeg" {
		return "jpg"
	}
	return kind
}

// MediaType is what a browser is told about a kind of file: of pictures that it can
// show, else that it is to be kept.
func MediaType(kind string) string {
	switch kind {
	case "jpg":
		return "image/jpeg"
	case "png", "gif", "webp":
		return "image/" + kind
	}
	return "application/octet-stream"
}

// Shown tells whether a browser shows a file of that kind as a picture.
func Shown(kind string) bool { return strings.HasPrefix(MediaType(kind), "image/") }

// Target is how a file is known where records are: the first 16 bytes of its hash.
func Target(h Hash) record.ID { return record.ID(h[:16]) }

// Receipt is the server's word that it has a file, whole and durably.
type Receipt struct {
	_        struct{} `cbor:",toarray"`
	Hash     Hash
	Size     uint64 // bytes
	Received clock.Time
	// Sig is the server's signature over all of the above.
	Sig []byte
}

// Seal signs the receipt.
func (r *Receipt) Seal(key ed25519.PrivateKey) {
	r.Sig = identity.Sign(key, identity.BlobOf, r.message())
}

// Proves tells whether the server of that key has that file.
func (r *Receipt) Proves(key ed25519.PublicKey, h Hash, size uint64) bool {
	return r.Hash == h && r.Size == size && identity.Verify(key, identity.BlobOf, r.message(), r.Sig)
}

func (r *Receipt) message() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(append([]byte(nil), r.Hash[:]...), r.Size), uint64(r.Received))
}

// Header gives the receipt as a line of HTTP; ReadHeader reads it.
func (r *Receipt) Header() string {
	b := binary.AppendUvarint(binary.AppendUvarint(append([]byte(nil), r.Sig...), r.Size), uint64(r.Received))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ReadHeader reads what Header gave, for the file of that hash. What is none proves
// nothing.
func ReadHeader(h Hash, s string) (r Receipt) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < ed25519.SignatureSize {
		return r
	}
	sig, b := b[:ed25519.SignatureSize], b[ed25519.SignatureSize:]
	size, n := binary.Uvarint(b)
	if n <= 0 {
		return r
	}
	at, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) {
		return r
	}
	return Receipt{Hash: h, Size: size, Received: clock.Time(at), Sig: sig}
}
