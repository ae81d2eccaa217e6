package storetest

import (
	"errors"
	"slices"

	"zhucun/server/store"
	"zhucun/shared/blob"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// Move takes a record to another village, up to so many of the three steps that it takes.
func (w *World) Move(x store.Transfer, steps int) store.Transfer {
	w.Helper()
	x.Login, x.Reason = "admin", "迁往村"
	x, err := w.BeginTransfer(w.ctx(), x, "")
	w.ok(err)
	if steps > 1 {
		w.Resume(x, steps)
	}
	return x
}

// Resume goes on with a transfer.
func (w *World) Resume(x store.Transfer, steps int) {
	w.Helper()
	bag, err := w.Baggage(w.ctx(), x.From, x.To, x.Record)
	w.ok(err)
	w.ok(w.Desk(w.ctx(), x.To, func(d *store.Desk) error {
		_, err := d.Enter(x, bag)
		return err
	}))
	if steps < 3 {
		return
	}
	w.ok(w.Desk(w.ctx(), x.From, func(d *store.Desk) error {
		if same, erased, err := d.Same(bag); err != nil || !same || erased {
			return errors.Join(err, errors.New("it has moved on"))
		}
		return errors.Join(d.Leave(x, bag), d.EndTransfer(x, len(bag.Records)))
	}))
}

// Family makes household n with a person, a visit that shows photo, and the visit's issue,
// and what else names it. It gives the change of the household.
func Family(w *World, l *Laptop, n int, photo blob.Hash) record.Dot {
	home := record.Text(ID(n).String())
	d := l.Write(New("household", ID(n), map[record.Path]record.Value{"head_name": `"王大"`, "phone": `"1"`}))
	l.Write(New("person", ID(n+1), map[record.Path]record.Value{"household": home, "full_name": `"王大"`, "relation": `"head"`}))
	l.Write(New("visit", ID(n+2), map[record.Path]record.Value{"household": home, "visit_date": `"2017-07-01"`, "needs": `"修路"`, record.Path("photos").Element(blob.Name(photo, "jpg")): record.True}))
	l.Write(New("issue", record.DerivedID(ID(n+2), "needs"), map[record.Path]record.Value{"description": `"修路"`, "issue_status": `"open"`}))
	l.Write(New("education", ID(n+3), map[record.Path]record.Value{"households": record.Set([]string{ID(n).String()})}))
	l.Push()
	return d
}

// A household goes with all that is of it, and what only mentions it stays. Both villages
// have it, each once and whole, and laptops of both are told.
func moves(w *World) {
	a, b := w.Laptop("王队员", identity.FirstSecretary), w.Laptop("李队员", identity.TeamMember).In(Other)
	b.Device.Villages = []record.Village{Other}
	photo := blob.Hash{1, 2, 3}
	d := Family(w, a, 1, photo)
	_, err := w.TakeBlob(w.ctx(), store.Blob{Village: Code, Hash: photo, Kind: "jpg", Size: 5, Device: a.Device.ID})
	w.ok(err)
	w.ok(w.PutThumbnail(w.ctx(), Code, photo, []byte("small")))
	// What is open stays open.
	two := w.Laptop("赵队员", identity.TeamMember)
	a.Write(Set("household", ID(1), "head_name", `"王二"`, d))
	two.Write(Set("household", ID(1), "head_name", `"王三"`, d))
	two.Write(Set("household", ID(1), "poverty_attr~", `"dibao"`))
	a.Push()
	two.Push()
	before, err := w.Record(w.ctx(), Code, ID(1))
	w.ok(err)
	cursor := a.Page(0).Cursor
	w.Clock += 1000_000

	x := w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	for id, there := range map[record.ID]bool{ID(1): true, ID(2): true, ID(3): true, record.DerivedID(ID(3), "needs"): true, ID(4): false} {
		here, err := w.Record(w.ctx(), Code, id)
		w.ok(err)
		if here.View.Void != there || (here.View.Left == Other) != there {
			w.Errorf("%s is left with %+v", id, here.View)
		}
		gone, err := w.Record(w.ctx(), Other, id)
		if there != (err == nil) {
			w.Errorf("%s in the other village: %v", id, err)
		} else if there && (gone.View.Void || gone.View.Left != "") {
			w.Errorf("%s is entered with %+v", id, gone.View)
		}
	}
	after, err := w.Record(w.ctx(), Other, ID(1))
	w.ok(err)
	if !sameView(before.View, after.View) {
		w.Errorf("it read %+v, and now %+v", before.View, after.View)
	}
	if got, err := w.Get(w.ctx(), "household", ID(1)); err != nil || got.Village != Other {
		w.Errorf("without a village it is that of %v, %v", got.Village, err)
	}
	if list, err := w.Reviews(w.ctx(), Code); err != nil || len(list) != 0 {
		w.Errorf("where it was there waits %v, %v", list, err)
	}
	if list, err := w.Reviews(w.ctx(), Other); err != nil || len(list) != 2 {
		w.Errorf("where it is there waits %v, %v", list, err)
	}
	if _, err := w.Blob(w.ctx(), Other, photo); err != nil {
		w.Errorf("the photo: %v", err)
	}
	if small, err := w.Thumbnail(w.ctx(), Other, photo); err != nil || string(small) != "small" {
		w.Errorf("the small photo: %q, %v", small, err)
	}
	if pull := a.Page(cursor); len(pull.Records) != 4 {
		w.Errorf("a laptop there gets %d records", len(pull.Records))
	}
	if pull := b.Page(0); len(pull.Records) != 4 {
		w.Errorf("a laptop here gets %d records", len(pull.Records))
	}
	history, err := w.History(w.ctx(), Other, ID(1))
	w.ok(err)
	for _, e := range history {
		o, ok := e.Change.Origin()
		if was, err := w.History(w.ctx(), Code, ID(1)); err != nil || !ok || o.Village != Code || e.Change.Via() != Code || e.Change.Author == "admin" ||
			!slices.ContainsFunc(was, func(f store.Entry) bool {
				return f.Dot == o.Dot && f.At == e.At && f.Change.Author == e.Change.Author
			}) {
			w.Errorf("a change of the history is %+v", e)
		}
	}
	// Again it writes nothing.
	w.Resume(x, 2)
	if again, err := w.Record(w.ctx(), Other, ID(1)); err != nil || again.Feed != after.Feed {
		w.Errorf("entered again it has moved in the feed, %v", err)
	}
	if list, err := w.OpenTransfers(w.ctx()); err != nil || len(list) != 0 {
		w.Errorf("open are %v, %v", list, err)
	}
	if _, err := w.BeginTransfer(w.ctx(), store.Transfer{Record: ID(1), From: Code, To: Other}, ""); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("moved once more: %v", err)
	}
}

