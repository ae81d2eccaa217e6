package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One holds the lock, of all that ask at once in this process; the next can when
// it has let go.
func TestLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "100% #1?.lock")
	var all sync.WaitGroup
	var holds atomic.Int32
	var release func() error
	for range 5 {
		all.Go(func() {
			r, err := Lock(context.Background(), file)
			if err == nil {
				holds.Add(1)
				release = r
			} else if !errors.Is(err, ErrLocked) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if holds.Load() != 1 {
		t.Fatalf("%d hold it", holds.Load())
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(filepath.Dir(file)); err != nil || len(list) != 1 {
		t.Errorf("files %v, %v", list, err)
	}
}

// A process that is killed leaves no lock behind.
func TestLockOfTheDead(t *testing.T) {
	const name = "ZHUCUN_TEST_LOCK"
	if file := os.Getenv(name); file != "" {
		if _, err := Lock(context.Background(), file); err != nil {
			t.Fatal(err)
		}
		fmt.Println("held")
		time.Sleep(time.Hour) // a select without cases ends the process, where nothing else runs
	}
	file := filepath.Join(t.TempDir(), "serve.lock")
	other := exec.Command(os.Args[0], "-test.run=^TestLockOfTheDead$")
	other.Env = append(os.Environ(), name+"="+file)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	if said != "held\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	if _, err := Lock(context.Background(), file); !errors.Is(err, ErrLocked) {
		t.Errorf("beside another process: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	other.Wait()
	release, err := Lock(context.Background(), file)
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
