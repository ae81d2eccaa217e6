package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/review"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/clock"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/merge"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// The villages of testdata/records.jsonl.gz, which scripts/dataset/gen made with
// --seed 7 --villages 2 --households 36 --visits 260 --changes 0: made-up data.
var small = []store.Village{
	{Code: "369999000001", Name: "红尖溪村", Township: "福窝镇"},
	{Code: "369999000002", Name: "兴口村", Township: "荷祠背镇"},
}

// morning is when the tests take place: a few days after the last visit.
var morning = time.Date(2025, 1, 9, 9, 30, 0, 0, beijing)

const password = "correct horse battery"

// fixture is an office with its pages, and the laptops that send to it.
type fixture struct {
	t       testing.TB
	store   *store.Store
	access  *access.Access
	review  *review.Review
	site    *Site
	backups *fakeBackups
	file    string       // of the store
	wall    atomic.Int64 // ms since 1970
	server  *httptest.Server
	laptops map[string]*laptop
	teams   map[string]string // names of the posts, by id
	n       int               // records that begun made
}

// newFixture makes an office of the villages, with three accounts: office,
// leader and admin.
func newFixture(t testing.TB, villages ...store.Village) *fixture {
	t.Helper()
	f := &fixture{t: t, laptops: map[string]*laptop{}, teams: map[string]string{}}
	f.wall.Store(morning.UnixMilli())
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.file = filepath.Join(t.TempDir(), "zhucun.db")
	f.store, err = sqlite.Open(t.Context(), f.file, store.Options{Key: key, Now: f.now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	f.access, f.review = access.New(f.store), review.New(f.store)
	f.access.Cost = access.Cost{Passes: 1, Memory: 8, Lanes: 1}
	for _, v := range villages {
		if err := f.access.AddVillage(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []identity.Role{identity.Office, identity.Leader, identity.Admin} {
		f.account(r)
	}
	f.backups = &fakeBackups{f: f, folder: t.TempDir()}
	f.site = New(f.store, f.access, f.review, Options{URL: "http://127.0.0.1", Spool: filepath.Join(filepath.Dir(f.file), "spool"), Version: "test", Backups: f.backups})
	f.server = httptest.NewServer(f.site.Handler())
	t.Cleanup(func() { f.site.Close(); f.server.Close() })
	return f
}

// account makes one of a role, called like it; a sponsor unit's is for the first
// village.
func (f *fixture) account(r identity.Role) {
	f.t.Helper()
	village := record.Village("")
	if r == identity.SponsorUnit {
		village = f.codes()[0]
	}
	if err := f.access.AddAccount(context.Background(), string(r), password, []identity.Role{r}, village); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) now() time.Time { return time.UnixMilli(f.wall.Load()) }

func (f *fixture) pass(d time.Duration) { f.wall.Add(d.Milliseconds()) }

// laptop signs what it sends as an agent does.
type laptop struct {
	f      *fixture
	device store.Device
	key    ed25519.PrivateKey
	inc    identity.Incarnation
	heads  map[record.Village]journal.Head
	author string
}

// laptop enrols one for a person by a code, or gives the one that is there.
func (f *fixture) laptop(name string, role identity.Role, villages ...record.Village) *laptop {
	f.t.Helper()
	if l := f.laptops[name]; l != nil {
		return l
	}
	ctx := context.Background()
	l := &laptop{f: f, heads: map[record.Village]journal.Head{}, author: name}
	code, err := f.access.NewCode(ctx, access.Laptop{Villages: villages, Role: role, Name: name, TTL: time.Hour, URL: "https://office.test"})
	if err != nil {
		f.t.Fatal(err)
	}
	var public ed25519.PublicKey
	if public, l.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
		f.t.Fatal(err)
	}
	answer, err := f.access.Enrol(ctx, &wire.Enrol{Code: code.ID, Secret: code.Secret, Key: public, Agent: "test"})
	if err != nil {
		f.t.Fatal(err)
	}
	if l.device, err = f.store.Device(ctx, answer.Device); err != nil {
		f.t.Fatal(err)
	}
	rand.Read(l.inc[:])
	f.laptops[name] = l
	return l
}

// send delivers changes to a village in one segment.
func (l *laptop) send(v record.Village, changes ...record.Change) store.Taken {
	l.f.t.Helper()
	head := l.heads[v]
	seg := &journal.Segment{Stream: identity.StreamOf(l.device.Key, string(v), l.inc), From: head.Seq + 1, Incarnation: l.inc, Changes: changes}
	rand.Read(seg.Seed[:])
	hashes := seg.Hashes(head.Hash)
	last := hashes[len(hashes)-1]
	seg.Seal(l.key, last)
	l.heads[v] = journal.Head{Seq: seg.Last(), Hash: last}
	taken, err := l.f.store.Take(context.Background(), store.Delivery{Village: v, From: l.device, Segments: [][]byte{seg.Encode()}, Received: clock.At0(l.f.wall.Load())})
	if err != nil {
		l.f.t.Fatal(err)
	}
	if len(taken.Refused) > 0 {
		l.f.t.Fatalf("refused: %+v", taken.Refused)
	}
	l.f.store.Heard(store.Contact{Village: v, Device: l.device.ID, Seen: l.f.now(), Agent: "test"})
	return taken
}

// change makes a change of fields, as typed, to a record as it is shown; a zero
// id makes a new one.
func (l *laptop) change(k record.Key, shown merge.State, fields map[string]string) record.Change {
	l.f.t.Helper()
	values := map[string]record.Value{}
	for name, typed := range fields {
		v, err := form.Builtin().Form(k.Type).Field(name).CanonText(typed)
		if err != nil {
			l.f.t.Fatal(err)
		}
		values[name] = v
	}
	return l.compose(k, shown, values, l.f.wall.Load())
}

func (l *laptop) compose(k record.Key, shown merge.State, values map[string]record.Value, at int64) record.Change {
	l.f.t.Helper()
	fm := form.Builtin().Form(k.Type)
	body, err := merge.Compose(fm, shown, shown.Authors(), merge.Writer{Author: l.author, Role: l.device.Role}, values)
	if err != nil {
		l.f.t.Fatal(err)
	}
	if shown == nil {
		body = append(body, record.Write{Path: record.Source, Value: record.Text("onsite")})
		record.SortBody(body)
	}
	return record.Change{Record: k.ID, Type: k.Type, Time: uint64(clock.At0(at)), Author: l.author, Form: fm.Version, Body: body}
}

// row is a record as the files have it.
type row struct {
	Village record.Village             `json:"village"`
	Type    record.Type                `json:"type"`
	ID      string                     `json:"id"`
	Fields  map[string]json.RawMessage `json:"fields"`
}

// fill sends the records of a file, the register from the office's laptop and
// each visit from its visitor's, on its day.
func (f *fixture) fill(r io.Reader) {
	f.t.Helper()
	now := f.wall.Load()
	f.wall.Store(time.Date(2023, 1, 30, 9, 0, 0, 0, beijing).UnixMilli())
	// Every laptop sends what it has in runs: a commit for each would take minutes.
	type line struct {
		l       *laptop
		village record.Village
	}
	pending := map[line][]record.Change{}
	flush := func(k line) {
		k.l.send(k.village, pending[k]...)
		delete(pending, k)
	}
	in := bufio.NewReaderSize(r, 1<<20)
	for d := json.NewDecoder(in); ; {
		var g row
		if err := d.Decode(&g); err == io.EOF {
			break
		} else if err != nil {
			f.t.Fatal(err)
		}
		id, err := record.ParseID(g.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		l, at := f.laptop("登记员", identity.Office, f.codes()...), time.Date(2023, 2, 1, 15, 0, 0, 0, beijing)
		values := map[string]record.Value{}
		for name, raw := range g.Fields {
			v, err := form.Builtin().Form(g.Type).Field(name).Canon(raw)
			if err != nil {
				f.t.Fatalf("%s %s: %v", g.Type, name, err)
			}
			values[name] = v
		}
		switch g.Type {
		case "team_post":
			f.teams[g.ID], _ = values["person_name"].Text()
		case "visit":
			day, _ := values["visit_date"].Text()
			if at, err = time.ParseInLocation(time.DateOnly, day, beijing); err != nil {
				f.t.Fatal(err)
			}
			at = at.Add(15 * time.Hour)
			l = f.laptop(f.teams[values["visitors"].Texts()[0]], identity.TeamMember, g.Village)
		}
		f.wall.Store(min(max(f.wall.Load(), at.UnixMilli()), now))
		to := line{l, g.Village}
		if pending[to] = append(pending[to], l.compose(record.Key{Village: g.Village, Type: g.Type, ID: id}, nil, values, at.UnixMilli())); len(pending[to]) == 250 {
			flush(to)
		}
	}
	f.wall.Store(now)
	for to := range pending {
		flush(to)
	}
	f.wall.Store(now)
}

func (f *fixture) codes() []record.Village {
	list, err := f.store.Villages(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	var codes []record.Village
	for _, v := range list {
		codes = append(codes, v.Code)
	}
	return codes
}

// filled is an office of the small villages with their records.
func filled(t testing.TB) *fixture {
	t.Helper()
	f := newFixture(t, small...)
	file, err := os.Open("testdata/records.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	f.fill(z)
	return f
}

// large is an office of six villages with 2,000 households and 20,000 visits,
// made by the repository's own generator.
func large(t testing.TB, households, visits string) *fixture {
	t.Helper()
	dir := t.TempDir()
	gen := exec.CommandContext(t.Context(), "go", "run", "./scripts/dataset/gen", "--out", dir, "--households", households, "--visits", visits, "--changes", "0")
	gen.Dir = "../.."
	if out, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "record-villages.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var villages []store.Village
	for line := range strings.Lines(string(raw)) {
		var v struct{ Code, Name, Township string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		villages = append(villages, store.Village{Code: record.Village(v.Code), Name: v.Name, Township: v.Township})
	}
	f := newFixture(t, villages...)
	file, err := os.Open(filepath.Join(dir, "records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f.fill(file)
	return f
}

// first gives a record of a type, the n-th of a village's list.
func (f *fixture) first(v record.Village, t record.Type, n int) *store.Record {
	f.t.Helper()
	l, err := f.store.Browse(context.Background(), store.Browse{Type: t, Village: v, Limit: n + 1})
	if err != nil || len(l.Rows) <= n {
		f.t.Fatalf("%d rows, %v", len(l.Rows), err)
	}
	return f.get(l.Rows[n].Key)
}

func (f *fixture) get(k record.Key) *store.Record {
	f.t.Helper()
	rec, err := f.store.Record(context.Background(), k.Village, k.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return rec
}

// quarrel makes two laptops write different things in one household, neither
// having seen the other's, and propose a status.
func (f *fixture) quarrel(rec *store.Record) {
	f.t.Helper()
	a, b := f.laptop("宋芬娥", identity.FirstSecretary, rec.Village), f.laptop("杜旺火", identity.TeamMember, rec.Village)
	f.pass(time.Minute)
	attr := "低保贫困户"
	if v, _ := rec.View.Fields["poverty_attr"].Text(); v == "dibao" {
		attr = "五保贫困户"
	}
	one := a.change(rec.Key, rec.State, map[string]string{"main_cause": "因病", "phone": "13800138000"})
	f.pass(time.Minute)
	two := b.change(rec.Key, rec.State, map[string]string{"main_cause": "缺技术", "phone": "13900139000", "poverty_attr": attr})
	a.send(rec.Village, one)
	b.send(rec.Village, two)
}

// stray sends what goes into quarantine: a name that is not registered.
func (f *fixture) stray(rec *store.Record) {
	f.t.Helper()
	l := f.laptop("杜旺火", identity.TeamMember, rec.Village)
	f.pass(time.Minute)
	c := l.change(rec.Key, rec.State, map[string]string{"group_name": "新屋组"})
	c.Author = "不在册的人"
	if taken := l.send(rec.Village, c); taken.Quarantined != 1 {
		f.t.Fatalf("quarantined %d", taken.Quarantined)
	}
}

// visitor is a browser without scripts.
type visitor struct {
	f    *fixture
	http *http.Client
}

// answer is what a request came to.
type answer struct {
	status int
	body   string
	header http.Header
	path   string // where redirects led
}

func (f *fixture) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	// Longer than any page takes: what does not end is a failure, not a wait.
	return &visitor{f, &http.Client{Jar: jar, Timeout: time.Minute}}
}

// as gives a visitor who has signed in.
func (f *fixture) as(login string) *visitor {
	f.t.Helper()
	v := f.visitor()
	if a := v.signIn(login, password); a.status != http.StatusOK {
		f.t.Fatalf("sign in as %s: %d\n%s", login, a.status, a.body)
	}
	return v
}

func (v *visitor) signIn(login, password string) answer {
	v.f.t.Helper()
	return v.post("/signin", v.get("/signin"), url.Values{"login": {login}, "password": {password}})
}

func (v *visitor) do(r *http.Request) answer {
	v.f.t.Helper()
	res, err := v.http.Do(r)
	if err != nil {
		v.f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.f.t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header, res.Request.URL.RequestURI()}
}

func (v *visitor) get(path string) answer {
	v.f.t.Helper()
	r, err := http.NewRequest(http.MethodGet, v.f.server.URL+path, nil)
	if err != nil {
		v.f.t.Fatal(err)
	}
	return v.do(r)
}

var tokens = regexp.MustCompile(`name="_token" value="([^"]+)"`)

// token is that of a page's first form.
func (a answer) token() string {
	if m := tokens.FindStringSubmatch(a.body); m != nil {
		return m[1]
	}
	return ""
}

// post sends a form of a page.
func (v *visitor) post(path string, from answer, values url.Values) answer {
	v.f.t.Helper()
	values = url.Values(mapsClone(values))
	values.Set("_token", from.token())
	r, err := http.NewRequest(http.MethodPost, v.f.server.URL+path, strings.NewReader(values.Encode()))
	if err != nil {
		v.f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", v.f.server.URL)
	return v.do(r)
}

func mapsClone(v url.Values) url.Values {
	out := url.Values{}
	for k, list := range v {
		out[k] = slices.Clone(list)
	}
	return out
}

// english switches a visitor's pages.
func (v *visitor) english() *visitor {
	v.f.t.Helper()
	v.post("/language", v.get("/me"), url.Values{"language": {"en"}, "back": {"/me"}})
	return v
}

// waiting lists what waits for a decision.
func (f *fixture) waiting() []store.Review {
	f.t.Helper()
	list, err := f.store.Reviews(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// verify counts what the store holds otherwise than the log says.
func (f *fixture) verify() int {
	f.t.Helper()
	n := 0
	if _, err := f.store.Verify(context.Background(), func(store.Fault) { n++ }); err != nil {
		f.t.Fatal(err)
	}
	return n
}
