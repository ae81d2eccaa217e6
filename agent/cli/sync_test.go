package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// failing is a server that answers that it failed; then is called with how
// often it was asked.
func failing(t *testing.T, then func(asked int32)) *httptest.Server {
	t.Helper()
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		raw, err := wire.Encode(&wire.Fault{Code: wire.FaultServer}, wire.Quick)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusInternalServerError)
		w.Write(raw)
		then(asked.Add(1))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// Each row is how far a sync came until its time was up, and what is said of it.
func TestTimeIsUp(t *testing.T) {
	up, cancel := context.WithCancel(t.Context())
	cancel()
	fault := fmt.Errorf("the server was not reached: %w", &wire.Fault{Code: wire.FaultServer})
	for _, tt := range []struct {
		name string
		ctx  context.Context
		r    syncclient.Report
		err  error
		want string
	}{
		{"nothing went", up, syncclient.Report{Pending: 3}, context.DeadlineExceeded, "The server was not reached"},
		{"half of it went", up, syncclient.Report{Pushed: 6766, Pulled: 2500, Pending: 23230}, context.DeadlineExceeded, "Time is up before all was done: 6766 delivered, 2500 received, 23230 still pending. Everything is kept here, and the next sync goes on from there"},
		{"half of it came", up, syncclient.Report{Pulled: 2500}, context.DeadlineExceeded, "Time is up before all was done: 0 delivered, 2500 received, 0 still pending"},
		{"half of it went, then the server failed", up, syncclient.Report{Pushed: 2841, Pending: 9}, fault, "The server was reached but could not take it"},
		{"half of it went, then something else", t.Context(), syncclient.Report{Pushed: 2841, Pending: 9}, syncclient.ErrRevoked, "The office has revoked this laptop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &call{lang: form.En}
			if got := c.sentence(c.ended(tt.ctx, tt.r, tt.err)); !strings.HasPrefix(got, tt.want) {
				t.Errorf("said %q, want %q", got, tt.want)
			}
		})
	}
}

// A server that answers that it failed was reached.
func TestServerFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv := failing(t, func(asked int32) {
		if asked == 3 {
			// A round is three tries at most, and at least a second from the next.
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	})
	a := laptop(t)
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) { d.URL = srv.URL }); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c := &call{out: io.Discard, err: &said, lang: form.En, args: []string{"sync"}, live: a, log: slog.New(slog.DiscardHandler)}
	if code := c.run(ctx); code != exitFailed || !strings.HasPrefix(said.String(), "The server was reached but could not take it") {
		t.Errorf("exit status %d, said %q", code, said.String())
	}
}

// A laptop that is not enrolled has nothing that would be sent again.
func TestServerFailsToEnrol(t *testing.T) {
	srv := failing(t, func(int32) {})
	code := identity.Code{URL: srv.URL, ID: [8]byte{1}}
	said := strings.Builder{}
	c := &call{out: io.Discard, err: &said, lang: form.En, args: []string{"enrol", code.String()}, live: bare(t), log: slog.New(slog.DiscardHandler)}
	if code := c.run(t.Context()); code != exitFailed || !strings.HasPrefix(said.String(), "The server was reached but failed") {
		t.Errorf("exit status %d, said %q", code, said.String())
	}
}
