package store

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
)

// A value comes back as it was or not at all, whatever bit of it the disk has
// turned, and never in another's place or under another key.
func TestSealedValue(t *testing.T) {
	open := func(first byte) *Store {
		key := make([]byte, KeySize)
		key[0] = first
		aead, err := sealer(key)
		if err != nil {
			t.Fatal(err)
		}
		return &Store{seal: aead, opt: Options{Rand: rand.Reader}}
	}
	s := open(0)
	at := slotOf("draft", []byte("a"), []byte("bc"))
	for _, plain := range [][]byte{{}, {7}, []byte(strings.Repeat("老刘今年种了六亩一季稻，屋顶漏雨，已经报了危房改造。", 4))} {
		raw, err := s.wrap(at, plain)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) > 1 && bytes.Contains(raw, plain[:6]) {
			t.Error("it lies there plain")
		}
		if got, err := s.unwrap(at, raw); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%q reads as %q, %v", plain, got, err)
		}
		if again, err := s.wrap(at, plain); err != nil || bytes.Equal(again, raw) {
			t.Error("the same value is sealed in the same way twice: whoever sees the file twice can tell that nothing changed")
		}
		for _, other := range []slot{slotOf("draft", []byte("ab"), []byte("c")), slotOf("log", []byte("a"), []byte("bc")), nil} {
			if _, err := s.unwrap(other, raw); err == nil {
				t.Errorf("it opens at %q too", other)
			}
		}
		if _, err := open(1).unwrap(at, raw); err == nil {
			t.Error("it opens under another key")
		}
		for i := range raw {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				if got, err := s.unwrap(at, raw); err == nil {
					t.Errorf("byte %d, bit %d: reads %q", i, bit, got)
				}
				raw[i] ^= 1 << bit
			}
			if got, err := s.unwrap(at, raw[:i]); err == nil {
				t.Errorf("%d bytes of it read %q", i, got)
			}
		}
	}
}
