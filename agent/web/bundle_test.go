package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zhucun/agent/store"
	"zhucun/agent/syncclient"
	"zhucun/agent/vault"
	"zhucun/shared/bundle"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// serverKey is the key of the server that every laptop of these tests belongs to.
var serverKey = ed25519.NewKeyFromSeed([]byte("a server's seed of 32 bytes, 012"))

// office is a server that answers files: what it has of each stream.
type office map[record.Stream]journal.Head

// answer opens a bundle of s as the server does, and gives the reply: receipts for
// all that is in it, of which those at the numbers of aside are set aside.
func (o office) answer(t *testing.T, s *store.Store, file []byte, aside ...uint64) []byte {
	t.Helper()
	d, err := s.Device()
	if err != nil {
		t.Fatal(err)
	}
	public := d.Private().Public().(ed25519.PublicKey)
	b, err := bundle.OpenFile(bytes.NewReader(file), identity.BundleOf, serverKey, func(*bundle.Bundle) (ed25519.PublicKey, error) { return public, nil })
	if err != nil {
		t.Fatal(err)
	}
	reply := &bundle.Bundle{Device: d.ID, Server: d.Server, Serial: b.Serial, Made: s.Now()}
	for _, part := range b.Parts {
		m, _, err := wire.UnmarshalSync(part.Message, part.Size, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := &wire.Synced{Version: wire.Version, Time: s.Now()}
		for _, p := range m.Villages {
			pull := wire.Pull{Village: p.Village, Epoch: p.Epoch, From: p.Cursor, Cursor: p.Cursor}
			for _, raw := range p.Segments {
				seg, err := journal.Decode(raw)
				if err != nil {
					t.Fatal(err)
				}
				hashes, err := seg.Open(public, p.Village, o[seg.Stream])
				if err != nil {
					t.Fatal(err)
				}
				o[seg.Stream] = journal.Head{Seq: seg.Last(), Hash: hashes[len(hashes)-1]}
				r := journal.Receipt{Stream: seg.Stream, From: seg.From, Seq: seg.Last(), Received: clock.At0(s.Now())}
				for _, n := range aside {
					if n >= seg.From && n <= seg.Last() {
						r.Quarantined = append(r.Quarantined, journal.Quarantined{Seq: n, Reason: "role"})
					}
				}
				r.Seal(serverKey, o[seg.Stream].Hash)
				pull.Receipts = append(pull.Receipts, r)
			}
			a.Villages = append(a.Villages, pull)
		}
		packed, err := wire.Encode(a, wire.Quick)
		if err != nil {
			t.Fatal(err)
		}
		size, err := wire.Size(a)
		if err != nil || !reply.Add(bundle.Part{Message: packed, Size: size}) {
			t.Fatalf("not added: %v", err)
		}
	}
	out, err := bundle.Seal(reply, identity.ReplyOf, serverKey, public)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// upload sends a file as the page's form does. A nil file is none chosen.
func (f *fixture) upload(token string, file []byte, header map[string]string) answer {
	f.t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	if token != "" {
		parts.WriteField("_token", token)
	}
	name := "数据.zcb"
	if file == nil {
		name = ""
	}
	w, err := parts.CreateFormFile("file", name)
	if err != nil {
		f.t.Fatal(err)
	}
	w.Write(file)
	parts.Close()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.at+takePath, &body)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", parts.FormDataContentType())
	r.Header.Set("Origin", f.base)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return f.do(r)
}

// makeBundle makes one on the page and saves its files.
func (f *fixture) makeBundle() (page answer, files [][]byte) {
	f.t.Helper()
	page = f.post("/bundles", nil)
	_, banner, _ := strings.Cut(page.body, `class="banner"`)
	banner, _, _ = strings.Cut(banner, "</section>")
	for _, m := range regexp.MustCompile(`href="`+f.site.root+`(/bundles/file/[^"]+)"`).FindAllStringSubmatch(banner, -1) {
		a := f.get(m[1])
		if a.status != 200 || a.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.header.Get("Content-Disposition"), `attachment; filename="zhucun-`) {
			f.t.Errorf("%s: %d %v", m[1], a.status, a.header)
		}
		files = append(files, []byte(a.body))
	}
	return page, files
}

