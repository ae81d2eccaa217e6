package cli

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zhucun/shared/form"
)

// runFile tells commands where the running agent is. Only the user who runs it
// can read it, and its token is what lets a command in.
const runFile = "run.json"

type running struct {
	Addr  string `json:"addr"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

const (
	commandPath = "/command"
	tokenHeader = "Zhucun-Token"
)

// findRunning finds the agent that runs on dir. A file left by one that was
// killed leads to nobody.
func findRunning(dir string) (r running, ok bool) {
	raw, err := os.ReadFile(filepath.Join(dir, runFile))
	if err != nil || json.Unmarshal(raw, &r) != nil || r.Addr == "" {
		return r, false
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+r.Addr+commandPath, nil)
	if err != nil {
		return r, false
	}
	req.Header.Set(tokenHeader, r.Token)
	resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return r, false
	}
	resp.Body.Close()
	return r, resp.StatusCode == http.StatusNoContent
}

// waitRunning gives an agent that has the store open but does not answer yet a
// moment to do so.
func waitRunning(ctx context.Context, dir string) (running, bool) {
	for range 20 {
		if r, ok := findRunning(dir); ok {
			return r, true
		}
		select {
		case <-ctx.Done():
			return running{}, false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return running{}, false
}

// writeRunning writes run.json whole or not at all.
func writeRunning(dir string, r running) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, runFile+".new")
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
}

// The kinds of frames that come back: a byte, the length in four bytes, and so
// many bytes.
const (
	frameOut  = 1
	frameErr  = 2
	frameExit = 3
)

// forward has the running agent carry the command out.
func (c *call) forward(ctx context.Context, at running, stdin bool) error {
	r := request{Cwd: []byte(c.cwd), Lang: c.lang}
	for _, a := range c.args {
		r.Args = append(r.Args, []byte(a))
	}
	head, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var body io.Reader = bytes.NewReader(append(head, '\n'))
	if stdin {
		body = io.MultiReader(body, c.in)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.Addr+commandPath, body)
	if err != nil {
		return err
	}
	req.Header.Set(tokenHeader, at.Token)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		c.log.Debug("the running agent was not reached", "error", err)
		return c.fail(c.say("后台程序没有应答，可能刚刚停止。请再试一次", "The running agent did not answer; perhaps it has just stopped. Try again"))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.fail(c.say("后台程序没有接受这个命令（%s）。请重新启动它再试", "The running agent did not take the command (%s). Start it again and try once more", resp.Status))
	}
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

// commands serves the command door of a running agent.
func (a *agent) commands(token string, log func(*call)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if subtle.ConstantTimeCompare([]byte(req.Header.Get(tokenHeader)), []byte(token)) != 1 || req.Host != a.addr {
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		if req.Method == http.MethodGet {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var r request
		in, err := readRequest(req.Body, &r)
		if err != nil {
			http.Error(w, "command not understood", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusOK)
		mu := new(sync.Mutex)
		out := frames{mu, w, control.Flush, frameOut}
		errs := frames{mu, w, control.Flush, frameErr}
		c := &call{in: in, out: out, err: errs, lang: r.Lang, cwd: string(r.Cwd), live: a, data: a.store.Dir()}
		for _, arg := range r.Args {
			c.args = append(c.args, string(arg))
		}
		log(c)
		code := c.run(req.Context())
		mu.Lock()
		defer mu.Unlock()
		w.Write(binary.BigEndian.AppendUint32([]byte{frameExit}, uint32(code)))
	})
}

// readRequest reads the JSON line and gives what follows.
func readRequest(body io.Reader, r *request) (io.Reader, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < 1<<20 {
		if _, err := io.ReadFull(body, one); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return body, json.Unmarshal(line, r)
		}
		line = append(line, one[0])
	}
	return nil, io.ErrShortBuffer
}
