package storetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Each row is what happened to a household after the laptop's cursor, and
// whether the laptop is sent it.
func skips(w *World) {
	tests := []struct {
		name string
		// before and after the cursor: m the laptop itself, o another one.
		before, after string
		behind        uint64 // how many of its entries the laptop says less than it has
		sent          bool
	}{
		{"own", "", "m", 0, false},
		{"own twice", "", "mm", 0, false},
		{"own, then again", "m", "m", 0, false},
		{"another's", "", "o", 0, true},
		{"another's before, own after", "o", "m", 0, false},
		{"another's after, then own", "m", "om", 0, true},
		{"own, then another's", "m", "mo", 0, true},
		{"nothing since", "om", "", 0, false},
		// A laptop that was restored names an older head.
		{"own, forgotten", "", "m", 1, true},
		{"own, the last forgotten", "", "mm", 1, true},
	}
	for i, tt := range tests {
		mine, other := w.Laptop(fmt.Sprint("王", i), identity.TeamMember), w.Laptop(fmt.Sprint("李", i), identity.TeamMember)
		var last record.Dot
		play := func(steps string) {
			for _, who := range steps {
				l := mine
				if who == 'o' {
					l = other
				}
				if last.IsZero() {
					last = l.Write(household(i, "1"))
				} else {
					last = l.Write(Set("household", ID(i), "phone", record.Text(fmt.Sprint(len(l.Log))), last))
				}
				l.Push()
			}
		}
		play(tt.before)
		cursor := mine.Page(0).Cursor
		play(tt.after)
		own := mine.Own
		own.Stream, own.Head = mine.Stream, uint64(len(mine.Log))-tt.behind
		own.Acked = own.Head
		pull, _ := mine.Ask(store.Request{Epoch: w.Epoch(), Cursor: cursor, Own: []wire.Own{own}})
		if sent := slices.ContainsFunc(pull.Records, func(r wire.State) bool { return r.ID == ID(i) }); sent != tt.sent {
			w.Errorf("%s: sent %v, want %v", tt.name, sent, tt.sent)
		}
		if heads, err := w.Heads(w.ctx()); err != nil || pull.Cursor != heads[0].Feed && tt.after != "" {
			w.Errorf("%s: cursor %d, feed %v, %v", tt.name, pull.Cursor, heads, err)
		}
	}
}

// A page with records says how far it has the streams of the device that asks, and
// of no other.
func had(w *World) {
	mine, other := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	other.Write(household(0, "1"))
	other.Push()
	if own := mine.Page(0).Own; own != nil {
		w.Errorf("of a device that wrote nothing it has %v", own)
	}
	mine.Write(household(1, "1"))
	mine.Push()
	mine.Write(household(2, "1"))
	mine.Push()
	cursor := mine.Page(0).Cursor
	for l, want := range map[*Laptop]uint64{mine: 2, other: 1} {
		if own := l.Page(0).Own; !slices.Equal(own, []wire.StreamHead{{Stream: l.Stream, Seq: want}}) {
			w.Errorf("%s: it has %v, want %d", l.Device.Name, own, want)
		}
	}
	if own := mine.Page(cursor).Own; own != nil {
		w.Errorf("a page without records has %v", own)
	}
}

