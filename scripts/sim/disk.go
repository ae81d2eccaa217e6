package sim

import (
	"fmt"
	"os"
	"path/filepath"

	"zhucun/shared/record"
)

// disk does to a laptop's disk what happens to disks: an image is taken, an older
// one put back, or its copy put into another machine, which goes on under the
// same name.
func (l *laptop) disk() error {
	w := l.w
	l.fuse = -1
	file := filepath.Join(l.dir, "records.db")
	switch n := w.rnd.IntN(4); {
	case n < 2 || l.image == nil:
		if err := l.store.Close(); err != nil {
			return err
		}
		var err error
		if l.image, err = os.ReadFile(file); err != nil {
			return err
		}
		w.say("%s: image taken", l.name)
		return l.open()
	case n == 2:
		if err := l.store.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(file, l.image, 0o600); err != nil {
			return err
		}
		l.doubtful, l.forms, l.blurred, l.reader = true, nil, true, newReader()
		w.say("%s: image put back", l.name)
		if err := l.open(); err != nil {
			return err
		}
		return l.forget()
	case len(w.laptops) < 7:
		c := &laptop{w: w, name: l.name, dir: filepath.Join(w.dir, fmt.Sprintf("copy%d", len(w.laptops))), device: l.device, fuse: -1,
			skew: l.skew, jumps: l.jumps, plain: l.plain, measured: l.measured, heard: l.heard, doubtful: true, blurred: true, reader: newReader(), aside: map[record.ID]bool{}}
		if l.leases != "" {
			c.leases = c.dir + "-notes"
		}
		l.doubtful, l.blurred = true, true
		if err := os.Mkdir(c.dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.dir, "records.db"), l.image, 0o600); err != nil {
			return err
		}
		w.say("%s: image copied to another machine", l.name)
		if err := c.open(); err != nil {
			return err
		}
		w.laptops = append(w.laptops, c)
		return nil
	}
	return nil
}

// forget takes back the promises of what was on this disk alone.
func (l *laptop) forget() error {
	var kept []promise
	for _, p := range l.w.promise {
		if p.by == l && !l.w.taken[p.change] {
			has, err := l.has(p)
			if err != nil {
				return err
			}
			if !has {
				continue
			}
		}
		kept = append(kept, p)
	}
	l.w.promise = kept
	return nil
}

// has tells whether the laptop's own journal has a change.
func (l *laptop) has(p promise) (bool, error) {
	events, err := l.store.History(p.key.Type, p.key.ID)
	if err != nil {
		return false, nil // not even the record is here
	}
	for _, e := range events {
		if e.Dot == p.change.dot.String() && e.Set[p.path] == p.value {
			return true, nil
		}
	}
	return false, nil
}
