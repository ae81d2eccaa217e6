package web

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	files "zhucun/server/blob"
	"zhucun/server/store"
	"zhucun/server/syncapi"
	"zhucun/shared/bundle"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/journal"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// bundle is a laptop's file with one visit.
func (l *laptop) bundle(findings string) []byte {
	l.f.t.Helper()
	v := small[0].Code
	c := record.Change{Record: record.ID{0: 9, 6: 0x70, 8: 0x80}, Type: "visit", Author: l.author, Time: uint64(clock.At0(l.f.wall.Load())), Body: []record.Write{
		{Path: record.Source, Value: `"onsite"`}, {Path: "findings", Value: record.Text(findings)},
	}}
	seg := &journal.Segment{Stream: identity.StreamOf(l.device.Key, string(v), l.inc), From: 1, Incarnation: l.inc, Changes: []record.Change{c}}
	hashes := seg.Hashes(journal.Hash{})
	seg.Seal(l.key, hashes[0])
	m := &wire.Sync{Version: wire.Version, Assigned: 1, Villages: []wire.Push{{Village: v, Streams: []wire.Own{{Stream: seg.Stream, Head: 1}}, Segments: [][]byte{seg.Encode()}}}}
	packed, err := wire.EncodeSync(m, wire.Thrifty)
	if err != nil {
		l.f.t.Fatal(err)
	}
	wire.SetClock(packed, l.f.wall.Load())
	size, err := wire.Size(m)
	if err != nil {
		l.f.t.Fatal(err)
	}
	server := l.f.store.Key.Public().(ed25519.PublicKey)
	file, err := bundle.Seal(&bundle.Bundle{Device: l.device.ID, Server: server, Serial: 3, Made: l.f.wall.Load(), Parts: []bundle.Part{{Message: packed, Size: size}}}, identity.BundleOf, l.key, server)
	if err != nil {
		l.f.t.Fatal(err)
	}
	return file
}

// photos is a laptop's file with a photo for its village and one for another.
func (l *laptop) photos() []byte {
	l.f.t.Helper()
	server := l.f.store.Key.Public().(ed25519.PublicKey)
	b := &bundle.Bundle{Device: l.device.ID, Server: server, Serial: 4, Made: l.f.wall.Load()}
	content := map[[32]byte]string{}
	for i, v := range []record.Village{small[0].Code, small[1].Code} {
		text := fmt.Sprint("photo ", i)
		sum := sha256.Sum256([]byte(text))
		content[sum] = text
		b.Files = append(b.Files, bundle.File{Village: v, Hash: sum, Kind: "jpg", Size: int64(len(text)), Sum: sum})
	}
	var file bytes.Buffer
	if _, err := bundle.Write(&file, b, identity.BundleOf, l.key, server, func(f bundle.File) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content[f.Sum])), nil
	}); err != nil {
		l.f.t.Fatal(err)
	}
	return file.Bytes()
}

// What came of the photos in a bundle is said.
func TestUploadOfPhotos(t *testing.T) {
	f := newFixture(t, small...)
	held, err := files.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	f.store.Files = held
	l := f.laptop("王队员", identity.TeamMember, small[0].Code)
	v := f.as("office")
	a := v.upload(v.get(bundlesPath).token(), l.photos())
	if a.status != http.StatusOK || !strings.Contains(a.body, "新收照片等文件 1 个") || !strings.Contains(a.body, "有 1 个照片或文件没有收下") {
		t.Errorf("%d at %s\n%s", a.status, a.path, a.body)
	}
}

// opens tells whether a file is a reply to the laptop.
func (l *laptop) opens(file []byte) bool {
	_, err := bundle.Open(file, identity.ReplyOf, l.key, func(*bundle.Bundle) (ed25519.PublicKey, error) {
		return l.f.store.Key.Public().(ed25519.PublicKey), nil
	})
	return err == nil
}

// upload sends a file as the form of a page does.
func (v *visitor) upload(token string, file []byte) answer {
	v.f.t.Helper()
	return v.uploadTo(bundlesPath, token, file)
}

