package syncclient

import (
	"context"
	"fmt"
	"net/url"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	winhttp     = windows.NewLazySystemDLL("winhttp.dll")
	httpOpen    = winhttp.NewProc("WinHttpOpen")
	httpClose   = winhttp.NewProc("WinHttpCloseHandle")
	userProxies = winhttp.NewProc("WinHttpGetIEProxyConfigForCurrentUser")
	proxyForURL = winhttp.NewProc("WinHttpGetProxyForUrl")
	globalFree  = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalFree")
)

// text is one that the system made for us, and is given back.
type text struct{ at *uint16 }

func (t text) take() string {
	if t.at == nil {
		return ""
	}
	s := windows.UTF16PtrToString(t.at)
	globalFree.Call(uintptr(unsafe.Pointer(t.at)))
	return s
}

// systemSettings reads what the user's settings have for the connection in use, as
// browsers have them, anew every time (WINHTTP_CURRENT_USER_IE_PROXY_CONFIG).
func systemSettings(context.Context) settings {
	var c struct {
		detect                int32
		script, proxy, except text
	}
	if userProxies.Find() != nil {
		return settings{}
	}
	if ok, _, _ := userProxies.Call(uintptr(unsafe.Pointer(&c))); ok == 0 {
		return settings{}
	}
	return settings{script: c.script.take(), detect: c.detect != 0, ways: windowsWays(c.proxy.take()), except: windowsExcept(c.except.take())}
}

// How the system is to find what a script chooses (WINHTTP_AUTOPROXY_OPTIONS).
const (
	autoDetect  = 0x1     // WINHTTP_AUTOPROXY_AUTO_DETECT
	scriptAt    = 0x2     // WINHTTP_AUTOPROXY_CONFIG_URL
	elsewhere   = 0x20000 // WINHTTP_AUTOPROXY_RUN_OUTPROCESS_ONLY
	detectAll   = 0x3     // by DHCP and DNS
	namedProxy  = 3       // WINHTTP_ACCESS_TYPE_NAMED_PROXY
	accessNoone = 1       // WINHTTP_ACCESS_TYPE_NO_PROXY
)

var whichProxy question

// runScript asks the system what a script chooses for addr. It runs the script in a
// service of its own: whatever that does there, it has neither the keys nor the memory
// of this process.
func runScript(ctx context.Context, script, addr string) ([]*url.URL, error) {
	if err := proxyForURL.Find(); err != nil {
		return nil, err
	}
	return ask(ctx, &whichProxy, func() ([]*url.URL, error) { return chosen(script, addr) })
}

func chosen(script, addr string) ([]*url.URL, error) {
	at, err := windows.UTF16PtrFromString("https://" + addr + "/")
	if err != nil {
		return nil, err
	}
	options := struct {
		flags, detect uint32
		script        *uint16
		_             uintptr
		_             uint32
		logon         int32
	}{flags: autoDetect | elsewhere, detect: detectAll}
	if script != "" {
		options.flags, options.detect = scriptAt|elsewhere, 0
		if options.script, err = windows.UTF16PtrFromString(script); err != nil {
			return nil, err
		}
	}
	session, _, err := httpOpen.Call(0, accessNoone, 0, 0, 0)
	if session == 0 {
		return nil, err
	}
	defer httpClose.Call(session)
	var info struct {
		access        uint32
		proxy, except text
	}
	if ok, _, err := proxyForURL.Call(session, uintptr(unsafe.Pointer(at)), uintptr(unsafe.Pointer(&options)), uintptr(unsafe.Pointer(&info))); ok == 0 {
		return nil, fmt.Errorf("the proxy script %s: %w", script, err)
	}
	ways := windowsWays(info.proxy.take())
	info.except.take()
	if info.access != namedProxy {
		return []*url.URL{nil}, nil
	}
	return ways, nil
}
