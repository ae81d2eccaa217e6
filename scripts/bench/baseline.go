package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"zhucun/scripts/badlink"
	"zhucun/scripts/rig"
	_ "zhucun/server/store/sqlite" // its driver
)

// baseline is what anybody would write first: JSON lines in a gzipped POST, each
// inserted into a table by itself, one transaction a request, synced to disk. It
// checks nothing, merges nothing and knows no laptop.
func baseline(args []string) error {
	f := flag.NewFlagSet("baseline", flag.ContinueOnError)
	data := f.String("data", "", "folder")
	f.Bool("json", true, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(*data, "plain.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("create table if not exists record (village text, type text, id text primary key, fields text)"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("{\"listening\":%q}\n", l.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := insert(r.Context(), db, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "{\"taken\":%d}\n", n)
	})}
	go s.Serve(l)
	<-ctx.Done()
	return s.Close()
}

func insert(ctx context.Context, db *sql.DB, body io.Reader) (n int, err error) {
	z, err := gzip.NewReader(body)
	if err != nil {
		return 0, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		var r struct {
			Village, Type, ID string
			Fields            json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return n, err
		}
		if _, err := tx.ExecContext(ctx, "insert into record values (?,?,?,?) on conflict (id) do update set fields=excluded.fields", r.Village, r.Type, r.ID, string(r.Fields)); err != nil {
			return n, err
		}
	}
	if err := lines.Err(); err != nil {
		return n, err
	}
	return n, tx.Commit()
}

// plain is a running baseline behind a link.
type plain struct {
	rig.Program
	link *badlink.Link
}

func (b *bench) plain(ctx context.Context, dir string) (*plain, error) {
	p := &plain{Program: rig.Program{Binary: b.self, Data: filepath.Join(dir, "plain")}}
	var ready struct{ Listening string }
	if err := p.Start(ctx, &ready, "baseline"); err != nil {
		return nil, err
	}
	link, err := badlink.New(ready.Listening, 1, badlink.Weather{})
	if err != nil {
		p.Stop()
		return nil, err
	}
	p.link = link
	return p, nil
}

func (p *plain) close() {
	p.Stop()
	p.link.Close()
}

// post sends lines and gives the bytes both ways and the server's CPU time.
func (p *plain) post(ctx context.Context, lines []byte) (bytesBoth int64, cpu time.Duration, err error) {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Write(lines)
	if err := z.Close(); err != nil {
		return 0, 0, err
	}
	before, err := p.CPU()
	if err != nil {
		return 0, 0, err
	}
	p.link.Reset()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.link.Addr()+"/records", &body)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Content-Type", "application/jsonl")
	req.Header.Set("Authorization", "Bearer 0123456789abcdef0123456789abcdef")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("the baseline answered %s: %s", resp.Status, said)
	}
	after, err := p.CPU()
	c := p.link.Counts()
	return c.Up + c.Down, after - before, err
}
