package syncapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"zhucun/server/access"
	"zhucun/server/store"
	"zhucun/shared/bundle"
	"zhucun/shared/clock"
	"zhucun/shared/escrow"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Limits.
const (
	// maxEnrol bounds a request that anybody may send, and maxEnrolled the same
	// unpacked.
	maxEnrol    = 16 << 10
	maxEnrolled = 64 << 10
	// maxOthers bounds the villages in a message that are not the device's: those
	// that it was taken from with work left.
	maxOthers = 64
	// Budgets of the states in one answer, in bytes.
	defaultBudget = 1 << 20
	maxBudget     = 4 << 20
	// maxRevoked bounds a request of a revoked laptop: what a laptop sends at once,
	// twice over, so that its last work still comes in.
	maxRevoked = 2 << 20
	// maxBodies bounds what has come of the bodies being read, in bytes, and a
	// body's memory grows by chunk at first.
	maxBodies = 512 << 20
	chunk     = 64 << 10
	// maxSync bounds a request unpacked: a laptop sends about a megabyte of
	// entries, and one entry, which is as long as a value in its store, 8 MB.
	maxSync = 16 << 20
	// maxUnpacked bounds what is unpacked of all requests at once, in bytes.
	maxUnpacked = 256 << 20
	// sorter is what a reader of bzip2 takes, however short the message.
	sorter  = 4 << 20
	maxWait = 20 * time.Second
	// stall is how long a body may stand still.
	stall = time.Minute
	// slowest link that an answer is kept waiting for, bytes a second.
	slowest = 200
	// idle is how long a connection is kept: longer than a laptop's pause
	// between the requests of one sync.
	idle = 3 * time.Minute
)

// Handler answers wire.EnrolPath, wire.SyncPath and wire.ShortPath, wire.BundlePath
// and wire.EscrowPath.
type Handler struct {
	store    *store.Store
	access   *access.Access
	log      *slog.Logger
	bodies   *semaphore.Weighted // bytes being read
	unpacked *semaphore.Weighted // bytes that requests came to
	work     *semaphore.Weighted // pages being made
	door     door
	busy     busy
	hall     *hall
	held     held
	known    knows
	// part is how many bytes of records one message of a reply has, and fill how many
	// bytes of messages one reply.
	part, fill int
}

// New gives the handler over a store.
func New(s *store.Store, a *access.Access) *Handler {
	return &Handler{
		store: s, access: a, log: s.Log,
		bodies: semaphore.NewWeighted(maxBodies), unpacked: semaphore.NewWeighted(maxUnpacked), work: semaphore.NewWeighted(int64(2 * runtime.GOMAXPROCS(0))),
		part: defaultBudget, fill: bundle.MaxFile, known: knows{most: maxKnown},
		busy: busy{most: maxServed, took: guess * maxServed}, hall: newHall(s, s.Log),
	}
}

// Limit sets how many requests are served at once, before any is: for machines that can
// do less, and for simulations of such.
func (h *Handler) Limit(requests int) { h.busy.most = requests }

// Server is an HTTP server with the limits on time that agents need, and which
// answers no request that might be two. It has no limits for bodies, which may
// take long while they move: Handler sets them, and so must whatever else h serves.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: single(h), ReadHeaderTimeout: 30 * time.Second, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// single lets requests through to h that end in one place only. Of a request with
// Transfer-Encoding net/http does not tell whether it had a Content-Length too,
// so none is taken: neither agents nor browsers send any. In HTTP/1.0 net/http
// drops Transfer-Encoding unseen; what comes after such a request may have been
// its body to whoever passed it on, so nothing may come after one.
func single(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Whoever serves it gives a body more time while it moves. One that nobody
		// reads, as that of a laptop which is not enrolled, is still waited for.
		if r.ContentLength != 0 {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(stall))
		}
		// What follows on this connection may be anybody's idea of a request.
		if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		// The agents' door says it in a way that agents understand.
		if len(r.TransferEncoding) > 0 && r.URL.Path != wire.EnrolPath && r.URL.Path != wire.SyncPath && r.URL.Path != wire.ShortPath && r.URL.Path != wire.EscrowPath {
			http.Error(w, lengthNeeded, http.StatusLengthRequired)
			return
		}
		h.ServeHTTP(w, r)
	})
}

