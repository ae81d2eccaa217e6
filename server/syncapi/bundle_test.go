package syncapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// bundle is a file with one message for each push.
func (l *laptop) bundle(pushes ...wire.Push) []byte {
	l.h.Helper()
	server := l.h.key.Public().(ed25519.PublicKey)
	b := &bundle.Bundle{Device: l.who.Device, Server: server, Serial: 1, Made: time.Now().UnixMilli()}
	for _, p := range pushes {
		m := &wire.Sync{Version: wire.Version, Villages: []wire.Push{p}, Assigned: l.serial}
		packed, err := wire.EncodeSync(m, wire.Thrifty)
		l.h.ok(err)
		wire.SetClock(packed, b.Made)
		size, err := wire.Size(m)
		l.h.ok(err)
		b.Add(bundle.Part{Message: packed, Size: size})
	}
	file, err := bundle.Seal(b, identity.BundleOf, l.key, server)
	l.h.ok(err)
	return file
}

// open reads a reply as its laptop does.
func (l *laptop) open(file []byte) []*wire.Synced {
	l.h.Helper()
	b, err := bundle.Open(file, identity.ReplyOf, l.key, func(*bundle.Bundle) (ed25519.PublicKey, error) {
		return l.h.key.Public().(ed25519.PublicKey), nil
	})
	l.h.ok(err)
	var answers []*wire.Synced
	for _, p := range b.Parts {
		a := new(wire.Synced)
		l.h.ok(wire.Unmarshal(p.Message, p.Size, a))
		answers = append(answers, a)
	}
	return answers
}

func (h *house) take(file []byte) *Bundle {
	h.Helper()
	b, err := h.door.Bundle(context.Background(), bytes.NewReader(file), time.Now(), nil)
	h.ok(err)
	return b
}

// A bundle comes to the same as a sync, however often it is taken; its reply has
// receipts and pages each time.
func TestBundle(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	file := a.bundle(wire.Push{Village: village, Streams: []wire.Own{{Stream: a.seg.Stream, Head: 1}}, Segments: [][]byte{a.write(1)}})
	for i := range 3 {
		taken := h.take(file)
		want := 1
		if i > 0 {
			want = 0
		}
		if taken.Entries != want || taken.Quarantined != 0 || taken.Device.ID != a.who.Device || taken.Serial != 1 {
			t.Errorf("time %d: %+v", i, taken)
		}
		answers := a.open(taken.Reply)
		if len(answers[0].Villages) != 1 || len(answers[0].Villages[0].Receipts) != 1 || !answers[0].Villages[0].Receipts[0].Proves(h.key.Public().(ed25519.PublicKey), a.hashes[0]) {
			t.Errorf("time %d: %+v", i, answers[0])
		}
	}
	// Another laptop's asks for it, and gets what a sync would have brought.
	answers := b.open(h.take(b.bundle(wire.Push{Village: village})).Reply)
	synced, f := b.sync(wire.Push{Village: village})
	if f != nil || len(answers[0].Villages[0].Records) != 1 || !bytes.Equal(answers[0].Villages[0].Records[0].State, synced.Villages[0].Records[0].State) {
		t.Errorf("%+v and %+v, %v", answers[0], synced, f)
	}
	// Once for all its messages: the second continues the first.
	two, four := a.write(2), []byte(nil)
	for n := 3; n <= 4; n++ {
		four = a.write(n)
	}
	taken := h.take(a.bundle(wire.Push{Village: village, Streams: a.own(1), Segments: [][]byte{two}}, wire.Push{Village: village, Streams: a.own(1), Segments: [][]byte{four}}))
	if taken.Refused > 0 || taken.Entries != 3 {
		t.Errorf("%+v", taken)
	}
}

