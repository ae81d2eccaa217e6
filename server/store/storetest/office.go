package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// The office writes under the server's own stream, and laptops get it.
func desks(w *World) {
	l := w.Laptop("王队员", identity.TeamMember)
	d := l.Write(household(1, "1"))
	l.Push()
	cursor := l.Page(0).Cursor
	var dots []record.Dot
	for _, phone := range []record.Value{`"2"`, `"3"`} {
		w.ok(w.Desk(w.ctx(), Code, func(desk *store.Desk) error {
			rec, err := desk.Record(ID(1))
			if err != nil {
				return err
			}
			dot, err := desk.Write(record.Change{Record: ID(1), Type: "household", Author: "admin", Body: []record.Write{{Path: "phone", Value: phone, Observed: rec.State.Observed("phone")}}})
			dots = append(dots, dot)
			return err
		}))
	}
	if v := w.View(ID(1)); v.Fields["phone"] != `"3"` || len(v.Others) != 0 {
		w.Errorf("the record reads %+v", v)
	}
	if dots[0].Stream != dots[1].Stream || dots[0].Stream == d.Stream || dots[1].Seq != 2 {
		w.Errorf("the office wrote %v", dots)
	}
	if pull := l.Page(cursor); len(pull.Records) != 1 || len(pull.Heads) != 1 {
		w.Errorf("the laptop gets %+v", pull)
	}
	// A clock that is set back does not take the office's times back.
	before := w.View(ID(1)).Updated
	w.Clock -= 1000_000
	w.ok(w.Desk(w.ctx(), Code, func(desk *store.Desk) error {
		_, err := desk.Write(by("admin", Set("household", ID(1), "phone", `"4"`, dots[1])))
		return err
	}))
	if v := w.View(ID(1)); v.Updated < before || v.Fields["phone"] != `"4"` {
		w.Errorf("after %v comes %+v", before, v)
	}
	err := w.Desk(w.ctx(), Code, func(desk *store.Desk) error {
		if _, err := desk.Record(ID(2)); !errors.Is(err, store.ErrNotFound) {
			w.Errorf("a record that is not there: %v", err)
		}
		_, err := desk.Write(by("admin", Set("visit", ID(1), "phone", `"4"`)))
		return err
	})
	if !errors.Is(err, store.ErrOtherType) {
		w.Errorf("a household written as a visit: %v", err)
	}
}

func by(author string, c record.Change) record.Change {
	c.Author = author
	return c
}

// Accepted entries keep author and time, replace what they replaced, and do not
// come back where their author has replaced them since.
func accepts(w *World) {
	office, l := w.Laptop("赵乡长", identity.TownshipOffice), w.Laptop("王队员", identity.TeamMember)
	attr := office.Write(New("household", ID(1), map[record.Path]record.Value{"poverty_attr": `"general"`, "phone": `"0"`}))
	office.Push()
	l.Device.Profiles = nil
	l.Skew = 3600_000_000 // a clock 1000 hours ahead
	first := l.Write(Set("household", ID(1), "poverty_attr", `"dibao"`, attr))
	w.Clock += 60_000
	second := l.Write(Set("household", ID(1), "poverty_attr", `"wubao"`, attr, first))
	third := l.Write(record.Change{Record: ID(2), Type: "household", Body: []record.Write{{Path: "phone", Value: `"1"`}, {Path: "helper_phone", Value: `"5"`}}})
	l.Push()
	l.Device.Profiles = []string{"王队员"}
	l.Write(Set("household", ID(2), "phone", `"2"`, third))
	l.Push()
	w.Clock += 1000_000

	accept := func(d record.Dot) record.Dot {
		w.Helper()
		var issued record.Dot
		w.ok(w.Desk(w.ctx(), Code, func(desk *store.Desk) (err error) {
			issued, err = desk.Accept(d, "admin", "核实过")
			return err
		}))
		return issued
	}
	a := accept(first)
	if v := w.View(ID(1)); v.Fields["poverty_attr"] != `"dibao"` || len(v.Conflicts) != 0 {
		w.Errorf("after the first the record reads %+v", v)
	}
	accept(second)
	v := w.View(ID(1))
	if v.Fields["poverty_attr"] != `"wubao"` || len(v.Conflicts) != 0 {
		w.Errorf("after the second the record reads %+v", v)
	}
	entries, err := w.History(w.ctx(), Code, ID(1))
	w.ok(err)
	for i, want := range []int64{start + 60_000, start, start} {
		if off := entries[i].At.Milli() - want; off < -5000 || off > 5000 {
			w.Errorf("entry %d of the history is dated %d ms wrong", i, off)
		}
	}
	if entries[1].Dot != a || entries[1].Change.Author != "王队员" || entries[1].Device != store.OfficeDevice {
		w.Errorf("the accepted entry is %+v", entries[1])
	}
	// Its author has replaced the phone since, and not the other one.
	accept(third)
	if v := w.View(ID(2)); v.Fields["phone"] != `"2"` || len(v.Others) != 0 || v.Fields["helper_phone"] != `"5"` {
		w.Errorf("after the third the record reads %+v", v)
	}
	err = w.Desk(w.ctx(), Code, func(desk *store.Desk) error { return desk.Reject(first, "admin", "不") })
	if !errors.Is(err, store.ErrDecided) {
		w.Errorf("rejected after it was accepted: %v", err)
	}
	if list, err := w.Quarantine(w.ctx(), Code); err != nil || len(list) != 0 {
		w.Errorf("in quarantine: %+v, %v", list, err)
	}
	q, e, err := w.QuarantinedEntry(w.ctx(), first)
	w.ok(err)
	if q.Decision != store.Accepted || q.DecidedBy != "admin" || q.Why != "核实过" || q.Issued != a || e.Change.Author != "王队员" {
		w.Errorf("the decision is %+v", q)
	}
}

