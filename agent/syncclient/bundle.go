package syncclient

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// partBudget is how many bytes of entries one message of a bundle has: what a
// request has on a good link.
const partBudget = maxBudget

// Exported is what a bundle that was written has.
type Exported struct {
	File    string `json:"file"`
	Serial  uint64 `json:"serial"`
	Changes uint64 `json:"changes"`
	// Left counts the changes that did not go in; the next bundle has them, once
	// the reply to this one has come.
	Left  uint64 `json:"left"`
	Bytes int    `json:"bytes"`
}

// Export writes everything that the server has not acknowledged into the file, or
// under a name of its own into the folder, of that path. progress is told after
// each message how many changes are packed and how many are not.
func (c *Client) Export(ctx context.Context, path string, progress func(done, left uint64)) (e Exported, err error) {
	release, err := c.hold(ctx)
	if err != nil {
		return e, err
	}
	defer release()
	d, err := c.store.Device()
	if err != nil {
		return e, err
	}
	if !d.Enrolled() {
		return e, store.ErrNotEnrolled
	}
	// What an answer that was given up had brought is joined first, as for a sync.
	if err := c.store.Resume(ctx); err != nil {
		return e, err
	}
	// A serial that is lost with a failure is no loss; one used twice would be.
	if d, err = c.store.SetDevice(ctx, func(d *store.Device) { d.Bundles++ }); err != nil {
		return e, err
	}
	read, now, runs, err := c.store.Dated()
	if err != nil {
		return e, err
	}
	b := &bundle.Bundle{Device: d.ID, Server: d.Server, Serial: d.Bundles, Made: now}
	e.Serial = d.Bundles
	var out []store.Outgoing
	err = c.store.Parts(ctx, partBudget, func(part []store.Outgoing) (bool, error) {
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
		if !b.Add(bundle.Part{Message: packed, Size: size}) {
			return false, nil
		}
		out = append(out, part...)
		e.Left = m.Pending
		for i := range part {
			e.Changes += part[i].Entries()
		}
		if progress != nil {
			progress(e.Changes, e.Left)
		}
		return true, nil
	})
	if err != nil {
		return e, err
	}
	file, err := bundle.Seal(b, identity.BundleOf, d.Private(), d.Server)
	if err != nil {
		return e, err
	}
	e.Bytes = len(file)
	e.File = place(path)
	if err := writeFile(e.File, file); err != nil {
		return e, err
	}
	return e, c.store.Bundled(ctx, out)
}

// place gives the path of the file to write.
func place(path string) string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path
	}
	return filepath.Join(path, bundle.Name(rand.Text()))
}

// writeFile writes a file whole or not at all: a stick may be pulled out at any
// time.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".zhucun-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
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
	// Of a reply to this laptop:
	Acknowledged uint64 `json:"acknowledged"` // own changes that now have a receipt
	Records      uint64 `json:"records"`      // records that came
	Pending      uint64 `json:"pending"`
	Serial       uint64 `json:"serial,omitempty"` // of the bundle that it answers
}

// Collect takes in a file: a reply to this laptop as a sync's answer, anything
// else as a courier does. ErrRevoked and the errors of package bundle.
func (c *Client) Collect(ctx context.Context, r io.Reader, progress func(done, all int)) (t Collected, err error) {
	file, err := io.ReadAll(io.LimitReader(r, bundle.MaxFile+1))
	if err != nil {
		return t, err
	}
	if err := bundle.Check(file); err != nil {
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
		t.Carried = true
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
	err = c.reply(ctx, b, &t, progress)
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
	for i, part := range b.Parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		answer := new(wire.Synced)
		if err := wire.Unmarshal(part.Message, part.Size, answer); err != nil {
			// It is as the server made it: of a release that this one does not know.
			return fmt.Errorf("%w: %w", ErrUnfit, err)
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
		}
		if a := answer.Assigned; a != nil && a.Serial > d.Assigned.Serial {
			if err := c.store.Assign(ctx, *a); err != nil {
				errs = append(errs, err)
			}
		}
		if progress != nil {
			progress(i+1, len(b.Parts))
		}
	}
	if fresh && len(errs) == 0 {
		// It says nothing of the clock: nobody knows how long it was on its way.
		_, err := c.store.SetDevice(ctx, func(d *store.Device) { d.LastSync = max(d.LastSync, b.Made) })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
