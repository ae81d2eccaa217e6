package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Copying opens a store on a file that Copy wrote.
type Copying func(w *World, file string) *store.Store

// Restores runs the cases of backups: open is as for Run, again opens a copy.
func Restores(w *World, again Copying) {
	copies(w, again)
	restores(w, again)
	proofs(w, again)
	erasedSince(w, again)
	rewoundUnknown(w, again)
}

// deliver is Send with receipts of an earlier life.
func (l *Laptop) deliver(d store.Delivery) store.Taken {
	l.w.Helper()
	d.Village, d.From, d.Found = l.village, l.Device, -l.Skew
	if d.Received == 0 {
		d.Received = clock.At0(l.w.Clock)
	}
	taken, err := l.w.Take(l.w.ctx(), d)
	l.w.ok(err)
	return taken
}

// enrolled makes the device known to the store, as one that came in by a code.
func (w *World) enrolled(l *Laptop) {
	w.Helper()
	id := string(l.Device.ID)
	w.ok(w.AddCode(w.ctx(), store.Code{ID: id, SecretHash: []byte{1}, Role: l.Device.Role, Name: l.Device.Name, Villages: l.Device.Villages, Created: w.time(), Expires: w.time()}))
	w.ok(w.UseCode(w.ctx(), id, func(store.Code, *store.Device) (*store.Device, bool, error) { return &l.Device, false, nil }))
}

// A copy is of one moment however many write meanwhile, and what is noted as
// backed up is what is in it.
func copies(w *World, again Copying) {
	const writers = 3
	var all sync.WaitGroup
	var stop atomic.Bool
	var laptops []*Laptop
	for i := range writers {
		l := w.Laptop(fmt.Sprint("抄", i), identity.TeamMember)
		w.enrolled(l)
		laptops = append(laptops, l)
	}
	for i, l := range laptops {
		all.Go(func() {
			for n := 0; !stop.Load() && n < 200; n++ {
				l.Write(household(1000*(i+1)+n, "100"))
				l.Push()
			}
		})
	}
	file := filepath.Join(w.TempDir(), "copy")
	c, err := w.Copy(w.ctx(), file)
	stop.Store(true)
	all.Wait()
	w.ok(err)
	if _, err := w.Copy(w.ctx(), file); err == nil {
		w.Error("a copy is written over another")
	}
	// A copy of another life says nothing of this one.
	other := c
	other.Epoch[0]++
	w.ok(w.Backed(w.ctx(), other))
	for _, l := range laptops {
		if pull, _ := l.Ask(store.Request{Epoch: w.Epoch(), Cursor: 1 << 40, Backed: true}); len(pull.Backed) > 0 {
			w.Errorf("before it is noted: %+v", pull.Backed)
		}
		l.Write(household(9000, "100"))
		l.Push()
	}
	w.ok(w.Backed(w.ctx(), c))
	old := again(w, file)
	defer func() { w.ok(old.Close()) }()
	sum, err := old.Verify(w.ctx(), func(f store.Fault) { w.Errorf("the copy: %s: %s", f.Village, f.What.En) })
	w.ok(err)
	total := 0
	for _, l := range laptops {
		pull, _ := l.Ask(store.Request{Epoch: w.Epoch(), Backed: true})
		was, _, err := old.Page(w.ctx(), store.Request{Village: Code, Device: l.Device.ID, Budget: 1})
		w.ok(err)
		var heads []wire.StreamHead
		for _, h := range was.Heads {
			if h.Stream == l.Stream {
				heads = append(heads, h)
				total += int(h.Seq)
			}
		}
		if !slices.Equal(pull.Backed, heads) || len(heads) > 0 && heads[0].Seq >= uint64(len(l.Log)) {
			w.Errorf("backed %+v, the copy has %+v of %d", pull.Backed, heads, len(l.Log))
		}
	}
	if sum.Entries != total {
		w.Errorf("the copy has %d entries, the streams in it %d", sum.Entries, total)
	}
}

// restored is the world on a copy as of now, with all that happens after it lost.
func (w *World) restored(again Copying, meanwhile func()) store.Restored {
	w.Helper()
	file := filepath.Join(w.TempDir(), "copy")
	_, err := w.Copy(w.ctx(), file)
	w.ok(err)
	made := w.time()
	meanwhile()
	w.Clock += 3_600_000
	w.Store = again(w, file)
	r, err := w.Restore(w.ctx(), made)
	w.ok(err)
	return r
}

