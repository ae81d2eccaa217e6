package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// inspectorVar tells the program that plays the inspector what becomes of it.
const inspectorVar = "ZHUCUN_TEST_INSPECTOR"

// TestMain keeps the leases of the tests out of the user's own folder, and is the
// inspector where it is started as that.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == inspectWord {
		if os.Getenv(inspectorVar) == "killed" {
			if self, err := os.FindProcess(os.Getpid()); err != nil || self.Kill() != nil {
				panic(err)
			}
			select {}
		}
		os.Exit(inspect(os.Args[2]))
	}
	if len(os.Args) == 3 && os.Args[1] == shrinkWord {
		os.Exit(shrinkSelf(os.Args[2], os.Stdin, os.Stdout))
	}
	dir, err := os.MkdirTemp("", "zhucun-cli-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CONFIG_HOME", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const secret = "身份证 369999199001010027"

// overheard is a listener that answers every request with the same text and
// keeps all that it is sent; heard closes it.
func overheard(t *testing.T, answer string) (addr string, heard func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all bytes.Buffer
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				first := make([]byte, 4<<10)
				n, _ := conn.Read(first)
				io.WriteString(conn, answer)
				conn.SetReadDeadline(time.Now().Add(3 * time.Second))
				rest, _ := io.ReadAll(conn)
				mu.Lock()
				defer mu.Unlock()
				all.Write(first[:n])
				all.Write(rest)
			})
		}
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), func() string {
		l.Close()
		work.Wait()
		return all.String()
	}
}

// Each row is what a stranger answers who listens where an agent did. He is
// told neither the token nor anything of the command.
func TestStranger(t *testing.T) {
	for name, answer := range map[string]string{
		"no content":     "HTTP/1.1 204 No Content\r\n\r\n",
		"all is well":    "HTTP/1.1 200 OK\r\n\r\n\x01\x00\x00\x00\x03ok\n\x03\x00\x00\x00\x00",
		"a made-up one":  "HTTP/1.1 200 OK\r\nZhucun-Challenge: x\r\nZhucun-Proof: " + strings.Repeat("0", proofSize) + "\r\n\r\n",
		"go elsewhere":   "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
		"not HTTP":       "SSH-2.0-OpenSSH\r\n",
		"nothing at all": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, heard := overheard(t, answer)
			r := running{addr, "the-token"}
			dir := t.TempDir()
			if err := writeRunning(dir, r); err != nil {
				t.Fatal(err)
			}
			if _, ok := findRunning(dir); ok {
				t.Error("taken for the agent")
			}
			c := &call{in: strings.NewReader(secret), out: io.Discard, err: io.Discard, args: []string{"put", secret}, log: slog.New(slog.DiscardHandler)}
			if err := c.forward(t.Context(), r, true); err == nil {
				t.Error("the command was carried out")
			}
			told := heard()
			for _, word := range []string{secret, r.Token, "args"} {
				if strings.Contains(told, word) {
					t.Errorf("he was told %q: %q", word, told)
				}
			}
		})
	}
}

// bare is an agent on a store of its own, not enrolled.
func bare(t *testing.T) *agent {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{Key: keyOf(t, dir), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return (&call{log: slog.New(slog.DiscardHandler)}).own(s)
}

// keyOf gives the data key of a folder, and makes one where there is none.
func keyOf(t *testing.T, dir string) []byte {
	t.Helper()
	key, err := (&call{data: dir}).dataKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// laptop is one that is enrolled.
func laptop(t *testing.T) *agent {
	t.Helper()
	a := bare(t)
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) {
		d.ID, d.Token = "device", "token"
		d.Assigned = wire.Assignment{Villages: []wire.Village{{Code: "369999000001"}}, Role: identity.Office, Profiles: []string{"王"}}
	}); err != nil {
		t.Fatal(err)
	}
	return a
}

// commandDoor opens the command door of an agent.
func commandDoor(t *testing.T) running {
	t.Helper()
	a := laptop(t)
	srv := httptest.NewUnstartedServer(nil)
	r := running{srv.Listener.Addr().String(), "the-token"}
	a.addr = r.Addr
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a.command(w, req, r.Token, func(c *call) { c.log = slog.New(slog.DiscardHandler) })
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return r
}

