package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Who changes the dictionary makes every message and record of the releases
// before unreadable. scripts/dictionary says when that is worth it.
func TestDictionaryIsTheReleasedOne(t *testing.T) {
	const want = "f92e8bf0cc55df8bd25bc1b986fc53185fc064c93e787576d36e28b82b56fc4d"
	if got := fmt.Sprintf("%x", sha256.Sum256(dictionary)); got != want {
		t.Errorf("the dictionary's hash is %s, not %s", got, want)
	}
}

var samples = []string{"", "abc", "老刘今年种了六亩，一季稻。", "\xff\xfe\xd2x", strings.Repeat("走访情况", 5000)}

// What every effort packs is read back, and by the one reader.
func FuzzAppend(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range []Effort{Fast, Fair} {
			packed := Append([]byte("before"), b, e)
			if got, err := Open(packed[len("before"):], len(b)); err != nil || !bytes.Equal(got, b) {
				t.Errorf("effort %d: %d bytes come back as %d, %v", e, len(b), len(got), err)
			}
		}
	})
}

// Whatever is read is refused or comes to no more than the limit.
func FuzzOpen(f *testing.F) {
	for _, s := range samples {
		f.Add(Append(nil, []byte(s), Fast))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		const limit = 1 << 16
		if b, err := Open(packed, limit); err == nil && len(b) > limit {
			t.Errorf("%d bytes, at most %d wanted", len(b), limit)
		}
	})
}

func TestLimit(t *testing.T) {
	b := []byte(samples[4])
	packed := Append(nil, b, Fast)
	if _, err := Open(packed, len(b)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	for i := range len(packed) - 1 {
		if got, err := Open(packed[:i], len(b)); err == nil && len(got) > 0 {
			t.Errorf("cut off at %d of %d: %d bytes and no error", i, len(packed), len(got))
		}
	}
}

// A frame tells before it is opened how much it holds; what does not, or tells
// of more than is wanted, is not begun, or soon given up.
func TestUnzip(t *testing.T) {
	const limit = 10_000
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDict(dictionary))
	if err != nil {
		t.Fatal(err)
	}
	var silent bytes.Buffer
	w, err := zstd.NewWriter(&silent)
	if err != nil {
		t.Fatal(err)
	}
	for range limit {
		if _, err := w.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		frame []byte
		size  int
		want  error
	}{
		{"nothing", nil, 0, nil},
		{"the limit", enc.EncodeAll(make([]byte, limit), nil), limit, nil},
		{"one more", enc.EncodeAll(make([]byte, limit+1), nil), limit, ErrTooLarge},
		{"two frames", append(enc.EncodeAll(make([]byte, limit), nil), enc.EncodeAll(make([]byte, 1), nil)...), limit, ErrTooLarge},
		{"little", enc.EncodeAll(make([]byte, 100), nil), unsaid, nil},
		{"does not say", silent.Bytes(), unsaid, ErrTooLarge},
	} {
		if size := Size(tt.frame, limit); size != tt.size {
			t.Errorf("%s: said to be %d bytes, want %d", tt.name, size, tt.size)
		}
		got, err := Unzip(tt.frame, limit)
		if !errors.Is(err, tt.want) || len(got) > limit || err == nil && len(got) > tt.size {
			t.Errorf("%s: %d bytes, %v; want %v", tt.name, len(got), err, tt.want)
		}
	}
}

func TestUnknownDictionary(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(Dictionary+1, dictionary))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(enc.EncodeAll([]byte(samples[4]), nil), Max); !errors.Is(err, ErrDictionary) {
		t.Errorf("%v, want ErrDictionary", err)
	}
}
