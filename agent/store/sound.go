package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A damaged file must not be written to: bbolt takes pages for free by a list in
// the file, and by a list that is wrong it overwrites what people saved. Reading
// one may also end the process or never end. So a store that may have been
// touched is inspected before it is opened, in a process of its own.

// ErrUnchecked says that an inspection did not come to its end: nothing is known of
// the store.
var ErrUnchecked = errors.New("the check of the data file was interrupted")

// Inspect looks at the structure of the store in dir, without writing: the error
// is ErrDamaged when something is wrong with it, ErrInUse when another process
// has it, and what the system says where the file could not be looked at. On some
// damage it ends the process, or does not end.
func Inspect(dir string) error {
	path := filepath.Join(dir, fileName)
	// bbolt would make a store of an empty file, and fail because it may not.
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 300 * time.Millisecond, ReadOnly: true, PreLoadFreelist: true})
	if errors.Is(err, berrors.ErrTimeout) {
		return ErrInUse
	}
	// What cannot be read comes without the system's number, as a file that is no
	// store; with one, it is a right, memory or a handle that is missing.
	if system := syscall.Errno(0); errors.As(err, &system) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if err := metas(path); err != nil {
			return err
		}
		if err := whole(tx); err != nil {
			return err
		}
		for e := range tx.Check() {
			if err == nil {
				err = fmt.Errorf("%w: %w", ErrDamaged, e)
			}
		}
		if err != nil {
			return err
		}
		return tally(tx)
	})
	return errors.Join(err, db.Close())
}

// metas tells whether both pages can be read that say where everything is. With one
// of them bbolt goes on as if nothing were, and without the last commit, where that is
// the one that the other told of.
func metas(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := readPages(f)
	if err == nil && len(p.metas) < 2 {
		err = fmt.Errorf("%w: one of its two first pages cannot be read", ErrDamaged)
	}
	return err
}

// tally counts records, journals and what was set aside, against what the store says
// that there is: a page that has lost its end is a page like any other to bbolt.
func tally(b *bbolt.Tx) error {
	t := &tx{Tx: b}
	for _, code := range t.villageCodes() {
		v, err := t.village(code)
		if err != nil {
			return err
		}
		short := func(what string, b *bbolt.Bucket, want uint64) error {
			if n := entries(b); n != want {
				return fmt.Errorf("%w: village %s: %d of %d %s", ErrDamaged, code, n, want, what)
			}
			return nil
		}
		err = short("changes that were set aside", v.b.Bucket(bucketQuarantine), v.place.Quarantined)
		for typ, n := range v.place.Records {
			err = errors.Join(err, short("records of type "+string(typ), v.b.Bucket(recordBucket(typ)), n))
		}
		for s, o := range v.owns {
			err = errors.Join(err, short("changes of stream "+s.String(), v.log(s), o.Head.Seq-min(o.Base.Seq, o.Head.Seq)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entries counts what is in a bucket.
func entries(b *bbolt.Bucket) (n uint64) {
	if b == nil {
		return 0
	}
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		n++
	}
	return n
}

// Untouched tells whether the store in dir is, by size and time, the file that
// this machine closed last, by the notes in leases. There is none yet where no
// store is.
func Untouched(dir, leases string) bool {
	info, err := os.Stat(filepath.Join(dir, fileName))
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	l, ok := noteOf(dir, leases)
	return ok && l.Size == info.Size() && l.Closed == info.ModTime().UnixNano()
}

// Vanished puts an empty file where a store was, by this machine's notes in leases, and
// is not any more. An empty file is a damaged store: whoever opens it has it made anew,
// and is told how much of it is lost, which a folder without a store cannot tell.
func Vanished(dir, leases string) error {
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if l, ok := noteOf(dir, leases); !ok || len(l.Streams) == 0 {
		return nil
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, spare)); err == nil {
		return nil // one that was made anew was cut off from its name
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// noteOf gives this machine's note on the store in dir.
func noteOf(dir, leases string) (l lease, ok bool) {
	if leases == "" {
		return l, false
	}
	notes, err := filepath.Glob(filepath.Join(leases, "*.lease"))
	if err != nil {
		return l, false
	}
	where := folder(dir)
	for _, name := range notes {
		raw, err := os.ReadFile(name)
		l = lease{}
		if err == nil && json.Unmarshal(raw, &l) == nil && l.Machine == machine() && l.Path == where {
			return l, true
		}
	}
	return lease{}, false
}
