package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"zhucun/scripts/dataset"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// The command makes what is built in.
func TestDictionaryIsReproducible(t *testing.T) {
	for name, build := range map[string]func() ([]byte, error){"dictionary.bin": build, "bones.bin": buildBones} {
		want, err := os.ReadFile("../../shared/pack/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := build()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the command makes %x, there is %x", name, sha256.Sum256(got), sha256.Sum256(want))
		}
	}
}

// written are visits in words that no generator has: what people write.
func written(t *testing.T) []exchange {
	t.Helper()
	b, err := os.ReadFile("testdata/notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []exchange
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		parts := strings.Split(line, "|")
		if len(parts) != 3 {
			t.Fatalf("notes.txt line %d: want findings|needs|promised", i+1)
		}
		x, err := newExchange(7<<32|uint64(i), note(i, parts[0], parts[1], parts[2]), merge.Writer{Author: "吴同志", Role: identity.TeamMember}, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// Each row is what travels for one record, and the most bytes that it may take
// on the mean of the sample, without the headers of HTTP: between two of this release,
// and where one of them is of an earlier.
func TestSizes(t *testing.T) {
	d := dataset.Generate(dataset.Options{Visits: 4000})
	made := func(typ string, n int, edited bool) []exchange {
		xs, err := exchanges(d, typ, n, edited, 1)
		if err != nil {
			t.Fatal(err)
		}
		return xs
	}
	encoded := func(m *wire.Sync, reads uint64, e wire.Effort) ([]byte, *wire.Sync, error) {
		m.Reads = reads
		b, err := wire.EncodeSync(m, e)
		return b[8:], m, err // without the clock
	}
	request := func(x exchange) ([]byte, error) {
		b, _, err := encoded(x.request, wire.ReadsMixed, wire.Mixed)
		return b, err
	}
	answered := func(b []byte, m *wire.Synced) ([]byte, error) {
		asked, _, err := wire.UnmarshalSync(append(make([]byte, 8), b...), wire.MaxUnpacked, nil)
		if err != nil {
			return nil, err
		}
		return wire.Answer(asked, m, false)
	}
	receipt := func(x exchange) ([]byte, error) {
		b, err := request(x)
		if err != nil {
			return nil, err
		}
		return answered(b, x.receipt)
	}
	page := func(x exchange) ([]byte, error) {
		b, _, err := encoded(x.poll(), wire.ReadsMixed, wire.Mixed)
		if err != nil {
			return nil, err
		}
		return answered(b, x.page)
	}
	oldRequest := func(x exchange) ([]byte, error) {
		b, _, err := encoded(x.request, 0, wire.Thrifty)
		return b, err
	}
	oldAnswer := func(x exchange) ([]byte, error) { return wire.Encode(x.receipt, wire.Quick) }
	oldPage := func(x exchange) ([]byte, error) { return wire.Encode(x.page, wire.Quick) }
	visits := made("visit", 200, false)
	tests := []struct {
		name string
		xs   []exchange
		pack func(exchange) ([]byte, error)
		most int
	}{
		{"a visit up", visits, request, 440},
		{"its receipt", visits, receipt, 106},
		{"a visit down", visits, page, 380},
		{"a visit changed, up", made("visit", 100, true), request, 245},
		{"a household up", made("household", 200, false), request, 252},
		{"a person up", made("person", 200, false), request, 245},
		{"a visit that a person wrote, up", written(t), request, 340},
		{"a visit that a person wrote, down", written(t), page, 276},
		{"earlier: a visit up", visits, oldRequest, 640},
		{"earlier: its receipt", visits, oldAnswer, 170},
		{"earlier: a visit down", visits, oldPage, 610},
		{"earlier: a visit that a person wrote, up", written(t), oldRequest, 460},
	}
	for _, tt := range tests {
		sum := 0
		for _, x := range tt.xs {
			b, err := tt.pack(x)
			if err != nil {
				t.Fatal(err)
			}
			sum += len(b)
		}
		mean := sum / len(tt.xs)
		t.Logf("%s: %d bytes", tt.name, mean)
		if mean > tt.most {
			t.Errorf("%s takes %d bytes on the mean of %d, at most %d wanted", tt.name, mean, len(tt.xs), tt.most)
		}
	}
}

// Of the lines of firstRecords, zstd 1.5.4 -19 makes packed bytes.
const lines, packed = "7b7d5e71853e3df1d304b0ad1a589bae8c1efebb46ee7f625f35a6908f1ba462", 2_035_018

// firstRecords gives the changes of a laptop's first upload: a thousand households and
// ten thousand visits.
func firstRecords(t *testing.T) (villages []string, byVillage map[string][]record.Change) {
	t.Helper()
	sum := sha256.New()
	w := dataset.NewLines(sum)
	byVillage = map[string][]record.Change{}
	households, visits, n := map[string]bool{}, 0, int64(0)
	err := dataset.Walk(dataset.Options{Changes: -1}, dataset.Sink{Record: func(r dataset.Record) error {
		switch {
		case r.Type == "household" && len(households) < 1000:
			households[r.ID] = true
		case r.Type == "visit" && households[r.Fields.Text("household")] && visits < 10_000:
			visits++
		default:
			return nil
		}
		// An import saves some ten records a millisecond.
		c, err := entered(r, merge.Writer{Author: "王队员", Role: identity.TeamMember}, clock.At0(1_490_000_000_000+n/10)+clock.Time(n%10), "import")
		if err != nil {
			return err
		}
		n++
		if byVillage[r.Village] == nil {
			villages = append(villages, r.Village)
		}
		byVillage[r.Village] = append(byVillage[r.Village], c)
		return w.Write(r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != lines || len(households) != 1000 || visits != 10_000 {
		t.Fatalf("the records are others than were measured: %s, %d households, %d visits", got, len(households), visits)
	}
	return villages, byVillage
}

// A laptop's first upload takes little more than the same records as JSON lines packed
// by zstd -19, although every entry is chained and every segment signed.
func TestFirstUpload(t *testing.T) {
	villages, byVillage := firstRecords(t)
	// A request for each thousand entries: .84 in requests of 2048, 1.01 of 512.
	size, requests := 0, 0
	for i, v := range villages {
		l := newLaptop(uint64(i), record.Village(v))
		for cs := range slices.Chunk(byVillage[v], 1024) {
			m := wire.Sync{Version: wire.Version, Villages: []wire.Push{{Village: l.village, Segments: [][]byte{l.segment(cs...).Encode()}}}}
			b, err := wire.Encode(&m, wire.Thrifty)
			if err != nil {
				t.Fatal(err)
			}
			size += len(b)
			requests++
		}
	}
	ratio := float64(size) / packed
	t.Logf("%d requests: %d bytes, %.3f of zstd -19", requests, size, ratio)
	if ratio > 0.95 {
		t.Errorf("a first upload takes %.3f of zstd -19 of the same records, at most .95 wanted", ratio)
	}
}

// An empty laptop takes the same records in pages of a megabyte for no more.
func TestFirstPages(t *testing.T) {
	villages, byVillage := firstRecords(t)
	size, pages := 0, 0
	answer := func(p wire.Pull) {
		m := &wire.Synced{Version: wire.Version, Time: 1_490_000_000_000, Villages: []wire.Pull{p}}
		m.LayOut(wire.ReadsColumns)
		b, err := wire.Encode(m, wire.Quick)
		if err != nil {
			t.Fatal(err)
		}
		size += len(b)
		pages++
	}
	for i, v := range villages {
		l := newLaptop(uint64(i), record.Village(v))
		page, room := wire.Pull{Village: l.village}, 1<<20
		for _, c := range byVillage[v] {
			before := merge.Frontier{l.stream: l.head.Seq}
			l.head.Seq++
			state := merge.Apply(merge.State{}, before, l.applied(c), c.Body).Encode()
			if room -= len(state); room < 0 {
				answer(page)
				page.Records, room = nil, 1<<20-len(state)
			}
			page.Records = append(page.Records, wire.State{ID: c.Record, Type: c.Type, State: state})
		}
		answer(page)
	}
	ratio := float64(size) / packed
	t.Logf("%d pages: %d bytes, %.3f of zstd -19", pages, size, ratio)
	if ratio > 0.87 {
		t.Errorf("an empty laptop takes %.3f of zstd -19 of the same records, at most .87 wanted", ratio)
	}
}
