package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func addBlob(t *testing.T, s *Store, b []byte) Blob {
	t.Helper()
	x, err := s.AddBlob(ctx, code, BlobNote{Kind: "jpg", Name: canary + ".jpg"}, b, []byte("small"+canary))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func readBlob(s *Store, h blob.Hash, offset int64) ([]byte, error) {
	r, _, err := s.OpenBlob(h, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// A file is read as it was written, from any place on; whatever its length.
func TestBlobFile(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for _, n := range []int{0, 1, piece - 1, piece, piece + 1, 3 * piece, 3*piece + 77} {
		b := content(n)
		x := addBlob(t, s, b)
		if x.Hash != sha256.Sum256(b) || x.Size != int64(n) {
			t.Errorf("%d bytes: %+v", n, x)
		}
		for _, from := range []int{0, 1, n / 2, piece, n - 1, n} {
			if from < 0 || from > n {
				continue
			}
			r, size, err := s.OpenBlob(x.Hash, int64(from))
			if err != nil || size != int64(n) {
				t.Fatalf("%d bytes from %d: %d, %v", n, from, size, err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || !bytes.Equal(got, b[from:]) {
				t.Errorf("%d bytes from %d: %d came, %v", n, from, len(got), err)
			}
		}
	}
	if _, err := readBlob(s, blob.Hash{1}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not here: %v", err)
	}
}

// Nothing of it lies there plain; what was changed, cut, lengthened or put elsewhere is
// noticed.
func TestBlobSealed(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	b := append(bytes.Repeat([]byte(canary), 10000), content(2*piece)...)
	x := addBlob(t, s, b)
	path := s.blobPath(x.Hash, wholeFile)
	sealed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(s.Dir(), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(p)
		if bytes.Contains(raw, []byte(canary)) {
			t.Errorf("%s has it plain", filepath.Base(p))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	other := addBlob(t, s, content(len(b)))
	foreign, err := os.ReadFile(s.blobPath(other.Hash, wholeFile))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)/2] ^= 1
	swapped := bytes.Clone(sealed)
	copy(swapped[1:], sealed[1+pieceWhole:1+2*pieceWhole])
	for name, bad := range map[string][]byte{
		"a bit": flipped, "cut in the middle of a piece": sealed[:len(sealed)-9], "cut between pieces": sealed[:1+2*pieceWhole], "nothing": nil,
		"longer": append(bytes.Clone(sealed), foreign[1:1+pieceWhole]...), "another file": foreign, "pieces swapped": swapped,
	} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readBlob(s, x.Hash, 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// A file waits until the server's receipt for it is here, and no other word counts; in
// the server's next life it waits again.
func TestBlobDelivered(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	x := addBlob(t, s, content(1000))
	waiting := func() int {
		t.Helper()
		bring, _, err := s.Undelivered(10)
		if err != nil {
			t.Fatal(err)
		}
		return len(bring)
	}
	if waiting() != 1 {
		t.Fatal("it does not wait")
	}
	r := blob.Receipt{Hash: x.Hash, Size: uint64(x.Size), Received: clock.At0(t0)}
	for name, bad := range map[string]blob.Receipt{"unsigned": r, "of another size": {Hash: x.Hash, Size: 9}} {
		if name != "unsigned" {
			bad.Seal(serverKey)
		}
		if ok, err := s.DeliveredBlob(ctx, code, bad); ok || err != nil || waiting() != 1 {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	r.Seal(serverKey)
	if ok, err := s.DeliveredBlob(ctx, code, r); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if waiting() != 1 {
		t.Error("its small picture does not wait")
	}
	if err := s.Mark(ctx, code, x.Hash, func(b *Blob) { b.SmallSent = true }); err != nil || waiting() != 0 {
		t.Errorf("%d wait, %v", waiting(), err)
	}
	// Added once more, as when the office has lost it: the server is asked again.
	if again := addBlob(t, s, content(1000)); again.Delivered || waiting() != 1 {
		t.Errorf("taken once more: %+v", again)
	}
	if ok, err := s.DeliveredBlob(ctx, code, r); !ok || err != nil {
		t.Fatal(ok, err)
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{7}, Cursor: 1})
	if waiting() != 1 {
		t.Error("a restored server may lack it, and it does not wait")
	}
}

// What others took is asked for where a record shows it, and kept if it is what its name
// says.
func TestBlobWanted(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	b := content(5000)
	h := blob.Hash(sha256.Sum256(b))
	if err := s.Want(ctx, h, "jpg"); !errors.Is(err, ErrNotFound) {
		t.Errorf("one that no record shows: %v", err)
	}
	save(t, s, Edit{Type: "visit", Fields: map[string]record.Value{"photos": record.Set([]string{blob.Name(h, "jpg"), "typed.jpg"})}})
	if err := s.Want(ctx, h, "jpg"); err != nil {
		t.Fatal(err)
	}
	_, fetch, err := s.Undelivered(10)
	if err != nil || len(fetch) != 1 || fetch[0].Village != code {
		t.Fatalf("%+v, %v", fetch, err)
	}
	if err := s.PutBlob(ctx, code, h, bytes.NewReader(b[1:])); !errors.Is(err, ErrBlob) {
		t.Errorf("another: %v", err)
	}
	if err := s.PutBlob(ctx, code, h, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if x, err := s.Blob(h); err != nil || !x.Here || x.Own || x.Wanted || x.Size != int64(len(b)) {
		t.Errorf("%+v, %v", x, err)
	}
	if bring, fetch, err := s.Undelivered(10); len(bring)+len(fetch) != 0 || err != nil {
		t.Errorf("%v %v %v", bring, fetch, err)
	}
}

// settled waits until no file is to be removed any more.
func swept(t *testing.T, s *Store, h blob.Hash, want bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := os.Stat(s.blobPath(h, wholeFile))
		_, serr := os.Stat(s.blobPath(h, smallFile))
		if (err == nil) == want && (serr == nil) == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("here: %v and %v, want %v", err, serr, want)
		}
	}
}

// What an erased record alone showed goes from the disk; what another shows stays.
func TestBlobErased(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	alone, both := addBlob(t, s, content(1000)), addBlob(t, s, content(2000))
	set := func(names ...string) map[string]record.Value {
		return map[string]record.Value{"photos": record.Set(names)}
	}
	k := save(t, s, Edit{Type: "visit", Fields: set(alone.FileName(), both.FileName())}).Key
	save(t, s, Edit{Type: "visit", Fields: set(both.FileName())})
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	s.must(t, erasure(t, s, k))
	swept(t, s, alone.Hash, false)
	swept(t, s, both.Hash, true)
	if _, err := s.Blob(alone.Hash); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is known still: %v", err)
	}
}

// A file that lost its note, as after the store was made anew, is taken note of.
func TestBlobAdopted(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	b := append([]byte{0xff, 0xd8, 0xff, 0xe0}, content(3000)...)
	x := addBlob(t, s, b)
	if err := s.update(ctx, false, func(t *tx) error {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		return v.b.Bucket(bucketBlob).Delete(x.Hash[:])
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.sweepBlobs(); err != nil {
		t.Fatal(err)
	}
	got, err := s.Blob(x.Hash)
	if err != nil || !got.Own || !got.Here || !got.Small || got.Size != int64(len(b)) || got.Kind != "jpg" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A village is not let go while a file of it is not in a backup of the server's.
func TestBlobBeforeLeaving(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	x := addBlob(t, s, content(1000))
	if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Villages = nil }); err != nil {
		t.Fatal(err)
	}
	leave := func(want int) {
		t.Helper()
		if left, err := s.Leave(ctx); len(left) != want || err != nil {
			t.Errorf("left %v, %v", left, err)
		}
	}
	leave(0)
	if err := s.Mark(ctx, code, x.Hash, func(b *Blob) { b.Delivered, b.SmallSent = true, true }); err != nil {
		t.Fatal(err)
	}
	leave(0)
	if err := s.Mark(ctx, code, x.Hash, func(b *Blob) { b.Backed = true }); err != nil {
		t.Fatal(err)
	}
	leave(1)
	swept(t, s, x.Hash, false)
}

// A file that comes in parts, cut and taken up again, is put together; what is not what
// its name says leaves nothing.
func TestBlobInParts(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for _, n := range []int{10, Part, 2*Part + 500} {
		b := content(n)
		b[0] = byte(n)
		h := blob.Hash(sha256.Sum256(b))
		save(t, s, Edit{Type: "visit", Fields: map[string]record.Value{"photos": record.Set([]string{blob.Name(h, "jpg")})}})
		if err := s.Want(ctx, h, "jpg"); err != nil {
			t.Fatal(err)
		}
		come := func() (at int64) {
			for {
				var err error
				if at, err = s.Arrived(h); err != nil {
					t.Fatal(err)
				}
				if int64(n)-at < Part {
					return at
				}
				if err := s.Append(h, b[at:at+Part]); err != nil {
					t.Fatal(err)
				}
				// A cut in the middle of the next.
				if f, err := os.OpenFile(s.blobPath(h, partFile), os.O_APPEND|os.O_WRONLY, 0); err == nil {
					f.Write(make([]byte, 100))
					f.Close()
				}
			}
		}
		at := come()
		if err := s.Assemble(ctx, code, h, append(bytes.Clone(b[at:]), 'x')); !errors.Is(err, ErrBlob) {
			t.Errorf("%d bytes and one more: %v", n, err)
		}
		if at, err := s.Arrived(h); at != 0 || err != nil {
			t.Errorf("%d are left of it, %v", at, err)
		}
		at = come()
		if err := s.Assemble(ctx, code, h, b[at:]); err != nil {
			t.Fatal(err)
		}
		if got, err := readBlob(s, h, 0); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d of %d bytes, %v", len(got), n, err)
		}
	}
}
