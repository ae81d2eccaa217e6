package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Whoever removes or replaces the data file under a running agent takes only its name.
// What is open goes on, and would be gone with the process.

// ErrAdrift says that the data file was removed while it was open. It is being put back
// under its name, with all that was in it.
var ErrAdrift = errors.New("the data file was removed, and is being put back")

// ErrReplaced says that another file has come to its name.
var ErrReplaced = errors.New("the data file was replaced")

var (
	// putAgain is after how long a putting back that failed is tried again.
	putAgain = 5 * time.Second
	// lockWait is how long another program may be about which file is the store.
	lockWait = 20 * time.Second
)

// adrift tells whether the store's name leads elsewhere than to what is open or to the
// copy of it: to nothing, in a folder that is there, or to another file. What cannot be
// looked at now may be right.
func (s *Store) adrift() bool {
	is, copied := s.file.which()
	if is == nil {
		return false
	}
	now, err := os.Stat(filepath.Join(s.dir, fileName))
	if errors.Is(err, os.ErrNotExist) {
		_, err := os.Stat(s.dir)
		return err == nil
	}
	return err == nil && !os.SameFile(is, now) && (copied == nil || !os.SameFile(copied, now))
}

// Look has it seen to, while nothing is saved, that the store's name leads to what is
// open. It does not wait, and costs one look at the folder.
func (s *Store) Look() {
	select {
	case s.looks <- struct{}{}:
	default: // one is on its way
	}
}

// moored sees to it that the store's name leads to what is open. Where it does not a
// copy is put back before anybody is told that his save is on disk, and opened instead
// (heal). The error is ErrAdrift where that is still to come and ErrReplaced where
// another file has the name: then the copy is beside it, and nothing more is written,
// for nobody knows which of the two is meant.
func (s *Store) moored() error {
	if s.trouble() != nil || !s.adrift() {
		return nil // what is being healed is looked at there
	}
	put, err := s.moor()
	if errors.Is(err, ErrReplaced) {
		return s.ends(err)
	}
	if err == nil && !put {
		return nil // it had just been made anew
	}
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	why := ErrAdrift
	if err != nil {
		why = fmt.Errorf("%w: %w", ErrAdrift, err)
	}
	if broke := s.breaks(why); err != nil || !opened {
		return broke
	}
	return nil
}

// moor gives a copy of what is open the store's name, or, where another file has it,
// one beside it; put is false where neither was needed any more. Nothing may be written
// meanwhile.
func (s *Store) moor() (put bool, err error) {
	unlock, err := lockFolder(s.dir)
	for end := time.Now().Add(lockWait); errors.Is(err, ErrInUse) && time.Now().Before(end); unlock, err = lockFolder(s.dir) {
		time.Sleep(lockWait / 400)
	}
	if err != nil {
		return false, err
	}
	defer unlock()
	image, err := s.image(s.dir, halfBackup) // waits for a store that is being opened
	if err != nil {
		return false, err
	}
	defer os.Remove(image.Name())
	copied, err := image.Stat()
	if err := errors.Join(err, image.Sync(), image.Close()); err != nil || !s.adrift() {
		return false, err
	}
	if err := linkOrRename(image.Name(), filepath.Join(s.dir, fileName)); err == nil {
		s.file.mu.Lock()
		s.file.copied = copied
		s.file.mu.Unlock()
		return true, syncDir(s.dir)
	} else if !errors.Is(err, os.ErrExist) {
		return false, err
	}
	aside, err := asideName(s.dir, "replaced", s.opt.Wall())
	if err == nil {
		err = errors.Join(os.Rename(image.Name(), filepath.Join(s.dir, aside)), syncDir(s.dir))
	}
	if err != nil {
		return false, err
	}
	return false, fmt.Errorf("%w: %s", ErrReplaced, aside)
}

// linkOrRename gives a file another name that must be free; it may lose the one it has.
// The error is os.ErrExist where the name is taken.
func linkOrRename(from, to string) error {
	// Unlike a renaming, a link does not replace what is there.
	err := os.Link(from, to)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	// A file system without links, such as a stick's.
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, os.ErrExist)
	}
	return os.Rename(from, to)
}

// which tells which file is open, nil for none, and which is its copy.
func (h *handle) which() (is, copied os.FileInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.db == nil {
		return nil, nil
	}
	return h.is, h.copied
}
