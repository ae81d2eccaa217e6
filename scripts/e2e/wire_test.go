package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/shared/wire"
)

// message is what a laptop would send now, and under which token.
func (w *world) message(t *testing.T, laptop string) (body []byte, token string) {
	t.Helper()
	v, err := vault.Open(w.path(laptop), filepath.Join(w.dir, "home", ".config", "zhucun"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := v.Key(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(w.path(laptop), store.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Outgoing(context.Background(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	m := &wire.Sync{Version: wire.Version, Assigned: d.Assigned.Serial}
	for _, o := range out {
		m.Villages = append(m.Villages, o.Push)
	}
	if body, err = wire.EncodeSync(m, wire.Thrifty); err != nil {
		t.Fatal(err)
	}
	wire.SetClock(body, time.Now().UnixMilli())
	return body, d.Token
}

// hungUp stands for the status that did not come through: the server would not
// even read the message.
const hungUp = 499

// post sends a message as it is and gives the status of the answer.
func post(t *testing.T, w *world, path, token string, body io.Reader) int {
	t.Helper()
	c := http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	req, err := http.NewRequest(http.MethodPost, w.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
		return hungUp
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// Each row is a message that no laptop of ours would send. It is refused with
// its status, and nothing is stored.
func TestMessageRefused(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	id := w.put(t, "visit", "findings=等着送出的走访", "--data", "a")
	body, token := w.message(t, "a")
	enrol, err := wire.Encode(&wire.Enrol{Version: wire.Version, Key: make([]byte, 32)}, wire.Thrifty)
	if err != nil {
		t.Fatal(err)
	}
	later, err := wire.EncodeSync(&wire.Sync{Version: wire.Version + 1}, wire.Thrifty)
	if err != nil {
		t.Fatal(err)
	}
	type chunked struct{ io.Reader } // of unknown length
	tests := []struct {
		name, path, token string
		body              io.Reader
		status            int
	}{
		{"nothing", wire.SyncPath, token, strings.NewReader(""), 400},
		{"a page", wire.SyncPath, token, strings.NewReader("<html>"), 400},
		{"JSON", wire.SyncPath, token, strings.NewReader(`{"villages":[]}`), 400},
		{"half of it", wire.SyncPath, token, bytes.NewReader(body[:len(body)/2]), 400},
		{"all but its last byte", wire.SyncPath, token, bytes.NewReader(body[:len(body)-1]), 400},
		{"chunked", wire.SyncPath, token, chunked{bytes.NewReader(body)}, 411},
		{"no token", wire.SyncPath, "", bytes.NewReader(body), 401},
		{"nobody's token", wire.SyncPath, "AAAAAAAAAAAAAAAAAAAAAA", bytes.NewReader(body), 401},
		{"too long", wire.SyncPath, token, bytes.NewReader(make([]byte, wire.MaxRequest+1)), hungUp},
		{"of a later release", wire.SyncPath, token, bytes.NewReader(later), 400},
		{"another's door", wire.EnrolPath, token, bytes.NewReader(body), 400},
		{"enrolment with no code", wire.EnrolPath, "", bytes.NewReader(enrol), 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := post(t, w, tt.path, tt.token, tt.body)
			if got != tt.status && !(tt.status == hungUp && got == 413) {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if out := w.must(t, "zhucun-server", "list", "visit", "--data", "office", "--json"); out != "" {
				t.Errorf("stored: %s", out)
			}
		})
	}
	t.Run("smuggled", func(t *testing.T) {
		if answers := smuggle(t, w, token); len(answers) != 1 || !strings.Contains(answers[0], " 4") {
			t.Errorf("answers %q, want one refusal and no second answer", answers)
		}
	})
	t.Run("truncated", func(t *testing.T) {
		for n := range len(body) {
			if got := post(t, w, wire.SyncPath, token, bytes.NewReader(body[:n])); got/100 != 4 {
				t.Errorf("the first %d of %d bytes: status %d", n, len(body), got)
			}
		}
	})
	if out := w.must(t, "zhucun-server", "list", "visit", "--data", "office", "--json"); out != "" {
		t.Errorf("stored: %s", out)
	}
	t.Run("altered", func(t *testing.T) { altered(t, w, body, token) })
	w.must(t, "zhucun-server", "verify", "--data", "office")

	// What the laptop itself sends is taken all the same.
	w.must(t, "zhucun-agent", "sync", "--data", "a")
	w.must(t, "zhucun-server", "get", "visit", id, "--data", "office")
	w.must(t, "zhucun-server", "verify", "--data", "office")
}

// altered posts the message with one bit turned, at many places. Most such are
// not messages any more; one that still is may carry nothing that the laptop
// did not sign.
func altered(t *testing.T, w *world, body []byte, token string) {
	const tries = 120
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range tries {
		b := bytes.Clone(body)
		where, bit := r.IntN(len(b)), r.IntN(8)
		b[where] ^= 1 << bit
		switch got := post(t, w, wire.SyncPath, token, bytes.NewReader(b)); {
		case got/100 == 4:
			continue
		case got != 200:
			t.Errorf("seed %d: bit %d of byte %d of %d: status %d", seed, bit, where, len(b), got)
		}
		out := w.must(t, "zhucun-server", "list", "visit", "--data", "office", "--json")
		if out == "" {
			continue
		}
		// The bit was in what is not signed, such as the clock: a true record came.
		if findings, _, err := at(out, ".fields.findings"); err != nil || findings != "等着送出的走访" {
			t.Errorf("seed %d: bit %d of byte %d: stored %s", seed, bit, where, out)
		}
		t.Logf("seed %d: bit %d of byte %d of %d left it whole", seed, bit, where, len(b))
		return
	}
}

// smuggle sends a request of two lengths with a second one hidden in it, and
// gives the status lines of all answers.
func smuggle(t *testing.T, w *world, token string) []string {
	t.Helper()
	raw, err := net.Dial("tcp", w.link.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	hidden := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", wire.SyncPath, token)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
		wire.SyncPath, token, 5+len(hidden), hidden)
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	var status []string
	for _, l := range strings.Split(string(answer), "\r\n") {
		if at := strings.Index(l, "HTTP/1.1 "); at >= 0 {
			status = append(status, l[at:])
		}
	}
	return status
}
