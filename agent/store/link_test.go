package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"zhucun/shared/identity"
)

// What the sync keeps of the link outlives the agent, and the session lies sealed.
func TestLink(t *testing.T) {
	dir, wall := t.TempDir(), int64(1)
	s := open(t, dir, &wall)
	if q, err := s.Quiet(); err != nil || q {
		t.Errorf("a new store is quiet: %v, %v", q, err)
	}
	if got, err := s.Session(); err != nil || got.Ticket != nil {
		t.Errorf("a new store has a session: %+v, %v", got, err)
	}
	want := Session{Address: "zhucun.cn:8440", Pin: identity.Pin{1}, Ticket: []byte("a ticket that nobody else may read"), State: []byte("a secret that nobody else may read"), At: 7}
	for _, err := range []error{s.SetQuiet(t.Context(), true), s.SetSession(t.Context(), want), s.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{want.Ticket, want.State, []byte(want.Address)} {
		if bytes.Contains(raw, secret) {
			t.Errorf("%q lies open", secret)
		}
	}
	s = open(t, dir, &wall)
	if q, err := s.Quiet(); err != nil || !q {
		t.Errorf("quiet: %v, %v", q, err)
	}
	if got, err := s.Session(); err != nil || got.Address != want.Address || got.Pin != want.Pin || !bytes.Equal(got.Ticket, want.Ticket) || !bytes.Equal(got.State, want.State) || got.At != want.At {
		t.Errorf("%+v, %v", got, err)
	}
}
