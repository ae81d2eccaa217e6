package syncclient

import (
	"context"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// powerStatus is SYSTEM_POWER_STATUS.
type powerStatus struct {
	line, battery, percent, saver byte
	left, full                    uint32
}

// lineOffline is that the machine is not plugged in.
const lineOffline = 0

var getPowerStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemPowerStatus")

func onBattery() bool {
	var s powerStatus
	ok, _, _ := getPowerStatus.Call(uintptr(unsafe.Pointer(&s)))
	return ok != 0 && s.line == lineOffline
}

// The system's list of networks as a cost manager (INetworkCostManager, netlistmgr.h),
// which Windows 8 brought, and where GetCost stands among its methods.
var (
	networkListManager = windows.GUID{Data1: 0xDCB00C01, Data2: 0x570F, Data3: 0x4A9B, Data4: [8]byte{0x8D, 0x69, 0x19, 0x9F, 0xDB, 0xA5, 0x72, 0x3B}}
	networkCostManager = windows.GUID{Data1: 0xDCB00008, Data2: 0x570F, Data3: 0x4A9B, Data4: [8]byte{0x8D, 0x69, 0x19, 0x9F, 0xDB, 0xA5, 0x72, 0x3B}}
	createInstance     = windows.NewLazySystemDLL("ole32.dll").NewProc("CoCreateInstance")
)

const (
	release = 2 // IUnknown
	getCost = 3
	anyway  = 0x17 // CLSCTX_ALL
)

// NLM_CONNECTION_COST: what has so much that is paid for, or each byte, or is abroad.
const costs = 0x2 | 0x4 | 0x40000

var whichCost question

// metered asks the system of the way out. Where it says nothing none is known to be
// metered.
func metered(ctx context.Context) bool {
	cost, err := ask(ctx, &whichCost, cost)
	return err == nil && cost&costs != 0
}

func cost() (cost uint32, err error) {
	runtime.LockOSThread() // what is begun on a thread is ended on it
	defer runtime.UnlockOSThread()
	if err := windows.CoInitializeEx(0, windows.COINIT_MULTITHREADED); err != nil && err != syscall.Errno(windows.S_FALSE) {
		return 0, err
	}
	defer windows.CoUninitialize()
	var m *struct{ methods *[getCost + 1]uintptr }
	if r, _, _ := createInstance.Call(uintptr(unsafe.Pointer(&networkListManager)), 0, anyway, uintptr(unsafe.Pointer(&networkCostManager)), uintptr(unsafe.Pointer(&m))); r != 0 {
		return 0, syscall.Errno(r)
	}
	self := uintptr(unsafe.Pointer(m))
	defer syscall.SyscallN(m.methods[release], self)
	if r, _, _ := syscall.SyscallN(m.methods[getCost], self, uintptr(unsafe.Pointer(&cost)), 0); r != 0 {
		return 0, syscall.Errno(r)
	}
	return cost, nil
}
