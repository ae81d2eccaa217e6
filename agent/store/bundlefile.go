package store

import (
	"bytes"
	"context"

	"zhucun/shared/blob"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Bring adds a file to those that a bundle brings.
func (b *Bundle) Bring(v record.Village, h blob.Hash) {
	target := blob.Target(h)
	b.Files++
	for i := range b.Brings {
		if b.Brings[i].Village == v {
			b.Brings[i].Targets = append(b.Brings[i].Targets, target[:]...)
			return
		}
	}
	b.Brings = append(b.Brings, Brings{Village: v, Targets: target[:]})
}

// waitingOf adds how many of the files have no receipt. One that is not known here any
// more was erased, and waits for none.
func (t *tx) waitingOf(f Brings, n int) (int, error) {
	v, err := t.village(f.Village)
	if err != nil || v == nil || v.b.Bucket(bucketBlob) == nil {
		return n, err
	}
	c := v.b.Bucket(bucketBlob).Cursor()
	for target := f.Targets; len(target) >= len(record.ID{}); target = target[len(record.ID{}):] {
		k, raw := c.Seek(target[:len(record.ID{})])
		if !bytes.HasPrefix(k, target[:len(record.ID{})]) || len(raw) < blobHead {
			continue
		}
		if raw[0]&blobOwn != 0 && (raw[0]&blobDelivered == 0 || wire.Epoch(raw[1:blobHead]) != v.place.Epoch) {
			n++
		}
	}
	return n, nil
}

// TakeHeld notes what the server says in a reply that it has of a village's files, and
// gives how many of those that were taken here are delivered by that and were not before.
// What it said in another life of its data than the village's present one proves nothing:
// it may have lost them since. Nor does a reply of before a file was found missing there:
// serial is that of the bundle that it answers.
func (s *Store) TakeHeld(ctx context.Context, serial uint64, h wire.HeldFiles) (n int, err error) {
	d, err := s.Device()
	if err != nil {
		return 0, err
	}
	return n, s.update(ctx, true, func(t *tx) error {
		n = 0
		v, err := t.village(h.Village)
		if err != nil || v == nil || v.place.Epoch != h.Epoch {
			return err
		}
		for _, r := range h.Receipts {
			b, found, err := v.blob(r.Hash)
			if err != nil {
				return err
			}
			if !found || !b.Own || serial <= b.Since || !r.Proves(d.Server, b.Hash, uint64(b.Size)) {
				continue
			}
			backed := b.Backed || r.Received.Milli() <= h.Backed
			if b.Delivered && b.Backed == backed {
				continue
			}
			if !b.Delivered {
				n++
			}
			b.Delivered, b.Backed, b.Receipt, b.Upload = true, backed, r, ""
			if err := v.putBlob(&b); err != nil {
				return err
			}
		}
		for _, hash := range h.Smalls {
			b, found, err := v.blob(hash)
			if err != nil {
				return err
			}
			if found && b.Small && !b.SmallSent && serial > b.Since {
				b.SmallSent = true
				if err := v.putBlob(&b); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// SmallPicture is the small picture of a file that is not here, a JPEG.
type SmallPicture struct {
	Hash blob.Hash
	Kind string
	Body []byte
}

// KeepSmalls keeps small pictures that came with a village's records. Of what no record
// here shows nothing is kept.
func (s *Store) KeepSmalls(ctx context.Context, code record.Village, list []SmallPicture) (n int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	s.files.Lock()
	defer s.files.Unlock()
	shown := map[blob.Hash]bool{}
	if err := s.view(func(t *tx) error {
		v, err := t.village(code)
		if err != nil || v == nil {
			return err
		}
		for _, p := range list {
			b, _, err := v.blob(p.Hash)
			if err != nil {
				return err
			}
			shown[p.Hash] = !b.Small && v.displays(p.Hash)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for _, p := range list {
		if shown[p.Hash] {
			if _, err := s.sealFile(p.Hash, smallFile, bytes.NewReader(p.Body), nil); err != nil {
				return 0, err
			}
		}
	}
	return n, s.update(ctx, true, func(t *tx) error {
		n = 0
		v, err := t.village(code)
		if err != nil || v == nil {
			return err
		}
		for _, p := range list {
			if !shown[p.Hash] {
				continue
			}
			b, found, err := v.blob(p.Hash)
			if err != nil {
				return err
			}
			if !found {
				b = Blob{Village: code, Hash: p.Hash, BlobNote: BlobNote{Kind: p.Kind}}
			}
			if b.Small = true; b.Own {
				b.SmallSent = true // it came from there
			}
			if err := v.putBlob(&b); err != nil {
				return err
			}
			n++
		}
		return nil
	})
}

// displays tells whether a record of the village shows a file.
func (v *village) displays(h blob.Hash) bool {
	target := blob.Target(h)
	k, _ := v.b.Bucket(bucketRefers).Cursor().Seek(target[:])
	return bytes.HasPrefix(k, target[:])
}
