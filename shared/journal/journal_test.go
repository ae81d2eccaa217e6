package journal

import (
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

const village = record.Village("369999000001")

var (
	key    = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, 0123"))
	public = key.Public().(ed25519.PublicKey)
)

func genID(t *rapid.T) record.ID {
	return record.ID{0: byte(rapid.IntRange(0, 9).Draw(t, "id")), 15: 1}
}

func genChange(t *rapid.T) record.Change {
	c := record.Change{
		Record: genID(t),
		Type:   rapid.SampledFrom([]record.Type{"household", "visit"}).Draw(t, "type"),
		Time:   rapid.Uint64Range(0, 1<<63).Draw(t, "time"),
		Author: rapid.SampledFrom([]string{"王队员", "李书记", ""}).Draw(t, "author"),
		Form:   rapid.Uint64Range(0, 3).Draw(t, "form"),
	}
	if rapid.IntRange(0, 9).Draw(t, "extra") == 0 {
		c.Extra = []byte{1, 2, 3}
	}
	paths := rapid.SliceOfNDistinct(rapid.SampledFrom([]record.Path{
		"phone", "topics/road", "topics/water", "topics/", "topics0", "topics", "_life", "needs~", "household", "/",
		"visitors/00000000-0000-0000-0000-000000000001", "visitors/01000000-0000-0000-0000-000000000001", "visitors/09000000-0000-0000-0000-000000000001~",
	}), 1, 6, rapid.ID).Draw(t, "paths")
	for _, p := range paths {
		w := record.Write{Path: p, Value: rapid.OneOf(
			rapid.Map(rapid.String(), record.Text),
			rapid.Map(rapid.Custom(genID), func(id record.ID) record.Value { return record.Text(id.String()) }),
			rapid.SampledFrom([]record.Value{
				record.Null, record.True, record.False, `12.5`, `["a","b"]`, `[114.2,29.1]`, `[-0.000001,180]`, `"2017-05-23"`, `"1969-12-31"`,
			}),
		).Draw(t, "value")}
		for range rapid.IntRange(0, 2).Draw(t, "observed") {
			w.Observed = append(w.Observed, record.Dot{Stream: record.Stream{byte(rapid.IntRange(0, 3).Draw(t, "s"))}, Seq: rapid.Uint64Range(1, 99).Draw(t, "n")})
		}
		c.Body = append(c.Body, w)
	}
	record.SortBody(c.Body)
	return c
}

// genSegment draws a sealed segment and the head that it continues.
func genSegment(t *rapid.T) (*Segment, Head) {
	inc := identity.Incarnation{7}
	s := &Segment{
		Stream: identity.StreamOf(public, string(village), inc), Incarnation: inc, Seed: Seed{byte(rapid.IntRange(0, 255).Draw(t, "seed"))},
		Changes: rapid.SliceOfN(rapid.Custom(genChange), 1, 8).Draw(t, "changes"),
	}
	var head Head
	if rapid.Bool().Draw(t, "later") {
		head = Head{Seq: rapid.Uint64Range(1, 1000).Draw(t, "seq"), Hash: Hash{9}}
	}
	s.From = head.Seq + 1
	hashes := s.Hashes(head.Hash)
	s.Seal(key, hashes[len(hashes)-1])
	if rapid.Bool().Draw(t, "some erased") {
		s = s.Erase(func(int) bool { return rapid.Bool().Draw(t, "erased") })
	}
	return s, head
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, head := genSegment(t)
		got, err := Decode(s.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("got %+v\nwant %+v", got, s)
		}
		want := s.Hashes(head.Hash)
		if hashes, err := got.Open(public, village, head); err != nil || !slices.Equal(hashes, want) {
			t.Fatalf("Open: %v, hashes %v, want %v", err, hashes, want)
		}
	})
}

