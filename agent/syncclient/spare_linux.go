package syncclient

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/godbus/dbus/v5"
)

func onBattery() bool { return discharging("/sys/class/power_supply") }

// discharging tells whether what feeds the machine is a battery: one empties, and
// nothing from outside is there. A mouse's battery is no matter.
func discharging(dir string) bool {
	supplies, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	empties := false
	for _, s := range supplies {
		says := func(name string) string {
			b, _ := os.ReadFile(filepath.Join(dir, s.Name(), name))
			return strings.TrimSpace(string(b))
		}
		switch says("type") {
		case "Mains", "USB", "Wireless":
			if says("online") == "1" {
				return false
			}
		case "Battery":
			empties = empties || says("scope") != "Device" && says("status") == "Discharging"
		}
	}
	return empties
}

// What NetworkManager says of the way out.
const (
	managerName    = "org.freedesktop.NetworkManager"
	managerPath    = "/org/freedesktop/NetworkManager"
	meteredYes     = 1
	meteredGuessed = 3 // a telephone's, most likely
)

// metered asks NetworkManager; where there is none nothing is known to be metered.
func metered(ctx context.Context) bool {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return false
	}
	defer bus.Close()
	var v dbus.Variant
	err = bus.Object(managerName, managerPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, managerName, "Metered").Store(&v)
	n, _ := v.Value().(uint32)
	return err == nil && (n == meteredYes || n == meteredGuessed)
}
