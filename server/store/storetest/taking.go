package storetest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// household is a change that creates household n, with a phone.
func household(n int, phone string) record.Change {
	return New("household", ID(n), map[record.Path]record.Value{"head_name": record.Text("王大"), "phone": record.Text(phone)})
}

// What was pushed is a record, has a receipt that proves it, and a history.
func applied(w *World) {
	l := w.Laptop("王队员", identity.TeamMember)
	first := l.Write(household(1, "100"))
	l.Write(Set("household", ID(1), "phone", `"200"`, first))
	if taken := l.Push(); taken.Entries != 2 || taken.Quarantined != 0 {
		w.Errorf("taken %+v", taken)
	}
	if v := w.View(ID(1)); v == nil || v.Fields["phone"] != `"200"` || len(v.Authors) != 1 || v.Authors[0] != "王队员" {
		w.Errorf("the record reads %+v", v)
	}
	pull := l.Page(0)
	if len(pull.Receipts) != 1 || !pull.Receipts[0].Proves(w.Key.Public().(ed25519.PublicKey), l.hashes[1]) {
		w.Errorf("receipts %+v", pull.Receipts)
	}
	entries, err := w.History(w.ctx(), Code, ID(1))
	w.ok(err)
	if len(entries) != 2 || entries[1].Dot != first || entries[0].Change.Author != "王队员" || entries[0].Device != l.Device.ID {
		w.Errorf("history %+v", entries)
	}
}

// Each row pushes entries 1 to 4 and then something that begins at or below,
// or beyond, the end of the stream.
func continuation(w *World) {
	tests := []struct {
		name string
		send func(l *Laptop) []byte
		// entries are newly taken; code is the refusal, aside what is set aside.
		entries int
		code    string
		aside   int
	}{
		{"next", func(l *Laptop) []byte { return l.Segment(5, 6) }, 2, "", 0},
		{"the same again", func(l *Laptop) []byte { return l.Segment(1, 4) }, 0, "", 0},
		{"part of it again", func(l *Laptop) []byte { return l.Segment(2, 3) }, 0, "", 0},
		{"again and more", func(l *Laptop) []byte { return l.Segment(3, 6) }, 2, "", 0},
		{"all of it and more", func(l *Laptop) []byte { return l.Segment(1, 6) }, 2, "", 0},
		{"a gap", func(l *Laptop) []byte { return l.Segment(6, 6) }, 0, wire.RefusedGap, 0},
		{"goes on otherwise", func(l *Laptop) []byte { fork(l, 3); return l.Segment(4, 6) }, 0, wire.RefusedFork, 1},
		{"went on otherwise before", func(l *Laptop) []byte { fork(l, 2); return l.Segment(4, 6) }, 0, wire.RefusedFork, 1},
		// Its own end is the server's, and what stands before is not.
		{"another past", func(l *Laptop) []byte { fork(l, 1); return l.Segment(5, 6) }, 0, wire.RefusedFork, 1},
		{"another's stream", func(l *Laptop) []byte {
			thief := w.Laptop("李四", identity.TeamMember)
			thief.inc, thief.Stream = l.inc, l.Stream
			thief.Write(household(1, "666"))
			return thief.Segment(1, 1)
		}, 0, wire.RefusedFork, 1},
		{"a stream of no key", func(l *Laptop) []byte {
			l.Stream[0]++
			return l.Segment(1, 1)
		}, 0, wire.RefusedForged, 1},
		{"a new stream, badly signed", func(l *Laptop) []byte {
			l.Renew()
			l.Write(household(1, "1"))
			l.hashes[0][0]++
			return l.Segment(1, 1)
		}, 0, wire.RefusedForged, 1},
		{"no segment at all", func(*Laptop) []byte { return []byte("<html>") }, 0, wire.RefusedDamaged, 1},
		{"an entry that touches nothing", func(l *Laptop) []byte {
			l.Renew()
			l.Write(record.Change{Record: ID(1), Type: "visit"})
			return l.Segment(1, 1)
		}, 0, wire.RefusedDamaged, 1},
	}
	total, aside := 0, 0
	for i, tt := range tests {
		l := w.Laptop(fmt.Sprint("王", i), identity.TeamMember)
		for n := range 6 {
			l.Write(household(100*i+n, "100"))
		}
		l.Send(l.Segment(1, 4))
		total += 4 + tt.entries
		b := tt.send(l)
		taken := l.Send(b)
		code := ""
		if len(taken.Refused) == 1 {
			code = taken.Refused[0].Code
		}
		if taken.Entries != tt.entries || code != tt.code {
			w.Errorf("%s: taken %+v; want %d entries, refusal %q", tt.name, taken, tt.entries, tt.code)
		}
		if tt.code == wire.RefusedGap && taken.Refused[0].Head != 4 {
			w.Errorf("%s: head %d", tt.name, taken.Refused[0].Head)
		}
		// Sent once more it changes nothing: neither the log nor what is aside.
		if again := l.Send(b); again.Entries != 0 || len(again.Refused) != len(taken.Refused) {
			w.Errorf("%s, again: taken %+v", tt.name, again)
		}
		list, err := w.SetAsides(w.ctx())
		w.ok(err)
		if len(list)-aside != tt.aside {
			w.Errorf("%s: %d set aside, want %d", tt.name, len(list)-aside, tt.aside)
		}
		aside = len(list)
		if sum := w.Whole(); sum.Entries != total {
			w.Errorf("%s: %d entries in the log, want %d", tt.name, sum.Entries, total)
		}
	}
}

