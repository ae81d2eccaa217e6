package storetest

import (
	"fmt"
	"testing"

	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// BenchmarkTake takes 10,000 visits in segments of n entries, each segment a
// delivery; b reports the CPU seconds, all of the process's, as cpu() gives
// them.
func BenchmarkTake(b *testing.B, open Open, n int, cpu func() float64) {
	const visits = 10000
	for range b.N {
		b.StopTimer()
		w := NewWorld(b, open)
		l := w.Laptop("王队员", identity.TeamMember)
		for i := range visits {
			l.Write(visit(i))
		}
		var segments [][]byte
		for from := 1; from <= visits; from += n {
			segments = append(segments, l.Segment(from, min(from+n-1, visits)))
		}
		b.StartTimer()
		before := cpu()
		for _, s := range segments {
			if taken := l.Send(s); taken.Quarantined > 0 || len(taken.Refused) > 0 {
				b.Fatal(taken)
			}
		}
		b.ReportMetric(cpu()-before, "cpu-s/10k")
		b.StopTimer()
		w.ok(w.Close())
	}
}

// visit is a visit of the usual size, about a kilobyte.
func visit(i int) record.Change {
	id := record.ID{0: 1, 1: 0x5d, 2: byte(i >> 16), 3: byte(i >> 8), 4: byte(i), 6: 0x70, 8: 0x80, 9: byte(i * 7), 10: byte(i * 13), 15: byte(i * 31)}
	text := "老王家今年种了八亩水稻，长势不错，收购价比去年每斤高两毛。儿子在县城打工，每月寄回来一千五百元。房屋后墙有裂缝，已拍照上报，等待鉴定结果。"
	return New("visit", id, map[record.Path]record.Value{
		"household":             record.Text(ID(i % 300).String()),
		"visit_date":            record.Text(fmt.Sprintf("2017-%02d-%02d", i%12+1, i%28+1)),
		"visitors/" + rid(1):    record.True,
		"visitors/" + rid(2):    record.True,
		"visit_mode":            record.Text("home"),
		"visit_result":          record.Text("met"),
		"visit_purpose/routine": record.True,
		"visit_purpose/verify":  record.True,
		"findings":              record.Text(fmt.Sprint(i, text, text)),
		"needs":                 record.Text("希望帮忙联系收购商 " + fmt.Sprint(i)),
		"promised":              record.Text("下周带农技员来看虫害"),
		"follow_up":             record.Text(fmt.Sprintf("2018-%02d-%02d", i%12+1, i%28+1)),
		"knows_team":            record.Text("yes"),
		"knows_measures":        record.Text("yes"),
		"satisfaction":          record.Text("satisfied"),
		"location":              record.Value("[114.212892,29.1]"),
	})
}

func rid(n int) record.Path { return record.Path(ID(n).String()) }