func plainText(body string) string { return regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, "") }

// Without a network: what waits is made into a file, which delivers nothing; the
// reply does, and is taken on the same page, as often as somebody likes.
func TestBundlePage(t *testing.T) {
	f := newFixture(t, true).enter()
	f.set(f.laptop, "杜旺火", householdType, f.house(0).id, map[string]string{"phone": "13900139001"})
	f.set(f.laptop, "杜旺火", householdType, f.house(1).id, map[string]string{"phone": "13900139002"})
	if body := f.get("/sync").body; !strings.Contains(body, `href="`+f.site.root+`/bundles"`) {
		t.Error("no way from the delivery page to the bundles")
	}
	if body := plainText(f.get("/bundles").body); !strings.Contains(body, "有 2 处改动还没送到办公室") || !strings.Contains(body, "2 处还没有装过数据包") {
		t.Errorf("before: %s", body)
	}
	made, files := f.makeBundle()
	if len(files) != 1 || !strings.Contains(made.body, "里面有 2 处改动") || strings.Contains(plainText(made.body), "已送达。") {
		t.Fatalf("%d files; %s", len(files), plainText(made.body))
	}
	if body := plainText(f.get("/bundles").body); !strings.Contains(body, "2 处已装入数据包，等答复文件") || !strings.Contains(body, "已装入数据包，未送达") || strings.Contains(body, "还没有装过") {
		t.Errorf("made: %s", body)
	}
	for _, path := range []string{"/", "/sync"} {
		if body := f.get(path).body; !strings.Contains(body, "其中 2 处已装入数据包") || strings.Contains(body, "都已送到") {
			t.Errorf("%s: %s", path, plainText(body))
		}
	}
	server := office{}
	reply := server.answer(t, f.laptop, files[0], 2)
	for range 2 {
		taken := f.upload(f.site.doors.token(), reply, nil)
		if taken.status != 200 || !strings.HasPrefix(taken.path, "/bundles?done=") || !strings.Contains(taken.body, "办公室的答复收到了") || !strings.Contains(taken.body, "没有等着送的改动了") {
			t.Fatalf("%d %s: %s", taken.status, taken.path, plainText(taken.body))
		}
		if !strings.Contains(taken.body, "1 处已送达、1 处办公室暂未收下") {
			t.Errorf("of the bundle it says %s", plainText(taken.body))
		}
	}
	// The next one has nothing, and says so.
	made, files = f.makeBundle()
	if !strings.Contains(made.body, "里面没有新的改动") || !strings.Contains(made.body, "只取新内容，等答复文件") || len(files) != 1 {
		t.Errorf("with nothing to send: %s", plainText(made.body))
	}
	if taken := f.upload(f.site.doors.token(), server.answer(t, f.laptop, files[0]), nil); !strings.Contains(taken.body, "只取新内容，答复已收取") {
		t.Errorf("its reply: %s", plainText(taken.body))
	}
	// What was made once can be saved again, while it is here; a name leads nowhere
	// else.
	for _, path := range []string{"/bundles/file/..%2Frecords.db", "/bundles/file/records.db", "/bundles/file/zhucun-aaaaaaaa.zcb", "/bundles/reply/zhucun-aaaaaaaa.zcb", "/bundles/reply/..%2F..%2Frecords.db"} {
		if a := f.get(path); a.status != http.StatusNotFound || !strings.Contains(a.body, "这个文件已经不在这台电脑上") {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// A colleague's file is kept as it is, told by its size alone, and goes with the
// next sync; the answer that came is saved under a name that mail leaves alone.
func TestCourierPage(t *testing.T) {
	f, other := newFixture(t, false).enter(), newFixture(t, false).enter()
	other.set(other.laptop, "杜旺火", householdType, record.ID{}, map[string]string{"head_name": "王二"})
	_, files := other.makeBundle()
	asked := f.sync.asked
	a := f.upload(f.site.doors.token(), files[0], nil)
	if a.status != 200 || !strings.Contains(a.body, "不是给本机的，已代为保管") || !strings.Contains(a.body, "现在替别人捎带着 1 个文件") || !strings.Contains(a.body, "1 个文件等着送到办公室：1 KB") || f.sync.asked != asked+1 {
		t.Fatalf("%d: %s", a.status, plainText(a.body))
	}
	b, err := f.sync.Courier()
	if err != nil || len(b.Waiting) != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	if kept, err := os.ReadFile(b.Waiting[0].Path); err != nil || !bytes.Equal(kept, files[0]) {
		t.Errorf("it was not kept as it came: %v", err)
	}
	reply := office{}.answer(t, other.laptop, files[0])
	if err := os.WriteFile(filepath.Join(f.dir, "courier", "replies", "0123456789abcdef.zcb"), reply, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "courier", "refused", "1123456789abcdef.zcb"), reply, 0o600); err != nil {
		t.Fatal(err)
	}
	body := f.get("/bundles").body
	if !strings.Contains(body, "1 个办公室的答复，请保存后带回给主人") || !strings.Contains(body, "1 个文件办公室没有收") || strings.Contains(body, other.laptop.Dir()) {
		t.Errorf("%s", plainText(body))
	}
	got := f.get("/bundles/reply/0123456789abcdef.zcb")
	if got.body != string(reply) || got.header.Get("Content-Disposition") != `attachment; filename="zhucun-01234567.zcb"` {
		t.Errorf("%d bytes of %d, %v", len(got.body), len(reply), got.header)
	}
	if a := other.upload(other.site.doors.token(), []byte(got.body), nil); !strings.Contains(a.body, "1 处改动有了办公室的回执") {
		t.Errorf("carried back: %s", plainText(a.body))
	}
	// For another laptop, and brought to the courier's by mistake: carried on.
	if a := f.upload(f.site.doors.token(), reply, nil); !strings.Contains(a.body, "请拿到那台电脑上收取") {
		t.Errorf("%s", plainText(a.body))
	}
}

// Each row is a file that is not taken, and the sentence for it; nothing of it stays,
// neither in the store nor beside it.
func TestUploadsNotTaken(t *testing.T) {
	f := newFixture(t, false).enter()
	f.set(f.laptop, "杜旺火", householdType, record.ID{}, map[string]string{"head_name": "王二"})
	_, files := f.makeBundle()
	good := office{}.answer(t, f.laptop, files[0])
	change := func(at int, b ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[at:], b)
		return file
	}
	large := binary.BigEndian.AppendUint64(nil, bundle.MaxFile+1)
	tests := []struct {
		name   string
		file   []byte
		zh, en string
	}{
		{"none chosen", nil, "还没有选文件", "No file is chosen"},
		{"an empty one", []byte{}, "这个文件不是数据包", "The file is not a bundle"},
		{"a picture", append([]byte("\xff\xd8\xff"), make([]byte, 40<<20)...), "这个文件不是数据包", "The file is not a bundle"},
		{"partly copied", good[:len(good)-1], "文件没有复制完整", "only partly copied"},
		{"its first bytes", good[:30], "文件没有复制完整", "only partly copied"},
		{"damaged", change(len(good)-1, good[len(good)-1]+1), "文件已损坏", "damaged"},
		{"of a later release", change(3, 3), "文件出自更新的版本", "of a later release"},
		{"says to be too large", change(5, large...), "文件太大，不是数据包", "too large to be a bundle"},
	}
	before, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for lang, want := range map[string]string{"zh": tt.zh, "en": tt.en} {
				f.language(lang)
				a := f.upload(f.site.doors.token(), tt.file, nil)
				if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, want) || !strings.Contains(a.body, `role="alert"`) {
					t.Errorf("%d, not %q: %s", a.status, want, plainText(a.body))
				}
			}
		})
	}
	f.language("zh")
	if after, err := os.ReadDir(f.dir); err != nil || len(after) != len(before) {
		t.Errorf("the data folder has %v, had %v, %v", after, before, err)
	}
	if st, err := f.laptop.Status(); err != nil || st.Pending != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	if a := f.upload(f.site.doors.token(), good, nil); a.status != 200 || !strings.Contains(a.body, "1 处改动有了办公室的回执") {
		t.Errorf("the good one: %d %s", a.status, plainText(a.body))
	}
}

