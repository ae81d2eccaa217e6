package syncclient

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// noProxies has the environment name none.
func noProxies(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
}

// reached is what ways lead to, in their order: - for without a proxy, ? for one that is
// not known.
func reached(ways iter.Seq2[*url.URL, error]) string {
	var all []string
	for way, err := range ways {
		switch {
		case err != nil:
			all = append(all, "?")
		case way == nil:
			all = append(all, "-")
		default:
			all = append(all, way.String())
		}
	}
	return strings.Join(all, " ")
}

// Each row is what Windows has in its settings, an address, and by what that is reached.
func TestWindowsProxies(t *testing.T) {
	for _, tt := range []struct{ server, except, to, want string }{
		{"", "", "zhucun.cn:443", "-"},
		{"10.0.0.1:3128", "", "zhucun.cn:8440", "http://10.0.0.1:3128 -"},
		{"http://10.0.0.1:3128", "", "zhucun.cn:443", "http://10.0.0.1:3128 -"},
		{"http=a:80;https=b:81;ftp=c:82", "", "zhucun.cn:443", "http://b:81 -"},
		{"http=a:80", "", "zhucun.cn:443", "-"},
		{"socks=a:1080", "", "zhucun.cn:443", "socks5://a:1080 -"},
		{"socks=a:1080;https=b:81", "", "zhucun.cn:443", "http://b:81 socks5://a:1080 -"},
		{"a:80;b:81", "", "zhucun.cn:443", "http://a:80 http://b:81 -"},
		{"a:80", "*.gov.cn;<local>", "zhucun.gov.cn:443", "-"},
		{"a:80", "*.gov.cn;<local>", "gov.cn.example.com:443", "http://a:80 -"},
		{"a:80", "<local>", "office:443", "-"},
		{"a:80", "<local>", "office.cn:443", "http://a:80 -"},
		{"a:80", "10.*; 192.168.*", "192.168.1.9:443", "-"},
		{"a:80", "10.*;192.168.*", "11.0.0.1:443", "http://a:80 -"},
		{"a:80", "ZHUCUN.cn", "Zhucun.CN:443", "-"},
		{"a:80", "zhucun.cn:8440", "zhucun.cn:8440", "-"},
		{"a:80", "https://zhu*.cn", "zhucun.cn:443", "-"},
		{"a:80", "*", "zhucun.cn:443", "-"},
		{"a:80", "z*n*n", "zn:443", "http://a:80 -"},
	} {
		s := settings{ways: windowsWays(tt.server), except: windowsExcept(tt.except)}
		if got := reached(s.lead(t.Context(), tt.to, false, nil)); got != tt.want {
			t.Errorf("%q except %q: %s by %q, want %q", tt.server, tt.except, tt.to, got, tt.want)
		}
	}
}

