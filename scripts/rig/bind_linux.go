package rig

import (
	"os/exec"
	"syscall"
)

// bind puts a program out of Ctrl-C's reach, so that it is stopped in its turn,
// and has it end when this one does, however that comes about.
func bind(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
