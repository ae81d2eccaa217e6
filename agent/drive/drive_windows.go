package drive

import "golang.org/x/sys/windows"

// Roots gives the drives of this machine that are disks, sticks among them.
func Roots() (found []string) {
	bits, err := windows.GetLogicalDrives()
	if err != nil {
		return nil
	}
	for i := range 26 {
		if bits&(1<<i) == 0 || i < 2 { // A: and B: are floppy disks
			continue
		}
		root := string(rune('A'+i)) + `:\`
		name, err := windows.UTF16PtrFromString(root)
		if err != nil {
			continue
		}
		switch windows.GetDriveType(name) {
		case windows.DRIVE_REMOVABLE, windows.DRIVE_FIXED:
			found = append(found, root)
		}
	}
	return found
}

// Free gives how many bytes are free for this user on the disk that a folder is on.
func Free(folder string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}
