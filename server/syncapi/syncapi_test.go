package syncapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"zhucun/server/access"
	files "zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
	"zhucun/shared/wire/blocksort"
)

const village = record.Village("369999000001")

// house is a server with one village, over HTTP.
type house struct {
	*testing.T
	s      *store.Store
	a      *access.Access
	door   *Handler
	server *httptest.Server
	key    ed25519.PrivateKey
	dir    string // of its files
}

func newHouse(t *testing.T) *house {
	h := &house{T: t, key: ed25519.NewKeyFromSeed(make([]byte, 32))}
	var err error
	h.dir = filepath.Join(t.TempDir(), "blobs")
	kept, err := files.Open(h.dir)
	h.ok(err)
	t.Cleanup(func() { kept.Close() })
	h.s, err = sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "zhucun.db"), store.Options{Key: h.key, Now: time.Now, Random: rand.NewChaCha8([32]byte{}), Files: kept})
	h.ok(err)
	t.Cleanup(func() { h.s.Close() })
	h.a = access.New(h.s)
	h.ok(h.a.AddVillage(context.Background(), store.Village{Code: village, Name: "清源村"}))
	h.ok(h.a.AddVillage(context.Background(), store.Village{Code: "2", Name: "别村"}))
	h.server = httptest.NewUnstartedServer(nil)
	h.door = New(h.s, h.a)
	mux := http.NewServeMux()
	mux.Handle("/", h.door)
	mux.Handle(wire.BlobPath, NewBlobs(h.door))
	h.server.Config = Server(mux, slog.New(slog.DiscardHandler))
	h.server.Start()
	t.Cleanup(h.server.Close)
	return h
}

func (h *house) ok(err error) {
	if err != nil {
		h.Helper()
		h.Fatal(err)
	}
}

// post sends bytes and reads the answer into message, or gives the fault.
func (h *house) post(path, token string, body []byte, message any) *wire.Fault {
	h.Helper()
	r, err := http.NewRequest("POST", h.server.URL+path, bytes.NewReader(body))
	h.ok(err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	h.ok(err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		h.ok(wire.Decode(resp.Body, wire.MaxAnswer, message))
		return nil
	}
	f := new(wire.Fault)
	h.ok(wire.Decode(resp.Body, wire.MaxAnswer, f))
	return f
}

// laptop is an enrolled device.
type laptop struct {
	h      *house
	key    ed25519.PrivateKey
	who    wire.Enrolled
	serial uint64
	room   uint64
	seg    *journal.Segment
	hashes []journal.Hash
}

func (h *house) laptop(name string) *laptop {
	h.Helper()
	code, err := h.a.NewCode(context.Background(), access.Laptop{Villages: []record.Village{village}, Role: identity.TeamMember, Name: name, TTL: time.Hour, URL: "http://x"})
	h.ok(err)
	seed := make([]byte, 32)
	copy(seed, name)
	l := &laptop{h: h, key: ed25519.NewKeyFromSeed(seed), serial: 1}
	b, err := wire.Encode(&wire.Enrol{Version: wire.Version, Code: code.ID, Secret: code.Secret, Key: l.key.Public().(ed25519.PublicKey), Agent: "0.1"}, wire.Thrifty)
	h.ok(err)
	if f := h.post(wire.EnrolPath, "", b, &l.who); f != nil {
		h.Fatal(f)
	}
	var inc identity.Incarnation
	l.seg = &journal.Segment{Stream: record.Stream(identity.StreamOf(l.key.Public().(ed25519.PublicKey), string(village), inc)), From: 1, Incarnation: inc}
	return l
}

// write adds a change to the laptop's stream and gives the whole of it, signed.
func (l *laptop) write(n int) []byte {
	l.seg.Changes = append(l.seg.Changes, record.Change{
		Record: record.ID{0: byte(n), 6: 0x70, 8: 0x80}, Type: "household", Time: uint64(time.Now().UnixMilli()) << 16, Author: l.who.Assigned.Profiles[0],
		Body: []record.Write{{Path: record.Source, Value: `"onsite"`}, {Path: "head_name", Value: record.Text(fmt.Sprint("王", n))}},
	})
	l.hashes = l.seg.Hashes(journal.Hash{})
	l.seg.Seal(l.key, l.hashes[len(l.hashes)-1])
	return l.seg.Encode()
}

func (l *laptop) own(acked uint64) []wire.Own {
	return []wire.Own{{Stream: l.seg.Stream, Head: uint64(len(l.seg.Changes)), Acked: acked}}
}

func (l *laptop) sync(p ...wire.Push) (*wire.Synced, *wire.Fault) {
	l.h.Helper()
	b, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: p, Assigned: l.serial, Room: l.room}, wire.Thrifty)
	l.h.ok(err)
	wire.SetClock(b, time.Now().UnixMilli())
	answer := new(wire.Synced)
	return answer, l.h.post(wire.SyncPath, l.who.Token, b, answer)
}

