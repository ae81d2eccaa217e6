package blocksort

import (
	"bytes"
	"compress/bzip2"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func unpack(t testing.TB, packed []byte) []byte {
	t.Helper()
	b, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each row is a content that some part of the format treats in its own way.
func TestAppend(t *testing.T) {
	noise := make([]byte, 100_000)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(noise)
	few := bytes.Clone(noise)
	for i := range few {
		few[i] &= 3
	}
	deep := []byte{} // weights of Fibonacci make the deepest code
	for x, n, m := byte('A'), 1, 1; n < 30_000; x, n, m = x+1, m, n+m {
		for range n {
			deep = append(deep, x, noise[len(deep)%1000]&1)
		}
	}
	tests := []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"one byte", []byte{7}},
		{"two", []byte{0, 255}},
		{"run of three", []byte("aaa")},
		{"run of four", []byte("aaaa")},
		{"longest run", bytes.Repeat([]byte("a"), 255)},
		{"run of 256", bytes.Repeat([]byte("a"), 256)},
		{"zeros", make([]byte, 300_000)},
		{"period of two", bytes.Repeat([]byte("ab"), 50_000)},
		{"period of three", bytes.Repeat([]byte("abc"), 30_001)},
		{"every byte", func() (b []byte) {
			for i := range 256 {
				b = append(b, byte(i))
			}
			return b
		}()},
		{"noise", noise},
		{"two blocks", bytes.Repeat(few, 10)[:950_000]},
		{"four letters", few},
		{"deep code", deep},
		{"text", []byte(strings.Repeat("老刘今年种了六亩一季稻，前阵子连着下雨。", 500))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packed := Append([]byte("before"), tt.in)
			if !bytes.HasPrefix(packed, []byte("before")) {
				t.Fatal("what was there is gone")
			}
			if got := unpack(t, packed[6:]); !bytes.Equal(got, tt.in) {
				t.Errorf("%d bytes come back as %d others", len(tt.in), len(got))
			}
		})
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte("aaaaabbbbbcab"))
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := unpack(t, Append(nil, b)); !bytes.Equal(got, b) {
			t.Errorf("%x comes back as %x", b, got)
		}
	})
}
