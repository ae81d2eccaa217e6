package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

const (
	code = record.Village("369999000001")
	t0   = int64(1495500000000) // 2017-05-23
)

var (
	ctx       = context.Background()
	serverKey = ed25519.NewKeyFromSeed([]byte("a server's seed of 32 bytes, 012"))
)

// open opens a store in dir at a wall clock that the test moves.
func open(t *testing.T, dir string, wall *int64) *Store {
	t.Helper()
	if wall == nil {
		now := t0
		wall = &now
	}
	s, err := Open(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return *wall }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// enrolled opens a new store of a laptop for the role, with two profiles.
func enrolled(t *testing.T, role identity.Role) *Store {
	t.Helper()
	s := open(t, t.TempDir(), nil)
	_, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token, d.Server, d.Numbers = "device", "token", serverKey.Public().(ed25519.PublicKey), []byte("numbers")
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: role, Profiles: []string{"王书记", "李队员"}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *Store, e Edit) Saved {
	t.Helper()
	saved, err := s.Save(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	return saved[0]
}

func read(t *testing.T, s *Store, k record.Key) Record {
	t.Helper()
	r, err := s.Get(k.Type, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fields writes values for an edit: name, text, name, text …
func fields(pairs ...string) map[string]record.Value {
	m := map[string]record.Value{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = record.Text(pairs[i+1])
	}
	return m
}

// A store that was being made when the power went is made again; the half-made
// file is not taken for one.
func TestCreationIsWholeOrNot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName+".new"), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, nil)
	if _, err := s.Device(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileName+".new")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the half-made file is still there")
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; others on the machine must not read it", info.Mode(), err)
	}
}

func TestOneAgentAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	if _, err := Open(dir, Options{Key: make([]byte, KeySize)}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v, want ErrInUse", err)
	}
}

// One of several saves that share a commit fails: the others are on disk, and
// only its own author is told.
func TestOneBadSaveUndoesNoOther(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	var wg sync.WaitGroup
	errs := make([]error, 60)
	for i := range errs {
		wg.Go(func() {
			e := Edit{Type: "visit", Fields: fields("findings", fmt.Sprint("第", i))}
			if i%3 == 0 {
				e.Author = "没有这个人"
			}
			_, errs[i] = s.Save(ctx, e)
		})
	}
	wg.Wait()
	n := 0
	if err := s.Each(code, "visit", func(Record) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	if n != 40 {
		t.Errorf("%d visits saved, want 40", n)
	}
	for i, err := range errs {
		if bad := i%3 == 0; bad != errors.Is(err, ErrAuthor) || !bad && err != nil {
			t.Errorf("save %d: %v", i, err)
		}
	}
	if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 || rep.Entries != 40 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

// The laptop closes and opens again: everything is as it was, and numbers go on.
func TestReopen(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	a := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")})
	before := read(t, s, a.Key)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.Dir(), nil)
	after := read(t, s, a.Key)
	if string(before.State.Encode()) != string(after.State.Encode()) || after.Way != merge.Local {
		t.Errorf("before %v, after %v %s", before.State, after.State, after.Way)
	}
	save(t, s, Edit{Type: "visit", ID: a.Key.ID, Fields: fields("needs", "修屋顶")})
	if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 || rep.Entries != 2 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
	if _, err := s.Save(ctx, Edit{Type: "visit"}); err != nil {
		t.Errorf("an empty visit: %v", err)
	}
}

// Each row is one household entered or edited a second time, and what the
// laptop then shows of its head.
func TestSecondEntry(t *testing.T) {
	tests := []struct {
		name     string
		second   Edit
		same     bool // the same record
		head     string
		conflict bool
	}{
		{"the same number as new: one record, nothing replaced unseen", Edit{Fields: fields("household_no", "0001", "head_name", "李二")}, true, "李二", true},
		{"the same number and the same words: nothing to decide", Edit{Fields: fields("household_no", "0001", "head_name", "李大")}, true, "李大", false},
		{"another number: another record", Edit{Fields: fields("household_no", "0002", "head_name", "李二")}, false, "李大", false},
		{"no number: another record", Edit{Fields: fields("head_name", "李二")}, false, "李大", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.Office)
			first := save(t, s, Edit{Type: "household", Fields: fields("household_no", "0001", "head_name", "李大")})
			tt.second.Type = "household"
			second := save(t, s, tt.second)
			if (second.Key == first.Key) != tt.same {
				t.Errorf("same record: %v, want %v", second.Key == first.Key, tt.same)
			}
			r := read(t, s, first.Key)
			if r.View.Fields["head_name"] != record.Text(tt.head) || (len(r.View.Conflicts["head_name"]) > 0) != tt.conflict {
				t.Errorf("head %s, conflicts %v", r.View.Fields["head_name"], r.View.Conflicts)
			}
		})
	}
}

