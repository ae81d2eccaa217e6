package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"zhucun/agent/store"
)

// A store that was not closed by this machine, or touched since, is inspected
// before it is opened: some damage makes a writer overwrite what was saved, some
// ends whoever reads it, some never lets him end. So that is done by a process of
// its own, with a limit on its time.

// inspectWord begins the words by which this program is the inspector.
const inspectWord = "inspect-store"

// inspectTime is the longest that an inspection may take: some seconds, and as
// much as a slow disk needs to read the file.
func inspectTime(dir string) time.Duration {
	const slow = 4 << 20 // bytes a second
	limit := 10 * time.Second
	if info, err := os.Stat(filepath.Join(dir, storeFile)); err == nil {
		limit += time.Duration(info.Size()/slow) * time.Second
	}
	return limit
}

// The inspector's exit statuses, beside 0 for a sound store.
const (
	inspectDamaged = 1
	inspectCrashed = 2 // Go's own
	inspectInUse   = 3
	inspectFailed  = 4
)

// inspectMemory is how much the inspector may take: a page costs it some hundred
// bytes, and a wrong number in one may send it through pages without end.
const inspectMemory = 256 << 20

// inspect is the inspector. It ends by itself, also when whoever started it is no
// longer there to end it.
func inspect(dir string) int {
	time.AfterFunc(inspectTime(dir), func() { os.Exit(inspectDamaged) })
	go func() {
		var m runtime.MemStats
		for range time.Tick(20 * time.Millisecond) {
			if runtime.ReadMemStats(&m); m.HeapAlloc > inspectMemory {
				fmt.Fprintln(os.Stderr, store.ErrDamaged.Error()+": reading it takes ever more memory")
				os.Exit(inspectDamaged)
			}
		}
	}()
	switch err := store.Inspect(dir); {
	case err == nil, errors.Is(err, os.ErrNotExist):
		return 0
	case errors.Is(err, store.ErrInUse):
		return inspectInUse
	case !errors.Is(err, store.ErrDamaged):
		fmt.Fprintln(os.Stderr, err)
		return inspectFailed
	default:
		fmt.Fprintln(os.Stderr, err)
		return inspectDamaged
	}
}

// sound has the store inspected where that is called for. The error is
// store.ErrDamaged, store.ErrInUse, store.ErrClosed where ctx ended, or
// store.ErrUnchecked where something else ended the inspector.
func (c *call) sound(ctx context.Context) error {
	if !c.inspects && store.Untouched(c.data, settings()) {
		return nil
	}
	return c.inspection(ctx)
}

// inspection has the store inspected.
func (c *call) inspection(ctx context.Context) error {
	if !c.inspector {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil // then it is opened uninspected, as ever
	}
	limited, cancel := context.WithTimeout(ctx, inspectTime(c.data))
	defer cancel()
	cmd := exec.CommandContext(limited, program, inspectWord, c.data)
	cmd.Args[0] = "zhucun-agent"
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return store.ErrClosed
	case limited.Err() != nil:
		return fmt.Errorf("%w: reading it does not end", store.ErrDamaged)
	case !errors.As(err, &exit):
		return nil
	case exit.ExitCode() == inspectInUse:
		return store.ErrInUse
	}
	first, _, _ := bytes.Cut(bytes.TrimPrefix(said, []byte(store.ErrDamaged.Error()+": ")), []byte("\n"))
	switch exit.ExitCode() {
	case inspectDamaged, inspectCrashed:
		return fmt.Errorf("%w: %s", store.ErrDamaged, first)
	case inspectFailed:
		return fmt.Errorf("%w: %s", store.ErrUnchecked, first)
	}
	// Whoever was short of memory, or stops everything, may have ended it.
	return fmt.Errorf("%w: %s", store.ErrUnchecked, exit)
}
