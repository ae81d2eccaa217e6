package sim

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
)

var (
	schedules = flag.Int("schedules", 1000, "how many schedules to play")
	steps     = flag.Int("steps", 60, "how many steps a schedule has")
	seed      = flag.Uint64("seed", 1, "the first schedule's seed; the others follow")
)

// fast gives a folder for files that need not outlive the test: memory, where
// the system has some.
func fast(t *testing.T) string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "zhucun-sim-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

// play plays one schedule and says what went wrong, with the way to play it
// again.
func play(dir string, seed uint64, steps int, template string, l leg) (err error) {
	dir = filepath.Join(dir, fmt.Sprint(seed))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(dir, seed, template, l.images)
	if err != nil {
		return err
	}
	w.bundles, w.rewinds = l.bundles, l.rewinds
	defer func() {
		if cerr := w.close(); err == nil {
			err = cerr
		}
		if err != nil {
			tail := w.trace[max(0, len(w.trace)-200):]
			err = fmt.Errorf("seed %d: %w\nthe last steps:\n%s\nagain: go test ./scripts/sim -run %s -schedules 1 -steps %d -seed %d", seed, err, strings.Join(tail, "\n"), l.name, steps, seed)
		}
	}()
	for i := range steps {
		if err := w.step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return w.settle()
}

// template makes an empty server database once: every schedule begins with a
// copy.
func template(t *testing.T, dir string) string {
	file := filepath.Join(dir, "template.db")
	s, err := sqlite.Open(context.Background(), file, store.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSchedules(t *testing.T) { playAll(t, *schedules, leg{name: "Schedules"}) }

// Disks are set back to older images and copied to other machines meanwhile.
func TestImages(t *testing.T) { playAll(t, *schedules/4, leg{name: "Images", images: true}) }

// Most of the traffic goes in files, which are lost, late and come again.
func TestBundles(t *testing.T) { playAll(t, *schedules/4, leg{name: "Bundles", bundles: true}) }

// Both at once.
func TestImagesInBundles(t *testing.T) {
	playAll(t, *schedules/8, leg{name: "ImagesInBundles", images: true, bundles: true})
}

// The server is lost and restored from older backups meanwhile, one after the
// other, and from some of lives that were lost themselves.
func TestRewinds(t *testing.T) { playAll(t, *schedules/2, leg{name: "Rewinds", rewinds: true}) }

// Both at once: files and replies of a life that is over arrive in the next.
func TestRewindsInBundles(t *testing.T) {
	playAll(t, *schedules/4, leg{name: "RewindsInBundles", rewinds: true, bundles: true})
}

// leg is a kind of schedule.
type leg struct {
	name                     string
	images, bundles, rewinds bool
}

func playAll(t *testing.T, schedules int, l leg) {
	dir := fast(t)
	tmpl := template(t, dir)
	t.Logf("seeds %d to %d, %d steps each", *seed, *seed+uint64(schedules)-1, *steps)
	var next atomic.Uint64
	var failed atomic.Bool
	var work sync.WaitGroup
	for range runtime.NumCPU() {
		work.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if n >= uint64(schedules) {
					return
				}
				if err := play(dir, *seed+n, *steps, tmpl, l); err != nil {
					failed.Store(true)
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
}
