package syncapi

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// cutOff sends the beginning of a request of that name and gives the connection,
// which is still open.
func (l *laptop) cutOff(name string, size int, some []byte) net.Conn {
	l.h.Helper()
	c, err := net.Dial("tcp", l.h.server.Listener.Addr().String())
	l.h.ok(err)
	l.h.T.Cleanup(func() { c.Close() })
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", wire.SyncPath, l.who.Token, wire.BodyHeader, name, size, some)
	l.h.ok(err)
	return c
}

// has asks how much of a message is there.
func (l *laptop) has(name string) string {
	l.h.Helper()
	r, err := http.NewRequest("POST", l.h.server.URL+wire.SyncPath, nil)
	l.h.ok(err)
	r.Header.Set("Authorization", "Bearer "+l.who.Token)
	r.Header.Set(wire.BodyHeader, name)
	resp, err := http.DefaultClient.Do(r)
	l.h.ok(err)
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || len(b) > 0 || resp.StatusCode != http.StatusOK {
		l.h.Errorf("status %d, %d bytes, %v", resp.StatusCode, len(b), err)
	}
	return resp.Header.Get(wire.FromHeader)
}

// goOn sends the rest of a message and gives the status.
func (l *laptop) goOn(name string, from int, rest []byte, message any) int {
	l.h.Helper()
	clock := make([]byte, wire.Uncounted)
	wire.SetClock(clock, time.Now().UnixMilli())
	r, err := http.NewRequest("POST", l.h.server.URL+wire.SyncPath, strings.NewReader(string(clock)+string(rest)))
	l.h.ok(err)
	r.Header.Set("Authorization", "Bearer "+l.who.Token)
	r.Header.Set(wire.BodyHeader, name)
	r.Header.Set(wire.FromHeader, strconv.Itoa(from))
	resp, err := http.DefaultClient.Do(r)
	l.h.ok(err)
	defer resp.Body.Close()
	l.h.ok(wire.Decode(resp.Body, wire.MaxAnswer, message))
	return resp.StatusCode
}

// A request that was cut off goes on where it was, also where the server has not
// noticed yet; another device learns and spoils nothing of it.
func TestGoesOn(t *testing.T) {
	h := newHouse(t)
	l, other := h.laptop("甲"), h.laptop("乙")
	var seg []byte
	for n := range 60 {
		seg = l.write(n + 1)
	}
	body, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village, Streams: l.own(0), Segments: [][]byte{seg}}}, Assigned: l.serial}, wire.Thrifty)
	h.ok(err)
	name, message := wire.BodyName(body), body[wire.Uncounted:]
	if l.has(name) != "0" {
		t.Error("something is there before anything was sent")
	}

	// Twice: the second time the connection stays open and says nothing more.
	half, most := len(message)/3, 2*len(message)/3
	first := l.cutOff(name, len(body), body[:wire.Uncounted+half])
	until(t, func() bool { return len(h.door.door.bringing(l.who.Device, name)) == 1 })
	h.ok(first.Close())
	until(t, func() bool { return l.has(name) == strconv.Itoa(half) })
	if other.has(name) != "0" || l.has("another") != "0" {
		t.Error("it is there for another device, or under another name")
	}
	f := new(wire.Fault)
	for _, from := range []int{most, -1, 1 << 30} {
		if status := l.goOn(name, from, message[half:], f); status != http.StatusPreconditionFailed {
			t.Errorf("from %d on: status %d", from, status)
		}
	}
	if status := other.goOn(name, half, message[half:], f); status != http.StatusPreconditionFailed {
		t.Errorf("another device goes on: status %d", status)
	}

	open, err := net.Dial("tcp", h.server.Listener.Addr().String())
	h.ok(err)
	defer open.Close()
	_, err = fmt.Fprintf(open, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s: %s\r\n%s: %d\r\nContent-Length: %d\r\n\r\n%s%s",
		wire.SyncPath, l.who.Token, wire.BodyHeader, name, wire.FromHeader, half, len(body)-half, make([]byte, wire.Uncounted), message[half:most])
	h.ok(err)
	until(t, func() bool { return len(h.door.door.bringing(l.who.Device, name)) == 1 })
	begin := time.Now()
	// What lies in the kernel may not have been read yet.
	until(t, func() bool { return l.has(name) == strconv.Itoa(most) || l.has(name) == strconv.Itoa(half) })
	if time.Since(begin) > 2*time.Second {
		t.Errorf("the question waited %v for a request that says nothing", time.Since(begin))
	}
	has, err := strconv.Atoi(l.has(name))
	h.ok(err)

	answer := new(wire.Synced)
	if status := l.goOn(name, has, message[has:], answer); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if r := answer.Villages[0].Receipts; len(r) != 1 || r[0].Seq != 60 {
		t.Errorf("receipts %v", r)
	}
	if l.has(name) != wire.WholeBody {
		t.Errorf("it is all there, and said is %q", l.has(name))
	}
}

