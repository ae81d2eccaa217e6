package storetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Code is the village of the tests, Other one that nobody is assigned to.
const (
	Code  = record.Village("369999000001")
	Other = record.Village("369999000002")
)

// start is when the tests begin, in milliseconds since 1970.
const start = 1_500_000_000_000

// World is a server with one village, and its clock.
type World struct {
	testing.TB
	*store.Store
	// Key is the server's.
	Key    ed25519.PrivateKey
	Clock  int64 // ms since 1970
	Tick   int64 // what the clock goes on by, ms, whenever somebody looks at it
	random *rand.ChaCha8
	n      byte
}

// Open gives a store with these options; every call gives the same data.
type Open func(tb testing.TB, o store.Options) *store.Store

// NewWorld makes a server with the two villages.
func NewWorld(tb testing.TB, open Open) *World {
	w := &World{TB: tb, Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), Clock: start, random: rand.NewChaCha8([32]byte{1})}
	w.Store = open(tb, w.Options())
	for _, code := range []record.Village{Code, Other} {
		w.ok(w.AddVillage(w.ctx(), store.Village{Code: code, Name: "村" + string(code), Created: w.time()}))
	}
	return w
}

// Options are those of the world's store.
func (w *World) Options() store.Options {
	return store.Options{Key: w.Key, Now: w.time, Random: w.random}
}

func (w *World) time() time.Time {
	if w.Tick > 0 { // else many may look at once
		w.Clock += w.Tick
	}
	return time.UnixMilli(w.Clock)
}

func (w *World) ctx() context.Context { return context.Background() }

func (w *World) ok(err error) {
	if err != nil {
		w.Helper()
		w.Fatal(err)
	}
}

// Whole fails the test unless Verify finds the data to be what the log says.
func (w *World) Whole() store.Verified {
	w.Helper()
	sum, err := w.Verify(w.ctx(), func(f store.Fault) { w.Errorf("verify: %s: %s", f.Village, f.What.En) })
	w.ok(err)
	return sum
}

// Laptop is a device that writes to one village.
type Laptop struct {
	w       *World
	Device  store.Device
	private ed25519.PrivateKey
	village record.Village
	inc     identity.Incarnation
	Stream  record.Stream
	// Log is everything it ever wrote, hashes the chain of it.
	Log    []record.Change
	hashes []journal.Hash
	// Skew is how far its clock is ahead of the server's, in milliseconds.
	Skew int64
	Own  wire.Own
	last uint64
	seed journal.Seed
}

// Laptop makes a device whose first profile has the name.
func (w *World) Laptop(name string, role identity.Role) *Laptop {
	w.n++
	l := &Laptop{w: w, private: ed25519.NewKeyFromSeed(append(bytes.Repeat([]byte{w.n}, 31), 1)), village: Code}
	l.Device = store.Device{
		ID: identity.Device(fmt.Sprintf("laptop-%d", w.n)), Key: l.private.Public().(ed25519.PublicKey), TokenHash: []byte{w.n}, Name: name,
		Role: role, Profiles: []string{name}, Villages: []record.Village{Code}, Serial: 1, EnrolledAt: w.time(),
	}
	l.Renew()
	return l
}

// Renew begins a new incarnation, as a laptop does that was restored.
func (l *Laptop) Renew() {
	l.inc[0]++
	l.Log, l.hashes, l.last = nil, nil, 0
	l.Stream = record.Stream(identity.StreamOf(l.Device.Key, string(l.village), l.inc))
	l.seed[0]++
}

// In makes the laptop write to another village.
func (l *Laptop) In(v record.Village) *Laptop {
	l.village = v
	l.Renew()
	return l
}

