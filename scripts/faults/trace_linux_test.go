package faults

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zhucun/scripts/rig"
)

// calls are the system calls by which the two programs touch a disk.
var calls = []string{"write", "pwrite64", "fsync", "fdatasync", "renameat", "linkat", "unlinkat", "ftruncate", "openat"}

// fault is what a tracer does to one program: at the when-th call of this kind
// of whichever thread comes to it first, what.
type fault struct {
	call string
	when int
	what string // as strace has it: signal=KILL, error=EIO, retval=0
}

func (f fault) String() string { return fmt.Sprintf("%s %d: %s", f.call, f.when, f.what) }

// flags are the tracer's.
func (f fault) flags() []string {
	return []string{"-e", "trace=" + f.call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", f.call, f.what, f.when)}
}

// trace is a tracer's command line, which writes to the file what it saw.
func trace(file string, flags ...string) []string {
	return append([]string{"strace", "-f", "-q", "-o", file, "-e", "signal=KILL"}, flags...)
}

// strike has a copy of the program meet the fault: whatever it does from now on
// is traced. struck tells afterwards whether it met it.
func strike(p rig.Program, f fault) (_ *rig.Program, struck func() (bool, error)) {
	file := filepath.Join(filepath.Dir(p.Data), "trace-"+filepath.Base(p.Data))
	p.Through = append(trace(file, f.flags()...), "-E", "GODEBUG=asyncpreemptoff=1")
	return &p, func() (bool, error) { return met(file) }
}

// met tells by what the tracer wrote whether the fault came about.
func met(file string) (bool, error) {
	raw, err := os.ReadFile(file)
	return bytes.Contains(raw, []byte("killed by SIGKILL")) || bytes.Contains(raw, []byte("(INJECTED)")), err
}

// tracer strikes a program that runs already.
type tracer struct {
	cmd  *exec.Cmd
	file string
}

// attach begins to trace the running program.
func attach(t *testing.T, p *rig.Program, flags ...string) *tracer {
	t.Helper()
	tr := &tracer{file: filepath.Join(filepath.Dir(p.Data), "trace-"+filepath.Base(p.Data))}
	args := append(trace(tr.file, flags...), "-p", fmt.Sprint(p.PID()))
	tr.cmd = exec.Command(args[0], args[1:]...)
	tr.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	tr.cmd.Stderr = &said
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		all := len(threads) > 0
		for _, name := range threads {
			raw, err := os.ReadFile(name)
			all = all && (err != nil || !strings.Contains(string(raw), "TracerPid:\t0\n"))
		}
		if all {
			return tr
		}
		if time.Now().After(end) {
			tr.end()
			t.Fatalf("strace is not attached: %s", said.String())
		}
	}
}

// end lets the program go, and tells whether it met the fault.
func (tr *tracer) end() (bool, error) {
	tr.cmd.Process.Signal(syscall.SIGTERM)
	tr.cmd.Wait()
	return met(tr.file)
}
