package canary

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"zhucun/scripts/badlink"
	"zhucun/scripts/rig"
	"zhucun/shared/identity"
)

const (
	village = "369999000001"
	many    = 1000
	other   = "0192d3a4-0000-7000-8000-000000000001" // a record that is nowhere
)

// canary is a person who is not.
type canary struct{ name, number string }

// canaries are made of signs that no form, text or code list has together.
func canaries() []canary {
	signs := []rune("鸾鹮鹔鹴鸑鷟鵷鶵翚翟鹥鸧鸤鸠鹡鸰鹎鹀鸲鹟鹨鹩")
	list := make([]canary, many)
	for i := range list {
		n := len(signs)
		name := "鸶" + string(signs[i%n]) + string(signs[i/n%n]) + string(signs[i/n/n%n])
		list[i] = canary{name, number(i)}
	}
	return list
}

// number is an ID number of area 369999, with its check digit.
func number(i int) string {
	digits := fmt.Sprintf("369999%04d%02d%02d%03d", 1930+i%60, 1+i%12, 1+i%28, i)
	sum := 0
	for k, d := range digits {
		sum += int(d-'0') * (1 << (17 - k) % 11)
	}
	return digits + string("10X98765432"[sum%11])
}

// forms are the bytes in which a text may lie somewhere.
func forms(t *testing.T, texts []string) map[string][][]byte {
	all := map[string][][]byte{}
	// Go's standard library has no GB18030.
	iconv := exec.Command("iconv", "-f", "UTF-8", "-t", "GB18030")
	iconv.Stdin = strings.NewReader(strings.Join(texts, "\n"))
	gb, err := iconv.Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(gb, []byte("\n")) {
		s := texts[i]
		small, big := []byte(nil), []byte(nil)
		for _, u := range utf16.Encode([]rune(s)) {
			small, big = binary.LittleEndian.AppendUint16(small, u), binary.BigEndian.AppendUint16(big, u)
		}
		all[s] = [][]byte{[]byte(s), line, small, big, []byte(url.QueryEscape(s)), []byte(strings.Trim(string(ascii(s)), `"`))}
	}
	return all
}

// ascii is a text as JSON may have it.
func ascii(s string) []byte {
	var b bytes.Buffer
	for _, u := range utf16.Encode([]rune(s)) {
		if u < 128 {
			b.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.Bytes()
}

// log keeps what the programs say.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// bytes gives what was logged. Sentences for whoever typed a command are not.
func (l *log) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var logged []string
	for _, line := range strings.Split(l.b.String(), "\n") {
		if strings.HasPrefix(line, "time=") || strings.HasPrefix(line, `{"time"`) {
			logged = append(logged, line)
		}
	}
	return []byte(strings.Join(logged, "\n"))
}

// field is an office and two laptops.
type field struct {
	*testing.T
	ctx    context.Context
	server *rig.Server
	a, b   *rig.Laptop
	log    log
	home   string // of everything
	tmp    string
	all    []canary
	// where finds are looked for that are in no file
	said      bytes.Buffer // addresses and error pages
	arguments bytes.Buffer
	stop      chan struct{}
	watching  sync.WaitGroup
	once      sync.Once
}

func newField(t *testing.T) *field {
	f := &field{T: t, ctx: t.Context(), home: t.TempDir(), all: canaries(), stop: make(chan struct{})}
	f.tmp = filepath.Join(f.home, "tmp")
	if err := os.Mkdir(f.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, side := range []string{"server", "agent"} {
		if out, err := exec.CommandContext(f.ctx, "go", "build", "-o", filepath.Join(bin, "zhucun-"+side), "zhucun/"+side).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", side, err, out)
		}
	}
	g := &rig.Rig{Dir: filepath.Join(f.home, "data"), Bin: bin, Lang: "zh", Plain: true, Env: []string{"ZHUCUN_DEBUG=1", "ZHUCUN_LOG=json", "TMPDIR=" + f.tmp}, Log: &f.log}
	var err error
	if f.server, err = g.Server(f.ctx, "office"); err != nil {
		t.Fatal(err)
	}
	f.must(f.server.Do(f.ctx, "village", "add", village, "竹村"))
	if err := g.Serve(f.ctx, f.server, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.ends(f.server.Stop()) })
	for i, l := range []**rig.Laptop{&f.a, &f.b} {
		if *l, err = g.Laptop(f.ctx, f.server, fmt.Sprint("laptop", i), fmt.Sprint("队员", i), identity.TeamMember, village); err != nil {
			t.Fatal(err)
		}
		if err := (*l).Run(f.ctx, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.ends((*l).Close()) })
	}
	f.watching.Go(f.watch)
	t.Cleanup(f.unwatch)
	return f
}

