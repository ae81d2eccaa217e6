package syncclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/wire"
)

// Requests are mixed once the server has said that it takes that, the next time that
// the agent is started too; and no more once it cannot read one, as after it was put
// back to an earlier release. Nothing is lost by it.
func TestTakesMixed(t *testing.T) {
	const clockAndMagic, mixed = 8 + 4, 4 // wire's DESIGN.md
	how := func(body []byte) byte { return body[clockAndMagic] }
	var s *store.Store
	earlier := false
	var hows []byte
	refusals := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { http.NotFound(w, nil) },
		func(w http.ResponseWriter) { w.WriteHeader(401); reply(w, &wire.Fault{Code: wire.FaultDevice}) },
		func(w http.ResponseWriter) { w.WriteHeader(400); reply(w, &wire.Fault{Code: wire.FaultMessage}) },
		func(w http.ResponseWriter) { w.WriteHeader(400); reply(w, &wire.Fault{Code: wire.FaultVersion}) },
	}
	refused := 0
	srv, _ := server(t, &s, func(n int, w http.ResponseWriter, r *http.Request) bool {
		m, body := readSync(t, r)
		hows = append(hows, how(body))
		if short := r.URL.Path == wire.ShortPath; short != (how(body) == mixed) || short != (r.Header.Get(wire.TokenHeader) == "token") || short == (r.Header.Get("Authorization") != "") {
			t.Errorf("packed as %d to %s with %v", how(body), r.URL, r.Header)
		}
		if earlier {
			if how(body) == mixed {
				refusals[refused%len(refusals)](w)
				refused++
				return true
			}
			reply(w, acknowledge(t, s, m))
			return true
		}
		b, err := wire.Answer(m, acknowledge(t, s, m), false)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
		return true
	})
	var c *Client
	c, s = laptop(t, srv.URL)
	for i, step := range []struct {
		earlier bool
		first   bool // whether the first request is mixed
		last    bool
	}{
		{false, false, false}, {false, true, true}, {true, true, false}, {true, false, false}, {false, false, false}, {false, true, true},
		{true, true, false}, {false, false, false}, {true, true, false}, {false, false, false}, {true, true, false},
	} {
		earlier, hows = step.earlier, nil
		visit(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if r, err := c.Once(ctx); err != nil || r.Pushed != 1 || pending(t, s) != 0 {
			t.Fatalf("step %d: %+v, %v", i, r, err)
		}
		if first, last := hows[0] == mixed, hows[len(hows)-1] == mixed; first != step.first || last != step.last {
			t.Errorf("step %d: the requests are packed as %v", i, hows)
		}
		c = New(s, "test", c.log)
		t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
	}
}

// Behind what the server knows a request says little, the next time that the agent is
// started too. Where the server has forgotten it the request goes again in full at once,
// and the one after it is mixed behind that.
func TestMixedBehindKnown(t *testing.T) {
	const clockAndMagic, mixed, behind = 8 + 4, 4, 5 // wire's DESIGN.md
	var s *store.Store
	var office wire.Known
	forgets, room := false, true
	var hows []byte
	srv, _ := server(t, &s, func(n int, w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		hows = append(hows, body[clockAndMagic])
		m, _, err := wire.UnmarshalSync(body, wire.MaxUnpacked, func(name wire.KnownName) wire.Known {
			if forgets || office.Name() != name {
				return nil
			}
			return office
		})
		if errors.Is(err, wire.ErrForgotten) {
			w.WriteHeader(http.StatusPreconditionFailed)
			reply(w, &wire.Fault{Code: wire.FaultMessage})
			return true
		}
		if err != nil {
			t.Error(err)
		}
		office = m.Known()
		b, err := wire.Answer(m, acknowledge(t, s, m), room)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
		return true
	})
	var c *Client
	c, s = laptop(t, srv.URL)
	for i, step := range []struct {
		forgets, room bool
		first         []byte // how the first requests come
	}{
		{false, true, []byte{2}}, // told, and known from here on
		{false, true, []byte{behind}},
		{true, true, []byte{behind, mixed}}, // forgotten
		{false, true, []byte{behind}},
		{true, false, []byte{behind, mixed}}, // forgotten, and no room any more
		{false, false, []byte{mixed}},        // so nothing is named
		{false, true, []byte{mixed}},
		{false, true, []byte{behind}},
	} {
		forgets, room, hows = step.forgets, step.room, nil
		visit(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if r, err := c.Once(ctx); err != nil || r.Pushed != 1 || pending(t, s) != 0 {
			t.Fatalf("step %d: %+v, %v", i, r, err)
		}
		if len(hows) < len(step.first) || !bytes.Equal(hows[:len(step.first)], step.first) {
			t.Errorf("step %d: the requests are packed as %v, and should begin as %v", i, hows, step.first)
		}
		c = New(s, "test", c.log)
		t.Cleanup(c.http.HTTPClient.CloseIdleConnections)
	}
}

// readSync reads a request, and gives its bytes.
func readSync(t *testing.T, r *http.Request) (*wire.Sync, []byte) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	m, err := wire.DecodeSync(bytes.NewReader(body), wire.MaxRequest)
	if err != nil {
		t.Error(err)
	}
	return m, body
}
