package store

import (
	"context"
	"database/sql"
	"errors"

	"zhucun/shared/blob"
	"zhucun/shared/clock"
	"zhucun/shared/record"
)

// An original is a photo as it came to a laptop, beside the small one that records show.
// No record names it: who brings it says of which photos it is one, and whoever may see
// such a photo may see it.

// maxOriginals is how many originals of one photo are listed. It has more than one where
// cameras or laptops wrote the same picture in several ways.
const maxOriginals = 8

// Originals gives the originals of a photo that are here.
func (s *Store) Originals(ctx context.Context, v record.Village, photo blob.Hash) (list []Blob, err error) {
	err = s.look(ctx, func(t *tx) error {
		return t.rows(func(r *sql.Rows) error {
			b, err := scanBlob(r)
			list = append(list, b)
			return err
		}, `SELECT `+blobColumns+` FROM blob WHERE village_id = $1 AND hash IN
			(SELECT hash FROM original WHERE village_id = $1 AND photo = $2) ORDER BY received, hash LIMIT $3`, v, photo[:], maxOriginals)
	})
	return list, err
}

// OriginalOf gives the photos that a file of a village is an original of.
func (s *Store) OriginalOf(ctx context.Context, v record.Village, h blob.Hash) (list []blob.Hash, err error) {
	err = s.look(ctx, func(t *tx) error {
		list, err = t.hashes(`SELECT photo FROM original WHERE village_id = $1 AND hash = $2 ORDER BY photo`, v, h[:])
		return err
	})
	return list, err
}

// TieOriginal notes of which photos a file is an original.
func (s *Store) TieOriginal(ctx context.Context, v record.Village, h blob.Hash, of []blob.Hash) error {
	if len(of) == 0 {
		return nil
	}
	err := s.change(ctx, func(t *tx) error { return t.tie(v, h, of) })
	if err == nil {
		err = s.followFile(ctx, v, h)
	}
	return err
}

func (t *tx) tie(v record.Village, h blob.Hash, of []blob.Hash) error {
	for _, photo := range of {
		if photo == h {
			continue
		}
		if err := t.exec(`INSERT INTO original(village_id, photo, hash) VALUES($1, $2, $3) ON CONFLICT DO NOTHING`, v, photo[:], h[:]); err != nil {
			return err
		}
	}
	return nil
}

// hashes reads a column of hashes.
func (t *tx) hashes(query string, args ...any) (list []blob.Hash, err error) {
	err = t.rows(func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		if len(raw) != len(blob.Hash{}) {
			return errors.New("a hash in the database has another length")
		}
		list = append(list, blob.Hash(raw))
		return nil
	}, query, args...)
	return list, err
}

// eraseOriginals takes the originals of an erased photo from the village, those that are
// of no other photo and that no record shows, and adds until when they had come.
func (b *batch) eraseOriginals(id record.ID, photo blob.Hash, gone map[blob.Hash]clock.Time) error {
	list, err := b.t.hashes(`SELECT hash FROM original WHERE village_id = $1 AND photo = $2`, b.village, photo[:])
	if err != nil {
		return err
	}
	if err := b.t.exec(`DELETE FROM original WHERE village_id = $1 AND photo = $2`, b.village, photo[:]); err != nil {
		return err
	}
	for _, h := range list {
		var others int
		if err := b.t.row(`SELECT count(*) FROM original WHERE village_id = $1 AND hash = $2`, b.village, h[:]).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			continue
		}
		if err := b.eraseFile(id, h, gone); err != nil {
			return err
		}
	}
	return nil
}