const lengthNeeded = "a body needs its Content-Length and no Transfer-Encoding"

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := h.store.Now()
	answer, err := h.serve(w, r, arrived)
	if err == nil {
		h.send(w, http.StatusOK, answer)
		return
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{http.StatusInternalServerError, wire.Fault{Code: wire.FaultServer, Text: "the server failed; nothing was lost, try again later"}}
		// One that was given up for a newer one, or hung up, may be asked again too.
		if h.store.Again(err) || errors.Is(err, errBusy) || r.Context().Err() != nil {
			f = &fault{http.StatusServiceUnavailable, wire.Fault{Code: wire.FaultBusy, Text: "the server is busy; try again later"}}
			w.Header().Set("Retry-After", strconv.Itoa(h.busy.place(h.store.Now())))
		}
		if r.Context().Err() == nil && !errors.Is(err, errBusy) {
			h.log.Error("a request failed", "path", r.URL.Path, "error", err)
		}
	}
	h.send(w, f.status, &f.Fault)
}

// fault is an answer that is not the one asked for.
type fault struct {
	status int
	wire.Fault
}

func refuse(status int, code, text string) error {
	return &fault{status, wire.Fault{Code: code, Text: text}}
}

var errBusy = errors.New("too many requests at once")

func (h *Handler) send(w http.ResponseWriter, status int, message any) {
	b, packed := message.([]byte)
	if !packed {
		var err error
		if b, err = wire.Encode(message, wire.Quick); err != nil {
			h.log.Error("an answer could not be encoded", "error", err)
			status = http.StatusInternalServerError
		}
	}
	head := w.Header()
	// 37 and 34 bytes that nobody reads: the message has the time, and its first
	// bytes tell what it is.
	head["Date"], head["Content-Type"] = nil, nil
	head.Set("Content-Length", strconv.Itoa(len(b)))
	if err := http.NewResponseController(w).SetWriteDeadline(h.store.Now().Add(stall + time.Duration(len(b)/slowest)*time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		h.log.Debug("no limit on writing", "error", err)
	}
	w.WriteHeader(status)
	w.Write(b)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, arrived time.Time) (any, error) {
	if len(r.TransferEncoding) > 0 || r.ContentLength < 0 {
		// Before anything else, as whatever is answered here ends the connection.
		w.Header().Set("Connection", "close")
		return nil, refuse(http.StatusLengthRequired, wire.FaultMessage, lengthNeeded)
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, refuse(http.StatusMethodNotAllowed, wire.FaultMessage, "only POST is answered here")
	}
	switch r.URL.Path {
	case wire.EnrolPath:
		return h.enrol(w, r)
	case wire.SyncPath, wire.ShortPath:
		return h.sync(w, r, arrived)
	case wire.BundlePath:
		return h.carried(w, r, arrived)
	case wire.EscrowPath:
		return h.escrow(w, r)
	}
	return nil, refuse(http.StatusNotFound, wire.FaultMessage, "nothing is here")
}

// body reads the request's body: of limited size, which must keep moving. Memory
// is taken as it comes, not as it is announced, until done is called. With an error
// b is what had come.
func (h *Handler) body(w http.ResponseWriter, r *http.Request, limit int64, c *call) (b []byte, done func(), err error) {
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, nil, refuse(http.StatusRequestEntityTooLarge, wire.FaultMessage, "the message is too large")
	}
	from := &moving{r.Body, c, h.store.Now}
	done = func() { h.bodies.Release(int64(cap(b))) }
	for size := int(r.ContentLength); len(b) < size; {
		if len(b) == cap(b) {
			more := min(max(len(b), chunk), size-len(b))
			if err := room(r.Context(), h.bodies, int64(more)); err != nil {
				done()
				return b, nil, err
			}
			grown := make([]byte, len(b), len(b)+more)
			copy(grown, b)
			b = grown
		}
		n, err := from.Read(b[len(b):cap(b)])
		if b = b[:len(b)+n]; err != nil && len(b) < size {
			done()
			return b, nil, unreadable(err)
		}
	}
	c.arrived()
	return b, done, nil
}

// room waits for so many bytes of memory, not for ever.
func room(ctx context.Context, s *semaphore.Weighted, bytes int64) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if s.Acquire(ctx, bytes) != nil {
		return errBusy
	}
	return nil
}