// A push is answered with its receipt, another laptop gets the record, and with
// nothing new the answer is next to nothing.
func TestSync(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	seg := a.write(1)
	for range 2 { // the second as after a lost answer
		answer, f := a.sync(wire.Push{Village: village, Streams: a.own(0), Segments: [][]byte{seg}})
		if f != nil || len(answer.Villages) != 1 || len(answer.Villages[0].Receipts) != 1 || len(answer.Villages[0].Records) != 0 {
			t.Fatalf("%+v, %v", answer, f)
		}
		if r := answer.Villages[0].Receipts[0]; !r.Proves(h.key.Public().(ed25519.PublicKey), a.hashes[0]) {
			t.Errorf("receipt %+v", r)
		}
	}
	answer, f := b.sync(wire.Push{Village: village})
	if f != nil || len(answer.Villages[0].Records) != 1 || answer.Villages[0].Cursor != 1 || len(answer.Villages[0].Heads) != 1 {
		t.Fatalf("%+v, %v", answer, f)
	}
	p := wire.Push{Village: village, Epoch: h.s.Epoch(), Cursor: 1}
	if answer, f = b.sync(p); f != nil || len(answer.Villages) != 0 || answer.Assigned != nil || time.Since(time.UnixMilli(answer.Time)) > time.Minute {
		t.Errorf("nothing is new: %+v, %v", answer, f)
	}
	contacts, err := h.s.Contacts(context.Background())
	if err != nil || len(contacts) != 2 {
		t.Errorf("contacts %+v, %v", contacts, err)
	}
}

// An answer that says nothing is small, headers and all.
func TestNothingIsSmall(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	m, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village, Epoch: h.s.Epoch()}}, Assigned: 1}, wire.Thrifty)
	h.ok(err)
	wire.SetClock(m, time.Now().UnixMilli())
	answer := h.raw("POST " + wire.SyncPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + l.who.Token + "\r\nContent-Length: " + fmt.Sprint(len(m)) + "\r\n\r\n" + string(m))
	if !strings.HasPrefix(answer, "HTTP/1.1 200") || len(answer) > 150 {
		t.Errorf("%d bytes: %q", len(answer), answer)
	}
}

// raw sends bytes over a connection and gives all that comes back within half
// a second.
func (h *house) raw(request string) string {
	h.Helper()
	u, err := url.Parse(h.server.URL)
	h.ok(err)
	c, err := net.Dial("tcp", u.Host)
	h.ok(err)
	defer c.Close()
	_, err = c.Write([]byte(request))
	h.ok(err)
	h.ok(c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)))
	b, err := io.ReadAll(bufio.NewReader(c))
	var timeout net.Error
	if err != nil && !errors.As(err, &timeout) {
		h.Fatal(err)
	}
	return string(b)
}

// What may be two requests to somebody is none here.
func TestSmuggling(t *testing.T) {
	h := newHouse(t)
	second := "GET /second HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, head := range map[string]string{
		"chunked":             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both":                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both, other order":   "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"no length, a body":   "Transfer-Encoding: identity\r\n\r\n",
		"two lengths":         "Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
		"a body beyond limit": "Content-Length: 99999999\r\n\r\n",
	} {
		answer := h.raw("POST " + wire.SyncPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.laptop(name).who.Token + "\r\n" + head + second)
		if n := strings.Count(answer, "HTTP/1."); n != 1 || strings.Contains(answer, "200 OK") {
			t.Errorf("%s: %d answers: %q", name, n, answer)
		}
	}
}

