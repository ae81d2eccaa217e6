package syncclient

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/windows"
)

// told are those who want to hear of the network. A callback of the system's cannot be
// given back, so there is one of each kind for all of them.
var told struct {
	sync.Mutex
	whom map[*func()]struct{}
}

func tell() {
	told.Lock()
	defer told.Unlock()
	for moved := range told.whom {
		(*moved)()
	}
}

// What the system says happened; anything else, as a lease that was renewed, changes
// nothing.
const (
	mibAdded   = 1
	mibDeleted = 2
)

var (
	onAddress = sync.OnceValue(func() uintptr {
		return windows.NewCallback(func(_ uintptr, _ *windows.MibUnicastIpAddressRow, kind uint32) uintptr {
			if kind == mibAdded || kind == mibDeleted {
				tell()
			}
			return 0
		})
	})
	onRoute = sync.OnceValue(func() uintptr {
		return windows.NewCallback(func(_ uintptr, row *windows.MibIpForwardRow2, kind uint32) uintptr {
			if (kind == mibAdded || kind == mibDeleted) && row != nil && row.DestinationPrefix.PrefixLength == 0 {
				tell()
			}
			return 0
		})
	})
)

// watchNetwork calls moved when the system tells that the machine has other addresses,
// or another way out, until ctx ends.
func watchNetwork(ctx context.Context, moved func()) error {
	api := windows.NewLazySystemDLL("iphlpapi.dll")
	for _, name := range []string{"NotifyUnicastIpAddressChange", "NotifyRouteChange2", "CancelMibChangeNotify2"} {
		if err := api.NewProc(name).Find(); err != nil {
			return err
		}
	}
	told.Lock()
	if told.whom == nil {
		told.whom = map[*func()]struct{}{}
	}
	told.whom[&moved] = struct{}{}
	told.Unlock()
	defer func() {
		told.Lock()
		defer told.Unlock()
		delete(told.whom, &moved)
	}()
	var address, route windows.Handle
	if err := windows.NotifyUnicastIpAddressChange(windows.AF_UNSPEC, onAddress(), nil, false, &address); err != nil {
		return fmt.Errorf("notice of addresses: %w", err)
	}
	if err := windows.NotifyRouteChange2(windows.AF_UNSPEC, onRoute(), nil, false, &route); err != nil {
		return errors.Join(fmt.Errorf("notice of routes: %w", err), windows.CancelMibChangeNotify2(address))
	}
	<-ctx.Done()
	return errors.Join(windows.CancelMibChangeNotify2(address), windows.CancelMibChangeNotify2(route))
}
