package syncapi

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"zhucun/server/store"
	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// Limits of what is kept of requests that were cut off.
const (
	maxHeld = 64 << 20         // bytes of all devices together
	heldFor = 15 * time.Minute // longer than a laptop tries
	givesUp = 5 * time.Second  // how long a question waits for a request that is given up for it
)

// held keeps what has come of a long request when the line broke, the last one of
// each device, so that it goes on from there. It is a saving of bytes and nothing
// else: what is lost of it is sent again.
type held struct {
	mu    sync.Mutex
	of    map[identity.Device]stub
	bytes int
}

// stub is the beginning of a message, without its clock.
type stub struct {
	name  string
	begin []byte
	whole bool // it came to its end, and is not kept any more
	at    time.Time
}

// keep keeps a stub in the place of the device's last one. What is too old, and
// where it is too much the oldest, goes.
func (h *held) keep(id identity.Device, s stub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[identity.Device]stub{}
	}
	h.drop(id)
	if len(s.begin) > maxHeld {
		return
	}
	h.of[id] = s
	h.bytes += len(s.begin)
	for {
		oldest, at := identity.Device(""), s.at
		for other, o := range h.of {
			if other != id && o.at.Before(at) {
				oldest, at = other, o.at
			}
		}
		if oldest == "" || h.bytes <= maxHeld && s.at.Sub(at) < heldFor {
			return
		}
		h.drop(oldest)
	}
}

func (h *held) drop(id identity.Device) {
	h.bytes -= len(h.of[id].begin)
	delete(h.of, id)
}

func (h *held) forget(id identity.Device) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(id)
}

// find gives what is kept of a device's message.
func (h *held) find(id identity.Device, name string) (stub, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.of[id]
	return s, ok && name != "" && s.name == name
}

// long reads the body of a request that may have begun with an earlier one, and
// keeps what comes of one that breaks off. The body is done with when done is called.
func (h *Handler) long(w http.ResponseWriter, r *http.Request, limit int64, c *call, d *store.Device) (body []byte, done func(), err error) {
	name := r.Header.Get(wire.BodyHeader)
	var begin []byte
	if text := r.Header.Get(wire.FromHeader); text != "" {
		s, ok := h.held.find(d.ID, name)
		n, err := strconv.Atoi(text)
		if err != nil || !ok || n <= 0 || n > len(s.begin) {
			w.Header().Set("Connection", "close") // what comes is of no use
			return nil, nil, refuse(http.StatusPreconditionFailed, wire.FaultMessage, "what had come of the message is not here any more; send all of it")
		}
		begin = s.begin[:n]
	}
	h.door.brings(c, name)
	body, done, err = h.body(w, r, limit-int64(len(begin)), c)
	if name == "" || d.Revoked() || len(name) > 64 {
		return body, done, err
	}
	if err != nil {
		if len(body) > wire.Uncounted {
			h.held.keep(d.ID, stub{name: name, begin: bytes.Join([][]byte{begin, body[wire.Uncounted:]}, nil), at: h.store.Now()})
		}
		return nil, nil, err
	}
	if len(body) < wire.Uncounted {
		return body, done, nil
	}
	if len(begin) > 0 {
		size := int64(len(begin) + len(body))
		if err := room(r.Context(), h.bodies, size); err != nil {
			done()
			return nil, nil, err
		}
		first := done
		done = func() { first(); h.bodies.Release(size) }
		body = bytes.Join([][]byte{body[:wire.Uncounted], begin, body[wire.Uncounted:]}, nil)
	}
	if wire.BodyName(body) != name {
		done()
		h.held.forget(d.ID)
		return nil, nil, refuse(http.StatusPreconditionFailed, wire.FaultMessage, "the message is not the one of that name; send all of it")
	}
	return body, done, nil
}

// asked answers how much of a message has come. A request that is still arriving
// is given up for it: the device has done so.
func (h *Handler) asked(ctx context.Context, w http.ResponseWriter, d *store.Device, name string) {
	ctx, cancel := context.WithTimeout(ctx, givesUp)
	defer cancel()
	for _, other := range h.door.bringing(d.ID, name) {
		other.giveUp() // one that is here already is waited for
		select {
		case <-other.left:
		case <-ctx.Done():
		}
	}
	said := "0"
	if s, ok := h.held.find(d.ID, name); ok && s.whole {
		said = wire.WholeBody
	} else if ok {
		said = strconv.Itoa(len(s.begin))
	}
	w.Header().Set(wire.FromHeader, said)
}