// sameView tells whether two villages show the same of a record, by whoever wrote it and when.
func sameView(a, b merge.View) bool {
	claims := func(m map[record.Path][]merge.Sibling) (n int) {
		for p, list := range m {
			for _, s := range list {
				for _, t := range slices.Concat(b.Conflicts[p], b.Proposals[p], b.Others[p]) {
					if s.Value == t.Value && s.Author == t.Author && s.At == t.At {
						n++
					}
				}
			}
		}
		return n
	}
	count := func(v merge.View) (n int) {
		for _, m := range []map[record.Path][]merge.Sibling{v.Conflicts, v.Proposals, v.Others} {
			for _, list := range m {
				n += len(list)
			}
		}
		return n
	}
	fields := len(a.Fields) == len(b.Fields)
	for name, v := range a.Fields {
		fields = fields && b.Fields[name] == v
	}
	return fields && count(a) == count(b) && claims(a.Conflicts)+claims(a.Proposals)+claims(a.Others) == count(b) &&
		slices.Equal(a.Authors, b.Authors) && a.Created == b.Created && a.Void == b.Void
}

// What a laptop writes that does not know yet waits for a decision where it was written,
// and goes after the record; what has been written there meanwhile stays beside it.
func movesLate(w *World) {
	a, b := w.Laptop("王队员", identity.FirstSecretary), w.Laptop("李队员", identity.TeamMember).In(Other)
	b.Device.Villages = []record.Village{Other}
	d := Family(w, a, 1, blob.Hash{1})
	w.Clock += 1000
	w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	w.Clock += 1000
	a.Write(Set("household", ID(1), "group_name", `"三组"`))
	a.Write(Set("household", ID(1), "head_name", `"王二"`, d))
	a.Write(New("visit", ID(9), map[record.Path]record.Value{"household": record.Text(ID(1).String())}))
	a.Push()
	rec, err := w.Record(w.ctx(), Other, ID(1))
	w.ok(err)
	b.Write(Set("household", ID(1), "head_name", `"王五"`, rec.State.Observed("head_name")...))
	b.Push()
	late, err := w.Record(w.ctx(), Code, ID(1))
	w.ok(err)
	if !late.View.Void || late.View.Left != Other || len(late.View.Conflicts[record.Life]) != 2 {
		w.Errorf("the late edit leaves %+v", late.View)
	}
	if got, err := w.Find(w.ctx(), ID(1)); err != nil || got.Village != Other {
		w.Errorf("without a village it is that of %v, %v", got.Village, err)
	}
	w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	if late, err = w.Record(w.ctx(), Code, ID(1)); err != nil || !late.View.Void || len(late.View.Conflicts) > 0 {
		w.Errorf("after it the record reads %+v, %v", late.View, err)
	}
	rec, err = w.Record(w.ctx(), Other, ID(1))
	w.ok(err)
	if rec.View.Fields["group_name"] != `"三组"` || len(rec.View.Conflicts["head_name"]) != 2 || len(rec.View.Conflicts) != 1 {
		w.Errorf("where it is it reads %+v", rec.View)
	}
	if v, err := w.Record(w.ctx(), Other, ID(9)); err != nil || v.View.Void {
		w.Errorf("the late visit: %v", err)
	}
}

