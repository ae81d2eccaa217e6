package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// A message comes back from being split and mixed, behind another or none.
func TestMixed(t *testing.T) {
	ask := request(200)
	ask.Reads = ReadsMixed
	if _, err := EncodeSync(ask, Mixed); err != nil {
		t.Fatal(err)
	}
	for name, m := range messages() {
		raw, err := encMode.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, before := range [][]byte{nil, ask.raw} {
			packed, ok := appendMixed([]byte("x"), raw, before)
			if !ok {
				if len(raw) <= maxMixed {
					t.Errorf("%s, %d bytes: not mixed", name, len(raw))
				}
				continue
			}
			got, err := openMixed(packed[1:], before, len(raw))
			if err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s comes back as %d bytes of %d, %v", name, len(got), len(raw), err)
			}
			if _, err := openMixed(packed[1:], before, len(raw)-1); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: a byte less than it has: %v", name, err)
			}
			for i := 0; i < len(packed)-1; i += 1 + len(packed)/100 {
				if got, err := openMixed(packed[1:1+i], before, len(raw)); err == nil {
					t.Errorf("%s cut off at %d of %d: %d bytes and no error", name, i, len(packed), len(got))
				}
			}
		}
	}
}

// An answer is mixed for who reads that, and names what the server takes to who asked
// in the old way; the request that it was mixed behind opens it, and no other does.
func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		reads uint64
		how   Effort
		n     int
		mixed bool
		takes uint64
	}{
		{0, Thrifty, 200, false, 0},
		{ReadsColumns, Thrifty, 200, false, 0},
		{ReadsMixed, Thrifty, 200, true, TakesShort},
		{ReadsMixed, Mixed, 200, true, 0},
		{ReadsMixed + 1, Mixed, 200, true, 0},
		{ReadsMixed, Mixed, 3000, false, TakesShort}, // both are too long to be mixed
		{ReadsMixed, Thrifty, 3000, false, TakesShort},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			ask := request(tt.n)
			ask.Reads = tt.reads
			b, err := EncodeSync(ask, tt.how)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := UnmarshalSync(b, MaxUnpacked, nil)
			if err != nil {
				t.Fatal(err)
			}
			m := answer(tt.n)
			packed, err := Answer(got, m, false)
			if err != nil {
				t.Fatal(err)
			}
			if mixed := packed[len(magic)] == packMixed; mixed != tt.mixed || m.Takes != tt.takes {
				t.Errorf("mixed %v, it takes %d; want %v, %d", mixed, m.Takes, tt.mixed, tt.takes)
			}
			back := new(Synced)
			if err := DecodeAnswer(bytes.NewReader(packed), MaxAnswer, ask, back); err != nil || !reflect.DeepEqual(back, m) {
				t.Errorf("%+v comes back as %+v, %v", m, back, err)
			}
			other := request(tt.n)
			other.Reads, other.Pending = tt.reads, 77
			other.Villages[0].Streams[0].Stream[5]++
			if _, err := EncodeSync(other, tt.how); err != nil {
				t.Fatal(err)
			}
			if err := DecodeAnswer(bytes.NewReader(packed), MaxAnswer, other, new(Synced)); tt.mixed && !errors.Is(err, ErrMessage) {
				t.Errorf("read as the answer to another request: %v", err)
			}
		})
	}
}

// Whatever CBOR there is comes back; what is none of ours is not split.
func FuzzSplit(f *testing.F) {
	for _, m := range []any{request(20), answer(20), map[int]any{1: []byte("\xa1\x01\x02 and more"), 2: bytes.Repeat([]byte{0x81}, 40), 3: 1.5, 4: cbor.Tag{Number: 1, Content: 2}, 5: "\xff"}} {
		raw, err := cbor.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, []byte{})
		f.Add(raw, raw)
	}
	f.Fuzz(func(t *testing.T, raw, before []byte) {
		packed, ok := appendMixed(nil, raw, before)
		if !ok {
			return
		}
		if got, err := openMixed(packed, before, maxMixed); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%x comes back as %x, %v", raw, got, err)
		}
	})
}

// Whatever is put together is refused or comes to no more than the limit.
func FuzzJoin(f *testing.F) {
	for _, m := range []any{request(20), answer(20)} {
		raw, err := encMode.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		var s splitter
		s.split(raw, 0)
		f.Add(s.plain, s.noise)
	}
	f.Add(append([]byte{0x9A, 255, 255, 255, 255, 0x59, 4, 0}, bytes.Repeat([]byte{again, 0}, 500)...), make([]byte, 1024))
	f.Add(bytes.Repeat([]byte{nested}, 500), []byte{})
	f.Add(append([]byte{0x82, 0x50, parted, 255}, bytes.Repeat([]byte{again, 0}, 255)...), make([]byte, 16))
	f.Fuzz(func(t *testing.T, plain, noise []byte) {
		const limit = 4096
		s := splitter{plain: plain, noise: noise, ids: len(plain)%2 == 0}
		if got, err := s.join(nil, 0, limit); err == nil && len(got) > limit {
			t.Errorf("%d bytes, at most %d wanted", len(got), limit)
		}
	})
}
