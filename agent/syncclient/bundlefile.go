package syncclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// waitingFiles gives the files that wait, in the order in which they go: small pictures,
// photos and files, originals. Those that are known to be damaged or missing do not.
func (c *Client) waitingFiles() (list []bundle.File, err error) {
	// More of them wait for the next bundle.
	bring, _, err := c.store.Undelivered(bundle.MaxFiles)
	if err != nil {
		return nil, err
	}
	var whole []bundle.File
	for _, b := range bring {
		if !b.Here || b.Damaged {
			continue
		}
		f := bundle.File{Village: b.Village, Hash: b.Hash, Kind: b.Kind, Of: ofOf(&b)}
		if b.Small && !b.SmallSent {
			if small, err := c.store.SmallBlob(b.Hash); err == nil && len(small) <= bundle.MaxSmall {
				f := f
				f.Mode, f.Of, f.Size, f.Sum = bundle.Small, nil, int64(len(small)), sha256.Sum256(small)
				list = append(list, f)
			}
		}
		if !b.Delivered {
			f.Size, f.Sum = b.Size, f.Hash
			whole = append(whole, f)
		}
	}
	return append(list, whole...), nil
}

// maxAsks is how many files a bundle asks for, beside those in it.
const maxAsks = 1000

// leeway is what a bundle has room for beside messages and files: its note, and what it
// asks for.
const leeway = MinSize / 4

// keyOf tells one entry of a bundle from all others.
func keyOf(f bundle.File) string { return fmt.Sprint(f.Mode, f.Village, f.Hash) }

// addFiles puts the files that wait behind the messages, and begins further bundles for
// what does not fit where that is asked for.
func (x *export) addFiles(ctx context.Context, progress func(done int)) error {
	if x.carry.Files == FilesNone {
		return nil
	}
	content := x.size
	for _, f := range x.files {
		// What it takes: its bytes, its place in the note, its part of the seals.
		takes := f.Size + f.Size>>11 + bundle.PerFile + bundle.PerOf*int64(len(f.Of))
		fits := func() bool { return len(x.b.Files) < bundle.MaxFiles && content+takes <= x.carry.Size-leeway }
		wants := int64(len(x.bare.Message)) + takes + leeway
		alone := wants <= x.carry.Size
		if !alone && x.carry.Files == FilesAll {
			x.wants = max(x.wants, (wants+1<<20-1)>>20<<20)
		}
		if !fits() && x.carry.Files == FilesAll && alone && len(x.b.Files) > 0 {
			if err := x.end(ctx, true); err != nil {
				return err
			}
			if err := x.begin(ctx); err != nil {
				return err
			}
			if !x.b.Add(x.bare) {
				return bundle.ErrTooLarge
			}
			x.size = int64(len(x.bare.Message))
			content = x.size
		}
		if !fits() {
			continue
		}
		x.b.Files = append(x.b.Files, f)
		x.packed[keyOf(f)] = true
		content += takes
		progress(len(x.packed))
	}
	return nil
}

// unreadable says that a file that goes into a bundle cannot be read.
type unreadable struct {
	file bundle.File
	err  error
}

func (u *unreadable) Error() string { return fmt.Sprintf("file %s: %v", u.file.Hash, u.err) }
func (u *unreadable) Unwrap() error { return u.err }

// write writes the file that is being filled, and notes in has which files are in it. One
// that turns out not to be readable is left out, and known as damaged from then on.
func (x *export) write(ctx context.Context, has *store.Bundle) (int, error) {
	for {
		b := *x.b
		b.Files = x.withAsked()
		var size int64
		var at bundle.File
		sum := sha256.New()
		err := writeFile(x.e.File, func(w io.Writer) (err error) {
			size, err = bundle.Write(io.MultiWriter(w, sum), &b, identity.BundleOf, x.d.Private(), x.d.Server, func(f bundle.File) (io.ReadCloser, error) {
				at = f
				return x.c.openFile(ctx, f)
			})
			return err
		})
		if errors.Is(err, bundle.ErrContent) {
			err = &unreadable{at, fmt.Errorf("%w: %w", store.ErrDamaged, err)}
		}
		var not *unreadable
		if errors.As(err, &not) {
			if err := x.leaveOut(ctx, not); err != nil {
				return 0, err
			}
			continue
		}
		has.Sum = [sha256.Size]byte(sum.Sum(nil))
		for _, f := range x.b.Files {
			if f.Mode == bundle.Whole {
				has.Bring(f.Village, f.Hash)
			}
		}
		return int(size), err
	}
}

