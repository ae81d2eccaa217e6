package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	agentstore "zhucun/agent/store"
	serverstore "zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// question is the office asking about something that waits, or asking no more.
func (w *world) question() error {
	ctx := context.Background()
	waits, err := w.server.Reviews(ctx)
	if err != nil {
		return err
	}
	asked, err := w.server.Questions(ctx)
	if waits = append(waits, asked...); err != nil || len(waits) == 0 {
		return err
	}
	at := waits[w.rnd.IntN(len(waits))]
	k, p := record.Key{Village: at.Village, Type: at.Type, ID: at.ID}, at.Path
	return w.server.Desk(ctx, k.Village, func(d *serverstore.Desk) error {
		r, err := d.Record(k.ID)
		if err != nil {
			return err
		}
		f := form.Builtin().Form(k.Type)
		write, err := merge.Ask(f, r.State, merge.Writer{Author: "admin", Role: identity.Office}, p, fmt.Sprintf("问%d", w.rnd.IntN(3)))
		if w.rnd.IntN(3) == 0 {
			write, err = merge.Close(f, r.State, p)
		}
		if errors.Is(err, merge.ErrNothing) || errors.Is(err, merge.ErrOpen) {
			return nil
		} else if err != nil {
			return err
		}
		if err := w.read("the office", w.desk, k, r.State); err != nil {
			return err
		}
		before := words(r.State)
		if _, err := d.Write(record.Change{Record: k.ID, Type: k.Type, Author: "admin", Body: []record.Write{write}}); err != nil {
			return err
		}
		if r, err = d.Record(k.ID); err != nil {
			return err
		}
		w.replaces(before, r.State)
		w.promise = append(w.promise, promise{author: "admin", key: k, path: write.Path, value: write.Value})
		w.deeds++
		w.wrote = append(w.wrote, deed{w.deeds, k.ID})
		w.say("office asked about %s %s: %s", k.ID, p, write.Value)
		return nil
	})
}

// takeBack undoes the decision that was just taken: it waits again, and so does what
// was asked about it.
func (l *laptop) takeBack(done agentstore.Saved, p record.Path) error {
	before, err := l.store.Get(done.Key.Type, done.Key.ID)
	if err != nil {
		return err
	}
	err = l.store.TakeBack(context.Background(), done, p, "")
	if errors.Is(err, merge.ErrNotLive) {
		return nil // what is set aside stands beside it
	}
	l.w.say("%s took back %s %s: %v", l.name, done.Key.ID, p, err)
	if err != nil {
		return err
	}
	after, err := l.store.Get(done.Key.Type, done.Key.ID)
	if err != nil {
		return err
	}
	if len(after.View.Conflicts[p]) == 0 && len(after.View.Proposals[p]) == 0 {
		return fmt.Errorf("%s took back %s %s, and nothing waits: %v", l.name, done.Key.ID, p, after.State)
	}
	if q := after.View.Questions[p]; q != nil && q.State == merge.Settled {
		return fmt.Errorf("%s took back %s %s, and its question is settled: %+v", l.name, done.Key.ID, p, q)
	}
	l.w.replaces(words(before.State), after.State)
	return l.readOwn(done.Key, agentstore.Edit{}, before.State)
}

// erased is the office erasing, at the end, a record that it asked about: what was asked
// and answered is gone everywhere.
func (w *world) erased() error {
	states, err := w.states()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(w.records, func(k record.Key) bool {
		st, err := merge.Decode(states[k.ID])
		return err == nil && !w.orphans[k.ID] && !w.rejudged[k.ID] && len(merge.Read(form.Builtin().Form(k.Type), st).Questions) > 0
	})
	if i < 0 {
		return nil
	}
	k := w.records[i]
	w.say("office erases %s", k.ID)
	if err := w.server.Desk(context.Background(), k.Village, func(d *serverstore.Desk) error {
		_, err := d.Erase(k.ID, "admin", "依法")
		return err
	}); err != nil {
		return err
	}
	if err := w.quiet(); err != nil {
		return err
	}
	if states, err = w.states(); err != nil {
		return err
	}
	told := func(who string, p record.Path, v record.Value) error {
		if _, about := p.Asked(); about || strings.Contains(string(v), `"问`) || strings.Contains(string(v), `"答`) {
			return fmt.Errorf("%s: %s is erased, and %s still says %s", who, k.ID, p, v)
		}
		return nil
	}
	log, err := w.history(k)
	if err != nil {
		return err
	}
	for _, c := range log {
		for _, x := range c.body {
			if err := told("the log", x.Path, x.Value); err != nil {
				return err
			}
		}
	}
	for _, l := range w.laptops {
		if l.out || l.denied(k.Village) {
			continue
		}
		events, err := l.store.History(k.Type, k.ID)
		if errors.Is(err, agentstore.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		for _, ev := range events {
			for p, v := range ev.Set {
				if err := told(l.name, p, v); err != nil {
					return err
				}
			}
		}
		r, err := l.store.Get(k.Type, k.ID)
		if err != nil || !w.same(r.State.Encode(), states[k.ID]) {
			return fmt.Errorf("%s of the erased %s: %v, %v", l.name, k.ID, r.State, err)
		}
	}
	return nil
}
