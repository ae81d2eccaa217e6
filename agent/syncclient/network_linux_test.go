package syncclient

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Each row is what the kernel tells, and whether something is gone by it.
func TestGoes(t *testing.T) {
	address := func(kind uint16, scope uint8) syscall.NetlinkMessage {
		a := unix.IfAddrmsg{Family: unix.AF_INET, Scope: scope}
		return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: (*[unix.SizeofIfAddrmsg]byte)(unsafe.Pointer(&a))[:]}
	}
	route := func(kind uint16, length, table, typ uint8) syscall.NetlinkMessage {
		r := unix.RtMsg{Family: unix.AF_INET, Dst_len: length, Table: table, Type: typ}
		return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: (*[unix.SizeofRtMsg]byte)(unsafe.Pointer(&r))[:]}
	}
	for i, tt := range []struct {
		m    syscall.NetlinkMessage
		want bool
	}{
		{address(unix.RTM_DELADDR, unix.RT_SCOPE_UNIVERSE), true},
		{address(unix.RTM_DELADDR, unix.RT_SCOPE_LINK), false},
		{address(unix.RTM_NEWADDR, unix.RT_SCOPE_UNIVERSE), false}, // may be the same again
		{route(unix.RTM_DELROUTE, 0, unix.RT_TABLE_MAIN, unix.RTN_UNICAST), true},
		{route(unix.RTM_DELROUTE, 24, unix.RT_TABLE_MAIN, unix.RTN_UNICAST), false},
		{route(unix.RTM_DELROUTE, 0, unix.RT_TABLE_LOCAL, unix.RTN_UNICAST), false},
		{route(unix.RTM_NEWROUTE, 0, unix.RT_TABLE_MAIN, unix.RTN_UNICAST), false},
		{syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_DELADDR}, Data: []byte{2}}, false},
		{syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_DELROUTE}, Data: []byte{2}}, false},
	} {
		if got := goes(tt.m); got != tt.want {
			t.Errorf("row %d: %v", i, got)
		}
	}
}

// The kernel is listened to until ctx ends.
func TestWatchNetworkEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watchNetwork(ctx, func() {}) }()
	select {
	case err := <-ended:
		t.Fatalf("it ends by itself: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it goes on")
	}
}

const asMachine = "ZHUCUN_TEST_MACHINE"

// A machine of its own (a namespace) gets a network: it is noticed at once.
func TestWatchNetwork(t *testing.T) {
	if os.Getenv(asMachine) != "" {
		machine(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestWatchNetwork$", "-test.v")
	cmd.Env = append(os.Environ(), asMachine+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Log("this system gives a test no network of its own:", err)
		return
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// machine brings its only interface up and down.
func machine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	moved := make(chan time.Time, 100)
	ended := make(chan error, 1)
	go func() { ended <- watchNetwork(ctx, func() { moved <- time.Now() }) }()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	time.Sleep(200 * time.Millisecond) // until it listens
	for _, flags := range []uint16{unix.IFF_UP, 0} {
		req, err := unix.NewIfreq("lo")
		if err != nil {
			t.Fatal(err)
		}
		req.SetUint16(flags)
		begun := time.Now()
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
			t.Fatal(err)
		}
		select {
		case at := <-moved:
			t.Logf("noticed after %v", at.Sub(begun))
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(3 * time.Second):
			t.Fatalf("flags %x: nothing is noticed", flags)
		}
		time.Sleep(200 * time.Millisecond) // what else belongs to it
		for len(moved) > 0 {
			<-moved
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
