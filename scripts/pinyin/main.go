// Command pinyin builds the table of how characters are read by which names are found,
// shared/pinyin/readings.bin:
//
//	go run ./scripts/pinyin [-o FILE]
//
// The readings are the library's, all that it knows of a character, and those below.
// The library itself is not part of the programs: it makes a map of 41,923 characters at
// every start, some megabytes, also of commands that look nobody up.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mozillazg/go-pinyin"
)

func main() {
	out := flag.String("o", "shared/pinyin/readings.bin", "where to write it")
	flag.Parse()
	b := build()
	if err := os.WriteFile(*out, b, 0o666); err != nil {
		fmt.Fprintln(os.Stderr, "pinyin:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d bytes, SHA-256 %x\n", *out, len(b), sha256.Sum256(b))
}

// surnames are readings as a surname that the library does not know.
var surnames = map[rune]string{'黑': "he", '盖': "ge", '逄': "pang", '繁': "po", '褚': "chu", '佴': "nai", '撒': "sa", '长': "zhang", '尉': "yu", '万': "mo", '俟': "qi", '澹': "tan", '单': "chan"}

// From first to last every character has its place, others are listed.
const first, last = 0x3400, 0x9fff

// build writes the syllables as a line of words; then how many sets of readings there
// are, and each with its size and the numbers of its syllables; then for each character
// from first to last the number of its set, counted from 1; then how many others there
// are, and for each itself and the number of its set. Numbers have two bytes, sizes one,
// characters four, all big endian.
func build() []byte {
	sets := map[rune][]string{}
	names := map[string]uint16{}
	for r := range pinyin.PinyinDict {
		one := read(rune(r))
		sets[rune(r)] = one
		for _, s := range one {
			names[s] = 0
		}
	}
	var syllables []string
	for s := range names {
		syllables = append(syllables, s)
	}
	slices.Sort(syllables)
	for i, s := range syllables {
		names[s] = uint16(i)
	}
	var runes []rune
	for r, one := range sets {
		if len(one) > 0 {
			runes = append(runes, r)
		}
	}
	slices.Sort(runes)
	var table []byte
	number := map[string]uint16{}
	of := func(r rune) uint16 {
		one := sets[r]
		if len(one) == 0 {
			return 0
		}
		key := strings.Join(one, " ")
		if number[key] == 0 {
			number[key] = uint16(len(number) + 1)
			table = append(table, byte(len(one)))
			for _, s := range one {
				table = binary.BigEndian.AppendUint16(table, names[s])
			}
		}
		return number[key]
	}
	var places, others []byte
	for r := rune(first); r <= last; r++ {
		places = binary.BigEndian.AppendUint16(places, of(r))
	}
	n := 0
	for _, r := range runes {
		if r < first || r > last {
			others = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(others, uint32(r)), of(r))
			n++
		}
	}
	b := []byte(strings.Join(syllables, " ") + "\n")
	b = binary.BigEndian.AppendUint16(b, uint16(len(number)))
	b = append(append(b, table...), places...)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	return append(b, others...)
}

// read gives the readings of a character, the usual one first. Keyboards have no ü:
// people type v for it, or u.
func read(r rune) []string {
	args := pinyin.Args{Style: pinyin.Normal, Heteronym: true}
	var out []string
	add := func(s string) {
		if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' }) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	all := pinyin.SinglePinyin(r, args)
	if s, known := surnames[r]; known {
		all = append(all, s)
	}
	for _, s := range all {
		add(strings.ReplaceAll(s, "ü", "v"))
		if strings.HasPrefix(s, "lv") || strings.HasPrefix(s, "nv") {
			add(s[:1] + "u" + s[2:])
		}
	}
	return out
}
