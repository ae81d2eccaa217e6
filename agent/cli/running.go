package cli

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
)

// runFile tells commands where the running agent is. Only the user who runs it
// can read it. It stays behind when the agent is killed, and by then anybody may
// listen at that address; so its token is never sent: each side shows the other
// that it knows it before anything else is said.
const runFile = "run.json"

type running struct {
	Addr  string `json:"addr"`
	Token string `json:"token"`
}

const (
	commandPath     = "/command"
	challengeHeader = "Zhucun-Challenge"
	proofHeader     = "Zhucun-Proof"
	// answers is how long an agent may take to prove itself.
	answers = 2 * time.Second
)

// The two sides of an exchange. Each proves itself in its own name, so that
// nobody can give a side its own proof back.
const (
	agentSide   = "agent"
	commandSide = "command"
)

// proof answers a challenge as only one who knows the token can, in proofSize
// bytes.
func proof(token, side, challenge string) string {
	h := hmac.New(sha256.New, []byte(token))
	io.WriteString(h, side+" "+challenge)
	return hex.EncodeToString(h.Sum(nil))
}

const proofSize = 2 * sha256.Size

func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// door leads to this machine only: no proxy, and no redirect is followed.
var door = &http.Transport{DisableKeepAlives: true}

// errStranger says that what listens where the agent did is not the agent.
var errStranger = errors.New("what listens there did not prove to be the agent")

// knock begins an exchange, and ends it unless the agent proves itself. body is
// sent meanwhile.
func (r running) knock(ctx context.Context, method string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.Addr+commandPath, body)
	if err != nil {
		return nil, err
	}
	challenge := rand.Text()
	req.Header.Set(challengeHeader, challenge)
	resp, err := door.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if !same(resp.Header.Get(proofHeader), proof(r.Token, agentSide, challenge)) {
		resp.Body.Close()
		return nil, errStranger
	}
	return resp, nil
}

// findRunning finds the agent that runs on dir. A file left by one that was
// killed leads to nobody, or to a stranger.
func findRunning(dir string) (r running, ok bool) {
	raw, err := os.ReadFile(filepath.Join(dir, runFile))
	if err != nil || json.Unmarshal(raw, &r) != nil || r.Addr == "" || r.Token == "" {
		return r, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), answers)
	defer cancel()
	resp, err := r.knock(ctx, http.MethodGet, nil)
	if err != nil {
		return r, false
	}
	resp.Body.Close()
	return r, true
}

// waitRunning gives an agent that was started just now, such as by run &, a
// moment to open its door.
func waitRunning(ctx context.Context, dir string) (running, bool) {
	for end := time.Now().Add(starts); ; time.Sleep(100 * time.Millisecond) {
		if r, ok := findRunning(dir); ok || ctx.Err() != nil || time.Now().After(end) {
			return r, ok
		}
	}
}

// errRuns says that an agent runs on the data folder.
var errRuns = errors.New("an agent runs on the data folder")

const (
	// heldUp is how long a command waits for another that has the store: longer
	// than a sync takes by itself. runHeldUp is how long an agent does.
	heldUp    = 90 * time.Second
	runHeldUp = 10 * time.Second
	// starts is how long a command that needs an agent waits for one to start.
	starts = 5 * time.Second
	// quiet is how long it waits before it says so.
	quiet = 2 * time.Second
)

// obtain opens the store. A command that has it is waited for, as long as most.
// The error is errRuns where an agent has it, which is running then.
func (c *call) obtain(ctx context.Context, most time.Duration) (*store.Store, running, error) {
	for begin := time.Now(); ; {
		s, err := c.openStore(ctx) // takes a moment where it is in use
		if !errors.Is(err, store.ErrInUse) {
			return s, running{}, err
		}
		if r, ok := findRunning(c.data); ok {
			return nil, r, errRuns
		}
		if waited := time.Since(begin); ctx.Err() != nil || waited >= most {
			return nil, running{}, err
		} else if waited >= quiet && !c.waits {
			c.waits = true
			fmt.Fprintln(c.err, c.say("数据文件夹正被另一个命令使用，等它结束后继续……", "Another command is using the data folder; this one goes on when it has ended"))
		}
	}
}

// openStore opens the store. While it is open here no agent runs: a run.json that
// is there was left behind, and every command would knock where it says.
// Where it is damaged it is set aside and made anew, except by who only looks.
func (c *call) openStore(ctx context.Context) (*store.Store, error) {
	seen, err := os.Stat(filepath.Join(c.data, storeFile))
	if err != nil {
		seen = nil
	}
	bad := c.sound(ctx)
	if bad != nil && (c.inspects || !errors.Is(bad, store.ErrDamaged)) {
		return nil, bad
	}
	key, err := c.dataKey()
	if err != nil {
		return nil, err
	}
	opt := store.Options{Key: key, Leases: settings(), Inspect: func(string) error { return c.inspection(context.WithoutCancel(ctx)) }, Stuck: c.stuck}
	var s *store.Store
	if bad == nil {
		s, bad = store.Open(c.data, opt)
	}
	if errors.Is(bad, store.ErrDamaged) && seen != nil && !c.inspects {
		r, err := store.Rebuild(c.data, opt, seen)
		if errors.Is(err, store.ErrInUse) {
			return nil, err // another command is at it
		}
		if err != nil {
			return nil, fmt.Errorf("%w; it cannot be set aside: %w", bad, err)
		}
		if s, bad = store.Open(c.data, opt); bad == nil {
			fmt.Fprintln(c.err, c.rebuilt(r))
		}
	}
	if bad == nil && !c.serves {
		os.Remove(filepath.Join(c.data, runFile))
	}
	return s, bad
}

