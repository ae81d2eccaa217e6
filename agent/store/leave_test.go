package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// A village that is taken from the laptop between two pages leaves it: the last page
// will not come.
func TestLeavesBetweenPages(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	first := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, More: true}
	if _, err := s.Take(ctx, first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Villages = []wire.Village{{Code: "369999000009"}} }); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Leave(ctx); err != nil || len(left) > 0 {
		t.Fatalf("it left %v before the server said so, %v", left, err)
	}
	if _, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Denied: true}); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Leave(ctx); err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v", left, err)
	}
	// A page that was on its way brings nothing of it back.
	if taken, err := s.TakeLate(ctx, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 5, Records: []wire.State{{ID: record.ID{1}, Type: "household", State: merge.State{}.Encode()}}}); err != nil || taken != (Taken{}) {
		t.Errorf("it took %+v, %v", taken, err)
	}
	if st, err := s.Status(); err != nil || st.Records != 0 || slices.ContainsFunc(st.Villages, func(v VillageStatus) bool { return v.Code == code }) {
		t.Errorf("of what it left it has %+v, %v", st, err)
	}
}

// What was written goes from the laptop once it is in a backup, and no sooner: one
// row a state that it may be in, for a village that the laptop was taken from and
// for an order to wipe.
func TestLeavesWhatIsSafe(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		acked, backed, drafted bool
		leaves, wipes          bool
	}{
		{"not sent", false, false, false, false, false},
		{"delivered", true, false, false, false, false},
		{"in a backup", true, true, false, true, true},
		{"in a backup, and a form is open", true, true, true, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			k := save(t, s, Edit{Type: "visit", Fields: fields("findings", "走访")}).Key
			if tt.acked {
				p := answer(t, s)
				if tt.backed {
					for _, r := range p.Receipts {
						p.Backed = append(p.Backed, wire.StreamHead{Stream: r.Stream, Seq: r.Seq})
					}
				}
				if _, err := s.Take(ctx, p); err != nil {
					t.Fatal(err)
				}
			}
			if tt.drafted {
				if err := s.KeepDraft(ctx, Draft{ID: "a draft", Village: code, Typed: s.Now()}); err != nil {
					t.Fatal(err)
				}
			}
			if left, err := s.Leave(ctx); err != nil || len(left) > 0 {
				t.Fatalf("it left %v while it has the village, %v", left, err)
			}
			if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Villages = []wire.Village{{Code: "369999000009"}} }); err != nil {
				t.Fatal(err)
			}
			left, err := s.Leave(ctx)
			if err != nil || len(left) == 1 != tt.leaves || s.Exists(k.Type, k.ID) == tt.leaves {
				t.Errorf("it left %v, %v, and the record is there: %v", left, err, s.Exists(k.Type, k.ID))
			}
			if tt.drafted {
				s.opt.Wall = func() int64 { return time.Now().Add(31 * 24 * time.Hour).UnixMilli() }
				if left, err := s.Leave(ctx); err != nil || len(left) != 1 {
					t.Errorf("a month later it left %v, %v", left, err)
				}
				if ds, err := s.Drafts(); err != nil || len(ds) > 0 {
					t.Errorf("drafts %v, %v", ds, err)
				}
			}
			if wiped, err := s.Wipe(ctx); err != nil || wiped != tt.wipes {
				t.Errorf("wiped: %v, %v; want %v", wiped, err, tt.wipes)
			}
			if r, err := s.Verify(false); err != nil || len(r.Faults) > 0 {
				t.Errorf("verify: %v, %v", r.Faults, err)
			}
		})
	}
}

// Once the order is obeyed nothing is saved any more: whoever saves is told, and
// does not lose it with the rest.
func TestNothingSavedOnceWiped(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	if wiped, err := s.Wipe(ctx); err != nil || !wiped {
		t.Fatalf("%v, %v", wiped, err)
	}
	if _, err := s.Save(ctx, Edit{Type: "visit", Fields: fields("findings", "走访")}); !errors.Is(err, ErrWiped) {
		t.Errorf("a save: %v", err)
	}
	if err := s.KeepDraft(ctx, Draft{ID: "a draft", Village: code}); !errors.Is(err, ErrWiped) {
		t.Errorf("a draft: %v", err)
	}
}
