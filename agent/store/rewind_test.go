package store

import (
	"slices"
	"testing"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// receipt is the server's for entries of the stream that is written to.
func receipt(t *testing.T, s *Store, in record.Village, from, seq uint64, quarantined ...uint64) journal.Receipt {
	t.Helper()
	var r journal.Receipt
	if err := s.view(func(x *tx) error {
		v, err := x.village(in)
		if err != nil {
			return err
		}
		whole := *v.owns[v.writing]
		whole.Acked = journal.Head{}
		hash, err := v.hashAt(v.writing, &whole, seq)
		r = journal.Receipt{Stream: v.writing, From: from, Seq: seq, Received: clock.At0(t0 + 1000)}
		for _, q := range quarantined {
			r.Quarantined = append(r.Quarantined, journal.Quarantined{Seq: q, Reason: "role"})
		}
		r.Seal(serverKey, hash)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *Store) must(t *testing.T, p *wire.Pull) Taken {
	t.Helper()
	taken, err := s.Take(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func status(t *testing.T, s *Store) Status {
	t.Helper()
	st, err := s.Status()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// The first answer of another epoch says how much the server has: from then on,
// long before the last page has come, the rest is pending and goes again as it
// was receipted, whatever the budget; an old answer changes nothing of that.
func TestServerRewound(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	var keys []record.Key
	for _, text := range []string{"甲", "乙", "丙"} {
		keys = append(keys, save(t, s, Edit{Type: "visit", Fields: fields("findings", text)}).Key)
	}
	stream := writing(t, s)
	one, rest := receipt(t, s, code, 1, 1), receipt(t, s, code, 2, 3, 3)
	first := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 3, Receipts: []journal.Receipt{one, rest},
		Heads: []wire.StreamHead{{Stream: stream, Seq: 3}}, Backed: []wire.StreamHead{{Stream: stream, Seq: 3}}}
	s.must(t, first)
	if st := status(t, s); st.Pending != 0 || st.Delivered != 2 || st.Quarantined != 1 || st.Villages[0].Backed != 3 {
		t.Fatalf("%+v", st)
	}
	if all, err := s.Backed(code); !all || err != nil {
		t.Errorf("backed: %v, %v", all, err)
	}
	if err := s.AskedBacked(ctx); err != nil {
		t.Fatal(err)
	}
	page := &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 1, More: true, Heads: []wire.StreamHead{{Stream: stream, Seq: 1}}}
	if taken := s.must(t, page); !taken.Rewound || !taken.More {
		t.Errorf("%+v", taken)
	}
	lost := func(when string) {
		t.Helper()
		st := status(t, s)
		if st.Pending != 2 || st.Villages[0].Backed != 1 || read(t, s, keys[0]).Way != merge.Delivered || read(t, s, keys[1]).Way == merge.Delivered {
			t.Errorf("%s: %+v, %s", when, st, read(t, s, keys[1]).Way)
		}
		if all, err := s.Backed(code); all || err != nil {
			t.Errorf("%s: backed %v, %v", when, all, err)
		}
	}
	lost("after the first page")
	if asks, err := s.AsksBacked(); asks || err != nil {
		t.Errorf("asks what is in a backup: %v, %v; nothing more can be", asks, err)
	}
	for _, old := range []*wire.Pull{first, {Village: code, Epoch: wire.Epoch{3}, Receipts: first.Receipts}} {
		if _, err := s.TakeLate(ctx, old); err != nil {
			t.Fatal(err)
		}
		lost("after an old answer")
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, From: 1, Into: 1, Cursor: 2, Heads: []wire.StreamHead{{Stream: stream, Seq: 1}}})
	lost("after the last page")
	for _, budget := range []int{1, 1 << 20} {
		out, err := s.Outgoing(ctx, budget)
		if err != nil {
			t.Fatal(err)
		}
		push := out[0].Push
		if len(push.Segments) != 1 || len(push.Proofs) != 1 || push.Proofs[0].Seq != 3 || push.Epoch != (wire.Epoch{2}) || push.Streams[0].Acked != 1 {
			t.Fatalf("with %d bytes goes %+v", budget, push)
		}
		if seg, err := journal.Decode(push.Segments[0]); err != nil || seg.From != 2 || seg.Last() != 3 {
			t.Errorf("%+v, %v", seg, err)
		}
	}
	// A save meanwhile goes behind it, without a receipt of course.
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "丁")})
	if out, err := s.Outgoing(ctx, 1<<20); err != nil || len(out[0].Push.Segments) != 2 || len(out[0].Push.Proofs) != 1 {
		t.Errorf("%d segments, %v", len(out[0].Push.Segments), err)
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, From: 2, Cursor: 4, Receipts: []journal.Receipt{rest, receipt(t, s, code, 4, 4)}, Heads: []wire.StreamHead{{Stream: stream, Seq: 4}}})
	if st := status(t, s); st.Pending != 0 || st.Quarantined != 1 || st.Delivered != 3 {
		t.Errorf("at the end %+v", st)
	}
	if r, err := s.Verify(false); err != nil || len(r.Faults) > 0 {
		t.Errorf("%v, %v", r.Faults, err)
	}
}

