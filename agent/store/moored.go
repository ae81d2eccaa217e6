package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Whoever removes or replaces the data file under a running agent takes only its name.
// What is open goes on, and would be gone with the process.

// ErrAdrift says that the data file was removed while it was open. What was in it is
// back under its name, and is being opened.
var ErrAdrift = errors.New("the data file was removed, and is being put back")

// ErrReplaced says that another file has come to its name.
var ErrReplaced = errors.New("the data file was replaced")

// moored sees to it that the store's name leads to what is open, after each commit and
// before the file is closed. Where nothing has the name a copy of what is open gets it,
// and is opened instead. Where another file has it the copy is put beside that, and
// nothing more is written: nobody knows which of the two is meant.
func (s *Store) moored() error {
	path := filepath.Join(s.dir, fileName)
	if leads(path, s.file.which()) {
		return nil
	}
	image, err := s.image(s.dir)
	if err != nil {
		return s.ends(fmt.Errorf("%w: %w", ErrAdrift, err))
	}
	defer os.Remove(image.Name())
	if err := errors.Join(image.Sync(), image.Close()); err != nil {
		return s.ends(fmt.Errorf("%w: %w", ErrAdrift, err))
	}
	// Unlike a renaming, a link does not replace what has come there meanwhile.
	err = os.Link(image.Name(), path)
	if err != nil && !errors.Is(err, os.ErrExist) {
		// A file system without links, such as a stick's.
		if _, gone := os.Stat(path); errors.Is(gone, os.ErrNotExist) {
			err = os.Rename(image.Name(), path)
		}
	}
	if err == nil {
		s.breaks(ErrAdrift)
		return syncDir(s.dir)
	}
	aside, err := asideName(s.dir, "replaced", s.opt.Wall())
	if err == nil {
		err = errors.Join(os.Rename(image.Name(), filepath.Join(s.dir, aside)), syncDir(s.dir))
	}
	if err != nil {
		return s.ends(fmt.Errorf("%w: %w", ErrReplaced, err))
	}
	return s.ends(fmt.Errorf("%w: %s", ErrReplaced, aside))
}

// which tells which file is open.
func (h *handle) which() os.FileInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.is
}