// moving is a body that may take as long as it likes while it moves.
type moving struct {
	io.Reader
	call *call
	now  func() time.Time
}

func (m *moving) Read(b []byte) (int, error) {
	if err := m.call.until(m.now().Add(stall)); err != nil {
		return 0, err
	}
	return m.Reader.Read(b)
}

// unreadable says what is wrong with a message.
func unreadable(err error) error {
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, wire.FaultMessage, "the message is too large")
	case errors.Is(err, wire.ErrForgotten):
		return refuse(http.StatusPreconditionFailed, wire.FaultMessage, "what the message is mixed behind is not known here any more; send it in another way")
	case errors.Is(err, wire.ErrRelease):
		return refuse(http.StatusBadRequest, wire.FaultVersion, "the message is of another release; bring server and laptop to the same one")
	case errors.Is(err, wire.ErrForeign), errors.Is(err, wire.ErrMessage), errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(http.StatusBadRequest, wire.FaultMessage, "the message cannot be read")
	}
	return refuse(http.StatusBadRequest, wire.FaultMessage, "the message did not arrive whole")
}

func version(v uint64) error {
	if v <= wire.Version {
		return nil
	}
	return refuse(http.StatusBadRequest, wire.FaultVersion, "the message is of a later release; the office must bring the server up to date")
}

// small reads a short message of the kind of m.
func (h *Handler) small(w http.ResponseWriter, r *http.Request, c *call, m any) error {
	body, done, err := h.body(w, r, maxEnrol, c)
	if err != nil {
		return err
	}
	defer done()
	if err := room(r.Context(), h.unpacked, sorter); err != nil {
		return err
	}
	defer h.unpacked.Release(sorter)
	if err := wire.Unmarshal(body, maxEnrolled, m); err != nil {
		return unreadable(err)
	}
	return nil
}

func (h *Handler) enrol(w http.ResponseWriter, r *http.Request) (any, error) {
	m := new(wire.Enrol)
	if err := h.small(w, r, &call{control: http.NewResponseController(w)}, m); err != nil {
		return nil, err
	}
	if err := version(m.Version); err != nil {
		return nil, err
	}
	answer, err := h.access.Enrol(r.Context(), m)
	if errors.Is(err, access.ErrCode) {
		return nil, refuse(http.StatusForbidden, wire.FaultCode, err.Error())
	}
	return &answer, err
}

// escrow keeps the key of a laptop's data.
func (h *Handler) escrow(w http.ResponseWriter, r *http.Request) (any, error) {
	device, err := h.device(r)
	if err != nil {
		return nil, err
	}
	if device.Revoked() {
		return nil, refuse(http.StatusForbidden, wire.FaultRevoked, "the office has revoked this laptop")
	}
	call, err := h.door.enter(device.ID, http.NewResponseController(w))
	if err != nil {
		return nil, err
	}
	defer h.door.leave(call)
	m := new(wire.Escrow)
	if err := h.small(w, r, call, m); err != nil {
		return nil, err
	}
	if err := version(m.Version); err != nil {
		return nil, err
	}
	err = h.access.KeepEscrow(r.Context(), device.ID, m.Sealed)
	if errors.Is(err, escrow.ErrSealed) {
		return nil, refuse(http.StatusBadRequest, wire.FaultMessage, "the key is not sealed to this server")
	} else if err != nil {
		return nil, err
	}
	return &wire.Escrowed{Epoch: h.store.Epoch()}, nil
}

// device gives the device that asks.
func (h *Handler) device(r *http.Request) (store.Device, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		token = r.Header.Get(wire.TokenHeader)
		ok = token != ""
	}
	d, err := h.access.Device(r.Context(), token)
	if !ok || errors.Is(err, store.ErrNotFound) {
		err = refuse(http.StatusUnauthorized, wire.FaultDevice, "this laptop is not enrolled here; ask the office for a code")
	}
	return d, err
}

