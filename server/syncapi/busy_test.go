package syncapi

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"time"

	"zhucun/shared/wire"
)

// Whoever has to come back has a place of his own: a thousand who come at once come
// back one after the other, at the pace at which they can be served, and the line is
// gone once its time is.
func TestLine(t *testing.T) {
	b := &busy{most: 4, took: 200 * time.Millisecond} // 20 a second
	now := time.Unix(1e9, 0)
	at := map[int]int{}
	last := 0
	for range 1000 {
		n := b.place(now)
		if n < last || n < int(shortWait/time.Second) {
			t.Fatalf("a wait of %d s after one of %d s", n, last)
		}
		last = n
		at[n]++
	}
	for second, n := range at {
		if n > 21 {
			t.Errorf("%d are to come back in second %d", n, second)
		}
	}
	if last < 55 || last > 65 {
		t.Errorf("the last of 1000 at 20 a second is to come back in %d s", last)
	}
	// What is busy longer is told to more.
	if b.took = 800 * time.Millisecond; b.place(now.Add(time.Hour)) != 10 || b.end.Sub(now.Add(time.Hour)) != shortWait+200*time.Millisecond {
		t.Errorf("an hour later the line ends in %v", b.end.Sub(now.Add(time.Hour)))
	}
	for range 100000 {
		if n := b.place(now); n > int(longWait/time.Second) {
			t.Fatalf("a wait of %d s", n)
		}
	}
}

// Nobody's bytes are read for nothing: a server that has enough to do says so first,
// and to each another time; when it has done it, it takes all.
func TestBusy(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	h.door.busy.most = 1
	h.door.busy.took = 2 * time.Second
	leave := h.door.busy.enter()
	m, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{h.here(0)}, Assigned: 1}, wire.Thrifty)
	h.ok(err)
	wire.SetClock(m, time.Now().UnixMilli())
	ask := func() (int, int) {
		r, err := http.NewRequest("POST", h.server.URL+wire.SyncPath, bytes.NewReader(m))
		h.ok(err)
		r.Header.Set("Authorization", "Bearer "+l.who.Token)
		resp, err := http.DefaultClient.Do(r)
		h.ok(err)
		resp.Body.Close()
		after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return resp.StatusCode, after
	}
	last := 9
	for range 5 {
		if status, after := ask(); status != http.StatusServiceUnavailable || after <= last {
			t.Errorf("status %d, to come back in %d s after one in %d s", status, after, last)
		} else {
			last = after
		}
	}
	leave()
	if status, after := ask(); status != http.StatusOK {
		t.Errorf("status %d, %d", status, after)
	}
	if h.door.busy.served != 0 {
		t.Errorf("%d are served for ever", h.door.busy.served)
	}
}
