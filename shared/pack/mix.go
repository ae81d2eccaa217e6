package pack

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
	"runtime"
	"sync"
)

// Of a message about one visit most is a short text, in which a dictionary finds
// little to point at. Mixed bytes are coded bit by bit instead, each bit as likely as
// a handful of models think that it is, mixed by how well each has done so far. A
// model knows what came after the same bytes before; the models have read some prose
// and messages, and then the past: what both sides know already. They calculate
// in whole numbers only, so that every machine comes to the same.

// bones are messages as they are mixed, made by scripts/dictionary.
//
//go:embed bones.bin
var bones []byte

const (
	// prose is how much of the dictionary is read before the bones.
	prose    = 32 << 10
	contents = 64 << 10 // of the dictionary: the rest is its tables

	models = 6          // by 0 to 4 bytes before, and 6
	inputs = models + 2 // and a constant, and what came after the longest match
	// Each model has so many slots, chosen by a hash: a chance of 12 bits, and how
	// often it was met.
	slotBits = 18
	metBits  = 4
	mostMet  = 1<<metBits - 1
	one      = 1 << 12 // a chance of one
	// Where the same four bytes stood, by so many bits of their hash.
	lastBits  = 16
	minMatch  = 4
	mostMatch = 31
)

// Limits of what is mixed and of the past, in bytes: a kilobyte takes a millisecond.
const (
	MaxMixed = 16 << 10
	maxPast  = 16 << 10
)

// learned is what a mixer learns, beside its slots.
type learned struct {
	match [2 * (mostMatch + 1)]uint16 // chance by the length of the match and its next bit
	sure  [models][(mostMet + 1) * 64]uint16
	// The weights of two mixers, one chosen by the bits of the byte so far, the other
	// by the longest context that was met; both by whether there is a match.
	soFar [2 * 256][inputs]int32
	known [2 * (models + 1)][inputs]int32
}

// mixer has the models.
type mixer struct {
	learned
	slots [models << slotBits]uint16
	last  [1 << lastBits]int32

	text []byte // what was read
	at   int    // where in it what came last came before, 0 nowhere
	long int    // how much of that
	base [models]uint32
	so   uint32 // the bits of this byte so far, behind a 1

	// Of the bit that is foretold:
	index  [models]uint32
	in     [inputs]int32
	felt   [models]*uint16
	met    *uint16
	chosen [2]*[inputs]int32
	chance int32

	// To be put back when a message is done: how much of text stays, 0 while prose and
	// bones are read, and what the rest has changed.
	keep             int
	kept             learned
	wasSlot, wasLast []was
}

type was struct {
	at    uint32
	value int32
}

// squash gives the chance, of 4096, of x/256 in the logistic scale; stretch is its
// inverse.
func squash(x int32) int32 {
	if x > 2047 {
		return one - 1
	} else if x < -2047 {
		return 1
	}
	w := x & 127
	i := x>>7 + 16
	return (squashed[i]*(128-w) + squashed[i+1]*w + 64) >> 7
}

var squashed = [33]int32{1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901, 3975, 4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094}

var stretched = func() (t [one]int16) {
	from := int32(0)
	for x := int32(-2047); x <= 2047; x++ {
		for to := squash(x); from <= to; from++ {
			t[from] = int16(x)
		}
	}
	for ; from < one; from++ {
		t[from] = 2047
	}
	return t
}()

// rates are by how much a slot moves, by how often it was met, of 65536.
var rates = func() (t [mostMet + 1]int32) {
	for i := range t {
		t[i] = int32(65536 * 2 / (2*i + 3))
	}
	t[mostMet] = 65536 / 14
	return t
}()

// learn moves a slot.
func learn(p *uint16, bit int32) {
	met := *p & mostMet
	chance := int32(*p >> metBits)
	chance += ((bit*(one-1) - chance) * rates[met]) >> 16
	if met < mostMet {
		met++
	}
	*p = uint16(min(max(chance, 1), one-1))<<metBits | met
}

// begin makes the contexts of the next byte.
func (m *mixer) begin() {
	n := len(m.text)
	var h [8]uint32
	for i := range h {
		if i < n {
			h[i] = uint32(m.text[n-1-i])
		}
	}
	const k = 0x9E3779B1
	c1 := h[0]
	c2 := c1 | h[1]<<8
	c3 := c2 | h[2]<<16
	c4 := c3 | h[3]<<24
	m.base = [models]uint32{
		0,
		(c1 + 1) * k,
		(c2 + 0x10001) * k,
		(c3 + 0x2000003) * k,
		(c4*k + 7) * k,
		((c4 * k) ^ (h[4]|h[5]<<8)*0x85EBCA6B + 11) * k,
	}
	m.so = 1
}

