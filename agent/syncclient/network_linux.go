package syncclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watchNetwork calls moved when the kernel tells (netlink) that the machine has other
// addresses, or another way out, until ctx ends. Much of what it tells is the same
// again, such as an address whose lease was renewed: what has gone counts, and what is
// not as it was.
func watchNetwork(ctx context.Context, moved func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	f := os.NewFile(uintptr(fd), "netlink")
	defer f.Close()
	const groups = unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer context.AfterFunc(ctx, func() { f.Close() })()
	was := waysOut()
	b := make([]byte, 64<<10)
	for {
		n, err := f.Read(b)
		if ctx.Err() != nil {
			return nil
		}
		gone := errors.Is(err, unix.ENOBUFS) // more happened than there was room for
		if err != nil && !gone {
			return fmt.Errorf("netlink: %w", err)
		}
		told, err := syscall.ParseNetlinkMessage(b[:max(n, 0)])
		gone = gone || err != nil || slices.ContainsFunc(told, goes)
		is := waysOut()
		if gone || !slices.Equal(was, is) {
			moved()
		}
		was = is
	}
}

// goes tells a message that an address, other than one that is good on its own link
// only, or a way out is gone.
func goes(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_DELADDR:
		return len(m.Data) >= unix.SizeofIfAddrmsg && (*unix.IfAddrmsg)(unsafe.Pointer(&m.Data[0])).Scope == unix.RT_SCOPE_UNIVERSE
	case unix.RTM_DELROUTE:
		if len(m.Data) < unix.SizeofRtMsg {
			return false
		}
		r := (*unix.RtMsg)(unsafe.Pointer(&m.Data[0]))
		return r.Dst_len == 0 && r.Table == unix.RT_TABLE_MAIN && r.Type == unix.RTN_UNICAST
	}
	return false
}

// waysOut is the machine's addresses and its gateways.
func waysOut() []string {
	l := addresses()
	// Interface, destination, gateway.
	v4, _ := os.ReadFile("/proc/net/route")
	for line := range bytes.Lines(v4) {
		if f := strings.Fields(string(line)); len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			l = append(l, f[0]+" "+f[2])
		}
	}
	// Destination, its length, source, its length, gateway, metric, …, interface.
	v6, _ := os.ReadFile("/proc/net/ipv6_route")
	for line := range bytes.Lines(v6) {
		if f := strings.Fields(string(line)); len(f) > 9 && f[1] == "00" && strings.Trim(f[4], "0") != "" {
			l = append(l, f[9]+" "+f[4])
		}
	}
	slices.Sort(l)
	return l
}
