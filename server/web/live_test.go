package web

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An open page hears of every change, nobody else hears anything, and a server
// that goes down is not held up.
func TestLive(t *testing.T) {
	f := filled(t)
	if a := f.visitor().get(livePath); a.status != http.StatusUnauthorized {
		t.Errorf("nobody hears: %d", a.status)
	}
	v := f.as("leader")
	res, err := v.http.Get(f.server.URL + livePath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("content type %q", kind)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				lines <- data
			}
		}
	}()
	next := func() string {
		t.Helper()
		select {
		case line := <-lines:
			return line
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was heard")
			return ""
		}
	}
	before := next()
	if now, err := f.store.Version(t.Context()); before != now || err != nil {
		t.Errorf("heard %q; the version is %q, %v", before, now, err)
	}
	f.quarrel(f.first(small[0].Code, "household", 0))
	if after := next(); after == before {
		t.Error("heard the same version after a change")
	}
	// Two deliveries may be two events; then the end comes at once.
	begun := time.Now()
	f.site.Close()
	for range lines {
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %s to let go", took)
	}
}
