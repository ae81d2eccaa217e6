package store

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// verdict is the server's on an own entry.
func verdict(t *testing.T, s *Store, stream record.Stream, seq, feed uint64, accepted bool) journal.Verdict {
	t.Helper()
	v := journal.Verdict{Stream: stream, Seq: seq, Accepted: accepted, At: clock.At0(t0 + 9000), By: "admin", Why: "已核对", Feed: feed}
	if accepted {
		v.Issued = record.Dot{Stream: record.Stream{7}, Seq: 1}
	}
	v.Seal(serverKey, entryHash(t, s, stream, seq))
	return v
}

func entryHash(t *testing.T, s *Store, stream record.Stream, seq uint64) (hash journal.Hash) {
	t.Helper()
	err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		from := *v.owns[stream]
		from.Acked = from.Base
		hash, err = v.hashAt(stream, &from, seq)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// accepted is the page in which the phone that was set aside is taken in after all.
func accepted(t *testing.T, s *Store, k record.Key, stream record.Stream) *wire.Pull {
	t.Helper()
	v := verdict(t, s, stream, 2, 2, true)
	state := merge.Apply(read(t, s, k).State, nil, merge.Applied{Dot: v.Issued, At: clock.At0(t0 + 2000), Author: "王队员"},
		[]record.Write{{Path: "phone", Value: `"2"`, Observed: []record.Dot{{Stream: stream, Seq: 1}}}})
	return &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 3, Verdicts: []journal.Verdict{v}, Records: []wire.State{{ID: k.ID, Type: k.Type, State: state.Encode()}},
		Own: []wire.StreamHead{{Stream: stream, Seq: 2}}, Heads: []wire.StreamHead{{Stream: v.Issued.Stream, Seq: 1}}}
}

// What was set aside and then accepted is delivered, and stands once in the history.
func TestAccepted(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	s.must(t, accepted(t, s, k, stream))
	r := read(t, s, k)
	if r.Way != merge.Delivered || r.View.Fields["phone"] != `"2"` || len(r.View.Others) != 0 || len(r.View.Conflicts) != 0 {
		t.Errorf("%s: %+v", r.Way, r.View)
	}
	if st := status(t, s); st.Quarantined != 0 || st.Rejected != 0 || st.Delivered != 2 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
	events, err := s.History(k.Type, k.ID)
	if err != nil || len(events) != 2 {
		t.Fatalf("%+v, %v", events, err)
	}
	if a := events[0].Aside; a == nil || a.Decision != merge.Accepted || a.By != "admin" || a.Reason != "role" || events[1].Aside != nil {
		t.Errorf("the history is %+v", events)
	}
	soundNow(t, s)
}

// Pages that are set aside say nothing yet, and neither does what is not the server's.
func TestVerdictHoldsWithTheFeed(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	p := accepted(t, s, k, stream)
	first := *p
	first.Records, first.Heads, first.Cursor, first.More, first.Feed = nil, nil, 2, true, 3
	s.must(t, &first)
	if r := read(t, s, k); r.Way != merge.Quarantined || r.View.Fields["phone"] != `"2"` {
		t.Errorf("with half of the pages: %s %v", r.Way, r.View.Fields)
	}
	p.Verdicts, p.From, p.Into = nil, 2, 1
	s.must(t, p)
	if r := read(t, s, k); r.Way != merge.Delivered || r.View.Fields["phone"] != `"2"` || len(r.View.Others) != 0 {
		t.Errorf("with all of them: %s %v", r.Way, r.View)
	}
	// The server is restored to before it: nobody has decided on it.
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}, Cursor: 9})
	if r := read(t, s, k); r.Way != merge.Quarantined {
		t.Errorf("in the next life: %s", r.Way)
	}
	if st := status(t, s); st.Quarantined != 1 || st.Delivered != 1 {
		t.Errorf("in the next life: %+v", st)
	}
	soundNow(t, s)
}

func TestForgedVerdict(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	for name, forge := range map[string]func(*journal.Verdict){
		"another's signature": func(v *journal.Verdict) {
			v.Seal(ed25519.NewKeyFromSeed(make([]byte, 32)), entryHash(t, s, stream, 2))
		},
		"on another entry": func(v *journal.Verdict) { v.Seal(serverKey, entryHash(t, s, stream, 1)) },
		"the other way":    func(v *journal.Verdict) { v.Accepted = true },
		"a later entry":    func(v *journal.Verdict) { v.Seq = 3; v.Seal(serverKey, journal.Hash{}) },
		"another stream":   func(v *journal.Verdict) { v.Stream[0]++; v.Seal(serverKey, entryHash(t, s, stream, 2)) },
	} {
		v := verdict(t, s, stream, 2, 1, false)
		forge(&v)
		at := s.place(t).Cursor
		s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: at, Cursor: at + 1, Verdicts: []journal.Verdict{v}})
		if r := read(t, s, k); r.Way != merge.Quarantined || r.Rejected {
			t.Errorf("%s: %s, rejected %v", name, r.Way, r.Rejected)
		}
	}
	soundNow(t, s)
}

