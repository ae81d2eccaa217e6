package syncclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"zhucun/agent/store"
	"zhucun/shared/bundle"
	"zhucun/shared/clock"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// How much one request carries, in bytes of entries before compression, and how
// much of records the server may answer with: halved after a failure, doubled
// after a success. Twice as much would make a first upload 7% smaller, and take
// 20 MB more to pack.
const (
	minBudget = 16 << 10
	maxBudget = 1 << 20
)

// maxRenewed is how often one sync begins streams anew: each of a restored
// laptop's villages does so once. A server that refuses every new one is broken.
const maxRenewed = 64

// The longest that a server or a proxy may make us wait.
const maxRetryAfter = time.Hour

// Client syncs one store with its server.
type Client struct {
	store   *store.Store
	version string
	log     *slog.Logger
	http    *retryablehttp.Client
	count   *counter
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	proxy   func(*http.Request) (*url.URL, error)
	// part is how many bytes of entries one message of a bundle has, and fill how
	// many bytes of messages one file: on a good link a request, and what is taken.
	part, fill int

	running chan struct{} // holds one token: one sync at a time
	wiped   chan struct{} // closed by ended
	ended   sync.Once

	mu     sync.Mutex
	give   context.CancelFunc // ends the sync of the schedule, nil while none runs
	budget int
	state  State
	nudge  chan struct{}
	next   time.Duration // what the server asked for
	// earliest is when a busy server wants to hear of the schedule again.
	earliest time.Time
}

// State is how the sync stands, for screens. Times are ms since 1970, the
// laptop's corrected clock; 0 is never.
type State struct {
	Running     bool
	LastAttempt int64
	LastSuccess int64
	// Problem is the last attempt's failure, nil after a success; Sentence says it.
	Problem error
}

// New makes a client; version is the agent's, told to the server.
func New(s *store.Store, version string, log *slog.Logger) *Client {
	c := &Client{store: s, version: version, log: log, budget: maxBudget, part: maxBudget, fill: bundle.MaxFile, nudge: make(chan struct{}, 1), count: new(counter), running: make(chan struct{}, 1), wiped: make(chan struct{})}
	c.dial = (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	c.proxy = http.ProxyFromEnvironment
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport: c.transport(),
			// The code names the server, and only a portal leads elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Logger:       nil,
		RetryWaitMin: 300 * time.Millisecond,
		RetryWaitMax: 5 * time.Second,
		RetryMax:     2,
		Backoff:      backoff,
		CheckRetry:   checkRetry,
		// The answer's own words, not the library's summary of them.
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c
}

// checkRetry leaves to the library what a moment's patience may mend: a
// connection that broke. How to be patient with a server that asks for it is
// not the library's to say.
func checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || errors.Is(err, errPin) {
		return false, nil // an error here would lose the answer, unclosed
	}
	if resp != nil && (resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests) {
		return false, nil
	}
	return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
}

// backoff is the library's, spread over half to one and a half times, so that a
// county that comes back at once does not come back at once again.
func backoff(lo, hi time.Duration, attempt int, resp *http.Response) time.Duration {
	d := retryablehttp.DefaultBackoff(lo, hi, attempt, nil)
	return d/2 + rand.N(d)
}

// Report is what one sync did.
type Report struct {
	Pushed     uint64 `json:"pushed"` // own changes acknowledged
	Pulled     uint64 `json:"pulled"` // records that came
	BytesUp    int64  `json:"bytes_up"`
	BytesDown  int64  `json:"bytes_down"`
	RoundTrips int    `json:"round_trips"`
	Pending    uint64 `json:"pending"`
	Carried    int    `json:"carried,omitempty"` // other laptops' bundles that were delivered

	renewed int // how often a stream was begun anew
}

// The errors that a person must hear of.
var (
	ErrRevoked   = errors.New("the office has revoked this laptop")
	ErrWiped     = errors.New("the office has ordered everything to be removed from this laptop")
	ErrForeign   = errors.New("what answered is not our server, perhaps a network's log-in page")
	ErrUnfit     = errors.New("server and agent are of releases that do not understand each other")
	ErrForked    = errors.New("the server refuses every stream of this laptop as another's")
	errNoAnswer  = errors.New("the server was not reached")
	errNoAdvance = errors.New("the server did not take what was sent")
)

