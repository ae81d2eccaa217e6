package web

import "golang.org/x/sys/windows"

// Room tells how much of the disk of a folder is free for the server, and how large it is.
func Room(dir string) (free, all uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, &all, nil)
	}
	return free, all, err
}
