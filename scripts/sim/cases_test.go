package sim

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	agentstore "zhucun/agent/store"
	"zhucun/server/access"
	"zhucun/shared/record"
)

// Cases that no schedule comes to: too large, or too orderly.

// A laptop sends more of what is set aside than the server settles in one answer. The
// rounds end, all is delivered, and the next sync has nothing to say.
func TestManySetAside(t *testing.T) {
	ctx := context.Background()
	w, err := newWorld(fast(t), 7, "", leg{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	l := w.laptops[1]
	// Whom the office has taken off the laptop, which has not heard of it.
	const gone = "陌生人"
	if _, err := l.store.SetDevice(ctx, func(d *agentstore.Device) { d.Assigned.Profiles = append(d.Assigned.Profiles, gone) }); err != nil {
		t.Fatal(err)
	}
	var last record.Key
	for i := range 1400 {
		saved, err := l.store.Save(ctx, agentstore.Edit{Village: village, Type: "visit", Author: gone, Fields: map[string]record.Value{"findings": record.Text(fmt.Sprint("第", i))}})
		if err != nil {
			t.Fatal(err)
		}
		last = saved[0].Key
	}
	rounds := 0
	for more := true; more; rounds++ {
		if rounds > 20 {
			t.Fatal("the rounds do not end")
		}
		more = exchange(t, l)
	}
	st, err := l.store.Status()
	if err != nil || st.Pending > 0 || st.Quarantined != 1400 {
		t.Errorf("after %d rounds %+v, %v", rounds, st, err)
	}
	if r, err := l.store.Get(last.Type, last.ID); err != nil || len(r.State) > 0 || r.View.Fields["findings"] == "" {
		t.Errorf("the last stands as %v and is shown as %v, %v", r.State, r.View.Fields, err)
	}
	out, err := l.store.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if len(o.Push.Streams) > 0 {
			t.Errorf("it goes on asking with %v", o.Push.Streams)
		}
	}
}

// exchange is one round over a good line; it tells whether another is due.
func exchange(t *testing.T, l *laptop) bool {
	t.Helper()
	out, err := l.store.Outgoing(context.Background(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := l.ask(out, 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	more, err := l.take(answer, 1)
	if err != nil {
		t.Fatal(err)
	}
	return more
}

// A laptop that has files alone gets a further village: the reply has it, and is taken.
func TestReplyWithNewVillage(t *testing.T) {
	ctx := context.Background()
	w, err := newWorld(fast(t), 7, "", leg{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	l, colleague := w.laptops[0], w.laptops[1]
	a := access.New(w.server)
	if colleague.device, err = a.Assign(ctx, colleague.device.ID, []record.Village{other}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		exchange(t, colleague)
	}
	saved, err := colleague.store.Save(ctx, agentstore.Edit{Village: other, Type: "visit", Fields: map[string]record.Value{"findings": `"屋顶漏雨"`}})
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, colleague)
	if l.device, err = a.Assign(ctx, l.device.ID, []record.Village{village, other}); err != nil {
		t.Fatal(err)
	}
	if err := l.export(); err != nil {
		t.Fatal(err)
	}
	got, err := w.door.Bundle(ctx, w.parcels[0].file, time.UnixMilli(w.now), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.client.Collect(ctx, bytes.NewReader(got.Reply), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.Get("visit", saved[0].Key.ID); err != nil {
		t.Errorf("the new village's record: %v", err)
	}
}
