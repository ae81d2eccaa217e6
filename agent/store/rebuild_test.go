package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Changes that were written again in another stream still lie under their old names in
// pages that became free. Each is found once, by the note or by its time.
func TestStaleEntries(t *testing.T) {
	for name, damage := range map[string]struct {
		note  bool
		pages []int
	}{
		"with the note, without the tree": {true, []int{0, 1}},
		"with neither":                    {false, []int{0, 1}},
		"without the note, an older tree": {false, []int{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, leases := t.TempDir(), t.TempDir()
			s := noted(t, dir, leases)
			for range 5 {
				save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
			}
			if _, err := s.Take(ctx, answer(t, s)); err != nil {
				t.Fatal(err)
			}
			for range 7 {
				save(t, s, Edit{Type: "visit", Fields: fields("findings", "水管坏了吗")})
			}
			out, err := s.Outgoing(ctx, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			seg, err := journal.Decode(out[0].Push.Segments[0])
			if err != nil {
				t.Fatal(err)
			}
			pl := s.place(t)
			if taken, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor, Refused: []wire.Refused{{Stream: seg.Stream, From: 6, Code: wire.RefusedFork, Head: 8}}}); err != nil || !taken.Renewed {
				t.Fatalf("%+v, %v", taken, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, fileName)
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := readPages(f)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			for _, page := range damage.pages {
				if page < 0 {
					page = int(p.metas[0].tx % 2) // the newest
				}
				clear(raw[page*int(p.page) : (page+1)*int(p.page)])
			}
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			at := leases
			if !damage.note {
				at = ""
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Rebuild(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }, Leases: at}, info)
			if err != nil || r.Saved != 7 || r.Missing != 0 || r.Lost {
				t.Fatalf("%+v, %v", r, err)
			}
			s = noted(t, dir, at)
			n := uint64(0)
			if err := s.Each(code, "visit", func(Record) bool { n++; return true }); err != nil {
				t.Error(err)
			}
			if st, err := s.Status(); err != nil || st.Pending != 7 || n+st.Saved != 7 {
				t.Errorf("%d visits are there, %+v, %v", n, st, err)
			}
			if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 {
				t.Errorf("%v, %v", rep.Faults, err)
			}
		})
	}
}

// What was chosen on the laptop comes along where it can be read. Where an old PIN may
// stand beside a new one neither does, and it is said.
func TestChoicesRebuilt(t *testing.T) {
	drive := Drive{ID: "0123456789ab", Path: "/media/E", Auto: true, Since: t0, Made: []string{"zhucun-1.zcbackup"}}
	for _, tt := range []struct {
		name    string
		headers bool // both pages that say where everything is are gone
		chosen  bool
		again   bool // the PIN was changed
	}{
		{"the tree is whole", false, true, true},
		{"the tree is whole, and nothing was chosen", false, false, false},
		{"without the tree", true, true, false},
		{"without the tree, and the PIN was changed", true, true, true},
		{"without the tree, and nothing was chosen", true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, leases := t.TempDir(), t.TempDir()
			s := noted(t, dir, leases)
			pin := "2580"
			if tt.chosen {
				if err := errors.Join(s.SetSettings(ctx, func(x *Settings) { x.Idle, x.Drive = 5, drive }), s.SetPin(ctx, "王书记", pin),
					s.SetProfile(ctx, "王书记", func(p *Profile) { p.Language = "en" })); err != nil {
					t.Fatal(err)
				}
			}
			save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
			if tt.again {
				pin = "1379"
				if err := s.SetPin(ctx, "王书记", pin); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, fileName)
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if tt.headers {
				clear(raw[:2*os.Getpagesize()])
			}
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Rebuild(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }, Leases: leases}, info)
			if err != nil || r.Saved != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			s = noted(t, dir, leases)
			x, err := s.Settings()
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.Profile("王书记")
			if err != nil {
				t.Fatal(err)
			}
			if !tt.chosen {
				if r.Unchosen != tt.headers || x.Idle != 0 || p.HasPin() {
					t.Errorf("%+v, %+v, %+v", r, x, p)
				}
				return
			}
			if x.Idle != 5 || x.Drive.ID != drive.ID || len(x.Drive.Made) != 1 || p.Language != "en" {
				t.Errorf("chosen was %+v, and %+v", x, p)
			}
			right, err := s.TryPin(ctx, "王书记", pin)
			if err != nil {
				t.Fatal(err)
			}
			doubtful := tt.headers && tt.again
			if p.HasPin() == doubtful || right == doubtful || r.Unchosen != doubtful {
				t.Errorf("has a PIN: %v, the right one: %v, it is said to be lost: %v", p.HasPin(), right, r.Unchosen)
			}
		})
	}
}

