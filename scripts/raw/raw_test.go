package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"zhucun/shared/wire"
)

// raw is a server with all that it serves, reached by bytes.
type raw struct {
	*testing.T
	at string
	mu sync.Mutex
	// met are the requests that were served.
	met []string
}

// newRaw starts one that waits for headers as long as given.
func newRaw(t *testing.T, headers time.Duration) *raw {
	s := &shell{T: t, data: filepath.Join(t.TempDir(), "data")}
	if _, errs, status := s.run("init"); status != 0 {
		t.Fatal(errs)
	}
	c := &call{data: s.data, now: time.Now, log: slog.New(slog.DiscardHandler)}
	srv, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{T: t, at: l.Addr().String()}
	h := c.http(srv, "http://"+r.at)
	if h.ReadHeaderTimeout <= 0 || h.ReadHeaderTimeout > time.Minute || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 {
		t.Errorf("limits: headers %v, idle %v, %d bytes", h.ReadHeaderTimeout, h.IdleTimeout, h.MaxHeaderBytes)
	}
	h.ReadHeaderTimeout = headers
	all := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.met = append(r.met, q.URL.Path)
		r.mu.Unlock()
		all.ServeHTTP(w, q)
	})
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	t.Cleanup(func() {
		h.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		srv.store.Close()
	})
	return r
}

// send gives what comes back for bytes until the server hangs up, or says
// nothing for a while; open tells that it has not hung up.
func (r *raw) send(bytes string, while time.Duration) (answer string, open bool) {
	r.Helper()
	conn, err := net.Dial("tcp", r.at)
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, bytes) // it may hang up before it has heard all
	var b strings.Builder
	for piece := make([]byte, 64<<10); ; {
		conn.SetReadDeadline(time.Now().Add(while))
		n, err := conn.Read(piece)
		b.Write(piece[:n])
		var timeout net.Error
		if err != nil {
			return b.String(), errors.As(err, &timeout) && timeout.Timeout()
		}
	}
}

var statusLine = regexp.MustCompile(`HTTP/1\.[01] (\d{3})`)

func statuses(answer string) string {
	var list []string
	for _, m := range statusLine.FindAllStringSubmatch(answer, -1) {
		list = append(list, m[1])
	}
	return strings.Join(list, " ")
}

