package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zhucun/shared/clock"
	"zhucun/shared/edition"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// printed is an edition as it travels: the household's form with changes.
func printed(t *testing.T, number uint64, rules figure.Tables, pairs ...string) []byte {
	t.Helper()
	table := form.BuiltinTables()["household.csv"]
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(table, []byte(pairs[i])) {
			t.Fatalf("%q is not in the form", pairs[i])
		}
		table = bytes.Replace(table, []byte(pairs[i]), []byte(pairs[i+1]), 1)
	}
	raw, err := (&edition.Edition{Number: number, Forms: form.Tables{"household.csv": table}, Rules: rules}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func assign(t *testing.T, s *Store, raw []byte) {
	t.Helper()
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	a := d.Assigned
	a.Serial++
	a.Edition = raw
	if err := s.Assign(ctx, a); err != nil {
		t.Fatal(err)
	}
}

const (
	phoneRow  = "text,phone,电话,Phone"
	partner   = "select_one_from_file household.csv,partner,结对户,Paired household,,,,,,,,latest,,,,\n" + phoneRow
	mobile    = "a mobile number has 11 digits and begins with 1,latest"
	contested = "a mobile number has 11 digits and begins with 1,review"
)

// What the office publishes holds at once and after the next start: its fields can be
// written, records that came before it show what it asks, in the lists as well, and what
// another policy leaves open waits for a person.
func TestEdition(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token = "device", "token"
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: identity.FirstSecretary, Profiles: []string{"王书记"}}
	}); err != nil {
		t.Fatal(err)
	}
	other := record.ID{7}
	at := func(seq uint64, v record.Value) merge.Sibling {
		return merge.Sibling{Dot: record.Dot{Stream: record.Stream{9}, Seq: seq}, Value: v, At: clock.At0(t0 + int64(seq)), Author: "李队员"}
	}
	k := record.Key{Type: "household", ID: record.ID{8}}
	st := merge.State{"head_name": {Siblings: []merge.Sibling{at(1, `"李大"`)}}, "partner": {Siblings: []merge.Sibling{at(2, record.Text(other.String()))}},
		"phone": {Siblings: []merge.Sibling{at(3, `"13900000001"`), at(4, `"13900000002"`)}}}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Records: []wire.State{{ID: k.ID, Type: k.Type, State: st.Encode()}}, Heads: []wire.StreamHead{{Stream: record.Stream{9}, Seq: 4}}})
	shows := func(when string, holds bool) {
		t.Helper()
		conflicts, referring := uint64(0), 0
		if holds {
			conflicts, referring = 1, 1
		}
		r, st := read(t, s, k), status(t, s)
		n := 0
		if err := s.Referring(other, "household", func(Record) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		yuan := slices.ContainsFunc(s.Rules().Lines, func(l figure.Line) bool { return l.Yuan == 4321 })
		if (s.Forms().Form("household").Field("partner") != nil) != holds || st.Conflicts != conflicts || n != referring || yuan != holds {
			t.Errorf("%s: partner %s, %d conflicts, %d referring, line %v", when, r.View.Fields["partner"], st.Conflicts, n, yuan)
		}
		if form.Builtin().Form("household").Field("partner") != nil {
			t.Error("the program's own forms were changed")
		}
		soundNow(t, s)
	}
	shows("before", false)
	changed := s.Changed()
	raw := printed(t, 3, figure.Tables{"exit_lines.csv": []byte("year,yuan\n2016,4321\n")}, phoneRow, partner, mobile, contested)
	assign(t, s, raw)
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	shows("published", true)
	if n, unread, err := s.Edition(); n != 3 || unread || err != nil {
		t.Errorf("edition %d, unread %v, %v", n, unread, err)
	}
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("partner", record.ID{8}.String())})
	save(t, s, Edit{Type: "household", ID: k.ID, Fields: fields("partner", other.String())})
	again := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, nil)
	}
	again()
	shows("after the next start", true)

	// One that this program cannot read waits for the next program.
	assign(t, s, printed(t, 4, nil, phoneRow, "hologram,partner,结对户,Paired household,,,,,,,,latest,,,,\n"+phoneRow))
	shows("unread", true)
	if n, unread, err := s.Edition(); n != 3 || !unread || err != nil {
		t.Errorf("edition %d, unread %v, %v", n, unread, err)
	}
	again()
	shows("unread, after the next start", true)
	if err := s.update(ctx, false, func(tx *tx) error {
		later := printed(t, 4, figure.Tables{"exit_lines.csv": []byte("year,yuan\n2016,4321\n")}, phoneRow, partner, mobile, contested)
		return s.putSealed(tx.Bucket(bucketMeta), editionAt, keyEdition, published{Holds: raw, Unread: later})
	}); err != nil {
		t.Fatal(err)
	}
	again()
	shows("read by the next program", true)
	if n, unread, err := s.Edition(); n != 4 || unread || err != nil {
		t.Errorf("edition %d, unread %v, %v", n, unread, err)
	}

	assign(t, s, nil)
	shows("withdrawn", false)
	again()
	shows("withdrawn, after the next start", false)
}

