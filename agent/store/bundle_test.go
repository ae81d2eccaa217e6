package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/wire"
)

// Parts are together everything that waits, each entry once and in order, and what
// went into a bundle says so and waits for its receipt all the same.
func TestParts(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	var last Saved
	for i := range 40 {
		last = save(t, s, Edit{Type: "visit", Fields: fields("findings", fmt.Sprint("第", i, "次走访"))})
	}
	var all []Outgoing
	next, parts := uint64(1), 0
	if err := s.Parts(ctx, 400, func(part []Outgoing) (bool, error) {
		parts++
		for _, raw := range part[0].Push.Segments {
			seg, err := journal.Decode(raw)
			if err != nil || seg.From != next {
				return false, fmt.Errorf("segment from %d, want %d: %v", seg.From, next, err)
			}
			next = seg.Last() + 1
		}
		if left := 40 - (next - 1); part[0].Left != left {
			return false, fmt.Errorf("%d left, want %d", part[0].Left, left)
		}
		all = append(all, part...)
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	if next != 41 || parts < 3 {
		t.Errorf("%d parts, the next entry is %d", parts, next)
	}
	if r := read(t, s, last.Key); r.Way != merge.Local || r.Bundled {
		t.Errorf("before there is a file: %s, %v", r.Way, r.Bundled)
	}
	if err := s.Bundled(ctx, Bundle{Serial: 1, Changes: 40}, all); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Status(); err != nil || st.Bundled != 40 || st.Pending != 40 || st.Delivered != 0 {
		t.Errorf("in a bundle: %+v, %v", st, err)
	}
	if r := read(t, s, last.Key); r.Way != merge.Sent || !r.Bundled {
		t.Errorf("in a bundle: %s, %v", r.Way, r.Bundled)
	}
	// What is saved behind it is not in it.
	if r := read(t, s, save(t, s, Edit{Type: "visit", Fields: fields("findings", "后来的")}).Key); r.Way != merge.Local || r.Bundled {
		t.Errorf("saved since: %s, %v", r.Way, r.Bundled)
	}
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Status(); err != nil || st.Bundled != 0 || st.Pending != 0 {
		t.Errorf("with its receipt: %+v, %v", st, err)
	}
	if r := read(t, s, last.Key); r.Way != merge.Delivered || r.Bundled {
		t.Errorf("with its receipt: %s, %v", r.Way, r.Bundled)
	}
}

// What became of a bundle follows from receipts, and from nothing else: each row is
// what happened since, and what is then said of five changes in a bundle.
func TestFate(t *testing.T) {
	made := Bundle{Serial: 3, Name: "zhucun-abcdefgh.zcb", Made: 7, Bytes: 900, Changes: 5}
	tests := []struct {
		name    string
		happens func(*Store)
		want    Fate
		waits   uint64
	}{
		{"nothing", func(*Store) {}, Fate{}, 5},
		{"it left with a sync too, without an answer", func(s *Store) {
			out, err := s.Outgoing(ctx, 1<<20)
			if err == nil {
				err = s.Sent(ctx, out)
			}
			if err != nil {
				t.Error(err)
			}
		}, Fate{}, 5},
		{"a reply without receipts", func(s *Store) {
			if err := s.Answered(ctx, 3, 9); err != nil {
				t.Error(err)
			}
		}, Fate{}, 5},
		{"receipts for all, one of them set aside", func(s *Store) {
			if _, err := s.Take(ctx, answer(t, s, 2)); err != nil {
				t.Error(err)
			}
		}, Fate{Delivered: 4, Quarantined: 1}, 0},
		{"written again in a new stream", func(s *Store) {
			fork := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Refused: []wire.Refused{{Stream: writing(t, s), From: 1, Code: wire.RefusedFork}}}
			if got, err := s.Take(ctx, fork); err != nil || !got.Renewed {
				t.Errorf("%+v, %v", got, err)
			}
		}, Fate{Renewed: 5}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			for i := range 5 {
				save(t, s, Edit{Type: "visit", Fields: fields("findings", fmt.Sprint("第", i, "次走访"))})
			}
			var all []Outgoing
			if err := s.Parts(ctx, 200, func(part []Outgoing) (bool, error) { all = append(all, part...); return true, nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.Bundled(ctx, made, all); err != nil {
				t.Fatal(err)
			}
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "后来的")})
			tt.happens(s)
			bs, err := s.Bundles()
			if err != nil || len(bs) != 1 || len(bs[0].Has) != 1 {
				t.Fatalf("%+v, %v", bs, err)
			}
			if b := bs[0]; b.Fate != tt.want || b.Waiting() != tt.waits || b.Name != made.Name || b.Bytes != 900 || b.Made != 7 {
				t.Errorf("%+v, %d wait; want %+v, %d", b, b.Waiting(), tt.want, tt.waits)
			}
		})
	}
}

