package syncclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
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
	ways    func(ctx context.Context, addr string) iter.Seq2[*url.URL, error]
	// part is how many bytes of entries one message of a bundle has, and fill how
	// many bytes of messages one file: on a good link a request, and what is taken.
	part, fill int
	// room tells of the disk of a folder how much is free, and how much there is.
	room func(dir string) (free, all uint64, err error)

	running chan struct{} // holds one token: one sync at a time
	again   *cutOff       // whose holder has it; nil where nothing was cut off
	wiped   chan struct{} // closed by ended
	ended   sync.Once

	// moves tells of changes of the network until ctx ends; an error where the system
	// does not. spares tells whether the laptop is on battery or a metered link.
	moves   func(ctx context.Context, moved func()) error
	spares  func(ctx context.Context) bool
	link    link
	session session

	mu       sync.Mutex
	give     context.CancelFunc // ends the sync of the schedule, nil while none runs
	listens  context.CancelFunc // ends its wait for news, nil while there is none
	up, down flow               // kept from one sync to the next, in one network
	state    State
	course   course
	nudge    chan struct{}
	hurry    chan struct{} // what waits to try again is to do so now
	next     time.Duration // what the server asked for
	// filePart is how many bytes of a file go at a time, begun what came of a part of one
	// that is fetched; only who syncs looks at that.
	filePart int64
	begun    begun
	history  history // as begun
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
	// Progress is how far the sync has come that runs, or that ran last.
	Progress Progress
}

// New makes a client; version is the agent's, told to the server.
func New(s *store.Store, version string, log *slog.Logger) *Client {
	c := &Client{store: s, version: version, log: log, part: maxBudget, fill: bundle.MaxFile, room: room, nudge: make(chan struct{}, 1), hurry: make(chan struct{}, 1), count: new(counter), running: make(chan struct{}, 1), wiped: make(chan struct{})}
	c.forget()
	c.moves, c.spares = watchNetwork, new(spare).now
	// A probe is a hundred bytes, and while a request waits for news all that there is.
	alive := net.KeepAliveConfig{Enable: true, Idle: 45 * time.Second, Interval: 15 * time.Second, Count: 4}
	c.dial = (&net.Dialer{Timeout: 20 * time.Second, KeepAliveConfig: alive}).DialContext
	c.ways = settledWays
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

// forget begins anew with what is known of the link, in another network.
func (c *Client) forget() {
	c.link.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.down, c.filePart = flow{most: guess}, flow{most: guess}, 0
}

// Apart gives the client a network of its own: dial for the system's, and moves, which
// calls moved whenever that network changes, until ctx ends. For simulations.
func (c *Client) Apart(dial func(ctx context.Context, network, addr string) (net.Conn, error), moves func(ctx context.Context, moved func()) error) {
	c.dial, c.moves = dial, moves
	c.ways = by(nil)
	c.spares = func(context.Context) bool { return false }
}

// checkRetry leaves to the library what a moment's patience may mend: a
// connection that broke. How to be patient with a server that asks for it is
// not the library's to say.
func checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || errors.Is(err, errPin) || errors.Is(err, ErrForeign) || errors.Is(err, errScript) || ctx.Value(holding{}) != nil {
		return false, nil // an error here would lose the answer, unclosed
	}
	if t, timed := ctx.Value(timingKey{}).(*timing); timed && t.size >= nameFrom && t.begun.Load() {
		return false, nil // what was cut off goes again smaller
	}
	if resp != nil && busy(resp) {
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
	Pushed     uint64 `json:"pushed"`              // own changes acknowledged
	Pulled     uint64 `json:"pulled"`              // records that came
	Files      int    `json:"files"`               // brought and fetched
	Blobs      int    `json:"blobs"`               // files that are still to be brought
	Originals  int    `json:"originals,omitempty"` // and originals of photos
	BytesUp    int64  `json:"bytes_up"`
	BytesDown  int64  `json:"bytes_down"`
	RoundTrips int    `json:"round_trips"`
	Pending    uint64 `json:"pending"`
	Carried    int    `json:"carried,omitempty"` // other laptops' bundles that were delivered

	// Unread are the files that wait and cannot be read here.
	Unread []store.BlobFault `json:"-"`

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
	o := outcome{}
	r, err := c.once(ctx, true, &o)
	return r, err
}

// hold keeps every other sync and bundle out until it is let go, for something that
// a person asked for. What the schedule has under way is waited for while it moves,
// unless it only waits for news.
func (c *Client) hold(ctx context.Context) (release func(), err error) {
	c.letGo()
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
				c.giveUp()
			}
			up, down = u, d
		}
	}
}

// giveUp ends the sync of the schedule.
func (c *Client) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.give != nil {
		c.give()
	}
}

