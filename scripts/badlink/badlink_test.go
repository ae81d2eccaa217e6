package badlink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that says back what it hears.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T, target string, w Weather) *Link {
	t.Helper()
	l, err := New(target, 1, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// try says a text over a connection of its own. A link that refuses may do so
// before or after the connection is made.
func try(l *Link, text string) error {
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return say(c, text)
}

// say sends a text and waits for it to come back.
func say(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != text {
		return fmt.Errorf("got back %d other bytes", len(b))
	}
	return nil
}

func TestCounts(t *testing.T) {
	l := open(t, echo(t), Weather{})
	c := dial(t, l)
	for _, text := range []string{"one", strings.Repeat("x", 100_000), "three"} {
		if err := say(c, text); err != nil {
			t.Fatal(err)
		}
	}
	got := l.Reset()
	if got.Up != 100_008 || got.Down != 100_008 || got.Connections != 1 || got.Cuts != 0 {
		t.Errorf("got %+v; want 100008 bytes each way over one connection", got)
	}
	// An echo answers the long text while it is still being said.
	if got.Turns < 3 {
		t.Errorf("%d turns, want at least 3", got.Turns)
	}
	if err := say(c, "again"); err != nil {
		t.Fatal(err)
	}
	if got, want := l.Counts(), (Counts{Up: 5, Down: 5, Turns: 1}); got != want {
		t.Errorf("after Reset got %+v, want %+v", got, want)
	}
}

// Over plain HTTP a turn is a request.
func TestTurnsAreRequests(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, strings.Repeat("y", int(n)))
	}))
	defer s.Close()
	l := open(t, s.Listener.Addr().String(), Weather{})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 7 {
		resp, err := client.Post("http://"+l.Addr(), "text/plain", bytes.NewReader(make([]byte, 50_000*i)))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if got := l.Counts(); got.Turns != 7 || got.Connections != 1 {
		t.Errorf("got %d turns over %d connections; want 7 over 1", got.Turns, got.Connections)
	}
}

// The rate is the link's, however many connections share it; the delay comes on
// top, once each way.
func TestSlow(t *testing.T) {
	const bits = 400_000 // 50 KB/s
	l := open(t, echo(t), Weather{UpBits: bits, DownBits: bits, Delay: 50 * time.Millisecond})
	start := time.Now()
	errs := make(chan error, 2)
	for range 2 {
		c := dial(t, l)
		go func() { errs <- say(c, strings.Repeat("z", 10_000)) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	// 20 KB at 50 KB/s, and there and back. Slower is the machine's business.
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("took %s, want at least 0.5 s", took)
	}
}

// life says how many bytes a connection carried until it was cut.
func life(c net.Conn) (n int, err error) {
	for {
		if err := say(c, "0123456789"); err != nil {
			return n, err
		}
		n += 20
	}
}

func TestCutAfterBytes(t *testing.T) {
	target := echo(t)
	lives := func() (l [5]int) {
		link := open(t, target, Weather{CutBytes: 10_000, Spread: 0.5})
		for i := range l {
			n, err := life(dial(t, link))
			if err == io.EOF {
				t.Errorf("connection %d came to an orderly end", i)
			}
			l[i] = n
		}
		if got := link.Counts(); got.Cuts != len(l) {
			t.Errorf("%d cuts, want %d", got.Cuts, len(l))
		}
		return l
	}
	first, second := lives(), lives()
	if first != second {
		t.Errorf("lives of %v bytes, then %v with the same seed", first, second)
	}
	for i, n := range first {
		if n < 4_900 || n > 15_000 {
			t.Errorf("connection %d lived %d bytes, want 5000 to 15000", i, n)
		}
		if i > 0 && n == first[0] {
			t.Errorf("connections 0 and %d lived equally long in spite of the spread", i)
		}
	}
}

func TestCutAfterTimeThenRefuse(t *testing.T) {
	l := open(t, echo(t), Weather{CutAfter: 50 * time.Millisecond, Refuse: 300 * time.Millisecond})
	life(dial(t, l))
	cut := time.Now()
	for {
		err := try(l, "hello")
		if err == nil {
			break
		}
		if time.Since(cut) > 10*time.Second {
			t.Fatal("the link stays shut")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(cut); took < 200*time.Millisecond {
		t.Errorf("open again after %s, want about 0.3 s", took)
	}
	if l.Counts().Refused == 0 {
		t.Error("nobody was refused")
	}
}

func TestDown(t *testing.T) {
	l := open(t, echo(t), Weather{})
	c := dial(t, l)
	if err := say(c, "before"); err != nil {
		t.Fatal(err)
	}
	l.Set(Weather{Down: true})
	if err := say(c, "open"); err == nil {
		t.Error("an open connection outlived the link")
	}
	if err := try(l, "new"); err == nil {
		t.Error("a new connection got through")
	}
	l.Set(Weather{})
	if err := try(l, "after"); err != nil {
		t.Error(err)
	}
}

// A server that is not there looks to the client like a link that is down.
func TestNoServer(t *testing.T) {
	l := open(t, "127.0.0.1:1", Weather{})
	if err := try(l, "hello"); err == nil {
		t.Error("somebody answered")
	}
}

// What one side ends in order, the other hears of in order, and may still
// answer.
func TestHalfClose(t *testing.T) {
	l := open(t, echo(t), Weather{Delay: 10 * time.Millisecond})
	c := dial(t, l).(*net.TCPConn)
	io.WriteString(c, "last words")
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "last words" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClose(t *testing.T) {
	l := open(t, echo(t), Weather{UpBits: 8000, DownBits: 8000, Delay: time.Minute})
	c := dial(t, l)
	go io.WriteString(c, strings.Repeat("w", 1<<20))
	time.Sleep(50 * time.Millisecond)
	done := make(chan error, 1)
	go func() { done <- l.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close hangs")
	}
	if _, err := net.Dial("tcp", l.Addr()); err == nil {
		t.Error("still open after Close")
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}