func (h *Handler) sync(w http.ResponseWriter, r *http.Request, arrived time.Time) (any, error) {
	device, err := h.device(r)
	if err != nil {
		return nil, err
	}
	limit := int64(wire.MaxRequest)
	if device.Revoked() {
		limit = maxRevoked
	}
	call, err := h.door.enter(device.ID, http.NewResponseController(w))
	if err != nil {
		return nil, err
	}
	defer h.door.leave(call)
	name := r.Header.Get(wire.BodyHeader)
	if name != "" && r.ContentLength == 0 {
		h.asked(r.Context(), w, &device, name)
		return []byte(nil), nil
	}
	// Before its bytes are sent for nothing.
	if h.busy.full() {
		return nil, errBusy
	}
	body, done, err := h.long(w, r, limit, call, &device)
	if err != nil {
		return nil, err
	}
	leave := sync.OnceFunc(h.busy.enter())
	defer leave()
	// What the device may do is what it may do now: the body may have taken days.
	if device, err = h.device(r); err != nil {
		done()
		return nil, err
	}
	m, size, err := h.message(r.Context(), body, maxSync, h.known.find(device.ID))
	done()
	if err != nil {
		return nil, err
	}
	release := sync.OnceFunc(func() { h.unpacked.Release(size) })
	defer release()
	if err := check(&device, m); err != nil {
		return nil, err
	}
	if m.Wait > 0 && size <= maxListens && !slices.ContainsFunc(m.Villages, func(p wire.Push) bool { return len(p.Segments) > 0 }) {
		answer, err := h.await(w, r, call, &device, m, arrived, func() { leave(); release() })
		if err != nil {
			return nil, err
		}
		return wire.Answer(m, answer, h.known.keep(device.ID, m, h.store.Now()))
	}
	answer, err := h.exchange(r.Context(), &device, m, arrived)
	if err != nil {
		return nil, err
	}
	if name != "" {
		h.held.keep(device.ID, stub{name: name, whole: true, at: h.store.Now()})
	}
	return wire.Answer(m, answer, h.known.keep(device.ID, m, h.store.Now()))
}

// check says what no laptop of ours would send, and puts the villages in order.
func check(device *store.Device, m *wire.Sync) error {
	if err := version(m.Version); err != nil {
		return err
	}
	if len(m.Runs) > clock.MaxRuns {
		// They would be in every receipt.
		return refuse(http.StatusBadRequest, wire.FaultMessage, "the message has more settings of the clock than a laptop keeps")
	}
	others := 0
	for _, p := range m.Villages {
		if !slices.Contains(device.Villages, p.Village) {
			others++
		}
	}
	if others > maxOthers {
		return refuse(http.StatusBadRequest, wire.FaultMessage, "the message names too many villages that are not this laptop's")
	}
	slices.SortFunc(m.Villages, func(a, b wire.Push) int { return strings.Compare(string(a.Village), string(b.Village)) })
	for i, p := range m.Villages {
		if p.Village == "" || len(p.Village) > 32 || i > 0 && m.Villages[i-1].Village == p.Village {
			return refuse(http.StatusBadRequest, wire.FaultMessage, "the message names a village twice, or none")
		}
	}
	return nil
}

// message unpacks a request, which comes to limit bytes at most, and to no more
// than maxSync. For what it comes to, size bytes, memory is taken. find gives what is
// known of who sent it.
func (h *Handler) message(ctx context.Context, body []byte, limit int, find func(wire.KnownName) wire.Known) (m *wire.Sync, size int64, err error) {
	limit = min(limit, maxSync)
	// How much it is a message does not always tell before it is unpacked.
	most := int64(wire.SyncSize(body, limit))
	if err := room(ctx, h.unpacked, most); err != nil {
		return nil, 0, err
	}
	m, n, err := wire.UnmarshalSync(body, limit, find)
	if err != nil {
		h.unpacked.Release(most)
		return nil, 0, unreadable(err)
	}
	h.unpacked.Release(most - int64(n))
	return m, int64(n), nil
}