// Small pages, changes between them: all records come, the frontier comes with
// the last page and counts from where the series began.
func paging(w *World) {
	writer, reader := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	for n := range 25 {
		writer.Write(household(n, "1"))
	}
	writer.Push()
	begun := uint64(3)
	q := store.Request{Epoch: w.Epoch(), Cursor: begun, Budget: 700}
	seen := map[record.ID]int{}
	pages := 0
	var told wire.Rest // by the page before
	for {
		pull, ok := reader.Ask(q)
		pages++
		from := max(q.Cursor, q.After)
		if !ok || pull.From != from || len(pull.Records) == 0 || pull.Cursor <= from {
			w.Fatalf("page %d from %d: %d records, from %d to %d", pages, from, len(pull.Records), pull.From, pull.Cursor)
		}
		if now, err := w.Heads(w.ctx()); err != nil || pull.Since() != begun || pull.Made() != now[0].Feed {
			w.Errorf("page %d counts from %d and was made at %d; it is %v, %v", pages, pull.Since(), pull.Made(), now, err)
		}
		for _, r := range pull.Records {
			seen[r.ID]++
		}
		size := 0
		for _, r := range pull.Records {
			size += len(r.State)
		}
		if pages > 3 && (told.Records < uint64(len(pull.Records)) || told.Bytes < uint64(size) || !pull.More && told != wire.Rest{Records: uint64(len(pull.Records)), Bytes: uint64(size)}) {
			w.Errorf("%+v was to come, and page %d has %d records of %d bytes", told, pages, len(pull.Records), size)
		}
		if pull.More != (pull.Rest != nil) {
			w.Errorf("page %d says %+v of the rest", pages, pull.Rest)
		} else if pull.More {
			told = *pull.Rest
		}
		if !pull.More {
			if len(pull.Heads) != 1 || pull.Heads[0] != (wire.StreamHead{Stream: writer.Stream, Seq: 26}) {
				w.Errorf("the frontier is %v", pull.Heads)
			}
			break
		}
		if pull.Heads != nil {
			w.Errorf("page %d has a frontier and is not the last", pages)
		}
		if q.After = pull.Cursor; pages == 2 {
			// Changed behind the reader's back: it comes once more.
			writer.Write(Set("household", ID(4), "phone", `"2"`, record.Dot{Stream: writer.Stream, Seq: 5}))
			writer.Push()
		}
	}
	if pages < 4 || len(seen) != 22 || seen[ID(4)] != 2 || seen[ID(2)] != 0 {
		w.Errorf("%d pages, %d records, the changed one %d times", pages, len(seen), seen[ID(4)])
	}
	// One record is larger than any budget, and comes.
	if pull, _ := reader.Ask(store.Request{Epoch: w.Epoch(), Budget: 1}); len(pull.Records) != 1 || !pull.More {
		w.Errorf("%d records within a byte", len(pull.Records))
	}
}

// A cursor of another life of the data counts as none; nothing new is nothing
// to say.
func epochs(w *World) {
	writer, reader := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	writer.Write(household(1, "1"))
	writer.Push()
	for _, q := range []store.Request{
		{},
		{Epoch: wire.Epoch{1}, Cursor: 1},
		{Epoch: w.Epoch(), Cursor: 99},
		{Epoch: w.Epoch(), Cursor: 1, After: 99},
	} {
		if pull, ok := reader.Ask(q); !ok || pull.Epoch != w.Epoch() || pull.From != 0 || len(pull.Records) != 1 || pull.Cursor != 1 {
			w.Errorf("%+v gives %+v", q, pull)
		}
	}
	if pull, ok := reader.Ask(store.Request{Epoch: w.Epoch(), Cursor: 1}); ok {
		w.Errorf("nothing is new, and the answer is %+v", pull)
	}
	// Receipts that were lost on the way are said again, to their owner.
	own := []wire.Own{{Stream: writer.Stream, Head: 1}}
	if pull, ok := writer.Ask(store.Request{Epoch: w.Epoch(), Cursor: 1, Own: own}); !ok || len(pull.Receipts) != 1 {
		w.Errorf("the lost receipt: %+v", pull)
	}
	if pull, _ := reader.Ask(store.Request{Epoch: w.Epoch(), Cursor: 1, Own: own}); len(pull.Receipts) != 0 {
		w.Errorf("somebody else's receipt: %+v", pull)
	}
}

