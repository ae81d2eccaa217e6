package syncclient

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Exported is what a bundle that was written has.
type Exported struct {
	File    string `json:"file"`
	Serial  uint64 `json:"serial"`
	Changes uint64 `json:"changes"`
	// Left counts the changes that did not go in. The next of the files that were
	// made at once has them, and the last one leaves none.
	Left  uint64 `json:"left"`
	Bytes int    `json:"bytes"`
}

// Export writes everything that the server has not acknowledged into the file of
// that path, or under a name of its own into that folder; where one file is not
// enough into several, whose names are numbered. progress is told after each
// message how many changes are packed and how many are not. With an error, what it
// gives was written before. Nothing is written over: the error is fs.ErrExist, with the
// path, where a file of that name is there already.
func (c *Client) Export(ctx context.Context, path string, progress func(done, left uint64)) ([]Exported, error) {
	release, err := c.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	d, err := c.store.Device()
	if err != nil {
		return nil, err
	}
	if !d.Enrolled() {
		return nil, store.ErrNotEnrolled
	}
	// What an answer that was given up had brought is joined first, as for a sync.
	if err := c.store.Resume(ctx); err != nil {
		return nil, err
	}
	read, now, runs, err := c.store.Dated()
	if err != nil {
		return nil, err
	}
	x := &export{c: c, d: &d, path: place(path), now: now}
	if err := errors.Join(vacant(x.path), vacant(x.numbered(1))); err != nil {
		return nil, err
	}
	if err := x.begin(ctx); err != nil {
		return nil, err
	}
	packedChanges := uint64(0)
	err = c.store.Parts(ctx, c.part, func(part []store.Outgoing) (bool, error) {
		m := c.request(&d, runs, part)
		packed, err := wire.EncodeSync(m, wire.Thrifty)
		if err != nil {
			return false, err
		}
		wire.SetClock(packed, read.Milli())
		size, err := wire.Size(m)
		if err != nil {
			return false, err
		}
		if err := x.add(ctx, bundle.Part{Message: packed, Size: size}, part, m.Pending); err != nil {
			return false, err
		}
		for i := range part {
			packedChanges += part[i].Entries()
		}
		if progress != nil {
			progress(packedChanges, m.Pending)
		}
		return true, nil
	})
	if err != nil {
		return x.done, err
	}
	return x.done, x.end(ctx, len(x.done) > 0)
}

// export is the files of one export being made.
type export struct {
	c    *Client
	d    *store.Device
	path string
	now  int64
	done []Exported

	// The file that is being filled:
	b    *bundle.Bundle
	size int
	e    Exported
	out  []store.Outgoing
}

func (x *export) begin(ctx context.Context) error {
	// A serial that is lost with a failure is no loss; one used twice would be.
	d, err := x.c.store.SetDevice(ctx, func(d *store.Device) { d.Bundles++ })
	if err != nil {
		return err
	}
	x.b = &bundle.Bundle{Device: d.ID, Server: d.Server, Serial: d.Bundles, Made: x.now}
	x.size, x.e, x.out = 0, Exported{Serial: d.Bundles}, nil
	return nil
}

// add adds a message with what it has of own changes; left are those behind it. A
// file that is full is written, and another begun.
func (x *export) add(ctx context.Context, p bundle.Part, has []store.Outgoing, left uint64) error {
	if len(x.b.Parts) > 0 && x.size+len(p.Message) > x.c.fill || !x.b.Add(p) {
		if len(x.b.Parts) == 0 {
			return bundle.ErrTooLarge
		}
		if err := x.end(ctx, true); err != nil {
			return err
		}
		if err := x.begin(ctx); err != nil {
			return err
		}
		return x.add(ctx, p, has, left)
	}
	x.size += len(p.Message)
	x.out = append(x.out, has...)
	x.e.Left = left
	for i := range has {
		x.e.Changes += has[i].Entries()
	}
	return nil
}

// end writes the file, as one of several or alone.
func (x *export) end(ctx context.Context, several bool) error {
	file, err := bundle.Seal(x.b, identity.BundleOf, x.d.Private(), x.d.Server)
	if err != nil {
		return err
	}
	x.e.Bytes, x.e.File = len(file), x.path
	if several {
		x.e.File = x.numbered(len(x.done) + 1)
	}
	if err := writeFile(x.e.File, file); err != nil {
		return err
	}
	x.done = append(x.done, x.e)
	return x.c.store.Bundled(ctx, store.Bundle{
		Serial: x.e.Serial, Name: filepath.Base(x.e.File), Made: x.now, Bytes: x.e.Bytes, Changes: x.e.Changes,
	}, x.out)
}

