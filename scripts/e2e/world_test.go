package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take to come about, on a busy machine.
const patience = 60 * time.Second

// world is one story's: its folder, the link between laptops and server, and
// the programs that run in the background.
type world struct {
	t      *testing.T // of all the stories: some things go wrong after one's end
	dir    string
	beside bool // an agent runs on every laptop

	link  *link
	url   string // of the server, by the link
	procs map[string]*process
}

func newWorld(t *testing.T, dir string) *world {
	return &world{t: t, dir: dir, procs: map[string]*process{}}
}

// sibling is a world of its own programs on the same folder and link, for a
// test that runs at the same time.
func (w *world) sibling(t *testing.T) *world {
	s := newWorld(t, w.dir)
	s.url = w.url
	t.Cleanup(s.end)
	return s
}

// end stops what still runs.
func (w *world) end() {
	for name, p := range w.procs {
		if _, err := p.stop(); err != nil {
			w.t.Errorf("%s, at the end of a story: %v", name, err)
		}
	}
	if w.link != nil {
		w.link.close()
	}
}

// result is what a command printed and how it ended.
type result struct {
	code     int
	out, err string
}

func (r result) String() string {
	return fmt.Sprintf("exit status %d\n[stdout]\n%s[stderr]\n%s", r.code, r.out, r.err)
}

// command runs a command to its end. env is what it has beyond PATH.
func (w *world) command(stdin string, env []string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = w.dir, environment(w.dir, env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("%s did not end within %s", strings.Join(args, " "), patience)
	case errors.As(err, &exit) && r.code >= 0:
		return r, nil
	}
	return r, err
}

// must runs a command that succeeds, and gives its standard output.
func (w *world) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// process is a program in the background. What it prints goes to the files
// NAME.out and NAME.err.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{}
	err   error // of its end, once done is closed
}

