package faults

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"zhucun/scripts/rig"
)

var flips = flag.Int("flips", 300, "how many bytes of a store are flipped, about; in the long leg it is all of them")

// A page of the agent's file, and how many bytes its head has.
const (
	pageSize = 4096
	headSize = 16
)

// hung is after how long a command that has not ended is taken for one that
// does not: an inspection ends within ten seconds.
const hung = 40 * time.Second

// One byte of an agent's store is not what was written. Nothing hangs, nothing
// ends with a trace, what is saved afterwards overwrites nothing, and no change
// that was acknowledged is gone without a word: it is there, or a command says
// that something is wrong, or the next sync brings it back. A store that was set
// aside for another has all that had been delivered again after a sync.
//
// A disk changes a byte and not the file's time; whoever copies a file does. The
// first is not seen from outside the file, and both are tried.
func TestFlippedStore(t *testing.T) {
	t.Parallel()
	r := chance(t)
	var places []int
	all := of(*flips, 0)
	workers := min(runtime.GOMAXPROCS(0), 8)
	var patients []*patient
	for i := range workers {
		patients = append(patients, newPatient(t, r.Uint64(), i))
	}
	// Laptops that did the same have files that differ in keys and times only; each
	// place is looked at in one of them.
	used := patients[0].used()
	for _, page := range used {
		switch {
		case all == 0:
			for i := range pageSize {
				places = append(places, page*pageSize+i)
			}
		case page < 2:
			// The two pages that say where everything is; of the rest of them nothing
			// is read.
			for i := range 80 {
				places = append(places, page*pageSize+i)
			}
		default:
			// What kind of page it is, and then here and there.
			places = append(places, page*pageSize+8, page*pageSize+9)
			for range max(4, (all-160)/(len(used)-2)-2) {
				at := r.IntN(pageSize)
				if r.IntN(4) == 0 {
					at = r.IntN(headSize + 64)
				}
				places = append(places, page*pageSize+at)
			}
		}
	}
	r.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	t.Logf("%d places in %d pages of %d", len(places), len(used), len(patients[0].file)/pageSize)
	var work sync.WaitGroup
	for i, p := range patients {
		work.Go(func() {
			for n := i; n < len(places); n += workers {
				if places[n] >= len(p.file) {
					continue
				}
				p.flip(places[n], n/workers%2 == 0)
			}
		})
	}
	work.Wait()
	sum := map[string]int{}
	for _, p := range patients {
		for k, n := range p.came {
			sum[k] += n
		}
	}
	t.Logf("what came of them: %v", sum)
	if sum["refused"] == 0 || sum["nothing"] == 0 {
		t.Errorf("all flips ended alike: nothing was tried")
	}
}

// patient is a laptop whose store is damaged again and again.
type patient struct {
	t      *testing.T
	r      *rand.Rand
	rig    *rig.Rig
	server *rig.Server
	laptop *rig.Laptop
	data   string // a copy of the data folder as it was
	office string // a copy of the server's
	addr   string // of the server
	file   []byte // the store as it was
	when   time.Time
	lease  string
	note   []byte
	have   map[string]visit // what was acknowledged
	well   map[string]any   // what status says of it
	came   map[string]int
}

