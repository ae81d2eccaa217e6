package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zhucun/agent/inbox"
	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/agent/web"
	"zhucun/shared/form"
)

// defaultListen is where the page is.
const defaultListen = "127.0.0.1:8450"

func (c *call) runCmd() *cobra.Command {
	var listen string
	var hidden, open bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: c.say("在后台运行：网页、自动同步、收件夹", "Run: the page, sync by itself, the drop folder"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.live != nil {
				return c.fail(c.say("已经在运行", "It is running already"))
			}
			if r, ok := findRunning(c.data); ok && open {
				c.args = []string{"open"}
				return c.forward(cmd.Context(), r, false)
			} else if ok {
				return c.runs(r)
			}
			c.opens = open
			if hidden {
				hideWindow()
			}
			return c.underSystem(cmd.Context(), func(ctx context.Context) error { return c.serve(ctx, listen) })
		},
	}
	cmd.Flags().StringVar(&listen, "listen", defaultListen, c.say("网页地址，只能在本机", "address of the page, on this machine only"))
	cmd.Flags().BoolVar(&hidden, "hidden", false, c.say("不显示窗口", "show no window"))
	cmd.Flags().BoolVar(&open, "open", false, c.say("并打开网页", "and open the page"))
	cmd.Flags().Lookup("hidden").Hidden = true // for whatever starts it by itself
	return cmd
}

func (c *call) runs(r running) error {
	return c.fail(c.say("这个数据文件夹上已有程序在运行（%s）", "An agent is running on this data folder already (%s)", r.Addr))
}

// serve runs the agent until a signal: page, command door, sync, drop folder.
func (c *call) serve(ctx context.Context, listen string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	modest()
	if err := c.loopback(listen); err != nil {
		return err
	}
	if r, ok := findRunning(c.data); ok {
		return c.runs(r)
	}
	if err := c.there(); errors.Is(err, store.ErrInUse) {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return c.fail(c.say("地址 %s 已被占用，请用 --listen 换一个端口", "Address %s is in use; choose another port with --listen", listen))
	}
	if err != nil {
		return c.fail(c.say("不能使用地址 %s（%s），请用 --listen 换一个", "Address %s cannot be used (%s); choose another with --listen", listen, err))
	}
	defer l.Close()
	f := c.front(ctx, l)
	// What is locked is unlocked on the page, where nobody can be asked here.
	key, err := c.dataKey()
	if errors.Is(err, vault.ErrLocked) {
		key, err = f.wait(ctx)
	}
	if err == nil && key != nil {
		c.key = key
		err = f.run(ctx, stop)
	}
	return errors.Join(err, f.end())
}

// loopback refuses to listen anywhere but on this machine.
func (c *call) loopback(listen string) error {
	host, port, err := net.SplitHostPort(listen)
	_, perr := strconv.ParseUint(port, 10, 16)
	if ip := net.ParseIP(host); err != nil || perr != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return c.usage(c.say("--listen 只能是本机地址和端口，如 127.0.0.1:8450", "--listen is an address of this machine and a port, such as 127.0.0.1:8450"))
	}
	return nil
}

// front is the agent as seen from the browser and from commands: a listener that
// is there before the data is unlocked, and what answers there.
type front struct {
	c     *call
	gate  *web.Gate
	lock  *lock
	addr  string
	token string
	srv   *http.Server
	// pages answers browsers, agent commands: both are other ones once the data is
	// unlocked.
	pages  atomic.Pointer[http.Handler]
	agent  atomic.Pointer[agent]
	served chan error
	told   bool
}

