package blocksort

import "slices"

// lastColumn sorts all rotations of b and gives their last bytes, and the place
// of b itself among them (Burrows and Wheeler).
func lastColumn(b []byte) (last []byte, origin int) {
	order := rotations(b)
	last = make([]byte, len(b))
	for i, at := range order {
		if at == 0 {
			origin = i
			at = int32(len(b))
		}
		last[i] = b[at-1]
	}
	return last, origin
}

// group is a stretch of the order whose rotations are not yet told apart.
type group struct{ from, to int32 }

// rotations gives where the rotations of b begin, sorted. Rotations that agree
// in their first h bytes are sorted by the rank of what comes h bytes later, and
// h doubles (Larsson and Sadakane): text that repeats itself costs no more.
func rotations(b []byte) []int32 {
	n := len(b)
	order, rank := make([]int32, n), make([]int32, n)
	var ends [1<<16 + 1]int32
	pair := func(i int) int {
		if i == n-1 {
			return int(b[i])<<8 | int(b[0])
		}
		return int(b[i])<<8 | int(b[i+1])
	}
	for i := range n {
		ends[pair(i)+1]++
	}
	for k := 1; k < len(ends); k++ {
		ends[k] += ends[k-1]
	}
	var open []group
	for k := range len(ends) - 1 {
		if ends[k+1]-ends[k] > 1 {
			open = append(open, group{ends[k], ends[k+1]})
		}
	}
	for i := range n {
		rank[i] = ends[pair(i)]
	}
	next := slices.Clone(ends[:])
	for i := range n {
		k := pair(i)
		order[next[k]] = int32(i)
		next[k]++
	}
	var keys []uint64
	for h := 2; len(open) > 0 && h < n; h *= 2 {
		var still []group
		for _, g := range open {
			keys = keys[:0]
			for _, at := range order[g.from:g.to] {
				later := int(at) + h
				if later >= n {
					later -= n
				}
				keys = append(keys, uint64(rank[later])<<32|uint64(at))
			}
			slices.Sort(keys)
			start := g.from
			for i, k := range keys {
				at := g.from + int32(i)
				order[at] = int32(k & (1<<32 - 1))
				if i > 0 && k>>32 != keys[i-1]>>32 {
					if at-start > 1 {
						still = append(still, group{start, at})
					}
					start = at
				}
			}
			if g.to-start > 1 {
				still = append(still, group{start, g.to})
			}
			// Only now, since the group's own ranks were being read.
			start = g.from
			for i, k := range keys {
				at := g.from + int32(i)
				if i > 0 && k>>32 != keys[i-1]>>32 {
					start = at
				}
				rank[order[at]] = start
			}
		}
		open = still
	}
	return order
}
