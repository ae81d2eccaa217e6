package store

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// release drops the pages of a read-only file mapping from the process; they
// are read again when they are needed. A failure changes nothing.
func release(address, size uintptr) {
	syscall.Syscall(syscall.SYS_MADVISE, address, size, syscall.MADV_DONTNEED)
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
