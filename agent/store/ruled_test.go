package store

import (
	"testing"

	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// reads checks what a record and the status say of a household's phone.
func reads(t *testing.T, when string, s *Store, k record.Key, phone record.Value, way string, setAside, rejected uint64) {
	t.Helper()
	r, st := read(t, s, k), status(t, s)
	n := uint64(0)
	if err := s.Stuck(func(Record) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	if r.View.Fields["phone"] != phone || r.Way != way || r.Rejected != (rejected > 0) || len(r.View.Others) > 0 {
		t.Errorf("%s: %s %s, rejected %v, others %v", when, r.View.Fields["phone"], r.Way, r.Rejected, r.View.Others)
	}
	if st.Quarantined != setAside || st.Rejected != rejected || (n > 0) != (setAside > 0) {
		t.Errorf("%s: %d set aside, %d rejected, %d listed", when, st.Quarantined, st.Rejected, n)
	}
	soundNow(t, s)
}

// rejects is a page with the office's rejection of an entry.
func rejects(t *testing.T, s *Store, stream record.Stream, seq uint64) *wire.Pull {
	t.Helper()
	at := s.place(t).Cursor
	return &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: at, Cursor: at + 1, Verdicts: []journal.Verdict{verdict(t, s, stream, seq, at+1, false)}}
}

// Of two changes that wait, one on the other, the second is rejected and that is seen:
// the first still waits, and is shown.
func TestRejectedUponUndecided(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	base := read(t, s, k).State
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "3")})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Receipts: []journal.Receipt{receipt(t, s, code, 3, 3, 3)},
		Records: []wire.State{{ID: k.ID, Type: k.Type, State: base.Encode()}}, Own: []wire.StreamHead{{Stream: stream, Seq: 3}}, Heads: []wire.StreamHead{{Stream: stream, Seq: 3}}})
	reads(t, "both wait", s, k, `"3"`, merge.Quarantined, 2, 0)
	s.must(t, rejects(t, s, stream, 3))
	reads(t, "the second is rejected", s, k, `"3"`, merge.Quarantined, 2, 1)
	if _, err := s.Seen(ctx, k.Type, k.ID, record.Dot{Stream: stream, Seq: 3}); err != nil {
		t.Fatal(err)
	}
	reads(t, "and seen", s, k, `"2"`, merge.Quarantined, 1, 0)
}

// What its author had corrected before the office rejected it nobody is told of.
func TestCorrectedBeforeTheVerdict(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "3")})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Receipts: []journal.Receipt{receipt(t, s, code, 3, 3)}, Heads: []wire.StreamHead{{Stream: stream, Seq: 3}}})
	s.must(t, rejects(t, s, stream, 2))
	reads(t, "rejected", s, k, `"3"`, merge.Delivered, 0, 0)
}

// A restored server has another branch behind the entry that was decided on: it waits
// under a new name, and stands on the record.
func TestDecidedAndRenewed(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	before := read(t, s, k).State
	s.must(t, rejects(t, s, stream, 2))
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Cursor: 1, Refused: []wire.Refused{{Stream: stream, From: 2, Code: wire.RefusedFork, Head: 1}},
		Heads: []wire.StreamHead{{Stream: stream, Seq: 1}}, Own: []wire.StreamHead{{Stream: stream, Seq: 1}}, Records: []wire.State{{ID: k.ID, Type: k.Type, State: before.Encode()}}})
	reads(t, "renewed", s, k, `"2"`, merge.Local, 0, 0)
	if st := status(t, s); st.Pending != 1 || st.Delivered != 1 {
		t.Errorf("%+v", st)
	}
}

// While the pages of a restored server come, what is here holds.
func TestVerdictsOfTheNextLifeAreStaged(t *testing.T) {
	for _, accept := range []bool{true, false} {
		s, k, stream := phoneSetAside(t)
		phone := record.Value(`"1"`)
		if accept {
			phone = `"2"`
			s.must(t, accepted(t, s, k, stream))
		} else {
			s.must(t, rejects(t, s, stream, 2))
			if _, err := s.Seen(ctx, k.Type, k.ID, record.Dot{Stream: stream, Seq: 2}); err != nil {
				t.Fatal(err)
			}
		}
		reads(t, "before", s, k, phone, merge.Delivered, 0, 0)
		p := &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}, Cursor: 2, More: true, Feed: 9, Verdicts: []journal.Verdict{verdict(t, s, stream, 2, 2, accept)}}
		s.must(t, p)
		reads(t, "while they come", s, k, phone, merge.Delivered, 0, 0)
	}
}

// A village that is denied after a restore gives no page: what is counted is what is
// shown.
func TestVerdictAndDenied(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	s.must(t, rejects(t, s, stream, 2))
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Denied: true, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}})
	reads(t, "denied", s, k, `"2"`, merge.Quarantined, 1, 0)
}

// A verdict on what is not known to be set aside hides nothing that is.
func TestVerdictOnAnotherEntry(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Verdicts: []journal.Verdict{verdict(t, s, stream, 1, 2, true)}})
	reads(t, "one still waits", s, k, `"2"`, merge.Quarantined, 1, 0)
}

// A form that was opened on what was set aside replaces what that had replaced, and its
// new name.
func TestSavedUponAside(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	shown, err := s.Shown(k.Type, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.must(t, accepted(t, s, k, stream))
	save(t, s, Edit{Type: "household", ID: k.ID, Shown: shown, Fields: fields("phone", "3")})
	reads(t, "saved after it was accepted", s, k, `"3"`, merge.Local, 0, 0)

	s, k, stream = phoneSetAside(t)
	s.must(t, rejects(t, s, stream, 2))
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "3")})
	reads(t, "saved after it was rejected", s, k, `"3"`, merge.Local, 0, 0)
}

// Where a store was made anew and begins in the middle of a stream, what lies before is
// passed over, and nothing else is.
func TestVerdictsOfTwoStreams(t *testing.T) {
	s := enrolled(t, "team_member")
	fill := func(feed uint64) record.Stream {
		for range 30 {
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")})
		}
		stream := writing(t, s)
		s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: feed - 1, Cursor: feed, Receipts: []journal.Receipt{receipt(t, s, code, 1, 30, 3, 10, 20, 25)}})
		return stream
	}
	a := fill(1)
	if err := s.update(ctx, true, func(x *tx) error {
		v, err := x.village(code)
		if err == nil {
			v.retire()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b := fill(2)
	for _, cut := range []record.Stream{a, b} {
		var list []journal.Verdict
		for i, seq := range []uint64{3, 10, 25} {
			list = append(list, verdict(t, s, a, seq, uint64(3+i), false), verdict(t, s, b, seq, uint64(6+i), false))
		}
		hash := entryHash(t, s, cut, 5)
		base := journal.Head{}
		set := func(to journal.Head) {
			t.Helper()
			if err := s.update(ctx, true, func(x *tx) error {
				v, err := x.village(code)
				if err == nil {
					base, v.owns[cut].Base, v.dirty = v.owns[cut].Base, to, true
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		set(journal.Head{Seq: 5, Hash: hash})
		at := s.place(t).Cursor
		s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: at, Cursor: at + 9, Verdicts: list})
		if got := s.place(t).Rejected; got < 5 {
			t.Errorf("%d rejections of the 5 that are here", got)
		}
		set(base)
	}
}