// A number that the record no longer bears names a new record.
func TestNumberMovedOn(t *testing.T) {
	s := enrolled(t, identity.Office)
	first := save(t, s, Edit{Type: "household", Fields: fields("household_no", "0001", "head_name", "李大")})
	save(t, s, Edit{Type: "household", ID: first.Key.ID, Fields: fields("household_no", "0009")})
	if again := save(t, s, Edit{Type: "household", Fields: fields("household_no", "0001")}); again.Key == first.Key {
		t.Error("two households under one id")
	}
}

// A person's post bears the id by which visits name that person before it is entered;
// who comes a second time, at another date, has another.
func TestPosts(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	post := func(name, start string) record.ID {
		return save(t, s, Edit{Type: PostType, Fields: fields("person_name", name, "start_date", start)}).Key.ID
	}
	first := post("王书记", "2017-03-01")
	if want := PostOf(&d, code, "王书记"); first != want {
		t.Errorf("the post is %s, visits name %s", first, want)
	}
	if again := post("王书记", "2017-03-01"); again != first {
		t.Error("one post entered twice is two")
	}
	if again := post("王书记", "2019-05-01"); again == first {
		t.Error("who comes again has the post of the first time")
	}
	if other := post("李队员", "2017-03-01"); other == first {
		t.Error("two people have one post")
	}
}

// What was declared void and is entered anew waits for somebody to decide whether it is
// there, in the same words or others; a table that has it brings nothing back.
func TestEnteredAgainAfterVoid(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	half := func(attend, source string) Saved {
		return save(t, s, Edit{Type: "attendance", Source: source, Fields: fields("person", record.ID{9}.String(), "work_date", "2017-05-03", "half_day", "am", "attend", attend)})
	}
	first := half("present", Onsite)
	for _, attend := range []string{"present", "leave"} {
		save(t, s, Edit{Type: "attendance", ID: first.Key.ID, Void: "记错了"})
		half("present", Import)
		if r := read(t, s, first.Key); !r.View.Void {
			t.Error("a table that has it brings back what was declared void")
		}
		again := half(attend, Onsite)
		if r := read(t, s, first.Key); again.Key != first.Key || !again.Changed || len(r.View.Conflicts[record.Life]) == 0 {
			t.Errorf("entered again as %s: changed %t, void %t, %v", attend, again.Changed, r.View.Void, r.View.Conflicts)
		}
	}
}

// What was shown when the form was opened is replaced, and nothing else.
func TestSaveReplacesWhatWasShown(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	opened := read(t, s, k).State
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李二")})
	save(t, s, Edit{Type: "household", ID: k.ID, Shown: opened, Fields: fields("head_name", "李三")})
	if got := len(read(t, s, k).View.Conflicts["head_name"]); got != 2 {
		t.Errorf("%d values in conflict, want 李二 and 李三", got)
	}
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李四")})
	if v := read(t, s, k).View; len(v.Conflicts) != 0 || v.Fields["head_name"] != `"李四"` {
		t.Errorf("after a save that saw both: %v", v)
	}
}