// What a role must not see is not in its pages.
func hidden(w *World) {
	clerk := w.Laptop("文书", identity.TownshipOffice)
	clerk.Write(New("person", ID(1), map[record.Path]record.Value{"full_name": `"王小"`, "id_number": `"369999199001010017"`, "id_number~": `"1"`}))
	clerk.Push()
	office := w.Laptop("厅", identity.Office)
	office.Write(Set("person", ID(1), record.Path("id_number").Asking(), `{"about":[],"words":"369999199001010017？"}`))
	office.Write(Set("person", ID(1), record.Path("full_name").Asking(), `{"about":[],"words":"王小？"}`))
	office.Push()
	for role, sees := range map[identity.Role]bool{identity.Inspector: false, identity.TeamMember: true} {
		pull, _ := w.Laptop("读者"+string(role), role).Ask(store.Request{})
		s, err := merge.Decode(pull.Records[0].State)
		w.ok(err)
		if _, number := s["id_number"]; number != sees {
			w.Errorf("%s gets the number: %v", role, number)
		}
		if _, number := s["id_number~"]; number != sees {
			w.Errorf("%s gets the proposed number: %v", role, number)
		}
		if _, asked := s[record.Path("id_number").Asking()]; asked != sees {
			w.Errorf("%s gets what was asked about the number: %v", role, asked)
		}
		if _, asked := s[record.Path("full_name").Asking()]; !asked {
			w.Errorf("%s does not get what was asked about the name", role)
		}
		if _, name := s["full_name"]; !name {
			w.Errorf("%s does not get the name", role)
		}
	}
}

// A laptop that is told of a quarantined change gets the record as it stands
// without it, although nobody changed the record.
func standing(w *World) {
	office, member := w.Laptop("赵乡长", identity.TownshipOffice), w.Laptop("王队员", identity.TeamMember)
	d := office.Write(New("household", ID(1), map[record.Path]record.Value{"poverty_attr": `"general"`}))
	office.Push()
	cursor := member.Page(0).Cursor
	member.Write(Set("household", ID(1), "poverty_attr", `"dibao"`, d))
	member.Push()
	if pull := member.Page(cursor); len(pull.Records) != 1 || pull.Records[0].ID != ID(1) || len(pull.Heads) != 1 {
		w.Errorf("the answer is %+v", pull)
	}
	other := w.Laptop("李队员", identity.TeamMember)
	if pull := other.Page(cursor); len(pull.Records) != 0 || len(pull.Heads) != 1 {
		w.Errorf("another laptop gets %+v", pull)
	}
	// With an accepted change of its own beside it in one push.
	cursor = member.Page(0).Cursor
	member.Own.Acked = member.Own.Head
	member.Write(Set("household", ID(1), "phone", `"1"`))
	member.Write(Set("household", ID(1), "poverty_attr", `"dibao"`, d))
	member.Push()
	if pull := member.Page(cursor); len(pull.Records) != 1 || pull.Records[0].ID != ID(1) {
		w.Errorf("with an accepted change the answer is %+v", pull)
	}
	// Of a record that would have been made by it alone nothing stands.
	cursor = member.Page(0).Cursor
	member.Own.Acked = member.Own.Head
	member.Write(by("陌生人", household(2, "1")))
	member.Push()
	if pull := member.Page(cursor); len(pull.Records) != 1 || pull.Records[0].ID != ID(2) || pull.Records[0].Type != "household" || !bytes.Equal(pull.Records[0].State, merge.State{}.Encode()) {
		w.Errorf("of a record that it would have made the answer is %+v", pull)
	}
	// What is too much for one answer comes with the next: no receipt is given
	// without its records.
	const many = 700
	for n := range 2 * many {
		office.Write(household(100+n, "1"))
	}
	office.Push()
	cursor = member.Page(0).Cursor
	member.Own.Acked = member.Own.Head
	begun := len(member.Log)
	for n := range 2 * many {
		member.Write(by("陌生人", Set("household", ID(100+n), "phone", `"2"`, record.Dot{Stream: office.Stream, Seq: uint64(n + 2)})))
	}
	member.Send(member.Segment(begun+1, begun+many), member.Segment(begun+many+1, begun+2*many))
	member.Own.Head = uint64(len(member.Log))
	for n := range 2 {
		pull := member.Page(cursor)
		if len(pull.Receipts) != 1 || len(pull.Receipts[0].Quarantined) != many || len(pull.Records) != many || pull.Records[0].ID != ID(100+n*many) {
			w.Fatalf("answer %d: %d receipts, %d records", n, len(pull.Receipts), len(pull.Records))
		}
		cursor, member.Own.Acked = pull.Cursor, pull.Receipts[0].Seq
	}
	if pull := member.Page(cursor); len(pull.Receipts) != 0 || len(pull.Records) != 0 {
		w.Errorf("in the end there are %d receipts, %d records", len(pull.Receipts), len(pull.Records))
	}
}

