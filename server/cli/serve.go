package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zhucun/server/api"
	"zhucun/server/monitor"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/syncapi"
	"zhucun/server/web"
	"zhucun/server/webhook"
	"zhucun/shared/wire"
)

// defaultListen is where serve listens, and where codes point that are made
// before it ever ran.
const defaultListen = "127.0.0.1:8440"

// metaURL and metaURLGiven keep the server's address in the table meta, and
// whether somebody chose it.
const (
	metaURL      = "url"
	metaURLGiven = "url_given"
)

type serveOptions struct {
	listen, url, cert, key string
	plain                  bool
	log                    string
	private                bool // webhooks may go to this machine and its network
	metrics                bool // numbers for this machine, without a token
}

func (c *call) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := c.command("serve", "运行服务器", "run the server", 0, 0, func(ctx context.Context, _ []string) error { return c.serve(ctx, o) })
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", defaultListen, c.say("监听地址", "address to listen on"))
	f.StringVar(&o.url, "url", "", c.say("电脑访问服务器用的地址，写进登记码（默认 https://监听地址）", "the address that laptops use, told in codes (default https://LISTEN)"))
	f.StringVar(&o.cert, "tls-cert", "", c.say("浏览器用的证书文件", "certificate for browsers"))
	f.StringVar(&o.key, "tls-key", "", c.say("证书的密钥文件", "its key"))
	f.BoolVar(&o.plain, "plain-http", false, c.say("不加密（仅用于前面另有 HTTPS 代理，或测试）", "no TLS (behind an HTTPS proxy, or for tests)"))
	f.StringVar(&o.log, "log", cmp.Or(os.Getenv("ZHUCUN_LOG"), "text"), c.say("日志格式：text，或 json（每个请求一行；或环境变量 ZHUCUN_LOG）", "how the log is written: text, or json with a line for each request (or ZHUCUN_LOG)"))
	f.BoolVar(&o.private, "webhooks-private", false, c.say("通知可以发往本机和内网地址，也可以不加密", "webhooks may go to this machine and to private networks, and without TLS"))
	f.BoolVar(&o.metrics, "metrics-local", false, c.say("本机的程序不用令牌也能读 /metrics（前面有代理时不要用）", "programs on this machine read /metrics without a token (not behind a proxy)"))
	return cmd
}

func (c *call) serve(ctx context.Context, o serveOptions) error {
	if (o.cert == "") != (o.key == "") || o.plain && o.cert != "" {
		return c.usage("--tls-cert 和 --tls-key 要一起用，不能和 --plain-http 同用", "--tls-cert and --tls-key go together, and not with --plain-http")
	}
	if o.url != "" {
		u, err := url.Parse(o.url)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			return c.usage("--url 应如 https://example.cn:8440，不带路径", "--url is like https://example.cn:8440, without a path")
		}
	}
	switch o.log {
	case "text":
	case "json":
		c.log = c.jsonLogger()
	default:
		return c.usage("--log 只能是 text 或 json", "--log is text or json")
	}
	_, port, err := net.SplitHostPort(o.listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return c.usage("--listen 应如 127.0.0.1:8440", "--listen is like 127.0.0.1:8440")
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.with(ctx, func(s *server) error { return c.listen(ctx, s, o) })
}

// lockFile is held by the server that runs on the data folder.
const lockFile = "serve.lock"

// listen serves until ctx ends. A second server on the same data would send the
// laptops that enrol from then on to its own address, and leave them there.
func (c *call) listen(ctx context.Context, s *server, o serveOptions) (err error) {
	release, err := sqlite.Lock(ctx, filepath.Join(c.data, lockFile))
	if errors.Is(err, sqlite.ErrLocked) {
		return c.fail("%s 上已经有一个服务器在运行；先停掉它，或换一个 --data", "A server runs on %s already; stop it first, or choose another --data", c.data)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	// A probe is a hundred bytes, on the line of each laptop that waits for news.
	alive := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 45 * time.Second, Interval: 15 * time.Second, Count: 4}}
	l, err := alive.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return c.fail("无法监听 %s（%s）；换一个 --listen，或先停掉占用它的程序", "Cannot listen on %s (%s); choose another --listen, or stop what holds it", o.listen, err)
	}
	defer l.Close()
	address, err := c.address(ctx, s, o, l.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	if !o.plain {
		config, err := c.tls(s, o, address)
		if err != nil {
			return err
		}
		l = tls.NewListener(l, config)
	}
	unfinished := func(x store.Transfer, err error) {
		c.log.Error("a transfer is not finished", "record", x.Record, "from", x.From, "to", x.To, "error", err)
	}
	if err := s.review.FinishTransfers(ctx, unfinished); err != nil {
		return err
	}
	// Requests outlive the signal: what has arrived is finished.
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	backups := newKeeper(watching, c, s)
	defer backups.close() // before the store is
	h := c.http(s, address, o, backups)
	go s.store.Watch(watching)
	go s.store.KeepFigures(watching)
	go s.store.KeepLists(watching)
	go s.store.KeepPairs(watching)
	go s.review.FollowFiles(watching, unfinished)
	go s.access.Watch(watching)
	sending, sent := context.WithCancel(watching)
	told := make(chan struct{})
	go func() {
		webhook.New(s.store, s.access, webhook.Options{Private: o.private, Log: c.log, Version: Version}).Run(sending)
		close(told)
	}()
	// Before the store is closed.
	defer func() { sent(); <-told }()
	// Requests have ended by then.
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, s.access.NoteRefusals(ctx, true), s.store.SignAudit(ctx, true))
	}()
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	if c.json {
		err = c.print(map[string]string{"url": address, "listen": l.Addr().String()})
	} else {
		c.tell("驻村通服务器已在 %s 运行，按 Ctrl+C 停止", "Zhucun's server runs at %s; Ctrl+C stops it", address)
	}
	if err != nil {
		return err
	}
	if o.plain {
		fmt.Fprintln(c.err, c.say("警告：没有加密（--plain-http），线路上的人都能看到全部内容；仅用于测试，或前面另有 HTTPS 代理",
			"Warning: nothing is encrypted (--plain-http) and whoever is on the line reads along; for tests, or behind an HTTPS proxy"))
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// Whoever waits for news gives up at once; whoever is being answered has a
	// moment.
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := h.Shutdown(finish); errors.Is(err, context.DeadlineExceeded) {
		return h.Close()
	} else if err != nil {
		return err
	}
	return nil
}

