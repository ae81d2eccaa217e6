package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// fill saves so many visits, a hundred at a time.
func fill(s *Store, n int) error {
	for i := 0; i < n; i += 100 {
		var rows []Row
		for j := range 100 {
			rows = append(rows, Row{Edit: Edit{Type: "visit", Fields: fields("findings", fmt.Sprint(i+j, time.Now(), "屋顶漏雨，已经报了危房改造"))}})
		}
		if _, _, err := s.SaveRows(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

// ends wants f to end although something else does not.
func ends(t *testing.T, what string, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s stand still", what)
	}
}

// Whoever goes through records may read more of the store at each, and take as
// long as a pager does: saves go on, also those that must enlarge the file.
func TestReadersKeepNobodyWaiting(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	if err := fill(s, 300); err != nil {
		t.Fatal(err)
	}
	reading, leave := make(chan struct{}), make(chan struct{})
	var first sync.Once
	pager := make(chan error, 1)
	seen := map[record.ID]bool{}
	go func() {
		pager <- s.Each("", "visit", func(r Record) bool {
			seen[r.Key.ID] = true
			first.Do(func() { close(reading) })
			<-leave
			s.Now()
			return s.Exists("visit", r.Key.ID)
		})
	}()
	<-reading
	ends(t, "saves", func() error { return fill(s, 3_000) })
	close(leave)
	ends(t, "readers", func() error { return <-pager })
	if len(seen) < 300 {
		t.Errorf("%d records were seen of at least 300", len(seen))
	}
}

// Two programs that find no store make one, and the second does not put its own
// in the place of the first one's.
func TestTwoMakeOneStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	if err := s.KeepDraft(ctx, Draft{ID: "x"}); err != nil {
		t.Fatal(err)
	}
	// The second looked for the file before the first had made it.
	if err := create(dir, filepath.Join(dir, fileName), make([]byte, KeySize)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if ds, err := open(t, dir, nil).Drafts(); err != nil || len(ds) != 1 {
		t.Errorf("a durable draft is gone: %d, %v", len(ds), err)
	}
	for range 20 {
		dir := t.TempDir()
		var group sync.WaitGroup
		var mu sync.Mutex
		var opened []*Store
		for range 4 {
			group.Go(func() {
				s, err := Open(dir, Options{Key: make([]byte, KeySize), NoSync: true})
				if err != nil {
					if !errors.Is(err, ErrInUse) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				opened = append(opened, s)
			})
		}
		group.Wait()
		if len(opened) > 1 {
			t.Fatalf("%d have one store open at once", len(opened))
		}
		for _, s := range opened {
			s.Close()
		}
	}
}

// A row that stands twice in a file is one record, in one commit as in two.
func TestRowTwiceInOneCommit(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	row := Row{Edit: Edit{Type: "visit", Source: Import, Fields: fields("findings", "一样的一条")}, Hash: [16]byte{1}}
	if _, _, err := s.SaveRows(ctx, []Row{row, row}); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := s.Each("", "visit", func(Record) bool { n++; return true }); err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
}

// A record as it was printed, with one field changed, changes that field: what
// several people disagree on in others stays to be decided, and a field given
// otherwise decides.
func TestPrintedAndPutBack(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	a := save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰")})
	opened := read(t, s, a.Key)
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("head_name", "张四喜"), Shown: opened.State})
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("head_name", "张五常"), Shown: opened.State, Author: "李队员"})
	printed := read(t, s, a.Key).View.Fields
	printed["phone"] = record.Text("13800000000")
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: printed})
	r := read(t, s, a.Key)
	if len(r.View.Conflicts) != 1 || r.View.Fields["phone"] != record.Text("13800000000") {
		t.Errorf("conflicts %v, fields %v", r.View.Conflicts, r.View.Fields)
	}
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("head_name", "张四喜")})
	if r = read(t, s, a.Key); len(r.View.Conflicts) != 0 || r.View.Fields["head_name"] != record.Text("张四喜") {
		t.Errorf("conflicts %v, fields %v", r.View.Conflicts, r.View.Fields)
	}
}

// What the server would set aside is not written: the laptop asks the same
// question first, also for what is void.
func TestNothingIsWrittenToBeSetAside(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	a := save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	if _, err := s.Save(ctx, Edit{Type: "visit", ID: a.Key.ID, Void: "不算", Author: "李队员"}); !refused(err) {
		t.Errorf("another's visit is void: %v", err)
	}
	save(t, s, Edit{Type: "visit", ID: a.Key.ID, Void: "记错了"})
	if r := read(t, s, a.Key); !r.View.Void {
		t.Error("the author's own is not")
	}
}

// A value that was set aside, and that its author has corrected since, neither
// comes back nor waits for a decision.
func TestQuarantinedAndCorrected(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	a := save(t, s, Edit{Type: "household", Fields: fields("head_name", "错的名字", "phone", "13800000000")})
	if _, err := s.Take(ctx, answer(t, s, 1)); err != nil {
		t.Fatal(err)
	}
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("head_name", "对的名字")})
	r := read(t, s, a.Key)
	if len(r.View.Conflicts) > 0 || r.View.Fields["head_name"] != record.Text("对的名字") || r.Way != "quarantined" {
		t.Errorf("%s: %v, conflicts %v", r.Way, r.View.Fields, r.View.Conflicts)
	}
	if r.View.Fields["phone"] != record.Text("13800000000") {
		t.Error("what was set aside and not corrected is not shown")
	}
	if _, err := s.Decide(ctx, Decision{Record: a.Key.ID, Path: "head_name", Value: record.Text("另一个")}); !errors.Is(err, merge.ErrNothing) {
		t.Errorf("there is something to decide: %v", err)
	}
}

