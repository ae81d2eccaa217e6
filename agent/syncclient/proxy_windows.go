package syncclient

import "golang.org/x/sys/windows/registry"

// internetSettings is where the user's settings lie, as browsers have them.
const internetSettings = `Software\Microsoft\Windows\CurrentVersion\Internet Settings`

// systemProxies reads the proxies of the user's settings, anew every time. A script
// that would choose among them (AutoConfigURL) is not run.
func systemProxies() (p proxies) {
	k, err := registry.OpenKey(registry.CURRENT_USER, internetSettings, registry.QUERY_VALUE)
	if err != nil {
		return p
	}
	defer k.Close()
	if on, _, err := k.GetIntegerValue("ProxyEnable"); err != nil || on == 0 {
		return p
	}
	p.server, _, _ = k.GetStringValue("ProxyServer")
	p.except, _, _ = k.GetStringValue("ProxyOverride")
	return p
}