// A new life: another epoch, nobody signed in, no open code, and the question of
// what was revoked stands until it is answered.
func restores(w *World, again Copying) {
	before := w.Epoch()
	l := w.Laptop("还", identity.TeamMember)
	w.enrolled(l)
	l.Write(household(5000, "1"))
	l.Push()
	w.ok(w.AddCode(w.ctx(), store.Code{ID: "open", SecretHash: []byte{1}, Role: l.Device.Role, Name: "新", Villages: l.Device.Villages, Created: w.time(), Expires: w.time().Add(48 * time.Hour)}))
	w.ok(w.BeginSession(w.ctx(), store.Session{ID: "s", Ends: w.time().Add(12 * time.Hour)}, []byte{1}))
	if r, err := w.Restored(w.ctx()); r != nil || err != nil {
		w.Errorf("restored without a restore: %+v, %v", r, err)
	}
	var told store.Device
	var err error
	r := w.restored(again, func() {
		l.Write(household(5001, "1"))
		l.Push()
		told, err = w.ChangeDevice(w.ctx(), l.Device.ID, func(d *store.Device) error { d.Profiles = append(d.Profiles, "新人"); return nil })
		w.ok(err)
	})
	// The laptop has an assignment that is lost, and the next gets another number.
	now, err := w.Device(w.ctx(), l.Device.ID)
	w.ok(err)
	if now.Serial <= told.Serial || len(now.Profiles) != 1 {
		w.Errorf("the laptop has assignment %d of %v, which is lost, and the server %d of %v", told.Serial, told.Profiles, now.Serial, now.Profiles)
	}
	if w.Epoch() == before {
		w.Error("the epoch is the old one")
	}
	if _, ok, err := w.Session(w.ctx(), "s"); ok || err != nil {
		w.Errorf("a session goes on, %v", err)
	}
	codes, err := w.Codes(w.ctx())
	w.ok(err)
	for _, c := range codes {
		if c.UsedBy == "" && c.Expires.After(w.time()) {
			w.Errorf("code %s is good until %v", c.ID, c.Expires)
		}
	}
	if got, err := w.Restored(w.ctx()); err != nil || got == nil || !got.At.Equal(r.At) || !got.Made.Equal(r.Made) || !got.Made.Before(got.At) {
		w.Errorf("%+v, %v; want %+v", got, err, r)
	}
	w.ok(w.ConfirmRestored(w.ctx()))
	if got, err := w.Restored(w.ctx()); got != nil || err != nil {
		w.Errorf("after it was confirmed: %+v, %v", got, err)
	}
	if err := w.ConfirmRestored(w.ctx()); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("confirmed twice: %v", err)
	}
	// Whoever comes from the old epoch hears what is here of his streams, also with
	// more to come and when nothing else is said to him; whoever comes from this one does not.
	own := []wire.StreamHead{{Stream: l.Stream, Seq: 1}}
	for _, q := range []store.Request{{Epoch: before, Cursor: 9, Budget: 1}, {Epoch: before, Denied: true}} {
		if pull, ok := l.Ask(q); !ok || !slices.Contains(pull.Heads, own[0]) {
			w.Errorf("%+v is answered with %+v", q, pull.Heads)
		}
	}
	if pull, _ := l.Ask(store.Request{Epoch: w.Epoch(), Denied: true}); len(pull.Heads) > 0 {
		w.Errorf("of this epoch: %+v", pull.Heads)
	}
	// What is left out of a page is no more than is here.
	pull, _ := l.Ask(store.Request{Epoch: before, Cursor: 9, Own: []wire.Own{{Stream: l.Stream, Head: 2, Acked: 2}}})
	if len(pull.Without) != 1 || pull.Without[0] != own[0] {
		w.Errorf("without %+v", pull.Without)
	}
	w.Whole()
}

// What comes again with its receipt is what it was: dated, judged and receipted as
// in the life that was lost, whatever has changed since. What was never judged is
// judged now, and may replace what others have yet to bring again.
func proofs(w *World, again Copying) {
	a, b := w.Laptop("甲队员", identity.TeamMember), w.Laptop("乙队员", identity.TeamMember)
	w.enrolled(a)
	w.enrolled(b)
	a.Write(household(6000, "1"))
	a.Push()
	var receipts []journal.Receipt
	var seen record.Dot
	w.restored(again, func() {
		w.Clock += 60_000
		seen = a.Write(household(6001, "1"))
		a.Write(record.Change{Record: ID(6002), Type: "household", Author: "外人", Form: 1, Body: household(6002, "1").Body})
		a.Push()
		pull, _ := a.Ask(store.Request{Epoch: w.Epoch(), Own: []wire.Own{{Stream: a.Stream, Head: 3, Acked: 1}}})
		receipts = pull.Receipts
	})
	if len(receipts) != 1 || len(receipts[0].Quarantined) != 1 {
		w.Fatalf("receipts %+v", receipts)
	}
	// b has seen what is lost, and replaces it before it is here again.
	b.Write(Set("household", ID(6001), "phone", `"2"`, seen))
	if taken := b.Push(); taken.Quarantined != 0 {
		w.Errorf("who had seen what was lost is quarantined: %+v", taken)
	}
	// Nobody of these names is on the laptop any more.
	a.Device.Profiles = []string{"别人"}
	a.Skew = 7200_000
	forged := receipts[0]
	forged.Quarantined = nil
	if taken := a.deliver(store.Delivery{Segments: [][]byte{a.Segment(2, 3)}, Proofs: append([]journal.Receipt{forged}, receipts...)}); taken.Entries != 2 || taken.Quarantined != 1 {
		w.Errorf("with its receipt: %+v", taken)
	}
	pull, _ := a.Ask(store.Request{Epoch: w.Epoch(), Own: []wire.Own{{Stream: a.Stream, Head: 3, Acked: 1}}})
	if len(pull.Receipts) != 1 || !bytes.Equal(pull.Receipts[0].Sig, receipts[0].Sig) {
		w.Errorf("the receipt is %+v, was %+v", pull.Receipts, receipts)
	}
	if v := w.View(ID(6001)); v == nil || v.Fields["phone"] != `"2"` || len(v.Conflicts) > 0 {
		w.Errorf("the record reads %+v", v)
	}
	// Without a receipt it is judged. While the laptop has more of that, others may have
	// seen it; then nobody has seen what is still to come.
	a.Write(household(6003, "1"))
	a.Write(household(6004, "1"))
	named := record.Dot{Stream: a.Stream, Seq: 5}
	for seq, own := range [][]wire.Own{nil, {{Stream: a.Stream, Head: 7}}, {{Stream: a.Stream, Head: 6}}} {
		a.Write(household(6005+seq, "1"))
		if taken := a.deliver(store.Delivery{Segments: [][]byte{a.Segment(4+seq, 4+seq)}, Proofs: []journal.Receipt{forged}, Own: own}); taken.Quarantined != 1 {
			w.Errorf("a new entry by nobody: %+v", taken)
		}
		named.Seq = uint64(5 + seq)
		b.Write(Set("household", ID(6003), "phone", `"2"`, named))
		if taken := b.Push(); (taken.Quarantined == 1) != (seq == 2) {
			w.Errorf("%d: who names what is to come: %+v", seq, taken)
		}
	}
	w.Whole()
}

