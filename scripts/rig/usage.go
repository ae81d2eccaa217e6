package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory is what a process has in memory, in bytes.
type Memory struct {
	Resident int64 `json:"resident"` // now
	Peak     int64 `json:"peak"`     // the most there was since the start or ClearPeak
	Own      int64 `json:"own"`      // of Resident what is not a file's pages, such as the database's
}

// Memory reads what the running program has in memory, from /proc.
func (p *Program) Memory() (Memory, error) {
	var m Memory
	raw, err := p.proc("status")
	if err != nil {
		return m, err
	}
	for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		to := map[string]*int64{"VmRSS": &m.Resident, "VmHWM": &m.Peak, "RssAnon": &m.Own}[name]
		if to == nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return m, fmt.Errorf("read %s of process %d: %w", name, p.running.Process.Pid, err)
		}
		*to = n << 10
	}
	return m, nil
}

// ClearPeak makes Memory's Peak begin anew.
func (p *Program) ClearPeak() error {
	if !p.Running() {
		return os.ErrProcessDone
	}
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.running.Process.Pid), []byte("5"), 0)
}

// tick is the kernel's unit of CPU time on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU is the time that the running program has computed so far, its own, the
// kernel's for it, and that of its children that have ended.
func (p *Program) CPU() (time.Duration, error) {
	raw, err := p.proc("stat")
	if err != nil {
		return 0, err
	}
	// After the name, which is in brackets and may hold anything; utime, stime and
	// the children's are the 12th to 15th there.
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(f) < 15 {
		return 0, fmt.Errorf("/proc stat has %d fields", len(f))
	}
	var sum time.Duration
	for _, s := range f[11:15] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

func (p *Program) proc(name string) ([]byte, error) {
	if !p.Running() {
		return nil, os.ErrProcessDone
	}
	return os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.running.Process.Pid, name))
}
