package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
)

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("another process holds the lock")

// Lock holds a file against every other Lock on it, in this process or another,
// until it is released or the process ends, however it does: the system keeps
// the lock, and what is left of the file holds nobody up. It is a file of its
// own, which nothing else opens. ErrLocked.
func Lock(ctx context.Context, file string) (release func() error, err error) {
	if err := touch(file); err != nil {
		return nil, err
	}
	// Two that begin at once wait for each other a moment; without it both could
	// be refused. With the journal in memory nothing is ever written.
	where, err := location(file, url.Values{"_pragma": {"busy_timeout(1000)", "journal_mode(MEMORY)"}})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", where)
	if err != nil {
		return nil, err
	}
	// On one connection, which stays: the lock is its transaction.
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "BEGIN EXCLUSIVE")
	switch {
	case again(err):
		return nil, errors.Join(ErrLocked, db.Close())
	case err != nil:
		return nil, errors.Join(err, db.Close())
	}
	return db.Close, nil
}
