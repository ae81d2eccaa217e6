package syncclient

import (
	"context"
	"errors"
	"time"

	"zhucun/agent/store"
	"zhucun/shared/wire"
)

// Codes are all that a failed sync may be called in what is kept of it.
var Codes = []string{"not_enrolled", "wiped", "revoked", "foreign", "unfit", "forked", "pin", "busy", "fault", "no_advance", "disk_full", "damaged", "given_up", "no_answer", "other"}

// codeOf gives the code of an error, "" for none.
func codeOf(err error) string {
	var fault *wire.Fault
	var busy patience
	switch {
	case err == nil:
		return ""
	case errors.Is(err, store.ErrNotEnrolled):
		return "not_enrolled"
	case errors.Is(err, ErrWiped):
		return "wiped"
	case errors.Is(err, ErrRevoked):
		return "revoked"
	case errors.Is(err, errPin):
		return "pin"
	case errors.Is(err, ErrForeign):
		return "foreign"
	case errors.Is(err, ErrUnfit):
		return "unfit"
	case errors.Is(err, ErrForked):
		return "forked"
	case errors.As(err, &busy):
		return "busy"
	case store.Full(err):
		return "disk_full"
	case errors.Is(err, store.ErrDamaged):
		return "damaged"
	case errors.As(err, &fault):
		return "fault"
	case errors.Is(err, errNoAdvance):
		return "no_advance"
	case errors.Is(err, errNoAnswer):
		return "no_answer"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "given_up"
	}
	return "other"
}

// keptEvery is how often a sync is kept that was as the one before: each is a write to the
// disk, and most syncs only find that nothing is new.
const keptEvery = time.Hour

// history is what was last kept of a sync.
type history struct {
	at   int64
	code string
}

// remember keeps what became of a sync, where that says anything. Only who syncs calls it.
func (c *Client) remember(ctx context.Context, begin int64, r *Report, err error) {
	n := store.SyncNote{At: begin, Took: c.store.Now() - begin, Up: r.BytesUp, Down: r.BytesDown, Trips: r.RoundTrips, Pushed: r.Pushed, Pulled: r.Pulled, Files: r.Files, Code: codeOf(err)}
	same := n.Code == c.history.code && begin-c.history.at < keptEvery.Milliseconds() && begin >= c.history.at
	if same && n.Pushed+n.Pulled+uint64(n.Files) == 0 {
		return
	}
	if err := c.store.NoteSync(context.WithoutCancel(ctx), n); err != nil {
		c.log.Debug("the sync is not in the history", "error", err)
		return
	}
	c.history = history{begin, n.Code}
}
