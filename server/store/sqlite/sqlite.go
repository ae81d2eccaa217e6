package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"

	"zhucun/server/store"
)

// Name is this engine's in a backup.
const Name = "sqlite"

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens or makes the store in the file.
func Open(ctx context.Context, file string, o store.Options) (*store.Store, error) {
	if err := touch(file); err != nil {
		return nil, err
	}
	e, err := engine(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	s, err := store.New(ctx, e, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), e.Read.Close(), e.Write.Close())
	}
	return s, nil
}

// touch makes the file where there is none. What SQLite makes beside it gets its
// permissions.
func touch(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func engine(file string) (store.Engine, error) {
	// cache_size in KiB; the page cache of a reader is small, the system's
	// holds the rest.
	write, err := connect(file, 64<<10, "_txlock", "immediate")
	if err != nil {
		return store.Engine{}, err
	}
	write.SetMaxOpenConns(1)
	read, err := connect(file, 8<<10, "_query_only", "1")
	if err != nil {
		return store.Engine{}, err
	}
	// Without a bound: whoever goes through a list may ask for more at each row,
	// and six of them at once would wait for each other for ever.
	read.SetMaxIdleConns(4 + runtime.NumCPU())
	folder, err := fs.Sub(migrations, "migrations")
	return store.Engine{Write: write, Read: read, Migrations: folder, Among: among, Columns: columns, Again: again, Copy: copier(file),
		Forget: func(ctx context.Context) (bool, error) { return forget(ctx, write) }}, err
}

// forget empties the log of what was written before. What it held of pages that
// have changed since is gone with it; in the file itself secure_delete has seen to
// that.
func forget(ctx context.Context, write *sql.DB) (done bool, err error) {
	conn, err := write.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// Others must not wait while this waits for somebody who reads.
	if _, err := conn.ExecContext(ctx, `PRAGMA busy_timeout = 500`); err != nil {
		return false, err
	}
	var busy, log, moved int
	err = conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved)
	_, again := conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, busyTimeout))
	return busy == 0, errors.Join(err, again)
}

// busyTimeout is how long one process waits for another, ms.
const busyTimeout = 10_000

func connect(file string, cacheKiB int, key, value string) (*sql.DB, error) {
	q := url.Values{key: {value}}
	// secure_delete writes zeros over what is dropped or replaced: content that was
	// erased by law must not stay in the file's unused parts.
	// busy_timeout comes first: switching to WAL needs the lock that another
	// process may hold.
	for _, p := range []string{fmt.Sprintf("busy_timeout(%d)", busyTimeout), "journal_mode(WAL)", "synchronous(FULL)", fmt.Sprintf("cache_size(-%d)", cacheKiB),
		"temp_store(MEMORY)", "wal_autocheckpoint(4000)", "secure_delete(ON)"} {
		q.Add("_pragma", p)
	}
	where, err := location(file, q)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", where)
}

// location is a file as the driver is told of it.
func location(file string, q url.Values) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	// A drive letter needs the third slash, and ? # % in a path their escapes.
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	if u.Path[0] != '/' {
		u.Path = "/" + u.Path
	}
	return u.String(), nil
}

func among(column string, n int) string {
	return fmt.Sprintf("%s IN (SELECT value FROM json_each($%d))", column, n)
}

func columns(ctx context.Context, tx *sql.Tx, table string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM pragma_table_info($1)`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// copier gives what copies the database. VACUUM INTO reads within one transaction,
// which in WAL mode keeps nobody from writing.
func copier(database string) func(context.Context, string, func(*sql.DB) error) error {
	return func(ctx context.Context, file string, look func(*sql.DB) error) error {
		// The file is made first, for its permissions: SQLite writes into an empty one.
		f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		// On a connection of its own: the readers' may write nothing, not even this,
		// and the writer's is wanted.
		from, err := connect(database, 8<<10, "_txlock", "deferred")
		if err != nil {
			return err
		}
		_, err = from.ExecContext(ctx, `VACUUM INTO $1`, file)
		if err = errors.Join(err, from.Close()); err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
		where, err := location(file, url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)"}})
		if err != nil {
			return err
		}
		db, err := sql.Open("sqlite", where)
		if err != nil {
			return err
		}
		return errors.Join(look(db), db.Close())
	}
}

// Sound tells whether the file is a database of which every page reads well.
func Sound(ctx context.Context, file string) (bool, error) {
	where, err := location(file, url.Values{"mode": {"ro"}})
	if err != nil {
		return false, err
	}
	db, err := sql.Open("sqlite", where)
	if err != nil {
		return false, err
	}
	var said string
	err = db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said)
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == corrupt || e.Code()&0xff == notDatabase) {
		err = nil
	}
	return said == "ok", errors.Join(err, db.Close())
}

// The primary result codes that a repetition may mend.
const (
	busy   = 5
	locked = 6
)

// Those of a file that is no sound database.
const (
	corrupt     = 11
	notDatabase = 26
)

func again(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == busy || e.Code()&0xff == locked)
}