// kept40 brings a message of which the connection ends behind 40 bytes, which are kept.
func (l *laptop) kept40() (name string, message []byte) {
	h := l.h
	t := h.T
	t.Helper()
	body, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village, Streams: l.own(0), Segments: [][]byte{l.write(1)}}}, Assigned: l.serial}, wire.Thrifty)
	h.ok(err)
	name = wire.BodyName(body)
	c := l.cutOff(name, len(body), body[:wire.Uncounted+40])
	until(t, func() bool { return len(h.door.door.bringing(l.who.Device, name)) == 1 })
	h.ok(c.Close())
	until(t, func() bool { return l.has(name) == "40" })
	return name, body[wire.Uncounted:]
}

// A server that has enough to do keeps what had come, and says so, until it takes the
// rest.
func TestGoesOnAfterBusy(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("甲")
	name, message := l.kept40()
	h.door.busy.most = 1
	leave := h.door.busy.enter()
	for range 2 {
		if status := l.goOn(name, 40, message[40:], new(wire.Fault)); status != http.StatusServiceUnavailable {
			t.Errorf("busy, it says %d", status)
		}
		if has := l.has(name); has != "40" {
			t.Errorf("busy, it has %s", has)
		}
	}
	leave()
	if status := l.goOn(name, 40, message[40:], new(wire.Synced)); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// What does not belong to what is kept is not taken, and that is forgotten.
func TestGoesOnOtherwise(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("甲")
	name, message := l.kept40()
	bad := append([]byte(nil), message[40:]...)
	bad[len(bad)-1]++
	if status := l.goOn(name, 40, bad, new(wire.Fault)); status != http.StatusPreconditionFailed {
		t.Errorf("another end: status %d", status)
	}
	if has := l.has(name); has != "0" {
		t.Errorf("of what was spoilt %s is kept", has)
	}
	if pull, f := l.sync(wire.Push{Village: village}); f != nil || len(pull.Villages) > 0 && len(pull.Villages[0].Records) > 0 {
		t.Errorf("something was taken: %+v, %v", pull, f)
	}
}

// What is kept has bounds: the oldest goes, and what is too old.
func TestHeldIsBounded(t *testing.T) {
	var h held
	at := time.Now()
	for n := range 20 {
		h.keep(identity.Device(fmt.Sprint(n)), stub{name: "x", begin: make([]byte, wire.MaxRequest), at: at.Add(time.Duration(n))})
	}
	if h.bytes > maxHeld || len(h.of) != maxHeld/wire.MaxRequest {
		t.Errorf("%d bytes of %d devices are kept", h.bytes, len(h.of))
	}
	if _, ok := h.find("19", "x"); !ok {
		t.Error("the newest is gone")
	}
	h.keep("new", stub{name: "y", begin: []byte{1}, at: at.Add(heldFor + time.Hour)})
	if len(h.of) != 1 || h.bytes != 1 {
		t.Errorf("%d bytes of %d devices are kept too long", h.bytes, len(h.of))
	}
}

// until polls until ok.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never comes true")
		}
	}
}
