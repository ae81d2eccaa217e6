package syncclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"zhucun/agent/store"
	"zhucun/shared/wire"
)

// parcel is a packed message on its way.
type parcel struct {
	body []byte
	sync bool // a request of a sync, with the clock in front
	from int  // how many bytes behind the clock the server has
	// request is what was packed, where it is a sync's: short answers are read behind it.
	request *wire.Sync
	// waits tells that the server is asked to wait for news. Such a one carries nothing:
	// it neither goes on nor measures the link.
	waits bool
}

// nameFrom is from which length on a request has a name, so that it may go on where it
// is cut off. A shorter one goes again.
const nameFrom = 4 << 10

// size is how many bytes leave.
func (p *parcel) size() int { return len(p.body) - p.from }

// part is how much of the message leaves.
func (p *parcel) part() float64 { return float64(p.size()) / float64(len(p.body)) }

// rest gives what leaves.
func (p *parcel) rest() []byte {
	return append(append(make([]byte, 0, p.size()), p.body[:wire.Uncounted]...), p.body[wire.Uncounted+p.from:]...)
}

// label names a long request.
func (p *parcel) label(h http.Header) {
	if !p.sync || p.waits || len(p.body) < nameFrom {
		return
	}
	h.Set(wire.BodyHeader, wire.BodyName(p.body))
	if p.from > 0 {
		h.Set(wire.FromHeader, strconv.Itoa(p.from))
	}
}

// cutOff is a request, and what it carries; once it has been cut off it may go on
// where it was.
type cutOff struct {
	parcel
	m        *wire.Sync
	out      []store.Outgoing
	up, down int // what it carries, and how much it lets the answer have
}

// forgotten tells an answer by which the server has not what it had said it has.
func (p *cutOff) forgotten(err error) bool {
	var f *wire.Fault
	return (p.from > 0 || p.m.Named() != nil) && errors.As(err, &f) && f.Code == wire.FaultMessage
}

// pack makes the next request: up and down bound what it carries and what it asks
// for. here tells that the last one has come to the server: this one fetches what it
// said to it. Where it carries nothing, the server is asked to wait so long.
func (c *Client) pack(ctx context.Context, d *store.Device, up, down int, here bool, wait time.Duration) (*cutOff, error) {
	if here {
		up = 0
	}
	p := &cutOff{down: down}
	p.sync = true
	var err error
	if p.out, err = c.store.Outgoing(ctx, up); err != nil {
		return nil, err
	}
	_, runs, err := c.store.Clock()
	if err != nil {
		return nil, err
	}
	p.m = c.request(d, runs, p.out)
	if p.m.Backed, err = c.store.AsksBacked(); err != nil {
		return nil, err
	}
	if down < maxBudget {
		p.m.Budget = uint64(down)
	}
	for i := range p.out {
		p.up += p.out[i].Size()
	}
	if wait > 0 && !slices.ContainsFunc(p.m.Villages, func(p wire.Push) bool { return len(p.Segments) > 0 }) {
		p.m.Wait, p.waits = uint64(wait/time.Second), true
	}
	p.request = p.m
	if d.Takes >= wire.TakesKnown {
		known, err := c.store.Known()
		if err != nil {
			return nil, err
		}
		p.m.MixBehind(known)
	}
	p.body, err = wire.EncodeSync(p.m, packing(d))
	return p, err
}

// cut takes notice of a request that was cut off. What is long is asked for first,
// before it is known whether all of it must go again.
func (c *Client) cut(p *cutOff, at *passage) {
	if at.answered {
		c.note(func(*State) { c.down.cut(p.down) })
	}
	if len(p.body) >= nameFrom {
		p.from = 0
		c.again = p
	} else if !at.answered {
		c.broke(p)
	}
}

// broke tells that nothing of an exchange has come to anything.
func (c *Client) broke(p *cutOff) {
	c.note(func(*State) {
		c.up.cut(p.up)
		c.down.cut(p.down)
	})
}

// goOn gives the request that was cut off, with what the server has of it; nil where
// the next is to be another one. here tells that it came whole.
func (c *Client) goOn(ctx context.Context, d *store.Device, r *Report) (p *cutOff, here bool, err error) {
	if c.again == nil {
		return nil, false, nil
	}
	p = c.again
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, d.URL+wire.SyncPath, nil)
	if err != nil {
		return nil, false, fmt.Errorf("address %s: %w", d.URL, err)
	}
	req.Header.Set("User-Agent", "")
	req.Header.Set("Authorization", "Bearer "+d.Token)
	req.Header.Set(wire.BodyHeader, wire.BodyName(p.body))
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, false, unanswered(d, err)
	}
	resp.Body.Close()
	r.RoundTrips++
	if busy(resp) {
		return nil, false, patience{retryAfter(resp)}
	}
	c.again = nil
	has := resp.Header.Get(wire.FromHeader)
	if resp.StatusCode == http.StatusOK && has == wire.WholeBody {
		return nil, true, nil
	}
	n, err := strconv.Atoi(has)
	if resp.StatusCode != http.StatusOK || err != nil || n <= 0 || n > len(p.body)-wire.Uncounted {
		// It does not know, or a proxy keeps what has not come whole.
		c.broke(p)
		return nil, false, nil
	}
	p.from = n
	return p, false, nil
}
