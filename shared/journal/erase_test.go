package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// canary begins what must not be left of a body that was erased.
const canary = "金丝雀"

// three is a sealed segment of three entries, the second with a canary.
func three() *Segment {
	inc := identity.Incarnation{7}
	s := &Segment{Stream: identity.StreamOf(public, string(village), inc), From: 1, Incarnation: inc, Seed: Seed{5, 6}, Changes: []record.Change{
		{Record: record.ID{1}, Type: "visit", Author: "王队员", Time: 1 << 40, Form: 1, Body: []record.Write{
			{Path: "findings", Value: `"一"`}, {Path: "location", Value: `[114.2,29.1]`}, {Path: "topics/road", Value: record.True}, {Path: "visit_date", Value: `"2017-05-23"`}}},
		{Record: record.ID{2}, Type: "visit", Author: "王队员", Time: 1<<40 + 9, Form: 1, Extra: []byte{0xA0}, Body: []record.Write{
			{Path: "findings", Value: record.Text(canary + "走访"), Observed: []record.Dot{{Stream: record.Stream{3}, Seq: 4}}}, {Path: canary, Value: record.True},
			{Path: "household", Value: record.Text(record.ID{0xC3, 0xA7, 0x5B}.String())}, {Path: "topics/" + canary, Value: record.True}}},
		{Record: record.ID{1}, Type: "visit", Author: "李书记", Time: 2 << 40, Form: 1, Body: []record.Write{{Path: "visit_date", Value: `"2017-06-01"`}}},
	}}
	for i := range s.Changes {
		record.SortBody(s.Changes[i].Body)
	}
	s.Seal(key, s.Hashes(Hash{})[2])
	return s
}

// What nothing was erased of is written as it always was, byte for byte.
func TestOrdinaryBytes(t *testing.T) {
	s := three()
	sum := sha256.Sum256(s.Encode())
	if got := hex.EncodeToString(sum[:]); got != "cc2a7f7cb13d154062d688a225f2ddad846c811acdc3f96a40fabb56ad5d6114" {
		t.Errorf("the bytes changed: %s", got)
	}
}

// Erased, a segment has the hashes and the signature that it had, and neither the
// content nor what it could be guessed with.
func TestErase(t *testing.T) {
	s := three()
	want := s.Hashes(Hash{})
	erased := s.Erase(func(i int) bool { return i == 1 })
	b := erased.Encode()
	for what, content := range map[string][]byte{"the content": []byte(canary), "the id it named": {0xC3, 0xA7, 0x5B}, "the seed": s.Seed[:], "its salt": saltOf(s, 1)} {
		if bytes.Contains(b, content) {
			t.Errorf("%s is still there", what)
		}
	}
	for i, wants := range []bool{true, false, true} {
		if salt := saltOf(s, i); bytes.Contains(b, salt) != wants {
			t.Errorf("the salt of entry %d is there: %v", i, !wants)
		}
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if hashes, err := got.Open(public, village, Head{}); err != nil || !slices.Equal(hashes, want) {
		t.Errorf("opened: %v", err)
	}
	if got.Erased(0) || !got.Erased(1) || got.Changes[1].Body != nil || !reflect.DeepEqual(got.Changes[0], s.Changes[0]) ||
		got.Changes[1].Author != "王队员" || got.Changes[1].Time != s.Changes[1].Time || !bytes.Equal(got.Changes[1].Extra, s.Changes[1].Extra) {
		t.Errorf("what is left is %+v", got.Changes)
	}
	if !bytes.Contains(s.Encode(), []byte(canary)) || s.Changes[1].Body == nil {
		t.Error("the segment itself was changed")
	}
	if s.Erase(func(int) bool { return false }) != s {
		t.Error("with nothing to erase it is another segment")
	}
}

func saltOf(s *Segment, i int) []byte {
	salt := s.Seed.salt(s.From + uint64(i))
	return salt[:]
}

// Erasing in steps, in any order, before or behind a cut, gives what erasing at
// once gives.
func TestEraseInSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, head := genSegment(t)
		want := s.Hashes(head.Hash)
		at := map[int]bool{}
		steps := s
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			i := rapid.IntRange(0, len(s.Changes)-1).Draw(t, "entry")
			at[i] = true
			steps = steps.Erase(func(j int) bool { return i == j })
		}
		once := s.Erase(func(i int) bool { return at[i] })
		if !bytes.Equal(steps.Encode(), once.Encode()) {
			t.Fatal("in steps it is another segment than at once")
		}
		got, err := Decode(once.Encode())
		if err != nil || !reflect.DeepEqual(got, once) {
			t.Fatalf("got %+v, %v; want %+v", got, err, once)
		}
		if hashes, err := got.Open(public, village, head); err != nil || !slices.Equal(hashes, want) {
			t.Fatalf("opened: %v", err)
		}
		k := rapid.Uint64Range(0, uint64(len(s.Changes)-1)).Draw(t, "cut")
		cut := s.After(head.Seq + k).Erase(func(i int) bool { return at[i+int(k)] })
		if !bytes.Equal(cut.Encode(), once.After(head.Seq+k).Encode()) && len(cut.Bodies) > 0 {
			t.Fatal("erased behind a cut it is another segment than cut after it")
		}
	})
}

// Each row is a segment with erased bodies that somebody has tampered with.
func TestErasedRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Segment)
		want   error
	}{
		{"as it is", func(*Segment) {}, nil},
		{"another hash", func(s *Segment) { s.Bodies[1].Hash[0]++ }, ErrForged},
		{"another salt", func(s *Segment) { s.Bodies[0].Salt[0]++ }, ErrForged},
		{"one more erased", func(s *Segment) { s.Changes[2].Body, s.Bodies[2] = nil, Body{Erased: true} }, ErrForged},
		{"a body after all", func(s *Segment) { s.Bodies[1].Erased = false; s.Changes[1].Body = three().Changes[0].Body }, ErrForged},
		{"an empty body", func(s *Segment) { s.Bodies[1].Erased = false }, ErrDamaged},
		{"too few bodies", func(s *Segment) { s.Bodies = s.Bodies[:2] }, ErrDamaged},
		{"a kept value changed", func(s *Segment) { s.Changes[2].Body[0].Value = `"x"` }, ErrForged},
	} {
		s := three().Erase(func(i int) bool { return i == 1 })
		tt.change(s)
		if _, err := s.Open(public, village, Head{}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// And such as no Encode writes.
	for name, change := range map[string]func(*encoded){
		"seed and salts":        func(e *encoded) { e.Seed = make([]byte, 16) },
		"half a seed":           func(e *encoded) { e.Seed = make([]byte, 8) },
		"no salts":              func(e *encoded) { e.Salts = nil },
		"one hash too many":     func(e *encoded) { e.Hashes = append(e.Hashes, e.Hashes...) },
		"beyond the end":        func(e *encoded) { e.Erased[0] = 3 },
		"far beyond the end":    func(e *encoded) { e.Erased[0] = 1<<32 - 1 },
		"an entry with content": func(e *encoded) { e.Erased[0] = 0 },
		"twice": func(e *encoded) {
			e.Erased, e.Hashes, e.Salts = []uint32{1, 1}, append(e.Hashes, e.Hashes...), e.Salts[:16]
		},
	} {
		b := three().Erase(func(i int) bool { return i == 1 }).Encode()
		var e encoded
		if err := decMode.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		change(&e)
		b, err := encMode.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
