package blocksort

import "slices"

// The format codes fifty symbols at a time with one of up to six codes.
const (
	groupSize = 50
	maxLength = 17
	rounds    = 4
)

// symbols writes a block's symbols, the last of which is the end and the
// largest.
func (w *bitWriter) symbols(symbols []uint16) {
	alphabet := int(symbols[len(symbols)-1]) + 1
	n := 6
	for i, most := range []int{200, 600, 1200, 2400} {
		if len(symbols) < most {
			n = i + 2
			break
		}
	}
	lengths := firstLengths(symbols, alphabet, n)
	groups := slices.Collect(slices.Chunk(symbols, groupSize))
	chosen := make([]int, len(groups))
	for range rounds {
		counts := make([][]int, n)
		for t := range counts {
			counts[t] = make([]int, alphabet)
		}
		for i, g := range groups {
			best := -1
			for t := range n {
				cost := 0
				for _, s := range g {
					cost += int(lengths[t][s])
				}
				if best < 0 || cost < best {
					best, chosen[i] = cost, t
				}
			}
			for _, s := range g {
				counts[chosen[i]][s]++
			}
		}
		for t := range n {
			lengths[t] = codeLengths(counts[t])
		}
	}

	w.write(uint64(n), 3)
	w.write(uint64(len(groups)), 15)
	front := []int{0, 1, 2, 3, 4, 5}[:n]
	for _, t := range chosen {
		at := slices.Index(front, t)
		w.write(1<<(at+1)-2, uint(at+1))
		copy(front[1:at+1], front[:at])
		front[0] = t
	}
	codes := make([][]uint32, n)
	for t, l := range lengths {
		codes[t] = canonical(l)
		current := l[0]
		w.write(uint64(current), 5)
		for _, want := range l {
			for ; current < want; current++ {
				w.write(0b10, 2)
			}
			for ; current > want; current-- {
				w.write(0b11, 2)
			}
			w.write(0, 1)
		}
	}
	for i, g := range groups {
		t := chosen[i]
		for _, s := range g {
			w.write(uint64(codes[t][s]), uint(lengths[t][s]))
		}
	}
}

// firstLengths gives each code a stretch of the alphabet to be short for, all
// of about the same weight.
func firstLengths(symbols []uint16, alphabet, n int) [][]byte {
	counts := make([]int, alphabet)
	for _, s := range symbols {
		counts[s]++
	}
	lengths := make([][]byte, n)
	left, from := len(symbols), 0
	for t := range n {
		sum, to := 0, from
		for to < alphabet && (sum < left/(n-t) || to == from) {
			sum += counts[to]
			to++
		}
		lengths[t] = slices.Repeat([]byte{15}, alphabet)
		for s := from; s < to; s++ {
			lengths[t][s] = 1
		}
		left, from = left-sum, to
	}
	return lengths
}

// codeLengths gives a Huffman code for the counts, of at most maxLength bits;
// every symbol has a code.
func codeLengths(counts []int) []byte {
	weights := make([]int, len(counts))
	for i, c := range counts {
		weights[i] = max(c, 1)
	}
	for {
		lengths, longest := huffman(weights)
		if longest <= maxLength {
			return lengths
		}
		for i, w := range weights {
			weights[i] = w/2 + 1
		}
	}
}

func huffman(weights []int) (lengths []byte, longest int) {
	n := len(weights)
	leaves := make([]int, n)
	for i := range leaves {
		leaves[i] = i
	}
	slices.SortStableFunc(leaves, func(a, b int) int { return weights[a] - weights[b] })
	// Nodes 0 to n-1 are leaves, the others come about in order of weight.
	weight := append(slices.Clone(weights), make([]int, n-1)...)
	parent := make([]int, 2*n-1)
	made, taken := n, n
	least := func() (x int) {
		if len(leaves) > 0 && (taken == made || weight[leaves[0]] <= weight[taken]) {
			x, leaves = leaves[0], leaves[1:]
			return x
		}
		taken++
		return taken - 1
	}
	for made < 2*n-1 {
		a, b := least(), least()
		weight[made] = weight[a] + weight[b]
		parent[a], parent[b] = made, made
		made++
	}
	depth := make([]int, 2*n-1)
	lengths = make([]byte, n)
	for x := 2*n - 3; x >= 0; x-- {
		depth[x] = depth[parent[x]] + 1
		if x < n {
			lengths[x] = byte(min(depth[x], 255))
			longest = max(longest, depth[x])
		}
	}
	return lengths, longest
}

// canonical gives the codes of these lengths in the order of the symbols.
func canonical(lengths []byte) []uint32 {
	codes := make([]uint32, len(lengths))
	code := uint32(0)
	for l := byte(1); l <= maxLength; l++ {
		for s, x := range lengths {
			if x == l {
				codes[s] = code
				code++
			}
		}
		code <<= 1
	}
	return codes
}
