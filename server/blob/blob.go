package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"zhucun/shared/blob"
)

// coming is the folder of what is on its way.
const coming = "coming"

// damaged is the folder of what was set aside.
const damaged = "damaged"

// Files is a folder of files.
type Files struct{ root *os.Root }

// Open opens the folder, making it where there is none.
func Open(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := root.MkdirAll(coming, 0o700); err != nil {
		root.Close()
		return nil, err
	}
	return &Files{root}, nil
}

// Close lets the folder go.
func (f *Files) Close() error { return f.root.Close() }

// ErrOffset says that what is appended does not begin where the file ends.
var ErrOffset = errors.New("it does not go on where it ended")

// ErrContent says that a file is not what its name says.
var ErrContent = errors.New("the content is not what its name says")

func place(h blob.Hash) string { return path.Join(h.String()[:2], h.String()) }

func arriving(id string) string { return path.Join(coming, path.Base("/"+id)) }

// Arrived gives how many bytes have come of the file on its way under an id: 0 where
// nothing has.
func (f *Files) Arrived(id string) (int64, error) {
	info, err := f.root.Stat(arriving(id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Append adds what r has to the file on its way under an id, at its end, which must be
// offset, up to size bytes in all. What has come is kept, also where r fails, unless
// check says that it is not as it was sent; n is how many bytes more there are then.
func (f *Files) Append(id string, offset, size int64, r io.Reader, check func() error) (n int64, err error) {
	file, err := f.root.OpenFile(arriving(id), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if end != offset {
		return 0, ErrOffset
	}
	n, rerr := io.Copy(file, io.LimitReader(r, size-offset))
	if check != nil && rerr == nil {
		rerr = check()
	}
	if check != nil && rerr != nil {
		return 0, errors.Join(rerr, file.Truncate(offset))
	}
	if err := file.Sync(); err != nil {
		return 0, err
	}
	return n, rerr
}

// OpenArriving opens what has come of the file under an id, for reading.
func (f *Files) OpenArriving(id string) (*os.File, error) { return f.root.Open(arriving(id)) }

// Finish gives the file that has come whole under an id its name, and says which. The
// error is ErrContent where it was to have another.
func (f *Files) Finish(id string, want *blob.Hash) (h blob.Hash, err error) {
	file, err := f.root.Open(arriving(id))
	if err != nil {
		return h, err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return h, err
	}
	h = blob.Hash(sum.Sum(nil))
	if want != nil && *want != h {
		return h, ErrContent
	}
	if err := f.root.MkdirAll(h.String()[:2], 0o700); err != nil {
		return h, err
	}
	if err := f.root.Rename(arriving(id), place(h)); err != nil {
		return h, err
	}
	return h, f.settle(h.String()[:2])
}

// settle sees to it that what was named in a folder of the root, and the folder, are on
// disk.
func (f *Files) settle(dir string) error {
	for _, name := range []string{dir, "."} {
		d, err := f.root.Open(name)
		if err != nil {
			return err
		}
		// Some systems cannot do it for a folder, and need not.
		if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrInvalid) {
			d.Close()
			return err
		}
		d.Close()
	}
	return nil
}

// Put keeps a file that is at hand; there may be one of that name.
func (f *Files) Put(h blob.Hash, r io.Reader) error {
	id := "put-" + h.String()
	if err := f.Drop(id); err != nil {
		return err
	}
	if _, err := f.Append(id, 0, 1<<62, r, nil); err != nil {
		return errors.Join(err, f.Drop(id))
	}
	if _, err := f.Finish(id, &h); err != nil {
		return errors.Join(err, f.Drop(id))
	}
	return nil
}

// Drop gives up what has come under an id.
func (f *Files) Drop(id string) error {
	return missing(f.root.Remove(arriving(id)))
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Size gives a file's size in bytes; fs.ErrNotExist where there is none.
func (f *Files) Size(h blob.Hash) (int64, error) {
	info, err := f.root.Stat(place(h))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Changed tells when the last byte of a file came; fs.ErrNotExist where there is none.
func (f *Files) Changed(h blob.Hash) (time.Time, error) {
	info, err := f.root.Stat(place(h))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Open opens a file for reading; fs.ErrNotExist where there is none.
func (f *Files) Open(h blob.Hash) (*os.File, error) { return f.root.Open(place(h)) }

// Remove removes a file, where there is one, and what was set aside of it.
func (f *Files) Remove(h blob.Hash) error {
	err := missing(f.root.Remove(place(h)))
	entries, rerr := f.damaged()
	for _, name := range entries {
		if strings.HasPrefix(name, h.String()) {
			rerr = errors.Join(rerr, missing(f.root.Remove(path.Join(damaged, name))))
		}
	}
	return errors.Join(err, rerr)
}

// Aside takes a file out of the way whose content is not what its name says: it stays
// in the folder damaged, beside earlier ones. "" where it is not here, or sound, or
// where it cannot be read, which may be the disk's fault of today.
func (f *Files) Aside(h blob.Hash) (name string, err error) {
	if sound, err := f.sound(place(h), h); sound || err != nil {
		return "", missing(err)
	}
	if err := f.root.MkdirAll(damaged, 0o700); err != nil {
		return "", err
	}
	name = path.Join(damaged, h.String())
	for n := 2; ; n++ {
		if _, err := f.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s/%s.%d", damaged, h, n)
	}
	if err := f.root.Rename(place(h), name); err != nil {
		return "", err
	}
	// One that came again in between is sound, and goes back.
	if sound, err := f.sound(name, h); err == nil && sound {
		return "", f.root.Rename(name, place(h))
	}
	return name, f.settle(damaged)
}

// sound reads a file and tells whether its content is what its name says.
func (f *Files) sound(at string, h blob.Hash) (bool, error) {
	file, err := f.root.Open(at)
	if err != nil {
		return false, err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return err == nil && blob.Hash(sum.Sum(nil)) == h, err
}

// Damaged gives the files of which something was set aside.
func (f *Files) Damaged() (list []blob.Hash, err error) {
	names, err := f.damaged()
	for _, name := range names {
		digits, _, _ := strings.Cut(name, ".")
		if h, ok := blob.ParseHash(digits); ok && !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	return list, err
}

func (f *Files) damaged() (names []string, err error) {
	entries, err := fs.ReadDir(f.root.FS(), damaged)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, missing(err)
}

// Each calls yield with every file and its size, until it returns an error.
func (f *Files) Each(yield func(h blob.Hash, size int64) error) error {
	return fs.WalkDir(f.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && (d.Name() == coming || d.Name() == damaged) {
				return fs.SkipDir
			}
			return err
		}
		h, ok := blob.ParseHash(d.Name())
		if !ok {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return missing(err)
		}
		return yield(h, info.Size())
	})
}

// Verify reads every file and calls fault with those whose content is not what the
// name says.
func (f *Files) Verify(ctx context.Context, fault func(blob.Hash)) (n int, err error) {
	return n, f.Each(func(h blob.Hash, _ int64) error {
		n++
		if sound, err := f.sound(place(h), h); !sound && !errors.Is(err, fs.ErrNotExist) {
			fault(h)
		}
		return ctx.Err()
	})
}

// Sweep gives up what has not gone on since before.
func (f *Files) Sweep(before time.Time) error {
	entries, err := fs.ReadDir(f.root.FS(), coming)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, ierr := e.Info()
		if ierr != nil || !info.ModTime().Before(before) {
			continue
		}
		if rerr := f.Drop(e.Name()); rerr != nil {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", e.Name(), rerr))
		}
	}
	return err
}
