package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	agentstore "zhucun/agent/store"
	serverstore "zhucun/server/store"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// settle lets all traffic end, then compares everybody.
func (w *world) settle() error {
	if err := w.quiet(); err != nil {
		return err
	}
	return w.compare()
}

// end is what comes last: the office decides on what is set aside, and laptops that are
// to have a village no more let it go.
func (w *world) end() error {
	if err := w.settle(); err != nil {
		return err
	}
	if err := w.rule(); err != nil {
		return err
	}
	if w.orders {
		if err := w.farewell(); err != nil {
			return err
		}
	}
	if err := w.erased(); err != nil {
		return err
	}
	return w.whole()
}

// quiet lets all traffic end.
func (w *world) quiet() error {
	for round := 0; ; round++ {
		if round > 200 {
			return errors.New("the traffic does not end")
		}
		busy := false
		for _, l := range w.laptops {
			if l.out {
				continue
			}
			l.fuse = -1
			w.now += 1000
			more, err := l.settle()
			if err != nil {
				return err
			}
			busy = busy || more
		}
		if !busy {
			return nil
		}
	}
}

// settle is one exchange over a good line; it tells whether another is needed.
func (l *laptop) settle() (busy bool, err error) {
	out, err := l.store.Outgoing(context.Background(), 1<<20)
	if err != nil {
		return false, err
	}
	answer, err := l.ask(out, 0, 1)
	if err != nil {
		return false, l.faulted(err)
	}
	busy = answer.Assigned != nil || slices.ContainsFunc(out, func(o agentstore.Outgoing) bool { return len(o.Push.Segments) > 0 })
	for _, p := range answer.Villages {
		busy = busy || len(p.Records) > 0 || p.More || len(p.Receipts) > 0
	}
	if _, err := l.take(answer, 1); err != nil {
		return false, err
	}
	st, err := l.store.Status()
	return busy || st.Pending > 0, err
}

// compare checks the end: promises kept, replicas equal, equal to the oracle.
func (w *world) compare() error {
	states, err := w.states()
	if err != nil {
		return err
	}
	set, err := w.set()
	if err != nil {
		return err
	}
	if err := w.judged(set); err != nil {
		return err
	}
	log := map[record.ID][]logged{}
	for _, k := range w.records {
		if log[k.ID], err = w.history(k); errors.Is(err, serverstore.ErrNotFound) && !slices.ContainsFunc(w.promise, func(p promise) bool { return p.key == k && set[p.change] == "" }) {
			// It went with the only disk that it was on, or nothing of it was taken: then
			// nobody has any of it but who wrote it.
			if err := w.nowhere(k); err != nil {
				return err
			}
			continue
		} else if err != nil {
			return err
		}
		if err := w.born(log[k.ID]); err != nil {
			return fmt.Errorf("%s %s: %w", k.Type, k.ID, err)
		}
		if w.orphans[k.ID] {
			continue
		}
		want := oracle(log[k.ID])
		if got := states[k.ID]; !bytes.Equal(got, want.Encode()) {
			st, _ := merge.Decode(got)
			return fmt.Errorf("%s %s: the server has\n%v\nthe oracle\n%v", k.Type, k.ID, st, want)
		}
		w.sum(states[k.ID])
		if st, err := merge.Decode(states[k.ID]); err != nil {
			return err
		} else if err := w.read("the office", w.desk, k, st); err != nil {
			return err
		}
		for _, l := range w.laptops {
			if l.out || l.denied(k.Village) {
				continue
			}
			r, err := l.store.Get(k.Type, k.ID)
			if err != nil {
				return fmt.Errorf("%s lacks %s %s: %w", l.name, k.Type, k.ID, err)
			}
			if got := r.State.Encode(); !w.same(got, states[k.ID]) {
				st, _ := merge.Decode(states[k.ID])
				return fmt.Errorf("%s %s: %s has\n%v\nthe server\n%v", k.Type, k.ID, l.name, r.State, st)
			}
			w.sum(r.State.Encode())
			if err := l.look(k); err != nil {
				return err
			}
			if r.Way != merge.Delivered && !l.aside[k.ID] {
				return fmt.Errorf("%s: %s is still %s", l.name, k.ID, r.Way)
			}
		}
	}
	if err := w.kept(log, set); err != nil {
		return err
	}
	return w.whole()
}

// nowhere checks that a record of which the server has nothing is on no laptop, but for
// what its author may see of what was set aside.
func (w *world) nowhere(k record.Key) error {
	for _, l := range w.laptops {
		r, err := l.store.Get(k.Type, k.ID)
		if l.out || l.denied(k.Village) || l.aside[k.ID] || w.orphans[k.ID] || errors.Is(err, agentstore.ErrNotFound) {
			continue
		}
		if err != nil || len(r.State) > 0 {
			return fmt.Errorf("%s has %s %s, which the server does not: %v, %v", l.name, k.Type, k.ID, r.State, err)
		}
	}
	return nil
}

// whole checks that every laptop finds its own store sound.
func (w *world) whole() error {
	for _, l := range w.laptops {
		rep, err := l.store.Verify(false)
		if err != nil || len(rep.Faults) > 0 {
			return fmt.Errorf("%s verifies: %v %v", l.name, rep.Faults, err)
		}
		// Whoever is told that something was rejected finds it.
		st, err := l.store.Status()
		if err != nil {
			return err
		}
		told := false
		if err := l.store.Stuck(func(r agentstore.Record) bool { told = told || r.Rejected; return true }); err != nil || told != (st.Rejected > 0) {
			return fmt.Errorf("%s counts %d rejections; a record shows some: %v, %v", l.name, st.Rejected, told, err)
		}
	}
	return nil
}

