package webhook

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/merge"
	"zhucun/shared/record"
)

const (
	first  = record.Village("369999000001")
	second = record.Village("369999000002")
)

// world is a store, its sender, and somebody who is told.
type world struct {
	*testing.T
	store  *store.Store
	access *access.Access
	sender *Sender
	hook   store.Webhook
	secret []byte

	mu       sync.Mutex
	now      time.Time
	told     []message
	ids      []string
	status   int
	head     http.Header
	receiver *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC), status: http.StatusNoContent, head: http.Header{}}
	_, key, err := ed25519.GenerateKey(nil)
	w.ok(err)
	w.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "zhucun.db"), store.Options{Key: key, Random: rand.Reader, Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}})
	w.ok(err)
	t.Cleanup(func() { w.store.Close() })
	w.access = access.New(w.store)
	for _, code := range []record.Village{first, second} {
		w.ok(w.access.AddVillage(t.Context(), store.Village{Code: code, Name: "村" + string(code[11:])}))
	}
	w.receiver = httptest.NewServer(http.HandlerFunc(w.receive))
	t.Cleanup(w.receiver.Close)
	w.sender = New(w.store, w.access, Options{Private: true, Version: "0.1"})
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// register enters the receiver.
func (w *world) register(n access.NewWebhook) {
	w.Helper()
	n.URL = w.receiver.URL + "/hook"
	secret, h, err := w.access.AddWebhook(w.Context(), n)
	w.ok(err)
	w.hook = h
	w.secret, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	w.ok(err)
}

func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.Error(err)
	}
	id, text := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	at, err := strconv.ParseInt(text, 10, 64)
	if want := Sign(w.secret, id, at, body); err != nil || r.Header.Get("webhook-signature") != want || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		w.Errorf("signature %q at %s, want %q", r.Header.Get("webhook-signature"), text, want)
	}
	for _, secret := range []string{"李大山", "head_name", "王书记", "11010519491231002X"} {
		if bytes.Contains(body, []byte(secret)) {
			w.Errorf("a message has %s: %s", secret, body)
		}
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		w.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told, w.ids = append(w.told, m), append(w.ids, id)
	for name, values := range w.head {
		rw.Header()[name] = values
	}
	rw.WriteHeader(w.status)
}