// What others wrote that the server has lost stays, with the page that replaces
// the old epoch's and with all that come after it.
func TestOthersWordsOutliveTheServer(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	theirs, third := record.Stream{9}, record.Stream{8}
	id := record.ID{1}
	sib := func(of record.Stream, seq uint64, v string) merge.Sibling {
		return merge.Sibling{Dot: record.Dot{Stream: of, Seq: seq}, Value: record.Text(v), At: clock.At0(t0), Author: "李"}
	}
	page := func(epoch byte, from, cursor uint64, heads []wire.StreamHead, sibs ...merge.Sibling) *wire.Pull {
		slices.SortFunc(sibs, func(a, b merge.Sibling) int { return a.Dot.Compare(b.Dot) })
		return &wire.Pull{Village: code, Epoch: wire.Epoch{epoch}, From: from, Cursor: cursor, Heads: heads,
			Records: []wire.State{{ID: id, Type: "household", State: merge.State{"head_name": {Siblings: sibs}}.Encode()}}}
	}
	want := func(when string, values ...string) {
		t.Helper()
		var got []string
		for _, x := range read(t, s, record.Key{Village: code, Type: "household", ID: id}).State["head_name"].Siblings {
			v, _ := x.Value.Text()
			got = append(got, v)
		}
		slices.Sort(got)
		if !slices.Equal(got, values) {
			t.Errorf("%s: %v, want %v", when, got, values)
		}
	}
	s.must(t, page(1, 0, 2, []wire.StreamHead{{Stream: theirs, Seq: 2}}, sib(theirs, 2, "b")))
	want("before", "b")
	s.must(t, page(2, 0, 1, []wire.StreamHead{{Stream: theirs, Seq: 1}}, sib(theirs, 1, "a")))
	want("after the swap", "b")
	s.must(t, page(2, 1, 2, []wire.StreamHead{{Stream: third, Seq: 1}}, sib(theirs, 1, "a"), sib(third, 1, "c")))
	want("after somebody else's change", "b", "c")
	s.must(t, page(2, 2, 3, []wire.StreamHead{{Stream: theirs, Seq: 2}}, sib(theirs, 2, "b"), sib(third, 1, "c")))
	want("when it is there again", "b", "c")
	if pl := s.place(t); len(pl.Ahead) > 0 {
		t.Errorf("still ahead: %v", pl.Ahead)
	}
	s.must(t, page(2, 3, 4, []wire.StreamHead{{Stream: third, Seq: 2}}, sib(third, 2, "d")))
	want("when it was replaced", "d")
}

