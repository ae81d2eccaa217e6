package finder

import (
	"math/bits"
	"slices"

	"zhucun/shared/pinyin"
)

// likeness is how well a name is what was typed, the best first.
type likeness uint8

const (
	same   likeness = iota // all of it
	begins                 // it begins so
	sounds                 // all of it is read so, or by its initials
	starts                 // it begins to be read so
	inside                 // further on in it
	unlike
)

// speller tells how well names are what was typed: characters for themselves, letters for
// how a character is read, all of it or its first letter (王小明: 王小, wangxiaoming, wxm,
// wangxm, 王xm). What a character may take of it, from where on, is worked out once.
type speller struct {
	typed []rune
	as    []uint32 // the same as numbers of the alphabet, none where it has them not
	abc   *alphabet
	takes [][]uint64 // by place in typed and character: bit k where it may take k of it
}

// worked marks what was worked out.
const worked = 1 << 63

func (abc *alphabet) speller(typed []rune) *speller {
	s := &speller{typed: typed, abc: abc, takes: make([][]uint64, len(typed))}
	for _, r := range typed {
		as, known := abc.number[r]
		if !known {
			as = none
		}
		s.as = append(s.as, as)
	}
	return s
}

// may gives how much a character may take of what was typed, from a place on.
func (s *speller) may(at int, char uint32) uint64 {
	if s.takes[at] == nil {
		s.takes[at] = make([]uint64, len(s.abc.runes))
	}
	k := &s.takes[at][char]
	if *k == 0 {
		*k = worked | takes(s.abc.runes[char], s.typed[at:])
	}
	return *k &^ worked
}

// takes gives how much a character may take of what was typed: bit k for k of it.
func takes(char rune, typed []rune) (k uint64) {
	if char == typed[0] {
		k |= 1 << 1
	}
	if !isLetter(typed[0]) {
		return k
	}
	for s := range pinyin.Readings(char) {
		n := 0
		for n < len(s) && n < len(typed) && rune(s[n]) == typed[n] {
			n++
		}
		if n == 0 {
			continue
		}
		k |= 1 << 1 // its initial, which may have two letters
		if n >= 2 && s[1] == 'h' {
			k |= 1 << 2
		}
		if n == len(s) || n == len(typed) {
			k |= 1 << n
		}
	}
	return k
}

// like tells how well a name is what was typed. By a single letter nothing is found
// further on in it: that would be nearly everybody.
func (s *speller) like(name []uint32) likeness {
	if n := min(len(name), len(s.as)); n == len(s.as) && slices.Equal(name[:n], s.as) {
		if len(name) == n {
			return same
		}
		return begins
	}
	switch some, whole := s.spells(name); {
	case whole:
		return sounds
	case some:
		return starts
	}
	if len(s.typed) > 1 || !isLetter(s.typed[0]) {
		for i := 1; i < len(name); i++ {
			if some, _ := s.spells(name[i:]); some {
				return inside
			}
		}
	}
	return unlike
}

// spells tells whether a name begins as it was typed; whole that nothing is left of it.
func (s *speller) spells(name []uint32) (some, whole bool) {
	at, end := uint64(1), uint64(1)<<len(s.typed) // where one may be in what was typed
	for i, char := range name {
		next := uint64(0)
		for ; at != 0; at &= at - 1 {
			p := bits.TrailingZeros64(at)
			next |= s.may(p, char) << p
		}
		if next&end != 0 {
			if some = true; i == len(name)-1 {
				return true, true
			}
			next &^= end
		}
		if at = next; at == 0 {
			return some, false
		}
	}
	return some, false
}

// alphabet numbers the characters that names have.
type alphabet struct {
	runes  []rune
	number map[rune]uint32
}

func (abc *alphabet) of(text []rune) []uint32 {
	out := make([]uint32, len(text))
	for i, r := range text {
		n, known := abc.number[r]
		if !known {
			n = uint32(len(abc.runes))
			abc.runes = append(abc.runes, r)
			abc.number[r] = n
		}
		out[i] = n
	}
	return out
}

