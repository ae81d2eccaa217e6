package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/shared/escrow"
	"zhucun/shared/form"
)

// fakeLock is a lock of a passphrase in memory; recovered is what the office's
// code leads to.
type fakeLock struct {
	way        vault.Way
	passphrase string
	code       string
}

func (l *fakeLock) Way() vault.Way { return l.way }

func (l *fakeLock) Unlock(passphrase []byte) error {
	if string(passphrase) != l.passphrase {
		return vault.ErrWrong
	}
	return nil
}

func (l *fakeLock) Set(old, fresh []byte) error {
	switch {
	case l.way == vault.Passphrase && string(old) != l.passphrase:
		return vault.ErrWrong
	case len(fresh) == 0:
		l.way, l.passphrase = vault.Unprotected, ""
	case len(fresh) < vault.MinPassphrase:
		return vault.ErrShort
	default:
		l.way, l.passphrase = vault.Passphrase, string(fresh)
	}
	return nil
}

func (l *fakeLock) Recover(code string, fresh []byte) error {
	if code != l.code {
		return escrow.ErrCode
	}
	l.way, l.passphrase = vault.Passphrase, string(fresh)
	return nil
}

func (l *fakeLock) Owns(word []byte) error {
	switch {
	case l.code != "" && string(word) == l.code:
		return nil
	case l.way != vault.Passphrase:
		return escrow.ErrCode
	}
	return l.Unlock(word)
}

const word = "a horse and a cart"

// Pages that lie unused ask for the passphrase, however the time passed, and show
// nothing before.
func TestIdleLock(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.lock = &fakeLock{way: vault.Passphrase, passphrase: word}
	name, page := f.house(0).name, "/household/"+f.house(0).id.String()
	shows := func(what string, want bool) {
		t.Helper()
		a := f.get(page)
		locked := a.status == http.StatusLocked && strings.Contains(a.body, `action="`+f.site.root+`/unlock"`)
		if shown := a.status == http.StatusOK && strings.Contains(a.body, name); shown != want || locked == want || !want && strings.Contains(a.body, name) {
			t.Fatalf("%s: status %d, shown %v; want %v", what, a.status, shown, want)
		}
	}
	shows("a new link", false)
	if a := f.post("/unlock", url.Values{"passphrase": {"another"}}); a.status != http.StatusLocked || !strings.Contains(a.body, texts["lock.wrong"].zh) {
		t.Errorf("a wrong passphrase: %d", a.status)
	}
	shows("after a wrong one", false)
	if a := f.post("/unlock", url.Values{"passphrase": {word}, "back": {"/sync"}}); a.status != http.StatusOK || a.path != "/sync" {
		t.Errorf("the right one leads to %s, status %d", a.path, a.status)
	}
	shows("unlocked", true)
	f.up.Add(int64(idleLock - time.Second))
	shows("after a while", true)
	f.up.Add(int64(idleLock + time.Second))
	shows("after too long", false)
	f.post("/unlock", url.Values{"passphrase": {word}})
	shows("unlocked again", true)
	// While a laptop sleeps only the wall's clock goes on.
	f.wall.Add((idleLock + time.Second).Milliseconds())
	shows("after a sleep", false)
	for _, back := range []string{"//evil.example", "https://evil.example/", "/unlock", `/\evil.example`} {
		if a := f.post("/unlock", url.Values{"passphrase": {word}, "back": {back}}); a.path != "/" {
			t.Errorf("back to %q leads to %s", back, a.path)
		}
		f.up.Add(int64(idleLock + time.Second))
	}
	// Who has no session cannot even try.
	f.client.Jar = nil
	if a := f.post("/unlock", url.Values{"passphrase": {word}}); a.status != http.StatusForbidden {
		t.Errorf("without a session: %d", a.status)
	}
}

// Without a passphrase nothing locks by itself.
func TestNoLock(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.lock = &fakeLock{way: vault.Unprotected}
	f.up.Add(int64(48 * time.Hour))
	if a := f.get("/sync"); a.status != http.StatusOK || !strings.Contains(a.body, texts["lock.bare"].zh) {
		t.Errorf("status %d; it should say that nothing is protected", a.status)
	}
}

