//go:build linux || darwin

package syncclient

import (
	"context"
	"os/exec"
	"time"
)

// printed is what a program prints that is to be done in a moment; nothing where there
// is none.
func printed(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
