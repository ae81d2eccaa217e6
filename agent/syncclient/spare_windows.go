package syncclient

import (
	"context"
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

// metered is not known here: the system tells it to programs of its own kind only.
func metered(context.Context) bool { return false }
