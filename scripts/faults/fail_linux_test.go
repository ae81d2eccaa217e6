package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/scripts/rig"
)

// ways are how a disk fails. A write that writes nothing is the shortest.
var ways = []string{"error=EIO", "error=ENOSPC", "retval=0"}

// onDisk are the calls by which a disk is written to. Both databases write by
// pwrite64; by write other files are written, and sockets, and what wakes the
// threads of a Go program, which it cannot do without.
var onDisk = []string{"pwrite64", "fsync", "fdatasync", "renameat", "linkat", "ftruncate"}

// each goes through the calls, each way they fail, and each time one is called,
// until it is not called so often.
func each(t *testing.T, calls []string, most int, do func(fault) (met bool)) {
	n := 0
	for _, call := range calls {
		for _, way := range ways {
			if way == "retval=0" && !strings.Contains(call, "write") {
				continue
			}
			for when := 1; when <= most; when++ {
				f := fault{call, when, way}
				if !do(f) {
					break
				}
				if n++; t.Failed() {
					t.Fatalf("by %s", f)
				}
			}
		}
	}
	if n < 6 {
		t.Errorf("only %d faults were met: nothing was tried", n)
	}
	t.Logf("%d faults were met", n)
}

// The disk fails at each call of one put.
func TestPutFails(t *testing.T) {
	t.Parallel()
	rg, s := office(t)
	l := laptop(t, rg, s, "a")
	promised := newLedger()
	n := 0
	each(t, append([]string{"write"}, onDisk...), of(12, 100), func(f fault) bool {
		n++
		text := fmt.Sprintf("第%d次走访：磁盘出错", n)
		p, struck := strike(l.Program, f)
		out, err := p.Do(t.Context(), "put", "visit", "findings="+text, "--json")
		hit, terr := struck()
		if terr != nil {
			t.Fatal(terr)
		}
		var failed *rig.Failure
		if f.call != "write" || !errors.As(err, &failed) || failed.Said != "" { // else the very sentence was not let out
			plain(t, f.String(), err)
		}
		printed := ids(t, out)
		if err == nil && len(printed) != 1 {
			t.Errorf("%s: put succeeded and printed %q", f, out)
		}
		for _, id := range printed {
			promised.ids[id] = text
		}
		// The next one is well by itself.
		text = fmt.Sprintf("第%d次走访：好了", n)
		id, err := l.Put(t.Context(), "visit", "", "findings="+text)
		if err != nil {
			t.Fatalf("after %s: %v", f, err)
		}
		promised.ids[id] = text
		promised.kept(t, "after "+f.String(), visits(t, &l.Program))
		sound(t, &l.Program)
		return hit
	})
	if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
		t.Errorf("the last sync leaves %d: %v", sy.Pending, err)
	}
	promised.kept(t, "the office", visits(t, &s.Program))
}

// The laptop's disk fails at each call of one sync, which brings and fetches.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	rg, s := office(t)
	l, other := laptop(t, rg, s, "a"), laptop(t, rg, s, "b")
	promised := newLedger()
	n := 0
	each(t, onDisk, of(12, 100), func(f fault) bool {
		n++
		for _, l := range []*rig.Laptop{l, other} {
			text := fmt.Sprintf("%s第%d次走访", filepath.Base(l.Data), n)
			id, err := l.Put(t.Context(), "visit", "", "findings="+text)
			if err != nil {
				t.Fatal(err)
			}
			promised.ids[id] = text
		}
		if _, err := other.Sync(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		p, struck := strike(l.Program, f)
		var sy rig.Synced
		out, err := p.Do(t.Context(), "sync", "--wait", "1s", "--json")
		hit, terr := struck()
		if terr != nil {
			t.Fatal(terr)
		}
		plain(t, f.String(), err)
		if err == nil {
			if err := json.Unmarshal(out, &sy); err != nil || sy.Pending > 0 {
				t.Errorf("%s: sync succeeded and printed %s", f, out)
			}
		}
		delivered(t, f.String(), l, s)
		if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
			t.Fatalf("after %s a sync leaves %d: %v", f, sy.Pending, err)
		}
		promised.kept(t, "after "+f.String(), visits(t, &l.Program))
		sound(t, &l.Program)
		return hit
	})
	promised.kept(t, "the office", visits(t, &s.Program))
	sound(t, &s.Program)
}

