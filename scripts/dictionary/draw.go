package main

import (
	"crypto/sha256"
	"encoding/binary"
)

// noise is n bytes that look random and are the same in every run: keys and
// salts of a sample must not compress.
func noise(seed uint64, what string, n int) []byte {
	var out []byte
	for i := uint64(0); len(out) < n; i++ {
		b := binary.BigEndian.AppendUint64(nil, seed)
		b = binary.BigEndian.AppendUint64(b, i)
		sum := sha256.Sum256(append(b, what...))
		out = append(out, sum[:]...)
	}
	return out[:n]
}