// A page with a record that this release cannot read moves nothing, and the
// receipts beside it are taken.
func TestUnreadablePage(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰")})
	p := answer(t, s)
	before := s.place(t)
	p.Records = append(p.Records, wire.State{ID: record.ID{1}, Type: "household", State: []byte{99}})
	taken, err := s.Take(ctx, p)
	if !errors.Is(err, ErrUnreadable) || taken.Acknowledged != 1 || taken.Records != 0 {
		t.Errorf("%+v, %v", taken, err)
	}
	if st, err := s.Status(); err != nil || st.Pending != 0 || st.Delivered != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	if after := s.place(t); after.Cursor != before.Cursor || after.Staged != 0 {
		t.Errorf("the village has moved to %d", after.Cursor)
	}
}

// Every village with something to send gets its share of a request, and what
// others leave.
func TestVillagesShareARequest(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	const other = "369999000002"
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.Assigned.Villages = append(d.Assigned.Villages, wire.Village{Code: other, Name: "二村"})
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		save(t, s, Edit{Village: code, Type: "visit", Fields: fields("findings", fmt.Sprint("第一村的走访情况", i))})
	}
	save(t, s, Edit{Village: other, Type: "visit", Fields: fields("findings", "第二村的走访情况")})
	out, err := s.Outgoing(ctx, 8<<10)
	if err != nil {
		t.Fatal(err)
	}
	var sent []int
	for _, o := range out {
		n := 0
		for _, raw := range o.Push.Segments {
			seg, err := journal.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			n += len(seg.Changes)
		}
		sent = append(sent, n)
	}
	if slices.Contains(sent, 0) || sent[0] > 50 {
		t.Errorf("entries sent of each village: %v", sent)
	}
}

// A change that was acknowledged is dated as its receipt says, also when
// another has replaced it, however wrong the laptop's clock is.
func TestHistoryIsDatedByReceipts(t *testing.T) {
	wall := t0 + 10*365*24*3600*1000
	s := enrolled(t, identity.TeamMember)
	s.opt.Wall = func() int64 { return wall }
	a := save(t, s, Edit{Type: "household", Fields: fields("phone", "13800000000")})
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("phone", "13900000000")})
	events, err := s.History("household", a.Key.ID)
	if err != nil || len(events) != 2 {
		t.Fatalf("%v, %v", events, err)
	}
	if at := events[1].At; at > clock.At0(t0+24*3600*1000) {
		t.Errorf("dated %s, taken by the server on %s", at, clock.At0(t0))
	}
}

// A store that is sound is found so while it is written to.
func TestVerifyBesideSaves(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	if err := fill(s, 1000); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := fill(s, 100); err != nil {
				done <- err
				return
			}
		}
	}()
	var first, last uint64
	for n := range 5 {
		r, err := s.Verify(false)
		if err != nil || len(r.Faults) > 0 {
			t.Fatalf("look %d: %v, %v", n, r.Faults, err)
		}
		if last = r.Records; n == 0 {
			first = last
		}
	}
	close(stop)
	if err := <-done; err != nil || last == first {
		t.Errorf("%d records at first and %d at last, %v: it was not looked at beside saves", first, last, err)
	}
}

// A status counts what waits for a person one by one, as a list of it does.
func TestStatusCountsRegisters(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	a := save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰", "group_name", "一组")})
	opened := read(t, s, a.Key)
	for _, who := range []string{"王书记", "李队员"} {
		save(t, s, Edit{Type: "household", ID: a.Key.ID, Author: who, Shown: opened.State,
			Fields: fields("head_name", who+"改", "group_name", who+"组", "helper_name", who+"帮")})
	}
	st, err := s.Status()
	if err != nil || st.Conflicts != 2 || st.Proposals != 1 {
		t.Errorf("%d conflicts, %d proposals, %v; want 2, 1", st.Conflicts, st.Proposals, err)
	}
	for path := range read(t, s, a.Key).View.Conflicts {
		if _, err := s.Decide(ctx, Decision{Record: a.Key.ID, Path: path, Value: record.Text("定下来的")}); err != nil {
			t.Fatal(err)
		}
	}
	if st, err = s.Status(); err != nil || st.Conflicts != 0 || st.Proposals != 1 {
		t.Errorf("%d conflicts, %d proposals, %v; want 0, 1", st.Conflicts, st.Proposals, err)
	}
}

// An import that says what stands already proposes nothing.
func TestImportOfWhatStands(t *testing.T) {
	s := enrolled(t, identity.Office)
	a := save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰", "helper_name", "赵帮扶")})
	if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Role = identity.TeamMember }); err != nil {
		t.Fatal(err)
	}
	again := save(t, s, Edit{Type: "household", ID: a.Key.ID, Source: Import, Fields: fields("head_name", "张三丰", "helper_name", "赵帮扶")})
	if again.Changed {
		t.Errorf("something was written: %+v", read(t, s, a.Key).State)
	}
	if again = save(t, s, Edit{Type: "household", ID: a.Key.ID, Source: Import, Fields: fields("helper_name", "钱帮扶")}); !again.Changed {
		t.Error("another value is not proposed")
	}
}