// What was rejected stays on its author's screen until somebody has seen why; then the
// record is what the village has.
func TestRejected(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	reject := func() {
		s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Verdicts: []journal.Verdict{verdict(t, s, stream, 2, 2, false)}})
	}
	reject()
	if r := read(t, s, k); r.Way != merge.Quarantined || !r.Rejected || r.View.Fields["phone"] != `"2"` {
		t.Errorf("%s, rejected %v: %v", r.Way, r.Rejected, r.View.Fields)
	}
	if st := status(t, s); st.Quarantined != 1 || st.Rejected != 1 || st.Delivered != 1 {
		t.Errorf("%+v", st)
	}
	list, err := s.Asides(k.Type, k.ID)
	if err != nil || len(list) != 1 || list[0].Verdict == nil || list[0].Verdict.Why != "已核对" || list[0].Seen || len(list[0].Change.Body) == 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if n, err := s.Seen(ctx, k.Type, k.ID, list[0].Dot); n != 1 || err != nil {
		t.Fatalf("%d seen, %v", n, err)
	}
	seen := func(when string) {
		t.Helper()
		if r := read(t, s, k); r.Way != merge.Delivered || r.Rejected || r.View.Fields["phone"] != `"1"` {
			t.Errorf("%s: %s, rejected %v: %v", when, r.Way, r.Rejected, r.View.Fields)
		}
		if st := status(t, s); st.Quarantined != 0 || st.Rejected != 0 || st.Delivered != 1 {
			t.Errorf("%s: %+v", when, st)
		}
	}
	seen("seen")
	if n, err := s.Seen(ctx, k.Type, k.ID, list[0].Dot); n != 0 || err != nil {
		t.Errorf("once more: %d seen, %v", n, err)
	}
	events, err := s.History(k.Type, k.ID)
	if err != nil || len(events) != 2 || events[0].Aside == nil || events[0].Aside.Decision != merge.Rejected || events[0].Set["phone"] != `"2"` {
		t.Errorf("the history is %+v, %v", events, err)
	}
	// A server that is restored says it again; nobody has to see it again.
	first := verdict(t, s, stream, 2, 5, false)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, Heads: []wire.StreamHead{{Stream: stream, Seq: 2}}, Cursor: 6, Verdicts: []journal.Verdict{first},
		Records: []wire.State{{ID: k.ID, Type: k.Type, State: read(t, s, k).State.Encode()}}, Own: []wire.StreamHead{{Stream: stream, Seq: 2}}})
	seen("after a restore")
	soundNow(t, s)
}

// Whoever writes something else in the place of what was rejected has seen it.
func TestRejectedAndReplaced(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Verdicts: []journal.Verdict{verdict(t, s, stream, 2, 2, false)}})
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李大山")})
	if r := read(t, s, k); !r.Rejected || status(t, s).Rejected != 1 {
		t.Errorf("after another field was written: rejected %v, %+v", r.Rejected, status(t, s))
	}
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "3")})
	if r := read(t, s, k); r.Rejected || r.Way != merge.Local || r.View.Fields["phone"] != `"3"` {
		t.Errorf("%s, rejected %v: %v", r.Way, r.Rejected, r.View.Fields)
	}
	if st := status(t, s); st.Quarantined != 0 || st.Rejected != 0 {
		t.Errorf("%+v", st)
	}
	soundNow(t, s)
}

// A record all of which was rejected is gone once that was seen, and comes back with
// what is written to it then.
func TestRejectedAltogether(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨")}).Key
	stream := writing(t, s)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Receipts: []journal.Receipt{receipt(t, s, code, 1, 1, 1)},
		Records: []wire.State{{ID: k.ID, Type: k.Type, State: merge.State{}.Encode()}}, Own: []wire.StreamHead{{Stream: stream, Seq: 1}}, Heads: []wire.StreamHead{{Stream: stream, Seq: 1}}})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 1, Cursor: 2, Verdicts: []journal.Verdict{verdict(t, s, stream, 1, 2, false)}})
	if r := read(t, s, k); r.View.Fields["findings"] != `"屋顶漏雨"` || !r.Rejected {
		t.Errorf("rejected %v: %v", r.Rejected, r.View.Fields)
	}
	if _, err := s.Seen(ctx, k.Type, k.ID, record.Dot{Stream: stream, Seq: 1}); err != nil {
		t.Fatal(err)
	}
	each := func() (n int) {
		s.Each("", k.Type, func(Record) bool { n++; return true })
		return n
	}
	if r := read(t, s, k); !r.Gone || r.Way != merge.Quarantined || each() != 0 {
		t.Errorf("gone %v, %s, %d listed", r.Gone, r.Way, each())
	}
	if events, err := s.History(k.Type, k.ID); err != nil || len(events) != 1 {
		t.Errorf("the history is %+v, %v", events, err)
	}
	save(t, s, Edit{Type: "visit", ID: k.ID, Fields: fields("findings", "屋顶已修")})
	if r := read(t, s, k); r.View.Fields["findings"] != `"屋顶已修"` || each() != 1 {
		t.Errorf("written again: %v, %d listed", r.View.Fields, each())
	}
	soundNow(t, s)
}

// A verdict that somebody changed in the file is found.
func TestVerifyVerdicts(t *testing.T) {
	s, k, stream := phoneSetAside(t)
	s.must(t, accepted(t, s, k, stream))
	if err := s.update(ctx, true, func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		r := &ruling{epoch: wire.Epoch{1}, Verdict: verdict(t, s, stream, 2, 2, false)}
		r.Accepted = true
		return v.putRuling(bucketVerdict, quarantineKey(k.ID, touch{Stream: stream, Seq: 2}), r)
	}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Verify(false); err != nil || !slices.ContainsFunc(r.Faults, func(f string) bool { return strings.Contains(f, "verdict") }) {
		t.Errorf("%v, %v", r.Faults, err)
	}
}