func (w *world) put(v record.Village, typ record.Type, n int) {
	w.Helper()
	id, err := record.ParseID("01900000-0000-7000-8000-0000000000" + strconv.Itoa(10+n))
	w.ok(err)
	f := form.Builtin().Form(typ)
	field := map[record.Type]string{"household": "head_name", "visit": "findings"}[typ]
	w.pass(time.Minute)
	w.ok(w.store.Desk(context.Background(), v, func(d *store.Desk) error {
		body, err := merge.Compose(f, nil, nil, merge.Writer{Author: "王书记", Role: identity.Office}, map[string]record.Value{field: record.Text("李大山")})
		if err != nil {
			return err
		}
		_, err = d.Write(record.Change{Record: id, Type: typ, Author: "王书记", Form: f.Version, Body: body})
		return err
	}))
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// round lets the sender do what it has to do now, and gives what was received.
func (w *world) round() []message {
	w.Helper()
	w.mu.Lock()
	w.told = nil
	w.mu.Unlock()
	w.ok(w.sender.begin(w.Context()))
	w.sender.all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told
}

func (w *world) state() store.Webhook {
	w.Helper()
	list, err := w.store.Webhooks(w.Context())
	w.ok(err)
	return list[0]
}

// feeds gives what was told of a village, in the order in which it came.
func feeds(told []message, v record.Village) (list []uint64) {
	for _, m := range told {
		if m.Data.Village == v {
			for _, r := range m.Data.Records {
				list = append(list, r.Feed)
			}
		}
	}
	return list
}

// An address is told what changes from when it was entered, in the order of the feed, a
// few at a time and nothing twice.
func TestTold(t *testing.T) {
	w := newWorld(t)
	w.put(first, "household", 0)
	w.register(access.NewWebhook{})
	if told := w.round(); len(told) != 0 {
		t.Fatalf("told of what was there before: %+v", told)
	}
	w.sender.batch = 2
	for i := range 5 {
		w.put(first, "household", i)
	}
	w.put(second, "visit", 7)
	told := w.round()
	list := feeds(told, first)
	if len(list) != 5 || !slices.IsSorted(list) || len(feeds(told, second)) != 1 {
		t.Errorf("told %+v", told)
	}
	// The busy village's second message comes behind the other village's first.
	if len(told) != 4 || told[1].Data.Village != second {
		t.Errorf("order: %+v", told)
	}
	if told[0].Type != Changed || told[0].Data.Records[0].Life != "alive" || told[0].At == 0 {
		t.Errorf("%+v", told[0])
	}
	if told := w.round(); len(told) != 0 {
		t.Errorf("told again: %+v", told)
	}
	if s := w.state(); s.Delivered.IsZero() || s.Tries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestChosen(t *testing.T) {
	w := newWorld(t)
	w.register(access.NewWebhook{Types: []record.Type{"visit"}, Villages: []record.Village{second}})
	w.put(first, "visit", 0)
	w.put(second, "household", 1)
	w.put(second, "visit", 2)
	if told := w.round(); len(told) != 1 || len(told[0].Data.Records) != 1 || told[0].Data.Records[0].Type != "visit" || told[0].Data.Village != second {
		t.Errorf("told %+v", told)
	}
}

// What was not taken comes again, the same under the same id, later each time; nothing is
// left out, and after three days it rests until somebody resumes it.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	w.register(access.NewWebhook{})
	w.put(first, "household", 0)
	w.status = http.StatusInternalServerError
	if len(w.round()) != 1 {
		t.Fatal("not tried")
	}
	if s := w.state(); s.Tries != 1 || s.Said != "500" || s.Failing.IsZero() || !s.Paused.IsZero() {
		t.Errorf("%+v", s)
	}
	if len(w.round()) != 0 {
		t.Error("tried again at once")
	}
	w.pass(waits[0])
	if len(w.round()) != 1 || w.ids[0] != w.ids[1] {
		t.Errorf("the same message has ids %v", w.ids)
	}
	w.pass(waits[0])
	if len(w.round()) != 0 {
		t.Error("the second wait is as short as the first")
	}
	w.put(first, "household", 1)
	w.pass(giveUp)
	w.round()
	if s := w.state(); s.Paused.IsZero() {
		t.Errorf("not paused: %+v", s)
	}
	w.status = http.StatusNoContent
	w.pass(giveUp)
	if len(w.round()) != 0 {
		t.Error("told while it was paused")
	}
	_, err := w.access.ResumeWebhook(t.Context(), w.hook.ID)
	w.ok(err)
	if told := w.round(); len(feeds(told, first)) != 2 {
		t.Errorf("after the rest: %+v", told)
	}
	if s := w.state(); s.Tries != 0 || !s.Failing.IsZero() || s.Said != "" {
		t.Errorf("%+v", s)
	}
	// Who is gone says so, who is busy is left alone for as long as it asks.
	w.put(first, "household", 0)
	w.status, w.head = http.StatusTooManyRequests, http.Header{"Retry-After": {"1800"}}
	w.round()
	if s := w.state(); s.Next.Sub(w.now) != 30*time.Minute {
		t.Errorf("next in %v", s.Next.Sub(w.now))
	}
	w.pass(time.Hour)
	w.status = http.StatusGone
	w.round()
	if s := w.state(); s.Paused.IsZero() || s.Said != "410" {
		t.Errorf("%+v", s)
	}
}

// A redirect is no way to where messages may not go, and is not followed.
func TestNoRedirect(t *testing.T) {
	w := newWorld(t)
	w.register(access.NewWebhook{})
	w.put(first, "household", 0)
	w.status, w.head = http.StatusTemporaryRedirect, http.Header{"Location": {w.receiver.URL + "/elsewhere"}}
	if told := w.round(); len(told) != 1 || w.state().Said != "307" {
		t.Errorf("%d messages, %+v", len(told), w.state())
	}
}

// An address without TLS that was entered while the server allowed it is told nothing by
// one that does not, though it be of the open network. Nothing is dialled.
func TestPlain(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.access.AddWebhook(t.Context(), access.NewWebhook{URL: "http://hooks.example.cn/zhucun"})
	w.ok(err)
	w.put(first, "household", 0)
	w.sender = New(w.store, w.access, Options{})
	dialled := 0
	w.sender.client.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		dialled++
		return nil, net.ErrClosed
	}}
	w.round()
	if s := w.state(); s.Said != "plain" || s.Tries != 1 || dialled != 0 {
		t.Errorf("dialled %d times: %+v", dialled, s)
	}
}

