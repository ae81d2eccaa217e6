package syncclient

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// settings are what the environment or the system says of proxies.
type settings struct {
	// ways are the proxies, http:// or socks5://, in the order in which they are tried.
	ways []*url.URL
	// except are hosts that are reached without: "*.corp.cn", "10.*", "10.0.0.0/8",
	// "<local>" for names without a dot.
	except []string
	// script is the address of a script that chooses among proxies (PAC), and comes
	// before ways; detect says that the network may name one.
	script string
	detect bool
}

// askScript is how long whoever runs a script for us has to say what it chose.
const askScript = 10 * time.Second

// errScript says that a proxy was to be had from a script, and none was.
var errScript = errors.New("the proxy script in the system's settings gave no proxy")

// environment gives the proxy that the environment names; named tells that it has the
// last word. Programs for the terminal write socks:// where they mean socks5://.
func environment() (s settings, named bool) {
	first := func(names ...string) (value string) {
		for _, name := range names {
			value = cmp.Or(value, os.Getenv(name))
		}
		return value
	}
	except := first("NO_PROXY", "no_proxy")
	s.except = under(strings.FieldsFunc(except, func(r rune) bool { return r == ',' || r == ' ' }))
	if at := first("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"); at != "" {
		s.ways = append(s.ways, address("http", at))
	}
	return s, len(s.ways) > 0 || except == "*"
}

// address reads a proxy's address, of that kind where it says none. One that cannot be
// read is as one of a kind that is not known.
func address(kind, at string) *url.URL {
	if !strings.Contains(at, "://") {
		at = kind + "://" + at
	}
	u, err := url.Parse(at)
	if err != nil {
		return &url.URL{Scheme: "unreadable"}
	}
	return u
}

// under widens names of domains to all that is in them.
func under(names []string) (all []string) {
	for _, n := range names {
		all = append(all, n, "*."+strings.TrimPrefix(n, "."))
	}
	return all
}

// settledWays gives by what addr ("host:port") is reached, in the order in which it is
// to be tried; nil is without a proxy. An error is a way of which nobody knows where
// it leads. What the environment names is gone by and nothing else. What the system
// names is often left behind by a program that is gone, and is no more than the first
// try. Whether the network names a proxy is asked where there is no other way: asking
// takes seconds, and anybody in the network may answer.
func settledWays(ctx context.Context, addr string) iter.Seq2[*url.URL, error] {
	return func(yield func(*url.URL, error) bool) {
		if near(addr) {
			yield(nil, nil)
			return
		}
		s, named := environment()
		if !named {
			s = systemSettings(ctx)
		}
		s.lead(ctx, addr, named, runScript)(yield)
	}
}

// by is that one way, nil for none of a proxy.
func by(way *url.URL) func(context.Context, string) iter.Seq2[*url.URL, error] {
	return func(context.Context, string) iter.Seq2[*url.URL, error] {
		return func(yield func(*url.URL, error) bool) { yield(way, nil) }
	}
}

// near tells an address on this machine.
func near(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// lead gives the ways of s. run tells what a script chooses, where none is named the
// network's; nil in there is without a proxy.
func (s *settings) lead(ctx context.Context, addr string, only bool, run func(ctx context.Context, script, addr string) ([]*url.URL, error)) iter.Seq2[*url.URL, error] {
	return func(yield func(*url.URL, error) bool) {
		ask := func(script string) ([]*url.URL, error) {
			ctx, cancel := context.WithTimeout(ctx, askScript)
			defer cancel()
			return run(ctx, script, addr)
		}
		ways := s.ways
		switch {
		case s.passes(addr):
			ways = []*url.URL{nil}
		case s.script != "":
			chosen, err := ask(s.script)
			if err == nil {
				ways = chosen
			}
			// Whoever runs it may say "without" of one that he could not run.
			if !slices.ContainsFunc(chosen, func(w *url.URL) bool { return w != nil }) && !yield(nil, errors.Join(errScript, err)) {
				return
			}
		}
		if !slices.Contains(ways, nil) && !only {
			ways = append(slices.Clone(ways), nil)
		}
		for _, way := range ways {
			if !yield(way, nil) {
				return
			}
		}
		if s.detect && !s.passes(addr) {
			found, _ := ask("") // mostly nobody answers
			for _, way := range found {
				if way != nil && !yield(way, nil) {
					return
				}
			}
		}
	}
}

// passes tells whether addr is one of the exceptions.
func (s *settings) passes(addr string) bool {
	addr = strings.ToLower(addr)
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return slices.ContainsFunc(s.except, func(e string) bool {
		e = strings.ToLower(e)
		if _, rest, ok := strings.Cut(e, "://"); ok {
			e = rest
		}
		if net, perr := netip.ParsePrefix(e); perr == nil && err == nil && net.Contains(ip) {
			return true
		}
		return e == "<local>" && err != nil && !strings.Contains(host, ".") || glob(e, host) || glob(e, addr)
	})
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

// reach connects to addr, by the first way that leads there.
func (c *Client) reach(ctx context.Context, network, addr string) (net.Conn, error) {
	var errs []error
	for way, err := range c.ways(ctx, addr) {
		if err == nil {
			var conn net.Conn
			if conn, err = c.along(ctx, network, addr, way); err == nil {
				return conn, nil
			}
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// proxied is how long a proxy may take to give a connection, of the time that all ways
// have together: one that says nothing leaves enough for the direct way.
const proxied = 15 * time.Second

// along connects to addr by one way. A proxy learns of addr and nothing else: not even
// of plain HTTP.
func (c *Client) along(ctx context.Context, network, addr string, way *url.URL) (net.Conn, error) {
	if way == nil {
		return c.dial(ctx, network, addr)
	}
	ask, port := tunnel, "80"
	switch way.Scheme {
	case "http":
	case "socks5", "socks5h", "socks":
		ask, port = socks, "1080"
	default:
		return nil, fmt.Errorf("the proxy %s is not of a kind that is known; http:// and socks5:// are", way.Redacted())
	}
	ctx, cancel := context.WithTimeout(ctx, proxied)
	defer cancel()
	conn, err := c.dial(ctx, network, net.JoinHostPort(way.Hostname(), cmp.Or(way.Port(), port)))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = ask(conn, way.User, addr)
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

// socks asks the same of one that speaks SOCKS5 (RFC 1928, 1929). It looks names up
// itself.
func socks(conn net.Conn, user *url.Userinfo, addr string) error {
	var auth *proxy.Auth
	if user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", "", auth, dialled{conn})
	if err == nil {
		_, err = d.Dial("tcp", addr)
	}
	return err
}

// dialled is a dialer whose connection is there.
type dialled struct{ net.Conn }

func (d dialled) Dial(string, string) (net.Conn, error) { return d.Conn, nil }
