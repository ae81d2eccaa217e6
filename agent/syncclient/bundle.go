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
	"slices"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Files says which photos and other files go into bundles, behind all records.
type Files uint8

const (
	FilesFit  Files = iota // as many as fit into a file that mail takes
	FilesAll               // all that wait, in as many files as that takes
	FilesNone              // none: a bundle as every release of the server takes it
)

const (
	// Mailed is how large a file gets by files, in bytes, where nobody says: most mail
	// takes it.
	Mailed = 20 << 20
	// MinSize is the smallest size that files are kept to: messages have to fit in.
	MinSize = 1 << 20
)

// Carry says what goes into bundles beside the records.
type Carry struct {
	Files Files
	// Size bounds a file, in bytes; 0 is as they like. Files are put into further ones
	// then only with FilesAll.
	Size int64
	// Smalls asks for small pictures of the records that come with the reply, so many
	// bytes of them.
	Smalls uint64
}

// Exported is what a bundle that was written has.
type Exported struct {
	File    string `json:"file"`
	Serial  uint64 `json:"serial"`
	Changes uint64 `json:"changes"`
	// Left counts the changes that did not go in. The next of the files that were
	// made at once has them, and the last one leaves none.
	Left  uint64 `json:"left"`
	Bytes int    `json:"bytes"`
	// Files counts the photos and other files in it; FilesLeft those that wait and did not
	// go in, nor into one before, FilesLeftBytes what they come to.
	Files          int   `json:"files"`
	FilesLeft      int   `json:"files_left,omitempty"`
	FilesLeftBytes int64 `json:"files_left_bytes,omitempty"`
	// FilesSize is the Carry.Size, in whole MB, that the largest of them wants where all
	// were asked for; 0 where none is too large.
	FilesSize int64 `json:"files_size,omitempty"`
	// Unread counts the files that cannot be read.
	Unread int `json:"unread,omitempty"`
}

// ErrSize says that a size was asked for that no bundle can have.
var ErrSize = errors.New("no bundle has that size")

// Export writes everything that the server has not acknowledged into the file of
// that path, or under a name of its own into that folder; where one file is not
// enough into several, whose names are numbered. progress is told after each
// message and file how much is packed and how much is not, in changes and files. With an
// error, what it gives was written before. Nothing is written over: the error is
// fs.ErrExist, with the path, where a file of that name is there already.
func (c *Client) Export(ctx context.Context, path string, carry Carry, progress func(done, left uint64)) ([]Exported, error) {
	if carry.Size == 0 {
		if carry.Size = Mailed; carry.Files == FilesAll {
			carry.Size = bundle.MaxSize
		}
	} else if carry.Size < MinSize || carry.Size > bundle.MaxSize {
		return nil, ErrSize
	}
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
	x := &export{c: c, d: &d, path: place(path), now: now, carry: carry, packed: map[string]bool{}}
	if err := errors.Join(vacant(x.path), vacant(x.numbered(1))); err != nil {
		return nil, err
	}
	if x.files, err = c.waitingFiles(); err != nil {
		return nil, err
	}
	if err := x.begin(ctx); err != nil {
		return nil, err
	}
	files := uint64(0)
	if carry.Files != FilesNone {
		files = uint64(len(x.files))
	}
	packedChanges := uint64(0)
	pack := func(part []store.Outgoing) (bundle.Part, uint64, error) {
		m := c.request(&d, runs, part)
		packed, err := wire.EncodeSync(m, wire.Thrifty)
		if err != nil {
			return bundle.Part{}, 0, err
		}
		wire.SetClock(packed, read.Milli())
		size, err := wire.Size(m)
		return bundle.Part{Message: packed, Size: size}, m.Pending, err
	}
	err = c.store.Parts(ctx, c.part, func(part []store.Outgoing) (bool, error) {
		p, left, err := pack(part)
		if err != nil {
			return false, err
		}
		if err := x.add(ctx, p, part, left); err != nil {
			return false, err
		}
		for i := range part {
			packedChanges += part[i].Entries()
			// What bundles of files alone say of where the laptop stands.
			part[i].Push.Segments, part[i].Push.Proofs = nil, nil
		}
		if carry.Files == FilesAll {
			if x.bare, _, err = pack(part); err != nil {
				return false, err
			}
		}
		if progress != nil {
			progress(packedChanges, left+files)
		}
		return true, nil
	})
	if err == nil {
		err = x.addFiles(ctx, func(done int) {
			if progress != nil {
				progress(packedChanges+uint64(done), files-min(files, uint64(done)))
			}
		})
	}
	if err != nil {
		return x.done, err
	}
	return x.done, x.end(ctx, len(x.done) > 0)
}