// Each row is a request that is answered with a fault, and the fault.
func TestFaults(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	encode := func(m *wire.Sync) []byte {
		b, err := wire.EncodeSync(m, wire.Thrifty)
		h.ok(err)
		return b
	}
	good := encode(&wire.Sync{Version: wire.Version})
	later := bytes.Replace(good, []byte{'Z', 'C', 0xB7, wire.Version}, []byte{'Z', 'C', 0xB7, wire.Version + 1}, 1)
	enrol, err := wire.Encode(&wire.Enrol{Version: wire.Version, Key: make([]byte, 32)}, wire.Thrifty)
	h.ok(err)
	for _, tt := range []struct {
		name, path, token string
		body              []byte
		code              string
	}{
		{"no token", wire.SyncPath, "", good, wire.FaultDevice},
		{"nobody's token", wire.SyncPath, "x", good, wire.FaultDevice},
		{"an empty body", wire.SyncPath, l.who.Token, nil, wire.FaultMessage},
		{"a page", wire.SyncPath, l.who.Token, []byte("<html>please sign in</html>"), wire.FaultMessage},
		{"cut off", wire.SyncPath, l.who.Token, good[:len(good)-1], wire.FaultMessage},
		{"a later version", wire.SyncPath, l.who.Token, later, wire.FaultVersion},
		{"a later release", wire.SyncPath, l.who.Token, encode(&wire.Sync{Version: 99}), wire.FaultVersion},
		{"a village twice", wire.SyncPath, l.who.Token, encode(&wire.Sync{Villages: []wire.Push{{Village: "1"}, {Village: "1"}}}), wire.FaultMessage},
		{"a village without a name", wire.SyncPath, l.who.Token, encode(&wire.Sync{Villages: []wire.Push{{}}}), wire.FaultMessage},
		{"a clock set more often than is kept", wire.SyncPath, l.who.Token, encode(&wire.Sync{Runs: make([]clock.Run, clock.MaxRuns+1)}), wire.FaultMessage},
		{"an unknown code", wire.EnrolPath, "", enrol, wire.FaultCode},
		{"no code", wire.EnrolPath, "", []byte("x"), wire.FaultMessage},
		{"somewhere else", "/v1/other", "", nil, wire.FaultMessage},
	} {
		if f := h.post(tt.path, tt.token, tt.body, nil); f == nil || f.Code != tt.code || f.Text == "" {
			t.Errorf("%s: %+v, want %s", tt.name, f, tt.code)
		}
	}
}

// A few bytes that unpack into megabytes are refused, and take no more memory
// than is set apart for them. All of it is given back.
func TestBombs(t *testing.T) {
	h := newHouse(t)
	token := h.laptop("王队员").who.Token
	magic := []byte{'Z', 'C', 0xB7, wire.Version}
	enc, err := zstd.NewWriter(nil)
	h.ok(err)
	const times = 8
	for path, body := range map[string][]byte{
		wire.EnrolPath: blocksort.Append(append(magic, 3), make([]byte, 2<<20)),
		wire.SyncPath:  enc.EncodeAll(make([]byte, maxSync+1), slices.Concat(make([]byte, 8), magic, []byte{1})),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			if f := h.post(path, token, body, nil); f == nil || f.Code != wire.FaultMessage {
				t.Errorf("%s: %d bytes are answered with %+v", path, len(body), f)
			}
		}
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) / times; path == wire.EnrolPath && took > sorter+1<<20 {
			t.Errorf("%s: %d bytes took %d KB", path, len(body), took>>10)
		}
	}
	if !h.door.unpacked.TryAcquire(maxUnpacked) || !h.door.bodies.TryAcquire(maxBodies) {
		t.Error("memory was not given back")
	}
}

