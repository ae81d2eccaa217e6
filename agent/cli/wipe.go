package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"zhucun/agent/store"
	"zhucun/agent/vault"
)

// wiped lists what is removed from a data folder that the office has ordered to be
// wiped. The drop folder is the person's own, and what is carried for others is
// theirs. A store that was set aside stays: it may have what is nowhere else, it is
// sealed, and its key is then the office's alone.
var wiped = []string{storeFile, storeFile + ".new*", storeFile + ".rebuilt*", ".zhucun-*", "web-sessions*", runFile + "*", "bundles"}

// filesDir has the records' files, sealed, under names that tell what is in one to
// whoever has the same. They go as well, except where a store was set aside: there may
// be files that only that one knows of, which were not delivered.
const filesDir = "blobs"

// asides are the stores that were set aside.
var asides = []string{storeFile + ".damaged-*", storeFile + ".replaced-*"}

// dispose removes what is in the data folder of s, if the office has ordered that.
// The key goes first: whatever a cut leaves behind cannot be read.
func (c *call) dispose(s *store.Store) error {
	d, err := s.Device()
	if err != nil || !d.Wiped {
		return err
	}
	lease := filepath.Join(settings(), string(d.ID)+".lease")
	errs := []error{s.Close()}
	v, err := vault.Open(c.data, settings())
	if err == nil {
		err = v.Destroy()
	}
	errs = append(errs, err)
	gone, aside := wiped, false
	for _, pattern := range asides {
		names, err := matching(c.data, pattern)
		errs, aside = append(errs, err), aside || len(names) > 0
	}
	if !aside {
		gone = append(slices.Clone(gone), filesDir)
	}
	for _, pattern := range gone {
		names, err := matching(c.data, pattern)
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.RemoveAll(name))
		}
	}
	if err := os.Remove(lease); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// matching gives what lies in a folder under names of a pattern. What stands in the
// folder's own name is no pattern.
func matching(dir, pattern string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if ok, _ := filepath.Match(pattern, e.Name()); ok {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, err
}
