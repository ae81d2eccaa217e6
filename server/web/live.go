package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

const livePath = "/live"

// How often a page hears at most, how often it hears that the line is alive,
// and for how long one write may block: a laptop that was closed does not read.
const (
	livePause = time.Second
	liveBeat  = 25 * time.Second
	liveStall = 10 * time.Second
)

// live tells an open page the version of the data whenever it changes, as
// server-sent events. The page compares it with its own, so that nothing is
// missed between the two.
func (w *Site) live(rw http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(rw)
	send := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(w.liveStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := fmt.Fprint(rw, text); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		// It is out. Left to run, the limit would end an HTTP/2 stream while
		// nothing happens, and the next request on an HTTP/1 connection.
		out.SetWriteDeadline(time.Time{})
		return nil
	}
	if _, g, err := w.enter(r); err != nil || !g.in() || r.Method != http.MethodGet {
		http.Error(rw, "", http.StatusUnauthorized)
		return
	}
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("X-Accel-Buffering", "no") // a proxy must not collect events
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	if send("retry: 3000\n\n") != nil {
		return
	}
	for {
		changed := w.store.Changed()
		version, err := w.store.Version(r.Context())
		if err != nil {
			return
		}
		if send("event: version\ndata: "+version+"\n\n") != nil {
			return
		}
	wait:
		for {
			select {
			case <-changed:
				break wait
			case <-beat.C:
				// Who is no longer in hears nothing more.
				if _, g, err := w.enter(r); err != nil || !g.in() || send(": here\n\n") != nil {
					return
				}
			case <-w.closing:
				return
			case <-r.Context().Done():
				return
			}
		}
		select {
		case <-time.After(livePause):
		case <-w.closing:
			return
		case <-r.Context().Done():
			return
		}
	}
}
