package syncclient

import (
	"net"
	"slices"
)

// addresses tells one network from another.
func addresses() []string {
	as, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var l []string
	for _, a := range as {
		l = append(l, a.String())
	}
	slices.Sort(l)
	return l
}