// Each value comes back as it was, canonical or not, whatever form it was
// packed in and whatever stood before it.
func TestValues(t *testing.T) {
	values := []record.Value{
		record.Null, record.True, record.False, `12.5`, `-3`, `["a","b"]`, `[]`, `""`, `{}`, `"a\nb"`, `"\u4e00"`, "", "x", "\xff", `"`,
		`[114.2,29.1]`, `[114.212892,29.123456]`, `[-0.000001,0]`, `[-0,0]`, `[180,-90]`, `[999.999999,-999.999999]`, `[1001,0]`, `[114.2128921,29]`,
		`[114.20,29]`, `[1,2,3]`, `[1]`, `[114.2]`, `[1e2,2]`, `,`, `[,]`, `[1,]`, `[,1]`, `,]`, `[1,2`, `[nan,1]`, `[inf,1]`, `[0x1,1]`,
		`"2017-05-23"`, `"1969-12-31"`, `"0000-01-01"`, `"9999-12-31"`, `"2016-02-29"`, `"2017-02-29"`, `"2017-5-23"`, `"12017-05-23"`, `"2017-05-2x"`,
		`"00000000-0000-0000-0000-000000000001"`, `"00000000-0000-0000-0000-00000000000A"`, `"0000000000000000000000000000000001"`,
	}
	rapid.Check(t, func(t *rapid.T) {
		s := &Segment{From: 1, Sig: []byte{1}}
		for _, v := range rapid.Permutation(values).Draw(t, "values") {
			s.Changes = append(s.Changes, record.Change{Record: record.ID{1}, Body: []record.Write{{Path: "x", Value: v}}})
		}
		got, err := Decode(s.Encode())
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range got.Changes {
			if want := s.Changes[i].Body[0].Value; c.Body[0].Value != want {
				t.Fatalf("%q comes back as %q", want, c.Body[0].Value)
			}
		}
	})
}

// A project lists every household that it serves; a save of thousands of
// elements must not make a segment that nobody can read.
func TestManyElements(t *testing.T) {
	c := record.Change{Record: record.ID{1}, Type: "project", Author: "王", Time: 1}
	for i := range 5000 {
		c.Body = append(c.Body, record.Write{Path: record.Path("beneficiaries").Element(record.ID{1: byte(i >> 8), 2: byte(i), 15: 1}.String()), Value: record.True})
	}
	record.SortBody(c.Body)
	s := &Segment{From: 1, Changes: []record.Change{c, c}, Sig: []byte{1}}
	b := s.Encode()
	got, err := Decode(b)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Fatalf("5000 elements are not read back: %v", err)
	}
	if len(b) > 2*5000*21 {
		t.Errorf("an element takes %d bytes", len(b)/10_000)
	}
}

// Cut at any entry and signed anew, a segment keeps its hashes, and the rest
// behind an entry is still good under the first signature.
func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, head := genSegment(t)
		hashes := s.Hashes(head.Hash)
		k := rapid.IntRange(1, len(s.Changes)).Draw(t, "cut")
		first := *s
		first.Changes = s.Changes[:k]
		if len(s.Bodies) > 0 {
			first.Bodies = s.Bodies[:k]
		}
		first.Seal(key, hashes[k-1])
		if _, err := first.Open(public, village, head); err != nil {
			t.Fatal(err)
		}
		rest := s.After(head.Seq + uint64(k))
		if k == len(s.Changes) {
			if len(rest.Changes) != 0 {
				t.Fatal("a rest behind the last entry")
			}
			return
		}
		if rest, err := Decode(rest.Encode()); err != nil || !reflect.DeepEqual(rest.Bodies, s.Bodies[min(k, len(s.Bodies)):]) && len(s.Bodies) > 0 {
			t.Fatalf("the rest as it is read: %v, %v", rest, err)
		}
		if got, err := rest.Open(public, village, Head{Seq: head.Seq + uint64(k), Hash: hashes[k-1]}); err != nil || got[len(got)-1] != hashes[len(hashes)-1] {
			t.Fatalf("the rest: %v", err)
		}
	})
}

