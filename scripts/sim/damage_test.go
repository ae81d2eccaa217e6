package sim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"go.etcd.io/bbolt"

	agentstore "zhucun/agent/store"
	"zhucun/server/access"
	"zhucun/server/syncapi"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// worn is a world whose first laptop has a history: acknowledged changes, a stream
// that went on elsewhere and was renewed, changes that were set aside, changes that
// wait, open forms. It is closed.
func worn(t *testing.T) (*world, map[record.Stream]uint64) {
	t.Helper()
	dir := fast(t)
	w, err := newWorld(filepath.Join(dir), 7, template(t, dir), leg{})
	check(t, err)
	l := w.laptops[0]
	check(t, l.store.Close())
	l.leases = l.dir + "-notes"
	check(t, l.open())
	live := func(steps int) {
		for range steps {
			w.now += w.rnd.Int64N(24 * 3600 * 1000)
			for _, l := range w.laptops {
				switch n := w.rnd.IntN(8); {
				case n < 4:
					check(t, l.create())
				case n < 6:
					check(t, l.openForm())
					check(t, l.saveForm())
				case n < 7:
					check(t, l.void())
				}
			}
		}
	}
	synced := func() {
		check(t, w.settle())
	}
	live(30)
	synced()
	// Two lives of one disk: what this one writes meanwhile is written again.
	check(t, l.store.Close())
	before, note := snapshot(t, l.dir), snapshot(t, l.leases)
	check(t, l.open())
	check(t, l.create())
	synced()
	check(t, l.store.Close())
	before.restore(t, l.dir)
	note.restore(t, l.leases)
	l.doubtful, l.blurred = true, true
	check(t, l.open())
	for range 5 {
		check(t, l.create())
	}
	synced()
	live(5)
	synced()
	// What was set aside: new records and changes of others, while the village was not
	// the laptop's.
	assign := func(codes ...record.Village) {
		d, err := access.New(w.server).Assign(context.Background(), l.device.ID, codes)
		check(t, err)
		l.device = d
	}
	assign(other)
	live(12)
	synced()
	assign(village)
	synced()
	check(t, l.leave()) // the other
	if st, err := l.store.Status(); err != nil || st.Quarantined == 0 {
		t.Fatalf("nothing was set aside: %+v, %v", st, err)
	}
	// Of that some is decided on.
	set, err := w.server.Quarantine(context.Background())
	check(t, err)
	for i, q := range set {
		if i%3 > 0 {
			check(t, w.decide(q, i%3 == 1))
		}
	}
	synced()
	if st, err := l.store.Status(); err != nil || st.Rejected == 0 || st.Rejected == st.Quarantined {
		t.Fatalf("%d of %d set aside are rejected, %v", st.Rejected, st.Quarantined, err)
	}
	// What waits.
	for range 3 {
		live(12)
		check(t, l.store.KeepDraft(context.Background(), agentstore.Draft{ID: fmt.Sprintf("%036d", w.rnd.IntN(1e9)), Type: "visit", Village: village, Author: l.name, Values: map[string][]string{"findings": {"还没写完"}}}))
	}
	st, err := l.store.Status()
	check(t, err)
	acked := map[record.Stream]uint64{}
	for _, s := range st.Villages[0].Streams {
		acked[s.Stream] = s.Acked
	}
	check(t, w.close())
	return w, acked
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type files map[string][]byte

func snapshot(t *testing.T, dir string) files {
	t.Helper()
	f := files{}
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil {
			f[rel], err = os.ReadFile(path)
		}
		return err
	}))
	return f
}

func (f files) restore(t *testing.T, dir string) {
	t.Helper()
	check(t, os.RemoveAll(dir))
	for name, raw := range f {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, raw, 0o600))
	}
}