// However many wait to write, who only reads is answered.
func TestReadersDoNotWait(t *testing.T) {
	h := newHouse(t)
	reader := h.laptop("读者")
	var writers []*laptop
	for i := range 2*runtime.GOMAXPROCS(0) + 2 {
		writers = append(writers, h.laptop(fmt.Sprint("王", i)))
	}
	begun, end := make(chan bool), make(chan bool)
	var all sync.WaitGroup
	all.Go(func() {
		if err := h.s.Desk(context.Background(), village, func(*store.Desk) error { close(begun); <-end; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	for i, l := range writers {
		seg := l.write(i)
		all.Go(func() {
			if _, f := l.sync(wire.Push{Village: village, Streams: l.own(0), Segments: [][]byte{seg}}); f != nil {
				t.Error(f)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	answered := make(chan bool)
	all.Go(func() {
		if _, f := reader.sync(wire.Push{Village: village}); f != nil {
			t.Error(f)
		}
		close(answered)
	})
	select {
	case <-answered:
	case <-time.After(5 * time.Second):
		t.Error("a laptop that has nothing to send waits for those that have")
	}
	close(end)
	all.Wait()
}

// How much is free on a laptop's disk the office learns from its sync; of a laptop of before
// nothing is known.
func TestRoom(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	for _, row := range []struct{ says, want uint64 }{{0, 0}, {wire.RoomOf(200 << 20), 192 << 20}, {wire.RoomOf(1), wire.RoomUnit}, {wire.RoomOf(9<<30 + 5), 9 << 30}} {
		l.room = row.says
		if _, f := l.sync(wire.Push{Village: village}); f != nil {
			t.Fatal(f)
		}
		h.ok(h.s.FlushContacts(t.Context()))
		list, err := h.s.Contacts(t.Context())
		h.ok(err)
		if len(list) != 1 || list[0].Room != row.want {
			t.Errorf("says %d: %+v, want %d", row.says, list, row.want)
		}
	}
}

// A revoked laptop reads nothing more. What it still had is taken, in quarantine,
// and then it is told.
func TestRevoked(t *testing.T) {
	h := newHouse(t)
	l, other := h.laptop("王队员"), h.laptop("李队员")
	other.sync(wire.Push{Village: village, Streams: other.own(0), Segments: [][]byte{other.write(9)}})
	_, err := h.a.Revoke(context.Background(), l.who.Device)
	h.ok(err)
	p := wire.Push{Village: village, Streams: l.own(0), Segments: [][]byte{l.write(1)}}
	p.Streams = l.own(0)
	answer, f := l.sync(p)
	if f != nil || len(answer.Villages) != 1 || !answer.Villages[0].Denied || len(answer.Villages[0].Records) != 0 {
		t.Fatalf("%+v, %v", answer, f)
	}
	if q := answer.Villages[0].Receipts[0].Quarantined; len(q) != 1 || q[0].Reason != store.ReasonRevoked {
		t.Errorf("quarantined %+v", q)
	}
	// It is a contact only once the order to empty itself goes out.
	heard := func() bool {
		list, err := h.s.Contacts(context.Background())
		h.ok(err)
		return slices.ContainsFunc(list, func(c store.Contact) bool { return c.Device == l.who.Device })
	}
	if heard() {
		t.Error("a revoked laptop that was given no order counts as heard of")
	}
	if _, f := l.sync(wire.Push{Village: village, Streams: l.own(1)}); f == nil || f.Code != wire.FaultRevoked {
		t.Errorf("the fault is %+v", f)
	}
	if !heard() {
		t.Error("nobody knows that the order went out")
	}

	// Of a backup that lacks its last work it hears all the same, and sends it again.
	known := answer.Villages[0].Epoch
	_, err = h.s.Restore(context.Background(), time.Now())
	h.ok(err)
	answer, f = l.sync(wire.Push{Village: village, Epoch: known})
	if f != nil || len(answer.Villages) != 1 || answer.Villages[0].Epoch == known || !answer.Villages[0].Denied {
		t.Fatalf("after a restore: %+v, %v", answer, f)
	}
	if _, f := l.sync(wire.Push{Village: village, Epoch: answer.Villages[0].Epoch}); f == nil || f.Code != wire.FaultRevoked {
		t.Errorf("once it knows, the fault is %+v", f)
	}
	if taken := h.take(l.bundle(wire.Push{Village: village, Epoch: known})); len(taken.Reply) == 0 {
		t.Error("after a restore a bundle gets no reply")
	}
}

// begin sends the head of a sync that announces size bytes, and some of them.
func (l *laptop) begin(size int, some []byte) net.Conn {
	l.h.Helper()
	u, err := url.Parse(l.h.server.URL)
	l.h.ok(err)
	c, err := net.Dial("tcp", u.Host)
	l.h.ok(err)
	l.h.Cleanup(func() { c.Close() })
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", wire.SyncPath, l.who.Token, size, some)
	l.h.ok(err)
	return c
}

// answered reads the status that comes back, and when to come again.
func (h *house) answered(c net.Conn) (status int, retry string) {
	h.Helper()
	h.ok(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	h.ok(err)
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

// A laptop whose requests stand still takes no place and no memory from others,
// nor from itself: the newest of its requests counts.
func TestStalled(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	for range 64 {
		b.begin(wire.MaxRequest, []byte("x"))
	}
	waiting := func() int {
		h.door.door.Lock()
		defer h.door.door.Unlock()
		return len(h.door.door.open[b.who.Device])
	}
	for end := time.Now().Add(10 * time.Second); waiting() != maxCalls || !h.door.bodies.TryAcquire(maxBodies-maxCalls*chunk); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests are open, or hold more than what has come of them", waiting())
		}
	}
	h.door.bodies.Release(maxBodies - maxCalls*chunk)
	begun := time.Now()
	for _, l := range []*laptop{a, b} {
		if _, f := l.sync(wire.Push{Village: village}); f != nil || time.Since(begun) > 5*time.Second {
			t.Errorf("after %s: %v", time.Since(begun), f)
		}
	}
}

// Whoever waits with two requests is to come back later with the third.
func TestTwoAtOnce(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	m, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village, Segments: [][]byte{l.write(1)}}}}, wire.Thrifty)
	h.ok(err)
	wire.SetClock(m, time.Now().UnixMilli())
	h.ok(h.s.Desk(context.Background(), village, func(*store.Desk) error {
		for range maxCalls {
			l.begin(len(m), m)
			time.Sleep(200 * time.Millisecond) // it has arrived
		}
		if status, retry := h.answered(l.begin(len(m), m)); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("the third is answered with %d, to come again after %q", status, retry)
		}
		return nil
	}))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, f := l.sync(wire.Push{Village: village}); f == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(f)
		}
	}
}

// Villages that are not the laptop's are denied, and there may be so many of
// them; nothing comes of those that the office does not know.
func TestOtherVillages(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	push := []wire.Push{{Village: village}}
	for i := range maxOthers {
		push = append(push, wire.Push{Village: record.Village(fmt.Sprint("x", i)), Segments: [][]byte{{1}}})
	}
	answer, f := l.sync(push...)
	if f != nil || len(answer.Villages) != maxOthers+1 || !answer.Villages[1].Denied || len(answer.Villages[1].Refused) != 1 || answer.Villages[1].Refused[0].Code != wire.RefusedVillage {
		t.Fatalf("%+v, %v", answer, f)
	}
	if _, f := l.sync(append(push, wire.Push{Village: "y"})...); f == nil || f.Code != wire.FaultMessage {
		t.Errorf("one more: %v", f)
	}
	if heads, err := h.s.Heads(context.Background()); err != nil || len(heads) != 2 {
		t.Errorf("villages %v, %v", heads, err)
	}
}

// What a laptop may do is what it may do when its request has arrived, not when
// the request began.
func TestRightsAreThoseOfTheEnd(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	m, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village}}}, wire.Thrifty)
	h.ok(err)
	wire.SetClock(m, time.Now().UnixMilli())
	c := l.begin(len(m), m[:len(m)-1])
	time.Sleep(200 * time.Millisecond)
	_, err = h.a.Revoke(context.Background(), l.who.Device)
	h.ok(err)
	_, err = c.Write(m[len(m)-1:])
	h.ok(err)
	if status, _ := h.answered(c); status != http.StatusForbidden {
		t.Errorf("revoked before the last byte: status %d", status)
	}
	// A large message of a revoked laptop is refused before it comes.
	if status, _ := h.answered(l.begin(maxRevoked+1, nil)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large message of a revoked laptop: status %d", status)
	}
}

