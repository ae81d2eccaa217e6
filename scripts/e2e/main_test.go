package e2e

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	agent "zhucun/agent/cli"
	server "zhucun/server/cli"
)

// TestMain is both commands as well: started under their names the test binary
// is the agent or the server.
func TestMain(m *testing.M) {
	// Stories wait more than they compute.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"zhucun-agent":  func() { os.Exit(agent.Main(context.Background(), os.Args[1:])) },
		"zhucun-server": func() { os.Exit(server.Main(context.Background(), os.Args[1:])) },
	})
}

// twice begins a story that is told by itself and beside running agents.
const twice = "# Twice"

func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	var both []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(text, []byte(twice)) {
			both = append(both, f)
		}
	}
	t.Run("alone", func(t *testing.T) { tell(t, files, false) })
	t.Run("beside", func(t *testing.T) { tell(t, both, true) })
}

// tell runs stories. beside says that an agent runs on every laptop.
func tell(t *testing.T, files []string, beside bool) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			w := newWorld(t, env.WorkDir)
			w.beside = beside
			env.Values[worldKey{}] = w
			env.Defer(w.end)
			return nil
		},
		Cmds: maps.Clone(commands),
	})
}

type worldKey struct{}

// environment is what a started command sees: no more of the machine's than it
// needs.
func environment(dir string, more ...string) []string {
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "TMPDIR=" + os.TempDir()}, more...)
	for _, name := range []string{"GORACE", "GOCOVERDIR"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
