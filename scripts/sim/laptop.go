package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	agentstore "zhucun/agent/store"
	serverstore "zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

var texts = []string{"甲", "乙", "丙", "丁", ""}

// edits draws what somebody fills in.
func (w *world) edits(t record.Type) map[string]record.Value {
	forms := form.Builtin()
	f := forms.Form(t)
	names := map[record.Type][]string{
		"household": {"phone", "group_name", "head_name", "house_risk", "poverty_status", "fuel", "arable_mu"},
		"visit":     {"findings", "needs", "visit_purpose", "satisfaction", "visit_date"},
		"project":   {"content", "stage", "percent", "indicators"},
	}[t]
	out := map[string]record.Value{}
	for range 1 + w.rnd.IntN(3) {
		fd := f.Field(names[w.rnd.IntN(len(names))])
		out[fd.Name] = w.value(fd)
	}
	return out
}

func (w *world) value(fd *form.Field) record.Value {
	switch {
	case w.rnd.IntN(8) == 0:
		return record.Null
	case fd.Many():
		var codes []string
		for _, c := range fd.Choices {
			if w.rnd.IntN(3) == 0 {
				codes = append(codes, c.Name)
			}
		}
		return record.Set(codes)
	case len(fd.Choices) > 0:
		return record.Text(fd.Choices[w.rnd.IntN(len(fd.Choices))].Name)
	case fd.Kind == form.Integer || fd.Kind == form.Decimal:
		return record.Value(fmt.Sprint(w.rnd.IntN(5)))
	case fd.Kind == form.Date:
		return record.Text(fmt.Sprintf("2017-05-%02d", 1+w.rnd.IntN(28)))
	}
	return record.Text(texts[w.rnd.IntN(len(texts)-1)])
}

func (l *laptop) create() error {
	w := l.w
	types := []record.Type{"household", "household", "visit", "visit"}
	if l.device.Role == identity.FirstSecretary {
		types = append(types, "project")
	}
	t := types[w.rnd.IntN(len(types))]
	d, err := l.store.Device()
	if err != nil {
		return err
	}
	in := d.Assigned.Villages[w.rnd.IntN(len(d.Assigned.Villages))].Code
	e := agentstore.Edit{Village: in, Type: t, Fields: w.edits(t)}
	if t == "household" {
		// A few numbers only: two laptops enter the same household apart.
		e.Fields["household_no"] = record.Text(fmt.Sprintf("%s00%02d", in, w.rnd.IntN(6)))
	}
	return l.save(e)
}

// save saves and notes the promise.
func (l *laptop) save(e agentstore.Edit) error {
	shown, before := e.Shown, merge.State{}
	if r, err := l.store.Get(e.Type, e.ID); err == nil {
		if before = r.State; shown == nil {
			shown = r.State
		}
	}
	saved, err := l.store.Save(context.Background(), e)
	var refusal *merge.Refusal
	if errors.As(err, &refusal) {
		return nil
	}
	if err != nil {
		return err
	}
	l.w.say("%s saved %s %s %v changed=%v", l.name, e.Type, saved[0].Key.ID, e.Fields, saved[0].Changed)
	if !slices.Contains(l.w.records, saved[0].Key) {
		l.w.records = append(l.w.records, saved[0].Key)
	}
	if !saved[0].Changed {
		return nil
	}
	if r, err := l.store.Get(e.Type, saved[0].Key.ID); err != nil {
		return err
	} else if !e.ID.IsZero() {
		l.w.replaces(words(before), r.State)
	}
	return l.readOwn(saved[0].Key, e, shown)
}

