//go:build unix

package drive

import "golang.org/x/sys/unix"

// Free gives how many bytes are free for this user on the disk that a folder is on.
func Free(folder string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
