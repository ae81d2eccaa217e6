package syncclient

import (
	"context"
	"time"
)

// spare tells whether a laptop that is set quiet has to spare: it is on battery, or
// what it is connected by is paid for by the byte.
type spare struct {
	metered bool
	asked   time.Time
}

// Whoever is asked whether the link is metered is asked so often, and has so long.
const (
	askMetered  = time.Minute
	meteredTime = time.Second
)

// now is asked by the schedule alone.
func (s *spare) now(ctx context.Context) bool {
	if onBattery() {
		return true
	}
	if s.asked.IsZero() || time.Since(s.asked) >= askMetered {
		ctx, cancel := context.WithTimeout(ctx, meteredTime)
		defer cancel()
		s.metered, s.asked = metered(ctx), time.Now()
	}
	return s.metered
}

// quiet tells whether the laptop is set quiet.
func (c *Client) quiet() bool {
	q, err := c.store.Quiet()
	return err == nil && q
}