// none ends a chain.
const none = ^uint32(0)

// bearer is somebody with a name: a household's head, or one of its people.
type bearer struct {
	name, house uint32
	sameName    uint32 // the next who is called so
	sameTail    uint32 // the next whose number ends so
	tail        uint16 // the last four of the ID number, see tailOf
	person      bool   // one of the people, not the head as the household names it
	sum         uint32 // of the whole number, as a keyed hash
}

// name is what some are called.
type name struct {
	text   string
	bearer uint32 // the first
	at     uint32 // where its characters are
	size   uint8
}

// maxName is how many characters of a name are compared.
const maxName = 255

// names are the names that there are, and by which characters they are found. A name that
// nobody bears any more stays: it costs little, and may come again.
type names struct {
	alphabet
	list  []name
	by    map[string]uint32
	chars []uint32
	first [][]uint32 // by character: the names that begin with it
	inner [][]uint32 // those that have it further on
}

func newNames() names {
	return names{by: map[string]uint32{}, alphabet: alphabet{number: map[rune]uint32{}}}
}

// of gives the number of a name, which is new if there was none.
func (n *names) of(text string) uint32 {
	if id, known := n.by[text]; known {
		return id
	}
	id := uint32(len(n.list))
	chars := n.alphabet.of(pinyin.Called(text))
	chars = chars[:min(len(chars), maxName)]
	n.list = append(n.list, name{text, none, uint32(len(n.chars)), uint8(len(chars))})
	n.chars = append(n.chars, chars...)
	n.by[text] = id
	if more := len(n.runes) - len(n.first); more > 0 {
		n.first, n.inner = append(n.first, make([][]uint32, more)...), append(n.inner, make([][]uint32, more)...)
	}
	for i, c := range chars {
		switch {
		case i == 0:
			n.first[c] = append(n.first[c], id)
		case !slices.Contains(chars[1:i], c):
			n.inner[c] = append(n.inner[c], id)
		}
	}
	return id
}

// like calls yield with the names that are like what was typed, and how well. It looks at
// those that have a character with which it may begin.
func (n *names) like(w *word, yield func(id uint32, l likeness)) {
	s := n.speller(w.runes)
	for c := range n.first {
		if s.may(0, uint32(c)) == 0 {
			continue
		}
		lists := [][]uint32{n.first[c], n.inner[c]}
		if w.latin && len(w.runes) == 1 {
			lists = lists[:1]
		}
		for _, list := range lists {
			for _, id := range list {
				if one := &n.list[id]; one.bearer != none {
					if l := s.like(n.chars[one.at:][:one.size]); l != unlike {
						yield(id, l)
					}
				}
			}
		}
	}
}

// The last four of an ID number as one: three digits, and a digit or X. Beyond are those
// of whom no number is known.
const (
	tails  = 11000
	noTail = tails
)

// tailOf gives the last four of an ID number, noTail where they are none.
func tailOf(number string) uint16 {
	if len(number) < 4 {
		return noTail
	}
	n := uint16(0)
	for i, c := range []byte(number[len(number)-4:]) {
		switch {
		case '0' <= c && c <= '9' && i == 3:
			n = n*11 + uint16(c-'0')
		case '0' <= c && c <= '9':
			n = n*10 + uint16(c-'0')
		case c == 'x' && i == 3:
			n = n*11 + 10
		default:
			return noTail
		}
	}
	return n
}

// tailRange gives the tails that begin with one to four characters; none where that is no
// beginning of one.
func tailRange(typed string) (from, to uint16) {
	if len(typed) > 4 {
		return 0, 0
	}
	if len(typed) == 4 {
		if from = tailOf(typed); from == noTail {
			return 0, 0
		}
		return from, from + 1
	}
	n, width := uint16(0), uint16(11)
	for i := range 3 {
		switch {
		case i >= len(typed):
			n, width = n*10, width*10
		case typed[i] < '0' || typed[i] > '9':
			return 0, 0
		default:
			n = n*10 + uint16(typed[i]-'0')
		}
	}
	return n * 11, n*11 + width
}
