package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

var top = []rune("，。、；：？！（）“”的一了不在有人是到来年月日家村户组元上下大小里个子老要没他这")

func filt(src []byte, single map[rune]byte) []byte {
	var out []byte
	code := func(b []byte) (n int, c []byte) {
		if b[0] < 0x80 {
			return 1, b[:1]
		}
		r, k := utf8.DecodeRune(b)
		if k == 3 {
			if x, ok := single[r]; ok {
				return 3, []byte{x}
			}
			if r >= 0x4e00 && r <= 0x9fff {
				return 3, []byte{byte(0x80 + (r-0x4e00)>>8), byte(r)}
			}
		}
		return 0, nil
	}
	// good tells that text begins here
	good := func(b []byte) bool {
		ascii, cjk := 0, 0
		for len(b) > 0 && ascii < 8 && cjk < 2 {
			n, _ := code(b)
			if n == 0 {
				return false
			}
			if n == 3 {
				cjk++
			} else {
				ascii++
			}
			b = b[n:]
		}
		return true
	}
	for len(src) > 0 {
		if n, c := code(src); n > 0 {
			out = append(out, c...)
			src = src[n:]
			continue
		}
		n := 1
		for n < len(src) && !good(src[n:]) {
			n++
		}
		if n == 1 {
			out = append(out, 0xfe, src[0])
		} else {
			out = append(out, 0xff)
			out = binary.AppendUvarint(out, uint64(n))
			out = append(out, src[:n]...)
		}
		src = src[n:]
	}
	return out
}

func TestFilt(t *testing.T) {
	all, _ := os.ReadFile("/tmp/zexp/segs.bin")
	base := 2035018.0
	for _, k := range []int{0, len(top)} {
		single := map[rune]byte{}
		for i, r := range top[:k] {
			single[r] = byte(0xd2 + i)
		}
		f := filt(all, single)
		fmt.Printf("singles %d: %d -> %d, zstd19 %.4f\n", len(single), len(all), len(f), float64(zstd19(f))/base)
		for _, lv := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
			for _, w := range []int{512 << 10, 1 << 20, 2 << 20, 4 << 20} {
				enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(lv), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(w))
				st := time.Now()
				o := enc.EncodeAll(f, nil)
				fmt.Printf("%v window %dK: %d ratio %.4f %v\n", lv, w>>10, len(o), float64(len(o))/float64(base), time.Since(st))
			}
		}
	}
}
