package store

import (
	"bytes"
	"strings"
	"testing"
)

// A value that was packed comes back as it was or not at all, whatever bit of it
// the disk has turned. (The byte before it says how it lies there: what is taken
// for another kind cannot be read as a record or an entry.)
func TestFlippedValue(t *testing.T) {
	plain := []byte(strings.Repeat("老刘今年种了六亩一季稻，屋顶漏雨，已经报了危房改造。", 4))
	raw := wrap(nil, plain)
	if raw[0] != packed {
		t.Fatalf("kind %d", raw[0])
	}
	if got, err := unwrap(raw); err != nil || !bytes.Equal(got, plain) {
		t.Fatal(err)
	}
	for i := 1; i < len(raw); i++ {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if got, err := unwrap(raw); err == nil && !bytes.Equal(got, plain) {
				t.Errorf("byte %d, bit %d: reads %q", i, bit, got)
			}
			raw[i] ^= 1 << bit
		}
	}
}