func (v *visitor) uploadTo(path, token string, file []byte) answer {
	v.f.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("_token", token)
	if file != nil {
		part, err := w.CreateFormFile("file", "../../x.zcb")
		if err != nil {
			v.f.t.Fatal(err)
		}
		part.Write(file)
	}
	w.Close()
	r, err := http.NewRequest(http.MethodPost, v.f.server.URL+path, &body)
	if err != nil {
		v.f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", v.f.server.URL)
	return v.do(r)
}

// An uploaded bundle is taken, as often as it comes, and its reply is a download
// for whoever uploaded it.
func TestUpload(t *testing.T) {
	f := newFixture(t, small...)
	l := f.laptop("王队员", identity.TeamMember, small[0].Code)
	file := l.bundle("带来的走访")
	v := f.as("office")
	var links []string
	for _, want := range []string{"新收 1 条", "新收 0 条"} {
		a := v.upload(v.get(bundlesPath).token(), file)
		if a.status != http.StatusOK || !strings.HasPrefix(a.path, bundlesPath+"/") || !strings.Contains(a.body, want) || !strings.Contains(a.body, "王队员 的第 3 个数据包") {
			t.Fatalf("%d at %s\n%s", a.status, a.path, a.body)
		}
		links = append(links, a.path+"/reply")
	}
	if links[0] == links[1] {
		t.Error("two uploads have one address")
	}
	for _, link := range links {
		a := v.get(link)
		if name := a.header.Get("Content-Disposition"); a.status != http.StatusOK || !l.opens([]byte(a.body)) || !strings.HasPrefix(name, `attachment; filename="zhucun-`) {
			t.Errorf("the reply: %d, %q", a.status, name)
		}
		if a := f.as("admin").get(link); a.status != http.StatusNotFound {
			t.Errorf("another account gets it: %d", a.status)
		}
	}
	if a := f.as("office").get("/audit"); strings.Count(a.body, "<td>收取数据包</td>") != 2 {
		t.Errorf("the audit has not both\n%s", a.body)
	}
	f.pass(repliesKept / 2)
	if a := v.get(links[0]); a.status != http.StatusOK {
		t.Errorf("half an hour later: %d", a.status)
	}
	f.pass(repliesKept/2 + time.Minute)
	v = f.as("office")
	if a := v.get(links[0]); a.status != http.StatusNotFound || !strings.Contains(a.body, "重新收取") {
		t.Errorf("an hour later: %d\n%s", a.status, a.body)
	}
}

// Each row is an upload that takes nothing, and its answer.
func TestUploadRefused(t *testing.T) {
	f := newFixture(t, small...)
	l := f.laptop("王队员", identity.TeamMember, small[0].Code)
	file := l.bundle("带来的走访")
	office, leader, nobody := f.as("office"), f.as("leader"), f.visitor()
	good := office.get(bundlesPath).token()
	tests := []struct {
		name  string
		who   *visitor
		token string
		file  []byte
		want  int
		says  string
	}{
		{"a leader", leader, leader.get("/me").token(), file, http.StatusForbidden, ""},
		{"nobody", nobody, nobody.get("/signin").token(), file, http.StatusOK, "/signin"},
		{"without the form's token", office, "", file, http.StatusForbidden, ""},
		{"with another session's", office, f.as("office").get(bundlesPath).token(), file, http.StatusForbidden, ""},
		{"no file", office, good, nil, http.StatusUnprocessableEntity, "请先选择一个文件"},
		{"a page", office, good, []byte("<html>"), http.StatusUnprocessableEntity, "不是数据包"},
		{"part of one", office, good, file[:len(file)-1], http.StatusUnprocessableEntity, "没有复制完整"},
		{"too large", office, good, make([]byte, maxUpload+1), http.StatusBadRequest, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.who.upload(tt.token, tt.file)
			if a.status != tt.want || !strings.Contains(a.path+a.body, tt.says) {
				t.Errorf("%d at %s, want %d and %q\n%s", a.status, a.path, tt.want, tt.says, a.body)
			}
		})
	}
	if heads, err := f.store.Heads(context.Background()); err != nil || slices.ContainsFunc(heads, func(h store.Head) bool { return h.Feed > 0 }) {
		t.Errorf("something was taken: %v, %v", heads, err)
	}
}

// An upload may take longer than a page's form may, while it moves.
func TestSlowUpload(t *testing.T) {
	f := newFixture(t, small...)
	f.site.stall = 300 * time.Millisecond
	l := f.laptop("王队员", identity.TeamMember, small[0].Code)
	v := f.as("office")
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("_token", v.get(bundlesPath).token())
	part, err := w.CreateFormFile("file", "x.zcb")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(l.bundle("带来的走访"))
	w.Close()
	from, to := io.Pipe()
	size := int64(body.Len())
	go func() {
		for body.Len() > 0 {
			to.Write(body.Next(int(size)/8 + 1))
			time.Sleep(100 * time.Millisecond)
		}
		to.Close()
	}()
	r, err := http.NewRequest(http.MethodPost, f.server.URL+bundlesPath, from)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Origin", f.server.URL)
	if a := v.do(r); a.status != http.StatusOK || !strings.Contains(a.body, "新收 1 条") {
		t.Errorf("%d\n%s", a.status, a.body)
	}
}

