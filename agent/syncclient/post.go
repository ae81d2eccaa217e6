package syncclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"zhucun/agent/store"
	"zhucun/shared/wire"
)

// post sends one message and reads the answer, of which at tells when it left
// the server.
func (c *Client) post(ctx context.Context, d store.Device, path string, m, answer any, r *Report) (at span, err error) {
	p := &parcel{}
	if request, ok := m.(*wire.Sync); ok {
		p.sync, p.waits, p.request = true, request.Wait > 0, request
		p.body, err = wire.EncodeSync(request, packing(&d))
	} else {
		p.body, err = wire.Encode(m, wire.Thrifty)
	}
	if err != nil {
		return at, err
	}
	return c.send(ctx, d, path, p, answer, r)
}

// send is post for what has been packed.
func (c *Client) send(ctx context.Context, d store.Device, path string, p *parcel, answer any, r *Report) (at span, err error) {
	// The server's time comes from between the end of the request and the
	// beginning of the answer. Either may itself take minutes, as to dial and to
	// shake hands may, and to store what came.
	var left, came, trips, waited atomic.Int64
	begun := time.Now()
	t := newTiming(p.size())
	defer func() { at.begun, at.answered = t.begun.Load(), t.answer.Load() > 0 }()
	ctx = context.WithValue(ctx, timingKey{}, t)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(w httptrace.WroteRequestInfo) {
			if w.Err == nil {
				left.Store(c.store.Wall())
				waited.Store(-int64(time.Since(begun)))
				trips.Add(1)
			}
		},
		GotFirstResponseByte: func() {
			came.Store(c.store.Wall())
			waited.Add(int64(time.Since(begun)))
			t.answered()
		},
	})
	attempt := func() (io.Reader, error) {
		left.Store(0)
		if !p.sync {
			return bytes.NewReader(p.body), nil
		}
		own := p.rest()
		return &leaving{r: bytes.NewReader(own), leave: func() error {
			t.leaves()
			read, _, err := c.store.Clock()
			if err == nil {
				wire.SetClock(own, read.Milli())
			}
			return err
		}}, nil
	}
	short := p.sync && d.Takes >= wire.TakesShort
	if short {
		path = wire.ShortPath
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.URL+path, retryablehttp.ReaderFunc(attempt))
	if err != nil {
		return at, fmt.Errorf("address %s: %w", d.URL, err)
	}
	// A message is told by its first bytes: neither side names its type.
	req.Header.Set("User-Agent", "")
	switch {
	case short:
		req.Header.Set(wire.TokenHeader, d.Token)
	case d.Token != "":
		req.Header.Set("Authorization", "Bearer "+d.Token)
	}
	p.label(req.Header)
	resp, err := c.http.Do(req)
	made := int(trips.Load())
	if err == nil {
		made = max(made, 1) // that the request has left may be told after the answer
	}
	r.RoundTrips += made
	if err != nil {
		return at, unanswered(&d, err)
	}
	defer resp.Body.Close()
	if busy(resp) {
		return at, patience{retryAfter(resp)}
	}
	if resp.StatusCode != http.StatusOK {
		err := c.fault(resp)
		if p.sync && p.from == 0 && p.request.Named() == nil {
			err = c.takes(ctx, &d, err)
		}
		return at, err
	}
	if err := decode(t.watch(resp.Body), p.request, answer); errors.Is(err, ErrForeign) {
		return at, fmt.Errorf("%w (%s)", err, d.URL)
	} else if err != nil {
		return at, err
	}
	at = span{left.Load(), came.Load(), p.waits, t.passage()}
	if p.sync && !p.waits {
		c.link.trip(time.Duration(waited.Load()))
	}
	if at.sent == 0 || at.sent > at.came {
		at.sent = at.came // net/http was slower to tell than the server to answer
	}
	return at, nil
}

// unanswered is what it means that a request had no answer.
func unanswered(d *store.Device, err error) error {
	switch {
	case errors.Is(err, errPin):
		return err
	case errors.Is(err, ErrForeign):
		return fmt.Errorf("%w (%s)", ErrForeign, d.URL)
	case errors.Is(err, errScript):
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return fmt.Errorf("%w: %w", errNoAnswer, plain(err))
}

// busy tells that the server asks for patience.
func busy(resp *http.Response) bool {
	return resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests
}

// takes forgets what the server takes where it refuses a request: it may have been put
// back to an earlier release, which finds neither path nor token. Then the request
// goes again in the old way, and what that is answered counts.
func (c *Client) takes(ctx context.Context, d *store.Device, err error) error {
	if d.Takes == 0 || errors.Is(err, errNoAnswer) || errors.Is(err, ErrRevoked) {
		return err
	}
	if _, serr := c.store.SetDevice(ctx, func(d *store.Device) { d.Takes = 0 }); serr != nil {
		return errors.Join(err, serr)
	}
	return fmt.Errorf("%w: the request is to be sent in another way: %w", errNoAnswer, err)
}

// packing is how a request to the server is packed.
func packing(d *store.Device) wire.Effort {
	if d.Takes >= wire.TakesMixed {
		return wire.Mixed
	}
	return wire.Thrifty
}

// decode reads an answer, to a request where it is a sync's. The error is ErrForeign,
// ErrUnfit or errNoAnswer.
func decode(body io.Reader, request *wire.Sync, answer any) error {
	err := wire.DecodeAnswer(body, wire.MaxAnswer, request, answer)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wire.ErrRelease):
		return ErrUnfit
	case errors.Is(err, wire.ErrForeign):
		return ErrForeign
	}
	// Cut off or garbled on the way: as good as none.
	return fmt.Errorf("%w: %w", errNoAnswer, err)
}

// leaving is a request's body that is told when it is first read.
type leaving struct {
	r     *bytes.Reader
	leave func() error
}

// Len is what is left of it.
func (l *leaving) Len() int { return l.r.Len() }

func (l *leaving) Read(b []byte) (int, error) {
	if l.leave != nil {
		if err := l.leave(); err != nil {
			return 0, err
		}
		l.leave = nil
	}
	return l.r.Read(b)
}

// retryAfter reads the header in seconds or as a date, a minute where there is
// none, never more than maxRetryAfter.
func retryAfter(resp *http.Response) time.Duration {
	d := time.Minute
	if s := resp.Header.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			d = time.Duration(min(n, 1<<20)) * time.Second
		} else if t, err := http.ParseTime(s); err == nil {
			// By the answer's own clock: the laptop's may be wrong by years.
			if now, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
				d = t.Sub(now)
			}
		}
	}
	return min(max(d, time.Second), maxRetryAfter)
}

// fault reads a refusal.
func (c *Client) fault(resp *http.Response) error {
	f := new(wire.Fault)
	switch err := decode(resp.Body, nil, f); {
	case err == nil:
	case errors.Is(err, ErrForeign) && (resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode == http.StatusRequestEntityTooLarge):
		// A proxy on the way. What is too slow or too large for it may pass when
		// it is smaller.
		return fmt.Errorf("%w: HTTP status %d", errNoAnswer, resp.StatusCode)
	default:
		return fmt.Errorf("%w (HTTP status %d)", err, resp.StatusCode)
	}
	switch f.Code {
	case wire.FaultRevoked:
		return &revoked{f.Wipe}
	case wire.FaultVersion:
		return ErrUnfit
	case wire.FaultBusy, wire.FaultServer:
		return fmt.Errorf("%w: %w", errNoAnswer, f)
	}
	return f
}
