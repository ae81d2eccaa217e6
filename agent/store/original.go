package store

import (
	"slices"

	"zhucun/shared/blob"
)

// An original is a photo as it came, kept where the office wants that beside the small
// one that records show. No record names it: its note says which photos it is of. It is
// brought behind everything else, and what is delivered is told without it.

// Amount is how many files, and what they come to in bytes.
type Amount struct {
	Files int
	Bytes int64
}

func (a *Amount) add(bytes int64) { a.Files, a.Bytes = a.Files+1, a.Bytes+bytes }

// Originals gives what the originals on this laptop come to, and those of them that are
// still to be brought to the server.
func (s *Store) Originals() (here, waiting Amount, err error) {
	seen := map[blob.Hash]bool{}
	err = s.EachBlob(func(b Blob) bool {
		if !b.Original || !b.Own {
			return true
		}
		if b.Here && !seen[b.Hash] { // of two villages it lies here once
			seen[b.Hash] = true
			here.add(b.Size)
		}
		if !b.Delivered {
			waiting.add(b.Size)
		}
		return true
	})
	return here, waiting, err
}

func withAll(list, more []blob.Hash) []blob.Hash {
	for _, h := range more {
		if !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	return list
}

// originals gives the originals of a photo in the village.
func (v *village) originals(of blob.Hash) (list []Blob, err error) {
	bucket := v.b.Bucket(bucketBlob)
	if bucket == nil {
		return nil, nil
	}
	return list, bucket.ForEach(func(k, raw []byte) error {
		if len(k) != len(of) || len(raw) == 0 || raw[0]&blobOriginal == 0 {
			return nil
		}
		b, err := v.openBlob(blob.Hash(k), raw)
		if err == nil && slices.Contains(b.Of, of) {
			list = append(list, b)
		}
		return err
	})
}

// dropOriginals forgets the originals of a photo that goes. One that another photo was
// made from too stays for that.
func (v *village) dropOriginals(of blob.Hash) error {
	list, err := v.originals(of)
	if err != nil {
		return err
	}
	for _, b := range list {
		b.Of = slices.DeleteFunc(b.Of, func(h blob.Hash) bool { return h == of })
		if len(b.Of) > 0 {
			err = v.putBlob(&b)
		} else {
			err = v.dropBlob(b.Hash)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shareOriginals takes the originals of a photo that is taken into this village from
// another with it.
func (v *village) shareOriginals(from *village, of blob.Hash) error {
	list, err := from.originals(of)
	if err != nil {
		return err
	}
	for _, b := range list {
		if _, found, err := v.blob(b.Hash); err != nil {
			return err
		} else if found {
			continue
		}
		if err := v.putBlob(b.anew()); err != nil {
			return err
		}
	}
	return nil
}
