package cli

import "syscall"

// noDumps keeps what is in memory, the key among it, from being written to a disk
// when the program crashes, and from other programs of this user.
func noDumps() {
	// Either may be refused in a container; the other holds then.
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
}