// fork makes the laptop forget what it wrote after entry keep, as one does that
// was restored from an image, and write up to entry 6 again.
func fork(l *Laptop, keep int) {
	l.Log, l.hashes = l.Log[:keep], l.hashes[:keep]
	for n := keep; n < 6; n++ {
		l.Write(household(9000+n, "900"))
	}
}

// Laptops with clocks wrong by years get the server's time, in their order, and
// the receipt tells them the same times.
func clocks(w *World) {
	const year = 365 * 24 * 3600 * 1000
	for i, skew := range []int64{0, 2000, -10 * year, 10 * year} {
		l := w.Laptop(fmt.Sprint("王", i), identity.TeamMember)
		l.Skew = skew
		begun := w.Clock
		var dots []record.Dot
		for n := range 3 {
			dots = append(dots, l.Write(household(10*i+n, "1")))
			w.Clock += 60_000
		}
		l.Push()
		receipt := l.Page(0).Receipts[0]
		times := make([]uint64, len(l.Log))
		for n := range l.Log {
			times[n] = l.Log[n].Time
		}
		ats := receipt.Ats(times)
		for n := range dots {
			v := w.View(ID(10*i + n))
			if v.Updated != ats[n] {
				w.Errorf("skew %d: the server reads %v, the laptop %v", skew, v.Updated, ats[n])
			}
			if off := v.Updated.Milli() - begun - int64(n)*60_000; off < -5000 || off > 5000 {
				w.Errorf("skew %d: change %d is dated %d ms wrong", skew, n, off)
			}
		}
		if skew == 0 && receipt.Runs != nil {
			w.Errorf("a clock that is right has runs %v", receipt.Runs)
		}
		if i > 1 {
			// A second push, the clock mended: its times do not go back.
			l.Skew, l.last = 0, 0
			l.Write(household(10*i+9, "1"))
			l.Push()
			if v := w.View(ID(10*i + 9)); v.Updated < ats[2] {
				w.Errorf("skew %d: after %v comes %v", skew, ats[2], v.Updated)
			}
		}
	}
}

