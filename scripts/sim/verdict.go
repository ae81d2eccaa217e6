package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	agentstore "zhucun/agent/store"
	serverstore "zhucun/server/store"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

// reject is the office deciding against something that was set aside, while the
// schedule goes on.
func (w *world) reject() error {
	list, err := w.server.Quarantine(context.Background())
	if err != nil || len(list) == 0 {
		return err
	}
	return w.decide(list[w.rnd.IntN(len(list))], false)
}

// decide is the office deciding on something that was set aside. What may not be
// accepted is rejected.
func (w *world) decide(q serverstore.Quarantined, accept bool) error {
	ctx := context.Background()
	_, e, err := w.server.QuarantinedEntry(ctx, q.Dot)
	if err != nil {
		return err
	}
	w.decided[writtenAs(q.Dot, q.Record, e.Change.Body)] = q.Reason
	w.say("office decides on %s of %s, accepts: %v", q.Dot, q.Record, accept)
	err = w.server.Desk(ctx, q.Village, func(d *serverstore.Desk) error {
		if accept {
			_, err := d.Accept(q.Dot, "admin", "核实过")
			return err
		}
		return d.Reject(q.Dot, "admin", "不采纳")
	})
	if errors.Is(err, serverstore.ErrOtherType) || errors.Is(err, serverstore.ErrServers) {
		return w.decide(q, false)
	}
	return err
}

// see is somebody at a laptop seeing why a change was rejected.
func (l *laptop) see() error {
	var r agentstore.Record
	if err := l.store.Stuck(func(one agentstore.Record) bool {
		if one.Rejected {
			r = one
		}
		return !one.Rejected
	}); err != nil || !r.Rejected {
		return err
	}
	n, err := l.seeAll(r.Key)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %s is rejected, and there is nothing to see", l.name, r.Key.ID)
	}
	l.w.say("%s saw %d rejections of %s", l.name, n, r.Key.ID)
	return err
}

func (l *laptop) seeAll(k record.Key) (int, error) {
	list, err := l.store.Asides(k.Type, k.ID)
	if err != nil {
		return 0, err
	}
	var dots []record.Dot
	for i := range list {
		if list[i].Rejected() {
			dots = append(dots, list[i].Dot)
		}
	}
	return l.store.Seen(context.Background(), k.Type, k.ID, dots...)
}

// rule is the office deciding on all that is still set aside, at the end: every laptop
// learns of every decision on its own, and once it has been seen has what the server
// has.
func (w *world) rule() error {
	list, err := w.server.Quarantine(context.Background())
	if err != nil {
		return err
	}
	for _, q := range list {
		if err := w.decide(q, w.rnd.IntN(2) == 0); err != nil {
			return err
		}
	}
	if err := w.quiet(); err != nil {
		return err
	}
	states, err := w.states()
	if err != nil {
		return err
	}
	for _, l := range w.laptops {
		for _, k := range w.records {
			if l.out || l.denied(k.Village) {
				continue
			}
			if err := l.ruled(k, states[k.ID]); err != nil {
				return fmt.Errorf("%s, %s %s: %w", l.name, k.Type, k.ID, err)
			}
		}
		st, err := l.store.Status()
		if err != nil {
			return err
		}
		for _, v := range st.Villages {
			if !l.out && !l.denied(v.Code) && v.Quarantined+v.Rejected > 0 {
				return fmt.Errorf("%s: at the end %d are set aside in %s", l.name, v.Quarantined, v.Code)
			}
		}
	}
	return nil
}

// ruled checks what a laptop knows of the decisions on its changes to one record.
func (l *laptop) ruled(k record.Key, state []byte) error {
	list, err := l.store.Asides(k.Type, k.ID)
	if errors.Is(err, agentstore.ErrNotFound) {
		return nil // it never had any of it
	}
	if err != nil {
		return err
	}
	for _, a := range list {
		q, _, err := l.w.server.QuarantinedEntry(context.Background(), a.Dot)
		if err != nil {
			return fmt.Errorf("%s is set aside by the laptop: %w", a.Dot, err)
		}
		v := a.Verdict
		if v == nil || v.Accepted != (q.Decision == serverstore.Accepted) || v.Why != q.Why || v.By != q.DecidedBy || v.At != q.DecidedAt || v.Issued != q.Issued {
			return fmt.Errorf("%s was decided as %+v, the laptop knows %+v", a.Dot, q, v)
		}
	}
	if len(list) == 0 && state == nil {
		return nil // it was lost with the server, and comes again when it is told
	}
	if _, err := l.seeAll(k); err != nil {
		return err
	}
	r, err := l.store.Get(k.Type, k.ID)
	switch {
	case state == nil && (r.Gone || errors.Is(err, agentstore.ErrNotFound)):
		return nil
	case err != nil:
		return err
	case state == nil:
		return fmt.Errorf("the server has nothing of it, the laptop %v", r.State)
	case l.w.orphans[k.ID]: // what the office had written was lost, and is not told yet
		return nil
	case r.Way != merge.Delivered:
		return fmt.Errorf("it is %s", r.Way)
	case !l.w.same(r.State.Encode(), state):
		st, _ := merge.Decode(state)
		return fmt.Errorf("the laptop has\n%v\nthe server\n%v", r.State, st)
	}
	shown, err := l.store.Shown(k.Type, k.ID)
	if err == nil && !bytes.Equal(shown.Encode(), r.State.Encode()) {
		err = errors.New("more is shown than stands")
	}
	return err
}
