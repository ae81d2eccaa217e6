package syncapi

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"zhucun/shared/identity"
)

// maxCalls is how many requests a device may have open: the one that it waits
// for, and one that it gave up and the server does not know of yet.
const maxCalls = 2

// door knows which requests are open. A laptop has one at a time, but where its
// link died in the middle of one, that one is open here until it has stood still
// for a minute. So the newest comes in, and the oldest that is still arriving
// goes; where all have arrived the newest is to come back later. Without it one
// laptop could hold the server's memory with requests that never end. One that waits
// for news ends as soon as another comes: whoever asks again no longer listens.
type door struct {
	sync.Mutex
	open map[identity.Device][]*call
}

// call is an open request.
type call struct {
	device  identity.Device
	name    string // of its message, where it has one; under the door's lock
	control *http.ResponseController
	mu      sync.Mutex
	gone    bool          // given up
	here    bool          // arrived whole
	left    chan struct{} // closed when it has been answered, or will not be
	// news is not nil while the request waits for news, and closed to end that.
	news chan struct{}
}

// enter lets a request in; the error is errBusy.
func (d *door) enter(id identity.Device, control *http.ResponseController) (*call, error) {
	d.Lock()
	defer d.Unlock()
	calls := slices.DeleteFunc(d.open[id], (*call).interrupt)
	if len(calls) >= maxCalls {
		i := slices.IndexFunc(calls, (*call).giveUp)
		if i < 0 {
			return nil, errBusy
		}
		calls = slices.Delete(calls, i, i+1)
	}
	if d.open == nil {
		d.open = map[identity.Device][]*call{}
	}
	c := &call{device: id, control: control, left: make(chan struct{})}
	d.open[id] = append(calls, c)
	return c, nil
}

// leave ends a request.
func (d *door) leave(c *call) {
	d.Lock()
	defer d.Unlock()
	c.arrived() // nobody may touch the connection any more
	close(c.left)
	if calls := slices.DeleteFunc(d.open[c.device], func(o *call) bool { return o == c }); len(calls) > 0 {
		d.open[c.device] = calls
	} else {
		delete(d.open, c.device)
	}
}

// waits says that the request waits for news from now on, until the channel that it
// gives is closed.
func (c *call) waits() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news = make(chan struct{})
	return c.news
}

// interrupt ends waiting for news; false if it does not.
func (c *call) interrupt() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.news == nil {
		return false
	}
	close(c.news)
	c.news = nil
	return true
}

// answers says that the request waits no more; false if it was interrupted.
func (c *call) answers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	waited := c.news != nil
	c.news = nil
	return waited
}

// brings says which message a request brings, or goes on with.
func (d *door) brings(c *call, name string) {
	d.Lock()
	defer d.Unlock()
	c.name = name
}

// bringing gives the device's open requests with a message.
func (d *door) bringing(id identity.Device, name string) (list []*call) {
	d.Lock()
	defer d.Unlock()
	for _, o := range d.open[id] {
		if o.name == name {
			list = append(list, o)
		}
	}
	return list
}

var errGivenUp = errors.New("given up for a newer request")

// until sets the time until which the next bytes must have come.
func (c *call) until(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return errGivenUp
	}
	return c.limit(t)
}

func (c *call) limit(t time.Time) error {
	if err := c.control.SetReadDeadline(t); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// arrived says that the request is here.
func (c *call) arrived() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here = true
}

// giveUp ends the reading of a request; false if it is here already.
func (c *call) giveUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.here {
		return false
	}
	c.gone = true
	return c.limit(time.Unix(1, 0)) == nil
}