// anew opens a worn world anew.
func (w *world) anew(t *testing.T) *world {
	t.Helper()
	x := *w
	x.rnd = rand.New(rand.NewPCG(1, 1))
	x.promise = slices.Clone(w.promise)
	x.births, x.taken, x.aside, x.saved, x.again = maps.Clone(w.births), maps.Clone(w.taken), maps.Clone(w.aside), maps.Clone(w.saved), maps.Clone(w.again)
	x.orphans, x.rejudged, x.replaced, x.renamed = maps.Clone(w.orphans), maps.Clone(w.rejudged), maps.Clone(w.replaced), maps.Clone(w.renamed)
	x.desk, x.hash = newReader(), sha256.New()
	x.trace = nil
	x.laptops = nil
	var err error
	x.server, err = x.openServer()
	check(t, err)
	x.door = syncapi.New(x.server, access.New(x.server))
	for _, l := range w.laptops {
		c := *l
		c.w, c.fuse, c.reader = &x, -1, newReader()
		x.laptops = append(x.laptops, &c)
	}
	for i, l := range x.laptops {
		if i > 0 {
			check(t, l.open())
		}
	}
	return &x
}

// waiting gives the pages without which each change is gone that waits on a laptop.
func waiting(t *testing.T, file string, acked map[record.Stream]uint64) map[record.Dot][]int {
	t.Helper()
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	check(t, err)
	defer db.Close()
	size := db.Info().PageSize
	pages := map[record.Dot][]int{}
	check(t, db.View(func(tx *bbolt.Tx) error {
		// The page that begins what each page is part of.
		head := map[int]int{}
		for id := 0; ; {
			p, err := tx.Page(id)
			if err != nil {
				return err
			}
			if p == nil {
				break
			}
			n := 1
			if p.Type != "free" {
				n += p.OverflowCount
			}
			for i := range n {
				head[id+i] = id
			}
			id += n
		}
		at := func(b *byte) int { return int(uintptr(unsafe.Pointer(b))-db.Info().Data) / size }
		v := tx.Bucket([]byte("village")).Bucket([]byte(village))
		for stream, from := range acked {
			log := v.Bucket(append([]byte("log/"), stream[:]...))
			if log == nil {
				continue
			}
			if err := log.ForEach(func(k, raw []byte) error {
				if seq := binary.BigEndian.Uint64(k); seq > from {
					first, last := at(&k[0]), at(&raw[len(raw)-1])
					pages[record.Dot{Stream: stream, Seq: seq}] = []int{head[first], first, last}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}))
	return pages
}

// Every page of a laptop's store is destroyed once, then both that say where
// everything is, then the file is cut off behind each: with what it noted outside and
// without, all that the server had is back after the next sync, all that waits and was
// not there arrives, and nothing arrives twice.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	w, acked := worn(t)
	l := w.laptops[0]
	raw := snapshot(t, l.dir)["records.db"]
	database, err := os.ReadFile(w.serverFile())
	check(t, err)
	notes := snapshot(t, l.leases)
	others := map[string]files{}
	for _, l := range w.laptops[1:] {
		others[l.dir] = snapshot(t, l.dir)
	}
	waits := waiting(t, filepath.Join(l.dir, "records.db"), acked)
	size := os.Getpagesize()
	all := len(raw) / size
	t.Logf("%d pages, %d changes wait", all, len(waits))
	damage := [][]int{{0, 1}}
	for page := range all {
		damage = append(damage, []int{page})
	}
	for page := 2; page < all; page += 5 {
		var cut []int
		for p := page; p < all; p++ {
			cut = append(cut, p)
		}
		damage = append(damage, cut)
	}
	garbage := rand.New(rand.NewPCG(3, 4))
	for _, pages := range damage {
		for _, with := range []bool{true, false} {
			for name, f := range others {
				f.restore(t, name)
			}
			check(t, os.WriteFile(w.serverFile(), database, 0o600))
			damaged := slices.Clone(raw)
			for _, page := range pages {
				for i := range size {
					damaged[page*size+i] = byte(garbage.Uint32())
				}
			}
			what := fmt.Sprintf("page %d, with its note %v", pages[0], with)
			if len(pages) > 1 {
				what += fmt.Sprintf(", and %d more", len(pages)-1)
			}
			if len(pages) > 2 {
				damaged = damaged[:pages[0]*size]
			}
			files{"records.db": damaged}.restore(t, l.dir)
			notes.restore(t, l.leases)
			if !with {
				check(t, os.RemoveAll(l.leases))
			}
			x := w.anew(t)
			x.rebuilt(t, what, pages, waits)
			check(t, x.close())
			if t.Failed() {
				return
			}
		}
	}
}

func (l *laptop) noted() bool {
	_, err := os.Stat(l.leases)
	return err == nil
}

// rebuilt makes the first laptop's store anew, lets everybody sync and compares.
func (w *world) rebuilt(t *testing.T, what string, destroyed []int, pages map[record.Dot][]int) {
	t.Helper()
	l := w.laptops[0]
	file := filepath.Join(l.dir, "records.db")
	info, err := os.Stat(file)
	check(t, err)
	noted := l.noted()
	r, err := agentstore.Rebuild(l.dir, agentstore.Options{Key: make([]byte, agentstore.KeySize), Wall: func() int64 { return w.now + l.skew }, Rand: w.bytes, Leases: l.leases}, info)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if _, err := os.Stat(filepath.Join(l.dir, r.Aside)); err != nil {
		t.Fatalf("%s: the damaged file is gone: %v", what, err)
	}
	gone := map[record.Dot]bool{}
	for d, on := range pages {
		gone[d] = slices.ContainsFunc(on, func(p int) bool { return slices.Contains(destroyed, p) })
	}
	// A change opens only for who knows the name of its stream: without the note that
	// may be gone with the pages that have it.
	left, err := os.ReadFile(filepath.Join(l.dir, r.Aside))
	check(t, err)
	for d := range pages {
		gone[d] = gone[d] || !noted && !bytes.Contains(left, d.Stream[:])
	}
	lost := 0
	for d := range pages {
		if gone[d] {
			lost++
		}
	}
	// Without the note it may not be known what the server has; it says so itself.
	if int(r.Saved) < len(pages)-lost || noted && int(r.Saved) > len(pages) {
		t.Errorf("%s: %d saved, %d waited and %d of them were in the page", what, r.Saved, len(pages), lost)
	}
	check(t, l.open())
	st, err := l.store.Status()
	check(t, err)
	if st.Pending != r.Saved || !r.Lost && (len(st.Villages) != 1 || !st.Villages[0].Anew) {
		t.Errorf("%s: %d pending of %d saved, %+v", what, st.Pending, r.Saved, st.Villages)
	}
	if r.Lost {
		d, err := l.store.SetDevice(context.Background(), func(d *agentstore.Device) {
			d.ID, d.Token, d.Server, d.Numbers = "device-new", "t", w.key.Public().(ed25519.PublicKey), []byte("numbers")
			d.Assigned = wire.Assignment{Serial: 1, Villages: []wire.Village{{Code: village, Name: "试验村"}}, Role: identity.FirstSecretary, Profiles: []string{l.name}}
		})
		check(t, err)
		l.device.ID, l.device.Key = d.ID, d.Private().Public().(ed25519.PublicKey)
		check(t, w.enrol(&l.device))
	}
	w.promise = slices.DeleteFunc(w.promise, func(p promise) bool {
		if gone[p.change.dot] {
			w.orphans[p.key.ID] = true // a later change may name it as replaced, for ever
		}
		return gone[p.change.dot]
	})
	if err := w.settle(); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if st, err = l.store.Status(); err != nil || st.Pending > 0 || len(st.Villages) != 1 || st.Villages[0].Anew {
		t.Errorf("%s: %+v, %v", what, st, err)
	}
	for _, k := range w.records {
		entries, err := w.server.History(context.Background(), village, k.ID)
		if err != nil {
			continue
		}
		times := map[string]bool{}
		for _, e := range entries {
			once := fmt.Sprint(e.Change.Author, e.Change.Time)
			if times[once] {
				t.Errorf("%s: %s has a change of %s twice", what, k.ID, e.Change.Author)
			}
			times[once] = true
		}
	}
	drafts, err := l.store.Drafts()
	check(t, err)
	t.Logf("%s: %d saved, %d missing, %d drafts", what, r.Saved, r.Missing, len(drafts))
}
