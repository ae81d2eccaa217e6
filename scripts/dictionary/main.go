// Command dictionary builds what both sides of a sync have before the first
// message: the dictionary, shared/pack/dictionary.bin, and the bones of messages,
// shared/pack/bones.bin.
//
//	go run ./scripts/dictionary [-o FOLDER]
//
// The same sources give the same bytes. A new dictionary is a new release of
// the messages: agents that have the old one cannot read what is packed with the
// new, which is why a test in shared/wire knows its hash. Do it only where
// TestSizes shows that it pays.
//
// It is made of a data set that is no other's (its seed is used nowhere else):
// first prose, then whole messages, since what stands nearest to the end is
// cheapest to point at. Words of this generator are of no use to what people
// write; what helps them are the bones of the messages, and how often which
// character occurs.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"zhucun/scripts/dataset"
	"zhucun/shared/wire"
)

func main() {
	out := flag.String("o", "shared/pack", "where to write them")
	flag.Parse()
	for name, build := range map[string]func() ([]byte, error){"dictionary.bin": build, "bones.bin": buildBones} {
		b, err := build()
		if err == nil {
			err = os.WriteFile(filepath.Join(*out, name), b, 0o666)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "dictionary:", err)
			os.Exit(1)
		}
		fmt.Printf("%s: %d bytes, SHA-256 %x\n", name, len(b), sha256.Sum256(b))
	}
}

// seed of the sample; tests measure with seed 1.
const seed = 20170523

// size of what the dictionary holds beside its tables, in bytes. From 64 to 112
// KB a request about one visit shrinks by another 2%, with notes that people
// wrote by nothing; an agent's encoder holds it twice.
const size = 64 << 10

// sample is what travels.
type sample struct {
	messages [][]byte // one message each
	bones    []byte   // the messages that stand at the dictionary's end
	prose    []byte
}

func build() ([]byte, error) {
	s, err := newSample()
	if err != nil {
		return nil, err
	}
	room := size - len(s.bones)
	if room < 0 || len(s.prose) < room {
		return nil, errors.New("the sample does not fill the dictionary")
	}
	content := append(s.prose[:room:room], s.bones...)
	d, err := zstd.BuildDict(zstd.BuildDictOptions{
		ID: 1 << 15, Contents: s.messages, History: content, Offsets: [3]int{1, 4, 8}, Level: zstd.SpeedBetterCompression,
	})
	if err != nil {
		return nil, fmt.Errorf("build dictionary: %w", err)
	}
	// Numbers below 1<<15 and from 1<<31 are not free (RFC 8878, 6.1).
	sum := sha256.Sum256(d[8:])
	binary.LittleEndian.PutUint32(d[4:], binary.LittleEndian.Uint32(sum[:])&^(1<<31)|1<<15)
	return d, nil
}

func data() *dataset.Data {
	return dataset.Generate(dataset.Options{Seed: seed, Villages: 40, Households: 800, Visits: 4000, Changes: 2000})
}

// buildBones gives messages about single records as they are mixed, visits last: an
// answer behind the request that it is for.
func buildBones() ([]byte, error) {
	d := data()
	var bones []byte
	for _, k := range []struct {
		typ    string
		n      int
		edited bool
	}{{"person", 3, false}, {"household", 5, false}, {"visit", 6, true}, {"visit", 30, false}} {
		xs, err := exchanges(d, k.typ, k.n, k.edited, seed)
		if err != nil {
			return nil, err
		}
		for _, x := range xs {
			x.request.Reads = wire.ReadsMixed
			for _, m := range [][2]any{{x.page, x.poll()}, {x.request, nil}, {x.receipt, x.request}} {
				b, err := wire.Bones(m[0], m[1])
				if err != nil {
					return nil, err
				}
				bones = append(bones, b...)
			}
		}
	}
	return bones, nil
}

func newSample() (*sample, error) {
	d := data()
	var s sample
	// A visit is what mostly travels: there are more of them, and they stand last.
	kinds := []struct {
		typ    string
		n      int
		edited bool
	}{{"person", 30, false}, {"household", 30, false}, {"household", 30, true}, {"visit", 30, true}, {"visit", 400, false}}
	for _, k := range kinds {
		xs, err := exchanges(d, k.typ, k.n, k.edited, seed)
		if err != nil {
			return nil, err
		}
		for i, x := range xs {
			for _, message := range []any{x.receipt, x.page, x.request} {
				b, err := wire.Plain(message)
				if err != nil {
					return nil, err
				}
				s.messages = append(s.messages, b)
				if i < 2 {
					s.bones = append(s.bones, b...)
				}
			}
		}
	}
	for i := 0; len(s.prose) < size; i++ {
		// One visit in ten: forty villages speak, each with its own writers.
		at := i * 10 % len(d.Records)
		r := d.Records[len(d.Records)-1-at]
		if r.Type != "visit" {
			continue
		}
		b, err := wire.Plain(r.Fields.Text("findings") + r.Fields.Text("needs") + r.Fields.Text("promised"))
		if err != nil {
			return nil, err
		}
		s.prose = append(s.prose, b[min(len(b), 3):]...) // without the length before a text
	}
	return &s, nil
}
