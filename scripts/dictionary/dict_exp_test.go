package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"
	"zhucun/scripts/dataset"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/wire"
)

var det, _ = cbor.CoreDetEncOptions().EncMode()

func notesX(t testing.TB) []exchange {
	b, _ := os.ReadFile("testdata/notes.txt")
	var out []exchange
	for i, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		p := strings.Split(l, "|")
		x, err := newExchange(uint64(77777+i), note(i, p[0], p[1], p[2]), merge.Writer{Author: "吴同志", Role: identity.TeamMember}, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

func enc(filter bool, m any) []byte {
	if filter {
		b, _ := wire.Plain(m)
		return b
	}
	b, _ := det.Marshal(m)
	return b
}

func TestDict(t *testing.T) {
	train := dataset.Generate(dataset.Options{Seed: 20170523, Villages: 40, Households: 800, Visits: 4000, Changes: 2000})
	test := dataset.Generate(dataset.Options{Visits: 4000})
	ex := func(d *dataset.Data, typ string, n int, ed bool, seed uint64) []exchange {
		x, err := exchanges(d, typ, n, ed, seed)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	tv := ex(test, "visit", 200, false, 1)
	te := ex(test, "visit", 100, true, 1)
	own := notesX(t)
	visits := ex(train, "visit", 1200, false, 2)
	hhs := ex(train, "household", 60, false, 2)
	pers := ex(train, "person", 60, false, 2)
	vch := ex(train, "visit", 60, true, 2)
	hch := ex(train, "household", 60, true, 2)
	old, _ := os.ReadFile("/work/main/shared/wire/dictionary.bin")
	for _, filter := range []bool{false, true} {
		bones := func(n int) []byte {
			var b []byte
			for i := range n {
				for _, g := range [][]exchange{pers, hhs, hch, vch, visits} {
					x := g[i]
					for _, m := range []any{x.receipt, x.page, x.request} {
						b = append(b, enc(filter, m)...)
					}
				}
			}
			return b
		}
		var prose []byte
		for _, r := range train.Records {
			if r.Type == "visit" {
				m := enc(filter, r.Fields.Text("findings")+r.Fields.Text("needs")+r.Fields.Text("promised"))
				prose = append(prose, m[2:]...)
			}
		}
		var samples [][]byte
		for i, g := range [][]exchange{visits, hhs, pers, vch, hch} {
			for j, x := range g {
				samples = append(samples, enc(filter, x.request))
				if i > 0 || j%10 == 0 {
					samples = append(samples, enc(filter, x.page), enc(filter, x.receipt))
				}
			}
		}
		raw := map[string][]byte{}
		if !filter {
			raw["old"] = old
		}
		for _, kb := range []int{16, 32, 64, 112} {
			bo := bones(2)
			n := kb<<10 - len(bo)
			raw[fmt.Sprintf("raw%d", kb)] = append(bytes.Clone(prose[:max(n, 0)]), bo[:min(len(bo), kb<<10)]...)
			for _, hb := range []int{6} {
				d, err := dict.BuildRawDict(samples, dict.Options{MaxDictSize: kb << 10, HashBytes: hb, ZstdLevel: zstd.SpeedBetterCompression})
				if err != nil {
					fmt.Println(err)
					continue
				}
				raw[fmt.Sprintf("k%dh%d", kb, hb)] = d
				// hybrid: covers first, bones at end
				d2, err := dict.BuildRawDict(samples, dict.Options{MaxDictSize: kb<<10 - len(bo)/2, HashBytes: hb})
				if err == nil {
					raw[fmt.Sprintf("k+b%dh%d", kb, hb)] = append(bytes.Clone(d2), bones(1)...)
				}
			}
		}
		for name, c := range raw {
			for _, trained := range []bool{false, true} {
				for _, lv := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
					var opt zstd.EOption = zstd.WithEncoderDictRaw(7, c)
					if trained {
						d, err := zstd.BuildDict(zstd.BuildDictOptions{ID: 7, Contents: samples[:min(len(samples), 600)], History: c, Offsets: [3]int{1, 4, 8}, Level: lv})
						if err != nil {
							fmt.Println(name, err)
							continue
						}
						opt = zstd.WithEncoderDict(d)
					}
					e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(lv), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), opt, zstd.WithWindowSize(256<<10))
					if err != nil {
						fmt.Println(name, err)
						continue
					}
					mean := func(xs []exchange, f func(exchange) any) float64 {
						n := 0
						for _, x := range xs {
							n += len(e.EncodeAll(enc(filter, f(x)), nil))
						}
						return float64(n) / float64(len(xs))
					}
					req := func(x exchange) any { return x.request }
					page := func(x exchange) any { return x.page }
					rec := func(x exchange) any { return x.receipt }
					fmt.Printf("filter=%v %-9s trained=%v %-8v request %.0f edit %.0f page %.0f receipt %.0f | notes %.0f page %.0f\n", filter, name, trained, lv,
						mean(tv, req), mean(te, req), mean(tv, page), mean(tv, rec), mean(own, req), mean(own, page))
				}
			}
		}
	}
}
