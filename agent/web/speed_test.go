package web

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"zhucun/agent/finder"
	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// big fills a store with a nation's share of one laptop: 2,000 households and
// 20,000 visits.
func big(t testing.TB, dir string) *store.Store {
	t.Helper()
	wall := morning.UnixMilli()
	s, err := store.Open(dir, store.Options{Key: make([]byte, store.KeySize), Wall: func() int64 { return wall }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.SetDevice(t.Context(), func(d *store.Device) {
		d.ID, d.Token, d.Numbers = "laptop", "token", make([]byte, 32)
		d.Assigned = wire.Assignment{Villages: []wire.Village{firstVillage}, Role: identity.Office, Profiles: []string{"杜旺火"}}
	}); err != nil {
		t.Fatal(err)
	}
	var houses, visits []given
	for _, g := range givens() {
		switch g.Type {
		case householdType:
			houses = append(houses, g)
		case visitType:
			visits = append(visits, g)
		}
	}
	idOf := func(kind byte, n int) (id record.ID) {
		id[0], id[6], id[8] = kind, 0x70, 0x80
		binary.BigEndian.PutUint32(id[12:], uint32(n))
		return id
	}
	var edits []store.Edit
	add := func(g given, id record.ID, set map[string]record.Value) {
		e := store.Edit{Village: firstVillage.Code, Type: g.Type, ID: id, Fields: map[string]record.Value{}}
		for name, raw := range g.Fields {
			if e.Fields[name], err = form.Builtin().Form(g.Type).Field(name).Canon(raw); err != nil {
				t.Fatal(err)
			}
		}
		for name, v := range set {
			e.Fields[name] = v
		}
		if edits = append(edits, e); len(edits) == 500 {
			if _, err := s.Save(t.Context(), edits...); err != nil {
				t.Fatal(err)
			}
			edits = edits[:0]
		}
	}
	for n := range 2000 {
		add(houses[n%len(houses)], idOf(1, n), nil)
	}
	for n := range 20000 {
		add(visits[n%len(visits)], idOf(2, n), map[string]record.Value{"household": record.Text(idOf(1, n%2000).String())})
	}
	return s
}

// The first page stays quick, and what it keeps in memory small, on a store of
// the size that a laptop may come to hold.
func TestSnapshotOfABigStore(t *testing.T) {
	s := big(t, t.TempDir())
	c := newCache(s, form.Builtin())
	c.first = time.Hour
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	snap, err := c.get("2025-01-09", false)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(snap.houses) != 2000 || snap.counts[visitType] != 20000 {
		t.Fatalf("%d households, %d visits", len(snap.houses), snap.counts[visitType])
	}
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("read in %s, keeps %d KB", took, kept>>10)
	if kept > 10<<20 {
		t.Errorf("keeps %d KB; 2,000 households are worth 1 MB, and the words of 20,000 visits 5", kept>>10)
	}
	start = time.Now()
	for range 100 {
		if again, err := c.get("2025-01-09", false); err != nil || again != snap {
			t.Fatalf("made anew without a change (%v)", err)
		}
		snap.dues("2025-01-09")
		c.index.Find(finder.Query{Words: "王", Count: maxFound}, nil)
	}
	t.Logf("a list from it: %s", time.Since(start)/100)
}

// A page waits once for what others changed, however many of its parts ask, and
// not at all for what it saved itself.
func TestPagesWaitOnce(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(0)
	f.snapshot()
	c := f.site.cache
	c.patience = time.Second
	// A reading that takes for ever.
	c.mu.Lock()
	c.reading = make(chan struct{})
	c.mu.Unlock()
	path, form := f.opened("/record/visit/new?household=" + h.id.String())
	start := time.Now()
	if a := f.post(path+"/save", with(form, "f.findings", "查看了灶间")); !strings.Contains(a.path, "saved=") {
		t.Fatalf("%d %s", a.status, a.path)
	}
	if took := time.Since(start); took >= c.patience {
		t.Errorf("the page after a save waited %s", took)
	}
	c.mu.Lock()
	c.own = false
	c.mu.Unlock()
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"helper_name": "王帮扶"})
	start = time.Now()
	f.get("/household/" + h.id.String() + "?saved=household/" + h.id.String())
	if took := time.Since(start); took < c.patience || took >= 2*c.patience {
		t.Errorf("a page after somebody else's change waited %s, not once %s", took, c.patience)
	}
}

// A list is searched by what its answers say, also of choices and of records
// that others name.
func TestListSearch(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.house(4)
	for _, q := range []string{h.name, "入户", "经常走访 " + h.name, "杜旺火"} {
		if body := f.get(f.sought("/records/visit", q)).body; !strings.Contains(body, `scope="row"`) {
			t.Errorf("%q finds nothing", q)
		}
	}
	if body := f.get(f.sought("/records/visit", "查无此事")).body; strings.Contains(body, `scope="row"`) {
		t.Error("nothing finds something")
	}
}
