package store

import "syscall"

// release drops the pages of a read-only file mapping from the process; they
// are read again when they are needed. A failure changes nothing.
func release(address, size uintptr) {
	syscall.Syscall(syscall.SYS_MADVISE, address, size, syscall.MADV_DONTNEED)
}