// start runs a program in the background; pipe leaves its standard input open.
func (w *world) start(name string, env []string, pipe bool, args ...string) (*process, error) {
	if p := w.procs[name]; p != nil {
		return nil, fmt.Errorf("%s runs already", name)
	}
	p := &process{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = w.dir, environment(w.dir, env...)
	var files []*os.File
	for _, to := range []struct {
		w      *io.Writer
		suffix string
	}{{&p.cmd.Stdout, ".out"}, {&p.cmd.Stderr, ".err"}} {
		f, err := os.Create(filepath.Join(w.dir, name+to.suffix))
		if err != nil {
			return nil, err
		}
		*to.w, files = f, append(files, f)
	}
	if pipe {
		var err error
		if p.stdin, err = p.cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		for _, f := range files {
			f.Close()
		}
		close(p.done)
	}()
	w.procs[name] = p
	return p, nil
}

// ended waits for a program and gives its exit status, -1 if it was killed.
func (p *process) ended(within time.Duration) (int, error) {
	select {
	case <-p.done:
	case <-time.After(within):
		p.cmd.Process.Kill()
		<-p.done
		return -1, fmt.Errorf("it did not end within %s and was killed", within)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return -1, p.err
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// wait waits for a program that ends by itself.
func (p *process) wait() (int, error) { return p.ended(patience) }

// stop asks a program to end, as Ctrl-C does, and wants it to.
func (p *process) stop() (int, error) {
	select {
	case <-p.done:
	default:
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return -1, err
		}
	}
	return p.ended(30 * time.Second)
}

// crash ends a program as a power cut does.
func (p *process) crash() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_, err := p.ended(30 * time.Second)
	return err
}

// office makes a server with villages, given as code and name in turn, and
// starts it behind the link.
func (w *world) office(plain bool, villages ...string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	if w.link, err = newLink("127.0.0.1:" + port); err != nil {
		return err
	}
	w.url = "https://" + w.link.addr
	if plain {
		w.url = "http://" + w.link.addr
	}
	if _, err := w.run("zhucun-server", "init", "--data", "office"); err != nil {
		return err
	}
	for i := 0; i+1 < len(villages); i += 2 {
		if _, err := w.run("zhucun-server", "village", "add", villages[i], villages[i+1], "--data", "office"); err != nil {
			return err
		}
	}
	return w.serve(plain)
}

// serve starts the office's server and waits until it answers.
func (w *world) serve(plain bool) error {
	args := []string{"zhucun-server", "serve", "--data", "office", "--listen", w.link.to, "--url", w.url}
	if plain {
		args = append(args, "--plain-http")
	}
	p, err := w.start("office", nil, false, args...)
	if err != nil {
		return err
	}
	return w.spoke(p, "office")
}

// spoke waits until a program has said that it runs.
func (w *world) spoke(p *process, name string) error {
	return until(name+" says that it runs", func() (bool, error) {
		select {
		case <-p.done:
			said, _ := os.ReadFile(w.path(name + ".err"))
			return true, fmt.Errorf("it ended: %w: %s", p.err, said)
		default:
		}
		said, err := os.ReadFile(w.path(name + ".out"))
		return bytes.Contains(said, []byte("\n")), err
	})
}

// run runs a command that succeeds.
func (w *world) run(args ...string) (string, error) {
	r, err := w.command("", nil, args...)
	if err == nil && r.code != 0 {
		err = errors.New(r.String())
	}
	if err != nil {
		return r.out, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return r.out, nil
}

// code has the office issue an enrolment code.
func (w *world) code(villages, role, person string, more ...string) (string, error) {
	out, err := w.run(append([]string{"zhucun-server", "enrol", "--data", "office", "--village", villages, "--role", role, "--name", person, "--json"}, more...)...)
	if err != nil {
		return "", err
	}
	code, _, err := at(out, ".code")
	return code, err
}

// laptop enrols a laptop into the folder name, and starts its agent where one
// runs on every laptop.
func (w *world) laptop(name, villages, role, person string) error {
	code, err := w.code(villages, role, person)
	if err != nil {
		return err
	}
	if _, err := w.run("zhucun-agent", "enrol", code, "--data", name); err != nil {
		return err
	}
	if !w.beside {
		return nil
	}
	return w.agent(name)
}

// agent starts the agent of the folder name and waits until it takes commands.
func (w *world) agent(name string) error {
	p, err := w.start(name, nil, false, "zhucun-agent", "run", "--data", name, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return w.spoke(p, name)
}

// until waits until something is so.
func until(what string, is func() (bool, error)) error {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ok, err := is()
		if ok {
			return err
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("waited %s in vain until %s", patience, what), err)
		}
	}
}

var ports struct {
	mu   sync.Mutex
	next int
}

// freePort gives a port of the loopback on which nobody listens, and never the
// same again. It knocks: what is tried by listening is held, for a moment, by
// whatever program is being started then. The port is below those that the system
// gives to connections: a link that is down keeps its own for when it is mended.
func freePort() (string, error) {
	const first, last = 18000, 32000
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for range last - first {
		if ports.next == 0 || ports.next >= last {
			ports.next = first + rand.N(last-first)
		}
		port := strconv.Itoa(ports.next)
		ports.next++
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err != nil {
			return port, nil
		} else {
			c.Close()
		}
	}
	return "", errors.New("all ports are taken")
}

// listen listens at an address where somebody listened until just now. A program
// that is being started holds for a moment what was open here when it began.
func listen(addr string) (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", addr); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return l, err
}

// link is the way from the laptops to the server: an address that answers,
// refuses or swallows as the story wants.
type link struct {
	addr string // where laptops connect
	to   string // where the server listens

	mu     sync.Mutex
	listen net.Listener
	mute   bool // connections are taken and nothing is carried
	conns  map[net.Conn]bool
	work   sync.WaitGroup
}

func newLink(to string) (*link, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	l := &link{addr: "127.0.0.1:" + port, to: to, conns: map[net.Conn]bool{}}
	return l, l.up()
}

// up lets connections through.
func (l *link) up() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute {
		l.mute = false
		l.cut()
	}
	if l.listen != nil {
		return nil
	}
	var err error
	if l.listen, err = listen(l.addr); err != nil {
		return fmt.Errorf("mend the link: %w", err)
	}
	l.work.Go(func() { l.serve(l.listen) })
	return nil
}

// down refuses connections and cuts those there are.
func (l *link) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute = false
	if l.listen != nil {
		l.listen.Close()
		l.listen = nil
	}
	l.cut()
}

// swallow takes what comes and carries nothing, as a dead radio link does.
func (l *link) swallow() error {
	if err := l.up(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute = true
	l.cut()
	return nil
}

func (l *link) close() {
	l.down()
	l.work.Wait()
}

// cut closes all connections.
func (l *link) cut() {
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
}

// hold notes a connection that came in by listen, to be cut with the others;
// ok is false when the link was cut meanwhile.
func (l *link) hold(c net.Conn, listen net.Listener) (mute, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listen != listen {
		return false, false
	}
	l.conns[c] = true
	return l.mute, true
}

func (l *link) serve(listen net.Listener) {
	for {
		from, err := listen.Accept()
		if err != nil {
			return
		}
		l.work.Go(func() { l.carry(from, listen) })
	}
}

func (l *link) carry(from net.Conn, listen net.Listener) {
	defer from.Close()
	mute, ok := l.hold(from, listen)
	if !ok {
		return
	}
	if mute {
		io.Copy(io.Discard, from)
		return
	}
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer to.Close()
	if _, ok := l.hold(to, listen); !ok {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			io.Copy(way[1], way[0])
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}
