package syncclient

import "golang.org/x/sys/windows"

// room tells how much of the disk of a folder is free for the agent, and how large it is.
func room(dir string) (free, all uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, &all, nil)
	}
	return free, all, err
}