// All pages of a village are in the reply, each behind the one before, the
// frontier with the last.
func TestReplyHasAllPages(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	var seg []byte
	for i := range 200 {
		seg = a.write(i)
	}
	if _, f := a.sync(wire.Push{Village: village, Streams: a.own(0), Segments: [][]byte{seg}}); f != nil {
		t.Fatal(f)
	}
	d, err := h.s.Device(context.Background(), b.who.Device)
	h.ok(err)
	at := &place{push: wire.Push{Village: village}}
	records, pages := 0, 0
	for cursor := uint64(0); !at.done; pages++ {
		pull, _, err := h.door.page(context.Background(), &d, &at.push, at.taken, 4000, false)
		h.ok(err)
		if pull.From != cursor || pull.More == (len(pull.Heads) > 0) {
			t.Errorf("page %d from %d, want %d; more %v, %d heads", pages, pull.From, cursor, pull.More, len(pull.Heads))
		}
		cursor = pull.Cursor
		records += len(pull.Records)
		at.follow(&pull)
	}
	if records != 200 || pages < 3 {
		t.Errorf("%d records in %d pages", records, pages)
	}
	n := 0
	for _, answer := range b.open(h.take(b.bundle(wire.Push{Village: village})).Reply) {
		for _, p := range answer.Villages {
			n += len(p.Records)
		}
	}
	if n != 200 {
		t.Errorf("the reply has %d records", n)
	}
}

// What is more than one reply can have comes with the replies to the next bundles,
// each record once; the last page of a reply that was cut says that there is more.
func TestReplyGoesOn(t *testing.T) {
	h := newHouse(t)
	h.door.part, h.door.fill = 2000, 1500
	a, b := h.laptop("王队员"), h.laptop("李队员")
	var seg []byte
	for i := range 200 {
		seg = a.write(i)
	}
	if _, f := a.sync(wire.Push{Village: village, Streams: a.own(0), Segments: [][]byte{seg}}); f != nil {
		t.Fatal(f)
	}
	push, seen := wire.Push{Village: village}, map[record.ID]bool{}
	rounds := 0
	for cut := true; cut; rounds++ {
		taken := h.take(b.bundle(push))
		cut = taken.Cut
		if len(taken.Reply) > h.door.fill+4<<10 {
			t.Errorf("round %d: a reply of %d bytes", rounds, len(taken.Reply))
		}
		for _, answer := range b.open(taken.Reply) {
			for _, p := range answer.Villages {
				for _, r := range p.Records {
					if seen[r.ID] {
						t.Errorf("round %d: %s comes again", rounds, r.ID)
					}
					seen[r.ID] = true
				}
				push.Epoch, push.Cursor, push.After = p.Epoch, p.Cursor, 0
				if p.More {
					push.Cursor, push.After = 0, p.Cursor
				}
			}
		}
		if cut != (push.After > 0) {
			t.Fatalf("round %d: cut %v, and the last page ends at %+v", rounds, cut, push)
		}
	}
	if len(seen) != 200 || rounds < 3 {
		t.Errorf("%d records in %d rounds", len(seen), rounds)
	}
}

// Of several bundles made at once each is taken whenever it comes: one that goes on
// from another that is not here is answered and not taken, and taken once that is.
func TestBundlesInAnyOrder(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	var files [][]byte
	for n := range 3 {
		l.write(n)
	}
	for n := range 3 {
		one := *l.seg
		one.From, one.Changes = uint64(n+1), l.seg.Changes[n:n+1]
		one.Seal(l.key, l.hashes[n])
		files = append(files, l.bundle(wire.Push{Village: village, Streams: l.own(0), Segments: [][]byte{one.Encode()}}))
	}
	for i, step := range []struct{ file, entries, refused int }{{2, 0, 1}, {1, 0, 1}, {0, 1, 0}, {2, 0, 1}, {1, 1, 0}, {2, 1, 0}, {0, 0, 0}} {
		taken := h.take(files[step.file])
		if taken.Entries != step.entries || taken.Refused != step.refused || len(taken.Reply) == 0 {
			t.Errorf("step %d, file %d: %d entries, %d refused, a reply of %d bytes", i, step.file, taken.Entries, taken.Refused, len(taken.Reply))
		}
	}
}

// What was assigned since the bundle was made comes with its reply.
func TestReplyHasNewVillages(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	file := l.bundle(wire.Push{Village: village})
	_, err := h.a.Assign(context.Background(), l.who.Device, []record.Village{village, "2"})
	h.ok(err)
	other := h.laptop("李队员")
	if _, f := other.sync(wire.Push{Village: village, Streams: other.own(0), Segments: [][]byte{other.write(1)}}); f != nil {
		t.Fatal(f)
	}
	first := l.open(h.take(file).Reply)[0]
	if first.Assigned == nil || len(first.Assigned.Villages) != 2 || len(first.Villages) != 2 || first.Villages[0].Village != "2" && first.Villages[1].Village != "2" {
		t.Errorf("%+v", first)
	}
}