// A village that is not the laptop's is denied; a changed assignment comes with
// the next answer.
func TestAssignment(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	answer, f := l.sync(wire.Push{Village: "2"}, wire.Push{Village: village})
	if f != nil || len(answer.Villages) != 2 || !answer.Villages[0].Denied || answer.Villages[1].Denied {
		t.Errorf("%+v, %v", answer, f)
	}
	_, err := h.a.Assign(context.Background(), l.who.Device, []record.Village{"2"})
	h.ok(err)
	answer, f = l.sync(wire.Push{Village: village})
	if f != nil || answer.Assigned == nil || answer.Assigned.Serial != 2 || answer.Assigned.Villages[0].Code != "2" || !answer.Villages[0].Denied {
		t.Errorf("%+v, %v", answer, f)
	}
}

// Whatever arrives, it is answered.
func FuzzSync(f *testing.F) {
	f.Add([]byte("x"))
	b, err := wire.EncodeSync(&wire.Sync{Villages: []wire.Push{{Village: village, Segments: [][]byte{{1}}}}}, wire.Quick)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	s, err := sqlite.Open(context.Background(), filepath.Join(f.TempDir(), "zhucun.db"), store.Options{Key: ed25519.NewKeyFromSeed(make([]byte, 32)), Now: time.Now, Random: rand.NewChaCha8([32]byte{})})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	h := New(s, access.New(s))
	d := store.Device{ID: "d", Key: make([]byte, 32), Role: identity.TeamMember, Villages: []record.Village{village}}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, _, err := h.message(context.Background(), b, maxSync, nil)
		if err != nil {
			if f := (*fault)(nil); !errors.As(err, &f) {
				t.Errorf("no fault: %v", err)
			}
			return
		}
		if _, err := h.exchange(context.Background(), &d, m, time.Now()); err != nil {
			t.Error(err)
		}
	})
}
