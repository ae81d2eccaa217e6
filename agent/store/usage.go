package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zhucun/shared/blob"
)

// Usage is what a laptop's data takes on its disk, in bytes.
type Usage struct {
	Data      int64 // the records, with drafts and all that is not a file
	Own       int64 // photos and files that were added here
	Originals int64 // photos as they came, beside those
	Others    int64 // colleagues' photos that somebody had fetched
	Previews  int64
	Aside     int64 // stores that were damaged or replaced
	Bundles   int64 // bundles that were made here
	Courier   int64 // and those that are carried for others, with their replies
	Inbox     int64 // the drop folder, with what is done and what failed
	Drafts    int   // how many there are
	// OthersFiles counts colleagues' photos.
	OthersFiles int
}

// All is what it comes to.
func (u *Usage) All() int64 {
	return u.Data + u.Own + u.Originals + u.Others + u.Previews + u.Aside + u.Bundles + u.Courier + u.Inbox
}

// Usage tells what the laptop's data takes. What cannot be looked at is not counted.
func (s *Store) Usage() (u Usage, err error) {
	others, own, err := s.filesHere()
	if err != nil {
		return u, err
	}
	add := func(dir string, to func(name string) *int64) {
		filepath.WalkDir(filepath.Join(s.dir, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				if err == nil && dir == "." && path != s.dir {
					return fs.SkipDir
				}
				return nil
			}
			if info, err := d.Info(); err == nil {
				*to(d.Name()) += info.Size()
			}
			return nil
		})
	}
	add(".", func(name string) *int64 {
		if strings.HasPrefix(name, fileName+".") && !strings.HasSuffix(name, ".lock") {
			return &u.Aside
		}
		return &u.Data
	})
	add(blobDir, func(name string) *int64 {
		stem, end, _ := strings.Cut(name, ".")
		h, _ := blob.ParseHash(stem)
		switch original, here := own[h]; {
		case "."+end == thumbEnd:
			return &u.Previews
		case here && original:
			return &u.Originals
		case others[h]:
			return &u.Others
		}
		return &u.Own
	})
	for dir, to := range map[string]*int64{"bundles": &u.Bundles, "courier": &u.Courier, "inbox": &u.Inbox} {
		add(dir, func(string) *int64 { return to })
	}
	u.OthersFiles = len(others)
	ds, err := s.Drafts()
	for _, d := range ds {
		if d.Typed > 0 {
			u.Drafts++
		}
	}
	return u, err
}

// filesHere gives the files of others' that are here and the own ones; of these it tells
// whether they are originals.
func (s *Store) filesHere() (others map[blob.Hash]bool, own map[blob.Hash]bool, err error) {
	others, own = map[blob.Hash]bool{}, map[blob.Hash]bool{}
	err = s.EachBlob(func(b Blob) bool {
		switch was, here := own[b.Hash]; {
		case b.Own:
			own[b.Hash] = b.Original && (!here || was)
		case b.Here:
			others[b.Hash] = true
		}
		return true
	})
	for h := range own {
		delete(others, h) // what is anybody's here is brought from here
	}
	return others, own, err
}

// DropOthers removes colleagues' photos, which came from the office and can be had from
// there again; their previews stay. What was added here stays, delivered or not.
func (s *Store) DropOthers(ctx context.Context) (files int, bytes int64, err error) {
	s.files.Lock()
	defer s.files.Unlock()
	others, _, err := s.filesHere()
	if err != nil {
		return 0, 0, err
	}
	// The notes first: of a file without one nothing is missed.
	if err := s.update(ctx, false, func(t *tx) error {
		for _, code := range t.villageCodes() {
			v, err := t.village(code)
			if err != nil {
				return err
			}
			for h := range others {
				b, found, err := v.blob(h)
				if err != nil {
					return err
				}
				if !found || b.Own {
					continue
				}
				b.Size, b.Damaged = 0, false
				if err := v.putBlob(&b); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		return 0, 0, err
	}
	for h := range others {
		path := s.blobPath(h, wholeFile)
		info, err := os.Stat(path)
		if err == nil {
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return files, bytes, err
		}
		files, bytes = files+1, bytes+info.Size()
	}
	return files, bytes, nil
}
