package syncapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// A laptop that keeps what is known of it mixes its next request behind that, also where
// an answer got lost; what another is known by is nothing to it, and what the server has
// forgotten is told as that.
func TestKnown(t *testing.T) {
	h := newHouse(t)
	a, b := h.laptop("王队员"), h.laptop("李队员")
	// ask sends one more change, mixed behind known, and gives what is known then.
	ask := func(l *laptop, known wire.Known) (next wire.Known, takes uint64, status int) {
		t.Helper()
		n := uint64(len(l.seg.Changes))
		seg := l.write(int(n))
		m := &wire.Sync{Version: wire.Version, Assigned: l.serial, Reads: wire.ReadsKnown, Budget: 1<<20 + n, Villages: []wire.Push{{Village: village, Streams: l.own(n), Segments: [][]byte{seg}}}}
		m.MixBehind(known)
		packed, err := wire.EncodeSync(m, wire.Mixed)
		h.ok(err)
		wire.SetClock(packed, time.Now().UnixMilli())
		r, err := http.NewRequest("POST", h.server.URL+wire.ShortPath, bytes.NewReader(packed))
		h.ok(err)
		r.Header.Set(wire.TokenHeader, l.who.Token)
		resp, err := http.DefaultClient.Do(r)
		h.ok(err)
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		h.ok(err)
		if resp.StatusCode != http.StatusOK {
			f := new(wire.Fault)
			if err := wire.Unmarshal(got, wire.MaxUnpacked, f); err != nil || f.Code != wire.FaultMessage {
				t.Errorf("refused by %+v, %v", f, err)
			}
			l.seg.Changes = l.seg.Changes[:n]
			return nil, 0, resp.StatusCode
		}
		answer := new(wire.Synced)
		h.ok(wire.DecodeAnswer(bytes.NewReader(got), wire.MaxAnswer, m, answer))
		if len(answer.Villages) != 1 || len(answer.Villages[0].Receipts) != 1 {
			t.Errorf("%+v", answer)
		}
		return m.Known(), answer.Takes, resp.StatusCode
	}
	first, takes, _ := ask(a, nil)
	if takes != wire.TakesKnown || first == nil {
		t.Errorf("told %d, known %x", takes, first)
	}
	second, takes, status := ask(a, first)
	if takes != 0 || status != http.StatusOK {
		t.Errorf("behind what is known: %d, told %d", status, takes)
	}
	// The answer was lost: the laptop names what it named before.
	third, _, status := ask(a, first)
	if status != http.StatusOK {
		t.Errorf("after a lost answer: %d", status)
	}
	if _, _, status := ask(a, second); status != http.StatusPreconditionFailed {
		t.Errorf("behind what was long ago: %d", status)
	}
	if _, _, status := ask(b, third); status != http.StatusPreconditionFailed {
		t.Errorf("behind what another is known by: %d", status)
	}
	h.door.known = knows{most: maxKnown} // as when it is started anew
	if _, _, status := ask(a, third); status != http.StatusPreconditionFailed {
		t.Errorf("a server that was started anew: %d", status)
	}
	if again, takes, status := ask(a, nil); status != http.StatusOK || takes != wire.TakesKnown || again == nil {
		t.Errorf("all of it then: %d, told %d", status, takes)
	}
}

// What is kept has an end: beyond it nobody is told to name anything, until what is old
// makes room.
func TestKnownHasRoom(t *testing.T) {
	k := knows{most: 1 << 20}
	now := time.Unix(1_800_000_000, 0)
	m := &wire.Sync{Version: wire.Version, Reads: wire.ReadsKnown}
	for i := range 100 {
		m.Villages = append(m.Villages, wire.Push{Village: village, Cursor: uint64(1_000_000 + i)})
	}
	kept := 0
	for i := range k.most {
		if !k.keep(identity.Device(fmt.Sprint(i)), m, now) {
			break
		}
		kept++
	}
	if size := len(m.Known()); k.bytes > k.most || kept != k.most/size {
		t.Errorf("%d of %d bytes each are kept, %d bytes in all", kept, size, k.bytes)
	}
	if k.keep("later", m, now.Add(knownFor/2)) {
		t.Error("kept where there is no room")
	}
	if !k.keep("later", m, now.Add(knownFor+time.Hour)) || len(k.of) != 1 || k.bytes != k.of["later"].size() {
		t.Errorf("what is old stays: %d devices, %d bytes", len(k.of), k.bytes)
	}
}
