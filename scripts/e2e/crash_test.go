package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// How many times a running agent is killed, and a put that runs alone.
const (
	besideCrashes = 100
	aloneCrashes  = 30
)

// An agent is killed again and again while records are put in. Every id that
// was printed is there afterwards, and the store is whole each time.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	t.Cleanup(w.end)
	if err := w.office(false, bamboo, "竹村"); err != nil {
		t.Fatal(err)
	}
	for name, beside := range map[string]bool{"alone": false, "beside": true} {
		if err := w.laptop(name, bamboo, "team_member", "李队员"); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killed(t, w.sibling(t), name, beside)
		})
	}
}

func killed(t *testing.T, w *world, laptop string, beside bool) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	printed := map[string]bool{}
	victim := "put-" + laptop
	crashes := aloneCrashes
	if beside {
		crashes = besideCrashes
	}
	for round := range crashes {
		if beside {
			if err := w.agent(laptop); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		put, err := w.start(victim, nil, true, "zhucun-agent", "put", "visit", "--data", laptop)
		if err != nil {
			t.Fatal(err)
		}
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			for i := 0; ; i++ {
				if i%5 == 0 {
					time.Sleep(time.Millisecond) // lines that come in between two commits
				}
				if _, err := fmt.Fprintf(put.stdin, "{\"findings\":\"第%d轮第%d条走访情况\"}\n", round, i); err != nil {
					return
				}
			}
		}()
		// Every other round dies while it writes, however slow the machine is; the
		// rest at any time, which is often before the first line.
		if round%2 == 0 {
			promised(t, w.path(victim+".out"))
		}
		time.Sleep(time.Duration(r.IntN(80)) * time.Millisecond)
		if beside {
			// The agent dies and the command beside it says so; one that had not yet
			// found it goes on alone.
			if err := w.procs[laptop].crash(); err != nil {
				t.Fatal(err)
			}
			delete(w.procs, laptop)
			if err := put.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
				t.Fatal(err)
			}
			if code, err := put.wait(); err != nil || code > 1 {
				t.Fatalf("round %d: put ended with %d, %v", round, code, err)
			}
		} else if err := put.crash(); err != nil {
			t.Fatal(err)
		}
		delete(w.procs, victim)
		<-fed
		out, err := os.ReadFile(w.path(victim + ".out"))
		if err != nil {
			t.Fatal(err)
		}
		// The last line may be half a line: that id was not printed.
		whole := out[:bytes.LastIndexByte(out, '\n')+1]
		for i := range lines(string(whole)) {
			id, _, err := at(string(whole), fmt.Sprintf("[%d].id", i))
			if err != nil {
				t.Fatal(err)
			}
			printed[id] = true
		}
		if round%20 == 9 || round == crashes-1 {
			survived(t, w, laptop, printed)
		}
	}
	if len(printed) < crashes/2 {
		t.Errorf("only %d ids were printed in %d rounds: nothing was tried", len(printed), crashes)
	}
	t.Logf("%d ids in %d rounds", len(printed), crashes)
}

// An agent is stopped while somebody puts in records and has not ended. It ends
// at once, and the command says what became of them.
func TestStoppedUnderPut(t *testing.T) {
	t.Parallel()
	w := office(t, false, true)
	put, err := w.start("put", []string{"ZHUCUN_LANG=en"}, true, "zhucun-agent", "put", "visit", "--data", "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(put.stdin, "{\"findings\":\"停止以前写的走访\"}\n"); err != nil {
		t.Fatal(err)
	}
	promised(t, w.path("put.out"))
	if code, err := w.procs["a"].stop(); err != nil || code != 0 {
		t.Errorf("the agent ended with %d, %v", code, err)
	}
	delete(w.procs, "a")
	code, err := put.wait()
	delete(w.procs, "put")
	said, _ := os.ReadFile(w.path("put.err"))
	if want := "The agent is stopping. What was printed is saved; try the rest again\n"; err != nil || code != 1 || string(said) != want {
		t.Errorf("put ended with %d, %v: %s", code, err, said)
	}
	if out := w.must(t, "zhucun-agent", "list", "visit", "--data", "a", "--json"); len(lines(out)) != 1 {
		t.Errorf("%d visits, want 1", len(lines(out)))
	}
}

// A killed agent leaves run.json, and somebody else comes to listen where it
// did. The command tells him nothing and does its work itself, once.
func TestStrangerAfterCrash(t *testing.T) {
	t.Parallel()
	w := office(t, false, true)
	w.link.down()
	left, err := os.Stat(w.path("a/run.json"))
	if err != nil || left.Mode() != 0o600 {
		t.Errorf("run.json is there for others: %v, %v", left.Mode(), err)
	}
	var at struct{ Addr, Token string }
	raw, err := os.ReadFile(w.path("a/run.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &at); err != nil {
		t.Fatal(err)
	}
	if err := w.procs["a"].crash(); err != nil {
		t.Fatal(err)
	}
	delete(w.procs, "a")
	l, err := listen(at.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Value
	heard.Store("")
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told, _ := httputil.DumpRequest(r, r.Method == http.MethodPost)
		heard.Store(heard.Load().(string) + string(told))
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		const id = "{\"id\":\"0192d3a4-0000-7000-8000-000000000001\"}\n"
		fmt.Fprintf(w, "\x01\x00\x00\x00%c%s\x03\x00\x00\x00\x00", len(id), id)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })

	id := w.put(t, "visit", "findings=只能说给自己人的话", "--data", "a")
	if told := heard.Load().(string); strings.Contains(told, at.Token) || strings.Contains(told, "args") {
		t.Errorf("the stranger was told: %s", told)
	}
	if out := w.must(t, "zhucun-agent", "get", "visit", id, "--data", "a", "--json"); !strings.Contains(out, "只能说给自己人的话") {
		t.Error(out)
	}
}

// promised waits for the first id.
func promised(t *testing.T, name string) {
	t.Helper()
	for range 6000 {
		if out, err := os.ReadFile(name); err == nil && bytes.IndexByte(out, '\n') >= 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no id was printed in a minute")
}

// survived wants every record that was promised, and a store that is whole.
func survived(t *testing.T, w *world, laptop string, printed map[string]bool) {
	t.Helper()
	here := map[string]bool{}
	for _, l := range lines(w.must(t, "zhucun-agent", "list", "visit", "--data", laptop, "--json")) {
		id, _, err := at(l, ".id")
		if err != nil {
			t.Fatal(err)
		}
		here[id] = true
	}
	for id := range printed {
		if !here[id] {
			t.Errorf("%s was printed and is not there", id)
		}
	}
	if out := w.must(t, "zhucun-agent", "verify", "--data", laptop, "--json"); !strings.Contains(out, `"ok":true`) {
		t.Fatal(out)
	}
}
