package store

import (
	"os"
	"path/filepath"
	"runtime/metrics"
	"time"
)

// A wrong number in a damaged page may send bbolt through pages without end, while
// it commits as well: it then takes ever more memory, or never comes back, and
// nothing can make it. Nothing is written by then, so the process may as well end.

const (
	// watched is after how long a commit is looked at; nearly all are over before.
	watched = 200 * time.Millisecond
	// maxGrown is how much the heap may grow during one commit, in bytes: a village's
	// whole page comes to some megabytes.
	maxGrown = 256 << 20
	// maxCommit is the longest that a commit may take, on the slowest disk.
	maxCommit = 10 * time.Minute
)

// watch looks after a commit until it is told that it ended. Where it does not end
// Options.Stuck is called, which does not return.
func (s *Store) watch() (ended func()) {
	if s.opt.Stuck == nil {
		return func() {}
	}
	begun, before := time.Now(), heap()
	done := make(chan struct{})
	late := time.AfterFunc(watched, func() {
		tick := time.NewTicker(watched / 4)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if now := heap(); now > before+maxGrown || time.Since(begun) > maxCommit {
				s.jams()
				return
			}
		}
	})
	return func() {
		late.Stop()
		close(done)
	}
}

// jams ends the process where bbolt cannot be used any more: it does not come back,
// or a panic has left its locks taken, as one does that finds its first pages
// destroyed under it. The file is marked, so that the next start inspects it.
func (s *Store) jams() {
	t := time.Now()
	os.Chtimes(filepath.Join(s.dir, fileName), t, t)
	if s.opt.Stuck != nil {
		s.opt.Stuck()
	}
}

// heap is how much memory is in use or not yet collected, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
