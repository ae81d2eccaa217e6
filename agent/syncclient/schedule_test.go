package syncclient

import (
	"sync/atomic"
	"testing"
	"time"

	"zhucun/agent/store"
)

// A save every second goes with the others of two seconds, and waits for no
// pause between them; and the timer goes on beside them.
func TestSavesAllDay(t *testing.T) {
	bubble(t, nil, func(t *testing.T, c *Client, s *store.Store, n *atomic.Int32) {
		running(t, c)
		for range 60 {
			visit(t, s)
			time.Sleep(time.Second)
		}
		if asked := n.Load(); asked < 20 || asked > 40 || pending(t, s) > 3 {
			t.Errorf("%d requests in a minute of saves, %d pending", asked, pending(t, s))
		}
	})
}
