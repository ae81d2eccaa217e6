package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A laptop whose agent runs hears of what others and the office do within two seconds,
// though it does nothing itself; and the server stops at once, though it waits.
//
// Not beside the other tests of this package: on a machine that is busy it takes its
// link for a slow one, and does not wait.
func TestNews(t *testing.T) {
	w := newWorld(t, t.TempDir())
	t.Cleanup(w.end)
	if err := w.office(false, bamboo, "竹村"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := w.laptop(name, bamboo, "first_secretary", "书记"+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.agent("a"); err != nil {
		t.Fatal(err)
	}
	// comes tells how long it takes until a's own data says so, and whether it does.
	comes := func(within time.Duration, what string, args ...string) (took time.Duration, told bool) {
		for begun := time.Now(); !told && took < within; took = time.Since(begun) {
			r, err := w.command("", nil, append(append([]string{"zhucun-agent"}, args...), "--data", "a", "--json")...)
			if err != nil {
				t.Fatal(err)
			}
			told = strings.Contains(r.out, what)
		}
		return took, told
	}
	within := func(what string, took time.Duration) {
		if t.Logf("%s: %v", what, took.Round(time.Millisecond)); took > 2*time.Second {
			t.Errorf("%s took %v", what, took)
		}
	}
	// much is for what is tried once: far less than it would take without waiting.
	const much = 10 * time.Second
	visit := func(i int) (took time.Duration, told bool) {
		id := w.put(t, "visit", fmt.Sprintf("findings=第%d条消息", i), "--data", "b")
		w.must(t, "zhucun-agent", "sync", "--data", "b")
		return comes(much, "条消息", "get", "visit", id)
	}
	// It waits once it knows that the link is good, by syncs that it makes: until then
	// news is there after minutes.
	for i := 0; ; i++ {
		w.must(t, "zhucun-agent", "sync", "--data", "a")
		if _, told := visit(i); told {
			break
		} else if i == 10 {
			t.Fatal("it does not wait for news")
		}
	}
	// The quickest of some: what else the machine does is not looked at here.
	quickest := time.Hour
	for i := range 5 {
		if took, told := visit(i); told {
			quickest = min(quickest, took)
		}
	}
	within("what another laptop wrote", quickest)

	// Two wrote apart, and somebody at the office decides, in a program of its own.
	id := w.put(t, "household", "head_name=张三", "group_name=一组", "house_risk=a", "--data", "b")
	w.must(t, "zhucun-agent", "sync", "--data", "b")
	w.must(t, "zhucun-agent", "sync", "--data", "c")
	w.put(t, "household", "--id", id, "head_name=张山", "--data", "b")
	w.put(t, "household", "--id", id, "head_name=张珊", "--data", "c")
	w.must(t, "zhucun-agent", "sync", "--data", "b")
	w.must(t, "zhucun-agent", "sync", "--data", "c")
	for _, name := range []string{"张珊", "张山"} {
		if _, told := comes(time.Minute, name, "get", "household", id); !told {
			t.Fatalf("%s is not there after a minute", name)
		}
	}
	time.Sleep(2 * time.Second) // until it waits again
	w.must(t, "zhucun-server", "resolve", id, "head_name", "--value", "张姗", "--reason", "问过本人", "--data", "office")
	if _, told := comes(much, "张姗", "get", "household", id); !told {
		t.Errorf("what the office decided is not there after %v", much)
	}

	begun := time.Now()
	if code, err := w.procs["office"].stop(); err != nil || code != 0 {
		t.Errorf("the server ended with %d, %v", code, err)
	}
	delete(w.procs, "office")
	if took := time.Since(begun); took > much {
		t.Errorf("the server's end took %v", took)
	}
}
