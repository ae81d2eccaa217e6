package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"zhucun/shared/record"
)

// What a laptop no longer has a right to goes from it, and not before all that was
// written there is safe elsewhere: acknowledged, and in a backup of the server's.

// draftLife is how long a draft keeps a village that the laptop no longer has, since
// somebody last typed in it, in ms.
const draftLife = int64(30 * 24 * time.Hour / time.Millisecond)

// Leave removes the villages that the laptop was taken from, as far as nothing of
// them is waited for: entries or pages on their way, a backup, a draft that
// somebody typed in this month.
func (s *Store) Leave(ctx context.Context) (left []record.Village, err error) {
	find := func(t *tx) error {
		left = left[:0]
		d, err := t.dev()
		if err != nil || !d.Enrolled() {
			return err
		}
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			if asked, err := t.stillAsked(v, d); err != nil || asked {
				if err != nil {
					return err
				}
				continue
			}
			if _, err := d.Village(code); err == nil || v.pending() > 0 || !v.safe() || v.place.Staging || v.place.Live {
				continue
			}
			if waiting, err := v.waitingBlobs(); err != nil {
				return err
			} else if waiting {
				continue
			}
			drafts, err := t.draftsOf(code)
			if err != nil {
				return err
			}
			clk, err := t.time()
			if err != nil {
				return err
			}
			if now := s.opt.Wall() + clk.Skew; !slices.ContainsFunc(drafts, func(d Draft) bool { return d.Typed > now-draftLife }) {
				left = append(left, code)
			}
		}
		return nil
	}
	if err := s.view(find); err != nil || len(left) == 0 {
		return nil, err
	}
	err = s.update(ctx, true, func(t *tx) error {
		if err := find(t); err != nil {
			return err
		}
		for _, code := range left {
			if err := t.forget(code); err != nil {
				return err
			}
		}
		return nil
	})
	return left, err
}

// draftsOf gives the drafts of a village.
func (t *tx) draftsOf(code record.Village) (drafts []Draft, err error) {
	err = t.Bucket(bucketDraft).ForEach(func(id, raw []byte) error {
		d, err := t.s.openDraft(string(id), raw)
		if err == nil && d.Village == code {
			drafts = append(drafts, d)
		}
		return err
	})
	return drafts, err
}

// forget removes a village and its drafts.
func (t *tx) forget(code record.Village) error {
	drafts, err := t.draftsOf(code)
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if err := t.Bucket(bucketDraft).Delete([]byte(d.ID)); err != nil {
			return err
		}
	}
	if err := t.forgetBlobs(code); err != nil {
		return err
	}
	delete(t.villages, code)
	t.anew = true
	return t.Bucket(bucketVillage).DeleteBucket([]byte(code))
}

// ErrWiped says that everything is to be removed from this laptop: nothing is saved
// any more, or it would go with the rest.
var ErrWiped = errors.New("everything is being removed from this laptop; nothing was saved")

// Wipe notes that the office has ordered everything to be removed from this laptop,
// and tells whether that may be done: not while anything that was written here is
// not in a backup of the server's.
func (s *Store) Wipe(ctx context.Context) (wiped bool, err error) {
	err = s.update(ctx, false, func(t *tx) error {
		wiped = false
		if t.loose() > 0 {
			return nil
		}
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			waiting, err := v.waitingBlobs()
			if err != nil {
				return err
			}
			if v.pending() > 0 || !v.safe() || waiting {
				// The next sync asks, whenever the last did.
				return put(t.Bucket(bucketMeta), keyAsked, int64(0))
			}
		}
		d, err := t.dev()
		if err != nil {
			return err
		}
		wiped, d.Wiped = true, true
		return s.putSealed(t.Bucket(bucketMeta), deviceAt, keyDevice, d)
	})
	return wiped, err
}
