//go:build unix

package sqlite

import (
	"syscall"
	"testing"

	"zhucun/server/store/storetest"
)

// cpu is the processor time of this process, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func BenchmarkTake1000(b *testing.B) { storetest.BenchmarkTake(b, open, 1000, cpu) }
func BenchmarkTake50(b *testing.B)   { storetest.BenchmarkTake(b, open, 50, cpu) }
