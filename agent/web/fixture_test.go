package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// The villages of testdata/records.jsonl.gz, which scripts/dataset/gen made with
// --seed 7 --villages 2 --households 36 --visits 260 --changes 0: made-up data.
var (
	firstVillage  = wire.Village{Code: "369999000001", Name: "红尖溪村", Township: "福窝镇"}
	secondVillage = wire.Village{Code: "369999000002", Name: "兴口村", Township: "荷祠背镇"}
)

// morning is when the tests take place: a few days after the last visit.
var morning = time.Date(2025, 1, 9, 9, 30, 0, 0, beijing)

// given is a record as the file has it.
type given struct {
	Village record.Village             `json:"village"`
	Type    record.Type                `json:"type"`
	ID      string                     `json:"id"`
	Fields  map[string]json.RawMessage `json:"fields"`
}

var givens = sync.OnceValue(func() []given {
	f, err := os.Open("testdata/records.jsonl.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	var out []given
	for d := json.NewDecoder(bufio.NewReader(z)); ; {
		var g given
		if err := d.Decode(&g); err == io.EOF {
			return out
		} else if err != nil {
			panic(err)
		}
		out = append(out, g)
	}
})

// fakeSync is a syncer that never syncs; the files it makes and takes are real.
type fakeSync struct {
	Bundler
	mu    sync.Mutex
	state SyncState
	asked int
	enrol func(code string) form.Label
}

func (f *fakeSync) State() SyncState { f.mu.Lock(); defer f.mu.Unlock(); return f.state }
func (f *fakeSync) Now()             { f.mu.Lock(); defer f.mu.Unlock(); f.asked++ }

func (f *fakeSync) Enrol(_ context.Context, code string) form.Label { return f.enrol(code) }

// fixture is a laptop with pages, and an office whose records came to it.
type fixture struct {
	t      *testing.T
	dir    string
	wall   atomic.Int64 // ms since 1970, of both
	up     atomic.Int64 // ns; how long the agent has been running
	laptop *store.Store
	office *store.Store
	cursor map[record.Village]uint64
	asked  map[record.ID]merge.State // registers of the office's questions
	asks   uint64
	sync   *fakeSync
	site   *Site
	server *http.Server
	base   string // http://127.0.0.1:port
	at     string // base and the path under which the pages are
	client *http.Client
}

// newFixture makes a laptop of one village with the village's records, or an
// empty one.
func newFixture(t *testing.T, filled bool, villages ...wire.Village) *fixture {
	t.Helper()
	if len(villages) == 0 {
		villages = []wire.Village{firstVillage}
	}
	f := &fixture{t: t, dir: t.TempDir(), cursor: map[record.Village]uint64{}, sync: &fakeSync{}}
	f.sync.state = SyncState{Success: morning.Add(-40 * time.Minute), Attempt: morning.Add(-40 * time.Minute), Online: true}
	f.wall.Store(morning.UnixMilli())
	var err error
	if f.office, err = store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), Wall: f.wall.Load, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.office.Close() })
	names := []string{"系统"}
	team := map[string]string{}
	for _, g := range givens() {
		if g.Type == teamType {
			var name string
			json.Unmarshal(g.Fields["person_name"], &name)
			team[g.ID] = name
			names = append(names, name)
		}
	}
	f.enrol(f.office, "office", identity.Office, villages, names...)
	f.open(villages)
	if filled {
		f.fill(team, villages)
		f.pull()
	}
	f.serve()
	return f
}