// What waits for a person is listed while it waits, and since when.
func reviews(w *World) {
	a, b := w.Laptop("王队员", identity.TeamMember), w.Laptop("李队员", identity.TeamMember)
	d := a.Write(household(1, "1"))
	a.Push()
	x := a.Write(Set("household", ID(1), "head_name", `"王二"`, d))
	y := b.Write(Set("household", ID(1), "head_name", `"王三"`, d))
	b.Write(Set("household", ID(1), "poverty_attr~", `"dibao"`))
	a.Push()
	w.Clock += 1000
	b.Push()
	since := w.Clock
	list := func() []store.Review {
		list, err := w.Reviews(w.ctx(), Code)
		w.ok(err)
		return list
	}
	if got := list(); len(got) != 2 || got[0].Path != "head_name" || got[0].Kind != store.Conflict || got[1].Kind != store.Proposal || got[0].Since.Milli() != since {
		w.Errorf("waiting: %+v", got)
	}
	// Another change of the record leaves the date alone.
	w.Clock += 1000
	a.Write(Set("household", ID(1), "phone", `"9"`, d))
	a.Push()
	if got := list(); len(got) != 2 || got[0].Since.Milli() != since {
		w.Errorf("waiting: %+v", got)
	}
	b.Write(Set("household", ID(1), "head_name", `"王三"`, x, y))
	b.Push()
	if got := list(); len(got) != 1 || got[0].Kind != store.Proposal {
		w.Errorf("waiting: %+v", got)
	}
	if got, err := w.Reviews(w.ctx(), Other); err != nil || len(got) != 0 {
		w.Errorf("waiting elsewhere: %+v, %v", got, err)
	}
}

