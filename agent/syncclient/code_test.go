package syncclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"testing"

	"zhucun/agent/store"
	"zhucun/shared/wire"
)

// Each failure has a code of the list, whatever is wrapped around it, and none has words.
func TestCodes(t *testing.T) {
	for want, err := range map[string]error{
		"": nil, "not_enrolled": store.ErrNotEnrolled, "wiped": ErrWiped, "revoked": &revoked{}, "foreign": ErrForeign, "unfit": ErrUnfit, "forked": ErrForked, "pin": errPin,
		"busy": patience{1}, "fault": &wire.Fault{}, "no_advance": errNoAdvance, "disk_full": syscall.ENOSPC, "damaged": store.ErrDamaged, "given_up": context.Canceled, "no_answer": errNoAnswer,
		"other": errors.New("王书记"),
	} {
		if err != nil {
			err = fmt.Errorf("village 369999000001: %w", err)
		}
		if got := codeOf(err); got != want || want != "" && !slices.Contains(Codes, got) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// What says something is kept, in bounds; that nothing was new, once an hour.
func TestHistory(t *testing.T) {
	wall := int64(1_511_746_200_000)
	s, err := store.Open(t.TempDir(), store.Options{Key: make([]byte, store.KeySize), Wall: func() int64 { return wall }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := New(s, "test", slog.New(slog.DiscardHandler))
	sync := func(r Report, err error, kept int) {
		t.Helper()
		c.remember(t.Context(), wall, &r, err)
		list, lerr := s.Syncs()
		if lerr != nil || len(list) != kept {
			t.Fatalf("%d are kept, want %d, %v", len(list), kept, lerr)
		}
		wall += 60_000
	}
	sync(Report{}, nil, 1)
	sync(Report{}, nil, 1)
	sync(Report{Pushed: 1, BytesUp: 300}, nil, 2)
	sync(Report{}, errNoAnswer, 3)
	sync(Report{}, errNoAnswer, 3)
	sync(Report{}, nil, 4)
	wall += 3600_000
	sync(Report{}, nil, 5)
	wall -= 48 * 3600_000
	sync(Report{}, nil, 6)
	if list, err := s.Syncs(); err != nil || list[1].Pushed != 1 || list[1].Up != 300 || list[2].Code != "no_answer" {
		t.Errorf("%+v, %v", list, err)
	}
	for range 200 {
		c.remember(t.Context(), wall, &Report{Pulled: 1}, nil)
	}
	if list, err := s.Syncs(); err != nil || len(list) != 60 || list[0].Pulled != 1 {
		t.Errorf("%d are kept, %v", len(list), err)
	}
}