// enrol makes a store that of an enrolled device.
func (f *fixture) enrol(s *store.Store, id identity.Device, role identity.Role, villages []wire.Village, profiles ...string) {
	_, err := s.SetDevice(f.t.Context(), func(d *store.Device) {
		d.ID, d.Token, d.Numbers, d.Server = id, "token", make([]byte, 32), serverKey.Public().(ed25519.PublicKey)
		d.Assigned = wire.Assignment{Villages: villages, Role: role, Profiles: profiles}
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// open opens the laptop's store and enrols it for a member of the team.
func (f *fixture) open(villages []wire.Village) {
	var err error
	if f.laptop, err = store.Open(f.dir, store.Options{Key: make([]byte, store.KeySize), Wall: f.wall.Load, NoSync: true}); err != nil {
		f.t.Fatal(err)
	}
	f.enrol(f.laptop, "laptop", identity.TeamMember, villages, "杜旺火", "曹彤倩")
}

// fill gives the office every record of the villages, each when it happened.
func (f *fixture) fill(team map[string]string, villages []wire.Village) {
	now := f.wall.Load()
	var edits []store.Edit
	save := func() {
		if _, err := f.office.Save(f.t.Context(), edits...); err != nil {
			f.t.Fatal(err)
		}
		edits = edits[:0]
	}
	for _, g := range givens() {
		if !slices.ContainsFunc(villages, func(v wire.Village) bool { return v.Code == g.Village }) {
			continue
		}
		id, err := record.ParseID(g.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		e := store.Edit{Village: g.Village, Type: g.Type, ID: id, Author: "系统", Source: store.Import, Fields: map[string]record.Value{}}
		at := "2023-02-01"
		for name, raw := range g.Fields {
			v, err := form.Builtin().Form(g.Type).Field(name).Canon(raw)
			if err != nil {
				f.t.Fatalf("%s %s: %v", g.Type, name, err)
			}
			e.Fields[name] = v
			if name == "visit_date" {
				at, _ = v.Text()
				e.Source = store.Onsite
			}
			if who := team[first(v.Texts())]; name == "visitors" && who != "" {
				e.Author = who
			}
		}
		day, err := time.ParseInLocation(time.DateOnly, at, beijing)
		if err != nil {
			f.t.Fatal(err)
		}
		if wall := day.Add(15 * time.Hour).UnixMilli(); wall != f.wall.Load() {
			save()
			f.wall.Store(wall)
		}
		edits = append(edits, e)
	}
	save()
	f.wall.Store(now)
}

// pull brings the laptop what the office has.
func (f *fixture) pull() {
	f.t.Helper()
	status, err := f.office.Status()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, v := range status.Villages {
		p := wire.Pull{Village: v.Code, Epoch: wire.Epoch{1}, From: f.cursor[v.Code]}
		for _, ft := range form.Builtin().Forms() {
			err := f.office.Each(v.Code, ft.Type, func(r store.Record) bool {
				maps.Copy(r.State, f.asked[r.Key.ID])
				p.Records = append(p.Records, wire.State{ID: r.Key.ID, Type: r.Key.Type, State: r.State.Encode()})
				return true
			})
			if err != nil {
				f.t.Fatal(err)
			}
		}
		for _, s := range v.Streams {
			p.Heads = append(p.Heads, wire.StreamHead{Stream: s.Stream, Seq: s.Head})
		}
		if f.asks > 0 {
			p.Heads = append(p.Heads, wire.StreamHead{Stream: deskStream, Seq: f.asks})
		}
		p.Cursor = f.cursor[v.Code] + uint64(len(p.Records))
		if _, err := f.laptop.Take(f.t.Context(), &p); err != nil {
			f.t.Fatal(err)
		}
		f.cursor[v.Code] = p.Cursor
	}
}

// deskStream is where the server itself writes.
var deskStream = record.Stream{9}

// ask is the office asking about what the laptop has, which the next pull brings; without
// words it asks no more.
func (f *fixture) ask(k record.Key, path record.Path, words string) {
	f.t.Helper()
	r, err := f.laptop.Get(k.Type, k.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	ft := form.Builtin().Form(k.Type)
	write, err := merge.Ask(ft, r.State, merge.Writer{Author: "陈科长", Role: identity.Office}, path, words)
	if words == "" {
		write, err = merge.Close(ft, r.State, path)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.asks++
	if f.asked == nil {
		f.asked = map[record.ID]merge.State{}
	}
	if f.asked[k.ID] == nil {
		f.asked[k.ID] = merge.State{}
	}
	f.asked[k.ID][write.Path] = merge.Register{Siblings: []merge.Sibling{{Dot: record.Dot{Stream: deskStream, Seq: f.asks}, Value: write.Value, At: clock.At0(f.wall.Load()), Author: "陈科长"}}}
	f.pull()
}

// serve serves the laptop's pages on a free port of loopback.
func (f *fixture) serve() {
	f.sync.Bundler = syncclient.New(f.laptop, "test", slog.New(slog.DiscardHandler))
	f.site = New(f.laptop, f.sync, Options{Clock: func() time.Time { return time.UnixMilli(f.wall.Load()) }, Version: "test"})
	f.site.doors.uptime = func() time.Duration { return time.Duration(f.up.Load()) }
	f.site.cache.patience, f.site.cache.first, f.site.cache.hurry = time.Minute, time.Minute, time.Minute // what a test asks for is always of now
	addr := "127.0.0.1:0"
	if f.base != "" {
		addr = strings.TrimPrefix(f.base, "http://")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.base = "http://" + l.Addr().String()
	f.at = f.base + f.site.root
	f.server = &http.Server{Handler: f.site.Handler()}
	go f.server.Serve(l)
	f.t.Cleanup(f.stop)
	if f.client == nil {
		f.client = &http.Client{Jar: newJar(f.t)}
	}
}

func newJar(t testing.TB) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

// stop is the end of the agent, without warning for its pages.
func (f *fixture) stop() {
	f.server.Close()
	f.laptop.Close()
	if f.client != nil {
		f.client.CloseIdleConnections()
	}
}

// enter opens a session.
func (f *fixture) enter() *fixture {
	f.t.Helper()
	f.get(f.site.Link())
	return f
}

// answer is what a request came to.
type answer struct {
	status int
	body   string
	header http.Header
	path   string // where redirects led
}

func (f *fixture) do(r *http.Request) answer {
	f.t.Helper()
	res, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header, strings.TrimPrefix(res.Request.URL.RequestURI(), f.site.root)}
}

// address is where a path of the site, or a link, leads.
func (f *fixture) address(path string) string {
	if strings.HasPrefix(path, "/open") {
		return f.base + path
	}
	return f.at + path
}

func (f *fixture) get(path string) answer {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.address(path), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.do(r)
}

// post sends a form as a page of the site would.
func (f *fixture) post(path string, values url.Values) answer {
	f.t.Helper()
	v := url.Values{"_token": {f.site.doors.token()}}
	for k, texts := range values {
		v[k] = texts
	}
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.address(path), strings.NewReader(v.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", f.base)
	return f.do(r)
}

// sought searches on a page and gives the address of what was found, in which
// nothing stands of what was searched for.
func (f *fixture) sought(page, words string) string {
	f.t.Helper()
	a := f.post(page, url.Values{"q": {words}})
	if a.status != http.StatusOK || !strings.HasPrefix(a.path, page+"?s=") || strings.Contains(a.path, url.QueryEscape(words)) && len(words) > 1 || !strings.Contains(a.body, `value="`+html.EscapeString(words)+`"`) {
		f.t.Errorf("%q sought on %s leads to %s, %d", words, page, a.path, a.status)
	}
	return a.path
}

// house gives the n-th household of the laptop.
func (f *fixture) house(n int) *house {
	f.t.Helper()
	return f.snapshot().houses[n]
}

// snapshot is the store as the lists know it when they have caught up.
func (f *fixture) snapshot() *snapshot {
	f.t.Helper()
	for {
		snap, err := f.site.cache.get(f.today(), false)
		if err != nil {
			f.t.Fatal(err)
		}
		f.site.cache.mu.Lock()
		stale := f.site.cache.stale
		f.site.cache.mu.Unlock()
		select {
		case <-stale:
			time.Sleep(time.Millisecond)
		default:
			return snap
		}
	}
}

// set saves fields of a record, as typed, in a store.
func (f *fixture) set(s *store.Store, author string, t record.Type, id record.ID, fields map[string]string) record.ID {
	f.t.Helper()
	e := store.Edit{Type: t, ID: id, Author: author, Fields: map[string]record.Value{}}
	if id.IsZero() {
		e.Village = firstVillage.Code
	}
	for name, typed := range fields {
		v, err := form.Builtin().Form(t).Field(name).CanonText(typed)
		if err != nil {
			f.t.Fatal(err)
		}
		e.Fields[name] = v
	}
	saved, err := s.Save(context.Background(), e)
	if err != nil {
		f.t.Fatal(err)
	}
	return saved[0].Key.ID
}

// quarrel makes the laptop and the office write different things in fields of
// one household, neither having seen the other's.
func (f *fixture) quarrel(h *house) {
	f.t.Helper()
	f.wall.Add(60_000)
	f.set(f.office, "宋芬娥", householdType, h.id, map[string]string{"main_cause": "因病", "group_name": "坳背组", "phone": "13800138000"})
	f.wall.Add(60_000)
	f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"main_cause": "缺技术", "group_name": "坳背村民小组", "phone": "13900139000"})
	f.pull()
}

// lastVisitOf gives the id of a visit of the household.
func (f *fixture) lastVisitOf(h *house) (id record.ID) {
	f.t.Helper()
	err := f.laptop.Referring(h.id, visitType, func(r store.Record) bool { id = r.Key.ID; return true })
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// restart is the agent stopped without warning and started again.
func (f *fixture) restart() {
	f.t.Helper()
	f.stop()
	var err error
	if f.laptop, err = store.Open(f.dir, store.Options{Key: make([]byte, store.KeySize), Wall: f.wall.Load, NoSync: true}); err != nil {
		f.t.Fatal(err)
	}
	f.serve()
}

// today is the laptop's.
func (f *fixture) today() string {
	return time.UnixMilli(f.laptop.Now()).In(beijing).Format(time.DateOnly)
}
