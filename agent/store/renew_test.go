package store

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// noted opens the store in dir with its notes in leases, enrolled if it was not.
func noted(t *testing.T, dir, leases string) *Store {
	t.Helper()
	wall := t0
	s, err := Open(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return wall }, NoSync: true, Leases: leases})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if d, err := s.Device(); err != nil || d.Enrolled() {
		return s
	}
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token, d.Server, d.Numbers = "device", "token", serverKey.Public().(ed25519.PublicKey), []byte("numbers")
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: identity.TeamMember, Profiles: []string{"王书记"}}
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// writing gives the stream that new entries go to.
func writing(t *testing.T, s *Store) (stream record.Stream) {
	t.Helper()
	st, err := s.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range st.Villages {
		for _, o := range v.Streams {
			if o.Writing {
				stream = o.Stream
			}
		}
	}
	return stream
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, raw, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Of saves that follow each other at once some have no note of their own; the last one
// gets into one without anybody closing the store.
func TestNoteFollowsTheLastSave(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	for i := range 20 {
		save(t, s, Edit{Type: "visit", Fields: fields("findings", fmt.Sprint("第", i))})
	}
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	stream, seen := writing(t, s).String(), uint64(0)
	for end := time.Now().Add(10 * time.Second); seen != 20 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		seen = s.noted(&d)[stream].head
	}
	if seen != 20 {
		t.Errorf("the note knows of %d saves of 20", seen)
	}
}

// Each row is what happens to the data folder between two starts of the agent,
// and whether the next save goes on in the old stream.
func TestLease(t *testing.T) {
	tests := []struct {
		name string
		// happens is given the folder, that of the notes and an image of the store
		// from before its last save, and says where the agent starts next.
		happens func(t *testing.T, dir, leases, image string) string
		same    bool
		missing uint64
	}{
		{"nothing", func(_ *testing.T, dir, _, _ string) string { return dir }, true, 0},
		{"an older image is put back", func(t *testing.T, dir, _, image string) string {
			copyFile(t, image, filepath.Join(dir, fileName))
			return dir
		}, false, 1},
		{"the folder is copied", func(t *testing.T, dir, _, _ string) string {
			other := filepath.Join(t.TempDir(), "copy")
			copyFile(t, filepath.Join(dir, fileName), filepath.Join(other, fileName))
			return other
		}, false, 0},
		{"another machine, which has no note", func(t *testing.T, dir, leases, _ string) string {
			if err := os.RemoveAll(leases); err != nil {
				t.Fatal(err)
			}
			return dir
		}, false, 0},
		{"the note is somebody's invention", func(t *testing.T, dir, leases, _ string) string {
			if err := os.WriteFile(filepath.Join(leases, "device.lease"), []byte(`{"machine":"","path":"","heads":{}}`), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, leases, image := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "image")
			s := noted(t, dir, leases)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			copyFile(t, filepath.Join(dir, fileName), image)
			s = noted(t, dir, leases)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "水管坏了吗")})
			before := writing(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			at := tt.happens(t, dir, leases, image)
			s = noted(t, at, leases)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "路修好了没有")})
			if same := writing(t, s) == before; same != tt.same {
				t.Errorf("the old stream goes on: %v, want %v", same, tt.same)
			}
			st, err := s.Status()
			if err != nil || (st.Renewed != 0) == tt.same {
				t.Errorf("told to the person: %d, %v", st.Renewed, err)
			}
			if st.Missing != tt.missing {
				t.Errorf("%d entries are said to be missing, want %d", st.Missing, tt.missing)
			}
			// From then on all is well: the stream of now goes on.
			now := writing(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = noted(t, at, leases)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "又一条走访记录")})
			if writing(t, s) != now {
				t.Error("every start begins a stream")
			}
			if r, err := s.Verify(false); err != nil || len(r.Faults) > 0 {
				t.Errorf("%v, %v", r.Faults, err)
			}
		})
	}
}