func newPatient(t *testing.T, seed uint64, n int) *patient {
	t.Helper()
	p := &patient{t: t, r: rand.New(rand.NewPCG(seed, 1)), came: map[string]int{}}
	p.rig, p.server = office(t)
	p.addr = p.server.URL[len("http://"):]
	p.laptop = laptop(t, p.rig, p.server, "a")
	put := func(from, to int) {
		for i := from; i < to; i += 5 { // several commits, so that pages become free, and are listed so
			var in bytes.Buffer
			for j := range 5 {
				fmt.Fprintf(&in, "{\"findings\":\"第%d条走访：屋顶漏雨，已报危房改造%d\"}\n", i+j, n)
			}
			if _, err := p.laptop.DoWith(t.Context(), &in, "put", "visit"); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(0, 20)
	if _, err := p.laptop.Sync(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	put(20, 40)
	p.have = visits(t, &p.laptop.Program)
	if err := p.laptop.JSON(t.Context(), &p.well, "status"); err != nil {
		t.Fatal(err)
	}
	if err := p.server.Stop(); err != nil {
		t.Fatal(err)
	}
	p.office, p.data = p.server.Data+"-before", p.laptop.Data+"-before"
	for from, to := range map[string]string{p.server.Data: p.office, p.laptop.Data: p.data} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(p.laptop.Data, "records.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	p.when = info.ModTime()
	if p.file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	leases, err := filepath.Glob(filepath.Join(p.rig.Dir, "config", "zhucun", "*.lease"))
	if err != nil || len(leases) != 1 {
		t.Fatalf("%d notes: %v", len(leases), err)
	}
	p.lease = leases[0]
	if p.note, err = os.ReadFile(p.lease); err != nil {
		t.Fatal(err)
	}
	return p
}

// used gives the pages of the file that are not free: those that can be reached,
// and the two that are read first. Which the others are their heads tell: 0x10 is
// the list of the free ones.
func (p *patient) used() []int {
	free := map[int]bool{}
	for at := 2; at*pageSize < len(p.file); at++ {
		page := p.file[at*pageSize:]
		if binary.LittleEndian.Uint16(page[8:]) != 0x10 || binary.LittleEndian.Uint64(page) != uint64(at) || !p.lists(at) {
			continue
		}
		for i := range int(binary.LittleEndian.Uint16(page[10:])) {
			free[int(binary.LittleEndian.Uint64(page[headSize+8*i:]))] = true
		}
	}
	var used []int
	for at := 0; at < p.high(); at++ {
		if !free[at] {
			used = append(used, at)
		}
	}
	return used
}

// head gives the page of the two first ones that counts: the later.
func (p *patient) head() []byte {
	a, b := p.file[headSize:], p.file[pageSize+headSize:]
	if binary.LittleEndian.Uint64(a[48:]) > binary.LittleEndian.Uint64(b[48:]) {
		return a
	}
	return b
}

// lists tells whether the page is the list of free ones that counts.
func (p *patient) lists(at int) bool { return binary.LittleEndian.Uint64(p.head()[32:]) == uint64(at) }

// high gives how many pages were ever used.
func (p *patient) high() int { return int(binary.LittleEndian.Uint64(p.head()[40:])) }

// ended carries out a command, which may fail and must say so in a line.
func (p *patient) ended(at string, args ...string) (out string, ok, told bool) {
	ctx, cancel := context.WithTimeout(context.Background(), hung)
	defer cancel()
	raw, err := p.laptop.Do(ctx, args...)
	out = string(raw)
	if err == nil {
		return out, true, false
	}
	var f *rig.Failure
	switch {
	case ctx.Err() != nil:
		p.t.Errorf("%s: %s hangs", at, args[0])
	case !errors.As(err, &f) || f.Status != 1 || strings.Contains(f.Said, "goroutine ") || strings.Contains(f.Said, "\n") || f.Said == "":
		p.t.Errorf("%s: %v", at, err)
	}
	return out, false, true
}

// flip changes one byte and looks what comes of it.
func (p *patient) flip(place int, unseen bool) {
	at := fmt.Sprintf("byte %d (page %d + %d, unseen %t)", place, place/pageSize, place%pageSize, unseen)
	// Whatever an earlier one left is cleared away: a store that was set aside too.
	p.try(os.RemoveAll(p.laptop.Data), os.CopyFS(p.laptop.Data, os.DirFS(p.data)))
	damaged := bytes.Clone(p.file)
	damaged[place] ^= 1 << p.r.IntN(8)
	path := filepath.Join(p.laptop.Data, "records.db")
	p.try(os.WriteFile(path, damaged, 0o600), os.WriteFile(p.lease, p.note, 0o600))
	if unseen {
		p.try(os.Chtimes(path, p.when, p.when))
	}
	status, _, told := p.ended(at, "status", "--json")
	told = told || p.warns(status)
	list, readable, said := p.ended(at, "list", "visit", "--json")
	told = told || said
	_, _, said = p.ended(at, "verify", "--json")
	told = told || said
	gone := p.gone(list)
	// What is saved now overwrites nothing of what is still there.
	_, writable, said := p.ended(at, "put", "visit", "findings=损坏以后写的走访", "--json")
	told = told || said
	if readable && writable {
		list, readable, said = p.ended(at, "list", "visit", "--json")
		told = told || said
		for id := range p.gone(list) {
			if _, before := gone[id]; !before && readable && !told {
				p.t.Errorf("%s: a save overwrote %s", at, id)
			}
		}
		gone = p.gone(list)
	}
	switch {
	case len(gone) == 0 && !told:
		p.came["nothing"]++
		return
	case len(gone) == 0:
		p.came["told, all there"]++
		return
	case !readable:
		// A list that fails names what is wrong.
		p.came["refused"]++
		return
	}
	if told && !p.aside() {
		p.came["told, not all there"]++
		return
	}
	// Something is gone or not as it was, and the program goes on. The office has
	// what was delivered.
	gone, synced := p.sync(at)
	var back []string
	for id, v := range gone {
		if v.State == "delivered" {
			back = append(back, id)
		}
	}
	switch {
	case len(gone) == 0:
		p.came["back after a sync"]++
	case !told:
		p.t.Errorf("%s: %d changes are gone (%d of them delivered) and nobody says a word: %s", at, len(gone), len(back), status)
	case len(back) > 0 && synced:
		p.t.Errorf("%s: %d changes that were delivered do not come back: %v", at, len(back), back)
	default:
		p.came["set aside, the delivered ones there"]++
	}
}

// warns tells whether a status says more than one of a laptop that is well: that
// entries are missing, that something has gone wrong.
func (p *patient) warns(status string) bool {
	var now map[string]any
	if json.Unmarshal([]byte(status), &now) != nil {
		return false
	}
	for name := range now {
		if _, well := p.well[name]; !well {
			return true
		}
	}
	return false
}

// aside tells whether a store lies beside the one that is used.
func (p *patient) aside() bool {
	files, err := filepath.Glob(filepath.Join(p.laptop.Data, "*records*"))
	p.try(err)
	return len(files) > 1
}

func (p *patient) try(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		p.t.Error(err)
	}
}

// gone gives what was acknowledged and is not in the list as it was.
func (p *patient) gone(list string) map[string]visit {
	here := map[string]string{}
	for line := range strings.Lines(list) {
		var v visit
		if json.Unmarshal([]byte(line), &v) == nil {
			here[v.ID] = v.Fields.Findings
		}
	}
	gone := map[string]visit{}
	for id, v := range p.have {
		if here[id] != v.Fields.Findings {
			gone[id] = v
		}
	}
	return gone
}

// sync has the laptop sync with the office as it was, and gives what is gone
// afterwards; synced is false where it may not.
func (p *patient) sync(at string) (gone map[string]visit, synced bool) {
	p.try(os.RemoveAll(p.server.Data), os.CopyFS(p.server.Data, os.DirFS(p.office)))
	if err := p.rig.Serve(context.Background(), p.server, p.addr); err != nil {
		p.t.Errorf("%s: %v", at, err)
		return nil, false
	}
	_, synced, _ = p.ended(at, "sync", "--wait", "60s", "--json")
	list, readable, _ := p.ended(at, "list", "visit", "--json")
	p.try(p.server.Stop())
	return p.gone(list), synced && readable
}
