package sim

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/server/store/sqlite"
)

var (
	schedules = flag.Int("schedules", 500, "how many schedules the plain leg plays; the others play a share of that")
	steps     = flag.Int("steps", 60, "how many steps a schedule has")
	seed      = flag.Uint64("seed", 1, "the first schedule's seed; the others follow")
	hashes    = flag.Bool("hashes", false, "log the hash of each schedule's trace")
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

// play plays one schedule, gives the hash of its trace, and says what went wrong,
// with the way to play it again.
func play(dir string, seed uint64, steps int, template string, l leg) (hash string, err error) {
	dir = filepath.Join(dir, fmt.Sprint(seed))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(dir, seed, template, l)
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := w.close(); err == nil {
			err = cerr
		}
		hash = hex.EncodeToString(w.hash.Sum(nil))
		if err != nil {
			tail := w.trace[max(0, len(w.trace)-kept):]
			err = fmt.Errorf("seed %d: %w\nthe last steps:\n%s\nagain: go test ./scripts/sim -run 'Test%s$' -schedules 1 -steps %d -seed %d", seed, err, strings.Join(tail, "\n"), l.name, steps, seed)
		}
	}()
	for i := range steps {
		if err := w.step(); err != nil {
			return "", fmt.Errorf("step %d: %w", i, err)
		}
	}
	return "", w.end()
}

// template makes an empty server database once: every schedule begins with a
// copy.
func template(t *testing.T, dir string) string {
	file := filepath.Join(dir, "template.db")
	now := func() time.Time { return time.UnixMilli(start) }
	s, err := sqlite.Open(context.Background(), file, store.Options{Now: now, Random: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// legs are the kinds of schedules.
var legs = []leg{
	{name: "Schedules"},
	{name: "Images", images: true},
	{name: "Bundles", bundles: true},
	{name: "ImagesInBundles", images: true, bundles: true},
	{name: "Rewinds", rewinds: true},
	{name: "RewindsInBundles", rewinds: true, bundles: true},
	{name: "Orders", orders: true},
	{name: "OrdersInBundles", orders: true, bundles: true},
	{name: "OrdersAndRewinds", orders: true, rewinds: true},
	{name: "Many", many: true},
}

func TestSchedules(t *testing.T) { playAll(t, 1, "Schedules") }

// Disks are set back to older images and copied to other machines meanwhile.
func TestImages(t *testing.T) { playAll(t, 25, "Images") }

// Most of the traffic goes in files, which are lost, late and come again.
func TestBundles(t *testing.T) { playAll(t, 25, "Bundles") }

// Both at once.
func TestImagesInBundles(t *testing.T) {
	playAll(t, 50, "ImagesInBundles")
}

// The server is lost and restored from older backups meanwhile, one after the
// other, and from some of lives that were lost themselves.
func TestRewinds(t *testing.T) { playAll(t, 16, "Rewinds") }

// Both at once: files and replies of a life that is over arrive in the next.
func TestRewindsInBundles(t *testing.T) {
	playAll(t, 25, "RewindsInBundles")
}

// Laptops are given other villages and some that they had before, and are revoked,
// while they have work waiting, pages aside, and bundles on the road.
func TestOrders(t *testing.T) { playAll(t, 25, "Orders") }

// Both at once: what was asked for in a village comes when it is another's.
func TestOrdersInBundles(t *testing.T) {
	playAll(t, 25, "OrdersInBundles")
}

// The server is restored from its last backup meanwhile, and knows what the office
// ordered before that.
func TestOrdersAndRewinds(t *testing.T) {
	playAll(t, 25, "OrdersAndRewinds")
}

// 3 to 40 laptops.
func TestMany(t *testing.T) { playAll(t, 100, "Many") }

// Schedules of a thousand steps that once went wrong, each in its own way; most are met
// once in thousands.
func TestOnceWrong(t *testing.T) {
	for _, once := range []struct {
		leg  string
		seed uint64
		why  string
	}{
		// What the server has not got had replaced the only value, and so had what it set
		// aside: nothing was left of the register, and the state could not be read.
		{"Rewinds", 10529, "a register of which nothing is left"},
	} {
		t.Run(once.why, func(t *testing.T) {
			t.Parallel()
			dir := fast(t)
			if _, err := play(dir, once.seed, 1000, template(t, dir), legNamed(once.leg)); err != nil {
				t.Error(err)
			}
		})
	}
}

func legNamed(name string) leg {
	return legs[slices.IndexFunc(legs, func(l leg) bool { return l.name == name })]
}

// playAll plays the leg's share of the schedules: one in so many, and one at least.
func playAll(t *testing.T, share int, name string) {
	t.Parallel()
	l := legNamed(name)
	schedules := max(1, *schedules/share)
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
				hash, err := play(dir, *seed+n, *steps, tmpl, l)
				if err != nil {
					failed.Store(true)
					t.Error(err)
				}
				if *hashes {
					t.Logf("seed %d: %s", *seed+n, hash)
				}
			}
		})
	}
	work.Wait()
}
