package identity

import (
	"crypto/ed25519"
	"strings"
	"testing"
)

var key = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, 0123"))

func TestCode(t *testing.T) {
	c := Code{URL: "https://192.168.1.10:8440", Pin: PinOf(key.Public().(ed25519.PublicKey)), ID: [8]byte{1}, Secret: [16]byte{2}}
	s := c.String()
	// What happens to a code on its way: lower case, line breaks, spaces.
	for _, s := range []string{s, strings.ToLower(s), s[:30] + "\r\n  " + s[30:], s[:50] + "-" + s[50:]} {
		if got, err := ParseCode(s); err != nil || got != c {
			t.Errorf("ParseCode(%q) = %+v, %v", s, got, err)
		}
	}
	for i := range s {
		for _, bad := range []string{s[:i], s[:i] + "A" + s[i+1:]} {
			if got, err := ParseCode(bad); err == nil && got != c {
				t.Errorf("ParseCode(%q) = %+v, want an error", bad, got)
			}
		}
	}
}

func TestSignaturesHaveOnePurpose(t *testing.T) {
	sig := Sign(key, SegmentHead, []byte("m"))
	pub := key.Public().(ed25519.PublicKey)
	if !Verify(pub, SegmentHead, []byte("m"), sig) {
		t.Error("own signature refused")
	}
	if Verify(pub, ReceiptOf, []byte("m"), sig) || Verify(pub, SegmentHead, []byte("n"), sig) || Verify(nil, SegmentHead, []byte("m"), sig) {
		t.Error("a signature for something else accepted")
	}
}

func TestStreamOf(t *testing.T) {
	pub := key.Public().(ed25519.PublicKey)
	a := StreamOf(pub, "369999000001", Incarnation{1})
	if a == StreamOf(pub, "369999000002", Incarnation{1}) || a == StreamOf(pub, "369999000001", Incarnation{2}) {
		t.Error("two villages or incarnations share a stream")
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(Code{URL: "https://a:1"}.String())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCode(s)
		if err != nil {
			return
		}
		if d, err := ParseCode(c.String()); err != nil || d != c {
			t.Errorf("%q read as %+v, written and read as %+v, %v", s, c, d, err)
		}
	})
}