// The office's disk fails at each call of the server's while it takes one push.
// It is started again afterwards: after such an error nobody trusts the file that
// is open.
func TestServerFails(t *testing.T) {
	t.Parallel()
	rg, s := office(t)
	addr := s.URL[len("http://"):]
	l := laptop(t, rg, s, "a")
	promised := newLedger()
	n := 0
	each(t, onDisk, of(5, 100), func(f fault) bool {
		n++
		text := fmt.Sprintf("第%d次走访", n)
		id, err := l.Put(t.Context(), "visit", "", "findings="+text)
		if err != nil {
			t.Fatal(err)
		}
		promised.ids[id] = text
		// On a machine that is busy a sync may end before it comes to the call.
		hit := false
		for tries := 0; !hit && tries < 10; tries++ {
			tr := attach(t, &s.Program, f.flags()...)
			sy, err := l.Sync(t.Context(), time.Second)
			plain(t, f.String(), err)
			var terr error
			if hit, terr = tr.end(); terr != nil {
				t.Fatal(terr)
			}
			if err == nil && sy.Pending == 0 {
				break
			}
		}
		if !s.Running() {
			t.Errorf("%s: the server has ended: %v", f, s.Stop())
			return hit
		}
		delivered(t, f.String(), l, s)
		if hit {
			if err := s.Stop(); err != nil {
				plain(t, f.String(), err)
			}
			if err := rg.Serve(t.Context(), s, addr); err != nil {
				t.Fatalf("after %s: %v", f, err)
			}
		}
		delivered(t, f.String(), l, s)
		if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
			t.Fatalf("after %s a sync leaves %d: %v", f, sy.Pending, err)
		}
		sound(t, &s.Program)
		return hit
	})
	promised.kept(t, "the office", visits(t, &s.Program))
	sound(t, &l.Program)
}

// limit bounds how long files may get that the running program writes, as a full
// disk does: a write up to there is cut short.
func limit(t *testing.T, p *rig.Program, bytes string) {
	t.Helper()
	if out, err := exec.Command("prlimit", "--pid", fmt.Sprint(p.PID()), "--fsize="+bytes+":unlimited").CombinedOutput(); err != nil {
		t.Fatalf("prlimit: %v %s", err, out)
	}
}

// Files may not grow beyond some length, in the middle of a page or between two:
// what does not fit is refused in a sentence, what was acknowledged stays, and
// nothing has to be mended once there is room.
func TestCutShort(t *testing.T) {
	t.Parallel()
	rg, s := office(t)
	l := laptop(t, rg, s, "a")
	promised := newLedger()
	r := chance(t)
	var lines []string
	for i := range 40 {
		var text strings.Builder // that cannot be made small
		for range 1000 {
			text.WriteRune(0x4E00 + r.Int32N(0x5000))
		}
		lines = append(lines, fmt.Sprintf("第%d条走访：%s", i, &text))
	}
	refused := 0
	for round, more := range []int64{0, 1000, 4096, 9000, 16384, 20001, 50000} {
		info, err := os.Stat(filepath.Join(l.Data, "records.db"))
		if err != nil {
			t.Fatal(err)
		}
		p := l.Program
		p.Through = []string{"prlimit", fmt.Sprintf("--fsize=%d", info.Size()+more)}
		var in bytes.Buffer
		for i := range lines {
			fmt.Fprintf(&in, "{\"findings\":\"%d %s\"}\n", round, lines[i])
		}
		out, err := p.DoWith(t.Context(), &in, "put", "visit", "--json")
		if err != nil {
			refused++
		}
		plain(t, fmt.Sprintf("%d bytes more", more), err)
		for i, id := range ids(t, out) {
			promised.ids[id] = fmt.Sprintf("%d %s", round, lines[i])
		}
		promised.kept(t, fmt.Sprintf("with %d bytes more", more), visits(t, &l.Program))
		sound(t, &l.Program)
		if _, err := l.Put(t.Context(), "visit", "", fmt.Sprintf("findings=%d 又有空间了", round)); err != nil {
			t.Error(err)
		}

		// The same at the office, where it is the journal that grows.
		limit(t, &s.Program, fmt.Sprint(more+1))
		_, err = l.Sync(t.Context(), time.Second)
		plain(t, fmt.Sprintf("the office with %d bytes", more), err)
		delivered(t, fmt.Sprintf("the office with %d bytes", more), l, s)
		limit(t, &s.Program, "unlimited")
		if sy, err := l.Sync(t.Context(), time.Minute); err != nil || sy.Pending > 0 {
			t.Errorf("with %d bytes a sync leaves %d: %v", more, sy.Pending, err)
		}
		promised.kept(t, "the office", visits(t, &s.Program))
		sound(t, &s.Program)
	}
	if refused == 0 {
		t.Error("everything had room: nothing was tried")
	}
}
