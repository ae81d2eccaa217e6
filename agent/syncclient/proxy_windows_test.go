package syncclient

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/windows/registry"
)

// The system runs a script that is given to it, and says when it cannot.
func TestSystemRunsScript(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
		io.WriteString(w, `function FindProxyForURL(url, host) { return host == "zhucun.cn" ? "PROXY 10.9.9.9:81" : "DIRECT"; }`)
	}))
	defer srv.Close()
	for addr, want := range map[string]string{"zhucun.cn:8440": "http://10.9.9.9:81 -", "other.cn:8440": "? -"} {
		s := settings{script: srv.URL + "/p.pac"}
		if got := reached(s.lead(t.Context(), addr, false, runScript)); got != want {
			t.Errorf("%s by %q, want %q", addr, got, want)
		}
	}
	begun := time.Now()
	s := settings{script: "http://127.0.0.1:1/none.pac"}
	if got := reached(s.lead(t.Context(), "zhucun.cn:8440", false, runScript)); got != "? -" || time.Since(begun) > askScript+time.Second {
		t.Errorf("where there is no script: by %q after %v", got, time.Since(begun))
	}
}

// What is read is what lies in the registry for the connection in use.
func TestSystemSettings(t *testing.T) {
	k, err := registry.OpenKey(registry.CURRENT_USER, `Software\Microsoft\Windows\CurrentVersion\Internet Settings`, registry.QUERY_VALUE)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var want settings
	want.script, _, _ = k.GetStringValue("AutoConfigURL")
	if on, _, err := k.GetIntegerValue("ProxyEnable"); err == nil && on != 0 {
		server, _, _ := k.GetStringValue("ProxyServer")
		except, _, _ := k.GetStringValue("ProxyOverride")
		want.ways, want.except = windowsWays(server), windowsExcept(except)
	}
	got := systemSettings(t.Context())
	got.detect = false
	if !reflect.DeepEqual(got.ways, want.ways) || !slices.Equal(got.except, want.except) || got.script != want.script {
		t.Errorf("read %+v, want %+v", got, want)
	}
}
