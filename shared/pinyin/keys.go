package pinyin

import "slices"

// Bounds of the keys of one name.
const (
	maxKeyed    = 16 // characters that are looked at
	maxReadings = 12 // ways in which a whole name is read
)

// Keys gives the texts by whose beginnings a name is found: itself and what is left of it
// from a later character on but the last (王小明, 小明); how it is read, all of it
// (wangxiaoming), by its initials (wxm), by the surname and initials (wangxm), and the given
// name alone (xiaoming). Of characters that are read in several ways the first few ways count.
func Keys(name string) []string {
	called := Called(name)
	called = called[:min(len(called), maxKeyed)]
	var keys []string
	add := func(key string) {
		if key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for i := range called {
		if i == 0 || i < len(called)-1 {
			add(string(called[i:]))
		}
	}
	for _, syllables := range spelled(called) {
		whole, initials, mixed, given := "", "", "", ""
		for i, s := range syllables {
			first := firstOf(s)
			whole += s
			initials += first
			if i == 0 {
				mixed = s
			} else {
				mixed, given = mixed+first, given+s
			}
		}
		add(whole)
		add(initials)
		add(mixed)
		add(given)
	}
	return keys
}

func firstOf(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

// spelled gives the ways in which a name may be read, a syllable a character; what is not
// read stands for itself. Nothing where no character is read.
func spelled(called []rune) [][]string {
	ways := [][]string{nil}
	some := false
	for _, r := range called {
		var readings []string
		for s := range Readings(r) {
			readings = append(readings, s)
		}
		if some = some || len(readings) > 0; len(readings) == 0 {
			readings = []string{string(r)}
		}
		var next [][]string
		// By the reading first: the usual one of every character comes before rare ones.
		for _, s := range readings {
			for _, way := range ways {
				if len(next) < maxReadings {
					next = append(next, append(slices.Clone(way), s))
				}
			}
		}
		ways = next
	}
	if !some {
		return nil
	}
	return ways
}
