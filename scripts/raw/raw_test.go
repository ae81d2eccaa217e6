package raw

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"zhucun/scripts/badlink"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

const village = "369999000001"

// raw is an office and a laptop as they are shipped, reached by bytes.
type raw struct {
	*testing.T
	server *rig.Server
	laptop *rig.Laptop
	log    said
}

// said is all that both say on standard error.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRaw(t *testing.T) *raw {
	ctx := t.Context()
	bin := t.TempDir()
	for _, side := range []string{"server", "agent"} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(bin, "zhucun-"+side), "zhucun/"+side).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", side, err, out)
		}
	}
	r := &raw{T: t}
	g := &rig.Rig{Dir: t.TempDir(), Bin: bin, Lang: "en", Plain: true, Env: []string{"ZHUCUN_DEBUG=1"}, Log: &r.log}
	var err error
	if r.server, err = g.Server(ctx, "office"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.server.Do(ctx, "village", "add", village, "竹村"); err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(ctx, r.server, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.end(r.server.Stop()) })
	if r.laptop, err = g.Laptop(ctx, r.server, "laptop", "王书记", identity.FirstSecretary, village); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.end(r.laptop.Close()) })
	if _, err := r.laptop.Put(ctx, "household", "", "head_name=张三"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.laptop.Sync(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	// It is to change nothing by itself.
	r.laptop.Link.Set(badlink.Weather{Down: true})
	if err := r.laptop.Run(ctx, ""); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *raw) end(err error) {
	if err != nil {
		r.Error(err)
	}
}

// stored is every row of the office and every file of the laptop.
func (r *raw) stored() string {
	r.Helper()
	rows, err := r.server.Rows()
	if err != nil {
		r.Fatal(err)
	}
	files, err := r.laptop.Files()
	if err != nil {
		r.Fatal(err)
	}
	return rows + files
}

// doors are what bytes are sent to.
func (r *raw) doors() []door {
	office := strings.TrimPrefix(r.server.URL, "http://")
	return []door{
		{"page", office, "/signin"}, {"sync", office, wire.SyncPath}, {"enrol", office, wire.EnrolPath}, {"bundle", office, wire.BundlePath},
		{"laptop", r.laptop.Addr, "/"}, {"command", r.laptop.Addr, "/command"},
	}
}

type door struct{ name, at, target string }

// send gives what comes back for bytes until the server hangs up, or says
// nothing for a while; open tells that it has not hung up.
func (d door) send(bytes string, while time.Duration) (answer string, open bool) {
	conn, err := net.Dial("tcp", d.at)
	if err != nil {
		return err.Error(), true
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

// quiet is how long a door may say nothing before it counts as done.
const quiet = 700 * time.Millisecond

// wanted is what comes back at a door, of what a row says of the office's pages,
// the agents' doors and the laptop's.
func (d door) wanted(bytes, page, sync, laptop string) string {
	if sync == "" {
		sync = page
	}
	if laptop == "" {
		// Nobody is signed in there.
		laptop = strings.NewReplacer("200", "403", "303", "403").Replace(page)
	}
	sync, enrol, _ := strings.Cut(sync, "/")
	switch d.name {
	case "page":
		return page
	case "sync", "bundle":
		return sync
	case "enrol": // needs no device, but a message that can be read
		return cmp.Or(enrol, strings.ReplaceAll(sync, "401", "400"))
	case "command": // may come chunked, but has to prove itself, and says so of another host too
		if strings.Contains(bytes, "TARGET HTTP") && !strings.Contains(bytes, "/TARGET") {
			laptop = strings.NewReplacer("411", "403", "421", "403").Replace(laptop)
		}
	}
	return laptop
}

// Each row is what somebody sends to a page and to the agents' doors of the
// server, and to the page and the door of commands of a laptop; and the statuses
// that come back: of the office's page, of the agents' doors and the laptop's where
// they say otherwise. Whatever it is, the request hidden in it is not served, no
// other host's name comes back, nothing is stored, and the next request on a new
// connection is answered.
func TestMalformed(t *testing.T) {
	t.Parallel()
	r := newRaw(t)
	before := r.stored()
	const (
		hidden = "GET /hidden HTTP/1.1\r\nHost: HERE\r\n\r\n"
		head   = "POST TARGET HTTP/1.1\r\nHost: HERE\r\n"
		get    = "GET TARGET HTTP/1.1\r\nHost: HERE\r\n"
		none   = ""        // hung up on, without a word or after the time for headers
		closed = "!"       // hung up on after the answer
		cut    = "hung up" // by whoever sends
	)
	// Longer than hidden once the host's name is in it: nobody may serve its end.
	size := fmt.Sprintf("Content-Length: %d\r\n", len(strings.Replace(hidden, "HERE", r.laptop.Addr, 1)))
	bomb := packed(64 << 20)
	var rows sync.WaitGroup
	here := make(chan struct{}, 24) // at once
	for _, tt := range []struct{ name, bytes, page, sync, laptop string }{
		{"length and chunked", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked and length", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"length over all, and chunked", head + size + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked, of a path that is not clean", "POST //TARGET HTTP/1.1\r\nHost: HERE\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked, in capitals", head + "Content-Length: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked, after a tab", head + "Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked, on a second line", head + "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked, behind a bare line feed", head + "Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "501!", "", ""},
		{"chunked, then as it is", head + "Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden, "501!", "", ""},
		{"an encoding that is none", head + "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, "501!", "", ""},
		{"a space before the colon", head + "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden, "400!", "", ""},
		{"an underscore for the dash", head + size + "Transfer_Encoding: chunked\r\n\r\n" + hidden, "403", "401", ""},
		{"chunked in a get", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"a chunk of no size", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden, "411!", "", ""},
		{"a chunk of a size below zero", head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden, "411!", "", ""},
		{"a chunk beyond counting", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + hidden, "411!", "", ""},
		{"a chunk without its end", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeX" + hidden, "411!", "", ""},
		{"a chunk with a bare line feed", head + "Transfer-Encoding: chunked\r\n\r\n1;x\n" + hidden, "411!", "", ""},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + hidden, "400!", "", ""},
		{"the same length twice", head + size + size + "\r\n" + hidden, "403", "401", ""},
		{"a list of lengths", head + "Content-Length: 5, 5\r\n\r\n0\r\n\r\n" + hidden, "400!", "", ""},
		{"a length with a sign", head + "Content-Length: +5\r\n\r\n0\r\n\r\n" + hidden, "400!", "", ""},
		{"a length below zero", head + "Content-Length: -5\r\n\r\n0\r\n\r\n" + hidden, "400!", "", ""},
		{"a length in hexadecimal", head + "Content-Length: 0x5\r\n\r\n0\r\n\r\n" + hidden, "400!", "", ""},
		{"a length beyond counting", head + "Content-Length: 99999999999999999999\r\n\r\n" + hidden, "400!", "", ""},
		{"no length after its name", head + "Content-Length:\r\n\r\n" + hidden, "400!", "", ""},
		{"a length beyond the limit", head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 99999999\r\n\r\n" + strings.Repeat("x", 2<<20), "400!", "401!/413!", "403!"},
		{"a get with a body", get + size + "\r\n" + hidden, "200", "405", ""},
		{"1.0 with both lengths", "POST TARGET HTTP/1.0\r\nHost: HERE\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "403!", "401!", ""},
		{"1.0 chunked", "POST TARGET HTTP/1.0\r\nHost: HERE\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, "403!", "401!", ""},
		{"1.0 and more after it", "GET TARGET HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + hidden, "200!", "405!", "421!"},
		{"no version", "GET TARGET\r\n\r\n" + hidden, "400!", "", ""},
		{"a version to come", "GET TARGET HTTP/3.0\r\nHost: HERE\r\n\r\n" + hidden, "505!", "", ""},
		{"the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, "400!", "", ""},
		{"an upgrade to HTTP/2", get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, "200 400!", "405 400!", ""},
		{"no host", "GET TARGET HTTP/1.1\r\n\r\n" + hidden, "400!", "", ""},
		{"two hosts", get + "Host: evil.example\r\n\r\n" + hidden, "400!", "", ""},
		{"a host with a space", "GET TARGET HTTP/1.1\r\nHost: x evil.example\r\n\r\n" + hidden, "400!", "", ""},
		{"another host", "GET TARGET HTTP/1.1\r\nHost: evil.example\r\n\r\n", "200", "405", "421"},
		{"another host, by the door", "GET /records HTTP/1.1\r\nHost: evil.example\r\n\r\n", "303", "", "421"},
		{"absolute", "GET http://evil.example TARGET HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "400!", "", ""},
		{"absolute, with another host", "GET http://evil.exampleTARGET HTTP/1.1\r\nHost: HERE\r\n\r\n", "200", "405", "421"},
		{"a path of two slashes", "GET //evil.example/%2e%2e/.. HTTP/1.1\r\nHost: HERE\r\n\r\n", "307", "", ""},
		{"connect", "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", "404", "", ""},
		{"trace", "TRACE TARGET HTTP/1.1\r\nHost: HERE\r\nCookie: evil.example\r\n\r\n", "403", "405", ""},
		{"an expectation", head + "Expect: 200-maybe\r\n" + size + "\r\n" + hidden, "417!", "", ""},
		{"a huge header", get + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n" + hidden, "431!", "", ""},
		{"many headers", get + strings.Repeat("X: y\r\n", 20000) + "\r\n" + hidden, "431!", "", ""},
		{"a huge path", "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "431!", "", ""},
		{"NUL in a value", get + "X: a\x00b\r\n\r\n" + hidden, "400!", "", ""},
		{"NUL in a name", get + "X\x00Y: b\r\n\r\n" + hidden, "400!", "", ""},
		{"NUL in the path", "GET TARGET\x00 HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "400!", "", ""},
		{"NUL alone", "\x00\r\n\r\n" + hidden, "400!", "", ""},
		{"bytes of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + hidden, "400!", "", ""},
		{"a line that is no header", get + "nothing\r\n\r\n" + hidden, "400!", "", ""},
		{"a header that begins with a space", "GET TARGET HTTP/1.1\r\n Host: x\r\n\r\n" + hidden, "400!", "", ""},
		{"carriage returns alone", "GET TARGET HTTP/1.1\rHost: x\r\r" + hidden, "400!", "", ""},
		{"an error, and more after it", "BAD\r\n\r\n" + hidden + hidden, "400!", "", ""},
		{"a refusal, and more after it", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden + hidden, "411!", "", ""},
		{"chunk extensions", head + "Transfer-Encoding: chunked\r\n\r\n5;a=\"\r\n\";b\r\nabcde\r\n0\r\n\r\n" + hidden, "411!", "", ""},
		{"trailers", head + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 50\r\nHost: evil.example\r\n\r\n" + hidden, "400!", "", ""},
		{"trailers that are none", head + "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n0\r\nX-A: b\r\nContent-Type: x\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked and a length, without a body", get + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + hidden, "411!", "", ""},
		{"chunked in 1.0 that stays", "POST TARGET HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + hidden, "403!", "401!", "421!"},
		{"lengths of other white space", head + "Content-Length: \x0b5\r\n\r\nabcde" + hidden, "400!", "", ""},
		{"a length of wide digits", head + "Content-Length: ５\r\n\r\nabcde" + hidden, "400!", "", ""},
		{"a folded header", get + "X: a\r\n b\r\n\tc\r\n\r\n" + hidden, "200 303", "405 303", ""},
		{"a folded host", "GET TARGET HTTP/1.1\r\nHost:\r\n HERE\r\n\r\n" + hidden, "200 303", "405 303", ""},
		{"bare line feeds", "GET TARGET HTTP/1.1\nHost: HERE\n\n" + hidden, "200 303", "405 303", ""},
		{"a bare carriage return in a value", get + "X: a\rContent-Length: 50\r\n\r\n" + hidden, "400!", "", ""},
		{"a host that is no ASCII", "GET TARGET HTTP/1.1\r\nHost: 驻村\r\n\r\n" + hidden, "400!", "", ""},
		{"a host with a path", "GET TARGET HTTP/1.1\r\nHost: HERE/evil.example\r\n\r\n" + hidden, "400!", "", ""},
		{"an empty host", "GET TARGET HTTP/1.1\r\nHost:\r\n\r\n", "200", "405", "421"},
		{"a host with a name before it", "GET TARGET HTTP/1.1\r\nHost: evil.example@HERE\r\n\r\n", "400!", "", ""},
		{"an authority for a target", "GET evil.example:80 HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "307 303", "", ""},
		{"an asterisk for a target", "GET * HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "400!", "", ""},
		{"options of everything", "OPTIONS * HTTP/1.1\r\nHost: HERE\r\n\r\n", "200", "", "200"},
		{"connect to this very place", "CONNECT HERE HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "404 303", "", "404 403"},
		{"a target of another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: HERE\r\n\r\n", "303", "", ""},
		{"a path with dots", "GET /assets/../..TARGET HTTP/1.1\r\nHost: HERE\r\n\r\n", "307", "", ""},
		{"a path with dots in percent", "GET /assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: HERE\r\n\r\n", "303", "", ""},
		{"a path with a slash in percent", "GET /assets/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: HERE\r\n\r\n", "303", "", ""},
		{"a path with NUL in percent", "GET /%00TARGET HTTP/1.1\r\nHost: HERE\r\n\r\n", "303", "", ""},
		{"a path of half a percent", "GET TARGET%2 HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "400!", "", ""},
		{"a path of backslashes", "GET \\..\\..TARGET HTTP/1.1\r\nHost: HERE\r\n\r\n" + hidden, "400!", "", ""},
		{"a range", get + "Range: bytes=0-0,1-1,-1\r\n\r\n", "200", "405", ""},
		{"an upgrade", get + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x05hello", "200", "405", ""},
		{"a method of its own", "EVIL TARGET HTTP/1.1\r\nHost: HERE\r\n\r\n", "403", "405", ""},
		{"another method in a header", head + "X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n", "403", "401", ""},
		{"one after another", get + "\r\n" + get + "\r\n" + get + "\r\n", "200 200 200", "405 405 405", ""},
		{"a body longer than it says", head + "Content-Length: 2\r\n\r\nab" + "XX /hidden HTTP/1.1\r\n\r\n", "403 400!", "401 400!", ""},
		{"a body with an end too early", head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\nlogin=", cut, "", ""},
		{"a packed body", head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\nContent-Length: BOMB", "400", "401/413!", "403"},
	} {
		for _, d := range r.doors() {
			rows.Go(func() {
				here <- struct{}{}
				defer func() { <-here }()
				want := d.wanted(tt.bytes, tt.page, tt.sync, tt.laptop)
				sent := strings.NewReplacer("TARGET", d.target, "HERE", d.at, "BOMB", fmt.Sprintf("%d\r\n\r\n%s", len(bomb), bomb)).Replace(tt.bytes)
				if want == cut {
					d.cut(sent)
					return
				}
				answer, open := d.send(sent, quiet)
				got := statuses(answer)
				if !open && got != none {
					got += closed
				}
				// Whether a connection that may stay open does is nobody's harm.
				if got != want && got != want+closed || want == none && open {
					t.Errorf("%s, %s: got %q (open %v), want %q", d.name, tt.name, got, open, want)
				}
				if strings.Contains(answer, "evil.example") && !strings.Contains(answer, "Location: /evil.example") || strings.Contains(answer, "Location: //") {
					t.Errorf("%s, %s: another host's name came back", d.name, tt.name)
				}
				r.ordinary()
			})
		}
	}
	rows.Wait()
	r.unharmed(before)
}

// unharmed makes sure that nothing was stored and nothing panicked.
func (r *raw) unharmed(before string) {
	r.Helper()
	if after := r.stored(); after != before {
		r.Errorf("something was stored:\n%s", rig.Changed(before, after))
	}
	if log := r.log.String(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		r.Errorf("something panicked:\n%s", log)
	}
}

// cut sends bytes and is gone.
func (d door) cut(bytes string) {
	if conn, err := net.Dial("tcp", d.at); err == nil {
		io.WriteString(conn, bytes)
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// ordinary asks for a page, and at the agents' door.
func (r *raw) ordinary() {
	r.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for _, q := range []struct {
		method, address string
		status          int
	}{
		{http.MethodGet, r.server.URL + "/signin", http.StatusOK}, {http.MethodPost, r.server.URL + wire.SyncPath, http.StatusUnauthorized},
		{http.MethodGet, "http://" + r.laptop.Addr + "/", http.StatusForbidden},
	} {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		request, err := http.NewRequestWithContext(ctx, q.method, q.address, nil)
		if err != nil {
			cancel()
			r.Error(err)
			continue
		}
		res, err := client.Do(request)
		if err != nil {
			cancel()
			r.Errorf("an ordinary request: %v", err)
			continue
		}
		res.Body.Close()
		cancel()
		if res.StatusCode != q.status {
			r.Errorf("an ordinary %s: %d", q.address, res.StatusCode)
		}
	}
}

// packed is so many zeros, packed with gzip.
func packed(size int) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, size))
	z.Close()
	return b.String()
}
