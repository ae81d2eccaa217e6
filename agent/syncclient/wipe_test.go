package syncclient

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// Each row is an order that comes with a revocation: only the server's own, for
// this laptop, is obeyed.
func TestWipeOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		order []byte
		want  error
	}{
		{"none", nil, ErrRevoked},
		{"anything", make([]byte, 64), ErrRevoked},
		{"another laptop's", identity.Sign(serverKey, identity.WipeOf, []byte("another")), ErrRevoked},
		{"signed for something else", identity.Sign(serverKey, identity.ReplyOf, []byte("device")), ErrRevoked},
		{"the server's", identity.Sign(serverKey, identity.WipeOf, []byte("device")), ErrWiped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				reply(w, &wire.Fault{Code: wire.FaultRevoked, Wipe: tt.order})
			}))
			defer srv.Close()
			c, s := laptop(t, srv.URL)
			if _, err := c.Once(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			d, err := s.Device()
			if err != nil || d.Wiped != (tt.want == ErrWiped) {
				t.Errorf("wiped: %v, %v", d.Wiped, err)
			}
			select {
			case <-c.Wiped():
				if tt.want != ErrWiped {
					t.Error("the agent would end")
				}
			default:
				if tt.want == ErrWiped {
					t.Error("the agent would not end")
				}
			}
		})
	}
}
