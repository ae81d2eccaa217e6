package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	agentstore "zhucun/agent/store"
	"zhucun/server/access"
	"zhucun/shared/merge"
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
	got, err := w.door.Bundle(ctx, bytes.NewReader(w.parcels[0].file), time.UnixMilli(w.now), nil)
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

// A server that was restored sets aside what it had taken in the life that was lost, of
// which its author has no receipt and a colleague has had it: when the colleague comes,
// or while he is there. He has what it replaced again, and what he wrote on it, and of a
// record that it made nothing; and all of it again when the office accepts it.
func TestRejudged(t *testing.T) {
	for _, present := range []bool{false, true} {
		t.Run(fmt.Sprint("present ", present), func(t *testing.T) { rejudged(t, present) })
	}
}

func rejudged(t *testing.T, present bool) {
	ctx := context.Background()
	w, err := newWorld(fast(t), 7, "", leg{rewinds: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	author, colleague := w.laptops[0], w.laptops[1]
	save := func(l *laptop, e agentstore.Edit) record.Key {
		t.Helper()
		e.Village = village
		w.now += 1000
		saved, err := l.store.Save(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		return saved[0].Key
	}
	all := func(ls ...*laptop) {
		t.Helper()
		for _, l := range ls {
			for rounds := 0; exchange(t, l); rounds++ {
				if rounds > 10 {
					t.Fatal("the rounds do not end")
				}
			}
		}
	}
	edit := func(id record.ID, head, group string) agentstore.Edit {
		e := agentstore.Edit{Type: "household", ID: id, Fields: map[string]record.Value{"head_name": record.Text(head)}}
		if group != "" {
			e.Fields["group_name"] = record.Text(group)
		}
		return e
	}
	// stands checks what lives under head_name and group_name, the oldest first.
	stands := func(when string, k record.Key, head, group string) {
		t.Helper()
		r, err := colleague.store.Get(k.Type, k.ID)
		if head == "" {
			if !errors.Is(err, agentstore.ErrNotFound) {
				t.Errorf("%s: %v, %v of what nobody has", when, r.State, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		for p, want := range map[record.Path]string{"head_name": head, "group_name": group} {
			var is string
			for _, sib := range slices.SortedFunc(slices.Values(r.State[p].Siblings), func(a, b merge.Sibling) int { return cmp.Compare(a.At, b.At) }) {
				text, _ := sib.Value.Text()
				is += text
			}
			if is != want {
				t.Errorf("%s: %s is %s, not %s", when, p, is, want)
			}
		}
	}
	same := func(when string, ks ...record.Key) {
		t.Helper()
		states, err := w.states()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ks {
			if r, err := colleague.store.Get(k.Type, k.ID); err != nil || !bytes.Equal(states[k.ID], r.State.Encode()) {
				server, _ := merge.Decode(states[k.ID])
				t.Errorf("%s: the colleague has\n%v, the server\n%v, %v", when, r.State, server, err)
			}
		}
	}

	replaced, written := save(author, edit(record.ID{}, "甲", "")), save(author, edit(record.ID{}, "甲", "甲"))
	all(author, colleague)
	if err := w.backup(); err != nil {
		t.Fatal(err)
	}
	save(author, edit(replaced.ID, "乙", ""))
	save(author, edit(written.ID, "乙", "乙"))
	made := save(author, edit(record.ID{}, "丙", ""))
	out, err := author.store.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := author.ask(out, 1<<20, 1); err != nil { // and the answer is lost
		t.Fatal(err)
	}
	all(colleague)
	stands("in the first life", replaced, "乙", "")
	stands("in the first life", written, "乙", "乙")
	stands("in the first life", made, "丙", "")
	save(colleague, edit(written.ID, "丁", ""))
	if err := w.restore(0); err != nil {
		t.Fatal(err)
	}
	if present {
		all(colleague)
		// The server lacks it, and it is here.
		stands("before the author came", replaced, "乙", "")
		stands("before the author came", written, "丁", "乙")
		stands("before the author came", made, "丙", "")
	}
	if author.device, err = access.New(w.server).Assign(ctx, author.device.ID, []record.Village{other}); err != nil {
		t.Fatal(err)
	}
	all(author, colleague)
	stands("after it was set aside", replaced, "甲", "")
	stands("after it was set aside", written, "甲丁", "甲")
	stands("after it was set aside", made, "", "")
	same("after it was set aside", replaced, written)
	if st, found, err := colleague.village(village); err != nil || !found || st.Records != 2 {
		t.Errorf("it counts %v, %v", st.Records, err)
	}
	list, err := w.server.Quarantine(ctx)
	if err != nil || len(list) != 3 {
		t.Fatalf("set aside are %v, %v", list, err)
	}
	for _, q := range list {
		if err := w.decide(q, true); err != nil {
			t.Fatal(err)
		}
	}
	all(colleague)
	stands("after it was accepted", replaced, "乙", "")
	stands("after it was accepted", written, "甲丁", "乙") // who wrote 丁 had not been shown 甲
	stands("after it was accepted", made, "丙", "")
	same("after it was accepted", replaced, written, made)
	if rep, err := colleague.store.Verify(false); err != nil || len(rep.Faults) > 0 {
		t.Errorf("it verifies: %v, %v", rep.Faults, err)
	}
}
