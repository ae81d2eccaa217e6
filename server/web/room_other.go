//go:build !windows

package web

import "golang.org/x/sys/unix"

// Room tells how much of the disk of a folder is free for the server, and how large it is.
func Room(dir string) (free, all uint64, err error) {
	var s unix.Statfs_t
	err = unix.Statfs(dir, &s)
	return uint64(s.Bavail) * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), err
}
