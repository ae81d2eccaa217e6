package sim

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"zhucun/server/access"
	serverstore "zhucun/server/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// order is something the office decides about a laptop: it gets other villages,
// perhaps such as it had before, or is revoked.
func (w *world) order() error {
	ctx := context.Background()
	l := w.laptops[w.rnd.IntN(len(w.laptops))]
	if l.device.Revoked() {
		return nil
	}
	a := access.New(w.server)
	var d serverstore.Device
	var err error
	if working := slices.ContainsFunc(w.laptops, func(o *laptop) bool { return o != l && !o.device.Revoked() }); working && w.rnd.IntN(6) == 0 {
		d, err = a.Revoke(ctx, l.device.ID)
		w.say("%s is revoked", l.name)
	} else {
		d, err = a.Assign(ctx, l.device.ID, w.some())
		w.say("%s is to have %v", l.name, d.Villages)
	}
	l.device = d
	return err
}

// some draws villages for a laptop, one at least.
func (w *world) some() []record.Village {
	switch w.rnd.IntN(3) {
	case 0:
		return []record.Village{village}
	case 1:
		return []record.Village{other}
	}
	return []record.Village{village, other}
}

// denied tells whether the laptop may no longer have a village, as the office has
// it.
func (l *laptop) denied(v record.Village) bool {
	return l.device.Revoked() || !slices.Contains(l.device.Villages, v)
}

// permitted checks that an answer has nothing of a village that is not the
// laptop's any more.
func (l *laptop) permitted(answer *wire.Synced) error {
	for _, p := range answer.Villages {
		if l.denied(p.Village) && (len(p.Records) > 0 || p.More) {
			return fmt.Errorf("%s may not have village %s and is sent %d records of it", l.name, p.Village, len(p.Records))
		}
	}
	return nil
}

// permittedFile is permitted for a reply.
func (l *laptop) permittedFile(file []byte) error {
	d, err := l.store.Device()
	if err != nil {
		return err
	}
	b, err := bundle.Open(file, identity.ReplyOf, d.Private(), func(*bundle.Bundle) (ed25519.PublicKey, error) { return d.Server, nil })
	if err != nil {
		return err
	}
	for _, part := range b.Parts {
		answer := new(wire.Synced)
		if err := wire.Unmarshal(part.Message, part.Size, answer); err != nil {
			return err
		}
		if err := l.permitted(answer); err != nil {
			return err
		}
	}
	return nil
}

// leave lets a village go that the laptop no longer has.
func (l *laptop) leave() error {
	left, err := l.store.Leave(context.Background())
	if err != nil || len(left) == 0 {
		return err
	}
	l.w.say("%s left %v", l.name, left)
	l.forms = slices.DeleteFunc(l.forms, func(o opened) bool { return slices.Contains(left, o.key.Village) })
	// When it gets one of them again, what is written before all of it is here shows
	// nothing of what was here before.
	for _, k := range l.w.records {
		if slices.Contains(left, k.Village) {
			l.reader.forget(k.ID)
		}
	}
	d, err := l.store.Device()
	if err != nil {
		return err
	}
	for _, v := range left {
		if _, err := d.Village(v); err == nil {
			return fmt.Errorf("%s left village %s, which it has", l.name, v)
		}
	}
	return l.safe(left)
}

// wipe is the office's order to remove everything.
func (l *laptop) wipe() error {
	wiped, err := l.store.Wipe(context.Background())
	if err != nil || !wiped {
		return err
	}
	l.w.say("%s is wiped", l.name)
	l.out = true
	return l.safe([]record.Village{village, other})
}

// safe checks that everything that was written on a laptop in these villages is in
// a backup of the server's.
func (l *laptop) safe(villages []record.Village) error {
	for _, p := range l.w.promise {
		if p.by == l && slices.Contains(villages, p.key.Village) && !l.w.saved[p.change] {
			return fmt.Errorf("%s let village %s go with %s of %s, which is in no backup (the server took it: %v)", l.name, p.key.Village, p.path, p.key.ID, l.w.taken[p.change])
		}
	}
	return nil
}

