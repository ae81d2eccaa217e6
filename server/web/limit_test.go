package web

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// short is the limit on time in these tests, and long what must not be waited
// for.
const (
	short = 300 * time.Millisecond
	long  = 10 * time.Second
)

// dial opens a connection and sends a request of which more never comes.
func dial(t *testing.T, server *httptest.Server, request string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(long))
	return c
}

// A body that does not come ends its request, whether anybody reads it or not.
func TestBodyThatNeverComes(t *testing.T) {
	f := newFixture(t, small...)
	f.site.stall = short
	for _, line := range []string{"POST /signin", "GET /signin", "POST /nowhere", "GET " + livePath} {
		c := dial(t, f.server, line+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\na")
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is still open", line)
		}
	}
}

// What is done for a request may take longer than its body.
func TestBodyLimitIsLifted(t *testing.T) {
	f := newFixture(t, small...)
	f.site.stall = short
	done := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f.site.limitBody(rw, r)
		r.ParseForm()
		time.Sleep(2 * short)
		done <- r.Context().Err()
	}))
	defer s.Close()
	if res, err := http.Post(s.URL, "application/x-www-form-urlencoded", strings.NewReader("a=b")); err != nil {
		t.Error(err)
	} else {
		res.Body.Close()
	}
	if err := <-done; err != nil {
		t.Errorf("the request was ended: %v", err)
	}
}

// Each row is how an answer is read, and whether all of it must have been sent.
func TestSlowReader(t *testing.T) {
	const size = 48 << 20
	f := newFixture(t, small...)
	f.site.stall = short
	wrote := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, err := f.site.limitAnswer(rw).Write(make([]byte, size))
		wrote <- err
	}))
	defer s.Close()
	for name, tt := range map[string]struct {
		read func(net.Conn)
		ends bool
	}{
		"not at all": {func(net.Conn) {}, true},
		"slowly": {func(c net.Conn) {
			for b := make([]byte, size/20); ; time.Sleep(short / 6) {
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
			}
		}, false},
	} {
		go tt.read(dial(t, s, "GET / HTTP/1.0\r\n\r\n"))
		select {
		case err := <-wrote:
			if tt.ends != errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read %s: %v", name, err)
			}
		case <-time.After(long):
			t.Errorf("read %s: the answer is still being written", name)
			s.CloseClientConnections()
			<-wrote
		}
	}
}

// An export that fails half way is a page that says so. What has begun to be
// sent and fails is cut off, not ended.
func TestHalfAFile(t *testing.T) {
	f := filled(t)
	v := f.as("office")
	const path = "/export/household?format=csv"
	if a := v.get(path); a.status != http.StatusOK || strings.Count(a.body, "\r\n") != 37 {
		t.Fatalf("%d, %d lines", a.status, strings.Count(a.body, "\r\n"))
	}
	db, err := sql.Open("sqlite", f.file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE record SET state = zeroblob(3) WHERE record_id = (SELECT max(record_id) FROM record WHERE type = 'household')`); err != nil {
		t.Fatal(err)
	}
	if a := v.get(path); a.status != http.StatusInternalServerError || !strings.Contains(a.body, "服务器没有做成") {
		t.Errorf("of a damaged record: %d, %d lines", a.status, strings.Count(a.body, "\r\n"))
	}
	if left, err := os.ReadDir(f.site.opt.Spool); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	f.site.mux.HandleFunc("GET /half", f.site.serve(door, func(*page) (reply, error) {
		return reply{send: func(rw http.ResponseWriter) error {
			fmt.Fprint(rw, strings.Repeat("half a file ", 10000))
			return errors.New("and no more")
		}}, nil
	}))
	res, err := v.http.Get(f.server.URL + "/half")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("half a file was read as a whole one")
	}
}

// Over HTTP/2 a limit on writing ends the stream even while nothing is written:
// an open page hears of what changes after a quiet time.
func TestLiveHTTP2(t *testing.T) {
	f := filled(t)
	f.site.liveStall = short
	s := httptest.NewUnstartedServer(f.site.Handler())
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	defer f.site.Close()
	f.server.Close()
	f.server = s
	v := f.visitor()
	v.http.Transport = s.Client().Transport
	v.signIn("leader", password)
	res, err := v.http.Get(s.URL + livePath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %d", res.Proto, res.StatusCode)
	}
	time.Sleep(3 * short)
	f.quarrel(f.first(small[0].Code, "household", 0))
	heard, b := 0, make([]byte, 4096)
	for heard < 2 {
		n, err := res.Body.Read(b)
		if heard += strings.Count(string(b[:n]), "event: version"); err != nil {
			t.Fatalf("heard %d, then %v", heard, err)
		}
	}
}