// background is a sync of the schedule, unless a server asked for patience:
// then it only says how much is left of that. Where there is nothing to say the
// server is asked to wait so long with its answer.
func (c *Client) background(ctx context.Context, wait time.Duration) (o outcome) {
	select {
	case c.running <- struct{}{}:
	case <-ctx.Done():
		o.err = ctx.Err()
		return o
	}
	defer func() { <-c.running }()
	c.mu.Lock()
	left := time.Until(c.earliest)
	c.mu.Unlock()
	if left > 0 {
		o.err = patience{left}
		return o
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
	o.wait, o.asks = wait, wait > 0
	_, o.err = c.once(ctx, false, &o)
	return o
}

func (c *Client) once(ctx context.Context, patient bool, o *outcome) (Report, error) {
	begin := c.store.Now()
	c.count.reset()
	c.note(func(s *State) {
		s.Running, s.LastAttempt = o.wait == 0, begin
		c.course = course{left: map[record.Village]wire.Rest{}}
	})
	var r Report
	err := c.rounds(ctx, &r, patient, o)
	if errors.Is(err, errLetGo) || errors.Is(err, errCut) {
		c.note(func(s *State) { s.Running = false })
		return r, err
	}
	if !errors.Is(err, errNoAnswer) && ctx.Err() == nil {
		// Other people's work does not wait until one's own is in order.
		err = errors.Join(err, c.deliver(ctx, &r, false))
	}
	if err == nil {
		c.handIn(ctx, &r)
		if _, err = c.store.Leave(ctx); err == nil {
			_, err = c.store.TellLost(ctx) // what it writes goes with the next sync
		}
	}
	var files error
	for err == nil {
		if files = c.files(ctx, &r); files == nil {
			files = c.deliver(ctx, &r, true) // as large as they are, behind all that is the laptop's own
		}
		if !errors.Is(files, errText) {
			break
		}
		err = c.rounds(ctx, &r, patient, new(outcome))
	}
	if errors.Is(err, ErrRevoked) {
		files = c.lastFiles(ctx, &r)
	}
	c.keep(ctx)
	r.BytesUp, r.BytesDown = c.count.read()
	if st, serr := c.store.Status(); serr == nil {
		r.Pending, r.Blobs, r.Originals = st.Pending, st.Blobs, st.Originals.Files
	} else if err == nil {
		err = serr
	}
	end := c.store.Now()
	text := err == nil // the records are where they belong, whatever became of files
	err = errors.Join(err, files)
	c.remember(ctx, begin, &r, err)
	c.note(func(s *State) {
		s.Running, s.Problem = false, err
		if text {
			s.LastSuccess = end
		}
		var p patience
		if errors.As(err, &p) {
			// Never before what a server asked for, and the later the longer that is:
			// those whom it sent away together must not come back together.
			c.earliest = time.Now().Add(p.after + rand.N(p.after/4+1))
		} else if err == nil {
			c.earliest = time.Time{}
		}
	})
	return r, err
}

// rounds goes on until there is nothing more to say. patient is for a person
// who waits: what a busy server asks for is waited out while ctx lasts, where
// the schedule comes back another time.
func (c *Client) rounds(ctx context.Context, r *Report, patient bool, o *outcome) error {
	hurry := c.hurry
	if patient { // who waits for a person waits as long as a server said
		hurry = nil
	}
	select {
	case <-hurry: // an earlier sync's
	default:
	}
	failures := 0
	c.again = nil
	for wait := o.wait; ; wait = 0 {
		more, err := c.round(ctx, r, wait, o)
		if more { // an error that lasts is met again by the last round
			failures = 0
			continue
		}
		if !errors.Is(err, errLetGo) && !errors.Is(err, errCut) {
			c.note(func(*State) { c.course.Trouble = err })
		}
		var p patience
		var wait time.Duration
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, errLetGo), errors.Is(err, errCut):
			return err
		case errors.As(err, &p) && patient && lasts(ctx, p.after):
			wait = p.after
		case errors.Is(err, errNoAnswer):
			c.log.Debug("sync round failed", "error", err)
			c.link.failed()
			failures++
			wait = min(soon<<min(failures, 7), 30*time.Second)
			wait = wait/2 + rand.N(wait)
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		case <-hurry:
		}
	}
}

// soon is half of the pause after a first failure: a link that is cut each half
// minute is mostly there again.
const soon = 300 * time.Millisecond

// lasts tells whether ctx has an end, and that further off than wait.
func lasts(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) > wait
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
	s := c.state
	s.Progress = c.course.now(&c.down)
	s.Progress.Up, s.Progress.Down = c.count.read()
	return s
}

