package syncapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"testing"

	"zhucun/shared/escrow"
	"zhucun/shared/wire"
)

// A laptop hands in the key of its data in its own name and in no other; one that
// is revoked is told so, with the server's order to wipe.
func TestEscrow(t *testing.T) {
	h := newHouse(t)
	l, other := h.laptop("王队员"), h.laptop("李队员")
	key := bytes.Repeat([]byte{7}, escrow.KeySize)
	hand := func(token string, as *laptop) *wire.Fault {
		t.Helper()
		sealed, err := escrow.Seal(key, as.who.Device, h.key.Public().(ed25519.PublicKey))
		h.ok(err)
		b, err := wire.Encode(&wire.Escrow{Version: wire.Version, Sealed: sealed}, wire.Thrifty)
		h.ok(err)
		answer := new(wire.Escrowed)
		f := h.post(wire.EscrowPath, token, b, answer)
		if f == nil && answer.Epoch != h.s.Epoch() {
			t.Errorf("kept in the epoch %x, not %x", answer.Epoch, h.s.Epoch())
		}
		return f
	}
	for _, tt := range []struct {
		name, token string
		as          *laptop
		want        string
	}{
		{"nobody's token", "x", l, wire.FaultDevice},
		{"sealed in another's name", l.who.Token, other, wire.FaultMessage},
		{"its own", l.who.Token, l, ""},
		{"again", l.who.Token, l, ""},
	} {
		f := hand(tt.token, tt.as)
		if f == nil && tt.want != "" || f != nil && f.Code != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, f, tt.want)
		}
	}
	code, err := h.a.Recover(context.Background(), "admin", l.who.Device, "口令忘了")
	h.ok(err)
	if got, err := escrow.Parse(code); err != nil || !bytes.Equal(got, key) {
		t.Errorf("recovered %x, %v", got, err)
	}
	_, err = h.a.Revoke(context.Background(), l.who.Device)
	h.ok(err)
	if f := hand(l.who.Token, l); f == nil || f.Code != wire.FaultRevoked {
		t.Errorf("revoked: %v", f)
	}
}
