package e2e

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// listenAs serves where the office's server did.
func (w *world) listenAs(t *testing.T, secure bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	if p := w.procs["office"]; p != nil {
		if _, err := p.stop(); err != nil {
			t.Fatal(err)
		}
		delete(w.procs, "office")
	}
	l, err := listen(w.link.to)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // laptops refuse its certificate
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// unsent wants a laptop to hold its one change, not delivered.
func (w *world) unsent(t *testing.T, laptop, id string) {
	t.Helper()
	if out := w.must(t, "zhucun-agent", "status", "--data", laptop, "--json"); !strings.Contains(out, `"pending":1,"delivered":0`) {
		t.Errorf("it is not pending: %s", out)
	}
	if out := w.must(t, "zhucun-agent", "get", "visit", id, "--data", laptop, "--json"); !strings.Contains(out, "等着送出的走访") || strings.Contains(out, `"state":"delivered"`) {
		t.Errorf("it is shown as %s", out)
	}
}

// Each row is a network that answers in the server's place, as a dormitory's
// log-in page does. Nothing is taken for a receipt, and nothing is lost.
func TestCaptivePortal(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html><title>上网认证</title><form>请先登录</form>"
	html := func(w http.ResponseWriter, status int) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, page)
	}
	const zh, en = "应答的不是我们的服务器", "not our server"
	tests := []struct {
		name   string
		plain  bool
		zh, en string
		answer http.HandlerFunc
	}{
		{"a page", true, zh, en, func(w http.ResponseWriter, _ *http.Request) { html(w, http.StatusOK) }},
		{"a page as our type", true, zh, en, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/zhucun")
			fmt.Fprint(w, page)
		}},
		{"nothing at all", true, zh, en, func(http.ResponseWriter, *http.Request) {}},
		{"no content", true, zh, en, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{"elsewhere", true, zh, en, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				html(w, http.StatusOK)
				return
			}
			http.Redirect(w, r, "/login", http.StatusFound)
		}},
		{"a refusal", true, zh, en, func(w http.ResponseWriter, _ *http.Request) { html(w, http.StatusForbidden) }},
		{"a page over TLS", false, "密钥与登记码不符", "not the one of the enrolment code", func(w http.ResponseWriter, _ *http.Request) { html(w, http.StatusOK) }},
	}
	for name, plain := range map[string]bool{"plain": true, "TLS": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := office(t, plain, false)
			id := w.put(t, "visit", "findings=等着送出的走访", "--data", "a")
			for _, tt := range tests {
				if tt.plain != plain {
					continue
				}
				t.Run(tt.name, func(t *testing.T) {
					portal := w.listenAs(t, !plain, tt.answer)
					defer portal.Close()
					w.refused(t, "", 1, tt.zh, tt.en, "zhucun-agent", "sync", "--wait", "5s", "--data", "a")
					w.unsent(t, "a", id)
				})
			}

			// Once logged in it goes.
			if err := w.serve(plain); err != nil {
				t.Fatal(err)
			}
			w.must(t, "zhucun-agent", "sync", "--data", "a")
			w.must(t, "zhucun-server", "get", "visit", id, "--data", "office")
		})
	}
}

// Another server of ours, with another key, gets nothing from a laptop that was
// enrolled elsewhere.
func TestAnotherServer(t *testing.T) {
	t.Parallel()
	w := office(t, false, false)
	id := w.put(t, "visit", "findings=等着送出的走访", "--data", "a")
	if _, err := w.procs["office"].stop(); err != nil {
		t.Fatal(err)
	}
	delete(w.procs, "office")
	if err := os.Rename(w.path("office"), w.path("kept")); err != nil {
		t.Fatal(err)
	}
	w.must(t, "zhucun-server", "init", "--data", "office")
	w.must(t, "zhucun-server", "village", "add", bamboo, "竹村", "--data", "office")
	if err := w.serve(false); err != nil {
		t.Fatal(err)
	}
	w.refused(t, "", 1, "密钥与登记码不符", "not the one of the enrolment code", "zhucun-agent", "sync", "--wait", "5s", "--data", "a")
	w.unsent(t, "a", id)
	if out := w.must(t, "zhucun-server", "list", "visit", "--data", "office", "--json"); out != "" {
		t.Errorf("the other server has it: %s", out)
	}
}

// Nobody answers, or somebody takes the connection and says nothing: sync says
// so when its time is up.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{"alone": false, "beside": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := office(t, false, beside)
			w.must(t, "zhucun-agent", "sync", "--data", "a")
			w.link.down()
			id := w.put(t, "visit", "findings=等着送出的走访", "--data", "a")
			for _, dead := range []func() error{func() error { return nil }, w.link.swallow} {
				if err := dead(); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				w.refused(t, "", 1, "没有连上服务器", "was not reached", "zhucun-agent", "sync", "--wait", "2s", "--data", "a")
				if took := time.Since(begin) / 2; took > 10*time.Second {
					t.Errorf("it took %s for --wait 2s", took)
				}
				w.unsent(t, "a", id)
			}
		})
	}
}
