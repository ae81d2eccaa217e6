package drive

import (
	"slices"
	"testing"
)

// Drives are where somebody mounts them, but for those of a network.
func TestMounted(t *testing.T) {
	got := mounted([]byte(`/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
/dev/sdb1 /media/wang/U\040盘 vfat rw 0 0
/dev/sdc1 /run/media/wang/BACKUP exfat rw 0 0
server:/x /mnt/office nfs4 rw 0 0
//server/x /mnt/share cifs rw 0 0
/dev/sdd1 /mnt/disk ext4 rw 0 0
/dev/sda2 /home ext4 rw 0 0
broken
`))
	if want := []string{"/media/wang/U 盘", "/run/media/wang/BACKUP", "/mnt/disk"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFree(t *testing.T) {
	if n, err := Free(t.TempDir()); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := Free("/none/such"); err == nil {
		t.Error("a folder that is not there has room")
	}
}
