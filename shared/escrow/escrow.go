package escrow

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"

	"zhucun/shared/identity"
)

// KeySize is the size of the key of a laptop's data, in bytes.
const KeySize = 32

// Size is the size of what Seal gives, in bytes: HPKE's encapsulated key, the key
// of the data, and a tag.
const Size = 32 + KeySize + 16

const purpose = "zhucun escrow 1"

// ErrSealed says that what was handed in does not open: it is of another device,
// for another server, or not whole.
var ErrSealed = errors.New("what the laptop handed in cannot be opened")

// Seal seals the key of a device's data to the server, with HPKE in base mode
// (RFC 9180): X25519, HKDF-SHA256, ChaCha20-Poly1305.
func Seal(key []byte, device identity.Device, server ed25519.PublicKey) ([]byte, error) {
	to, err := identity.Receiver(server)
	if err != nil {
		return nil, err
	}
	enc, sender, err := hpke.NewSender(to, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(purpose))
	if err != nil {
		return nil, err
	}
	box, err := sender.Seal([]byte(device), key)
	return append(enc, box...), err
}

// Open gives the key that Seal took. The error is ErrSealed.
func Open(sealed []byte, device identity.Device, server ed25519.PrivateKey) ([]byte, error) {
	if len(sealed) != Size {
		return nil, ErrSealed
	}
	k, err := identity.Opener(server)
	if err != nil {
		return nil, err
	}
	r, err := hpke.NewRecipient(sealed[:32], k, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(purpose))
	if err != nil {
		return nil, ErrSealed
	}
	key, err := r.Open([]byte(device), sealed[32:])
	if err != nil || len(key) != KeySize {
		return nil, ErrSealed
	}
	return key, nil
}

const codePrefix = "ZR1"

var codeText = base32.StdEncoding.WithPadding(base32.NoPadding)

// Code gives a key as the office reads it out: ZR1 and base32 of the key and of
// four bytes of its hash, in groups of four.
func Code(key []byte) string {
	sum := sha256.Sum256(key)
	text := codeText.EncodeToString(append(key[:len(key):len(key)], sum[:4]...))
	groups := []string{codePrefix}
	for ; len(text) > 4; text = text[4:] {
		groups = append(groups, text[:4])
	}
	return strings.Join(append(groups, text), "-")
}

// ErrCode says that a text is no recovery code, or one that was misheard.
var ErrCode = errors.New("this is not a recovery code, or part of it is wrong")

// Parse reads what Code wrote; case, spaces and dashes do not matter.
func Parse(text string) ([]byte, error) {
	text = strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n-　－—", r) {
			return -1
		}
		return r
	}, text))
	rest, ok := strings.CutPrefix(text, codePrefix)
	b, err := codeText.DecodeString(rest)
	if !ok || err != nil || len(b) != KeySize+4 {
		return nil, ErrCode
	}
	if sum := sha256.Sum256(b[:KeySize]); string(b[KeySize:]) != string(sum[:4]) {
		return nil, ErrCode
	}
	return b[:KeySize], nil
}
