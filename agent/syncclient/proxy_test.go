package syncclient

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"zhucun/shared/form"
)

// Each row is what Windows has in its settings, an address, and by which proxy that is
// reached.
func TestSystemProxies(t *testing.T) {
	for _, tt := range []struct{ server, except, to, want string }{
		{"", "", "https://zhucun.cn", ""},
		{"10.0.0.1:3128", "", "https://zhucun.cn:8440", "http://10.0.0.1:3128"},
		{"http://10.0.0.1:3128", "", "https://zhucun.cn", "http://10.0.0.1:3128"},
		{"http=a:80;https=b:81;ftp=c:82", "", "https://zhucun.cn", "http://b:81"},
		{"http=a:80;https=b:81", "", "http://zhucun.cn", "http://a:80"},
		{"http=a:80", "", "https://zhucun.cn", ""},
		{"socks=a:1080", "", "https://zhucun.cn", ""},
		{"a:80", "", "https://127.0.0.1:8440", ""},
		{"a:80", "", "https://localhost:8440", ""},
		{"a:80", "*.gov.cn;<local>", "https://zhucun.gov.cn", ""},
		{"a:80", "*.gov.cn;<local>", "https://gov.cn.example.com", "http://a:80"},
		{"a:80", "<local>", "https://office", ""},
		{"a:80", "<local>", "https://office.cn", "http://a:80"},
		{"a:80", "10.*; 192.168.*", "https://192.168.1.9", ""},
		{"a:80", "10.*;192.168.*", "https://11.0.0.1", "http://a:80"},
		{"a:80", "ZHUCUN.cn", "https://Zhucun.CN", ""},
		{"a:80", "zhucun.cn:8440", "https://zhucun.cn:8440", ""},
		{"a:80", "https://zhu*.cn", "https://zhucun.cn", ""},
		{"a:80", "*", "https://zhucun.cn", ""},
		{"a:80", "z*n*n", "https://zn", "http://a:80"},
	} {
		u, err := url.Parse(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if p, err := (proxies{tt.server, tt.except}).of(u); err != nil {
			t.Error(err)
		} else if p != nil {
			got = p.String()
		}
		if got != tt.want {
			t.Errorf("%q except %q: %s by %q, want %q", tt.server, tt.except, tt.to, got, tt.want)
		}
	}
}

// Whatever the system says, the environment has the last word.
func TestEnvironmentNamesProxy(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	if named() {
		t.Error("an empty environment names a proxy")
	}
	t.Setenv("no_proxy", "*")
	if !named() {
		t.Error("no proxy at all is one that is named")
	}
	t.Setenv("no_proxy", "localhost")
	if named() {
		t.Error("an exception from nothing names a proxy")
	}
	t.Setenv("HTTPS_PROXY", "http://proxy.cn:3128")
	if !named() {
		t.Error("it is not seen")
	}
}

// The system names a proxy that is not there any more: a program set it and is gone.
func TestSystemProxyGone(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, _ := laptop(t, "https://"+host)
	c.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: l.Addr().String()})
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	conn, err := c.reach(t.Context(), "tcp", far.Addr().String())
	if err != nil {
		t.Fatalf("the server is not reached without it: %v", err)
	}
	conn.Close()
	t.Setenv("HTTPS_PROXY", "http://"+l.Addr().String())
	if conn, err := c.reach(t.Context(), "tcp", far.Addr().String()); err == nil {
		conn.Close()
		t.Error("the environment's proxy was gone around")
	}
}

// Each row is what a network's log-in page does to TLS: it answers in plain HTTP, or
// for the proxy. Nothing of a person's is sent, and the person is told what is in the
// way.
func TestPortalBeforeTLS(t *testing.T) {
	const page = "HTTP/1.1 302 Found\r\nLocation: http://login/\r\nContent-Length: 0\r\n\r\n"
	tests := []struct {
		name  string
		proxy bool
		says  string
	}{
		{"plain HTTP on the server's port", false, page},
		{"plain HTTP behind the proxy", true, "HTTP/1.1 200 OK\r\n\r\n" + page},
		{"the proxy leads elsewhere", true, page},
		{"the proxy wants a log-in", true, "HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n"},
		{"the proxy has a page", true, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			heard := make(chan string, 100)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					b := make([]byte, 64<<10)
					conn.SetDeadline(time.Now().Add(5 * time.Second))
					n, _ := conn.Read(b)
					heard <- string(b[:n])
					io.WriteString(conn, tt.says)
					n, _ = conn.Read(b)
					heard <- string(b[:n])
					conn.Close()
				}
			}()
			defer func() { l.Close(); <-ended }()
			c, s := laptop(t, "https://"+l.Addr().String())
			c.proxy = http.ProxyURL(nil)
			if tt.proxy {
				c.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: l.Addr().String()})
			}
			visit(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = c.Once(ctx)
			if !errors.Is(err, ErrForeign) || pending(t, s) != 1 {
				t.Errorf("Once: %v, %d pending", err, pending(t, s))
			}
			if zh := Sentence(err, form.Zh); !strings.Contains(zh, "登录页") {
				t.Errorf("the person is told: %s", zh)
			}
			c.http.HTTPClient.CloseIdleConnections()
			for len(heard) > 0 {
				if h := <-heard; strings.Contains(h, "POST") || strings.Contains(h, "token") {
					t.Errorf("it was told %q", h)
				}
			}
		})
	}
}

// A page behind TLS has another key: that too is said as what it most likely is.
func TestPortalBehindTLS(t *testing.T) {
	portal := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it was asked to %s", r.Method) }))
	defer portal.Close()
	portal.Config.ErrorLog = log.New(io.Discard, "", 0)
	c, s := laptop(t, portal.URL)
	visit(t, s)
	_, err := c.Once(t.Context())
	if zh, en := Sentence(err, form.Zh), Sentence(err, form.En); !errors.Is(err, errPin) || !strings.Contains(zh, "登录页") || !strings.Contains(en, "log-in page") || pending(t, s) != 1 {
		t.Errorf("%v: %s; %s", err, zh, en)
	}
}