// Round by other villages and home again: nothing that was replaced anywhere comes back.
func movesAround(w *World) {
	const third = record.Village("369999000003")
	w.ok(w.AddVillage(w.ctx(), store.Village{Code: third, Name: "三村", Created: w.time()}))
	a := w.Laptop("王队员", identity.FirstSecretary)
	Family(w, a, 1, blob.Hash{1})
	for i, leg := range [][2]record.Village{{Code, Other}, {Other, third}, {third, Code}, {Code, Other}, {Other, Code}} {
		w.Clock += 1000
		w.Move(store.Transfer{Record: ID(1), From: leg[0], To: leg[1]}, 3)
		rec, err := w.Get(w.ctx(), "household", ID(1))
		w.ok(err)
		if rec.Village != leg[1] || rec.View.Void || rec.View.Left != "" || len(rec.View.Conflicts)+len(rec.View.Others) > 0 {
			w.Fatalf("leg %d: in %s it reads %+v", i, rec.Village, rec.View)
		}
		if i == 1 { // in the third village alone
			w.ok(w.Desk(w.ctx(), third, func(d *store.Desk) error {
				_, err := d.Write(by("admin", Set("household", ID(1), "phone", `"2"`, rec.State.Observed("phone")...)))
				return err
			}))
		} else if i > 1 && rec.View.Fields["phone"] != `"2"` {
			w.Errorf("leg %d: the phone is %s", i, rec.View.Fields["phone"])
		}
		if list, err := w.Elsewhere(w.ctx(), leg[1], ID(1)); err != nil || len(list) != min(i+1, 2) || !list[0].View.Void {
			w.Errorf("leg %d: elsewhere it is %d times, %v", i, len(list), err)
		}
	}
	w.ok(nil)
}

