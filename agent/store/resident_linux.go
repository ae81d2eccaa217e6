package store

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// release drops the pages of a read-only file mapping from the process; they
// are read again when they are needed. A failure changes nothing.
func release(address, size uintptr) {
	syscall.Syscall(syscall.SYS_MADVISE, address, size, syscall.MADV_DONTNEED)
}

// resident is how many bytes of files the process has in memory, its own program among
// them; 0 where that cannot be told.
func resident() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if fields := bytes.Fields(raw); err == nil && len(fields) > 2 {
		if n, err := strconv.ParseInt(string(fields[2]), 10, 64); err == nil {
			return n * int64(os.Getpagesize())
		}
	}
	return 0
}

// forget lets the system let go of what it keeps of a file, so that what is read next
// is what the disk has. A failure changes nothing.
func forget(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