// What the server refuses as another history is written again in a new stream,
// with author and time; what named the old changes, records and open forms among
// it, names the new ones, and what the server has behind them comes in beside.
func TestRenew(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	a := save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰", "phone", "13800000000")})
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	acked := read(t, s, a.Key)
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("phone", "13900000000"), Author: "李队员"})
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Void: "重复"})
	form := read(t, s, a.Key)
	if err := s.KeepDraft(ctx, Draft{ID: "draft", Type: "household", Village: code, Record: a.Key.ID, State: form.State.Encode(), Author: "王书记"}); err != nil {
		t.Fatal(err)
	}
	out, err := s.Outgoing(ctx, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	seg, err := journal.Decode(out[0].Push.Segments[0])
	if err != nil {
		t.Fatal(err)
	}
	old := seg.Stream
	pl := s.place(t)
	taken, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor, Refused: []wire.Refused{{Stream: old, From: 2, Code: wire.RefusedFork, Head: 3}}})
	if err != nil || !taken.Renewed || !taken.More {
		t.Fatalf("%+v, %v", taken, err)
	}
	out, err = s.Outgoing(ctx, 1<<20)
	if err != nil || len(out[0].Push.Segments) != 1 {
		t.Fatalf("%d segments, %v", len(out[0].Push.Segments), err)
	}
	again, err := journal.Decode(out[0].Push.Segments[0])
	if err != nil {
		t.Fatal(err)
	}
	if again.Stream == old || again.From != 1 || len(again.Changes) != 2 {
		t.Fatalf("stream %s, %d entries from %d", again.Stream, len(again.Changes), again.From)
	}
	for i, c := range again.Changes {
		if before := seg.Changes[i]; c.Author != before.Author || c.Time != before.Time || c.Record != before.Record {
			t.Errorf("entry %d: %s at %d, was %s at %d", i, c.Author, c.Time, before.Author, before.Time)
		}
	}
	// The void knows the phone that it saw under its new name: it is no conflict.
	r := read(t, s, a.Key)
	if !r.View.Void || len(r.View.Conflicts) > 0 || r.View.Fields["phone"] != record.Text("13900000000") {
		t.Errorf("void %v, conflicts %v, %v", r.View.Void, r.View.Conflicts, r.View.Fields)
	}
	d, err := s.Draft("draft")
	if err != nil {
		t.Fatal(err)
	}
	if shown, err := d.Shown(); err != nil || string(shown.Encode()) != string(r.State.Encode()) {
		t.Errorf("the open form was opened on\n%v\nthe record is\n%v, %v", shown, r.State, err)
	}
	if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 {
		t.Errorf("%v, %v", rep.Faults, err)
	}

	// The other life's entries 2 and 3 come: its phone stands beside.
	theirs := acked.State.Measure(record.Dot{Stream: old, Seq: 1}, clock.At0(t0))
	reg := theirs["phone"]
	reg.Siblings = append(reg.Siblings[:0:0], reg.Siblings...)
	reg.Siblings[0].Dot.Seq, reg.Siblings[0].Value = 2, record.Text("13700000000")
	theirs["phone"] = reg
	pl = s.place(t)
	if _, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1,
		Records: []wire.State{{ID: a.Key.ID, Type: "household", State: theirs.Encode()}}, Heads: []wire.StreamHead{{Stream: old, Seq: 3}}}); err != nil {
		t.Fatal(err)
	}
	r = read(t, s, a.Key)
	if n := len(r.State["phone"].Siblings); n != 2 {
		t.Errorf("%d phone numbers, want both lives'", n)
	}
}

// While entries of a stream that may have gone on elsewhere wait, those of the
// next stay: they may name as replaced what at the server is another life's.
func TestNextStreamWaits(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	a := save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰")})
	old := writing(t, s)
	if err := errors.Join(s.Close(), os.RemoveAll(leases)); err != nil {
		t.Fatal(err)
	}
	s = noted(t, dir, leases)
	save(t, s, Edit{Type: "household", ID: a.Key.ID, Fields: fields("head_name", "张四喜")})
	leaving := func() (streams []record.Stream) {
		t.Helper()
		out, err := s.Outgoing(ctx, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range out[0].Push.Segments {
			seg, err := journal.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, seg.Stream)
		}
		return streams
	}
	if got := leaving(); len(got) != 1 || got[0] != old {
		t.Fatalf("%v leave, want %s alone", got, old)
	}
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	if got := leaving(); len(got) != 1 || got[0] != writing(t, s) || got[0] == old {
		t.Errorf("%v leave, want %s", got, writing(t, s))
	}
}

// A page that goes behind the laptop's receipts in a stream of which it has
// entries without is not taken: two changes would bear one name.
func TestDisputedPage(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	save(t, s, Edit{Type: "household", Fields: fields("head_name", "张三丰")})
	p := &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 3, Heads: []wire.StreamHead{{Stream: writing(t, s), Seq: 1}}}
	if taken, err := s.Take(ctx, p); err != nil || taken.More {
		t.Errorf("%+v, %v", taken, err)
	}
	if pl := s.place(t); pl.Cursor != 0 || pl.Staged != 0 || pl.Live {
		t.Errorf("the page is taken: %+v", pl)
	}
}

