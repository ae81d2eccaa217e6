package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"testing"

	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Every way in which a file can go wrong on the disk is noticed, and the original heals it.
func TestCheckBlobs(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	raw := content(2*piece + 77)
	x := addBlob(t, s, raw)
	path := s.blobPath(x.Hash, wholeFile)
	for name, harm := range map[string]func([]byte) []byte{
		"missing":          nil,
		"a bit":            func(b []byte) []byte { b[len(b)-3] ^= 1; return b },
		"cut to pieces":    func(b []byte) []byte { return b[:1+pieceWhole] },
		"empty":            func([]byte) []byte { return nil },
		"written over":     func(b []byte) []byte { return make([]byte, len(b)) },
		"a piece repeated": func(b []byte) []byte { copy(b[1+pieceWhole:], b[1:1+pieceWhole]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if harm == nil {
				err = os.Remove(path)
			} else {
				b, rerr := os.ReadFile(path)
				if rerr != nil {
					t.Fatal(rerr)
				}
				err = os.WriteFile(path, harm(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			faults, read, err := s.CheckBlobs(ctx, false)
			if err != nil || len(faults) != 1 || read != 0 || faults[0].Hash != x.Hash || faults[0].Missing != (harm == nil) {
				t.Fatalf("%+v, %d read, %v", faults, read, err)
			}
			if b, err := s.Blob(x.Hash); err != nil || b.Damaged != (harm != nil) {
				t.Errorf("known as damaged: %v, %v", b.Damaged, err)
			}
			addBlob(t, s, raw)
			if faults, read, err = s.CheckBlobs(ctx, true); err != nil || len(faults) != 0 || read != 1 {
				t.Errorf("healed: %+v, %d read, %v", faults, read, err)
			}
			if b, err := s.Blob(x.Hash); err != nil || b.Damaged || b.Delivered {
				t.Errorf("healed: %+v, %v", b, err)
			}
		})
	}
}

// What cannot be read keeps nothing from being brought that can: it stands last, however
// little is asked for.
func TestBrokenLast(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for i := range 4 {
		addBlob(t, s, content(100+i))
	}
	all, _, err := s.Undelivered(10)
	if err != nil || len(all) != 4 {
		t.Fatalf("%d, %v", len(all), err)
	}
	gone, damaged := all[0], all[1]
	if err := errors.Join(os.Remove(s.blobPath(gone.Hash, wholeFile)), os.WriteFile(s.blobPath(damaged.Hash, wholeFile), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if faults, _, err := s.CheckBlobs(ctx, true); err != nil || len(faults) != 2 {
		t.Fatalf("%+v, %v", faults, err)
	}
	for most, want := range [][]Blob{nil, all[2:3], all[2:4], {all[2], all[3], gone}, {all[2], all[3], gone, damaged}} {
		got, _, err := s.Undelivered(most)
		if err != nil || !slices.EqualFunc(got, want, func(a, b Blob) bool { return a.Hash == b.Hash }) {
			t.Errorf("of %d: %d, %v", most, len(got), err)
		}
	}
}

// What is known already is not written once more: each write brings a sync forward.
func TestFaultOnce(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	x := addBlob(t, s, content(100))
	for _, tells := range []bool{true, false} {
		changed := s.Changed()
		f, err := s.FaultOf(ctx, x, ErrDamaged)
		if err != nil || !f.Damaged {
			t.Fatalf("%+v, %v", f, err)
		}
		told := false
		select {
		case <-changed:
			told = true
		default:
		}
		if x = f.Blob; told != tells {
			t.Errorf("it was written: %v, want %v", told, tells)
		}
	}
}

// A file that comes anew is sound in every village that shows it.
func TestFetchHealsAll(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	const second = record.Village("369999000002")
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.Assigned.Villages = append(d.Assigned.Villages, wire.Village{Code: second, Name: "后来村"})
	}); err != nil {
		t.Fatal(err)
	}
	raw := content(100)
	x := addBlob(t, s, raw)
	if _, err := s.AddBlob(ctx, second, BlobNote{Kind: "jpg"}, raw, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.blobPath(x.Hash, wholeFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if faults, _, err := s.CheckBlobs(ctx, false); err != nil || len(faults) != 2 {
		t.Fatalf("%+v, %v", faults, err)
	}
	if err := s.PutBlob(ctx, second, x.Hash, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	if err := s.EachBlob(func(b Blob) bool {
		if b.Damaged {
			t.Errorf("in %s it is damaged still", b.Village)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

// A small picture that is damaged or gone is found, and told apart from its photo: the
// photo is well. What is asked about before a backup is only what is nowhere else.
func TestCheckPreviews(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	raw := content(300)
	own := addBlob(t, s, raw)
	// A colleague's, of which only the small picture has come.
	theirs := Blob{Village: code, Hash: blob.Hash(sha256.Sum256([]byte("theirs"))), BlobNote: BlobNote{Kind: "jpg"}}
	if err := s.update(ctx, true, func(tx *tx) error {
		v, err := tx.village(code)
		if err != nil {
			return err
		}
		return v.putBlob(&theirs)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutSmall(ctx, code, theirs.Hash, []byte("a small picture")); err != nil {
		t.Fatal(err)
	}
	if faults, read, err := s.CheckBlobs(ctx, false); err != nil || len(faults) != 0 || read != 1 {
		t.Fatalf("%+v, %d read, %v", faults, read, err)
	}
	for _, x := range []Blob{own, theirs} {
		for _, gone := range []bool{false, true} {
			path := s.blobPath(x.Hash, smallFile)
			sound, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if gone {
				err = os.Remove(path)
			} else {
				harmed := bytes.Clone(sound)
				harmed[len(harmed)-1] ^= 1
				err = os.WriteFile(path, harmed, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			faults, read, err := s.CheckBlobs(ctx, false)
			if err != nil || len(faults) != 1 || !faults[0].Preview || faults[0].Missing != gone || faults[0].Hash != x.Hash || read != 1 {
				t.Errorf("gone %v: %+v, %d read, %v", gone, faults, read, err)
			}
			if faults, _, err := s.CheckBlobs(ctx, true); err != nil || len(faults) != 0 {
				t.Errorf("before a backup: %+v, %v", faults, err)
			}
			if b, err := s.Blob(x.Hash); err != nil || b.Damaged {
				t.Errorf("the photo is called damaged: %v", err)
			}
			if err := os.WriteFile(path, sound, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