// Write appends a change to the laptop's log and gives its dot. Time and author
// are the laptop's own where the change names none.
func (l *Laptop) Write(c record.Change) record.Dot {
	if c.Author == "" {
		c.Author = l.Device.Name
	}
	if c.Time == 0 {
		c.Time = max(l.last+1, uint64(clock.At0(l.w.Clock+l.Skew)))
	}
	l.last = c.Time
	record.SortBody(c.Body)
	seg := journal.Segment{Stream: l.Stream, From: uint64(len(l.Log) + 1), Incarnation: l.inc, Seed: l.seed, Changes: []record.Change{c}}
	l.Log, l.hashes = append(l.Log, c), append(l.hashes, seg.Hashes(l.head(uint64(len(l.Log))).Hash)...)
	return record.Dot{Stream: l.Stream, Seq: uint64(len(l.Log))}
}

// head is the laptop's own entry seq.
func (l *Laptop) head(seq uint64) journal.Head {
	if seq == 0 {
		return journal.Head{}
	}
	return journal.Head{Seq: seq, Hash: l.hashes[seq-1]}
}

// Segment gives the entries from to last, signed.
func (l *Laptop) Segment(from, last int) []byte {
	seg := journal.Segment{Stream: l.Stream, From: uint64(from), Incarnation: l.inc, Seed: l.seed, Changes: slices.Clone(l.Log[from-1 : last])}
	seg.Seal(l.private, l.hashes[last-1])
	return seg.Encode()
}

// Send delivers segments.
func (l *Laptop) Send(segments ...[]byte) store.Taken {
	l.w.Helper()
	taken, err := l.w.Take(l.w.ctx(), store.Delivery{Village: l.village, From: l.Device, Segments: segments, Found: -l.Skew, Received: clock.At0(l.w.Clock)})
	l.w.ok(err)
	return taken
}

// Push delivers all that the laptop has written since the last push.
func (l *Laptop) Push() store.Taken {
	l.w.Helper()
	if int(l.Own.Head) > len(l.Log) || l.Own.Stream != l.Stream {
		l.Own = wire.Own{Stream: l.Stream}
	}
	from := int(l.Own.Head) + 1
	l.Own.Head = uint64(len(l.Log))
	if from > len(l.Log) {
		return store.Taken{}
	}
	return l.Send(l.Segment(from, len(l.Log)))
}

// Page asks for what the laptop lacks behind a cursor.
func (l *Laptop) Page(cursor uint64) wire.Pull {
	l.w.Helper()
	pull, _ := l.Ask(store.Request{Epoch: l.w.Epoch(), Cursor: cursor, Own: []wire.Own{l.Own}})
	return pull
}

// Ask asks for a page.
func (l *Laptop) Ask(q store.Request) (wire.Pull, bool) {
	l.w.Helper()
	q.Village, q.Device, q.Role = l.village, l.Device.ID, l.Device.Role
	if q.Budget == 0 {
		q.Budget = 1 << 20
	}
	pull, ok, err := l.w.Page(l.w.ctx(), q)
	l.w.ok(err)
	return pull, ok
}

// ID gives the n-th record of the tests.
func ID(n int) record.ID { return record.ID{0: byte(n >> 8), 1: byte(n), 6: 0x70, 8: 0x80, 15: 1} }

// New is a change that creates a record with these fields.
func New(typ record.Type, id record.ID, fields map[record.Path]record.Value) record.Change {
	c := record.Change{Record: id, Type: typ, Form: 1, Body: []record.Write{{Path: record.Source, Value: record.Text("onsite")}}}
	for p, v := range fields {
		c.Body = append(c.Body, record.Write{Path: p, Value: v})
	}
	return c
}

// Set is a change of one field that replaces what the dots wrote.
func Set(typ record.Type, id record.ID, p record.Path, v record.Value, observed ...record.Dot) record.Change {
	return record.Change{Record: id, Type: typ, Form: 1, Body: []record.Write{{Path: p, Value: v, Observed: observed}}}
}

// View gives a record as it reads, nil where there is none.
func (w *World) View(id record.ID) *merge.View {
	w.Helper()
	rec, err := w.Find(w.ctx(), id)
	if err == store.ErrNotFound {
		return nil
	}
	w.ok(err)
	return &rec.View
}
