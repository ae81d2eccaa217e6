package web

import (
	"io"
	"net/http"
	"time"
)

// stall is how long the body of a request may take, and how long a piece of an
// answer may take to be read.
const stall = time.Minute

// piece is how many bytes of an answer get a time of their own: the slowest
// link, at some hundred bytes a second, gets its page.
const piece = 16 << 10

// limitBody ends a request whose body does not come; net/http lifts the limit
// when it is there.
func (w *Site) limitBody(rw http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		c := http.NewResponseController(rw)
		c.SetReadDeadline(time.Now().Add(w.stall))
		if uploads(r) {
			r.Body = &moving{r.Body, c, w.stall}
		}
	}
}

// moving is a long body, which may take as long as it likes while it moves.
type moving struct {
	io.ReadCloser
	in    *http.ResponseController
	stall time.Duration
}

func (m *moving) Read(b []byte) (int, error) {
	m.in.SetReadDeadline(time.Now().Add(m.stall))
	return m.ReadCloser.Read(b)
}

// timed is an answer that may take as long as it likes while it is being read.
type timed struct {
	http.ResponseWriter
	out   *http.ResponseController
	stall time.Duration
}

// limitAnswer ends an answer that nobody reads.
func (w *Site) limitAnswer(rw http.ResponseWriter) *timed {
	t := &timed{rw, http.NewResponseController(rw), w.stall}
	t.out.SetWriteDeadline(time.Time{}) // that of the answer before on this connection
	return t
}

func (t *timed) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *timed) move() { t.out.SetWriteDeadline(time.Now().Add(t.stall)) }

func (t *timed) WriteHeader(status int) {
	t.move()
	t.ResponseWriter.WriteHeader(status)
}

func (t *timed) Write(b []byte) (n int, err error) {
	for {
		t.move()
		k, err := t.ResponseWriter.Write(b[:min(len(b), piece)])
		n, b = n+k, b[k:]
		if err != nil || len(b) == 0 {
			return n, err
		}
	}
}