// A store that was closed here and not touched since need not be inspected;
// whatever else is there is.
func TestUntouched(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	want := func(what string, want bool) {
		t.Helper()
		if got := Untouched(dir, leases); got != want {
			t.Errorf("%s: untouched %v, want %v", what, got, want)
		}
	}
	want("no store yet", true)
	s := noted(t, dir, leases)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	want("open", false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want("closed", true)
	if err := Inspect(dir); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	want("written to by something else", false)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Inspect(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("an empty file: %v", err)
	}
}

// A stream that is gone whole is missing too: an image of a laptop that had just been
// enrolled, put back after a day's work, whether the agent is started on it or its disk
// gives it back while it runs. A village that left the laptop is not.
func TestWholeStreamMissing(t *testing.T) {
	told := func(t *testing.T, s *Store, want uint64) {
		t.Helper()
		if st := status(t, s); st.Missing != want || (st.Renewed > 0) != (want > 0) {
			t.Errorf("%d entries are said to be missing, want %d; renewed %d", st.Missing, want, st.Renewed)
		}
	}
	for name, running := range map[string]bool{"before a start": false, "while it runs": true} {
		t.Run(name, func(t *testing.T) {
			dir, leases, image := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "image")
			s := noted(t, dir, leases)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			copyFile(t, filepath.Join(dir, fileName), image)
			s = noted(t, dir, leases)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "水管坏了吗")})
			old := writing(t, s)
			if running {
				s.opt.Inspect = func(string) error {
					copyFile(t, image, filepath.Join(dir, fileName))
					return nil
				}
				s.breaks(ErrDisk)
				healed(t, s)
			} else {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				copyFile(t, image, filepath.Join(dir, fileName))
				s = noted(t, dir, leases)
			}
			told(t, s, 2)
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "路修好了没有")})
			if writing(t, s) == old {
				t.Error("the old stream goes on")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			told(t, noted(t, dir, leases), 2)
		})
	}
	t.Run("it left", func(t *testing.T) {
		dir, leases, notes := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "notes")
		s := noted(t, dir, leases)
		save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
		p := answer(t, s)
		for _, r := range p.Receipts {
			p.Backed = append(p.Backed, wire.StreamHead{Stream: r.Stream, Seq: r.Seq})
		}
		s.must(t, p)
		if _, err := s.SetDevice(ctx, func(d *Device) { d.Assigned.Villages = []wire.Village{{Code: "369999000009"}} }); err != nil {
			t.Fatal(err)
		}
		written(t, s)
		copyFile(t, filepath.Join(leases, "device.lease"), notes)
		s.must(t, &wire.Pull{Village: code, Epoch: p.Epoch, Denied: true})
		if left, err := s.Leave(ctx); err != nil || len(left) != 1 {
			t.Fatalf("%v, %v", left, err)
		}
		s.breaks(ErrDisk)
		healed(t, s)
		told(t, s, 0)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		copyFile(t, notes, filepath.Join(leases, "device.lease")) // of some commits before
		s = noted(t, dir, leases)
		told(t, s, 0)
		if err := s.view(func(x *tx) error {
			if v, err := x.village(code); v != nil || err != nil {
				t.Errorf("it is back: %v", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

// After a new enrolment of the same folder its note counts, although that of the one
// before is of more commits and stands first by its name. Those of other folders stay.
func TestNoteOfTheOneBefore(t *testing.T) {
	dir, elsewhere, leases := t.TempDir(), t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	for range 5 {
		save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	}
	wall := t0
	opt := Options{Key: make([]byte, KeySize), Wall: func() int64 { return wall }, NoSync: true, Leases: leases}
	other, err := Open(elsewhere, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if _, err := other.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token, d.Server, d.Numbers = "apart", "token", serverKey.Public().(ed25519.PublicKey), []byte("numbers")
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(other.Close(), s.Close(), os.Remove(filepath.Join(dir, fileName))); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token, d.Server, d.Numbers = "the next", "token", serverKey.Public().(ed25519.PublicKey), []byte("numbers")
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, known := readNote(s.seal, dir, leases); known == nil || known.Device.ID != "the next" {
		t.Errorf("%+v", known)
	}
	if !Untouched(dir, leases) {
		t.Error("it is to be inspected")
	}
	if _, known := readNote(s.seal, elsewhere, leases); known == nil || known.Device.ID != "apart" {
		t.Errorf("of another folder: %+v", known)
	}
}

// What another life of the laptop wrote in an old stream stays known when the new
// stream is forked and renewed too: of a record from which the server has since
// dropped it, it goes here as well.
func TestRenewedBesideAnOlderLife(t *testing.T) {
	s := noted(t, t.TempDir(), t.TempDir())
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	old := writing(t, s)
	take := func(p *wire.Pull) {
		t.Helper()
		pl := s.place(t)
		p.Village, p.Epoch, p.From = code, pl.Epoch, pl.Cursor
		if p.Cursor == 0 {
			p.Cursor = pl.Cursor
		}
		if _, err := s.Take(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	says := func(stream record.Stream, seq uint64, name record.Value) []wire.State {
		st := merge.State{"head_name": {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: stream, Seq: seq}, Value: name, At: clock.At0(t0 + int64(seq)), Author: "王书记"}}}}
		return []wire.State{{ID: k.ID, Type: k.Type, State: st.Encode()}}
	}
	// The old stream went on in another life, which wrote its second entry.
	take(&wire.Pull{Cursor: 5, Records: says(old, 2, `"李二"`), Heads: []wire.StreamHead{{Stream: old, Seq: 2}}})
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "走访")})
	forked := writing(t, s)
	if forked == old {
		t.Fatal("it goes on in a stream that went on elsewhere")
	}
	take(&wire.Pull{Refused: []wire.Refused{{Stream: forked, From: 1, Code: wire.RefusedFork, Head: 1}}})
	office := record.Stream{0xEE}
	take(&wire.Pull{Cursor: 6, Records: says(office, 1, `"李三"`), Heads: []wire.StreamHead{{Stream: office, Seq: 1}}})
	if v := read(t, s, k).View; v.Fields["head_name"] != `"李三"` || len(v.Conflicts) > 0 {
		t.Errorf("the household reads %v, in conflict: %v", v.Fields, v.Conflicts)
	}
	soundNow(t, s)
}

// A page that the server made before it had a change of the laptop's, and that comes
// when the receipt for it is here, does not take the change away.
func TestPageOlderThanReceipt(t *testing.T) {
	other := record.Stream{0xBB}
	state := merge.State{"phone": {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: other, Seq: 1}, Value: `"13800000000"`, At: clock.At0(t0), Author: "李队员"}}}}
	for _, tt := range []struct {
		name string
		own  func(record.Stream) []wire.StreamHead
		want record.Value
	}{
		{"made before", func(record.Stream) []wire.StreamHead { return nil }, `"李大"`},
		{"made since, and somebody cleared it", func(s record.Stream) []wire.StreamHead { return []wire.StreamHead{{Stream: s, Seq: 1}} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
			p := answer(t, s)
			if _, err := s.Take(ctx, p); err != nil {
				t.Fatal(err)
			}
			pl := s.place(t)
			if _, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1, Own: tt.own(writing(t, s)),
				Records: []wire.State{{ID: k.ID, Type: k.Type, State: state.Encode()}}, Heads: []wire.StreamHead{{Stream: other, Seq: 1}}}); err != nil {
				t.Fatal(err)
			}
			if v := read(t, s, k).View; v.Fields["head_name"] != tt.want || v.Fields["phone"] != `"13800000000"` {
				t.Errorf("it reads %v", v.Fields)
			}
		})
	}
}

