package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

// pages measures the office's pages with 2,000 households and 20,000 visits,
// each as a browser asks for it, beside reading the fields of as many rows as a
// page of a list has from a plain table.
func pages(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("pages")
	if err != nil {
		return err
	}
	defer done()
	s := makeSet(1, 6, 2000, 20000)
	srv, err := office(ctx, r, s.villages...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Stop()) }()
	l, err := r.Laptop(ctx, srv, "laptop", "甲", identity.Office, s.villages...)
	if err != nil {
		return err
	}
	defer l.Close()
	name, err := file(r.Dir, s.records)
	if err != nil {
		return err
	}
	if _, err := l.Import(ctx, name); err != nil {
		return err
	}
	if _, err := l.Sync(ctx, 5*time.Minute); err != nil {
		return err
	}
	bare, err := plainRows(ctx, filepath.Join(r.Dir, "rows.db"), s)
	if err != nil {
		return err
	}
	v, err := signIn(ctx, srv)
	if err != nil {
		return err
	}
	house := s.records[slices.IndexFunc(s.records, func(r dataset.Record) bool { return r.Type == "household" })]
	for _, path := range []string{"/", "/records/household", "/records/visit", "/records/visit?village=" + s.villages[0], "/records/visit?q=" + url.QueryEscape("王"),
		"/record/" + house.Village + "/" + house.ID, "/coverage?month=2024-12", "/overdue", "/conflicts", "/devices"} {
		took, size, err := median(9, func() (int, error) { return v.get(ctx, path) })
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		shown, err := url.QueryUnescape(path)
		if err != nil {
			return err
		}
		b.add(result{What: "office page " + shown, Value: float64(took.Microseconds()) / 1000, Unit: "ms", Target: 100,
			Beside: fmt.Sprintf("%d KB; %.0f times 50 rows of a plain table", size/kb, float64(took)/float64(bare))})
	}
	return nil
}

// median gives the median time of n calls of do, and what the last one gave.
func median(n int, do func() (int, error)) (time.Duration, int, error) {
	var took []time.Duration
	var size int
	for range n {
		start := time.Now()
		var err error
		if size, err = do(); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[n/2], size, nil
}

// plainRows puts the records into a plain table and gives how long it takes to
// read the fields of 50 visits of a village.
func plainRows(ctx context.Context, name string, s set) (time.Duration, error) {
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=journal_mode(WAL)&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "create table record (village text, type text, id text, fields text, primary key (village, type, id))"); err != nil {
		return 0, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	for _, r := range s.records {
		fields, err := json.Marshal(r.Fields)
		if err != nil {
			return 0, err
		}
		if _, err := tx.ExecContext(ctx, "insert into record values (?,?,?,?)", r.Village, r.Type, r.ID, string(fields)); err != nil {
			return 0, err
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	took, _, err := median(9, func() (n int, err error) {
		rows, err := db.QueryContext(ctx, "select fields from record where village = ? and type = 'visit' order by id limit 50", s.villages[0])
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			var raw string
			var fields map[string]any
			if err := rows.Scan(&raw); err != nil {
				return 0, err
			}
			if err := json.Unmarshal([]byte(raw), &fields); err != nil {
				return 0, err
			}
			n += len(fields)
		}
		return n, rows.Err()
	})
	return took, err
}

// visitor is a browser that has signed in.
type visitor struct {
	http.Client
	base  string
	token string // of the laptop's pages
}

func signIn(ctx context.Context, srv *rig.Server) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{Client: http.Client{Jar: jar}, base: srv.URL}
	body, err := v.read(ctx, "/signin")
	if err != nil {
		return nil, err
	}
	form := url.Values{"login": {srv.Login}, "password": {srv.Password}, "to": {"/"}}
	if token := regexp.MustCompile(`name="_token" value="([^"]*)"`).FindSubmatch(body); token != nil {
		form.Set("_token", string(token[1]))
	}
	resp, err := v.PostForm(v.base+"/signin", form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/" {
		return nil, fmt.Errorf("sign in: %s at %s", resp.Status, resp.Request.URL.Path)
	}
	return v, nil
}

func (v *visitor) get(ctx context.Context, path string) (int, error) {
	body, err := v.read(ctx, path)
	return len(body), err
}

func (v *visitor) read(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := v.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}