func TestSaveRefuses(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")}).Key
	tests := []struct {
		name string
		edit Edit
		want error
	}{
		{"unknown type", Edit{Type: "visits"}, ErrType},
		{"id of another type", Edit{Type: "household", ID: k.ID}, ErrType},
		{"unknown village", Edit{Type: "visit", Village: "999"}, ErrVillage},
		{"the record's village is another", Edit{Type: "visit", ID: k.ID, Village: "369999000002"}, ErrVillage},
		{"unknown author", Edit{Type: "visit", Author: "张三"}, ErrAuthor},
		{"role", Edit{Type: "project", Fields: fields("project_name", "修路")}, &merge.Refusal{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Save(ctx, tt.edit)
			var refusal *merge.Refusal
			if want, ok := tt.want.(*merge.Refusal); ok && errors.As(err, &refusal) && want != nil {
				return
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 || rep.Entries != 1 {
		t.Errorf("after the refusals: %+v, %v", rep, err)
	}
}

// Rows of a file are taken once, whatever happened to the records since.
func TestImportAgain(t *testing.T) {
	s := enrolled(t, identity.Office)
	row := Row{Hash: [16]byte{1}, Edit: Edit{Type: "household", Source: Import, Fields: fields("household_no", "0001", "head_name", "李大")}}
	saved, errs, err := s.SaveRows(ctx, []Row{row, {Hash: [16]byte{2}, Edit: Edit{Type: "household", Author: "张三"}}})
	if err != nil || errs[0] != nil || !errors.Is(errs[1], ErrAuthor) {
		t.Fatal(err, errs)
	}
	save(t, s, Edit{Type: "household", ID: saved[0].Key.ID, Fields: fields("head_name", "李二")})
	again, errs, err := s.SaveRows(ctx, []Row{row})
	if err != nil || errs[0] != nil || again[0].Changed {
		t.Errorf("again: %+v %v %v", again, errs, err)
	}
	if v := read(t, s, saved[0].Key).View; v.Fields["head_name"] != `"李二"` || len(v.Conflicts) > 0 {
		t.Errorf("after the second import: %v", v)
	}
	// Another row about the same household replaces nothing.
	row.Hash, row.Edit.Fields = [16]byte{3}, fields("household_no", "0001", "head_name", "李三")
	if _, _, err := s.SaveRows(ctx, []Row{row}); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, s, saved[0].Key).View.Conflicts["head_name"]); got != 2 {
		t.Errorf("%d values in conflict, want 2", got)
	}
}

// A draft goes in the transaction of the save that completes it.
func TestDraftEndsWithItsSave(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	d := Draft{ID: "0190", Type: "visit", Values: map[string][]string{"findings": {"屋顶"}}, Typed: 5}
	if err := s.KeepDraft(ctx, d); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(ctx, Edit{Type: "visit", Author: "张三", Draft: d.ID}); err == nil {
		t.Fatal("saved by an unknown author")
	}
	if got, err := s.Draft(d.ID); err != nil || !slices.Equal(got.Values["findings"], d.Values["findings"]) {
		t.Errorf("after a save that failed: %+v, %v", got, err)
	}
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶"), Draft: d.ID})
	if _, err := s.Draft(d.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the save: %v, want ErrNotFound", err)
	}
}

// answer acknowledges everything the laptop sent, as a server would that
// quarantines the entries of seqs.
func answer(t *testing.T, s *Store, quarantined ...uint64) *wire.Pull {
	t.Helper()
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sent(ctx, out); err != nil {
		t.Fatal(err)
	}
	p := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: out[0].Push.Cursor, Cursor: out[0].Push.Cursor + 1}
	if out[0].Push.Epoch != p.Epoch {
		p.From = 0
	}
	for _, raw := range out[0].Push.Segments {
		seg, err := journal.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := seg.Open(d.Private().Public().(ed25519.PublicKey), code, journal.Head{Seq: seg.From - 1})
		if err != nil {
			t.Fatal(err)
		}
		r := journal.Receipt{Stream: seg.Stream, From: seg.From, Seq: seg.Last(), Received: clock.At0(t0 + 1000)}
		for _, q := range quarantined {
			r.Quarantined = append(r.Quarantined, journal.Quarantined{Seq: q, Reason: "role"})
		}
		r.Seal(serverKey, hashes[len(hashes)-1])
		p.Receipts = append(p.Receipts, r)
		p.Heads = append(p.Heads, wire.StreamHead{Stream: seg.Stream, Seq: seg.Last()})
	}
	return p
}

// "Delivered" follows from a receipt that the server signed, and from nothing
// else.
func TestDeliveredFollowsFromReceipts(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")}).Key
	way := func() string { return read(t, s, k).Way }
	if way() != merge.Local {
		t.Errorf("saved: %s", way())
	}
	p := answer(t, s)
	if way() != merge.Sent {
		t.Errorf("sent: %s", way())
	}
	for name, forge := range map[string]func(*wire.Pull){
		"no receipt":         func(p *wire.Pull) { p.Receipts = nil },
		"another's stamp":    func(p *wire.Pull) { p.Receipts[0].Seal(ed25519.NewKeyFromSeed(make([]byte, 32)), journal.Hash{}) },
		"of another history": func(p *wire.Pull) { p.Receipts[0].Seal(serverKey, journal.Hash{1}) },
		"beyond what was written": func(p *wire.Pull) {
			p.Receipts[0].Seq = 9
			p.Receipts[0].Seal(serverKey, journal.Hash{})
		},
	} {
		forged := *p
		forged.Receipts = slices.Clone(p.Receipts)
		forge(&forged)
		_, err := s.Take(ctx, &forged)
		if way() != merge.Sent {
			t.Fatalf("%s: %s (%v)", name, way(), err)
		}
		p.From, p.Cursor = s.place(t).Cursor, s.place(t).Cursor
	}
	if taken, err := s.Take(ctx, p); err != nil || taken.Acknowledged != 1 || way() != merge.Delivered {
		t.Errorf("receipt: %+v, %v, %s", taken, err, way())
	}
}

func (s *Store) place(t *testing.T) (p place) {
	t.Helper()
	err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err == nil {
			p = v.place
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A quarantined change is not part of the village, but whoever wrote it still
// sees it, marked; what it would have replaced stands again.
func TestQuarantinedStaysVisible(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	first := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大", "phone", "13800000000")})
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	stood := read(t, s, first.Key).State
	save(t, s, Edit{Type: "household", ID: first.Key.ID, Fields: fields("head_name", "李二")})
	p := answer2(t, s, first.Key, stood)
	if _, err := s.Take(ctx, p); err != nil {
		t.Fatal(err)
	}
	r := read(t, s, first.Key)
	if r.Way != merge.Quarantined || r.View.Fields["head_name"] != `"李二"` {
		t.Errorf("shown as %s with %v", r.Way, r.View.Fields)
	}
	if string(r.State.Encode()) != string(stood.Encode()) {
		t.Errorf("the village's state is\n%v\nwant\n%v", r.State, stood)
	}
	st, err := s.Status()
	if err != nil || st.Quarantined != 1 || st.Pending != 0 || st.Delivered != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	// Work goes on upon what is shown.
	save(t, s, Edit{Type: "household", ID: first.Key.ID, Fields: fields("phone", "13900000000")})
	if v := read(t, s, first.Key).View; v.Fields["phone"] != `"13900000000"` || v.Fields["head_name"] != `"李二"` {
		t.Errorf("after a further save: %v", v.Fields)
	}
}

// answer2 quarantines the laptop's second entry and brings the record as it
// stands without it.
func answer2(t *testing.T, s *Store, k record.Key, stands merge.State) *wire.Pull {
	t.Helper()
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	seg, err := journal.Decode(out[0].Push.Segments[0])
	if err != nil {
		t.Fatal(err)
	}
	var head journal.Head
	if err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err == nil {
			head = v.owns[seg.Stream].Acked
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	hashes := seg.Hashes(head.Hash)
	r := journal.Receipt{Stream: seg.Stream, From: 2, Seq: 2, Received: clock.At0(t0 + 2000), Quarantined: []journal.Quarantined{{Seq: 2, Reason: "role"}}}
	r.Seal(serverKey, hashes[0])
	pl := s.place(t)
	return &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1, Receipts: []journal.Receipt{r},
		Records: []wire.State{{ID: k.ID, Type: k.Type, State: stands.Encode()}}, Own: []wire.StreamHead{{Stream: seg.Stream, Seq: 2}},
		Heads: []wire.StreamHead{{Stream: seg.Stream, Seq: 2}}}
}

// What was set aside while the village was not the laptop's came without a page. When
// it has the village again the laptop asks once more, and shows how the record stands.
func TestSetAsideAndGivenBack(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	stood := read(t, s, k).State
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李二")})
	back := answer2(t, s, k, stood)
	denied := *back
	denied.Denied, denied.Records, denied.Own, denied.Heads = true, nil, nil, nil
	if taken, err := s.Take(ctx, &denied); err != nil || taken.Acknowledged != 1 {
		t.Fatalf("%+v, %v", taken, err)
	}
	asks := func() []wire.Own {
		t.Helper()
		out, err := s.Outgoing(ctx, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Push.Streams
	}
	if named := asks(); named != nil {
		t.Errorf("it asks with %v for what it would not get", named)
	}
	own := wire.Own{Stream: writing(t, s), Head: 2, Acked: 1}
	for _, dropped := range []bool{true, false} {
		page := &wire.Pull{Village: code, Epoch: back.Epoch, From: s.place(t).Cursor, Cursor: s.place(t).Cursor + 1}
		if taken, err := s.Take(ctx, page); err != nil || !taken.More {
			t.Errorf("%+v, %v", taken, err)
		}
		if named := asks(); !slices.Equal(named, []wire.Own{own}) {
			t.Errorf("dropped before %t: it asks with %v", !dropped, named)
		}
		back.From, back.Cursor, back.More = page.Cursor, page.Cursor+1, dropped
		if !dropped {
			break
		}
		// What a page says that is set aside counts while it is, and no longer.
		if _, err := s.Take(ctx, back); err != nil {
			t.Fatal(err)
		}
		if named := asks(); !slices.Equal(named, []wire.Own{{Stream: own.Stream, Head: 2, Acked: 2}}) {
			t.Errorf("with a page aside it asks with %v", named)
		}
		if _, err := s.Take(ctx, &denied); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Take(ctx, back); err != nil {
		t.Fatal(err)
	}
	r := read(t, s, k)
	if !bytes.Equal(r.State.Encode(), stood.Encode()) || r.Way != merge.Quarantined || r.View.Fields["head_name"] != `"李二"` {
		t.Errorf("the village's state is\n%v\nwant\n%v\nshown as %s with %v", r.State, stood, r.Way, r.View.Fields)
	}
	if named := asks(); named != nil {
		t.Errorf("it goes on asking with %v", named)
	}
	soundNow(t, s)
}

// A record that was set aside as a whole is nothing to the village, and still found by
// whoever wrote it, where he looks for it.
func TestSetAsideAsAWhole(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	h := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	k := save(t, s, Edit{Type: "visit", Fields: map[string]record.Value{"household": record.Text(h.ID.String()), "findings": `"屋顶漏雨"`}}).Key
	if _, err := s.Take(ctx, answer2(t, s, k, merge.State{})); err != nil {
		t.Fatal(err)
	}
	if r := read(t, s, k); len(r.State) > 0 || r.Way != merge.Quarantined || r.View.Fields["findings"] != `"屋顶漏雨"` {
		t.Errorf("it stands as %v, and is shown as %s with %v", r.State, r.Way, r.View.Fields)
	}
	var found []record.ID
	if err := s.Referring(h.ID, "visit", func(r Record) bool { found = append(found, r.Key.ID); return true }); err != nil || !slices.Equal(found, []record.ID{k.ID}) {
		t.Errorf("the household's visits are %v, %v", found, err)
	}
	soundNow(t, s)
}

// By a clock that was fast the laptop's own household of a visit seemed the later one.
// The receipt dates it before another's, and sets it aside: it is shown and found still.
func TestSetAsideElsewhere(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	var h [3]record.ID
	for i := range h {
		h[i] = save(t, s, Edit{Type: "household", Fields: fields("head_name", "李")}).Key.ID
	}
	k := save(t, s, Edit{Type: "visit", Fields: fields("household", h[0].String(), "findings", "屋顶漏雨")}).Key
	s.must(t, answer(t, s))
	stream, base := writing(t, s), read(t, s, k).State
	save(t, s, Edit{Type: "visit", ID: k.ID, Fields: fields("household", h[1].String())})
	mine := read(t, s, k).State["household"].Siblings[0]
	other := record.Stream{9}
	theirs := merge.Apply(base, merge.Frontier{stream: 4}, merge.Applied{Dot: record.Dot{Stream: other, Seq: 1}, At: mine.At - 2, Author: "李队员"},
		[]record.Write{{Path: "household", Value: record.Text(h[2].String()), Observed: base.Observed("household")}})
	page := func(own uint64, head record.Stream, seq uint64) *wire.Pull {
		pl := s.place(t)
		return &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1, Records: []wire.State{{ID: k.ID, Type: k.Type, State: theirs.Encode()}},
			Own: []wire.StreamHead{{Stream: stream, Seq: own}}, Heads: []wire.StreamHead{{Stream: head, Seq: seq}}}
	}
	s.must(t, page(4, other, 1))
	r := receipt(t, s, code, 5, 5, 5)
	r.Received = mine.At - 5
	if err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		hash, err := v.hashAt(stream, v.owns[stream], 5)
		r.Seal(serverKey, hash)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p := page(5, stream, 5)
	p.Receipts = []journal.Receipt{r}
	s.must(t, p)
	shown := read(t, s, k)
	if shown.Way != merge.Quarantined {
		t.Fatalf("shown as %s", shown.Way)
	}
	for _, id := range h {
		found := 0
		if err := s.Referring(id, "visit", func(Record) bool { found++; return true }); err != nil || (found == 1) != (shown.View.Fields["household"] == record.Text(id.String())) {
			t.Errorf("household %s has %d, the visit shows %s, %v", id, found, shown.View.Fields["household"], err)
		}
	}
}

// Nothing of pages before the last is part of the village, and an answer to an
// older question changes nothing.
func TestPagesAreStaged(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	other := record.Stream{9}
	state := func(seq uint64, v string) []byte {
		return merge.Apply(merge.State{}, merge.Frontier{}, merge.Applied{Dot: record.Dot{Stream: other, Seq: seq}, At: clock.At0(t0), Author: "李"},
			[]record.Write{{Path: "head_name", Value: record.Text(v)}}).Encode()
	}
	a, b := record.ID{1}, record.ID{2}
	first := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 5, More: true, Records: []wire.State{{ID: a, Type: "household", State: state(1, "甲")}}}
	last := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 5, Into: 5, Cursor: 9, Records: []wire.State{{ID: b, Type: "household", State: state(2, "乙")}}, Heads: []wire.StreamHead{{Stream: other, Seq: 2}}}
	take := func(p *wire.Pull) {
		t.Helper()
		if _, err := s.Take(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	take(last) // answers a question that was not asked yet
	if s.Exists("household", b) || s.place(t).Cursor != 0 {
		t.Fatal("an answer to another question was taken")
	}
	take(first)
	if s.Exists("household", a) || s.place(t).Cursor != 0 {
		t.Fatal("part of the village before the last page")
	}
	take(first) // repeated: no longer what follows
	take(last)
	if !s.Exists("household", a) || !s.Exists("household", b) || s.place(t).Cursor != 9 {
		t.Fatal("not part of the village after the last page")
	}
	take(first)
	if s.place(t).Cursor != 9 {
		t.Fatal("an old answer moved the cursor")
	}
	if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

// A sync that is given up between the last page and the joining of its records
// leaves them to the next one, which the server has nothing to say to.
func TestResume(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	p := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 9, Heads: []wire.StreamHead{{Stream: record.Stream{9}, Seq: 1000}}}
	for i := range uint64(1000) {
		st := merge.Apply(merge.State{}, merge.Frontier{}, merge.Applied{Dot: record.Dot{Stream: record.Stream{9}, Seq: i + 1}, At: clock.At0(t0)},
			[]record.Write{{Path: "findings", Value: `"甲"`}})
		p.Records = append(p.Records, wire.State{ID: record.ID{1, byte(i >> 8), byte(i)}, Type: "visit", State: st.Encode()})
	}
	given, cancel := context.WithCancel(ctx)
	commits := 0
	s.opt.Fault = func() error {
		if commits++; commits == 2 {
			cancel()
		}
		return nil
	}
	if _, err := s.Take(given, p); err == nil {
		t.Fatal("the sync was not given up")
	}
	s.opt.Fault = nil
	count := func() uint64 {
		st, err := s.Status()
		if err != nil {
			t.Fatal(err)
		}
		return st.Records
	}
	if n := count(); n == 1000 {
		t.Fatal("nothing was left to join")
	}
	if err := s.Resume(ctx); err != nil || count() != 1000 {
		t.Errorf("after Resume %d records, %v", count(), err)
	}
}

// Verify finds what is not as it was written. Each row damages one thing.
func TestVerifyFinds(t *testing.T) {
	tests := []struct {
		name   string
		damage func(v *village, k record.Key) error
	}{
		{"a value changed in the journal", func(v *village, k record.Key) error {
			e, err := v.entry(v.writing, 1)
			if err != nil {
				return err
			}
			e.Body[0].Value = `"别的"`
			return v.t.s.putSealed(v.log(v.writing), entryAt(v.writing, 1), number(1), e)
		}},
		{"an entry gone", func(v *village, k record.Key) error { return v.log(v.writing).Delete(number(1)) }},
		{"a record gone", func(v *village, k record.Key) error { return v.b.Bucket(recordBucket(k.Type)).Delete(k.ID[:]) }},
		{"a record that cannot be read", func(v *village, k record.Key) error {
			return v.b.Bucket(recordBucket(k.Type)).Put(k.ID[:], []byte{1, 2, 3})
		}},
		{"a record that says something else than the journal", func(v *village, k record.Key) error {
			tc, state, _, err := v.stored(k.Type, k.ID)
			if err != nil {
				return err
			}
			state["findings"].Siblings[0].Value = `"别的"`
			return v.store(k, tc, state)
		}},
		{"a value from beyond the frontier", func(v *village, k record.Key) error {
			v.frontier[v.writing], v.moved[v.writing], v.dirty = 0, true, true
			return nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")}).Key
			err := s.update(ctx, false, func(x *tx) error {
				v, err := x.village(code)
				if err != nil {
					return err
				}
				return tt.damage(v, k)
			})
			if err != nil {
				t.Fatal(err)
			}
			if rep, err := s.Verify(false); err != nil || len(rep.Faults) == 0 {
				t.Errorf("nothing found: %+v, %v", rep, err)
			}
		})
	}
}

// What counts as delivered is looked at too: by the server's receipts, each of which
// must be signed over the very entry.
func TestVerifyReceipts(t *testing.T) {
	tests := []struct {
		name   string
		damage func(r *journal.Receipt) bool // false takes it away
	}{
		{"signed by another", func(r *journal.Receipt) bool {
			r.Seal(ed25519.NewKeyFromSeed(make([]byte, 32)), journal.Hash{})
			return true
		}},
		{"for another run", func(r *journal.Receipt) bool { r.From++; return true }},
		{"gone", func(*journal.Receipt) bool { return false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			for range 3 {
				save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")})
			}
			if _, err := s.Take(ctx, answer(t, s)); err != nil {
				t.Fatal(err)
			}
			if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 {
				t.Fatalf("%+v, %v", rep, err)
			}
			if err := s.update(ctx, false, func(x *tx) error {
				v, err := x.village(code)
				if err != nil {
					return err
				}
				b := v.b.Bucket(bucketReceipt)
				k, raw := b.Cursor().Last()
				k = append([]byte(nil), k...)
				var r journal.Receipt
				if err := s.openSealed(receiptAt(k), raw, &r); err != nil {
					return err
				}
				if !tt.damage(&r) {
					return b.Delete(k)
				}
				return s.putSealed(b, receiptAt(k), k, r)
			}); err != nil {
				t.Fatal(err)
			}
			if rep, err := s.Verify(false); err != nil || len(rep.Faults) == 0 {
				t.Errorf("nothing found: %+v, %v", rep, err)
			}
		})
	}
}

// A page's references and review marks follow the record.
func TestReferring(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	h1 := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	h2 := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李二")}).Key
	v := save(t, s, Edit{Type: "visit", Fields: fields("household", h1.ID.String())}).Key
	count := func(h record.Key) (n int) {
		if err := s.Referring(h.ID, "visit", func(Record) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if count(h1) != 1 || count(h2) != 0 {
		t.Errorf("visits: %d and %d", count(h1), count(h2))
	}
	save(t, s, Edit{Type: "visit", ID: v.ID, Fields: fields("household", h2.ID.String())})
	if count(h1) != 0 || count(h2) != 1 {
		t.Errorf("after the move: %d and %d", count(h1), count(h2))
	}
}

func BenchmarkSave(b *testing.B) {
	s, err := Open(b.TempDir(), Options{Key: make([]byte, KeySize)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token = "device", "token"
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: code}}, Role: identity.TeamMember, Profiles: []string{"王"}}
	}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨，答应下周来看", "visit_date", "2017-05-23")}); err != nil {
			b.Fatal(err)
		}
	}
}

// The same bytes through bbolt alone, the floor that Save is measured against.
func BenchmarkBareCommit(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 400)
	for i := uint64(0); b.Loop(); i++ {
		if err := db.Update(func(tx *bbolt.Tx) error {
			bk, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return bk.Put(number(i), value)
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// Whoever has saved finds it told already.
func TestToldBeforeSaved(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for range 200 {
		changed := s.Changed()
		save(t, s, Edit{Type: "visit", Fields: fields("findings", "甲")})
		select {
		case <-changed:
		default:
			t.Fatal("saved, and not told")
		}
	}
}