// The last page of a series may have been made before the others, and may then be
// behind them in the laptop's own streams. What they know of it they know all the same.
func TestLastPageIsOlder(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "13900000000")})
	if _, err := s.Take(ctx, answer(t, s, 2)); err != nil {
		t.Fatal(err)
	}
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李二")})
	own := writing(t, s)
	state := merge.State{"head_name": {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: own, Seq: 3}, Value: `"李二"`, At: clock.At0(t0 + 9000), Author: "王书记"}}}}
	newer := answerFrom(t, s)
	newer.Cursor, newer.More, newer.Heads = newer.From+3, true, nil
	newer.Own = []wire.StreamHead{{Stream: own, Seq: 3}}
	newer.Records = []wire.State{{ID: k.ID, Type: k.Type, State: state.Encode()}}
	older := &wire.Pull{Village: code, Epoch: newer.Epoch, Cursor: newer.Cursor + 2, Heads: []wire.StreamHead{{Stream: own, Seq: 2}}}
	for _, p := range []*wire.Pull{newer, older} {
		if _, err := s.Take(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	if pl := s.place(t); pl.Cursor != older.Cursor {
		t.Fatalf("the series did not end: %+v", pl)
	}
	v := read(t, s, k).View
	if v.Fields["head_name"] != `"李二"` || len(v.Conflicts) > 0 {
		t.Errorf("it reads %v, in conflict: %v", v.Fields, v.Conflicts)
	}
	soundNow(t, s)
}

// A page that was made when the server had more of the laptop's streams than the
// laptop has receipts for waits for them: it may be another's, of the same names.
func TestPageAheadOfReceipts(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	other := record.Stream{0xBB}
	state := merge.State{"phone": {Siblings: []merge.Sibling{{Dot: record.Dot{Stream: other, Seq: 1}, Value: `"13800000000"`, At: clock.At0(t0), Author: "李队员"}}}}
	p := answer(t, s)
	p.Records, p.More = []wire.State{{ID: k.ID, Type: k.Type, State: state.Encode()}}, true
	p.Own, p.Heads = p.Heads, nil
	receipts := p.Receipts
	for _, with := range []bool{false, true} {
		if p.Receipts = nil; with {
			p.Receipts = receipts
		}
		taken, err := s.Take(ctx, p)
		if pl := s.place(t); err != nil || (taken.Records == 1) != with || (pl.Staged == p.Cursor) != with {
			t.Errorf("with its receipts %t: %+v, %v, %+v", with, taken, err, pl)
		}
	}
}

// A page that is older than the receipts brings a record of which something was set
// aside: what the server has had since stands on it with the server's date, and what
// it has set aside since does not.
func TestSetAsideSinceThePage(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	if _, err := s.Take(ctx, answer(t, s)); err != nil {
		t.Fatal(err)
	}
	own, first := writing(t, s), read(t, s, k).State
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "13900000000")})
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李二")})
	with := answerFrom(t, s, 2)
	with.Records = []wire.State{{ID: k.ID, Type: k.Type, State: first.Encode()}}
	with.Own = []wire.StreamHead{{Stream: own, Seq: 1}}
	if _, err := s.Take(ctx, with); err != nil {
		t.Fatal(err)
	}
	st := read(t, s, k).State
	if phone := st["phone"]; len(phone.Siblings) > 0 {
		t.Errorf("what was set aside stands: %v", phone)
	}
	name := st["head_name"].Siblings
	if len(name) != 1 || name[0].Value != `"李二"` || name[0].Unmeasured || name[0].At > with.Receipts[0].Received {
		t.Errorf("the name is %v, received %v", name, with.Receipts[0].Received)
	}
}

