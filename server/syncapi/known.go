package syncapi

import (
	"sync"
	"time"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
)

// Limits of what is kept of devices' last requests.
const (
	maxKnown = 64 << 20 // bytes of all devices together, some 25,000 of them
	knownFor = 24 * time.Hour
	tidied   = time.Minute // how often at most it is looked for what is old
)

// knows keeps what is known of devices by their last requests, behind which they mix the
// next. It is a saving of bytes and nothing else: what is lost of it, as when the server
// is started anew, costs the device one trip more.
type knows struct {
	most  int // bytes in all
	mu    sync.Mutex
	of    map[identity.Device]last
	bytes int
	tidy  time.Time
}

// last is what a device may name: what it named in its last request, or else what was
// known before, and what is known since. An answer that got lost leaves it with the first.
type last struct {
	known [2]wire.Known
	at    time.Time
}

func (l last) size() int { return len(l.known[0]) + len(l.known[1]) }

// find gives what is known of a device by a name.
func (k *knows) find(id identity.Device) func(wire.KnownName) wire.Known {
	return func(name wire.KnownName) wire.Known {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, known := range k.of[id].known {
			if len(known) > 0 && known.Name() == name {
				return known
			}
		}
		return nil
	}
}

// keep keeps what is known by a request that is being answered, and tells whether it
// does: not where there is no room.
func (k *knows) keep(id identity.Device, m *wire.Sync, now time.Time) bool {
	next := m.Known()
	if next == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	l := last{[2]wire.Known{m.Named(), next}, now}
	if l.known[0] == nil {
		l.known[0] = k.of[id].known[1]
	}
	if k.of == nil {
		k.of = map[identity.Device]last{}
	}
	k.drop(id)
	if k.bytes+l.size() > k.most && now.Sub(k.tidy) > tidied {
		k.tidy = now
		for other, o := range k.of {
			if now.Sub(o.at) > knownFor {
				k.drop(other)
			}
		}
	}
	if k.bytes+l.size() > k.most {
		return false
	}
	k.of[id] = l
	k.bytes += l.size()
	return true
}

func (k *knows) drop(id identity.Device) {
	k.bytes -= k.of[id].size()
	delete(k.of, id)
}