// A village that was taken from the laptop is asked about again, once the others
// have shown that the server was restored.
func TestOldVillageAfterRewind(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	const other = "369999000002"
	assign := func(codes ...record.Village) {
		if _, err := s.SetDevice(ctx, func(d *Device) {
			d.Assigned.Villages = nil
			for _, c := range codes {
				d.Assigned.Villages = append(d.Assigned.Villages, wire.Village{Code: c, Name: string(c)})
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	asked := func() (villages []record.Village) {
		t.Helper()
		out, err := s.Outgoing(ctx, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			villages = append(villages, o.Push.Village)
		}
		return villages
	}
	assign(code, other)
	save(t, s, Edit{Village: other, Type: "visit", Fields: fields("findings", "旧村的走访")})
	s.must(t, &wire.Pull{Village: other, Epoch: wire.Epoch{1}, Cursor: 1, Receipts: []journal.Receipt{receipt(t, s, other, 1, 1)}})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1})
	assign(code)
	if err := s.AskedBacked(ctx); err != nil {
		t.Fatal(err)
	}
	if got := asked(); len(got) != 1 {
		t.Errorf("before the restore %v", got)
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 1})
	if got := asked(); len(got) != 2 {
		t.Fatalf("after it %v", got)
	}
	if taken := s.must(t, &wire.Pull{Village: other, Epoch: wire.Epoch{2}, Denied: true}); !taken.Rewound || !taken.Denied {
		t.Errorf("%+v", taken)
	}
	if st := status(t, s); st.Pending != 1 {
		t.Errorf("%+v", st)
	}
	s.must(t, &wire.Pull{Village: other, Epoch: wire.Epoch{2}, Denied: true, Receipts: []journal.Receipt{receipt(t, s, other, 1, 1)}})
	if err := s.AskedBacked(ctx); err != nil {
		t.Fatal(err)
	}
	if got := asked(); len(got) != 1 || status(t, s).Pending != 0 {
		t.Errorf("at the end %v, %d pending", got, status(t, s).Pending)
	}
}

// phoneSetAside is a laptop with a household of which the first change was taken, and the
// second, another phone, set aside.
func phoneSetAside(t *testing.T) (s *Store, k record.Key, stream record.Stream) {
	t.Helper()
	s = enrolled(t, identity.TeamMember)
	k = save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大", "phone", "1")}).Key
	first := read(t, s, k).State
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "2")})
	stream = writing(t, s)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Receipts: []journal.Receipt{receipt(t, s, code, 1, 1), receipt(t, s, code, 2, 2, 2)},
		Records: []wire.State{{ID: k.ID, Type: k.Type, State: first.Encode()}}, Own: []wire.StreamHead{{Stream: stream, Seq: 2}}, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}})
	return s, k, stream
}

// A restored server has set something aside and knows no stream yet: its page names
// none, and is taken.
func TestPageWithoutHeads(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")}).Key
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Records: []wire.State{{ID: k.ID, Type: k.Type, State: merge.State{}.Encode()}}})
	if r := read(t, s, k); r.View.Fields["findings"] != `"屋顶漏雨"` {
		t.Errorf("%v", r.View.Fields)
	}
	soundNow(t, s)
}

// A change that was set aside in a life of the server that was lost is pending in the
// next one, and stands once, then and when the server has taken it.
func TestPendingInTheNextLife(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	has := []wire.StreamHead{{Stream: stream, Seq: 1}}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 1, Records: []wire.State{{ID: k.ID, Type: k.Type, State: read(t, s, k).State.Encode()}}, Own: has, Heads: has})
	once := func(when, way string) {
		t.Helper()
		shown, err := s.Shown(k.Type, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range []merge.State{shown, read(t, s, k).State} {
			if phone := state["phone"].Siblings; len(phone) != 1 || phone[0].Dot.Seq != 2 || read(t, s, k).Way != way {
				t.Errorf("%s: %s, %v", when, read(t, s, k).Way, phone)
			}
		}
	}
	once("pending", merge.Sent)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, From: 1, Cursor: 2, Receipts: []journal.Receipt{receipt(t, s, code, 2, 2)}})
	once("taken", merge.Delivered)
	soundNow(t, s)
}

// A change that was set aside in a life of the server that was lost, and reached the
// next one in a file without its receipt, may be taken there. It stands then, and the
// receipts of before are forgotten with what they said.
func TestTakenInTheNextLife(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	if r := read(t, s, k); r.Way != merge.Quarantined || len(r.State["phone"].Siblings) != 1 || r.State["phone"].Siblings[0].Dot.Seq != 1 {
		t.Fatalf("%s: %v", r.Way, r.State)
	}
	both := receipt(t, s, code, 1, 2)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, More: true})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 2, Receipts: []journal.Receipt{both}, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}})
	r := read(t, s, k)
	if phone := r.State["phone"].Siblings; r.Way != merge.Delivered || len(phone) != 1 || phone[0].Dot.Seq != 2 || phone[0].Unmeasured {
		t.Errorf("%s: %v", r.Way, phone)
	}
	if st := status(t, s); st.Quarantined != 0 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{3}, More: true})
	if out, err := s.Outgoing(ctx, 1<<20); err != nil || len(out[0].Push.Proofs) != 1 || out[0].Push.Proofs[0].Seq != 2 || len(out[0].Push.Segments) != 1 {
		t.Errorf("it goes again with %+v, %v", out[0].Push.Proofs, err)
	}
	soundNow(t, s)
}

// What a later own change had replaced stays replaced, when both are taken in the next
// life and the record does not come: the laptop alone has changed it.
func TestTakenAndReplaced(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "3")})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Receipts: []journal.Receipt{receipt(t, s, code, 3, 3)}, Heads: []wire.StreamHead{{Stream: stream, Seq: 3}}})
	all := receipt(t, s, code, 1, 3)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, More: true})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 2, Receipts: []journal.Receipt{all}, Heads: []wire.StreamHead{{Stream: stream, Seq: 3}}})
	if phone := read(t, s, k).State["phone"].Siblings; len(phone) != 1 || phone[0].Dot.Seq != 3 {
		t.Errorf("the phone is %v", phone)
	}
	soundNow(t, s)
}

