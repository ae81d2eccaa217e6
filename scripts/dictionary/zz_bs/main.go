// Command zz_bs is an experiment.
package main

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"zhucun/shared/wire/blocksort"
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
	raw, _ := os.ReadFile(os.Args[1])
	b := hwm()
	var out []byte
	blocksort.Append(nil, raw)
	one := hwm()
	st := time.Now()
	for range 5 {
		out = blocksort.Append(out[:0], raw)
	}
	d := time.Since(st) / 5
	h := hwm()
	st = time.Now()
	x, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(out)))
	if err != nil || !bytes.Equal(x, raw) {
		panic(err)
	}
	fmt.Printf("%s %d -> %d %v rss %d -> %d -> %d  decode %v\n", os.Args[1], len(raw), len(out), d, b, one, h, time.Since(st))
}