func (c *call) front(ctx context.Context, l net.Listener) *front {
	f := &front{c: c, addr: l.Addr().String(), token: rand.Text(), lock: newLock(c.data), served: make(chan error, 1)}
	f.gate = web.NewGate(c.data, f.lock, web.Options{Log: c.log})
	f.agent.Store(&agent{dir: c.data, link: f.link, addr: f.addr})
	f.answer(f.gate.Wait(c.lang))
	mux := http.NewServeMux()
	mux.HandleFunc(commandPath, func(w http.ResponseWriter, r *http.Request) {
		f.agent.Load().command(w, r, f.token, func(sub *call) { sub.log = c.log })
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { (*f.pages.Load()).ServeHTTP(w, r) })
	f.srv = &http.Server{Handler: single(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() { f.served <- f.srv.Serve(l) }()
	return f
}

func (f *front) answer(h http.Handler) { f.pages.Store(&h) }

func (f *front) link() string { return "http://" + f.addr + f.gate.Link() }

// tell says, once, that the agent runs: in run.json and to whoever started it.
func (f *front) tell(locked bool) error {
	if f.told {
		return nil
	}
	f.told, f.c.serves = true, true
	clearWayIn(f.c.data)
	if err := writeRunning(f.c.data, running{f.addr, f.token}); err != nil {
		return err
	}
	link := ""
	if f.c.opens {
		if link = f.link(); browse(f.c.data, link) {
			link = ""
		}
	}
	if f.c.json {
		told := map[string]any{"listening": f.addr, "locked": locked}
		if link != "" {
			told["link"] = link
		}
		return f.c.print(told)
	}
	if locked {
		f.c.write(f.c.say("已运行，还锁着：%s（用 zhucun-agent open 打开网页，输入口令；Ctrl-C 退出）\n", "Running at %s, still locked (open the page with zhucun-agent open and give the passphrase; Ctrl-C ends)\n", f.addr))
	} else {
		f.c.write(f.c.say("已运行：%s（用 zhucun-agent open 打开网页；Ctrl-C 退出）\n", "Running at %s (open the page with zhucun-agent open; Ctrl-C ends)\n", f.addr))
	}
	if link != "" {
		f.c.write(f.c.say("这里打不开浏览器。请在本机的浏览器里打开这个链接，只能用一次：\n%s\n", "No browser can be opened from here. Open this link in a browser on this machine; it works once:\n%s\n", link))
	}
	return nil
}

// wait gives the key once somebody has given the passphrase on the page; nil when
// ctx ends before.
func (f *front) wait(ctx context.Context) ([]byte, error) {
	if err := f.tell(true); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, nil
	case err := <-f.served:
		return nil, err
	case key := <-f.lock.key:
		return key, nil
	}
}

// run opens the store and works until ctx ends: pages, commands, sync, drop folder.
func (f *front) run(ctx context.Context, stop context.CancelFunc) (err error) {
	c := f.c
	s, r, err := c.obtain(ctx, runHeldUp)
	if errors.Is(err, errRuns) {
		return c.runs(r)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	if d, err := s.Device(); err == nil && d.Wiped { // cut off before it was done
		return errors.Join(syncclient.ErrWiped, c.dispose(s))
	}
	client := syncclient.New(s, Version, c.log)
	a := &agent{store: s, dir: s.Dir(), sync: client, forms: s.Forms(), addr: f.addr, link: f.link, backups: keeper(s, c.log)}
	box, err := inbox.New(s, s.Forms(), func() form.Lang { return a.lang() }, shrinker, c.log)
	if err != nil {
		return err
	}
	f.gate.Open()
	f.answer(web.New(s, syncer{client, s}, web.Options{Log: c.log, Gate: f.gate, Shrink: shrinker, Holds: spread, Backups: a.backups}).Handler())
	f.agent.Store(a)
	var work sync.WaitGroup
	defer func() {
		stop()
		err = errors.Join(err, f.end())
		work.Wait()
		if errors.Is(err, syncclient.ErrWiped) {
			err = errors.Join(err, c.dispose(s))
		}
	}()
	work.Go(func() { client.Run(ctx) })
	work.Go(func() { a.backups.Run(ctx) })
	work.Go(func() {
		if err := box.Run(ctx); err != nil {
			c.log.Error("drop folder", "error", err)
		}
	})
	if err := f.tell(false); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-f.served:
		return err
	case <-client.Wiped():
		return syncclient.ErrWiped
	}
}

// end takes the agent's door away, run.json first: no new command comes to a door
// that closes. It may be called twice.
func (f *front) end() error {
	var err error
	if f.told {
		f.told = false
		err = os.Remove(filepath.Join(f.c.data, runFile))
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		defer clearWayIn(f.c.data)
	}
	end, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if f.srv.Shutdown(end) != nil {
		f.srv.Close()
	}
	return err
}

// moment is how long a request of a page may take to arrive, and its answer to be
// read: both are on this machine.
const moment = time.Minute

// single lets requests through to h that end in one place only, and in time. Of
// one with Transfer-Encoding net/http does not tell whether it had a Content-Length
// too: browsers send none, commands do, and nothing may come after either. What
// comes after a request in HTTP/1.0 may have been its body to whoever sent it.
func single(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunked := len(r.TransferEncoding) > 0
		if chunked || !r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		control, until := http.NewResponseController(w), time.Now().Add(moment)
		if r.ContentLength != 0 {
			control.SetReadDeadline(until) // net/http lifts it when the body is here
		}
		if r.URL.Path != commandPath {
			control.SetWriteDeadline(until)
			if chunked {
				http.Error(w, "a body needs its Content-Length and no Transfer-Encoding", http.StatusLengthRequired)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// modest makes the agent collect its garbage early: on an old laptop memory is
// what is short, and an agent mostly waits. The environment has the last word.
func modest() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
}

// memory is how much the agent may have at its work before it collects its garbage, in
// bytes.
const memory = 28 << 20

// spread makes room for what the pages keep of a large store, beside what the work needs:
// within one limit for both the agent would do nothing but collect.
func spread(held int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory + int64(held))
	}
}

// syncer shows the page how the sync stands.
type syncer struct {
	*syncclient.Client
	store *store.Store
}

func (s syncer) State() web.SyncState {
	st := s.Client.State()
	at := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms)
	}
	w := web.SyncState{Success: at(st.LastSuccess), Attempt: at(st.LastAttempt), Busy: st.Running, Online: st.LastAttempt > 0 && st.Problem == nil}
	w.Percent = -1
	if share, ok := st.Progress.Share(); st.Running && ok {
		w.Percent = int(100 * share)
	}
	if st.Running {
		w.Progress = form.Label{Zh: st.Progress.Words(form.Zh), En: st.Progress.Words(form.En)}
	}
	if st.Problem != nil {
		w.Problem = form.Label{Zh: sentence(st.Problem, form.Zh), En: sentence(st.Problem, form.En)}
	}
	if st.LastSuccess == 0 {
		// Before the first sync of this run: when there last was one.
		if d, err := s.store.Device(); err == nil {
			w.Success = at(d.LastSync)
		}
	}
	return w
}