// A sender of the product reaches nothing on this machine, under whatever name: it is what
// a name comes to when it is dialled that counts.
func TestPrivate(t *testing.T) {
	w := newWorld(t)
	w.receiver.Close()
	w.receiver = httptest.NewTLSServer(http.HandlerFunc(w.receive))
	t.Cleanup(w.receiver.Close)
	w.put(first, "household", 0)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		w.register(access.NewWebhook{})
		w.hook.URL = strings.Replace(w.receiver.URL, "127.0.0.1", host, 1) + "/hook"
		w.sender = New(w.store, w.access, Options{})
		w.put(first, "household", 0)
		u, err := w.store.Untold(t.Context(), &w.hook, first, 10)
		w.ok(err)
		if fault := w.sender.post(t.Context(), &w.hook, w.secret, u); fault == nil || fault.said != "private" || len(w.told) != 0 {
			t.Errorf("%s: %v, %d messages to this machine", host, fault, len(w.told))
		}
	}
	for text, want := range map[string][2]bool{
		"127.0.0.1": {false, true}, "::1": {false, true}, "::ffff:127.0.0.1": {false, true}, "10.1.2.3": {false, true}, "192.168.0.1": {false, true}, "172.16.0.9": {false, true}, "fd00::1": {false, true},
		"100.64.0.1": {false, true}, "169.254.169.254": {false, false}, "fe80::1": {false, false}, "0.0.0.0": {false, false}, "::": {false, false}, "224.0.0.1": {false, false},
		"64:ff9b::7f00:1": {false, true}, "2002:7f00:1::": {false, true}, "0.1.2.3": {false, true}, "240.0.0.1": {false, true}, "8.8.8.8": {true, true}, "2400:3200::1": {true, true}, "223.5.5.5": {true, true},
	} {
		a := netip.MustParseAddr(text)
		if open(a, false) != want[0] || open(a, true) != want[1] {
			t.Errorf("%s: %v, private %v", text, open(a, false), open(a, true))
		}
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	for _, n := range []access.NewWebhook{{URL: ""}, {URL: "ftp://x"}, {URL: "https://"}, {URL: "https://u:p@x/"}, {URL: "https://x/#y"}, {URL: "https://x/" + strings.Repeat("y", 500)}, {URL: "javascript:alert(1)"},
		{URL: "https://x", Types: []record.Type{"king"}}, {URL: "https://x", Villages: []record.Village{"1"}}} {
		if _, _, err := w.access.AddWebhook(t.Context(), n); err == nil {
			t.Errorf("taken: %+v", n)
		}
	}
	w.register(access.NewWebhook{})
	if bytes.Contains(w.state().Secret, w.secret) {
		t.Error("the secret lies open in the database")
	}
	_, err := w.access.RemoveWebhook(t.Context(), w.hook.ID)
	w.ok(err)
	w.put(first, "household", 0)
	if told := w.round(); len(told) != 0 {
		t.Errorf("told after it was taken out: %+v", told)
	}
}

// Run tells by itself, and what it logs names neither the address nor anybody.
func TestRun(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.sender.opt.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.register(access.NewWebhook{})
	w.status = http.StatusTeapot
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.sender.Run(ctx); close(done) }()
	w.put(first, "household", 0)
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		n := len(w.told)
		w.mu.Unlock()
		if n > 0 && w.state().Tries > 0 {
			break
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatal("nobody was told")
		}
	}
	end()
	<-done
	if s := log.String(); !strings.Contains(s, "said=418") || strings.Contains(s, "/hook") || strings.Contains(s, "李") {
		t.Errorf("log: %s", s)
	}
}
