package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zhucun/agent/store"
	"zhucun/agent/vault"
	"zhucun/shared/escrow"
)

// Each row is a command on a laptop that was out of contact for longer than the
// office allows: nothing is shown, and no passphrase opens it, but work goes on.
func TestOutOfContact(t *testing.T) {
	a := laptop(t)
	if _, err := a.store.SetDevice(t.Context(), func(d *store.Device) {
		d.Assigned.OfflineDays, d.LastSync = 30, time.Now().Add(-31*24*time.Hour).UnixMilli()
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	dir, word := a.store.Dir(), filepath.Join(t.TempDir(), "word")
	if err := os.WriteFile(word, []byte("a horse and a cart\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line string
		code int
		said string
	}{
		{"put visit findings=walked", 0, ""},
		{"list visit", 1, "out of contact with the office for 31 days"},
		{"conflicts", 1, "out of contact"},
		{"passphrase set --file " + word, 1, "out of contact"},
		{"passphrase remove", 1, "out of contact"},
		{"status --json", 0, ""},
	} {
		code, out, said := cmd(t, "", append(strings.Fields(tt.line), "--data", dir)...)
		if code != tt.code || !strings.Contains(said, tt.said) {
			t.Errorf("%s: exit status %d, said %q, printed %q", tt.line, code, said, out)
		}
	}
}

// Whoever says that the laptop is his knows its passphrase or has the office's code for
// it; without a passphrase no word will do, whatever it is.
func TestLockOwns(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	dir := t.TempDir()
	v, key, err := vault.Make(dir, settings(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, other := newLock(dir), make([]byte, vault.KeySize)
	owns := func(what, word string, want bool) {
		t.Helper()
		if err := l.Owns([]byte(word)); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	owns("nothing, without a passphrase", "", false)
	owns("any word, without a passphrase", "a horse and a cart", false)
	owns("the office's code", escrow.Code(key), true)
	owns("another laptop's code", escrow.Code(other), false)
	if err := v.SetPassphrase(key, []byte("a horse and a cart")); err != nil {
		t.Fatal(err)
	}
	owns("nothing", "", false)
	owns("another word", "a horse and a car", false)
	owns("the passphrase", "a horse and a cart", true)
	owns("the office's code beside a passphrase", escrow.Code(key), true)
	owns("another laptop's code beside a passphrase", escrow.Code(other), false)
	if len(l.key) > 0 {
		t.Error("it was unlocked by that")
	}
}