// Who was slower than another, or has another key, changes nothing; nor does one for
// whom there is no room or right.
func TestRebuildOrNothing(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }, Leases: leases}
	unlock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Rebuild(dir, opt, seen); !errors.Is(err, ErrInUse) {
		t.Errorf("while another is about it: %v", err)
	}
	unlock()
	if _, err := Rebuild(dir, opt, seen); err != nil {
		t.Fatal(err)
	}
	if _, err := Rebuild(dir, opt, seen); !errors.Is(err, ErrInUse) {
		t.Errorf("after another has done it: %v", err)
	}
	asides, err := filepath.Glob(file + ".damaged-*")
	if err != nil || len(asides) != 1 {
		t.Fatalf("%v, %v", asides, err)
	}
	if kept, err := os.ReadFile(asides[0]); err != nil || string(kept) != string(raw) {
		t.Errorf("it is not kept as it was: %v", err)
	}
	// A wrong key is no damage.
	other := opt
	other.Key = append(make([]byte, KeySize-1), 1)
	if _, err := Open(dir, other); !errors.Is(err, ErrKey) || errors.Is(err, ErrDamaged) {
		t.Errorf("under another key: %v", err)
	}
}

// A store that somebody has open is not set aside under him, and one who waited for it
// does not get the one that was.
func TestRebuildBesideAnother(t *testing.T) {
	dir := t.TempDir()
	s := noted(t, dir, "")
	file := filepath.Join(dir, fileName)
	seen, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }}
	if r, err := Rebuild(dir, opt, seen); !errors.Is(err, ErrInUse) {
		t.Errorf("%+v, %v", r, err)
	}
	if now, err := os.Stat(file); err != nil || !os.SameFile(seen, now) {
		t.Errorf("it was replaced: %v", err)
	}
	save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	free, err := lockStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		db, _, err := openFile(file, opt)
		if err == nil {
			db.Close()
		}
		waiting <- err
	}()
	time.Sleep(100 * time.Millisecond)
	if err := os.Rename(file, file+".aside"); err != nil {
		t.Fatal(err)
	}
	copyFile(t, file+".aside", file)
	free()
	if err := <-waiting; !errors.Is(err, ErrInUse) {
		t.Errorf("who waited got what was set aside: %v", err)
	}
}

// What the office erases is erased in a store that was made anew as well: before, of
// which no older copy comes back, and after, of which the journal was put back.
func TestErasedAndRebuilt(t *testing.T) {
	for name, before := range map[string]bool{"erased before": true, "erased after": false} {
		t.Run(name, func(t *testing.T) {
			s, gone, _ := burdened(t)
			if _, err := s.Take(ctx, answerFrom(t, s)); err != nil {
				t.Fatal(err)
			}
			erase := func() {
				t.Helper()
				p := erasure(t, s, gone)
				p.Heads = append(p.Heads, s.ownStreams(t)...)
				if _, err := s.Take(ctx, p); err != nil {
					t.Fatal(err)
				}
			}
			if before {
				erase()
			}
			dir := s.Dir()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, fileName)
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			clear(raw[:2*os.Getpagesize()]) // no tree: old copies are found as well
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Rebuild(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }}, info); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, nil)
			erase()
			if all, _ := decoded(t, s); strings.Contains(all, canary) {
				t.Errorf("what was erased is back: %s", all)
			}
			if rep, err := s.Verify(false); err != nil || len(rep.Faults) > 0 {
				t.Errorf("%v, %v", rep.Faults, err)
			}
		})
	}
}

