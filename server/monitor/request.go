package monitor

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"zhucun/shared/wire"
)

// areas are what requests are counted by, by how their addresses begin. Whatever anybody
// makes up is a page.
var areas = []struct{ begins, area string }{
	{"/v1/", "laptop"}, {"/api/", "api"}, {"/odata/", "odata"}, {"/assets/", "asset"}, {HealthPath, "monitor"}, {ReadyPath, "monitor"}, {MetricsPath, "monitor"},
}

func areaOf(path string) string {
	if path == wire.ShortPath {
		return "laptop"
	}
	for _, a := range areas {
		if strings.HasPrefix(path, a.begins) {
			return a.area
		}
	}
	return "page"
}

// Count counts the requests that h serves, and notes them in the log where that is wanted.
func (m *Monitor) Count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		area, begun := areaOf(r.URL.Path), time.Now()
		m.Lock()
		m.open[area]++
		m.Unlock()
		c := &counted{ResponseWriter: w}
		// Of one that was cut off too.
		defer func() {
			cut := recover()
			m.count(area, c, time.Since(begun), cut != nil)
			if m.opt.Requests {
				pattern := r.Pattern
				if pattern == "" {
					pattern = area
				}
				m.opt.Log.Info("request", "method", method(r.Method), "pattern", pattern, "status", c.code(), "bytes", c.bytes, "ms", time.Since(begun).Milliseconds(), "cut", cut != nil)
			}
			if cut != nil {
				panic(cut)
			}
		}()
		h.ServeHTTP(c, r)
	})
}

// method keeps what anybody may make up out of the log.
func method(of string) string {
	switch of {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return of
	}
	return "other"
}

func (m *Monitor) count(area string, c *counted, took time.Duration, cut bool) {
	class := strconv.Itoa(c.code()/100) + "xx"
	if cut {
		class = "cut"
	}
	m.Lock()
	defer m.Unlock()
	m.open[area]--
	k := served{area, class}
	t := m.served[k]
	if t == nil {
		t = &times{}
		m.served[k] = t
	}
	t.count++
	t.sum += took.Seconds()
	for i, b := range bounds {
		if took.Seconds() <= b {
			t.within[i]++
			break
		}
	}
}

// counted is an answer whose status and size are known.
type counted struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets deadlines and flushes through.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

func (c *counted) code() int {
	if c.status == 0 {
		return http.StatusOK
	}
	return c.status
}
