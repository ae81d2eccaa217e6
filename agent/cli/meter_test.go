package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/form"
	"zhucun/shared/record"
)

// On a terminal one line is written over and cleared at the end; elsewhere a line
// comes now and then; what is over at once shows nothing.
func TestMeter(t *testing.T) {
	for _, tt := range []struct {
		name string
		live bool
		want string
	}{
		{"terminal", true, "\r[#...................]   5%  已送出 5/100\r[####................]  20%  好" + strings.Repeat(" ", 10) + "\r" + strings.Repeat(" ", 31) + "\r"},
		{"log", false, "5%  已送出 5/100\n好\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var said bytes.Buffer
			now := time.Unix(0, 0)
			m := &meter{w: &said, live: tt.live, now: func() time.Time { return now }}
			m.begin()
			m.show(0, "至今没有")
			if tt.live {
				now = now.Add(liveFirst)
			} else {
				// Not before a sync of ten seconds is over.
				now = now.Add(11 * time.Second)
				m.show(0, "至今没有")
				now = now.Add(time.Second)
			}
			m.show(-1, "")
			m.show(0.05, "已送出 5/100")
			now = now.Add(liveEach)
			if tt.live {
				m.show(0.2, "好")
			} else {
				m.show(0.1, "too soon")
				now = now.Add(lineEach)
				m.show(-1, "好")
			}
			m.end()
			if got := said.String(); got != tt.want {
				t.Errorf("said %q, want %q", got, tt.want)
			}
		})
	}
}

// What is too long for a terminal's line is cut, or it would not be written over.
func TestMeterNarrow(t *testing.T) {
	var said bytes.Buffer
	m := &meter{w: &said, live: true, now: time.Now}
	m.show(0.5, strings.Repeat("长", 100))
	if n := columns(strings.TrimLeft(said.String(), "\r")); n > 80 || n < 70 {
		t.Errorf("a line of %d columns", n)
	}
}

// A sync that reaches nobody says so while it goes on, on the line of a terminal, and
// what it prints stays one object. In the end the line is gone.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it listens, and nobody answers
	a := laptop(t)
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) { d.URL = "http://" + l.Addr().String() }); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	c := &call{out: &out, err: &said, lang: form.En, args: []string{"sync", "--wait", "4s", "--json"}, live: a, terminal: true, log: slog.New(slog.DiscardHandler)}
	if code := c.run(t.Context()); code != exitFailed {
		t.Errorf("exit status %d", code)
	}
	lines := strings.Split(said.String(), "\r")
	if len(lines) < 4 || !strings.HasPrefix(lines[1], "Reaching the server, for ") || strings.TrimSpace(lines[len(lines)-2]) != "" || strings.Count(lines[len(lines)-1], "\n") != 1 {
		t.Errorf("said %q", said.String())
	}
	var one map[string]any
	if d := json.NewDecoder(&out); d.Decode(&one) != nil || d.More() {
		t.Errorf("printed %q", out.String())
	}
}

// status tells how far a sync is that is under way, and nothing of that once it is
// over.
func TestStatusProgress(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		w.WriteHeader(http.StatusForbidden)
	}))
	defer srv.Close()
	a := laptop(t)
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) { d.URL = srv.URL }); err != nil {
		t.Fatal(err)
	}
	if _, err := a.store.Save(t.Context(), store.Edit{Type: "household", Fields: map[string]record.Value{"head_name": `"李大山"`}}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.sync.Once(t.Context())
	}()
	progress := func() map[string]any {
		var out bytes.Buffer
		c := &call{out: &out, err: io.Discard, lang: form.En, args: []string{"status", "--json"}, live: a, log: slog.New(slog.DiscardHandler)}
		var said struct{ Progress map[string]any }
		if code := c.run(t.Context()); code != 0 || json.Unmarshal(out.Bytes(), &said) != nil {
			t.Errorf("exit status %d, printed %q", code, out.String())
		}
		return said.Progress
	}
	<-asked
	p := progress()
	for end := time.Now().Add(10 * time.Second); p["bytes_up"] == 0.0 && time.Now().Before(end); p = progress() {
		time.Sleep(time.Millisecond) // the server may have a byte before it is counted here
	}
	if p["to_send"] != 1.0 || p["sent"] != 0.0 || p["bytes_up"].(float64) == 0 || p["seconds_left"] != nil {
		t.Errorf("under way it says %v", p)
	}
	close(release)
	<-ended
	if p := progress(); p != nil {
		t.Errorf("when it is over it says %v", p)
	}
}
