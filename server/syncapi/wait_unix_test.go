//go:build unix

package syncapi

import (
	"fmt"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"zhucun/shared/wire"
)

// Two hundred laptops wait: for as long as nothing happens that takes the server no
// time and little memory, and holds nothing that others need. They hear together.
func TestManyWait(t *testing.T) {
	const many = 200
	h := newHouse(t)
	// As in many laptops, each of which has a connection of its own.
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	laptops := make([]*laptop, many)
	for i := range laptops {
		laptops[i] = h.laptop(fmt.Sprint("队员", i))
	}
	writer := h.laptop("王队员")
	before, goes := memory(), runtime.NumGoroutine()
	answers := make([]<-chan heard, many)
	for i, l := range laptops {
		answers[i] = l.listen(60, h.here(0))
	}
	h.waits(many)
	each := (memory() - before) / many
	// Client and server are one process here: this is both ends.
	t.Logf("%d bytes and %.1f goroutines each, with the client's", each, float64(runtime.NumGoroutine()-goes)/many)
	if each > 128<<10 {
		t.Errorf("each takes %d bytes", each)
	}
	used := cpu()
	time.Sleep(2 * time.Second)
	if used = cpu() - used; used > 100*time.Millisecond {
		t.Errorf("%v of CPU in two seconds of waiting", used)
	}
	t.Logf("%v of CPU in two seconds of waiting", used)
	for name, free := range map[string]bool{
		"bodies": h.door.bodies.TryAcquire(maxBodies), "unpacked": h.door.unpacked.TryAcquire(maxUnpacked),
	} {
		if !free {
			t.Errorf("they hold %s", name)
		}
	}
	h.door.bodies.Release(maxBodies)
	h.door.unpacked.Release(maxUnpacked)
	if _, f := writer.sync(wire.Push{Village: village, Streams: writer.own(0), Segments: [][]byte{writer.write(1)}}); f != nil {
		t.Fatal(f)
	}
	begun := time.Now()
	for _, c := range answers {
		if a := <-c; a.fault != nil || len(a.Villages) != 1 || len(a.Villages[0].Records) != 1 {
			t.Fatalf("%+v, %v", a.Synced, a.fault)
		}
	}
	// How soon is up to the machine, which is both ends of all of them here; one that is
	// not told hears nothing, when its time is up.
	t.Logf("the last heard after %v", time.Since(begun))
	h.waits(0)
}

// memory is what is in use, stacks too.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