// Each row is a file that is not taken; each says why in both languages, and
// leaves nothing behind.
func TestBundleNotTaken(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	push := wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(1)}}
	good := l.bundle(push)
	spoil := func(change func([]byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	server := h.key.Public().(ed25519.PublicKey)
	seal := func(b *bundle.Bundle, p identity.Purpose, from ed25519.PrivateKey) []byte {
		file, err := bundle.Seal(b, p, from, server)
		h.ok(err)
		return file
	}
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	elsewhere, err := bundle.Seal(&bundle.Bundle{Device: l.who.Device, Server: server}, identity.BundleOf, l.key, stranger.Public().(ed25519.PublicKey))
	h.ok(err)
	// Of a server that is not this one, encrypted anew to this one.
	passedOn := seal(&bundle.Bundle{Device: l.who.Device, Server: stranger.Public().(ed25519.PublicKey)}, identity.BundleOf, l.key)
	later, err := wire.EncodeSync(&wire.Sync{Version: wire.Version + 1}, wire.Quick)
	h.ok(err)
	twice, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: "1"}, {Village: "1"}}}, wire.Quick)
	h.ok(err)
	tests := []struct {
		name string
		file []byte
	}{
		{"nothing", nil},
		{"a page", []byte("<html>")},
		{"part of one", good[:len(good)-1]},
		{"a damaged one", spoil(func(b []byte) { b[len(b)/2]++ })},
		{"of a later release", spoil(func(b []byte) { b[3]++ })},
		{"for another server", elsewhere},
		{"for another server, passed on", passedOn},
		{"from an unknown laptop", seal(&bundle.Bundle{Device: "nobody", Server: server}, identity.BundleOf, stranger)},
		{"in another's name", seal(&bundle.Bundle{Device: l.who.Device, Server: server}, identity.BundleOf, stranger)},
		{"a reply", seal(&bundle.Bundle{Device: l.who.Device, Server: server}, identity.ReplyOf, l.key)},
		{"messages of a later release", seal(&bundle.Bundle{Device: l.who.Device, Server: server, Parts: []bundle.Part{{Message: later, Size: 100}}}, identity.BundleOf, l.key)},
		{"a message that no laptop sends", seal(&bundle.Bundle{Device: l.who.Device, Server: server, Parts: []bundle.Part{{Message: twice, Size: 100}}}, identity.BundleOf, l.key)},
		{"a message that comes to more than it says", seal(&bundle.Bundle{Device: l.who.Device, Server: server, Parts: []bundle.Part{{Message: twice, Size: 3}}}, identity.BundleOf, l.key)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := h.door.Bundle(context.Background(), bytes.NewReader(tt.file), time.Now(), nil)
			var not *NotTaken
			if !errors.As(err, &not) || not.Zh == "" || not.En == "" {
				t.Errorf("%+v, %v", b, err)
			}
			if f := h.post(wire.BundlePath, l.who.Token, tt.file, nil); f == nil || f.Code != wire.FaultBundle || f.Text == "" {
				t.Errorf("brought by a laptop: %+v", f)
			}
		})
	}
	if answer, f := l.sync(wire.Push{Village: village, Streams: l.own(0)}); f != nil || len(answer.Villages) > 0 && len(answer.Villages[0].Receipts) > 0 {
		t.Errorf("something was taken: %+v, %v", answer, f)
	}
}

