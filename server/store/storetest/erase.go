package storetest

import (
	"crypto/ed25519"
	"errors"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Canary is in everything that is written to the record that the tests erase.
const Canary = "金丝雀4471"

// Erase erases a record of the village.
func (w *World) Erase(id record.ID) (e store.Erasure, err error) {
	err = w.Desk(w.ctx(), Code, func(d *store.Desk) (err error) {
		d.Note(store.Note{Who: "admin", Act: "erase", Subject: id.String(), Reason: "依法"})
		e, err = d.Erase(id, "admin", "依法")
		return err
	})
	return e, err
}

// Burden is a village with one record, ID(1), that is everywhere: in segments with
// others, in an office's decision, a conflict, the quarantine and set aside.
type Burden struct{ A, B *Laptop }

// NewBurden makes it.
func NewBurden(w *World) *Burden {
	text := func(s string) record.Value { return record.Text(Canary + s) }
	a, b := w.Laptop("王队员", identity.FirstSecretary), w.Laptop("李队员", identity.FirstSecretary)
	a.Write(household(2, "2"))
	d := a.Write(New("household", ID(1), map[record.Path]record.Value{"phone": text("电话"), "head_name": text("户主"), "group_name": text("一组")}))
	a.Write(household(3, "3"))
	a.Push()
	b.Write(household(4, "4"))
	b.Write(Set("household", ID(1), "phone", text("新电话"), d))
	b.Write(Set("household", ID(1), "group_name", text("二组"), d))
	b.Push()
	a.Write(Set("household", ID(1), "group_name", text("三组"), d)) // a conflict
	stray := Set("household", ID(1), "head_name", text("外人"), d)
	stray.Author = "外人"
	a.Write(stray) // quarantined
	a.Write(household(5, "5"))
	a.Push()
	w.ok(w.Desk(w.ctx(), Code, func(desk *store.Desk) error {
		_, err := desk.Write(by("admin", Set("household", ID(1), "head_name", text("改名"), d)))
		return err
	}))
	// An image of A's laptop that wrote on by itself.
	image := *a
	image.Log, image.hashes = slices.Clone(a.Log[:5]), slices.Clone(a.hashes[:5])
	image.Write(Set("household", ID(1), "phone", text("镜像"), d))
	if taken := image.Send(image.Segment(6, 6)); len(taken.Refused) != 1 || taken.Refused[0].Code != wire.RefusedFork {
		w.Fatalf("the image: %+v", taken)
	}
	return &Burden{a, b}
}

// An erased record says nothing any more, anywhere; the others say what they said,
// and the log still verifies.
func erases(w *World) {
	u := NewBurden(w)
	a, b := u.A, u.B
	cursor := b.Page(0).Cursor
	mine, err := w.Record(w.ctx(), Code, ID(1)) // as a laptop holds it
	w.ok(err)
	frontier := merge.Frontier{a.Stream: 6, b.Stream: 3}
	whole := w.Whole()
	held := a.Page(0).Receipts

	e, err := w.Erase(ID(1))
	w.ok(err)
	if e.Changes != 6 || e.Segments != 4 || e.SetAside != 1 || e.Unread != 0 {
		w.Errorf("erased %+v", e)
	}
	now := w.Whole()
	if now.Entries != whole.Entries+1 || now.Records != whole.Records || now.Reviews != whole.Reviews-1 || now.Quarantined != whole.Quarantined {
		w.Errorf("verified %+v, before %+v", now, whole)
	}
	v := w.View(ID(1))
	if !v.Erased || !v.Void || v.Reason != "依法" || len(v.Fields)+len(v.Conflicts)+len(v.Others)+len(v.Authors) != 0 {
		w.Errorf("it reads %+v", v)
	}
	for n, phone := range map[int]record.Value{2: `"2"`, 3: `"3"`, 4: `"4"`, 5: `"5"`} {
		if got := w.View(ID(n)); got == nil || got.Fields["phone"] != phone {
			w.Errorf("record %d reads %+v", n, got)
		}
	}
	if list, err := w.Quarantine(w.ctx()); err != nil || len(list) != 0 {
		w.Errorf("the quarantine: %+v, %v", list, err)
	}
	// Whole in all that it says of others.
	if list, err := w.SetAsides(w.ctx()); err != nil || len(list) != 1 {
		w.Errorf("set aside: %+v, %v", list, err)
	}
	history, err := w.History(w.ctx(), Code, ID(1))
	if err != nil || len(history) != 1 || history[0].Dot != e.Dot || history[0].Change.Author != "admin" {
		w.Errorf("its history is %+v, %v", history, err)
	}
	if _, err := w.Erase(ID(1)); !errors.Is(err, store.ErrErased) {
		w.Errorf("again: %v", err)
	}
	if _, err := w.Erase(ID(9)); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("of nothing: %v", err)
	}
	if notes := w.notes(store.AuditQuery{Act: "erase"}); len(notes) != 1 {
		w.Errorf("noted %+v", notes)
	}

	// Every replica follows by the join that it makes of every page.
	pull := b.Page(cursor)
	if len(pull.Records) != 1 {
		w.Fatalf("the page has %d records", len(pull.Records))
	}
	state, err := merge.Decode(pull.Records[0].State)
	w.ok(err)
	joined := merge.Join(mine.State, frontier, state, merge.Frontier{a.Stream: 6, b.Stream: 3, e.Dot.Stream: e.Dot.Seq})
	if !joined.Erased() || len(joined) != 1 {
		w.Errorf("a laptop holds %+v", joined)
	}
	// Receipts: those that were given, and those that are given now.
	for _, list := range [][]journal.Receipt{held, a.Page(0).Receipts} {
		if len(list) == 0 {
			w.Error("no receipts")
		}
		for _, r := range list {
			if !r.Proves(a.w.Store.Key.Public().(ed25519.PublicKey), a.hashes[r.Seq-1]) {
				w.Errorf("the receipt %+v proves nothing", r)
			}
		}
	}

	// What was sent before may be sent again, from any entry on.
	for from := 1; from <= 6; from++ {
		if taken := a.Send(a.Segment(from, 6)); taken.Entries != 0 || len(taken.Refused) != 0 || taken.Agreed[a.Stream] != 6 {
			w.Errorf("again from %d: %+v", from, taken)
		}
	}
	// Who does not know yet writes on: it goes into quarantine, without a body, and
	// holds nobody up.
	l := a.Write(Set("household", ID(1), "phone", record.Text(Canary+"后来")))
	a.Write(household(6, "6"))
	if taken := a.Send(a.Segment(3, 8)); taken.Entries != 2 || taken.Quarantined != 1 || len(taken.Refused) != 0 {
		w.Errorf("written on: %+v", taken)
	}
	if v := w.View(ID(1)); !v.Erased || len(v.Fields) != 0 {
		w.Errorf("it reads %+v", v)
	}
	if v := w.View(ID(6)); v == nil || v.Fields["phone"] != `"6"` {
		w.Errorf("what came after it: %+v", v)
	}
	q, entry, err := w.QuarantinedEntry(w.ctx(), l)
	if err != nil || q.Reason != store.ReasonErased || !entry.Erased || len(entry.Change.Body) != 0 {
		w.Errorf("quarantined is %+v, %+v, %v", q, entry, err)
	}
	if err := w.Desk(w.ctx(), Code, func(d *store.Desk) error { _, err := d.Accept(l, "admin", "x"); return err }); !errors.Is(err, store.ErrErased) {
		w.Errorf("accepted after all: %v", err)
	}
	if err := w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		_, err := d.Write(by("admin", Set("household", ID(1), "phone", `"1"`)))
		return err
	}); !errors.Is(err, store.ErrErased) {
		w.Errorf("the office writes on: %v", err)
	}
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) error { return d.Reject(l, "admin", "x") }))
}

