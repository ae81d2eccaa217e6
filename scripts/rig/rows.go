package rig

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	_ "zhucun/server/store/sqlite" // has the driver
)

// Rows tells apart two states of the office: every row of its tables. Of its
// sessions only how many there are, as they note when they were last used, and
// without when laptops were last heard of, which is noted a while later, and figures,
// keys, pairs and counts, which are worked out of the rest whenever somebody looks.
func (s *Server) Rows() (all string, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "zhucun.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tables, err := rows(db, "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range tables {
		name := fmt.Sprint(t[0])
		if slices.Contains([]string{"contact", "figure", "search_key", "search_head", "type_count", "alike", "alike_head", "pair"}, name) {
			continue
		}
		list, err := rows(db, `SELECT * FROM "`+name+`"`)
		if err != nil {
			return "", fmt.Errorf("read table %s: %w", name, err)
		}
		if name == "session" {
			fmt.Fprintln(&b, name, len(list))
			continue
		}
		for _, row := range list {
			fmt.Fprintln(&b, name, row)
		}
	}
	return b.String(), nil
}

func rows(db *sql.DB, query string) (list [][]any, err error) {
	r, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	names, err := r.Columns()
	if err != nil {
		return nil, err
	}
	for r.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := r.Scan(into...); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, r.Err()
}

// Changed gives the lines of one state that another did not have, and the other
// way round.
func Changed(before, after string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, of, not string }{{"-", before, after}, {"+", after, before}} {
		known := strings.Split(side.not, "\n")
		for _, line := range strings.Split(side.of, "\n") {
			if !slices.Contains(known, line) {
				fmt.Fprintf(&b, "%s %.300s\n", side.sign, line)
			}
		}
	}
	return b.String()
}