// Each row is a question about the four households and the visit, and the
// households that answer it.
func queries(w *World) {
	l := w.Laptop("赵乡长", identity.TownshipOffice)
	for n, fields := range []map[record.Path]record.Value{
		{"head_name": `"王大"`, "arable_mu": `1.5`, "fuel/wood": record.True, "fuel/coal": record.True},
		{"head_name": `"王二"`, "arable_mu": `2`, "fuel/wood": record.True},
		{"head_name": `"100%_'"`, "fuel/gas": record.True},
		{"phone": `"13"`},
	} {
		l.Write(New("household", ID(n), fields))
	}
	l.Push()
	visitor := w.Laptop("王队员", identity.TeamMember)
	visitor.Write(New("visit", ID(9), map[record.Path]record.Value{"household": record.Text(ID(1).String()), "visit_date": `"2017-05-23"`}))
	visitor.Push()
	tests := []struct {
		q    store.Query
		want []int
	}{
		{store.Query{Type: "household"}, []int{0, 1, 2, 3}},
		{store.Query{Type: "household", Limit: 2}, []int{0, 1}},
		{store.Query{Type: "household", Villages: []record.Village{Other}}, nil},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "head_name", Value: "王二"}}}, []int{1}},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "arable_mu", Value: "1.50"}}}, []int{0}},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "fuel", Value: "wood"}}}, []int{0, 1}},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "fuel", Value: "wood"}, {Field: "fuel", Value: "coal"}}}, []int{0}},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "head_name", Value: "100%_'"}}}, []int{2}},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "head_name", Value: ""}}}, []int{3}},
		{store.Query{Type: "household", Where: []store.Condition{{Field: "author", Value: "赵乡长"}, {Field: "life", Value: "void"}}}, nil},
		{store.Query{Type: "visit", Where: []store.Condition{{Field: "household", Value: ID(1).String()}, {Field: "visit_date", Value: "2017-05-23"}}}, []int{9}},
		{store.Query{Type: "of a later release"}, nil},
	}
	for _, tt := range tests {
		var got []int
		for r, err := range w.Records(w.ctx(), tt.q) {
			w.ok(err)
			got = append(got, int(r.ID[1]))
		}
		if !slices.Equal(got, tt.want) {
			w.Errorf("%+v gives %v, want %v", tt.q, got, tt.want)
		}
	}
	for _, c := range []store.Condition{{Field: "head_nam", Value: "x"}, {Field: "arable_mu", Value: "much"}} {
		var bad *store.ConditionError
		for _, err := range w.Records(w.ctx(), store.Query{Type: "household", Where: []store.Condition{c}}) {
			if !errors.As(err, &bad) || c.Field == "head_nam" && bad.Near != "head_name" {
				w.Errorf("%+v gives %v", c, err)
			}
		}
	}
	if r, err := w.Get(w.ctx(), "visit", ID(9)); err != nil || r.View.Fields["visit_date"] != `"2017-05-23"` {
		w.Errorf("got %+v, %v", r, err)
	}
	if _, err := w.Get(w.ctx(), "household", ID(9)); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("a visit asked for as a household: %v", err)
	}
}

// Devices and accounts are kept whole, and changed with their serial.
func references(w *World) {
	d := w.Laptop("王队员", identity.TeamMember).Device
	code := store.Code{ID: "c", SecretHash: []byte{1}, Role: d.Role, Name: d.Name, Villages: d.Villages, Created: w.time(), Expires: w.time().Add(time.Hour)}
	w.ok(w.AddCode(w.ctx(), code))
	w.ok(w.UseCode(w.ctx(), "c", func(c store.Code, holder *store.Device) (*store.Device, bool, error) {
		if holder != nil || c.Expires != code.Expires || c.Villages[0] != Code {
			w.Errorf("the code is %+v, held by %v", c, holder)
		}
		return &d, false, nil
	}))
	wrong := errors.New("wrong")
	err := w.UseCode(w.ctx(), "c", func(_ store.Code, holder *store.Device) (*store.Device, bool, error) {
		if holder == nil || holder.ID != d.ID {
			w.Errorf("the code is held by %v", holder)
		}
		return nil, true, wrong
	})
	if codes, e := w.Codes(w.ctx()); !errors.Is(err, wrong) || e != nil || codes[0].Misses != 1 || codes[0].UsedBy != d.ID {
		w.Errorf("%v; codes %+v, %v", err, codes, e)
	}
	if err := w.UseCode(w.ctx(), "none", nil); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("no code: %v", err)
	}
	changed, err := w.ChangeDevice(w.ctx(), d.ID, func(d *store.Device) error { d.Profiles = append(d.Profiles, "李"); return nil })
	w.ok(err)
	got, err := w.DeviceByToken(w.ctx(), d.TokenHash)
	w.ok(err)
	if changed.Serial != 2 || got.Serial != 2 || !slices.Equal(got.Profiles, []string{"王队员", "李"}) || got.Revoked() || !got.Key.Equal(d.Key) {
		w.Errorf("the device is %+v", got)
	}
	if _, err := w.Device(w.ctx(), "nobody"); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("no device: %v", err)
	}
	a := store.Account{ID: "1", Login: "admin", Secret: "s", Roles: []identity.Role{identity.Admin}, Village: Code, Created: w.time()}
	w.ok(w.AddAccount(w.ctx(), a))
	if got, err := w.Account(w.ctx(), "admin"); err != nil || !reflect.DeepEqual(got, a) {
		w.Errorf("the account is %+v, %v", got, err)
	}
	w.ok(w.ChangeAccount(w.ctx(), "admin", func(b *store.Account) error {
		b.Secret, b.SignOuts, b.Factor = "t", 1, store.Factor{Secret: []byte{1}, Step: 7, Recovery: [][]byte{{2}, {3}}}
		a = *b
		return nil
	}))
	if err := w.ChangeAccount(w.ctx(), "admin", func(b *store.Account) error { b.Secret = "u"; return wrong }); !errors.Is(err, wrong) {
		w.Errorf("a change that is refused: %v", err)
	}
	if got, err := w.Account(w.ctx(), "admin"); err != nil || !reflect.DeepEqual(got, a) || !got.Factor.IsSet() {
		w.Errorf("the changed account is %+v, %v", got, err)
	}
	if err := w.ChangeAccount(w.ctx(), "nobody", nil); !errors.Is(err, store.ErrNotFound) {
		w.Errorf("nobody changed: %v", err)
	}
	a.ID = "2"
	if err := w.AddAccount(w.ctx(), a); !errors.Is(err, store.ErrTaken) {
		w.Errorf("a second admin: %v", err)
	}
	if err := w.AddVillage(w.ctx(), store.Village{Code: Code}); !errors.Is(err, store.ErrTaken) {
		w.Errorf("the village twice: %v", err)
	}
}