// states gives every record's state at the server.
func (w *world) states() (map[record.ID][]byte, error) {
	states := map[record.ID][]byte{}
	for _, v := range []record.Village{village, other} {
		pull, _, err := w.server.Page(context.Background(), serverstore.Request{Village: v, Budget: 1 << 30, Role: identity.Office})
		if err != nil {
			return nil, err
		}
		if pull.More {
			return nil, errors.New("the village has more records than one page")
		}
		for _, r := range pull.Records {
			states[r.ID] = r.State
		}
	}
	return states, nil
}

// same compares two states byte for byte. Of files that come to a restored server
// before their receipts do, the author's own laptop may keep the older date: times
// are left out there.
func (w *world) same(a, b []byte) bool {
	if !w.rewinds || !w.bundles {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(timeless(a), timeless(b))
}

func timeless(state []byte) []byte {
	s, err := merge.Decode(state)
	if err != nil {
		return state
	}
	for _, r := range s {
		for i := range r.Siblings {
			r.Siblings[i].At = 0
		}
	}
	return s.Encode()
}

// logged is one change in the server's log.
type logged struct {
	dot    record.Dot
	id     record.ID
	at     clock.Time
	author string
	body   []record.Write
}

// born checks each change against what was true when it was made: it replaces
// nothing that its author had not been shown, and it is dated when it was made,
// by however many years the laptop's clock was wrong.
func (w *world) born(changes []logged) error {
	values := map[place]record.Value{}
	for _, c := range changes {
		for _, wr := range c.body {
			values[place{wr.Path, c.dot}] = wr.Value
		}
	}
	for _, c := range changes {
		b, known := w.births[writtenAs(c.dot, c.id, c.body)]
		if !known {
			continue
		}
		for _, wr := range c.body {
			for _, o := range wr.Observed {
				// Of two lives of a laptop two changes may have one name.
				shown, ok := b.shown[place{wr.Path, o}]
				is, here := values[place{wr.Path, o}]
				if !here && o.Stream == c.dot.Stream {
					continue // set aside, and shown still to whoever wrote it
				}
				if !ok && b.by.aside[b.key.ID] {
					continue // what was set aside had replaced it: he saw it before that
				}
				if !ok || here && said(wr.Path, is) != said(wr.Path, shown) {
					return fmt.Errorf("change %s of %s replaces %s (%s), which its author had not been shown", c.dot, wr.Path, o, is)
				}
			}
		}
		if d := c.at.Milli() - b.time; b.dated && (d < -clock.Noise || d > clock.Noise) {
			return fmt.Errorf("change %s was made at %v and is dated %v", c.dot, time.UnixMilli(b.time).UTC(), c.at)
		}
	}
	return nil
}

// kept checks that every acknowledged save is in the log, as often as it was
// acknowledged, or was set aside.
func (w *world) kept(log map[record.ID][]logged, set map[written]string) error {
	count := map[promise]int{}
	for _, k := range w.records {
		for _, c := range log[k.ID] {
			for _, wr := range c.body {
				count[promise{author: c.author, key: k, path: wr.Path, value: said(wr.Path, wr.Value)}]++
			}
		}
	}
	need := map[promise]int{}
	for _, p := range w.promise {
		if set[p.change] != "" {
			continue
		}
		p.by, p.change, p.value = nil, written{}, said(p.path, p.value)
		need[p]++
	}
	for p, n := range need {
		if count[p] < n {
			return fmt.Errorf("acknowledged %d times, in the log %d times: %+v", n, count[p], p)
		}
	}
	return nil
}

// said is a value without what its author had seen, which gets other names when a
// laptop begins a new stream.
func said(p record.Path, v record.Value) record.Value {
	if before, _, void := strings.Cut(string(v), `,"saw":`); p == record.Life && void {
		return record.Value(before)
	}
	return v
}

// oracle says what a record is, given all its changes: of each register what was
// written there and is named by nobody.
func oracle(changes []logged) merge.State {
	named := map[place]bool{}
	for _, c := range changes {
		for _, wr := range c.body {
			for _, d := range wr.Observed {
				named[place{wr.Path, d}] = true
			}
		}
	}
	s := merge.State{}
	for _, c := range changes {
		for _, wr := range c.body {
			if !named[place{wr.Path, c.dot}] {
				r := s[wr.Path]
				r.Siblings = append(r.Siblings, merge.Sibling{Dot: c.dot, Value: wr.Value, At: c.at, Author: c.author})
				slices.SortFunc(r.Siblings, func(a, b merge.Sibling) int { return a.Dot.Compare(b.Dot) })
				s[wr.Path] = r
			}
		}
	}
	return s
}

// history reads a record's changes from the server's log.
func (w *world) history(k record.Key) ([]logged, error) {
	entries, err := w.server.History(context.Background(), k.Village, k.ID)
	if err != nil {
		return nil, fmt.Errorf("history of %s %s: %w", k.Type, k.ID, err)
	}
	var log []logged
	for _, e := range entries {
		log = append(log, logged{e.Dot, k.ID, e.At, e.Change.Author, e.Change.Body})
	}
	return log, nil
}
