package escrow

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/identity"
)

// What was sealed opens for that server and that device, and for nobody else,
// however it was changed.
func TestSealed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32)
		server := ed25519.NewKeyFromSeed(seed.Draw(t, "server"))
		key := seed.Draw(t, "key")
		device := identity.Device(rapid.StringN(1, 22, 22).Draw(t, "device"))
		sealed, err := Seal(key, device, server.Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open(sealed, device, server); err != nil || !bytes.Equal(got, key) {
			t.Fatalf("opened as %x, %v; sealed was %x", got, err, key)
		}
		if _, err := Open(sealed, device+"x", server); !errors.Is(err, ErrSealed) {
			t.Errorf("in another device's name: %v", err)
		}
		other := ed25519.NewKeyFromSeed(append(bytes.Clone(server.Seed()[1:]), server.Seed()[0]^1))
		if _, err := Open(sealed, device, other); !errors.Is(err, ErrSealed) {
			t.Errorf("by another server: %v", err)
		}
		i := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		sealed[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := Open(sealed, device, server); err == nil {
			t.Errorf("opened as %x with byte %d changed", got, i)
		}
		if _, err := Open(sealed[:i], device, server); !errors.Is(err, ErrSealed) {
			t.Errorf("%d bytes of it: %v", i, err)
		}
	})
}

// A code is read back however it was written down, and never as another key.
func TestCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "key")
		code := Code(key)
		for _, as := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", " "), strings.ReplaceAll(code, "-", ""), "\n" + code + "　"} {
			if got, err := Parse(as); err != nil || !bytes.Equal(got, key) {
				t.Fatalf("%q reads as %x, %v", as, got, err)
			}
		}
		letters := []byte(code)
		i := rapid.IntRange(len(codePrefix), len(letters)-1).Draw(t, "at")
		letters[i] = rapid.SampledFrom([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")).Draw(t, "letter")
		if got, err := Parse(string(letters)); err == nil && !bytes.Equal(got, key) {
			t.Errorf("%q reads as %x", letters, got)
		}
	})
	for _, bad := range []string{"", "ZR1", "ZC1-AAAA", Code(make([]byte, 31))} {
		if _, err := Parse(bad); !errors.Is(err, ErrCode) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
