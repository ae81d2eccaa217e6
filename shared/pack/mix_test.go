package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Who changes the bones, or how anything is mixed, makes the messages of the releases
// before unreadable: the second hash is of what is mixed, and the same on every machine.
func TestMixedIsTheReleasedOne(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		b          []byte
	}{
		{"bones", "15d1bbe2f29eee6d75aace589e9c5068fe9d988131eea56da743bc4f87753079", bones},
		{"what is mixed", "cce941b484ce3aab8938d69452ff5c5b67d25ae7f61856567b8167b6f12983e1", AppendMixed(AppendMixed(nil, Shorten(nil, []byte(samples[2])), nil), bones[1000:3000], []byte("a past"))},
	} {
		if got := fmt.Sprintf("%x", sha256.Sum256(tt.b)); got != tt.want {
			t.Errorf("%s: the hash is %s, not %s", tt.name, got, tt.want)
		}
	}
}

func FuzzMixed(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s), []byte(s[:len(s)/2]))
		f.Add([]byte(s), []byte{})
	}
	f.Add(bytes.Repeat([]byte{0}, 1000), []byte{0, 0, 0, 0, 0})
	f.Add(bytes.Repeat([]byte{255}, 1000), []byte("x"))
	f.Fuzz(func(t *testing.T, b, past []byte) {
		b = b[:min(len(b), MaxMixed)]
		packed := AppendMixed([]byte("before"), b, past)
		got, err := OpenMixed(packed[len("before"):], past, len(b))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes come back as %d, %v", len(b), len(got), err)
		}
		// Of another past it is told apart.
		if got, err := OpenMixed(packed[len("before"):], append([]byte("another"), past...), len(b)); err == nil && !bytes.Equal(got, b) {
			t.Errorf("behind another past %d bytes come as %d others", len(b), len(got))
		}
	})
}

// Whatever is read is refused or comes to no more than the limit.
func FuzzOpenMixed(f *testing.F) {
	for _, s := range samples[:4] {
		f.Add(AppendMixed(nil, []byte(s), nil))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		const limit = 1 << 11
		if b, err := OpenMixed(packed, nil, limit); err == nil && len(b) > limit {
			t.Errorf("%d bytes, at most %d wanted", len(b), limit)
		}
	})
}

func TestMixedDamaged(t *testing.T) {
	b := []byte(strings.Repeat(samples[2], 3))
	packed := AppendMixed(nil, b, nil)
	if _, err := OpenMixed(packed, nil, len(b)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	for i := range packed {
		for _, damaged := range [][]byte{packed[:i], append(bytes.Clone(packed[:i]), append([]byte{packed[i] ^ 4}, packed[i+1:]...)...)} {
			if got, err := OpenMixed(damaged, nil, len(b)); err == nil && !bytes.Equal(got, b) {
				t.Errorf("damaged at %d: %d bytes and no error", i, len(got))
			}
		}
	}
	if _, err := OpenMixed(append(packed, 0, 0, 0, 0, 0), nil, len(b)); !errors.Is(err, ErrMixed) {
		t.Errorf("more than belongs to it: %v", err)
	}
	// It says much and brings nothing.
	if _, err := OpenMixed([]byte{0, 0, 0, 0x80, 0x80, 1}, nil, MaxMixed); !errors.Is(err, ErrMixed) {
		t.Errorf("%v, want ErrMixed", err)
	}
}

// What one message leaves behind in the models is nothing: the next is mixed as if it
// were the first, and on all processors at once.
func TestMixedLeavesNothing(t *testing.T) {
	b := Shorten(nil, []byte(samples[2]))
	want := AppendMixed(nil, b, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 5 {
				AppendMixed(nil, bones[100*i:100*i+900], bones[200*j:200*j+300])
				if got := AppendMixed(nil, b, nil); !bytes.Equal(got, want) {
					t.Errorf("%d, %d: mixed otherwise than the first time", i, j)
				}
			}
		})
	}
	all.Wait()
}
