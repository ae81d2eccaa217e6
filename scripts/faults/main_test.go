package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

var chosen = flag.Uint64("seed", 0, "what decides where faults strike; 0 lets chance decide, and prints it")

// long tells that there is time for all of it, as scripts/test --long has.
var long = os.Getenv("ZHUCUN_LONG") != ""

// programs is where the two programs are, as they are shipped: a race detector's
// would take the tracer ten times as long.
var programs string

func TestMain(m *testing.M) {
	// They wait more than they compute.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "zhucun-faults-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	for _, name := range []string{"agent", "server"} {
		build := exec.Command("go", "build", "-o", filepath.Join(programs, "zhucun-"+name), "zhucun/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	return m.Run()
}

// chance gives what decides in a test, and says how to have it again.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *chosen
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again: go test ./scripts/faults -run '%s' -seed %d", t.Name(), seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// of gives how much a test does: short in a check of every change.
func of(short, all int) int {
	if long {
		return all
	}
	return short
}

const bamboo = "369999000001"

// office sets up a server for one village, which serves.
func office(t *testing.T) (*rig.Rig, *rig.Server) {
	t.Helper()
	r := &rig.Rig{Dir: t.TempDir(), Bin: programs, Lang: "zh", Plain: true}
	s, err := r.Server(t.Context(), "office")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), "village", "add", bamboo, "竹村"); err != nil {
		t.Fatal(err)
	}
	if err := r.Serve(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("the server, at the end: %v", err)
		}
	})
	return r, s
}

// laptop enrols a laptop in the village.
func laptop(t *testing.T, r *rig.Rig, s *rig.Server, name string) *rig.Laptop {
	t.Helper()
	l, err := r.Laptop(t.Context(), s, name, "李队员", identity.TeamMember, bamboo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Link.Close() })
	return l
}
