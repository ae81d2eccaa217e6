package pinyin

import (
	_ "embed"
	"encoding/binary"
	"iter"
	"sort"
	"strings"
	"sync"
)

// table has how characters are read, made by scripts/pinyin, which says how it is written.
//
//go:embed readings.bin
var table string

const firstRead, lastRead = 0x3400, 0x9fff

// reader finds its way in the table: most of it is never brought into memory.
type reader struct {
	syllables []string
	sets      []uint32 // where in the table each set begins
	places    int      // where the characters from firstRead on begin
	others    int      // and the others
	n         int      // how many of those
}

var theReader = sync.OnceValue(func() *reader {
	line, _, _ := strings.Cut(table, "\n")
	r := &reader{syllables: strings.Split(line, " ")}
	at := len(line) + 1
	sets := int(number(at))
	at += 2
	for range sets {
		r.sets = append(r.sets, uint32(at))
		at += 1 + 2*int(table[at])
	}
	r.places = at
	at += 2 * (lastRead - firstRead + 1)
	r.n, r.others = int(number(at)), at+2
	return r
})

func number(at int) uint16 { return uint16(table[at])<<8 | uint16(table[at+1]) }

// Readings gives how a character may be read, the usual way first; nothing for one that
// is not read.
func Readings(c rune) iter.Seq[string] {
	return func(yield func(string) bool) {
		if c < firstRead {
			return
		}
		r := theReader()
		set := 0
		if c <= lastRead {
			set = int(number(r.places + 2*int(c-firstRead)))
		} else {
			char := func(i int) rune { return rune(binary.BigEndian.Uint32([]byte(table[r.others+6*i : r.others+6*i+4]))) }
			if i := sort.Search(r.n, func(i int) bool { return char(i) >= c }); i < r.n && char(i) == c {
				set = int(number(r.others + 6*i + 4))
			}
		}
		if set == 0 {
			return
		}
		at := int(r.sets[set-1])
		for i := range int(table[at]) {
			if !yield(r.syllables[number(at+1+2*i)]) {
				return
			}
		}
	}
}
