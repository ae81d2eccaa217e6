package store

import (
	"context"
	"slices"
)

// SyncNote is what is kept of one sync, for whoever looks for what ails a laptop: numbers,
// times and a code, and nothing of what was synced.
type SyncNote struct {
	At     int64  `cbor:"0,keyasint"`           // when it began, ms since 1970, corrected
	Took   int64  `cbor:"1,keyasint"`           // ms
	Up     int64  `cbor:"2,keyasint,omitempty"` // bytes
	Down   int64  `cbor:"3,keyasint,omitempty"`
	Trips  int    `cbor:"4,keyasint,omitempty"`
	Pushed uint64 `cbor:"5,keyasint,omitempty"`
	Pulled uint64 `cbor:"6,keyasint,omitempty"`
	Files  int    `cbor:"7,keyasint,omitempty"`
	Code   string `cbor:"8,keyasint,omitempty"` // why it failed; empty where it did not
}

// maxSyncs is how many are kept.
const maxSyncs = 60

var (
	keySyncs = []byte("syncs")
	syncsAt  = slotOf("syncs")
)

// Syncs gives the last ones that were kept, the oldest first.
func (s *Store) Syncs() (list []SyncNote, err error) {
	err = s.view(func(t *tx) error {
		_, err := s.getSealed(t.Bucket(bucketMeta), syncsAt, keySyncs, &list)
		return err
	})
	return list, err
}

// NoteSync keeps one more.
func (s *Store) NoteSync(ctx context.Context, n SyncNote) error {
	return s.update(ctx, false, func(t *tx) error {
		var list []SyncNote
		if _, err := s.getSealed(t.Bucket(bucketMeta), syncsAt, keySyncs, &list); err != nil {
			return err
		}
		list = append(list, n)
		return s.putSealed(t.Bucket(bucketMeta), syncsAt, keySyncs, slices.Clone(list[max(0, len(list)-maxSyncs):]))
	})
}
