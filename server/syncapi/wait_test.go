package syncapi

import (
	"context"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// heard is the answer to a request that waited, and after how long it came.
type heard struct {
	*wire.Synced
	fault *wire.Fault
	after time.Duration
}

// listen sends a request that may be kept waiting for so many seconds.
func (l *laptop) listen(seconds uint64, p ...wire.Push) <-chan heard {
	l.h.Helper()
	b, err := wire.EncodeSync(&wire.Sync{Version: wire.Version, Villages: p, Assigned: l.serial, Wait: seconds}, wire.Thrifty)
	l.h.ok(err)
	wire.SetClock(b, time.Now().UnixMilli())
	c := make(chan heard, 1)
	go func() {
		begun := time.Now()
		a := heard{Synced: new(wire.Synced)}
		a.fault = l.h.post(wire.SyncPath, l.who.Token, b, a.Synced)
		a.after = time.Since(begun)
		c <- a
	}()
	return c
}

// here is a push of a laptop that has everything.
func (h *house) here(cursor uint64) wire.Push {
	return wire.Push{Village: village, Epoch: h.s.Epoch(), Cursor: cursor}
}

// waits waits until so many requests wait.
func (h *house) waits(n int) {
	h.Helper()
	for range 1000 {
		h.door.hall.mu.Lock()
		now := len(h.door.hall.waiting)
		h.door.hall.mu.Unlock()
		h.door.busy.mu.Lock()
		served := h.door.busy.served
		h.door.busy.mu.Unlock()
		if now == n && served == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.Fatalf("never %d requests that wait", n)
}

// Each row is what happens while a laptop waits, and what it hears.
func TestNews(t *testing.T) {
	tests := []struct {
		name string
		does func(h *house, l, other *laptop)
		news func(a *wire.Synced) bool
	}{
		{"somebody writes in its village", func(h *house, _, other *laptop) {
			_, f := other.sync(wire.Push{Village: village, Streams: other.own(0), Segments: [][]byte{other.write(1)}})
			if f != nil {
				h.Error(f)
			}
		}, func(a *wire.Synced) bool { return len(a.Villages) == 1 && len(a.Villages[0].Records) == 1 }},
		{"its assignment changes", func(h *house, l, _ *laptop) {
			_, err := h.a.Assign(context.Background(), l.who.Device, []record.Village{village, "2"})
			h.ok(err)
		}, func(a *wire.Synced) bool { return a.Assigned != nil && len(a.Assigned.Villages) == 2 }},
		{"the server ends", func(h *house, _, _ *laptop) { h.door.Close() }, func(a *wire.Synced) bool { return len(a.Villages) == 0 && a.Next > 0 }},
		{"it asks again", func(h *house, l, _ *laptop) {
			if a, f := l.sync(h.here(0)); f != nil || len(a.Villages) > 0 {
				h.Errorf("the newer request: %+v, %v", a, f)
			}
		}, func(a *wire.Synced) bool { return len(a.Villages) == 0 && a.Next == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			l, other := h.laptop("王队员"), h.laptop("李队员")
			answer := l.listen(60, h.here(0))
			h.waits(1)
			begun := time.Now()
			tt.does(h, l, other)
			select {
			case a := <-answer:
				if took := time.Since(begun); a.fault != nil || !tt.news(a.Synced) || took > 2*time.Second {
					t.Errorf("after %v %+v, %v", took, a.Synced, a.fault)
				}
				if late := time.Since(time.UnixMilli(a.Time)); late > time.Second {
					t.Errorf("it says the time of %v ago", late)
				}
			case <-time.After(5 * time.Second):
				t.Error("it hears nothing")
			}
			h.waits(0)
		})
	}
}

// What is none of its villages' wakes nobody; a wait ends with its time, and says no
// more than a sync without.
func TestNoNews(t *testing.T) {
	h := newHouse(t)
	l := h.laptop("王队员")
	answer := l.listen(2, h.here(0))
	h.waits(1)
	h.ok(h.s.Desk(context.Background(), "2", func(d *store.Desk) error {
		_, err := d.Write(record.Change{Record: record.ID{0: 9, 6: 0x70, 8: 0x80}, Type: "household", Author: "办公室", Body: []record.Write{{Path: "head_name", Value: record.Text("王")}}})
		return err
	}))
	if a := <-answer; a.fault != nil || news(a.Synced) || a.Next != 0 || a.after < 2*time.Second || a.after > 4*time.Second {
		t.Errorf("after %v %+v, %v", a.after, a.Synced, a.fault)
	}
	// Who has something to send, or to hear, waits for nothing.
	for name, p := range map[string]wire.Push{
		"sends":              {Village: village, Epoch: h.s.Epoch(), Streams: l.own(0), Segments: [][]byte{l.write(1)}},
		"has all to hear":    {Village: village},
		"is of another life": {Village: village, Epoch: wire.Epoch{9}, Cursor: 1},
	} {
		if a := <-l.listen(60, p); a.fault != nil || !news(a.Synced) || a.after > time.Second {
			t.Errorf("%s: after %v %+v, %v", name, a.after, a.Synced, a.fault)
		}
	}
}

// A room that is full sends nobody away: who comes then is answered.
func TestRoomFull(t *testing.T) {
	h := newHouse(t)
	h.door.hall.most = 1
	a, b := h.laptop("王队员"), h.laptop("李队员")
	first := a.listen(60, h.here(0))
	h.waits(1)
	if x := <-b.listen(60, h.here(0)); x.fault != nil || news(x.Synced) || x.after > time.Second {
		t.Errorf("after %v %+v, %v", x.after, x.Synced, x.fault)
	}
	h.door.Close()
	<-first
}