// Contacts are known at once, and survive once they are flushed.
// How fresh a village is: when a laptop last brought any of it. What the office writes is
// not that, nor is what is known already.
func fresh(w *World) {
	brought := func(want int64) {
		w.Helper()
		r, err := w.Reported(w.ctx(), Code)
		w.ok(err)
		if got := r.Of(Code).Package; got != clock.At0(want) {
			w.Errorf("the last package came at %v, want %v", got, clock.At0(want))
		}
	}
	r, err := w.Reported(w.ctx(), Code)
	w.ok(err)
	if got := r.Of(Code).Package; got != 0 {
		w.Errorf("a package before any came: %v", got)
	}
	l := w.Laptop("李队员", identity.TeamMember)
	l.Write(New("visit", ID(1), nil))
	l.Send(l.Segment(1, 1))
	first := w.Clock
	brought(first)
	w.Clock += 1000
	w.ok(w.Desk(w.ctx(), Code, func(d *store.Desk) error {
		_, err := d.Write(record.Change{Record: ID(2), Type: "visit", Author: "boss", Body: New("visit", ID(2), nil).Body})
		return err
	}))
	l.Send(l.Segment(1, 1))
	brought(first)
	w.Clock += 1000
	l.Write(New("visit", ID(3), nil))
	l.Send(l.Segment(2, 2))
	brought(w.Clock)
}

func contact(w *World) {
	changed := w.Changed()
	w.Heard(store.Contact{Village: Code, Device: "d", Seen: w.time(), Pending: 3, Offset: -7, Agent: "0.1", Assigned: 4, Room: 5})
	for range 2 {
		list, err := w.Contacts(w.ctx())
		w.ok(err)
		if len(list) != 1 || list[0].Pending != 3 || list[0].Offset != -7 || list[0].Assigned != 4 || !list[0].Seen.Equal(w.time()) {
			w.Errorf("contacts %+v", list)
		}
		w.ok(w.FlushContacts(w.ctx()))
	}
	// Contacts that could not be written are kept for the next time.
	w.Clock++
	w.Heard(store.Contact{Village: Code, Device: "d", Seen: w.time(), Pending: 2})
	w.Heard(store.Contact{Village: Other, Device: "d", Seen: w.time(), Pending: 1})
	gone, cancel := context.WithCancel(w.ctx())
	cancel()
	if err := w.FlushContacts(gone); err == nil {
		w.Error("contacts were written for nobody")
	}
	for range 2 {
		list, err := w.Contacts(w.ctx())
		w.ok(err)
		if len(list) != 2 || !list[0].Seen.Equal(w.time()) || !list[1].Seen.Equal(w.time()) {
			w.Errorf("contacts %+v", list)
		}
		// What it did not say again it had said before.
		i := slices.IndexFunc(list, func(c store.Contact) bool { return c.Village == Code })
		if c := list[i]; c.Agent != "0.1" || c.Room != 5 || c.Pending != 2 {
			w.Errorf("after a contact without a version: %+v", c)
		}
		w.ok(w.FlushContacts(w.ctx()))
	}
	select {
	case <-changed:
		w.Error("contacts are announced at once")
	default:
	}
	l := w.Laptop("王队员", identity.TeamMember)
	l.Write(household(1, "1"))
	l.Push()
	select {
	case <-changed:
	default:
		w.Error("a push is a change")
	}
}

