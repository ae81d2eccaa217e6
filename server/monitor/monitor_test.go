package monitor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/server/store/sqlite"
	"zhucun/shared/identity"
)

type watched struct {
	*testing.T
	monitor *Monitor
	store   *store.Store
	access  *access.Access
	log     bytes.Buffer
	free    uint64
	broken  error
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{T: t, free: 1 << 40}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "zhucun.db"), store.Options{Key: key, Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.access = access.New(w.store)
	w.monitor = New(w.store, w.access, Options{Data: "x", Version: "0.1", Requests: true, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
		Room: func(string) (uint64, uint64, error) { return w.free, 1 << 41, w.broken }})
	return w
}

func (w *watched) get(path, from string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = from
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	a := httptest.NewRecorder()
	w.monitor.Handler().ServeHTTP(a, r)
	return a
}

const here, away = "127.0.0.1:5", "203.0.113.9:5"

// Ready is whoever has a database that answers and room on the disk.
func TestReady(t *testing.T) {
	w := watch(t)
	if a := w.get(HealthPath, away); a.Code != 200 || a.Body.String() != "ok\n" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	ready := func(want int, says string) {
		t.Helper()
		if a := w.get(ReadyPath, away); a.Code != want || !strings.Contains(a.Body.String(), says) {
			t.Errorf("%d %s; want %d %s", a.Code, a.Body, want, says)
		}
	}
	ready(200, `"ready":true`)
	w.free = minRoom - 1
	ready(503, `"disk":"full"`)
	w.broken = errors.New("away")
	ready(503, `"disk":"failed"`)
	w.free, w.broken = 1<<40, nil
	w.store.Close()
	ready(503, `"database":"failed"`)
}

// The numbers are for tokens of those who look after the server, and for this machine where
// the server was started so and no proxy brings somebody else. What a proxy sends that says
// nothing of itself looks as if it were from here.
func TestMay(t *testing.T) {
	w := watch(t)
	tokens := map[identity.Role]string{}
	for _, r := range []identity.Role{identity.Admin, identity.Office, identity.Leader, identity.Inspector} {
		token, _, err := w.access.AddToken(t.Context(), access.NewToken{Name: string(r), Role: r, Days: 1})
		if err != nil {
			t.Fatal(err)
		}
		tokens[r] = token
	}
	for _, from := range []string{here, "[::1]:9", away} {
		if a := w.get(MetricsPath, from); a.Code != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", from, a.Code)
		}
	}
	if a := w.get(MetricsPath, here, "Authorization", "Bearer "+tokens[identity.Admin]); a.Code != http.StatusOK {
		t.Errorf("by a token: %d", a.Code)
	}
	w.monitor.opt.Local = true
	for _, row := range []struct {
		from string
		head []string
		want int
	}{
		{here, nil, 200}, {"[::1]:9", nil, 200}, {"[::ffff:127.0.0.1]:9", nil, 200}, {away, nil, 401}, {"10.0.0.1:9", nil, 401}, {"", nil, 401},
		{here, []string{"X-Forwarded-For", "203.0.113.9"}, 401}, {here, []string{"Via", "1.1 x"}, 401}, {here, []string{"Forwarded", "for=x"}, 401},
		{away, []string{"Authorization", "Bearer " + tokens[identity.Admin]}, 200}, {away, []string{"Authorization", "Bearer " + tokens[identity.Office]}, 200},
		{away, []string{"Authorization", "Bearer " + tokens[identity.Leader]}, 401}, {here, []string{"Authorization", "Bearer " + tokens[identity.Inspector]}, 401},
		{away, []string{"Authorization", "Bearer x"}, 401},
	} {
		if a := w.get(MetricsPath, row.from, row.head...); a.Code != row.want {
			t.Errorf("%s %v: %d, want %d", row.from, row.head, a.Code, row.want)
		}
	}
}

var line = regexp.MustCompile(`^[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+-]+$`)

// What is served reads as Prometheus' text format: each name is said once, with its kind,
// and what is counted adds up.
func TestText(t *testing.T) {
	w := watch(t)
	if err := w.access.AddVillage(t.Context(), store.Village{Code: "369999000001", Name: "清源村"}); err != nil {
		t.Fatal(err)
	}
	h := w.monitor.Count(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/x":
			rw.WriteHeader(http.StatusNotFound)
		case "/cut":
			panic(http.ErrAbortHandler)
		default:
			io.WriteString(rw, "abc")
		}
	}))
	for _, path := range []string{"/v1/sync", "/s", "/api/v1/x", "/records/household?q=%E6%9D%8E%E5%A4%A7%E5%B1%B1", "/cut"} {
		func() {
			defer func() {
				if x := recover(); x != nil && path != "/cut" {
					t.Error(x)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		}()
	}
	w.monitor.opt.Local = true
	a := w.get(MetricsPath, here)
	seen := map[string]bool{}
	for l := range strings.Lines(a.Body.String()) {
		l = strings.TrimSuffix(l, "\n")
		if name, is := strings.CutPrefix(l, "# TYPE "); is {
			if seen[name] {
				t.Errorf("twice: %s", l)
			}
			seen[name] = true
			continue
		}
		if !strings.HasPrefix(l, "# HELP ") && !line.MatchString(l) {
			t.Errorf("cannot be read: %q", l)
		}
	}
	for _, want := range []string{"zhucun_villages 1\n", `zhucun_request_seconds_count{area="laptop",code="2xx"} 2`, `zhucun_request_seconds_bucket{area="laptop",code="2xx",le="+Inf"} 2`,
		`zhucun_request_seconds_count{area="api",code="4xx"} 1`, `zhucun_request_seconds_count{area="page",code="cut"} 1`, `zhucun_requests_open{area="laptop"} 0`, `zhucun_waiting{kind="conflict"} 0`} {
		if !strings.Contains(a.Body.String(), want) {
			t.Errorf("%s is missing in\n%s", want, a.Body)
		}
	}
	// The log has a line each, and nothing of what stood in addresses.
	n := 0
	for l := range strings.Lines(w.log.String()) {
		var x struct {
			Msg, Pattern string
			Status       int
		}
		if err := json.Unmarshal([]byte(l), &x); err != nil || x.Msg != "request" || x.Status == 0 || x.Pattern == "" {
			t.Errorf("%v: %s", err, l)
		}
		n++
	}
	if n != 5 || strings.Contains(w.log.String(), "%E6") || strings.Contains(w.log.String(), "李") {
		t.Errorf("%d lines: %s", n, w.log.String())
	}
}
