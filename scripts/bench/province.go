package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"zhucun/scripts/dataset"
	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/server/web"
	"zhucun/shared/clock"
	"zhucun/shared/figure"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// A province: its villages, their households and their visits of two years.
var provinceSize = dataset.Options{Seed: 1, Villages: 3000, Households: 180_000, Visits: 2_000_000, Changes: -1}

// provinceTimes is how often each page is asked for.
const provinceTimes = 30

// province measures the office's pages over a whole province on SQLite: minutes to fill,
// so only when it is asked for by name. ZHUCUN_BENCH_SHARE=100 fills a hundredth.
func province(ctx context.Context, b *bench) (err error) {
	r, done, err := b.dir("province")
	if err != nil {
		return err
	}
	defer done()
	size := provinceSize
	if share := 0; os.Getenv("ZHUCUN_BENCH_SHARE") != "" {
		if _, err := fmt.Sscan(os.Getenv("ZHUCUN_BENCH_SHARE"), &share); err != nil || share < 1 {
			return fmt.Errorf("ZHUCUN_BENCH_SHARE: %q is no number above 0", os.Getenv("ZHUCUN_BENCH_SHARE"))
		}
		size.Villages, size.Households, size.Visits = max(1, size.Villages/share), size.Households/share, size.Visits/share
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	file := filepath.Join(r.Dir, "zhucun.db")
	s, err := sqlite.Open(ctx, file, store.Options{Key: key, Now: time.Now, Random: rand.Reader})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a := access.New(s)
	began := time.Now()
	last, err := fillProvince(ctx, s, a, size)
	if err != nil {
		return fmt.Errorf("fill the province: %w", err)
	}
	of := fmt.Sprintf(" (%d villages, %d households, %d visits)", size.Villages, size.Households, size.Visits)
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	b.add(result{What: "the province's database" + of, Value: float64(info.Size()) / (1 << 20), Unit: "MB", Beside: fmt.Sprintf("filled in %.0f s", time.Since(began).Seconds())})

	// All villages' figures, of nothing known before.
	month, err := figure.MonthOf(last[:len("2017-05")], last)
	if err != nil {
		return err
	}
	began = time.Now()
	if _, err := s.Figures(ctx, store.FigureQuery{Periods: []figure.Period{month}, Patience: time.Hour}); err != nil {
		return err
	}
	all := time.Since(began)
	b.add(result{What: "figures of a village worked out anew", Value: all.Seconds() * 1000 / float64(size.Villages), Unit: "ms", Beside: fmt.Sprintf("all of them in %.1f s, once a day and after changes", all.Seconds())})

	if err := a.AddAccount(ctx, "office", provincePassword, []identity.Role{identity.Office}, ""); err != nil {
		return err
	}
	site := web.New(s, a, review.New(s), web.Options{URL: "http://127.0.0.1", Version: "bench"})
	defer site.Close()
	server := httptest.NewServer(site.Handler())
	defer server.Close()
	client, err := signedIn(server.URL)
	if err != nil {
		return err
	}
	for _, page := range []struct {
		name, path string
		target     float64
	}{
		{"leaders' table", "/leaders?month=" + month.Name, 300},
		{"leaders' workbook", "/leaders.xlsx?month=" + month.Name, 0},
		{"coverage of six months", "/coverage?month=" + month.Name, 300},
		{"charts", "/charts?month=" + month.Name, 300},
		{"map of all villages", "/map?month=" + month.Name, 300},
		{"map of a village", "/map?village=" + provinceVillage(size.Villages/2) + "&month=" + month.Name, 300},
		{"overdue by village", "/overdue", 300},
		{"figures of one village", "/figures/" + provinceVillage(0) + "?month=" + month.Name, 300},
		{"first page of visits", "/records/visit", 100},
		{"first page of households", "/records/household", 100},
		{"visits of a village", "/records/visit?village=" + provinceVillage(size.Villages/2), 100},
		{"households found by initials", "/records/household?q=wx", 100},
		{"people found by name", "/records/person?q=%E7%8E%8B", 100},
		{"people found by the end of a number", "/records/person?q=0012", 100},
		{"visits of whom a name finds", "/records/visit?q=wxm", 100},
		{"visits of one result", "/records/visit?w.visit_result=refused", 100},
		{"first page of what waits", "/conflicts", 100},
	} {
		var took []float64
		for n := range provinceTimes + 1 {
			began := time.Now()
			answer, err := client.Get(server.URL + page.path)
			if err != nil {
				return err
			}
			bytes, err := io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK || bytes == 0 {
				return fmt.Errorf("%s: %s, %d bytes, %v", page.path, answer.Status, bytes, err)
			}
			if n > 0 { // the first makes what is kept, and prepares statements
				took = append(took, time.Since(began).Seconds()*1000)
			}
		}
		slices.Sort(took)
		b.add(result{What: "office page: " + page.name + of, Value: took[len(took)/2], Unit: "ms", Target: page.target, Beside: fmt.Sprintf("slowest of %d %.0f ms", provinceTimes, took[len(took)-1])})
	}
	for _, format := range []string{"csv", "xlsx"} {
		if err := exported(b, client, server.URL+"/export/visit?format="+format, "all visits as "+format+of); err != nil {
			return err
		}
	}
	return nil
}

// exported takes a file out and measures how long it takes and what the server holds in
// memory for it at most, above what it held before.
func exported(b *bench, client *http.Client, from, what string) error {
	held := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before := held()
	most := make(chan uint64)
	end := make(chan struct{})
	go func() {
		top := before
		for {
			select {
			case <-end:
				most <- top
				return
			case <-time.After(50 * time.Millisecond):
				top = max(top, held())
			}
		}
	}()
	began := time.Now()
	answer, err := client.Get(from)
	if err != nil {
		close(end)
		<-most
		return err
	}
	bytes, err := io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	close(end)
	peak := <-most
	if err != nil || answer.StatusCode != http.StatusOK || bytes == 0 {
		return fmt.Errorf("%s: %s, %d bytes, %v", from, answer.Status, bytes, err)
	}
	b.add(result{What: what + ", heap above what was there", Value: float64(peak-before) / mb, Unit: "MB", Target: 100, Beside: fmt.Sprintf("%d MB in %.1f s", bytes/mb, time.Since(began).Seconds())})
	return nil
}

const provincePassword = "correct horse battery"

func provinceVillage(n int) string { return fmt.Sprintf("369999%06d", n+1) }

// signedIn gives a client that is signed in as the office.
func signedIn(to string) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Jar: jar}
	answer, err := c.Get(to + "/signin")
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	form := url.Values{"login": {"office"}, "password": {provincePassword}}
	for _, m := range regexp.MustCompile(`type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(string(raw), -1) {
		if form.Get(m[1]) == "" {
			form.Set(m[1], m[2])
		}
	}
	if answer, err = c.PostForm(to+"/signin", form); err != nil {
		return nil, err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || strings.HasPrefix(answer.Request.URL.Path, "/signin") {
		return nil, fmt.Errorf("sign in: %s at %s", answer.Status, answer.Request.URL.Path)
	}
	return c, nil
}

// registrar is a laptop of the office that has all villages.
type registrar struct {
	s      *store.Store
	device store.Device
	key    ed25519.PrivateKey
	inc    identity.Incarnation
	heads  map[record.Village]journal.Head
	runs   map[record.Village][]record.Change
}

// provinceRun is how many changes a village's delivery has.
const provinceRun = 250

// fillProvince has the office's laptop deliver a province, and gives the last day of a
// visit.
func fillProvince(ctx context.Context, s *store.Store, a *access.Access, size dataset.Options) (last string, err error) {
	var villages []record.Village
	l := &registrar{s: s, heads: map[record.Village]journal.Head{}, runs: map[record.Village][]record.Change{}}
	enrol := func() error {
		code, err := a.NewCode(ctx, access.Laptop{Villages: villages, Role: identity.Office, Name: "登记员", TTL: time.Hour, URL: "https://office.test"})
		if err != nil {
			return err
		}
		var public ed25519.PublicKey
		if public, l.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return err
		}
		answer, err := a.Enrol(ctx, &wire.Enrol{Code: code.ID, Secret: code.Secret, Key: public, Agent: "bench"})
		if err != nil {
			return err
		}
		l.device, err = s.Device(ctx, answer.Device)
		return err
	}
	err = dataset.Walk(size, dataset.Sink{
		Village: func(v dataset.Village) error {
			villages = append(villages, record.Village(v.Code))
			return a.AddVillage(ctx, store.Village{Code: record.Village(v.Code), Name: v.Name, Township: v.Township})
		},
		Record: func(r dataset.Record) error {
			if len(l.key) == 0 {
				if err := enrol(); err != nil {
					return err
				}
			}
			c, day, err := changeOf(r)
			if err != nil {
				return err
			}
			last = max(last, day)
			v := record.Village(r.Village)
			if l.runs[v] = append(l.runs[v], c); len(l.runs[v]) < provinceRun {
				return nil
			}
			return l.send(ctx, v)
		},
	})
	for _, v := range villages {
		if err == nil && len(l.runs[v]) > 0 {
			err = l.send(ctx, v)
		}
	}
	return last, err
}

// changeOf makes the change by which a record begins, and gives the day of a visit.
func changeOf(r dataset.Record) (c record.Change, day string, err error) {
	id, err := record.ParseID(r.ID)
	if err != nil {
		return c, "", err
	}
	raw, err := json.Marshal(r.Fields)
	if err != nil {
		return c, "", err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return c, "", err
	}
	f := form.Builtin().Form(record.Type(r.Type))
	values := map[string]record.Value{}
	for name, raw := range fields {
		if values[name], err = f.Field(name).Canon(raw); err != nil {
			return c, "", fmt.Errorf("%s %s: %w", r.Type, name, err)
		}
	}
	body, err := merge.Compose(f, nil, nil, merge.Writer{Author: "登记员", Role: identity.Office}, values)
	if err != nil {
		return c, "", err
	}
	body = append(body, record.Write{Path: record.Source, Value: record.Text("import")})
	record.SortBody(body)
	day, _ = values["visit_date"].Text()
	return record.Change{Record: id, Type: f.Type, Time: uint64(clock.At0(time.Now().UnixMilli())), Author: "登记员", Form: f.Version, Body: body}, day, nil
}

// send delivers what a village has pending.
func (l *registrar) send(ctx context.Context, v record.Village) error {
	head := l.heads[v]
	seg := &journal.Segment{Stream: identity.StreamOf(l.device.Key, string(v), l.inc), From: head.Seq + 1, Incarnation: l.inc, Changes: l.runs[v]}
	rand.Read(seg.Seed[:])
	hashes := seg.Hashes(head.Hash)
	end := hashes[len(hashes)-1]
	seg.Seal(l.key, end)
	l.heads[v] = journal.Head{Seq: seg.Last(), Hash: end}
	delete(l.runs, v)
	taken, err := l.s.Take(ctx, store.Delivery{Village: v, From: l.device, Segments: [][]byte{seg.Encode()}, Received: clock.At0(time.Now().UnixMilli())})
	if err == nil && len(taken.Refused) > 0 {
		err = fmt.Errorf("refused: %+v", taken.Refused)
	}
	return err
}