// WriteOn writes to the record as somebody who does not know that it was erased,
// and as an image of that laptop, which is set aside.
func (u *Burden) WriteOn() {
	a := u.A
	fork := *a
	fork.Log, fork.hashes = slices.Clone(a.Log), slices.Clone(a.hashes)
	a.Write(Set("household", ID(1), "phone", record.Text(Canary+"后来")))
	a.Push()
	fork.Write(Set("household", ID(1), "phone", record.Text(Canary+"又一份")))
	n := len(fork.Log)
	if taken := fork.Send(fork.Segment(n, n)); len(taken.Refused) != 1 {
		a.w.Errorf("the fork: %+v", taken)
	}
}

// A record of which only quarantined changes are known can be erased as well.
func erasesStray(w *World) {
	l := w.Laptop("王队员", identity.FirstSecretary)
	c := New("household", ID(1), map[record.Path]record.Value{"phone": record.Text(Canary)})
	c.Author = "外人"
	l.Write(c)
	l.Push()
	if e, err := w.Erase(ID(1)); err != nil || e.Changes != 1 {
		w.Errorf("%+v, %v", e, err)
	}
	if v := w.View(ID(1)); v == nil || !v.Erased {
		w.Errorf("it reads %+v", v)
	}
}

// A laptop may have erased entries itself; they change nothing. That a record is
// erased only the server says.
func erasedByLaptops(w *World) {
	l := w.Laptop("王队员", identity.FirstSecretary)
	d := l.Write(household(1, "1"))
	l.Write(Set("household", ID(1), "phone", `"2"`, d))
	l.Write(household(2, "3"))
	l.Write(Set("household", ID(2), "phone", `"4"`))
	send := func(from, last int, erased ...int) store.Taken {
		seg, err := journal.Decode(l.Segment(from, last))
		w.ok(err)
		return l.Send(seg.Erase(func(i int) bool { return slices.Contains(erased, from+i) }).Encode())
	}
	if taken := send(1, 4, 2, 3); taken.Entries != 4 || taken.Quarantined != 0 || len(taken.Refused) != 0 {
		w.Errorf("taken %+v", taken)
	}
	if v := w.View(ID(1)); v == nil || v.Fields["phone"] != `"1"` || len(v.Others) != 0 {
		w.Errorf("record 1 reads %+v", v)
	}
	if v := w.View(ID(2)); v == nil || v.Fields["phone"] != `"4"` || len(v.Authors) != 0 {
		w.Errorf("record 2 reads %+v", v)
	}
	w.Whole()
	// The same, whole, says nothing new.
	if taken := l.Send(l.Segment(2, 4)); taken.Entries != 0 || len(taken.Refused) != 0 {
		w.Errorf("again: %+v", taken)
	}
	f := l.Write(Set("household", ID(1), record.Life, merge.Erasure("假的"), d))
	if taken := l.Send(l.Segment(5, 5)); taken.Quarantined != 1 {
		w.Errorf("a laptop erases: %+v", taken)
	}
	if q, _, err := w.QuarantinedEntry(w.ctx(), f); err != nil || q.Reason != merge.RefusedOwner || q.Detail != string(record.Life) {
		w.Errorf("quarantined is %+v, %v", q, err)
	}
	if v := w.View(ID(1)); v.Erased || v.Fields["phone"] != `"1"` {
		w.Errorf("record 1 reads %+v", v)
	}
}
