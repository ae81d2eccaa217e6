package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"zhucun/scripts/dataset"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

func loadLines() []dataset.Record {
	f, _ := os.Open("/tmp/zexp/lines.jsonl")
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	var out []dataset.Record
	for sc.Scan() {
		var r struct {
			Village, Type, ID string
			Fields            map[string]any
		}
		json.Unmarshal(sc.Bytes(), &r)
		d := dataset.Record{Village: r.Village, Type: r.Type, ID: r.ID}
		for k, v := range r.Fields {
			d.Fields = append(d.Fields, dataset.Field{Name: k, Value: v})
		}
		out = append(out, d)
	}
	return out
}

func uploadSegments(t testing.TB, recs []dataset.Record) (order []string, segs map[string][][]byte) {
	by := map[string][]record.Change{}
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
	segs = map[string][][]byte{}
	for i, v := range order {
		lap := newLaptop(uint64(i), record.Village(v))
		for cs := by[v]; len(cs) > 0; {
			k := min(1024, len(cs))
			segs[v] = append(segs[v], lap.segment(cs[:k]...).Encode())
			cs = cs[k:]
		}
	}
	return
}

func TestCols(t *testing.T) {
	order, segs := uploadSegments(t, loadLines())
	cols := map[string][]byte{}
	for _, v := range order {
		for _, s := range segs[v] {
			var m map[uint64]cbor.RawMessage
			if err := cbor.Unmarshal(s, &m); err != nil {
				t.Fatal(err)
			}
			var paths []string
			cbor.Unmarshal(m[8], &paths)
			for k, b := range m {
				if k == 18 {
					var vs []cbor.RawMessage
					cbor.Unmarshal(b, &vs)
					for i, x := range vs {
						n := "18." + paths[i]
						cols[n] = append(cols[n], x...)
					}
					continue
				}
				n := fmt.Sprintf("%02d", k)
				cols[n] = append(cols[n], b...)
			}
		}
	}
	var names []string
	for n := range cols {
		names = append(names, n)
	}
	size := map[string]int{}
	tot := 0
	for _, n := range names {
		size[n] = zstd19(cols[n])
		tot += size[n]
	}
	sort.Slice(names, func(i, j int) bool { return size[names[i]] > size[names[j]] })
	for _, n := range names[:45] {
		fmt.Println(size[n], len(cols[n]), n)
	}
	fmt.Println(tot)
}