// round is one request and what it brings. more says that another should
// follow at once: with an error too, where only a part of it failed. The answer may
// be waited for, where the request brings nothing.
func (c *Client) round(ctx context.Context, r *Report, wait time.Duration, o *outcome) (more bool, err error) {
	d, err := c.store.Device()
	if err != nil {
		return false, err
	}
	if !d.Enrolled() {
		return false, store.ErrNotEnrolled
	}
	begin := time.Now()
	c.mu.Lock()
	up, down := c.up.budget(), c.down.budget()
	c.mu.Unlock()
	// What an attempt that was given up had taken is joined first: the server has
	// nothing to say of it again.
	if err := c.store.Resume(ctx); err != nil {
		return false, err
	}
	p, here, err := c.goOn(ctx, &d, r)
	if err != nil {
		return false, err
	}
	if p == nil {
		if p, err = c.pack(ctx, &d, up, down, here, wait); err != nil {
			return false, err
		}
	}
	m, out := p.m, p.out
	waits, done := ctx, func() {}
	if p.waits {
		waits, done = c.listen(ctx)
		o.listens = true
	}
	defer done()
	load := c.leaves(out, m.Pending)
	answer := new(wire.Synced)
	var left atomic.Bool
	begun := time.Now()
	at, err := c.send(httptrace.WithClientTrace(waits, &httptrace.ClientTrace{WroteRequest: func(w httptrace.WroteRequestInfo) {
		if w.Err == nil {
			left.Store(true)
		}
	}}), d, wire.SyncPath, &p.parcel, answer, r)
	if wait > 0 {
		o.wait, o.held = time.Duration(m.Wait)*time.Second, time.Since(begun)
	}
	switch {
	case !p.waits || err == nil:
	case waits.Err() != nil && ctx.Err() == nil:
		return false, errLetGo
	case errors.Is(err, errNoAnswer) && o.held >= held:
		c.link.cut(o.held)
		return false, errCut
	default:
		o.wait = 0
	}
	done()
	if left.Load() {
		if serr := c.store.Sent(context.WithoutCancel(ctx), out); serr != nil {
			return false, errors.Join(err, serr)
		}
	}
	if err != nil {
		switch {
		case p.waits: // how long it stood says nothing of how much goes through
		case errors.Is(err, errNoAnswer) && at.begun:
			c.cut(p, &at.passage)
		case p.from > 0 && errors.As(err, new(patience)):
			c.again = p // the server has what it had
		case p.forgotten(err):
			if m.Named() != nil {
				// An answer that says so again begins anew.
				_, err := c.store.SetDevice(ctx, func(d *store.Device) { d.Takes = min(d.Takes, wire.TakesShort) })
				return err == nil, errors.Join(err, c.store.SetKnown(ctx, nil))
			}
			c.broke(p)
			return true, nil
		}
		return false, c.obey(ctx, &d, err)
	}
	o.news = o.news || len(answer.Villages) > 0 && slices.ContainsFunc(answer.Villages, says) || answer.Assigned != nil
	if o.news {
		c.note(func(s *State) { s.Running = true })
	}
	c.passed(&load, answer, &at, p.part())
	pushed, pulled := r.Pushed, r.Pulled
	// What fails in one village keeps nothing else of the answer from being taken.
	var errs []error
	// First the time: a clock that is slow, and has not been told, would be pushed on by
	// the times of what comes, and with it the date of what is saved next.
	if err := c.measure(ctx, answer.Time, at); err != nil {
		errs = append(errs, err)
	}
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
	if m.Named() != nil || answer.Takes >= wire.TakesKnown {
		if err := c.knows(ctx, m); err != nil {
			errs = append(errs, err)
		}
	}
	if m.Backed && len(errs) == 0 {
		if err := c.store.AskedBacked(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	c.came(r.Pushed-pushed, r.Pulled-pulled, begin, &at)
	c.mu.Lock()
	c.next = time.Duration(min(answer.Next, uint64(maxRetryAfter/time.Second))) * time.Second
	c.mu.Unlock()
	stands := false
	for v, still := range sent {
		if stands = stands || still; still && len(errs) == 0 {
			errs = append(errs, fmt.Errorf("village %s: %w", v, errNoAdvance))
		}
	}
	behind := m.Pending
	if here { // what it did not carry had come before
		behind -= min(behind, r.Pushed-pushed)
	}
	return more || behind > 0 && (!stands || len(errs) == 0), errors.Join(errs...)
}

// knows keeps what the server knows by a request that it has answered.
func (c *Client) knows(ctx context.Context, m *wire.Sync) error {
	known := m.Known()
	if was, err := c.store.Known(); err != nil || known == nil || bytes.Equal(was, known) {
		return err
	}
	return c.store.SetKnown(ctx, known)
}

// says tells whether there is anything in an answer for a village: one that goes no
// further and brings nothing is worth no hurry.
func says(p wire.Pull) bool {
	return p.More || p.Denied || len(p.Receipts)+len(p.Refused)+len(p.Records)+len(p.Heads)+len(p.Verdicts) > 0
}

// request is the message that carries out.
func (c *Client) request(d *store.Device, runs []clock.Run, out []store.Outgoing) *wire.Sync {
	m := &wire.Sync{Version: wire.Version, Runs: runs, Assigned: d.Serial(), Reads: wire.ReadsKnown}
	if free, _, err := c.room(c.store.Dir()); err == nil {
		m.Room = wire.RoomOf(free)
	}
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
// end of the request and the beginning of the answer; at its end, where it was asked
// to wait. And what passed before and after.
type span struct {
	sent, came int64
	waited     bool
	passage
}

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
		if skew = server - at.sent - (at.came-at.sent)/2; at.waited {
			skew = server - at.came
		}
	}
	now := c.store.Wall()
	return c.store.Measure(ctx, now+skew, now)
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
