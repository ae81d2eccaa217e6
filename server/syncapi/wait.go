package syncapi

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/record"
	"zhucun/shared/wire"
)

// Limits on requests that wait for news.
const (
	// maxHold is the longest that one waits.
	maxHold = 5 * time.Minute
	// maxWaiting is how many may wait at once, some 40 KB each; whoever comes then is answered at once,
	// and asks again in some minutes.
	maxWaiting = 5000
	// maxListens bounds such a request when it is unpacked, in bytes: it is kept.
	maxListens = 16 << 10
	// lookPause and lookMost are the least and the most between two looks at what has
	// moved; between them it is so many times what a look took, however many villages
	// there are.
	lookPause = 200 * time.Millisecond
	lookMost  = time.Second
	lookShare = 20
	// An interrupted server asks those who waited to come back spread over spread for
	// each, spreadLeast at least, so that they are not all there when it begins again.
	spread      = 20 * time.Millisecond
	spreadLeast = 5 * time.Second
)

// hall is where requests wait that there is nothing to say to. One goroutine looks
// for all of them what has moved, when the store says that something has: nobody
// asks the database for himself. It runs while anybody waits.
type hall struct {
	store   *store.Store
	log     *slog.Logger
	mu      sync.Mutex
	waiting map[*waiter]struct{}
	looks   bool          // the goroutine runs
	empty   chan struct{} // told when the last one left
	closing chan struct{}
	close   sync.Once
	most    int
}

func newHall(s *store.Store, log *slog.Logger) *hall {
	return &hall{store: s, log: log, waiting: map[*waiter]struct{}{}, empty: make(chan struct{}, 1), closing: make(chan struct{}), most: maxWaiting}
}

// waiter is a request in the room: what its device has.
type waiter struct {
	device identity.Device
	serial uint64
	has    map[record.Village]uint64
	moved  chan struct{}
}

// enter lets a request wait; nil where the room is full or closed. It is entered
// before it is looked whether there is anything to say: what moves after that look
// is told.
func (r *hall) enter(d *store.Device, m *wire.Sync) *waiter {
	w := &waiter{device: d.ID, serial: d.Serial, has: make(map[record.Village]uint64, len(m.Villages)), moved: make(chan struct{}, 1)}
	for _, p := range m.Villages {
		w.has[p.Village] = max(p.Cursor, p.After)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closing:
		return nil
	default:
	}
	if len(r.waiting) >= r.most {
		return nil
	}
	r.waiting[w] = struct{}{}
	if !r.looks {
		r.looks = true
		go r.look()
	}
	return w
}

func (r *hall) leave(w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, w)
	if len(r.waiting) == 0 {
		select {
		case r.empty <- struct{}{}:
		default:
		}
	}
}

// over tells whether nobody waits; then the goroutine is as good as ended.
func (r *hall) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks = len(r.waiting) > 0
	return !r.looks
}

func (r *hall) look() {
	var known int64
	serials := map[identity.Device]uint64{}
	for {
		changed := r.store.Changed()
		begun := time.Now()
		feeds, sum, err := r.store.Standing(context.Background())
		if err == nil && (sum != known || len(serials) == 0) {
			if serials, err = r.store.Serials(context.Background()); err == nil {
				known = sum
			}
		}
		if err != nil {
			r.log.Error("could not look for news", "error", err)
		} else {
			r.tell(feeds, serials)
		}
		pause := time.NewTimer(min(max(lookPause, lookShare*time.Since(begun)), lookMost))
		for news := changed; news != nil; {
			select {
			case <-news:
				news = nil
			case <-r.empty:
				if r.over() {
					pause.Stop()
					return
				}
			}
		}
		select {
		case <-pause.C:
		case <-r.empty:
			pause.Stop()
			if r.over() {
				return
			}
		}
	}
}

// tell wakes those for whom something has moved.
func (r *hall) tell(feeds map[record.Village]uint64, serials map[identity.Device]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.waiting {
		moved := serials[w.device] != w.serial
		for v, has := range w.has {
			moved = moved || feeds[v] != has
		}
		if moved {
			select {
			case w.moved <- struct{}{}:
			default:
			}
		}
	}
}

// Close ends all waiting, now and from now on.
func (h *Handler) Close() { h.hall.close.Do(func() { close(h.hall.closing) }) }

// news is an answer that is worth no waiting.
func news(a *wire.Synced) bool { return len(a.Villages) > 0 || a.Assigned != nil }

// await answers a request that brings nothing once there is something to say, or its
// time is up. Meanwhile it holds no transaction, and rest gives back what a request
// that is served holds: its place and its memory.
func (h *Handler) await(w http.ResponseWriter, r *http.Request, call *call, d *store.Device, m *wire.Sync, arrived time.Time, rest func()) (*wire.Synced, error) {
	waiter := h.hall.enter(d, m)
	if waiter != nil {
		defer h.hall.leave(waiter)
	}
	answer, err := h.exchange(r.Context(), d, m, arrived)
	if err != nil || waiter == nil || news(answer) {
		return answer, err
	}
	// That a body may not stand still is over with: what is read now is that the
	// device hangs up.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	end := call.waits()
	rest()
	timer := time.NewTimer(min(time.Duration(min(m.Wait, uint64(maxHold/time.Second)))*time.Second, maxHold))
	defer timer.Stop()
	for {
		select {
		case <-waiter.moved:
			device, err := h.device(r)
			if err != nil {
				return nil, err
			}
			leave := h.busy.enter()
			answer, err := h.exchange(r.Context(), &device, m, arrived)
			leave()
			if err != nil || news(answer) {
				call.answers()
				return answer, err
			}
			continue
		case <-timer.C:
		case <-end: // by a newer request of the device's
		case <-r.Context().Done():
		case <-h.hall.closing:
			answer.Next = h.hall.again()
		}
		call.answers()
		answer.Time = h.store.Now().UnixMilli()
		return answer, nil
	}
}

// again is in how many seconds one of those who wait is to come back when all have to
// go.
func (r *hall) again() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := max(spreadLeast, time.Duration(len(r.waiting))*spread)
	return 1 + uint64((time.Second+rand.N(over))/time.Second)
}
