package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

func TestFrames(t *testing.T) {
	base := 2035018.0
	by := map[string][]record.Change{}
	var order []string
	n := 0
	for _, r := range loadLines() {
		at := clock.At0(1700000000000+int64(n/10)) + clock.Time(n%10)
		n++
		c, err := entered(r, merge.Writer{"王队员", identity.TeamMember}, at, "import")
		if err != nil {
			t.Fatal(err)
		}
		if by[r.Village] == nil {
			order = append(order, r.Village)
		}
		by[r.Village] = append(by[r.Village], c)
	}
	for _, per := range []int{64, 128, 256, 512, 1024, 2048} {
		var plain, raw [][]byte
		for i, v := range order {
			lap := newLaptop(uint64(i), record.Village(v))
			for cs := by[v]; len(cs) > 0; {
				k := min(per, len(cs))
				m := wire.Sync{Version: 1, Villages: []wire.Push{{Village: record.Village(v)}}}
				for sub := cs[:k]; len(sub) > 0; {
					j := min(1024, len(sub))
					m.Villages[0].Segments = append(m.Villages[0].Segments, lap.segment(sub[:j]...).Encode())
					sub = sub[j:]
				}
				cs = cs[k:]
				p, _ := wire.Plain(&m)
				plain = append(plain, p)
				p, _ = det.Marshal(&m)
				raw = append(raw, p)
			}
		}
		size := 0
		for _, p := range plain {
			size += len(p)
		}
		fmt.Printf("%d entries a request, %d requests, mean plain %d\n", per, len(plain), size/len(plain))
		z := func(name string, in [][]byte, opts ...zstd.EOption) {
			e, err := zstd.NewWriter(nil, append(opts, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(4<<20))...)
			if err != nil {
				t.Fatal(err)
			}
			st := time.Now()
			tot := 0
			for _, b := range in {
				tot += len(e.EncodeAll(b, nil))
			}
			fmt.Printf("   %-22s %.4f %v\n", name, float64(tot)/base, time.Since(st))
		}
		os.MkdirAll(fmt.Sprint("/tmp/zexp/fr/", per), 0o777)
		for i, p := range plain {
			os.WriteFile(fmt.Sprintf("/tmp/zexp/fr/%d/%d.plain", per, i), p, 0o666)
		}
		for i, p := range raw {
			os.WriteFile(fmt.Sprintf("/tmp/zexp/fr/%d/%d.raw", per, i), p, 0o666)
		}
		if true {
			continue
		}
		z("best short", plain, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
		z("best utf8", raw, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
		z("better utf8", raw, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
		z("default utf8", raw, zstd.WithEncoderLevel(zstd.SpeedDefault))
		for _, l := range []int{9, 7, 5} {
			st := time.Now()
			tot := 0
			w, _ := flate.NewWriter(nil, l)
			var o bytes.Buffer
			for _, b := range plain {
				o.Reset()
				w.Reset(&o)
				w.Write(b)
				w.Close()
				tot += o.Len()
			}
			fmt.Printf("   flate %d short          %.4f %v\n", l, float64(tot)/base, time.Since(st))
		}
	}
}
