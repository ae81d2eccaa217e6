package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// small mounts a disk of so many kilobytes. It needs root, as the machines have
// on which every change is checked.
func small(t *testing.T, dir string, kilobytes int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0700", kilobytes)); err != nil {
		t.Fatalf("mount a small disk (as root?): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill takes what room a disk has left, also when it has been filled before.
func fill(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			return ballast
		}
	}
}

// prose is text of so many characters that cannot be made small.
func prose(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteRune(0x4E00 + r.Int32N(0x5000))
	}
	return b.String()
}

// A full disk: what cannot be saved is refused in a sentence, what was saved
// stays, and there is no trace of it once there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{"alone": false, "beside": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir())
			small(t, w.path("a"), 3<<10)
			w.beside = beside
			t.Cleanup(w.end)
			if err := w.office(false, bamboo, "竹村"); err != nil {
				t.Fatal(err)
			}
			if err := w.laptop("a", bamboo, "team_member", "李队员"); err != nil {
				t.Fatal(err)
			}
			w.link.down()

			// By what is put in, line by line, until the disk is full.
			rnd := rand.New(rand.NewPCG(1, 2))
			var input strings.Builder
			for i := range 6000 {
				fmt.Fprintf(&input, "{\"findings\":\"第%d条：%s\"}\n", i, prose(rnd, 1000))
			}
			r, err := w.command(input.String(), nil, "zhucun-agent", "put", "visit", "--data", "a")
			if err != nil {
				t.Fatal(err)
			}
			saved := len(lines(r.out))
			if r.code != 1 || len(lines(r.err)) != 1 || !strings.Contains(r.err, "磁盘已满。上面显示的都已保存，其余没有") || saved == 0 || saved == 6000 {
				t.Fatalf("%d saved, exit status %d: %.500s", saved, r.code, r.err)
			}
			whole := func(want int) {
				t.Helper()
				if out := w.must(t, "zhucun-agent", "verify", "--data", "a", "--json"); !strings.Contains(out, `"ok":true`) {
					t.Error(out)
				}
				if out := w.must(t, "zhucun-agent", "list", "visit", "--data", "a", "--json"); len(lines(out)) != want {
					t.Errorf("%d visits, want %d", len(lines(out)), want)
				}
			}
			whole(saved)

			// To the last block. The data file may have room within itself, and an agent that
			// runs may let go of some.
			ballast := fill(t, w.path("a"))
			long := "findings=" + prose(rnd, 18000)
			for tries, refused := 0, 0; refused < 3; tries++ {
				fill(t, w.path("a"))
				r, err := w.command("", nil, "zhucun-agent", "put", "visit", long, "--data", "a")
				if err != nil || tries > 100 {
					t.Fatalf("after %d more on a full disk: %v %s", tries, err, r)
				}
				if r.code != 0 {
					refused++
					continue
				}
				refused = 0
				saved++
			}
			w.refused(t, "", 1, "磁盘已满", "The disk is full", "zhucun-agent", "put", "visit", long, "--data", "a")
			whole(saved)

			// Room again: it works again, and what was saved goes.
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("", w.path("a"), "", syscall.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
			w.put(t, "visit", "findings=腾出空间以后写的走访", "--data", "a")
			whole(saved + 1)
			if err := w.link.up(); err != nil {
				t.Fatal(err)
			}
			w.must(t, "zhucun-agent", "sync", "--data", "a")
			if out := w.must(t, "zhucun-server", "list", "visit", "--data", "office", "--json"); len(lines(out)) != saved+1 {
				t.Errorf("the office has %d visits, want %d", len(lines(out)), saved+1)
			}
			if p := w.procs["a"]; p != nil {
				if code, err := p.stop(); err != nil || code != 0 {
					t.Errorf("the agent ended with %d, %v", code, err)
				}
				delete(w.procs, "a")
			}
		})
	}
}

// A disk that fails in the middle of a commit, at the data or at the page that
// makes it count: the person is told, nothing more is written through that handle, and
// once the disk is well again the agent goes on by itself, with all that was promised.
func TestDiskError(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{"data": "1+", "head": "2+"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := office(t, false, false)
			if err := w.agent("a"); err != nil {
				t.Fatal(err)
			}
			agent := w.procs["a"]
			id := w.put(t, "visit", "findings=磁盘出错以前写的走访", "--data", "a")
			// Not only its main thread: whichever writes.
			tracer := exec.Command("strace", "-f", "-qq", "-o", w.path("trace"), "-p", strconv.Itoa(agent.cmd.Process.Pid),
				"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when="+when)
			var said bytes.Buffer
			tracer.Stderr = &said
			if err := tracer.Start(); err != nil {
				t.Fatal(err)
			}
			end := sync.OnceFunc(func() {
				// Asked to end, it waits for ever for a child that the agent is just making.
				tracer.Process.Kill()
				tracer.Wait()
			})
			defer end()
			if err := until("strace is attached", func() (bool, error) {
				raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", agent.cmd.Process.Pid))
				return !strings.Contains(string(raw), "TracerPid:\t0\n"), err
			}); err != nil {
				t.Fatalf("%v %s", err, said.String())
			}
			failed, refused := false, ""
			var kept []string
			for range 10 { // the count is each thread's own
				r, err := w.command("", nil, "zhucun-agent", "put", "visit", "findings=磁盘出错时写的走访", "--data", "a")
				if err != nil {
					t.Fatal(err)
				}
				if failed = r.code != 0; failed {
					refused = r.err
					break
				}
				kept = append(kept, r.out)
			}
			if !failed {
				t.Fatal("no put failed")
			}
			if !strings.Contains(refused, "磁盘在保存时出错") {
				t.Errorf("the person is told %s", refused)
			}
			end()
			w.must(t, "zhucun-agent", "get", "visit", id, "--data", "a")
			var after string
			if err := until("it saves again", func() (bool, error) {
				r, err := w.command("", nil, "zhucun-agent", "put", "visit", "findings=磁盘好了以后写的走访", "--data", "a")
				after = r.out
				return r.code == 0, err
			}); err != nil {
				t.Fatal(err)
			}
			if code, err := agent.stop(); err != nil || code != 0 {
				t.Errorf("the agent ended with %d, %v", code, err)
			}
			delete(w.procs, "a")
			if out := w.must(t, "zhucun-agent", "verify", "--data", "a", "--json"); !strings.Contains(out, `"ok":true`) {
				t.Error(out)
			}
			for _, out := range append(kept, after, fmt.Sprintf(`{"id":"%s"}`, id)) {
				id, _, err := at(out, ".id")
				if err != nil {
					t.Fatal(err)
				}
				w.must(t, "zhucun-agent", "get", "visit", id, "--data", "a")
			}
			w.put(t, "visit", "findings=重新启动以后写的走访", "--data", "a")
		})
	}
}

