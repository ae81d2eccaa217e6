package store

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// migrate runs the engine's migrations that have not run yet, each in a
// transaction with the note that it has. They only go forward: going back
// means restoring a backup.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Glob(s.engine.Migrations, "*.sql")
	if err != nil {
		return err
	}
	slices.Sort(files)
	t := func(do func(*tx) error) error {
		// Statements of a migration are not worth keeping, and the schema they
		// were prepared for is about to change.
		return s.change(ctx, func(t *tx) error { t.from = nil; return do(t) })
	}
	if err := t(func(t *tx) error {
		return t.exec(`CREATE TABLE IF NOT EXISTS migration(number BIGINT PRIMARY KEY, at BIGINT NOT NULL)`)
	}); err != nil {
		return err
	}
	for _, file := range files {
		number, err := strconv.Atoi(strings.Split(file, "_")[0])
		if err != nil {
			return fmt.Errorf("migration %s: its name begins with no number", file)
		}
		text, err := fs.ReadFile(s.engine.Migrations, file)
		if err != nil {
			return err
		}
		err = t(func(t *tx) error {
			var done int
			if err := t.row(`SELECT count(*) FROM migration WHERE number = $1`, number).Scan(&done); err != nil || done > 0 {
				return err
			}
			for _, statement := range strings.Split(string(text), ";\n") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if err := t.exec(statement); err != nil {
					return err
				}
			}
			return t.exec(`INSERT INTO migration(number, at) VALUES($1, $2)`, number, s.now())
		})
		if err != nil {
			return fmt.Errorf("migration %s: %w", file, err)
		}
	}
	return nil
}