// That a record has left only the server says, and that something was first written
// elsewhere; also where somebody accepts what a laptop says.
func movesForged(w *World) {
	a := w.Laptop("王队员", identity.Office)
	d := Family(w, a, 1, blob.Hash{1})
	for _, c := range []record.Change{
		Set("household", ID(1), record.Left, record.Text(string(Other))),
		Set("household", ID(1), record.Life, `{"erased":true,"reason":"x","saw":[],"void":true}`),
	} {
		said := c.Body[0].Path
		dot := a.Write(c)
		if taken := a.Push(); taken.Quarantined != 1 {
			w.Errorf("a laptop said %s: %+v", said, taken)
		}
		err := w.Desk(w.ctx(), Code, func(d *store.Desk) error { _, err := d.Accept(dot, "admin", "核实过"); return err })
		if !errors.Is(err, store.ErrServers) {
			w.Errorf("%s was accepted: %v", said, err)
		}
	}
	if v := w.View(ID(1)); v.Left != "" || v.Erased || v.Void {
		w.Errorf("it reads %+v", v)
	}
	w.Clock += 1000
	w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	forged := Set("household", ID(1), "phone", `"3"`, d)
	forged.SetOrigin(record.Origin{Village: Code, Dot: d}) // what is there already
	a.Write(forged)
	a.Push()
	w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	if v := w.View(ID(1)); v.Fields["phone"] != `"3"` {
		w.Errorf("called after another change it was not carried: %+v", v)
	}
	stranger := Set("household", ID(1), "group_name", `"三组"`)
	stranger.Author = "无名"
	stranger.SetReason("记得")
	stranger.SetOrigin(record.Origin{Village: Code, Dot: d})
	stranger.SetVia(Other)
	dot := a.Write(stranger)
	a.Push()
	var issued record.Dot
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) (err error) {
		issued, err = d.Accept(dot, "admin", "核实过")
		return err
	}))
	history, err := w.History(w.ctx(), Code, ID(1))
	w.ok(err)
	at := slices.IndexFunc(history, func(e store.Entry) bool { return e.Dot == issued })
	if c := history[at].Change; c.Reason() != "记得" || c.Via() != "" {
		w.Errorf("what was accepted says %+v", c)
	} else if _, ok := c.Origin(); ok {
		w.Errorf("what was accepted says that it was written elsewhere: %+v", c)
	}
	w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	if v := w.View(ID(1)); v.Fields["group_name"] != `"三组"` || v.Fields["phone"] != `"3"` {
		w.Errorf("accepted under another's name it was not carried: %+v", v)
	}
}

// Photos come behind the records; those of a household that has moved go after it.
func movesPhotos(w *World) {
	a := w.Laptop("王队员", identity.FirstSecretary)
	photo, original, other := blob.Hash{1}, blob.Hash{2}, blob.Hash{3}
	Family(w, a, 1, photo)
	x := w.Move(store.Transfer{Record: ID(1), From: Code, To: Other}, 3)
	take := func(b store.Blob) {
		b.Village, b.Kind, b.Size, b.Device = Code, "jpg", 5, a.Device.ID
		_, err := w.TakeBlob(w.ctx(), b)
		w.ok(err)
	}
	w.ok(w.PutThumbnail(w.ctx(), Code, photo, []byte("small")))
	take(store.Blob{Hash: photo})
	take(store.Blob{Hash: original, Of: []blob.Hash{photo}})
	take(store.Blob{Hash: other})
	for h, want := range map[blob.Hash]error{photo: nil, original: nil, other: store.ErrNotFound} {
		if _, err := w.Blob(w.ctx(), Other, h); !errors.Is(err, want) {
			w.Errorf("%s: %v, not %v", h, err, want)
		}
	}
	if _, err := w.Thumbnail(w.ctx(), Other, photo); err != nil {
		w.Error(err)
	}
	if list, err := w.Originals(w.ctx(), Other, photo); err != nil || len(list) != 1 {
		w.Errorf("originals: %v, %v", list, err)
	}
	w.ok(w.FollowFiles(w.ctx(), x))
}
