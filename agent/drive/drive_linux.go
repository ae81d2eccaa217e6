package drive

import (
	"bufio"
	"bytes"
	"os"
	"strings"
)

// mounts is where the kernel lists what is mounted.
const mounts = "/proc/self/mounts"

// Roots gives where drives are that somebody put in: what is mounted where desktops and
// people mount it.
func Roots() (found []string) {
	raw, err := os.ReadFile(mounts)
	if err != nil {
		return nil
	}
	return mounted(raw)
}

// mounted reads the kernel's list.
func mounted(list []byte) (found []string) {
	for s := bufio.NewScanner(bytes.NewReader(list)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 3 || hangs(f[2]) {
			continue
		}
		at := unescape(f[1])
		for _, where := range []string{"/media/", "/run/media/", "/mnt/"} {
			if strings.HasPrefix(at, where) {
				found = append(found, at)
			}
		}
	}
	return found
}

// hangs tells the file systems that answer over a network, if at all.
func hangs(kind string) bool {
	for _, k := range []string{"nfs", "cifs", "smb", "fuse.sshfs", "9p", "autofs"} {
		if strings.HasPrefix(kind, k) {
			return true
		}
	}
	return false
}

// unescape undoes what the kernel does to a space and the like: \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
