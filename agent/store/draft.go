package store

import (
	"context"
	"fmt"
	"slices"

	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Draft is a form that somebody began to fill in: what was typed, as typed, and
// the record as it was when the form was opened.
type Draft struct {
	// ID is 36 characters, new with every form that is opened.
	ID      string         `cbor:"0,keyasint"`
	Type    record.Type    `cbor:"1,keyasint"`
	Village record.Village `cbor:"2,keyasint"`
	// Record is the record that is edited, the zero ID for a new one.
	Record record.ID `cbor:"3,keyasint"`
	// State is the record as shown, merge.State.Encode; empty for a new one.
	State  []byte `cbor:"4,keyasint,omitempty"`
	Author string `cbor:"5,keyasint"`
	// Values holds what was typed, by field name.
	Values map[string][]string `cbor:"6,keyasint"`
	// Opened and Typed are ms since 1970, corrected.
	Opened int64 `cbor:"7,keyasint"`
	Typed  int64 `cbor:"8,keyasint"`
}

// Shown gives the record as it was when the form was opened.
func (d *Draft) Shown() (merge.State, error) {
	if len(d.State) == 0 {
		return merge.State{}, nil
	}
	return merge.Decode(d.State)
}

// KeepDraft makes a draft durable; one of the same ID is replaced.
func (s *Store) KeepDraft(ctx context.Context, d Draft) error {
	return s.update(ctx, false, func(t *tx) error { return s.putDraft(t, d) })
}

func (s *Store) putDraft(t *tx, d Draft) error {
	if own, err := t.dev(); err != nil {
		return err
	} else if own.Wiped {
		return ErrWiped
	}
	return s.putSealed(t.Bucket(bucketDraft), draftAt(d.ID), []byte(d.ID), d)
}

func draftAt(id string) slot { return slotOf("draft", []byte(id)) }

func (s *Store) openDraft(id string, raw []byte) (d Draft, err error) {
	if err := s.openSealed(draftAt(id), raw, &d); err != nil {
		return d, fmt.Errorf("draft %s: %w", id, err)
	}
	return d, nil
}

// Draft gives one draft. The error is ErrNotFound when there is none, which
// after a save is so.
func (s *Store) Draft(id string) (d Draft, err error) {
	err = s.view(func(t *tx) error {
		raw := t.Bucket(bucketDraft).Get([]byte(id))
		if raw == nil {
			return fmt.Errorf("%w: draft %s", ErrNotFound, id)
		}
		d, err = s.openDraft(id, raw)
		return err
	})
	return d, err
}

// Drafts gives all drafts, the one typed in last first.
func (s *Store) Drafts() (ds []Draft, err error) {
	err = s.view(func(t *tx) error {
		return t.Bucket(bucketDraft).ForEach(func(id, raw []byte) error {
			d, err := s.openDraft(string(id), raw)
			ds = append(ds, d)
			return err
		})
	})
	slices.SortFunc(ds, func(a, b Draft) int { return int(b.Typed - a.Typed) })
	return ds, err
}

// DropDraft forgets a draft that its author threw away.
func (s *Store) DropDraft(ctx context.Context, id string) error {
	return s.update(ctx, false, func(t *tx) error { return t.Bucket(bucketDraft).Delete([]byte(id)) })
}