// leaveOut takes a file that cannot be read out of the bundle.
func (x *export) leaveOut(ctx context.Context, not *unreadable) error {
	x.e.Unread++
	same := func(f bundle.File) bool { return keyOf(f) == keyOf(not.file) }
	// Copies: whoever goes through the list goes on.
	x.b.Files = slices.DeleteFunc(slices.Clone(x.b.Files), same)
	x.files = slices.DeleteFunc(slices.Clone(x.files), same)
	if not.file.Mode == bundle.Small {
		// It is not worth keeping the photo for.
		return x.c.store.Mark(ctx, not.file.Village, not.file.Hash, func(b *store.Blob) { b.Small = false })
	}
	b, err := x.c.store.Blob(not.file.Hash)
	if err != nil {
		return err
	}
	x.c.log.Warn("a file cannot be read", "file", b.FileName(), "error", not.err)
	_, err = x.c.store.FaultOf(ctx, b, not.err)
	return err
}

// withAsked gives the bundle's files, and behind them those that wait and are not in it:
// whether the server has them by another is asked. It counts those that are in none.
func (x *export) withAsked() []bundle.File {
	all := x.b.Files[:len(x.b.Files):len(x.b.Files)]
	in := map[string]bool{}
	for _, f := range all {
		in[keyOf(f)] = true
	}
	x.e.FilesLeft, x.e.FilesLeftBytes, x.e.FilesSize = 0, 0, x.wants
	for _, f := range x.files {
		if f.Mode != bundle.Whole || in[keyOf(f)] {
			continue
		}
		if !x.packed[keyOf(f)] {
			x.e.FilesLeft, x.e.FilesLeftBytes = x.e.FilesLeft+1, x.e.FilesLeftBytes+f.Size
		}
		if len(all) < min(bundle.MaxFiles, len(x.b.Files)+maxAsks) {
			f.Mode, f.Size, f.Sum = bundle.Asked, 0, [sha256.Size]byte{}
			all = append(all, f)
		}
	}
	return all
}

// openFile opens the content of a file for a bundle. What goes wrong is unreadable, also
// while it is read.
func (c *Client) openFile(ctx context.Context, f bundle.File) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.Mode == bundle.Small {
		small, err := c.store.SmallBlob(f.Hash)
		if err != nil {
			return nil, unread(f, err)
		}
		return io.NopCloser(bytes.NewReader(small)), nil
	}
	r, _, err := c.store.OpenBlob(f.Hash, 0)
	if err != nil {
		return nil, unread(f, err)
	}
	return &reading{r, f}, nil
}

// unread tells what is wrong with a file from what is wrong with the disk today.
func unread(f bundle.File, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrDamaged) {
		return &unreadable{f, err}
	}
	return err
}

type reading struct {
	io.ReadCloser
	file bundle.File
}

func (r *reading) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		err = unread(r.file, err)
	}
	return n, err
}

// previews keeps the small pictures in a reply, some at a time.
func (c *Client) previews(ctx context.Context, b *bundle.Opened) (n int, err error) {
	var some []store.SmallPicture
	var at record.Village
	keep := func() error {
		m, err := c.store.KeepSmalls(ctx, at, some)
		n, some = n+m, nil
		return err
	}
	if err := b.EachFile(func(f bundle.File, r io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.Mode != bundle.Small {
			return nil
		}
		body, err := io.ReadAll(r)
		if err != nil || http.DetectContentType(body) != "image/jpeg" {
			return err
		}
		if f.Village != at || len(some) >= 100 {
			if err := keep(); err != nil {
				return err
			}
			at = f.Village
		}
		some = append(some, store.SmallPicture{Hash: f.Hash, Kind: f.Kind, Body: body})
		return nil
	}); err != nil {
		return n, err
	}
	return n, keep()
}