// Old and too many replies are let go of, never the last one.
func TestRepliesKept(t *testing.T) {
	var k replies
	now := morning
	add := func(size int) *keptReply {
		b := &keptReply{Bundle: &syncapi.Bundle{Reply: make([]byte, size)}, id: now.String(), login: "office", at: now}
		k.keep(b)
		now = now.Add(time.Minute)
		return b
	}
	for range 3 * maxReplies {
		last := add(10)
		if k.find(last.id, "office", now) != last {
			t.Fatal("the last one is gone")
		}
	}
	if len(k.kept) != maxReplies {
		t.Errorf("%d are kept", len(k.kept))
	}
	if last := add(maxRepliesSize + 1); len(k.kept) != 1 || k.find(last.id, "office", now) != last {
		t.Errorf("%d are kept beside one that is larger than all may be", len(k.kept))
	}
}

// A person chooses a file, sends it, reads what came of it, and has the reply.
func TestUploadInTheBrowser(t *testing.T) {
	f := newFixture(t, small...)
	l := f.laptop("王队员", identity.TeamMember, small[0].Code)
	path := filepath.Join(t.TempDir(), "stick.zcb")
	if err := os.WriteFile(path, l.bundle("带来的走访"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.zcb")
	if err := os.WriteFile(bad, []byte("ZCB"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	signInBy(t, ctx, f, "office")
	do(t, ctx, chromedp.Click("#nav summary"), chromedp.Click("#nav a[href='/bundles']"))
	until(t, ctx, "!!document.querySelector('#file')")
	do(t, ctx, chromedp.SetUploadFiles("#file", []string{bad}), chromedp.Click("form[data-upload] button"))
	until(t, ctx, "document.querySelector('.notice.bad') && document.querySelector('.notice.bad').textContent.indexOf('没有复制完整') >= 0")
	do(t, ctx, chromedp.SetUploadFiles("#file", []string{path}), chromedp.Click("form[data-upload] button"))
	until(t, ctx, "location.pathname.indexOf('/bundles/') === 0 && document.body.innerText.indexOf('新收 1 条') >= 0")
	got := js[string](t, ctx, `(function () { var r = new XMLHttpRequest(); r.open("GET", document.querySelector("#reply").href, false); r.overrideMimeType("text/plain; charset=x-user-defined"); r.send(); return btoa(Array.from(r.responseText).map(function (c) { return String.fromCharCode(c.charCodeAt(0) & 255); }).join("")); })()`)
	if file, err := base64.StdEncoding.DecodeString(got); err != nil || !l.opens(file) {
		t.Error("the download is not the laptop's reply")
	}
	do(t, ctx, chromedp.Click("main a[href='/bundles']"))
	until(t, ctx, "!!document.querySelector('#file')")
	if contacts, err := f.store.Contacts(context.Background()); err != nil || len(contacts) == 0 {
		t.Errorf("%v, %v", contacts, err)
	}
}

// An upload lies with the data, and leaves the disk its room: one that would not fit is
// refused before it is written, one that turns out not to while it is; and nothing is left
// of it, nor taken.
func TestUploadLeavesRoom(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	f := newFixture(t, small...)
	l := f.laptop("王队员", identity.TeamMember, small[0].Code)
	file := l.bundle("带来的走访")
	v := f.as("office")
	try := func(name string, file []byte, want int, says string) {
		t.Helper()
		if a := v.upload(v.get(bundlesPath).token(), file); a.status != want || !strings.Contains(a.body, says) {
			t.Errorf("%s: %d, want %d and %q\n%s", name, a.status, want, says, a.body)
		}
		if left, _ := os.ReadDir(f.site.opt.Spool); len(left) > 0 {
			t.Errorf("%s: %d files are left", name, len(left))
		}
	}
	free := uint64(spared)
	f.site.room = func(dir string) (uint64, uint64, error) {
		if dir != f.site.opt.Spool {
			t.Errorf("it looks at the disk of %s", dir)
		}
		return free, 100 << 30, nil
	}
	os.MkdirAll(f.site.opt.Spool, 0o700)
	try("a full disk", file, http.StatusInsufficientStorage, "磁盘快满了")
	free = spared + 9<<20
	looks := 0
	f.site.room = func(string) (uint64, uint64, error) {
		looks++
		return free - uint64(looks)*(4<<20), 100 << 30, nil
	}
	try("one that fills up", make([]byte, 4<<20), http.StatusInsufficientStorage, "磁盘快满了")
	if looks != 2 {
		t.Errorf("the disk was looked at %d times", looks)
	}
	if a := v.get("/export/household?format=csv"); a.status != http.StatusInsufficientStorage {
		t.Errorf("an export: %d", a.status)
	}
	if heads, err := f.store.Heads(context.Background()); err != nil || slices.ContainsFunc(heads, func(h store.Head) bool { return h.Feed > 0 }) {
		t.Errorf("something was taken: %v, %v", heads, err)
	}
	f.site.room = Room
	try("room", file, http.StatusOK, "新收 1 条")
	for range maxComing {
		f.site.comes <- struct{}{}
	}
	try("too many at once", file, http.StatusServiceUnavailable, "服务器正忙")
}