// Enrol is enrol for the page.
func (s syncer) Enrol(ctx context.Context, code string) form.Label {
	switch _, err := s.Client.Enrol(ctx, code); {
	case err == nil:
		return form.Label{}
	case failed(err):
		return officeFailed
	default:
		return form.Label{Zh: sentence(err, form.Zh), En: sentence(err, form.En)}
	}
}

// lang is the language chosen on the page.
func (a *agent) lang() form.Lang {
	if d, err := a.store.Device(); err == nil && d.Language == "en" {
		return form.En
	}
	return form.Zh
}

func (c *call) openCmd() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "open",
		Short: c.say("打开网页（一次性链接）", "Open the page (a link that works once)"),
		Args:  c.words(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.live == nil {
				r, ok := waitRunning(cmd.Context(), c.data)
				if err := c.there(); !ok && err != nil {
					return err
				} else if !ok {
					return c.fail(c.say("程序没有在运行。请先运行：zhucun-agent run", "The agent is not running. Start it first: zhucun-agent run"))
				}
				return c.forward(cmd.Context(), r, false)
			}
			link := c.live.link()
			if c.json {
				return c.print(map[string]string{"link": link})
			}
			c.printf("%s\n", link)
			if !show {
				browse(c.live.dir, link)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&show, "print", false, c.say("只显示链接，不打开浏览器", "print the link, open nothing"))
	return cmd
}

// browse asks the desktop to show a link, and tells whether there was one to ask. Where
// there is none, or the way there cannot be made, the printed link is all there is.
//
// The link itself must not stand in the arguments of another program: every user
// of the machine can read those, and the first to use the link gets in. So the
// browser is given the path of a page in the data folder, which only this user
// can read and which leads on.
func browse(dir, link string) bool {
	var name string
	var args []string
	switch {
	case runtime.GOOS == "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler"}
	case runtime.GOOS == "darwin":
		name = "open"
	case os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "":
		name = "xdg-open"
	default:
		return false
	}
	page, err := leadOn(dir, link)
	if err != nil {
		return false
	}
	time.AfterFunc(web.LinkLife, func() { os.Remove(page) })
	cmd := exec.Command(name, append(args, page)...)
	if cmd.Start() != nil {
		return false
	}
	go cmd.Wait()
	return true
}

// wayIn names the pages that lead to a link. What an earlier run left of them
// leads nowhere and is removed.
const wayIn = "open-*.html"

func leadOn(dir, link string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, wayIn) // 0600
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, "<!DOCTYPE html><meta charset=utf-8><title>驻村通</title><meta http-equiv=refresh content=\"0;url=%s\">\n", html.EscapeString(link))
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func clearWayIn(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, wayIn))
	for _, name := range left {
		os.Remove(name)
	}
}