// ownStreams gives the heads of own streams, as a server that has all of them would.
func (s *Store) ownStreams(t *testing.T) (heads []wire.StreamHead) {
	t.Helper()
	if err := s.view(func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		for _, stream := range v.streams() {
			heads = append(heads, wire.StreamHead{Stream: stream, Seq: v.owns[stream].Acked.Seq})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return heads
}

// salvaged makes the first own change one of a stream that a damaged store has lost,
// while the village comes anew.
func (s *Store) salvaged(t *testing.T) {
	t.Helper()
	lost := record.Stream{0xAA}
	if err := s.update(ctx, false, func(x *tx) error {
		v, err := x.village(code)
		if err != nil {
			return err
		}
		own, err := v.ownChanges(touched{Last: touch{Stream: v.writing, Seq: 1}}, func(touch) bool { return true })
		if err != nil {
			return err
		}
		b, err := v.b.CreateBucketIfNotExists(bucketSalvage)
		if err != nil {
			return err
		}
		v.place.Anew, v.place.Saved, v.dirty = true, 1, true
		return s.putSealed(b, entryAt(lost, 1), append(lost[:], number(1)...), own[0].entry)
	}); err != nil {
		t.Fatal(err)
	}
}

// What was saved of a damaged store is written again with the village's last page, or
// when none comes any more, and goes with the same sync.
func TestSavedGoesAtOnce(t *testing.T) {
	for _, denied := range []bool{false, true} {
		s := enrolled(t, identity.TeamMember)
		save(t, s, Edit{Type: "visit", Fields: fields("findings", "屋顶漏雨了")})
		if _, err := s.Take(ctx, answer(t, s)); err != nil {
			t.Fatal(err)
		}
		s.salvaged(t)
		pl := s.place(t)
		taken, err := s.Take(ctx, &wire.Pull{Village: code, Epoch: pl.Epoch, From: pl.Cursor, Cursor: pl.Cursor + 1, Denied: denied})
		if err != nil || !taken.More {
			t.Errorf("denied %t: %+v, %v", denied, taken, err)
		}
		if out, err := s.Outgoing(ctx, 1<<20); err != nil || len(out) != 1 || len(out[0].Push.Segments) == 0 {
			t.Errorf("denied %t: %+v, %v", denied, out, err)
		}
	}
}

// A change that was saved to be written again is not, where its record was erased
// meanwhile.
func TestSavedAndErased(t *testing.T) {
	s, gone, _ := burdened(t)
	if _, err := s.Take(ctx, answerFrom(t, s)); err != nil {
		t.Fatal(err)
	}
	s.salvaged(t)
	p := erasure(t, s, gone)
	p.Heads = append(p.Heads, s.ownStreams(t)...)
	if _, err := s.Take(ctx, p); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Status(); err != nil || st.Pending != 0 || st.Villages[0].Anew {
		t.Errorf("%+v, %v", st, err)
	}
	if all, _ := decoded(t, s); strings.Contains(all, canary) {
		t.Errorf("what was erased is back: %s", all)
	}
}

// headless destroys the two first pages of a closed store, without which nothing leads
// anywhere: all pages are searched, the unused ones too.
func headless(t *testing.T, dir string) os.FileInfo {
	t.Helper()
	file := filepath.Join(dir, fileName)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw[:2*os.Getpagesize()])
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// A damaged store has a visit that was set aside as a whole. The one that is made anew
// has it still, and where its author looks for it.
func TestSetAsideAndRebuilt(t *testing.T) {
	dir, leases := t.TempDir(), t.TempDir()
	s := noted(t, dir, leases)
	h := save(t, s, Edit{Type: "household", Fields: fields("head_name", "李大")}).Key
	s.must(t, answer(t, s))
	k := save(t, s, Edit{Type: "visit", Fields: map[string]record.Value{"household": record.Text(h.ID.String()), "findings": `"屋顶漏雨"`}}).Key
	s.must(t, answer2(t, s, k, merge.State{}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info := headless(t, dir)
	if _, err := Rebuild(dir, Options{Key: make([]byte, KeySize), Wall: func() int64 { return t0 }, Leases: leases}, info); err != nil {
		t.Fatal(err)
	}
	again := noted(t, dir, leases)
	soundNow(t, again)
	pl := again.place(t)
	stream := again.ownStreams(t)
	again.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{7}, Cursor: pl.Cursor + 1, Heads: stream,
		Own: stream, Records: []wire.State{{ID: k.ID, Type: k.Type, State: merge.State{}.Encode()}}})
	if r := read(t, again, k); r.Way != merge.Quarantined || r.View.Fields["findings"] != `"屋顶漏雨"` || len(r.State) > 0 {
		t.Errorf("%s, %v, %v", r.Way, r.View.Fields, r.State)
	}
	found := 0
	if err := again.Referring(h.ID, "visit", func(Record) bool { found++; return true }); err != nil || found != 1 {
		t.Errorf("the household has %d visits, %v", found, err)
	}
}