// Each row is who knocks, by what they send for a proof. Only who knows the
// token gets a command carried out.
func TestCommandDoor(t *testing.T) {
	r := commandDoor(t)
	tests := []struct {
		name  string
		proof func(theirProof, challenge string) string
		taken bool
	}{
		{"the command", func(_, challenge string) string { return proof(r.Token, commandSide, challenge) }, true},
		{"another token", func(_, challenge string) string { return proof("another", commandSide, challenge) }, false},
		{"the agent's own proof given back", func(theirs, _ string) string { return theirs }, false},
		{"the agent's side", func(_, challenge string) string { return proof(r.Token, agentSide, challenge) }, false},
		{"another challenge", func(string, string) string { return proof(r.Token, commandSide, "another") }, false},
		{"no proof", func(string, string) string { return "" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			body, send := io.Pipe()
			resp, err := r.knock(ctx, http.MethodPost, body)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			go func() {
				fmt.Fprintf(send, "%s{\"args\":[\"c3RhdHVz\",\"LS1qc29u\"]}\n", tt.proof(resp.Header.Get(proofHeader), resp.Header.Get(challengeHeader)))
				send.Close()
			}()
			got, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if taken := bytes.Contains(got, []byte(`"pending"`)); taken != tt.taken {
				t.Errorf("taken %v, want %v: %q", taken, tt.taken, got)
			}
		})
	}
}

// laptopAt enrols a laptop into a folder of its own and closes it.
func laptopAt(t *testing.T) (dir string) {
	t.Helper()
	a := laptop(t)
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	return a.store.Dir()
}

// cmd carries out a command line as Main does, in English.
func cmd(t *testing.T, in string, args ...string) (code int, out, said string) {
	t.Helper()
	var o, e strings.Builder
	c := &call{in: strings.NewReader(in), out: &o, err: &e, lang: form.En, args: args, log: slog.New(slog.DiscardHandler)}
	code = c.run(t.Context())
	return code, o.String(), e.String()
}

// Each row is a command on a folder that somebody misspelt: it says so and
// makes nothing.
func TestNoData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	for _, line := range []string{"put visit findings=walked", "put visit", "get visit 0192d3a4-0000-7000-8000-000000000001", "list visit", "sync", "status", "conflicts",
		"resolve 0192d3a4-0000-7000-8000-000000000001 findings --value x", "import x.jsonl", "verify", "open"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			code, out, said := cmd(t, "", append(strings.Fields(line), "--data", dir)...)
			if code != exitFailed || out != "" || !strings.Contains(said, "There is no data in "+dir) || !strings.Contains(said, "enrol") {
				t.Errorf("exit status %d, printed %q, said %q", code, out, said)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("the folder is there now: %v", err)
			}
		})
	}
}

// Where the data lies when nobody says is to be read.
func TestHelpNamesTheFolder(t *testing.T) {
	if code, out, _ := cmd(t, "", "--help"); code != 0 || !strings.Contains(out, defaultData()) {
		t.Errorf("exit status %d, printed %q", code, out)
	}
}

// open right after run & waits for the agent that starts.
func TestOpenWaitsForTheAgent(t *testing.T) {
	r := commandDoor(t)
	dir := laptopAt(t)
	time.AfterFunc(time.Second, func() { writeRunning(dir, r) })
	if got, ok := waitRunning(t.Context(), dir); !ok || got != r {
		t.Errorf("found %v %v", got, ok)
	}
}

// Each row is a wrong command line and its exit status, which is the same
// whatever the command: 2 for what no data could make right, 1 for what is not
// there.
func TestExitStatus(t *testing.T) {
	dir := laptopAt(t)
	const id = "0192d3a4-0000-7000-8000-000000000001"
	for _, tt := range []struct {
		line string
		want int
		said string
	}{
		{"put visit findings", exitUsage, `"findings" should be FIELD=VALUE`},
		{"put visit findings=x --id nonsense", exitUsage, `"nonsense" is not a record id`},
		{"list visit --where findings", exitUsage, `--where "findings" should be FIELD=VALUE`},
		{"get visit nonsense", exitUsage, `"nonsense" is not a record id`},
		{"resolve nonsense findings --value x", exitUsage, `"nonsense" is not a record id`},
		{"resolve " + id + " findings --take zzz", exitUsage, `"zzz" does not name a value`},
		{"run --listen 127.0.0.1:bad", exitUsage, "address of this machine"},
		{"run --listen 127.0.0.1:99999", exitUsage, "address of this machine"},
		{"run --listen 127.0.0.1", exitUsage, "address of this machine"},
		{"put vist findings=x", exitFailed, "did you mean visit"},
		{"put visit findngs=x", exitFailed, "did you mean findings"},
		{"put visit findings=x --village 1", exitFailed, "1"},
		{"list vist", exitFailed, "did you mean visit"},
		{"list visit --where findngs=x", exitFailed, "did you mean findings"},
		{"list visit --village 1", exitFailed, "1"},
		{"get visit " + id, exitFailed, "no such record"},
		{"resolve " + id + " findings --value x", exitFailed, "There is no record " + id + ";"},
		{"import " + dir, exitFailed, "is a folder; import the files in it"},
		{"import " + filepath.Join(dir, storeFile), exitFailed, "Only workbooks"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			code, _, said := cmd(t, "", append(strings.Fields(tt.line), "--data", dir)...)
			if code != tt.want || !strings.Contains(said, tt.said) || strings.Count(said, "\n") != 1 {
				t.Errorf("exit status %d, said %q; want %d, %q", code, said, tt.want, tt.said)
			}
		})
	}
}