// exchange takes what the device sends and gives what it lacks.
func (h *Handler) exchange(ctx context.Context, d *store.Device, m *wire.Sync, arrived time.Time) (*wire.Synced, error) {
	answer := &wire.Synced{Version: wire.Version}
	offset := arrived.UnixMilli() - m.Clock
	budget := int(min(m.Budget, maxBudget))
	if budget == 0 {
		budget = defaultBudget
	}
	work := false
	for i := range m.Villages {
		p := &m.Villages[i]
		work = work || len(p.Segments) > 0
		taken, err := h.take(ctx, d, m, p, arrived, offset)
		if err != nil {
			return nil, fmt.Errorf("device %s, village %s: %w", d.ID, p.Village, err)
		}
		if !denied(d, p.Village) {
			h.heard(d, m, p.Village, arrived, offset)
		}
		pull, ok, err := h.page(ctx, d, p, taken, budget, m.Backed)
		if err != nil {
			return nil, fmt.Errorf("device %s, village %s: %w", d.ID, p.Village, err)
		}
		if ok {
			answer.Villages = append(answer.Villages, pull)
		}
		for _, rec := range pull.Records {
			budget = max(0, budget-len(rec.State))
		}
		work = work || len(pull.Receipts) > 0 || len(pull.Backed) > 0 || h.rewound(p)
	}
	if d.Revoked() && !work {
		// Of a laptop that was revoked this alone is a contact: it tells that the order went out.
		for i := range m.Villages {
			if v := m.Villages[i].Village; slices.Contains(d.Villages, v) {
				h.heard(d, m, v, arrived, offset)
			}
		}
		return nil, &fault{http.StatusForbidden, wire.Fault{Code: wire.FaultRevoked, Text: "the office has revoked this laptop",
			Wipe: identity.Sign(h.store.Key, identity.WipeOf, []byte(d.ID))}}
	}
	if m.Assigned != d.Serial {
		assigned, err := h.access.Assignment(ctx, d)
		if err != nil {
			return nil, err
		}
		answer.Assigned = &assigned
	}
	// Some milliseconds of work, and memory of twenty times a page.
	if err := h.work.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	answer.LayOut(m.Reads)
	h.work.Release(1)
	answer.Time = h.store.Now().UnixMilli()
	return answer, nil
}

// rewound tells whether a device last heard of another life of the data: it may
// have to send again what it has receipts for, revoked or not.
func (h *Handler) rewound(p *wire.Push) bool {
	return p.Epoch != wire.Epoch{} && p.Epoch != h.store.Epoch()
}

// denied tells whether a device may no longer have a village.
func denied(d *store.Device, v record.Village) bool {
	return d.Revoked() || !slices.Contains(d.Villages, v)
}

// take takes what is sent for one village.
func (h *Handler) take(ctx context.Context, d *store.Device, m *wire.Sync, p *wire.Push, arrived time.Time, offset int64) (store.Taken, error) {
	if len(p.Segments) == 0 {
		return store.Taken{}, nil
	}
	delivery := store.Delivery{
		Village: p.Village, From: *d, Segments: p.Segments, Runs: m.Runs, Found: offset, Proofs: p.Proofs, Received: clock.At0(arrived.UnixMilli()),
	}
	if p.Epoch == h.store.Epoch() {
		delivery.Own = p.Streams
	}
	return h.store.Take(ctx, delivery)
}

// page gives what there is to say of one village; ok is false when that is
// nothing.
func (h *Handler) page(ctx context.Context, d *store.Device, p *wire.Push, taken store.Taken, budget int, backed bool) (pull wire.Pull, ok bool, err error) {
	// Only here: whoever waits to write must not keep others from reading.
	if err := h.work.Acquire(ctx, 1); err != nil {
		return pull, false, err
	}
	defer h.work.Release(1)
	pull, ok, err = h.store.Page(ctx, store.Request{
		Village: p.Village, Epoch: p.Epoch, Cursor: p.Cursor, After: p.After, Device: d.ID, Own: p.Streams, Agreed: taken.Agreed, Role: d.Role, Budget: budget, Denied: denied(d, p.Village), Backed: backed,
	})
	pull.Refused = taken.Refused
	return pull, ok || len(taken.Refused) > 0, err
}

func (h *Handler) heard(d *store.Device, m *wire.Sync, v record.Village, at time.Time, offset int64) {
	agent := m.Agent
	if len(agent) > 64 {
		agent = agent[:64]
	}
	h.store.Heard(store.Contact{Village: v, Device: d.ID, Seen: at, Pending: min(m.Pending, 1<<53), Offset: offset, Agent: agent, Assigned: min(m.Assigned, 1<<53), Room: min(m.Room, 1<<32) * wire.RoomUnit})
}