// A revoked laptop's last work goes into quarantine, and its reply is receipts and
// that it is revoked; with no work there is no reply. Nor does it bring others'.
func TestBundleOfRevoked(t *testing.T) {
	h := newHouse(t)
	l, other := h.laptop("王队员"), h.laptop("李队员")
	if _, f := other.sync(wire.Push{Village: village, Streams: other.own(0), Segments: [][]byte{other.write(1)}}); f != nil {
		t.Fatal(f)
	}
	file := l.bundle(wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(2)}})
	_, err := h.a.Revoke(context.Background(), l.who.Device)
	h.ok(err)
	taken := h.take(file)
	if taken.Entries != 1 || taken.Quarantined != 1 || !taken.Device.Revoked() {
		t.Errorf("%+v", taken)
	}
	for _, a := range l.open(taken.Reply) {
		for _, p := range a.Villages {
			// Of heads it gets those of what it wrote itself.
			if !p.Denied || len(p.Records) > 0 || slices.ContainsFunc(p.Heads, func(s wire.StreamHead) bool { return s.Stream != l.seg.Stream }) {
				t.Errorf("a revoked laptop gets %+v", p)
			}
		}
	}
	var not *NotTaken
	if _, err := h.door.Bundle(context.Background(), bytes.NewReader(l.bundle(wire.Push{Village: village})), time.Now(), nil); !errors.As(err, &not) {
		t.Errorf("without work: %v", err)
	}
	if f := h.post(wire.BundlePath, l.who.Token, other.bundle(wire.Push{Village: village}), nil); f == nil || f.Code != wire.FaultRevoked {
		t.Errorf("a revoked courier: %+v", f)
	}
}

// Whoever brings a bundle gets its reply as it is; who is not enrolled gets none.
func TestCourier(t *testing.T) {
	h := newHouse(t)
	l, courier := h.laptop("王队员"), h.laptop("李队员")
	file := l.bundle(wire.Push{Village: village, Streams: []wire.Own{{Stream: l.seg.Stream, Head: 1}}, Segments: [][]byte{l.write(1)}})
	if f := h.post(wire.BundlePath, "x", file, nil); f == nil || f.Code != wire.FaultDevice {
		t.Errorf("%+v", f)
	}
	r, err := http.NewRequest("POST", h.server.URL+wire.BundlePath, bytes.NewReader(file))
	h.ok(err)
	r.Header.Set("Authorization", "Bearer "+courier.who.Token)
	resp, err := http.DefaultClient.Do(r)
	h.ok(err)
	defer resp.Body.Close()
	var reply bytes.Buffer
	_, err = reply.ReadFrom(resp.Body)
	h.ok(err)
	if answers := l.open(reply.Bytes()); len(answers[0].Villages[0].Receipts) != 1 {
		t.Errorf("%+v", answers[0])
	}
}

// What the laptop said of its clock counts, not how long the file was on its way;
// nothing is dated later than it came, and an old bundle is no news of the laptop.
func TestBundleTime(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	if _, f := l.sync(wire.Push{Village: village, Streams: l.own(0), Segments: [][]byte{l.write(1)}}); f != nil {
		t.Fatal(f)
	}
	seen := func() store.Contact {
		contacts, err := h.s.Contacts(context.Background())
		h.ok(err)
		for _, c := range contacts {
			if c.Device == l.who.Device && c.Village == village {
				return c
			}
		}
		t.Fatal("no contact")
		return store.Contact{}
	}
	before := seen()
	before.Seen = before.Seen.Truncate(time.Millisecond)
	h.ok(h.s.FlushContacts(context.Background())) // what is in memory only keeps the later by itself
	server := h.key.Public().(ed25519.PublicKey)
	m := &wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: village, Streams: l.own(1)}}, Assigned: 1, Pending: 9}
	packed, err := wire.EncodeSync(m, wire.Quick)
	h.ok(err)
	size, err := wire.Size(m)
	h.ok(err)
	for _, tt := range []struct {
		made    time.Time
		pending uint64
	}{{before.Seen.Add(-24 * time.Hour), before.Pending}, {before.Seen.Add(24 * time.Hour), 9}} {
		wire.SetClock(packed, tt.made.UnixMilli())
		file, err := bundle.Seal(&bundle.Bundle{Device: l.who.Device, Server: server, Made: tt.made.UnixMilli(), Parts: []bundle.Part{{Message: packed, Size: size}}}, identity.BundleOf, l.key, server)
		h.ok(err)
		taken := h.take(file)
		if taken.Made.After(time.Now()) {
			t.Errorf("made after it came: %v", taken.Made)
		}
		if c := seen(); c.Pending != tt.pending || c.Seen.Before(before.Seen) || c.Seen.After(time.Now()) {
			t.Errorf("contact %+v, before %+v", c, before)
		}
	}
}
