package store

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFolder keeps other processes from changing which file is the store. The error
// is ErrInUse where one is about it. The lock's own file stays: whoever removed it
// might remove another's.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, fileName+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return lock(f, new(windows.Overlapped))
}

// lockStore is the lock that bbolt takes, on the store's own file: whoever has it open
// keeps everybody else out. Without a file there is nothing to lock. It is let go of
// again at once, because an open file cannot be given another name.
func lockStore(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	if unlock, err = lock(f, bboltLock()); err != nil {
		return nil, err
	}
	unlock()
	return func() {}, nil
}

func lock(f *os.File, at *windows.Overlapped) (unlock func(), err error) {
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if err != nil {
		f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, ErrInUse
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}

// bboltLock is where bbolt locks.
func bboltLock() *windows.Overlapped {
	return &windows.Overlapped{Offset: 1<<32 - 1, OffsetHigh: 1<<32 - 1}
}

// letGo closes a file that bbolt has locked. What is closed is unlocked too, but the
// system does not say when.
func letGo(f *os.File) {
	_ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, bboltLock())
	f.Close()
}
