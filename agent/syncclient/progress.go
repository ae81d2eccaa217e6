package syncclient

import (
	"time"

	"zhucun/agent/store"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Progress is how far the sync that is under way has come.
type Progress struct {
	// Sent counts own changes with a receipt of this sync, ToSend those still to
	// come; Taken counts records that came, ToTake those that the server has yet to
	// send, as far as it has said.
	Sent, ToSend, Taken, ToTake uint64
	// Up and Down are bytes that have passed, UpLeft and DownLeft about how many are
	// to come; 0 while nothing tells.
	Up, Down, UpLeft, DownLeft int64
	// Left is about how long it will take, by how long it has taken so far; 0 while
	// nothing tells.
	Left time.Duration
	// Heard tells that the server has answered, Trouble why the last request had no
	// answer; it is being tried again.
	Heard   bool
	Trouble error
	// Files are still to be brought or fetched, once all else is where it belongs; then
	// UpLeft, DownLeft and Left are of them.
	Files int
	// moved is how many bytes of files this sync has carried.
	moved int64
}

// Share is how much of the work is done, 0 to 1, and of files, which come behind it, how
// much of theirs; ok is false while nothing tells.
func (p *Progress) Share() (share float64, ok bool) {
	done, left := p.Sent+p.Taken, p.ToSend+p.ToTake
	if p.Files > 0 {
		done, left = uint64(p.moved), uint64(p.UpLeft+p.DownLeft)
		ok = left > 0
	} else {
		ok = done+left > 0
	}
	if !p.Heard || !ok {
		return 0, false
	}
	return float64(done) / float64(done+left), true
}

// effort is how many changes or records took how long, everything included, the
// newest rounds counting most.
type effort struct{ units, took float64 }

func (e *effort) spent(units uint64, took time.Duration) {
	if units == 0 {
		return
	}
	e.units = e.units*3/4 + float64(units)
	e.took = e.took*3/4 + took.Seconds()
}

// left gives how long so many will take; ok is false while nothing tells.
func (e *effort) left(units uint64) (d time.Duration, ok bool) {
	if units == 0 {
		return 0, true
	}
	if e.units == 0 {
		return 0, false
	}
	return time.Duration(float64(units) * e.took / e.units * float64(time.Second)), true
}

// freight is what a sync knows of the files that it carries, in bytes.
type freight struct {
	up      bool  // the one under way is brought
	rest    int64 // what is left of it
	behind  int64 // those that are to be brought after it
	unsized int   // how many are to be fetched of which nobody has said how long they are
	// moved have passed, of files of which so many are sized, and how long is known of those.
	moved, sizes int64
	sized        int
	moving       effort
}

// left is about how much is to come; ok is false while nothing tells. Those of which
// nothing is known are taken to be as long as the others.
func (f *freight) left() (up, down int64, ok bool) {
	if up = f.behind; f.up {
		up += f.rest
	} else {
		down = f.rest
	}
	if f.unsized == 0 {
		return up, down, true
	}
	if f.sized == 0 {
		return 0, 0, false
	}
	return up, down + int64(f.unsized)*f.sizes/int64(f.sized), true
}

// course is what a sync under way knows of how far it is.
type course struct {
	Progress
	freight freight
	// left is what the server has yet to send of each village.
	left map[record.Village]wire.Rest
	// changes is how many own changes the measured requests had, and bytes how long
	// they were.
	changes uint64
	bytes   int64
	sending effort
	taking  effort
}

// now gives the progress, with what is to come worked out.
func (k *course) now(down *flow) Progress {
	p := k.Progress
	var bytes uint64
	for _, r := range k.left {
		p.ToTake += r.Records
		bytes += r.Bytes
	}
	if k.changes > 0 {
		p.UpLeft = int64(float64(p.ToSend) * float64(k.bytes) / float64(k.changes))
	}
	p.DownLeft = int64(float64(bytes) * down.packed())
	send, ok := k.sending.left(p.ToSend)
	take, also := k.taking.left(p.ToTake)
	if ok && also {
		p.Left = send + take
	}
	if p.Files > 0 {
		p.moved = k.freight.moved
		if p.UpLeft, p.DownLeft, ok = k.freight.left(); ok {
			p.Left, _ = k.freight.moving.left(uint64(p.UpLeft + p.DownLeft))
		}
	}
	return p
}

// carries notes which file is carried next, nil for none yet, and that so many are to be
// fetched, that one with them.
func (c *Client) carries(bring *store.Blob, fetch int) {
	st, err := c.store.Status()
	if err != nil {
		return
	}
	c.note(func(*State) {
		c.course.Files = st.Blobs + st.Originals.Files + fetch
		f := &c.course.freight
		f.up, f.rest, f.behind, f.unsized = bring != nil, 0, st.BlobBytes+st.Originals.Bytes, fetch
		if bring != nil {
			f.behind -= min(f.behind, bring.Size)
			f.rest = bring.Size
		}
	})
}

// measures notes how long the file under way is, and how much of it is left.
func (c *Client) measures(size, rest int64) {
	c.note(func(*State) {
		f := &c.course.freight
		if f.sized, f.sizes, f.rest = f.sized+1, f.sizes+size, rest; !f.up {
			f.unsized--
		}
	})
}

// through notes that so much of the file under way has passed in so long, and how much
// of it is left.
func (c *Client) through(n, rest int64, took time.Duration) {
	c.note(func(*State) {
		f := &c.course.freight
		f.rest = rest
		f.moved += n
		f.moving.spent(uint64(n), took)
	})
}

// load is what a request carries.
type load struct {
	size    int // bytes of entries
	changes uint64
}

// leaves notes what a request carries, and how many own changes are behind it.
func (c *Client) leaves(out []store.Outgoing, behind uint64) (l load) {
	for i := range out {
		l.size += out[i].Size()
		l.changes += out[i].Entries()
	}
	c.note(func(*State) { c.course.ToSend = l.changes + behind })
	return l
}

// passed measures an exchange that came to its end, of whose request that part was
// sent now. One that waited for news measures nothing.
func (c *Client) passed(l *load, answer *wire.Synced, p *span, part float64) {
	content := 0
	for i := range answer.Villages {
		for j := range answer.Villages[i].Records {
			content += len(answer.Villages[i].Records[j].State)
		}
	}
	c.note(func(*State) {
		if !p.waited {
			c.up.through(l.size)
			c.down.through(content)
			c.up.measured(int(part*float64(l.size)), p.up, p.upTook)
			c.down.measured(content, p.down, p.downTook)
		}
		k := &c.course
		k.Heard, k.Trouble = true, nil
		if l.changes > 0 {
			k.changes += l.changes
			k.bytes += int64(float64(p.up) / part)
		}
		for i := range answer.Villages {
			v := &answer.Villages[i]
			if v.More && v.Rest != nil {
				k.left[v.Village] = *v.Rest
			} else {
				delete(k.left, v.Village)
			}
		}
	})
}

// came takes notice of what a round that began then has brought. How long it took until
// the answer began and from there on tells how long the rest will.
func (c *Client) came(sent, taken uint64, begin time.Time, p *span) {
	taking := time.Since(p.first)
	c.note(func(*State) {
		k := &c.course
		k.Sent += sent
		k.ToSend -= min(k.ToSend, sent)
		k.Taken += taken
		if !p.waited {
			k.sending.spent(sent, p.first.Sub(begin))
		}
		k.taking.spent(taken, taking)
	})
}
