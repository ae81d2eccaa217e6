package syncclient

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Each row is what is wrong with the first village's part of every answer. The
// second village's work arrives all the same and its pages come to the end, and
// so do the new assignment and the clock; then the error is told.
func TestOneVillageFails(t *testing.T) {
	const second = village + "x"
	tests := []struct {
		name  string
		spoil func(*wire.Pull)
		want  error
	}{
		{"a receipt that is not the server's", func(p *wire.Pull) { p.Receipts[0].Sig[0]++ }, nil},
		{"a fork", func(p *wire.Pull) {
			p.Refused = append(p.Refused, wire.Refused{Stream: p.Receipts[0].Stream, Code: wire.RefusedFork})
			p.Receipts = nil
		}, ErrForked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s *store.Store
			pages := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
				if err != nil {
					t.Error(err)
					return
				}
				a := acknowledge(t, s, m)
				tt.spoil(&a.Villages[0])
				// Two pages for the second village.
				p := &a.Villages[1]
				pages++
				if pages == 1 {
					p.More = true
				} else {
					p.From, p.Cursor = m.Villages[1].After, 2
				}
				if m.Assigned == 1 {
					a.Assigned = &wire.Assignment{Serial: 2, Villages: []wire.Village{{Code: village}, {Code: second}}, Role: identity.TeamMember, Profiles: []string{"王", "李"}}
				}
				a.Time = time.Now().Add(24 * time.Hour).UnixMilli()
				reply(w, a)
			}))
			t.Cleanup(srv.Close)
			var c *Client
			c, s = laptop(t, srv.URL)
			if _, err := s.SetDevice(t.Context(), func(d *store.Device) {
				d.Assigned.Villages = []wire.Village{{Code: village}, {Code: second}}
			}); err != nil {
				t.Fatal(err)
			}
			for _, v := range []record.Village{village, second} {
				if _, err := s.Save(t.Context(), store.Edit{Village: v, Type: "visit", Fields: map[string]record.Value{"findings": `"屋顶漏雨"`}}); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := c.Once(ctx)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || ctx.Err() != nil {
				t.Errorf("Once: %v", err)
			}
			st, err := s.Status()
			if err != nil {
				t.Fatal(err)
			}
			if st.Villages[0].Pending != 1 || st.Villages[1].Pending != 0 {
				t.Errorf("pending: %d, %d; want 1, 0", st.Villages[0].Pending, st.Villages[1].Pending)
			}
			if pages < 2 {
				t.Errorf("%d pages of the second village came", pages)
			}
			d, err := s.Device()
			if err != nil || d.Assigned.Serial != 2 {
				t.Errorf("assignment %d, %v", d.Assigned.Serial, err)
			}
			if skew, err := s.Skew(); err != nil || skew < 20*time.Hour.Milliseconds() {
				t.Errorf("the clock was not measured: %d ms, %v", skew, err)
			}
		})
	}
}
