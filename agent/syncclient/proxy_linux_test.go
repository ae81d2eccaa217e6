package syncclient

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// desktop has the laptop's desktop be one whose gsettings prints that, with KDE's file.
func desktop(t *testing.T, gsettings, kde string) {
	t.Helper()
	noProxies(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"gsettings": "#!/bin/sh\n[ \"$*\" = 'list-recursively org.gnome.system.proxy' ] && " + gsettings + "\n", "kioslaverc": kde} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	t.Setenv("XDG_CONFIG_HOME", dir)
}

// The settings are the desktop's, and what a script chooses is asked of what runs
// scripts for the desktop's programs.
func TestDesktop(t *testing.T) {
	const gnome = `echo "org.gnome.system.proxy mode 'manual'"; echo "org.gnome.system.proxy.https host 'gnome'"; echo "org.gnome.system.proxy.https port 80"`
	const auto = `echo "org.gnome.system.proxy mode 'auto'"; echo "org.gnome.system.proxy autoconfig-url 'http://pac.cn/p.pac'"`
	for _, tt := range []struct {
		name, gsettings, kde, want string
		chosen                     any
	}{
		{"neither", "exit 1", "", "-", nil},
		{"GNOME", gnome, "", "http://gnome:80 -", nil},
		{"KDE has none", gnome, "[Proxy Settings]\nProxyType=0\n", "http://gnome:80 -", nil},
		{"KDE", gnome, "[Proxy Settings]\nProxyType=1\nhttpsProxy=http://kde 80\n", "http://kde:80 -", nil},
		{"a script", auto, "", "http://a:80 socks://b:1080 -", []string{"http://a:80", "socks://b:1080", "direct://"}},
		{"a script that nobody runs", auto, "", "? -", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			desktop(t, tt.gsettings, tt.kde)
			bus(t, "DBUS_SESSION_BUS_ADDRESS", false, func(member any, body []any) any {
				if member != "Lookup" || len(body) != 2 || body[0] != "http://pac.cn/p.pac" || body[1] != "https://zhucun.cn:8440/" {
					t.Errorf("it is asked to %v %v", member, body)
				}
				return tt.chosen
			})
			if got := reached(settledWays(t.Context(), "zhucun.cn:8440")); got != tt.want {
				t.Errorf("by %q, want %q", got, tt.want)
			}
		})
	}
}

// A script that does not end, and a desktop that says nothing, keep nobody waiting.
func TestDesktopHangs(t *testing.T) {
	desktop(t, "exec sleep 60", "")
	bus(t, "DBUS_SESSION_BUS_ADDRESS", true, nil)
	begun := time.Now()
	if got := reached(settledWays(t.Context(), "zhucun.cn:8440")); got != "-" || time.Since(begun) > 10*time.Second {
		t.Errorf("by %q after %v", got, time.Since(begun))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun = time.Now()
	if _, err := runScript(ctx, "http://pac.cn/p.pac", "zhucun.cn:8440"); err == nil || time.Since(begun) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}
