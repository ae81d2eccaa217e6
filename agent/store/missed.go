package store

import "context"

// keyMissed is when the server was last asked whether it has still what it had, ms since
// 1970, corrected.
var keyMissed = []byte("missed")

// Unbacked gives the files that were taken here and that the server has, by its receipts,
// but no backup of its own, as far as is known: should it lose one it is to come again
// from here. due tells that a day has passed since it was last asked.
func (s *Store) Unbacked() (list []Blob, due bool, err error) {
	err = s.view(func(t *tx) error {
		asked, err := t.today(keyMissed)
		if due = !asked && err == nil; !due {
			return err
		}
		for n, err := range t.blobNotes() {
			if err != nil {
				return err
			}
			if n.raw[0]&(blobOwn|blobDelivered|blobBacked) != blobOwn|blobDelivered {
				continue
			}
			b, err := n.v.openBlob(n.h, n.raw)
			if err != nil {
				return err
			}
			if b.Delivered { // in this life of the server's data
				list = append(list, b)
			}
		}
		return nil
	})
	return list, due, err
}

// AskedMissed notes that the server has answered that, for so many as it was asked for.
func (s *Store) AskedMissed(ctx context.Context) error { return s.asked(ctx, keyMissed) }
