package main

import (
	"os"
	"testing"

	"zhucun/shared/record"
	"zhucun/shared/wire"
)

func TestMemInputs(t *testing.T) {
	order, segs := uploadSegments(t, loadLines())
	one := wire.Sync{Version: 1}
	n := 0
	for _, v := range order {
		p := wire.Push{Village: record.Village(v)}
		for _, s := range segs[v] {
			if n < 3 {
				p.Segments = append(p.Segments, s)
				n++
			}
		}
		if len(p.Segments) > 0 {
			one.Villages = append(one.Villages, p)
		}
	}
	b, _ := wire.Plain(&one)
	os.WriteFile("/tmp/zexp/big.plain", b, 0o666)
	b, _ = det.Marshal(&one)
	os.WriteFile("/tmp/zexp/big.raw", b, 0o666)
	x := notesX(t)[0]
	b, _ = wire.Plain(x.request)
	os.WriteFile("/tmp/zexp/one.plain", b, 0o666)
	var d []byte
	for _, x := range notesX(t) {
		b, _ := wire.Plain(x.page)
		d = append(d, b...)
	}
	for len(d) < 64<<10 {
		d = append(d, d...)
	}
	os.WriteFile("/tmp/zexp/dict", d[:64<<10], 0o666)
}