// A page goes on with a series if it is no older than the pages before it and its heads
// count from where the series began; another is dropped, and comes again.
func TestPagesOfOneSeries(t *testing.T) {
	for _, tt := range []struct {
		name string
		page wire.Pull
		goes bool
	}{
		{"the next one", wire.Pull{From: 10, Into: 5, Cursor: 13}, true},
		{"the next one, of a longer series", wire.Pull{From: 10, Into: 10, Cursor: 13}, true},
		{"another time", wire.Pull{From: 5, Cursor: 13}, true},
		{"older", wire.Pull{From: 8, Into: 3, Cursor: 11}, false},
		{"older, and not the last", wire.Pull{From: 10, Into: 5, Cursor: 12, More: true, Feed: 11}, false},
		{"of a series that began later", wire.Pull{From: 8, Cursor: 13}, false},
		{"behind a gap", wire.Pull{From: 11, Into: 6, Cursor: 13}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := enrolled(t, identity.TeamMember)
			s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 5})
			s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 5, Cursor: 10, More: true, Feed: 12})
			tt.page.Village, tt.page.Epoch = code, wire.Epoch{1}
			s.must(t, &tt.page)
			if pl := s.place(t); (max(pl.Cursor, pl.Staged) == tt.page.Cursor) != tt.goes {
				t.Errorf("%+v", pl)
			}
		})
	}
}

// A stream went on elsewhere while a record has something set aside and something that
// waits: it is written again, and what was set aside is still shown.
func TestRenewedWithSetAside(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	k := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	s.must(t, answer(t, s))
	stood := read(t, s, k).State
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("head_name", "李二")})
	s.must(t, answer2(t, s, k, stood))
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("phone", "1")})
	pl := s.place(t)
	s.must(t, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor, Refused: []wire.Refused{{Stream: writing(t, s), From: 3, Code: wire.RefusedFork, Head: 3}}})
	if r := read(t, s, k); r.View.Fields["phone"] != `"1"` || r.View.Fields["head_name"] != `"李二"` || r.Way != merge.Quarantined {
		t.Errorf("%s, %v", r.Way, r.View.Fields)
	}
	soundNow(t, s)
}

// A server that is older than Feed and Into says neither, and its series end.
func TestSeriesOfAnOlderServer(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 5, More: true})
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, From: 5, Cursor: 9})
	if pl := s.place(t); pl.Cursor != 9 || pl.Staging {
		t.Errorf("%+v", pl)
	}
}