// Each row is an upload that no page of this session sent: the file is not read.
func TestForgedUploads(t *testing.T) {
	f := newFixture(t, false).enter()
	other := newFixture(t, false)
	token := f.site.doors.token()
	read := 0
	f.sync.Bundler = reads{f.sync.Bundler, &read}
	tests := []struct {
		name   string
		token  string
		header map[string]string
		want   int
	}{
		{"without a token", "", nil, 403},
		{"with another folder's", other.site.doors.token(), nil, 403},
		{"with a longer one", token + strings.Repeat("x", 200), nil, 403},
		{"from another site", token, map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403},
		{"from a sandbox", token, map[string]string{"Origin": "null"}, 403},
		{"as plain text, which any page may send", token, map[string]string{"Content-Type": "text/plain"}, 400},
		{"as a form without files", token, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a := f.upload(tt.token, []byte("ZCB"), tt.header); a.status != tt.want {
				t.Errorf("%d, want %d: %s", a.status, tt.want, plainText(a.body))
			}
		})
	}
	// Without a session nothing at all, whatever else is right.
	stranger := &fixture{t: t, site: f.site, base: f.base, at: f.at, client: &http.Client{}}
	if a := stranger.upload(token, []byte("ZCB"), nil); a.status != 403 || strings.Contains(a.body, token) {
		t.Errorf("without a session: %d", a.status)
	}
	// Nor while the pages are locked: what is asked for then is the passphrase, and
	// after it the page.
	f.site.lock = &fakeLock{way: vault.Passphrase, passphrase: word}
	if a := f.upload(token, []byte("ZCB"), nil); a.status != http.StatusLocked || a.path != "/bundles" {
		t.Errorf("while locked: %d %s", a.status, a.path)
	}
	f.site.lock = nil
	if read != 0 {
		t.Errorf("%d files were read", read)
	}
	// The file before the token is no token.
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	w, _ := parts.CreateFormFile("file", "a.zcb")
	io.WriteString(w, "ZCB")
	parts.WriteField("_token", token)
	parts.Close()
	r, _ := http.NewRequest(http.MethodPost, f.at+takePath, &body)
	r.Header.Set("Content-Type", parts.FormDataContentType())
	r.Header.Set("Origin", f.base)
	if a := f.do(r); a.status != 403 || read != 0 {
		t.Errorf("the file first: %d, %d read", a.status, read)
	}
	if a := f.upload(token, []byte("ZCB"), nil); a.status != http.StatusUnprocessableEntity || read != 1 {
		t.Errorf("from the page itself: %d, %d read", a.status, read)
	}
}