// A store that was used by a program that knows of no editions, or was made anew, asks for
// its assignment again.
func TestEditionAskedFor(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	serial := func() uint64 {
		d, err := s.Device()
		if err != nil {
			t.Fatal(err)
		}
		return d.Serial()
	}
	if n := serial(); n != 1 {
		t.Errorf("serial %d", n)
	}
	if _, err := s.SetDevice(ctx, func(d *Device) { d.Published = false }); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 0 {
		t.Errorf("serial %d, though what was published is not here", n)
	}
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{nil, printed(t, 1, nil, phoneRow, partner)} {
		if _, err := s.SetDevice(ctx, func(d *Device) { d.Published = false }); err != nil {
			t.Fatal(err)
		}
		a := d.Assigned
		a.Edition = raw
		if err := s.Assign(ctx, a); err != nil {
			t.Fatal(err)
		}
		if n := serial(); n != 1 || (s.Forms().Form("household").Field("partner") != nil) != (raw != nil) {
			t.Errorf("the same assignment again: serial %d; it would be asked for without end", n)
		}
	}
}

// A commit that fails leaves the forms as they were.
func TestEditionFails(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	s.opt.Fault = func() error { return errors.New("the power went") }
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	a := d.Assigned
	a.Serial++
	a.Edition = printed(t, 1, nil, phoneRow, partner)
	if err := s.Assign(ctx, a); err == nil || s.Forms().Form("household").Field("partner") != nil {
		t.Errorf("%v; the new form holds: %v", err, s.Forms().Form("household").Field("partner") != nil)
	}
}

// The disk fails when an edition is taken, and the file that is opened anew has it all the
// same: it holds. Where it has not, the forms of before do.
func TestEditionHeals(t *testing.T) {
	for _, has := range []bool{true, false} {
		dir := t.TempDir()
		var broken error
		var image []byte
		s, err := Open(dir, Options{Key: make([]byte, KeySize), NoSync: true, Flush: func() error { return broken }, Inspect: func(string) error {
			if has {
				return nil
			}
			return os.WriteFile(filepath.Join(dir, fileName), image, 0o600)
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if _, err := s.SetDevice(ctx, func(d *Device) {
			d.ID, d.Token = "device", "token"
			d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: identity.FirstSecretary, Profiles: []string{"王书记"}}
		}); err != nil {
			t.Fatal(err)
		}
		if image, err = os.ReadFile(filepath.Join(dir, fileName)); err != nil {
			t.Fatal(err)
		}
		d, err := s.Device()
		if err != nil {
			t.Fatal(err)
		}
		a := d.Assigned
		a.Serial++
		a.Edition = printed(t, 1, nil, phoneRow, partner)
		broken = errors.New("input/output error")
		if err := s.Assign(ctx, a); !errors.Is(err, ErrDisk) {
			t.Fatalf("%v", err)
		}
		broken = nil
		healed(t, s)
		n, _, err := s.Edition()
		if holds := s.Forms().Form("household").Field("partner") != nil; err != nil || holds != has || (n == 1) != has {
			t.Errorf("the file has it: %v; edition %d, its forms hold: %v, %v", has, n, holds, err)
		}
		soundNow(t, s)
	}
}

// What was asked for before an edition came, takes none and fails, leaves its forms.
func TestEditionBesideFailure(t *testing.T) {
	s := enrolled(t, identity.FirstSecretary)
	raw := printed(t, 1, nil, phoneRow, partner)
	begun, asked := make(chan bool), make(chan bool)
	took, failed := make(chan error, 1), make(chan error, 1)
	go func() {
		took <- s.publish(ctx, func(t *tx) error {
			begun <- true
			<-asked
			return t.take(raw)
		})
	}()
	<-begun
	no := errors.New("no")
	go func() { failed <- s.publish(ctx, func(*tx) error { return no }) }()
	for len(s.queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	close(asked)
	if err := <-took; err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != no {
		t.Fatal(err)
	}
	if n, _, err := s.Edition(); n != 1 || err != nil || s.Forms().Form("household").Field("partner") == nil {
		t.Errorf("edition %d, %v; its forms hold: %v", n, err, s.Forms().Form("household").Field("partner") != nil)
	}
}
