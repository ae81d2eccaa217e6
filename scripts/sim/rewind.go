package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"zhucun/server/access"
	serverstore "zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/syncapi"
	"zhucun/shared/record"
)

// copied is a backup of the server.
type copied struct {
	file string
	made time.Time
	// wrote is what the office had written by then.
	wrote []deed
	saved map[written]bool
}

// deed is one thing that the office wrote.
type deed struct {
	n      int
	record record.ID
}

// openServer opens the server's data, of which it has another file in each life.
func (w *world) openServer() (*serverstore.Store, error) {
	return sqlite.Open(context.Background(), w.serverFile(), serverstore.Options{Key: w.key, Now: func() time.Time { return time.UnixMilli(w.now) }, Random: w.bytes})
}

func (w *world) backupFile() string {
	return filepath.Join(w.dir, fmt.Sprintf("backup%d.db", w.copies))
}

func (w *world) serverFile() string { return filepath.Join(w.dir, fmt.Sprintf("server%d.db", w.life)) }

// disaster backs the server up, or loses it and restores one of its backups:
// not always the last, and not always of the life that was lost.
func (w *world) disaster() error {
	if w.rnd.IntN(3) < 2 && len(w.backups) < 4 || len(w.backups) == 0 {
		return w.backup()
	}
	n := w.rnd.IntN(len(w.backups))
	if w.orders {
		n = len(w.backups) - 1 // what laptops let go is in the last one only
	}
	return w.restore(n)
}

// restore loses the server and restores one of its backups.
func (w *world) restore(n int) error {
	ctx := context.Background()
	b := w.backups[n]
	if err := w.server.Close(); err != nil {
		return err
	}
	w.life++
	raw, err := os.ReadFile(b.file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.serverFile(), raw, 0o600); err != nil {
		return err
	}
	if w.server, err = w.openServer(); err != nil {
		return err
	}
	if _, err := w.server.Restore(ctx, b.made); err != nil {
		return err
	}
	w.door = syncapi.New(w.server, access.New(w.server))
	w.say("the server is restored from backup %d, epoch %x", n, w.server.Epoch())
	// What the office wrote since was nowhere else: its records are as laptops saw
	// them on some laptops, and not on others.
	for _, d := range w.wrote {
		if !slices.Contains(b.wrote, d) {
			w.orphans[d.record] = true
		}
	}
	w.wrote, w.saved, w.desk = slices.Clone(b.wrote), b.saved, newReader()
	w.promise = slices.DeleteFunc(w.promise, func(p promise) bool { return p.by == nil && w.orphans[p.key.ID] })
	return errors.Join(w.untaken(), w.reread())
}

// untaken forgets of what laptops have no receipt for that the server ever took
// it, unless the backup has it: it is dated when it comes again.
func (w *world) untaken() error {
	for _, l := range w.laptops {
		st, err := l.store.Status()
		if err != nil {
			return err
		}
		acked := map[record.Stream]uint64{}
		for _, v := range st.Villages {
			for _, s := range v.Streams {
				acked[s.Stream] = s.Acked
			}
		}
		for c, b := range w.births {
			switch {
			case b.by != l:
			case c.dot.Seq > acked[c.dot.Stream] && !w.saved[c]:
				w.again[c] = w.again[c] || w.taken[c]
				if w.aside[c] {
					w.rejudged[b.key.ID] = true // it may be judged otherwise
				}
				delete(w.taken, c)
				delete(w.aside, c)
				b.dated = false
				w.births[c] = b
			case w.bundles:
				// A file that was written before its receipt came may bring it first,
				// and knows less of the clock.
				b.dated = false
				w.births[c] = b
			}
		}
	}
	return nil
}

// knows tells whether the laptop has heard of the server's present life.
func (l *laptop) knows(v record.Village) (bool, error) {
	out, err := l.store.Outgoing(context.Background(), 1)
	for _, o := range out {
		if o.Push.Village == v {
			return o.Push.Epoch == l.w.server.Epoch(), err
		}
	}
	return false, err // it is not its any more, and nothing is asked
}