// However much comes, no more of it is in memory than a file may have, or a token.
func TestUploadsAreBounded(t *testing.T) {
	f := newFixture(t, false).enter()
	token := f.site.doors.token()
	part := func(name string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"a.zcb\"\r\n\r\n"
	}
	said := string(binary.BigEndian.AppendUint64([]byte("ZCB\x01\x01"), bundle.MaxFile+1))
	for name, begin := range map[string]string{
		"a token":               part("_token"),
		"a picture":             part("_token") + token + "\r\n" + part("file") + "\xff\xd8",
		"says to be too large":  part("_token") + token + "\r\n" + part("file") + said,
		"something else before": part("other") + token + "\r\n",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.at+takePath, io.MultiReader(strings.NewReader(begin), io.LimitReader(zeros{}, 200<<20), strings.NewReader("\r\n--x--\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		r.Header.Set("Origin", f.base)
		// Where the server does not read to the end, the sender may be told so.
		if res, err := f.client.Do(r); err == nil {
			res.Body.Close()
			if res.StatusCode < 400 {
				t.Errorf("%s: %d", name, res.StatusCode)
			}
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 8 {
			t.Errorf("%s: %d MB were allocated", name, n)
		}
	}
	if st, err := f.laptop.Status(); err != nil || st.Pending != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// A browser may send all it has before it reads an answer: whoever chose a film
// gets the page that says so, and not the browser's about a connection.
func TestWrongFileIsSentToItsEnd(t *testing.T) {
	f := newFixture(t, false).enter()
	u, err := url.Parse(f.at + takePath)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := "--x\r\nContent-Disposition: form-data; name=\"_token\"\r\n\r\n" + f.site.doors.token() +
		"\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n"
	const end, film = "\r\n--x--\r\n", 64 << 20
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n", u.Path, u.Host, f.base, len(begin)+film+len(end))
	for _, cookie := range f.client.Jar.Cookies(u) {
		fmt.Fprintf(c, "Cookie: %s\r\n", cookie)
	}
	if _, err := io.Copy(c, io.MultiReader(strings.NewReader("\r\n"+begin), io.LimitReader(zeros{}, film), strings.NewReader(end))); err != nil {
		t.Fatalf("the rest of the file was not read: %v", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(body), "这个文件不是数据包") {
		t.Errorf("%d, %v: %s", res.StatusCode, err, plainText(string(body)))
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// reads counts the files that came to be read.
type reads struct {
	Bundler
	n *int
}

func (r reads) Collect(ctx context.Context, file io.Reader, progress func(done, all int)) (syncclient.Collected, error) {
	*r.n++
	return r.Bundler.Collect(ctx, file, progress)
}

// The states of a record, each on the record's page, in the list of its kind, among
// the households and on the first page, in both languages; and what a record is said
// to be after each step: nothing but a receipt makes it delivered.
func TestStatesOfARecord(t *testing.T) {
	f := newFixture(t, true).enter()
	h := f.snapshot().dues(f.today())[0].house
	server := office{}
	var file []byte
	ways := map[string][2]string{
		"local":       {"未送出", "Not sent yet"},
		"bundled":     {"已装入数据包，未送达", "In a bundle, not delivered"},
		"sent":        {"已送出，等回执", "Sent, no receipt yet"},
		"delivered":   {"已送达", "Delivered"},
		"quarantined": {"办公室暂未收下", "Set aside by the office"},
	}
	answer := [2]string{"等人定", "to decide"}
	take := func(reply []byte) {
		if _, err := f.sync.Collect(t.Context(), bytes.NewReader(reply), nil); err != nil {
			t.Fatal(err)
		}
	}
	made := func() []byte {
		e, err := f.sync.Make(t.Context(), syncclient.Carry{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(e[0].File)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	edit := func(phone string) {
		f.wall.Add(60_000)
		f.set(f.laptop, "杜旺火", householdType, h.id, map[string]string{"phone": phone})
	}
	steps := []struct {
		name    string
		do      func()
		way     string
		decides bool
	}{
		{"came from the office", func() {}, "delivered", false},
		{"saved", func() { edit("13900139001") }, "local", false},
		{"in a bundle", func() { file = made() }, "bundled", false},
		{"edited behind it", func() { edit("13900139002") }, "local", false},
		{"in the next bundle", func() { made() }, "bundled", false},
		{"the reply to the first", func() { take(server.answer(t, f.laptop, file)) }, "bundled", false},
		{"sent over the network", func() {
			out, err := f.laptop.Outgoing(t.Context(), 1<<20)
			if err == nil {
				err = f.laptop.Sent(t.Context(), out)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "sent", false},
		{"with a receipt", func() { take(server.answer(t, f.laptop, made())) }, "delivered", false},
		{"set aside", func() { edit("13900139003"); take(server.answer(t, f.laptop, made(), 3)) }, "quarantined", false},
		// What was set aside is replaced by what stands now.
		{"contradicted", func() { f.quarrel(h) }, "local", true},
		{"contradicted, with a receipt", func() { take(server.answer(t, f.laptop, made())) }, "delivered", true},
	}
	for _, st := range steps {
		t.Run(st.name, func(t *testing.T) {
			st.do()
			f.snapshot()
			for i, lang := range []string{"zh", "en"} {
				f.language(lang)
				for name, path := range map[string]string{
					"record": "/record/household/" + h.id.String(), "household": "/household/" + h.id.String(), "list": f.sought("/records/household", h.name),
					"names": "/find", "found": f.sought("/find", h.name), "first": "/",
				} {
					line := f.lineOf(path, h)
					for way, said := range ways {
						want := way == st.way && (way != "delivered" || name == "record" || name == "household")
						if strings.Contains(line, "way-"+way+"\">"+said[i]+"<") != want {
							t.Errorf("%s %s: %q is said: %v; %s", name, lang, said[i], !want, line)
						}
					}
					if strings.Contains(line, `class="tag"`) != st.decides || strings.Contains(line, answer[i]) != st.decides {
						t.Errorf("%s %s: %q is said: %v; %s", name, lang, answer[i], !st.decides, line)
					}
				}
			}
		})
	}
}

// lineOf gives what a page says of a household: its line in a list, or the head of
// its own page.
func (f *fixture) lineOf(path string, h *house) string {
	f.t.Helper()
	body := f.get(path).body
	_, body, _ = strings.Cut(body, "<main")
	for _, line := range regexp.MustCompile(`(?s)<li>.*?</li>|<tr\b.*?</tr>|<div class="title">.*?</div>`).FindAllString(body, -1) {
		if strings.HasPrefix(line, "<div") {
			if !strings.HasPrefix(path, "/record/") && !strings.HasPrefix(path, "/household/") {
				continue
			}
			return line
		}
		if strings.Contains(line, "/household/"+h.id.String()) {
			return line
		}
	}
	f.t.Fatalf("%s does not have the household", path)
	return ""
}

// packing is a Bundler that notes what is to go along.
type packing struct {
	Bundler
	carry []syncclient.Carry
}

func (b *packing) Make(ctx context.Context, carry syncclient.Carry, progress func(done, left uint64)) ([]syncclient.Exported, error) {
	b.carry = append(b.carry, carry)
	return b.Bundler.Make(ctx, carry, progress)
}

// Photos go along as far as they fit; what does not is said, and all of them go for whom
// ticks that, which is offered only then.
func TestPhotosAlong(t *testing.T) {
	f := newFixture(t, false).enter()
	b := &packing{Bundler: f.sync.Bundler}
	f.sync.Bundler = b
	add := func(size int) {
		t.Helper()
		content := make([]byte, size)
		rand.Read(content)
		if _, err := f.laptop.AddBlob(t.Context(), firstVillage.Code, store.BlobNote{Kind: "jpg"}, content, nil); err != nil {
			t.Fatal(err)
		}
	}
	add(1000)
	if a := f.get("/bundles"); strings.Contains(a.body, `name="photos"`) || !strings.Contains(a.body, "还有 1 张照片或文件（") {
		t.Error("it is asked whether a photo goes along that goes in any case, or nothing is said of it")
	}
	if a := f.post("/bundles", nil); !strings.Contains(a.body, "里面有照片等文件 1 个") || strings.Contains(a.body, "没有装入") {
		t.Errorf("made: %s", plainText(a.body))
	}
	add(syncclient.Mailed + 1)
	if a := f.get("/bundles"); !strings.Contains(a.body, `name="photos"`) {
		t.Error("it is not offered to take all along")
	}
	if a := f.post("/bundles", nil); !strings.Contains(a.body, "里面有照片等文件 1 个") || !strings.Contains(a.body, "还有 1 张照片或文件（20.0 MB）没有装入") {
		t.Errorf("made: %s", plainText(a.body))
	}
	if a := f.post("/bundles", map[string][]string{"photos": {"all"}}); !strings.Contains(a.body, "里面有照片等文件 2 个") || strings.Contains(a.body, "没有装入") {
		t.Errorf("made: %s", plainText(a.body))
	}
	if len(b.carry) != 3 || b.carry[1].Files != syncclient.FilesFit || b.carry[2].Files != syncclient.FilesAll {
		t.Errorf("asked for %+v", b.carry)
	}
	if body := f.get("/sync").body; strings.Contains(body, "写下的都已送到办公室") {
		t.Error("it is said to be delivered")
	}
}

// One at a time is made or taken, and another window sees how far it is.
func TestOneWorkAtATime(t *testing.T) {
	f := newFixture(t, false).enter()
	f.set(f.laptop, "杜旺火", householdType, record.ID{}, map[string]string{"head_name": "王二"})
	s := &slow{Bundler: f.sync.Bundler, at: make(chan struct{}), on: make(chan struct{})}
	f.sync.Bundler = s
	done := make(chan answer)
	go func() { done <- f.post("/bundles", nil) }()
	<-s.at
	a := f.get("/bundles")
	if !strings.Contains(a.body, "正在做数据包：已装 30 项，共 120 项") || a.header.Get("Refresh") == "" {
		t.Errorf("in another window: %s", plainText(a.body))
	}
	if a := f.get("/bundles/progress"); a.body != `{"percent":25,"text":"正在做数据包：已装 30 项，共 120 项……"}` {
		t.Errorf("the script is told %s", a.body)
	}
	for _, a := range []answer{f.post("/bundles", nil), f.upload(f.site.doors.token(), []byte("ZCB"), nil)} {
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "另一个数据包还没有做完或收完") {
			t.Errorf("a second one: %d %s", a.status, plainText(a.body))
		}
	}
	close(s.on)
	if a := <-done; a.status != 200 || !strings.Contains(a.body, "数据包做好了") {
		t.Errorf("%d %s", a.status, plainText(a.body))
	}
	if a := f.get("/bundles/progress"); a.body != `{"percent":0,"text":""}` {
		t.Errorf("afterwards the script is told %s", a.body)
	}
	// One that failed leaves nothing under way.
	if err := os.RemoveAll(filepath.Join(f.dir, "bundles")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "bundles"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.sync.Bundler = s.Bundler
	if a := f.post("/bundles", nil); a.status == 200 || strings.Contains(a.body, "数据包做好了") {
		t.Errorf("without room for it: %d %s", a.status, plainText(a.body))
	}
	if a := f.get("/bundles/progress"); a.body != `{"percent":0,"text":""}` {
		t.Errorf("after a failure the script is told %s", a.body)
	}
}

// slow makes a bundle that stops half way until it may go on.
type slow struct {
	Bundler
	at, on chan struct{}
}

func (s *slow) Make(ctx context.Context, carry syncclient.Carry, progress func(done, left uint64)) ([]syncclient.Exported, error) {
	progress(30, 90)
	close(s.at)
	<-s.on
	return s.Bundler.Make(ctx, carry, progress)
}

// Several files are all offered, with what to do with them.
func TestSeveralFiles(t *testing.T) {
	f := newFixture(t, false).enter()
	for i, want := range []string{"里面有 3 处改动", "分成了 2 个，每个都要保存"} {
		o := &outcome{}
		for n := range i + 1 {
			o.made = append(o.made, syncclient.Exported{File: filepath.Join(f.dir, "bundles", "zhucun-aaaaaaaa-"+string(rune('1'+n))+".zcb"), Changes: 3, Bytes: 32 << 20})
		}
		body := f.get("/bundles?done=" + f.site.work.keep(o)).body
		if !strings.Contains(body, want) || strings.Count(body, "/bundles/file/zhucun-aaaaaaaa-") != i+1 || !strings.Contains(body, "32.0 MB") {
			t.Errorf("%d files: %s", i+1, plainText(body))
		}
	}
	if body := f.get("/bundles?done=" + rand.Text()).body; strings.Contains(body, `class="banner"`) {
		t.Error("something is said of what is not known")
	}
}

// In the browser: made and saved, and the reply taken, with and without scripts.
func TestBundleInBrowser(t *testing.T) {
	f := newFixture(t, false)
	f.set(f.laptop, "杜旺火", householdType, record.ID{}, map[string]string{"head_name": "王二"})
	ctx := browser(t)
	enterBy(t, ctx, f)
	do(t, ctx, chromedp.Navigate(f.at+"/bundles"), chromedp.Click(chromedp.CSS("form[action$='/bundles'] button")))
	until(t, ctx, "location.search.startsWith('?done=') && document.querySelector('.banner h2').textContent.includes('还没有送达')")
	if at := js[string](t, ctx, "document.activeElement.id"); at != "main" {
		t.Errorf("the focus is on %q", at)
	}
	file := js[string](t, ctx, "document.querySelector('.banner a.button').pathname.slice(25)")
	reply := filepath.Join(t.TempDir(), "r.zcb")
	if err := os.WriteFile(reply, office{}.answer(t, f.laptop, []byte(f.enter().get(file).body)), 0o600); err != nil {
		t.Fatal(err)
	}
	// Too large is said before anything is sent.
	large := filepath.Join(t.TempDir(), "large.zcb")
	if err := errors.Join(os.WriteFile(large, nil, 0o600), os.Truncate(large, bundle.MaxSize+1)); err != nil {
		t.Fatal(err)
	}
	take := func(path string) {
		do(t, ctx, chromedp.SetUploadFiles(chromedp.ID("file"), []string{path}), chromedp.Click(chromedp.CSS("form[enctype] button")))
	}
	take(large)
	until(t, ctx, "document.querySelector('form[enctype] [role=status]').textContent.includes('文件太大') && !document.querySelector('form[enctype] button').disabled")
	take(reply)
	until(t, ctx, "!!document.querySelector('.banner') && document.querySelector('.banner h2').textContent === '办公室的答复收到了' && document.querySelector('.fate').textContent === '已送达' && !document.querySelector('#head .count')")
	// Back and forward show what they name.
	do(t, ctx, chromedp.Navigate(f.at+"/bundles"))
	until(t, ctx, "!document.querySelector('.banner') && document.querySelector('.fate').textContent === '已送达'")

	// The way of a browser without scripts.
	js[bool](t, ctx, "(document.querySelector('form[enctype]').removeAttribute('data-work'), true)")
	take(reply)
	until(t, ctx, "location.search.startsWith('?done=') && document.readyState === 'complete' && document.querySelector('.banner h2').textContent === '办公室的答复收到了'")
	js[bool](t, ctx, "(document.querySelector('form[enctype]').removeAttribute('data-work'), true)")
	junk := filepath.Join(t.TempDir(), "junk.zcb")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("这不是数据包"), 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	take(junk)
	until(t, ctx, "location.pathname.endsWith('/take') && document.readyState === 'complete' && document.querySelector('[role=alert]').textContent.includes('不是数据包')")
}