// A folder that may not be written to: every command says so, and what is in it
// stays.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	id := w.put(t, "visit", "findings=只读以前写的走访", "--data", "a")
	small(t, w.path("disk"), 3<<10)
	if err := os.CopyFS(w.path("disk/a"), os.DirFS(w.path("a"))); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", w.path("disk"), "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"put", "visit", "findings=只读以后写的走访", "--data", "disk/a"},
		{"run", "--listen", "127.0.0.1:0", "--data", "disk/a"},
		{"run", "--listen", "127.0.0.1:0", "--data", "disk/new"},
	} {
		w.refused(t, "", 1, "只读", "read-only", append([]string{"zhucun-agent"}, args...)...)
	}
	if err := syscall.Mount("", w.path("disk"), "", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	w.must(t, "zhucun-agent", "get", "visit", id, "--data", "disk/a")
	w.put(t, "visit", "findings=又能写了以后的走访", "--data", "disk/a")
	w.must(t, "zhucun-agent", "verify", "--data", "disk/a")
}

// Where a backup does not fit, the disk is named that it was to be on: of a copy of the
// database that does not fit, and of a backup for which the copy leaves no room.
func TestBackupDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	t.Cleanup(w.end)
	if err := w.office(false, bamboo, "竹村"); err != nil {
		t.Fatal(err)
	}
	all := w.path("all.zsb")
	w.must(t, "zhucun-server", "backup", all, "--data", "office")
	whole, err := os.Stat(all)
	if err != nil {
		t.Fatal(err)
	}
	database, err := os.Stat(w.path("office/zhucun.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"copy": 64 << 10, "backup": database.Size() + whole.Size()/2} {
		small(t, w.path(name), int(size>>10))
		file := w.path(name + "/a.zsb")
		r, err := w.command("", nil, "zhucun-server", "backup", file, "--data", "office")
		if err != nil || r.code != 1 || len(lines(r.err)) != 1 || !strings.Contains(r.err, "磁盘已满，无法写入 "+file) {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if list, err := os.ReadDir(w.path(name)); err != nil || len(list) != 0 {
			t.Errorf("%s: it leaves %v, %v", name, list, err)
		}
	}
}

// The office's disk is full: laptops are told to come back, and everything
// arrives once there is room.
func TestOfficeDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	small(t, w.path("office"), 16<<10)
	t.Cleanup(w.end)
	if err := w.office(false, bamboo, "竹村"); err != nil {
		t.Fatal(err)
	}
	if err := w.laptop("a", bamboo, "team_member", "李队员"); err != nil {
		t.Fatal(err)
	}
	ballast := fill(t, w.path("office"))
	var input strings.Builder
	for i := range 300 {
		fmt.Fprintf(&input, "{\"findings\":\"第%d条：今天走访，一切都好。\"}\n", i)
	}
	if r, err := w.command(input.String(), nil, "zhucun-agent", "put", "visit", "--data", "a"); err != nil || r.code != 0 {
		t.Fatal(err, r)
	}
	r, err := w.command("", nil, "zhucun-agent", "sync", "--wait", "3s", "--data", "a", "--json")
	if err != nil || r.code != 1 || len(lines(r.err)) != 1 {
		t.Fatal(err, r)
	}
	if !strings.Contains(r.out, `"pending":300`) {
		t.Errorf("not all of it is pending: %s", r.out)
	}
	if log, err := os.ReadFile(w.path("office.err")); err != nil || !strings.Contains(string(log), "请腾出空间后再试") {
		t.Errorf("the server's log does not say what to do: %s, %v", log, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := until("the server takes it", func() (bool, error) {
		r, err := w.command("", nil, "zhucun-agent", "sync", "--wait", "10s", "--data", "a")
		return r.code == 0, err
	}); err != nil {
		t.Fatal(err)
	}
	if out := w.must(t, "zhucun-server", "list", "visit", "--data", "office", "--json"); len(lines(out)) != 300 {
		t.Errorf("the office has %d visits, want 300", len(lines(out)))
	}
	w.must(t, "zhucun-server", "verify", "--data", "office")
}