// export is the files of one export being made.
type export struct {
	c     *Client
	d     *store.Device
	path  string
	now   int64
	carry Carry
	done  []Exported
	// files are those that wait, as bundles name them; packed are those of them that are
	// in this file or one before.
	files  []bundle.File
	packed map[string]bool
	// wants is the size of a bundle that takes the largest of those that are too large
	// for one of the size that was asked for, in whole MB.
	wants int64
	// bare is a message that brings nothing.
	bare bundle.Part

	// The file that is being filled:
	b    *bundle.Bundle
	size int64
	e    Exported
	out  []store.Outgoing
}

func (x *export) begin(ctx context.Context) error {
	// A serial that is lost with a failure is no loss; one used twice would be.
	d, err := x.c.store.SetDevice(ctx, func(d *store.Device) { d.Bundles++ })
	if err != nil {
		return err
	}
	x.b = &bundle.Bundle{Device: d.ID, Server: d.Server, Serial: d.Bundles, Made: x.now, Smalls: x.carry.Smalls}
	x.size, x.e, x.out = 0, Exported{Serial: d.Bundles}, nil
	return nil
}

// add adds a message with what it has of own changes; left are those behind it. A
// file that is full is written, and another begun.
func (x *export) add(ctx context.Context, p bundle.Part, has []store.Outgoing, left uint64) error {
	fill := min(int64(x.c.fill), x.carry.Size-MinSize/2)
	if len(x.b.Parts) > 0 && x.size+int64(len(p.Message)) > fill || !x.b.Add(p) {
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
	x.size += int64(len(p.Message))
	x.out = append(x.out, has...)
	x.e.Left = left
	for i := range has {
		x.e.Changes += has[i].Entries()
	}
	return nil
}

// end writes the file, as one of several or alone.
func (x *export) end(ctx context.Context, several bool) error {
	x.e.File = x.path
	if several {
		x.e.File = x.numbered(len(x.done) + 1)
	}
	has := store.Bundle{Serial: x.e.Serial, Name: filepath.Base(x.e.File), Made: x.now, Changes: x.e.Changes}
	var err error
	if x.e.Bytes, err = x.write(ctx, &has); err != nil {
		return err
	}
	has.Bytes = x.e.Bytes
	x.e.Files = has.Files
	x.done = append(x.done, x.e)
	return x.c.store.Bundled(ctx, has, x.out)
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
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), halfWritten) // 0600
	if err != nil {
		return err
	}
	err = write(f)
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
	Files        int    `json:"files"`        // photos and other files that now have one
	FilesPending int    `json:"files_pending"`
	Previews     int    `json:"previews,omitempty"` // small pictures of others' photos that came
	Records      uint64 `json:"records"`            // records that came
	Pending      uint64 `json:"pending"`
	Serial       uint64 `json:"serial,omitempty"` // of the bundle that it answers
	// More tells that the server has more for this laptop than the reply: it comes
	// with the reply to the next bundle, or with the next sync.
	More bool `json:"more,omitempty"`
}

// Collect takes in a file: a reply to this laptop as a sync's answer, anything
// else as a courier does. ErrRevoked and the errors of package bundle.
func (c *Client) Collect(ctx context.Context, r io.Reader, progress func(done, all int)) (t Collected, err error) {
	d, err := c.store.Device()
	if err != nil {
		return t, err
	}
	if !d.Enrolled() {
		return t, store.ErrNotEnrolled
	}
	came, err := c.come(r)
	if err != nil {
		return t, err
	}
	defer came.end()
	b, err := bundle.OpenFile(came.File, identity.ReplyOf, d.Private(), func(b *bundle.Bundle) (ed25519.PublicKey, error) {
		if b.Device != d.ID {
			return nil, bundle.ErrOther
		}
		return d.Server, nil
	})
	if errors.Is(err, bundle.ErrOther) {
		own, err := c.store.Bundles()
		if err != nil {
			return t, err
		}
		if slices.ContainsFunc(own, func(b store.Bundle) bool { return b.Sum == came.sum }) {
			return t, ErrOwn
		}
		t.Carried, t.Bytes = true, int(came.size)
		t.Reply, err = c.carry(came)
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
		t.Pending, t.FilesPending = st.Pending, st.Blobs
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
func (c *Client) reply(ctx context.Context, b *bundle.Opened, t *Collected, progress func(done, all int)) error {
	d, err := c.store.Device()
	if err != nil {
		return err
	}
	// What a refusal says of the server was so when it was made.
	fresh := b.Made >= d.LastSync
	var errs []error
	more := map[record.Village]bool{}
	var held []wire.HeldFiles
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
		if a := answer.Assigned; a != nil && a.Serial > d.Serial() {
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
		held = append(held, answer.Files...)
		if progress != nil {
			progress(i+1, len(b.Parts))
		}
	}
	// Behind all pages: a village that comes for the first time is here then.
	for _, h := range held {
		n, err := c.store.TakeHeld(ctx, b.Serial, h)
		t.Files += n
		errs = append(errs, err)
	}
	if t.Previews, err = c.previews(ctx, b); err != nil {
		errs = append(errs, err)
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