// numbered is the path of the n-th of several files.
func (x *export) numbered(n int) string {
	dir, name := filepath.Split(x.path)
	return filepath.Join(dir, bundle.Numbered(name, n))
}

// vacant refuses a path where something is: an older bundle on the stick may not have
// reached the office yet.
func vacant(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
	}
	return nil
}

// place gives the path of the file to write.
func place(path string) string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path
	}
	return filepath.Join(path, bundle.Name(rand.Text()))
}

// halfWritten are the names of files that are being written.
const halfWritten = ".zhucun-*"

// writeFile writes a file whole or not at all: a stick may be pulled out at any
// time.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), halfWritten) // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close(), vacant(path)); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Collected is what came of a file that somebody brought.
type Collected struct {
	// Carried tells that the file is for somebody else, and kept to be handed on;
	// Reply is where the answer to it will be.
	Carried bool   `json:"carried"`
	Reply   string `json:"reply,omitempty"`
	Bytes   int    `json:"bytes,omitempty"`
	// Of a reply to this laptop:
	Acknowledged uint64 `json:"acknowledged"` // own changes that now have a receipt
	Records      uint64 `json:"records"`      // records that came
	Pending      uint64 `json:"pending"`
	Serial       uint64 `json:"serial,omitempty"` // of the bundle that it answers
	// More tells that the server has more for this laptop than the reply: it comes
	// with the reply to the next bundle, or with the next sync.
	More bool `json:"more,omitempty"`
}

// Collect takes in a file: a reply to this laptop as a sync's answer, anything
// else as a courier does. ErrRevoked and the errors of package bundle.
func (c *Client) Collect(ctx context.Context, r io.Reader, progress func(done, all int)) (t Collected, err error) {
	file, err := bundle.Read(r)
	if err != nil {
		return t, err
	}
	d, err := c.store.Device()
	if err != nil {
		return t, err
	}
	if !d.Enrolled() {
		return t, store.ErrNotEnrolled
	}
	b, err := bundle.Open(file, identity.ReplyOf, d.Private(), func(b *bundle.Bundle) (ed25519.PublicKey, error) {
		if b.Device != d.ID {
			return nil, bundle.ErrOther
		}
		return d.Server, nil
	})
	if errors.Is(err, bundle.ErrOther) {
		t.Carried, t.Bytes = true, len(file)
		t.Reply, err = c.carry(file)
		return t, err
	}
	if err != nil {
		return t, err
	}
	release, err := c.hold(ctx)
	if err != nil {
		return t, err
	}
	defer release()
	t.Serial = b.Serial
	if err = c.reply(ctx, b, &t, progress); err == nil {
		err = c.store.Answered(ctx, b.Serial, b.Made)
	}
	if st, serr := c.store.Status(); serr == nil {
		t.Pending = st.Pending
	} else if err == nil {
		err = serr
	}
	if err == nil && b.Fault == wire.FaultRevoked {
		err = ErrRevoked
	}
	return t, err
}

// reply takes the answers in a reply. It may be of any age: what is of yesterday
// does nothing.
func (c *Client) reply(ctx context.Context, b *bundle.Bundle, t *Collected, progress func(done, all int)) error {
	d, err := c.store.Device()
	if err != nil {
		return err
	}
	// What a refusal says of the server was so when it was made.
	fresh := b.Made >= d.LastSync
	var errs []error
	more := map[record.Village]bool{}
	for i, part := range b.Parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		answer := new(wire.Synced)
		if err := wire.Unmarshal(part.Message, part.Size, answer); err != nil {
			// It is as the server made it: of a release that this one does not know.
			return fmt.Errorf("%w: %w", ErrUnfit, err)
		}
		// First: the file has pages of villages that are new.
		if a := answer.Assigned; a != nil && a.Serial > d.Assigned.Serial {
			if err := c.store.Assign(ctx, *a); err != nil {
				errs = append(errs, err)
			}
		}
		for j := range answer.Villages {
			take := c.store.TakeLate
			if fresh {
				take = c.store.Take
			}
			p := &answer.Villages[j]
			taken, err := take(ctx, p)
			if err != nil {
				errs = append(errs, fmt.Errorf("village %s: %w", p.Village, err))
				continue
			}
			t.Acknowledged += taken.Acknowledged
			t.Records += taken.Records
			more[p.Village] = taken.More
		}
		if progress != nil {
			progress(i+1, len(b.Parts))
		}
	}
	for _, m := range more {
		t.More = t.More || m
	}
	if fresh && len(errs) == 0 {
		// It says nothing of the clock: nobody knows how long it was on its way.
		_, err := c.store.SetDevice(ctx, func(d *store.Device) { d.LastSync = max(d.LastSync, b.Made) })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