// stuck ends the program where a save does not end.
func (c *call) stuck() {
	fmt.Fprintln(c.err, c.say("数据文件有损坏，这次没有保存。请再运行一次：会先检查，再把文件重新建好", "The data file is damaged and nothing was saved this time. Run it again: the file is checked then, and made anew"))
	os.Exit(exitFailed)
}

// settings is the user's own folder of settings, which an image or a copy of the
// data folder does not bring along; none where the system knows of no such folder.
func settings() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "zhucun")
}

// writeRunning writes run.json whole or not at all.
func writeRunning(dir string, r running) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, runFile+".new")
	// One that was left may be open to others.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, runFile))
}

// request is a command as the running agent gets it, one JSON line; standard
// input follows. Words are bytes: those that are not UTF-8 must arrive as they
// are, to be refused.
type request struct {
	Args [][]byte  `json:"args"`
	Cwd  []byte    `json:"cwd"`
	Lang form.Lang `json:"lang"`
	// Terminal tells that standard error is one.
	Terminal bool `json:"terminal,omitempty"`
}

// The kinds of frames that come back: a byte, the length in four bytes, and so
// many bytes.
const (
	frameOut  = 1
	frameErr  = 2
	frameExit = 3
)

// forward has the running agent carry the command out. Nothing is sent before
// the agent has proved itself; the command's own proof goes first then.
func (c *call) forward(ctx context.Context, at running, stdin bool) error {
	r := request{Cwd: []byte(c.cwd), Lang: c.lang, Terminal: c.onTerminal()}
	for _, a := range c.args {
		r.Args = append(r.Args, []byte(a))
	}
	head, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, send := io.Pipe()
	defer body.Close()
	late := time.AfterFunc(answers, func() {
		cancel()
		// The transport waits for a body that it has begun to send.
		send.CloseWithError(errStranger)
	})
	resp, err := at.knock(ctx, http.MethodPost, body)
	late.Stop()
	if err != nil {
		c.log.Debug("the running agent was not reached", "error", err)
		return c.fail(c.say("后台程序没有应答，可能刚刚停止。请再试一次", "The running agent did not answer; perhaps it has just stopped. Try again"))
	}
	defer resp.Body.Close()
	go func() {
		_, err := fmt.Fprintf(send, "%s%s\n", proof(at.Token, commandSide, resp.Header.Get(challengeHeader)), head)
		if err == nil && stdin {
			_, err = io.Copy(send, c.in)
		}
		send.CloseWithError(err)
	}()
	for {
		var h [5]byte
		if _, err := io.ReadFull(resp.Body, h[:]); err != nil {
			c.log.Debug("the running agent stopped half way", "error", err)
			return c.fail(c.say("后台程序中途停止了。已显示编号的都已保存，其余请再试一次", "The running agent stopped half way. What was printed is saved; try the rest again"))
		}
		n := int64(binary.BigEndian.Uint32(h[1:]))
		switch h[0] {
		case frameOut:
			_, err = io.CopyN(c.out, resp.Body, n)
		case frameErr:
			_, err = io.CopyN(c.err, resp.Body, n)
		case frameExit:
			if n == 0 {
				return nil
			}
			return exitStatus(n)
		}
		if err != nil {
			return err
		}
	}
}

// frames writes a command's output into one answer.
type frames struct {
	mu    *sync.Mutex
	w     io.Writer
	flush func() error
	kind  byte
}

func (f frames) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := binary.BigEndian.AppendUint32([]byte{f.kind}, uint32(len(b)))
	if _, err := f.w.Write(append(h, b...)); err != nil {
		return 0, err
	}
	return len(b), f.flush()
}

// command carries out a command for another process of this user.
func (a *agent) command(w http.ResponseWriter, req *http.Request, token string, log func(*call)) {
	theirs, ours := req.Header.Get(challengeHeader), rand.Text()
	if theirs == "" || req.Host != a.addr {
		http.Error(w, "not for you", http.StatusForbidden)
		return
	}
	w.Header().Set(proofHeader, proof(token, agentSide, theirs))
	w.Header().Set(challengeHeader, ours)
	if req.Method != http.MethodPost {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
	if control.Flush() != nil {
		return
	}
	control.SetReadDeadline(time.Now().Add(answers))
	answer := make([]byte, proofSize)
	if _, err := io.ReadFull(req.Body, answer); err != nil || !same(string(answer), proof(token, commandSide, ours)) {
		return
	}
	control.SetReadDeadline(time.Time{})
	in := bufio.NewReader(req.Body)
	var r request
	if head, err := in.ReadBytes('\n'); err != nil || json.Unmarshal(head, &r) != nil {
		return
	}
	mu := new(sync.Mutex)
	out := frames{mu, w, control.Flush, frameOut}
	errs := frames{mu, w, control.Flush, frameErr}
	c := &call{in: in, out: out, err: errs, lang: r.Lang, cwd: string(r.Cwd), terminal: r.Terminal, live: a, data: a.dir}
	for _, arg := range r.Args {
		c.args = append(c.args, string(arg))
	}
	log(c)
	code := c.run(req.Context())
	mu.Lock()
	defer mu.Unlock()
	w.Write(binary.BigEndian.AppendUint32([]byte{frameExit}, uint32(code)))
}