// patience is a server's request to come back later.
type patience struct{ after time.Duration }

func (p patience) Error() string {
	return fmt.Sprintf("the server is busy and asks to come back in %s", p.after.Round(time.Second))
}

// stuck is how long a sync of the schedule may carry nothing before one that a
// person asked for takes its place: it may hang on a link that is long gone.
const stuck = 3 * time.Second

// Once syncs until all that was pending is acknowledged and all that was new is
// stored, or until ctx ends. What failed is tried again meanwhile, with smaller
// requests, and a busy server asked again when it said, if that is before then.
// A sync that the schedule has under way is waited for while it moves.
func (c *Client) Once(ctx context.Context) (Report, error) {
	release, err := c.hold(ctx)
	if err != nil {
		st, err := c.store.Status()
		return Report{Pending: st.Pending}, errors.Join(errNoAnswer, err)
	}
	defer release()
	return c.once(ctx, true)
}

// hold keeps every other sync and bundle out until it is let go, for something that
// a person asked for. What the schedule has under way is waited for while it moves.
func (c *Client) hold(ctx context.Context) (release func(), err error) {
	watch := time.NewTicker(stuck)
	defer watch.Stop()
	up, down := c.count.read()
	for {
		select {
		case c.running <- struct{}{}:
			return func() { <-c.running }, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-watch.C:
			u, d := c.count.read()
			if u == up && d == down {
				c.mu.Lock()
				if c.give != nil {
					c.give()
				}
				c.mu.Unlock()
			}
			up, down = u, d
		}
	}
}

// background is a sync of the schedule, unless a server asked for patience:
// then it only says how much is left of that.
func (c *Client) background(ctx context.Context) error {
	select {
	case c.running <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.running }()
	c.mu.Lock()
	left := time.Until(c.earliest)
	c.mu.Unlock()
	if left > 0 {
		return patience{left}
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	give := func(f context.CancelFunc) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.give = f
	}
	give(cancel)
	defer give(nil)
	_, err := c.once(ctx, false)
	return err
}

func (c *Client) once(ctx context.Context, patient bool) (Report, error) {
	begin := c.store.Now()
	c.note(func(s *State) { s.Running, s.LastAttempt = true, begin })
	c.count.reset()
	var r Report
	err := c.rounds(ctx, &r, patient)
	if !errors.Is(err, errNoAnswer) && ctx.Err() == nil {
		// Other people's work does not wait until one's own is in order.
		err = errors.Join(err, c.deliver(ctx, &r))
	}
	if err == nil {
		c.handIn(ctx, &r)
		if _, err = c.store.Leave(ctx); err == nil {
			_, err = c.store.TellLost(ctx) // what it writes goes with the next sync
		}
	}
	r.BytesUp, r.BytesDown = c.count.read()
	if st, serr := c.store.Status(); serr == nil {
		r.Pending = st.Pending
	} else if err == nil {
		err = serr
	}
	end := c.store.Now()
	c.note(func(s *State) {
		s.Running, s.Problem = false, err
		if err == nil {
			s.LastSuccess = end
		}
		var p patience
		if errors.As(err, &p) {
			c.earliest = time.Now().Add(p.after)
		} else if err == nil {
			c.earliest = time.Time{}
		}
	})
	return r, err
}

// rounds goes on until there is nothing more to say. patient is for a person
// who waits: what a busy server asks for is waited out while ctx lasts, where
// the schedule comes back another time.
func (c *Client) rounds(ctx context.Context, r *Report, patient bool) error {
	failures := 0
	for {
		more, err := c.round(ctx, r)
		if more { // an error that lasts is met again by the last round
			failures = 0
			c.grow()
			continue
		}
		var p patience
		var wait time.Duration
		switch {
		case err == nil, ctx.Err() != nil:
			return err
		case errors.As(err, &p) && patient && lasts(ctx, p.after):
			wait = p.after
		case errors.Is(err, errNoAnswer):
			c.log.Debug("sync round failed", "error", err)
			c.shrink()
			failures++
			wait = min(time.Second<<min(failures, 5), 30*time.Second)
			wait = wait/2 + rand.N(wait)
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// lasts tells whether ctx has an end, and that further off than wait.
func lasts(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) > wait
}

func (c *Client) grow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget = min(2*c.budget, maxBudget)
}

func (c *Client) shrink() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget = max(c.budget/2, minBudget)
}

