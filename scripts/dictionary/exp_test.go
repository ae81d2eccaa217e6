package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"zhucun/scripts/dataset"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

func zstd19(b []byte) int {
	c := exec.Command("zstd", "-19", "-c", "--no-progress", "-q")
	c.Stdin = bytes.NewReader(b)
	out, err := c.Output()
	if err != nil {
		panic(err)
	}
	return len(out)
}

func TestExp(t *testing.T) {
	var recs []dataset.Record
	hh := map[string]bool{}
	nv := 0
	dataset.Walk(dataset.Options{Changes: -1}, dataset.Sink{Record: func(r dataset.Record) error {
		switch r.Type {
		case "household":
			if len(hh) < 1000 {
				hh[r.ID] = true
				recs = append(recs, r)
			}
		case "visit":
			if hh[r.Fields.Text("household")] && nv < 10000 {
				nv++
				recs = append(recs, r)
			}
		}
		return nil
	}})
	var js bytes.Buffer
	l := dataset.NewLines(&js)
	for _, r := range recs {
		l.Write(r)
	}
	l.Flush()
	base := zstd19(js.Bytes())
	fmt.Printf("%d records (%d visits), JSON %d, zstd -19 %d\n", len(recs), nv, js.Len(), base)
	os.WriteFile("/tmp/zexp/lines.jsonl", js.Bytes(), 0o666)

	by := map[string][]record.Change{}
	var order []string
	n := 0
	for _, r := range recs {
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
	m := wire.Sync{Version: 1, Agent: "0.1"}
	segs := 0
	for i, v := range order {
		lap := newLaptop(uint64(i), record.Village(v))
		p := wire.Push{Village: record.Village(v)}
		for cs := by[v]; len(cs) > 0; {
			k := min(1024, len(cs))
			p.Segments = append(p.Segments, lap.segment(cs[:k]...).Encode())
			cs = cs[k:]
			segs++
		}
		m.Villages = append(m.Villages, p)
	}
	raw := 0
	for _, v := range m.Villages {
		for _, s := range v.Segments {
			raw += len(s)
		}
	}
	fmt.Printf("%d villages, %d segments, raw %d\n", len(order), segs, raw)
	for _, e := range []wire.Effort{wire.Quick, wire.Thrifty} {
		st := time.Now()
		b, err := wire.Encode(&m, e)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("effort %d: %d  ratio %.4f  %v\n", e, len(b), float64(len(b))/float64(base), time.Since(st))
	}
	var all []byte
	for _, v := range m.Villages {
		for _, s := range v.Segments {
			all = append(all, s...)
		}
	}
	os.WriteFile("/tmp/zexp/segs.bin", all, 0o666)
	fmt.Printf("zstd -19 of segments: %d ratio %.4f\n", zstd19(all), float64(zstd19(all))/float64(base))
	for _, lv := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		for _, w := range []int{1 << 20, 2 << 20, 4 << 20, 8 << 20} {
			enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(lv), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(w))
			st := time.Now()
			o := enc.EncodeAll(all, nil)
			d := time.Since(st)
			oj := enc.EncodeAll(js.Bytes(), nil)
			fmt.Printf("%v window %d: %d ratio %.4f %v   (json %.4f)\n", lv, w>>20, len(o), float64(len(o))/float64(base), d, float64(len(oj))/float64(base))
		}
	}
}