// Each row is a command that comes while another has the store: it waits, says
// so once, and is carried out.
func TestWaitsForAnother(t *testing.T) {
	for _, line := range []string{"put visit findings=walked", "put visit", "list visit", "status"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			dir := laptopAt(t)
			other, err := store.Open(dir, store.Options{Key: keyOf(t, dir)})
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(quiet+time.Second, func() { other.Close() })
			code, _, said := cmd(t, `{"findings":"walked"}`, append(strings.Fields(line), "--data", dir)...)
			if code != 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "Another command is using the data folder") {
				t.Errorf("exit status %d, said %q", code, said)
			}
		})
	}
}

// An agent that is started meanwhile waits as well.
func TestRunWaitsForAnother(t *testing.T) {
	t.Parallel()
	dir := laptopAt(t)
	other, err := store.Open(dir, store.Options{Key: keyOf(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(quiet+time.Second, func() { other.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said strings.Builder
	c := &call{out: told(cancel), err: &said, lang: form.En, args: []string{"run", "--listen", "127.0.0.1:0", "--data", dir}, log: slog.New(slog.DiscardHandler)}
	if code := c.run(ctx); code != 0 || !strings.HasPrefix(said.String(), "Another command is using the data folder") {
		t.Errorf("exit status %d, said %q", code, said.String())
	}
}

// told is called when something is printed.
type told func()

func (f told) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// Where the other does not end, the command says what to do, and not to go to
// another folder.
func TestGivesUpWaiting(t *testing.T) {
	dir := laptopAt(t)
	other, err := store.Open(dir, store.Options{Key: keyOf(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c := &call{data: dir, err: io.Discard, lang: form.En}
	_, _, err = c.obtain(t.Context(), time.Second)
	if said := c.sentence(err); !strings.Contains(said, "try again") || strings.Contains(said, "--data") {
		t.Errorf("said %q", said)
	}
}

// Each row is a command whose output goes to a full disk: it has not done what
// it was asked, in JSON and in words.
func TestOutputCutOff(t *testing.T) {
	a := laptop(t)
	for _, args := range []string{"status", "status --json", "list visit", "put visit findings=x", "conflicts", "verify", "--help"} {
		t.Run(args, func(t *testing.T) {
			var said strings.Builder
			c := &call{in: strings.NewReader(""), out: full{}, err: &said, lang: form.En, args: strings.Fields(args), live: a, log: slog.New(slog.DiscardHandler)}
			if code := c.run(t.Context()); code != exitFailed {
				t.Errorf("exit status %d", code)
			}
			if want := "The output could not be written whole"; !strings.HasPrefix(said.String(), want) || strings.Count(said.String(), "\n") != 1 {
				t.Errorf("said %q", said.String())
			}
		})
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Whoever stops the agent while its store is inspected is told of no damage.
func TestStoppedWhileInspected(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c := &call{data: t.TempDir(), inspector: true, inspects: true}
	if err := c.sound(ctx); !errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDamaged) {
		t.Error(err)
	}
}

// An inspector that is killed, or may not look, has found no damage: the store stays
// as it is, and the person is told to try again.
func TestInspectorKilled(t *testing.T) {
	dir := laptopAt(t)
	file := filepath.Join(dir, storeFile)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &call{err: io.Discard, data: dir, inspector: true, key: keyOf(t, dir)}
	unchecked := func(err error) {
		t.Helper()
		if !errors.Is(err, store.ErrUnchecked) || errors.Is(err, store.ErrDamaged) {
			t.Error(err)
		}
		if said := sentence(err, form.Zh); !strings.Contains(said, "请再试一次") {
			t.Error(said)
		}
	}
	// As after a run that was killed too.
	if err := os.Chtimes(file, time.Time{}, time.UnixMilli(1)); err != nil {
		t.Fatal(err)
	}
	t.Setenv(inspectorVar, "killed")
	s, err := c.openStore(t.Context())
	unchecked(err)
	if err == nil {
		s.Close()
	}
	if now, err := os.Stat(file); err != nil || !os.SameFile(before, now) {
		t.Errorf("the store was replaced: %v", err)
	}
	t.Setenv(inspectorVar, "")
	if err := c.inspection(t.Context()); err != nil {
		t.Errorf("a sound store: %v", err)
	}
	around := &call{data: t.TempDir(), inspector: true}
	file = filepath.Join(around.data, storeFile)
	if err := os.Symlink(file, file); err != nil {
		t.Fatal(err)
	}
	unchecked(around.inspection(t.Context()))
	if err := errors.Join(os.Remove(file), os.WriteFile(file, make([]byte, 1<<16), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := around.inspection(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a damaged one: %v", err)
	}
}
