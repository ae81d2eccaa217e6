package syncclient

import (
	"context"
	"errors"
	"sync"
)

// question is one to the system that cannot be taken back: nobody waits for its answer
// longer than he has time, and while it hangs it is not asked again.
type question struct{ sync.Mutex }

var errHangs = errors.New("the system has not answered the last time yet")

// ask asks it by f.
func ask[T any](ctx context.Context, q *question, f func() (T, error)) (said T, err error) {
	type answer struct {
		said T
		err  error
	}
	if !q.TryLock() {
		return said, errHangs
	}
	c := make(chan answer, 1)
	go func() {
		defer q.Unlock()
		said, err := f()
		c <- answer{said, err}
	}()
	select {
	case a := <-c:
		return a.said, a.err
	case <-ctx.Done():
		return said, ctx.Err()
	}
}
