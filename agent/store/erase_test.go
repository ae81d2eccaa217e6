package store

import (
	"crypto/ed25519"
	"errors"
	"fmt"
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

const canary = "金丝雀4471"

// decoded gives everything that the store holds of own changes, records and
// drafts, and the seeds that it has.
func decoded(t *testing.T, s *Store) (all string, seeds []journal.Seed) {
	t.Helper()
	if err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		for _, st := range v.streams() {
			for seq := uint64(1); seq <= v.owns[st].Head.Seq; seq++ {
				e, err := v.entry(st, seq)
				if err != nil {
					return err
				}
				all += fmt.Sprintln(seq, e.change())
			}
		}
		for _, typ := range v.types() {
			if err := v.b.Bucket(recordBucket(typ)).ForEach(func(k, raw []byte) error {
				_, state, err := v.openRecord(typ, record.ID(k), raw)
				all += string(state)
				return err
			}); err != nil {
				return err
			}
		}
		return v.b.Bucket(bucketSeed).ForEach(func(k, raw []byte) error {
			plain, err := x.s.unwrap(seedAt(k), raw)
			if len(plain) == 16 {
				seeds = append(seeds, journal.Seed(plain))
			}
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
	drafts, err := s.Drafts()
	if err != nil {
		t.Fatal(err)
	}
	return all + fmt.Sprint(drafts), seeds
}

// erasure is the server's page of a record that the office has erased.
func erasure(t *testing.T, s *Store, k record.Key) *wire.Pull { return erasureAt(t, s, k, 1) }

// erasureAt is the one that the office wrote at that place of its stream.
func erasureAt(t *testing.T, s *Store, k record.Key, seq uint64) *wire.Pull {
	office := record.Stream{0xEE}
	state := merge.State{record.Life: {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: office, Seq: seq}, Value: merge.Erasure("依法"), At: clock.At0(t0 + 5000), Author: "admin"}}}}
	pl := s.place(t)
	return &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1,
		Records: []wire.State{{ID: k.ID, Type: k.Type, State: state.Encode()}}, Heads: []wire.StreamHead{{Stream: office, Seq: seq}}}
}

func soundNow(t *testing.T, s *Store) {
	t.Helper()
	if r, err := s.Verify(false); err != nil || len(r.Faults) > 0 {
		t.Errorf("verify: %v, %v", r.Faults, err)
	}
}

// burdened is a laptop with one record to be erased and one to stay: each with an
// acknowledged change and one that waits.
func burdened(t *testing.T) (s *Store, gone, stays record.Key) {
	s = enrolled(t, identity.FirstSecretary)
	gone = save(t, s, Edit{Type: "visit", Fields: fields("findings", canary+"走访情况")}).Key
	stays = save(t, s, Edit{Type: "visit", Fields: fields("findings", "另一次走访情况")}).Key
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	save(t, s, Edit{Type: "visit", ID: gone.ID, Fields: fields("promised", canary+"再访")})
	save(t, s, Edit{Type: "visit", ID: stays.ID, Fields: fields("promised", "再访")})
	if err := s.KeepDraft(ctx, Draft{ID: "draft", Type: "visit", Village: code, Record: gone.ID, State: read(t, s, gone).State.Encode(), Values: map[string][]string{"needs": {canary}}}); err != nil {
		t.Fatal(err)
	}
	return s, gone, stays
}

// resent gives the changes that the laptop would send now; their chain must open.
func resent(t *testing.T, s *Store, head journal.Head) []record.Change {
	t.Helper()
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var list []record.Change
	for _, raw := range out[0].Push.Segments {
		seg, err := journal.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := seg.Open(d.Private().Public().(ed25519.PublicKey), code, head)
		if err != nil {
			t.Fatal(err)
		}
		head = journal.Head{Seq: seg.Last(), Hash: hashes[len(hashes)-1]}
		list = append(list, seg.Changes...)
	}
	return list
}