// Each row is an entry that may not be applied. It is acknowledged with its
// reason, touches nothing, and blocks nothing.
func quarantines(w *World) {
	owner := w.Laptop("赵乡长", identity.TownshipOffice)
	attr := owner.Write(New("household", ID(1), map[record.Path]record.Value{"poverty_attr": record.Text("general")}))
	member := w.Laptop("钱队员", identity.TeamMember)
	found := member.Write(New("visit", ID(2), map[record.Path]record.Value{"findings": record.Text("一切正常")}))
	owner.Push()
	member.Push()
	before := w.View(ID(1)).Fields["poverty_attr"]
	visit, err := w.Find(w.ctx(), ID(2))
	w.ok(err)

	tests := []struct {
		name string
		role identity.Role
		set  func(l *Laptop)
		c    record.Change
		want journal.Quarantined
	}{
		{"revoked", identity.TeamMember, func(l *Laptop) { l.Device.RevokedAt = w.time() }, household(50, "1"), journal.Quarantined{Reason: "revoked"}},
		{"village not the laptop's", identity.TeamMember, func(l *Laptop) { l.Device.Villages = []record.Village{Other} }, household(51, "1"),
			journal.Quarantined{Reason: "village", Detail: string(Code)}},
		{"assigned to a village that is not here", identity.TeamMember, func(l *Laptop) {
			l.In("nowhere").Device.Villages, l.Device.RevokedAt = []record.Village{"nowhere"}, w.time()
		}, household(52, "1"), journal.Quarantined{Reason: "revoked"}},
		{"somebody unknown", identity.TeamMember, nil, record.Change{Record: ID(53), Type: "visit", Author: "陌生人", Body: []record.Write{{Path: "findings", Value: `"x"`}}},
			journal.Quarantined{Reason: "author", Detail: "陌生人"}},
		{"another's words that the server lost", identity.TeamMember, nil, lost(record.Change{Record: ID(55), Type: "visit", Author: "陌生人", Body: []record.Write{{Path: "findings", Value: `"x"`}}}),
			journal.Quarantined{Reason: "lost"}},
		{"another type", identity.TeamMember, nil, New("visit", ID(1), nil), journal.Quarantined{Reason: "type", Detail: "household"}},
		{"role", identity.SponsorUnit, nil, household(54, "1"), journal.Quarantined{Reason: "role"}},
		{"owner's field", identity.TeamMember, nil, Set("household", ID(1), "poverty_attr", `"dibao"`, attr), journal.Quarantined{Reason: "owner", Detail: "poverty_attr"}},
		{"author's field", identity.TeamMember, nil, Set("visit", ID(2), "findings", `"forged"`, found), journal.Quarantined{Reason: "author", Detail: "findings"}},
		{"author's field, by one who joined late", identity.TeamMember, func(l *Laptop) {
			l.Write(record.Change{Record: ID(2), Type: "visit", Form: 1, Body: []record.Write{{Path: record.Source, Value: `"onsite"`}}})
			l.Push()
		}, Set("visit", ID(2), "findings", `"forged"`, found), journal.Quarantined{Seq: 2, Reason: "author", Detail: "findings"}},
		{"another's visit, void", identity.TeamMember, nil, Set("visit", ID(2), record.Life, visit.State.Void("不算")), journal.Quarantined{Reason: "author", Detail: "_life"}},
		// The next entry of somebody else, who will not know what became of it.
		{"what cannot have been seen", identity.TeamMember, nil, Set("household", ID(1), "phone", `"1"`, record.Dot{Stream: owner.Stream, Seq: 2}), journal.Quarantined{Reason: "unseen", Detail: "phone"}},
	}
	for i, tt := range tests {
		l := w.Laptop(fmt.Sprint("王", i), tt.role)
		if tt.set != nil {
			tt.set(l)
		}
		l.Write(tt.c)
		taken := l.Push()
		if tt.want.Seq == 0 {
			tt.want.Seq = 1
		}
		pull, _ := l.Ask(store.Request{Own: []wire.Own{{Stream: l.Stream, Head: tt.want.Seq, Acked: tt.want.Seq - 1}}, Denied: true})
		if taken.Entries != 1 || taken.Quarantined != 1 || len(taken.Refused) > 0 || len(pull.Receipts) != 1 {
			w.Errorf("%s: taken %+v, receipts %+v", tt.name, taken, pull.Receipts)
			continue
		}
		if got := pull.Receipts[0].Quarantined; len(got) != 1 || got[0] != tt.want {
			w.Errorf("%s: the receipt says %+v, want %+v", tt.name, got, tt.want)
		}
		if !pull.Receipts[0].Proves(w.Key.Public().(ed25519.PublicKey), l.hashes[tt.want.Seq-1]) {
			w.Errorf("%s: the receipt proves nothing", tt.name)
		}
		if i < 3 || tt.role != identity.TeamMember {
			continue
		}
		l.Write(household(60+i, "1"))
		if taken := l.Push(); taken.Entries != 1 || taken.Quarantined != 0 || w.View(ID(60+i)) == nil {
			w.Errorf("%s: the next entry was not taken: %+v", tt.name, taken)
		}
	}
	if got := w.View(ID(1)).Fields["poverty_attr"]; got != before {
		w.Errorf("the owner's field was %s and is %s", before, got)
	}
	if got := w.View(ID(2)).Fields["findings"]; got != `"一切正常"` {
		w.Errorf("the author's field is %s", got)
	}
	list, err := w.Quarantine(w.ctx())
	w.ok(err)
	if len(list) != len(tests) {
		w.Errorf("%d in quarantine, want %d", len(list), len(tests))
	}
	// A proposal beside the owner's field is everybody's right.
	member.Write(Set("household", ID(1), "poverty_attr~", `"dibao"`))
	if taken := member.Push(); taken.Quarantined != 0 {
		w.Errorf("the proposal was quarantined")
	}
}

