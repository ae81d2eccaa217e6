package flow

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"zhucun/shared/identity"
)

// leave is who approves leave: up to so many days, the last row without a bound.
var leave = sync.OnceValue(func() [][]string {
	lines, err := read("leave.csv", 2)
	if err != nil {
		panic(err)
	}
	return lines
})

// Approves tells whether a role approves leave of so many half days (data/leave.csv: days,
// the longest that the row is for, and roles).
func Approves(role identity.Role, halfDays int) bool {
	for _, c := range leave() {
		if most, err := strconv.Atoi(c[0]); err == nil && halfDays > 2*most {
			continue
		}
		return slices.Contains(strings.Fields(c[1]), string(role))
	}
	return false
}