// Whoever shows data comes to know of decisions at once, and of contacts after
// a moment.
func notices(w *World) {
	version := func() string {
		v, err := w.Version(w.ctx())
		w.ok(err)
		return v
	}
	l := w.Laptop("王队员", identity.TeamMember)
	d := l.Write(by("陌生人", household(1, "1")))
	l.Push()
	changed, before := w.Changed(), version()
	w.ok(w.Desk(w.ctx(), Code, func(desk *store.Desk) error { return desk.Reject(d, "admin", "不实") }))
	select {
	case <-changed:
	default:
		w.Error("a rejection is a change")
	}
	if version() == before {
		w.Error("the version is the same after a rejection")
	}
	before = version()
	ctx, stop := context.WithCancel(w.ctx())
	var watch sync.WaitGroup
	watch.Go(func() { w.Watch(ctx) })
	defer watch.Wait()
	defer stop()
	w.Heard(store.Contact{Village: Code, Device: "d", Seen: time.UnixMilli(start)})
	for end := time.Now().Add(10 * time.Second); version() == before; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatal("a contact is never announced")
		}
	}
}

// A laptop that was set back to an older image names fewer entries than the log
// has. It gets a receipt for those that it has, and what it wrote since like
// anybody else's; what it only says that it holds is not left out.
func images(w *World) {
	l := w.Laptop("王队员", identity.TeamMember)
	for i := range 5 {
		l.Write(household(i, "1"))
	}
	l.Push()
	tests := []struct {
		name        string
		head, acked uint64
		agreed      uint64
		receipt     uint64 // the entry that its receipt is for, 0 for none
		records     int
		without     uint64
	}{
		{"as it was", 5, 5, 0, 0, 0, 5},
		{"its answer was lost, and it sends again", 5, 0, 5, 5, 0, 5},
		{"its answer was lost, and it does not", 5, 0, 0, 5, 5, 0},
		{"set back, all that it has acknowledged", 3, 3, 0, 0, 2, 3},
		{"set back, and it sends what it has", 3, 1, 3, 3, 2, 3},
		{"set back, and it sends nothing", 3, 1, 0, 3, 4, 1},
	}
	for _, tt := range tests {
		pull, _ := l.Ask(store.Request{Epoch: w.Epoch(), Own: []wire.Own{{Stream: l.Stream, Head: tt.head, Acked: tt.acked}}, Agreed: map[record.Stream]uint64{l.Stream: tt.agreed}})
		receipt := uint64(0)
		for _, r := range pull.Receipts {
			if receipt = r.Seq; !r.Proves(w.Key.Public().(ed25519.PublicKey), l.hashes[r.Seq-1]) {
				w.Errorf("%s: the receipt proves nothing", tt.name)
			}
		}
		without := uint64(0)
		for _, h := range pull.Without {
			without = h.Seq
		}
		if receipt != tt.receipt || len(pull.Records) != tt.records || without != tt.without {
			w.Errorf("%s: receipt for %d, %d records without the first %d; want %d, %d, %d", tt.name, receipt, len(pull.Records), without, tt.receipt, tt.records, tt.without)
		}
	}
}
