package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
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

// spool is a file that is written first and sent afterwards, and gone once it is
// closed: whoever reads slowly then holds up nobody, and what fails half way is
// an error instead of half a file.
type spool struct{ *os.File }

func newSpool() (spool, error) {
	f, err := os.CreateTemp("", "zhucun-*") // 0600
	if err == nil {
		// Where the system can take the name off at once, a crash leaves nothing.
		os.Remove(f.Name())
	}
	return spool{f}, err
}

func (s spool) Close() error {
	err := s.File.Close()
	if gone := os.Remove(s.Name()); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// send gives the answer that has all of what was written, and closes the spool.
func (s spool) send(kind, name string) (reply, error) {
	size, err := s.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = s.Seek(0, io.SeekStart)
	}
	if err != nil {
		return reply{}, errors.Join(err, s.Close())
	}
	return reply{send: func(rw http.ResponseWriter) error {
		h := rw.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		_, err := io.Copy(rw, s.File)
		return errors.Join(err, s.Close())
	}}, nil
}
