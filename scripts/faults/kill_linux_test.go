package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/scripts/rig"
)

// reach is how often at most a thread of a short command comes to each call.
var reach = map[string]int{"write": 9, "pwrite64": 24, "fsync": 2, "fdatasync": 6, "renameat": 3, "linkat": 1, "unlinkat": 2, "ftruncate": 2, "openat": 12}

// death draws where a program dies.
func death(r *rand.Rand) fault {
	call := calls[r.IntN(len(calls))]
	return fault{call, 1 + r.IntN(reach[call]), "signal=KILL"}
}

// trickle gives a line at each reading, so that several are not always one commit.
type trickle struct{ lines []string }

func (t *trickle) Read(b []byte) (int, error) {
	if len(t.lines) == 0 {
		return 0, io.EOF
	}
	n := copy(b, t.lines[0])
	if t.lines[0] = t.lines[0][n:]; t.lines[0] == "" {
		if t.lines = t.lines[1:]; len(t.lines)%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return n, nil
}

// One store lives through it all: its agent is killed at any system call, as it
// puts, imports, syncs, writes bundles and takes their replies. What was
// acknowledged is there each time, the store opens by itself, and in the end the
// server has everything, once.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	r := chance(t)
	_, s := office(t)
	l := laptop(t, &rig.Rig{Dir: filepath.Dir(s.Data), Bin: programs, Lang: "zh"}, s, "a")
	w := &victim{t: t, r: r, l: l, s: s, ledger: newLedger()}
	rounds := of(100, 1000)
	tries := 0
	for w.killed < rounds {
		if tries++; tries > 6*rounds {
			t.Fatalf("only %d of %d were killed", w.killed, tries)
		}
		switch n := r.IntN(20); {
		case n < 12:
			w.put(tries)
		case n < 15:
			w.sync()
		case n < 18:
			w.imports(tries)
		default:
			w.bundle(tries)
		}
		if tries%of(4, 25) == 0 {
			w.ledger.kept(t, fmt.Sprintf("try %d", tries), visits(t, &l.Program))
		}
		if tries%of(20, 50) == 0 {
			sound(t, &l.Program)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	var st struct{ Missing uint64 }
	if err := l.JSON(t.Context(), &st, "status"); err != nil || st.Missing > 0 {
		t.Errorf("status says that %d changes are missing: %v", st.Missing, err)
	}
	if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
		t.Fatalf("the last sync leaves %d: %v", sy.Pending, err)
	}
	w.ledger.kept(t, "the laptop, at the end", visits(t, &l.Program))
	w.ledger.kept(t, "the office, at the end", visits(t, &s.Program))
	sound(t, &l.Program)
	sound(t, &s.Program)
	t.Logf("%d of %d commands were killed; %d ids and %d rows were acknowledged", w.killed, tries, len(w.ledger.ids), len(w.ledger.texts))
}

// victim is the laptop whose agent is killed.
type victim struct {
	t      *testing.T
	r      *rand.Rand
	l      *rig.Laptop
	s      *rig.Server
	ledger *ledger
	killed int
	file   string // an import that was not done to its end
	rows   []string
}

// dies carries out a command that is killed on its way, or not, and gives what it
// printed before; done tells that it was not.
func (w *victim) dies(in io.Reader, args ...string) (out []byte, done bool) {
	w.t.Helper()
	f := death(w.r)
	p, struck := strike(w.l.Program, f)
	out, err := p.DoWith(w.t.Context(), in, args...)
	hit, rerr := struck()
	if rerr != nil {
		w.t.Fatal(rerr)
	}
	if hit {
		w.killed++
		return out, err == nil
	}
	if err != nil {
		w.t.Fatalf("%s was not met, and %v", f, err)
	}
	return out, true
}

func (w *victim) put(round int) {
	w.t.Helper()
	var texts, lines []string
	for i := range 1 + w.r.IntN(12) {
		text := fmt.Sprintf("第%d轮第%d条走访：屋顶漏雨，已报危房改造", round, i)
		texts = append(texts, text)
		lines = append(lines, fmt.Sprintf("{\"findings\":%q}\n", text))
	}
	out, done := w.dies(&trickle{lines}, "put", "visit", "--json")
	n := 0
	// The last line may be half a line: that id was not printed.
	for line := range bytes.Lines(out[:bytes.LastIndexByte(out, '\n')+1]) {
		var v struct{ ID string }
		if err := json.Unmarshal(line, &v); err != nil {
			w.t.Fatalf("put printed %q", out)
		}
		w.ledger.ids[v.ID] = texts[n]
		n++
	}
	if done && n != len(texts) {
		w.t.Errorf("round %d: put has ended and printed %d of %d ids", round, n, len(texts))
	}
}

func (w *victim) sync() { w.dies(nil, "sync", "--wait", "5s", "--json") }

// imports takes a file in, the last one again where that was killed.
func (w *victim) imports(round int) {
	w.t.Helper()
	if w.file == "" {
		w.file = filepath.Join(filepath.Dir(w.l.Data), "rows.jsonl")
		w.rows = nil
		var b bytes.Buffer
		for i := range 30 {
			w.rows = append(w.rows, fmt.Sprintf("第%d轮导入的第%d行走访", round, i))
			fmt.Fprintf(&b, "{\"findings\":%q}\n", w.rows[i])
		}
		if err := os.WriteFile(w.file, b.Bytes(), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, done := w.dies(nil, "import", w.file, "--type", "visit", "--json"); done {
		for _, text := range w.rows {
			w.ledger.texts[text] = true
		}
		w.file = ""
	}
}

// bundle writes one; a file under its name is whole. Its reply is taken in, and
// the agent may be killed there too.
func (w *victim) bundle(round int) {
	w.t.Helper()
	dir := filepath.Dir(w.l.Data)
	file, reply := filepath.Join(dir, "stick.zcb"), filepath.Join(dir, "reply.zcb")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	_, done := w.dies(nil, "bundle", "export", file)
	if _, err := os.Stat(file); err != nil {
		if done {
			w.t.Errorf("round %d: a bundle was written and is not there: %v", round, err)
		}
		return
	}
	if _, err := w.s.Do(w.t.Context(), "bundle", "take", file, "--reply", reply); err != nil {
		w.t.Errorf("round %d: a file under the bundle's name is not whole: %v", round, err)
		return
	}
	w.dies(nil, "bundle", "take", reply)
}

// The server is killed at any system call while it takes what laptops push. What
// a laptop shows as delivered the server has once it is started again, and it
// starts by itself.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	r := chance(t)
	rg, s := office(t)
	addr := s.URL[len("http://"):]
	a, b := laptop(t, rg, s, "a"), laptop(t, rg, s, "b")
	promised := newLedger()
	rounds, tries, killed, twice := of(40, 400), 0, 0, 0
	for killed < rounds {
		if tries++; tries > 6*rounds {
			t.Fatalf("only %d of %d were killed", killed, tries)
		}
		for _, l := range []*rig.Laptop{a, b} {
			for i := range 1 + r.IntN(3) {
				text := fmt.Sprintf("%s第%d轮第%d条走访", l.Link.Addr(), tries, i)
				id, err := l.Put(t.Context(), "visit", "", "findings="+text)
				if err != nil {
					t.Fatal(err)
				}
				promised.ids[id] = text
			}
		}
		f := serverDeath(r)
		tr := attach(t, &s.Program, f.flags()...)
		ctx, cancel := context.WithCancel(t.Context())
		synced := make(chan error, 2)
		for _, l := range []*rig.Laptop{a, b} {
			go func() {
				_, err := l.Sync(ctx, 10*time.Second)
				synced <- err
			}()
		}
		for waiting := 2; waiting > 0; {
			select {
			case err := <-synced:
				waiting--
				if err != nil && s.Running() {
					t.Errorf("%s: a sync failed, and the server goes on: %v", f, err)
				}
			case <-time.After(5 * time.Millisecond):
				if !s.Running() {
					// Nobody is there any more: to wait out the time changes nothing.
					cancel()
				}
			}
		}
		cancel()
		hit, err := tr.end()
		if err != nil {
			t.Fatal(err)
		}
		if !hit {
			continue
		}
		killed++
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		// Whoever comes next finds its journal, and is killed over it at times.
		again := death(r)
		next, struck := strike(s.Program, again)
		_, err = next.Do(t.Context(), "device", "list")
		if hit, terr := struck(); terr != nil {
			t.Fatal(terr)
		} else if hit {
			twice++
		} else if err != nil {
			t.Errorf("after %s: %v", f, err)
		}
		if err := rg.Serve(t.Context(), s, addr); err != nil {
			t.Fatalf("%s: the server does not start again: %v", f, err)
		}
		if killed%of(4, 20) == 0 || killed == rounds {
			have := visits(t, &s.Program)
			for _, l := range []*rig.Laptop{a, b} {
				for id, v := range visits(t, &l.Program) {
					if v.State == "delivered" && have[id].Fields.Findings != v.Fields.Findings {
						t.Errorf("%s: %s is shown as delivered by %s, and the office has %q", f, id, l.Data, have[id].Fields.Findings)
					}
				}
			}
			sound(t, &s.Program)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, l := range []*rig.Laptop{a, b, a} {
		if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
			t.Fatalf("the last sync leaves %d: %v", sy.Pending, err)
		}
		sound(t, &l.Program)
	}
	promised.kept(t, "the office, at the end", visits(t, &s.Program))
	promised.kept(t, "a laptop, at the end", visits(t, &a.Program))
	sound(t, &s.Program)
	t.Logf("the server was killed in %d of %d rounds, whoever came next in %d; %d ids", killed, tries, twice, len(promised.ids))
}

// serverDeath draws where a server dies that runs already: by then it has opened
// its files.
func serverDeath(r *rand.Rand) fault {
	switch n := r.IntN(10); {
	case n < 6:
		return fault{"pwrite64", 1 + r.IntN(20), "signal=KILL"}
	case n < 8:
		return fault{"fsync", 1 + r.IntN(3), "signal=KILL"}
	}
	return fault{"write", 1 + r.IntN(2), "signal=KILL"}
}

// synced goes through what a tracer saw and wants that what was written to the
// store is on the disk whenever somebody is told: which calls tell says what they
// begin with.
func synced(t *testing.T, file, tells string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	unsynced, written, told := 0, 0, 0
	for line := range strings.Lines(string(raw)) {
		switch {
		case strings.Contains(line, " pwrite64("):
			unsynced++
			written++
		case (strings.Contains(line, "sync(") || strings.Contains(line, "sync resumed>")) && strings.HasSuffix(line, "= 0\n"):
			unsynced = 0
		case strings.Contains(line, tells):
			if told++; unsynced > 0 {
				t.Errorf("told when %d writes were not on the disk yet: %s", unsynced, line)
			}
		}
	}
	if told == 0 || written == 0 {
		t.Fatalf("%d writes, and told %d times: %s", written, told, raw)
	}
}

const order = "trace=write,pwrite64,fdatasync,fsync"

// An id is printed once its change is on the disk: before it, whatever was written
// to the store has been synced.
func TestPutIsSynced(t *testing.T) {
	t.Parallel()
	rg, s := office(t)
	l := laptop(t, rg, s, "a")
	file := filepath.Join(rg.Dir, "trace")
	p := l.Program
	p.Through = trace(file, "-e", order)
	if _, err := p.DoWith(t.Context(), strings.NewReader("{\"findings\":\"第一条走访\"}\n{\"findings\":\"第二条走访\"}\n"), "put", "visit"); err != nil {
		t.Fatal(err)
	}
	synced(t, file, " write(1, ")
}

// The server answers once what it took is on the disk.
func TestPushIsSynced(t *testing.T) {
	t.Parallel()
	rg, s := office(t)
	l := laptop(t, rg, s, "a")
	if _, err := l.Put(t.Context(), "visit", "", "findings=屋顶漏雨"); err != nil {
		t.Fatal(err)
	}
	tr := attach(t, &s.Program, "-e", order)
	if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
		t.Errorf("a sync leaves %d: %v", sy.Pending, err)
	}
	if _, err := tr.end(); err != nil {
		t.Fatal(err)
	}
	synced(t, tr.file, "\"HTTP/1.1 200")
}
