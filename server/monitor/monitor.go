package monitor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"zhucun/server/access"
	"zhucun/server/store"
)

// The addresses that are answered here.
const (
	HealthPath  = "/healthz"
	ReadyPath   = "/readyz"
	MetricsPath = "/metrics"
)

// Options are what a Monitor takes from outside.
type Options struct {
	// Data is the folder that the server writes to; Room tells how much of its disk is free.
	Data    string
	Room    func(dir string) (free, all uint64, err error)
	Log     *slog.Logger // nil: none
	Version string
	// Local lets programs on this machine read the numbers without a token.
	Local bool
	// Requests has each request written to the log.
	Requests bool
	// More writes further numbers, of what runs beside the store.
	More func(context.Context, *Numbers)
}

// Monitor watches one server.
type Monitor struct {
	store  *store.Store
	access *access.Access
	opt    Options
	begun  time.Time

	sync.Mutex
	served map[served]*times
	open   map[string]int
	looked time.Time
	data   string
}

// New makes the monitor of a server that serves a store.
func New(s *store.Store, a *access.Access, opt Options) *Monitor {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Monitor{store: s, access: a, opt: opt, begun: s.Now(), served: map[served]*times{}, open: map[string]int{}}
}

// minRoom is how much of the disk must be free for the server to be ready: less, and a
// delivery of photos may fill it.
const minRoom = 100 << 20

// lookWithin bounds how long the database may take to answer.
const lookWithin = 3 * time.Second

// Handler answers HealthPath, ReadyPath and MetricsPath.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+HealthPath, func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET "+ReadyPath, m.ready)
	mux.HandleFunc("GET "+MetricsPath, m.metrics)
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // whoever hung up is told nothing
}

// ready tells whether requests can be served: a server that listens has brought its schema
// up to date before, so what is left to fail are the database and the disk.
func (m *Monitor) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), lookWithin)
	defer cancel()
	database, disk := "ok", "ok"
	if err := m.answers(ctx); err != nil {
		m.opt.Log.Error("the database does not answer", "error", err)
		database = "failed"
	}
	if free, _, err := m.opt.Room(m.opt.Data); err != nil {
		m.opt.Log.Error("the disk does not answer", "error", err)
		disk = "failed"
	} else if free < minRoom {
		disk = "full"
	}
	status := http.StatusOK
	if database != "ok" || disk != "ok" {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	say(w, status, fmt.Sprintf(`{"ready":%t,"database":%q,"disk":%q}`+"\n", status == http.StatusOK, database, disk))
}

// answers asks the database for something that is always there; a statement that hangs is
// given up.
func (m *Monitor) answers(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		_, err := m.store.Meta(ctx, "schema")
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// may tells whether a request may see the server's numbers.
func (m *Monitor) may(r *http.Request) bool {
	if token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); is {
		reader, err := m.access.Read(r.Context(), "", strings.TrimSpace(token))
		return err == nil && reader.May(access.SeeServer)
	}
	// Behind a proxy on this machine everybody comes from it, and not every proxy says so:
	// whoever lets this machine in answers for there being none.
	if !m.opt.Local {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	from, err := netip.ParseAddr(host)
	return err == nil && from.Unmap().IsLoopback()
}

func (m *Monitor) metrics(w http.ResponseWriter, r *http.Request) {
	if !m.may(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Zhucun"`)
		say(w, http.StatusUnauthorized, "metrics are for tokens of the roles office and admin\n")
		return
	}
	text, err := m.text(r.Context())
	if err != nil {
		m.opt.Log.Error("the numbers could not be looked up", "error", err)
		say(w, http.StatusServiceUnavailable, "the numbers could not be looked up; try again later\n")
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	say(w, http.StatusOK, text)
}
