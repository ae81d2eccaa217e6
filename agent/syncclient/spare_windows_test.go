package syncclient

import (
	"context"
	"errors"
	"testing"
	"time"
)

// The system tells what the way out costs, each time it is asked.
func TestCost(t *testing.T) {
	const known = 0x7 | 0xF0000 // unrestricted, fixed, variable, and what is said beside
	for range 3 {
		cost, err := cost()
		if err != nil || cost&^known != 0 {
			t.Errorf("%#x, %v", cost, err)
		}
		if got := metered(t.Context()); got != (cost&costs != 0) {
			t.Errorf("%#x is metered: %v", cost, got)
		}
	}
}

// A question that hangs is waited for as long as there is time, and asked again once it
// has been answered.
func TestQuestionHangs(t *testing.T) {
	var q question
	release := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	hangs := func() (int, error) { <-release; return 1, nil }
	if _, err := ask(ctx, &q, hangs); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it hangs: %v", err)
	}
	if _, err := ask(t.Context(), &q, hangs); !errors.Is(err, errHangs) {
		t.Errorf("asked beside it: %v", err)
	}
	close(release)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if n, err := ask(t.Context(), &q, hangs); err == nil && n == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it is not asked again")
		}
	}
}