func (f *field) ends(err error) {
	if err != nil {
		f.Error(err)
	}
}

func (f *field) must(out []byte, err error) []byte {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
	return out
}

func (f *field) unwatch() {
	f.once.Do(func() { close(f.stop) })
	f.watching.Wait()
}

// watch notes the arguments of every process that works with this field's data.
func (f *field) watch() {
	known := map[string]bool{}
	for {
		lists, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range lists {
			b, err := os.ReadFile(name)
			if err == nil && bytes.Contains(b, []byte(f.home)) && !known[string(b)] {
				known[string(b)] = true
				f.arguments.Write(append(bytes.ReplaceAll(b, []byte{0}, []byte(" ")), '\n'))
			}
		}
		select {
		case <-f.stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lines gives records as JSON lines.
func lines(all []canary, record func(int, canary) map[string]any) string {
	var b strings.Builder
	for i, c := range all {
		raw, _ := json.Marshal(record(i, c)) // a map of texts
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

func person(_ int, c canary) map[string]any {
	return map[string]any{"type": "person", "fields": map[string]any{"full_name": c.name, "id_number": c.number}}
}

func house(_ int, c canary) map[string]any {
	return map[string]any{"type": "household", "fields": map[string]any{"head_name": c.name, "group_name": c.name + c.number}}
}

// fails runs a command that is refused.
func (f *field) fails(l *rig.Program, in string, args ...string) {
	f.Helper()
	out, err := l.DoWith(f.ctx, strings.NewReader(in), args...)
	var failure *rig.Failure
	if !errors.As(err, &failure) {
		f.Errorf("%s was not refused: %s, %v", args[0], out, err)
	}
}

// pages are a browser's, of one side.
type pages struct {
	*field
	client *http.Client
	base   string
}

func (f *field) pages(base string) *pages {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	p := &pages{f, &http.Client{Jar: jar}, base}
	p.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		fmt.Fprintln(&f.said, "to", r.URL)
		return nil
	}
	return p
}

var (
	hidden  = regexp.MustCompile(`name="(_[a-z]+)" value="([^"]*)"`)
	address = regexp.MustCompile(`(?:href|action|src)="([^"]*)"`)
)

// ask asks for a page, and keeps where it leads and, where it is an error, all of
// it. A form that comes back with what was typed is none.
func (p *pages) ask(method, path string, fields url.Values) (string, *url.URL) {
	p.Helper()
	var body io.Reader
	if fields != nil {
		body = strings.NewReader(fields.Encode())
	}
	r, err := http.NewRequestWithContext(p.ctx, method, p.base+path, body)
	if err != nil {
		p.Fatal(err)
	}
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	for _, m := range address.FindAllStringSubmatch(string(b), -1) {
		// The page itself, with what was asked of it.
		if !strings.Contains(m[1], "?") || !strings.Contains(path, "?") {
			fmt.Fprintln(&p.said, "leads to", m[1])
		}
	}
	if res.StatusCode >= 400 && !bytes.Contains(b, []byte(`id="entry"`)) {
		fmt.Fprintf(&p.said, "%d %s\n", res.StatusCode, b)
	}
	return string(b), res.Request.URL
}

// hiddenOf are the fields of a page's form that nobody fills in.
func hiddenOf(body string) url.Values {
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(body, -1) {
		if !v.Has(m[1]) {
			v.Set(m[1], strings.NewReplacer("&#34;", `"`, "&amp;", "&", "&#39;", "'").Replace(m[2]))
		}
	}
	return v
}

// TestCanaries enters and looks.
func TestCanaries(t *testing.T) {
	f := newField(t)
	a, b, all := f.a, f.b, f.all

	// By command, on standard input: what stands in arguments every user may read.
	f.must(a.DoWith(f.ctx, strings.NewReader(lines(all[:300], person)), "put", "person"))
	f.must(a.DoWith(f.ctx, strings.NewReader(lines(all[300:400], house)), "put", "household"))
	// By import, and by the drop folder; every tenth fails.
	bad := func(i int, c canary) map[string]any {
		if i%10 == 9 {
			return map[string]any{"type": "person", "fields": map[string]any{"full_name": c.name, "sex": c.name, c.number: c.number}, "author": c.name}
		}
		return person(i, c)
	}
	file := filepath.Join(t.TempDir(), "people.jsonl")
	if err := os.WriteFile(file, []byte(lines(all[400:600], bad)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fails(&a.Program, "", "import", file)
	if err := os.WriteFile(filepath.Join(a.Data, "inbox", "people.jsonl"), []byte(lines(all[600:700], bad)), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if left, _ := filepath.Glob(filepath.Join(a.Data, "inbox", "*.jsonl")); len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the drop folder was not emptied")
		}
	}
	// On the page, saved and as drafts, with what cannot be read among it.
	var opened struct{ Link string }
	if err := a.JSON(f.ctx, &opened, "open", "--print"); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(opened.Link)
	if err != nil {
		t.Fatal(err)
	}
	p := f.pages("http://" + u.Host)
	door, _ := p.ask("GET", u.RequestURI(), nil)
	root := regexp.MustCompile(`/[\w-]{24}/`).FindString(door)
	if root == "" {
		// The way in is in the header Refresh.
		res, err := p.client.Get("http://" + u.Host + f.link(a))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		root = regexp.MustCompile(`/[\w-]{24}/`).FindString(res.Header.Get("Refresh"))
	}
	p.base += strings.TrimSuffix(root, "/")
	for i, c := range all[700:800] {
		body, at := p.ask("GET", "/record/household/new", nil)
		v := hiddenOf(body)
		v.Set("f.head_name", c.name)
		v.Set("f.group_name", c.name+c.number)
		draft := strings.TrimPrefix(at.Path, strings.TrimSuffix(root, "/"))
		if !strings.HasPrefix(draft, "/draft/") {
			t.Fatalf("no draft: %s", at)
		}
		switch i % 4 {
		case 0:
			v.Set("_serial", "1")
			p.ask("POST", draft+"/keep", v)
		case 1:
			v.Set("f.arable_mu", c.number+"x")
			p.ask("POST", draft+"/save", v)
		default:
			p.ask("POST", draft+"/save", v)
		}
	}
	// Searched for on the page, as one types and by the button: the address of what was
	// found is in the browser's history, and what it is found by lies nowhere on the disk.
	const home = "0192d3a4-0000-7000-8000-000000000002"
	one := all[820:823]
	for t, fields := range map[string]map[string]any{
		"household": {"head_name": one[0].name, "group_name": one[0].number, "phone": one[0].number},
		"person":    {"household": home, "full_name": one[1].name, "id_number": one[1].number},
		"visit":     {"household": home, "findings": "说起" + one[2].name + "的证件" + one[2].number},
	} {
		line := map[string]any{"fields": fields}
		if t == "household" {
			line["id"] = home
		}
		f.must(a.DoWith(f.ctx, strings.NewReader(lines(one[:1], func(int, canary) map[string]any { return line })), "put", t))
	}
	body, _ := p.ask("GET", "/find", nil)
	for _, q := range []string{one[0].name, one[0].number, one[1].name, one[1].number, one[1].number[14:], one[2].name, "说起" + one[2].name} {
		for _, more := range []url.Values{{}, {"for": {"visit"}}, {"part": {"1"}}, {"part": {"options"}, "village": {village}}} {
			v := hiddenOf(body)
			maps.Copy(v, more)
			v.Set("q", q)
			if found, at := p.ask("POST", "/find", v); !strings.Contains(found+at.String(), home) && !strings.Contains(at.Path, "/draft/") {
				t.Errorf("%q is not found on the page (%v)", q, more)
			}
		}
	}
	// Wrong ids, paths and words, on either side.
	office := f.pages(f.server.URL)
	body, _ = office.ask("GET", "/signin", nil)
	v := hiddenOf(body)
	v.Set("login", f.server.Login)
	v.Set("password", f.server.Password)
	office.ask("POST", "/signin", v)
	for _, c := range all[800:810] {
		name := url.PathEscape(c.name)
		for _, path := range []string{"/household/", "/record/household/", "/record/" + name + "/", "/nowhere/", "/records/", "/draft/"} {
			p.ask("GET", path+name, nil)
			p.ask("GET", path+c.number, nil)
		}
		for _, path := range []string{"/record/" + village + "/", "/record/" + name + "/", "/records/", "/nowhere/", "/bundles/", "/export/"} {
			office.ask("GET", path+name, nil)
			office.ask("GET", path+c.number, nil)
		}
		for _, q := range []string{"/records/person?village=", "/records/person?w.sex=", "/export/person?format=", "/export/person?format=csv&w.sex="} {
			office.ask("GET", q+name, nil)
		}
		office.ask("POST", "/devices/code", url.Values{"name": {c.name}})
	}
	for _, c := range all[810:812] {
		f.fails(&a.Program, lines([]canary{c}, func(int, canary) map[string]any {
			return map[string]any{"fields": map[string]any{"sex": c.name, "id_number": c.number, "birth_date": c.name}}
		}), "put", "person")
		f.fails(&a.Program, "{\"fields\":{\"full_name\":\""+c.name+c.number, "put", "person")
		f.fails(&f.server.Program, "", "get", "person", other)
	}
	// Synced, in conflict, in a bundle.
	f.sync(a, b)
	var houses []rig.Record
	if houses, err = rig.All[rig.Record](f.ctx, &a.Program, "list", "household", "--json"); err != nil || len(houses) < 100 {
		t.Fatal(len(houses), err)
	}
	for _, l := range []*rig.Laptop{a, b} {
		l.Link.Set(badlink.Weather{Down: true})
	}
	for i, l := range []*rig.Laptop{a, b} {
		from := 820 + 80*i
		f.must(l.DoWith(f.ctx, strings.NewReader(lines(all[from:from+80], func(k int, c canary) map[string]any {
			return map[string]any{"id": houses[k].ID, "fields": map[string]any{"head_name": c.name, "group_name": c.name + c.number}}
		})), "put", "household"))
	}
	bundle := filepath.Join(f.home, "data", "bundle")
	f.must(a.Do(f.ctx, "bundle", "export", bundle))
	f.must(f.server.Do(f.ctx, "bundle", "take", bundle, "--reply", bundle+"-reply"))
	f.must(a.Do(f.ctx, "bundle", "take", bundle+"-reply"))
	for _, l := range []*rig.Laptop{a, b} {
		l.Link.Set(badlink.Weather{})
	}
	f.sync(b, a, b)
	if st, err := a.Status(f.ctx); err != nil || st.Conflicts == 0 {
		t.Errorf("%d conflicts, %v", st.Conflicts, err)
	}
	p.ask("GET", "/conflicts", nil)
	office.ask("GET", "/conflicts", nil)
	f.must(a.Do(f.ctx, "verify"))
	if got := f.must(a.Do(f.ctx, "list", "person", "--json")); !bytes.Contains(got, []byte(all[0].name)) || !bytes.Contains(got, []byte(all[599-1].name)) {
		t.Error("the laptop does not have what was entered")
	}

	// What somebody types as words of a command is in its arguments, by their own
	// doing, and in the sentence that comes back; not in the log of the agent that
	// carries it out.
	f.unwatch()
	c := all[990]
	f.must(a.Do(f.ctx, "list", "person", "--where", "full_name="+c.name))
	f.must(a.Do(f.ctx, "list", "person", "--text", c.name))
	for _, words := range [][]string{
		{"put", "person", "sex=" + c.name}, {"put", "person", "birth_date=" + c.number}, {"put", "person", c.name + "=" + c.number}, {"put", c.name, "sex=1"},
		{"put", "person", "full_name=x", "--author", c.name}, {"put", "person", "full_name=x", "--village", c.number}, {"put", "person", "full_name=x", "--id", c.number},
		{"get", "person", c.number}, {"get", c.name, other}, {"list", c.name}, {"list", "person", "--where", c.name + "=1"}, {"list", "person", "--where", "sex=" + c.name},
		{"resolve", other, c.name, "--value", c.number}, {"import", filepath.Join("/nowhere", c.name+".jsonl")}, {"bundle", "take", filepath.Join("/nowhere", c.name)}, {c.name}, {"sync", "--" + c.number}, {"enrol", c.number},
	} {
		f.fails(&a.Program, "", words...)
	}
	for _, words := range [][]string{
		{"get", "person", c.number}, {"get", c.name, other}, {"list", c.name}, {"list", "person", "--where", c.name + "=1"}, {"list", "person", "--where", "sex=" + c.name}, {"list", "person", "--village", c.number},
		{"resolve", other, c.name, "--value", c.number, "--reason", c.name}, {"device", "revoke", c.number}, {"bundle", "take", filepath.Join("/nowhere", c.name)}, {"export", c.name, "--format", "csv", "--out", filepath.Join(f.tmp, "x")},
		{"enrol", "--village", c.number, "--role", c.name, "--name", c.name}, {c.name},
	} {
		f.fails(&f.server.Program, "", words...)
	}
	f.look()
}

func (f *field) link(l *rig.Laptop) string {
	var opened struct{ Link string }
	if err := l.JSON(f.ctx, &opened, "open", "--print"); err != nil {
		f.Fatal(err)
	}
	u, err := url.Parse(opened.Link)
	if err != nil {
		f.Fatal(err)
	}
	return u.RequestURI()
}

func (f *field) sync(ls ...*rig.Laptop) {
	f.Helper()
	for _, l := range ls {
		if _, err := l.Sync(f.ctx, time.Minute); err != nil {
			f.Fatal(err)
		}
	}
}

// look looks for every canary in every form.
func (f *field) look() {
	f.Helper()
	var texts []string
	for _, c := range f.all {
		texts = append(texts, c.name, c.number)
	}
	known := forms(f.T, texts)
	// Every text of a kind begins alike, in each form: there it is looked closer.
	type kind struct {
		begin []byte
		whole map[string]string
		sizes map[int]bool
	}
	var kinds []kind
	for _, first := range []string{"鸶", "369999"} {
		for i, begin := range forms(f.T, []string{first})[first] {
			k := kind{begin, map[string]string{}, map[int]bool{}}
			for _, s := range texts {
				if form := known[s][i]; strings.HasPrefix(s, first) {
					k.whole[string(form)] = s
					k.sizes[len(form)] = true
				}
			}
			kinds = append(kinds, k)
		}
	}
	finds := map[string]int{}
	seek := func(b []byte, found func(s string, at int)) {
		for _, k := range kinds {
			for at := 0; ; at++ {
				next := bytes.Index(b[at:], k.begin)
				if next < 0 {
					break
				}
				at += next
				for n := range k.sizes {
					if s := k.whole[string(b[at:min(len(b), at+n)])]; s != "" {
						found(s, at)
					}
				}
			}
		}
	}
	find := func(where string, b []byte) {
		seek(b, func(s string, at int) {
			if finds[where]++; finds[where] <= 3 {
				f.Errorf("%s has %s: …%.200q", where, s, b[max(0, at-60):min(len(b), at+60)])
			}
		})
	}
	// It finds what is there, in every form.
	for _, c := range f.all {
		for i, form := range append(known[c.name], known[c.number][2:4]...) {
			n := 0
			seek(append([]byte{0}, form...), func(string, int) { n++ })
			if n == 0 {
				f.Fatalf("%s is not found in form %d", c.name, i)
			}
		}
	}
	read := 0
	err := filepath.WalkDir(f.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "inbox" || path == f.server.Data { // the user's own; the office's own
				return fs.SkipDir
			}
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil {
			read++
			find("file "+strings.TrimPrefix(path, f.home), b)
		}
		return err
	})
	if err != nil || read < 4 {
		f.Errorf("%d files, %v", read, err)
	}
	if b := f.log.bytes(); !bytes.Contains(b, []byte(`"msg":"request"`)) || !bytes.Contains(b, []byte("time=")) {
		f.Error("one of the programs logged nothing: it was not looked at")
	} else {
		find("log", b)
	}
	find("addresses and error pages", f.said.Bytes())
	find("arguments", f.arguments.Bytes())
	for where, n := range finds {
		f.Errorf("%s: %d finds", where, n)
	}
}
