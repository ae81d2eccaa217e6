package store

import (
	"errors"
	"strings"
	"testing"

	"zhucun/shared/identity"
)

func TestPin(t *testing.T) {
	s := enrolled(t, identity.TeamMember)
	for _, bad := range []string{"123", "1234567890123", "12a4", "0000", "１２３４", "12 34", "-1234"} {
		if err := s.SetPin(ctx, "王书记", bad); !errors.Is(err, ErrPin) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := s.SetPin(ctx, "王书记", "2580"); err != nil {
		t.Fatal(err)
	}
	try := func(name, digits string, want bool) {
		t.Helper()
		if got, err := s.TryPin(ctx, name, digits); got != want || err != nil {
			t.Errorf("%s %q: %v, %v", name, digits, got, err)
		}
	}
	misses := func(want int) {
		t.Helper()
		if p, err := s.Profile("王书记"); err != nil || p.Misses != want {
			t.Errorf("%d misses, want %d, %v", p.Misses, want, err)
		}
	}
	for i, wrong := range []string{"", "2581", "25800", "258", strings.Repeat("2580", 1000)} {
		try("王书记", wrong, false)
		misses(i + 1)
	}
	// Who has no PIN is not let in by any.
	try("李队员", "2580", false)
	try("李队员", "", false)

	// The count outlives the agent, and a kill before the PIN was looked at.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.Dir(), nil)
	misses(5)
	try("王书记", "2580", true)
	misses(0)

	if err := s.SetProfile(ctx, "王书记", func(p *Profile) { p.Language = "en" }); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPin(ctx, "王书记", ""); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Profile("王书记"); err != nil || p.HasPin() || p.Language != "en" {
		t.Errorf("%+v, %v", p, err)
	}
}