// set is what of the laptops' changes the server set aside and has not taken since, with
// its reasons.
func (w *world) set() (map[written]string, error) {
	list, err := w.server.Quarantine(context.Background())
	if err != nil {
		return nil, err
	}
	set := maps.Clone(w.decided)
	i := 0
	for e, err := range w.server.QuarantinedEntries(context.Background(), list) {
		if err != nil {
			return nil, err
		}
		set[writtenAs(e.Dot, e.Change.Record, e.Change.Body)] = list[i].Reason
		i++
	}
	return set, nil
}

// judged checks that the server set aside what came when its laptop might not send
// it any more, and nothing else: but for what stands on such.
func (w *world) judged(set map[written]string) error {
	for _, p := range w.promise {
		if p.by == nil {
			continue
		}
		reason, is := set[p.change]
		switch {
		case w.aside[p.change] && reason != serverstore.ReasonRevoked && reason != serverstore.ReasonVillage:
			return fmt.Errorf("%s wrote %s of %s in a village that was not its own; it was set aside: %v %s", p.by.name, p.path, p.key.ID, is, reason)
		case w.rewinds && reason == merge.RefusedAuthor:
			// Of a record that was lost and created once more by somebody who had seen
			// it, two are the authors, and neither decides alone what they may.
			p.by.aside[p.key.ID], w.rejudged[p.key.ID] = true, true
		case !w.aside[p.change] && is && !p.by.aside[p.key.ID]:
			return fmt.Errorf("%s wrote %s of %s when it might; it was set aside: %s", p.by.name, p.path, p.key.ID, reason)
		}
	}
	return nil
}

// farewell is what comes of the villages that laptops no longer have, and of the
// laptops that were revoked, when the server has been backed up once more: they go.
func (w *world) farewell() error {
	if err := w.backup(); err != nil {
		return err
	}
	for _, l := range w.laptops {
		for round := 0; !l.out; round++ {
			w.now += 2 * 24 * 3600 * 1000
			out, err := l.store.Outgoing(context.Background(), 1<<20)
			if err != nil {
				return err
			}
			answer, err := l.ask(out, 0, 1)
			if err != nil {
				if err := l.faulted(err); err != nil {
					return err
				}
			} else if _, err := l.take(answer, 1); err != nil {
				return err
			}
			if err := l.leave(); err != nil {
				return err
			}
			left, err := l.lingering()
			if err != nil || !left && !l.device.Revoked() {
				if err != nil {
					return err
				}
				break
			}
			if round > 5 {
				return fmt.Errorf("%s keeps what it is to have no more (revoked: %v, villages %v)", l.name, l.device.Revoked(), l.device.Villages)
			}
		}
	}
	return nil
}

// lingering tells whether the laptop has something of a village that is not its.
func (l *laptop) lingering() (bool, error) {
	st, err := l.store.Status()
	for _, v := range st.Villages {
		if l.denied(v.Code) {
			return true, err
		}
	}
	return false, err
}

// backup backs the server up.
func (w *world) backup() error {
	ctx := context.Background()
	b := copied{file: w.backupFile(), wrote: slices.Clone(w.wrote), saved: maps.Clone(w.taken)}
	b.made = w.server.Now()
	c, err := w.server.Copy(ctx, b.file)
	if err != nil {
		return err
	}
	w.saved = b.saved
	w.say("the server is backed up (%d)", w.copies)
	w.copies++
	if w.rewinds {
		w.backups = append(w.backups, b)
	} else if err := os.Remove(b.file); err != nil {
		return err
	}
	return w.server.Backed(ctx, c)
}

// reread reads the laptops' rows of a server that was restored.
func (w *world) reread() error {
	for _, l := range w.laptops {
		d, err := w.server.Device(context.Background(), l.device.ID)
		if err != nil {
			return errors.Join(err, errors.New(l.name))
		}
		l.device = d
	}
	return nil
}
