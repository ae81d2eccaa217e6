package store

import (
	"testing"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Each row is what comes after a server was restored that had lost two words of a
// laptop that is gone: what this one, which still has them, sends for review.
func TestTellLost(t *testing.T) {
	other := record.Stream{0xBB}
	id := record.ID{1, 6: 0x70, 8: 0x80}
	says := func(seq uint64, v record.Value) merge.Register {
		return merge.Register{Siblings: []merge.Sibling{{Dot: record.Dot{Stream: other, Seq: seq}, Value: v, At: clock.At0(t0 + int64(seq)), Author: "李队员"}}}
	}
	page := func(epoch byte, from, cursor, head uint64, st merge.State) *wire.Pull {
		return &wire.Pull{Village: code, Epoch: wire.Epoch{epoch}, From: from, Cursor: cursor, Records: []wire.State{{ID: id, Type: "visit", State: st.Encode()}}, Heads: []wire.StreamHead{{Stream: other, Seq: head}}}
	}
	whole := merge.State{"findings": says(1, `"屋顶漏雨"`), "needs": says(2, `"修屋顶"`), "promised": says(3, `"报危改"`)}
	for _, tt := range []struct {
		name  string
		days  int
		again *wire.Pull // what else comes
		want  uint64
	}{
		{"too early", 13, nil, 0},
		{"nobody brings it", 15, nil, 2},
		{"its author brings it", 15, page(2, 1, 2, 3, whole), 0},
		{"the office has said the same since", 15, &wire.Pull{Village: code, Epoch: wire.Epoch{2}, From: 1, Cursor: 2, Heads: []wire.StreamHead{{Stream: record.Stream{0xEE}, Seq: 1}},
			Records: []wire.State{{ID: id, Type: "visit", State: merge.State{"findings": says(1, `"屋顶漏雨"`),
				"needs": {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: record.Stream{0xEE}, Seq: 1}, Value: `"修屋顶"`, At: clock.At0(t0 + 9), Author: "admin"}}}}.Encode()}}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wall := t0
			s := enrolled(t, identity.TeamMember)
			s.opt.Wall = func() int64 { return wall }
			s.must(t, page(1, 0, 3, 3, whole))
			s.must(t, page(2, 0, 1, 1, merge.State{"findings": says(1, `"屋顶漏雨"`)}))
			k := record.Key{Village: code, Type: "visit", ID: id}
			if v := read(t, s, k).View; v.Fields["promised"] != `"报危改"` {
				t.Fatalf("what the server lost is gone here too: %v", v.Fields)
			}
			if tt.again != nil {
				s.must(t, tt.again)
			}
			wall += (time.Duration(tt.days) * 24 * time.Hour).Milliseconds()
			told, err := s.TellLost(ctx)
			if err != nil || uint64(told) != tt.want || status(t, s).Pending != tt.want {
				t.Fatalf("%d told, %v, %d pending; want %d", told, err, status(t, s).Pending, tt.want)
			}
			if again, err := s.TellLost(ctx); err != nil || again > 0 {
				t.Errorf("told again: %d, %v", again, err)
			}
			if v := read(t, s, k).View; v.Fields["promised"] != `"报危改"` || v.Fields["needs"] != `"修屋顶"` || len(v.Conflicts) > 0 {
				t.Errorf("it reads %v, conflicts %v", v.Fields, v.Conflicts)
			}
			soundNow(t, s)
			if tt.want == 0 {
				return
			}
			out, err := s.Outgoing(ctx, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			seg, err := journal.Decode(out[0].Push.Segments[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range seg.Changes {
				if !c.Lost() || c.Author != "李队员" || clock.Time(c.Time).Milli() > t0+10 || c.Record != id {
					t.Errorf("sent is %+v", c)
				}
			}
		})
	}
}
