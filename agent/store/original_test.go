package store

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

func addOriginal(t *testing.T, s *Store, b []byte, of ...blob.Hash) Blob {
	t.Helper()
	x, err := s.AddBlob(ctx, code, BlobNote{Kind: "jpg", Name: canary + ".jpg", Of: of}, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// An original goes behind every photo, whichever came first, and what is delivered is
// told without it; a village is not let go before it is safe.
func TestOriginal(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	first := addBlob(t, s, content(1000))
	original := addOriginal(t, s, content(9000), first.Hash)
	second := addBlob(t, s, content(2000))
	if again := addOriginal(t, s, content(9000), first.Hash); !again.Original || len(again.Of) != 1 {
		t.Errorf("the same once more: %+v", again)
	}
	save(t, s, Edit{Type: "visit", Fields: map[string]record.Value{"photos": record.Set([]string{first.FileName(), second.FileName()})}})
	bring, _, err := s.Undelivered(10)
	if err != nil || len(bring) != 3 || bring[0].Original || bring[1].Original || !bring[2].Original {
		t.Errorf("brought in this order: %+v, %v", bring, err)
	}
	if bring, _, err := s.Undelivered(2); err != nil || len(bring) != 2 || bring[1].Original {
		t.Errorf("of two: %+v, %v", bring, err)
	}
	for _, b := range []Blob{first, second} {
		if err := s.Mark(ctx, code, b.Hash, func(b *Blob) { b.Delivered, b.SmallSent, b.Backed = true, true, true }); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s.Status()
	if err != nil || st.Blobs != 0 || st.BlobBytes != 0 || st.Originals != (Amount{1, 9000}) {
		t.Errorf("%+v, %v", st, err)
	}
	if waiting, err := s.WaitingBlobs(); err != nil || len(waiting) != 0 {
		t.Errorf("records wait for %v, %v", waiting, err)
	}
	if here, waiting, err := s.Originals(); err != nil || here != (Amount{1, 9000}) || waiting != here {
		t.Errorf("%+v here, %+v waiting, %v", here, waiting, err)
	}
	if loose, err := s.Loose(); err != nil || len(loose) != 0 {
		t.Errorf("offered to the forms: %+v, %v", loose, err)
	}
	if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Villages = nil }); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Leave(ctx); len(left) != 0 || err != nil {
		t.Errorf("left %v with an original that is not in a backup, %v", left, err)
	}
	if err := s.Mark(ctx, code, original.Hash, func(b *Blob) { b.Delivered, b.Backed = true, true }); err != nil {
		t.Fatal(err)
	}
	if here, waiting, err := s.Originals(); err != nil || here != (Amount{1, 9000}) || waiting != (Amount{}) {
		t.Errorf("%+v here, %+v waiting, %v", here, waiting, err)
	}
}

// An original goes with the last of its photos that is erased; a file that a record shows
// stays, also where it is the original of one.
func TestOriginalErased(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	small, smaller := addBlob(t, s, content(1000)), addBlob(t, s, content(900))
	both := addOriginal(t, s, content(9000), small.Hash)
	if b := addOriginal(t, s, content(9000), smaller.Hash); len(b.Of) != 2 {
		t.Fatalf("of both: %+v", b)
	}
	shown := addBlob(t, s, content(5000))
	if b := addOriginal(t, s, content(5000), small.Hash); b.Original {
		t.Fatalf("what records show has become an original: %+v", b)
	}
	set := func(names ...string) map[string]record.Value {
		return map[string]record.Value{"photos": record.Set(names)}
	}
	one := save(t, s, Edit{Type: "visit", Fields: set(small.FileName())}).Key
	other := save(t, s, Edit{Type: "visit", Fields: set(smaller.FileName())}).Key
	save(t, s, Edit{Type: "visit", Fields: set(shown.FileName())})
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	s.must(t, erasure(t, s, one))
	swept(t, s, small.Hash, false)
	if b, err := s.Blob(both.Hash); err != nil || !b.Here || len(b.Of) != 1 {
		t.Errorf("while one is left: %+v, %v", b, err)
	}
	s.must(t, erasureAt(t, s, other, 2))
	swept(t, s, smaller.Hash, false)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(s.blobPath(both.Hash, wholeFile)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("with the last of its photos it is on disk still")
		}
	}
	if _, err := s.Blob(both.Hash); !errors.Is(err, ErrNotFound) {
		t.Errorf("with the last: %v", err)
	}
	if b, err := s.Blob(shown.Hash); err != nil || !b.Here {
		t.Errorf("what a record shows: %+v, %v", b, err)
	}
}
