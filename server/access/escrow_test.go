package access

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"testing"

	"zhucun/server/store"
	"zhucun/shared/escrow"
	"zhucun/shared/identity"
)

func sealed(t *testing.T, key []byte, d identity.Device, server ed25519.PublicKey) []byte {
	t.Helper()
	b, err := escrow.Seal(key, d, server)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A laptop's key is kept only where it opens, given only for a reason, and noted
// in the audit before it is given.
func TestRecover(t *testing.T) {
	h, ctx := newDesk(t), context.Background()
	e, err := h.Enrol(ctx, h.code(t, "王队员"))
	if err != nil {
		t.Fatal(err)
	}
	d := e.Device
	key := bytes.Repeat([]byte{7}, escrow.KeySize)
	server := h.s.Key.Public().(ed25519.PublicKey)
	if _, err := h.Recover(ctx, "admin", d, "口令忘了"); !errors.Is(err, ErrNoEscrow) {
		t.Errorf("before it was handed in: %v", err)
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "what does not open": bytes.Repeat([]byte{1}, escrow.Size), "another device's": sealed(t, key, "another", server),
	} {
		if err := h.KeepEscrow(ctx, d, b); !errors.Is(err, escrow.ErrSealed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := h.KeepEscrow(ctx, d, sealed(t, key, d, server)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Recover(ctx, "admin", d, ""); !errors.Is(err, ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	if _, err := h.Recover(ctx, "admin", "nobody", "口令忘了"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of no laptop: %v", err)
	}
	before, err := h.s.Audits(ctx, store.AuditQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	code, err := h.Recover(ctx, "admin", d, "口令忘了")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := escrow.Parse(code); err != nil || !bytes.Equal(got, key) {
		t.Errorf("the code %s is for %x, %v", code, got, err)
	}
	after, err := h.s.Audits(ctx, store.AuditQuery{Limit: 100})
	if err != nil || len(after) != len(before)+1 || after[0].Act != "recover" || after[0].Subject != string(d) || after[0].Reason != "口令忘了" {
		t.Errorf("the audit has %+v, %v", after, err)
	}
}