// acked is how far the laptop's writing stream is acknowledged.
func acked(t *testing.T, s *Store) (head journal.Head) {
	t.Helper()
	if err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err == nil && v.owns[v.writing] != nil {
			head = v.owns[v.writing].Acked
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return head
}

// What the office has erased is gone from the laptop with the page that says so:
// from the record, the journal, drafts and history; the seed too. Everything else
// is as it was, can be sent, and verifies.
func TestErased(t *testing.T) {
	s, gone, stays := burdened(t)
	all, seeds := decoded(t, s)
	if strings.Count(all, canary) < 4 || len(seeds) != 1 {
		t.Fatalf("%d canaries and %d seeds", strings.Count(all, canary), len(seeds))
	}
	hash := acked(t, s)
	if _, err := s.Take(ctx, erasure(t, s, gone)); err != nil {
		t.Fatal(err)
	}
	all, left := decoded(t, s)
	if strings.Contains(all, canary) || slices.Contains(left, seeds[0]) {
		t.Errorf("%d canaries are left, and the seed: %v", strings.Count(all, canary), slices.Contains(left, seeds[0]))
	}
	if v := read(t, s, gone).View; !v.Erased || !v.Void || len(v.Fields) != 0 || v.Reason != "依法" {
		t.Errorf("it reads %+v", v)
	}
	if v := read(t, s, stays).View; v.Fields["promised"] != record.Text("再访") || v.Fields["findings"] != record.Text("另一次走访情况") {
		t.Errorf("the other reads %+v", v)
	}
	if _, err := s.Draft("draft"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the draft: %v", err)
	}
	events, err := s.History("visit", gone.ID)
	if err != nil || len(events) != 3 || events[0].Erased || !events[1].Erased || !events[2].Erased || len(events[1].Set)+len(events[2].Set) != 0 || events[2].Author != "王书记" {
		t.Errorf("its history: %+v, %v", events, err)
	}
	soundNow(t, s)
	list := resent(t, s, hash)
	if len(list) != 2 || list[0].Body != nil || list[0].Record != gone.ID || len(list[1].Body) == 0 {
		t.Errorf("sent are %+v", list)
	}
	// It writes on, under another seed.
	save(t, s, Edit{Type: "visit", ID: stays.ID, Fields: fields("promised", "又访")})
	if _, now := decoded(t, s); len(now) != 1 || now[0] == seeds[0] {
		t.Errorf("seeds %v, before %v", now, seeds)
	}
	if list := resent(t, s, hash); len(list) != 3 || len(list[2].Body) == 0 {
		t.Errorf("sent are %+v", list)
	}
	soundNow(t, s)
	// The page may come again.
	if _, err := s.Take(ctx, erasure(t, s, gone)); err != nil {
		t.Fatal(err)
	}
	soundNow(t, s)
}

// What was written to it before the laptop knew is set aside, and goes as well; once it
// knows, nothing more is written to it.
func TestErasedAndWrittenOn(t *testing.T) {
	s, gone, _ := burdened(t)
	if _, err := s.Take(ctx, answerFrom(t, s)); err != nil {
		t.Fatal(err)
	}
	save(t, s, Edit{Type: "visit", ID: gone.ID, Fields: fields("promised", canary+"还是要写")})
	if _, err := s.Take(ctx, erasure(t, s, gone)); err != nil {
		t.Fatal(err)
	}
	if saved, err := s.Save(ctx, Edit{Type: "visit", ID: gone.ID, Fields: fields("promised", "再写")}); !errors.Is(err, ErrErased) {
		t.Errorf("written on: %+v, %v", saved, err)
	}
	p := answerFrom(t, s, 5)
	if _, err := s.Take(ctx, p); err != nil {
		t.Fatal(err)
	}
	if all, _ := decoded(t, s); strings.Contains(all, canary) {
		t.Error("what was written on is still there")
	}
	if v := read(t, s, gone).View; !v.Erased || len(v.Fields) != 0 {
		t.Errorf("it reads %+v", v)
	}
	soundNow(t, s)
	// What status counts is what can be looked at, until the office has decided.
	waits := func(want int) {
		t.Helper()
		listed := 0
		if err := s.Stuck(func(r Record) bool {
			list, err := s.Asides(r.Key.Type, r.Key.ID)
			for i := range list {
				if list[i].Open() {
					listed++
				}
			}
			return err == nil
		}); err != nil {
			t.Fatal(err)
		}
		if st, err := s.Status(); err != nil || listed != want || int(st.Quarantined) != want || st.Rejected != 0 {
			t.Errorf("%d of what was set aside are listed, %d and %d counted, %v; want %d", listed, st.Quarantined, st.Rejected, err, want)
		}
	}
	waits(1)
	list, err := s.Asides(gone.Type, gone.ID)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	pl := s.place(t)
	s.must(t, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1, Verdicts: []journal.Verdict{verdict(t, s, list[0].Dot.Stream, 5, pl.Cursor+1, false)}})
	waits(0) // there is nothing to be seen of what was rejected
}