// Every flipped byte of a segment is noticed: refused, or read as the same
// entries (a byte that means nothing).
func TestEveryFlippedByteIsNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, head := genSegment(t)
		b, want := s.Encode(), s.Hashes(head.Hash)
		i := rapid.IntRange(0, len(b)-1).Draw(t, "byte")
		b[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		got, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if hashes, err := got.Open(public, village, head); err == nil && !slices.Equal(hashes, want) {
			t.Fatalf("byte %d flipped unnoticed: %+v", i, got)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	other := ed25519.NewKeyFromSeed([]byte("another seed of thirty-two bytes"))
	inc := identity.Incarnation{7}
	make := func() *Segment {
		s := &Segment{Stream: identity.StreamOf(public, string(village), inc), From: 1, Incarnation: inc, Changes: []record.Change{
			{Record: record.ID{1}, Type: "visit", Body: []record.Write{{Path: "findings", Value: `"a"`}}},
			{Record: record.ID{1}, Type: "visit", Body: []record.Write{{Path: "findings", Value: `"b"`}}},
		}}
		s.Seal(key, s.Hashes(Hash{})[1])
		return s
	}
	tests := []struct {
		name    string
		key     ed25519.PublicKey
		village record.Village
		head    Head
		change  func(*Segment)
		want    error
	}{
		{"as it is", public, village, Head{}, func(*Segment) {}, nil},
		{"another key", other.Public().(ed25519.PublicKey), village, Head{}, func(*Segment) {}, ErrForged},
		{"another village", public, "369999000002", Head{}, func(*Segment) {}, ErrForged},
		{"a gap", public, village, Head{Seq: 1}, func(s *Segment) { s.From = 3 }, ErrGap},
		{"taken before", public, village, Head{Seq: 2}, func(*Segment) {}, ErrGap},
		{"another past", public, village, Head{Hash: Hash{1}}, func(*Segment) {}, ErrForged},
		{"another author", public, village, Head{}, func(s *Segment) { s.Changes[0].Author = "x" }, ErrForged},
		{"a value changed", public, village, Head{}, func(s *Segment) { s.Changes[1].Body[0].Value = `"c"` }, ErrForged},
		{"an entry cut off", public, village, Head{}, func(s *Segment) { s.Changes = s.Changes[:1] }, ErrForged},
		{"empty", public, village, Head{}, func(s *Segment) { s.Changes = nil }, ErrDamaged},
		{"value not canonical", public, village, Head{}, func(s *Segment) { s.Changes[1].Body[0].Value = `1.0` }, ErrDamaged},
		{"signed by another", public, village, Head{}, func(s *Segment) { s.Seal(other, s.Hashes(Hash{})[1]) }, ErrForged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := make()
			tt.change(s)
			if _, err := s.Open(tt.key, tt.village, tt.head); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReceipt(t *testing.T) {
	r := Receipt{Stream: record.Stream{1}, From: 1, Seq: 3, Received: clock.At0(5000), Runs: []clock.Run{{Correction: 7}}, Quarantined: []Quarantined{{Seq: 2, Reason: "role"}}}
	r.Seal(key, Hash{1})
	if !r.Proves(public, Hash{1}) {
		t.Error("own receipt refused")
	}
	forge := []func(*Receipt){
		func(r *Receipt) { r.Seq = 4 }, func(r *Receipt) { r.From = 2 }, func(r *Receipt) { r.Stream[0] = 2 },
		func(r *Receipt) { r.Received++ }, func(r *Receipt) { r.Floor++ }, func(r *Receipt) { r.Runs = nil }, func(r *Receipt) { r.Quarantined = nil },
	}
	for i, f := range forge {
		g := r
		f(&g)
		if g.Proves(public, Hash{1}) {
			t.Errorf("forgery %d accepted", i)
		}
	}
	if r.Proves(public, Hash{2}) {
		t.Error("a receipt for another history accepted")
	}
}

func FuzzDecode(f *testing.F) {
	s := &Segment{From: 1, Changes: []record.Change{
		{Record: record.ID{1}, Type: "visit", Author: "王", Time: 1 << 40, Body: []record.Write{{Path: "findings", Value: `"a"`, Observed: []record.Dot{{Seq: 1}}}}},
		{Record: record.ID{2}, Type: "visit", Extra: []byte{1}, Body: []record.Write{
			{Path: "household", Value: record.Text(record.ID{1}.String())}, {Path: "location", Value: `[114.2,29.1]`}, {Path: "photos/a.jpg", Value: record.True},
			{Path: "photos/b.jpg", Value: record.False}, {Path: "visit_date", Value: `"2017-05-23"`},
		}},
	}, Sig: []byte{1}}
	f.Add(s.Encode())
	f.Add(s.Erase(func(i int) bool { return i == 0 }).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(s.Encode())
		if err == nil && !reflect.DeepEqual(again.Bodies, s.Bodies) {
			t.Errorf("the bodies %v come back as %v", s.Bodies, again.Bodies)
		}
		if err != nil || !slices.Equal(again.Hashes(Hash{}), s.Hashes(Hash{})) {
			t.Errorf("read, written and read again it differs: %v", err)
		}
	})
}