// foretell gives the chance, of 4096, that the next bit is 1.
func (m *mixer) foretell() int32 {
	known := 0
	for i := range models {
		x := m.base[i] + m.so*0x2545F491
		x ^= x >> 15
		x *= 0x85EBCA6B
		x ^= x >> 13
		m.index[i] = uint32(i)<<slotBits | x>>(32-slotBits)
		p := m.slots[m.index[i]]
		m.felt[i] = &m.sure[i][uint32(p&mostMet)<<6|uint32(p>>(metBits+6))]
		if m.in[i] = int32(stretched[*m.felt[i]>>4]); p&mostMet > 0 {
			known = i + 1
		}
	}
	m.in[models], m.in[models+1], m.met = 256, 0, nil
	matched := uint32(0)
	if m.at > 0 {
		// The bits so far of what stood there, and the next.
		n := bits.Len32(m.so) - 1
		next := (uint32(m.text[m.at]) | 256) >> (7 - n)
		if next>>1 == m.so {
			m.met = &m.match[uint32(min(m.long, mostMatch))<<1|next&1]
			m.in[models+1] = int32(stretched[*m.met>>metBits])
			matched = 1
		} else {
			m.at = 0
		}
	}
	m.chosen = [2]*[inputs]int32{&m.soFar[matched<<8|m.so], &m.known[uint32(known)<<1|matched]}
	var sum int64
	for i, x := range m.in {
		sum += int64(m.chosen[0][i]+m.chosen[1][i]) * int64(x)
	}
	m.chance = squash(int32(min(max(sum>>16, -1<<20), 1<<20)))
	return m.chance
}

// update learns what the bit was.
func (m *mixer) update(bit int32) {
	miss := (bit<<12 - m.chance) * 6
	for _, weights := range m.chosen {
		for i := range weights {
			weights[i] += (m.in[i]*miss + 1<<13) >> 14
		}
	}
	for i, f := range m.felt {
		*f = uint16(int32(*f) + (bit*65535-int32(*f))>>6)
		at := m.index[i]
		if m.keep > 0 {
			m.wasSlot = append(m.wasSlot, was{at, int32(m.slots[at])})
		}
		learn(&m.slots[at], bit)
	}
	if m.met != nil {
		learn(m.met, bit)
	}
	if m.so = m.so<<1 | uint32(bit); m.so >= 256 {
		m.byte(byte(m.so))
	}
}

// byte takes notice of a whole byte.
func (m *mixer) byte(b byte) {
	if m.at > 0 && m.text[m.at] == b {
		m.at++
		m.long++
	} else {
		m.at, m.long = 0, 0
	}
	m.text = append(m.text, b)
	n := len(m.text)
	if n >= minMatch {
		h := binary.LittleEndian.Uint32(m.text[n-4:]) * 0x9E3779B1 >> (32 - lastBits)
		if m.at == 0 {
			if at := int(m.last[h]); at > 0 {
				m.at = at
				for m.long = 0; m.long < mostMatch && m.long < at && m.text[at-1-m.long] == m.text[n-1-m.long]; m.long++ {
				}
				if m.long < minMatch {
					m.at, m.long = 0, 0
				}
			}
		}
		if m.keep > 0 {
			m.wasLast = append(m.wasLast, was{h, m.last[h]})
		}
		m.last[h] = int32(n)
	}
	m.begin()
}

// read has the models read what both sides know.
func (m *mixer) read(text []byte) {
	for _, b := range text {
		for i := 7; i >= 0; i-- {
			m.foretell()
			m.update(int32(b >> i & 1))
		}
	}
}

func newMixer() *mixer {
	m := &mixer{}
	for i := range m.slots {
		m.slots[i] = one / 2 << metBits
	}
	for i := range m.match {
		m.match[i] = uint16(one/2+(i&1*2-1)*1500) << metBits
	}
	for i := range m.sure {
		for j := range m.sure[i] {
			m.sure[i][j] = uint16(j&63*1024 + 512)
		}
	}
	for i := range m.soFar {
		for j := range m.soFar[i] {
			m.soFar[i][j] = 65536 * 3 / 10
		}
		m.soFar[i][models] = 0
	}
	m.begin()
	from := dictionary[len(dictionary)-contents:]
	m.text = make([]byte, 0, prose+len(bones)+MaxMixed)
	m.read(from[:prose])
	m.read(bones)
	m.keep, m.kept = len(m.text), m.learned
	m.restore()
	return m
}