// Each row is what somebody sends to a page and to the agents' door, and the
// statuses that come back: of the page, and of the door where it says otherwise.
// Whatever it is, the request hidden in it is not served, no other host's name
// comes back, and the next request on a new connection is answered.
func TestMalformed(t *testing.T) {
	r := newRaw(t, 300*time.Millisecond)
	const (
		hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
		head   = "POST TARGET HTTP/1.1\r\nHost: x\r\n"
		get    = "GET TARGET HTTP/1.1\r\nHost: x\r\n"
		none   = ""  // hung up on, without a word or after the time for headers
		closed = "!" // hung up on after the answer
	)
	size := fmt.Sprintf("Content-Length: %d\r\n", len(hidden))
	for _, tt := range []struct{ name, bytes, page, door string }{
		{"length and chunked", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked and length", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"length over all, and chunked", head + size + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked, of a path that is not clean", "POST //TARGET HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked, in capitals", head + "Content-Length: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked, after a tab", head + "Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked, on a second line", head + "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked, behind a bare line feed", head + "Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"chunked twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "501!", ""},
		{"chunked, then as it is", head + "Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden, "501!", ""},
		{"an encoding that is none", head + "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, "501!", ""},
		{"a space before the colon", head + "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden, "400!", ""},
		{"an underscore for the dash", head + size + "Transfer_Encoding: chunked\r\n\r\n" + hidden, "403", "401"},
		{"chunked in a get", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", ""},
		{"a chunk of no size", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden, "411!", ""},
		{"a chunk of a size below zero", head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden, "411!", ""},
		{"a chunk beyond counting", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden, "411!", ""},
		{"a chunk without its end", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeX" + hidden, "411!", ""},
		{"a chunk with a bare line feed", head + "Transfer-Encoding: chunked\r\n\r\n1;x\n" + hidden, "411!", ""},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + hidden, "400!", ""},
		{"the same length twice", head + size + size + "\r\n" + hidden, "403", "401"},
		{"a list of lengths", head + "Content-Length: 5, 5\r\n\r\n0\r\n\r\n" + hidden, "400!", ""},
		{"a length with a sign", head + "Content-Length: +5\r\n\r\n0\r\n\r\n" + hidden, "400!", ""},
		{"a length below zero", head + "Content-Length: -5\r\n\r\n0\r\n\r\n" + hidden, "400!", ""},
		{"a length in hexadecimal", head + "Content-Length: 0x5\r\n\r\n0\r\n\r\n" + hidden, "400!", ""},
		{"a length beyond counting", head + "Content-Length: 99999999999999999999\r\n\r\n" + hidden, "400!", ""},
		{"no length after its name", head + "Content-Length:\r\n\r\n" + hidden, "400!", ""},
		{"a length beyond the limit", head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 99999999\r\n\r\n" + strings.Repeat("x", 2<<20), "400!", "401!"},
		{"a get with a body", get + size + "\r\n" + hidden, "200", "405"},
		{"1.0 with both lengths", "POST TARGET HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "403!", "401!"},
		{"1.0 chunked", "POST TARGET HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, "403!", "401!"},
		{"1.0 and more after it", "GET TARGET HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + hidden, "200!", "405!"},
		{"no version", "GET TARGET\r\n\r\n" + hidden, "400!", ""},
		{"a version to come", "GET TARGET HTTP/3.0\r\nHost: x\r\n\r\n" + hidden, "505!", ""},
		{"the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, "400!", ""},
		{"an upgrade to HTTP/2", get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, "200 400!", "405 400!"},
		{"no host", "GET TARGET HTTP/1.1\r\n\r\n" + hidden, "400!", ""},
		{"two hosts", get + "Host: evil.example\r\n\r\n" + hidden, "400!", ""},
		{"a host with a space", "GET TARGET HTTP/1.1\r\nHost: x evil.example\r\n\r\n" + hidden, "400!", ""},
		{"another host", "GET TARGET HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200", "405"},
		{"another host, by the door", "GET /records HTTP/1.1\r\nHost: evil.example\r\n\r\n", "303", ""},
		{"absolute", "GET http://evil.example TARGET HTTP/1.1\r\nHost: x\r\n\r\n" + hidden, "400!", ""},
		{"absolute, with another host", "GET http://evil.exampleTARGET HTTP/1.1\r\nHost: x\r\n\r\n", "200", "405"},
		{"a path of two slashes", "GET //evil.example/%2e%2e/.. HTTP/1.1\r\nHost: x\r\n\r\n", "307", ""},
		{"connect", "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", "404", ""},
		{"trace", "TRACE TARGET HTTP/1.1\r\nHost: x\r\nCookie: evil.example\r\n\r\n", "403", "405"},
		{"an expectation", head + "Expect: 200-maybe\r\n" + size + "\r\n" + hidden, "417!", ""},
		{"a huge header", get + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n" + hidden, "431!", ""},
		{"many headers", get + strings.Repeat("X: y\r\n", 20000) + "\r\n" + hidden, "431!", ""},
		{"a huge path", "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n" + hidden, "431!", ""},
		{"headers that do not end", get + "X: y\r\n", none, ""},
		{"half a line", "GET TAR", "400!", ""},
		{"nothing", "", none, ""},
		{"NUL in a value", get + "X: a\x00b\r\n\r\n" + hidden, "400!", ""},
		{"NUL in a name", get + "X\x00Y: b\r\n\r\n" + hidden, "400!", ""},
		{"NUL in the path", "GET TARGET\x00 HTTP/1.1\r\nHost: x\r\n\r\n" + hidden, "400!", ""},
		{"NUL alone", "\x00\r\n\r\n" + hidden, "400!", ""},
		{"bytes of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + hidden, "400!", ""},
		{"a line that is no header", get + "nothing\r\n\r\n" + hidden, "400!", ""},
		{"a header that begins with a space", "GET TARGET HTTP/1.1\r\n Host: x\r\n\r\n" + hidden, "400!", ""},
		{"carriage returns alone", "GET TARGET HTTP/1.1\rHost: x\r\r" + hidden, "400!", ""},
		{"an error, and more after it", "BAD\r\n\r\n" + hidden + hidden, "400!", ""},
		{"a refusal, and more after it", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden + hidden, "411!", ""},
	} {
		for target, want := range map[string]string{"/signin": tt.page, wire.SyncPath: tt.door} {
			if want == "" {
				want = tt.page
			}
			r.mu.Lock()
			r.met = nil
			r.mu.Unlock()
			answer, open := r.send(strings.ReplaceAll(tt.bytes, "TARGET", target), 700*time.Millisecond)
			got := statuses(answer)
			if !open && got != none {
				got += closed
			}
			// Whether a connection that may stay open does is nobody's harm.
			if got != want && got != want+closed || want == none && open {
				t.Errorf("%s, %s: got %q (open %v), want %q", target, tt.name, got, open, want)
			}
			r.mu.Lock()
			for _, path := range r.met {
				if path == "/hidden" {
					t.Errorf("%s, %s: the hidden request was served", target, tt.name)
				}
			}
			r.mu.Unlock()
			if strings.Contains(answer, "evil.example") && !strings.Contains(answer, "Location: /evil.example") || strings.Contains(answer, "Location: //") {
				t.Errorf("%s, %s: another host's name came back", target, tt.name)
			}
			r.ordinary()
		}
	}
}

// ordinary asks for a page, and at the agents' door.
func (r *raw) ordinary() {
	r.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for _, q := range []struct {
		method, path string
		status       int
	}{{http.MethodGet, "/signin", http.StatusOK}, {http.MethodPost, wire.SyncPath, http.StatusUnauthorized}} {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		request, err := http.NewRequestWithContext(ctx, q.method, "http://"+r.at+q.path, nil)
		if err != nil {
			r.Fatal(err)
		}
		res, err := client.Do(request)
		if err != nil {
			r.Fatalf("an ordinary request: %v", err)
		}
		res.Body.Close()
		cancel()
		if res.StatusCode != q.status {
			r.Errorf("an ordinary %s: %d", q.path, res.StatusCode)
		}
	}
}