// note changes the state. f may not ask the store: whoever reads the state may
// be in the middle of reading that.
func (c *Client) note(f func(*State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.state)
}

// State tells how the sync stands.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// round is one request and what it brings. more says that another should
// follow at once: with an error too, where only a part of it failed.
func (c *Client) round(ctx context.Context, r *Report) (more bool, err error) {
	d, err := c.store.Device()
	if err != nil {
		return false, err
	}
	if !d.Enrolled() {
		return false, store.ErrNotEnrolled
	}
	c.mu.Lock()
	budget := c.budget
	c.mu.Unlock()
	// What an attempt that was given up had taken is joined first: the server has
	// nothing to say of it again.
	if err := c.store.Resume(ctx); err != nil {
		return false, err
	}
	out, err := c.store.Outgoing(ctx, budget)
	if err != nil {
		return false, err
	}
	_, runs, err := c.store.Clock()
	if err != nil {
		return false, err
	}
	m := c.request(&d, runs, out)
	if m.Backed, err = c.store.AsksBacked(); err != nil {
		return false, err
	}
	if budget < maxBudget {
		// A link that broke under our requests breaks under large answers too.
		m.Budget = uint64(budget)
	}
	answer := new(wire.Synced)
	var left atomic.Bool
	at, err := c.post(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(w httptrace.WroteRequestInfo) {
		if w.Err == nil {
			left.Store(true)
		}
	}}), d, wire.SyncPath, m, answer, r)
	if left.Load() {
		if serr := c.store.Sent(context.WithoutCancel(ctx), out); serr != nil {
			return false, errors.Join(err, serr)
		}
	}
	if err != nil {
		return false, c.obey(ctx, &d, err)
	}
	// What fails in one village keeps nothing else of the answer from being taken.
	var errs []error
	sent := map[record.Village]bool{}
	for i := range out {
		sent[out[i].Push.Village] = len(out[i].Push.Segments) > 0
	}
	for i := range answer.Villages {
		p := &answer.Villages[i]
		taken, err := c.store.Take(ctx, p)
		if err != nil {
			errs = append(errs, fmt.Errorf("village %s: %w", p.Village, err))
			continue
		}
		r.Pushed += taken.Acknowledged
		r.Pulled += taken.Records
		if taken.Acknowledged > 0 || taken.Rewound || taken.Renewed {
			delete(sent, p.Village)
		}
		if taken.Renewed {
			if r.renewed++; r.renewed > maxRenewed {
				errs = append(errs, fmt.Errorf("village %s: %w", p.Village, ErrForked))
				taken.More = false
			}
		}
		// Whether the laptop is revoked the server says once it has taken all.
		more = more || taken.More || taken.Rewound || taken.Denied && taken.Acknowledged > 0
	}
	if a := answer.Assigned; a != nil {
		if err := c.store.Assign(ctx, *a); err != nil {
			errs = append(errs, err)
		} else {
			// A village that was just assigned is fetched at once.
			more = true
		}
	}
	if answer.Takes > 0 && answer.Takes != d.Takes {
		if _, err := c.store.SetDevice(ctx, func(d *store.Device) { d.Takes = answer.Takes }); err != nil {
			errs = append(errs, err)
		}
	}
	if m.Backed && len(errs) == 0 {
		if err := c.store.AskedBacked(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if err := c.measure(ctx, answer.Time, at); err != nil {
		errs = append(errs, err)
	}
	c.mu.Lock()
	c.next = time.Duration(min(answer.Next, uint64(maxRetryAfter/time.Second))) * time.Second
	c.mu.Unlock()
	stands := false
	for v, still := range sent {
		if stands = stands || still; still && len(errs) == 0 {
			errs = append(errs, fmt.Errorf("village %s: %w", v, errNoAdvance))
		}
	}
	return more || m.Pending > 0 && (!stands || len(errs) == 0), errors.Join(errs...)
}

// request is the message that carries out.
func (c *Client) request(d *store.Device, runs []clock.Run, out []store.Outgoing) *wire.Sync {
	m := &wire.Sync{Version: wire.Version, Runs: runs, Assigned: d.Assigned.Serial, Reads: wire.ReadsMixed}
	for i := range out {
		m.Villages = append(m.Villages, out[i].Push)
		m.Pending += out[i].Left
		if len(out[i].Push.Segments) > 0 {
			m.Agent = c.version
		}
	}
	return m
}

// span is between when on the machine's clock the server looked at its own: the
// end of the request and the beginning of the answer.
type span struct{ sent, came int64 }

// measure takes the server's time for somewhere in at. What was measured before
// is kept where it fits: of a minute's wait, the middle would put a right clock
// off by half of one. The clock is told as of now: it would take a look back,
// past what was saved meanwhile, for a clock that somebody has set.
func (c *Client) measure(ctx context.Context, server int64, at span) error {
	skew, err := c.store.Skew()
	if err != nil {
		return err
	}
	if server < at.sent+skew || at.came+skew < server {
		skew = server - at.sent - (at.came-at.sent)/2
	}
	now := c.store.Wall()
	return c.store.Measure(ctx, now+skew, now)
}

// post sends one message and reads the answer, of which at tells when it left
// the server.
func (c *Client) post(ctx context.Context, d store.Device, path string, m, answer any, r *Report) (at span, err error) {
	var body []byte
	request, isSync := m.(*wire.Sync)
	if isSync && d.Takes >= wire.TakesMixed {
		body, err = wire.EncodeSync(request, wire.Mixed)
	} else if isSync {
		body, err = wire.EncodeSync(request, wire.Thrifty)
	} else {
		body, err = wire.Encode(m, wire.Thrifty)
	}
	if err != nil {
		return at, err
	}
	// The server's time comes from between the end of the request and the
	// beginning of the answer. Either may itself take minutes, as to dial and to
	// shake hands may, and to store what came.
	var left, came, trips atomic.Int64
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(w httptrace.WroteRequestInfo) {
			if w.Err == nil {
				left.Store(c.store.Wall())
				trips.Add(1)
			}
		},
		GotFirstResponseByte: func() { came.Store(c.store.Wall()) },
	})
	attempt := func() (io.Reader, error) {
		left.Store(0)
		if !isSync {
			return bytes.NewReader(body), nil
		}
		own := bytes.Clone(body)
		return &leaving{r: bytes.NewReader(own), leave: func() error {
			read, _, err := c.store.Clock()
			if err == nil {
				wire.SetClock(own, read.Milli())
			}
			return err
		}}, nil
	}
	short := isSync && d.Takes >= wire.TakesShort
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
	resp, err := c.http.Do(req)
	made := int(trips.Load())
	if err == nil {
		made = max(made, 1) // that the request has left may be told after the answer
	}
	r.RoundTrips += made
	if err != nil {
		if errors.Is(err, errPin) {
			return at, err
		}
		return at, fmt.Errorf("%w: %w", errNoAnswer, plain(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests {
		return at, patience{retryAfter(resp)}
	}
	if resp.StatusCode != http.StatusOK {
		err := c.fault(resp)
		if isSync {
			err = c.takes(ctx, &d, err)
		}
		return at, err
	}
	if err := decode(resp.Body, request, answer); errors.Is(err, ErrForeign) {
		return at, fmt.Errorf("%w (%s)", err, d.URL)
	} else if err != nil {
		return at, err
	}
	at = span{left.Load(), came.Load()}
	if at.sent == 0 || at.sent > at.came {
		at.sent = at.came // net/http was slower to tell than the server to answer
	}
	return at, nil
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

// revoked is ErrRevoked with what the server orders beside it.
type revoked struct{ wipe []byte }

func (r *revoked) Error() string { return ErrRevoked.Error() }
func (r *revoked) Unwrap() error { return ErrRevoked }

// obey removes what the office ordered to be removed. The order is signed: whoever
// else is on the line cannot give it.
func (c *Client) obey(ctx context.Context, d *store.Device, err error) error {
	var r *revoked
	if !errors.As(err, &r) || !identity.Verify(d.Server, identity.WipeOf, []byte(d.ID), r.wipe) {
		return err
	}
	wiped, werr := c.store.Wipe(ctx)
	if werr != nil || !wiped {
		return errors.Join(err, werr)
	}
	c.ended.Do(func() { close(c.wiped) })
	return ErrWiped
}

// Wiped is closed when the office has ordered everything to be removed, and all
// that was written is safe: nothing is to be done any more but that.
func (c *Client) Wiped() <-chan struct{} { return c.wiped }

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
