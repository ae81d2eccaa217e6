package drive

import (
	"path/filepath"
	"strings"
)

// Low tells whether so few bytes are free on a disk that a laptop's work may soon find no
// room: a day's photos, and as much again for what is written anew at a time.
func Low(free uint64) bool { return free < 512<<20 }

// Within gives the drive of Roots that a folder lies on and where in it; ok is false for
// one that is on none of them, such as the system's own.
func Within(folder string) (root, rest string, ok bool) {
	for _, r := range Roots() {
		if rel, err := filepath.Rel(r, folder); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) && len(r) > len(root) {
			root, rest, ok = r, rel, true
		}
	}
	return root, rest, ok
}
