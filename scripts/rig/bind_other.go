//go:build !linux

package rig

import "os/exec"

// bind leaves a program where Ctrl-C reaches it too.
func bind(*exec.Cmd) {}