// What is of no village that is here or was assigned makes none. It is set aside,
// in bounds, and taken like everything else once the village is the laptop's.
func strays(w *World) {
	const most, large = 1000, 8<<20 - 20_000
	heads := func() int {
		heads, err := w.Heads(w.ctx())
		w.ok(err)
		return len(heads)
	}
	before := heads()
	l := w.Laptop("王队员", identity.TeamMember).In("nowhere")
	l.Write(household(1, "1"))
	seg := l.Segment(1, 1)
	for range 2 {
		if taken := l.Send(seg); len(taken.Refused) != 1 || taken.Refused[0].Code != wire.RefusedVillage || taken.Refused[0].Stream != l.Stream || taken.Refused[0].From != 1 {
			w.Errorf("taken %+v", taken)
		}
	}
	list, err := w.SetAsides(w.ctx())
	w.ok(err)
	if len(list) != 1 || list[0].Village != "nowhere" || list[0].Device != l.Device.ID || list[0].Changes != 1 || list[0].Bytes != len(seg) {
		w.Errorf("set aside: %+v", list)
	}
	for of, want := range map[record.Village]int{"nowhere": 1, Code: 0} {
		if list, err := w.SetAsides(w.ctx(), of); err != nil || len(list) != want {
			w.Errorf("set aside of %s: %+v, %v", of, list, err)
		}
	}
	if waiting, err := w.Waiting(w.ctx()); err != nil || waiting["nowhere"].SetAside != 1 {
		w.Errorf("waiting: %+v, %v", waiting, err)
	}
	// Whatever villages it names, and whether they are here.
	for _, v := range []record.Village{"anywhere", Other, Code} {
		thief := *l
		thief.village = v
		var junk [][]byte
		for n := range most / 2 {
			junk = append(junk, fmt.Append(nil, v, n))
		}
		junk = append(junk, make([]byte, large), append(make([]byte, large), 1))
		if taken := thief.Send(junk...); len(taken.Refused) != len(junk) {
			w.Errorf("%s: %d of %d refused", v, len(taken.Refused), len(junk))
		}
	}
	if heads() != before {
		w.Errorf("%d villages, then %d", before, heads())
	}
	if list, err = w.SetAsides(w.ctx()); err != nil || len(list) != most+most/2+1 || !slices.ContainsFunc(list, func(a store.SetAside) bool { return a.Village == "nowhere" }) {
		w.Errorf("%d set aside, %v", len(list), err)
	}
	w.ok(w.AddVillage(w.ctx(), store.Village{Code: "nowhere", Name: "新村"}))
	l.Device.Villages = []record.Village{"nowhere"}
	if taken := l.Send(seg); taken.Entries != 1 || taken.Quarantined != 0 {
		w.Errorf("once the village is there: %+v", taken)
	}
}

// A record has so many registers and a register so many values; what goes beyond
// is quarantined, and the office may take it in all the same.
func bounds(w *World) {
	const registers, siblings = 4096, 1024
	l := w.Laptop("王队员", identity.TeamMember)
	wide, deep := record.Change{Record: ID(1), Type: "later", Form: 1}, record.Change{Record: ID(2), Type: "later", Form: 1, Body: []record.Write{{Path: "x", Value: "0"}}}
	for n := range registers {
		wide.Body = append(wide.Body, record.Write{Path: record.Path(fmt.Sprint("x", n)), Value: "0"})
	}
	first := l.Write(wide)
	l.Write(Set("later", ID(1), "x7", "1", first))
	for range siblings {
		l.Write(deep)
	}
	if taken := l.Push(); taken.Entries != 2+siblings || taken.Quarantined != 0 {
		w.Errorf("within bounds: %+v", taken)
	}
	over := l.Write(Set("later", ID(1), "y", "1"))
	l.Write(deep)
	l.Write(Set("later", ID(1), "x7", "2", first))
	if taken := l.Push(); taken.Entries != 3 || taken.Quarantined != 2 {
		w.Errorf("beyond: %+v", taken)
	}
	list, err := w.Quarantine(w.ctx())
	w.ok(err)
	for _, q := range list {
		if q.Reason != store.ReasonFull {
			w.Errorf("quarantined for %q", q.Reason)
		}
	}
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		_, err := d.Accept(over, "admin", "")
		return err
	}))
	if v := w.View(ID(1)); v.Fields["y"] != "1" {
		w.Errorf("accepted, the record reads %v", v.Fields["y"])
	}
}