// http makes the server of all that is served: the agents' door, the pages, and what
// programs read by.
func (c *call) http(s *server, address string, o serveOptions, backups *keeper) *http.Server {
	mux := http.NewServeMux()
	door := syncapi.New(s.store, s.access)
	mux.Handle(wire.EnrolPath, door)
	mux.Handle(wire.SyncPath, door)
	mux.Handle(wire.ShortPath, door)
	mux.Handle(wire.BundlePath, door)
	mux.Handle(wire.EscrowPath, door)
	mux.Handle(wire.BlobPath, syncapi.NewBlobs(door))
	pages := web.New(s.store, s.access, s.review, web.Options{URL: address, Spool: filepath.Join(c.data, "spool"), Log: c.log, Version: Version, Backups: backups})
	mux.Handle("/", pages.Handler())
	programs := api.New(s.store, s.access, api.Options{URL: address, Log: c.log}).Handler()
	mux.Handle(api.RESTPath, programs)
	mux.Handle(api.ODataPath, programs)
	watch := monitor.New(s.store, s.access, monitor.Options{Data: c.data, Room: web.Room, Log: c.log, Version: Version, Local: o.metrics, Requests: o.log == "json"})
	for _, path := range []string{monitor.HealthPath, monitor.ReadyPath, monitor.MetricsPath} {
		mux.Handle(path, watch.Handler())
	}
	h := syncapi.Server(watch.Count(mux), c.log)
	h.RegisterOnShutdown(pages.Close)
	h.RegisterOnShutdown(door.Close)
	return h
}

// address decides where laptops find the server, and remembers it: what was
// given now, else what was given before, else where it listens.
func (c *call) address(ctx context.Context, s *server, o serveOptions, at *net.TCPAddr) (string, error) {
	address, given := o.url, "1"
	if address == "" {
		before, err := s.store.Meta(ctx, metaURLGiven)
		if err != nil {
			return "", err
		}
		if string(before) == "1" {
			b, err := s.store.Meta(ctx, metaURL)
			return string(b), err
		}
		given = "0"
		scheme := "https"
		if o.plain {
			scheme = "http"
		}
		host, _, _ := net.SplitHostPort(o.listen)
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = outside()
		}
		address = scheme + "://" + net.JoinHostPort(host, fmt.Sprint(at.Port))
	}
	return address, errors.Join(s.store.SetMeta(ctx, metaURL, []byte(address)), s.store.SetMeta(ctx, metaURLGiven, []byte(given)))
}

// outside is an address of this machine that others may reach.
func outside() string {
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
				return n.IP.String()
			}
		}
	}
	return "127.0.0.1"
}

func (c *call) tls(s *server, o serveOptions, address string) (*tls.Config, error) {
	hosts := []string{}
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	if host, _, _ := net.SplitHostPort(o.listen); host != "" && !slices.Contains(hosts, host) && !net.ParseIP(host).IsUnspecified() {
		hosts = append(hosts, host)
	}
	for _, h := range []string{"localhost", "127.0.0.1"} {
		if !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	agents, pages, err := s.keys.certificates(hosts, c.now())
	if err != nil {
		return nil, err
	}
	if o.cert != "" {
		if pages, err = tls.LoadX509KeyPair(o.cert, o.key); err != nil {
			return nil, c.fail("证书 %s 或密钥 %s 不能用（%s）", "The certificate %s or key %s cannot be used (%s)", o.cert, o.key, err)
		}
	}
	return tlsConfig(agents, pages, o.cert != ""), nil
}