// The newest bundles are remembered, the last one first, and an old reply does not
// undo what a newer one said.
func TestBundlesRemembered(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for i := range maxBundles + 3 {
		if err := s.Bundled(ctx, Bundle{Serial: uint64(i + 1)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, made := range []int64{5, 9, 7} {
		if err := s.Answered(ctx, maxBundles, made); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Answered(ctx, 1, 5); err != nil {
		t.Errorf("a reply to a bundle of long ago: %v", err)
	}
	bs, err := s.Bundles()
	if err != nil || len(bs) != maxBundles || bs[0].Serial != maxBundles+3 || bs[3].Answered != 9 {
		t.Errorf("%d of them, %+v, %v", len(bs), bs[0], err)
	}
}

// Whoever gets a part may save, even what makes the file larger: that comes with a
// later part.
func TestPartsHoldNothing(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	long := strings.Repeat("长", 1<<16)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", long)})
	saved := uint64(1)
	var sent uint64
	if err := s.Parts(ctx, 400, func(part []Outgoing) (bool, error) {
		sent += part[0].Entries()
		for range 4 {
			if saved < 40 {
				save(t, s, Edit{Type: "visit", Fields: fields("findings", fmt.Sprint(saved, long))})
				saved++
			}
		}
		return true, nil
	}); err != nil || sent != saved {
		t.Errorf("%d of %d changes, %v", sent, saved, err)
	}
}

// Each row is a second answer to the laptop's first question, which it takes after
// the first one, and what it is then: an old answer takes nothing away, and proves
// what it proves.
func TestAnswersOfAnyAge(t *testing.T) {
	tests := []struct {
		name        string
		quarantined []uint64
		change      func(*wire.Pull)
		cursor      uint64
		pending     uint64
	}{
		{"a receipt proves itself", nil, func(p *wire.Pull) { p.Cursor = 5 }, 7, 0},
		{"of what is quarantined not without the record as it stands", []uint64{2}, func(p *wire.Pull) { p.Cursor = 5 }, 7, 1},
		{"a page that goes further is taken whole", nil, func(p *wire.Pull) { p.Cursor = 9 }, 9, 0},
		{"one that begins behind it is not", nil, func(p *wire.Pull) { p.From, p.Cursor, p.Receipts = 8, 9, nil }, 7, 1},
		{"a first page that goes further is set aside", nil, func(p *wire.Pull) { p.Cursor, p.More = 9, true }, 7, 0},
		{"one of a new epoch begins anew", nil, func(p *wire.Pull) { p.Epoch, p.Cursor = wire.Epoch{2}, 3 }, 3, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "甲")})
			first := answer(t, s)
			first.Cursor = 7
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "乙")})
			second := answer(t, s, tt.quarantined...)
			tt.change(second)
			for _, take := range []func(context.Context, *wire.Pull) (Taken, error){s.Take, s.TakeLate} {
				for _, p := range []*wire.Pull{first, second} {
					if _, err := take(ctx, p); err != nil {
						t.Fatal(err)
					}
				}
			}
			st, err := s.Status()
			if pl := s.place(t); err != nil || pl.Cursor != tt.cursor || st.Pending != tt.pending || st.Quarantined != 0 {
				t.Errorf("cursor %d, %d pending, %d quarantined, %v; want cursor %d, %d pending", pl.Cursor, st.Pending, st.Quarantined, err, tt.cursor, tt.pending)
			}
		})
	}
}

// An epoch that was left is over: what still comes of it does not bring it back,
// however far it goes, and acknowledges nothing; nor does what comes of one that
// the laptop never knew.
func TestEpochThatIsOver(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "甲")})
	receipt := answer(t, s).Receipts
	for i, p := range []*wire.Pull{
		{Village: code, Epoch: wire.Epoch{1}, Cursor: 4},
		{Village: code, Epoch: wire.Epoch{2}, Cursor: 2},
		{Village: code, Epoch: wire.Epoch{1}, Cursor: 9, Receipts: receipt},
		{Village: code, Epoch: wire.Epoch{1}, From: 4, Cursor: 9, More: true},
		{Village: code, Epoch: wire.Epoch{3}, Cursor: 9, Receipts: receipt},
	} {
		take := s.Take
		if i > 1 {
			take = s.TakeLate
		}
		if _, err := take(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := s.Status(); err != nil || st.Pending != 1 {
		t.Errorf("%d pending, %v", st.Pending, err)
	}
	if pl := s.place(t); pl.Epoch != (wire.Epoch{2}) || pl.Cursor != 2 || pl.Staging {
		t.Errorf("the village is at %+v", pl)
	}
}
