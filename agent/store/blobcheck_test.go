package store

import (
	"os"
	"testing"

	"zhucun/shared/identity"
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
