package syncclient

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// proxies are those that the user's settings of the system name, as Windows writes
// them.
type proxies struct {
	// server is "host:port", or "http=host:port;https=host:port".
	server string
	// except are hosts that are reached without: "*.corp.cn;10.*;<local>".
	except string
}

// named tells whether the environment says by which proxy to go; it then has the
// last word.
func named() bool {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return os.Getenv("NO_PROXY") == "*" || os.Getenv("no_proxy") == "*"
}

// settledProxy gives the proxy for a request: the environment's, or the system's.
func settledProxy(r *http.Request) (*url.URL, error) {
	if named() {
		return http.ProxyFromEnvironment(r)
	}
	return systemProxies().of(r.URL)
}

// of gives the proxy by which u is reached, nil for none.
func (p proxies) of(u *url.URL) (*url.URL, error) {
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	if p.server == "" || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil, nil
	}
	for e := range strings.FieldsFuncSeq(strings.ToLower(p.except), func(r rune) bool { return r == ';' || r == ' ' }) {
		_, e = cutScheme(e)
		if e == "<local>" && ip == nil && !strings.Contains(host, ".") || glob(e, host) || glob(e, strings.ToLower(u.Host)) {
			return nil, nil
		}
	}
	for e := range strings.FieldsFuncSeq(p.server, func(r rune) bool { return r == ';' || r == ' ' }) {
		if kind, server, several := strings.Cut(e, "="); !several || kind == u.Scheme {
			if !several {
				server = e
			}
			scheme, at := cutScheme(server)
			return url.Parse(cmp.Or(scheme, "http") + "://" + at)
		}
	}
	return nil, nil
}

func cutScheme(s string) (scheme, rest string) {
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return scheme, rest
	}
	return "", s
}

// glob tells whether s is as pattern says, in which * stands for anything.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) || !strings.HasSuffix(s[len(first):], last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// reach connects to addr, through the proxy where the environment or the system names
// one. The system's is often left behind by a program that is gone: where nobody
// answers there it is gone without.
func (c *Client) reach(ctx context.Context, network, addr string) (net.Conn, error) {
	proxy, err := c.proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
	if err != nil {
		return nil, err
	}
	if proxy == nil {
		return c.dial(ctx, network, addr)
	}
	if proxy.Scheme != "http" {
		return nil, fmt.Errorf("the proxy %s is not of a kind that is known; http:// is", proxy.Redacted())
	}
	conn, err := c.dial(ctx, network, net.JoinHostPort(proxy.Hostname(), cmp.Or(proxy.Port(), "80")))
	if err != nil && !named() && ctx.Err() == nil {
		return c.dial(ctx, network, addr)
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = tunnel(conn, proxy.User, addr)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// tunnel asks the proxy at the other end of conn for a connection to addr.
func tunnel(conn net.Conn, user *url.Userinfo, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
		req.Header["Proxy-Authorization"] = req.Header["Authorization"]
		req.Header.Del("Authorization")
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	// Nothing is lost in the reader: behind the proxy's answer, TLS waits to be
	// spoken to. A proxy that says more, or leads elsewhere, speaks for itself.
	r := bufio.NewReader(io.LimitReader(conn, 64<<10))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return err
	}
	page := resp.StatusCode == http.StatusOK && (r.Buffered() > 0 || resp.ContentLength > 0)
	if page || resp.StatusCode/100 == 3 || resp.StatusCode == http.StatusNetworkAuthenticationRequired {
		return fmt.Errorf("%w (the proxy says %s)", ErrForeign, resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy says %s", resp.Status)
	}
	return nil
}
