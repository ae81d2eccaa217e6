package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Program is one of the two programs with a data folder.
type Program struct {
	Binary string
	Data   string
	Lang   string    // zh or en: the language of its messages; "" is the user's
	Env    []string  // beside the machine's
	Log    io.Writer // nil, or where standard error goes as well
	// Through is a command line that starts the program's, such as a tracer's.
	Through []string

	running *exec.Cmd
	waited  chan error // closed once running has ended
	said    *tail
}

// command makes a command line for the data folder.
func (p *Program) command(ctx context.Context, args []string) *exec.Cmd {
	line := slices.Concat(p.Through, []string{p.Binary}, args, []string{"--data", p.Data})
	c := exec.CommandContext(ctx, line[0], line[1:]...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 5 * time.Second
	// What an agent keeps in its user's folder of settings goes with the rig.
	// Nothing of it goes into the keyring of whoever runs the rig.
	c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(filepath.Dir(p.Data), "config"), "DBUS_SESSION_BUS_ADDRESS=")
	c.Env = append(c.Env, p.Env...)
	if p.Lang != "" {
		c.Env = append(c.Env, "ZHUCUN_LANG="+p.Lang)
	}
	bind(c)
	return c
}

// Failure is a command that did not exit with status 0.
type Failure struct {
	Command string // without the folder
	Status  int    // -1: it was stopped
	Said    string // on standard error
}

func (f *Failure) Error() string {
	if f.Said == "" {
		return fmt.Sprintf("%s: exit status %d", f.Command, f.Status)
	}
	return fmt.Sprintf("%s: exit status %d: %s", f.Command, f.Status, f.Said)
}

// Do carries out one command and gives what it printed, also when it failed.
func (p *Program) Do(ctx context.Context, args ...string) ([]byte, error) {
	return p.DoWith(ctx, nil, args...)
}

// DoWith is Do with something on standard input.
func (p *Program) DoWith(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := p.DoThrough(ctx, in, &out, args...)
	return out.Bytes(), err
}

// DoThrough is Do for whoever reads what is printed as it comes.
func (p *Program) DoThrough(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	c := p.command(ctx, args)
	var said bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = in, out, p.heard(&said)
	return p.failure(args, c.Run(), said.String())
}

// heard is where standard error goes: to keep, and to the log.
func (p *Program) heard(keep io.Writer) io.Writer {
	if p.Log == nil {
		return keep
	}
	return io.MultiWriter(keep, p.Log)
}

func (p *Program) failure(args []string, err error, said string) error {
	if err == nil {
		return nil
	}
	name := filepath.Base(p.Binary) + " " + strings.Join(args[:min(len(args), 3)], " ")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &Failure{name, exit.ExitCode(), strings.TrimSpace(said)}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// JSON carries out one command that prints one object and reads it into v. What
// was printed is read even if the command failed.
func (p *Program) JSON(ctx context.Context, v any, args ...string) error {
	out, err := p.Do(ctx, append(args, "--json")...)
	if len(bytes.TrimSpace(out)) > 0 {
		err = errors.Join(err, p.read(args, out, v))
	}
	return err
}

func (p *Program) read(args []string, out []byte, v any) error {
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("%s printed %.200q: %w", strings.Join(args, " "), out, err)
	}
	return nil
}

// Each carries out one command that prints an object a line and passes on each.
func Each[T any](ctx context.Context, p *Program, do func(T) error, args ...string) error {
	c := p.command(ctx, append(args, "--json"))
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	d := json.NewDecoder(bufio.NewReaderSize(out, 1<<16))
	var failed error
	for {
		var v T
		if err := d.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			failed = fmt.Errorf("%s: %w", strings.Join(args, " "), err)
			break
		}
		if failed = do(v); failed != nil {
			break
		}
	}
	if failed != nil {
		c.Process.Kill()
		c.Wait()
		return failed
	}
	return p.failure(args, c.Wait(), said.String())
}

// All is Each into a slice.
func All[T any](ctx context.Context, p *Program, args ...string) ([]T, error) {
	var all []T
	err := Each(ctx, p, func(v T) error { all = append(all, v); return nil }, args...)
	return all, err
}

// Start runs a command that goes on until it is stopped, such as serve, and
// reads into v the object that it prints once it is ready.
func (p *Program) Start(ctx context.Context, v any, args ...string) error {
	if p.running != nil {
		return fmt.Errorf("%s runs on %s already", filepath.Base(p.Binary), p.Data)
	}
	c := p.command(context.WithoutCancel(ctx), append(args, "--json"))
	said := new(tail)
	c.Stderr = p.heard(said)
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	type first struct {
		line []byte
		err  error
	}
	lines := make(chan first, 1)
	waited := make(chan error, 1)
	go func() {
		r := bufio.NewReader(out)
		line, err := r.ReadBytes('\n')
		lines <- first{line, err}
		io.Copy(io.Discard, r)
		waited <- c.Wait()
		close(waited)
	}()
	p.running, p.waited, p.said = c, waited, said
	select {
	case f := <-lines:
		if f.err == nil {
			return p.read(args, f.line, v)
		}
		err := <-waited
		p.running = nil
		if err == nil {
			err = errors.New("it ended at once")
		}
		return p.failure(args, err, said.String())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Stop())
	}
}

// PID is the number of the process that was started; 0 where none was.
func (p *Program) PID() int {
	if p.running == nil {
		return 0
	}
	return p.running.Process.Pid
}

// Files tells apart two states of the data folder: each file's name and a hash of
// what is in it.
func (p *Program) Files() (string, error) {
	var all strings.Builder
	err := filepath.WalkDir(p.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %x\n", filepath.Base(path), sha256.Sum256(b))
		return err
	})
	return all.String(), err
}

// Running tells whether what was started still runs.
func (p *Program) Running() bool {
	if p.running == nil {
		return false
	}
	select {
	case <-p.waited:
		return false
	default:
		return true
	}
}

// stopTime is how long a program may take to end in order.
const stopTime = 10 * time.Second

// Stop ends what was started, in order, as Ctrl-C does. Ending in any other way
// is an error.
func (p *Program) Stop() error { return p.end(syscall.SIGTERM) }

// Kill ends it as a power cut does.
func (p *Program) Kill() error {
	err := p.end(syscall.SIGKILL)
	var f *Failure
	if errors.As(err, &f) {
		return nil
	}
	return err
}

func (p *Program) end(s syscall.Signal) error {
	if p.running == nil {
		return nil
	}
	c := p.running
	p.running = nil
	if err := c.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.waited:
		return p.failure(c.Args[1:], err, p.said.String())
	case <-time.After(stopTime):
		c.Process.Kill()
		<-p.waited
		return fmt.Errorf("%s did not end within %s", filepath.Base(p.Binary), stopTime)
	}
}

// tail keeps the end of what a program says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	t.b = t.b[max(0, len(t.b)-tailBytes):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
