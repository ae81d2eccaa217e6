package access

import (
	"context"
	"errors"

	"zhucun/server/store"
	"zhucun/shared/escrow"
	"zhucun/shared/identity"
)

// KeepEscrow keeps the key of a laptop's data as the laptop has sealed it. It must
// open, or it would be found out on the day on which it is needed. The error is
// escrow.ErrSealed.
func (a *Access) KeepEscrow(ctx context.Context, id identity.Device, sealed []byte) error {
	if _, err := escrow.Open(sealed, id, a.store.Key); err != nil {
		return err
	}
	return a.store.SetEscrow(ctx, id, sealed)
}

// The errors of Recover, beside store.ErrNotFound for a laptop that there is none of.
var (
	// ErrNoEscrow says that the laptop has not handed in its key.
	ErrNoEscrow = errors.New("the laptop has not handed in the key of its data")
	// ErrReason says that no reason was given.
	ErrReason = errors.New("a reason is needed")
)

// Recover gives the recovery code of a laptop whose passphrase was forgotten, for a
// reason that is in the audit first. ErrReason, ErrNoEscrow, store.ErrNotFound.
func (a *Access) Recover(ctx context.Context, who string, id identity.Device, reason string) (string, error) {
	if reason == "" {
		return "", ErrReason
	}
	if _, err := a.store.Device(ctx, id); err != nil {
		return "", err
	}
	sealed, err := a.store.Escrow(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", ErrNoEscrow
	} else if err != nil {
		return "", err
	}
	key, err := escrow.Open(sealed, id, a.store.Key)
	if err != nil {
		return "", err
	}
	if err := a.Audit(ctx, store.Note{Who: who, Act: "recover", Subject: string(id), Reason: reason}); err != nil {
		return "", err
	}
	return escrow.Code(key), nil
}

// HasEscrow tells whether a laptop has handed in the key of its data.
func (a *Access) HasEscrow(ctx context.Context, id identity.Device) (bool, error) {
	_, err := a.store.Escrow(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
