package monitor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Numbers is a text of metrics as Prometheus reads it.
type Numbers struct{ b strings.Builder }

// Kinds of numbers.
const (
	Gauge   = "gauge"
	Counter = "counter"
)

// Begin begins a metric of a name: its numbers follow, by Add.
func (n *Numbers) Begin(name, kind, says string) {
	fmt.Fprintf(&n.b, "# HELP %s %s\n# TYPE %s %s\n", name, says, name, kind)
}

// Add writes a number, with pairs of label and value.
func (n *Numbers) Add(name string, value float64, labels ...string) {
	n.b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		n.b.WriteString(cond(i == 0, "{", ",") + labels[i] + `="` + escape.Replace(labels[i+1]) + `"`)
	}
	n.b.WriteString(cond(len(labels) > 1, "}", "") + " " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func cond(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// one writes a metric of one number.
func (n *Numbers) one(name, kind, says string, value float64) {
	n.Begin(name, kind, says)
	n.Add(name, value)
}

// keep is how long numbers of the data are good.
const keep = 10 * time.Second

func (m *Monitor) text(ctx context.Context) (string, error) {
	m.Lock()
	data, looked := m.data, m.looked
	m.Unlock()
	if now := m.store.Now(); looked.IsZero() || now.Sub(looked) >= keep || now.Before(looked) {
		var n Numbers
		if err := m.ofData(ctx, &n); err != nil {
			return "", err
		}
		data = n.b.String()
		m.Lock()
		m.data, m.looked = data, now
		m.Unlock()
	}
	var n Numbers
	m.ofProcess(&n)
	m.ofRequests(&n)
	return n.b.String() + data, nil
}

func (m *Monitor) ofData(ctx context.Context, n *Numbers) error {
	heads, err := m.store.Heads(ctx)
	if err != nil {
		return err
	}
	feeds := uint64(0)
	for _, h := range heads {
		feeds += h.Feed
	}
	n.one("zhucun_villages", Gauge, "Villages", float64(len(heads)))
	n.one("zhucun_changes_total", Counter, "The numbers of all villages' feeds: moves with every change", float64(feeds))
	devices, err := m.store.Devices(ctx)
	if err != nil {
		return err
	}
	revoked := 0
	for i := range devices {
		if devices[i].Revoked() {
			revoked++
		}
	}
	n.Begin("zhucun_laptops", Gauge, "Laptops, by whether they are revoked")
	n.Add("zhucun_laptops", float64(len(devices)-revoked), "state", "enrolled")
	n.Add("zhucun_laptops", float64(revoked), "state", "revoked")
	contacts, err := m.store.Contacts(ctx)
	if err != nil {
		return err
	}
	day, week, last := map[string]bool{}, map[string]bool{}, time.Time{}
	now := m.store.Now()
	for _, c := range contacts {
		if c.Seen.After(last) {
			last = c.Seen
		}
		if ago := now.Sub(c.Seen); ago < 24*time.Hour {
			day[string(c.Device)] = true
		}
		if now.Sub(c.Seen) < 7*24*time.Hour {
			week[string(c.Device)] = true
		}
	}
	n.Begin("zhucun_laptops_heard", Gauge, "Laptops that were heard of within a time")
	n.Add("zhucun_laptops_heard", float64(len(day)), "within", "1d")
	n.Add("zhucun_laptops_heard", float64(len(week)), "within", "7d")
	if !last.IsZero() {
		n.one("zhucun_last_contact_timestamp_seconds", Gauge, "When a laptop was last heard of", float64(last.Unix()))
	}
	waiting, err := m.store.Waiting(ctx)
	if err != nil {
		return err
	}
	sum := map[string]int{"conflict": 0, "proposal": 0, "quarantine": 0, "setaside": 0}
	for _, w := range waiting {
		sum["conflict"] += w.Conflicts
		sum["proposal"] += w.Proposals
		sum["quarantine"] += w.Quarantined
		sum["setaside"] += w.SetAside
	}
	n.Begin("zhucun_waiting", Gauge, "What waits for a person, by kind")
	for _, kind := range slices.Sorted(maps.Keys(sum)) {
		n.Add("zhucun_waiting", float64(sum[kind]), "kind", kind)
	}
	if free, all, err := m.opt.Room(m.opt.Data); err == nil {
		n.one("zhucun_disk_free_bytes", Gauge, "Free bytes of the disk that the data is on", float64(free))
		n.one("zhucun_disk_bytes", Gauge, "Bytes of that disk", float64(all))
	}
	if m.opt.More != nil {
		m.opt.More(ctx, n)
	}
	return nil
}

func (m *Monitor) ofProcess(n *Numbers) {
	n.Begin("zhucun_build_info", Gauge, "The server's version")
	n.Add("zhucun_build_info", 1, "version", m.opt.Version, "go", runtime.Version())
	n.one("process_start_time_seconds", Gauge, "When the server began", float64(m.begun.Unix()))
	n.one("go_goroutines", Gauge, "Goroutines", float64(runtime.NumGoroutine()))
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(samples)
	n.one("go_memstats_heap_alloc_bytes", Gauge, "Bytes of living and not yet collected objects", float64(samples[0].Value.Uint64()))
	n.one("go_memstats_sys_bytes", Gauge, "Bytes that the runtime has from the system", float64(samples[1].Value.Uint64()))
}

// served is a kind of requests.
type served struct{ area, class string }

// bounds are those of the times of requests, in seconds.
var bounds = []float64{0.01, 0.05, 0.1, 0.3, 1, 3, 10, 60}

// times are how long requests of a kind took.
type times struct {
	within [8]uint64
	count  uint64
	sum    float64
}

func (m *Monitor) ofRequests(n *Numbers) {
	m.Lock()
	defer m.Unlock()
	kinds := slices.SortedFunc(maps.Keys(m.served), func(a, b served) int {
		return cmp.Or(cmp.Compare(a.area, b.area), cmp.Compare(a.class, b.class))
	})
	const name = "zhucun_request_seconds"
	n.Begin(name, "histogram", "How long requests took, by area and class of status")
	for _, k := range kinds {
		t, sum := m.served[k], uint64(0)
		for i, b := range bounds {
			sum += t.within[i]
			n.Add(name+"_bucket", float64(sum), "area", k.area, "code", k.class, "le", strconv.FormatFloat(b, 'g', -1, 64))
		}
		n.Add(name+"_bucket", float64(t.count), "area", k.area, "code", k.class, "le", "+Inf")
		n.Add(name+"_sum", t.sum, "area", k.area, "code", k.class)
		n.Add(name+"_count", float64(t.count), "area", k.area, "code", k.class)
	}
	n.Begin("zhucun_requests_open", Gauge, "Requests that are being answered")
	for _, area := range slices.Sorted(maps.Keys(m.open)) {
		n.Add("zhucun_requests_open", float64(m.open[area]), "area", area)
	}
}