// A list of quarantined entries is read segment by segment.
func quarantineList(w *World) {
	l := w.Laptop("王队员", identity.TeamMember)
	l.Device.Profiles = nil
	const n = 300
	for i := range n {
		l.Write(visit(i))
	}
	l.Send(l.Segment(1, n/2), l.Segment(n/2+1, n))
	list, err := w.Quarantine(w.ctx())
	w.ok(err)
	if len(list) != n {
		w.Fatalf("%d in quarantine", len(list))
	}
	took := func(read func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	all := took(func() {
		i := 0
		for e, err := range w.QuarantinedEntries(w.ctx(), list) {
			w.ok(err)
			if e.Dot != list[i].Dot || e.Change.Record != list[i].Record {
				w.Errorf("entry %d is %v of %s, want %v of %s", i, e.Dot, e.Change.Record, list[i].Dot, list[i].Record)
			}
			i++
		}
		if i != n {
			w.Errorf("%d entries", i)
		}
	})
	one := took(func() {
		_, _, err := w.QuarantinedEntry(w.ctx(), list[n-1].Dot)
		w.ok(err)
	})
	if all > 20*one {
		w.Errorf("%d KB for all of them, %d for one", all>>10, one>>10)
	}
	for range w.QuarantinedEntries(w.ctx(), list) {
		break
	}
	list[1].Dot.Seq = n + 1
	for _, err := range w.QuarantinedEntries(w.ctx(), list[1:]) {
		if !errors.Is(err, store.ErrNotFound) {
			w.Errorf("an entry that is not there: %v", err)
		}
	}
}

// Fill makes a little of everything: records, a conflict, a quarantined entry.
func Fill(w *World) {
	a, b := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	d := a.Write(household(1, "1"))
	a.Write(visit(7))
	a.Push()
	a.Write(Set("household", ID(1), "head_name", `"王二"`, d))
	b.Write(Set("household", ID(1), "head_name", `"王三"`, d))
	b.Write(Set("household", ID(1), "poverty_attr", `"dibao"`))
	a.Push()
	b.Push()
}

// Decide makes a small change of the office.
func Decide(s *store.Store) error {
	return s.Desk(context.Background(), Code, func(desk *store.Desk) error {
		rec, err := desk.Record(ID(1))
		if err != nil {
			return err
		}
		_, err = desk.Write(by("admin", Set("household", ID(1), "phone", record.Text(fmt.Sprint(rec.Feed)), rec.State.Observed("phone")...)))
		return err
	})
}
