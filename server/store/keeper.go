package store

import (
	"context"
	"time"
)

// What is worked out behind the deliveries is looked over at most so often, and worked out
// in one go for at most so long: each is a look at all villages, and the last holds a
// snapshot of the data.
const (
	figuresPause = 5 * time.Second
	figuresGo    = 200 * time.Millisecond
)

// keeper brings something that is worked out from records up to date ahead of whoever asks
// for it.
type keeper struct {
	// turn works for figuresGo at most, and gives how many villages are behind still.
	turn func(ctx context.Context) (behind int, err error)
	// failed is what the log says where that fails.
	failed string
}

// keep takes turns until ctx ends: the next soon where some are behind, else after a change.
func (s *Store) keep(ctx context.Context, k keeper) {
	for {
		changed := s.Changed()
		behind, err := k.turn(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Error(k.failed, "error", err)
		}
		pause := figuresPause
		if behind > 0 && err == nil {
			pause = figuresGo
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if behind > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(time.Minute): // another process may have written, another day begun
		}
	}
}
