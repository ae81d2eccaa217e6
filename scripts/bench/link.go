package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"zhucun/scripts/badlink"
	"zhucun/scripts/dataset"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

// The link of a village: slow and far away.
var steady = badlink.Weather{Delay: 300 * time.Millisecond, UpBits: 64_000, DownBits: 128_000}

// cutting cuts every connection of a link first after so long and then each 30
// seconds, and lets nobody in for 2, until stop is called; 0 is never.
func cutting(l *badlink.Link, first time.Duration) (stop func()) {
	l.Set(steady)
	if first == 0 {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for up, wait := true, first; ; up = !up {
			select {
			case <-end:
				return
			case <-time.After(wait):
			}
			if up {
				l.Set(badlink.Weather{Down: true})
				wait = 2 * time.Second
			} else {
				l.Set(steady)
				wait = 28 * time.Second
			}
		}
	}()
	return func() { close(end); <-ended }
}

// link measures a first upload of 1,100 records over a link that dies every half
// minute: how long it takes beside what the bytes alone would, and how many bytes
// went again, by the same upload over the same link without cuts.
func link(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("link")
	if err != nil {
		return err
	}
	defer done()
	s := makeSet(1, 1, 100, 1000)
	limit, err := zstd19(ctx, lines(s.records))
	if err != nil {
		return err
	}
	seconds := func(bytes int64) float64 { return float64(bytes) * 8 / float64(steady.UpBits) }
	// The link is cut on its own clock: the second run meets it later on its way. The
	// third is never cut. Each is to an office of its own.
	var up [3]int64
	var took [3]time.Duration
	var turns [3]int
	for i, first := range []time.Duration{10 * time.Second, 20 * time.Second, 0} {
		if took[i], up[i], turns[i], err = b.over(ctx, r, fmt.Sprint("office-", i), s, first); err != nil {
			return err
		}
	}
	plain, err := b.plain(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer plain.close()
	stop := cutting(plain.link, 20*time.Second)
	defer stop()
	plainTook, plainUp, plainOnce, err := plain.hundreds(ctx, s.records)
	if err != nil {
		return err
	}
	again := func(up, once int64) float64 { return 100 * float64(max(up-once, 0)) / float64(once) }
	mean := func(x [3]time.Duration) float64 { return (x[0] + x[1]).Seconds() / 2 }
	b.add(result{What: "1,100 records, 64/128 kbit/s, 600 ms, cut each 30 s", Value: mean(took), Unit: "s", Target: 45,
		Beside: fmt.Sprintf("first cut at 10 s %.1f s, at 20 s %.1f s, never %.1f s; %d, %d, %d trips; zstd -19 alone %.1f s, our bytes alone %.1f s; JSON gzip in hundreds %.1f s",
			took[0].Seconds(), took[1].Seconds(), took[2].Seconds(), turns[0], turns[1], turns[2], seconds(limit), seconds(up[2]), plainTook.Seconds())})
	b.add(result{What: "the same: bytes that went again", Value: (again(up[0], up[2]) + again(up[1], up[2])) / 2, Unit: "%", Target: 4,
		Beside: fmt.Sprintf("%d and %d KB up, %d KB never cut; JSON gzip in hundreds %.1f%% of %d KB", up[0]/kb, up[1]/kb, up[2]/kb, again(plainUp, plainOnce), plainOnce/kb)})
	return nil
}

// over gives how long a laptop takes to deliver a set through the link, first cut
// after so long, and what passed.
func (b *bench) over(ctx context.Context, r rig.Rig, name string, s set, first time.Duration) (took time.Duration, up int64, turns int, err error) {
	srv, err := r.Server(ctx, name)
	if err != nil {
		return 0, 0, 0, err
	}
	for _, v := range s.villages {
		if _, err := srv.Do(ctx, "village", "add", v, v); err != nil {
			return 0, 0, 0, err
		}
	}
	if err := r.Serve(ctx, srv, ""); err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, srv.Stop()) }()
	l, err := r.Laptop(ctx, srv, name+"-laptop", "甲", identity.Office, s.villages...)
	if err != nil {
		return 0, 0, 0, err
	}
	defer l.Close()
	file, err := file(r.Dir, s.records)
	if err != nil {
		return 0, 0, 0, err
	}
	if _, err := l.Import(ctx, file); err != nil {
		return 0, 0, 0, err
	}
	l.Link.Reset()
	stop := cutting(l.Link, first)
	defer stop()
	start := time.Now()
	sync, err := l.Sync(ctx, 5*time.Minute)
	if err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(start)
	if st, err := l.Status(ctx); err != nil || st.Delivered != uint64(len(s.records)) {
		return 0, 0, 0, errors.Join(err, fmt.Errorf("%d changes are delivered of %d", st.Delivered, len(s.records)))
	}
	c := l.Link.Counts()
	if sync.Pending > 0 {
		return 0, 0, 0, fmt.Errorf("%d changes are pending", sync.Pending)
	}
	return took, c.Up, c.Turns, nil
}

// hundreds posts records a hundred at a time, each until it is answered, and gives
// what passed and what would have if nothing had been cut.
func (p *plain) hundreds(ctx context.Context, records []dataset.Record) (took time.Duration, up, once int64, err error) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	p.link.Reset()
	start := time.Now()
	for len(records) > 0 {
		n := min(100, len(records))
		var body bytes.Buffer
		z := gzip.NewWriter(&body)
		z.Write(lines(records[:n]))
		if err := z.Close(); err != nil {
			return 0, 0, 0, err
		}
		for {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.link.Addr()+"/records", bytes.NewReader(body.Bytes()))
			if err != nil {
				return 0, 0, 0, err
			}
			req.Header.Set("Content-Encoding", "gzip")
			req.Header.Set("Content-Type", "application/jsonl")
			req.Header.Set("Authorization", "Bearer 0123456789abcdef0123456789abcdef")
			resp, err := client.Do(req)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil && resp.StatusCode != http.StatusOK {
					return 0, 0, 0, fmt.Errorf("the baseline answered %s", resp.Status)
				}
			}
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return 0, 0, 0, ctx.Err()
			case <-time.After(time.Second):
			}
		}
		records = records[n:]
		once += int64(body.Len()) + headers
	}
	return time.Since(start), p.link.Counts().Up, once, nil
}

// headers is about how long the head of such a request is.
const headers = 250