// readOwn checks that what was just saved is shown, and notes what was promised.
func (l *laptop) readOwn(k record.Key, e agentstore.Edit, shown merge.State) error {
	events, err := l.store.History(k.Type, k.ID)
	if err != nil {
		return err
	}
	d := l.lastOwn(k)
	for _, ev := range events {
		if ev.Dot != d {
			continue
		}
		dot, err := record.ParseDot(d)
		if err != nil {
			return err
		}
		var body []record.Write
		for p, v := range ev.Set {
			body = append(body, record.Write{Path: p, Value: v})
		}
		record.SortBody(body)
		change := writtenAs(dot, k.ID, body)
		b := birth{time: l.w.now, shown: map[place]record.Value{}, by: l, key: k}
		for p, r := range shown {
			for _, sib := range r.Siblings {
				b.shown[place{p, sib.Dot}] = sib.Value
			}
		}
		// Of two lives of a disk both may write this, on different records perhaps.
		for at, v := range l.w.births[change].shown {
			b.shown[at] = cmp.Or(b.shown[at], v)
		}
		l.w.births[change] = b
		for p, v := range ev.Set {
			l.w.promise = append(l.w.promise, promise{l.name, k, p, v, l, change})
		}
		return nil
	}
	return fmt.Errorf("%s saved %s and does not show it: %v", l.name, k.ID, e.Fields)
}

// lastOwn names the laptop's last change of a record.
func (l *laptop) lastOwn(k record.Key) string {
	v, _, err := l.village(k.Village)
	if err != nil {
		return ""
	}
	for _, s := range v.Streams {
		if !s.Writing {
			continue
		}
		return record.Dot{Stream: s.Stream, Seq: s.Head}.String()
	}
	return ""
}

// pick gives a record that this laptop has.
func (l *laptop) pick() (r agentstore.Record, found bool, err error) {
	if len(l.w.records) == 0 {
		return r, false, nil
	}
	k := l.w.records[l.w.rnd.IntN(len(l.w.records))]
	if r, err = l.store.Get(k.Type, k.ID); errors.Is(err, agentstore.ErrNotFound) {
		return r, false, nil
	} else if err != nil {
		return r, false, err
	}
	return r, true, l.look(k)
}

func (l *laptop) openForm() error {
	r, found, err := l.pick()
	if found && err == nil {
		l.forms = append(l.forms, opened{r.Key, r.State})
	}
	return err
}

// saveForm saves a form that was opened some time ago.
func (l *laptop) saveForm() error {
	if len(l.forms) == 0 {
		return l.openForm()
	}
	i := l.w.rnd.IntN(len(l.forms))
	o := l.forms[i]
	l.forms = slices.Delete(l.forms, i, i+1)
	return l.save(agentstore.Edit{Type: o.key.Type, ID: o.key.ID, Shown: o.shown, Fields: l.w.edits(o.key.Type)})
}

func (l *laptop) void() error {
	r, found, err := l.pick()
	if !found || err != nil {
		return err
	}
	if r.View.Void || l.w.rnd.IntN(3) == 0 {
		return l.save(agentstore.Edit{Type: r.Key.Type, ID: r.Key.ID, Revive: true})
	}
	return l.save(agentstore.Edit{Type: r.Key.Type, ID: r.Key.ID, Void: "重复"})
}

func (l *laptop) decide() error {
	var waits []agentstore.Record
	if err := l.store.Reviews(func(r agentstore.Record) bool { waits = append(waits, r); return true }); err != nil || len(waits) == 0 {
		return err
	}
	r := waits[l.w.rnd.IntN(len(waits))]
	paths := slices.Concat(slices.Sorted(maps.Keys(r.View.Conflicts)), slices.Sorted(maps.Keys(r.View.Proposals)))
	if len(paths) == 0 {
		return nil
	}
	p := paths[l.w.rnd.IntN(len(paths))]
	claims := slices.Concat(r.View.Conflicts[p], r.View.Proposals[p])
	c := claims[l.w.rnd.IntN(len(claims))]
	done, err := l.store.Decide(context.Background(), agentstore.Decision{Record: r.Key.ID, Path: p, Take: c.Dot, Words: fmt.Sprintf("答%d", l.w.rnd.IntN(3))})
	var refusal *merge.Refusal
	if errors.As(err, &refusal) || errors.Is(err, merge.ErrNotLive) || errors.Is(err, merge.ErrNothing) {
		return nil
	}
	l.w.say("%s decided %s %s: %v", l.name, r.Key.ID, p, err)
	if err != nil {
		return err
	}
	after, err := l.store.Get(r.Key.Type, r.Key.ID)
	if err != nil {
		return err
	}
	l.w.replaces(words(r.State), after.State)
	if err := l.readOwn(r.Key, agentstore.Edit{}, r.State); err != nil {
		return err
	}
	if l.w.rnd.IntN(2) == 0 {
		return l.takeBack(done, p)
	}
	return nil
}