// restore puts the models back to where they were after prose and bones.
func (m *mixer) restore() {
	for i := len(m.wasSlot) - 1; i >= 0; i-- {
		m.slots[m.wasSlot[i].at] = uint16(m.wasSlot[i].value)
	}
	for i := len(m.wasLast) - 1; i >= 0; i-- {
		m.last[m.wasLast[i].at] = m.wasLast[i].value
	}
	if m.wasSlot, m.wasLast = m.wasSlot[:0], m.wasLast[:0]; cap(m.wasSlot) > 1<<16 {
		m.wasSlot = nil // of a long message; mostly they are short
	}
	m.learned, m.text, m.at, m.long = m.kept, m.text[:m.keep], 0, 0
	m.begin()
}

// mixers are lent out, as many as can work at once; those that are at rest are in free.
// One takes 4 MB, and 50 ms to make when it is first needed.
var (
	mixers = make(chan struct{}, runtime.GOMAXPROCS(0))
	freeMu sync.Mutex
	free   []*mixer
)

// mix lends out the models, which have read the past.
func mix(past []byte, f func(m *mixer)) {
	mixers <- struct{}{}
	defer func() { <-mixers }()
	m := freeMixer()
	m.read(past[:min(len(past), maxPast)])
	f(m)
	m.restore()
	freeMu.Lock()
	defer freeMu.Unlock()
	free = append(free, m)
}

func freeMixer() *mixer {
	freeMu.Lock()
	n := len(free) - 1
	if n < 0 {
		freeMu.Unlock()
		return newMixer()
	}
	defer freeMu.Unlock()
	m := free[n]
	free = free[:n]
	return m
}

// checkSize is how many bytes of a checksum stand before what is mixed: whoever has
// another past reads something, but not this.
const checkSize = 3

func check(plain []byte) uint32 { return crc32.ChecksumIEEE(plain) & (1<<(8*checkSize) - 1) }

// AppendMixed packs plain, of at most MaxMixed bytes, and appends it to dst.
func AppendMixed(dst, plain, past []byte) []byte {
	sum := check(plain)
	dst = binary.AppendUvarint(append(dst, byte(sum), byte(sum>>8), byte(sum>>16)), uint64(len(plain)))
	mix(past, func(m *mixer) {
		lo, hi := uint32(0), ^uint32(0)
		for _, b := range plain {
			for i := 7; i >= 0; i-- {
				bit := b >> i & 1
				mid := lo + uint32(uint64(hi-lo)*uint64(m.foretell())>>12)
				if bit == 1 {
					hi = mid
				} else {
					lo = mid + 1
				}
				m.update(int32(bit))
				for (lo^hi)>>24 == 0 {
					dst = append(dst, byte(hi>>24))
					lo, hi = lo<<8, hi<<8|255
				}
			}
		}
		// As few bytes as tell a number between the two; the reader goes on with zeros.
		for n := 1; n <= 4; n++ {
			mask := ^uint32(0) >> (8 * n)
			if x := (lo + mask) &^ mask; x >= lo && x <= hi {
				for ; x != 0; x <<= 8 {
					dst = append(dst, byte(x>>24))
				}
				break
			}
		}
	})
	return dst
}

// ErrMixed: the bytes are damaged, or were mixed behind another past.
var ErrMixed = errors.New("mixed bytes are damaged, or of another past")

// OpenMixed gives what AppendMixed packed, at most limit bytes.
func OpenMixed(packed, past []byte, limit int) ([]byte, error) {
	if len(packed) < checkSize {
		return nil, ErrMixed
	}
	sum := uint32(packed[0]) | uint32(packed[1])<<8 | uint32(packed[2])<<16
	packed = packed[checkSize:]
	n, k := binary.Uvarint(packed)
	if k <= 0 {
		return nil, ErrMixed
	}
	if n > uint64(min(limit, MaxMixed)) {
		return nil, ErrTooLarge
	}
	packed = packed[k:]
	plain := make([]byte, 0, n)
	mix(past, func(m *mixer) {
		lo, hi, x := uint32(0), ^uint32(0), uint32(0)
		over := 0 // how many bytes were read behind the end
		next := func() {
			x <<= 8
			if len(packed) > 0 {
				x, packed = x|uint32(packed[0]), packed[1:]
			} else {
				over++
			}
		}
		for range 4 {
			next()
		}
		// Behind the end there are at most the four bytes of one number.
		for uint64(len(plain)) < n && over <= 4 {
			b := byte(0)
			for range 8 {
				mid := lo + uint32(uint64(hi-lo)*uint64(m.foretell())>>12)
				bit := int32(0)
				if x <= mid {
					bit, hi = 1, mid
				} else {
					lo = mid + 1
				}
				m.update(bit)
				b = b<<1 | byte(bit)
				for (lo^hi)>>24 == 0 {
					lo, hi = lo<<8, hi<<8|255
					next()
				}
			}
			plain = append(plain, b)
		}
	})
	if len(packed) > 0 || uint64(len(plain)) < n || check(plain) != sum {
		return nil, ErrMixed
	}
	return plain, nil
}
