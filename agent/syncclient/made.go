package syncclient

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"zhucun/agent/store"
)

// madeDir is the folder, in the data folder, of the bundles that were made on the
// page. Whoever has no idea where a program puts its files saves them from there
// with the browser.
const madeDir = "bundles"

// How many of them are kept, and how much. One that is gone can be made again.
const (
	maxMade     = 16
	maxMadeSize = 256 << 20 // one that is larger by itself stays until the next is made
)

// Made is a bundle that the laptop made. Here tells that its file is in the data
// folder, to be had from OpenMade.
type Made struct {
	store.Bundle
	Here bool
}

// Make exports into the data folder. What was made there before and is too much by
// now, or of which the server has everything, goes.
func (c *Client) Make(ctx context.Context, carry Carry, progress func(done, left uint64)) ([]Exported, error) {
	root, err := c.folder(madeDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := c.tidy(root); err != nil {
		return nil, err
	}
	return c.Export(ctx, filepath.Join(c.store.Dir(), madeDir), carry, progress)
}

// tidy makes room for another bundle.
func (c *Client) tidy(root *os.Root) error {
	done := map[string]bool{}
	bs, err := c.store.Bundles()
	if err != nil {
		return err
	}
	for _, b := range bs {
		done[b.Name] = b.Done()
	}
	files, err := list(root, ".")
	if err != nil {
		return err
	}
	size := int64(0)
	for i := len(files) - 1; i >= 0; i-- {
		f := files[i]
		size += f.Size()
		if n := len(files) - i; done[f.Name()] || n >= maxMade || size > maxMadeSize {
			if err := root.Remove(f.Name()); err != nil {
				return err
			}
		}
	}
	// What a failure, or the power, left half written.
	left, err := fs.Glob(root.FS(), halfWritten)
	for _, name := range left {
		err = errors.Join(err, root.Remove(name))
	}
	return err
}

// Bundles gives the bundles that the laptop made, the last one first.
func (c *Client) Bundles() ([]Made, error) {
	bs, err := c.store.Bundles()
	if err != nil {
		return nil, err
	}
	files, root, err := c.listed(madeDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if root != nil {
		root.Close()
	}
	made := make([]Made, len(bs))
	for i, b := range bs {
		made[i] = Made{b, files[b.Name]}
	}
	return made, nil
}

// listed gives the names of the files that are in a folder in the data folder, and
// the folder, to be closed. fs.ErrNotExist where there is no such folder.
func (c *Client) listed(dir string) (map[string]bool, *os.Root, error) {
	root, err := os.OpenRoot(filepath.Join(c.store.Dir(), dir))
	if err != nil {
		return nil, nil, err
	}
	files, err := list(root, ".")
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	names := make(map[string]bool, len(files))
	for _, f := range files {
		names[f.Name()] = true
	}
	return names, root, nil
}

// OpenMade opens the file of a bundle that was made on the page.
func (c *Client) OpenMade(name string) (*os.File, error) { return c.open(madeDir, name) }

// OpenReply opens the server's answer to a file that was carried for somebody else.
func (c *Client) OpenReply(name string) (*os.File, error) {
	return c.open(filepath.Join(courierDir, repliesDir), name)
}

// open opens one of the listed files of a folder in the data folder, whatever the
// name says; the error is fs.ErrNotExist for every other name.
func (c *Client) open(dir, name string) (*os.File, error) {
	files, root, err := c.listed(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if !files[name] {
		return nil, fs.ErrNotExist
	}
	return root.Open(name)
}

// folder opens a folder in the data folder; whatever is in there, nothing leads out
// of it.
func (c *Client) folder(names ...string) (*os.Root, error) {
	dir := filepath.Join(c.store.Dir(), names[0])
	for i := range names {
		d := dir
		if i > 0 {
			d = filepath.Join(dir, names[i])
		}
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	return os.OpenRoot(dir)
}