// What somebody filled in while it locked itself is neither lost nor saved: it
// comes back to be sent again.
func TestLockedMeanwhile(t *testing.T) {
	f := newFixture(t, true).enter()
	f.site.lock = &fakeLock{way: vault.Passphrase, passphrase: word}
	f.post("/unlock", url.Values{"passphrase": {word}})
	a := f.get("/record/visit/new")
	if a.status != http.StatusOK {
		t.Fatalf("status %d", a.status)
	}
	draft := strings.TrimSuffix(a.path, "?")
	f.up.Add(int64(idleLock + time.Second))
	a = f.post(draft+"/save", url.Values{"findings": {"刘家屋顶漏雨"}})
	if a.status != http.StatusLocked || !strings.Contains(a.body, `name="findings" value="刘家屋顶漏雨"`) || !strings.Contains(a.body, texts["lock.resend"].zh) {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	if a := f.post(draft+"/keep", url.Values{"findings": {"x"}}); a.status != http.StatusLocked {
		t.Errorf("a draft kept by the script: status %d", a.status)
	}
}

// The passphrase is set, changed and taken away on the page, and set anew with the
// office's code.
func TestSetLock(t *testing.T) {
	f := newFixture(t, true).enter()
	l := &fakeLock{way: vault.Unprotected, code: "ZR1-OFFICE"}
	f.site.lock = l
	tests := []struct {
		name   string
		path   string
		values url.Values
		status int
		said   string // an id of texts
		word   string // afterwards
	}{
		{"typed differently", "/lock", url.Values{"fresh": {word}, "again": {word + "s"}}, 422, "lock.twice", ""},
		{"nothing typed", "/lock", url.Values{}, 422, "lock.twice", ""},
		{"too short", "/lock", url.Values{"fresh": {"short"}, "again": {"short"}}, 422, "lock.short", ""},
		{"set", "/lock", url.Values{"fresh": {word}, "again": {word}}, 200, "lock.done", word},
		{"changed without the old one", "/lock", url.Values{"fresh": {"x" + word}, "again": {"x" + word}}, 422, "lock.wrong", word},
		{"changed", "/lock", url.Values{"old": {word}, "fresh": {"x" + word}, "again": {"x" + word}}, 200, "lock.done", "x" + word},
		{"taken away without it", "/lock", url.Values{"do": {"remove"}}, 422, "lock.wrong", "x" + word},
		{"taken away", "/lock", url.Values{"do": {"remove"}, "old": {"x" + word}}, 200, "lock.done", ""},
	}
	for _, tt := range tests {
		a := f.post(tt.path, tt.values)
		if a.status != tt.status || !strings.Contains(a.body, texts[tt.said].zh) || l.passphrase != tt.word {
			t.Errorf("%s: status %d, passphrase %q", tt.name, a.status, l.passphrase)
		}
	}
	l.way, l.passphrase = vault.Passphrase, "forgotten"
	f.up.Add(int64(idleLock + time.Second))
	if a := f.post("/recover", url.Values{"code": {"ZR1-WRONG"}, "fresh": {word}, "again": {word}}); a.status != http.StatusLocked || !strings.Contains(a.body, texts["lock.code"].zh) {
		t.Errorf("a wrong code: status %d", a.status)
	}
	if a := f.post("/recover", url.Values{"code": {l.code}, "fresh": {word}, "again": {word}}); a.status != http.StatusOK || l.passphrase != word {
		t.Errorf("the office's code: status %d, passphrase %q", a.status, l.passphrase)
	}
	if a := f.get("/sync"); a.status != http.StatusOK {
		t.Errorf("after it: status %d", a.status)
	}
}

// Before the data is unlocked there is the door, the lock, and nothing else; a
// link and a session work as they do later.
func TestWaiting(t *testing.T) {
	g := NewGate(t.TempDir(), &fakeLock{way: vault.Passphrase, passphrase: word}, Options{})
	srv := httptest.NewServer(g.Wait(form.En))
	defer srv.Close()
	f := &fixture{t: t, base: srv.URL, at: srv.URL + g.root, site: &Site{Gate: g}, client: srv.Client()}
	f.client.Jar = newJar(t)
	if a := f.get("/"); a.status != http.StatusForbidden {
		t.Errorf("without a link: %d", a.status)
	}
	f.get(g.Link())
	for _, path := range []string{"/", "/find", "/sync", "/assets/x/y"} {
		if a := f.get(path); a.status != http.StatusLocked || !strings.Contains(a.body, texts["lock.how"].en) {
			t.Errorf("%s: status %d", path, a.status)
		}
	}
	a := f.post("/unlock", url.Values{"passphrase": {word}})
	if a.status != http.StatusOK || !strings.Contains(a.body, texts["lock.opening"].en) || a.header.Get("Refresh") != "1" {
		t.Errorf("unlocked: status %d, %s", a.status, a.body)
	}
}

// A laptop that was out of contact for too long shows nothing, and opens with the
// next contact or with the office's code.
func TestOutOfContact(t *testing.T) {
	f := newFixture(t, true).enter()
	l := &fakeLock{way: vault.Unprotected, code: "ZR1-OFFICE"}
	f.site.lock = l
	limit := func(days uint64) {
		t.Helper()
		if _, err := f.laptop.SetDevice(t.Context(), func(d *store.Device) { d.Assigned.OfflineDays, d.LastSync = days, f.wall.Load() }); err != nil {
			t.Fatal(err)
		}
	}
	limit(30)
	name, page := f.house(0).name, "/household/"+f.house(0).id.String()
	if a := f.get(page); a.status != http.StatusOK {
		t.Fatalf("within the days: status %d", a.status)
	}
	f.wall.Add((31 * 24 * time.Hour).Milliseconds())
	a := f.get(page)
	if a.status != http.StatusLocked || strings.Contains(a.body, name) || strings.Contains(a.body, `name="passphrase"`) || !strings.Contains(a.body, "31") {
		t.Errorf("after too many: status %d, %s", a.status, a.body)
	}
	if a := f.post("/sync", nil); a.status != http.StatusLocked || a.path != "/sync?asked=1" || a.header.Get("Refresh") == "" {
		t.Errorf("a sync asked for: status %d at %s", a.status, a.path)
	}
	limit(30) // there was contact
	if a := f.get("/sync"); a.status != http.StatusOK {
		t.Errorf("after contact: status %d", a.status)
	}
	f.wall.Add((31 * 24 * time.Hour).Milliseconds())
	if a := f.post("/recover", url.Values{"code": {l.code}, "fresh": {word}, "again": {word}}); a.status != http.StatusOK {
		t.Errorf("the office's code: status %d", a.status)
	}
	if a := f.get("/sync"); a.status != http.StatusOK {
		t.Errorf("after it: status %d", a.status)
	}
}
