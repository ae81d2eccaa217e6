package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// migrate runs the engine's migrations that have not run yet, all in one transaction
// with the notes that they have: an upgrade that fails leaves the data as it was. They
// only go forward: going back means restoring a backup.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Glob(s.engine.Migrations, "*.sql")
	if err != nil {
		return err
	}
	slices.Sort(files)
	return s.change(ctx, func(t *tx) error {
		// Statements of a migration are not worth keeping, and the schema they
		// were prepared for is about to change.
		t.from = nil
		if err := t.exec(`CREATE TABLE IF NOT EXISTS migration(number BIGINT PRIMARY KEY, at BIGINT NOT NULL)`); err != nil {
			return err
		}
		done := map[int]bool{}
		if err := t.rows(func(r *sql.Rows) error {
			var number int
			err := r.Scan(&number)
			done[number] = true
			return err
		}, `SELECT number FROM migration`); err != nil {
			return err
		}
		for _, file := range files {
			number, err := strconv.Atoi(strings.Split(file, "_")[0])
			if err != nil {
				return fmt.Errorf("migration %s: its name begins with no number", file)
			}
			if done[number] {
				continue
			}
			if err := s.step(t, file, number); err != nil {
				return fmt.Errorf("migration %s: %w", file, err)
			}
		}
		return nil
	})
}

// step runs one migration.
func (s *Store) step(t *tx, file string, number int) error {
	text, err := fs.ReadFile(s.engine.Migrations, file)
	if err != nil {
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
}