// sync is some exchanges over a line that may fail at every point.
func (l *laptop) sync(whole bool) error {
	w := l.w
	ctx := context.Background()
	if len(l.late) > 0 && w.rnd.IntN(4) == 0 {
		p := l.late[w.rnd.IntN(len(l.late))]
		w.say("%s gets a late answer from %d", l.name, p.From)
		if _, err := l.store.TakeLate(ctx, p); err != nil {
			return fmt.Errorf("late answer: %w", err)
		}
	}
	for range 1 + w.rnd.IntN(6) {
		answer, left, err := l.exchange()
		if err != nil || answer == nil {
			return err
		}
		for i := range answer.Villages {
			if pull := &answer.Villages[i]; len(l.late) < 4 {
				l.late = append(l.late, pull)
			} else {
				l.late[w.rnd.IntN(4)] = pull
			}
		}
		if w.rnd.IntN(5) == 0 {
			w.say("%s: answer lost", l.name)
			return nil
		}
		more, err := l.take(answer, 1+w.rnd.IntN(2))
		if err != nil {
			return err
		}
		if err := errors.Join(l.checkDelivered(), l.glance()); err != nil {
			return err
		}
		if !more && !left {
			if err := l.leave(); err != nil || !whole {
				return err
			}
		}
	}
	return nil
}

// exchange sends one request to the server and gives its answer; nil when the
// request was lost, or the answer is that the laptop is revoked. left tells that
// not all went with it.
func (l *laptop) exchange() (answer *wire.Synced, left bool, err error) {
	w := l.w
	ctx := context.Background()
	budget, pages := 1+w.rnd.IntN(2000), 1+w.rnd.IntN(3000)
	out, err := l.store.Outgoing(ctx, budget)
	if err != nil {
		return nil, false, err
	}
	if w.rnd.IntN(8) == 0 {
		w.say("%s: request lost", l.name)
		return nil, false, nil
	}
	if err := l.store.Sent(ctx, out); err != nil {
		return nil, false, err
	}
	answer, err = l.ask(out, pages, 1+w.rnd.IntN(6)/5) // now and then the request arrives twice
	if err != nil {
		return nil, false, l.faulted(err)
	}
	return answer, slices.ContainsFunc(out, func(o agentstore.Outgoing) bool { return o.Left > 0 }), l.expected(answer)
}

// checkDelivered checks that what the laptop calls delivered the server has.
func (l *laptop) checkDelivered() error {
	st, err := l.store.Status()
	if err != nil {
		return err
	}
	for _, v := range st.Villages {
		if knows, err := l.knows(v.Code); err != nil || !knows {
			return err
		}
		// Of another epoch's request the answer has the heads of the laptop's streams.
		pull, _, err := l.w.server.Page(context.Background(), serverstore.Request{Village: v.Code, Device: l.device.ID, Denied: true})
		if err != nil {
			return err
		}
		for _, s := range v.Streams {
			has := uint64(0)
			for _, h := range pull.Heads {
				if h.Stream == s.Stream {
					has = h.Seq
				}
			}
			if s.Acked > has {
				return fmt.Errorf("%s calls entry %d delivered, the server has %d", l.name, s.Acked, has)
			}
		}
	}
	return nil
}