// Each row is what the environment says, and by what the server is reached where it has
// the last word.
func TestEnvironmentNamesProxy(t *testing.T) {
	for _, tt := range []struct{ vars, to, want string }{
		{"", "zhucun.cn:443", ""},
		{"no_proxy=localhost", "zhucun.cn:443", ""}, // an exception from nothing
		{"no_proxy=*", "zhucun.cn:443", "-"},
		{"HTTPS_PROXY=http://proxy.cn:3128", "zhucun.cn:443", "http://proxy.cn:3128"},
		{"https_proxy=proxy.cn:3128", "zhucun.cn:443", "http://proxy.cn:3128"},
		{"ALL_PROXY=socks://127.0.0.1:7891/", "zhucun.cn:443", "socks://127.0.0.1:7891/"},
		{"HTTPS_PROXY=socks5://li:geheim@a:1080 ALL_PROXY=b:80", "zhucun.cn:443", "socks5://li:geheim@a:1080"},
		{"HTTPS_PROXY=a:80 NO_PROXY=gov.cn,10.0.0.0/8", "zhucun.gov.cn:443", "-"},
		{"HTTPS_PROXY=a:80 NO_PROXY=gov.cn,10.0.0.0/8", "gov.cn:443", "-"},
		{"HTTPS_PROXY=a:80 NO_PROXY=gov.cn,10.0.0.0/8", "10.1.2.3:443", "-"},
		{"HTTPS_PROXY=a:80 NO_PROXY=gov.cn,10.0.0.0/8", "nogov.cn:443", "http://a:80"},
		{"HTTPS_PROXY=a:80 NO_PROXY=.gov.cn", "zhucun.gov.cn:443", "-"},
		{"HTTPS_PROXY=://", "zhucun.cn:443", "unreadable:"},
	} {
		noProxies(t)
		for v := range strings.FieldsSeq(tt.vars) {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		got := ""
		if s, named := environment(); named {
			got = reached(s.lead(t.Context(), tt.to, true, nil))
		}
		if got != tt.want {
			t.Errorf("%s: %s by %q, want %q", tt.vars, tt.to, got, tt.want)
		}
	}
}

// This machine is reached without, whatever is named.
func TestNoProxyToThisMachine(t *testing.T) {
	noProxies(t)
	t.Setenv("HTTPS_PROXY", "a:80")
	for addr, want := range map[string]string{"127.0.0.1:8440": "-", "localhost:8440": "-", "[::1]:8440": "-", "128.0.0.1:8440": "http://a:80"} {
		if got := reached(settledWays(t.Context(), addr)); got != want {
			t.Errorf("%s by %q, want %q", addr, got, want)
		}
	}
}

// Each row is what a script chooses, or the network, and by what the server is reached.
func TestScripts(t *testing.T) {
	a, b := address("http", "a:80"), address("http", "b:81")
	broken := errors.New("the script cannot be run")
	for _, tt := range []struct {
		name string
		s    settings
		says []*url.URL
		err  error
		want string
	}{
		{"a proxy", settings{script: "pac"}, []*url.URL{a}, nil, "http://a:80 -"},
		{"two, and then without", settings{script: "pac"}, []*url.URL{a, b, nil}, nil, "http://a:80 http://b:81 -"},
		{"without first", settings{script: "pac"}, []*url.URL{nil, a}, nil, "- http://a:80"},
		{"a proxy beside it", settings{script: "pac", ways: []*url.URL{b}}, []*url.URL{a}, nil, "http://a:80 -"},
		{"without, which may be no answer", settings{script: "pac"}, []*url.URL{nil}, nil, "? -"},
		{"it cannot be run", settings{script: "pac"}, nil, broken, "? -"},
		{"it cannot be run, there is a proxy beside it", settings{script: "pac", ways: []*url.URL{b}}, nil, broken, "? http://b:81 -"},
		{"an exception", settings{script: "pac", except: []string{"*.cn"}}, []*url.URL{a}, nil, "-"},
		{"the network names one", settings{detect: true}, []*url.URL{a, nil}, nil, "- http://a:80"},
		{"the network names none", settings{detect: true}, nil, broken, "-"},
		{"the network is not asked of an exception", settings{detect: true, except: []string{"*.cn"}}, []*url.URL{a}, nil, "-"},
	} {
		got := reached(tt.s.lead(t.Context(), "zhucun.cn:443", false, func(ctx context.Context, script, addr string) ([]*url.URL, error) {
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > askScript || script != tt.s.script || addr != "zhucun.cn:443" {
				t.Errorf("%s: %q is asked for %q until %v", tt.name, script, addr, end)
			}
			return tt.says, tt.err
		}))
		if got != tt.want {
			t.Errorf("%s: by %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Who is told that a script gave no proxy knows what to do; who is reached by another
// way hears nothing of it.
func TestScriptWithoutProxy(t *testing.T) {
	srv, _ := server(t, new(*store.Store), nil)
	c, s := laptop(t, srv.URL)
	dead := true
	dial := c.dial
	c.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dead {
			return nil, syscall.ECONNREFUSED
		}
		return dial(ctx, network, addr)
	}
	c.ways = func(ctx context.Context, addr string) iter.Seq2[*url.URL, error] {
		return (&settings{script: "pac"}).lead(ctx, addr, false, func(context.Context, string, string) ([]*url.URL, error) {
			return nil, errors.ErrUnsupported
		})
	}
	visit(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.Once(ctx)
	if zh, en := Sentence(err, form.Zh), Sentence(err, form.En); !errors.Is(err, errNoAnswer) || !strings.Contains(zh, "手动填写") || !strings.Contains(en, "by hand") {
		t.Errorf("%v: %s; %s", err, zh, en)
	}
	dead = false
	if conn, err := c.reach(t.Context(), "tcp", srv.Listener.Addr().String()); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
}

// The system names a proxy that is not there any more: a program set it and is gone.
// The environment's is not gone around.
func TestProxyGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	c, _ := laptop(t, "https://"+host)
	for _, only := range []bool{false, true} {
		c.ways = func(ctx context.Context, addr string) iter.Seq2[*url.URL, error] {
			return (&settings{ways: []*url.URL{address("http", l.Addr().String())}}).lead(ctx, addr, only, nil)
		}
		conn, err := c.reach(t.Context(), "tcp", far.Addr().String())
		if (err != nil) != only {
			t.Errorf("the environment's: %v; %v", only, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// A proxy of the system's takes the connection and says nothing: the direct way is still
// tried in the time that all have together.
func TestProxySilent(t *testing.T) {
	for _, scheme := range []string{"http", "socks5"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &Client{dial: func(_ context.Context, _, addr string) (net.Conn, error) {
					near, far := net.Pipe()
					if addr == "proxy:1080" {
						go io.Copy(io.Discard, far) // it listens, and that is all
					}
					t.Cleanup(func() { near.Close(); far.Close() })
					return near, nil
				}}
				c.ways = func(ctx context.Context, addr string) iter.Seq2[*url.URL, error] {
					return (&settings{ways: []*url.URL{address(scheme, "proxy:1080")}}).lead(ctx, addr, false, nil)
				}
				ctx, cancel := context.WithTimeout(t.Context(), connecting)
				defer cancel()
				if _, err := c.reach(ctx, "tcp", "zhucun.cn:443"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Each row is how a system writes its settings, and what they are.
func TestReadSettings(t *testing.T) {
	for _, tt := range []struct {
		name, ways string
		s          settings
		script     string
		detect     bool
		passes     string // hosts that are reached without
		not        string // and with
	}{
		{"macOS", "http://10.0.0.1:8080 socks5://10.0.0.2:1080 -", scutilSettings(`<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 10.0.0.0/8
    2 : gov.cn
  }
  ExcludeSimpleHostnames : 1
  FTPPassive : 1
  HTTPEnable : 1
  HTTPPort : 80
  HTTPProxy : 10.0.0.9
  HTTPSEnable : 1
  HTTPSPort : 8080
  HTTPSProxy : 10.0.0.1
  ProxyAutoConfigEnable : 0
  ProxyAutoConfigURLString : http://pac.cn/p.pac
  SOCKSEnable : 1
  SOCKSPort : 1080
  SOCKSProxy : 10.0.0.2
}
`), "", false, "a.local 10.1.1.1 gov.cn x.gov.cn office", "local.cn 11.1.1.1 nogov.cn"},
		{"macOS, a script", "-", scutilSettings("<dictionary> {\n  HTTPSEnable : 0\n  HTTPSProxy : 10.0.0.1\n  HTTPSPort : 80\n  ProxyAutoConfigEnable : 1\n  ProxyAutoConfigURLString : http://pac.cn/p.pac\n}\n"), "http://pac.cn/p.pac", false, "", "a.cn"},
		{"macOS, nothing", "-", scutilSettings("<dictionary> {\n  FTPPassive : 1\n}\n"), "", false, "", "a.cn"},
		{"GNOME", "http://li:g%27h@10.0.0.1:8080 socks5://10.0.0.2:1080 -", gnomeSettings(`org.gnome.system.proxy autoconfig-url 'http://pac.cn/p.pac'
org.gnome.system.proxy ignore-hosts ['localhost', '127.0.0.0/8', '::1', 'gov.cn']
org.gnome.system.proxy mode 'manual'
org.gnome.system.proxy use-same-proxy true
org.gnome.system.proxy.ftp host ''
org.gnome.system.proxy.ftp port 0
org.gnome.system.proxy.http authentication-password "g'h"
org.gnome.system.proxy.http authentication-user 'li'
org.gnome.system.proxy.http enabled false
org.gnome.system.proxy.http host '10.0.0.9'
org.gnome.system.proxy.http port 80
org.gnome.system.proxy.http use-authentication true
org.gnome.system.proxy.https host '10.0.0.1'
org.gnome.system.proxy.https port 8080
org.gnome.system.proxy.socks host '10.0.0.2'
org.gnome.system.proxy.socks port 1080
`), "", false, "gov.cn x.gov.cn localhost 127.1.1.1", "a.cn"},
		{"GNOME, a script", "-", gnomeSettings("org.gnome.system.proxy mode 'auto'\norg.gnome.system.proxy autoconfig-url 'http://pac.cn/it\\'s.pac'\norg.gnome.system.proxy ignore-hosts @as []\norg.gnome.system.proxy.https host 'left'\n"), "http://pac.cn/it's.pac", false, "", "a.cn"},
		{"GNOME, the network's", "-", gnomeSettings("org.gnome.system.proxy mode 'auto'\norg.gnome.system.proxy autoconfig-url ''\n"), "", true, "", "a.cn"},
		{"GNOME, none", "-", gnomeSettings("org.gnome.system.proxy mode 'none'\norg.gnome.system.proxy autoconfig-url 'http://left'\norg.gnome.system.proxy.https host 'left'\norg.gnome.system.proxy.https port 80\n"), "", false, "", "a.cn"},
		{"no GNOME", "-", gnomeSettings(""), "", false, "", "a.cn"},
		{"KDE", "http://10.0.0.1:8080 socks5://10.0.0.2:1080 -", kdeSettings("[General]\nProxyType=2\n[Proxy Settings]\nNoProxyFor=localhost,.gov.cn\nProxyType=1\nhttpsProxy=http://10.0.0.1 8080\nsocksProxy=socks5://10.0.0.2:1080\n[Other]\nhttpsProxy=http://left\n"), "", false, "x.gov.cn localhost", "a.cn"},
		{"KDE, a script", "-", kdeSettings("[Proxy Settings]\nProxyType=2\nProxy Config Script=http://pac.cn/p.pac?a=b\nhttpsProxy=http://left 80\n"), "http://pac.cn/p.pac?a=b", false, "", "a.cn"},
		{"KDE, the network's", "-", kdeSettings("[Proxy Settings]\nProxyType=3\n"), "", true, "", "a.cn"},
		{"KDE, none", "-", kdeSettings("[Proxy Settings]\nProxyType=0\nhttpsProxy=http://left 80\n"), "", false, "", "a.cn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.s.script != tt.script || tt.s.detect != tt.detect {
				t.Errorf("script %q, detect %v", tt.s.script, tt.s.detect)
			}
			ways := tt.s
			ways.script, ways.detect = "", false
			if got := reached(ways.lead(t.Context(), "zhucun.cn:443", false, nil)); got != tt.ways {
				t.Errorf("by %q, want %q", got, tt.ways)
			}
			for h := range strings.FieldsSeq(tt.passes) {
				if !ways.passes(h + ":443") {
					t.Errorf("%s goes by a proxy", h)
				}
			}
			for h := range strings.FieldsSeq(tt.not) {
				if ways.passes(h + ":443") {
					t.Errorf("%s goes without", h)
				}
			}
		})
	}
}

// socksServer is one that takes li's word, where it asks for it, and connects to addr,
// whatever is asked for; it is asked for host. It says failure where that is not 0.
func socksServer(t *testing.T, addr string, asks bool, failure byte) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve := func(conn net.Conn) error {
		b := make([]byte, 512)
		read := func(n int) []byte { _, err = io.ReadFull(conn, b[:n]); return b[:n] }
		if n := read(2); n[0] != 5 {
			return errors.New("not SOCKS5")
		}
		methods := read(int(b[1]))
		if asks {
			if !bytes.Contains(methods, []byte{2}) {
				conn.Write([]byte{5, 0xff})
				return nil
			}
			conn.Write([]byte{5, 2})
			read(2)
			user := string(read(int(b[1])))
			if word := string(read(int(read(1)[0]))); user != "li" || word != "geheim" {
				conn.Write([]byte{1, 1})
				return nil
			}
			conn.Write([]byte{1, 0})
		} else {
			conn.Write([]byte{5, 0})
		}
		if r := read(5); r[1] != 1 || r[3] != 3 { // CONNECT, by name
			return fmt.Errorf("it is asked for %v", r)
		}
		if name := string(read(int(b[4]))); name != host {
			return fmt.Errorf("it is asked for %q", name)
		}
		read(2)
		if err != nil {
			return err
		}
		conn.Write([]byte{5, failure, 0, 1, 0, 0, 0, 0, 0, 0})
		if failure != 0 {
			return nil
		}
		up, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		go func() { io.Copy(up, conn); up.Close() }()
		io.Copy(conn, up)
		return nil
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := serve(conn); err != nil {
					t.Error(err)
				}
			}()
		}
	}()
	return &url.URL{Scheme: "socks5", Host: l.Addr().String()}
}

// Each row is a SOCKS5 proxy on the way, and whether the work gets through it.
func TestSocks(t *testing.T) {
	right, wrong := url.UserPassword("li", "geheim"), url.UserPassword("li", "1234")
	for _, tt := range []struct {
		name    string
		kind    string
		asks    bool
		failure byte
		user    *url.Userinfo
		through bool
	}{
		{"it asks nothing", "socks5", false, 0, nil, true},
		{"it asks nothing of whom it could", "socks5h", false, 0, right, true},
		{"as terminals write it", "socks", false, 0, nil, true},
		{"it asks who it is", "socks5", true, 0, right, true},
		{"the password is wrong", "socks5", true, 0, wrong, false},
		{"it asks who it is, and nobody says", "socks5", true, 0, nil, false},
		{"it cannot", "socks5", false, 5, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s *store.Store
			srv := secured(t, serverKey, func(w http.ResponseWriter, r *http.Request) {
				m, err := wire.DecodeSync(r.Body, wire.MaxRequest)
				if err != nil {
					t.Error(err)
					return
				}
				reply(w, acknowledge(t, s, m))
			})
			var c *Client
			c, s = laptop(t, "https://"+host+":443")
			if _, err := s.SetDevice(t.Context(), func(d *store.Device) { d.Pin = identity.PinOf(serverKey.Public().(ed25519.PublicKey)) }); err != nil {
				t.Fatal(err)
			}
			way := socksServer(t, srv.Listener.Addr().String(), tt.asks, tt.failure)
			way.Scheme, way.User = tt.kind, tt.user
			c.ways = by(way)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if !tt.through {
				if conn, err := c.reach(ctx, "tcp", host+":443"); err == nil || ctx.Err() != nil {
					t.Errorf("it is reached by %v, %v", conn, err)
				}
				return
			}
			visit(t, s)
			if _, err := c.Once(ctx); err != nil || pending(t, s) > 0 {
				t.Errorf("%d pending: %v", pending(t, s), err)
			}
		})
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
			c.ways = by(nil)
			if tt.proxy {
				c.ways = by(address("http", l.Addr().String()))
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
