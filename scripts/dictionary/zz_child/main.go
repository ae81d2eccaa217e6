// Command zz_child is an experiment.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

func hwm() int {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmHWM:") {
			n, _ := strconv.Atoi(strings.Fields(l)[1])
			return n
		}
	}
	return 0
}

func main() {
	file, lvl, win, dictf, times, gc, low := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6], os.Args[7]
	g, _ := strconv.Atoi(gc)
	debug.SetGCPercent(g)
	raw, _ := os.ReadFile(file)
	_, level := zstd.EncoderLevelFromString(lvl)
	w, _ := strconv.Atoi(win)
	opts := []zstd.EOption{zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(low == "1"), zstd.WithWindowSize(w)}
	if dictf != "-" {
		d, _ := os.ReadFile(dictf)
		opts = append(opts, zstd.WithEncoderDictRaw(7, d))
	}
	n, _ := strconv.Atoi(times)
	before := hwm()
	e, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		panic(err)
	}
	size := 0
	size = len(e.EncodeAll(raw, nil))
	first := hwm()
	st := time.Now()
	for range n {
		size = len(e.EncodeAll(raw, nil))
	}
	d := time.Since(st) / time.Duration(n)
	fmt.Printf("%-8s win %5dK dict %-5v gc %s low %s: raw %d size %d  %v  rss before %d after one %d after %d: %d KB\n", lvl, w>>10, dictf != "-", gc, low, len(raw), size, d, before, first, n, hwm())
}
