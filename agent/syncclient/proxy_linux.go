package syncclient

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/godbus/dbus/v5"
)

// systemSettings reads what the desktop has, anew every time: KDE's, or what GNOME and
// the desktops of domestic systems keep where GNOME does.
func systemSettings(ctx context.Context) settings {
	if dir, err := os.UserConfigDir(); err == nil {
		if text, err := os.ReadFile(filepath.Join(dir, "kioslaverc")); err == nil {
			if s := kdeSettings(string(text)); len(s.ways) > 0 || s.script != "" || s.detect {
				return s
			}
		}
	}
	return gnomeSettings(printed(ctx, "gsettings", "list-recursively", "org.gnome.system.proxy"))
}

// What runs scripts for the programs of the desktop, in a process of its own: whatever a
// script does there, it has neither the keys nor the memory of this one.
const (
	runnerName = "org.gtk.GLib.PACRunner"
	runnerPath = "/org/gtk/GLib/PACRunner"
)

// runScript asks it what a script chooses for addr.
func runScript(ctx context.Context, script, addr string) ([]*url.URL, error) {
	// Where nobody is logged in to a desktop none is started.
	bus, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer bus.Close()
	if err := errors.Join(bus.Auth(nil), bus.Hello()); err != nil {
		return nil, err
	}
	var chosen []string
	if err := bus.Object(runnerName, runnerPath).CallWithContext(ctx, runnerName+".Lookup", 0, script, "https://"+addr+"/").Store(&chosen); err != nil {
		return nil, err
	}
	var ways []*url.URL
	for _, at := range chosen {
		if at == "direct://" {
			ways = append(ways, nil)
		} else {
			ways = append(ways, address("http", at))
		}
	}
	return ways, nil
}
