package blocksort

import "math/bits"

// A block's bytes after run-length coding; four more may follow the last run.
const maxBlock = 900_000 - 20

// Append packs src and appends it to dst.
func Append(dst, src []byte) []byte {
	// What it says to be the largest block is what a reader takes memory for.
	size := min(len(src)+len(src)/4, maxBlock)/100_000 + 1
	w := bitWriter{out: append(dst, 'B', 'Z', 'h', '0'+byte(min(size, 9)))}
	var total uint32
	block := make([]byte, 0, min(len(src)+len(src)/4+8, maxBlock+8))
	for len(src) > 0 {
		var n int
		block, n = runs(block[:0], src)
		sum := checksum(src[:n])
		total = bits.RotateLeft32(total, 1) ^ sum
		w.block(block, sum)
		src = src[n:]
	}
	w.write(0x177245385090, 48)
	w.write(uint64(total), 32)
	return w.flush()
}

// runs appends as much of src as one block takes to block, where four equal
// bytes are followed by the number of further ones, and says how much it took.
func runs(block, src []byte) ([]byte, int) {
	i := 0
	for i < len(src) && len(block) < maxBlock {
		b, n := src[i], 1
		for n < 255 && i+n < len(src) && src[i+n] == b {
			n++
		}
		for range min(n, 4) {
			block = append(block, b)
		}
		if n >= 4 {
			block = append(block, byte(n-4))
		}
		i += n
	}
	return block, i
}

var crcTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func checksum(b []byte) uint32 {
	c := ^uint32(0)
	for _, x := range b {
		c = c<<8 ^ crcTable[byte(c>>24)^x]
	}
	return ^c
}

// bitWriter writes numbers of up to 48 bits, the highest bit first.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

func (w *bitWriter) write(x uint64, n uint) {
	for n > 32 {
		n -= 16
		w.write(x>>n&0xffff, 16)
	}
	w.bits = w.bits<<n | x&(1<<n-1)
	w.n += n
	for w.n >= 8 {
		w.n -= 8
		w.out = append(w.out, byte(w.bits>>w.n))
	}
}

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.write(0, 8-w.n)
	}
	return w.out
}

// block writes one block, of which there is at least a byte.
func (w *bitWriter) block(b []byte, sum uint32) {
	last, origin := lastColumn(b)
	symbols, used := moveToFront(last)
	w.write(0x314159265359, 48)
	w.write(uint64(sum), 32)
	w.write(0, 1) // not randomised
	w.write(uint64(origin), 24)
	var rows uint64
	var row [16]uint64
	for x, in := range used {
		if in {
			rows |= 1 << (15 - x/16)
			row[x/16] |= 1 << (15 - x%16)
		}
	}
	w.write(rows, 16)
	for _, r := range row {
		if r != 0 {
			w.write(r, 16)
		}
	}
	w.symbols(symbols)
}

// The symbols of a block: runs of the front byte in two digits, then the places
// of other bytes in the list, then the end.
const (
	runA = 0
	runB = 1
)

// moveToFront gives the block's symbols, the end among them, and which bytes
// occur in it.
func moveToFront(b []byte) (symbols []uint16, used [256]bool) {
	for _, x := range b {
		used[x] = true
	}
	var list []byte
	for x, in := range used {
		if in {
			list = append(list, byte(x))
		}
	}
	symbols = make([]uint16, 0, len(b)/2+16)
	run := 0
	endRun := func() {
		for ; run > 0; run = (run - 1) / 2 {
			symbols = append(symbols, uint16(runB-run&1)) // odd: A, even: B
		}
	}
	for _, x := range b {
		if list[0] == x {
			run++
			continue
		}
		endRun()
		at := 1
		for list[at] != x {
			at++
		}
		copy(list[1:at+1], list[:at])
		list[0] = x
		symbols = append(symbols, uint16(at+1))
	}
	endRun()
	return append(symbols, uint16(len(list)+1)), used
}