// A delivery that takes long lets others have the lock in between.
func turns(w *World) {
	l := w.Laptop("王队员", identity.TeamMember)
	var segments [][]byte
	for n := range 6 {
		l.Write(Set("household", ID(1), "phone", record.Text(fmt.Sprint(n))))
		segments = append(segments, l.Segment(n+1, n+1))
	}
	for _, tt := range []struct {
		tick   int64
		pushed [][]byte
		feed   uint64 // one more for each transaction
	}{{0, segments[:3], 1}, {1000, segments[3:], 4}} {
		w.Tick = tt.tick
		if taken := l.Send(tt.pushed...); taken.Entries != 3 {
			w.Errorf("taken %+v", taken)
		}
		w.Tick = 0
		heads, err := w.Heads(w.ctx())
		w.ok(err)
		if heads[0].Feed != tt.feed {
			w.Errorf("%d ms at each look: the feed is at %d, want %d", tt.tick, heads[0].Feed, tt.feed)
		}
	}
}

// What fails in the middle leaves nothing behind, and the same delivery works
// the next time.
func rollback(w *World) {
	l := w.Laptop("王队员", identity.TeamMember)
	l.Write(household(1, "1"))
	l.Push()
	heads, err := w.Heads(w.ctx())
	w.ok(err)
	broken := errors.New("the power is gone")
	err = w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		if _, err := d.Write(record.Change{Record: ID(1), Type: "household", Author: "admin", Body: []record.Write{{Path: "phone", Value: `"2"`}}}); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		w.Fatal(err)
	}
	after, err := w.Heads(w.ctx())
	w.ok(err)
	if !slices.Equal(heads, after) || w.View(ID(1)).Fields["phone"] != `"1"` {
		w.Errorf("heads %v, then %v; the record reads %v", heads, after, w.View(ID(1)).Fields)
	}
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		_, err := d.Write(record.Change{Record: ID(1), Type: "household", Author: "admin", Body: []record.Write{{Path: "phone", Value: `"2"`}}})
		return err
	}))
}

// Who panics while it writes or reads, and is recovered further up, leaves the
// store as it was and to others.
func panics(w *World) {
	broken := func(do func()) {
		defer func() {
			if r := recover(); r != "broken" {
				w.Errorf("the panic is %v", r)
			}
		}()
		do()
	}
	l := w.Laptop("王队员", identity.TeamMember)
	l.Write(household(1, "1"))
	l.Push()
	broken(func() {
		_ = w.Desk(w.ctx(), Code, func(d *store.Desk) error {
			if _, err := d.Write(by("admin", Set("household", ID(1), "phone", `"2"`))); err != nil {
				w.Error(err)
			}
			panic("broken")
		})
	})
	broken(func() {
		for range w.Records(w.ctx(), store.Query{Type: "household"}) {
			panic("broken")
		}
	})
	ctx, cancel := context.WithTimeout(w.ctx(), 10*time.Second)
	defer cancel()
	if err := w.SetMeta(ctx, "after", []byte{1}); err != nil {
		w.Fatalf("nobody can write any more: %v", err)
	}
	if v := w.View(ID(1)); v.Fields["phone"] != `"1"` {
		w.Errorf("half of it stayed: %v", v.Fields)
	}
}

// Writers at once, one reader that reads pages all the while: no feed number is
// skipped, and the reader has everything in the end.
func feeds(w *World) {
	const laptops, pushes = 4, 15
	var all sync.WaitGroup
	for i := range laptops {
		l := w.Laptop(fmt.Sprint("王", i), identity.TeamMember)
		for n := range pushes {
			l.Write(household(1000*i+n, "1"))
		}
		all.Go(func() {
			for n := range pushes {
				if _, err := w.Take(w.ctx(), store.Delivery{Village: Code, From: l.Device, Segments: [][]byte{l.Segment(n+1, n+1)}, Received: clock.At0(start)}); err != nil {
					w.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	reader := w.Laptop("读者", identity.TeamMember)
	seen, cursor := map[record.ID]bool{}, uint64(0)
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		pull, _ := reader.Ask(store.Request{Epoch: w.Epoch(), Cursor: cursor})
		for _, r := range pull.Records {
			seen[r.ID] = true
		}
		cursor = pull.Cursor
	}
	if len(seen) != laptops*pushes || cursor != laptops*pushes {
		w.Errorf("the reader has %d records at %d, want %d", len(seen), cursor, laptops*pushes)
	}
}

func lost(c record.Change) record.Change {
	c.SetLost()
	return c
}
