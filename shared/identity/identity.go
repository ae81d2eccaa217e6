package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Device is a device's id: 22 characters of base64url, given by the server.
type Device string

// Incarnation tells apart the streams that one key writes to one village.
type Incarnation [16]byte

// StreamOf is the name of the stream that key writes to the village of that code
// in this incarnation.
func StreamOf(key ed25519.PublicKey, village string, inc Incarnation) [16]byte {
	h := sha256.New()
	h.Write([]byte("zhucun stream 1\x00"))
	h.Write(key)
	h.Write(inc[:])
	h.Write([]byte(village))
	return [16]byte(h.Sum(nil)[:16])
}

// Purpose is what a signature is for; it is part of what is signed.
type Purpose string

// The purposes of signatures.
const (
	SegmentHead Purpose = "zhucun segment 1"
	ReceiptOf   Purpose = "zhucun receipt 1"
	VerdictOf   Purpose = "zhucun verdict 1"
	BlobOf      Purpose = "zhucun blob 1"
	BundleOf    Purpose = "zhucun bundle 1" // a device's, for the server
	ReplyOf     Purpose = "zhucun reply 1"  // the server's, for a device
	WipeOf      Purpose = "zhucun wipe 1"   // the server's, over a device's id
	AuditHead   Purpose = "zhucun audit 1"  // the server's, over the end of its audit
)

// Sign signs message for the purpose.
func Sign(key ed25519.PrivateKey, p Purpose, message []byte) []byte {
	return ed25519.Sign(key, slices.Concat([]byte(p), []byte{0}, message))
}

// Verify checks what Sign made.
func Verify(key ed25519.PublicKey, p Purpose, message, sig []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, slices.Concat([]byte(p), []byte{0}, message), sig)
}

// Role is what a person or account may see and change.
type Role string

// The roles of the field.
const (
	TeamMember     Role = "team_member"
	FirstSecretary Role = "first_secretary"
	VillageClerk   Role = "village_clerk"
	TownshipOffice Role = "township_office"
	SponsorUnit    Role = "sponsor_unit"
	Inspector      Role = "inspector"
	Office         Role = "office"
	Leader         Role = "leader"
	Admin          Role = "admin"
)

// Roles lists every role; Field those that a laptop can be enrolled for.
var (
	Roles = []Role{TeamMember, FirstSecretary, VillageClerk, TownshipOffice, SponsorUnit, Inspector, Office, Leader, Admin}
	Field = []Role{TeamMember, FirstSecretary, VillageClerk, TownshipOffice, SponsorUnit, Inspector, Office}
)

// Pin is the hash of a server's identity key, Ed25519.
type Pin [32]byte

// PinOf is the pin of key.
func PinOf(key ed25519.PublicKey) Pin { return sha256.Sum256(key) }

// Code is what the office hands to a person to bring a laptop in. It works
// once and for a limited time.
type Code struct {
	_ struct{} `cbor:",toarray"`
	// URL is the server's address, scheme and host, without a path.
	URL string
	// Pin is the hash of the server's identity key.
	Pin Pin
	// ID finds the code at the server, Secret proves it.
	ID     [8]byte
	Secret [16]byte
}

const codePrefix = "ZC1-"

// Base32 without padding: a code survives being read over a telephone, mixed
// up in case and broken over lines.
var codeText = base32.StdEncoding.WithPadding(base32.NoPadding)

// String gives the code as it is handed over: ZC1- and base32 of the code
// followed by four bytes of its hash.
func (c Code) String() string {
	b, err := cbor.Marshal(c)
	if err != nil {
		panic(err) // a struct of strings and arrays
	}
	sum := sha256.Sum256(b)
	return codePrefix + codeText.EncodeToString(append(b, sum[:4]...))
}

// ErrCode says that a text is no enrolment code, or one that was copied
// wrongly.
var ErrCode = errors.New("this is not an enrolment code, or part of it is missing")

// ParseCode reads what String wrote; case, spaces, line breaks and the dashes
// that people add do not matter.
func ParseCode(s string) (Code, error) {
	s = strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' || r == '-' || r == '\u3000' {
			return -1
		}
		return r
	}, s))
	rest, ok := strings.CutPrefix(s, strings.TrimSuffix(codePrefix, "-"))
	b, err := codeText.DecodeString(rest)
	if !ok || err != nil || len(b) < 5 {
		return Code{}, ErrCode
	}
	b, check := b[:len(b)-4], b[len(b)-4:]
	if sum := sha256.Sum256(b); string(check) != string(sum[:4]) {
		return Code{}, ErrCode
	}
	var c Code
	if err := cbor.Unmarshal(b, &c); err != nil {
		return Code{}, ErrCode
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" {
		return Code{}, fmt.Errorf("%w: its address %q is none", ErrCode, c.URL)
	}
	return c, nil
}