// answerFrom acknowledges what waits, quarantining some.
func answerFrom(t *testing.T, s *Store, quarantined ...uint64) *wire.Pull {
	t.Helper()
	head := acked(t, s)
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	pl := s.place(t)
	p := &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1}
	for _, raw := range out[0].Push.Segments {
		seg, err := journal.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		hashes := seg.Hashes(head.Hash)
		head = journal.Head{Seq: seg.Last(), Hash: hashes[len(hashes)-1]}
		r := journal.Receipt{Stream: seg.Stream, From: seg.From, Seq: seg.Last(), Received: clock.At0(t0 + 9000)}
		for _, q := range quarantined {
			if q >= seg.From && q <= seg.Last() {
				r.Quarantined = append(r.Quarantined, journal.Quarantined{Seq: q, Reason: "erased"})
			}
		}
		r.Seal(serverKey, head.Hash)
		p.Receipts = append(p.Receipts, r)
		p.Heads = append(p.Heads, wire.StreamHead{Stream: seg.Stream, Seq: seg.Last()})
	}
	return p
}

// A server that was set back gets the erased entries again, as what they are; and
// where the laptop must write again in a new stream what waits, nothing is written
// of what was erased.
func TestErasedSentAgain(t *testing.T) {
	s, gone, stays := burdened(t)
	if _, err := s.Take(ctx, erasure(t, s, gone)); err != nil {
		t.Fatal(err)
	}
	var stream record.Stream
	if err := s.view(func(x *tx) error {
		v, err := x.village(code)
		stream = v.writing
		return err
	}); err != nil {
		t.Fatal(err)
	}
	refuse := func(r wire.Refused) {
		t.Helper()
		pl := s.place(t)
		if _, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor, Refused: []wire.Refused{r}}); err != nil {
			t.Fatal(err)
		}
	}
	refuse(wire.Refused{Stream: stream, From: 3, Code: wire.RefusedGap, Head: 0})
	list := resent(t, s, journal.Head{})
	if len(list) != 4 || list[0].Body != nil || len(list[1].Body) == 0 || list[2].Body != nil || len(list[3].Body) == 0 {
		t.Errorf("sent again are %+v", list)
	}
	soundNow(t, s)
	refuse(wire.Refused{Stream: stream, From: 1, Code: wire.RefusedFork, Head: 4})
	list = resent(t, s, journal.Head{})
	if len(list) != 2 || slices.ContainsFunc(list, func(c record.Change) bool { return c.Record != stays.ID || len(c.Body) == 0 }) {
		t.Errorf("written again are %+v", list)
	}
	if _, err := s.History("visit", gone.ID); err != nil {
		t.Error(err)
	}
	soundNow(t, s)
}

// A store that is damaged after something was erased is made anew without it,
// whatever still lies in the file's unused pages, and what waits can be sent.
func TestErasedStaysErasedWhenMadeAnew(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	gone := save(t, s, Edit{Type: "visit", Fields: fields("findings", canary+"走访情况")}).Key
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	hash := acked(t, s)
	stays := save(t, s, Edit{Type: "visit", Fields: fields("findings", "另一次走访情况")}).Key
	save(t, s, Edit{Type: "visit", ID: gone.ID, Fields: fields("promised", canary+"再访")})
	if _, err := s.Take(ctx, erasure(t, s, gone)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info := headless(t, dir)
	if r, err := Rebuild(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }, Leases: leases}, info); err != nil || r.Saved == 0 || r.Missing > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	s = noted(t, dir, leases)
	if all, _ := decoded(t, s); strings.Contains(all, canary) {
		t.Errorf("what was erased is back: %s", all)
	}
	if list := resent(t, s, hash); len(list) != 2 || list[0].Record != stays.ID || len(list[0].Body) == 0 || list[1].Body != nil {
		t.Errorf("sent are %+v", list)
	}
	soundNow(t, s)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "又一次")})
	soundNow(t, s)
}
