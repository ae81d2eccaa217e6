package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File makes a file of what write writes: whole, or not at all. A file that
// was there is replaced when the new one is on disk.
func File(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".export-*") // 0600
	if err != nil {
		return asked(err, name)
	}
	err = write(f)
	err = errors.Join(asked(err, name), asked(f.Sync(), name), f.Close())
	if err == nil {
		err = asked(os.Rename(f.Name(), name), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
	}
	// Windows cannot sync a folder; there the file is enough.
	if d, err := os.Open(filepath.Dir(name)); err == nil {
		d.Sync()
		d.Close()
	}
	return nil
}

// asked makes an error of the file beside it one of the file that was asked for.
func asked(err error, name string) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &link):
		return &fs.PathError{Op: "write", Path: name, Err: link.Err}
	case errors.As(err, &path) && filepath.Dir(path.Path) == filepath.Dir(name):
		path.Path = name
	}
	return err
}