// Of a stream that the backup has nothing of, others may have seen what is still to come,
// as of those that it has; of the office's own nobody has.
func rewoundUnknown(w *World, again Copying) {
	a, b := w.Laptop("丙队员", identity.TeamMember), w.Laptop("丁队员", identity.TeamMember)
	w.enrolled(a)
	w.enrolled(b)
	w.restored(again, func() {
		for n := range 3 {
			a.Write(household(6201+n, "1"))
		}
		a.Push()
	})
	named := record.Dot{Stream: a.Stream, Seq: 3}
	if taken := a.deliver(store.Delivery{Segments: [][]byte{a.Segment(1, 1)}, Own: []wire.Own{{Stream: a.Stream, Head: 3}}}); taken.Quarantined != 0 {
		w.Errorf("%+v", taken)
	}
	b.Write(Set("household", ID(6203), "phone", `"2"`, named))
	if taken := b.Push(); taken.Quarantined != 0 {
		w.Errorf("what it saw in the earlier life: %+v", taken)
	}
	var office record.Dot
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) (err error) {
		office, err = d.Write(by("admin", Set("household", ID(6201), "phone", `"3"`)))
		return err
	}))
	office.Seq++
	b.Write(Set("household", ID(6201), "phone", `"4"`, office))
	if taken := b.Push(); taken.Quarantined != 1 {
		w.Errorf("what the office has yet to write: %+v", taken)
	}
	w.Whole()
}

// What was right in an earlier life is not, once the record was erased in this one;
// and whoever erased it then must do it again, while its laptops know.
func erasedSince(w *World, again Copying) {
	a := w.Laptop("擦", identity.TeamMember)
	w.enrolled(a)
	a.Write(household(6500, "1"))
	a.Write(household(6501, "1"))
	a.Push()
	var receipts []journal.Receipt
	w.restored(again, func() {
		a.Write(Set("household", ID(6500), "phone", `"2"`))
		a.Push()
		pull, _ := a.Ask(store.Request{Epoch: w.Epoch(), Own: []wire.Own{{Stream: a.Stream, Head: 3, Acked: 2}}})
		receipts = pull.Receipts
		_, err := w.Erase(ID(6501))
		w.ok(err)
	})
	if v := w.View(ID(6501)); v.Erased {
		w.Errorf("a backup of before reads %+v", v)
	}
	_, err := w.Erase(ID(6500))
	w.ok(err)
	if taken := a.deliver(store.Delivery{Segments: [][]byte{a.Segment(3, 3)}, Proofs: receipts}); taken.Entries != 1 || taken.Quarantined != 1 || len(receipts) != 1 {
		w.Errorf("taken %+v with %+v", taken, receipts)
	}
	if v := w.View(ID(6500)); !v.Erased || len(v.Fields) != 0 {
		w.Errorf("it reads %+v", v)
	}
	// Its laptop has erased the other, and is asked for it by a server that has not.
	a.Write(Set("household", ID(6501), "phone", `"3"`))
	seg, err := journal.Decode(a.Segment(4, 4))
	w.ok(err)
	if taken := a.deliver(store.Delivery{Segments: [][]byte{seg.Erase(func(int) bool { return true }).Encode()}}); taken.Entries != 1 || taken.Quarantined != 0 {
		w.Errorf("an erased entry: %+v", taken)
	}
	if v := w.View(ID(6501)); v.Fields["phone"] != `"1"` {
		w.Errorf("it changed something: %+v", v)
	}
	w.Whole()
}
