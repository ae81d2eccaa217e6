package store

import (
	"slices"
	"strings"
	"testing"

	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// before is the forms of a release that knew no notices.
func before(t *testing.T) *form.Set {
	t.Helper()
	tables := form.BuiltinTables()
	delete(tables, "notice.csv")
	lines := strings.SplitAfter(string(tables["settings.csv"]), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "notice,") })
	tables["settings.csv"] = []byte(strings.Join(lines, ""))
	old, err := form.Load(tables)
	if err != nil {
		t.Fatal(err)
	}
	return old
}

// A laptop of a release before keeps a notice that comes, and goes on with all else; the
// next release reads what was kept, asks for its file, and says once that it was read.
func TestNoticeOnOldLaptop(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token = "device", "token"
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: identity.TeamMember, Profiles: []string{"王队员"}}
	}); err != nil {
		t.Fatal(err)
	}
	s.forms.Become(before(t))
	k := record.Key{Village: code, Type: "notice", ID: record.ID{8}}
	file := strings.Repeat("ab", 32) + ".pdf"
	st := merge.State{}
	for i, x := range [][2]string{{"_source", `"onsite"`}, {"title", `"通知"`}, {"text", `"请阅"`}, {"files", `["` + file + `"]`}} {
		st[record.Path(x[0])] = merge.Register{Siblings: []merge.Sibling{{Dot: record.Dot{Stream: record.Stream{9}, Seq: uint64(i + 1)}, Value: record.Value(x[1]), At: clock.At0(t0), Author: "办公室"}}}
	}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Records: []wire.State{{ID: k.ID, Type: k.Type, State: st.Encode()}}, Heads: []wire.StreamHead{{Stream: record.Stream{9}, Seq: 4}}})
	if _, err := s.Save(ctx, Edit{Type: "household", Village: code, Fields: map[string]record.Value{"head_name": `"李大"`}}); err != nil {
		t.Fatal("the old laptop does not go on:", err)
	}
	r, err := s.Get(k.Type, k.ID)
	if err != nil || r.View.Fields["title"] != `"通知"` {
		t.Fatalf("the notice is not kept: %+v, %v", r.View.Fields, err)
	}
	if err := s.ReadNotice(ctx, k, "2017-05-23"); err == nil {
		t.Error("it says that it read what it does not know")
	}
	s.forms.Become(form.Builtin())
	for range 2 {
		if err := s.ReadNotice(ctx, k, "2017-05-23"); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = s.Get(k.Type, k.ID); err != nil || merge.ReadOn(form.Builtin().Form(k.Type), r.View.Fields) != "2017-05-23" {
		t.Errorf("%+v, %v", r.View.Fields, err)
	}
	events, err := s.History(k.Type, k.ID)
	n := 0
	for _, e := range events {
		if _, own := e.Set["read_on/2017-05-23"]; own {
			if n++; e.Author != "" {
				t.Errorf("it names %s", e.Author)
			}
		}
	}
	if n != 1 || err != nil {
		t.Errorf("said %d times, %v", n, err)
	}
}

// The files of a notice are asked for as it comes, those of a visit when somebody wants them.
func TestNoticeFilesAreFetched(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	if _, err := s.SetDevice(ctx, func(d *Device) {
		d.ID, d.Token = "device", "token"
		d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: code, Name: "李寨村"}}, Role: identity.TeamMember, Profiles: []string{"王队员"}}
	}); err != nil {
		t.Fatal(err)
	}
	a, b := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	at := func(seq uint64, v string) merge.Register {
		return merge.Register{Siblings: []merge.Sibling{{Dot: record.Dot{Stream: record.Stream{9}, Seq: seq}, Value: record.Value(v), At: clock.At0(t0), Author: "办公室"}}}
	}
	notice := merge.State{"title": at(1, `"通知"`), "files": at(2, `["`+a+`.pdf"]`)}
	visit := merge.State{"findings": at(3, `"都好"`), record.Path("photos").Element(b + ".jpg"): at(4, "true")}
	s.must(t, &wire.Pull{Village: code, Epoch: wire.Epoch{1}, Cursor: 1, Records: []wire.State{{ID: record.ID{8}, Type: "notice", State: notice.Encode()}, {ID: record.ID{9}, Type: "visit", State: visit.Encode()}}, Heads: []wire.StreamHead{{Stream: record.Stream{9}, Seq: 4}}})
	if err := s.Fold(ctx, code); err != nil {
		t.Fatal(err)
	}
	_, fetch, err := s.Undelivered(10)
	if err != nil || len(fetch) != 1 || fetch[0].Hash.String() != a {
		t.Errorf("%+v, %v", fetch, err)
	}
}