// A restored server lacks more than the laptop has of its stream, and there was
// something to settle: the laptop does not claim receipts that it has not.
func TestCutWhileUnsettled(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for range 4 {
		save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	}
	s.must(t, answer(t, s))
	stream := writing(t, s)
	if err := s.update(ctx, false, func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		o := v.owns[stream]
		whole := *o
		whole.Acked = journal.Head{}
		h, err := v.hashAt(stream, &whole, 2)
		o.Base, v.dirty = journal.Head{Seq: 2, Hash: h}, true
		return err
	}); err != nil {
		t.Fatal(err)
	}
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "水管坏了")})
	denied := answerFrom(t, s, 5)
	denied.Denied, denied.Heads = true, nil
	s.must(t, denied)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, More: true, Heads: []wire.StreamHead{{Stream: stream, Seq: 1}}})
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out[0].Push.Streams {
		if o.Acked > o.Head {
			t.Errorf("it names %+v", o)
		}
	}
}

// What the server never answers keeps nobody from asking how the records stand of which
// it has set changes aside.
func TestSettlesBesideWhatIsRefused(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大", "phone", "1")}).Key
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "2")})
	stream := writing(t, s)
	// The receipt came, and how the record stands without the second did not.
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Denied: true, Receipts: []journal.Receipt{receipt(t, s, code, 1, 1), receipt(t, s, code, 2, 2, 2)}})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}})
	asks := func(when string, want uint64) {
		t.Helper()
		out, err := s.Outgoing(ctx, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(out[0].Push.Streams, func(o wire.Own) bool { return o.Stream == stream })
		if i < 0 || out[0].Push.Streams[i].Acked != want {
			t.Errorf("%s it names %+v, want %d", when, out[0].Push.Streams, want)
		}
		if err := s.Sent(ctx, out); err != nil {
			t.Fatal(err)
		}
	}
	asks("with nothing that waits", 1)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "水管坏了")})
	asks("while something goes for the first time", 2)
	asks("once that was refused", 1)
}

// A laptop wrote three visits under a clock that was ten days slow, and their receipt says
// so. A server that has two of them, from a life in which they came otherwise, is told of
// the third what the receipt had found: it is good for all three only.
func TestDatedInTheNextLife(t *testing.T) {
	const slow = 10 * 24 * 3600 * 1000
	s := enrolled(t, identity.TeamMember)
	var stamps []clock.Time
	for range 3 {
		k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "甲")}).Key
		r, err := s.Get(k.Type, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, r.State["findings"].Siblings[0].At)
	}
	stream := writing(t, s)
	if err := s.Measure(ctx, s.Wall()+slow, s.Wall()); err != nil {
		t.Fatal(err)
	}
	all := receipt(t, s, code, 1, 3)
	hash := func() (h journal.Hash) {
		if err := s.view(func(x *tx) error {
			v, err := x.village(code)
			if err != nil {
				return err
			}
			whole := *v.owns[stream]
			whole.Acked = journal.Head{}
			h, err = v.hashAt(stream, &whole, 3)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return h
	}()
	all.Received, all.Runs = clock.At0(t0+2*slow), []clock.Run{{Correction: slow}}
	all.Seal(serverKey, hash)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 3, Receipts: []journal.Receipt{all}, Heads: []wire.StreamHead{{Stream: stream, Seq: 3}}})
	read, runs, err := s.Clock()
	if err != nil || len(runs) > 0 {
		t.Fatalf("it has not forgotten that it was slow: %v, %v", runs, err)
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 1, More: true, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}})
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil || len(out) != 1 || len(out[0].Push.Segments) != 1 || len(out[0].Push.Proofs) > 0 {
		t.Fatalf("it sends %+v, %v", out, err)
	}
	if _, runs, err = s.Clock(); err != nil {
		t.Fatal(err)
	}
	now := s.Wall() + slow - read.Milli()
	if c := clock.Correction(stamps[2], runs, now); c != slow {
		t.Errorf("the third is dated %d ms later, not %d: %v", c, slow, runs)
	}
	if c := clock.Correction(read, runs, now); c != 0 {
		t.Errorf("what is written now is dated %d ms later: %v", c, runs)
	}
}
